package signout

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

// Backchannel accepts a logout token (OpenID Connect Back-Channel Logout 1.0, Section
// 2.5) and ends the sessions that it names.
func (s *Routes) Backchannel(w http.ResponseWriter, r *http.Request) error {
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
	ep, err := s.c.Client.Endpoints(r.Context())
	if err != nil {
		return logoutTokenError(err)
	}
	token, err := s.c.IDTokens.VerifyLogout(r.Context(), ep.Issuer, form.Get("logout_token"))
	if err != nil {
		return logoutTokenError(err)
	}
	if err := s.endSessionsOf(r.Context(), token); err != nil {
		return refusal.LogoutFailed.Wrap(err)
	}
	s.c.Log.Info("auth0: sessions were ended by the tenant", "sub", token.Subject, "one_session", token.SessionID != "")
	w.WriteHeader(http.StatusOK)
	return nil
}

// logoutTokenError returns the refusal of a logout token. Its status is 400 for every
// error (Section 2.8 of the specification).
func logoutTokenError(err error) error {
	r := refusal.LogoutToken
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		r.Reason = f.Reason
	}
	return r.Wrap(err)
}

// endSessionsOf marks the sessions that a logout token names as ended. A repeated token
// succeeds and does nothing, because the tenant may not have received the first response.
// endSessionsOf marks again if the mark is lost, or if the jti belonged to another token.
func (s *Routes) endSessionsOf(ctx context.Context, c *jwt.Claims) error {
	// After that time [idtoken.Verifier.VerifyLogout] rejects the token, whose exp can be
	// years later.
	last := min(c.Expiry, c.IssuedAt+idtoken.LogoutTokenAge.Seconds())
	until := int64(math.Ceil(c.IssuedAt))
	return s.c.Visits.Sessions.DestroyAt(
		ctx, c.Issuer, c.Subject, c.SessionID, c.ID, until, idtoken.FromUnix(last).Add(s.c.IDTokens.Leeway))
}
