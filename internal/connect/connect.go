// Package connect lets a user who is logged in connect accounts of third parties, list
// them and disconnect them. It has the route on which the browser goes to the tenant and
// comes back.
//
// The package does not know how a user logs in, how an error is answered, and which
// scopes an account needs.
package connect

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"github.com/seed-15d5a55c/auth0/internal/accounts"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/signin"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// Routes are the connected accounts of the users of one application. All fields are
// required.
type Routes struct {
	Site   *site.Site
	Visits *visit.Visits
	Signin *signin.Routes // keeps the transactions
	Flow   *login.Flow
	// Row returns the row with which an error is answered.
	Row func(error) refusal.Row
}

// Connect is the route. A POST from a page of the site starts, and the browser comes back
// with a GET. Scopes are the third party's, none for those of the connection.
func (s *Routes) Connect(w http.ResponseWriter, r *http.Request, scopes []string) error {
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	query := r.URL.Query()
	if r.Method == http.MethodGet && query.Has("state") {
		return s.finish(w, r, query)
	}
	return s.begin(w, r, scopes)
}

// List returns the connected accounts of the user.
func (s *Routes) List(w http.ResponseWriter, r *http.Request) ([]accounts.Account, error) {
	client, err := s.client(w, r)
	if err != nil {
		return nil, err
	}
	list, err := client.List(r.Context(), "")
	return list, s.noteLogin(w, r, err)
}

// Disconnect disconnects all accounts of a connection of the user. If accounts remain,
// the error names them.
func (s *Routes) Disconnect(w http.ResponseWriter, r *http.Request, connection string) error {
	if err := checkName(connection); err != nil {
		return err
	}
	client, err := s.client(w, r)
	if err != nil {
		return err
	}
	list, err := client.List(r.Context(), connection)
	if err != nil {
		return s.noteLogin(w, r, err)
	}
	failed := client.Disconnect(r.Context(), list)
	forgotten := s.Visits.Forget(w, r, connection)
	failed = s.noteLogin(w, r, failed)
	if e, ok := failed.(*refusal.Refusal); ok && forgotten != nil {
		both := *e
		both.Err = errors.Join(e.Err, forgotten)
		return &both
	}
	return cmp.Or(failed, forgotten)
}

// begin redirects the browser to the tenant, where the user connects an account.
func (s *Routes) begin(w http.ResponseWriter, r *http.Request, scopes []string) error {
	base, err := s.Site.Of(r)
	if err != nil {
		return err
	}
	if err := checkForm(w, r, base); err != nil {
		return err
	}
	record, err := s.Visits.Record(r)
	if err != nil {
		return err
	}
	values, err := browser.Values(w, r)
	if err != nil {
		return refusal.LoginOption.Wrap(err)
	}
	connection := values.Get("connection")
	if err := checkName(connection); err != nil {
		return err
	}
	client, err := s.client(w, r)
	if err != nil {
		return err
	}
	t := s.Flow.Transaction(transaction.Place{
		RedirectURI: base.Origin + returnto.Page(site.Here(base, r)), ReturnTo: s.Site.ReturnTo(base, values.Get("returnTo")), ResponseType: responseType,
	})
	begun, err := client.Begin(r.Context(), accounts.Request{
		Connection: connection, Scopes: scopes, RedirectURI: t.RedirectURI, State: t.State, Verifier: t.Verifier,
	})
	if err != nil {
		return s.noteLogin(w, r, err)
	}
	t.Account = &transaction.Account{AuthSession: begun.AuthSession, Connection: connection, Issuer: record.Issuer, Subject: record.Subject}
	if err := s.Signin.Keep(w, r, t); err != nil {
		return err
	}
	browser.Leave(w, r, begun.URL, "Connect an account")
	return nil
}

// responseType separates the transactions of accounts from login transactions.
const responseType = "connect_code"

// checkForm rejects everything but a form of the site. Otherwise an attacker's page could
// make the user connect the attacker's account.
func checkForm(w http.ResponseWriter, r *http.Request, base browser.Base) error {
	// A GET can be a link in an email: a browser marks it like a typed URL.
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		e := refusal.Method.Because("connecting an account needs a POST")
		e.Description = refusal.CrossSiteConnect.Description
		return e
	}
	if err := browser.CheckOrigin(r, base); err != nil {
		return refusal.CrossSiteConnect.Wrap(err)
	}
	return nil
}

func checkName(connection string) error {
	if connection == "" || !syntax.IsConnectionName(connection) {
		return refusal.InvalidConnection.Because("%.40q is not a connection name", connection)
	}
	return nil
}

// finish handles the tenant's response. If the response is unusable, the session stays.
func (s *Routes) finish(w http.ResponseWriter, r *http.Request, query url.Values) error {
	answer, err := accounts.ParseAnswer(query)
	if err != nil {
		return err
	}
	t, err := s.Signin.Find(r, answer.State, responseType)
	switch {
	case refusal.NoTransaction.IsOf(err):
		return t.Failed(refusal.ConnectGone.Wrap(errors.Unwrap(err)))
	case err != nil:
		return err
	case t.Ended != nil:
		return t.Failed(t.Ended.Refusal())
	}
	err = s.complete(w, r, t, answer)
	// A user who has to log in first comes back with the same transaction.
	if err == nil || s.Row(err).Status != http.StatusUnauthorized {
		s.Signin.Settle(w, r, t, err)
	}
	if err != nil {
		return t.Failed(err)
	}
	browser.Redirect(w, cmp.Or(t.ReturnTo, s.Site.ReturnFor(t.RedirectURI, "")), http.StatusSeeOther)
	return nil
}

// complete connects the account.
func (s *Routes) complete(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, answer accounts.Answer) error {
	record, err := s.Visits.Record(r)
	if err != nil {
		return err
	}
	// Another user may have logged in here since the start.
	if record.Issuer != t.Account.Issuer || record.Subject != t.Account.Subject {
		return refusal.OtherUser.New()
	}
	code, err := answer.Code()
	if err != nil {
		return err
	}
	client, err := s.client(w, r)
	if err != nil {
		return err
	}
	err = client.Complete(r.Context(), accounts.Completion{
		AuthSession: t.Account.AuthSession, Code: code, RedirectURI: t.RedirectURI, Verifier: t.Verifier,
	})
	if err != nil {
		return s.noteLogin(w, r, err)
	}
	// The account can be another one than before, or have more scopes.
	return s.Visits.Forget(w, r, t.Account.Connection)
}

// client returns a client with an access token of the user.
func (s *Routes) client(w http.ResponseWriter, r *http.Request) (*accounts.Client, error) {
	ep, err := s.Flow.Client.Endpoints(r.Context())
	if err != nil {
		return nil, err
	}
	token, key, err := s.Visits.AccessToken(w, r, renew.Wish{Audience: accounts.Audience(ep.Issuer), Scopes: accounts.Scopes()})
	if err != nil {
		return nil, err
	}
	return &accounts.Client{HTTP: s.Flow.Client.HTTP, Issuer: ep.Issuer, Token: secret.Of(prover.Credential{Token: token.Token, Key: key})}, nil
}

// noteLogin notes an error after which the user has to log in again. It returns the
// error, or the one of the note.
func (s *Routes) noteLogin(w http.ResponseWriter, r *http.Request, err error) error {
	if !refusal.SessionTokenExpired.IsOf(err) {
		return err
	}
	return cmp.Or(s.Visits.NoteLogin(w, r), err)
}
