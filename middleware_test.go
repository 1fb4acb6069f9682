package auth0_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// The issuer and the API of these tests. Tokens are assembled by hand, because
// most of them are what no tenant would sign.
const (
	apiHost     = "t.example"
	apiIssuer   = "https://t.example/"
	apiAudience = "https://api.example/"
)

// noon is the time at which tokens are checked, unless a test is about keys.
var noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// Keys are made once and when first needed: with the race detector it takes
// long.
var (
	rsaKey1      = sync.OnceValue(func() *rsa.PrivateKey { return newRSAKey(2048) })
	rsaKey2      = sync.OnceValue(func() *rsa.PrivateKey { return newRSAKey(2048) })
	rsaForeign   = sync.OnceValue(func() *rsa.PrivateKey { return newRSAKey(2048) })
	rsaShort     = sync.OnceValue(func() *rsa.PrivateKey { return newRSAKey(1024) })
	ecKey        = sync.OnceValue(func() *ecdsa.PrivateKey { return newECKey(elliptic.P256()) })
	ecKey384     = sync.OnceValue(func() *ecdsa.PrivateKey { return newECKey(elliptic.P384()) })
	ecKey521     = sync.OnceValue(func() *ecdsa.PrivateKey { return newECKey(elliptic.P521()) })
	edKey        = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) })
	allSignature = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

func newRSAKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newECKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// A jsonObject is the text of a JSON object, member by member, so that names
// can be there twice and values can be anything.
type jsonObject [][2]string

func (o jsonObject) set(name, value string) jsonObject {
	o = slices.Clone(o)
	for i := range o {
		if o[i][0] == name {
			o[i][1] = value
			return o
		}
	}
	return append(o, [2]string{name, value})
}

func (o jsonObject) without(name string) jsonObject {
	return slices.DeleteFunc(slices.Clone(o), func(m [2]string) bool { return m[0] == name })
}

// last and first add a member, also if there is one of that name.
func (o jsonObject) last(name, value string) jsonObject {
	return append(slices.Clone(o), [2]string{name, value})
}

func (o jsonObject) first(name, value string) jsonObject {
	return slices.Insert(slices.Clone(o), 0, [2]string{name, value})
}

func (o jsonObject) String() string {
	var members []string
	for _, m := range o {
		members = append(members, `"`+m[0]+`":`+m[1])
	}
	return "{" + strings.Join(members, ",") + "}"
}

var goodHeader = jsonObject{{"alg", `"RS256"`}, {"typ", `"JWT"`}, {"kid", `"k1"`}}

func goodClaims(now time.Time) jsonObject {
	return jsonObject{
		{"iss", `"https://t.example/"`},
		{"sub", `"auth0|u"`},
		{"aud", `["https://api.example/","https://t.example/userinfo"]`},
		{"iat", strconv.FormatInt(now.Unix()-10, 10)},
		{"exp", strconv.FormatInt(now.Unix()+3600, 10)},
		{"azp", `"c1"`},
		{"scope", `"openid read:m write:m"`},
		{"permissions", `["read:m","del:m"]`},
	}
}

// claim returns good claims with one of them changed.
func withClaim(name, value string) jsonObject { return goodClaims(noon).set(name, value) }

// at is a time in a claim, in seconds from noon.
func noonPlus(seconds int64) string { return strconv.FormatInt(noon.Unix()+seconds, 10) }

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// A signer makes the signature over the first two segments.
type signer func(input string) []byte

// compact assembles a token of any header and claims.
func compact(header, claims string, sign signer) string {
	input := segment(header) + "." + segment(claims)
	return input + "." + segment(string(sign(input)))
}

// signed is a token that k1 has signed.
func signed(header, claims fmt.Stringer) string {
	return compact(header.String(), claims.String(), rs256(rsaKey1()))
}

func goodToken() string { return signed(goodHeader, goodClaims(noon)) }

func digestOf(hash crypto.Hash, input string) []byte {
	h := hash.New()
	h.Write([]byte(input))
	return h.Sum(nil)
}

func rs256(key *rsa.PrivateKey) signer { return rs(crypto.SHA256, key) }

func rs(hash crypto.Hash, key *rsa.PrivateKey) signer {
	return func(input string) []byte {
		sig, err := rsa.SignPKCS1v15(nil, key, hash, digestOf(hash, input))
		if err != nil {
			panic(err)
		}
		return sig
	}
}

func ps(hash crypto.Hash, salt int, key *rsa.PrivateKey) signer {
	return func(input string) []byte {
		sig, err := rsa.SignPSS(rand.Reader, key, hash, digestOf(hash, input), &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			panic(err)
		}
		return sig
	}
}

// es lets form lay out the two numbers of the signature.
func es(hash crypto.Hash, key *ecdsa.PrivateKey, form func(r, s *big.Int) []byte) signer {
	return func(input string) []byte {
		der, err := ecdsa.SignASN1(rand.Reader, key, digestOf(hash, input))
		if err != nil {
			panic(err)
		}
		var sig struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &sig); err != nil {
			panic(err)
		}
		return form(sig.R, sig.S)
	}
}

// sideBySide is the form of RFC 7518, Section 3.4.
func sideBySide(size int) func(r, s *big.Int) []byte {
	return func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
}

func hs256(secret []byte) signer {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

// constant is for signatures that are none.
func constant(signature []byte) signer { return func(string) []byte { return signature } }

// A jwk is a public key as issuers publish it.
type jwk map[string]any

func (k jwk) with(name string, value any) jwk {
	other := jwk{name: value}
	for n, v := range k {
		if n != name {
			other[n] = v
		}
	}
	if value == nil {
		delete(other, name)
	}
	return other
}

func rsaJWK(kid string, key *rsa.PublicKey) jwk {
	return jwk{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": segment(string(key.N.Bytes())), "e": segment(string(big.NewInt(int64(key.E)).Bytes()))}
}

func ecJWK(kid, alg string, key *ecdsa.PublicKey) jwk {
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	size := len(point) / 2
	return jwk{"kty": "EC", "use": "sig", "alg": alg, "kid": kid, "crv": key.Params().Name,
		"x": segment(string(point[1 : 1+size])), "y": segment(string(point[1+size:]))}
}

func edJWK(kid string, key []byte) jwk {
	return jwk{"kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": kid, "crv": "Ed25519", "x": segment(string(key))}
}

// An inProcess network carries requests to handlers by host, without sockets,
// and notes where they went.
type inProcess struct {
	mu       sync.Mutex
	handlers map[string]http.Handler
	urls     []string
}

func (n *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	handler := n.handlers[r.URL.Host]
	n.urls = append(n.urls, r.URL.String())
	n.mu.Unlock()
	if handler == nil {
		return nil, fmt.Errorf("no host %q in this network", r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.Host, in.RemoteAddr = r.URL.RequestURI(), r.URL.Host, "192.0.2.1:1234"
	in.URL.Scheme, in.URL.Host = "", ""
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w, done := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(done)
		handler.ServeHTTP(w, in)
	}()
	select {
	case <-done:
		resp := w.Result()
		resp.Request = r
		return resp, nil
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// asked returns the URLs of all requests so far.
func (n *inProcess) asked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.urls)
}

// A logText collects what is logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was logged since the last call.
func (l *logText) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.b.String()
	l.b.Reset()
	return text
}

// An apiFixture is an API, its issuer, and a handler to protect.
type apiFixture struct {
	api    *auth0.API
	tenant *emulator.Tenant
	net    *inProcess
	log    *logText
	cfg    auth0.APIConfig
	served atomic.Int64 // requests that reached the handler
}

// newAPIFixture publishes k1 and k2, of which k1 signs. It is noon.
func newAPIFixture(t *testing.T, edits ...func(*auth0.APIConfig)) *apiFixture {
	t.Helper()
	issuer, err := emulator.New(emulator.Config{Host: apiHost})
	if err != nil {
		t.Fatal(err)
	}
	f := &apiFixture{tenant: issuer, log: &logText{}, net: &inProcess{handlers: map[string]http.Handler{apiHost: issuer}}}
	f.publish(rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey))
	f.cfg = auth0.APIConfig{
		Domain:     apiHost,
		Audience:   apiAudience,
		HTTPClient: &http.Client{Transport: f.net},
		Logger:     slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:        func() time.Time { return noon },
	}
	for _, edit := range edits {
		edit(&f.cfg)
	}
	if f.api, err = auth0.NewAPI(f.cfg); err != nil {
		t.Fatal(err)
	}
	return f
}

// publish replaces the keys of the issuer.
func (f *apiFixture) publish(keys ...jwk) {
	f.tenant.EditJWKS(func(doc map[string]any) { doc["keys"] = keys })
}

func (f *apiFixture) fetches() int { return f.tenant.Calls(emulator.JWKS) }

// ServeHTTP is the handler that is protected.
func (f *apiFixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.served.Add(1)
	io.WriteString(w, "for members")
}

func algorithms(names ...string) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.Algorithms = names }
}

// An apiAnswer is a whole response, as far as it is promised.
type apiAnswer struct {
	status          int
	challenge, body string
}

// The answers. They are written out, so that a slip in the library cannot repeat
// itself here.
var (
	apiOK           = apiAnswer{200, "", "for members"}
	apiNoToken      = apiAnswer{401, `Bearer realm="api"`, `{"error":"unauthorized","error_description":"authentication required"}`}
	apiBadHeader    = apiAnswer{400, `Bearer realm="api", error="invalid_request", error_description="malformed Authorization header"`, `{"error":"invalid_request","error_description":"malformed Authorization header"}`}
	apiMalformed    = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="token malformed"`, `{"error":"invalid_token","error_description":"token malformed"}`}
	apiWrongType    = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="token type not accepted"`, `{"error":"invalid_token","error_description":"token type not accepted"}`}
	apiWrongAlg     = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="algorithm not accepted"`, `{"error":"invalid_token","error_description":"algorithm not accepted"}`}
	apiUnknownKey   = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="signing key unknown"`, `{"error":"invalid_token","error_description":"signing key unknown"}`}
	apiBadSignature = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="signature invalid"`, `{"error":"invalid_token","error_description":"signature invalid"}`}
	apiExpired      = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="token expired"`, `{"error":"invalid_token","error_description":"token expired"}`}
	apiNotYet       = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="token not yet valid"`, `{"error":"invalid_token","error_description":"token not yet valid"}`}
	apiWrongIssuer  = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="issuer not trusted"`, `{"error":"invalid_token","error_description":"issuer not trusted"}`}
	apiWrongAud     = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="audience not accepted"`, `{"error":"invalid_token","error_description":"audience not accepted"}`}
	apiBadClaims    = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="token claims invalid"`, `{"error":"invalid_token","error_description":"token claims invalid"}`}
	apiBound        = apiAnswer{401, `Bearer realm="api", error="invalid_token", error_description="token is sender-constrained"`, `{"error":"invalid_token","error_description":"token is sender-constrained"}`}
	apiForbidden    = apiAnswer{403, "", `{"error":"access_denied","error_description":"claim requirement not met"}`}
	apiUnusable     = apiAnswer{500, "", `{"error":"server_error","error_description":"this route is not set up correctly"}`}
	apiNoKeys       = apiAnswer{503, "", `{"error":"temporarily_unavailable","error_description":"token keys unavailable"}`}
)

// apiLacks is the answer to a token that lacks one of these scopes or permissions.
func apiLacks(scopes string) apiAnswer {
	return apiAnswer{403,
		`Bearer realm="api", error="insufficient_scope", error_description="insufficient scope", scope="` + scopes + `"`,
		`{"error":"insufficient_scope","error_description":"insufficient scope"}`}
}

func bearerRequest(token string) *http.Request { return requestWith("Bearer " + token) }

// requestWith has the given lines of Authorization.
func requestWith(authorization ...string) *http.Request {
	r := httptest.NewRequest("GET", "/members", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	return r
}

// expect sends a request and compares the whole answer.
func (f *apiFixture) expect(t *testing.T, h http.Handler, r *http.Request, want apiAnswer) {
	t.Helper()
	before := f.served.Load()
	f.log.take()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	if w.Code != want.status || w.Body.String() != want.body {
		t.Errorf("got  %d %s\nwant %d %s\nlog: %s", w.Code, w.Body, want.status, want.body, f.log.take())
	}
	passes := want.status == http.StatusOK
	headers := map[string][]string{"Www-Authenticate": nil, "Retry-After": nil, "Cache-Control": {"no-store"}, "Content-Type": {"application/json"}}
	if want.challenge != "" {
		headers["Www-Authenticate"] = []string{want.challenge}
	}
	if want.status == http.StatusServiceUnavailable {
		headers["Retry-After"] = []string{"5"}
	}
	if passes {
		headers["Cache-Control"], headers["Content-Type"] = nil, []string{"text/plain; charset=utf-8"}
	}
	for name, values := range headers {
		if got := resp.Header.Values(name); !slices.Equal(got, values) {
			t.Errorf("%s: got %q, want %q", name, got, values)
		}
	}
	if reached := f.served.Load() != before; reached != passes {
		t.Errorf("handler reached: %v, want %v", reached, passes)
	}
}

// expectToken sends a token to a route that needs nothing but one.
func (f *apiFixture) expectToken(t *testing.T, token string, want apiAnswer) {
	t.Helper()
	f.expect(t, f.api.RequireAuth(f), bearerRequest(token), want)
}

// A tokenCase is one row of the tables below.
type tokenCase struct {
	why, token string
	want       apiAnswer
}

func (f *apiFixture) run(t *testing.T, cases []tokenCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.why, func(t *testing.T) { f.expectToken(t, tt.token, tt.want) })
	}
}

func TestAuthorizationHeader(t *testing.T) {
	f := newAPIFixture(t)
	good := goodToken()
	for _, tt := range []struct {
		why    string
		values []string
		want   apiAnswer
	}{
		{"none", nil, apiNoToken},
		{"empty", []string{""}, apiNoToken},
		{"good", []string{"Bearer " + good}, apiOK},
		{"scheme in lower case", []string{"bearer " + good}, apiOK},
		{"scheme in upper case", []string{"BEARER " + good}, apiOK},
		{"scheme in mixed case", []string{"BeArEr " + good}, apiOK},
		{"three spaces", []string{"Bearer   " + good}, apiOK},
		{"tab", []string{"Bearer\t" + good}, apiBadHeader},
		{"space and tab", []string{"Bearer \t" + good}, apiBadHeader},
		{"no-break space", []string{"Bearer\u00a0" + good}, apiBadHeader},
		{"scheme alone", []string{"Bearer"}, apiBadHeader},
		{"scheme alone, lower case", []string{"bearer"}, apiBadHeader},
		{"scheme and a space", []string{"Bearer "}, apiBadHeader},
		{"scheme and spaces", []string{"Bearer    "}, apiBadHeader},
		{"two words", []string{"Bearer a b"}, apiBadHeader},
		{"space inside the token", []string{"Bearer " + good[:20] + " " + good[20:]}, apiBadHeader},
		{"space behind the token", []string{"Bearer " + good + " "}, apiBadHeader},
		{"space before the scheme", []string{" Bearer " + good}, apiNoToken},
		{"comma behind the token", []string{"Bearer " + good + ","}, apiBadHeader},
		{"two credentials in one line", []string{"Bearer " + good + ", Bearer " + good}, apiBadHeader},
		{"parameter", []string{`Bearer realm="x"`}, apiBadHeader},
		{"token without a scheme", []string{good}, apiBadHeader},
		{"opaque token without a scheme", []string{"YWJjZGVmZ2hpamtsbW5vcA"}, apiNoToken},
		{"no scheme, characters that no token has", []string{`"` + good + `"`}, apiBadHeader},
		{"no scheme, no dot, characters that no token has", []string{`"abc"`}, apiBadHeader},
		{"name that begins like the scheme", []string{"Bearer" + good}, apiNoToken},
		{"name that begins like the scheme, then a tab", []string{"bearerx\t" + good}, apiBadHeader},
		{"other scheme", []string{"Basic dTpw"}, apiNoToken},
		{"other scheme, with our token", []string{"Token " + good}, apiNoToken},
		{"DPoP", []string{"DPoP " + good}, apiNoToken},
		{"longer scheme", []string{"Bearerx " + good}, apiNoToken},
		{"scheme that folds to ours only in Unicode", []string{"Bea\u0280er " + good}, apiNoToken},
		{"quotes", []string{`Bearer "` + good + `"`}, apiBadHeader},
		{"angle brackets", []string{"Bearer <" + good + ">"}, apiBadHeader},
		{"percent sign", []string{"Bearer " + good[:20] + "%41" + good[20:]}, apiBadHeader},
		{"JSON form of a token", []string{`Bearer {"payload":"a","signatures":[]}`}, apiBadHeader},
		{"control character", []string{"Bearer " + good[:20] + "\x01" + good[20:]}, apiBadHeader},
		{"DEL", []string{"Bearer " + good[:20] + "\x7f" + good[20:]}, apiBadHeader},
		{"letter that is not ASCII", []string{"Bearer " + good[:20] + "é" + good[20:]}, apiBadHeader},
		{"line feed", []string{"Bearer " + good[:20] + "\n" + good[20:]}, apiBadHeader},
		{"carriage return", []string{"Bearer " + good + "\r"}, apiBadHeader},
		{"other characters that tokens may have", []string{"Bearer a~b+c/d=.-_"}, apiMalformed},
		{"two lines", []string{"Bearer " + good, "Bearer " + signed(goodHeader, withClaim("sub", `"auth0|v"`))}, apiBadHeader},
		{"two lines, the same", []string{"Bearer " + good, "Bearer " + good}, apiBadHeader},
		{"two lines, one empty", []string{"", "Bearer " + good}, apiBadHeader},
		{"two lines, one with another scheme", []string{"Bearer " + good, "Basic dTpw"}, apiBadHeader},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f.expect(t, f.api.RequireAuth(f), requestWith(tt.values...), tt.want)
		})
	}
}

// Tokens are taken from nowhere but the Authorization header.
func TestTokenElsewhereIsNone(t *testing.T) {
	f := newAPIFixture(t)
	good := goodToken()
	for _, tt := range []struct {
		why  string
		edit func(*http.Request)
	}{
		{"proxy authorization", func(r *http.Request) { r.Header.Set("Proxy-Authorization", "Bearer "+good) }},
		{"query", func(r *http.Request) { r.URL.RawQuery = "access_token=" + good }},
		{"cookie", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "access_token", Value: good}) }},
		{"form", func(r *http.Request) {
			r.Method = "POST"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = io.NopCloser(strings.NewReader("access_token=" + good))
		}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r := requestWith()
			tt.edit(r)
			query := r.URL.RawQuery
			f.expect(t, f.api.RequireAuth(f), r, apiNoToken)
			if r.URL.RawQuery != query {
				t.Errorf("the query was changed to %q", r.URL.RawQuery)
			}
		})
	}
	// Only sources that are read count as a second credential.
	r := bearerRequest(good)
	r.URL.RawQuery = "access_token=other"
	f.expect(t, f.api.RequireAuth(f), r, apiOK)
}

func TestHeadHasNoBody(t *testing.T) {
	f := newAPIFixture(t)
	want := apiNoToken
	want.body = ""
	r := requestWith()
	r.Method = "HEAD"
	f.expect(t, f.api.RequireAuth(f), r, want)
	want = apiMalformed
	want.body = ""
	r = bearerRequest("abc")
	r.Method = "HEAD"
	f.expect(t, f.api.RequireAuth(f), r, want)
}

func TestTokenForm(t *testing.T) {
	f := newAPIFixture(t)
	good := goodToken()
	part := strings.Split(good, ".")
	// A claim that makes the payload a multiple of three bytes plus one has
	// spare bits in its last character.
	spare := goodClaims(noon).String()
	for len(spare)%3 != 1 {
		spare += " "
	}
	h, p := segment(goodHeader.String()), segment(spare)
	input := h + "." + p[:len(p)-1] + string(nextLetter(p[len(p)-1]))
	spareBits := input + "." + segment(string(rs256(rsaKey1())(input)))

	f.run(t, []tokenCase{
		{"no dot", "abc", apiMalformed},
		{"one dot", "a.b", apiMalformed},
		{"three dots", "a.b.c.d", apiMalformed},
		{"good segments and one more", good + ".AAAA", apiMalformed},
		{"encrypted", segment(`{"alg":"dir","enc":"A256GCM"}`) + "..AAAA.AAAA.AAAA", apiMalformed},
		{"trailing dot", good + ".", apiMalformed},
		{"only dots", "..", apiMalformed},
		{"no header", "." + part[1] + "." + part[2], apiMalformed},
		{"no payload", part[0] + ".." + part[2], apiMalformed},
		{"no signature", part[0] + "." + part[1] + ".", apiMalformed},
		{"padded header", part[0] + "=." + part[1] + "." + part[2], apiMalformed},
		{"padded payload", part[0] + "." + part[1] + "==." + part[2], apiMalformed},
		{"padded signature", good + "==", apiMalformed},
		{"signature in the other alphabet", standardAlphabet(), apiMalformed},
		{"spare bits in the signature", good[:len(good)-1] + string(nextLetter(good[len(good)-1])), apiMalformed},
		{"spare bits in the payload, signed like that", spareBits, apiMalformed},
		{"largest", tokenOfSize(16384), apiOK},
		{"too large", tokenOfSize(16385), apiMalformed},
	})
}

// nextLetter returns the letter whose six bits differ in the lowest.
func nextLetter(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

// standardAlphabet returns a good token whose signature is written with + and /.
func standardAlphabet() string {
	for i := 0; ; i++ {
		token := signed(goodHeader, withClaim("jti", `"`+strconv.Itoa(i)+`"`))
		dot := strings.LastIndexByte(token, '.')
		if sig := token[dot:]; strings.ContainsAny(sig, "-_") {
			return token[:dot] + strings.NewReplacer("-", "+", "_", "/").Replace(sig)
		}
	}
}

// tokenOfSize returns a good token of exactly that many bytes.
func tokenOfSize(size int) string {
	length := func(texts ...string) (n int) {
		for _, text := range texts {
			n += len(segment(text)) + 1
		}
		return n + 342 // of the signature
	}
	header := goodHeader
	for range 3 { // some lengths are none of Base64; another header makes up for it
		for pad := range size {
			if claims := withClaim("pad", `"`+strings.Repeat("x", pad)+`"`); length(header.String(), claims.String()) == size {
				return signed(header, claims)
			}
		}
		header = header.set("x", `"`+strings.Repeat("x", len(header)-2)+`"`)
	}
	panic("no such token")
}

// What the Authorization header cannot carry can still reach Verify.
func TestVerifyTokenForm(t *testing.T) {
	f := newAPIFixture(t)
	good := goodToken()
	part := strings.Split(good, ".")
	for why, token := range map[string]string{
		"empty":                       "",
		"line feed in the header":     good[:4] + "\n" + good[4:],
		"line feed in the payload":    part[0] + ".\n" + part[1] + "." + part[2],
		"line break in the signature": good[:len(good)-4] + "\r\n" + good[len(good)-4:],
		"trailing line feed":          good + "\n",
		"leading space":               " " + good,
		"trailing space":              good + " ",
		"scheme":                      "Bearer " + good,
		"flattened JSON":              `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`,
		"general JSON":                `{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`,
	} {
		t.Run(why, func(t *testing.T) {
			token, err := f.api.Verify(t.Context(), token)
			var e *auth0.Error
			if token != nil || !errors.As(err, &e) || e.Status != 401 || e.Code != "invalid_token" || e.Description != "token malformed" {
				t.Errorf("got %v, %v; want token malformed", token, err)
			}
		})
	}
}

func TestJOSEHeader(t *testing.T) {
	f := newAPIFixture(t)
	raw := func(header string) string {
		return compact(header, goodClaims(noon).String(), rs256(rsaKey1()))
	}
	header := func(name, value string) string { return signed(goodHeader.set(name, value), goodClaims(noon)) }
	long := func(size int) string { // a header of that many bytes
		return raw(goodHeader.set("x", `"`+strings.Repeat("x", size-len(goodHeader.set("x", `""`).String()))+`"`).String())
	}
	cases := []tokenCase{
		{"no JSON", raw("alg"), apiMalformed},
		{"array", raw(`["RS256"]`), apiMalformed},
		{"null", raw("null"), apiMalformed},
		{"trailing byte", raw(goodHeader.String() + "x"), apiMalformed},
		{"two objects", raw(goodHeader.String() + "{}"), apiMalformed},
		{"invalid UTF-8", header("x", "\"\xff\""), apiMalformed},
		{"white space", raw(" { \"alg\" : \"RS256\" ,\n\"kid\":\"k1\"}\t"), apiOK},
		{"1 KiB", long(1024), apiOK},
		{"more than 1 KiB", long(1025), apiMalformed},
		{"alg twice, none first", signed(goodHeader.first("alg", `"none"`), goodClaims(noon)), apiMalformed},
		{"alg twice, none last", signed(goodHeader.last("alg", `"none"`), goodClaims(noon)), apiMalformed},
		{"alg twice, the same", signed(goodHeader.last("alg", `"RS256"`), goodClaims(noon)), apiMalformed},
		{"alg twice, once escaped", signed(goodHeader.last(`\u0061lg`, `"RS256"`), goodClaims(noon)), apiMalformed},
		{"kid twice", signed(goodHeader.last("kid", `"k2"`), goodClaims(noon)), apiMalformed},
		{"typ twice", signed(goodHeader.last("typ", `"JWT"`), goodClaims(noon)), apiMalformed},
		{"ALG is not alg", signed(goodHeader.without("alg").set("ALG", `"RS256"`), goodClaims(noon)), apiMalformed},
		{"ALG beside alg says nothing", header("ALG", `"none"`), apiOK},
		{"no alg", signed(goodHeader.without("alg"), goodClaims(noon)), apiMalformed},
		{"alg is empty", header("alg", `""`), apiMalformed},
		{"alg is a number", header("alg", `256`), apiMalformed},
		{"alg is null", header("alg", `null`), apiMalformed},
		{"alg is an array", header("alg", `["RS256"]`), apiMalformed},
		{"kid is a number", header("kid", `1`), apiMalformed},
		{"kid is null", header("kid", `null`), apiMalformed},
		{"typ is a number", header("typ", `1`), apiMalformed},
		{"typ is null", header("typ", `null`), apiMalformed},
		{"b64 is false", header("b64", `false`), apiMalformed},
		{"b64 is false and listed", signed(goodHeader.set("b64", "false").set("crit", `["b64"]`), goodClaims(noon)), apiMalformed},
		{"compressed", header("zip", `"DEF"`), apiMalformed},
		{"token inside", header("cty", `"JWT"`), apiMalformed},
	}
	for _, crit := range []string{`["exp"]`, `["x"]`, `["b64"]`, `[]`, `"x"`, `null`} {
		cases = append(cases, tokenCase{"crit " + crit, header("crit", crit), apiMalformed})
	}
	for _, typ := range []string{"JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "APPLICATION/at+jwt"} {
		cases = append(cases, tokenCase{"typ " + typ, header("typ", `"`+typ+`"`), apiOK})
	}
	cases = append(cases, tokenCase{"no typ", signed(goodHeader.without("typ"), goodClaims(noon)), apiOK})
	for _, typ := range []string{"dpop+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt", "entity-statement+jwt", "application/jwt+x", "JOSE", "id+jwt", " JWT"} {
		cases = append(cases, tokenCase{"typ " + typ, header("typ", `"`+typ+`"`), apiWrongType})
	}
	f.run(t, cases)
}

// An attacker who may choose the algorithm may choose one that needs no secret,
// or one for which the public key is the secret.
func TestAlgorithmConfusion(t *testing.T) {
	f := newAPIFixture(t)
	claims := goodClaims(noon).String()
	alg := func(name string, sign signer) string {
		return compact(goodHeader.set("alg", `"`+name+`"`).String(), claims, sign)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsaKey1().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pkix := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey1().PublicKey)})
	text, err := json.Marshal(rsaJWK("k1", &rsaKey1().PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	real := rs256(rsaKey1())
	f.run(t, []tokenCase{
		{"none with a signature", alg("none", real), apiWrongAlg},
		{"None", alg("None", real), apiWrongAlg},
		{"nOnE", alg("nOnE", real), apiWrongAlg},
		{"none with one byte", alg("none", constant([]byte{0})), apiWrongAlg},
		{"none without a signature", alg("none", constant(nil)), apiWrongAlg},
		{"RS256 in lower case", alg("rs256", real), apiWrongAlg},
		{"RS256 and a space", alg("RS256 ", real), apiWrongAlg},
		{"HS256 with PEM", alg("HS256", hs256(pkix)), apiWrongAlg},
		{"HS256 with PEM of PKCS #1", alg("HS256", hs256(pkcs1)), apiWrongAlg},
		{"HS256 with DER", alg("HS256", hs256(der)), apiWrongAlg},
		{"HS256 with the JWK", alg("HS256", hs256(text)), apiWrongAlg},
		{"HS256 with the modulus", alg("HS256", hs256(rsaKey1().N.Bytes())), apiWrongAlg},
		{"HS256 with an empty secret", alg("HS256", hs256(nil)), apiWrongAlg},
		{"RS384", alg("RS384", rs(crypto.SHA384, rsaKey1())), apiWrongAlg},
		{"RS512", alg("RS512", rs(crypto.SHA512, rsaKey1())), apiWrongAlg},
		{"PS256", alg("PS256", ps(crypto.SHA256, 32, rsaKey1())), apiWrongAlg},
		{"ES256", alg("ES256", es(crypto.SHA256, ecKey(), sideBySide(32))), apiWrongAlg},
		{"EdDSA", alg("EdDSA", constant(make([]byte, 64))), apiWrongAlg},
	})
	if f.fetches() != 0 {
		t.Errorf("%d fetches of keys for algorithms that are not accepted, want 0", f.fetches())
	}
}

// Every algorithm that can be allowed works with a key for it, and with no other.
func TestAlgorithms(t *testing.T) {
	keys := []jwk{
		rsaJWK("r", &rsaKey1().PublicKey).with("alg", nil),
		ecJWK("e256", "ES256", &ecKey().PublicKey), ecJWK("e384", "ES384", &ecKey384().PublicKey).with("alg", nil), ecJWK("e521", "ES512", &ecKey521().PublicKey),
		edJWK("ed", edKey().Public().(ed25519.PublicKey)),
	}
	tests := []struct {
		alg, kid string
		sign     signer
	}{
		{"RS256", "r", rs(crypto.SHA256, rsaKey1())},
		{"RS384", "r", rs(crypto.SHA384, rsaKey1())},
		{"RS512", "r", rs(crypto.SHA512, rsaKey1())},
		{"PS256", "r", ps(crypto.SHA256, 32, rsaKey1())},
		{"PS384", "r", ps(crypto.SHA384, 48, rsaKey1())},
		{"PS512", "r", ps(crypto.SHA512, 64, rsaKey1())},
		{"ES256", "e256", es(crypto.SHA256, ecKey(), sideBySide(32))},
		{"ES384", "e384", es(crypto.SHA384, ecKey384(), sideBySide(48))},
		{"ES512", "e521", es(crypto.SHA512, ecKey521(), sideBySide(66))},
		{"EdDSA", "ed", func(input string) []byte { return ed25519.Sign(edKey(), []byte(input)) }},
	}
	all := newAPIFixture(t, algorithms(allSignature...))
	all.publish(keys...)
	for _, tt := range tests {
		t.Run(tt.alg, func(t *testing.T) {
			only := newAPIFixture(t, algorithms(tt.alg))
			only.publish(keys...)
			for _, used := range tests {
				header := goodHeader.set("alg", `"`+used.alg+`"`).set("kid", `"`+used.kid+`"`)
				want := apiWrongAlg
				if used.alg == tt.alg {
					want = apiOK
				}
				only.expectToken(t, compact(header.String(), goodClaims(noon).String(), used.sign), want)
				// The label of one algorithm on the signature of another.
				header = header.set("alg", `"`+tt.alg+`"`)
				want = apiOK
				switch {
				case tt.alg == used.alg:
				case tt.kid == used.kid:
					want = apiBadSignature
				default:
					want = apiUnknownKey
				}
				all.expectToken(t, compact(header.String(), goodClaims(noon).String(), used.sign), want)
			}
		})
	}
}

// A key that names its algorithm is for no other.
func TestKeyForOneAlgorithm(t *testing.T) {
	token := compact(goodHeader.set("alg", `"PS256"`).String(), goodClaims(noon).String(), ps(crypto.SHA256, 32, rsaKey1()))
	f := newAPIFixture(t, algorithms("RS256", "PS256"))
	f.expectToken(t, token, apiUnknownKey)
	if f.fetches() != 1 {
		t.Errorf("%d fetches, want 1: the key is known", f.fetches())
	}
	f = newAPIFixture(t, algorithms("RS256", "PS256"))
	f.publish(rsaJWK("k1", &rsaKey1().PublicKey).with("alg", nil))
	f.expectToken(t, token, apiOK)
	f.expectToken(t, goodToken(), apiOK)
	f = newAPIFixture(t)
	f.publish(rsaJWK("k1", &rsaKey1().PublicKey).with("alg", "RS512"), rsaJWK("k2", &rsaKey2().PublicKey))
	f.expectToken(t, goodToken(), apiUnknownKey)
}

func TestSignatureForm(t *testing.T) {
	f := newAPIFixture(t, algorithms("RS256", "PS256", "ES256", "EdDSA"))
	f.publish(
		rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("p", &rsaKey1().PublicKey).with("alg", "PS256"),
		ecJWK("e", "ES256", &ecKey().PublicKey), edJWK("ed", edKey().Public().(ed25519.PublicKey)))
	claims := goodClaims(noon).String()
	token := func(alg, kid string, sign signer) string {
		return compact(goodHeader.set("alg", `"`+alg+`"`).set("kid", `"`+kid+`"`).String(), claims, sign)
	}
	ecdsaForm := func(form func(r, s *big.Int) []byte) string {
		return token("ES256", "e", es(crypto.SHA256, ecKey(), form))
	}
	order := elliptic.P256().Params().N
	ones := order.FillBytes(make([]byte, 32))
	good := goodToken()
	sig := rs256(rsaKey1())(good[:strings.LastIndexByte(good, '.')])
	f.run(t, []tokenCase{
		{"RS256, a byte shorter", token("RS256", "k1", constant(sig[1:])), apiBadSignature},
		{"RS256, last byte missing", token("RS256", "k1", constant(sig[:255])), apiBadSignature},
		{"RS256, a zero before it", token("RS256", "k1", constant(append([]byte{0}, sig...))), apiBadSignature},
		{"RS256, a zero behind it", token("RS256", "k1", constant(append(slices.Clone(sig), 0))), apiBadSignature},
		{"RS256, zeros", token("RS256", "k1", constant(make([]byte, 256))), apiBadSignature},
		{"RS256, one byte", token("RS256", "k1", constant([]byte{1})), apiBadSignature},
		{"PS256", token("PS256", "p", ps(crypto.SHA256, 32, rsaKey1())), apiOK},
		{"PS256 without salt", token("PS256", "p", ps(crypto.SHA256, 0, rsaKey1())), apiBadSignature},
		{"PS256 with a short salt", token("PS256", "p", ps(crypto.SHA256, 20, rsaKey1())), apiBadSignature},
		{"PS256 with the longest salt", token("PS256", "p", ps(crypto.SHA256, rsa.PSSSaltLengthAuto, rsaKey1())), apiBadSignature},
		{"PS256 of another hash", token("PS256", "p", ps(crypto.SHA384, 48, rsaKey1())), apiBadSignature},
		{"ES256", ecdsaForm(sideBySide(32)), apiOK},
		{"ES256, the larger s", ecdsaForm(func(r, s *big.Int) []byte {
			if half := new(big.Int).Rsh(order, 1); s.Cmp(half) <= 0 {
				s = new(big.Int).Sub(order, s)
			}
			return sideBySide(32)(r, s)
		}), apiOK},
		{"ES256 in DER", token("ES256", "e", func(input string) []byte {
			der, _ := ecdsa.SignASN1(rand.Reader, ecKey(), digestOf(crypto.SHA256, input))
			return der
		}), apiBadSignature},
		{"ES256, 63 bytes", ecdsaForm(func(r, s *big.Int) []byte { return sideBySide(32)(r, s)[1:] }), apiBadSignature},
		{"ES256, 65 bytes", ecdsaForm(func(r, s *big.Int) []byte { return append(sideBySide(32)(r, s), 0) }), apiBadSignature},
		{"ES256, 66 bytes", ecdsaForm(sideBySide(33)), apiBadSignature},
		{"ES256, a zero before s", ecdsaForm(func(r, s *big.Int) []byte { return slices.Insert(sideBySide(32)(r, s), 32, 0) }), apiBadSignature},
		{"ES256, s before r", ecdsaForm(func(r, s *big.Int) []byte { return sideBySide(32)(s, r) }), apiBadSignature},
		{"ES256, zeros", token("ES256", "e", constant(make([]byte, 64))), apiBadSignature},
		{"ES256, twice the order", token("ES256", "e", constant(slices.Concat(ones, ones))), apiBadSignature},
		{"ES256 for an RSA key", token("ES256", "k1", es(crypto.SHA256, ecKey(), sideBySide(32))), apiUnknownKey},
		{"RS256 for an elliptic curve key", token("RS256", "e", rs256(rsaKey1())), apiUnknownKey},
		{"EdDSA", token("EdDSA", "ed", func(input string) []byte { return ed25519.Sign(edKey(), []byte(input)) }), apiOK},
		{"EdDSA, 63 bytes", token("EdDSA", "ed", func(input string) []byte { return ed25519.Sign(edKey(), []byte(input))[:63] }), apiBadSignature},
		{"EdDSA, 65 bytes", token("EdDSA", "ed", func(input string) []byte { return append(ed25519.Sign(edKey(), []byte(input)), 0) }), apiBadSignature},
		{"EdDSA over a hash", token("EdDSA", "ed", func(input string) []byte { return ed25519.Sign(edKey(), digestOf(crypto.SHA512, input)) }), apiBadSignature},
	})
}

func TestSignatureIsOverEverything(t *testing.T) {
	f := newAPIFixture(t)
	good := goodToken()
	part := strings.Split(good, ".")
	other := strings.Split(signed(goodHeader, withClaim("sub", `"auth0|admin"`)), ".")
	f.run(t, []tokenCase{
		{"other payload", part[0] + "." + other[1] + "." + part[2], apiBadSignature},
		{"other header", segment(goodHeader.set("typ", `"at+jwt"`).String()) + "." + part[1] + "." + part[2], apiBadSignature},
		{"other signature", part[0] + "." + part[1] + "." + other[2], apiBadSignature},
		{"foreign key under our id", compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaForeign())), apiBadSignature},
		{"another key of the issuer under our id", compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaKey2())), apiBadSignature},
		{"white space added to the payload", part[0] + "." + segment(goodClaims(noon).String()+" ") + "." + part[2], apiBadSignature},
	})
	if f.fetches() != 1 {
		t.Errorf("%d fetches, want 1: the key is known", f.fetches())
	}
	// Any bit of the signature.
	sig, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sig)*8; i += 97 {
		flipped := slices.Clone(sig)
		flipped[i/8] ^= 1 << (i % 8)
		f.expectToken(t, part[0]+"."+part[1]+"."+segment(string(flipped)), apiBadSignature)
	}
}

// Keys come from the issuer, never from the token, and nothing is fetched that
// a token names.
func TestKeysInTokens(t *testing.T) {
	f := newAPIFixture(t)
	evil := "https://evil.example/"
	own, err := json.Marshal(rsaJWK("k1", &rsaForeign().PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"jwk": string(own), "jku": `"` + evil + `jwks.json"`, "x5u": `"` + evil + `cert.pem"`, "x5c": `["MIIB"]`,
	} {
		header := goodHeader.set(name, value)
		forged := compact(header.String(), goodClaims(noon).String(), rs256(rsaForeign()))
		f.run(t, []tokenCase{
			{name + " of an attacker", forged, apiBadSignature},
			{name + " in a good token", signed(header, goodClaims(noon)), apiOK},
		})
	}
	f.expectToken(t, signed(goodHeader.set("x5t", `"AAAA"`), goodClaims(noon)), apiOK)
	if want := []string{"https://t.example/.well-known/jwks.json"}; !slices.Equal(f.net.asked(), want) {
		t.Errorf("requests to %q, want %q", f.net.asked(), want)
	}
}

func TestKeyID(t *testing.T) {
	token := func(kid string) string {
		return signed(goodHeader.set("kid", kid), goodClaims(noon))
	}
	absent := signed(goodHeader.without("kid"), goodClaims(noon))
	k1, k2 := rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey)
	long := strings.Repeat("k", 256)
	for _, tt := range []struct {
		why   string
		keys  []jwk
		token string
		want  apiAnswer
	}{
		{"none, one key", []jwk{k1}, absent, apiOK},
		{"none, two keys", []jwk{k1, k2}, absent, apiUnknownKey},
		{"none, the only key is another", []jwk{k2}, absent, apiBadSignature},
		{"none, one key that fits", []jwk{ecJWK("e", "ES256", &ecKey().PublicKey), k1, k2.with("alg", "PS256")}, absent, apiOK},
		{"none, no key fits", []jwk{ecJWK("e", "ES256", &ecKey().PublicKey)}, absent, apiUnknownKey},
		{"empty, one key", []jwk{k1}, token(`""`), apiOK},
		{"empty, two keys", []jwk{k1, k2}, token(`""`), apiUnknownKey},
		{"none, and the key has none", []jwk{k1.with("kid", nil)}, absent, apiOK},
		{"the key has none", []jwk{k1.with("kid", nil)}, token(`"k1"`), apiUnknownKey},
		{"in other case", []jwk{k1}, token(`"K1"`), apiUnknownKey},
		{"and a space", []jwk{k1}, token(`"k1 "`), apiUnknownKey},
		{"escaped", []jwk{k1}, token(`"\u006b1"`), apiOK},
		{"longest", []jwk{k1.with("kid", long)}, token(`"` + long + `"`), apiOK},
		{"too long", []jwk{k1.with("kid", long+"k")}, token(`"` + long + `k"`), apiNoKeys},
		{"too long, among others", []jwk{k2, k1.with("kid", long+"k")}, token(`"` + long + `k"`), apiUnknownKey},
		{"none, and one key has an id that is too long", []jwk{k1, k2.with("kid", long+"k")}, absent, apiOK},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := newAPIFixture(t)
			f.publish(tt.keys...)
			if tt.want == apiNoKeys {
				// Too long an id is told before the keys are looked at.
				tt.want = apiUnknownKey
			}
			f.expectToken(t, tt.token, tt.want)
		})
	}
}

// Anybody can make up key ids: they must not cost a request if no key can have
// them, and must be harmless in the log.
func TestOddKeyIDs(t *testing.T) {
	f := newAPIFixture(t)
	f.expectToken(t, signed(goodHeader.set("kid", `"`+strings.Repeat("k", 257)+`"`), goodClaims(noon)), apiUnknownKey)
	if f.fetches() != 0 {
		t.Errorf("%d fetches for a key id that is too long, want 0", f.fetches())
	}
	for _, kid := range []string{`"../../etc/passwd"`, `"a\"b"`, `"a\u0000b"`, `"a\nlevel=ERROR msg=forged"`, `"\u2028"`} {
		f.log.take()
		f.expectToken(t, signed(goodHeader.set("kid", kid), goodClaims(noon)), apiUnknownKey)
		for line := range strings.Lines(f.log.take()) {
			if !strings.HasPrefix(line, "time=") || strings.ContainsAny(line, "\x00\u2028") {
				t.Errorf("kid %s: log line %q", kid, line)
			}
		}
	}
}

func TestPayloadForm(t *testing.T) {
	f := newAPIFixture(t)
	good := goodClaims(noon).String()
	raw := func(payload string) string { return compact(goodHeader.String(), payload, rs256(rsaKey1())) }
	nested := func(depth int) string {
		return raw(withClaim("x", strings.Repeat("[", depth)+strings.Repeat("]", depth)).String())
	}
	many := goodClaims(noon)
	for i := range 1000 {
		many = append(many, [2]string{"c" + strconv.Itoa(i), "1"})
	}
	f.run(t, []tokenCase{
		{"no JSON", raw("claims"), apiMalformed},
		{"array", raw("[]"), apiMalformed},
		{"null", raw("null"), apiMalformed},
		{"string", raw(`""`), apiMalformed},
		{"trailing byte", raw(good + "x"), apiMalformed},
		{"trailing NUL", raw(good + "\x00"), apiMalformed},
		{"two objects", raw(good + good), apiMalformed},
		{"comma behind the last member", raw(good[:len(good)-1] + ",}"), apiMalformed},
		{"byte order mark", raw("\ufeff" + good), apiMalformed},
		{"comment", raw("/**/" + good), apiMalformed},
		{"white space around it", raw(" \t\r\n" + good + " \n"), apiOK},
		{"invalid UTF-8", raw(withClaim("x", "\"\xff\"").String()), apiMalformed},
		{"overlong UTF-8", raw(withClaim("x", "\"\xc0\xaf\"").String()), apiMalformed},
		{"control character in a string", raw(withClaim("x", "\"a\x01b\"").String()), apiMalformed},
		{"lone surrogate", raw(withClaim("x", `"\ud800"`).String()), apiMalformed},
		{"half of a surrogate pair", raw(withClaim("x", `"\ud800\u0041"`).String()), apiMalformed},
		{"NaN", raw(withClaim("x", `NaN`).String()), apiMalformed},
		{"leading zero", raw(withClaim("x", `01`).String()), apiMalformed},
		{"60 arrays deep", nested(60), apiOK},
		{"65 arrays deep", nested(65), apiMalformed},
		{"5,000 arrays deep", nested(5000), apiMalformed},
		{"very deep, not closed", raw(`{"x":` + strings.Repeat("[", 11000)), apiMalformed},
		{"many claims", raw(many.String()), apiOK},
	})
}

func TestClaims(t *testing.T) {
	f := newAPIFixture(t)
	with := func(name, value string) string { return signed(goodHeader, withClaim(name, value)) }
	without := func(name string) string { return signed(goodHeader, goodClaims(noon).without(name)) }
	cases := []tokenCase{
		{"exp absent", without("exp"), apiBadClaims},
		{"exp with a fraction", with("exp", noonPlus(999)+".5"), apiOK},
		{"exp with an exponent", with("exp", "1.8e9"), apiOK},
		{"exp with an exponent, past", with("exp", "1.7e9"), apiExpired},
		{"exp just within leeway", with("exp", noonPlus(-4)), apiOK},
		{"exp at the end of leeway", with("exp", noonPlus(-5)), apiExpired},
		{"exp after leeway", with("exp", noonPlus(-6)), apiExpired},
		{"exp long ago", with("exp", "1"), apiExpired},
		{"exp in the year 9999", with("exp", "253402300799"), apiOK},
		{"exp after the year 9999", with("exp", "253402300800"), apiBadClaims},
		{"exp in milliseconds", with("exp", noonPlus(3600)+"000"), apiBadClaims},
		{"exp before iat", signed(goodHeader, withClaim("iat", noonPlus(4)).set("exp", noonPlus(2))), apiOK},
		{"nbf within leeway", with("nbf", noonPlus(4)), apiOK},
		{"nbf after leeway", with("nbf", noonPlus(6)), apiNotYet},
		{"nbf past", with("nbf", noonPlus(-600)), apiOK},
		{"iat within leeway", with("iat", noonPlus(4)), apiOK},
		{"iat after leeway", with("iat", noonPlus(6)), apiNotYet},
		{"iat absent", without("iat"), apiOK},
		{"iat with a fraction", with("iat", noonPlus(-10)+".25"), apiOK},
		{"iss absent", without("iss"), apiBadClaims},
		{"aud is our string", with("aud", `"https://api.example/"`), apiOK},
		{"aud has ours", with("aud", `["x","https://api.example/"]`), apiOK},
		{"aud has others", with("aud", `["x","https://t.example/userinfo"]`), apiWrongAud},
		{"aud is longer", with("aud", `"https://api.example/x"`), apiWrongAud},
		{"aud is shorter", with("aud", `"https://api.example"`), apiWrongAud},
		{"aud in other case", with("aud", `"https://API.example/"`), apiWrongAud},
		{"aud is the client", with("aud", `"c1"`), apiWrongAud},
		{"aud absent", without("aud"), apiWrongAud},
		{"aud is an empty list", with("aud", `[]`), apiWrongAud},
		{"aud is empty", with("aud", `""`), apiWrongAud},
		{"aud is an object", with("aud", `{"https://api.example/":1}`), apiBadClaims},
		{"aud has a number", with("aud", `["https://api.example/",1]`), apiBadClaims},
		{"aud is a number", with("aud", `5`), apiBadClaims},
		{"aud is null", with("aud", `null`), apiBadClaims},
		{"sub absent", without("sub"), apiOK},
		{"sub is a number", with("sub", `5`), apiBadClaims},
		{"sub is null", with("sub", `null`), apiBadClaims},
		{"sub is empty", with("sub", `""`), apiBadClaims},
		{"sub with a control character", with("sub", `"auth0|\u0000"`), apiBadClaims},
		{"sub with a line break", with("sub", `"auth0|a\nb"`), apiBadClaims},
		{"permissions is a string", with("permissions", `"read:m"`), apiBadClaims},
		{"permissions has a number", with("permissions", `["read:m",1]`), apiBadClaims},
		{"permissions is an object", with("permissions", `{"read:m":true}`), apiBadClaims},
		{"scope has a number", with("scope", `["read:m",1]`), apiBadClaims},
		{"scope is a number", with("scope", `1`), apiBadClaims},
		{"scp has a number", signed(goodHeader, goodClaims(noon).without("scope").set("scp", `[1]`)), apiBadClaims},
		{"azp is a number", with("azp", `1`), apiBadClaims},
		{"client_id is a number", with("client_id", `1`), apiBadClaims},
		{"org_id is a number", with("org_id", `1`), apiBadClaims},
		{"jti is a number", with("jti", `1`), apiBadClaims},
		{"unknown claim twice", signed(goodHeader, goodClaims(noon).last("x", `1`).last("x", `2`)), apiOK},
		{"exp past, EXP ahead", signed(goodHeader, withClaim("exp", noonPlus(-600)).last("EXP", noonPlus(600))), apiBadClaims},
		{"exp written with an escape", signed(goodHeader, goodClaims(noon).without("exp").last(`\u0065xp`, noonPlus(600))), apiOK},
		{"exp written with an escape, past", signed(goodHeader, goodClaims(noon).without("exp").last(`\u0065xp`, noonPlus(-600))), apiExpired},
		{"exp written with an escape beside exp", signed(goodHeader, goodClaims(noon).last(`\u0065xp`, noonPlus(600))), apiBadClaims},
		{"only ISS", signed(goodHeader, goodClaims(noon).without("iss").last("ISS", `"https://t.example/"`)), apiBadClaims},
		{"only AUD", signed(goodHeader, goodClaims(noon).without("aud").last("AUD", `"https://api.example/"`)), apiBadClaims},
		{"names that decide nothing may differ in case", signed(goodHeader, goodClaims(noon).last("SCOPE", `"admin"`).last("Permissions", `"x"`).last("AZP", `1`)), apiOK},
	}
	for _, value := range []string{"null", "true", "[1]", "{}", `"` + noonPlus(999) + `"`, "1e300", "9223372036854775808", "18446744073709551616", "-1", "0", "-0", "0.0"} {
		cases = append(cases, tokenCase{"exp " + value, with("exp", value), apiBadClaims})
	}
	for _, name := range []string{"nbf", "iat"} {
		for _, value := range []string{"null", `"x"`, "true", "1e300", "-1", "0"} {
			cases = append(cases, tokenCase{name + " " + value, with(name, value), apiBadClaims})
		}
	}
	for _, value := range []string{"null", "5", `["https://t.example/"]`} {
		cases = append(cases, tokenCase{"iss " + value, with("iss", value), apiBadClaims})
	}
	for _, m := range goodClaims(noon).set("nbf", noonPlus(-10)).set("cnf", `{"jkt":"x"}`).set("jti", `"j"`).set("client_id", `"c1"`).set("org_id", `"o"`).set("scp", `"x"`) {
		name, value := m[0], m[1]
		if len(goodClaims(noon).without(name)) == len(goodClaims(noon)) {
			cases = append(cases, tokenCase{name + " twice, the same", signed(goodHeader, withClaim(name, value).last(name, value)), apiBadClaims})
			continue
		}
		cases = append(cases,
			tokenCase{name + " twice, the same", signed(goodHeader, goodClaims(noon).last(name, value)), apiBadClaims},
			tokenCase{name + " twice, null last", signed(goodHeader, goodClaims(noon).last(name, "null")), apiBadClaims},
			tokenCase{name + " twice, null first", signed(goodHeader, goodClaims(noon).first(name, "null")), apiBadClaims})
	}
	for _, name := range []string{"EXP", "Iss", "\u017fub", "auD", "i\u017fs", "NBF", "Iat", "JTI", "Cnf"} {
		cases = append(cases, tokenCase{name + " beside the real one", signed(goodHeader, goodClaims(noon).last(name, `"x"`)), apiBadClaims})
	}
	f.run(t, cases)
}

// The issuer is compared byte for byte, and tokens of others cost no request.
func TestIssuer(t *testing.T) {
	f := newAPIFixture(t)
	for _, iss := range []string{"", "https://t.example", "https://T.example/", "HTTPS://t.example/", "http://t.example/", "https://t.example:443/", "https://t.example/x", "https://t.example//", "https://t.example/ ", "https://u.example/", "t.example"} {
		t.Run(iss, func(t *testing.T) {
			f.expectToken(t, signed(goodHeader, withClaim("iss", `"`+iss+`"`)), apiWrongIssuer)
		})
	}
	if urls := f.net.asked(); len(urls) != 0 {
		t.Errorf("requests to %q, want none", urls)
	}
}

func TestDomainInUpperCase(t *testing.T) {
	f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Domain = "T.EXAMPLE" })
	f.expectToken(t, goodToken(), apiOK)
}

// What is told without a key must not cost a request for keys.
func TestRefusedBeforeKeysAreFetched(t *testing.T) {
	f := newAPIFixture(t)
	for _, token := range []string{
		"abc",
		signed(goodHeader.set("alg", `"none"`), goodClaims(noon)),
		signed(goodHeader.set("typ", `"dpop+jwt"`), goodClaims(noon)),
		signed(goodHeader, withClaim("exp", noonPlus(-600))),
		signed(goodHeader, withClaim("nbf", noonPlus(600))),
		signed(goodHeader, withClaim("iss", `"https://u.example/"`)),
		signed(goodHeader, withClaim("aud", `"other"`)),
		signed(goodHeader, withClaim("nonce", `"n"`)),
		signed(goodHeader, withClaim("exp", `"x"`)),
	} {
		if _, err := f.api.Verify(t.Context(), token); err == nil {
			t.Errorf("token %s was accepted", token)
		}
	}
	if f.fetches() != 0 {
		t.Errorf("%d fetches, want 0", f.fetches())
	}
}

func TestLeeway(t *testing.T) {
	for _, tt := range []struct {
		why    string
		leeway time.Duration
		claim  string
		value  int64
		want   apiAnswer
	}{
		{"none, exp now", auth0.None, "exp", 0, apiExpired},
		{"none, exp in a second", auth0.None, "exp", 1, apiOK},
		{"none, nbf now", auth0.None, "nbf", 0, apiOK},
		{"none, nbf in a second", auth0.None, "nbf", 1, apiNotYet},
		{"none, iat in a second", auth0.None, "iat", 1, apiNotYet},
		{"a minute, exp 59 s ago", time.Minute, "exp", -59, apiOK},
		{"a minute, exp 60 s ago", time.Minute, "exp", -60, apiExpired},
		{"a minute, nbf in 59 s", time.Minute, "nbf", 59, apiOK},
		{"a minute, nbf in 61 s", time.Minute, "nbf", 61, apiNotYet},
		{"a minute, iat in 59 s", time.Minute, "iat", 59, apiOK},
		{"a minute, iat in 61 s", time.Minute, "iat", 61, apiNotYet},
		{"the most, exp 299 s ago", 5 * time.Minute, "exp", -299, apiOK},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Leeway = tt.leeway })
			f.expectToken(t, signed(goodHeader, withClaim(tt.claim, noonPlus(tt.value))), tt.want)
		})
	}
}

func TestSeveralAudiences(t *testing.T) {
	for _, tt := range []struct {
		why  string
		edit func(*auth0.APIConfig)
		aud  string
		want apiAnswer
	}{
		{"first", func(c *auth0.APIConfig) { c.Audiences = []string{"b"} }, `"https://api.example/"`, apiOK},
		{"second", func(c *auth0.APIConfig) { c.Audiences = []string{"b"} }, `"b"`, apiOK},
		{"neither", func(c *auth0.APIConfig) { c.Audiences = []string{"b"} }, `"c"`, apiWrongAud},
		{"only the list", func(c *auth0.APIConfig) { c.Audience, c.Audiences = "", []string{"a", "b"} }, `["x","b"]`, apiOK},
	} {
		t.Run(tt.why, func(t *testing.T) {
			newAPIFixture(t, tt.edit).expectToken(t, signed(goodHeader, withClaim("aud", tt.aud)), tt.want)
		})
	}
}

// ID tokens and logout tokens have the same issuer and keys as access tokens.
func TestOtherTokensOfTheTenant(t *testing.T) {
	f := newAPIFixture(t)
	for name, value := range map[string]string{"nonce": `"n"`, "at_hash": `"h"`, "c_hash": `"h"`, "s_hash": `"h"`,
		"events": `{"http://schemas.openid.net/event/backchannel-logout":{}}`} {
		t.Run(name, func(t *testing.T) {
			f.expectToken(t, signed(goodHeader, withClaim(name, value)), apiWrongType)
		})
	}
	for name, value := range map[string]string{"nonce": "null", "at_hash": "1"} {
		t.Run(name+" of the wrong type", func(t *testing.T) {
			f.expectToken(t, signed(goodHeader, withClaim(name, value)), apiBadClaims)
		})
	}
	t.Run("ID token", func(t *testing.T) {
		f.tenant.EditJWKS(nil)
		if err := f.tenant.AddClient(emulator.Client{ID: "c1", Secret: "s", Name: "c1", CallbackURLs: []string{"https://app.example/"}}); err != nil {
			t.Fatal(err)
		}
		now := func(header, claims map[string]any) { claims["iat"], claims["exp"] = noon.Unix(), noon.Unix()+3600 }
		f.expectToken(t, f.tenant.IDToken("c1", "auth0|u", now), apiWrongAud)
		ours := func(_, claims map[string]any) { claims["aud"], claims["nonce"] = apiAudience, "n" }
		f.expectToken(t, f.tenant.IDToken("c1", "auth0|u", now, ours), apiWrongType)
		f.expectToken(t, f.tenant.LogoutToken("c1", "auth0|u", "s", now, ours), apiWrongType)
	})
}

// A token that is bound to a key or a certificate proves nothing by itself,
// also if what binds it cannot be read.
func TestBoundTokens(t *testing.T) {
	f := newAPIFixture(t)
	for cnf, want := range map[string]apiAnswer{
		`{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`:      apiBound,
		`{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`: apiBound,
		`{"jwk":{"kty":"RSA"}}`:                                      apiBound, `{"other":1}`: apiBound,
		`{"jkt":5}`: apiBadClaims, `{"jkt":""}`: apiBadClaims, `{"x5t#S256":null}`: apiBadClaims, `{}`: apiBadClaims, `[]`: apiBadClaims,
		`"x"`: apiBadClaims, `""`: apiBadClaims, `5`: apiBadClaims, `true`: apiBadClaims, `false`: apiBadClaims, `null`: apiBadClaims,
	} {
		t.Run(cnf, func(t *testing.T) {
			token := signed(goodHeader, withClaim("cnf", cnf))
			f.expectToken(t, token, want)
			r := bearerRequest(token)
			r.Header.Set("DPoP", goodToken())
			f.expect(t, f.api.RequireAuth(f), r, want)
		})
	}
	// That a token is bound is said only of tokens that are real.
	f.expectToken(t, compact(goodHeader.String(), withClaim("cnf", `{"jkt":"x"}`).String(), rs256(rsaForeign())), apiBadSignature)
}

func TestScopesAndPermissions(t *testing.T) {
	f := newAPIFixture(t)
	scope, permission := f.api.RequireScope, f.api.RequirePermissions
	type list = []string
	for _, tt := range []struct {
		why    string
		guard  func(...string) func(http.Handler) http.Handler
		needs  list
		claims jsonObject
		want   apiAnswer
	}{
		{"scope", scope, list{"read:m"}, goodClaims(noon), apiOK},
		{"first scope", scope, list{"openid"}, goodClaims(noon), apiOK},
		{"last scope", scope, list{"write:m"}, goodClaims(noon), apiOK},
		{"two scopes", scope, list{"write:m", "read:m"}, goodClaims(noon), apiOK},
		{"missing scope", scope, list{"admin"}, goodClaims(noon), apiLacks("admin")},
		{"one of two scopes missing", scope, list{"read:m", "admin"}, goodClaims(noon), apiLacks("read:m admin")},
		{"other one missing", scope, list{"admin", "read:m"}, goodClaims(noon), apiLacks("admin read:m")},
		{"longer scope", scope, list{"read:m"}, withClaim("scope", `"read:mx xread:m"`), apiLacks("read:m")},
		{"shorter scope", scope, list{"read:mx"}, goodClaims(noon), apiLacks("read:mx")},
		{"scope in other case", scope, list{"READ:M"}, goodClaims(noon), apiLacks("READ:M")},
		{"spaces around and between", scope, list{"read:m"}, withClaim("scope", `"  openid  read:m "`), apiOK},
		{"tab is no separator", scope, list{"read:m"}, withClaim("scope", `"openid\tread:m"`), apiLacks("read:m")},
		{"comma is no separator", scope, list{"read:m"}, withClaim("scope", `"openid,read:m"`), apiLacks("read:m")},
		{"no scope", scope, list{"read:m"}, goodClaims(noon).without("scope"), apiLacks("read:m")},
		{"empty scope", scope, list{"read:m"}, withClaim("scope", `""`), apiLacks("read:m")},
		{"array of scopes", scope, list{"read:m"}, withClaim("scope", `["openid","read:m"]`), apiOK},
		{"empty array of scopes", scope, list{"read:m"}, withClaim("scope", `[]`), apiLacks("read:m")},
		{"scp", scope, list{"read:m"}, goodClaims(noon).without("scope").set("scp", `"openid read:m"`), apiOK},
		{"array scp", scope, list{"read:m"}, goodClaims(noon).without("scope").set("scp", `["read:m"]`), apiOK},
		{"scope wins over scp", scope, list{"read:m"}, withClaim("scope", `"x"`).set("scp", `"read:m"`), apiLacks("read:m")},
		{"empty scope wins over scp", scope, list{"read:m"}, withClaim("scope", `""`).first("scp", `"read:m"`), apiLacks("read:m")},
		{"SCOPE is no scope", scope, list{"read:m"}, goodClaims(noon).without("scope").set("SCOPE", `"read:m"`), apiLacks("read:m")},
		{"a permission is no scope", scope, list{"del:m"}, goodClaims(noon), apiLacks("del:m")},

		{"permission", permission, list{"del:m"}, goodClaims(noon), apiOK},
		{"two permissions", permission, list{"del:m", "read:m"}, goodClaims(noon), apiOK},
		{"missing permission", permission, list{"read:m", "x"}, goodClaims(noon), apiLacks("read:m x")},
		{"permission in other case", permission, list{"DEL:m"}, goodClaims(noon), apiLacks("DEL:m")},
		{"longer permission", permission, list{"del:m"}, withClaim("permissions", `["del:mx","xdel:m"]`), apiLacks("del:m")},
		{"permission among words", permission, list{"del:m"}, withClaim("permissions", `["read:m del:m"]`), apiLacks("del:m")},
		{"no permissions", permission, list{"read:m"}, goodClaims(noon).without("permissions"), apiLacks("read:m")},
		{"empty permissions", permission, list{"read:m"}, withClaim("permissions", `[]`), apiLacks("read:m")},
		{"a scope is no permission", permission, list{"write:m"}, goodClaims(noon), apiLacks("write:m")},
		{"PERMISSIONS are no permissions", permission, list{"x"}, goodClaims(noon).set("PERMISSIONS", `["x"]`), apiLacks("x")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			h := tt.guard(tt.needs...)(f)
			f.expect(t, h, bearerRequest(signed(goodHeader, tt.claims)), tt.want)
			// The guards imply authentication.
			f.expect(t, h, requestWith(), apiNoToken)
			f.expect(t, h, bearerRequest("abc"), apiMalformed)
			f.expect(t, h, bearerRequest(signed(goodHeader, tt.claims.set("exp", noonPlus(-60)))), apiExpired)
		})
	}
}

// A guard that cannot be satisfied is a mistake of the program. It must not let
// anybody pass, nor reach a header, and somebody must hear of it.
func TestUnusableScopes(t *testing.T) {
	for _, list := range [][]string{nil, {}, {""}, {"read:m", ""}, {"read:m openid"}, {`a"b`}, {`a\b`}, {"a\nb"}, {"a\tb"}, {"é"}, {"\x7f"}} {
		t.Run(fmt.Sprintf("%q", list), func(t *testing.T) {
			for name, guard := range map[string]func(*auth0.API) func(...string) func(http.Handler) http.Handler{
				"scopes":      func(a *auth0.API) func(...string) func(http.Handler) http.Handler { return a.RequireScope },
				"permissions": func(a *auth0.API) func(...string) func(http.Handler) http.Handler { return a.RequirePermissions },
			} {
				f := newAPIFixture(t)
				h := guard(f.api)(list...)(f)
				if log := f.log.take(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") {
					t.Errorf("%s: logged at wiring: %q", name, log)
				}
				every := goodClaims(noon).set("scope", `"read:m openid"`).set("permissions", `["read:m","","read:m openid"]`)
				f.expect(t, h, bearerRequest(signed(goodHeader, every)), apiUnusable)
			}
		})
	}
	f := newAPIFixture(t)
	f.api.RequireScope("read:m")
	if log := f.log.take(); log != "" {
		t.Errorf("a good list is logged: %s", log)
	}
}

// Who tries the route first has no token yet, and must not be told that one
// would help.
func TestUnusableScopesAnswerEveryRequest(t *testing.T) {
	f := newAPIFixture(t)
	for _, h := range []http.Handler{f.api.RequireScope()(f), f.api.RequirePermissions("")(f)} {
		f.expect(t, h, requestWith(), apiUnusable)
		f.expect(t, h, bearerRequest("abc"), apiUnusable)
	}
}

func TestStackedGuards(t *testing.T) {
	var checked int
	f := newAPIFixture(t, func(c *auth0.APIConfig) {
		c.Now = func() time.Time { checked++; return noon }
	})
	h := f.api.RequireAuth(f.api.RequireScope("read:m")(f.api.RequirePermissions("del:m")(f)))
	f.expect(t, h, bearerRequest(goodToken()), apiOK)
	if checked != 1 {
		t.Errorf("three guards verified the token %d times, want once", checked)
	}
	h = f.api.RequireScope("read:m")(f.api.RequireScope("b", "c")(f.api.RequireScope("d")(f)))
	f.expect(t, h, bearerRequest(goodToken()), apiLacks("b c"))

	// What one API has checked is nothing to another.
	other := newAPIFixture(t, func(c *auth0.APIConfig) { c.Audience = "other" })
	f.expect(t, f.api.RequireAuth(other.api.RequireAuth(f)), bearerRequest(goodToken()), apiWrongAud)
	both := signed(goodHeader, withClaim("aud", `["https://api.example/","other"]`))
	f.expect(t, f.api.RequireAuth(other.api.RequireAuth(f)), bearerRequest(both), apiOK)
}

func TestRequireClaim(t *testing.T) {
	f := newAPIFixture(t)
	for _, tt := range []struct {
		why   string
		value string // of the claim, empty for none
		check auth0.ClaimCheck
		want  apiAnswer
	}{
		{"text", `"pro"`, auth0.Equals("pro"), apiOK},
		{"other text", `"free"`, auth0.Equals("pro"), apiForbidden},
		{"other case", `"Pro"`, auth0.Equals("pro"), apiForbidden},
		{"absent", ``, auth0.Equals("pro"), apiForbidden},
		{"absent, and the check would agree", ``, func(any) bool { return true }, apiForbidden},
		{"null", `null`, auth0.Equals("pro"), apiForbidden},
		{"list with it", `["pro"]`, auth0.Equals("pro"), apiForbidden},
		{"object", `{"a":1}`, auth0.Equals("pro"), apiForbidden},
		{"number", `5`, auth0.Equals(5.0), apiOK},
		{"other number", `6`, auth0.Equals(5.0), apiForbidden},
		{"number in a string", `"5"`, auth0.Equals(5.0), apiForbidden},
		{"true", `true`, auth0.Equals(true), apiOK},
		{"false", `false`, auth0.Equals(true), apiForbidden},
		{"true in a string", `"true"`, auth0.Equals(true), apiForbidden},
		{"all of a list", `["a","b","c"]`, auth0.IncludesAll("a", "c"), apiOK},
		{"not all of a list", `["a","b"]`, auth0.IncludesAll("a", "c"), apiForbidden},
		{"all words", `"a b c"`, auth0.IncludesAll("a", "c"), apiOK},
		{"part of a word", `"ab"`, auth0.IncludesAll("a"), apiForbidden},
		{"all of nothing asked", `["a"]`, auth0.IncludesAll(), apiForbidden},
		{"all of an object", `{"a":true}`, auth0.IncludesAll("a"), apiForbidden},
		{"numbers are no words", `[1,"a"]`, auth0.IncludesAll("a"), apiOK},
		{"any of a list", `["a","b"]`, auth0.IncludesAny("c", "b"), apiOK},
		{"none of a list", `["a","b"]`, auth0.IncludesAny("c", "d"), apiForbidden},
		{"any word", `"a b"`, auth0.IncludesAny("c", "b"), apiOK},
		{"any of nothing asked", `["a"]`, auth0.IncludesAny(), apiForbidden},
		{"any of null", `null`, auth0.IncludesAny("a"), apiForbidden},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for _, name := range []string{"plan", "https://acme.example/plan"} {
				claims := goodClaims(noon)
				if tt.value != "" {
					claims = claims.set(name, tt.value)
				}
				h := f.api.RequireClaim(name, tt.check)(f)
				f.expect(t, h, bearerRequest(signed(goodHeader, claims)), tt.want)
				f.expect(t, h, requestWith(), apiNoToken)
			}
		})
	}
	// Names are exact.
	h := f.api.RequireClaim("plan", auth0.Equals("pro"))(f)
	f.expect(t, h, bearerRequest(signed(goodHeader, withClaim("PLAN", `"pro"`))), apiForbidden)
}

func TestTokenValues(t *testing.T) {
	f := newAPIFixture(t)
	token, err := f.api.Verify(t.Context(), signed(goodHeader, withClaim("jti", `"j1"`).set("org_id", `"org_1"`).set("https://acme.example/n", "9007199254740993")))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"Issuer", token.Issuer(), apiIssuer},
		{"Subject", token.Subject(), "auth0|u"},
		{"Audience", strings.Join(slices.Collect(token.Audience()), " "), "https://api.example/ https://t.example/userinfo"},
		{"ClientID", token.ClientID(), "c1"},
		{"ID", token.ID(), "j1"},
		{"ExpiresAt", token.ExpiresAt().UTC().Format(time.RFC3339), "2026-01-15T13:00:00Z"},
		{"IssuedAt", token.IssuedAt().UTC().Format(time.RFC3339), "2026-01-15T11:59:50Z"},
		{"Scope", token.Scope(), "openid read:m write:m"},
		{"Permissions", strings.Join(slices.Collect(token.Permissions()), " "), "read:m del:m"},
		{"OrgID", token.OrgID(), "org_1"},
		{"KeyID", token.KeyID(), "k1"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	for _, scope := range []string{`""`, `" "`, `"a  b"`} {
		token, err := f.api.Verify(t.Context(), signed(goodHeader, withClaim("scope", scope)))
		if err != nil || token.HasScope("") || token.HasPermission("") {
			t.Errorf("the token has the empty scope or permission, or %v", err)
		}
	}
	if value, ok := token.Claim("SUB"); ok || value != nil {
		t.Errorf("Claim folds the case of names: %v", value)
	}
	if value, ok := token.Claim("sub"); !ok || value != "auth0|u" {
		t.Errorf("Claim(sub) = %v, %v", value, ok)
	}

	for _, tt := range []struct {
		why    string
		claims jsonObject
		want   string
	}{
		{"client_id wins", withClaim("client_id", `"c2"`), "c2"},
		{"azp", goodClaims(noon), "c1"},
		{"neither", goodClaims(noon).without("azp"), ""},
	} {
		token, err := f.api.Verify(t.Context(), signed(goodHeader, tt.claims))
		if err != nil || token.ClientID() != tt.want {
			t.Errorf("%s: ClientID %q, %v; want %q", tt.why, token.ClientID(), err, tt.want)
		}
	}
	token, err = f.api.Verify(t.Context(), signed(goodHeader, goodClaims(noon).without("iat")))
	if err != nil || !token.IssuedAt().IsZero() {
		t.Errorf("IssuedAt without iat: %v, %v", token.IssuedAt(), err)
	}
}

// Tokens are put into logs by people who mean well.
func TestTokenDoesNotPrint(t *testing.T) {
	f := newAPIFixture(t)
	raw := signed(goodHeader, withClaim("email", `"ada@acme.example"`))
	token, err := f.api.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token)
	//lint:ignore SA9005 that nothing comes out is what is tested
	asJSON, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", token, token, token, token, token, token), log.String(), string(asJSON)} {
		for _, secret := range append(strings.Split(raw, "."), "ada@acme.example", "ada@") {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
	if !strings.Contains(log.String(), "auth0|u") {
		t.Errorf("the log does not show who the token is about: %s", log.String())
	}
}

func TestTokenFromNowhere(t *testing.T) {
	if token, ok := auth0.TokenFrom(t.Context()); ok || token != nil {
		t.Errorf("got %v, %v", token, ok)
	}
	if _, err := auth0.Claims[map[string]any](t.Context()); !errors.Is(err, auth0.ErrNoToken) {
		t.Errorf("Claims: %v, want ErrNoToken", err)
	}
}

// requestContext returns the context that a handler sees.
func requestContext(t *testing.T, api *auth0.API, token string) context.Context {
	t.Helper()
	var ctx context.Context
	h := api.RequireAuth(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, bearerRequest(token))
	if ctx == nil {
		t.Fatalf("handler not reached: %d %s", w.Code, w.Body)
	}
	return ctx
}

func TestClaimsOfToken(t *testing.T) {
	f := newAPIFixture(t)
	ctx := requestContext(t, f.api, signed(goodHeader, goodClaims(noon).
		set("https://acme.example/profile", `{"teams":[{"id":9007199254740993,"since":"2025-12-31T23:59:59Z"}]}`)))
	type profile struct {
		Subject string `json:"sub"`
		Profile struct {
			Teams []struct {
				ID    int64
				Since time.Time
			}
		} `json:"https://acme.example/profile"`
	}
	got, err := auth0.Claims[profile](ctx)
	if err != nil || got.Subject != "auth0|u" || len(got.Profile.Teams) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if team := got.Profile.Teams[0]; team.ID != 9007199254740993 || !team.Since.Equal(time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)) {
		t.Errorf("got %+v", team)
	}
	// A type that does not fit is the handler's business.
	_, err = auth0.Claims[struct{ Sub int }](ctx)
	if e := (*auth0.Error)(nil); !errors.As(err, &e) {
		t.Errorf("claims of the wrong type: %v, want an *auth0.Error", err)
	}
	if errors.Is(err, auth0.ErrNoToken) {
		t.Error("claims of the wrong type look like no token")
	}
}

// decoded counts how often it is.
type decoded struct{ Subject string }

var timesDecoded atomic.Int64

func (d *decoded) UnmarshalJSON(text []byte) error {
	timesDecoded.Add(1)
	type plain struct {
		Sub string `json:"sub"`
	}
	var p plain
	err := json.Unmarshal(text, &p)
	d.Subject = p.Sub
	return err
}

// Handlers and what they call ask again rather than hand claims on.
func TestClaimsAreDecodedOnce(t *testing.T) {
	f := newAPIFixture(t)
	ctx := requestContext(t, f.api, goodToken())
	timesDecoded.Store(0)
	for range 3 {
		if d, err := auth0.Claims[decoded](ctx); err != nil || d.Subject != "auth0|u" {
			t.Fatalf("got %+v, %v", d, err)
		}
	}
	if n := timesDecoded.Load(); n != 1 {
		t.Errorf("claims were decoded %d times in one request, want once", n)
	}
}

// A page reads custom claims as an API does; where there are both, what
// authenticated the request counts.
func TestClaimsOfSession(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	tenant.EditIDToken(func(_, claims map[string]any) { claims["https://acme.example/plan"] = "session" })
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		t.Fatal(err)
	}
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := auth0.Claims[struct {
			Plan string `json:"https://acme.example/plan"`
		}](r.Context())
		_, isToken := auth0.TokenFrom(r.Context())
		fmt.Fprintf(w, "%s %v %v", claims.Plan, isToken, err)
	})
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /page", strategy.RequireLogin(show))
	mux.Handle("GET /api", api.RequireAuth(show))
	browser := tenant.Browser(strategy.LoadUser(mux))
	get := func(path, token string) (int, string) {
		t.Helper()
		r, err := http.NewRequest("GET", auth0test.AppURL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	tenant.SignIn("ada@acme.example")
	token := tenant.AccessToken(auth0test.Claim("https://acme.example/plan", "token"))
	for _, tt := range []struct {
		why, path, token string
		status           int
		body             string
	}{
		{"session", "/page", "", 200, "session false <nil>"},
		{"token beside a session", "/api", token, 200, "token true <nil>"},
		{"a session is no token", "/api", "", 401, `{"error":"unauthorized","error_description":"authentication required"}`},
		{"a bad token does not fall back to the session", "/api", "abc", 401, `{"error":"invalid_token","error_description":"token malformed"}`},
	} {
		if status, body := get(tt.path, tt.token); status != tt.status || body != tt.body {
			t.Errorf("%s: got %d %s, want %d %s", tt.why, status, body, tt.status, tt.body)
		}
	}
}

// A strictWriter notes whether anything was written.
type strictWriter struct {
	header http.Header
	writes int
}

func (w *strictWriter) Header() http.Header { return w.header }

func (w *strictWriter) Write(p []byte) (int, error) {
	w.writes++
	return len(p), nil
}

func (w *strictWriter) WriteHeader(int) { w.writes++ }

func TestErrorHandler(t *testing.T) {
	var got *auth0.Error
	w := &strictWriter{}
	f := newAPIFixture(t, func(c *auth0.APIConfig) {
		c.Realm = "acme (prod)"
		c.ErrorHandler = func(rw http.ResponseWriter, r *http.Request, e *auth0.Error) {
			if w.writes != 0 {
				t.Error("something was written before the handler ran")
			}
			got = e
		}
	})
	down := newAPIFixture(t, func(c *auth0.APIConfig) { c.ErrorHandler = f.cfg.ErrorHandler })
	down.tenant.Fail(emulator.JWKS, 503)
	for _, tt := range []struct {
		why                  string
		h                    http.Handler
		r                    *http.Request
		status               int
		code, reason         string
		description, scope   string
		challenge            string
		retryAfter, sentinel any
	}{
		{"no token", f.api.RequireAuth(f), requestWith(), 401, "unauthorized", "missing_token", "authentication required", "", `Bearer realm="acme (prod)"`, nil, auth0.ErrNoToken},
		{"header", f.api.RequireAuth(f), requestWith("Bearer a b"), 400, "invalid_request", "invalid_request", "malformed Authorization header", "",
			`Bearer realm="acme (prod)", error="invalid_request", error_description="malformed Authorization header"`, nil, nil},
		{"expired", f.api.RequireAuth(f), bearerRequest(signed(goodHeader, withClaim("exp", noonPlus(-60)))), 401, "invalid_token", "token_expired", "token expired", "",
			`Bearer realm="acme (prod)", error="invalid_token", error_description="token expired"`, nil, auth0.ErrTokenExpired},
		{"scope", f.api.RequireScope("a", "b")(f), bearerRequest(goodToken()), 403, "insufficient_scope", "insufficient_scope", "insufficient scope", "a b",
			`Bearer realm="acme (prod)", error="insufficient_scope", error_description="insufficient scope", scope="a b"`, nil, nil},
		{"permission", f.api.RequirePermissions("a")(f), bearerRequest(goodToken()), 403, "insufficient_scope", "insufficient_permissions", "insufficient scope", "a",
			`Bearer realm="acme (prod)", error="insufficient_scope", error_description="insufficient scope", scope="a"`, nil, nil},
		{"claim", f.api.RequireClaim("a", auth0.Equals("b"))(f), bearerRequest(goodToken()), 403, "access_denied", "claim_requirement", "claim requirement not met", "", "", nil, nil},
		{"keys", down.api.RequireAuth(f), bearerRequest(goodToken()), 503, "temporarily_unavailable", "keys_unavailable", "token keys unavailable", "", "", "5", auth0.ErrKeysUnavailable},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got, *w = nil, strictWriter{header: http.Header{}}
			tt.h.ServeHTTP(w, tt.r)
			if got == nil {
				t.Fatal("the handler was not called")
			}
			if got.Op != "bearer" || got.Status != tt.status || got.Code != tt.code || got.Reason != tt.reason || got.Description != tt.description || got.Scope != tt.scope {
				t.Errorf("got %+v", got)
			}
			if w.header.Get("WWW-Authenticate") != tt.challenge || w.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v, want the challenge %q", w.header, tt.challenge)
			}
			if retry, _ := tt.retryAfter.(string); w.header.Get("Retry-After") != retry || retry != "" && got.RetryAfter != 5*time.Second {
				t.Errorf("Retry-After %q, RetryAfter %v, want %q", w.header.Get("Retry-After"), got.RetryAfter, retry)
			}
			if sentinel, ok := tt.sentinel.(error); ok && !errors.Is(got, sentinel) {
				t.Errorf("%v is not %v", got, sentinel)
			}
			if w.writes != 1 {
				t.Errorf("%d writes, want the status alone, since the handler has written nothing", w.writes)
			}
		})
	}
}

// Reasons are for metrics: they tell more than the answer does.
func TestVerifyReasons(t *testing.T) {
	f := newAPIFixture(t)
	down := newAPIFixture(t)
	down.tenant.Fail(emulator.JWKS, 503)
	for _, tt := range []struct {
		why, token string
		api        *auth0.API
		status     int
		reason     string
		sentinel   error
	}{
		{"malformed", "a.b", f.api, 401, "token_malformed", nil},
		{"too large", tokenOfSize(16385), f.api, 401, "token_too_large", nil},
		{"crit", signed(goodHeader.set("crit", `["x"]`), goodClaims(noon)), f.api, 401, "unsupported_crit", nil},
		{"alg", signed(goodHeader.set("alg", `"PS256"`), goodClaims(noon)), f.api, 401, "invalid_alg", nil},
		{"typ", signed(goodHeader.set("typ", `"dpop+jwt"`), goodClaims(noon)), f.api, 401, "invalid_type", nil},
		{"issuer", signed(goodHeader, withClaim("iss", `"x"`)), f.api, 401, "invalid_issuer", nil},
		{"audience", signed(goodHeader, withClaim("aud", `"x"`)), f.api, 401, "invalid_audience", nil},
		{"expired", signed(goodHeader, withClaim("exp", noonPlus(-60))), f.api, 401, "token_expired", auth0.ErrTokenExpired},
		{"not yet", signed(goodHeader, withClaim("nbf", noonPlus(60))), f.api, 401, "token_not_yet_valid", nil},
		{"issued ahead", signed(goodHeader, withClaim("iat", noonPlus(60))), f.api, 401, "issued_in_future", nil},
		{"claim", signed(goodHeader, withClaim("exp", `"x"`)), f.api, 401, "invalid_claim", nil},
		{"unknown key", signed(goodHeader.set("kid", `"x"`), goodClaims(noon)), f.api, 401, "unknown_kid", nil},
		{"several keys", signed(goodHeader.without("kid"), goodClaims(noon)), f.api, 401, "ambiguous_kid", nil},
		{"signature", compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaForeign())), f.api, 401, "invalid_signature", nil},
		{"bound", signed(goodHeader, withClaim("cnf", `{"jkt":"x"}`)), f.api, 401, "dpop_required", nil},
		{"keys", goodToken(), down.api, 503, "keys_unavailable", auth0.ErrKeysUnavailable},
	} {
		t.Run(tt.why, func(t *testing.T) {
			token, err := tt.api.Verify(t.Context(), tt.token)
			var e *auth0.Error
			if token != nil || !errors.As(err, &e) {
				t.Fatalf("got %v, %v", token, err)
			}
			if e.Status != tt.status || e.Reason != tt.reason || e.Op != "bearer" {
				t.Errorf("got %+v, want %d %s", e, tt.status, tt.reason)
			}
			if tt.sentinel != nil && !errors.Is(err, tt.sentinel) {
				t.Errorf("%v is not %v", err, tt.sentinel)
			}
			for _, other := range []error{auth0.ErrNoToken, auth0.ErrTokenExpired, auth0.ErrKeysUnavailable, auth0.ErrNoSession} {
				if other != tt.sentinel && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
		})
	}
}

// The owner of an API finds the usual mistakes explained in the log.
func TestLogOfRefusals(t *testing.T) {
	f := newAPIFixture(t)
	for _, tt := range []struct {
		why, token, want string
	}{
		{"opaque token", "YWJjZGVmZ2hpamtsbW5vcA", "opaque token"},
		{"ID token", signed(goodHeader, withClaim("aud", `"c1"`)), "this is an ID token"},
		{"expired", signed(goodHeader, withClaim("exp", noonPlus(-60))), "60 s ago"},
	} {
		f.log.take()
		f.expectToken(t, tt.token, map[string]apiAnswer{"opaque token": apiMalformed, "ID token": apiWrongAud, "expired": apiExpired}[tt.why])
		log := f.log.take()
		if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, tt.want) {
			t.Errorf("%s: log %q, want one warning that says %q", tt.why, log, tt.want)
		}
	}
}

type outerKey struct{}

// A guard is invisible to the handler, but for the token.
func TestGuardKeepsTheRequest(t *testing.T) {
	f := newAPIFixture(t)
	var got string
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		got = fmt.Sprint(r.Context().Value(outerKey{}), " ", r.PathValue("id"), " ", r.Pattern, " ", token.Subject())
	})
	mux := http.NewServeMux()
	mux.Handle("GET /items/{id}", f.api.RequireAuth(inner))
	r := httptest.NewRequest("GET", "/items/7", nil)
	r.Header.Set("Authorization", "Bearer "+goodToken())
	r = r.WithContext(context.WithValue(r.Context(), outerKey{}, "outer"))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if want := "outer 7 GET /items/{id} auth0|u"; got != want {
		t.Errorf("got %q, want %q; status %d", got, want, w.Code)
	}
}

func TestPanicsOfHandlersPass(t *testing.T) {
	f := newAPIFixture(t)
	h := f.api.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v, want the panic of the handler", p)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), bearerRequest(goodToken()))
}

// An API that was not made by NewAPI trusts nobody, and says so without a panic.
func TestZeroAPI(t *testing.T) {
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("handler reached") })
	for why, call := range map[string]func(a *auth0.API) int{
		"no token":  func(a *auth0.API) int { return bearerStatus(a.RequireAuth(never), requestWith()) },
		"token":     func(a *auth0.API) int { return bearerStatus(a.RequireAuth(never), bearerRequest(goodToken())) },
		"scope":     func(a *auth0.API) int { return bearerStatus(a.RequireScope("a")(never), bearerRequest(goodToken())) },
		"no scope":  func(a *auth0.API) int { return bearerStatus(a.RequireScope()(never), bearerRequest(goodToken())) },
		"verify":    func(a *auth0.API) int { return verifyStatus(t, a, goodToken()) },
		"malformed": func(a *auth0.API) int { return verifyStatus(t, a, "abc") },
	} {
		t.Run(why, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic: %v", p)
				}
			}()
			if status := call(new(auth0.API)); status < 400 {
				t.Errorf("status %d", status)
			}
		})
	}
}

func bearerStatus(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func verifyStatus(t *testing.T, a *auth0.API, token string) int {
	t.Helper()
	_, err := a.Verify(t.Context(), token)
	var e *auth0.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want an *auth0.Error", err)
	}
	return e.Status
}

func TestNewAPI(t *testing.T) {
	good := auth0.APIConfig{Domain: apiHost, Audience: apiAudience}
	edit := func(f func(*auth0.APIConfig)) auth0.APIConfig {
		c := good
		f(&c)
		return c
	}
	domain := func(d string) auth0.APIConfig { return edit(func(c *auth0.APIConfig) { c.Domain = d }) }
	for _, tt := range []struct {
		why    string
		config auth0.APIConfig
		fields []string // that are complained about
	}{
		{"good", good, nil},
		{"upper case", domain("T.EXAMPLE"), nil},
		{"URL", domain("https://id.example"), nil},
		{"URL with a path", domain("https://id.example/realms/a"), nil},
		{"http on this machine", domain("http://127.0.0.1:4000"), nil},
		{"nothing", auth0.APIConfig{}, []string{"Domain", "Audience"}},
		{"no domain", domain(""), []string{"Domain"}},
		{"no audience", edit(func(c *auth0.APIConfig) { c.Audience = "" }), []string{"Audience"}},
		{"empty audience in the list", edit(func(c *auth0.APIConfig) { c.Audiences = []string{""} }), []string{"Audience"}},
		{"audience with a line feed", edit(func(c *auth0.APIConfig) { c.Audience += "\n" }), []string{"Audience"}},
		{"audience with a space in the list", edit(func(c *auth0.APIConfig) { c.Audiences = []string{" https://api.example/"} }), []string{"Audiences"}},
		{"one label", domain("tenant"), []string{"Domain"}},
		{"slash", domain("t.example/"), []string{"Domain"}},
		{"path", domain("t.example/x"), []string{"Domain"}},
		{"port", domain("t.example:443"), []string{"Domain"}},
		{"user", domain("u@t.example"), []string{"Domain"}},
		{"query", domain("t.example?x"), []string{"Domain"}},
		{"address", domain("127.0.0.1"), []string{"Domain"}},
		{"space", domain(" t.example"), []string{"Domain"}},
		{"dot at the end", domain("t.example."), []string{"Domain"}},
		{"letter that is not ASCII", domain("té.example"), []string{"Domain"}},
		{"http", domain("http://t.example/"), []string{"Domain"}},
		{"URL with a user", domain("https://u:p@t.example/"), []string{"Domain"}},
		{"URL with a query", domain("https://t.example/?x=1"), []string{"Domain"}},
		{"URL with a fragment", domain("https://t.example/#x"), []string{"Domain"}},
		{"other scheme", domain("ftp://t.example/"), []string{"Domain"}},
		{"URL without a host", domain("https:///x"), []string{"Domain"}},
		{"algorithm none", edit(algorithms("none")), []string{"Algorithms"}},
		{"shared secret", edit(algorithms("RS256", "HS256")), []string{"Algorithms"}},
		{"algorithm in lower case", edit(algorithms("rs256")), []string{"Algorithms"}},
		{"empty algorithm", edit(algorithms("")), []string{"Algorithms"}},
		{"negative leeway", edit(func(c *auth0.APIConfig) { c.Leeway = -time.Second }), []string{"Leeway"}},
		{"long leeway", edit(func(c *auth0.APIConfig) { c.Leeway = 5*time.Minute + 1 }), []string{"Leeway"}},
		{"longest leeway", edit(func(c *auth0.APIConfig) { c.Leeway = 5 * time.Minute }), nil},
		{"no leeway", edit(func(c *auth0.APIConfig) { c.Leeway = auth0.None }), nil},
		{"realm with quotes", edit(func(c *auth0.APIConfig) { c.Realm = `my "api"` }), []string{"Realm"}},
		{"realm with a backslash", edit(func(c *auth0.APIConfig) { c.Realm = `a\b` }), []string{"Realm"}},
		{"realm with a line break", edit(func(c *auth0.APIConfig) { c.Realm = "a\r\nX: y" }), []string{"Realm"}},
		{"realm that is not ASCII", edit(func(c *auth0.APIConfig) { c.Realm = "é" }), []string{"Realm"}},
		{"realm with DEL", edit(func(c *auth0.APIConfig) { c.Realm = "a\x7f" }), []string{"Realm"}},
		{"realm with everything allowed", edit(func(c *auth0.APIConfig) { c.Realm = " !#[]~" }), nil},
		{"origin with a path", edit(func(c *auth0.APIConfig) { c.EndpointOrigins = []string{"https://a.example/"} }), []string{"EndpointOrigins"}},
		{"all at once", auth0.APIConfig{Domain: "x", Algorithms: []string{"none"}, Leeway: time.Hour, Realm: `"`, EndpointOrigins: []string{"x"}},
			[]string{"Domain", "Audience", "Algorithms", "Leeway", "Realm", "EndpointOrigins"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tt.config.HTTPClient = &http.Client{Transport: &inProcess{}}
			api, err := auth0.NewAPI(tt.config)
			if tt.fields == nil {
				if api == nil || err != nil {
					t.Fatalf("got %v, %v", api, err)
				}
				return
			}
			if api != nil || err == nil {
				t.Fatalf("got %v, %v; want complaints about %q", api, err, tt.fields)
			}
			for _, field := range []string{"Domain", "Audience", "Algorithms", "Leeway", "Realm", "EndpointOrigins"} {
				if got, want := strings.Contains(err.Error(), "APIConfig."+field+" "), slices.Contains(tt.fields, field); got != want {
					t.Errorf("complaint about %s: %v, want %v; error:\n%v", field, got, want, err)
				}
			}
		})
	}
}

// An empty list of algorithms is the default or a mistake, but not an API that
// refuses everybody.
func TestEmptyListOfAlgorithms(t *testing.T) {
	_, err := auth0.NewAPI(auth0.APIConfig{Domain: apiHost, Audience: apiAudience, Algorithms: []string{}})
	if err == nil {
		f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Algorithms = []string{} })
		f.expectToken(t, goodToken(), apiOK)
	}
}

// What the caller does with its slices later must not change an API.
func TestConfigIsCopied(t *testing.T) {
	algs, auds := []string{"RS256"}, []string{"a"}
	f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Algorithms, c.Audience, c.Audiences = algs, "", auds })
	algs[0], auds[0] = "ES256", "b"
	f.expectToken(t, signed(goodHeader, withClaim("aud", `"a"`)), apiOK)

	f = newAPIFixture(t)
	scopes := []string{"admin"}
	h := f.api.RequireScope(scopes...)(f)
	scopes[0] = "read:m"
	f.expect(t, h, bearerRequest(goodToken()), apiLacks("admin"))
}

// challengeForm is what RFC 6750, Section 3, allows: quoted values of its
// character set, in our order.
var challengeForm = regexp.MustCompile(`^Bearer realm="api"(, error="(invalid_request|invalid_token)", error_description="[ !#-\[\]-~]+")?$`)

// TestErrorTokensNeverAppear sends tokens that are broken in many ways. Nothing
// that came in may go out, and no part of a token may reach the log.
func TestErrorTokensNeverAppear(t *testing.T) {
	const marker = "ATTACKER"
	f := newAPIFixture(t)
	h := f.api.RequireAuth(f)
	gen := &tokenGenerator{rand: mathrand.New(mathrand.NewPCG(1, 2)), marker: marker}
	statuses, leaks := map[int]int{}, 0
	for range 2000 {
		authorization := gen.authorization()
		f.log.take()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, requestWith(authorization))
		statuses[w.Code]++
		log := f.log.take()
		challenges := w.Result().Header.Values("WWW-Authenticate")
		if w.Code == http.StatusOK {
			continue
		}
		if len(challenges) != 1 || !challengeForm.MatchString(challenges[0]) {
			t.Fatalf("%q: challenges %q", authorization, challenges)
		}
		for name, values := range w.Result().Header {
			if text := strings.Join(values, "") + w.Body.String(); strings.Contains(text, marker) || strings.ContainsAny(text, "\r\n") {
				t.Fatalf("%q: %s and body are %q", authorization, name, text)
			}
		}
		for line := range strings.Lines(log) {
			if !strings.HasPrefix(line, "time=") {
				t.Fatalf("%q: log line %q", authorization, line)
			}
		}
		if part := leaked(authorization, log); part != "" {
			if leaks++; leaks <= 3 {
				t.Errorf("the log has %q of %.40q...:\n%s", part, authorization, log)
			}
		}
	}
	if leaks > 0 {
		t.Errorf("%d of 2000 requests left a part of their token in the log", leaks)
	}
	if statuses[400] < 50 || statuses[401] < 500 || statuses[200] > 400 || statuses[200]+statuses[400]+statuses[401] != 2000 {
		t.Errorf("the tokens are not of many kinds: statuses %v", statuses)
	}
}

// leaked returns nine bytes of a segment that are in the log.
func leaked(authorization, log string) string {
	for _, word := range strings.FieldsFunc(authorization, func(r rune) bool { return strings.ContainsRune(" ,.\"\t\r\n", r) }) {
		for i := 0; i+9 <= len(word); i++ {
			if strings.Contains(log, word[i:i+9]) {
				return word[i : i+9]
			}
		}
	}
	return ""
}

// A tokenGenerator makes values of Authorization that are nearly right.
type tokenGenerator struct {
	rand   *mathrand.Rand
	marker string
}

func oneOf[T any](g *tokenGenerator, list ...T) T { return list[g.rand.IntN(len(list))] }

// text is a JSON string with the marker and something that hurts when quoted
// carelessly.
func (g *tokenGenerator) text() string {
	return `"` + g.marker + oneOf(g, "", `\"`, `\\`, `\r\n`, `\u0000`, `, error=\"x`, "\u00e9", `\u2028`, `\"; x=`) + `"`
}

func (g *tokenGenerator) authorization() string {
	token := g.token()
	if g.rand.IntN(4) == 0 {
		return oneOf(g,
			token, token+" "+g.marker, token+" ", "Bearer\t"+token, "Bearer  "+token+" ", "Bearer "+token+","+token,
			"Basic "+token, `Bearer "`+token+`"`, "Bearer "+token+"\r\nX-Evil: "+g.marker, "Bearer\x00"+token,
			g.marker+" "+token, token+" Bearer", "Token token="+token, strings.ReplaceAll(token, ".", " "))
	}
	return "Bearer " + token
}

func (g *tokenGenerator) token() string {
	header, claims := goodHeader, goodClaims(noon)
	for range g.rand.IntN(3) {
		header = header.set(oneOf(g, "alg", "typ", "kid", "crit", "jwk", "jku", "x"), oneOf(g, g.text(), "null", "1", `["`+g.marker+`"]`, `"PS256"`, `"k2"`))
	}
	for range g.rand.IntN(3) {
		claims = claims.set(oneOf(g, "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "scope", "permissions", "nonce", "azp", "EXP", "x"),
			oneOf(g, g.text(), "null", "-1", noonPlus(-3600), noonPlus(3600), `["`+g.marker+`"]`, `{"`+g.marker+`":1}`))
	}
	token := compact(header.String(), claims.String(), constant(bytes.Repeat([]byte{byte(g.rand.Uint32())}, 256)))
	if g.rand.IntN(8) == 0 {
		token = signed(header, claims)
	}
	for range g.rand.IntN(4) - 1 {
		token = g.mutate(token)
	}
	return token
}

func (g *tokenGenerator) mutate(token string) string {
	i, j := g.rand.IntN(len(token)+1), g.rand.IntN(len(token)+1)
	if i > j {
		i, j = j, i
	}
	return oneOf(g,
		token[:i]+token[j:],
		token[:i]+string(rune(g.rand.IntN(256)))+token[i:],
		token[:i]+".",
		token+"."+g.marker,
		strings.Replace(token, ".", "..", 1),
		token[j:]+token[:j],
		token+"=",
		g.marker+token,
	) + oneOf(g, "", "", "x")
}
