package testkit

import (
	"io"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/management"
)

// Names returns the names of connections, with spaces between them.
func Names(list []auth0.Connection) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

// WriteScopes are the scopes of all methods of Management.
var WriteScopes = []string{"read:connections", "read:connections_options", "create:connections", "update:connections",
	"update:connections_options", "delete:connections", "read:clients", "read:users", "read:user_idp_tokens"}

// Management returns the Management API with the credentials of the application.
func (e *Env) Management() *management.API {
	e.T.Helper()
	source := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: "https://" + TenantHost + "/api/v2/"})
	api, err := management.New(TenantHost, source, management.WithHTTPClient(e.Config.HTTPClient))
	if err != nil {
		e.T.Fatal(err)
	}
	return api
}

// AllowManagement grants the application scopes of the Management API.
func (e *Env) AllowManagement(scopes ...string) {
	e.T.Helper()
	if err := e.Tenant.EditClient(ClientID, func(c *TenantClient) {
		c.Grants = []ClientGrant{{Audience: "https://" + TenantHost + "/api/v2/", Scopes: scopes}}
	}); err != nil {
		e.T.Fatal(err)
	}
}

// PartnerConnection is a connection with every option set.
func PartnerConnection() management.OAuth2Connection {
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

// ManagementLog records the requests to the Management API.
type ManagementLog struct{ Bodies []string }

// RecordManagement makes answer answer for the Management API. n counts the
// requests from 1.
func (e *Env) RecordManagement(answer func(w http.ResponseWriter, r *http.Request, n int)) *ManagementLog {
	l := &ManagementLog{}
	e.Tenant.Replace(ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.Bodies = append(l.Bodies, string(body))
		answer(w, r, len(l.Bodies))
	})
	return l
}
