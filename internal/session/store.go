package session

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
)

// A Store has the methods of the public Store. Values are opaque. Find reports
// false for a value that is absent or has expired.
type Store interface {
	Find(key string) (value []byte, found bool, err error)
	Commit(key string, value []byte, expiry time.Time) error
	Delete(key string) error
}

// Methods that a store can have in addition.
type (
	contextStore interface {
		FindCtx(ctx context.Context, key string) ([]byte, bool, error)
		CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error
		DeleteCtx(ctx context.Context, key string) error
	}
	updateStore interface {
		UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error)
	}
	leaseStore interface {
		LeaseCtx(ctx context.Context, key string, d time.Duration) (func(), bool, error)
	}
	findAllStore interface {
		FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error)
	}
	raiseStore interface {
		RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error
	}
	ownedStore interface {
		CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error
	}
)

const (
	// storeTimeout bounds one call of a store. After that, an error page is better for
	// the visitor than waiting.
	storeTimeout = time.Second
	// maxStoreCalls bounds the calls under way, since a call that hangs continues
	// after its caller has left.
	maxStoreCalls = 128
)

var (
	errStoreBusy    = errors.New("too many calls of the store are under way")
	errStoreTimeout = fmt.Errorf("the store has not answered within %v", storeTimeout)
)

// A boundStore calls a Store and returns within storeTimeout.
type boundStore struct {
	store  Store
	slots  chan struct{}
	memory *Memory // the store, if it is one. It never waits, so its calls need no goroutine
}

func newBoundStore(s Store) *boundStore {
	if s == nil {
		return nil
	}
	memory, _ := s.(*Memory)
	return &boundStore{store: s, slots: make(chan struct{}, maxStoreCalls), memory: memory}
}

// find returns the value of a key, or nil if there is none.
func (b *boundStore) find(ctx context.Context, key string) ([]byte, error) {
	return call(ctx, b, func(ctx context.Context) (value []byte, err error) {
		var found bool
		if s, ok := b.store.(contextStore); ok {
			value, found, err = s.FindCtx(ctx, key)
		} else {
			value, found, err = b.store.Find(key)
		}
		if err != nil || !found {
			return nil, err
		}
		return value, nil
	})
}

// findText is find for a value that is text. It is empty if there is none.
func (b *boundStore) findText(ctx context.Context, key string) (string, error) {
	if b.memory == nil || ctx.Err() != nil {
		value, err := b.find(ctx, key)
		return string(value), err
	}
	value, _ := b.memory.find(key)
	return value, nil
}

// findMarks is findAll for keys that are usually all absent. Then it returns nil.
func (b *boundStore) findMarks(ctx context.Context, keys []string) ([][]byte, error) {
	if b.memory != nil && ctx.Err() == nil && !b.memory.hasAny(keys) {
		return nil, nil
	}
	return b.findAll(ctx, slices.Clone(keys)) // the keys of the caller stay on its stack
}

// findAll returns the values of several keys, nil for each that is absent.
func (b *boundStore) findAll(ctx context.Context, keys []string) (values [][]byte, err error) {
	if s, ok := b.store.(findAllStore); ok {
		values, err = call(ctx, b, func(ctx context.Context) ([][]byte, error) { return s.FindAllCtx(ctx, keys...) })
		if err == nil && len(values) != len(keys) {
			err = fmt.Errorf("the store returned %d values for %d keys", len(values), len(keys))
		}
		return values, err
	}
	values = make([][]byte, len(keys))
	errs := make([]error, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		all.Go(func() { values[i], errs[i] = b.find(ctx, key) })
	}
	all.Wait()
	return values, errors.Join(errs...)
}

func (b *boundStore) commit(ctx context.Context, key string, value []byte, expiry time.Time) error {
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		if s, ok := b.store.(contextStore); ok {
			return struct{}{}, s.CommitCtx(ctx, key, value, notPast(expiry))
		}
		return struct{}{}, b.store.Commit(key, value, notPast(expiry))
	})
	return err
}

// commitOwned commits a new session of an owner.
func (b *boundStore) commitOwned(ctx context.Context, key, owner string, value []byte, expiry time.Time) error {
	s, ok := b.store.(ownedStore)
	if !ok {
		return b.commit(ctx, key, value, expiry)
	}
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.CommitOwnedCtx(ctx, key, owner, value, notPast(expiry))
	})
	return err
}

// raises reports whether the store can keep the greater of two numbers.
func (b *boundStore) raises() bool {
	_, ok := b.store.(raiseStore)
	return ok
}

// raise stores the greater of two numbers and the later of two expiries. In a store
// without RaiseCtx it replaces the value.
func (b *boundStore) raise(ctx context.Context, key string, number int64, expiry time.Time) error {
	s, ok := b.store.(raiseStore)
	if !ok {
		return b.commit(ctx, key, strconv.AppendInt(nil, number, 10), expiry)
	}
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.RaiseCtx(ctx, key, number, notPast(expiry))
	})
	return err
}

// update replaces a value and reports whether it was still present. In a store
// without UpdateCtx it calls Find first.
func (b *boundStore) update(ctx context.Context, key string, value []byte, expiry time.Time) (updated bool, err error) {
	if s, ok := b.store.(updateStore); ok {
		return call(ctx, b, func(ctx context.Context) (bool, error) { return s.UpdateCtx(ctx, key, value, notPast(expiry)) })
	}
	if old, err := b.find(ctx, key); old == nil || err != nil {
		return false, err
	}
	return true, b.commit(ctx, key, value, expiry)
}

// notPast returns an expiry that is at least a second ahead. Some stores take a
// past expiry for none, and would never delete the value.
func notPast(expiry time.Time) time.Time {
	if soon := time.Now().Add(time.Second); expiry.Before(soon) {
		return soon
	}
	return expiry
}

func (b *boundStore) delete(ctx context.Context, key string) error {
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		if s, ok := b.store.(contextStore); ok {
			return struct{}{}, s.DeleteCtx(ctx, key)
		}
		return struct{}{}, b.store.Delete(key)
	})
	return err
}

// lease reports whether the caller holds the lease of a key. In a store without
// LeaseCtx every caller does.
func (b *boundStore) lease(ctx context.Context, key string, d time.Duration) (release func(), ok bool, err error) {
	s, has := b.store.(leaseStore)
	if !has {
		return func() {}, true, nil
	}
	end, err := call(ctx, b, func(ctx context.Context) (func(), error) {
		end, ok, err := s.LeaseCtx(ctx, key, d)
		if err != nil || !ok {
			return nil, err
		}
		if ctx.Err() != nil {
			end() // its caller no longer waits
		}
		return end, context.Cause(ctx)
	})
	if end == nil || err != nil {
		return nil, false, err
	}
	return func() { b.release(ctx, end) }, true, nil
}

// release gives a lease back. If the call fails, the lease expires.
func (b *boundStore) release(ctx context.Context, end func()) {
	call(context.WithoutCancel(ctx), b, func(context.Context) (struct{}, error) { end(); return struct{}{}, nil })
}

// call runs one call of the store and returns an error if it takes too long. Some stores
// have no methods with a context. Others ignore its end, as those based on go-redis do
// without ContextTimeoutEnabled.
func call[T any](ctx context.Context, b *boundStore, f func(context.Context) (T, error)) (answer T, err error) {
	if b.memory != nil {
		if ctx.Err() != nil {
			return answer, context.Cause(ctx)
		}
		return f(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, storeTimeout, errStoreTimeout)
	defer cancel()
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		if err = context.Cause(ctx); err == errStoreTimeout {
			err = errStoreBusy
		}
		return answer, err
	}
	type result struct {
		answer T
		err    error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-b.slots }()
		defer func() {
			// A panic would end the process here, and not one request as in a
			// goroutine of net/http.
			if p := recover(); p != nil {
				done <- result{err: fmt.Errorf("the store has panicked: %v", p)}
			}
		}()
		answer, err := f(ctx)
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil {
			return answer, context.Cause(ctx)
		}
		return r.answer, r.err
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	}
}

// storeKey returns a key that hides its parts. A reader of the store must not learn
// the id of a session or the name of a user.
func storeKey(kind string, parts ...string) string {
	var texts [256]byte // enough for most
	hashed := texts[:0]
	for _, part := range parts {
		hashed = binary.BigEndian.AppendUint64(hashed, uint64(len(part)))
		hashed = append(hashed, part...)
	}
	sum := sha256.Sum256(hashed)
	var key [80]byte
	return string(base64url.AppendText(append(append(append(key[:0], "auth0:"...), kind...), ':'), sum[:]))
}
