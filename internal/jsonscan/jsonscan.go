// Package jsonscan reads one JSON object strictly.
//
// encoding/json is lenient: it folds the case of member names (and
// U+017F to s, U+212A to k), lets the last of two equal names win, replaces
// invalid UTF-8, and a Decoder stops at the end of the first value. Each of
// these lets two readers of the same signed text see different claims. This
// package follows RFC 8259 strictly: names are exact, text is valid UTF-8 without
// lone surrogates, nesting is bounded, and nothing follows the object. The caller
// sees every member in order, and decides about repeated names.
//
// The package does not know the meaning of members.
package jsonscan

import (
	"encoding/json"
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrSyntax is returned for text that is not one well-formed JSON object.
// It quotes nothing, since the text can be foreign.
var ErrSyntax = errors.New("jsonscan: not one well-formed JSON object")

// MaxDepth is the deepest accepted nesting, the object itself included. It bounds the
// recursion that a hostile document can cause.
const MaxDepth = 64

// Object checks that text is exactly one JSON object, white space around it
// allowed, and calls member for each of its members in order. Name is decoded;
// value is the raw text of the value, to be read with [String], [Number],
// [Strings], [Array] or by calling Object again. Both are substrings of text
// wherever possible. The error is ErrSyntax or that of member.
//
// Object checks the whole text, also values that member ignores. But member gets members
// before Object finds a later fault: if Object returns an error, the caller must discard
// its results.
func Object(text string, member func(name, value string) error) error {
	if !utf8.ValidString(text) {
		return ErrSyntax
	}
	s := scanner{text: text}
	s.space()
	if !s.take('{') {
		return ErrSyntax
	}
	s.space()
	if !s.take('}') {
		for {
			s.space()
			name, ok := s.name()
			if !ok {
				return ErrSyntax
			}
			start := s.pos
			if !s.value(MaxDepth - 1) {
				return ErrSyntax
			}
			if err := member(name, s.text[start:s.pos]); err != nil {
				return err
			}
			s.space()
			if s.take('}') {
				break
			}
			if !s.take(',') {
				return ErrSyntax
			}
		}
	}
	s.space()
	if s.pos != len(s.text) {
		return ErrSyntax
	}
	return nil
}

// String decodes a value from Object. It reports false if the value is not a JSON
// string.
func String(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return unescape(value[1 : len(value)-1]), true
}

// Number decodes a value from Object. It reports false if the value is not a JSON number
// or does not fit a finite float64.
func Number(value string) (float64, bool) {
	if value == "" || value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return 0, false
	}
	// Most are times, whole numbers that a float64 represents exactly.
	if len(value) <= 15 {
		if n, err := strconv.Atoi(value); err == nil {
			return float64(n), true
		}
	}
	// ParseFloat reports an error for numbers out of range. It also accepts spellings
	// such as 0x1p4, but the scanner has already rejected those.
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, false
	}
	return f, true
}

// Strings decodes an array of strings. It reports false if the value is not an
// array or if any element is not a string.
func Strings(value string) ([]string, bool) {
	list := make([]string, 0, 4)
	err := Array(value, func(value string) error {
		element, ok := String(value)
		if !ok {
			return ErrSyntax
		}
		list = append(list, element)
		return nil
	})
	if err != nil {
		return nil, false
	}
	return list, true
}

// Array calls element for each element of an array from Object, in order, with its raw
// text. The error is ErrSyntax if the value is not an array, or that of element.
func Array(value string, element func(value string) error) error {
	s := scanner{text: value}
	if !s.take('[') {
		return ErrSyntax
	}
	s.space()
	if s.take(']') {
		return nil
	}
	for {
		s.space()
		start := s.pos
		if !s.value(MaxDepth) {
			return ErrSyntax
		}
		if err := element(s.text[start:s.pos]); err != nil {
			return err
		}
		s.space()
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return ErrSyntax
		}
	}
}

type scanner struct {
	text    string
	pos     int
	escaped bool // the last string has escapes
}

// space skips white space. Tokens have none, which costs no call.
func (s *scanner) space() {
	if s.pos < len(s.text) && s.text[s.pos] <= ' ' {
		s.spaces()
	}
}

func (s *scanner) spaces() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// name reads a member name, the colon, and the space behind it.
func (s *scanner) name() (string, bool) {
	start := s.pos
	if !s.string() {
		return "", false
	}
	name := s.text[start+1 : s.pos-1]
	if s.escaped {
		name = unescape(name)
	}
	s.space()
	if !s.take(':') {
		return "", false
	}
	s.space()
	return name, true
}

// value skips one value, with at most depth levels of nesting inside.
func (s *scanner) value(depth int) bool {
	if s.pos >= len(s.text) {
		return false
	}
	switch c := s.text[s.pos]; {
	case c == '"':
		return s.string()
	case c == '{':
		return depth > 0 && s.object(depth)
	case c == '[':
		return depth > 0 && s.array(depth)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) object(depth int) bool {
	s.pos++
	s.space()
	if s.take('}') {
		return true
	}
	for {
		s.space()
		if _, ok := s.name(); !ok || !s.value(depth-1) {
			return false
		}
		s.space()
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) array(depth int) bool {
	s.pos++
	s.space()
	if s.take(']') {
		return true
	}
	for {
		s.space()
		if !s.value(depth - 1) {
			return false
		}
		s.space()
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) literal(word string) bool {
	if !strings.HasPrefix(s.text[s.pos:], word) {
		return false
	}
	s.pos += len(word)
	return true
}

// number follows the grammar of RFC 8259, Section 6.
func (s *scanner) number() bool {
	s.take('-')
	switch {
	case s.take('0'):
	case s.digits():
	default:
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// string skips a string. Control characters must be escaped (RFC 8259,
// Section 7), and surrogates must come in pairs: a lone one is not a character, and
// decoders treat it differently.
func (s *scanner) string() bool {
	if !s.take('"') {
		return false
	}
	s.escaped = false
	for {
		s.pos += plain(s.text[s.pos:])
		if s.pos == len(s.text) {
			return false
		}
		switch s.text[s.pos] {
		case '"':
			s.pos++
			return true
		case '\\':
			s.escaped = true
			if !s.escape() {
				return false
			}
		default:
			return false
		}
	}
}

// The lowest and the highest bit of each byte of a word.
const ones, highs = 0x0101010101010101, 0x8080808080808080

// word returns the first eight bytes of a text, the first one in the lowest bits.
func word(text string) uint64 {
	t := text[:8]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
		uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// plain returns the number of bytes before the first that ends a string, escapes or
// must be escaped: a quote, a backslash, a control character. Most of a session is
// tokens, so it takes eight bytes at a time.
func plain(text string) int {
	i := 0
	for ; len(text)-i >= 8; i += 8 {
		w := word(text[i:])
		quote, backslash := w^(ones*'"'), w^(ones*'\\')
		// A subtraction sets the high bit of the first byte that is too small. It can also
		// set those of the bytes behind it, which do not matter.
		if found := ((w-ones*0x20)&^w | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < 0x20 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

func (s *scanner) escape() bool {
	s.pos++
	if s.pos >= len(s.text) {
		return false
	}
	c := s.text[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		r, ok := hex4(s.text, s.pos)
		s.pos += 4
		if !ok || !utf16.IsSurrogate(r) {
			return ok
		}
		if !strings.HasPrefix(s.text[s.pos:], `\u`) {
			return false
		}
		low, ok := hex4(s.text, s.pos+2)
		s.pos += 6
		return ok && utf16.DecodeRune(r, low) != utf8.RuneError
	}
	return false
}

// hex4 reads the four digits of a \u escape.
func hex4(text string, pos int) (rune, bool) {
	if pos+4 > len(text) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(text[pos : pos+4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape decodes the inside of a string that the scanner has accepted.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for ; i >= 0; i = strings.IndexByte(s, '\\') {
		b = append(b, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, _ := hex4(s, 0)
			s = s[4:]
			if utf16.IsSurrogate(r) {
				low, _ := hex4(s, 2)
				r = utf16.DecodeRune(r, low)
				s = s[6:]
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, s...))
}

// AppendString appends a JSON string to dst, as encoding/json writes it.
func AppendString(dst []byte, s string) []byte {
	if isVerbatim(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // unreachable: every string has a text
	}
	return append(dst, text...)
}

// isVerbatim reports whether encoding/json writes a string unchanged: ASCII without
// characters that a string must escape, and without <, > and &.
func isVerbatim(s string) bool {
	if plain(s) < len(s) {
		return false
	}
	for ; len(s) >= 8; s = s[8:] {
		w := word(s)
		less, greater, and := w^(ones*'<'), w^(ones*'>'), w^(ones*'&')
		if (w|(less-ones)&^less|(greater-ones)&^greater|(and-ones)&^and)&highs != 0 {
			return false
		}
	}
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
