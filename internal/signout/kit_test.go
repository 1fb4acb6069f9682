package signout

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

const (
	issuer   = "https://tenant.example/"
	clientID = "the-client-id"
	origin   = "https://app.example"
	leeway   = 60 // seconds
)

// now is the engine's clock. It is far from the machine's clock, so that a test fails if it
// reads the wrong one.
func now() time.Time { return time.Now().Add(2000 * time.Hour) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// The foreign key is none of the issuer's.
var (
	own     = ed25519.NewKeyFromSeed([]byte("a seed for tests, of 32 bytes ..."[:32]))
	foreign = ed25519.NewKeyFromSeed([]byte("another seed for tests, of 32 ..."[:32]))
)

// A tenant takes revocations without a network.
type tenant struct {
	mu      sync.Mutex
	down    bool // no connection
	revoked []string
}

func (te *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	te.mu.Lock()
	defer te.mu.Unlock()
	if te.down {
		return nil, errors.New("no connection")
	}
	w := httptest.NewRecorder()
	if r.URL.Path == "/oauth/revoke" {
		te.revoked = append(te.revoked, must(url.ParseQuery(string(must(io.ReadAll(r.Body))))).Get("token"))
	}
	return w.Result(), nil
}

// revocations returns the refresh tokens that were revoked so far.
func (te *tenant) revocations() string {
	synctest.Wait()
	te.mu.Lock()
	defer te.mu.Unlock()
	return strings.Join(te.revoked, " ")
}

// A store can be down. It records its writes.
type store struct {
	session.Store
	mu     sync.Mutex
	err    error
	writes map[string]time.Time // expiry by key
}

func newStore() *store { return &store{Store: session.NewMemory(100), writes: map[string]time.Time{}} }

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *store) Find(key string) ([]byte, bool, error) {
	if err := s.failure(); err != nil {
		return nil, false, err
	}
	return s.Store.Find(key)
}

func (s *store) Commit(key string, value []byte, expiry time.Time) error {
	if err := s.failure(); err != nil {
		return err
	}
	s.mu.Lock()
	s.writes[key] = expiry
	s.mu.Unlock()
	return s.Store.Commit(key, value, expiry)
}

func (s *store) Delete(key string) error {
	if err := s.failure(); err != nil {
		return err
	}
	return s.Store.Delete(key)
}

// An env is one application, its tenant, and one browser.
type env struct {
	*testing.T
	*tenant
	Config
	*Routes
	store   *store // of sessions or of marks, nil if there is none
	log     *bytes.Buffer
	cookies []*http.Cookie // of the browser
}

// The places of sessions, and of marks of ended ones.
const (
	inCookies = "cookies"
	inStore   = "store"
	withMarks = "cookies, marks in a store"
)

// run runs a test in fake time, with an application.
func run(t *testing.T, mode string, f func(*env), edits ...func(*Config)) {
	t.Helper()
	t.Run(mode, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(newEnv(t, mode, edits...)) }) })
}

// inModes runs a test in several modes.
func inModes(t *testing.T, modes []string, f func(*env), edits ...func(*Config)) {
	t.Helper()
	for _, mode := range modes {
		run(t, mode, f, edits...)
	}
}

var (
	allModes = []string{inCookies, inStore, withMarks}
	marking  = []string{inStore, withMarks}
)

// newEnv returns an application. The edits change its configuration.
func newEnv(t *testing.T, mode string, edits ...func(*Config)) *env {
	e := &env{T: t, tenant: &tenant{}, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	ring := must(seal.New([]string{"an example of a secret for the tests of signout"}))
	names := cookie.NewNames(cookie.Cookie{Name: "app_session", Path: "/", Secure: true}, false)

	httpClient := fetch.NewClient(&http.Client{Transport: e.tenant}, fetch.Options{})
	auth0 := &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}
	mistake := func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) }
	auth0.DiscoverWith(mistake, httpClient, nil, slog.New(slog.DiscardHandler))
	client := &provider.Client{
		ID: clientID, Auth: clientauth.WithSecret("client_secret_post", "the client's secret"), Tenant: auth0, HTTP: httpClient, Now: now,
	}
	sessions := session.Config{
		Cookies: &cookie.Names{Session: names.Session}, Keyring: ring, Client: clientID, Idle: 10 * time.Hour, Absolute: 100 * time.Hour, Now: now, Log: log,
	}
	switch mode {
	case inStore:
		e.store = newStore()
		sessions.Store = e.store
	case withMarks:
		e.store = newStore()
		sessions.Revocations = e.store
	}
	manager := session.New(sessions)
	where := site.New(site.Config{BaseURL: origin, Log: log}, mistake)
	e.Config = Config{
		Site: where,
		Visits: &visit.Visits{
			Cookies: names, Sessions: manager, Origin: where.Origin, Log: log,
			Tokens: renew.New(renew.Config{Sessions: manager, Client: client, Now: now, Log: log}),
			Marks:  visit.Marks{Cookies: names, Keyring: ring, Now: now, Log: log, Silent: &atomic.Bool{}},
		},
		Transactions: &transaction.Jar{Cookies: names, Keyring: ring, Issuer: issuer, ClientID: clientID, Now: now},
		Policy: &logout.Policy{
			ClientID: clientID, Auth0: issuer, ReturnURLs: []string{origin + "/bye", origin + "/other"}, Paths: where.Paths, Log: log,
			EndSession: func(context.Context) (string, error) { return issuer + "oidc/logout", nil },
		},
		Confirmations: logout.Confirmations{Keyring: ring, Cookie: names.Session.Name, Now: now},
		Client:        client,
		IDTokens: &idtoken.Verifier{
			ClientID: clientID, Algorithms: []string{"EdDSA"}, Leeway: leeway * time.Second, Now: now,
			Keys: must(keys.Static(must(json.Marshal(map[string]any{"keys": []any{
				map[string]string{"kid": "k1", "kty": "OKP", "crv": "Ed25519", "x": b64(own.Public().(ed25519.PublicKey))},
			}})))),
		},
		Row: rowOf, Log: log,
	}
	for _, edit := range edits {
		edit(&e.Config)
	}
	e.Routes = New(e.Config)
	return e
}

// rowOf returns the row of an error, the zero one for nil.
func rowOf(err error) refusal.Row {
	if err == nil {
		return refusal.Row{}
	}
	if r, ok := errors.AsType[*refusal.Refusal](err); ok {
		return r.Row
	}
	return refusal.Internal
}

// withHosts gives the application a second base URL, so that a request can be for an
// unknown host.
func withHosts(c *Config) {
	c.Site = site.New(site.Config{BaseURL: origin, BaseURLs: []string{"https://other.example"}, Log: c.Log},
		func(field, format string, args ...any) { panic(field) })
	c.Visits.Origin = c.Site.Origin
}

// request returns a request of the browser. A form is posted. Header is names and
// values in turn.
func (e *env) request(method, target string, form url.Values, header ...string) *http.Request {
	if !strings.HasPrefix(target, "https://") {
		target = origin + target
	}
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode())).WithContext(e.Context())
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, c := range e.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

// Headers of browsers: for a request from the application's own page, from a page of
// another site, and without an origin.
var (
	ours    = []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Origin", origin}
	theirs  = []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "https://evil.example"}
	unknown = []string{"Accept", "text/html", "Origin", "null"}
)

// A result is the answer of a route to a request.
type result struct {
	*httptest.ResponseRecorder
	err     error
	changes string // of cookies
}

func (r result) location() string { return r.Header().Get("Location") }

// do has a route answer a request as the front does, and the browser take its cookies.
func (e *env) do(route func(http.ResponseWriter, *http.Request) error, r *http.Request) result {
	w := httptest.NewRecorder()
	err := route(w, e.Visits.Prepare(r))
	return result{w, err, e.take(w)}
}

// logOut has the logout route answer a request.
func (e *env) logOut(r *http.Request) result {
	return e.do(func(w http.ResponseWriter, r *http.Request) error { return e.Logout(w, r, &logout.Request{}) }, r)
}

// take applies the Set-Cookie lines of a response. It returns their short names, with a
// minus for deletions.
func (e *env) take(w *httptest.ResponseRecorder) string {
	var changes []string
	for _, c := range w.Result().Cookies() {
		short := strings.TrimPrefix(c.Name, "__Host-app_")
		if strings.HasPrefix(short, "txn_") {
			short = "txn"
		}
		e.cookies = slices.DeleteFunc(slices.Clone(e.cookies), func(o *http.Cookie) bool { return o.Name == c.Name })
		if c.MaxAge < 0 {
			changes = append(changes, "-"+short)
			continue
		}
		changes = append(changes, short)
		e.cookies = append(e.cookies, c)
	}
	return strings.Join(changes, " ")
}

// A person is one logged-in user.
type person struct {
	subject, sid string
	issued       float64 // after now, in seconds
	refreshToken string
	idToken      string
}

// logIn begins a session in the browser. It returns the session, and the browser's cookies
// after it.
func (e *env) logIn(p person) (*session.Record, []*http.Cookie) {
	e.Helper()
	c := &jwt.Claims{Issuer: issuer, Subject: p.subject, SessionID: p.sid, IssuedAt: float64(now().Unix()) + p.issued}
	record := must(session.NewRecord(c, 0, now()))
	record.SetIdentity(c, "{}", p.idToken)
	record.RefreshToken = p.refreshToken
	e.cookies = nil
	got := e.do(func(w http.ResponseWriter, r *http.Request) error {
		return e.Visits.Sessions.Begin(r.Context(), w, &session.Loaded{}, record)
	}, e.request("GET", "/", nil))
	if got.err != nil {
		e.Fatal(got.err)
	}
	return record, slices.Clone(e.cookies)
}

var ada = person{subject: "auth0|ada", sid: "s1", refreshToken: "refresh"}

// isLoggedIn reports whether cookies have a live session.
func (e *env) isLoggedIn(cookies []*http.Cookie) bool {
	e.Helper()
	defer func(before []*http.Cookie) { e.cookies = before }(e.cookies)
	e.cookies = cookies
	_, err := e.Visits.Record(e.request("GET", "/", nil))
	if err != nil && rowOf(err) != refusal.LoginRequired {
		e.Error(err)
	}
	return err == nil
}

// A change replaces members of a JSON object, and removes nil members.
type change map[string]any

// logoutToken returns a signed logout token (OpenID Connect Back-Channel Logout 1.0,
// Section 2.4).
func logoutToken(key ed25519.PrivateKey, c change) string {
	claims := change{
		"iss": issuer, "aud": clientID, "sub": "auth0|ada", "sid": "s1", "jti": "a logout", "iat": now().Unix(), "exp": now().Unix() + 120,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	maps.Copy(claims, c)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	text := b64([]byte(`{"alg":"EdDSA","kid":"k1","typ":"logout+jwt"}`)) + "." + b64(must(json.Marshal(claims)))
	return text + "." + b64(ed25519.Sign(key, []byte(text)))
}

// post has the tenant post a logout token.
func (e *env) post(token string) result {
	r := e.request("POST", "/auth/backchannel-logout", url.Values{"logout_token": {token}})
	r.Header.Del("Cookie")
	return e.do(e.Backchannel, r)
}

// expect compares the row of a refusal, the zero row for none, and looks for a text in
// its cause.
func expect(t *testing.T, why string, err error, want refusal.Row, cause string) {
	t.Helper()
	if want == (refusal.Row{}) {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return
	}
	got, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || got.Row != want || !strings.Contains(got.Error(), cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want, cause)
	}
}
