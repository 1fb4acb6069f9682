package auth0_test

import (
	"io"
	"net/http"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/tenant"
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
	if err := e.tenant.EditClient(testClientID, func(c *tenant.Client) {
		c.Grants = []tenant.ClientGrant{{Audience: "https://" + tenantHost + "/api/v2/", Scopes: scopes}}
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
	e.tenant.Replace(tenant.Management, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.bodies = append(l.bodies, string(body))
		answer(w, r, len(l.bodies))
	})
	return l
}
