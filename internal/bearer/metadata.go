package bearer

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
)

// wellKnown is the usual first part of the path of a metadata URL (RFC 9728, Section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// CheckMetadataURL reports why the metadata at a URL cannot be metadata of a resource.
// A client makes the URL from the resource, and compares the resource in the document
// with it (RFC 9728, Sections 3.1 and 3.3). The path can have another suffix of one
// segment below /.well-known/ (Section 3).
func CheckMetadataURL(metadata, resource string) error {
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

// cutSegment returns the first segment of a path and query, and the rest with the
// character that follows the segment.
func cutSegment(path string) (segment, rest string) {
	if i := strings.IndexAny(path, "/?"); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
