// Package auth0 logs people in to web applications with Auth0, and checks the
// access tokens that APIs receive.
//
// A web application uses a [Strategy]: [New] makes one from a [Config],
// [Strategy.Handler] serves the login, the callback and the logout,
// [Strategy.LoadUser] around everything makes [UserFrom] work, and
// [Strategy.RequireLogin] guards pages. [Strategy.GetConnections] lists the
// connections to show as login buttons. [Strategy.AccessToken] has the tokens of
// the session, with [ForConnection] also those of third parties. Package management
// makes a third party that supports OAuth 2.0 a connection.
//
// An API uses an [API]: [NewAPI] makes one from an [APIConfig], and
// [API.RequireAuth], [API.RequireScope] and [API.RequirePermissions] guard
// handlers, which read the token with [TokenFrom] and their own claims with
// [Claims].
//
// Everything that decides is also there without HTTP, for programs that use
// something else: [API.Verify], [Application.AuthCodeURL], [Application.Exchange].
//
// What needs no login page is there too: [Application.ClientCredentials] for the
// application itself, [Application.ExchangeToken], and, for applications that have
// forms of their own, [Application.LoginWithPassword] and [Application.LoginWithCode].
//
// # What is verified
//
// At a login: that it was begun in the same browser (state, in an encrypted
// cookie that is good for one callback), that the code belongs to it (PKCE with
// S256, RFC 7636) and that the ID token does (nonce); then the ID token as
// OpenID Connect Core 1.0, Section 3.1.3.7 says, its signature included, and
// organization, age and strength of the authentication if the login asked for
// them. None of this can be turned off. If the ID token comes through the browser
// ([Config].ResponseType), what comes beside it must be what it has hashes of.
//
// Of an access token: its form, of which there is one; algorithm, type, issuer,
// audience, times and signature (RFC 8725; RFC 9068, Section 4). A token that
// is bound to a key is not accepted as a bearer token. Names of claims are
// exact, and none that decides may be there twice.
//
// # What is not
//
// The session is in the browser's cookies, encrypted, unless [Config.Store] is
// set. The process that served a logout rejects copies of the session's cookie.
// Other processes accept them until they expire, unless [Config.Revocations] or
// [Config.Store] is set. Access tokens are good until they expire. An e-mail address identifies nobody; [User.Issuer] and
// [User.Subject] do.
//
// # In production
//
// Serve https and set [Config.BaseURL] to what browsers see; no header of a
// request changes it. Instances share nothing but [Config.Secrets] and, if there
// is one, the [Store]. Several programs behind one host name need different values
// of [Config.CookieName] or paths. Proxies must let through cookies and response
// headers of 8 KiB.
//
// No function in this package fetches anything when it constructs a value; keys,
// metadata and lists are fetched when they are first needed, refreshed in the
// background, and used for a day while the tenant does not answer.
//
// # Errors
//
// Errors are of type [*Error], which has the HTTP status, the code of the
// protocol and a reason that is one of a fixed set of words. What a visitor gets
// to see is a fixed text. What came from outside is in [Error.Err] and in the
// log. Secrets, tokens, codes and cookies are in neither. Formatting or logging a
// value that this package returns does not show them either, wherever it is kept;
// for values that you fill in yourself see [Config].
//
// # Testing
//
// Package [github.com/seed-15d5a55c/auth0/auth0test] runs a tenant in the
// process of a test, with pages, tokens, keys and faults.
package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
)

// None, in a field whose zero value means a default, asks for nothing: no
// limit, no leeway, no cache. The field says whether it takes None. It works
// as the MaxAge of [http.Cookie] does.
const None = -1

// A Config describes a web application as it is registered at Auth0, and how
// it logs people in. Domain, ClientID, ClientSecret (or ClientAuthentication, or
// neither for a ResponseType without a code), BaseURL and Secrets are needed; the
// zero value of every other field is a safe default.
//
// Formatting or logging a Config shows no secret if its methods can be called: for
// a Config itself, a pointer to one, or an exported field. Of an unexported field
// of another struct, such as that of type server struct{ cfg auth0.Config },
// package fmt calls no methods and prints the secrets, for some verbs also through
// a pointer. Keep the [Strategy] instead, which shows none in any field.
type Config struct {
	_ [0]func() // keeps out literals without field names, and ==

	// Needed: where the tenant is, who the application is, where browsers reach it.

	// Domain is the tenant's domain, such as "acme.eu.auth0.com", or a custom
	// domain of it. The issuer is then https://Domain/ and the endpoints are
	// Auth0's, so that nothing has to be looked up before a login.
	//
	// A URL, such as "https://id.example.com/realms/a" or, on this machine
	// only, "http://127.0.0.1:4000", names any OpenID provider instead. Its
	// endpoints come from its discovery document, which must name that issuer.
	Domain string
	// ClientID and ClientSecret are the application's credentials.
	ClientID     string
	ClientSecret string
	// ClientAuthentication takes the place of ClientSecret in an application that
	// shows in another way that it is itself: with a key, with a certificate, or
	// with a secret that is replaced while it runs.
	ClientAuthentication ClientAuthentication
	// BaseURL is where browsers reach the application: "https://app.example.com",
	// with a path if a proxy mounts it below one. Every URL that leaves this
	// package is made from it, and none from the Host header of a request. It
	// must be https unless the host is this machine.
	BaseURL string
	// Secrets encrypt the cookies, each at least 32 bytes of text, or 64
	// hexadecimal digits as "openssl rand -hex 32" prints them. The first seals
	// and all open, so that a secret is replaced by putting the new one in
	// front and removing the old one after a session lifetime.
	//
	// A secret is refused if it was plainly typed: a word repeated, few different
	// characters, a run along the alphabet or a keyboard. So are the secrets of
	// package auth0test and of sample applications, here and as ClientSecret,
	// unless Domain is this machine or ends in .example, .test or .localhost.
	Secrets []string

	// Login.

	// Audience is the identifier of the API that the access token is for. If
	// empty, the access token is good for the userinfo endpoint only.
	Audience string
	// Scopes are asked for at every login. Default: openid, profile, email.
	// They must have openid. Add offline_access to get a refresh token.
	Scopes []string
	// LoginOptions are options for every login. Those of [Strategy.LoginHandler], and what
	// it takes from a link, count more; but a link does not change the
	// organization.
	LoginOptions []LoginOption
	// AcceptOrganizationLinks lets the login route pass on organization and invitation
	// from its query. The links in invitation e-mails carry them.
	AcceptOrganizationLinks bool
	// CheckOrganization, if not nil, makes every login one to an organization.
	// It is called with the organization's id. Its errors mean what those of
	// AfterLogin mean.
	CheckOrganization func(ctx context.Context, orgID string) error
	// ForwardParams are further query parameters that the login route passes on
	// to the tenant, such as "ext-campaign".
	ForwardParams []string
	// AfterLogin is called with each completed login before its session begins.
	// It can set Data and ReturnTo. If it returns [ErrForbidden], the login is
	// refused with 403. An [*Error] chooses the status. Any other error means that
	// AfterLogin could not decide, and the answer is 503. The error goes to the log
	// only.
	AfterLogin func(ctx context.Context, login *Login) error
	// DefaultReturnTo is the path below BaseURL to go to after a login that was
	// not asked to return anywhere. Default: "/".
	DefaultReturnTo string
	// ReturnToOrigins are other origins that a login may return to, such as
	// "https://admin.example.com".
	ReturnToOrigins []string
	// ErrorHandler writes the page that a person gets when a login, or a request
	// for a page, fails. When it is called, the headers are set and the status is
	// not yet written. If it writes no status, the status of the error is used.
	// Default: plain text that says what to do next. Scripts get JSON in any case.
	ErrorHandler func(http.ResponseWriter, *http.Request, *Error)

	// Login buttons, see [Strategy.GetConnections].

	// Connections, if not nil, is the list that [Strategy.GetConnections]
	// returns. Only Name is needed.
	Connections []Connection
	// ManagementClientID and ManagementClientSecret are the credentials with which
	// [Strategy.GetConnections] asks the Management API. Default: those of the
	// application.
	ManagementClientID     string
	ManagementClientSecret string
	// TenantDomain is the tenant's own domain, such as "acme.eu.auth0.com", if
	// Domain is a custom one. The Management API knows only that.
	TenantDomain string
	// ConfigurationBaseURL, such as "https://cdn.eu.auth0.com", makes the public
	// client file below it a further source of connections. Auth0's Lock reads
	// that file, but it is not documented.
	ConfigurationBaseURL string

	// Session and logout.

	// KeepClaim says which claims of the ID token the session keeps. By default
	// it keeps all but those that only the protocol needs.
	KeepClaim func(name string) bool
	// KeepIDToken keeps the raw ID token too, as a hint for logout, which puts it
	// into the URL of the logout; WithLogoutParam("id_token_hint") keeps it out.
	// It makes cookies larger, and Auth0 does not need it. With other providers
	// it is always kept.
	KeepIDToken bool
	// IdleTimeout ends a session that is not used. Default: 24 hours. [None]
	// means that only AbsoluteTimeout counts and sessions are not prolonged.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session, however much it is used. Default: 7 days.
	// [None] means no such limit.
	AbsoluteTimeout time.Duration
	// CountsAsUse, if not nil, says whether a request prolongs its session. A
	// page that asks for news every minute would otherwise never let it end.
	CountsAsUse func(*http.Request) bool
	// Store, if not nil, keeps the sessions on the server. The cookie then has
	// only an id.
	Store Store
	// CookieSessionsUntil is for an application that moves from sessions in cookies
	// to a Store. Until that time a session in a cookie is accepted and moves into
	// the store; set it to the day of the move plus AbsoluteTimeout. Default: no
	// session in a cookie is accepted once there is a Store, and everybody logs in
	// again. The time ends the move, because with a stolen AUTH0_SECRET such
	// cookies can be forged, and ids of sessions in a store cannot.
	CookieSessionsUntil time.Time
	// Revocations, if not nil, is where it is noted that sessions have ended, for
	// sessions in cookies: a copy of the cookie then is no good after a logout,
	// and [Strategy.BackchannelLogoutHandler] works. Default: Store.
	Revocations Store
	// PostLogoutURLs are where a logout may lead, the first by default. Register
	// them as Allowed Logout URLs. Default: BaseURL.
	PostLogoutURLs []string
	// LogoutEndpoint chooses how the session at the tenant is ended. Default:
	// [LogoutEndpointOIDC] if the tenant has that endpoint, else [LogoutEndpointV2].
	LogoutEndpoint LogoutEndpoint
	// LogoutOptions are options for every logout, before those of [Strategy.LogoutHandler].
	LogoutOptions []LogoutOption

	// Routes and cookies.

	// The paths of the routes. Default: /auth/login, /auth/callback, /auth/logout
	// and /auth/backchannel-logout.
	LoginPath             string
	CallbackPath          string
	LogoutPath            string
	BackchannelLogoutPath string
	// The session cookie. By default its name is auth0_session, its path is "/",
	// there is no domain, and SameSite is Lax. On https the name gets the prefix
	// __Host- if the path is "/" and there is no domain, else __Secure-.
	//
	// Give each application on a host a CookieName of its own: browsers keep one
	// cookie of a name, also for two ports.
	//
	// CookieDomain sends the session to every host below that domain. Each of them
	// can read it, and each can set a cookie that decides whose session a visitor
	// has. The cookies of a login that is under way are for this host alone.
	CookieName     string
	CookiePath     string
	CookieDomain   string
	CookieSameSite http.SameSite
	// CookieSessionOnly lets the browser forget the session when it is closed.
	CookieSessionOnly bool

	// Hosts and proxies.

	// BaseURLs are further ones with the same path, for an application with
	// several hosts. A request belongs to the one whose host it was sent to; a
	// request for another host is refused.
	BaseURLs []string
	// TrustedProxies are the addresses from which X-Forwarded-Host is believed
	// when there are several base URLs. The rightmost value counts, the one
	// that the nearest proxy has added.
	//
	// A proxy is known by the address in [http.Request].RemoteAddr, without its
	// zone. IPv4 addresses mapped into IPv6 count as IPv4. A proxy that connects
	// through a unix socket has no address and is never believed: have it pass on
	// the Host header instead.
	TrustedProxies []netip.Prefix
	// InsecureHTTP allows base URLs that are http on a host that is not this
	// machine. Cookies and codes can then be read on the way. It is meant for
	// trying things out in a network of one's own.
	InsecureHTTP bool

	// Requests to the tenant, and checks of its tokens.

	// PushedAuthorizationRequests sends what a login asks for to the tenant
	// directly, so that the browser carries only a reference to it (RFC 9126). The
	// tenant must allow it in its settings. It takes one more request per login,
	// and nobody can log in while the tenant does not answer it.
	//
	// A login is begun by anybody, so an instance makes at most 20 such requests in
	// a second, and 100 at once, and none for up to a minute while the tenant asks
	// to be left alone (Retry-After). The login route then answers 503 with
	// Retry-After. Limit the requests of an address to the login route, or one
	// address can use all of them.
	PushedAuthorizationRequests bool
	// Algorithms are those that ID tokens may be signed with. Default: RS256.
	// PS256, ES256 and the other RSA and elliptic curve algorithms may be listed.
	Algorithms []string
	// Leeway is how far the clocks of tenant and application may differ when ID
	// tokens are checked. Default: 60 seconds; at most 5 minutes. It takes [None].
	Leeway time.Duration
	// EndpointOrigins are origins beside the issuer's on which the endpoints of
	// an OpenID provider named by URL may be, and the mtls_endpoint_aliases of any.
	EndpointOrigins []string
	// HTTPClient makes the requests to the tenant. Its transport and timeout
	// are used; redirects are never followed. For [MutualTLS] the transport
	// presents the certificate. Default: a client with a timeout
	// of 5 seconds.
	HTTPClient *http.Client
	// Telemetry adds the header Auth0-Client, with the versions of this package
	// and of Go, to requests to the tenant.
	Telemetry bool
	// Logger gets refusals, outages and questionable configuration; never a
	// token, code, cookie or secret. Default: [slog.Default].
	//
	// Strangers can cause refusals. So the first refusal of each [Error].Op and
	// Reason is a warning, and the same one is written at debug level for a minute
	// after it. Other warnings of this package are held back in the same way.
	// Faults of the program (status 500) are errors each time. That nobody is
	// logged in, or that a request has no token, is written at debug level only.
	// No text of a line has more than 512 bytes.
	Logger *slog.Logger
	// Observer gets an [Event] for every fetch of the tenant's keys. Default: none.
	Observer Observer
	// Now is the clock by which tokens and sessions expire. Default: [time.Now].
	Now func() time.Time

	// Other answers than a code, and older applications.

	// ResponseType is what the tenant's answer to the callback has. Default:
	// [ResponseTypeCode]. The other two come by form_post, and the application must
	// be allowed the implicit grant.
	ResponseType ResponseType
	// ResponseMode is how the tenant sends its answer to the callback. Default:
	// [ResponseModeQuery] for a code, else [ResponseModeFormPost], which keeps the
	// answer out of URLs. A form is posted across sites, so the cookie of the login
	// must then be SameSite=None, which needs https. On this machine http will do.
	//
	// The session cookie is not sent with that form: a login then replaces the
	// session of the browser without knowing its Data. An [http.CrossOriginProtection]
	// around the application would refuse the form; it needs
	// AddInsecureBypassPattern("POST /auth/callback"), which loses nothing, because
	// the callback has the state to know its own logins by.
	ResponseMode ResponseMode
	// Keys are the keys with which ID tokens and logout tokens are checked. Default:
	// the tenant's JWKS, fetched when it is needed and cached. [StaticKeys] never
	// fetch, for a process that lives too short for that.
	//
	// [SharedSecret] is for an old application whose ID tokens have a MAC (HS256)
	// made with its client secret instead of a signature made with the tenant's key:
	// SharedSecret(clientSecret), or SharedSecret of the bytes that the secret stands
	// for in base64url, if the application's jwt_configuration has secret_encoded.
	// HS256 is then the only algorithm that is accepted. Everybody who has the secret
	// can log in as any user, so change the application to RS256 when you can.
	// [Application.KeySet] still returns the tenant's keys.
	Keys *KeySet
}

// A Connection is a way to log in: a user database, a social or enterprise
// identity provider, or a code by email or text message. Its texts come from the
// tenant. Write them with a package that escapes, such as html/template.
type Connection struct {
	// Name identifies the connection in the tenant.
	Name string
	// Strategy is the kind, such as "auth0" for a database, "google-oauth2" or
	// "samlp". This package does not know every kind.
	Strategy string
	// DisplayName is the name for users, as in "Continue with Google".
	DisplayName string
	// IconURL is an https URL, or empty.
	IconURL string
	// DomainAliases are the email domains of the users of the connection.
	DomainAliases []string
	// LoginURL is the path, on this site, that logs in with the connection.
	// [Config].Connections ignores it.
	LoginURL string
}

// A ResponseType is what the tenant's answer to a login has (OAuth 2.0 Multiple
// Response Type Encoding Practices, Sections 3 and 5).
type ResponseType string

const (
	// ResponseTypeCode is a code, which the application exchanges for tokens.
	ResponseTypeCode ResponseType = "code"
	// ResponseTypeIDToken is an ID token: a login without client secret, access
	// token and refresh token.
	ResponseTypeIDToken ResponseType = "id_token"
	// ResponseTypeCodeIDToken is both. The ID token is checked before the code is
	// used.
	ResponseTypeCodeIDToken ResponseType = "code id_token"
)

// A ResponseMode is how the tenant sends its answer to a login.
type ResponseMode string

const (
	// ResponseModeQuery is the query of the callback's URL.
	ResponseModeQuery ResponseMode = "query"
	// ResponseModeFormPost is a form that the browser posts to the callback (OAuth
	// 2.0 Form Post Response Mode).
	ResponseModeFormPost ResponseMode = "form_post"
)

// A LogoutEndpoint is how a logout ends the session at the tenant.
type LogoutEndpoint string

const (
	// LogoutEndpointOIDC is end_session_endpoint (OpenID Connect RP-Initiated Logout
	// 1.0).
	LogoutEndpointOIDC LogoutEndpoint = "oidc"
	// LogoutEndpointV2 is /v2/logout of Auth0.
	LogoutEndpointV2 LogoutEndpoint = "v2"
	// LogoutEndpointLocal leaves the session at the tenant as it is.
	LogoutEndpointLocal LogoutEndpoint = "local"
)

// ConfigFromEnv reads AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET,
// AUTH0_SECRET, APP_BASE_URL and, optionally, AUTH0_AUDIENCE. AUTH0_SECRET may
// hold several secrets separated by commas, see [Config]. An application that has
// a key instead of a secret has AUTH0_CLIENT_ASSERTION_SIGNING_KEY in PEM form,
// and AUTH0_CLIENT_ASSERTION_SIGNING_ALG if that is not RS256. One that sets
// another ClientAuthentication, or a ResponseType without a code, needs neither, so
// it is [New] that misses them. The names that older
// samples use are understood too: AUTH0_ISSUER_BASE_URL for the domain,
// AUTH0_BASE_URL for the base URL, and AUTH0_CALLBACK_URL for base URL and
// callback path.
//
// The error names every variable that is missing; that of the client secret only
// beside others.
func ConfigFromEnv() (Config, error) {
	c := Config{
		Domain:       os.Getenv("AUTH0_DOMAIN"),
		ClientID:     os.Getenv("AUTH0_CLIENT_ID"),
		ClientSecret: os.Getenv("AUTH0_CLIENT_SECRET"),
		BaseURL:      os.Getenv("APP_BASE_URL"),
		Audience:     os.Getenv("AUTH0_AUDIENCE"),
	}
	var errs []error
	if key := os.Getenv("AUTH0_CLIENT_ASSERTION_SIGNING_KEY"); key != "" {
		signer, err := clientauth.ParseKeyPEM(key)
		if err != nil {
			errs = append(errs, fmt.Errorf("auth0: environment variable AUTH0_CLIENT_ASSERTION_SIGNING_KEY %w", err))
		}
		c.ClientAuthentication = PrivateKeyJWT(signer, cmp.Or(os.Getenv("AUTH0_CLIENT_ASSERTION_SIGNING_ALG"), "RS256"), "")
	}
	for secret := range strings.SplitSeq(os.Getenv("AUTH0_SECRET"), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			c.Secrets = append(c.Secrets, secret)
		}
	}
	if c.Domain == "" {
		// There it is the URL of an Auth0 tenant, not of any provider.
		c.Domain = strings.TrimSuffix(strings.TrimPrefix(os.Getenv("AUTH0_ISSUER_BASE_URL"), "https://"), "/")
	}
	if c.BaseURL == "" {
		c.BaseURL = os.Getenv("AUTH0_BASE_URL")
	}
	if u, err := url.Parse(os.Getenv("AUTH0_CALLBACK_URL")); c.BaseURL == "" && err == nil && u.Host != "" {
		c.BaseURL, c.CallbackPath = u.Scheme+"://"+u.Host, u.Path
	}
	for _, v := range []struct {
		name    string
		missing bool
	}{
		{"AUTH0_DOMAIN", c.Domain == ""},
		{"AUTH0_CLIENT_ID", c.ClientID == ""},
		{"AUTH0_SECRET", len(c.Secrets) == 0},
		{"APP_BASE_URL", c.BaseURL == ""},
	} {
		if v.missing {
			errs = append(errs, fmt.Errorf("auth0: environment variable %s is not set", v.name))
		}
	}
	if len(errs) > 0 && c.ClientSecret == "" && c.ClientAuthentication.method.Name == "" {
		// Whoever has to set some wants to know of all.
		errs = append(errs, errors.New("auth0: environment variable AUTH0_CLIENT_SECRET is not set, which most applications need"))
	}
	return c, errors.Join(errs...)
}

// Format hides the secrets from every verb of package fmt but %p.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Config{Domain:%q ClientID:%q BaseURL:%q}", c.Domain, c.ClientID, c.BaseURL)
}

// MarshalJSON hides the secrets from packages json and slog.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"Domain": c.Domain, "ClientID": c.ClientID, "BaseURL": c.BaseURL})
}

// clone keeps what the caller does with its slices later out of the Strategy.
func (c Config) clone() Config {
	c.BaseURLs = slices.Clone(c.BaseURLs)
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	c.Secrets = slices.Clone(c.Secrets)
	c.Scopes = slices.Clone(c.Scopes)
	c.LoginOptions = slices.Clone(c.LoginOptions)
	c.ForwardParams = slices.Clone(c.ForwardParams)
	c.ReturnToOrigins = slices.Clone(c.ReturnToOrigins)
	c.PostLogoutURLs = slices.Clone(c.PostLogoutURLs)
	c.LogoutOptions = slices.Clone(c.LogoutOptions)
	c.Connections = slices.Clone(c.Connections)
	c.EndpointOrigins = slices.Clone(c.EndpointOrigins)
	return c
}
