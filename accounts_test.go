package auth0_test

import (
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

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/tenant"
)

const accountAudience = "https://" + tenantHost + "/me/"

// An accountEnv has a route that connects accounts, and a My Account API that
// answers as documented.
type accountEnv struct {
	*env
	requests []string
	bodies   []map[string]any
	answers  map[string]string // by method and path; "409 {...}"
	list     []auth0.ConnectedAccount
	err      error
}

func newAccountEnv(t *testing.T) *accountEnv {
	t.Helper()
	e := &accountEnv{answers: map[string]string{
		"POST connect":  `201 {"auth_session":"PKM-CYkdx2FyLb4Oob4ED91cSE7i_XJ4SVJByik0xKQxz9CgUZ5JlYr-aMPty0Xr","connect_uri":"https://acme.auth0.example/connected-accounts/connect","connect_params":{"ticket":"9375f326-5846-4b57-ae8b-8042573f7c1f"},"expires_in":300}`,
		"POST complete": `201 {"id":"cac_6ZqSK7Kj1R8LDZJvSb1tAn","connection":"google-oauth2","access_type":"offline","scopes":["openid","https://www.googleapis.com/auth/calendar"],"created_at":"2025-10-13T21:09:04.126Z"}`,
		"GET accounts":  `200 {"accounts":[{"id":"cac_6ZqSK7Kj1R8LDZJvSb1tAn","connection":"google-oauth2","access_type":"offline","scopes":["openid"],"created_at":"2025-10-13T21:09:04.126Z"}]}`,
	}}
	api := func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/me/v1/connected-accounts/")
		e.requests = append(e.requests, r.Method+" "+path+"?"+r.URL.RawQuery)
		var body map[string]any
		text, _ := io.ReadAll(r.Body)
		json.Unmarshal(text, &body)
		e.bodies = append(e.bodies, body)
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") {
			t.Errorf("Authorization %.20q", r.Header.Get("Authorization"))
		}
		answer := e.answers[r.Method+" "+path+"?"+r.URL.RawQuery]
		if answer == "" {
			answer = e.answers[r.Method+" "+path]
		}
		status, document, ok := strings.Cut(answer, " ")
		if !ok {
			status, document = "404", `{"type":"https://auth0.com/api-errors#A0E-404-0001","title":"Not Found","status":404,"detail":"no such account"}`
		}
		code := 0
		fmt.Sscan(status, &code)
		w.WriteHeader(code)
		fmt.Fprint(w, document)
	}
	e.env = newEnv(t, func(c *auth0.Config) {
		c.Audience, c.Scopes = testAudience, []string{"openid", "profile", "email", "offline_access"}
		inner := c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/me/") {
				return hosts{tenantHost: http.HandlerFunc(api)}.RoundTrip(r)
			}
			return inner.RoundTrip(r)
		})}
	})
	if err := errors.Join(
		e.tenant.AddAPI(tenant.API{Audience: accountAudience, Scopes: []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}, AllowOfflineAccess: true}),
		e.tenant.EditClient(testClientID, func(c *tenant.Client) {
			c.RefreshTokenPolicies = []tenant.ClientGrant{{Audience: accountAudience, Scopes: []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}}}
		})); err != nil {
		t.Fatal(err)
	}
	e.mux.Handle("/connect", e.strategy.ConnectAccountHandler("openid", "https://www.googleapis.com/auth/calendar"))
	e.mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) { e.list, e.err = e.strategy.ConnectedAccounts(w, r) })
	e.mux.HandleFunc("GET /disconnect", func(w http.ResponseWriter, r *http.Request) {
		e.err = e.strategy.DisconnectAccount(w, r, r.FormValue("connection"))
	})
	return e
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// begun goes to the tenant and returns the URL that the browser comes back to.
func (e *accountEnv) begun(b *browser, path string) *url.URL {
	e.t.Helper()
	resp := b.page(path)
	if resp.status != 303 || resp.header.Get("Location") != "https://acme.auth0.example/connected-accounts/connect?ticket=9375f326-5846-4b57-ae8b-8042573f7c1f" {
		e.t.Fatalf("%d to %s: %s", resp.status, resp.header.Get("Location"), resp.body)
	}
	state, _ := e.bodies[len(e.bodies)-1]["state"].(string)
	return must(url.Parse(appBase + "/connect?connect_code=c0de&state=" + state))
}

// TestConnectAccount goes there and back.
func TestConnectAccount(t *testing.T) {
	e := newAccountEnv(t)
	b := e.browser().mustLogin()
	back := e.begun(b, "/connect?connection=google-oauth2&returnTo=/private")
	body := e.bodies[0]
	challenge, _ := body["code_challenge"].(string)
	if body["connection"] != "google-oauth2" || body["redirect_uri"] != appBase+"/connect" || len(challenge) != 43 || body["code_challenge_method"] != "S256" || fmt.Sprint(body["scopes"]) != "[openid https://www.googleapis.com/auth/calendar]" {
		t.Errorf("body %v", body)
	}
	if form := e.tenant.LastTokenRequest(); form.Get("audience") != accountAudience || form.Get("grant_type") != "refresh_token" {
		t.Errorf("token request %v", form)
	}
	if n := len(b.transactions()); n != 1 {
		t.Errorf("%d transactions", n)
	}
	resp := b.callback(back)
	if resp.status != 303 || resp.header.Get("Location") != "/private" || len(b.transactions()) != 0 || !b.loggedIn() {
		t.Errorf("%d to %q, transactions %q", resp.status, resp.header.Get("Location"), b.transactions())
	}
	body = e.bodies[1]
	if verifier, _ := body["code_verifier"].(string); body["auth_session"] != "PKM-CYkdx2FyLb4Oob4ED91cSE7i_XJ4SVJByik0xKQxz9CgUZ5JlYr-aMPty0Xr" || body["connect_code"] != "c0de" || body["redirect_uri"] != appBase+"/connect" || s256(verifier) != challenge {
		t.Errorf("body %v", body)
	}
	if resp := b.callback(back); resp.status != 400 || len(e.requests) != 2 {
		t.Errorf("a second time: %d, %q", resp.status, e.requests)
	}
	for target, want := range map[string]string{"https://evil.example/": "/", "//evil.example": "/", "/x?y=1": "/x?y=1"} {
		resp := b.callback(e.begun(b, "/connect?connection=google-oauth2&returnTo="+url.QueryEscape(target)))
		if resp.header.Get("Location") != want {
			t.Errorf("returnTo %q leads to %q", target, resp.header.Get("Location"))
		}
	}
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestConnectAccountRefused: what begins nothing.
func TestConnectAccountRefused(t *testing.T) {
	e := newAccountEnv(t)
	b := e.browser().mustLogin()
	for _, tt := range []struct {
		why    string
		who    *browser
		method string
		path   string
		header []string
		status int
	}{
		{"anonymous", e.browser(), "GET", "/connect?connection=google-oauth2", asNavigation, 401},
		{"no connection", b, "GET", "/connect", asNavigation, 400},
		{"no name", b, "GET", "/connect?connection=a%20b", asNavigation, 400},
		{"from another site", b, "GET", "/connect?connection=google-oauth2", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site"}, 403},
		{"form of another site", b, "POST", "/connect?connection=google-oauth2", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"image", b, "GET", "/connect?connection=google-oauth2", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin"}, 403},
		{"method", b, "PUT", "/connect?connection=google-oauth2", nil, 405},
		{"ahead of time", b, "GET", "/connect?connection=google-oauth2", append(slices.Clone(asNavigation), "Sec-Purpose", "prefetch"), 204},
	} {
		if resp := tt.who.do(tt.method, tt.path, nil, tt.header...); resp.status != tt.status {
			t.Errorf("%s: %d %s", tt.why, resp.status, resp.body)
		}
	}
	if len(e.requests) != 0 || len(b.transactions()) != 0 {
		t.Errorf("requests %q", e.requests)
	}
	for _, tt := range []struct {
		answer string
		status int
	}{
		{`401 {"type":"https://auth0.com/api-errors#A0E-401-0002","title":"Unauthorized","status":401,"detail":"Invalid token"}`, 502},
		{`429 {"type":"x","status":429}`, 502},
		{`500 <html>`, 502},
		{`201 {"auth_session":"x","connect_uri":"http://evil.example/","connect_params":{"ticket":"t"}}`, 502},
		{`201 {"connect_uri":"https://acme.auth0.example/","connect_params":{"ticket":"t"}}`, 502},
		{`201 <html>`, 502},
	} {
		e.answers["POST connect"] = tt.answer
		if resp := b.page("/connect?connection=google-oauth2"); resp.status != tt.status || resp.header.Get("Location") != "" || len(b.transactions()) != 0 {
			t.Errorf("%s: %d", tt.answer, resp.status)
		}
	}
	if !strings.Contains(e.log.String(), "A0E-401-0002") {
		t.Error("the log does not say what the tenant has said")
	}
	noRefresh := newEnv(t)
	noRefresh.mux.Handle("/connect", noRefresh.strategy.ConnectAccountHandler())
	if resp := noRefresh.browser().mustLogin().page("/connect?connection=google-oauth2"); resp.status != 401 {
		t.Errorf("without refresh token: %d %s", resp.status, resp.body)
	}
}

// TestConnectAccountComesBack in all the ways that are no success; the session
// stays.
func TestConnectAccountComesBack(t *testing.T) {
	e := newAccountEnv(t)
	for _, tt := range []struct {
		why    string
		edit   func(url.Values)
		answer string
		status int
	}{
		{"cancelled", func(q url.Values) { q.Del("connect_code"); q.Set("error", "access_denied") }, "", 403},
		{"error", func(q url.Values) { q.Del("connect_code"); q.Set("error", "server_error") }, "", 400},
		{"no code", func(q url.Values) { q.Del("connect_code") }, "", 400},
		{"two codes", func(q url.Values) { q.Add("connect_code", "x") }, "", 400},
		{"another state", func(q url.Values) { q.Set("state", "x") }, "", 400},
		{"connected already", func(url.Values) {}, `409 {"type":"https://auth0.com/api-errors#A0E-409-0001","status":409}`, 303},
		{"refused", func(url.Values) {}, `400 {"type":"https://auth0.com/api-errors#A0E-400-0003","status":400,"detail":"bad connect_code"}`, 502},
	} {
		if e.answers["POST complete"] = tt.answer; tt.answer == "" {
			e.answers["POST complete"] = "201 {}"
		}
		b := e.browser().mustLogin()
		back := e.begun(b, "/connect?connection=google-oauth2")
		query := back.Query()
		tt.edit(query)
		back.RawQuery = query.Encode()
		if resp := b.callback(back); resp.status != tt.status || !b.loggedIn() {
			t.Errorf("%s: %d %s", tt.why, resp.status, resp.body)
		}
	}
	e.answers["POST complete"] = "201 {}"

	// Somebody else has logged in meanwhile.
	b := e.browser().mustLogin()
	back := e.begun(b, "/connect?connection=google-oauth2")
	e.as("bob@acme.example")
	b.login("/auth/login?prompt=login")
	requests := len(e.requests)
	if resp := b.callback(back); resp.status != 403 || len(e.requests) != requests {
		t.Errorf("Bob comes back for Ada: %d", resp.status)
	}
	// Another browser, and one that has logged out.
	back = e.begun(b, "/connect?connection=google-oauth2")
	if resp := e.browser().callback(back); resp.status != 400 {
		t.Errorf("another browser: %d", resp.status)
	}
	for name := range b.cookies {
		if strings.Contains(name, "session") {
			delete(b.cookies, name)
		}
	}
	if resp := b.callback(back); resp.status != 401 {
		t.Errorf("logged out: %d", resp.status)
	}
	// The answer to a login is none to this, nor the other way round.
	b = e.browser().mustLogin()
	login := b.begin("/auth/login?prompt=login").Query().Get("state")
	if resp := b.callback(must(url.Parse(appBase + "/connect?connect_code=x&state=" + login))); resp.status != 400 {
		t.Errorf("state of a login: %d", resp.status)
	}
	state := e.begun(b, "/connect?connection=google-oauth2").Query().Get("state")
	if resp := b.callback(must(url.Parse(appBase + "/auth/callback?code=x&state=" + state))); resp.status != 303 || resp.header.Get("Location") != "/" {
		t.Errorf("state of an account: %d to %q, want what a stale callback gets", resp.status, resp.header.Get("Location"))
	}
}

// TestConnectedAccounts lists, and takes back.
func TestConnectedAccounts(t *testing.T) {
	e := newAccountEnv(t)
	if e.browser().page("/accounts"); !errors.Is(e.err, auth0.ErrNoSession) {
		t.Errorf("anonymous: %v", e.err)
	}
	b := e.browser().mustLogin()
	if b.page("/accounts"); e.err != nil || len(e.list) != 1 || e.list[0].ID != "cac_6ZqSK7Kj1R8LDZJvSb1tAn" || e.list[0].AccessType != "offline" || e.list[0].CreatedAt.Year() != 2025 || !e.list[0].ExpiresAt.IsZero() {
		t.Errorf("%v, %+v", e.err, e.list)
	}
	account := func(id, connection string) string {
		return fmt.Sprintf(`{"id":%q,"connection":%q,"access_type":"offline","scopes":[]}`, id, connection)
	}
	e.answers["GET accounts?take=20"] = `200 {"accounts":[` + account("cac_1", "a") + `],"next":"p2"}`
	e.answers["GET accounts?from=p2&take=20"] = `200 {"accounts":[` + account("cac_2", "a") + `],"next":"p3"}`
	e.answers["GET accounts?from=p3&take=20"] = `200 {"accounts":[` + account("cac_3", "b") + `]}`
	if b.page("/accounts"); e.err != nil || len(e.list) != 3 {
		t.Errorf("pages: %v, %+v", e.err, e.list)
	}
	for why, answer := range map[string]string{
		"goes round": `200 {"accounts":[],"next":"p2"}`,
		"fails":      `503 <html>`,
		"no JSON":    `200 <html>`,
	} {
		e.answers["GET accounts?from=p3&take=20"] = answer
		if b.page("/accounts"); e.err == nil || e.list != nil {
			t.Errorf("%s: %v", why, e.list)
		}
	}

	if b.page("/disconnect?connection=none"); e.err != nil {
		t.Errorf("none: %v", e.err)
	}
	e.answers["GET accounts?connection=a&take=20"] = `200 {"accounts":[` + account("cac_1", "a") + `,` + account("cac_2", "a") + `,` + account("cac_9", "b") + `]}`
	e.answers["DELETE accounts/cac_1"], e.answers["DELETE accounts/cac_2"] = "204 ", "204 "
	e.requests = nil
	if b.page("/disconnect?connection=a"); e.err != nil || !slices.Equal(e.requests, []string{"GET accounts?connection=a&take=20", "DELETE accounts/cac_1?", "DELETE accounts/cac_2?"}) {
		t.Errorf("%v, %q", e.err, e.requests)
	}
	e.answers["DELETE accounts/cac_1"] = "500 "
	if b.page("/disconnect?connection=a"); e.err == nil || !strings.Contains(e.err.Error(), "cac_1") || strings.Contains(e.err.Error(), "cac_2") {
		t.Errorf("one remains: %v", e.err)
	}
	if b.page("/disconnect?connection=" + url.QueryEscape("a b")); e.err == nil {
		t.Error("a name that is none")
	}
	if !b.loggedIn() {
		t.Error("logged out")
	}
}

// TestDisconnectForgets: a token that the session has is not used any more.
func TestDisconnectForgets(t *testing.T) {
	e := newAccountEnv(t)
	if err := e.tenant.ConnectAccount("ada@acme.example", tenant.ConnectedAccount{Connection: "google-oauth2", AccessToken: "ya29.first"}); err != nil {
		t.Fatal(err)
	}
	e.mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
		_, e.err = e.strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
	})
	b := e.browser().mustLogin()
	b.page("/third")
	before := e.tenant.Calls(tenant.Token)
	if b.page("/third"); e.err != nil || e.tenant.Calls(tenant.Token) != before {
		t.Errorf("%v", e.err)
	}
	e.answers["DELETE accounts/cac_6ZqSK7Kj1R8LDZJvSb1tAn"] = "204 "
	if b.page("/disconnect?connection=google-oauth2"); e.err != nil {
		t.Error(e.err)
	}
	before = e.tenant.Calls(tenant.Token)
	if b.page("/third"); e.tenant.Calls(tenant.Token) != before+1 {
		t.Error("the token is still there")
	}
}
