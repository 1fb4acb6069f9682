// Package provider calls the endpoints of a tenant that authenticate the application: for
// tokens, their revocation, and pushed authorization requests. It finds those endpoints.
//
// The package knows neither login transactions nor sessions, nor the meaning of a
// tenant's error.
package provider

import (
	"cmp"
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

// A Tenant is an issuer and its endpoints.
type Tenant struct {
	Issuer string              // as configured: https://HOST/ or the URL given
	Static *discovery.Metadata // in the layout of Auth0, nil for other providers
	// Discovered holds the discovery document. Other providers name all their endpoints
	// there, and Auth0 tenants the optional ones.
	Discovered *cached.Value[discovery.Metadata]
	Origins    []string // further origins on which endpoints may be
	// First, if not nil, allows or rejects a request for a document that is not cached
	// yet.
	First func() bool
}

// NewTenant takes a host name for an Auth0 tenant and a URL for any OpenID provider. The
// URL of a tenant below auth0.com, as older samples have it, is read as its host name.
func NewTenant(report func(field, format string, args ...any), domain string) Tenant {
	domain = hostOfAuth0(domain)
	if strings.Contains(domain, "://") {
		if _, err := discovery.Origin(domain); err != nil {
			report("Domain", "%q: %v", domain, err)
		} else if strings.ContainsAny(domain, "?#") {
			report("Domain", "%q must have no query and no fragment", domain)
		}
		return Tenant{Issuer: domain}
	}
	host := strings.ToLower(domain)
	if err := cmp.Or(discovery.CheckASCII(host), syntax.CheckHostName(host)); err != nil {
		report("Domain", "%q %v", domain, err)
	}
	base := "https://" + host + "/"
	return Tenant{Issuer: base, Static: Auth0Layout(base)}
}

// hostOfAuth0 returns the host name of the URL of a tenant below auth0.com, and any other
// domain unchanged.
func hostOfAuth0(domain string) string {
	u, err := url.Parse(domain)
	if err != nil || u.Scheme != "https" || u.Host != u.Hostname() || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		strings.ContainsAny(domain, "?#") || !strings.HasSuffix(strings.ToLower(u.Host), ".auth0.com") {
		return domain
	}
	return u.Host
}

// Auth0Layout returns the endpoints that every Auth0 tenant has.
func Auth0Layout(base string) *discovery.Metadata {
	return &discovery.Metadata{
		Issuer:                base,
		AuthorizationEndpoint: base + "authorize",
		TokenEndpoint:         base + "oauth/token",
		JWKSURI:               base + ".well-known/jwks.json",
		UserInfoEndpoint:      base + "userinfo",
		RevocationEndpoint:    base + "oauth/revoke",
		ProofAlgorithms:       []string{"ES256"},
	}
}

// DiscoverWith prepares the tenant to fetch its discovery document, on first use.
func (t *Tenant) DiscoverWith(report func(field, format string, args ...any), client *http.Client, origins []string, log *slog.Logger) {
	for _, raw := range origins {
		if origin, err := discovery.Origin(raw); err != nil {
			report("EndpointOrigins", "%q must be an origin such as https://keys.example.com: %v", raw, err)
		} else if origin != raw {
			report("EndpointOrigins", "%q must be an origin such as https://keys.example.com", raw)
		}
	}
	base := t.Issuer
	t.Origins = origins
	t.Discovered = cached.New(func(ctx context.Context) (discovery.Metadata, cached.Life, error) {
		m, err := discovery.Fetch(ctx, client, base, origins)
		return m, cached.Life{Due: 10 * time.Minute, Stale: 24 * time.Hour}, err
	}, cached.Policy{
		Timeout:    fetch.Limit(client, fetch.Timeout, 1),
		MinBackoff: time.Second, MaxBackoff: 30 * time.Second, MaxRetryAfter: time.Minute,
		First: t.First,
		Failed: func(err error, stale bool) {
			log.Warn("auth0: discovery failed", "err", err, "using_old_document", stale)
		},
	})
}

// Endpoints returns the endpoints that a login, a token request and the JWKS need. For an
// Auth0 tenant it makes no request.
func (t *Tenant) Endpoints(ctx context.Context) (discovery.Metadata, error) {
	if t.Static != nil {
		return *t.Static, nil
	}
	return t.Discovered.Get(ctx)
}

// Outgoing returns the header fields of all requests to the tenant.
func Outgoing(base string, telemetry bool) fetch.Options {
	o := fetch.Options{UserAgent: tenantapi.UserAgent}
	if u, err := url.Parse(base); err == nil && telemetry {
		info, _ := json.Marshal(map[string]any{"name": "auth0-go-rp", "version": tenantapi.Version, "env": map[string]string{"go": goVersion()}})
		o.Host = u.Host
		o.Header = http.Header{"Auth0-Client": {base64.StdEncoding.EncodeToString(info)}}
	}
	return o
}

func goVersion() string { return strings.TrimPrefix(runtime.Version(), "go") }
