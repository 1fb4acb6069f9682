// Command auth0-doctor checks a configuration against its tenant of Auth0 from outside.
// It needs the environment of the application, or a file with it, and no credentials of
// the Management API:
//
//	go run github.com/seed-15d5a55c/auth0/cmd/auth0-doctor -env .env
//
// It prints one line per check, and then what to change. The exit status is 1 if a check
// has failed, and 2 if the command line is wrong. It prints no secret and no token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/doctor"
	"github.com/seed-15d5a55c/auth0/internal/environment"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, color: isTerminal(os.Stdout)}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// The exit statuses.
const (
	exitWell  = 0
	exitFail  = 1
	exitUsage = 2
)

const (
	// maxTime bounds all requests together. Each also has a limit.
	maxTime = 60 * time.Second
	// maxInput bounds the file of variables, and the token on standard input.
	maxInput = 64 << 10
)

// A program is the doctor with its input and output.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	color          bool              // the output is a terminal
	transport      http.RoundTripper // nil outside of tests
}

// flags are those of the command line.
type flags struct {
	env, app, token, callback, login string
	json                             bool
}

const usage = `auth0-doctor checks a configuration against its tenant of Auth0 from outside.

It reads AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET, APP_BASE_URL and
AUTH0_AUDIENCE, makes at most 15 requests, and prints no secret and no token.

  auth0-doctor
  auth0-doctor -env .env
  auth0-doctor -env .env -app https://app.example.com
  auth0-doctor -env .env -token - < token.txt

`

// run makes an examination and returns the exit status.
func (p program) run(ctx context.Context, args []string) int {
	f, err := p.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return exitWell
	}
	if err != nil {
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	options, err := p.options(ctx, f)
	if err != nil {
		fmt.Fprintf(p.stderr, "auth0-doctor: %v\n", err)
		return exitUsage
	}
	report := doctor.Examine(ctx, options)
	if f.json {
		err = report.WriteJSON(p.stdout)
	} else {
		err = report.WriteText(p.stdout, p.color && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "auth0-doctor: %v\n", err)
		return exitFail
	}
	if report.Failed > 0 {
		return exitFail
	}
	return exitWell
}

func (p program) parse(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("auth0-doctor", flag.ContinueOnError)
	set.SetOutput(p.stderr)
	set.StringVar(&f.env, "env", "", "read variables from the `file`; those of the environment take precedence")
	set.StringVar(&f.app, "app", "", "check the application that runs at the `URL`")
	set.StringVar(&f.token, "token", "", "check an access token: - reads it from standard input")
	set.StringVar(&f.callback, "callback", "", "`path` of the callback, by default /auth/callback")
	set.StringVar(&f.login, "login", "", "`path` of the login route, by default /auth/login")
	set.BoolVar(&f.json, "json", false, "print JSON")
	set.Usage = func() {
		fmt.Fprint(p.stderr, usage)
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return f, err
	}
	err := f.check(set.Args())
	if err != nil {
		fmt.Fprintf(p.stderr, "auth0-doctor: %v\n", err)
	}
	return f, err
}

func (f flags) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return errors.New("there are arguments after the flags")
	case f.token != "" && f.token != "-":
		return errors.New("-token takes only -, for standard input: other users of this machine see arguments")
	case f.callback != "" && !strings.HasPrefix(f.callback, "/"):
		return errors.New("-callback is not a path that begins with a slash")
	case f.login != "" && !strings.HasPrefix(f.login, "/"):
		return errors.New("-login is not a path that begins with a slash")
	}
	return nil
}

// options reads the input of an examination.
func (p program) options(ctx context.Context, f flags) (doctor.Options, error) {
	shadowed, err := loadEnv(f.env)
	if err != nil {
		return doctor.Options{}, err
	}
	token := ""
	if f.token == "-" {
		if token, err = readToken(ctx, p.stdin); err != nil {
			return doctor.Options{}, err
		}
	}
	return doctor.Options{
		Settings: environment.Read(os.Getenv), Shadowed: shadowed, Port: os.Getenv("PORT"), Mistakes: mistakes(f.callback),
		CallbackPath: f.callback, LoginPath: f.login, AppURL: f.app, Token: token, Transport: p.transport,
	}, nil
}

// mistakes returns the mistakes that the library finds.
func mistakes(callback string) error {
	config, err := auth0.ConfigFromEnv()
	if err != nil {
		return err
	}
	if callback != "" {
		config.CallbackPath = callback
	}
	if config.ClientSecret == "" && os.Getenv("AUTH0_CLIENT_ASSERTION_SIGNING_KEY") == "" {
		// The program can have a ClientAuthentication, or a ResponseType that needs none.
		config.ClientAuthentication = auth0.PublicClient()
	}
	config.Logger = slog.New(slog.DiscardHandler) // the report has the mistakes
	_, err = auth0.New(config)
	return err
}

// loadEnv adds the variables of a file to the environment, which takes precedence, as in
// packages that load these files. It returns the names with two values.
func loadEnv(name string) (shadowed []string, err error) {
	if name == "" {
		return nil, nil
	}
	// A pipe would keep the doctor waiting.
	if info, err := os.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() || info.Size() > maxInput {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", name, maxInput)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	list, err := doctor.ParseEnv(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	last := map[string]string{}
	for _, v := range list {
		last[v.Name] = v.Value
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		given, isSet := os.LookupEnv(name)
		if !isSet {
			err = errors.Join(err, os.Setenv(name, last[name]))
		} else if given != last[name] {
			shadowed = append(shadowed, name)
		}
	}
	return shadowed, err
}

// readToken reads a token, limited in size and time.
func readToken(ctx context.Context, stdin io.Reader) (string, error) {
	type input struct {
		text []byte
		err  error
	}
	read := make(chan input, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(stdin, maxInput+1))
		read <- input{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.New("no token came on standard input")
	case in := <-read:
		token := strings.TrimSpace(string(in.text))
		switch {
		case in.err != nil:
			return "", errors.New("standard input cannot be read")
		case len(in.text) > maxInput:
			return "", fmt.Errorf("the token on standard input is longer than %d bytes", maxInput)
		case token == "":
			return "", errors.New("standard input has no token")
		}
		return strings.TrimSpace(strings.TrimPrefix(token, "Bearer ")), nil
	}
}

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
