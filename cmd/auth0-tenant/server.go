package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// callbackPaths are the callback paths of SDKs and proxies, below the base URL of the
// application. AddDemo allows /auth/callback.
var callbackPaths = []string{
	"/callback",
	"/api/auth/callback",
	"/api/auth/callback/auth0",
	"/auth/auth0/callback",
	"/login/callback",
	"/login/oauth2/code/auth0",
	"/oauth2/callback",
	"/oidc/callback",
	"/signin-oidc",
}

// A server is a tenant that listens.
type server struct {
	tenant   *emulator.Tenant
	options  options
	identity identity
	listener net.Listener
	http     *http.Server
	control  string     // the URL of the controls
	failed   chan error // why the server stopped by itself
}

// start makes the tenant of the options, and listens.
func start(o options) (*server, error) {
	listener, err := listen(o.listen)
	if err != nil {
		return nil, err
	}
	s, err := newServer(o, listener)
	if err != nil {
		listener.Close()
		return nil, err
	}
	go s.serve()
	go s.tenant.MakeKeys()
	return s, nil
}

// listen opens the address. Its errors name the flag.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("another program listens on %s; name another port, such as -listen 127.0.0.1:4001, or a free one with -listen 127.0.0.1:0", address)
	}
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", address, err)
	}
	return listener, nil
}

func newServer(o options, listener net.Listener) (*server, error) {
	s := &server{options: o, listener: listener, identity: newIdentity(o.seed), failed: make(chan error, 1)}
	issuer := strings.TrimSuffix(cmp.Or(o.url, s.ownURL()), "/")
	var err error
	if s.tenant, err = newTenant(o, s.identity, issuer); err != nil {
		return nil, err
	}
	path := "/_control/" + rand.Text() + "/"
	s.control = origin(issuer) + path
	mux := http.NewServeMux()
	mux.Handle("/", s.tenant)
	mux.Handle("/_control/", newControls(s.tenant, path, o.audience, s.identity.client))
	names := append(hosts{hostname(issuer), hostname(s.ownURL())}, o.hosts...)
	s.http = &http.Server{
		Handler:           names.only(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	if o.certificate == "" {
		return s, nil
	}
	certificate, err := newCertificate(o.certificate, names...)
	if err != nil {
		return nil, err
	}
	s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	return s, nil
}

// ownURL is the URL of the address. For an address of all interfaces it names this
// machine.
func (s *server) ownURL() string {
	host, _, _ := net.SplitHostPort(s.options.listen) // parse has checked it
	addr := s.listener.Addr().(*net.TCPAddr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if s.options.certificate != "" {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, fmt.Sprint(addr.Port)))
}

func hostname(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// origin returns a URL without its path.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Scheme + "://" + u.Host
}

// newTenant makes the tenant with its applications, API and users.
func newTenant(o options, id identity, issuer string) (*emulator.Tenant, error) {
	tenant, err := emulator.New(emulator.Config{URL: issuer, OrganizationNames: true, DefaultDirectory: database, Seed: o.seed})
	if err != nil {
		return nil, err
	}
	err = tenant.AddDemo(emulator.Demo{ClientID: id.client, ClientSecret: id.secret, SPAClientID: id.spa, BaseURL: o.base(), Audience: o.audience})
	if err != nil {
		return nil, err
	}
	for _, client := range []string{id.client, id.spa} {
		if err := tenant.EditClient(client, func(c *emulator.Client) { o.edit(c) }); err != nil {
			return nil, err
		}
	}
	return tenant, addUsers(tenant, o.users, o.audience)
}

// edit sets the properties of an application that the options name.
func (o options) edit(c *emulator.Client) {
	for _, path := range callbackPaths {
		c.CallbackURLs = append(c.CallbackURLs, o.base()+path)
	}
	c.CallbackURLs = append(c.CallbackURLs, o.callbacks...)
	c.LogoutURLs = append(c.LogoutURLs, o.logouts...)
	c.Connections = append(c.Connections, "email") // its codes are for the control mail
	if o.organizations {
		c.OrganizationUsage, c.OrganizationRequireBehavior = "require", "post_login_prompt"
	}
}

// An identity has the names and the secrets of the applications.
type identity struct {
	client, secret string
	spa            string
	cookies        string // AUTH0_SECRET
}

// newIdentity returns the identity of a seed, or a new one for the empty seed.
func newIdentity(seed string) identity {
	if seed == "" {
		seed = rand.Text()
	}
	derive := func(name string, size int) string {
		var text string
		for i := 0; len(text) < size; i++ {
			sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", name, i, seed))
			text += new(big.Int).SetBytes(sum[:]).Text(62)
		}
		return text[:size]
	}
	return identity{client: derive("client", 32), secret: derive("secret", 64), spa: derive("spa", 32), cookies: derive("cookies", 64)}
}

// serve runs until stop.
func (s *server) serve() {
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		s.failed <- err
	}
}

// stop lets the requests under way end, for a second.
func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// variables returns the environment of the application. AUTH0_DOMAIN has no slash at
// its end, because most SDKs append paths to it. It is a URL, which can be of any
// provider. AUTH0_TENANT_DOMAIN says that the provider is a tenant with a Management API.
func (s *server) variables() []variable {
	issuer := strings.TrimSuffix(s.tenant.Issuer(), "/")
	list := []variable{
		{"AUTH0_DOMAIN", issuer},
		{"AUTH0_ISSUER_BASE_URL", issuer},
		{"AUTH0_TENANT_DOMAIN", issuer},
		{"AUTH0_CLIENT_ID", s.identity.client},
		{"AUTH0_CLIENT_SECRET", s.identity.secret},
		{"AUTH0_SECRET", s.identity.cookies},
		{"AUTH0_AUDIENCE", s.options.audience},
		{"APP_BASE_URL", s.options.base()},
		{"AUTH0_SPA_CLIENT_ID", s.identity.spa},
		{"AUTH0_TENANT_CONTROL", s.control},
	}
	if s.options.certificate != "" {
		list = append(list, variable{"NODE_EXTRA_CA_CERTS", s.certificateFile()})
	}
	return list
}

// certificateFile returns the path of the certificate for programs that run elsewhere.
func (s *server) certificateFile() string {
	path, err := filepath.Abs(s.options.certificate)
	if err != nil {
		return s.options.certificate
	}
	return path
}

// warnings are about applications and networks for which the tenant is too open.
func (s *server) warnings() (list []string) {
	if addr := s.listener.Addr().(*net.TCPAddr); !addr.IP.IsLoopback() {
		list = append(list, fmt.Sprintf("other machines can reach %s, and its passwords are public: they can log in as any user, and drive the tenant if they know the control URL", addr))
		if s.options.seed != "" {
			list = append(list, "the client secret and the signing keys come from -seed: with a seed that others can guess, they can sign tokens")
		}
	} else if u, err := url.Parse(s.tenant.Issuer()); err == nil && !isLocal(u) {
		list = append(list, fmt.Sprintf("real users can reach %s, for example by a tunnel, and its passwords are public: they can log in as any user", s.options.url))
	}
	if !isLocal(s.options.app) {
		list = append(list, fmt.Sprintf("real users can reach %s, and the tenant lets everybody in", s.options.app))
	}
	return list
}

// banner is the text of the first minute.
func (s *server) banner() string {
	return fmt.Sprintf(`Tenant   %s for %s
         FOR TESTS: ANYBODY WHO REACHES IT CAN LOG IN AS ANY USER
Users    ada@acme.example and bob@acme.example, password "correct horse", or any user behind another button
Control  %s
Stop     Ctrl-C
`, s.tenant.Issuer(), s.options.app, s.control)
}
