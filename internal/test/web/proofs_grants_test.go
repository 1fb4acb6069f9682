package web_test

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"golang.org/x/oauth2"
)

// call calls the API with the tokens of a source.
func (e *env) call(source oauth2.TokenSource) (*http.Response, error) {
	client := &http.Client{Transport: &auth0.ProofTransport{Base: testkit.Hosts{"api.example": e.api}, Source: source}}
	return client.Get("https://api.example/")
}

// TestClientCredentials: concurrent callers share one token, which an API that requires
// proofs accepts, also with one key for each session. A token for the Management API is a
// bearer token.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	own, _ := ownKey()
	for name, key := range map[string]auth0.ProofKey{"each session": auth0.ProofKeyPerSession(), "the application": own} {
		e := newEnvWith(t, key, nil)
		app := e.Strategy.Application()
		source := app.ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if token, err := source.Token(); err != nil || token.TokenType != "DPoP" {
					t.Errorf("%s: %v, %v", name, token, err)
				}
			})
		}
		wg.Wait()
		if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 1 {
			t.Errorf("%s: %d token requests", name, n)
		}
		if resp, err := e.call(source); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
		e.AllowManagement("read:connections")
		token, err := app.ClientCredentials(auth0.ClientCredentials{Audience: "https://" + testkit.TenantHost + "/api/v2/"}).Token()
		if err != nil || token.TokenType != "Bearer" {
			t.Errorf("%s: Management API: %v, %v", name, token, err)
		}
	}
}

// TestExchange: the new token is bound to the key of the application that exchanges, and
// not to the key of the token that it received.
func TestExchange(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, err := range []error{
		e.Tenant.AddAPI(testkit.TenantAPI{Audience: testkit.NextAPI, Scopes: []string{"read:next"}, ProofOfPossession: testkit.BoundByDPoP}),
		e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
			c.ResourceServer = testkit.Audience
			c.Grants = append(c.Grants, testkit.ClientGrant{Audience: testkit.NextAPI, Scopes: []string{"read:next"}})
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var subject *oauth2.Token
	e.Mux.HandleFunc("GET /subject", func(w http.ResponseWriter, r *http.Request) { subject = testkit.Must(e.Strategy.AccessToken(w, r)) })
	e.Browser().MustLogin().Fetch("/subject")
	own, _ := ownKey()
	next := e.again(func(c *auth0.Config) { c.ProofKey = own }).Strategy.Application()
	token, err := next.ExchangeToken(t.Context(), auth0.TokenExchange{SubjectToken: subject.AccessToken, Audience: testkit.NextAPI})
	if err != nil {
		t.Fatal(err)
	}
	keys := thumbprints(e.accepted(testkit.TokenEndpoint))
	cnf, _ := testkit.DecodeClaims(t, string(testkit.DecodeSegment(strings.Split(token.AccessToken, ".")[1])))["cnf"].(map[string]any)
	if len(keys) != 2 || keys[0] == keys[1] || cnf["jkt"] != keys[1] || token.TokenType != "DPoP" {
		t.Errorf("%v, the keys %q", cnf, keys)
	}
}

// TestLoginsByGrant: a login without a browser has its own key, which its session
// keeps, also after a second factor.
func TestLoginsByGrant(t *testing.T) {
	t.Parallel()
	e := newGrantsEnv(t)
	var first, second *auth0.Login
	first = testkit.Must(e.LoginWithPassword())
	second = testkit.Must(e.LoginWithPassword())
	factor := testkit.Must(testkit.Must(e.Strategy.Application().OpenMFA(testkit.Must(e.BeginMFA().Seal()))).LoginWithOTP(t.Context(), testkit.OneTimeCode))
	proofs := e.accepted(testkit.TokenEndpoint)
	keys := map[string]bool{}
	for _, p := range proofs {
		keys[p.Thumbprint] = true
	}
	if len(proofs) != 4 || len(keys) != 4 { // the third is that of the demand
		t.Errorf("%+v", proofs)
	}
	for _, l := range []*auth0.Login{first, second, factor} {
		if l.Token().TokenType != "DPoP" {
			t.Errorf("%v", l.Token())
		}
		if resp, err := e.call(static(l.Token())); err != nil || resp.StatusCode != 200 {
			t.Errorf("%v, %v", resp, err)
		}
	}
	e.Mux.HandleFunc("GET /start", func(w http.ResponseWriter, r *http.Request) {
		if err := e.Strategy.StartSession(w, r, second); err != nil {
			t.Error(err)
		}
	})
	b := e.Browser()
	b.Page("/start")
	if resp := b.Fetch("/call"); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
}

// TestRefreshWithFactor: a refresh that needs a second factor goes on with the key of the
// session.
func TestRefreshWithFactor(t *testing.T) {
	t.Parallel()
	for _, key := range []auth0.ProofKey{auth0.ProofKeyPerSession(), {}} {
		e := newGrantsEnv(t, func(c *auth0.Config) {
			c.ProofKey, c.Scopes = key, []string{"openid", "offline_access"}
		})
		if err := e.Tenant.LogIn(testkit.MFAUser); err != nil {
			t.Fatal(err)
		}
		b := e.Browser().MustLogin()
		before := thumbprints(e.accepted(testkit.TokenEndpoint))
		now := e.again(func(c *auth0.Config) { c.ProofKey = auth0.ProofKeyPerSession() })
		e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(403)
			fmt.Fprint(w, `{"error":"mfa_required","mfa_token":"the-mfa-token"}`)
		})
		var sealed string
		now.Mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, r *http.Request) {
			_, err := now.Strategy.AccessToken(w, r, auth0.ForceRefresh())
			sealed = testkit.Must(now.ExpectError(err, auth0.ErrMFARequired).MFA().Seal())
		})
		now.Mux.HandleFunc("GET /factor", func(w http.ResponseWriter, r *http.Request) {
			l, err := testkit.Must(now.Strategy.Application().OpenMFA(sealed)).LoginWithOTP(r.Context(), testkit.OneTimeCode)
			if err == nil {
				err = now.Strategy.StartSession(w, r, l)
			}
			if err != nil {
				t.Error(err)
			}
		})
		b = now.at(b)
		b.Fetch("/refresh")
		var sent []string
		e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
			kind := "Bearer"
			if proof := r.Header.Get("DPoP"); proof != "" {
				kind = "DPoP"
				sent = append(sent, testkit.DecodeClaims(t, string(testkit.DecodeSegment(strings.Split(proof, ".")[0])))["jwk"].(map[string]any)["x"].(string))
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"new","token_type":%q,"expires_in":600}`, kind)
		})
		b.Fetch("/factor")
		want := "Bearer"
		if len(before) > 0 {
			want = "DPoP"
		}
		if resp := b.Fetch("/token"); resp.Body != want || len(sent) != len(before) {
			t.Errorf("%d %s, want %s; %d proofs", resp.Status, resp.Body, want, len(sent))
		}
	}
}

// TestGrant: a token of a grant without its own method has the key of the
// application.
func TestGrant(t *testing.T) {
	t.Parallel()
	e := newGrantsEnv(t)
	token, err := e.Strategy.Application().Grant(t.Context(), "password", url.Values{
		"username": {"ada@acme.example"}, "password": {testkit.Password}, "audience": {testkit.Audience}, "scope": {"openid"},
	})
	if err != nil || token.TokenType != "DPoP" {
		t.Fatalf("%v, %v", token, err)
	}
	if resp, err := e.call(static(token)); err != nil || resp.StatusCode != 200 {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestPasswordless: a login with a code, or with a link, has a key. The request that sends
// them has no proof.
func TestPasswordless(t *testing.T) {
	t.Parallel()
	e := newGrantsEnv(t)
	app, to := e.Strategy.Application(), auth0.PasswordlessLogin{Email: "ada@acme.example"}
	if err := app.SendCode(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	code, _ := e.Tenant.Mail(to.Email)
	l, err := app.LoginWithCode(t.Context(), to, code)
	if err != nil || l.Token().TokenType != "DPoP" {
		t.Fatalf("%v, %v", l, err)
	}
	transaction, err := app.SendLink(t.Context(), testkit.CallbackURL, to)
	if err != nil {
		t.Fatal(err)
	}
	_, link := e.Tenant.Mail(to.Email)
	l, err = app.Exchange(t.Context(), transaction, e.Browser().AtTenant(testkit.Must(url.Parse(link))).Query())
	if err != nil || l.Token().TokenType != "DPoP" {
		t.Fatalf("%v, %v", l, err)
	}
	if resp, err := e.call(static(l.Token())); err != nil || resp.StatusCode != 200 {
		t.Errorf("%v, %v", resp, err)
	}
	for _, sent := range e.tap.All("/passwordless/start") {
		if sent.Header.Get("DPoP") != "" {
			t.Error("passwordless/start has a proof")
		}
	}
}

// newGrantsEnv is an env with the settings that grants need.
func newGrantsEnv(t *testing.T, edit ...func(*auth0.Config)) *env {
	t.Helper()
	tap := &testkit.Tap{}
	kit := testkit.SignedInForGrants(t, append([]func(*auth0.Config){func(c *auth0.Config) {
		c.ProofKey, c.Audience = auth0.ProofKeyPerSession(), testkit.Audience
		tap.Next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: tap}
	}}, edit...)...)
	e := &env{kit, tap, &api{}}
	e.serve()
	return e
}

// TestBrokenSigner: no request is sent without a proof.
func TestBrokenSigner(t *testing.T) {
	t.Parallel()
	_, signer := ownKey()
	e := newEnvWith(t, auth0.ProofKeyOf(broken{signer}), nil)
	_, err := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience}).Token()
	var problem *auth0.Error
	if !errors.As(err, &problem) || problem.Op != "token" || problem.Status != 500 || !errors.Is(err, errBroken) || len(e.tap.All("/oauth/token")) != 0 {
		t.Errorf("%v", err)
	}
	resp, err := (&http.Client{Transport: &auth0.ProofTransport{
		Base: testkit.Hosts{"api.example": e.api}, Source: static(&oauth2.Token{AccessToken: "x", TokenType: "DPoP"}), Key: auth0.ProofKeyOf(broken{signer}),
	}}).Get("https://api.example/")
	if !errors.As(err, &problem) || problem.Op != "token" || problem.Status != 500 || len(e.api.calls) != 0 {
		t.Errorf("%v, %v", resp, err)
	}
}

type broken struct{ crypto.Signer }

var errBroken = errors.New("the HSM is broken")

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errBroken }

// TestClock: the clock of the application is ten minutes ahead, and the error names the
// clock.
func TestClock(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil, func(c *auth0.Config) { c.Now = func() time.Time { return time.Now().Add(10 * time.Minute) } })
	_, err := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience}).Token()
	if err == nil || !strings.Contains(err.Error(), "compare the clock of this machine") || len(e.tap.All("/oauth/token")) != 1 {
		t.Errorf("%v", err)
	}
}
