package grpcauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

const serverName = "files.acme.example"

// newCertificate returns a self-signed certificate for a name.
func newCertificate(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// serveTLS makes the server and a client with TLS. The client has the certificate, if
// given.
func (e *env) serveTLS(t testing.TB, client *tls.Certificate, options ...grpc.DialOption) {
	t.Helper()
	cert := newCertificate(t, serverName)
	listener := e.listen(t,
		grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert})),
		grpc.ChainUnaryInterceptor(e.auth.Unary()), grpc.ChainStreamInterceptor(e.auth.Stream()))
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: serverName}
	config.RootCAs.AddCert(cert.Leaf)
	if client != nil {
		config.Certificates = []tls.Certificate{*client}
	}
	e.conn = e.dial(t, listener, append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))...)
}

// A source returns its fields.
type source struct {
	token *oauth2.Token
	err   error
}

func (s *source) Token() (*oauth2.Token, error) { return s.token, s.err }

func TestCredentials(t *testing.T) {
	t.Parallel()
	e := newAuth(t, grpcauth.Options{})
	e.tenant.AllowClientCredentials(auth0test.Audience)
	cfg := e.tenant.Config()
	app, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tokens := app.Application().ClientCredentials(auth0.ClientCredentials{Audience: auth0test.Audience})
	e.serveTLS(t, nil, grpc.WithPerRPCCredentials(grpcauth.Credentials(tokens)))
	e.files.unary = func(ctx context.Context, in string) (string, error) {
		token, _ := auth0.TokenFrom(ctx)
		return token.Subject(), nil
	}
	for range 50 {
		if got := e.echo(t, t.Context(), get); got != cfg.ClientID+"@clients" {
			t.Fatalf("the subject is %q", got)
		}
	}
	if _, got := e.open(t, t.Context(), list); !got.equal(ok) {
		t.Errorf("stream: %+v", got)
	}
	if n := e.tenant.Calls(auth0test.Token); n != 1 {
		t.Errorf("%d requests for tokens", n)
	}
}

// An unusable token fails the call before the client sends anything.
func TestCredentialsFail(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-of-the-source"
	e := newAuth(t, grpcauth.Options{})
	s := &source{}
	e.serveTLS(t, nil, grpc.WithPerRPCCredentials(grpcauth.Credentials(s)))
	good := e.tenant.AccessToken()
	retrieve := func(status int) error {
		return fmt.Errorf("wrapped: %w", &oauth2.RetrieveError{Response: &http.Response{StatusCode: status}, Body: []byte(secret), ErrorDescription: secret})
	}
	tenant := func(status int, reason string) error {
		return fmt.Errorf("wrapped: %w", &auth0.Error{Op: "token", Status: status, Reason: reason, Description: secret, Err: errors.New(secret)})
	}
	const none = "grpcauth: the source has no access token"
	for _, tt := range []struct {
		name    string
		token   *oauth2.Token
		err     error
		code    codes.Code
		message string
	}{
		{"a token", &oauth2.Token{AccessToken: good}, nil, codes.OK, ""},
		{"a token with its type", &oauth2.Token{AccessToken: good, TokenType: "bearer"}, nil, codes.OK, ""},
		{"of type DPoP", &oauth2.Token{AccessToken: good, TokenType: "DPoP"}, nil, codes.Unauthenticated, "grpcauth: the access token is not a bearer token"},
		{"of type MAC", &oauth2.Token{AccessToken: good, TokenType: "mac"}, nil, codes.Unauthenticated, "grpcauth: the access token is not a bearer token"},
		{"nil", nil, nil, codes.Unauthenticated, "grpcauth: the source has returned no access token"},
		{"empty", &oauth2.Token{}, nil, codes.Unauthenticated, "grpcauth: the source has returned no access token"},
		{"with a line break", &oauth2.Token{AccessToken: good + "\r\nx: y"}, nil, codes.Unauthenticated, "grpcauth: the source has returned no access token"},
		{"not ASCII", &oauth2.Token{AccessToken: "é"}, nil, codes.Unauthenticated, "grpcauth: the source has returned no access token"},
		{"tenant unavailable", nil, tenant(503, "tenant_unavailable"), codes.Unavailable, none + ": tenant_unavailable"},
		{"tenant answers nonsense", nil, tenant(502, "tenant_error"), codes.Unavailable, none + ": tenant_error"},
		{"tenant limits requests", nil, tenant(429, "too_many_attempts"), codes.Unavailable, none + ": too_many_attempts"},
		{"blocked by the tenant", nil, &auth0.Error{Status: 429, Reason: "too_many_attempts", TenantStatus: 403}, codes.Unavailable, none + ": too_many_attempts"},
		{"quota of the tenant", nil, &auth0.Error{Status: 503, Reason: "tenant_unavailable", TenantStatus: 429}, codes.Unavailable, none + ": tenant_unavailable"},
		{"refused by the tenant", nil, &auth0.Error{Status: 502, Reason: "tenant_answer", TenantStatus: 401}, codes.Unauthenticated, none + ": tenant_answer"},
		{"broken tenant", nil, &auth0.Error{Status: 502, Reason: "tenant_answer", TenantStatus: 500}, codes.Unavailable, none + ": tenant_answer"},
		{"invalid client", nil, tenant(401, "invalid_client"), codes.Unauthenticated, none + ": invalid_client"},
		{"a mistake of the program", nil, tenant(500, "misconfigured"), codes.Unauthenticated, none + ": misconfigured"},
		{"without a reason", nil, tenant(401, ""), codes.Unauthenticated, none},
		{"another source, refused", nil, retrieve(401), codes.Unauthenticated, none},
		{"another source, unavailable", nil, retrieve(503), codes.Unavailable, none},
		{"another source, without a response", nil, &oauth2.RetrieveError{ErrorDescription: secret}, codes.Unauthenticated, none},
		{"no connection", nil, &net.OpError{Op: "dial", Err: errors.New(secret)}, codes.Unavailable, none},
		{"a timeout", nil, context.DeadlineExceeded, codes.Unavailable, none},
		{"any other error", nil, errors.New(secret), codes.Unauthenticated, none},
	} {
		s.token, s.err = tt.token, tt.err
		got := e.call(t, t.Context(), get)
		if got.code != tt.code || got.message != tt.message {
			t.Errorf("%s: %v %q, want %v %q", tt.name, got.code, got.message, tt.code, tt.message)
		}
		if called := e.files.called() > 0; called != (tt.code == codes.OK) {
			t.Errorf("%s: the server was called: %v", tt.name, called)
		}
	}
}

// The client sends a token only through an encrypted connection.
func TestCredentialsWithoutTLS(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{})
	c := grpcauth.Credentials(&source{token: &oauth2.Token{AccessToken: e.tenant.AccessToken()}})
	if _, err := grpc.NewClient("passthrough:///x", plain, grpc.WithPerRPCCredentials(c)); err == nil {
		t.Error("a client without TLS was made")
	}
	if got := resultOf(t, e.conn.Invoke(t.Context(), get, nil, nil, grpc.PerRPCCredentials(c)), nil); got.code != codes.Unauthenticated || e.files.called() > 0 {
		t.Errorf("a call without TLS: %+v", got)
	}
	if md, err := c.GetRequestMetadata(t.Context(), "https://x/"); err == nil || len(md) > 0 {
		t.Errorf("without a connection: %v, %v", md, err)
	}
	if !c.RequireTransportSecurity() {
		t.Error("the credentials do not require TLS")
	}
}

// Credentials do not print the secrets of a source, and reject a call that has ended.
func TestCredentialsOfASlowSource(t *testing.T) {
	t.Parallel()
	e := newAuth(t, grpcauth.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := grpcauth.Credentials(&source{err: errors.New("secret")})
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(text, "secret") {
		t.Errorf("formatted: %s", text)
	}
	e.serveTLS(t, nil, grpc.WithPerRPCCredentials(c))
	if got := e.call(t, ctx, get); got.code != codes.Canceled {
		t.Errorf("%+v", got)
	}
	secure := credentials.NewContextWithRequestInfo(ctx, credentials.RequestInfo{
		AuthInfo: credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}},
	})
	if _, err := c.GetRequestMetadata(secure); status.Code(err) != codes.Canceled {
		t.Errorf("canceled: %v", err)
	}
	open := credentials.NewContextWithRequestInfo(t.Context(), credentials.RequestInfo{
		AuthInfo: credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}},
	})
	if _, err := c.GetRequestMetadata(open); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("not encrypted: %v", err)
	}
	secure = credentials.NewContextWithRequestInfo(t.Context(), credentials.RequestInfo{
		AuthInfo: credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}},
	})
	if _, err := grpcauth.Credentials(nil).GetRequestMetadata(secure); status.Code(err) != codes.Unauthenticated {
		t.Errorf("no source: %v", err)
	}
}

// Over TLS, metadata set by the client and metadata of the credentials are two values,
// which the server rejects.
func TestCredentialsAndMetadata(t *testing.T) {
	t.Parallel()
	e := newAuth(t, grpcauth.Options{})
	e.serveTLS(t, nil, grpc.WithPerRPCCredentials(grpcauth.Credentials(&source{token: &oauth2.Token{AccessToken: e.tenant.AccessToken()}})))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer x")
	if got := e.call(t, ctx, get); !got.equal(malformed) {
		t.Errorf("%+v", got)
	}
}

// The errors of a token source of package auth0, at a tenant that fails or rejects.
func TestCredentialsOfAnApplication(t *testing.T) {
	t.Parallel()
	const wrong = "wrong-secret-of-the-application"
	for _, tt := range []struct {
		name   string
		change func(*auth0test.Tenant, *auth0.Config)
		code   codes.Code
		reason string
	}{
		{"unavailable", func(tenant *auth0test.Tenant, _ *auth0.Config) { tenant.Fail(auth0test.Token, 503) }, codes.Unavailable, "tenant_unavailable"},
		{"limited", func(tenant *auth0test.Tenant, _ *auth0.Config) { tenant.Fail(auth0test.Token, 429) }, codes.Unavailable, "tenant_unavailable"},
		{"wrong secret", func(_ *auth0test.Tenant, c *auth0.Config) { c.ClientSecret = wrong }, codes.Unauthenticated, "tenant_answer"},
	} {
		e := newAuth(t, grpcauth.Options{})
		e.tenant.AllowClientCredentials(auth0test.Audience)
		cfg := e.tenant.Config()
		tt.change(e.tenant, &cfg)
		app, err := auth0.NewApplication(cfg)
		if err != nil {
			t.Fatal(err)
		}
		e.serveTLS(t, nil, grpc.WithPerRPCCredentials(grpcauth.Credentials(app.ClientCredentials(auth0.ClientCredentials{Audience: auth0test.Audience}))))
		got := e.call(t, t.Context(), get)
		if got.code != tt.code || !strings.HasSuffix(got.message, tt.reason) || !strings.HasPrefix(got.message, "grpcauth: the source has no access token: ") {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if strings.Contains(got.message, wrong) || strings.Contains(got.message, "secret") {
			t.Errorf("%s: %q", tt.name, got.message)
		}
	}
}
