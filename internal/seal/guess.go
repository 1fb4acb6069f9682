package seal

import "strings"

// guessable reports whether a text was typed and not drawn: it has few different
// characters, is a word repeated, or runs along the alphabet or a keyboard.
//
// A text that was drawn is almost never taken for one. The worst case among the
// usual generators is 64 hexadecimal digits ("openssl rand -hex 32"):
//
//   - fewer than 8 of the 16 digits occur with a probability of at most
//     C(16,7)·(7/16)^64 < 2^-62;
//   - the text has a period of at most half its length with at most
//     16^-32 + 16^-33 + ... < 2^-127;
//   - a given relation of neighbors holds for a digit with at most 1/16, independent
//     of the digits before, so for 32 of 63 with at most C(63,32)·16^-32 < 2^-67, and there
//     are four relations;
//   - letters without digits and signs are looked at only if they are two thirds
//     of the text, which for hexadecimal digits, of which 6 in 16 are letters, has
//     a probability of at most C(64,43)·(6/16)^43 < 2^-6, and then they must have
//     a period of at most half of their 43 or more: 6^-21 < 2^-54.
//
// Together that is less than 2^-59. In base64 (44 characters) and letters and
// digits (32 characters) the letters decide: 29 or more of 26 that differ without
// regard to case, 26^-14 < 2^-65, and 22 or more, 26^-11 < 2^-51.
func guessable(s string) (why string) {
	const leastDifferent = 8
	different := map[byte]bool{}
	for i := range len(s) {
		different[s[i]] = true
	}
	lower := strings.ToLower(s)
	letters := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r
		}
		return -1
	}, lower)
	switch {
	case len(different) < leastDifferent:
		return "has too few different characters"
	case repeats(s), repeats(lower), 3*len(letters) >= 2*len(s) && repeats(letters):
		return "is a text repeated"
	case runs(lower):
		return "runs along the alphabet or a keyboard"
	}
	return ""
}

// repeats reports whether a text is the beginning of a shorter one repeated, at
// least twice.
func repeats(s string) bool {
	for period := 1; period <= len(s)/2; period++ {
		if s[period:] == s[:len(s)-period] {
			return true
		}
	}
	return false
}

// keyboard has the rows of the usual keyboard.
const keyboard = "1234567890 qwertyuiop asdfghjkl zxcvbnm"

// runs reports whether more than half of the characters stand in the same relation
// to the one before: the next or the previous one in order, or on the keyboard.
func runs(s string) bool {
	var relations [4]int
	for i := range len(s) - 1 {
		a, b := s[i], s[i+1]
		if b == a+1 {
			relations[0]++
		}
		if b == a-1 {
			relations[1]++
		}
		at := strings.IndexByte(keyboard, a)
		if at >= 0 && at+1 < len(keyboard) && keyboard[at+1] == b {
			relations[2]++
		}
		if at > 0 && keyboard[at-1] == b {
			relations[3]++
		}
	}
	for _, n := range relations {
		if 2*n >= len(s) {
			return true
		}
	}
	return false
}
