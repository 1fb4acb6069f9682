package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/auth0test"
)

const cookieSecret = "5f0e4c9b7a1d8236e4f90b1c7d2a6358f1e0d9c8b7a69584736251403f2e1d0c"

// setEnvironment sets the variables of a tenant, and no others that the doctor reads.
func setEnvironment(t *testing.T) (*auth0test.Tenant, http.RoundTripper) {
	t.Helper()
	tenant := auth0test.NewTenant(t)
	cfg := tenant.Config()
	for name, value := range map[string]string{
		"AUTH0_DOMAIN": cfg.Domain, "AUTH0_CLIENT_ID": cfg.ClientID, "AUTH0_CLIENT_SECRET": cfg.ClientSecret, "AUTH0_SECRET": cookieSecret,
		"APP_BASE_URL": cfg.BaseURL, "AUTH0_AUDIENCE": cfg.Audience,
	} {
		t.Setenv(name, value)
	}
	unset(t, "AUTH0_ISSUER_BASE_URL", "AUTH0_BASE_URL", "AUTH0_CALLBACK_URL", "AUTH0_CLIENT_ASSERTION_SIGNING_KEY", "AUTH0_CLIENT_ASSERTION_SIGNING_ALG",
		"PORT", "NO_COLOR", "TERM")
	return tenant, cfg.HTTPClient.Transport
}

// unset removes variables for the duration of a test.
func unset(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

type result struct {
	status         int
	stdout, stderr string
}

func run(transport http.RoundTripper, stdin io.Reader, color bool, args ...string) result {
	var stdout, stderr bytes.Buffer
	p := program{stdin: stdin, stdout: &stdout, stderr: &stderr, color: color, transport: transport}
	status := p.run(context.Background(), args)
	return result{status, stdout.String(), stderr.String()}
}

func TestExitStatus(t *testing.T) {
	_, transport := setEnvironment(t)
	if got := run(transport, nil, false); got.status != 0 || !strings.HasSuffix(got.stdout, "\nEverything is well. 8 requests made.\n") || got.stderr != "" {
		t.Errorf("well: %+v", got)
	}
	if got := run(transport, nil, false, "-callback", "/done"); got.status != 1 || !strings.Contains(got.stdout, "\nFAIL  callback       Callback URL mismatch") || got.stderr != "" {
		t.Errorf("a failure: %+v", got)
	}
	if got := run(transport, nil, false, "-callback", "/a/../b"); got.status != 1 || !strings.Contains(got.stdout, "\nFAIL  configuration  The library rejects the configuration.\n") ||
		!strings.Contains(got.stdout, "\n    auth0: Config.CallbackPath ") {
		t.Errorf("rejected by the library: %+v", got)
	}
	t.Setenv("AUTH0_CLIENT_SECRET", "")
	if got := run(transport, nil, false); got.status != 0 || !strings.Contains(got.stdout, "\nwarn  variables      AUTH0_CLIENT_SECRET is not set.") ||
		!strings.Contains(got.stdout, "\nok    configuration  The library accepts the configuration.\n") {
		t.Errorf("without a client secret: %+v", got)
	}
}

func TestUsage(t *testing.T) {
	_, transport := setEnvironment(t)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		args  []string
		stdin io.Reader
		want  string
	}{
		{[]string{"-nope"}, nil, "flag provided but not defined"},
		{[]string{"acme.eu.auth0.com"}, nil, "there are arguments after the flags"},
		{[]string{"-token", "eyJhbGciOi"}, nil, "-token takes only -"},
		{[]string{"-callback", "done"}, nil, "-callback is not a path"},
		{[]string{"-login", "in"}, nil, "-login is not a path"},
		{[]string{"-env", filepath.Join(dir, "missing")}, nil, "no such file"},
		{[]string{"-env", dir}, nil, "is not a file of at most 65536 bytes"},
		{[]string{"-env", write("large", strings.Repeat("#", 64<<10+1))}, nil, "is not a file of at most 65536 bytes"},
		{[]string{"-env", write("damaged", "A=b\nhunter2\n")}, nil, "damaged: line 2 is not NAME=value"},
		{[]string{"-env", write("null", "A=\"b\x00\"\n")}, nil, "invalid argument"},
		{[]string{"-token", "-"}, strings.NewReader(" \n"), "standard input has no token"},
		{[]string{"-token", "-"}, strings.NewReader(strings.Repeat("x", 64<<10+1)), "the token on standard input is longer than 65536 bytes"},
		{[]string{"-token", "-"}, iotest.ErrReader(io.ErrUnexpectedEOF), "standard input cannot be read"},
	} {
		got := run(transport, test.stdin, false, test.args...)
		if got.status != 2 || got.stdout != "" || !strings.Contains(got.stderr, test.want) || strings.Contains(got.stderr, "eyJ") || strings.Contains(got.stderr, "hunter2") {
			t.Errorf("%q: %+v", test.args, got)
		}
	}
	if got := run(transport, nil, false, "-h"); got.status != 0 || got.stdout != "" || !strings.Contains(got.stderr, "auth0-doctor -env .env -app https://app.example.com") {
		t.Errorf("help: %+v", got)
	}
}

// TestEndlessInput: the doctor does not wait for a token forever.
func TestEndlessInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		begin := time.Now()
		got := run(nil, reader, false, "-token", "-")
		if took := time.Since(begin); got.status != 2 || took != time.Minute || !strings.Contains(got.stderr, "no token came on standard input") {
			t.Errorf("after %v: %+v", took, got)
		}
		writer.Close()
	})
}

func TestEnvironmentFile(t *testing.T) {
	tenant, transport := setEnvironment(t)
	file := filepath.Join(t.TempDir(), ".env")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unset(t, "AUTH0_CLIENT_SECRET", "AUTH0_SECRET", "AUTH0_DOMAIN")
	write("AUTH0_SECRET=short\nAUTH0_SECRET='" + cookieSecret + "'\nexport AUTH0_CLIENT_SECRET=\"" + tenant.Config().ClientSecret + "\"\n" +
		"AUTH0_DOMAIN=acme.auth0.example # a comment\nAPP_BASE_URL=" + auth0test.AppURL + "\n")
	if got := run(transport, nil, false, "-env", file); got.status != 0 || strings.Contains(got.stdout, "warn") {
		t.Errorf("variables of a file: %+v", got)
	}
	write("APP_BASE_URL=https://other.acme.example\nAUTH0_AUDIENCE=" + auth0test.Audience + "\nAUTH0_DOMAIN=hunter2\n")
	got := run(transport, nil, false, "-env", file)
	if got.status != 0 || !strings.Contains(got.stdout, "\nwarn  variables      The environment and the file have different values of APP_BASE_URL, AUTH0_DOMAIN. The") || strings.Contains(got.stdout, "hunter2") {
		t.Errorf("two values: %+v", got)
	}
}

func TestColors(t *testing.T) {
	_, transport := setEnvironment(t)
	colored := func(want bool, terminal bool, args ...string) {
		t.Helper()
		if got := run(transport, nil, terminal, args...); strings.Contains(got.stdout, "\x1b[32mok") != want || strings.Contains(got.stdout, "\x1b") != want {
			t.Errorf("terminal %v, NO_COLOR %q, TERM %q, %q: %.60q", terminal, os.Getenv("NO_COLOR"), os.Getenv("TERM"), args, got.stdout)
		}
	}
	colored(true, true)
	colored(false, false)
	colored(false, true, "-json")
	t.Setenv("TERM", "xterm")
	colored(true, true)
	t.Setenv("TERM", "dumb")
	colored(false, true)
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	colored(false, true)
}

func TestToken(t *testing.T) {
	tenant, transport := setEnvironment(t)
	tenant.APIConfig(auth0test.Audience)
	token := tenant.AccessToken(auth0test.Permissions("read:protected"))
	got := run(transport, strings.NewReader("Bearer "+token+"\n"), false, "-token", "-", "-json")
	var report struct {
		Checks []struct{ Check, Status, Message string }
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || len(report.Checks) == 0 {
		t.Fatalf("%v: %+v", err, got)
	}
	last := report.Checks[len(report.Checks)-1]
	if got.status != 0 || last.Check != "token" || last.Status != "ok" || last.Message != "An access token for the API with permissions: read:protected" {
		t.Errorf("status %d, %+v", got.status, last)
	}
	for part := range strings.SplitSeq(token, ".") {
		if strings.Contains(got.stdout+got.stderr, part) {
			t.Error("the output has a part of the token")
		}
	}
	if got := run(transport, strings.NewReader("opaque-token-of-a-user"), false, "-token", "-"); got.status != 1 ||
		!strings.Contains(got.stdout, "\nFAIL  token          The token is opaque: send audience at login.\n") || strings.Contains(got.stdout, "opaque-token") {
		t.Errorf("an opaque token: %+v", got)
	}
}

// full is an output that fails every write.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestFullDisk(t *testing.T) {
	_, transport := setEnvironment(t)
	for _, args := range [][]string{nil, {"-json"}} {
		var stderr bytes.Buffer
		p := program{stdout: full{}, stderr: &stderr, transport: transport}
		if status := p.run(context.Background(), args); status != 1 || stderr.String() != "auth0-doctor: short write\n" {
			t.Errorf("%q: %d %q", args, status, stderr.String())
		}
	}
}

func TestIsTerminal(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	if isTerminal(f) {
		t.Error("a file is a terminal")
	}
	f.Close()
	if isTerminal(f) {
		t.Error("a closed file is a terminal")
	}
}
