package testkit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// DecodeClaims decodes the payload of a token, and leaves numbers as written.
func DecodeClaims(t *testing.T, payload string) map[string]any {
	t.Helper()
	var claims map[string]any
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// Claim sets a claim of a token that the tenant signs, or removes it if value is
// nil. For a claim of a token that a test signs, see Object.
func Claim(name string, value any) TokenEdit {
	return func(_, c map[string]any) {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
}

// Header sets a header parameter of a token that the tenant signs.
func Header(name string, value any) TokenEdit {
	return func(h, _ map[string]any) { h[name] = value }
}

// ClaimIn returns a claim so many seconds from now.
func ClaimIn(name string, seconds float64) TokenEdit {
	return func(_, c map[string]any) { c[name] = float64(time.Now().Unix()) + seconds }
}

// Flip4 changes significant bits.
func Flip4(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^16])
}

// WithoutSID removes the session id of a token.
var WithoutSID = Claim("sid", nil)
