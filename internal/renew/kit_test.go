package renew

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

const (
	issuer   = "https://tenant.example/"
	api      = "https://api.example/"
	otherAPI = "https://other.example/"
	leeway   = 60 * time.Second
)

// now is the engine's clock. It is far from the machine's clock, so that a test fails if it
// reads the wrong one.
func now() time.Time { return time.Now().Add(2000 * time.Hour) }

// in returns a time in the form of a record.
func in(d time.Duration) int64 { return now().Add(d).Unix() }

// A buffer holds log lines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// An answer writes the response to a token request.
type answer func(w http.ResponseWriter, r *http.Request)

// says answers with a status, a body and, if it is not empty, Retry-After.
func says(status int, body, retryAfter string) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// gives answers with tokens. The changes replace members, or remove them with nil.
func gives(access string, changes map[string]any) answer {
	body := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 600}
	maps.Copy(body, changes)
	maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return says(200, string(text), "")
}

// A tenant answers without a network.
type tenant struct {
	mu       sync.Mutex
	answer   answer
	down     bool          // no connection
	hangs    bool          // no answer to a revocation
	delay    time.Duration // before each answer to a token request
	document string        // the keys, empty for an error
	forms    []url.Values  // of token requests
	revoked  []string
	fetches  int // of keys
}

func (te *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(bodyOf(r.Body))
	form, _ := url.ParseQuery(string(body))
	w := httptest.NewRecorder()
	te.mu.Lock()
	answer, down, hangs, delay, document := te.answer, te.down, te.hangs, te.delay, te.document
	switch r.URL.Path {
	case "/oauth/token":
		te.forms = append(te.forms, form)
	case "/oauth/revoke":
		te.revoked = append(te.revoked, form.Get("token"))
	case "/.well-known/jwks.json":
		te.fetches++
	}
	te.mu.Unlock()
	switch {
	case down:
		return nil, errors.New("no connection")
	case r.URL.Path == "/oauth/token":
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		answer(w, r)
	case r.URL.Path == "/oauth/revoke" && hangs:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case r.URL.Path == "/oauth/revoke" && strings.HasPrefix(form.Get("token"), "unknown"):
		w.WriteHeader(503)
	case r.URL.Path == "/.well-known/jwks.json" && document == "":
		w.WriteHeader(503)
	case r.URL.Path == "/.well-known/jwks.json":
		io.WriteString(w, document)
	}
	return w.Result(), nil
}

func bodyOf(b io.ReadCloser) io.Reader {
	if b == nil {
		return http.NoBody
	}
	return b
}

func (te *tenant) set(f func()) {
	te.mu.Lock()
	defer te.mu.Unlock()
	f()
}

// requests returns the token requests so far.
func (te *tenant) requests() []url.Values {
	te.mu.Lock()
	defer te.mu.Unlock()
	return te.forms
}

// revocations returns the refresh tokens that were revoked so far.
func (te *tenant) revocations() string {
	synctest.Wait()
	te.mu.Lock()
	defer te.mu.Unlock()
	return strings.Join(te.revoked, " ")
}

// An env is one application with one session.
type env struct {
	*testing.T
	*tenant
	tokens    *Tokens
	sessions  *session.Manager
	stored    bool
	elsewhere *session.Manager // of another process, which knows only the stored state
	record    *session.Record  // as the next request has it
	response  session.Loaded   // of every request
	log       *buffer
}

// A mode is the place of sessions.
type mode struct {
	name  string
	store func() session.Store
}

var (
	inCookies = mode{"cookies", func() session.Store { return nil }}
	inStore   = mode{"store", func() session.Store { return session.NewMemory(100) }}
	// A store without leases, as most are.
	inPlainStore = mode{"plain store", func() session.Store { return struct{ session.Store }{session.NewMemory(100)} }}
	allModes     = []mode{inCookies, inStore, inPlainStore}
)

// inEachMode runs a test in fake time. Edit changes the session at its start.
func inEachMode(t *testing.T, edit func(*session.Record), f func(*env)) {
	t.Helper()
	for _, m := range allModes {
		t.Run(m.name, func(t *testing.T) { inMode(t, m, edit, f) })
	}
}

func inMode(t *testing.T, m mode, edit func(*session.Record), f func(*env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newEnv(t, m.store(), edit)) })
}

func newEnv(t *testing.T, store session.Store, edit func(*session.Record)) *env {
	e := &env{T: t, tenant: &tenant{answer: gives("new", nil), document: itsKeys}, log: &buffer{}}
	log := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ring, err := seal.New([]string{"an example of a secret for the tests of renew"})
	if err != nil {
		t.Fatal(err)
	}
	config := session.Config{
		Cookies: &cookie.Names{Session: cookie.Cookie{Name: "s", Path: "/"}}, Keyring: ring, Client: "client", Store: store,
		Idle: 24 * time.Hour, Absolute: 72 * time.Hour, Now: now, Log: log,
	}
	e.sessions, e.elsewhere, e.stored = session.New(config), session.New(config), store != nil
	client := &http.Client{Transport: e.tenant} // without a limit, so that only this package ends a wait
	set := keys.New(keys.Source{
		URL:    func(context.Context) (string, error) { return issuer + ".well-known/jwks.json", nil },
		Client: client, Observe: func(context.Context, keys.Event) {}, Log: log,
	})
	e.tokens = New(Config{
		Sessions: e.sessions, Stored: store != nil,
		Client: &provider.Client{
			ID: "client", Auth: clientauth.WithSecret(clientauth.ClientSecretPost, "the client's secret"),
			Tenant: &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}, HTTP: client, Now: now,
		},
		IDTokens: &idtoken.Verifier{ClientID: "client", Algorithms: []string{"EdDSA"}, Leeway: leeway, Keys: set, Now: now},
		MFA: func(d *tenanterror.MFADemand, audience, scope string, r *session.Record) any {
			return fmt.Sprint(d.Token.Reveal(), " ", d.Challenge, " ", audience, " ", scope, " ", r.Subject)
		},
		Now: now, Log: log,
	})
	e.record = newRecord(nil)
	if edit != nil {
		edit(e.record)
	}
	if err := e.sessions.Begin(t.Context(), newRecorder(), &e.response, e.record); err != nil {
		t.Fatal(err)
	}
	return e
}

// newRecord returns the session of a login. Change is for its ID token.
func newRecord(change func(*jwt.Claims)) *session.Record {
	c := &jwt.Claims{Issuer: issuer, Subject: "ada", IssuedAt: float64(in(0)), AuthTime: float64(in(-60 * time.Second)), Nonce: "n"}
	if change != nil {
		change(c)
	}
	r, err := session.NewRecord(c, 0, now())
	if err != nil {
		panic(err)
	}
	r.ID, r.RefreshToken, r.Claims = "one", "refresh", `{"name":"Ada"}`
	r.Tokens = []session.Token{{Audience: api, Asked: "openid a", Scope: "openid a", Token: "old", ExpiresAt: in(600 * time.Second)}}
	return r
}

// loginWith gives a session the ID token of another login. Its tokens stay.
func loginWith(change func(*jwt.Claims)) func(*session.Record) {
	return func(r *session.Record) {
		other := newRecord(change)
		other.Tokens = r.Tokens
		*r = *other
	}
}

// copyOf returns a copy with separate tokens.
func copyOf(r *session.Record) *session.Record {
	copied := *r
	copied.Tokens = slices.Clone(r.Tokens)
	return &copied
}

// get requests a token, and takes the changed session to the next request.
func (e *env) get(w Wish) (session.Token, error) {
	e.Helper()
	token, newest, err := e.tokens.Get(e.Context(), e.record, w)
	if newest != nil && newest.Refreshes > e.record.Refreshes {
		e.record = newest
	}
	return token, err
}

// kept returns the stored session.
func (e *env) kept() *session.Record {
	e.Helper()
	if !e.stored {
		return e.record
	}
	stored, err := e.elsewhere.Newest(e.Context(), e.record)
	if err != nil || stored == nil {
		e.Fatalf("%+v, %v", stored, err)
	}
	return stored
}

// logout ends the session in another request.
func (e *env) logout() {
	if err := e.sessions.Destroy(context.Background(), newRecorder(), &e.response); err != nil {
		e.Error(err)
	}
}

// expectToken compares the text of a token.
func (e *env) expectToken(why string, token session.Token, err error, want string) {
	e.Helper()
	if err != nil || token.Token != want {
		e.Errorf("%s: %+v, %v, want %q", why, token, err, want)
	}
}

// expectRefusal compares the row of a refusal, for any code of the tenant.
func (e *env) expectRefusal(why string, err error, want refusal.Row) *refusal.Refusal {
	e.Helper()
	got, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || got.Reason != want.Reason || got.Status != want.Status || got.Description != want.Description {
		e.Fatalf("%s: %+v, want the refusal %s", why, err, want.Reason)
	}
	return got
}

// expectRequests compares the number of token requests so far.
func (e *env) expectRequests(why string, want int) {
	e.Helper()
	if got := len(e.requests()); got != want {
		e.Errorf("%s: %d token requests, want %d", why, got, want)
	}
}

// expectLog looks for a line of a level.
func (e *env) expectLog(why, level, text string) {
	e.Helper()
	for line := range strings.Lines(e.log.String()) {
		if strings.Contains(line, "level="+level) && strings.Contains(line, text) {
			return
		}
	}
	e.Errorf("%s: the log has no %s with %q:\n%s", why, level, text, e.log)
}

// key returns a key to sign with, the same for each number.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// jwkOf returns the public half of a key.
func jwkOf(kid string, n byte, use string) claims {
	return claims{"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": use, "x": b64(key(n).Public().(ed25519.PublicKey))}
}

// documentOf returns a JWK Set.
func documentOf(list ...claims) string { return asJSON(map[string]any{"keys": list}) }

// Documents of the issuer, which signs with key(1) under the kid k1.
var (
	itsKeys   = documentOf(jwkOf("k1", 1, "sig"))
	otherKeys = documentOf(jwkOf("k1", 2, "sig"))
	nextKeys  = documentOf(jwkOf("k2", 2, "sig"))
	twoKeys   = documentOf(jwkOf("k1", 1, "sig"), jwkOf("k2", 2, "sig"))
	encKeys   = documentOf(jwkOf("k1", 1, "enc"), jwkOf("k2", 2, "sig"))
)

// A claims has the claims of an ID token. Nil removes a claim.
type claims map[string]any

// idToken returns an ID token of ada for this client, with changes.
func idToken(signer ed25519.PrivateKey, header, changes claims) string {
	h := claims{"alg": "EdDSA", "typ": "JWT", "kid": "k1"}
	c := claims{"iss": issuer, "sub": "ada", "aud": "client", "iat": in(0), "exp": in(time.Hour), "name": "Ada L."}
	maps.Copy(h, header)
	maps.Copy(c, changes)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	input := b64([]byte(asJSON(h))) + "." + b64([]byte(asJSON(c)))
	return input + "." + b64(ed25519.Sign(signer, []byte(input)))
}

// accessTokenFor returns an access token for APIs.
func accessTokenFor(audience any) string {
	return b64([]byte(`{"alg":"EdDSA"}`)) + "." + b64([]byte(asJSON(map[string]any{"aud": audience}))) + "." + b64([]byte("signature"))
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }
