package session

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// inBothModes runs a test with sessions in cookies and in a store.
func inBothModes(t *testing.T, f func(t *testing.T, m *Manager, s *fakeStore)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		f(t, m, nil)
	})
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		f(t, m, s)
	})
}

func TestBegin(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		if (m.records != nil) != (s != nil) || m.CanRevoke() != (s != nil) {
			t.Errorf("HasStore %v, CanRevoke %v", (m.records != nil), m.CanRevoke())
		}
		old := begin(t, m, newRecord("old"))
		time.Sleep(time.Hour)
		r := newRecord("new")
		r.touchedAt, r.expiresAt = 0, 0
		b, w := browser{"s": old["s"]}, httptest.NewRecorder()
		if err := m.Begin(t.Context(), w, of(b.jar()), r, "old"); err != nil {
			t.Fatal(err)
		}
		if now := time.Now().Unix(); r.touchedAt != now || r.expiresAt != now+int64(idle.Seconds()) {
			t.Errorf("touched at %d, ends at %d", r.touchedAt, r.expiresAt)
		}
		if c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie")); err != nil || c.MaxAge != int(idle.Seconds()) {
			t.Errorf("cookie %v, %v", c, err)
		}
		b.receive(w)
		load(t, m, b, "new")
		if l := load(t, m, old, ""); !l.over || !m.ended.here.has("old") || m.ended.here.has("new") {
			t.Error("the session before was not ended")
		}

		// A second login in one response replaces the first.
		if err := m.Begin(t.Context(), w, of(b.jar()), newRecord("newest")); err != nil {
			t.Fatal(err)
		}
		b.receive(w)
		load(t, m, b, "newest")
		if !m.ended.here.has("new") {
			t.Error("the first session of the response was not ended")
		}
	})
}

// TestBeginFails: a session that cannot begin writes no cookie, and ends no other.
func TestBeginFails(t *testing.T) {
	large := newRecord("new")
	large.Data = map[string]string{"large": strings.Repeat("x", 20_000)}
	for _, row := range []struct {
		why    string
		store  Store
		record *Record
		want   refusal.Row
	}{
		{"too large for cookies", nil, large, refusal.TooLarge},
		{"store down", func() Store { s := newFake(); s.fail("CommitOwnedCtx"); return s }(), newRecord("new"), refusal.StoreWrite},
		{"store full", func() Store {
			m := NewMemory(1)
			m.CommitOwnedCtx(context.Background(), "key", "owner", nil, time.Now().Add(1e6*time.Hour))
			return m
		}(), newRecord("new"), refusal.StoreFull},
	} {
		m, _ := newManager(withStore(row.store))
		w := httptest.NewRecorder()
		expectRefusal(t, row.why, m.Begin(t.Context(), w, of(browser{}.jar()), row.record, "old"), row.want)
		if len(w.Header()["Set-Cookie"]) > 0 || m.ended.here.has("old") {
			t.Errorf("%s: cookies %v, the old session was ended: %v", row.why, w.Header()["Set-Cookie"], m.ended.here.has("old"))
		}
	}
}

// TestBeginTooLate: a session whose time is up, by the second, does not begin.
func TestBeginTooLate(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, _ *fakeStore) {
		for _, left := range []time.Duration{-time.Second, 0, time.Second} {
			r, w, want := newRecord("late"), httptest.NewRecorder(), refusal.LoginRequired
			r.createdAt = time.Now().Add(left - absolute).Unix()
			if left > 0 {
				want = noError
			}
			expectRefusal(t, left.String(), m.Begin(t.Context(), w, of(browser{}.jar()), r), want)
			if began := len(w.Header()["Set-Cookie"]) > 0; began != (left > 0) {
				t.Errorf("%v left: began %v", left, began)
			}
		}
	})
}

// TestBeginCannotEnd: the login counts although the session before it stays.
func TestBeginCannotEnd(t *testing.T) {
	s := newFake()
	s.fail("RaiseCtx", "DeleteCtx")
	m, log := newManager(withStore(s))
	if err := m.Begin(t.Context(), httptest.NewRecorder(), of(browser{}.jar()), newRecord("new"), "old", "old", ""); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "could not be ended"); n != 1 || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("log: %s", log)
	}
	if ops := s.called(); ops != "FindCtx CommitOwnedCtx RaiseCtx DeleteCtx" {
		t.Errorf("called %s", ops)
	}
}

// TestTouch has one row for each reason to write a session, and not to.
func TestTouch(t *testing.T) {
	use := func(answer bool) func(*http.Request) bool { return func(*http.Request) bool { return answer } }
	for _, row := range []struct {
		why      string
		idle     time.Duration
		unused   time.Duration
		notOurs  bool
		countsAs func(*http.Request) bool
		want     bool
	}{
		{"fresh", idle, 0, false, nil, false},
		{"almost five minutes", idle, 5*time.Minute - time.Second, false, nil, false},
		{"five minutes", idle, 5 * time.Minute, false, nil, true},
		{"a twentieth of a short limit", 20 * time.Minute, time.Minute, false, nil, true},
		{"less than that", 20 * time.Minute, time.Minute - time.Second, false, nil, false},
		{"clock set back", idle, -time.Second, false, use(false), true},
		{"not a use", idle, time.Hour, false, use(false), false},
		{"a use", idle, time.Hour, false, use(true), true},
		{"panicking", idle, time.Hour, false, func(*http.Request) bool { panic("at the disco") }, true},
		{"never prolonged", 0, time.Hour, false, nil, false},
		{"never prolonged, to be sealed anew", 0, 0, true, nil, true},
		{"to be sealed anew", idle, 0, true, use(false), true},
	} {
		inBubble(t, func(t *testing.T) {
			m, log := newManager(func(c *Config) { c.Idle, c.CountsAsUse = row.idle, row.countsAs })
			l := &Loaded{Record: newRecord("one"), current: !row.notOurs}
			time.Sleep(max(row.unused, 0))
			l.Record.touchedAt -= int64(min(row.unused, 0).Seconds())
			w := httptest.NewRecorder()
			got, err := m.Touch(w, browser{}.request(), l)
			if got != row.want || err != nil || (len(w.Header()["Set-Cookie"]) > 0) != row.want {
				t.Errorf("%s: %v, %v, want %v; %v", row.why, got, err, row.want, w.Header())
			}
			if panicked := strings.Contains(log.String(), "level=ERROR"); panicked != (row.why == "panicking") {
				t.Errorf("%s: log %s", row.why, log)
			}
		})
	}
}

func TestProlong(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		time.Sleep(idle - time.Second)
		l := load(t, m, b, "one")
		w := httptest.NewRecorder()
		if wrote, err := m.Touch(w, b.request(), l); !wrote || err != nil {
			t.Fatal(wrote, err)
		}
		b.receive(w)
		time.Sleep(idle - time.Second)
		if l = load(t, m, b, "one"); l.Record.touchedAt != time.Now().Add(time.Second-idle).Unix() {
			t.Errorf("touched at %d", l.Record.touchedAt)
		}
		time.Sleep(time.Second)
		l = load(t, m, b, "")
		w = httptest.NewRecorder()
		if wrote, err := m.Touch(w, b.request(), l); !wrote || err != nil {
			t.Error(wrote, err)
		}
		if b.receive(w); len(b) > 0 {
			t.Errorf("the cookie of a session that is over is left: %v", b)
		}
		w = httptest.NewRecorder()
		if wrote, err := m.Touch(w, b.request(), load(t, m, b, "")); wrote || err != nil || len(w.Header()) > 0 {
			t.Errorf("without a session: %v, %v, %v", wrote, err, w.Header())
		}
	})
}

// TestProlongAfterLogout: a request that was under way during a logout deletes its own
// cookie.
func TestProlongAfterLogout(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		l := load(t, m, b, "one")
		if err := m.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := m.prolong(w, b.request(), l); err != nil {
			t.Fatal(err)
		}
		b.receive(w)
		if len(b) > 0 {
			t.Errorf("the browser has %v", b)
		}
	})
}

// TestProlongFails: a page does not wait long for a store, and keeps its cookie.
func TestProlongFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		l := load(t, m, b, "one")
		for why, row := range map[string]struct {
			hook func(context.Context, string, string) error
			want refusal.Row
		}{
			"reading":  {func(_ context.Context, op, _ string) error { return errIf(op == "FindCtx") }, refusal.Store},
			"writing":  {func(_ context.Context, op, _ string) error { return errIf(op == "UpdateCtx") }, refusal.StoreWrite},
			"leasing":  {func(_ context.Context, op, _ string) error { return errIf(op == "LeaseCtx") }, refusal.Store},
			"hanging":  {func(context.Context, string, string) error { time.Sleep(time.Minute); return nil }, refusal.Store},
			"too slow": {func(context.Context, string, string) error { time.Sleep(time.Second * 4 / 10); return nil }, refusal.StoreWrite},
		} {
			s.on(row.hook)
			w, begin := httptest.NewRecorder(), time.Now()
			expectRefusal(t, why, m.prolong(w, b.request(), l), row.want)
			// The release of the lease can take a second more.
			if took := time.Since(begin); took > 2*storeTimeout {
				t.Errorf("%s: took %v", why, took)
			}
			if len(w.Header()) > 0 {
				t.Errorf("%s: %v", why, w.Header())
			}
			s.on(nil)
			time.Sleep(time.Hour)
		}
	})
}

func errIf(fails bool) error {
	if fails {
		return errDown
	}
	return nil
}

// refresh changes the tokens of a record like a refresh.
func refresh(token string) func(*Record) (bool, error) {
	return func(r *Record) (bool, error) {
		r.Tokens, r.RefreshToken = []Token{{Token: token}}, "refresh "+token
		r.Refreshes++
		return true, nil
	}
}

func unchanged(*Record) (bool, error) { return false, nil }

// TestChange: a change applies to the newest state, and its error is returned. The Manager
// keeps a change that reports one.
func TestChange(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		old := load(t, m, b, "one").Record
		changed, err := m.Change(t.Context(), old, refresh("second"))
		if err != nil || changed.Tokens[0].Token != "second" || changed.Refreshes != 1 || old.Tokens[0].Token != "access" {
			t.Fatalf("%+v, %v", changed, err)
		}
		// The request of another goroutine still has the old cookie.
		if s != nil {
			if newest, kept, err := m.newest(t.Context(), old); err != nil || newest != kept {
				t.Errorf("stored tokens are not the newest: %+v, %+v, %v", newest, kept, err)
			}
		}
		again, err := m.Change(t.Context(), old, unchanged)
		if err != nil || again.Tokens[0].Token != "second" || again.RefreshToken != "refresh second" {
			t.Errorf("%+v, %v", again, err)
		}
		third, err := m.Change(t.Context(), old, refresh("third"))
		if err != nil || third.Refreshes != 2 {
			t.Errorf("%+v, %v", third, err)
		}
		fails := errors.New("does not apply")
		newest, err := m.Change(t.Context(), old, func(r *Record) (bool, error) { r.Tokens = nil; return false, fails })
		if err != fails || newest.Refreshes != 2 || newest.Tokens[0].Token != "third" {
			t.Errorf("a change that failed: %+v, %v", newest, err)
		}
		if again, _ := m.Change(t.Context(), old, unchanged); again.Tokens[0].Token != "third" {
			t.Errorf("a change that failed was kept: %+v", again)
		}
		fourth, err := m.Change(t.Context(), old, func(r *Record) (bool, error) { refresh("fourth")(r); return true, fails })
		if err != fails || fourth.Refreshes != 3 || fourth.Tokens[0].Token != "fourth" {
			t.Errorf("a change beside an error: %+v, %v", fourth, err)
		}
		if again, _ := m.Change(t.Context(), old, unchanged); again.Tokens[0].Token != "fourth" {
			t.Errorf("a change beside an error was not kept: %+v", again)
		}
		time.Sleep(time.Minute)
		if again, _ := m.Change(t.Context(), old, unchanged); again.Tokens[0].Token != "fourth" {
			t.Errorf("after a minute: %+v", again) // no browser has shown the newest
		}
	})
}

// TestChangeAfterLogout is rejected, also if the logout comes while it is applied.
func TestChangeAfterLogout(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		_, err := m.Change(t.Context(), record, func(r *Record) (bool, error) {
			if err := m.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
				t.Error(err)
			}
			return refresh("late")(r)
		})
		if !isEnded(err) {
			t.Errorf("a logout meanwhile: %v", err)
		}
		if _, err = m.Change(t.Context(), record, refresh("later")); !isEnded(err) {
			t.Errorf("a logout before: %v", err)
		}
		if s != nil {
			if _, found, _ := s.Memory.Find(recordKey("one")); found {
				t.Error("the session is in the store again")
			}
		}
	})
	// Another instance ends the session.
	inBubble(t, func(t *testing.T) {
		s := newFake()
		one, _ := newManager(withStore(s))
		other, _ := newManager(withStore(s))
		b := begin(t, one, newRecord("one"))
		record := load(t, one, b, "one").Record
		_, err := one.Change(t.Context(), record, func(r *Record) (bool, error) {
			if err := other.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
				t.Error(err)
			}
			return refresh("late")(r)
		})
		if !isEnded(err) {
			t.Errorf("a logout elsewhere meanwhile: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if one.recent.addTo(record) != record {
			t.Error("the tokens of a session that has ended stay cached")
		}
		if _, err = one.Change(t.Context(), record, refresh("later")); !isEnded(err) {
			t.Errorf("a logout elsewhere before: %v", err)
		}
	})
}

// TestChangesTakeTurns: within a process, and between processes if the store has
// leases.
func TestChangesTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		one, _ := newManager(withStore(s))
		other, _ := newManager(withStore(s))
		cookies, _ := newManager(nil)
		for why, row := range map[string]struct {
			managers []*Manager
			id       string
		}{
			"one process":    {[]*Manager{one}, "a"},
			"two processes":  {[]*Manager{one, other}, "b"},
			"without leases": {[]*Manager{cookies}, "c"},
		} {
			begin(t, row.managers[0], newRecord(row.id))
			var all sync.WaitGroup
			var mu sync.Mutex
			under, calls := 0, 0
			for i := range 10 {
				all.Go(func() {
					_, err := row.managers[i%len(row.managers)].Change(t.Context(), newRecord(row.id), func(r *Record) (bool, error) {
						mu.Lock()
						calls++
						if under++; under > 1 {
							t.Errorf("%s: two changes at once", why)
						}
						mu.Unlock()
						time.Sleep(100 * time.Millisecond)
						mu.Lock()
						under--
						mu.Unlock()
						return false, nil
					})
					if err != nil && row.id != "c" {
						t.Errorf("%s: %v", why, err)
					}
				})
			}
			all.Wait()
			if calls != 10 {
				t.Errorf("%s: %d changes", why, calls)
			}
		}
		if len(one.turns.locks.held)+len(other.turns.locks.held)+len(cookies.turns.locks.held) > 0 {
			t.Error("locks are left")
		}
		time.Sleep(time.Hour)
	})
}

// TestLongChange: another process does not take over while a change can still continue. A
// client with the application's timeout can wait that long for the tenant. A change without
// a limit holds a session for a limited time, because its process can have ended.
func TestLongChange(t *testing.T) {
	for _, row := range []struct{ limit, takes, others time.Duration }{
		{40 * time.Second, 30 * time.Second, 30 * time.Second},
		{10 * time.Second, 9 * time.Second, 9 * time.Second},
		{0, time.Hour, 15 * time.Second},
		{10 * time.Minute, time.Hour, 2 * time.Minute},
	} {
		inBubble(t, func(t *testing.T) {
			s := newFake()
			one, _ := newManager(withStore(s))
			other, _ := newManager(withStore(s))
			begin(t, one, newRecord("one"))
			ctx, cancel := t.Context(), func() {}
			if row.limit > 0 {
				ctx, cancel = context.WithTimeout(ctx, row.limit)
			}
			defer cancel()
			start := time.Now()
			var all sync.WaitGroup
			defer all.Wait()
			all.Go(func() {
				one.Change(ctx, newRecord("one"), func(*Record) (bool, error) { time.Sleep(row.takes); return false, nil })
			})
			synctest.Wait()
			begun := time.Duration(0)
			if _, err := other.Change(t.Context(), newRecord("one"), func(*Record) (bool, error) {
				begun = time.Since(start)
				return false, nil
			}); err != nil || begun < row.others || begun > row.others+time.Second {
				t.Errorf("limit %v: the change of another process begins after %v, %v", row.limit, begun, err)
			}
		})
	}
}

// TestLeaseTime: the lease is longer than the context by five seconds, within bounds.
func TestLeaseTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for limit, want := range map[time.Duration]time.Duration{
			0: 15 * time.Second, time.Second: 15 * time.Second, 40 * time.Second: 45 * time.Second, time.Hour: 2 * time.Minute,
		} {
			ctx, cancel := t.Context(), func() {}
			if limit > 0 {
				ctx, cancel = context.WithTimeout(ctx, limit)
			}
			if got := leaseTime(ctx); got != want {
				t.Errorf("limit %v: %v, want %v", limit, got, want)
			}
			cancel()
		}
	})
}

// TestLockEnds: a caller waits as long as its context allows, and leaves nothing behind.
func TestLockEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		reason := errors.New("a reason")
		wait := func(why string) {
			t.Helper()
			ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, reason)
			defer cancel()
			_, err := m.Change(ctx, record, unchanged)
			expectRefusal(t, why, err, refusal.Store)
			if !errors.Is(err, reason) {
				t.Errorf("%s: %v", why, err)
			}
			if len(m.turns.locks.held) > 1 {
				t.Errorf("%s: %d locks", why, len(m.turns.locks.held))
			}
		}
		unlock, err := m.turns.take(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		wait("held in this process")
		unlock()
		end, ok, err := s.Memory.LeaseCtx(t.Context(), storeKey("lease", "one"), time.Hour)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		wait("held in another process")
		time.AfterFunc(time.Second, end)
		begin := time.Now()
		if _, err := m.Change(t.Context(), record, unchanged); err != nil || time.Since(begin) > 1400*time.Millisecond {
			t.Errorf("released: %v after %v", err, time.Since(begin))
		}
		s.fail("LeaseCtx")
		_, err = m.Change(t.Context(), record, unchanged)
		expectRefusal(t, "store down", err, refusal.Store)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Change(ctx, record, unchanged); err != context.Canceled {
			t.Errorf("canceled: %v", err)
		}
		if len(m.turns.locks.held) > 0 {
			t.Errorf("%d locks are left", len(m.turns.locks.held))
		}
	})
}

// TestLeaseAttempts: a caller asks for a lease often at first, then every 400 ms.
func TestLeaseAttempts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		end, _, _ := s.Memory.LeaseCtx(t.Context(), storeKey("lease", "one"), time.Hour)
		var at []time.Duration
		start := time.Now()
		s.on(func(context.Context, string, string) error { at = append(at, time.Since(start)); return nil })
		time.AfterFunc(1600*time.Millisecond, end)
		unlock, err := m.turns.take(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		unlock()
		ms := time.Millisecond
		expectEqual(t, "attempts and release", at, []time.Duration{0, 25 * ms, 75 * ms, 175 * ms, 375 * ms, 775 * ms, 1175 * ms, 1575 * ms, 1975 * ms, 1975 * ms})
	})
}

// TestTokensOutliveOutage: the process keeps new tokens that the store has not taken, and
// writes them after the outage.
func TestTokensOutliveOutage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, log := newManager(withStore(s))
		other, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		s.fail("UpdateCtx")
		changed, err := m.Change(t.Context(), record, refresh("second"))
		expectRefusal(t, "outage", err, refusal.StoreWrite)
		if changed != nil {
			t.Errorf("a state that was not stored: %+v", changed)
		}
		time.Sleep(time.Hour)
		newest, kept, err := m.newest(t.Context(), record)
		if err != nil || newest.Tokens[0].Token != "second" || kept.Tokens[0].Token != "access" {
			t.Errorf("%+v, %+v, %v", newest, kept, err)
		}
		if r, err := m.Change(t.Context(), record, unchanged); err != nil || r.Tokens[0].Token != "second" {
			t.Errorf("%+v, %v", r, err)
		}
		// The error of the store comes before the error of the change.
		_, err = m.Change(t.Context(), record, func(r *Record) (bool, error) { r.Data = nil; return true, errors.New("of the change") })
		expectRefusal(t, "outage and error", err, refusal.StoreWrite)
		if !strings.Contains(log.String(), "could still not be kept") {
			t.Errorf("log: %s", log)
		}
		s.on(nil)
		if _, err := m.Change(t.Context(), record, unchanged); err != nil {
			t.Error(err)
		}
		if r, err := other.Change(t.Context(), record, unchanged); err != nil || r.Tokens[0].Token != "second" {
			t.Errorf("another process: %+v, %v", r, err)
		}
		s.called()
		if _, err := m.Change(t.Context(), record, unchanged); err != nil || strings.Contains(s.called(), "Update") {
			t.Errorf("written again: %v", err)
		}
	})
}

// TestTokensOfOutageEndWithSession: unstored tokens do not outlive the session.
func TestTokensOfOutageEndWithSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		s.fail("UpdateCtx")
		m.Change(t.Context(), record, refresh("second"))
		time.Sleep(idle - time.Second)
		if m.recent.addTo(record) == record {
			t.Error("lost before the session ended")
		}
		time.Sleep(2 * time.Second)
		if m.recent.addTo(record) != record {
			t.Error("kept after the session ended")
		}
	})
}

// TestLateTokensOfEndedSession: a logout at another instance counts, also against newer
// tokens in this process.
func TestLateTokensOfEndedSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		s.fail("UpdateCtx")
		m.Change(t.Context(), record, refresh("second"))
		s.on(func(_ context.Context, op, key string) error {
			if op == "UpdateCtx" {
				s.Memory.Delete(key)
			}
			return nil
		})
		if _, err := m.Change(t.Context(), record, unchanged); !isEnded(err) {
			t.Errorf("ended meanwhile: %v", err)
		}
	})
}

// TestChangeFailsToRead: no change applies to an unknown state.
func TestChangeFailsToRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		record := load(t, m, b, "one").Record
		s.fail("FindCtx")
		_, err := m.Change(t.Context(), record, func(*Record) (bool, error) { t.Error("applied"); return false, nil })
		expectRefusal(t, "store down", err, refusal.Store)
	})
}

// TestIsEnded: an inner error can come from a store, and does not count.
func TestIsEnded(t *testing.T) {
	err := errEnded()
	expectRefusal(t, "ended", err, refusal.LoginRequired)
	if !isEnded(err) || isEnded(nil) || isEnded(errDown) || isEnded(readError(t.Context(), err)) || isEnded(refusal.SessionToken.New()) {
		t.Error("IsEnded does not look at the outermost error")
	}
}

// TestSendTokens: a response gets the newest tokens that only the cookie keeps.
func TestSendTokens(t *testing.T) {
	record := func(id string, refreshes int) *Record {
		r := newRecord(id)
		r.Refreshes = refreshes
		r.Tokens[0].Token = strings.Repeat("x", refreshes+1)
		return r
	}
	for _, row := range []struct {
		why             string
		sent            *Record // before
		before, changed *Record
		want            *Record // nil: no cookie is written
		stays           bool    // the cookie of the response
	}{
		{"nothing changed", nil, record("one", 1), record("one", 1), nil, true},
		{"nothing was sent", nil, record("one", 1), record("one", 2), record("one", 2), false},
		{"older tokens were sent", record("one", 1), record("one", 1), record("one", 2), record("one", 2), false},
		{"the same tokens were sent", record("one", 2), record("one", 1), record("one", 2), record("one", 2), true},
		{"newer tokens were sent", record("one", 3), record("one", 1), record("one", 2), record("one", 3), true},
		{"another session was sent", record("two", 0), record("one", 1), record("one", 2), record("two", 0), true},
	} {
		inBubble(t, func(t *testing.T) {
			m, _ := newManager(nil)
			b, w := browser{}, httptest.NewRecorder()
			l := of(b.jar())
			if row.sent != nil {
				row.sent.Data = map[string]string{"sent": "before"}
				if _, err := m.cookies.set(w, l, row.sent); err != nil {
					t.Fatal(err)
				}
			}
			before := w.Header().Get("Set-Cookie")
			if err := m.SendTokens(w, l, row.before, row.changed); err != nil {
				t.Fatal(err)
			}
			if after := w.Header().Get("Set-Cookie"); (after == before) != row.stays {
				t.Errorf("%s: the cookie stays: %v", row.why, after == before)
			}
			b.receive(w)
			got, _ := m.cookies.open(b["s"])
			if held := l.sent; (held == nil) != (got == nil) || got != nil && (held.ID != got.ID || held.Refreshes != got.Refreshes) {
				t.Errorf("%s: the response has %+v, and its cookie %+v", row.why, held, got)
			}
			if (got == nil) != (row.want == nil) || got != nil && (got.ID != row.want.ID || got.Refreshes != row.want.Refreshes || got.Tokens[0].Token != row.want.Tokens[0].Token) {
				t.Errorf("%s: %+v", row.why, got)
			}
			if row.sent != nil && got.Data["sent"] != "before" {
				t.Errorf("%s: the other changes are lost", row.why)
			}
		})
	}
	s := newFake()
	m, _ := newManager(withStore(s))
	w := httptest.NewRecorder()
	if err := m.SendTokens(w, of(browser{}.jar()), record("one", 1), record("one", 2)); err != nil || len(w.Header()) > 0 {
		t.Errorf("with a store: %v, %v", w.Header(), err)
	}
}

// TestCurrent has one row for each place of a request's session.
func TestCurrent(t *testing.T) {
	noSession := errors.New("no session")
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		one, two := newRecord("one"), newRecord("two")
		begin(t, m, one)
		begin(t, m, two)
		for _, row := range []struct {
			why       string
			sent      *Record
			requested *Record
			want      string
			err       error
		}{
			{"of neither", nil, nil, "", noSession},
			{"of the request", nil, one, "one", nil},
			{"of the response", two, nil, "two", nil},
			{"of both", one, one, "one", nil},
			{"two", two, one, "two", nil},
		} {
			w, l := httptest.NewRecorder(), of(browser{}.jar())
			if row.sent != nil {
				if before, err := m.cookies.set(w, l, row.sent); err != nil || before != "" {
					t.Fatal(before, err)
				}
			}
			got, err := m.Current(l, func() (*Record, error) {
				if row.requested == nil {
					return nil, noSession
				}
				return row.requested, nil
			})
			if err != row.err || err == nil && got.ID != row.want {
				t.Errorf("%s: %+v, %v", row.why, got, err)
			}
		}
	})
}

// TestResponse: each method that writes a session notes it, so that the next one knows it.
func TestResponse(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		time.Sleep(time.Hour)
		w, l := httptest.NewRecorder(), load(t, m, b, "one")
		none := func() (*Record, error) { return nil, errDown }
		expect := func(why, id, data string) {
			t.Helper()
			record, err := m.Current(l, none)
			if id == "" {
				if err != errDown {
					t.Errorf("%s: %+v, %v, want no session", why, record, err)
				}
				return
			}
			if err != nil || record.ID != id || record.Data["a"] != data {
				t.Fatalf("%s: %+v, %v, want %s with %q", why, record, err, id, data)
			}
		}
		expect("nothing is written", "", "")
		if wrote, err := m.Touch(w, b.request(), l); !wrote || err != nil {
			t.Fatal(wrote, err)
		}
		expect("used", "one", "")
		if err := m.Commit(t.Context(), w, l, l.Record, l.Record, map[string]string{"a": "1"}); err != nil {
			t.Fatal(err)
		}
		expect("saved", "one", "1")
		if err := m.Renew(t.Context(), w, l, l.sent, func(r *Record) error { r.ID = "two"; return nil }); err != nil {
			t.Fatal(err)
		}
		expect("renewed", "two", "1")
		if err := m.Begin(t.Context(), w, l, newRecord("three")); err != nil {
			t.Fatal(err)
		}
		expect("begun", "three", "")
		for _, id := range []string{"one", "two", "three"} {
			if ended := m.ended.here.has(id); ended != (id != "three") {
				t.Errorf("session %s has ended: %v", id, ended)
			}
		}
		if s == nil {
			large := newRecord("large")
			large.Data = map[string]string{"a": strings.Repeat("x", 20_000)}
			expectRefusal(t, "too large", m.Begin(t.Context(), w, l, large), refusal.TooLarge)
			expect("too large", "three", "")
		}
		if err := m.Destroy(t.Context(), w, l); err != nil || !m.ended.here.has("three") {
			t.Fatal(err)
		}
		expect("ended", "", "")
	})
}

// TestSessionsBegunAtOnce: goroutines of one request can each begin a session. One of them
// is in the response, and the others end.
func TestSessionsBegunAtOnce(t *testing.T) {
	m, _ := newManager(nil)
	b, w := browser{}, httptest.NewRecorder()
	l := of(b.jar())
	ids := []string{"one", "two", "three", "four"}
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if err := m.Begin(t.Context(), w, l, newRecord(id)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b.receive(w)
	has := l.sent.ID
	load(t, m, b, has)
	for _, id := range ids {
		if ended := m.ended.here.has(id); ended != (id != has) {
			t.Errorf("the response has session %s, and session %s has ended: %v", has, id, ended)
		}
	}
}

func TestEnd(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		b := begin(t, m, newRecord("one"))
		copied := browser{"s": b["s"]}
		w := httptest.NewRecorder()
		l := of(b.jar())
		if _, err := m.cookies.set(w, l, newRecord("two")); err != nil { // the same response begins another
			t.Fatal(err)
		}
		if got := m.cookies.ids(b.jar()); len(got) != 1 || got[0] != "one" {
			t.Errorf("IDs: %q", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a user who closes the window is logged out
		if err := m.Destroy(ctx, w, l); err != nil {
			t.Fatal(err)
		}
		b.receive(w)
		if len(b) > 0 || !m.ended.here.has("one") || !m.ended.here.has("two") {
			t.Errorf("the browser has %v; ended: %v, %v", b, m.ended.here.has("one"), m.ended.here.has("two"))
		}
		if l := load(t, m, copied, ""); !l.over {
			t.Error("a copy of the cookie is not over")
		}
		if s != nil {
			if _, found, _ := s.Memory.Find(recordKey("one")); found {
				t.Error("the session is in the store")
			}
			other, _ := newManager(withStore(s))
			begin(t, other, newRecord("one")) // written again by a request under way elsewhere
			load(t, other, copied, "")
		}
	})
}

// TestEndedCookie: the end of a session sets another cookie for a second, with a new name
// each time. Without a session cookie in the request there is nothing to end.
func TestEndedCookie(t *testing.T) {
	m, _ := newManager(func(c *Config) {
		c.Cookies = &cookie.Names{Session: ourCookie, Ended: cookie.Cookie{Name: "over", Path: "/"}}
	})
	seen := map[string]bool{}
	for range 2 {
		w := httptest.NewRecorder()
		if err := m.Destroy(t.Context(), w, of(begin(t, m, newRecord("one")).jar())); err != nil {
			t.Fatal(err)
		}
		set := w.Result().Cookies()
		if len(set) != 2 || set[0].Name != "s" || set[0].MaxAge != -1 || !strings.HasPrefix(set[1].Name, "over_") || set[1].MaxAge != 1 || !set[1].HttpOnly {
			t.Fatalf("%v", set)
		}
		seen[set[1].Name] = true
	}
	if len(seen) != 2 {
		t.Errorf("the names are %v", seen)
	}
	w := httptest.NewRecorder()
	if err := m.Destroy(t.Context(), w, of(browser{}.jar())); err != nil || len(w.Result().Cookies()) > 0 {
		t.Errorf("%v, %v", w.Result().Cookies(), err)
	}
}

// TestEndFails: the response still deletes the browser's cookie.
func TestEndFails(t *testing.T) {
	for _, op := range []string{"RaiseCtx", "DeleteCtx"} {
		s := newFake()
		m, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		s.fail(op)
		s.called()
		w := httptest.NewRecorder()
		expectRefusal(t, op, m.Destroy(t.Context(), w, of(b.jar())), refusal.Store)
		if ops := s.called(); ops != "RaiseCtx DeleteCtx" {
			t.Errorf("called %s", ops)
		}
		b.receive(w)
		if len(b) > 0 || !m.ended.here.has("one") {
			t.Errorf("the browser has %v", b)
		}
	}
}

// TestIDs has one row for each kind of cookie.
func TestIDs(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		cookies, _ := newManager(nil)
		values := []string{m.cookies.keyring.Seal(purposeID, "s", []byte("stored")), sealed(t, cookies, newRecord("whole")), "abc"}
		expectEqual(t, "IDs", m.cookies.ids(jarWith(values...)), []string{"stored", "whole", ""})
	})
}

// TestCookieSize: a session that is too large loses the ID token and the replaceable
// tokens, and nothing else.
func TestCookieSize(t *testing.T) {
	full := func(size int) *Record {
		r := newRecord("one")
		r.idToken = "the ID token"
		r.Tokens = append(r.Tokens, Token{Token: "another"})
		r.Vault = []Token{{Token: "third party"}}
		r.Data = map[string]string{"large": strings.Repeat("x", size)}
		return r
	}
	inBubble(t, func(t *testing.T) {
		m, log := newManager(nil)
		if r := load(t, m, begin(t, m, full(3000)), "one").Record; r.idToken == "" || len(r.Tokens) != 2 || len(r.Vault) != 1 {
			t.Errorf("lost: %+v", r)
		}
		if log.String() != "" {
			t.Errorf("log: %s", log)
		}
		// At the limit, and beyond.
		size, over := 0, 0
		for n := 3000; over == 0; n++ {
			r := full(n)
			value := sealed(t, m, r)
			if len(value) <= 6<<10 {
				size = n
			} else {
				over = n
			}
		}
		for n, whole := range map[int]bool{size: true, over: false} {
			if r, _ := m.cookies.open(m.cookies.value(full(n))); (r.idToken != "") != whole || (len(r.Vault) == 1) != whole || (len(r.Tokens) == 2) != whole || r.Tokens[0].Token != "access" {
				t.Errorf("%d bytes: %+v", n, r)
			}
		}
		for _, change := range []func(*Record){
			func(r *Record) { r.idToken, r.Vault = "", nil },
			func(r *Record) { r.idToken, r.Tokens = "", nil },
			func(r *Record) { r.Tokens, r.Vault = r.Tokens[:1], nil },
		} {
			r := full(5000)
			change(r)
			if r, _ := m.cookies.open(m.cookies.value(r)); r.idToken != "" || len(r.Tokens) > 1 || len(r.Vault) > 0 {
				t.Errorf("kept: %+v", r)
			}
			if r.Data == nil {
				t.Error("the caller's record was changed")
			}
		}
		for range 2 {
			r := newRecord("one")
			r.Data = map[string]string{"large": strings.Repeat("x", 8000)}
			seals := 0
			watched, _ := newManager(nil)
			watched.Watch(func() { seals++ })
			if watched.cookies.value(r); seals != 1 {
				t.Errorf("a session with nothing to leave out is sealed %d times", seals)
			}
			begin(t, m, r)
		}
		if n := strings.Count(log.String(), "larger than 6 KiB"); n != 1 || strings.Count(log.String(), "level=WARN") != 1 {
			t.Errorf("log: %s", log)
		}
		w := httptest.NewRecorder()
		_, err := m.cookies.set(w, of(browser{}.jar()), full(20_000))
		expectRefusal(t, "too large", err, refusal.TooLarge)
		if !errors.Is(err, cookie.ErrTooLarge) || len(w.Header()["Set-Cookie"]) > 0 {
			t.Errorf("%v, %v", err, w.Header())
		}
	})
}

func TestMergeData(t *testing.T) {
	type data = map[string]string
	for why, row := range map[string]struct{ before, after, newest, want data }{
		"nothing":                {nil, nil, nil, data{}},
		"added":                  {nil, data{"a": "1"}, nil, data{"a": "1"}},
		"added beside":           {nil, data{"a": "1"}, data{"b": "2"}, data{"a": "1", "b": "2"}},
		"changed":                {data{"a": "1"}, data{"a": "2"}, data{"a": "1", "b": "2"}, data{"a": "2", "b": "2"}},
		"removed":                {data{"a": "1"}, nil, data{"a": "1", "b": "2"}, data{"b": "2"}},
		"unchanged here":         {data{"a": "1"}, data{"a": "1"}, data{"a": "2"}, data{"a": "2"}},
		"unchanged, removed":     {data{"a": "1"}, data{"a": "1"}, nil, data{}},
		"added, empty":           {nil, data{"a": ""}, nil, data{"a": ""}},
		"changed in both places": {data{"a": "1"}, data{"a": "2"}, data{"a": "3"}, data{"a": "2"}},
	} {
		expectEqual(t, why, mergeData(row.before, row.after, row.newest), row.want)
	}
}

// TestWithTokensOf takes the fields of a refresh from a newer record, and leaves the rest.
func TestWithTokensOf(t *testing.T) {
	old, newer := newRecord("one"), newRecord("one")
	old.Data, old.amr, old.touchedAt, old.authTime = map[string]string{"a": "1"}, []string{"pwd"}, 5, 10
	refresh("second")(newer)
	newer.Vault, newer.idToken, newer.Claims, newer.authTime = []Token{{Token: "v"}}, "id", `{}`, 20
	newer.acr, newer.amr, newer.ProofKey = "gold", []string{"otp"}, "key"
	got := old.withTokensOf(newer)
	want := old.clone()
	want.RefreshToken, want.Tokens, want.Refreshes, want.Vault = newer.RefreshToken, newer.Tokens, 1, newer.Vault
	want.idToken, want.Claims, want.authTime = "id", newer.Claims, 20
	want.acr, want.amr, want.ProofKey = "gold", []string{"otp"}, "key"
	expectEqual(t, "merged", got, want)
	newer.authTime = 1
	if got := old.withTokensOf(newer).authTime; got != 10 {
		t.Errorf("auth_time goes back to %d", got)
	}
	cloned := old.clone()
	cloned.Data["a"], cloned.amr[0], cloned.Tokens[0].Token = "2", "mfa", "x"
	if old.Data["a"] != "1" || old.amr[0] != "pwd" || old.Tokens[0].Token != "access" {
		t.Errorf("a clone shares memory: %+v", old)
	}
}

// TestWatch counts sealed and opened values: a session, or an id and a record.
func TestWatch(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, s *fakeStore) {
		n, want := 0, 2
		if s != nil {
			want = 4
		}
		m.Watch(func() { n++ })
		b := begin(t, m, newRecord("one"))
		load(t, m, b, "one")
		if n != want {
			t.Errorf("%d values, want %d", n, want)
		}
	})
}

// TestHeadersAreLocked: goroutines of one request write one header.
func TestHeadersAreLocked(t *testing.T) {
	m, _ := newManager(nil)
	b, w := browser{}, httptest.NewRecorder()
	l := of(b.jar())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			r := newRecord("one")
			r.Refreshes = i + 1
			m.SendTokens(w, l, newRecord("one"), r)
			m.Current(l, func() (*Record, error) { return r, nil })
		})
	}
	all.Wait()
	b.receive(w)
	if got := load(t, m, b, "one").Record.Refreshes; got != 8 {
		t.Errorf("the response has the tokens of refresh %d", got)
	}
}

// TestKeyLocks: each key has its own lock.
func TestKeyLocks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var locks keyLocks
		unlockA, _ := locks.lock(t.Context(), "a")
		unlockB, err := locks.lock(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan func())
		go func() { unlock, _ := locks.lock(t.Context(), "a"); got <- unlock }()
		synctest.Wait()
		unlockA()
		(<-got)()
		unlockB()
		if len(locks.held) > 0 {
			t.Errorf("%d locks are left", len(locks.held))
		}
	})
}
