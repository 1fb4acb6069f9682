package browser

import (
	"crypto/rand"
	"fmt"
	"html"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// HiddenField returns an input element that no one sees. It escapes the value. The
// name must be a constant of the caller, because it is not escaped.
func HiddenField(name, value string) string {
	return `<input type="hidden" name="` + name + `" value="` + html.EscapeString(value) + `">`
}

// Leave sends the browser to a page of another site. For a form that a person has
// posted it writes a page that goes there at once, and not a redirect. Pages with a
// form often have form-action 'self' in their Content-Security-Policy, and Chromium
// applies that to each redirect after the form: it would stay where it is, without a
// word. The title says what has happened, for a person who still sees the page.
func Leave(w http.ResponseWriter, r *http.Request, target, title string) {
	if !isPostedByPerson(r) {
		Redirect(w, target, http.StatusSeeOther)
		return
	}
	WriteLeavePage(w, target, title)
}

// WriteLeavePage writes the page of [Leave].
func WriteLeavePage(w http.ResponseWriter, target, title string) {
	target = html.EscapeString(target)
	WritePage(w, title, `<meta http-equiv="refresh" content="0; url=`+target+`">
`, `<h1>`+title+`</h1>
<p><a href="`+target+`">Continue</a></p>`)
}

const plainStyle = `:root{color-scheme:light dark}` +
	`body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:24rem;padding:0 1.5rem;text-align:center}` +
	`button{font:inherit;padding:.5rem 1.5rem}`

// WritePage writes a page without a script. No other page can frame it: a person can
// be made to press a button in a frame without seeing it. The texts head and body are
// HTML, and the caller has escaped what they contain.
func WritePage(w http.ResponseWriter, title, head, body string) {
	nonce := rand.Text()
	h := w.Header()
	cookie.Uncacheable(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; "+
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // old browsers then send the origin of the form
	fmt.Fprintf(w, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
%s<title>%s</title>
<style nonce="%s">%s</style>
<main>
%s
</main>
</html>
`, head, title, nonce, plainStyle, body)
}
