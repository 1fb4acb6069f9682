package testkit

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// AddIssuer puts one more tenant into the network.
func (f *APIEnv) AddIssuer(t *testing.T, host string, keys ...JWK) *Tenant {
	t.Helper()
	issuer, err := NewTenant(TenantConfig{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	issuer.EditJWKS(func(doc map[string]any) { doc["keys"] = keys })
	f.Net.Handle(host, issuer)
	return issuer
}

// HostsAsked returns the requested hosts, in order.
func (f *APIEnv) HostsAsked() []string {
	var hosts []string
	for _, u := range f.Net.Asked() {
		host, _, _ := strings.Cut(strings.TrimPrefix(u, "https://"), "/")
		hosts = append(hosts, host)
	}
	return hosts
}

// InAPIBubble runs a test about time in a bubble, with an APIEnv that has its clock. A
// fetch that does not end by itself in time fails the test.
func InAPIBubble(t *testing.T, test func(t *testing.T, f *APIEnv)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, NewAPIEnv(t, func(c *auth0.APIConfig) { c.Now = nil }))
		time.Sleep(6 * time.Second)
	})
}

// StatusOf returns the status of a token.
func (f *APIEnv) StatusOf(ctx context.Context, token string) int {
	_, err := f.API.Verify(ctx, token)
	var e *auth0.Error
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &e):
		return e.Status
	}
	return 0
}

// Warm lets the API fetch keys once.
func (f *APIEnv) Warm(t *testing.T) {
	t.Helper()
	f.ExpectToken(t, TokenOf("k1", RSAKey1()), AnswerOK)
	f.ExpectFetches(t, 1)
}

// ExpectFetches fails the test unless the number of fetches of the keys is right.
func (f *APIEnv) ExpectFetches(t *testing.T, want int) {
	t.Helper()
	if got := f.Fetches(); got != want {
		t.Errorf("%d fetches of keys, want %d", got, want)
	}
}

// The issuer and the API of an APIEnv. Tokens are assembled by hand, because most of
// them are tokens that no tenant would sign.
const (
	APIHost     = "t.example"
	APIIssuer   = "https://t.example/"
	APIAudience = "https://api.example/"
)

// An APIEnv is an API, its issuer, and a handler to protect.
type APIEnv struct {
	API    *auth0.API
	Tenant *Tenant
	Net    *Network
	Log    *Log
	Config auth0.APIConfig
	Served atomic.Int64 // requests that reached the handler
}

// NewAPIEnv publishes k1 and k2, of which k1 signs. It is noon.
func NewAPIEnv(t *testing.T, edits ...func(*auth0.APIConfig)) *APIEnv {
	t.Helper()
	issuer, err := NewTenant(TenantConfig{Host: APIHost})
	if err != nil {
		t.Fatal(err)
	}
	f := &APIEnv{Tenant: issuer, Log: &Log{}, Net: NewNetwork(Hosts{APIHost: issuer})}
	f.Publish(RSAJWK("k1", &RSAKey1().PublicKey), RSAJWK("k2", &RSAKey2().PublicKey))
	f.Config = auth0.APIConfig{
		Domain:     APIHost,
		Audience:   APIAudience,
		HTTPClient: &http.Client{Transport: f.Net},
		Logger:     slog.New(slog.NewTextHandler(f.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:        func() time.Time { return Noon },
	}
	for _, edit := range edits {
		edit(&f.Config)
	}
	if f.API, err = auth0.NewAPI(f.Config); err != nil {
		t.Fatal(err)
	}
	return f
}

// Publish replaces the keys of the issuer.
func (f *APIEnv) Publish(keys ...JWK) {
	f.Tenant.EditJWKS(func(doc map[string]any) { doc["keys"] = keys })
}

// Fetches returns how often the keys were fetched.
func (f *APIEnv) Fetches() int { return f.Tenant.Calls(JWKSEndpoint) }

// ServeHTTP is the protected handler.
func (f *APIEnv) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Served.Add(1)
	io.WriteString(w, "for members")
}

// Algorithms is an edit of the configuration.
func Algorithms(names ...string) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.Algorithms = names }
}

// Events collects an observer's events.
type Events struct {
	mu    sync.Mutex
	token []auth0.Event // and of guards
	keys  []auth0.Event

	evictions int
}

// Evictions returns how many DPoP proofs an API has evicted.
func (e *Events) Evictions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.evictions
}

// Observe is an edit of the configuration.
func (e *Events) Observe(c *auth0.APIConfig) {
	c.Observer = func(_ context.Context, event auth0.Event) {
		e.mu.Lock()
		defer e.mu.Unlock()
		switch event.Kind {
		case auth0.TokenChecked, auth0.GuardRefused:
			e.token = append(e.token, event)
		case auth0.KeysFetched:
			e.keys = append(e.keys, event)
		case auth0.ReplayEvicted:
			e.evictions++
		default:
			panic("an event of no known kind")
		}
	}
}

// Take returns the events since the last call: those of tokens and guards, and those
// of keys.
func (e *Events) Take() (ofTokens, ofKeys []auth0.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	token, keys := e.token, e.keys
	e.token, e.keys = nil, nil
	return token, keys
}

// A CacheEnv tells whether the signature of a token was checked.
type CacheEnv struct {
	*APIEnv
	Events Events
	Now    time.Time
}

// NewCacheEnv is NewAPIEnv with a clock that the test sets, and an observer.
func NewCacheEnv(t *testing.T, edits ...func(*auth0.APIConfig)) *CacheEnv {
	t.Helper()
	f := &CacheEnv{Now: Noon}
	f.APIEnv = NewAPIEnv(t, append([]func(*auth0.APIConfig){
		f.Events.Observe, func(c *auth0.APIConfig) { c.Now = func() time.Time { return f.Now } },
	}, edits...)...)
	return f
}

// ExpectCached sends a token, and fails the test unless the number of cache hits is
// cached.
func (f *CacheEnv) ExpectCached(t *testing.T, token string, want Answer, cached bool) {
	t.Helper()
	f.Events.Take()
	f.ExpectToken(t, token, want)
	if told, _ := f.Events.Take(); len(told) != 1 || told[0].Cached != cached || told[0].Status != want.Status {
		t.Errorf("events %+v, want one of status %d with Cached %v", told, want.Status, cached)
	}
}
