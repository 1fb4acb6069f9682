package signin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// TestAfterLogin: the application sees a login before its session begins, and changes its
// destination.
func TestAfterLogin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ why, asked, choice, want string }{
		{"nothing chosen", "/after", "/after", "/after"},
		{"path", "/after", "/welcome", "/welcome"},
		{"own origin", "/after", origin + "/welcome", "/welcome"},
		{"other site", "/after", "https://evil.example/", "/home"},
		{"other host", "/after", "//evil.example/", "/home"},
		{"route", "/after", "/auth/logout", "/home"},
		{"nothing", "/after", "", "/home"},
	} {
		run(t, func(e *env) {
			seen := login.Accepted{}
			withHook(func(l *login.Accepted) error {
				seen = *l
				l.ReturnTo = row.choice
				l.Data["seen"] = "yes"
				return nil
			})(&e.Config)
			e.Routes = New(e.Config)
			begun := e.begin("", authrequest.ReturnTo(row.asked), authrequest.AppState("cart"))
			e.expectPage(row.why, e.answer(begun, nil), 303, row.want, "-txn session session_tries")
			if seen.ReturnTo != row.asked || string(seen.AppState) != `"cart"` ||
				seen.Identity.Claims.Subject != "auth0|ada" || seen.Token.AccessToken != "access" {
				t.Errorf("%s: the application has seen %+v", row.why, seen)
			}
			if got, err := e.session(); err != nil || !maps.Equal(got.Data, map[string]string{"seen": "yes"}) {
				t.Errorf("%s: %+v, %v", row.why, got, err)
			}
		}, withHome("/home"))
	}
}

// TestAfterLoginGetsTheContext of the request.
func TestAfterLoginGetsTheContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	var got any
	run(t, func(e *env) {
		r := e.request("GET", "/auth/callback?code=c&state="+e.begin("").Get("state"), nil)
		r = r.WithContext(context.WithValue(r.Context(), key{}, "value"))
		if result := e.do(e.Callback, r); result.err != nil || got != "value" {
			t.Errorf("%v, %v", got, result.err)
		}
	}, func(c *Config) {
		c.AfterLogin = func(ctx context.Context, _ *login.Accepted) error { got = ctx.Value(key{}); return nil }
	})
}

// TestDataOfTheSessionBefore survives a login of the same user to the same organization,
// and no other.
func TestDataOfTheSessionBefore(t *testing.T) {
	t.Parallel()
	count := func(l *login.Accepted) error {
		if l.Data == nil {
			return errors.New("there is no map to write to")
		}
		if len(l.Data) == 0 {
			l.Data["first"] = l.Identity.Claims.Subject
		}
		return nil
	}
	acme := change{"org_id": "org_1"}
	for _, row := range []struct {
		why           string
		before, after change
		want          string
	}{
		{"same person", nil, nil, "auth0|ada"},
		{"same organization", acme, acme, "auth0|ada"},
		{"other person", nil, change{"sub": "auth0|bob"}, "auth0|bob"},
		{"other person of the organization", acme, with(acme, change{"sub": "auth0|bob"}), "auth0|bob"},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				e.claims = row.before
				e.logIn()
				begun := e.begin("prompt=login")
				e.claims = row.after
				e.expectPage(row.why, e.answer(begun, nil), 303, "/", "-txn session session_tries")
				if got, err := e.session(); err != nil || got.Data["first"] != row.want {
					t.Errorf("%+v, %v", got, err)
				}
			}, withHook(count))
		})
	}
	// These have the same subject.
	note := func(l *login.Accepted) error { l.Data[l.Identity.Claims.OrgID] += "x"; return nil }
	for _, row := range []struct{ before, after change }{
		{acme, change{"org_id": "org_2"}}, {acme, nil}, {nil, acme},
	} {
		inEachMode(t, func(e *env) {
			e.claims = row.before
			e.logIn()
			begun := e.begin("prompt=login")
			e.claims = row.after
			e.answer(begun, nil)
			if got, err := e.session(); err != nil || len(got.Data) != 1 {
				t.Errorf("from %v to %v: %+v, %v", row.before, row.after, got, err)
			}
		}, withHook(note))
	}
}

// TestSessionBefore: a login ends the browser's old session, for every copy of its cookie.
func TestSessionBefore(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*Config){func(*Config) {}, withFormPost} {
		inEachMode(t, func(e *env) {
			before := e.logIn()
			old := slices.Clone(e.cookies)
			begun := e.begin("prompt=login")
			e.expectPage("login", e.answer(begun, nil), 303, "/", "-txn session session_tries")
			if after, err := e.session(); err != nil || after.ID == before.ID {
				t.Errorf("%+v, %v", after, err)
			}
			e.cookies = old
			_, err := e.session()
			expect(t, "copy of the cookie", err, refusal.LoginRequired, "")
		}, edit)
	}
}

// TestSessionBeforeWithoutItsCookie: the browser sends no session cookies with a form of
// the tenant. The new session deletes those that it does not replace. The data survives if
// the store has it.
func TestSessionBeforeWithoutItsCookie(t *testing.T) {
	t.Parallel()
	large := func(l *login.Accepted) error {
		l.Data["logins"] += "x"
		l.Data["note"] = ""
		if len(l.Data["logins"]) == 1 && l.Session == "" {
			l.Data["note"] = strings.Repeat("x", 7000)
		}
		return nil
	}
	inEachMode(t, func(e *env) {
		e.logIn()
		names := len(e.Visits.Cookies.Session.Names(e.Visits.Jar(e.request("GET", "/", nil))))
		got := e.answer(e.begin("prompt=login"), nil)
		changes, logins := "-txn session session_tries", "xx"
		if e.store == nil {
			if changes, logins = "-txn session -session.0 -session.1 -session.2 session_tries", "x"; names != 3 {
				t.Errorf("the session before has %d cookies", names)
			}
		}
		e.expectPage("login", got, 303, "/", changes)
		if record, err := e.session(); err != nil || record.Data["logins"] != logins {
			t.Errorf("%+v, %v", record, err)
		}
	}, withFormPost, withHook(large))
}

// accepted is a login without the callback.
func (e *env) accepted() *login.Accepted {
	e.Helper()
	e.nonce = nil
	r, err := authrequest.New()
	if err != nil {
		e.Fatal(err)
	}
	got, err := e.Flow.Granted(e.Context(), r, "", 0, provider.TokenResponse{
		AccessToken: "granted", TokenType: "Bearer", ExpiresIn: 600, IDToken: e.signed(nil),
	})
	if err != nil {
		e.Fatal(err)
	}
	return &login.Accepted{Result: got, ReturnTo: "/after", Audience: api, Scope: "openid"}
}

// start begins the session of a login as the front does.
func (e *env) start(target string, l *login.Accepted) result {
	return e.do(func(w http.ResponseWriter, r *http.Request) error { return e.Start(w, r, l) }, e.request("POST", target, nil))
}

// TestStart begins the session of a login in the place of the old one. It does not count as
// lost, because the request had the browser's cookies.
func TestStart(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		before := e.logIn()
		e.silentMark()
		l := e.accepted()
		if got := e.start("/login", l); got.err != nil || got.changes != "session -session_silent" {
			t.Fatalf("%v, cookies %q", got.err, got.changes)
		}
		record, err := e.session()
		if err != nil || record.ID == before.ID || record.Tokens[0].Token != "granted" || record.Tokens[0].Audience != api {
			t.Errorf("%+v, %v", record, err)
		}
		if l.ReturnTo != "/after" || l.Data["hook"] != "was here" {
			t.Errorf("%+v", l)
		}
	}, withSilent, withHook(func(l *login.Accepted) error { l.Data["hook"] = "was here"; return nil }))
}

// silentMark notes a silent login in the browser.
func (e *env) silentMark() {
	e.Helper()
	got := e.do(func(w http.ResponseWriter, r *http.Request) error {
		e.Visits.Marks.NoteSilent(w, e.Visits.Jar(r))
		return nil
	}, e.request("GET", "/", nil))
	if got.changes != "session_silent" {
		e.Fatalf("cookies %q", got.changes)
	}
}

// TestStartFails: the session before, and the mark of a silent login, stay.
func TestStartFails(t *testing.T) {
	t.Parallel()
	moved := withHook(func(l *login.Accepted) error { l.ReturnTo = "/elsewhere"; return nil })
	for _, row := range []struct {
		why, target string
		edit        func(*Config)
		want        refusal.Row
	}{
		{"AfterLogin", "/login", refuses(refusal.AfterLogin.New()), refusal.AfterLogin},
		{"unknown host, where a return URL has no meaning", "https://unknown.example/login", moved, refusal.UnknownHost},
	} {
		inEachMode(t, func(e *env) {
			before := e.logIn()
			e.silentMark()
			row.edit(&e.Config)
			e.Routes = New(e.Config)
			got := e.start(row.target, e.accepted())
			expect(t, row.why, got.err, row.want, "")
			if got.changes != "" {
				t.Errorf("%s: cookies %q", row.why, got.changes)
			}
			if after, err := e.session(); err != nil || after.ID != before.ID {
				t.Errorf("%s: %+v, %v", row.why, after, err)
			}
		}, withSilent, withHosts)
	}
}

// continued is a login that completes a refresh of a session.
func (e *env) continued(id string, c change) *login.Accepted {
	e.nonce = nil
	return &login.Accepted{
		Session: id, Audience: api, Scope: "read:orders",
		Continued: &provider.TokenResponse{
			AccessToken: "newer", TokenType: "Bearer", ExpiresIn: 600, RefreshToken: "next", IDToken: e.signed(c),
		},
	}
}

// TestContinuedRefresh: the session continues under a new id, with the tokens of the second
// factor. The engine does not call AfterLogin, because this is not a login.
func TestContinuedRefresh(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		before := e.logIn()
		old := slices.Clone(e.cookies)
		e.silentMark()
		refuses(refusal.AfterLogin.New())(&e.Config)
		e.Routes = New(e.Config)
		got := e.start("/mfa", e.continued(before.ID, change{"role": "admin"}))
		if got.err != nil || got.changes != "session -session_silent" {
			t.Fatalf("%v, cookies %q", got.err, got.changes)
		}
		record, err := e.session()
		if err != nil || record.ID == before.ID || record.RefreshToken != "next" || len(record.Tokens) != 2 ||
			record.Tokens[1].Token != "newer" || record.Tokens[1].Audience != api || record.Tokens[1].Asked != "read:orders" ||
			record.Claims != `{"email":"ada@acme.example","role":"admin"}` {
			t.Errorf("%+v, %v", record, err)
		}
		e.cookies = old
		_, err = e.session()
		expect(t, "copy of the cookie", err, refusal.LoginRequired, "")
	}, withSilent)
}

// TestContinuedRefreshFails has a row for each reason that keeps a session from continuing.
// The session stays unchanged.
func TestContinuedRefreshFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why       string
		claims    change
		session   string // not the id of the browser's session
		none      bool   // the browser has no session
		storeDown bool
		want      refusal.Row
		cause     string
	}{
		{why: "no session", none: true, want: refusal.LoginRequired, cause: "the session of this refresh has ended"},
		{why: "other session", session: "other", want: refusal.LoginRequired, cause: "the session of this refresh has ended"},
		{why: "store down", storeDown: true, want: refusal.Store, cause: "down"},
		{why: "other person", claims: change{"sub": "auth0|bob"}, want: badIDToken(fault.Claim), cause: "iss or sub"},
		{why: "other application", claims: change{"aud": "other"}, want: badIDToken(fault.Audience), cause: "aud is"},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				if row.storeDown && e.store == nil {
					return
				}
				before := e.logIn()
				e.silentMark()
				cookies := slices.Clone(e.cookies)
				if row.none {
					e.cookies = nil
				}
				id := before.ID
				if row.session != "" {
					id = row.session
				}
				l := e.continued(id, row.claims)
				if row.storeDown {
					e.store.fail(errors.New("down"))
				}
				got := e.start("/mfa", l)
				expect(t, row.why, got.err, row.want, row.cause)
				if got.changes != "" {
					t.Errorf("cookies %q", got.changes)
				}
				e.cookies = cookies
				if row.storeDown {
					e.store.fail(nil)
				}
				if after, err := e.session(); err != nil || after.ID != before.ID || after.RefreshToken != "refresh" {
					t.Errorf("the session: %+v, %v", after, err)
				}
			}, withSilent)
		})
	}
}
