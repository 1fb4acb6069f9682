package prover

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// TestNonces: the newest nonce of a server counts. A full cache evicts the server that was
// silent for longest.
func TestNonces(t *testing.T) {
	t.Parallel()
	var n nonces
	source := func(i int) nonceSource {
		return nonceSource{resourceServer, fmt.Sprintf("https://%d.example:443", i)}
	}
	sent := func(nonce string) http.Header { return http.Header{"Dpop-Nonce": {nonce}} }
	for i := range 64 {
		n.learn(source(i), sent("first"))
	}
	n.learn(source(0), sent("second"))
	n.learn(source(1), http.Header{})
	if n.get(source(0)) != "second" || n.get(source(1)) != "first" {
		t.Errorf("%q, %q", n.get(source(0)), n.get(source(1)))
	}
	n.learn(source(64), sent("first"))
	if len(n.bySrc) != 64 || len(n.order) != 64 || n.get(source(1)) != "" || n.get(source(0)) != "second" || n.get(source(64)) != "first" {
		t.Errorf("%d nonces, the first %q, the second %q, the last %q", len(n.bySrc), n.get(source(0)), n.get(source(1)), n.get(source(64)))
	}
	if got := n.get(nonceSource{authorizationServer, source(64).origin}); got != "" {
		t.Errorf("another role has %q", got)
	}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { n.learn(source(i), sent("x")); n.get(source(i)) })
	}
	wg.Wait()
	if len(n.bySrc) != 64 || len(n.order) != 64 {
		t.Errorf("%d nonces, %d in order", len(n.bySrc), len(n.order))
	}
}

// TestNonceForm: only a nonce with the characters of RFC 9449, Section 8.1 becomes a part
// of a proof.
func TestNonceForm(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"eyJ7S_zG.eyJH0-Z": true, "!#$[]~": true, strings.Repeat("x", 1024): true, strings.Repeat("x", 1025): false,
		"": false, "a b": false, "a\"b": false, "a\\b": false, "a\x7fb": false, "a\x00": false, "ä": false,
	} {
		if got := nonceOf(http.Header{"Dpop-Nonce": {value}}); (got == value && got != "") != want {
			t.Errorf("%.40q: %.40q", value, got)
		}
	}
	if nonceOf(http.Header{"Dpop-Nonce": {"a", "b"}}) != "" {
		t.Error("two nonces are one")
	}
}

// TestOrigins: scheme, host and port identify an origin in any spelling.
func TestOrigins(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://A.example/x?y": "https://a.example", "HTTPS://a.example:443": "https://a.example", "https://a.example:8443/": "https://a.example:8443",
		"http://a.example": "http://a.example", "http://a.example:80": "http://a.example", "http://a.example:443": "http://a.example:443",
		"https://a.example:80": "https://a.example:80", "https://[::1]:4000/": "https://[::1]:4000", "https://[::443]": "https://[::443]",
		"https://[::1]:443": "https://[::1]", "https://user@a.example": "https://a.example", "https://a.example:": "https://a.example",
	} {
		if got := originOf(must(url.Parse(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestChallenges reads the error code of the challenge DPoP among others. The code of
// another scheme does not count.
func TestChallenges(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		lines []string
		want  string
	}{
		{[]string{`DPoP error="use_dpop_nonce", error_description="x"`}, "use_dpop_nonce"},
		{[]string{`DPoP realm="a", algs="ES256 RS256", error="invalid_dpop_proof"`}, "invalid_dpop_proof"},
		{[]string{`dpop ERROR = use_dpop_nonce`}, "use_dpop_nonce"},
		{[]string{`Bearer realm="a"`, `DPoP realm="a", error="use_dpop_nonce"`}, "use_dpop_nonce"},
		{[]string{`Bearer realm="a", DPoP realm="a",error="use_dpop_nonce"`}, "use_dpop_nonce"},
		{[]string{`Negotiate, DPoP error="use_dpop_nonce"`}, "use_dpop_nonce"},
		{[]string{`DPoP realm="a, Bearer", error="use_dpop_nonce"`}, "use_dpop_nonce"},
		{[]string{`DPoP realm="a\", error=\"x", error="use_dpop_nonce"`}, "use_dpop_nonce"},
		{[]string{`Bearer realm="a", error="use_dpop_nonce"`}, ""},
		{[]string{`DPoP realm="a", Bearer error="use_dpop_nonce"`}, ""},
		{[]string{`Bearer realm="DPoP error=use_dpop_nonce"`}, ""},
		{[]string{`DPoP realm="error=use_dpop_nonce"`}, ""},
		{[]string{`DPoP`}, ""}, {[]string{``, `,,`, `=`, `"`, `DPoP error`, `DPoP \`}, ""}, {nil, ""},
		{append(make([]string, 16), `DPoP error="use_dpop_nonce"`), ""},
		{[]string{`DPoP realm="` + strings.Repeat("x", 8<<10) + `", error="use_dpop_nonce"`}, ""},
	} {
		resp := &http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": row.lines}}
		if got := challengeError(resp); got != row.want {
			t.Errorf("%.80q: %q, want %q", row.lines, got, row.want)
		}
		resp.StatusCode = 403
		if got := challengeError(resp); got != "" {
			t.Errorf("%.80q with 403: %q", row.lines, got)
		}
	}
}
