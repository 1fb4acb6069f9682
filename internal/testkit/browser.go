package testkit

import (
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// LoginAs logs a user in at the tenant and in the application, and returns the
// browser and the tenant's session id.
func (e *Env) LoginAs(email string) (b *Browser, sid string) {
	e.T.Helper()
	e.SignInAtTenant(email)
	e.Tenant.EditIDToken(func(_, c map[string]any) { sid = c["sid"].(string) })
	b = e.Browser().MustLogin()
	e.Tenant.EditIDToken(nil)
	return b, sid
}

// A Response is an answer of the application.
type Response struct {
	Status int
	Header http.Header
	Body   string
	Method string   // of the request
	URL    *url.URL // requested
}

// Location returns the target of a redirect, or of a page that redirects at once (the
// answer to a form). It fails the test without one.
func (r *Response) Location(t testing.TB) *url.URL {
	t.Helper()
	to := r.Header.Get("Location")
	if to == "" {
		_, rest, _ := strings.Cut(r.Body, `<meta http-equiv="refresh" content="0; url=`)
		to, _, _ = strings.Cut(rest, `"`)
		to = html.UnescapeString(to)
	}
	u, err := url.Parse(to)
	if err != nil || to == "" {
		t.Fatalf("status %d, Location %q: %v; body %q", r.Status, r.Header.Get("Location"), err, r.Body)
	}
	return r.URL.ResolveReference(u)
}

// title and link find the heading and the links of a page of the library.
var (
	title = regexp.MustCompile(`<h1>([^<]*)</h1>`)
	link  = regexp.MustCompile(`<a href="([^"]*)"[^>]*>([^<]*)</a>`)
)

// Title returns the heading of a page of the library, empty for another answer.
func (r *Response) Title() string {
	if found := title.FindStringSubmatch(r.Body); found != nil {
		return html.UnescapeString(found[1])
	}
	return ""
}

// Links returns the links of a page of the library, by their texts.
func (r *Response) Links() map[string]string {
	links := map[string]string{}
	for _, found := range link.FindAllStringSubmatch(r.Body, -1) {
		links[html.UnescapeString(found[2])] = html.UnescapeString(found[1])
	}
	return links
}

// SetCookies returns the Set-Cookie lines by name.
func (r *Response) SetCookies(t testing.TB) map[string]*http.Cookie {
	t.Helper()
	found := map[string]*http.Cookie{}
	for _, line := range r.Header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		found[c.Name] = c
	}
	return found
}

// A Browser keeps the cookies of the application, and makes one request at a time.
type Browser struct {
	Env       *Env
	Cookies   map[string]string
	Forgetful bool // keeps no cookies, as a crawler
}

// Browser returns a browser without cookies.
func (e *Env) Browser() *Browser { return &Browser{Env: e, Cookies: map[string]string{}} }

// Clone returns a browser with a copy of the cookies, as another tab or a thief has.
func (b *Browser) Clone() *Browser {
	other := b.Env.Browser()
	other.Forgetful = b.Forgetful
	for k, v := range b.Cookies {
		other.Cookies[k] = v
	}
	return other
}

// Page navigates to a path of the application, as a user does.
func (b *Browser) Page(target string, header ...string) *Response {
	b.Env.T.Helper()
	return b.Do("GET", target, nil, append([]string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}, header...)...)
}

// Do sends a request to the application. Header alternates names and values. An empty
// value removes a header.
func (b *Browser) Do(method, target string, form url.Values, header ...string) *Response {
	b.Env.T.Helper()
	if !strings.Contains(target, "://") {
		target = AppURL + target
	}
	u, err := url.Parse(target)
	if err != nil {
		b.Env.T.Fatal(err)
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, u.RequestURI(), body)
	r.Host = u.Host
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	for name, value := range b.Cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return b.Send(r, u)
}

// Send sends a request made by the test, and keeps the cookies of the response.
func (b *Browser) Send(r *http.Request, u *url.URL) *Response {
	b.Env.T.Helper()
	w := httptest.NewRecorder()
	b.Env.App.ServeHTTP(w, r)
	resp := &Response{Status: w.Code, Header: w.Result().Header, Body: w.Body.String(), Method: r.Method, URL: u}
	for _, line := range resp.Header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			b.Env.T.Fatalf("%v in %q", err, line)
		}
		if len(line) > 4096 {
			b.Env.T.Errorf("Set-Cookie line of %d bytes", len(line))
		}
		if c.MaxAge < 0 || b.Forgetful {
			delete(b.Cookies, c.Name)
		} else {
			b.Cookies[c.Name] = c.Value
		}
	}
	return resp
}

// Begin opens the login route and returns the target of its redirect.
func (b *Browser) Begin(target string) *url.URL {
	b.Env.T.Helper()
	resp := b.Page(target)
	if resp.Status != http.StatusFound {
		b.Env.T.Fatalf("GET %s: status %d, want 302; body %q", target, resp.Status, resp.Body)
	}
	return resp.Location(b.Env.T)
}

// AtTenant opens an authorization URL and returns the callback URL of the tenant's
// redirect. A user must be logged in at the tenant.
func (b *Browser) AtTenant(authURL *url.URL) *url.URL {
	b.Env.T.Helper()
	client := &http.Client{
		Transport:     Hosts{TenantHost: b.Env.Tenant},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error { return StopAtApp(r) },
	}
	resp, err := client.Get(authURL.String())
	if err != nil {
		b.Env.T.Fatal(err)
	}
	resp.Body.Close()
	u, err := resp.Location()
	if err != nil {
		b.Env.T.Fatalf("the tenant answers %d without a redirect: %v", resp.StatusCode, err)
	}
	return u
}

// StopAtApp lets an http.Client follow redirects as long as they stay at the tenant.
func StopAtApp(r *http.Request) error {
	if r.URL.Host != TenantHost {
		return http.ErrUseLastResponse
	}
	return nil
}

// Login logs in by way of the tenant, and returns the response of the callback.
func (b *Browser) Login(target string) *Response {
	b.Env.T.Helper()
	return b.Callback(b.AtTenant(b.Begin(target)))
}

// Callback opens a callback URL, as a redirect from another site does.
func (b *Browser) Callback(u *url.URL) *Response {
	b.Env.T.Helper()
	return b.Page(u.String(), "Sec-Fetch-Site", "cross-site")
}

// MustLogin logs in and fails the test if the login fails.
func (b *Browser) MustLogin() *Browser {
	b.Env.T.Helper()
	if resp := b.Login("/auth/login"); resp.Status != http.StatusSeeOther || !b.LoggedIn() {
		b.Env.T.Fatalf("login: status %d, body %q; log:\n%s", resp.Status, resp.Body, b.Env.Log)
	}
	return b
}

// LoggedIn reports whether the application knows the user of this browser.
func (b *Browser) LoggedIn() bool {
	b.Env.T.Helper()
	return strings.HasPrefix(b.Page("/").Body, "home true")
}

// Transactions returns the names of the cookies of login transactions.
func (b *Browser) Transactions() []string {
	var names []string
	for name := range b.Cookies {
		if strings.Contains(name, "_txn_") {
			names = append(names, name)
		}
	}
	return names
}

// hiddenInput is one field of the form that a response_mode of form_post makes.
var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// FormAtTenant opens an authorization URL and returns the fields of the form that the
// browser must post.
func (b *Browser) FormAtTenant(authURL *url.URL) url.Values {
	b.Env.T.Helper()
	resp, err := (&http.Client{Transport: Hosts{TenantHost: b.Env.Tenant}}).Get(authURL.String())
	if err != nil {
		b.Env.T.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Env.T.Fatalf("the tenant answers %d, %v, not with a form", resp.StatusCode, err)
	}
	form := url.Values{}
	for _, m := range hiddenInput.FindAllStringSubmatch(string(page), -1) {
		form.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return form
}

// Post sends the form to the callback, as the tenant's page does. It sends only the
// cookies with SameSite=None.
func (b *Browser) Post(form url.Values) *Response {
	b.Env.T.Helper()
	held := map[string]string{}
	for name, value := range b.Cookies {
		if strings.HasPrefix(name, SessionCookie) { // they are SameSite=Lax
			held[name] = value
			delete(b.Cookies, name)
		}
	}
	resp := b.Do("POST", "/auth/callback", form, "Origin", "https://"+TenantHost,
		"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html")
	for name, value := range held {
		if resp.SetCookies(b.Env.T)[name] == nil {
			b.Cookies[name] = value
		}
	}
	return resp
}

// Navigation are the headers of a click on a link.
var Navigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Accept", "text/html"}

// Logout logs out with the button and returns the target of the redirect.
func (b *Browser) Logout() *url.URL {
	b.Env.T.Helper()
	resp := b.Do("POST", "/auth/logout", url.Values{}, append([]string{"Origin", AppURL}, Navigation...)...)
	if resp.Status != http.StatusSeeOther && resp.Status != http.StatusOK {
		b.Env.T.Fatalf("logout: %d %s", resp.Status, resp.Body)
	}
	if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
		b.Env.T.Errorf("logout: Cache-Control %q", got)
	}
	return resp.Location(b.Env.T)
}

// SessionCookie is the name of the session cookie.
const SessionCookie = "__Host-auth0_session"
