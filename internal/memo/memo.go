// Package memo caches values derived from a text. It does not keep the text, which can be
// a secret.
//
// The package does not know the meaning of a value. At each reading, the caller decides
// whether a value may still be used.
package memo

import (
	"crypto/sha256"
	"hash/maphash"
	"sync/atomic"
)

// A Sum is the SHA-256 of a text. It does not reveal the text.
type Sum [sha256.Size]byte

// SumOf returns the sum of a text.
func SumOf(text string) (sum Sum) {
	h := sha256.New()
	var block [512]byte // keeps the copy off the heap
	for len(text) > 0 {
		n := copy(block[:], text)
		h.Write(block[:n])
		text = text[n:]
	}
	h.Sum(sum[:0])
	return sum
}

// A Cache is a table of pairs. A new value takes the first place of its pair and moves
// the value there to the second place. So memory is bounded, and neither readers nor
// writers take a lock. A Cache is safe for concurrent use.
type Cache[T any] struct {
	seed  maphash.Seed
	pairs [][2]atomic.Pointer[entry[T]]
}

// entry is immutable.
type entry[T any] struct {
	place Slot
	sum   Sum
	value T
}

// New returns a Cache with at least n places.
func New[T any](n int) *Cache[T] {
	return &Cache[T]{seed: maphash.MakeSeed(), pairs: make([][2]atomic.Pointer[entry[T]], (n+1)/2)}
}

// A Slot is the hash by which a Cache finds the pair of a text.
type Slot uint64

// SlotOf returns the place of a text. It hashes the last 16 bytes only, which is fast;
// in a token they are part of the signature. An attacker cannot compute a place, because
// the hash has a random seed.
func (c *Cache[T]) SlotOf(text string) Slot {
	return Slot(maphash.String(c.seed, text[max(0, len(text)-16):]))
}

func (c *Cache[T]) pair(p Slot) *[2]atomic.Pointer[entry[T]] {
	return &c.pairs[uint64(p)%uint64(len(c.pairs))]
}

// Has reports whether the Cache can have a value for a text. If not, the caller need
// not compute a Sum.
func (c *Cache[T]) Has(p Slot) bool {
	_, ok := c.Find(p, func(T, Sum) bool { return true })
	return ok
}

// Find returns the cached value at the place of a text for which is returns true. The
// function also gets values of other texts with the same place.
func (c *Cache[T]) Find(p Slot, is func(value T, sum Sum) bool) (value T, ok bool) {
	pair := c.pair(p)
	for i := range pair {
		if e := pair[i].Load(); e != nil && e.place == p && is(e.value, e.sum) {
			return e.value, true
		}
	}
	return value, false
}

// Get returns the value for a text, if it is cached.
func (c *Cache[T]) Get(p Slot, sum Sum) (value T, ok bool) {
	pair := c.pair(p)
	for i := range pair {
		if e := pair[i].Load(); e != nil && e.sum == sum {
			return e.value, true
		}
	}
	return value, false
}

// Put adds a value. It can replace an older value of another text.
func (c *Cache[T]) Put(p Slot, sum Sum, value T) {
	pair := c.pair(p)
	if first := pair[0].Swap(&entry[T]{p, sum, value}); first != nil && first.sum != sum {
		pair[1].Store(first)
	}
}
