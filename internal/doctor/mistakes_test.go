package doctor

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// A mistake is a common mistake, and the doctor's findings about it.
type mistake struct {
	name string
	make func(*world)
	want string
}

func set(pairs ...string) func(*world) {
	return func(w *world) {
		for i := 0; i < len(pairs); i += 2 {
			w.env[pairs[i]] = pairs[i+1]
		}
	}
}

// realHost gives the tenant a host name that real users can reach.
func realHost(w *world) {
	w.env["AUTH0_DOMAIN"] = "acme.eu.auth0.com"
}

func withToken(edits ...emulator.TokenEdit) func(*world) {
	return func(w *world) {
		subject, ok := w.tenant.Subject("ada@acme.example")
		if !ok {
			w.t.Fatal("no user")
		}
		w.options.Token = w.tenant.AccessToken(subject, apiID, edits...)
	}
}

func claim(name string, value any) emulator.TokenEdit {
	return func(_, claims map[string]any) {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
}

var mistakes = []mistake{
	{"nothing is set", func(w *world) { clear(w.env) }, `
FAIL  variables      AUTH0_DOMAIN is missing. AUTH0_CLIENT_ID is missing. APP_BASE_URL is missing.
FAIL  secrets        AUTH0_SECRET is missing.

  variables
    Copy Domain and Client ID from Applications > your application > Settings > Basic Information.
    Set APP_BASE_URL to the URL of the application, such as http://localhost:3000.

  secrets
    Set AUTH0_SECRET to a random value, the same for all instances:
      openssl rand -hex 32
`},
	{"space at the end", set("AUTH0_CLIENT_ID", clientID+" "), `
FAIL  variables      AUTH0_CLIENT_ID ends in a space.

  variables
    Set AUTH0_CLIENT_ID to the value itself, as the dashboard shows it.
`},
	{"space at the beginning", set("AUTH0_AUDIENCE", " "+apiID), `
FAIL  variables      AUTH0_AUDIENCE has a space or a line break at an end.

  variables
    Set AUTH0_AUDIENCE to the value itself, as the dashboard shows it.
`},
	{"control character", set("AUTH0_AUDIENCE", "https://api\x1b[2J.example/"), `
FAIL  variables      AUTH0_AUDIENCE has control characters or is not UTF-8.

  variables
    Set AUTH0_AUDIENCE to the value itself, as the dashboard shows it.
`},
	{"quotes", set("AUTH0_CLIENT_SECRET", `"`+clientSecret+`"`), `
FAIL  variables      AUTH0_CLIENT_SECRET is in quotes or brackets.

  variables
    Set AUTH0_CLIENT_SECRET to the value itself, as the dashboard shows it.
`},
	{"client ID of a sample", set("AUTH0_CLIENT_ID", "YOUR_CLIENT_ID"), `
FAIL  variables      AUTH0_CLIENT_ID is a placeholder.

  variables
    Set AUTH0_CLIENT_ID to the value itself, as the dashboard shows it.
`},
	{"secret as client ID", set("AUTH0_CLIENT_ID", clientSecret, "AUTH0_CLIENT_SECRET", clientID), `
FAIL  variables      AUTH0_CLIENT_ID has 64 characters, which is the length of a client secret.

  variables
    Copy the Client ID again, from Applications > your application > Settings > Basic Information.
`},
	{"secret and key", func(w *world) { w.env["AUTH0_CLIENT_ASSERTION_SIGNING_KEY"] = privateKey() }, `
FAIL  variables      AUTH0_CLIENT_SECRET and AUTH0_CLIENT_ASSERTION_SIGNING_KEY are both set.

  variables
    Unset one of them. Auth0 disables the secret of an application with Private Key JWT.
`},
	{"key in another form", func(w *world) {
		w.env["AUTH0_CLIENT_SECRET"] = ""
		w.env["AUTH0_CLIENT_ASSERTION_SIGNING_KEY"] = "ssh-rsa AAAA"
	}, `
FAIL  variables      AUTH0_CLIENT_ASSERTION_SIGNING_KEY is not a key in PEM form.

  variables
    Set AUTH0_CLIENT_ASSERTION_SIGNING_KEY to the private key in PEM form.
`},
	{"client secret of the documentation", func(w *world) { realHost(w); w.env["AUTH0_CLIENT_SECRET"] = "YOUR-CLIENT-SECRET" }, `
FAIL  variables      AUTH0_CLIENT_SECRET is a placeholder.
FAIL  issuer         acme.eu.auth0.com does not answer: there is no host acme.eu.auth0.com

  variables
    Set AUTH0_CLIENT_SECRET to the value itself, as the dashboard shows it.

  issuer
    Check the egress rules of this network for https://acme.eu.auth0.com.
`},
	{"client secret of the tests", func(w *world) {
		realHost(w)
		w.env["AUTH0_CLIENT_SECRET"] = "a-secret-for-tests-that-protects-nothing-at-all"
	}, `
FAIL  variables      AUTH0_CLIENT_SECRET equals a value in the documentation.
FAIL  issuer         acme.eu.auth0.com does not answer: there is no host acme.eu.auth0.com

  variables
    Copy the Client Secret from Applications > your application > Settings > Basic Information.

  issuer
    Check the egress rules of this network for https://acme.eu.auth0.com.
`},
	{"no client secret", set("AUTH0_CLIENT_SECRET", ""), `
warn  variables      AUTH0_CLIENT_SECRET is not set. Most applications need it.

  variables
    Copy the Client Secret from Applications > your application > Settings > Basic Information into AUTH0_CLIENT_SECRET.
`},
	{"two values", func(w *world) { w.options.Shadowed = []string{"AUTH0_DOMAIN", "APP_BASE_URL"} }, `
warn  variables      The environment and the file have different values of AUTH0_DOMAIN, APP_BASE_URL. The environment takes precedence.

  variables
    Unset AUTH0_DOMAIN, APP_BASE_URL in the environment, or change the file.
`},
	{"no cookie secret", set("AUTH0_SECRET", " , "), `
FAIL  secrets        AUTH0_SECRET is missing.

  secrets
    Set AUTH0_SECRET to a random value, the same for all instances:
      openssl rand -hex 32
`},
	{"short cookie secret", set("AUTH0_SECRET", "short"), `
FAIL  secrets        AUTH0_SECRET: secret 1 of 1 has 5 bytes, fewer than 32.

  secrets
    Make a new value for AUTH0_SECRET:
      openssl rand -hex 32
`},
	{"short hexadecimal secret", set("AUTH0_SECRET", strings.Repeat("0123456789abcdef", 2)), `
FAIL  secrets        AUTH0_SECRET: secret 1 of 1 is hexadecimal with 32 digits, fewer than the 64 that make 32 bytes.

  secrets
    Make a new value for AUTH0_SECRET:
      openssl rand -hex 32
`},
	{"one cookie secret twice", set("AUTH0_SECRET", cookieSecret+","+cookieSecret), `
FAIL  secrets        AUTH0_SECRET: secret 2 of 2 is there twice.

  secrets
    Make a new value for AUTH0_SECRET:
      openssl rand -hex 32
`},
	{"cookie secret of the documentation", func(w *world) { realHost(w); w.env["AUTH0_SECRET"] = "cookie-secret-for-tests-that-protects-nothing" }, `
FAIL  secrets        AUTH0_SECRET equals a value in the documentation.
FAIL  issuer         acme.eu.auth0.com does not answer: there is no host acme.eu.auth0.com

  secrets
    Make a new value for AUTH0_SECRET:
      openssl rand -hex 32

  issuer
    Check the egress rules of this network for https://acme.eu.auth0.com.
`},
	{"client secret as cookie secret", set("AUTH0_SECRET", clientSecret), `
FAIL  secrets        AUTH0_SECRET equals AUTH0_CLIENT_SECRET.

  secrets
    Make a new value for AUTH0_SECRET:
      openssl rand -hex 32
`},
	{"base URL without a scheme", set("APP_BASE_URL", "app.acme.example"), `
FAIL  base-url       APP_BASE_URL is not an absolute URL such as https://app.example.com.

  base-url
    Set APP_BASE_URL to scheme and host of the application, such as https://app.example.com.
`},
	{"base URL with a query", set("APP_BASE_URL", appURL+"?a=b"), `
FAIL  base-url       APP_BASE_URL must have no query and no fragment.

  base-url
    Set APP_BASE_URL to scheme and host of the application, such as https://app.example.com.
`},
	{"callback URL as base URL", set("APP_BASE_URL", appURL+"/auth/callback"), `
FAIL  base-url       APP_BASE_URL ends in /auth/callback.

  base-url
    Remove the path from APP_BASE_URL: the library adds /auth/callback to it.
`},
	{"callback URL of a sample", set("APP_BASE_URL", "", "AUTH0_BASE_URL", appURL+"/callback/"), `
FAIL  base-url       AUTH0_BASE_URL ends in /callback.

  base-url
    Remove the path from AUTH0_BASE_URL: the library adds /auth/callback to it.
`},
	{"http at a public host", set("APP_BASE_URL", "http://app.acme.example"), `
FAIL  base-url       APP_BASE_URL has http at a public host.

  base-url
    Cookies need https at a public host. Set APP_BASE_URL to the https URL that browsers use.
`},
	{"another port", func(w *world) {
		w.allow("http://localhost:3000")
		w.env["APP_BASE_URL"] = "http://localhost:3000"
		w.options.Port = "8080"
	}, `
warn  base-url       APP_BASE_URL has port 3000, and PORT is 8080.

  base-url
    Set APP_BASE_URL to the port at which browsers reach the application.
`},
	{"default port", func(w *world) {
		w.allow("http://localhost")
		w.env["APP_BASE_URL"] = "http://localhost"
		w.options.Port = "8080"
	}, `
warn  base-url       APP_BASE_URL has port 80, and PORT is 8080.

  base-url
    Set APP_BASE_URL to the port at which browsers reach the application.
`},
	{"placeholder as domain", set("AUTH0_DOMAIN", "YOUR_DOMAIN"), `
FAIL  variables      AUTH0_DOMAIN is a placeholder.

  variables
    Set AUTH0_DOMAIN to the value itself, as the dashboard shows it.
`},
	{"domain in braces", set("AUTH0_DOMAIN", "{yourDomain}"), `
FAIL  variables      AUTH0_DOMAIN is in quotes or brackets.

  variables
    Set AUTH0_DOMAIN to the value itself, as the dashboard shows it.
`},
	{"domain with a path", set("AUTH0_DOMAIN", "acme.auth0.example/authorize"), `
FAIL  domain         AUTH0_DOMAIN has a path.

  domain
    Copy the Domain from Applications > your application > Settings > Basic Information. It looks like acme.eu.auth0.com.
`},
	{"domain with a password", set("AUTH0_DOMAIN", "https://user:hunter2@acme.auth0.example"), `
FAIL  domain         AUTH0_DOMAIN has a user name or a password.

  domain
    Copy the Domain from Applications > your application > Settings > Basic Information. It looks like acme.eu.auth0.com.
`},
	{"domain in capitals", set("AUTH0_DOMAIN", "Acme.auth0.example"), `
FAIL  domain         AUTH0_DOMAIN is not a host name in lower case.

  domain
    Copy the Domain from Applications > your application > Settings > Basic Information. It looks like acme.eu.auth0.com.
`},
	{"domain without a dot", set("AUTH0_DOMAIN", "acme"), `
FAIL  domain         AUTH0_DOMAIN is not a host name in lower case.

  domain
    Copy the Domain from Applications > your application > Settings > Basic Information. It looks like acme.eu.auth0.com.
`},
	{"domain as URL", set("AUTH0_DOMAIN", "https://acme.auth0.example/"), `
warn  domain         AUTH0_DOMAIN is a URL, so login uses discovery and lists no connections.

  domain
    For an Auth0 tenant set AUTH0_DOMAIN to acme.auth0.example.
`},
	{"domain as http URL", set("AUTH0_DOMAIN", "http://acme.auth0.example/"), `
FAIL  domain         AUTH0_DOMAIN is not an https URL without query and fragment: http is allowed only for localhost and loopback addresses; use https.

  domain
    Copy the Domain from Applications > your application > Settings > Basic Information. It looks like acme.eu.auth0.com.
`},
	{"rejected by the library", func(w *world) {
		w.options.Mistakes = errors.New("auth0: Config.CallbackPath is wrong\nauth0: Config.Scopes must contain openid")
	}, `
FAIL  configuration  The library rejects the configuration.

  configuration
    auth0: Config.CallbackPath is wrong
    auth0: Config.Scopes must contain openid
`},
	{"host name unknown", func(w *world) {
		w.errs["/.well-known/openid-configuration"] = &net.DNSError{Err: "no such host", Name: tenantHost, IsNotFound: true}
	}, `
FAIL  issuer         No tenant at acme.auth0.example: the host name does not resolve.

  issuer
    Copy the Domain field from Applications > your application > Settings > Basic Information into AUTH0_DOMAIN.
`},
	{"certificate of a proxy", func(w *world) {
		w.errs["/.well-known/openid-configuration"] = &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	}, `
FAIL  issuer         The TLS handshake with acme.auth0.example failed: tls: failed to verify certificate: x509: certificate signed by unknown authority

  issuer
    For a custom domain, look at Branding > Custom Domains: it must be ready. Otherwise a proxy intercepts TLS: add its certificate to this machine.
`},
	{"connection refused", func(w *world) { w.errs["/.well-known/openid-configuration"] = errors.New("connection refused") }, `
FAIL  issuer         acme.auth0.example does not answer: connection refused

  issuer
    Check the egress rules of this network for https://acme.auth0.example.
`},
	{"no tenant at the host", func(w *world) { w.tenant.Fail(emulator.Discovery, 404) }, `
FAIL  issuer         No tenant at acme.auth0.example.

  issuer
    Copy the Domain field from Applications > your application > Settings > Basic Information into AUTH0_DOMAIN.
`},
	{"tenant limits requests", func(w *world) { w.tenant.Fail(emulator.Discovery, 429) }, `
FAIL  issuer         The tenant answered status 429.

  issuer
    Wait a minute and try again. If it stays so, look at the status page of Auth0.
`},
	{"no JWKS at the URL", func(w *world) { w.tenant.Fail(emulator.JWKS, 403) }, `
FAIL  jwks           The JWKS endpoint answered status 403.

  jwks
    Check the egress rules for https://acme.auth0.example/.well-known/jwks.json.
`},
	{"page of a proxy", func(w *world) { w.answers(emulator.Discovery, 200, "<html>Blocked</html>") }, `
FAIL  issuer         https://acme.auth0.example/.well-known/openid-configuration answered status 200 without metadata.

  issuer
    Copy the Domain field from Applications > your application > Settings > Basic Information into AUTH0_DOMAIN.
    If the domain is right, look at the proxy between this machine and the tenant.
`},
	{"another issuer", func(w *world) {
		w.tenant.EditDiscovery(func(doc map[string]any) { doc["issuer"] = "https://acme.eu.auth0.com/" })
	}, `
FAIL  issuer         The tenant calls itself https://acme.eu.auth0.com/

  issuer
    Set AUTH0_DOMAIN to that host.
`},
	{"endpoint on another host", func(w *world) {
		w.env["AUTH0_DOMAIN"] = "https://acme.auth0.example/"
		w.tenant.EditDiscovery(func(doc map[string]any) { doc["token_endpoint"] = "https://evil.example/oauth/token" })
	}, `
warn  domain         AUTH0_DOMAIN is a URL, so login uses discovery and lists no connections.
FAIL  issuer         The metadata have the token_endpoint "https://evil.example/oauth/token", which is not on the issuer's origin.

  domain
    For an Auth0 tenant set AUTH0_DOMAIN to acme.auth0.example.

  issuer
    If that is meant, list the origin in Config.EndpointOrigins. The doctor sends nothing there.
`},
	{"JWKS fails", func(w *world) { w.tenant.Fail(emulator.JWKS, 503) }, `
FAIL  jwks           The JWKS endpoint answered status 503.

  jwks
    Wait a minute and try again. If it stays so, look at the status page of Auth0.
    Check the egress rules for https://acme.auth0.example/.well-known/jwks.json.
`},
	{"JWKS does not answer", func(w *world) { w.errs["/.well-known/jwks.json"] = errors.New("connection reset") }, `
FAIL  jwks           The JWKS endpoint does not answer: connection reset

  jwks
    Check the egress rules for https://acme.auth0.example/.well-known/jwks.json.
`},
	{"JWKS is a page", func(w *world) { w.answers(emulator.JWKS, 200, "<html>") }, `
FAIL  jwks           The JWKS endpoint did not answer with a JWKS.

  jwks
    Check the egress rules for https://acme.auth0.example/.well-known/jwks.json.
`},
	{"no RS256 key", func(w *world) {
		w.answers(emulator.JWKS, 200, `{"keys":[{"kty":"EC","use":"sig","alg":"ES256","kid":"1"}]}`)
	}, `
FAIL  jwks           The JWKS has no RS256 signing key.

  jwks
    The library accepts RS256 by default. If the issuer signs with another algorithm, set Config.Algorithms.
`},
	{"clock slow", func(w *world) { w.now = w.now.Add(42 * time.Second) }, `
FAIL  clock          This machine's clock is 42 s slow: tokens will look issued in the future.

  clock
    Enable NTP on this machine.
`},
	{"clock fast", func(w *world) { w.now = w.now.Add(-3 * time.Minute) }, `
FAIL  clock          This machine's clock is 180 s fast: tokens will expire early.

  clock
    Enable NTP on this machine.
`},
	{"client unknown", set("AUTH0_CLIENT_ID", "Qw3nT8xKfV5rYc1uJm7ZbE0sLhD6iGpA"), `
FAIL  client         Unknown client: the tenant has no application with this client ID.

  client
    Copy the Client ID from Applications > your application > Settings > Basic Information into AUTH0_CLIENT_ID, and look whether the application belongs to this tenant.
`},
	{"client unknown, own error page", func(w *world) {
		w.tenant.UseErrorPage("https://errors.acme.example/")
		w.env["AUTH0_CLIENT_ID"] = "Qw3nT8xKfV5rYc1uJm7ZbE0sLhD6iGpA"
	}, `
FAIL  client         Unknown client: the tenant has no application with this client ID.

  client
    Copy the Client ID from Applications > your application > Settings > Basic Information into AUTH0_CLIENT_ID, and look whether the application belongs to this tenant.
`},
	{"rate limit", func(w *world) { w.tenant.Fail(emulator.Authorize, 429) }, `
FAIL  client         The authorization endpoint answered status 429.

  client
    Wait a minute and try again. If it stays so, look at the status page of Auth0.
`},
	{"authorization endpoint fails", func(w *world) { w.tenant.Fail(emulator.Authorize, 500) }, `
FAIL  client         The authorization endpoint answered status 500.

  client
    Wait a minute and try again. If it stays so, look at the status page of Auth0.
`},
	{"authorization endpoint does not answer", func(w *world) { w.errs["/authorize"] = errors.New("connection reset") }, `
FAIL  client         The authorization endpoint does not answer: connection reset

  client
    Check the egress rules for https://acme.auth0.example/authorize.
`},
	{"login elsewhere", func(w *world) { w.answers(emulator.Authorize, 302, "", "Location", "https://sso.acme.example/start") }, `
FAIL  client         The tenant redirects to sso.acme.example and not to the callback URL.

  client
    Copy the Client ID from Applications > your application > Settings > Basic Information into AUTH0_CLIENT_ID, and look whether the application belongs to this tenant.
    If the tenant has a page for errors there, open the login in a browser to see the error.
`},
	{"login with another state", func(w *world) {
		w.answers(emulator.Authorize, 302, "", "Location", appURL+"/auth/callback?error=login_required&state=other")
	}, `
FAIL  client         The tenant redirects to app.acme.example and not to the callback URL.

  client
    Copy the Client ID from Applications > your application > Settings > Basic Information into AUTH0_CLIENT_ID, and look whether the application belongs to this tenant.
    If the tenant has a page for errors there, open the login in a browser to see the error.
`},
	{"page in another language", func(w *world) { w.answers(emulator.Authorize, 403, "<h1>Nein.</h1>") }, `
FAIL  client         The tenant shows a page (status 403) and no redirect.

  client
    Copy the Client ID from Applications > your application > Settings > Basic Information into AUTH0_CLIENT_ID, and look whether the application belongs to this tenant.
    Add https://app.acme.example/auth/callback to Allowed Callback URLs (Applications > your application > Settings > Application URIs), or run:
      auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --callbacks https://app.acme.example/auth/callback
      (This flag replaces the whole list: name all URLs or grants that you want to keep.)
`},
	{"callback missing", func(w *world) {
		w.editClient(func(c *emulator.Client) { c.CallbackURLs = []string{"http://localhost:3000/auth/callback"} })
	}, `
FAIL  callback       Callback URL mismatch: the application does not have https://app.acme.example/auth/callback

  callback
    Add https://app.acme.example/auth/callback to Allowed Callback URLs (Applications > your application > Settings > Application URIs), or run:
      auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --callbacks https://app.acme.example/auth/callback
      (This flag replaces the whole list: name all URLs or grants that you want to keep.)
`},
	{"callback missing, own error page", func(w *world) {
		w.tenant.UseErrorPage("https://errors.acme.example/")
		w.editClient(func(c *emulator.Client) { c.CallbackURLs = []string{appURL + "/"} })
	}, `
FAIL  callback       Callback URL mismatch: the application does not have https://app.acme.example/auth/callback

  callback
    Add https://app.acme.example/auth/callback to Allowed Callback URLs (Applications > your application > Settings > Application URIs), or run:
      auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --callbacks https://app.acme.example/auth/callback
      (This flag replaces the whole list: name all URLs or grants that you want to keep.)
`},
	{"callback with another path", func(w *world) { w.options.CallbackPath = "/login/done" }, `
FAIL  callback       Callback URL mismatch: the application does not have https://app.acme.example/login/done

  callback
    Add https://app.acme.example/login/done to Allowed Callback URLs (Applications > your application > Settings > Application URIs), or run:
      auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --callbacks https://app.acme.example/login/done
      (This flag replaces the whole list: name all URLs or grants that you want to keep.)
`},
	{"API missing", set("AUTH0_AUDIENCE", "https://api.acme.example"), `
FAIL  audience       Service not found: no API has the identifier https://api.acme.example

  audience
    Create it (Applications > APIs), or run:
      auth0 apis create --name https://api.acme.example --identifier https://api.acme.example --enforce-policies --token-dialect access_token_authz
    If there is one, copy its Identifier. A slash at the end counts.
`},
	{"API identifier with spaces", set("AUTH0_AUDIENCE", "the API's name"), `
FAIL  audience       Service not found: no API has the identifier the API's name

  audience
    Create it (Applications > APIs), or run:
      auth0 apis create --name 'the API'\''s name' --identifier 'the API'\''s name' --enforce-policies --token-dialect access_token_authz
    If there is one, copy its Identifier. A slash at the end counts.
`},
	{"API not for the application", func(w *world) { w.editAPI(func(a *emulator.API) { a.PerAppAuthorization = true }) }, `
FAIL  audience       The application may not use the API https://api.acme.example/

  audience
    Authorize the application: Applications > APIs > the API > Application Access, user-delegated access.
`},
	{"organization required", func(w *world) { w.editClient(func(c *emulator.Client) { c.OrganizationUsage = "require" }) }, `
warn  login          The application needs an organization at each login.

  login
    Log in with an organization: auth0.WithOrganization in Config.LoginOptions, or a link with the parameter organization.
    Or let users choose: Applications > your application > Organizations.
`},
	{"pushed requests required", func(w *world) {
		w.tenant.AllowPushedRequests(true)
		w.editClient(func(c *emulator.Client) { c.RequirePushedRequests = true })
	}, `
warn  login          The application needs Pushed Authorization Requests.

  login
    Set Config.PushedAuthorizationRequests.
`},
	{"no connection", func(w *world) { w.editClient(func(c *emulator.Client) { c.Connections = nil }) }, `
FAIL  login          The application has no connection.

  login
    Enable one: Applications > your application > Connections.
`},
	{"login denied", func(w *world) { w.tenant.DenyNext("access_denied", "\x1b[31mGo away\x1b[0m") }, `
FAIL  login          The tenant refuses the login: access_denied: \u001b[31mGo away\u001b[0m

  login
    Look for the entry in Monitoring > Logs, which says more.
`},
	{"client secret wrong", set("AUTH0_CLIENT_SECRET", "kq7-Uw3_ZxT0b8mJ4nLr6vYcHs1eGfPdOaQi9KtBuXyWzRjMl5DgSoNpVhCeAI2G"), `
FAIL  client-secret  The tenant rejects AUTH0_CLIENT_SECRET (status 401 access_denied).

  client-secret
    Copy the Client Secret again, from Applications > your application > Settings > Basic Information.
    If the application uses Private Key JWT, set AUTH0_CLIENT_ASSERTION_SIGNING_KEY.
    If it uses Client Secret (Basic), set Config.ClientAuthentication to auth0.ClientSecretBasic, or change the method (Credentials).
`},
	{"private key instead of the secret", func(w *world) {
		w.editClient(func(c *emulator.Client) {
			c.AuthMethod = "private_key_jwt"
			c.Keys = []emulator.ClientKey{{Public: publicKey(), Algorithm: "RS256"}}
		})
	}, `
FAIL  client-secret  The tenant rejects AUTH0_CLIENT_SECRET (status 401 access_denied).

  client-secret
    Copy the Client Secret again, from Applications > your application > Settings > Basic Information.
    If the application uses Private Key JWT, set AUTH0_CLIENT_ASSERTION_SIGNING_KEY.
    If it uses Client Secret (Basic), set Config.ClientAuthentication to auth0.ClientSecretBasic, or change the method (Credentials).
`},
	{"key not registered", func(w *world) {
		w.env["AUTH0_CLIENT_SECRET"] = ""
		w.env["AUTH0_CLIENT_ASSERTION_SIGNING_KEY"] = privateKey()
	}, `
FAIL  client-secret  The tenant rejects AUTH0_CLIENT_ASSERTION_SIGNING_KEY (status 401 access_denied).

  client-secret
    Register the public key of AUTH0_CLIENT_ASSERTION_SIGNING_KEY: Applications > your application > Credentials, method Private Key JWT.
    The algorithm there must equal AUTH0_CLIENT_ASSERTION_SIGNING_ALG, which is RS256 by default.
`},
	{"key with an algorithm that Auth0 does not have", func(w *world) {
		w.env["AUTH0_CLIENT_SECRET"] = ""
		w.env["AUTH0_CLIENT_ASSERTION_SIGNING_KEY"] = privateKey()
		w.env["AUTH0_CLIENT_ASSERTION_SIGNING_ALG"] = "none"
	}, `
FAIL  variables      AUTH0_CLIENT_ASSERTION_SIGNING_ALG or the key: has the algorithm "none", which is not RS256, RS384, PS256 or ES256.

  variables
    Set AUTH0_CLIENT_ASSERTION_SIGNING_ALG to the algorithm of the credential in the dashboard.
`},
	{"DPoP required", func(w *world) { w.answers(emulator.Token, 400, `{"error":"use_dpop_nonce"}`) }, `
warn  client-secret  The application needs DPoP, so nothing is known about AUTH0_CLIENT_SECRET.

  client-secret
    Set Config.ProofKey to auth0.ProofKeyPerSession.
`},
	{"token endpoint limits requests", func(w *world) { w.tenant.Fail(emulator.Token, 429) }, `
warn  client-secret  The tenant limits requests (status 429 too_many_requests).

  client-secret
    Wait a minute and try again. If it stays so, look at the status page of Auth0.
`},
	{"token endpoint fails", func(w *world) { w.tenant.Fail(emulator.Token, 502) }, `
FAIL  client-secret  The token endpoint answered status 502.

  client-secret
    Wait a minute and try again. If it stays so, look at the status page of Auth0.
`},
	{"token endpoint does not answer", func(w *world) { w.errs["/oauth/token"] = errors.New("connection reset") }, `
FAIL  client-secret  The token endpoint does not answer: connection reset

  client-secret
    Check the egress rules for https://acme.auth0.example/oauth/token.
`},
	{"token endpoint answers something else", func(w *world) { w.answers(emulator.Token, 200, `{"access_token":"surprise surprise"}`) }, `
warn  client-secret  The token endpoint answered status 200, which says nothing about AUTH0_CLIENT_SECRET.

  client-secret
    Look for the entry in Monitoring > Logs.
`},
	{"code grant off", func(w *world) {
		w.editClient(func(c *emulator.Client) { c.GrantTypes = []string{"refresh_token", "client_credentials"} })
	}, `
FAIL  grant-types    Authorization Code is off.

  grant-types
    Turn on Authorization Code (Applications > your application > Settings > Advanced > Grant Types), or run:
      auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --grants code,refresh-token
      (This flag replaces the whole list: name all URLs or grants that you want to keep.)
`},
	{"refresh grant off", func(w *world) {
		w.editClient(func(c *emulator.Client) { c.GrantTypes = []string{"authorization_code", "client_credentials"} })
	}, `
warn  refresh        Refresh Token is off: sessions get no refresh token.

  refresh
    For the scope offline_access, turn on Refresh Token (Applications > your application > Settings > Advanced > Grant Types), or run:
      auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --grants code,refresh-token
      (This flag replaces the whole list: name all URLs or grants that you want to keep.)
    Also turn on Allow Offline Access on the API (Applications > APIs > the API > Settings).
`},
	{"logout URL missing", func(w *world) { w.editClient(func(c *emulator.Client) { c.LogoutURLs = []string{appURL + "/"} }) }, `
FAIL  logout-url     The application does not have the logout URL https://app.acme.example

  logout-url
    Add https://app.acme.example to Allowed Logout URLs (Applications > your application > Settings > Application URIs), or run:
      auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --logout-urls https://app.acme.example
      (This flag replaces the whole list: name all URLs or grants that you want to keep.)
`},
	{"logout fails", func(w *world) { w.tenant.Fail(emulator.Logout, 503) }, `
warn  logout-url     The logout endpoint answered status 503.

  logout-url
    Wait a minute and try again. If it stays so, look at the status page of Auth0.
`},
	{"logout does not answer", func(w *world) { w.errs["/v2/logout"] = errors.New("connection reset") }, `
FAIL  logout-url     The logout endpoint does not answer: connection reset
`},
	{"client credentials off", func(w *world) {
		w.editClient(func(c *emulator.Client) { c.GrantTypes = []string{"authorization_code", "refresh_token"} })
	}, `
warn  login-buttons  The Client Credentials grant is off, so the application cannot list its connections.

  login-buttons
    For login buttons, authorize this application for the Auth0 Management API with read:connections and read:clients (Applications > APIs > Auth0 Management API > Application Access), or set Config.Connections.
    Also turn on Client Credentials (Settings > Advanced > Grant Types).
`},
	{"no grant for the Management API", func(w *world) { w.editClient(func(c *emulator.Client) { c.Grants = nil }) }, `
warn  login-buttons  The application gets no token of the Management API (status 403 access_denied).

  login-buttons
    For login buttons, authorize this application for the Auth0 Management API with read:connections and read:clients (Applications > APIs > Auth0 Management API > Application Access), or set Config.Connections.
`},
	{"too few scopes of the Management API", func(w *world) {
		w.editClient(func(c *emulator.Client) { c.Grants[0].Scopes = []string{"read:clients"} })
	}, `
warn  login-buttons  The Management API answered status 403.

  login-buttons
    For login buttons, authorize this application for the Auth0 Management API with read:connections and read:clients (Applications > APIs > Auth0 Management API > Application Access), or set Config.Connections.
`},
	{"custom domain", func(w *world) {
		w.failAfterWith("/oauth/token", 2, 403, `{"error":"access_denied","error_description":"Service not found: https://login.acme.example/api/v2/"}`)
	}, `
warn  login-buttons  The application gets no token of the Management API (status 403 access_denied).

  login-buttons
    For login buttons, authorize this application for the Auth0 Management API with read:connections and read:clients (Applications > APIs > Auth0 Management API > Application Access), or set Config.Connections.
    If acme.auth0.example is a custom domain, also set AUTH0_TENANT_DOMAIN to the tenant's own host.
`},
	{"tenant domain of nobody", set("AUTH0_TENANT_DOMAIN", "own.auth0.example"), `
warn  login-buttons  The token endpoint of AUTH0_TENANT_DOMAIN does not answer: there is no host own.auth0.example

  login-buttons
    Set AUTH0_TENANT_DOMAIN to the tenant's own host, such as acme.eu.auth0.com.
`},
	{"tenant domain of another tenant", func(w *world) {
		w.addTenant("other.auth0.example", "another-application")
		w.env["AUTH0_TENANT_DOMAIN"] = "other.auth0.example"
	}, `
warn  login-buttons  The application gets no token of the Management API (status 401 access_denied).

  login-buttons
    AUTH0_TENANT_DOMAIN is not the tenant of this application. Set it to the host that the dashboard shows for the tenant of acme.auth0.example.
`},
	{"tenant domain of the tenant without a grant", func(w *world) {
		w.addTenant("own.auth0.example", clientID)
		must(w.t, w.tenants["own.auth0.example"].EditClient(clientID, func(c *emulator.Client) { c.Grants = nil }))
		w.env["AUTH0_TENANT_DOMAIN"] = "own.auth0.example"
	}, `
warn  login-buttons  The application gets no token of the Management API (status 403 access_denied).

  login-buttons
    For login buttons, authorize this application for the Auth0 Management API with read:connections and read:clients (Applications > APIs > Auth0 Management API > Application Access), or set Config.Connections.
`},
	{"tenant domain that is none", set("AUTH0_TENANT_DOMAIN", "acme"), `
FAIL  variables      AUTH0_TENANT_DOMAIN is not the domain of a tenant.

  variables
    Set AUTH0_TENANT_DOMAIN to the tenant's own host, such as acme.eu.auth0.com, or unset it.
`},
	{"tenant domain over http", set("AUTH0_TENANT_DOMAIN", "http://acme.auth0.example"), `
FAIL  variables      AUTH0_TENANT_DOMAIN is not the domain of a tenant.

  variables
    Set AUTH0_TENANT_DOMAIN to the tenant's own host, such as acme.eu.auth0.com, or unset it.
`},
	{"tenant domain of a sample", set("AUTH0_TENANT_DOMAIN", "YOUR_TENANT"), `
FAIL  variables      AUTH0_TENANT_DOMAIN is a placeholder.

  variables
    Set AUTH0_TENANT_DOMAIN to the value itself, as the dashboard shows it.
`},
	{"domain is a URL beside a tenant domain", set("AUTH0_DOMAIN", "https://acme.auth0.example", "AUTH0_TENANT_DOMAIN", "acme.auth0.example"), `
warn  domain         AUTH0_DOMAIN is a URL, so login uses discovery.

  domain
    For an Auth0 tenant set AUTH0_DOMAIN to acme.auth0.example.
`},
	{"Management API without connections", func(w *world) { w.answers(emulator.Management, 200, `{"connections":[]}`) }, `
warn  login-buttons  The application has no connection.

  login-buttons
    Enable one: Applications > your application > Connections.
`},
	{"application does not run", func(w *world) { w.options.AppURL = "https://other.acme.example" }, `
FAIL  application    https://other.acme.example/auth/login does not answer: there is no host other.acme.example

  application
    Start the application, and look whether it listens at other.acme.example.
`},
	{"application at no URL", func(w *world) { w.options.AppURL = "app.acme.example" }, `
FAIL  application    The URL of -app is not an absolute URL such as https://app.example.com.
`},
	{"another host of the application", func(w *world) {
		w.runApp(nil, func(c *auth0.Config) { c.BaseURLs = []string{"https://third.acme.example"} })
		w.hosts["www.acme.example"] = w.hosts["app.acme.example"]
		w.options.AppURL = "https://www.acme.example"
	}, `
FAIL  application    The application rejects the host www.acme.example (status 400).

  application
    The host of this URL is not in BaseURLs: add https://www.acme.example to Config.BaseURLs, or let the proxy pass on the host of the request.
`},
	{"proxy answers 502", func(w *world) { w.runApp(answersAlways(502)) }, `
FAIL  application    The proxy answered status 502.

  application
    The application does not run, or the proxy rejects response headers over 4 or 8 KiB: raise proxy_buffer_size.
`},
	{"login route not mounted", func(w *world) { w.runApp(answersAlways(404)) }, `
FAIL  application    https://app.acme.example/auth/login is not there (status 404).

  application
    Mount strategy.Handler() at "/auth/". For another path of the login, use -login.
`},
	{"application fails", func(w *world) { w.runApp(answersAlways(500)) }, `
FAIL  application    https://app.acme.example/auth/login answered status 500 and no redirect.

  application
    Look at the log of the application, or use -login for another path.
`},
	{"proxy redirects to https elsewhere", func(w *world) { w.runApp(answersAlways(301, "Location", "https://www.acme.example/auth/login")) }, `
FAIL  application    https://app.acme.example/auth/login redirects to www.acme.example and not to the tenant.

  application
    Use the URL at which browsers reach the application. If the application has another AUTH0_DOMAIN, check that one.
`},
	{"proxy redirects to a path", func(w *world) { w.runApp(answersAlways(302, "Location", "/maintenance")) }, `
FAIL  application    https://app.acme.example/auth/login redirects to /maintenance and not to the tenant.

  application
    Use the URL at which browsers reach the application. If the application has another AUTH0_DOMAIN, check that one.
`},
	{"application with another client ID", func(w *world) {
		w.runApp(nil, func(c *auth0.Config) { c.ClientID = "Qw3nT8xKfV5rYc1uJm7ZbE0sLhD6iGpA" })
	}, `
FAIL  application    The application has another client ID.

  application
    Set AUTH0_CLIENT_ID to the same value for the application and for the doctor.
`},
	{"application with another base URL", func(w *world) { w.runApp(nil, func(c *auth0.Config) { c.BaseURL = "https://old.acme.example" }) }, `
FAIL  application    https://app.acme.example/auth/login redirects to old.acme.example and not to the tenant.

  application
    Use the URL at which browsers reach the application. If the application has another AUTH0_DOMAIN, check that one.
`},
	{"application with another callback path", func(w *world) { w.runApp(nil, func(c *auth0.Config) { c.CallbackPath = "/auth/done" }) }, `
FAIL  application    The application has the callback URL https://app.acme.example/auth/done and not https://app.acme.example/auth/callback

  application
    Set APP_BASE_URL to the same value for both. For another path of the callback, use -callback.
`},
	{"proxy drops cookies", func(w *world) {
		w.runApp(rewrites(func(h http.Header) { h.Del("Set-Cookie"); h.Add("Set-Cookie", "lb=1"); h.Add("Set-Cookie", "=") }))
	}, `
FAIL  application    The login cookie is missing: the proxy dropped Set-Cookie.

  application
    Let the proxy pass on Set-Cookie, and do not cache /auth/. For a header over 8 KiB, raise proxy_buffer_size.
`},
	{"proxy changes the path of cookies", func(w *world) {
		w.runApp(rewrites(func(h http.Header) {
			h.Set("Set-Cookie", strings.Replace(h.Get("Set-Cookie"), "Path=/", "Path=/app", 1))
		}))
	}, `
FAIL  application    The proxy changed the login cookie, so browsers drop it.

  application
    Let the proxy leave Path, Domain and Secure of cookies as they are (nginx: proxy_cookie_path, proxy_cookie_flags).
`},
	{"proxy makes cookies insecure", func(w *world) {
		w.runApp(rewrites(func(h http.Header) { h.Set("Set-Cookie", strings.Replace(h.Get("Set-Cookie"), "; Secure", "", 1)) }))
	}, `
FAIL  application    The login cookie is not Secure.

  application
    Set APP_BASE_URL of the application to its https URL, or let the proxy leave the cookie as it is.
`},
	{"proxy renames cookies", func(w *world) {
		w.runApp(rewrites(func(h http.Header) { h.Set("Set-Cookie", strings.Replace(h.Get("Set-Cookie"), "__Host-", "", 1)) }))
	}, `
warn  application    The login cookie does not have the prefix __Host-.

  application
    Without it, a sibling host can set the cookie. Remove Config.CookieName, or the rule of the proxy that renames cookies.
`},
	{"proxy rejects large headers", func(w *world) {
		w.runApp(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if len(r.Header.Get("Cookie")) > 4096 {
					rw.WriteHeader(431)
					return
				}
				next.ServeHTTP(rw, r)
			})
		})
	}, `
warn  application    A request with cookies of 6 KiB does not reach the application.

  application
    Raise the limit of the proxy for request headers (nginx: large_client_header_buffers), or keep sessions in a Store.
`},
	{"token encrypted", func(w *world) { w.options.Token = "eyJ.a.b.c.d" }, `
FAIL  token          The token is encrypted.

  token
    Turn off token encryption: Applications > APIs > the API > Settings.
`},
	{"token opaque", func(w *world) { w.options.Token = "kM3opaqueTokenOfTheTenant" }, `
FAIL  token          The token is opaque: send audience at login.

  token
    Set AUTH0_AUDIENCE to the identifier of the API, log in again, and send the access token.
`},
	{"token damaged", func(w *world) { w.options.Token = "eyJhbGciOiJSUzI1NiJ9.!!.c2ln" }, `
FAIL  token          The token is opaque: send audience at login.

  token
    Set AUTH0_AUDIENCE to the identifier of the API, log in again, and send the access token.
`},
	{"ID token", withToken(claim("aud", clientID)), `
FAIL  token          The token is an ID token, which is not for an API.

  token
    Set AUTH0_AUDIENCE to the identifier of the API, log in again, and send the access token.
`},
	{"ID token with a nonce", withToken(claim("nonce", "n")), `
FAIL  token          The token is an ID token, which is not for an API.

  token
    Set AUTH0_AUDIENCE to the identifier of the API, log in again, and send the access token.
`},
	{"token of another issuer", withToken(claim("iss", "https://other.auth0.example/")), `
FAIL  token          The token is from https://other.auth0.example/ and not from https://acme.auth0.example/

  token
    Log in at the domain of the API, or add the issuer to APIConfig.Issuers.
`},
	{"token of another API", withToken(claim("aud", []string{"https://other.example/", "https://acme.auth0.example/userinfo"})), `
FAIL  token          The token is for https://other.example/, https://acme.auth0.example/userinfo and not for https://api.acme.example/

  token
    Set AUTH0_AUDIENCE to the identifier of the API, log in again, and send the access token.
`},
	{"token with HS256", withToken(func(header, _ map[string]any) { header["alg"] = "HS256" }), `
FAIL  token          The token is signed with HS256.

  token
    Set JSON Web Token (JWT) Signing Algorithm to RS256: Applications > APIs > the API > Settings.
`},
	{"token with another key", withToken(func(header, _ map[string]any) { header["kid"] = "old" }), `
FAIL  token          The JWKS does not have the signing key of the token.

  token
    Log in again. The tenant has revoked the key, or the token is from another tenant.
`},
	{"token expired", withToken(claim("exp", 1764417590+365*24*3600)), `
warn  token          The token expired 10s ago.

  token
    Log in again, and send the new access token.
`},
	{"token without permissions", withToken(claim("permissions", nil)), `
warn  token          The token has no permissions.

  token
    Turn on RBAC and Add Permissions in the Access Token (Applications > APIs > the API > Settings), or run:
      auth0 apis update https://api.acme.example/ --enforce-policies --token-dialect access_token_authz
`},
	{"token without permissions, no audience", func(w *world) { withToken(claim("permissions", nil))(w); w.env["AUTH0_AUDIENCE"] = "" }, `
warn  token          The token has no permissions.

  token
    Turn on RBAC and Add Permissions in the Access Token (Applications > APIs > the API > Settings), or run:
      auth0 apis update https://api.acme.example/ --enforce-policies --token-dialect access_token_authz
`},
	{"token with an empty list of permissions", withToken(claim("permissions", []string{})), `
warn  token          The list of permissions in the token is empty.

  token
    Assign a role with permissions of the API to the user: User Management > Users > the user > Roles.
`},
	{"no end-session endpoint", useOld, `
warn  end-session    The tenant has no end-session endpoint. Logout uses /v2/logout.

  end-session
    Turn on RP-Initiated Logout End Session Endpoint Discovery: Settings > Advanced > Login and Logout.
`},
}

// useOld turns the tenant into one from before November 2023.
func useOld(w *world) {
	w.tenant.EditDiscovery(func(doc map[string]any) { delete(doc, "end_session_endpoint") })
}

// privateKey is an application's key, in PEM form.
func privateKey() string { return string(pem.EncodeToMemory(keyBlocks()[3])) }

// publicKey is the public key of privateKey.
func publicKey() *rsa.PublicKey {
	key, err := x509.ParsePKCS1PrivateKey(keyBlocks()[3].Bytes)
	if err != nil {
		panic(err)
	}
	return &key.PublicKey
}

// TestMistakes makes each mistake, and compares the complaints about it. Each check with a
// network has at least one mistake.
func TestMistakes(t *testing.T) {
	t.Parallel()
	complained := map[string]bool{}
	for _, m := range mistakes {
		w := newWorld(t)
		m.make(w)
		r := w.examine()
		if got := complaints(t, r); got != strings.TrimSpace(m.want) {
			t.Errorf("%s:\n%s\n\nwant:\n%s", m.name, got, strings.TrimSpace(m.want))
		}
		if r.Requests > 15 || r.Requests != len(w.paths) {
			t.Errorf("%s: %d requests, of which %d were counted", m.name, len(w.paths), r.Requests)
		}
		if r.Failed+r.Warnings == 0 {
			t.Errorf("%s: no complaint", m.name)
		}
		lookForSecrets(t, m.name, r)
		for _, result := range r.Results {
			complained[result.Check] = complained[result.Check] || result.Status == Fail || result.Status == Warn
		}
	}
	for _, c := range Checks() {
		if !complained[c.Name] && c.Name != "features" {
			t.Errorf("no mistake is found by %s", c.Name)
		}
	}
}
