package renew

import (
	"reflect"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// choose applies options in order.
func choose(options ...Option) (Wish, error) {
	var c Choice
	for _, option := range options {
		option(&c)
	}
	return c.Wish()
}

// TestWish has a row for each option.
func TestWish(t *testing.T) {
	t.Parallel()
	scopes := []string{"a"}
	audience := ForAudience("https://api.example/", scopes...)
	scopes[0] = "changed later"
	for _, row := range []struct {
		options []Option
		want    Wish
	}{
		{nil, Wish{}},
		{[]Option{audience, Force()}, Wish{Audience: "https://api.example/", Scopes: []string{"a"}, Force: true}},
		{[]Option{ForConnection("google")}, Wish{Connection: "google"}},
		{[]Option{ForConnection("google", "ada")}, Wish{Connection: "google", LoginHint: "ada"}},
		{[]Option{ForConnection("google", "ada"), ForConnection("github")}, Wish{Connection: "github"}},
	} {
		if got, err := choose(row.options...); err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%+v, %v; want %+v", got, err, row.want)
		}
	}
}

// TestWishMistakes has a row for each mistake. All mistakes are in one error.
func TestWishMistakes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		options []Option
		want    string
	}{
		{[]Option{ForAudience("")}, "ForAudience: the audience is empty"},
		{[]Option{ForConnection("")}, "ForConnection: the name of the connection is empty"},
		{[]Option{ForConnection("a b")}, `ForConnection: "a b" is not a connection name`},
		{[]Option{ForConnection("a", "b", "c")}, "ForConnection: there are 2 login hints; at most one is possible"},
		{[]Option{ForConnection("a", strings.Repeat("x", 321))}, "ForConnection: the login hint is too long or has control characters"},
		{[]Option{ForConnection("a", "\n")}, "ForConnection: the login hint is too long or has control characters"},
		{[]Option{ForConnection("a"), ForAudience("b")}, "ForConnection and ForAudience select different tokens"},
		{[]Option{func(c *Choice) { c.Fail("option %d is nil", 1) }, ForAudience("")}, "option 1 is nil\nForAudience: the audience is empty"},
	} {
		got, err := choose(row.options...)
		e, ok := err.(*refusal.Refusal)
		if !ok || e.Row != refusal.Internal || e.Err.Error() != row.want || !reflect.DeepEqual(got, Wish{}) {
			t.Errorf("%+v, %v; want %s", got, err, row.want)
		}
	}
}
