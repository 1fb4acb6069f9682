package returnto

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// escape returns the bytes of s as escapes, all of them.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// overlong returns r in one byte more than UTF-8 needs.
func overlong(r rune) string {
	switch {
	case r < 0x80:
		return string([]byte{0xC0 | byte(r>>6), 0x80 | byte(r&0x3F)})
	case r < 0x800:
		return string([]byte{0xE0, 0x80 | byte(r>>6), 0x80 | byte(r&0x3F)})
	case r < 0x10000:
		return string([]byte{0xF0, 0x80 | byte(r>>12), 0x80 | byte(r>>6&0x3F), 0x80 | byte(r&0x3F)})
	}
	return string([]byte{0xF8, 0x80 | byte(r>>18), 0x80 | byte(r>>12&0x3F), 0x80 | byte(r>>6&0x3F), 0x80 | byte(r&0x3F)})
}

var written = []struct {
	how string
	as  func(rune) string
}{
	{"raw", func(r rune) string { return string(r) }},
	{"escaped", func(r rune) string { return escape(string(r)) }},
	{"escaped twice", func(r rune) string { return strings.ReplaceAll(escape(string(r)), "%", "%25") }},
	{"escaped four times", func(r rune) string { return strings.ReplaceAll(escape(string(r)), "%", "%252525") }},
	{"escaped beside a bare percent sign", func(r rune) string { return "%25%25" + strings.ReplaceAll(escape(string(r)), "%", "%25") }},
	{"overlong", func(r rune) string { return escape(overlong(r)) }},
	{"overlong, escaped twice", func(r rune) string { return strings.ReplaceAll(escape(overlong(r)), "%", "%25") }},
}

// inPath are the places of a character; %s is the character.
var inPath = []string{"/%s", "/%s/evil.example", "%s/evil.example", "/a%sb", "/a/..%s/b", "/a/%s", "/%s%s", "https://app.example.com%s/x", "https://app.example.com/%s",
	"https://admin.example.com/%s/x", "https://%sapp.example.com/", "https%s//app.example.com/"}

func at(place, text string) string { return strings.ReplaceAll(place, "%s", text) }

// invisible are the properties of invisible characters, and of those that change the look
// of others.
var invisible = []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Zs,
	unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Bidi_Control, unicode.Join_Control, unicode.Pattern_White_Space}

// TestPathHidesNoCharacter takes each character to reject through each place and each
// spelling. There are hundreds of thousands of private and unassigned ones. Of these, it
// takes the ends of each range and some between.
func TestPathHidesNoCharacter(t *testing.T) {
	assignedTo := setOf(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf)
	hidden := setOf(slices.Concat(invisible, []*unicode.RangeTable{lookalikes})...)
	refused, last := 0, 0
	next := assignedTo[0x80]
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		assigned := next
		next = assignedTo[r+1]
		if !utf8.ValidRune(r) || assigned && !hidden[r] {
			last = 0
			continue
		}
		last++
		if !assigned && last > 1 && !next && r%509 != 0 && r != unicode.MaxRune {
			continue
		}
		refused++
		for _, w := range written {
			text := w.as(r)
			for _, place := range inPath {
				if got, ok := policy.Clean(own, at(place, text)); ok {
					t.Fatalf("%U, %s, in %s: passes as %q", r, w.how, place, got)
				}
			}
		}
	}
	if refused < 1000 {
		t.Errorf("%d characters were tried", refused)
	}
}

// TestPathSurrogatesAndOtherEscapes: invalid UTF-8, and an escape that some servers decode.
func TestPathSurrogatesAndOtherEscapes(t *testing.T) {
	for _, text := range []string{
		"%ED%A0%80", "%ED%BF%BF", "%ED%A0%BD%ED%B8%80", "%F4%90%80%80", "%FF", "%FE", "%C0", "%C1", "%80", "%BF", "%E9%80", "caf%E9%BF", "%C0%2e", "%C1%1C", "%E0@o", "%F0@@o", "%F8A", "%C0%AE%C0%AE", "%E9%E2%80%AE", "\xE9", "caf\xE9", "%E0%80%AF", "%F0%80%80%AF",
		"%25u2044", "%25U202E", "%25uD800", "%25uD83D%25uDE00", "%25uFF0F", "%2525u2215",
		"%25%EF%BC%92%EF%BC%A6", "%252%EF%BC%A6", "%25%F0%9D%9F%9AF",
	} {
		for _, place := range inPath {
			if got, ok := policy.Clean(own, at(place, text)); ok {
				t.Errorf("%s: passes as %q", at(place, text), got)
			}
		}
	}
}

// TestOldEncodingPasses: the path of a link in ISO 8859-1, with a letter before ASCII or
// before another letter. It passes unchanged, also after another encoding.
func TestOldEncodingPasses(t *testing.T) {
	passed := 0
	for c := 0xC2; c <= 0xFD; c++ {
		if c == 0xF7 {
			continue // the division sign, which looks like a delimiter
		}
		for _, next := range []string{"", "/x", "s", "b%C3%A9", "%E9"} {
			for _, target := range []string{fmt.Sprintf("/caf%%%02X%s", c, next), fmt.Sprintf("/caf%%25%02X%s", c, next)} {
				if got, ok := policy.Clean(own, target); !ok || got != target {
					t.Errorf("Clean(%q) = %q, %v", target, got, ok)
				}
				passed++
			}
		}
	}
	if passed != 590 {
		t.Errorf("%d targets", passed)
	}
}

// TestASCIIDelimitersOverlong: a decoder that accepts overlong forms would find a slash.
func TestASCIIDelimitersOverlong(t *testing.T) {
	for c := rune(0); c < 0x80; c++ {
		for _, w := range written[5:] {
			for _, place := range inPath {
				if got, ok := policy.Clean(own, at(place, w.as(c))); ok {
					t.Errorf("%q, %s, in %s: passes as %q", c, w.how, place, got)
				}
			}
		}
	}
}

// TestOrdinaryTextPasses: letters, marks and digits of every script, and the punctuation
// and symbols unlike those of ASCII, in path, query and fragment.
func TestOrdinaryTextPasses(t *testing.T) {
	for name, script := range unicode.Scripts {
		passed := 0
		for r := range each(script) {
			if r < 0x80 || unicode.In(r, invisible...) || unicode.Is(lookalikes, r) {
				continue
			}
			if !unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.So, unicode.Pd, unicode.Ps) {
				continue
			}
			for _, target := range []string{"/" + escape(string(r)), "/a" + escape(string(r)) + "/b", "/x?q=" + escape(string(r)), "/x#" + escape(string(r))} {
				if got, ok := policy.Clean(own, target); !ok || got != target {
					t.Fatalf("%s, %U: Clean(%q) = %q, %v", name, r, target, got, ok)
				}
			}
			if passed++; passed == 300 {
				break
			}
		}
		if passed == 0 {
			t.Errorf("no character of the script %s passes", name)
		}
	}
	for _, path := range []string{"/Übersicht/Größe", "/wiki/Москва", "/記事/東京タワー", "/한국어", "/हिन्दी/पृष्ठ", "/العربية", "/עברית", "/Việt Nam", "/a–b/‘x’/«y»", "/l·l", "/😀", "/ﬁsh", "/№5", "/①"} {
		target := (&url.URL{Path: path}).EscapedPath()
		if got, ok := policy.Clean(own, target); !ok || got != target {
			t.Errorf("%s: Clean(%q) = %q, %v", path, target, got, ok)
		}
	}
}

// setOf has true for each character of the tables. A lookup is cheaper than unicode.In, for
// a test of all characters.
func setOf(tables ...*unicode.RangeTable) []bool {
	set := make([]bool, unicode.MaxRune+2)
	for _, table := range tables {
		for r := range each(table) {
			set[r] = true
		}
	}
	return set
}

// each calls yield for the characters of a table.
func each(table *unicode.RangeTable) func(yield func(rune) bool) {
	return func(yield func(rune) bool) {
		for _, r := range table.R16 {
			for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
				if !yield(c) {
					return
				}
			}
		}
		for _, r := range table.R32 {
			for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// TestDataHidesNoCharacter: query and fragment are data, which may contain all but
// misleading characters.
func TestDataHidesNoCharacter(t *testing.T) {
	places := []string{"/x?%s", "/x?a=b%sc", "/x?%s=1&a", "/x#%s", "/x?a#b%s", "https://admin.example.com/?q=%s"}
	hidden := []*unicode.RangeTable{unicode.Bidi_Control, unicode.Zl, unicode.Zp, unicode.Cf, unicode.Cc, unicode.Other_Default_Ignorable_Code_Point}
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, hidden...) || unicode.Is(unicode.Join_Control, r) || r > 0xE0080 && r < 0xE0FFF {
			continue
		}
		for _, w := range written[:5] {
			for _, place := range places {
				if got, ok := policy.Clean(own, at(place, w.as(r))); ok {
					t.Fatalf("%U, %s, in %s: passes as %q", r, w.how, place, got)
				}
			}
		}
	}
	for _, target := range []string{
		"/x?q=%E2%80%8C%E2%80%8D", "/x?q=%E2%9D%A4%EF%B8%8F", "/x?q=caf%E9", "/x?q=%C3%A9", "/x?q=a%2Fb%5Cc%3A%2E", "/x?q=%EF%BC%8F%E2%88%95", "/x?text=a%0D%0Ab%09c", "/x?q=100%",
		"/x?q=%EE%80%80", "/x?path=C:%5CUsers", "/x?q=%C2%A0", "/x#%E3%80%82", "/x?u=%25252Fa", "/x?%u2044",
	} {
		if got, ok := policy.Clean(own, target); !ok || got != target {
			t.Errorf("Clean(%q) = %q, %v", target, got, ok)
		}
	}
	if _, ok := policy.Clean(own, "/x?q=%2525252525252541"); ok {
		t.Error("data that decodes without end passes")
	}
}
