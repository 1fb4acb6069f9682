// Package returnto decides whether a URL from outside may be the place a
// browser is sent to after a login or a logout.
//
// Open redirects come from two readers of one text: url.Parse finds no host in
// "/\evil.example" and net/http writes it as it is, but a browser turns the
// backslash into a slash and goes there. So this package does not parse and
// compare. It takes a small set of forms, in a small set of characters, that
// every reader understands alike, and rejects the rest; a rejected target costs
// the visitor one click from the start page.
//
// The package does not know requests, cookies and sessions.
package returnto

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

//go:generate sh -c "cd lookalikes && go run ."

// MaxLength is the longest target accepted, in bytes. The target travels in a
// cookie that must fit beside others.
const MaxLength = 2048

// A Policy says what is ours.
type Policy struct {
	// Origins are other origins that may be returned to, written as a browser
	// does: scheme, host in lower case, port unless it is the default, no
	// slash. A target there keeps its absolute form.
	Origins []string
	// Routes are paths that are no place to return to, nor is anything below
	// them: login would start over, logout would end what has just begun.
	Routes []string
}

// Clean returns the target to redirect to, and false if the given text is not
// one. Own is the origin of the site itself, written like [Policy.Origins]; an
// absolute target there is reduced to its path. The empty text is rejected.
//
// In the path, however often it is decoded, these characters are rejected: those
// that are not to be seen or that change the direction of the text (controls,
// format characters, separators, characters that are ignored by default, private
// and unassigned ones), and those that are drawn like one of /\.:@?#%; or that
// normalize to a text with one. No browser leaves the site for them, but a server
// that normalizes can, and a user who reads the link is misled. Letters, marks
// and digits of every script pass.
//
// Query and fragment are data of the application: they are kept byte for byte. A
// target is rejected if they hide a character there that is not to be seen or that
// changes the direction of the text. The joiners that some scripts need pass
// there, and so do variation selectors.
//
// What browsers and links often leave out is done first: characters beyond ASCII are
// percent-encoded, and so is a backslash in the query or the fragment, where it is
// data. A backslash that the path has percent-encoded passes if the path is also safe
// for a reader to whom it is a slash.
func (p Policy) Clean(own, target string) (string, bool) {
	if len(target) == 0 || IsTooLong(target) || !printable(target) {
		return "", false
	}
	target = encode(target)
	origin := ""
	if target[0] != '/' {
		var ok bool
		if origin, target, ok = p.split(own, target); !ok {
			return "", false
		}
	}
	target, rest := Page(target), data(target)
	if !p.pathIsSafe(target) || !dataIsSafe(rest) {
		return "", false
	}
	result := origin + removeDotSegments(target) + rest
	// A later parser must be able to read it; a fragment may hold what is no
	// escape.
	if _, err := url.Parse(result); err != nil {
		return "", false
	}
	return result, true
}

// split cuts a listed origin off an absolute target. Origins are compared as
// text: one that is spelled in another way is rejected rather than understood.
func (p Policy) split(own, target string) (origin, rest string, ok bool) {
	for _, o := range append([]string{own}, p.Origins...) {
		rest, found := strings.CutPrefix(target, o)
		if !found || o == "" || rest != "" && rest[0] != '/' {
			continue
		}
		if rest == "" {
			rest = "/"
		}
		if o == own {
			o = ""
		}
		return o, rest, true
	}
	return "", "", false
}

// IsTooLong reports whether a target is longer than [MaxLength] in the form that Clean
// returns.
func IsTooLong(target string) bool { return len(target) > MaxLength || len(encode(target)) > MaxLength }

// Page returns a target without its query and fragment.
func Page(target string) string { return target[:len(target)-len(data(target))] }

// AddQuery adds an encoded query to a URL, which can have a query and a fragment. In the
// fragment it would not reach the server.
func AddQuery(target, query string) string {
	page, fragment, found := strings.Cut(target, "#")
	separator := "?"
	if strings.Contains(page, "?") {
		separator = "&"
	}
	if page += separator + query; found {
		page += "#" + fragment
	}
	return page
}

// data returns the query and the fragment of a target.
func data(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		return target[i:]
	}
	return ""
}

// printable rejects a backslash in the path, and everywhere bytes that are not UTF-8,
// the blank, and the control characters of ASCII. Browsers strip TAB, CR and LF before
// they parse, and trim other control characters and spaces.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7F {
			return false
		}
	}
	return utf8.ValidString(s) && !strings.Contains(Page(s), `\`)
}

// encode percent-encodes the bytes beyond ASCII, as browsers do, because they map many
// of those characters to others, and every backslash.
func encode(s string) string {
	isPlain := func(c byte) bool { return c < utf8.RuneSelf && c != '\\' }
	i := 0
	for i < len(s) && isPlain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if isPlain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// pathIsSafe checks an escaped path in every form that some later reader may
// decode it to: net/http decodes once, a proxy in front or an application
// behind may do so again.
func (p Policy) pathIsSafe(escaped string) bool {
	// A percent sign that was itself escaped is data; a bare one in what the
	// browser sent is a fault.
	if _, err := url.PathUnescape(escaped); err != nil {
		return false
	}
	form := escaped
	for range rounds {
		// A form that other readers take for the same is checked once.
		if slashes := strings.ReplaceAll(form, `\`, "/"); !p.readerIsSafe(form) || slashes != form && !p.readerIsSafe(slashes) {
			return false
		}
		decoded := unescape(form)
		if decoded == form {
			return true
		}
		form = decoded
	}
	return false
}

// readerIsSafe checks what a reader takes a path for.
func (p Policy) readerIsSafe(form string) bool {
	return formIsSafe(form) && !p.isRoute(form)
}

// rounds is how often a target may be decoded until it no longer changes.
const rounds = 5

func formIsSafe(form string) bool {
	if !strings.HasPrefix(form, "/") || strings.HasPrefix(form, "//") {
		return false
	}
	// Without dot segments, these could begin with two slashes.
	if strings.Contains(form, "/.//") || strings.Contains(form, "/..//") {
		return false
	}
	text, ok := readable(form)
	return ok && !strings.ContainsFunc(text, misleads) && !escapesAgain(text)
}

// readable returns a text with its bytes that are not UTF-8 read as ISO 8859-1, which
// old links are written in. It takes the letters of that encoding alone, and none that
// a careless decoder could read together with what follows as an overlong form of a
// slash or a dot (RFC 3629, Section 3).
func readable(s string) (string, bool) {
	if utf8.ValidString(s) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			next := byte(' ')
			if i+1 < len(s) {
				next = s[i+1]
			}
			if !isLetterBefore(s[i], next) {
				return "", false
			}
			r = rune(s[i])
		}
		b.WriteRune(r)
		i += size
	}
	return b.String(), true
}

// isLetterBefore reports whether a byte is a letter of ISO 8859-1 that begins no
// character together with the next byte, for any decoder of UTF-8. A careless one looks
// at the lowest six bits of the next byte alone. After the bytes that begin the longest
// forms, those bits must not be nearly zero.
func isLetterBefore(c, next byte) bool {
	switch {
	case c < 0xC2, c > 0xFD: // also the bytes that follow others in UTF-8
		return false
	case c == 0xE0, c == 0xF0, c == 0xF8, c == 0xFC:
		return next&0x3F > 1
	}
	return true
}

// misleads reports whether a character of a path is not what it seems to be.
// A space is the one that is not to be seen and harmless.
func misleads(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7F
	case !unicode.IsGraphic(r): // categories C, Zl, Zp, and what is unassigned
		return true
	}
	return unicode.In(r, unicode.Zs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, lookalikes)
}

// escapesAgain reports whether a percent sign stands before characters that
// normalize to digits of an escape.
func escapesAgain(form string) bool {
	for {
		_, after, found := strings.Cut(form, "%")
		if !found {
			return false
		}
		if digits := after[:min(2, len(after))]; strings.ContainsFunc(digits, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return true
		}
		form = after
	}
}

// dataIsSafe checks query and fragment in every form that they may be decoded to.
// Bytes that are no UTF-8 are a text in another encoding.
func dataIsSafe(data string) bool {
	for range rounds {
		for _, r := range data {
			if misleadsInData(r) {
				return false
			}
		}
		decoded := unescape(data)
		if decoded == data {
			return true
		}
		data = decoded
	}
	return false
}

// misleadsInData allows controls of ASCII, which a text of several lines has, and
// blanks: a user who reads the link sees their escapes.
func misleadsInData(r rune) bool {
	switch {
	case r < utf8.RuneSelf, unicode.Is(unicode.Join_Control, r):
		return false
	case unicode.Is(unicode.Bidi_Control, r):
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// unescape decodes every escape once and leaves the rest as it is: the escapes of
// RFC 3986, Section 2.1, and the %uXXXX that some servers still read.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		from, size := i+1, 2
		if i+1 < len(s) && (s[i+1] == 'u' || s[i+1] == 'U') {
			from, size = i+2, 4
		}
		if s[i] == '%' && from+size <= len(s) {
			if n, err := strconv.ParseUint(s[from:from+size], 16, 16); err == nil {
				switch {
				case size == 2:
					b.WriteByte(byte(n))
				case utf16.IsSurrogate(rune(n)):
					b.WriteByte(0x80) // half a character: readable rejects it
				default:
					b.WriteRune(rune(n))
				}
				i = from + size
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

func (p Policy) isRoute(form string) bool {
	clean := path.Clean(form)
	for _, route := range p.Routes {
		if clean == route || strings.HasPrefix(clean, route+"/") {
			return true
		}
	}
	return false
}

// removeDotSegments does what a browser does to the path before it asks for it
// (WHATWG URL, path state): %2e counts as a dot, and empty segments stay, which
// is why path.Clean does not serve.
func removeDotSegments(escaped string) string {
	if !strings.Contains(escaped, "/.") && !strings.Contains(escaped, "/%2") {
		return escaped
	}
	var kept []string
	segments := strings.Split(escaped, "/")[1:]
	for i, s := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ReplaceAll(s, "%2e", "."), "%2E", ".") {
		case ".":
			if last {
				kept = append(kept, "")
			}
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/")
}
