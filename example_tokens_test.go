package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// serveAPI runs an API for the examples, which answers with the scope of the token that it
// receives.
func serveAPI(c auth0.APIConfig) *httptest.Server {
	api, err := auth0.NewAPI(c)
	if err != nil {
		log.Fatal(err)
	}
	return httptest.NewServer(api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		fmt.Fprint(w, "called with ", token.Scope())
	})))
}

// A page calls an API with the access token of the user's session.
func ExampleStrategy_Client() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	orders := serveAPI(tenant.APIConfig("https://orders.acme.example/"))
	defer orders.Close()
	cfg := tenant.Config()
	cfg.Audience = "https://orders.acme.example/"                         // the API of the login
	cfg.Scopes = []string{"openid", "profile", "email", "offline_access"} // with a refresh token
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	page := func(w http.ResponseWriter, r *http.Request) {
		resp, err := strategy.Client(w, r).Get(orders.URL + "/orders") // before the first byte of the page
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, io.LimitReader(resp.Body, 1<<20))
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /orders", strategy.RequireLogin(http.HandlerFunc(page)))
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, cfg.BaseURL, "/orders"))
	// Output: called with openid profile email offline_access
}

// The access token has expired, and there is no refresh token. A browser goes through the
// login and back to the page. A script gets 401 with the URL of the login.
func ExampleStrategy_AccessToken() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	tenant.APIConfig("https://orders.acme.example/")
	tenant.SetTokenLifetime("https://orders.acme.example/", time.Minute)
	now := time.Now()
	cfg := tenant.Config()
	cfg.Audience = "https://orders.acme.example/"
	cfg.Now = func() time.Time { return now }
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	page := func(w http.ResponseWriter, r *http.Request) {
		token, err := strategy.AccessToken(w, r)
		if errors.Is(err, auth0.ErrTokenExpired) && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			http.Redirect(w, r, "/auth/login?returnTo=/orders", http.StatusSeeOther)
			return
		}
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "a token for another ", token.Expiry.Sub(now).Round(time.Minute))
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /orders", strategy.RequireLogin(http.HandlerFunc(page)))
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, cfg.BaseURL, "/orders"))
	now = now.Add(2 * time.Minute)
	fmt.Println(fetch(browser, cfg.BaseURL, "/orders"), "after logins:", tenant.Calls(auth0test.Authorize))
	// Output:
	// a token for another 1m0s
	// a token for another 1m0s after logins: 2
}

// Tokens for two APIs in one session.
func ExampleForAudience() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	tenant.AllowRefreshFor("https://billing.acme.example/", "read:invoices")
	billing := serveAPI(tenant.APIConfig("https://billing.acme.example/"))
	defer billing.Close()
	cfg := tenant.Config()
	cfg.Scopes = []string{"openid", "offline_access"}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	page := func(w http.ResponseWriter, r *http.Request) {
		client := strategy.Client(w, r, auth0.ForAudience("https://billing.acme.example/", "read:invoices"))
		resp, err := client.Get(billing.URL)
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, io.LimitReader(resp.Body, 1<<20))
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /invoices", strategy.RequireLogin(http.HandlerFunc(page)))
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, cfg.BaseURL, "/invoices"))
	// Output: called with read:invoices
}

// A worker without users calls an API. All its goroutines share one token.
func ExampleApplication_ClientCredentials() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.AllowClientCredentials("https://orders.acme.example/", "read:orders")
	orders := serveAPI(tenant.APIConfig("https://orders.acme.example/"))
	defer orders.Close()

	worker, err := auth0.NewApplication(tenant.Config()) // Domain, ClientID and ClientSecret are enough
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &auth0.ProofTransport{
		Source: worker.ClientCredentials(auth0.ClientCredentials{Audience: "https://orders.acme.example/"}),
	}}
	for range 2 {
		fmt.Println(fetch(client, orders.URL, "/orders"))
	}
	fmt.Println("token requests:", tenant.Calls(auth0test.Token))
	// Output:
	// called with read:orders
	// called with read:orders
	// token requests: 1
}

// An API calls another API on behalf of its user.
func ExampleApplication_ExchangeToken() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.ExchangesTokensOf("https://orders.acme.example/")
	tenant.APIConfig("https://billing.acme.example/")
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	handler := api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received, _ := auth0.AccessTokenFrom(r.Context())
		token, err := application.ExchangeToken(r.Context(), auth0.TokenExchange{
			SubjectToken: received,
			Audience:     "https://billing.acme.example/",
		})
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "a ", token.TokenType, " token for the billing API")
	}))

	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+tenant.AccessToken())
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 a Bearer token for the billing API
}

// A page for administrators. An Action of the tenant adds the roles to the ID token.
func ExampleStrategy_RequireUserClaim() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	tenant.EditIDToken(func(header, claims map[string]any) { // what the Action does
		claims["https://acme.example/roles"] = []string{"admin"}
	})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	admins := strategy.RequireUserClaim("https://acme.example/roles", auth0.IncludesAny("admin", "owner"))
	page := func(w http.ResponseWriter, r *http.Request) {
		claims, err := auth0.Claims[struct {
			Roles []string `json:"https://acme.example/roles"`
		}](r.Context())
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "for ", claims.Roles)
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /admin", admins(http.HandlerFunc(page)))
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, tenant.Config().BaseURL, "/admin"))
	// Output: for [admin]
}

// One route for each permission. RBAC of the API assigns permissions by roles.
func ExampleAPI_RequirePermissions() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	done := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "done") })
	mux := http.NewServeMux()
	mux.Handle("GET /orders", api.RequirePermissions("read:orders")(done))
	mux.Handle("DELETE /orders", api.RequirePermissions("read:orders", "delete:orders")(done))

	for _, method := range []string{"GET", "DELETE"} {
		r := httptest.NewRequest(method, "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.Permissions("read:orders")))
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Printf("%s %d %q\n", method, w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// GET 200 ""
	// DELETE 403 "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"insufficient scope\", scope=\"read:orders delete:orders\""
}

// Organizations: the user picks one at the tenant, and the application decides which
// ones it serves.
func ExampleConfig_organizations() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.AddOrganization(auth0test.Organization{
		ID: "org_globex", Name: "globex", DisplayName: "Globex",
		Connections: []auth0test.OrganizationConnection{{Name: "Username-Password-Authentication"}},
	})
	tenant.AddMember("ada@acme.example", "globex", auth0test.Membership{})
	tenant.LogIn("ada@acme.example")
	customers := map[string]bool{"org_globex": true} // in your database
	cfg := tenant.Config()
	cfg.AcceptOrganizationLinks = true // links of invitation emails, /auth/login?organization=...
	cfg.CheckOrganization = func(ctx context.Context, orgID string) error {
		if !customers[orgID] {
			return auth0.ErrForbidden
		}
		return nil
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Name, " of ", user.OrgID)
	})
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, cfg.BaseURL, "/auth/login?organization=org_globex"))
	// Output: Ada Lovelace of org_globex
}
