package connect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/accounts"
	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/signin"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

const origin, issuer = "https://app.example", "https://tenant.example/"

var now = time.Unix(2_000_000_000, 0)

func clock() time.Time { return now }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An env is one application, its tenant, and a browser.
type env struct {
	*testing.T
	*Routes
	manager *session.Manager
	cookies []*http.Cookie // of the browser
	// answers are a status and a document for each kind of request. An absent one stands
	// for a failed connection.
	answers  map[string]string
	requests []string
	body     map[string]any // of the last request
	writes   error          // of the store
}

// A store can be down for writing.
type store struct {
	session.Store
	e *env
}

func (s store) Commit(key string, value []byte, expiry time.Time) error {
	if s.e.writes != nil {
		return s.e.writes
	}
	return s.Store.Commit(key, value, expiry)
}

// RoundTrip answers a request to the My Account API.
func (e *env) RoundTrip(r *http.Request) (*http.Response, error) {
	path, found := strings.CutPrefix(r.URL.String(), issuer+"me/v1/connected-accounts/")
	if !found || r.Header.Get("Authorization") != "Bearer ada's token" {
		e.Errorf("a request to %s with %q", r.URL, r.Header.Get("Authorization"))
	}
	request := r.Method + " " + path
	e.requests = append(e.requests, request)
	e.body = nil
	if r.Body != nil {
		if err := json.NewDecoder(r.Body).Decode(&e.body); err != nil {
			e.Error(err)
		}
	}
	status, document, _ := strings.Cut(e.answers[strings.SplitN(request, "?", 2)[0]], " ")
	code := 0
	if _, err := fmt.Sscan(status, &code); err != nil {
		return nil, errors.New("no connection")
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(document))}, nil
}

const accepted = `201 {"auth_session":"the session","connect_uri":"https://tenant.example/connect","connect_params":{"ticket":"t1"}}`

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{T: t, answers: map[string]string{"POST connect": accepted, "POST complete": "201 {}"}}
	log := slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))
	ring := must(seal.New([]string{"an example of a secret for the tests of connect"}))
	names := cookie.NewNames(cookie.Cookie{Name: "app_session", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode}, false)
	client := &provider.Client{
		ID: "client", Auth: clientauth.WithSecret("client_secret_post", "the client's secret"),
		Tenant: &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}, HTTP: &http.Client{Transport: e}, Now: clock,
	}
	e.manager = session.New(session.Config{
		Cookies: names, Keyring: ring, Client: "client", Idle: 10 * time.Hour, Absolute: 100 * time.Hour, Now: clock, Log: log,
		Store: store{session.NewMemory(10), e},
	})
	where := site.New(site.Config{BaseURL: origin, DefaultReturnTo: "/home", Log: log}, func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) })
	visits := &visit.Visits{
		Cookies: names, Sessions: e.manager, Origin: where.Origin, Log: log,
		Tokens: renew.New(renew.Config{Sessions: e.manager, Stored: true, Client: client, Now: clock, Log: log}),
		Marks:  visit.Marks{Cookies: names, Keyring: ring, Now: clock, Log: log, Silent: &atomic.Bool{}},
	}
	row := func(err error) refusal.Row {
		if r, ok := errors.AsType[*refusal.Refusal](err); ok {
			return r.Row
		}
		return refusal.Internal
	}
	flow := login.NewFlow(login.Config{
		Client: client, IDTokens: &idtoken.Verifier{ClientID: "client", Now: clock}, ResponseType: "code", ResponseMode: "query", Scopes: []string{"openid"}, Now: clock,
	})
	e.Routes = &Routes{Site: where, Visits: visits, Flow: flow, Row: row, Signin: signin.New(signin.Config{
		Site: where, Visits: visits, Flow: flow, Row: row, Now: clock, Log: log,
		Transactions: &transaction.Jar{Cookies: names, Keyring: ring, Issuer: issuer, ClientID: "client", Life: time.Hour, Now: clock},
		Links:        authrequest.Links{Known: func(string, string) bool { return false }, Ignored: func(string, error) {}},
	})}
	return e
}

// logIn begins the session of a user with a token for the My Account API and one of a
// third party.
func (e *env) logIn(subject string) {
	e.Helper()
	c := jwt.Claims{Issuer: issuer, Subject: subject, IssuedAt: float64(now.Unix())}
	record := must(session.NewRecord(&c, 0, now))
	record.SetIdentity(&c, "{}", "")
	record.Tokens = []session.Token{{
		Audience: accounts.Audience(issuer), Asked: strings.Join(accounts.Scopes(), " "), Token: subject + "'s token", ExpiresAt: now.Unix() + 600,
	}}
	record.Vault = []session.Token{{Connection: "google", Token: "google's", ExpiresAt: now.Unix() + 600}}
	w := httptest.NewRecorder()
	if err := e.manager.Begin(e.Context(), w, must(e.Visits.Loaded(e.request("GET", "/", nil))), record); err != nil {
		e.Fatal(err)
	}
	e.take(w)
}

// take applies the cookies of a response.
func (e *env) take(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		e.cookies = slices.DeleteFunc(e.cookies, func(o *http.Cookie) bool { return o.Name == c.Name })
		if c.MaxAge >= 0 {
			e.cookies = append(e.cookies, c)
		}
	}
}

// request returns a request of the browser. A form is posted from a page of the site.
func (e *env) request(method, target string, form url.Values, header ...string) *http.Request {
	r := httptest.NewRequest(method, origin+target, strings.NewReader(form.Encode())).WithContext(e.Context())
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, c := range e.cookies {
		r.AddCookie(c)
	}
	return e.Visits.Prepare(r)
}

// serve has the route answer a request.
func (e *env) serve(r *http.Request, scopes ...string) (*httptest.ResponseRecorder, error) {
	w := httptest.NewRecorder()
	err := e.Connect(w, r, scopes)
	e.take(w)
	return w, err
}

var google = url.Values{"connection": {"google"}, "returnTo": {"/calendar"}}

// start starts with a form and returns the state of the transaction.
func (e *env) start() string {
	e.Helper()
	if _, err := e.serve(e.request("POST", "/connect", google), "calendar"); err != nil {
		e.Fatal(err)
	}
	return e.body["state"].(string)
}

func (e *env) back(state, query string) (*httptest.ResponseRecorder, error) {
	return e.serve(e.request("GET", "/connect?state="+state+query, nil))
}

// vault returns how many tokens of third parties the session has.
func (e *env) vault() int {
	e.Helper()
	return len(must(e.Visits.Record(e.request("GET", "/", nil))).Vault)
}

func (e *env) loginDue() bool {
	return must(e.Visits.Record(e.request("GET", "/", nil))).LoginDue
}

// expect compares the row of a refusal and looks for a text in its cause.
func expect(t *testing.T, why string, err error, want refusal.Row, cause string) {
	t.Helper()
	got, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || got.Row != want || !strings.Contains(got.Error(), cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want, cause)
	}
}

// TestConnect: the browser goes to the tenant and comes back, and the old token of the
// connection is gone.
func TestConnect(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.logIn("ada")
	w, err := e.serve(e.request("POST", "/connect?a=b", google), "calendar")
	if err != nil || w.Code != 303 || w.Header().Get("Location") != "https://tenant.example/connect?ticket=t1" {
		t.Fatalf("%d to %q, %v", w.Code, w.Header().Get("Location"), err)
	}
	if got := fmt.Sprintf("%v %v %v", e.body["connection"], e.body["redirect_uri"], e.body["scopes"]); got != "google https://app.example/connect [calendar]" {
		t.Errorf("the request is for %s", got)
	}
	state := e.body["state"].(string)
	w, err = e.back(state, "&connect_code=c1")
	if err != nil || w.Code != 303 || w.Header().Get("Location") != "/calendar" {
		t.Errorf("%d to %q, %v", w.Code, w.Header().Get("Location"), err)
	}
	if got := fmt.Sprintf("%v %v %v", e.body["auth_session"], e.body["connect_code"], e.body["redirect_uri"]); got != "the session c1 https://app.example/connect" {
		t.Errorf("completed with %s", got)
	}
	if e.vault() != 0 {
		t.Error("the session still has a token of the account before")
	}
	_, err = e.back(state, "&connect_code=c1")
	expect(t, "a second time", err, refusal.ConnectGone, "")
}

// TestConnectStarts has a row for each request that starts nothing.
func TestConnectStarts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		user   string
		method string
		target string
		form   url.Values
		header []string
		want   refusal.Row
		allow  string
	}{
		{"a link", "ada", "GET", "/connect?connection=google", nil, nil, refusal.Row{Status: 405, Code: refusal.Method.Code, Reason: refusal.Method.Reason, Description: refusal.CrossSiteConnect.Description}, "POST"},
		{"a form of another site", "ada", "POST", "/connect", google, []string{"Sec-Fetch-Site", "cross-site"}, refusal.CrossSiteConnect, ""},
		{"no session", "", "POST", "/connect", google, nil, refusal.LoginRequired, ""},
		{"no form", "ada", "POST", "/connect", google, []string{"Content-Type", "text/plain"}, refusal.LoginOption, ""},
		{"no connection", "ada", "POST", "/connect", url.Values{}, nil, refusal.InvalidConnection, ""},
		{"no name", "ada", "POST", "/connect", url.Values{"connection": {"a b"}}, nil, refusal.InvalidConnection, ""},
	} {
		e := newEnv(t)
		if row.user != "" {
			e.logIn(row.user)
		}
		w, err := e.serve(e.request(row.method, row.target, row.form, row.header...))
		expect(t, row.why, err, row.want, "")
		if len(e.requests) > 0 || w.Header().Get("Allow") != row.allow {
			t.Errorf("%s: requests %q, Allow %q", row.why, e.requests, w.Header().Get("Allow"))
		}
	}
	e := newEnv(t)
	for _, r := range []*http.Request{e.request("HEAD", "/connect", nil), e.request("GET", "/connect", nil, "Sec-Purpose", "prefetch")} {
		if w, err := e.serve(r); err != nil || w.Code != 204 {
			t.Errorf("%s: %d, %v", r.Method, w.Code, err)
		}
	}
}

// TestConnectFails: an open outcome keeps the transaction, a decided one does not.
func TestConnectFails(t *testing.T) {
	t.Parallel()
	denied := refusal.ConnectDenied
	denied.Code = "access_denied" // of the tenant
	for _, row := range []struct {
		why    string
		answer string // to the completion
		query  string
		before func(*env)
		want   refusal.Row
		again  bool // whether the same response can succeed later
	}{
		{why: "the user declines", query: "&error=access_denied", want: denied},
		{why: "no code", want: refusal.ConnectParameters},
		{why: "another user", query: "&connect_code=c", before: func(e *env) { e.logIn("bob") }, want: refusal.OtherUser},
		{why: "no session", query: "&connect_code=c", before: func(e *env) { e.cookies = e.cookies[1:] }, want: refusal.LoginRequired, again: true},
		{why: "the tenant is down", query: "&connect_code=c", answer: "503 ", want: refusal.TenantDown, again: true},
		{why: "the session needs a login", query: "&connect_code=c", answer: `401 {"error":"unauthorized"}`, want: refusal.SessionTokenExpired, again: true},
	} {
		e := newEnv(t)
		e.logIn("ada")
		session := e.cookies[0]
		state := e.start()
		e.answers["POST complete"] = row.answer
		if row.before != nil {
			row.before(e)
		}
		_, err := e.back(state, row.query)
		expect(t, row.why, err, row.want, "")
		failure, ok := errors.AsType[*transaction.Failure](err)
		if !ok || failure.ReturnTo != "/calendar" {
			t.Errorf("%s: the error is %T and not a failure with the page", row.why, err)
		}
		e.answers["POST complete"] = "201 {}"
		e.cookies = append(e.cookies, session)
		if _, err := e.back(state, "&connect_code=c"); (err == nil) != row.again {
			t.Errorf("%s: the second response: %v", row.why, err)
		}
	}
}

// TestConnectIsRefused: the tenant does not begin.
func TestConnectIsRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.logIn("ada")
	e.answers["POST connect"] = `403 {"error":"access_denied"}`
	_, err := e.serve(e.request("POST", "/connect", google))
	expect(t, "the user has to log in", err, refusal.SessionTokenExpired, "")
	if !e.loginDue() {
		t.Error("the session has no note of that")
	}
	for why, query := range map[string]string{"an unknown state": "?state=x", "a parameter twice": "?state=x&state=y"} {
		_, err := e.serve(e.request("GET", "/connect"+query, nil))
		want := refusal.ConnectGone
		if why == "a parameter twice" {
			want = refusal.ConnectParameters
		}
		expect(t, why, err, want, "")
	}
}

const list = `200 {"accounts":[{"id":"cac_1","connection":"google"},{"id":"cac_2","connection":"github"}]}`

// TestList lists the accounts of all connections.
func TestList(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	_, err := e.List(httptest.NewRecorder(), e.request("GET", "/", nil))
	expect(t, "no session", err, refusal.LoginRequired, "")
	e.logIn("ada")
	e.answers["GET accounts"] = list
	if got, err := e.List(httptest.NewRecorder(), e.request("GET", "/", nil)); err != nil || len(got) != 2 || got[1].ID != "cac_2" {
		t.Errorf("%+v, %v", got, err)
	}
	e.answers["GET accounts"] = `403 {"error":"access_denied"}`
	_, err = e.List(httptest.NewRecorder(), e.request("GET", "/", nil))
	expect(t, "the user has to log in", err, refusal.SessionTokenExpired, "")
	if !e.loginDue() {
		t.Error("the session has no note of that")
	}
}

// TestDisconnect disconnects the accounts of one connection. Both failures of one call are
// in its error.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	disconnect := func(e *env, connection string) error {
		return e.Disconnect(httptest.NewRecorder(), e.request("GET", "/", nil), connection)
	}
	e := newEnv(t)
	expect(t, "no name", disconnect(e, ""), refusal.InvalidConnection, "")
	expect(t, "no session", disconnect(e, "google"), refusal.LoginRequired, "")
	e.logIn("ada")
	expect(t, "no list", disconnect(e, "google"), refusal.TenantDown, "no connection")
	e.answers["GET accounts"] = list
	expect(t, "no answer", disconnect(e, "google"), refusal.TenantDown, "cac_1")

	e.logIn("ada")
	e.writes = errors.New("read-only store")
	err := disconnect(e, "google")
	expect(t, "neither tenant nor store", err, refusal.TenantDown, "cac_1")
	expect(t, "neither tenant nor store", err, refusal.TenantDown, "read-only store")

	e = newEnv(t)
	e.logIn("ada")
	e.answers["GET accounts"], e.answers["DELETE accounts/cac_1"] = list, "204 "
	e.writes = errors.New("read-only store")
	expect(t, "no store", disconnect(e, "google"), refusal.StoreWrite, "read-only store")
	e.writes, e.requests = nil, nil
	e.logIn("ada")
	if err := disconnect(e, "google"); err != nil || e.vault() != 0 {
		t.Errorf("%v; %d tokens", err, e.vault())
	}
	if got := strings.Join(e.requests, ", "); got != "GET accounts?connection=google&take=20, DELETE accounts/cac_1" {
		t.Errorf("requests %s", got)
	}
}
