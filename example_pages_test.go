package auth0_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// newSite returns a tenant, a strategy and its routes for the examples.
func newSite(edit ...func(*auth0.Config)) (*auth0test.Tenant, *auth0.Strategy, *http.ServeMux) {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	cfg := tenant.Config()
	for _, e := range edit {
		e(&cfg)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	return tenant, strategy, mux
}

// visit requests a page without a session, and returns the status and the path of a
// redirect.
func visit(h http.Handler, header ...string) string {
	r := httptest.NewRequest("GET", auth0test.AppURL+"/page", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	to, _ := url.Parse(w.Header().Get("Location"))
	return fmt.Sprint(w.Code, " ", to.Path)
}

// The configuration, and all mistakes at once.
func ExampleNew() {
	_, err := auth0.New(auth0.Config{
		Domain: "acme.eu.auth0.com", ClientID: "9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go", ClientSecret: "Zk3_Vb8nQmX2rTf7yLs4",
		BaseURL: "http://app.acme.example",
	})
	fmt.Println(err)
	// Output:
	// auth0: Config.BaseURL "http://app.acme.example": http is allowed only for localhost and loopback addresses; use https, or set InsecureHTTP for development in a private network
	// auth0: Config.Secrets at least one secret is needed (AUTH0_SECRET); make one with: openssl rand -hex 32
}

// The user of a request, for a page open to all visitors.
func ExampleStrategy_LoadUser() {
	tenant, strategy, mux := newSite()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, loggedIn := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "%v %q", loggedIn, user.Email)
	})
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, auth0test.AppURL, "/"))
	fmt.Println(fetch(browser, auth0test.AppURL, "/auth/login"))
	// Output:
	// false ""
	// true "ada@acme.example"
}

// RequireLogin redirects a browser to the login. A script gets 401.
func ExampleStrategy_RequireLogin() {
	_, strategy, _ := newSite()
	page := strategy.RequireLogin(done)
	fmt.Println(visit(page, "Sec-Fetch-Mode", "navigate"))
	fmt.Println(visit(page, "Sec-Fetch-Mode", "cors"))
	// Output:
	// 302 /auth/login
	// 401
}

// A route for scripts, which never redirects.
func ExampleStrategy_RequireSession() {
	_, strategy, _ := newSite()
	fmt.Println(visit(strategy.RequireSession(done), "Sec-Fetch-Mode", "navigate"))
	// Output: 401
}

// A page for users whose address is verified.
func ExampleStrategy_RequireUser() {
	tenant, strategy, mux := newSite()
	verified := strategy.RequireUser(func(u auth0.User) bool { return u.EmailVerified })
	mux.Handle("GET /orders", verified(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, "orders of ", user.Email)
	})))
	fmt.Println(fetch(tenant.Browser(strategy.LoadUser(mux)), auth0test.AppURL, "/orders"))
	// Output: orders of ada@acme.example
}

// A visitor with a session at the tenant, from another application, needs no button.
func ExampleStrategy_TrySilentLogin() {
	tenant, strategy, mux := newSite()
	home := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "%q", user.Email)
	})
	mux.Handle("GET /{$}", strategy.TrySilentLogin(home))
	browser := tenant.Browser(strategy.LoadUser(mux))
	tenant.LogOut()
	fmt.Println(fetch(browser, auth0test.AppURL, "/"))
	// Output: ""
}

// Options of one login: a button for signing up with Google, in German.
func ExampleLoginOption() {
	_, strategy, mux := newSite()
	mux.Handle("GET /join", strategy.LoginHandler(
		auth0.WithConnection("google-oauth2"), auth0.WithScreenHint("signup"), auth0.WithUILocales("de en"),
		auth0.WithLoginHint("ada@acme.example"), auth0.WithPrompt("login"), auth0.WithMaxAge(time.Hour),
		auth0.WithParam("ext-campaign", "autumn"), auth0.WithReturnTo("/welcome")))
	r := httptest.NewRequest("GET", auth0test.AppURL+"/join", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	strategy.LoadUser(mux).ServeHTTP(w, r)
	to, err := w.Result().Location()
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"connection", "screen_hint", "ui_locales", "login_hint", "prompt", "max_age", "ext-campaign"} {
		fmt.Println(name, to.Query().Get(name))
	}
	// Output:
	// connection google-oauth2
	// screen_hint signup
	// ui_locales de en
	// login_hint ada@acme.example
	// prompt login
	// max_age 3600
	// ext-campaign autumn
}

// State of the application that survives a login: a cart of a visitor. AfterLogin puts
// it into the session.
func ExampleWithAppState() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	cfg := tenant.Config()
	cfg.AfterLogin = func(ctx context.Context, login *auth0.Login) error {
		var cart struct{ Item string }
		if err := json.Unmarshal(login.AppState, &cart); err != nil {
			return nil // a login without a cart
		}
		login.Data = map[string]string{"cart": cart.Item}
		login.ReturnTo = "/cart"
		return nil
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /checkout", strategy.LoginHandler(auth0.WithAppState(map[string]string{"Item": "a book"})))
	mux.Handle("GET /cart", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, session.Data["cart"])
	})))
	fmt.Println(fetch(tenant.Browser(strategy.LoadUser(mux)), cfg.BaseURL, "/checkout"))
	// Output: a book
}

// A logout that leads to another page, and logs out at the identity provider too.
func ExampleLogoutOption() {
	tenant, strategy, mux := newSite(func(c *auth0.Config) {
		c.PostLogoutURLs = []string{auth0test.AppURL, auth0test.AppURL + "/goodbye"}
	})
	mux.Handle("POST /leave", strategy.LogoutHandler(auth0.WithLogoutReturnTo("/goodbye"), auth0.WithFederatedLogout()))
	mux.HandleFunc("GET /goodbye", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "Goodbye") })
	tenant.AllowLogout("/goodbye")
	browser := tenant.Browser(strategy.LoadUser(mux))
	fetch(browser, auth0test.AppURL, "/auth/login")
	r, _ := http.NewRequest("POST", auth0test.AppURL+"/leave", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := browser.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode, resp.Request.URL.Path)
	// Output: 200 /goodbye
}

// A login button for the address that a visitor enters: the connection of the company.
func ExampleConnection() {
	tenant, strategy, _ := newSite()
	tenant.AddConnection(auth0test.Connection{Name: "globex-saml", Strategy: "samlp", DisplayName: "Globex", DomainAliases: []string{"globex.example"}})
	connection, ok, err := strategy.ConnectionForEmail(context.Background(), "kim@globex.example")
	fmt.Println(connection.DisplayName, connection.LoginURL, ok, err)
	// Output: Globex /auth/login?connection=globex-saml&login_hint=kim%40globex.example true <nil>
}

// A code by email, in a page of the application.
func ExamplePasswordlessLogin() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.AddConnection(auth0test.Connection{Name: "email", Strategy: "email"})
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	to := auth0.PasswordlessLogin{Email: "kim@acme.example"}
	if err := application.SendCode(context.Background(), to); err != nil {
		log.Fatal(err)
	}
	code, _ := tenant.Mail("kim@acme.example") // which the user enters
	login, err := application.LoginWithCode(context.Background(), to, code)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(login.User.Email)
	// Output: kim@acme.example
}

// The second factor of a login without a browser.
func ExampleMFA() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.AddUser(auth0test.User{Email: "kim@acme.example", Connection: "Username-Password-Authentication", Password: "a long password", MFA: true})
	application, err := auth0.NewApplication(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	_, err = application.LoginWithPassword(context.Background(), "kim@acme.example", "a long password")
	var required *auth0.Error
	if !errors.Is(err, auth0.ErrMFARequired) || !errors.As(err, &required) {
		log.Fatal(err)
	}
	factors, err := required.MFA().Factors(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	var f auth0.Factor
	for _, f = range factors {
		fmt.Println(f.Type)
	}
	login, err := required.MFA().LoginWithOTP(context.Background(), auth0test.OneTimeCode)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(login.User.Email)
	// Output:
	// otp
	// recovery-code
	// kim@acme.example
}

// A worker whose tokens are bound to its own key.
func ExampleProofKeyOf() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // in production, of a key store
	if err != nil {
		log.Fatal(err)
	}
	tenant := auth0test.NewTenant(fakeT{})
	tenant.APIConfig("https://orders.acme.example/")
	tenant.AllowClientCredentials("https://orders.acme.example/")
	cfg := tenant.Config()
	cfg.ProofKey = auth0.ProofKeyOf(key)
	application, err := auth0.NewApplication(cfg)
	if err != nil {
		log.Fatal(err)
	}
	token, err := application.ClientCredentials(auth0.ClientCredentials{Audience: "https://orders.acme.example/"}).Token()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.TokenType)
	// Output: DPoP
}

// Client authentication with a secret in the header, and without any.
func ExampleClientSecretBasic() {
	for _, how := range []auth0.ClientAuthentication{
		auth0.ClientSecretPost("Zk3_Vb8nQmX2rTf7yLs4"), // the default, in the form
		auth0.ClientSecretBasic("Zk3_Vb8nQmX2rTf7yLs4"),
		auth0.MutualTLS(), // with a certificate in Config.HTTPClient
		auth0.PublicClient(),
	} {
		tenant := auth0test.NewTenant(fakeT{})
		cfg := tenant.Config()
		cfg.ClientSecret, cfg.ClientAuthentication = "", how
		_, err := auth0.New(cfg)
		fmt.Println(err, fmt.Sprint(how) != "")
	}
	// Output:
	// <nil> true
	// <nil> true
	// <nil> true
	// <nil> true
}

// An API of an old application that signs its own tokens with a shared secret.
func ExampleSharedSecret() {
	keys, err := auth0.SharedSecret("b4f1c7d09a3e52886d1f04c7ab93e65d")
	if err != nil {
		log.Fatal(err)
	}
	_, err = auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Audience: "https://orders.acme.example/", Keys: keys})
	fmt.Println(err)
	// Output: <nil>
}
