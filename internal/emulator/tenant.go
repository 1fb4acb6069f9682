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
type Tenant struct {
	cfg        Config
	base       string // issuer without its trailing slash
	path       string // path of the base URL, "" or "/tenant-less"
	host       string
	secure     bool
	now        func() time.Time
	routes     map[string]route
	grants     map[string]grantHandler
	operations []managementRoute
	pages      *pages
	forms      http.CrossOriginProtection

	mu       sync.Mutex // guards everything below
	data     data
	ring     keyring
	sessions *bounded[session]
	logins   *bounded[transaction]
	logouts  *bounded[logoutRequest]
	codes    *bounded[authorizationCode]
	opaque   *bounded[grant]
	refresh  *bounded[refreshToken]
	consents *bounded[[]string]
	upstream *bounded[upstreamLogin]
	accounts *bounded[thirdParty]
	connects *bounded[connecting]
	tickets  *bounded[string] // auth_session, by ticket and by page
	attempts *bounded[int]    // failed password logins, by account and address
	quotas   *bounded[quota]
	factors  *bounded[mfaAttempt] // by mfa_token
	sent     *bounded[sentCode]   // by connection and address

	exchanges map[string]func(token string) (user string, ok bool) // by subject_token_type

	par        bool // whether authorization requests may be pushed
	pushed     *bounded[pushedRequest]
	assertions *bounded[struct{}] // jti of those that were used

	faults faults
}

// maxStored bounds everything that requests can make grow. The oldest entry
// makes room for the newest.
const maxStored = 1000

// maxBody bounds request bodies, which are read into memory.
const maxBody = 64 << 10

// New returns a tenant with two signing keys and nothing else in it.
func New(cfg Config) (*Tenant, error) {
	base, err := baseURL(cfg)
	if err != nil {
		return nil, err
	}
	switch cfg.Discovery {
	case Standard, Enterprise, Old:
	default:
		return nil, fmt.Errorf("tenant: Config.Discovery %q is not a known variant", cfg.Discovery)
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	t := &Tenant{
		cfg:      cfg,
		base:     strings.TrimSuffix(base.String(), "/"),
		path:     strings.TrimSuffix(base.Path, "/"),
		host:     base.Host,
		secure:   base.Scheme == "https",
		now:      cfg.Now,
		pages:    pages,
		data:     newData(),
		sessions: newBounded[session](maxStored),
		logins:   newBounded[transaction](maxStored),
		logouts:  newBounded[logoutRequest](maxStored),
		codes:    newBounded[authorizationCode](maxStored),
		opaque:   newBounded[grant](maxStored),
		refresh:  newBounded[refreshToken](maxStored),
		consents: newBounded[[]string](maxStored),
		upstream: newBounded[upstreamLogin](maxStored),
		accounts: newBounded[thirdParty](maxStored),
		connects: newBounded[connecting](maxStored),
		tickets:  newBounded[string](maxStored),
		par:      cfg.Discovery == Enterprise,
		pushed:   newBounded[pushedRequest](maxStored),
		attempts: newBounded[int](maxStored),
		quotas:   newBounded[quota](maxStored),
		factors:  newBounded[mfaAttempt](maxStored),
		sent:     newBounded[sentCode](maxStored),
		faults:   newFaults(),

		assertions: newBounded[struct{}](maxStored),
	}
	if t.now == nil {
		t.now = time.Now
	}
	t.ring = newKeyring(t.host)
	t.routes = t.routeTable()
	t.grants = t.grantTable()
	t.operations = t.managementTable()
	return t, nil
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
func (t *Tenant) Issuer() string { return t.base + "/" }

// A route is an endpoint, for switches and counters, and what answers it.
type route struct {
	endpoint Endpoint
	cors     bool // callable by scripts of other origins
	methods  string
	handle   http.HandlerFunc
}

func (t *Tenant) routeTable() map[string]route {
	return map[string]route{
		"/.well-known/openid-configuration":       {Discovery, true, "GET", t.serveDiscovery},
		"/.well-known/oauth-authorization-server": {Discovery, true, "GET", t.serveDiscovery},
		"/.well-known/jwks.json":                  {JWKS, true, "GET", t.serveJWKS},
		"/pem":                                    {"", true, "GET", t.servePEM},
		"/authorize":                              {Authorize, false, "GET POST", t.authorize},
		"/oauth/token":                            {Token, true, "POST", t.token},
		"/oauth/revoke":                           {Revoke, true, "POST", t.revoke},
		"/oauth/par":                              {PAR, false, "POST", t.pushRequest},
		"/mfa/authenticators":                     {MFA, true, "GET", t.listAuthenticators},
		"/mfa/challenge":                          {MFA, true, "POST", t.challenge},
		"/passwordless/start":                     {Passwordless, true, "POST", t.startPasswordless},
		"/passwordless/verify_redirect":           {Pages, false, "GET", t.followLink},
		"/userinfo":                               {UserInfo, true, "GET POST", t.userinfo},
		"/v2/logout":                              {Logout, false, "GET", t.legacyLogout},
		"/oidc/logout":                            {Logout, false, "GET POST", t.oidcLogout},
		"/u/login":                                {Pages, false, "GET POST", t.page(t.showLogin, t.submitLogin)},
		"/u/signup":                               {Pages, false, "GET POST", t.page(t.showSignup, t.submitSignup)},
		"/u/sso":                                  {Pages, false, "GET POST", t.page(t.showSSO, t.submitSSO)},
		"/u/provider":                             {Pages, false, "GET POST", t.page(t.showProvider, t.submitProvider)},
		"/u/passwordless":                         {Pages, false, "GET POST", t.page(t.showPasswordless, t.submitPasswordless)},
		"/u/account":                              {Pages, false, "GET POST", t.page(t.showAccount, t.submitAccount)},
		"/u/organization":                         {Pages, false, "GET POST", t.page(t.showOrganization, t.submitOrganization)},
		"/u/memberships":                          {Pages, false, "GET POST", t.page(t.showMemberships, t.submitMemberships)},
		"/u/mfa":                                  {Pages, false, "GET POST", t.page(t.showMFA, t.submitMFA)},
		"/u/consent":                              {Pages, false, "GET POST", t.page(t.showConsent, t.submitConsent)},
		"/login/callback":                         {Pages, false, "GET", t.upstreamCallback},
		"/u/logout":                               {Pages, false, "GET POST", t.confirmLogout},
		"/connected-accounts/connect":             {Pages, false, "GET", t.followTicket},
		"/u/connect":                              {Pages, false, "GET POST", t.connectPage},
	}
}

// ServeHTTP answers one request.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, t.path)
	if !ok {
		writeNotFound(w)
		return
	}
	route := t.route(path)
	if route.handle == nil {
		writeNotFound(w)
		return
	}
	if route.cors && t.allowOrigin(w, r, route) {
		return
	}
	if !bufferBody(w, r) {
		return
	}
	t.observe(route.endpoint, r)
	if t.interfere(w, r, route.endpoint) {
		return
	}
	if !allowsMethod(route.methods, r.Method) {
		w.Header().Set("Allow", strings.ReplaceAll(route.methods, " ", ", "))
		writeJSON(w, http.StatusMethodNotAllowed, oauthError{Code: "method_not_allowed", Description: "Method not allowed"})
		return
	}
	route.handle(w, r)
}

func (t *Tenant) route(path string) route {
	var none route
	if route, ok := t.routes[path]; ok {
		if route.endpoint == PAR && !t.takesPushed() {
			return none
		}
		return route
	}
	switch {
	case strings.HasPrefix(path, "/api/v2/"):
		return route{Management, false, "", t.management}
	case strings.HasPrefix(path, "/me/v1/"):
		return route{MyAccount, true, "GET POST DELETE", t.myAccount}
	case strings.HasPrefix(path, "/client/") && strings.HasSuffix(path, ".js"):
		return route{ClientFile, true, "GET", t.serveClientFile}
	case strings.HasPrefix(path, "/avatars/") && strings.HasSuffix(path, ".svg"):
		return route{"", true, "GET", t.serveAvatar}
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
func (t *Tenant) allowOrigin(w http.ResponseWriter, r *http.Request, route route) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !t.knownOrigin(route.endpoint, origin) {
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

func (t *Tenant) knownOrigin(e Endpoint, origin string) bool {
	switch e {
	case Token, Revoke, UserInfo, MFA, Passwordless, MyAccount:
	default:
		return true // public documents
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.data.clients {
		if c.allowsOrigin(origin) {
			return true
		}
	}
	return false
}
