package auth0test_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// A user with write access in one organization only.
func ExampleTenant_AddMember() {
	test := func(t auth0test.TB) {
		tenant := auth0test.NewTenant(t)
		tenant.UseRolesClaim("https://acme.example/roles")
		tenant.AddUser(auth0test.User{
			Connection:  "Username-Password-Authentication",
			Email:       "joan@acme.example",
			Permissions: map[string][]string{auth0test.Audience: {"read:protected"}},
		})
		tenant.AddMember("joan@acme.example", "acme-eu", auth0test.Membership{
			Roles:       []string{"editor"},
			Permissions: map[string][]string{auth0test.Audience: {"write:messages"}},
			Claims:      map[string]any{"https://acme.example/plan": "pro"},
		})
		tenant.LogIn("joan@acme.example")

		cfg := tenant.Config()
		cfg.AcceptOrganizationLinks = true // of the link
		browser := tenant.Browser(profile(t, cfg))
		fmt.Println(open(browser, "/auth/login?returnTo=/profile"))
		fmt.Println(open(browser, "/auth/login?returnTo=/profile&organization=acme-eu"))
	}
	test(fakeT{})
	// Output:
	// joan@acme.example has the roles [] and the plan <nil>
	// joan@acme.example has the roles [editor] and the plan pro
}

// An application with its own callback path.
func ExampleTenant_AllowCallback() {
	test := func(t auth0test.TB) {
		tenant := auth0test.NewTenant(t)
		tenant.AllowCallback("/login/done")
		tenant.LogIn("ada@acme.example")

		cfg := tenant.Config()
		cfg.CallbackPath = "/login/done"
		fmt.Println(open(tenant.Browser(profile(t, cfg)), "/profile"))
	}
	test(fakeT{})
	// Output:
	// ada@acme.example has the roles <nil> and the plan <nil>
}

// An access token for an API other than the requested one.
func ExampleTenant_EditAccessToken() {
	test := func(t auth0test.TB) {
		tenant := auth0test.NewTenant(t)
		tenant.EditAccessToken(func(header, claims map[string]any) { claims["aud"] = "https://other.example/" })
		tenant.AllowClientCredentials(auth0test.Audience, "read:protected")

		strategy, err := auth0.New(tenant.Config())
		if err != nil {
			t.Fatalf("%v", err)
		}
		api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
		if err != nil {
			t.Fatalf("%v", err)
		}
		token, err := strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: auth0test.Audience}).Token()
		if err != nil {
			t.Fatalf("%v", err)
		}
		_, err = api.Verify(context.Background(), token.AccessToken)
		var rejected *auth0.Error
		fmt.Println(errors.As(err, &rejected), rejected.Status, rejected.Reason)
	}
	test(fakeT{})
	// Output:
	// true 401 invalid_audience
}

// An API that accepts only DPoP-bound tokens. A proof works once.
func ExampleProofKey() {
	test := func(t auth0test.TB) {
		tenant := auth0test.NewTenant(t)
		cfg := tenant.APIConfig(auth0test.Audience)
		cfg.DPoP = auth0.DPoP{Mode: auth0.BindingRequired, BaseURLs: []string{"https://api.acme.example"}}
		api, err := auth0.NewAPI(cfg)
		if err != nil {
			t.Fatalf("%v", err)
		}
		hello := api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "Hello") }))

		key := auth0test.NewProofKey()
		token := tenant.AccessToken(auth0test.BoundTo(key))
		const url = "https://api.acme.example/hello"
		proof := key.Proof("GET", url, token)
		old := key.Proof("GET", url, token, auth0test.Claim("iat", 1))
		stolen := auth0test.NewProofKey().Proof("GET", url, token)
		for _, header := range []string{proof, proof, old, stolen} {
			r := httptest.NewRequest("GET", "/hello", nil)
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", header)
			w := httptest.NewRecorder()
			hello.ServeHTTP(w, r)
			fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
		}
	}
	test(fakeT{})
	// Output:
	// 200 Hello
	// 401 {"error":"invalid_dpop_proof","error_description":"DPoP proof invalid"}
	// 401 {"error":"invalid_dpop_proof","error_description":"DPoP proof invalid"}
	// 401 {"error":"invalid_token","error_description":"token not bound to this key"}
}

// profile is an application that shows two claims of the user.
func profile(t auth0test.TB, cfg auth0.Config) http.Handler {
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		roles, _ := user.Claim("https://acme.example/roles")
		plan, _ := user.Claim("https://acme.example/plan")
		fmt.Fprintf(w, "%s has the roles %v and the plan %v", user.Email, roles, plan)
	})))
	return mux
}

func open(browser *http.Client, path string) string {
	resp, err := browser.Get(auth0test.AppURL + path)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(body))
}

// fakeT stands for the *testing.T of a test.
type fakeT struct{ testing.TB }

func (fakeT) Helper()                   {}
func (fakeT) Cleanup(func())            {}
func (fakeT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
