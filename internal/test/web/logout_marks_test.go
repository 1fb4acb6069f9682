package web_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestOlderLogoutTokenTakesNothingBack: a delayed logout token ends no other
// sessions than those that started before it, and reverts no newer one.
func TestOlderLogoutTokenTakesNothingBack(t *testing.T) {
	t.Parallel()
	const ada = "ada@acme.example"
	for _, m := range revocableModes {
		for _, about := range []string{"sub", "sid", "both"} {
			t.Run(m.Name+" "+about, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := testkit.SignedIn(t, m.Edit)
					b, sid := e.LoginAs(ada)
					logout := func(iat int64) {
						e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, ada, sid, func(_, c map[string]any) {
							c["iat"], c["exp"] = iat, time.Now().Unix()+300
							if about == "sub" {
								delete(c, "sid")
							}
							if about == "sid" {
								delete(c, "sub")
							}
						}))
					}
					issued := time.Now().Unix()
					time.Sleep(10 * time.Second)
					logout(issued - 200)
					if !b.LoggedIn() {
						t.Error("ended by a logout from before the login")
					}
					logout(issued)
					copied := b.Clone()
					if b.LoggedIn() {
						t.Error("not ended by a logout of the same second")
					}
					logout(issued + 5)
					for _, delayed := range []int64{-120, -1, 0, 4} {
						if logout(issued + delayed); copied.Clone().LoggedIn() {
							t.Errorf("a logout token that is %d s older has brought the session back", 5-delayed)
						}
					}
					if again, _ := e.LoginAs(ada); !again.LoggedIn() {
						t.Error("a login after the logouts does not work")
					}
				})
			})
		}
	}
}

// A steppedStore is one instance's connection to a store, which can stop before a
// call.
type steppedStore struct {
	shared *sharedStore
	mu     sync.Mutex
	calls  int
	at     int // the call before which stop is called, from 1
	stop   func()
}

// A sharedStore is the data that all instances see.
type sharedStore struct {
	testkit.FullStore
	login map[string][]byte // the values that the login has written
}

func (s *steppedStore) step() {
	s.mu.Lock()
	s.calls++
	stop := s.stop
	if s.calls != s.at {
		stop = nil
	}
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (s *steppedStore) stopAt(n int, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.at, s.stop = 0, n, stop
}

func (s *steppedStore) Find(key string) ([]byte, bool, error) {
	s.step()
	return s.shared.Find(key)
}

func (s *steppedStore) Commit(key string, value []byte, expiry time.Time) error {
	s.step()
	if s.shared.login != nil {
		s.shared.login[key] = slices.Clone(value)
	}
	return s.shared.Commit(key, value, expiry)
}

func (s *steppedStore) Delete(key string) error {
	s.step()
	return s.shared.Delete(key)
}

// A steppedRaiser can keep the greater of two numbers.
type steppedRaiser struct{ *steppedStore }

func (s steppedRaiser) RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error {
	s.step()
	return s.shared.RaiseCtx(ctx, key, number, expiry)
}

// TestMarksGrowWithTwoInstances lets two instances handle two logout tokens, in
// every order of their store calls in which one of them waits once. The older token
// never reverts the newer.
func TestMarksGrowWithTwoInstances(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]func(*steppedStore) auth0.Store{
		"plain":  func(s *steppedStore) auth0.Store { return s },
		"raises": func(s *steppedStore) auth0.Store { return steppedRaiser{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := &sharedStore{testkit.NewFullStore(100), map[string][]byte{}}
				stores := [2]*steppedStore{{shared: shared}, {shared: shared}}
				e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store = kind(stores[0]) })
				cfg := e.Config
				cfg.Store = kind(stores[1])
				second, err := auth0.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := e.LoginAs("ada@acme.example")
				login := shared.login
				shared.login = nil
				time.Sleep(20 * time.Second)
				now := time.Now().Unix()
				token := func(age int64) string {
					return e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.WithoutSID, testkit.Claim("iat", now-age))
				}
				newer, older := token(10), token(30) // the login was between
				handlers := [2]http.Handler{e.Strategy.BackchannelLogoutHandler(), second.BackchannelLogoutHandler()}
				handle := func(i int, token string) {
					instance := *e
					instance.App = handlers[i]
					instance.MustEndByToken(token)
				}
				restore := func() {
					shared.FullStore = testkit.NewFullStore(100)
					for key, value := range login {
						shared.Commit(key, value, time.Now().Add(time.Hour))
					}
				}
				orders, least := 0, 6
				if name == "plain" {
					least = 200
				}
				for _, tokens := range [][2]string{{older, newer}, {newer, older}} {
					// The first instance stops before call i, and the second begins. That
					// one stops before call j, until the first has done its work.
					for i := 1; ; i++ {
						firstStopped := false
						for j := 1; ; j++ {
							restore()
							if !b.Clone().LoggedIn() {
								t.Fatal("not logged in before")
							}
							first, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
							var once sync.Once
							resume := func() { once.Do(func() { close(goOn) }) }
							secondStopped := false
							firstStopped = false
							stores[0].stopAt(i, func() {
								firstStopped = true
								go func() {
									defer close(ended)
									handle(1, tokens[1])
									resume()
								}()
								<-goOn
							})
							stores[1].stopAt(j, func() {
								secondStopped = true
								resume()
								<-first
							})
							handle(0, tokens[0])
							close(first)
							if firstStopped {
								<-ended
							} else {
								handle(1, tokens[1])
							}
							stores[0].stopAt(0, nil)
							stores[1].stopAt(0, nil)
							orders++
							if b.Clone().LoggedIn() {
								t.Fatalf("older first %v, stopped before calls %d and %d: the session lives on", tokens[0] == older, i, j)
							}
							if !secondStopped {
								break
							}
						}
						if !firstStopped {
							break
						}
					}
				}
				if orders < least {
					t.Errorf("only %d orders of calls", orders)
				}
				restore()
				handle(0, older)
				if !b.Clone().LoggedIn() {
					t.Error("ended by a logout from before the login")
				}
			})
		})
	}
}

// TestLogoutTokenAheadOfTime: a tenant's clock that is ahead locks a user out for
// no longer than the leeway.
func TestLogoutTokenAheadOfTime(t *testing.T) {
	t.Parallel()
	const ada = "ada@acme.example"
	for _, m := range revocableModes {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t, m.Edit)
			token := func(ahead int64) string {
				return e.Tenant.LogoutToken(testkit.ClientID, ada, "", testkit.WithoutSID, func(_, c map[string]any) {
					c["iat"], c["exp"] = time.Now().Unix()+ahead, time.Now().Unix()+ahead+120
				})
			}
			b, _ := e.LoginAs(ada)
			for _, ahead := range []int64{61, 300, 360, 1 << 31, 1 << 40, 1 << 60} {
				if resp := e.EndByToken(token(ahead)); resp.Status != 400 || !b.LoggedIn() {
					t.Errorf("%s: %d s ahead: %d, logged in %v", m.Name, ahead, resp.Status, b.LoggedIn())
				}
			}
			e.MustEndByToken(token(60))
			if b.LoggedIn() {
				t.Errorf("%s: 60 s ahead: still logged in", m.Name)
			}
			time.Sleep(61 * time.Second)
			if b, _ = e.LoginAs(ada); !b.LoggedIn() {
				t.Errorf("%s: locked out", m.Name)
			}
		})
	}
}

// A failingStore fails at one call of those that are made after arm.
type failingStore struct {
	testkit.FullStore
	mu    sync.Mutex
	calls int
	at    int
	done  bool // the call succeeds, although it returns an error
}

func (s *failingStore) arm(at int, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.at, s.done = 0, at, done
}

// reached reports whether the failing call was made.
func (s *failingStore) reached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls >= s.at
}

func (s *failingStore) fails(do func() error) error {
	s.mu.Lock()
	s.calls++
	fails, done := s.calls == s.at, s.done
	s.mu.Unlock()
	if fails {
		if done {
			do()
		}
		return errors.New("connection reset")
	}
	return do()
}

// failingPlain has only the required methods of a store.
type failingPlain struct{ s *failingStore }

func (p failingPlain) Find(key string) (value []byte, found bool, err error) {
	err = p.s.fails(func() (err error) { value, found, err = p.s.FullStore.Find(key); return err })
	if err != nil {
		return nil, false, err
	}
	return value, found, nil
}

func (p failingPlain) Commit(key string, value []byte, expiry time.Time) error {
	return p.s.fails(func() error { return p.s.FullStore.Commit(key, value, expiry) })
}

func (p failingPlain) Delete(key string) error {
	return p.s.fails(func() error { return p.s.FullStore.Delete(key) })
}

// failingRaiser keeps the greater of two numbers.
type failingRaiser struct{ failingPlain }

func (p failingRaiser) RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error {
	return p.s.fails(func() error { return p.s.FullStore.RaiseCtx(ctx, key, number, expiry) })
}

// TestLogoutIsNeverHalf: whichever call of the store fails, an answer that says
// that the sessions have ended is true, and another try helps.
func TestLogoutIsNeverHalf(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(*failingStore) func(*auth0.Config){
		"plain store": func(s *failingStore) func(*auth0.Config) { return func(c *auth0.Config) { c.Store = failingPlain{s} } },
		"store that raises": func(s *failingStore) func(*auth0.Config) {
			return func(c *auth0.Config) { c.Store = failingRaiser{failingPlain{s}} }
		},
		"plain revocations": func(s *failingStore) func(*auth0.Config) {
			return func(c *auth0.Config) { c.Revocations = failingPlain{s} }
		},
		"revocations, raises": func(s *failingStore) func(*auth0.Config) {
			return func(c *auth0.Config) { c.Revocations = failingRaiser{failingPlain{s}} }
		},
	}
	for name, kind := range kinds {
		for _, end := range []string{"by the tenant", "by a logout"} {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s, done %v", name, end, done), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := &failingStore{FullStore: testkit.NewFullStore(10_000)}
						e := testkit.SignedIn(t, testkit.CheapTokens, kind(s))
						for at := 1; at < 100; at++ {
							b, sid := e.LoginAs("ada@acme.example")
							copied := b.Clone()
							token := e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid)
							logout := func(b *testkit.Browser) int {
								if end == "by the tenant" {
									return e.EndByToken(token).Status
								}
								return b.Do("POST", "/auth/logout", url.Values{}, append([]string{"Origin", testkit.AppURL}, testkit.Navigation...)...).Status
							}
							s.arm(at, done)
							status := logout(b.Clone())
							reached := s.reached()
							s.arm(0, false)
							if status < 400 && copied.Clone().LoggedIn() {
								t.Fatalf("call %d fails, the answer is %d, and the session goes on", at, status)
							}
							if again := logout(copied.Clone()); again >= 400 || copied.LoggedIn() {
								t.Fatalf("after call %d failed, the second logout answers %d; logged in %v", at, again, copied.LoggedIn())
							}
							if !reached {
								return
							}
							time.Sleep(2 * time.Second)
						}
						t.Error("the logout has no end")
					})
				})
			}
		}
	}
}

// TestSeenLogoutTokenIsNoProof: a known jti does not prove that the sessions of
// this token have ended.
func TestSeenLogoutTokenIsNoProof(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(auth0.Store) auth0.Store{
		"plain": func(m auth0.Store) auth0.Store { return testkit.PlainStore{Store: m} },
		"full":  func(m auth0.Store) auth0.Store { return m },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedIn(t, func(c *auth0.Config) { c.Revocations = wrap(auth0.NewMemoryStore(1000)) })
				ada, adaSID := e.LoginAs("ada@acme.example")
				bob, bobSID := e.LoginAs("bob@acme.example")
				e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", adaSID, testkit.Claim("jti", "the same")))
				e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "bob@acme.example", bobSID, testkit.Claim("jti", "the same")))
				if ada.LoggedIn() || bob.LoggedIn() {
					t.Errorf("logged in: ada %v, bob %v", ada.LoggedIn(), bob.LoggedIn())
				}
			})
		})
	}
	t.Run("mark lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := testkit.NewWatchedStore()
			e := testkit.SignedIn(t, func(c *auth0.Config) { c.Revocations = store })
			b, sid := e.LoginAs("ada@acme.example")
			token := e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid)
			e.MustEndByToken(token)
			store.Change(func(values map[string]testkit.StoredValue) {
				maps.DeleteFunc(values, func(key string, _ testkit.StoredValue) bool { return strings.HasPrefix(key, "auth0:revoked:") })
			})
			if e.MustEndByToken(token); b.LoggedIn() {
				t.Error("the token was seen, its mark is gone, and the session goes on")
			}
		})
	})
}

// TestLogoutTokenIsSeenNotForever: the store keeps a jti only as long as its token
// would be accepted, even if its exp is years away.
func TestLogoutTokenIsSeenNotForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.Revocations = store })
		_, sid := e.LoginAs("ada@acme.example")
		e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid, testkit.ClaimIn("exp", 1<<33)))
		store.Change(func(values map[string]testkit.StoredValue) {
			for key, v := range values {
				if left := time.Until(v.Expiry); strings.HasPrefix(key, "auth0:logout:") && left > 6*time.Minute || left > 25*time.Hour {
					t.Errorf("%s is kept for %v", key, left)
				}
			}
		})
	})
}

// TestLogoutWritesOneMark: only a back-channel logout writes more, to a store that
// cannot compare times.
func TestLogoutWritesOneMark(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.Revocations = store })
		e.Browser().MustLogin().Logout()
		if n := len(store.Written()); n != 1 {
			t.Errorf("a logout makes %d writes", n)
		}
		e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.WithoutSID))
		if n := len(store.Written()) - 1; n > 36 {
			t.Errorf("a back-channel logout makes %d writes", n)
		}
		raising := &failingStore{FullStore: testkit.NewFullStore(100)}
		e = testkit.SignedIn(t, func(c *auth0.Config) { c.Revocations = failingRaiser{failingPlain{raising}} })
		e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.WithoutSID))
		if raising.calls != 4 {
			t.Errorf("a back-channel logout makes %d calls of a store that can compare", raising.calls)
		}
	})
}

// TestMarkOutlivesProlongedSession: also without an absolute limit, no copied
// cookie of an ended session works when the mark has expired.
func TestMarkOutlivesProlongedSession(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func() auth0.Store{
		"plain": func() auth0.Store { return testkit.PlainStore{Store: auth0.NewMemoryStore(1000)} },
		"full":  func() auth0.Store { return auth0.NewMemoryStore(1000) },
	} {
		for _, end := range []string{"by the tenant", "by a logout"} {
			t.Run(name+" "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := testkit.SignedIn(t, func(c *auth0.Config) {
						c.Revocations, c.IdleTimeout, c.AbsoluteTimeout = store(), time.Hour, auth0.None
					})
					b, sid := e.LoginAs("ada@acme.example")
					for range 100 {
						time.Sleep(50 * time.Minute)
						if !b.LoggedIn() {
							t.Fatal("not prolonged")
						}
					}
					copied := b.Clone()
					if end == "by a logout" {
						b.Logout()
					} else {
						e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid))
					}
					for range 60 {
						if copied.Clone().LoggedIn() {
							t.Fatal("the copy works")
						}
						time.Sleep(3 * time.Minute)
					}
				})
			})
		}
	}
}
