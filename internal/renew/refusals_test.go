package renew

import (
	"errors"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// TestRefusedRefreshes: a rejected refresh is not repeated for a while.
func TestRefusedRefreshes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		answer answer
		want   refusal.Row
		hold   time.Duration // 0: each request goes to the tenant
		left   time.Duration // RetryAfter of the refusal, one second later
	}{
		{"denied", says(403, `{"error":"access_denied"}`, ""), refusal.SessionTokenExpired, time.Minute, 0},
		{"blocked", says(403, `{"error":"unauthorized"}`, ""), refusal.SessionTokenExpired, time.Minute, 0},
		{"our mistake", says(400, `{"error":"invalid_scope"}`, ""), refusal.TenantAnswer, time.Minute, 0},
		{"no token", says(200, `{}`, ""), refusal.TenantAnswer, time.Minute, 0},
		{"second factor", says(403, `{"error":"mfa_required","mfa_token":"m"}`, ""), refusal.MFA, 0, 0},
		{"rate limit", says(429, "", "7"), refusal.TenantBusy, 7 * time.Second, 6 * time.Second},
		{"quota", says(429, "", "3600"), refusal.TenantBusy, time.Minute, time.Hour - time.Second},
		{"down", says(503, "", ""), refusal.TenantDown, time.Second, 0},
	} {
		inEachMode(t, aged(0), func(e *env) {
			e.set(func() { e.answer = row.answer })
			_, err := e.get(Wish{})
			e.expectRefusal(row.why, err, row.want)
			if row.hold > 0 {
				time.Sleep(row.hold - 1)
				_, err = e.get(Wish{})
				e.expectRefusal(row.why, err, row.want)
				e.expectRequests(row.why+", at once", 1)
				_, err = e.get(Wish{Audience: otherAPI})
				e.expectRefusal(row.why+", another API", err, row.want)
				e.expectRequests(row.why+", another API", 2)
				time.Sleep(time.Nanosecond)
				_, err = e.get(Wish{})
				e.expectRefusal(row.why, err, row.want)
				e.expectRequests(row.why+", later", 3)
			} else {
				_, err = e.get(Wish{})
				e.expectRefusal(row.why, err, row.want)
				e.expectRequests(row.why+", again", 2)
			}
		})
		if row.hold <= time.Second {
			continue
		}
		inMode(t, inCookies, aged(0), func(e *env) {
			e.set(func() { e.answer = row.answer })
			e.get(Wish{})
			time.Sleep(time.Second)
			_, err := e.get(Wish{})
			if got := e.expectRefusal(row.why, err, row.want); got.RetryAfter != row.left {
				e.Errorf("%s: %v left, want %v", row.why, got.RetryAfter, row.left)
			}
			time.Sleep(row.hold - time.Second - 1)
			if _, err := e.get(Wish{}); err.(*refusal.Refusal).RetryAfter < 0 {
				e.Errorf("%s: %v", row.why, err)
			}
		})
	}
}

// TestOtherBinding: the setting has changed since the login. If the tenant does not refresh
// the old tokens, the user logs in again. The tenant does not get a request each time.
func TestOtherBinding(t *testing.T) {
	t.Parallel()
	none := prover.NewKeys(false, prover.Key{}, now)
	each := prover.NewKeys(true, prover.Key{}, now)
	refuses := says(400, `{"error":"invalid_request"}`, "")
	bound := gives("new", map[string]any{"token_type": "DPoP"})
	for _, row := range []struct {
		why    string
		of     *prover.Keys // of the login
		keys   *prover.Keys
		answer answer
		want   refusal.Row
	}{
		{"switched on, refused", none, each, refuses, refusal.SessionTokenExpired},
		{"switched on, bound without a proof", none, each, bound, refusal.SessionTokenExpired},
		{"switched off, refused", each, none, refuses, refusal.SessionTokenExpired},
		{"switched off, bearer token", each, none, gives("new", nil), refusal.SessionTokenExpired},
		{"unchanged, refused", each, each, refuses, refusal.TenantAnswer},
		{"unchanged, bearer token", each, each, gives("new", nil), refusal.TokenNotBound},
		{"none, bound token", none, none, bound, refusal.TokenNotBound},
	} {
		edit := func(r *session.Record) { aged(0)(r); r.ProofKey = row.of.ForLogin().Kept() }
		inEachMode(t, edit, func(e *env) {
			e.set(func() { e.answer = row.answer })
			e.tokens.config.Client.Proofs = row.keys
			for range 2 {
				_, err := e.get(Wish{})
				e.expectRefusal(row.why, err, row.want)
				e.expectRequests(row.why, 1)
			}
			if due := row.want == refusal.SessionTokenExpired; e.kept().LoginDue != due {
				e.Errorf("%s: another login is due: %v", row.why, !due)
			}
		})
	}
}

// TestTokenOfNoUse: the session keeps the new refresh token, and drops the access token
// beside it. The API of another audience may have no bound tokens.
func TestTokenOfNoUse(t *testing.T) {
	t.Parallel()
	each, none := prover.NewKeys(true, prover.Key{}, now), prover.NewKeys(false, prover.Key{}, now)
	for _, row := range []struct {
		why, kind string
		keys      *prover.Keys
		want      refusal.Row
	}{
		{"bearer token in a session with a key", "Bearer", each, refusal.TokenNotBound},
		{"bound token in a session without a key", "DPoP", none, refusal.TokenNotBound},
		{"another kind of token", "mac", none, refusal.TenantAnswer},
	} {
		key := row.keys.ForLogin().Kept()
		inEachMode(t, func(r *session.Record) { r.ProofKey = key }, func(e *env) {
			e.set(func() { e.answer = gives("new", map[string]any{"token_type": row.kind, "refresh_token": "next"}) })
			e.tokens.config.Client.Proofs = row.keys
			for range 2 {
				_, err := e.get(Wish{Audience: otherAPI})
				e.expectRefusal(row.why, err, row.want)
				e.expectRequests(row.why, 1)
			}
			if r := e.kept(); r.RefreshToken != "next" || r.ProofKey != key || len(r.Tokens) != 1 || r.LoginDue {
				e.Errorf("%s: %+v", row.why, r)
			}
			token, err := e.get(Wish{})
			e.expectToken(row.why, token, err, "old")
		})
	}
}

// TestRefusalOfAnotherRefreshToken says nothing about this one.
func TestRefusalOfAnotherRefreshToken(t *testing.T) {
	t.Parallel()
	inMode(t, inCookies, aged(0), func(e *env) {
		e.set(func() { e.answer = says(403, `{"error":"access_denied"}`, "") })
		e.get(Wish{})
		for _, edit := range []func(*session.Record){func(r *session.Record) { r.RefreshToken = "next" }, func(r *session.Record) { r.ID = "two" }} {
			other := copyOf(e.record)
			edit(other)
			before := len(e.requests())
			e.tokens.Get(e.Context(), other, Wish{})
			e.expectRequests("another", before+1)
		}
	})
}

// TestRejectedIDTokenIsRemembered, also beside a new refresh token.
func TestRejectedIDTokenIsRemembered(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claims claims
		hold   time.Duration
	}{{claims{"exp": 1}, 5 * time.Second}, {claims{"aud": "other"}, time.Minute}} {
		inEachMode(t, aged(0), func(e *env) {
			e.set(func() {
				e.answer = gives("new", claims{"id_token": idToken(key(1), nil, row.claims), "refresh_token": "next"})
			})
			for _, step := range []struct {
				wait     time.Duration
				requests int
			}{{0, 1}, {row.hold - 1, 1}, {1, 2}} {
				time.Sleep(step.wait)
				if _, err := e.get(Wish{}); err == nil {
					e.Error("a token")
				}
				e.expectRequests("rejected", step.requests)
			}
		})
	}
}

// TestHolds: the time for which each refusal is cached.
func TestHolds(t *testing.T) {
	t.Parallel()
	rr, r := newRefusals(), &session.Record{}
	for _, row := range []struct {
		row        refusal.Row
		retryAfter time.Duration
		status     int
		want       time.Duration
	}{
		{refusal.TenantAnswer, 0, 0, time.Minute},
		{refusal.TokenNotBound, 0, 0, time.Minute},
		{refusal.SessionTokenExpired, 0, 0, time.Minute},
		{refusal.TenantDown, 0, 503, time.Second},
		{refusal.TenantDown, 5 * time.Second, 503, 5 * time.Second},
		{refusal.TenantDown, time.Hour, 503, time.Minute},
		{refusal.TenantDown, time.Hour, 0, 0},
		{refusal.IDTokenKeys, 0, 0, time.Second},
		{refusal.IDTokenKeys, 5 * time.Second, 0, 5 * time.Second},
		{refusal.Clock, time.Hour, 0, time.Minute},
		{refusal.MFA, time.Hour, 403, 0},
		{refusal.NotConnected, 0, 401, 0},
		{refusal.Canceled, 0, 0, 0},
		{refusal.NoCredential, 0, 0, 0},
		{refusal.Misconfigured, 0, 0, 0},
		{refusal.Internal, 0, 0, 0},
	} {
		e := row.row.New()
		e.RetryAfter, e.TenantStatus = row.retryAfter, row.status
		if got := holdOf(e); got != row.want {
			t.Errorf("%s, status %d: %v, want %v", row.row.Reason, row.status, got, row.want)
		}
		r.ID += "x"
		rr.remember(r, Wish{}, e)
		if _, kept := rr.cache.Get(rr.slot(r, Wish{})); kept != (row.want > 0) {
			t.Errorf("%s, status %d: kept: %v", row.row.Reason, row.status, kept)
		}
	}
	// An error of another kind is not cached.
	r.ID += "x"
	rr.remember(r, Wish{}, errors.New("of another kind"))
	if got := rr.recent(r, Wish{}); got != nil {
		t.Error(got)
	}
}
