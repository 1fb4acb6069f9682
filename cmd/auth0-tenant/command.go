package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// patience is the time for a command to end after a signal.
const patience = 10 * time.Second

// runCommand runs the command with the variables, and returns its exit status.
func runCommand(ctx context.Context, s *server, p process) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, s.options.command[0], s.options.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.stdin, p.stdout, p.stderr
	cmd.Env = environment(p.environ, s.variables())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(p.stderr, "auth0-tenant: %v\n", err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return exitNotFound
		}
		return exitNotRunnable
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return status(cmd.ProcessState, err)
		case sig := <-p.signals:
			if !p.terminal || sig != os.Interrupt && sig != syscall.SIGQUIT {
				cmd.Process.Signal(sig) // it fails if the command has ended
			}
		case err := <-s.failed:
			fmt.Fprintf(p.stderr, "auth0-tenant: the tenant has stopped: %v\n", err)
			cancel(err)
		}
	}
}

// status returns the exit status of a command. A command that a signal has ended has
// 128 and the number of the signal, as in a shell.
func status(state *os.ProcessState, err error) int {
	if state == nil {
		return exitFailure
	}
	if wait, ok := state.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		return 128 + int(wait.Signal())
	}
	if code := state.ExitCode(); code != 0 || err == nil {
		return code
	}
	return exitFailure // its output was not read, or the command was canceled
}

// environment replaces the variables of the application. It removes those of another
// tenant, because an application would read them first.
func environment(environ []string, list []variable) []string {
	var env []string
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !misleads(name) {
			env = append(env, entry)
		}
	}
	for _, v := range list {
		env = append(env, v.name+"="+v.value)
	}
	return env
}

// misleads reports whether a variable is of another tenant.
func misleads(name string) bool {
	switch name {
	case "AUTH0_BASE_URL", "AUTH0_CALLBACK_URL", "AUTH0_CLIENT_ASSERTION_SIGNING_KEY", "AUTH0_CLIENT_ASSERTION_SIGNING_ALG":
		return true
	}
	return false
}
