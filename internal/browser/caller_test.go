package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCallerOf has the kinds of clients, and the format of their errors: on any route, and
// on a route for navigations alone.
func TestCallerOf(t *testing.T) {
	t.Parallel()
	const turboAccept = "Accept: text/vnd.turbo-stream.html, text/html, application/xhtml+xml"
	fetch := []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}
	with := func(lines ...string) []string { return append(lines, fetch...) }
	for _, tt := range []struct {
		why, method string
		headers     []string
		want        Caller
		as          [2]format
	}{
		{"page", "GET", []string{modeNavigate, destDocument, acceptHTML}, Person, [2]format{asPage, asPage}},
		{"page, without Accept", "GET", []string{modeNavigate, destDocument}, Person, [2]format{asPage, asPage}},
		{"page, without a destination", "GET", []string{modeNavigate}, Person, [2]format{asPage, asPage}},
		{"HEAD of a page", "HEAD", []string{modeNavigate, destDocument}, Person, [2]format{asPage, asPage}},
		{"form", "POST", []string{modeNavigate, destDocument, acceptHTML}, Poster, [2]format{asPage, asPage}},
		{"form, without a destination", "POST", []string{modeNavigate, acceptHTML}, Program, [2]format{asJSON, asPage}},
		{"PUT that says it is a page", "PUT", []string{modeNavigate, destDocument}, Program, [2]format{asJSON, asPage}},
		{"frame", "GET", []string{modeNavigate, "Sec-Fetch-Dest: iframe", acceptHTML}, Frame, [2]format{asJSON, asPage}},
		{"form in a frame", "POST", []string{modeNavigate, "Sec-Fetch-Dest: iframe", acceptHTML}, Frame, [2]format{asJSON, asPage}},
		{"fetch", "GET", with("Accept: */*"), Script, [2]format{asJSON, asJSON}},
		{"fetch that accepts HTML", "GET", with("Accept: text/html"), Script, [2]format{asJSON, asJSON}},
		{"fetch that accepts text", "GET", with("Accept: text/plain"), Script, [2]format{asText, asText}},
		{"fetch that accepts text and JSON", "GET", with("Accept: application/json, text/plain"), Script, [2]format{asJSON, asJSON}},
		{"fetch that accepts text or anything", "GET", with("Accept: text/plain, */*"), Script, [2]format{asJSON, asJSON}},
		{"posted by fetch", "POST", with("Accept: */*"), Script, [2]format{asJSON, asJSON}},
		{"image", "GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, Script, [2]format{asJSON, asJSON}},
		{"preflight", "OPTIONS", []string{"Sec-Fetch-Mode: cors", "Origin: https://spa.example", "Access-Control-Request-Method: GET"}, Script, [2]format{asJSON, asJSON}},
		{"prefetch of a page", "GET", []string{modeNavigate, destDocument, "Sec-Purpose: prefetch"}, Person, [2]format{asPage, asPage}},
		{"prefetch of a script", "GET", with("Sec-Purpose: prefetch"), Script, [2]format{asJSON, asJSON}},
		{"page that asks for JSON", "GET", []string{modeNavigate, destDocument, "Accept: application/json"}, Person, [2]format{asJSON, asJSON}},
		{"page that asks for text", "GET", []string{modeNavigate, destDocument, "Accept: text/plain"}, Person, [2]format{asText, asText}},
		{"page that does not want HTML", "GET", []string{modeNavigate, destDocument, "Accept: text/html;q=0, text/plain;q=0.5"}, Person, [2]format{asText, asText}},
		{"page with weights", "GET", []string{modeNavigate, destDocument, "Accept: text/html; level=1; q=0.1, text/plain;q=0.000"}, Person, [2]format{asPage, asPage}},
		{"page that asks for an image", "GET", []string{modeNavigate, destDocument, "Accept: image/png"}, Person, [2]format{asPage, asPage}},

		{"page that Turbo could change", "GET", []string{modeNavigate, destDocument, turboAccept}, Person, [2]format{asPage, asPage}},
		{"form that Turbo does not post", "POST", []string{modeNavigate, destDocument, turboAccept, "Turbo-Frame: a"}, Poster, [2]format{asPage, asPage}},

		{"old browser", "GET", []string{acceptHTML}, Person, [2]format{asPage, asPage}},
		{"old browser, HEAD", "HEAD", []string{acceptHTML}, Person, [2]format{asPage, asPage}},
		{"old browser, form", "POST", []string{acceptHTML}, Poster, [2]format{asPage, asPage}},
		{"old browser, PUT", "PUT", []string{acceptHTML}, Program, [2]format{asJSON, asPage}},
		{"old browser, type in another case", "GET", []string{"Accept: Text/HTML"}, Person, [2]format{asPage, asPage}},
		{"old browser, XHTML", "GET", []string{"Accept: application/XHTML+xml"}, Person, [2]format{asPage, asPage}},
		{"old browser, two lines", "GET", []string{"Accept: image/png", "Accept: text/html"}, Person, [2]format{asPage, asPage}},
		{"a type that is like HTML", "GET", []string{"Accept: text/html-x"}, Script, [2]format{asJSON, asPage}},
		{"XMLHttpRequest", "GET", []string{acceptHTML, "X-Requested-With: xmlhttprequest"}, Script, [2]format{asJSON, asPage}},
		{"browser in an app", "GET", []string{acceptHTML, "X-Requested-With: com.example.app"}, Person, [2]format{asPage, asPage}},
		{"axios", "GET", []string{"Accept: application/json, text/plain, */*"}, Script, [2]format{asJSON, asPage}},
		{"API client", "GET", []string{"Accept: application/json"}, Script, [2]format{asJSON, asJSON}},
		{"text client", "GET", []string{"Accept: text/plain"}, Script, [2]format{asText, asText}},
		{"curl", "GET", []string{"Accept: */*"}, Program, [2]format{asJSON, asPage}},
		{"nothing said", "GET", nil, Program, [2]format{asJSON, asPage}},
		{"HTML beyond what is read", "GET", []string{"Accept: " + strings.Repeat("a/b,", 256) + "text/html"}, Script, [2]format{asJSON, asPage}},
		{"HTML at the end of what is read", "GET", []string{"Accept: " + strings.Repeat("a/b,", 253) + "text/html"}, Person, [2]format{asPage, asPage}},

		{"WebSocket", "GET", []string{acceptHTML, "Upgrade: websocket"}, Script, [2]format{asJSON, asPage}},
		{"WebSocket over HTTP/2", "CONNECT", []string{acceptHTML}, Script, [2]format{asJSON, asPage}},

		{"htmx", "GET", with("Hx-Request: true", "Accept: */*"), HTMX, [2]format{asJSON, asJSON}},
		{"htmx, form", "POST", with("Hx-Request: true", "Accept: text/html"), HTMX, [2]format{asJSON, asJSON}},
		{"htmx, old browser", "GET", []string{"Hx-Request: true", "Accept: */*"}, HTMX, [2]format{asJSON, asPage}},
		{"another value of htmx", "GET", with("Hx-Request: 1", "Accept: */*"), Script, [2]format{asJSON, asJSON}},
		{"form of Turbo", "POST", with(turboAccept), TurboForm, [2]format{asStream, asStream}},
		{"form of Turbo in a frame", "POST", with(turboAccept, "Turbo-Frame: a"), TurboForm, [2]format{asStream, asStream}},
		{"frame of Turbo", "GET", with("Accept: text/html, application/xhtml+xml", "Turbo-Frame: a"), TurboFrame, [2]format{asPage, asPage}},
		{"visit of Turbo", "GET", with("Accept: text/html, application/xhtml+xml", "X-Turbo-Request-Id: 1"), Script, [2]format{asJSON, asJSON}},
		{"page with a header of Turbo", "GET", []string{modeNavigate, destDocument, acceptHTML, "Turbo-Frame: a"}, Person, [2]format{asPage, asPage}},
	} {
		r := request(tt.method, tt.headers...)
		if got := CallerOf(r); got != tt.want {
			t.Errorf("%s: caller %d, want %d", tt.why, got, tt.want)
		}
		if got := [2]format{formatOf(r, false), formatOf(r, true)}; got != tt.as {
			t.Errorf("%s: formats %d, want %d", tt.why, got, tt.as)
		}
		if Navigates(r) != (tt.want == Person) {
			t.Errorf("%s: navigates %v", tt.why, Navigates(r))
		}
	}
}

func TestKindsOfCallers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		callers            []Caller
		seesPage, isScript bool
	}{
		{[]Caller{Person, Poster}, true, false},
		{[]Caller{Script, HTMX, TurboFrame, TurboForm}, false, true},
		{[]Caller{Program, Frame}, false, false},
	} {
		for _, c := range tt.callers {
			if c.SeesPage() != tt.seesPage || c.IsScript() != tt.isScript {
				t.Errorf("caller %d: sees a page %v, is a script %v", c, c.SeesPage(), c.IsScript())
			}
		}
	}
}

// errorPage has a text of an attacker in each place.
var errorPage = Page{
	Title: "Not <b>now", Text: `Later & "more".`, Reference: "abcd2345",
	Links: []Link{{Href: `/x?a="b"&c`, Text: "Go <i>"}, {Href: "/new", Text: "New", NewTab: true}},
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	const reference = "If it keeps happening, quote this reference: abcd2345"
	for _, tt := range []struct {
		why     string
		headers []string
		kind    string
		body    string // all of it, or a part of a page
	}{
		{"page", []string{modeNavigate, destDocument}, "text/html; charset=utf-8", `<main>
<h1>Not &lt;b&gt;now</h1>
<p>Later &amp; &#34;more&#34;.</p>
<p><a href="/x?a=&#34;b&#34;&amp;c">Go &lt;i&gt;</a></p>
<p><a href="/new" target="_blank">New</a></p>
<p><small>` + reference + `</small></p>
</main>`},
		{"text", []string{modeNavigate, destDocument, "Accept: text/plain"}, "text/plain; charset=utf-8",
			"Not <b>now.\n\nLater & \"more\".\n\nGo <i>: /x?a=\"b\"&c\n\nNew: /new\n\n" + reference + "\n"},
		{"form of Turbo", []string{"Accept: text/vnd.turbo-stream.html"}, "text/vnd.turbo-stream.html; charset=utf-8",
			`<turbo-stream action="remove" target="auth0-message"></turbo-stream>
<turbo-stream action="prepend" targets="body"><template><div id="auth0-message" role="alert">
<p><strong>Not &lt;b&gt;now</strong></p>
<p>Later &amp; &#34;more&#34;.</p>
<p><a data-turbo-frame="_top" href="/x?a=&#34;b&#34;&amp;c">Go &lt;i&gt;</a></p>
<p><a data-turbo-frame="_top" href="/new" target="_blank">New</a></p>
<p><small>` + reference + `</small></p>
</div></template></turbo-stream>
`},
		{"frame of Turbo", []string{"Turbo-Frame: a"}, "text/html; charset=utf-8", `<meta name="turbo-visit-control" content="reload">`},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := httptest.NewRecorder()
			written := WriteError(w, request(method, tt.headers...), 418, false, func() Page { return errorPage })
			expectHeaders(t, tt.why, w.Header(), map[string]string{"Content-Type": tt.kind})
			if !written || w.Code != 418 || !strings.Contains(w.Header().Get("Vary")+strings.Join(w.Header()["Vary"], " "), "Accept") {
				t.Errorf("%s: %v, %d, Vary %q", tt.why, written, w.Code, w.Header()["Vary"])
			}
			body := w.Body.String()
			isPage := strings.HasPrefix(tt.kind, "text/html")
			switch {
			case method == "HEAD":
				if body != "" {
					t.Errorf("%s: HEAD has a body", tt.why)
				}
			case isPage && !strings.Contains(body, tt.body), !isPage && body != tt.body:
				t.Errorf("%s:\n got %s\nwant %s", tt.why, body, tt.body)
			case strings.Contains(body, "visit-control") != (tt.why == "frame of Turbo"):
				t.Errorf("%s: %s", tt.why, body)
			}
		}
	}
	w := httptest.NewRecorder()
	if WriteError(w, request("GET", "Accept: application/json"), 418, true, func() Page { t.Error("a page was made"); return Page{} }) || w.Body.Len() > 0 {
		t.Errorf("JSON: %s", w.Body)
	}
	w = httptest.NewRecorder()
	WriteError(w, request("GET", acceptHTML), 400, false, func() Page { return Page{Title: "Short"} })
	if body := w.Body.String(); strings.Contains(body, "reference") || strings.Contains(body, "<p>") {
		t.Errorf("a page with a title alone: %s", body)
	}
	w = httptest.NewRecorder()
	WriteError(w, request("GET", "Accept: text/plain"), 400, false, func() Page { return Page{Title: "Short"} })
	if body := w.Body.String(); body != "Short.\n" || w.Code != http.StatusBadRequest {
		t.Errorf("a text with a title alone: %d %q", w.Code, body)
	}
}
