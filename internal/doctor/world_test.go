package doctor

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/internal/environment"
)

const (
	tenantHost   = "acme.auth0.example"
	appURL       = "https://app.acme.example"
	apiID        = "https://api.acme.example/"
	clientID     = "9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go"
	clientSecret = "kq7-Uw3_ZxT0b8mJ4nLr6vYcHs1eGfPdOaQi9KtBuXyWzRjMl5DgSoNpVhCeAI2F"
	cookieSecret = "5f0e4c9b7a1d8236e4f90b1c7d2a6358f1e0d9c8b7a69584736251403f2e1d0c"
)

// keyFile has the keys of the test kit: a new key takes most of a second.
var keyBlocks = sync.OnceValue(func() (blocks []*pem.Block) {
	text, err := os.ReadFile("../testkit/keys.pem")
	if err != nil {
		panic(err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	return blocks
})

func init() {
	emulator.KeysFrom(func(i int) *rsa.PrivateKey {
		key, err := x509.ParsePKCS1PrivateKey(keyBlocks()[i].Bytes)
		if err != nil {
			panic(err)
		}
		return key
	})
}

// A world is a tenant, a running application, and the environment of the doctor. A new
// world has no mistake.
type world struct {
	t       *testing.T
	tenant  *emulator.Tenant
	now     time.Time // of the tenant
	env     map[string]string
	options Options
	hosts   map[string]http.Handler
	tenants map[string]*emulator.Tenant // those of addTenant, by host
	errs    map[string]error            // by path
	paths   []string                    // of the requests
}

func newWorld(t *testing.T, edits ...func(*emulator.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), hosts: map[string]http.Handler{}, errs: map[string]error{}}
	cfg := emulator.Config{Host: tenantHost, Now: func() time.Time { return w.now }}
	for _, edit := range edits {
		edit(&cfg)
	}
	tenant, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.tenant = tenant
	must(t, tenant.AddDemo(emulator.Demo{ClientID: clientID, ClientSecret: clientSecret, BaseURL: appURL, Audience: apiID}))
	w.env = map[string]string{"AUTH0_DOMAIN": cfg.Host, "AUTH0_CLIENT_ID": clientID, "AUTH0_CLIENT_SECRET": clientSecret,
		"AUTH0_SECRET": cookieSecret, "APP_BASE_URL": appURL, "AUTH0_AUDIENCE": apiID}
	w.hosts[cfg.Host] = tenant
	if cfg.URL != "" {
		w.env["AUTH0_DOMAIN"] = cfg.URL
		w.hosts[strings.TrimPrefix(cfg.URL, "http://")] = tenant
	}
	now := w.now
	w.options = Options{Transport: w, Now: func() time.Time { return now }}
	return w
}

// addTenant adds a tenant with one application that has the client secret of the world.
func (w *world) addTenant(host, client string) {
	w.t.Helper()
	tenant, err := emulator.New(emulator.Config{Host: host, Now: func() time.Time { return w.now }})
	must(w.t, err)
	must(w.t, tenant.AddDemo(emulator.Demo{ClientID: client, ClientSecret: clientSecret, BaseURL: appURL, Audience: apiID}))
	if w.tenants == nil {
		w.tenants = map[string]*emulator.Tenant{}
	}
	w.hosts[host], w.tenants[host] = tenant, tenant
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// RoundTrip carries a request to the handler of its host.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.paths = append(w.paths, r.Method+" "+r.URL.Host+r.URL.Path)
	if err := w.errs[r.URL.Path]; err != nil {
		return nil, err
	}
	handler := w.hosts[r.URL.Host]
	if handler == nil {
		return nil, errors.New("there is no host " + r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	in.RemoteAddr = "192.0.2.1:1234"
	in.URL.Scheme, in.URL.Host = "", ""
	if in.Body == nil {
		in.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, in)
	resp := recorder.Result()
	resp.Request = r
	return resp, nil
}

func (w *world) examine() Report {
	w.t.Helper()
	w.options.Settings = environment.Read(func(name string) string { return w.env[name] })
	return Examine(context.Background(), w.options)
}

// text is the whole report in plain text.
func text(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	must(t, r.WriteText(&b, false))
	return b.String()
}

// complaints are the report's lines about mistakes, and the advice for them.
func complaints(t *testing.T, r Report) string {
	t.Helper()
	_, lines, _ := strings.Cut(text(t, r), "\n\n")
	if r.Domain == "" && r.ClientID == "" && r.BaseURL == "" {
		lines = text(t, r)
	}
	checks, advice, _ := strings.Cut(lines, "\nWhat to do\n")
	var kept []string
	for line := range strings.SplitSeq(checks, "\n") {
		if strings.HasPrefix(line, "warn ") || strings.HasPrefix(line, "FAIL ") {
			kept = append(kept, line)
		}
	}
	advice, _, _ = strings.Cut(advice, "\nAlso possible\n")
	if i := strings.LastIndex(strings.TrimSuffix(advice, "\n"), "\n"); strings.HasSuffix(advice, "made.\n") {
		advice = advice[:i]
	}
	return strings.TrimSpace(strings.Join(kept, "\n") + "\n" + strings.TrimRight(advice, "\n"))
}

func (w *world) editClient(edit func(*emulator.Client)) {
	must(w.t, w.tenant.EditClient(clientID, edit))
}

func (w *world) editAPI(edit func(*emulator.API)) { must(w.t, w.tenant.EditAPI(apiID, edit)) }

// answers makes an endpoint answer with a fixed response.
func (w *world) answers(e emulator.Endpoint, status int, body string, header ...string) {
	w.tenant.Replace(e, func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			rw.Header().Add(header[i], header[i+1])
		}
		rw.WriteHeader(status)
		io.WriteString(rw, body)
	})
}

// runApp runs the application, behind a proxy if there is one.
func (w *world) runApp(proxy func(http.Handler) http.Handler, edits ...func(*auth0.Config)) {
	w.t.Helper()
	cfg := auth0.Config{Domain: w.env["AUTH0_DOMAIN"], ClientID: clientID, ClientSecret: clientSecret, Secrets: []string{cookieSecret}, BaseURL: appURL,
		Audience: apiID, HTTPClient: &http.Client{Transport: w}, Logger: slog.New(slog.DiscardHandler)}
	for _, edit := range edits {
		edit(&cfg)
	}
	strategy, err := auth0.New(cfg)
	must(w.t, err)
	mux := http.NewServeMux()
	mux.Handle("/auth/", strategy.Handler())
	w.options.AppURL = appURL
	w.hosts["app.acme.example"] = mux
	if proxy != nil {
		w.hosts["app.acme.example"] = proxy(mux)
	}
}

// rewrites is a proxy that changes the headers of responses.
func rewrites(edit func(http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			edit(recorder.Header())
			for name, values := range recorder.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(recorder.Code)
			w.Write(recorder.Body.Bytes())
		})
	}
}

// answersAlways is a proxy without an application.
func answersAlways(status int, header ...string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Add(header[i], header[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, "the page of a proxy")
		})
	}
}

// allow adds an application at another base URL to the lists of the tenant.
func (w *world) allow(base string) {
	w.editClient(func(c *emulator.Client) {
		c.CallbackURLs = append(c.CallbackURLs, base+"/auth/callback")
		c.LogoutURLs = append(c.LogoutURLs, base)
	})
}

// failAfter makes requests to a path fail after the first n.
func (w *world) failAfter(path string, n int) {
	w.options.Transport = laterTransport{w, path, &n, nil}
}

// failAfterWith gives requests to a path a fixed response after the first n.
func (w *world) failAfterWith(path string, n, status int, body string) {
	w.options.Transport = laterTransport{w, path, &n, func() *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	}}
}

type laterTransport struct {
	*world
	path     string
	left     *int
	response func() *http.Response
}

func (l laterTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != l.path || *l.left > 0 {
		if r.URL.Path == l.path {
			*l.left--
		}
		return l.world.RoundTrip(r)
	}
	l.world.paths = append(l.world.paths, r.URL.Path)
	if l.response == nil {
		return nil, errors.New("connection reset")
	}
	resp := l.response()
	resp.Request = r
	return resp, nil
}
