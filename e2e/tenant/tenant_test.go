// Package tenant runs the program auth0-tenant with applications in other languages.
package tenant

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// program builds auth0-tenant once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "auth0-tenant")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "auth0-tenant")
	out, err := exec.Command("go", "build", "-o", file, "github.com/seed-15d5a55c/auth0/cmd/auth0-tenant").CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return file, err
})

func TestMain(m *testing.M) {
	status := m.Run()
	if file, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(status)
}

func find(t *testing.T) string {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestClients logs in to an application in another language, which the tenant starts and
// stops.
func TestClients(t *testing.T) {
	t.Parallel()
	node, python := testproc.Find(t, "node", "nodejs"), testproc.Find(t, "python3", "python3")
	for _, test := range []struct {
		name    string
		command []string
		tls     bool
	}{
		{name: "node", command: []string{node, "client.mjs"}},
		{name: "node over TLS", command: []string{node, "client.mjs"}, tls: true},
		{name: "python", command: []string{python, "client.py"}},
		{name: "python over TLS", command: []string{python, "client.py"}, tls: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			port := testproc.FreePort(t)
			app := "http://localhost:" + port
			args := []string{"-app", app, "-listen", "127.0.0.1:0"}
			certificate := filepath.Join(t.TempDir(), "tenant.pem")
			if test.tls {
				args = append(args, "-tls", certificate)
			}
			cmd := exec.Command(find(t), append(append(args, "--"), test.command...)...)
			if test.tls {
				cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+certificate)
			}
			testproc.Start(t, cmd, func() error {
				conn, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err == nil {
					conn.Close()
				}
				return err
			})
			var claims map[string]any
			body := login(t, newBrowser(t, certificate), app, "ada@acme.example", "correct horse")
			if err := json.Unmarshal([]byte(body), &claims); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if claims["email"] != "ada@acme.example" || !strings.HasPrefix(claims["sub"].(string), "auth0|") {
				t.Errorf("the claims are %s", body)
			}
		})
	}
}

// newBrowser returns a client with cookies. If the file exists, the client trusts its
// certificate.
func newBrowser(t *testing.T, certificate string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	if text, err := os.ReadFile(certificate); err == nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}
}

// login opens the application, fills in the tenant's page, and returns the last page.
func login(t *testing.T, client *http.Client, app, email, password string) string {
	t.Helper()
	resp, err := client.Get(app)
	if err != nil {
		t.Fatal(err)
	}
	body := read(t, resp)
	if !strings.Contains(body, "<h1>Log in</h1>") {
		t.Fatalf("status %d at %s: %s", resp.StatusCode, resp.Request.URL, body)
	}
	if resp, err = client.PostForm(resp.Request.URL.String(), url.Values{"username": {email}, "password": {password}}); err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestEval runs the lines of the guide. The shell continues while the tenant runs, and
// the process id ends the tenant.
func TestEval(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `eval "$("$0" -listen 127.0.0.1:0 &)"; echo "$AUTH0_DOMAIN $AUTH0_TENANT_PID"`, find(t))
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log // a file: the tenant keeps it open longer than the shell
	out, err := cmd.Output()
	domain, id, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	pid, parsed := strconv.Atoi(id)
	if err != nil || parsed != nil || pid <= 1 {
		t.Fatalf("%v; the shell has written %q", err, out)
	}
	resp, err := http.Get(domain + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, resp); !strings.Contains(body, domain) {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	http.DefaultClient.CloseIdleConnections()
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(domain, "http://"))
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the tenant does not end")
		}
	}
}

// TestGuide: the lines of code in the guide are those of the clients that run here.
func TestGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/tenant.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, file := range map[string]string{"js": "client.mjs", "python": "client.py"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(guide), -1) {
			for line := range strings.Lines(block[1]) {
				lines++
				if !strings.Contains(string(source), line) {
					t.Errorf("%s does not have the line of the guide: %s", file, line)
				}
			}
		}
		if lines == 0 {
			t.Errorf("the guide has no line of %s", file)
		}
	}
}
