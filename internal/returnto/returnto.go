// Package returnto decides whether a browser may be sent to an untrusted URL after a
// login or a logout.
//
// Open redirects come from two parsers that disagree: url.Parse finds no host in
// "/\evil.example" and net/http writes it unchanged, but a browser turns the backslash
// into a slash and goes there. So this package does not parse and compare. It accepts a
// small set of forms, in a small set of characters, that every parser understands alike,
// and rejects the rest. A rejected target costs the visitor one click from the start
// page.
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

// MaxLength is the longest accepted target, in bytes. A cookie carries the target and
// must fit beside others.
const MaxLength = 2048

// A Policy lists the allowed targets.
type Policy struct {
	// Origins are the other allowed origins, as browsers write them: scheme, host in
	// lower case, port unless it is the default, no slash. A target there keeps its
	// absolute form.
	Origins []string
	// Routes are paths to which no login may return, with every path below them: the
	// login route would start over, the logout route would end the new session.
	Routes []string
}

// Clean returns the target of a redirect, and false if the given text is not allowed.
// Own is the origin of the site itself, written like [Policy.Origins]. An absolute
// target there is reduced to its path. The empty text is rejected.
//
// Clean decodes the path repeatedly and rejects two kinds of characters in each form.
// The first are invisible or change the direction of the text: controls, format
// characters, separators, default ignorables, private and unassigned ones. The second
// look like one of /\.:@?#%; or normalize to a text with one. No browser leaves the site
// for them, but a normalizing server can, and they mislead the user who reads the link.
// Letters, marks and digits of every script pass.
//
// Query and fragment are data of the application, kept byte for byte. Clean rejects a
// target that hides an invisible or direction-changing character there. The joiners that
// some scripts need pass, and so do variation selectors.
//
// Clean first adds escapes that browsers and links often leave out: it percent-encodes
// characters beyond ASCII, and a backslash in the query or the fragment, where it is
// data. A percent-encoded backslash in the path passes if the path is also safe for a
// parser that treats it as a slash.
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
	// A later parser must be able to read it; a fragment may contain an invalid escape.
	if _, err := url.Parse(result); err != nil {
		return "", false
	}
	return result, true
}

// split cuts a listed origin off an absolute target. Origins are compared as text, so
// another spelling is rejected.
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

// AddQuery adds an encoded query to a URL, before its fragment, which browsers do not
// send.
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

// printable rejects a backslash in the path, and everywhere invalid UTF-8, the blank,
// and the control characters of ASCII. Browsers strip TAB, CR and LF before they parse,
// and trim other control characters and spaces.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7F {
			return false
		}
	}
	return utf8.ValidString(s) && !strings.Contains(Page(s), `\`)
}

// encode percent-encodes every backslash and the bytes beyond ASCII, as browsers do,
// because they map many of those characters to others.
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

// pathIsSafe checks an escaped path in every form that a later parser can decode it to:
// net/http decodes once, and a proxy in front or an application behind may do so again.
func (p Policy) pathIsSafe(escaped string) bool {
	// A percent sign that was itself escaped is data. A bare one in the browser's text
	// is invalid.
	if _, err := url.PathUnescape(escaped); err != nil {
		return false
	}
	form := escaped
	for range rounds {
		// Equivalent forms are checked once.
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

// readerIsSafe checks a path as a later parser reads it.
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

// readable returns a text whose invalid UTF-8 is read as ISO 8859-1, the encoding of old
// links. It accepts only letters of that encoding, and none that a careless decoder
// could combine with the following bytes into an overlong form of a slash or a dot (RFC
// 3629, Section 3).
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

// isLetterBefore reports whether a byte is a letter of ISO 8859-1 that no UTF-8 decoder
// combines with the next byte into a character. A careless decoder looks only at the
// lowest six bits of the next byte. After the bytes that begin the longest forms, those
// bits must not be nearly zero.
func isLetterBefore(c, next byte) bool {
	switch {
	case c < 0xC2, c > 0xFD: // also the continuation bytes of UTF-8
		return false
	case c == 0xE0, c == 0xF0, c == 0xF8, c == 0xFC:
		return next&0x3F > 1
	}
	return true
}

// misleads reports whether a character of a path is not what it seems to be. The space
// is the only harmless invisible character.
func misleads(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7F
	case !unicode.IsGraphic(r): // categories C, Zl, Zp, and unassigned characters
		return true
	}
	return unicode.In(r, unicode.Zs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, lookalikes)
}

// escapesAgain reports whether a percent sign stands before characters that normalize to
// the digits of an escape.
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
// Invalid UTF-8 is text in another encoding.
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

// misleadsInData allows ASCII controls, which multi-line texts contain, and blanks: a
// user who reads the link sees their escapes.
func misleadsInData(r rune) bool {
	switch {
	case r < utf8.RuneSelf, unicode.Is(unicode.Join_Control, r):
		return false
	case unicode.Is(unicode.Bidi_Control, r):
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// unescape decodes every escape once and leaves the rest unchanged: the escapes of RFC
// 3986, Section 2.1, and the %uXXXX that some servers still read.
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

// removeDotSegments resolves a path as a browser does before the request (WHATWG URL,
// path state): %2e counts as a dot, and empty segments stay, so path.Clean does not fit.
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
