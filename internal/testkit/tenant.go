package testkit

import "github.com/seed-15d5a55c/auth0/internal/emulator"

// The emulator of an Auth0 tenant, under the names that tests use. Only this file
// imports the package.
type (
	// A Tenant is the emulator of an Auth0 tenant.
	Tenant = emulator.Tenant
	// A TenantConfig describes the kind of a tenant.
	TenantConfig = emulator.Config
	// A TenantClient is an application registered at the tenant.
	TenantClient = emulator.Client
	// A TenantUser is an account of the tenant.
	TenantUser = emulator.User
	// A TenantAPI is an API registered at the tenant.
	TenantAPI = emulator.API
	// A TenantConnection is a connection configured at the tenant.
	TenantConnection = emulator.Connection
	// A ClientGrant allows an application to get tokens for an API.
	ClientGrant = emulator.ClientGrant
	// A ClientKey is a public key of an application.
	ClientKey = emulator.ClientKey
	// A ConnectedAccount is an account at a provider that a user has connected.
	ConnectedAccount = emulator.ConnectedAccount
	// A Demo is the application, the API and the users of AddDemo.
	Demo = emulator.Demo
	// An Endpoint is one that can fail, be slow and be counted.
	Endpoint = emulator.Endpoint
	// An Invitation is to an organization.
	Invitation = emulator.Invitation
	// An Organization has members and connections.
	Organization = emulator.Organization
	// An OrganizationConnection is enabled for an organization.
	OrganizationConnection = emulator.OrganizationConnection
	// A Proof is a DPoP proof that the tenant has received.
	Proof = emulator.Proof
	// A ProofOfPossession selects the binding of an API's access tokens.
	ProofOfPossession = emulator.ProofOfPossession
	// A TokenEdit changes the header and the claims of a token before the tenant signs it.
	TokenEdit = emulator.TokenEdit
	// A Variant is a kind of tenant.
	Variant = emulator.Variant
)

// The endpoints of a tenant.
const (
	ClientFileEndpoint   = emulator.ClientFile
	DiscoveryEndpoint    = emulator.Discovery
	JWKSEndpoint         = emulator.JWKS
	MFAEndpoint          = emulator.MFA
	ManagementEndpoint   = emulator.Management
	MyAccountEndpoint    = emulator.MyAccount
	PAREndpoint          = emulator.PAR
	PasswordlessEndpoint = emulator.Passwordless
	RevokeEndpoint       = emulator.Revoke
	TokenEndpoint        = emulator.Token
	UserInfoEndpoint     = emulator.UserInfo
)

// When a tenant requires a nonce in DPoP proofs.
const (
	NonceForPublic = emulator.NonceForPublic
	NonceForAll    = emulator.NonceForAll
	NonceAgain     = emulator.NonceAgain
	NonceUntold    = emulator.NonceUntold
)

// BoundByDPoP makes an API bind its access tokens to the key of a proof.
var BoundByDPoP = ProofOfPossession{Mechanism: "dpop"}

// The kinds of tenants.
const (
	StandardTenant   = emulator.Standard
	EnterpriseTenant = emulator.Enterprise
	OldTenant        = emulator.Old
)

// OneTimeCode is the code of every authenticator app.
const OneTimeCode = emulator.OneTimeCode

// NewTenant makes a tenant without applications and users.
func NewTenant(c TenantConfig) (*Tenant, error) { return emulator.New(c) }

// Thumbprint returns the x5t#S256 of a certificate in DER form.
func Thumbprint(der []byte) string { return emulator.Thumbprint(der) }

// keysFrom makes the emulator use keys of a function.
var keysFrom = emulator.KeysFrom
