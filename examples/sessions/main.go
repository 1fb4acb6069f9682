// Command sessions is a web application whose sessions are in a store, so that
// they can end without the browser: by "Log out everywhere", and by the tenant
// (back-channel logout). Open it in two browsers, log in as the same user in both,
// end the sessions in one, and reload the page in the other.
//
// Without any configuration it starts its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET and APP_BASE_URL it uses
// another one: register APP_BASE_URL/auth/backchannel-logout there as the
// Back-Channel Logout URI. PORT is the port to listen on, 3000 by default.
package main

import (
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

//go:embed web/*.html
var templates embed.FS

//go:embed web/*.svg
var files embed.FS

var page = template.Must(template.ParseFS(templates, "web/page.html"))

func main() {
	program := demo.Start("Doorbell", demo.WebVariables)
	program.Serve(newApp(program.Config, program.Tenant, program.Local))
}

type app struct {
	strategy *auth0.Strategy
	base     string            // the path below which browsers find the page
	tenant   *auth0test.Tenant // nil if it is another one
	local    string            // the URL at which the tenant on this machine reaches the program
}

func newApp(cfg auth0.Config, tenant *auth0test.Tenant, local string) (http.Handler, error) {
	// For one process. Several processes share a database, for example with redisstore.
	cfg.Store = auth0.NewMemoryStore(10_000)
	a := app{base: demo.Path(cfg.BaseURL), tenant: tenant, local: local}
	cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *auth0.Error) { a.show(w, r, e.Status, e) }
	var err error
	if a.strategy, err = auth0.New(cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	a.strategy.Register(mux) // also POST /auth/backchannel-logout, because there is a store
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { a.show(w, r, http.StatusOK, nil) })
	mux.Handle("POST /everywhere", a.strategy.RequireLogin(http.HandlerFunc(a.endEverywhere)))
	if tenant != nil {
		mux.Handle("POST /tenant", a.strategy.RequireLogin(http.HandlerFunc(a.endAtTenant)))
	}
	handler := http.NewCrossOriginProtection().Handler(a.strategy.LoadUser(mux))
	return demo.Headers("default-src 'self'; form-action 'self'", demo.Files(files, demo.NoteLogout("/auth/logout", handler))), nil
}

// endEverywhere ends every session of the user in this application, on all devices.
func (a app) endEverywhere(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	if err := a.strategy.EndSessionsOf(r.Context(), user.Issuer, user.Subject); err != nil {
		a.strategy.WriteError(w, r, err)
		return
	}
	demo.SayLoggedOut(w)
	http.Redirect(w, r, a.base+"/", http.StatusSeeOther)
}

// endAtTenant stands for a user who changes the password: the tenant ends its
// sessions of the user, and posts a logout token to the application.
func (a app) endAtTenant(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	a.tenant.LogOut()
	token := a.tenant.LogoutToken(auth0test.Subject(user.Subject))
	resp, err := http.PostForm(a.local+"/auth/backchannel-logout", url.Values{"logout_token": {token}})
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("the logout token is answered with %s", resp.Status)
		}
	}
	if err != nil {
		a.strategy.WriteError(w, r, err)
		return
	}
	http.Redirect(w, r, a.base+"/", http.StatusSeeOther)
}

func (a app) show(w http.ResponseWriter, r *http.Request, status int, problem *auth0.Error) {
	data := map[string]any{"Base": a.base, "Embedded": a.tenant != nil, "Problem": problem, "LoggedOut": demo.LoggedOut(w, r)}
	if session, err := a.strategy.Session(r); err == nil {
		data["Session"] = session
	}
	w.WriteHeader(status)
	if err := page.Execute(w, data); err != nil {
		slog.Error("page", "err", err)
	}
}
