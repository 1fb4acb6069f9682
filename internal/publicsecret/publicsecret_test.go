package publicsecret

import (
	"strings"
	"testing"
)

func TestHas(t *testing.T) {
	for _, s := range known {
		for _, spelled := range []string{s, " " + s + "\n", strings.ToUpper(s), "<" + s + ">"} {
			if !Has(spelled) {
				t.Errorf("%q is not known", spelled)
			}
		}
		if s != strings.ToLower(s) {
			t.Errorf("%q is not in lower case", s)
		}
	}
	for _, s := range []string{"", TestCookie + "x", "0123456789abcdef-cookie-secret-of-the-tests"} {
		if Has(s) {
			t.Errorf("%q is known", s)
		}
	}
}

func TestMayBeUsed(t *testing.T) {
	for domain, want := range map[string]bool{
		"acme.auth0.example": true, "ACME.Example": true, "id.test": true, "a.localhost": true, "http://localhost:3000": true,
		"http://127.0.0.1:4000/": true, "https://[::1]:1/x": true, "127.8.9.1": true, "https://id.example/realms/a": true, "http://[::ffff:127.0.0.1]/": true,
		"acme.eu.auth0.com": false, "example.com": false, "acmeexample": false, "latest": false, "https://example.evil/": false, "192.0.2.1": false,
		"https://evil.com/.example": false, "https://a.example@evil.com/": false, "": false, "https://%zz/": false, "0.0.0.0": false,
	} {
		if got := MayBeUsed(domain); got != want {
			t.Errorf("MayBeUsed(%q) = %v", domain, got)
		}
	}
}
