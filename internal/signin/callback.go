package signin

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// callbackMethod returns the HTTP method of the tenant's response.
func (s *Routes) callbackMethod() string {
	if s.c.Flow.ResponseMode == "form_post" {
		return http.MethodPost
	}
	return http.MethodGet
}

// Callback completes a login with the tenant's response (OpenID Connect Core 1.0,
// Sections 3.1.2.5 to 3.1.3.8; with an ID token in the answer itself, Sections 3.2.2.5
// to 3.2.2.11 and 3.3.2.5 to 3.3.3.7). Each step needs the result of the one before.
func (s *Routes) Callback(w http.ResponseWriter, r *http.Request) error {
	a, err := s.receive(w, r)
	if err != nil {
		return s.strayCallback(w, r, a, err)
	}
	t, err := s.Find(r, a.State, s.c.Flow.ResponseType)
	switch {
	case t == nil:
		return s.strayCallback(w, r, a, err)
	case err != nil:
		return s.fail(w, r, t, err)
	case t.Ended != nil:
		return s.fail(w, r, t, t.Ended.Refusal())
	}
	for {
		other, err := s.attempts.begin(r, t.State)
		switch {
		case err != nil:
			return s.fail(w, r, t, err)
		case other == nil:
			return s.finish(w, r, t, a)
		case other.err == nil:
			return s.follow(w, r, t, other.returnTo)
		case s.c.Row(other.err).Status != http.StatusServiceUnavailable:
			return s.fail(w, r, t, other.err)
		}
		// The other request failed and this one can succeed, for example because the
		// browser aborted the other one.
	}
}

// finish completes the login of a transaction for this request.
func (s *Routes) finish(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, a login.Answer) error {
	ended := outcome{err: refusal.Internal.Because("the callback has panicked")}
	defer func() { s.attempts.end(t.State, ended) }()
	l, err := s.complete(w, r, t, a)
	if err != nil {
		s.Settle(w, r, t, err)
	}
	if ended.err = err; err != nil {
		return s.fail(w, r, t, err)
	}
	ended.returnTo, ended.session = l.ReturnTo, l.Began
	if t.Popup != nil {
		s.answerPopup(w, r, t, l, nil)
		return nil
	}
	browser.Redirect(w, l.ReturnTo, http.StatusSeeOther)
	return nil
}

// complete verifies the tenant's response and starts the session.
func (s *Routes) complete(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, a login.Answer) (*login.Accepted, error) {
	pending, err := s.c.Flow.Prepare(r.Context(), t, a)
	if err != nil {
		return nil, err
	}
	got, err := pending.Complete(r.Context())
	if err != nil {
		return nil, err
	}
	l := login.Accept(s.c.Transactions, t, got, s.returnPath(t))
	if t.Person != "" && t.Person != person(got.Identity.Claims.Issuer, got.Identity.Claims.Subject) {
		l.ReturnTo = s.c.Site.ReturnFor(t.RedirectURI, "") // the page belongs to another user
	}
	// A response can delete few cookies. This one comes before those of the session.
	jar := s.c.Visits.Jar(r)
	s.c.Transactions.Drop(w, jar, t)
	if err = s.startSession(w, r, l); err != nil && !s.isDecided(err) {
		s.c.Transactions.Restore(w, jar, t)
	}
	return l, err
}

// Settle uses up a transaction, which is valid for one response, even a rejected one.
// Settle keeps the transaction if the outcome is open. If the tenant is down, for
// example, the code can still be valid, and reloading the page can succeed.
func (s *Routes) Settle(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, err error) {
	jar := s.c.Visits.Jar(r)
	switch {
	case err == nil, t.Silent:
		s.c.Transactions.Drop(w, jar, t)
	case s.isDecided(err):
		s.c.Transactions.Refuse(w, jar, t, transaction.NewEnded(s.c.Row(err), err))
	}
}

// isDecided reports whether an error rejects the login. Otherwise the tenant or the
// application has failed, and the outcome of the login is open.
func (s *Routes) isDecided(err error) bool {
	return s.c.Row(err).Status < http.StatusInternalServerError
}

// follow answers a second callback of a login that has just succeeded. The browser has
// the transaction, so it is the one that started the login. It got its session with the
// first response.
func (s *Routes) follow(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, returnTo string) error {
	if t.Popup != nil && len(t.Popup.Tokens) == 0 {
		s.answerPopup(w, r, t, &login.Accepted{ReturnTo: returnTo}, nil)
		return nil
	}
	browser.Redirect(w, returnTo, http.StatusSeeOther)
	return nil
}

// fail answers with the error of a login whose transaction the browser has.
func (s *Routes) fail(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, err error) error {
	failure := &transaction.Failure{Err: err, ReturnTo: t.ReturnTo, AppState: t.AppState, Links: s.links(r, t, s.c.Row(err))}
	switch _, siteErr := s.c.Site.Of(r); {
	case t.Silent && siteErr == nil:
		s.hide(w, r, s.returnPath(t), err)
	case t.Popup != nil:
		s.answerPopup(w, r, t, &login.Accepted{}, failure)
	default:
		return failure
	}
	return nil
}

// links returns the next steps after a rejected login.
func (s *Routes) links(r *http.Request, t *transaction.Transaction, row refusal.Row) []refusal.Link {
	var saved authrequest.Saved
	if t.Again != nil {
		saved = *t.Again
	}
	saved.ReturnTo = t.ReturnTo
	if t.AppState == nil {
		return s.loginLinks(r, saved, "", row)
	}
	return s.loginLinks(r, saved, t.State, row)
}

// receive reads the tenant's response from the query or from the form. The response mode
// decides which of them, and the other one is not read.
func (s *Routes) receive(w http.ResponseWriter, r *http.Request) (login.Answer, error) {
	switch method := s.callbackMethod(); {
	case r.Method == http.MethodGet && method != http.MethodGet:
		// After a failed login, the callback URL is in the address bar.
		return login.Answer{}, refusal.MissingState.Because("the answer of the tenant comes in a form")
	case r.Method != method:
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

// returnPath is the return URL of a transaction, or the default of its site if the URL
// was too long to keep.
func (s *Routes) returnPath(t *transaction.Transaction) string {
	if t.ReturnTo != "" {
		return t.ReturnTo
	}
	return s.c.Site.ReturnFor(t.RedirectURI, s.pageOf(t.State))
}

// strayCallback answers a callback that belongs to no login of this browser, or that
// cannot be read. With a session, the first kind is harmless: the user pressed the back
// button, a tab was reloaded or restored, or the tenant sent the user here after an
// email verification. Without a session, strayCallback returns the error. It does not
// start a new login, because the browser could loop.
func (s *Routes) strayCallback(w http.ResponseWriter, r *http.Request, a login.Answer, err error) error {
	base, siteErr := s.c.Site.Of(r)
	if siteErr != nil {
		return a.Stray(err)
	}
	record, noSession := s.c.Visits.Record(r)
	page := s.pageOf(a.State)
	switch {
	case page != "" && noSession != nil:
		// The browser keeps no cookies. The marker keeps the page from trying again.
		s.hide(w, r, returnto.AddQuery(s.c.Site.ReturnTo(base, page), silentMarker), a.Stray(err))
	case page != "":
		browser.Redirect(w, s.c.Site.ReturnTo(base, page), http.StatusSeeOther)
	case noSession != nil || !isStray(s.c.Row(err)):
		return a.Stray(err)
	default:
		page := s.attempts.succeeded(a.State, record.ID)
		if page == "" {
			s.c.Log.Warn("auth0: the callback ignored a response that belongs to no login of this browser; a login of Application.AuthCodeURL needs its own redirect URI",
				"err", a.Stray(err))
		}
		browser.Redirect(w, cmp.Or(page, s.c.Site.Home(base)), http.StatusSeeOther)
	}
	return nil
}

// isStray reports whether a response was rejected because it belongs to no login of the
// browser.
func isStray(row refusal.Row) bool {
	return row == refusal.MissingState || row == refusal.NoTransaction
}

// answerPopup writes the page that ends a login in a pop-up window. The error is nil
// after a successful login.
func (s *Routes) answerPopup(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, l *login.Accepted, err error) {
	message := browser.PopupMessage{Type: browser.PopupChannel, OK: err == nil}
	status, target, text, link := http.StatusOK, l.ReturnTo, "You are logged in", "Go on in this window"
	if err != nil {
		row := s.c.Refused(r, err)
		status, target, text, link = row.Status, s.links(r, t, row)[0].URL, "The login was not completed", "Log in in this window"
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
		// Tokens go to one window and not to all listening pages.
		Broadcast: siteErr == nil && base.Origin == t.Popup.Origin && len(t.Popup.Tokens) == 0,
	})
}
