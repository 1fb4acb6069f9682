package bearer

import (
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
