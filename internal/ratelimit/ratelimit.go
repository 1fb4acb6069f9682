// Package ratelimit bounds the requests to the tenant that a stranger can cause. A
// tenant's rate limits hold for all of its applications together, so a stranger who
// uses them up would lock all users out.
//
// The package does not know the purpose of a request.
package ratelimit

import (
	"errors"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/bucket"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// A Limit is a bucket of requests. It also makes no request for as long as the tenant
// asks.
type Limit struct {
	requests *bucket.Bucket

	mu        sync.Mutex
	heldUntil time.Time         // no request before that time
	answer    tenanterror.Error // the tenant's response with that wait
}

// maxHold bounds the wait that a tenant requests. shortestHold is for a tenant that
// names no time.
const maxHold, shortestHold = time.Minute, time.Second

func newLimit(burst int, perSecond float64) *Limit {
	return &Limit{requests: bucket.New(burst, time.Duration(float64(time.Second)/perSecond))}
}

// PushedRequests returns the limit for pushed authorization requests.
func PushedRequests() *Limit { return newLimit(100, 20) }

// Codes returns the limit for codes unknown to the tenant.
func Codes() *Limit { return newLimit(100, 20) }

// Organizations returns the limit for lists of connections of organizations.
func Organizations() *Limit { return newLimit(50, 10) }

// Take takes one request. The error is a refusal with a time to retry after.
func (l *Limit) Take() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if wait := l.heldUntil.Sub(now); wait > 0 {
		e := l.answer
		e.Wait = wait
		if e.Status == http.StatusTooManyRequests {
			return e.Refusal(refusal.TenantBusy)
		}
		return e.Refusal(refusal.TenantDown)
	}
	if wait, ok := l.requests.Take(now); !ok {
		seconds := math.Ceil(wait.Seconds())
		return refusal.TenantBusy.Later(time.Duration(seconds)*time.Second, errHeldBack)
	}
	return nil
}

// GiveBack undoes one Take, for a request that no stranger can cause.
func (l *Limit) GiveBack() { l.requests.GiveBack() }

// Settle learns from the error of a request whether the tenant limits the request
// rate.
func (l *Limit) Settle(err error) {
	e, ok := tenanterror.Of(err)
	if !ok || e.Status != http.StatusTooManyRequests && (e.Status < 500 || e.Wait == 0) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = e
	l.heldUntil = time.Now().Add(min(max(e.Wait, shortestHold), maxHold))
}

var errHeldBack = errors.New("this instance has reached its limit of requests that strangers can cause; limit the requests per address to this route")
