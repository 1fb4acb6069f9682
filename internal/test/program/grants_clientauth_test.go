package program_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

var (
	// otherKey is one that the tenant does not have.
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return testkit.Must(rsa.GenerateKey(rand.Reader, 2048)) })
)

const rotatedSecret = "another-secret-SECRET+/ %:ä"

// A way is a method, the setup of both sides for it, and its credentials.
type way struct {
	name    string
	config  func(*auth0.Config)
	client  func(*testkit.TenantClient) // nil for the secret that there is
	strange func(*testkit.TenantClient) // makes the tenant reject it
	shows   func(t *testing.T, where string, s testkit.Sent)
}

func ways() []way {
	noSecret := func(t *testing.T, where string, s testkit.Sent) {
		t.Helper()
		if s.Form.Has("client_secret") || s.Header.Get("Authorization") != "" {
			t.Errorf("%s: a secret is sent", where)
		}
	}
	post := func(t *testing.T, where string, s testkit.Sent) {
		t.Helper()
		if s.Form.Get("client_id") != testkit.ClientID || s.Form.Get("client_secret") != "client-secret-SECRET" || s.Header.Get("Authorization") != "" || s.Form.Has("client_assertion") {
			t.Errorf("%s: %v", where, s.Form)
		}
	}
	signed := func(algorithm string) way {
		return way{
			name: "private_key_jwt " + algorithm,
			config: func(c *auth0.Config) {
				c.ClientSecret, c.ClientAuthentication = "", auth0.PrivateKeyJWT(testkit.ClientRSAKey(), algorithm, "key-1")
			},
			client: func(c *testkit.TenantClient) {
				c.Secret, c.AuthMethod, c.Keys = "", "private_key_jwt", []testkit.ClientKey{{ID: "key-1", Algorithm: algorithm, Public: &testkit.ClientRSAKey().PublicKey}}
			},
			strange: func(c *testkit.TenantClient) { c.Keys[0].Public = &otherKey().PublicKey },
			shows: func(t *testing.T, where string, s testkit.Sent) {
				t.Helper()
				noSecret(t, where, s)
				if s.Form.Get("client_id") != testkit.ClientID || s.Form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
					t.Errorf("%s: %v", where, s.Form)
				}
				checkAssertion(t, s.Form.Get("client_assertion"), algorithm, "key-1", "https://acme.auth0.example/")
			},
		}
	}
	return []way{
		{"client_secret_post", func(*auth0.Config) {}, nil, func(c *testkit.TenantClient) { c.Secret = "other" }, post},
		{"client_secret_post by name", func(c *auth0.Config) {
			c.ClientSecret, c.ClientAuthentication = "", auth0.ClientSecretPost("client-secret-SECRET")
		}, nil, func(c *testkit.TenantClient) { c.AuthMethod = "client_secret_basic" }, post},
		{"client_secret_basic", func(c *auth0.Config) {
			c.ClientSecret, c.ClientAuthentication = "", auth0.ClientSecretBasic(rotatedSecret)
		}, func(c *testkit.TenantClient) { c.Secret, c.AuthMethod = rotatedSecret, "client_secret_basic" },
			func(c *testkit.TenantClient) { c.AuthMethod = "client_secret_post" },
			func(t *testing.T, where string, s testkit.Sent) {
				t.Helper()
				// RFC 6749, Section 2.3.1 and Appendix B, by hand.
				want := "Basic " + base64.StdEncoding.EncodeToString([]byte("client-of-the-tests:another-secret-SECRET%2B%2F+%25%3A%C3%A4"))
				if s.Header.Get("Authorization") != want || s.Form.Has("client_secret") || s.Form.Has("client_assertion") {
					t.Errorf("%s: %q, %v", where, s.Header.Get("Authorization"), s.Form)
				}
			}},
		signed("RS256"), signed("RS384"), signed("PS256"),
		{"tls_client_auth", func(c *auth0.Config) { c.ClientSecret, c.ClientAuthentication = "", auth0.MutualTLS() },
			func(c *testkit.TenantClient) {
				c.Secret, c.AuthMethod, c.Certificates = "", "tls_client_auth", []string{testkit.Thumbprint([]byte("certificate"))}
			},
			func(c *testkit.TenantClient) { c.Certificates = nil },
			func(t *testing.T, where string, s testkit.Sent) {
				t.Helper()
				noSecret(t, where, s)
				if s.Form.Get("client_id") != testkit.ClientID || s.Form.Has("client_assertion") {
					t.Errorf("%s: %v", where, s.Form)
				}
			}},
		{"none", func(c *auth0.Config) { c.ClientSecret, c.ClientAuthentication = "", auth0.PublicClient() },
			func(c *testkit.TenantClient) { c.Secret, c.Public = "", true },
			func(c *testkit.TenantClient) { c.Public, c.Secret = false, "x" },
			func(t *testing.T, where string, s testkit.Sent) {
				t.Helper()
				noSecret(t, where, s)
				if s.Form.Get("client_id") != testkit.ClientID || s.Form.Has("client_assertion") {
					t.Errorf("%s: %v", where, s.Form)
				}
			}},
	}
}

var assertions sync.Map // each jti must be unique

// checkAssertion reads an assertion without the help of any library.
func checkAssertion(t *testing.T, raw, algorithm, kid, audience string) {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > 2048 {
		t.Errorf("an assertion of %d parts and %d bytes", len(parts), len(raw))
		return
	}
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	want := `{"alg":"` + algorithm + `","typ":"JWT","kid":"` + kid + `"}`
	if kid == "" {
		want = `{"alg":"` + algorithm + `","typ":"JWT"}`
	}
	if string(header) != want {
		t.Errorf("header %s, want %s", header, want)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	shape := regexp.MustCompile(`^\{"iss":"client-of-the-tests","sub":"client-of-the-tests","aud":"` + regexp.QuoteMeta(audience) + `","jti":"([A-Za-z0-9_-]{22})","iat":([0-9]+),"exp":([0-9]+)\}$`)
	m := shape.FindStringSubmatch(string(payload))
	if m == nil {
		t.Errorf("claims %s", payload)
		return
	}
	if _, used := assertions.LoadOrStore(m[1], true); used {
		t.Errorf("jti %s is used twice", m[1])
	}
	var iat, exp int64
	fmt.Sscan(m[2], &iat)
	fmt.Sscan(m[3], &exp)
	if now := time.Now().Unix(); exp-iat != 60 || iat > now || iat < now-30 {
		t.Errorf("iat %d, exp %d at %d", iat, exp, now)
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	input := []byte(parts[0] + "." + parts[1])
	sum, long := sha256.Sum256(input), sha512.Sum384(input)
	var err error
	switch algorithm {
	case "RS256":
		err = rsa.VerifyPKCS1v15(&testkit.ClientRSAKey().PublicKey, crypto.SHA256, sum[:], signature)
	case "RS384":
		err = rsa.VerifyPKCS1v15(&testkit.ClientRSAKey().PublicKey, crypto.SHA384, long[:], signature)
	case "PS256":
		err = rsa.VerifyPSS(&testkit.ClientRSAKey().PublicKey, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: 32})
	default:
		t.Fatalf("no check for %s", algorithm)
	}
	if err != nil {
		t.Errorf("%s: %v", algorithm, err)
	}
}

// eventually waits for work in the background.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("never: %s", what)
}

// TestClientAuthentication: each method at each endpoint.
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			e, p := testkit.SignedInTapped(t, way.client, way.config)
			b := e.Browser().MustLogin()
			if got := b.Page("/token").Body; got != "<nil>" {
				t.Errorf("refresh: %s", got)
			}
			list, err := e.Strategy.GetConnections(t.Context())
			if way.name == "none" {
				if err == nil || !strings.Contains(err.Error(), "a public client gets no token for itself; for the Management API set Config.ManagementClientID") {
					t.Errorf("connections: %v", err)
				}
			} else if err != nil || len(list) == 0 {
				t.Errorf("connections: %v", err)
			}
			b.Do("POST", "/auth/logout", url.Values{}, "Sec-Fetch-Site", "same-origin")
			eventually(t, "revocation", func() bool { return len(p.All("/oauth/revoke")) > 0 })

			byGrant := map[string]testkit.Sent{}
			for _, s := range p.All("/oauth/token") {
				byGrant[s.Form.Get("grant_type")] = s
			}
			all := map[string]testkit.Sent{
				"exchange": byGrant["authorization_code"], "refresh": byGrant["refresh_token"],
				"client credentials": byGrant["client_credentials"],
				"revoke":             p.All("/oauth/revoke")[0], "PAR": p.All("/oauth/par")[0],
			}
			if way.name == "none" {
				delete(all, "client credentials")
			}
			for where, s := range all {
				way.shows(t, where, s)
				for name, values := range s.Form {
					if len(values) != 1 {
						t.Errorf("%s: %s is sent %d times", where, name, len(values))
					}
				}
			}
			for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/par"} {
				want := testkit.TenantHost
				if way.name == "tls_client_auth" {
					want = "mtls." + testkit.TenantHost
				}
				if got := p.Hosts(path); !slices.Equal(got, []string{want}) {
					t.Errorf("%s was asked for at %v, want %s", path, got, want)
				}
			}
		})
	}
}

// TestClientAuthenticationRefused: failed client authentication is neither the
// visitor's fault nor a denial of access, whatever error code the tenant sends.
func TestClientAuthenticationRefused(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			e, p := testkit.SignedInTapped(t, way.client, way.config)
			code := map[bool]string{true: "invalid_client", false: "access_denied"}[strings.HasPrefix(way.name, "private") || strings.HasPrefix(way.name, "tls")]
			b := e.Browser().MustLogin()
			half := e.Browser()
			answer := half.AtTenant(half.Begin("/auth/login"))
			if err := e.Tenant.EditClient(testkit.ClientID, way.strange); err != nil {
				t.Fatal(err)
			}

			if resp := half.Callback(answer); resp.Status != http.StatusBadGateway || half.LoggedIn() {
				t.Errorf("exchange: %d %s", resp.Status, resp.Body)
			}
			if log := e.Log.String(); !strings.Contains(log, "reason=tenant_answer") || !strings.Contains(log, code) {
				t.Errorf("exchange: log %s", log)
			}
			if got, want := b.Page("/token?audience=https://other.example/").Body, "502 tenant_answer "+code+" 401;"; !strings.HasPrefix(got, want) {
				t.Errorf("refresh: %s, want %s", got, want)
			}
			if !b.LoggedIn() {
				t.Error("refresh: the visitor is logged out")
			}
			resp := e.Browser().Page("/auth/login")
			if resp.Status != http.StatusBadGateway || len(resp.Header.Values("Set-Cookie")) != 0 || resp.Header.Get("Location") != "" {
				t.Errorf("PAR: %d, %v", resp.Status, resp.Header)
			}
			_, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
			if got, ok := errors.AsType[*auth0.Error](err); !ok || got.Op != "login" || got.Status != 502 || got.Reason != "tenant_answer" || got.TenantStatus != 401 || got.Code != code {
				t.Errorf("PAR: %#v", err)
			}
			if way.name != "none" {
				_, err = e.Strategy.GetConnections(t.Context())
				if got, ok := errors.AsType[*auth0.Error](err); !ok || got.Status != 503 || got.Reason != "connections_unavailable" || got.TenantStatus != 401 || got.Code != code {
					t.Errorf("client credentials: %#v", err)
				}
			}
			if resp := b.Do("POST", "/auth/logout", url.Values{}, "Sec-Fetch-Site", "same-origin"); resp.Status != http.StatusSeeOther || b.LoggedIn() {
				t.Errorf("logout: %d", resp.Status)
			}
			eventually(t, "revocation", func() bool {
				return len(p.All("/oauth/revoke")) > 0 && strings.Contains(e.Log.String(), "the refresh token could not be revoked")
			})
		})
	}
}

// TestClientAuthenticationRotates: the credentials rotate while the application runs, to others
// of the same kind or of another.
func TestClientAuthenticationRotates(t *testing.T) {
	t.Parallel()
	var current atomic.Pointer[auth0.ClientAuthentication]
	var fault atomic.Pointer[error]
	asked := atomic.Int64{}
	set := func(a auth0.ClientAuthentication) { current.Store(&a) }
	set(auth0.ClientSecretPost("client-secret-SECRET"))
	e, p := testkit.SignedInTapped(t, nil, func(c *auth0.Config) {
		c.ClientSecret = ""
		c.ClientAuthentication = auth0.ClientAuthenticationFunc(func(ctx context.Context) (auth0.ClientAuthentication, error) {
			asked.Add(1)
			if _, ok := ctx.Deadline(); !ok && ctx.Done() == nil && ctx.Value(http.ServerContextKey) != nil {
				t.Error("a context of nobody")
			}
			if err := fault.Load(); err != nil {
				return auth0.ClientAuthentication{}, *err
			}
			return *current.Load(), nil
		})
	})
	if asked.Load() != 0 {
		t.Error("New has asked")
	}
	b := e.Browser().MustLogin()
	for _, step := range []struct {
		why    string
		auth   auth0.ClientAuthentication
		client func(*testkit.TenantClient)
	}{
		{"another secret", auth0.ClientSecretPost(rotatedSecret), func(c *testkit.TenantClient) { c.Secret = rotatedSecret }},
		{"in the header", auth0.ClientSecretBasic(rotatedSecret), func(c *testkit.TenantClient) { c.AuthMethod = "client_secret_basic" }},
		{"a key", auth0.PrivateKeyJWT(testkit.ClientRSAKey(), "RS256", ""), func(c *testkit.TenantClient) {
			c.AuthMethod, c.Keys = "private_key_jwt", []testkit.ClientKey{{ID: "a", Algorithm: "RS256", Public: &testkit.ClientRSAKey().PublicKey}}
		}},
		{"another key", auth0.PrivateKeyJWT(otherKey(), "PS256", "b"), func(c *testkit.TenantClient) {
			c.Keys = []testkit.ClientKey{{ID: "b", Algorithm: "PS256", Public: &otherKey().PublicKey}}
		}},
		{"a certificate", auth0.MutualTLS(), func(c *testkit.TenantClient) {
			c.AuthMethod, c.Certificates = "self_signed_tls_client_auth", []string{testkit.Thumbprint([]byte("certificate"))}
		}},
	} {
		if err := e.Tenant.EditClient(testkit.ClientID, step.client); err != nil {
			t.Fatal(err)
		}
		set(step.auth)
		before := asked.Load()
		if got := b.Page("/token").Body; got != "<nil>" {
			t.Errorf("%s: refresh: %s", step.why, got)
		}
		if resp := e.Browser().Login("/auth/login"); resp.Status != http.StatusSeeOther {
			t.Errorf("%s: login: %d %s", step.why, resp.Status, resp.Body)
		}
		if got := asked.Load() - before; got != 3 { // refresh, PAR, exchange
			t.Errorf("%s: asked %d times, want 3", step.why, got)
		}
	}

	for _, step := range []struct {
		why            string
		auth           auth0.ClientAuthentication
		err            error
		status         int
		reason, answer string
	}{
		{"vault is down", auth0.ClientAuthentication{}, errors.New("vault is sealed"), 503, "credentials_unavailable", "vault is sealed"},
		{"nothing", auth0.ClientAuthentication{}, nil, 500, "misconfigured", "the function has returned auth0.ClientAuthentication()"},
		{"a function", auth0.ClientAuthenticationFunc(nil), nil, 500, "misconfigured", "the function has returned auth0.ClientAuthentication(function)"},
		{"no secret", auth0.ClientSecretPost(""), nil, 500, "misconfigured", "has an empty secret"},
		{"no key", auth0.PrivateKeyJWT(nil, "RS256", ""), nil, 500, "misconfigured", "has no key"},
		{"ES256 at Auth0", auth0.PrivateKeyJWT(testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "ES256", ""), nil, 500, "misconfigured", "Auth0 takes RS256"},
		{"key that does not sign", auth0.PrivateKeyJWT(brokenKey{testkit.ClientRSAKey()}, "RS256", ""), nil, 503, "credentials_unavailable", "the key does not sign: HSM is off"},
	} {
		set(step.auth)
		fault.Store(nil)
		if step.err != nil {
			fault.Store(&step.err)
		}
		requests := len(p.All("/oauth/par"))
		resp := e.Browser().Page("/auth/login")
		_, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
		got, _ := errors.AsType[*auth0.Error](err)
		if got == nil || resp.Status != step.status || got.Status != step.status || got.Reason != step.reason || !strings.Contains(err.Error(), step.answer) || step.err != nil && !errors.Is(err, step.err) {
			t.Errorf("%s: %d, %v", step.why, resp.Status, err)
		}
		if strings.Contains(resp.Body, "vault is sealed") || len(resp.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: %s, %v", step.why, resp.Body, resp.Header)
		}
		if len(p.All("/oauth/par")) != requests {
			t.Errorf("%s: a request was made", step.why)
		}
		if got := b.Page("/token?audience=https://x.example/").Body; !strings.HasPrefix(got, fmt.Sprintf("%d %s", step.status, step.reason)) {
			t.Errorf("%s: refresh: %s", step.why, got)
		}
	}
	err := context.Canceled
	fault.Store(&err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := e.Strategy.Application().AuthCodeURL(ctx, testkit.CallbackURL); err.(*auth0.Error).Reason != "canceled" {
		t.Errorf("canceled: %v", err)
	}
}

// brokenKey has a public half alone.
type brokenKey struct{ crypto.Signer }

func (brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("HSM is off")
}

// TestCredentialsFailInTheCallback: a fault of ours that can be repaired does not
// cost the user the login. The user loads the page again.
func TestCredentialsFailInTheCallback(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		auth   auth0.ClientAuthentication
		err    error
		status int
	}{
		{"vault is down", auth0.ClientAuthentication{}, errors.New("vault is sealed"), 503},
		{"key that does not sign", auth0.PrivateKeyJWT(brokenKey{testkit.ClientRSAKey()}, "RS256", ""), nil, 503},
		{"no secret", auth0.ClientSecretPost(""), nil, 500},
	} {
		t.Run(tt.why, func(t *testing.T) {
			broken, asked := true, 0
			e := testkit.SignedIn(t, func(c *auth0.Config) {
				c.ClientSecret = ""
				c.ClientAuthentication = auth0.ClientAuthenticationFunc(func(context.Context) (auth0.ClientAuthentication, error) {
					asked++
					if broken {
						return tt.auth, tt.err
					}
					return auth0.ClientSecretPost("client-secret-SECRET"), nil
				})
			})
			b := e.Browser()
			answer := b.AtTenant(b.Begin("/auth/login?returnTo=/private"))
			for range 2 {
				resp := b.Callback(answer)
				if resp.Status != tt.status || b.LoggedIn() || len(b.Transactions()) != 1 || len(resp.SetCookies(t)) != 0 {
					t.Fatalf("%d %q, cookies %v", resp.Status, resp.Body, resp.Header.Values("Set-Cookie"))
				}
			}
			if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 0 {
				t.Errorf("%d token requests", n)
			}
			broken = false
			if resp := b.Callback(answer); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" || !b.LoggedIn() || len(b.Transactions()) != 0 {
				t.Errorf("again: %d %q", resp.Status, resp.Body)
			}
			if asked != 3 {
				t.Errorf("the function was asked %d times, want 3", asked)
			}

			// An answer without a code needs no credentials.
			broken = true
			e.Tenant.DenyNext("access_denied", "no")
			b = e.Browser()
			if resp := b.Callback(b.AtTenant(b.Begin("/auth/login"))); resp.Status != http.StatusForbidden || asked != 3 {
				t.Errorf("denied: %d %q, asked %d times", resp.Status, resp.Body, asked)
			}

			// The same without HTTP.
			authURL, transaction, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
			if err != nil {
				t.Fatal(err)
			}
			answer = b.AtTenant(testkit.Must(url.Parse(authURL)))
			_, err = e.Strategy.Application().Exchange(t.Context(), transaction, answer.Query())
			if got := e.ExpectError(err, err); got.Status != tt.status || got.Op != "callback" {
				t.Errorf("Exchange: %+v", got)
			}
			broken = false
			if _, err := e.Strategy.Application().Exchange(t.Context(), transaction, answer.Query()); err != nil {
				t.Errorf("Exchange: %v", err)
			}
		})
	}
}

// TestManagementCredentials: the credentials for the Management API alone, and the
// audience of an assertion for it.
func TestManagementCredentials(t *testing.T) {
	t.Parallel()
	const own = "acme-own.auth0.example"
	var other *testkit.Tenant
	keyed := func(c *auth0.Config) {
		c.ClientSecret, c.ClientAuthentication = "", auth0.PrivateKeyJWT(testkit.ClientRSAKey(), "RS256", "")
	}
	add := func(c *auth0.Config) {
		c.TenantDomain = own
		other = testkit.Must(testkit.NewTenant(testkit.TenantConfig{Host: own}))
		if err := other.AddDemo(testkit.Demo{ClientID: testkit.ClientID, ClientSecret: "x", BaseURL: testkit.AppURL}); err != nil {
			t.Fatal(err)
		}
		if err := other.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
			c.AuthMethod, c.Keys = "private_key_jwt", []testkit.ClientKey{{Algorithm: "RS256", Public: &testkit.ClientRSAKey().PublicKey}}
		}); err != nil {
			t.Fatal(err)
		}
		c.HTTPClient.Transport.(*testkit.Tap).Next.(testkit.Hosts)[own] = other
	}
	e, p := testkit.SignedInTapped(t, nil, keyed, add)
	if _, err := e.Strategy.GetConnections(t.Context()); err != nil {
		t.Error(err)
	}
	checkAssertion(t, p.All(own + "/oauth/token")[0].Form.Get("client_assertion"), "RS256", "", "https://"+own+"/")

	// A separate secret works with any method of the application.
	e, p = testkit.SignedInTapped(t, func(c *testkit.TenantClient) {
		c.AuthMethod, c.Keys = "private_key_jwt", []testkit.ClientKey{{Algorithm: "RS256", Public: &testkit.ClientRSAKey().PublicKey}}
	}, keyed, func(c *auth0.Config) {
		c.ManagementClientID, c.ManagementClientSecret = "machine", "machine-SECRET"
	})
	if err := e.Tenant.AddClient(testkit.TenantClient{ID: "machine", Secret: "machine-SECRET", Grants: []testkit.ClientGrant{{Audience: "https://acme.auth0.example/api/v2/", Scopes: []string{"read:connections", "read:clients"}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Strategy.GetConnections(t.Context()); err != nil {
		t.Error(err)
	}
	if s := p.All("/oauth/token")[0]; s.Form.Get("client_id") != "machine" || s.Form.Get("client_secret") != "machine-SECRET" || s.Form.Has("client_assertion") {
		t.Errorf("%v", s.Form)
	}
	e.Browser().MustLogin()
}

// TestMutualTLSNeedsAliases: a missing alias is an error before the browser is
// redirected.
func TestMutualTLSNeedsAliases(t *testing.T) {
	t.Parallel()
	mtls := func(c *auth0.Config) { c.ClientSecret, c.ClientAuthentication = "", auth0.MutualTLS() }
	certified := func(c *testkit.TenantClient) {
		c.AuthMethod, c.Certificates = "tls_client_auth", []string{testkit.Thumbprint([]byte("certificate"))}
	}
	aliases := func(edit func(map[string]any)) func(*testkit.Env) {
		return func(e *testkit.Env) {
			e.Tenant.EditDiscovery(func(doc map[string]any) { edit(doc["mtls_endpoint_aliases"].(map[string]any)) })
		}
	}
	elsewhere := aliases(func(m map[string]any) {
		for name := range m {
			m[name] = strings.Replace(m[name].(string), "mtls."+testkit.TenantHost, "mtls.elsewhere.example", 1)
		}
	})
	url := func(c *auth0.Config) { c.Domain = "https://" + testkit.TenantHost }
	for _, tt := range []struct {
		why    string
		config func(*auth0.Config)
		broken func(*testkit.Env)
		status int
		text   string
	}{
		{"no aliases", nil, func(e *testkit.Env) {
			e.Tenant.EditDiscovery(func(doc map[string]any) { delete(doc, "mtls_endpoint_aliases") })
		}, 500, "mtls_endpoint_aliases have no token_endpoint"},
		{"no token endpoint among them", nil, aliases(func(m map[string]any) { delete(m, "token_endpoint") }), 500, "mtls_endpoint_aliases have no token_endpoint"},
		{"no PAR endpoint among them", nil, aliases(func(m map[string]any) { delete(m, "pushed_authorization_request_endpoint") }), 500, "mtls_endpoint_aliases have no pushed_authorization_request_endpoint"},
		{"http", nil, aliases(func(m map[string]any) { m["token_endpoint"] = "http://localhost/oauth/token" }), 500, "is not an https URL"},
		{"another host", nil, elsewhere, 500, "is not on the issuer's host"},
		{"a host that ends alike", nil, aliases(func(m map[string]any) { m["token_endpoint"] = "https://evil" + testkit.TenantHost + "/oauth/token" }), 500, "is not on the issuer's host"},
		{"discovery is down", nil, func(e *testkit.Env) { e.Tenant.Fail(testkit.DiscoveryEndpoint, 500) }, 503, "tenant_unavailable"},
		{"another host that is listed", func(c *auth0.Config) { c.EndpointOrigins = []string{"https://mtls.elsewhere.example"} }, elsewhere, 302, ""},
		{"any provider, with aliases", url, func(*testkit.Env) {}, 302, ""},
	} {
		edits := []func(*auth0.Config){mtls}
		if tt.config != nil {
			edits = append(edits, tt.config)
		}
		e, p := testkit.SignedInTapped(t, certified, edits...)
		tt.broken(e)
		resp := e.Browser().Page("/auth/login")
		if resp.Status != tt.status || !strings.Contains(e.Log.String(), tt.text) {
			t.Errorf("%s: %d; %s", tt.why, resp.Status, e.Log)
		}
		if tt.status != 302 && (len(resp.Header.Values("Set-Cookie")) > 0 || resp.Header.Get("Location") != "" || len(p.All("/oauth/par")) > 0) {
			t.Errorf("%s: %v", tt.why, resp.Header)
		}
		if tt.status == 302 {
			if got := e.Browser().Login("/auth/login"); got.Status != http.StatusSeeOther {
				t.Errorf("%s: login: %d; %s", tt.why, got.Status, e.Log)
			}
		}
	}
	// RFC 8705, Section 5: a provider without aliases takes certificates at its
	// ordinary endpoints.
	e, p := testkit.SignedInTapped(t, certified, mtls, url, func(c *auth0.Config) { c.PushedAuthorizationRequests = false })
	e.Tenant.EditDiscovery(func(doc map[string]any) { delete(doc, "mtls_endpoint_aliases") })
	b := e.Browser()
	b.Callback(b.AtTenant(b.Begin("/auth/login")))
	if s := p.All(testkit.TenantHost + "/oauth/token"); len(s) != 1 || s[0].Form.Get("client_id") != testkit.ClientID || s[0].Form.Has("client_secret") {
		t.Errorf("%v", s)
	}
}

// TestMutualTLS with connections.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	server, client := selfSigned(t, testkit.TenantHost, "mtls."+testkit.TenantHost), selfSigned(t, "client")
	var ten http.Handler
	listener := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ten.ServeHTTP(w, r) }))
	listener.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert}
	listener.StartTLS()
	defer listener.Close()
	pool := x509.NewCertPool()
	pool.AddCert(testkit.Must(x509.ParseCertificate(server.Certificate[0])))
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, listener.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{client}},
	}
	defer transport.CloseIdleConnections()
	e, _ := testkit.SignedInTapped(t, func(c *testkit.TenantClient) {
		c.AuthMethod, c.Certificates = "self_signed_tls_client_auth", []string{testkit.Thumbprint(client.Certificate[0])}
	}, func(c *auth0.Config) {
		c.ClientSecret, c.ClientAuthentication = "", auth0.MutualTLS()
		c.HTTPClient = &http.Client{Transport: transport}
	})
	ten = e.Tenant
	b := e.Browser().MustLogin()
	if got := b.Page("/token").Body; got != "<nil>" {
		t.Errorf("refresh: %s", got)
	}
}

func selfSigned(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names, IsCA: true, BasicConstraintsValid: true}
	return tls.Certificate{Certificate: [][]byte{testkit.Must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))}, PrivateKey: key}
}

// TestES256Assertion: other providers accept it, with signatures of a fixed size.
func TestES256Assertion(t *testing.T) {
	t.Parallel()
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	e, p := testkit.SignedInTapped(t, nil, func(c *auth0.Config) {
		c.Domain = "https://" + testkit.TenantHost
		c.ClientSecret, c.ClientAuthentication = "", auth0.PrivateKeyJWT(key, "ES256", "k")
	})
	for range 50 { // about every fourth has a short half
		e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
	}
	if len(p.All("/oauth/par")) != 50 {
		t.Fatalf("%d requests", len(p.All("/oauth/par")))
	}
	for _, s := range p.All("/oauth/par") {
		parts := strings.Split(s.Form.Get("client_assertion"), ".")
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		sig := testkit.Must(base64.RawURLEncoding.DecodeString(parts[2]))
		if len(sig) != 64 || !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
			t.Errorf("signature of %d bytes", len(sig))
		}
		var claims map[string]any
		if err := json.Unmarshal(testkit.Must(base64.RawURLEncoding.DecodeString(parts[1])), &claims); err != nil || claims["aud"] != "https://acme.auth0.example/" {
			t.Errorf("claims %v, %v", claims, err)
		}
	}
}

// TestAssertionClock: an assertion takes its times from Config.Now.
func TestAssertionClock(t *testing.T) {
	t.Parallel()
	testkit.InBubble(t, func(t *testing.T) {
		e, p := testkit.SignedInTapped(t, nil, func(c *auth0.Config) {
			c.ClientSecret, c.ClientAuthentication = "", auth0.PrivateKeyJWT(testkit.ClientRSAKey(), "RS256", "")
			c.Now = func() time.Time { return time.Unix(1_900_000_000, 5e8) }
		})
		e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
		claims := testkit.Must(base64.RawURLEncoding.DecodeString(strings.Split(p.All("/oauth/par")[0].Form.Get("client_assertion"), ".")[1]))
		if !strings.HasSuffix(string(claims), `"iat":1900000000,"exp":1900000060}`) {
			t.Errorf("%s", claims)
		}
	})
}

func TestNewChecksClientAuthentication(t *testing.T) {
	t.Parallel()
	ec := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	withCertificate := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{}}}}}
	jwt := auth0.PrivateKeyJWT
	for _, tt := range []struct {
		why   string
		auth  auth0.ClientAuthentication
		edit  func(*auth0.Config)
		fault string // empty if it is good
	}{
		{"secret", auth0.ClientSecretPost("x"), nil, ""},
		{"secret in the header", auth0.ClientSecretBasic("x"), nil, ""},
		{"key", jwt(testkit.ClientRSAKey(), "RS256", "k"), nil, ""},
		{"key without id", jwt(testkit.ClientRSAKey(), "PS256", ""), nil, ""},
		{"key in an HSM", jwt(brokenKey{testkit.ClientRSAKey()}, "RS384", ""), nil, ""},
		{"ES256 elsewhere", jwt(ec, "ES256", ""), func(c *auth0.Config) { c.Domain = "https://id.example" }, ""},
		{"certificate", auth0.MutualTLS(), func(c *auth0.Config) { c.HTTPClient = withCertificate }, ""},
		{"transport of somebody", auth0.MutualTLS(), nil, ""},
		{"public", auth0.PublicClient(), nil, ""},
		{"function", auth0.ClientAuthenticationFunc(func(context.Context) (auth0.ClientAuthentication, error) {
			return auth0.ClientAuthentication{}, nil
		}), nil, ""},

		{"neither", auth0.ClientAuthentication{}, nil, "ClientSecret is missing, and there is no ClientAuthentication"},
		{"both", auth0.ClientSecretPost("x"), func(c *auth0.Config) { c.ClientSecret = "x" }, "ClientSecret and ClientAuthentication are both set"},
		{"public with a secret", auth0.PublicClient(), func(c *auth0.Config) { c.ClientSecret = "x" }, "ClientSecret and ClientAuthentication are both set"},
		{"empty secret", auth0.ClientSecretPost(""), nil, "ClientAuthentication has an empty secret"},
		{"empty secret in the header", auth0.ClientSecretBasic(""), nil, "ClientAuthentication has an empty secret"},
		{"no key", jwt(nil, "RS256", ""), nil, "ClientAuthentication has no key"},
		{"nil RSA key", jwt((*rsa.PrivateKey)(nil), "RS256", ""), nil, "ClientAuthentication has no key"},
		{"nil EC key", jwt((*ecdsa.PrivateKey)(nil), "ES256", ""), nil, "ClientAuthentication has no key"},
		{"no algorithm", jwt(testkit.ClientRSAKey(), "", ""), nil, `ClientAuthentication has the algorithm ""`},
		{"none", jwt(testkit.ClientRSAKey(), "none", ""), nil, `ClientAuthentication has the algorithm "none"`},
		{"HS256", jwt(testkit.ClientRSAKey(), "HS256", ""), nil, `ClientAuthentication has the algorithm "HS256"`},
		{"RS512", jwt(testkit.ClientRSAKey(), "RS512", ""), nil, `ClientAuthentication has the algorithm "RS512"`},
		{"RSA key for ES256", jwt(testkit.ClientRSAKey(), "ES256", ""), nil, "ClientAuthentication has a key that does not fit the algorithm ES256"},
		{"EC key for RS256", jwt(ec, "RS256", ""), nil, "ClientAuthentication has a key that does not fit the algorithm RS256"},
		{"Ed25519", jwt(ed, "RS256", ""), nil, "ClientAuthentication has a key that does not fit the algorithm RS256"},
		{"another curve", jwt(testkit.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "ES256", ""), nil, "ClientAuthentication has a key that does not fit"},
		{"ES256 at Auth0", jwt(ec, "ES256", ""), nil, "ClientAuthentication has the algorithm ES256; Auth0 takes"},
		{"short key", jwt(shortKey{}, "RS256", ""), nil, "ClientAuthentication has an RSA key of 1024 bits; 2048 are the least"},
		{"long key", jwt(longKey{}, "RS256", ""), nil, "ClientAuthentication has a key so long that an assertion has 2944 bytes, more than the 2048 that tenants read"},
		{"key id with a line break", jwt(testkit.ClientRSAKey(), "RS256", "a\nb"), nil, "ClientAuthentication has a key id"},
		{"no HTTP client", auth0.MutualTLS(), func(c *auth0.Config) { c.HTTPClient = nil }, "ClientAuthentication is MutualTLS, and HTTPClient has no certificate"},
		{"no transport", auth0.MutualTLS(), func(c *auth0.Config) { c.HTTPClient = &http.Client{} }, "ClientAuthentication is MutualTLS, and HTTPClient has no certificate"},
		{"no certificate", auth0.MutualTLS(), func(c *auth0.Config) {
			c.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}}
		}, "ClientAuthentication is MutualTLS, and HTTPClient has no certificate"},
		{"no function", auth0.ClientAuthenticationFunc(nil), nil, "ClientAuthentication has no function"},
	} {
		c := testkit.GoodConfig()
		c.ClientSecret, c.ClientAuthentication = "", tt.auth
		if tt.edit != nil {
			tt.edit(&c)
		}
		_, err := auth0.New(c)
		if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.HasPrefix(err.Error(), "auth0: Config."+tt.fault)) {
			t.Errorf("%s: %v", tt.why, err)
		}
	}
}

type shortKey struct{ brokenKey }

func (shortKey) Public() crypto.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), 1023, 1), E: 65537}
}

type longKey struct{ brokenKey }

func (longKey) Public() crypto.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), 16383, 1), E: 65537}
}

// TestKeyFromEnv: the key in all forms that openssl writes.
func TestKeyFromEnv(t *testing.T) {
	pkcs8 := testkit.Must(x509.MarshalPKCS8PrivateKey(testkit.ClientRSAKey()))
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	ec := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	good := encode("PRIVATE KEY", pkcs8)
	set := func(t *testing.T, key, algorithm string) {
		for name, value := range map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": "", "AUTH0_SECRET": testkit.CookieSecret, "APP_BASE_URL": testkit.AppURL,
			"AUTH0_CLIENT_ASSERTION_SIGNING_KEY": key, "AUTH0_CLIENT_ASSERTION_SIGNING_ALG": algorithm} {
			t.Setenv(name, value)
		}
	}
	for _, tt := range []struct{ why, key, algorithm, fault string }{
		{"PKCS 8", good, "", ""},
		{"PKCS 1", encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testkit.ClientRSAKey())), "PS256", ""},
		{"in one line", strings.ReplaceAll(good, "\n", `\n`), "RS384", ""},
		{"EC", encode("EC PRIVATE KEY", testkit.Must(x509.MarshalECPrivateKey(ec))), "ES256", "Auth0 takes RS256"},
		{"wrong algorithm", good, "RS512", `algorithm "RS512"`},
		{"no PEM", "SECRET-KEY", "", "AUTH0_CLIENT_ASSERTION_SIGNING_KEY is not a key in PEM form"},
		{"public key", encode("PUBLIC KEY", testkit.Must(x509.MarshalPKIXPublicKey(&testkit.ClientRSAKey().PublicKey))), "", "AUTH0_CLIENT_ASSERTION_SIGNING_KEY is not an RSA or EC private key"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			set(t, tt.key, tt.algorithm)
			c, err := auth0.ConfigFromEnv()
			if err == nil {
				_, err = auth0.New(c)
			}
			if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
				t.Errorf("%v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "SECRET-KEY") || strings.Contains(err.Error(), "AUTH0_CLIENT_SECRET")) {
				t.Errorf("%v", err)
			}
		})
	}
	set(t, good, "")
	t.Setenv("AUTH0_CLIENT_SECRET", "x")
	c, err := auth0.ConfigFromEnv()
	if _, newErr := auth0.New(c); err != nil || newErr == nil || !strings.Contains(newErr.Error(), "are both set") {
		t.Errorf("key and secret: %v, %v", err, newErr)
	}
}

// TestClientAuthenticationDoesNotPrint: neither secrets nor keys nor assertions
// show, in any format, log or error.
func TestClientAuthenticationDoesNotPrint(t *testing.T) {
	t.Parallel()
	var forbidden []string
	for _, text := range []string{"client-secret-SECRET", rotatedSecret, url.QueryEscape(rotatedSecret)} {
		forbidden = append(forbidden, text, base64.StdEncoding.EncodeToString([]byte(text))[:16], fmt.Sprintf("%x", text)[:24], fmt.Sprint([]byte(text))[1:24])
	}
	for _, n := range []*big.Int{testkit.ClientRSAKey().D, testkit.ClientRSAKey().Primes[0]} {
		forbidden = append(forbidden, n.String()[:40], n.Text(16)[:40])
	}
	check := func(where, text string) {
		t.Helper()
		for _, f := range forbidden {
			if strings.Contains(text, f) {
				t.Errorf("%s shows %.20q", where, f)
			}
		}
	}
	for _, way := range ways() {
		e, p := testkit.SignedInTapped(t, way.client, way.config)
		auth := e.Config.ClientAuthentication
		nested := struct{ inside auth0.ClientAuthentication }{auth}
		for _, value := range []any{auth, &auth, nested, &nested, []any{auth}, map[string]any{"a": auth}, e.Config, e.Strategy} {
			for _, verb := range strings.Split("v +v #v s q d x X p T t b c e o U", " ") {
				if _, ok := value.(auth0.Config); ok && verb == "p" {
					continue // package fmt asks nobody about %p, and the field is a string
				}
				check(way.name+" as %"+verb, fmt.Sprintf("%"+verb, value))
			}
			text, _ := json.Marshal(value)
			check(way.name+" as JSON", string(text))
			slog.New(slog.NewTextHandler(e.Log, nil)).Info("", "value", value)
			slog.New(slog.NewJSONHandler(e.Log, nil)).Info("", "value", value)
		}
		if got, want := fmt.Sprintf("%v %+v %#v %s", auth, auth, auth, auth), fmt.Sprint(auth); strings.Count(got, want) != 4 || !strings.HasPrefix(want, "auth0.ClientAuthentication(") {
			t.Errorf("%s: %s", way.name, got)
		}
		var problems []string
		for _, fault := range []func(){
			func() {}, func() { e.Tenant.EditClient(testkit.ClientID, way.strange) },
			func() { e.Tenant.Fail(testkit.TokenEndpoint, 500); e.Tenant.Fail(testkit.PAREndpoint, 0) },
			func() {
				echo := func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400); io.Copy(w, r.Body) }
				e.Tenant.Replace(testkit.TokenEndpoint, echo)
				e.Tenant.Replace(testkit.PAREndpoint, echo)
			},
			func() { e.Tenant.Fail(testkit.PAREndpoint, 500) },
		} {
			b := e.Browser()
			fault()
			resp := b.Page("/auth/login")
			if resp.Status == 302 {
				resp = b.Callback(b.AtTenant(resp.Location(t)))
			}
			_, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
			_, connectionsErr := e.Strategy.GetConnections(t.Context())
			problems = append(problems, resp.Body, b.Page("/token?audience=x").Body, fmt.Sprintf("%v %+v %#v %v %#v", err, err, err, connectionsErr, connectionsErr))
		}
		for _, path := range []string{"/oauth/token", "/oauth/par"} {
			for _, s := range p.All(path) {
				if a := s.Form.Get("client_assertion"); a != "" {
					forbidden = append(forbidden, a[:200], strings.Split(a, ".")[1], strings.Split(a, ".")[2])
				}
			}
		}
		check(way.name+": a page or an error", strings.Join(problems, "\n"))
		check(way.name+": the log", e.Log.String())
	}
}

// TestNoRevocationEndpoint: a provider without one causes no log line at each
// logout.
func TestNoRevocationEndpoint(t *testing.T) {
	t.Parallel()
	testkit.InBubble(t, func(t *testing.T) {
		e, p := testkit.SignedInTapped(t, nil, func(c *auth0.Config) { c.Domain = "https://" + testkit.TenantHost })
		e.Tenant.EditDiscovery(func(doc map[string]any) { delete(doc, "revocation_endpoint") })
		b := e.Browser().MustLogin()
		b.Do("POST", "/auth/logout", url.Values{}, "Sec-Fetch-Site", "same-origin")
		synctest.Wait()
		if len(p.All("/oauth/revoke")) != 0 || strings.Contains(e.Log.String(), "could not be revoked") {
			t.Errorf("log %s", e.Log)
		}
	})
}
