package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// request returns a request to https://app.example/page. A header is a line: "Name: value".
func request(method string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "https://app.example/page", nil)
	for _, line := range headers {
		at := strings.LastIndex(line[:strings.Index(line, " ")], ":") // names can begin with a colon
		name, value := line[:at], line[at+2:]
		r.Header[name] = append(r.Header[name], value)
	}
	return r
}

const (
	modeNavigate = "Sec-Fetch-Mode: navigate"
	destDocument = "Sec-Fetch-Dest: document"
	acceptHTML   = "Accept: text/html,*/*;q=0.8"
)

// TestRequests has the answer to each question about a request: U for Uses, P for
// Prefetches, G for Upgrades.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method  string
		headers []string
		want    string
	}{
		{"GET", nil, ""},
		{"GET", []string{"Accept: */*"}, ""},

		// Browsers that send Sec-Fetch-Mode.
		{"GET", []string{modeNavigate, destDocument, acceptHTML}, "U"},
		{"GET", []string{modeNavigate, destDocument}, "U"},
		{"GET", []string{modeNavigate}, "U"},
		{"HEAD", []string{modeNavigate, destDocument}, ""},
		{"POST", []string{modeNavigate, destDocument, acceptHTML}, "U"},
		{"POST", []string{modeNavigate, acceptHTML}, "U"},
		{"GET", []string{modeNavigate, "Sec-Fetch-Dest: iframe", acceptHTML}, "U"},
		{"POST", []string{modeNavigate, "Sec-Fetch-Dest: iframe", acceptHTML}, "U"},
		{"POST", []string{destDocument}, ""},
		{"GET", []string{"Sec-Fetch-Mode: cors", destDocument, acceptHTML}, ""},
		{"POST", []string{"Sec-Fetch-Mode: cors", destDocument}, ""},
		{"GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", "Sec-Fetch-Site: same-origin"}, ""},
		{"GET", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, "U"},
		{"POST", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, "U"},
		{"HEAD", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, ""},
		{"GET", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-site"}, ""},

		// Browsers that do not.
		{"GET", []string{acceptHTML}, "U"},
		{"HEAD", []string{acceptHTML}, ""},
		{"POST", []string{acceptHTML}, "U"},
		{"GET", []string{"Accept: Text/HTML"}, ""},
		{"GET", []string{"Accept: application/XHTML+xml"}, ""},
		{"GET", []string{acceptHTML, "X-Requested-With: xmlhttprequest"}, "U"},
		{"GET", []string{acceptHTML, "X-Requested-With: com.example.app"}, "U"},
		{"GET", []string{"Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, ""},

		// Prefetches.
		{"GET", []string{acceptHTML, "Sec-Purpose: prefetch;anonymous-client-ip"}, "P"},
		{"GET", []string{acceptHTML, "Sec-Purpose: prerender"}, "P"},
		{"GET", []string{acceptHTML, "Purpose: prefetch"}, "P"},
		{"GET", []string{acceptHTML, "X-Moz: prefetch"}, "P"},
		{"GET", []string{acceptHTML, "Sec-Purpose: other"}, "U"},
		{"GET", []string{modeNavigate, "Sec-Purpose: prefetch"}, "P"},

		// Upgrades.
		{"GET", []string{acceptHTML, "Upgrade: websocket"}, "G"},
		{"GET", []string{acceptHTML, "Upgrade: "}, "UG"},
		{"GET", []string{modeNavigate, destDocument, "Upgrade: websocket"}, "G"},
		{"CONNECT", nil, "G"},
		{"CONNECT", []string{acceptHTML}, "UG"},
		{"GET", []string{acceptHTML, ":protocol: websocket"}, "UG"},
	} {
		r := request(tt.method, tt.headers...)
		got := ""
		for _, question := range []struct {
			letter string
			answer bool
		}{{"U", Uses(r)}, {"P", Prefetches(r)}, {"G", Upgrades(r)}} {
			if question.answer {
				got += question.letter
			}
		}
		if got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.method, tt.headers, got, tt.want)
		}
	}
}
