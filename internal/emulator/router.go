package emulator

import (
	"net/http"
	"strings"
)

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
	registration   *registration
	mfa            *secondFactors
	tokenEndpoint  *tokenEndpoint
	upstreamLogins *upstreamLogins
	userinfoAPI    *userinfoAPI
	withheld       *withheld

	routes map[string]route
}

// A route is an endpoint, for faults and counters, and its handler.
type route struct {
	endpoint Endpoint
	cors     bool // callable by scripts of other origins
	methods  string
	handle   http.HandlerFunc
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
		"/oauth/device/code":                      {"", false, "POST", rt.withheld.begin(deviceGrant)},
		"/bc-authorize":                           {"", false, "POST", rt.withheld.begin(cibaGrant)},
		"/oidc/register":                          {"", false, "POST", rt.registration.serveRegistration},
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
	w.Header().Set("Date", rt.now().UTC().Format(http.TimeFormat)) // also without a server, and by the tenant's clock
	path, ok := rt.localPath(r.URL.Path)
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

// localPath returns the path of a request below that of the issuer. The metadata of an
// issuer with a path is also where RFC 8414, Section 3.1 puts it.
func (rt *router) localPath(path string) (string, bool) {
	local, ok := strings.CutSuffix(path, rt.path)
	if ok && rt.path != "" && (local == "/.well-known/oauth-authorization-server" || local == "/.well-known/openid-configuration") {
		return local, true
	}
	return strings.CutPrefix(path, rt.path)
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
	case strings.HasPrefix(path, "/oauth/global-token-revocation/connection/"):
		return route{"", false, "POST", rt.withheld.revokeAll}
	case strings.HasPrefix(path, "/client/") && strings.HasSuffix(path, ".js"):
		return route{ClientFile, true, "GET", rt.clientFiles.serveClientFile}
	case strings.HasPrefix(path, "/avatars/") && strings.HasSuffix(path, ".svg"):
		return route{"", true, "GET", rt.pages.serveAvatar}
	}
	return none
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
