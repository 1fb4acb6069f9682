package browser

import (
	"net/http"
	"strings"
)

// Uses reports whether the request is the user's own activity. It returns false for
// the images and scripts of a page and for prefetches: caches may store those
// responses.
func Uses(r *http.Request) bool {
	if r.Method == http.MethodHead || first(r.Header, "Upgrade") != "" || Prefetches(r) {
		return false
	}
	switch first(r.Header, "Sec-Fetch-Mode") {
	case "navigate":
		return true
	case "":
		return strings.Contains(r.Header.Get("Accept"), "text/html")
	}
	return r.Header.Get("Sec-Fetch-Site") == "same-origin" && r.Header.Get("Sec-Fetch-Dest") == "empty"
}

// Upgrades reports whether a request asks for another protocol, such as a WebSocket:
// by Upgrade (RFC 9110, Section 7.8), or by CONNECT (RFC 8441, Section 4), for which
// net/http puts the protocol in the header ":protocol". Browsers let a page of
// another origin read the data of such a connection.
func Upgrades(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 || r.Method == http.MethodConnect || r.Header.Get(":protocol") != ""
}

// Prefetches reports whether a browser sends the request before the user opens the
// page.
func Prefetches(r *http.Request) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if purpose := first(r.Header, name); strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender") {
			return true
		}
	}
	return false
}

// first is [http.Header.Get] for a name in the form that the keys of a header have. Each
// request asks for several names, and most have none of them.
func first(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}
