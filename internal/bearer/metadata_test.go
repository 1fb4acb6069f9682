package bearer

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCheckMetadataURL has the pairs of RFC 9728, Sections 3 and 3.1, and pairs that
// clients reject. The error has the pair that fits.
func TestCheckMetadataURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		metadata, resource string
		want               []string // parts of the error, none for a pair that fits
	}{
		{"https://a.example/.well-known/oauth-protected-resource", "https://a.example", nil},
		{"https://a.example/.well-known/oauth-protected-resource", "https://a.example/", nil},
		{"https://a.example/.well-known/oauth-protected-resource/mcp", "https://a.example/mcp", nil},
		{"https://a.example/.well-known/oauth-protected-resource/mcp/", "https://a.example/mcp/", nil},
		{"https://a.example:8443/.well-known/oauth-protected-resource/mcp", "https://a.example:8443/mcp", nil},
		{"https://a.example/.well-known/oauth-protected-resource?k=v", "https://a.example/?k=v", nil},
		{"https://a.example/.well-known/oauth-protected-resource/r?k=v", "https://a.example/r?k=v", nil},
		{"https://a.example/.well-known/example-protected-resource/r", "https://a.example/r", nil},
		{"http://localhost:3000/.well-known/oauth-protected-resource", "http://localhost:3000/", nil},

		{"https://a.example/.well-known/oauth-protected-resource", "my-api", []string{`"my-api" is not`, `"https://a.example"`}},
		{"https://a.example/.well-known/oauth-protected-resource/mcp", "urn:acme:mcp", []string{`"urn:acme:mcp" is not`, `"https://a.example/mcp"`}},
		{"https://a.example/.well-known/oauth-protected-resource/mcp", "", []string{"needs an Audience", `"https://a.example/mcp"`}},
		{"https://a.example/.well-known/oauth-protected-resource", "https://b.example/", []string{`MetadataURL "https://b.example/.well-known/oauth-protected-resource"`, `Audience "https://a.example"`}},
		{"https://a.example/.well-known/oauth-protected-resource", "https://a.example/mcp", []string{`MetadataURL "https://a.example/.well-known/oauth-protected-resource/mcp"`, `Audience "https://a.example"`}},
		{"https://a.example/.well-known/oauth-protected-resource/mcp", "https://a.example/mcp/", []string{`MetadataURL "https://a.example/.well-known/oauth-protected-resource/mcp/"`, `Audience "https://a.example/mcp"`}},
		{"https://a.example/.well-known/oauth-protected-resource/", "https://a.example/", []string{`MetadataURL "https://a.example/.well-known/oauth-protected-resource"`, `Audience "https://a.example/"`}},
		{"https://a.example/mcp/.well-known/oauth-protected-resource", "https://a.example/mcp", []string{`MetadataURL "https://a.example/.well-known/oauth-protected-resource/mcp"`}},
		{"https://a.example/.well-known/oauth-protected-resource/mcp", "https://a.example/mcp#x", []string{`"https://a.example/mcp#x" is not`}},
		{"https://a.example/metadata", "https://a.example/", []string{"such as https://api.example.com/.well-known/oauth-protected-resource"}},
		{"https://a.example/.well-known/", "https://a.example/", []string{"such as https://api.example.com/.well-known/oauth-protected-resource"}},
		{"a.example/.well-known/oauth-protected-resource", "https://a.example/", []string{"must be a URL"}},
		{"http://a.example/.well-known/oauth-protected-resource", "http://a.example/", []string{"must be a URL"}},
	} {
		err := checkMetadataURL(tt.metadata, tt.resource)
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s of %q: %v", tt.metadata, tt.resource, err)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s of %q: %v, want %s", tt.metadata, tt.resource, err, part)
			}
		}
	}
}

// TestMistakesOfMetadata has one row for each refusal of Check, and metadata without any.
func TestMistakesOfMetadata(t *testing.T) {
	t.Parallel()
	const at = "https://a.example/.well-known/oauth-protected-resource"
	good := Metadata{
		Resource: "https://a.example", AuthorizationServers: []string{"https://acme.eu.auth0.com/"}, ScopesSupported: []string{"read:notes", "openid"},
		ResourceName: "Notes", ResourceDocumentation: "https://a.example/docs?page=1#top",
	}
	for _, tt := range []struct {
		why    string
		url    string
		change func(*Metadata)
		want   string // the report, empty for none
	}{
		{"good", at, func(*Metadata) {}, ""},
		{"no URL", "", func(m *Metadata) { m.Resource = "notes" }, ""},
		{"no optional members", at, func(m *Metadata) { *m = Metadata{Resource: m.Resource} }, ""},
		{"quotation mark in the URL", at + `"`, func(*Metadata) {}, "MetadataURL: %q has characters that cannot be quoted"},
		{"URL of another resource", at, func(m *Metadata) { m.Resource = "https://b.example" }, "MetadataURL: %q %v"},
		{"scope with a space", at, func(m *Metadata) { m.ScopesSupported = []string{"openid", "read notes"} }, "ScopesSupported: %q is not a scope"},
		{"name with a final space", at, func(m *Metadata) { m.ResourceName = "Notes " }, "ResourceName: %q has surrounding spaces or control characters, or is not UTF-8"},
		{"name with a control character", at, func(m *Metadata) { m.ResourceName = "No\x00tes" }, "ResourceName: %q has surrounding spaces or control characters, or is not UTF-8"},
		{"name that is not UTF-8", at, func(m *Metadata) { m.ResourceName = "Notes\xff" }, "ResourceName: %q has surrounding spaces or control characters, or is not UTF-8"},
		{"documentation without a scheme", at, func(m *Metadata) { m.ResourceDocumentation = "a.example/docs" }, "ResourceDocumentation: %q: %v"},
		{"issuer without a scheme", at, func(m *Metadata) { m.AuthorizationServers[0] = "acme.eu.auth0.com" }, "AuthorizationServers: %q must be the URL of an issuer, such as https://acme.eu.auth0.com/"},
		{"issuer with a query", at, func(m *Metadata) { m.AuthorizationServers[0] += "?a=b" }, "AuthorizationServers: %q must be the URL of an issuer, such as https://acme.eu.auth0.com/"},
	} {
		m := good
		m.AuthorizationServers = []string{good.AuthorizationServers[0]}
		tt.change(&m)
		var got []string
		m.Check(func(field, format string, args ...any) { got = append(got, field+": "+format) }, tt.url)
		if strings.Join(got, "\n") != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
}

func TestMetadataPath(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":  "",
		":": "",
		"https://a.example/.well-known/oauth-protected-resource":             "/.well-known/oauth-protected-resource",
		"https://a.example/.well-known/oauth-protected-resource/a%2Fb?k=v":   "/.well-known/oauth-protected-resource/a%2Fb",
		"https://a.example/.well-known/oauth-protected-resource/%C3%A4/mcp/": "/.well-known/oauth-protected-resource/%C3%A4/mcp/",
	} {
		if got := MetadataPath(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// TestServeMetadata has a row for each kind of method. A page of another origin may send
// Authorization too, which the asterisk does not name.
func TestServeMetadata(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method string
		done   bool
		status int
		body   string
		want   map[string]string
	}{
		{"GET", true, 200, "text", map[string]string{"Content-Type": "application/json", "Cache-Control": "max-age=3600", "Allow": ""}},
		{"HEAD", true, 200, "", map[string]string{"Content-Type": "application/json", "Cache-Control": "max-age=3600", "Allow": ""}},
		{"OPTIONS", true, 204, "", map[string]string{
			"Allow": "GET, HEAD, OPTIONS", "Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Headers": "*, Authorization", "Access-Control-Max-Age": "3600",
		}},
		{"POST", false, 200, "", map[string]string{"Allow": "GET, HEAD, OPTIONS", "Content-Type": "", "Cache-Control": ""}},
	} {
		w := httptest.NewRecorder()
		if done := ServeMetadata(w, httptest.NewRequest(tt.method, "/", nil), []byte("text")); done != tt.done || w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: %t, %d, %q", tt.method, done, w.Code, w.Body)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s: origin %q", tt.method, got)
		}
		for name, want := range tt.want {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", tt.method, name, got, want)
			}
		}
	}
}
