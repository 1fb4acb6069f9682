package auth0_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/management"
)

// A pictor is a third party: a provider that Auth0 has no connection for, with
// an API.
type pictor struct{ t *testing.T }

func (p pictor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bearer := r.Header.Get("Authorization") == "Bearer pictor-CANARY"
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/token" && r.FormValue("code") == "agreed" && r.FormValue("client_secret") == "s3cret" && r.FormValue("code_verifier") != "":
		fmt.Fprint(w, `{"access_token":"pictor-CANARY","token_type":"Bearer","expires_in":3600,"scope":"me photos"}`)
	case r.URL.Path == "/me" && bearer:
		fmt.Fprint(w, `{"id":"4711","name":"Iris Lind","email":"iris@pictor.example"}`)
	case r.URL.Path == "/photos" && bearer:
		fmt.Fprint(w, `["Harbour at dawn"]`)
	default:
		p.t.Errorf("%s %s without what it needs", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// TestCustomConnection goes all the way, with redirects and in a pop-up: a
// connection that is made, a login with it, the account there that is connected,
// and a call to the third party with the token that the person has there.
func TestCustomConnection(t *testing.T) {
	third := hosts{"pictor.example": pictor{t}}
	e := newEnvOf(t, emulator.Config{Host: tenantHost, Upstream: &http.Client{Transport: third}}, func(c *auth0.Config) {
		c.Audience, c.Scopes = testAudience, []string{"openid", "profile", "email", "offline_access"}
	})
	e.allow(writeScopes...)
	m := e.management()
	made, err := m.CreateOAuth2Connection(t.Context(), management.OAuth2Connection{Name: "pictor", DisplayName: "Pictor", TokenVault: true,
		Options: management.OAuth2Options{AuthorizationURL: "https://pictor.example/authorize", TokenURL: "https://pictor.example/token",
			ClientID: "acme", ClientSecret: "s3cret", Scopes: []string{"me", "photos"}, PKCE: true,
			FetchUserProfile: `function (accessToken, context, callback) { request.get("https://pictor.example/me", ...) }`}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.EnableConnection(t.Context(), made.ID, testClientID); err != nil {
		t.Fatal(err)
	}
	e.edit(func(c *emulator.Client) {
		c.CallbackURLs = append(c.CallbackURLs, appBase+"/connect")
		c.RefreshTokenPolicies = []emulator.ClientGrant{{Audience: accountAudience, Scopes: []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}}}
	})
	e.mux.Handle("/connect", e.strategy.ConnectAccountHandler())
	e.mux.Handle("GET /auth/popup", e.strategy.LoginHandler(auth0.WithPopup(appBase), auth0.WithConnection("pictor")))
	var photos string
	var failed error
	e.mux.HandleFunc("GET /photos", func(w http.ResponseWriter, r *http.Request) {
		token, err := e.strategy.AccessToken(w, r, auth0.ForConnection("pictor"))
		if failed = err; err != nil {
			return
		}
		call, _ := http.NewRequest("GET", "https://pictor.example/photos", nil)
		token.SetAuthHeader(call)
		resp := must(third.RoundTrip(call))
		defer resp.Body.Close()
		var text [100]byte
		n, _ := resp.Body.Read(text[:])
		photos = string(text[:n])
	})
	for _, path := range []string{"/auth/login?connection=pictor&returnTo=/photos", "/auth/popup?returnTo=/photos"} {
		b := e.browser()
		atPictor := e.follow(b.begin(path))
		if atPictor.Host != "pictor.example" || atPictor.Query().Get("code_challenge") == "" {
			t.Fatalf("%s leads to %s", path, atPictor)
		}
		back := must(url.Parse("https://" + tenantHost + "/login/callback?code=agreed&state=" + atPictor.Query().Get("state")))
		resp := b.callback(e.follow(back))
		if strings.Contains(path, "popup") {
			if p := readPopup(t, resp); p.Message["ok"] != true || p.Message["returnTo"] != "/photos" {
				t.Errorf("pop-up: %+v", p)
			}
		} else if resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/photos" {
			t.Errorf("redirect: %d %s", resp.status, resp.body)
		}
		photos = ""
		// Who has logged in first has connected nothing yet, and is remembered the
		// second time.
		if b.page("/photos"); !strings.Contains(path, "popup") {
			if !errors.Is(failed, auth0.ErrNotConnected) {
				t.Errorf("a login alone: %v, photos %q", failed, photos)
			}
			resp := b.do("POST", "/connect", url.Values{"connection": {"pictor"}, "returnTo": {"/photos"}}, "Sec-Fetch-Site", "same-origin")
			atPictor := e.follow(resp.location(t))
			if atPictor.Host != "pictor.example" {
				t.Fatalf("connect leads to %s", atPictor)
			}
			back := must(url.Parse("https://" + tenantHost + "/login/callback?code=agreed&state=" + atPictor.Query().Get("state")))
			if resp := b.callback(e.follow(back)); resp.header.Get("Location") != "/photos" {
				t.Fatalf("connect: %d %s", resp.status, resp.body)
			}
		}
		if b.page("/photos"); photos != `["Harbour at dawn"]` {
			t.Errorf("%s: photos %q", path, photos)
		}
		if home := b.page("/").body; home != "home true iris@pictor.example" || strings.Contains(resp.body+e.log.String(), "CANARY") {
			t.Errorf("%s: %s", path, home)
		}
	}
}

// follow goes on at the tenant until it sends the browser elsewhere.
func (e *env) follow(u *url.URL) *url.URL { return e.browser().atTenant(u) }
