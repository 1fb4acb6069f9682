package fetch

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestUnusableAnswers: the error describes the answer in place of the expected JSON.
func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	type header = http.Header
	for _, tt := range []struct {
		name   string
		status int
		header header
		body   string
		want   string
		not    string
	}{
		{"empty", 200, nil, " \n", "it is empty", ""},
		{"brotli", 200, header{"Content-Encoding": {"br"}}, "\x8b\x02\x80{}\x03", `Content-Encoding "br"`, ""},
		{"gzip that was not asked for", 200, header{"Content-Encoding": {"deflate"}}, "\x1f\x8bSECRET", `Content-Encoding "deflate"`, "SECRET"},
		{"identity", 200, header{"Content-Encoding": {"identity"}}, "<html>", "HTML", "Content-Encoding"},
		{"raw gzip", 200, nil, "\x1f\x8b\x08SECRET", "compressed with gzip, and has no Content-Encoding", "SECRET"},
		{"byte order mark", 200, nil, "\xef\xbb\xbf{}", "byte order mark", ""},
		{"HTML", 200, header{"Content-Type": {"text/html; charset=utf-8"}}, "\n<!doctype html>SECRET", `HTML or XML (Content-Type "text/html; charset=utf-8")`, "SECRET"},
		{"other JSON", 200, nil, `{"a":["SECRET"]}`, "JSON with other members or types", "SECRET"},
		{"other JSON", 200, nil, `["SECRET"]`, "JSON with other members or types", "SECRET"},
		{"cut JSON", 200, nil, `{"a":"SECRET`, "is cut or damaged after at most 12 bytes", "SECRET"},
		{"cut JSON", 200, nil, `["SECRET`, "is cut or damaged", "SECRET"},
		{"text", 200, header{"Content-Type": {"text/plain"}}, "SECRET", `Content-Type "text/plain"`, "SECRET"},
		{"long Content-Type", 200, header{"Content-Type": {strings.Repeat("x", 500)}}, "SECRET", `xxx`, strings.Repeat("x", 100)},

		{"not found", 404, nil, "SECRET", "status 404", "redirect"},
		{"moved", 301, header{"Location": {"https://id.example/x?q=SECRET#SECRET"}}, "",
			`status 301, and redirects are not followed; it leads to "https://id.example/x": if that is right, configure that host`, "SECRET"},
		{"moved on this host", 308, header{"Location": {"/y"}}, "", `/y": if that`, ""},
		{"moved nowhere", 302, nil, "", "status 302, and redirects are not followed", "leads"},
		{"not modified", 304, nil, "", "status 304", "redirect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := server(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = nil
				for name, values := range tt.header {
					w.Header()[name] = values
				}
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
			})
			var v struct{ A string }
			_, err := GetJSON(t.Context(), NewClient(nil, Options{}), s.URL, &v)
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.not != "" && strings.Contains(err.Error(), tt.not) {
				t.Errorf("%v; want %q, and not %q", err, tt.want, tt.not)
			}
			if errors.Is(err, ErrNotJSON) != (tt.status == 200) {
				t.Errorf("%v is ErrNotJSON: %v", err, tt.status != 200)
			}
		})
	}
}

// TestUnknownHost: the error for an unknown host name names the setting.
func TestUnknownHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&net.DNSError{Err: "no such host", Name: "acme.eu.auth0.com", IsNotFound: true}, true},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "acme.eu.auth0.com", IsNotFound: true}}, true},
		{&net.DNSError{Err: "server misbehaving", Name: "acme.eu.auth0.com", IsTemporary: true}, false},
		{errors.New("connection refused"), false},
	} {
		c := NewClient(&http.Client{Transport: failing{tt.err}}, Options{})
		var v any
		_, err := GetJSON(t.Context(), c, "https://acme.eu.auth0.com/x", &v)
		const text = `no host has the name "acme.eu.auth0.com"; look for a mistake in the domain (AUTH0_DOMAIN)`
		if !errors.Is(err, tt.err) || strings.Contains(err.Error(), text) != tt.want {
			t.Errorf("%v", err)
		}
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestLimit: the time for several requests is ours, unless the caller's client has more
// time for each.
func TestLimit(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, tt := range []struct {
		base     *http.Client
		ours     time.Duration
		requests int
		want     time.Duration
	}{
		{nil, 5 * s, 2, 5 * s},
		{&http.Client{}, 5 * s, 2, 5 * s},
		{&http.Client{Timeout: 30 * s}, 5 * s, 1, 30 * s},
		{&http.Client{Timeout: 30 * s}, 5 * s, 2, 60 * s},
		{&http.Client{Timeout: s}, 5 * s, 2, 5 * s},
		{&http.Client{Timeout: 5 * s}, 3 * s, 1, 5 * s},
	} {
		if got := Limit(NewClient(tt.base, Options{}), tt.ours, tt.requests); got != tt.want {
			t.Errorf("%+v, %v, %d: %v, want %v", tt.base, tt.ours, tt.requests, got, tt.want)
		}
	}
	if got := Limit(http.DefaultClient, 5*s, 1); got != 5*s {
		t.Errorf("another client: %v", got)
	}
}
