package renew

import (
	"errors"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// refusals remembers the refreshes that the tenant has lately rejected, so that not
// every request of a session asks again. It has a limited number of them. A refresh
// that it has forgotten is tried again.
type refusals struct{ cache *memo.Cache[refusedRefresh] }

type refusedRefresh struct {
	refusal   *refusal.Refusal
	at, until time.Time
}

func newRefusals() refusals {
	const most = 1 << 12
	return refusals{memo.New[refusedRefresh](most)}
}

// slot is different for each refresh token, because nobody knows yet what a new one
// brings.
func (rr refusals) slot(r *session.Record, w Wish) (memo.Slot, memo.Sum) {
	sum := memo.SumOf(w.key(r.ID) + r.RefreshToken)
	return rr.cache.SlotOf(string(sum[:])), sum
}

// recent returns the refusal of a refresh that is not to be tried again yet, nil if
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

// remember keeps the refusal of a refresh, if it is of no use to try again at once.
func (rr refusals) remember(r *session.Record, w Wish, err error) {
	if e, ok := errors.AsType[*refusal.Refusal](err); ok {
		if hold, now := holdOf(e), time.Now(); hold > 0 {
			place, sum := rr.slot(r, w)
			rr.cache.Put(place, sum, refusedRefresh{e, now, now.Add(hold)})
		}
	}
}

// holdOf returns for how long a refusal is remembered.
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
