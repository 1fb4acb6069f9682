package testproc

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// failing is a test that has to fail.
type failing struct {
	testing.TB
	said     string
	cleanups []func()
}

func (f *failing) Helper()          {}
func (f *failing) Failed() bool     { return false }
func (f *failing) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }
func (f *failing) Fatal(args ...any) {
	f.said = fmt.Sprint(args...)
	runtime.Goexit()
}
func (f *failing) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

func fails(run func(testing.TB)) string {
	f := &failing{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(f)
	}()
	<-done
	for _, cleanup := range f.cleanups {
		cleanup()
	}
	return f.said
}

func TestFindNothing(t *testing.T) {
	said := fails(func(tb testing.TB) { Find(tb, "no-such-program", "no-such-package") })
	if !strings.Contains(said, "no-such-program") || !strings.Contains(said, "apt-get install no-such-package") {
		t.Errorf("it says %q", said)
	}
}

// TestEndsEarly: the kit does not wait for a server that does not start.
func TestEndsEarly(t *testing.T) {
	start := time.Now()
	said := fails(func(tb testing.TB) {
		Start(tb, exec.Command("go", "version"), func() error { return errors.New("not ready") })
	})
	if !strings.Contains(said, "it has ended") || time.Since(start) > patience {
		t.Errorf("after %v it says %q", time.Since(start), said)
	}
}

// TestFreePort: no port comes twice, and none with a listener.
func TestFreePort(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		port := FreePort(t)
		if seen[port] {
			t.Fatalf("port %s comes twice", port)
		}
		seen[port] = true
		if isFree(port) {
			t.Errorf("port %s is not reserved", port)
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Errorf("port %s is in use: %v", port, err)
			continue
		}
		l.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, port, _ := net.SplitHostPort(l.Addr().String()); isFree(port) {
		t.Errorf("port %s is taken for free, and a server listens on it", port)
	}
}
