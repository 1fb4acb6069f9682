package bearer

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// wellKnown is the usual first part of the path of a metadata URL (RFC 9728, Section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// Metadata is the protected resource metadata of an API (RFC 9728, Section 2).
type Metadata struct {
	Resource              string   `json:"resource"`
	AuthorizationServers  []string `json:"authorization_servers"`
	ScopesSupported       []string `json:"scopes_supported,omitempty"`
	BearerMethods         []string `json:"bearer_methods_supported"`
	ResourceName          string   `json:"resource_name,omitempty"`
	ResourceDocumentation string   `json:"resource_documentation,omitempty"`

	CertificateBound bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	ProofAlgorithms  []string `json:"dpop_signing_alg_values_supported,omitempty"`
	ProofRequired    bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

// Check reports mistakes by field. The URL of the metadata can be empty.
func (m Metadata) Check(report func(field, format string, args ...any), metadataURL string) {
	if metadataURL != "" {
		if !syntax.IsQuotable(metadataURL) {
			report("MetadataURL", "%q has characters that cannot be quoted", metadataURL)
		} else if err := checkMetadataURL(metadataURL, m.Resource); err != nil {
			report("MetadataURL", "%q %v", metadataURL, err)
		}
	}
	for _, scope := range m.ScopesSupported {
		if !syntax.IsScope(scope) {
			report("ScopesSupported", "%q is not a scope", scope)
		}
	}
	if name := m.ResourceName; name != strings.TrimSpace(name) || !syntax.CleanText(name) {
		report("ResourceName", "%q has surrounding spaces or control characters, or is not UTF-8", name)
	}
	if _, err := discovery.Origin(m.ResourceDocumentation); err != nil && m.ResourceDocumentation != "" {
		report("ResourceDocumentation", "%q: %v", m.ResourceDocumentation, err)
	}
	for _, issuer := range m.AuthorizationServers {
		if _, err := discovery.Origin(issuer); err != nil || strings.ContainsAny(issuer, "?#") {
			report("AuthorizationServers", "%q must be the URL of an issuer, such as https://acme.eu.auth0.com/", issuer)
		}
	}
}

// checkMetadataURL reports why the metadata at a URL cannot belong to a resource.
// A client makes the URL from the resource, and compares the resource in the document
// with it (RFC 9728, Sections 3.1 and 3.3). The path can have another suffix of one
// segment below /.well-known/ (Section 3).
func checkMetadataURL(metadata, resource string) error {
	const form = "such as https://api.example.com" + wellKnown
	origin, err := discovery.Origin(metadata)
	if err != nil {
		return fmt.Errorf("must be a URL %s", form)
	}
	_, path, _ := strings.Cut(metadata, "/.well-known/")
	suffix, path := cutSegment(path)
	if suffix == "" {
		return fmt.Errorf("must be a URL %s (RFC 9728, Section 3)", form)
	}
	fits, err := metadataURL(resource, "/.well-known/"+suffix)
	switch {
	case err == nil && fits == metadata:
		return nil
	case resource == "":
		return fmt.Errorf("needs an Audience; the one that fits is %q (RFC 9728, Section 3.1)", origin+path)
	case err != nil:
		return fmt.Errorf("needs an Audience that is a URL, and %q is not; the one that fits is %q (RFC 9728, Section 3.1)", resource, origin+path)
	}
	return fmt.Errorf("does not fit the Audience %q; use the MetadataURL %q, or the Audience %q (RFC 9728, Section 3.1)", resource, fits, origin+path)
}

// metadataURL inserts the suffix between the host and the path of a resource (RFC 9728,
// Section 3.1).
func metadataURL(resource, suffix string) (string, error) {
	if _, err := discovery.Origin(resource); err != nil {
		return "", err
	}
	u, err := url.Parse(resource)
	if err != nil || strings.Contains(resource, "#") {
		return "", fmt.Errorf("not a URL without a fragment")
	}
	host := u.Scheme + "://" + u.Host
	rest := strings.TrimPrefix(resource, host)
	if rest == "/" || strings.HasPrefix(rest, "/?") {
		rest = rest[1:]
	}
	return host + suffix + rest, nil
}

// MetadataPath returns the path of a URL that Check has accepted, in the form of a request
// line. It returns an empty text for an empty URL.
func MetadataPath(metadataURL string) string {
	u, err := url.Parse(metadataURL)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// cutSegment returns the first segment of a path and query, and the rest with the
// character that follows the segment.
func cutSegment(path string) (segment, rest string) {
	if i := strings.IndexAny(path, "/?"); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// ServeMetadata answers a request for metadata. Metadata is public: pages of other origins
// also request it, and ServeMetadata answers their preflights. It reports false, and
// writes no status, for another method.
func ServeMetadata(w http.ResponseWriter, r *http.Request, text []byte) bool {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodOptions:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		// The asterisk does not stand for Authorization (Fetch standard,
		// Access-Control-Allow-Headers).
		h.Set("Access-Control-Allow-Headers", "*, Authorization")
		h.Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
		return true
	case http.MethodGet, http.MethodHead:
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		return false
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "max-age=3600")
	if r.Method == http.MethodGet {
		w.Write(text)
	}
	return true
}
