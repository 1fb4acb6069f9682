package auth0_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestClaimsOfARefusedHeaderAreNotRead: anybody can post a token with sixteen kilobytes
// of claims to the back-channel logout. The header alone is enough to reject most of
// them.
func TestClaimsOfARefusedHeaderAreNotRead(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	e := testkit.SignedIn(t, testkit.Revocable)
	allocations := func(header string, names int) float64 {
		var claims []string
		for i := range names {
			claims = append(claims, fmt.Sprintf(`"\u%04x":0`, 0x4e00+i)) // decoding happens only if the claim is read
		}
		body := url.Values{"logout_token": {testkit.Compact(header, "{"+strings.Join(claims, ",")+"}", testkit.Constant([]byte{1}))}}.Encode()
		return testing.AllocsPerRun(20, func() {
			r := httptest.NewRequest("POST", testkit.BackchannelPath, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			e.Mux.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for _, header := range []string{`{"alg":"RS256","typ":"at+jwt"}`, `{"alg":"PS256"}`} {
		if few, many := allocations(header, 1), allocations(header, 1000); many > few+50 {
			t.Errorf("%s: %.0f allocations with one claim, %.0f with a thousand", header, few, many)
		}
	}
	// For an accepted header, the cost per claim does not grow with their number.
	if few, many := allocations(`{"alg":"RS256"}`, 200), allocations(`{"alg":"RS256"}`, 1000); many > 6*few {
		t.Errorf("%.0f allocations with 200 claims, %.0f with 1,000", few, many)
	}
}
