package auth0

import (
	"net/http"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/login"
)

// answerPopup ends a login in a window of its own, well or not.
func (s *Strategy) answerPopup(w http.ResponseWriter, r *http.Request, t *login.Transaction, l *Login, err error) {
	message := browser.PopupMessage{Type: browser.PopupChannel, OK: err == nil}
	status, target, text, link := http.StatusOK, "", "You are logged in", "Go on in this window"
	if err != nil {
		e := errorOf(r.Context(), "callback", err)
		s.exit.writeLog(r, e)
		status, target, text, link = e.Status, s.site.LoginURL(r, e.ReturnTo), "The login was not completed", "Log in in this window"
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
	base, siteErr := s.site.Of(r)
	browser.WritePopup(w, status, browser.Popup{
		Message: message, Origin: t.Popup.Origin, Text: text, Target: target, Link: link,
		// Tokens go to one window and not to whoever listens.
		Broadcast: siteErr == nil && base.Origin == t.Popup.Origin && len(t.Popup.Tokens) == 0,
	})
}
