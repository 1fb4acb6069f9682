package emulator_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"html"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	issuer   = "https://acme.auth0.example/"
	base     = "https://acme.auth0.example"
	app      = "https://app.example"
	callback = "https://app.example/callback"
	api      = "https://api.example/"
	mgmt     = "https://acme.auth0.example/api/v2/"
	database = "Username-Password-Authentication"
	password = "a long password"
	mfaACR   = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
)

// The tenants of these tests read their keys from the file of the test kit, because
// generating them takes a fifth of a second.
func init() {
	keys, err := os.ReadFile("../testkit/keys.pem")
	if err != nil {
		panic(err)
	}
	var blocks []*pem.Block
	for block, rest := pem.Decode(keys); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	emulator.KeysFrom(func(i int) *rsa.PrivateKey {
		key, err := x509.ParsePKCS1PrivateKey(blocks[i].Bytes)
		if err != nil {
			panic(err)
		}
		return key
	})
}

// A clock is moved by tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newTenant returns a tenant with one application, one API, three connections
// and a user in each.
func newTenant(t *testing.T, edits ...func(*emulator.Config)) (*emulator.Tenant, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cfg := emulator.Config{Host: "acme.auth0.example", Now: c.Now}
	for _, edit := range edits {
		edit(&cfg)
	}
	tn, err := emulator.New(cfg)
	must(t, err)
	must(t, tn.AddConnection(emulator.Connection{Name: database, Strategy: "auth0"}))
	must(t, tn.AddConnection(emulator.Connection{Name: "google-oauth2", Strategy: "google-oauth2", Scope: []string{"email", "profile"}}))
	must(t, tn.AddConnection(emulator.Connection{Name: "customer-saml", DisplayName: "Customer Corp", Strategy: "samlp", DomainAliases: []string{"customer.example"}}))
	must(t, tn.AddAPI(emulator.API{Audience: api, Scopes: []string{"read:things", "write:things"}, AllowOfflineAccess: true}))
	must(t, tn.AddClient(webApp()))
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", EmailVerified: true, Password: password, GivenName: "Jane", FamilyName: "Doe"}))
	must(t, tn.AddUser(emulator.User{Connection: "google-oauth2", ID: "1018", Email: "grace@gmail.example", Name: "Grace Hopper"}))
	must(t, tn.AddUser(emulator.User{Connection: "customer-saml", ID: "carol@customer.example", Email: "carol@customer.example"}))
	return tn, c
}

func webApp() emulator.Client {
	return emulator.Client{
		ID: "web", Secret: "s3cret", Name: "Web app",
		CallbackURLs: []string{callback},
		LogoutURLs:   []string{app + "/"},
		Connections:  []string{database, "google-oauth2", "customer-saml"},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func contains(t *testing.T, body, want string) {
	t.Helper()
	if !strings.Contains(body, want) {
		t.Errorf("missing %q in:\n%s", want, body)
	}
}

// A response is a response with its body read.
type response struct {
	status int
	header http.Header
	body   string
	url    *url.URL // of the request
}

// location returns the parsed Location header.
func (r response) location(t *testing.T) *url.URL {
	t.Helper()
	if r.status != 302 {
		t.Fatalf("status %d, want 302; body:\n%s", r.status, r.body)
	}
	u, err := url.Parse(r.header.Get("Location"))
	must(t, err)
	return u
}

// json returns the body as an object.
func (r response) json(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(r.body), &object); err != nil {
		t.Fatalf("status %d, not an object: %v\n%s", r.status, err, r.body)
	}
	return object
}

// serve sends one request through the handler.
func serve(tn http.Handler, r *http.Request) response {
	w := httptest.NewRecorder()
	tn.ServeHTTP(w, r)
	return response{w.Code, w.Header(), w.Body.String(), r.URL}
}

func get(tn http.Handler, target string, headers ...string) response {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return serve(tn, r)
}

func postForm(tn http.Handler, target string, form url.Values, headers ...string) response {
	r := httptest.NewRequest("POST", target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return serve(tn, r)
}

// A browser keeps cookies and follows redirects that stay on the tenant.
type browser struct {
	t   *testing.T
	tn  http.Handler
	jar http.CookieJar
}

func newBrowser(t *testing.T, tn http.Handler) *browser {
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &browser{t, tn, jar}
}

func (b *browser) do(r *http.Request) response {
	b.t.Helper()
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	res := serve(b.tn, r)
	b.jar.SetCookies(r.URL, (&http.Response{Header: res.header}).Cookies())
	return res
}

// open follows redirects within the tenant. It returns the page, or the redirect to
// another host.
func (b *browser) open(target string) response {
	b.t.Helper()
	for range 10 {
		res := b.do(httptest.NewRequest("GET", target, nil))
		if res.status != 302 {
			return res
		}
		next := res.url.ResolveReference(res.location(b.t))
		if next.Scheme+"://"+next.Host != base {
			return res
		}
		target = next.String()
	}
	b.t.Fatal("too many redirects")
	return response{}
}

// submit posts a form to the URL of the page, as its forms do, and follows redirects.
func (b *browser) submit(page response, fields ...string) response {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest("POST", page.url.String(), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", base)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res := b.do(r)
	if res.status == 302 {
		if next := res.url.ResolveReference(res.location(b.t)); next.Scheme+"://"+next.Host == base {
			return b.open(next.String())
		}
	}
	return res
}

// login logs in as Jane on the login page.
func (b *browser) login(request url.Values) response {
	b.t.Helper()
	page := b.open(authorizeURL(request))
	contains(b.t, page.body, "<h1>Log in</h1>")
	return b.submit(page, "username", "jane@acme.example", "password", password)
}

// request returns an authorization request, changed by pairs of names and values. An
// empty value removes the parameter.
func request(pairs ...string) url.Values {
	q := url.Values{"client_id": {"web"}, "redirect_uri": {callback}, "response_type": {"code"},
		"scope": {"openid profile email"}, "state": {"xyz"}, "nonce": {"n-1"}}
	for i := 0; i < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func authorizeURL(q url.Values) string { return base + "/authorize?" + q.Encode() }

// callbackParams checks that a redirect leads to the application's callback, and returns
// its parameters.
func callbackParams(t *testing.T, res response) url.Values {
	t.Helper()
	u := res.location(t)
	if got := u.Scheme + "://" + u.Host + u.Path; got != callback {
		t.Fatalf("redirect to %s, want %s", u, callback)
	}
	if u.Fragment != "" {
		q, err := url.ParseQuery(u.EscapedFragment())
		must(t, err)
		return q
	}
	return u.Query()
}

// redeem sends a code to the token endpoint as the web application.
func redeem(tn http.Handler, code string, pairs ...string) response {
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"web"}, "client_secret": {"s3cret"},
		"code": {code}, "redirect_uri": {callback}}
	for i := 0; i < len(pairs); i += 2 {
		form.Del(pairs[i])
		if pairs[i+1] != "" {
			form.Set(pairs[i], pairs[i+1])
		}
	}
	return postForm(tn, base+"/oauth/token", form)
}

// tokens logs Jane in without pages and returns the token response.
func tokens(t *testing.T, tn *emulator.Tenant, pairs ...string) map[string]any {
	t.Helper()
	must(t, tn.LogIn("jane@acme.example"))
	code := callbackParams(t, get(tn, authorizeURL(request(pairs...)))).Get("code")
	must(t, tn.LogIn(""))
	if code == "" {
		t.Fatal("no code")
	}
	res := redeem(tn, code)
	if res.status != 200 {
		t.Fatalf("status %d: %s", res.status, res.body)
	}
	return res.json(t)
}

// decode returns header and claims of an unverified JWT.
func decode(t *testing.T, raw string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a JWT", raw)
	}
	for i, v := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		must(t, err)
		must(t, json.Unmarshal(text, v))
	}
	return header, claims
}

// verify checks an RS256 token against the JWKS and returns it decoded.
func verify(t *testing.T, tn http.Handler, raw string) (header, claims map[string]any) {
	t.Helper()
	header, claims = decode(t, raw)
	equal(t, "alg", header["alg"], any("RS256"))
	if !verifies(t, tn, raw) {
		t.Errorf("the signature does not verify; header %v", header)
	}
	return header, claims
}

func verifies(t *testing.T, tn http.Handler, raw string) bool {
	t.Helper()
	header, _ := decode(t, raw)
	key, ok := keys(t, tn)[header["kid"].(string)]
	if !ok {
		return false
	}
	i := strings.LastIndex(raw, ".")
	sig, err := base64.RawURLEncoding.DecodeString(raw[i+1:])
	must(t, err)
	sum := sha256.Sum256([]byte(raw[:i]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
}

// keys fetches the JWKS.
func keys(t *testing.T, tn http.Handler) map[string]*rsa.PublicKey {
	t.Helper()
	var doc struct {
		Keys []struct{ Kty, Kid, N, E string }
	}
	must(t, json.Unmarshal([]byte(get(tn, base+"/.well-known/jwks.json").body), &doc))
	set := map[string]*rsa.PublicKey{}
	for _, k := range doc.Keys {
		if k.Kty != "RSA" {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		must(t, err)
		e, err := base64.RawURLEncoding.DecodeString(k.E)
		must(t, err)
		set[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return set
}

// has reports whether a space-separated list or a JSON array has the value.
func has(list any, value string) bool {
	switch list := list.(type) {
	case string:
		return slices.Contains(strings.Fields(list), value)
	case []any:
		return slices.Contains(list, any(value))
	}
	return false
}

var (
	inputTag  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	actionTag = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	bigCode   = regexp.MustCompile(`<code class="big">(\d{6})</code>`)
)

// hiddenForm returns the form of a form_post page.
func hiddenForm(t *testing.T, page response) (action string, values url.Values) {
	t.Helper()
	m := actionTag.FindStringSubmatch(page.body)
	if m == nil {
		t.Fatalf("no form in:\n%s", page.body)
	}
	values = url.Values{}
	for _, in := range inputTag.FindAllStringSubmatch(page.body, -1) {
		values.Add(html.UnescapeString(in[1]), html.UnescapeString(in[2]))
	}
	return html.UnescapeString(m[1]), values
}

// shownCode returns the one-time code that a page shows.
func shownCode(t *testing.T, page response) string {
	t.Helper()
	m := bigCode.FindStringSubmatch(page.body)
	if m == nil {
		t.Fatalf("no code in:\n%s", page.body)
	}
	return m[1]
}

// sameJSON compares a body with a document, in any order of members.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Errorf("got %s, want %s", got, want)
		return
	}
	must(t, json.Unmarshal([]byte(want), &b))
	ta, _ := json.Marshal(a)
	tb, _ := json.Marshal(b)
	if !bytes.Equal(ta, tb) {
		t.Errorf("got  %s\nwant %s", ta, tb)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
