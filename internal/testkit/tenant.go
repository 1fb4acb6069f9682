package testkit

import "github.com/seed-15d5a55c/auth0/internal/tenant"

// The emulator of an Auth0 tenant, under the names that tests use. Only this file
// imports the package.
type (
	// A Tenant is the emulator of an Auth0 tenant.
	Tenant = tenant.Tenant
	// A TenantConfig says what kind of tenant it is.
	TenantConfig = tenant.Config
	// A TenantClient is an application as the tenant has it registered.
	TenantClient = tenant.Client
	// A TenantUser is an account of the tenant.
	TenantUser = tenant.User
	// A TenantAPI is an API as the tenant has it registered.
	TenantAPI = tenant.API
	// A TenantConnection is a connection as the tenant has it configured.
	TenantConnection = tenant.Connection
	// A ClientGrant lets an application have tokens for an API.
	ClientGrant = tenant.ClientGrant
	// A ClientKey is a public key of an application.
	ClientKey = tenant.ClientKey
	// A ConnectedAccount is an account at a provider that a user has connected.
	ConnectedAccount = tenant.ConnectedAccount
	// A Demo is the application, the API and the users of AddDemo.
	Demo = tenant.Demo
	// An Endpoint is one that can fail, be slow and be counted.
	Endpoint = tenant.Endpoint
	// An Invitation is to an organization.
	Invitation = tenant.Invitation
	// An Organization has members and connections.
	Organization = tenant.Organization
	// An OrganizationConnection is enabled for an organization.
	OrganizationConnection = tenant.OrganizationConnection
	// A TokenEdit changes the header and the claims of a token before the tenant signs it.
	TokenEdit = tenant.TokenEdit
	// A Variant is a kind of tenant.
	Variant = tenant.Variant
)

// The endpoints of a tenant.
const (
	ClientFileEndpoint   = tenant.ClientFile
	DiscoveryEndpoint    = tenant.Discovery
	JWKSEndpoint         = tenant.JWKS
	MFAEndpoint          = tenant.MFA
	ManagementEndpoint   = tenant.Management
	MyAccountEndpoint    = tenant.MyAccount
	PAREndpoint          = tenant.PAR
	PasswordlessEndpoint = tenant.Passwordless
	RevokeEndpoint       = tenant.Revoke
	TokenEndpoint        = tenant.Token
	UserInfoEndpoint     = tenant.UserInfo
)

// The kinds of tenants.
const (
	StandardTenant   = tenant.Standard
	EnterpriseTenant = tenant.Enterprise
	OldTenant        = tenant.Old
)

// OneTimeCode is what every authenticator app shows.
const OneTimeCode = tenant.OneTimeCode

// NewTenant makes a tenant without applications and users.
func NewTenant(c TenantConfig) (*Tenant, error) { return tenant.New(c) }

// Thumbprint returns the x5t#S256 of a certificate in DER form.
func Thumbprint(der []byte) string { return tenant.Thumbprint(der) }

// keysFrom makes the emulator use keys of a function.
var keysFrom = tenant.KeysFrom
