package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// hostile are values that a format must quote.
var hostile = []variable{
	{"A", "https://api.acme.example/"},
	{"B", `a'b "c" $HOME $(id) \n ` + "`id`" + ` #x ; & | * ~`},
	{"C", ""},
	{"D", "it's\ntwo lines"},
	{"E", "with space"},
}

// TestEnvForEval: a shell that evaluates the lines exports exactly the values.
func TestEnvForEval(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `eval "$LINES_TO_EVAL"; for n in A B C D E AUTH0_TENANT_PID; do printenv $n; printf '\0'; done`)
	cmd.Env = append(os.Environ(), "LINES_TO_EVAL="+shellLines(hostile))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n\x00"), "\n\x00")
	want := []string{}
	for _, v := range hostile {
		want = append(want, v.value)
	}
	want = append(want, fmt.Sprint(os.Getpid()))
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var got map[string]string
	if err := json.Unmarshal([]byte(jsonObject(hostile)), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, v := range hostile {
		want[v.name] = v.value
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDotenv(t *testing.T) {
	t.Parallel()
	want := `A=https://api.acme.example/
B="a'b \"c\" \$HOME \$(id) \\n ` + "\\`id\\`" + ` #x ; & | * ~"
C=
D="it's\ntwo lines"
E='with space'
`
	if got := dotenvLines(hostile); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// TestPrintedFormats: the program prints each format, and dotenv has no quotes, which
// docker --env-file would keep.
func TestPrintedFormats(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"env":    `(?s)\Aexport AUTH0_DOMAIN='http://127\.0\.0\.1:\d+'\n.*export AUTH0_TENANT_PID='\d+'\n\z`,
		"json":   `(?s)\A\{\n.*"AUTH0_DOMAIN": "http://127\.0\.0\.1:\d+",\n.*\}\n\z`,
		"dotenv": `\AAUTH0_DOMAIN=http://127\.0\.0\.1:\d+\n([A-Z0-9_]+=[^'"\n]+\n)+\z`,
	} {
		if out := begin(t, "-format", format).out; !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s:\n%s", format, out)
		}
	}
}

// TestHelp: -h names every option, every variable and the passwords, on the standard
// output.
func TestHelp(t *testing.T) {
	t.Parallel()
	stdout, stderr := &buffer{}, &buffer{}
	if status := run(t.Context(), []string{"-h"}, process{stdout: stdout, stderr: stderr}); status != 0 || stderr.String() != "" {
		t.Errorf("status %d, errors %q", status, stderr)
	}
	text := stdout.String()
	names := []string{"app", "audience", "callback", "format", "host", "listen", "logout", "organizations", "seed", "tls", "url", "users"}
	for _, name := range names {
		if !strings.Contains(text, "\n  -"+name+" ") {
			t.Errorf("nothing about -%s", name)
		}
	}
	for _, name := range []string{"AUTH0_DOMAIN", "AUTH0_ISSUER_BASE_URL", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_SECRET", "AUTH0_AUDIENCE",
		"APP_BASE_URL", "AUTH0_SPA_CLIENT_ID", "AUTH0_TENANT_CONTROL", "AUTH0_TENANT_DOMAIN", "NODE_EXTRA_CA_CERTS", "AUTH0_TENANT_PID", "correct horse"} {
		if !strings.Contains(text, name) {
			t.Errorf("nothing about %s", name)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 88 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}

// ended returns the context of a program that must not run: if it starts, it ends at
// once.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestUsage: a mistake ends the program before it listens, and the error names the flag.
func TestUsage(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "users.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-apps", "x"}, "-apps"},
		{[]string{"-app", "localhost:3000"}, `-app "localhost:3000": want a URL`},
		{[]string{"-app", "ftp://localhost"}, "-app"},
		{[]string{"-app", "http://a:b@localhost"}, "-app"},
		{[]string{"-app", "http://localhost/?x"}, "-app"},
		{[]string{"-app", "http://localhost/?"}, "-app"},
		{[]string{"-app", "http://localhost/#x"}, "-app"},
		{[]string{"-app", "http:///x"}, "-app"},
		{[]string{"-app", "http://localhost/a b"}, "-app"},
		{[]string{"-host", "http://tenant:4000"}, `"http://tenant:4000" for flag -host: want a host name without scheme and port`},
		{[]string{"-host", ""}, "want a host name"},
		{[]string{"-url", "tenant"}, `-url "tenant": want a URL`},
		{[]string{"-audience", ""}, "-audience"},
		{[]string{"-audience", "a b"}, "-audience"},
		{[]string{"-format", "yaml"}, `-format "yaml": want dotenv, env, json`},
		{[]string{"-listen", "4000"}, `-listen "4000": want a host and a port, such as 127.0.0.1:4000`},
		{[]string{"-callback", "callback"}, `-callback "callback": want a URL, or a path that begins with a slash`},
		{[]string{"-callback", "https://app.acme.com/callback"}, "real users can reach this host"},
		{[]string{"-logout", "http://192.0.2.1/"}, `-logout "http://192.0.2.1/": real users`},
		{[]string{"-users", "/no/such/file"}, "-users: open /no/such/file"},
		{[]string{"-users", file(`{"email": "eve@acme.example"}`)}, "want a JSON array such as"},
		{[]string{"-users", file(`[{"mail": "eve@acme.example"}]`)}, `unknown field "mail"`},
		{[]string{"-users", file(`[{"email": "eve@acme.example"}] x`)}, "more than one JSON value"},
		{[]string{"-users", file("")}, "there is no JSON"},
		{[]string{"-users", file(`[{"name": "Eve"}]`)}, "user 1 has no email"},
		{[]string{"-users", file(`[{"email": "eve@acme.example"}, {"email": "Eve@acme.example"}]`)}, "user 2 has the address of another user"},
		{[]string{"-users", file("[" + strings.Repeat(" ", maxUsersFile) + "]")}, "has more than 1048576 bytes"},
	} {
		stdout, stderr := &buffer{}, &buffer{}
		if status := run(ended(), test.args, process{stdout: stdout, stderr: stderr}); status != 2 || stdout.String() != "" {
			t.Errorf("%q: status %d, output %q", test.args, status, stdout)
		}
		if text := stderr.String(); !strings.Contains(text, test.want) || !strings.Contains(text, "auth0-tenant -h") {
			t.Errorf("%q: %s", test.args, text)
		}
	}
}

// TestStartFails: an error at the start names the flag that fixes it.
func TestStartFails(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	other := filepath.Join(t.TempDir(), "notes")
	users := filepath.Join(t.TempDir(), "users.json")
	foreign, combined := foreignCertificates(t)
	for name, text := range map[string]string{other: "mine", users: `[{"email": "a@acme.example"}, {"email": "b@acme.example", "connection": "none"}]`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-listen", taken.Addr().String()}, "-listen 127.0.0.1:4001, or a free one with -listen 127.0.0.1:0"},
		{[]string{"-listen", "127.0.0.1:99999"}, "-listen 127.0.0.1:99999: "},
		{[]string{"-listen", "127.0.0.1:0", "-tls", other}, "-tls: " + other + " exists and is not a certificate of auth0-tenant"},
		{[]string{"-listen", "127.0.0.1:0", "-tls", foreign}, "-tls: " + foreign + " exists and is not a certificate of auth0-tenant"},
		{[]string{"-listen", "127.0.0.1:0", "-tls", combined}, "-tls: " + combined + " exists and is not a certificate of auth0-tenant"},
		{[]string{"-listen", "127.0.0.1:0", "-tls", "/dev/zero"}, "-tls: /dev/zero is not a regular file"},
		{[]string{"-listen", "127.0.0.1:0", "-tls", "/no/such/dir/ca.pem"}, "-tls: open /no/such/dir/ca.pem"},
		{[]string{"-listen", "127.0.0.1:0", "-users", users}, `-users: user 2: tenant: user "b@acme.example": there is no connection "none"`},
	} {
		stdout, stderr := &buffer{}, &buffer{}
		if status := run(ended(), test.args, process{stdout: stdout, stderr: stderr}); status != 1 || stdout.String() != "" {
			t.Errorf("%q: status %d, output %q", test.args, status, stdout)
		}
		if !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%q: %s", test.args, stderr)
		}
	}
	if text, _ := os.ReadFile(other); string(text) != "mine" {
		t.Errorf("the file is now %q", text)
	}
	for name, want := range map[string]int{foreign: 1, combined: 2} {
		if text, _ := os.ReadFile(name); strings.Count(string(text), "-----BEGIN") != want {
			t.Errorf("%s is now:\n%s", name, text)
		}
	}
}

// foreignCertificates writes a certificate of another program, and a file that begins
// with a certificate of this program.
func foreignCertificates(t *testing.T) (foreign, combined string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	foreign, combined = filepath.Join(t.TempDir(), "localhost.pem"), filepath.Join(t.TempDir(), "combined.pem")
	if err := os.WriteFile(foreign, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	begin(t, "-tls", combined).end()
	text, err := os.ReadFile(combined)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")})...)
	if err := os.WriteFile(combined, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return foreign, combined
}

// TestWarnings: on the loopback interface there is no warning.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		args  []string
		wants []string
	}{
		{"loopback", nil, nil},
		{"seed", []string{"-seed", "1"}, nil},
		{"loopback, IPv4 by name", []string{"-listen", "localhost:0"}, nil},
		{"reserved names", []string{"-app", "http://app.acme.example"}, nil},
		{"a service of a container", []string{"-app", "http://web:3000"}, nil},
		{"every interface", []string{"-listen", ":0"}, []string{"its passwords are public"}},
		{"every interface with a seed", []string{"-listen", "0.0.0.0:0", "-seed", "1"}, []string{"its passwords are public", "come from -seed"}},
		{"a tunnel", []string{"-url", "https://tenant.acme.com"}, []string{"real users can reach https://tenant.acme.com"}},
		{"a port of a container", []string{"-url", "http://tenant:4000"}, nil},
		{"a real application", []string{"-app", "https://app.acme.com"}, []string{"real users can reach https://app.acme.com"}},
		{"a network", []string{"-app", "http://192.168.1.7:3000"}, []string{"real users can reach http://192.168.1.7:3000"}},
	} {
		r := begin(t, test.args...)
		r.end()
		text := r.stderr.String()
		if got := strings.Count(text, "auth0-tenant: warning: "); got != len(test.wants) {
			t.Errorf("%s: %d warnings:\n%s", test.name, got, text)
		}
		for _, want := range test.wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: nothing about %q in:\n%s", test.name, want, text)
			}
		}
		if !strings.Contains(text, "ada@acme.example") || strings.Count(text, "/_control/") != 1 {
			t.Errorf("%s: the banner:\n%s", test.name, text)
		}
		if strings.Contains(text, r.env["AUTH0_CLIENT_SECRET"]) || strings.Contains(text, r.env["AUTH0_SECRET"]) {
			t.Errorf("%s: a secret in:\n%s", test.name, text)
		}
	}
}

// TestURL: the issuer is -url. Without the flag, it has an address that a client can use.
func TestURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, `^http://127\.0\.0\.1:\d+$`},
		{[]string{"-listen", ":0"}, `^http://127\.0\.0\.1:\d+$`},
		{[]string{"-listen", "[::]:0"}, `^http://127\.0\.0\.1:\d+$`},
		{[]string{"-listen", "localhost:0"}, `^http://localhost:\d+$`},
		{[]string{"-url", "http://localhost:4000/"}, `^http://localhost:4000$`},
		{[]string{"-url", "https://tenant.acme.example/a"}, `^https://tenant\.acme\.example/a$`},
	} {
		r := begin(t, test.args...)
		domain, control := r.env["AUTH0_DOMAIN"], r.env["AUTH0_TENANT_CONTROL"]
		if !regexp.MustCompile(test.want).MatchString(domain) || r.env["AUTH0_ISSUER_BASE_URL"] != domain {
			t.Errorf("%q: domain %q", test.args, domain)
		}
		if !strings.HasPrefix(control, strings.TrimSuffix(domain, "/a")+"/_control/") {
			t.Errorf("%q: control %q", test.args, control)
		}
	}
}

// TestSeed: ids, secrets and keys depend only on the seed. Without a seed, each start has
// new ones. The path of the controls is always new.
func TestSeed(t *testing.T) {
	t.Parallel()
	made := func(seed string) (identity, string) {
		o, err := parse([]string{"-seed", seed})
		if err != nil {
			t.Fatal(err)
		}
		id := newIdentity(o.seed)
		tenant, err := newTenant(o, id, "http://127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		return id, tenant.KeyID()
	}
	one, key := made("1")
	if again, sameKey := made("1"); again != one || sameKey != key {
		t.Errorf("the same seed has made %v and %v, keys %s and %s", one, again, key, sameKey)
	}
	seen := map[string]bool{}
	count := 0
	for _, seed := range []string{"1", "2", "", ""} {
		id, key := made(seed)
		for i := range reflect.TypeFor[identity]().NumField() {
			text := reflect.ValueOf(id).Field(i).String()
			if len(text) < 32 {
				t.Errorf("%q has %d characters", text, len(text))
			}
			seen[text] = true
			count++
		}
		seen[key] = true
		count++
	}
	if len(seen) != count {
		t.Errorf("of %d values, %d differ", count, len(seen))
	}
	a, b := begin(t, "-seed", "1"), begin(t, "-seed", "1")
	if a.env["AUTH0_CLIENT_SECRET"] != one.secret || b.env["AUTH0_SECRET"] != one.cookies {
		t.Errorf("the seed is not used: %v", a.env)
	}
	if pathOf(a) == pathOf(b) {
		t.Error("the path of the controls depends on the seed")
	}
}

func pathOf(r *running) string {
	_, path, _ := strings.Cut(r.env["AUTH0_TENANT_CONTROL"], "/_control/")
	return path
}

// TestCommand: the command has the variables and the streams, and the program exits with
// its status.
func TestCommand(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	notRunnable := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notRunnable, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const waits = `echo ready; while :; do sleep 0.02; done`
	for _, test := range []struct {
		name     string
		command  []string
		signals  []os.Signal
		terminal bool
		status   int
		out      string // a part of the output
	}{
		{name: "success", command: []string{"sh", "-c", `read line; echo "$line $AUTH0_DOMAIN $PATH_OF_TEST $AUTH0_BASE_URL."`}, out: "typed http://127.0.0.1:"},
		{name: "other variables stay, and those of another tenant go", command: []string{"sh", "-c", `echo "$PATH_OF_TEST[$AUTH0_BASE_URL]$APP_BASE_URL"`}, out: "kept[]http://localhost:3000"},
		{name: "no process id", command: []string{"sh", "-c", `echo "[$AUTH0_TENANT_PID]"`}, out: "[]"},
		{name: "status", command: []string{"--", "sh", "-c", "exit 7"}, status: 7},
		{name: "killed", command: []string{"sh", "-c", "kill -9 $$"}, status: 128 + 9},
		{name: "not found", command: []string{"no-such-command-here"}, status: 127},
		{name: "not found by path", command: []string{"/no/such/command"}, status: 127},
		{name: "not runnable", command: []string{notRunnable}, status: 126},
		{name: "SIGTERM", command: []string{"sh", "-c", `trap "exit 9" TERM; ` + waits}, signals: []os.Signal{syscall.SIGTERM}, status: 9},
		{name: "SIGINT", command: []string{"sh", "-c", `trap "exit 5" INT; trap "exit 9" TERM; ` + waits}, signals: []os.Signal{os.Interrupt}, status: 5},
		{name: "SIGINT comes from the terminal", command: []string{"sh", "-c", `trap "exit 5" INT; trap "exit 9" TERM; ` + waits},
			signals: []os.Signal{os.Interrupt, syscall.SIGTERM}, terminal: true, status: 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			read, write := io.Pipe()
			stderr, signals := &buffer{}, make(chan os.Signal)
			ended := make(chan int, 1)
			go func() {
				ended <- run(t.Context(), append([]string{"-listen", "127.0.0.1:0"}, test.command...), process{
					stdin: strings.NewReader("typed\n"), stdout: write, stderr: stderr, signals: signals, terminal: test.terminal,
					environ: append(os.Environ(), "PATH_OF_TEST=kept", "AUTH0_BASE_URL=https://other.acme.example", "APP_BASE_URL=https://other.acme.example"),
				})
				write.Close()
			}()
			if len(test.signals) > 0 {
				if _, err := io.ReadFull(read, make([]byte, len("ready\n"))); err != nil {
					t.Fatalf("%v\n%s", err, stderr)
				}
			}
			go func() {
				for _, sig := range test.signals {
					signals <- sig
				}
			}()
			out, _ := io.ReadAll(read)
			if status := <-ended; status != test.status || !strings.Contains(string(out), test.out) {
				t.Errorf("status %d, output %q, errors:\n%s", status, out, stderr)
			}
			if strings.Contains(string(out), "export ") {
				t.Errorf("the variables are in the output of the command: %s", out)
			}
		})
	}
}

// TestEnvironment: the variables replace the caller's, and variables of another tenant
// are removed.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment([]string{"HOME=/home/ada", "AUTH0_DOMAIN=acme.eu.auth0.com", "AUTH0_BASE_URL=https://x", "AUTH0_CALLBACK_URL=https://x/callback",
		"AUTH0_CLIENT_ASSERTION_SIGNING_KEY=k", "AUTH0_CLIENT_ASSERTION_SIGNING_ALG=PS256"}, []variable{{"AUTH0_DOMAIN", "http://127.0.0.1:1"}})
	// Of two values, package exec uses the last.
	want := []string{"HOME=/home/ada", "AUTH0_DOMAIN=acme.eu.auth0.com", "AUTH0_DOMAIN=http://127.0.0.1:1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestStops: the program ends with an error if it cannot write the variables, and if the
// tenant stops by itself, even while a command runs.
func TestStops(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	read.Close()
	stderr := &buffer{}
	if status := run(t.Context(), []string{"-listen", "127.0.0.1:0"}, process{stdout: write, stderr: stderr}); status != 1 || !strings.Contains(stderr.String(), "the variables cannot be written") {
		t.Errorf("status %d: %s", status, stderr)
	}
	for _, test := range []struct {
		command []string
		status  int
	}{{nil, 1}, {[]string{"sh", "-c", "exec sleep 600"}, 128 + 15}} {
		o, err := parse(append([]string{"-listen", "127.0.0.1:0"}, test.command...))
		if err != nil {
			t.Fatal(err)
		}
		s, err := start(o)
		if err != nil {
			t.Fatal(err)
		}
		s.listener.Close()
		stderr, status := &buffer{}, 0
		if p := (process{stderr: stderr}); test.command == nil {
			status = wait(t.Context(), s, p)
		} else {
			status = runCommand(t.Context(), s, p)
		}
		if status != test.status || !strings.Contains(stderr.String(), "the tenant has stopped") {
			t.Errorf("%q: status %d: %s", test.command, status, stderr)
		}
		s.stop()
	}
}

// TestEnd: a signal ends the program with status 0, and frees the port.
func TestEnd(t *testing.T) {
	t.Parallel()
	r := begin(t)
	control := r.env["AUTH0_TENANT_CONTROL"]
	if status := r.end(); status != 0 {
		t.Errorf("status %d", status)
	}
	// Another program may use the port by now. It does not have the path.
	if resp, err := http.Get(control); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("the tenant answers still")
		}
	}
}

// TestTLS: a client that trusts the file trusts the tenant, by name and by address. The
// certificate is valid for no other server.
func TestTLS(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tenant.pem")
	begin(t, "-tls", file).end()
	r := begin(t, "-tls", file) // rewrites the file
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) || strings.Contains(string(text), "PRIVATE") || strings.Count(string(text), "BEGIN") != 1 {
		t.Fatalf("the file is:\n%s", text)
	}
	domain := r.env["AUTH0_DOMAIN"]
	if r.env["NODE_EXTRA_CA_CERTS"] != file || !strings.HasPrefix(domain, "https://127.0.0.1:") {
		t.Errorf("the variables are %q", r.env)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	for _, base := range []string{domain, strings.Replace(domain, "127.0.0.1", "localhost", 1)} {
		status, body := call(t, client, "GET", base+"/.well-known/openid-configuration", "")
		if status != 200 || !strings.Contains(body, `"issuer":"`+domain+`/"`) {
			t.Errorf("%s: status %d: %s", base, status, body)
		}
	}
	if status, body := call(t, client, "GET", r.env["AUTH0_TENANT_CONTROL"], ""); status != 200 {
		t.Errorf("controls: status %d: %s", status, body)
	}
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if certificate.IsCA || certificate.KeyUsage&x509.KeyUsageCertSign != 0 {
		t.Error("the certificate is that of a CA")
	}
	if err := certificate.VerifyHostname("::1"); err != nil {
		t.Error(err)
	}
}
