package auth0

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// BackchannelLogoutHandler takes the tenant's word that a session has ended
// there (OpenID Connect Back-Channel Logout 1.0). It needs [Config].Store or
// [Config].Revocations, in which it notes which sessions are over: those of the
// tenant's session if the token names one, else all of the user. Register its
// URL at the tenant, which must be able to reach it.
func (s *Strategy) BackchannelLogoutHandler() http.Handler {
	if s.sessions != nil && !s.sessions.CanRevoke() {
		s.log.Error("auth0: BackchannelLogoutHandler needs Config.Store or Config.Revocations and answers every request with an error")
		return s.handler("backchannel", func(http.ResponseWriter, *http.Request) error {
			return refusal.Misconfigured.Because("neither Config.Store nor Config.Revocations is set")
		})
	}
	return s.handler("backchannel", s.backchannelLogout)
}

func (s *Strategy) backchannelLogout(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return refusal.Method.New()
	}
	form, err := browser.Form(w, r)
	if err != nil {
		return logoutTokenError(err)
	}
	if n := len(form["logout_token"]); n != 1 {
		return refusal.LogoutToken.Because("logout_token is there %d times", n)
	}
	token, err := s.verifyLogoutToken(r.Context(), form.Get("logout_token"))
	if err != nil {
		return logoutTokenError(err)
	}
	if err := s.endSessionsOf(r.Context(), token); err != nil {
		return refusal.LogoutFailed.Wrap(err)
	}
	s.log.Info("auth0: sessions were ended by the tenant", "sub", clip(token.Subject), "one_session", token.SessionID != "")
	w.WriteHeader(http.StatusOK)
	return nil
}

// logoutTokenError: whatever is wrong, the status is the one that Section 2.8 of
// the specification has.
func logoutTokenError(err error) error {
	r := refusal.LogoutToken
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		r.Reason = f.Reason
	}
	return r.Wrap(err)
}

// verifyLogoutToken is Section 2.6 of the specification, as Auth0 sends the
// token: its typ is JWT, and it has both sid and sub.
func (s *Strategy) verifyLogoutToken(ctx context.Context, raw string) (*jwt.Claims, error) {
	m, err := jwt.Parse(raw)
	if err != nil {
		return nil, fault.OfParse(err)
	}
	if !isLogoutTokenType(m.Type) {
		return nil, fault.Type.Because("typ is %.40q", m.Type)
	}
	if !slices.Contains(s.config.Algorithms, m.Algorithm) {
		return nil, fault.Algorithm.Because("alg is %.40q, Config.Algorithms has %q", m.Algorithm, s.config.Algorithms)
	}
	// What the header says is looked at first: anybody can post long claims here.
	c, err := jwt.ParseClaims(m.Payload, true)
	if err != nil {
		return nil, fault.OfParse(err)
	}
	ep, err := s.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	if c.Issuer != ep.Issuer {
		return nil, fault.Issuer.Because("iss is %.100q, want %q", c.Issuer, ep.Issuer)
	}
	if !slices.Contains(c.Audience, s.config.ClientID) {
		return nil, fault.Audience.Because("aud is %.200q, want the client id %q", c.Audience, s.config.ClientID)
	}
	if err := s.checkLogoutTimes(&c); err != nil {
		return nil, err
	}
	if err := checkLogoutClaims(&c); err != nil {
		return nil, err
	}
	_, err = s.idTokenKeys.set.Verify(ctx, m, keys.FromAnybody) // Section 2.4: signed as ID tokens are
	return &c, keys.AsOutage(err)
}

func isLogoutTokenType(typ string) bool {
	typ = strings.ToLower(typ)
	return typ == "" || typ == "jwt" || strings.TrimPrefix(typ, "application/") == "logout+jwt"
}

// logoutTokenAge is how long after its iat a logout token is accepted.
const logoutTokenAge = 5 * time.Minute

// checkLogoutTimes: a logout token is for now. One that was kept back must not
// end sessions that were begun since.
func (s *Strategy) checkLogoutTimes(c *jwt.Claims) error {
	if err := checkTimes(c, s.now(), s.config.Leeway); err != nil {
		return err
	}
	if !c.Has(jwt.IssuedAt) {
		return fault.Claim.Because("no iat")
	}
	if age := unix(s.now()) - c.IssuedAt; math.Abs(age) > (logoutTokenAge + s.config.Leeway).Seconds() {
		return fault.TooOld.Because("iat was %.0f s ago", age)
	}
	return nil
}

func checkLogoutClaims(c *jwt.Claims) error {
	if err := checkLogoutKind(c); err != nil {
		return err
	}
	switch {
	case !c.Has(jwt.ID) || c.ID == "":
		return fault.Claim.Because("no jti")
	case !c.Has(jwt.SessionID) && !c.Has(jwt.Subject):
		return fault.Claim.Because("neither sid nor sub")
	case c.Has(jwt.SessionID) && (c.SessionID == "" || len(c.SessionID) > maxSubject):
		return fault.Claim.Because("sid is empty or too long")
	case len(c.Subject) > maxSubject:
		return fault.Claim.Because("sub is too long")
	}
	return nil
}

// endSessionsOf marks what the token says has ended. The same token again is
// good, and does nothing: the tenant may not have got the first answer. That its
// jti was seen is not enough, because the mark itself may be lost, or be about
// somebody else.
func (s *Strategy) endSessionsOf(ctx context.Context, c *jwt.Claims) error {
	// After that checkLogoutTimes refuses it. Its exp may be years away.
	last := min(c.Expiry, c.IssuedAt+logoutTokenAge.Seconds())
	return s.sessions.EndAtTenant(ctx, c.Issuer, c.Subject, c.SessionID, c.ID, int64(math.Ceil(c.IssuedAt)), fromUnix(last).Add(s.config.Leeway))
}
