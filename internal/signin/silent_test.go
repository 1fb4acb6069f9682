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
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// page are the headers of a browser that navigates.
var page = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}

// silently does what the middleware does for a page that anybody may see.
func (e *env) silently(r *http.Request) (answered bool, got result) {
	got = e.do(func(w http.ResponseWriter, r *http.Request) (err error) {
		r, _ = e.Visits.Load(w, r)
		answered, err = e.Silently(w, r)
		return err
	}, r)
	return answered, got
}

// TestSilentLogin: the browser goes to the tenant, which must not ask anything, and
// comes back to the page. While it is under way, and for five minutes, none is tried.
func TestSilentLogin(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		answered, got := e.silently(e.request("GET", "/page?a=b", nil, page...))
		asked := e.asked(got.location())
		if !answered || got.err != nil || got.Code != 302 || got.changes != "session_silent txn" || asked.Get("prompt") != "none" {
			t.Fatalf("%v, %d, cookies %q, %v: %q", answered, got.Code, got.changes, got.err, asked)
		}
		if kept := e.kept(asked); !kept.Silent || kept.ReturnTo != "/page?a=b" || kept.RedirectURI != origin+"/auth/callback" {
			t.Errorf("the login is %+v", kept)
		}
		if answered, got := e.silently(e.request("GET", "/page", nil, page...)); answered || got.changes != "" {
			t.Errorf("a second one: %v, cookies %q", answered, got.changes)
		}
		// The next can be tried as soon as this session is over.
		e.expectPage("callback", e.answer(asked, nil), 303, "/page?a=b", "-txn session session_tries -session_silent")
	}, withSilent)
}

// TestMaySilently has a row for each request for which no silent login is tried.
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

// TestSilentLoginAndSession: none is tried with a session, or if it is not known
// whether there is one, or for a request with an access token.
func TestSilentLoginAndSession(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.logIn()
		// The session of a browser that has made a page request is not lost.
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
		got := e.do(func(w http.ResponseWriter, r *http.Request) (err error) {
			r = r.WithContext(context.WithValue(r.Context(), visit.Key{}, visit.TokenOnly))
			answered, err = e.Silently(w, r)
			return err
		}, e.request("GET", "/page", nil, page...))
		if answered || got.err != nil || got.changes != "" {
			t.Errorf("access token: %v, cookies %q", answered, got.changes)
		}
	}, withSilent)
}

// TestSilentLoginThatCannotBegin: the page is shown if the tenant is down, and no other
// login is tried at once. Everything else is an error of the application.
func TestSilentLoginThatCannotBegin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, target string
		edit        func(*Config)
		answered    bool
		refusal     refusal.Row
		cause       string
		changes     string
	}{
		{"tenant down", "/page", func(c *Config) { c.Flow.Client.Tenant.Static = nil }, false, refusal.Row{}, "", "session_silent"},
		{"unknown host", "https://unknown.example/page", withHosts, true, refusal.UnknownHost, "unknown.example", ""},
		{"options", "/page", withOptions(nil), true, refusal.LoginOption, "a login option is nil", ""},
		{"no room", "/page", withOptions(tooLarge), true, refusal.LoginOption, "the options of this login need", "session_silent"},
	} {
		run(t, func(e *env) {
			answered, got := e.silently(e.request("GET", row.target, nil, page...))
			expect(t, row.why, got.err, row.refusal, row.cause)
			if answered != row.answered || got.changes != row.changes || got.location() != "" {
				t.Errorf("%s: %v, cookies %q, to %q", row.why, answered, got.changes, got.location())
			}
			if logged := strings.Contains(e.log.String(), "level=WARN msg=\"auth0: a silent login could not begin\""); logged == row.answered {
				t.Errorf("%s: the log is %s", row.why, e.log)
			}
		}, withSilent, row.edit)
	}
}

// TestSilentLoginRefused has a row for each end of a silent login that is not shown to
// the person, and for some that are.
func TestSilentLoginRefused(t *testing.T) {
	t.Parallel()
	byTenant := func(code string) refusal.Row {
		row := refusal.ByTenant
		row.Code = code
		return row
	}
	for _, row := range []struct {
		why    string
		answer change
		edit   func(*Config)
		shown  refusal.Row
	}{
		{"login_required", change{"error": "login_required"}, nil, refusal.Row{}},
		{"interaction_required", change{"error": "interaction_required"}, nil, refusal.Row{}},
		{"consent_required", change{"error": "consent_required"}, nil, refusal.Row{}},
		{"account_selection_required", change{"error": "account_selection_required"}, nil, refusal.Row{}},
		{"access_denied", change{"error": "access_denied"}, nil, refusal.Row{}},
		{"AfterLogin refuses", nil, refuses(refusal.AfterLogin.New()), refusal.Row{}},
		{"other error", change{"error": "server_error"}, nil, byTenant("server_error")},
		{"other issuer", change{"error": "login_required", "iss": "https://evil.example/"}, nil, refusal.Issuer},
		{"no code", change{"code": nil}, nil, refusal.Parameters},
		{"AfterLogin fails", nil, refuses(refusal.Outage.New()), refusal.Outage},
	} {
		run(t, func(e *env) {
			_, got := e.silently(e.request("GET", "/page", nil, page...))
			asked := e.asked(got.location())
			got = e.answer(asked, row.answer)
			if row.shown == (refusal.Row{}) {
				e.expectPage(row.why, got, 303, "/page", "-txn")
			} else if expect(t, row.why, got.err, row.shown, ""); got.location() != "" {
				t.Errorf("%s: the browser is sent to %q", row.why, got.location())
			}
			if logged := strings.Contains(e.log.String(), "a silent login was refused"); logged == (row.shown != refusal.Row{}) {
				t.Errorf("%s: the log is %s", row.why, e.log)
			}
		}, append([]func(*Config){withSilent}, edits(row.edit)...)...)
	}
	// The control: somebody who has asked to log in sees all of them.
	run(t, func(e *env) {
		got := e.answer(e.begin(""), change{"error": "login_required"})
		expect(t, "login_required", got.err, byTenant("login_required"), "")
		got = e.answer(e.begin(""), change{"error": "access_denied"})
		if failed, ok := errors.AsType[*transaction.Failure](got.err); !ok || rowOf(failed).Status != 403 {
			t.Errorf("access_denied: %v", got.err)
		}
	}, withSilent)
}

// TestStray has a row for each answer that belongs to no login of the browser.
func TestStray(t *testing.T) {
	t.Parallel()
	const marked = "/?silent_login=failed"
	for _, row := range []struct {
		why, target     string
		silent, session bool
		storeDown       bool
		want            string // where the browser is sent
		refusal         refusal.Row
	}{
		{why: "no session", target: "code=c", refusal: refusal.NoTransaction},
		{why: "session", target: "code=c", session: true, want: "/"},
		{why: "session, error", target: "error=access_denied", session: true, want: "/"},
		{why: "session that cannot be read", target: "code=c", session: true, storeDown: true, refusal: refusal.NoTransaction},

		{why: "login_required", target: "error=login_required", silent: true, want: marked},
		{why: "interaction_required", target: "error=interaction_required", silent: true, want: marked},
		{why: "consent_required", target: "error=consent_required", silent: true, want: marked},
		{why: "account_selection_required", target: "error=account_selection_required", silent: true, want: marked},
		{why: "other error", target: "error=access_denied", silent: true, refusal: refusal.NoTransaction},
		{why: "code, silent logins", target: "code=c", silent: true, refusal: refusal.NoTransaction},
		{why: "code, silent logins, session", target: "code=c", silent: true, session: true, want: "/"},
		{why: "no silent logins", target: "error=login_required", refusal: refusal.NoTransaction},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				if row.silent {
					withSilent(&e.Config)
				}
				if row.session {
					e.logIn()
				}
				if row.storeDown {
					if e.store == nil {
						return
					}
					e.store.fail(errors.New("down"))
				}
				got := e.do(e.Callback, e.request("GET", "/auth/callback?state=unknown&"+row.target, nil))
				if row.want != "" {
					e.expectPage(row.why, got, 303, row.want, "")
				} else if expect(t, row.why, got.err, row.refusal, "no cookie for the state"); got.location() != "" || got.changes != "" {
					t.Errorf("%s: to %q, cookies %q", row.why, got.location(), got.changes)
				}
			})
		})
	}
}

// TestStrayAtAnotherHost: an answer at a host that is not the application's is
// refused, whoever is logged in.
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
			{"login", "https://unknown.example/auth/callback?error=login_required&state=" + begun.Get("state"), refusal.UnknownHost},
		} {
			got := e.do(e.Callback, e.request("GET", row.target, nil))
			expect(t, row.why, got.err, row.want, "")
			if got.location() != "" || got.changes != "" {
				t.Errorf("%s: to %q, cookies %q", row.why, got.location(), got.changes)
			}
		}
	}, withSilent, withHosts)
}

// TestMarkerOfSilentLogins: the server finds the marker in the next request, whatever
// the home page is. Otherwise a browser without cookies would go round in circles.
func TestMarkerOfSilentLogins(t *testing.T) {
	t.Parallel()
	for home, want := range map[string]string{
		"/":             "/?silent_login=failed",
		"/home":         "/home?silent_login=failed",
		"/home?tab=1":   "/home?tab=1&silent_login=failed",
		"/#top":         "/?silent_login=failed#top",
		"/?tab=1#top":   "/?tab=1&silent_login=failed#top",
		"/home#top?x=y": "/home?silent_login=failed#top?x=y",
	} {
		run(t, func(e *env) {
			got := e.do(e.Callback, e.request("GET", "/auth/callback?state=unknown&error=login_required", nil))
			e.expectPage(home, got, 303, want, "")
			path, _, _ := strings.Cut(got.location(), "#")
			if answered, _ := e.silently(e.request("GET", path, nil, page...)); answered {
				t.Errorf("%s: another silent login is tried", home)
			}
		}, withSilent, withHome(home))
	}
}

// TestSilentLoginWithOptions: options of every login that need a person do not change
// that the login is silent.
func TestSilentLoginWithOptions(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		_, got := e.silently(e.request("GET", "/page", nil, page...))
		asked := e.asked(got.location())
		if kept := e.kept(asked); asked.Get("prompt") != "none" || kept.Popup != nil || kept.ReturnTo != "/page" {
			t.Errorf("%q, %+v", asked, kept)
		}
	}, withSilent, withOptions(authrequest.Prompt("login"), authrequest.PopUp(origin), authrequest.ReturnTo("/other")))
}

// TestPauseBetweenSilentLogins: another is tried after five minutes.
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
