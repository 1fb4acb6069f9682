package browser

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// A PopupMessage is the message to the page that opened the window.
type PopupMessage struct {
	Type        string `json:"type"`
	OK          bool   `json:"ok"`
	ReturnTo    string `json:"returnTo,omitempty"`
	Error       string `json:"error,omitempty"`
	AccessToken string `json:"access_token,omitempty"`
	IDToken     string `json:"id_token,omitempty"`
}

// PopupChannel is the type of every [PopupMessage], and the name of the channel.
const PopupChannel = "auth0:login"

// A Popup is the page that a login in a window of its own ends with.
type Popup struct {
	Message   PopupMessage
	Origin    string // of the opener, the only one that gets the message
	Broadcast bool   // send the message to a channel if there is no opener
	Text      string
	Target    string // where to go on if the window stays open
	Link      string // the text of the link to Target
}

// popupScript posts the message to one origin: if the opener now shows a page of
// another origin, the browser drops the message.
const popupScript = `const given = JSON.parse(document.getElementById("given").textContent);
if (window.opener) window.opener.postMessage(given.message, given.origin);
else if (given.broadcast) new BroadcastChannel(given.message.type).postMessage(given.message);
window.close();`

const popupStyle = `body{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:24rem;padding:0 1.5rem;` +
	`text-align:center;color-scheme:light dark}`

// WritePopup writes a page in which only its own script runs.
func WritePopup(w http.ResponseWriter, status int, p Popup) {
	// Package json escapes <, > and & in strings, so that no text can end the script
	// element around it.
	given, _ := json.Marshal(map[string]any{"message": p.Message, "origin": p.Origin, "broadcast": p.Broadcast})
	nonce := rand.Text()
	h := w.Header()
	cookie.Uncacheable(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the URL has a code
	// This overwrites a header of the application: with same-origin the window would
	// lose its opener.
	h.Set("Cross-Origin-Opener-Policy", "unsafe-none")
	w.WriteHeader(status)
	fmt.Fprint(w, strings.NewReplacer(
		"{nonce}", nonce, "{style}", popupStyle, "{script}", popupScript, "{given}", string(given),
		"{text}", html.EscapeString(p.Text), "{target}", html.EscapeString(p.Target), "{link}", html.EscapeString(p.Link),
	).Replace(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Login</title>
<style nonce="{nonce}">{style}</style>
<h1>{text}</h1>
<p>You can close this window.</p>
<p><a href="{target}">{link}</a></p>
<script type="application/json" id="given">{given}</script>
<script nonce="{nonce}">{script}</script>
</html>
`))
}
