package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"golang.org/x/oauth2"
)

// ClientCredentials say what an application gets for itself, not for a person,
// by the client credentials grant (RFC 6749, Section 4.4). Allow the application
// the API in the dashboard.
type ClientCredentials struct {
	// Audience is the identifier of the API.
	Audience string
	// Organization is the id, or the name, of the organization to act for.
	Organization string
	// Scopes are what is asked for. None means all that are granted.
	Scopes []string
}

// ClientCredentials returns a source of access tokens for the application
// itself. A token is kept until it is about to expire; it is renewed in the
// background before, and one request gets it however many ask. Sources for the
// same share it. After a failure the tenant is left alone for a second, and
// longer if it fails again or asks for that.
//
// The errors of the source are of type [*Error]: [ErrGrantNotAllowed] if the tenant
// does not know the API, or does not let the application have what it asks for, and
// [ErrTenantUnavailable] with [Error].RetryAfter if it has had its quota of tokens.
func (a *Application) ClientCredentials(c ClientCredentials) oauth2.TokenSource {
	c.Scopes = slices.Sorted(slices.Values(c.Scopes))
	key, _ := json.Marshal(c) // three fields of text
	return appTokenSource{a, string(key)}
}

// An appTokenSource is a source of tokens for the application itself.
type appTokenSource struct {
	application *Application
	key         string // of Application.appTokens
}

func (o appTokenSource) Token() (*oauth2.Token, error) {
	return o.get(func(v *cached.Value[provider.AppToken]) (provider.AppToken, error) {
		return v.Get(context.Background()) // which has a time limit
	})
}

// Renew replaces a token that is older than age and returns the new one. Package
// management looks for this method when the tenant rejects a token.
func (o appTokenSource) Renew(ctx context.Context, age time.Duration) (*oauth2.Token, error) {
	return o.get(func(v *cached.Value[provider.AppToken]) (provider.AppToken, error) { return v.Renew(ctx, age) })
}

func (o appTokenSource) get(ask func(*cached.Value[provider.AppToken]) (provider.AppToken, error)) (*oauth2.Token, error) {
	if err := o.application.ready(); err != nil {
		return nil, asError("token", err)
	}
	got, err := ask(o.application.appTokens.Value(o.key))
	if err != nil {
		return nil, asError("token", grantError(err, ownRefusals))
	}
	return got.Token(), nil
}

// ConnectionToken is what [ForConnection] asks for, for an access token that an
// API has received, instead of a session. The application must be linked to
// that API at the tenant. Nothing is kept: ask once for each use, or keep the
// token until its Expiry.
func (a *Application) ConnectionToken(ctx context.Context, accessToken, connection, loginHint string) (*oauth2.Token, error) {
	return op("token", a, func() (*oauth2.Token, error) {
		if accessToken == "" {
			return nil, refusal.SessionToken.Because("there is no access token to exchange")
		}
		wish, err := newTokenWish([]TokenOption{ForConnection(connection, loginHint)})
		if err != nil {
			return nil, err
		}
		t, err := a.vault.Exchange(ctx, accessToken, wish)
		if err != nil {
			return nil, err
		}
		return &oauth2.Token{AccessToken: t.Token, TokenType: t.Type, Expiry: time.Unix(t.ExpiresAt, 0)}, nil
	})
}

// Grant makes a token request with a grant type that has no method of its own.
// The client authenticates as it does elsewhere; its parameters, and a repeated
// one, are refused. So is the grant type authorization_code: its answers belong
// to [Application.Exchange], which checks whose they are.
//
// What comes back was not verified. All of it is there by Token.Extra.
func (a *Application) Grant(ctx context.Context, grantType string, params url.Values) (*oauth2.Token, error) {
	return op("token", a, func() (*oauth2.Token, error) {
		if grantType == "" || grantType == "authorization_code" || !syntax.CleanText(grantType) {
			return nil, refusal.GrantRequest.Because("the grant type %q is not for Grant", grantType)
		}
		form := provider.GrantForm(grantType)
		if err := addParams(form, params); err != nil {
			return nil, refusal.GrantRequest.Wrap(err)
		}
		got, err := a.requestGrant(ctx, form, nil)
		if err != nil {
			return nil, err
		}
		return got.Token(a.now()), nil
	})
}

// clientParams say who asks. Only this package sets them.
var clientParams = []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"}

// addParams adds what a caller has chosen, but nothing that is set already.
func addParams(form, params url.Values) error {
	for name, values := range params {
		switch {
		case slices.Contains(clientParams, name) || form.Has(name):
			return fmt.Errorf("the parameter %.64q is set by the library", name)
		case name == "" || len(values) != 1:
			return fmt.Errorf("the parameter %.64q is there %d times", name, len(values))
		}
		form.Set(name, values[0])
	}
	return nil
}

// A grantRequest is what grants that log somebody in have in common.
type grantRequest struct {
	form    url.Values
	header  []string // names and values in turn
	refused map[string]refusal.Row
}

// forwarded is the header by which Auth0 learns for whom a request is made.
func forwarded(addr netip.Addr) []string {
	if !addr.IsValid() {
		return nil
	}
	return []string{"auth0-forwarded-for", addr.Unmap().WithZone("").String()}
}

// userGrant begins a request with the scopes and the audience of a login, which
// are those of the configuration unless others are given.
func (a *Application) userGrant(grantType string, scopes []string, audience string, forwardedFor netip.Addr) (*grantRequest, error) {
	if scopes == nil {
		scopes = a.flow.Scopes
	}
	set, err := syntax.Scopes(append([]string{"openid"}, scopes...))
	if err != nil {
		return nil, refusal.GrantRequest.Wrap(err)
	}
	if audience == "" {
		audience = a.audience
	}
	g := &grantRequest{form: provider.GrantForm(grantType), header: forwarded(forwardedFor)}
	g.form.Set("scope", strings.Join(set, " "))
	provider.SetText(g.form, "audience", audience)
	return g, nil
}

// requestGrant makes a token request that may log somebody in.
func (a *Application) requestGrant(ctx context.Context, form url.Values, refused map[string]refusal.Row, header ...string) (provider.TokenResponse, error) {
	got, err := a.client.AnyToken(ctx, form, header...)
	if err != nil {
		refusedAs := grantError(err, refused)
		tenant, ok := errors.AsType[provider.Error](err)
		if e, isRefusal := refusedAs.(*refusal.Refusal); ok && isRefusal && tenant.MFA != nil {
			e.Next = a.newMFA(a.mfaState(tenant.MFA, wishedIn(form)))
		}
		return provider.TokenResponse{}, refusedAs
	}
	return got, nil
}

// loginByGrant makes a token request and a login of the answer.
func (a *Application) loginByGrant(ctx context.Context, g *grantRequest) (*Login, error) {
	got, err := a.requestGrant(ctx, g.form, g.refused, g.header...)
	if err != nil {
		return nil, err
	}
	return a.grantedLogin(ctx, got, wishedIn(g.form))
}

// A loginWish is what a grant asks for, beside an identity.
type loginWish struct{ scope, audience, organization string }

func wishedIn(form url.Values) loginWish {
	return loginWish{form.Get("scope"), form.Get("audience"), form.Get("organization")}
}

// grantedLogin verifies what a token request gave, as
// [login.Pending.Complete] does for a login in the browser. Config.LoginOptions holds here too: what it demands of an
// authentication, a grant that cannot show it does not pass.
func (a *Application) grantedLogin(ctx context.Context, got provider.TokenResponse, wish loginWish) (*Login, error) {
	r, err := authrequest.New(a.options...)
	if err != nil {
		return nil, refusal.Misconfigured.Wrap(err)
	}
	verified, err := a.flow.Granted(ctx, r, wish.organization, got)
	if err != nil {
		return nil, err
	}
	l := a.transactions.Accept(&login.Transaction{Scope: wish.scope, Audience: wish.audience}, verified, a.site.ReturnFor("", ""))
	l.Recovery = secret.OfText(got.RecoveryCode)
	return a.loginOf(l), nil
}

// grantRefusals are what the tenant's error codes mean to whoever asked. Others
// mean that tenant and application do not understand each other.
var grantRefusals = map[string]refusal.Row{
	"invalid_grant":              refusal.Credentials,
	"access_denied":              refusal.Denied,
	"unauthorized":               refusal.Blocked,
	"too_many_attempts":          refusal.Attempts,
	"too_many_logins":            refusal.Attempts,
	"password_leaked":            refusal.Leaked,
	"requires_verification":      refusal.Verification,
	"mfa_required":               refusal.MFA,
	"expired_token":              refusal.MFAExpired,
	"authorization_pending":      refusal.Pending,
	"slow_down":                  refusal.Pending,
	"unauthorized_client":        refusal.Grant,
	"unsupported_grant_type":     refusal.Grant,
	"invalid_request":            refusal.Grant,
	"invalid_scope":              refusal.Grant,
	"endpoint_disabled":          refusal.Grant,
	"unsupported_challenge_type": refusal.Grant,
	"association_required":       refusal.Grant,
	"bad.connection":             refusal.Grant,
	"bad.email":                  refusal.Address,
	"bad.phone_number":           refusal.Address,
}

// ownRefusals: an application that asks for itself is denied by its settings, and
// not by a person.
var ownRefusals = map[string]refusal.Row{"access_denied": refusal.Grant}

// grantError says what a failed request to the tenant means for whoever made
// it. Refused has codes that mean something else in this request.
func grantError(err error, refused map[string]refusal.Row) error {
	e, ok := provider.Answered(err)
	if !ok {
		return provider.RequestError(err)
	}
	r, known := refused[e.Code]
	if !known {
		r, known = grantRefusals[e.Code]
	}
	switch {
	case !known:
		return provider.RequestError(e)
	// Auth0's answer to wrong credentials of the application.
	case e.Code == "access_denied" && e.Status == http.StatusUnauthorized:
		return provider.RequestError(e)
	// Whoever has had too much, or is out of order, refuses nobody; but some who
	// have had too much say of what.
	case e.Temporary() && r != refusal.Attempts && r != refusal.Pending && !e.DeniesByPolicy():
		return provider.RequestError(e)
	}
	out := e.Refusal(r)
	switch {
	case e.Code == "authorization_pending" && out.RetryAfter == 0:
		out.RetryAfter = pollInterval
	case e.Code == "slow_down" && out.RetryAfter == 0:
		out.RetryAfter = 2 * pollInterval
	}
	return out
}

// pollInterval is how long to wait before asking again, and by how much longer
// if the tenant wants to be asked less often (RFC 8628, Sections 3.2 and 3.5).
const pollInterval = 5 * time.Second

// A PasswordLogin is what [Application.LoginWithPassword] logs in with. Formatting
// or logging it does not show the password, unless it is in an unexported field of
// another struct, see [Config].
type PasswordLogin struct {
	Username, Password string

	// Connection is the database, or the other connection with passwords, that
	// the person is in. If empty, it is the tenant's default directory.
	Connection string
	// Scopes and Audience are as in [Config]. Default: those of the Config.
	Scopes   []string
	Audience string
	// ForwardedFor is where the person is, so that the tenant counts attempts
	// by that and does not block this server. The tenant believes it if the
	// application has the setting "Trust Token Endpoint IP Header".
	ForwardedFor netip.Addr
}

// Format hides the password from every verb of package fmt.
func (p PasswordLogin) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.PasswordLogin(connection %q)", p.Connection)
}

// LogValue hides the password from package slog.
func (p PasswordLogin) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }

// MarshalJSON hides the password from package json.
func (p PasswordLogin) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// LoginWithPassword logs in with the resource owner password credentials grant
// (RFC 6749, Section 4.3), at Auth0 also for a given connection. The ID token is
// verified as after any login; [Strategy.StartSession] then begins a session.
//
// It is for moving old applications, whose own forms ask for passwords. It has
// no single sign-on and no identity providers, and the tenant can tell people
// and machines apart only by their addresses: a new application should use
// [Strategy.LoginHandler]. What [Config].LoginOptions demands of a login (organization,
// age, acr) it cannot show, and then fails. The form must be protected against
// posts from other sites, as by [http.CrossOriginProtection], or anybody could log
// visitors in as somebody else.
//
// Of the errors, [ErrWrongCredentials], [ErrTooManyAttempts], [ErrUserBlocked],
// [ErrGrantNotAllowed] and [ErrMFARequired] need an answer of their own. The
// Reasons password_leaked and verification_required mean that the person should
// use the login page.
func (a *Application) LoginWithPassword(ctx context.Context, p PasswordLogin) (*Login, error) {
	return op("login", a, func() (*Login, error) {
		if p.Username == "" || p.Password == "" {
			return nil, refusal.Credentials.Because("no user name or no password")
		}
		grantType := "password"
		if p.Connection != "" {
			grantType = "http://auth0.com/oauth/grant-type/password-realm"
		}
		g, err := a.userGrant(grantType, p.Scopes, p.Audience, p.ForwardedFor)
		if err != nil {
			return nil, err
		}
		g.form.Set("username", p.Username)
		g.form.Set("password", p.Password)
		provider.SetText(g.form, "realm", p.Connection)
		return a.loginByGrant(ctx, g)
	})
}

// A PasswordlessLogin is whom [Application.SendCode] sends a code, and how they log in
// with it. The tenant needs the connection email or sms.
type PasswordlessLogin struct {
	// Email or PhoneNumber is where the code goes.
	Email       string
	PhoneNumber string // with the country code: "+442079460000"

	// Scopes and Audience are as in [Config]. Default: those of the Config.
	Scopes   []string
	Audience string
	// ForwardedFor is as in [PasswordLogin].
	ForwardedFor netip.Addr
}

// SendCode sends a code for [Application.LoginWithCode] by e-mail or text message.
// Whether somebody has an account with that address does not show. The error is
// [ErrGrantNotAllowed] if the tenant has no such connection, and has the Reason
// bad_address if nothing can be sent there.
//
// Every call sends a message, and the tenant limits them by the address of
// whoever asks; see ForwardedFor. The form must be protected against posts from
// other sites.
func (a *Application) SendCode(ctx context.Context, to PasswordlessLogin) error {
	_, err := op("login", a, func() (struct{}, error) { return struct{}{}, a.startPasswordless(ctx, to, "code", nil) })
	return err
}

// LoginWithCode logs in with a code that [Application.SendCode] has sent to the same
// address. The error is [ErrWrongCredentials] if it is wrong or too old.
func (a *Application) LoginWithCode(ctx context.Context, to PasswordlessLogin, code string) (*Login, error) {
	return op("login", a, func() (*Login, error) {
		realm, address, err := to.realm()
		if err != nil {
			return nil, err
		}
		if code == "" {
			return nil, refusal.Credentials.Because("the code is empty")
		}
		g, err := a.userGrant("http://auth0.com/oauth/grant-type/passwordless/otp", to.Scopes, to.Audience, to.ForwardedFor)
		if err != nil {
			return nil, err
		}
		g.form.Set("realm", realm)
		g.form.Set("username", address)
		g.form.Set("otp", code)
		return a.loginByGrant(ctx, g)
	})
}

// SendLink sends a link by e-mail that logs in, and returns the transaction, which
// the program keeps for the browser that has asked: [Application.Exchange] completes
// the login with it. The link leads to redirectURI, as that of
// [Application.AuthCodeURL] does, and options are as there. Of to, Scopes and
// Audience are not used. A web application uses [Strategy.SendLink].
func (a *Application) SendLink(ctx context.Context, redirectURI string, to PasswordlessLogin, opts ...LoginOption) (transaction string, err error) {
	return op("login", a, func() (string, error) {
		if err := to.checkLink(); err != nil {
			return "", err
		}
		r, err := a.loginRequest(opts)
		if err != nil {
			return "", err
		}
		if err := a.flow.CheckPlain(r); err != nil {
			return "", err
		}
		if err := a.site.CheckRedirectURI(redirectURI); err != nil {
			return "", refusal.LoginOption.Wrap(err)
		}
		at := login.Place{RedirectURI: redirectURI, ReturnTo: a.site.ReturnFor(redirectURI, r.ReturnTo())}
		request, t := a.flow.Authentication(at, r)
		if transaction, err = a.transactions.Seal(t); err != nil {
			return "", err
		}
		return transaction, a.sendLink(ctx, to, request)
	})
}

// sendLink sends a link for a request. The request is never pushed: it would be good
// for a minute, and mail takes longer.
func (a *Application) sendLink(ctx context.Context, to PasswordlessLogin, request url.Values) error {
	params := map[string]any{}
	for name := range request {
		if name != "client_id" && name != "connection" { // which are beside them
			params[name] = request.Get(name)
		}
	}
	return a.startPasswordless(ctx, to, "link", params)
}

func (a *Application) startPasswordless(ctx context.Context, to PasswordlessLogin, send string, authParams map[string]any) error {
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
	if authParams != nil {
		body["authParams"] = authParams
	}
	if _, err := a.client.PostJSON(ctx, a.client.Beside("passwordless/start"), body, forwarded(to.ForwardedFor)...); err != nil {
		return grantError(err, nil)
	}
	return nil
}

// checkLink refuses what a link cannot be sent to.
func (p PasswordlessLogin) checkLink() error {
	if p.Email == "" {
		return refusal.GrantRequest.Because("a link can only be sent by e-mail")
	}
	_, _, err := p.realm()
	return err
}

// realm returns the connection and the address to use.
func (p PasswordlessLogin) realm() (realm, address string, err error) {
	switch {
	case (p.Email == "") == (p.PhoneNumber == ""):
		return "", "", refusal.GrantRequest.Because("exactly one of Email and PhoneNumber is needed")
	case p.Email != "":
		return "email", p.Email, nil
	}
	return "sms", p.PhoneNumber, nil
}

// A TokenExchange is a request to exchange one token for another (RFC 8693,
// Section 2.1). Formatting or logging it does not show the tokens, unless it is in
// an unexported field of another struct, see [Config].
type TokenExchange struct {
	// SubjectToken is the token to exchange. If SubjectTokenType is empty, it is
	// an access token of the tenant: an API then acts on behalf of the user who
	// has called it, at another API. For tokens from elsewhere, SubjectTokenType
	// is the URI of a token exchange profile of the tenant.
	SubjectToken     string
	SubjectTokenType string
	// ActorToken and ActorTokenType are of who acts for the subject, if it is
	// not the application itself.
	ActorToken     string
	ActorTokenType string
	// RequestedTokenType is what kind of token is wanted. Default: an access
	// token.
	RequestedTokenType string

	// Audience is the identifier of the API that the new token is for.
	Audience string
	// Scopes are what is asked for. None means what the tenant chooses.
	Scopes []string
	// Organization is the id, or the name, of the organization to log in to.
	Organization string
	// ForwardedFor is as in [PasswordLogin].
	ForwardedFor netip.Addr
	// Extra are further parameters, for the Action of the profile.
	Extra url.Values
}

// Format hides the tokens from every verb of package fmt.
func (x TokenExchange) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.TokenExchange(%q for %q)", x.SubjectTokenType, x.Audience)
}

// LogValue hides the tokens from package slog.
func (x TokenExchange) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(x)) }

// MarshalJSON hides the tokens from package json.
func (x TokenExchange) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// RFC 8693, Sections 2.1 and 3
const (
	grantTokenExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	tokenTypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
)

// exchangeRefusals: here, the token is what is wrong.
var exchangeRefusals = map[string]refusal.Row{
	"invalid_request": refusal.SubjectToken,
	"invalid_grant":   refusal.SubjectToken,
	"invalid_target":  refusal.Grant,
}

// ExchangeToken exchanges a token for another one (RFC 8693). The Reason of the
// error is subject_token if the tenant does not accept what was sent, and
// [ErrGrantNotAllowed] if the application may not do this.
//
// What comes back was not verified here: an access token is for the API to
// check. All of the answer is there by Token.Extra, such as issued_token_type.
// Nothing is cached.
func (a *Application) ExchangeToken(ctx context.Context, x TokenExchange) (*oauth2.Token, error) {
	return op("token", a, func() (*oauth2.Token, error) {
		form, err := x.form()
		if err != nil {
			return nil, err
		}
		got, err := a.requestGrant(ctx, form, exchangeRefusals, forwarded(x.ForwardedFor)...)
		if err != nil {
			return nil, err
		}
		return got.Token(a.now()), nil
	})
}

// LoginWithToken exchanges a token for a login: with a token exchange profile
// that sets the user. Scopes and Audience that are empty are those of the Config.
func (a *Application) LoginWithToken(ctx context.Context, x TokenExchange) (*Login, error) {
	return op("login", a, func() (*Login, error) {
		g, err := a.userGrant(grantTokenExchange, x.Scopes, x.Audience, x.ForwardedFor)
		if err != nil {
			return nil, err
		}
		x.Scopes, x.Audience = strings.Fields(g.form.Get("scope")), g.form.Get("audience")
		if g.form, err = x.form(); err != nil {
			return nil, err
		}
		g.refused = exchangeRefusals
		return a.loginByGrant(ctx, g)
	})
}

// form returns the token request (RFC 8693, Section 2.1).
func (x TokenExchange) form() (url.Values, error) {
	if x.SubjectToken == "" || (x.ActorToken == "") != (x.ActorTokenType == "") {
		return nil, refusal.GrantRequest.Because("SubjectToken is needed, and ActorToken and ActorTokenType go together")
	}
	if _, err := syntax.Scopes(x.Scopes); err != nil {
		return nil, refusal.GrantRequest.Wrap(err)
	}
	form := provider.GrantForm(grantTokenExchange)
	form.Set("subject_token", x.SubjectToken)
	form.Set("subject_token_type", x.SubjectTokenType)
	provider.SetText(form, "requested_token_type", x.RequestedTokenType)
	if x.SubjectTokenType == "" {
		form.Set("subject_token_type", tokenTypeAccessToken)
		if x.RequestedTokenType == "" {
			form.Set("requested_token_type", tokenTypeAccessToken) // Auth0 insists on it here
		}
	}
	provider.SetText(form, "actor_token", x.ActorToken)
	provider.SetText(form, "actor_token_type", x.ActorTokenType)
	provider.SetText(form, "audience", x.Audience)
	provider.SetText(form, "scope", strings.Join(x.Scopes, " "))
	provider.SetText(form, "organization", x.Organization)
	for _, name := range []string{"requested_token_type", "actor_token", "actor_token_type", "audience", "scope", "organization"} {
		if x.Extra.Has(name) {
			return nil, refusal.GrantRequest.Because("Extra has %s, which is a field of its own", name)
		}
	}
	if err := addParams(form, x.Extra); err != nil {
		return nil, refusal.GrantRequest.Wrap(err)
	}
	return form, nil
}
