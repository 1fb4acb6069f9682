package grants

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

const issuer = "https://tenant.example/"

// bearer is an answer of the token endpoint.
const bearer = `{"access_token":"access","token_type":"Bearer","expires_in":600}`

// A sent request, with its form or its JSON.
type sent struct {
	method, url, text string
	header            http.Header
}

// A tenant gives all requests the same answer, and records them.
type tenant struct {
	*testing.T
	requests []sent
	status   int
	body     string
	at       time.Time // of the injected clock
}

func (s *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	got := sent{r.Method, r.URL.String(), "", r.Header}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.Error(err)
		}
		got.text = string(body)
	}
	s.requests = append(s.requests, got)
	return &http.Response{StatusCode: s.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

// last returns the only request, and clears the record.
func (s *tenant) last() sent {
	s.Helper()
	if len(s.requests) != 1 {
		s.Fatalf("%d requests", len(s.requests))
	}
	r := s.requests[0]
	s.requests = nil
	return r
}

// newGrants returns the requests of an application, and their tenant.
func newGrants(t *testing.T, status int, body string) (*Grants, *tenant) {
	t.Helper()
	s := &tenant{T: t, status: status, body: body, at: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	keyring, err := seal.New([]string{"an example of a secret for the tests of grants"})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Client: &provider.Client{
			ID: "client", Auth: clientauth.WithSecret(clientauth.ClientSecretPost, "the-secret"), HTTP: &http.Client{Transport: s},
			Tenant: &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}, Now: func() time.Time { return s.at },
		},
		Scopes: []string{"openid", "email"}, Audience: "https://api.example/", Keyring: keyring, Now: func() time.Time { return s.at },
		MFA: func(m MFA) any { return m },
	}), s
}

// send sends a request, and returns its form without the client's credentials.
func send(t *testing.T, g *Grants, s *tenant, r *Request, err error) (url.Values, http.Header) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Send(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	got := s.last()
	if got.method != "POST" || got.url != "https://tenant.example/oauth/token" {
		t.Errorf("%s %s", got.method, got.url)
	}
	form, err := url.ParseQuery(got.text)
	if err != nil {
		t.Fatal(err)
	}
	if form.Get("client_id") != "client" || form.Get("client_secret") != "the-secret" {
		t.Errorf("credentials: %v", form)
	}
	form.Del("client_id")
	form.Del("client_secret")
	return form, got.header
}

// checkRefused fails the test unless an error is a refusal of a row and its text has a
// part.
func checkRefused(t *testing.T, why string, err error, row refusal.Row, part string) {
	t.Helper()
	e, ok := err.(*refusal.Refusal)
	if !ok || e.Reason != row.Reason || e.Status != row.Status || !strings.Contains(e.Error(), part) {
		t.Errorf("%s: %v, want %s with %q", why, err, row.Reason, part)
	}
}
