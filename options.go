package auth0

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A LoginOption sets a parameter of the authorization request, or something
// that the callback needs to know of it. Of two options for the same parameter
// the later one counts. An option with an unusable value is an error of
// whatever it is given to. So is an option that names something and is empty.
type LoginOption interface{ applyLogin(*authRequest) }

type loginOption func(*authRequest)

func (o loginOption) applyLogin(a *authRequest) { o(a) }

// An authRequest is what a login asks the tenant for.
type authRequest struct {
	params       url.Values // beside those that the strategy sets itself
	scopes       []string
	returnTo     string
	appState     json.RawMessage
	maxAge       *int // seconds
	requiredACR  []string
	organization string
	invitation   bool
	silent       bool
	popup        *login.Popup

	// Of the implicit grant; empty for what the configuration says.
	responseType, callbackPath string

	errs []error
}

// newAuthRequest applies layers of options, later ones over earlier ones.
func newAuthRequest(layers ...[]LoginOption) (*authRequest, error) {
	a := &authRequest{params: url.Values{}}
	for _, o := range slices.Concat(layers...) {
		if o == nil {
			a.fail("a login option is nil")
			continue
		}
		o.applyLogin(a)
	}
	if a.invitation && a.organization == "" {
		a.fail("an invitation needs its organization")
	}
	if a.invitation && !a.params.Has("prompt") {
		a.params.Set("prompt", "login")
	}
	return a, errors.Join(a.errs...)
}

func (a *authRequest) fail(format string, args ...any) {
	a.errs = append(a.errs, fmt.Errorf(format, args...))
}

// ownParams are never set or changed from outside: state, nonce and the code
// challenge bind the answer to this login, the others say who asks and where
// the answer goes.
var ownParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge", "code_challenge_method",
	"request", "request_uri", "dpop_jkt", "client_secret", "client_assertion", "client_assertion_type",
}

// optionOf names the option for the parameters that have one.
var optionOf = map[string]string{
	"scope":        "WithScopes",
	"audience":     "WithAudience",
	"connection":   "WithConnection",
	"organization": "WithOrganization",
	"invitation":   "WithInvitation",
	"login_hint":   "WithLoginHint",
	"prompt":       "WithPrompt",
	"screen_hint":  "WithScreenHint",
	"ui_locales":   "WithUILocales",
	"max_age":      "WithMaxAge",
	"acr_values":   "WithACRValues or WithRequiredACR",
}

// WithConnection skips the tenant's choice of connections: the person goes
// straight to the identity provider, or the login form, of the named one.
func WithConnection(name string) LoginOption {
	return loginOption(func(a *authRequest) { a.named("connection", name, 128) })
}

// WithOrganization logs in to an organization, by its id (org_...) or, if the
// tenant allows that, by its name. The callback refuses an ID token for any
// other.
//
// Without it, the tenant may let people pick one, which the application's
// settings there say ("Prompt for Organization" or "Prompt for Credentials").
// That picker knows who belongs where; an application cannot list that for
// somebody who is not logged in. [User].OrgID is what was picked, and
// [Config].CheckOrganization has a say in it.
func WithOrganization(idOrName string) LoginOption {
	return loginOption(func(a *authRequest) {
		a.named("organization", idOrName, 128)
		a.organization = idOrName
	})
}

// WithInvitation accepts the invitation with the given ticket to the
// organization with the given id, as the links in invitation e-mails ask. The
// login then returns to the default page.
//
// It asks for credentials, unless WithPrompt asks for something else: an
// invitation that meets the tenant's session of another account is used up, and
// nobody has joined.
func WithInvitation(ticket, orgID string) LoginOption {
	return loginOption(func(a *authRequest) {
		WithOrganization(orgID).applyLogin(a)
		a.named("invitation", ticket, 512)
		a.invitation = true
	})
}

// WithLoginHint fills in an e-mail address, or what else the person logs in
// with. It has at most 320 bytes.
func WithLoginHint(hint string) LoginOption {
	return loginOption(func(a *authRequest) { a.text("login_hint", hint, 320) })
}

// WithPrompt says what the tenant must show: "login" asks for credentials even
// if the person is logged in there, "consent" and "select_account" for those,
// and "none" for nothing, in which case the login may fail with the code
// login_required, consent_required or interaction_required. Several are
// separated by spaces. See OpenID Connect Core 1.0, Section 3.1.2.1.
func WithPrompt(prompt string) LoginOption {
	return loginOption(func(a *authRequest) {
		for value := range strings.SplitSeq(prompt, " ") {
			if !slices.Contains([]string{"none", "login", "consent", "select_account"}, value) {
				a.fail("prompt has the unknown value %q", value)
			}
		}
		a.params.Set("prompt", prompt)
	})
}

// WithScreenHint begins with the named screen: "signup" or "login". With
// somebody logged in at the tenant it needs WithPrompt("login") too.
func WithScreenHint(screen string) LoginOption {
	return loginOption(func(a *authRequest) { a.named("screen_hint", screen, 32) })
}

// WithUILocales asks for languages, as BCP 47 tags separated by spaces.
func WithUILocales(locales string) LoginOption {
	return loginOption(func(a *authRequest) {
		if strings.Trim(locales, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _-") != "" {
			a.fail("ui_locales %q is not a list of language tags", locales)
		}
		a.named("ui_locales", locales, 64)
	})
}

// WithMaxAge asks for an authentication that is no older, in whole seconds; 0
// asks for a new one. The callback refuses an ID token whose auth_time is
// missing or too old.
func WithMaxAge(age time.Duration) LoginOption {
	return loginOption(func(a *authRequest) {
		if age < 0 {
			a.fail("max_age %v is negative", age)
			return
		}
		seconds := int(age / time.Second)
		a.maxAge = &seconds
		a.params.Set("max_age", strconv.Itoa(seconds))
	})
}

// WithACRValues prefers authentication context classes. The tenant may answer
// with another one; to insist see [WithRequiredACR].
func WithACRValues(values ...string) LoginOption {
	values = slices.Clone(values)
	return loginOption(func(a *authRequest) {
		a.requiredACR = nil
		a.text("acr_values", strings.Join(values, " "), 512)
	})
}

// WithRequiredACR asks for authentication context classes, and the callback
// refuses an ID token that has none of them as its acr.
func WithRequiredACR(values ...string) LoginOption {
	values = slices.Clone(values)
	return loginOption(func(a *authRequest) {
		if len(values) == 0 || slices.Contains(values, "") {
			a.fail("a required acr is empty")
		}
		a.requiredACR = values
		a.text("acr_values", strings.Join(values, " "), 512)
	})
}

// WithScopes replaces [Config].Scopes. The scope openid is always asked for.
func WithScopes(scopes ...string) LoginOption {
	scopes = slices.Clone(scopes)
	return loginOption(func(a *authRequest) {
		set, err := syntax.Scopes(scopes)
		if err != nil {
			a.fail("%v", err)
		}
		if !slices.Contains(set, "openid") {
			set = append([]string{"openid"}, set...)
		}
		a.scopes = set
	})
}

// WithAudience replaces [Config].Audience: the API that the access token is for.
func WithAudience(identifier string) LoginOption {
	return loginOption(func(a *authRequest) { a.named("audience", identifier, 600) })
}

// WithReturnTo says where the browser goes after the login: a path as the browser
// sees it, with that of [Config].BaseURL, or a URL on one of
// [Config].ReturnToOrigins. Anything else, as in a value that was made by somebody
// else, leads to the default.
func WithReturnTo(target string) LoginOption {
	return loginOption(func(a *authRequest) { a.returnTo = target })
}

// WithAppState keeps a value of the application until the callback, which hands
// it to [Config].AfterLogin. It is encoded as JSON, in at most 1,024 bytes, and
// is encrypted on the way; the tenant does not see it.
func WithAppState(state any) LoginOption {
	return loginOption(func(a *authRequest) {
		const limit = 1024
		encoded, err := json.Marshal(state)
		if err != nil {
			a.fail("the state of the application cannot be encoded: %v", err)
		} else if len(encoded) > limit {
			a.fail("the state of the application has %d bytes, the limit is %d", len(encoded), limit)
		}
		a.appState = encoded
	})
}

// WithParam sets a parameter that has no option of its own. The empty value is
// sent too. Without a value it takes back what an earlier option has set, also one
// that has a name of its own. Parameters that make the login safe are refused.
func WithParam(name string, value ...string) LoginOption {
	value = slices.Clone(value)
	return loginOption(func(a *authRequest) {
		if len(value) == 0 {
			a.takeBack(name)
			return
		}
		if err := checkParam(name); err != nil {
			a.fail("%v", err)
			return
		}
		if len(value) > 1 {
			a.fail("the parameter %s has %d values", name, len(value))
		}
		a.text(name, value[0], 1024)
	})
}

func (a *authRequest) takeBack(name string) {
	a.params.Del(name)
	switch name {
	case "scope":
		a.scopes = nil
	case "max_age":
		a.maxAge = nil
	case "acr_values":
		a.requiredACR = nil
	case "organization":
		a.organization = ""
	case "invitation":
		a.invitation = false
	}
}

func checkParam(name string) error {
	switch {
	case slices.Contains(ownParams, name):
		return fmt.Errorf("the parameter %s is set by the library alone", name)
	case optionOf[name] != "":
		return fmt.Errorf("the parameter %s is set with %s", name, optionOf[name])
	case name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" || len(name) > 64:
		return fmt.Errorf("%q is no name of a parameter", name)
	}
	return nil
}

// named is text for a parameter that names something: the empty text is no name,
// and more likely a variable that was not set than a wish.
func (a *authRequest) named(name, value string, limit int) {
	if value == "" {
		a.fail("%s is empty; leave the option out", name)
	}
	a.text(name, value, limit)
}

// text sets a parameter to a text that has no control characters: they mean
// nothing in any of them, and have no place in URLs, headers and logs.
func (a *authRequest) text(name, value string, limit int) {
	if len(value) > limit {
		a.fail("%s has %d bytes, the limit is %d", name, len(value), limit)
	}
	if !syntax.CleanText(value) {
		a.fail("%s has control characters or is not UTF-8", name)
	}
	a.params.Set(name, value)
}

// A LogoutOption changes how a logout ends the session at the tenant.
type LogoutOption interface{ applyLogout(*logoutRequest) }

type logoutOption func(*logoutRequest)

func (o logoutOption) applyLogout(l *logoutRequest) { o(l) }

type logoutRequest struct {
	params   url.Values
	returnTo string
	asked    string // by the link or the form
	// confirmation is of the page that asks whether a logout is meant.
	confirmation string
	federated    bool

	errs []error
}

func newLogoutRequest(layers ...[]LogoutOption) (*logoutRequest, error) {
	l := &logoutRequest{params: url.Values{}}
	for _, o := range slices.Concat(layers...) {
		if o == nil {
			l.errs = append(l.errs, errors.New("a logout option is nil"))
			continue
		}
		o.applyLogout(l)
	}
	return l, errors.Join(l.errs...)
}

// WithFederatedLogout logs out at the identity provider too, where Auth0 and
// the provider support that.
func WithFederatedLogout() LogoutOption {
	return logoutOption(func(l *logoutRequest) { l.federated = true })
}

// WithLogoutReturnTo says where the logout leads: a path as the browser sees it,
// with that of [Config].BaseURL, or one of [Config].PostLogoutURLs. The tenant must
// know it as an Allowed Logout URL.
func WithLogoutReturnTo(target string) LogoutOption {
	return logoutOption(func(l *logoutRequest) { l.returnTo = target })
}

// WithLogoutParam adds a parameter to the URL that ends the session at the
// tenant, such as state or ui_locales. No values take it back, also
// id_token_hint and logout_hint, which are sent otherwise.
func WithLogoutParam(name string, values ...string) LogoutOption {
	values = slices.Clone(values)
	return logoutOption(func(l *logoutRequest) {
		switch name {
		case "client_id", "post_logout_redirect_uri", "returnTo", "federated", "":
			l.errs = append(l.errs, fmt.Errorf("the logout parameter %q is set by the library", name))
			return
		}
		for _, v := range values {
			if len(v) > 1024 || !syntax.CleanText(v) {
				l.errs = append(l.errs, fmt.Errorf("the logout parameter %s is too long or has control characters", name))
			}
		}
		if values == nil {
			values = []string{}
		}
		l.params[name] = values
	})
}
