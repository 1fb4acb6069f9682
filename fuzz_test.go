package auth0_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// fuzzKeys are the same in every process, because a fuzzer runs several processes and an
// input must mean the same in each. Generated keys differ, even from the same random
// bytes.
type fuzzKeys struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
}

func newFuzzKeys(tb testing.TB) fuzzKeys {
	tb.Helper()
	text, err := os.ReadFile("testdata/fuzz-key.pem")
	if err != nil {
		tb.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		tb.Fatal("testdata/fuzz-key.pem is not PEM")
	}
	k := fuzzKeys{ed: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))}
	if k.rsa, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		tb.Fatal(err)
	}
	if k.ec, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{1}, 32)); err != nil {
		tb.Fatal(err)
	}
	return k
}

func (k fuzzKeys) public() []testkit.JWK {
	return []testkit.JWK{testkit.RSAJWK("k1", &k.rsa.PublicKey), testkit.ECJWK("e1", "ES256", &k.ec.PublicKey), testkit.EdJWK("d1", k.ed.Public().(ed25519.PublicKey))}
}

// tokens returns one good token of each kind, the same in every call.
func (k fuzzKeys) tokens() []string {
	header := func(alg, kid string) string {
		return testkit.Object{{"alg", testkit.Quoted(alg)}, {"kid", testkit.Quoted(kid)}}.String()
	}
	claims := testkit.GoodClaims(testkit.Noon).String()
	return []string{
		testkit.Compact(header("RS256", "k1"), claims, testkit.RS256(k.rsa)),
		testkit.Compact(header("ES256", "e1"), claims, es256(k.ec)),
		testkit.Compact(header("EdDSA", "d1"), claims, func(input string) []byte { return ed25519.Sign(k.ed, []byte(input)) }),
	}
}

// es256 signs deterministically (RFC 6979).
func es256(key *ecdsa.PrivateKey) testkit.Signer {
	return func(input string) []byte {
		der, err := key.Sign(nil, testkit.Digest(crypto.SHA256, input), crypto.SHA256)
		var sig struct{ R, S *big.Int }
		if err == nil {
			_, err = asn1.Unmarshal(der, &sig)
		}
		if err != nil {
			panic(err)
		}
		return testkit.SideBySide(32)(sig.R, sig.S)
	}
}

// newFuzzAPI returns an API whose issuer publishes a document.
func newFuzzAPI(tb testing.TB, document []byte, log io.Writer) *auth0.API {
	tb.Helper()
	serve := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(document)
	}
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:     testkit.APIHost,
		Audience:   testkit.APIAudience,
		Algorithms: []string{"RS256", "PS256", "ES256", "EdDSA"},
		HTTPClient: &http.Client{Transport: testkit.Hosts{testkit.APIHost: http.HandlerFunc(serve)}},
		Logger:     slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:        func() time.Time { return testkit.Noon },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return api
}

func keyDocument(keys ...testkit.JWK) []byte {
	return []byte(testkit.AsJSON(map[string]any{"keys": keys}))
}

// verifyStatusOf returns the status of Verify for a token.
func verifyStatusOf(t *testing.T, api *auth0.API, token string) int {
	t.Helper()
	good, err := api.Verify(t.Context(), token)
	var e *auth0.Error
	switch {
	case (good == nil) != (err != nil):
		t.Fatalf("got %v and %v", good, err)
	case err == nil:
		return http.StatusOK
	case !errors.As(err, &e):
		t.Fatalf("%T is no *auth0.Error", err)
	}
	return e.Status
}

// FuzzToken: the API accepts exactly the signed tokens, character by character.
func FuzzToken(f *testing.F) {
	k := newFuzzKeys(f)
	api := newFuzzAPI(f, keyDocument(k.public()...), io.Discard)
	tokens := k.tokens()
	for _, token := range tokens {
		f.Add(token)
		f.Add(token + "=")
		f.Add(token[:len(token)-1])
		f.Add(strings.Replace(token, ".", "..", 1))
		f.Add(token + "." + token)
		f.Add(token[strings.LastIndexByte(token, '.'):] + token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		want := http.StatusUnauthorized
		if slices.Contains(tokens, token) {
			want = http.StatusOK
		}
		if got := verifyStatusOf(t, api, token); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	})
}

// FuzzAuthorization: for any header, the answer is one of three well-formed answers. The
// answer and the log contain nothing of the header.
func FuzzAuthorization(f *testing.F) {
	k := newFuzzKeys(f)
	log := &testkit.Log{}
	api := newFuzzAPI(f, keyDocument(k.public()...), log)
	h := api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "for members") }))
	answer := func(value string) (*httptest.ResponseRecorder, string) {
		log.Take()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, testkit.RequestWith(value))
		text := w.Body.String()
		for _, values := range w.Result().Header {
			text += "\n" + strings.Join(values, "\n")
		}
		return w, text + "\n" + log.Take()
	}
	tokens := k.tokens()
	known := sourceText(f)
	for _, value := range []string{"", "Bearer", "Bearer a.b.c", "Bearer " + tokens[0][:len(tokens[0])-8], "Bearer " + tokens[1] + "=", "Basic dTpw"} {
		_, text := answer(value)
		known += text
		f.Add(value)
	}
	for _, token := range tokens {
		f.Add("Bearer " + token)
		f.Add("bearer   " + token)
		f.Add("Bearer\t" + token)
		f.Add(`Bearer "` + token + `"`)
		f.Add(token)
		f.Add("Bearer " + token + ", Bearer " + token)
		f.Add("Bearer " + token + "\r\nX-Evil: " + token)
		f.Add("DPoP " + token)
	}
	f.Fuzz(func(t *testing.T, value string) {
		w, text := answer(value)
		if w.Code == http.StatusOK {
			scheme, token, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "Bearer") || !slices.Contains(tokens, strings.TrimLeft(token, " ")) {
				t.Errorf("%q is accepted", value)
			}
			return
		}
		challenges := w.Result().Header.Values("WWW-Authenticate")
		if len(challenges) != 1 {
			t.Fatalf("challenges %q", challenges)
		}
		c, err := testkit.ParseChallenge(challenges[0])
		if err != nil || c.Scheme != "Bearer" || c.Params["realm"] != "api" {
			t.Errorf("challenge %q: %v", challenges[0], err)
		}
		if want := map[int][]string{400: {"invalid_request"}, 401: {"", "invalid_token"}}[w.Code]; !slices.Contains(want, c.Params["error"]) {
			t.Errorf("status %d with error %q", w.Code, c.Params["error"])
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("body %q", w.Body)
		}
		if part := echoed(value, text, known); part != "" {
			t.Errorf("%q comes back in %q", part, text)
		}
	})
}

// sourceText is the text of all answers and log lines, so that a value like
// "invalid_token" is not an echo.
func sourceText(tb testing.TB) string {
	tb.Helper()
	var all strings.Builder
	for _, pattern := range []string{"*.go", "internal/*/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			tb.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/test") || strings.HasPrefix(name, "internal/tenant") || strings.HasPrefix(name, "internal/emulator") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}

// echoed returns nine characters of a token that are in the text but not in the known
// text.
func echoed(value, text, known string) string {
	const size = 9
	notInTokens := func(r rune) bool {
		return r > '~' || !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=", r)
	}
	for _, word := range strings.FieldsFunc(value, notInTokens) {
		for i := 0; i+size <= len(word); i++ {
			if part := word[i : i+size]; strings.Contains(text, part) && !strings.Contains(known, part) {
				return part
			}
		}
	}
	return ""
}

// FuzzJWKS: for any published JWKS, the API rejects forged tokens. If the JWKS is not
// JSON, it answers 503.
func FuzzJWKS(f *testing.F) {
	k := newFuzzKeys(f)
	tokens, forged := k.tokens(), forgeries()
	keys := k.public()
	f.Add(keyDocument(keys...))
	for _, key := range keys {
		f.Add(keyDocument(key))
		for _, member := range []string{"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"} {
			f.Add(keyDocument(key.With(member, nil)))
			f.Add(keyDocument(key.With(member, "")))
			f.Add(keyDocument(key.With(member, 1)))
		}
	}
	point := make([]byte, 32)
	f.Add(keyDocument(testkit.EdJWK("d1", point)))
	point[0] = 1
	f.Add(keyDocument(testkit.EdJWK("d1", point), keys[0]))
	f.Add(keyDocument(testkit.EdJWK("d1", point[1:]), keys[0]))
	f.Add(keyDocument(keys[0].With("e", "AQ")))
	f.Add(keyDocument(keys[0].With("e", "AAAAAAAAAAAAAQ")))
	f.Add(keyDocument(keys[1].With("x", testkit.Segment(string(point))).With("y", testkit.Segment(string(point)))))
	f.Add(keyDocument(testkit.JWK{"kty": "oct", "kid": "k1", "alg": "RS256", "k": "AAAA"}))
	f.Add(keyDocument(keys[0].With("kid", "e1"), keys[1].With("kid", "k1"), keys[2].With("kid", nil)))
	for _, text := range []string{"", "null", "[]", "{}", `{"keys":null}`, `{"keys":{}}`, `{"keys":[]}`, `{"keys":[null]}`, `{"keys":[{}]}`, "<html>", `{"keys":[`, "\xff"} {
		f.Add([]byte(text))
	}
	f.Add(append(keyDocument(keys...), "{}"...))
	f.Add(append(keyDocument(keys...), '}'))
	f.Fuzz(func(t *testing.T, document []byte) {
		api := newFuzzAPI(t, document, io.Discard)
		for i, token := range forged {
			if status := verifyStatusOf(t, api, token); status != 401 && status != 503 {
				t.Errorf("status %d for forgery %d", status, i)
			}
		}
		for i, token := range tokens {
			switch status := verifyStatusOf(t, api, token); {
			case !json.Valid(document) && status != 503:
				t.Errorf("status %d for token %d, and the document is not JSON", status, i)
			case status != 200 && status != 401 && status != 503:
				t.Errorf("status %d for token %d", status, i)
			}
		}
	})
}

// forgeries are tokens that the issuer did not sign: tokens signed with other keys, and
// tokens whose signature fits any content under a weak key.
func forgeries() []string {
	identity := append([]byte{1}, make([]byte, 63)...)
	foreignEC, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		panic(err)
	}
	foreignEd := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	var all []string
	for _, kid := range []string{`"k1"`, `"e1"`, `"d1"`, `""`} {
		for _, forged := range []struct {
			alg  string
			sign testkit.Signer
		}{
			{"RS256", testkit.RS256(testkit.RSAForeign())},
			{"RS256", exponentOne},
			{"RS256", testkit.Constant(make([]byte, 256))},
			{"ES256", es256(foreignEC)},
			{"ES256", testkit.Constant(make([]byte, 64))},
			{"EdDSA", func(input string) []byte { return ed25519.Sign(foreignEd, []byte(input)) }},
			{"EdDSA", testkit.Constant(identity)},
			{"EdDSA", testkit.Constant(make([]byte, 64))},
			{"HS256", testkit.HS256(nil)},
			{"none", testkit.Constant(nil)},
		} {
			all = append(all, testkit.Compact(testkit.Object{{"alg", testkit.Quoted(forged.alg)}, {"kid", kid}}.String(), testkit.GoodClaims(testkit.Noon).String(), forged.sign))
		}
	}
	return all
}

// exponentOne is a signature under every 2,048-bit RSA key with exponent 1: the padded
// hash itself (RFC 8017, Section 9.2).
func exponentOne(input string) []byte {
	info := "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20" + string(testkit.Digest(crypto.SHA256, input))
	return []byte("\x00\x01" + strings.Repeat("\xff", 256-3-len(info)) + "\x00" + info)
}

// FuzzRoutes sends any input to every route. No route panics, answers 500 or above, logs
// a visitor in, or redirects to another host than the tenant and the application. No page
// and no header contains the input.
func FuzzRoutes(f *testing.F) {
	e := testkit.SignedIn(f, func(c *auth0.Config) {
		c.AcceptOrganizationLinks = true
		c.LogoutEndpoint = "v2" // a fuzzer is no load test of the tenant's discovery
	})
	b := e.Browser().MustLogin()
	redirects := reflect.TypeOf(http.RedirectHandler("/", http.StatusFound))
	f.Add("GET", "/auth/login", "returnTo=/x&connection=github&prompt=login", "", "")
	f.Add("GET", "/auth/login", "returnTo=//evil.example&screen_hint=signup&invitation=a&organization=org_1", "a=b", "")
	f.Add("GET", "/auth/callback", "state=x&code=y", testkit.SessionCookie+"=v3.AAAA; __Host-auth0_txn_AAAAAAAAAAAAAAAA=v3.AAAA", "")
	f.Add("GET", "/auth/callback", "state=x&error=%3Cscript%3E&error_description=%00%0d%0a", testkit.SessionCookie+".0=2:a; "+testkit.SessionCookie+".1=b", "")
	f.Add("POST", "/auth/logout", "returnTo=https://evil.example/", testkit.SessionCookie+"="+b.Cookies[testkit.SessionCookie][:100], "a=b")
	f.Add("POST", "/auth/callback", "", "", "state=x&code=y&id_token=z")
	f.Add("GET", "/private", "x=y", "__Host-auth0_session_tries=3-99999999999", "")
	f.Add("GET", "//", "#%", "", "")
	f.Add("GET", "/auth/../", "#%", "", "")
	f.Add("GET", "/", "%zz&;", `"; \x00=; __Host-auth0_session="quoted"`, "")
	f.Fuzz(func(t *testing.T, method, target, query, cookies, body string) {
		u, err := url.ParseRequestURI("/" + strings.TrimPrefix(target, "/") + "?" + query)
		if err != nil {
			return // net/http rejects it
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.Host = method, "app.example"
		r.URL = u
		if h, _ := e.Mux.Handler(r); reflect.TypeOf(h) == redirects {
			return // http.ServeMux redirects to the clean path, with the query unchanged
		}
		r.Header.Set("Cookie", cookies)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Site", "none")
		w := httptest.NewRecorder()
		e.App.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("status %d; log %s", w.Code, e.Log)
		}
		if strings.HasPrefix(w.Body.String(), "home true") || strings.HasPrefix(w.Body.String(), "private") {
			t.Fatal("logged in")
		}
		for name, values := range w.Result().Header {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					t.Fatalf("%s: %q", name, v)
				}
			}
		}
		location, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if h := location.Host; h != "" && h != testkit.TenantHost && h != "app.example" {
			t.Fatalf("sent to %s", location)
		}
		if strings.HasPrefix(w.Header().Get("Location"), "//") {
			t.Fatalf("sent to %s", location)
		}
	})
}

// FuzzGrantAnswers: no invented answer logs a user in. Each error has a description, a
// reason and a well-formed code.
func FuzzGrantAnswers(f *testing.F) {
	e := testkit.SignedInForGrants(f)
	m := e.BeginMFA()
	l, err := e.LoginWithPassword()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(200, `{"access_token":"a","token_type":"Bearer","expires_in":1,"id_token":"x.y.z"}`)
	f.Add(403, `{"error":"mfa_required","mfa_token":"t","mfa_requirements":{"challenge":[{"type":"otp"}],"enroll":null}}`)
	f.Add(403, `{"error":"mfa_required","mfa_token":"t","mfa_requirements":[1]}`)
	f.Add(400, `{"error":{"a":1},"error_description":[],"description":{"x":"y"}}`)
	f.Add(200, `{"challenge_type":"oob","oob_code":"x","binding_method":"prompt"}`)
	f.Add(200, `[{"id":"sms|dev_1","authenticator_type":"oob","active":true}]`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		answer := func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200 + (status&0x7FFFFFFF)%400)
			fmt.Fprint(w, body)
		}
		for _, endpoint := range []testkit.Endpoint{testkit.TokenEndpoint, testkit.MFAEndpoint, testkit.UserInfoEndpoint} {
			e.Tenant.Replace(endpoint, answer)
		}
		_, refused := e.LoginWithPassword()
		if refused == nil {
			t.Error("a login by an answer without an ID token of the tenant")
		}
		_, challengeErr := m.SendChallenge(t.Context(), "")
		_, listErr := m.Factors(t.Context())
		_, exchangeErr := e.Strategy.Application().ExchangeToken(t.Context(), auth0.TokenExchange{SubjectToken: "x"})
		_, userErr := e.Strategy.Application().UserInfo(t.Context(), l.Token(), l.User.Subject)
		for _, err := range []error{refused, challengeErr, listErr, exchangeErr, userErr} {
			var found *auth0.Error
			if errors.As(err, &found) && (found.Description == "" || found.Reason == "" || found.Status < 400 || strings.ContainsAny(found.Code, " <>\"\r\n")) {
				t.Errorf("got %+v", found)
			}
		}
	})
}
