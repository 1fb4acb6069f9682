package auth0

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
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
		return nil, faultSize
	}
	if err != nil {
		return nil, errors.New("the form cannot be read") // the cause may quote it
	}
	return r.PostForm, nil
}

// cleanText reports whether s is UTF-8 without control characters.
func cleanText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || 0x7F <= r && r <= 0x9F })
}

// randomText returns 32 random bytes as 43 characters.
func randomText() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}
