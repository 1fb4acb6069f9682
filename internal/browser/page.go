package browser

import (
	"crypto/rand"
	"fmt"
	"html"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

func HiddenField(name, value string) string {
	return `<input type="hidden" name="` + name + `" value="` + html.EscapeString(value) + `">`
}

// WriteLeavePage sends the browser on without a redirect: Chromium applies
// form-action 'self', which pages with a form have, to every redirect that follows.
func WriteLeavePage(w http.ResponseWriter, target string) {
	target = html.EscapeString(target)
	WritePage(w, "Logged out", `<meta http-equiv="refresh" content="0; url=`+target+`">
`, `<h1>You are logged out</h1>
<p><a href="`+target+`">Continue</a></p>`)
}

const plainStyle = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:24rem;padding:0 1.5rem;text-align:center}button{font:inherit;padding:.5rem 1.5rem}`

// WritePage writes a page without a script, which no other page can frame: a
// button in a frame can be pressed without being seen.
func WritePage(w http.ResponseWriter, title, head, body string) {
	nonce := rand.Text()
	h := w.Header()
	cookie.Uncacheable(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // old browsers then say where the form comes from
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
