// Command stepup requires a fresh login for payments, and a role for one of its pages.
//
// Without any configuration it starts its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET and APP_BASE_URL it uses another one.
// PORT is the port to listen on, 3000 by default.
package main

import (
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

const roles = "https://acme.example/roles" // the claim that an Action of the tenant adds

//go:embed web/*.svg
var files embed.FS

//go:embed web/page.html
var source string

var page = template.Must(template.New("").Parse(source))

func main() {
	program := demo.Start("Till", demo.WebVariables)
	if program.Tenant != nil {
		program.Tenant.UseRolesClaim(roles)
		program.Tenant.AddUser(auth0test.User{Connection: "Username-Password-Authentication", Email: "rose@acme.example",
			Password: "correct horse", Name: "Rose Park", Roles: []string{"bookkeeper"}})
	}
	program.Notes = "        rose@acme.example, with the same password, has the role bookkeeper.\n"
	program.Serve(newApp(program.Config))
}

func newApp(cfg auth0.Config) (http.Handler, error) {
	strategy, err := auth0.New(cfg)
	if err != nil {
		return nil, err
	}
	show := func(title string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, ok := auth0.UserFrom(r.Context())
			session, _ := strategy.Session(r) // nil for a visitor who is not logged in
			err := page.Execute(w, map[string]any{"Base": demo.Path(cfg.BaseURL), "Title": title, "LoggedIn": ok, "User": user, "Session": session})
			if err != nil {
				slog.Error("page", "err", err)
			}
		})
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /{$}", show("Till"))
	// A login loses the form. So its page requires a fresher login than its target.
	mux.Handle("GET /pay", strategy.RequireStepUp(time.Minute)(show("Pay")))
	mux.Handle("POST /pay", strategy.RequireStepUp(10*time.Minute)(show("Paid")))
	mux.Handle("GET /books", strategy.RequireUserClaim(roles, auth0.IncludesAny("bookkeeper"))(show("Books")))
	handler := http.NewCrossOriginProtection().Handler(strategy.LoadUser(mux))
	return demo.Headers("default-src 'self'; form-action 'self'", demo.Files(files, handler)), nil
}
