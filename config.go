package auth0

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/directory"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/publicsecret"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// problems collects the errors in a configuration.
type problems struct {
	of   string // the checked type
	errs []error
}

func (p *problems) add(field, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("auth0: "+p.of+"."+field+" "+format, args...))
}

func (p *problems) require(field, value string) {
	if value == "" {
		p.add(field, "is missing")
	}
}

func (p *problems) joined() error { return errors.Join(p.errs...) }

// checkTexts finds values with surrounding characters, for example from a file that
// ends with a line feed: no tenant accepts them. The fields are names and values,
// alternating. No value is quoted, because some are secrets.
func checkTexts(p *problems, fields ...string) {
	for i := 0; i < len(fields); i += 2 {
		switch value := fields[i+1]; {
		case value != strings.TrimSpace(value) || !syntax.CleanText(value):
			p.add(fields[i], "has surrounding spaces or control characters, or is not UTF-8")
		case syntax.IsEnclosed(value):
			p.add(fields[i], "is in quotes or brackets; set the value itself, as the dashboard shows it")
		}
	}
}

// checkCredentials rejects publicly known credentials, unless the tenant can have no
// real users.
func checkCredentials(p *problems, c Config) {
	checkTexts(p, "ClientID", c.ClientID, "ClientSecret", c.ClientSecret, "Audience", c.Audience,
		"ClientAuthentication", c.ClientAuthentication.method.Secret.Reveal(), "ManagementClientID", c.ManagementClientID, "ManagementClientSecret", c.ManagementClientSecret)
	if strings.ContainsAny(c.ClientID, " \t'\"{}<>") && !syntax.IsEnclosed(c.ClientID) {
		p.add("ClientID", "has a space, a quote or a bracket; set the Client ID itself, as the dashboard shows it")
	}
	if publicsecret.MayBeUsed(c.Domain) {
		return
	}
	refuse := func(field, secret string) {
		if publicsecret.Has(secret) {
			p.add(field, "has a publicly known value from tests or documentation, and %q is a real tenant", c.Domain)
		}
	}
	refuse("ClientSecret", c.ClientSecret)
	refuse("ClientAuthentication", c.ClientAuthentication.method.Secret.Reveal())
	refuse("ManagementClientSecret", c.ManagementClientSecret)
	for _, secret := range c.Secrets {
		refuse("Secrets", secret)
	}
}

// newSite returns the base URLs and the routes of the application.
func newSite(p *problems, c Config, log *slog.Logger) *site.Site {
	return site.New(site.Config{
		BaseURL: c.BaseURL, BaseURLs: c.BaseURLs, InsecureHTTP: c.InsecureHTTP, TrustedProxies: c.TrustedProxies,
		Routes:          site.Routes{Login: c.LoginPath, Callback: c.CallbackPath, Logout: c.LogoutPath, BackchannelLogout: c.BackchannelLogoutPath},
		DefaultReturnTo: c.DefaultReturnTo, ReturnToOrigins: c.ReturnToOrigins, Log: log,
	}, p.add)
}

// checkResponse returns the content and the form of the tenant's responses to logins.
func checkResponse(p *problems, c Config, where *site.Site) login.Response {
	return login.Response{Type: string(c.ResponseType), Mode: string(c.ResponseMode)}.Checked(p.add, where.URLs())
}

// organizationHook returns Config.CheckOrganization with its errors as refusals.
func organizationHook(check func(context.Context, string) error) func(context.Context, string) error {
	if check == nil {
		return nil
	}
	return func(ctx context.Context, orgID string) error {
		if err := check(ctx, orgID); err != nil {
			return hookError(err, refusal.AfterLogin, outageError)
		}
		return nil
	}
}

// newLinks returns the parameters that the login route accepts from links.
func newLinks(p *problems, c Config, every []authrequest.Option, connections *directory.List, log *slog.Logger) authrequest.Links {
	for _, name := range c.ForwardParams {
		if err := authrequest.CheckParam(name); err != nil {
			p.add("ForwardParams", "%v", err)
		}
	}
	r, _ := authrequest.New(every...) // its errors were reported before
	return authrequest.Links{
		Organizations: c.AcceptOrganizationLinks, Organization: r.Organization(), Params: c.ForwardParams, Known: connections.CouldBe,
		Ignored: func(name string, why error) {
			log.Debug("auth0: login: parameter ignored", "name", name, "err", why)
		},
	}
}

// newCookies returns the names and the attributes of the cookies.
func newCookies(p *problems, c Config, where *site.Site, response login.Response) *cookie.Names {
	secure, formPost := where.IsSecure(), response.Mode == string(ResponseModeFormPost)
	names := cookie.NewNames(cookie.Cookie{
		Name: cmp.Or(c.CookieName, cookie.SessionName(where.Path())), Path: cmp.Or(c.CookiePath, "/"), Domain: c.CookieDomain, Secure: secure,
		SameSite: cmp.Or(c.CookieSameSite, http.SameSiteLaxMode), SessionOnly: c.CookieSessionOnly,
	}, formPost)
	if err := discovery.CheckASCII(c.CookieDomain); err != nil {
		p.add("CookieDomain", "%q %v", c.CookieDomain, err)
	} else if err := names.Session.Check(); err != nil {
		p.add("CookieName", "and the other fields of the session cookie: %v", err)
	}
	if c.CookieSameSite == http.SameSiteStrictMode {
		p.add("CookieSameSite", "Strict is not possible: the redirect at the end of a login comes from another site, so the next page would have no session")
	}
	if c.InsecureHTTP && !secure {
		where.Log().Warn("auth0: Config.InsecureHTTP is set: anyone on the network path can read cookies and codes")
	}
	return names
}

// newKeyring returns the keys that seal values of this application. Another
// application can have the same secret, and cookies of the same name. A subject of
// one tenant can be another user at another tenant. So a sealed value is bound to the
// tenant, the client id and the session cookie.
func newKeyring(p *problems, c Config, issuer string, cookies *cookie.Names) seal.Keyring {
	keyring, err := seal.New(c.Secrets)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			p.add("Secrets", "%s", line)
		}
	}
	issuer = strings.TrimSuffix(issuer, "/")
	if cookies == nil {
		return keyring.Bind(issuer, c.ClientID, "no cookies")
	}
	return keyring.Bind(issuer, c.ClientID, cookies.Session.Name, cookies.Session.Domain, cookies.Session.Path)
}

// newSessions returns the session manager, with its store and its limits.
func newSessions(p *problems, c Config, cookies *cookie.Names, keyring seal.Keyring, now func() time.Time, log *slog.Logger) *session.Manager {
	if c.Store == nil && !c.CookieSessionsUntil.IsZero() {
		p.add("CookieSessionsUntil", "is set without Store, so sessions stay in cookies")
	}
	config := session.Config{
		Cookies: cookies, Keyring: keyring, Client: c.ClientID, CountsAsUse: c.CountsAsUse, Now: now, Log: log,
		Store: c.Store, Revocations: c.Revocations, CookiesUntil: c.CookieSessionsUntil,
		Idle:     checkedLimit(p, "IdleTimeout", c.IdleTimeout, 24*time.Hour),
		Absolute: checkedLimit(p, "AbsoluteTimeout", c.AbsoluteTimeout, 7*24*time.Hour),
	}
	if config.Idle == 0 && config.Absolute == 0 {
		p.add("AbsoluteTimeout", "and IdleTimeout cannot both be None: a session must end")
	}
	if i, a := config.Idle, config.Absolute; a > 0 && i > a && c.IdleTimeout != 0 {
		log.Warn("auth0: Config.IdleTimeout is longer than Config.AbsoluteTimeout and has no effect")
	}
	return session.New(config)
}

func checkedLimit(p *problems, field string, d, byDefault time.Duration) time.Duration {
	switch {
	case d == None:
		return 0
	case d == 0:
		return byDefault
	case d < time.Second:
		p.add(field, "%v must be at least a second, 0 for the default, or None", d)
	}
	return d
}

// checkKeys returns the keys for ID tokens: the given keys, else the tenant's.
func checkKeys(p *problems, given, tenants *KeySet) *KeySet {
	switch {
	case given == nil:
		return tenants
	case given.set == nil:
		p.add("Keys", "cannot be used: %v", errZeroKeySet)
		return tenants
	case !given.isOf(tenants.issuer.Issuer):
		p.add("Keys", "belong to another issuer than the Domain")
	}
	return given
}

func checkAlgorithms(p *problems, algorithms []string, shared bool) []string {
	accepted, err := keys.Accepted(algorithms, shared)
	if err != nil {
		p.add("Algorithms", "%v", err)
	}
	return accepted
}

func checkedLeeway(p *problems, leeway, byDefault time.Duration) time.Duration {
	const limit = 5 * time.Minute
	switch {
	case leeway == None:
		return 0
	case leeway == 0:
		return byDefault
	case leeway < 0 || leeway > limit:
		p.add("Leeway", "%v must be between 0 and %v", leeway, limit)
	}
	return leeway
}

// newLogouts returns the endpoint and the return URLs of logouts.
func newLogouts(p *problems, c Config, client *provider.Client, where *site.Site, log *slog.Logger) *logout.Policy {
	policy := &logout.Policy{
		Endpoint: logout.Endpoint(c.LogoutEndpoint), ClientID: c.ClientID, ReturnURLs: c.PostLogoutURLs, Paths: where.Paths, Log: log,
		EndSession: func(ctx context.Context) (string, error) {
			m, err := client.Tenant.Discovered.Get(ctx)
			return m.EndSessionEndpoint, err
		},
	}
	if client.Tenant.Static != nil {
		policy.Auth0 = client.Tenant.Static.Issuer
	}
	for _, m := range policy.Check() {
		p.add(m.Field, "%s", m.Text)
	}
	if _, err := newLogoutRequest(c.LogoutOptions); err != nil {
		p.add("LogoutOptions", "%v", err)
	}
	return policy
}

// newConnectionList returns the list of connections, and checks its configuration.
func newConnectionList(p *problems, c Config, client *provider.Client, log *slog.Logger) *directory.List {
	api := directory.Management{
		TenantDomain: c.TenantDomain, ClientID: c.ManagementClientID, ClientSecret: c.ManagementClientSecret, EndpointOrigins: c.EndpointOrigins, Log: log,
	}
	d := directory.Config{
		ClientID: c.ClientID, Get: api.Getter(p.add, client), FileBase: c.ConfigurationBaseURL, Client: client.HTTP, Failed: directory.LogFailures(log),
	}
	if c.Connections != nil {
		d.Given = []directory.Entry{}
	}
	for _, given := range c.Connections {
		d.Given = append(d.Given, directory.Entry(given))
	}
	return directory.New(p.add, d)
}
