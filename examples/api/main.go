// Command api is an API with an open endpoint, one for users who are logged in, and
// one for users with a permission. It also serves the page that calls them: a
// single-page application, which logs in by itself.
//
// Without any configuration it starts its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID (of a Single Page Application, which has no secret) and
// AUTH0_AUDIENCE it uses another one. PORT is the port to listen on, 3000 by default,
// and APP_BASE_URL the URL at which browsers reach the page.
package main

import (
	"embed"
	"errors"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

//go:embed web/*.js web/*.svg
var files embed.FS

//go:embed web/index.html
var page []byte

func main() {
	listener, baseURL, err := demo.Listen()
	if err != nil {
		log.Fatal(err)
	}
	cfg, clientID, about, err := configure(baseURL)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newApp(cfg, clientID)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.WriteString(about)
	log.Fatal(demo.Serve(listener, handler))
}

// configure takes the tenant of the environment, or starts one. It also returns the
// banner.
func configure(baseURL string) (cfg auth0.APIConfig, clientID, about string, err error) {
	if domain := os.Getenv("AUTH0_DOMAIN"); domain != "" {
		cfg = auth0.APIConfig{Domain: domain, Audience: os.Getenv("AUTH0_AUDIENCE")}
		clientID = os.Getenv("AUTH0_CLIENT_ID")
		if clientID == "" || cfg.Audience == "" {
			return cfg, "", "", errors.New("with AUTH0_DOMAIN, set AUTH0_CLIENT_ID and AUTH0_AUDIENCE too")
		}
		return cfg, clientID, demo.Configured(domain, baseURL), nil
	}
	tenant, _, about, err := demo.Tenant("Fieldnotes", baseURL, "AUTH0_DOMAIN IS NOT SET. For your own tenant, set AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_AUDIENCE.")
	if err != nil {
		return cfg, "", "", err
	}
	return tenant.APIConfig(auth0test.Audience), auth0test.SPAClientID, about + `        Ada, and Linus at GitHub, may call /api/protected; the others may not.
`, nil
}

// newApp is the API and the page. Browsers let only pages of this origin call the API.
// For pages of other origins, put CORS middleware around the mux and not inside a
// guard: a preflight has no token, so a guard answers it with 401.
func newApp(cfg auth0.APIConfig, clientID string) (http.Handler, error) {
	api, err := auth0.NewAPI(cfg)
	if err != nil {
		return nil, err
	}
	issuer := cfg.Domain
	if !strings.Contains(issuer, "://") {
		issuer = "https://" + issuer + "/"
	}
	tenant, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/open", demo.Answer("This is open to everybody."))
	mux.Handle("GET /api/members-only", api.RequireAuth(demo.Answer("You have an access token for this API.")))
	mux.Handle("GET /api/protected", api.RequirePermissions("read:protected")(demo.Answer("You have the permission read:protected.")))
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, r *http.Request) {
		demo.JSON(w, http.StatusOK, map[string]string{"issuer": issuer, "clientId": clientID, "audience": cfg.Audience})
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer") // after a login, the URL of the page has a code
		w.Header().Set("Cache-Control", "no-store")
		w.Write(page)
	})
	// A script of an attacker in the page could find the token. The policy blocks these
	// scripts, and lets data out only to this server and to the tenant.
	policy := "default-src 'self'; connect-src 'self' " + tenant.Scheme + "://" + tenant.Host +
		"; form-action 'none'; require-trusted-types-for 'script'"
	return demo.Headers(policy, demo.Files(files, mux)), nil
}
