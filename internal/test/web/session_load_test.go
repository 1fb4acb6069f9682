package web_test

import (
	"context"
	"errors"
	"fmt"
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

// A fault is the fault of a store.
type fault struct {
	takes      time.Duration   // before a call ends
	until      <-chan struct{} // calls hang
	err        error
	writesOnly bool
	missing    map[string]bool // keys that are not there: a copy that lags
}

var errStoreDown = errors.New("connection refused")

// A faultyStore has no context, as most stores for scs.
type faultyStore struct {
	inner       testkit.FullStore
	fault       atomic.Pointer[fault]
	under, most atomic.Int64 // calls
	written     sync.Map     // keys
}

func newFaultyStore() *faultyStore { return &faultyStore{inner: testkit.NewFullStore(10_000)} }

func (s *faultyStore) call(ctx context.Context, write bool) (*fault, error) {
	under := s.under.Add(1)
	defer s.under.Add(-1)
	for most := s.most.Load(); under > most && !s.most.CompareAndSwap(most, under); most = s.most.Load() {
	}
	f := s.fault.Load()
	if f == nil || f.writesOnly && !write {
		return nil, nil
	}
	var done <-chan time.Time
	switch {
	case f.takes > 0:
		done = time.After(f.takes)
	case f.until == nil:
		return f, f.err
	}
	select {
	case <-done:
	case <-f.until:
	case <-ctx.Done():
		return f, ctx.Err()
	}
	return f, f.err
}

func (s *faultyStore) find(ctx context.Context, key string) ([]byte, bool, error) {
	f, err := s.call(ctx, false)
	if err != nil || f != nil && f.missing[key] {
		return nil, false, err
	}
	return s.inner.Find(key)
}

func (s *faultyStore) commit(ctx context.Context, key string, value []byte, expiry time.Time) error {
	if _, err := s.call(ctx, true); err != nil {
		return err
	}
	s.written.Store(key, true)
	return s.inner.Commit(key, value, expiry)
}

func (s *faultyStore) delete(ctx context.Context, key string) error {
	if _, err := s.call(ctx, true); err != nil {
		return err
	}
	return s.inner.Delete(key)
}

// keys returns every key ever written.
func (s *faultyStore) keys() map[string]bool {
	keys := map[string]bool{}
	s.written.Range(func(key, _ any) bool { keys[key.(string)] = true; return true })
	return keys
}

func (s *faultyStore) Find(key string) ([]byte, bool, error) {
	return s.find(context.Background(), key)
}

func (s *faultyStore) Commit(key string, value []byte, expiry time.Time) error {
	return s.commit(context.Background(), key, value, expiry)
}

func (s *faultyStore) Delete(key string) error { return s.delete(context.Background(), key) }

// A faultyCtxStore is one whose calls can be canceled.
type faultyCtxStore struct{ *faultyStore }

func (s faultyCtxStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	return s.find(ctx, key)
}

func (s faultyCtxStore) CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error {
	return s.commit(ctx, key, value, expiry)
}

func (s faultyCtxStore) DeleteCtx(ctx context.Context, key string) error { return s.delete(ctx, key) }

// eachFaultyStore runs a test with a store of either kind. Time passes as soon as
// every goroutine waits for it.
func eachFaultyStore(t *testing.T, test func(t *testing.T, s *faultyStore, as auth0.Store)) {
	t.Run("plain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { s := newFaultyStore(); test(t, s, s) })
	})
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { s := newFaultyStore(); test(t, s, faultyCtxStore{s}) })
	})
}

// A visitor is a browser that sends many requests at once.
type visitor struct {
	mu      sync.Mutex
	browser *testkit.Browser
	private string // the text of the protected page
	email   string
}

func (v *visitor) clone() *testkit.Browser {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.browser.Clone()
}

// take stores the cookies of a response, as a browser does.
func (v *visitor) take(cookies map[string]*http.Cookie) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, c := range cookies {
		v.browser.Cookies[name] = c.Value
		if c.MaxAge < 0 {
			delete(v.browser.Cookies, name)
		}
	}
}

func visitors(e *testkit.Env, n int) []*visitor {
	e.T.Helper()
	people := []string{"ada@acme.example", "bob@acme.example", "grace@gmail.example", "linus@github.example"}
	var all []*visitor
	for i := range n {
		v := &visitor{email: people[i%len(people)]}
		e.SignInAtTenant(v.email)
		v.browser = e.Browser().MustLogin()
		v.private = v.browser.Page("/private").Body
		all = append(all, v)
	}
	return all
}

// A tally counts the answers to requests.
type tally struct {
	mu          sync.Mutex
	requests    int
	served      int // with a session
	unavailable int // 503, on protected pages
	anonymous   int // on a public page
	loggedOut   int // sent to log in, on protected pages
	deleted     int // session cookies
	slowest     time.Duration
}

func (c *tally) String() string {
	return fmt.Sprintf("%d requests: %d served, %d unavailable (503), %d anonymous on optional pages, %d told to log in, %d cookies deleted, slowest %v",
		c.requests, c.served, c.unavailable, c.anonymous, c.loggedOut, c.deleted, c.slowest)
}

// rush lets many requests arrive one after the other, without waiting for answers.
func rush(e *testkit.Env, visitors []*visitor, requests int, gap time.Duration) *tally {
	c := &tally{requests: requests}
	var under sync.WaitGroup
	for i := range requests {
		under.Go(func() { visit(e, visitors[i%len(visitors)], i/len(visitors)%3, c) })
		time.Sleep(gap)
	}
	under.Wait()
	return c
}

func visit(e *testkit.Env, v *visitor, kind int, c *tally) {
	b := v.clone()
	begin := time.Now()
	var resp *testkit.Response
	want := v.private
	switch kind {
	case 0:
		resp = b.Page("/private")
	case 1:
		resp = b.Do("GET", "/private", nil, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin")
	case 2:
		resp = b.Page("/")
		want = "home true " + v.email
	}
	took := time.Since(begin)
	set := resp.SetCookies(e.T)
	v.take(set)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowest = max(c.slowest, took)
	for name, cookie := range set {
		if cookie.MaxAge < 0 && name == testkit.SessionCookie {
			c.deleted++
		}
	}
	switch {
	case resp.Status == http.StatusOK && resp.Body == want:
		c.served++
	case resp.Status == http.StatusOK && strings.HasPrefix(resp.Body, "home false"):
		c.anonymous++
	case resp.Status == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		c.unavailable++
	case resp.Status == http.StatusFound, resp.Status == http.StatusUnauthorized:
		c.loggedOut++
	default:
		e.T.Errorf("answer %d %q, want %q", resp.Status, resp.Body, want)
	}
}

// unharmed checks that no session is lost.
func (c *tally) unharmed(t *testing.T, when string) {
	t.Helper()
	t.Logf("%s: %v", when, c)
	if c.loggedOut > 0 || c.deleted > 0 {
		t.Errorf("%s: %d told to log in, %d cookies deleted", when, c.loggedOut, c.deleted)
	}
}

// allServed checks that no visitor notices the fault.
func (c *tally) allServed(t *testing.T, when string) {
	t.Helper()
	c.unharmed(t, when)
	if c.served != c.requests {
		t.Errorf("%s: %d of %d served", when, c.served, c.requests)
	}
}

// recovery returns how long it takes until a visitor is served.
func recovery(e *testkit.Env, v *visitor) time.Duration {
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		if v.clone().Page("/private").Body == v.private {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begin)
}

const (
	loadVisitors  = 12
	loadRequests  = 300
	loadGap       = 2 * time.Millisecond
	storePatience = time.Second // the time limit of a store call
)

// TestLoadStoreOutage: a store that fails, hangs, or takes twice the time limit
// costs answers during the fault, and nothing more.
func TestLoadStoreOutage(t *testing.T) {
	t.Parallel()
	eachFaultyStore(t, func(t *testing.T, s *faultyStore, as auth0.Store) {
		hang := make(chan struct{})
		faults := []struct {
			name  string
			fault *fault
			after time.Duration // until calls from before have ended, if they cannot be canceled
			end   func()
		}{
			{name: "refuses", fault: &fault{err: errStoreDown}},
			{name: "takes 2 s", fault: &fault{takes: 2 * time.Second}, after: 2 * time.Second},
			{name: "takes 2 s and fails", fault: &fault{takes: 2 * time.Second, err: errStoreDown}, after: 2 * time.Second},
			{name: "hangs", fault: &fault{until: hang}, end: func() { close(hang) }},
		}
		e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store = as })
		visitors := visitors(e, loadVisitors)
		rush(e, visitors, loadRequests, loadGap).allServed(t, "the store works")
		for _, f := range faults {
			s.most.Store(0)
			s.fault.Store(f.fault)
			c := rush(e, visitors, loadRequests, loadGap)
			c.unharmed(t, "the store "+f.name)
			if c.served > 0 || c.unavailable+c.anonymous != c.requests {
				t.Errorf("the store %s: %v", f.name, c)
			}
			if c.slowest > storePatience {
				t.Errorf("the store %s: somebody waits for %v", f.name, c.slowest)
			}
			t.Logf("the store %s: at most %d calls under way", f.name, s.most.Load())
			if most := s.most.Load(); most > loadRequests || as == auth0.Store(s) && most > 128 {
				t.Errorf("the store %s: %d calls are under way", f.name, most)
			}
			s.fault.Store(nil)
			if f.end != nil {
				f.end()
			}
			recovery := recovery(e, visitors[0])
			t.Logf("the store %s: served again %v after the end", f.name, recovery)
			if as != auth0.Store(s) {
				f.after = 0
			}
			if recovery > f.after {
				t.Errorf("the store %s: served again only %v after the end", f.name, recovery)
			}
			rush(e, visitors, loadVisitors*3, 0).allServed(t, "the first requests when it works again")
			time.Sleep(f.after)
			synctest.Wait()
			if n := s.under.Load(); n > 0 {
				t.Errorf("the store %s: %d calls are still under way", f.name, n)
			}
		}
	})
}

// TestLoadStoreTakesNoWrites is a store that has become a read-only copy, or is
// full, when sessions are due to be prolonged.
func TestLoadStoreTakesNoWrites(t *testing.T) {
	t.Parallel()
	eachFaultyStore(t, func(t *testing.T, s *faultyStore, as auth0.Store) {
		e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store = as })
		visitors := visitors(e, loadVisitors)
		time.Sleep(10 * time.Minute)
		s.fault.Store(&fault{err: errors.New("read-only copy"), writesOnly: true})
		rush(e, visitors, loadRequests, loadGap).allServed(t, "the store takes no writes")
		if !strings.Contains(e.Log.String(), "could not be prolonged") {
			t.Error("the log says nothing")
		}
		s.fault.Store(nil)
		rush(e, visitors, loadRequests, loadGap).allServed(t, "the store takes writes again")
		time.Sleep(24*time.Hour - time.Minute)
		rush(e, visitors, loadVisitors*3, 0).allServed(t, "a day later")
	})
}

// TestLoadStoreFailover: another copy of the store takes over, without the last
// writes. The newest sessions are missing, so their users must log in again, and
// can. No other user notices anything.
func TestLoadStoreFailover(t *testing.T) {
	t.Parallel()
	eachFaultyStore(t, func(t *testing.T, s *faultyStore, as auth0.Store) {
		e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store = as })
		older := visitors(e, loadVisitors)
		has := s.keys()
		younger := visitors(e, 4)
		missing := s.keys()
		for key := range has {
			delete(missing, key)
		}
		s.fault.Store(&fault{missing: missing})
		rush(e, older, loadRequests, loadGap).allServed(t, "the copy that lags, older sessions")

		c := rush(e, younger, len(younger)*3, 0)
		t.Logf("the copy that lags, younger sessions: %v", c)
		if c.served > 0 || c.unavailable > 0 {
			t.Errorf("younger sessions: %v", c)
		}
		for _, v := range younger {
			e.SignInAtTenant(v.email)
			if v.browser.MustLogin().Page("/private").Body != v.private {
				t.Errorf("%s logs in again and is not served", v.email)
			}
		}
		rush(e, younger, loadRequests, loadGap).allServed(t, "the copy that lags, after another login")
		s.fault.Store(nil)
		rush(e, append(older, younger...), loadRequests, loadGap).allServed(t, "the copy has everything")
	})
}

// TestTokensOutliveOutage: the store fails after the tenant has rotated the tokens
// of a session, and for longer than this process keeps new tokens for running
// requests. No user must log in again to get one.
func TestTokensOutliveOutage(t *testing.T) {
	t.Parallel()
	const life = 10 * time.Minute
	for name, outage := range map[string]time.Duration{"moment": time.Second, "long": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			eachFaultyStore(t, func(t *testing.T, s *faultyStore, as auth0.Store) {
				e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) {
					c.Store = as
					c.Audience = testkit.Audience
					c.Scopes = []string{"openid", "offline_access"}
				})
				e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.RotatingRefreshTokens = true })
				e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["expires_in"] = life.Seconds() })
				e.Mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
					if _, err := e.Strategy.AccessToken(w, r); err != nil {
						http.Error(w, err.Error(), http.StatusBadGateway)
					}
				})
				b := e.Browser().MustLogin()
				token := func() *testkit.Response {
					return b.Do("GET", "/token", nil, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "cross-site")
				}
				time.Sleep(life)
				before := e.Tenant.Calls(testkit.TokenEndpoint)
				s.fault.Store(&fault{err: errStoreDown, writesOnly: true})
				resp := token()
				t.Logf("at the failure: %d %s", resp.Status, resp.Body)
				if n := e.Tenant.Calls(testkit.TokenEndpoint) - before; n != 1 {
					t.Errorf("%d refreshes, want 1", n)
				}
				time.Sleep(outage)
				s.fault.Store(nil)
				for range 4 {
					if resp := token(); resp.Status != http.StatusOK {
						t.Errorf("after the outage: %d %s", resp.Status, resp.Body)
					}
					time.Sleep(time.Minute)
				}
				elsewhere(e, b)
				if n := e.Tenant.Calls(testkit.TokenEndpoint) - before; n != 1 {
					t.Errorf("%d refreshes after the outage, want 1", n)
				}
				time.Sleep(life)
				if resp := token(); resp.Status != http.StatusOK {
					t.Errorf("when the next one has expired: %d %s", resp.Status, resp.Body)
				}
			})
		})
	}
}

// elsewhere requests a token from another process, which has only the store.
func elsewhere(e *testkit.Env, b *testkit.Browser) {
	e.T.Helper()
	other, err := auth0.New(e.Config)
	if err != nil {
		e.T.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/token", nil)
	r.AddCookie(&http.Cookie{Name: testkit.SessionCookie, Value: b.Cookies[testkit.SessionCookie]})
	if _, err := testkit.AccessToken(other, r); err != nil {
		e.T.Errorf("in another process: %v", err)
	}
}
