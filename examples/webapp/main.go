// Command webapp is a web application with login buttons, a profile page, calls
// to a protected API and logout.
//
// Without any configuration it brings its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET and APP_BASE_URL (and
// AUTH0_AUDIENCE for the API) it uses that one. PORT sets the port to listen
// on, 3000 by default. With ORGANIZATIONS=1 people choose theirs at the login.
package main

import (
	"cmp"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

//go:embed web
var files embed.FS

var pages = template.Must(template.ParseFS(files, "web/*.html"))

func main() {
	port := cmp.Or(os.Getenv("PORT"), "3000")
	cfg, err := configure(port)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newApp(cfg)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "localhost:" + port, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// configure takes the tenant of the environment, or starts one.
func configure(port string) (auth0.Config, error) {
	if os.Getenv("AUTH0_DOMAIN") != "" {
		cfg, err := auth0.ConfigFromEnv()
		fmt.Printf("Tenant  %s\nOpen    %s\n", cfg.Domain, cfg.BaseURL)
		return cfg, err
	}
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:"+port)
	if err != nil {
		return auth0.Config{}, err
	}
	cfg := tenant.Config()
	tenant.NameApp("Fieldnotes")
	if os.Getenv("ORGANIZATIONS") != "" {
		tenant.UseOrganizations("require", "post_login_prompt")
	}
	cfg.Secrets = []string{rand.Text() + rand.Text()}
	fmt.Printf(`Tenant  embedded, at %s
        (to use your own, set AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET, APP_BASE_URL)
Open    %s
People  ada@acme.example and bob@acme.example, password "correct horse", or anybody behind another button.
        Ada, and Linus at GitHub, may call /api/protected; the others may not. (ORGANIZATIONS=1: Ada has two.)
`, tenant.URL(), cfg.BaseURL)
	return cfg, nil
}

// newApp has pages for people who log in, and an API for access tokens.
func newApp(cfg auth0.Config) (http.Handler, error) {
	cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *auth0.Error) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return // a script, which gets the default answer in JSON
		}
		show(w, r, e.Status, "error.html", "Sorry", e)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		return nil, err
	}
	api, err := newAPI(cfg, strategy)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /api/", api)
	mux.Handle("GET /web/", http.FileServerFS(files))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		buttons, _ := strategy.GetConnections(r.Context()) // without, the page has one button, and the log says why
		show(w, r, http.StatusOK, "home.html", "Home", buttons)
	})
	mux.HandleFunc("GET /find", func(w http.ResponseWriter, r *http.Request) {
		connection, found, err := strategy.ConnectionForEmail(r.Context(), r.FormValue("email"))
		if err != nil || !found {
			connection.LoginURL = "/auth/login?login_hint=" + template.URLQueryEscaper(r.FormValue("email"))
		}
		http.Redirect(w, r, connection.LoginURL, http.StatusSeeOther)
	})
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := auth0.Claims[map[string]any](r.Context())
		show(w, r, http.StatusOK, "profile.html", "Profile", claims)
	})))
	mux.Handle("GET /calls", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		show(w, r, http.StatusOK, "calls.html", "API", cfg.Audience)
	})))
	// The page calls the API through here: its token stays where no script is.
	mux.Handle("GET /call/{name}", strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Clone(r.Context())
		call.URL.Path = "/api/" + r.PathValue("name")
		if token, err := strategy.AccessToken(w, r); err == nil {
			token.SetAuthHeader(call)
		}
		api.ServeHTTP(w, call)
	})))
	return strategy.LoadUser(mux), nil
}

// newAPI could as well be a program of its own.
func newAPI(cfg auth0.Config, strategy *auth0.Strategy) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/open", answer("This is open to everybody."))
	if cfg.Audience == "" {
		slog.Warn("AUTH0_AUDIENCE is not set: the API has only its open part")
		return mux, nil
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: cfg.Domain, Audience: cfg.Audience, Keys: strategy.Application().KeySet()})
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /api/members-only", api.RequireAuth(answer("You have an access token for this API.")))
	mux.Handle("GET /api/protected", api.RequirePermissions("read:protected")(answer("You have the permission read:protected.")))
	return mux, nil
}

func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"message\":%q}\n", text)
	}
}

func show(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	user, ok := auth0.UserFrom(r.Context())
	w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src 'self' https:; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, page, map[string]any{"Title": title, "User": user, "LoggedIn": ok, "Path": r.URL.Path, "Data": data}); err != nil {
		slog.Error("page", "name", page, "err", err)
	}
}
