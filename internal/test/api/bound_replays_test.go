package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestUsedProofs: a proof is accepted once, and only for the key that signed it.
func TestUsedProofs(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t, dpop(auth0.BindingAllowed))
	h := f.API.RequireAuth(f)
	p := client.proof(claim("jti", `"j"`))
	for i, tt := range []struct {
		r    *http.Request
		want testkit.Answer
	}{
		{client.request(p), testkit.AnswerOK},
		{client.request(p), badProof},
		{client.request(p), badProof},
		{client.request(client.proof(claim("jti", `"j"`))), badProof},
		{stranger.request(stranger.proof(claim("jti", `"j"`))), testkit.AnswerOK},
		{client.request(client.proof()), testkit.AnswerOK},
	} {
		f.Events.Take()
		f.ExpectWhole(t, h, tt.r, tt.want)
		if told, _ := f.Events.Take(); len(told) != 1 || told[0].Status != tt.want.Status || told[0].Cached != (i > 0 && i != 4) {
			t.Errorf("request %d: events %+v", i+1, told) // the signature of the access token is verified once
		}
	}
	// A memory that forgets a proof too early would accept it again.
	for _, seconds := range []int{299, 300} {
		f.Now = testkit.Noon.Add(time.Duration(seconds) * time.Second)
		f.ExpectWhole(t, h, client.request(p), badProof)
	}
	f.Now = testkit.Noon
	early := client.proof(claim("iat", testkit.NoonPlus(30)))
	f.ExpectWhole(t, h, client.request(early), testkit.AnswerOK)
	f.Now = testkit.Noon.Add(330 * time.Second)
	f.ExpectWhole(t, h, client.request(early), badProof)
}

// TestProofUsedAtOnce: of many requests with one proof that come at once, one passes.
func TestProofUsedAtOnce(t *testing.T) {
	t.Parallel()
	f := newEnv(t, auth0.BindingAllowed)
	h := f.API.RequireAuth(f)
	h.ServeHTTP(httptest.NewRecorder(), client.request(client.proof()))
	f.Served.Store(0)
	p := client.proof()
	var passed, refused atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, client.request(p))
			switch w.Code {
			case 200:
				passed.Add(1)
			case 401:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 1 || refused.Load() != 63 || f.Served.Load() != 1 {
		t.Errorf("%d passed, %d refused, %d reached the handler", passed.Load(), refused.Load(), f.Served.Load())
	}
}

// TestProofIsUsedByAuthentication: a proof is used also if the request is rejected
// afterwards.
func TestProofIsUsedByAuthentication(t *testing.T) {
	t.Parallel()
	deny := true
	f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed), func(c *auth0.APIConfig) {
		c.Validate = func(context.Context, *auth0.Token) error {
			if deny {
				return auth0.ErrForbidden
			}
			return nil
		}
	})
	p := client.proof()
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(p), testkit.Answer{Status: 403, Body: `{"error":"access_denied","error_description":"not allowed"}`})
	deny = false
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(p), badProof)
	p = client.proof()
	lacks := testkit.Answer{Status: 403, Challenge: bearerLine + "\n" + dpopLine + `, error="insufficient_scope", error_description="insufficient scope", scope="admin"`,
		Body: `{"error":"insufficient_scope","error_description":"insufficient scope"}`}
	f.ExpectWhole(t, f.API.RequireScope("admin")(f), client.request(p), lacks)
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(p), badProof)
	// One request uses its proof once, behind any number of guards.
	guarded := f.API.RequireAuth(f.API.RequireScope("read:m")(f.API.OptionalAuth(f)))
	f.ExpectWhole(t, guarded, client.request(client.proof()), testkit.AnswerOK)
}

// A memory is a ReplayStore that several APIs share.
type memory struct {
	mu    sync.Mutex
	keys  map[string]time.Time
	calls int
	wait  time.Duration
	err   error
	panic string
}

func (m *memory) AddCtx(_ context.Context, key string, expiry time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.wait > 0 {
		m.mu.Unlock()
		time.Sleep(m.wait) // it ignores the context
		m.mu.Lock()
	}
	if m.panic != "" {
		panic(m.panic)
	}
	if m.err != nil {
		return true, m.err
	}
	if _, known := m.keys[key]; known {
		return false, nil
	}
	if m.keys == nil {
		m.keys = map[string]time.Time{}
	}
	m.keys[key] = expiry
	return true, nil
}

func replays(store auth0.ReplayStore) func(*auth0.DPoP) {
	return func(d *auth0.DPoP) { d.Replays = store }
}

// TestSharedReplays: one instance rejects a proof that was used at another.
func TestSharedReplays(t *testing.T) {
	t.Parallel()
	store := &memory{}
	first, second := newEnv(t, auth0.BindingAllowed, replays(store)), newEnv(t, auth0.BindingRequired, replays(store))
	p := client.proof(claim("jti", `"j"`))
	first.ExpectWhole(t, first.API.RequireAuth(first), client.request(p), testkit.AnswerOK)
	second.ExpectWhole(t, second.API.RequireAuth(second), client.request(p), alone(badProof))
	key := "dpop:" + hash(client.thumbprint()+"\x00j")
	if expiry, ok := store.keys[key]; !ok || len(store.keys) != 1 || expiry.Before(testkit.Noon.Add(301*time.Second)) || expiry.After(testkit.Noon.Add(400*time.Second)) {
		t.Errorf("the store has %v, want %s for the life of a proof", store.keys, key)
	}
	if store.calls != 2 {
		t.Errorf("%d calls for two requests", store.calls)
	}
}

// TestReplayStoreFails: an API that cannot know whether a proof was used does not
// accept it.
func TestReplayStoreFails(t *testing.T) {
	t.Parallel()
	for why, store := range map[string]*memory{
		"error":         {err: errors.New("down")},
		"own deadline":  {err: context.DeadlineExceeded},
		"own canceling": {err: context.Canceled},
		"an API error":  {err: &auth0.Error{Status: 418, Reason: "x"}},
		"slow":          {wait: 2 * time.Second},
		"panic":         {panic: "mine"},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var events testkit.Events
				f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed, replays(store)), events.Observe)
				began := time.Now()
				f.ExpectWhole(t, f.API.RequireAuth(f), client.request(client.proof()), memoryDown)
				if took := time.Since(began); took > 1100*time.Millisecond {
					t.Errorf("the answer took %v", took)
				}
				if told, _ := events.Take(); len(told) != 1 || told[0].Reason != "replay_store_unavailable" || told[0].Status != 503 {
					t.Errorf("events %+v", told)
				}
				time.Sleep(10 * time.Second)
			})
		})
	}
	// A client that has canceled the request learns nothing of the store.
	f := newEnv(t, auth0.BindingAllowed, replays(&memory{err: context.Canceled}))
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	f.API.RequireAuth(f).ServeHTTP(w, client.request(client.proof()).WithContext(canceled))
	if w.Code != 503 || strings.Contains(w.Body.String(), "proof memory") {
		t.Errorf("canceled: %d %s", w.Code, w.Body)
	}
}

// TestStrangersCostNothing: without a valid token, a caller cannot fill the memory of proofs,
// nor have the signature of a proof verified.
func TestStrangersCostNothing(t *testing.T) {
	t.Parallel()
	store := &memory{}
	f := newEnv(t, auth0.BindingAllowed, replays(store))
	expired := newHolder(client.key, [2]string{"exp", testkit.NoonPlus(-60)})
	forged := client
	forged.token = client.token[:len(client.token)-8] + "AAAAAAAA"
	stolen := holder{stranger.key, client.token}
	unsigned := func(h holder) string { // looks good, and has no good signature
		p := h.proof()
		return p[:strings.LastIndexByte(p, '.')] + "." + testkit.Segment(strings.Repeat("\x01", 64))
	}
	for _, tt := range []struct {
		h    holder
		want testkit.Answer // about the token: the signature of the proof was not looked at
	}{
		{expired, badToken("token expired")}, {forged, badToken("signature invalid")}, {stolen, badToken("token not bound to this key")},
	} {
		f.ExpectWhole(t, f.API.RequireAuth(f), tt.h.request(unsigned(tt.h)), tt.want)
	}
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(unsigned(client)), badProof)
	quiet := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed, replays(store)), func(c *auth0.APIConfig) { c.Logger = slog.New(slog.DiscardHandler) })
	h, r := quiet.API.RequireAuth(quiet), expired.request(unsigned(expired))
	for range 10_000 {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if store.calls != 0 {
		t.Errorf("%d proofs were remembered", store.calls)
	}
}

// TestReplayMemory: a full memory evicts a proof, and the observer gets one event in a second.
func TestReplayMemory(t *testing.T) {
	t.Parallel()
	var events testkit.Events
	now := testkit.NewClock()
	now.At = testkit.Noon
	f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed, func(d *auth0.DPoP) { d.ReplayMemory = 1000 }), events.Observe, func(c *auth0.APIConfig) { c.Now = now.Now })
	h := f.API.RequireAuth(f)
	send := func(n int) {
		for range n {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, client.request(client.proof())); w.Code != 200 {
				t.Fatal(w.Code, w.Body)
			}
		}
	}
	send(500) // the parts of the memory do not fill up at the same time
	if n := events.Evictions(); n != 0 {
		t.Errorf("%d events while half of the memory is free", n)
	}
	send(1000)
	if n := events.Evictions(); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	now.Add(1)
	send(100)
	if n := events.Evictions(); n != 2 {
		t.Errorf("%d events after a second, want 2", n)
	}
	if n := strings.Count(f.Log.String(), "level=WARN"); n != 1 || !strings.Contains(f.Log.String(), "ReplayMemory") {
		t.Errorf("%d warnings, want one that names the setting: %.1000s", n, f.Log)
	}
}
