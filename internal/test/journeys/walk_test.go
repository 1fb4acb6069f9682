package journeys_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A caller is a kind of request.
type caller struct {
	name     string
	isPerson bool // who sees the answer as a page
	method   string
	header   []string
}

// callers are the kinds of requests. All have their headers from real clients.
var callers = []caller{
	{name: "person", isPerson: true, method: "GET", header: []string{
		"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document",
		"Sec-Fetch-Site", "same-origin", "Sec-Fetch-User", "?1"}},
	{name: "person posting a form", isPerson: true, method: "POST", header: []string{
		"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document",
		"Sec-Fetch-Site", "same-origin", "Sec-Fetch-User", "?1", "Origin", testkit.AppURL, "Content-Type", testkit.FormType}},
	{name: "person in an old browser", isPerson: true, method: "GET", header: []string{
		"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}},
	{name: "script", method: "GET", header: []string{
		"Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}},
	{name: "htmx", method: "GET", header: []string{
		"Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin",
		"HX-Request", "true", "HX-Current-URL", testkit.AppURL + "/account?tab=2"}},
	{name: "Turbo", method: "GET", header: []string{
		"Accept", "text/html, application/xhtml+xml", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin",
		"X-Turbo-Request-Id", "0c1d2e3f-1111-4222-8333-444455556666"}},
	{name: "preflight", method: "OPTIONS", header: []string{
		"Accept", "*/*", "Origin", "https://other.example", "Access-Control-Request-Method", "GET",
		"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "cross-site"}},
	{name: "prefetch", method: "GET", header: []string{
		"Accept", "text/html,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin",
		"Sec-Purpose", "prefetch"}},
	{name: "HEAD", method: "HEAD", header: []string{"Accept", "*/*"}},
	{name: "crawler", method: "GET", header: []string{
		"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent", "ExampleBot/1.0"}},
}

// callerGroups returns the callers, each in its own group, except those that change
// nothing.
func callerGroups() (groups [][]caller) {
	var passive []caller
	for _, c := range callers {
		switch c.name {
		case "preflight", "prefetch", "HEAD":
			passive = append(passive, c)
		default:
			groups = append(groups, []caller{c})
		}
	}
	return append(groups, passive)
}

// send makes the request of a caller.
func (c caller) send(b *testkit.Browser, target string) *testkit.Response {
	b.Env.T.Helper()
	var form url.Values
	if c.method == "POST" {
		form = url.Values{}
	}
	return b.Do(c.method, target, form, c.header...)
}

// A kind is the meaning of a response for its caller.
func kind(w *world, resp *testkit.Response) string {
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	switch {
	case resp.Header.Get("HX-Redirect") != "":
		return "HX-Redirect to " + place(w, resp.URL, resp.Header.Get("HX-Redirect"))
	case resp.Header.Get("Location") != "":
		return "redirect to " + place(w, resp.URL, resp.Header.Get("Location"))
	case strings.Contains(resp.Body, `http-equiv="refresh"`):
		return "page that goes to " + place(w, resp.URL, resp.Location(w.T).String())
	case media == "text/html" && strings.Contains(resp.Body, "<title>app</title>"):
		_, text, _ := strings.Cut(resp.Body, "</title>")
		return text
	case media == "text/html":
		return "page " + quote(heading(resp.Body))
	case media == "application/json":
		return "JSON " + errorCode(resp.Body)
	case resp.Body == "" && resp.Status < 400 || resp.Body == "" && media == "":
		return "nothing"
	default:
		text, _, _ := strings.Cut(resp.Body, "\n")
		return "text " + quote(text)
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

var (
	headings = regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`)
	codes    = regexp.MustCompile(`"error":"([^"]*)"`)
	links    = regexp.MustCompile(`<a [^>]*href="([^"]*)"[^>]*>([^<]*)</a>`)
	forms    = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)
	hidden   = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

func heading(body string) string {
	if m := headings.FindStringSubmatch(body); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

func errorCode(body string) string {
	if m := codes.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return ""
}

// place names the target of a URL, without the parts that change in each run.
func place(w *world, base *url.URL, to string) string {
	u, err := base.Parse(to)
	if err != nil {
		w.T.Fatalf("the URL %q leads nowhere: %v", to, err)
	}
	q := u.Query()
	switch {
	case u.Host == testkit.TenantHost && u.Path == "/authorize":
		how := ""
		if p := q.Get("prompt"); p != "" {
			how = ", prompt=" + p
		}
		return "the tenant" + how
	case u.Host == testkit.TenantHost:
		return "the tenant" + u.Path
	case u.Host != "app.example":
		w.T.Errorf("a redirect to another host: %s", u)
	}
	shown := u.Path
	if r := q.Get("returnTo"); r != "" {
		shown += "?returnTo=" + r
	} else if u.Path != "/auth/login" && u.RawQuery != "" {
		shown += "?" + u.RawQuery
	}
	return shown
}

// steps bounds a walk: a user who follows more answers in turn is going in circles.
const steps = 12

// A walk is a user who follows the answers of the application.
type walk struct {
	*world
	b     *testkit.Browser
	trail []string
}

// follow goes on from a response until there is a page to stay on, and returns that
// response and its text.
func (w *walk) follow(resp *testkit.Response) (last *testkit.Response, text string) {
	for range steps {
		k := kind(w.world, resp)
		w.trail = append(w.trail, fmt.Sprint(resp.Status, " ", k))
		if resp.Status == http.StatusInternalServerError {
			w.T.Errorf("an internal error: %s; log %s", strings.Join(w.trail, ", "), w.Log)
		}
		to := resp.Header.Get("HX-Redirect")
		if to == "" && (resp.Header.Get("Location") != "" || strings.Contains(resp.Body, `http-equiv="refresh"`)) {
			to = resp.Location(w.T).String()
		}
		if to != "" {
			resp = w.open(resp.URL, to)
			continue
		}
		return resp, k
	}
	w.T.Errorf("the person goes in circles: %s", strings.Join(w.trail, ", "))
	return nil, "a circle"
}

// open navigates to a URL, at the tenant or here.
func (w *walk) open(base *url.URL, to string) *testkit.Response {
	u, err := base.Parse(to)
	if err != nil {
		w.T.Fatal(err)
	}
	switch {
	case u.Host == testkit.TenantHost && u.Path == "/authorize":
		u = w.atTenant(u)
	case u.Host == testkit.TenantHost:
		u = w.b.AtTenant(u)
	}
	return callers[0].send(w.b, u.String())
}

// atTenant is a login at the tenant in its condition. A tenant that denies ada accepts
// grace, and asks who logs in if it must.
func (w *walk) atTenant(authURL *url.URL) *url.URL {
	user := "ada@acme.example"
	condition := w.door.now()
	switch asks := strings.Contains(authURL.Query().Get("prompt"), "login"); {
	case asks && (condition == refuses || condition == policy):
		user = "grace@gmail.example"
	case condition == refuses:
		w.Tenant.DenyNext("access_denied", "not on this device")
	case condition == policy:
		w.Tenant.DenyNext("unmet_authentication_requirements", "a second factor is required")
	}
	w.SignInAtTenant(user)
	return w.b.AtTenant(authURL)
}

// ways returns the links and the forms of a page, as requests of the user.
func (w *walk) ways(resp *testkit.Response) (texts []string, take []func() *testkit.Response) {
	for _, m := range links.FindAllStringSubmatch(resp.Body, -1) {
		to := html.UnescapeString(m[1])
		texts = append(texts, html.UnescapeString(m[2]))
		take = append(take, func() *testkit.Response { return w.open(resp.URL, to) })
	}
	for _, m := range forms.FindAllStringSubmatch(resp.Body, -1) {
		form := url.Values{}
		for _, h := range hidden.FindAllStringSubmatch(m[2], -1) {
			form.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
		}
		texts = append(texts, "button")
		action, err := resp.URL.Parse(html.UnescapeString(m[1]))
		if err != nil {
			w.T.Fatal(err)
		}
		take = append(take, func() *testkit.Response {
			return w.b.Do(http.MethodPost, action.String(), form, callers[1].header...)
		})
	}
	return texts, take
}
