// Package provider speaks to the tenant: it knows the tenant's endpoints, authenticates
// the application, makes token requests, and reads the tenant's answers and errors.
//
// The package does not know what a login transaction or a session is, or what a
// visitor reads when a request fails.
package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// A Tenant is what a tenant's domain stands for: an issuer, its endpoints
// and its keys.
type Tenant struct {
	Issuer string              // issuer as configured: https://HOST/ or the URL given
	Static *discovery.Metadata // of the Auth0 layout, nil for other providers
	// discovered is how the rest is known: everything of other providers, and
	// at Auth0 what differs by tenant.
	Discovered *cached.Value[discovery.Metadata]
	Origins    []string // further ones on which endpoints may be
	// first, if not nil, is asked before each request for what is not there yet.
	First func() bool
}

// NewTenant understands a host name as an Auth0 tenant and a URL as any
// OpenID provider.
func NewTenant(report func(field, format string, args ...any), domain string) Tenant {
	if strings.Contains(domain, "://") {
		if _, err := discovery.Origin(domain); err != nil {
			report("Domain", "%q: %v", domain, err)
		} else if strings.ContainsAny(domain, "?#") {
			report("Domain", "%q must have no query and no fragment", domain)
		}
		return Tenant{Issuer: domain}
	}
	host := strings.ToLower(domain)
	if err := syntax.CheckHostName(host); err != nil {
		report("Domain", "%q %v", domain, err)
	}
	base := "https://" + host + "/"
	return Tenant{Issuer: base, Static: Auth0Layout(base)}
}

// Auth0Layout is where every Auth0 tenant has its endpoints.
func Auth0Layout(base string) *discovery.Metadata {
	return &discovery.Metadata{
		Issuer:                base,
		AuthorizationEndpoint: base + "authorize",
		TokenEndpoint:         base + "oauth/token",
		JWKSURI:               base + ".well-known/jwks.json",
		UserInfoEndpoint:      base + "userinfo",
		RevocationEndpoint:    base + "oauth/revoke",
	}
}

// DiscoverWith prepares the namespace to look things up. Nothing is looked up
// before it is needed.
func (n *Tenant) DiscoverWith(report func(field, format string, args ...any), client *http.Client, origins []string, log *slog.Logger) {
	for _, raw := range origins {
		if origin, err := discovery.Origin(raw); err != nil || origin != raw {
			report("EndpointOrigins", "%q must be an origin such as https://keys.example.com", raw)
		}
	}
	base := n.Issuer
	n.Origins = origins
	n.Discovered = cached.New(func(ctx context.Context) (discovery.Metadata, cached.Life, error) {
		m, err := discovery.Fetch(ctx, client, base, origins)
		return m, cached.Life{Due: 10 * time.Minute, Stale: 24 * time.Hour}, err
	}, cached.Policy{
		Timeout:    fetch.Timeout,
		MinBackoff: time.Second, MaxBackoff: 30 * time.Second, MaxRetryAfter: time.Minute,
		First: n.First,
		Failed: func(err error, stale bool) {
			log.Warn("auth0: discovery failed", "err", err, "using_old_document", stale)
		},
	})
}

// Endpoints returns what a login, a token request and the search for keys need.
// For an Auth0 tenant that takes no request.
func (n *Tenant) Endpoints(ctx context.Context) (discovery.Metadata, error) {
	if n.Static != nil {
		return *n.Static, nil
	}
	return n.Discovered.Get(ctx)
}

// Outgoing says what requests to the tenant carry beside their own.
func Outgoing(base string, telemetry bool) fetch.Options {
	o := fetch.Options{UserAgent: tenantapi.UserAgent}
	if u, err := url.Parse(base); err == nil && telemetry {
		info, _ := json.Marshal(map[string]any{"name": "auth0-go-rp", "version": version, "env": map[string]string{"go": goVersion()}})
		o.Host = u.Host
		o.Header = http.Header{"Auth0-Client": {base64.StdEncoding.EncodeToString(info)}}
	}
	return o
}

// version is that of this package, as it is told to the tenant.
const version = tenantapi.Version

func goVersion() string { return strings.TrimPrefix(runtime.Version(), "go") }
