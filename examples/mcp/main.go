// Command mcp is an MCP server with three tools: one for every user, one that needs a
// scope, and one that needs a permission. With the argument "client" it is a client of
// that server, which logs in and gets the scopes that it needs.
//
// It is a separate module: run "go -C examples/mcp run ." from the root of the
// repository, and "go -C examples/mcp run . client" in another terminal. The server
// starts its own tenant, and prints its users. To use your tenant, set AUTH0_DOMAIN, and
// set the tenant up as the README of this directory says. PORT is the port to listen
// on, 3001 by default. APP_BASE_URL is the URL at which clients reach the server, if it
// is not on this machine.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	port := cmp.Or(os.Getenv("PORT"), "3001")
	base := strings.TrimSuffix(cmp.Or(os.Getenv("APP_BASE_URL"), "http://localhost:"+port), "/")
	var err error
	if len(os.Args) > 1 && os.Args[1] == "client" {
		err = runClient(ctx, base+endpoint)
	} else {
		err = runServer(ctx, port, base)
	}
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func runServer(ctx context.Context, port, base string) error {
	listener, err := net.Listen("tcp", "localhost:"+port)
	if err != nil {
		return fmt.Errorf("port %s cannot be used; set PORT to another one, such as PORT=3333: %w", port, err)
	}
	domain := os.Getenv("AUTH0_DOMAIN")
	config, about := configFor(auth0.APIConfig{Domain: domain, Audience: base + endpoint}, "https://"+domain), "Tenant  "+domain+"\n"
	if domain == "" {
		tenant, err := embedded(base)
		if err != nil {
			return err
		}
		defer tenant.Close()
		config, about = configFor(tenant.APIConfig(base+endpoint), tenant.URL()), fmt.Sprintf(`Tenant  embedded, at %s
        A DEMO WITH PUBLIC PASSWORDS: ANYBODY CAN LOG IN AS ANY USER
Users   %s may read and write notes, %s may also delete them; password %q
`, tenant.URL(), writer, owner, password)
	}
	handler, err := newHandler(config, base)
	if err != nil {
		return err
	}
	fmt.Printf(`%sServer  %s%s
Client  go run . client, or any MCP client with that URL
Try     curl -i -X POST %[2]s%[3]s
        The 401 says where a client learns how to log in.
Stop    Ctrl+C
`, about, base, endpoint)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Users of the embedded tenant.
const (
	writer   = "joan@acme.example"
	owner    = "rose@acme.example"
	password = "correct horse"
)

// embedded starts a tenant that is set up like a real one in the README.
func embedded(base string) (*auth0test.Tenant, error) {
	tenant, err := auth0test.Serve("127.0.0.1:0", base)
	if err != nil {
		return nil, err
	}
	audience := base + endpoint
	tenant.APIConfig(audience) // adds the API
	tenant.AllowThirdParties(audience, readNotes, writeNotes)
	for email, permissions := range map[string][]string{writer: {readNotes, writeNotes}, owner: {readNotes, writeNotes, deleteNotes}} {
		tenant.AddUser(auth0test.User{
			Connection: "Username-Password-Authentication", Email: email, EmailVerified: true, Password: password,
			Permissions: map[string][]string{audience: permissions},
		})
	}
	return tenant, nil
}

// configFor names the tenant without a slash at its end, because the client of version
// 1.8.0 of the SDK cannot use an issuer with one.
func configFor(config auth0.APIConfig, issuer string) auth0.APIConfig {
	config.AuthorizationServers = []string{strings.TrimSuffix(issuer, "/")}
	return config
}
