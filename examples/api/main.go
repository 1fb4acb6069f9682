// Command api is an API with an open endpoint, one for everybody who is logged
// in, and one for those with a permission. It also serves the page that calls
// them: a single-page application, which logs in by itself.
//
// Without any configuration it brings its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID (of a Single Page Application, which has no secret) and
// AUTH0_AUDIENCE it uses that one. PORT sets the port to listen on, 3000 by
// default, and APP_BASE_URL the address that people open.
package main

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

//go:embed web
var files embed.FS

func main() {
	port := cmp.Or(os.Getenv("PORT"), "3000")
	cfg, clientID, err := configure(port)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newApp(cfg, clientID)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "localhost:" + port, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// configure takes the tenant of the environment, or starts one.
func configure(port string) (cfg auth0.APIConfig, clientID string, err error) {
	baseURL := cmp.Or(os.Getenv("APP_BASE_URL"), "http://localhost:"+port)
	if domain := os.Getenv("AUTH0_DOMAIN"); domain != "" {
		cfg = auth0.APIConfig{Domain: domain, Audience: os.Getenv("AUTH0_AUDIENCE")}
		clientID = os.Getenv("AUTH0_CLIENT_ID")
		if clientID == "" || cfg.Audience == "" {
			return cfg, "", errors.New("with AUTH0_DOMAIN, set AUTH0_CLIENT_ID and AUTH0_AUDIENCE too")
		}
		fmt.Printf("Tenant  %s\nOpen    %s\n", domain, baseURL)
		return cfg, clientID, nil
	}
	tenant, err := auth0test.Serve("127.0.0.1:0", baseURL)
	if err != nil {
		return cfg, "", err
	}
	tenant.NameApp("Fieldnotes")
	fmt.Printf(`Tenant  embedded, at %s
        (to use your own, set AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_AUDIENCE)
Open    %s
People  ada@acme.example and bob@acme.example, password "correct horse", or anybody behind another button.
        Ada, and Linus at GitHub, may call /api/protected; the others may not.
`, tenant.URL(), baseURL)
	return tenant.APIConfig(auth0test.Audience), auth0test.SPAClientID, nil
}

// newApp is the API and the page. Pages of other origins cannot call the API:
// browsers keep them from it. Middleware for CORS that lets some goes around the
// mux, and so around the guards: they answer a preflight with 401, since it has no
// token.
func newApp(cfg auth0.APIConfig, clientID string) (http.Handler, error) {
	api, err := auth0.NewAPI(cfg)
	if err != nil {
		return nil, err
	}
	page, err := newPage(cfg, clientID)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/open", answer("This is open to everybody."))
	mux.Handle("GET /api/members-only", api.RequireAuth(answer("You have an access token for this API.")))
	mux.Handle("GET /api/protected", api.RequirePermissions("read:protected")(answer("You have the permission read:protected.")))
	mux.Handle("GET /", page)
	return mux, nil
}

func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"message\":%q}\n", text)
	}
}

// newPage serves the page, and tells it where to log in. A script that somebody
// smuggled into it would find the token, so the policy lets none in, and lets
// nothing out but to this server and the tenant.
func newPage(cfg auth0.APIConfig, clientID string) (http.Handler, error) {
	issuer := cfg.Domain
	if !strings.Contains(issuer, "://") {
		issuer = "https://" + issuer + "/"
	}
	tenant, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	policy := fmt.Sprintf("default-src 'self'; connect-src 'self' %s://%s; object-src 'none'; base-uri 'none'; form-action 'none'; "+
		"frame-ancestors 'none'; require-trusted-types-for 'script'", tenant.Scheme, tenant.Host)
	web, err := fs.Sub(files, "web")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(web))
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "clientId": clientID, "audience": cfg.Audience})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Referrer-Policy", "no-referrer") // the address of the page has a code after a login
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	}), nil
}
