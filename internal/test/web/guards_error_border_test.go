package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestErrorsOfHooksAtTheBorder: a function of the application can return an *Error,
// wrapped in other errors, and with errors of this package inside. In one chain,
// the outermost of them decides the answer. Each row has the status that follows.
func TestErrorsOfHooksAtTheBorder(t *testing.T) {
	t.Parallel()
	mine := func(inside error) error {
		return fmt.Errorf("the application says: %w", &auth0.Error{Status: 451, Code: "legal", Reason: "mine", Description: "not here", Err: inside})
	}
	e := testkit.SignedIn(t)
	_, inside := e.Strategy.Session(httptest.NewRequest("GET", "/", nil)) // one of this package's own
	if !errors.Is(inside, auth0.ErrNoSession) {
		t.Fatal(inside)
	}
	login := func(edit func(*auth0.Config, error)) func(error) int {
		return func(err error) int {
			return testkit.SignedIn(t, func(c *auth0.Config) { edit(c, err) }).Browser().Login("/auth/login").Status
		}
	}
	bearer := func(edit func(*auth0.APIConfig, error)) func(error) int {
		return func(err error) int {
			e := testkit.SignedIn(t)
			c := auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, HTTPClient: e.Config.HTTPClient, Logger: e.Config.Logger}
			edit(&c, err)
			api, newErr := auth0.NewAPI(c)
			if newErr != nil {
				t.Fatal(newErr)
			}
			r := httptest.NewRequest("GET", "/", nil)
			sub, _ := e.Tenant.Subject("ada@acme.example")
			r.Header.Set("Authorization", "Bearer "+e.Tenant.AccessToken(sub, testkit.Audience))
			w := httptest.NewRecorder()
			api.RequireAuth(http.NotFoundHandler()).ServeHTTP(w, r)
			return w.Code
		}
	}
	for _, tt := range []struct {
		why  string
		hook func(error) int
		// The status for an *Error with nothing inside, for one with an error of
		// this package inside, and for one of this package alone.
		bare, with, own int
	}{
		{"AfterLogin", login(func(c *auth0.Config, err error) {
			c.AfterLogin = func(context.Context, *auth0.Login) error { return err }
		}), 451, 451, 401},
		{"CheckOrganization", func(err error) int {
			e := testkit.SignedIn(t, func(c *auth0.Config) {
				c.AcceptOrganizationLinks = true
				c.CheckOrganization = func(context.Context, string) error { return err }
			})
			return e.Browser().Login("/auth/login?organization=acme-eu").Status
		}, 451, 451, 401},
		{"ClientAuthenticationFunc", login(func(c *auth0.Config, err error) {
			c.ClientSecret = ""
			c.ClientAuthentication = auth0.ClientAuthenticationFunc(func(context.Context) (auth0.ClientAuthentication, error) {
				return auth0.ClientAuthentication{}, err
			})
		}), 503, 503, 503},
		{"Store", func(err error) int {
			store := testkit.NewWatchedStore()
			e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
			b := e.Browser().MustLogin()
			store.BreakWith("find", err)
			return b.Page("/private").Status
		}, 503, 503, 503},
		{"ResolveIssuer", bearer(func(c *auth0.APIConfig, err error) {
			c.Domain = ""
			c.ResolveIssuer = func(context.Context, string) (*auth0.Issuer, error) { return nil, err }
		}), 451, 451, 401},
		{"Validate", bearer(func(c *auth0.APIConfig, err error) {
			c.Validate = func(context.Context, *auth0.Token) error { return err }
		}), 451, 451, 401},
		{"FromFunc", bearer(func(c *auth0.APIConfig, err error) {
			c.TokenExtractors = []auth0.TokenExtractor{auth0.FromFunc(func(*http.Request) (string, error) { return "", err })}
		}), 451, 451, 401},
	} {
		for _, row := range []struct {
			why  string
			err  error
			want int
		}{{"an *Error", mine(nil), tt.bare}, {"an *Error around one of ours", mine(inside), tt.with}, {"one of ours", fmt.Errorf("asked: %w", inside), tt.own}} {
			if got := tt.hook(row.err); got != row.want {
				t.Errorf("%s returns %s: status %d, want %d", tt.why, row.why, got, row.want)
			}
		}
	}
}
