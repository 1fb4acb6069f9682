package dpop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A clock is the time of a test.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(at.UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

// newMemory returns a Memory, and the number of calls about evicted proofs.
func newMemory(limit int) (*Memory, *clock, *atomic.Int64) {
	c, told := newClock(), &atomic.Int64{}
	return NewMemory(limit, c.Now, func(context.Context) { told.Add(1) }), c, told
}

func (m *Memory) add(t *testing.T, key string, d time.Duration) bool {
	t.Helper()
	added, err := m.AddCtx(t.Context(), key, m.now().Add(d))
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// held is the number of recorded proofs.
func (m *Memory) held(t *testing.T) (n int) {
	t.Helper()
	for i := range m.shards {
		s := &m.shards[i]
		if len(s.known) != len(s.byExpiry) {
			t.Fatalf("%d known, %d with an expiry", len(s.known), len(s.byExpiry))
		}
		for j := range s.byExpiry {
			if j > 0 && s.byExpiry[j].expiry < s.byExpiry[(j-1)/2].expiry {
				t.Fatal("a proof that expires later is above one that expires sooner")
			}
		}
		n += len(s.known)
	}
	return n
}

func TestMemory(t *testing.T) {
	t.Parallel()
	m, c, told := newMemory(1600)
	if !m.add(t, "a", 10*time.Second) || m.add(t, "a", 10*time.Second) || m.add(t, "a", time.Hour) || !m.add(t, "b", 10*time.Second) {
		t.Fatal("a proof is good once")
	}
	c.advance(10*time.Second - time.Millisecond)
	if m.add(t, "a", time.Second) {
		t.Error("it is forgotten before it has expired")
	}
	c.advance(time.Millisecond)
	if !m.add(t, "a", time.Second) {
		t.Error("it is remembered after it has expired")
	}
	if told.Load() != 0 {
		t.Error("somebody was told of an eviction")
	}
}

// TestMemoryAtOnce: one of many concurrent uses is the first.
func TestMemoryAtOnce(t *testing.T) {
	t.Parallel()
	m, _, _ := newMemory(100_000)
	for round := range 50 {
		var all sync.WaitGroup
		var first atomic.Int64
		for range 64 {
			all.Go(func() {
				if m.add(t, fmt.Sprint(round), time.Minute) {
					first.Add(1)
				}
			})
		}
		all.Wait()
		if first.Load() != 1 {
			t.Fatalf("%d of 64 are the first", first.Load())
		}
	}
}

// TestMemoryIsBounded: a flood of proofs takes the available places and no more. The memory
// reports it once a second.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m, c, told := newMemory(1000)
	for i := range 100_000 {
		if !m.add(t, fmt.Sprint(i), 331*time.Second) {
			t.Fatalf("proof %d is taken for one of before", i)
		}
		if i%10_000 == 9_999 {
			if n := m.held(t); n > 1000 || n < 900 {
				t.Fatalf("%d proofs are remembered", n)
			}
			if got, want := told.Load(), int64(i/10_000+1); got != want {
				t.Fatalf("after %d seconds, %d calls", want, got)
			}
			c.advance(time.Second)
		}
	}
	for i := range m.shards {
		if n := cap(m.shards[i].byExpiry); n > 200 {
			t.Errorf("places for %d proofs in one of 16 parts", n)
		}
	}
}

// TestMemoryEvicts the proof that expires first, which is of the least use.
func TestMemoryEvicts(t *testing.T) {
	t.Parallel()
	m, c, told := newMemory(16) // one place in each shard
	s := &m.shards[0]
	s.places = 3
	now := c.Now().UnixMilli()
	for i, after := range []int64{30, 10, 20} {
		s.add(place{sum: [32]byte{byte(after)}, expiry: now + after}, now)
		if len(s.byExpiry) != i+1 {
			t.Fatal("evicted before the shard is full")
		}
	}
	if added, evicted := s.add(place{sum: [32]byte{40}, expiry: now + 40}, now); !added || !evicted {
		t.Errorf("%v, %v", added, evicted)
	}
	for sum, want := range map[byte]bool{10: false, 20: true, 30: true, 40: true} {
		if _, known := s.known[[32]byte{sum}]; known != want {
			t.Errorf("the proof that expires after %d: %v", sum, known)
		}
	}
	// An expired proof makes room, which is no eviction.
	if added, evicted := s.add(place{sum: [32]byte{50}, expiry: now + 50}, now+20); !added || evicted || len(s.byExpiry) != 3 {
		t.Errorf("%v, %v, %d", added, evicted, len(s.byExpiry))
	}
	// A recorded proof evicts nothing.
	if added, evicted := s.add(place{sum: [32]byte{50}, expiry: now + 50}, now+20); added || evicted {
		t.Errorf("%v, %v", added, evicted)
	}
	if told.Load() != 0 {
		t.Error("told by a shard")
	}
}

// TestMemoryGetsSmaller: expired proofs leave while new ones come.
func TestMemoryGetsSmaller(t *testing.T) {
	t.Parallel()
	m, c, told := newMemory(16_000)
	for i := range 8000 {
		m.add(t, fmt.Sprint(i), time.Duration(rand.IntN(300_000))*time.Millisecond)
	}
	c.advance(5 * time.Minute)
	for i := range 8000 + 2000 {
		m.add(t, fmt.Sprint("n", i), time.Millisecond)
		c.advance(time.Millisecond)
	}
	if n := m.held(t); n > 200 {
		t.Errorf("%d proofs are remembered", n)
	}
	if told.Load() != 0 {
		t.Error("an expired proof is told of as evicted")
	}
}

// TestShards: an attacker cannot compute which proofs share a shard.
func TestShards(t *testing.T) {
	t.Parallel()
	shardsOf := func(m *Memory) (text string) {
		for i := range 64 {
			m.add(t, fmt.Sprint(i), time.Minute)
		}
		for i := range m.shards {
			text += fmt.Sprint(len(m.shards[i].known), " ")
		}
		return text
	}
	a, _, _ := newMemory(1600)
	b, _, _ := newMemory(1600)
	if shardsOf(a) == shardsOf(b) {
		t.Error("two memories have the same proofs in the same shards")
	}
}
