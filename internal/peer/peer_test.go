package peer

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestIsFrom(t *testing.T) {
	t.Parallel()
	networks := prefixes("10.0.0.0/8", "2001:db8::/32", "fe80::/10")
	for addr, want := range map[string]bool{
		"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "[2001:db8::1]:80": true, "[fe80::1%eth0]:80": true,
		"11.1.2.3:80": false, "[2001:db9::1]:80": false, "10.1.2.3": false, "@": false, "": false, "10.1.2.3:80, 10.1.2.4:80": false, "localhost:80": false,
	} {
		if IsFrom(&http.Request{RemoteAddr: addr}, networks) != want {
			t.Errorf("%q: %v", addr, !want)
		}
	}
	if IsFrom(&http.Request{RemoteAddr: "10.1.2.3:80"}, nil) {
		t.Error("no network has an address")
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why, peer string
		lines     []string
		want      string
	}{
		{"no header", "10.1.2.3:4", nil, "own.example"},
		{"a client", "11.1.2.3:4", []string{"evil.example"}, "own.example"},
		{"a proxy", "10.1.2.3:4", []string{"b.example"}, "b.example"},
		{"the proxy adds to the list of the client", "10.1.2.3:4", []string{"evil.example, b.example"}, "b.example"},
		{"the proxy adds a line", "10.1.2.3:4", []string{"evil.example", " b.example "}, "b.example"},
		{"the proxy names nothing", "10.1.2.3:4", []string{"evil.example,"}, ""},
	} {
		r := &http.Request{Host: "own.example", RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-Host": tt.lines}}
		if got := Host(r, prefixes("10.0.0.0/8")); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	var mistakes []string
	report := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	got := Networks(prefixes("10.1.2.3/8", "::ffff:192.0.2.1/120", "0.0.0.0/0"), report)
	if want := prefixes("10.0.0.0/8", "192.0.2.0/24", "0.0.0.0/0"); !slices.Equal(got, want) || mistakes != nil {
		t.Errorf("%v, %q; want %v", got, mistakes, want)
	}
	Networks(append(prefixes("10.0.0.0/8"), netip.Prefix{}), report)
	Networks(prefixes("::ffff:0.0.0.0/90", "224.0.0.0/4", "0.0.0.0/32", "::/128"), report)
	for i, want := range []string{"[1] is not a prefix", "[0] is ::ffff:0.0.0.0/90, which is wider", "[1] is 224.0.0.0/4, from which", "[2] is 0.0.0.0/32, from which", "[3] is ::/128, from which"} {
		if i >= len(mistakes) || !strings.HasPrefix(mistakes[i], want) {
			t.Errorf("%q, want %q", mistakes, want)
		}
	}
}
