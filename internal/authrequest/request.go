// Package authrequest builds the parameters of an Authentication Request (OpenID Connect
// Core 1.0, Section 3.1.2.1) from options, and from the links that start a login.
//
// The package knows neither transactions nor endpoints nor browsers' requests.
package authrequest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/condition"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Request holds the parameters of one login. Options fill it.
type Request struct {
	Params url.Values // without those that bind the response to the login
	Scopes []string   // nil for the configured scopes
	// ForwardedFor is the user's IP address, for requests without a browser.
	ForwardedFor netip.Addr
	Kept

	returnTo     string
	organization string
	invitation   bool

	errs []error
}

// Kept is the part of a request that the callback needs. The browser keeps it in the login
// transaction.
type Kept struct {
	MaxAge      *int            `json:"max_age,omitempty"` // seconds
	RequiredACR []string        `json:"acr,omitempty"`
	Silent      bool            `json:"silent,omitempty"` // the user did not ask for this login
	AppState    json.RawMessage `json:"app,omitempty"`
	Popup       *Popup          `json:"popup,omitempty"`
	// Persistent reports whether the session cookie outlives the browser; nil means the
	// application's setting.
	Persistent *bool `json:"persist,omitempty"`
	// Person identifies the user who is asked to log in again; empty means any user. If
	// another user logs in, the login does not return to the first user's page.
	Person string `json:"who,omitempty"`
}

// An Option sets one property of a request.
type Option func(*Request)

// New applies options in order. A nil option is an error. The returned error lists all
// errors.
func New(options ...Option) (*Request, error) {
	r := &Request{Params: url.Values{}}
	for _, o := range options {
		if o == nil {
			r.fail("a login option is nil")
			continue
		}
		o(r)
	}
	if r.invitation && r.organization == "" {
		r.fail("an invitation needs its organization")
	}
	if r.invitation && !r.Params.Has("prompt") {
		r.Params.Set("prompt", "login")
	}
	return r, errors.Join(r.errs...)
}

// Organization returns the id or the name of the organization to log in to, or an empty
// string.
func (r *Request) Organization() string { return r.organization }

// checkDirect rejects options that only a page of the tenant can meet, for a request
// without a browser.
func (r *Request) checkDirect() error {
	for name := range r.Params {
		if !slices.Contains([]string{"connection", "audience", "organization", "max_age", "acr_values"}, name) {
			return refusal.LoginOption.Because("the option for %s is for a login in the browser", name)
		}
	}
	if r.Popup != nil {
		return refusal.LoginOption.Because("WithPopup is for a login in the browser")
	}
	return nil
}

// ReturnTo returns the URL to which the browser goes after the login, as given in the
// option. The caller decides whether it is safe.
func (r *Request) ReturnTo() string {
	if r.invitation {
		return "" // a new member starts at the first page
	}
	return r.returnTo
}

// IsMetBy reports whether a session with these facts already meets the request, so that
// the tenant does not have to be involved.
func (r *Request) IsMetBy(f condition.Facts) bool {
	if r.invitation || r.MaxAge != nil || r.RequiredACR != nil || r.AppState != nil || r.Popup != nil {
		return false
	}
	if o := r.organization; o != "" && (condition.Demand{Organizations: []string{o}}).CheckOrganization(f) != nil {
		return false
	}
	for name := range r.Params {
		if !slices.Contains([]string{"audience", "organization", "screen_hint", "ui_locales"}, name) {
			return false
		}
	}
	return true
}

// Link returns the request as the query of a link to the login route. It fails for options
// that the route does not accept from a link, because anyone can make one.
func (r *Request) Link() (url.Values, error) {
	query := url.Values{}
	for name, values := range r.Params {
		if !slices.Contains([]string{"organization", "login_hint", "prompt", "screen_hint", "ui_locales"}, name) {
			return nil, refusal.LoginOption.Because("the login route does not accept %s from a link; give the option to LoginHandler", name)
		}
		query[name] = values
	}
	if r.Scopes != nil || r.AppState != nil || r.Popup != nil || r.Persistent != nil {
		return nil, refusal.LoginOption.Because(
			"scopes, pop-ups, cookies and state of the application cannot be part of a link; give the option to LoginHandler")
	}
	if r.returnTo != "" {
		query.Set("returnTo", r.returnTo)
	}
	return query, nil
}

func (r *Request) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// named is text for a parameter that names something. It rejects an empty name, which is
// usually an unset variable.
func (r *Request) named(name, value string, limit int) {
	if value == "" {
		r.fail("%s is empty; leave the option out", name)
	}
	r.text(name, value, limit)
}

// text sets a parameter. It rejects control characters, which must not get into URLs,
// headers and logs.
func (r *Request) text(name, value string, limit int) {
	if len(value) > limit {
		r.fail("%s has %d bytes, the limit is %d", name, len(value), limit)
	}
	if !syntax.CleanText(value) {
		r.fail("%s has control characters or is not UTF-8", name)
	}
	r.Params.Set(name, value)
}

// A Popup describes a login in a pop-up window: the origin of the page that opened it, and
// the tokens that the page gets.
type Popup struct {
	Origin string   `json:"o"`
	Tokens []string `json:"t,omitempty"`
}

// Connection requests a connection by name.
func Connection(name string) Option {
	return func(r *Request) { r.named("connection", name, 128) }
}

// Organization requests an organization by id or name.
func Organization(idOrName string) Option {
	return func(r *Request) {
		r.named("organization", idOrName, 128)
		r.organization = idOrName
	}
}

// Invitation accepts an invitation to an organization.
func Invitation(ticket, orgID string) Option {
	return func(r *Request) {
		Organization(orgID)(r)
		r.named("invitation", ticket, 512)
		r.invitation = true
	}
}

// Hint fills in the user's login name.
func Hint(hint string) Option {
	return func(r *Request) { r.text("login_hint", hint, 320) }
}

// Prompt sets the pages that the tenant must show (OpenID Connect Core 1.0, Section
// 3.1.2.1). The list of values is open: create (Initiating User Registration 1.0) came
// later.
func Prompt(prompt string) Option {
	return func(r *Request) {
		for value := range strings.SplitSeq(prompt, " ") {
			if value == "" || len(value) > 32 || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				r.fail("prompt has the value %.40q, which is not a word of lower-case letters, such as login", value)
			}
		}
		r.Params.Set("prompt", prompt)
	}
}

// linkedPrompt is Prompt for a link. It accepts known values only.
func linkedPrompt(prompt string) Option {
	return func(r *Request) {
		for value := range strings.SplitSeq(prompt, " ") {
			if !slices.Contains([]string{"none", "login", "consent", "select_account", "create"}, value) {
				r.fail("prompt has the unknown value %q", value)
			}
		}
		Prompt(prompt)(r)
	}
}

// Silent requests a login without any page for the user.
func Silent(r *Request) {
	Prompt("none")(r)
	// No window is needed, because the page itself is redirected.
	r.Silent, r.Popup = true, nil
}

// ScreenHint names the tenant's first screen.
func ScreenHint(screen string) Option {
	return func(r *Request) { r.named("screen_hint", screen, 32) }
}

const letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "0123456789"

// UILocales requests languages.
func UILocales(locales string) Option {
	return func(r *Request) {
		if strings.Trim(locales, letters+digits+" _-") != "" {
			r.fail("ui_locales %q is not a list of language tags", locales)
		}
		r.named("ui_locales", locales, 64)
	}
}

// MaxAge requires an authentication no older than age, in whole seconds.
func MaxAge(age time.Duration) Option {
	return func(r *Request) {
		if age < 0 {
			r.fail("max_age %v is negative", age)
			return
		}
		seconds := int(age / time.Second)
		r.MaxAge = &seconds
		r.Params.Set("max_age", strconv.Itoa(seconds))
	}
}

// ACR requests authentication context classes. If they are required, the ID token must
// contain one of them.
func ACR(required bool, values ...string) Option {
	values = slices.Clone(values)
	return func(r *Request) {
		r.RequiredACR = nil
		if required {
			if len(values) == 0 || slices.Contains(values, "") {
				r.fail("a required acr is empty")
			}
			r.RequiredACR = values
		}
		r.text("acr_values", strings.Join(values, " "), 512)
	}
}

// Scopes requests these scopes, and openid, in place of the configured ones.
func Scopes(scopes ...string) Option {
	scopes = slices.Clone(scopes)
	return func(r *Request) {
		set, err := syntax.Scopes(scopes)
		if err != nil {
			r.fail("%v", err)
		}
		if !slices.Contains(set, "openid") {
			set = append([]string{"openid"}, set...)
		}
		r.Scopes = set
	}
}

// Audience requests an access token for an API.
func Audience(identifier string) Option {
	return func(r *Request) { r.named("audience", identifier, 600) }
}

// ReturnTo sets the page to which the browser returns after the login.
func ReturnTo(target string) Option {
	return func(r *Request) { r.returnTo = target }
}

// AppState keeps a value of the application until the callback.
func AppState(state any) Option {
	return func(r *Request) {
		const limit = 1024
		encoded, err := json.Marshal(state)
		if err != nil {
			r.fail("the state of the application cannot be encoded: %v", err)
		} else if len(encoded) > limit {
			r.fail("the state of the application has %d bytes, the limit is %d", len(encoded), limit)
		}
		r.AppState = encoded
	}
}

// Persistent sets whether the session cookie outlives the browser.
func Persistent(on bool) Option {
	return func(r *Request) { r.Persistent = &on }
}

// ForPerson asks a user to log in again. The text identifies the user.
func ForPerson(text string) Option {
	return func(r *Request) { r.Person = text }
}

// PopUp is for a login in a pop-up window, whose opener has the given origin and gets the
// named tokens.
func PopUp(openerOrigin string, tokens ...string) Option {
	tokens = slices.Clone(tokens)
	return func(r *Request) {
		if origin, err := discovery.Origin(openerOrigin); err != nil || origin != openerOrigin {
			r.fail("the origin %q of a pop-up must be one such as https://app.example.com", openerOrigin)
		}
		for _, name := range tokens {
			if name != "access_token" && name != "id_token" {
				r.fail(`a pop-up can be given "access_token" and "id_token", not %q`, name)
			}
		}
		r.Popup = &Popup{Origin: openerOrigin, Tokens: tokens}
	}
}

// ForwardedFor sets the IP address of a user who logs in without a browser.
func ForwardedFor(addr netip.Addr) Option {
	return func(r *Request) {
		if !addr.IsValid() {
			r.fail("the IP address of the user is invalid")
		}
		r.ForwardedFor = addr
	}
}

// Param sets a parameter for which there is no option. Without a value it removes a
// parameter that an earlier option has set.
func Param(name string, value ...string) Option {
	value = slices.Clone(value)
	return func(r *Request) {
		if len(value) == 0 {
			r.takeBack(name)
			return
		}
		if err := CheckParam(name); err != nil {
			r.fail("%v", err)
			return
		}
		if len(value) > 1 {
			r.fail("the parameter %s has %d values", name, len(value))
		}
		r.text(name, value[0], 1024)
	}
}

func (r *Request) takeBack(name string) {
	r.Params.Del(name)
	switch name {
	case "scope":
		r.Scopes = nil
	case "max_age":
		r.MaxAge = nil
	case "acr_values":
		r.RequiredACR = nil
	case "organization":
		r.organization = ""
	case "invitation":
		r.invitation = false
	}
}

// reservedParams are the parameters that only the library sets. State, nonce and the code
// challenge bind the response to the login. The others name the application and the
// redirect URI.
var reservedParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge", "code_challenge_method",
	"request", "request_uri", "dpop_jkt", "client_secret", "client_assertion", "client_assertion_type",
}

// optionOf maps each parameter with an option to that option's public name.
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

// CheckParam rejects the name of a parameter that Param must not set.
func CheckParam(name string) error {
	switch {
	case slices.Contains(reservedParams, name):
		return fmt.Errorf("the parameter %s is set by the library alone", name)
	case optionOf[name] != "":
		return fmt.Errorf("the parameter %s is set with %s", name, optionOf[name])
	case name == "" || strings.Trim(name, letters+digits+"-_.:") != "" || len(name) > 64:
		return fmt.Errorf("%q is not a parameter name", name)
	}
	return nil
}

// Links lists the parameters that the login route of one application accepts from a link
// or a form. Every application accepts some of them.
type Links struct {
	Organizations bool     // organization and invitation are accepted
	Organization  string   // of every login; a link cannot name another
	Params        []string // further parameters
	// Known reports whether a link may name a connection.
	Known func(connection, organization string) bool
	// Ignored is called for each parameter that is left out.
	Ignored func(name string, why error)
}

// Taken returns the values that Options reads. A form can contain others, such as a
// password, which must not get into a URL.
func (l Links) Taken(values url.Values) url.Values {
	taken := url.Values{}
	for _, name := range slices.Concat(linked, l.Params) {
		if values.Has(name) {
			taken[name] = values[name]
		}
	}
	return taken
}

// linked are the parameters that Options reads for every application.
var linked = []string{
	"returnTo", "login_hint", "prompt", "ui_locales", "screen_hint", "organization", "invitation", "connection",
}

// Options reads a query. It leaves out unusable values, so that a user who follows a
// broken link can still log in.
func (l Links) Options(query url.Values) []Option {
	var options []Option
	take := func(name string, option func(string) Option) {
		value := query.Get(name)
		if value == "" {
			return
		}
		o := option(value)
		if _, err := New(o); err != nil {
			l.Ignored(name, err)
			return
		}
		options = append(options, o)
	}
	take("returnTo", ReturnTo)
	take("login_hint", Hint)
	take("prompt", linkedPrompt)
	take("ui_locales", UILocales)
	if hint := query.Get("screen_hint"); hint == "signup" || hint == "login" {
		take("screen_hint", ScreenHint)
	}
	organization, invitation := query.Get("organization"), query.Get("invitation")
	if !l.Organizations || l.Organization != "" && organization != l.Organization {
		organization, invitation = "", ""
	}
	switch {
	case invitation != "":
		// An invitation without its organization comes from a truncated link in an email.
		// The user sees an error now. Without the invitation the login would fail later,
		// with an error that does not say why.
		options = append(options, Invitation(invitation, organization))
	case organization != "":
		take("organization", Organization)
	}
	in := organization
	if in == "" {
		in = l.Organization
	}
	if name := query.Get("connection"); l.Known(name, in) {
		take("connection", Connection)
	} else if name != "" {
		l.Ignored("connection", fmt.Errorf("%.100q is not a connection of the application", name))
	}
	for _, name := range l.Params {
		take(name, func(value string) Option { return Param(name, value) })
	}
	return options
}
