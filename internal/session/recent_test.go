package session

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
)

// ownTokens reports whether the process knows newer tokens of a session than a record.
func ownTokens(m *Manager, r *Record) bool { return m.recent.addTo(r) != r }

// TestRecentTokensReplaceOldest: the tokens of one session beyond the limit push out
// others, and stay.
func TestRecentTokensReplaceOldest(t *testing.T) {
	m := New(Config{Cookies: &cookie.Names{}, Now: time.Now, Idle: time.Hour})
	newest := func(i int) *Record {
		return &Record{ID: fmt.Sprint(i), Issuer: issuer, Subject: "ada", Refreshes: 1}
	}
	keep := func(i int) {
		m.recent.keep(newest(i), time.Hour)
	}
	for i := range maxRecent {
		keep(i)
	}
	keep(0) // is the newest now
	keep(maxRecent)
	for i, want := range map[int]bool{0: true, 1: false, 2: true, maxRecent: true} {
		if got := ownTokens(m, &Record{ID: fmt.Sprint(i)}); got != want {
			t.Errorf("session %d is known: %v", i, got)
		}
	}
	if list, known := m.recent.order.Len(), len(m.recent.known); list != maxRecent || known != maxRecent {
		t.Errorf("%d in the list, %d known", list, known)
	}
}

// TestRecentTokensLetGo: the kept tokens are no part of the text of the old record. That
// text would stay in memory.
func TestRecentTokensLetGo(t *testing.T) {
	t.Parallel()
	m := New(Config{Cookies: &cookie.Names{}, Now: time.Now, Idle: time.Hour})
	old := decodeRecord(string((&Record{ID: "one", Issuer: issuer, Subject: "ada", Refreshes: 1}).encode()))
	m.recent.keep(old, time.Hour)
	for id, element := range m.recent.known {
		if kept := element.Value.(*recentSession).id; kept != "one" || unsafe.StringData(kept) == unsafe.StringData(old.ID) || unsafe.StringData(id) == unsafe.StringData(old.ID) {
			t.Errorf("%q and %q are parts of the old text", kept, id)
		}
	}
}

// TestUndeliveredTokens: a response could not carry its new tokens. The process keeps them
// until the browser shows them, and the next page brings them.
func TestUndeliveredTokens(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		b := begin(t, m, newRecord("one"))
		old := load(t, m, b, "one").Record
		time.Sleep(time.Minute)
		if _, err := m.Change(t.Context(), old, refresh("second")); err != nil {
			t.Fatal(err)
		}
		// Another response with them can be under way for a minute.
		time.Sleep(time.Minute - time.Nanosecond)
		if l := load(t, m, b, "one"); l.Record.RefreshToken != "refresh" {
			t.Errorf("within a minute: %+v", l.Record)
		}
		time.Sleep(time.Nanosecond)
		l := load(t, m, b, "one")
		if l.Record.RefreshToken != "refresh second" || l.Record.Tokens[0].Token != "second" {
			t.Errorf("after a minute: %+v", l.Record)
		}
		// A request that must not write leaves the tokens here.
		time.Sleep(idle - 3*time.Minute)
		if l := load(t, m, b, "one"); l.Record.RefreshToken != "refresh second" {
			t.Errorf("before the end of the session: %+v", l.Record)
		}

		// The next page has the tokens, and alone is no use of the session.
		w := httptest.NewRecorder()
		m.limits.idle = 0
		wrote, err := m.Touch(w, b.request(), l)
		if !wrote || err != nil {
			t.Fatalf("wrote %v, %v", wrote, err)
		}
		b.receive(w)
		shown := load(t, m, b, "one")
		if shown.Record.RefreshToken != "refresh second" || shown.Record.undelivered || shown.Record.touchedAt != old.touchedAt {
			t.Errorf("in the browser: %+v", shown.Record)
		}
		if wrote, _ := m.Touch(httptest.NewRecorder(), b.request(), shown); wrote {
			t.Error("the page after that writes the session too")
		}
		if ownTokens(m, old) {
			t.Error("the tokens are kept although the browser has them")
		}
		if load(t, m, b, "one"); len(m.recent.known) > 0 || m.recent.order.Len() > 0 {
			t.Error("the entry still takes memory")
		}
	})
}

// TestDeliveredTokens stay for a minute, for requests under way.
func TestDeliveredTokens(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		b := begin(t, m, newRecord("one"))
		old := load(t, m, b, "one").Record
		changed, err := m.Change(t.Context(), old, refresh("second"))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := m.SendTokens(w, of(b.jar()), old, changed); err != nil {
			t.Fatal(err)
		}
		b.receive(w)
		for range 2 {
			if load(t, m, b, "one"); !ownTokens(m, old) {
				t.Error("requests under way have lost them")
			}
		}
		time.Sleep(time.Minute)
		if ownTokens(m, old) {
			t.Error("they are kept for longer")
		}
		if load(t, m, b, "one"); len(m.recent.known) > 0 {
			t.Error("the entry still takes memory")
		}
		// A response without new tokens sets no cookie. A session whose tokens have not
		// reached the browser is an exception.
		w = httptest.NewRecorder()
		if err := m.SendTokens(w, of(b.jar()), changed, changed); err != nil || len(w.Header()["Set-Cookie"]) > 0 {
			t.Errorf("%v, %v", err, w.Header())
		}
		changed.undelivered = true
		if err := m.SendTokens(w, of(b.jar()), changed, changed); err != nil || len(w.Header()["Set-Cookie"]) != 1 {
			t.Errorf("%v, %v", err, w.Header())
		}
	})
}

// TestRecentTokensOfStore: with a working store, tokens stay for a minute.
func TestRecentTokensOfStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(withStore(NewMemory(10)))
		b := begin(t, m, newRecord("one"))
		old := load(t, m, b, "one").Record
		if _, err := m.Change(t.Context(), old, refresh("second")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if !ownTokens(m, old) {
			t.Error("lost before a minute is over")
		}
		time.Sleep(time.Nanosecond)
		if ownTokens(m, old) {
			t.Error("kept for longer than a minute")
		}
	})
}

// TestRecentTokensOfEndedSession disappear at its logout.
func TestRecentTokensOfEndedSession(t *testing.T) {
	inBothModes(t, func(t *testing.T, m *Manager, _ *fakeStore) {
		b := begin(t, m, newRecord("one"))
		old := load(t, m, b, "one").Record
		if _, err := m.Change(t.Context(), old, refresh("second")); err != nil {
			t.Fatal(err)
		}
		if err := m.Destroy(t.Context(), httptest.NewRecorder(), of(b.jar())); err != nil {
			t.Fatal(err)
		}
		if ownTokens(m, old) || len(m.recent.known) > 0 || m.recent.order.Len() > 0 {
			t.Error("the tokens of a session that has ended are kept")
		}
	})
}

// TestRecentTokensAtOnce is for the race detector.
func TestRecentTokensAtOnce(t *testing.T) {
	var rt recentTokens
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				r := &Record{ID: fmt.Sprint(n % 5), Issuer: issuer, Subject: "ada", Refreshes: n}
				switch i % 4 {
				case 0:
					rt.keep(r, time.Hour)
				case 1:
					rt.shown(r)
				case 2:
					rt.addTo(r)
				case 3:
					rt.forget(r.ID)
				}
			}
		})
	}
	all.Wait()
	if rt.order.Len() != len(rt.known) {
		t.Errorf("%d in the list, %d known", rt.order.Len(), len(rt.known))
	}
}

// TestUndeliveredTokensInParts: a page that brings the tokens replaces all parts of the
// cookie.
func TestUndeliveredTokensInParts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, _ := newManager(nil)
		record := newRecord("one")
		record.Data = map[string]string{"note": strings.Repeat("x", 5000)}
		b := begin(t, m, record)
		old := load(t, m, b, "one").Record
		if _, err := m.Change(t.Context(), old, refresh("second")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		w := httptest.NewRecorder()
		l := load(t, m, b, "one")
		if wrote, err := m.Touch(w, b.request(), l); !wrote || err != nil {
			t.Fatalf("wrote %v, %v", wrote, err)
		}
		b.receive(w)
		if got := load(t, m, b, "one").Record; got.RefreshToken != "refresh second" || len(got.Data["note"]) != 5000 {
			t.Errorf("%+v", got)
		}
		names := ourCookie.Names(cookie.Read(b.request(), ourCookie.Is))
		if slices.Sort(names); len(names) != 2 {
			t.Errorf("cookies %q", names)
		}
	})
}
