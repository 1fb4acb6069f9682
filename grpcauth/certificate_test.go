package grpcauth_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

// boundTo returns the claim cnf of a certificate-bound token (RFC 8705, Section 3.1).
func boundTo(c tls.Certificate) auth0test.TokenOption {
	sum := sha256.Sum256(c.Leaf.Raw)
	return auth0test.Claim("cnf", map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])})
}

// A certificate-bound token passes with the certificate of the connection, also when it
// is cached.
func TestCertificates(t *testing.T) {
	t.Parallel()
	first, second := newCertificate(t, "first"), newCertificate(t, "second")
	const (
		off      = auth0.BindingOff
		allowed  = auth0.BindingAllowed
		required = auth0.BindingRequired
	)
	bound := invalid("token is sender-constrained", "DPOP_REQUIRED")
	for _, tt := range []struct {
		name   string
		mode   auth0.Binding
		client *tls.Certificate
		token  auth0test.TokenOption
		want   result
	}{
		{"its certificate", allowed, &first, boundTo(first), ok},
		{"its certificate, required", required, &first, boundTo(first), ok},
		{"another certificate", allowed, &second, boundTo(first), invalid("client certificate mismatch", "CERTIFICATE_MISMATCH")},
		{"no certificate", allowed, nil, boundTo(first), invalid("client certificate required", "CERTIFICATE_REQUIRED")},
		{"not bound", allowed, &first, auth0test.Scope(), ok},
		{"not bound, required", required, &first, auth0test.Scope(), invalid("client certificate binding required", "CERTIFICATE_BINDING_REQUIRED")},
		{"switched off", off, &first, boundTo(first), bound},
		{"bound to a key", allowed, &first, auth0test.Claim("cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), bound},
	} {
		e := newAuth(t, grpcauth.Options{}, func(c *auth0.APIConfig) { c.Certificates.Mode = tt.mode })
		e.serveTLS(t, tt.client)
		ctx := with(t.Context(), "Bearer "+e.tenant.AccessToken(tt.token))
		for range 2 {
			got := e.call(t, ctx, get)
			_, streamed := e.open(t, ctx, list)
			if !streamed.equal(got) {
				t.Errorf("%s: stream %+v", tt.name, streamed)
			}
			if !got.equal(tt.want) {
				t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
			}
		}
	}
}

// One token, two connections: the cache does not store the certificate.
func TestCertificateOfAnotherConnection(t *testing.T) {
	t.Parallel()
	first, second := newCertificate(t, "first"), newCertificate(t, "second")
	e := newAuth(t, grpcauth.Options{}, func(c *auth0.APIConfig) { c.Certificates.Mode = auth0.BindingAllowed })
	ctx := with(t.Context(), "Bearer "+e.tenant.AccessToken(boundTo(first)))
	for range 2 {
		e.serveTLS(t, &first)
		if got := e.call(t, ctx, get); !got.equal(ok) {
			t.Errorf("its certificate: %+v", got)
		}
		e.serveTLS(t, &second)
		if got := e.call(t, ctx, get); got.message != "client certificate mismatch" {
			t.Errorf("another certificate: %+v", got)
		}
	}
}

// A server of grpc-go can be the handler of a server of net/http, which then has the
// connection and its certificate.
func TestServedByNetHTTP(t *testing.T) {
	t.Parallel()
	first, second := newCertificate(t, "first"), newCertificate(t, "second")
	e := newAuth(t, grpcauth.Options{Methods: map[string]grpcauth.Need{get: {Scopes: []string{"s"}}, list: {}}}, func(c *auth0.APIConfig) {
		c.Certificates.Mode = auth0.BindingAllowed
	})
	e.listen(t, grpc.ChainUnaryInterceptor(e.auth.Unary()), grpc.ChainStreamInterceptor(e.auth.Stream()))
	e.inHeader = true
	server := httptest.NewUnstartedServer(http.HandlerFunc(e.server.ServeHTTP))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	token := e.tenant.AccessToken(boundTo(first), auth0test.Scope("s"))
	for _, tt := range []struct {
		name   string
		client tls.Certificate
		values []string
		want   result
	}{
		{"its certificate", first, []string{"Bearer " + token}, ok},
		{"another certificate", second, []string{"Bearer " + token}, invalid("client certificate mismatch", "CERTIFICATE_MISMATCH").scoped("s")},
		{"no token", first, nil, missing.scoped("s")},
		{"two values", first, []string{"Bearer a", "Bearer b"}, malformed},
	} {
		conn, err := grpc.NewClient(server.Listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			RootCAs: roots, ServerName: "example.com", Certificates: []tls.Certificate{tt.client},
		})))
		if err != nil {
			t.Fatal(err)
		}
		e.conn = conn
		ctx := with(t.Context(), tt.values...)
		got := e.call(t, ctx, get)
		if _, streamed := e.open(t, ctx, list); streamed.code != got.code || len(streamed.trailer) != len(got.trailer) {
			t.Errorf("%s: stream %+v", tt.name, streamed)
		}
		conn.Close()
		if !got.equal(tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

// A DPoP proof belongs to an HTTP request. No call has one, so every mode rejects a
// DPoP-bound token. A mode that requires them also rejects all others.
func TestDPoP(t *testing.T) {
	t.Parallel()
	const algs = `DPoP realm="api", algs="ES256 ES384 EdDSA PS256 RS256"`
	bound := auth0test.Claim("cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
	for _, tt := range []struct {
		name   string
		mode   auth0.Binding
		scheme string
		token  auth0test.TokenOption
		want   result
	}{
		{"allowed, not bound", auth0.BindingAllowed, "Bearer ", auth0test.Scope(), ok},
		{"allowed, bound", auth0.BindingAllowed, "Bearer ", bound, result{
			codes.Unauthenticated, "token is sender-constrained", "DPOP_REQUIRED", "invalid_token", "", 0,
			[]string{bearer + `, error="invalid_token", error_description="token is sender-constrained"`, algs},
		}},
		{"allowed, the scheme DPoP", auth0.BindingAllowed, "DPoP ", bound, result{
			codes.Unauthenticated, "DPoP proof invalid", "INVALID_DPOP_PROOF", "invalid_dpop_proof", "", 0,
			[]string{bearer, algs + `, error="invalid_dpop_proof", error_description="DPoP proof invalid"`},
		}},
		{"required, not bound", auth0.BindingRequired, "Bearer ", auth0test.Scope(), result{
			codes.Unauthenticated, "authentication required", "DPOP_REQUIRED", "unauthorized", "", 0, []string{algs},
		}},
		{"required, bound", auth0.BindingRequired, "Bearer ", bound, result{
			codes.Unauthenticated, "authentication required", "DPOP_REQUIRED", "unauthorized", "", 0, []string{algs},
		}},
	} {
		e := newEnv(t, grpcauth.Options{}, func(c *auth0.APIConfig) {
			c.DPoP = auth0.DPoP{Mode: tt.mode, BaseURLs: []string{"https://api.acme.example"}}
		})
		if got := e.call(t, with(t.Context(), tt.scheme+e.tenant.AccessToken(tt.token)), get); !got.equal(tt.want) || e.files.called() > 0 != (got.code == codes.OK) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}
