// Package syntax decides whether a text has the form of a scope, a token, a host
// name or a name of a connection. Its functions look at the text alone: they do not
// know where it comes from and what it is used for.
package syntax

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"
)

const (
	letters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	alphanumeric = letters + "0123456789"
)

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
		if label == "" || len(label) > 63 || !consistsOf(label, "abcdefghijklmnopqrstuvwxyz0123456789-") || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("is not a host name; it is the tenant's domain, such as acme.eu.auth0.com, without scheme, port and path")
		}
	}
	if _, err := netip.ParseAddr(host); err == nil || len(labels) < 2 || len(host) > 253 {
		return errors.New("is not a fully qualified host name, such as acme.eu.auth0.com; for a provider on this machine give a URL")
	}
	return nil
}
