package main

import (
	"context"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/management"
)

// connection is the name of the provider at the tenant.
const connection = "pictor"

// connect makes the provider at an address a connection of the tenant, and enables it for
// the application. A program does this once, or an administrator in the dashboard.
func connect(ctx context.Context, tenantURL string, cfg auth0.Config, p *provider, address string) error {
	application, err := auth0.NewApplication(cfg)
	if err != nil {
		return err
	}
	api, err := management.New(tenantURL, application.ClientCredentials(auth0.ClientCredentials{Audience: tenantURL + "api/v2/"}))
	if err != nil {
		return err
	}
	c, err := api.CreateOAuth2Connection(ctx, management.OAuth2Connection{
		Name: connection, DisplayName: "Pictor", TokenVault: true,
		Options: management.OAuth2Options{
			AuthorizationURL: address + "/authorize", TokenURL: address + "/token",
			ClientID: p.clientID, ClientSecret: p.clientSecret, Scopes: []string{"me", "photos"}, PKCE: true,
			FetchUserProfile: `function fetchUserProfile(accessToken, context, callback) {
				request.get({url: '` + address + `/me', json: true, headers: {Authorization: 'Bearer ' + accessToken}}, (err, response, me) => {
					if (err || response.statusCode !== 200) return callback(err || new Error('status ' + response.statusCode));
					callback(null, {user_id: me.id, name: me.name, email: me.email});
				});
			}`,
		},
	})
	if err != nil {
		return err
	}
	return api.EnableConnection(ctx, c.ID, cfg.ClientID)
}
