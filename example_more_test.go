package auth0_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// One permission of the list is enough.
func ExampleAPI_RequireAnyPermission() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://orders.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(call(api.RequireAnyPermission("read:orders", "read:all")(done), tenant.AccessToken(auth0test.Permissions("read:all"))))
	// Output: 200
}

// Checks of a claim that is a list, or a list in a text, such as scope.
func ExampleIncludesAll() {
	teams := []any{"red", "blue"}
	fmt.Println(auth0.IncludesAll("red", "blue")(teams), auth0.IncludesAll("red", "green")(teams))
	fmt.Println(auth0.IncludesAny("red", "green")(teams), auth0.Equals("red")("red"))
	// Output:
	// true false
	// true true
}

// The tenant must confirm the requested organization, authentication age and second
// factor.
func ExampleWithRequiredACR() {
	_, strategy, mux := newSite()
	mux.Handle("GET /bank", strategy.LoginHandler(
		auth0.WithRequiredACR(auth0.ACRMultiFactor), auth0.WithOrganization("org_ABCDEFGHIJKLMNOP"), auth0.WithScopes("read:accounts"),
		auth0.WithPersistentCookie(false), auth0.WithAudience("https://accounts.acme.example/")))
	mux.Handle("GET /hint", strategy.LoginHandler(auth0.WithACRValues(auth0.ACRMultiFactor))) // a wish, which nobody checks
	r := httptest.NewRequest("GET", auth0test.AppURL+"/bank", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	to, err := w.Result().Location()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(to.Query().Get("acr_values"), to.Query().Get("organization"), to.Query().Get("audience"))
	// Output: http://schemas.openid.net/pape/policies/2007/06/multi-factor org_ABCDEFGHIJKLMNOP https://accounts.acme.example/
}

// The link of an invitation email leads to a route that accepts the invitation.
func ExampleWithInvitation() {
	_, strategy, mux := newSite()
	mux.HandleFunc("GET /join", func(w http.ResponseWriter, r *http.Request) {
		strategy.LoginHandler(auth0.WithInvitation(r.FormValue("invitation"), r.FormValue("organization"))).ServeHTTP(w, r)
	})
	r := httptest.NewRequest("GET", auth0test.AppURL+"/join?invitation=MkNvRjTH&organization=org_ABCDEFGHIJKLMNOP", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	to, err := w.Result().Location()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(to.Query().Get("invitation"), to.Query().Get("prompt"))
	// Output: MkNvRjTH login
}

// A login in a pop-up window, which reports to its opener and closes.
func ExampleWithPopup() {
	tenant, strategy, mux := newSite()
	mux.Handle("GET /auth/popup", strategy.LoginHandler(auth0.WithPopup(auth0test.AppURL)))
	page := fetch(tenant.Browser(strategy.LoadUser(mux)), auth0test.AppURL, "/auth/popup")
	fmt.Println(strings.Contains(page, "auth0:login"))
	// Output: true
}

// The tenant's attack protection counts by the user's address, not by the server's.
func ExampleWithForwardedFor() {
	tenant := auth0test.NewTenant(fakeT{})
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	login, err := application.LoginWithPassword(context.Background(), "ada@acme.example", "correct horse",
		auth0.WithForwardedFor(netip.MustParseAddr("203.0.113.7")), auth0.WithConnection("Username-Password-Authentication"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(login.User.Email)
	// Output: ada@acme.example
}

// A logout with the endpoint of Auth0 in place of OpenID Connect's, and a parameter of
// the application.
func ExampleLogoutEndpoint() {
	tenant := auth0test.NewTenant(fakeT{})
	cfg := tenant.Config()
	cfg.LogoutEndpoint = auth0.LogoutEndpointV2
	cfg.LogoutOptions = []auth0.LogoutOption{auth0.WithLogoutParam("ext-reason", "button")}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("POST", auth0test.AppURL+"/auth/logout", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	strategy.Handler().ServeHTTP(w, r)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(to.Path)
	// Output: /v2/logout
}

// A login without a client secret: the tenant posts an ID token to the callback.
func ExampleResponseType() {
	tenant := auth0test.NewTenant(fakeT{})
	cfg := tenant.Config()
	cfg.ClientSecret = ""
	cfg.ResponseType, cfg.ResponseMode = auth0.ResponseTypeIDToken, auth0.ResponseModeFormPost
	_, err := auth0.New(cfg)
	fmt.Println(auth0.ResponseType("id_token") == auth0.ResponseTypeIDToken, auth0.ResponseMode("form_post") == auth0.ResponseModeFormPost, err)
	// Output: true true <nil>
}

// The implicit grant of an old page: the server verifies the response to the page.
func ExampleImplicitGrant() {
	tenant := auth0test.NewTenant(fakeT{})
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	_, transaction, err := application.ImplicitURL(context.Background(), "id_token token", auth0test.AppURL+"/old/callback")
	if err != nil {
		log.Fatal(err)
	}
	var grant *auth0.ImplicitGrant
	grant, err = application.VerifyImplicit(context.Background(), transaction, url.Values{"id_token": {tenant.IDToken()}, "state": {"of another login"}})
	fmt.Println(grant == nil, err != nil)
	// Output: true true
}

// Tokens of clients that cannot set the header Authorization.
func ExampleTokenExtractor() {
	tenant := auth0test.NewTenant(fakeT{})
	c := tenant.APIConfig("https://orders.acme.example/")
	c.TokenExtractors = []auth0.TokenExtractor{
		auth0.FromHeader(), auth0.FromWebSocket(), auth0.FromForm(), auth0.FromQuery(),
		auth0.FromFunc(func(r *http.Request) (string, error) { return r.Header.Get("X-Old-Token"), nil }),
	}
	api, err := auth0.NewAPI(c)
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Old-Token", tenant.AccessToken())
	w := httptest.NewRecorder()
	api.RequireAuth(done).ServeHTTP(w, r)
	r.Header.Set("Authorization", "Bearer "+tenant.AccessToken()) // two tokens
	two := httptest.NewRecorder()
	api.RequireAuth(done).ServeHTTP(two, r)
	fmt.Println(w.Code, two.Code)
	// Output: 200 400
}

// An access token of a third party, from the Token Vault, and the user's connected
// accounts.
func ExampleForConnection() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	tenant.AllowConnectedAccounts("/connect")
	tenant.ConnectAccount("ada@acme.example", auth0test.ConnectedAccount{
		Connection: "google-oauth2", Email: "ada@gmail.example", AccessToken: "token-of-google", Scope: "calendar.readonly", ExpiresIn: time.Hour,
	})
	cfg := tenant.Config()
	cfg.Scopes = []string{"openid", "offline_access"}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("/connect", strategy.RequireLogin(strategy.ConnectAccountHandler()))
	mux.Handle("GET /calendar", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"), auth0.ForceRefresh())
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		var accounts []auth0.ConnectedAccount
		if accounts, err = strategy.ConnectedAccounts(w, r); err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, token.TokenType, " ", accounts[0].Connection)
	})))
	fmt.Println(fetch(tenant.Browser(strategy.LoadUser(mux)), cfg.BaseURL, "/calendar"))
	// Output: Bearer google-oauth2
}

// An API that accepts bound tokens beside bearer tokens. The certificate comes from a
// proxy.
func ExampleBinding() {
	for _, mode := range []auth0.Binding{auth0.BindingOff, auth0.BindingAllowed, auth0.BindingRequired} {
		_, err := auth0.NewAPI(auth0.APIConfig{
			Domain: "acme.eu.auth0.com", Audience: "https://orders.acme.example/",
			DPoP: auth0.DPoP{Mode: mode, BaseURLs: []string{"https://orders.acme.example"}},
			Certificates: auth0.Certificates{From: func(r *http.Request) (*x509.Certificate, error) {
				return nil, nil
			}},
		})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
}

// The kinds of events, as metric labels.
func ExampleEventKind() {
	for _, kind := range []auth0.EventKind{auth0.TokenChecked, auth0.GuardRefused, auth0.KeysFetched, auth0.ReplayEvicted} {
		fmt.Println(kind)
	}
	// Output:
	// token_checked
	// guard_refused
	// keys_fetched
	// replay_evicted
}

// The tokens of a login without a browser.
func ExampleLogin_Token() {
	tenant := auth0test.NewTenant(fakeT{})
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	login, err := application.LoginWithPassword(context.Background(), "ada@acme.example", "correct horse")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(login.Token().TokenType, login.Token().Valid())
	// Output: Bearer true
}

// Kinds of events, and the state of the keys.
func ExampleEvent() {
	tenant := auth0test.NewTenant(fakeT{})
	c := tenant.APIConfig("https://orders.acme.example/")
	c.Observer = func(ctx context.Context, e auth0.Event) {
		if e.Kind == auth0.KeysFetched {
			fmt.Println(e.Reason, e.Keys > 0)
		}
	}
	api, err := auth0.NewAPI(c)
	if err != nil {
		log.Fatal(err)
	}
	if err := api.Warm(context.Background()); err != nil {
		log.Fatal(err)
	}
	status := api.Status()[0]
	fmt.Println(status.Issuer == tenant.URL(), status.Err)
	// Output:
	// fetched true
	// true <nil>
}

// The whole User comes from verified claims.
func ExampleUserFrom() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var user auth0.User
		if found, ok := auth0.UserFrom(r.Context()); ok {
			user = found
		}
		var session *auth0.Session
		if s, err := strategy.Session(r); err == nil {
			session = s
		}
		fmt.Fprint(w, user.GivenName, " ", user.EmailVerified, " ", session.ExpiresAt.After(session.CreatedAt))
	})
	fmt.Println(fetch(tenant.Browser(strategy.LoadUser(mux)), auth0test.AppURL, "/auth/login"))
	// Output: Ada true true
}

// An exchange for a profile of the tenant: the old system's token becomes a login.
func ExampleApplication_LoginWithToken() {
	const legacy = "https://acme.example/legacy-session"
	tenant := auth0test.NewTenant(fakeT{})
	tenant.AddTokenExchange(legacy, func(token string) (string, bool) { return "ada@acme.example", token == "s3ss10n" })
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	exchange := auth0.TokenExchange{SubjectToken: "s3ss10n", SubjectTokenType: legacy}
	var login *auth0.Login
	login, err = application.LoginWithToken(context.Background(), exchange)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(login.User.Email)
	// Output: ada@acme.example
}
