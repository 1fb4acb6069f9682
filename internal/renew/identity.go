package renew

import (
	"context"
	"errors"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// verify checks the ID token of a refresh, and compares it with the ID token of the login.
func (t *Tokens) verify(ctx context.Context, ep discovery.Metadata, r *session.Record, got provider.TokenResponse) (idtoken.Identity, error) {
	id, err := t.config.IDTokens.Check(ctx, ep, got.IDToken, keys.FromTenant)
	if err != nil {
		return idtoken.Identity{}, err
	}
	bad, foreign := r.CheckRefreshed(&id.Claims, t.config.Now(), t.config.IDTokens.Leeway)
	switch {
	case foreign:
		return id, foreignToken{bad}
	case bad != nil:
		return id, bad
	}
	return id, idtoken.CheckHash(id, jwt.AccessTokenHash, got.AccessToken)
}

// keepIdentity replaces the claims of a session by newer ones, unless they are partial.
func (t *Tokens) keepIdentity(r *session.Record, id idtoken.Identity, partial bool) {
	kept, raw := r.Claims, ""
	if !partial {
		kept = string(id.Kept(t.config.KeepClaim))
		if t.config.KeepIDToken {
			raw = id.Raw
		}
	}
	r.SetIdentity(&id.Claims, kept, raw)
}

// rejectIDToken decides about a refresh whose ID token was not accepted. The session keeps
// the new refresh token: with rotation there is no other. Otherwise a rotation of the
// signing keys, a wrong clock or a wrong setting would end the tokens of every session for
// good. The session loses its refresh token only on proof that the response is not for its
// user.
func (t *Tokens) rejectIDToken(ctx context.Context, r *session.Record, raw string, err error) error {
	if err = t.prove(ctx, raw, err); isForeign(err) {
		// Nothing of the response is used, and the next request does not refresh again.
		t.config.Log.Error("auth0: the ID token of a refresh is forged or of another user; the session has lost its refresh token", "err", err)
		r.RefreshToken, r.LoginDue = "", true
		return nil
	}
	t.config.Log.Warn("auth0: the ID token of a refresh cannot be accepted; the refresh token is kept", "err", err)
	bad, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err
	}
	switch bad.Reason {
	// Without the right keys or the right time nothing is known about the token, and the
	// next refresh can succeed.
	case fault.Keys.Reason, fault.UnknownKey.Reason, fault.KeyUnusable.Reason, fault.AmbiguousKey.Reason:
		return idtoken.Outage(bad, refusal.IDTokenKeys)
	case fault.Expired.Reason, fault.NotYet.Reason, fault.IssuedAhead.Reason:
		return idtoken.Outage(bad, refusal.Clock)
	}
	return refusal.TenantAnswer.Wrap(bad)
}

// A foreignToken is the fault of an ID token that proves that a refresh returned another
// user's tokens.
type foreignToken struct{ bad *fault.Fault }

func (f foreignToken) Error() string { return f.bad.Error() }
func (f foreignToken) Unwrap() error { return f.bad }

func isForeign(err error) bool {
	_, ok := errors.AsType[foreignToken](err)
	return ok
}

// prove looks for the proof that an ID token is foreign. It returns a foreignToken for a
// proof, else the reason for rejecting the token. A valid signature over another iss is a
// proof, and so is an invalid signature with keys fetched after the token arrived.
func (t *Tokens) prove(ctx context.Context, raw string, err error) error {
	bad, ok := errors.AsType[*fault.Fault](err)
	if !ok || bad.Reason != fault.Signature.Reason && bad.Reason != fault.Issuer.Reason {
		return err
	}
	m, _ := jwt.Parse(raw) // it is well-formed, or there would be another fault
	if bad.Reason == fault.Issuer.Reason {
		switch _, signature := t.config.IDTokens.Keys.Verify(ctx, m, keys.FromTenant); {
		case signature == nil:
			return foreignToken{bad}
		case signature != fault.Signature:
			return keys.AsOutage(signature)
		}
	}
	switch confirmed := t.config.IDTokens.Keys.Confirm(ctx, m); {
	case confirmed == fault.Signature:
		return foreignToken{fault.Signature}
	case confirmed != nil:
		return keys.AsOutage(confirmed)
	}
	// The key of the kid has changed, and the token is valid with the new one. The next
	// refresh finds it.
	return fault.Keys.Because("the issuer has changed the key of kid %.80q", m.KeyID)
}
