// Command customoauth2 logs users in with a provider that Auth0 has no connection
// for, by redirects and in a pop-up. After any login, users can connect their account at
// the provider, and the program calls the provider's API with their token.
//
// It starts the tenant and the provider, a photo service with a login page and an API.
// Then it creates a custom OAuth2 connection with the Management API. PORT is the port to listen on, 3000 by default, and APP_BASE_URL the
// URL at which browsers reach the program. AUTH0_DOMAIN has no effect, because a tenant
// elsewhere cannot reach the provider on this machine. With -isolate, the provider's pages
// have the Cross-Origin-Opener-Policy same-origin: the pop-up loses its opener, and the
// login still works.
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
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
	"github.com/seed-15d5a55c/auth0/management"
)

const connection = "pictor"

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
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	pictor := newProvider("http://"+upstream.Addr().String(), tenant.URL()+"login/callback", isolate)
	go serve(upstream, pictor.handler())

	cfg.Scopes = []string{"openid", "profile", "email", "offline_access"} // the last is for the Token Vault and the accounts
	a := app{base: demo.Path(baseURL), photosURL: pictor.base + "/photos"}
	cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *auth0.Error) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return // a script, which gets the default answer in JSON
		}
		a.show(w, r, e.Status, "error.html", "Sorry", e)
	}
	if a.strategy, err = auth0.New(cfg); err != nil {
		return err
	}
	source := a.strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: tenant.URL() + "api/v2/"})
	api, err := management.New(tenant.URL(), source)
	if err != nil {
		return err
	}
	if err := connect(context.Background(), api, pictor, cfg.ClientID); err != nil {
		return err
	}
	handler, err := a.handler(baseURL)
	if err != nil {
		return err
	}
	fmt.Printf("%sProvider  embedded, at %s\n", about, pictor.base)
	return demo.Serve(listener, handler)
}

func serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Print(server.Serve(listener))
}

// connect makes the provider a connection of the tenant and enables it for the
// application.
func connect(ctx context.Context, api *management.API, p *provider, clientID string) error {
	c, err := api.CreateOAuth2Connection(ctx, management.OAuth2Connection{
		Name: connection, DisplayName: "Pictor", TokenVault: true,
		Options: management.OAuth2Options{
			AuthorizationURL: p.base + "/authorize", TokenURL: p.base + "/token",
			ClientID: p.clientID, ClientSecret: p.clientSecret, Scopes: []string{"me", "photos"}, PKCE: true,
			FetchUserProfile: `function fetchUserProfile(accessToken, context, callback) {
				request.get({url: '` + p.base + `/me', json: true, headers: {Authorization: 'Bearer ' + accessToken}}, (err, response, me) => {
					if (err || response.statusCode !== 200) return callback(err || new Error('status ' + response.statusCode));
					callback(null, {user_id: me.id, name: me.name, email: me.email});
				});
			}`,
		},
	})
	if err != nil {
		return err
	}
	return api.EnableConnection(ctx, c.ID, clientID)
}

// An app shows the photos of its users.
type app struct {
	strategy  *auth0.Strategy
	base      string // the path below which browsers find the pages
	photosURL string
}

func (a app) handler(baseURL string) (http.Handler, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
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
