package journeys_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// tokenLife is how long an access token is good, idle and absolute are the limits of a
// session.
const (
	tokenLife = 10 * time.Minute
	idle      = 10 * time.Hour
	absolute  = 100 * time.Hour
)

// A condition of the tenant, for each endpoint that the application calls, and for
// the login page.
const (
	well     = "well"
	refuses  = "refuses"  // access_denied, as an Action does
	policy   = "policy"   // unmet_authentication_requirements
	limits   = "429"      // too many requests
	broken   = "5xx"      // an error page of a proxy
	isSilent = "no reply" // connections are not answered
)

var conditions = []string{well, refuses, policy, limits, broken, isSilent}

func isOutage(condition string) bool {
	return condition == limits || condition == broken || condition == isSilent
}

// A tenantDoor stands between the application and the tenant.
type tenantDoor struct {
	next      http.RoundTripper
	condition atomic.Pointer[string]
	met       atomic.Bool // whether a caller has met the tenant since this was false
}

func (d *tenantDoor) set(condition string) { d.condition.Store(&condition) }

// now returns the condition to a caller at the tenant.
func (d *tenantDoor) now() string {
	d.met.Store(true)
	return *d.condition.Load()
}

func (d *tenantDoor) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(status int, body string) (*http.Response, error) {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "20")
		}
		w.WriteHeader(status)
		w.WriteString(body)
		return w.Result(), nil
	}
	isToken := r.URL.Path == "/oauth/token"
	switch c := d.now(); {
	case c == refuses && isToken && isRefresh(r):
		return answer(403, `{"error":"access_denied","error_description":"not on this device"}`)
	case c == policy && isToken && isRefresh(r):
		return answer(403, `{"error":"unmet_authentication_requirements","error_description":"a second factor is required"}`)
	case c == limits:
		return answer(429, `{"error":"too_many_requests","error_description":"Global limit has been reached"}`)
	case c == broken:
		return answer(502, `<html>bad gateway</html>`)
	case c == isSilent:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return d.next.RoundTrip(r)
}

// isRefresh reports whether a token request has a refresh token.
func isRefresh(r *http.Request) bool {
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	defer body.Close()
	var b strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := body.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	form, _ := url.ParseQuery(b.String())
	return form.Get("grant_type") == "refresh_token"
}

// A world is one application, its tenant, and the browser of one user.
type world struct {
	*testkit.Env
	door  *tenantDoor
	store *testkit.HalfStore // nil if sessions are in cookies
}

var errStoreDown = errors.New("the store has no connection")

func newWorld(t *testing.T, v visitor) *world {
	t.Helper()
	w := &world{door: &tenantDoor{}}
	w.door.set(well)
	w.Env = testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) {
		w.door.next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: w.door}
		c.Audience = testkit.Audience
		c.Scopes = []string{"openid", "profile", "email", "read:protected"}
		if !v.noRefresh {
			c.Scopes = append(c.Scopes, "offline_access")
		}
		c.IdleTimeout, c.AbsoluteTimeout = idle, absolute
		if v.inStore {
			w.store = &testkit.HalfStore{Store: auth0.NewMemoryStore(1000)}
			c.Store = w.store
		}
	})
	w.Tenant.EditAccessToken(testkit.Header("alg", "HS256")) // cheap, and no API of this test asks
	if err := w.Tenant.EditAPI(testkit.Audience, func(a *testkit.TenantAPI) { a.Lifetime = tokenLife }); err != nil {
		t.Fatal(err)
	}
	if err := w.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.RotatingRefreshTokens = true }); err != nil {
		t.Fatal(err)
	}
	assign := func(name string) testkit.OrganizationConnection {
		return testkit.OrganizationConnection{Name: name, AssignMembershipOnLogin: true}
	}
	if err := w.Tenant.AddOrganization(testkit.Organization{
		ID: organization, Name: "acme-journeys", Connections: []testkit.OrganizationConnection{assign(testkit.Realm), assign("google-oauth2")},
	}); err != nil {
		t.Fatal(err)
	}
	s := w.Strategy
	page := func(name string) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			user, _ := auth0.UserFrom(r.Context())
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(rw, "<!doctype html><title>app</title>%s of %s", name, nobodyIfEmpty(user.Email))
		})
	}
	w.Mux = http.NewServeMux()
	s.Register(w.Mux)
	w.Mux.Handle("/{$}", page("home page"))
	w.Mux.Handle("/account", s.RequireLogin(page("account page")))
	w.Mux.Handle("/staff", s.RequireUser(func(auth0.User) bool { return false })(page("staff page")))
	w.Mux.Handle("/payments", s.RequireStepUp(5*time.Minute)(page("payments page")))
	w.Mux.Handle("/acme", s.RequireOrganization(organization)(page("page of acme")))
	w.Mux.Handle("/news", s.TrySilentLogin(page("news page")))
	w.Mux.Handle("/session", s.RequireSession(page("session")))
	w.Mux.Handle("/either", w.NewAPI().RequireTokenOrSession(s)(page("either")))
	w.Mux.Handle("/bearer", w.NewAPI().RequireAuth(page("bearer")))
	w.Mux.Handle("/calls", s.RequireLogin(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, err := s.AccessToken(rw, r); err != nil {
			s.WriteError(rw, r, err)
			return
		}
		page("calls page").ServeHTTP(rw, r)
	})))
	w.App = s.LoadUser(w.Mux)
	return w
}

// next makes the world ready for the next state, as if it were new. An outage ends, and
// enough time passes that cached documents, refusals, rate limits and sessions expire.
// Then ada is at the tenant.
func (w *world) next() {
	w.door.set(well)
	endOutage(w, well)
	time.Sleep(absolute + time.Hour)
	w.SignInAtTenant("ada@acme.example")
}

// organization is one of which ada and grace are members.
const organization = "org_acmeJourneys001"

func nobodyIfEmpty(email string) string {
	if email == "" {
		return "nobody"
	}
	name, _, _ := strings.Cut(email, "@")
	return name
}

// A visitor is a state of a browser: cookies, session, tokens.
type visitor struct {
	name      string
	noRefresh bool // the application asks for no refresh tokens
	inStore   bool
	prepare   func(*world) *testkit.Browser
}

// login logs ada in, while the tenant works.
func login(w *world) *testkit.Browser {
	b := w.Browser()
	if resp := b.Login("/auth/login"); resp.Status != http.StatusSeeOther || b.Cookies[testkit.SessionCookie] == "" {
		w.T.Fatalf("login: %d %s, log %s", resp.Status, resp.Body, w.Log)
	}
	return b
}

// begin begins n logins to the account page, which are at the tenant.
func begin(w *world, n int) *testkit.Browser {
	b := w.Browser()
	for range n {
		b.Begin("/auth/login?returnTo=%2Faccount")
	}
	return b
}

// visitors are the states of a browser.
var visitors = []visitor{
	{name: "no cookie", prepare: func(w *world) *testkit.Browser { return w.Browser() }},
	{name: "login under way", prepare: func(w *world) *testkit.Browser { return begin(w, 1) }},
	{name: "four logins under way", prepare: func(w *world) *testkit.Browser { return begin(w, 4) }},
	{name: "cookie of another application", prepare: func(w *world) *testkit.Browser {
		b := w.Browser()
		b.Cookies[testkit.SessionCookie] = foreignCookie(w)
		return b
	}},
	{name: "two session cookies", prepare: func(w *world) *testkit.Browser {
		b := login(w)
		other := login(w)
		b.Cookies[testkit.SessionCookie+" "] = other.Cookies[testkit.SessionCookie] // see send
		return b
	}},
	{name: "session", prepare: login},
	{name: "session with a token to be refreshed", prepare: func(w *world) *testkit.Browser {
		b := login(w)
		time.Sleep(tokenLife + time.Minute)
		return b
	}},
	{name: "session with an expired token and no refresh token", noRefresh: true, prepare: func(w *world) *testkit.Browser {
		b := login(w)
		time.Sleep(tokenLife + time.Minute)
		return b
	}},
	{name: "session with a revoked refresh token", prepare: func(w *world) *testkit.Browser {
		b := login(w)
		w.Tenant.RevokeRefreshTokens("ada@acme.example")
		time.Sleep(tokenLife + time.Minute)
		return b
	}},
	{name: "session over", prepare: func(w *world) *testkit.Browser {
		b := login(w)
		time.Sleep(idle + time.Minute)
		return b
	}},
	{name: "session logged out elsewhere", inStore: true, prepare: func(w *world) *testkit.Browser {
		b := login(w)
		if err := w.Strategy.EndSessionsOf(w.T.Context(), "https://"+testkit.TenantHost+"/", w.UserOf(b).Subject); err != nil {
			w.T.Fatal(err)
		}
		return b
	}},
	{name: "session in a store that is down", inStore: true, prepare: func(w *world) *testkit.Browser {
		b := login(w)
		w.store.FailWith(errStoreDown)
		return b
	}},
}

// foreignCookie is the session cookie of an application with another client ID and the
// same secret.
func foreignCookie(w *world) string {
	c := w.Config
	c.ClientID, c.Store = "another-client", nil
	other := testkit.Must(auth0.New(c))
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", testkit.AppURL+"/", nil)
	user := auth0.User{Issuer: "https://" + testkit.TenantHost + "/", Subject: "auth0|ada", Email: "ada@acme.example"}
	other.LoadUser(http.HandlerFunc(func(rec http.ResponseWriter, r *http.Request) {
		if err := other.ImportSession(rec, r, auth0.ImportedSession{User: user, LoggedInAt: time.Now()}); err != nil {
			w.T.Fatal(err)
		}
	})).ServeHTTP(rec, r)
	return rec.Result().Cookies()[0].Value
}
