package auth0

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
)

// WithPopup is for a login route that a page opens in a window of its own. Mount
// one with it beside the others:
//
//	mux.Handle("GET /auth/popup", strategy.LoginHandler(auth0.WithPopup("https://app.example.com")))
//
// The callback then ends with a page that posts a message to the window that has
// opened it, if that has the given origin, and closes. The session has begun by
// then. The message is one of
//
//	{type: "auth0:login", ok: true, returnTo: "/"}
//	{type: "auth0:login", ok: false, error: "authorization_denied"}
//
// where error is an [Error].Reason. Whoever listens must check the origin of the
// message, and must open the window in a click, or browsers block it:
//
//	button.onclick = () => open("/auth/popup", "login", "popup,width=480,height=700")
//	addEventListener("message", (e) => {
//	  if (e.origin === location.origin && e.data?.type === "auth0:login") location.reload()
//	})
//
// Identity providers, and the page itself, can cut the tie between the windows
// with Cross-Origin-Opener-Policy. The page that opens the window must not send
// same-origin; same-origin-allow-popups is fine. A provider that sends it leaves
// the callback without an opener. If the origins are the same, the message is
// then sent on the BroadcastChannel "auth0:login", on which a page may listen
// too; in any case the window says that it can be closed, and has a link to
// go on in it. A redirect works always: offer it beside the pop-up.
//
// The message holds no token. A page that has to have one names it: tokens may
// be "access_token" and "id_token", which the message then has as members. Any
// script of that origin can read it.
func WithPopup(openerOrigin string, tokens ...string) LoginOption {
	tokens = slices.Clone(tokens)
	return loginOption(func(a *authRequest) {
		if origin, err := discovery.Origin(openerOrigin); err != nil || origin != openerOrigin {
			a.fail("the origin %q of a pop-up must be one such as https://app.example.com", openerOrigin)
		}
		for _, name := range tokens {
			if name != "access_token" && name != "id_token" {
				a.fail(`a pop-up can be given "access_token" and "id_token", not %q`, name)
			}
		}
		a.popup = &popup{Origin: openerOrigin, Tokens: tokens}
	})
}

// A popup is what the callback has to know of a login in a window of its own.
type popup struct {
	Origin string   `json:"o"`
	Tokens []string `json:"t,omitempty"`
}

// popupMessage is what the opener gets.
type popupMessage struct {
	Type        string `json:"type"`
	OK          bool   `json:"ok"`
	ReturnTo    string `json:"returnTo,omitempty"`
	Error       string `json:"error,omitempty"`
	AccessToken string `json:"access_token,omitempty"`
	IDToken     string `json:"id_token,omitempty"`
}

const popupChannel = "auth0:login"

// answerPopup ends a login in a window of its own, well or not.
func (s *Strategy) answerPopup(w http.ResponseWriter, r *http.Request, t *transaction, l *Login, err error) {
	message := popupMessage{Type: popupChannel, OK: err == nil}
	status, target, text, link := http.StatusOK, "", "You are logged in", "Go on in this window"
	if err != nil {
		e := errorOf(r.Context(), "callback", err)
		s.exit.record(r, e)
		status, target, text, link = e.Status, s.loginURL(r, e), "The login was not completed", "Log in in this window"
		message.Error = e.Reason
	} else {
		target, message.ReturnTo = l.ReturnTo, l.ReturnTo
		if slices.Contains(t.Popup.Tokens, "access_token") {
			message.AccessToken = l.Token().AccessToken
		}
		if slices.Contains(t.Popup.Tokens, "id_token") {
			message.IDToken = l.identity.Reveal().raw
		}
	}
	site, siteErr := s.siteOf(r)
	writePopupPage(w, status, popupPage{
		message: message, origin: t.Popup.Origin, text: text, target: target, link: link,
		// Tokens go to one window and not to whoever listens.
		broadcast: siteErr == nil && site.origin == t.Popup.Origin && len(t.Popup.Tokens) == 0,
	})
}

type popupPage struct {
	message   popupMessage
	origin    string
	broadcast bool
	text      string
	target    string // where to go on if the window stays
	link      string
}

// The script of the page. The message is posted to one origin: if the opener has
// gone elsewhere meanwhile, the browser drops it.
const popupScript = `const given = JSON.parse(document.getElementById("given").textContent);
if (window.opener) window.opener.postMessage(given.message, given.origin);
else if (given.broadcast) new BroadcastChannel(given.message.type).postMessage(given.message);
window.close();`

const popupStyle = `body{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:24rem;padding:0 1.5rem;text-align:center;color-scheme:light dark}`

// writePopupPage writes a page in which nothing runs but its own script.
func writePopupPage(w http.ResponseWriter, status int, p popupPage) {
	// Package json writes <, > and & in strings as escapes, so that the text
	// cannot end the element it stands in.
	given, _ := json.Marshal(map[string]any{"message": p.message, "origin": p.origin, "broadcast": p.broadcast})
	nonce := rand.Text()
	h := w.Header()
	cookie.Uncacheable(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the URL has a code
	// Whatever the application sends elsewhere: with same-origin, this window
	// would lose its opener now at the latest.
	h.Set("Cross-Origin-Opener-Policy", "unsafe-none")
	w.WriteHeader(status)
	fmt.Fprint(w, strings.NewReplacer(
		"{nonce}", nonce, "{style}", popupStyle, "{script}", popupScript, "{given}", string(given),
		"{text}", html.EscapeString(p.text), "{target}", html.EscapeString(p.target), "{link}", html.EscapeString(p.link),
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
