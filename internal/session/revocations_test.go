package session

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestMarkKeysCompare: the keys of a session and the keys of a mark overlap exactly if the
// mark is not earlier.
func TestMarkKeysCompare(t *testing.T) {
	what := revokedSubject("client", "https://tenant.example/", "ada")
	times := []int64{0, 1, 2, 3, 1_790_000_000, 1_790_000_001, 1_790_000_060, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, maxMark - 1, maxMark}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		at := random.Int64N(maxMark)
		times = append(times, at, max(at-random.Int64N(1000), 0))
	}
	read := map[int64][]string{}
	for _, issued := range times {
		read[issued] = what.read(issued)
	}
	for _, until := range times {
		written := what.written(until)
		if len(written) == 0 || len(written) > markBits {
			t.Errorf("%d keys are written for %d", len(written), until)
		}
		for _, issued := range times {
			both := slices.ContainsFunc(read[issued], func(key string) bool { return slices.Contains(written, key) })
			if both != (issued <= until) {
				t.Errorf("revoked until %d, issued at %d: covered %v", until, issued, both)
			}
		}
	}
	other := revokedSubject("client", "https://tenant.example/", "bob").read(5)
	if slices.ContainsFunc(what.written(5), func(key string) bool { return slices.Contains(other, key) }) {
		t.Error("a mark of one user covers another")
	}
	if keys := what.read(1 << 40); len(keys) != 0 && slices.ContainsFunc(what.written(maxMark), func(key string) bool { return slices.Contains(keys, key) }) {
		t.Error("a time beyond all marks is covered")
	}
}

// TestMemoryStoreIsConsistent: after any operation, the counts and lists agree with the
// entries.
func TestMemoryStoreIsConsistent(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, m := range []*Memory{NewMemory(20), NewMemory(40)} {
		ctx := t.Context()
		for range 20_000 {
			key := fmt.Sprint(random.IntN(60))
			// Some expire at once.
			expiry := time.Now().Add(time.Duration(random.IntN(3)-1) * time.Hour)
			switch random.IntN(8) {
			case 0:
				m.Commit(key, []byte("value"), expiry)
			case 1, 2:
				m.CommitOwnedCtx(ctx, key, fmt.Sprint("owner", random.IntN(4)), []byte("value"), expiry)
			case 3:
				m.UpdateCtx(ctx, key, []byte("value"), expiry)
			case 4, 5:
				m.RaiseCtx(ctx, "mark"+key, random.Int64N(100), expiry)
			case 6:
				m.Delete(key)
			case 7:
				m.Delete("mark" + key)
			}
			marks, owned := 0, 0
			for key, e := range m.entries {
				if e.key != key || m.byExpiry[e.place] != e {
					t.Fatalf("%s is at a wrong place", key)
				}
				if e.kind == raised {
					marks++
				}
				if e.age != nil {
					owned++
				}
			}
			listed := 0
			for owner, list := range m.owned {
				if list.Len() == 0 || list.Len() > m.perOwner {
					t.Fatalf("%s has %d entries", owner, list.Len())
				}
				listed += list.Len()
			}
			if marks != m.marks || owned != listed || len(m.byExpiry) != len(m.entries) || len(m.entries)-marks > m.limit {
				t.Fatalf("%d entries, %d in the heap; %d marks, counted %d; %d with an owner, %d in lists", len(m.entries), len(m.byExpiry), marks, m.marks, owned, listed)
			}
		}
	}
}

// TestMemoryStoreDropsExpired: each write drops some expired entries, and not all of them
// under one lock.
func TestMemoryStoreDropsExpired(t *testing.T) {
	m := NewMemory(1000)
	for i := range 1000 {
		m.Commit(fmt.Sprint(i), nil, time.Now().Add(time.Hour))
	}
	for _, e := range m.entries {
		e.expiry = time.Now().Add(-time.Second)
	}
	if err := m.Commit("new", nil, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if left := len(m.entries); left > 1000-30 || left < 800 {
		t.Errorf("%d entries are left after one write", left)
	}
	for i := range 40 {
		m.Commit(fmt.Sprint("new", i), nil, time.Now().Add(time.Hour))
	}
	if left := len(m.entries); left != 41 {
		t.Errorf("%d entries are left, want 41", left)
	}
}

// TestMarksOfAnyTime: no time makes an ineffective mark.
func TestMarksOfAnyTime(t *testing.T) {
	for _, store := range []Store{raisedStore{NewMemory(1000), t}, struct{ Store }{NewMemory(1000)}} {
		rv := &revocations{store: newBoundStore(store), life: time.Hour, now: time.Now}
		for i, until := range []int64{math.MinInt64, -5, 0, 1_790_000_000, maxMark, maxMark + 1, 1 << 60, math.MaxInt64} {
			r := &Record{ID: "id", Issuer: "https://tenant.example/", Subject: fmt.Sprint(i)}
			what := revokedSubject("", r.Issuer, r.Subject)
			if err := rv.revoke(t.Context(), what, until); err != nil {
				t.Fatal(err)
			}
			if err := rv.revoke(t.Context(), what, 1000); err != nil {
				t.Fatal(err)
			}
			for _, issued := range []int64{0, 1000, 1001, min(until, maxMark), 1_800_000_000} {
				r.issuedAt = issued
				over, err := rv.isEnded(t.Context(), r)
				if want := issued <= max(min(until, maxMark), 1000); over != want || err != nil {
					t.Errorf("%T, until %d, issued at %d: %v, %v", store, until, issued, over, err)
				}
			}
		}
	}
}

// A raisedStore checks the documented properties of numbers.
type raisedStore struct {
	*Memory
	t *testing.T
}

func (s raisedStore) RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error {
	if number < 0 || number > 1<<53 {
		s.t.Errorf("a store was given %d", number)
	}
	return s.Memory.RaiseCtx(ctx, key, number, expiry)
}

// TestUnreadableMark: an unreadable mark ends every session, also after a lower mark.
func TestUnreadableMark(t *testing.T) {
	for _, store := range []Store{NewMemory(1000), struct{ Store }{NewMemory(1000)}} {
		rv := &revocations{store: newBoundStore(store), life: time.Hour, now: time.Now}
		r := &Record{ID: "id", Issuer: "https://tenant.example/", Subject: "ada", issuedAt: 5000}
		what := revokedSubject("", r.Issuer, r.Subject)
		store.Commit(what.key, []byte("x"), time.Now().Add(time.Hour))
		for range 2 {
			if over, err := rv.isEnded(t.Context(), r); !over || err != nil {
				t.Errorf("%T: %v, %v", store, over, err)
			}
			rv.revoke(t.Context(), what, 1)
		}
	}
}

// TestMemoryStoreHeedsContexts: a canceled request changes nothing.
func TestMemoryStoreHeedsContexts(t *testing.T) {
	b := newBoundStore(NewMemory(10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.commit(ctx, "key", []byte("value"), time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if value, err := b.find(t.Context(), "key"); value != nil || err != nil {
		t.Errorf("committed all the same: %q, %v", value, err)
	}
	if text, err := b.findText(ctx, "key"); text != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("findText: %q, %v", text, err)
	}
	if marks, err := b.findMarks(ctx, []string{"key"}); marks != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("findMarks: %q, %v", marks, err)
	}
}

// TestMarksInMemory: one mark among several keys counts, and so do marks under all of them.
func TestMarksInMemory(t *testing.T) {
	for present, want := range []string{"[]", "[1  ]", "[1 1 ]", "[1 1 1]"} {
		b, keys := newBoundStore(NewMemory(10)), []string{"a", "b", "c"}
		for _, key := range keys[:present] {
			if err := b.commit(t.Context(), key, []byte("1"), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if marks, err := b.findMarks(t.Context(), keys); err != nil || fmt.Sprintf("%s", marks) != want {
			t.Errorf("%d marks: %s, %v, want %s", present, marks, err, want)
		}
	}
}

// TestBeginAfterMark: a session begins after the mark of its user, unless the mark is not
// plausible by the clock of this instance.
func TestBeginAfterMark(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		now := time.Now().Unix()
		leeway := int64(5 * 60)
		for mark, want := range map[int64]int64{
			now - 1: now, now: now + 1, now + leeway - 1: now + leeway, now + leeway: now, now + leeway + 1: now,
		} {
			rv := &revocations{store: newBoundStore(NewMemory(10)), life: time.Hour, now: time.Now}
			r := newRecord("one")
			if err := rv.store.commit(t.Context(), revokedUser("", r.Issuer, r.Subject).key, strconv.AppendInt(nil, mark, 10), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if rv.beginAfterMark(t.Context(), r); r.createdAt != want {
				t.Errorf("mark %d: begins at %d, want %d", mark-now, r.createdAt-now, want-now)
			}
		}
	})
}

// TestMarkOfEarlierVersion has no keys beside it, and is not lowered either.
func TestMarkOfEarlierVersion(t *testing.T) {
	for _, store := range []Store{NewMemory(1000), struct{ Store }{NewMemory(1000)}} {
		rv := &revocations{store: newBoundStore(store), life: time.Hour, now: time.Now}
		r := &Record{ID: "id", Issuer: "https://tenant.example/", Subject: "ada", issuedAt: 5000}
		what := revokedSubject("", r.Issuer, r.Subject)
		store.Commit(what.key, []byte("5000"), time.Now().Add(time.Hour))
		if err := rv.revoke(t.Context(), what, 4000); err != nil {
			t.Fatal(err)
		}
		if over, err := rv.isEnded(t.Context(), r); !over || err != nil {
			t.Errorf("%T: %v, %v", store, over, err)
		}
	}
}
