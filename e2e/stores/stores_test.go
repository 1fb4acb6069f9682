// Package stores tests sessions in real databases: in Redis with the store of this
// project, and in Redis and PostgreSQL with unchanged stores of
// github.com/alexedwards/scs.
package stores

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

const cookieName = "__Host-auth0_session"

func TestRedisstore(t *testing.T) {
	t.Parallel()
	e := newRedisstore(t)
	testEngine(t, e)
	t.Run("one refresh of several instances", func(t *testing.T) { testOneRefreshOfSeveral(t, e) })
}

func TestGoredisstore(t *testing.T) { testEngine(t, newGoredisstore(t)) }

func TestPgxstore(t *testing.T) { testEngine(t, newPgxstore(t)) }

func testEngine(t *testing.T, e *engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *engine)
	}{
		{"conformance", testConformance},
		{"login", testLogin},
		{"back-channel logout", testBackchannelLogout},
		{"one refresh", testOneRefresh},
		{"logout while busy", testLogoutWhileBusy},
		{"hanging", testHanging},
	} {
		t.Run(test.name, func(t *testing.T) {
			e.clear(t)
			test.run(t, e)
		})
	}
}

func testConformance(t *testing.T, e *engine) {
	t.Run("store", func(t *testing.T) { auth0test.TestStore(t, e.store) })
	if left := e.dump(t); len(left) != 0 {
		t.Errorf("%d values are left", len(left))
	}
}

// A site is an application with several instances on one store.
type site struct {
	t         *testing.T
	tenant    *auth0test.Tenant
	instances []http.Handler
	browser   *http.Client
	log       lines
}

// lines is a log that counts equal lines, and shows them if the test fails. The same line
// repeats while a database is down.
type lines struct {
	mu    sync.Mutex
	count map[string]int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, line, _ := strings.Cut(string(p), " ") // without the time
	if l.count == nil {
		l.count = map[string]int{}
	}
	l.count[line]++
	return len(p), nil
}

func (l *lines) show(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Failed() {
		for line, n := range l.count {
			t.Logf("logged %d times: %s", n, line)
		}
	}
}

// newSite starts with ada logged in at the tenant.
func newSite(t *testing.T, store auth0.Store, instances int) *site {
	t.Helper()
	s := &site{t: t, tenant: auth0test.NewTenant(t)}
	t.Cleanup(func() { s.log.show(t) })
	s.tenant.LogIn("ada@acme.example")
	for range instances {
		s.instances = append(s.instances, s.newInstance(store))
	}
	s.browser = s.newBrowser()
	return s
}

func (s *site) newInstance(store auth0.Store) http.Handler {
	s.t.Helper()
	cfg := s.tenant.Config()
	cfg.Store = store
	cfg.Scopes = []string{"openid", "email", "offline_access"}
	cfg.Logger = slog.New(slog.NewTextHandler(&s.log, nil))
	strategy, err := auth0.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		switch {
		case errors.Is(err, auth0.ErrStoreUnavailable):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			fmt.Fprint(w, "false")
		default:
			fmt.Fprint(w, "true ", session.User.Email)
		}
	})
	mux.HandleFunc("GET /public", func(w http.ResponseWriter, r *http.Request) {
		_, ok := auth0.UserFrom(r.Context())
		fmt.Fprint(w, ok)
	})
	mux.Handle("GET /private", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "private")
	})))
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		var opts []auth0.TokenOption
		if r.FormValue("force") != "" {
			opts = append(opts, auth0.ForceRefresh())
		}
		token, err := strategy.AccessToken(w, r, opts...)
		if err != nil {
			status := http.StatusBadGateway
			if errors.Is(err, auth0.ErrStoreUnavailable) {
				status = http.StatusServiceUnavailable
			}
			http.Error(w, err.Error(), status)
			return
		}
		fmt.Fprint(w, token.AccessToken)
	})
	mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		if err == nil {
			session.Data["color"] = "green"
			err = strategy.SaveSession(w, r, session)
		}
		fmt.Fprint(w, err)
	})
	return strategy.LoadUser(mux)
}

// newBrowser returns a browser that chooses the instance by the query parameter i.
func (s *site) newBrowser() *http.Client {
	return s.tenant.Browser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := 0
		fmt.Sscan(r.URL.Query().Get("i"), &i)
		s.instances[i].ServeHTTP(w, r)
	}))
}

// another returns a browser with the same cookies, for a thief or for a tab with a
// pending request.
func (s *site) another() *http.Client {
	other := s.newBrowser()
	u := appURL(s.t)
	other.Jar.SetCookies(u, withAttributes(s.browser.Jar.Cookies(u)))
	return other
}

// withAttributes adds the attributes that a jar does not return, and that a cookie of
// this name requires.
func withAttributes(cookies []*http.Cookie) []*http.Cookie {
	for _, c := range cookies {
		c.Secure, c.Path = true, "/"
	}
	return cookies
}

func appURL(t *testing.T) *url.URL {
	t.Helper()
	u, err := url.Parse(auth0test.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// get retries while the store is unavailable: a machine that runs tests may be too busy
// to answer within the store's limit of one second.
func (s *site) get(client *http.Client, path string) (status int, body string) {
	for range 20 {
		if status, body = s.getOnce(client, path); status != http.StatusServiceUnavailable {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return status, body
}

func (s *site) getOnce(client *http.Client, path string) (int, string) {
	resp, err := client.Get(auth0test.AppURL + path)
	if err != nil {
		s.t.Errorf("GET %s: %v", path, err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Errorf("GET %s: %v", path, err)
	}
	return resp.StatusCode, string(body)
}

func (s *site) login() {
	s.t.Helper()
	if _, body := s.get(s.browser, "/auth/login"); body != "true ada@acme.example" {
		s.t.Fatalf("after the login the page says %q", body)
	}
}

// loggedIn asks every instance.
func (s *site) loggedIn(client *http.Client) bool {
	s.t.Helper()
	in := 0
	for i := range s.instances {
		if _, body := s.get(client, fmt.Sprintf("/?i=%d", i)); strings.HasPrefix(body, "true") {
			in++
		}
	}
	if in != 0 && in != len(s.instances) {
		s.t.Errorf("logged in on %d of %d instances", in, len(s.instances))
	}
	return in > 0
}

// sessions returns the session records of a database, without the marks of ended
// sessions.
func sessions(dump map[string]string) map[string]string {
	found := map[string]string{}
	for key, value := range dump {
		if strings.Contains(key, "auth0:session:") {
			found[key] = value
		}
	}
	return found
}

// testLogin: a session is in the database from the login until the logout, and a reader
// of the database cannot use it.
func testLogin(t *testing.T, e *engine) {
	s := newSite(t, e.store, 2)
	s.login()
	if !s.loggedIn(s.browser) {
		t.Error("not logged in")
	}
	if _, body := s.get(s.browser, "/save?i=1"); body != "<nil>" {
		t.Errorf("the session cannot be saved: %s", body)
	}
	records := sessions(e.dump(t))
	if len(records) != 1 {
		t.Errorf("there are %d sessions", len(records))
	}
	for key, value := range records {
		s.isOfNoUse(key, value)
	}
	thief := s.another()
	if status, _ := s.get(s.browser, "/auth/logout?i=1"); status != 200 {
		t.Errorf("the logout ends with %d", status)
	}
	if s.loggedIn(s.browser) || s.loggedIn(thief) {
		t.Error("still logged in after a logout")
	}
	if left := sessions(e.dump(t)); len(left) != 0 {
		t.Errorf("%d sessions are left", len(left))
	}
}

// isOfNoUse checks a record as an attacker with a copy of the database would.
func (s *site) isOfNoUse(key, value string) {
	s.t.Helper()
	cookie := s.cookie()
	keyring, err := seal.New(s.tenant.Config().Secrets)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := s.tenant.Config()
	base := strings.TrimSuffix(cfg.Domain, "/")
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	id, _, ok := keyring.Bind(base, cfg.ClientID, cookieName, "", "/").Open("sid", cookieName, cookie)
	if !ok || len(id) < 16 {
		s.t.Fatalf("the cookie %q is not an id", cookie)
	}
	if strings.Contains(key, string(id)) || strings.Contains(value, string(id)) {
		s.t.Error("the database has the id of the cookie")
	}
	for _, secret := range []string{"ada@acme.example", "eyJhbGciOiJSUzI1NiIs", `"openid`, `"green"`, `"color"`} {
		if strings.Contains(value, secret) {
			s.t.Errorf("the value shows %q: %.80q", secret, value)
		}
	}
	for _, cookie := range []string{key, key[strings.LastIndex(key, ":")+1:], value} {
		thief := s.newBrowser()
		thief.Jar.SetCookies(appURL(s.t), withAttributes([]*http.Cookie{{Name: cookieName, Value: cookie}}))
		if s.loggedIn(thief) {
			s.t.Errorf("logged in with %.80q from the database", cookie)
		}
	}
}

func (s *site) cookie() string {
	s.t.Helper()
	for _, c := range s.browser.Jar.Cookies(appURL(s.t)) {
		if c.Name == cookieName {
			return c.Value
		}
	}
	s.t.Fatal("there is no session cookie")
	return ""
}

// testBackchannelLogout: the tenant ends a session at one instance, and every instance rejects it.
func testBackchannelLogout(t *testing.T, e *engine) {
	s := newSite(t, e.store, 2)
	sid := make(chan any, 1)
	s.tenant.EditIDToken(func(_, claims map[string]any) { sid <- claims["sid"] })
	s.login()
	s.tenant.EditIDToken(nil)
	if status := s.backchannelLogout(<-sid); status != http.StatusOK {
		t.Fatalf("the answer to the tenant is %d", status)
	}
	if s.loggedIn(s.browser) {
		t.Error("still logged in")
	}
	// Logout tokens count in seconds, and end sessions issued in the same second.
	time.Sleep(1100 * time.Millisecond)
	s.login()
	if !s.loggedIn(s.browser) {
		t.Error("a new login does not work")
	}
}

// backchannelLogout posts a logout token as the tenant does.
func (s *site) backchannelLogout(sid any) int {
	s.t.Helper()
	resp, err := s.newBrowser().PostForm(auth0test.AppURL+"/auth/backchannel-logout?i=1", url.Values{"logout_token": {logoutToken(s.tenant, sid)}})
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// logoutToken returns a tenant's logout token for one of its sessions.
func logoutToken(tenant *auth0test.Tenant, sid any) string {
	return tenant.IDToken(auth0test.Claim("sid", sid), auth0test.Claim("jti", rand.Text()), auth0test.Claim("nonce", nil),
		auth0test.Claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}))
}

// loginShort logs in with a token that is about to expire.
func (s *site) loginShort() {
	s.t.Helper()
	s.tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["expires_in"] = 20 })
	s.login()
	s.tenant.EditTokenResponse(nil)
}

// allAsk makes many concurrent requests for a token, to each instance in turn. It returns
// the number of refreshes.
func (s *site) allAsk(requests int) int {
	s.t.Helper()
	before := s.tenant.Calls(auth0test.Token)
	answers := make([]string, requests)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			var status int
			status, answers[i] = s.get(s.browser, fmt.Sprintf("/token?i=%d", i%len(s.instances)))
			if status != http.StatusOK {
				s.t.Errorf("request %d is answered with %d %q", i, status, answers[i])
			}
		})
	}
	all.Wait()
	for _, answer := range answers {
		if answer != answers[0] {
			s.t.Errorf("the requests have got different tokens")
			break
		}
	}
	return s.tenant.Calls(auth0test.Token) - before
}

// testOneRefresh: concurrent requests that need a new token share one refresh.
func testOneRefresh(t *testing.T, e *engine) {
	s := newSite(t, e.store, 1)
	s.loginShort()
	const requests = 50
	refreshes := s.allAsk(requests)
	if refreshes != 1 {
		t.Errorf("%d refreshes, not 1", refreshes)
	}
	t.Logf("%d requests at once, one instance: %d refresh", requests, refreshes)
	if again := s.allAsk(requests); again != 0 {
		t.Errorf("%d refreshes of a token that is good", again)
	}
}

// testOneRefreshOfSeveral does the same with two instances, if the store has leases.
func testOneRefreshOfSeveral(t *testing.T, e *engine) {
	s := newSite(t, e.store, 2)
	for round := range 5 {
		s.loginShort()
		s.tenant.Delay(auth0test.Token, 100*time.Millisecond)
		const requests = 50
		refreshes := s.allAsk(requests)
		s.tenant.Delay(auth0test.Token, 0)
		if refreshes != 1 {
			t.Errorf("round %d: %d refreshes, not 1", round, refreshes)
		}
		t.Logf("%d requests at once, two instances: %d refresh", requests, refreshes)
		s.get(s.browser, "/auth/logout")
	}
}

// testLogoutWhileBusy: a logout on one instance holds, even with pending requests on
// another.
func testLogoutWhileBusy(t *testing.T, e *engine) {
	const rounds, writers = 20, 8
	s := newSite(t, e.store, 2)
	for round := range rounds {
		s.login()
		thief, tabs := s.another(), s.another()
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range 6 {
					s.get(tabs, "/save?i=1")
				}
			})
		}
		all.Go(func() { s.get(tabs, "/token?i=1&force=1") })
		time.Sleep(time.Duration(round) * time.Millisecond)
		s.get(s.browser, "/auth/logout?i=0")
		all.Wait()
		if s.loggedIn(s.browser) || s.loggedIn(tabs) || s.loggedIn(thief) {
			t.Errorf("logged in again after a logout %d ms into other requests", round)
		}
	}
}

// testHanging: pages get responses while the database hangs. No user is logged out, and
// sessions work again when the database does.
func testHanging(t *testing.T, e *engine) {
	s := newSite(t, e.store, 1)
	s.login()
	resume := e.hang(t)
	var all sync.WaitGroup
	start := time.Now()
	for range 50 {
		all.Go(func() {
			if status, _ := s.getOnce(s.browser, "/private"); status != http.StatusServiceUnavailable {
				t.Errorf("a protected page answers %d", status)
			}
			if status, body := s.getOnce(s.browser, "/public"); status != http.StatusOK || body != "false" {
				t.Errorf("a public page answers %d %q", status, body)
			}
		})
	}
	all.Wait()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("two pages took %v", took)
	}
	resume()
	deadline := time.Now().Add(30 * time.Second)
	for !s.loggedIn(s.browser) {
		if time.Now().After(deadline) {
			t.Fatal("not logged in when the database is back")
		}
		time.Sleep(100 * time.Millisecond)
	}
}
