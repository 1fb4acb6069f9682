package auth0

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A PasswordLogin is what [Strategy.LoginWithPassword] logs in with. Formatting
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
func (s *Strategy) LoginWithPassword(ctx context.Context, p PasswordLogin) (*Login, error) {
	l, err := s.passwordGrant(ctx, p)
	if err != nil {
		return nil, asError("login", err)
	}
	return l, nil
}

func (s *Strategy) passwordGrant(ctx context.Context, p PasswordLogin) (*Login, error) {
	if p.Username == "" || p.Password == "" {
		return nil, refusal.Credentials.Because("no user name or no password")
	}
	grantType := "password"
	if p.Connection != "" {
		grantType = "http://auth0.com/oauth/grant-type/password-realm"
	}
	g, err := s.userGrant(grantType, p.Scopes, p.Audience, p.ForwardedFor)
	if err != nil {
		return nil, err
	}
	g.form.Set("username", p.Username)
	g.form.Set("password", p.Password)
	provider.SetText(g.form, "realm", p.Connection)
	return s.loginByGrant(ctx, g)
}
