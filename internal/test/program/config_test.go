package program_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	type C = auth0.Config
	tests := []struct {
		why   string
		edit  func(*C)
		field string
	}{
		{"no domain", func(c *C) { c.Domain = "" }, "Domain"},
		{"domain with a path", func(c *C) { c.Domain = "acme.eu.auth0.com/x" }, "Domain"},
		{"domain with a slash", func(c *C) { c.Domain = "acme.eu.auth0.com/" }, "Domain"},
		{"domain with a port", func(c *C) { c.Domain = "acme.eu.auth0.com:443" }, "Domain"},
		{"domain with a user", func(c *C) { c.Domain = "u@acme.eu.auth0.com" }, "Domain"},
		{"domain with a space", func(c *C) { c.Domain = "acme.eu.auth0.com " }, "Domain"},
		{"domain with a query", func(c *C) { c.Domain = "acme.eu.auth0.com?x" }, "Domain"},
		{"domain of one word", func(c *C) { c.Domain = "localhost" }, "Domain"},
		{"domain that is an address", func(c *C) { c.Domain = "127.0.0.1" }, "Domain"},
		{"domain with an empty label", func(c *C) { c.Domain = "acme..auth0.com" }, "Domain"},
		{"domain with CR LF", func(c *C) { c.Domain = "acme.eu.auth0.com\r\nx: y" }, "Domain"},
		{"domain beyond ASCII", func(c *C) { c.Domain = "аcme.eu.auth0.com" }, "Domain"},
		{"provider by http", func(c *C) { c.Domain = "http://id.example/" }, "Domain"},
		{"provider with a query", func(c *C) { c.Domain = "https://id.example/?x" }, "Domain"},
		{"provider with a user", func(c *C) { c.Domain = "https://u:p@id.example/" }, "Domain"},
		{"provider by ftp", func(c *C) { c.Domain = "ftp://id.example/" }, "Domain"},
		{"no client id", func(c *C) { c.ClientID = "" }, "ClientID"},
		{"no client secret", func(c *C) { c.ClientSecret = "" }, "ClientSecret"},
		{"no base URL", func(c *C) { c.BaseURL = "" }, "BaseURL"},
		{"relative base URL", func(c *C) { c.BaseURL = "/app" }, "BaseURL"},
		{"base URL without a scheme", func(c *C) { c.BaseURL = "app.example" }, "BaseURL"},
		{"base URL with a query", func(c *C) { c.BaseURL = "https://app.example/?x=1" }, "BaseURL"},
		{"base URL with an empty query", func(c *C) { c.BaseURL = "https://app.example?" }, "BaseURL"},
		{"base URL with a fragment", func(c *C) { c.BaseURL = "https://app.example#x" }, "BaseURL"},
		{"base URL with a user", func(c *C) { c.BaseURL = "https://u@app.example" }, "BaseURL"},
		{"base URL by http", func(c *C) { c.BaseURL = "http://app.example" }, "BaseURL"},
		{"base URL by ftp", func(c *C) { c.BaseURL = "ftp://app.example"; c.InsecureHTTP = true }, "BaseURL"},
		{"base URL with a strange path", func(c *C) { c.BaseURL = "https://app.example/a%2fb" }, "BaseURL"},
		{"further base URL that is none", func(c *C) { c.BaseURLs = []string{"nope"} }, "BaseURLs"},
		{"empty further base URL", func(c *C) { c.BaseURLs = []string{""} }, "BaseURLs"},
		{"the same host twice", func(c *C) { c.BaseURLs = []string{"https://APP.example/x"} }, "BaseURLs"},
		{"another path", func(c *C) { c.BaseURLs = []string{"https://beta.example/b"} }, "BaseURLs"},
		{"mixed schemes", func(c *C) { c.BaseURLs = []string{"http://localhost:3000"} }, "BaseURLs"},
		{"no secrets", func(c *C) { c.Secrets = nil }, "Secrets"},
		{"short secret", func(c *C) { c.Secrets = []string{"0123456789abcdef"} }, "Secrets"},
		{"one character repeated", func(c *C) { c.Secrets = []string{strings.Repeat("x", 40)} }, "Secrets"},
		{"32 hexadecimal digits", func(c *C) { c.Secrets = []string{"0123456789abcdef0123456789abcdef"} }, "Secrets"},
		{"the same secret twice", func(c *C) { c.Secrets = []string{testkit.CookieSecret, testkit.CookieSecret} }, "Secrets"},
		{"word repeated", func(c *C) { c.Secrets = []string{"passwordpasswordpasswordpassword"} }, "Secrets"},
		{"few characters repeated", func(c *C) { c.Secrets = []string{strings.Repeat("xyz", 20)} }, "Secrets"},
		{"run of characters", func(c *C) { c.Secrets = []string{"abcdefghijklmnopqrstuvwxyz0123456789"} }, "Secrets"},
		{"run of keys", func(c *C) { c.Secrets = []string{"qwertyuiopasdfghjklzxcvbnm1234567890"} }, "Secrets"},
		{"secret of auth0test", func(c *C) {
			c.Secrets = []string{testkit.CookieSecret, "cookie-secret-for-tests-that-protects-nothing"}
		}, "Secrets"},
		{"secret of a sample", func(c *C) { c.Secrets = []string{"a long, randomly-generated string stored in env"} }, "Secrets"},
		{"instead of a secret how to make one", func(c *C) { c.Secrets = []string{"use [openssl rand -hex 32] to generate a 32 bytes value"} }, "Secrets"},
		{"client secret of auth0test", func(c *C) { c.ClientSecret = "a-secret-for-tests-that-protects-nothing-at-all" }, "ClientSecret"},
		{"placeholder as client secret", func(c *C) { c.ClientSecret = "{yourClientSecret}" }, "ClientSecret"},
		{"client secret of auth0test in another way", func(c *C) {
			c.ClientSecret, c.ClientAuthentication = "", auth0.ClientSecretBasic("a-secret-for-tests-that-protects-nothing-at-all")
		}, "ClientAuthentication"},
		{"client secret of auth0test for the Management API", func(c *C) {
			c.ManagementClientID, c.ManagementClientSecret = "x", "a-secret-for-tests-that-protects-nothing-at-all"
		}, "ManagementClientSecret"},
		{"client secret of auth0test at a provider", func(c *C) {
			c.Domain, c.ClientSecret = "https://login.acme.com/", "a-secret-for-tests-that-protects-nothing-at-all"
		}, "ClientSecret"},
		{"client id with a line feed", func(c *C) { c.ClientID += "\n" }, "ClientID"},
		{"client secret with a line feed", func(c *C) { c.ClientSecret += "\n" }, "ClientSecret"},
		{"client secret with a space in front", func(c *C) { c.ClientSecret = " " + c.ClientSecret }, "ClientSecret"},
		{"client secret with a line feed in another way", func(c *C) { c.ClientSecret, c.ClientAuthentication = "", auth0.ClientSecretPost("secret\n") }, "ClientAuthentication"},
		{"client id with a space behind", func(c *C) { c.ClientID = "x " }, "ClientID"},
		{"client id in quotes", func(c *C) { c.ClientID = `"abc"` }, "ClientID"},
		{"client id in single quotes", func(c *C) { c.ClientID = "'abc'" }, "ClientID"},
		{"client id with one quote", func(c *C) { c.ClientID = "abc'" }, "ClientID"},
		{"client id with a space inside", func(c *C) { c.ClientID = "Client ID" }, "ClientID"},
		{"placeholder as client id", func(c *C) { c.ClientID = "{yourClientId}" }, "ClientID"},
		{"another placeholder as client id", func(c *C) { c.ClientID = "<client id>" }, "ClientID"},
		{"client secret in quotes", func(c *C) { c.ClientSecret = "'" + c.ClientSecret + "'" }, "ClientSecret"},
		{"placeholder as audience", func(c *C) { c.Audience = "{yourApiIdentifier}" }, "Audience"},
		{"placeholder as domain", func(c *C) { c.Domain = "{yourDomain}" }, "Domain"},
		{"international domain", func(c *C) { c.Domain = "login.bücher.example" }, "Domain"},
		{"international provider", func(c *C) { c.Domain = "https://bücher.example/" }, "Domain"},
		{"international base URL", func(c *C) { c.BaseURL = "https://bücher.example" }, "BaseURL"},
		{"international cookie domain", func(c *C) { c.CookieDomain = "bücher.example" }, "CookieDomain"},
		{"international logout URL", func(c *C) { c.PostLogoutURLs = []string{"https://bücher.example/bye"} }, "PostLogoutURLs"},
		{"international return origin", func(c *C) { c.ReturnToOrigins = []string{"https://bücher.example"} }, "ReturnToOrigins"},
		{"international endpoint origin", func(c *C) { c.EndpointOrigins = []string{"https://bücher.example"} }, "EndpointOrigins"},
		{"international tenant domain", func(c *C) { c.TenantDomain = "bücher.example" }, "TenantDomain"},
		{"international configuration base URL", func(c *C) { c.ConfigurationBaseURL = "https://bücher.example" }, "ConfigurationBaseURL"},
		{"callback URL as base URL", func(c *C) { c.BaseURL = "https://app.example/auth/callback" }, "BaseURL"},
		{"login URL as further base URL", func(c *C) {
			c.BaseURL, c.BaseURLs = "https://app.example/auth/login", []string{"https://b.example/auth/login"}
		}, "BaseURLs"},
		{"audience with a space", func(c *C) { c.Audience = "https://api.example/ " }, "Audience"},
		{"management client id with a line feed", func(c *C) { c.ManagementClientID, c.ManagementClientSecret = "x\n", "y" }, "ManagementClientID"},
		{"management client secret with a line feed", func(c *C) { c.ManagementClientID, c.ManagementClientSecret = "x", "y\n" }, "ManagementClientSecret"},
		{"proxy that is no prefix", func(c *C) { c.TrustedProxies = []netip.Prefix{{}} }, "TrustedProxies"},
		{"proxies with too many bits", func(c *C) { c.TrustedProxies = []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), 33)} }, "TrustedProxies"},
		{"proxies around the mapped addresses", func(c *C) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("::ffff:0.0.0.0/95")} }, "TrustedProxies"},
		{"proxies that are multicast", func(c *C) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("ff02::/16")} }, "TrustedProxies"},
		{"proxies that are mapped multicast", func(c *C) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("::ffff:224.0.0.0/100")} }, "TrustedProxies"},
		{"proxy without an address", func(c *C) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")} }, "TrustedProxies"},
		{"empty organization", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithOrganization("")} }, "LoginOptions"},
		{"empty connection", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithConnection("")} }, "LoginOptions"},
		{"empty audience", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithAudience("")} }, "LoginOptions"},
		{"empty screen", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithScreenHint("")} }, "LoginOptions"},
		{"empty languages", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithUILocales("")} }, "LoginOptions"},
		{"empty prompt", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithPrompt("")} }, "LoginOptions"},
		{"empty invitation", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithInvitation("", "org_1")} }, "LoginOptions"},
		{"invitation without an organization", func(c *C) { c.LoginOptions = []auth0.LoginOption{auth0.WithInvitation("x", "")} }, "LoginOptions"},
		{"logout URL with a space", func(c *C) { c.PostLogoutURLs = []string{"https://app.example/a b"} }, "PostLogoutURLs"},
		{"logout URL with a space behind", func(c *C) { c.PostLogoutURLs = []string{"https://app.example/bye "} }, "PostLogoutURLs"},
		{"scopes without openid", func(c *C) { c.Scopes = []string{"profile"} }, "Scopes"},
		{"no scopes", func(c *C) { c.Scopes = []string{} }, "Scopes"},
		{"scope that is none", func(c *C) { c.Scopes = []string{"openid", `a"b`} }, "Scopes"},
		{"unknown response mode", func(c *C) { c.ResponseMode = "fragment" }, "ResponseMode"},
		{"forwarded core parameter", func(c *C) { c.ForwardParams = []string{"state"} }, "ForwardParams"},
		{"forwarded parameter with an option", func(c *C) { c.ForwardParams = []string{"max_age"} }, "ForwardParams"},
		{"relative login path", func(c *C) { c.LoginPath = "login" }, "LoginPath"},
		{"callback path with a pattern", func(c *C) { c.CallbackPath = "/{x}" }, "CallbackPath"},
		{"logout path with a query", func(c *C) { c.LogoutPath = "/out?x" }, "LogoutPath"},
		{"two routes on one path", func(c *C) { c.LoginPath = "/auth/logout" }, "LogoutPath"},
		{"default return path elsewhere", func(c *C) { c.DefaultReturnTo = "https://evil.example/" }, "DefaultReturnTo"},
		{"default return path that is a route", func(c *C) { c.DefaultReturnTo = "/auth/login" }, "DefaultReturnTo"},
		{"return origin with a path", func(c *C) { c.ReturnToOrigins = []string{"https://admin.example/"} }, "ReturnToOrigins"},
		{"return origin in capitals", func(c *C) { c.ReturnToOrigins = []string{"https://ADMIN.example"} }, "ReturnToOrigins"},
		{"logout URL that is relative", func(c *C) { c.PostLogoutURLs = []string{"/bye"} }, "PostLogoutURLs"},
		{"logout URL that is a script", func(c *C) { c.PostLogoutURLs = []string{"javascript:alert(1)"} }, "PostLogoutURLs"},
		{"unknown logout endpoint", func(c *C) { c.LogoutEndpoint = "v3" }, "LogoutEndpoint"},
		{"v2 at another provider", func(c *C) { c.LogoutEndpoint = "v2"; c.Domain = "https://id.example" }, "LogoutEndpoint"},
		{"negative idle timeout", func(c *C) { c.IdleTimeout = -time.Hour }, "IdleTimeout"},
		{"idle timeout of less than a second", func(c *C) { c.IdleTimeout = time.Millisecond }, "IdleTimeout"},
		{"negative absolute timeout", func(c *C) { c.AbsoluteTimeout = -2 }, "AbsoluteTimeout"},
		{"no limit at all", func(c *C) { c.IdleTimeout, c.AbsoluteTimeout = auth0.None, auth0.None }, "AbsoluteTimeout"},
		{"cookie name with a space", func(c *C) { c.CookieName = "a b" }, "CookieName"},
		{"relative cookie path", func(c *C) { c.CookiePath = "app" }, "CookieName"},
		{"cookie domain that is none", func(c *C) { c.CookieDomain = "a b" }, "CookieName"},
		{"SameSite=None by http", func(c *C) { c.CookieSameSite = http.SameSiteNoneMode; c.BaseURL = "http://localhost:3000" }, "CookieName"},
		{"SameSite=Strict", func(c *C) { c.CookieSameSite = http.SameSiteStrictMode }, "CookieSameSite"},
		{"connection without a name", func(c *C) { c.Connections = []auth0.Connection{{DisplayName: "x"}} }, "Connections"},
		{"connection twice", func(c *C) { c.Connections = []auth0.Connection{{Name: "x"}, {Name: "x"}} }, "Connections"},
		{"half of the management credentials", func(c *C) { c.ManagementClientID = "x" }, "ManagementClientID"},
		{"other half", func(c *C) { c.ManagementClientSecret = "x" }, "ManagementClientID"},
		{"tenant domain that is none", func(c *C) { c.TenantDomain = "a b" }, "TenantDomain"},
		{"configuration base URL that is none", func(c *C) { c.ConfigurationBaseURL = "cdn.eu.auth0.com" }, "ConfigurationBaseURL"},
		{"unknown algorithm", func(c *C) { c.Algorithms = []string{"RS256", "XX256"} }, "Algorithms"},
		{"symmetric algorithm", func(c *C) { c.Algorithms = []string{"HS256"} }, "Algorithms"},
		{"none", func(c *C) { c.Algorithms = []string{"none"} }, "Algorithms"},
		{"negative leeway", func(c *C) { c.Leeway = -time.Second }, "Leeway"},
		{"long leeway", func(c *C) { c.Leeway = 6 * time.Minute }, "Leeway"},
		{"endpoint origin with a path", func(c *C) { c.EndpointOrigins = []string{"https://x.example/y"} }, "EndpointOrigins"},
	}
	for _, tt := range tests {
		c := testkit.GoodConfig()
		tt.edit(&c)
		s, err := auth0.New(c)
		if err == nil || s != nil || !strings.Contains(err.Error(), "auth0: Config."+tt.field+" ") {
			t.Errorf("%s: %v, want an error that names Config.%s", tt.why, err, tt.field)
		}
		if err != nil && (strings.Contains(err.Error(), testkit.CookieSecret) || strings.Contains(err.Error(), "protects-nothing") || strings.Contains(err.Error(), "0123456789abcdef")) {
			t.Errorf("%s: the error quotes a secret", tt.why)
		}
	}
}

// TestMessages: an error names the mistake and the remedy.
func TestMessages(t *testing.T) {
	t.Parallel()
	type C = auth0.Config
	for why, tt := range map[string]struct {
		edit func(*C)
		want string
	}{
		"http in a network":           {func(c *C) { c.BaseURL = "http://192.168.1.5:3000" }, "use https, or set InsecureHTTP for development in a private network"},
		"callback URL as base URL":    {func(c *C) { c.BaseURL = "https://app.example/auth/callback" }, `the URL of the application, "https://app.example"`},
		"international base URL":      {func(c *C) { c.BaseURL = "https://bücher.example" }, "xn--bcher-kva.example"},
		"international domain":        {func(c *C) { c.Domain = "bücher.example" }, "xn--bcher-kva.example"},
		"international cookie domain": {func(c *C) { c.CookieDomain = "bücher.example" }, "xn--bcher-kva.example"},
		"international logout URL":    {func(c *C) { c.PostLogoutURLs = []string{"https://bücher.example/"} }, "xn--bcher-kva.example"},
		"international file URL":      {func(c *C) { c.ConfigurationBaseURL = "https://bücher.example/" }, "xn--bcher-kva.example"},
		"international tenant domain": {func(c *C) { c.TenantDomain = "bücher.example" }, "xn--bcher-kva.example"},
		"quotes":                      {func(c *C) { c.ClientID = `"abc"` }, "is in quotes or brackets; set the value itself"},
		"placeholder":                 {func(c *C) { c.ClientID = "{yourClientId}" }, "is in quotes or brackets; set the value itself"},
		"no client secret":            {func(c *C) { c.ClientSecret = "" }, "AUTH0_CLIENT_SECRET"},
		"short secret":                {func(c *C) { c.Secrets = []string{"x"} }, "openssl rand -hex 32"},
		"no secret":                   {func(c *C) { c.Secrets = nil }, "AUTH0_SECRET"},
	} {
		c := testkit.GoodConfig()
		tt.edit(&c)
		if _, err := auth0.New(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", why, err, tt.want)
		}
	}
}

// TestNewReportsEverything: New returns all mistakes at once, each as its own
// error.
func TestNewReportsEverything(t *testing.T) {
	t.Parallel()
	_, err := auth0.New(auth0.Config{Leeway: -5, ResponseMode: "x", Scopes: []string{"a"}})
	for _, field := range []string{"Domain", "ClientID", "ClientSecret", "BaseURL", "Secrets", "Leeway", "ResponseMode", "Scopes"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+field+" ") {
			t.Errorf("Config.%s is not in the error: %v", field, err)
		}
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) < 8 {
		t.Errorf("the error is a %T", err)
	}
	if !errors.Is(err, joined.Unwrap()[0]) {
		t.Error("errors.Is does not find a mistake")
	}
}

func TestNewAccepts(t *testing.T) {
	t.Parallel()
	for why, edit := range map[string]func(*auth0.Config){
		"nothing special":          func(*auth0.Config) {},
		"URL of a tenant":          func(c *auth0.Config) { c.Domain = "https://acme.eu.auth0.com/" },
		"base URL like a route":    func(c *auth0.Config) { c.BaseURL = "https://app.example/callback" },
		"secret with a brace":      func(c *auth0.Config) { c.ClientSecret = "{" + c.ClientSecret },
		"prompt of a provider":     func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithPrompt("create")} },
		"domain in capitals":       func(c *auth0.Config) { c.Domain = "Acme.EU.auth0.com" },
		"provider":                 func(c *auth0.Config) { c.Domain = "https://id.example/realms/a" },
		"provider on this machine": func(c *auth0.Config) { c.Domain = "http://127.0.0.1:4000/" },
		"localhost":                func(c *auth0.Config) { c.BaseURL = "http://localhost:3000" },
		"loopback address":         func(c *auth0.Config) { c.BaseURL = "http://[::1]:3000/" },
		"path":                     func(c *auth0.Config) { c.BaseURL = "https://app.example/a/b/" },
		"several": func(c *auth0.Config) {
			c.BaseURLs = []string{"https://b.example"}
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		},
		"two secrets": func(c *auth0.Config) {
			c.Secrets = []string{"c02e1f7d94ab5836e0d7412c9fb86a53118dfe27406bc9a5d3927e508fa1b46c", testkit.CookieSecret}
		},
		"public secrets at a tenant that is none": func(c *auth0.Config) {
			c.Domain, c.ClientSecret, c.Secrets = "acme.auth0.example", "a-secret-for-tests-that-protects-nothing-at-all", []string{"cookie-secret-for-tests-that-protects-nothing"}
		},
		"public secrets at a provider on this machine": func(c *auth0.Config) {
			c.Domain, c.ClientSecret, c.Secrets = "http://127.0.0.1:4000/", "a-secret-for-tests-that-protects-nothing-at-all", []string{"cookie-secret-for-tests-that-protects-nothing"}
		},
		"proxies of every kind": func(c *auth0.Config) {
			for _, text := range []string{"10.1.2.3/8", "fe80::/10", "::ffff:192.168.0.0/112", "::ffff:0.0.0.0/96", "0.0.0.0/0", "::/0", "::1/128"} {
				c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(text))
			}
		},
		"no leeway":     func(c *auth0.Config) { c.Leeway = auth0.None },
		"other scopes":  func(c *auth0.Config) { c.Scopes = []string{"openid offline_access", "openid"} },
		"more algs":     func(c *auth0.Config) { c.Algorithms = []string{"PS256", "ES256", "EdDSA"} },
		"long idle":     func(c *auth0.Config) { c.IdleTimeout = 30 * 24 * time.Hour },
		"SameSite=None": func(c *auth0.Config) { c.CookieSameSite = http.SameSiteNoneMode },
	} {
		c := testkit.GoodConfig()
		edit(&c)
		if _, err := auth0.New(c); err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// TestWarnings: a questionable setting that works is in the log, and only there.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for warning, edit := range map[string]func(*auth0.Config){
		"InsecureHTTP is set":                               func(c *auth0.Config) { c.InsecureHTTP = true; c.BaseURL = "http://192.0.2.1:3000" },
		"IdleTimeout is longer than Config.AbsoluteTimeout": func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Hour, time.Hour },
	} {
		var out bytes.Buffer
		c := testkit.GoodConfig()
		edit(&c)
		c.Logger = slog.New(slog.NewTextHandler(&out, nil))
		if _, err := auth0.New(c); err != nil || strings.Count(out.String(), warning) != 1 || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%v, log %q; want one line with %q", err, out.String(), warning)
		}
	}
	var out bytes.Buffer
	c := testkit.GoodConfig()
	c.Logger = slog.New(slog.NewTextHandler(&out, nil))
	if _, err := auth0.New(c); err != nil || out.Len() > 0 {
		t.Errorf("%v, log %q", err, out.String())
	}
}

func TestConfigFromEnv(t *testing.T) {
	all := []string{"AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_SECRET", "APP_BASE_URL", "AUTH0_AUDIENCE", "AUTH0_TENANT_DOMAIN", "AUTH0_ISSUER_BASE_URL", "AUTH0_BASE_URL", "AUTH0_CALLBACK_URL"}
	set := func(t *testing.T, pairs ...string) {
		for _, name := range all {
			t.Setenv(name, "")
		}
		for i := 0; i < len(pairs); i += 2 {
			t.Setenv(pairs[i], pairs[i+1])
		}
	}
	t.Run("complete", func(t *testing.T) {
		set(t, "AUTH0_DOMAIN", "acme.eu.auth0.com", "AUTH0_CLIENT_ID", "id", "AUTH0_CLIENT_SECRET", "cs", "AUTH0_SECRET", testkit.CookieSecret+", second-"+testkit.CookieSecret, "APP_BASE_URL", "https://app.example", "AUTH0_AUDIENCE", "https://api.example/")
		c, err := auth0.ConfigFromEnv()
		if err != nil || c.Domain != "acme.eu.auth0.com" || c.ClientID != "id" || c.ClientSecret != "cs" || c.BaseURL != "https://app.example" || c.Audience != "https://api.example/" || !reflect.DeepEqual(c.Secrets, []string{testkit.CookieSecret, "second-" + testkit.CookieSecret}) {
			t.Errorf("%v, %q, %v", c, c.Secrets, err)
		}
		if _, err := auth0.New(c); err != nil {
			t.Error(err)
		}
	})
	t.Run("tenant domain", func(t *testing.T) {
		complete := []string{"AUTH0_DOMAIN", "login.acme.example", "AUTH0_CLIENT_ID", "id", "AUTH0_CLIENT_SECRET", "cs", "AUTH0_SECRET", testkit.CookieSecret, "APP_BASE_URL", "https://app.example"}
		for value, accepted := range map[string]bool{"": true, "acme.eu.auth0.com": true, "https://acme.eu.auth0.com/": true, "http://127.0.0.1:4000": true,
			"a b": false, "http://acme.eu.auth0.com": false, "acme.eu.auth0.com/": false} {
			set(t, append(complete, "AUTH0_TENANT_DOMAIN", value)...)
			c, err := auth0.ConfigFromEnv()
			if err != nil || c.TenantDomain != value {
				t.Errorf("%q, %v; want %q", c.TenantDomain, err, value)
			}
			_, err = auth0.New(c)
			if accepted != (err == nil) || err != nil && !strings.Contains(err.Error(), "Config.TenantDomain (AUTH0_TENANT_DOMAIN)") {
				t.Errorf("%q: %v", value, err)
			}
		}
	})
	t.Run("older names", func(t *testing.T) {
		set(t, "AUTH0_ISSUER_BASE_URL", "https://acme.eu.auth0.com/", "AUTH0_CLIENT_ID", "id", "AUTH0_CLIENT_SECRET", "cs", "AUTH0_SECRET", testkit.CookieSecret, "AUTH0_BASE_URL", "http://localhost:3000")
		if c, err := auth0.ConfigFromEnv(); err != nil || c.Domain != "acme.eu.auth0.com" || c.BaseURL != "http://localhost:3000" {
			t.Errorf("%v, %v", c, err)
		}
	})
	t.Run("callback URL", func(t *testing.T) {
		set(t, "AUTH0_DOMAIN", "acme.eu.auth0.com", "AUTH0_CLIENT_ID", "id", "AUTH0_CLIENT_SECRET", "cs", "AUTH0_SECRET", testkit.CookieSecret, "AUTH0_CALLBACK_URL", "http://localhost:3000/callback")
		if c, err := auth0.ConfigFromEnv(); err != nil || c.BaseURL != "http://localhost:3000" || c.CallbackPath != "/callback" {
			t.Errorf("%v %q, %v", c, c.CallbackPath, err)
		}
	})
	t.Run("the command-line tool of Auth0", func(t *testing.T) {
		set(t, "AUTH0_DOMAIN", "acme.eu.auth0.com", "AUTH0_CLIENT_ID", "id", "AUTH0_CLIENT_SECRET", "cs", "AUTH0_CALLBACK_URL", "http://localhost:3000/callback")
		_, err := auth0.ConfigFromEnv()
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Fatalf("%v, want one mistake", err)
		}
		for _, want := range []string{"AUTH0_SECRET is not set", "openssl rand -hex 32", "AUTH0_SESSION_SECRET", "or SESSION_SECRET"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in: %v", want, err)
			}
		}
	})
	t.Run("domain with a scheme", func(t *testing.T) {
		set(t, "AUTH0_DOMAIN", "https://acme.eu.auth0.com", "AUTH0_CLIENT_ID", "id", "AUTH0_CLIENT_SECRET", "cs", "AUTH0_SECRET", testkit.CookieSecret, "APP_BASE_URL", "https://app.example")
		c, err := auth0.ConfigFromEnv()
		if err != nil {
			t.Fatal(err)
		}
		if s, err := auth0.New(c); err != nil || s.Application().Issuer() != "https://acme.eu.auth0.com/" {
			t.Errorf("%v", err)
		} else if ep, err := s.Application().Endpoint(t.Context()); err != nil || ep.AuthURL != "https://acme.eu.auth0.com/authorize" {
			t.Errorf("%+v, %v; it must not need a request", ep, err)
		}
	})
	t.Run("newer names count", func(t *testing.T) {
		set(t, "AUTH0_DOMAIN", "new.auth0.com", "AUTH0_ISSUER_BASE_URL", "https://old.auth0.com", "AUTH0_CLIENT_ID", "id", "AUTH0_CLIENT_SECRET", "cs", "AUTH0_SECRET", testkit.CookieSecret, "APP_BASE_URL", "https://new.example", "AUTH0_BASE_URL", "https://old.example", "AUTH0_CALLBACK_URL", "https://older.example/x")
		if c, err := auth0.ConfigFromEnv(); err != nil || c.Domain != "new.auth0.com" || c.BaseURL != "https://new.example" || c.CallbackPath != "" {
			t.Errorf("%v, %v", c, err)
		}
	})
	t.Run("no client secret", func(t *testing.T) {
		set(t, "AUTH0_DOMAIN", "acme.eu.auth0.com", "AUTH0_CLIENT_ID", "id", "AUTH0_SECRET", testkit.CookieSecret, "APP_BASE_URL", "https://app.example")
		c, err := auth0.ConfigFromEnv()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := auth0.New(c); err == nil || !strings.Contains(err.Error(), "AUTH0_CLIENT_SECRET") {
			t.Errorf("New does not name the variable: %v", err)
		}
		c.ResponseType = "id_token"
		if _, err := auth0.New(c); err != nil {
			t.Errorf("id_token: %v", err)
		}
		c.ResponseType, c.ClientAuthentication = "", auth0.PublicClient()
		if _, err := auth0.New(c); err != nil {
			t.Errorf("another authentication: %v", err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		set(t)
		_, err := auth0.ConfigFromEnv()
		for _, name := range all[:5] {
			if err == nil || !strings.Contains(err.Error(), "environment variable "+name+" is not set") {
				t.Errorf("%s is not in the error: %v", name, err)
			}
		}
		if err != nil && strings.Contains(err.Error(), "AUDIENCE") {
			t.Errorf("the audience is optional: %v", err)
		}
	})
}

// TestNewMakesNoRequest: a tenant that is down does not stop a deployment.
func TestNewMakesNoRequest(t *testing.T) {
	t.Parallel()
	calls := 0
	c := testkit.GoodConfig()
	c.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { calls++; return nil, errors.New("down") })}
	for _, domain := range []string{"acme.eu.auth0.com", "https://id.example"} {
		c.Domain = domain
		s, err := auth0.New(c)
		if err != nil {
			t.Fatal(err)
		}
		s.Handler()
		s.Register(http.NewServeMux())
		if _, err := auth0.NewAPI(auth0.APIConfig{Domain: domain, Audience: "x", HTTPClient: c.HTTPClient}); err != nil {
			t.Fatal(err)
		}
	}
	if calls != 0 {
		t.Errorf("%d requests", calls)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOutgoingRequests carry a User-Agent, and Auth0-Client only when asked for
// and only to the tenant.
func TestOutgoingRequests(t *testing.T) {
	t.Parallel()
	for _, telemetry := range []bool{false, true} {
		seen := map[string]http.Header{}
		var e *testkit.Env
		e = testkit.SignedIn(t, func(c *auth0.Config) {
			c.Telemetry = telemetry
			c.ConfigurationBaseURL = "https://cdn.example"
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				seen[r.URL.Host+r.URL.Path] = r.Header
				if r.URL.Host == "cdn.example" {
					return testkit.Hosts{"cdn.example": http.NotFoundHandler()}.RoundTrip(r)
				}
				return testkit.Hosts{testkit.TenantHost: e.Tenant}.RoundTrip(r)
			})}
		})
		e.Tenant.Fail("management", 403)
		e.Browser().MustLogin().Logout()
		e.Strategy.GetConnections(t.Context())
		for _, url := range []string{"/oauth/token", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/api/v2/clients/" + testkit.ClientID + "/connections"} {
			h := seen[testkit.TenantHost+url]
			if h == nil {
				t.Fatalf("no request to %s", url)
			}
			if !strings.HasPrefix(h.Get("User-Agent"), "auth0-go-rp/") || (h.Get("Auth0-Client") != "") != telemetry || h.Get("Cookie") != "" {
				t.Errorf("telemetry %v: %s has %v", telemetry, url, h)
			}
		}
		if h := seen["cdn.example/client/"+testkit.ClientID+".js"]; h == nil || h.Get("Auth0-Client") != "" {
			t.Errorf("telemetry %v: the request to another host has %v", telemetry, h)
		}
	}
}

// TestKeysOfAnotherDomain: New rejects them, because they would make one issuer's
// tokens valid for another.
func TestKeysOfAnotherDomain(t *testing.T) {
	t.Parallel()
	s, err := auth0.New(testkit.GoodConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth0.NewAPI(auth0.APIConfig{Domain: "other.auth0.com", Audience: "x", Keys: s.Application().KeySet()}); err == nil || !strings.Contains(err.Error(), "APIConfig.Keys ") {
		t.Errorf("keys of another domain: %v", err)
	}
	if _, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Audience: "x", Keys: &auth0.KeySet{}}); err == nil {
		t.Error("keys of nobody are taken")
	}
	if _, err := auth0.NewAPI(auth0.APIConfig{Domain: "ACME.eu.auth0.com", Audience: "x", Keys: s.Application().KeySet()}); err != nil {
		t.Errorf("own keys: %v", err)
	}
}

// TestConfigIsTheCallers: changes to the caller's slices after New have no effect.
func TestConfigIsTheCallers(t *testing.T) {
	t.Parallel()
	cfg := testkit.GoodConfig()
	cfg.Connections = []auth0.Connection{{Name: "github"}}
	cfg.BaseURLs, cfg.ReturnToOrigins, cfg.PostLogoutURLs = []string{"https://b.example"}, []string{"https://c.example"}, []string{"https://app.example/bye"}
	cfg.Scopes, cfg.ForwardParams = []string{"openid"}, []string{"ext-a"}
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	s, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	before := observe(t, s)
	cfg.Connections[0].Name, cfg.BaseURLs[0], cfg.ReturnToOrigins[0], cfg.PostLogoutURLs[0] = "x", "x", "https://evil.example", "https://evil.example/"
	cfg.Secrets[0], cfg.Scopes[0], cfg.ForwardParams[0], cfg.TrustedProxies[0] = "x", "x", "x", netip.Prefix{}
	if after := observe(t, s); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

// observe returns the behavior of a strategy that its configuration decides.
func observe(t *testing.T, s *auth0.Strategy) string {
	t.Helper()
	var out strings.Builder
	for _, c := range testkit.Must(s.GetConnections(t.Context())) {
		out.WriteString(c.Name + " ")
	}
	for _, target := range []string{"/auth/login?returnTo=https://evil.example/&ext-a=1&x=2", "/auth/logout?returnTo=https://evil.example/"} {
		r := httptest.NewRequest("GET", target, nil)
		r.Host = "b.example"
		r.Header.Set("Sec-Fetch-Site", "none")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		u := testkit.Must(url.Parse(w.Header().Get("Location")))
		q := u.Query()
		for _, random := range []string{"state", "nonce", "code_challenge"} {
			q.Del(random)
		}
		out.WriteString(u.Host + u.Path + "?" + q.Encode() + " ")
	}
	return out.String()
}
