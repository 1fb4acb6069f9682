// Command customoauth2 logs users in with a provider that Auth0 has no connection
// for, by redirects and in a pop-up. After any login, users can connect their account at
// the provider, and the program calls the provider's API with their token.
//
// It starts the tenant and the provider, a photo service with a login page and an API.
// Then it creates a custom OAuth2 connection with the Management API. PORT is the port to
// listen on, 3000 by default, and APP_BASE_URL the URL at which browsers reach the program.
// AUTH0_DOMAIN has no effect, because a tenant elsewhere cannot reach the provider on this
// machine. With -isolate, the provider's pages have the Cross-Origin-Opener-Policy
// same-origin: the pop-up loses its opener, and the login still works.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
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
	isolate := flag.Bool("isolate", false, "separate the windows of the provider from their openers, as some providers do")
	flag.Parse()
	if err := run(*isolate); err != nil {
		log.Fatal(err)
	}
}

func run(isolate bool) error {
	listener, baseURL, err := demo.Listen()
	if err != nil {
		return err
	}
	tenant, cfg, about, err := demo.Tenant("Albums", baseURL, "AUTH0_DOMAIN has no effect here: a tenant elsewhere cannot reach the provider on this machine.")
	if err != nil {
		return err
	}
	tenant.AllowManagement("create:connections", "update:connections")
	tenant.AllowConnectedAccounts("/connect")
	provider := newProvider(tenant.URL()+"login/callback", isolate)
	address := demo.Background(provider.handler())
	if err := connect(context.Background(), tenant.URL(), cfg, provider, address); err != nil {
		return err
	}
	handler, err := newApp(cfg, address+"/photos")
	if err != nil {
		return err
	}
	fmt.Printf("%sProvider  embedded, at %s\n", about, address)
	return demo.Serve(listener, handler)
}

// An app shows the photos of its users.
type app struct {
	strategy  *auth0.Strategy
	base      string // the path below which browsers find the pages
	photosURL string
}

func newApp(cfg auth0.Config, photosURL string) (http.Handler, error) {
	a := app{base: demo.Path(cfg.BaseURL), photosURL: photosURL}
	cfg.Scopes = []string{"openid", "profile", "email", "offline_access"} // the last is for the Token Vault and the accounts
	cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *auth0.Error) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return // a script, which gets the default answer in JSON
		}
		a.show(w, r, e.Status, "error.html", "Sorry", e)
	}
	u, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if a.strategy, err = auth0.New(cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	a.strategy.Register(mux)
	mux.Handle("GET /auth/popup", a.strategy.LoginHandler(auth0.WithPopup(u.Scheme+"://"+u.Host), auth0.WithConnection(connection)))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		a.show(w, r, http.StatusOK, "home.html", "Home", demo.LoggedOut(w, r))
	})
	mux.Handle("GET /photos", a.strategy.RequireLogin(http.HandlerFunc(a.photos)))
	a.addAccounts(mux)
	policy := "default-src 'self'; form-action 'self'; img-src 'self' data:"
	return demo.Headers(policy, demo.Files(files, demo.NoteLogout("/auth/logout", a.strategy.LoadUser(mux)))), nil
}

func (a app) photos(w http.ResponseWriter, r *http.Request) {
	resp, err := a.strategy.Client(w, r, auth0.ForConnection(connection)).Get(a.photosURL)
	var photos []photo
	if err == nil {
		defer resp.Body.Close()
		err = errors.Join(statusError(resp), json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&photos))
	}
	if errors.Is(err, auth0.ErrNotConnected) || errors.Is(err, auth0.ErrNoToken) {
		a.show(w, r, http.StatusForbidden, "other.html", "No photos yet", nil) // with a button to connect the account
		return
	}
	if err != nil {
		log.Print(err)
		a.show(w, r, http.StatusBadGateway, "error.html", "Sorry", &auth0.Error{Description: "Pictor does not answer"})
		return
	}
	a.show(w, r, http.StatusOK, "photos.html", "Your photos", photos)
}

func statusError(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("pictor answers %s", resp.Status)
	}
	return nil
}

func (a app) show(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	user, ok := auth0.UserFrom(r.Context())
	w.WriteHeader(status)
	err := pages.ExecuteTemplate(w, page, map[string]any{
		"Title": title, "Base": a.base, "Path": r.URL.Path, "User": user, "LoggedIn": ok, "Own": ownLogin(user), "Data": data,
	})
	if err != nil {
		log.Print(err)
	}
}
