package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// hosts are the host names by which programs and browsers reach the tenant, in lower case.
type hosts []string

// only refuses requests for other hosts. A web page can give its own host name the address
// of this machine (DNS rebinding). Its scripts then have the origin of the tenant: they read
// every response, and every browser on this machine lets them.
func (h hosts) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.has(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		answer(w, http.StatusMisdirectedRequest, map[string]string{"error": fmt.Sprintf(
			"auth0-tenant does not answer for the Host %.100q; if programs reach the tenant by that name, allow it with -host NAME, or set -url if it is the tenant's own URL", r.Host)})
	})
}

// has reports whether a Host is one of the names, this machine, or an IP address, which no
// DNS server can redirect. The port does not count: a container maps ports, and the
// address of a page that attacks has the port of the tenant.
func (h hosts) has(host string) bool {
	name := host
	if without, _, err := net.SplitHostPort(host); err == nil {
		name = without
	}
	name = strings.Trim(strings.ToLower(name), "[]")
	_, err := netip.ParseAddr(name)
	return err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(h, name)
}
