// Package testproc runs servers for tests, such as Redis: each on a port of its
// own on this machine, until the test ends.
package testproc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// patience is how long a server may take to start or to end. Machines that run
// tests are busy.
const patience = 30 * time.Second

// Find returns where a program is: in PATH, or in a directory that is not in it.
// Without it the test fails, and says which Debian package has it.
func Find(t testing.TB, program, debian string, elsewhere ...string) string {
	t.Helper()
	for _, candidate := range append([]string{program}, elsewhere...) {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not on PATH: install it (on Debian: apt-get install %s)", program, debian)
	return ""
}

// A Process is a server that runs.
type Process struct {
	cmd    *exec.Cmd
	out    *output
	exited chan struct{}
}

// Start runs a command and waits until ready returns no error. The process is
// interrupted when the test ends; if that is of no use it is killed. What it has
// written is in the log of a test that fails.
func Start(t testing.TB, cmd *exec.Cmd, ready func() error) *Process {
	t.Helper()
	p := &Process{cmd: cmd, out: &output{}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s has written:\n%s", cmd.Path, p.Output())
		}
	})
	if err := p.wait(ready); err != nil {
		t.Fatalf("%s: %v", cmd.Path, err)
	}
	return p
}

func (p *Process) wait(ready func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return errors.New("it has ended")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is not ready after %v: %w", patience, err)
		}
	}
}

func (p *Process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// Signal sends a signal.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Output returns what the process has written so far.
func (p *Process) Output() string { return p.out.String() }

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Redis runs a Redis that keeps nothing on disk, with further arguments, and
// returns its address.
func Redis(t testing.TB, args ...string) (address string, p *Process) {
	t.Helper()
	program, port := Find(t, "redis-server", "redis-server"), FreePort(t)
	address = net.JoinHostPort("127.0.0.1", port)
	args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no"}, args...)
	return address, Start(t, exec.Command(program, args...), func() error { return ping(address) })
}

// ping asks whether it is Redis that listens, and ready.
func ping(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	answer := make([]byte, len("+PONG\r\n"))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+PONG\r\n" {
		return fmt.Errorf("the answer is %q, %w", answer, err)
	}
	return nil
}
