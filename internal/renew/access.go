package renew

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// accessTokens are the tenant's tokens for its APIs. A refresh brings them.
type accessTokens struct {
	*Tokens
	wish Wish
}

// find returns the token with the fewest scopes beyond the wish. It compares the
// requested scopes: the tenant may have granted fewer, and would again.
func (a accessTokens) find(r *session.Record, at time.Time) (best session.Token, ok bool) {
	if !a.config.Client.Proofs.Same(r.ProofKey) {
		return best, false // the key of the application has changed
	}
	for i, t := range r.Tokens {
		audience := a.wish.Audience
		if audience == "" {
			audience = r.Tokens[0].Audience
		}
		asked := strings.Fields(t.Asked)
		if t.Audience != audience || t.ExpiresAt <= at.Unix() || !containsAll(asked, a.wish.Scopes) {
			continue
		}
		if i == 0 && len(a.wish.Scopes) == 0 {
			return t, true
		}
		if !ok || len(asked) < len(strings.Fields(best.Asked)) {
			best, ok = t, true
		}
	}
	return best, ok
}

func containsAll(set, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(set, w) })
}

// missing tells a token that another login brings from one that only a refresh token
// could bring. Otherwise an application could send the user to log in again and again.
func (a accessTokens) missing(r *session.Record) error {
	switch {
	case r.RefreshToken != "":
		return refusal.TenantAnswer.Because("the tenant gave a token that has expired")
	case r.LoginDue:
	case len(r.Tokens) == 0:
		return refusal.SessionToken.New()
	case a.wish.Audience != "" && a.wish.Audience != r.Tokens[0].Audience || !containsAll(strings.Fields(r.Tokens[0].Asked), a.wish.Scopes):
		return refusal.SessionToken.Because("ForAudience: the login brings no token for %.100q and %.200q, and the session has no refresh token for it; %s",
			a.wish.Audience, a.wish.Scopes, askOffline)
	}
	return refusal.SessionTokenExpired.New()
}

// askOffline says how a session gets a refresh token.
const askOffline = "ask for offline_access at the login, with Config.Scopes or WithScopes, and allow it at the tenant"

func (a accessTokens) renew(ctx context.Context, r *session.Record) (bool, error) {
	if e := a.refused.recent(r, a.wish); e != nil {
		return unchanged, e
	}
	before := r.Refreshes
	err := a.refresh(ctx, r)
	if err == nil {
		return changed, nil
	}
	if said, ok := tenanterror.Of(err); ok && said.Code == "invalid_grant" {
		return changed, a.dropRefreshToken(ctx, r, said)
	}
	if due := a.otherBinding(r, err); due != nil {
		err = due
	} else {
		err = tenanterror.Meaning(tenanterror.Refresh, err)
	}
	a.refused.remember(r, a.wish, err)
	return r.Refreshes != before, err
}

// otherBinding returns the refusal of a refresh that failed because the session began
// with keys and the application now has none, or the reverse. Another login gets tokens
// of the present kind. It returns nil if the refresh failed for another reason.
func (a accessTokens) otherBinding(r *session.Record, err error) error {
	if (r.ProofKey != "") == a.config.Client.Proofs.Binds() {
		return nil
	}
	if said, ok := tenanterror.Of(err); ok && refusesBinding(said) {
		return said.Refusal(refusal.SessionTokenExpired)
	}
	if refusal.TokenNotBound.IsOf(err) {
		return refusal.SessionTokenExpired.Wrap(err)
	}
	return nil
}

// refusesBinding reports whether the tenant can have rejected a refresh because it had no
// proof of possession, or because it had one. No standard has a code for that.
func refusesBinding(said tenanterror.Error) bool {
	return said.Status == http.StatusBadRequest &&
		slices.Contains([]string{"invalid_request", "invalid_dpop_proof", "use_dpop_nonce"}, said.Code)
}

// dropRefreshToken deletes a used, revoked or expired refresh token. The user stays
// logged in, and needs a login to get a token. In a store without leases, another process
// may have used the refresh token meanwhile: then the session is the one which that
// process has stored.
func (a accessTokens) dropRefreshToken(ctx context.Context, r *session.Record, said tenanterror.Error) error {
	if newer, err := a.config.Sessions.Newest(ctx, r); err == nil && newer.Refreshes > r.Refreshes {
		*r = *newer
		return nil
	}
	a.config.Log.Info("auth0: the refresh token of a session is not accepted any more", "err", said)
	r.RefreshToken = ""
	r.Refreshes++
	return said.Refusal(refusal.SessionTokenExpired)
}

// refresh is the refresh token grant (RFC 6749, Section 6). The tenant may have rotated
// the refresh token, so the session keeps the new one even if the rest of the response is
// unusable.
func (a accessTokens) refresh(ctx context.Context, r *session.Record) error {
	form, audience, asked := a.form(r)
	got, err := a.config.Client.Tokens(ctx, a.config.Client.Proofs.Open(r.ProofKey), form)
	if said, ok := tenanterror.Of(err); ok && said.MFA != nil {
		e := said.Refusal(refusal.MFA)
		e.Next = a.config.MFA(said.MFA, audience, asked, r)
		return e
	}
	if err == nil || got.RefreshToken != "" {
		keepRefreshToken(r, got)
	}
	if err != nil {
		return err
	}
	if got.IDToken != "" {
		ep, err := a.config.Client.Endpoints(ctx)
		if err != nil {
			return err
		}
		id, err := a.verify(ctx, ep, r, got)
		if err != nil {
			return a.rejectIDToken(ctx, r, got.IDToken, err)
		}
		// A response for fewer scopes has fewer claims.
		a.keepIdentity(r, id, form.Has("scope"))
	}
	if form.Has("audience") && !isFor(got.AccessToken, audience) {
		return refusal.TenantAnswer.Because("the token is not for %.100q; allow the application this API in its refresh token policies", audience)
	}
	keepToken(r, tokenOf(got, audience, asked, a.config.Now()))
	return nil
}

// form returns the request, and the audience and scope of its token. For the API of the
// login it names neither: the tenant then grants the same as before.
func (a accessTokens) form(r *session.Record) (form url.Values, audience, asked string) {
	form = provider.GrantForm("refresh_token")
	form.Set("refresh_token", r.RefreshToken)
	audience, asked = a.wish.Audience, strings.Join(a.wish.Scopes, " ")
	provider.SetText(form, "scope", asked)
	switch {
	case audience != "" && (len(r.Tokens) == 0 || audience != r.Tokens[0].Audience):
		form.Set("audience", audience)
	case len(r.Tokens) == 0:
	case asked == "":
		audience, asked = r.Tokens[0].Audience, r.Tokens[0].Asked
	default:
		audience = r.Tokens[0].Audience
	}
	return form, audience, asked
}

// isFor reports whether an access token is for an API, as far as the token is readable. A
// tenant that does not allow the application another API issues a token for the API of
// the login without an error. The other API must not receive that token.
func isFor(token, audience string) bool {
	m, err := jwt.Parse(token)
	if err != nil {
		return true // not a JWT
	}
	c, err := jwt.ParseClaims(m.Payload, true, 0)
	return err != nil || slices.Contains(c.Audience, audience)
}

// Continue adds to a session the tokens of a refresh that required a second factor. The
// error is a [*fault.Fault] if the ID token is not accepted. The session is then of no
// more use.
func (t *Tokens) Continue(ctx context.Context, r *session.Record, got provider.TokenResponse, audience, asked string) error {
	keepRefreshToken(r, got)
	if got.IDToken != "" {
		ep, err := t.config.Client.Endpoints(ctx)
		if err != nil {
			return err
		}
		id, err := t.verify(ctx, ep, r, got)
		if err != nil {
			return err
		}
		t.keepIdentity(r, id, false)
	}
	keepToken(r, tokenOf(got, audience, asked, t.config.Now()))
	return nil
}

// keepRefreshToken counts a response of the token endpoint, and keeps its refresh token
// if it has a new one.
func keepRefreshToken(r *session.Record, got provider.TokenResponse) {
	r.Refreshes++
	if got.RefreshToken != "" {
		r.RefreshToken = got.RefreshToken
	}
	if kept := got.Key.Kept(); kept != r.ProofKey {
		r.ProofKey = kept
		for i := range r.Tokens {
			r.Tokens[i].ExpiresAt = 0 // their key no longer exists
		}
	}
}

// keepToken replaces the matching token. Of more than eight tokens, it drops the one that
// expires first, but never the token of the login.
func keepToken(r *session.Record, t session.Token) {
	const most = 8
	for i, old := range r.Tokens {
		if old.Audience == t.Audience && (old.Asked == t.Asked || old.Scope == t.Scope) {
			if old.Asked != t.Asked {
				t.Asked = mergeScopes(old.Asked, t.Asked) // both bring the same
			}
			r.Tokens[i] = t
			return
		}
	}
	r.Tokens = append(r.Tokens, t)
	if len(r.Tokens) > most {
		first := 1
		for i := 2; i < len(r.Tokens); i++ {
			if r.Tokens[i].ExpiresAt < r.Tokens[first].ExpiresAt {
				first = i
			}
		}
		r.Tokens = slices.Delete(r.Tokens, first, first+1)
	}
}

func mergeScopes(a, b string) string {
	set := strings.Fields(a)
	for _, scope := range strings.Fields(b) {
		if !slices.Contains(set, scope) {
			set = append(set, scope)
		}
	}
	return strings.Join(set, " ")
}

// tokenOf returns an access token in the format of a session. Without a scope in the
// response it has the requested scope (RFC 6749, Section 5.1).
func tokenOf(got provider.TokenResponse, audience, asked string, now time.Time) session.Token {
	return session.Token{
		Audience: audience, Asked: asked, Scope: got.Granted(asked), Token: got.AccessToken,
		ExpiresAt: now.Add(got.Life()).Unix(),
	}
}

// KeyOf returns the key to which a token of a session is bound, the zero Key for a
// bearer token.
func (t *Tokens) KeyOf(r *session.Record, token session.Token) prover.Key {
	if token.Connection != "" {
		return prover.Key{}
	}
	return t.config.Client.Proofs.Open(r.ProofKey)
}

// OfLogin returns the access token of a login in the format of a session.
func OfLogin(t *oauth2.Token, audience, asked string, now time.Time) session.Token {
	got := provider.TokenResponse{AccessToken: t.AccessToken, ExpiresIn: float64(t.ExpiresIn), Key: prover.KeyOf(t)}
	if scope, ok := t.Extra("scope").(string); ok {
		got.Scope = &scope
	}
	return tokenOf(got, audience, asked, now)
}
