// Package emulator is an Auth0-shaped tenant that runs inside a process: login
// pages, tokens, keys, logout, the parts of the Management API and of the My
// Account API that relying parties use, and switches for the faults that a
// relying party must survive.
//
// A [Tenant] is an [http.Handler]. It never listens and starts no goroutine, so
// it works equally behind a TCP listener with a real browser, behind an
// in-process transport, and inside a testing/synctest bubble.
//
// It answers with the statuses, error codes, texts and document shapes of
// Auth0, including those that differ from the RFCs (403 for invalid_grant, 401
// access_denied for a failed client authentication). Where a third party would
// log the user in, a page that says it is simulated stands in for it.
//
// The tenant is for tests and local demonstrations. It keeps passwords in clear
// text and prints one-time codes on its own pages.
package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A Variant is the shape of the discovery document, which differs by the age
// and the plan of a tenant.
type Variant string

const (
	Standard   Variant = ""           // a tenant created in 2026
	Enterprise Variant = "enterprise" // with pushed authorization requests and mTLS aliases
	Old        Variant = "old"        // without end_session_endpoint
)

// Config describes a tenant. Exactly one of Host and URL is required.
type Config struct {
	// Host is the name of a tenant that is reached through an in-process
	// transport, for example "acme.auth0.example". Its issuer is https://HOST/.
	Host string

	// URL is the base URL of a tenant that listens on an address, for example
	// "http://127.0.0.1:4001". The issuer is this URL with a trailing slash. A
	// path is allowed; requests must arrive with it.
	URL string

	// Discovery selects the discovery document.
	Discovery Variant

	// DefaultAudience is the API of requests that name none.
	DefaultAudience string

	// DefaultDirectory is the connection of password logins that name none.
	DefaultDirectory string

	// LogoutURLs are the tenant's own allowed logout URLs, which apply when a
	// logout request names no application.
	LogoutURLs []string

	// OrganizationNames allows names beside ids in the organization parameter,
	// and adds org_name to tokens.
	OrganizationNames bool

	// HideEnterpriseConnections omits enterprise connections that have domains
	// from the public client file.
	HideEnterpriseConnections bool

	// Upstream makes the requests to the providers of custom OAuth2 connections
	// and follows no redirects. Nil means a client with a timeout of 5 seconds.
	Upstream *http.Client

	// FetchUserProfile stands for running the fetchUserProfile script of a
	// connection, given an access token of its provider. Nil means that the
	// script is read for a URL, see [Connection].
	FetchUserProfile func(ctx context.Context, connection, accessToken string) (map[string]any, error)

	// Now is the clock of the tenant. Nil means time.Now.
	Now func() time.Time
}

// A Tenant is an Auth0-shaped tenant. All methods are safe for concurrent use.
//
// It has no state itself: each group of endpoints is a small type with the state
// that it owns and pointers to the groups that it uses. The groups with methods
// for tests are embedded.
type Tenant struct {
	*site
	*router
	*directory
	*browserSessions
	*keys
	*tokens
	*refreshTokens
	*tokenExchange
	*pushedRequests
	*backchannel
	*mailbox
	*secondFactors
	*faults
}

// A site is what every group knows of the tenant: its configuration, its
// address, its clock and its lock.
type site struct {
	cfg    Config
	base   string // issuer without its trailing slash
	path   string // path of the base URL, "" or "/tenant-less"
	host   string
	secure bool
	now    func() time.Time
	forms  http.CrossOriginProtection

	mu sync.Mutex // guards the state of all groups
}

// maxStored bounds everything that requests can make grow. The oldest entry
// makes room for the newest.
const maxStored = 1000

// maxBody bounds request bodies, which are read into memory.
const maxBody = 64 << 10

// New returns a tenant with two signing keys and nothing else in it.
func New(cfg Config) (*Tenant, error) {
	site, err := newSite(cfg)
	if err != nil {
		return nil, err
	}
	pages, err := newPages(site)
	if err != nil {
		return nil, err
	}
	return assemble(site, pages), nil
}

func newSite(cfg Config) (*site, error) {
	base, err := baseURL(cfg)
	if err != nil {
		return nil, err
	}
	switch cfg.Discovery {
	case Standard, Enterprise, Old:
	default:
		return nil, fmt.Errorf("tenant: Config.Discovery %q is not a known variant", cfg.Discovery)
	}
	s := &site{
		cfg:    cfg,
		base:   strings.TrimSuffix(base.String(), "/"),
		path:   strings.TrimSuffix(base.Path, "/"),
		host:   base.Host,
		secure: base.Scheme == "https",
		now:    cfg.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

func baseURL(cfg Config) (*url.URL, error) {
	switch {
	case (cfg.Host == "") == (cfg.URL == ""):
		return nil, errors.New("tenant: exactly one of Config.Host and Config.URL is required")
	case cfg.Host != "":
		u, err := url.Parse("https://" + cfg.Host)
		if err != nil || u.Host != cfg.Host || u.Hostname() == "" || strings.ToLower(cfg.Host) != cfg.Host {
			return nil, fmt.Errorf("tenant: Config.Host %q is not a lower-case host name", cfg.Host)
		}
		return u, nil
	default:
		u, err := url.Parse(cfg.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
			u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" {
			return nil, fmt.Errorf("tenant: Config.URL %q is not an http or https base URL", cfg.URL)
		}
		return u, nil
	}
}

// Issuer returns the issuer identifier, which ends with a slash.
func (s *site) Issuer() string { return s.base + "/" }

// A route is an endpoint, for switches and counters, and what answers it.
type route struct {
	endpoint Endpoint
	cors     bool // callable by scripts of other origins
	methods  string
	handle   http.HandlerFunc
}

// A router finds the endpoint of a request and lets the faults come first.
type router struct {
	*site
	authorizations *authorizeEndpoint
	clientFiles    *clientFiles
	codeGrants     *codeGrants
	connector      *connector
	directory      *directory
	faults         *faults
	keys           *keys
	flow           *loginFlow
	loginForms     *loginForms
	logoutAPI      *logoutAPI
	managementAPI  *managementAPI
	metadata       *metadata
	myAccountAPI   *myAccountAPI
	pages          *pages
	parEndpoint    *parEndpoint
	passwordless   *passwordlessAPI
	pushedRequests *pushedRequests
	mfa            *secondFactors
	tokenEndpoint  *tokenEndpoint
	upstreamLogins *upstreamLogins
	userinfoAPI    *userinfoAPI

	routes map[string]route
}

func (rt *router) routeTable() map[string]route {
	return map[string]route{
		"/.well-known/openid-configuration":       {Discovery, true, "GET", rt.metadata.serveDiscovery},
		"/.well-known/oauth-authorization-server": {Discovery, true, "GET", rt.metadata.serveDiscovery},
		"/.well-known/jwks.json":                  {JWKS, true, "GET", rt.keys.serveJWKS},
		"/pem":                                    {"", true, "GET", rt.keys.servePEM},
		"/authorize":                              {Authorize, false, "GET POST", rt.authorizations.authorize},
		"/oauth/token":                            {Token, true, "POST", rt.tokenEndpoint.token},
		"/oauth/revoke":                           {Revoke, true, "POST", rt.codeGrants.revoke},
		"/oauth/par":                              {PAR, false, "POST", rt.parEndpoint.pushRequest},
		"/mfa/authenticators":                     {MFA, true, "GET", rt.mfa.listAuthenticators},
		"/mfa/challenge":                          {MFA, true, "POST", rt.mfa.challenge},
		"/passwordless/start":                     {Passwordless, true, "POST", rt.passwordless.startPasswordless},
		"/passwordless/verify_redirect":           {Pages, false, "GET", rt.passwordless.followLink},
		"/userinfo":                               {UserInfo, true, "GET POST", rt.userinfoAPI.userinfo},
		"/v2/logout":                              {Logout, false, "GET", rt.logoutAPI.legacyLogout},
		"/oidc/logout":                            {Logout, false, "GET POST", rt.logoutAPI.oidcLogout},
		"/u/login":                                {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showLogin, rt.loginForms.submitLogin)},
		"/u/signup":                               {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showSignup, rt.loginForms.submitSignup)},
		"/u/sso":                                  {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showSSO, rt.loginForms.submitSSO)},
		"/u/provider":                             {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showProvider, rt.loginForms.submitProvider)},
		"/u/passwordless":                         {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showPasswordless, rt.loginForms.submitPasswordless)},
		"/u/account":                              {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showAccount, rt.loginForms.submitAccount)},
		"/u/organization":                         {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showOrganization, rt.loginForms.submitOrganization)},
		"/u/memberships":                          {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showMemberships, rt.loginForms.submitMemberships)},
		"/u/mfa":                                  {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showMFA, rt.loginForms.submitMFA)},
		"/u/consent":                              {Pages, false, "GET POST", rt.flow.page(rt.loginForms.showConsent, rt.loginForms.submitConsent)},
		"/login/callback":                         {Pages, false, "GET", rt.upstreamLogins.upstreamCallback},
		"/u/logout":                               {Pages, false, "GET POST", rt.logoutAPI.confirmLogout},
		"/connected-accounts/connect":             {Pages, false, "GET", rt.connector.followTicket},
		"/u/connect":                              {Pages, false, "GET POST", rt.connector.connectPage},
	}
}

// ServeHTTP answers one request.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, rt.path)
	if !ok {
		writeNotFound(w)
		return
	}
	route := rt.route(path)
	if route.handle == nil {
		writeNotFound(w)
		return
	}
	if route.cors && rt.allowOrigin(w, r, route) {
		return
	}
	if !bufferBody(w, r) {
		return
	}
	rt.faults.observe(route.endpoint, r)
	if rt.faults.interfere(w, r, route.endpoint) {
		return
	}
	if !allowsMethod(route.methods, r.Method) {
		w.Header().Set("Allow", strings.ReplaceAll(route.methods, " ", ", "))
		writeJSON(w, http.StatusMethodNotAllowed, oauthError{Code: "method_not_allowed", Description: "Method not allowed"})
		return
	}
	route.handle(w, r)
}

func (rt *router) route(path string) route {
	var none route
	if route, ok := rt.routes[path]; ok {
		if route.endpoint == PAR && !rt.pushedRequests.takesPushed() {
			return none
		}
		return route
	}
	switch {
	case strings.HasPrefix(path, "/api/v2/"):
		return route{Management, false, "", rt.managementAPI.management}
	case strings.HasPrefix(path, "/me/v1/"):
		return route{MyAccount, true, "GET POST DELETE", rt.myAccountAPI.myAccount}
	case strings.HasPrefix(path, "/client/") && strings.HasSuffix(path, ".js"):
		return route{ClientFile, true, "GET", rt.clientFiles.serveClientFile}
	case strings.HasPrefix(path, "/avatars/") && strings.HasSuffix(path, ".svg"):
		return route{"", true, "GET", rt.pages.serveAvatar}
	}
	return none
}

// allowsMethod reports whether a list like "GET POST" has the method. HEAD goes
// with GET, and an empty list leaves the decision to the handler.
func allowsMethod(methods, method string) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return methods == "" || strings.Contains(" "+methods+" ", " "+method+" ")
}

// bufferBody reads the body, within its limit, so that it can be recorded,
// parsed, and read again by a replaced handler.
func bufferBody(w http.ResponseWriter, r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		r.Body = http.NoBody
		return true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		writeJSON(w, status, apiError{Status: status, Message: "The request body cannot be read"})
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}

// allowOrigin lets scripts of the registered web origins call an endpoint, and
// reports whether the request was a preflight and is answered.
func (rt *router) allowOrigin(w http.ResponseWriter, r *http.Request, route route) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !rt.knownOrigin(route.endpoint, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, DPoP-Nonce")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", strings.ReplaceAll(route.methods, " ", ", "))
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Auth0-Client, DPoP")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

func (rt *router) knownOrigin(e Endpoint, origin string) bool {
	switch e {
	case Token, Revoke, UserInfo, MFA, Passwordless, MyAccount:
	default:
		return true // public documents
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	for _, c := range rt.directory.data.clients {
		if c.allowsOrigin(origin) {
			return true
		}
	}
	return false
}
