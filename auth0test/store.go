package auth0test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// TestStore tests a session store against the documentation of [auth0.Store]. It
// tests the methods that package auth0 uses, so those with a context if the store
// has all three of FindCtx, CommitCtx and DeleteCtx. It also tests UpdateCtx,
// LeaseCtx, FindAllCtx, RaiseCtx, AddCtx and CommitOwnedCtx if present.
//
//	func TestSessionStore(t *testing.T) {
//		auth0test.TestStore(t, newSessionStore(t))
//	}
//
// It takes a few seconds, because values have to expire. Keys are random, and are
// deleted at the end, so the store can be one in use. All errors are reported
// together, each with its consequence.
func TestStore(t TB, store auth0.Store) {
	t.Helper()
	s := newStoreTest(store)
	t.Cleanup(s.deleteAll)
	var faults []string
	for _, check := range storeChecks {
		err := s.within(time.Minute, check.run)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", check.name, err))
		}
		if errors.Is(err, errHangs) {
			break // so would the others, a minute each
		}
	}
	if len(faults) > 0 {
		t.Fatalf("auth0test: %T does not do what auth0.Store says:\n%s", store, strings.Join(faults, "\n"))
	}
}

var storeChecks = []struct {
	name string
	run  func(*storeTest) error
}{
	{"methods", (*storeTest).methods},
	{"find what is absent", (*storeTest).absent},
	{"commit and replace", (*storeTest).replace},
	{"delete", (*storeTest).deletes},
	{"values", (*storeTest).values},
	{"keys", (*storeTest).keysApart},
	{"buffers", (*storeTest).buffers},
	{"concurrency", (*storeTest).concurrency},
	{"contexts", (*storeTest).contexts},
	{"UpdateCtx", (*storeTest).updates},
	{"LeaseCtx", (*storeTest).leases},
	{"FindAllCtx", (*storeTest).findsAll},
	{"RaiseCtx", (*storeTest).raises},
	{"AddCtx", func(s *storeTest) error { return replayTest{s}.adds() }},
	{"CommitOwnedCtx", (*storeTest).owned},
	{"expiry", (*storeTest).expiry},
}

// The optional methods beyond [auth0.Store].
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
	addStore interface {
		AddCtx(ctx context.Context, key string, expiry time.Time) (bool, error)
	}
	ownedStore interface {
		CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error
	}
)

// A storeTest tests one store. Its context, update, lease, findAll, raise, only and
// own are nil if the store lacks them.
type storeTest struct {
	store   auth0.Store
	context contextStore
	update  updateStore
	lease   leaseStore
	findAll findAllStore
	raise   raiseStore
	only    addStore
	own     ownedStore

	mu   sync.Mutex
	used []string
}

func newStoreTest(store auth0.Store) *storeTest {
	s := &storeTest{store: store}
	s.context, _ = store.(contextStore)
	s.update, _ = store.(updateStore)
	s.lease, _ = store.(leaseStore)
	s.findAll, _ = store.(findAllStore)
	s.raise, _ = store.(raiseStore)
	s.only, _ = store.(addStore)
	s.own, _ = store.(ownedStore)
	return s
}

// aLongTime is an expiry beyond the end of every check.
func aLongTime() time.Time { return time.Now().Add(time.Hour) }

// key returns an unused key.
func (s *storeTest) key() string { return s.uses("auth0:test:" + rand.Text()) }

func (s *storeTest) uses(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = append(s.used, key)
	return key
}

func (s *storeTest) deleteAll() {
	s.mu.Lock()
	used := slices.Clone(s.used)
	s.mu.Unlock()
	s.within(time.Minute, func(s *storeTest) error {
		for _, key := range used {
			s.remove(key)
		}
		return nil
	})
}

func (s *storeTest) find(key string) ([]byte, bool, error) {
	if s.context != nil {
		return s.context.FindCtx(context.Background(), key)
	}
	return s.store.Find(key)
}

func (s *storeTest) commit(key string, value []byte, expiry time.Time) error {
	var err error
	if s.context != nil {
		err = s.context.CommitCtx(context.Background(), key, value, expiry)
	} else {
		err = s.store.Commit(key, value, expiry)
	}
	if err != nil {
		return fmt.Errorf("cannot commit %d bytes for the key %q: %w", len(value), key, err)
	}
	return nil
}

func (s *storeTest) remove(key string) error {
	var err error
	if s.context != nil {
		err = s.context.DeleteCtx(context.Background(), key)
	} else {
		err = s.store.Delete(key)
	}
	if err != nil {
		return fmt.Errorf("cannot delete the key %q: %w", key, err)
	}
	return nil
}

// wants reports an error unless the key has the value. Why is the consequence.
func (s *storeTest) wants(key string, value []byte, why string) error {
	got, found, err := s.find(key)
	switch {
	case err != nil:
		return fmt.Errorf("cannot find the key %q: %w", key, err)
	case !found:
		return fmt.Errorf("the value of the key %q is not found; %s", key, why)
	case !bytes.Equal(got, value):
		return fmt.Errorf("the value of the key %q is %s, not %s; %s", key, short(got), short(value), why)
	}
	return nil
}

// wantsNone is wants for a key without a value.
func (s *storeTest) wantsNone(key, why string) error {
	got, found, err := s.find(key)
	switch {
	case err != nil:
		return fmt.Errorf("finding a key that is not there is an error: %w; return false and no error, else a user whose session has ended is told that the store is down", err)
	case found:
		return fmt.Errorf("the key %q has the value %s; %s", key, short(got), why)
	}
	return nil
}

func short(value []byte) string {
	if len(value) > 40 {
		return fmt.Sprintf("%q... (%d bytes)", value[:40], len(value))
	}
	return fmt.Sprintf("%q", value)
}

var errHangs = errors.New("does not return")

// within runs a check that can hang or panic.
func (s *storeTest) within(limit time.Duration, check func(*storeTest) error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panics: %v", p)
			}
		}()
		done <- check(s)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%w within %v", errHangs, limit)
	}
}

// together runs a check n times concurrently, and returns the first error.
func (s *storeTest) together(n int, check func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			errs[i] = s.within(time.Minute, func(*storeTest) error { return check(i) })
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// inTurn runs steps until one fails.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// methods looks for methods that package auth0 would not recognize.
func (s *storeTest) methods() error {
	expected := []struct {
		name   string
		ok     bool
		remedy string
	}{
		{"FindCtx", s.context != nil, "the methods without a context are used; they need CommitCtx and DeleteCtx beside them"},
		{"CommitCtx", s.context != nil, "the methods without a context are used; they need FindCtx and DeleteCtx beside them"},
		{"DeleteCtx", s.context != nil, "the methods without a context are used; they need FindCtx and CommitCtx beside them"},
		{"UpdateCtx", s.update != nil, "a logout can be undone by a request that is under way"},
		{"LeaseCtx", s.lease != nil, "several instances refresh the tokens of a session at once"},
		{"FindAllCtx", s.findAll != nil, "values are found one by one"},
		{"RaiseCtx", s.raise != nil, "a back-channel logout writes about 20 values instead of one"},
		{"AddCtx", s.only != nil, "the store cannot remember DPoP proofs"},
		{"CommitOwnedCtx", s.own != nil, "the store cannot limit the sessions of one user"},
	}
	for _, e := range expected {
		if m := reflect.ValueOf(s.store).MethodByName(e.name); m.IsValid() && !e.ok {
			return fmt.Errorf("%s is not used, for it is a %v, or not all that belongs to it is there (see auth0.Store): %s", e.name, m.Type(), e.remedy)
		}
	}
	return nil
}

func (s *storeTest) absent() error {
	return s.wantsNone(s.key(), "it was never committed, and a visitor who makes up a key would have a session")
}

func (s *storeTest) replace() error {
	key, other := s.key(), s.key()
	return inTurn(
		func() error { return s.commit(key, []byte("first"), aLongTime()) },
		func() error { return s.commit(other, []byte("other"), aLongTime()) },
		func() error { return s.wants(key, []byte("first"), "no user would stay logged in") },
		func() error { return s.commit(key, []byte("second"), aLongTime()) },
		func() error {
			return s.wants(key, []byte("second"), "Commit must replace a value: changes to a session would be lost")
		},
		func() error { return s.wants(other, []byte("other"), "another key was committed, not this one") },
	)
}

func (s *storeTest) deletes() error {
	key, other := s.key(), s.key()
	return inTurn(
		func() error {
			if err := s.remove(key); err != nil {
				return fmt.Errorf("%w; deleting a missing key is not an error, else the second click on a logout button fails", err)
			}
			return nil
		},
		func() error { return s.commit(key, []byte("value"), aLongTime()) },
		func() error { return s.commit(other, []byte("other"), aLongTime()) },
		func() error { return s.remove(key) },
		func() error { return s.wantsNone(key, "it was deleted, and a logout would not end the session") },
		func() error {
			return s.wants(other, []byte("other"), "another key was deleted, and another user would be logged out")
		},
		func() error { return s.commit(key, []byte("again"), aLongTime()) },
		func() error { return s.wants(key, []byte("again"), "it was committed after it had been deleted") },
	)
}

// values are at most 64 KiB of any bytes.
func (s *storeTest) values() error {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := make([]byte, 64<<10)
	rand.Read(large)
	for _, value := range [][]byte{{0}, []byte(" \x00\r\n "), {0xff, 0xfe}, every, large} {
		key := s.key()
		if err := s.commit(key, value, aLongTime()); err != nil {
			return fmt.Errorf("%w; a value is up to 64 KiB", err)
		}
		if err := s.wants(key, value, "a value is bytes, not text, and a changed one does not open: the user would be logged out"); err != nil {
			return err
		}
	}
	return nil
}

// keysApart commits the longest keys with every allowed character, and keys that
// some stores mistake for one.
func (s *storeTest) keysApart() error {
	const all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:"
	random := "auth0:" + rand.Text()
	begin := all + random[:80-len(all)-1]
	sets := [][]string{
		{begin + "A", begin + "a", begin + "B", begin},
		{random + "_", random + "-", random + ":", random + "A"},
	}
	for _, keys := range sets {
		for i, key := range keys {
			if err := s.commit(s.uses(key), fmt.Appendf(nil, "value %d", i), aLongTime()); err != nil {
				return fmt.Errorf("%w; a key has up to 80 characters", err)
			}
		}
		for i, key := range keys {
			if err := s.wants(key, fmt.Appendf(nil, "value %d", i), "keys that differ in one character, its case or the last of 80, are different, else one user has the session of another"); err != nil {
				return err
			}
		}
	}
	return nil
}

// buffers: the store must not share memory with the caller.
func (s *storeTest) buffers() error {
	key, buffer := s.key(), []byte("value")
	if err := s.commit(key, buffer, aLongTime()); err != nil {
		return err
	}
	buffer[0] = 'X'
	if err := s.wants(key, []byte("value"), "Commit has kept the caller's slice, which is written to again: copy it"); err != nil {
		return err
	}
	if got, _, err := s.find(key); err == nil && len(got) > 0 {
		got[0] = 'X'
	}
	return s.wants(key, []byte("value"), "Find has returned the store's own slice, and the caller has written to it: copy it")
}

func (s *storeTest) concurrency() error {
	const callers, rounds = 16, 10
	shared := s.key()
	return s.together(callers, func(i int) error {
		ours := bytes.Repeat([]byte{byte(i)}, 1000)
		for range rounds {
			if err := s.alone(i, s.key()); err != nil {
				return fmt.Errorf("with %d callers at a time: %w", callers, err)
			}
			if err := s.commit(shared, ours, aLongTime()); err != nil {
				return err
			}
			value, found, err := s.find(shared)
			if err != nil {
				return err
			}
			if !found || len(value) != len(ours) || !bytes.Equal(value, bytes.Repeat(value[:1], len(value))) {
				return fmt.Errorf("with %d callers that commit one key, the value is %s, which no caller has committed: a session would be damaged", callers, short(value))
			}
		}
		return nil
	})
}

// alone uses a key that no other caller uses.
func (s *storeTest) alone(i int, key string) error {
	const why = "no other caller uses this key: methods must be safe for concurrent use"
	for _, value := range [][]byte{fmt.Appendf(nil, "first of %d", i), fmt.Appendf(nil, "second of %d", i)} {
		if err := s.commit(key, value, aLongTime()); err != nil {
			return err
		}
		if err := s.wants(key, value, why); err != nil {
			return err
		}
	}
	if err := s.remove(key); err != nil {
		return err
	}
	return s.wantsNone(key, why)
}

// contexts: with a canceled one a store may reject or do the operation, but it must
// neither hang nor report a false result.
func (s *storeTest) contexts() error {
	if s.context == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, check := range []func(context.Context) error{s.cancelledFind, s.cancelledCommit, s.cancelledDelete, s.cancelledUpdate, s.cancelledLease, s.cancelledFindAll, s.cancelledRaise, replayTest{s}.cancelled, s.cancelledOwned} {
		err := s.within(5*time.Second, func(*storeTest) error { return check(ctx) })
		if errors.Is(err, errHangs) {
			return fmt.Errorf("a method was called with a canceled context, and %v: requests would wait for a store that is down", err)
		}
		if err != nil {
			return fmt.Errorf("with a canceled context %w", err)
		}
	}
	return nil
}

func (s *storeTest) cancelledFind(ctx context.Context) error {
	key := s.key()
	if err := s.commit(key, []byte("value"), aLongTime()); err != nil {
		return err
	}
	if value, found, err := s.context.FindCtx(ctx, key); err == nil && (!found || string(value) != "value") {
		return fmt.Errorf("FindCtx returns %s, %v and no error for a key that has a value: the user would be logged out because of a slow answer", short(value), found)
	}
	return nil
}

func (s *storeTest) cancelledCommit(ctx context.Context) error {
	key := s.key()
	if err := s.context.CommitCtx(ctx, key, []byte("value"), aLongTime()); err != nil {
		return nil
	}
	return s.wants(key, []byte("value"), "CommitCtx has returned no error, so the browser would get the cookie of a session that is not there")
}

func (s *storeTest) cancelledDelete(ctx context.Context) error {
	key := s.key()
	if err := s.commit(key, []byte("value"), aLongTime()); err != nil {
		return err
	}
	if err := s.context.DeleteCtx(ctx, key); err != nil {
		return nil
	}
	return s.wantsNone(key, "DeleteCtx has returned no error, so the user would believe to be logged out")
}

func (s *storeTest) cancelledUpdate(ctx context.Context) error {
	if s.update == nil {
		return nil
	}
	key := s.key()
	if err := s.commit(key, []byte("first"), aLongTime()); err != nil {
		return err
	}
	updated, err := s.update.UpdateCtx(ctx, key, []byte("second"), aLongTime())
	switch {
	case err != nil:
		return nil
	case !updated:
		return errors.New("UpdateCtx returns false and no error for a key that has a value: the user would be logged out because of a slow answer")
	}
	return s.wants(key, []byte("second"), "UpdateCtx has returned true")
}

func (s *storeTest) cancelledLease(ctx context.Context) error {
	if s.lease == nil {
		return nil
	}
	if release, ok, err := s.lease.LeaseCtx(ctx, s.key(), time.Second); err == nil && ok && release != nil {
		release()
	}
	return nil
}

func (s *storeTest) cancelledFindAll(ctx context.Context) error {
	if s.findAll == nil {
		return nil
	}
	key := s.key()
	if err := s.commit(key, []byte("value"), aLongTime()); err != nil {
		return err
	}
	if values, err := s.findAll.FindAllCtx(ctx, key); err == nil && (len(values) != 1 || string(values[0]) != "value") {
		return fmt.Errorf("FindAllCtx returns %q and no error for a key that has a value: a session that was ended would go on because of a slow answer", values)
	}
	return nil
}

func (s *storeTest) cancelledRaise(ctx context.Context) error {
	if s.raise == nil {
		return nil
	}
	key := s.key()
	if err := s.raise.RaiseCtx(ctx, key, 7, aLongTime()); err != nil {
		return nil
	}
	return s.wants(key, []byte("7"), "RaiseCtx has returned no error, so the user would believe to be logged out")
}

func (s *storeTest) cancelledOwned(ctx context.Context) error {
	if s.own == nil {
		return nil
	}
	key := s.key()
	if err := s.own.CommitOwnedCtx(ctx, key, s.key(), []byte("value"), aLongTime()); err != nil {
		return nil
	}
	return s.wants(key, []byte("value"), "CommitOwnedCtx has returned no error, so the browser would get the cookie of a session that is not there")
}

// A replayTest tests AddCtx, if a store has it.
type replayTest struct{ *storeTest }

func (s replayTest) cancelled(ctx context.Context) error {
	if s.only == nil {
		return nil
	}
	key := s.key()
	if added, err := s.only.AddCtx(ctx, key, aLongTime()); err != nil || !added {
		return nil
	}
	return s.addsTo(key, false, "AddCtx has returned true and no error before")
}

func (s *storeTest) updates() error {
	if s.update == nil {
		return nil
	}
	const revived = "it was deleted, and UpdateCtx must not bring it back: a request under way would undo a logout"
	key, other := s.key(), s.key()
	return inTurn(
		func() error { return s.updatesTo(key, "never", false) },
		func() error {
			return s.wantsNone(key, "it was never committed: UpdateCtx must not create a value, or a request under way would undo a logout")
		},
		func() error { return s.commit(key, []byte("first"), aLongTime()) },
		func() error { return s.commit(other, []byte("other"), aLongTime()) },
		func() error { return s.updatesTo(key, "second", true) },
		func() error {
			return s.wants(key, []byte("second"), "UpdateCtx has returned true: changes to a session would be lost")
		},
		func() error { return s.wants(other, []byte("other"), "another key was updated") },
		func() error { return s.remove(key) },
		func() error { return s.updatesTo(key, "third", false) },
		func() error { return s.wantsNone(key, revived) },
		s.updatesBesideDelete,
	)
}

func (s *storeTest) updatesTo(key, value string, want bool) error {
	updated, err := s.update.UpdateCtx(context.Background(), key, []byte(value), aLongTime())
	switch {
	case err != nil:
		return fmt.Errorf("cannot update: %w; if there is no value, return false and no error", err)
	case updated && !want:
		return errors.New("returns true for a key that has no value: the user would continue in a session that has ended")
	case want && !updated:
		return errors.New("returns false for a key that has a value: the user would be logged out")
	}
	return nil
}

// updatesBesideDelete: in any order, nothing remains.
func (s *storeTest) updatesBesideDelete() error {
	const rounds, updaters = 40, 4
	for range rounds {
		key := s.key()
		if err := s.commit(key, []byte("first"), aLongTime()); err != nil {
			return err
		}
		err := s.together(updaters+1, func(i int) error {
			if i == updaters/2 { // in the midst of them, in any schedule
				return s.remove(key)
			}
			_, err := s.update.UpdateCtx(context.Background(), key, []byte("second"), aLongTime())
			return err
		})
		if err != nil {
			return err
		}
		if err := s.wantsNone(key, "it was deleted while it was updated: UpdateCtx must look and write in one step, or a request under way would undo a logout"); err != nil {
			return err
		}
	}
	return nil
}

// held takes a lease, or fails to, as expected.
func (s *storeTest) held(key string, d time.Duration, want bool, why string) (release func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // a lease outlives the call
	release, ok, err := s.lease.LeaseCtx(ctx, key, d)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot lease: %w; if another caller has the lease, return false and no error", err)
	case ok && release == nil:
		return nil, errors.New("returns true and no function to release the lease")
	case ok && !want:
		release()
		return nil, fmt.Errorf("a second caller gets the lease; %s", why)
	case want && !ok:
		return nil, fmt.Errorf("does not give the lease; %s", why)
	}
	return release, nil
}

const (
	twoHolders = "two would use a refresh token at once, which a tenant takes for a theft"
	noHolder   = "tokens would not be refreshed, and requests would wait"
)

func (s *storeTest) leases() error {
	if s.lease == nil {
		return nil
	}
	key, other := s.key(), s.key()
	var first, second, third func()
	return inTurn(
		s.oneHolder,
		func() (err error) {
			first, err = s.held(key, time.Minute, true, "nobody has it; "+noHolder)
			return err
		},
		func() (err error) {
			time.Sleep(50 * time.Millisecond) // time for a store to notice that the context is done
			_, err = s.held(key, time.Minute, false, "it is held, and also after the context of LeaseCtx is done: "+twoHolders)
			return err
		},
		func() (err error) {
			third, err = s.held(other, time.Minute, true, "it is for another key; "+noHolder)
			return err
		},
		func() error { third(); first(); return nil },
		func() (err error) {
			second, err = s.held(key, time.Minute, true, "it was released; "+noHolder)
			return err
		},
		func() (err error) {
			first()
			_, err = s.held(key, time.Minute, false, "the holder before has released it twice, which freed it: "+twoHolders)
			return err
		},
		func() error { second(); return nil },
	)
}

// oneHolder lets 16 callers try to acquire a lease concurrently.
func (s *storeTest) oneHolder() error {
	key := s.key()
	var mu sync.Mutex
	var releases []func()
	err := s.together(16, func(int) error {
		release, ok, err := s.lease.LeaseCtx(context.Background(), key, time.Minute)
		if err == nil && ok {
			mu.Lock()
			defer mu.Unlock()
			releases = append(releases, release)
		}
		return err
	})
	for _, release := range releases {
		if release != nil {
			release()
		}
	}
	if err == nil && len(releases) != 1 {
		err = fmt.Errorf("of 16 callers at once %d get the lease, not 1: %s", len(releases), twoHolders)
	}
	return err
}

func (s *storeTest) findsAll() error {
	if s.findAll == nil {
		return nil
	}
	a, b, c := s.key(), s.key(), s.key()
	for _, key := range []string{a, b, c} {
		if err := s.commit(key, []byte(key), aLongTime()); err != nil {
			return err
		}
	}
	for _, keys := range [][]string{{s.key(), c, a, s.key(), b}, {b, a}, {a}, {s.key()}} {
		values, err := s.findAll.FindAllCtx(context.Background(), keys...)
		if err != nil {
			return fmt.Errorf("cannot find %d keys: %w; for those that are not there, return nil and no error", len(keys), err)
		}
		if len(values) != len(keys) {
			return fmt.Errorf("returns %d values for %d keys; nil stands for those that are not there", len(values), len(keys))
		}
		for i, key := range keys {
			switch there := key == a || key == b || key == c; {
			case !there && values[i] != nil:
				return fmt.Errorf("value %d of %d is %s, not nil, and the key is not there: sessions would be taken for ended", i+1, len(keys), short(values[i]))
			case there && string(values[i]) != key:
				return fmt.Errorf("value %d of %d is %s, not %q, so they are not in the order of the keys: an ended session would go on", i+1, len(keys), short(values[i]), key)
			}
		}
	}
	return nil
}

func (s *storeTest) raisesTo(key string, number int64, expiry time.Time) error {
	if err := s.raise.RaiseCtx(context.Background(), key, number, expiry); err != nil {
		return fmt.Errorf("cannot raise the number of the key %q: %w", key, err)
	}
	return nil
}

func (s *storeTest) raises() error {
	if s.raise == nil {
		return nil
	}
	const lower = "a number only grows: a logout token that was delayed would take a later logout back"
	key, other, text := s.key(), s.key(), s.key()
	steps := []func() error{
		func() error { return s.raisesTo(other, 5, aLongTime()) },
		func() error { return s.commit(text, []byte("text"), aLongTime()) },
		func() error { return s.raisesTo(text, 5, aLongTime()) },
		func() error { return s.wants(text, []byte("text"), "a value that is not a number stays unchanged") },
	}
	for _, tt := range []struct {
		to   int64
		want string
		why  string
	}{
		{0, "0", "a number is stored as decimal text"},
		{9, "9", "the greater number counts"},
		{10, "10", "the greater number counts, not the one that sorts last as text"},
		{9, "10", lower},
		{10, "10", lower},
		{1_790_000_000, "1790000000", "a number is stored as decimal text, with all digits"},
		{1_789_999_999, "1790000000", lower},
		{1<<53 - 1, "9007199254740991", "a number is up to 1<<53, with all digits"},
		{1 << 53, "9007199254740992", "a number is up to 1<<53, with all digits"},
		{1<<53 - 1, "9007199254740992", lower},
	} {
		steps = append(steps,
			func() error { return s.raisesTo(key, tt.to, aLongTime()) },
			func() error { return s.wants(key, []byte(tt.want), tt.why) },
		)
	}
	return inTurn(append(steps,
		func() error { return s.wants(other, []byte("5"), "another key was raised") },
		func() error { return s.remove(key) },
		func() error { return s.raisesTo(key, 3, aLongTime()) },
		func() error { return s.wants(key, []byte("3"), "it was deleted before") },
		s.raisesTogether,
	)...)
}

// raisesTogether: of several concurrent callers the greatest number remains.
func (s *storeTest) raisesTogether() error {
	const rounds, callers = 20, 8
	for range rounds {
		key := s.key()
		err := s.together(callers, func(i int) error {
			// The greatest is in the midst of them, in any schedule.
			return s.raisesTo(key, int64(100+(i+callers/2)%callers), aLongTime())
		})
		if err != nil {
			return err
		}
		if err := s.wants(key, fmt.Append(nil, 100+callers-1), "it is not the greatest of those that were raised at once: RaiseCtx must compare and write in one step, or one logout would take another back"); err != nil {
			return err
		}
	}
	return nil
}

func (s replayTest) addsTo(key string, want bool, why string) error {
	return s.addsUntil(key, aLongTime(), want, why)
}

func (s replayTest) addsUntil(key string, expiry time.Time, want bool, why string) error {
	added, err := s.only.AddCtx(context.Background(), key, expiry)
	switch {
	case err != nil:
		return fmt.Errorf("cannot add the key %q: %w; if it is there, return false and no error", key, err)
	case added != want:
		return fmt.Errorf("returns %v for the key %q, not %v; %s", added, key, want, why)
	}
	return nil
}

const (
	twice  = "an attacker could replay a DPoP proof"
	unused = "the requests of honest clients would be rejected"
)

func (s replayTest) adds() error {
	if s.only == nil {
		return nil
	}
	key, other, there := s.key(), s.key(), s.key()
	return inTurn(
		func() error { return s.addsTo(key, true, "nobody has added it: "+unused) },
		func() error { return s.addsTo(key, false, "it was added before: "+twice) },
		func() error { return s.addsTo(other, true, "another key was added: "+unused) },
		func() error { return s.addsTo(key, false, "it was added twice before: "+twice) },
		func() error { return s.commit(there, []byte("value"), aLongTime()) },
		func() error { return s.addsTo(there, false, "it has a value, which AddCtx must not replace") },
		func() error { return s.wants(there, []byte("value"), "AddCtx must not replace a value") },
		func() error { return s.remove(key) },
		func() error { return s.addsTo(key, true, "it was deleted: "+unused) },
		s.addsTogether,
	)
}

// addsTogether: of several concurrent callers, one adds the key.
func (s replayTest) addsTogether() error {
	const rounds, callers = 20, 16
	for range rounds {
		key := s.key()
		var added atomic.Int64
		err := s.together(callers, func(int) error {
			ok, err := s.only.AddCtx(context.Background(), key, aLongTime())
			if ok {
				added.Add(1)
			}
			return err
		})
		if err != nil {
			return err
		}
		if n := added.Load(); n != 1 {
			return fmt.Errorf("of %d callers at once %d add the key, not 1; AddCtx must look and write in one step: %s", callers, n, twice)
		}
	}
	return nil
}

// owned: CommitOwnedCtx must do all that CommitCtx does. It does not test whether a
// store then limits the sessions of an owner.
func (s *storeTest) owned() error {
	if s.own == nil {
		return nil
	}
	key, other, ada, bob := s.key(), s.key(), s.key(), s.key()
	commit := func(key, owner, value string) func() error {
		return func() error {
			if err := s.own.CommitOwnedCtx(context.Background(), key, owner, []byte(value), aLongTime()); err != nil {
				return fmt.Errorf("cannot commit a value of an owner: %w", err)
			}
			return nil
		}
	}
	wants := func(key, value, why string) func() error {
		return func() error { return s.wants(key, []byte(value), why) }
	}
	return inTurn(
		commit(key, ada, "first"),
		wants(key, "first", "no user would stay logged in"),
		commit(other, bob, "other"),
		commit(key, ada, "second"),
		wants(key, "second", "CommitOwnedCtx must replace a value"),
		wants(other, "other", "another key was committed, of another owner"),
		func() error { return s.commit(key, []byte("third"), aLongTime()) },
		wants(key, "third", "CommitCtx must replace a value that has an owner"),
		func() error { return s.remove(key) },
		func() error { return s.wantsNone(key, "it was deleted, and a logout would not end the session") },
		wants(other, "other", "another key was deleted, of another owner"),
		func() error { return s.wantsNone(ada, "it is an owner, not a key") },
		commit(key, bob, "again"),
		wants(key, "again", "it was committed after it had been deleted"),
	)
}

const (
	// soon is when the values of the check expire. Some stores count in seconds, so
	// nothing is asserted about the second before and after.
	soon  = 2 * time.Second
	grain = time.Second
	// slack is how late a store may notice that a value has expired.
	slack = 2 * time.Second
)

// A lifetime is a set of values of which some expire soon.
type lifetime struct {
	expires                   time.Time
	gone, stays               []string
	raised, lengthened, lower string // numbers, see RaiseCtx
	added, kept               string // keys of AddCtx
}

// expiry starts everything that expires before it waits, once.
func (s *storeTest) expiry() error {
	l := &lifetime{expires: time.Now().Add(soon), raised: s.key(), lengthened: s.key(), lower: s.key(), added: s.key(), kept: s.key()}
	plain := s.key()
	err := inTurn(
		func() error { return l.beginCommitted(s, plain) },
		func() error { return l.beginOptional(s) },
		func() error { return s.notYet(plain, l.expires) },
	)
	if err != nil {
		return err
	}
	leased := s.key()
	old, err := s.leaseUntil(leased, l.expires)
	if err != nil {
		return err
	}
	time.Sleep(time.Until(l.expires))
	return inTurn(
		func() error { return s.areGone(l.gone, l.expires.Add(slack)) },
		func() error { return l.addsAgain(s) },
		func() error { return l.stay(s) },
		func() error { return s.leaseIsOver(leased, old, l.expires.Add(slack)) },
	)
}

// beginCommitted starts values whose expiry Commit sets and changes.
func (l *lifetime) beginCommitted(s *storeTest, plain string) error {
	shortened, prolonged := s.key(), s.key()
	l.gone, l.stays = append(l.gone, plain, shortened), append(l.stays, prolonged)
	return inTurn(
		func() error { return s.commit(plain, []byte("value"), l.expires) },
		func() error { return s.commit(shortened, []byte("value"), aLongTime()) },
		func() error { return s.commit(shortened, []byte("value"), l.expires) },
		func() error { return s.commit(prolonged, []byte("value"), l.expires) },
		func() error { return s.commit(prolonged, []byte("value"), aLongTime()) },
	)
}

// beginOptional starts values whose expiry the optional methods set.
func (l *lifetime) beginOptional(s *storeTest) error {
	var steps []func() error
	if s.update != nil {
		updated, kept := s.key(), s.key()
		l.gone, l.stays = append(l.gone, updated), append(l.stays, kept)
		steps = append(steps,
			func() error { return s.commit(updated, []byte("value"), aLongTime()) },
			func() error { return s.updateUntil(updated, l.expires) },
			func() error { return s.commit(kept, []byte("value"), l.expires) },
			func() error { return s.updateUntil(kept, aLongTime()) },
		)
	}
	if s.own != nil {
		of := s.key()
		l.gone = append(l.gone, of)
		steps = append(steps, func() error {
			return s.own.CommitOwnedCtx(context.Background(), of, s.key(), []byte("value"), l.expires)
		})
	}
	if s.raise != nil {
		l.gone = append(l.gone, l.raised)
		steps = append(steps,
			func() error { return s.raisesTo(l.raised, 5, l.expires) },
			func() error { return s.raisesTo(l.lengthened, 5, l.expires) },
			func() error { return s.raisesTo(l.lengthened, 4, aLongTime()) },
			func() error { return s.raisesTo(l.lower, 5, aLongTime()) },
			func() error { return s.raisesTo(l.lower, 6, l.expires) },
		)
	}
	if s.only != nil {
		steps = append(steps,
			func() error { return replayTest{s}.addsUntil(l.added, l.expires, true, unused) },
			func() error { return replayTest{s}.addsUntil(l.kept, aLongTime(), true, unused) },
			func() error { return replayTest{s}.addsUntil(l.kept, l.expires, false, twice) },
		)
	}
	return inTurn(steps...)
}

// stay checks the values whose last expiry is far away.
func (l *lifetime) stay(s *storeTest) error {
	for _, key := range l.stays {
		if err := s.wants(key, []byte("value"), "the last Commit or UpdateCtx has given it an hour, and the earlier expiry counts: the user would be logged out while working"); err != nil {
			return err
		}
	}
	if s.raise == nil {
		return nil
	}
	const why = "the later of the two expiries counts, whichever number is greater: sessions that were ended would go on"
	return inTurn(
		func() error { return s.wants(l.lengthened, []byte("5"), why) },
		func() error { return s.wants(l.lower, []byte("6"), why) },
		// An expired value no longer counts.
		func() error { return s.raisesTo(l.raised, 1, aLongTime()) },
		func() error { return s.wants(l.raised, []byte("1"), "the number of before has expired") },
	)
}

// addsAgain: an expired key can be added, and any other cannot.
func (l *lifetime) addsAgain(s *storeTest) error {
	if s.only == nil {
		return nil
	}
	if err := (replayTest{s}).addsTo(l.kept, false, "it has an hour, and the expiry of the call that has not added it counts: "+twice); err != nil {
		return err
	}
	for {
		err := replayTest{s}.addsTo(l.added, true, "it has expired; the store would grow for ever")
		if err == nil || time.Now().After(l.expires.Add(slack)) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *storeTest) updateUntil(key string, expiry time.Time) error {
	_, err := s.update.UpdateCtx(context.Background(), key, []byte("value"), expiry)
	return err
}

// notYet looks for a value before it expires, unless it is too late.
func (s *storeTest) notYet(key string, expires time.Time) error {
	_, found, err := s.find(key)
	if err == nil && !found && time.Until(expires) > grain {
		return fmt.Errorf("a value is gone more than %v before it expires: users would be logged out early", grain)
	}
	return err
}

func (s *storeTest) areGone(keys []string, deadline time.Time) error {
	const why = "it has expired: sessions would have no end (if it is found for hours, see how the store treats time zones)"
	for _, key := range keys {
		err := s.wantsNone(key, why)
		for err != nil && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
			err = s.wantsNone(key, why)
		}
		if err != nil {
			return err
		}
	}
	if s.findAll != nil {
		values, err := s.findAll.FindAllCtx(context.Background(), keys...)
		if err != nil {
			return err
		}
		for _, value := range values {
			if value != nil {
				return fmt.Errorf("FindAllCtx returns %s for a key that has expired", short(value))
			}
		}
	}
	if s.update != nil {
		if err := s.updatesTo(keys[0], "value", false); err != nil {
			return fmt.Errorf("UpdateCtx of a key that has expired: %w", err)
		}
	}
	return nil
}

func (s *storeTest) leaseUntil(key string, expires time.Time) (release func(), err error) {
	if s.lease == nil {
		return nil, nil
	}
	return s.held(key, time.Until(expires), true, "nobody has it; "+noHolder)
}

// leaseIsOver: a lease ends without a release, and releasing it then does not end
// another caller's lease.
func (s *storeTest) leaseIsOver(key string, old func(), deadline time.Time) error {
	if s.lease == nil {
		return nil
	}
	var release func()
	var err error
	for {
		release, err = s.held(key, time.Minute, true, "its time is over, and who had it may have crashed: "+noHolder)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	defer release()
	old()
	_, err = s.held(key, time.Minute, false, "the holder before has released it after its time was over: "+twoHolders)
	return err
}
