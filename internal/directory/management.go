package directory

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"golang.org/x/oauth2"
)

// A Getter reads a document of the Management API into out.
type Getter func(ctx context.Context, path string, query url.Values, out any) error

// A Management says how an application reaches the Management API of its tenant.
type Management struct {
	TenantDomain    string // if the Domain of the application is a custom one
	ClientID        string // of credentials for the API; empty for the application's own
	ClientSecret    string
	EndpointOrigins []string
	Log             *slog.Logger
}

// Getter returns the Getter of an application, or nil for another provider without a
// tenant. All its requests go to the tenant's own domain, token requests included: the API
// rejects tokens that a custom domain has issued.
func (m Management) Getter(report func(field, format string, args ...any), application *provider.Client) Getter {
	tenant := *application.Tenant
	if m.TenantDomain != "" {
		usable := true
		if tenant = provider.NewTenant(func(string, string, ...any) { usable = false }, m.TenantDomain); !usable {
			report("TenantDomain", "(AUTH0_TENANT_DOMAIN) %q is not a domain such as acme.eu.auth0.com%s", m.TenantDomain, discovery.Because(discovery.CheckASCII(m.TenantDomain)))
		}
	} else if tenant.Static == nil {
		return nil
	}
	base := strings.TrimSuffix(tenant.Issuer, "/") + "/"
	if (m.ClientID == "") != (m.ClientSecret == "") {
		report("ManagementClientID", "and ManagementClientSecret must both be set, or neither")
	}
	client := *application
	client.Proofs = nil // the API takes bearer tokens only
	if m.ClientID != "" {
		client.ID, client.Auth = m.ClientID, clientauth.WithSecret(clientauth.ClientSecretPost, m.ClientSecret)
	}
	if m.TenantDomain != "" {
		tenant.Issuer, tenant.Static = base, provider.Auth0Layout(base)
		tenant.DiscoverWith(func(string, string, ...any) {}, client.HTTP, m.EndpointOrigins, m.Log) // the application's tenant has reported them
		client.Tenant = &tenant
	}
	return (&tenantapi.API{Client: client.HTTP, Base: base, Tokens: apiTokens{grants.NewAppTokens(&client, base+"api/v2/")}}).Get
}

// apiTokens are the tokens of the Management API.
type apiTokens struct{ tokens grants.AppTokens }

func (t apiTokens) Token(ctx context.Context) (string, error) { return textOf(t.tokens.Get(ctx)) }

func (t apiTokens) Renew(ctx context.Context, age time.Duration) (string, error) {
	return textOf(t.tokens.Renew(ctx, age))
}

func textOf(token *oauth2.Token, err error) (string, error) {
	if err != nil {
		return "", tenanterror.Advise(tenanterror.AppToken, err)
	}
	return token.AccessToken, nil
}
