package session

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A contextOnly store has the methods with a context and no further ones.
type contextOnly struct {
	Store
	contextStore
}

// TestStoreMethods: the Manager calls the strongest method of a store.
func TestStoreMethods(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for _, row := range []struct {
		op                string
		call              func(ctx context.Context, b *boundStore) error
		full, ctx, simple string // calls of a store with all methods, with contexts, with three
	}{
		{"find", func(ctx context.Context, b *boundStore) error { _, err := b.find(ctx, "k"); return err }, "FindCtx", "FindCtx", "Find"},
		{"commit", func(ctx context.Context, b *boundStore) error { return b.commit(ctx, "k", nil, later) }, "CommitCtx", "CommitCtx", "Commit"},
		{"commitOwned", func(ctx context.Context, b *boundStore) error { return b.commitOwned(ctx, "k", "o", nil, later) }, "CommitOwnedCtx", "CommitCtx", "Commit"},
		{"delete", func(ctx context.Context, b *boundStore) error { return b.delete(ctx, "k") }, "DeleteCtx", "DeleteCtx", "Delete"},
		{"raise", func(ctx context.Context, b *boundStore) error { return b.raise(ctx, "k", 1, later) }, "RaiseCtx", "CommitCtx", "Commit"},
		{"findAll", func(ctx context.Context, b *boundStore) error {
			_, err := b.findAll(ctx, []string{"k", "l"})
			return err
		}, "FindAllCtx", "FindCtx FindCtx", "Find Find"},
		{"update", func(ctx context.Context, b *boundStore) error {
			_, err := b.update(ctx, "k", []byte("v"), later)
			return err
		}, "UpdateCtx", "FindCtx CommitCtx", "Find Commit"},
		{"lease", func(ctx context.Context, b *boundStore) error {
			end, _, err := b.lease(ctx, "k", time.Hour)
			if err == nil {
				end()
			}
			return err
		}, "LeaseCtx release", "", ""},
	} {
		for kind, want := range map[string]string{"full": row.full, "contexts": row.ctx, "plain": row.simple} {
			s := newFake()
			s.Memory.Commit("k", []byte("1"), later)
			store := map[string]Store{"full": s, "contexts": contextOnly{plain(s), s}, "plain": plain(s)}[kind]
			b := newBoundStore(store)
			if err := row.call(t.Context(), b); err != nil {
				t.Errorf("%s of %s: %v", row.op, kind, err)
			}
			if got := s.called(); got != want {
				t.Errorf("%s of %s: called %q, want %q", row.op, kind, got, want)
			}
			if b.raises() != (kind == "full") {
				t.Errorf("%s: raises is %v", kind, b.raises())
			}
			s.fail()
			if err := row.call(t.Context(), b); (err == nil) != (want == "") || err != nil && !errors.Is(err, errDown) {
				t.Errorf("%s of %s: %v", row.op, kind, err)
			}
		}
	}
}

// TestStoreValues: an absent value is nil, and an empty one is not.
func TestStoreValues(t *testing.T) {
	for _, s := range []Store{NewMemory(10), newFake(), plain(NewMemory(10))} {
		b, ctx, later := newBoundStore(s), t.Context(), time.Now().Add(time.Hour)
		if err := b.commit(ctx, "empty", nil, later); err != nil {
			t.Fatal(err)
		}
		if value, err := b.find(ctx, "empty"); value == nil || len(value) > 0 || err != nil {
			t.Errorf("%T: empty: %v, %v", s, value, err)
		}
		if value, err := b.find(ctx, "absent"); value != nil || err != nil {
			t.Errorf("%T: absent: %v, %v", s, value, err)
		}
		values, err := b.findAll(ctx, []string{"absent", "empty"})
		if err != nil || len(values) != 2 || values[0] != nil || values[1] == nil {
			t.Errorf("%T: %v, %v", s, values, err)
		}
		if ok, err := b.update(ctx, "absent", []byte("v"), later); ok || err != nil {
			t.Errorf("%T: an absent value was updated: %v, %v", s, ok, err)
		}
		if ok, err := b.update(ctx, "empty", []byte("v"), later); !ok || err != nil {
			t.Errorf("%T: a value was not updated: %v, %v", s, ok, err)
		}
		if value, _ := b.find(ctx, "empty"); string(value) != "v" {
			t.Errorf("%T: updated to %q", s, value)
		}
	}
	if newBoundStore(nil) != nil {
		t.Error("no store became one")
	}
}

// A liar returns too few values, or a value that was not found.
type liar struct{ *fakeStore }

func (liar) FindAllCtx(context.Context, ...string) ([][]byte, error) { return [][]byte{nil}, nil }

func (liar) FindCtx(context.Context, string) ([]byte, bool, error) {
	return []byte("not found"), false, nil
}

func TestStoreLies(t *testing.T) {
	b := newBoundStore(liar{newFake()})
	if _, err := b.findAll(t.Context(), []string{"a", "b"}); err == nil || !strings.Contains(err.Error(), "1 values for 2 keys") {
		t.Errorf("findAll: %v", err)
	}
	if value, err := b.find(t.Context(), "a"); value != nil || err != nil {
		t.Errorf("find: %q, %v", value, err)
	}
}

// TestExpiryIsNotPast: no store gets a past time, which some take for no expiry.
func TestExpiryIsNotPast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		now := time.Now()
		for _, row := range []struct{ expiry, want time.Duration }{
			{-time.Hour, time.Second}, {0, time.Second}, {time.Second - 1, time.Second}, {time.Second, time.Second}, {time.Second + 1, time.Second + 1}, {time.Hour, time.Hour},
		} {
			if got := notPast(now.Add(row.expiry)); !got.Equal(now.Add(row.want)) {
				t.Errorf("%v becomes %v", row.expiry, got.Sub(now))
			}
		}
		s := newFake()
		b := newBoundStore(s)
		past := now.Add(-time.Hour)
		b.commit(t.Context(), "commit", []byte("v"), past)
		b.commitOwned(t.Context(), "owned", "o", []byte("v"), past)
		b.raise(t.Context(), "raise", 1, past)
		newBoundStore(plain(s)).commit(t.Context(), "plain", []byte("v"), past)
		s.Memory.Commit("update", []byte("v"), now.Add(time.Hour))
		b.update(t.Context(), "update", []byte("v"), past)
		for _, key := range []string{"commit", "owned", "raise", "plain", "update"} {
			if e := s.Memory.entries[key]; e == nil || !e.expiry.Equal(now.Add(time.Second)) {
				t.Errorf("%s: %+v", key, e)
			}
		}
	})
}

// TestStoreIsBounded: each call ends within a second, for any behavior of the store.
func TestStoreIsBounded(t *testing.T) {
	reason := errors.New("a reason")
	for _, row := range []struct {
		why  string
		hook func(ctx context.Context) error
		took time.Duration
		want error  // in the chain
		text string // in the text
	}{
		{"fails", func(context.Context) error { return errDown }, 0, errDown, ""},
		{"panics", func(context.Context) error { panic("at the disco") }, 0, nil, "the store has panicked: at the disco"},
		{"hangs", func(context.Context) error { time.Sleep(time.Minute); return nil }, storeTimeout, errStoreTimeout, ""},
		{"gives up", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, storeTimeout, errStoreTimeout, "within 1s"},
		{"is late but good", func(context.Context) error { time.Sleep(storeTimeout - 1); return nil }, storeTimeout - 1, nil, ""},
	} {
		inBubble(t, func(t *testing.T) {
			s := newFake()
			s.on(func(ctx context.Context, _, _ string) error { return row.hook(ctx) })
			b := newBoundStore(s)
			begin := time.Now()
			_, err := b.find(t.Context(), "k")
			if took := time.Since(begin); took != row.took {
				t.Errorf("%s: took %v", row.why, took)
			}
			if (err == nil) != (row.want == nil && row.text == "") || !errors.Is(err, row.want) && row.want != nil || err != nil && !strings.Contains(err.Error(), row.text) {
				t.Errorf("%s: %v", row.why, err)
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, reason)
			defer cancel()
			if _, err := b.find(ctx, "k"); row.took > 0 && err != reason {
				t.Errorf("%s: %v, want the caller's reason", row.why, err)
			}
			time.Sleep(time.Hour)
			if n := len(b.slots); n > 0 {
				t.Errorf("%s: %d calls are under way", row.why, n)
			}
		})
	}
}

// TestStoreIsBusy: the number of calls under way is bounded, also of those whose caller has
// left.
func TestStoreIsBusy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		s.on(func(context.Context, string, string) error { time.Sleep(time.Hour); return nil })
		b := newBoundStore(s)
		var all sync.WaitGroup
		for range maxStoreCalls {
			all.Go(func() {
				if _, err := b.find(t.Context(), "k"); err != errStoreTimeout {
					t.Errorf("hanging: %v", err)
				}
			})
		}
		all.Wait()
		begin := time.Now()
		if _, err := b.find(t.Context(), "k"); err != errStoreBusy || time.Since(begin) != storeTimeout {
			t.Errorf("busy: %v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.find(ctx, "k"); err != context.Canceled {
			t.Errorf("canceled: %v", err)
		}
		s.mu.Lock()
		if n := len(s.ops); n != maxStoreCalls {
			t.Errorf("%d calls", n)
		}
		s.mu.Unlock()
		time.Sleep(time.Hour)
		s.on(nil)
		if _, err := b.find(t.Context(), "k"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestMemoryIsCalledDirectly: a Memory never waits, so it needs no goroutine.
func TestMemoryIsCalledDirectly(t *testing.T) {
	b := newBoundStore(NewMemory(1))
	if b.memory == nil || newBoundStore(newFake()).memory != nil {
		t.Error("the wrong store is taken for a Memory")
	}
	for range maxStoreCalls {
		b.slots <- struct{}{} // would hold back a call that needs one
	}
	if _, err := b.find(t.Context(), "k"); err != nil {
		t.Error(err)
	}
}

// TestLateLease: a lease that comes after its caller has left is released.
func TestLateLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		b := newBoundStore(s)
		s.on(func(_ context.Context, op, _ string) error {
			if op == "LeaseCtx" {
				time.Sleep(10 * time.Second)
			}
			return nil
		})
		if end, ok, err := b.lease(t.Context(), "k", time.Hour); end != nil || ok || err != errStoreTimeout {
			t.Errorf("%v, %v", ok, err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := s.called(); got != "LeaseCtx release" {
			t.Errorf("called %s", got)
		}
		if _, ok, _ := s.Memory.LeaseCtx(t.Context(), "k", time.Hour); !ok {
			t.Error("the lease is held")
		}
	})
}

// TestLease: one caller has a lease at a time. Every caller can work without leases.
func TestLease(t *testing.T) {
	for _, row := range []struct {
		s      Store
		second bool
	}{{NewMemory(1), false}, {newFake(), false}, {plain(NewMemory(1)), true}} {
		b := newBoundStore(row.s)
		end, ok, err := b.lease(t.Context(), "k", time.Hour)
		if !ok || err != nil {
			t.Fatalf("%T: %v, %v", row.s, ok, err)
		}
		if _, ok, err := b.lease(t.Context(), "k", time.Hour); ok != row.second || err != nil {
			t.Errorf("%T: a second caller: %v, %v", row.s, ok, err)
		}
		end()
		if _, ok, err := b.lease(t.Context(), "k", time.Hour); !ok || err != nil {
			t.Errorf("%T: the next: %v, %v", row.s, ok, err)
		}
	}
}

// TestReleaseAfterTheRequest: the release of a lease follows also if the caller has left. A
// store that hangs then does not delay other callers for long.
func TestReleaseAfterTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		b := newBoundStore(s)
		ctx, cancel := context.WithCancel(t.Context())
		end, _, err := b.lease(ctx, "k", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		end()
		if got := s.called(); got != "LeaseCtx release" {
			t.Errorf("called %s", got)
		}
		end, _, _ = b.lease(t.Context(), "k", time.Hour)
		s.on(func(context.Context, string, string) error { time.Sleep(time.Minute); return nil })
		begin := time.Now()
		end()
		if took := time.Since(begin); took != storeTimeout {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Hour)
	})
}

// TestStoreKeys: a key tells its parts apart and contains none of them.
func TestStoreKeys(t *testing.T) {
	seen := map[string]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"ada"}} {
		for _, kind := range []string{"session", "user"} {
			key := storeKey(kind, parts...)
			if old, ok := seen[key]; ok {
				t.Errorf("%q and %s have one key", parts, old)
			}
			seen[key] = fmt.Sprint(parts)
			if !strings.HasPrefix(key, "auth0:"+kind+":") || len(key) != len("auth0:"+kind+":")+43 {
				t.Errorf("key %s", key)
			}
		}
	}
	// These keys find the sessions in the stores of today's users.
	if got := storeKey("session", "id"); got != "auth0:session:YQ6eg4RY6xkUSVerY2q9EJLJgAYmccFEHqhE48_VnzQ" {
		t.Errorf("the key of a session is %s now", got)
	}
}

func TestStoreErrors(t *testing.T) {
	expectRefusal(t, "full", addError(fmt.Errorf("around: %w", ErrStoreFull)), refusal.StoreFull)
	expectRefusal(t, "other", addError(errDown), refusal.StoreWrite)
	if readError(t.Context(), nil) != nil {
		t.Error("no error became one")
	}
}

// TestMemoryLimits has one row for each limit of a Memory.
func TestMemoryLimits(t *testing.T) {
	for _, row := range []struct{ limit, sessions, perOwner, marks int }{
		{math.MinInt, 1, 1, 10}, {0, 1, 1, 10}, {1, 1, 1, 10}, {19, 19, 1, 190}, {20, 20, 2, 200}, {999, 999, 99, 9990},
		{1000, 1000, 100, 10_000}, {10_000, 10_000, 100, 100_000}, {math.MaxInt, math.MaxInt, 100, math.MaxInt},
	} {
		m := NewMemory(row.limit)
		if m.limit != row.sessions || m.perOwner != row.perOwner || m.maxMarks != row.marks {
			t.Errorf("limit %d: %d sessions, %d per owner, %d marks", row.limit, m.limit, m.perOwner, m.maxMarks)
		}
	}
}

// TestMemoryFull: a new session replaces its user's oldest one in a full Memory, and no
// other user's.
func TestMemoryFull(t *testing.T) {
	m, later := NewMemory(20), time.Now().Add(time.Hour) // two per owner
	commit := func(key, owner string) error {
		return m.CommitOwnedCtx(t.Context(), key, owner, []byte(key), later)
	}
	for i, key := range []string{"a1", "a2", "a3"} {
		if err := commit(key, "a"); err != nil {
			t.Fatal(i, err)
		}
	}
	expectThere(t, m, map[string]bool{"a1": false, "a2": true, "a3": true})
	commit("a2", "a") // now a3 is the oldest
	commit("a4", "a")
	expectThere(t, m, map[string]bool{"a2": true, "a3": false, "a4": true})
	m.UpdateCtx(t.Context(), "a2", []byte("v"), later)
	commit("a5", "a")
	expectThere(t, m, map[string]bool{"a2": true, "a4": false, "a5": true})

	for i := range 18 {
		if err := commit(fmt.Sprint("b", i), fmt.Sprint("b", i)); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := commit("c", "c"); !errors.Is(err, ErrStoreFull) || !strings.Contains(err.Error(), "now 20 sessions") {
		t.Errorf("full: %v", err)
	}
	if err := m.Commit("without an owner", nil, later); !errors.Is(err, ErrStoreFull) {
		t.Errorf("full, without an owner: %v", err)
	}
	if err := commit("b0 again", "b0"); err != nil {
		t.Errorf("a user who has a session: %v", err)
	}
	expectThere(t, m, map[string]bool{"b0": false, "b0 again": true, "b1": true, "a2": true})
	if err := m.RaiseCtx(t.Context(), "mark", 1, later); err != nil {
		t.Errorf("a mark: %v", err)
	}
	if err := commit("b0 again", "b0"); err != nil {
		t.Errorf("a session that is there: %v", err)
	}
	m.Delete("a2")
	m.Delete("absent")
	if err := commit("c", "c"); err != nil {
		t.Errorf("after one was deleted: %v", err)
	}
}

func expectThere(t *testing.T, m *Memory, want map[string]bool) {
	t.Helper()
	for key, there := range want {
		if value, found, err := m.Find(key); found != there || err != nil || found && len(value) == 0 {
			t.Errorf("%s: %q, %v, %v", key, value, found, err)
		}
	}
}

// TestMemoryExpiry: an expired value is absent, and makes room.
func TestMemoryExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, ctx := NewMemory(2), t.Context()
		soon := time.Now().Add(time.Second)
		m.Commit("a", []byte("a"), soon)
		m.RaiseCtx(ctx, "mark", 5, soon)
		time.Sleep(time.Second - 1)
		expectThere(t, m, map[string]bool{"a": true, "mark": true})
		time.Sleep(time.Nanosecond)
		expectThere(t, m, map[string]bool{"a": false, "mark": false})
		if ok, err := m.UpdateCtx(ctx, "a", nil, time.Now().Add(time.Hour)); ok || err != nil {
			t.Errorf("updated: %v, %v", ok, err)
		}
		if values, err := m.FindAllCtx(ctx, "a", "mark"); err != nil || values[0] != nil || values[1] != nil {
			t.Errorf("%q, %v", values, err)
		}
		m.RaiseCtx(ctx, "mark", 3, time.Now().Add(time.Hour))
		if value, _, _ := m.FindCtx(ctx, "mark"); string(value) != "3" {
			t.Errorf("an expired mark was raised to %s", value)
		}
		if err := m.CommitCtx(ctx, "a", []byte("again"), time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		if err := m.DeleteCtx(ctx, "a"); err != nil || len(m.entries) != 1 {
			t.Errorf("%v, %d entries", err, len(m.entries))
		}
	})
}

// TestMemoryExpiredOfSameKey: a new entry replaces an expired one that was not dropped yet.
func TestMemoryExpiredOfSameKey(t *testing.T) {
	m, ctx := NewMemory(1000), t.Context()
	past, later := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for i := range 200 {
		m.Commit(fmt.Sprint(i), nil, later)
		m.RaiseCtx(ctx, fmt.Sprint("mark", i), 1, later)
	}
	for key, e := range m.entries {
		m.change(e, key, past)
	}
	last := m.byExpiry[len(m.byExpiry)-1]
	owner := "owner"
	if err := m.CommitOwnedCtx(ctx, last.key, owner, []byte("new"), later); err != nil {
		t.Fatal(err)
	}
	last = m.byExpiry[len(m.byExpiry)-1]
	for last.kind != raised {
		m.remove(last)
		last = m.byExpiry[len(m.byExpiry)-1]
	}
	if err := m.RaiseCtx(ctx, last.key, 7, later); err != nil || string(m.entries[last.key].value) != "7" {
		t.Fatal(err)
	}
	marks := 0
	for key, e := range m.entries {
		if m.byExpiry[e.place] != e || e.key != key {
			t.Errorf("%s is at a wrong place", key)
		}
		if e.kind == raised {
			marks++
		}
	}
	if marks != m.marks || len(m.entries) != len(m.byExpiry) {
		t.Errorf("%d marks, counted %d; %d entries, %d in the heap", marks, m.marks, len(m.entries), len(m.byExpiry))
	}
}

// TestMemoryMarks: marks keep the greater number and the later expiry, and have a separate
// limit.
func TestMemoryMarks(t *testing.T) {
	m, ctx, now := NewMemory(1), t.Context(), time.Now()
	for _, row := range []struct {
		number int64
		expiry time.Duration
		value  string
		left   time.Duration
	}{
		{5, time.Hour, "5", time.Hour}, {4, 2 * time.Hour, "5", 2 * time.Hour}, {5, time.Hour, "5", 2 * time.Hour},
		{6, time.Minute, "6", 2 * time.Hour}, {7, 3 * time.Hour, "7", 3 * time.Hour}, {0, 3 * time.Hour, "7", 3 * time.Hour},
	} {
		if err := m.RaiseCtx(ctx, "mark", row.number, now.Add(row.expiry)); err != nil {
			t.Fatal(err)
		}
		if e := m.entries["mark"]; string(e.value) != row.value || !e.expiry.Equal(now.Add(row.left)) {
			t.Errorf("raised to %d until %v: %s until %v", row.number, row.expiry, e.value, e.expiry.Sub(now))
		}
	}
	m.UpdateCtx(ctx, "mark", []byte("x"), now.Add(time.Hour))
	if m.RaiseCtx(ctx, "mark", 9, now.Add(time.Hour)); string(m.entries["mark"].value) != "x" {
		t.Errorf("a mark that cannot be read became %s", m.entries["mark"].value)
	}
	for i := range 9 {
		if err := m.RaiseCtx(ctx, fmt.Sprint(i), 1, now.Add(time.Hour)); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := m.RaiseCtx(ctx, "one more", 1, now.Add(time.Hour)); !errors.Is(err, ErrStoreFull) || !strings.Contains(err.Error(), "1 sessions and 10 marks") {
		t.Errorf("full: %v", err)
	}
	if err := m.RaiseCtx(ctx, "1", 2, now.Add(time.Hour)); err != nil {
		t.Errorf("a mark that is there: %v", err)
	}
	if err := m.Commit("session", nil, now.Add(time.Hour)); err != nil {
		t.Errorf("a session: %v", err)
	}
	m.Delete("1")
	if err := m.RaiseCtx(ctx, "one more", 1, now.Add(time.Hour)); err != nil {
		t.Errorf("after one was deleted: %v", err)
	}
}

// TestMemoryAdds: a key is added once until it expires, and these keys have a separate
// limit.
func TestMemoryAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := NewMemory(1), t.Context()
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		add := func(key string, d time.Duration, want bool) {
			t.Helper()
			if added, err := m.AddCtx(ctx, key, in(d)); added != want || err != nil {
				t.Errorf("%s: %v, %v", key, added, err)
			}
		}
		for i := range 10 {
			add(fmt.Sprint(i), time.Minute, true)
		}
		add("1", time.Hour, false)
		if added, err := m.AddCtx(ctx, "one more", in(time.Minute)); added || !errors.Is(err, ErrStoreFull) || !strings.Contains(err.Error(), "10 keys of AddCtx") {
			t.Errorf("full: %v, %v", added, err)
		}
		if err := errors.Join(m.Commit("session", nil, in(time.Hour)), m.RaiseCtx(ctx, "mark", 1, in(time.Hour))); err != nil {
			t.Errorf("a session and a mark: %v", err)
		}
		if m.Delete("1"); m.added != 9 {
			t.Errorf("%d are counted", m.added)
		}
		add("1", time.Minute, true)
		time.Sleep(time.Minute)
		add("1", time.Minute, true)
		add("one more", time.Minute, true)
		if m.added != 2 || m.marks != 1 || len(m.entries) != 4 {
			t.Errorf("%d and %d are counted, of %d", m.added, m.marks, len(m.entries))
		}
	})
}

// TestMemoryIsNotShared: callers cannot change stored values.
func TestMemoryIsNotShared(t *testing.T) {
	m, later, value := NewMemory(10), time.Now().Add(time.Hour), []byte("value")
	m.Commit("k", value, later)
	value[0] = 'x'
	found, _, _ := m.Find("k")
	found[1] = 'x'
	all, _ := m.FindAllCtx(t.Context(), "k")
	all[0][2] = 'x'
	update := []byte("value")
	if got, _, _ := m.Find("k"); string(got) != "value" {
		t.Errorf("stored %s", got)
	}
	m.UpdateCtx(t.Context(), "k", update, later)
	update[0] = 'x'
	if got, _, _ := m.Find("k"); string(got) != "value" {
		t.Errorf("stored %s", got)
	}
}

// TestMemoryLeases: a lease ends by release or by time. A later release does not end
// another caller's.
func TestMemoryLeases(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, ctx := NewMemory(1), t.Context()
		first, ok, err := m.LeaseCtx(ctx, "k", time.Second)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		time.Sleep(time.Second - 1)
		if _, ok, _ := m.LeaseCtx(ctx, "k", time.Second); ok {
			t.Error("leased twice")
		}
		time.Sleep(time.Nanosecond)
		second, ok, _ := m.LeaseCtx(ctx, "k", time.Second)
		if !ok {
			t.Fatal("a lease does not end")
		}
		first()
		if _, ok, _ := m.LeaseCtx(ctx, "k", time.Second); ok {
			t.Error("a release has ended another lease")
		}
		second()
		second()
		for i := range 10 {
			m.LeaseCtx(ctx, fmt.Sprint(i), time.Second)
		}
		time.Sleep(time.Second)
		m.LeaseCtx(ctx, "before the sweep", time.Hour)
		if n := len(m.leases); n != 11 {
			t.Errorf("%d leases", n)
		}
		time.Sleep(time.Minute - 2*time.Second - 1)
		m.LeaseCtx(ctx, "just before", time.Hour)
		if n := len(m.leases); n != 12 {
			t.Errorf("%d leases", n)
		}
		m.LeaseCtx(ctx, "ends at the sweep", 1)
		time.Sleep(time.Nanosecond)
		m.LeaseCtx(ctx, "sweep", time.Hour)
		if n := len(m.leases); n != 3 {
			t.Errorf("%d leases are left: %v", n, m.leases)
		}
	})
}
