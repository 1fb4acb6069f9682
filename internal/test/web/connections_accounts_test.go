package web_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

const accountAudience = "https://" + testkit.TenantHost + "/me/"

// An accountEnv has a route that connects accounts, and pages that list them,
// disconnect them, and request a token.
type accountEnv struct {
	*testkit.Env
	clock    *testkit.Clock // of the tenant
	requests []string
	bodies   []map[string]any
	answer   func(request string) string // instead of the tenant; "409 {...}", or nothing
	list     []auth0.ConnectedAccount
	token    string
	err      error
}

func newAccountEnv(t *testing.T, edit ...func(*auth0.Config)) *accountEnv {
	t.Helper()
	e := &accountEnv{clock: testkit.NewClock(), answer: func(string) string { return "" }}
	e.Env = testkit.SignedInAt(t, testkit.TenantConfig{Host: testkit.TenantHost, OrganizationNames: true, Now: e.clock.Now}, append(edit, func(c *auth0.Config) {
		c.Audience, c.Scopes = testkit.Audience, []string{"openid", "profile", "email", "offline_access"}
		inner := c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/me/") {
				return e.observe(r, inner)
			}
			return inner.RoundTrip(r)
		})}
	})...)
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
		c.CallbackURLs = append(c.CallbackURLs, testkit.AppURL+"/connect")
		c.RefreshTokenPolicies = []testkit.ClientGrant{{Audience: accountAudience, Scopes: []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}}}
	}); err != nil {
		t.Fatal(err)
	}
	e.Mux.Handle("/connect", e.Strategy.ConnectAccountHandler("openid", "https://www.googleapis.com/auth/calendar"))
	e.Mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) { e.list, e.err = e.Strategy.ConnectedAccounts(w, r) })
	e.Mux.HandleFunc("GET /disconnect", func(w http.ResponseWriter, r *http.Request) {
		e.err = e.Strategy.DisconnectAccount(w, r, r.FormValue("connection"))
	})
	e.Mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
		e.token = ""
		tok, err := e.Strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
		if e.err = err; err == nil {
			e.token = tok.AccessToken
		}
	})
	t.Cleanup(func() {
		if log := e.Log.String(); strings.Contains(log, "simulated-") {
			t.Errorf("the log has a token of a third party:\n%s", log)
		}
	})
	return e
}

// observe notes a request to the My Account API. The tenant answers, or a test with
// an answer that the tenant never sends.
func (e *accountEnv) observe(r *http.Request, inner http.RoundTripper) (*http.Response, error) {
	request := strings.TrimSuffix(r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/me/v1/connected-accounts/"), "?")
	var text []byte
	if r.Body != nil {
		text, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(text))
	}
	var body map[string]any
	json.Unmarshal(text, &body)
	e.requests, e.bodies = append(e.requests, request), append(e.bodies, body)
	answer := e.answer(request)
	if answer == "" {
		return inner.RoundTrip(r)
	}
	return testkit.Hosts{testkit.TenantHost: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, document, _ := strings.Cut(answer, " ")
		code := 0
		fmt.Sscan(status, &code)
		w.WriteHeader(code)
		fmt.Fprint(w, document)
	})}.RoundTrip(r)
}

// says sets the answer to one request, which the tenant would not send.
func (e *accountEnv) says(request, answer string) {
	e.answer = func(got string) string {
		if got == request {
			return answer
		}
		return ""
	}
}

func (e *accountEnv) saysNothing() { e.answer = func(string) string { return "" } }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// press posts a form of a page of the application, as a browser does.
func press(b *testkit.Browser, path string, header ...string) *testkit.Response {
	b.Env.T.Helper()
	return b.Do("POST", path, nil, append([]string{"Origin", testkit.AppURL, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}, header...)...)
}

// begun starts to connect an account, has the user agree at the tenant, and returns
// the callback URL of the browser.
func (e *accountEnv) begun(b *testkit.Browser, path string) *url.URL {
	e.T.Helper()
	resp := press(b, path)
	if to := resp.Location(e.T).String(); resp.Status != 200 || !strings.HasPrefix(to, "https://acme.auth0.example/connected-accounts/connect?ticket=") {
		e.T.Fatalf("%d to %s: %s", resp.Status, to, resp.Body)
	}
	back := b.AtTenant(resp.Location(e.T))
	if !strings.HasSuffix(back.Path, "/connect") || back.Query().Get("state") == "" {
		e.T.Fatalf("the tenant leads to %s", back)
	}
	return back
}

// connect connects an account, from the form to the callback.
func (e *accountEnv) connect(b *testkit.Browser) {
	e.T.Helper()
	if resp := b.Callback(e.begun(b, "/connect?connection=google-oauth2")); resp.Status != 303 {
		e.T.Fatalf("%d %s", resp.Status, resp.Body)
	}
}

// TestConnectAccount connects an account and uses it.
func TestConnectAccount(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*auth0.Config){"cookies": func(*auth0.Config) {}, "store": func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) }} {
		t.Run(name, func(t *testing.T) {
			e := newAccountEnv(t, edit)
			b := e.Browser().MustLogin()
			if b.Page("/third"); !errors.Is(e.err, auth0.ErrNotConnected) {
				t.Errorf("before: %v", e.err)
			}
			back := e.begun(b, "/connect?connection=google-oauth2&returnTo=/private")
			body := e.bodies[0]
			challenge, _ := body["code_challenge"].(string)
			if body["connection"] != "google-oauth2" || body["redirect_uri"] != testkit.AppURL+"/connect" || len(challenge) != 43 || body["code_challenge_method"] != "S256" || fmt.Sprint(body["scopes"]) != "[openid https://www.googleapis.com/auth/calendar]" {
				t.Errorf("body %v", body)
			}
			if form := e.Tenant.LastTokenRequest(); form.Get("audience") != accountAudience || form.Get("grant_type") != "refresh_token" {
				t.Errorf("token request %v", form)
			}
			if n := len(b.Transactions()); n != 1 {
				t.Errorf("%d transactions", n)
			}
			resp := b.Callback(back)
			if resp.Status != 303 || resp.Header.Get("Location") != "/private" || len(b.Transactions()) != 0 || !b.LoggedIn() {
				t.Errorf("%d to %q, transactions %q", resp.Status, resp.Header.Get("Location"), b.Transactions())
			}
			sent := e.bodies[1]
			if verifier, _ := sent["code_verifier"].(string); len(fmt.Sprint(sent["auth_session"])) != 64 || sent["connect_code"] != back.Query().Get("connect_code") || sent["redirect_uri"] != testkit.AppURL+"/connect" || s256(verifier) != challenge {
				t.Errorf("body %v", sent)
			}
			if resp := b.Callback(back); resp.Status != 400 || len(e.requests) != 2 {
				t.Errorf("a second time: %d, %q", resp.Status, e.requests)
			}
			if b.Page("/accounts"); e.err != nil || len(e.list) != 1 || e.list[0].Connection != "google-oauth2" || !slices.Equal(e.list[0].Scopes, []string{"openid", "https://www.googleapis.com/auth/calendar"}) {
				t.Errorf("%v, %+v", e.err, e.list)
			}
			if b.Page("/third"); e.err != nil || !strings.HasPrefix(e.token, "simulated-") {
				t.Errorf("token %q, %v", e.token, e.err)
			}
			if b.Page("/disconnect?connection=google-oauth2"); e.err != nil {
				t.Error(e.err)
			}
			if b.Page("/third"); !errors.Is(e.err, auth0.ErrNotConnected) {
				t.Errorf("after: %v", e.err)
			}
			if b.Page("/accounts"); e.err != nil || len(e.list) != 0 {
				t.Errorf("after: %v, %+v", e.err, e.list)
			}
		})
	}
}

// TestConnectAccountByForm presses the button on a page.
func TestConnectAccountByForm(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	b := e.Browser().MustLogin()
	resp := b.Do("POST", "/connect", url.Values{"connection": {"google-oauth2"}, "returnTo": {"/private"}}, "Origin", testkit.AppURL, "Sec-Fetch-Site", "same-origin")
	if resp.Status != 303 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	if resp := b.Callback(b.AtTenant(resp.Location(t))); resp.Status != 303 || resp.Header.Get("Location") != "/private" {
		t.Errorf("%d to %q", resp.Status, resp.Header.Get("Location"))
	}
}

// TestConnectAccountReturns to no other site.
func TestConnectAccountReturns(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	b := e.Browser().MustLogin()
	for target, want := range map[string]string{"https://evil.example/": "/", "//evil.example": "/", "/x?y=1": "/x?y=1", "": "/"} {
		resp := b.Callback(e.begun(b, "/connect?connection=google-oauth2&returnTo="+url.QueryEscape(target)))
		if resp.Header.Get("Location") != want {
			t.Errorf("returnTo %q leads to %q", target, resp.Header.Get("Location"))
		}
	}
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestConnectAccountRefused: requests that start nothing.
func TestConnectAccountRefused(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	b := e.Browser().MustLogin()
	button := []string{"Origin", testkit.AppURL, "Sec-Fetch-Site", "same-origin"}
	for _, tt := range []struct {
		why    string
		who    *testkit.Browser
		method string
		path   string
		header []string
		status int
	}{
		{"anonymous", e.Browser(), "POST", "/connect?connection=google-oauth2", button, 401},
		{"no connection", b, "POST", "/connect", button, 400},
		{"no name", b, "POST", "/connect?connection=a%20b", button, 400},
		{"link in a mail", b, "GET", "/connect?connection=google-oauth2", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none"}, 405},
		{"typed", b, "GET", "/connect?connection=google-oauth2", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none", "Sec-Fetch-User", "?1"}, 405},
		{"link of ours", b, "GET", "/connect?connection=google-oauth2", testkit.Navigation, 405},
		{"from another site", b, "GET", "/connect?connection=google-oauth2", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site"}, 405},
		{"form of nobody knows which page", b, "POST", "/connect?connection=google-oauth2", []string{"Origin", "null", "Accept", "text/html"}, 403},
		{"form of another site", b, "POST", "/connect?connection=google-oauth2", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"image", b, "GET", "/connect?connection=google-oauth2", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin"}, 405},
		{"no form", b, "POST", "/connect?connection=google-oauth2", []string{"Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"}, 400},
		{"method", b, "PUT", "/connect?connection=google-oauth2", nil, 405},
		{"ahead of time", b, "GET", "/connect?connection=google-oauth2", append(slices.Clone(testkit.Navigation), "Sec-Purpose", "prefetch"), 204},
		{"what is there", b, "HEAD", "/connect?connection=google-oauth2", testkit.Navigation, 204},
		{"not mounted", b, "GET", "/auth/connect?connection=google-oauth2", testkit.Navigation, 404},
	} {
		if resp := tt.who.Do(tt.method, tt.path, nil, tt.header...); resp.Status != tt.status {
			t.Errorf("%s: %d %s", tt.why, resp.Status, resp.Body)
		}
	}
	if len(e.requests) != 0 || len(b.Transactions()) != 0 {
		t.Errorf("requests %q", e.requests)
	}

	// Errors of the tenant. The log has the cause, and the page does not.
	client := func(edit func(*testkit.TenantClient)) func() {
		return func() {
			if err := e.Tenant.EditClient(testkit.ClientID, edit); err != nil {
				t.Fatal(err)
			}
		}
	}
	wrongIssuer := testkit.Claim("iss", "https://login.acme.example/")
	for _, tt := range []struct {
		why        string
		break_, ok func()
		connection string
		status     int
		log        string
	}{
		{"token", func() { e.Tenant.EditAccessToken(wrongIssuer) }, func() { e.Tenant.EditAccessToken(nil) }, "google-oauth2", 502, "A0E-401-0002"},
		{"down", func() { e.Tenant.Fail(testkit.MyAccountEndpoint, 503) }, func() { e.Tenant.Fail(testkit.MyAccountEndpoint, 0) }, "google-oauth2", 503, "the tenant answered 503"},
		{"too many", func() { e.Tenant.Fail(testkit.MyAccountEndpoint, 429) }, func() { e.Tenant.Fail(testkit.MyAccountEndpoint, 0) }, "google-oauth2", 503, "A0E-429-0001"},
		{"no such connection", func() {}, func() {}, "nope", 502, "connection: was not found"},
		{"connection without accounts", func() {}, func() {}, "github", 502, "connection: was not found"},
		{"not registered", client(func(c *testkit.TenantClient) { c.CallbackURLs = c.CallbackURLs[:1] }),
			client(func(c *testkit.TenantClient) { c.CallbackURLs = append(c.CallbackURLs, testkit.AppURL+"/connect") }), "google-oauth2", 502, "redirect_uri: is not in the list of allowed callback URLs"},
		{"scope", client(func(c *testkit.TenantClient) { c.RefreshTokenPolicies[0].Scopes = c.RefreshTokenPolicies[0].Scopes[1:] }),
			client(func(c *testkit.TenantClient) {
				c.RefreshTokenPolicies[0].Scopes = append(c.RefreshTokenPolicies[0].Scopes, "create:me:connected_accounts")
			}), "google-oauth2", 502, "create:me:connected_accounts"},
		{"no policy", client(func(c *testkit.TenantClient) { c.RefreshTokenPolicies = nil }), func() {}, "google-oauth2", 502, "refresh token policies"},
	} {
		b := e.Browser().MustLogin() // no token is cached from the row before
		*e.Log = testkit.Log{}
		tt.break_()
		resp := press(b, "/connect?connection="+tt.connection)
		tt.ok()
		if resp.Status != tt.status || resp.Header.Get("Location") != "" || len(b.Transactions()) != 0 || !b.LoggedIn() {
			t.Errorf("%s: %d, want %d, transactions %q", tt.why, resp.Status, tt.status, b.Transactions())
		}
		if !strings.Contains(e.Log.String(), tt.log) || strings.Contains(resp.Body, tt.log) {
			t.Errorf("%s: log\n%s\nbody %s", tt.why, e.Log, resp.Body)
		}
		if got := resp.Header.Get("Retry-After") != ""; got != (tt.status == 503) {
			t.Errorf("%s: Retry-After %q", tt.why, resp.Header.Get("Retry-After"))
		}
	}
	noRefresh := testkit.SignedIn(t)
	noRefresh.Mux.Handle("/connect", noRefresh.Strategy.ConnectAccountHandler())
	if resp := press(noRefresh.Browser().MustLogin(), "/connect?connection=google-oauth2"); resp.Status != 401 {
		t.Errorf("without refresh token: %d %s", resp.Status, resp.Body)
	}
}

// TestConnectAccountMisled: answers that no tenant sends, and URLs to which a
// browser must not be redirected.
func TestConnectAccountMisled(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	b := e.Browser().MustLogin()
	for _, answer := range []string{
		`201 {"auth_session":"x","connect_uri":"http://evil.example/","connect_params":{"ticket":"t"}}`,
		`201 {"auth_session":"x","connect_uri":"javascript:alert(1)","connect_params":{"ticket":"t"}}`,
		`201 {"auth_session":"x","connect_uri":"","connect_params":{"ticket":"t"}}`,
		`201 {"auth_session":"x","connect_uri":"https://acme.auth0.example/","connect_params":{}}`,
		`201 {"connect_uri":"https://acme.auth0.example/","connect_params":{"ticket":"t"}}`,
		`201 <html>`,
	} {
		e.says("POST connect", answer)
		if resp := press(b, "/connect?connection=google-oauth2"); resp.Status != 502 || resp.Header.Get("Location") != "" || len(b.Transactions()) != 0 {
			t.Errorf("%s: %d", answer, resp.Status)
		}
	}
	// A proxy in front of the API can answer in another format.
	e.says("POST connect", `403 {"error":"odd_error","error_description":"an odd text"}`)
	if press(b, "/connect?connection=google-oauth2"); !strings.Contains(e.Log.String(), "odd_error") || !strings.Contains(e.Log.String(), "an odd text") {
		t.Errorf("log\n%s", e.Log)
	}
}

// TestConnectAccountOnHosts: an account is connected on the host where the request
// started, if it is one of the application's.
func TestConnectAccountOnHosts(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t, func(c *auth0.Config) { c.BaseURLs = []string{"https://other.example"} })
	b := e.Browser().MustLogin()
	if resp := press(b, "/connect?connection=google-oauth2", "Host", "evil.example"); resp.Status != 400 || len(e.requests) != 0 {
		t.Errorf("unknown host: %d %s", resp.Status, resp.Body)
	}
	back := e.begun(b, "/connect?connection=google-oauth2")
	if resp := b.Callback(testkit.Must(url.Parse("https://other.example" + back.RequestURI()))); resp.Status != 400 || len(e.requests) != 1 {
		t.Errorf("another host: %d %s", resp.Status, resp.Body)
	}
	if resp := b.Callback(back); resp.Status != 303 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
}

// TestConnectAccountComesBack has all the callbacks without success; the session
// stays.
func TestConnectAccountComesBack(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	nothing := func() {}
	const late = 300
	for _, tt := range []struct {
		why    string
		before func() // the user goes to the tenant
		edit   func(url.Values)
		after  func()
		status int
		reason string
		text   string
	}{
		{"cancelled", func() { e.Tenant.DenyNext("access_denied", "User did not authorize the request") }, func(url.Values) {}, nothing, 403, "authorization_denied", "We did not connect your account, because you canceled or this is not allowed."},
		{"error", func() { e.Tenant.DenyNext("server_error", "x") }, func(url.Values) {}, nothing, 400, "authorization_error", "We could not connect your account. Try again."},
		{"no code", nothing, func(q url.Values) { q.Del("connect_code") }, nothing, 400, "invalid_request", "We could not connect your account, because"},
		{"two codes", nothing, func(q url.Values) { q.Add("connect_code", "x") }, nothing, 400, "invalid_request", "We could not connect your account, because"},
		{"long code", nothing, func(q url.Values) { q.Set("connect_code", strings.Repeat("x", 5000)) }, nothing, 400, "invalid_request", "We could not connect your account, because"},
		{"another state", nothing, func(q url.Values) { q.Set("state", "x") }, nothing, 400, "transaction_not_found", "We could not connect your account. This took too long"},
		{"another code", nothing, func(q url.Values) { q.Set("connect_code", "x") }, nothing, 400, "invalid_grant", "We could not connect your account. This took too long"},
		{"too late", nothing, func(url.Values) {}, func() { e.clock.Add(late) }, 400, "invalid_grant", "We could not connect your account. This took too long"},
		{"down", nothing, func(url.Values) {}, func() { e.Tenant.Fail(testkit.MyAccountEndpoint, 503) }, 503, "tenant_unavailable", "We cannot reach the login service"},
		{"not allowed any more", nothing, func(url.Values) {}, func() { e.Tenant.Fail(testkit.MyAccountEndpoint, 403) }, 502, "tenant_answer", "The login service sent an unexpected response"},
	} {
		b := e.Browser().MustLogin()
		tt.before()
		back := e.begun(b, "/connect?connection=google-oauth2&returnTo=/private")
		query := back.Query()
		state := query.Get("state")
		tt.edit(query)
		back.RawQuery = query.Encode()
		*e.Log = testkit.Log{}
		tt.after()
		resp := b.Callback(back)
		e.Tenant.Fail(testkit.MyAccountEndpoint, 0)
		if tt.why == "too late" {
			e.clock.Add(-late)
		}
		if resp.Status != tt.status || !strings.Contains(resp.Body, "<p>"+tt.text) || len(resp.Links()) != 1 || resp.Links()["Go back"] != testkit.AppURL+"/private" && resp.Links()["Go to the start page"] != testkit.AppURL+"/" || strings.Contains(resp.Body, "log in") || !b.LoggedIn() {
			t.Errorf("%s: %d %s", tt.why, resp.Status, resp.Body)
		}
		if log := e.Log.String(); !strings.Contains(log, "reason="+tt.reason) || !strings.Contains(log, "op=connect ") || strings.Contains(log, state) {
			t.Errorf("%s: log\n%s", tt.why, log)
		}
		if b.Page("/accounts"); e.err != nil || len(e.list) != 0 {
			t.Errorf("%s: %v, %+v", tt.why, e.err, e.list)
		}
	}

	// An account that is already connected is a success.
	b := e.Browser().MustLogin()
	e.connect(b)
	e.connect(b)
	if b.Page("/accounts"); e.err != nil || len(e.list) != 1 {
		t.Errorf("%v, %+v", e.err, e.list)
	}

	// Another user has logged in meanwhile.
	back := e.begun(b, "/connect?connection=google-oauth2")
	e.SignInAtTenant("bob@acme.example")
	b.Login("/auth/login?prompt=login")
	requests := len(e.requests)
	*e.Log = testkit.Log{}
	if resp := b.Callback(back); resp.Status != 403 || len(e.requests) != requests || !strings.Contains(e.Log.String(), "reason=other_user ") {
		t.Errorf("Bob comes back for Ada: %d\n%s", resp.Status, e.Log)
	}
	if b.Page("/accounts"); e.err != nil || len(e.list) != 0 {
		t.Errorf("Bob has %+v, %v", e.list, e.err)
	}
	// Another browser, and one without a session after a logout.
	back = e.begun(b, "/connect?connection=google-oauth2")
	if resp := e.Browser().Callback(back); resp.Status != 400 {
		t.Errorf("another browser: %d", resp.Status)
	}
	for name := range b.Cookies {
		if strings.Contains(name, "session") {
			delete(b.Cookies, name)
		}
	}
	if resp := b.Callback(back); resp.Status != 401 {
		t.Errorf("logged out: %d", resp.Status)
	}
	// Another login, after which the session has no token for this any more.
	e.SignInAtTenant("ada@acme.example")
	b = e.Browser().MustLogin()
	back = e.begun(b, "/connect?connection=google-oauth2")
	b.Login("/auth/login?prompt=login")
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.RefreshTokenPolicies[0].Audience += "x" }); err != nil {
		t.Fatal(err)
	}
	requests = len(e.requests)
	if resp := b.Callback(back); resp.Status != 502 || len(e.requests) != requests {
		t.Errorf("no token: %d, %q", resp.Status, e.requests[requests:])
	}
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.RefreshTokenPolicies[0].Audience = accountAudience }); err != nil {
		t.Fatal(err)
	}

	// The answer to a login does not complete this, nor the other way round.
	b = e.Browser().MustLogin()
	login := b.Begin("/auth/login?prompt=login").Query().Get("state")
	if resp := b.Callback(testkit.Must(url.Parse(testkit.AppURL + "/connect?connect_code=x&state=" + login))); resp.Status != 400 {
		t.Errorf("state of a login: %d", resp.Status)
	}
	state := e.begun(b, "/connect?connection=google-oauth2").Query().Get("state")
	if resp := b.Callback(testkit.Must(url.Parse(testkit.AppURL + "/auth/callback?code=x&state=" + state))); resp.Status != 303 || resp.Header.Get("Location") != "/" {
		t.Errorf("state of an account: %d to %q, want what a stale callback gets", resp.Status, resp.Header.Get("Location"))
	}
}

// TestConnectAccountAgain: after an outage of the tenant the page can be loaded again.
// After an error of the tenant it shows the error again.
func TestConnectAccountAgain(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	b := e.Browser().MustLogin()
	back := e.begun(b, "/connect?connection=google-oauth2&returnTo=/private")
	e.Tenant.Fail(testkit.MyAccountEndpoint, 503)
	if resp := b.Callback(back); resp.Status != 503 {
		t.Errorf("down: %d", resp.Status)
	}
	e.Tenant.Fail(testkit.MyAccountEndpoint, 0)
	if resp := b.Callback(back); resp.Status != 303 || resp.Header.Get("Location") != "/private" {
		t.Errorf("up again: %d to %q; %s", resp.Status, resp.Header.Get("Location"), resp.Body)
	}
	e.Tenant.DenyNext("access_denied", "User did not authorize the request")
	back = e.begun(b, "/connect?connection=google-oauth2")
	for range 2 {
		if resp := b.Callback(back); resp.Status != 403 || !strings.Contains(resp.Body, "you canceled or this is not allowed") {
			t.Errorf("cancelled: %d %s", resp.Status, resp.Body)
		}
	}
}

// TestConnectAccountAfterLogin: a user whose session has ended meanwhile logs in,
// and then the account is connected.
func TestConnectAccountAfterLogin(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.CallbackURLs = append(c.CallbackURLs, testkit.AppURL+"/guarded") }); err != nil {
		t.Fatal(err)
	}
	e.Mux.Handle("/guarded", e.Strategy.RequireLogin(e.Strategy.ConnectAccountHandler()))
	b := e.Browser().MustLogin()
	back := b.AtTenant(press(b, "/guarded?connection=google-oauth2&returnTo=/private").Location(t))
	for name := range b.Cookies {
		if strings.Contains(name, "session") {
			delete(b.Cookies, name)
		}
	}
	resp := b.Callback(back)
	if resp.Status != 302 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	resp = b.Login(resp.Location(t).String())
	if resp = b.Callback(resp.Location(t)); resp.Status != 303 || resp.Header.Get("Location") != "/private" {
		t.Errorf("%d to %q: %s", resp.Status, resp.Header.Get("Location"), resp.Body)
	}
	if b.Page("/accounts"); e.err != nil || len(e.list) != 1 {
		t.Errorf("%v, %+v", e.err, e.list)
	}
}

// addAccounts gives Ada accounts at a connection.
func (e *accountEnv) addAccounts(connection string, n int) {
	e.T.Helper()
	for i := range n {
		e.clock.Add(1)
		if err := e.Tenant.ConnectAccount("ada@acme.example", testkit.ConnectedAccount{Connection: connection, Email: fmt.Sprintf("ada%d@gmail.example", i), AccessToken: "simulated-x", Scope: "openid calendar"}); err != nil {
			e.T.Fatal(err)
		}
	}
}

// TestConnectedAccounts lists all pages, or none.
func TestConnectedAccounts(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	if e.Browser().Page("/accounts"); !errors.Is(e.err, auth0.ErrNoSession) || len(e.requests) != 0 {
		t.Errorf("anonymous: %v", e.err)
	}
	b := e.Browser().MustLogin()
	if b.Page("/accounts"); e.err != nil || len(e.list) != 0 {
		t.Errorf("none: %v, %+v", e.err, e.list)
	}
	e.addAccounts("google-oauth2", 1)
	if b.Page("/accounts"); e.err != nil || len(e.list) != 1 || !strings.HasPrefix(e.list[0].ID, "cac_") || e.list[0].Connection != "google-oauth2" || e.list[0].AccessType != "offline" ||
		!slices.Equal(e.list[0].Scopes, []string{"openid", "calendar"}) || e.list[0].CreatedAt.Sub(e.clock.Now()).Abs() > time.Second || !e.list[0].ExpiresAt.IsZero() {
		t.Errorf("%v, %+v", e.err, e.list)
	}
	e.addAccounts("google-oauth2", 30)
	e.addAccounts("legacy-accounts", 15)
	e.requests = nil
	if b.Page("/accounts"); e.err != nil || len(e.list) != 45 || len(e.requests) != 3 || e.requests[0] != "GET accounts?take=20" || e.requests[1] != "GET accounts?from="+e.list[19].ID+"&take=20" {
		t.Errorf("%v, %d, %q", e.err, len(e.list), e.requests)
	}
	e.Tenant.LimitRate(testkit.MyAccountEndpoint, 2, time.Hour)
	b.Page("/accounts")
	if got, ok := errors.AsType[*auth0.Error](e.err); !ok || got.TenantStatus != 429 || got.RetryAfter < 59*time.Minute || got.Op != "accounts" || e.list != nil {
		t.Errorf("too many: %+v, %d", e.err, len(e.list))
	}
	e.Tenant.LimitRate(testkit.MyAccountEndpoint, 0, 0)

	second := "GET accounts?from=" + strings.TrimPrefix(e.requests[1], "GET accounts?from=")
	for why, answer := range map[string]string{
		"fails":   `503 <html>`,
		"no JSON": `200 <html>`,
		"gone":    `400 {"type":"https://auth0.com/api-errors#A0E-400-0003","status":400}`,
	} {
		e.says(second, answer)
		if b.Page("/accounts"); e.err == nil || e.list != nil {
			t.Errorf("%s: %v", why, e.list)
		}
	}
	// Pages without end, and one that leads back.
	e.requests = nil
	e.answer = func(string) string { return fmt.Sprintf(`200 {"accounts":[],"next":"p%d"}`, len(e.requests)) }
	if b.Page("/accounts"); e.err == nil || len(e.requests) != 100 {
		t.Errorf("%v after %d requests", e.err, len(e.requests))
	}
	e.requests = nil
	e.answer = func(string) string { return fmt.Sprintf(`200 {"accounts":[],"next":"p%d"}`, len(e.requests)%2) }
	if b.Page("/accounts"); e.err == nil || len(e.requests) != 3 {
		t.Errorf("pages in a circle: %v after %d requests", e.err, len(e.requests))
	}
	if !b.LoggedIn() {
		t.Error("logged out")
	}
}

// TestDisconnectAccount disconnects all accounts of a connection, and reports which
// ones remain.
func TestDisconnectAccount(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	if e.Browser().Page("/disconnect?connection=google-oauth2"); !errors.Is(e.err, auth0.ErrNoSession) {
		t.Errorf("anonymous: %v", e.err)
	}
	b := e.Browser().MustLogin()
	if b.Page("/disconnect?connection=none"); e.err != nil {
		t.Errorf("none: %v", e.err)
	}
	for _, name := range []string{"", "a b"} {
		b.Page("/disconnect?connection=" + url.QueryEscape(name))
		if got, ok := errors.AsType[*auth0.Error](e.err); !ok || got.Status != 400 || got.Reason != "invalid_connection" {
			t.Errorf("%q: %v", name, e.err)
		}
	}
	e.addAccounts("google-oauth2", 3)
	e.addAccounts("legacy-accounts", 1)
	b.Page("/accounts")
	ids := []string{e.list[0].ID, e.list[1].ID, e.list[2].ID}

	e.requests = nil
	e.says("DELETE accounts/"+ids[1], "500 ")
	b.Page("/disconnect?connection=google-oauth2")
	if e.err == nil || !strings.Contains(e.err.Error(), ids[1]) || strings.Contains(e.err.Error(), ids[0]) || strings.Contains(e.err.Error(), ids[2]) {
		t.Errorf("one remains: %v", e.err)
	}
	if want := []string{"GET accounts?connection=google-oauth2&take=20", "DELETE accounts/" + ids[0], "DELETE accounts/" + ids[1], "DELETE accounts/" + ids[2]}; !slices.Equal(e.requests, want) {
		t.Errorf("requests %q", e.requests)
	}
	// Another request was faster: the account is disconnected, as requested.
	e.says("DELETE accounts/"+ids[1], `404 {"type":"https://auth0.com/api-errors#A0E-404-0001","title":"Not Found","status":404}`)
	if b.Page("/disconnect?connection=google-oauth2"); e.err != nil {
		t.Errorf("gone already: %v", e.err)
	}
	e.saysNothing()
	if b.Page("/disconnect?connection=google-oauth2"); e.err != nil {
		t.Error(e.err)
	}
	if resp := b.Page("/disconnect?connection=google-oauth2"); len(resp.SetCookies(t)) != 0 {
		t.Error("the session is written, though nothing in it has changed")
	}
	if b.Page("/accounts"); e.err != nil || len(e.list) != 1 || e.list[0].Connection != "legacy-accounts" {
		t.Errorf("%v, %+v", e.err, e.list)
	}
	// A tenant that does not filter must not cost other accounts.
	e.says("GET accounts?connection=none&take=20", fmt.Sprintf(`200 {"accounts":[{"id":%q,"connection":"legacy-accounts"}]}`, e.list[0].ID))
	e.requests = nil
	if b.Page("/disconnect?connection=none"); e.err != nil || len(e.requests) != 1 {
		t.Errorf("%v, %q", e.err, e.requests)
	}
	if !b.LoggedIn() {
		t.Error("logged out")
	}
}

// TestAccountsWantAnotherLogin: when the My Account API requires another login, the
// login route starts one, although the session has a refresh token.
func TestAccountsWantAnotherLogin(t *testing.T) {
	t.Parallel()
	const denied = `403 {"error":"access_denied"}`
	for _, tt := range []struct {
		why, request string
		ask          func(e *accountEnv, b *testkit.Browser)
	}{
		{"list", "GET accounts?take=20", func(_ *accountEnv, b *testkit.Browser) { b.Page("/accounts") }},
		{"disconnect", "GET accounts?connection=google-oauth2&take=20", func(_ *accountEnv, b *testkit.Browser) { b.Page("/disconnect?connection=google-oauth2") }},
		{"disconnect one", "DELETE accounts/", func(e *accountEnv, b *testkit.Browser) {
			e.addAccounts("google-oauth2", 1)
			b.Page("/disconnect?connection=google-oauth2")
		}},
		{"connect", "POST connect", func(e *accountEnv, b *testkit.Browser) {
			if resp := press(b, "/connect?connection=google-oauth2"); resp.Status == 401 {
				e.err = auth0.ErrTokenExpired
			}
		}},
		{"complete", "POST complete", func(e *accountEnv, b *testkit.Browser) {
			if resp := b.Callback(e.begun(b, "/connect?connection=google-oauth2")); resp.Status == 401 {
				e.err = auth0.ErrTokenExpired
			}
		}},
	} {
		testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
			e := newAccountEnv(t, edit)
			b := e.Browser().MustLogin()
			if to := b.Page("/auth/login?returnTo=/private").Header.Get("Location"); to != "/private" {
				t.Errorf("%s: a session with good tokens is sent to %q", tt.why, to)
			}
			e.answer = func(request string) string {
				if strings.HasPrefix(request, tt.request) {
					return denied
				}
				return ""
			}
			if tt.ask(e, b); !errors.Is(e.err, auth0.ErrTokenExpired) {
				t.Fatalf("%s: %v, requests %q", tt.why, e.err, e.requests)
			}
			b.Login("/auth/login?returnTo=/private") // fails if it does not lead to the tenant
			if to := b.Page("/auth/login?returnTo=/private").Header.Get("Location"); to != "/private" {
				t.Errorf("%s: the new session is sent to %q", tt.why, to)
			}
		})
	}
}

// TestDisconnectAndStoreFails: two operations fail, and the error reports both.
func TestDisconnectAndStoreFails(t *testing.T) {
	t.Parallel()
	store := testkit.NewWatchedStore()
	e := newAccountEnv(t, store.Use)
	b := e.Browser().MustLogin()
	e.addAccounts("google-oauth2", 1)
	b.Page("/accounts")
	b.Page("/third")
	if e.err != nil {
		t.Fatal(e.err)
	}
	id := e.list[0].ID
	e.answer = func(request string) string {
		if !strings.HasPrefix(request, "DELETE") {
			return ""
		}
		store.BreakWith("commit", errors.New("disk full"))
		return "500 "
	}
	b.Page("/disconnect?connection=google-oauth2")
	if e.err == nil || !strings.Contains(e.err.Error(), id) || !strings.Contains(e.err.Error(), "disk full") {
		t.Errorf("%v", e.err)
	}
}

// TestAccountsForgetTokens: a token of the session is not used any more when its
// account is disconnected, or connected anew.
func TestAccountsForgetTokens(t *testing.T) {
	t.Parallel()
	testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newAccountEnv(t, edit)
		e.Mux.HandleFunc("GET /other", func(w http.ResponseWriter, r *http.Request) {
			_, e.err = e.Strategy.AccessToken(w, r, auth0.ForConnection("legacy-accounts"))
		})
		b := e.Browser().MustLogin()
		e.addAccounts("google-oauth2", 1)
		e.addAccounts("legacy-accounts", 1)
		asks := func(path string) int {
			t.Helper()
			before := e.Tenant.Calls(testkit.TokenEndpoint)
			if b.Page(path); e.err != nil {
				t.Errorf("%s: %v", path, e.err)
			}
			return e.Tenant.Calls(testkit.TokenEndpoint) - before
		}
		asks("/third")
		asks("/other")
		if asks("/third") != 0 || asks("/other") != 0 {
			t.Error("tokens are not kept")
		}
		first := e.token
		back := e.begun(b, "/connect?connection=google-oauth2")
		if asks("/third") != 0 || e.token != first {
			t.Error("a token is forgotten before there is another account")
		}
		if resp := b.Callback(back); resp.Status != 303 {
			t.Fatal(resp.Status, resp.Body)
		}
		if asks("/third") != 1 || e.token == first {
			t.Errorf("the token of before is still used")
		}
		b.Page("/disconnect?connection=google-oauth2")
		before := e.Tenant.Calls(testkit.TokenEndpoint)
		if b.Page("/third"); !errors.Is(e.err, auth0.ErrNotConnected) || e.Tenant.Calls(testkit.TokenEndpoint) != before+1 {
			t.Errorf("the token is still there: %v", e.err)
		}
		if asks("/other") != 0 {
			t.Error("another connection has lost its token")
		}
		if b.Page("/accounts"); e.Tenant.Calls(testkit.TokenEndpoint) != before+1 {
			t.Error("the token for the accounts is lost")
		}
	})
}

// TestDisconnectKeepsData: data that the same response has saved before stay.
func TestDisconnectKeepsData(t *testing.T) {
	t.Parallel()
	testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newAccountEnv(t, edit)
		e.Mux.HandleFunc("GET /both", func(w http.ResponseWriter, r *http.Request) {
			session := testkit.Must(e.Strategy.Session(r))
			session.Data["album"] = "Ferries"
			if err := errors.Join(e.Strategy.SaveSession(w, r, session), e.Strategy.DisconnectAccount(w, r, "google-oauth2")); err != nil {
				t.Error(err)
			}
		})
		b := e.Browser().MustLogin()
		e.addAccounts("google-oauth2", 1)
		b.Page("/accounts")
		b.Page("/third")
		b.Page("/both")
		var got string
		e.Mux.HandleFunc("GET /data", func(w http.ResponseWriter, r *http.Request) { got = testkit.Must(e.Strategy.Session(r)).Data["album"] })
		if b.Page("/data"); got != "Ferries" {
			t.Errorf("data %q", got)
		}
	})
}

// TestConnectBelowAPrefix: the answer comes to the path of the request, and not to the
// path that a router has made of it.
func TestConnectBelowAPrefix(t *testing.T) {
	t.Parallel()
	e := newAccountEnv(t)
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
		c.CallbackURLs = append(c.CallbackURLs, testkit.AppURL+"/area/connect")
	}); err != nil {
		t.Fatal(err)
	}
	e.Mux.Handle("/area/", http.StripPrefix("/area", e.Strategy.ConnectAccountHandler("openid")))
	b := e.Browser().MustLogin()
	back := e.begun(b, "/area/connect?connection=google-oauth2&returnTo=/private")
	if back.Path != "/area/connect" {
		t.Fatalf("the answer goes to %s", back)
	}
	if resp := b.Callback(back); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" {
		t.Errorf("%d to %q: %s", resp.Status, resp.Header.Get("Location"), resp.Body)
	}
}
