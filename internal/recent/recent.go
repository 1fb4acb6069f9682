// Package recent remembers what was made of a text, for texts that must not be
// kept themselves.
package recent

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
)

// A Sum stands for a text. Whoever has it has nothing of the text.
type Sum [sha256.Size]byte

// SumOf returns the SHA-256 of a text.
func SumOf(text string) Sum { return sumOf(nil, text) }

// With returns the sum that stands for a text that begins with what s stands for
// and goes on with rest.
func (s Sum) With(rest string) Sum { return sumOf(s[:], rest) }

func sumOf(prefix []byte, text string) (sum Sum) {
	h := sha256.New()
	h.Write(prefix)
	// In blocks, so that the text is not copied to the heap.
	var block [512]byte
	for len(text) > 0 {
		n := copy(block[:], text)
		h.Write(block[:n])
		text = text[n:]
	}
	h.Sum(sum[:0])
	return sum
}

// A Cache is a table of pairs. A new value takes the first place of its pair and
// moves the other to the second, so that memory is bounded and neither readers
// nor writers take a lock. Its methods may be called concurrently, and on nil,
// which remembers nothing.
type Cache[T any] struct {
	pairs [][2]atomic.Pointer[entry[T]]
}

// entry is immutable.
type entry[T any] struct {
	sum   Sum
	value T
}

// New returns a Cache with at least n places.
func New[T any](n int) *Cache[T] {
	return &Cache[T]{pairs: make([][2]atomic.Pointer[entry[T]], (n+1)/2)}
}

// The first bytes of a sum are as good as random, whatever the text was made
// for.
func (c *Cache[T]) pair(sum *Sum) *[2]atomic.Pointer[entry[T]] {
	return &c.pairs[binary.LittleEndian.Uint64(sum[:])%uint64(len(c.pairs))]
}

// Get returns the value for a sum, if it is still there.
func (c *Cache[T]) Get(sum Sum) (value T, ok bool) {
	if c == nil {
		return value, false
	}
	pair := c.pair(&sum)
	for i := range pair {
		if e := pair[i].Load(); e != nil && e.sum == sum {
			return e.value, true
		}
	}
	return value, false
}

// Put keeps a value, at the cost of an older one.
func (c *Cache[T]) Put(sum Sum, value T) {
	if c == nil {
		return
	}
	pair := c.pair(&sum)
	if first := pair[0].Swap(&entry[T]{sum, value}); first != nil && first.sum != sum {
		pair[1].Store(first)
	}
}
