package visit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

const cookieName = "__Host-app_session"

func TestRequestWithoutSession(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		r, w, wrote := e.load(page...)
		v := e.visits.In(r.Context())
		if v == nil || v.Record != nil || v.Err != nil || wrote {
			e.Errorf("%+v, wrote %v", v, wrote)
		}
		if h := w.Header(); h.Get("Vary") != "Cookie" || h.Get("Cache-Control") != "" || h["Set-Cookie"] != nil {
			e.Errorf("the response has %v", h)
		}
		_, err := e.visits.Record(r)
		expect(e.T, "no session", err, refusal.LoginRequired, "")
		_, err = e.visits.Record(e.request())
		expect(e.T, "no session, not loaded", err, refusal.LoginRequired, "")
	})
}

// TestRequestWithSession: the response to a request that uses the session is for one
// visitor. The response to an image is at least not for shared caches.
func TestRequestWithSession(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		for _, row := range []struct {
			why    string
			header []string
			cache  string
		}{{"page", page, "private, no-store"}, {"image", image, "private"}} {
			r, w, wrote := e.load(row.header...)
			record, err := e.visits.Record(r)
			if err != nil || record.ID != "one" || wrote {
				e.Errorf("%s: %+v, %v, wrote %v", row.why, record, err, wrote)
			}
			if h := w.Header(); h.Get("Cache-Control") != row.cache || h.Get("Vary") != "Cookie" || h["Set-Cookie"] != nil {
				e.Errorf("%s: the response has %v", row.why, h)
			}
		}
		if record, err := e.visits.Record(e.request()); err != nil || record.ID != "one" {
			e.Errorf("not loaded: %+v, %v", record, err)
		}
		e.read = 0
		r, _, _ := e.load(page...)
		e.visits.Record(r)
		if e.visits.Jar(r); e.read != 1 {
			e.Errorf("the cookies of one request were read %d times", e.read)
		}
	})
}

// TestSessionIsOver: the next page deletes the cookie of an expired session.
func TestSessionIsOver(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		time.Sleep(idle) // of fake time
		if _, w, wrote := e.load(image...); wrote || e.take(w) != "" {
			e.Error("an image has deleted the cookie")
		}
		r, w, wrote := e.load(page...)
		if changes := e.take(w); !wrote || changes != "-"+cookieName {
			e.Errorf("wrote %v: %s", wrote, changes)
		}
		_, err := e.visits.Record(r)
		expect(e.T, "over", err, refusal.LoginRequired, "")
	})
}

// TestSessionIsProlonged: the response to a page writes a session that was not written for
// a while.
func TestSessionIsProlonged(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		time.Sleep(6 * time.Minute)
		if _, w, wrote := e.load(image...); wrote || e.take(w) != "" {
			e.Error("an image has prolonged the session")
		}
		e.counts = false
		if _, w, wrote := e.load(page...); wrote || e.take(w) != "" {
			e.Error("a request that does not count has prolonged the session")
		}
		e.counts = true
		_, w, wrote := e.load(page...)
		if changes := e.take(w); !wrote || changes != cookieName {
			e.Errorf("wrote %v: %s", wrote, changes)
		}
		if _, w, wrote = e.load(page...); wrote || e.take(w) != "" {
			e.Error("the next page has written the session too")
		}
		if e.log.Len() > 0 {
			e.Errorf("the log has %q", e.log)
		}
		time.Sleep(idle - time.Minute)
		if record, err := e.visits.Record(e.request()); err != nil || record.ID != "one" {
			e.Errorf("%+v, %v, want a session that was prolonged", record, err)
		}
	})
}

// TestStoreIsDown: an outage logs no user out, and is in the log.
func TestStoreIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, &store{Store: session.NewMemory(100)})
		e.login("one")
		e.store.fail(errors.New("no connection"), errors.New("no connection"))
		r, w, wrote := e.load(page...)
		if changes := e.take(w); wrote || changes != "" || w.Header().Get("Cache-Control") != "private" {
			t.Errorf("wrote %v: %s, %v", wrote, changes, w.Header())
		}
		if _, err := e.visits.Record(r); err == nil || !strings.Contains(err.Error(), "no connection") {
			t.Errorf("the error is %v", err)
		}
		if !strings.Contains(e.log.String(), "sessions cannot be read") {
			t.Errorf("the log has %q", e.log)
		}

		e.log.Reset()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e.store.fail(context.Canceled, context.Canceled)
		r, _ = e.visits.Load(httptest.NewRecorder(), e.request(page...).WithContext(ctx))
		if _, err := e.visits.Record(r); !errors.Is(err, context.Canceled) || e.log.Len() > 0 {
			t.Errorf("a canceled request: %v, %q", err, e.log)
		}

		time.Sleep(6 * time.Minute)
		e.store.fail(nil, errors.New("read-only"))
		e.log.Reset()
		r, w, wrote = e.load(page...)
		if _, err := e.visits.Record(r); err != nil || !wrote || e.take(w) != "" {
			t.Errorf("%v, wrote %v", err, wrote)
		}
		if !strings.Contains(e.log.String(), "could not be prolonged") {
			t.Errorf("the log has %q", e.log)
		}
	})
}

// TestUpgrade has a row for each origin of an upgrade request (RFC 6455, Sections 4.1 and
// 10.2).
func TestUpgrade(t *testing.T) {
	t.Parallel()
	unknown := refusal.UnknownHost.New()
	for _, row := range []struct {
		why    string
		header []string
		origin error
		want   refusal.Row
	}{
		{"page of the site", []string{"Upgrade", "websocket", "Origin", origin}, nil, refusal.Row{}},
		{"page of another site", []string{"Upgrade", "websocket", "Origin", "https://evil.example"}, nil, refusal.CrossOrigin},
		{"no origin", []string{"Upgrade", "websocket"}, nil, refusal.CrossOrigin},
		{"two origins", []string{"Upgrade", "websocket", "Origin", origin, "Origin", origin}, nil, refusal.CrossOrigin},
		{"opaque origin", []string{"Upgrade", "websocket", "Origin", "null"}, nil, refusal.CrossOrigin},
		{"HTTP/2", []string{":protocol", "websocket", "Origin", "https://evil.example"}, nil, refusal.CrossOrigin},
		{"unknown host", []string{"Upgrade", "websocket", "Origin", origin}, unknown, refusal.UnknownHost},
		{"other origin and no upgrade", []string{"Origin", "https://evil.example"}, unknown, refusal.Row{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, nil)
			e.login("one")
			e.origin = row.origin
			r, w, _ := e.load(row.header...)
			record, err := e.visits.Record(r)
			expect(t, row.why, err, row.want, "")
			if (record == nil) != (err != nil) || w.Header().Get("Cache-Control") != "private" {
				t.Errorf("%s: %+v, %v", row.why, record, w.Header())
			}
			if e.visits.Jar(r).First(cookieName) == "" {
				t.Errorf("%s: the jar is lost", row.why)
			}
			_, err = e.visits.Record(e.request(row.header...))
			expect(t, row.why+", not loaded", err, row.want, "")
			if strings.Contains(e.log.String(), "cannot be read") {
				t.Errorf("%s: the log has %q", row.why, e.log)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		r, _, _ := e.load("Upgrade", "websocket", "Origin", "https://evil.example")
		_, err := e.visits.Record(r)
		expect(t, "no session", err, refusal.LoginRequired, "")
	})
}

// TestVisitOfAnotherApplication: two applications in one program do not see each
// other's sessions.
func TestVisitOfAnotherApplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		other := e.application("other_session", "other")
		e.login("one")
		r, _, _ := e.load(page...)
		if In(r.Context()) == nil || e.visits.In(r.Context()) != In(r.Context()) || other.In(r.Context()) != nil {
			t.Error("the visit belongs to the wrong application")
		}
		_, err := other.Record(r)
		expect(t, "other application", err, refusal.LoginRequired, "")
		if jar := other.Jar(r); jar.First(cookieName) != "" {
			t.Error("the other application has the jar")
		}
		if In(t.Context()) != nil || e.visits.In(t.Context()) != nil {
			t.Error("there is a visit without a request")
		}
	})
}

// TestRequestWithAnAccessToken: its cookies count for no application.
func TestRequestWithAnAccessToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		e.login("one")
		r := e.request()
		r = r.WithContext(context.WithValue(r.Context(), Key{}, TokenOnly))
		if e.visits.In(r.Context()) != TokenOnly || e.application("other_session", "other").In(r.Context()) != TokenOnly {
			t.Error("the visit is lost")
		}
		_, err := e.visits.Record(r)
		expect(t, "access token", err, refusal.LoginRequired, "authenticated by an access token")
		_, _, err = e.visits.Current(r)
		expect(t, "access token, not loaded", err, refusal.LoginRequired, "authenticated by an access token")
		loaded, _, _ := e.load(page...)
		loaded = loaded.WithContext(context.WithValue(loaded.Context(), Key{}, TokenOnly))
		_, l, err := e.visits.Current(loaded)
		expect(t, "access token, loaded", err, refusal.LoginRequired, "authenticated by an access token")
		if l == nil || l == &TokenOnly.Loaded {
			t.Error("all requests with a token share what is loaded")
		}
		if e.visits.Jar(r).First(cookieName) == "" {
			t.Error("the cookies cannot be read")
		}
	})
}

// TestVisitOfNobody: the program can put a user into a context. That user is not a session
// of an application, and Load finds the session of the request.
func TestVisitOfNobody(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		for _, record := range []*session.Record{nil, {ID: "another", Subject: "auth0|eve"}} {
			v := Of(record)
			ctx := context.WithValue(e.Context(), Key{}, v)
			if In(ctx) != v || v.Record != record || v.Err != nil {
				e.Errorf("%+v", v)
			}
			if e.visits.In(ctx) != nil || (*Visits)(nil).In(ctx) != nil || (&Visits{}).In(ctx) != nil {
				e.Error("an application takes the visit for its own")
			}
			r := e.request(page...).WithContext(ctx)
			if got, err := e.visits.Record(r); err != nil || got.ID != "one" {
				e.Errorf("Record: %+v, %v", got, err)
			}
			r, _ = e.visits.Load(httptest.NewRecorder(), r)
			if got := In(r.Context()); got.Record == nil || got.Record.ID != "one" {
				e.Errorf("Load: %+v", got)
			}
		}
	})
}

func TestZeroValue(t *testing.T) {
	t.Parallel()
	var vs *Visits
	r := httptest.NewRequest("GET", "/", nil)
	_, err := vs.Record(r)
	expect(t, "Record", err, refusal.Misconfigured, "not made by New")
	_, _, err = vs.Current(r)
	expect(t, "Current", err, refusal.Misconfigured, "not made by New")
}

// TestCurrent: the session of the response counts before the session of the request.
func TestCurrent(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		_, _, err := e.visits.Current(e.visits.Prepare(e.request()))
		expect(e.T, "no session", err, refusal.LoginRequired, "")
		e.login("one")
		r, w, _ := e.load(page...)
		record, l, err := e.visits.Current(r)
		if err != nil || record.ID != "one" {
			e.Errorf("%+v, %v", record, err)
		}
		e.beginIn(w, l, "two")
		if record, _, err := e.visits.Current(r); err != nil || record.ID != "two" {
			e.Errorf("%+v, %v, want the session of the response", record, err)
		}

		// Another request ends the session while this one is under way.
		e.login("three")
		r, _, _ = e.load(page...)
		if err := e.visits.End(httptest.NewRecorder(), e.visits.Prepare(e.request())); err != nil {
			e.Fatal(err)
		}
		_, _, err = e.visits.Current(r)
		expect(e.T, "ended", err, refusal.LoginRequired, "was ended while this request was under way")
	})
}

// TestUseIsTheFirstWrite: the session that Load prolongs is the one of the response.
func TestUseIsTheFirstWrite(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		time.Sleep(time.Hour)
		r, _, wrote := e.load(page...)
		record, _, err := e.visits.Current(r)
		if !wrote || err != nil || record.ID != "one" {
			e.Fatalf("wrote %v: %+v, %v", wrote, record, err)
		}
		_, before := In(r.Context()).Record.Life()
		if _, now := record.Life(); !now.After(before) {
			e.Errorf("the response has a session until %v, and the request until %v", now, before)
		}
	})
}

// TestNotLoaded: outside Load and Prepare, nothing knows the session of the response. So
// each method that could write another one refuses, whether or not there is a session.
func TestNotLoaded(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		other := e.application("other_session", "other")
		loaded, _, _ := e.load(page...)
		visit, err := e.visits.Find(loaded)
		if err != nil {
			e.Fatal(err)
		}
		ofOther, _ := other.Load(httptest.NewRecorder(), e.request())
		ofNobody := e.request()
		ofNobody = ofNobody.WithContext(context.WithValue(ofNobody.Context(), Key{}, Of(visit.Record)))
		for why, r := range map[string]*http.Request{
			"session": e.request(page...), "no cookies": httptest.NewRequest("GET", "/", nil), "another application": ofOther, "a user of the program": ofNobody,
		} {
			w := httptest.NewRecorder()
			_, err := e.visits.Loaded(r)
			expect(e.T, why+", Loaded", err, refusal.Misconfigured, "not inside Strategy.LoadUser")
			_, _, err = e.visits.Current(r)
			expect(e.T, why+", Current", err, refusal.Misconfigured, "not inside Strategy.LoadUser")
			_, _, err = e.visits.AccessToken(w, r, renew.Wish{})
			expect(e.T, why+", AccessToken", err, refusal.Misconfigured, "not inside Strategy.LoadUser")
			expect(e.T, why+", End", e.visits.End(w, r), refusal.Misconfigured, "not inside Strategy.LoadUser")
			expect(e.T, why+", Forget", e.visits.Forget(w, r, "google"), refusal.Misconfigured, "not inside Strategy.LoadUser")
			expect(e.T, why+", Commit", e.visits.Commit(w, r, visit, nil), refusal.Misconfigured, "not inside Strategy.LoadUser")
			if len(w.Header()) > 0 {
				e.Errorf("%s: %v", why, w.Header())
			}
		}
	})
}

// TestTwoApplications: a request can be inside LoadUser of two applications. Each has its
// own session of the response.
func TestTwoApplications(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		other := e.application("other_session", "other")
		e.login("one")
		r, w, _ := e.load(page...)
		r, _ = other.Load(w, r)
		if other.Prepare(r) != r || e.visits.Prepare(r) != r {
			e.Error("what is loaded is not found")
		}
		e.beginIn(w, e.loaded(r), "two")
		record, _, err := e.visits.Current(r)
		if err != nil || record.ID != "two" {
			e.Errorf("%+v, %v", record, err)
		}
		_, l, err := other.Current(r)
		expect(e.T, "other application", err, refusal.LoginRequired, "")
		if first := e.loaded(r); l == nil || l == first || l.Jar.First(cookieName) != "" || first.Jar.First(cookieName) == "" {
			e.Error("the applications share what is loaded")
		}
	})
}

// TestCopiedVisit: an adaptor of another router copies the visit, and nothing else, into
// the context of a new request.
func TestCopiedVisit(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		r, w, _ := e.load(page...)
		copied := e.request()
		copied = copied.WithContext(context.WithValue(copied.Context(), Key{}, r.Context().Value(Key{})))
		e.beginIn(w, e.loaded(copied), "two")
		if record, _, err := e.visits.Current(r); err != nil || record.ID != "two" {
			e.Errorf("%+v, %v", record, err)
		}
	})
}

// TestCommit: only the session of the request gets the data.
func TestCommit(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		r, w, _ := e.load(page...)
		read, err := e.visits.Find(r)
		if err != nil {
			e.Fatal(err)
		}
		if err := e.visits.Commit(w, r, read, map[string]string{"cart": "7"}); err != nil {
			e.Error(err)
		}
		// The next change of the same response keeps the first one.
		if err := e.visits.Commit(w, r, read, map[string]string{"color": "red"}); err != nil {
			e.Error(err)
		}
		e.take(w)
		record, err := e.visits.Record(e.request())
		if err != nil || record.Data["cart"] != "7" || record.Data["color"] != "red" {
			e.Errorf("%+v, %v", record, err)
		}
		e.login("two")
		r, w, _ = e.load()
		err = e.visits.Commit(w, r, read, nil)
		expect(e.T, "another session", err, refusal.Internal, "belongs to another request")
		e.cookies = nil
		r, w, _ = e.load()
		err = e.visits.Commit(w, r, read, nil)
		expect(e.T, "no session", err, refusal.LoginRequired, "")
	})
}

// TestFindAgain: outside Load, each call reads the session of the request.
func TestFindAgain(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		r := e.request(page...)
		known, err := e.visits.Find(r)
		if err != nil {
			e.Fatal(err)
		}
		if again, err := e.visits.Find(r); err != nil || again == known {
			e.Errorf("again: %+v, %v", again, err)
		}
		r.Header.Del("Cookie")
		_, err = e.visits.Find(r)
		expect(e.T, "no cookies", err, refusal.LoginRequired, "")
		loaded, _, _ := e.load(page...)
		if again, err := e.visits.Find(loaded); err != nil || again != In(loaded.Context()) {
			e.Errorf("the visit in the context does not count: %+v, %v", again, err)
		}
	})
}

// TestCookiesAreReadOnce: a request can carry thousands of cookies.
func TestCookiesAreReadOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		other := e.application("other_session", "other")
		without := e.request()
		if r := e.visits.Prepare(without); len(e.visits.Jar(r).Names(cookieName, len(cookieName))) > 0 || e.read != 0 {
			t.Errorf("the cookies of a request without any were read %d times", e.read)
		}
		e.login("one")
		e.read = 0
		r := e.visits.Prepare(e.request())
		for range 3 {
			if e.visits.Jar(r).First(cookieName) == "" {
				t.Error("the jar is empty")
			}
		}
		if again := e.visits.Prepare(r); again != r || e.read != 1 {
			t.Errorf("the cookies were read %d times", e.read)
		}
		if other.Jar(r).First(cookieName) != "" || e.read != 2 {
			t.Errorf("the other application has the jar, or has read it %d times", e.read)
		}
		both := other.Prepare(r)
		if both == r || other.Jar(both).First(cookieName) != "" || e.read != 3 {
			t.Errorf("the other application has the jar, or has read it %d times", e.read)
		}
		loaded, _, _ := e.load(page...)
		if e.read = 0; e.visits.Prepare(loaded) != loaded || e.read != 0 {
			t.Error("the cookies of a loaded request were read again")
		}
	})
}

// TestLostLoginIsOver: a session that comes back clears the mark.
func TestLostLoginIsOver(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		w := httptest.NewRecorder()
		if err := e.visits.Marks.ExpectSession(w, cookie.Jar{}); err != nil {
			e.Fatal(err)
		}
		if changes := e.take(w); changes != "__Host-app_session_tries" {
			e.Fatal(changes)
		}
		if _, w, _ := e.load(image...); e.take(w) != "" {
			e.Error("an image has taken the mark away")
		}
		if _, w, _ := e.load(page...); e.take(w) != "-__Host-app_session_tries" {
			e.Error("the mark is still there")
		}
		if _, w, _ := e.load(page...); e.take(w) != "" {
			e.Error("a mark that is not there is deleted")
		}
	})
}

// TestLoadKeepsStricterHeaders: the header of an outer handler stays.
func TestLoadKeepsStricterHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		e.login("one")
		w := httptest.NewRecorder()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Accept, Cookie")
		e.visits.Load(w, e.request(image...))
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || len(h["Vary"]) != 1 {
			t.Errorf("%v", http.Header(h))
		}
	})
}

// TestContext: the context of a request has the visit in the place of [context.WithValue].
// It keeps the values and the end of the old context, and prints none of them.
func TestContext(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.login("one")
		type other struct{}
		before, cancel := context.WithCancel(context.WithValue(e.Context(), other{}, "value"))
		r, _ := e.visits.Load(httptest.NewRecorder(), e.request(page...).WithContext(before))
		ctx := r.Context()
		v := In(ctx)
		if v == nil || v.Record == nil || ctx.Value(other{}) != "value" || ctx.Value("unknown") != nil {
			e.Fatalf("%+v", v)
		}
		fields := reflect.ValueOf(ctx).Elem()
		if got := fields.FieldByName("val").Elem().Pointer(); got != reflect.ValueOf(v).Pointer() || fields.FieldByName("key").Elem().Type() != reflect.TypeFor[Key]() ||
			fields.FieldByName("Context").Interface() != before {
			e.Error("an adaptor does not find the visit in the fields of the context")
		}
		child, end := context.WithCancel(ctx)
		defer end()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q"} {
			for _, printed := range []any{ctx, child, struct{ inner context.Context }{ctx}} {
				if text := fmt.Sprintf(verb, printed); strings.Contains(text, "tenant.example") || strings.Contains(text, "v3.") {
					e.Errorf("%s prints %.300s", verb, text)
				}
			}
		}
		if cancel(); ctx.Err() == nil || child.Err() == nil {
			e.Error("the context does not end with the one before")
		}
	})
}
