package auth0test_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// tokenApp is an application with server-side sessions. It shows the access token for the
// API in the query.
func tokenApp(t *testing.T, tenant *auth0test.Tenant) http.Handler {
	t.Helper()
	cfg := tenant.Config()
	cfg.Scopes = []string{"openid", "profile", "email", "offline_access"}
	cfg.Store = auth0.NewMemoryStore(100)
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Email)
	})))
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		var opts []auth0.TokenOption
		if audience := r.URL.Query().Get("audience"); audience != "" {
			opts = append(opts, auth0.ForAudience(audience))
		}
		token, err := strategy.AccessToken(w, r, opts...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, token.AccessToken)
	})
	return strategy.LoadUser(mux)
}

func TestRefreshTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const billing = "https://billing.acme.example/"
		tenant := auth0test.NewTenant(t)
		tenant.SetTokenLifetime(auth0test.Audience, 10*time.Minute)
		tenant.RotateRefreshTokens(0)
		tenant.AllowRefreshFor(billing, "read:invoices")
		tenant.LogIn("ada@acme.example")
		browser := tenant.Browser(tokenApp(t, tenant))
		get(t, browser, auth0test.AppURL+"/profile")
		seen := map[string]bool{}
		for i := range 3 {
			status, token := get(t, browser, auth0test.AppURL+"/token")
			if status != 200 || seen[token] || tenant.Calls(auth0test.Token) != 1+i {
				t.Errorf("token %d: %d, seen before %v, after %d calls", i, status, seen[token], tenant.Calls(auth0test.Token))
			}
			seen[token] = true
			time.Sleep(10 * time.Minute)
		}
		status, token := get(t, browser, auth0test.AppURL+"/token?audience="+url.QueryEscape(billing))
		api, err := auth0.NewAPI(tenant.APIConfig(billing))
		if err != nil {
			t.Fatal(err)
		}
		if verified, err := api.Verify(t.Context(), token); status != 200 || err != nil || !verified.HasScope("read:invoices") {
			t.Errorf("for another API: %d, %v", status, err)
		}
		tenant.RevokeRefreshTokens("ada@acme.example")
		time.Sleep(10 * time.Minute)
		if status, body := get(t, browser, auth0test.AppURL+"/token"); status != http.StatusBadGateway {
			t.Errorf("revoked: %d %q", status, body)
		}
	})
}

func TestBackchannelLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.NewTenant(t)
		web := tokenApp(t, tenant)
		tenant.LogIn("ada@acme.example")
		browser := tenant.Browser(web)
		get(t, browser, auth0test.AppURL+"/profile")
		tenant.BackchannelLogout(web, "ada@acme.example")
		browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if status, _ := get(t, browser, auth0test.AppURL+"/profile"); status != http.StatusFound {
			t.Errorf("after the logout: %d", status)
		}
		logout := func(token string) int {
			r := httptest.NewRequest("POST", "/auth/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			web.ServeHTTP(w, r)
			return w.Code
		}
		for want, token := range map[int]string{
			200: tenant.LogoutToken(),
			400: tenant.LogoutToken(auth0test.Claim("events", nil)),
		} {
			if got := logout(token); got != want {
				t.Errorf("%d, want %d", got, want)
			}
		}
	})
}
