package browser

import (
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// Redirect sends the browser to a target that the caller has checked. Unlike
// http.Redirect, it does not change the target.
func Redirect(w http.ResponseWriter, target string, status int) {
	cookie.Uncacheable(w.Header())
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}

// NoContent answers with 204, which leaves the browser on its page.
func NoContent(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// AddVary notes that the response depends on a header of the request.
func AddVary(h http.Header, header string) {
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, header) {
				return
			}
		}
	}
	h.Add("Vary", header)
}

// MarkPrivate keeps a response out of shared caches. It does not change a
// Cache-Control that is as strict or stricter.
func MarkPrivate(h http.Header) {
	for _, line := range h.Values("Cache-Control") {
		if line = strings.ToLower(line); strings.Contains(line, "private") || strings.Contains(line, "no-store") {
			return
		}
	}
	h.Set("Cache-Control", "private")
}
