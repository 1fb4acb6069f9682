package verify

import (
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/memo"
)

// A Cache has tokens whose signature was verified. It has their texts without the
// signatures, and the SHA-256 of the rest. Neither can be used as a token. It is safe for
// concurrent use.
type Cache struct{ tokens *memo.Cache[remembered] }

// NewCache returns a Cache of size tokens, by default 1,024, or reports the mistake in the
// size. It returns nil for -1.
func NewCache(report func(field, format string, args ...any), size int) *Cache {
	const byDefault, most = 1024, 1 << 20
	switch {
	case size == 0:
		size = byDefault
	case size == -1:
		return nil
	case size < 0 || size > most:
		report("TokenCache", "%d must be between 1 and %d, or None", size, most)
		return nil
	}
	return &Cache{memo.New[remembered](size)}
}

// maxRemembered is the length of the longest cached token, because the cache keeps
// its claims in memory.
const maxRemembered = 8 << 10

// takes reports whether the Cache can have a token.
func (c *Cache) takes(raw string) bool { return c != nil && len(raw) <= maxRemembered }

type remembered struct {
	token *Token
	input string // the signed text
}

// is reports whether raw is the cached token. sum is the hash of its signature part. The
// hashes are compared first: without the signature, an attacker learns nothing from the time.
func (held *remembered) is(raw string, sum memo.Sum) bool {
	n := len(held.input)
	return n < len(raw) && memo.SumOf(raw[n:]) == sum && raw[:n] == held.input
}

// find returns the place of a token for put, and the token if it is cached.
func (c *Cache) find(raw string) (memo.Slot, *Token) {
	place := c.tokens.SlotOf(raw)
	held, _ := c.tokens.Find(place, func(held remembered, sum memo.Sum) bool { return held.is(raw, sum) })
	return place, held.token
}

// put adds a token, by its text and the signed part of that.
func (c *Cache) put(place memo.Slot, raw, input string, t *Token) {
	c.tokens.Put(place, memo.SumOf(raw[len(input):]), remembered{t, strings.Clone(input)})
}
