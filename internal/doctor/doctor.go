// Package doctor checks a configuration against its tenant from outside: without
// credentials of the Management API, without a browser, and with at most [MaxRequests]
// requests. Each check is a function from the known facts to a finding.
//
// The package does not know where its settings come from, how a terminal shows a
// report, or how the library logs users in.
package doctor

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/environment"
	"github.com/seed-15d5a55c/auth0/internal/publicsecret"
)

// Options are the input of an examination.
type Options struct {
	Settings environment.Settings

	// Shadowed are variables that a file and the environment set to two values. The
	// environment takes precedence.
	Shadowed []string

	// Port is the value of PORT, at which many programs listen. Empty means unknown.
	Port string

	// Mistakes are those that the library finds in the configuration.
	Mistakes error

	// CallbackPath and LoginPath are paths of the application. Empty means
	// /auth/callback and /auth/login.
	CallbackPath, LoginPath string

	// AppURL is the URL of the running application. Empty means that it is not checked.
	AppURL string

	// Token is an access token for the check of an API. Empty means that there is none.
	Token string

	// Transport makes the requests. Nil means one with its own connections.
	Transport http.RoundTripper

	// Now is the clock of this machine. Nil means time.Now.
	Now func() time.Time
}

// A Check is one line of a report.
type Check struct {
	Name    string
	Purpose string // completes "checks that"
	// needs are the checks that must succeed before this one runs.
	needs []string
	run   func(known, context.Context) (known, Finding)
}

// Checks returns the checks in their order.
func Checks() []Check {
	return []Check{
		{"variables", "the variables are set and well formed", nil, known.checkVariables},
		{"secrets", "the cookie secrets are long, distinct and not publicly known", nil, known.checkSecrets},
		{"base-url", "the base URL has https, no callback path, and the port of the program", nil, known.checkBaseURL},
		{"domain", "the domain is a host name of a tenant", nil, known.checkDomain},
		{"configuration", "the library accepts the configuration", []string{"variables", "secrets", "base-url", "domain"}, known.checkConfiguration},
		{"issuer", "the tenant answers, and its issuer is the domain", []string{"domain"}, known.checkIssuer},
		{"jwks", "the JWKS endpoint has an RS256 signing key", []string{"issuer"}, known.checkJWKS},
		{"clock", "this machine and the tenant agree on the time", []string{"issuer"}, known.checkClock},
		{"client", "the tenant has an application with the client ID", []string{"issuer", "base-url"}, known.checkClient},
		{"callback", "the application has the callback URL", []string{"client"}, known.checkCallback},
		{"audience", "the tenant has the API, and the application can use it", []string{"callback"}, known.checkAudience},
		{"login", "the tenant would show its login page", []string{"callback"}, known.checkLogin},
		{"client-secret", "the tenant accepts the client secret or the key", []string{"client"}, known.checkClientSecret},
		{"grant-types", "the application has the Authorization Code grant", []string{"client"}, known.checkGrantTypes},
		{"refresh", "the application has the Refresh Token grant", []string{"client-secret"}, known.checkRefresh},
		{"logout-url", "the application has the base URL as logout URL", []string{"client"}, known.checkLogoutURL},
		{"end-session", "the tenant has an end-session endpoint", []string{"issuer"}, known.checkEndSession},
		{"login-buttons", "the application can list its connections", []string{"client-secret"}, known.checkLoginButtons},
		{"features", "the tenant has back-channel logout and other features", []string{"issuer"}, known.checkFeatures},
		{"application", "the running application begins a login, with its cookie", []string{"variables", "base-url", "domain"}, known.checkApplication},
		{"token", "an access token suits the API", []string{"domain"}, known.checkToken},
	}
}

// known has the results of the checks so far. Each check returns it with its own results.
type known struct {
	Options
	network *network

	base     browser.Base // of the application
	callback string       // URL
	issuer   string       // without its final slash
	auth0    bool         // the domain is a host name: endpoints have the paths of Auth0

	endpoints endpoints
	metadata  metadata
	keyIDs    []string

	login      loginAnswer
	tokenError tokenAnswer
}

// Examine makes the checks, one after the other.
func Examine(ctx context.Context, o Options) Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	k := known{Options: o, network: newNetwork(o.Transport, o.Now)}
	report := Report{Domain: k.shownDomain(), ClientID: k.shownClientID()}
	for _, c := range Checks() {
		var found Finding
		if missing := report.unmet(c.needs); missing != "" {
			found = skip("Not checked, because of " + missing + ".")
		} else {
			k, found = c.run(k, ctx)
		}
		report.Results = append(report.Results, k.clean(c.Name, found))
	}
	report.BaseURL = k.base.String()
	report.Requests = k.network.count()
	return report.sum()
}

// unmet returns the first of the needed checks without success, or nothing.
func (r Report) unmet(needs []string) string {
	for _, name := range needs {
		i := slices.IndexFunc(r.Results, func(done Result) bool { return done.Check == name })
		if i < 0 || r.Results[i].Status == Fail || r.Results[i].Status == Skip {
			return name
		}
	}
	return ""
}

// clean makes the texts of a finding safe to print. A tenant can send the secrets back
// that it got, and control characters.
func (k known) clean(name string, f Finding) Result {
	show := func(text string) string { return printable(k.hide(text)) }
	result := Result{Check: name, Status: f.Status, Message: show(f.Message), Advice: []Advice{}}
	for _, a := range f.Advice {
		result.Advice = append(result.Advice, Advice{show(a.Text), show(a.Command), a.ReplacesList})
	}
	return result
}

// minHidden is the length from which a secret is searched for in texts. Shorter ones
// are rejected, and would take parts of words with them.
const minHidden = 8

// hide replaces every secret in a text.
func (k known) hide(text string) string {
	secrets := append([]string{k.Settings.ClientSecret, k.Settings.SigningKey, k.Token, k.network.accessToken()}, k.Settings.Secrets...)
	if k.hasSecretID() {
		secrets = append(secrets, k.Settings.ClientID)
	}
	// One secret can be a part of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		if len(secret) >= minHidden {
			text = strings.NewReplacer(secret, "[secret]", url.QueryEscape(secret), "[secret]").Replace(text)
		}
	}
	return text
}

// isPublic reports whether a secret in use is publicly known.
func (k known) isPublic(secret string) bool {
	return publicsecret.Has(secret) && !publicsecret.MayBeUsed(k.Settings.Domain)
}
