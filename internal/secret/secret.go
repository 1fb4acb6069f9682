// Package secret keeps values from being printed. It does not know what they are.
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// A Box holds a value that package fmt cannot print. fmt prints what it reaches
// through an unexported field, whatever methods the field's type has, and follows
// pointers for some verbs. Of a function it prints the address alone. The zero Box
// is empty.
type Box[T any] struct{ open func() T }

// Text is a Box with a text.
type Text = Box[string]

// Of returns a Box with a value.
func Of[T any](value T) Box[T] { return Box[T]{func() T { return value }} }

// OfText returns a Box with a text, an empty one for the empty text.
func OfText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Of(s)
}

// IsEmpty reports whether there is no value.
func (b Box[T]) IsEmpty() bool { return b.open == nil }

// Reveal returns the value, the zero value for an empty Box.
func (b Box[T]) Reveal() T {
	if b.open == nil {
		var none T
		return none
	}
	return b.open()
}

// Format hides the value from every verb of package fmt that can reach this method.
func (b Box[T]) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(secret)") }

// MarshalText hides the value from encoding/json and its kin.
func (b Box[T]) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// Random returns 32 random bytes as 43 characters.
func Random() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}
