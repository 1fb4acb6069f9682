package auth0_test

import (
	"bytes"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/auth0test"
)

// TestREADME: the programs in the README are those that are compiled and run as
// examples.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	compiled := squeeze(string(source))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d programs in the README, want 3 or more", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(compiled, squeeze(b[1])) {
			t.Errorf("this program is not in example_test.go:\n%s", b[1])
		}
	}
	if lines := strings.Split(string(readme), "\n"); !strings.Contains(strings.Join(lines[:20], "\n"), "go run ./examples/webapp") || !strings.Contains(strings.Join(lines[:20], "\n"), "go test ./...") {
		t.Error("the two commands are not on the first screen")
	}
}

// TestSearchWords: the documentation has the words by which people search, beside the
// function that does it.
func TestSearchWords(t *testing.T) {
	t.Parallel()
	for word, name := range map[string]string{
		"password-realm": "Application.LoginWithPassword", "passwordless": "Application.LoginWithCode", "client_credentials": "ClientCredentials",
		"token-exchange": "Application.ExchangeToken", "federated-connection-access-token": "ForConnection",
		"client_secret_post": "ClientSecretPost", "client_secret_basic": "ClientSecretBasic", "private_key_jwt": "PrivateKeyJWT",
		"tls_client_auth": "MutualTLS", "mfa-otp": "MFA.LoginWithOTP", "mfa-oob": "MFA.LoginWithOOB", "mfa-recovery-code": "MFA.LoginWithRecoveryCode",
	} {
		if doc, err := exec.Command("go", "doc", ".", name).Output(); err != nil || !strings.Contains(string(doc), word) {
			t.Errorf("%s is not in the documentation of %s (%v)", word, name, err)
		}
	}
}

// TestREADMEWebApplication builds the first program of the README, runs it, and logs in
// and out: a user with a name, one whose session has only the subject, and one at a
// tenant without the Management API.
func TestREADMEWebApplication(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(readme)
	if len(programs) != 2 {
		t.Fatal("the README has no program")
	}
	program := buildProgram(t, string(programs[1]))
	for _, tt := range []struct {
		name    string
		edit    func(*auth0test.Tenant)
		out, in []string
	}{
		{"a name", func(*auth0test.Tenant) {}, []string{"Continue with GitHub"}, []string{"Hello Ada Lovelace"}},
		{"no name", func(tenant *auth0test.Tenant) {
			tenant.EditIDToken(func(_, claims map[string]any) {
				delete(claims, "name")
				delete(claims, "email")
			})
		}, []string{"Continue with GitHub"}, []string{"Hello auth0|"}},
		{"no list of connections", func(tenant *auth0test.Tenant) { tenant.Fail(auth0test.Management, http.StatusForbidden) },
			[]string{`<a href="/auth/login">Log in</a>`}, []string{"Hello Ada Lovelace"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startProgram(t, program)
			tt.edit(p.tenant)
			p.shows(t, p.get(t, "/"), tt.out, "Log out", "Hello")
			for range 20 {
				p.get(t, "/")
			}
			p.shows(t, p.get(t, "/auth/login"), append(tt.in, `action="/auth/logout"`), "Log in", "Continue with")
			p.shows(t, p.post(t, "/auth/logout"), tt.out, "Log out", "Hello")
			p.shows(t, p.get(t, "/"), tt.out, "Log out", "Hello")
			if n := strings.Count(p.stop(), "\n"); n > 1 {
				t.Errorf("%d lines in the log of 20 page views", n)
			}
		})
	}
}

// buildProgram compiles the body of a main function, and returns the name of the
// program. It listens on a socket that it inherits, so that the test knows the address and
// nobody else gets it. TENANT_DOMAIN stands for the connections of a tenant that is a URL.
func buildProgram(t *testing.T, body string) string {
	t.Helper()
	for old, now := range map[string]string{`http.ListenAndServe(":3000", `: "serve(", "auth0.New(cfg)": "auth0.New(listed(cfg))"} {
		if strings.Count(body, old) != 1 {
			t.Fatalf("the program does not have %s once:\n%s", old, body)
		}
		body = strings.Replace(body, old, now, 1)
	}
	dir := t.TempDir()
	source := "package main\n\nimport (\n\t\"fmt\"\n\t\"html/template\"\n\t\"log\"\n\t\"net\"\n\t\"net/http\"\n\t\"os\"\n\n" +
		"\t\"github.com/seed-15d5a55c/auth0\"\n)\n\nfunc main() {\n" + body + "}\n\n" + `func serve(handler http.Handler) error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	return http.Serve(listener, handler)
}

func listed(cfg auth0.Config) auth0.Config {
	cfg.TenantDomain = os.Getenv("TENANT_DOMAIN")
	return cfg
}
`
	file, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("go", "build", "-o", program, file).CombinedOutput(); err != nil {
		t.Fatalf("the program of the README: %v\n%s", err, output)
	}
	return program
}

// A runningProgram is a web application in a process, its tenant, and a browser.
type runningProgram struct {
	tenant  *auth0test.Tenant
	base    string
	browser *http.Client
	stop    func() (log string)
}

func startProgram(t *testing.T, program string) *runningProgram {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	base := "http://" + listener.Addr().String()
	tenant, err := auth0test.Serve("127.0.0.1:0", base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tenant.Close() })
	tenant.AllowCallback("/auth/callback") // so that Browser knows the host
	tenant.SignIn("ada@acme.example")

	cfg, log := tenant.Config(), &bytes.Buffer{}
	command := exec.Command(program)
	command.Env = append(os.Environ(), "AUTH0_DOMAIN="+cfg.Domain, "AUTH0_CLIENT_ID="+cfg.ClientID, "AUTH0_CLIENT_SECRET="+cfg.ClientSecret,
		"AUTH0_SECRET="+cfg.Secrets[0], "APP_BASE_URL="+base, "TENANT_DOMAIN="+cfg.TenantDomain)
	command.ExtraFiles, command.Stdout, command.Stderr = []*os.File{socket}, log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop := func() string {
		if !ended {
			ended = true
			command.Process.Kill()
			command.Wait()
		}
		return log.String()
	}
	t.Cleanup(func() {
		if log := stop(); t.Failed() {
			t.Log(log)
		}
	})
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return &runningProgram{tenant, base, tenant.Browser(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}), stop}
}

// get opens a page, and is at the page of the application that the browser ends at.
func (p *runningProgram) get(t *testing.T, path string) *http.Response {
	t.Helper()
	resp, err := p.browser.Get(p.base + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// post sends a form of the application.
func (p *runningProgram) post(t *testing.T, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequest("POST", p.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.base)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := p.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// shows checks the start page of the application.
func (p *runningProgram) shows(t *testing.T, resp *http.Response, texts []string, not ...string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "text/html" || resp.StatusCode != http.StatusOK || strings.TrimSuffix(resp.Request.URL.String(), "/") != p.base || !strings.Contains(page, "<title>") {
		t.Errorf("%s: %d %q\n%s", resp.Request.URL, resp.StatusCode, resp.Header.Get("Content-Type"), page)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page has no %q:\n%s", text, page)
		}
	}
	for _, text := range not {
		if strings.Contains(page, text) {
			t.Errorf("the page has %q:\n%s", text, page)
		}
	}
}
