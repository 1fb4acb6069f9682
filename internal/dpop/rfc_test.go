package dpop

import (
	"crypto/sha256"
	"testing"
	"time"
)

// TestExampleOfTheRFC is the proof of RFC 9449, Section 7.1, with the thumbprint of
// Section 6.1.
func TestExampleOfTheRFC(t *testing.T) {
	t.Parallel()
	const header = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
	const resource = header + "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	p, err := NewReader(all).Parse(resource)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Thumbprint(); got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := p.Verify(Expect{
		Method: "GET", URL: "https://resource.example.org/protectedresource", TokenSum: sha256.Sum256([]byte("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")),
		Now: time.Unix(1562262618, 0), MaxAge: time.Minute,
	}); err != nil {
		t.Error(err)
	}
}
