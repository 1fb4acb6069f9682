package browser

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// expectHeaders compares headers. Vary can have more lines.
func expectHeaders(t *testing.T, why string, h http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := strings.Join(h[name], ", "); got != value {
			t.Errorf("%s: %s is %q, want %q", why, name, got, value)
		}
	}
}

var nonceInPolicy = regexp.MustCompile(`style-src 'nonce-([A-Z2-7]{26})'`)

// nonceOf returns the nonce of a page, and checks that a second page has another one.
func nonceOf(t *testing.T, write func(w http.ResponseWriter)) (nonce string, w *httptest.ResponseRecorder) {
	t.Helper()
	w, again := httptest.NewRecorder(), httptest.NewRecorder()
	write(w)
	write(again)
	policy := w.Header().Get("Content-Security-Policy")
	found := nonceInPolicy.FindStringSubmatch(policy)
	if found == nil || again.Header().Get("Content-Security-Policy") == policy {
		t.Fatalf("policy %q", policy)
	}
	return found[1], w
}

// TestWritePage: the frame of all pages, with a button and without one.
func TestWritePage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why           string
		page          Page
		forms, policy string // form-action, and Referrer-Policy
		parts         []string
	}{
		{"button", Page{Title: "A <title>", Button: "Press & go", Hidden: url.Values{"token": {`a"><script>&`}, `a"<`: {"b"}}}, "'self'", "same-origin", []string{
			`<form method="post"><input type="hidden" name="a&#34;&lt;" value="b"><input type="hidden" name="token" value="a&#34;&gt;&lt;script&gt;&amp;"><button>Press &amp; go</button></form>`,
		}},
		{"text", Page{Title: "A <title>", Text: "A <text>"}, "'none'", "", []string{"<p>A &lt;text&gt;</p>"}},
	} {
		nonce, w := nonceOf(t, func(w http.ResponseWriter) { WritePage(w, 418, row.page) })
		expectHeaders(t, row.why, w.Header(), map[string]string{
			"Content-Type": "text/html; charset=utf-8",
			"Content-Security-Policy": "default-src 'none'; style-src 'nonce-" + nonce + "'; " +
				"base-uri 'none'; form-action " + row.forms + "; frame-ancestors 'none'",
			"X-Frame-Options":        "DENY",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        row.policy,
			"Cache-Control":          "private, no-store",
		})
		page := w.Body.String()
		for _, part := range append([]string{
			"<!doctype html>\n<html lang=\"en\">", `<meta name="viewport" content="width=device-width, initial-scale=1">`, "<title>A &lt;title&gt;</title>",
			`<style nonce="` + nonce + `">:root{color-scheme:light dark;`, "@media(prefers-color-scheme:dark)", "<main>\n<h1>A &lt;title&gt;</h1>\n", "</main>\n</body>\n</html>\n",
		}, row.parts...) {
			if !strings.Contains(page, part) {
				t.Errorf("%s: no %s in\n%s", row.why, part, page)
			}
		}
		if strings.Contains(page, "<script") || strings.Contains(page, "refresh") || w.Code != 418 {
			t.Errorf("%s: status %d:\n%s", row.why, w.Code, page)
		}
	}
}

// TestLeave: a posted form gets a page, because a policy of the page before can forbid
// redirects. Every other request gets a redirect.
func TestLeave(t *testing.T) {
	t.Parallel()
	const target = `https://tenant.example/?a=1&b="><script>`
	const escaped = `https://tenant.example/?a=1&amp;b=&#34;&gt;&lt;script&gt;`
	html := []string{"Accept", "text/html,*/*"}
	navigation := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	for _, row := range []struct {
		why, method string
		header      []string
		page        bool
	}{
		{"form", "POST", navigation, true},
		{"form of an old browser", "POST", html, true},
		{"form in a frame", "POST", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, false},
		{"script", "POST", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, false},
		{"old script", "POST", append([]string{"X-Requested-With", "XMLHttpRequest"}, html...), false},
		{"program", "POST", nil, false},
		{"link", "GET", navigation, false},
	} {
		r := httptest.NewRequest(row.method, "/", nil)
		for i := 0; i < len(row.header); i += 2 {
			r.Header.Set(row.header[i], row.header[i+1])
		}
		w := httptest.NewRecorder()
		Leave(w, r, target, "Gone")
		if !row.page {
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != target {
				t.Errorf("%s: %d %v", row.why, w.Code, w.Header())
			}
			continue
		}
		page := w.Body.String()
		for _, part := range []string{"<title>Gone</title>", "<h1>Gone</h1>", `<meta http-equiv="refresh" content="0; url=` + escaped + `">`, `<a href="` + escaped + `">Continue</a>`} {
			if !strings.Contains(page, part) {
				t.Errorf("%s: no %s in\n%s", row.why, part, page)
			}
		}
		if w.Code != http.StatusOK || w.Header().Get("Location") != "" || strings.Contains(page, "<script") {
			t.Errorf("%s: %d %v\n%s", row.why, w.Code, w.Header(), page)
		}
	}
}

// TestLeaveOfLibraries: htmx and Turbo cannot follow a redirect to another site.
func TestLeaveOfLibraries(t *testing.T) {
	t.Parallel()
	const target = `https://tenant.example/?a=1&b="x"`
	w := httptest.NewRecorder()
	Leave(w, request("POST", "Hx-Request: true", "Sec-Fetch-Mode: cors"), target, "Gone")
	expectHeaders(t, "htmx", w.Header(), map[string]string{"Hx-Redirect": target, "Location": "", "Cache-Control": "private, no-store"})
	if w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("htmx: %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	Leave(w, request("POST", "Accept: text/vnd.turbo-stream.html, text/html", "Sec-Fetch-Mode: cors"), target, "Gone")
	expectHeaders(t, "Turbo", w.Header(), map[string]string{"Content-Type": "text/vnd.turbo-stream.html; charset=utf-8", "Location": "", "Cache-Control": "private, no-store"})
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "<strong>Gone</strong>") ||
		!strings.Contains(body, `<a data-turbo-frame="_top" href="https://tenant.example/?a=1&amp;b=&#34;x&#34;">Continue</a>`) {
		t.Errorf("Turbo: %d %s", w.Code, body)
	}
}

func TestWritePopup(t *testing.T) {
	t.Parallel()
	popup := Popup{
		Message: PopupMessage{
			Type: PopupChannel, OK: true, ReturnTo: "/</script><script>alert(1)</script>", AccessToken: "an access token", IDToken: "an ID token",
		},
		Origin:    "https://app.example",
		Broadcast: true,
		Text:      "You are logged in <b> {script}",
		Target:    `/page?a="b"`,
		Link:      "Continue <i>",
	}
	nonce, w := nonceOf(t, func(w http.ResponseWriter) {
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin") // of the application
		WritePopup(w, http.StatusForbidden, popup)
	})
	expectHeaders(t, "pop-up", w.Header(), map[string]string{
		"Content-Type": "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce + "'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":     "nosniff",
		"Referrer-Policy":            "no-referrer",
		"Cross-Origin-Opener-Policy": "unsafe-none",
		"Cache-Control":              "private, no-store",
	})
	page := w.Body.String()
	for _, part := range []string{
		"<h1>You are logged in &lt;b&gt; {script}</h1>",
		`<a href="/page?a=&#34;b&#34;">Continue &lt;i&gt;</a>`,
		`<style nonce="` + nonce + `">:root{`,
		`<script nonce="` + nonce + `">const given = JSON.parse(document.getElementById("given").textContent);`,
		"window.opener.postMessage(given.message, given.origin);",
		"new BroadcastChannel(given.message.type).postMessage(given.message);",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s in\n%s", part, page)
		}
	}
	if n := strings.Count(page, "</script>"); n != 2 || w.Code != http.StatusForbidden {
		t.Errorf("status %d, %d ends of a script in\n%s", w.Code, n, page)
	}
	_, given, _ := strings.Cut(page, `<script type="application/json" id="given">`)
	given, _, _ = strings.Cut(given, "</script>")
	var read struct {
		Message   map[string]any
		Origin    string
		Broadcast bool
	}
	if err := json.Unmarshal([]byte(given), &read); err != nil || read.Origin != "https://app.example" || !read.Broadcast {
		t.Fatalf("%v: %s", err, given)
	}
	want := map[string]any{
		"type": "auth0:login", "ok": true, "returnTo": popup.Message.ReturnTo, "access_token": "an access token", "id_token": "an ID token",
	}
	for name, value := range want {
		if read.Message[name] != value {
			t.Errorf("%s is %v, want %v", name, read.Message[name], value)
		}
	}
	if len(read.Message) != len(want) {
		t.Errorf("message %v", read.Message)
	}
}

// TestFailedPopup: a message has the known fields, and always type and ok.
func TestFailedPopup(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	WritePopup(w, 400, Popup{Message: PopupMessage{Type: PopupChannel, Error: "access_denied"}})
	const want = `{"broadcast":false,"message":{"type":"auth0:login","ok":false,"error":"access_denied"},"origin":""}`
	if !strings.Contains(w.Body.String(), ">"+want+"<") {
		t.Error(w.Body)
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	const target = "https://tenant.example/a/../b?x=%zz#f"
	w := httptest.NewRecorder()
	Redirect(w, target, http.StatusSeeOther)
	expectHeaders(t, "redirect", w.Header(), map[string]string{"Location": target, "Cache-Control": "private, no-store"})
	if w.Code != http.StatusSeeOther || w.Body.Len() != 0 {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}

func TestNoContent(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	NoContent(w)
	expectHeaders(t, "no content", w.Header(), map[string]string{"Cache-Control": "no-store"})
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}

func TestAddVary(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, after []string }{
		{nil, []string{"Cookie"}},
		{[]string{"Accept"}, []string{"Accept", "Cookie"}},
		{[]string{"Cookie2"}, []string{"Cookie2", "Cookie"}},
		{[]string{"Accept, cookie"}, []string{"Accept, cookie"}},
		{[]string{"Accept", "Origin ,  COOKIE"}, []string{"Accept", "Origin ,  COOKIE"}},
		{[]string{" * "}, []string{" * "}},
	} {
		h := http.Header{"Vary": slices.Clone(tt.before)}
		AddVary(h, "Cookie")
		if !slices.Equal(h["Vary"], tt.after) {
			t.Errorf("%q: %q, want %q", tt.before, h["Vary"], tt.after)
		}
	}
}

func TestMarkPrivate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, after []string }{
		{nil, []string{"private"}},
		{[]string{"public, max-age=60"}, []string{"private"}},
		{[]string{"no-cache"}, []string{"private"}},
		{[]string{"Private, max-age=60"}, []string{"Private, max-age=60"}},
		{[]string{"max-age=0, No-Store"}, []string{"max-age=0, No-Store"}},
		{[]string{"max-age=60", "private"}, []string{"max-age=60", "private"}},
	} {
		h := http.Header{"Cache-Control": slices.Clone(tt.before)}
		MarkPrivate(h)
		if !slices.Equal(h["Cache-Control"], tt.after) {
			t.Errorf("%q: %q, want %q", tt.before, h["Cache-Control"], tt.after)
		}
	}
}
