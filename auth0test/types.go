package auth0test

import (
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// A User is an account in one connection.
type User struct {
	// Connection is the name of the connection. It is required, and the tenant
	// must have the connection.
	Connection string

	// ID is the part of the subject that follows the strategy of the connection,
	// and for some strategies its name: the subject of ID 7 is "github|7", or
	// "samlp|customer-saml|7". Empty means derived from Email or Phone.
	ID string

	// Email identifies the user at the login page and in the methods of [Tenant].
	// A user needs an ID, an Email or a Phone.
	Email         string
	EmailVerified bool

	// Phone is a number for one-time codes, with its country code.
	Phone string

	// Password opens an account in a database connection. Empty means that no
	// password does.
	Password string

	// Profile claims. Name defaults to GivenName and FamilyName, or else to
	// Email; Nickname to the first part of Email; Picture to the initials, drawn
	// by the tenant.
	Name, GivenName, FamilyName, Nickname, Picture string

	// Blocked rejects every login, as a blocked user at Auth0.
	Blocked bool

	// DenyReason rejects every login with access_denied and this description, as an
	// Action does. Empty means that no login is rejected.
	DenyReason string

	// MFA requires a second factor at every login, MFAOnRefresh at every refresh.
	MFA          bool
	MFAOnRefresh bool

	// Factors are the enrolled factors: "otp", whose code is [OneTimeCode], "sms",
	// "email", "push", see [Tenant.AnswerPush], and "recovery-code". Nil means otp
	// and recovery-code. An empty list means that the user has not enrolled.
	Factors []string

	// RecoveryCode opens the account once in place of another factor. Empty means
	// derived from the user.
	RecoveryCode string

	// Protection makes attack protection answer password logins:
	// "password_leaked", "requires_verification" or "suspicious".
	Protection string

	// Roles are the names of the user's roles. Tokens carry them only with
	// [Tenant.UseRolesClaim].
	Roles []string

	// Permissions are the user's permissions, by identifier of the API. They limit
	// the scopes that an access token gets, and are its permissions claim.
	Permissions map[string][]string

	// Organizations are the ids of the organizations of which the user is a
	// member. [Tenant.AddMember] adds roles, permissions and claims in one of them.
	Organizations []string

	// Claims are custom claims, which ID tokens and /userinfo carry. They must be
	// encodable as JSON.
	Claims map[string]any
}

// A Membership holds the roles, permissions and claims of a user in one
// organization. A login to the organization adds them to those of the [User].
type Membership struct {
	// Roles are names of roles, see [Tenant.UseRolesClaim].
	Roles []string

	// Permissions are permissions, by identifier of the API.
	Permissions map[string][]string

	// Claims are custom claims of ID tokens and /userinfo. They take precedence
	// over the Claims of the user.
	Claims map[string]any
}

// A Connection is a source of users.
//
// For a connection of strategy "oauth2" whose options have a fetchUserProfile
// script, the tenant is a real OAuth 2.0 client of the provider: it redirects the
// browser to the option authorizationURL, is called back at /login/callback, and
// gets tokens from the option tokenURL. It cannot run the script. Instead it
// requests the first absolute URL in quotes in the script, with the access token as
// bearer token, and reads the profile from the JSON object in the response: user_id
// (or sub, or id), email, name, given_name, family_name, nickname and picture. For
// every other third party a page of the tenant stands in.
type Connection struct {
	// ID is the id in the Management API. Empty means derived from Name.
	ID string

	// Name is required. It consists of letters, digits and single hyphens.
	Name string

	// DisplayName is the name on buttons. Empty means the name of the provider.
	DisplayName string

	// Strategy is required: "auth0" for a database, "google-oauth2", "github",
	// "oauth2", "oidc", "samlp", "waad", "email", "sms" and the others of Auth0.
	Strategy string

	// ShowAsButton is for enterprise connections, where nil means false. Social
	// connections have a button unless it is false.
	ShowAsButton *bool

	// Inactive disables the connection for logins.
	Inactive bool

	// ConnectedAccounts allows users to connect its accounts, see
	// [Tenant.AllowConnectedAccounts].
	ConnectedAccounts bool

	// IconURL is the URL of the icon in the Management API.
	IconURL string

	// DomainAliases are the email domains that lead to an enterprise connection.
	DomainAliases []string

	// Scope are the scopes that the tenant requests at the provider.
	Scope []string

	// Metadata is the connection_metadata of the Management API.
	Metadata map[string]string

	// Options are further options of the Management API. They must be encodable
	// as JSON.
	Options map[string]any

	// IsDomain makes the connection available to third-party applications.
	IsDomain bool
}

// An Organization is a customer of the application.
type Organization struct {
	// ID begins with org_. Empty means derived from Name.
	ID string

	// Name is required. It consists of lower-case letters, digits, hyphens and
	// underscores, 50 at most.
	Name string

	// DisplayName is the name on pages. Empty means Name.
	DisplayName string

	// Connections are the connections with which members log in.
	Connections []OrganizationConnection

	// Invitations are open invitations.
	Invitations []Invitation
}

// An OrganizationConnection enables a connection for an organization.
type OrganizationConnection struct {
	// Name is the name of a connection of the tenant.
	Name string

	// ShowAsButton is whether the login page of the organization has a button for
	// it. Nil means true.
	ShowAsButton *bool

	// AssignMembershipOnLogin makes every user a member who logs in with the
	// connection.
	AssignMembershipOnLogin bool
}

// An Invitation invites a user to an organization. It is valid for one login.
type Invitation struct {
	// Ticket is the id of the invitation, the parameter invitation of its link.
	Ticket string

	// Email is the only address that can accept it. Empty means any.
	Email string

	// Expires is the end of the invitation. Zero means never.
	Expires time.Time
}

// A ConnectedAccount is an account of a user at a third party.
type ConnectedAccount struct {
	// Connection is the name of the connection that stands for the third party.
	Connection string

	// Email is the address of the account there.
	Email string

	// AccessToken and RefreshToken are the tokens that the third party issued.
	AccessToken, RefreshToken string

	// Scope lists the scopes of AccessToken, separated by spaces.
	Scope string

	// ExpiresIn is the lifetime of AccessToken from now on. Zero means unknown.
	ExpiresIn time.Duration
}

// An Endpoint is an endpoint of the tenant, or a group of endpoints, for
// [Tenant.Fail], [Tenant.Delay] and [Tenant.Calls].
type Endpoint string

// The endpoints of a tenant.
const (
	Discovery    Endpoint = "discovery"    // /.well-known/openid-configuration
	JWKS         Endpoint = "jwks"         // /.well-known/jwks.json
	Authorize    Endpoint = "authorize"    // /authorize, without the pages that follow
	PAR          Endpoint = "par"          // /oauth/par
	Token        Endpoint = "token"        // /oauth/token
	UserInfo     Endpoint = "userinfo"     // /userinfo
	Revoke       Endpoint = "revoke"       // /oauth/revoke
	Logout       Endpoint = "logout"       // /v2/logout and /oidc/logout
	Management   Endpoint = "management"   // /api/v2/
	ClientFile   Endpoint = "clientfile"   // /client/ID.js
	MFA          Endpoint = "mfa"          // /mfa/authenticators and /mfa/challenge
	Passwordless Endpoint = "passwordless" // /passwordless/start
	MyAccount    Endpoint = "account"      // /me/v1/
)

// OneTimeCode is the code of every authenticator app, for a [User] with MFA.
const OneTimeCode = "246810"

// organization copies the lists of o, whose types differ. The compiler rejects the
// conversion when the types drift apart.
func organization(o Organization) emulator.Organization {
	copied := struct {
		ID, Name, DisplayName string
		Connections           []emulator.OrganizationConnection
		Invitations           []emulator.Invitation
	}{ID: o.ID, Name: o.Name, DisplayName: o.DisplayName}
	for _, c := range o.Connections {
		copied.Connections = append(copied.Connections, emulator.OrganizationConnection(c))
	}
	for _, in := range o.Invitations {
		copied.Invitations = append(copied.Invitations, emulator.Invitation(in))
	}
	return emulator.Organization(copied)
}
