package session

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// TestEndedSessions: the memory is bounded by time and number.
func TestEndedSessions(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		e, life := m.ended.here, m.limits.longestLife()
		if e.has("a") {
			t.Error("ended before it was")
		}
		e.add("a")
		time.Sleep(time.Second)
		e.add("b")
		e.add("a")
		if !e.has("a") || !e.has("b") || e.has("c") || len(e.order) != 2 {
			t.Errorf("%d sessions", len(e.order))
		}
		time.Sleep(life - time.Second)
		e.add("c")
		if !e.has("a") || len(e.order) != 3 {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Nanosecond)
		e.add("d")
		if e.has("a") || !e.has("b") || !e.has("c") || len(e.known) != 3 || len(e.order) != 3 {
			t.Errorf("%d sessions: a %v", len(e.order), e.has("a"))
		}
		for i := range maxEnded - 3 {
			e.add(fmt.Sprint(i))
		}
		if !e.has("b") || len(e.known) != maxEnded {
			t.Errorf("%d sessions", len(e.known))
		}
		e.add("one more")
		if e.has("b") || !e.has("c") || !e.has("one more") || len(e.known) != maxEnded || len(e.order) != maxEnded {
			t.Errorf("%d sessions, %d by time", len(e.known), len(e.order))
		}
		var none *endedSessions
		if none.add("a"); none.has("a") {
			t.Error("remembered in no memory")
		}
	})
}

// markStores are the two kinds of store for marks.
func markStores() map[string]Store {
	return map[string]Store{"raising": NewMemory(1000), "plain": plain(NewMemory(1000))}
}

// TestEndAtTenant has one row for each session, with and without a match for a logout
// token.
func TestEndAtTenant(t *testing.T) {
	for kind := range markStores() {
		for _, row := range []struct {
			why      string
			sub, sid string        // of the logout token
			until    time.Duration // from now
			change   func(*Record)
			over     bool
		}{
			{"the user", "ada", "", 0, nil, true},
			{"another user", "bob", "", 0, nil, false},
			{"the tenant's session", "ada", "sid", 0, nil, true},
			{"another session of the tenant", "ada", "other", 0, nil, false},
			{"a session without a sid", "ada", "sid", 0, func(r *Record) { r.sid = "" }, false},
			{"a user without a sid", "ada", "", 0, func(r *Record) { r.sid = "" }, true},
			{"a login since then", "ada", "", -time.Second, nil, false},
			{"a login in that second", "ada", "", 0, nil, true},
			{"a login long before", "ada", "", time.Hour, nil, true},
			{"of another issuer", "ada", "", 0, func(r *Record) { r.Issuer = "https://other.example/" }, false},
		} {
			inBubble(t, func(t *testing.T) {
				m, _ := newManager(func(c *Config) { c.Revocations = markStores()[kind] })
				if (m.records != nil) || !m.CanRevoke() {
					t.Fatal("sessions are not in cookies, or cannot be revoked")
				}
				r := newRecord("one")
				r.sid = "sid"
				if row.change != nil {
					row.change(r)
				}
				b := begin(t, m, r)
				err := m.DestroyAt(t.Context(), issuer, row.sub, row.sid, "jti", time.Now().Add(row.until).Unix(), time.Now().Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if l := loadJar(t, m, b.jar()); l.over != row.over || (l.Record == nil) != row.over || l.Err != nil {
					t.Errorf("%s, %s: %+v", kind, row.why, l)
				}
				other, _ := newManager(func(c *Config) { c.Revocations, c.Client = m.ended.marks.store.store, "other client" })
				if l := loadJar(t, other, b.jar()); l.Record == nil {
					t.Errorf("%s, %s: ended in another application", kind, row.why)
				}
			})
		}
	}
}

// TestLogoutTokenAgain: a repeated token writes nothing, unless its mark is missing or
// lower.
func TestLogoutTokenAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(func(c *Config) { c.Revocations = s })
		now, last := time.Now().Unix(), time.Now().Add(time.Hour)
		end := func(jti string, until int64, want string) {
			t.Helper()
			s.called()
			if err := m.DestroyAt(t.Context(), issuer, "ada", "", jti, until, last); err != nil {
				t.Fatal(err)
			}
			if got := s.called(); got != want {
				t.Errorf("%s until %d: called %s, want %s", jti, until, got, want)
			}
		}
		const reads, writes = "FindAllCtx", "FindAllCtx RaiseCtx RaiseCtx"
		end("one", now, writes)
		end("one", now, reads)
		end("one", now-1, reads)
		end("one", now+1, writes)
		end("two", now, writes)
		s.Memory.Delete(revokedSubject("client", issuer, "ada").key)
		end("two", now, writes)
		time.Sleep(time.Hour)
		last = time.Now().Add(time.Hour)
		end("one", now, writes) // the token is no longer recorded
	})
}

// TestEndAtTenantFails: the tenant gets an error, so that it repeats the request.
func TestEndAtTenantFails(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for _, ops := range [][]string{{"FindAllCtx"}, {"RaiseCtx"}} {
		s := newFake()
		m, _ := newManager(func(c *Config) { c.Revocations = s })
		s.fail(ops...)
		if err := m.DestroyAt(t.Context(), issuer, "ada", "sid", "jti", 1, later); !errors.Is(err, errDown) {
			t.Errorf("%v: %v", ops, err)
		}
		if s.on(nil); ops[0] == "RaiseCtx" {
			if value, found, _ := s.Memory.Find(storeKey("logout", "client", issuer, "jti")); found {
				t.Errorf("noted as seen: %s", value)
			}
		}
	}
	for _, op := range []string{"Find", "Commit"} { // of a plain store
		s := newFake()
		m, _ := newManager(func(c *Config) { c.Revocations = plain(s) })
		if op == "Find" {
			var n atomic.Int64
			s.on(func(_ context.Context, name, _ string) error { return errIf(name == "Find" && n.Add(1) > 2) })
		} else {
			s.fail(op)
		}
		if err := m.DestroyAt(t.Context(), issuer, "ada", "sid", "jti", 1, later); !errors.Is(err, errDown) {
			t.Errorf("plain, %s: %v", op, err)
		}
	}
}

// TestCoverFails: nothing is known without an answer of the store. A mark that was read
// still counts.
func TestCoverFails(t *testing.T) {
	s := newFake()
	m, _ := newManager(func(c *Config) { c.Revocations = plain(s) })
	r := newRecord("one")
	r.sid = "sid"
	b := begin(t, m, r)
	// An older mark makes the Manager ask a plain store for the keys of the tree.
	if err := m.DestroyAt(t.Context(), issuer, "ada", "sid", "jti", r.issuedAt-1, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if l := load(t, m, b, "one"); l.over {
		t.Error("over")
	}
	var n atomic.Int64
	s.on(func(context.Context, string, string) error { return errIf(n.Add(1) > 3) })
	l := loadJar(t, m, b.jar())
	expectRefusal(t, "the tree", l.Err, refusal.Store)
	s.fail()
	expectRefusal(t, "the marks", loadJar(t, m, b.jar()).Err, refusal.Store)
}

// TestMarksExpire: a mark lives as long as any session that it can end.
func TestMarksExpire(t *testing.T) {
	for kind := range markStores() {
		inBubble(t, func(t *testing.T) {
			store := markStores()[kind]
			m, _ := newManager(func(c *Config) { c.Revocations = store })
			copied, _ := newManager(func(c *Config) { c.Revocations = store })
			b := begin(t, m, newRecord("one"))
			if err := m.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
				t.Fatal(err)
			}
			key := revokedSession("one").key
			time.Sleep(m.limits.longestLife() - 1)
			if _, found, _ := store.Find(key); !found {
				t.Errorf("%s: the mark has expired", kind)
			}
			if over, err := copied.ended.isEnded(t.Context(), newRecord("one")); !over || err != nil {
				t.Errorf("%s: %v, %v", kind, over, err)
			}
			time.Sleep(time.Nanosecond)
			if _, found, _ := store.Find(key); found {
				t.Errorf("%s: the mark is kept", kind)
			}
		})
	}
}

// TestWithoutMarks: sessions in cookies alone end in this process.
func TestWithoutMarks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		other, _ := newManager(nil)
		b := begin(t, m, newRecord("one"))
		copied := browser{"s": b["s"]}
		if err := m.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
			t.Fatal(err)
		}
		load(t, m, copied, "")
		load(t, other, copied, "one")
	})
}

// TestEndUser: sessions that began until now end, also in a canceled request. Later ones do
// not.
func TestEndUser(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		if s == nil {
			return
		}
		b := begin(t, m, newRecord("one"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.DestroyUser(ctx, issuer, "ada"); err != nil {
			t.Fatal(err)
		}
		if l := load(t, m, b, ""); !l.over {
			t.Error("not over")
		}
		load(t, m, begin(t, m, newRecord("two")), "two") // in the same second
		time.Sleep(time.Second)
		load(t, m, begin(t, m, newRecord("three")), "three")
		s.fail()
		expectRefusal(t, "store down", m.DestroyUser(t.Context(), issuer, "ada"), refusal.Store)
	})
}

// TestEndUserByClocks: the mark of a user is by the clock of an instance. The clock of the
// tenant does not matter, nor does a difference between instances. An earlier session never
// lives on, and a later one never ends.
func TestEndUserByClocks(t *testing.T) {
	for _, row := range []struct {
		why   string
		ahead time.Duration // the clock of the instance that ends the sessions
		first func(*Record) // the earlier session
		next  func(*Record) // the later session
		ended bool          // whether the later one is ended too
	}{
		{"same clocks", 0, nil, nil, false},
		{"the tenant is ahead", 0, func(r *Record) { r.issuedAt += 30 }, func(r *Record) { r.issuedAt += 30 }, false},
		{"the tenant is behind", 0, func(r *Record) { r.issuedAt -= 30 }, func(r *Record) { r.issuedAt -= 30 }, false},
		{"the other instance is ahead", 30 * time.Second, nil, nil, false},
		{"the other instance is far ahead", 6 * time.Minute, nil, nil, true},
		{"a login of before that begins its session late", 0, nil, func(r *Record) { r.issuedAt -= 61 }, true},
		{"no iat", 0, func(r *Record) { r.issuedAt = 0 }, func(r *Record) { r.issuedAt = 0 }, false},
		{"imported", 0, func(r *Record) { r.createdAt -= 3600 }, func(r *Record) { r.createdAt--; r.issuedAt = 0 }, true},
	} {
		for name, store := range map[string]func() Store{"full": func() Store { return newFake() }, "plain": func() Store { return plain(NewMemory(100)) }} {
			synctest.Test(t, func(t *testing.T) {
				record := func(id string, edit func(*Record)) *Record {
					r := newRecord(id)
					if edit != nil {
						edit(r)
					}
					return r
				}
				s := store()
				m, _ := newManager(withStore(s))
				other, _ := newManager(func(c *Config) { c.Store, c.Now = s, func() time.Time { return time.Now().Add(row.ahead) } })
				before := begin(t, m, record("one", row.first))
				if err := other.DestroyUser(t.Context(), issuer, "ada"); err != nil {
					t.Fatal(err)
				}
				for _, each := range []struct {
					b     browser
					ended bool
				}{{before, true}, {begin(t, m, record("two", row.next)), row.ended}} {
					if l := loadJar(t, m, each.b.jar()); l.Err != nil || l.over != each.ended {
						t.Errorf("%s, %s: over %v, %v, want %v", row.why, name, l.over, l.Err, each.ended)
					}
				}
			})
		}
	}
}
