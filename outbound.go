package auth0

import (
	"errors"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// An outbound bounds requests to the tenant that a stranger can cause: with a
// bucket, and by leaving the tenant alone for as long as it asks. The limits of
// the tenant hold for all of its applications together, so that an outsider who
// uses them up would lock everybody out. The zero value allows nothing.
type outbound struct {
	perSecond, burst float64

	mu        sync.Mutex
	spent     float64
	at        time.Time
	heldUntil time.Time
	answer    tenantError // with which the tenant asked
}

// What strangers can cause. A site that is in use has far fewer logins: 20 in a
// second are 72,000 in an hour, on one instance.
const (
	pushedPerSecond, pushedBurst               = 20, 100 // pushed authorization requests
	refusedCodesPerSecond, refusedCodesBurst   = 20, 100 // codes that the tenant does not know
	organizationsPerSecond, organizationsBurst = 10, 50  // lists of connections of organizations

	// maxHold bounds how long the tenant is left alone, and shortestHold is for a
	// tenant that does not say for how long.
	maxHold, shortestHold = time.Minute, time.Second
)

func newOutbound(perSecond, burst float64) *outbound {
	return &outbound{perSecond: perSecond, burst: burst}
}

// take asks for one request. The error is what the caller gets instead: the tenant
// is unavailable, and when to come back.
func (o *outbound) take() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if wait := o.heldUntil.Sub(now); wait > 0 {
		e := o.answer
		e.retryAfter = wait
		return e.as(refusal.HeldBack)
	}
	o.spent = max(0, o.spent-now.Sub(o.at).Seconds()*o.perSecond)
	o.at = now
	if o.spent > o.burst-1 {
		e := refusal.HeldBack.Wrap(errHeldBack)
		e.RetryAfter = time.Duration(math.Ceil((o.spent-o.burst+1)/o.perSecond)) * time.Second
		return e
	}
	o.spent++
	return nil
}

// giveBack undoes one take, for a request that no stranger can cause.
func (o *outbound) giveBack() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spent = max(0, o.spent-1)
}

// settle learns from the outcome of a request whether the tenant wants to be left
// alone.
func (o *outbound) settle(err error) {
	e, ok := errors.AsType[tenantError](err)
	if !ok || e.status != http.StatusTooManyRequests && (e.status < 500 || e.retryAfter == 0) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = e
	o.heldUntil = time.Now().Add(min(max(e.retryAfter, shortestHold), maxHold))
}

var errHeldBack = errors.New("this instance has made as many such requests as it makes for strangers; limit the requests of an address to this route")
