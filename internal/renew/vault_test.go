package renew

import (
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// TestVaultToken: each account has one token, and a new one replaces it.
func TestVaultToken(t *testing.T) {
	t.Parallel()
	inEachMode(t, nil, func(e *env) {
		hint := Wish{Connection: "photos", LoginHint: "ada"}
		for _, step := range []struct {
			wish     Wish
			token    string
			requests int
		}{
			{vault, "1", 1}, {hint, "2", 2}, {vault, "1", 2}, {hint, "2", 2},
			{Wish{Connection: "photos", LoginHint: "ada", Force: true}, "3", 3}, {hint, "3", 3}, {vault, "1", 3},
		} {
			e.set(func() { e.answer = gives(string(rune('1'+len(e.forms))), claims{"scope": "s"}) })
			token, err := e.get(step.wish)
			e.expectToken("photos", token, err, step.token)
			e.expectRequests("photos", step.requests)
			if token.Scope != "s" || token.Audience != "" {
				e.Errorf("%+v", token)
			}
		}
		want := []session.Token{
			{Connection: "photos", Scope: "s", Token: "1", ExpiresAt: in(10 * time.Minute)},
			{Connection: "photos", Hint: "ada", Scope: "s", Token: "3", ExpiresAt: in(10 * time.Minute)},
		}
		if r := e.kept(); len(r.Vault) != 2 || r.Vault[0] != want[0] || r.Vault[1] != want[1] {
			e.Errorf("%+v", r.Vault)
		}
	})
}

// TestExchange is for an API with an access token and no session.
func TestExchange(t *testing.T) {
	t.Parallel()
	inMode(t, inCookies, nil, func(e *env) {
		e.set(func() { e.answer = gives("new", claims{"scope": "s"}) })
		token, err := e.tokens.Exchange(e.Context(), "access", Wish{Connection: "photos"})
		if want := (session.Token{Connection: "photos", Scope: "s", Token: "new", ExpiresAt: in(10 * time.Minute)}); err != nil || token != want {
			e.Errorf("%+v, %v", token, err)
		}
		form := e.requests()[0]
		if form.Get("subject_token") != "access" || form.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:access_token" || form.Has("login_hint") {
			e.Errorf("%v", form)
		}
		for _, row := range []struct {
			answer answer
			want   refusal.Row
		}{
			{says(401, `{"error":"gone"}`, ""), refusal.NotConnected},
			{says(403, `{"error":"unauthorized"}`, ""), refusal.SessionTokenExpired},
			{says(503, "", ""), refusal.TenantDown},
		} {
			e.set(func() { e.answer = row.answer })
			token, err = e.tokens.Exchange(e.Context(), "access", Wish{Connection: "photos"})
			if e.expectRefusal("exchange", err, row.want); token != (session.Token{}) {
				e.Errorf("%+v", token)
			}
		}
	})
}
