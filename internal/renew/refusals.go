package renew

import (
	"errors"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// refusals caches the refreshes that the tenant has recently rejected, so that not
// every request of a session repeats them. The cache is bounded. A refresh that is
// no longer cached is tried again.
type refusals struct{ cache *memo.Cache[refusedRefresh] }

type refusedRefresh struct {
	refusal   *refusal.Refusal
	at, until time.Time
}

func newRefusals() refusals {
	const most = 1 << 12
	return refusals{memo.New[refusedRefresh](most)}
}

// slot differs for each refresh token, because the result of a new one is unknown.
func (rr refusals) slot(r *session.Record, w Wish) (memo.Slot, memo.Sum) {
	sum := memo.SumOf(w.key(r.ID) + r.RefreshToken)
	return rr.cache.SlotOf(string(sum[:])), sum
}

// recent returns the refusal of a refresh that must not be retried yet, nil if
// there is none.
func (rr refusals) recent(r *session.Record, w Wish) *refusal.Refusal {
	got, ok := rr.cache.Get(rr.slot(r, w))
	now := time.Now()
	if !ok || !now.Before(got.until) {
		return nil
	}
	e := *got.refusal
	e.RetryAfter = max(0, e.RetryAfter-now.Sub(got.at))
	return &e
}

// remember caches the refusal of a refresh, if an immediate retry would be useless.
func (rr refusals) remember(r *session.Record, w Wish, err error) {
	if e, ok := errors.AsType[*refusal.Refusal](err); ok {
		if hold, now := holdOf(e), time.Now(); hold > 0 {
			place, sum := rr.slot(r, w)
			rr.cache.Put(place, sum, refusedRefresh{e, now, now.Add(hold)})
		}
	}
}

// holdOf returns for how long a refusal is cached.
func holdOf(e *refusal.Refusal) time.Duration {
	const least, most = time.Second, time.Minute
	switch e.Reason {
	case refusal.TenantAnswer.Reason, refusal.TokenNotBound.Reason, refusal.SessionTokenExpired.Reason:
		return most
	case refusal.TenantDown.Reason:
		if e.TenantStatus == 0 {
			return 0 // the next request may reach the tenant
		}
	case refusal.IDTokenKeys.Reason, refusal.Clock.Reason:
	default:
		return 0
	}
	return max(least, min(e.RetryAfter, most))
}
