package browser

import (
	"net/http"
	"strings"
)

// MayShowPage reports whether a person can see the response. It goes by less than
// [isPage], because it is for browsers that say less, and for forms.
func MayShowPage(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html") && r.Header.Get("X-Requested-With") == ""
}

// Navigates reports whether a browser is about to show the response to a
// person as a page of its own. A script that accepts everything is none.
func Navigates(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || Upgrades(r) {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		dest := r.Header.Get("Sec-Fetch-Dest")
		return mode == "navigate" && (dest == "" || dest == "document")
	}
	accept := strings.ToLower(r.Header.Get("Accept"))
	return (strings.Contains(accept, "text/html") || strings.Contains(accept, "application/xhtml+xml")) && !strings.EqualFold(r.Header.Get("X-Requested-With"), "XMLHttpRequest")
}

// ShowsPage reports whether a person will see the response, whatever the method.
func ShowsPage(r *http.Request) bool {
	return Navigates(r) || r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// Uses reports whether a request is somebody using the application. What a
// page pulls in, or a browser asks for ahead of time, is not; and its response
// may well be meant for caches.
func Uses(r *http.Request) bool {
	if r.Method == http.MethodHead || r.Header.Get("Upgrade") != "" || Prefetches(r) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Mode") {
	case "navigate":
		return true
	case "":
		return strings.Contains(r.Header.Get("Accept"), "text/html")
	}
	return r.Header.Get("Sec-Fetch-Site") == "same-origin" && r.Header.Get("Sec-Fetch-Dest") == "empty"
}

// Upgrades reports whether a request asks for another protocol, such as a WebSocket:
// by Upgrade (RFC 9110, Section 7.8), or by CONNECT (RFC 8441, Section 4), where
// net/http has the protocol in the header ":protocol". What follows is no response
// that the browser would keep from a page of another origin.
func Upgrades(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 || r.Method == http.MethodConnect || r.Header.Get(":protocol") != ""
}

// Prefetches reports whether a browser asks ahead of a person.
func Prefetches(r *http.Request) bool {
	purpose := r.Header.Get("Sec-Purpose") + " " + r.Header.Get("Purpose") + " " + r.Header.Get("X-Moz")
	return strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender")
}
