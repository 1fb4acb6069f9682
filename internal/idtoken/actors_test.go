package idtoken

import (
	"slices"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

func TestActors(t *testing.T) {
	t.Parallel()
	for act, want := range map[string][]string{
		"": nil, `{"sub":"a"}`: {"a"}, `{"act":{"act":{"sub":"c"},"sub":"b"},"sub":"a","iss":"x"}`: {"a", "b", "c"},
	} {
		if got, err := Actors(act); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", act, got, err, want)
		}
	}
	for _, act := range []string{`"a"`, `{}`, `{"sub":""}`, `{"sub":1}`, `{"sub":"a","act":{}}`, `{"sub":"a","act":"b"}`, `{"sub":"a","sub":"b"}`, `{"sub":"a","act":{"sub":"b"},"act":{"sub":"c"}}`} {
		got, err := Actors(act)
		expect(t, act, err, fault.Claim, "act is not an object with a sub")
		if got != nil {
			t.Errorf("%s: %q", act, got)
		}
	}
}
