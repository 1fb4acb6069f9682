package web_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// The application of the releases is below a path of a subdomain, so that its cookie
// can be for more or less.
const (
	releaseHost = "www.app.example"
	releasePath = "/shop"
	releaseURL  = "https://" + releaseHost + releasePath
)

// A release is one configuration of an application, as a browser sees it.
type release struct {
	*testkit.Env
	config auth0.Config
}

func newRelease(t *testing.T, e *testkit.Env, edits ...func(*auth0.Config)) *release {
	t.Helper()
	cfg := e.Config
	for _, edit := range edits {
		edit(&cfg)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if user, ok := auth0.UserFrom(r.Context()); ok {
			io.WriteString(w, user.Email)
		}
	})
	path := testkit.Must(url.Parse(cfg.BaseURL)).Path
	return &release{&testkit.Env{T: t, Tenant: e.Tenant, Strategy: strategy, App: http.StripPrefix(path, strategy.LoadUser(mux))}, cfg}
}

// browserOf returns a browser with a jar, which knows the attributes of cookies.
func (r *release) browserOf(jar http.CookieJar) *http.Client {
	return &http.Client{Jar: jar, Transport: testkit.Hosts{releaseHost: r.App, testkit.TenantHost: r.Tenant}}
}

func (r *release) open(jar http.CookieJar, path string) string {
	r.T.Helper()
	resp, err := r.browserOf(jar).Get(r.config.BaseURL + path)
	if err != nil {
		r.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.T.Fatal(err)
	}
	return string(body)
}

func (r *release) isLoggedIn(jar http.CookieJar) bool { return r.open(jar, "/") == "ada@acme.example" }

// allow registers the URLs of the release at the tenant.
func (r *release) allow(e *testkit.Env) *release {
	e.EditClient(func(c *testkit.TenantClient) {
		c.CallbackURLs = append(c.CallbackURLs, r.config.BaseURL+"/auth/callback")
		c.LogoutURLs = append(c.LogoutURLs, r.config.BaseURL)
	})
	return r
}

func (r *release) logout(jar http.CookieJar) {
	r.T.Helper()
	client := r.browserOf(jar)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequest("POST", r.config.BaseURL+"/auth/logout", strings.NewReader(""))
	if err != nil {
		r.T.Fatal(err)
	}
	req.Header.Set("Origin", "https://"+releaseHost)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		r.T.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 400 {
		r.T.Errorf("logout: %d", resp.StatusCode)
	}
}

// TestReleases is the table "Changes between releases" of docs/security-model.md. A user
// has logged in to the first release. With the second one the session goes on, or the user
// logs in again. In both cases a logout logs out, although the browser can have the cookie
// of the first release, which the second one cannot delete.
func TestReleases(t *testing.T) {
	t.Parallel()
	secret, second := testkit.CookieSecret, "another-0123456789-secret-of-the-tests"
	nothing := func(*auth0.Config) {}
	set := func(path, domain string) func(*auth0.Config) {
		return func(c *auth0.Config) { c.CookiePath, c.CookieDomain = path, domain }
	}
	for _, row := range []struct {
		why           string
		before, after func(*auth0.Config)
		goesOn        bool
	}{
		{"nothing", nothing, nothing, true},

		{"name", nothing, func(c *auth0.Config) { c.CookieName = "shop_session" }, false},
		{"domain is set", nothing, set("", releaseHost), false},
		{"domain is removed", set("", releaseHost), nothing, false},
		{"domain is widened", set("", releaseHost), set("", "app.example"), false},
		{"domain is narrowed", set("", "app.example"), set("", releaseHost), false},
		{"path is set", nothing, set(releasePath, ""), false},
		{"path is removed", set(releasePath, ""), nothing, false},
		{"path and domain", nothing, set(releasePath, "app.example"), false},
		{"SameSite", nothing, func(c *auth0.Config) { c.CookieSameSite = http.SameSiteNoneMode }, true},
		{"ends with the browser", nothing, func(c *auth0.Config) { c.CookieSessionOnly = true }, true},
		{"outlives the browser", func(c *auth0.Config) { c.CookieSessionOnly = true }, nothing, true},

		{"secret, new before old", nothing, func(c *auth0.Config) { c.Secrets = []string{second, secret} }, true},
		{"secret, old before new", nothing, func(c *auth0.Config) { c.Secrets = []string{secret, second} }, true},
		{"secret, new alone", nothing, func(c *auth0.Config) { c.Secrets = []string{second} }, false},
		{"secret, old removed", func(c *auth0.Config) { c.Secrets = []string{second, secret} }, func(c *auth0.Config) { c.Secrets = []string{second} }, true},
		{"secret, rolled back too early", func(c *auth0.Config) { c.Secrets = []string{second, secret} }, nothing, false},

		{"client id", nothing, func(c *auth0.Config) { c.ClientID = "another-client" }, false},
		{"tenant", nothing, func(c *auth0.Config) { c.Domain = "other.auth0.example" }, false},
		{"client secret", nothing, func(c *auth0.Config) { c.ClientSecret = "another-client-secret-0123456789" }, true},
		{"path of the base URL", nothing, func(c *auth0.Config) { c.BaseURL = "https://" + releaseHost + "/store" }, false},
		{"no path in the base URL", nothing, func(c *auth0.Config) { c.BaseURL = "https://" + releaseHost }, false},
		{"path of the base URL, with a name", func(c *auth0.Config) { c.CookieName = "shop" }, func(c *auth0.Config) {
			c.CookieName, c.BaseURL = "shop", "https://"+releaseHost+"/store"
		}, true},
		{"further base URL", nothing, func(c *auth0.Config) { c.BaseURLs = []string{"https://app.example" + releasePath} }, true},
		{"shorter limits", nothing, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, 2*time.Hour }, true},
	} {
		for _, m := range []testkit.Mode{{Name: "in cookies", Edit: nothing}, {Name: "in a store", Edit: testkit.InStore}} {
			t.Run(row.why+" "+m.Name, func(t *testing.T) {
				t.Parallel()
				e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.BaseURL = releaseURL }, m.Edit)
				jar := testkit.Must(cookiejar.New(nil))
				first, then := newRelease(t, e, row.before).allow(e), newRelease(t, e, row.after).allow(e)
				if first.open(jar, "/auth/login"); !first.isLoggedIn(jar) {
					t.Fatalf("the login to the first release fails; cookies %v", jar.Cookies(testkit.Must(url.Parse(releaseURL))))
				}
				if got := then.isLoggedIn(jar); got != row.goesOn {
					t.Errorf("the session goes on: %v", got)
				}
				if then.config.ClientID == e.Config.ClientID && then.config.Domain == e.Config.Domain && then.config.ClientSecret == e.Config.ClientSecret {
					if then.open(jar, "/auth/login"); !then.isLoggedIn(jar) {
						t.Error("nobody can log in beside the cookie of the first release")
					}
				}
				then.logout(jar)
				for range 2 {
					if then.isLoggedIn(jar) {
						t.Error("the logout does not log out")
					}
				}
			})
		}
	}
}

// TestProgramsBelowTwoPaths: two programs below different paths of one host, with one
// secret, work with the default settings. A login or a logout in one of them changes
// nothing in the other.
func TestProgramsBelowTwoPaths(t *testing.T) {
	t.Parallel()
	for _, m := range []testkit.Mode{{Name: "in cookies", Edit: testkit.InCookies}, {Name: "in a store", Edit: testkit.InStore}} {
		e := testkit.SignedIn(t, testkit.CheapTokens, m.Edit)
		below := func(path string) *release {
			return newRelease(t, e, func(c *auth0.Config) { c.BaseURL = "https://" + releaseHost + path }).allow(e)
		}
		shop, office, root := below("/shop"), below("/office"), below("")
		jar := testkit.Must(cookiejar.New(nil))
		shop.open(jar, "/auth/login")
		if !shop.isLoggedIn(jar) || office.isLoggedIn(jar) || root.isLoggedIn(jar) {
			t.Errorf("%s: a login in the shop: shop %v, office %v, root %v", m.Name, shop.isLoggedIn(jar), office.isLoggedIn(jar), root.isLoggedIn(jar))
		}
		e.SignInAtTenant("bob@acme.example")
		if who := office.open(jar, "/auth/login"); who != "bob@acme.example" || !shop.isLoggedIn(jar) {
			t.Errorf("%s: a login of %q in the office", m.Name, who)
		}
		office.logout(jar)
		if office.open(jar, "/") != "" || !shop.isLoggedIn(jar) {
			t.Errorf("%s: a logout of the office", m.Name)
		}
	}
}

// TestReleaseWithAnotherStore: a change of the store decides too.
func TestReleaseWithAnotherStore(t *testing.T) {
	t.Parallel()
	nothing := func(*auth0.Config) {}
	for _, row := range []struct {
		why           string
		before, after func(*auth0.Config)
		goesOn        bool
	}{
		{"a store", nothing, testkit.InStore, false},
		{"a store, and cookies for a while", nothing, func(c *auth0.Config) {
			testkit.InStore(c)
			c.CookieSessionsUntil = time.Now().Add(time.Hour)
		}, true},
		{"no store", testkit.InStore, func(c *auth0.Config) { c.Store = nil }, false},
		{"an empty store", testkit.InStore, testkit.InStore, false},
		{"revocations", nothing, testkit.Revocable, true},
		{"no revocations", testkit.Revocable, func(c *auth0.Config) { c.Revocations = nil }, true},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			e := testkit.SignedIn(t, testkit.CheapTokens, row.before)
			b := e.Browser().MustLogin()
			b.Env = testkit.SignedIn(t, func(c *auth0.Config) { *c = e.Config }, row.after)
			if got := b.LoggedIn(); got != row.goesOn {
				t.Errorf("the session goes on: %v", got)
			}
		})
	}
}
