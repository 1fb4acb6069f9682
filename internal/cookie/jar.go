package cookie

import (
	"net/http"
	"slices"
	"strings"
)

// maxHeld bounds the cookies that are read from one request. A browser has a session
// in at most six parts and a few login transactions. A restored window with many tabs
// can begin a login in each.
const maxHeld = 64

// A Jar has the cookies of one request with our names, in the order of the request. It
// is read once, because a request can carry thousands of cookies: in HTTP/2 with one
// byte for each (RFC 7541).
type Jar struct {
	held []held
	// TooMany reports that the request has more of them than any browser has.
	TooMany bool
}

type held struct{ name, value string }

// Read returns the cookies with our names. From a request with more of them than any
// browser has, it returns none: none is trusted, and none is deleted.
func Read(r *http.Request, ours func(name string) bool) Jar {
	var jar Jar
	for _, line := range r.Header["Cookie"] {
		for rest := line; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			name, value, found := strings.Cut(trim(pair), "=")
			if !found || !ours(name) || !isValue(value) {
				continue
			}
			if len(jar.held) == maxHeld {
				return Jar{TooMany: true}
			}
			jar.held = append(jar.held, held{name, value})
		}
	}
	return jar
}

// trim removes white space as defined in RFC 6265, Section 5.2.
func trim(s string) string { return strings.Trim(s, " \t") }

// isValue reports whether a value has only characters that we write: base64url, and the
// separators of the seal's version and of the number of parts.
func isValue(s string) bool {
	bad := uint8(0)
	for ; len(s) >= 8; s = s[8:] { // a session has thousands
		bad |= foreign[s[0]] | foreign[s[1]] | foreign[s[2]] | foreign[s[3]] |
			foreign[s[4]] | foreign[s[5]] | foreign[s[6]] | foreign[s[7]]
	}
	for i := range len(s) {
		bad |= foreign[s[i]]
	}
	return bad == 0
}

// foreign has a bit for each character that our values never contain.
var foreign = func() (table [256]uint8) {
	for c := range table {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:", rune(c)) {
			table[c] = 1
		}
	}
	return table
}()

// First returns the first value under a name, empty if there is none.
func (j Jar) First(name string) string {
	for _, h := range j.held {
		if h.name == name {
			return h.value
		}
	}
	return ""
}

// Names returns each name with the given prefix and length once, in the order of
// the request.
func (j Jar) Names(prefix string, length int) []string {
	var names []string
	for _, h := range j.held {
		if len(h.name) == length && strings.HasPrefix(h.name, prefix) && !slices.Contains(names, h.name) {
			names = append(names, h.name)
		}
	}
	return names
}

// With returns the jar with the names of further cookies, which the browser has but did
// not send. They are then deleted when they are replaced.
func (j Jar) With(names []string) Jar {
	for _, name := range names {
		if j.First(name) == "" {
			j.held = append(slices.Clip(j.held), held{name: name})
		}
	}
	return j
}
