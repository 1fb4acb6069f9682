package migrate

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	ginsessions "github.com/gin-contrib/sessions"
	gincookie "github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/sessions"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// values are the application's values in a session of the old library.
type values map[string]any

// A library is a session library in the old and in the new version of the application.
type library struct {
	cookie string
	before func(values) http.Handler // logs in, with values
	after  func(*auth0.Strategy, http.Handler) http.Handler
}

// libraries returns each library with its own key or store.
func libraries() map[string]library {
	key := []byte("f5c1c6b1a9d24e7c8f3b0a5d7e9f2c4b")
	gorilla := sessions.NewCookieStore(key)
	ginStore := gincookie.NewStore(key)
	manager := scs.New()
	return map[string]library{
		"gorilla/sessions": {"old", func(v values) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				session, _ := gorilla.Get(r, "old")
				for name, value := range v {
					session.Values[name] = value
				}
				session.Save(r, w)
			})
		}, func(strategy *auth0.Strategy, app http.Handler) http.Handler {
			return strategy.LoadUser(Move(strategy, Gorilla(gorilla, "old"), app))
		}},
		"gin-contrib/sessions": {"old", func(v values) http.Handler {
			engine := gin.New()
			engine.Use(ginsessions.Sessions("old", ginStore))
			engine.GET("/", func(c *gin.Context) {
				session := ginsessions.Default(c)
				for name, value := range v {
					session.Set(name, value)
				}
				session.Save()
			})
			return engine
		}, func(strategy *auth0.Strategy, app http.Handler) http.Handler {
			engine := gin.New()
			engine.Use(ginsessions.Sessions("old", ginStore))
			engine.Any("/*path", func(c *gin.Context) {
				strategy.LoadUser(Move(strategy, Gin(c), app)).ServeHTTP(c.Writer, c.Request)
			})
			return engine
		}},
		"alexedwards/scs": {"session", func(v values) http.Handler {
			return manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name, value := range v {
					manager.Put(r.Context(), name, value)
				}
			}))
		}, func(strategy *auth0.Strategy, app http.Handler) http.Handler {
			return manager.LoadAndSave(strategy.LoadUser(Move(strategy, SCS(manager), app)))
		}},
	}
}

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

// An environment is a tenant, an application in two successive versions, and a browser.
type environment struct {
	t        *testing.T
	tenant   *auth0test.Tenant
	strategy *auth0.Strategy
	client   *http.Client

	mu  sync.Mutex
	app http.Handler
}

func newEnvironment(t *testing.T, edit func(*auth0.Config)) *environment {
	e := &environment{t: t, tenant: auth0test.NewTenant(t)}
	e.tenant.LogIn("bob@acme.example") // a login would make every user Bob
	cfg := e.tenant.Config()
	cfg.Scopes = []string{"openid", "profile", "email", "offline_access"}
	if edit != nil {
		edit(&cfg)
	}
	var err error
	if e.strategy, err = auth0.New(cfg); err != nil {
		t.Fatal(err)
	}
	e.client = e.tenant.Browser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		app := e.app
		e.mu.Unlock()
		app.ServeHTTP(w, r)
	}))
	return e
}

// deploy replaces the version of the application.
func (e *environment) deploy(app http.Handler) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.app = app
}

// session returns a login of Ada at the tenant, as the old version stores it.
func (e *environment) session(loggedInAt time.Time) values {
	e.t.Helper()
	login, err := e.strategy.Application().LoginWithPassword(e.t.Context(), "ada@acme.example", "correct horse")
	if err != nil {
		e.t.Fatal(err)
	}
	return values{
		"sub": login.User.Subject, "email": login.User.Email, "name": login.User.Name, "cart": "7",
		"refresh_token": login.Token().RefreshToken, "logged_in_at": loggedInAt.Unix(),
	}
}

// newVersion returns the application with package auth0.
func (e *environment) newVersion() http.Handler {
	mux := http.NewServeMux()
	e.strategy.Register(mux)
	mux.Handle("/profile", e.strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := e.strategy.Session(r)
		if err != nil {
			e.t.Error(err)
			return
		}
		fmt.Fprintf(w, "%s %s %s cart %s note %s", r.Method, session.User.Name, session.User.Email, session.Data["cart"], r.FormValue("note"))
	})))
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if token, err := e.strategy.AccessToken(w, r); err != nil || token.AccessToken == "" {
			http.Error(w, fmt.Sprint(err), http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "a token")
	})
	return mux
}

func (e *environment) do(method, path string, form url.Values) string {
	e.t.Helper()
	r, err := http.NewRequest(method, auth0test.AppURL+path, strings.NewReader(form.Encode()))
	if err != nil {
		e.t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", auth0test.AppURL)
	}
	resp, err := e.client.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(body)
}

// reads fails unless the text of a page is want.
func (e *environment) reads(path, want string) {
	e.t.Helper()
	if got := e.do("GET", path, nil); got != want {
		e.t.Errorf("%s: %q, want %q", path, got, want)
	}
}

// logins fails unless the tenant has counted the wanted number of logins.
func (e *environment) logins(want int) {
	e.t.Helper()
	if got := e.tenant.Calls(auth0test.Authorize); got != want {
		e.t.Errorf("%d logins, want %d", got, want)
	}
}

func (e *environment) cookie(name string) *http.Cookie {
	u, err := url.Parse(auth0test.AppURL)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, c := range e.client.Jar.Cookies(u) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// TestMove: users of the old version stay logged in, with sessions in cookies and in a
// store, and their next logout logs them out.
func TestMove(t *testing.T) {
	for name, library := range libraries() {
		for storage, edit := range map[string]func(*auth0.Config){
			"cookies": nil,
			"store":   func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(100) },
		} {
			t.Run(name+"/"+storage, func(t *testing.T) {
				e := newEnvironment(t, edit)
				e.deploy(library.before(e.session(time.Now().Add(-time.Hour))))
				e.do("GET", "/", nil)
				if e.cookie(library.cookie) == nil {
					t.Fatal("the version before has set no cookie")
				}
				e.deploy(library.after(e.strategy, e.newVersion()))
				e.reads("/profile?note=a%2Fb", "GET Ada Lovelace ada@acme.example cart 7 note a/b")
				if e.cookie(library.cookie) != nil {
					t.Error("the cookie of the old library is left")
				}
				e.reads("/profile", "GET Ada Lovelace ada@acme.example cart 7 note ")
				e.reads("/token", "a token")
				e.logins(0)

				e.tenant.LogOut()
				e.tenant.LogIn("bob@acme.example")
				e.do("POST", "/auth/logout", nil)
				e.reads("/profile", "GET Bob Miller bob@acme.example cart  note ")
				e.logins(1)
			})
		}
	}
}

// TestMoveAddress: the browser of a user who has moved shows the address of the page, also
// if a proxy has removed a part of its path.
func TestMoveAddress(t *testing.T) {
	for path, want := range map[string]string{
		"/": "./", "/profile": "./profile", "/profile/": "./", "/a/b%2Fc:d": "./b%2Fc:d", "//evil.example": "./evil.example",
		"/profile?note=a%2Fb": "?note=a%2Fb", "/?a": "?a",
	} {
		e := newEnvironment(t, nil)
		library := libraries()["gorilla/sessions"]
		e.deploy(library.before(e.session(time.Now())))
		e.do("GET", "/", nil)
		e.deploy(library.after(e.strategy, e.newVersion()))
		e.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := e.client.Get(auth0test.AppURL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		location := resp.Header.Get("Location")
		if resp.StatusCode != http.StatusTemporaryRedirect || location != want {
			t.Errorf("%s: %d to %q, want %q", path, resp.StatusCode, location, want)
		}
		asked, err := url.Parse(auth0test.AppURL + "/removed" + path)
		if err != nil {
			t.Fatal(err)
		}
		if to, err := asked.Parse(location); err != nil || to.Path != asked.Path || to.Host != asked.Host || to.RawQuery != asked.RawQuery || to.ForceQuery {
			t.Errorf("%s: %q leads from %s to %s, %v", path, location, asked, to, err)
		}
	}
}

// TestMoveForm: the first request of a user after the deployment can be a form.
func TestMoveForm(t *testing.T) {
	for name, library := range libraries() {
		t.Run(name, func(t *testing.T) {
			e := newEnvironment(t, nil)
			e.deploy(library.before(e.session(time.Now())))
			e.do("GET", "/", nil)
			e.deploy(library.after(e.strategy, e.newVersion()))
			if got, want := e.do("POST", "/profile", url.Values{"note": {"kept"}}), "POST Ada Lovelace ada@acme.example cart 7 note kept"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
			e.logins(0)
		})
	}
}

// TestMoveNot: these visitors log in.
func TestMoveNot(t *testing.T) {
	const bob = "GET Bob Miller bob@acme.example cart  note "
	for name, library := range libraries() {
		t.Run(name, func(t *testing.T) {
			for why, v := range map[string]func(*environment) values{
				"a guest":    func(*environment) values { return values{"cart": "7"} },
				"an old one": func(e *environment) values { return e.session(time.Now().Add(-8 * 24 * time.Hour)) },
				"no time":    func(e *environment) values { v := e.session(time.Now()); delete(v, "logged_in_at"); return v },
			} {
				e := newEnvironment(t, nil)
				e.deploy(library.before(v(e)))
				e.do("GET", "/", nil)
				e.deploy(library.after(e.strategy, e.newVersion()))
				if got := e.do("GET", "/profile", nil); got != bob {
					t.Errorf("%s: %q", why, got)
				}
				e.logins(1)
			}

			e := newEnvironment(t, nil)
			e.deploy(library.before(e.session(time.Now())))
			e.do("GET", "/", nil)
			forged := e.cookie(library.cookie)
			first := "A"
			if forged.Value[0] == 'A' {
				first = "B"
			}
			forged.Value = first + forged.Value[1:]
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(auth0test.AppURL)
			if err != nil {
				t.Fatal(err)
			}
			jar.SetCookies(u, []*http.Cookie{forged})
			e.client.Jar = jar
			e.deploy(library.after(e.strategy, e.newVersion()))
			if got := e.do("GET", "/profile", nil); got != bob {
				t.Errorf("a forged cookie: %q", got)
			}
		})
	}
}
