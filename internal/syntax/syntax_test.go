package syntax

import (
	"slices"
	"strings"
	"testing"
)

func TestSyntax(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 128)
	for name, tt := range map[string]struct {
		is        func(string) bool
		good, bad []string
	}{
		"scope": {IsScope,
			[]string{"openid", "read:users", "!#[]~", "https://api.example/x"},
			[]string{"", "a b", `a"b`, `a\b`, "a\x7f", "é", "a\t", "\x00"}},
		"token": {IsToken,
			[]string{"X-Partner", "!#$%&'*+-.^_`|~09azAZ"},
			[]string{"", "X Y", "X:", "é", "a\n", "(a", `"a"`}},
		"token68": {IsToken68,
			[]string{"", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=", "a", "1234567", "12345678", "123456789"},
			[]string{" ", "a,b", "a\n", "é", `"`, "12345678,"}},
		"quotable": {IsQuotable,
			[]string{"", "a b", "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"},
			[]string{`"`, `\`, "a\x7f", "a\x1f", "\n", "é"}},
		"text": {CleanText,
			[]string{"", "Zoë Ltd", "百度", "a b", "~\u00a0"},
			[]string{"a\x00", "a\n", "a\x1f", "a\x7f", "a\u0080", "a\u0085", "a\u009f", "\xff"}},
		"connection name": {IsConnectionName,
			[]string{"", "Username-Password-Authentication", "a_b.c", "-a--", long},
			[]string{"a b", "<script>", "é", long + "a"}},
		"new name": {NewConnectionName,
			[]string{"a", "a-b", "A1-b2-c3", long},
			[]string{"", "-", "-a", "a-", "a--b", "a_b", "a.b", "a\n", long + "a"}},
		"path": {IsPlainPath,
			[]string{"/", "/auth/callback", "/a.b-c_d/~e", "/Z", "/" + strings.Repeat("a", 199)},
			[]string{"", "auth", "/a?b", "/a#b", "/{id}", "/a}", "/a%20", "/a b", `/a\b`, "//a", "/a//b", "/a//", "//",
				"/a/../b", "/a/./b", "/..", "/a/.", "/a;b", "/a\tb", "/a\nb", "/a\x00", "/a\x7f", "/\u00fc", "/" + strings.Repeat("a", 200)}},
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

// TestCharacters has each byte inside a text.
func TestCharacters(t *testing.T) {
	t.Parallel()
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	const visible = "!#$%&'()*+,-./" + digits + ":;<=>?@" + upper + "[]^_`" + lower + "{|}~"
	for name, tt := range map[string]struct {
		is            func(string) bool
		before, after string
		characters    string
	}{
		"scope":           {IsScope, "a", "a", visible},
		"quotable":        {IsQuotable, "a", "a", visible + " "},
		"token":           {IsToken, "a", "a", "!#$%&'*+-.^_`|~" + digits + lower + upper},
		"token68":         {IsToken68, "a", "a", "-._~+/=" + digits + lower + upper},
		"text":            {CleanText, "a", "a", visible + " \"\\"},
		"connection name": {IsConnectionName, "a", "a", "-_." + digits + lower + upper},
		"new name":        {NewConnectionName, "a", "a", "-" + digits + lower + upper},
		"host name":       {func(s string) bool { return CheckHostName(s) == nil }, "a", "a.example", "-." + digits + lower},
		"code":            {func(s string) bool { return Code(s) == s }, "a", "a", "-_." + digits + lower + upper},
	} {
		for c := range 256 {
			s := tt.before + string([]byte{byte(c)}) + tt.after
			if got := tt.is(s); got != (strings.IndexByte(tt.characters, byte(c)) >= 0) {
				t.Errorf("%s: %q: %v", name, s, got)
			}
		}
	}
}

// TestToken68InEachPlace: the check covers several places at once.
func TestToken68InEachPlace(t *testing.T) {
	t.Parallel()
	for place := range 19 {
		text := []byte("AAAAAAAAAAAAAAAAAAA")
		if !IsToken68(string(text)) {
			t.Error("a good text is rejected")
		}
		text[place] = ','
		if IsToken68(string(text)) {
			t.Errorf("%s is accepted", text)
		}
	}
}

func TestCheckHostName(t *testing.T) {
	t.Parallel()
	label, host := strings.Repeat("a", 63), strings.Repeat("a.", 126)+"a" // of 63 and 253 bytes
	const missing, form, qualified = "is missing", "is not a host name", "is not a fully qualified host name"
	for _, tt := range []struct{ host, err string }{
		{"acme.eu.auth0.com", ""},
		{"a.b", ""},
		{"xn--bcher-kva.example", ""},
		{"0-9.example", ""},
		{label + ".example", ""},
		{host, ""},

		{"", missing},
		{"Acme.example", form},
		{"acme..example", form},
		{".example", form},
		{"acme.example.", form},
		{"-a.example", form},
		{"a-.example", form},
		{"a.example/", form},
		{"https://a.example", form},
		{"a.example:80", form},
		{"a_b.example", form},
		{"é.example", form},
		{"[::1]", form},
		{"::1", form},
		{label + "a.example", form},
		{"localhost", qualified},
		{"10.0.0.1", qualified},
		{host[:len(host)-1] + "aa", qualified},
	} {
		err := CheckHostName(tt.host)
		if (err == nil) != (tt.err == "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%q: %v, want %q", tt.host, err, tt.err)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scopes, want []string
		err          string
	}{
		{nil, nil, ""},
		{[]string{""}, nil, ""},
		{[]string{"openid", "profile"}, []string{"openid", "profile"}, ""},
		{[]string{"b", "a", "b"}, []string{"b", "a"}, ""},
		{[]string{" b  a ", "c b"}, []string{"b", "a", "c"}, ""},
		{[]string{"a", `b"c`}, nil, `"b\"c" is not a scope`},
	} {
		got, err := Scopes(tt.scopes)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%q: %q, %v; want %q, %s", tt.scopes, got, err, tt.want, tt.err)
		}
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", 64)
	for code, want := range map[string]string{
		"":                    "",
		"access_denied":       "access_denied",
		"A0E-401.0002":        "A0E-401.0002",
		longest:               longest,
		longest + "a":         "unknown_error",
		"access denied":       "unknown_error",
		"access_denied\n":     "unknown_error",
		`a"b`:                 "unknown_error",
		"<script>":            "unknown_error",
		"https://evil.exampl": "unknown_error",
		"é":                   "unknown_error",
	} {
		if got := Code(code); got != want {
			t.Errorf("%q: %q, want %q", code, got, want)
		}
	}
}

func TestIsEnclosed(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"'a'": true, `"a"`: true, "`a`": true, "{yourClientId}": true, "<id>": true, "[id]": true, `""`: true,
		"": false, "'": false, "a": false, "'a": false, "a'": false, `'a"`: false, "{a>": false, "a{b}c": false,
	} {
		if IsEnclosed(s) != want {
			t.Errorf("%q: %v, want %v", s, !want, want)
		}
	}
}
