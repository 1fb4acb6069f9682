package auth0

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/accounts"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// A ConnectedAccount is a third-party account that the user has connected, so that
// [ForConnection] returns its tokens.
type ConnectedAccount struct {
	ID         string   `json:"id"` // cac_...
	Connection string   `json:"connection"`
	AccessType string   `json:"access_type"` // "offline" if the tenant can refresh its tokens
	Scopes     []string `json:"scopes"`
	// CreatedAt is the time of the connection. ExpiresAt is the time when the user has
	// to connect the account again, zero if it is unknown.
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// ConnectAccountHandler lets a logged-in user connect an account at the provider of a
// connection, by the tenant's My Account API. Mount it for GET and POST behind
// [Strategy.RequireLogin] on its own path, and register that URL as an Allowed
// Callback URL of the application: the browser returns there with GET. A POST starts;
// a link cannot. Allow the application the My Account API in its refresh token
// policies, with the scopes create:, read: and delete:me:connected_accounts. Logins
// must request offline_access.
//
// The handler reads connection and returnTo from the posted form, or from its query.
// It rejects requests of other sites and of users who have to log in first. So put
// the form on a page for logged-in users. Scopes are the provider's. Without any, the
// tenant requests the scopes of the connection.
//
// Connecting a connected account again is not an error. Cached tokens of
// [ForConnection] for the connection are deleted.
func (s *Strategy) ConnectAccountHandler(scopes ...string) http.Handler {
	a := accountRoute{s, slices.Clone(scopes)}
	return s.handler("connect", func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodHead || browser.Prefetches(r) {
			browser.NoContent(w)
			return nil
		}
		query := r.URL.Query()
		if r.Method == http.MethodGet && query.Has("state") {
			return a.finish(w, r, query)
		}
		return a.begin(w, r)
	})
}

// ConnectedAccounts returns the connected accounts of the logged-in user. Like
// [Strategy.AccessToken], it must be called before the first byte of the response is
// written.
func (s *Strategy) ConnectedAccounts(w http.ResponseWriter, r *http.Request) ([]ConnectedAccount, error) {
	return op("accounts", s, func() ([]ConnectedAccount, error) {
		client, err := s.accountClient(w, r)
		if err != nil {
			return nil, err
		}
		entries, err := client.List(r.Context(), "")
		if err != nil {
			return nil, s.noteLogin(w, r, err)
		}
		var list []ConnectedAccount
		for _, entry := range entries {
			list = append(list, ConnectedAccount(entry))
		}
		return list, nil
	})
}

// DisconnectAccount disconnects all accounts of a connection of the logged-in user.
// Without such an account it succeeds. If accounts remain, the error names their ids.
// It must be called before the first byte of the response is written.
func (s *Strategy) DisconnectAccount(w http.ResponseWriter, r *http.Request, connection string) error {
	return do("accounts", s, func() error {
		if err := checkConnectionName(connection); err != nil {
			return err
		}
		client, err := s.accountClient(w, r)
		if err != nil {
			return err
		}
		list, err := client.List(r.Context(), connection)
		if err != nil {
			return s.noteLogin(w, r, err)
		}
		failed := client.Disconnect(r.Context(), list)
		forgotten := s.forgetVaultTokens(w, r, connection)
		if failed == nil {
			return forgotten
		}
		e := asError("accounts", s.noteLogin(w, r, failed))
		e.Err = errors.Join(e.Err, forgotten)
		return e
	})
}

// An accountRoute is the handler of [Strategy.ConnectAccountHandler].
type accountRoute struct {
	*Strategy
	scopes []string
}

// begin redirects the browser to the tenant, where the user connects an account.
func (a accountRoute) begin(w http.ResponseWriter, r *http.Request) error {
	base, err := a.site.Of(r)
	if err != nil {
		return err
	}
	if err := checkConnectForm(w, r, base); err != nil {
		return err
	}
	record, err := a.visits.Record(r)
	if err != nil {
		return err
	}
	connection, returnTo, err := readConnectForm(w, r)
	if err != nil {
		return err
	}
	client, err := a.accountClient(w, r)
	if err != nil {
		return err
	}
	t := a.app.flow.Transaction(transaction.Place{
		RedirectURI: base.Origin + returnto.Page(site.Here(base, r)), ReturnTo: a.site.ReturnTo(base, returnTo), ResponseType: connectResponse,
	})
	begun, err := client.Begin(r.Context(), accounts.Request{
		Connection: connection, Scopes: a.scopes, RedirectURI: t.RedirectURI, State: t.State, Verifier: t.Verifier,
	})
	if err != nil {
		return a.noteLogin(w, r, err)
	}
	t.Account = &transaction.Account{AuthSession: begun.AuthSession, Connection: connection, Issuer: record.Issuer, Subject: record.Subject}
	if err := a.signin.Keep(w, r, t); err != nil {
		return err
	}
	browser.Leave(w, r, begun.URL, "Connect an account")
	return nil
}

// connectResponse separates the transactions of accounts from login transactions.
const connectResponse = "connect_code"

// checkConnectForm rejects everything but a form of the site. Otherwise an attacker's
// page could make the user connect the attacker's account.
func checkConnectForm(w http.ResponseWriter, r *http.Request, base browser.Base) error {
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

func readConnectForm(w http.ResponseWriter, r *http.Request) (connection, returnTo string, err error) {
	values, err := browser.Values(w, r)
	if err != nil {
		return "", "", refusal.LoginOption.Wrap(err)
	}
	connection = values.Get("connection")
	return connection, values.Get("returnTo"), checkConnectionName(connection)
}

func checkConnectionName(name string) error {
	if name == "" || !syntax.IsConnectionName(name) {
		return refusal.InvalidConnection.Because("%.40q is not a connection name", name)
	}
	return nil
}

// finish handles the tenant's response. If the response is unusable, the session
// stays.
func (a accountRoute) finish(w http.ResponseWriter, r *http.Request, query url.Values) error {
	answer, err := accounts.ParseAnswer(query)
	if err != nil {
		return err
	}
	t, err := a.signin.Find(r, answer.State, connectResponse)
	switch {
	case isRefused(err, refusal.NoTransaction):
		return t.Failed(refusal.ConnectGone.Wrap(errors.Unwrap(err)))
	case err != nil:
		return err
	case t.Ended != nil:
		return t.Failed(t.Ended.Refusal())
	}
	err = a.complete(w, r, t, answer)
	if err == nil || asError("connect", err).Status != http.StatusUnauthorized {
		a.signin.Settle(w, r, t, err)
	}
	if err != nil {
		return t.Failed(asError("connect", err))
	}
	browser.Redirect(w, a.app.returnPath(t), http.StatusSeeOther)
	return nil
}

// complete connects the account.
func (a accountRoute) complete(w http.ResponseWriter, r *http.Request, t *transaction.Transaction, answer accounts.Answer) error {
	record, err := a.visits.Record(r)
	if err != nil {
		return err
	}
	// Another user may have logged in here since the start.
	if !samePerson(record, t.Account.Issuer, t.Account.Subject) {
		return refusal.OtherUser.New()
	}
	code, err := answer.Code()
	if err != nil {
		return err
	}
	client, err := a.accountClient(w, r)
	if err != nil {
		return err
	}
	err = client.Complete(r.Context(), accounts.Completion{
		AuthSession: t.Account.AuthSession, Code: code, RedirectURI: t.RedirectURI, Verifier: t.Verifier,
	})
	if err != nil {
		return a.noteLogin(w, r, err)
	}
	// The account can be another one than before, or have more scopes.
	return a.forgetVaultTokens(w, r, t.Account.Connection)
}

// forgetVaultTokens removes the tokens of a connection from the session.
func (s *Strategy) forgetVaultTokens(w http.ResponseWriter, r *http.Request, connection string) error {
	record, err := s.visits.Current(w, r)
	if err != nil {
		return err
	}
	newest, err := s.tokens.Forget(r.Context(), record, connection)
	if err != nil {
		return err
	}
	return s.sessions.SendTokens(w, s.visits.Jar(r), record, newest)
}

// accountClient returns a client with an access token of the logged-in user.
func (s *Strategy) accountClient(w http.ResponseWriter, r *http.Request) (*accounts.Client, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	ep, err := s.app.client.Endpoints(r.Context())
	if err != nil {
		return nil, err
	}
	token, key, err := s.accessToken(w, r, []TokenOption{ForAudience(accounts.Audience(ep.Issuer), accounts.Scopes()...)})
	if err != nil {
		return nil, err
	}
	return &accounts.Client{HTTP: s.app.client.HTTP, Issuer: ep.Issuer, Token: secret.Of(prover.Credential{Token: token.Token, Key: key})}, nil
}
