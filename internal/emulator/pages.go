package emulator

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

//go:embed pages
var pageFiles embed.FS

// pages writes HTML.
type pages struct {
	*site
	*design
}

// autoSubmit is the only script of the form_post page.
const autoSubmit = "document.forms[0].submit()"

func newPages(site *site) (*pages, error) {
	design, err := theDesign()
	return &pages{site: site, design: design}, err
}

// A design is the parsed templates, and the hash of their inline style for the
// Content-Security-Policy.
type design struct {
	templates *template.Template
	style     template.CSS
	styleHash string
}

// theDesign parses the templates once for all tenants.
var theDesign = sync.OnceValues(func() (*design, error) {
	templates, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, err
	}
	return &design{templates: templates, style: template.CSS(style), styleHash: cspHash(string(style))}, nil
})

func cspHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A frame is the data of every page.
type frame struct {
	Title string // of the document
	Host  string
	Style template.CSS
	App   string // name of the application
	Org   string // display name of the organization
	Error string // beside the form

	policy string // the page's part of the Content-Security-Policy
}

func (f frame) securityPolicy() string { return f.policy }

// A view is the data of a page; every one embeds a frame.
type view interface{ securityPolicy() string }

// frame returns the common part of a page of the transaction.
//
// form-action names schemes, not hosts: browsers apply it to every redirect that
// follows a form, and the application's redirect after the callback is unknown
// here.
func (p *pages) frame(title string, tx transaction) frame {
	f := frame{Title: title, Host: p.host, Style: p.style}
	f.policy = "form-action 'self' http: https:"
	if tx.req != nil {
		f.App = tx.req.client.Name
		if tx.req.org != nil {
			f.Org = tx.req.org.DisplayName
		}
		if u, err := url.Parse(tx.req.redirectURI); err == nil && u.Scheme != "http" && u.Scheme != "https" {
			f.policy += " " + u.Scheme + ":" // of a native application
		}
	}
	f.policy += "; frame-ancestors 'none'"
	return f
}

// render writes a page. The templates escape everything, and the policy is the
// second line of defense.
func (p *pages) render(w http.ResponseWriter, status int, name string, v view) {
	var buf bytes.Buffer
	if err := p.templates.ExecuteTemplate(&buf, name, v); err != nil {
		writeText(w, http.StatusInternalServerError, "Internal Server Error") // unreachable: tests render every page
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+p.styleHash+"; img-src data:; base-uri 'none'; "+v.securityPolicy())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(buf.Bytes())
}

// A pageError is an error that stays on the tenant.
type pageError struct {
	status      int
	Title, Text string
}

var expiredPage = pageError{http.StatusBadRequest, "This page has expired",
	"The login was finished or given up. Start again from the application."}

var foreignForm = pageError{http.StatusForbidden, "Forbidden", "This form was sent by another site."}

func (p *pages) errorPage(w http.ResponseWriter, e pageError) {
	p.render(w, e.status, "error.html", struct {
		frame
		Problem pageError
	}{p.frame("Error", transaction{}), e})
}

// A button leads to a connection.
type button struct {
	Label, URL, Badge, Class string
}

// A hint shows an account of the demonstration.
type hint struct{ Email, Password string }

// An account is a choice on a page.
type account struct {
	Subject, Name, Email, Initials string
}

func accountOf(subject string, u *storedUser) account {
	a := account{Subject: subject, Name: u.Name, Email: u.Email, Initials: initials(u.Name)}
	if a.Email == "" {
		a.Email = u.Phone
	}
	return a
}

// maxAccounts bounds the list of a provider page.
const maxAccounts = 50

// A providerView is the page that simulates a provider. On it the user logs in, or
// consents to connecting the account.
type providerView struct {
	frame
	Provider, Connection, Badge, Class string
	Accounts                           []account

	Connect bool
	Scopes  []string // that the application may use
}

// formPostPage makes the browser post the response to the application (OAuth
// 2.0 Form Post Response Mode, Section 2). Without scripts, a button does.
func (p *pages) formPostPage(w http.ResponseWriter, action string, values url.Values) {
	view := struct {
		frame
		Action template.URL
		Script template.JS
		Values url.Values
	}{p.frame("Continue to the application", transaction{}), template.URL(action), autoSubmit, values}
	view.policy += "; script-src " + cspHash(autoSubmit)
	p.render(w, http.StatusOK, "form_post.html", view)
}

// webMessagePage posts the response to the window that opened this one, or
// holds it in a frame, if the application's origin is registered.
func (p *pages) webMessagePage(w http.ResponseWriter, req *authorization, values url.Values) {
	origin := originOf(req.redirectURI)
	if origin == "" {
		p.errorPage(w, pageError{http.StatusBadRequest, "invalid_request", "response_mode web_message needs a web origin"})
		return
	}
	response := map[string]any{}
	for name := range values {
		response[name] = values.Get(name)
		if name == "expires_in" {
			response[name] = int64(lifetimeOf(req.api) / time.Second)
		}
	}
	nonce := randomID(22)
	view := struct {
		frame
		Nonce, Origin string
		Message       map[string]any
	}{p.frame("Continue to the application", transaction{}), nonce, origin,
		map[string]any{"type": "authorization_response", "response": response}}
	view.policy = "form-action 'none'; frame-ancestors " + origin + "; script-src 'nonce-" + nonce + "'"
	p.render(w, http.StatusOK, "web_message.html", view)
}

// serveAvatar draws the letters in its path.
func (p *pages) serveAvatar(w http.ResponseWriter, r *http.Request) {
	letters := strings.TrimSuffix(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], ".svg")
	if runes := []rune(letters); len(runes) > 2 {
		letters = string(runes[:2])
	}
	hash := fnv.New32a()
	hash.Write([]byte(letters))
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=86400")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="128" height="128" viewBox="0 0 128 128">`+
		`<rect width="128" height="128" fill="hsl(%d 45%% 42%%)"/>`+
		`<text x="64" y="64" dy=".35em" text-anchor="middle" font-family="system-ui,sans-serif" font-size="54" fill="#fff">%s</text></svg>`,
		hash.Sum32()%360, html.EscapeString(strings.ToValidUTF8(letters, "?")))
}

func formatSeconds(d time.Duration) string { return fmt.Sprint(int64(d / time.Second)) }

var noConnectionPage = pageError{http.StatusBadRequest, "invalid_request", "the connection was not found"}
