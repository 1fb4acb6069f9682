package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// TestCheck: the client checks a method for its own tenant and HTTP client.
func TestCheck(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, 200, "")
	c.Base = &http.Client{Transport: http.NewFileTransport(http.Dir("/"))}
	for _, tt := range []struct {
		why  string
		auth clientauth.Method
		edit func(*Client)
		want string
	}{
		{"a secret", c.Auth, func(*Client) {}, ""},
		{"no secret", clientauth.WithSecret(clientauth.ClientSecretPost, ""), func(*Client) {}, "empty secret"},
		{"mutual TLS", clientauth.Method{Name: clientauth.MutualTLS}, func(*Client) {}, ""},
		{"no certificate", clientauth.Method{Name: clientauth.MutualTLS}, func(c *Client) { c.Base = nil }, "has no certificate"},
		{"ES256", es256(t), func(*Client) {}, "ES256"},
		{"ES256 at another provider", es256(t), func(c *Client) { c.Tenant.Static = nil }, ""},
		{"a long client id", es256(t), func(c *Client) { c.Tenant.Static, c.ID = nil, strings.Repeat("x", 1000) }, "a key so long"},
		{"a long issuer", es256(t), func(c *Client) { c.Tenant.Static, c.Tenant.Issuer = nil, strings.Repeat("x", 2000) }, "a key so long"},
	} {
		edited, n := *c, *c.Tenant
		edited.Tenant = &n
		tt.edit(&edited)
		if err := edited.Check(tt.auth); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.why, err, tt.want)
		}
	}
}

// TestAskEachTime: the client calls the application's function before each request, and
// checks its result.
func TestAskEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := newClient(t, 200, `{}`)
		var method clientauth.Method
		var failed error
		calls := 0
		current := func(context.Context) (clientauth.Method, error) { calls++; return method, failed }
		c.Auth = clientauth.Method{Name: clientauth.AskEachTime, Current: current}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		down := errors.New("the vault is down")
		for _, tt := range []struct {
			why    string
			ctx    context.Context
			method clientauth.Method
			err    error
			row    refusal.Row
			cause  string
		}{
			{"its error", t.Context(), clientauth.Method{}, down, refusal.NoCredential, "the vault is down"},
			{"canceled", canceled, clientauth.Method{}, down, refusal.Canceled, "the vault is down"},
			{"nothing", t.Context(), clientauth.Method{}, nil, refusal.Misconfigured, "the function has returned auth0.ClientAuthentication()"},
			{"another function", t.Context(), c.Auth, nil, refusal.Misconfigured, "the function has returned auth0.ClientAuthentication(function)"},
			{"no secret", t.Context(), clientauth.WithSecret(clientauth.ClientSecretPost, ""), nil, refusal.Misconfigured,
				"the returned method has an empty secret"},
		} {
			method, failed = tt.method, tt.err
			_, _, err := c.Authenticate(tt.ctx, TokenEndpoint)
			checkRefused(t, tt.why, err, tt.row, tt.cause)
			if tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%s: %v", tt.why, err)
			}
		}
		method, failed, calls = clientauth.WithSecret(clientauth.ClientSecretPost, "second"), nil, 0
		c.Push(t.Context(), url.Values{})
		c.Revoke(t.Context(), "x")
		if calls != 2 || s.last().PostForm.Get("client_secret") != "second" {
			t.Errorf("%d calls, %v", calls, s.requests[0].PostForm)
		}
	})
}

// TestTargets: the URL of a request, by the method and by the tenant's metadata.
func TestTargets(t *testing.T) {
	t.Parallel()
	all := discovery.Metadata{
		Issuer: issuer, TokenEndpoint: "https://tenant.example/t", RevocationEndpoint: "https://tenant.example/r",
		PAREndpoint: "https://tenant.example/p",
		MTLSAliases: map[string]string{
			"token_endpoint": "https://mtls.tenant.example/t", "revocation_endpoint": "https://mtls.tenant.example/r",
			"pushed_authorization_request_endpoint": "https://mtls.tenant.example/p",
		},
	}
	none := discovery.Metadata{Issuer: issuer}
	ordinary := all
	ordinary.MTLSAliases = nil
	foreign := all
	foreign.MTLSAliases = map[string]string{"token_endpoint": "https://evil.example/t"}
	const token, revocation, par = "token_endpoint", "revocation_endpoint", "pushed_authorization_request_endpoint"
	for _, tt := range []struct {
		why       string
		mutualTLS bool
		isAuth0   bool
		document  discovery.Metadata
		endpoint  string
		origins   []string
		want      string // or
		row       refusal.Row
		cause     string
	}{
		{"Auth0", false, true, none, token, nil, "https://tenant.example/oauth/token", refusal.Row{}, ""},
		{"Auth0", false, true, none, revocation, nil, "https://tenant.example/oauth/revoke", refusal.Row{}, ""},
		{"Auth0", false, true, all, par, nil, "https://tenant.example/p", refusal.Row{}, ""},
		{"Auth0", false, true, none, par, nil, "", refusal.Misconfigured, par + ": the tenant does not advertise this endpoint"},
		{"another", false, false, all, token, nil, "https://tenant.example/t", refusal.Row{}, ""},
		{"another", false, false, all, revocation, nil, "https://tenant.example/r", refusal.Row{}, ""},
		{"another", false, false, none, revocation, nil, "", refusal.Misconfigured, revocation + ": the tenant does not advertise this endpoint"},
		{"mutual TLS", true, true, all, token, nil, "https://mtls.tenant.example/t", refusal.Row{}, ""},
		{"mutual TLS", true, true, all, revocation, nil, "https://mtls.tenant.example/r", refusal.Row{}, ""},
		{"mutual TLS", true, true, all, par, nil, "https://mtls.tenant.example/p", refusal.Row{}, ""},
		{"mutual TLS without aliases", true, true, ordinary, token, nil, "", refusal.Misconfigured,
			"the tenant's mtls_endpoint_aliases have no token_endpoint"},
		{"mutual TLS without aliases, another", true, false, ordinary, token, nil, "https://tenant.example/t", refusal.Row{}, ""},
		{"mutual TLS without any endpoint", true, false, none, revocation, nil, "", refusal.Misconfigured,
			"the tenant's mtls_endpoint_aliases have no revocation_endpoint"},
		{"mutual TLS elsewhere", true, true, foreign, token, nil, "", refusal.Misconfigured,
			"Config.ClientAuthentication is MutualTLS: mtls_endpoint_aliases"},
		{"mutual TLS elsewhere, allowed", true, true, foreign, token, []string{"https://evil.example"}, "https://evil.example/t",
			refusal.Row{}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, s := newClient(t, 200, `{}`)
			c.Tenant.Discovered, c.Tenant.Origins = document(tt.document, nil), tt.origins
			if !tt.isAuth0 {
				c.Tenant.Static = nil
			}
			if tt.mutualTLS {
				c.Auth = clientauth.Method{Name: clientauth.MutualTLS}
			}
			got, credentials, err := c.Authenticate(t.Context(), tt.endpoint)
			if tt.want != "" {
				if err != nil || got != tt.want || credentials.Params.Get("client_id") != "client" {
					t.Errorf("%s, %s: %q, %v", tt.why, tt.endpoint, got, err)
				}
				return
			}
			checkRefused(t, tt.why, err, tt.row, tt.cause)
			if got != "" || credentials.Params != nil || errors.Is(err, ErrNoEndpoint) == strings.Contains(tt.cause, "MutualTLS: ") ||
				len(s.requests) > 0 {
				t.Errorf("%s, %s: %q, %v", tt.why, tt.endpoint, got, err)
			}
		})
	}
}

// TestEndpoints: the tenant's endpoints, and the reason for a missing one.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	down := errors.New("no document")
	synctest.Test(t, func(t *testing.T) {
		c, s := newClient(t, 200, "")
		if ep, err := c.Endpoints(t.Context()); err != nil || ep.TokenEndpoint != "https://tenant.example/oauth/token" {
			t.Errorf("%+v, %v", ep, err)
		}
		c.Auth = clientauth.Method{Name: clientauth.MutualTLS}
		_, err := c.Endpoints(t.Context())
		checkRefused(t, "mutual TLS without aliases", err, refusal.Misconfigured, "the tenant's mtls_endpoint_aliases have no token_endpoint")
		c.Tenant.Discovered = document(discovery.Metadata{Issuer: issuer,
			MTLSAliases: map[string]string{"token_endpoint": "https://mtls.tenant.example/t"}}, nil)
		if ep, err := c.Endpoints(t.Context()); err != nil || ep.TokenEndpoint != "https://tenant.example/oauth/token" {
			t.Errorf("mutual TLS: %+v, %v", ep, err)
		}
		c.Tenant.Discovered = document(discovery.Metadata{}, down)
		_, err = c.Endpoints(t.Context())
		checkRefused(t, "mutual TLS without a document", err, refusal.TenantDown, "no document")
		c.Auth = clientauth.Method{Name: clientauth.PublicClient}
		if _, err := c.Endpoints(t.Context()); err != nil {
			t.Errorf("a tenant of Auth0 without a document: %v", err)
		}
		_, _, err = c.Authenticate(t.Context(), "pushed_authorization_request_endpoint")
		checkRefused(t, "pushed requests without a document", err, refusal.TenantDown, "no document")
		c.Tenant.Static = nil
		_, err = c.Endpoints(t.Context())
		checkRefused(t, "no document", err, refusal.TenantDown, "no document")
		if len(s.requests) > 0 {
			t.Errorf("%d requests", len(s.requests))
		}
	})
	c, _ := newClient(t, 200, "")
	c.Auth = unsigned(t)
	_, _, err := c.Authenticate(t.Context(), TokenEndpoint)
	checkRefused(t, "a key that does not sign", err, refusal.NoCredential, "the key does not sign")
}

// TestBeside: endpoints without a standard name are below the issuer.
func TestBeside(t *testing.T) {
	t.Parallel()
	for iss, want := range map[string]string{"https://tenant.example/": "https://tenant.example/a/b",
		"https://id.example": "https://id.example/a/b"} {
		if got := (&Client{Tenant: &Tenant{Issuer: iss}}).Beside("a/b"); got != want {
			t.Errorf("%s: %s", iss, got)
		}
	}
}

// TestForms: the content of a request with a form.
func TestForms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			why, url, form string
			send           func(*Client) error
		}{
			{"push", "https://tenant.example/p", "client_id=client&client_secret=the-secret&state=x", func(c *Client) error {
				resp, err := c.Push(t.Context(), url.Values{"state": {"x"}, "client_id": {"another"}})
				if err == nil && (resp.Status != 200 || string(resp.Body) != `{"a":1}`) {
					t.Errorf("%d %s", resp.Status, resp.Body)
				}
				return err
			}},
			{"revoke", "https://tenant.example/oauth/revoke", "client_id=client&client_secret=the-secret&token=refresh", func(c *Client) error {
				return c.Revoke(t.Context(), "refresh")
			}},
		} {
			c, s := newClient(t, 200, `{"a":1}`)
			c.Tenant.Discovered = document(discovery.Metadata{Issuer: issuer, PAREndpoint: "https://tenant.example/p"}, nil)
			if err := tt.send(c); err != nil {
				t.Errorf("%s: %v", tt.why, err)
			}
			r := s.last()
			if r.Method != "POST" || r.URL.String() != tt.url || r.PostForm.Encode() != tt.form ||
				r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("Accept") != "application/json" ||
				r.Header.Get("Authorization") != "" {
				t.Errorf("%s: %s %s %s %v", tt.why, r.Method, r.URL, r.PostForm.Encode(), r.Header)
			}
		}
	})
}

// TestRevokeErrors: a token that can still be good is an error.
func TestRevokeErrors(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, 503, `{"error":"temporarily_unavailable"}`)
	if e, _ := tenanterror.Of(c.Revoke(t.Context(), "x")); e.Status != 503 || e.Code != "temporarily_unavailable" {
		t.Errorf("%+v", e)
	}
	c, s := newClient(t, 200, "")
	s.err = errors.New("no route")
	if err := c.Revoke(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("%v", err)
	}
	c, s = newClient(t, 200, "")
	c.Tenant.Static.RevocationEndpoint = ""
	if err := c.Revoke(t.Context(), "x"); !errors.Is(err, ErrNoEndpoint) || len(s.requests) > 0 {
		t.Errorf("no endpoint: %v", err)
	}
	c.Tenant.Static.RevocationEndpoint = "https://tenant.example/\x00"
	if err := c.Revoke(t.Context(), "x"); err == nil || err.Error() != "unusable endpoint" {
		t.Errorf("no URL: %v", err)
	}
}

// TestBasic: a secret in the header is not in the form too.
func TestBasic(t *testing.T) {
	t.Parallel()
	c, s := newClient(t, 200, "")
	c.Auth = clientauth.WithSecret(clientauth.ClientSecretBasic, "the-secret")
	if err := c.Revoke(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	id, secret, _ := s.last().BasicAuth()
	if id != "client" || secret != "the-secret" || s.last().PostForm.Encode() != "token=x" {
		t.Errorf("%q %q %s", id, secret, s.last().PostForm.Encode())
	}
}

// TestEncode: a form has the text of package url, and the credentials are the client's.
func TestEncode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		form, credentials url.Values
		want              string
	}{
		{nil, nil, ""},
		{url.Values{"b": {"2", "1"}, "a": {""}, "none": {}}, nil, "a=&b=2&b=1"},
		{url.Values{"x y": {"ä&=+ %"}}, url.Values{"c": {"1"}}, "c=1&x+y=%C3%A4%26%3D%2B+%25"},
		{url.Values{"client_id": {"another", "third"}, "state": {"x"}}, url.Values{"client_id": {"client"}}, "client_id=client&state=x"},
	} {
		if got := encode(tt.form, tt.credentials); got != tt.want {
			t.Errorf("%v and %v: %s, want %s", tt.form, tt.credentials, got, tt.want)
		}
	}
}
