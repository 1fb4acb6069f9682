package signin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// page are the headers of a browser that navigates.
var page = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}

// silently does the middleware's work for a public page.
func (e *env) silently(r *http.Request) (answered bool, got result) {
	got = e.do(func(w http.ResponseWriter, r *http.Request) error {
		r, _ = e.Visits.Load(w, r)
		answered = e.Silently(w, r)
		return nil
	}, r)
	return answered, got
}

// TestSilentLogin: the browser goes to the tenant, which must not ask the user, and comes
// back to the page. No other one begins while it is under way, and for five minutes.
func TestSilentLogin(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		answered, got := e.silently(e.request("GET", "/page?a=b", nil, page...))
		asked := e.asked(got.location())
		if !answered || got.err != nil || got.Code != 302 || got.changes != "session_silent txn" || asked.Get("prompt") != "none" {
			t.Fatalf("%v, %d, cookies %q, %v: %q", answered, got.Code, got.changes, got.err, asked)
		}
		if kept := e.kept(asked); !kept.Silent || e.pageOf(kept.State) != "/page?a=b" || kept.RedirectURI != origin+"/auth/callback" {
			t.Errorf("the login is %+v", kept)
		}
		if answered, got := e.silently(e.request("GET", "/page", nil, page...)); answered || got.changes != "" {
			t.Errorf("a second one: %v, cookies %q", answered, got.changes)
		}
		// The next one can begin right after this session.
		e.expectPage("callback", e.answer(asked, nil), 303, "/page?a=b", "-txn session session_tries -session_silent")
	}, withSilent)
}

// TestMaySilently has a row for each request without a silent login.
func TestMaySilently(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, method, target string
		header              []string
		want                bool
	}{
		{"page", "GET", "/page", page, true},
		{"POST", "POST", "/page", page, false},
		{"HEAD", "HEAD", "/page", page, false},
		{"script", "GET", "/page", []string{"Sec-Fetch-Mode", "cors"}, false},
		{"prefetch", "GET", "/page", append([]string{"Sec-Purpose", "prefetch"}, page...), false},
		{"marker", "GET", "/page?silent_login=failed", page, false},
		{"marker beside others", "GET", "/page?a=b&silent_login=failed&c=d", page, false},
		{"other value", "GET", "/page?silent_login=other", page, true},
	} {
		run(t, func(e *env) {
			answered, got := e.silently(e.request(row.method, row.target, nil, row.header...))
			if answered != row.want || (got.changes != "") != row.want || got.err != nil {
				t.Errorf("%s: %v, cookies %q, %v", row.why, answered, got.changes, got.err)
			}
		}, withSilent)
	}
}

// TestSilentLoginAndSession: no silent login begins with a session, with an unknown session
// state, or with an access token in the request.
func TestSilentLoginAndSession(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.logIn()
		// The session of a page request is not lost.
		if answered, got := e.silently(e.request("GET", "/page", nil, page...)); answered || got.changes != "-session_tries" {
			t.Errorf("session: %v, cookies %q", answered, got.changes)
		}
		if e.store != nil {
			e.store.fail(errors.New("down"))
			if answered, got := e.silently(e.request("GET", "/page", nil, page...)); answered || got.changes != "" {
				t.Errorf("store down: %v, cookies %q", answered, got.changes)
			}
		}
		e.cookies = nil
		answered := false
		got := e.do(func(w http.ResponseWriter, r *http.Request) error {
			r = r.WithContext(context.WithValue(r.Context(), visit.Key{}, visit.TokenOnly))
			answered = e.Silently(w, r)
			return nil
		}, e.request("GET", "/page", nil, page...))
		if answered || got.err != nil || got.changes != "" {
			t.Errorf("access token: %v, cookies %q", answered, got.changes)
		}
	}, withSilent)
}

// TestSilentLoginThatCannotBegin: the page is public, so it appears for any failure at the
// beginning of the login. No other one follows at once.
func TestSilentLoginThatCannotBegin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, target string
		edit        func(*Config)
		cause       string
	}{
		{"tenant down", "/page", func(c *Config) { c.Flow.Client.Tenant.Static = nil }, "we cannot reach the login service"},
		{"unknown host", "https://unknown.example/page", withHosts, "unknown.example"},
		{"options", "/page", withOptions(nil), "a login option is nil"},
		{"no room", "/page", withOptions(tooLarge), "the options of this login need"},
		{"URL that is no return URL", "/page%E2%80%AEother", withSilent, "cannot return to the URL of this page"},
		{"login route", "/auth/login?a=b", withSilent, "cannot return to the URL of this page"},
		{"long URL", "/page?" + strings.Repeat("x", 1600), withSilent, "too many for a silent login"},
	} {
		run(t, func(e *env) {
			answered, got := e.silently(e.request("GET", row.target, nil, page...))
			if answered || got.changes != "session_silent" || got.location() != "" {
				t.Errorf("%s: %v, cookies %q, to %q", row.why, answered, got.changes, got.location())
			}
			if log := e.log.String(); !strings.Contains(log, "level=WARN msg=\"auth0: a silent login could not start\"") || !strings.Contains(log, row.cause) {
				t.Errorf("%s: the log is %s", row.why, e.log)
			}
		}, withSilent, row.edit)
	}
}

// TestSilentLoginFails has a row for each failure of a silent login after its beginning.
// The user sees the requested page for each of them.
func TestSilentLoginFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		answer change
		claims change
		tokens change
		down   bool
		edit   func(*Config)
		quiet  bool // nothing is wrong
	}{
		{why: "login_required", answer: change{"error": "login_required"}, quiet: true},
		{why: "interaction_required", answer: change{"error": "interaction_required"}, quiet: true},
		{why: "consent_required", answer: change{"error": "consent_required"}, quiet: true},
		{why: "account_selection_required", answer: change{"error": "account_selection_required"}, quiet: true},
		{why: "access_denied", answer: change{"error": "access_denied"}, quiet: true},
		{why: "AfterLogin refuses", edit: refuses(refusal.AfterLogin.New()), quiet: true},
		{why: "server_error", answer: change{"error": "server_error"}},
		{why: "temporarily_unavailable", answer: change{"error": "temporarily_unavailable"}},
		{why: "unmet_authentication_requirements", answer: change{"error": "unmet_authentication_requirements"}, quiet: true},
		{why: "unknown error", answer: change{"error": "code_of_the_tests"}},
		{why: "other issuer", answer: change{"error": "login_required", "iss": "https://evil.example/"}},
		{why: "no code", answer: change{"code": nil}},
		{why: "tenant down", down: true},
		{why: "bad code", tokens: change{"error": "invalid_grant"}},
		{why: "other nonce", claims: change{"nonce": "other"}},
		{why: "AfterLogin fails", edit: refuses(refusal.Outage.New())},
		{why: "a mistake", edit: refuses(errors.New("a mistake"))},
	} {
		run(t, func(e *env) {
			_, got := e.silently(e.request("GET", "/page", nil, page...))
			asked := e.asked(got.location())
			e.claims, e.tokens, e.down = row.claims, row.tokens, row.down
			got = e.answer(asked, row.answer)
			e.expectPage(row.why, got, 303, "/page", "-txn")
			if quiet := strings.Contains(e.log.String(), "a silent login was refused"); quiet != row.quiet || quiet == (len(e.refused) == 1) {
				t.Errorf("%s: %d refusals, the log is %s", row.why, len(e.refused), e.log)
			}
			if answered, _ := e.silently(e.request("GET", "/page", nil, page...)); answered {
				t.Errorf("%s: another one is tried", row.why)
			}
		}, append([]func(*Config){withSilent}, edits(row.edit)...)...)
	}
	// The control: a visitor's own login shows the failure.
	run(t, func(e *env) {
		for _, code := range []string{"login_required", "access_denied", "server_error"} {
			if got := e.answer(e.begin(""), change{"error": code}); got.err == nil || rowOf(got.err).Code != code {
				t.Errorf("%s: %v", code, got.err)
			}
		}
	}, withSilent)
}

// TestSilentLoginAfterItsTime: a tab was asleep, and the login has expired.
func TestSilentLoginAfterItsTime(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		_, got := e.silently(e.request("GET", "/page", nil, page...))
		asked := e.asked(got.location())
		time.Sleep(e.Transactions.Life)
		e.expectPage("expired", e.answer(asked, nil), 303, "/page", "")
	}, withSilent)
}

// TestSilentLoginWithoutCookies: the browser ends at the requested page for any answer, and
// no other silent login begins there.
func TestSilentLoginWithoutCookies(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/page":        "/page?silent_login=failed",
		"/page?tab=1":  "/page?tab=1&silent_login=failed",
		"/page?a=%2F/": "/page?a=%2F/&silent_login=failed",
		"/":            "/?silent_login=failed",
	} {
		for _, answer := range []change{
			{"error": "login_required"}, {"error": "access_denied"}, {"error": "server_error"}, nil, {"code": nil},
			{"error": strings.Repeat("x", 5000)},
		} {
			run(t, func(e *env) {
				_, got := e.silently(e.request("GET", target, nil, page...))
				asked := e.asked(got.location())
				e.cookies = nil
				e.expectPage(target, e.answer(asked, answer), 303, want, "")
				if answered, _ := e.silently(e.request("GET", want, nil, page...)); answered {
					t.Errorf("%s: another silent login is tried", target)
				}
			}, withSilent)
		}
	}
}

// TestSilentLoginAgain: a reloaded callback of a silent login leads to the page, with a
// session and without one.
func TestSilentLoginAgain(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		_, got := e.silently(e.request("GET", "/page", nil, page...))
		asked := e.asked(got.location())
		e.answer(asked, nil)
		e.expectPage("again", e.answer(asked, nil), 303, "/page", "")
	}, withSilent)
}

// TestPageInTheState: only the application can choose the destination of a silent login.
func TestPageInTheState(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		ring, name := e.Transactions.Keyring, e.Visits.Cookies.Session.Name
		seal := func(purpose, page string) string { return "a." + ring.Seal(purpose, name, []byte(page)) }
		for state, want := range map[string]string{
			seal("silent page", "/page"): "/page?silent_login=failed",
			// The route also checks a sealed page: an allowed origin can be removed later.
			seal("silent page", "https://evil.example/"): "/?silent_login=failed",
			seal("silent page", "//evil.example/"):       "/?silent_login=failed",
			seal("silent page", "/auth/logout"):          "/?silent_login=failed",
			seal("ticket", "/page"):                      "",
			"a./page":                                    "",
			"a":                                          "",
			"a." + strings.Repeat("x", 3000):             "",
		} {
			got := e.do(e.Callback, e.request("GET", "/auth/callback?error=login_required&state="+state, nil))
			if got.location() != want || (got.err == nil) != (want != "") {
				t.Errorf("%.60s: to %q, %v; want %q", state, got.location(), got.err, want)
			}
		}
	}, withSilent)
}

// TestStray has a row for each answer without a login in the browser. A missing state is
// the same case as an unknown one.
func TestStray(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, target string
		session     bool
		storeDown   bool
		want        string // the destination of the browser
		refusal     refusal.Row
		cause       string
		warned      bool
	}{
		{why: "no session", target: "state=unknown&code=c", refusal: refusal.NoTransaction, cause: "no cookie for the state"},
		{why: "session", target: "state=unknown&code=c", session: true, want: "/"},
		{why: "session, error", target: "state=unknown&error=access_denied&error_description=why", session: true, want: "/", warned: true},
		{why: "session that cannot be read", target: "state=unknown&code=c", session: true, storeDown: true, refusal: refusal.NoTransaction},
		{why: "error", target: "state=unknown&error=access_denied&error_description=why", refusal: refusal.NoTransaction,
			cause: `no cookie for the state; it has 0 for others; the answer has the error "access_denied": "why"`},
		{why: "login_required", target: "state=unknown&error=login_required", refusal: refusal.NoTransaction},

		{why: "no state", target: "", refusal: refusal.MissingState},
		{why: "no state, session", target: "", session: true, want: "/"},
		{why: "no state, address verified, session", target: "success=true&code=success&message=verified", session: true, want: "/"},
		{why: "no state, error", target: "error=unauthorized&error_description=link+expired", refusal: refusal.MissingState,
			cause: `the answer has the error "unauthorized": "link expired"`},
		{why: "no state, error, session", target: "error=unauthorized&error_description=why", session: true, want: "/", warned: true},
		{why: "no state, session that cannot be read", session: true, storeDown: true, refusal: refusal.MissingState},

		{why: "state twice, session", target: "state=a&state=b", session: true, refusal: refusal.Parameters},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				if row.session {
					e.logIn()
				}
				if row.storeDown {
					if e.store == nil {
						return
					}
					e.store.fail(errors.New("down"))
				}
				e.log.Reset()
				got := e.do(e.Callback, e.request("GET", "/auth/callback?"+row.target, nil))
				if row.want != "" {
					e.expectPage(row.why, got, 303, row.want, "")
				} else if expect(t, row.why, got.err, row.refusal, row.cause); got.location() != "" || got.changes != "" {
					t.Errorf("%s: to %q, cookies %q", row.why, got.location(), got.changes)
				}
				if warned := strings.Contains(e.log.String(), "level=WARN") && strings.Contains(e.log.String(), "why"); warned != row.warned {
					t.Errorf("%s: the log is %s", row.why, e.log)
				}
			}, withSilent)
		})
	}
}

// TestStrayAtAnotherHost: an answer at a foreign host is rejected, for any logged-in user.
func TestStrayAtAnotherHost(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		e.logIn()
		begun := e.begin("prompt=login")
		for _, row := range []struct {
			why, target string
			want        refusal.Row
		}{
			{"no login", "https://unknown.example/auth/callback?state=unknown&error=login_required", refusal.NoTransaction},
			{"no state", "https://unknown.example/auth/callback?error=login_required", refusal.MissingState},
			{"login", "https://unknown.example/auth/callback?error=login_required&state=" + begun.Get("state"), refusal.UnknownHost},
		} {
			got := e.do(e.Callback, e.request("GET", row.target, nil))
			expect(t, row.why, got.err, row.want, "")
			if got.location() != "" || got.changes != "" {
				t.Errorf("%s: to %q, cookies %q", row.why, got.location(), got.changes)
			}
		}
	}, withSilent, withHosts)
	run(t, func(e *env) {
		_, got := e.silently(e.request("GET", "/page", nil, page...))
		state := e.asked(got.location()).Get("state")
		got = e.do(e.Callback, e.request("GET", "https://unknown.example/auth/callback?error=login_required&state="+state, nil))
		expect(t, "silent login", got.err, refusal.UnknownHost, "")
	}, withSilent, withHosts)
}

// TestSilentLoginWithOptions: the options of every login can need the user. The login stays
// silent.
func TestSilentLoginWithOptions(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		_, got := e.silently(e.request("GET", "/page", nil, page...))
		asked := e.asked(got.location())
		if kept := e.kept(asked); asked.Get("prompt") != "none" || kept.Popup != nil || e.pageOf(kept.State) != "/page" {
			t.Errorf("%q, %+v", asked, kept)
		}
	}, withSilent, withOptions(authrequest.Prompt("login"), authrequest.PopUp(origin), authrequest.ReturnTo("/other")))
}

// TestPauseBetweenSilentLogins: another one begins after five minutes.
func TestPauseBetweenSilentLogins(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		_, got := e.silently(e.request("GET", "/page", nil, page...))
		e.answer(e.asked(got.location()), change{"error": "login_required"})
		for _, row := range []struct {
			wait time.Duration
			want bool
		}{{299 * time.Second, false}, {time.Second, true}} {
			time.Sleep(row.wait) // of fake time
			if answered, _ := e.silently(e.request("GET", "/page", nil, page...)); answered != row.want {
				t.Errorf("after %v more: %v", row.wait, answered)
			}
		}
	}, withSilent)
}
