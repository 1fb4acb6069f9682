package session

import (
	"context"
	"sync"
	"time"
)

// turns exclude other goroutines from changing a session, and other processes if the
// store has leases.
type turns struct {
	locks keyLocks
	store *boundStore // nil if sessions are in cookies
}

// take waits until no other goroutine or process changes a session.
func (t *turns) take(ctx context.Context, id string) (end func(), err error) {
	unlock, err := t.locks.lock(ctx, id)
	if err != nil || t.store == nil {
		return unlock, err
	}
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, 400*time.Millisecond) {
		release, ok, err := t.store.lease(ctx, storeKey("lease", id), leaseTime(ctx))
		if err != nil {
			unlock()
			return nil, err
		}
		if ok {
			return func() { release(); unlock() }, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			unlock()
			return nil, context.Cause(ctx)
		}
	}
}

// leaseTime returns the duration of a lease that is not released: longer than a change
// with this context can take. Otherwise a second process could refresh with the same
// refresh token, which can end the session at the tenant.
func leaseTime(ctx context.Context) time.Duration {
	const least, most, more = 15 * time.Second, 2 * time.Minute, 5 * time.Second
	ends, limited := ctx.Deadline()
	if !limited {
		return least
	}
	return max(least, min(time.Until(ends)+more, most))
}

// keyLocks has a lock for each key that a goroutine holds or waits for.
type keyLocks struct {
	mu   sync.Mutex
	held map[string]*keyLock
}

type keyLock struct {
	token chan struct{} // holds one value while the lock is free
	users int
}

// lock waits for the lock of a key, for as long as ctx allows.
func (k *keyLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	l := k.enter(key)
	select {
	case <-l.token:
		return func() { l.token <- struct{}{}; k.leave(key, l) }, nil
	case <-ctx.Done():
		k.leave(key, l)
		return nil, context.Cause(ctx)
	}
}

func (k *keyLocks) enter(key string) *keyLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil {
		k.held = map[string]*keyLock{}
	}
	l := k.held[key]
	if l == nil {
		l = &keyLock{token: make(chan struct{}, 1)}
		l.token <- struct{}{}
		k.held[key] = l
	}
	l.users++
	return l
}

func (k *keyLocks) leave(key string, l *keyLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(k.held, key)
	}
}
