// Command formpost is a web application that logs users in with an ID token alone:
// the tenant has the browser post it to the callback (response_type id_token,
// response_mode form_post). So the application needs no client secret, and requests only
// the JWKS from the tenant. It has a page that calls an endpoint in
// the background, a profile page and logout.
//
// Without any configuration it starts its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_SECRET and APP_BASE_URL it uses another one, in which the
// application must be allowed the implicit grant. PORT is the port to listen on,
// 3000 by default.
package main

import (
	"cmp"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

//go:embed web/*.html
var templates embed.FS

//go:embed web/*.js web/*.svg
var files embed.FS

var pages = template.Must(template.ParseFS(templates, "web/*.html"))

func main() {
	program := demo.Start("Postcard", "AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_SECRET and APP_BASE_URL")
	program.Serve(newApp(program.Config))
}

type app struct {
	strategy *auth0.Strategy
	base     string // the path below which browsers find the pages
}

func newApp(cfg auth0.Config) (http.Handler, error) {
	a := app{base: demo.Path(cfg.BaseURL)}
	cfg.ClientSecret, cfg.Audience = "", "" // this flow uses no secret, and returns no access token
	cfg.ResponseType = auth0.ResponseTypeIDToken
	cfg.LoginPath, cfg.LogoutPath = "/login", "/logout"
	cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *auth0.Error) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return // a script, which gets the default answer in JSON
		}
		a.show(w, r, e.Status, "error.html", "Sorry", e)
	}
	var err error
	if a.strategy, err = auth0.New(cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	a.strategy.Register(mux) // /login, /auth/callback, /logout
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		a.show(w, r, http.StatusOK, "home.html", "Home", demo.LoggedOut(w, r))
	})
	mux.Handle("GET /profile", a.strategy.RequireLogin(http.HandlerFunc(a.profile)))
	// A script calls this. A redirect to the tenant is useless to it, so without a session
	// the answer is 401, and the page offers to log in again.
	mux.Handle("GET /api/time", a.strategy.RequireSession(http.HandlerFunc(now)))

	// Other sites may not post to this one, except the tenant, whose answer to a login is
	// a form. The callback checks its state.
	protection := http.NewCrossOriginProtection()
	protection.AddInsecureBypassPattern("POST /auth/callback")
	handler := protection.Handler(demo.NoteLogout("/logout", a.strategy.LoadUser(mux)))
	return demo.Headers("default-src 'self'; form-action 'self'; "+demo.Pictures(cfg.Domain), demo.Files(files, handler)), nil
}

func (a app) profile(w http.ResponseWriter, r *http.Request) {
	claims, err := auth0.Claims[map[string]any](r.Context())
	if err != nil {
		slog.Error("profile", "err", err)
	}
	a.show(w, r, http.StatusOK, "profile.html", "Profile", claims)
}

func now(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	demo.JSON(w, http.StatusOK, map[string]string{
		"message": "Hello, " + cmp.Or(user.GivenName, user.Name, user.Email, user.Subject) + ".",
		"time":    time.Now().UTC().Format(time.RFC3339),
	})
}

func (a app) show(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	user, ok := auth0.UserFrom(r.Context())
	w.WriteHeader(status)
	err := pages.ExecuteTemplate(w, page, map[string]any{
		"Title": title, "Base": a.base, "Path": r.URL.Path, "User": user, "LoggedIn": ok, "Data": data,
	})
	if err != nil {
		slog.Error("page", "name", page, "err", err)
	}
}
