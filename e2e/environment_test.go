package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// serveTenant runs a tenant for the application at a URL.
func serveTenant(t *testing.T, appURL string) *auth0test.Tenant {
	t.Helper()
	tenant, err := auth0test.Serve("127.0.0.1:0", appURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tenant.Close() })
	return tenant
}

// environment returns the variables with which the example uses a tenant.
func environment(tenant *auth0test.Tenant) []string {
	cfg := tenant.Config()
	return []string{
		"AUTH0_DOMAIN=" + cfg.Domain,
		"AUTH0_CLIENT_ID=" + cfg.ClientID,
		"AUTH0_CLIENT_SECRET=" + cfg.ClientSecret,
		"AUTH0_SECRET=" + rand.Text() + rand.Text(),
		"APP_BASE_URL=" + cfg.BaseURL,
		"AUTH0_AUDIENCE=" + cfg.Audience,
	}
}

// TestEnvironment runs the example with a tenant configured by variables only, as a
// provider by URL. This provider has no list of connections, and the log says so.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	tenant := serveTenant(t, "http://localhost:"+port)
	tenant.Fail(auth0test.Management, http.StatusForbidden)
	app := startExampleOn(t, port, environment(tenant)...)
	app.stdout.waitFor(t, "Tenant  "+tenant.URL(), "Open    "+app.url)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.reads("Log in to Fieldnotes")
	tb.shot("one-button")
	if got, want := tb.names("link")[1:], []string{"Log in"}; !slices.Equal(got, want) {
		t.Errorf("the buttons are %q, want %q", got, want)
	}
	// Scopes would not help here: with a URL as the domain, the application does not
	// request the list.
	app.stderr.waitFor(t, "Config.Domain is a URL", "Config.TenantDomain")
	if log := app.stderr.String(); tenant.Calls(auth0test.Management) != 0 || strings.Contains(log, "read:connections") {
		t.Errorf("the log advises scopes:\n%s", log)
	}
	tb.click("link", "Log in")
	tb.at(tenant.URL() + "u/login")
	asAda(tb)
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
	tb.click("link", "Call the API")
	tb.click("button", "GET /api/protected")
	tb.reads("200 /api/protected")
	tb.click("button", "Log out")
	tb.reads("Log in to Fieldnotes")
}

// TestEnvironmentIsIncomplete: the program reports all missing variables at once, and
// does not start.
func TestEnvironmentIsIncomplete(t *testing.T) {
	t.Parallel()
	log, err := startAndFail(t, "webapp", "AUTH0_DOMAIN=acme.auth0.example", "AUTH0_CLIENT_ID=x")
	if err == nil {
		t.Fatal("the example has started and ended well")
	}
	for _, name := range []string{"AUTH0_CLIENT_SECRET", "AUTH0_SECRET", "APP_BASE_URL"} {
		if !strings.Contains(log, name+" is not set") {
			t.Errorf("nothing about %s in:\n%s", name, log)
		}
	}
	for _, name := range []string{"AUTH0_DOMAIN", "AUTH0_CLIENT_ID "} {
		if strings.Contains(log, name+" is not set") {
			t.Errorf("%s is set, but not according to:\n%s", name, log)
		}
	}
}

// A cloud is the example as in production: a tenant with a host name, https everywhere,
// and a proxy in front of the application. Both host names exist on this machine only.
type cloud struct {
	tenant *auth0test.Tenant
	app    *example
	flags  []string // browser flags to reach both
}

// startCloud starts the cloud. It calls prepare before the example starts.
func startCloud(t *testing.T, prepare func(*auth0test.Tenant)) *cloud {
	t.Helper()
	return startNamedCloud(t, "webapp", environment, prepare)
}

func startNamedCloud(t *testing.T, name string, env func(*auth0test.Tenant) []string, prepare func(*auth0test.Tenant)) *cloud {
	t.Helper()
	c := &cloud{tenant: auth0test.NewTenant(t)}
	if prepare != nil {
		prepare(c.tenant)
	}
	cfg := c.tenant.Config()
	port := testproc.FreePort(t)
	certificate, pemFile := newCertificate(t, "app.acme.example", cfg.Domain)

	hosts := map[string]http.Handler{
		"app.acme.example": forward("http://localhost:"+port, nil),
		cfg.Domain:         forward("https://"+cfg.Domain, cfg.HTTPClient.Transport),
	}
	secure := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := hosts[r.Host]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		http.Error(w, "no such host", http.StatusMisdirectedRequest)
	}), &tls.Config{Certificates: []tls.Certificate{certificate}})

	// The example reaches the tenant through a proxy, as in a company's network. The
	// proxy sends every host name to the server above.
	proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tunnel(w, r, secure) }), nil)
	c.app = startNamed(t, name, port, append(env(c.tenant),
		"HTTPS_PROXY=http://"+proxy, "SSL_CERT_FILE="+pemFile)...)
	c.flags = []string{"host-resolver-rules=MAP *.example " + secure, "ignore-certificate-errors="}
	return c
}

func forward(target string, transport http.RoundTripper) http.Handler {
	to, err := url.Parse(target)
	if err != nil {
		panic(err) // unreachable: they are written above
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
	}
}

// serve listens on this machine and returns the address.
func serve(t *testing.T, handler http.Handler, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{Handler: handler}
	t.Cleanup(func() { server.Close() })
	go server.Serve(listener)
	return address
}

// tunnel answers CONNECT.
func tunnel(w http.ResponseWriter, r *http.Request, address string) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	out, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer in.Close()
	io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
	done := make(chan struct{})
	go func() {
		io.Copy(out, in)
		out.Close()
		close(done)
	}()
	io.Copy(in, out)
	in.Close()
	<-done
}

// newCertificate returns a certificate for the names, and a file of roots that a program
// trusts.
func newCertificate(t *testing.T, names ...string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "e2e"},
		DNSNames:              names,
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// TestCloud walks the first minute with a real tenant: variables, buttons, login, logout.
func TestCloud(t *testing.T) {
	t.Parallel()
	c := startCloud(t, nil)
	tb := newBrowser(t, c.flags...)
	tb.open(auth0test.AppURL + "/")
	tb.reads("Log in to Fieldnotes", "Continue with GitHub", "Continue with Fabrikam")
	tb.shot("home")
	tb.click("link", "Continue with Google")
	tb.at("https://acme.auth0.example/u/provider")
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.at(auth0test.AppURL + "/")
	tb.reads("Good to see you, Grace")
	found := false
	for _, cookie := range tb.cookies() {
		if cookie.Domain != "app.acme.example" {
			continue
		}
		found = found || cookie.Name == "__Host-auth0_session"
		if !strings.HasPrefix(cookie.Name, "__Host-auth0_") || !cookie.Secure || !cookie.HTTPOnly || cookie.SameSite != network.CookieSameSiteLax || cookie.Path != "/" {
			t.Errorf("cookie %s: Secure %v, HttpOnly %v, SameSite %q, Path %q", cookie.Name, cookie.Secure, cookie.HTTPOnly, cookie.SameSite, cookie.Path)
		}
	}
	if !found {
		t.Error("there is no cookie __Host-auth0_session")
	}
	tb.click("link", "Call the API")
	tb.click("button", "GET /api/members-only")
	tb.reads("200 /api/members-only")
	tb.click("button", "Log out")
	tb.at(auth0test.AppURL)
	tb.reads("Log in to Fieldnotes")
	tb.open(auth0test.AppURL + "/profile")
	tb.at("https://acme.auth0.example/u/login")
	asAda(tb)
	tb.at(auth0test.AppURL + "/profile")
	tb.reads("ada@acme.example")
	if got := c.tenant.Calls(auth0test.ClientFile); got != 0 {
		t.Errorf("the public client file was asked for %d times", got)
	}
}

// TestCloudWithoutList: the application is not allowed to read the connections. The page
// has one button, and the log names the remedy.
func TestCloudWithoutList(t *testing.T) {
	t.Parallel()
	c := startCloud(t, func(tenant *auth0test.Tenant) { tenant.Fail(auth0test.Management, http.StatusForbidden) })
	tb := newBrowser(t, c.flags...)
	tb.open(auth0test.AppURL + "/")
	tb.reads("Log in to Fieldnotes")
	tb.shot("one-button")
	if got, want := tb.names("link")[1:], []string{"Log in"}; !slices.Equal(got, want) {
		t.Errorf("the buttons are %q, want %q", got, want)
	}
	c.app.stderr.waitFor(t, "403", "read:connections", "read:clients")
	tb.click("link", "Log in")
	tb.at("https://acme.auth0.example/u/login")
	tb.click("link", "Continue with GitHub")
	tb.click("button", "Linus Jensen linus@github.example")
	tb.at(auth0test.AppURL + "/")
	tb.reads("Good to see you, Linus")
	if c.tenant.Calls(auth0test.Management) == 0 {
		t.Error("the tenant was never asked for connections")
	}
}

// TestCloudIsDown: if the tenant does not answer, the user gets a page with a way on.
func TestCloudIsDown(t *testing.T) {
	t.Parallel()
	c := startCloud(t, nil)
	tb := newBrowser(t, c.flags...)
	tb.open(auth0test.AppURL + "/")
	tb.click("link", "Continue with Google")
	tb.reads("Simulated Google sign-in")
	c.tenant.Fail(auth0test.Token, http.StatusServiceUnavailable)
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.reads("We cannot reach the login service. Try again in a minute.")
	tb.shot("token-endpoint-down")
	if d := tb.last(auth0test.AppURL + "/auth/callback"); d.status != http.StatusServiceUnavailable {
		t.Errorf("the answer is %d", d.status)
	}
	c.tenant.Fail(auth0test.Token, 0)
	tb.click("link", "Log in")
	tb.at(auth0test.AppURL + "/")
	tb.reads("Good to see you, Grace")

	// The logout of the application works without the tenant.
	c.tenant.Fail(auth0test.Logout, http.StatusServiceUnavailable)
	tb.click("button", "Log out")
	tb.at("https://acme.auth0.example/")
	tb.shot("logout-endpoint-down")
	tb.open(auth0test.AppURL + "/")
	tb.reads("Log in to Fieldnotes")
}
