// Package auth0 logs users in to web applications with Auth0, and verifies the access
// tokens that APIs receive.
//
// A web application with login, logout and a page for users:
//
//	cfg, err := auth0.ConfigFromEnv() // AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET, APP_BASE_URL
//	if err != nil {
//		log.Fatal(err)
//	}
//	strategy, err := auth0.New(cfg)
//	if err != nil {
//		log.Fatal(err)
//	}
//	mux := http.NewServeMux()
//	strategy.Register(mux) // /auth/login, /auth/callback, /auth/logout
//	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		user, _ := auth0.UserFrom(r.Context())
//		fmt.Fprintln(w, "Hello", user.Name)
//	})))
//	log.Fatal(http.ListenAndServe("localhost:3000", strategy.LoadUser(mux)))
//
// An API whose callers send access tokens:
//
//	api, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Audience: "https://api.acme.example/"})
//	if err != nil {
//		log.Fatal(err)
//	}
//	mux.Handle("GET /orders", api.RequirePermissions("read:orders")(orders))
//
// The guides are in the folder docs of the module: sessions, refresh tokens, roles,
// organizations, proxies, tests, troubleshooting.
//
// # Parts
//
// A web application uses a [Strategy], which [New] makes from a [Config].
// [Strategy.Handler] serves login, callback and logout. [Strategy.LoadUser] goes
// around the whole application, so that [UserFrom] finds the user.
// [Strategy.RequireLogin] guards pages. [Strategy.GetConnections] lists the
// connections to show as login buttons. [Strategy.AccessToken] returns the session's
// access token, or a third party's with [ForConnection]. Package management makes an
// OAuth 2.0 provider a connection.
//
// An API uses an [API], which [NewAPI] makes from an [APIConfig]. [API.RequireAuth],
// [API.RequireScope] and [API.RequirePermissions] guard handlers. A handler gets the
// token from [TokenFrom], and its own claims from [Claims].
//
// An [Application] covers the flows without a browser or a session:
// [Application.AuthCodeURL] and [Application.Exchange] for programs without net/http,
// [Application.ClientCredentials] for tokens of the application itself,
// [Application.ExchangeToken], and [Application.LoginWithPassword] and
// [Application.LoginWithCode] for applications with their own login forms. [API.Verify]
// checks an access token without net/http.
//
// # What is verified
//
// A login: it ends in the browser that started it (state, in an encrypted cookie valid for
// one callback), and the code (PKCE with S256, RFC 7636) and the ID token (nonce) belong to
// it. The ID token is verified as OpenID Connect Core 1.0, Section 3.1.3.7 requires,
// signature included. Organization, age and strength of the authentication are verified if
// the login requested them. None of this can be turned off. If the ID token comes through
// the browser ([Config].ResponseType), the code and the access token must match its c_hash
// and at_hash.
//
// An access token: compact serialization, algorithm, type, issuer, audience, times
// and signature (RFC 8725; RFC 9068, Section 4). A sender-constrained token is never
// accepted as a bearer token: it needs the proof that the client has the key
// ([APIConfig].DPoP and Certificates). Claim names are case-sensitive, and a repeated
// security claim is rejected.
//
// # Limits
//
// The session is in encrypted cookies, unless [Config.Store] is set. The process that
// served a logout rejects copies of the session's cookie. Other processes accept them
// until they expire, unless [Config.Revocations] or [Config.Store] is set. Access
// tokens are valid until they expire. [User.Issuer] and [User.Subject] identify a
// user. An email address does not.
//
// # In production
//
// Serve https, and set [Config.BaseURL] to the URL that browsers see. No request
// header changes it. Instances share only [Config.Secrets] and, if there is one, the
// [Store]. Several programs behind one host name need different values of
// [Config.CookieName] or [Config.CookiePath]. Proxies must let through cookies and
// response headers of 8 KiB.
//
// No constructor makes a request. JWKS, provider metadata and connection lists are
// fetched on first use and refreshed in the background. While the tenant is
// unreachable, cached ones are used for up to 24 hours.
//
// # Errors
//
// Errors are of type [*Error], with an HTTP status, an OAuth error code, and a stable
// reason from a fixed set. A visitor sees a fixed text. Untrusted texts are in [Error.Err]
// and in the log only. Neither contains a secret, token, code or cookie. Formatting or
// logging a value that this package returns does not show them either. For values that you
// fill in yourself see [Config].
//
// # Testing
//
// Package [github.com/seed-15d5a55c/auth0/auth0test] runs a tenant in the process of
// a test, with pages, tokens, keys and faults.
//
// # Compatibility
//
// Before version 1 a minor release can rename a public name, and keeps the old one,
// deprecated, for one release. Sessions, reasons of errors and the strength of
// defaults do not change without a line in the changelog.
package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/environment"
)

// None, in a field whose zero value means a default, turns the limit, the leeway or
// the cache off, as a negative MaxAge does for [http.Cookie]. The documentation of a
// field says whether the field accepts None.
const None = -1

// A Config describes a web application as it is registered at Auth0, and how it logs
// users in. [New] requires Domain, ClientID, ClientSecret or ClientAuthentication,
// BaseURL, and Secrets. A ResponseType without a code needs no client authentication.
// [NewApplication] requires less. The zero value of every other field is a safe
// default.
//
// Formatting or logging a Config hides its secrets only where package fmt can call
// its methods: for a Config, a pointer to one, or an exported field. For an
// unexported field of another struct, such as type server struct{ cfg auth0.Config },
// package fmt calls no methods and prints the secrets, for some verbs also through a
// pointer. Keep the [Strategy] instead, which shows no secret in any field.
type Config struct {
	_ [0]func() // keeps out literals without field names, and ==

	// Required: the tenant, the application, its base URL, and its secrets.

	// Domain is the tenant's domain, such as "acme.eu.auth0.com", or its custom domain.
	// The issuer is then https://Domain/, and the endpoints are Auth0's, so a login
	// needs no discovery request.
	//
	// A URL, such as "https://id.example.com/realms/a" or, on this machine only,
	// "http://127.0.0.1:4000", names any OpenID provider instead. Its endpoints come
	// from its discovery document, which must name the same issuer. The URL of a tenant
	// below auth0.com, such as "https://acme.eu.auth0.com", is read as its domain.
	Domain string
	// ClientID and ClientSecret are the application's credentials.
	ClientID     string
	ClientSecret string
	// ClientAuthentication replaces ClientSecret in applications that authenticate with
	// a key, a certificate or a rotating secret.
	ClientAuthentication ClientAuthentication
	// ProofKey binds the tokens of the application to a key (DPoP, RFC 9449):
	// [ProofKeyPerSession] or [ProofKeyOf]. Default: bearer tokens. A session that began
	// without a key keeps its bearer tokens until the next login. A session with its own
	// key keeps it when the field is changed. If the tenant answers with a bearer token,
	// the request fails with Reason token_not_bound. Set the field when all instances run a
	// version that supports it: an earlier version drops the key of a session, which then
	// continues with bearer tokens.
	//
	// [Strategy.Client] and [ProofTransport] call APIs with bound tokens. The clients of
	// package oauth2 cannot. [WithPopup] cannot hand on an access token, and
	// [Application.ImplicitURL] fails. Tokens of third parties, and those for Auth0's
	// Management API, are bearer tokens.
	ProofKey ProofKey
	// BaseURL is the URL at which browsers reach the application, such as
	// "https://app.example.com". It has a path if a proxy mounts the application below one.
	// Every URL that this package sends out is made from BaseURL, never from a Host header.
	// It must be https, unless the host is this machine. A browser that starts a login at
	// another host is redirected to BaseURL, unless there are BaseURLs.
	BaseURL string
	// Secrets encrypt the cookies. Each has at least 32 bytes of text, or 64 hexadecimal
	// digits as "openssl rand -hex 32" prints them. The first secret seals, and every
	// secret opens. To rotate, put the new secret in front, and remove the old one after
	// AbsoluteTimeout.
	//
	// A guessable secret is rejected: a repeated word, few different characters, a run
	// along the alphabet or a keyboard. The secrets of package auth0test and of sample
	// applications are rejected too, here and as ClientSecret, unless Domain is this
	// machine or ends in .example, .test or .localhost.
	Secrets []string

	// Login.

	// Audience is the identifier of the API that the access token is for. If it is
	// empty, the access token is valid for the userinfo endpoint only.
	Audience string
	// Scopes are the scopes of every login. Default: openid, profile, email. The list
	// must contain openid. Add offline_access to get a refresh token.
	Scopes []string
	// LoginOptions are options of every login. Options of [Strategy.LoginHandler] take
	// precedence over these, and so do parameters of a link. A link cannot change the
	// organization.
	LoginOptions []LoginOption
	// AcceptOrganizationLinks lets the login route pass on organization and invitation
	// from its query. Links in invitation emails have these parameters. Default: false.
	AcceptOrganizationLinks bool
	// CheckOrganization, if not nil, decides about the organization of every login by
	// its id. A login without an organization fails. Its errors mean the same as the
	// errors of AfterLogin.
	CheckOrganization func(ctx context.Context, orgID string) error
	// ForwardParams are further query parameters that the login route passes on to the
	// tenant, such as "ext-campaign".
	ForwardParams []string
	// AfterLogin is called with each completed login before its session starts. It can set
	// Data and ReturnTo. If it returns [ErrForbidden], the login is denied with 403. An
	// [*Error] chooses the status. Any other error means that AfterLogin could not decide,
	// and the answer is 503. The error goes to the log only.
	AfterLogin func(ctx context.Context, login *Login) error
	// LoginTimeout is the time limit from the login route to the callback. A user who
	// returns later is asked to log in again, for the same page. Default: 1 hour; at least
	// a minute, at most 24 hours.
	LoginTimeout time.Duration
	// DefaultReturnTo is the path below BaseURL to which a login without a return URL
	// leads. Default: "/".
	DefaultReturnTo string
	// ReturnToOrigins are further origins to which a login can return, such as
	// "https://admin.example.com".
	ReturnToOrigins []string
	// ErrorHandler answers every rejected or failed request to a route or a guard of the
	// Strategy, by users and by scripts. Headers are set and no status is written when it
	// is called. If it writes a body and no status, the status of the error is used. If it
	// writes nothing, the default answer is written. It is not called for
	// [Strategy.BackchannelLogoutHandler], whose answer a specification defines, and for
	// the end of a login in a pop-up.
	//
	// Default: users get a page without scripts that explains the error and the next step.
	// Scripts get JSON with error and error_description. The request decides: a browser
	// navigates if Sec-Fetch-Mode is "navigate", or, without that header, if it accepts
	// text/html and X-Requested-With is not "XMLHttpRequest". A client that accepts only
	// text/plain, or only application/json, gets that. htmx gets HX-Redirect if a login is
	// required. A form posted by Turbo gets a message at the top of the open page, and a
	// frame of Turbo a page.
	ErrorHandler func(http.ResponseWriter, *http.Request, *Error)

	// Login buttons, see [Strategy.GetConnections].

	// Connections, if not nil, is the list for [Strategy.GetConnections]. Only Name is
	// required.
	Connections []Connection
	// ManagementClientID and ManagementClientSecret are the credentials of
	// [Strategy.GetConnections] for the Management API. Default: the application's own.
	ManagementClientID     string
	ManagementClientSecret string
	// TenantDomain is the tenant's own domain, such as "acme.eu.auth0.com". Set it if
	// Domain is a custom domain, which the Management API rejects, or a tenant's URL.
	TenantDomain string
	// ConfigurationBaseURL, such as "https://cdn.eu.auth0.com", adds the public client
	// file below it as a source of connections. Auth0's Lock reads that file, but Auth0
	// does not document it.
	ConfigurationBaseURL string

	// Session and logout.

	// KeepClaim reports whether the session keeps a claim of the ID token. By default it
	// keeps all claims except the protocol's own.
	KeepClaim func(name string) bool
	// KeepIDToken keeps the raw ID token as a logout hint. The hint becomes part of the
	// logout URL, unless WithLogoutParam("id_token_hint") removes it. It makes cookies
	// larger, and Auth0 does not need it. With other providers, the ID token is always
	// kept.
	KeepIDToken bool
	// IdleTimeout ends an unused session. Default: 24 hours. With [None], only
	// AbsoluteTimeout counts, and use does not extend a session.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session, however much it is used. Default: 7 days. [None]
	// means no such limit. IdleTimeout and AbsoluteTimeout cannot both be None.
	AbsoluteTimeout time.Duration
	// CountsAsUse, if not nil, reports whether a request extends its session. Without
	// it, a page that polls every minute keeps its session alive.
	CountsAsUse func(*http.Request) bool
	// Store, if not nil, keeps the sessions on the server. The cookie then has only an
	// id.
	Store Store
	// CookieSessionsUntil is for an application that moves from sessions in cookies to a
	// Store. Until that time, a session in a cookie is accepted and moves into the
	// store. Set it to the day of the move plus AbsoluteTimeout. Default: once there is
	// a Store, a session in a cookie is rejected, and every user logs in again. The time
	// limits an attack: a stolen secret allows an attacker to forge sessions in cookies,
	// but not the ids of stored sessions.
	CookieSessionsUntil time.Time
	// Revocations, if not nil, records ended sessions for sessions in cookies. A copy of
	// the cookie is then rejected after a logout, and
	// [Strategy.BackchannelLogoutHandler] works. Default: Store.
	Revocations Store
	// PostLogoutURLs are the URLs to which a logout can lead. The first one is the
	// default. Register them as Allowed Logout URLs. Default: BaseURL.
	PostLogoutURLs []string
	// LogoutEndpoint chooses how a logout ends the session at the tenant. Default:
	// [LogoutEndpointOIDC] if the tenant has that endpoint, else [LogoutEndpointV2].
	LogoutEndpoint LogoutEndpoint
	// LogoutOptions are options of every logout. Options of [Strategy.LogoutHandler]
	// take precedence.
	LogoutOptions []LogoutOption

	// Routes and cookies.

	// The paths of the routes. Default: /auth/login, /auth/callback, /auth/logout
	// and /auth/backchannel-logout.
	LoginPath             string
	CallbackPath          string
	LogoutPath            string
	BackchannelLogoutPath string
	// The session cookie. By default its name is auth0_session, or another name for each
	// path of BaseURL if there is one. Its path is "/", it has no domain, and SameSite is
	// Lax. On https the name gets the prefix __Host- if the path is "/" and there is no
	// domain, else __Secure-.
	//
	// Give each application on a host its own CookieName: browsers keep one cookie of a
	// name, even for two ports.
	//
	// CookieDomain sends the session to every host below that domain. Each of them can
	// read it, and each can set a cookie that decides whose session a visitor has. The
	// cookies of a login transaction are for this host alone.
	CookieName     string
	CookiePath     string
	CookieDomain   string
	CookieSameSite http.SameSite
	// CookieSessionOnly makes the browser delete the session when it closes.
	// [WithPersistentCookie] chooses it for one login.
	CookieSessionOnly bool

	// Hosts and proxies.

	// BaseURLs are further base URLs with the same path, for an application with several
	// hosts. The host of a request selects its base URL. A request for any other host is
	// rejected.
	BaseURLs []string
	// TrustedProxies are the addresses of proxies whose X-Forwarded-Host is believed
	// when there are several base URLs. The rightmost value counts, which the nearest
	// proxy has added.
	//
	// The address of a proxy is [http.Request].RemoteAddr, without its zone. IPv4
	// addresses mapped into IPv6 count as IPv4. A proxy on a unix socket has no address
	// and is never believed: configure it to pass on the Host header instead.
	TrustedProxies []netip.Prefix
	// InsecureHTTP allows http base URLs on hosts other than this machine. Anyone on the
	// network path can then read cookies and codes. Use it only for development on a
	// private network.
	InsecureHTTP bool

	// Requests to the tenant, and checks of its tokens.

	// PushedAuthorizationRequests sends the authorization request to the tenant
	// directly, so that the browser carries only a reference to it (RFC 9126). The
	// tenant's settings must allow it. Each login needs one more request, and no user
	// can log in while the tenant is unreachable.
	//
	// Anyone can start a login. So an instance makes at most 20 pushed requests per second,
	// and 100 at once. After a 429, or an error with Retry-After, it makes none for up to a
	// minute. Beyond these limits the login route answers 503 with Retry-After. Limit
	// requests per address to the login route, because one address can use up the limit.
	PushedAuthorizationRequests bool
	// Algorithms are the accepted signature algorithms of ID tokens. Default: RS256.
	// PS256, ES256 and the other RSA and elliptic curve algorithms are possible.
	Algorithms []string
	// Leeway is the accepted difference between the clocks of tenant and application in
	// checks of ID tokens. Default: 60 seconds; at most 5 minutes. It accepts [None].
	Leeway time.Duration
	// EndpointOrigins are accepted origins, besides the issuer's, for the endpoints of
	// an OpenID provider named by URL, and for the mtls_endpoint_aliases of any
	// provider.
	EndpointOrigins []string
	// HTTPClient makes the requests to the tenant. Only its transport and its timeout
	// are used. The timeout is for each request, and replaces all limits of this package
	// that are shorter. Redirects are never followed. For that, with GOOS=js, requests
	// have the header "js.fetch:redirect" of package net/http. For [MutualTLS], the
	// transport presents the certificate. Default: a client with a timeout of 5 seconds,
	// or 3 seconds where a visitor waits.
	HTTPClient *http.Client
	// Telemetry adds the header Auth0-Client, with the versions of this package
	// and of Go, to requests to the tenant.
	Telemetry bool
	// Logger gets refusals, outages and questionable configuration, but no token, code,
	// cookie or secret. Default: [slog.Default].
	//
	// Strangers can cause refusals. So the first refusal of each [Error].Op and Reason
	// is at level Warn, and further ones within a minute are at level Debug. The same
	// holds for other warnings of this package. Errors of the program (status 500) are
	// at level Error each time. Requests without a session or without a token are at
	// level Debug only. A text in a line has at most 512 bytes.
	Logger *slog.Logger
	// Observer gets an [Event] for every fetch of the tenant's keys. Default: none.
	Observer Observer
	// Now is the clock for the expiry of tokens and sessions. Default: [time.Now].
	Now func() time.Time

	// Response types without a code alone, and older applications.

	// ResponseType selects the content of the tenant's response to the callback.
	// Default: [ResponseTypeCode]. The other two require form_post, and the implicit
	// grant must be allowed for the application.
	ResponseType ResponseType
	// ResponseMode selects how the tenant sends its response to the callback. Default:
	// [ResponseModeQuery] for a code, else [ResponseModeFormPost], which keeps the
	// response out of URLs. A form is posted across sites, so the cookie of the login
	// transaction must then be SameSite=None, which requires https. On this machine,
	// http works.
	//
	// Browsers do not send the session cookie with that form. So the login replaces the
	// session without access to its Data. An [http.CrossOriginProtection] around the
	// application rejects the form, unless it has AddInsecureBypassPattern("POST
	// /auth/callback"). The bypass is safe, because the callback checks the state.
	ResponseMode ResponseMode
	// Keys are the keys for ID tokens and logout tokens. Default: the tenant's JWKS,
	// fetched on first use and cached. [StaticKeys] never fetches, for processes too
	// short-lived to fetch.
	//
	// [SharedSecret] is for an old application whose ID tokens have a MAC (HS256) made with
	// its client secret. Use SharedSecret(clientSecret). If the application's
	// jwt_configuration has secret_encoded, decode the secret from base64url first. HS256
	// is then the only accepted algorithm. Anyone with the secret can log in as any user,
	// so change the application to RS256 when you can. [Application.KeySet] still returns
	// the tenant's keys.
	Keys *KeySet
}

// A Connection is a way to log in: a user database, a social or enterprise identity
// provider, or a code by email or text message. Its texts come from the tenant. Write
// them with an escaping package such as html/template.
type Connection struct {
	// Name identifies the connection in the tenant.
	Name string
	// Strategy is the kind, such as "auth0" for a database, "google-oauth2" or "samlp".
	// Kinds unknown to this package are possible.
	Strategy string
	// DisplayName is the name for users, as in "Continue with Google".
	DisplayName string
	// IconURL is an https URL, or empty.
	IconURL string
	// DomainAliases are the email domains of the users of the connection.
	DomainAliases []string
	// LoginURL is the path on this site that logs in with the connection. In
	// [Config].Connections it is ignored.
	LoginURL string
}

// A ResponseType is the content of the tenant's response to a login (OAuth 2.0
// Multiple Response Type Encoding Practices, Sections 3 and 5).
type ResponseType string

const (
	// ResponseTypeCode is an authorization code, which the application exchanges for
	// tokens.
	ResponseTypeCode ResponseType = "code"
	// ResponseTypeIDToken is an ID token: a login without client secret, access token
	// and refresh token.
	ResponseTypeIDToken ResponseType = "id_token"
	// ResponseTypeCodeIDToken is a code and an ID token. The ID token is verified before
	// the code is exchanged.
	ResponseTypeCodeIDToken ResponseType = "code id_token"
)

// A ResponseMode is the way of the tenant's response to a login.
type ResponseMode string

const (
	// ResponseModeQuery puts the response into the query of the callback URL.
	ResponseModeQuery ResponseMode = "query"
	// ResponseModeFormPost makes the browser post the response to the callback (OAuth
	// 2.0 Form Post Response Mode).
	ResponseModeFormPost ResponseMode = "form_post"
)

// A LogoutEndpoint selects how a logout ends the session at the tenant.
type LogoutEndpoint string

const (
	// LogoutEndpointOIDC is end_session_endpoint (OpenID Connect RP-Initiated Logout
	// 1.0).
	LogoutEndpointOIDC LogoutEndpoint = "oidc"
	// LogoutEndpointV2 is Auth0's /v2/logout.
	LogoutEndpointV2 LogoutEndpoint = "v2"
	// LogoutEndpointLocal does not end the session at the tenant.
	LogoutEndpointLocal LogoutEndpoint = "local"
)

// ConfigFromEnv reads AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET,
// AUTH0_SECRET, APP_BASE_URL and, optionally, AUTH0_AUDIENCE and AUTH0_TENANT_DOMAIN.
// AUTH0_SECRET can contain several secrets separated by commas, see [Config].Secrets.
// An application with a key instead of a client secret sets
// AUTH0_CLIENT_ASSERTION_SIGNING_KEY in PEM form, and
// AUTH0_CLIENT_ASSERTION_SIGNING_ALG unless it is RS256. An application that sets
// another ClientAuthentication, or a ResponseType without a code, needs neither. So
// [New], not ConfigFromEnv, reports a missing one. Names of older samples work too:
// AUTH0_ISSUER_BASE_URL for the domain, AUTH0_BASE_URL for the base URL, and
// AUTH0_CALLBACK_URL for base URL and callback path.
//
// The error lists every missing variable. It lists AUTH0_CLIENT_SECRET only if
// another variable is missing too.
func ConfigFromEnv() (Config, error) {
	set := environment.Read(os.Getenv)
	c := Config{
		Domain: set.Domain, TenantDomain: set.TenantDomain, ClientID: set.ClientID, ClientSecret: set.ClientSecret, Secrets: set.Secrets, Audience: set.Audience,
		BaseURL: set.BaseURL, CallbackPath: set.CallbackPath,
	}
	var errs []error
	if set.SigningKey != "" {
		signer, err := clientauth.ParseKeyPEM(set.SigningKey)
		if err != nil {
			errs = append(errs, fmt.Errorf("auth0: environment variable AUTH0_CLIENT_ASSERTION_SIGNING_KEY %w", err))
		}
		c.ClientAuthentication = PrivateKeyJWT(signer, set.SigningAlgorithm, "")
	}
	return c, errors.Join(append(errs, set.Missing()...)...)
}

// Format hides the secrets from every verb of package fmt but %p.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Config{Domain:%q ClientID:%q BaseURL:%q}", c.Domain, c.ClientID, c.BaseURL)
}

// MarshalJSON hides the secrets from packages json and slog.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"Domain": c.Domain, "ClientID": c.ClientID, "BaseURL": c.BaseURL})
}

// clone copies the slices, so that later changes by the caller do not reach the
// Strategy.
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
