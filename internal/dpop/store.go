package dpop

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Store records used proofs. AddCtx adds a key until its expiry, and reports whether it
// was absent.
type Store interface {
	AddCtx(ctx context.Context, key string, expiry time.Time) (added bool, err error)
}

const (
	storeTimeout = time.Second
	// maxCalls bounds the calls under way, since a call that hangs continues after its
	// caller has left.
	maxCalls = 128
)

var (
	errStoreTimeout = fmt.Errorf("the store has not answered within %v", storeTimeout)
	errStoreBusy    = errors.New("too many calls of the store are under way")
)

// Timely returns a Store whose calls return within a second, even if the application's
// store ignores the context. It turns a panic into an error.
func Timely(s Store) Store { return &timely{s, make(chan struct{}, maxCalls)} }

type timely struct {
	store Store
	slots chan struct{}
}

func (t *timely) AddCtx(ctx context.Context, key string, expiry time.Time) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, storeTimeout, errStoreTimeout)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		if err := context.Cause(ctx); err != errStoreTimeout {
			return false, err
		}
		return false, errStoreBusy
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-t.slots }()
		done <- add(ctx, t.store, key, expiry)
	}()
	select {
	case r := <-done:
		return r.added, r.err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

type result struct {
	added bool
	err   error
}

// add calls the store. A panic would end the process, because the goroutine is not one
// of net/http.
func add(ctx context.Context, s Store, key string, expiry time.Time) (r result) {
	defer func() {
		if p := recover(); p != nil {
			r = result{err: fmt.Errorf("the store has panicked: %v", p)}
		}
	}()
	r.added, r.err = s.AddCtx(ctx, key, expiry)
	return r
}
