package session

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// sealed returns the cookie of a record under a keyring.
func sealed(_ *testing.T, m *Manager, r *Record) string { return m.cookies.seal(r) }

// TestLoad has one row for each kind of cookie, without a store.
func TestLoad(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		foreign, _ := newManager(func(c *Config) { c.Keyring = otherRing })
		rotated, _ := newManager(func(c *Config) { c.Keyring = newRing })
		record := func(change func(*Record)) *Record {
			r := newRecord("one")
			change(r)
			return r
		}
		now := time.Now().Unix()
		good := sealed(t, m, newRecord("one"))
		newer := sealed(t, m, record(func(r *Record) { r.touchedAt = now - 1; r.Refreshes = 1 }))
		touched := sealed(t, m, record(func(r *Record) { r.touchedAt++ }))
		over := sealed(t, m, record(func(r *Record) { r.ID = "two"; r.expiresAt = now }))
		nextVersion := newRecord("one").encode()
		nextVersion = bytes.Replace(nextVersion, []byte(`"v":1`), []byte(`"v":2`), 1)
		none, lost := &Loaded{}, &Loaded{over: true}
		one := func(refreshes int, touched int64) *Loaded {
			return &Loaded{current: true, Record: &Record{ID: "one", Refreshes: refreshes, touchedAt: touched}}
		}
		for _, row := range []struct {
			why    string
			values []string
			want   *Loaded
		}{
			{"none", nil, none},
			{"good", []string{good}, one(0, now)},
			{"sealed with another secret", []string{sealed(t, foreign, newRecord("one"))}, none},
			{"sealed for another purpose", []string{m.cookies.keyring.Seal("other", "s", []byte("x"))}, none},
			{"an id, without a store", []string{m.cookies.keyring.Seal(purposeID, "s", []byte("one"))}, none},
			{"damaged", []string{good[:len(good)-2] + "AA"}, none},
			{"cut", []string{good[:len(good)/2]}, none},
			{"no seal", []string{"abc"}, none},
			{"of another version", []string{m.cookies.keyring.Seal(purposeSession, "s", nextVersion)}, none},
			{"over as written", []string{over}, lost},
			{"one second left", []string{sealed(t, m, record(func(r *Record) { r.expiresAt = now + 1 }))}, one(0, now)},
			{"unused for too long", []string{sealed(t, m, record(func(r *Record) { r.touchedAt = now - int64(idle.Seconds()) }))}, lost},
			{"used just in time", []string{sealed(t, m, record(func(r *Record) { r.touchedAt = now - int64(idle.Seconds()) + 1 }))}, one(0, now-int64(idle.Seconds())+1)},
			{"too old", []string{sealed(t, m, record(func(r *Record) { r.createdAt = now - int64(absolute.Seconds()) }))}, lost},
			{"old", []string{sealed(t, m, record(func(r *Record) { r.createdAt = now - int64(absolute.Seconds()) + 1 }))}, one(0, now)},
			{"at its ceiling", []string{sealed(t, m, record(func(r *Record) { r.ceiling = now + ceilingLeeway }))}, lost},
			{"before its ceiling", []string{sealed(t, m, record(func(r *Record) { r.ceiling = now + ceilingLeeway + 1 }))}, one(0, now)},
			{"begun five minutes ahead", []string{sealed(t, m, record(func(r *Record) { r.createdAt = now + 300 }))}, one(0, now)},
			{"begun later", []string{sealed(t, m, record(func(r *Record) { r.createdAt = now + 301 }))}, none},
			{"touched ahead of time", []string{sealed(t, m, record(func(r *Record) { r.touchedAt = now + 1e6; r.expiresAt = now + 1e6 }))}, one(0, now+1e6)},
			{"a copy with newer tokens first", []string{newer, good}, one(1, now-1)},
			{"a copy with newer tokens last", []string{good, newer}, one(1, now-1)},
			{"a copy used later first", []string{touched, good}, one(0, now+1)},
			{"a copy used later last", []string{good, touched}, one(0, now+1)},
			{"a good one, one that is over", []string{good, over}, one(0, now)},
			{"one that is over, a good one", []string{over, good}, one(0, now)},
			{"one that is over, a foreign one", []string{over, "abc"}, lost},
			{"two sessions", []string{good, sealed(t, m, newRecord("two"))}, none},
			{"two sessions, one over", []string{over, sealed(t, m, newRecord("one"))}, one(0, now)},
		} {
			l := loadJar(t, m, jarWith(row.values...))
			if l.Err != nil || l.over != row.want.over || l.current != row.want.current || (l.Record == nil) != (row.want.Record == nil) {
				t.Errorf("%s: %+v", row.why, l)
			} else if r := l.Record; r != nil && (r.ID != "one" || r.Refreshes != row.want.Record.Refreshes || r.touchedAt != row.want.Record.touchedAt) {
				t.Errorf("%s: %+v", row.why, r)
			}
		}
		if l := loadJar(t, rotated, jarWith(good)); l.Record == nil || l.current {
			t.Errorf("the second secret: %+v", l)
		}
		resealed := sealed(t, rotated, newRecord("one"))
		if l := loadJar(t, rotated, jarWith(resealed, good)); l.Record == nil || !l.current {
			t.Errorf("of two equal copies, not the first: %+v", l)
		}
		if l := loadJar(t, rotated, jarWith(good, resealed)); l.Record == nil || l.current {
			t.Errorf("of two equal copies, not the first: %+v", l)
		}
		got := loadJar(t, m, jarWith(good)).Record
		want := newRecord("one")
		want.inCookie = true
		expectEqual(t, "the record", got, want)
	})
}

// TestLimits: the shorter of the limits decides, and 0 means no limit.
func TestLimits(t *testing.T) {
	for _, row := range []struct {
		idle, absolute time.Duration
		ceiling        int64
		want           int64 // end of a session that began at 1000 and was used at 2000
		life           time.Duration
	}{
		{time.Hour, 3 * time.Hour, 0, 2000 + 3600, time.Hour},
		{3 * time.Hour, time.Hour, 0, 1000 + 3600, time.Hour},
		{time.Hour, time.Hour, 0, 1000 + 3600, time.Hour},
		{time.Hour, 0, 0, 2000 + 3600, time.Hour},
		{0, time.Hour, 0, 1000 + 3600, time.Hour},
		{0, 0, 0, 1 << 62, 0},
		{0, 0, 5000, 5000 - ceilingLeeway, 0},
		{time.Hour, time.Hour, 5000, 1000 + 3600, time.Hour},
		{time.Hour, time.Hour, 3000, 3000 - ceilingLeeway, time.Hour},
		{time.Hour, time.Hour, 1, 1 - ceilingLeeway, time.Hour},
	} {
		m, _ := newManager(func(c *Config) { c.Idle, c.Absolute = row.idle, row.absolute })
		if got := m.limits.endsAt(&Record{createdAt: 1000, ceiling: row.ceiling}, 2000); got != row.want {
			t.Errorf("%v, %v, %d: ends at %d, want %d", row.idle, row.absolute, row.ceiling, got, row.want)
		}
		if got := m.limits.longestLife(); got != row.life+10*time.Minute {
			t.Errorf("%v, %v: marks live %v", row.idle, row.absolute, got)
		}
	}
}

// TestTwoSessionsAreLogged: the log says why a visitor is not logged in.
func TestTwoSessionsAreLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, log := newManager(nil)
		loadJar(t, m, jarWith(sealed(t, m, newRecord("one")), sealed(t, m, newRecord("two"))))
		if !strings.Contains(log.String(), "level=DEBUG") || !strings.Contains(log.String(), "two sessions") {
			t.Errorf("log: %s", log)
		}
	})
}

// TestLoadInParts: a session that is too large for one cookie.
func TestLoadInParts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		r := newRecord("one")
		r.Data = map[string]string{"large": strings.Repeat("x", 5000)}
		b := begin(t, m, r)
		if len(b) < 2 {
			t.Fatalf("%d cookies", len(b))
		}
		load(t, m, b, "one")
		delete(b, "s.1")
		if l := load(t, m, b, ""); l.over {
			t.Error("half a cookie is a session that is over")
		}
	})
}

// TestLoadFromStore has one row for each answer of a store.
func TestLoadFromStore(t *testing.T) {
	type row struct {
		why    string
		change func(t *testing.T, s *fakeStore, m *Manager)
		found  bool
		over   bool
		err    refusal.Row
	}
	for _, row := range []row{
		{"stored", func(*testing.T, *fakeStore, *Manager) {}, true, false, noError},
		{"deleted", func(_ *testing.T, s *fakeStore, _ *Manager) { s.Memory.Delete(recordKey("one")) }, false, true, noError},
		{"expired", func(*testing.T, *fakeStore, *Manager) { time.Sleep(idle) }, false, true, noError},
		{"down", func(_ *testing.T, s *fakeStore, _ *Manager) { s.fail() }, false, false, refusal.Store},
		{"marks down", func(_ *testing.T, s *fakeStore, _ *Manager) { s.fail("FindAllCtx") }, false, false, refusal.Store},
		{"hanging", func(_ *testing.T, s *fakeStore, _ *Manager) {
			s.on(func(context.Context, string, string) error { time.Sleep(time.Minute); return nil })
		}, false, false, refusal.Store},
		{"panicking", func(_ *testing.T, s *fakeStore, _ *Manager) {
			s.on(func(context.Context, string, string) error { panic("at the disco") })
		}, false, false, refusal.Store},
		{"of something else", func(_ *testing.T, s *fakeStore, _ *Manager) {
			s.Memory.Commit(recordKey("one"), []byte("something"), time.Now().Add(time.Hour))
		}, false, true, noError},
		{"of another session", func(t *testing.T, s *fakeStore, m *Manager) {
			if err := m.records.add(t.Context(), newRecord("two")); err != nil {
				t.Fatal(err)
			}
			value, _, _ := s.Memory.Find(recordKey("two"))
			s.Memory.Commit(recordKey("one"), value, time.Now().Add(time.Hour))
		}, false, true, noError},
		{"of another session, sealed for this", func(t *testing.T, s *fakeStore, m *Manager) {
			plain := newRecord("two").encode()
			s.Memory.Commit(recordKey("one"), []byte(m.cookies.keyring.Seal(purposeRecord, recordKey("one"), plain)), time.Now().Add(time.Hour))
		}, false, true, noError},
		{"of an unreadable session", func(t *testing.T, s *fakeStore, m *Manager) {
			s.Memory.Commit(recordKey("one"), []byte(m.cookies.keyring.Seal(purposeRecord, recordKey("one"), []byte("x"))), time.Now().Add(time.Hour))
		}, false, true, noError},
		{"ended here", func(_ *testing.T, _ *fakeStore, m *Manager) { m.ended.here.add("one") }, false, true, noError},
		{"ended elsewhere", func(t *testing.T, _ *fakeStore, m *Manager) {
			if err := m.ended.marks.revoke(t.Context(), revokedSession("one"), 1); err != nil {
				t.Fatal(err)
			}
		}, false, true, noError},
		{"user ended", func(t *testing.T, _ *fakeStore, m *Manager) {
			if err := m.DestroyUser(t.Context(), issuer, "ada"); err != nil {
				t.Fatal(err)
			}
		}, false, true, noError},
		{"another user ended", func(t *testing.T, _ *fakeStore, m *Manager) {
			if err := m.DestroyUser(t.Context(), issuer, "bob"); err != nil {
				t.Fatal(err)
			}
		}, true, false, noError},
	} {
		inBubble(t, func(t *testing.T) {
			s := newFake()
			m, _ := newManager(withStore(s))
			b := begin(t, m, newRecord("one"))
			row.change(t, s, m)
			begin := time.Now()
			l := loadJar(t, m, b.jar())
			if (l.Record != nil) != row.found || l.over != row.over {
				t.Errorf("%s: %+v", row.why, l)
			}
			if l.Record != nil && (!l.current || l.Record.inCookie) {
				t.Errorf("%s: %+v, current %v", row.why, l.Record, l.current)
			}
			expectRefusal(t, row.why, l.Err, row.err)
			if took := time.Since(begin); took > storeTimeout {
				t.Errorf("%s: took %v", row.why, took)
			}
			time.Sleep(time.Hour)
		})
	}
}

// TestLoadFromStoreByTwoCookies: an error counts only if no cookie has a session.
func TestLoadFromStoreByTwoCookies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		if err := m.Begin(t.Context(), httptest.NewRecorder(), of(browser{}.jar()), newRecord("one")); err != nil {
			t.Fatal(err)
		}
		id := func(id string) string { return m.cookies.keyring.Seal(purposeID, "s", []byte(id)) }
		s.on(func(_ context.Context, op, key string) error {
			if key == recordKey("failing") {
				return errDown
			}
			return nil
		})
		for why, row := range map[string]struct {
			ids   []string
			found bool
			over  bool
			err   refusal.Row
		}{
			"failing":            {[]string{"failing"}, false, false, refusal.Store},
			"failing, then good": {[]string{"failing", "one"}, true, false, noError},
			"good, then failing": {[]string{"one", "failing"}, true, false, noError},
			"failing and over":   {[]string{"failing", "missing"}, false, false, refusal.Store},
			"over and failing":   {[]string{"missing", "failing"}, false, false, refusal.Store},
			"over and good":      {[]string{"missing", "one"}, true, false, noError},
			"good and over":      {[]string{"one", "missing"}, true, false, noError},
		} {
			var values []string
			for _, name := range row.ids {
				values = append(values, id(name))
			}
			l := loadJar(t, m, jarWith(values...))
			if (l.Record != nil) != row.found || l.over != row.over {
				t.Errorf("%s: %+v", why, l)
			}
			expectRefusal(t, why, l.Err, row.err)
		}
	})
}

// TestLoadOfCanceledRequest: a caller that leaves is not an outage. A store with the same
// error on its own is one.
func TestLoadOfCanceledRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		m, _ := newManager(withStore(s))
		b := begin(t, m, newRecord("one"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := of(b.jar())
		if m.Load(ctx, l); l.Err != context.Canceled {
			t.Errorf("canceled: %v", l.Err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 0)
		defer cancel()
		l = of(b.jar())
		m.Load(ctx, l)
		expectRefusal(t, "out of time", l.Err, refusal.Store)
		s.on(func(context.Context, string, string) error { return context.Canceled })
		expectRefusal(t, "canceled by the store", loadJar(t, m, b.jar()).Err, refusal.Store)
	})
}

// TestMoveToStore: the Manager accepts sessions in cookies until CookiesUntil, and moves
// them into the store at a write.
func TestMoveToStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		before, _ := newManager(nil)
		after, _ := newManager(func(c *Config) { c.Store, c.CookiesUntil = s, time.Now().Add(time.Hour) })
		b := begin(t, before, newRecord("one"))
		other := begin(t, before, newRecord("two"))
		l := load(t, after, b, "one")
		w := httptest.NewRecorder()
		if wrote, err := after.Touch(w, b.request(), l); l.current || !wrote || err != nil {
			t.Fatalf("a session that is to be moved: current %v, wrote %v, %v", l.current, wrote, err)
		}
		b.receive(w)
		l = load(t, after, b, "one")
		if wrote, err := after.Touch(httptest.NewRecorder(), b.request(), l); !l.current || l.Record.inCookie || wrote || err != nil {
			t.Errorf("after the move: %+v", l)
		}
		load(t, before, b, "")
		time.Sleep(time.Hour - 1)
		load(t, after, other, "two")
		time.Sleep(time.Nanosecond)
		if l := load(t, after, other, ""); l.over {
			t.Error("a cookie that is not accepted any more is a session that is over")
		}
		load(t, after, b, "one")
	})
}

// TestMovedSessionEnds: a request has moved a session into the store. Its deletion there
// ends the session, also for that request.
func TestMovedSessionEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newFake()
		before, _ := newManager(nil)
		m, _ := newManager(func(c *Config) { c.Store, c.CookiesUntil = s, time.Now().Add(time.Hour) })
		record := load(t, m, begin(t, before, newRecord("one")), "one").Record
		moved, err := m.Change(t.Context(), record, refresh("second"))
		if err != nil || !record.inCookie || moved.inCookie {
			t.Fatalf("%+v, %v", moved, err)
		}
		s.Memory.Delete(recordKey("one"))
		if _, err := m.Change(t.Context(), moved, refresh("third")); !isEnded(err) {
			t.Errorf("%v, want Ended", err)
		}
		if _, found, _ := s.Memory.Find(recordKey("one")); found {
			t.Error("the session is in the store again")
		}
	})
}
