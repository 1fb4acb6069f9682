// Command webapp is a web application with login buttons, a profile page, calls
// to a protected API and logout.
//
// Without any configuration it starts its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET and APP_BASE_URL (and
// AUTH0_AUDIENCE for the API) it uses another one. PORT is the port to listen on,
// 3000 by default. With ORGANIZATIONS=1 the tenant asks users for their
// organization.
package main

import (
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

//go:embed web/*.html
var templates embed.FS

//go:embed web/*.js web/*.svg
var files embed.FS

var pages = template.Must(template.ParseFS(templates, "web/*.html"))

func main() {
	program := demo.Start("Fieldnotes", demo.WebVariables)
	program.Notes = `        Ada, and Linus at GitHub, may call /api/protected; the others may not. ORGANIZATIONS=1: Ada has two.
`
	if program.Tenant != nil && os.Getenv("ORGANIZATIONS") != "" {
		program.Tenant.UseOrganizations("require", "post_login_prompt")
	}
	program.Serve(newApp(program.Config))
}

// An app has pages for users who log in, and an API for access tokens.
type app struct {
	strategy *auth0.Strategy
	api      http.Handler
	audience string
	base     string // the path below which browsers find the pages
}

func newApp(cfg auth0.Config) (http.Handler, error) {
	a := app{audience: cfg.Audience, base: demo.Path(cfg.BaseURL)}
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
	if a.api, err = newAPI(cfg, a.strategy); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	a.strategy.Register(mux)
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /find", a.find)
	mux.Handle("GET /profile", a.strategy.RequireLogin(http.HandlerFunc(a.profile)))
	mux.Handle("GET /calls", a.strategy.RequireLogin(http.HandlerFunc(a.calls)))
	mux.Handle("GET /call/{name}", a.strategy.RequireSession(http.HandlerFunc(a.call)))
	mux.Handle("GET /api/", a.api)
	policy := "default-src 'self'; form-action 'self'; " + demo.Pictures(cfg.Domain)
	return demo.Headers(policy, demo.Files(files, demo.NoteLogout("/auth/logout", a.strategy.LoadUser(mux)))), nil
}

func (a app) home(w http.ResponseWriter, r *http.Request) {
	buttons, _ := a.strategy.GetConnections(r.Context()) // without a list, the page has one button, and the log says why
	a.show(w, r, http.StatusOK, "home.html", "Home", map[string]any{"Buttons": buttons, "LoggedOut": demo.LoggedOut(w, r)})
}

// find leads to the login of the user's company, by the domain of an email address. It
// answers with a page that opens the login. Under form-action 'self', a browser does not follow
// a redirect from a form to another site.
func (a app) find(w http.ResponseWriter, r *http.Request) {
	connection, found, err := a.strategy.ConnectionForEmail(r.Context(), r.FormValue("email"))
	if err != nil || !found {
		connection.LoginURL = a.base + "/auth/login?login_hint=" + template.URLQueryEscaper(r.FormValue("email"))
	}
	a.show(w, r, http.StatusOK, "leave.html", "One moment", connection.LoginURL)
}

func (a app) profile(w http.ResponseWriter, r *http.Request) {
	claims, err := auth0.Claims[map[string]any](r.Context())
	if err != nil {
		slog.Error("profile", "err", err)
	}
	a.show(w, r, http.StatusOK, "profile.html", "Profile", claims)
}

func (a app) calls(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, "calls.html", "API", a.audience)
}

// call forwards a request of the page to the API. The token stays on the server, out of
// reach of scripts.
func (a app) call(w http.ResponseWriter, r *http.Request) {
	call := r.Clone(r.Context())
	call.URL.Path = "/api/" + r.PathValue("name")
	if token, err := a.strategy.AccessToken(w, r); err == nil {
		token.SetAuthHeader(call)
	}
	a.api.ServeHTTP(w, call)
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
