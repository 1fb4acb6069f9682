package browser

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNewBase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw      string
		insecure bool
		want     string // of String
		err      string // a part of the error
	}{
		{"https://app.example", false, "https://app.example", ""},
		{"https://app.example/", false, "https://app.example", ""},
		{"https://APP.Example:443/Area/", false, "https://app.example/Area", ""},
		{"https://app.example:8443/a/b", false, "https://app.example:8443/a/b", ""},
		{"http://localhost:3000", false, "http://localhost:3000", ""},
		{"http://127.0.0.1:3000/", false, "http://127.0.0.1:3000", ""},
		{"http://localhost:80", true, "http://localhost", ""},
		{"http://App.example:8080/a/", true, "http://app.example:8080/a", ""},
		{"http://App.example:80/a", true, "http://app.example/a", ""},
		{"http://[2001:db8::1]:80", true, "http://[2001:db8::1]", ""},
		{"http://[2001:db8::80]", true, "http://[2001:db8::80]", ""},
		{"https://app.example", true, "https://app.example", ""},

		{"", false, "", "is missing"},
		{"app.example", false, "", "not an absolute URL"},
		{"https://", false, "", "not an absolute URL"},
		{"https:app.example", false, "", "not an absolute URL"},
		{"/path", false, "", "not an absolute URL"},
		{"https://user@app.example", false, "", "not an absolute URL"},
		{"https://app.example:port", false, "", "not an absolute URL"},
		{"https://app.example/\x7f", false, "", "not an absolute URL"},
		{"https://app.example/?", false, "", "no query and no fragment"},
		{"https://app.example/#a", false, "", "no query and no fragment"},
		{"https://app.example/a%2Fb", false, "", "plain path"},
		{"https://app.example/a%20b", false, "", "plain path"},
		{"https://app.example/{id}", false, "", "plain path"},
		{"https://app.example/a}", false, "", "plain path"},
		{"https://app.example/a;b", false, "", "plain path"},
		{`https://app.example/a\b`, false, "", "plain path"},
		{"https://app.example/a%25", false, "", "plain path"},
		{"https://app.example//a", false, "", "plain path"},
		{"https://app.example//", false, "", "plain path"},
		{"https://app.example/a/../b", false, "", "plain path"},
		{"https://app.example/b\u00fccher", false, "", "plain path"},
		{"http://app.example", false, "", "http is allowed only for localhost and loopback addresses; use https, or set InsecureHTTP"},
		{"https://bücher.example", false, "", "the form that browsers send: xn--bcher-kva.example"},
		{"http://bücher.example", true, "", "the form that browsers send: xn--bcher-kva.example"},
		{"ftp://app.example", false, "", "scheme must be https"},
		{"ftp://app.example", true, "", "scheme must be https"},
		{"https://:443", false, "", "not a URL with a host"},
		{"http://:80", true, "", "not a URL with a host"},
	} {
		base, err := NewBase(tt.raw, tt.insecure)
		switch {
		case tt.err == "" && (err != nil || base.String() != tt.want):
			t.Errorf("%q: %q, %v; want %q", tt.raw, base, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: error %v, want %s", tt.raw, err, tt.err)
		}
	}
}

func TestBase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		base         Base
		url, host    string
		isSecure     bool
		textOfOrigin string
	}{
		{Base{"https://app.example", ""}, "https://app.example/auth/login", "app.example", true, "https://app.example"},
		{Base{"https://app.example:8443", "/area"}, "https://app.example:8443/area/auth/login", "app.example:8443", true,
			"https://app.example:8443/area"},
		{Base{"http://localhost:3000", ""}, "http://localhost:3000/auth/login", "localhost:3000", false, "http://localhost:3000"},
	} {
		b := tt.base
		if b.URL("/auth/login") != tt.url || b.Host() != tt.host || b.IsSecure() != tt.isSecure || b.String() != tt.textOfOrigin {
			t.Errorf("%+v: %s, %s, %v, %s", b, b.URL("/auth/login"), b.Host(), b.IsSecure(), b)
		}
	}
}

// TestOf has the base of a request: one of https://app.example, which has port 443,
// and https://other.example:8443.
func TestOf(t *testing.T) {
	t.Parallel()
	app, other := Base{"https://app.example", "/a"}, Base{"https://other.example:8443", ""}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}
	for _, tt := range []struct {
		why       string
		host      string
		peer      string
		forwarded []string // lines of X-Forwarded-Host
		want      Base     // none for an error
	}{
		{"host of the first", "app.example", "192.0.2.1:999", nil, app},
		{"host in another case", "APP.example", "192.0.2.1:999", nil, app},
		{"host of the second", "other.example:8443", "192.0.2.1:999", nil, other},
		{"host without its port", "other.example", "192.0.2.1:999", nil, Base{}},
		{"unknown host", "evil.example", "192.0.2.1:999", nil, Base{}},
		{"no host", "", "192.0.2.1:999", nil, Base{}},

		{"forwarded by a proxy", "inside", "10.1.2.3:999", []string{"app.example"}, app},
		{"forwarded by a proxy, IPv4 in IPv6", "inside", "[::ffff:10.1.2.3]:999", []string{"app.example"}, app},
		{"forwarded by a proxy with a zone", "inside", "[fe80::1%eth0]:999", []string{"app.example"}, app},
		{"forwarded to an unknown host", "app.example", "10.1.2.3:999", []string{"evil.example"}, Base{}},
		{"forwarded by two", "inside", "10.1.2.3:999", []string{"evil.example, app.example"}, app},
		{"forwarded by two, on two lines", "inside", "10.1.2.3:999", []string{"evil.example", " app.example "}, app},
		{"the client claims the last", "inside", "10.1.2.3:999", []string{"app.example,evil.example"}, Base{}},
		{"forwarded empty", "app.example", "10.1.2.3:999", []string{""}, Base{}},
		{"forwarded by a stranger", "app.example", "192.0.2.1:999", []string{"other.example:8443"}, app},
		{"forwarded by a stranger, unknown host", "inside", "11.1.2.3:999", []string{"app.example"}, Base{}},
		{"forwarded by nobody known", "inside", "@", []string{"app.example"}, Base{}},
		{"a proxy forwards nothing", "app.example", "10.1.2.3:999", nil, app},
	} {
		r := request("GET")
		r.Host, r.RemoteAddr, r.Header["X-Forwarded-Host"] = tt.host, tt.peer, tt.forwarded
		got, err := Bases{List: []Base{app, other}, Proxies: proxies}.Of(r)
		if got != tt.want || (err != nil) != (tt.want == Base{}) {
			t.Errorf("%s: %v, %v; want %v", tt.why, got, err, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), "Config.BaseURLs") {
			t.Errorf("%s: %v", tt.why, err)
		}
		// One base URL leaves no choice.
		if got, err := (Bases{List: []Base{other}, Proxies: proxies}).Of(r); got != other || err != nil {
			t.Errorf("%s, only one: %v, %v", tt.why, got, err)
		}
	}
}
