package management_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/management"
)

// Create a connection to a provider, rotate its client secret, and delete it. The
// tenant of this example runs in the process.
func Example() {
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:3000")
	if err != nil {
		log.Fatal(err)
	}
	defer tenant.Close()
	tenant.AllowManagement("create:connections", "update:connections", "update:connections_options", "read:connections_options")
	cfg := tenant.Config()
	domain := tenant.URL() // of your tenant: acme.eu.auth0.com
	audience := domain + "api/v2/"

	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	api, err := management.New(domain, strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: audience}))
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	connection, err := api.CreateOAuth2Connection(ctx, management.OAuth2Connection{
		Name: "partner", DisplayName: "Partner Ltd",
		Options: management.OAuth2Options{
			AuthorizationURL: "https://partner.example/authorize", TokenURL: "https://partner.example/token",
			ClientID: "acme", ClientSecret: "first secret", Scopes: []string{"openid", "email"}, PKCE: true,
			FetchUserProfile: `function (accessToken, context, callback) { callback(null, {user_id: context.sub}); }`,
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := api.EnableConnection(ctx, connection.ID, cfg.ClientID); err != nil {
		log.Fatal(err)
	}
	connection, err = api.UpdateOAuth2Connection(ctx, connection.ID, func(c *management.OAuth2Connection) {
		c.Options.ClientSecret = "second secret"
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(connection.Name, "has a new secret")

	err = api.DeleteConnection(ctx, connection.ID)
	if e, ok := errors.AsType[*management.Error](err); ok {
		fmt.Println("status", e.Status, "the application needs", e.Scope)
	}
	// Output:
	// partner has a new secret
	// status 403 the application needs delete:connections
}

// An HTTP client of the program makes the requests, for example with spans of a tracing
// library.
func ExampleNew() {
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:3000")
	if err != nil {
		log.Fatal(err)
	}
	defer tenant.Close()
	tenant.AllowManagement("read:connections", "read:connections_options")
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	var options []management.Option
	options = append(options, management.WithHTTPClient(&http.Client{Timeout: 5 * time.Second}))
	api, err := management.New(tenant.URL(), application.ClientCredentials(auth0.ClientCredentials{Audience: tenant.URL() + "api/v2/"}), options...)
	if err != nil {
		log.Fatal(err)
	}
	connections, err := api.OAuth2Connections(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range connections {
		fmt.Println(c.Name)
	}
	// Output:
	// partner-idp
	// legacy-accounts
}
