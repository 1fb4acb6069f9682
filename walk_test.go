package auth0_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// TestWalk walks the main path: buttons, login, profile, API call, logout.
func TestWalk(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		t.Fatal(err)
	}
	protected := api.RequirePermissions("read:protected")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "protected")
	}))
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "%s %v", user.Email, user.EmailVerified)
	})))
	mux.Handle("GET /call", strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		token.SetAuthHeader(r)
		protected.ServeHTTP(w, r)
	})))
	app := strategy.LoadUser(mux)

	buttons, err := strategy.GetConnections(t.Context())
	if err != nil || len(buttons) != 5 {
		t.Fatalf("%d buttons, %v; want 5", len(buttons), err)
	}
	for _, tt := range []struct {
		email, call string
		status      int
	}{
		{"ada@acme.example", "protected", 200},
		{"bob@acme.example", `{"error":"insufficient_scope","error_description":"insufficient scope"}`, 403},
	} {
		browser := tenant.Browser(app)
		get := func(path string) (int, string) {
			t.Helper()
			resp, err := browser.Get(auth0test.AppURL + path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp.StatusCode, string(body)
		}
		tenant.LogIn(tt.email)
		if status, body := get("/profile"); status != 200 || body != tt.email+" true" {
			t.Errorf("%s: profile %d %q", tt.email, status, body)
		}
		if status, body := get("/call"); status != tt.status || body != tt.call {
			t.Errorf("%s: call %d %q, want %d %q", tt.email, status, body, tt.status, tt.call)
		}
		if status, _ := get("/auth/logout"); status != http.StatusNotFound { // the mux has no home page
			t.Errorf("%s: after logout %d", tt.email, status)
		}
		if status, body := get("/call"); status != 401 || !strings.Contains(body, "<h1>You need to log in</h1>") {
			t.Errorf("%s: call after logout %d %q", tt.email, status, body)
		}
		tenant.LogOut()
	}
}
