package syntax

import (
	"strings"
	"testing"
)

func TestSyntax(t *testing.T) {
	long := strings.Repeat("a", 128)
	for name, tt := range map[string]struct {
		is        func(string) bool
		good, bad []string
	}{
		"scope":           {IsScope, []string{"openid", "read:users", "!#[]~", "https://api.example/x"}, []string{"", "a b", `a"b`, `a\b`, "a\x7f", "é", "a\t"}},
		"token":           {IsToken, []string{"X-Partner", "!#$%&'*+-.^_`|~09azAZ"}, []string{"", "X Y", "X:", "é", "a\n"}},
		"text":            {CleanText, []string{"", "Zoë Ltd", "百度"}, []string{"a\x00", "a\n", "a\x7f", "a\u0085", "\xff"}},
		"connection name": {IsConnectionName, []string{"", "Username-Password-Authentication", "a_b.c", "-a--", long}, []string{"a b", "<script>", "é", long + "a"}},
		"new name":        {NewConnectionName, []string{"a", "a-b", "A1-b2-c3", long}, []string{"", "-", "-a", "a-", "a--b", "a_b", "a.b", "a\n", long + "a"}},
		"host name": {func(s string) bool { return CheckHostName(s) == nil },
			[]string{"acme.eu.auth0.com", "a.b", "xn--bcher-kva.example"},
			[]string{"", "localhost", "10.0.0.1", "Acme.example", "acme..example", ".example", "-a.example", "a-.example", "a.example/", "a.example:80", "[::1]", "::1",
				strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "aa"}},
	} {
		for _, s := range tt.good {
			if !tt.is(s) {
				t.Errorf("%s: %q is rejected", name, s)
			}
		}
		for _, s := range tt.bad {
			if tt.is(s) {
				t.Errorf("%s: %q is accepted", name, s)
			}
		}
	}
}
