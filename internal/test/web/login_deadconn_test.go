package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"github.com/seed-15d5a55c/auth0/management"
	"golang.org/x/oauth2"
)

// A wire is a tenant behind connections that are kept between requests. The tenant can
// close a connection instead of handling a request.
type wire struct {
	tenant http.Handler
	conns  chan net.Conn
	once   sync.Once

	mu       sync.Mutex
	closing  string // the path of the request
	requests []string
}

func (n *wire) Accept() (net.Conn, error) {
	if c, ok := <-n.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (n *wire) Close() error   { n.once.Do(func() { close(n.conns) }); return nil }
func (n *wire) Addr() net.Addr { return &net.TCPAddr{} }

func (n *wire) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	n.conns <- server
	return client, nil
}

func (n *wire) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.requests = append(n.requests, r.URL.Path)
	closing := n.closing == r.URL.Path
	if closing {
		n.closing = ""
	}
	n.mu.Unlock()
	if closing {
		panic(http.ErrAbortHandler)
	}
	n.tenant.ServeHTTP(w, r)
}

// loseNext makes the tenant close the connection of the next request for a path.
func (n *wire) loseNext(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closing, n.requests = path, nil
}

// count returns how often a path was requested since loseNext.
func (n *wire) count(path string) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, requested := range n.requests {
		if requested == path {
			times++
		}
	}
	return times
}

// newWire returns an application whose requests to its tenant go through a wire.
func newWire(t *testing.T, domain string) (*testkit.Env, *wire) {
	n := &wire{conns: make(chan net.Conn)}
	e := testkit.SignedInRefreshing(t, func(c *auth0.Config) {
		n.tenant = c.HTTPClient.Transport.(*testkit.TokenSpy).Next.(testkit.Hosts)[testkit.TenantHost]
		s := httptest.NewUnstartedServer(n)
		s.Listener.Close()
		s.Listener = n
		s.StartTLS()
		transport := s.Client().Transport.(*http.Transport).Clone()
		transport.DialContext, transport.TLSClientConfig.ServerName = n.dial, "example.com"
		c.Domain, c.HTTPClient = domain, &http.Client{Transport: transport}
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			s.Close()
		})
	})
	return e, n
}

// TestConnectionIsClosed: the tenant, or a proxy in front of it, closes an idle
// connection while the next request is written. A request that can be sent twice is sent
// again. Any other fails as an outage, and the next try works.
func TestConnectionIsClosed(t *testing.T) {
	t.Parallel()
	const host = "https://" + testkit.TenantHost
	api := func(e *testkit.Env) *management.API {
		return testkit.Must(management.New(testkit.TenantHost, e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: host + "/api/v2/"}),
			management.WithHTTPClient(e.Config.HTTPClient)))
	}
	connection := management.OAuth2Connection{Name: "pictor", Options: management.OAuth2Options{
		AuthorizationURL: "https://pictor.example/authorize", TokenURL: "https://pictor.example/token", ClientID: "x", ClientSecret: "y",
		FetchUserProfile: "function(accessToken, ctx, cb) { cb(null, {}) }",
	}}
	for _, tt := range []struct {
		name, domain, path string
		again              bool
		// prepare returns the call, after the steps that the call needs.
		prepare func(*testkit.Env, context.Context) func() error
	}{
		{"discovery", host, "/.well-known/openid-configuration", true, func(e *testkit.Env, ctx context.Context) func() error {
			return func() error { _, err := e.Strategy.Application().Endpoint(ctx); return err }
		}},
		{"keys", testkit.TenantHost, "/.well-known/jwks.json", true, func(e *testkit.Env, ctx context.Context) func() error {
			return func() error { return e.Strategy.Application().KeySet().Refresh(ctx) }
		}},
		{"pushed request", testkit.TenantHost, "/oauth/par", true, func(e *testkit.Env, ctx context.Context) func() error {
			e.Tenant.AllowPushedRequests(true)
			e.Config.PushedAuthorizationRequests = true
			app := testkit.Must(auth0.NewApplication(e.Config))
			return func() error { _, _, err := app.AuthCodeURL(ctx, testkit.CallbackURL); return err }
		}},
		{"code", testkit.TenantHost, "/oauth/token", false, func(e *testkit.Env, ctx context.Context) func() error {
			b := e.Browser()
			return func() error {
				resp := b.Login("/auth/login")
				if resp.Status == 303 && b.LoggedIn() {
					return nil
				}
				return fmt.Errorf("%d", resp.Status)
			}
		}},
		{"refresh", testkit.TenantHost, "/oauth/token", false, func(e *testkit.Env, ctx context.Context) func() error {
			b := e.Browser().MustLogin()
			return func() error {
				if resp := b.Fetch("/token?force"); resp.Status != 200 {
					return fmt.Errorf("%d", resp.Status)
				}
				return nil
			}
		}},
		{"client credentials", testkit.TenantHost, "/oauth/token", true, func(e *testkit.Env, ctx context.Context) func() error {
			source := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: host + "/api/v2/"})
			return func() error { _, err := source.Token(); return err }
		}},
		{"revocation", testkit.TenantHost, "/oauth/revoke", true, func(e *testkit.Env, ctx context.Context) func() error {
			b := e.Browser().MustLogin()
			return func() error {
				b.Do("POST", "/auth/logout", url.Values{}, "Origin", testkit.AppURL)
				return nil
			}
		}},
		{"userinfo", testkit.TenantHost, "/userinfo", true, func(e *testkit.Env, ctx context.Context) func() error {
			subject, _ := e.Tenant.Subject("ada@acme.example")
			token := &oauth2.Token{AccessToken: e.Tenant.AccessToken(subject, host+"/userinfo", nil), TokenType: "Bearer"}
			return func() error { e.Strategy.Application().UserInfo(ctx, token, subject); return nil }
		}},
		{"connections", testkit.TenantHost, "/api/v2/clients/" + testkit.ClientID + "/connections", true, func(e *testkit.Env, ctx context.Context) func() error {
			return func() error { _, err := e.Strategy.GetConnections(ctx); return err }
		}},
		{"Management API, read", testkit.TenantHost, "/api/v2/connections", true, func(e *testkit.Env, ctx context.Context) func() error {
			return func() error { _, err := api(e).OAuth2Connections(ctx); return err }
		}},
		{"Management API, change", testkit.TenantHost, "/api/v2/connections", false, func(e *testkit.Env, ctx context.Context) func() error {
			return func() error { _, err := api(e).CreateOAuth2Connection(ctx, connection); return err }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, n := newWire(t, tt.domain)
				if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
					c.Grants = []testkit.ClientGrant{{Audience: host + "/api/v2/", Scopes: []string{"read:connections", "read:clients", "create:connections", "read:connections_options"}}}
				}); err != nil {
					t.Fatal(err)
				}
				e.Tenant.EditAccessToken(nil)
				call := tt.prepare(e, t.Context())
				// A connection that is idle after one request.
				resp, err := e.Config.HTTPClient.Get(host + "/.well-known/openid-configuration")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				synctest.Wait() // a new connection would not have been idle
				n.loseNext(tt.path)
				err = call()
				synctest.Wait()
				if want := map[bool]int{true: 2, false: 1}[tt.again]; (err == nil) != tt.again || n.count(tt.path) != want {
					t.Fatalf("%v after %d requests, want %d", err, n.count(tt.path), want)
				}
				if tt.again {
					return
				}
				if err := call(); err != nil {
					t.Errorf("the next try: %v; log:\n%s", err, e.Log)
				}
			})
		})
	}
}
