package provider

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

const issuer = "https://tenant.example/"

// at is the time of the injected clock.
var at = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// A tenant gives all requests the same answer, and records them.
type tenant struct {
	t        *testing.T
	requests []*http.Request // with the form parsed, or the body in the header "Body"
	status   int
	header   http.Header
	body     string
	err      error
}

func (s *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		if err := r.ParseForm(); err != nil {
			s.t.Error(err)
		}
	} else if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("Body", string(body))
	}
	s.requests = append(s.requests, r)
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: s.status, Header: s.header, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

// last returns the only request.
func (s *tenant) last() *http.Request {
	s.t.Helper()
	if len(s.requests) != 1 {
		s.t.Fatalf("%d requests", len(s.requests))
	}
	return s.requests[0]
}

// newClient returns a client of a tenant of Auth0, and that tenant.
func newClient(t *testing.T, status int, body string) (*Client, *tenant) {
	s := &tenant{t: t, status: status, header: http.Header{}, body: body}
	c := &Client{
		ID: "client", Auth: clientauth.WithSecret(clientauth.ClientSecretPost, "the-secret"), HTTP: &http.Client{Transport: s},
		Tenant: &Tenant{Issuer: issuer, Static: Auth0Layout(issuer), Discovered: document(discovery.Metadata{Issuer: issuer}, nil)},
		Now:    func() time.Time { return at },
	}
	return c, s
}

// document returns a discovery document, fetched or unavailable.
func document(m discovery.Metadata, err error) *cached.Value[discovery.Metadata] {
	return cached.New(func(context.Context) (discovery.Metadata, cached.Life, error) {
		return m, cached.Life{Due: time.Hour, Stale: time.Hour}, err
	}, cached.Policy{Timeout: time.Second, MinBackoff: time.Second, MaxBackoff: time.Second})
}

// checkRefused fails the test unless an error is a refusal of a row and its cause has a
// text.
func checkRefused(t *testing.T, why string, err error, row refusal.Row, cause string) {
	t.Helper()
	e, ok := err.(*refusal.Refusal)
	if !ok || e.Row != row || !strings.Contains(e.Error(), cause) {
		t.Errorf("%s: %v, want %s with %q", why, err, row.Reason, cause)
	}
}

// reports collects the mistakes of a configuration.
type reports []string

func (r *reports) add(field, format string, args ...any) {
	*r = append(*r, field+" "+fmt.Sprintf(format, args...))
}

func es256(t *testing.T) clientauth.Method {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return clientauth.WithKey(key, "ES256", "")
}

// unsigned returns a method with a key that does not sign.
func unsigned(t *testing.T) clientauth.Method {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return clientauth.WithKey(brokenKey{key}, "ES256", "")
}

type brokenKey struct{ crypto.Signer }

func (brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the HSM is broken")
}
