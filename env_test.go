package auth0_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	tenantHost   = "acme.auth0.example"
	appBase      = "https://app.example"
	testClientID = "client-of-the-tests"
	testAudience = "https://api.example/"
	testSecret   = "0123456789abcdef-cookie-secret-of-the-tests"
)

// An env is a tenant, a strategy for its application, and the application,
// connected without sockets.
type env struct {
	t        testing.TB
	tenant   *emulator.Tenant
	strategy *auth0.Strategy
	mux      *http.ServeMux
	app      http.Handler // LoadUser around mux
	log      *logBuffer
	cfg      auth0.Config
}

// newEnv starts with ada signed in at the tenant. Edit changes the
// configuration.
func newEnv(t testing.TB, edit ...func(*auth0.Config)) *env {
	t.Helper()
	return newEnvOf(t, emulator.Config{Host: tenantHost, OrganizationNames: true}, edit...)
}

func newEnvOf(t testing.TB, tc emulator.Config, edit ...func(*auth0.Config)) *env {
	t.Helper()
	ten, err := emulator.New(tc)
	if err != nil {
		t.Fatal(err)
	}
	if err := ten.AddDemo(emulator.Demo{ClientID: testClientID, ClientSecret: "client-secret-SECRET", BaseURL: appBase, Audience: testAudience}); err != nil {
		t.Fatal(err)
	}
	if err := ten.SignIn("ada@acme.example"); err != nil {
		t.Fatal(err)
	}
	e := &env{t: t, tenant: ten, log: &logBuffer{}, mux: http.NewServeMux()}
	e.cfg = auth0.Config{
		Domain:       tenantHost,
		ClientID:     testClientID,
		ClientSecret: "client-secret-SECRET",
		BaseURL:      appBase,
		Secrets:      []string{testSecret},
		HTTPClient:   &http.Client{Transport: hosts{tenantHost: ten}},
		Logger:       slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range edit {
		f(&e.cfg)
	}
	if e.strategy, err = auth0.New(e.cfg); err != nil {
		t.Fatal(err)
	}
	e.strategy.Register(e.mux)
	e.mux.Handle("GET /private", e.strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "private %s", user.Subject)
	})))
	e.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, ok := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "home %v %s", ok, user.Email)
	})
	e.app = e.strategy.LoadUser(e.mux)
	return e
}

// A logBuffer collects log output. It is safe for concurrent use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// hosts carries requests to handlers by host name.
type hosts map[string]http.Handler

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	handler := h[r.URL.Host]
	if handler == nil {
		return nil, fmt.Errorf("no such host: %s", r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr, in.Host = r.URL.RequestURI(), "192.0.2.7:1", r.URL.Host
	in.URL.Scheme, in.URL.Host = "", ""
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		handler.ServeHTTP(w, in)
	}()
	select {
	case <-done:
	case <-r.Context().Done():
	}
	// Whoever has given up gets nothing, also if the answer came at that moment.
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// A response is an answer of the application.
type response struct {
	status int
	header http.Header
	body   string
	url    *url.URL // that was asked for
}

func (r *response) location(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(r.header.Get("Location"))
	if err != nil || r.header.Get("Location") == "" {
		t.Fatalf("status %d, Location %q: %v; body %q", r.status, r.header.Get("Location"), err, r.body)
	}
	return r.url.ResolveReference(u)
}

// setCookies returns the Set-Cookie lines by name.
func (r *response) setCookies(t testing.TB) map[string]*http.Cookie {
	t.Helper()
	found := map[string]*http.Cookie{}
	for _, line := range r.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		found[c.Name] = c
	}
	return found
}

// A browser keeps the cookies of the application, and does what it is told, one
// request at a time.
type browser struct {
	e       *env
	cookies map[string]string
}

func (e *env) browser() *browser { return &browser{e: e, cookies: map[string]string{}} }

func (b *browser) clone() *browser {
	other := b.e.browser()
	for k, v := range b.cookies {
		other.cookies[k] = v
	}
	return other
}

// page navigates to a path of the application, as a person does.
func (b *browser) page(target string, header ...string) *response {
	b.e.t.Helper()
	return b.do("GET", target, nil, append([]string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}, header...)...)
}

// do sends a request to the application. Header is names and values in turn; an
// empty value takes a header away.
func (b *browser) do(method, target string, form url.Values, header ...string) *response {
	b.e.t.Helper()
	if !strings.Contains(target, "://") {
		target = appBase + target
	}
	u, err := url.Parse(target)
	if err != nil {
		b.e.t.Fatal(err)
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, u.RequestURI(), body)
	r.Host = u.Host
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return b.send(r, u)
}

func (b *browser) send(r *http.Request, u *url.URL) *response {
	b.e.t.Helper()
	w := httptest.NewRecorder()
	b.e.app.ServeHTTP(w, r)
	resp := &response{status: w.Code, header: w.Result().Header, body: w.Body.String(), url: u}
	for _, line := range resp.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			b.e.t.Fatalf("%v in %q", err, line)
		}
		if len(line) > 4096 {
			b.e.t.Errorf("Set-Cookie line of %d bytes", len(line))
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return resp
}

// begin opens the login route and returns where it sends the browser.
func (b *browser) begin(target string) *url.URL {
	b.e.t.Helper()
	resp := b.page(target)
	if resp.status != http.StatusFound {
		b.e.t.Fatalf("GET %s: status %d, want 302; body %q", target, resp.status, resp.body)
	}
	return resp.location(b.e.t)
}

// atTenant opens an authorization URL and returns the callback URL that the
// tenant redirects to. Somebody must be signed in there.
func (b *browser) atTenant(authURL *url.URL) *url.URL {
	b.e.t.Helper()
	client := &http.Client{
		Transport:     hosts{tenantHost: b.e.tenant},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error { return stopAtApp(r) },
	}
	resp, err := client.Get(authURL.String())
	if err != nil {
		b.e.t.Fatal(err)
	}
	resp.Body.Close()
	u, err := resp.Location()
	if err != nil {
		b.e.t.Fatalf("the tenant answers %d without a redirect: %v", resp.StatusCode, err)
	}
	return u
}

func stopAtApp(r *http.Request) error {
	if r.URL.Host != tenantHost {
		return http.ErrUseLastResponse
	}
	return nil
}

// login goes all the way, and returns the response of the callback.
func (b *browser) login(target string) *response {
	b.e.t.Helper()
	return b.callback(b.atTenant(b.begin(target)))
}

// callback opens a callback URL, as a redirect from another site does.
func (b *browser) callback(u *url.URL) *response {
	b.e.t.Helper()
	return b.page(u.String(), "Sec-Fetch-Site", "cross-site")
}

// mustLogin logs in and fails the test if that does not work.
func (b *browser) mustLogin() *browser {
	b.e.t.Helper()
	if resp := b.login("/auth/login"); resp.status != http.StatusSeeOther || !b.loggedIn() {
		b.e.t.Fatalf("login: status %d, body %q; log:\n%s", resp.status, resp.body, b.e.log)
	}
	return b
}

func (b *browser) loggedIn() bool {
	b.e.t.Helper()
	return strings.HasPrefix(b.page("/").body, "home true")
}

// transactions returns the names of the cookies of logins under way.
func (b *browser) transactions() []string {
	var names []string
	for name := range b.cookies {
		if strings.Contains(name, "_txn_") {
			names = append(names, name)
		}
	}
	return names
}

// as changes who is signed in at the tenant.
func (e *env) as(email string) {
	e.t.Helper()
	if err := e.tenant.SignIn(email); err != nil {
		e.t.Fatal(err)
	}
}

// asClaims decodes the payload of a token, numbers as they are written.
func asClaims(t *testing.T, payload string) map[string]any {
	t.Helper()
	var claims map[string]any
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// A clock is what Config.Now returns, for tests that change cookies while time
// goes on elsewhere.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(seconds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Duration(seconds) * time.Second)
}
