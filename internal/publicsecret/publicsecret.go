// Package publicsecret lists secrets published in documentation and sample
// applications, and decides where they may be used.
//
// The package does not know the owner of a secret.
package publicsecret

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// The secrets of package auth0test.
const (
	TestClient = "a-secret-for-tests-that-protects-nothing-at-all"
	TestCookie = "cookie-secret-for-tests-that-protects-nothing"
)

// known are secrets of this project's tests and examples, and the placeholders of
// sample applications and of the documentation of Auth0, in lower case.
var known = []string{
	TestClient,
	TestCookie,
	"32 bytes or more, the same everywhere",
	"a long, randomly-generated string stored in env",
	"a_long_random_string",
	"long_random_string",
	"long_random_value",
	"long_random_value_at_least_32_characters",
	"replace_this_with_a_long_random_string",
	"replace-this-with-a-long-random-string",
	"replace-me-with-a-long-random-value",
	"use [openssl rand -hex 32] to generate a 32 bytes value",
	"use [openssl rand -hex 32] to generate a 32 byte value",
	"clientsecret",
	"your_client_secret",
	"your-client-secret",
	"yourclientsecret",
	"your_auth0_client_secret",
	"your_auth0_secret",
	"auth0_client_secret",
	"auth0_secret",
	"client_secret",
	"changeme",
	"change-me",
	"change_me",
	"replace-me",
	"...",
}

// Has reports whether a secret is public. It ignores case, spaces around the secret
// and the brackets of a placeholder.
func Has(secret string) bool {
	s := strings.ToLower(strings.TrimSpace(secret))
	return slices.Contains(known, s) || slices.Contains(known, strings.Trim(s, "<>[]{}\"'"))
}

// MayBeUsed reports whether public secrets are harmless at a domain or the URL of a
// provider, because no real user can have an account there: it is this machine, or a
// name that is reserved for tests and documentation (RFC 6761, Section 6).
func MayBeUsed(domain string) bool {
	host := domain
	if strings.Contains(domain, "://") {
		u, err := url.Parse(domain)
		if err != nil {
			return false
		}
		host = u.Hostname()
	}
	host = strings.ToLower(host)
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	for _, reserved := range []string{"example", "test", "localhost"} {
		if host == reserved || strings.HasSuffix(host, "."+reserved) {
			return true
		}
	}
	return false
}
