package dpop

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

var oldSecret, newSecret = strings.Repeat("o", 32), strings.Repeat("n", 32)

// TestNonces: the accepted nonces, by secret and time, and the proofs that get a newer one.
func TestNonces(t *testing.T) {
	t.Parallel()
	api := must(NewNonces("api", []string{newSecret, oldSecret}))
	// The beginning of a window.
	start := time.Unix(at.Unix()/60*60, 0)
	of := func(realm, secret string, when time.Time) string {
		return must(NewNonces(realm, []string{secret})).Current(when)
	}
	current := api.Current(start)
	changed := []byte(current)
	changed[len(changed)-1] ^= 1
	version := must(base64.RawURLEncoding.DecodeString(current))
	version[0]++
	for _, tt := range []struct {
		why   string
		nonce any
		want  string // the newer nonce of the response
		ok    bool
	}{
		{"none", nil, "", false},
		{"empty", "", "", false},
		{"a number", 5, "", false},
		{"the current one", current, "", true},
		{"of the end of this window", of("api", newSecret, start.Add(59*time.Second)), "", true},
		{"of an instance that is ahead", of("api", newSecret, start.Add(60*time.Second)), "", true},
		{"two windows ahead", of("api", newSecret, start.Add(120*time.Second)), "", false},
		{"of a second ago", of("api", newSecret, start.Add(-time.Second)), current, true},
		{"of 61 seconds ago", of("api", newSecret, start.Add(-61*time.Second)), current, true},
		{"of 240 seconds ago", of("api", newSecret, start.Add(-240*time.Second)), current, true},
		{"of 241 seconds ago", of("api", newSecret, start.Add(-241*time.Second)), "", false},
		{"of 6 minutes ago", of("api", newSecret, start.Add(-6*time.Minute)), "", false},
		{"of the old secret", of("api", oldSecret, start), "", true},
		{"of the old secret, older", of("api", oldSecret, start.Add(-61*time.Second)), current, true},
		{"of an unknown secret", of("api", strings.Repeat("x", 32), start), "", false},
		{"of another realm", of("api2", newSecret, start), "", false},
		{"of no realm", of("", newSecret, start), "", false},
		{"one bit is wrong", string(changed), "", false},
		{"of another version", b64(version), "", false},
		{"padded", current + "=", "", false},
		{"in another case", strings.ToLower(current), "", false},
		{"long", strings.Repeat("x", 3000), "", false},
	} {
		claims := members{"iat": start.Unix(), "nonce": tt.nonce}
		e := expected()
		e.Now, e.Nonces = start, api
		use, err := check(proof(nil, claims), e)
		if !tt.ok {
			refused(t, tt.why, err, fault.ProofNonce, "nonce")
			continue
		}
		if err != nil || use.Nonce != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.why, use.Nonce, err, tt.want)
		}
	}
	// Without the old secret, its nonces are rejected.
	e := expected()
	e.Now, e.Nonces = start, must(NewNonces("api", []string{newSecret}))
	_, err := check(proof(nil, members{"iat": start.Unix(), "nonce": of("api", oldSecret, start)}), e)
	refused(t, "without the old secret", err, fault.ProofNonce, "nonce")
}

// TestNonceForm: a nonce has the characters of RFC 9449, Section 8.1. Each minute has a new
// one, made with the first secret.
func TestNonceForm(t *testing.T) {
	t.Parallel()
	both := must(NewNonces("api", []string{newSecret, oldSecret}))
	start := time.Unix(at.Unix()/60*60, 0)
	first := both.Current(start)
	if first != must(NewNonces("api", []string{newSecret})).Current(start) {
		t.Error("instances with the same secret make different nonces")
	}
	if both.Current(start.Add(59*time.Second)) != first || both.Current(start.Add(60*time.Second)) == first {
		t.Error("a nonce is not that of a minute")
	}
	if both.Current(start) != first {
		t.Error("an instance whose clock goes back makes other nonces")
	}
	if decoded, err := base64.RawURLEncoding.DecodeString(first); err != nil || len(decoded) != 21 || decoded[0] != 1 {
		t.Errorf("%q: %x, %v", first, decoded, err)
	}
}

func TestNoNonces(t *testing.T) {
	t.Parallel()
	n, err := NewNonces("api", nil)
	if n != nil || err != nil || n.Current(at) != "" {
		t.Errorf("%v, %v", n, err)
	}
	e := expected()
	e.Nonces = n
	if use, err := check(proof(nil, members{"nonce": "x"}), e); err != nil || use.Nonce != "" {
		t.Errorf("%+v, %v", use, err)
	}
}
