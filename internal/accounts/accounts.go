// Package accounts is a client of Auth0's My Account API, for the third-party accounts
// that a user has connected. It makes the requests, checks the responses, and maps the
// tenant's errors to refusals.
//
// The package does not know sessions, login transactions, and browsers' requests. Its
// caller supplies the access token.
package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// Audience returns the identifier of the API at a tenant.
func Audience(issuer string) string { return issuer + "me/" }

// Scopes returns the scopes of all requests together, so that one token serves each of
// them.
func Scopes() []string {
	return []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}
}

// An Account is an account at a third party. Its fields are those of the public type
// ConnectedAccount in the same order, so that one converts to the other.
type Account struct {
	ID         string    `json:"id"`
	Connection string    `json:"connection"`
	AccessType string    `json:"access_type"`
	Scopes     []string  `json:"scopes"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// A Client makes requests for one user.
type Client struct {
	HTTP   *http.Client
	Issuer string                        // of the tenant, with a slash at the end
	Token  secret.Box[prover.Credential] // for [Audience], with [Scopes]
}

// A Request is a request to connect an account.
type Request struct {
	Connection  string
	Scopes      []string // of the third party; empty for those of the connection
	RedirectURI string
	State       string
	Verifier    string // RFC 7636
}

// A Begun is a request that the tenant has accepted.
type Begun struct {
	URL         string // the browser's next URL
	AuthSession string // for [Client.Complete]
}

// Begin asks the tenant to connect an account. It returns the browser's next URL.
func (c *Client) Begin(ctx context.Context, r Request) (Begun, error) {
	body := map[string]any{
		"connection": r.Connection, "redirect_uri": r.RedirectURI, "state": r.State,
		"code_challenge": oauth2.S256ChallengeFromVerifier(r.Verifier), "code_challenge_method": "S256",
	}
	if len(r.Scopes) > 0 {
		body["scopes"] = r.Scopes
	}
	var got struct {
		AuthSession string `json:"auth_session"`
		URI         string `json:"connect_uri"`
		Params      struct {
			Ticket string `json:"ticket"`
		} `json:"connect_params"`
	}
	if err := c.call(ctx, http.MethodPost, "connect", nil, body, &got); err != nil {
		return Begun{}, tenanterror.Meaning(tenanterror.Refresh, err)
	}
	target, err := url.Parse(got.URI)
	if _, badOrigin := discovery.Origin(got.URI); err != nil || badOrigin != nil || got.AuthSession == "" || got.Params.Ticket == "" {
		return Begun{}, refusal.TenantAnswer.Because("the answer to connect has no usable connect_uri, ticket or auth_session")
	}
	query := target.Query()
	query.Set("ticket", got.Params.Ticket)
	target.RawQuery = query.Encode()
	return Begun{target.String(), got.AuthSession}, nil
}

// A Completion proves to the tenant that the browser has returned to the application
// that sent it.
type Completion struct {
	AuthSession string // of [Begun]
	Code        string // of the [Answer]
	RedirectURI string
	Verifier    string
}

// Complete connects the account. An account that is already connected is not an error.
func (c *Client) Complete(ctx context.Context, done Completion) error {
	err := c.call(ctx, http.MethodPost, "complete", nil, map[string]any{
		"auth_session": done.AuthSession, "connect_code": done.Code, "redirect_uri": done.RedirectURI, "code_verifier": done.Verifier,
	}, nil)
	if e, _ := tenanterror.Of(err); e.Status == http.StatusConflict {
		return nil
	}
	return tenanterror.Meaning(tenanterror.ConnectedAccount, err)
}

// maxPages bounds a list, of which each page has pageSize accounts.
const pageSize, maxPages = "20", 100

// List returns the accounts of a connection, or all if the connection is empty. It
// returns all pages or an error, so that no caller mistakes a part for the whole.
func (c *Client) List(ctx context.Context, connection string) ([]Account, error) {
	query := url.Values{"take": {pageSize}}
	if connection != "" {
		query.Set("connection", connection)
	}
	var list []Account
	seen := map[string]bool{}
	for range maxPages {
		var page struct {
			Accounts []Account `json:"accounts"`
			Next     string    `json:"next"`
		}
		if err := c.call(ctx, http.MethodGet, "accounts", query, nil, &page); err != nil {
			return nil, tenanterror.Meaning(tenanterror.Refresh, err)
		}
		for _, a := range page.Accounts {
			// A tenant that does not filter must not cost the user other accounts.
			if connection == "" || a.Connection == connection {
				list = append(list, a)
			}
		}
		if page.Next == "" {
			return list, nil
		}
		if seen[page.Next] {
			return nil, refusal.TenantAnswer.Because("a page of accounts refers to an earlier page")
		}
		seen[page.Next] = true
		query.Set("from", page.Next)
	}
	return nil, refusal.TenantAnswer.Because("there are more than %d pages of accounts", maxPages)
}

// Disconnect disconnects accounts. A failure does not stop it from trying the others.
// The error names the accounts that remain.
func (c *Client) Disconnect(ctx context.Context, list []Account) error {
	var remain []string
	var failed error
	for _, a := range list {
		err := c.call(ctx, http.MethodDelete, "accounts/"+url.PathEscape(a.ID), nil, nil, nil)
		if e, ok := tenanterror.Of(err); ok && e.Status == http.StatusNotFound {
			continue // another request has disconnected it
		}
		if err != nil {
			remain, failed = append(remain, a.ID), cmp.Or(failed, err)
		}
	}
	if failed == nil {
		return nil
	}
	return remaining(remain, failed)
}

// remaining returns the refusal for the first failure, with the remaining accounts as
// its cause. Meaning always returns a refusal. It is copied, because the cause
// contains it if the failure is already a refusal.
func remaining(ids []string, failed error) error {
	e, _ := errors.AsType[*refusal.Refusal](tenanterror.Meaning(tenanterror.Refresh, failed))
	out := *e
	out.Err = fmt.Errorf("these accounts remain connected: %.500q: %w", ids, failed)
	return &out
}

// call makes one request. Package tenanterror reads its error.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	resp, err := tenantapi.Do(ctx, c.HTTP, c.Token.Reveal(), method, Audience(c.Issuer)+"v1/connected-accounts/"+path, query, body)
	if err != nil {
		return err
	}
	return tenantapi.Decode(resp, out)
}
