package keys

import (
	"slices"
	"strings"
	"testing"
)

func TestAccepted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		given  []string
		shared bool
		want   []string
		err    string
	}{
		{nil, false, []string{"RS256"}, ""},
		{nil, true, []string{"HS256"}, ""},
		{[]string{"ES256", "EdDSA"}, false, []string{"ES256", "EdDSA"}, ""},
		{[]string{"HS256"}, true, []string{"HS256"}, ""},
		{[]string{}, false, nil, "is empty"},
		{[]string{"HS256"}, false, nil, `"HS256" is not one of`},
		{[]string{"RS256", "none"}, false, nil, `"none" is not one of`},
		{[]string{"RS256"}, true, nil, `"RS256" is not one of`},
	} {
		got, err := Accepted(tt.given, tt.shared)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q, %v: %q, %v", tt.given, tt.shared, got, err)
		}
	}
	given := []string{"RS256"}
	got, _ := Accepted(given, false)
	if given[0] = "none"; got[0] != "RS256" {
		t.Error("the list of the caller is kept")
	}
}
