package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/publicsecret"
)

const help = `auth0-tenant runs an Auth0-shaped tenant on this machine, for tests and development.

Usage: auth0-tenant [options] [-- command [arguments]]

With a command, it runs the command with the variables of an application in its
environment, forwards signals, and ends with the exit status of the command. Without
a command, it prints the variables, closes its output and runs until Ctrl-C.

  -app URL            base URL of the application (default http://localhost:3000)
  -audience ID        identifier of the API (default https://api.acme.example/)
  -callback URL       a further callback URL of the application, or its path below -app;
                      can be repeated. The usual ones are allowed: /callback,
                      /auth/callback, /api/auth/callback, /oauth2/callback and others
  -format FORMAT      of the variables: env for eval in a shell (default), json, dotenv
  -host NAME          a further host name by which programs reach the tenant; can be
                      repeated. The host of -url, localhost and IP addresses are allowed
  -listen ADDRESS     host and port (default 127.0.0.1:4000); port 0 is a free one
  -logout URL         a further URL for the way back from a logout, or its path below
                      -app; can be repeated. The base URL is allowed
  -organizations      users choose one of their organizations when they log in
  -seed TEXT          client ids, secrets and signing keys that depend on TEXT only;
                      without it they are new in every run
  -tls FILE           serve https, and write the certificate to FILE, for
                      NODE_EXTRA_CA_CERTS, SSL_CERT_FILE or curl --cacert
  -url URL            the tenant's own URL, if applications and browsers reach it by
                      another one than -listen, such as a port of a container
  -users FILE         further users, a JSON array such as
                      [{"email": "eve@acme.example", "password": "correct horse",
                        "name": "Eve", "permissions": ["read:protected"]}]

Variables: AUTH0_DOMAIN, AUTH0_ISSUER_BASE_URL and AUTH0_TENANT_DOMAIN (the URL of the
tenant), AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET (for the cookies of the
application), AUTH0_AUDIENCE, APP_BASE_URL, AUTH0_SPA_CLIENT_ID (an application without
a secret), AUTH0_TENANT_CONTROL (the URL of the controls), with -tls
NODE_EXTRA_CA_CERTS, and with -format env AUTH0_TENANT_PID.

Controls: GET AUTH0_TENANT_CONTROL lists them. Send JSON by POST:
  curl -H 'Content-Type: application/json' -d '{"endpoint": "token", "status": 503}' \
    "${AUTH0_TENANT_CONTROL}fail"

Users: ada@acme.example and bob@acme.example, password "correct horse", and one or more
behind each other button. Everybody knows these passwords, so do not let other machines
reach the tenant, and do not use the tenant for an application with real data.
`

// options are the flags and the arguments.
type options struct {
	app           *url.URL
	audience      string
	callbacks     []string
	format        string
	hosts         []string // in lower case
	listen        string
	logouts       []string
	organizations bool
	seed          string
	certificate   string // the file
	url           string
	users         []user
	command       []string
}

// parse reads the arguments. The error is [flag.ErrHelp] for -h.
func parse(args []string) (options, error) {
	var o options
	flags := newFlags(&o)
	app := flags.String("app", "http://localhost:3000", "")
	users := flags.String("users", "", "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.command = flags.Args()
	if formats[o.format] == nil {
		return o, fmt.Errorf("-format %q: want %s", o.format, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	var err error
	if o.app, err = parseURL("-app", *app); err != nil {
		return o, err
	}
	if o.url != "" {
		if _, err := parseURL("-url", o.url); err != nil {
			return o, err
		}
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return o, fmt.Errorf("-listen %q: want a host and a port, such as 127.0.0.1:4000", o.listen)
	}
	if strings.ContainsFunc(o.audience, isOdd) || o.audience == "" {
		return o, fmt.Errorf("-audience %q: want an identifier of printable characters without spaces", o.audience)
	}
	for _, list := range []struct {
		flag string
		urls []string
	}{{"-callback", o.callbacks}, {"-logout", o.logouts}} {
		if err := o.resolve(list.flag, list.urls); err != nil {
			return o, err
		}
	}
	if *users != "" {
		o.users, err = readUsers(*users)
	}
	return o, err
}

// newFlags returns the flags, of which most are fields of o.
func newFlags(o *options) *flag.FlagSet {
	flags := flag.NewFlagSet("auth0-tenant", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error, and a help text with groups
	flags.StringVar(&o.audience, "audience", "https://api.acme.example/", "")
	flags.StringVar(&o.format, "format", "env", "")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:4000", "")
	flags.BoolVar(&o.organizations, "organizations", false, "")
	flags.StringVar(&o.seed, "seed", "", "")
	flags.StringVar(&o.certificate, "tls", "", "")
	flags.StringVar(&o.url, "url", "", "")
	flags.Func("callback", "", adder(&o.callbacks))
	flags.Func("host", "", func(name string) error {
		if name == "" || strings.ContainsFunc(name, isOdd) || strings.ContainsAny(name, `:/\?#@[]*`) {
			return errors.New("want a host name without scheme and port, such as host.docker.internal")
		}
		o.hosts = append(o.hosts, strings.ToLower(name))
		return nil
	})
	flags.Func("logout", "", adder(&o.logouts))
	return flags
}

func adder(list *[]string) func(string) error {
	return func(value string) error {
		*list = append(*list, value)
		return nil
	}
}

// parseURL parses a base URL.
func parseURL(flag, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsFunc(raw, isOdd) {
		return nil, fmt.Errorf("%s %q: want a URL such as http://localhost:3000", flag, raw)
	}
	return u, nil
}

// isOdd reports whether r is in no URL and in no identifier of an API.
func isOdd(r rune) bool { return r <= ' ' || r >= 0x7f }

// resolve replaces the paths of a list by URLs below the base URL of the application.
func (o options) resolve(flag string, list []string) error {
	for i, raw := range list {
		if strings.HasPrefix(raw, "/") {
			list[i] = o.base() + raw
			continue
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme == "" || u.User != nil || strings.ContainsFunc(raw, isOdd) {
			return fmt.Errorf("%s %q: want a URL, or a path that begins with a slash", flag, raw)
		}
		if web := u.Scheme == "http" || u.Scheme == "https"; web && u.Host != o.app.Host && !isLocal(u) {
			return fmt.Errorf("%s %q: real users can reach this host, and the tenant lets everybody in; use the host of -app", flag, raw)
		}
	}
	return nil
}

// base returns the base URL of the application, without a slash at the end.
func (o options) base() string { return strings.TrimSuffix(o.app.String(), "/") }

// isLocal reports whether only this machine, or a network with private names, has the
// host of a URL.
func isLocal(u *url.URL) bool {
	return publicsecret.MayBeUsed(u.String()) || !strings.ContainsAny(u.Hostname(), ".:")
}
