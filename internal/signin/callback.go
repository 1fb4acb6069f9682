package signin

import (
	"net/http"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// CallbackMethod returns the method with which the tenant's answer comes.
func (s *Routes) CallbackMethod() string {
	if s.c.Flow.ResponseMode == "form_post" {
		return http.MethodPost
	}
	return http.MethodGet
}

// Callback completes a login with the tenant's answer (OpenID Connect Core 1.0,
// Sections 3.1.2.5 to 3.1.3.8; with an ID token in the answer itself, Sections 3.2.2.5
// to 3.2.2.11 and 3.3.2.5 to 3.3.3.7). Each step needs the result of the one before.
func (s *Routes) Callback(w http.ResponseWriter, r *http.Request) error {
	a, err := s.receive(w, r)
	if err != nil {
		return err
	}
	t, err := s.Find(r, a.State, s.c.Flow.ResponseType)
	if err != nil {
		return s.strayCallback(w, r, a, err)
	}
	// If Prepare fails, the code has not been used. The transaction stays, so that
	// loading the page again can succeed.
	pending, err := s.c.Flow.Prepare(r.Context(), t, a)
	if err != nil {
		return t.Failed(err)
	}
	s.c.Transactions.Drop(w, s.c.Visits.Jar(r), t) // it is good for one answer, also if that fails
	got, err := pending.Complete(r.Context())
	l := login.Accept(s.c.Transactions, t, got, s.returnPath(t))
	if err == nil {
		err = s.startSession(w, r, l)
	}
	switch {
	case t.Silent && s.isHidden(err):
		s.c.Log.Info("auth0: a silent login was refused", "err", err)
		browser.Redirect(w, s.returnPath(t), http.StatusSeeOther)
	case t.Popup != nil:
		s.answerPopup(w, r, t, l, t.Failed(err))
	case err != nil:
		return t.Failed(err)
	default:
		browser.Redirect(w, l.ReturnTo, http.StatusSeeOther)
	}
	return nil
}

// receive reads the tenant's answer from the query or from the form. The response mode
// decides which of them, and the other one is not read.
func (s *Routes) receive(w http.ResponseWriter, r *http.Request) (login.Answer, error) {
	if method := s.CallbackMethod(); r.Method != method {
		w.Header().Set("Allow", method)
		return login.Answer{}, refusal.Method.New()
	}
	if r.Method == http.MethodGet {
		return login.ParseAnswer(r.URL.Query())
	}
	form, err := browser.Form(w, r)
	if err != nil {
		return login.Answer{}, refusal.Parameters.Wrap(err)
	}
	return login.ParseAnswer(form)
}

// returnPath is the return URL of a transaction, or the default of its site if
// there was no room for it.
func (s *Routes) returnPath(t *transaction.Transaction) string {
	if t.ReturnTo != "" {
		return t.ReturnTo
	}
	return s.c.Site.ReturnFor(t.RedirectURI, "")
}

// strayCallback answers a callback that belongs to no login of this browser. With a session,
// nothing is wrong: the person has used the back button, or a tab was reloaded or
// restored. Without one, strayCallback returns the error. It does not begin a new login, because
// the browser could go round in circles.
func (s *Routes) strayCallback(w http.ResponseWriter, r *http.Request, a login.Answer, err error) error {
	base, siteErr := s.c.Site.Of(r)
	if siteErr == nil && s.c.Visits.Marks.Silent.Load() && slices.Contains(silentRefusals, a.ErrorCode) {
		// The browser keeps no cookies. The person has not asked to log in, and so sees
		// no error. The marker keeps the next page from trying again.
		browser.Redirect(w, markSilent(s.c.Site.Home(base)), http.StatusSeeOther)
		return nil
	}
	if _, noSession := s.c.Visits.Record(r); noSession != nil || siteErr != nil {
		return err
	}
	s.c.Log.Warn("auth0: the callback has ignored an answer that belongs to no login of this browser; an answer for Application.AuthCodeURL needs a redirect URI of its own",
		"err", err)
	browser.Redirect(w, s.c.Site.Home(base), http.StatusSeeOther)
	return nil
}

// silentRefusals say that the tenant would have to ask the person something
// (OpenID Connect Core 1.0, Section 3.1.2.6).
var silentRefusals = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}

// isHidden reports whether an error of a silent login is not shown to the person, who
// has not asked to log in. Hidden are the errors of a tenant that would have to ask
// something, and of a tenant or an application that refuses the person. An answer that
// is not valid is shown.
func (s *Routes) isHidden(err error) bool {
	if err == nil {
		return false
	}
	row := s.c.Row(err)
	return row.Status == http.StatusForbidden || row.Reason == refusal.ByTenant.Reason && slices.Contains(silentRefusals, row.Code)
}

// answerPopup writes the page that ends a login in a window of its own. The error is nil
// if the login has succeeded.
func (s *Routes) answerPopup(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, l *login.Accepted, err error) {
	message := browser.PopupMessage{Type: browser.PopupChannel, OK: err == nil}
	status, target, text, link := http.StatusOK, l.ReturnTo, "You are logged in", "Go on in this window"
	if err != nil {
		row := s.c.Refused(r, err)
		status, target, text, link = row.Status, s.c.Site.LoginURL(r, t.ReturnTo), "The login was not completed", "Log in in this window"
		message.Error = row.Reason
	} else {
		message.ReturnTo = l.ReturnTo
		if slices.Contains(t.Popup.Tokens, "access_token") {
			message.AccessToken = l.Token.AccessToken
		}
		if slices.Contains(t.Popup.Tokens, "id_token") {
			message.IDToken = l.Identity.Raw
		}
	}
	base, siteErr := s.c.Site.Of(r)
	browser.WritePopup(w, status, browser.Popup{
		Message: message, Origin: t.Popup.Origin, Text: text, Target: target, Link: link,
		// Tokens go to one window and not to all pages that listen.
		Broadcast: siteErr == nil && base.Origin == t.Popup.Origin && len(t.Popup.Tokens) == 0,
	})
}
