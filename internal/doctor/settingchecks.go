package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// newSecret is the command for a cookie secret.
const newSecret = "openssl rand -hex 32"

// whereClient is the place of the client ID, the client secret and the domain.
const whereClient = "Applications > your application > Settings > Basic Information"

// A setting is a variable with its value.
type setting struct{ name, value string }

// checkVariables looks at the form of each value. No value is printed, because some are
// secrets, also under a name that is not for a secret.
func (k known) checkVariables(context.Context) (known, Finding) {
	s := k.Settings
	var problems []string
	var advice []Advice
	for _, v := range []setting{{"AUTH0_DOMAIN", s.Domain}, {"AUTH0_CLIENT_ID", s.ClientID}, {"APP_BASE_URL", s.BaseURL}} {
		if v.value == "" {
			problems = append(problems, v.name+" is missing")
		}
	}
	if s.Domain == "" || s.ClientID == "" {
		advice = append(advice, do("Copy Domain and Client ID from "+whereClient+"."))
	}
	if s.BaseURL == "" {
		advice = append(advice, do("Set APP_BASE_URL to the URL of the application, such as http://localhost:3000."))
	}
	for _, v := range []setting{{s.DomainName, s.Domain}, {"AUTH0_CLIENT_ID", s.ClientID}, {"AUTH0_CLIENT_SECRET", s.ClientSecret},
		{s.BaseName, s.BaseURL}, {"AUTH0_AUDIENCE", s.Audience}, {"AUTH0_TENANT_DOMAIN", s.TenantDomain}} {
		if problem := badForm(v.value); problem != "" {
			problems = append(problems, v.name+" "+problem)
			advice = append(advice, do("Set "+v.name+" to the value itself, as the dashboard shows it."))
		}
	}
	if s.TenantDomain != "" && badForm(s.TenantDomain) == "" && tenantURL(s.TenantDomain) == "" {
		problems = append(problems, "AUTH0_TENANT_DOMAIN is not the domain of a tenant")
		advice = append(advice, do("Set AUTH0_TENANT_DOMAIN to the tenant's own host, such as acme.eu.auth0.com, or unset it."))
	}
	if k.mayBeSecret() {
		problems = append(problems, fmt.Sprintf("AUTH0_CLIENT_ID has %d characters, which is the length of a client secret", len(s.ClientID)))
		advice = append(advice, do("Copy the Client ID again, from "+whereClient+"."))
	}
	if problem, remedy := k.badCredentials(); problem != "" {
		problems = append(problems, problem)
		advice = append(advice, do(remedy))
	}
	if len(problems) > 0 {
		return k, fail(sentence(problems), advice...)
	}
	if len(k.Shadowed) > 0 {
		return k, warn(fmt.Sprintf("The environment and the file have different values of %s. The environment takes precedence.", strings.Join(k.Shadowed, ", ")),
			do("Unset "+strings.Join(k.Shadowed, ", ")+" in the environment, or change the file."))
	}
	if s.ClientSecret == "" && s.SigningKey == "" {
		return k, warn("AUTH0_CLIENT_SECRET is not set. Most applications need it.",
			do("Copy the Client Secret from "+whereClient+" into AUTH0_CLIENT_SECRET."))
	}
	return k, ok("All are set and well formed.")
}

// badForm returns the fault in the form of a value, as the end of a sentence.
func badForm(value string) string {
	switch {
	case isKeyOrToken(value):
		return "is a key or a token"
	case strings.HasSuffix(value, " "):
		return "ends in a space"
	case value != strings.TrimSpace(value):
		return "has a space or a line break at an end"
	case !syntax.CleanText(value):
		return "has control characters or is not UTF-8"
	case syntax.IsEnclosed(value):
		return "is in quotes or brackets"
	case isPlaceholder(value):
		return "is a placeholder"
	}
	return ""
}

// isKeyOrToken reports whether a value is a key in PEM form or a JWT, which is in no
// variable that the report prints.
func isKeyOrToken(value string) bool {
	return strings.Contains(value, "-----BEGIN") || strings.HasPrefix(strings.TrimSpace(value), "eyJ") && strings.Count(value, ".") >= 2
}

// isPlaceholder recognizes the placeholders of samples: YOUR_DOMAIN, your-client-id,
// yourDomain.
func isPlaceholder(value string) bool {
	lower := strings.ToLower(value)
	return strings.HasPrefix(lower, "your_") || strings.HasPrefix(lower, "your-") || strings.HasPrefix(value, "yourDomain") ||
		strings.HasPrefix(value, "yourClient") || lower == "changeme"
}

// mayBeSecret reports whether the client ID has the 64 characters of a client secret. The
// doctor does not print it then.
func (k known) mayBeSecret() bool {
	id := k.Settings.ClientID
	return id != "" && (id == k.Settings.ClientSecret || len(id) >= 60 && !strings.ContainsAny(id, ":/.") && !strings.HasPrefix(id, "tpc_"))
}

// hasSecretID reports whether the client ID must not be printed, because it is or contains
// a secret.
func (k known) hasSecretID() bool {
	id := k.Settings.ClientID
	return k.mayBeSecret() || isKeyOrToken(id) || strings.Contains(id, "://") && strings.Contains(id, "@")
}

// badCredentials returns a mistake in the credentials of the application and its remedy.
func (k known) badCredentials() (problem, remedy string) {
	s := k.Settings
	if s.ClientSecret != "" && s.SigningKey != "" {
		return "AUTH0_CLIENT_SECRET and AUTH0_CLIENT_ASSERTION_SIGNING_KEY are both set", "Unset one of them. Auth0 disables the secret of an application with Private Key JWT."
	}
	if k.isPublic(s.ClientSecret) && badForm(s.ClientSecret) == "" {
		return "AUTH0_CLIENT_SECRET equals a value in the documentation", "Copy the Client Secret from " + whereClient + "."
	}
	if s.SigningKey == "" {
		return "", ""
	}
	key, err := clientauth.ParseKeyPEM(s.SigningKey)
	if err != nil {
		return "AUTH0_CLIENT_ASSERTION_SIGNING_KEY " + err.Error(), "Set AUTH0_CLIENT_ASSERTION_SIGNING_KEY to the private key in PEM form."
	}
	if err := clientauth.WithKey(key, s.SigningAlgorithm, "").Check(true, nil); err != nil {
		return "AUTH0_CLIENT_ASSERTION_SIGNING_ALG or the key: " + err.Error(), "Set AUTH0_CLIENT_ASSERTION_SIGNING_ALG to the algorithm of the credential in the dashboard."
	}
	return "", ""
}

// sentence joins problems.
func sentence(problems []string) string { return strings.Join(problems, ". ") + "." }

func (k known) checkSecrets(context.Context) (known, Finding) {
	secrets := k.Settings.Secrets
	if len(secrets) == 0 {
		return k, fail("AUTH0_SECRET is missing.", Advice{Text: "Set AUTH0_SECRET to a random value, the same for all instances:", Command: newSecret})
	}
	var problems []string
	if _, err := seal.New(secrets); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			line, _, _ = strings.Cut(line, "; make one with")
			problems = append(problems, "AUTH0_SECRET: "+line)
		}
	}
	if slices.ContainsFunc(secrets, k.isPublic) {
		problems = append(problems, "AUTH0_SECRET equals a value in the documentation")
	}
	if secret := k.Settings.ClientSecret; secret != "" && slices.Contains(secrets, secret) {
		problems = append(problems, "AUTH0_SECRET equals AUTH0_CLIENT_SECRET")
	}
	if len(problems) > 0 {
		return k, fail(sentence(problems), Advice{Text: "Make a new value for AUTH0_SECRET:", Command: newSecret})
	}
	if len(secrets) == 1 {
		return k, ok("1 secret. Its age is unknown.")
	}
	return k, ok(fmt.Sprintf("%d secrets: the first one encrypts, all decrypt. Their age is unknown.", len(secrets)))
}

func (k known) callbackPath() string {
	for _, path := range []string{k.CallbackPath, k.Settings.CallbackPath} {
		if path != "" {
			return path
		}
	}
	return "/auth/callback"
}

func (k known) checkBaseURL(context.Context) (known, Finding) {
	name, raw := k.Settings.BaseName, k.Settings.BaseURL
	if raw == "" {
		return k, skip("Not checked, because of variables.")
	}
	base, err := browser.NewBase(strings.TrimSpace(raw), true)
	if err != nil {
		return k, fail(fmt.Sprintf("%s %v.", name, err), do("Set "+name+" to scheme and host of the application, such as https://app.example.com."))
	}
	if paths := []string{k.callbackPath(), "/auth/callback", "/callback"}; slices.ContainsFunc(paths, func(p string) bool { return strings.HasSuffix(base.Path, p) }) {
		return k, fail(name+" ends in "+base.Path+".", do("Remove the path from "+name+": the library adds "+k.callbackPath()+" to it."))
	}
	k.base, k.callback = base, base.URL(k.callbackPath())
	host, _ := url.Parse(base.Origin) // NewBase has parsed it
	loopback := discovery.Loopback(host.Hostname())
	if !base.IsSecure() && !loopback {
		return k, fail(name+" has http at a public host.", do("Cookies need https at a public host. Set "+name+" to the https URL that browsers use."))
	}
	if port := portOf(host); loopback && isPort(k.Port) && port != k.Port {
		return k, warn(fmt.Sprintf("%s has port %s, and PORT is %s.", name, port, k.Port), do("Set "+name+" to the port at which browsers reach the application."))
	}
	return k, ok(base.String())
}

// isPort reports whether a program can listen at the value of PORT. Another value is not
// printed. For 0, the program gets a free port, which is not known.
func isPort(value string) bool {
	n, err := strconv.ParseUint(value, 10, 16)
	return err == nil && n > 0
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// shownDomain returns the domain for a heading. A URL can have a password or a key.
func (k known) shownDomain() string {
	if strings.ContainsAny(k.Settings.Domain, "@?#") || isKeyOrToken(k.Settings.Domain) || k.mayBeSecretDomain() {
		return ""
	}
	return printable(k.hide(k.Settings.Domain))
}

// mayBeSecretDomain reports whether the domain has no dot and no colon, so that it is
// another value under the wrong name.
func (k known) mayBeSecretDomain() bool { return !strings.ContainsAny(k.Settings.Domain, ".:") }

func (k known) shownClientID() string {
	if k.hasSecretID() {
		return ""
	}
	return printable(k.hide(k.Settings.ClientID))
}

func (k known) checkDomain(context.Context) (known, Finding) {
	name, domain := k.Settings.DomainName, strings.TrimSpace(k.Settings.Domain)
	again := do("Copy the Domain from " + whereClient + ". It looks like acme.eu.auth0.com.")
	switch {
	case domain == "" || badForm(domain) != "":
		return k, skip("Not checked, because of variables.")
	case strings.Contains(domain, "@"):
		return k, fail(name+" has a user name or a password.", again)
	case strings.Contains(domain, "://"):
		return k.checkDomainURL(name, domain)
	case strings.ContainsAny(domain, "/?#"):
		return k, fail(name+" has a path.", again)
	}
	if err := syntax.CheckHostName(domain); err != nil {
		return k, fail(name+" is not a host name in lower case.", again)
	}
	k.issuer, k.auth0 = "https://"+domain, true
	return k, ok(domain)
}

// checkDomainURL accepts the URL of an issuer. For a tenant of Auth0, it costs the
// library a discovery request, and the list of connections.
func (k known) checkDomainURL(name, domain string) (known, Finding) {
	u, err := url.Parse(domain)
	if err == nil {
		_, err = discovery.Origin(domain)
	}
	if err != nil || strings.ContainsAny(domain, "?#") {
		return k, fail(name+" is not an https URL without query and fragment"+discovery.Because(err)+".",
			do("Copy the Domain from "+whereClient+". It looks like acme.eu.auth0.com."))
	}
	k.issuer = strings.TrimSuffix(domain, "/")
	if discovery.Loopback(u.Hostname()) {
		return k, ok(domain + ", on this machine")
	}
	lists := " and lists no connections"
	if tenantURL(k.Settings.TenantDomain) != "" {
		lists = ""
	}
	return k, warn(name+" is a URL, so login uses discovery"+lists+".", do("For an Auth0 tenant set "+name+" to "+u.Host+"."))
}

// tenantURL returns the URL of AUTH0_TENANT_DOMAIN without its final slash, or nothing for
// a value that is no domain. A value without a dot or a colon can be a secret under the
// wrong name.
func tenantURL(domain string) string {
	if badForm(domain) != "" {
		return ""
	}
	if !strings.Contains(domain, "://") && strings.Contains(domain, ".") && syntax.CheckHostName(strings.ToLower(domain)) == nil {
		return "https://" + strings.ToLower(domain)
	}
	if _, err := discovery.Origin(domain); err != nil || strings.ContainsAny(domain, "?#") {
		return ""
	}
	return strings.TrimSuffix(domain, "/")
}

// checkConfiguration repeats the errors of the library. It runs only if the earlier
// checks have found nothing, so that one mistake is reported once.
func (k known) checkConfiguration(context.Context) (known, Finding) {
	if k.Mistakes == nil {
		return k, ok("The library accepts the configuration.")
	}
	var advice []Advice
	for line := range strings.SplitSeq(k.Mistakes.Error(), "\n") {
		advice = append(advice, do(line))
	}
	return k, fail("The library rejects the configuration.", advice...)
}
