package auth0test

import (
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// AllowThirdParties prepares the tenant for applications of other owners that call an
// API, such as the clients of an MCP server. The scopes are the default permissions of
// these applications at the API, to which they are added. Users of the database, such
// as ada@acme.example, can log in, if they agree. They need the scopes as permissions.
//
// It turns on the settings that a real tenant needs too: Dynamic Client Registration,
// open to everyone, Client ID Metadata Document Registration, the database connection
// at domain level, and Include Issuer in Authorization Responses. The tenant always
// accepts the parameter resource for audience. It adds the API if it has none with that
// identifier.
func (t *Tenant) AllowThirdParties(audience string, scopes ...string) {
	t.editAPI(audience, func(a *emulator.API) {
		a.ThirdPartyScopes = append([]string{}, scopes...)
		for _, scope := range scopes {
			if !slices.Contains(a.Scopes, scope) {
				a.Scopes = append(slices.Clip(a.Scopes), scope)
			}
		}
	})
	t.must(t.t.PromoteConnection(directory))
	t.t.AllowRegistration(true)
	t.t.AllowMetadataDocuments(true)
	t.t.IncludeIssuer(true)
}

// AddThirdParty adds an application of another owner, as after a manual registration: a
// public one with PKCE and refresh tokens, without scopes of OpenID Connect. Its id can
// be the URL of a client ID metadata document, which the tenant does not fetch. A
// callback URL at a host that real users can reach fails the test.
func (t *Tenant) AddThirdParty(id string, callbackURLs ...string) {
	for _, raw := range callbackURLs {
		_, err := appURL(raw)
		t.must(err)
	}
	t.must(t.t.AddClient(emulator.Client{ID: id, Name: id, Public: true, ThirdParty: true, Strict: true,
		CallbackURLs: callbackURLs, GrantTypes: []string{"authorization_code", "refresh_token"}}))
}
