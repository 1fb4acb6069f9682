package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"golang.org/x/oauth2"
)

// TestUserInfo: a bound token is sent with a proof, and with a nonce if the tenant
// requires one.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		key    auth0.ProofKey
		demand func(e *env)
		proofs int
		scheme string
	}{
		{auth0.ProofKeyPerSession(), func(*env) {}, 1, "DPoP"},
		{auth0.ProofKeyPerSession(), func(e *env) { e.Tenant.UseNonces(testkit.NonceForAll) }, 2, "DPoP"},
		{auth0.ProofKey{}, func(*env) {}, 0, "Bearer"},
	} {
		e := newEnvWith(t, row.key, nil)
		row.demand(e)
		e.Mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
			token := testkit.Must(e.Strategy.AccessToken(w, r))
			user, err := e.Strategy.Application().UserInfo(r.Context(), token, e.subject(r))
			fmt.Fprint(w, user.Email, " ", err)
		})
		if resp := e.Browser().MustLogin().Fetch("/userinfo"); resp.Body != "ada@acme.example <nil>" {
			t.Errorf("%s; %s", resp.Body, e.Log)
		}
		sent := e.tap.All("/userinfo")
		last := sent[len(sent)-1].Header
		if len(e.Tenant.Proofs(testkit.UserInfoEndpoint)) != row.proofs || !strings.HasPrefix(last.Get("Authorization"), row.scheme+" ") || (last.Get("DPoP") != "") != (row.proofs > 0) {
			t.Errorf("%+v, %v", e.Tenant.Proofs(testkit.UserInfoEndpoint), last)
		}
	}
}

// TestStoredTokenAtUserInfo: a stored token works with the key of the application, and
// with no other.
func TestStoredTokenAtUserInfo(t *testing.T) {
	t.Parallel()
	own, _ := ownKey()
	for _, row := range []struct {
		key    auth0.ProofKey
		reason string
		proofs int
	}{{own, "token_not_accepted", 1}, {auth0.ProofKeyPerSession(), "misconfigured", 0}, {auth0.ProofKey{}, "misconfigured", 0}} {
		e := newEnvWith(t, row.key, nil)
		_, err := e.Strategy.Application().UserInfo(t.Context(), &oauth2.Token{AccessToken: "stored", TokenType: "DPoP"}, "auth0|x")
		sent := e.tap.All("/userinfo")
		if testkit.ReasonOf(err) != row.reason || len(sent) != row.proofs || row.proofs > 0 && sent[0].Header.Get("DPoP") == "" {
			t.Errorf("%v, %d requests", err, len(sent))
		}
	}
}

func (e *env) subject(r *http.Request) string {
	return testkit.Must(e.Strategy.Session(r)).User.Subject
}

// TestConnectedAccountsWithProof: the My Account API gets proofs.
func TestConnectedAccountsWithProof(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *testkit.TenantClient) {
		c.RefreshTokenPolicies = []testkit.ClientGrant{{Audience: "https://" + testkit.TenantHost + "/me/", Scopes: []string{
			"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}}}
	})
	e.Mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) {
		_, err := e.Strategy.ConnectedAccounts(w, r)
		fmt.Fprint(w, err)
	})
	if resp := e.Browser().MustLogin().Fetch("/accounts"); resp.Body != "<nil>" || len(e.accepted(testkit.MyAccountEndpoint)) != 1 {
		t.Errorf("%s, %+v; %s", resp.Body, e.Tenant.Proofs(testkit.MyAccountEndpoint), e.Log)
	}
}

// TestTransport: the answers and errors that a program gets from a transport.
func TestTransport(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	token := testkit.Must(e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience}).Token())
	own, signer := ownKey()
	stored := &oauth2.Token{AccessToken: "stored", TokenType: "dpop"}
	failed := errors.New("no token")
	due := &auth0.Error{Op: "token", Status: 401, Reason: "token_expired", Description: "d", Err: refusal.TokenNotBound.New()}
	redirect := func(to string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/" {
				return false
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return true
		}
	}
	answer := func(w http.ResponseWriter, r *http.Request) bool { return true }
	for _, row := range []struct {
		name   string
		source oauth2.TokenSource
		key    auth0.ProofKey
		header string
		edit   func(http.ResponseWriter, *http.Request) bool
		target string
		reason string // of the error
		status int
		calls  []string
	}{
		{"bound token", static(token), auth0.ProofKey{}, "", nil, "https://api.example/a?b", "", 200, []string{"GET /a?b DPoP"}},
		{"its key counts more", static(token), own, "", nil, "https://api.example/", "", 200, []string{"GET / DPoP"}},
		{"bearer token", static(&oauth2.Token{AccessToken: "a"}), own, "", answer, "https://api.example/", "", 200, []string{"GET / Bearer"}},
		{"bearer token over http", static(&oauth2.Token{AccessToken: "a"}), own, "", answer, "http://api.example/", "", 200, []string{"GET / Bearer"}},
		{"token that was stored", static(stored), auth0.ProofKeyOf(signer), "", answer, "https://api.example/", "", 200, []string{"GET / DPoP"}},
		{"token that was stored, without its key", static(stored), auth0.ProofKey{}, "", answer, "https://api.example/", "misconfigured", 500, nil},
		{"token that was stored, a key for each session", static(stored), auth0.ProofKeyPerSession(), "", answer, "https://api.example/", "misconfigured", 500, nil},
		{"no source", nil, own, "", answer, "https://api.example/", "misconfigured", 500, nil},
		{"no token", static(nil), own, "", answer, "https://api.example/", "internal", 500, nil},
		{"empty token", static(&oauth2.Token{}), own, "", answer, "https://api.example/", "internal", 500, nil},
		{"source that fails", failing{failed}, own, "", answer, "https://api.example/", "*errors.errorString", 0, nil},
		{"source that fails for a reason", failing{due}, own, "", answer, "https://api.example/", "token_expired", 401, nil},
		{"http", static(token), own, "", answer, "http://api.example/", "internal", 500, nil},
		{"Authorization", static(token), own, "Authorization", answer, "https://api.example/", "internal", 500, nil},
		{"DPoP", static(token), own, "DPoP", answer, "https://api.example/", "internal", 500, nil},
		{"redirect here", static(token), own, "", redirect("/there?x"), "https://api.example/", "", 200, []string{"GET / DPoP", "GET /there?x DPoP"}},
		{"redirect elsewhere", static(token), own, "", redirect("https://other.example/"), "https://api.example/", "redirect_refused", 502, []string{"GET / DPoP"}},
		{"redirect to http", static(token), own, "", redirect("http://api.example/"), "https://api.example/", "redirect_refused", 502, []string{"GET / DPoP"}},
		{"redirect of a bearer token", static(&oauth2.Token{AccessToken: "a"}), own, "", redirect("https://other.example/"), "https://api.example/", "redirect_refused", 502, []string{"GET / Bearer"}},
		{"no such host", static(token), own, "", nil, "https://nobody.example/", "*errors.errorString", 0, nil},
	} {
		e.api.calls, e.api.edit = nil, row.edit
		client := &http.Client{Transport: &auth0.ProofTransport{Base: testkit.Hosts{"api.example": e.api, "other.example": e.api}, Source: row.source, Key: row.key}}
		r := testkit.Must(http.NewRequest("GET", row.target, nil))
		if row.header != "" {
			r.Header.Set(row.header, "x")
		}
		resp, err := client.Do(r)
		if fmt.Sprint(e.api.calls) != fmt.Sprint(row.calls) {
			t.Errorf("%s: the calls %q", row.name, e.api.calls)
		}
		if row.reason == "" {
			if err != nil || resp.StatusCode != row.status {
				t.Errorf("%s: %v, %v", row.name, resp, err)
			}
			continue
		}
		wrapped, ok := err.(*url.Error)
		if !ok || testkit.ReasonOf(wrapped.Err) != row.reason {
			t.Errorf("%s: %v, %s", row.name, err, testkit.ReasonOf(err))
			continue
		}
		if problem := (*auth0.Error)(nil); errors.As(err, &problem) && (problem.Status != row.status || problem.Op != "token") {
			t.Errorf("%s: %+v", row.name, problem)
		}
	}
	if _, err := (&http.Client{Transport: &auth0.ProofTransport{Source: static(&oauth2.Token{AccessToken: "a"})}}).Get("http://127.0.0.1:1/"); err == nil {
		t.Error("the default transport reaches a closed port")
	}
	unusable := &http.Client{Transport: &auth0.ProofTransport{Source: static(stored), Key: auth0.ProofKeyOf(nil)}}
	if _, err := unusable.Get("https://api.example/"); err == nil || !strings.Contains(fmt.Sprint(errors.Unwrap(errors.Unwrap(err))), "ProofTransport.Key has no key") {
		t.Errorf("a key of no use: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Token() (*oauth2.Token, error) { return nil, f.err }

// TestRedirectOfSession: the client of a session returns a redirect to another host
// unfollowed, for any kind of token.
func TestRedirectOfSession(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.api.edit = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "https://other.example/", http.StatusFound)
		return true
	}
	if resp := e.Browser().MustLogin().Fetch("/call"); resp.Status != 302 || len(e.api.calls) != 1 {
		t.Errorf("%d, %q", resp.Status, e.api.calls)
	}
}

// TestAPIWantsNonces: an API with nonces costs one more request, once.
func TestAPIWantsNonces(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	checked := e.NewAPI(func(c *auth0.APIConfig) {
		c.DPoP = auth0.DPoP{Mode: auth0.BindingRequired, BaseURLs: []string{"https://api.example"}, NonceSecrets: []string{"9bb5dbd6c8be67a9aa1d1e8f3a1a9b3e8d7c6b5a49382716f5e4d3c2b1a09f8e"}}
	})
	e.api.guarded = checked.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b := e.Browser().MustLogin()
	for i, want := range []int{2, 3, 4} {
		if resp := b.Fetch("/call"); resp.Status != 200 || len(e.api.calls) != want {
			t.Errorf("call %d: %d, %q", i, resp.Status, e.api.calls)
		}
	}
}

// TestTokenOrSession: a program that is a site and an API accepts the bound token of its
// own session.
func TestTokenOrSession(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	both := e.NewAPI(func(c *auth0.APIConfig) {
		c.DPoP = auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{testkit.AppURL}}
	})
	e.Mux.Handle("GET /both", both.RequireTokenOrSession(e.Strategy)(both.RequireScope("openid")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))
	if resp := e.Browser().MustLogin().Fetch("/both"); resp.Status != 200 {
		t.Errorf("%d %s; %s", resp.Status, resp.Body, e.Log)
	}
}

// TestNothingIsShown: no key, and no proof, is in the log, in a cookie, in a store, or in
// formatted values.
func TestNothingIsShown(t *testing.T) {
	t.Parallel()
	own, signer := ownKey()
	raw := testkit.Must(signer.(interface{ Bytes() ([]byte, error) }).Bytes())
	for name, key := range map[string]auth0.ProofKey{"each session": auth0.ProofKeyPerSession(), "the application": own} {
		for _, mode := range testkit.Modes {
			e := newEnv(t, public, withoutSecret, mode.Edit, func(c *auth0.Config) { c.ProofKey = key })
			var secrets []string
			var shown strings.Builder
			e.Mux.HandleFunc("GET /show", func(w http.ResponseWriter, r *http.Request) {
				token := testkit.Must(e.Strategy.AccessToken(w, r, auth0.ForceRefresh()))
				secrets = append(secrets, token.AccessToken)
				if name == "each session" {
					secrets = append(secrets, keptIn(t, token))
				}
				for _, v := range []any{e.Strategy, testkit.Must(e.Strategy.Session(r)), key, e.Config, e.Strategy.Client(w, r), e.Strategy.Application()} {
					fmt.Fprintf(&shown, "%v %+v %#v %s %x\n", v, v, v, v, v)
				}
				fmt.Fprintf(&shown, "%+v %#v %s", token.Extra("auth0_proof_key"), token.Extra("auth0_proof_key"), testkit.AsJSON(key))
			})
			b := e.Browser().MustLogin()
			b.Fetch("/show")
			b.Fetch("/call")
			e.Tenant.Fail(testkit.TokenEndpoint, 400)
			b.Fetch("/show2")
			for _, p := range e.tap.All("/oauth/token") {
				secrets = append(secrets, p.Header.Get("DPoP"))
			}
			secrets = append(secrets, fmt.Sprintf("%x", raw[:12]), testkit.Segment(string(raw))[:20], strings.Trim(fmt.Sprint(raw[:8]), "[]"))
			cookies := fmt.Sprint(b.Cookies)
			for _, secret := range secrets {
				if len(secret) < 12 {
					t.Fatalf("%s: the secret %q", name, secret)
				}
				if strings.Contains(e.Log.String(), secret) || strings.Contains(shown.String(), secret) || strings.Contains(cookies, secret) {
					t.Errorf("%s, %s: %.20s is shown", name, mode.Name, secret)
				}
			}
		}
	}
}

// TestTransactionSize: a login with a key and much state fits into its cookie.
func TestTransactionSize(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	e.Mux.Handle("GET /big", e.Strategy.LoginHandler(auth0.WithAppState(strings.Repeat("x", 1000))))
	b := e.Browser()
	long := "/page?q=" + strings.Repeat("y", 3000)
	u := b.Begin("/big?returnTo=" + url.QueryEscape(long))
	for name, value := range b.Cookies {
		if len(name)+len(value) > 3500 {
			t.Errorf("a cookie of %d bytes", len(name)+len(value))
		}
	}
	resp := b.Callback(b.AtTenant(u))
	if resp.Status != 303 || resp.Location(t).Path != "/page" || resp.Location(t).RawQuery != "" {
		t.Errorf("%d, to %s", resp.Status, resp.Header.Get("Location"))
	}
	if resp := b.Fetch("/call"); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
}
