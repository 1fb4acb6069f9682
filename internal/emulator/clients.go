package emulator

import (
	"cmp"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Client is an application.
type Client struct {
	ID, Secret, Name string

	// Public marks a single-page or native application, which has no client secret
	// and must use PKCE.
	Public bool

	// AuthMethod is how a confidential client authenticates:
	// "client_secret_post", "client_secret_basic", "private_key_jwt" with one of
	// Keys, "tls_client_auth" or "self_signed_tls_client_auth" with one of
	// Certificates. Empty allows both ways to send the secret.
	AuthMethod string

	Keys         []ClientKey // two at most
	Certificates []string    // their x5t#S256, see Thumbprint

	// RequirePushedRequests rejects authorization requests that were not pushed.
	RequirePushedRequests bool

	// ThirdParty marks an application of another owner, whose users must consent.
	ThirdParty bool

	// Strict marks a third party with the enhanced security controls of third-party
	// applications since 2026: PKCE, no scopes of OpenID Connect, a client grant for
	// every API, and errors on pages of the tenant instead of redirects.
	Strict bool

	// CallbackURLs are matched exactly. A "*" may stand for one sub-domain
	// label, and {organization_name} for the organization of the request.
	CallbackURLs []string

	LogoutURLs       []string
	WebOrigins       []string // further origins for web_message and cross-origin calls; those of CallbackURLs are implied
	InitiateLoginURI string

	// BackchannelLogoutURLs get the logout tokens of [Tenant.BackchannelLogout].
	BackchannelLogoutURLs []string

	// Connections are the names of the enabled connections.
	Connections []string

	// GrantTypes are those enabled for the application. Empty means
	// authorization_code, implicit and refresh_token, and client_credentials for a
	// confidential client. Device code, CIBA and jwt-bearer are always rejected,
	// because this tenant has turned them off.
	GrantTypes []string

	// ResourceServer is the identifier of the API that this application is, if it may
	// exchange the access tokens that it receives.
	ResourceServer string

	// OrganizationUsage is "deny" (also the empty string), "allow" or "require".
	OrganizationUsage string

	// OrganizationRequireBehavior is for logins that name no organization:
	// "no_prompt" (also the empty string), "pre_login_prompt", which asks for the
	// name of one, or "post_login_prompt", which lists those of the user. With
	// OrganizationUsage "allow" the user may also continue without one.
	OrganizationRequireBehavior string

	// HourlyTokens limits the tokens per hour for the application itself. Zero is no
	// limit.
	HourlyTokens int

	// Grants are the APIs that the application may call for itself, and, for
	// an API with PerAppAuthorization, on behalf of a user.
	Grants []ClientGrant

	// RotatingRefreshTokens makes refresh tokens single use. Within
	// RefreshTokenLeeway the immediately previous one still works.
	RotatingRefreshTokens bool
	RefreshTokenLeeway    time.Duration

	// RefreshTokenPolicies are further APIs that one refresh token serves.
	RefreshTokenPolicies []ClientGrant

	// TrustForwardedFor makes auth0-forwarded-for the address of the user, if the
	// application has authenticated with its secret.
	TrustForwardedFor bool

	// RequireProofOfPossession rejects token requests without a DPoP proof or a
	// certificate, to which their access tokens are bound. See also
	// [API.ProofOfPossession].
	RequireProofOfPossession bool

	caller string  // the address that a request of the application is from
	shown  binding // the key and the certificate that it shows

	// IDTokenAlg is "RS256" (also the empty string) or "HS256", keyed with Secret,
	// or, with SecretEncoded, as in old applications, with Secret decoded from
	// base64url.
	IDTokenAlg    string
	SecretEncoded bool
}

// A ClientGrant names scopes of one API.
type ClientGrant struct {
	Audience string
	Scopes   []string
}

// An API is a resource server.
type API struct {
	Audience, Name string
	Scopes         []string

	// RBAC limits scopes to the user's permissions and adds the permissions
	// claim to access tokens.
	RBAC bool

	AllowOfflineAccess bool

	// Dialect is "access_token" (also the empty string) or "rfc9068_profile".
	Dialect string

	// Lifetime of access tokens. Zero means 24 hours.
	Lifetime time.Duration

	// PerAppAuthorization requires a ClientGrant of every application.
	PerAppAuthorization bool

	// ThirdPartyScopes is the client grant of all third-party applications that are
	// Strict. Nil is none.
	ThirdPartyScopes []string

	// ProofOfPossession is the setting that binds access tokens to a key or to a
	// certificate of the application.
	ProofOfPossession ProofOfPossession
}

func (c *Client) check() error {
	switch {
	case c.ID == "" || hasControl(c.ID):
		return errors.New("ID is required")
	case !slices.Contains([]string{"", "deny", "allow", "require"}, c.OrganizationUsage):
		return fmt.Errorf("unknown OrganizationUsage %q", c.OrganizationUsage)
	case !slices.Contains([]string{"", "no_prompt", preLogin, postLogin}, c.OrganizationRequireBehavior):
		return fmt.Errorf("unknown OrganizationRequireBehavior %q", c.OrganizationRequireBehavior)
	case !slices.Contains([]string{"", "RS256", "HS256"}, c.IDTokenAlg):
		return fmt.Errorf("unknown IDTokenAlg %q", c.IDTokenAlg)
	case c.Strict && !c.ThirdParty:
		return errors.New("Strict is for third parties")
	case c.IDTokenAlg == "HS256" && c.Secret == "":
		return errors.New("IDTokenAlg HS256 needs a Secret")
	case c.SecretEncoded && !isBase64URL(c.Secret):
		return errors.New("Secret is not in base64url, as SecretEncoded says")
	}
	if err := c.checkAuthMethod(); err != nil {
		return err
	}
	for _, list := range [][]string{c.CallbackURLs, c.LogoutURLs, c.WebOrigins, c.BackchannelLogoutURLs} {
		for _, raw := range list {
			plain := strings.ReplaceAll(raw, "{organization_name}", "name")
			if u, err := url.Parse(plain); err != nil || u.Scheme == "" || u.Fragment != "" || hasControl(raw) {
				return fmt.Errorf("%q is not an absolute URL without a fragment", raw)
			}
		}
	}
	return nil
}

func isBase64URL(s string) bool {
	_, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil
}

// macKey is the key of HS256.
func (c *Client) macKey() []byte {
	if c.SecretEncoded {
		key, _ := base64.RawURLEncoding.DecodeString(c.Secret) // was checked
		return key
	}
	return []byte(c.Secret)
}

// clone returns a copy that shares nothing with the client.
func (c Client) clone() Client {
	c.CallbackURLs = slices.Clone(c.CallbackURLs)
	c.LogoutURLs = slices.Clone(c.LogoutURLs)
	c.WebOrigins = slices.Clone(c.WebOrigins)
	c.BackchannelLogoutURLs = slices.Clone(c.BackchannelLogoutURLs)
	c.Connections = slices.Clone(c.Connections)
	c.GrantTypes = slices.Clone(c.GrantTypes)
	c.Keys = slices.Clone(c.Keys)
	c.Certificates = slices.Clone(c.Certificates)
	c.Grants = cloneGrants(c.Grants)
	c.RefreshTokenPolicies = cloneGrants(c.RefreshTokenPolicies)
	return c
}

func cloneGrants(grants []ClientGrant) []ClientGrant {
	grants = slices.Clone(grants)
	for i := range grants {
		grants[i].Scopes = slices.Clone(grants[i].Scopes)
	}
	return grants
}

func (c *Client) allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// grantFor returns the client grant for an API.
func (c *Client) grantFor(audience string) (ClientGrant, bool) {
	for _, g := range c.Grants {
		if g.Audience == audience {
			return g, true
		}
	}
	return ClientGrant{}, false
}

// allowsOrigin reports whether scripts of the origin belong to the application.
func (c *Client) allowsOrigin(origin string) bool {
	for _, list := range [][]string{c.WebOrigins, c.CallbackURLs} {
		for _, raw := range list {
			if allowed := originOf(raw); allowed == origin || matchesWildcard(allowed, origin) {
				return true
			}
		}
	}
	return false
}

// originOf returns the origin of a URL, or "" if it has none.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// accountScopes are the scopes that the implemented part of the API knows.
var accountScopes = []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}

// managementScopes are the scopes that the implemented part of the API knows.
var managementScopes = []string{"read:clients", "read:client_summary", "read:client_keys", "read:connections",
	"read:connections_options", "create:connections", "update:connections", "update:connections_options", "delete:connections",
	"read:organizations", "read:organizations_summary", "read:organization_connections", "read:users", "read:user_idp_tokens"}

// matchesWildcard matches a pattern like https://*.acme.example/callback, where
// the star stands for exactly one label.
func matchesWildcard(pattern, uri string) bool {
	scheme, rest, ok := strings.Cut(pattern, "*")
	if !ok || !strings.HasSuffix(scheme, "://") || !strings.HasPrefix(rest, ".") || strings.Contains(rest, "*") {
		return false
	}
	label, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		return false
	}
	label, ok = strings.CutSuffix(label, rest)
	return ok && hostLabel.MatchString(label)
}

var hostLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// allowsCallback reports whether the application has registered the URI.
func (c *Client) allowsCallback(uri string, org *Organization) bool {
	for _, pattern := range c.CallbackURLs {
		if org != nil {
			pattern = strings.ReplaceAll(pattern, "{organization_name}", org.Name)
		}
		if uri != "" && (uri == pattern || matchesWildcard(pattern, uri)) {
			return true
		}
	}
	return false
}

func lifetimeOf(api *API) time.Duration {
	if api == nil {
		return accessTokenLifetime
	}
	return cmp.Or(api.Lifetime, accessTokenLifetime)
}

const accessTokenLifetime = 24 * time.Hour

// A ClientKey is a public key with which an application authenticates by
// private_key_jwt.
type ClientKey struct {
	ID        string // which assertions may name as kid
	Algorithm string // "RS256", "RS384" or "PS256"
	Public    *rsa.PublicKey
}

func (c *Client) hasSecret() bool {
	return !c.Public && !slices.Contains([]string{privateKeyJWT, tlsClientAuth, selfSignedTLS}, c.AuthMethod)
}

// checkAuthMethod checks the client authentication method and its credentials.
func (c *Client) checkAuthMethod() error {
	switch {
	case c.Public && c.AuthMethod != "" && c.AuthMethod != "none":
		return fmt.Errorf("a public client cannot have AuthMethod %q", c.AuthMethod)
	case c.Public:
		return nil
	case !slices.Contains([]string{"", "client_secret_post", "client_secret_basic", privateKeyJWT, tlsClientAuth, selfSignedTLS}, c.AuthMethod):
		return fmt.Errorf("unknown AuthMethod %q", c.AuthMethod)
	case c.hasSecret() && c.Secret == "":
		return errors.New("a confidential client needs a Secret")
	case c.AuthMethod == privateKeyJWT && (len(c.Keys) == 0 || len(c.Keys) > 2):
		return errors.New("AuthMethod private_key_jwt needs one or two Keys")
	}
	for _, key := range c.Keys {
		if key.Public == nil || !slices.Contains([]string{"RS256", "RS384", "PS256"}, key.Algorithm) {
			return fmt.Errorf("key %q has no public key or an unknown algorithm %q", key.ID, key.Algorithm)
		}
	}
	return nil
}

// Methods of client authentication that need no secret.
const (
	privateKeyJWT = "private_key_jwt"
	tlsClientAuth = "tls_client_auth"
	selfSignedTLS = "self_signed_tls_client_auth"
)

// Values of OrganizationRequireBehavior that make a login ask for an organization.
const (
	preLogin  = "pre_login_prompt"
	postLogin = "post_login_prompt"
)
