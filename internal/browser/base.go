// Package browser handles browsers. It tells which requests show a page to a user
// and which come from a page of the application, reads forms, finds the base URL of
// a request, and writes the library's own pages.
//
// The package does not know what a login is, or that there is a tenant.
package browser

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/peer"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Base is one URL under which browsers reach the application.
type Base struct {
	Origin string // scheme, host and port, as browsers write them
	Path   string // the path of the base URL, without a slash at the end
}

// NewBase reads a base URL. The scheme must be https. It accepts http for this
// machine and, if insecure is set, for every host. The error completes a sentence
// that begins with the name of the setting.
func NewBase(raw string, insecure bool) (Base, error) {
	if raw == "" {
		return Base{}, errors.New("is missing")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return Base{}, errors.New("is not an absolute URL such as https://app.example.com")
	}
	if strings.ContainsAny(raw, "?#") {
		return Base{}, errors.New("must have no query and no fragment")
	}
	if u.Path != "" && (!syntax.IsPlainPath(u.Path) || u.EscapedPath() != u.Path) {
		return Base{}, errors.New("must have a plain path")
	}
	path := strings.TrimSuffix(u.Path, "/")
	origin, err := discovery.Origin(raw)
	if err != nil && insecure && u.Scheme == "http" && u.Hostname() != "" && discovery.CheckASCII(u.Host) == nil {
		// Browsers leave the default port out of Host and Origin.
		return Base{Origin: "http://" + strings.ToLower(strings.TrimSuffix(u.Host, ":80")), Path: path}, nil
	}
	if err != nil && u.Scheme == "http" && !insecure && discovery.CheckASCII(u.Host) == nil {
		err = fmt.Errorf("%w, or set InsecureHTTP for development in a private network", err)
	}
	return Base{Origin: origin, Path: path}, err
}

// String returns the base URL, without a slash at the end.
func (s Base) String() string { return s.Origin + s.Path }

// URL returns the URL at which a browser requests a path of the application.
func (s Base) URL(path string) string { return s.Origin + s.Path + path }

// IsSecure reports whether the scheme is https.
func (s Base) IsSecure() bool { return strings.HasPrefix(s.Origin, "https:") }

// Host returns the host, with the port unless it is the default port of the scheme.
func (s Base) Host() string { return s.Origin[strings.Index(s.Origin, "//")+2:] }

// Bases are all base URLs of the application. X-Forwarded-Host counts only in
// requests from a proxy.
type Bases struct {
	List    []Base
	Proxies []netip.Prefix
}

// Of returns the base URL of a request. If there is only one base URL, no header of
// the request can change where a browser is sent.
func (b Bases) Of(r *http.Request) (Base, error) {
	if len(b.List) == 1 {
		return b.List[0], nil
	}
	host := peer.Host(r, b.Proxies)
	for _, site := range b.List {
		if strings.EqualFold(host, site.Host()) {
			return site, nil
		}
	}
	return Base{}, fmt.Errorf("host %.100q is none of Config.BaseURL and Config.BaseURLs", host)
}
