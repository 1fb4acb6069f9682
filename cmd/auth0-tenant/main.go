// Command auth0-tenant runs an Auth0-shaped tenant on this machine, for applications in
// any language: login pages, users, tokens and keys, with no account and no network.
//
//	auth0-tenant -app http://localhost:3000 -- npm start
//
// It runs the command with AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and the
// other variables of an application in its environment, and ends with its exit status.
// Without a command it prints the variables. The guide docs/tenant.md has examples.
//
// The tenant protects nothing, so it listens on the loopback interface unless the flag
// -listen names another address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	os.Exit(run(context.Background(), os.Args[1:], process{
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		environ:  os.Environ(),
		signals:  signals,
		terminal: hasTerminal(),
	}))
}

// A process is the environment of the program.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	signals        <-chan os.Signal
	terminal       bool // a terminal sends its signals to the command, too
}

// hasTerminal reports whether the process has a controlling terminal.
func hasTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// Exit statuses. The last two are those of a shell.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitNotRunnable = 126
	exitNotFound    = 127
)

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, p process) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(p.stdout, help)
		return 0
	case err != nil:
		fmt.Fprintf(p.stderr, "auth0-tenant: %v\nRun auth0-tenant -h for the options.\n", err)
		return exitUsage
	}
	s, err := start(o)
	if err != nil {
		fmt.Fprintf(p.stderr, "auth0-tenant: %v\n", err)
		return exitFailure
	}
	defer s.stop()
	for _, warning := range s.warnings() {
		fmt.Fprintf(p.stderr, "auth0-tenant: warning: %s\n", warning)
	}
	io.WriteString(p.stderr, s.banner())
	if len(o.command) > 0 {
		return runCommand(ctx, s, p)
	}
	if err := publish(p.stdout, o.format, s.variables()); err != nil {
		fmt.Fprintf(p.stderr, "auth0-tenant: %v\n", err)
		return exitFailure
	}
	return wait(ctx, s, p)
}

// publish writes the variables and closes the output. A shell that reads them then
// continues while the tenant runs.
func publish(w io.Writer, format string, list []variable) error {
	if _, err := io.WriteString(w, formats[format](list)); err != nil {
		return fmt.Errorf("the variables cannot be written: %w", err)
	}
	c, ok := w.(io.Closer)
	if !ok {
		return nil
	}
	if err := c.Close(); err != nil {
		return fmt.Errorf("the variables cannot be written: %w", err)
	}
	if w == io.Writer(os.Stdout) {
		// The next connection must not get the number of the standard output.
		if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
			os.Stdout = null
		}
	}
	return nil
}

// wait returns when the program is told to end.
func wait(ctx context.Context, s *server, p process) int {
	select {
	case <-ctx.Done():
	case <-p.signals:
	case err := <-s.failed:
		fmt.Fprintf(p.stderr, "auth0-tenant: the tenant has stopped: %v\n", err)
		return exitFailure
	}
	return 0
}
