package auth0test_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// t stands for the *testing.T of a test.
var t = fakeT{}

// greet is the handler under test.
func greet(w http.ResponseWriter, r *http.Request) {
	user, ok := auth0.UserFrom(r.Context())
	if !ok {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	fmt.Fprint(w, "Hello ", user.Name)
}

// The test of a handler needs no tenant.
func ExampleWithUser() {
	r := auth0test.WithUser(httptest.NewRequest("GET", "/", nil), auth0.User{Subject: "auth0|1", Name: "Ada"})
	w := httptest.NewRecorder()
	greet(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 Hello Ada
}

// The handler of an API gets the token with the claims of the test.
func ExampleWithToken() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		fmt.Fprint(w, token.Subject(), " may delete: ", token.HasPermission("delete:orders"))
	}

	r := auth0test.WithToken(t, httptest.NewRequest("GET", "/orders", nil), map[string]any{
		"sub":         "auth0|1",
		"permissions": []string{"read:orders"},
	})
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Println(w.Body)
	// Output: auth0|1 may delete: false
}

// A whole login: the browser follows the redirects to the tenant and back.
func ExampleTenant_Browser() {
	tenant := auth0test.NewTenant(t)
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(greet)))

	tenant.LogIn("ada@acme.example") // the user who answers the tenant's login page
	resp, err := tenant.Browser(strategy.LoadUser(mux)).Get(auth0test.AppURL + "/profile")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.StatusCode, string(page))
	// Output: 200 Hello Ada Lovelace
}

// Tokens that an API must reject.
func ExampleTenant_AccessToken() {
	tenant := auth0test.NewTenant(t)
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	handler := api.RequireScope("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for _, test := range []struct{ name, token string }{
		{"good", tenant.AccessToken(auth0test.Scope("read:orders"))},
		{"without the scope", tenant.AccessToken()},
		{"expired", tenant.AccessToken(auth0test.Scope("read:orders"), auth0test.ExpiresIn(-time.Minute))},
		{"of another API", tenant.AccessToken(auth0test.Claim("aud", "https://billing.acme.example/"))},
		{"an ID token", tenant.IDToken()},
	} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+test.token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(test.name, w.Code)
	}
	// Output:
	// good 200
	// without the scope 403
	// expired 401
	// of another API 401
	// an ID token 401
}

// The tenant is down: keys that were fetched before still verify tokens.
func ExampleTenant_Fail() {
	tenant := auth0test.NewTenant(t)
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	handler := api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	call := func() int {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+tenant.AccessToken())
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}

	tenant.Fail(auth0test.JWKS, http.StatusServiceUnavailable)
	fmt.Println("without keys:", call())
	tenant.Fail(auth0test.JWKS, 0)
	if err := api.KeySet(tenant.URL()).Refresh(context.Background()); err != nil {
		log.Fatal(err)
	}
	tenant.Fail(auth0test.JWKS, http.StatusServiceUnavailable)
	fmt.Println("with cached keys:", call())
	// Output:
	// without keys: 503
	// with cached keys: 200
}

// The test of a session store.
func ExampleTestStore() {
	auth0test.TestStore(t, auth0.NewMemoryStore(1000))
}

// A user of the test, with claims of an Action.
func ExampleTenant_AddUser() {
	tenant := auth0test.NewTenant(t)
	tenant.AddUser(auth0test.User{
		Email: "kim@acme.example", Name: "Kim", Connection: "Username-Password-Authentication", Password: "a long password",
		Claims: map[string]any{"https://acme.example/plan": "pro"},
	})
	tenant.LogIn("kim@acme.example")
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		plan, _ := user.Claim("https://acme.example/plan")
		fmt.Fprint(w, user.Name, " has the plan ", plan)
	})
	resp, err := tenant.Browser(strategy.LoadUser(mux)).Get(auth0test.AppURL + "/auth/login")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(page))
	// Output: Kim has the plan pro
}

// A tenant that a real browser, or another process, reaches.
func ExampleServe() {
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:3000")
	if err != nil {
		log.Fatal(err)
	}
	defer tenant.Close()
	resp, err := http.Get(tenant.URL() + ".well-known/openid-configuration")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, tenant.Config().BaseURL)
	// Output: 200 http://localhost:3000
}

// Every endpoint fails or waits by itself.
func ExampleTenant_Delay() {
	tenant := auth0test.NewTenant(t)
	for _, e := range []auth0test.Endpoint{auth0test.Token, auth0test.UserInfo} {
		tenant.Delay(e, time.Millisecond)
		tenant.Fail(e, http.StatusTooManyRequests)
	}
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	_, err = application.LoginWithPassword(context.Background(), "ada@acme.example", "correct horse")
	fmt.Println(err != nil, tenant.Calls(auth0test.Token))
	// Output: true 1
}

// An invitation to an organization, good for one login.
func ExampleTenant_AddOrganization() {
	tenant := auth0test.NewTenant(t)
	tenant.AddUser(auth0test.User{Email: "kim@globex.example", Name: "Kim", Connection: "Username-Password-Authentication"})
	tenant.AddOrganization(auth0test.Organization{
		ID: "org_globex", Name: "globex",
		Connections: []auth0test.OrganizationConnection{{Name: "Username-Password-Authentication"}},
		Invitations: []auth0test.Invitation{{Ticket: "MkNvRjTH", Email: "kim@globex.example"}},
	})
	tenant.LogIn("kim@globex.example")
	cfg := tenant.Config()
	cfg.AcceptOrganizationLinks = true
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", greet)
	resp, err := tenant.Browser(strategy.LoadUser(mux)).Get(auth0test.AppURL + "/auth/login?invitation=MkNvRjTH&organization=org_globex")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(page))
	// Output: Hello Kim
}

// A tenant that issues no access token without a proof.
func ExampleTenant_RequireDPoP() {
	tenant := auth0test.NewTenant(t)
	tenant.RequireDPoP()
	application, err := auth0.NewApplication(tenant.Config()) // without Config.ProofKey
	if err != nil {
		log.Fatal(err)
	}
	_, err = application.LoginWithPassword(context.Background(), "ada@acme.example", "correct horse")
	fmt.Println(err != nil)
	// Output: true
}

// A token bound to the certificate of a client.
func ExampleBoundToCertificate() {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	tenant := auth0test.NewTenant(t)
	c := tenant.APIConfig("https://orders.acme.example/")
	c.Certificates = auth0.Certificates{Mode: auth0.BindingRequired}
	api, err := auth0.NewAPI(c)
	if err != nil {
		log.Fatal(err)
	}
	option := auth0test.BoundToCertificate(server.Certificate())
	_, err = api.VerifyWithCertificate(context.Background(), tenant.AccessToken(option), server.Certificate())
	fmt.Println(err)
	// Output: <nil>
}
