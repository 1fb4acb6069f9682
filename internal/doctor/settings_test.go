package doctor

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

// TestReadSettings compares the settings with the library's own.
func TestReadSettings(t *testing.T) {
	names := []string{"AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_SECRET", "APP_BASE_URL", "AUTH0_AUDIENCE", "AUTH0_TENANT_DOMAIN",
		"AUTH0_ISSUER_BASE_URL", "AUTH0_BASE_URL", "AUTH0_CALLBACK_URL", "AUTH0_CLIENT_ASSERTION_SIGNING_KEY", "AUTH0_CLIENT_ASSERTION_SIGNING_ALG"}
	for _, env := range []map[string]string{
		{},
		{"AUTH0_DOMAIN": "a.example", "AUTH0_CLIENT_ID": "b", "AUTH0_CLIENT_SECRET": "c", "AUTH0_SECRET": "d, e,,", "APP_BASE_URL": "https://f.example", "AUTH0_AUDIENCE": "g", "AUTH0_TENANT_DOMAIN": "h"},
		{"AUTH0_ISSUER_BASE_URL": "https://a.example/", "AUTH0_BASE_URL": "https://f.example", "AUTH0_CALLBACK_URL": "https://g.example/callback"},
		{"AUTH0_DOMAIN": "a.example", "AUTH0_ISSUER_BASE_URL": "https://b.example/", "AUTH0_CALLBACK_URL": "https://g.example:1/callback"},
		{"AUTH0_CALLBACK_URL": "/callback"}, {"AUTH0_CALLBACK_URL": "https://g.example"}, {"AUTH0_ISSUER_BASE_URL": "http://a.example"},
		{"APP_BASE_URL": "https://f.example", "AUTH0_BASE_URL": "https://h.example", "AUTH0_CALLBACK_URL": "https://g.example/callback"},
	} {
		for _, name := range names {
			t.Setenv(name, env[name])
		}
		want, _ := auth0.ConfigFromEnv()
		got := ReadSettings(os.Getenv)
		if got.Domain != want.Domain || got.ClientID != want.ClientID || got.ClientSecret != want.ClientSecret || got.BaseURL != want.BaseURL ||
			got.Audience != want.Audience || got.TenantDomain != want.TenantDomain || got.CallbackPath != want.CallbackPath || !slices.Equal(got.Secrets, want.Secrets) {
			t.Errorf("%v: got %+v, want %v", env, got, want)
		}
	}
	t.Setenv("AUTH0_CLIENT_ASSERTION_SIGNING_KEY", "key")
	t.Setenv("AUTH0_CLIENT_ASSERTION_SIGNING_ALG", "PS256")
	if got := ReadSettings(os.Getenv); got.SigningKey != "key" || got.algorithm() != "PS256" {
		t.Errorf("the key of assertions: %+v", got)
	}
}

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
