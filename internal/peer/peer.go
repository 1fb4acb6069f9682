// Package peer tells the sender of a request, a proxy or a client, and the requested
// host. A proxy's header counts only in requests that come from that proxy.
//
// The package knows neither the valid hosts nor the proxies.
package peer

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Host returns the host that a request names. In a request from one of the proxies that
// is the last value of X-Forwarded-Host, which the proxy itself added. A client can have
// added the values before it.
func Host(r *http.Request, proxies []netip.Prefix) string {
	lines := r.Header.Values("X-Forwarded-Host")
	if len(lines) == 0 || !IsFrom(r, proxies) {
		return r.Host
	}
	last := lines[len(lines)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// IsFrom reports whether a request comes directly from an address of one of the
// networks. A request through a unix socket has no address.
func IsFrom(r *http.Request, networks []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	// Prefixes have no zones, and contain no address with one.
	addr := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Networks returns the prefixes in their usual form, and reports those that no request
// comes from.
func Networks(prefixes []netip.Prefix, report func(format string, args ...any)) []netip.Prefix {
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
			report("[%d] is not a prefix; make one with netip.MustParsePrefix", i)
		case addr.Is4In6():
			report("[%d] is %v, which is wider than all IPv4 addresses; write those as 0.0.0.0/0", i, prefix)
		case addr.IsMulticast(), addr.IsUnspecified() && prefix.IsSingleIP():
			report("[%d] is %v, from which no request comes", i, prefix)
		}
		known = append(known, prefix.Masked())
	}
	return known
}
