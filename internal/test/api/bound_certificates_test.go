package api_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

var clientKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))

// newCertificate makes a self-signed certificate that has expired, with an empty
// name: neither matters. The serial number tells it from others.
func newCertificate(t testing.TB, serial int64) *x509.Certificate {
	t.Helper()
	return certificateUntil(t, serial, time.Unix(1_000_000_001, 0))
}

func certificateUntil(t testing.TB, serial int64, end time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "nobody"},
		NotBefore: time.Unix(1_000_000_000, 0), NotAfter: end,
	}
	der, err := x509.CreateCertificate(nil, template, template, clientKey.Public(), clientKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func hashOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// withCNF is a token whose claim cnf has the members, as JSON.
func withCNF(members string) string {
	return testkit.Signed(testkit.GoodHeader, testkit.WithClaim("cnf", "{"+members+"}"))
}

func boundTo(c *x509.Certificate) string { return withCNF(`"x5t#S256":"` + hashOf(c) + `"`) }

// over sends a token over a TLS connection with the certificates of the client.
func over(token string, certificates ...*x509.Certificate) *http.Request {
	r := testkit.BearerRequest(token)
	r.TLS = &tls.ConnectionState{PeerCertificates: certificates}
	return r
}

func certificates(mode auth0.Binding) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.Certificates.Mode = mode }
}

// refused is the answer to an invalid token of an API without DPoP.
func refused(description string) testkit.Answer {
	return testkit.Answer{Status: 401,
		Challenge: `Bearer realm="api", error="invalid_token", error_description="` + description + `"`,
		Body:      `{"error":"invalid_token","error_description":"` + description + `"}`}
}

var (
	noCertificate      = refused("client certificate required")
	otherCertificate   = refused("client certificate mismatch")
	certificateBinding = refused("client certificate binding required")
)

// TestCertificates sends tokens with and without a certificate in each mode.
func TestCertificates(t *testing.T) {
	t.Parallel()
	const off, allowed, required = auth0.BindingOff, auth0.BindingAllowed, auth0.BindingRequired
	ours, other := newCertificate(t, 1), newCertificate(t, 2)
	extra := withCNF(`"x":1,"x5t#S256":"` + hashOf(ours) + `"`)
	for _, tt := range []struct {
		why  string
		mode auth0.Binding
		r    *http.Request
		want testkit.Answer
	}{
		{"bound, certificate", off, over(boundTo(ours), ours), testkit.AnswerBound},
		{"bound, no certificate", off, over(boundTo(ours)), testkit.AnswerBound},
		{"bound, no TLS", off, testkit.BearerRequest(boundTo(ours)), testkit.AnswerBound},
		{"unbound, certificate", off, over(testkit.GoodToken(), ours), testkit.AnswerOK},

		{"bound, certificate", allowed, over(boundTo(ours), ours), testkit.AnswerOK},
		{"bound, chain", allowed, over(boundTo(ours), ours, other), testkit.AnswerOK},
		{"bound, certificate second in the chain", allowed, over(boundTo(ours), other, ours), otherCertificate},
		{"bound, another certificate", allowed, over(boundTo(ours), other), otherCertificate},
		{"bound, no certificate", allowed, over(boundTo(ours)), noCertificate},
		{"bound, no TLS", allowed, testkit.BearerRequest(boundTo(ours)), noCertificate},
		{"unbound", allowed, over(testkit.GoodToken()), testkit.AnswerOK},
		{"unbound, certificate", allowed, over(testkit.GoodToken(), ours), testkit.AnswerOK},
		{"another member of cnf", allowed, over(extra, ours), testkit.AnswerOK},
		{"another member of cnf, no certificate", allowed, over(extra), noCertificate},
		{"bound to a key", allowed, over(withCNF(`"jkt":"k"`), ours), testkit.AnswerBound},
		{"bound to a key too", allowed, over(withCNF(`"jkt":"k","x5t#S256":"`+hashOf(ours)+`"`), ours), testkit.AnswerBound},
		{"bound to something else", allowed, over(withCNF(`"kid":"k"`), ours), testkit.AnswerBound},

		{"bound, certificate", required, over(boundTo(ours), ours), testkit.AnswerOK},
		{"bound, no certificate", required, over(boundTo(ours)), noCertificate},
		{"unbound", required, over(testkit.GoodToken()), certificateBinding},
		{"unbound, certificate", required, over(testkit.GoodToken(), ours), certificateBinding},
	} {
		t.Run(fmt.Sprint(tt.mode, " ", tt.why), func(t *testing.T) {
			f := testkit.NewAPIEnv(t, certificates(tt.mode))
			for range 2 { // the second time the token is in the cache, if it is accepted
				f.ExpectWhole(t, f.API.RequireAuth(f), tt.r, tt.want)
			}
		})
	}
}

// TestUnusableHashes has claims x5t#S256 that no certificate can have. Every mode rejects them,
// with and without a certificate: the binding of the token is unknown.
func TestUnusableHashes(t *testing.T) {
	t.Parallel()
	ours := newCertificate(t, 1)
	sum := sha256.Sum256(ours.Raw)
	hash := hashOf(ours)
	for mode := auth0.BindingOff; mode <= auth0.BindingRequired; mode++ {
		f := testkit.NewAPIEnv(t, certificates(mode))
		for _, value := range []string{
			`"` + hash + `="`, `"` + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{0xFF}, 32)) + `"`, fmt.Sprintf(`"%x"`, sum),
			`"` + hash[1:] + `"`, `"` + hash + `A"`, `5`, `""`, `null`, `["` + hash + `"]`,
		} {
			token := withCNF(`"x5t#S256":` + value)
			for _, r := range []*http.Request{testkit.BearerRequest(token), over(token, ours)} {
				f.ExpectWhole(t, f.API.RequireAuth(f), r, testkit.AnswerBadClaims)
			}
		}
		for _, cnf := range []string{`"x"`, `[]`, `{}`, `null`, `{"jkt":5}`, `{"jkt":""}`, `{"x5t#S256":"` + hash + `","x5t#S256":"` + hash + `"}`} {
			token := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("cnf", cnf))
			f.ExpectWhole(t, f.API.RequireAuth(f), over(token, ours), testkit.AnswerBadClaims)
		}
		f.ExpectWhole(t, f.API.RequireAuth(f), over(withCNF(`"kid":"k"`), ours), testkit.AnswerBound)
	}
}

// TestCertificateOfCachedToken: a cached token is compared with the certificate of each
// request, and its signature is not verified again.
func TestCertificateOfCachedToken(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t, certificates(auth0.BindingAllowed))
	ours, other := newCertificate(t, 1), newCertificate(t, 2)
	for _, tt := range []struct {
		r      *http.Request
		want   testkit.Answer
		reason string
		cached bool
	}{
		{over(boundTo(ours), ours), testkit.AnswerOK, "ok", false},
		{over(boundTo(ours), ours), testkit.AnswerOK, "ok", true},
		{over(boundTo(ours), other), otherCertificate, "certificate_mismatch", true},
		{over(boundTo(ours)), noCertificate, "certificate_required", true},
		{over(boundTo(ours), ours), testkit.AnswerOK, "ok", true},
	} {
		f.Events.Take()
		f.ExpectWhole(t, f.API.RequireAuth(f), tt.r, tt.want)
		if told, _ := f.Events.Take(); len(told) != 1 || told[0].Cached != tt.cached || told[0].Reason != tt.reason || told[0].Issuer != testkit.APIIssuer {
			t.Errorf("events %+v, want one with the reason %s, cached %v", told, tt.reason, tt.cached)
		}
	}
}

// TestCertificateFrom has a function of the application. The API does not call it for
// unbound tokens, nor for tokens that it rejects before.
func TestCertificateFrom(t *testing.T) {
	t.Parallel()
	ours, other := newCertificate(t, 1), newCertificate(t, 2)
	expired := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60)).Set("cnf", `{"x5t#S256":"`+hashOf(ours)+`"}`))
	outage := testkit.Answer{Status: 503, Body: `{"error":"temporarily_unavailable","error_description":"we cannot answer this right now. Try again in a minute"}`}
	for _, tt := range []struct {
		why    string
		r      *http.Request
		found  *x509.Certificate
		err    error
		want   testkit.Answer
		called bool
	}{
		{"the certificate", testkit.BearerRequest(boundTo(ours)), ours, nil, testkit.AnswerOK, true},
		{"another", over(boundTo(ours), ours), other, nil, otherCertificate, true},
		{"none", over(boundTo(ours), ours), nil, nil, noCertificate, true},
		{"error", over(boundTo(ours), ours), nil, errors.New("no such header"), noCertificate, true},
		{"error and certificate", testkit.BearerRequest(boundTo(ours)), ours, errors.New("no such header"), noCertificate, true},
		{"timeout", testkit.BearerRequest(boundTo(ours)), nil, context.DeadlineExceeded, outage, true},
		{"denied", testkit.BearerRequest(boundTo(ours)), nil, auth0.ErrForbidden, testkit.Answer{Status: 403, Body: `{"error":"access_denied","error_description":"not allowed"}`}, true},
		{"unbound", testkit.BearerRequest(testkit.GoodToken()), nil, errors.New("x"), testkit.AnswerOK, false},
		{"expired", testkit.BearerRequest(expired), nil, errors.New("x"), testkit.AnswerExpired, false},
		{"no token", testkit.RequestWith(), nil, errors.New("x"), testkit.AnswerNoToken, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			called := false
			f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
				c.Certificates = auth0.Certificates{Mode: auth0.BindingAllowed, From: func(*http.Request) (*x509.Certificate, error) {
					called = true
					return tt.found, tt.err
				}}
			})
			f.ExpectWhole(t, f.API.RequireAuth(f), tt.r, tt.want)
			if called != tt.called {
				t.Errorf("the function was called: %v", called)
			}
		})
	}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Certificates = auth0.Certificates{Mode: auth0.BindingAllowed, From: func(*http.Request) (*x509.Certificate, error) { panic("mine") }}
	})
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("the panic of the application's function became %v", p)
		}
	}()
	f.API.RequireAuth(f).ServeHTTP(httptest.NewRecorder(), testkit.BearerRequest(boundTo(ours)))
}

// viaProxy is a request of a proxy that ends TLS.
func viaProxy(from, token, name string, lines ...string) *http.Request {
	r := testkit.BearerRequest(token)
	r.RemoteAddr = from
	for _, line := range lines {
		r.Header.Add(name, line)
	}
	return r
}

// TestCertificateFromHeader has headers that a proxy, or an attacker, sends.
func TestCertificateFromHeader(t *testing.T) {
	t.Parallel()
	const proxy, stranger, text = "10.0.0.7:1234", "192.0.2.1:1234", "X-Client-Cert"
	ours, other := newCertificate(t, 1), newCertificate(t, 2)
	sequence := ":" + base64.StdEncoding.EncodeToString(ours.Raw) + ":"
	block := func(kind string, c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: c.Raw}))
	}
	escaped := strings.ReplaceAll(url.QueryEscape(block("CERTIFICATE", ours)), "+", "%20")
	if !strings.Contains(escaped, "%2B") {
		t.Fatal("the PEM has no plus sign")
	}
	for _, tt := range []struct {
		why, name string
		from      string
		lines     []string
		want      testkit.Answer
		cause     string // in the log
	}{
		{"byte sequence", "Client-Cert", proxy, []string{sequence}, testkit.AnswerOK, ""},
		{"byte sequence of another certificate", "Client-Cert", proxy, []string{":" + base64.StdEncoding.EncodeToString(other.Raw) + ":"}, otherCertificate, "another certificate"},
		{"of a stranger", "Client-Cert", stranger, []string{sequence}, noCertificate, "192.0.2.1:1234 is not one of the proxies"},
		{"no header", "Client-Cert", proxy, nil, noCertificate, "presented no certificate"},
		{"two lines", "Client-Cert", proxy, []string{sequence, sequence}, noCertificate, "2 headers Client-Cert"},
		{"two in a line", "Client-Cert", proxy, []string{sequence + "," + sequence}, noCertificate, "base64 between colons"},
		{"not base64", "Client-Cert", proxy, []string{":!:"}, noCertificate, "base64 between colons"},
		{"truncated", "Client-Cert", proxy, []string{sequence[:len(sequence)-9] + ":"}, noCertificate, "no certificate that can be read"},
		{"9 KiB", "Client-Cert", proxy, []string{":" + strings.Repeat("A", 9<<10) + ":"}, noCertificate, "more than 8192 bytes"},
		{"empty", "Client-Cert", proxy, []string{""}, noCertificate, "base64 between colons"},
		{"PEM with %2B", text, proxy, []string{escaped}, testkit.AnswerOK, ""},
		{"PEM with a plus sign", text, proxy, []string{strings.ReplaceAll(escaped, "%2B", "+")}, testkit.AnswerOK, ""},
		{"two PEM blocks", text, proxy, []string{url.PathEscape(block("CERTIFICATE", ours) + block("CERTIFICATE", other))}, testkit.AnswerOK, ""},
		{"private key", text, proxy, []string{url.PathEscape(block("PRIVATE KEY", ours))}, noCertificate, "type CERTIFICATE"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
				c.Certificates = auth0.Certificates{Mode: auth0.BindingAllowed, From: auth0.CertificateFromHeader(tt.name, netip.MustParsePrefix("10.0.0.0/24"))}
			})
			f.ExpectWhole(t, f.API.RequireAuth(f), viaProxy(tt.from, boundTo(ours), tt.name, tt.lines...), tt.want)
			if line := f.Log.Take(); !strings.Contains(line, tt.cause) || (line == "") != (tt.cause == "") {
				t.Errorf("log %q, want %q", line, tt.cause)
			}
		})
	}
}

// TestStrangersHeaderIsLoggedOnce: a stranger cannot fill the log.
func TestStrangersHeaderIsLoggedOnce(t *testing.T) {
	t.Parallel()
	ours := newCertificate(t, 1)
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Certificates = auth0.Certificates{Mode: auth0.BindingAllowed, From: auth0.CertificateFromHeader("Client-Cert", netip.MustParsePrefix("10.0.0.0/24"))}
	})
	token := boundTo(ours)
	for range 1000 {
		f.API.RequireAuth(f).ServeHTTP(httptest.NewRecorder(), viaProxy("192.0.2.1:1", token, "Client-Cert", ":"+base64.StdEncoding.EncodeToString(ours.Raw)+":"))
	}
	if n := strings.Count(f.Log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

// TestCertificateFromHeaderMisused cannot be parallel: the log is that of the process.
func TestCertificateFromHeaderMisused(t *testing.T) {
	ours := newCertificate(t, 1)
	for _, tt := range []struct {
		why     string
		name    string
		proxies []netip.Prefix
	}{
		{"no proxies", "Client-Cert", nil},
		{"zero prefix", "Client-Cert", []netip.Prefix{{}}},
		{"no name", "", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var log testkit.Log
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			from := auth0.CertificateFromHeader(tt.name, tt.proxies...)
			slog.SetDefault(before)
			if line := log.Take(); !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "CertificateFromHeader") {
				t.Errorf("log %q", line)
			}
			f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
				c.Certificates = auth0.Certificates{Mode: auth0.BindingRequired, From: from}
			})
			for range 2 {
				f.ExpectWhole(t, f.API.RequireAuth(f), over(boundTo(ours), ours), testkit.AnswerUnusable)
			}
		})
	}
}

// TestCertificateOfRealConnections: certificates survive TLS resumption, and the streams of an
// HTTP/2 connection share one.
func TestCertificateOfRealConnections(t *testing.T) {
	t.Parallel()
	ours := certificateUntil(t, 1, time.Now().Add(time.Hour)) // package tls resumes no session with an expired one
	f := testkit.NewAPIEnv(t, certificates(auth0.BindingRequired))
	resumed, protocols := 0, map[string]int{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			resumed++
		}
		protocols[r.Proto]++
		f.API.RequireAuth(f).ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{ours.Raw}, PrivateKey: clientKey}}
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	other := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("cnf", `{"x5t#S256":"`+hashOf(ours)+`"}`).Set("jti", `"second"`))
	stolen := boundTo(newCertificate(t, 2))
	for i, token := range []string{boundTo(ours), other, stolen, boundTo(ours)} {
		r, err := http.NewRequest("GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		want := 200
		if token == stolen {
			want = 401
		}
		if resp.StatusCode != want {
			t.Errorf("request %d: status %d, want %d; log: %s", i+1, resp.StatusCode, want, f.Log.Take())
		}
		if i == 2 {
			transport.CloseIdleConnections()
		}
	}
	if resumed != 1 || protocols["HTTP/2.0"] != 4 {
		t.Errorf("%d requests on resumed connections, protocols %v", resumed, protocols)
	}
}

// TestVerifyWithoutRequest: programs without net/http pass a certificate, or none.
func TestVerifyWithoutRequest(t *testing.T) {
	t.Parallel()
	ours, other := newCertificate(t, 1), newCertificate(t, 2)
	verify := func(api *auth0.API, token string, _ *x509.Certificate) (*auth0.Token, error) {
		return api.Verify(t.Context(), token)
	}
	with := func(api *auth0.API, token string, c *x509.Certificate) (*auth0.Token, error) {
		return api.VerifyWithCertificate(t.Context(), token, c)
	}
	for _, tt := range []struct {
		why         string
		mode        auth0.Binding
		verify      func(*auth0.API, string, *x509.Certificate) (*auth0.Token, error)
		token       string
		certificate *x509.Certificate
		want        string // description, or ok
		reason      string
	}{
		{"bound", auth0.BindingAllowed, with, boundTo(ours), ours, "ok", ""},
		{"another certificate", auth0.BindingAllowed, with, boundTo(ours), other, "client certificate mismatch", "certificate_mismatch"},
		{"no certificate", auth0.BindingAllowed, with, boundTo(ours), nil, "client certificate required", "certificate_required"},
		{"unbound", auth0.BindingAllowed, with, testkit.GoodToken(), ours, "ok", ""},
		{"unbound, no certificate", auth0.BindingAllowed, with, testkit.GoodToken(), nil, "ok", ""},
		{"unbound, required", auth0.BindingRequired, with, testkit.GoodToken(), ours, "client certificate binding required", "certificate_binding_required"},
		{"bound to a key", auth0.BindingAllowed, with, withCNF(`"jkt":"k"`), ours, "token is sender-constrained", "dpop_required"},
		{"off", auth0.BindingOff, with, boundTo(ours), ours, "token is sender-constrained", "dpop_required"},
		{"no token", auth0.BindingAllowed, with, "", ours, "authentication required", "missing_token"},

		{"Verify, bound", auth0.BindingAllowed, verify, boundTo(ours), nil, "token is sender-constrained", "dpop_required"},
		{"Verify, bound, required", auth0.BindingRequired, verify, boundTo(ours), nil, "token is sender-constrained", "dpop_required"},
		{"Verify, unbound", auth0.BindingAllowed, verify, testkit.GoodToken(), nil, "ok", ""},
		{"Verify, unbound, required", auth0.BindingRequired, verify, testkit.GoodToken(), nil, "client certificate binding required", "certificate_binding_required"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t, certificates(tt.mode))
			for range 2 {
				token, err := tt.verify(f.API, tt.token, tt.certificate)
				if tt.want == "ok" {
					if err != nil || token.Subject() != "auth0|u" {
						t.Errorf("%v, %v", token, err)
					}
					continue
				}
				e, ok := errors.AsType[*auth0.Error](err)
				if !ok || token != nil || e.Status != 401 || e.Description != tt.want || e.Reason != tt.reason || e.Op != "bearer" {
					t.Errorf("%v, %+v, want %q, %q", token, e, tt.want, tt.reason)
				}
			}
		})
	}
}

// TestCertificateMetadata: clients learn from the metadata that the API accepts bound tokens.
func TestCertificateMetadata(t *testing.T) {
	t.Parallel()
	for mode, want := range map[auth0.Binding]any{auth0.BindingOff: nil, auth0.BindingAllowed: true, auth0.BindingRequired: true} {
		doc := metadata(t, testkit.NewAPIEnv(t, certificates(mode)))
		if got := doc["tls_client_certificate_bound_access_tokens"]; got != want {
			t.Errorf("mode %d: %v, want %v", mode, got, want)
		}
	}
}

func metadata(t *testing.T, f *testkit.APIEnv) (doc map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	f.API.MetadataHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestBindingModes: a mode that does not exist is a mistake of the configuration.
func TestBindingModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []auth0.Binding{-1, 3} {
		_, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.APIHost, Audience: testkit.APIAudience, Certificates: auth0.Certificates{Mode: mode}})
		if err == nil || !strings.Contains(err.Error(), "APIConfig.Certificates.Mode") {
			t.Errorf("%d: %v", mode, err)
		}
	}
}
