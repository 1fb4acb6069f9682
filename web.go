package auth0

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// redirect does not use http.Redirect, which rewrites what it is given and
// takes what does not parse as it is. Targets were made or cleaned before.
func redirect(w http.ResponseWriter, target string, status int) {
	cookie.Uncacheable(w.Header())
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}

func noContent(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// addVary notes that the response depends on a header of the request.
func addVary(h http.Header, header string) {
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, header) {
				return
			}
		}
	}
	h.Add("Vary", header)
}

// markPrivate keeps a response out of shared caches. Where somebody has been
// stricter, that stays.
func markPrivate(h http.Header) {
	for _, line := range h.Values("Cache-Control") {
		if line = strings.ToLower(line); strings.Contains(line, "private") || strings.Contains(line, "no-store") {
			return
		}
	}
	h.Set("Cache-Control", "private")
}

// isUpgrade reports whether a request asks for another protocol, such as a WebSocket:
// by Upgrade (RFC 9110, Section 7.8), or by CONNECT (RFC 8441, Section 4), where
// net/http has the protocol in the header ":protocol". What follows is no response
// that the browser would keep from a page of another origin.
func isUpgrade(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 || r.Method == http.MethodConnect || r.Header.Get(":protocol") != ""
}

// checkUpgradeHost is for a program that does not know its own origin. Which page a
// handshake comes from, the browser always says (RFC 6455, Section 4.1).
func checkUpgradeHost(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return nil
	}
	origins := r.Header["Origin"]
	if len(origins) == 1 {
		if u, err := url.Parse(origins[0]); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) && r.Header.Get("Sec-Fetch-Site") == "" {
			return nil
		}
	}
	return fmt.Errorf("a request to upgrade from the origin %.100q", origins)
}

// isPrefetch reports whether a browser asks ahead of a person.
func isPrefetch(r *http.Request) bool {
	purpose := r.Header.Get("Sec-Purpose") + " " + r.Header.Get("Purpose") + " " + r.Header.Get("X-Moz")
	return strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender")
}

// linkValues returns the query of a link, or the fields of a form.
func linkValues(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") == "" {
		return r.URL.Query(), nil
	}
	return readForm(w, r)
}

// readForm reads a form of up to 64 KiB from the body, and nothing from the
// query.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return nil, fmt.Errorf("the body is %.60q, not a form", r.Header.Get("Content-Type"))
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	err := r.ParseForm()
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fault.Size
	}
	if err != nil {
		return nil, errors.New("the form cannot be read") // the cause may quote it
	}
	return r.PostForm, nil
}

// cleanText reports whether s is UTF-8 without control characters.
func cleanText(s string) bool { return syntax.CleanText(s) }

// randomText returns 32 random bytes as 43 characters.
func randomText() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}
