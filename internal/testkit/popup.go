package testkit

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// The parts of the page of a pop-up.
var (
	givenTag  = regexp.MustCompile(`<script type="application/json" id="given">([^<]*)</script>`)
	scriptTag = regexp.MustCompile(`<script nonce="([^"]*)">`)
	linkTag   = regexp.MustCompile(`<a href="([^"]*)">`)
)

// A PopupPage holds the text and the message of the window.
type PopupPage struct {
	Message   map[string]any `json:"message"`
	Origin    string         `json:"origin"`
	Broadcast bool           `json:"broadcast"`
	Link      string
}

// ReadPopup reads the page of a pop-up, and checks its headers.
func ReadPopup(t *testing.T, resp *Response) (p PopupPage) {
	t.Helper()
	m := givenTag.FindStringSubmatch(resp.Body)
	if m == nil {
		t.Fatalf("status %d, no message in %s", resp.Status, resp.Body)
	}
	if err := json.Unmarshal([]byte(m[1]), &p); err != nil {
		t.Fatal(err)
	}
	p.Link = linkTag.FindStringSubmatch(resp.Body)[1]
	nonce := scriptTag.FindStringSubmatch(resp.Body)[1]
	h := resp.Header
	for name, want := range map[string]string{
		"Content-Security-Policy":    "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Cross-Origin-Opener-Policy": "unsafe-none", "Content-Type": "text/html; charset=utf-8", "Cache-Control": "private, no-store",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Location": "",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if len(nonce) < 20 || !strings.Contains(resp.Body, "You can close this window.") {
		t.Errorf("nonce %q, page %s", nonce, resp.Body)
	}
	return p
}
