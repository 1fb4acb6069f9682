package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/seed-15d5a55c/auth0/internal/testkit" // its keys, which need no generation
)

// A buffer is an output that the test reads while the program writes.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// A running is the running program.
type running struct {
	t       *testing.T
	out     string // the variables
	env     map[string]string
	stderr  *buffer
	signals chan os.Signal
	ended   chan int
}

// begin runs the program on a free port, without a command, until it has printed the
// variables and closed its output.
func begin(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{t: t, stderr: &buffer{}, signals: make(chan os.Signal), ended: make(chan int, 1), env: map[string]string{}}
	read, write := io.Pipe()
	args = append([]string{"-listen", "127.0.0.1:0", "-format", "json"}, args...)
	go func() {
		r.ended <- run(t.Context(), args, process{stdout: write, stderr: r.stderr, signals: r.signals})
		write.Close()
	}()
	out, err := io.ReadAll(read)
	if err != nil || len(out) == 0 {
		t.Fatalf("%v; output %q, errors:\n%s", err, out, r.stderr)
	}
	r.out = string(out)
	if strings.HasPrefix(r.out, "{") {
		if err := json.Unmarshal(out, &r.env); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { r.end() })
	return r
}

// end interrupts the program and returns its exit status.
func (r *running) end() int {
	select {
	case r.signals <- os.Interrupt:
	case status := <-r.ended:
		r.ended <- status
		return status
	case <-time.After(time.Minute):
		r.t.Error("the program does not take a signal")
		return -1
	}
	status := <-r.ended
	r.ended <- status
	return status
}

// control calls a control and returns the status and the response.
func (r *running) control(method, name, body string, header ...string) (int, string) {
	r.t.Helper()
	return call(r.t, http.DefaultClient, method, r.env["AUTH0_TENANT_CONTROL"]+name, body, header...)
}

// call makes a request. An empty value removes a header.
func call(t *testing.T, client *http.Client, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
