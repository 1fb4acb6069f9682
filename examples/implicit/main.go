// Command implicit is for applications that are too old to change: a page that gets its
// tokens in the fragment of its URL (the implicit grant, RFC 6749, Section 4.2), removes
// them from there, and has its server verify them before it uses them. The page names the
// flows to use instead.
//
// Without any configuration it starts its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID (of a Single Page Application that is allowed the implicit
// grant), AUTH0_AUDIENCE, AUTH0_SECRET and APP_BASE_URL it uses another one. PORT is
// the port to listen on, 3000 by default.
package main

import (
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

//go:embed web/*.html
var templates embed.FS

//go:embed web/*.js web/*.svg
var files embed.FS

var pages = template.Must(template.ParseFS(templates, "web/*.html"))

func main() {
	program := demo.Start("Heirloom", "AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_AUDIENCE, AUTH0_SECRET and APP_BASE_URL")
	program.Notes = `        Ada, and Linus at GitHub, have the permission read:protected; the others have not.
`
	if program.Tenant != nil {
		program.Config.ClientID = auth0test.SPAClientID
	}
	program.Serve(newApp(program.Config))
}

type app struct {
	strategy *auth0.Strategy
	api      *auth0.API
	base     string // where browsers reach this program
}

func newApp(cfg auth0.Config) (http.Handler, error) {
	if cfg.Audience == "" {
		return nil, errors.New("AUTH0_AUDIENCE is not set: it is the identifier of the API that the access token is for")
	}
	cfg.ClientSecret, cfg.ClientAuthentication = "", auth0.PublicClient() // this flow uses no secret
	strategy, err := auth0.New(cfg)
	if err != nil {
		return nil, err
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: cfg.Domain, Audience: cfg.Audience, Keys: strategy.Application().KeySet()})
	if err != nil {
		return nil, err
	}
	a := app{strategy, api, strings.TrimSuffix(cfg.BaseURL, "/")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { a.show(w, http.StatusOK, "home.html", "") })
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) { a.show(w, http.StatusOK, "callback.html", "") })
	mux.HandleFunc("POST /verify", a.verify)
	return http.NewCrossOriginProtection().Handler(protect(demo.Files(files, mux))), nil
}

// protect sets a strict policy. A script of an attacker in the page could read the token
// first, so the policy blocks these scripts, and lets no data out.
func protect(next http.Handler) http.Handler {
	policy := "default-src 'self'; form-action 'none'; require-trusted-types-for 'script'"
	return demo.Headers(policy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	}))
}

func (a app) show(w http.ResponseWriter, status int, page, problem string) {
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, page, map[string]string{"Base": demo.Path(a.base), "Problem": problem}); err != nil {
		slog.Error("page", "name", page, "err", err)
	}
}

// login redirects to the tenant, which redirects back to /callback.
func (a app) login(w http.ResponseWriter, r *http.Request) {
	authURL, transaction, err := a.strategy.Application().ImplicitURL(r.Context(), r.FormValue("response_type"), a.base+"/callback")
	if err != nil {
		slog.Warn("login", "err", err)
		status, text := problem(err)
		a.show(w, status, "error.html", text)
		return
	}
	a.keep(w, transaction, 600)
	http.Redirect(w, r, authURL, http.StatusSeeOther)
}

// keep keeps the transaction for this browser, and from its scripts. A second
// login in another tab replaces the first.
func (a app) keep(w http.ResponseWriter, transaction string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: a.cookie(), Value: transaction, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: strings.HasPrefix(a.base, "https://"), SameSite: http.SameSiteLaxMode,
	})
}

func (a app) cookie() string {
	if strings.HasPrefix(a.base, "https://") {
		return "__Host-implicit"
	}
	return "implicit"
}
