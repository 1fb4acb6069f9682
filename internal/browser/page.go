package browser

import (
	"crypto/rand"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// A Page is a page of this module. It holds texts and no HTML: the shared frame escapes
// each of them, because an attacker can have written a title or a URL.
type Page struct {
	Title string // of the window, and the heading
	Text  string // sentences under the heading
	Links []Link // the user's next steps, the best first
	// Button, if not empty, posts the hidden fields to the URL of the page. A proxy may
	// have changed the path of the route.
	Button    string
	Hidden    url.Values
	GoTo      string // the browser goes to this URL immediately
	Reference string // finds the line in the log

	whole  bool    // not for the inside of a frame of Turbo
	script *script // of the end of a pop-up
}

// A Link is a next step for the user. An empty Href reloads the page.
type Link struct {
	Href, Text string
	NewTab     bool // keeps this tab as it is
}

// Leave sends the browser to a page of another site. After a posted form it writes a page
// that navigates there, and not a redirect. Pages with a form often have form-action
// 'self' in their Content-Security-Policy. Chromium applies that to each redirect after
// the form: the browser would silently stay where it is. The title describes the step to
// a user who sees the page.
//
// A request of htmx or Turbo cannot follow a redirect to another site either. htmx goes
// to the URL in a header, and Turbo shows a message with a link.
func Leave(w http.ResponseWriter, r *http.Request, target, title string) {
	switch CallerOf(r) {
	case Poster:
		WriteLeavePage(w, target, title)
	case HTMX:
		cookie.Uncacheable(w.Header())
		w.Header().Set("HX-Redirect", target)
		w.WriteHeader(http.StatusOK)
	case TurboForm:
		cookie.Uncacheable(w.Header())
		writeStream(w, http.StatusOK, leavePage(target, title))
	default:
		Redirect(w, target, http.StatusSeeOther)
	}
}

// WriteLeavePage writes the page of [Leave].
func WriteLeavePage(w http.ResponseWriter, target, title string) {
	p := leavePage(target, title)
	p.GoTo = target
	WritePage(w, http.StatusOK, p)
}

func leavePage(target, title string) Page {
	return Page{Title: title, Links: []Link{{Href: target, Text: "Continue"}}}
}

// WritePage writes a page in which no script runs, except the script that ends a pop-up.
// No other page can frame it. In a frame, an attacker could make the user press the
// button without seeing it (clickjacking).
func WritePage(w http.ResponseWriter, status int, p Page) {
	nonce := rand.Text()
	h := w.Header()
	cookie.Uncacheable(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy(nonce))
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.Button != "" {
		h.Set("Referrer-Policy", "same-origin") // makes old browsers send the form's origin
	}
	w.WriteHeader(status)
	io.WriteString(w, p.html(nonce))
}

// policy returns the Content-Security-Policy of the page.
func (p Page) policy(nonce string) string {
	scripts, forms := "", "'none'"
	if p.script != nil {
		scripts = "script-src 'nonce-" + nonce + "'; "
	}
	if p.Button != "" {
		forms = "'self'"
	}
	return "default-src 'none'; " + scripts + "style-src 'nonce-" + nonce + "'; base-uri 'none'; form-action " + forms + "; frame-ancestors 'none'"
}

// style has contrasts of 4.5 to 1 or more in light and in dark (WCAG 2.2, 1.4.3), and
// breaks long words, so that nothing sticks out of a narrow screen (1.4.10).
const style = `:root{color-scheme:light dark;background:#fff;color:#1c1b1f}` +
	`body{font:1rem/1.5 system-ui,sans-serif;margin:12vh auto;max-width:30rem;padding:0 1.25rem;overflow-wrap:anywhere}` +
	`h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}p{margin:0 0 1rem}` +
	`a{color:#0b57d0}a,button{display:inline-block;padding:.25rem 0}` +
	`button{font:inherit;padding:.5rem 1.5rem;border:1px solid;border-radius:.25rem;background:#0b57d0;color:#fff;cursor:pointer}` +
	`small{color:#5f5e63}` +
	`@media(prefers-color-scheme:dark){:root{background:#1c1b1f;color:#e6e1e5}a{color:#a8c7fa}` +
	`button{background:#a8c7fa;color:#062e6f}small{color:#aeaab0}}`

func (p Page) html(nonce string) string {
	var b strings.Builder
	write := func(texts ...string) {
		for _, text := range texts {
			b.WriteString(text)
		}
	}
	write(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
`)
	if p.GoTo != "" {
		write(`<meta http-equiv="refresh" content="0; url=`, html.EscapeString(p.GoTo), "\">\n")
	}
	if p.whole {
		write(`<meta name="turbo-visit-control" content="reload">`, "\n")
	}
	write(`<title>`, html.EscapeString(p.Title), "</title>\n", `<style nonce="`, nonce, `">`, style, "</style>\n</head>\n<body>\n<main>\n", p.content(), "</main>\n")
	if p.script != nil {
		write(p.script.html(nonce))
	}
	write("</body>\n</html>\n")
	return b.String()
}

// content returns the visible text: the heading, a sentence, the next steps, and the
// reference last.
func (p Page) content() string {
	var b strings.Builder
	write := func(texts ...string) {
		for _, text := range texts {
			b.WriteString(text)
		}
	}
	write(`<h1>`, html.EscapeString(p.Title), "</h1>\n")
	if p.Text != "" {
		write(`<p>`, html.EscapeString(p.Text), "</p>\n")
	}
	if p.Button != "" {
		write(`<form method="post">`)
		for _, name := range slices.Sorted(maps.Keys(p.Hidden)) {
			write(`<input type="hidden" name="`, html.EscapeString(name), `" value="`, html.EscapeString(p.Hidden.Get(name)), `">`)
		}
		write(`<button>`, html.EscapeString(p.Button), "</button></form>\n")
	}
	for _, link := range p.Links {
		target := ""
		if link.NewTab {
			target = ` target="_blank"`
		}
		write(`<p><a href="`, html.EscapeString(link.Href), `"`, target, `>`, html.EscapeString(link.Text), "</a></p>\n")
	}
	if p.Reference != "" {
		write(`<p><small>`, html.EscapeString(referenceText+p.Reference), "</small></p>\n")
	}
	return b.String()
}

const referenceText = "If it keeps happening, quote this reference: "

// WriteError answers a request with an error page, in the client's format. It reports
// false, and writes nothing, if that format is JSON. A request to a route that only
// navigations reach gets a page, unless the browser reports that a script sent it. The
// caller has set the headers that do not depend on the format.
func WriteError(w http.ResponseWriter, r *http.Request, status int, navigation bool, page func() Page) bool {
	as := formatOf(r, navigation)
	h := w.Header()
	AddVary(h, "Accept")
	if as == asJSON {
		return false
	}
	p := page()
	if r.Method == http.MethodHead {
		w = headOnly{w}
	}
	switch as {
	case asStream:
		writeStream(w, status, p)
	case asText:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		io.WriteString(w, p.plain())
	default:
		p.whole = CallerOf(r) == TurboFrame
		WritePage(w, status, p)
	}
	return true
}

// headOnly writes the header of a response without its body (RFC 9110, Section 9.3.2).
type headOnly struct{ http.ResponseWriter }

func (headOnly) Write(p []byte) (int, error) { return len(p), nil }

// streamID is the id of the message that stream shows, so that a new message replaces the
// previous one.
const streamID = "auth0-message"

func writeStream(w http.ResponseWriter, status int, p Page) {
	w.Header().Set("Content-Type", turboStream+"; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, p.stream())
}

// stream returns the page as a message at the top of the open page. Turbo follows the
// attributes action and targets of each element. A link in the message leaves frames.
func (p Page) stream() string {
	content := strings.ReplaceAll(p.content(), "<a href", `<a data-turbo-frame="_top" href`)
	content = strings.NewReplacer("<h1>", "<p><strong>", "</h1>", "</strong></p>").Replace(content)
	return `<turbo-stream action="remove" target="` + streamID + `"></turbo-stream>
<turbo-stream action="prepend" targets="body"><template><div id="` + streamID + `" role="alert">
` + content + `</div></template></turbo-stream>
`
}

// plain returns the page as text.
func (p Page) plain() string {
	var b strings.Builder
	b.WriteString(p.Title + ".\n")
	if p.Text != "" {
		b.WriteString("\n" + p.Text + "\n")
	}
	for _, link := range p.Links {
		if link.Href != "" {
			b.WriteString("\n" + link.Text + ": " + link.Href + "\n")
		}
	}
	if p.Reference != "" {
		b.WriteString("\n" + referenceText + p.Reference + "\n")
	}
	return b.String()
}
