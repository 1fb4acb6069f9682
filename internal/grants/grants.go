// Package grants makes the token requests of OAuth 2.0 that need no browser, and their
// requests for codes, links and second factors. It builds the forms, sends them, and
// returns the tenant's response, or a refusal.
//
// The package knows neither logins nor sessions. It verifies no token.
package grants

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// Config holds the settings common to all requests of an application.
type Config struct {
	Client   *provider.Client
	Scopes   []string // of a login without scopes
	Audience string   // likewise
	Keyring  seal.Keyring
	Now      func() time.Time
	// MFA returns [refusal.Refusal].Next for a request that requires a second factor.
	MFA func(MFA) any
}

// Grants makes requests for one application.
type Grants struct {
	Config
	apps *cached.Group[appToken]
}

// New returns the requests of an application.
func New(c Config) *Grants { return &Grants{c, newAppTokens(c.Client)} }

// A Wish holds the common parameters of requests that log a user in. Scopes and
// Audience replace those of the Config. ForwardedFor is the user's IP address: the
// tenant then counts attempts by it.
type Wish struct {
	Scopes       []string
	Audience     string
	ForwardedFor netip.Addr
	Login        string // see [Purpose]
}

// A Purpose holds the requested properties of a token. The last part is set for a
// second factor that a refresh requires: the session, and its user.
type Purpose struct {
	Scope        string `json:"scope"`
	Audience     string `json:"aud,omitempty"`
	Organization string `json:"org,omitempty"`
	// Login holds the other requirements of the caller's login, in the caller's
	// format. They also hold if the login continues with a second factor.
	Login string `json:"login,omitempty"`

	Session string `json:"session,omitempty"`
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
	// ProofKey is the key of that session, in the format of package prover.
	ProofKey string `json:"dpop,omitempty"`
}

// A Request is a checked token request. Formatting it reveals nothing.
type Request struct {
	form   url.Values
	header http.Header
	where  tenanterror.Place
	key    func(*prover.Keys) prover.Key // to which the token will be bound

	login string
}

// Format hides the form, which can contain a password, from every verb of package fmt.
func (r *Request) Format(f fmt.State, _ rune) { fmt.Fprint(f, "grants.Request") }

// Purpose returns the requested properties.
func (r *Request) Purpose() Purpose {
	return Purpose{
		Scope: r.form.Get("scope"), Audience: r.form.Get("audience"), Organization: r.form.Get("organization"), Login: r.login,
	}
}

// Send makes a request, once. If the tenant requires a second factor, the refusal
// contains the next step.
func (g *Grants) Send(ctx context.Context, r *Request) (provider.TokenResponse, error) {
	got, err := g.Client.AnyToken(ctx, r.key(g.Client.Proofs), r.form, r.header)
	if err == nil {
		return got, nil
	}
	refused := tenanterror.Meaning(r.where, err)
	said, ok := tenanterror.Of(err)
	if e, isRefusal := refused.(*refusal.Refusal); ok && isRefusal && said.MFA != nil {
		e.Next = g.MFA(g.Demanded(said.MFA, r.Purpose()))
	}
	return provider.TokenResponse{}, refused
}

// Custom returns a request with a grant type for which there is no other function.
func Custom(grantType string, params url.Values) (*Request, error) {
	if grantType == "" || grantType == "authorization_code" || !syntax.CleanText(grantType) {
		return nil, refusal.GrantRequest.Because("the grant type %q is not for Grant", grantType)
	}
	r := &Request{form: provider.GrantForm(grantType), where: tenanterror.Grant, key: (*prover.Keys).ForProgram}
	return r, r.add(params)
}

// clientParams identify the application. Only this module sets them.
var clientParams = []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"}

// add adds the caller's parameters. It replaces none.
func (r *Request) add(params url.Values) error {
	for name, values := range params {
		switch {
		case slices.Contains(clientParams, name) || r.form.Has(name):
			return refusal.GrantRequest.Because("the parameter %.64q is set by the library", name)
		case name == "" || len(values) != 1:
			return refusal.GrantRequest.Because("the parameter %.64q is there %d times", name, len(values))
		}
		r.form.Set(name, values[0])
	}
	return nil
}

// login starts a request that logs a user in.
func (g *Grants) login(grantType string, w Wish) (*Request, error) {
	scopes := w.Scopes
	if scopes == nil {
		scopes = g.Scopes
	}
	set, err := syntax.Scopes(append([]string{"openid"}, scopes...))
	if err != nil {
		return nil, refusal.GrantRequest.Wrap(err)
	}
	r := &Request{
		form: provider.GrantForm(grantType), header: forwarded(w.ForwardedFor), where: tenanterror.Grant, key: (*prover.Keys).ForLogin, login: w.Login,
	}
	r.form.Set("scope", strings.Join(set, " "))
	if w.Audience == "" {
		w.Audience = g.Audience
	}
	provider.SetText(r.form, "audience", w.Audience)
	return r, nil
}

// forwarded returns the header that tells Auth0 the user's IP address.
func forwarded(addr netip.Addr) http.Header {
	if !addr.IsValid() {
		return nil
	}
	return http.Header{"Auth0-Forwarded-For": {addr.Unmap().WithZone("").String()}}
}

// Password returns a request with a password (RFC 6749, Section 4.3). With a
// connection it uses Auth0's password-realm grant.
func (g *Grants) Password(username, password, connection string, w Wish) (*Request, error) {
	if username == "" || password == "" {
		return nil, refusal.Credentials.Because("no user name or no password")
	}
	grantType := "password"
	if connection != "" {
		grantType = "http://auth0.com/oauth/grant-type/password-realm"
	}
	r, err := g.login(grantType, w)
	if err != nil {
		return nil, err
	}
	r.form.Set("username", username)
	r.form.Set("password", password)
	provider.SetText(r.form, "realm", connection)
	return r, nil
}

// A Recipient is the address for a code or a link: one of the two.
type Recipient struct{ Email, PhoneNumber string }

// realm returns the connection and the address to use.
func (to Recipient) realm() (realm, address string, err error) {
	switch {
	case (to.Email == "") == (to.PhoneNumber == ""):
		return "", "", refusal.GrantRequest.Because("exactly one of Email and PhoneNumber is needed")
	case to.Email != "":
		return "email", to.Email, nil
	}
	return "sms", to.PhoneNumber, nil
}

// CheckLink rejects a recipient that a link cannot be sent to.
func (to Recipient) CheckLink() error {
	if to.Email == "" {
		return refusal.GrantRequest.Because("a link can only be sent by email")
	}
	_, _, err := to.realm()
	return err
}

// SendCode makes the tenant send a code.
func (g *Grants) SendCode(ctx context.Context, to Recipient, forwardedFor netip.Addr) error {
	return g.start(ctx, to, forwardedFor, "code", nil)
}

// SendLink makes the tenant send a link for an authorization request. The request is
// never pushed, because its request_uri would expire after a minute, and mail takes
// longer.
func (g *Grants) SendLink(ctx context.Context, to Recipient, forwardedFor netip.Addr, request url.Values) error {
	params := map[string]any{}
	for name := range request {
		if name != "client_id" && name != "connection" { // the body has them separately
			params[name] = request.Get(name)
		}
	}
	return g.start(ctx, to, forwardedFor, "link", params)
}

func (g *Grants) start(ctx context.Context, to Recipient, forwardedFor netip.Addr, send string, params map[string]any) error {
	realm, address, err := to.realm()
	if err != nil {
		return err
	}
	body := map[string]any{"connection": realm}
	if realm == "email" {
		body["email"], body["send"] = address, send
	} else {
		body["phone_number"] = address
	}
	if params != nil {
		body["authParams"] = params
	}
	_, err = g.Client.PostJSON(ctx, "passwordless/start", body, forwarded(forwardedFor))
	return tenanterror.Meaning(tenanterror.Grant, err)
}

// Code returns a request with a code that SendCode sent to the same recipient.
func (g *Grants) Code(to Recipient, code string, w Wish) (*Request, error) {
	realm, address, err := to.realm()
	if err != nil {
		return nil, err
	}
	if code == "" {
		return nil, refusal.Credentials.Because("the code is empty")
	}
	r, err := g.login("http://auth0.com/oauth/grant-type/passwordless/otp", w)
	if err != nil {
		return nil, err
	}
	r.form.Set("realm", realm)
	r.form.Set("username", address)
	r.form.Set("otp", code)
	return r, nil
}

// An Exchange is a token exchange (RFC 8693, Section 2.1). Its fields are those of the
// public type TokenExchange in the same order, so that one converts to the other.
type Exchange struct {
	SubjectToken       string
	SubjectTokenType   string
	ActorToken         string
	ActorTokenType     string
	RequestedTokenType string
	Audience           string
	Scopes             []string
	Organization       string
	ForwardedFor       netip.Addr
	Extra              url.Values
}

// Format hides the tokens from every verb of package fmt.
func (x Exchange) Format(f fmt.State, _ rune) { fmt.Fprint(f, "grants.Exchange") }

// RFC 8693, Sections 2.1 and 3.
const (
	grantTokenExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	tokenTypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
)

// Request returns the request of the exchange.
func (x Exchange) Request() (*Request, error) {
	if x.SubjectToken == "" || (x.ActorToken == "") != (x.ActorTokenType == "") {
		return nil, refusal.GrantRequest.Because("SubjectToken is needed, and ActorToken and ActorTokenType go together")
	}
	if _, err := syntax.Scopes(x.Scopes); err != nil {
		return nil, refusal.GrantRequest.Wrap(err)
	}
	r := &Request{form: provider.GrantForm(grantTokenExchange), header: forwarded(x.ForwardedFor), where: tenanterror.TokenExchange, key: (*prover.Keys).ForProgram}
	r.form.Set("subject_token", x.SubjectToken)
	r.form.Set("subject_token_type", x.SubjectTokenType)
	if x.SubjectTokenType == "" {
		r.form.Set("subject_token_type", tokenTypeAccessToken)
		r.form.Set("requested_token_type", tokenTypeAccessToken) // Auth0 requires it here
	}
	for _, p := range []struct{ name, value string }{
		{"requested_token_type", x.RequestedTokenType},
		{"actor_token", x.ActorToken},
		{"actor_token_type", x.ActorTokenType},
		{"audience", x.Audience},
		{"scope", strings.Join(x.Scopes, " ")},
		{"organization", x.Organization},
	} {
		provider.SetText(r.form, p.name, p.value)
		if x.Extra.Has(p.name) {
			return nil, refusal.GrantRequest.Because("Extra has %s, which has its own field", p.name)
		}
	}
	return r, r.add(x.Extra)
}

// ExchangeForLogin returns the request of an exchange that logs a user in.
func (g *Grants) ExchangeForLogin(x Exchange) (*Request, error) {
	r, err := g.login(grantTokenExchange, Wish{Scopes: x.Scopes, Audience: x.Audience, ForwardedFor: x.ForwardedFor})
	if err != nil {
		return nil, err
	}
	x.Scopes, x.Audience = strings.Fields(r.form.Get("scope")), r.form.Get("audience")
	r, err = x.Request()
	if err != nil {
		return nil, err
	}
	r.key = (*prover.Keys).ForLogin
	return r, nil
}
