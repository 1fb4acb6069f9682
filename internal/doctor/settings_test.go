package doctor

import (
	"slices"
	"strings"
	"testing"
)

func TestParseEnv(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]Variable{
		"": nil, "\n# nothing\n  # nothing\n": nil,
		"A=b":                           {{"A", "b"}},
		"\ufeffA=b\r\nC=d\r\n":          {{"A", "b"}, {"C", "d"}},
		"export A=b # c":                {{"A", "b"}},
		" A = b#c ":                     {{"A", "b#c"}},
		"A=":                            {{"A", ""}},
		"A=b=c":                         {{"A", "b=c"}},
		`A="b # c" # d`:                 {{"A", "b # c"}},
		`A='b\n"c'`:                     {{"A", `b\n"c`}},
		`A="b\nc\"d\\n\$"`:              {{"A", "b\nc\"d\\n$"}},
		"A=\"b\nc\n\"\nD=e":             {{"A", "b\nc\n"}, {"D", "e"}},
		"A=\"b\\\n\\\"'c\" # d\nD='\n'": {{"A", "b\\\n\"'c"}, {"D", "\n"}},
	} {
		got, err := ParseEnv(in)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	const secret = "a-secret-value"
	for in, want := range map[string]string{
		secret:                                "line 1 is not NAME=value",
		"A=b\n\nA-B=" + secret:                "line 3 is not NAME=value",
		"A=\"b\nc\"\n=" + secret:              "line 3 is not NAME=value",
		"A=b\nC=\"" + secret + "\nD=e":        "line 2: a quote is not closed",
		"A='" + secret + "' " + secret:        "line 1: something follows the closing quote",
		"A='" + secret + "'" + secret + "=\"": "line 1: something follows the closing quote",
		"A=\"" + secret + `\"`:                "line 1: a quote is not closed",
		"A='\n\n\n" + secret + "'\n'":         "line 5 is not NAME=value",
	} {
		got, err := ParseEnv(in)
		if err == nil || err.Error() != want || got != nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// TestParseEnvCost: the parser joins the lines of a value once, not one by one.
func TestParseEnvCost(t *testing.T) {
	for _, text := range []string{"A=\"" + strings.Repeat("\n", 1000), "A=\"" + strings.Repeat("\n", 1000) + "\""} {
		if n := testing.AllocsPerRun(10, func() { ParseEnv(text) }); n > 20 {
			t.Errorf("%v allocations for 1000 lines", n)
		}
	}
}
