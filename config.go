package auth0

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/publicsecret"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// problems collects the mistakes in a configuration.
type problems struct {
	of   string // the type that is checked
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

// checkTexts finds values that were copied with something around them, as from a
// file that ends with a line feed: no tenant knows them. The fields are names and
// values in turn. No value is quoted, since some are secrets.
func checkTexts(p *problems, fields ...string) {
	for i := 0; i < len(fields); i += 2 {
		if value := fields[i+1]; value != strings.TrimSpace(value) || !syntax.CleanText(value) {
			p.add(fields[i], "has spaces around it, has control characters, or is not UTF-8")
		}
	}
}

// checkCredentials refuses credentials that anybody can read, unless the tenant
// can have no real users.
func checkCredentials(p *problems, c Config) {
	checkTexts(p, "ClientID", c.ClientID, "ClientSecret", c.ClientSecret, "Audience", c.Audience,
		"ClientAuthentication", c.ClientAuthentication.auth.Secret.Reveal(), "ManagementClientID", c.ManagementClientID, "ManagementClientSecret", c.ManagementClientSecret)
	if publicsecret.MayBeUsed(c.Domain) {
		return
	}
	refuse := func(field, secret string) {
		if publicsecret.Has(secret) {
			p.add(field, "has a value for tests or from documentation, which anybody can read, and %q is a real tenant", c.Domain)
		}
	}
	refuse("ClientSecret", c.ClientSecret)
	refuse("ClientAuthentication", c.ClientAuthentication.auth.Secret.Reveal())
	refuse("ManagementClientSecret", c.ManagementClientSecret)
	for _, secret := range c.Secrets {
		refuse("Secrets", secret)
	}
}

// newSite settles where the application is and what its own paths are.
func newSite(p *problems, c Config, log *slog.Logger) *site.Site {
	return site.New(site.Config{
		BaseURL: c.BaseURL, BaseURLs: c.BaseURLs, InsecureHTTP: c.InsecureHTTP, TrustedProxies: c.TrustedProxies,
		Routes:          site.Routes{Login: c.LoginPath, Callback: c.CallbackPath, Logout: c.LogoutPath, BackchannelLogout: c.BackchannelLogoutPath},
		DefaultReturnTo: c.DefaultReturnTo, ReturnToOrigins: c.ReturnToOrigins, Log: log,
	}, p.add)
}

// checkLogin settles what a login asks for and what is believed.
func (s *Strategy) checkLogin(p *problems, c Config) Config {
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "profile", "email"}
	}
	set, err := syntax.Scopes(c.Scopes)
	if err != nil {
		p.add("Scopes", "%v", err)
	} else if !slices.Contains(set, "openid") {
		p.add("Scopes", "must have openid")
	}
	c.Scopes = set
	if c.Audience != "" {
		c.LoginOptions = slices.Concat([]LoginOption{WithAudience(c.Audience)}, c.LoginOptions)
	}
	a, err := newLoginRequest(c.LoginOptions)
	if err != nil {
		p.add("LoginOptions", "%v", err)
	}
	s.organization = a.Organization()
	for _, name := range c.ForwardParams {
		if err := authrequest.CheckParam(name); err != nil {
			p.add("ForwardParams", "%v", err)
		}
	}
	c = s.checkResponse(p, c)
	s.idTokenKeys = s.checkHS256(p, c)
	c.Algorithms = checkAlgorithms(p, c.Algorithms, c.HS256 != "")
	c.Leeway = checkedLeeway(p, c.Leeway, time.Minute)
	return c
}

// checkResponse settles what the tenant answers, and how. An ID token must not
// come in a URL, which ends up in logs and histories (OAuth 2.0 Multiple Response
// Type Encoding Practices, Sections 3 and 5).
func (s *Strategy) checkResponse(p *problems, c Config) Config {
	setDefault(&c.ResponseType, "code")
	switch c.ResponseType {
	case "code":
		setDefault(&c.ResponseMode, "query")
	case "id_token", "code id_token":
		setDefault(&c.ResponseMode, "form_post")
		if c.ResponseMode == "query" {
			p.add("ResponseMode", `must be "form_post" for the response type %q`, c.ResponseType)
		}
	default:
		p.add("ResponseType", `is %q; it must be "code", "id_token" or "code id_token"`, c.ResponseType)
	}
	switch c.ResponseMode {
	case "", "query":
	case "form_post":
		for _, base := range s.site.All() {
			if _, err := discovery.Origin(base.Origin); err != nil {
				p.add("ResponseMode", "form_post needs https: over http to %s no browser would send the cookie of the login", base)
			}
		}
	default:
		p.add("ResponseMode", `is %q; it must be "query" or "form_post"`, c.ResponseMode)
	}
	return c
}

// checkHS256 returns the keys for ID tokens that have a MAC, or nil for those that
// have a signature. There is no configuration with both (RFC 8725, Section 3.1).
func (s *Strategy) checkHS256(p *problems, c Config) *KeySet {
	key := cmp.Or(c.ClientSecret, c.ClientAuthentication.auth.Secret.Reveal())
	switch c.HS256 {
	case "":
		return nil
	case "text":
	case "base64url":
		decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(key, "="))
		if err != nil {
			p.add("HS256", `is "base64url", and ClientSecret is not written in that way`)
			return nil
		}
		key = string(decoded)
	default:
		p.add("HS256", `is %q; it must be "text" or "base64url"`, c.HS256)
		return nil
	}
	keys, err := SharedSecret(key)
	if err != nil {
		p.add("HS256", "needs a ClientSecret of %d bytes or more", sha256.Size)
	}
	return keys
}

// checkAlgorithms returns those to accept, by default RS256. With a shared secret
// there is one, and without there is none that needs one: a public key must never
// be taken for a secret (RFC 8725, Section 3.1).
func checkAlgorithms(p *problems, algorithms []string, shared bool) []string {
	possible := keys.Asymmetric
	if shared {
		possible = []string{keys.Symmetric}
	}
	if algorithms == nil {
		if shared {
			return possible
		}
		return []string{"RS256"}
	}
	if len(algorithms) == 0 {
		p.add("Algorithms", "is empty; leave it out for RS256")
	}
	for _, alg := range algorithms {
		if !slices.Contains(possible, alg) {
			p.add("Algorithms", "%q is not one of %q, which these Keys can be used with", alg, possible)
		}
	}
	return slices.Clone(algorithms)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// newApplication settles which authentication counts: there is exactly one.
func newApplication(p *problems, c Config, s *Strategy) *provider.Client {
	a := &provider.Client{ID: c.ClientID, Auth: c.ClientAuthentication.auth, Tenant: &s.namespace, HTTP: s.client, Base: c.HTTPClient, Now: s.now}
	p.require("ClientID", c.ClientID)
	given := a.Auth.Method != ""
	switch {
	case c.ClientSecret != "" && given:
		p.add("ClientSecret", "and ClientAuthentication are both set; the application has one of them")
	case given:
		if err := a.Check(a.Auth); err != nil {
			p.add("ClientAuthentication", "%v", err)
		}
	case c.ClientSecret == "" && c.ResponseType == "id_token":
		a.Auth = PublicClient().auth // it asks for nothing
	case c.ClientSecret == "":
		p.add("ClientSecret", "is missing, and there is no ClientAuthentication; ConfigFromEnv takes them from AUTH0_CLIENT_SECRET or AUTH0_CLIENT_ASSERTION_SIGNING_KEY")
	default:
		a.Auth = ClientSecretPost(c.ClientSecret).auth
	}
	return a
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
