package jwt

// base64url as RFC 7515, Section 2 has it: the URL alphabet, no padding, and
// spare bits that are zero, so that each value has one text. The decoder of
// package base64 skips CR and LF even when it is strict, wants bytes where we
// have a string, and would need a second pass over every token.

// invalid is the value of characters outside the alphabet. It has a bit that no
// other value has.
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

// wellFormed reports whether a text is base64url.
func wellFormed(text string) bool {
	seen := byte(0)
	for i := range len(text) {
		seen |= sixBits[text[i]]
	}
	spare := byte(0)
	switch len(text) % 4 {
	case 1:
		return false // six bits are no byte
	case 2:
		spare = sixBits[text[len(text)-1]] << 4
	case 3:
		spare = sixBits[text[len(text)-1]] << 6
	}
	return seen < 64 && spare == 0
}

// decode fills dst, which has the decoded length, with what a well-formed text
// encodes.
func decode(dst []byte, text string) {
	for len(text) >= 4 {
		a, b, c, d := sixBits[text[0]], sixBits[text[1]], sixBits[text[2]], sixBits[text[3]]
		dst[0], dst[1], dst[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
		dst, text = dst[3:], text[4:]
	}
	if len(text) >= 2 {
		dst[0] = sixBits[text[0]]<<2 | sixBits[text[1]]>>4
	}
	if len(text) == 3 {
		dst[1] = sixBits[text[1]]<<4 | sixBits[text[2]]>>2
	}
}

// decodeTwo returns what two well-formed texts encode. It allocates once: both
// are parts of one string.
func decodeTwo(first, second string) (string, string) {
	// What fits is decoded on the stack, so that the string is all there is to
	// allocate.
	var array [2048]byte
	buf := array[:]
	n, m := decodedLen(first), decodedLen(second)
	if n+m > len(buf) {
		buf = make([]byte, n+m)
	}
	decode(buf[:n], first)
	decode(buf[n:n+m], second)
	both := string(buf[:n+m])
	return both[:n], both[n:]
}
