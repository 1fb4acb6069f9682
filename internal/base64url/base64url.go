// Package base64url reads and writes base64url (RFC 7515, Section 2). It reads strictly:
// the URL alphabet without padding, and with spare bits that are zero, so that each value
// has one text. The decoder of package base64 skips CR and LF even if it is strict, and it
// reads bytes where a token is a string.
//
// The package does not know the meaning of a value.
package base64url

import (
	"encoding/binary"
	"slices"
)

// invalid is the value of characters outside the alphabet. It is a bit that no
// character of the alphabet has, at any place of a group.
const invalid = 1 << 31

// sixBits has the value of each character at each of the four places of a group of
// 24 bits.
var sixBits = func() (table [4][256]uint32) {
	for place := range table {
		for c := range table[place] {
			table[place][c] = invalid
		}
		for value, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			table[place][c] = uint32(value) << (18 - 6*place)
		}
	}
	return table
}()

// DecodedLen returns the number of bytes that a text of this length decodes to.
func DecodedLen(text string) int { return len(text) * 6 / 8 }

// decode decodes a text into dst, which has the decoded length, and reports whether
// the text is base64url.
func decode(dst []byte, text string) bool {
	seen := uint32(0)
	for len(text) >= 8 && len(dst) >= 8 { // two groups; two bytes too many, which the next step overwrites
		a := sixBits[0][text[0]] | sixBits[1][text[1]] | sixBits[2][text[2]] | sixBits[3][text[3]]
		b := sixBits[0][text[4]] | sixBits[1][text[5]] | sixBits[2][text[6]] | sixBits[3][text[7]]
		seen |= a | b
		binary.BigEndian.PutUint64(dst, uint64(a)<<40|uint64(b&0xFFFFFF)<<16)
		dst, text = dst[6:], text[8:]
	}
	for ; len(text) >= 4; dst, text = dst[3:], text[4:] {
		group := sixBits[0][text[0]] | sixBits[1][text[1]] | sixBits[2][text[2]] | sixBits[3][text[3]]
		seen |= group
		dst[0], dst[1], dst[2] = byte(group>>16), byte(group>>8), byte(group)
	}
	group, spare := uint32(0), uint32(0)
	switch len(text) {
	case 1:
		return false // six bits are not a byte
	case 2:
		group = sixBits[0][text[0]] | sixBits[1][text[1]]
		spare = group & 0xFFFF
		dst[0] = byte(group >> 16)
	case 3:
		group = sixBits[0][text[0]] | sixBits[1][text[1]] | sixBits[2][text[2]]
		spare = group & 0xFF
		dst[0], dst[1] = byte(group>>16), byte(group>>8)
	}
	return (seen|group)&invalid == 0 && spare == 0
}

// IsValid reports whether a text is base64url.
func IsValid(text string) bool {
	seen, value := uint32(0), &sixBits[0]
	for ; len(text) >= 8; text = text[8:] {
		seen |= value[text[0]] | value[text[1]] | value[text[2]] | value[text[3]] |
			value[text[4]] | value[text[5]] | value[text[6]] | value[text[7]]
	}
	var rest [5]byte
	return seen&invalid == 0 && decode(rest[:DecodedLen(text)], text)
}

// DecodeTwo decodes two texts, and reports for each whether it is base64url. If it
// is not, its result has no meaning. Both results are parts of one string, so that
// DecodeTwo allocates once.
func DecodeTwo(first, second string) (one string, ok1 bool, two string, ok2 bool) {
	// Texts that fit are decoded on the stack. Only the string is then allocated.
	var array [2048]byte
	buf := array[:]
	n, m := DecodedLen(first), DecodedLen(second)
	if n+m > len(buf) {
		buf = make([]byte, n+m)
	}
	ok1 = decode(buf[:n], first)
	ok2 = decode(buf[n:n+m], second)
	both := string(buf[:n+m])
	return both[:n], ok1, both[n:], ok2
}

// Append decodes a text, appends the bytes to dst, and reports whether the
// text is base64url. If size is not negative, it must have that many bytes.
func Append(dst []byte, text string, size int) (_ []byte, ok bool) {
	n := DecodedLen(text)
	if size >= 0 && n != size {
		return dst, false
	}
	dst = slices.Grow(dst, n)
	end := len(dst)
	ok = decode(dst[end:end+n], text)
	return dst[:end+n], ok
}

// twoCharacters has the text of each twelve bits, the first character in the low byte.
var twoCharacters = func() (table [1 << 12]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range table {
		table[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return table
}()

// EncodedLen returns the length of the text of n bytes.
func EncodedLen(n int) int { return (n*8 + 5) / 6 }

// AppendText appends the text of data to dst. It takes half the time of package base64.
func AppendText(dst, data []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, EncodedLen(len(data)))[:n+EncodedLen(len(data))]
	out := dst[n:]
	for len(data) >= 8 && len(out) >= 8 { // six bytes
		group := binary.BigEndian.Uint64(data)
		binary.LittleEndian.PutUint64(out, uint64(twoCharacters[group>>52])|uint64(twoCharacters[group>>40&0xFFF])<<16|
			uint64(twoCharacters[group>>28&0xFFF])<<32|uint64(twoCharacters[group>>16&0xFFF])<<48)
		data, out = data[6:], out[8:]
	}
	for ; len(data) >= 3; data, out = data[3:], out[4:] {
		group := uint32(data[0])<<16 | uint32(data[1])<<8 | uint32(data[2])
		binary.LittleEndian.PutUint16(out, twoCharacters[group>>12])
		binary.LittleEndian.PutUint16(out[2:], twoCharacters[group&0xFFF])
	}
	switch len(data) {
	case 1:
		binary.LittleEndian.PutUint16(out, twoCharacters[uint32(data[0])<<4])
	case 2:
		group := uint32(data[0])<<16 | uint32(data[1])<<8
		binary.LittleEndian.PutUint16(out, twoCharacters[group>>12])
		out[2] = byte(twoCharacters[group&0xFFF])
	}
	return dst
}
