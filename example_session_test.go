package auth0_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// fetch requests a page of an application as a browser does, and returns the text of the
// last page. It logs in if the page redirects to the tenant.
func fetch(browser *http.Client, app, path string) string {
	resp, err := browser.Get(app + path)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		log.Fatal(err)
	}
	return string(text)
}

// Data of the application in a session: a shopping cart.
func ExampleStrategy_SaveSession() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example") // at the tenant, so that the login needs no form
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	cart := func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		session.Data["cart"] += "a book, "
		if err := strategy.SaveSession(w, r, session); err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, session.User.Email, ": ", session.Data["cart"])
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /cart", strategy.RequireLogin(http.HandlerFunc(cart)))

	browser := tenant.Browser(strategy.LoadUser(mux))
	fetch(browser, tenant.Config().BaseURL, "/cart")
	fmt.Println(fetch(browser, tenant.Config().BaseURL, "/cart"))
	// Output: ada@acme.example: a book, a book,
}

// "Log out everywhere": with a store, all sessions of a user end at once.
func ExampleStrategy_EndSessionsOf() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	cfg := tenant.Config()
	cfg.Store = auth0.NewMemoryStore(10_000) // one process; redisstore for several
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	everywhere := func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		if err := strategy.EndSessionsOf(r.Context(), user.Issuer, user.Subject); err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("POST /log-out-everywhere", strategy.RequireSession(http.HandlerFunc(everywhere)))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, loggedIn := auth0.UserFrom(r.Context())
		fmt.Fprint(w, loggedIn, user.Email)
	})
	app := http.NewCrossOriginProtection().Handler(strategy.LoadUser(mux))

	phone, laptop := tenant.Browser(app), tenant.Browser(app)
	for _, browser := range []*http.Client{phone, laptop} {
		fmt.Println(fetch(browser, cfg.BaseURL, "/auth/login"))
	}
	resp, err := phone.PostForm(cfg.BaseURL+"/log-out-everywhere", url.Values{})
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(fetch(laptop, cfg.BaseURL, "/"))
	// Output:
	// trueada@acme.example
	// trueada@acme.example
	// false
}

// Limits of a session.
func ExampleConfig_sessionLimits() {
	tenant := auth0test.NewTenant(fakeT{})
	cfg := tenant.Config()
	cfg.IdleTimeout = 30 * time.Minute   // without a request, the session ends; default: 24 hours
	cfg.AbsoluteTimeout = 12 * time.Hour // the session ends in any event; default: 7 days
	cfg.CountsAsUse = func(r *http.Request) bool {
		return r.URL.Path != "/notifications" // a page polls it every minute
	}
	cfg.CookieSessionOnly = true // the browser deletes the cookie when it closes
	_, err := auth0.New(cfg)
	fmt.Println(err)
	// Output: <nil>
}

// A session too large for the cookie.
func ExampleErrSessionTooLarge() {
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		log.Fatal(err)
	}
	upload := func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		session.Data["draft"] = strings.Repeat("a long text ", 10_000)
		err = strategy.SaveSession(w, r, session)
		fmt.Fprint(w, "too large: ", errors.Is(err, auth0.ErrSessionTooLarge))
	}

	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /upload", strategy.RequireLogin(http.HandlerFunc(upload)))
	browser := tenant.Browser(strategy.LoadUser(mux))
	fmt.Println(fetch(browser, tenant.Config().BaseURL, "/upload"))
	// Output: too large: true
}

// Two instances while a secret is rotated. Each step is deployed everywhere before the
// next one begins.
func ExampleConfig_rotation() {
	const before, after = "5680d599ef95a7c519faa500b16b50f0f454a5b17101f79be35de650570b3613", "165cbd9ec795c2f92342e51e562c04af1b6f5094e263737028ee981aaee0ba08"
	tenant := auth0test.NewTenant(fakeT{})
	tenant.LogIn("ada@acme.example")
	instance := func(secrets ...string) *http.Client {
		cfg := tenant.Config()
		cfg.Secrets = secrets
		strategy, err := auth0.New(cfg)
		if err != nil {
			log.Fatal(err)
		}
		mux := http.NewServeMux()
		strategy.Register(mux)
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
			user, _ := auth0.UserFrom(r.Context())
			fmt.Fprint(w, user.Email)
		})
		return tenant.Browser(strategy.LoadUser(mux))
	}

	home := tenant.Config().BaseURL
	steps := [][]string{{before}, {before, after}, {after, before}, {after}}
	var cookies http.CookieJar
	for i, secrets := range steps {
		browser := instance(secrets...)
		if i == 0 {
			cookies = browser.Jar
			fetch(browser, home, "/auth/login")
		}
		browser.Jar = cookies // the same browser, another instance
		fmt.Printf("%q\n", fetch(browser, home, "/"))
	}
	// Output:
	// "ada@acme.example"
	// "ada@acme.example"
	// "ada@acme.example"
	// "ada@acme.example"
}
