// Package syntax decides whether a text is a valid scope, token, host name or
// connection name.
//
// The package does not know the source or the use of a text.
package syntax

import (
	"errors"
	"fmt"
	"net/netip"
	pathpkg "path"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	letters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	alphanumeric = letters + "0123456789"
)

// consistsOf reports whether s has no character outside the alphabet.
func consistsOf(s, alphabet string) bool { return strings.Trim(s, alphabet) == "" }

// IsScope reports whether s is a scope-token of RFC 6749, Section 3.3.
func IsScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// IsToken reports whether s is a token of RFC 9110, Section 5.6.2, such as the name
// of a header field.
func IsToken(s string) bool { return s != "" && consistsOf(s, alphanumeric+"!#$%&'*+-.^_`|~") }

// CleanText reports whether s is UTF-8 without control characters.
func CleanText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || 0x7F <= r && r <= 0x9F })
}

// IsConnectionName reports whether a connection of a tenant can have the name s. It
// accepts more than [NewConnectionName], because the names of old connections follow
// other rules. It also accepts the empty text.
func IsConnectionName(s string) bool { return len(s) <= 128 && consistsOf(s, alphanumeric+"-_.") }

// NewConnectionName reports whether the Management API accepts s as the name of a
// new connection: letters, digits and single hyphens between them, at most 128.
func NewConnectionName(s string) bool {
	return s != "" && len(s) <= 128 && consistsOf(s, alphanumeric+"-") &&
		s[0] != '-' && s[len(s)-1] != '-' && !strings.Contains(s, "--")
}

// CheckHostName returns an error unless host is a fully qualified host name in lower
// case. Pasting such a name into a URL gives a URL with that host.
func CheckHostName(host string) error {
	if host == "" {
		return errors.New("is missing; it is the tenant's domain, such as acme.eu.auth0.com")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || !consistsOf(label, "abcdefghijklmnopqrstuvwxyz0123456789-") ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("is not a host name; it is the tenant's domain, such as acme.eu.auth0.com, without scheme, port and path")
		}
	}
	if _, err := netip.ParseAddr(host); err == nil || len(labels) < 2 || len(host) > 253 {
		return errors.New("is not a fully qualified host name, such as acme.eu.auth0.com; for a provider on this machine give a URL")
	}
	return nil
}

// Scopes returns the scopes in order, without duplicates. It splits a text with spaces
// into several scopes.
func Scopes(scopes []string) ([]string, error) {
	var set []string
	for _, scope := range strings.Fields(strings.Join(scopes, " ")) {
		if !IsScope(scope) {
			return nil, fmt.Errorf("%q is not a scope", scope)
		}
		if !slices.Contains(set, scope) {
			set = append(set, scope)
		}
	}
	return set, nil
}

// IsToken68 reports whether s has the characters of a token68 (RFC 9110, Section
// 11.2). It accepts = anywhere, and the empty text. It is fast, without a branch per
// character, because strangers send long credentials for free.
func IsToken68(s string) bool {
	other, table := byte(0), &otherThanToken68
	for ; len(s) >= 8; s = s[8:] {
		other |= table[s[0]] | table[s[1]] | table[s[2]] | table[s[3]] | table[s[4]] | table[s[5]] | table[s[6]] | table[s[7]]
	}
	for i := range len(s) {
		other |= table[s[i]]
	}
	return other == 0
}

var otherThanToken68 = func() (table [256]byte) {
	for i := range table {
		table[i] = 1
	}
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") {
		table[c] = 0
	}
	return table
}()

// IsQuotable reports whether s can stand in a quoted value of a challenge without
// escapes (RFC 6750, Section 3).
func IsQuotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// IsPlainPath reports whether a path means the same to a mux, to a browser and in the
// callback URLs of a tenant: it is ASCII, needs no escape, and a mux and a browser
// leave it unchanged.
func IsPlainPath(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#{}%;\\") || len(path) > 200 {
		return false
	}
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	clean := pathpkg.Clean(path)
	return path == clean || path == clean+"/" && clean != "/"
}

// IsEnclosed reports whether a value is in quotes, which a shell or a file should have
// removed, or in brackets, as a placeholder of a sample is.
func IsEnclosed(value string) bool {
	for _, pair := range []string{"''", `""`, "``", "{}", "<>", "[]"} {
		if len(value) > 1 && value[0] == pair[0] && value[len(value)-1] == pair[1] {
			return true
		}
	}
	return false
}

// Code returns an error code of another party, or "unknown_error" if the code is
// longer than 64 bytes or has characters that would need escapes. RFC 6749, Section
// 4.1.2.1, allows more characters than real codes have.
func Code(code string) string {
	if len(code) > 64 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") != "" {
		return "unknown_error"
	}
	return code
}
