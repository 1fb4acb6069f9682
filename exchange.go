package auth0

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"golang.org/x/oauth2"
)

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
func (s *Strategy) ExchangeToken(ctx context.Context, x TokenExchange) (*oauth2.Token, error) {
	form, err := s.exchangeForm(x)
	if err != nil {
		return nil, asError("token", err)
	}
	got, err := s.requestGrant(ctx, form, exchangeRefusals, forwarded(x.ForwardedFor)...)
	if err != nil {
		return nil, asError("token", err)
	}
	return got.Token(s.now()), nil
}

// LoginWithToken exchanges a token for a login: with a token exchange profile
// that sets the user. Scopes and Audience that are empty are those of the Config.
func (s *Strategy) LoginWithToken(ctx context.Context, x TokenExchange) (*Login, error) {
	l, err := s.exchangeLogin(ctx, x)
	if err != nil {
		return nil, asError("login", err)
	}
	return l, nil
}

func (s *Strategy) exchangeLogin(ctx context.Context, x TokenExchange) (*Login, error) {
	g, err := s.userGrant(grantTokenExchange, x.Scopes, x.Audience, x.ForwardedFor)
	if err != nil {
		return nil, err
	}
	x.Scopes, x.Audience = strings.Fields(g.form.Get("scope")), g.form.Get("audience")
	if g.form, err = s.exchangeForm(x); err != nil {
		return nil, err
	}
	g.refused = exchangeRefusals
	return s.loginByGrant(ctx, g)
}

func (s *Strategy) exchangeForm(x TokenExchange) (url.Values, error) {
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
