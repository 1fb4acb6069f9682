package returnto

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

var policy = Policy{
	Origins: []string{"https://admin.example.com"},
	Routes:  []string{"/auth/login", "/auth/callback", "/auth/logout"},
}

const own = "https://app.example.com"

func TestTargets(t *testing.T) {
	if len(targets) != 127 {
		t.Fatalf("%d targets, want 127", len(targets))
	}
	allowed := 0
	for _, tt := range targets {
		got, ok := policy.Clean(own, tt.target)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: Clean(%.60q) = %.60q, %v; want %.60q", tt.id, tt.target, got, ok, tt.want)
		}
		if ok {
			allowed++
		}
	}
	if allowed != 20 {
		t.Errorf("%d targets allowed, want 20", allowed)
	}
}

func TestClean(t *testing.T) {
	tests := []struct{ why, target, want string }{
		{"query and fragment are data", "/x?a=1&b=2%20#f", "/x?a=1&b=2%20#f"},
		{"anything printable in the query", "/x?next=//h/../auth/logout&q=100%", "/x?next=//h/../auth/logout&q=100%"},
		{"dot segments are removed as browsers do", "/a/./b/../c/", "/a/c/"},
		{"encoded dot segments", "/a/%2e%2e/b", "/b"},
		{"above the root", "/../../a", "/a"},
		{"last segment is a dot", "/a/b/.", "/a/b/"},
		{"last segment is two dots", "/a/b/..", "/a/"},
		{"inner empty segments stay", "/a//b", "/a//b"},
		{"a URL as a path", "/proxy/https://x/y", "/proxy/https://x/y"},
		{"escaped percent sign", "/100%25", "/100%25"},
		{"one letter more than a route", "/auth/loginx", "/auth/loginx"},
		{"own origin without a path", "https://app.example.com", "/"},
		{"listed origin without a path", "https://admin.example.com", "https://admin.example.com/"},
		{"own origin, many slashes", "https://app.example.com///h", ""},
		{"listed origin, many slashes", "https://admin.example.com//h", ""},
		{"own origin, own route", "https://app.example.com/auth/logout", ""},
		{"own origin and a query", "https://app.example.com?x", ""},
		{"own origin and a port", "https://app.example.com:8443/", ""},
		{"below a route", "/auth/login/x", ""},
		{"route behind dots and slashes", "/x/../auth/logout", ""},
		{"route behind an encoded slash", "/a%2F..%2Fauth%2Flogin", ""},
		{"route with a trailing slash", "/auth/logout/", ""},
		{"route with a double slash inside", "/auth//logout", ""},
		{"route, doubly encoded", "/auth/%256cogout", ""},
		{"decodes without end", "/%25252525252525252f", ""},
		{"double slash after decoding twice", "/%252f/h", ""},
		{"double slash in escapes that some servers read", "/%25u002fevil.example", ""},
		{"backslash in such an escape, at the beginning", "/%25u005cevil.example", ""},
		{"encoded backslash in the path is data", "/files/C:%5CUsers", "/files/C:%5CUsers"},
		{"encoded backslash, doubly", "/files/C:%255CUsers", "/files/C:%255CUsers"},
		{"encoded backslash in an escape that some servers read", "/a%25u005cb", "/a%25u005cb"},
		{"encoded backslash that begins a host", "/%5Cevil.example", ""},
		{"encoded backslash that begins a host behind dots", "/a/..%5C%5Cevil.example", ""},
		{"encoded backslash that begins a host behind encoded dots", "/a%5C%2e%2e%5C%2Fevil.example", ""},
		{"encoded backslash in front of a route", "/x%5C..%5Cauth%5Clogout", ""},
		{"route behind an encoded backslash", "/auth%5Clogin", ""},
		{"backslash in the path", `/a\b`, ""},
		{"backslash behind the origin", `https://app.example.com\@evil.example/?a`, ""},
		{"backslash in the query", `/x?path=C:\Users&y=\\h`, "/x?path=C:%5CUsers&y=%5C%5Ch"},
		{"backslash in the fragment", `/x#\a`, "/x#%5Ca"},
		{"letters in the query", "/x?name=Zürich&q=東京", "/x?name=Z%C3%BCrich&q=%E6%9D%B1%E4%BA%AC"},
		{"letters in the path", "/städte/東京", "/st%C3%A4dte/%E6%9D%B1%E4%BA%AC"},
		{"letters on another origin", "https://admin.example.com/é?ü", "https://admin.example.com/%C3%A9?%C3%BC"},
		{"letters in the host", "https://äpp.example.com/", ""},
		{"direction in the query", "/x?a=\u202eb", ""},
		{"blank in the query", "/x?a=b c", ""},
		{"bytes in the query", "/x?a=\xff", ""},
		{"old encoding in the query", "/x?a=%E9", "/x?a=%E9"},
		{"too long once it is encoded", "/x?" + strings.Repeat("é", 400), ""},
		{"just short enough once it is encoded", "/x?a" + strings.Repeat("é", 340), "/x?a" + strings.Repeat("%C3%A9", 340)},
		{"C1 control character after decoding", "/%c2%85", ""},
		{"invalid escape", "/a%zz", ""},
		{"invalid escape in the fragment", "/a#%zz", ""},
	}
	for _, tt := range tests {
		got, ok := policy.Clean(own, tt.target)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: Clean(%q) = %q, %v; want %q", tt.why, tt.target, got, ok, tt.want)
		}
	}
}

func TestPage(t *testing.T) {
	for target, want := range map[string]string{"": "", "/a": "/a", "/a?b#c": "/a", "/a#b?c": "/a", "?a": ""} {
		if got := Page(target); got != want {
			t.Errorf("Page(%q) = %q, want %q", target, got, want)
		}
	}
}

// TestZeroPolicy has no origins: it accepts only paths. An empty own origin does not turn
// every text into an absolute URL of ours.
func TestZeroPolicy(t *testing.T) {
	for target, want := range map[string]string{"/x": "/x", "x": "", "https://h/": "", "//h": ""} {
		if got, _ := (Policy{}).Clean("", target); got != want {
			t.Errorf("Clean(%q) = %q, want %q", target, got, want)
		}
	}
}

// FuzzClean checks the duties of every accepted target. Its place is the same for url.Parse
// and a browser, on our origin, off our routes, and stable.
func FuzzClean(f *testing.F) {
	for _, tt := range targets {
		f.Add(tt.target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, ok := policy.Clean(own, target)
		if !ok {
			if got != "" {
				t.Fatalf("refused with a result %q", got)
			}
			return
		}
		again, ok := policy.Clean(own, got)
		if !ok || again != got {
			t.Fatalf("Clean(%q) = %q, and of that %q, %v", target, got, again, ok)
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatalf("url.Parse(%q): %v", got, err)
		}
		if strings.HasPrefix(got, "/") && (u.Host != "" || u.Scheme != "" || strings.HasPrefix(got, "//")) {
			t.Fatalf("%q leaves the origin", got)
		}
		if !strings.HasPrefix(got, "/") && !strings.HasPrefix(got, "https://admin.example.com/") {
			t.Fatalf("%q is neither a path nor on the listed origin", got)
		}
		for _, route := range policy.Routes {
			if p := path.Clean(u.Path); p == route || strings.HasPrefix(p, route+"/") {
				t.Fatalf("%q is our route %s", got, route)
			}
		}
	})
}

func TestAddQuery(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/a":                      "/a?x=1",
		"/a?b":                    "/a?b&x=1",
		"/a#c":                    "/a?x=1#c",
		"/a?b#c":                  "/a?b&x=1#c",
		"/a#c?d":                  "/a?x=1#c?d",
		"https://a.example/b?c=d": "https://a.example/b?c=d&x=1",
	} {
		if got := AddQuery(target, "x=1"); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}
