package login

import (
	"crypto/ed25519"
	"crypto/sha512"
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
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

const (
	issuer       = "https://tenant.example/"
	clientID     = "the-client-id"
	clientSecret = "the client's secret, with + and &"
	callback     = "https://app.example/auth/callback"

	began  = 1_800_000_000 // when every login begins, in Unix seconds
	leeway = 60
)

// The foreign key is none of the issuer's.
var (
	own     = ed25519.NewKeyFromSeed([]byte("a seed for tests, of 32 bytes ..."[:32]))
	foreign = ed25519.NewKeyFromSeed([]byte("another seed for tests, of 32 ..."[:32]))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// hashOf returns the at_hash or c_hash of a value for EdDSA with Ed25519.
func hashOf(value string) string {
	sum := sha512.Sum512([]byte(value))
	return b64(sum[:32])
}

// jwks is a document with a key of the issuer.
func jwks(kid string) string {
	return string(must(json.Marshal(map[string]any{"keys": []any{
		map[string]string{"kid": kid, "kty": "OKP", "crv": "Ed25519", "x": b64(own.Public().(ed25519.PublicKey))},
	}})))
}

// A change replaces members of a JSON object, and removes nil members.
type change map[string]any

// with returns the members after a change.
func with(members, c change) change {
	changed := change{}
	maps.Copy(changed, members)
	maps.Copy(changed, c)
	maps.DeleteFunc(changed, func(_ string, v any) bool { return v == nil })
	return changed
}

// An idToken is an ID token for the tenant's signature.
type idToken struct {
	claims, header change
	key            ed25519.PrivateKey // nil for a key of the issuer
}

// signed returns the token of a login with the given nonce.
func (t idToken) signed(nonce any) string {
	header := with(change{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, t.header)
	claims := with(change{
		"iss": issuer, "aud": clientID, "sub": "auth0|ada", "nonce": nonce, "exp": began + 3600, "iat": began, "email": "ada@acme.example",
	}, t.claims)
	text := b64(must(json.Marshal(header))) + "." + b64(must(json.Marshal(claims)))
	key := t.key
	if key == nil {
		key = own
	}
	return text + "." + b64(ed25519.Sign(key, []byte(text)))
}

// An answerOf writes a response of the tenant.
type answerOf func(w http.ResponseWriter, r *http.Request)

// says answers with a status and a JSON text. Header is names and values in turn.
func says(status int, body string, header ...string) answerOf {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// gives answers 200 with the members of a token response after a change.
func gives(c change) answerOf {
	return says(200, string(must(json.Marshal(with(change{"access_token": "access", "token_type": "Bearer", "expires_in": 600}, c)))))
}

// A request is one request at the tenant.
type request struct {
	path   string
	header http.Header
	form   url.Values
}

// A tenant answers without a network.
type tenant struct {
	mu       sync.Mutex
	token    answerOf // to token requests; nil for no connection
	pushed   answerOf // to pushed authorization requests; nil for no connection
	metadata string   // empty for 503
	jwks     string
	requests []request
}

func (te *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	te.mu.Lock()
	defer te.mu.Unlock()
	var body []byte
	if r.Body != nil {
		body = must(io.ReadAll(r.Body))
	}
	te.requests = append(te.requests, request{r.URL.Path, r.Header.Clone(), must(url.ParseQuery(string(body)))})
	w := httptest.NewRecorder()
	var answer answerOf
	switch r.URL.Path {
	case "/oauth/token":
		answer = te.token
	case "/oauth/par":
		answer = te.pushed
	case "/.well-known/openid-configuration":
		if answer = says(200, te.metadata); te.metadata == "" {
			answer = says(503, "")
		}
	case "/.well-known/jwks.json":
		answer = says(200, te.jwks)
	}
	if answer == nil {
		return nil, errors.New("no connection")
	}
	answer(w, r)
	return w.Result(), r.Context().Err()
}

// at returns the requests to a path so far.
func (te *tenant) at(path string) []request {
	te.mu.Lock()
	defer te.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(te.requests), func(r request) bool { return r.path != path })
}

// metadata is a document of a tenant with every endpoint.
func metadata(c change) string {
	return string(must(json.Marshal(with(change{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "authorize",
		"token_endpoint":                        issuer + "oauth/token",
		"jwks_uri":                              issuer + ".well-known/jwks.json",
		"pushed_authorization_request_endpoint": issuer + "oauth/par",
	}, c))))
}

// An env is one application and its tenant.
type env struct {
	*testing.T
	*tenant
	flow         *Flow
	transactions *transaction.Jar
	now          int64
}

// newEnv returns an application with a response type. The edits change its
// configuration.
func newEnv(t *testing.T, responseType string, edits ...func(*Config)) *env {
	e := &env{T: t, now: began, tenant: &tenant{metadata: metadata(nil), jwks: jwks("k1")}}
	now := func() time.Time { return time.Unix(e.now, 0) }
	client := fetch.NewClient(&http.Client{Transport: e.tenant}, fetch.Options{})
	auth0 := &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}
	mistake := func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) }
	auth0.DiscoverWith(mistake, client, nil, slog.New(slog.DiscardHandler))
	c := Config{
		Client: &provider.Client{
			ID: clientID, Auth: clientauth.WithSecret("client_secret_post", clientSecret), Tenant: auth0, HTTP: client, Now: now,
		},
		IDTokens: &idtoken.Verifier{
			ClientID: clientID, Algorithms: []string{"EdDSA"}, Leeway: leeway * time.Second,
			Keys: must(keys.Static([]byte(jwks("k1")))), Now: now,
		},
		ResponseType: responseType, ResponseMode: "query", Scopes: []string{"openid", "profile"}, Now: now,
	}
	for _, edit := range edits {
		edit(&c)
	}
	e.flow = NewFlow(c)
	e.transactions = &transaction.Jar{
		Cookies:  cookie.NewNames(cookie.Cookie{Name: "app_session", Path: "/", Secure: true}, false),
		Keyring:  must(seal.New([]string{"an example of a secret for the tests of login"})),
		Issuer:   issuer,
		Life:     10 * time.Minute,
		ClientID: clientID,
		Now:      now,
	}
	return e
}

// withMetadata changes the known metadata of the tenant without a request.
func withMetadata(edit func(*discovery.Metadata)) func(*Config) {
	return func(c *Config) { edit(c.Client.Tenant.Static) }
}

// discovers turns the tenant into one that needs discovery for everything.
func discovers(c *Config) { c.Client.Tenant.Static = nil }

func isAuth(a clientauth.Method) func(*Config) { return func(c *Config) { c.Client.Auth = a } }

// begin begins a login, and returns its URL and its transaction.
func (e *env) begin(options ...authrequest.Option) (*url.URL, *transaction.Transaction) {
	e.Helper()
	r, err := authrequest.New(options...)
	if err != nil {
		e.Fatal(err)
	}
	authURL, t, err := e.flow.Begin(e.Context(), transaction.Place{RedirectURI: callback, ReturnTo: "/after"}, r)
	if err != nil {
		e.Fatal(err)
	}
	return must(url.Parse(authURL)), t
}

// complete does a callback's work with an answer.
func (e *env) complete(t *transaction.Transaction, values url.Values) (Result, error) {
	e.Helper()
	a, err := ParseAnswer(values)
	if err != nil {
		return Result{}, err
	}
	p, err := e.flow.Prepare(e.Context(), t, a)
	if err != nil {
		return Result{}, err
	}
	return p.Complete(e.Context())
}

// answerTo is a good answer to a login with the given values beside its state. The changes
// replace values, or remove them with nil.
func answerTo(t *transaction.Transaction, c change) url.Values {
	values := url.Values{}
	for name, value := range with(change{"state": t.State}, c) {
		values.Set(name, value.(string))
	}
	return values
}

// badIDToken is the rejection of a login because of its ID token.
func badIDToken(f *fault.Fault) refusal.Row {
	row := refusal.IDToken
	switch f { // the user, or the site's administrator, can act on these
	case fault.Organization:
		row = refusal.Row{Status: 403, Code: "access_denied", Description: "your account is not a member of the organization that you tried to log in to"}
	case fault.AuthTime, fault.ACR:
		row = refusal.Row{Status: 403, Code: "insufficient_user_authentication", Description: "the login did not confirm your identity as this page requires. Log in again. If this repeats, contact the site's administrator"}
	}
	row.Reason = f.Reason
	return row
}

// expect compares the row of a refusal, the zero row for none, and looks for a text in its
// cause.
func expect(t *testing.T, why string, err error, want refusal.Row, cause string) *refusal.Refusal {
	t.Helper()
	if want == (refusal.Row{}) {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return &refusal.Refusal{}
	}
	got, ok := err.(*refusal.Refusal)
	switch {
	case !ok:
		t.Errorf("%s: %v, want the refusal %v", why, err, want)
		return &refusal.Refusal{}
	case got.Row != want:
		t.Errorf("%s: %v because of %v, want %v", why, got.Row, got.Err, want)
	case !strings.Contains(got.Error(), cause):
		t.Errorf("%s: the cause is %v, want one with %q", why, got.Err, cause)
	}
	return got
}
