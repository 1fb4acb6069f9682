// Package returnto decides whether a URL from outside may be the place a
// browser is sent to after a login or a logout.
//
// Open redirects come from two readers of one text: url.Parse finds no host in
// "/\evil.example" and net/http writes it as it is, but a browser turns the
// backslash into a slash and goes there. So this package does not parse and
// compare. It takes a small set of forms, in a small set of characters, that
// every reader understands alike, and refuses the rest; a refused target costs
// the visitor one click from the start page.
package returnto

import (
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

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
// absolute target there is reduced to its path. The empty text is refused.
//
// Query and fragment are data of the application: they are kept byte for byte.
func (p Policy) Clean(own, target string) (string, bool) {
	if len(target) == 0 || len(target) > MaxLength || !printable(target) {
		return "", false
	}
	origin := ""
	if target[0] != '/' {
		var ok bool
		if origin, target, ok = p.split(own, target); !ok {
			return "", false
		}
	}
	rest := ""
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target, rest = target[:i], target[i:]
	}
	if !p.pathIsSafe(target) {
		return "", false
	}
	result := origin + removeDotSegments(target) + rest
	// Whoever parses it later must be able to; a fragment may hold what is no
	// escape.
	if _, err := url.Parse(result); err != nil {
		return "", false
	}
	return result, true
}

// split cuts a listed origin off an absolute target. Origins are compared as
// text: one that is spelled in another way is refused rather than understood.
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

// printable allows the characters 0x21 to 0x7E without the backslash. Browsers
// strip TAB, CR and LF before they parse, trim other control characters and
// spaces, and map many characters beyond ASCII to others.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// pathIsSafe checks an escaped path in every form that some later reader may
// decode it to: net/http decodes once, a proxy in front or an application
// behind may do so again.
func (p Policy) pathIsSafe(escaped string) bool {
	const rounds = 5
	form := escaped
	for range rounds {
		if !formIsSafe(form) || !formIsSafe(removeDotSegments(form)) || p.isRoute(form) {
			return false
		}
		decoded, err := url.PathUnescape(form)
		if err != nil {
			// A percent sign that was itself escaped is data; a bare one in what
			// the browser sent is a fault.
			return form != escaped
		}
		if decoded == form {
			return true
		}
		form = decoded
	}
	return false
}

func formIsSafe(form string) bool {
	if !strings.HasPrefix(form, "/") || strings.HasPrefix(form, "//") {
		return false
	}
	if strings.Contains(form, "/.//") || strings.Contains(form, "/..//") || strings.Contains(form, `\`) || !utf8.ValidString(form) {
		return false
	}
	return !strings.ContainsFunc(form, func(r rune) bool { return r < 0x20 || 0x7F <= r && r <= 0x9F })
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
