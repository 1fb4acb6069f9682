package signin

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

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/login"
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
	api      = "https://api.example/"
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

var key = ed25519.NewKeyFromSeed([]byte("a seed for tests, of 32 bytes ..."[:32]))

// A change replaces members of a JSON object, and removes nil members.
type change map[string]any

// with returns the members after changes.
func with(members change, changes ...change) change {
	members = maps.Clone(members)
	for _, c := range changes {
		maps.Copy(members, c)
	}
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	return members
}

// A tenant answers without a network.
type tenant struct {
	mu     sync.Mutex
	nonce  any    // of the next ID token
	claims change // of its ID tokens
	tokens change // of its answers to token requests
	down   bool   // no connection
	forms  []url.Values
}

func (te *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	te.mu.Lock()
	defer te.mu.Unlock()
	if te.down {
		return nil, errors.New("no connection")
	}
	w := httptest.NewRecorder()
	if r.URL.Path != "/oauth/token" {
		w.WriteHeader(404)
		return w.Result(), nil
	}
	te.forms = append(te.forms, must(url.ParseQuery(string(must(io.ReadAll(r.Body))))))
	w.Header().Set("Content-Type", "application/json")
	if te.tokens["error"] != nil {
		w.WriteHeader(400)
	}
	w.Write(must(json.Marshal(with(change{
		"access_token": "access", "token_type": "Bearer", "expires_in": 600, "id_token": te.signed(nil), "refresh_token": "refresh",
	}, te.tokens))))
	return w.Result(), nil
}

// signed returns an ID token of the tenant.
func (te *tenant) signed(c change) string {
	header := change{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}
	claims := with(change{
		"iss": issuer, "aud": clientID, "sub": "auth0|ada", "nonce": te.nonce, "exp": now().Unix() + 3600, "iat": now().Unix(),
		"sid": "the session at the tenant", "email": "ada@acme.example", "role": "reader",
	}, te.claims, c)
	text := b64(must(json.Marshal(header))) + "." + b64(must(json.Marshal(claims)))
	return text + "." + b64(ed25519.Sign(key, []byte(text)))
}

// A store can be down. A call without a waiting caller can be under way while the test
// changes the store.
type store struct {
	session.Store
	mu  sync.Mutex
	err error
}

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
	return s.Store.Commit(key, value, expiry)
}

// An env is one application, its tenant, and one browser.
type env struct {
	*testing.T
	*tenant
	Config
	*Routes
	store   *store // nil if sessions are in cookies
	log     *bytes.Buffer
	cookies []*http.Cookie // of the browser
	refused []error        // by the function Refused
}

// run runs a test in fake time, with an application whose sessions are in cookies.
func run(t *testing.T, f func(*env), edits ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newEnv(t, nil, edits...)) })
}

// inEachMode runs a test with sessions in cookies and in a store.
func inEachMode(t *testing.T, f func(*env), edits ...func(*Config)) {
	t.Helper()
	t.Run("cookies", func(t *testing.T) { run(t, f, edits...) })
	t.Run("store", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(newEnv(t, &store{Store: session.NewMemory(100)}, edits...)) })
	})
}

// newEnv returns an application. The edits change its configuration.
func newEnv(t testing.TB, st *store, edits ...func(*Config)) *env {
	asT, _ := t.(*testing.T) // a fuzz target has none
	e := &env{T: asT, tenant: &tenant{}, store: st, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ring := must(seal.New([]string{"an example of a secret for the tests of signin"}))
	names := cookie.NewNames(cookie.Cookie{Name: "app_session", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode}, false)

	httpClient := fetch.NewClient(&http.Client{Transport: e.tenant}, fetch.Options{})
	auth0 := &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}
	mistake := func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) }
	auth0.DiscoverWith(mistake, httpClient, nil, log)
	client := &provider.Client{
		ID: clientID, Auth: clientauth.WithSecret("client_secret_post", "the client's secret"), Tenant: auth0, HTTP: httpClient, Now: now,
	}
	idTokens := &idtoken.Verifier{
		ClientID: clientID, Algorithms: []string{"EdDSA"}, Leeway: time.Minute, Now: now,
		Keys: must(keys.Static(must(json.Marshal(map[string]any{"keys": []any{
			map[string]string{"kid": "k1", "kty": "OKP", "crv": "Ed25519", "x": b64(key.Public().(ed25519.PublicKey))},
		}})))),
	}
	sessions := session.Config{
		Cookies: names, Keyring: ring, Client: clientID, Idle: 10 * time.Hour, Absolute: 100 * time.Hour, Now: now, Log: log,
	}
	if st != nil {
		sessions.Store = st
	}
	manager := session.New(sessions)
	where := site.New(site.Config{BaseURL: origin, Log: log}, mistake)
	e.Config = Config{
		Site: where,
		Visits: &visit.Visits{
			Cookies: names, Sessions: manager, Origin: where.Origin, Log: log,
			Tokens: renew.New(renew.Config{Sessions: manager, Client: client, IDTokens: idTokens, Now: now, Log: log}),
			Marks:  visit.Marks{Cookies: names, Keyring: ring, Now: now, Log: log, Silent: &atomic.Bool{}},
		},
		Flow: login.NewFlow(login.Config{
			Client: client, IDTokens: idTokens, ResponseType: "code", ResponseMode: "query", Scopes: []string{"openid", "email"}, Now: now,
		}),
		Transactions: &transaction.Jar{Cookies: names, Keyring: ring, Issuer: issuer, ClientID: clientID, Life: time.Hour, Now: now},
		Links: authrequest.Links{
			Organizations: true, Known: func(string, string) bool { return false }, Ignored: func(string, error) {},
		},
		Row:     rowOf,
		Refused: func(_ *http.Request, err error) refusal.Row { e.refused = append(e.refused, err); return rowOf(err) },
		Now:     now, Log: log,
	}
	for _, edit := range edits {
		edit(&e.Config)
	}
	e.Routes = New(e.Config)
	return e
}

// rowOf returns the row of an error. An unknown error has the row of a mistake.
func rowOf(err error) refusal.Row {
	if r, ok := errors.AsType[*refusal.Refusal](err); ok {
		return r.Row
	}
	return refusal.Internal
}

// withHosts gives the application a second base URL, so that a request can be for an
// unknown host.
func withHosts(c *Config) {
	withSite(c, site.Config{BaseURL: origin, BaseURLs: []string{"https://other.example"}})
}

// withHome sets the default destination of a login.
func withHome(path string) func(*Config) {
	return func(c *Config) { withSite(c, site.Config{BaseURL: origin, DefaultReturnTo: path}) }
}

func withSite(c *Config, s site.Config) {
	s.Log = c.Log
	c.Site = site.New(s, func(field, format string, args ...any) { panic(field) })
	c.Visits.Origin = c.Site.Origin
}

// withFormPost has the tenant answer with an ID token in a form (OAuth 2.0 Form Post
// Response Mode 1.0).
func withFormPost(c *Config) {
	c.Flow.ResponseType, c.Flow.ResponseMode = "id_token", "form_post"
	posted := *c.Visits.Cookies
	posted.Transaction.SameSite = http.SameSiteNoneMode
	*c.Visits.Cookies = posted
}

func withSilent(c *Config) { c.Visits.Marks.Silent.Store(true) }

func withOptions(options ...authrequest.Option) func(*Config) {
	return func(c *Config) { c.Options = options }
}

// withHook sets AfterLogin.
func withHook(hook func(*login.Accepted) error) func(*Config) {
	return func(c *Config) { c.AfterLogin = func(_ context.Context, l *login.Accepted) error { return hook(l) } }
}

// refuses has AfterLogin return an error.
func refuses(err error) func(*Config) { return withHook(func(*login.Accepted) error { return err }) }

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

// route returns the login route with options.
func (e *env) route(options ...authrequest.Option) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error { return e.Login(w, r, options) }
}

// begin begins a login in the browser with a query, and returns the parameters of its
// Authentication Request.
func (e *env) begin(query string, options ...authrequest.Option) url.Values {
	e.Helper()
	got := e.do(e.route(options...), e.request("GET", "/auth/login?"+query, nil))
	if got.err != nil || got.Code != 302 {
		e.Fatalf("the login does not begin: %d, %v", got.Code, got.err)
	}
	return e.asked(got.location())
}

// asked reads the URL of an Authentication Request.
func (e *env) asked(location string) url.Values {
	e.Helper()
	query, found := strings.CutPrefix(location, issuer+"authorize?")
	if !found {
		e.Fatalf("the browser goes to %s", location)
	}
	v := must(url.ParseQuery(query))
	e.nonce = v.Get("nonce")
	return v
}

// answer has the browser bring the tenant's answer to a login. The change replaces
// parameters.
func (e *env) answer(begun url.Values, c change) result {
	e.Helper()
	parameters := change{"state": begun.Get("state"), "code": "a code"}
	if e.callbackMethod() == "POST" {
		parameters = change{"state": begun.Get("state"), "id_token": e.signed(nil)}
	}
	values := url.Values{}
	for name, value := range with(parameters, c) {
		values.Set(name, value.(string))
	}
	if e.callbackMethod() == "GET" {
		return e.do(e.Callback, e.request("GET", "/auth/callback?"+values.Encode(), nil))
	}
	r := e.request("POST", "/auth/callback", values)
	r.Header.Del("Cookie")
	for _, c := range e.cookies { // a form of another site has these only
		if c.SameSite == http.SameSiteNoneMode {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return e.do(e.Callback, r)
}

// logIn has the user of the tenant log in, and returns the session.
func (e *env) logIn() *session.Record {
	e.Helper()
	if got := e.answer(e.begin(""), nil); got.err != nil {
		e.Fatal(got.err)
	}
	record, err := e.session()
	if err != nil {
		e.Fatal(err)
	}
	return record
}

// session returns the session of the browser.
func (e *env) session() (*session.Record, error) { return e.Visits.Record(e.request("GET", "/", nil)) }

// kept returns the browser's transaction for a login.
func (e *env) kept(begun url.Values) *transaction.Transaction {
	e.Helper()
	t, err := e.Transactions.Find(e.Visits.Jar(e.request("GET", "/", nil)), begun.Get("state"), e.Flow.ResponseType)
	if err != nil {
		e.Fatal(err)
	}
	return t
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

// expectPage compares the destination of a browser, and the changes of its cookies.
func (e *env) expectPage(why string, got result, status int, location, changes string) {
	e.Helper()
	if got.err != nil || got.Code != status || got.location() != location || got.changes != changes {
		e.Errorf("%s: %d to %q, cookies %q, error %v; want %d to %q, cookies %q",
			why, got.Code, got.location(), got.changes, got.err, status, location, changes)
	}
}
