package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"golang.org/x/oauth2"
)

// Grant makes a token request with a grant type that has no method of its own.
// The client authenticates as it does elsewhere; its parameters, and a repeated
// one, are refused. So is the grant type authorization_code: its answers belong
// to [Strategy.Exchange], which checks whose they are.
//
// What comes back was not verified. All of it is there by Token.Extra.
func (s *Strategy) Grant(ctx context.Context, grantType string, params url.Values) (*oauth2.Token, error) {
	if grantType == "" || grantType == "authorization_code" || !syntax.CleanText(grantType) {
		return nil, asError("token", refusal.GrantRequest.Because("the grant type %q is not for Grant", grantType))
	}
	form := provider.GrantForm(grantType)
	if err := addParams(form, params); err != nil {
		return nil, asError("token", refusal.GrantRequest.Wrap(err))
	}
	got, err := s.requestGrant(ctx, form, nil)
	if err != nil {
		return nil, asError("token", err)
	}
	return got.Token(s.now()), nil
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

// beside returns an endpoint of Auth0's that no standard names.
func (s *Strategy) beside(path string) string {
	return strings.TrimSuffix(s.namespace.Issuer, "/") + "/" + path
}

// userGrant begins a request with the scopes and the audience of a login, which
// are those of the configuration unless others are given.
func (s *Strategy) userGrant(grantType string, scopes []string, audience string, forwardedFor netip.Addr) (*grantRequest, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	if scopes == nil {
		scopes = s.config.Scopes
	}
	set, err := syntax.Scopes(append([]string{"openid"}, scopes...))
	if err != nil {
		return nil, refusal.GrantRequest.Wrap(err)
	}
	if audience == "" {
		audience = s.config.Audience
	}
	g := &grantRequest{form: provider.GrantForm(grantType), header: forwarded(forwardedFor)}
	g.form.Set("scope", strings.Join(set, " "))
	provider.SetText(g.form, "audience", audience)
	return g, nil
}

// requestGrant makes a token request that may log somebody in.
func (s *Strategy) requestGrant(ctx context.Context, form url.Values, refused map[string]refusal.Row, header ...string) (provider.TokenResponse, error) {
	if err := s.ready(); err != nil {
		return provider.TokenResponse{}, err
	}
	got, err := s.application.AnyToken(ctx, form, header...)
	if err != nil {
		refusedAs := grantError(err, refused)
		tenant, ok := errors.AsType[provider.Error](err)
		if e, isRefusal := refusedAs.(*refusal.Refusal); ok && isRefusal && tenant.MFA != nil {
			e.Next = s.mfa(tenant.MFA, wishedIn(form), nil)
		}
		return provider.TokenResponse{}, refusedAs
	}
	return got, nil
}

// loginByGrant makes a token request and a login of the answer.
func (s *Strategy) loginByGrant(ctx context.Context, g *grantRequest) (*Login, error) {
	got, err := s.requestGrant(ctx, g.form, g.refused, g.header...)
	if err != nil {
		return nil, err
	}
	return s.grantedLogin(ctx, got, wishedIn(g.form))
}

// A loginWish is what a grant asks for, beside an identity.
type loginWish struct{ scope, audience, organization string }

func wishedIn(form url.Values) loginWish {
	return loginWish{form.Get("scope"), form.Get("audience"), form.Get("organization")}
}

// grantedLogin verifies what a token request gave, as [Strategy.complete] does
// for a login in the browser. Config.LoginOptions holds here too: what it demands of an
// authentication, a grant that cannot show it does not pass.
func (s *Strategy) grantedLogin(ctx context.Context, got provider.TokenResponse, wish loginWish) (*Login, error) {
	a, err := newLoginRequest(s.config.LoginOptions)
	if err != nil {
		return nil, refusal.Misconfigured.Wrap(err)
	}
	verified, err := s.flow.Granted(ctx, a, wish.organization, got)
	if err != nil {
		return nil, err
	}
	l := s.newLogin(&login.Transaction{Scope: wish.scope, Audience: wish.audience}, verified)
	l.recovery = secret.OfText(got.RecoveryCode)
	return l, nil
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
