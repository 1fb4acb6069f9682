package auth0

import (
	"net/http"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/login"
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
		a.popup = &login.Popup{Origin: openerOrigin, Tokens: tokens}
	})
}

// answerPopup ends a login in a window of its own, well or not.
func (s *Strategy) answerPopup(w http.ResponseWriter, r *http.Request, t *login.Transaction, l *Login, err error) {
	message := browser.PopupMessage{Type: browser.PopupChannel, OK: err == nil}
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
			message.IDToken = l.identity.Reveal().Raw
		}
	}
	site, siteErr := s.siteOf(r)
	browser.WritePopup(w, status, browser.Popup{
		Message: message, Origin: t.Popup.Origin, Text: text, Target: target, Link: link,
		// Tokens go to one window and not to whoever listens.
		Broadcast: siteErr == nil && site.Origin == t.Popup.Origin && len(t.Popup.Tokens) == 0,
	})
}
