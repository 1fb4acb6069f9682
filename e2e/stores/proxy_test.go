package stores

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// A farm is two instances of a program behind nginx, which alternates between them. They
// reach the tenant by its address, and share Redis.
type farm struct {
	t       *testing.T
	url     string
	tenant  *auth0test.Tenant
	copies  map[string]*testproc.Process // by port
	browser *http.Client
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	port := testproc.FreePort(t)
	f := &farm{t: t, url: "http://localhost:" + port, copies: map[string]*testproc.Process{}}
	var err error
	if f.tenant, err = auth0test.Serve("127.0.0.1:0", f.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.tenant.Close() })
	f.tenant.LogIn("ada@acme.example")
	redisAddress, _ := testproc.Redis(t)
	program := build(t, "../cmd/app")
	for range 2 {
		port := testproc.FreePort(t)
		cfg := f.tenant.Config()
		copied := exec.Command(program)
		copied.Env = []string{
			"PORT=" + port, "REDIS_ADDR=" + redisAddress,
			"AUTH0_DOMAIN=" + cfg.Domain, "AUTH0_CLIENT_ID=" + cfg.ClientID, "AUTH0_CLIENT_SECRET=" + cfg.ClientSecret,
			"AUTH0_SECRET=" + secret, "APP_BASE_URL=" + cfg.BaseURL, "AUTH0_AUDIENCE=" + cfg.Audience,
		}
		process := testproc.Start(t, copied, func() error { return healthy("http://127.0.0.1:" + port) })
		f.copies[port] = process
		t.Cleanup(func() {
			for _, sign := range []string{"DATA RACE", "panic"} {
				if strings.Contains(process.Output(), sign) {
					t.Errorf("a copy has logged %q", sign)
				}
			}
		})
	}
	startNginx(t, port, f.ports())
	f.browser = newBrowser(t)
	return f
}

var secret = rand.Text() + rand.Text()

func (f *farm) ports() (ports []string) {
	for port := range f.copies {
		ports = append(ports, port)
	}
	return ports
}

// build compiles a program, with the race detector if this test has it.
func build(t *testing.T, source string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "app")
	args := []string{"build", "-o", program}
	info, ok := debug.ReadBuildInfo()
	if ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" }) {
		args = append(args, "-race")
	}
	if output, err := exec.Command("go", append(args, source)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

func healthy(base string) error {
	client := &http.Client{Timeout: time.Second}
	resp, err := client.Get(base + "/health")
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= 500 { // of nginx, before an instance is up
		return fmt.Errorf("the answer is %d", resp.StatusCode)
	}
	return nil
}

// startNginx runs nginx in front of an application, only as a proxy. The buffer size is
// that of docs/proxy.md.
func startNginx(t *testing.T, port string, backends []string) {
	t.Helper()
	program := testproc.Find(t, "nginx", "nginx", "/usr/sbin/nginx")
	dir := t.TempDir()
	var b strings.Builder
	if os.Getuid() == 0 {
		b.WriteString("user root;\n") // another one could not read the directory
	}
	fmt.Fprintf(&b, `daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	upstream app {
`, dir)
	for _, backend := range backends {
		fmt.Fprintf(&b, "\t\tserver 127.0.0.1:%s;\n", backend)
	}
	fmt.Fprintf(&b, `	}
	server {
		listen 127.0.0.1:%s;
		location / {
			proxy_pass http://app;
			proxy_buffer_size 12k;
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Proto $scheme;
			add_header X-Backend $upstream_addr always;
		}
	}
}
`, port)
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testproc.Start(t, exec.Command(program, "-p", dir, "-e", "stderr", "-c", config), func() error { return healthy("http://127.0.0.1:" + port) })
}

// newBrowser returns a client that sends the headers of a browser for a typed URL.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: navigation{}, Timeout: 30 * time.Second}
}

type navigation struct{}

func (navigation) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none", "Sec-Fetch-User": "?1"} {
		r.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// An answer is the page at which a browser has arrived.
type answer struct {
	status   int
	body     string
	instance string
	url      string
}

func (f *farm) get(client *http.Client, path string) answer {
	f.t.Helper()
	resp, err := client.Get(f.url + path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(body), resp.Header.Get("X-Instance"), resp.Request.URL.String()}
}

// loggedIn asks until every instance has answered. It follows no redirect, because that
// would log in again.
func (f *farm) loggedIn(client *http.Client) bool {
	f.t.Helper()
	still := *client
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	in, out := map[string]bool{}, map[string]bool{}
	for range 20 {
		switch a := f.get(&still, "/"); a.status {
		case http.StatusOK:
			in[a.instance] = true
		case http.StatusFound, http.StatusSeeOther:
			out[a.instance] = true
		default:
			f.t.Errorf("%s answers %d %q", a.instance, a.status, a.body)
		}
	}
	if len(in)+len(out) != len(f.copies) || len(in) > 0 && len(out) > 0 {
		f.t.Errorf("of %d copies %d say that somebody is logged in, %d that nobody is", len(f.copies), len(in), len(out))
	}
	return len(in) > 0
}

// TestFarm: a login at any instance counts at all of them, and so does a logout.
func TestFarm(t *testing.T) {
	t.Parallel()
	f := newFarm(t)
	if a := f.get(f.browser, "/"); a.body != "ada@acme.example" || a.url != f.url+"/" {
		t.Fatalf("after the login: %+v", a)
	}
	if !f.loggedIn(f.browser) {
		t.Error("not logged in")
	}
	thief := newBrowser(t)
	u, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	thief.Jar.SetCookies(u, f.browser.Jar.Cookies(u))
	if !f.loggedIn(thief) {
		t.Error("a copy of the cookie does not work, so the test says nothing")
	}
	// A session at the tenant would log the user in again.
	f.tenant.LogOut()
	f.get(f.browser, "/auth/logout")
	if f.loggedIn(f.browser) || f.loggedIn(thief) {
		t.Error("still logged in after a logout")
	}
}

// TestFarmRefreshesOnce: 50 concurrent requests to both processes share one refresh.
func TestFarmRefreshesOnce(t *testing.T) {
	t.Parallel()
	f := newFarm(t)
	f.tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["expires_in"] = 20 })
	f.get(f.browser, "/")
	f.tenant.EditTokenResponse(nil)
	f.tenant.Delay(auth0test.Token, 100*time.Millisecond)
	before := f.tenant.Calls(auth0test.Token)
	const requests = 50
	answers := make([]answer, requests)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			for range 20 {
				if answers[i] = f.token(); answers[i].status != http.StatusServiceUnavailable && !strings.Contains(answers[i].body, "has not answered") {
					break // otherwise this machine is too busy
				}
			}
		})
	}
	all.Wait()
	asked := map[string]int{}
	for _, a := range answers {
		asked[a.instance]++
		if a.status != http.StatusOK || a.body != answers[0].body {
			t.Errorf("%s answers %d %.40q", a.instance, a.status, a.body)
		}
	}
	refreshes := f.tenant.Calls(auth0test.Token) - before
	if refreshes != 1 || len(asked) != 2 {
		t.Errorf("%d refreshes, requests by copy: %v", refreshes, asked)
	}
	t.Logf("%d requests at once, two processes behind nginx: %d refresh; requests by copy: %v", requests, refreshes, asked)
}

func (f *farm) token() answer {
	resp, err := f.browser.Get(f.url + "/token")
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, body: string(body), instance: resp.Header.Get("X-Instance")}
}

// TestFarmBackchannelLogout: the tenant reaches one instance, chosen by nginx.
func TestFarmBackchannelLogout(t *testing.T) {
	t.Parallel()
	f := newFarm(t)
	sid := make(chan any, 1)
	f.tenant.EditIDToken(func(_, claims map[string]any) { sid <- claims["sid"] })
	f.get(f.browser, "/")
	f.tenant.EditIDToken(nil)
	if !f.loggedIn(f.browser) {
		t.Fatal("not logged in")
	}
	resp, err := http.PostForm(f.url+"/auth/backchannel-logout", url.Values{"logout_token": {logoutToken(f.tenant, <-sid)}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the answer to the tenant is %d", resp.StatusCode)
	}
	if f.loggedIn(f.browser) {
		t.Error("still logged in")
	}
}

// TestFarmLosesOne: no session is lost when an instance dies.
func TestFarmLosesOne(t *testing.T) {
	t.Parallel()
	f := newFarm(t)
	first := f.get(f.browser, "/")
	f.copies[first.instance].Signal(t, os.Kill)
	delete(f.copies, first.instance)
	if !f.loggedIn(f.browser) {
		t.Error("not logged in at the copy that is left")
	}
}

// TestFarmOfExamples: two instances of the example, with only their environment in
// common, accept the same sessions and end them together.
func TestFarmOfExamples(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	f := &farm{t: t, url: "http://localhost:" + port, browser: newBrowser(t)}
	var err error
	if f.tenant, err = auth0test.Serve("127.0.0.1:0", f.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.tenant.Close() })
	f.tenant.LogIn("ada@acme.example")
	cfg := f.tenant.Config()
	program := build(t, "github.com/seed-15d5a55c/auth0/examples/webapp")
	var backends []string
	for range 2 {
		port := testproc.FreePort(t)
		copied := exec.Command(program)
		copied.Env = []string{
			"PORT=" + port, "AUTH0_DOMAIN=" + cfg.Domain, "AUTH0_CLIENT_ID=" + cfg.ClientID, "AUTH0_CLIENT_SECRET=" + cfg.ClientSecret,
			"AUTH0_SECRET=" + secret, "APP_BASE_URL=" + cfg.BaseURL, "AUTH0_AUDIENCE=" + cfg.Audience,
		}
		testproc.Start(t, copied, func() error { return healthy("http://localhost:" + port) })
		backends = append(backends, port)
	}
	startNginx(t, port, backends)

	f.everywhere("Log in to")
	f.get(f.browser, "/auth/login")
	f.everywhere("Good to see you, Ada")
	f.tenant.LogOut()
	f.get(f.browser, "/auth/logout")
	f.everywhere("Log in to")
}

// everywhere requests the home page until both instances have shown it.
func (f *farm) everywhere(text string) {
	f.t.Helper()
	asked := map[string]bool{}
	for range 10 {
		resp, err := f.browser.Get(f.url + "/")
		if err != nil {
			f.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		asked[resp.Header.Get("X-Backend")] = true
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), text) {
			f.t.Errorf("%s answers %d, and there is no %q; %v", resp.Header.Get("X-Backend"), resp.StatusCode, text, err)
		}
	}
	if len(asked) != 2 {
		f.t.Errorf("the copies that have answered are %v", asked)
	}
}
