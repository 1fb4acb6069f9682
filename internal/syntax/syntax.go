// Package syntax has the grammars of RFC 6749, RFC 6750 and their kin, as functions
// of a text. It does not know what a text is for.
package syntax

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// IsPlainPath reports whether a path means the same to a mux, a browser and the
// tenant's list of callback URLs.
func IsPlainPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "?#{}% \\") && !strings.Contains(path, "//") && len(path) <= 200
}

// Code returns a code from outside if it is made of what codes are made
// of (RFC 6749, Section 4.1.2.1), so that nobody has to escape it.
func Code(code string) string {
	if len(code) > 64 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") != "" {
		return "unknown_error"
	}
	return code
}

// IsQuotable follows RFC 6750, Section 3: what may stand in a quoted value.
func IsQuotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// CheckHostName accepts a fully qualified host name and nothing else, so that
// pasting it into a URL gives that host.
func CheckHostName(host string) error {
	if host == "" {
		return errors.New("is missing; it is the tenant's domain, such as acme.eu.auth0.com")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("is not a host name; it is the tenant's domain, such as acme.eu.auth0.com, without scheme, port and path")
		}
	}
	if _, err := netip.ParseAddr(host); err == nil || len(labels) < 2 || len(host) > 253 {
		return errors.New("is not a fully qualified host name, such as acme.eu.auth0.com; for a provider on this machine give a URL")
	}
	return nil
}

// Scopes returns scopes in their order, each once. A scope that holds a space
// is taken for several.
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

// IsScope follows scope-token of RFC 6749, Section 3.3.
func IsScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// IsToken68 follows token68 of RFC 9110, Section 11.2. It sees every token that is
// refused, so it does not branch.
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

// CleanText reports whether s is UTF-8 without control characters.
func CleanText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || 0x7F <= r && r <= 0x9F })
}
