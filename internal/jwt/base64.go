package jwt

// base64url as RFC 7515, Section 2 has it: the URL alphabet, no padding, and
// spare bits that are zero, so that each value has one text. The decoder of
// package base64 skips CR and LF even when it is strict, wants bytes where we
// have a string, and would need a second pass over every token.

// invalid is the value of characters outside the alphabet. It keeps a bit that
// no six-bit value has through every OR.
const invalid = 0xFF

var sixBits = func() (table [256]byte) {
	for i := range table {
		table[i] = invalid
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		table[c] = byte(i)
	}
	return table
}()

// decodedLen is how many bytes a text of this length decodes to.
func decodedLen(text string) int { return len(text) * 6 / 8 }

// decode fills dst, which has the decoded length, and reports whether the text
// is base64url.
func decode(dst []byte, text string) bool {
	if len(dst) != decodedLen(text) {
		return false
	}
	seen := byte(0)
	for len(text) >= 4 {
		a, b, c, d := sixBits[text[0]], sixBits[text[1]], sixBits[text[2]], sixBits[text[3]]
		seen |= a | b | c | d
		dst[0], dst[1], dst[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
		dst, text = dst[3:], text[4:]
	}
	spare := byte(0)
	switch len(text) {
	case 1:
		return false // six bits are no byte
	case 2:
		a, b := sixBits[text[0]], sixBits[text[1]]
		seen |= a | b
		dst[0], spare = a<<2|b>>4, b<<4
	case 3:
		a, b, c := sixBits[text[0]], sixBits[text[1]], sixBits[text[2]]
		seen |= a | b | c
		dst[0], dst[1], spare = a<<2|b>>4, b<<4|c>>2, c<<6
	}
	return seen < 64 && spare == 0
}

// decodeString returns the decoded text, unless it is longer than limit.
func decodeString(text string, limit int) (string, bool) {
	n := decodedLen(text)
	if n > limit {
		return "", false
	}
	// What fits is decoded on the stack, so that the string is all there is to
	// allocate.
	var array [2048]byte
	buf := array[:]
	if n > len(buf) {
		buf = make([]byte, n)
	}
	if !decode(buf[:n], text) {
		return "", false
	}
	return string(buf[:n]), true
}
