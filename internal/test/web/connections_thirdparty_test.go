package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"github.com/seed-15d5a55c/auth0/management"
)

// A pictor is a third party: a provider without a ready connection of Auth0, with
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

// TestCustomConnection, with redirects and in a pop-up: a new connection, a login
// with it, the account there that is connected, and a call to the third party with
// the user's token.
func TestCustomConnection(t *testing.T) {
	t.Parallel()
	third := testkit.Hosts{"pictor.example": pictor{t}}
	e := testkit.SignedInAt(t, testkit.TenantConfig{Host: testkit.TenantHost, Upstream: &http.Client{Transport: third}}, func(c *auth0.Config) {
		c.Audience, c.Scopes = testkit.Audience, []string{"openid", "profile", "email", "offline_access"}
	})
	e.AllowManagement(testkit.WriteScopes...)
	m := e.Management()
	made, err := m.CreateOAuth2Connection(t.Context(), management.OAuth2Connection{Name: "pictor", DisplayName: "Pictor", TokenVault: true,
		Options: management.OAuth2Options{AuthorizationURL: "https://pictor.example/authorize", TokenURL: "https://pictor.example/token",
			ClientID: "acme", ClientSecret: "s3cret", Scopes: []string{"me", "photos"}, PKCE: true,
			FetchUserProfile: `function (accessToken, context, callback) { request.get("https://pictor.example/me", ...) }`}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.EnableConnection(t.Context(), made.ID, testkit.ClientID); err != nil {
		t.Fatal(err)
	}
	e.EditClient(func(c *testkit.TenantClient) {
		c.CallbackURLs = append(c.CallbackURLs, testkit.AppURL+"/connect")
		c.RefreshTokenPolicies = []testkit.ClientGrant{{Audience: accountAudience, Scopes: []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}}}
	})
	e.Mux.Handle("/connect", e.Strategy.ConnectAccountHandler())
	e.Mux.Handle("GET /auth/popup", e.Strategy.LoginHandler(auth0.WithPopup(testkit.AppURL), auth0.WithConnection("pictor")))
	var photos string
	var failed error
	e.Mux.HandleFunc("GET /photos", func(w http.ResponseWriter, r *http.Request) {
		token, err := e.Strategy.AccessToken(w, r, auth0.ForConnection("pictor"))
		if failed = err; err != nil {
			return
		}
		call, _ := http.NewRequest("GET", "https://pictor.example/photos", nil)
		token.SetAuthHeader(call)
		resp := testkit.Must(third.RoundTrip(call))
		defer resp.Body.Close()
		var text [100]byte
		n, _ := resp.Body.Read(text[:])
		photos = string(text[:n])
	})
	for _, path := range []string{"/auth/login?connection=pictor&returnTo=/photos", "/auth/popup?returnTo=/photos"} {
		b := e.Browser()
		atPictor := follow(e, b.Begin(path))
		if atPictor.Host != "pictor.example" || atPictor.Query().Get("code_challenge") == "" {
			t.Fatalf("%s leads to %s", path, atPictor)
		}
		back := testkit.Must(url.Parse("https://" + testkit.TenantHost + "/login/callback?code=agreed&state=" + atPictor.Query().Get("state")))
		resp := b.Callback(follow(e, back))
		if strings.Contains(path, "popup") {
			if p := testkit.ReadPopup(t, resp); p.Message["ok"] != true || p.Message["returnTo"] != "/photos" {
				t.Errorf("pop-up: %+v", p)
			}
		} else if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/photos" {
			t.Errorf("redirect: %d %s", resp.Status, resp.Body)
		}
		photos = ""
		// A login alone connects no account.
		if b.Page("/photos"); !strings.Contains(path, "popup") {
			if !errors.Is(failed, auth0.ErrNotConnected) {
				t.Errorf("a login alone: %v, photos %q", failed, photos)
			}
			resp := b.Do("POST", "/connect", url.Values{"connection": {"pictor"}, "returnTo": {"/photos"}}, "Sec-Fetch-Site", "same-origin")
			atPictor := follow(e, resp.Location(t))
			if atPictor.Host != "pictor.example" {
				t.Fatalf("connect leads to %s", atPictor)
			}
			back := testkit.Must(url.Parse("https://" + testkit.TenantHost + "/login/callback?code=agreed&state=" + atPictor.Query().Get("state")))
			if resp := b.Callback(follow(e, back)); resp.Header.Get("Location") != "/photos" {
				t.Fatalf("connect: %d %s", resp.Status, resp.Body)
			}
		}
		if b.Page("/photos"); photos != `["Harbour at dawn"]` {
			t.Errorf("%s: photos %q", path, photos)
		}
		if home := b.Page("/").Body; home != "home true iris@pictor.example" || strings.Contains(resp.Body+e.Log.String(), "CANARY") {
			t.Errorf("%s: %s", path, home)
		}
	}
}

// follow goes on at the tenant until a redirect leaves it.
func follow(e *testkit.Env, u *url.URL) *url.URL { return e.Browser().AtTenant(u) }
