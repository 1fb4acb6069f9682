package browser

import (
	"encoding/json"
	"net/http"
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

// A Popup is the page that ends a login in a pop-up window.
type Popup struct {
	Message   PopupMessage
	Origin    string // of the opener, the only one that gets the message
	Broadcast bool   // send the message to a channel if there is no opener
	Text      string
	Target    string // the next page if the window stays open
	Link      string // the text of the link to Target
}

// popupScript posts the message to one origin: if the opener now shows a page of
// another origin, the browser drops the message.
const popupScript = `const given = JSON.parse(document.getElementById("given").textContent);
if (window.opener) window.opener.postMessage(given.message, given.origin);
else if (given.broadcast) new BroadcastChannel(given.message.type).postMessage(given.message);
window.close();`

// A script is JavaScript for a page, with its input as JSON.
type script struct{ text, given string }

// html returns the elements of the script. Package json escapes <, > and & in strings,
// so that no text can end the element around it.
func (s *script) html(nonce string) string {
	return `<script type="application/json" id="given">` + s.given + "</script>\n" + `<script nonce="` + nonce + `">` + s.text + "</script>\n"
}

// WritePopup writes a page in which only its own script runs.
func WritePopup(w http.ResponseWriter, status int, p Popup) {
	given, _ := json.Marshal(map[string]any{"message": p.Message, "origin": p.Origin, "broadcast": p.Broadcast})
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer") // the URL has a code
	// This overwrites a header of the application: with same-origin the window would
	// lose its opener.
	h.Set("Cross-Origin-Opener-Policy", "unsafe-none")
	WritePage(w, status, Page{
		Title: p.Text, Text: "You can close this window.", Links: []Link{{Href: p.Target, Text: p.Link}},
		script: &script{text: popupScript, given: string(given)},
	})
}
