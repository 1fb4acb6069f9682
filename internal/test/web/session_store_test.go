package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestMemoryStoreDoesNotPrint: its values are read only under its lock.
func TestMemoryStoreDoesNotPrint(t *testing.T) {
	t.Parallel()
	m := auth0.NewMemoryStore(3)
	m.Commit("the key", []byte("the value"), time.Now().Add(time.Hour))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb, m); text != "(store in memory, limit 3)" {
			t.Errorf("%s prints %q", verb, text)
		}
	}
}

// TestMemoryStoreIsCalledDirectly: the sessions start no goroutine for a call of the
// memory store, which they detect by its type.
func TestMemoryStoreIsCalledDirectly(t *testing.T) {
	t.Parallel()
	if m, ok := auth0.NewMemoryStore(3).(*session.Memory); !ok {
		t.Errorf("NewMemoryStore returns a %T", m)
	}
}

// TestMemoryStoreLimit: one value more than the limit is rejected, and pushes
// nothing out. Existing values can be changed.
func TestMemoryStoreLimit(t *testing.T) {
	t.Parallel()
	m := testkit.NewFullStore(3)
	later := time.Now().Add(time.Hour)
	for _, key := range []string{"a", "b", "c", "a"} {
		if err := m.Commit(key, []byte(key), later); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := m.Commit("d", []byte("d"), later); err == nil || !strings.Contains(err.Error(), "NewMemoryStore") {
			t.Errorf("a value too many: %v", err)
		}
		if err := m.CommitOwnedCtx(t.Context(), "d", "owner", []byte("d"), later); err == nil {
			t.Error("a value too many, of a new owner: no error")
		}
	}
	if err := m.Commit("b", []byte("b2"), later); err != nil {
		t.Errorf("commit of a value that is there: %v", err)
	}
	if ok, err := m.UpdateCtx(t.Context(), "c", []byte("c2"), later); !ok || err != nil {
		t.Errorf("update of a value that is there: %v, %v", ok, err)
	}
	if err := m.RaiseCtx(t.Context(), "mark", 1, later); err != nil {
		t.Errorf("a mark in a store that is full of values: %v", err)
	}
	for key, want := range map[string]string{"a": "a", "b": "b2", "c": "c2", "d": "", "mark": "1"} {
		if got, _, _ := m.Find(key); string(got) != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	m.Delete("a")
	if err := m.Commit("d", []byte("d"), later); err != nil {
		t.Errorf("after one was deleted: %v", err)
	}
	none := auth0.NewMemoryStore(-1)
	none.Commit("a", []byte("a"), later)
	if _, found, _ := none.Find("a"); !found {
		t.Error("a store for less than one value has none")
	}
}

// TestMemoryStoreOwners: an owner with too many values, or with any values in a
// full store, loses its oldest value.
func TestMemoryStoreOwners(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	for _, tt := range []struct{ limit, most int }{{1, 1}, {9, 1}, {20, 2}, {50, 5}, {1000, 100}, {5000, 100}} {
		m := testkit.NewFullStore(tt.limit)
		commit := func(key, owner string) error { return m.CommitOwnedCtx(t.Context(), key, owner, []byte(key), later) }
		if tt.limit > 1 {
			if err := commit("other", "other"); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2*tt.most + 3 {
			if i == tt.most && tt.most > 1 {
				m.UpdateCtx(t.Context(), "key 0", []byte("key 0"), later) // so it is not the oldest
			}
			if err := commit(fmt.Sprintf("key %d", i), "owner"); err != nil {
				t.Fatal(err)
			}
			if tt.most > 1 && i == tt.most {
				_, first, _ := m.Find("key 0")
				_, second, _ := m.Find("key 1")
				if !first || second {
					t.Errorf("limit %d: of the first two, the one written later is there %v, the other %v", tt.limit, first, second)
				}
			}
		}
		there := 0
		for i := range 2*tt.most + 3 {
			if _, found, _ := m.Find(fmt.Sprintf("key %d", i)); found {
				there++
			}
		}
		if there != tt.most {
			t.Errorf("limit %d: an owner has %d values, want %d", tt.limit, there, tt.most)
		}
		if _, found, _ := m.Find("other"); found != (tt.limit > 1) {
			t.Errorf("limit %d: the value of another owner: %v", tt.limit, found)
		}
	}
	full := testkit.NewFullStore(20)
	for i := range 20 {
		if err := full.CommitOwnedCtx(t.Context(), fmt.Sprint(i), fmt.Sprint("owner ", i), nil, later); err != nil {
			t.Fatal(err)
		}
	}
	if err := full.CommitOwnedCtx(t.Context(), "new", "owner 7", nil, later); err != nil {
		t.Errorf("an owner with a value, in a full store: %v", err)
	}
	for i := range 20 {
		if _, found, _ := full.Find(fmt.Sprint(i)); found != (i != 7) {
			t.Errorf("value %d is there: %v", i, found)
		}
	}
}

// TestMemoryStoreMarks: no mark is dropped early, however many values there are.
// One mark too many is rejected.
func TestMemoryStoreMarks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, marks = 10, 100
		m := testkit.NewFullStore(limit)
		later := time.Now().Add(time.Hour)
		for i := range marks {
			if err := m.RaiseCtx(t.Context(), fmt.Sprint("mark ", i), int64(i), later); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if err := m.RaiseCtx(t.Context(), "one more", 1, later); err == nil || !strings.Contains(err.Error(), "NewMemoryStore") {
				t.Errorf("a mark too many: %v", err)
			}
		}
		if err := m.RaiseCtx(t.Context(), "mark 7", 1000, later.Add(time.Hour)); err != nil {
			t.Errorf("a mark that is there: %v", err)
		}
		m.RaiseCtx(t.Context(), "mark 7", 999, later) // neither lowers nor shortens it
		for i := range 3 * limit {
			m.CommitOwnedCtx(t.Context(), fmt.Sprint("value ", i), fmt.Sprint(i), nil, later)
			m.Commit(fmt.Sprint("more ", i), nil, later)
		}
		for i := range marks {
			want := fmt.Sprint(i)
			if i == 7 {
				want = "1000"
			}
			if got, _, _ := m.Find(fmt.Sprint("mark ", i)); string(got) != want {
				t.Errorf("mark %d is %q", i, got)
			}
		}
		time.Sleep(time.Hour)
		if err := m.RaiseCtx(t.Context(), "one more", 1, later.Add(time.Hour)); err != nil {
			t.Errorf("when the others have expired: %v", err)
		}
		if got, _, _ := m.Find("mark 7"); string(got) != "1000" {
			t.Errorf("the mark with the later expiry is %q", got)
		}
	})
}

// TestMemoryStoreSweeps: expired values take no space. (A goroutine that sweeps
// would keep the bubble from ending.)
func TestMemoryStoreSweeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := testkit.NewFullStore(3)
		soon, later := time.Now().Add(time.Second), time.Now().Add(time.Hour)
		m.Commit("live", []byte("1"), later)
		m.Commit("dead", []byte("2"), soon)
		m.Commit("dead too", []byte("3"), soon)
		time.Sleep(time.Second)
		for _, key := range []string{"new", "newer"} {
			if err := m.Commit(key, []byte("4"), later); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		for key, want := range map[string]bool{"live": true, "dead": false, "dead too": false, "new": true, "newer": true} {
			if _, found, _ := m.Find(key); found != want {
				t.Errorf("%s is there: %v, want %v", key, found, want)
			}
		}
		if ok, _ := m.UpdateCtx(t.Context(), "dead", nil, later); ok {
			t.Error("what has expired was updated")
		}
	})
}

// TestLogoutsBringNoSessionBack: an ended session stays ended, however often
// another user logs in and out.
func TestLogoutsBringNoSessionBack(t *testing.T) {
	t.Parallel()
	for _, m := range []testkit.Mode{
		{Name: "revocations", Edit: func(c *auth0.Config) { c.Revocations = auth0.NewMemoryStore(50) }},
		{Name: "store", Edit: func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(50) }},
		{Name: "store and revocations", Edit: func(c *auth0.Config) { c.Store, c.Revocations = auth0.NewMemoryStore(50), auth0.NewMemoryStore(5) }},
	} {
		for _, end := range []string{"a logout", "the tenant, one session", "the tenant, all"} {
			t.Run(m.Name+" "+end, func(t *testing.T) {
				e := testkit.SignedIn(t, testkit.CheapTokens, m.Edit)
				victim, sid := e.LoginAs("ada@acme.example")
				thief := victim.Clone()
				switch end {
				case "a logout":
					victim.Logout()
				case "the tenant, one session":
					e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid))
				default:
					e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.WithoutSID))
				}
				e.SignInAtTenant("bob@acme.example")
				for range 60 {
					b := e.Browser()
					b.Login("/auth/login") // which can fail
					b.Do("POST", "/auth/logout", url.Values{}, "Origin", testkit.AppURL)
					if thief.Clone().LoggedIn() {
						t.Fatal("logouts of another account have brought an ended session back")
					}
				}
			})
		}
	}
}

// TestLoginsPushOutNobodyElse: a user who logs in often ends only sessions of
// that user.
func TestLoginsPushOutNobodyElse(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(50) })
	ada := e.Browser().MustLogin()
	e.SignInAtTenant("bob@acme.example")
	var bobs []*testkit.Browser
	for range 60 {
		bobs = append(bobs, e.Browser().MustLogin())
	}
	if !ada.LoggedIn() {
		t.Error("logins of another account have ended a session")
	}
	for i, b := range bobs {
		if b.LoggedIn() != (i >= 55) {
			t.Errorf("login %d of 60 is in: %v", i+1, i < 55)
		}
	}
}

// TestFullMemoryStore: users with a session keep it, and can do everything. Other
// users read that they must come later, and the log names the limit.
func TestFullMemoryStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := testkit.NewFullStore(2)
		e := testkit.SignedIn(t, func(c *auth0.Config) {
			c.Store = m
			c.Scopes = []string{"openid", "offline_access"}
		})
		ada, _ := e.LoginAs("ada@acme.example")
		m.Commit("another", nil, time.Now().Add(2*time.Hour))
		e.SignInAtTenant("bob@acme.example")
		b := e.Browser()
		resp := b.Login("/auth/login")
		if resp.Status != 503 || resp.Header.Get("Retry-After") == "" || resp.SetCookies(t)[testkit.SessionCookie] != nil || b.LoggedIn() {
			t.Errorf("a login too many: %d, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
		if log := e.Log.String(); !strings.Contains(log, "NewMemoryStore") {
			t.Errorf("the log does not name the limit:\n%s", log)
		}
		time.Sleep(time.Hour)
		if !ada.LoggedIn() || !refresh(e, ada) {
			t.Error("a session is not prolonged or refreshed because the store is full")
		}
		time.Sleep(23 * time.Hour)
		if !ada.LoggedIn() {
			t.Error("the session was not prolonged")
		}
		e.SignInAtTenant("ada@acme.example")
		if resp := ada.Login("/auth/login?prompt=login"); resp.Status != http.StatusSeeOther || !ada.LoggedIn() {
			t.Errorf("a second login of the same browser: %d", resp.Status)
		}
		e.SignInAtTenant("bob@acme.example")
		e.Browser().MustLogin() // the other value has expired
	})
}

// TestLogoutWhenMarksAreFull: the logout is reported as failed, and ends the
// session where no mark is needed.
func TestLogoutWhenMarksAreFull(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"store", "revocations"} {
		m := testkit.NewFullStore(1)
		e := testkit.SignedIn(t, func(c *auth0.Config) {
			if where == "store" {
				c.Store = m
			} else {
				c.Revocations = m
			}
		})
		b := e.Browser().MustLogin()
		for i := range 10 {
			if err := m.RaiseCtx(t.Context(), fmt.Sprint(i), 1, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		copied := b.Clone()
		if resp := e.EndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.WithoutSID)); resp.Status != 400 {
			t.Errorf("%s: logout token: %d", where, resp.Status)
		}
		resp := b.Page("/auth/logout")
		if _, has := b.Cookies[testkit.SessionCookie]; resp.Status != 503 || has {
			t.Errorf("%s: logout: %d, cookie kept %v", where, resp.Status, has)
		}
		if !strings.Contains(e.Log.String(), "NewMemoryStore") {
			t.Errorf("%s: the log does not name the limit", where)
		}
		if where == "store" && copied.LoggedIn() {
			t.Error("the session is still in the store")
		}
	}
}

// TestMemoryStoreLeases: leases that are not released expire too, and two with the
// same expiry are told apart.
func TestMemoryStoreLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := testkit.NewFullStore(3)
		first, _, _ := m.LeaseCtx(t.Context(), "a", time.Minute)
		first()
		if _, ok, _ := m.LeaseCtx(t.Context(), "a", time.Minute); !ok {
			t.Error("no lease after it was released")
		}
		first()
		if _, ok, _ := m.LeaseCtx(t.Context(), "a", time.Minute); ok {
			t.Error("a lease that was released twice has freed another")
		}
		time.Sleep(time.Minute)
		if _, ok, _ := m.LeaseCtx(t.Context(), "a", time.Minute); !ok {
			t.Error("no lease after its time is over")
		}
	})
}

// A testStore is a memory store that calls the test before each call.
type testStore struct {
	testkit.FullStore
	before atomic.Pointer[func(ctx context.Context, method string) error]

	mu    sync.Mutex
	under int // calls that are
	most  int
}

func newTestStore() *testStore { return &testStore{FullStore: testkit.NewFullStore(1000)} }

// fail sets the function before each call; nil removes it.
func (s *testStore) fail(before func(ctx context.Context, method string) error) {
	s.before.Store(&before)
}

func (s *testStore) enter(ctx context.Context, method string) error {
	s.count(1)
	defer s.count(-1)
	if before := s.before.Load(); before != nil && *before != nil {
		return (*before)(ctx, method)
	}
	return nil
}

func (s *testStore) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under += n
	s.most = max(s.most, s.under)
}

// peak returns the largest number of calls at a time. A call that no request waits for can
// still be under way.
func (s *testStore) peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// plainTestStore has the methods without a context, and no others.
type plainTestStore struct{ s *testStore }

func (p plainTestStore) Find(key string) ([]byte, bool, error) {
	if err := p.s.enter(context.Background(), "Find"); err != nil {
		return nil, false, err
	}
	return p.s.FullStore.Find(key)
}

func (p plainTestStore) Commit(key string, value []byte, expiry time.Time) error {
	if err := p.s.enter(context.Background(), "Commit"); err != nil {
		return err
	}
	return p.s.FullStore.Commit(key, value, expiry)
}

func (p plainTestStore) Delete(key string) error {
	if err := p.s.enter(context.Background(), "Delete"); err != nil {
		return err
	}
	return p.s.FullStore.Delete(key)
}

// contextTestStore must not be called without a context, like some stores for scs.
type contextTestStore struct{ s *testStore }

func (contextTestStore) Find(string) ([]byte, bool, error)      { panic("missing context") }
func (contextTestStore) Commit(string, []byte, time.Time) error { panic("missing context") }
func (contextTestStore) Delete(string) error                    { panic("missing context") }

func (c contextTestStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if err := c.s.enter(ctx, "Find"); err != nil {
		return nil, false, err
	}
	return c.s.FullStore.Find(key)
}

func (c contextTestStore) CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error {
	if err := c.s.enter(ctx, "Commit"); err != nil {
		return err
	}
	return c.s.FullStore.Commit(key, value, expiry)
}

func (c contextTestStore) DeleteCtx(ctx context.Context, key string) error {
	if err := c.s.enter(ctx, "Delete"); err != nil {
		return err
	}
	return c.s.FullStore.Delete(key)
}

// fullTestStore has every method.
type fullTestStore struct{ contextTestStore }

func (f fullTestStore) UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
	if err := f.s.enter(ctx, "Update"); err != nil {
		return false, err
	}
	return f.s.FullStore.UpdateCtx(ctx, key, value, expiry)
}

func (f fullTestStore) LeaseCtx(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	if err := f.s.enter(ctx, "Lease"); err != nil {
		return nil, false, err
	}
	return f.s.FullStore.LeaseCtx(ctx, key, d)
}

func (f fullTestStore) FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := f.s.enter(ctx, "FindAll"); err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i], _, _ = f.s.FullStore.Find(key)
	}
	return values, nil
}

// eachStore runs a test with a store of each kind, in time that does not pass by
// itself.
func eachStore(t *testing.T, test func(t *testing.T, e *testkit.Env, s *testStore)) {
	for name, kind := range map[string]func(*testStore) auth0.Store{
		"plain":    func(s *testStore) auth0.Store { return plainTestStore{s} },
		"contexts": func(s *testStore) auth0.Store { return contextTestStore{s} },
		"full":     func(s *testStore) auth0.Store { return fullTestStore{contextTestStore{s}} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestStore()
				e := testkit.SignedIn(t, func(c *auth0.Config) {
					c.Store = kind(s)
					c.Scopes = []string{"openid", "email", "offline_access"}
				})
				test(t, e, s)
				s.fail(nil)
				time.Sleep(time.Hour) // for abandoned calls
			})
		})
	}
}

var errDown = errors.New("the store is down: SECRET address")

// troubles are the faults of a store. A hanging call takes longer than the time
// limit, whatever its context says.
var troubles = map[string]func(context.Context, string) error{
	"error":     func(context.Context, string) error { return errDown },
	"hang":      func(context.Context, string) error { time.Sleep(10 * time.Second); return errDown },
	"late":      func(context.Context, string) error { time.Sleep(10 * time.Second); return nil },
	"panic":     func(context.Context, string) error { panic("the store has a bug") },
	"until out": func(ctx context.Context, _ string) error { return hangUntilDone(ctx) },
}

func hangUntilDone(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return errDown
	}
}

// eachTrouble runs a test with each kind of store and each fault, from the call of
// begin on.
func eachTrouble(t *testing.T, test func(t *testing.T, e *testkit.Env, s *testStore, begin func())) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, e *testkit.Env, s *testStore) {
				test(t, e, s, func() { s.fail(trouble) })
			})
		})
	}
}

// TestStoreWorks: a login, a page and a logout with each kind of store.
func TestStoreWorks(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, e *testkit.Env, s *testStore) {
		b := e.Browser().MustLogin()
		copied := b.Clone()
		if resp := b.Page("/auth/logout"); resp.Status != http.StatusSeeOther || b.LoggedIn() || copied.LoggedIn() {
			t.Errorf("logout answers %d; logged in: %v, with a copy of the cookie: %v", resp.Status, b.LoggedIn(), copied.LoggedIn())
		}
	})
}

// TestStoreDownForReading: whether there is a session is unknown, which is not the
// same as no session.
func TestStoreDownForReading(t *testing.T) {
	t.Parallel()
	eachTrouble(t, func(t *testing.T, e *testkit.Env, s *testStore, begin func()) {
		b := e.Browser().MustLogin()
		begin()
		start := time.Now()
		private := b.Page("/private")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the page took %v", took)
		}
		if private.Status != http.StatusServiceUnavailable || private.Header.Get("Retry-After") == "" {
			t.Errorf("a protected page answers %d, Retry-After %q", private.Status, private.Header.Get("Retry-After"))
		}
		public := b.Page("/")
		if public.Status != 200 || public.Body != "home false " {
			t.Errorf("a public page answers %d %q", public.Status, public.Body)
		}
		for _, resp := range []*testkit.Response{private, public} {
			if len(resp.SetCookies(t)) != 0 {
				t.Errorf("%s sets cookies: %q", resp.URL, resp.Header.Values("Set-Cookie"))
			}
			if strings.Contains(resp.Body, "SECRET") {
				t.Errorf("%s shows the error: %q", resp.URL, resp.Body)
			}
		}
		if _, err := e.Strategy.Session(b.Request("/")); !errors.Is(err, auth0.ErrStoreUnavailable) || errors.Is(err, auth0.ErrNoSession) {
			t.Errorf("Session: %v", err)
		}
		s.fail(nil)
		time.Sleep(20 * time.Second)
		if !b.LoggedIn() {
			t.Error("not logged in when the store is back")
		}
	})
}

// TestStoreDownForWriting: a login whose session cannot be stored fails.
func TestStoreDownForWriting(t *testing.T) {
	t.Parallel()
	eachTrouble(t, func(t *testing.T, e *testkit.Env, s *testStore, begin func()) {
		b := e.Browser()
		callback := b.AtTenant(b.Begin("/auth/login"))
		begin()
		start := time.Now()
		resp := b.Callback(callback)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("the callback took %v", took)
		}
		if resp.Status != http.StatusServiceUnavailable || resp.SetCookies(t)[testkit.SessionCookie] != nil {
			t.Errorf("the callback answers %d, cookies %q", resp.Status, resp.Header.Values("Set-Cookie"))
		}
		s.fail(nil)
		if b.LoggedIn() {
			t.Error("logged in")
		}
	})
}

// TestStoreDownForLogout: the browser's cookies are deleted, and the answer does
// not claim that the logout is complete.
func TestStoreDownForLogout(t *testing.T) {
	t.Parallel()
	eachTrouble(t, func(t *testing.T, e *testkit.Env, s *testStore, begin func()) {
		b := e.Browser().MustLogin()
		begin()
		start := time.Now()
		resp := b.Page("/auth/logout")
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the logout took %v", took)
		}
		if resp.Status != http.StatusServiceUnavailable {
			t.Errorf("the logout answers %d", resp.Status)
		}
		if _, has := b.Cookies[testkit.SessionCookie]; has {
			t.Error("the browser still has the cookie")
		}
	})
}

// TestStoreDownForBackchannel: the answer tells the tenant that no session has
// ended.
func TestStoreDownForBackchannel(t *testing.T) {
	t.Parallel()
	eachTrouble(t, func(t *testing.T, e *testkit.Env, s *testStore, begin func()) {
		b := e.Browser().MustLogin()
		logout := func() *testkit.Response {
			token := e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.WithoutSID)
			return e.Browser().Do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {token}})
		}
		begin()
		if resp := logout(); resp.Status != http.StatusBadRequest {
			t.Errorf("the answer is %d", resp.Status)
		}
		s.fail(nil)
		time.Sleep(20 * time.Second)
		if resp := logout(); resp.Status != http.StatusOK || b.LoggedIn() {
			t.Errorf("when the store is back the answer is %d; logged in: %v", resp.Status, b.LoggedIn())
		}
	})
}

// TestStorePileUp: while a store hangs, calls of it do not pile up, also if they
// cannot be canceled.
func TestStorePileUp(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, e *testkit.Env, s *testStore) {
		b := e.Browser().MustLogin()
		s.fail(func(context.Context, string) error { time.Sleep(10 * time.Minute); return errDown })
		const requests = 400
		for range 3 {
			var all sync.WaitGroup
			var late, other atomic.Int32
			start := time.Now()
			for range requests {
				all.Go(func() {
					w := httptest.NewRecorder()
					e.App.ServeHTTP(w, b.Request("/private"))
					if w.Code != http.StatusServiceUnavailable {
						other.Add(1)
					}
					if time.Since(start) > time.Second {
						late.Add(1)
					}
				})
			}
			all.Wait()
			if late.Load() != 0 || other.Load() != 0 {
				t.Errorf("of %d requests %d were not answered within a second, %d not with 503", requests, late.Load(), other.Load())
			}
		}
		if most := s.peak(); most > 128 {
			t.Errorf("there were %d calls at a time", most)
		}
		s.fail(nil)
		time.Sleep(time.Hour)
		if !b.LoggedIn() {
			t.Error("not logged in when the store is back")
		}
	})
}

// TestStorePanicsOnce: a panic in any method leaves nothing locked.
func TestStorePanicsOnce(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Find", "FindAll", "Commit", "Update", "Lease", "Delete"} {
		t.Run(method, func(t *testing.T) {
			eachStore(t, func(t *testing.T, e *testkit.Env, s *testStore) {
				b := e.Browser().MustLogin()
				s.fail(func(_ context.Context, called string) error {
					if called == method {
						panic("the store has a bug")
					}
					return nil
				})
				refresh(e, b)
				b.Clone().Page("/auth/logout")
				s.fail(nil)
				b = e.Browser().MustLogin()
				start := time.Now()
				if !refresh(e, b) || time.Since(start) > time.Second {
					t.Errorf("no new token after a panic, after %v", time.Since(start))
				}
			})
		})
	}
}

// refresh requests a new access token, and reports whether the tenant got a request.
func refresh(e *testkit.Env, b *testkit.Browser) bool {
	before := e.Tenant.Calls(testkit.TokenEndpoint)
	_, err := testkit.AccessToken(e.Strategy, b.Request("/"), auth0.ForceRefresh())
	return err == nil && e.Tenant.Calls(testkit.TokenEndpoint) == before+1
}

// TestStoreLeasesLate: a lease that comes after its caller has given up is
// released. Otherwise no request could refresh until it expires.
func TestStoreLeasesLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore()
		e := testkit.SignedIn(t, func(c *auth0.Config) {
			c.Store = lateLeases{fullTestStore{contextTestStore{s}}, &atomic.Bool{}}
			c.Scopes = []string{"openid", "offline_access"}
		})
		b := e.Browser().MustLogin()
		if refresh(e, b) {
			t.Error("a request has waited 3 s for a lease")
		}
		time.Sleep(3 * time.Second)
		start := time.Now()
		if !refresh(e, b) || time.Since(start) > time.Second {
			t.Errorf("no new token after that, after %v", time.Since(start))
		}
	})
}

// lateLeases gives the first lease after 3 s.
type lateLeases struct {
	fullTestStore
	later *atomic.Bool
}

func (l lateLeases) LeaseCtx(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	release, ok, err := l.fullTestStore.LeaseCtx(ctx, key, d)
	if !l.later.Swap(true) {
		time.Sleep(3 * time.Second)
	}
	return release, ok, err
}

// TestStoreExpiry: a session that ends while it is changed is not committed with
// a time that has passed, which go-redis would take for no limit.
func TestStoreExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &expiries{FullStore: testkit.NewFullStore(100)}
		e := testkit.SignedIn(t, func(c *auth0.Config) {
			c.Store = s
			c.Scopes = []string{"openid", "offline_access"}
			c.AbsoluteTimeout = 3 * time.Second
			c.HTTPClient.Timeout = 9 * time.Second
		})
		b := e.Browser().MustLogin()
		e.Tenant.Delay(testkit.TokenEndpoint, 5*time.Second)
		refresh(e, b)
		if s.shortest <= 0 || s.commits < 2 {
			t.Errorf("%d commits, one expires after %v", s.commits, s.shortest)
		}
		time.Sleep(time.Minute)
		if b.LoggedIn() {
			t.Error("the session has no end")
		}
	})
}

// expiries notes for how long values are committed.
type expiries struct {
	testkit.FullStore
	mu       sync.Mutex
	commits  int
	shortest time.Duration
}

func (s *expiries) note(expiry time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := time.Until(expiry); s.commits == 0 || left < s.shortest {
		s.shortest = left
	}
	s.commits++
}

func (s *expiries) CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error {
	s.note(expiry)
	return s.FullStore.CommitCtx(ctx, key, value, expiry)
}

func (s *expiries) CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error {
	s.note(expiry)
	return s.FullStore.CommitOwnedCtx(ctx, key, owner, value, expiry)
}

func (s *expiries) UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error) {
	s.note(expiry)
	return s.FullStore.CommitCtx(ctx, key, value, expiry) == nil, nil
}

// TestStoreContents: an attacker who reads a store finds no cookie, no name and no
// token, and cannot write a valid session.
func TestStoreContents(t *testing.T) {
	t.Parallel()
	s := &recordingStore{FullStore: testkit.NewFullStore(100), seen: map[string]string{}}
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = s })
	b := e.Browser().MustLogin()
	b.Clone().Page("/auth/logout")
	other := e.Browser().MustLogin()
	cookie := other.Cookies[testkit.SessionCookie]
	if len(cookie) > 300 {
		t.Errorf("the cookie has %d bytes, and only an id to hold", len(cookie))
	}
	if len(s.seen) < 3 {
		t.Errorf("only %d values were committed", len(s.seen))
	}
	for key, value := range s.seen {
		if len(key) > 80 || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:") != "" {
			t.Errorf("the key is %q", key)
		}
		for _, secret := range []string{"ada@acme.example", testkit.TenantHost, testkit.ClientID, "eyJhbGciOiJSUzI1NiIs", cookie, `"sub"`} {
			if strings.Contains(key, secret) || strings.Contains(value, secret) {
				t.Errorf("%q is to be read in %q: %q", secret, key, value)
			}
		}
		for _, made := range []string{key, key[strings.LastIndex(key, ":")+1:], value} {
			thief := e.Browser()
			thief.Cookies[testkit.SessionCookie] = made
			if len(made) < 3800 && thief.LoggedIn() {
				t.Errorf("logged in with %q", made)
			}
		}
	}
	s.swapAll()
	if other.LoggedIn() {
		t.Error("logged in with the value of another key")
	}
}

// recordingStore keeps every value ever committed.
type recordingStore struct {
	testkit.FullStore
	mu   sync.Mutex
	seen map[string]string
}

func (s *recordingStore) CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error {
	s.see(key, string(value))
	return s.FullStore.CommitCtx(ctx, key, value, expiry)
}

func (s *recordingStore) CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error {
	s.see(owner, "1") // as if it were a key
	s.see(key, string(value))
	return s.FullStore.CommitOwnedCtx(ctx, key, owner, value, expiry)
}

func (s *recordingStore) RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error {
	s.see(key, strconv.FormatInt(number, 10))
	return s.FullStore.RaiseCtx(ctx, key, number, expiry)
}

func (s *recordingStore) see(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[key] = value
}

// swapAll gives each session the value of another.
func (s *recordingStore) swapAll() {
	var keys []string
	for key := range s.seen {
		if strings.Contains(key, ":session:") {
			keys = append(keys, key)
		}
	}
	for i, key := range keys {
		s.FullStore.Commit(key, []byte(s.seen[keys[(i+1)%len(keys)]]), time.Now().Add(time.Hour))
	}
}

// TestStoreLosesWrite: without UpdateCtx a request can write a session again that a
// logout has deleted. The session is still rejected as ended.
func TestStoreLosesWrite(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, e *testkit.Env, s *testStore) {
		e.Mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
			session, err := e.Strategy.Session(r)
			if err != nil {
				fmt.Fprint(w, err)
				return
			}
			session.Data["n"] = "1"
			fmt.Fprint(w, e.Strategy.SaveSession(w, r, session))
		})
		b := e.Browser().MustLogin()
		under := b.Clone()
		s.fail(func(_ context.Context, method string) error {
			if method == "Commit" || method == "Update" {
				time.Sleep(500 * time.Millisecond)
			}
			return nil
		})
		var all sync.WaitGroup
		all.Go(func() { under.Page("/save") })
		synctest.Wait()
		s.fail(nil)
		b.Page("/auth/logout")
		all.Wait()
		if under.LoggedIn() {
			t.Error("a request that was under way has undone the logout")
		}
	})
}
