package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func baseURLs(urls ...string) func(*auth0.DPoP) {
	return func(d *auth0.DPoP) { d.BaseURLs = urls }
}

func htu(url string) edit { return claim("htu", testkit.Quoted(url)) }

// at is a request for a target, with a proof for a URL.
func at(target, url string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("Authorization", "DPoP "+client.token)
	r.Header.Set("DPoP", client.proof(htu(url)))
	return r
}

// TestURLsOfProofs compares the URL of a proof with the requested URL.
func TestURLsOfProofs(t *testing.T) {
	t.Parallel()
	const api, v1, local = "https://api.example", "https://api.example/v1/", "http://localhost:8080"
	for _, tt := range []struct {
		base, target, url string
		ok                bool
	}{
		{api, "/x", "https://api.example/x", true},
		{api, "/x?y=1", "https://api.example/x", true},
		{api, "/x?y=1", "https://api.example/x?y=1", true},
		{api, "/x?y=1", "https://api.example/x?z", true},
		{api, "/x", "https://api.example/x#f", true},
		{api, "/x?y=%zz", "https://api.example/x", true},
		{api, "/", "https://api.example", true},
		{api, "/", "https://api.example?x", true},
		{api, "/x", "HTTPS://API.example:443/x", true},
		{api, "/x", "https://api.example/%78", true},
		{api, "/%78", "https://api.example/x", true},
		{api, "/x", "https://api.example/a/../x", true},
		{api, "/x", "https://api.example/./x", true},
		{api, "/a%2fb", "https://api.example/a%2Fb", true},
		{api, "/caf%c3%a9", "https://api.example/caf%C3%A9", true},
		{api, "http://proxy.example/x", "https://api.example/x", true}, // a request target in the absolute form
		{local, "/x", "http://localhost:8080/x", true},

		{api, "/a/b", "https://api.example/a%2fb", false},
		{api, "/a%2fb", "https://api.example/a/b", false},
		{api, "/x", "https://api.example/x/", false},
		{api, "/x/", "https://api.example/x", false},
		{api, "/x", "https://api.example/X", false},
		{api, "/x", "https://api.example//x", false},
		{api, "/x", "http://api.example/x", false},
		{api, "/x", "http://api.example:443/x", false},
		{api, "/x", "https://api.example:8443/x", false},
		{api, "/x", "https://user@api.example/x", false},
		{api, "/x", "https://user:pw@api.example/x", false},
		{api, "/x", "https://evil.example/x", false},
		{api, "/x", "https://evil.example/x?code=SECRET#SECRET", false},
		{api, "/x", "https://evil.example#https://api.example/x", false},
		{api, "/x", "https://api.example.evil.example/x", false},
		{api, "/x", "https://api.example\\@evil.example/x", false},
		{api, "/x", "https://api.example\\x", false},
		{api, "/x", "https://api.example/x\x00", false},
		{api, "/x", "https://api.example/x\r\n", false},
		{api, "/x", " https://api.example/x", false},
		{api, "/x", "https://\u0430pi.example/x", false}, // a Cyrillic letter
		{api, "/x", "https:/api.example/x", false},
		{api, "/x", "//api.example/x", false},
		{api, "/x", "/x", false},
		{api, "/x", "", false},
		{api, "/x", "https://api.example/x" + strings.Repeat("a", 2000), false},
		{local, "/x", "https://localhost:8080/x", false},

		// A proxy removes the prefix.
		{v1, "/x", "https://api.example/v1/x", true},
		{v1, "/", "https://api.example/v1/", true},
		{v1, "/", "https://api.example/v1", true},
		{v1, "/", "https://api.example/", false},
		{v1, "/x", "https://api.example/v1", false},
		{v1, "/x", "https://api.example/x", false},
		// It keeps the prefix, and the base URL has none.
		{api, "/v1/x", "https://api.example/v1/x", true},
		{api, "/v1/x", "https://api.example/x", false},
	} {
		t.Run(tt.base+" "+tt.target+" "+tt.url[:min(len(tt.url), 60)], func(t *testing.T) {
			t.Parallel()
			f := newEnv(t, auth0.BindingAllowed, baseURLs(tt.base))
			want := badProof
			if tt.ok {
				want = testkit.AnswerOK
			}
			f.ExpectWhole(t, f.API.RequireAuth(f), at(tt.target, tt.url), want)
			if line := f.Log.Take(); !tt.ok && (!strings.Contains(line, "htu:") || !strings.Contains(line, strings.TrimSuffix(tt.base, "/")) || strings.Count(line, "\n") != 1) {
				t.Errorf("log %q, want one line that names the URL that was expected", line)
			} else if strings.Contains(line, "SECRET") {
				t.Errorf("the log has the query: %q", line)
			}
		})
	}
	for name, value := range map[string]string{"absent": "", "number": "5", "list": `["https://api.example/x"]`} {
		f := newEnv(t, auth0.BindingAllowed)
		r := testkit.WithHeader(testkit.RequestWith("DPoP "+client.token), "DPoP", client.proof(claim("htu", value)))
		t.Run(name, func(t *testing.T) { f.ExpectWhole(t, f.API.RequireAuth(f), r, badProof) })
	}
}

// TestHostsOfProofs: the Host header of a client is compared with base URLs, and is
// never part of a URL by itself.
func TestHostsOfProofs(t *testing.T) {
	t.Parallel()
	const proxy, outside = "10.0.0.1:1", "192.0.2.1:1"
	one := []string{"https://api.example"}
	two := []string{"https://a.example", "https://b.example:8443/v1"}
	for _, tt := range []struct {
		why       string
		bases     []string
		host      string
		forwarded []string
		from      string
		url       string
		ok        bool
	}{
		{"one base", one, "api.example", nil, outside, "https://api.example/x", true},
		{"one base, another host", one, "evil.example", nil, outside, "https://api.example/x", true},
		{"one base, proof for another host", one, "evil.example", nil, outside, "https://evil.example/x", false},
		{"one base, host with a path", one, "api.example/x?", nil, outside, "https://api.example/x", true},
		{"one base, proof for a host with a path", one, "api.example/x?", nil, outside, "https://api.example/x?/x", true}, // the query does not count
		{"one base, host with a fragment", one, "evil.example#", nil, outside, "https://evil.example#/x", false},
		{"one base, two hosts", one, "a, b", nil, outside, "https://api.example/x", true},
		{"one base, no host", one, "", nil, outside, "https://api.example/x", true},

		{"first of two", two, "a.example", nil, outside, "https://a.example/x", true},
		{"first of two, default port", two, "A.example:443", nil, outside, "https://a.example/x", true},
		{"second of two", two, "b.example:8443", nil, outside, "https://b.example:8443/v1/x", true},
		{"second of two without its port", two, "b.example", nil, outside, "https://b.example:8443/v1/x", false},
		{"proof of the other one", two, "b.example:8443", nil, outside, "https://a.example/x", false},
		{"a third host", two, "c.example", nil, outside, "https://c.example/x", false},
		{"a third host, proof of the first", two, "c.example", nil, outside, "https://a.example/x", false},
		{"host with a path", two, "a.example/x?", nil, outside, "https://a.example/x", false},
		{"host with a fragment", two, "a.example#", nil, outside, "https://a.example/x", false},
		{"two hosts", two, "a.example, b.example:8443", nil, outside, "https://a.example/x", false},
		{"no host", two, "", nil, outside, "https://a.example/x", false},

		{"forwarded by a stranger", two, "a.example", []string{"b.example:8443"}, outside, "https://b.example:8443/v1/x", false},
		{"forwarded by a stranger, host", two, "a.example", []string{"b.example:8443"}, outside, "https://a.example/x", true},
		{"forwarded", two, "a.example", []string{"b.example:8443"}, proxy, "https://b.example:8443/v1/x", true},
		{"forwarded, host", two, "a.example", []string{"b.example:8443"}, proxy, "https://a.example/x", false},
		{"forwarded, rightmost", two, "a.example", []string{"evil, b.example:8443"}, proxy, "https://b.example:8443/v1/x", true},
		{"forwarded, leftmost", two, "c.example", []string{"a.example, c.example"}, proxy, "https://a.example/x", false},
		{"forwarded, last line", two, "c.example", []string{"a.example", "b.example:8443"}, proxy, "https://b.example:8443/v1/x", true},
		{"forwarded, garbage", two, "a.example", []string{"a.example/?#"}, proxy, "https://a.example/x", false},
		{"forwarded, empty", two, "a.example", []string{""}, proxy, "https://a.example/x", false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			f := newEnv(t, auth0.BindingAllowed, baseURLs(tt.bases...), func(d *auth0.DPoP) {
				if len(tt.bases) > 1 {
					d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
				}
			})
			r := at("/x", tt.url)
			r.Host, r.RemoteAddr = tt.host, tt.from
			r.Header["X-Forwarded-Host"] = tt.forwarded
			// No other header has any influence.
			r.Header.Set("Forwarded", "host=evil.example;proto=http")
			r.Header.Set("X-Forwarded-Proto", "http")
			r.Header.Set("X-Forwarded-Prefix", "/evil")
			r.Header.Set("X-Forwarded-Port", "1")
			want := badProof
			if tt.ok {
				want = testkit.AnswerOK
			}
			f.ExpectWhole(t, f.API.RequireAuth(f), r, want)
		})
	}
}

// TestProofBelowStripPrefix: the path of a proof is that of the request line.
func TestProofBelowStripPrefix(t *testing.T) {
	t.Parallel()
	f := newEnv(t, auth0.BindingAllowed)
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", f.API.RequireAuth(f)))
	f.ExpectWhole(t, mux, at("/api/x", "https://api.example/api/x"), testkit.AnswerOK)
	f.ExpectWhole(t, mux, at("/api/x", "https://api.example/x"), badProof)
	// A request that a program has made has no request line.
	r := at("/a%2Fb", "https://api.example/a%2Fb")
	r.RequestURI = ""
	f.ExpectWhole(t, f.API.RequireAuth(f), r, testkit.AnswerOK)
	r = at("/x", "https://api.example/x")
	r.RequestURI = "*"
	f.ExpectWhole(t, f.API.RequireAuth(f), r, badProof)
}
