package provider

import (
	"errors"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A Limit bounds requests to the tenant that a stranger can cause: with a
// bucket, and by leaving the tenant alone for as long as it asks. The limits of
// the tenant hold for all of its applications together, so that an outsider who
// uses them up would lock everybody out. The zero value allows nothing.
type Limit struct {
	perSecond, burst float64

	mu        sync.Mutex
	spent     float64
	at        time.Time
	heldUntil time.Time
	answer    Error // with which the tenant asked
}

// maxHold bounds how long the tenant is left alone, and shortestHold is for a
// tenant that does not say for how long.
const maxHold, shortestHold = time.Minute, time.Second

// LimitPushed returns the limit for pushed authorization requests.
func LimitPushed() *Limit { return newLimit(20, 100) }

// LimitCodes returns the limit for codes that the tenant does not know.
func LimitCodes() *Limit { return newLimit(20, 100) }

// LimitOrganizations returns the limit for lists of connections of organizations.
func LimitOrganizations() *Limit { return newLimit(10, 50) }

func newLimit(perSecond, burst float64) *Limit {
	return &Limit{perSecond: perSecond, burst: burst}
}

// Take asks for one request. The error is what the caller gets instead: the tenant
// is unavailable, and when to come back.
func (o *Limit) Take() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if wait := o.heldUntil.Sub(now); wait > 0 {
		e := o.answer
		e.Wait = wait
		return e.Refusal(refusal.TenantDown)
	}
	o.spent = max(0, o.spent-now.Sub(o.at).Seconds()*o.perSecond)
	o.at = now
	if o.spent > o.burst-1 {
		e := refusal.TenantDown.Wrap(errHeldBack)
		e.RetryAfter = time.Duration(math.Ceil((o.spent-o.burst+1)/o.perSecond)) * time.Second
		return e
	}
	o.spent++
	return nil
}

// GiveBack undoes one take, for a request that no stranger can cause.
func (o *Limit) GiveBack() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spent = max(0, o.spent-1)
}

// Settle learns from the outcome of a request whether the tenant wants to be left
// alone.
func (o *Limit) Settle(err error) {
	e, ok := errors.AsType[Error](err)
	if !ok || e.Status != http.StatusTooManyRequests && (e.Status < 500 || e.Wait == 0) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = e
	o.heldUntil = time.Now().Add(min(max(e.Wait, shortestHold), maxHold))
}

var errHeldBack = errors.New("this instance has made as many such requests as it makes for strangers; limit the requests of an address to this route")
