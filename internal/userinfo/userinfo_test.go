package userinfo

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"golang.org/x/oauth2"
)

const issuer = "https://tenant.example/"

// A tenant answers one request.
type tenant struct {
	t      *testing.T
	status int // 0 for no connection
	kind   string
	body   string
	asked  int
}

func (s *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	if got := r.Method + " " + r.URL.String() + " " + r.Header.Get("Authorization"); got != "GET https://tenant.example/userinfo Bearer access" {
		s.t.Errorf("the request is %s", got)
	}
	if s.status == 0 {
		return nil, errors.New("no connection")
	}
	return &http.Response{StatusCode: s.status, Header: http.Header{"Content-Type": {s.kind}}, Body: io.NopCloser(strings.NewReader(s.body))}, nil
}

// clientOf returns a client of a tenant.
func clientOf(s *tenant) *provider.Client {
	return &provider.Client{
		ID: "client", Auth: clientauth.WithSecret("client_secret_post", "the client's secret"),
		Tenant: &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}, HTTP: &http.Client{Transport: s}, Now: time.Now,
	}
}

// TestGet has a row for each response.
func TestGet(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		status int
		kind   string
		body   string
		want   refusal.Row
		cause  string
	}{
		{why: "claims", status: 200, kind: "application/json; charset=utf-8", body: `{"name":"Ada","sub":"ada"}`},
		{why: "another subject", status: 200, kind: "application/json", body: `{"sub":"bob"}`, want: refusal.UserInfo, cause: "another subject"},
		{why: "no subject", status: 200, kind: "application/json", body: `{}`, want: refusal.UserInfo, cause: "no sub"},
		{why: "no text", status: 200, kind: "application/json", body: `{"sub":7}`, want: refusal.UserInfo, cause: "no sub"},
		{why: "two subjects", status: 200, kind: "application/json", body: `{"sub":"ada","sub":"bob"}`, want: refusal.UserInfo, cause: "not the expected JSON"},
		{why: "a page", status: 200, kind: "text/html", body: `<html>`, want: refusal.UserInfo, cause: `"text/html"`},
		{why: "signed", status: 200, kind: "application/jwt", body: "e.e.e", want: refusal.UserInfo, cause: "signed"},
		{why: "no connection", want: refusal.TenantDown, cause: "no connection"},
		{why: "an outage", status: 503, want: refusal.TenantDown, cause: "503"},
	} {
		s := &tenant{t: t, status: row.status, kind: row.kind, body: row.body}
		from, claims, err := Get(t.Context(), clientOf(s), &oauth2.Token{AccessToken: "access", TokenType: "Bearer"}, "ada")
		expect(t, row.why, err, row.want, row.cause)
		if err == nil && (from != issuer || claims != row.body) || s.asked != 1 {
			t.Errorf("%s: %q of %q after %d requests", row.why, claims, from, s.asked)
		}
	}
}

// TestGetAsksNobody has a row for each call that makes no request.
func TestGetAsksNobody(t *testing.T) {
	t.Parallel()
	good := &oauth2.Token{AccessToken: "access"}
	for _, row := range []struct {
		why     string
		token   *oauth2.Token
		subject string
		edit    func(*provider.Client)
		want    refusal.Row
	}{
		{"no token", nil, "ada", nil, refusal.GrantRequest},
		{"an empty token", &oauth2.Token{}, "ada", nil, refusal.GrantRequest},
		{"no subject", good, "", nil, refusal.GrantRequest},
		{"a key that is not here", &oauth2.Token{AccessToken: "access", TokenType: "DPoP"}, "ada", nil, refusal.Misconfigured},
		{"no endpoint", good, "ada", func(c *provider.Client) { c.Tenant.Static.UserInfoEndpoint = "" }, refusal.Grant},
	} {
		s := &tenant{t: t}
		client := clientOf(s)
		if row.edit != nil {
			row.edit(client)
		}
		_, _, err := Get(t.Context(), client, row.token, row.subject)
		expect(t, row.why, err, row.want, "")
		if s.asked != 0 {
			t.Errorf("%s: %d requests", row.why, s.asked)
		}
	}
}

// expect compares the row of a refusal, the zero row for none.
func expect(t *testing.T, why string, err error, want refusal.Row, cause string) {
	t.Helper()
	got, _ := err.(*refusal.Refusal)
	if want == (refusal.Row{}) && err == nil {
		return
	}
	if got == nil || got.Row != want || !strings.Contains(got.Error(), cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want, cause)
	}
}
