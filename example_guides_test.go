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

// Routes that accept the session of the site's own pages, and access tokens of other
// programs.
func ExampleAPI_RequireTokenOrSession() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	apiConfig := tenant.APIConfig("https://files.acme.example/")
	cfg := tenant.Config()
	cfg.Audience = "https://files.acme.example/"
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	api, err := auth0.NewAPI(apiConfig)
	if err != nil {
		log.Fatal(err)
	}
	files := func(w http.ResponseWriter, r *http.Request) {
		if token, ok := auth0.TokenFrom(r.Context()); ok {
			fmt.Fprint(w, "a program with the scope ", token.Scope())
			return
		}
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, "the user ", user.Email)
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /api/files", api.RequireTokenOrSession(strategy)(http.HandlerFunc(files)))
	app := strategy.LoadUser(mux)

	browser := tenant.Browser(app)
	fetch(browser, cfg.BaseURL, "/auth/login")
	fmt.Println(fetch(browser, cfg.BaseURL, "/api/files"))

	r := httptest.NewRequest("GET", "/api/files", nil)
	r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.Scope("read:files")))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output:
	// the user ada@acme.example
	// a program with the scope read:files
}

// A stream of server-sent events that ends soon after the session.
func ExampleStrategy_Session() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	cfg := tenant.Config()
	cfg.Store = auth0.NewMemoryStore(1000)
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	events := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			again := r.Clone(context.WithoutCancel(context.Background())) // a context without the session that was found before
			if _, err := strategy.Session(again); err != nil {
				fmt.Fprint(w, "event: end\ndata:\n\n")
				return
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
			if i == 0 { // in place of a wait: the user's sessions end
				user, _ := auth0.UserFrom(r.Context())
				if err := strategy.EndSessionsOf(r.Context(), user.Issuer, user.Subject); err != nil {
					log.Fatal(err)
				}
			}
		}
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /events", strategy.RequireLogin(http.HandlerFunc(events)))
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Print(fetch(browser, cfg.BaseURL, "/events"))
	// Output:
	// data: 0
	//
	// event: end
	// data:
}

// A readiness probe of an API: ready as soon as it has keys.
func ExampleAPI_Status() {
	tenant := auth0test.NewTenant(fakeT{})
	api, err := auth0.NewAPI(tenant.APIConfig("https://api.acme.example/"))
	if err != nil {
		log.Fatal(err)
	}
	ready := func(w http.ResponseWriter, r *http.Request) {
		for _, keys := range api.Status() {
			if keys.Keys == 0 || time.Now().After(keys.ExpiresAt) {
				http.Error(w, "no keys of "+keys.Issuer, http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprint(w, "ready")
	}
	probe := func() int {
		w := httptest.NewRecorder()
		ready(w, httptest.NewRequest("GET", "/ready", nil))
		return w.Code
	}

	fmt.Println("before:", probe())
	if err := api.Warm(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("after Warm:", probe())
	// Output:
	// before: 503
	// after Warm: 200
}

// Metrics: count every check by its result.
func ExampleObserver() {
	tenant := auth0test.NewTenant(fakeT{})
	c := tenant.APIConfig("https://api.acme.example/")
	counts := map[string]int{} // of your metrics library, which is safe for concurrent use
	c.Observer = func(ctx context.Context, e auth0.Event) {
		counts[string(e.Kind)+" "+e.Reason]++
	}
	api, err := auth0.NewAPI(c)
	if err != nil {
		log.Fatal(err)
	}
	handler := api.RequireAuth(http.NotFoundHandler())
	for _, token := range []string{tenant.AccessToken(), tenant.AccessToken(auth0test.ExpiresIn(-time.Hour)), "nonsense"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	fmt.Println(counts)
	// Output: map[keys_fetched fetched:1 token_checked ok:1 token_checked token_expired:1 token_checked token_malformed:1]
}

// A short-lived process with the keys of the tenant built in: it makes no request.
func ExampleStaticKeys() {
	tenant := auth0test.NewTenant(fakeT{})
	c := tenant.APIConfig("https://api.acme.example/")
	document, err := c.HTTPClient.Get(tenant.URL() + ".well-known/jwks.json") // at build time
	if err != nil {
		log.Fatal(err)
	}
	defer document.Body.Close()
	jwks, err := io.ReadAll(document.Body)
	if err != nil {
		log.Fatal(err)
	}

	c.Keys, err = auth0.StaticKeys(jwks)
	if err != nil {
		log.Fatal(err)
	}
	api, err := auth0.NewAPI(c)
	if err != nil {
		log.Fatal(err)
	}
	token, err := api.Verify(context.Background(), tenant.AccessToken(auth0test.Scope("read:files")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Scope(), "requests for keys:", tenant.JWKSFetches()-1)
	// Output: read:files requests for keys: 0
}

// An outage of the tenant in a test: the user keeps the session, and the page answers 503
// for the call that needs a new token.
func ExampleErrTenantUnavailable() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	now := time.Now()
	cfg := tenant.Config()
	cfg.Audience = tenant.APIConfig("https://api.acme.example/").Audience
	tenant.SetTokenLifetime(cfg.Audience, time.Minute)
	cfg.Scopes = []string{"openid", "email", "offline_access"}
	cfg.Now = func() time.Time { return now }
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	page := func(w http.ResponseWriter, r *http.Request) {
		_, err := strategy.AccessToken(w, r)
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Email, " unavailable: ", errors.Is(err, auth0.ErrTenantUnavailable))
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /", strategy.RequireLogin(http.HandlerFunc(page)))
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, cfg.BaseURL, "/"))
	now = now.Add(2 * time.Minute)
	tenant.Fail(auth0test.Token, 503)
	fmt.Println(fetch(browser, cfg.BaseURL, "/"))
	// Output:
	// ada@acme.example unavailable: false
	// ada@acme.example unavailable: true
}
