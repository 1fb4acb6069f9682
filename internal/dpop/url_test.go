package dpop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

func basesOf(t *testing.T, urls ...string) Bases {
	t.Helper()
	bases, mistakes := NewBases(urls)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	return bases
}

// TestSameURL: two texts are one URL if RFC 3986, Sections 6.2.2 and 6.2.3, makes them
// equal.
func TestSameURL(t *testing.T) {
	t.Parallel()
	const x = "https://api.example/x"
	for _, tt := range []struct {
		htu, url string
		want     bool
	}{
		{x, x, true},
		{x + "?y=1", x, true},
		{x + "?z", x, true},
		{x + "?", x, true},
		{x + "#f", x, true},
		{x + "#f?y", x, true},
		{"HTTPS://API.example:443/x", x, true},
		{"https://api.example:/x", x, true},
		{"https://api.example/%78", x, true},
		{"https://api.example/a/../x", x, true},
		{"https://api.example/./x", x, true},
		{"https://api.example/../x", x, true},
		{"https://api.example/a/%2e%2E/x", x, true},
		{"https://api.example/%2E/x", x, true},
		{"https://api.example", "https://api.example/", true},
		{"https://api.example?y", "https://api.example/", true},
		{"https://api.example/a/..", "https://api.example/", true},
		{"https://api.example/a/.", "https://api.example/a/", true},
		{"https://api.example/a/b/..", "https://api.example/a/", true},
		{"https://api.example/a%2fb", "https://api.example/a%2Fb", true},
		{"https://api.example/%C3%BC", "https://api.example/%C3%BC", true},
		{"https://api.example/ü", "https://api.example/%C3%BC", true},
		{"https://api.example/%7e%2D%5f", "https://api.example/~-_", true},
		{"https://api.example/.well-known", "https://api.example/.well-known", true},
		{"https://api.example/a//b", "https://api.example/a//b", true},
		{"http://127.0.0.1:80/x", "http://127.0.0.1/x", true},
		{"https://[::1]:443/x", "https://[::1]/x", true},

		{"https://api.example/a%2fb", "https://api.example/a/b", false},
		{"https://api.example/a//b", "https://api.example/a/b", false},
		{"https://api.example/x/", x, false},
		{"https://api.example/X", x, false},
		{"http://api.example/x", x, false},
		{"http://api.example:443/x", x, false},
		{"https://api.example:80/x", x, false},
		{"https://api.example:8443/x", x, false},
		{"https://api.example:0443/x", x, false},
		{"https://user@api.example/x", x, false},
		{"https://user:password@api.example/x", x, false},
		{"https://api.example@evil.example/x", x, false},
		{"https://evil.example/x", x, false},
		{"https://api.example.evil.example/x", x, false},
		{"https://api.example./x", x, false},
		{"https://api.example%2f/x", x, false},
		{"https://api.example\\x", x, false},
		{"https:\\\\api.example/x", x, false},
		{"https:/api.example/x", x, false},
		{"https:api.example/x", x, false},
		{"//api.example/x", x, false},
		{"/x", x, false},
		{"", x, false},
		{"wss://api.example/x", x, false},
		{"https://äpi.example/x", x, false},
		{"https://api.example /x", x, false},
		{" " + x, x, false},
		{x + " ", x, false},
		{x + "\n", x, false},
		{"https://api.example/x\x00", x, false},
		{"https://api.example/\x7fx", x, false},
		{"https://api.example/%zz", x, false},
		{"https://api.example/%7", x, false},
		{"https://api.example/x%", x, false},
		{"https:///x", x, false},
		{"https://:443/x", x, false},
		{"https://api.example/%00x", x, false},
		{"https://api.example/%5Cx", x, false},
	} {
		if got := sameURL(tt.htu, tt.url); got != tt.want {
			t.Errorf("%q for %q: %v", tt.htu, tt.url, got)
		}
	}
}

// TestURL: the URL of a request is a configured one, with the path of the client's request.
func TestURL(t *testing.T) {
	t.Parallel()
	one := basesOf(t, "https://api.example")
	v1 := basesOf(t, "https://API.example:443/v1/")
	local := basesOf(t, "http://127.0.0.1:3000")
	several := basesOf(t, "https://a.example", "https://b.example/v2", "https://b.example:8443", "http://localhost:80")
	for _, tt := range []struct {
		bases        Bases
		host, target string
		want         string // empty for a refusal
	}{
		{one, "api.example", "/x?y=1", "https://api.example/x"},
		{one, "api.example", "/x?", "https://api.example/x"},
		{one, "api.example", "/x?/../y", "https://api.example/x"},
		{one, "api.example", "/", "https://api.example/"},
		{one, "api.example", "", "https://api.example/"},
		{one, "api.example", "/a/../%78", "https://api.example/x"},
		{one, "api.example", "/a%2fb", "https://api.example/a%2Fb"},
		{one, "api.example", "//evil.example/x", "https://api.example//evil.example/x"},
		{one, "api.example", "/\xc3\xbc", "https://api.example/%C3%BC"},
		{one, "api.example", "http://evil.example/x?y", "https://api.example/x"},
		{one, "api.example", "http://evil.example", "https://api.example/"},
		{one, "api.example", "http://evil.example?y=/z", "https://api.example/"},
		{one, "api.example", "/x?u=http://evil.example/y", "https://api.example/x"},
		{one, "api.example", "/http://evil.example/y", "https://api.example/http://evil.example/y"},
		{one, "api.example", "HTTP://evil.example/x", "https://api.example/x"},
		// net/http accepts these: the path is /x or empty, for any query.
		{one, "api.example", "http:/x?u=://evil.example/y", ""},
		{one, "api.example", "a:/x?u=://evil.example/y", ""},
		{one, "api.example", "http:x://evil.example/y", ""},
		{one, "api.example", "a://evil.example/y", ""},
		{one, "api.example", "*", ""},
		{one, "api.example", "evil.example:443", ""},
		{one, "api.example", "/a b", ""},
		{one, "api.example", "/a\\b", ""},
		{one, "api.example", "/a#b", ""},
		{one, "api.example", "/%", ""},
		{one, "api.example", "/" + strings.Repeat("x", 8192), ""},
		{one, "api.example", "/x?" + strings.Repeat("y", 8192), "https://api.example/x"}, // no proof has the query
		{one, "evil.example", "/x", "https://api.example/x"},
		{one, "api.example/x?", "/x", "https://api.example/x"},
		{one, "", "/x", "https://api.example/x"},
		{v1, "api.example", "/x", "https://api.example/v1/x"},
		{v1, "api.example", "/", "https://api.example/v1/"},
		{v1, "api.example", "/../x", "https://api.example/v1/x"},
		{v1, "api.example", "/%2e%2e/x", "https://api.example/v1/x"},
		{local, "127.0.0.1:3000", "/x", "http://127.0.0.1:3000/x"},
		{several, "a.example", "/x", "https://a.example/x"},
		{several, "A.example:443", "/x", "https://a.example/x"},
		{several, "a.example:", "/x", "https://a.example/x"},
		{several, "b.example", "/x", "https://b.example/v2/x"},
		{several, "b.example:8443", "/x", "https://b.example:8443/x"},
		{several, "localhost", "/x", "http://localhost/x"},
		{several, "localhost:80", "/x", "http://localhost/x"},
		{several, "c.example", "/x", ""},
		{several, "a.example:80", "/x", ""},
		{several, "a.example:8443", "/x", ""},
		{several, "", "/x", ""},
		{several, "a.example#", "/x", ""},
		{several, "a.example/x?", "/x", ""},
		{several, "a.example, b.example", "/x", ""},
		{several, "a.example@b.example", "/x", ""},
		{several, "a.example.", "/x", ""},
		{nil, "a.example", "/x", ""},
	} {
		got, root, err := tt.bases.URL(tt.host, tt.target)
		what := fmt.Sprintf("%.100q at %q", tt.target, tt.host)
		if got != tt.want || root != strings.HasSuffix(got, "/v1/") {
			t.Errorf("%s: %q, %v, want %q", what, got, root, tt.want)
		}
		if tt.want == "" {
			refused(t, what, err, fault.Proof, "htu")
		} else if err != nil || !sameURL(got, got) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestBases has the usable base URLs, and the mistakes. One error has all mistakes.
func TestBases(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		urls []string
		want []string // the beginnings of the errors
	}{
		{[]string{"https://api.example", "http://localhost:3000/v1", "http://[::1]:8080", "https://api.example:8443/%C3%BC"}, nil},
		{nil, nil},
		{[]string{"http://api.example"}, []string{`"http://api.example" cannot be used: http is allowed only for`}},
		{[]string{"https://api.example?x"}, []string{`"https://api.example?x" must have no query, no fragment and no backslash`}},
		{[]string{"https://api.example/#"}, []string{`"https://api.example/#" must have no query, no fragment and no backslash`}},
		{[]string{"https://u@api.example"}, []string{`"https://u@api.example" cannot be used: not a URL with a host and without a user name`}},
		{[]string{"api.example"}, []string{`"api.example" cannot be used`}},
		{[]string{""}, []string{`"" cannot be used`}},
		{[]string{"https://äpi.example"}, []string{`"https://äpi.example" cannot be used: the host must have the form that browsers send`}},
		{[]string{"https://api!.example"}, []string{`"https://api!.example" has characters that clients do not send`}},
		{[]string{"https://api.example/a\\b"}, []string{`"https://api.example/a\\b" must have no query`}},
		{[]string{"ftp://a.example", "https://b.example", "https://B.example:443/x"}, []string{`"ftp://a.example" cannot be used`, `"https://B.example:443/x" has the same host as another one`}},
	} {
		_, mistakes := NewBases(tt.urls)
		if len(mistakes) != len(tt.want) {
			t.Errorf("%q: %v, want %q", tt.urls, mistakes, tt.want)
			continue
		}
		for i, want := range tt.want {
			if got := mistakes[i].Error(); !strings.HasPrefix(got, want) {
				t.Errorf("%q: %s, want %s", tt.urls, got, want)
			}
		}
	}
}

// FuzzNormalPath: a normal path stays the same, and has no dot segment.
func FuzzNormalPath(f *testing.F) {
	for _, path := range []string{"/a/../b", "/%2e%2e/%2F", "/ü", "/%", "//", "/a/./", "/.."} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		normal, ok := normalPath(path)
		if !ok {
			return
		}
		if again, ok := normalPath(normal); !ok || again != normal || normal[0] != '/' {
			t.Errorf("%q: %q, then %q", path, normal, again)
		}
		for _, segment := range strings.Split(normal, "/") {
			if segment == "." || segment == ".." {
				t.Errorf("%q: %q", path, normal)
			}
		}
	})
}
