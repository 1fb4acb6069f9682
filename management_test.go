package auth0_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/management"
)

var writeScopes = []string{"read:connections", "read:connections_options", "create:connections", "update:connections",
	"update:connections_options", "delete:connections", "read:clients", "read:users", "read:user_idp_tokens"}

// management returns the Management API with the credentials of the application.
func (e *env) management() *management.API {
	e.t.Helper()
	source := e.strategy.ClientCredentials(auth0.ClientCredentials{Audience: "https://" + tenantHost + "/api/v2/"})
	api, err := management.New(tenantHost, source, management.WithHTTPClient(e.cfg.HTTPClient))
	if err != nil {
		e.t.Fatal(err)
	}
	return api
}

// allow grants scopes of the Management API to the application, and no others.
func (e *env) allow(scopes ...string) {
	e.t.Helper()
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) {
		c.Grants = []emulator.ClientGrant{{Audience: "https://" + tenantHost + "/api/v2/", Scopes: scopes}}
	}); err != nil {
		e.t.Fatal(err)
	}
}

func partner() management.OAuth2Connection {
	return management.OAuth2Connection{
		Name: "partner-two", DisplayName: "Partner Two",
		Options: management.OAuth2Options{
			AuthorizationURL: "https://idp.partner.example/oauth2/authorize", TokenURL: "https://idp.partner.example/oauth2/token",
			ClientID: "acme-at-partner", ClientSecret: "s3cret-CANARY", Scopes: []string{"email", "openid", "profile"}, PKCE: true,
			FetchUserProfile: `function fetchUserProfile(accessToken, context, callback) { /* ... */ }`, IconURL: "https://cdn.partner.example/logo.png",
			CustomHeaders: map[string]string{"X-Partner": "acme-CANARY"}, AuthParams: map[string]string{"static_param": "x"},
			AuthParamsMap: map[string]string{"custom_param": "access_type"},
		},
	}
}

// apiLog records what is sent to the Management API.
type apiLog struct{ bodies []string }

func (e *env) recordManagement(answer func(w http.ResponseWriter, r *http.Request, n int)) *apiLog {
	l := &apiLog{}
	e.tenant.Replace(emulator.Management, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.bodies = append(l.bodies, string(body))
		answer(w, r, len(l.bodies))
	})
	return l
}

// TestRenew: the source of the application's own tokens replaces one that is too old
// for the caller.
func TestRenew(t *testing.T) {
	type renewer interface {
		Renew(context.Context, time.Duration) (*oauth2.Token, error)
	}
	of := func(s *auth0.Strategy) renewer {
		return s.ClientCredentials(auth0.ClientCredentials{Audience: "https://" + tenantHost + "/api/v2/"}).(renewer)
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		source := of(e.strategy)
		for _, tt := range []struct {
			wait, age time.Duration
			requests  int // in all
		}{{0, time.Minute, 1}, {time.Minute, time.Minute, 1}, {time.Second, time.Minute, 2}, {0, 0, 3}} {
			time.Sleep(tt.wait)
			token, err := source.Renew(t.Context(), tt.age)
			if n := e.tenant.Calls(emulator.Token); err != nil || token.AccessToken == "" || n != tt.requests {
				t.Errorf("%v after %v: %d requests, %v", tt.age, tt.wait, n, err)
			}
		}
		e.tenant.Fail(emulator.Token, 503)
		if _, err := source.Renew(t.Context(), 0); !errors.Is(err, auth0.ErrTenantUnavailable) {
			t.Errorf("503: %v", err)
		}
	})
	if _, err := of(new(auth0.Strategy)).Renew(t.Context(), 0); err == nil {
		t.Error("a Strategy that New has not made has tokens")
	}
}
