package provider

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// A Client is this program as an OAuth client of its tenant. It makes every request
// that authenticates the application.
type Client struct {
	ID     string
	Auth   clientauth.Method
	Tenant *Tenant
	HTTP   *http.Client
	Base   *http.Client // the caller's client, from which HTTP was made
	Now    func() time.Time
	Proofs *prover.Keys // to which tokens are bound, nil for bearer tokens
}

// Check reports why the tenant would not accept an authentication method.
func (c *Client) Check(auth clientauth.Method) error {
	if err := auth.Check(c.Tenant.Static != nil, c.Base); err != nil {
		return err
	}
	return auth.CheckSize(c.ID, c.Tenant.Issuer, c.Now())
}

// method returns the authentication method of one request.
func (c *Client) method(ctx context.Context) (clientauth.Method, error) {
	auth := c.Auth
	if auth.Current == nil {
		return auth, nil
	}
	auth, err := auth.Current(ctx)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return auth, refusal.Canceled.Wrap(err)
		}
		return auth, refusal.NoCredential.Wrap(err)
	}
	if auth.Name == "" || auth.Name == clientauth.AskEachTime {
		return auth, refusal.Misconfigured.Because("Config.ClientAuthentication: the function has returned %v", auth)
	}
	if err := c.Check(auth); err != nil {
		return auth, refusal.Misconfigured.Because("Config.ClientAuthentication: the returned method %w", err)
	}
	return auth, nil
}

// The endpoints that authenticate clients, by their names in metadata.
const (
	TokenEndpoint      = "token_endpoint"
	revocationEndpoint = "revocation_endpoint"
	parEndpoint        = "pushed_authorization_request_endpoint"
)

// ErrNoEndpoint is the cause of the refusal of a request for which the tenant has no
// endpoint.
var ErrNoEndpoint = errors.New("the tenant does not advertise this endpoint")

// Beside returns the URL of an Auth0 endpoint that no standard names.
func (c *Client) Beside(path string) string {
	return strings.TrimSuffix(c.Tenant.Issuer, "/") + "/" + path
}

// IsManagementAPI reports whether an audience is the one of Auth0's Management API. A
// tenant with a custom domain has it at its canonical domain.
func (c *Client) IsManagementAPI(audience string) bool {
	u, err := url.Parse(audience)
	isAPI := err == nil && c.Tenant.Static != nil && u.Scheme == "https" && u.Path == "/api/v2/" && u.RawQuery == "" && u.Fragment == ""
	return isAPI && (audience == c.Beside("api/v2/") || strings.HasSuffix(u.Host, ".auth0.com"))
}

// Endpoints returns the tenant's endpoints. With mutual TLS, it rejects a tenant that
// does not publish an alias for the token endpoint. The application should learn that
// before the user types a password, and before a code is used up.
func (c *Client) Endpoints(ctx context.Context) (discovery.Metadata, error) {
	ep, err := c.Tenant.Endpoints(ctx)
	if err != nil {
		return ep, refusal.TenantDown.Wrap(err)
	}
	if c.Auth.Name == clientauth.MutualTLS {
		if _, _, err := c.Authenticate(ctx, TokenEndpoint); err != nil {
			return ep, err
		}
	}
	return ep, nil
}

// Authenticate returns the URL of an endpoint and the credentials for a request to it.
func (c *Client) Authenticate(ctx context.Context, endpoint string) (target string, credentials clientauth.Credentials, err error) {
	auth, err := c.method(ctx)
	if err != nil {
		return "", credentials, err
	}
	ep, err := c.endpoints(ctx, endpoint, auth)
	if err != nil {
		return "", credentials, refusal.TenantDown.Wrap(err)
	}
	if target, err = c.target(ep, endpoint, auth); err != nil {
		return "", credentials, err
	}
	if credentials, err = auth.Credentials(c.ID, ep.Issuer, c.Now()); err != nil {
		return "", credentials, refusal.NoCredential.Wrap(err)
	}
	return target, credentials, nil
}

// endpoints makes a request only for endpoints that some tenants lack.
func (c *Client) endpoints(ctx context.Context, endpoint string, auth clientauth.Method) (discovery.Metadata, error) {
	if endpoint == parEndpoint || auth.Name == clientauth.MutualTLS {
		return c.Tenant.Discovered.Get(ctx)
	}
	return c.Tenant.Endpoints(ctx)
}

func (c *Client) target(ep discovery.Metadata, endpoint string, auth clientauth.Method) (string, error) {
	ordinary := ep.Endpoint(endpoint)
	if auth.Name != clientauth.MutualTLS {
		if ordinary == "" {
			return "", refusal.Misconfigured.Because("%s: %w", endpoint, ErrNoEndpoint)
		}
		return ordinary, nil
	}
	alias, err := ep.MTLSAlias(endpoint, c.Tenant.Origins)
	switch {
	case err != nil:
		return "", refusal.Misconfigured.Because("Config.ClientAuthentication is MutualTLS: %w", err)
	case alias != "":
		return alias, nil
	case c.Tenant.Static == nil && ordinary != "":
		return ordinary, nil // RFC 8705, Section 5: without an alias the endpoint itself serves both
	}
	return "", refusal.Misconfigured.Because("Config.ClientAuthentication is MutualTLS, and the tenant's mtls_endpoint_aliases have no %s: %w",
		endpoint, ErrNoEndpoint)
}

// Push sends an authorization request to the tenant directly (RFC 9126). It returns
// the response whatever its status.
func (c *Client) Push(ctx context.Context, request url.Values) (*fetch.Response, error) {
	return c.post(ctx, parEndpoint, request, repeatable())
}

// Revoke revokes a refresh token (RFC 7009). The error is ErrNoEndpoint if the tenant
// has no revocation endpoint.
func (c *Client) Revoke(ctx context.Context, refreshToken string) error {
	resp, err := c.post(ctx, revocationEndpoint, url.Values{"token": {refreshToken}}, repeatable())
	if err == nil && resp.Status != http.StatusOK {
		err = tenanterror.Parse(resp.Status, resp.Header, resp.Body)
	}
	return err
}

// repeatable returns the header of a request that may be sent again if its connection
// was closed, because it is idempotent.
func repeatable() http.Header {
	h := http.Header{}
	fetch.Repeatable(h)
	return h
}

// post sends a form with the credentials. The client id and the credentials replace
// any in the caller's form.
func (c *Client) post(ctx context.Context, endpoint string, form url.Values, header http.Header) (*fetch.Response, error) {
	target, credentials, err := c.Authenticate(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	r, err := formRequest(ctx, target, credentials, form, header)
	if err != nil {
		return nil, err
	}
	return fetch.Do(c.HTTP, r)
}

func formRequest(ctx context.Context, target string, credentials clientauth.Credentials, form url.Values, header http.Header) (*http.Request, error) {
	return request(ctx, target, "application/x-www-form-urlencoded", encode(form, credentials.Params), credentials, header)
}

// encode returns a form in the order of its names, as [url.Values.Encode] does. A parameter
// of the credentials replaces that of the form.
func encode(form, credentials url.Values) string {
	names := make([]string, 0, 16)
	for name := range form {
		if !credentials.Has(name) {
			names = append(names, name)
		}
	}
	for name := range credentials {
		names = append(names, name)
	}
	slices.Sort(names)
	text := make([]byte, 0, 512)
	for _, name := range names {
		values, ok := credentials[name]
		if !ok {
			values = form[name]
		}
		escaped := url.QueryEscape(name)
		for _, value := range values {
			if len(text) > 0 {
				text = append(text, '&')
			}
			text = append(append(append(text, escaped...), '='), url.QueryEscape(value)...)
		}
	}
	return string(text)
}

func (c *Client) send(ctx context.Context, target, contentType, body string, credentials clientauth.Credentials,
	header http.Header) (*fetch.Response, error) {
	r, err := request(ctx, target, contentType, body, credentials, header)
	if err != nil {
		return nil, err
	}
	return fetch.Do(c.HTTP, r)
}

func request(ctx context.Context, target, contentType, body string, credentials clientauth.Credentials, header http.Header) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("unusable endpoint")
	}
	maps.Copy(r.Header, header)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	credentials.AddTo(r)
	return r, nil
}
