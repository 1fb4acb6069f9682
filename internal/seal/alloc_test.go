//go:build !race

package seal

import (
	"crypto/fips140"
	"testing"
)

// TestAllocations: a call allocates the cipher of the message, and its result. A value
// without the form of a seal costs nothing.
func TestAllocations(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("the form with a random nonce allocates more")
	}
	k := ring(t, secretA).Bind("tenant", "client")
	plain := make([]byte, 2000)
	value := k.Seal("session", "s", plain)
	other := "A"
	if value[1000] == 'A' {
		other = "B"
	}
	damaged := value[:1000] + other + value[1001:]
	open := func(value string) func() { return func() { k.OpenText("session", "s", value) } }
	for what, row := range map[string]struct {
		f    func()
		want int
	}{
		"Seal":           {func() { k.Seal("session", "s", plain) }, 3},
		"OpenText":       {open(value), 3},
		"damaged":        {open(damaged), 2},
		"other version":  {open("v1" + value[2:]), 0},
		"not base64url":  {open(value[:1000] + "." + value[1001:]), 0},
		"too short":      {open(value[:40]), 0},
		"no seal at all": {open("garbage"), 0},
	} {
		// The collector can empty the pool in between, which allocates once more.
		if n := int(testing.AllocsPerRun(200, row.f)); n != row.want {
			t.Errorf("%s allocates %d times, want %d", what, n, row.want)
		}
	}
}
