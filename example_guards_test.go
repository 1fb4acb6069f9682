package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// call makes a request with an access token, and returns the status and the challenge.
func call(h http.Handler, token string) string {
	r := httptest.NewRequest("GET", "/", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate")))
}

// done is the handler behind the guards.
var done = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})

// Two issuers: the tenant, and its custom domain.
func ExampleNewAPI() {
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:   "acme.eu.auth0.com",
		Audience: "https://orders.acme.example/",
		Issuers:  []auth0.Issuer{{Domain: "login.acme.example"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, keys := range api.Status() {
		fmt.Println(keys.Issuer, keys.Keys)
	}
	// Output:
	// https://acme.eu.auth0.com/ 0
	// https://login.acme.example/ 0
}

// All mistakes of a configuration are reported at once.
func ExampleAPIConfig() {
	_, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Leeway: time.Hour})
	fmt.Println(err)
	// Output:
	// auth0: APIConfig.Audience is missing; it is the identifier of the API, such as https://api.example.com/
	// auth0: APIConfig.Leeway 1h0m0s must be between 0 and 5m0s
}

// An open endpoint that knows its caller if there is a token. A bad token is rejected.
func ExampleAPI_OptionalAuth() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	open := api.OptionalAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, known := auth0.TokenFrom(r.Context())
		fmt.Println("known caller:", known)
	}))
	fmt.Println(call(open, ""))
	fmt.Println(call(open, tenant.AccessToken()))
	fmt.Println(call(open, tenant.AccessToken(auth0test.ExpiresIn(-time.Minute))))
	// Output:
	// known caller: false
	// 200
	// known caller: true
	// 200
	// 401 Bearer realm="api", error="invalid_token", error_description="token expired"
}

// All scopes of the list are required.
func ExampleAPI_RequireScope() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	write := api.RequireScope("read:orders", "write:orders")(done)
	fmt.Println(call(write, tenant.AccessToken(auth0test.Scope("read:orders", "write:orders"))))
	fmt.Println(call(write, tenant.AccessToken(auth0test.Scope("read:orders"))))
	// Output:
	// 200
	// 403 Bearer realm="api", error="insufficient_scope", error_description="insufficient scope", scope="read:orders write:orders"
}

// One scope, or one permission, of the list is enough.
func ExampleAPI_RequireAnyScope() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(call(api.RequireAnyScope("read:orders", "read:all")(done), tenant.AccessToken(auth0test.Scope("read:all"))))
	fmt.Println(call(api.RequireAnyPermission("read:orders", "read:all")(done), tenant.AccessToken(auth0test.Permissions("read:all"))))
	// Output:
	// 200
	// 200
}

// A claim that an Action has added.
func ExampleAPI_RequireClaim() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	pro := api.RequireClaim("https://acme.example/plan", auth0.Equals("pro"))(done)
	fmt.Println(call(pro, tenant.AccessToken(auth0test.Claim("https://acme.example/plan", "pro"))))
	fmt.Println(call(pro, tenant.AccessToken(auth0test.Claim("https://acme.example/plan", "free"))))
	// Output:
	// 200
	// 403
}

// Claims of several kinds, decoded into a struct once, for the guard and the handler.
func ExampleRequireClaims() {
	type subscription struct {
		Plan  string   `json:"https://acme.example/plan"`
		Seats int      `json:"https://acme.example/seats"`
		Teams []string `json:"https://acme.example/teams"`
	}
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	handler := auth0.RequireClaims[subscription](api)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := auth0.Claims[subscription](r.Context())
		fmt.Println(s.Plan, s.Seats, s.Teams, err)
	}))
	call(handler, tenant.AccessToken(
		auth0test.Claim("https://acme.example/plan", "pro"), auth0test.Claim("https://acme.example/seats", 5),
		auth0test.Claim("https://acme.example/teams", []string{"red", "blue"})))
	// Output: pro 5 [red blue] <nil>
}

// ClaimCheck is your own function, for a claim of any JSON type.
func ExampleClaimCheck() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	var enough auth0.ClaimCheck = func(value any) bool {
		seats, ok := value.(float64)
		return ok && seats >= 10
	}
	handler := api.RequireClaim("https://acme.example/seats", enough)(done)
	fmt.Println(call(handler, tenant.AccessToken(auth0test.Claim("https://acme.example/seats", 12))))
	// Output: 200
}

// Any other condition, with an error that chooses between 401, 403 and 503.
func ExampleAPI_Require() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	suspended := map[string]bool{"acme-worker": true} // in your database
	guard := api.Require(func(ctx context.Context, t *auth0.Token) error {
		if suspended[t.ClientID()] {
			return auth0.ErrForbidden
		}
		return nil
	})
	fmt.Println(call(guard(done), tenant.AccessToken()))
	fmt.Println(call(guard(done), tenant.AccessToken(auth0test.Claim("azp", "acme-worker"))))
	// Output:
	// 200
	// 403
}

// Tokens of a login to one organization.
func ExampleAPI_RequireOrganization() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	acme := api.RequireOrganization("org_ABCDEFGHIJKLMNOP")(done)
	fmt.Println(call(acme, tenant.AccessToken(auth0test.Claim("org_id", "org_ABCDEFGHIJKLMNOP"))))
	fmt.Println(call(acme, tenant.AccessToken()))
	// Output:
	// 200
	// 403
}

// A recent authentication (RFC 9470). The client repeats the login with max_age.
func ExampleAPI_RequireStepUp() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	pay := api.RequireStepUp(5 * time.Minute)(done)
	fmt.Println(call(pay, tenant.AccessToken(auth0test.Claim("auth_time", time.Now().Unix()))))
	fmt.Println(call(pay, tenant.AccessToken(auth0test.Claim("auth_time", time.Now().Add(-time.Hour).Unix()))))
	// Output:
	// 200
	// 401 Bearer realm="api", error="insufficient_user_authentication", error_description="stronger authentication required", max_age="300"
}

// The claims of a verified token.
func ExampleToken() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	token, err := api.Verify(context.Background(), tenant.AccessToken(auth0test.Subject("auth0|7"), auth0test.Scope("read:orders")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Subject(), token.HasScope("read:orders"), token.HasPermission("read:orders"))
	for audience := range token.Audience() {
		fmt.Println(audience)
	}
	// Output:
	// auth0|7 true false
	// https://orders.acme.example/
}

// Errors of this package have one type. Compare them with errors.Is, and use the reason
// as a metric label.
func ExampleError() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = api.Verify(context.Background(), tenant.AccessToken(auth0test.ExpiresIn(-time.Minute)))
	var refused *auth0.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Op, refused.Status, refused.Code, refused.Reason)
	}
	fmt.Println(errors.Is(err, auth0.ErrTokenExpired))
	// Output:
	// bearer 401 invalid_token token_expired
	// true
}

// A client that cannot set headers sends the token in a cookie.
func ExampleFromCookie() {
	tenant := auth0test.NewTenant(fakeT{})
	c := tenant.APIConfig("https://orders.acme.example/")
	c.TokenExtractors = []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromCookie("__Host-token")}
	api, err := auth0.NewAPI(c)
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-token", Value: tenant.AccessToken()})
	w := httptest.NewRecorder()
	api.RequireAuth(done).ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Cache-Control"))
	// Output: 200 private, no-store
}

// An Application is for programs without web pages. It verifies tokens with its keys.
func ExampleNewApplication() {
	tenant := auth0test.NewTenant(fakeT{})
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	login, err := application.LoginWithPassword(context.Background(), "ada@acme.example", "correct horse")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(login.User.Name, login.Token().TokenType)
	// Output: Ada Lovelace Bearer
}
