// Package secret keeps values from being printed. It does not know the meaning of a
// value.
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// A Box holds a value that package fmt cannot print. fmt prints every value that it
// reaches through an unexported field, without a call of its methods, and follows
// pointers for some verbs. Of a function it prints only the address. The zero Box is
// empty.
type Box[T any] struct{ open func() T }

// Text is a Box with a text.
type Text = Box[string]

// Of returns a Box with a value.
func Of[T any](value T) Box[T] { return Box[T]{func() T { return value }} }

// OfText returns a Box with a text. The Box is empty if the text is.
func OfText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Of(s)
}

// IsEmpty reports whether the Box is empty.
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

// MarshalText hides the value from encoding/json and other encoders.
func (b Box[T]) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// Random returns 32 random bytes as 43 characters.
func Random() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}
