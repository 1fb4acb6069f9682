package renew

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// vaultTokens are third-party tokens from the tenant's Token Vault. An exchange of the
// refresh token brings them. They can outlive the session, because the third party sets
// their expiry.
type vaultTokens struct {
	*Tokens
	wish Wish
}

func (v vaultTokens) find(r *session.Record, at time.Time) (session.Token, bool) {
	i := slices.IndexFunc(r.Vault, v.isFor)
	if i < 0 || r.Vault[i].ExpiresAt <= at.Unix() {
		return session.Token{}, false
	}
	return r.Vault[i], true
}

// isFor reports whether a token matches the wish.
func (v vaultTokens) isFor(t session.Token) bool {
	return t.Connection == v.wish.Connection && t.Hint == v.wish.LoginHint
}

func (v vaultTokens) missing(r *session.Record) error {
	if r.RefreshToken == "" {
		return refusal.SessionToken.Because("the session has no refresh token; %s", askOffline)
	}
	return refusal.TenantAnswer.Because("the tenant gave a token that has expired")
}

// renew exchanges the refresh token. After a temporary failure, the session keeps its
// token. After a rejection by the tenant the session drops it, because the third party
// may not accept it any more.
func (v vaultTokens) renew(ctx context.Context, r *session.Record) (bool, error) {
	t, err := v.exchange(ctx, v.config.Client.Proofs.Open(r.ProofKey), r.RefreshToken, typeRefreshToken)
	if err == nil {
		removeVaultTokens(r, v.isFor)
		addVaultToken(r, t)
		return changed, nil
	}
	if e, _ := errors.AsType[*refusal.Refusal](err); e == nil || e.TenantStatus == 0 || e.Reason == refusal.TenantDown.Reason {
		return unchanged, err
	}
	return removeVaultTokens(r, v.isFor), err
}

// addVaultToken adds a token to a session. Of more than eight tokens, it drops the
// older one that expires first.
func addVaultToken(r *session.Record, t session.Token) {
	const most = 8
	if len(r.Vault) >= most {
		first := 0
		for i := range r.Vault {
			if r.Vault[i].ExpiresAt < r.Vault[first].ExpiresAt {
				first = i
			}
		}
		r.Vault = slices.Delete(r.Vault, first, first+1)
	}
	r.Vault = append(r.Vault, t)
	r.Refreshes++
}

// removeVaultTokens removes tokens from a session, and reports whether there were any.
func removeVaultTokens(r *session.Record, which func(session.Token) bool) bool {
	if !slices.ContainsFunc(r.Vault, which) {
		return unchanged
	}
	r.Vault = slices.DeleteFunc(r.Vault, which)
	r.Refreshes++
	return changed
}

// The grant, and the types of tokens. Auth0 defines the first two, RFC 8693, Section 3
// the others.
const (
	grantTokenVault  = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
	typeVaultToken   = "http://auth0.com/oauth/token-type/federated-connection-access-token"
	typeAccessToken  = "urn:ietf:params:oauth:token-type:access_token"
	typeRefreshToken = "urn:ietf:params:oauth:token-type:refresh_token"
)

// Exchange returns a third-party token for an access token that an API has received. It
// stores nothing.
func (t *Tokens) Exchange(ctx context.Context, accessToken string, w Wish) (session.Token, error) {
	return vaultTokens{t, w}.exchange(ctx, t.config.Client.Proofs.ForProgram(), accessToken, typeAccessToken)
}

// exchange sends a proof, as other token requests do. The third-party token is a bearer
// token nevertheless.
func (v vaultTokens) exchange(ctx context.Context, key prover.Key, subject, kind string) (session.Token, error) {
	form := provider.GrantForm(grantTokenVault)
	form.Set("subject_token", subject)
	form.Set("subject_token_type", kind)
	form.Set("requested_token_type", typeVaultToken)
	form.Set("connection", v.wish.Connection)
	provider.SetText(form, "login_hint", v.wish.LoginHint)
	got, err := v.config.Client.ThirdPartyToken(ctx, key, form)
	if err != nil {
		return session.Token{}, tenanterror.Meaning(tenanterror.TokenVault, err)
	}
	return session.Token{
		Connection: v.wish.Connection, Hint: v.wish.LoginHint, Scope: got.Granted(""), Token: got.AccessToken,
		ExpiresAt: v.config.Now().Add(got.Life()).Unix(),
	}, nil
}
