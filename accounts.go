package auth0

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A ConnectedAccount is an account at a third party that a person has connected
// to the one they log in with, so that [ForConnection] gives tokens for it.
type ConnectedAccount struct {
	ID         string   `json:"id"` // cac_...
	Connection string   `json:"connection"`
	AccessType string   `json:"access_type"` // "offline" if the tenant can refresh its tokens
	Scopes     []string `json:"scopes"`
	// CreatedAt is when it was connected, ExpiresAt when it has to be again, zero
	// if that is not known.
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// ConnectAccountHandler lets whoever is logged in connect an account at the
// provider of a connection, by the tenant's My Account API. Mount it for GET and
// POST behind [Strategy.RequireLogin] on a path of its own, and register the URL
// as one of the Allowed Callback URLs of the application: the browser comes back
// there with GET. A POST begins; a link cannot. Allow the application the My Account API in its refresh token policies,
// with the scopes create:, read: and delete:me:connected_accounts; logins must
// ask for offline_access.
//
// Of the form that is posted, or of its query, it takes connection and returnTo. It
// begins nothing for other sites, and nothing for somebody who has to log in first;
// so put the form on a page for people who are logged in. Scopes are those of the
// provider; without any the tenant asks for those of the connection.
//
// To connect an account that is connected already is no error. Tokens that
// [ForConnection] has kept for the connection are forgotten.
func (s *Strategy) ConnectAccountHandler(scopes ...string) http.Handler {
	scopes = slices.Clone(scopes)
	return s.handler("connect", func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodHead || browser.Prefetches(r) {
			browser.NoContent(w)
			return nil
		}
		query := r.URL.Query()
		if r.Method == http.MethodGet && query.Has("state") {
			return s.finishAccount(w, r, query)
		}
		return s.beginAccount(w, r, scopes)
	})
}

// ConnectedAccounts returns the accounts that the person who is logged in has
// connected. Like [Strategy.AccessToken], it must be called before the first byte
// of the response is written.
func (s *Strategy) ConnectedAccounts(w http.ResponseWriter, r *http.Request) ([]ConnectedAccount, error) {
	list, err := s.connectedAccounts(w, r, "")
	if err != nil {
		return nil, asError("accounts", err)
	}
	return list, nil
}

// DisconnectAccount takes back all accounts of a connection that the person who
// is logged in has connected. If there is none, that is no error. If some remain,
// the error names their ids. It must be called before the first byte of the
// response is written.
func (s *Strategy) DisconnectAccount(w http.ResponseWriter, r *http.Request, connection string) error {
	if !syntax.IsConnectionName(connection) || connection == "" {
		return asError("accounts", refusal.InvalidConnection.Because("%.40q is no name of a connection", connection))
	}
	if err := s.disconnectAccount(w, r, connection); err != nil {
		return asError("accounts", err)
	}
	return nil
}

func (s *Strategy) beginAccount(w http.ResponseWriter, r *http.Request, scopes []string) error {
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	// A GET can be a link in a mail, of which a browser says no more than of what was
	// typed. A page elsewhere could have the person connect an account of its owner's.
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		e := refusal.Method.Because("an account is connected by a form that is posted")
		e.Description = refusal.CrossSiteConnect.Description
		return e
	}
	if err := s.checkOrigin(r); err != nil {
		return refusal.CrossSiteConnect.Wrap(err)
	}
	record, err := s.recordOf(r)
	if err != nil {
		return err
	}
	values, err := browser.Values(w, r)
	if err != nil {
		return refusal.LoginOption.Wrap(err)
	}
	connection := values.Get("connection")
	if connection == "" || !syntax.IsConnectionName(connection) {
		return refusal.InvalidConnection.Because("%.40q is no name of a connection", connection)
	}
	token, err := s.accountToken(w, r)
	if err != nil {
		return err
	}
	t := &login.Transaction{
		Version: login.Version, State: secret.Random(), Verifier: oauth2.GenerateVerifier(), IssuedAt: s.now().Unix(),
		Base: s.namespace.Issuer, ClientID: s.config.ClientID, ResponseType: connectResponse,
		RedirectURI: site.URL(r.URL.Path), ReturnTo: s.cleanReturnTo(site, values.Get("returnTo")),
	}
	body := map[string]any{
		"connection": connection, "redirect_uri": t.RedirectURI, "state": t.State,
		"code_challenge": oauth2.S256ChallengeFromVerifier(t.Verifier), "code_challenge_method": "S256",
	}
	if len(scopes) > 0 {
		body["scopes"] = scopes
	}
	var begun struct {
		AuthSession string `json:"auth_session"`
		URI         string `json:"connect_uri"`
		Params      struct {
			Ticket string `json:"ticket"`
		} `json:"connect_params"`
	}
	if err := s.account(r.Context(), token, http.MethodPost, "connect", nil, body, &begun); err != nil {
		return provider.RefreshError(err)
	}
	target, err := url.Parse(begun.URI)
	if _, badOrigin := discovery.Origin(begun.URI); err != nil || badOrigin != nil || begun.AuthSession == "" || begun.Params.Ticket == "" {
		return refusal.TenantAnswer.Because("the answer to connect has no usable connect_uri, ticket or auth_session")
	}
	query := target.Query()
	query.Set("ticket", begun.Params.Ticket)
	target.RawQuery = query.Encode()
	t.Account = &login.Account{AuthSession: begun.AuthSession, Connection: connection, Issuer: record.Issuer, Subject: record.Subject}
	if err := s.keepTransaction(w, r, t); err != nil {
		return err
	}
	browser.Redirect(w, target.String(), http.StatusSeeOther)
	return nil
}

// connectResponse keeps the transactions of accounts apart from those of logins.
const connectResponse = "connect_code"

// finishAccount takes the answer of the tenant. If that is no good, the session
// stays as it is.
func (s *Strategy) finishAccount(w http.ResponseWriter, r *http.Request, query url.Values) error {
	for _, name := range []string{"state", "connect_code", "error", "error_description"} {
		if len(query[name]) > 1 || len(query.Get(name)) > 4096 {
			return refusal.ConnectParameters.Because("the parameter %s is there twice or too long", name)
		}
	}
	t, err := s.findTransaction(r, query.Get("state"), connectResponse)
	if err != nil {
		if e := asError("connect", err); e.Reason == refusal.NoTransaction.Reason {
			return refusal.ConnectGone.Wrap(e.Err)
		}
		return err
	}
	s.transactions.Drop(w, s.jar(r), t)
	if err := s.completeAccount(w, r, t, query); err != nil {
		return failedLogin(t, asError("connect", err))
	}
	browser.Redirect(w, s.returnPath(t), http.StatusSeeOther)
	return nil
}

func (s *Strategy) completeAccount(w http.ResponseWriter, r *http.Request, t *login.Transaction, query url.Values) error {
	record, err := s.recordOf(r)
	if err != nil {
		return err
	}
	// Somebody else may have logged in here meanwhile.
	if !samePerson(record, t.Account.Issuer, t.Account.Subject) {
		return refusal.OtherUser.New()
	}
	if code := query.Get("error"); code != "" {
		row := refusal.ConnectByTenant
		if code == "access_denied" {
			row = refusal.ConnectDenied
		}
		e := row.Because("%.100q: %.200q", code, query.Get("error_description"))
		e.Code = syntax.Code(code)
		return e
	}
	if query.Get("connect_code") == "" {
		return refusal.ConnectParameters.Because("neither connect_code nor error")
	}
	token, err := s.accountToken(w, r)
	if err != nil {
		return err
	}
	err = s.account(r.Context(), token, http.MethodPost, "complete", nil, map[string]any{
		"auth_session": t.Account.AuthSession, "connect_code": query.Get("connect_code"),
		"redirect_uri": t.RedirectURI, "code_verifier": t.Verifier,
	}, nil)
	switch e, _ := errors.AsType[provider.Error](err); {
	case err == nil, e.Status == http.StatusConflict: // connected already, which is what was wanted
	case e.Status == http.StatusBadRequest, e.Status == http.StatusNotFound:
		return e.Refusal(refusal.ConnectCode)
	default:
		return provider.RefreshError(err)
	}
	// It may be another account than before, or may do more.
	return s.forgetVaultTokens(w, r, t.Account.Connection)
}

func (s *Strategy) connectedAccounts(w http.ResponseWriter, r *http.Request, connection string) ([]ConnectedAccount, error) {
	const perPage, maxPages = "20", 100
	token, err := s.accountToken(w, r)
	if err != nil {
		return nil, err
	}
	query := url.Values{"take": {perPage}}
	if connection != "" {
		query.Set("connection", connection)
	}
	var list []ConnectedAccount
	seen := map[string]bool{}
	for range maxPages {
		var page struct {
			Accounts []ConnectedAccount `json:"accounts"`
			Next     string             `json:"next"`
		}
		if err := s.account(r.Context(), token, http.MethodGet, "accounts", query, nil, &page); err != nil {
			return nil, provider.RefreshError(err)
		}
		list = append(list, page.Accounts...)
		if page.Next == "" {
			return list, nil
		}
		if seen[page.Next] {
			return nil, refusal.TenantAnswer.Because("a page of accounts leads back to one before")
		}
		seen[page.Next] = true
		query.Set("from", page.Next)
	}
	return nil, refusal.TenantAnswer.Because("there are more than %d pages of accounts", maxPages)
}

func (s *Strategy) disconnectAccount(w http.ResponseWriter, r *http.Request, connection string) error {
	list, err := s.connectedAccounts(w, r, connection)
	if err != nil {
		return err
	}
	token, err := s.accountToken(w, r)
	if err != nil {
		return err
	}
	var remain []string
	var failed error
	for _, a := range list {
		if a.Connection != connection {
			continue
		}
		err := s.account(r.Context(), token, http.MethodDelete, "accounts/"+url.PathEscape(a.ID), nil, nil, nil)
		if e, ok := errors.AsType[provider.Error](err); ok && e.Status == http.StatusNotFound {
			continue // somebody was faster
		}
		if err != nil {
			remain, failed = append(remain, a.ID), cmp.Or(failed, err)
		}
	}
	forgotten := s.forgetVaultTokens(w, r, connection)
	if failed == nil {
		return forgotten
	}
	e := asError("accounts", provider.RefreshError(failed))
	e.Err = errors.Join(fmt.Errorf("these accounts remain connected: %.500q: %w", remain, failed), forgotten)
	return e
}

// forgetVaultTokens takes tokens of a connection out of the session.
func (s *Strategy) forgetVaultTokens(w http.ResponseWriter, r *http.Request, connection string) error {
	record, err := s.current(w, r)
	if err != nil {
		return err
	}
	newest, err := s.tokens.Forget(r.Context(), record, connection)
	if err != nil {
		return err
	}
	return s.sessions.SendTokens(w, s.jar(r), record, newest)
}

// accountToken returns a token for the My Account API. All its scopes are asked
// for at once, so that one token does for all.
func (s *Strategy) accountToken(w http.ResponseWriter, r *http.Request) (secret.Text, error) {
	ep, err := s.endpoints(r.Context())
	if err != nil {
		return secret.Text{}, err
	}
	wish := ForAudience(ep.Issuer+"me/", "create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts")
	token, err := s.accessToken(w, r, []TokenOption{wish})
	if err != nil {
		return secret.Text{}, err
	}
	return secret.OfText(token.Token), nil
}

// account makes one request to the My Account API. The error is a tenantError if
// the tenant has answered.
func (s *Strategy) account(ctx context.Context, token secret.Text, method, path string, query url.Values, body, out any) error {
	ep, err := s.endpoints(ctx)
	if err != nil {
		return err
	}
	resp, err := provider.BearerRequest(ctx, s.client, token, method, ep.Issuer+"me/v1/connected-accounts/"+path, query, body)
	if err != nil {
		return err
	}
	return provider.Decode(resp, out)
}
