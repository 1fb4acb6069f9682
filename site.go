package auth0

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
)

// A site is one place where browsers reach the application.
type site struct {
	origin string // as browsers write it
	path   string // of the base URL, without a slash at the end
}

func newSite(raw string, insecure bool) (site, error) {
	if raw == "" {
		return site{}, errors.New("is missing")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return site{}, errors.New("is not an absolute URL such as https://app.example.com")
	}
	if strings.ContainsAny(raw, "?#") {
		return site{}, errors.New("must have no query and no fragment")
	}
	if u.EscapedPath() != u.Path || strings.ContainsAny(u.Path, "%{};\\") || strings.Contains(u.Path, "//") {
		return site{}, errors.New("must have a plain path")
	}
	path := strings.TrimSuffix(u.Path, "/")
	origin, err := discovery.Origin(raw)
	if err != nil && insecure && u.Scheme == "http" {
		return site{origin: "http://" + strings.ToLower(u.Host), path: path}, nil
	}
	return site{origin: origin, path: path}, err
}

func (s site) String() string { return s.origin + s.path }

// url returns the URL of one of our own paths, as a browser asks for it.
func (s site) url(path string) string { return s.origin + s.path + path }

func (s site) secure() bool { return strings.HasPrefix(s.origin, "https:") }

func (s site) host() string { return s.origin[strings.Index(s.origin, "//")+2:] }

// siteOf returns the site that a request belongs to. With one base URL there is
// nothing to choose, and no header of the request can change where a browser
// is sent.
func (s *Strategy) siteOf(r *http.Request) (site, error) {
	if len(s.sites) == 1 {
		return s.sites[0], nil
	}
	host := r.Host
	if forwarded := r.Header.Values("X-Forwarded-Host"); len(forwarded) > 0 && s.fromTrustedProxy(r) {
		last := forwarded[len(forwarded)-1]
		host = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	for _, site := range s.sites {
		if strings.EqualFold(host, site.host()) {
			return site, nil
		}
	}
	return site{}, refuseUnknownHost.because("host %.100q is none of Config.BaseURL and Config.BaseURLs", host)
}

func (s *Strategy) fromTrustedProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	// Prefixes have no zones, and contain no address with one.
	addr := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// trustedProxies returns prefixes in the form that addresses of peers are compared
// with, and refuses those that contain the address of no peer.
func trustedProxies(p *problems, prefixes []netip.Prefix) []netip.Prefix {
	const mapped = 96 // bits of ::ffff:0:0, RFC 4291, Section 2.5.5.2
	var known []netip.Prefix
	for i, prefix := range prefixes {
		addr, bits := prefix.Addr(), prefix.Bits()
		if addr.Is4In6() && bits >= mapped {
			addr, bits = addr.Unmap(), bits-mapped
			prefix = netip.PrefixFrom(addr, bits)
		}
		switch {
		case !prefix.IsValid():
			p.add("TrustedProxies", "[%d] is not a prefix; make one with netip.MustParsePrefix", i)
		case addr.Is4In6():
			p.add("TrustedProxies", "[%d] is %v, which is wider than all IPv4 addresses; write those as 0.0.0.0/0", i, prefix)
		case addr.IsMulticast(), addr.IsUnspecified() && prefix.IsSingleIP():
			p.add("TrustedProxies", "[%d] is %v, from which no request comes", i, prefix)
		}
		known = append(known, prefix.Masked())
	}
	return known
}
