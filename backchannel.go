package auth0

import (
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
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
	ep, err := s.app.client.Endpoints(r.Context())
	if err != nil {
		return logoutTokenError(err)
	}
	token, err := s.app.idTokens.VerifyLogout(r.Context(), ep.Issuer, form.Get("logout_token"))
	if err != nil {
		return logoutTokenError(err)
	}
	if err := s.endSessionsOf(r.Context(), token); err != nil {
		return refusal.LogoutFailed.Wrap(err)
	}
	s.log.Info("auth0: sessions were ended by the tenant", "sub", token.Subject, "one_session", token.SessionID != "")
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

// endSessionsOf marks what the token says has ended. The same token again is
// good, and does nothing: the tenant may not have got the first answer. That its
// jti was seen is not enough, because the mark itself may be lost, or be about
// somebody else.
func (s *Strategy) endSessionsOf(ctx context.Context, c *jwt.Claims) error {
	// After that checkLogoutTimes refuses it. Its exp may be years away.
	last := min(c.Expiry, c.IssuedAt+idtoken.LogoutTokenAge.Seconds())
	return s.sessions.DestroyAt(ctx, c.Issuer, c.Subject, c.SessionID, c.ID, int64(math.Ceil(c.IssuedAt)), idtoken.FromUnix(last).Add(s.app.idTokens.Leeway))
}
