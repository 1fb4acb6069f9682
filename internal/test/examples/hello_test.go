package examples_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/auth0test"
)

// inheritListener writes an overlay for the build. The port of hello is 3000, so that the
// program is short. For the test it listens on a socket that it inherits: the test knows
// the address, and no other program gets it.
func inheritListener(dir string) (overlay string, err error) {
	const listen = `http.ListenAndServe("localhost:3000", `
	hello, err := filepath.Abs("../../../examples/hello")
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(filepath.Join(hello, "main.go"))
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), listen) != 1 {
		return "", fmt.Errorf("hello does not have %s once", listen)
	}
	const serve = `package main

import (
	"net"
	"net/http"
	"os"
)

func serve(handler http.Handler) error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	return http.Serve(listener, handler)
}
`
	replace := map[string]string{}
	for name, text := range map[string]string{"main.go": strings.Replace(string(source), listen, "serve(", 1), "serve.go": serve} {
		replace[filepath.Join(hello, name)] = filepath.Join(dir, "hello."+name)
		if err := os.WriteFile(filepath.Join(dir, "hello."+name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// hello runs the program at a tenant of the test.
func hello(t *testing.T) (*auth0test.Tenant, visitor) {
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
	address := listener.Addr().String()
	base := "http://" + address
	tenant, err := auth0test.Serve("127.0.0.1:0", base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tenant.Close() })
	tenant.AllowCallback("/auth/callback") // so that Browser knows the host
	tenant.LogIn("ada@acme.example")
	cfg := tenant.Config()
	c := command("hello", "AUTH0_DOMAIN="+cfg.Domain, "AUTH0_CLIENT_ID="+cfg.ClientID, "AUTH0_CLIENT_SECRET="+cfg.ClientSecret,
		"AUTH0_SECRET="+cfg.Secrets[0], "APP_BASE_URL="+base)
	log := &strings.Builder{}
	c.ExtraFiles, c.Stdout, c.Stderr = []*os.File{socket}, log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if got := log.String(); t.Failed() || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "Open "+base+"\n") {
			t.Errorf("the log of hello:\n%s", got)
		}
	})
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
		r.Out.Host = r.In.Host
	}}
	return tenant, visitor{t, tenant.Browser(proxy), base}
}

// TestHello logs in and out of the first program of README.md. One user has no name,
// and one has markup in it. One tenant has no Management API.
func TestHello(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		edit func(claims map[string]any)
		want string
	}{
		{"a name", func(map[string]any) {}, "<h1>Hello Ada Lovelace</h1>"},
		{"no name", func(claims map[string]any) { delete(claims, "name") }, "<h1>Hello ada@acme.example</h1>"},
		{"only a subject", func(claims map[string]any) { delete(claims, "name"); delete(claims, "email") }, "<h1>Hello there</h1>"},
		{"markup", func(claims map[string]any) { claims["name"] = "<b>Ada" }, "<h1>Hello &lt;b&gt;Ada</h1>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tenant, v := hello(t)
			tenant.EditIDToken(func(_, claims map[string]any) { tt.edit(claims) })
			const login, logout = `<a href="/auth/login">Log in</a>`, `<form method="post" action="/auth/logout"><button>Log out</button></form>`
			shows := func(p page, text, not string) {
				t.Helper()
				v.shows(p, "/", "<!doctype html>", "<title>Hello</title>", `name="viewport"`, `content="light dark"`, text)
				if strings.Contains(p.body, not) {
					t.Errorf("the page has %q:\n%s", not, p.body)
				}
				if kind := p.header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
					t.Errorf("Content-Type %q", kind)
				}
			}
			shows(v.open(v.base+"/"), login, "Log out")
			shows(v.open(v.base+"/auth/login"), tt.want, "Log in")
			shows(v.open(v.base+"/"), logout, "Log in")
			shows(v.do("POST", v.base+"/auth/logout", nil), login, "Hello <")
			shows(v.open(v.base+"/"), login, "Log out")
			if p := v.open(v.base + "/nobody"); p.status != http.StatusNotFound {
				t.Errorf("another path: %d", p.status)
			}
		})
	}
}

// TestHelloWithoutVariables: the program names every missing variable, and the way to run
// it without an account.
func TestHelloWithoutVariables(t *testing.T) {
	t.Parallel()
	output, err := command("hello").CombinedOutput()
	if err == nil {
		t.Error("the program succeeds")
	}
	for _, text := range []string{
		"AUTH0_DOMAIN is not set", "AUTH0_CLIENT_ID is not set", "AUTH0_CLIENT_SECRET is not set", "AUTH0_SECRET is not set", "openssl rand -hex 32",
		"APP_BASE_URL is not set", "go run github.com/seed-15d5a55c/auth0/cmd/auth0-tenant -app http://localhost:3000 --",
	} {
		if !strings.Contains(string(output), text) {
			t.Errorf("no %q in\n%s", text, output)
		}
	}
}
