package visit

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

const (
	triesName  = "__Host-app_session_tries"
	silentName = "__Host-app_session_silent"
)

// respond calls a handler that writes marks, and returns its changes in the browser.
func (e *env) respond(f func(http.ResponseWriter, cookie.Jar)) string {
	w := httptest.NewRecorder()
	f(w, e.jar())
	return e.take(w)
}

// expectSession notes one more login.
func (e *env) expectSession() {
	e.Helper()
	changes := e.respond(func(w http.ResponseWriter, jar cookie.Jar) {
		if err := e.visits.Marks.ExpectSession(w, jar); err != nil {
			e.Error(err)
		}
	})
	if changes != triesName {
		e.Errorf("a login has changed %q", changes)
	}
}

func (e *env) losesLogins() (loses bool, changes string) {
	changes = e.respond(func(w http.ResponseWriter, jar cookie.Jar) { loses = e.visits.Marks.LosesLogins(w, jar) })
	return loses, changes
}

// TestThreeLostLogins: the third one in a minute is the last. The browser starts anew after
// the page about them.
func TestThreeLostLogins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		for i := range 3 {
			if loses, changes := e.losesLogins(); loses || changes != "" {
				t.Errorf("after %d logins: %v, %q", i, loses, changes)
			}
			e.expectSession()
			time.Sleep(10 * time.Second) // of fake time
		}
		if maxAge := e.cookies[0].MaxAge; maxAge != 60 {
			t.Errorf("the cookie is good for %d s", maxAge)
		}
		if loses, changes := e.losesLogins(); !loses || changes != "-"+triesName {
			t.Errorf("after three logins: %v, %q", loses, changes)
		}
		if loses, changes := e.losesLogins(); loses || changes != "" {
			t.Errorf("after the page: %v, %q", loses, changes)
		}
	})
}

// TestLostLoginsOfAMinute: the minute begins with the first of them.
func TestLostLoginsOfAMinute(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		after time.Duration // the first login
		want  bool
	}{{59 * time.Second, true}, {60 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, nil)
			e.expectSession()
			time.Sleep(50 * time.Second)
			e.expectSession()
			e.expectSession()
			time.Sleep(row.after - 50*time.Second)
			if loses, _ := e.losesLogins(); loses != row.want {
				t.Errorf("after %v: %v", row.after, loses)
			}
			if row.want {
				return
			}
			e.expectSession() // it is the first of a new minute
			if count, since := e.visits.Marks.lostLogins(e.jar()); count != 1 || since != now().Unix() {
				t.Errorf("%d since %v", count, since)
			}
		})
	}
}

// TestForgedMarks has a row for each cookie other than a mark of this application. None of
// them counts, and a foreign one is never deleted.
func TestForgedMarks(t *testing.T) {
	t.Parallel()
	other, err := seal.New([]string{"a secret of somebody else, of some length"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		at := strconv.FormatInt(now().Unix(), 10)
		ahead := strconv.FormatInt(now().Add(time.Second).Unix(), 10)
		e := newEnv(t, nil)
		ring := e.visits.Marks.Keyring
		for _, row := range []struct {
			why, tries, silent string
			delete             bool // ours, deleted with the next session
		}{
			{"not sealed", "v3.3-" + at, "v3." + at, false},
			{"other secret", other.Seal("tries", triesName, []byte("3-"+at)), other.Seal("silent", silentName, []byte(at)), false},
			{"other purpose", ring.Seal("silent", triesName, []byte("3-"+at)), ring.Seal("tries", silentName, []byte(at)), false},
			{"other name", ring.Seal("tries", "other", []byte("3-"+at)), ring.Seal("silent", "other", []byte(at)), false},
			{"no numbers", ring.Seal("tries", triesName, []byte("x")), ring.Seal("silent", silentName, []byte("x")), true},
			{"one number", ring.Seal("tries", triesName, []byte("3")), ring.Seal("silent", silentName, []byte("")), true},
			{"number without end", ring.Seal("tries", triesName, []byte("3-99999999999999999999")),
				ring.Seal("silent", silentName, []byte("99999999999999999999")), true},
			{"from the future", ring.Seal("tries", triesName, []byte("3-"+ahead)), "", true},
		} {
			e.cookies = []*http.Cookie{{Name: triesName, Value: row.tries}, {Name: silentName, Value: row.silent}}
			if loses, changes := e.losesLogins(); loses || changes != "" {
				t.Errorf("%s: loses logins: %v, %q", row.why, loses, changes)
			}
			if e.visits.Marks.TriedSilent(e.jar()) {
				t.Errorf("%s: a silent login was tried", row.why)
			}
			if changes := e.respond(e.visits.Marks.ForgetSilent); changes != "" {
				t.Errorf("%s: changes %q", row.why, changes)
			}
			if changes := e.respond(e.visits.Marks.FoundSession); (changes == "-"+triesName) != row.delete {
				t.Errorf("%s: a session changes %q", row.why, changes)
			}
		}
		// The control: a genuine mark counts.
		e.cookies = []*http.Cookie{
			{Name: triesName, Value: ring.Seal("tries", triesName, []byte("3-"+at))},
			{Name: silentName, Value: ring.Seal("silent", silentName, []byte(at))},
		}
		if !e.visits.Marks.TriedSilent(e.jar()) {
			t.Error("no silent login was tried")
		}
		if loses, _ := e.losesLogins(); !loses {
			t.Error("the browser loses no logins")
		}
	})
}

// TestSilentLogins: the next silent login comes after five minutes.
func TestSilentLogins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		m := e.visits.Marks
		if changes := e.respond(m.NoteSilent); changes != "" {
			t.Errorf("without silent logins, %q changes", changes)
		}
		e.silent.Store(true)
		if m.TriedSilent(e.jar()) {
			t.Error("one was tried before the first")
		}
		if changes := e.respond(m.NoteSilent); changes != silentName || e.cookies[0].MaxAge != 300 {
			t.Errorf("%q changes, %v", changes, e.cookies)
		}
		if e.log.Len() > 0 {
			t.Errorf("the log has %q", e.log)
		}
		time.Sleep(5*time.Minute - time.Second) // of fake time
		if !m.TriedSilent(e.jar()) {
			t.Error("none was tried in the last five minutes")
		}
		time.Sleep(time.Second)
		if m.TriedSilent(e.jar()) {
			t.Error("one is still in the way after five minutes")
		}
	})
}

// TestLoginEndsThePause: a silent login can follow after a login and a logout.
func TestLoginEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		e.silent.Store(true)
		m := e.visits.Marks
		if changes := e.respond(m.ForgetSilent); changes != "" {
			t.Errorf("%q changes", changes)
		}
		e.respond(m.NoteSilent)
		if changes := e.respond(m.ForgetSilent); changes != "-"+silentName || m.TriedSilent(e.jar()) {
			t.Errorf("%q changes", changes)
		}
	})
}
