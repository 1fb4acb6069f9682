package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

func failureOf(t *testing.T, err error) *transaction.Failure {
	t.Helper()
	f, ok := errors.AsType[*transaction.Failure](err)
	if !ok || len(f.Links) == 0 {
		t.Fatalf("%v has no links", err)
	}
	return f
}

// twice sends an answer twice: the second time while the first request is under way, with
// the cookies from before.
func (e *env) twice(begun url.Values) (first, second result) {
	started, resume := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	hook := e.AfterLogin
	e.AfterLogin = func(ctx context.Context, l *login.Accepted) error {
		if calls.Add(1) == 1 {
			close(started)
			<-resume
		}
		if hook != nil {
			return hook(ctx, l)
		}
		return nil
	}
	e.Routes = New(e.Config)
	q := url.Values{"state": {begun.Get("state")}, "code": {"a code"}}
	one, two := e.request("GET", "/auth/callback?"+q.Encode(), nil), e.request("GET", "/auth/callback?"+q.Encode(), nil)
	var wg sync.WaitGroup
	wg.Go(func() { first = e.do(e.Callback, one) })
	<-started
	wg.Go(func() {
		w := &recorder{header: http.Header{}}
		second.err = e.Callback(w, e.Visits.Prepare(two))
		second.changes = fmt.Sprint(w.status, " ", w.header.Get("Location"), w.header.Values("Set-Cookie"))
	})
	synctest.Wait()
	close(resume)
	wg.Wait()
	return first, second
}

// A recorder is a response whose cookies do not reach the browser of the env.
type recorder struct {
	header http.Header
	status int
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return len(p), nil }

// TestCallbackTwice: the second request waits for the first one and gets the same
// destination. It begins no session.
func TestCallbackTwice(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		first, second := e.twice(e.begin("returnTo=/after"))
		e.expectPage("first", first, 303, "/after", "-txn session session_tries")
		if second.err != nil || second.changes != "303 /after[]" || len(e.forms) != 1 {
			t.Errorf("second: %s, %v, %d token requests", second.changes, second.err, len(e.forms))
		}
	})
}

// TestCallbackTwiceRefused: both requests get the same refusal.
func TestCallbackTwiceRefused(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		first, second := e.twice(e.begin("", authrequest.ReturnTo("/after")))
		for why, err := range map[string]error{"first": first.err, "second": second.err} {
			expect(t, why, err, refusal.AfterLogin, "not today")
			expectFailure(t, why, err, "/after", "")
		}
		if first.changes != "txn" || len(e.forms) != 1 {
			t.Errorf("cookies %q, %d token requests", first.changes, len(e.forms))
		}
	}, refuses(refusal.AfterLogin.Because("not today")))
}

// TestCallbackTwiceInTrouble: the second request tries itself if the first one ended
// without a decision.
func TestCallbackTwiceInTrouble(t *testing.T) {
	t.Parallel()
	calls := 0
	run(t, func(e *env) {
		first, second := e.twice(e.begin("returnTo=/after"))
		expect(t, "first", first.err, refusal.Outage, "")
		if second.err != nil || !strings.HasPrefix(second.changes, "303 /after") || len(e.forms) != 2 {
			t.Errorf("second: %s, %v, %d token requests", second.changes, second.err, len(e.forms))
		}
	}, withHook(func(*login.Accepted) error {
		if calls++; calls == 1 {
			return refusal.Outage.New()
		}
		return nil
	}))
}

// TestWaitingCallbackIsGivenUp: no request waits for a browser that has left.
func TestWaitingCallbackIsGivenUp(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		as := e.attempts
		r := e.request("GET", "/", nil)
		if o, err := as.begin(r, "state"); o != nil || err != nil {
			t.Fatalf("%v, %v", o, err)
		}
		ctx, cancel := context.WithCancel(e.Context())
		cancel()
		if _, err := as.begin(r.WithContext(ctx), "state"); err == nil || rowOf(err) != refusal.Canceled {
			t.Errorf("%v", err)
		}
		// The first request ends, after a panic or not, and others can begin.
		as.end("state", outcome{err: errors.New("x")})
		if o, err := as.begin(r, "state"); o != nil || err != nil {
			t.Errorf("%v, %v", o, err)
		}
	})
}

// TestPanicInTheCallback: the next request of the browser does not hang.
func TestPanicInTheCallback(t *testing.T) {
	t.Parallel()
	panics := true
	run(t, func(e *env) {
		begun := e.begin("returnTo=/after")
		func() {
			defer func() { recover() }()
			e.answer(begun, nil)
			t.Error("no panic")
		}()
		panics = false
		e.expectPage("again", e.answer(begun, nil), 303, "/after", "-txn session session_tries")
	}, withHook(func(*login.Accepted) error {
		if panics {
			panic("a mistake")
		}
		return nil
	}))
}

// TestSucceededLogins: a successful login is cached for ten minutes, by its session. The
// cache has a limit.
func TestSucceededLogins(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		as, r := e.attempts, e.request("GET", "/", nil)
		succeed := func(state string) {
			if o, err := as.begin(r, state); o != nil || err != nil {
				t.Fatalf("%v, %v", o, err)
			}
			as.end(state, outcome{returnTo: "/" + state, session: "session of " + state})
		}
		succeed("a")
		for _, row := range []struct{ state, session, want string }{
			{"a", "session of a", "/a"}, {"a", "session of b", ""}, {"a", "", ""}, {"b", "session of a", ""}, {"", "", ""},
		} {
			if got := as.succeeded(row.state, row.session); got != row.want {
				t.Errorf("%q, %q: %q", row.state, row.session, got)
			}
		}
		for i := range 1024 {
			succeed(fmt.Sprint(i))
		}
		if as.succeeded("a", "session of a") != "" || as.succeeded("0", "session of 0") != "/0" || len(as.known) != 1024 || len(as.order) != 1024 {
			t.Errorf("%d are known", len(as.known))
		}
		time.Sleep(10 * time.Minute)
		if as.succeeded("0", "session of 0") != "" {
			t.Error("it is known for more than ten minutes")
		}
		succeed("0") // like a new one
		for i := range 1023 {
			succeed(fmt.Sprint("later ", i))
		}
		if as.succeeded("0", "session of 0") != "/0" || len(as.known) != 1024 || len(as.order) != 1024 {
			t.Errorf("the second time of a state is forgotten with the first; %d are known, %d in order", len(as.known), len(as.order))
		}
	})
}

// TestPopupTwice: the page of the second response tells the opener too, without a token.
func TestPopupTwice(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		for _, row := range []struct {
			tokens []string
			status int
			want   string
		}{{nil, 200, `"ok":true,"returnTo":"/after"`}, {[]string{"access_token"}, 303, ""}} {
			begun := e.begin("returnTo=/after", authrequest.PopUp(origin, row.tokens...))
			cookies := e.cookies
			e.answer(begun, nil)
			e.cookies = cookies // of a request before the answer
			got := e.answer(begun, nil)
			if got.Code != row.status || got.changes != "" || !strings.Contains(got.Body.String(), row.want) || strings.Contains(got.Body.String(), `"access"`) {
				t.Errorf("%q: %d, cookies %q, %s", row.tokens, got.Code, got.changes, got.Body)
			}
			e.cookies = nil
		}
	})
}
