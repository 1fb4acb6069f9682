// Package provider runs the library against an OpenID provider that somebody else wrote:
// oidc-provider in Node, which the OpenID Foundation has certified.
package provider

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// The APIs that the provider knows.
const (
	orders   = "https://orders.example.com/"   // its access tokens are signed with RS256
	invoices = "https://invoices.example.com/" // with ES256
)

// TestProvider logs in, gets tokens and logs out with one provider.
func TestProvider(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	t.Run("group", func(t *testing.T) { // which ends before the provider
		for name, part := range map[string]func(*testing.T, *provider){
			"login": testLogin, "algorithm": testAlgorithm, "claims": testClaims, "fresh": testFresh, "silent": testSilent, "denied": testDenied, "mixed up": testMixedUp,
			"API": testAPI, "refresh": testRefresh, "program": testProgram, "DPoP": testDPoP, "certificate": testCertificate, "machine": testMachine, "device": testDevice,
			"logout": testLogout, "back-channel logout": testBackchannelLogout,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, p)
			})
		}
	})
}

// A provider is a running process of provider.mjs.
type provider struct {
	issuer      string
	certificate tls.Certificate // of every server of this package
	roots       *x509.CertPool
	process     *testproc.Process
}

// start runs the provider until the test ends, with an issuer with this path.
func start(t *testing.T, path string) *provider {
	t.Helper()
	p := &provider{issuer: "https://localhost:" + testproc.FreePort(t) + path, roots: x509.NewCertPool()}
	var certificate, key []byte
	p.certificate, certificate, key = newCertificate(t)
	p.roots.AddCert(p.certificate.Leaf)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	certificateFile := write("certificate.pem", certificate)
	cmd := exec.Command(testproc.Find(t, "node", "nodejs"), "provider.mjs", p.issuer, certificateFile, write("key.pem", key))
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+certificateFile)
	client := p.client(t)
	p.process = testproc.Start(t, cmd, func() error {
		resp, err := client.Get(p.issuer + "/.well-known/openid-configuration")
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	return p
}

// newCertificate returns a certificate for this machine. It signs itself, so it is the
// root too.
func newCertificate(t *testing.T) (pair tls.Certificate, certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if pair, err = tls.X509KeyPair(certificate, key); err != nil {
		t.Fatal(err)
	}
	return pair, certificate, key
}

// client returns a client that trusts the servers of this package.
func (p *provider) client(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// serve runs a handler until the test ends, and returns its URL.
func (p *provider) serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{p.certificate}, ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// metadata are members of the registration of an application (RFC 7591, Section 2).
type metadata map[string]any

// register registers an application.
func (p *provider) register(t *testing.T, m metadata) (id, secret string) {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.client(t).Post(p.issuer+"/reg", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var registered struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if answer := read(t, resp); resp.StatusCode != http.StatusCreated || json.Unmarshal([]byte(answer), &registered) != nil {
		t.Fatalf("registration: status %d: %s", resp.StatusCode, answer)
	}
	return registered.ID, registered.Secret
}

// An app is a web application of the library.
type app struct {
	*auth0.Strategy
	config auth0.Config
	url    string
	log    *output
}

// app registers a web application and runs it. A client secret is in the body, unless the
// metadata or the configuration say otherwise.
func (p *provider) app(t *testing.T, m metadata, edit ...func(*auth0.Config)) *app {
	t.Helper()
	var handler http.Handler
	a := &app{log: newOutput(t)}
	a.url = p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	all := metadata{
		"redirect_uris": []string{a.url + "/auth/callback"}, "post_logout_redirect_uris": []string{a.url},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "client_secret_post",
	}
	for name, value := range m {
		if text, ok := value.(string); ok {
			value = strings.ReplaceAll(text, "$APP", a.url)
		}
		all[name] = value
	}
	id, secret := p.register(t, all)
	a.config = auth0.Config{
		Domain: p.issuer, ClientID: id, ClientSecret: secret, BaseURL: a.url, Secrets: []string{rand.Text() + rand.Text()},
		CookieName: "app_" + strings.ToLower(rand.Text()), HTTPClient: p.client(t), Logger: a.log.logger(), Store: auth0.NewMemoryStore(100),
	}
	for _, e := range edit {
		e(&a.config)
	}
	var err error
	if a.Strategy, err = auth0.New(a.config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	a.Register(mux)
	mux.Handle("GET /{$}", http.HandlerFunc(a.home))
	mux.Handle("GET /private", a.RequireLogin(http.HandlerFunc(a.home)))
	mux.Handle("GET /stepup", a.RequireStepUp(time.Minute)(http.HandlerFunc(a.home)))
	mux.Handle("GET /authenticated", http.HandlerFunc(a.authenticated))
	mux.Handle("GET /silent", a.TrySilentLogin(http.HandlerFunc(a.home)))
	mux.Handle("GET /token", http.HandlerFunc(a.token))
	mux.Handle("GET /call", http.HandlerFunc(a.call))
	mux.Handle("GET /userinfo", http.HandlerFunc(a.userinfo))
	handler = a.LoadUser(mux)
	return a
}

// refused compares the only refusal in the log.
func (a *app) refused(t *testing.T, reason string) {
	t.Helper()
	found := refusal.FindAllStringSubmatch(a.log.String(), -1)
	if len(found) != 1 || found[0][1] != reason {
		t.Errorf("the log has the reasons %q, want %s", found, reason)
	}
}

var refusal = regexp.MustCompile(` reason=(\w+)`)

// home writes the claims of the user.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	user, ok := auth0.UserFrom(r.Context())
	if !ok {
		fmt.Fprint(w, "nobody")
		return
	}
	fmt.Fprintf(w, "%s|%s|%s", user.Subject, user.Name, user.Email)
}

// authenticated writes when the user authenticated.
func (a *app) authenticated(w http.ResponseWriter, r *http.Request) {
	session, err := a.Session(r)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	fmt.Fprint(w, session.AuthenticatedAt.UTC().Format("at "+time.RFC3339))
}

// token writes the access token of the session, or the reason why there is none.
func (a *app) token(w http.ResponseWriter, r *http.Request) {
	var opts []auth0.TokenOption
	if r.URL.Query().Has("refresh") {
		opts = append(opts, auth0.ForceRefresh())
	}
	token, err := a.AccessToken(w, r, opts...)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	fmt.Fprint(w, token.AccessToken)
}

// call calls an API with the access token of the session.
func (a *app) call(w http.ResponseWriter, r *http.Request) {
	client := a.Client(w, r)
	client.Transport.(*auth0.ProofTransport).Base = a.config.HTTPClient.Transport
	resp, err := client.Get(r.FormValue("url"))
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

// userinfo writes what the provider knows about the user.
func (a *app) userinfo(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	token, err := a.AccessToken(w, r)
	if err == nil {
		user, err = a.Application().UserInfo(r.Context(), token, user.Subject)
	}
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	fmt.Fprintf(w, "%s|%s|%s", user.Subject, user.Name, user.Email)
}

// A browser follows redirects and clicks through the pages of the provider.
type browser struct {
	t      *testing.T
	client *http.Client
	user   string         // who logs in
	cancel bool           // on the provider's first page
	pages  []string       // of the provider, which the browser has seen
	before func(*url.URL) // changes the URL of a request
}

func (p *provider) browser(t *testing.T, user string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, user: user, client: p.client(t)}
	b.client.Jar = jar
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// The parts of a page that a browser or its user acts on.
var (
	form    = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)".*?</form>`)
	input   = regexp.MustCompile(`<input[^>]* name="([^"]*)" value="([^"]*)"`)
	cancel  = regexp.MustCompile(`<a href="([^"]*)">\[ Cancel \]`)
	refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)"`)
)

// A page is the end of a navigation.
type page struct {
	status int
	url    *url.URL
	body   string
}

func (g page) String() string {
	return fmt.Sprintf("status %d at %s: %s", g.status, g.url.Path, g.body)
}

// open navigates to a URL. It returns the first page that is not one of the provider's
// steps.
func (b *browser) open(target string) page {
	b.t.Helper()
	return b.navigate(http.MethodGet, target, nil)
}

// post submits a form of the application's own page.
func (b *browser) post(target string) page {
	b.t.Helper()
	return b.navigate(http.MethodPost, target, url.Values{})
}

func (b *browser) navigate(method, target string, values url.Values) page {
	b.t.Helper()
	from, site := "", "none"
	if method == http.MethodPost {
		u, _ := url.Parse(target)
		from, site = u.Scheme+"://"+u.Host, "same-origin"
	}
	for range 30 {
		u, err := url.Parse(target)
		if err != nil {
			b.t.Fatal(err)
		}
		if b.before != nil {
			b.before(u)
		}
		r, err := http.NewRequestWithContext(b.t.Context(), method, u.String(), strings.NewReader(values.Encode()))
		if err != nil {
			b.t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		r.Header.Set("Sec-Fetch-Site", site)
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", from)
		}
		resp, err := b.client.Do(r)
		if err != nil {
			b.t.Fatal(err)
		}
		end := page{resp.StatusCode, u, read(b.t, resp)}
		next := resp.Header.Get("Location")
		if found := refresh.FindStringSubmatch(end.body); next == "" && found != nil {
			next = html.UnescapeString(found[1])
		}
		if next != "" {
			to, err := u.Parse(next)
			if err != nil {
				b.t.Fatal(err)
			}
			if to.Host != u.Host {
				site = "cross-site"
			}
			method, target, values = http.MethodGet, to.String(), nil
			continue
		}
		if next, values = b.act(end); next == "" {
			return end
		}
		to, err := u.Parse(next)
		if err != nil {
			b.t.Fatal(err)
		}
		method, from, site = http.MethodPost, u.Scheme+"://"+u.Host, "same-origin"
		if values == nil {
			method = http.MethodGet
		}
		if to.Host != u.Host {
			site = "cross-site"
		}
		target = to.String()
	}
	b.t.Fatalf("too many redirects: %s", target)
	return page{}
}

// act does what the user or a script does on a page of the provider. It returns no URL for
// any other page.
func (b *browser) act(at page) (target string, values url.Values) {
	found := form.FindStringSubmatch(at.body)
	if found == nil {
		return "", nil
	}
	values = url.Values{}
	for _, field := range input.FindAllStringSubmatch(found[0], -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	switch {
	case strings.Contains(at.body, `name="login"`):
		b.pages = append(b.pages, "login")
		values.Set("login", b.user)
		values.Set("password", "any")
	case values.Get("prompt") == "consent":
		b.pages = append(b.pages, "consent")
	case strings.Contains(at.body, "op.logoutForm"):
		b.pages = append(b.pages, "logout")
		values.Set("logout", "yes")
	case strings.Contains(at.body, "op.deviceConfirmForm"):
		b.pages = append(b.pages, "device")
	case strings.Contains(at.body, "document.forms[0].submit()"):
		b.pages = append(b.pages, "form")
	default:
		return "", nil
	}
	if stop := cancel.FindStringSubmatch(at.body); b.cancel && stop != nil {
		return html.UnescapeString(stop[1]), nil
	}
	return html.UnescapeString(found[1]), values
}

// saw reports the provider's pages since the last call.
func (b *browser) saw() string {
	pages := strings.Join(b.pages, " ")
	b.pages = nil
	return pages
}

// expect compares a page with the user that it should name.
func (b *browser) expect(got page, status int, body string) {
	b.t.Helper()
	if got.status != status || !strings.Contains(got.body, body) {
		b.t.Errorf("want status %d with %q, got %s", status, body, got)
	}
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// An output collects what an application logs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// newOutput returns an output that a failed test shows.
func newOutput(t *testing.T) *output {
	o := &output{}
	t.Cleanup(func() {
		if text := o.String(); t.Failed() && text != "" {
			t.Logf("the library has written:\n%s", text)
		}
	})
	return o
}

func (o *output) logger() *slog.Logger { return slog.New(slog.NewTextHandler(o, nil)) }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
