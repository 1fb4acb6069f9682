package web_test

import (
	"crypto"
	"crypto/elliptic"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"golang.org/x/oauth2"
)

// An env is an application whose tokens are bound to a key, its tenant, and an API that
// accepts bound tokens only. The route /call calls the API.
type env struct {
	*testkit.Env
	tap *testkit.Tap
	api *api
}

// An api is the API https://api.example, and the requests that it has received.
type api struct {
	guarded http.Handler
	edit    func(w http.ResponseWriter, r *http.Request) (answered bool)
	calls   []string // method, URL and the scheme
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	a.calls = append(a.calls, r.Method+" "+r.URL.RequestURI()+" "+scheme)
	if a.edit != nil && a.edit(w, r) {
		return
	}
	a.guarded.ServeHTTP(w, r)
}

// newEnv returns an application with a key for each session. Client changes the
// registration of the application at the tenant, nil for nothing.
func newEnv(t *testing.T, client func(*testkit.TenantClient), edit ...func(*auth0.Config)) *env {
	t.Helper()
	return newEnvWith(t, auth0.ProofKeyPerSession(), client, edit...)
}

func newEnvWith(t *testing.T, key auth0.ProofKey, client func(*testkit.TenantClient), edit ...func(*auth0.Config)) *env {
	t.Helper()
	kit, tap := testkit.SignedInTapped(t, client, append([]func(*auth0.Config){func(c *auth0.Config) {
		c.ProofKey, c.PushedAuthorizationRequests = key, false
	}}, edit...)...)
	e := &env{kit, tap, &api{}}
	e.EditClient(func(c *testkit.TenantClient) {
		c.Grants = append(c.Grants, testkit.ClientGrant{Audience: testkit.Audience, Scopes: []string{"read:protected"}})
	})
	e.serve()
	return e
}

// serve adds the API and the route /call.
func (e *env) serve() {
	checked := e.NewAPI(func(c *auth0.APIConfig) {
		c.DPoP = auth0.DPoP{Mode: auth0.BindingRequired, BaseURLs: []string{"https://api.example"}}
	})
	e.api.guarded = checked.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		fmt.Fprintf(w, "for %s, key %s", token.Subject(), token.Thumbprint())
	}))
	e.Mux.HandleFunc("GET /call", e.callAPI)
}

// callAPI calls the API with the token of the session, and answers with its response.
func (e *env) callAPI(w http.ResponseWriter, r *http.Request) {
	client := e.Strategy.Client(w, r)
	client.Transport.(*auth0.ProofTransport).Base = testkit.Hosts{"api.example": e.api}
	resp, err := client.Get("https://api.example" + r.FormValue("path"))
	write(w, resp, err)
}

// write answers with the response of the API.
func write(w http.ResponseWriter, resp *http.Response, err error) {
	if err != nil {
		w.WriteHeader(500)
		fmt.Fprint(w, err)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	var body [1 << 10]byte
	n, _ := resp.Body.Read(body[:])
	w.Write(body[:n])
}

// public makes an application public, at the tenant and here.
func public(c *testkit.TenantClient) { c.Public, c.Secret = true, "" }

func withoutSecret(c *auth0.Config) {
	c.ClientSecret, c.ClientAuthentication = "", auth0.PublicClient()
}

// ownKey returns a key of an application.
func ownKey() (auth0.ProofKey, crypto.Signer) {
	key := testkit.NewECKey(elliptic.P256())
	return auth0.ProofKeyOf(key), key
}

// again returns another process of the application, with a changed configuration.
func (e *env) again(edit func(*auth0.Config)) *env {
	e.T.Helper()
	c := e.Config
	edit(&c)
	other := &env{&testkit.Env{}, e.tap, e.api}
	*other.Env = *e.Env
	other.Config, other.Strategy, other.Mux = c, testkit.Must(auth0.New(c)), http.NewServeMux()
	other.Strategy.Register(other.Mux)
	other.Mux.HandleFunc("GET /token", other.showToken)
	other.Mux.HandleFunc("GET /call", other.callAPI)
	other.App = other.Strategy.LoadUser(other.Mux)
	return other
}

// at returns the browser at another process.
func (e *env) at(b *testkit.Browser) *testkit.Browser {
	moved := b.Clone()
	moved.Env = e.Env
	return moved
}

// showToken answers with the type of a token, and whether a refresh is forced.
func (e *env) showToken(w http.ResponseWriter, r *http.Request) {
	var opts []auth0.TokenOption
	if r.FormValue("force") != "" {
		opts = append(opts, auth0.ForceRefresh())
	}
	token, err := e.Strategy.AccessToken(w, r, opts...)
	if err != nil {
		w.WriteHeader(err.(*auth0.Error).Status)
		fmt.Fprint(w, testkit.ReasonOf(err))
		return
	}
	fmt.Fprint(w, token.TokenType)
}

// accepted returns the proofs that the tenant has accepted at an endpoint.
func (e *env) accepted(at testkit.Endpoint) (list []testkit.Proof) {
	for _, p := range e.Tenant.Proofs(at) {
		if p.Accepted {
			list = append(list, p)
		}
	}
	return list
}

// keptIn returns the stored text of the key of a token, to look for it.
func keptIn(t *testing.T, token *oauth2.Token) string {
	t.Helper()
	key, ok := token.Extra("auth0_proof_key").(interface{ Kept() string })
	if !ok {
		t.Fatal("the token has no key")
	}
	return key.Kept()[1:]
}

func static(token *oauth2.Token) oauth2.TokenSource { return oauth2.StaticTokenSource(token) }

func imported(kind string) *oauth2.Token {
	return &oauth2.Token{AccessToken: "imported", TokenType: kind, Expiry: time.Now().Add(time.Hour)}
}
