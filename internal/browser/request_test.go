package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// request returns a request to https://app.example/page. A header is a line as in
// "Name: value".
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

// TestRequests has what each question about a request is answered: N for Navigates, S
// for ShowsPage, U for Uses, M for mayShowPage, P for Prefetches, G for Upgrades.
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
		{"GET", []string{modeNavigate, destDocument, acceptHTML}, "NSUM"},
		{"GET", []string{modeNavigate, destDocument}, "NSU"},
		{"GET", []string{modeNavigate}, "NSU"},
		{"HEAD", []string{modeNavigate, destDocument}, "NS"},
		{"POST", []string{modeNavigate, destDocument, acceptHTML}, "SUM"},
		{"POST", []string{modeNavigate, acceptHTML}, "UM"},
		{"GET", []string{modeNavigate, "Sec-Fetch-Dest: iframe", acceptHTML}, "UM"},
		{"POST", []string{modeNavigate, "Sec-Fetch-Dest: iframe", acceptHTML}, "UM"},
		{"POST", []string{destDocument}, ""},
		{"GET", []string{"Sec-Fetch-Mode: cors", destDocument, acceptHTML}, "M"},
		{"POST", []string{"Sec-Fetch-Mode: cors", destDocument}, ""},
		{"GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", "Sec-Fetch-Site: same-origin"}, ""},
		{"GET", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, "U"},
		{"POST", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, "U"},
		{"HEAD", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, ""},
		{"GET", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-site"}, ""},

		// Browsers that do not.
		{"GET", []string{acceptHTML}, "NSUM"},
		{"HEAD", []string{acceptHTML}, "NSM"},
		{"POST", []string{acceptHTML}, "UM"},
		{"GET", []string{"Accept: Text/HTML"}, "NSM"},
		{"GET", []string{"Accept: application/XHTML+xml"}, "NS"},
		{"GET", []string{acceptHTML, "X-Requested-With: xmlhttprequest"}, "U"},
		{"GET", []string{acceptHTML, "X-Requested-With: com.example.app"}, "NSU"},
		{"GET", []string{"Sec-Fetch-Dest: empty", "Sec-Fetch-Site: same-origin"}, ""},

		// Ahead of a person.
		{"GET", []string{acceptHTML, "Sec-Purpose: prefetch;anonymous-client-ip"}, "NSMP"},
		{"GET", []string{acceptHTML, "Sec-Purpose: prerender"}, "NSMP"},
		{"GET", []string{acceptHTML, "Purpose: prefetch"}, "NSMP"},
		{"GET", []string{acceptHTML, "X-Moz: prefetch"}, "NSMP"},
		{"GET", []string{acceptHTML, "Sec-Purpose: other"}, "NSUM"},
		{"GET", []string{modeNavigate, "Sec-Purpose: prefetch"}, "NSP"},

		// Another protocol.
		{"GET", []string{acceptHTML, "Upgrade: websocket"}, "MG"},
		{"GET", []string{acceptHTML, "Upgrade: "}, "UMG"},
		{"GET", []string{modeNavigate, destDocument, "Upgrade: websocket"}, "SG"},
		{"CONNECT", nil, "G"},
		{"CONNECT", []string{acceptHTML}, "UMG"},
		{"GET", []string{acceptHTML, ":protocol: websocket"}, "UMG"},
	} {
		r := request(tt.method, tt.headers...)
		got := ""
		for _, question := range []struct {
			letter string
			answer bool
		}{{"N", Navigates(r)}, {"S", ShowsPage(r)}, {"U", Uses(r)}, {"M", mayShowPage(r)}, {"P", Prefetches(r)}, {"G", Upgrades(r)}} {
			if question.answer {
				got += question.letter
			}
		}
		if got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.method, tt.headers, got, tt.want)
		}
	}
}
