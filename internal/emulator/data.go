package emulator

import (
	"crypto/sha256"
	"math/big"
	"strings"
)

// data is what the owner of a tenant configures. Stored values are never
// changed, only replaced, so that they can be used after the lock is released.
type data struct {
	clients     map[string]*Client // by id
	clientIDs   []string           // in order of addition
	apis        map[string]*API    // by audience
	connections []*Connection      // in order of addition
	users       map[string]*User   // by subject
	subjects    []string           // in order of addition
	signups     []string           // subjects that were created on a page
	orgs        []*Organization
	demo        bool
}

func newData() data {
	return data{clients: map[string]*Client{}, apis: map[string]*API{}, users: map[string]*User{}}
}

// derivedID returns n characters that depend only on the parts, so that ids are
// the same in every run.
func derivedID(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	text := new(big.Int).SetBytes(sum[:]).Text(62)
	return text[len(text)-n:]
}

// hasControl reports whether s has a control character, which no identifier needs.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
