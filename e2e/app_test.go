package e2e

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// binaries is the directory of the examples, built once for all tests. Most tests use
// webapp, the default where no name is given.
var binaries string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll("screenshots", 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binaries = dir
	args := []string{"build", "-o", binaries}
	if raceEnabled() {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./examples/webapp", "./examples/sessions", "./examples/api", "./examples/formpost", "./examples/implicit", "./examples/customoauth2", "./examples/bff", "./examples/stepup")...)
	build.Dir = ".." // the examples belong to another module
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the examples do not build: %v\n%s", err, output)
		return 1
	}
	defer func() {
		if shared.stop != nil {
			shared.stop()
		}
	}()
	return m.Run()
}

// raceEnabled reports whether the tests run with the race detector. The example then does
// too.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// An output collects a program's output, and can be read while the program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// waitFor waits until the output has all of the texts.
func (o *output) waitFor(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		deadline := time.Now().Add(patience)
		for !strings.Contains(o.String(), text) {
			if time.Now().After(deadline) {
				t.Errorf("the log does not say %q:\n%s", text, o)
				return
			}
			time.Sleep(pollEvery)
		}
	}
}

// An example is an example program in a separate process.
type example struct {
	url            string
	stdout, stderr *output
}

// startExample runs the example on a free port, with additional environment variables.
func startExample(t *testing.T, env ...string) *example {
	t.Helper()
	return startExampleOn(t, testproc.FreePort(t), env...)
}

// startExampleOn runs the example on a port that the tenant already knows.
func startExampleOn(t *testing.T, port string, env ...string) *example {
	t.Helper()
	return startNamed(t, "webapp", port, env...)
}

// startNamed runs another example.
func startNamed(t *testing.T, name, port string, env ...string) *example {
	t.Helper()
	return startWith(t, name, nil, port, env...)
}

// startWith runs an example with flags.
func startWith(t *testing.T, name string, flags []string, port string, env ...string) *example {
	t.Helper()
	e := &example{url: "http://localhost:" + port, stdout: &output{}, stderr: &output{}}
	program := exec.Command(filepath.Join(binaries, name), flags...)
	program.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PORT=" + port}, env...)
	program.Stdout, program.Stderr = e.stdout, e.stderr
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- program.Wait() }()
	t.Cleanup(func() {
		program.Process.Kill()
		<-exited
		for _, sign := range []string{"DATA RACE", "panic", "superfluous", "made a response cacheable"} {
			if log := e.stderr.String(); strings.Contains(log, sign) {
				t.Errorf("the example has logged %q:\n%s", sign, log)
			}
		}
		if t.Failed() {
			t.Logf("log of the example:\n%s", e.stderr)
		}
	})
	deadline := time.Now().Add(patience)
	for {
		resp, err := http.Get(e.url + "/web/style.css")
		if err == nil {
			resp.Body.Close()
			return e
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("the example has ended: %v\n%s%s", err, e.stdout, e.stderr)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the example does not answer: %v\n%s%s", err, e.stdout, e.stderr)
		}
		time.Sleep(pollEvery)
	}
}

// startAndFail runs an example until it ends, and returns its output.
func startAndFail(t *testing.T, name string, env ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	program := exec.CommandContext(ctx, filepath.Join(binaries, name))
	program.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PORT=" + testproc.FreePort(t)}, env...)
	log, err := program.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("the example does not end:\n%s", log)
	}
	return string(log), err
}

// tenantURL returns the URL of the embedded tenant of an example.
func (e *example) tenantURL(t *testing.T) string {
	t.Helper()
	e.stdout.waitFor(t, "embedded, at ", "Open ")
	_, rest, _ := strings.Cut(e.stdout.String(), "embedded, at ")
	url, _, _ := strings.Cut(rest, "\n")
	return url
}

// An app is a small application in the process of the test. The test controls its tenant.
type app struct {
	url    string
	tenant *auth0test.Tenant
	log    *output
	// protectAll makes every page require a login.
	protectAll atomic.Bool

	mu       sync.Mutex
	requests []request
	lost     string // name of a cookie that never reaches the browser
}

// loseCookie removes a cookie from all responses.
func (a *app) loseCookie(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = name
}

// A request is one request that the application has answered.
type request struct {
	method, path, query string
	site, purpose       string // the browser's report of the request's origin
	cookies             []string
	status              int
	setCookie           []string
}

func startApp(t *testing.T, edit func(*auth0.Config)) *app {
	t.Helper()
	return startAppAt(t, "localhost", edit)
}

// startAppAt starts the application for browsers that reach this machine by another host
// name.
func startAppAt(t *testing.T, host string, edit func(*auth0.Config)) *app {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	a := &app{url: "http://" + host + ":" + port, log: &output{}}
	if a.tenant, err = auth0test.Serve("127.0.0.1:0", a.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.tenant.Close() })
	cfg := a.tenant.Config()
	cfg.Logger = slog.New(slog.NewTextHandler(a.log, nil))
	if edit != nil {
		edit(&cfg)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a.record(strategy.LoadUser(a.routes(strategy)))}
	t.Cleanup(func() {
		server.Close()
		if t.Failed() {
			t.Logf("log of the application:\n%s", a.log)
		}
	})
	go server.Serve(listener)
	return a
}

var appPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>{{.Title}}</title>
<h1>{{.Title}}</h1>
{{if .User}}<p>Logged in as {{.User}}{{with .Organization}} of {{.}}{{end}}</p><form method="post" action="/auth/logout"><button>Log out</button></form>
{{else}}<p>Nobody is logged in</p><p><a href="/auth/login">Log in</a></p>{{end}}
{{.Body}}
</html>`))

func (a *app) routes(strategy *auth0.Strategy) http.Handler {
	mux := http.NewServeMux()
	show := func(title string, body template.HTML) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			user, _ := auth0.UserFrom(r.Context())
			appPage.Execute(w, map[string]any{"Title": title, "User": user.Email, "Organization": user.OrgName, "Body": body})
		}
	}
	strategy.Register(mux)
	mux.Handle("GET /{$}", show("Start", ""))
	mux.Handle("GET /profile", strategy.RequireLogin(show("Profile", "")))
	mux.Handle("GET /orders", strategy.RequireLogin(show("Orders", "")))
	mux.Handle("GET /prefetch", show("Prefetch", `<link rel="prefetch" href="/auth/login"><link rel="prefetch" href="/prefetched">`))
	mux.Handle("GET /prerender", show("Prerender", `<script type="speculationrules">{"prerender":[{"urls":["/auth/login","/prerendered"],"eagerness":"immediate"}]}</script>`))
	mux.Handle("GET /favicon.ico", http.NotFoundHandler())
	mux.Handle("GET /", show("Some page", ""))
	mux.HandleFunc("GET /strict", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; form-action 'self'")
		body := template.HTML("")
		if _, ok := auth0.UserFrom(r.Context()); !ok {
			body = `<form method="post" action="/auth/login"><input type="hidden" name="connection" value="google-oauth2"><input type="hidden" name="returnTo" value="/strict"><button>Log in</button></form>`
		}
		show("Strict", body)(w, r)
	})
	mux.HandleFunc("GET /no-referrer", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "no-referrer")
		show("Without a referrer", `<form method="post" action="/auth/login"><input type="hidden" name="returnTo" value="/no-referrer"><button>Log in by a form</button></form><a href="/auth/logout">Log out by a link</a>`)(w, r)
	})
	a.libraryPages(mux, strategy, show)
	// A page and a route without the library's protections, to prove that the tests below
	// would notice.
	mux.HandleFunc("GET /careless", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("Cache-Control")
		w.Header().Del("Pragma")
		show("Careless", "")(w, r)
	})
	logout := func(w http.ResponseWriter, r *http.Request) {
		if err := strategy.EndSession(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("GET /unguarded-logout", logout)
	mux.HandleFunc("POST /unguarded-logout", logout)
	protected := strategy.RequireLogin(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.protectAll.Load() && !strings.HasPrefix(r.URL.Path, "/auth/") {
			protected.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (a *app) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := request{
			method: r.Method, path: r.URL.Path, query: r.URL.RawQuery,
			site: r.Header.Get("Sec-Fetch-Site"), purpose: r.Header.Get("Sec-Purpose"),
		}
		for _, c := range r.Cookies() {
			seen.cookies = append(seen.cookies, c.Name)
		}
		a.mu.Lock()
		lost := a.lost
		a.mu.Unlock()
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK, lost: lost}
		next.ServeHTTP(recorder, r)
		seen.status, seen.setCookie = recorder.status, w.Header()["Set-Cookie"]
		a.mu.Lock()
		defer a.mu.Unlock()
		a.requests = append(a.requests, seen)
	})
}

type recorder struct {
	http.ResponseWriter
	status int
	lost   string
}

func (w *recorder) WriteHeader(status int) {
	w.status = status
	if w.lost != "" {
		w.Header()["Set-Cookie"] = slices.DeleteFunc(w.Header()["Set-Cookie"], func(line string) bool {
			return strings.HasPrefix(line, w.lost+"=")
		})
	}
	w.ResponseWriter.WriteHeader(status)
}

// seen waits for a matching request, and returns it.
func (a *app) seen(t *testing.T, what string, agrees func(request) bool) request {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		a.mu.Lock()
		all := slices.Clone(a.requests)
		a.mu.Unlock()
		if i := slices.IndexFunc(all, agrees); i >= 0 {
			return all[i]
		}
		if time.Now().After(deadline) {
			t.Fatalf("there was no request that is %s, among %+v", what, all)
		}
		time.Sleep(pollEvery)
	}
}

// forget clears the list of requests.
func (a *app) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = nil
}

// asAda logs Ada in at the tenant's page, which the tab shows.
func asAda(tb *tab) { withPassword(tb, "ada@acme.example") }

func withPassword(tb *tab, email string) {
	tb.t.Helper()
	tb.fill("Email address", email)
	tb.fill("Password", "correct horse")
	tb.click("button", "Continue")
}
