// Command customoauth2 logs people in with a provider that Auth0 has no
// connection for, once by redirects and once in a pop-up. However they log in,
// they can connect their account at the provider, and the program calls its API
// with their own token there.
//
// It brings all that is needed: the tenant, and the provider, a photo service
// with a login page and an API. At the start it makes a custom OAuth2 connection
// by the Management API. PORT sets the port to listen on, 3000 by default.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/management"
)

const connection = "pictor"

//go:embed web
var files embed.FS

var pages = template.Must(template.ParseFS(files, "web/*.html"))

func main() {
	if err := run(cmp.Or(os.Getenv("PORT"), "3000")); err != nil {
		log.Fatal(err)
	}
}

func run(port string) error {
	base := "http://localhost:" + port
	tenant, err := auth0test.Serve("127.0.0.1:0", base)
	if err != nil {
		return err
	}
	tenant.NameApp("Albums")
	tenant.AllowManagement("create:connections", "update:connections")
	tenant.AllowConnectedAccounts("/connect")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	pictor := newProvider("http://"+listener.Addr().String(), tenant.URL()+"login/callback", os.Getenv("PICTOR_COOP"))
	go serve(listener, pictor.handler())

	cfg := tenant.Config()
	cfg.Secrets = []string{rand.Text() + rand.Text()}
	cfg.Scopes = []string{"openid", "profile", "email", "offline_access"} // the last is for the Token Vault and the accounts
	cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *auth0.Error) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return // a script, which gets the default answer in JSON
		}
		show(w, r, e.Status, "error.html", e)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		return err
	}
	source := strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: tenant.URL() + "api/v2/"})
	api, err := management.New(tenant.URL(), source)
	if err != nil {
		return err
	}
	if err := connect(context.Background(), api, pictor, cfg.ClientID); err != nil {
		return err
	}
	fmt.Printf("Tenant    embedded, at %s\nProvider  embedded, at %s\nOpen      %s\n", tenant.URL(), pictor.base, base)
	if listener, err = net.Listen("tcp", "localhost:"+port); err != nil {
		return err
	}
	return serve(listener, newApp(strategy, base, pictor.base+"/photos"))
}

func serve(listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
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

func newApp(strategy *auth0.Strategy, base, photosURL string) http.Handler {
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /auth/popup", strategy.LoginHandler(auth0.WithPopup(base), auth0.WithConnection(connection)))
	mux.Handle("GET /web/", http.FileServerFS(files))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { show(w, r, http.StatusOK, "home.html", nil) })
	mux.Handle("GET /photos", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := strategy.Client(w, r, auth0.ForConnection(connection)).Get(photosURL)
		var photos []photo
		if err == nil {
			defer resp.Body.Close()
			err = errors.Join(statusError(resp), json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&photos))
		}
		if errors.Is(err, auth0.ErrNotConnected) || errors.Is(err, auth0.ErrNoToken) {
			show(w, r, http.StatusForbidden, "other.html", nil) // with a button to connect the account
			return
		}
		if err != nil {
			log.Print(err)
			show(w, r, http.StatusBadGateway, "error.html", &auth0.Error{Description: "Pictor does not answer"})
			return
		}
		show(w, r, http.StatusOK, "photos.html", photos)
	})))
	addAccounts(mux, strategy)
	return strategy.LoadUser(mux)
}

func statusError(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("pictor answers %s", resp.Status)
	}
	return nil
}

func show(w http.ResponseWriter, r *http.Request, status int, page string, data any) {
	user, ok := auth0.UserFrom(r.Context())
	w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, page, map[string]any{"User": user, "LoggedIn": ok, "Own": ownLogin(user), "Path": r.URL.Path, "Data": data}); err != nil {
		log.Print(err)
	}
}
