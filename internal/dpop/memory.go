package dpop

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/memo"
)

// A Memory records used proofs in one process. It has a fixed number of places. If all
// are taken, it drops the proof that expires first. An attacker who has that proof and its
// token can then use them once more. It is safe for concurrent use.
type Memory struct {
	now     func() time.Time
	evicted func(context.Context)
	told    atomic.Int64 // when evicted was called, Unix milliseconds

	// An attacker must not know which proofs share a shard.
	seed   maphash.Seed
	shards [16]shard
}

type shard struct {
	mu       sync.Mutex
	places   int
	known    map[memo.Sum]struct{}
	byExpiry []place // a heap, the first to expire at its top
}

// A place has no pointers, so that the garbage collector does not scan it.
type place struct {
	sum    memo.Sum
	expiry int64 // Unix milliseconds
}

// NewMemory returns a Memory of at most limit proofs, rounded down to a multiple of 16.
// It calls evicted after it has dropped an unexpired proof, at most once a second.
func NewMemory(limit int, now func() time.Time, evicted func(context.Context)) *Memory {
	m := &Memory{now: now, evicted: evicted, seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].places = max(1, limit/len(m.shards))
		m.shards[i].known = map[memo.Sum]struct{}{}
	}
	return m
}

// AddCtx adds the key of a proof until its expiry, and reports whether it was absent. Its
// error is nil.
func (m *Memory) AddCtx(ctx context.Context, key string, expiry time.Time) (added bool, err error) {
	now := m.now().UnixMilli()
	s := &m.shards[maphash.String(m.seed, key)%uint64(len(m.shards))]
	added, evicted := s.add(place{memo.SumOf(key), expiry.UnixMilli()}, now)
	if told := m.told.Load(); evicted && now-told >= 1000 && m.told.CompareAndSwap(told, now) {
		m.evicted(ctx)
	}
	return added, nil
}

func (s *shard) add(p place, now int64) (added, evicted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Two for each new one: a shard gets smaller, and its callers wait only briefly.
	for range 2 {
		if len(s.byExpiry) > 0 && s.byExpiry[0].expiry <= now {
			s.dropFirst()
		}
	}
	if _, known := s.known[p.sum]; known {
		return false, false
	}
	if len(s.byExpiry) >= s.places {
		s.dropFirst()
		evicted = true
	}
	s.known[p.sum] = struct{}{}
	s.push(p)
	return true, evicted
}

func (s *shard) push(p place) {
	s.byExpiry = append(s.byExpiry, p)
	h := s.byExpiry
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if h[parent].expiry <= h[i].expiry {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

func (s *shard) dropFirst() {
	h := s.byExpiry
	delete(s.known, h[0].sum)
	last := len(h) - 1
	h[0] = h[last]
	s.byExpiry = h[:last]
	h = s.byExpiry
	for i := 0; ; {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].expiry < h[first].expiry {
				first = child
			}
		}
		if first == i {
			return
		}
		h[first], h[i] = h[i], h[first]
		i = first
	}
}
