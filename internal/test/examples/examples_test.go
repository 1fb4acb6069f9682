package examples_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/auth0test"
)

// binaries is the directory of the examples, which are built once for all tests.
var binaries string

// directory returns where the examples are built: a directory of the user's cache for this
// copy of the module. There, `go build` links a program again only if the program has
// changed; linking all of them takes longer than all tests of this package. A program that
// is not an example anymore is removed.
func directory() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "auth0-examples", fmt.Sprintf("%x", sha256.Sum256([]byte(here)))[:16])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	built, err := os.ReadDir(dir)
	for _, entry := range built {
		if _, gone := os.Stat(filepath.Join("../../../examples", entry.Name(), "main.go")); gone != nil {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return dir, err
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := directory()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binaries = dir
	overlay, err := inheritListener(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if output, err := exec.Command("go", "build", "-ldflags=-s -w", "-overlay", overlay, "-o", dir, "../../../examples/...").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the examples do not build: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// command is an example that takes a free port, and nothing else from the environment
// of the test.
func command(name string, env ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(binaries, name))
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PORT=0"}, env...)
	return c
}

// A program is an example that runs.
type program struct {
	banner  string // output until it listens
	address string
}

// start runs an example until the end of the test.
func start(t *testing.T, name string, env ...string) program {
	t.Helper()
	c, log := command(name, env...), &bytes.Buffer{}
	c.Stderr = log
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Logf("the log of %s:\n%s", name, log)
		}
	})
	var p program
	for lines := bufio.NewScanner(stdout); p.address == "" && lines.Scan(); {
		p.banner += lines.Text() + "\n"
		p.address, _ = strings.CutPrefix(lines.Text(), "Listen  ")
		if p.address == lines.Text() {
			p.address = ""
		}
	}
	if p.address == "" {
		t.Fatalf("%s does not listen:\n%s", name, p.banner)
	}
	return p
}

// A page is an answer to a browser.
type page struct {
	url    string
	status int
	header http.Header
	body   string
}

// A visitor is a browser at one application.
type visitor struct {
	t      *testing.T
	client *http.Client
	base   string // the base URL of the application
}

func (v visitor) open(target string) page {
	v.t.Helper()
	return v.do("GET", target, nil)
}

// do sends a request as a page of the application does.
func (v visitor) do(method, target string, form url.Values) page {
	v.t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if method == "POST" {
		u, err := url.Parse(v.base)
		if err != nil {
			v.t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", u.Scheme+"://"+u.Host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return page{resp.Request.URL.String(), resp.StatusCode, resp.Header, string(body)}
}

// submit sends the form that a script would send, if the page is the answer of the
// tenant to a login (response_mode form_post).
func (v visitor) submit(p page) page {
	v.t.Helper()
	action := regexp.MustCompile(`<form method="post" action="([^"]+/auth/callback)"`).FindStringSubmatch(p.body)
	if action == nil {
		return p
	}
	form := url.Values{}
	for _, input := range regexp.MustCompile(`name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
		form.Set(html.UnescapeString(input[1]), html.UnescapeString(input[2]))
	}
	return v.do("POST", html.UnescapeString(action[1]), form)
}

// shows fails unless the page is at a path of the application and has the texts.
func (v visitor) shows(p page, path string, texts ...string) {
	v.t.Helper()
	if p.status != http.StatusOK || strings.TrimSuffix(p.url, "/") != strings.TrimSuffix(v.base+path, "/") {
		v.t.Errorf("at %s with status %d, want %s%s\n%s", p.url, p.status, v.base, path, p.body)
	}
	for _, text := range texts {
		if !strings.Contains(p.body, text) {
			v.t.Errorf("the page %s has no %q:\n%s", p.url, text, p.body)
		}
	}
}

// links returns the references of a page, without other sites.
func links(p page) (paths []string) {
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
		if target := html.UnescapeString(m[1]); !strings.Contains(target, "://") {
			paths = append(paths, target)
		}
	}
	return paths
}

// actions returns where the forms of a page go.
func actions(p page) (paths []string) {
	for _, m := range regexp.MustCompile(`action="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
		paths = append(paths, html.UnescapeString(m[1]))
	}
	return paths
}

// behindProxy runs an example whose base URL is https with a path. A proxy terminates
// TLS and strips the path. The tenant belongs to the test, and logs Ada in.
func behindProxy(t *testing.T, name string, edit ...func(env []string) []string) (*auth0test.Tenant, http.Handler, func() visitor) {
	t.Helper()
	const base = auth0test.AppURL + "/shop"
	tenant, err := auth0test.Serve("127.0.0.1:0", base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tenant.Close() })
	tenant.LogIn("ada@acme.example")
	cfg := tenant.Config()
	env := []string{"AUTH0_DOMAIN=" + cfg.Domain, "AUTH0_CLIENT_ID=" + cfg.ClientID, "AUTH0_CLIENT_SECRET=" + cfg.ClientSecret,
		"AUTH0_SECRET=" + cfg.Secrets[0], "AUTH0_AUDIENCE=" + cfg.Audience, "APP_BASE_URL=" + base}
	for _, e := range edit {
		env = e(env)
	}
	p := start(t, name, env...)
	if want := "Tenant  " + cfg.Domain + "\nOpen    " + base + "\nListen  "; !strings.HasPrefix(p.banner, want) {
		t.Errorf("the program prints\n%s, want\n%s", p.banner, want)
	}
	proxy := http.StripPrefix("/shop", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: p.address})
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}})
	return tenant, proxy, func() visitor { return visitor{t, tenant.Browser(proxy), base} }
}

// TestBehindProxy logs in and out below a path, and follows the references of the
// pages.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, login, logout string
		private             []string // pages for users
	}{
		{"webapp", "/auth/login", "/auth/logout", []string{"/profile", "/calls", "/call/protected"}},
		{"sessions", "/auth/login", "/auth/logout", nil},
		{"formpost", "/login", "/logout", []string{"/profile", "/api/time"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, newVisitor := behindProxy(t, tt.name)
			v := newVisitor()
			followed := map[string]bool{}
			follow := func(p page) {
				t.Helper()
				for _, target := range append(links(p), actions(p)...) {
					if !strings.HasPrefix(target, "/shop/") {
						t.Errorf("%s refers to %q, which is outside the application", p.url, target)
					}
				}
				for _, target := range links(p) {
					if !followed[target] && !strings.Contains(target, "/log") {
						followed[target] = true
						if got := v.open(auth0test.AppURL + target); got.status != http.StatusOK {
							t.Errorf("%s refers to %q: %d\n%s", p.url, target, got.status, got.body)
						}
					}
				}
			}
			home := v.open(v.base + "/")
			v.shows(home, "/", "Log in")
			follow(home)
			if strings.Contains(home.body, "You are logged out.") {
				t.Error("a new visitor is told about a logout")
			}
			home = v.submit(v.open(v.base + tt.login))
			v.shows(home, "/", "Good to see you, Ada", `method="post" action="/shop`+tt.logout+`"`)
			follow(home)
			for _, path := range tt.private {
				p := v.open(v.base + path)
				v.shows(p, path)
				if strings.HasPrefix(p.body, "<!doctype html>") {
					follow(p)
				}
			}
			v.shows(v.do("POST", v.base+tt.logout, nil), "/", "Log in to", "You are logged out.")
			if home = v.open(v.base + "/"); strings.Contains(home.body, "You are logged out.") || strings.Contains(home.body, "Good to see you") {
				t.Errorf("the page after the next one:\n%s", home.body)
			}
			failed := v.open(v.base + "/auth/callback?error=access_denied&state=x")
			if tt.name != "formpost" && failed.status != http.StatusBadRequest {
				t.Errorf("a callback of nothing: %d", failed.status)
			}
			follow(failed)
			if len(followed) < 2 {
				t.Errorf("the pages refer to %v", followed)
			}
		})
	}
}

// TestTenantDomain: a program that the environment configures shows a button for each
// connection if it knows the tenant's own domain.
func TestTenantDomain(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		_, _, newVisitor := behindProxy(t, "webapp", func(env []string) []string {
			if domain, ok := strings.CutPrefix(env[0], "AUTH0_DOMAIN="); known && ok {
				env = append(env, "AUTH0_TENANT_DOMAIN="+domain)
			}
			return env
		})
		v := newVisitor()
		p := v.open(v.base + "/")
		if got := strings.Count(p.body, "/shop/auth/login?connection="); known != (got > 1) {
			t.Errorf("with the domain of the tenant %v: %d buttons on\n%s", known, got, p.body)
		}
	}
}

// TestWithoutAudience: a page leaves out buttons that cannot work, and names the
// setting.
func TestWithoutAudience(t *testing.T) {
	t.Parallel()
	for _, audience := range []bool{true, false} {
		_, _, newVisitor := behindProxy(t, "webapp", func(env []string) []string {
			return slices.DeleteFunc(env, func(v string) bool { return !audience && strings.HasPrefix(v, "AUTH0_AUDIENCE=") })
		})
		v := newVisitor()
		p := v.open(v.base + "/calls")
		v.shows(p, "/calls", `data-call="open"`)
		v.shows(v.open(v.base+"/call/open"), "/call/open", "This is open to everybody.")
		if got := strings.Contains(p.body, `data-call="members-only"`) && strings.Contains(p.body, `data-call="protected"`); got != audience {
			t.Errorf("with an audience %v: the other buttons are there %v", audience, got)
		}
		if strings.Contains(p.body, "AUTH0_AUDIENCE") == audience {
			t.Errorf("with an audience %v:\n%s", audience, p.body)
		}
	}
}

// TestSessions ends sessions that are in the store, from another browser and from the
// tenant.
func TestSessions(t *testing.T) {
	t.Parallel()
	tenant, proxy, newVisitor := behindProxy(t, "sessions")
	ended := func(v visitor, want bool) {
		t.Helper()
		if got := !strings.Contains(v.open(v.base+"/").body, "Good to see you"); got != want {
			t.Errorf("the session has ended: %v, want %v", got, want)
		}
	}
	one, other, bob := newVisitor(), newVisitor(), newVisitor()
	for _, v := range []visitor{one, other} {
		v.shows(v.open(v.base+"/auth/login"), "/", "Good to see you, Ada")
	}
	tenant.LogIn("bob@acme.example")
	bob.shows(bob.open(bob.base+"/auth/login"), "/", "Good to see you, Bob")

	one.shows(one.do("POST", one.base+"/everywhere", nil), "/", "You are logged out.")
	ended(one, true)
	ended(other, true)
	ended(bob, false)
	tenant.BackchannelLogout(proxy, "bob@acme.example")
	ended(bob, true)
	if p := bob.do("POST", bob.base+"/tenant", nil); p.status != http.StatusNotFound {
		t.Errorf("a button of the embedded tenant: %d", p.status)
	}
}

// TestFiles: each example serves its own files, with what browsers need to keep them,
// and nothing else of its directory.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"webapp", "sessions", "formpost", "implicit", "customoauth2", "api", "bff", "stepup"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, name)
			if !strings.Contains(p.banner, "PUBLIC PASSWORDS") || !strings.Contains(p.banner, "AUTH0_DOMAIN ") {
				t.Errorf("the program does not say that its tenant is a demo:\n%s", p.banner)
			}
			_, base, _ := strings.Cut(p.banner, "\nOpen    ")
			base, _, _ = strings.Cut(base, "\n")
			v := visitor{t, &http.Client{}, base}
			home := v.open(base + "/")
			v.shows(home, "/", "<title>", `rel="icon"`)
			policy := home.header.Get("Content-Security-Policy")
			for _, directive := range []string{"default-src 'self'", "form-action '", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
				if !strings.Contains(policy, directive) {
					t.Errorf("the policy has no %q: %s", directive, policy)
				}
			}
			if home.header.Get("X-Content-Type-Options") != "nosniff" || home.header.Get("Referrer-Policy") == "" {
				t.Errorf("headers of the page: %v", home.header)
			}
			files := 0
			for _, target := range links(home) {
				target = strings.TrimPrefix(target, "/")
				if !strings.HasPrefix(target, "web/") {
					continue
				}
				files++
				got := v.open(base + "/" + target)
				etag := got.header.Get("ETag")
				if got.header.Get("Set-Cookie") != "" || got.header.Get("Vary") != "" {
					t.Errorf("%s depends on the session: %v", target, got.header)
				}
				if got.status != http.StatusOK || etag == "" || got.header.Get("Cache-Control") != "no-cache" {
					t.Errorf("%s: %d %v", target, got.status, got.header)
				}
				r, err := http.NewRequest("GET", base+"/"+target, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("If-None-Match", etag)
				resp, err := v.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusNotModified {
					t.Errorf("%s again: %d", target, resp.StatusCode)
				}
			}
			if files < 2 {
				t.Errorf("the page refers to %d files", files)
			}
			for _, path := range []string{"/web", "/web/", "/web/home.html", "/web/layout.html", "/web/page.html", "/web/index.html", "/web/main.go", "/web/.", "/web/..%2fmain.go"} {
				if got := v.open(base + path); got.status != http.StatusNotFound {
					t.Errorf("%s: %d\n%s", path, got.status, got.body)
				}
			}
		})
	}
}

// TestCannotStart: an example that cannot run names the setting, and prints nothing
// that looks as if it ran.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	for _, tt := range []struct {
		names []string
		env   []string
		says  []string
	}{
		{[]string{"webapp", "sessions", "formpost", "implicit", "customoauth2", "api"}, []string{"PORT=" + port}, []string{"port " + port, "set PORT"}},
		{[]string{"webapp", "sessions", "formpost", "implicit", "bff", "stepup"}, []string{"AUTH0_DOMAIN=acme.auth0.example"}, []string{"AUTH0_CLIENT_ID", "AUTH0_SECRET", "APP_BASE_URL"}},
		{[]string{"api"}, []string{"AUTH0_DOMAIN=acme.auth0.example"}, []string{"AUTH0_CLIENT_ID", "AUTH0_AUDIENCE"}},
		{[]string{"implicit"}, []string{"AUTH0_DOMAIN=acme.auth0.example", "AUTH0_CLIENT_ID=x", "AUTH0_SECRET=" + strings.Repeat("0123456789abcdef", 4), "APP_BASE_URL=https://app.example"}, []string{"AUTH0_AUDIENCE"}},
		{[]string{"webapp", "customoauth2", "api"}, []string{"APP_BASE_URL=http://localhost:8080"}, []string{`APP_BASE_URL is "http://localhost:8080"`, "set PORT=8080"}},
	} {
		for _, name := range tt.names {
			c := command(name, tt.env...)
			var stdout, stderr bytes.Buffer
			c.Stdout, c.Stderr = &stdout, &stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Minute, func() { c.Process.Kill() }) // it runs, and prints that
			if err := c.Wait(); err == nil {
				t.Errorf("%s with %v ends well", name, tt.env)
			}
			timer.Stop()
			if stdout.Len() > 0 {
				t.Errorf("%s with %v prints\n%s", name, tt.env, &stdout)
			}
			for _, text := range tt.says {
				if !strings.Contains(stderr.String(), text) {
					t.Errorf("%s with %v does not say %q:\n%s", name, tt.env, text, &stderr)
				}
			}
		}
	}
}

// TestStepUp: a payment needs a fresh login, and the books need the role.
func TestStepUp(t *testing.T) {
	t.Parallel()
	tenant, _, newVisitor := behindProxy(t, "stepup")
	tenant.UseRolesClaim("https://acme.example/roles")
	tenant.AddUser(auth0test.User{Connection: "Username-Password-Authentication", Email: "rose@acme.example", Password: "correct horse", Roles: []string{"bookkeeper"}})
	v := newVisitor()
	var asked []string
	v.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/authorize" {
			asked = append(asked, r.URL.Query().Get("max_age"))
		}
		return nil
	}
	v.shows(v.open(v.base+"/"), "/", "Log in to Till")
	v.shows(v.open(v.base+"/auth/login"), "/", "Good to see you, Ada", `href="/shop/pay"`)
	v.shows(v.open(v.base+"/pay"), "/pay", "Pay 12 euros", `action="/shop/pay"`)
	if !slices.Equal(asked, []string{"", "60"}) {
		t.Errorf("the logins ask for max_age %q", asked)
	}
	v.shows(v.do("POST", v.base+"/pay", nil), "/pay", "<h1>Paid</h1>")
	if p := v.open(v.base + "/books"); p.status != http.StatusForbidden || strings.Contains(p.body, "Only bookkeepers") {
		t.Errorf("the books for Ada: %d\n%s", p.status, p.body)
	}
	tenant.LogIn("rose@acme.example")
	v = newVisitor()
	v.shows(v.open(v.base+"/books"), "/books", "Only bookkeepers see this page.")
}

// TestBFF: the page has a session for its calls, and the events end with it.
func TestBFF(t *testing.T) {
	t.Parallel()
	_, proxy, newVisitor := behindProxy(t, "bff")
	v := newVisitor()
	if p := v.open(v.base + "/events"); p.status != http.StatusUnauthorized {
		t.Errorf("events without a session: %d\n%s", p.status, p.body)
	}
	v.shows(v.open(v.base+"/auth/login"), "/", `href="/shop/auth/login"`, `action="/shop/auth/logout"`)
	v.shows(v.open(v.base+"/api/me"), "/api/me", `{"name":"Ada"}`)

	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	r, err := http.NewRequest("GET", server.URL+"/shop/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := url.Parse(v.base + "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.client.Jar.Cookies(base) {
		r.AddCookie(c)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() && lines.Text() == "" {
		}
		if lines.Text() != want {
			t.Fatalf("the stream has %q (%v), want %q", lines.Text(), lines.Err(), want)
		}
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("the stream: %d %q", resp.StatusCode, kind)
	}
	next("data: []")
	for item, want := range map[string]int{"tea": http.StatusNoContent, " ": http.StatusBadRequest, strings.Repeat("x", 101): http.StatusBadRequest} {
		if p := v.do("POST", v.base+"/api/items", url.Values{"item": {item}}); p.status != want {
			t.Errorf("the item %q: %d\n%s", item, p.status, p.body)
		}
	}
	next(`data: ["tea"]`)
	v.do("POST", v.base+"/auth/logout", nil)
	next("event: end")
	if p := v.open(v.base + "/api/me"); p.status != http.StatusUnauthorized {
		t.Errorf("a call after the logout: %d", p.status)
	}
}

// TestWorker: the API gets tokens of the worker and of a user. The next API gets a
// token of the same user, but not the first one.
func TestWorker(t *testing.T) {
	t.Parallel()
	output, err := command("worker").Output()
	lines := strings.Split(string(output), "\n")
	if err != nil || len(lines) != 5 {
		t.Fatalf("%v\n%s", err, output)
	}
	for i, want := range []string{"^Tenant .* public passwords", "^Worker to orders +200 orders for .*@clients$", "^User to orders +200 billing answers 200 invoices for auth0.[0-9a-f]+$", "^User to billing +401 .*audience"} {
		if !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("%q, want %s", lines[i], want)
		}
	}
}

// TestCommands: each README.md has the command of its example, and a test of this package
// or of the example runs it. The tests of web applications find their URL in the output.
func TestCommands(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"webapp": "go run", "sessions": "go run", "formpost": "go run", "implicit": "go run", "customoauth2": "go run", "api": "go run", // TestFiles
		"bff": "go run", "stepup": "go run", // TestFiles too
		"worker":   "go run",                                                         // TestWorker
		"hello":    "go run ./cmd/auth0-tenant -app http://localhost:3000 -- go run", // TestHello
		"helloapi": "go test",
		"grants":   "go run", // its own TestRun
	}
	names, err := filepath.Glob("../../../examples/*/main.go")
	if err != nil || len(names) < len(tests) {
		t.Fatalf("the examples are %q, %v", names, err)
	}
	for _, name := range names {
		dir := filepath.Dir(name)
		name := filepath.Base(dir)
		readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Error(err)
			continue
		}
		want := "```sh\n" + tests[name] + " ./examples/" + name + "\n```"
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			want = "go -C examples/" + name + " run ."
		} else if tests[name] == "" {
			t.Errorf("no test runs %s", name)
		}
		if !strings.Contains(string(readme), want) {
			t.Errorf("%s/README.md does not have the command\n%s", name, want)
		}
	}
}

// TestWithoutEffect: customoauth2 says that it cannot use another tenant.
func TestWithoutEffect(t *testing.T) {
	t.Parallel()
	p := start(t, "customoauth2", "AUTH0_DOMAIN=acme.eu.auth0.com")
	if !strings.Contains(p.banner, "AUTH0_DOMAIN has no effect here") {
		t.Errorf("the program prints\n%s", p.banner)
	}
}
