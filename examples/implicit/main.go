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
	"slices"
	"strings"
	"time"

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

// An answer is the result of the verification for the page.
type answer struct {
	User    map[string]any `json:"user,omitempty"`  // claims of the ID token, if there was one
	Token   map[string]any `json:"token,omitempty"` // claims of the access token
	Problem string         `json:"problem,omitempty"`
}

// verify checks the parameters of the page's fragment. The transaction ends with any
// result.
func (a app) verify(w http.ResponseWriter, r *http.Request) {
	a.keep(w, "", -1)
	got, err := a.check(w, r)
	status := http.StatusOK
	if err != nil {
		slog.Warn("verify", "err", err)
		status, got.Problem = problem(err)
	}
	demo.JSON(w, status, got)
}

func (a app) check(w http.ResponseWriter, r *http.Request) (answer, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return answer{}, err
	}
	transaction := ""
	if c, err := r.Cookie(a.cookie()); err == nil {
		transaction = c.Value
	}
	grant, err := a.strategy.Application().VerifyImplicit(r.Context(), transaction, r.PostForm)
	if err != nil {
		return answer{}, err
	}
	// A token that came with this login is not necessarily for our API.
	token, err := a.api.Verify(r.Context(), grant.Token().AccessToken)
	if err != nil {
		return answer{}, err
	}
	got := answer{Token: map[string]any{
		"sub": token.Subject(), "aud": slices.Collect(token.Audience()), "scope": token.Scope(),
		"permissions": slices.Collect(token.Permissions()), "exp": token.ExpiresAt().UTC().Format(time.RFC1123),
	}}
	if grant.Login == nil {
		return got, nil
	}
	user := grant.Login.User
	got.User = map[string]any{"sub": user.Subject}
	for _, name := range []string{"name", "nickname", "given_name", "family_name", "email", "email_verified", "updated_at"} {
		if value, ok := user.Claim(name); ok {
			got.User[name] = value
		}
	}
	return got, nil
}

// problem is the part of an error that a visitor may see. The rest is in the log.
func problem(err error) (status int, text string) {
	e, ok := errors.AsType[*auth0.Error](err)
	switch {
	case ok && e.Op == "bearer":
		return e.Status, "the access token was not accepted: " + e.Description
	case ok:
		return e.Status, e.Description
	}
	return http.StatusBadRequest, "We cannot read the login response. Log in again."
}
