// Command formpost is a web application that logs people in with an ID token
// alone: the tenant has the browser post it to the callback (response_type
// id_token, response_mode form_post), so the application needs no client secret
// and asks the tenant for nothing but its keys. It has a page that calls an
// endpoint in the background, a profile page and logout.
//
// Without any configuration it brings its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_SECRET and APP_BASE_URL it uses that one, in which the
// application must be allowed the implicit grant. PORT sets the port to listen
// on, 3000 by default.
package main

import (
	"cmp"
	"crypto/rand"
	"embed"
	"encoding/json"
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
		cfg, err := auth0.ConfigFromEnv() // AUTH0_CLIENT_SECRET is not needed here
		if err != nil {
			return auth0.Config{}, err
		}
		fmt.Printf("Tenant  %s\nOpen    %s\n", cfg.Domain, cfg.BaseURL)
		return cfg, nil
	}
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:"+port)
	if err != nil {
		return auth0.Config{}, err
	}
	tenant.NameApp("Postcard")
	cfg := tenant.Config()
	cfg.ClientSecret, cfg.Audience = "", ""
	cfg.Secrets = []string{rand.Text() + rand.Text()}
	fmt.Printf(`Tenant  embedded, at %s
        (to use your own, set AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_SECRET, APP_BASE_URL)
Open    %s
People  ada@acme.example and bob@acme.example, password "correct horse", or anybody behind another button.
`, tenant.URL(), cfg.BaseURL)
	return cfg, nil
}

func newApp(cfg auth0.Config) (http.Handler, error) {
	cfg.ResponseType = "id_token"
	cfg.LoginPath, cfg.LogoutPath = "/login", "/logout"
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
	mux := http.NewServeMux()
	strategy.Register(mux) // /login, /auth/callback, /logout
	mux.Handle("GET /web/", http.FileServerFS(files))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		show(w, r, http.StatusOK, "home.html", "Home", nil)
	})
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := auth0.Claims[map[string]any](r.Context())
		if err != nil {
			slog.Error("profile", "err", err)
		}
		show(w, r, http.StatusOK, "profile.html", "Profile", claims)
	})))
	// A script asks here. A redirect to the tenant would be of no use to it, so
	// without a session the answer is 401, and the page offers to log in again.
	mux.Handle("GET /api/time", strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{
			"message": "Hello, " + cmp.Or(user.GivenName, user.Name, user.Email, user.Subject) + ".",
			"time":    time.Now().UTC().Format(time.RFC3339),
		})
	})))

	// Other sites may not post to this one, but for the tenant, whose answer to a
	// login comes that way. The callback knows the answers to its own logins by
	// their state.
	protection := http.NewCrossOriginProtection()
	protection.AddInsecureBypassPattern("POST /auth/callback")
	return protection.Handler(strategy.LoadUser(mux)), nil
}

func show(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	user, ok := auth0.UserFrom(r.Context())
	w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src 'self' https:; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	err := pages.ExecuteTemplate(w, page, map[string]any{"Title": title, "User": user, "LoggedIn": ok, "Path": r.URL.Path, "Data": data})
	if err != nil {
		slog.Error("page", "name", page, "err", err)
	}
}
