package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// returnTargets are values of returnTo, with the Location of the response. For a rejected
// value it is "/".
var returnTargets = []struct{ target, location string }{
	// Accepted values.
	{"/", "/"},
	{"/dashboard", "/dashboard"},
	{"/dashboard/", "/dashboard/"},
	{"/search?q=a+b&x=1", "/search?q=a+b&x=1"},
	{"/search?next=https://evil.example/", "/search?next=https://evil.example/"},
	{"/search?next=//evil.example", "/search?next=//evil.example"},
	{"/search?u=%2F%2Fevil.example", "/search?u=%2F%2Fevil.example"},
	{"/p?x=1#y", "/p?x=1#y"},
	{"/caf%C3%A9", "/caf%C3%A9"},
	{"/a%20b", "/a%20b"},
	{"/a:b", "/a:b"},
	{"/;a=b", "/;a=b"},
	{"/a/../b", "/b"},
	{"/a//b", "/a//b"},
	{"/a/./b/../c/", "/a/c/"},
	{"/../../a", "/a"},
	{"/proxy/https://x/y", "/proxy/https://x/y"},
	{"/100%25", "/100%25"},
	{"/auth/loginx", "/auth/loginx"},
	{"APP/reports", "/reports"},
	{"APP", "/"},
	{"LISTED/x", "LISTED/x"},

	// A second slash begins a host.
	{"//evil.example", "/"},
	{"///evil.example", "/"},
	{"////evil.example", "/"},
	{"//evil.example/..", "/"},
	{"//evil.example/%2f..", "/"},
	{"//APPHOST@evil.example", "/"},
	{"//APPHOST", "/"},
	{"//;@evil.example", "/"},
	// Browsers read a backslash as a slash.
	{`/\evil.example`, "/"},
	{`/\\evil.example`, "/"},
	{`\/evil.example`, "/"},
	{`\\evil.example`, "/"},
	{`/\/evil.example`, "/"},
	{`/./\evil.example`, "/"},
	{`/..\evil.example`, "/"},
	{`https:\\evil.example`, "/"},
	{`https:/\evil.example`, "/"},
	{`/%5cevil.example`, "/"},
	{`/%255cevil.example`, "/"},
	// Browsers strip these characters, and raw in a header they begin a new line.
	{"/\t/evil.example", "/"},
	{"/\n/evil.example", "/"},
	{"/\r/evil.example", "/"},
	{"\t//evil.example", "/"},
	{"\x00//evil.example", "/"},
	{" //evil.example", "/"},
	{"\x1f//evil.example", "/"},
	{"/a\r\nSet-Cookie: planted=1", "/"},
	{"/%0d%0aSet-Cookie:%20planted=1", "/"},
	{"/%09/evil.example", "/"},
	// Encoded values, which the next decoder could decode.
	{"/%2fevil.example", "/"},
	{"/%2f%2fevil.example", "/"},
	{"/%252fevil.example", "/"},
	{"%2f%2fevil.example", "/"},
	{"/.//evil.example", "/"},
	{"/..//evil.example", "/"},
	{"/a/..//evil.example", "/"},
	{"/%2e%2e//evil.example", "/"},
	// Other origins, other schemes, other spellings.
	{"https://evil.example", "/"},
	{"https:evil.example", "/"},
	{"http:evil.example", "/"},
	{"https:/evil.example", "/"},
	{"APP.evil.example/", "/"},
	{"APP@evil.example/", "/"},
	{"APP0/", "/"},
	{"LISTED.evil.example/x", "/"},
	{"javascript:alert(1)", "/"},
	{"java\nscript:alert(1)", "/"},
	{"data:text/html,x", "/"},
	{"blob:APP/x", "/"},
	{"view-source:APP/", "/"},
	// Values resolved against the login route, or appended to an origin.
	{"evil.example", "/"},
	{".evil.example", "/"},
	{"@evil.example", "/"},
	{"?x=1", "/"},
	{"", "/"},
	// Characters that are converted into others.
	{"\uff0f\uff0fevil.example", "/"},
	{"/\uff0fevil.example", "/"},
	{"//evil\u3002example", "/"},
	{"\u00a0//evil.example", "/"},
	{"/\u0085/evil.example", "/"},
	// The routes of the login itself.
	{"/auth/logout", "/"},
	{"/auth/login?returnTo=/", "/"},
	{"/auth/../auth/logout", "/"},
	{"/auth/%6cogout", "/"},
}

// TestReturnTo: for every value of returnTo, the browser stays on the origins of the
// application. The browser's own URL parser decides where a value leads.
func TestReturnTo(t *testing.T) {
	t.Parallel()
	listed := "http://localhost:" + testproc.FreePort(t) // of another application of the same company
	app := startApp(t, func(cfg *auth0.Config) { cfg.ReturnToOrigins = []string{listed} })
	replace := strings.NewReplacer("APPHOST", strings.TrimPrefix(app.url, "http://"), "APP", app.url, "LISTED", listed)

	tb := newBrowser(t)
	tb.open(app.url + "/auth/login")
	asAda(tb)
	tb.at(app.url + "/")
	tb.reads("Logged in as ada@acme.example")
	var cookies []string
	for _, c := range tb.cookies() {
		if c.Domain == "localhost" {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	originOf := func(location string) string {
		t.Helper()
		text, err := json.Marshal(location)
		if err != nil {
			t.Fatal(err)
		}
		base, _ := json.Marshal(app.url + "/auth/login")
		return eval[string](tb, fmt.Sprintf("(() => { try { return new URL(%s, %s).origin } catch { return 'none' } })()", text, base))
	}

	strays := 0
	for _, tt := range returnTargets {
		target, want := replace.Replace(tt.target), replace.Replace(tt.location)
		path := "/auth/login?returnTo=" + url.QueryEscape(target)
		status, header := rawGet(t, app.url, path, strings.Join(cookies, "; "))
		if status != "HTTP/1.1 303 See Other" || slices.ContainsFunc(header, func(line string) bool { return strings.Contains(line, "planted") }) {
			t.Errorf("%q: the answer is %s %q", target, status, header)
		}
		location := ""
		for _, line := range header {
			if name, value, _ := strings.Cut(line, ": "); name == "Location" {
				if location != "" {
					t.Errorf("%q: there are two Locations", target)
				}
				location = value
			}
		}
		if location != want {
			t.Errorf("%q: Location is %q, want %q", target, location, want)
		}
		if origin := originOf(location); origin != app.url && origin != listed {
			t.Errorf("%q: the Location %q leads the browser to %s", target, location, origin)
		}
		if origin := originOf(target); origin != app.url && origin != listed {
			strays++ // the unchanged value would lead astray
		}
	}
	if strays < 30 {
		t.Errorf("only %d of the targets would lead the browser astray, so this test says little", strays)
	}

	// The same at the end of a real login, with real navigations.
	for _, target := range []string{"/orders?x=1#y", `/\evil.example`, "//evil.example", "/\t/evil.example", "https:evil.example", "/.//evil.example", app.url + "@evil.example/"} {
		want := "/"
		if strings.HasPrefix(target, "/orders") {
			want = target
		}
		tb.open(app.url + "/auth/login?prompt=login&connection=google-oauth2&returnTo=" + url.QueryEscape(target))
		tb.click("button", "Grace Hopper grace@gmail.example")
		tb.at(app.url)
		if got := eval[string](tb, "location.href"); got != app.url+want {
			t.Errorf("%q: the login ends at %s, want %s", target, got, app.url+want)
		}
		tb.reads("Logged in as grace@gmail.example")
	}

	// A protected page with an odd URL is a target without a link. Its query must return
	// unchanged.
	tb.click("button", "Log out")
	tb.reads("Nobody is logged in")
	tb.open(app.url + "/orders?next=//evil.example&q=%2F%5C&x=a%20b+c")
	tb.click("link", "Continue with Google")
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.at(app.url + "/orders?next=//evil.example&q=%2F%5C&x=a%20b+c")
}

// TestReturnToOddPage: in an application that protects every path, the path of a page may
// look like a host. The login must return to the application.
func TestReturnToOddPage(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	app.protectAll.Store(true)
	tb := newBrowser(t)
	// One login first, so that the tenant has a session for each case below.
	tb.open(app.url + "/auth/login?connection=google-oauth2")
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.at(app.url + "/")
	for path, want := range map[string]string{
		"//evil.example":                 "/evil.example",
		"///evil.example/x":              "/evil.example/x",
		"/%2fevil.example":               "/",
		"/%5cevil.example":               "/",
		"/.//evil.example":               "/evil.example", // "//evil.example" when the browser requests it
		"/anything?next=//evil.example/": "/anything?next=//evil.example/",
	} {
		for _, name := range tb.cookieNames("localhost", "auth0_") {
			call(tb, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: app.url})
		}
		logins := app.tenant.Calls(auth0test.Token)
		tb.open(app.url + path)
		tb.reads("Logged in as grace@gmail.example")
		if got := app.tenant.Calls(auth0test.Token) - logins; got != 1 {
			t.Errorf("%s: there were %d logins", path, got)
		}
		if got := eval[string](tb, "location.href"); got != app.url+want {
			t.Errorf("%s: the login ends at %s, want %s", path, got, app.url+want)
		}
	}
}

// rawGet sends a request and returns the header lines of the response, byte for byte.
func rawGet(t *testing.T, base, path, cookies string) (status string, header []string) {
	t.Helper()
	host := strings.TrimPrefix(base, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n\r\n", path, host, cookies)
	text, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(text), "\r\n\r\n")
	if !ok {
		t.Fatalf("the answer is %q", text)
	}
	lines := strings.Split(head, "\r\n")
	return lines[0], lines[1:]
}
