package signin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// badIDToken is the rejection of a login because of its ID token.
func badIDToken(f *fault.Fault) refusal.Row {
	row := refusal.IDToken
	row.Reason = f.Reason
	return row
}

// TestAnswerIsReadFromOnePlace: the query for one response mode and the form for the other,
// with one method.
func TestAnswerIsReadFromOnePlace(t *testing.T) {
	t.Parallel()
	form := url.Values{"state": {"s"}}
	for _, row := range []struct {
		why, mode, method, target string
		form                      url.Values
		header                    []string
		want                      refusal.Row
		allow                     string
	}{
		{"query", "query", "GET", "?state=s", nil, nil, refusal.NoTransaction, ""},
		{"query, POST", "query", "POST", "?state=s", form, nil, refusal.Method, "GET"},
		{"query, HEAD", "query", "HEAD", "?state=s", nil, nil, refusal.Method, "GET"},
		{"query, form beside it", "query", "GET", "", form, nil, refusal.MissingState, ""},
		{"query, twice", "query", "GET", "?state=s&state=t", nil, nil, refusal.Parameters, ""},
		{"form", "form_post", "POST", "", form, nil, refusal.NoTransaction, ""},
		{"form, GET", "form_post", "GET", "?state=s", nil, nil, refusal.MissingState, ""},
		{"form, PUT", "form_post", "PUT", "", form, nil, refusal.Method, "POST"},
		{"form, query beside it", "form_post", "POST", "?state=s", url.Values{"code": {"c"}}, nil, refusal.MissingState, ""},
		{"form, other type", "form_post", "POST", "", form, []string{"Content-Type", "text/plain"}, refusal.Parameters, ""},
	} {
		run(t, func(e *env) {
			e.Flow.ResponseMode = row.mode
			got := e.do(e.Callback, e.request(row.method, "/auth/callback"+row.target, row.form, row.header...))
			expect(t, row.why, got.err, row.want, "")
			if got.Header().Get("Allow") != row.allow || got.changes != "" {
				t.Errorf("%s: Allow %q, cookies %q", row.why, got.Header().Get("Allow"), got.changes)
			}
		})
	}
}

// TestSessionOfALogin: the session has the tenant's claims about the user, and the tokens.
func TestSessionOfALogin(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.tokens = change{"scope": "openid"}
		begun := e.begin("returnTo=/after", authrequest.Audience(api), authrequest.ReturnTo("/after"))
		e.expectPage("callback", e.answer(begun, nil), 303, "/after", "-txn session session_tries")
		got, err := e.session()
		if err != nil {
			t.Fatal(err)
		}
		sid, idToken := got.LogoutHints()
		if got.Issuer != issuer || got.Subject != "auth0|ada" || got.Claims != `{"email":"ada@acme.example","role":"reader"}` ||
			sid != "the session at the tenant" || idToken != "" || got.RefreshToken != "refresh" || len(got.Data) != 0 {
			t.Errorf("%+v, hints %q, %q", got, sid, idToken)
		}
		want := session.Token{
			Audience: api, Asked: "openid email", Scope: "openid", Token: "access", ExpiresAt: now().Unix() + 600,
		}
		if !slices.Equal(got.Tokens, []session.Token{want}) {
			t.Errorf("tokens %+v", got.Tokens)
		}
		if began, ends := got.Life(); !began.Equal(time.Unix(now().Unix(), 0)) || !ends.Equal(began.Add(10*time.Hour)) {
			t.Errorf("it is from %v to %v", began, ends)
		}
		if e.forms[0].Get("code") != "a code" || e.forms[0].Get("redirect_uri") != origin+"/auth/callback" {
			t.Errorf("the tenant was asked %q", e.forms[0])
		}
		// An answer is good for one login.
		e.expectPage("again", e.answer(begun, nil), 303, "/after", "")
		e.cookies = nil
		expect(t, "again without the session", e.answer(begun, nil).err, refusal.NoTransaction, "no cookie for the state")
	})
}

// TestWhatASessionKeeps: the application chooses the claims, and whether the session keeps
// the ID token.
func TestWhatASessionKeeps(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		begun := e.begin("")
		raw := e.signed(nil)
		e.tokens = change{"id_token": raw, "refresh_token": nil}
		e.answer(begun, nil)
		got, err := e.session()
		if err != nil {
			t.Fatal(err)
		}
		if _, idToken := got.LogoutHints(); idToken != raw || got.Claims != `{"role":"reader"}` || got.RefreshToken != "" {
			t.Errorf("claims %s, ID token %q, refresh token %q", got.Claims, idToken, got.RefreshToken)
		}
	}, func(c *Config) { c.KeepIDToken, c.KeepClaim = true, func(name string) bool { return name == "role" } })
}

// TestLoginWithoutAccessToken: the session of an ID token alone has no token.
func TestLoginWithoutAccessToken(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.expectPage("callback", e.answer(e.begin(""), nil), 303, "/", "-txn session session_tries")
		got, err := e.session()
		if err != nil || got.Subject != "auth0|ada" || got.RefreshToken != "" || len(got.Tokens) != 0 || len(e.forms) != 0 {
			t.Errorf("%+v, %v, %d token requests", got, err, len(e.forms))
		}
	}, withFormPost)
}

// TestAnswerThatCanComeAgain: nothing is used up before the application can ask for the
// tokens. The same answer succeeds later.
func TestAnswerThatCanComeAgain(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		begun := e.begin("", authrequest.ReturnTo("/after"), authrequest.AppState("cart"))
		known := e.Flow.Client.Tenant.Static
		e.Flow.Client.Tenant.Static, e.down = nil, true
		got := e.answer(begun, nil)
		expect(t, "no endpoints", got.err, refusal.TenantDown, "")
		expectFailure(t, "no endpoints", got.err, "/after", `"cart"`)
		if got.changes != "" || got.location() != "" {
			t.Errorf("cookies %q, to %q", got.changes, got.location())
		}
		e.Flow.Client.Tenant.Static, e.down = known, false
		e.expectPage("again", e.answer(begun, nil), 303, "/after", "-txn session session_tries")
	})
}

// expectFailure looks for the interrupted login of an error.
func expectFailure(t *testing.T, why string, err error, returnTo, state string) {
	t.Helper()
	if f, ok := errors.AsType[*transaction.Failure](err); !ok || f.ReturnTo != returnTo || string(f.AppState) != state {
		t.Errorf("%s: %+v has interrupted nothing known", why, err)
	}
}

// TestFailedLogin has a row for each failure at the end of a login. A rejected login uses
// up its transaction. The browser's old session continues.
func TestFailedLogin(t *testing.T) {
	t.Parallel()
	denied, code := refusal.Denied, refusal.Code
	denied.Code = "access_denied"
	for _, row := range []struct {
		why            string
		answer         change
		claims, tokens change
		down           bool
		edit           func(*Config)
		want           refusal.Row
		cause          string
		kept           bool // no decision, and the transaction stays
	}{
		{why: "tenant says no", answer: change{"error": "access_denied"}, want: denied, cause: "access_denied"},
		{why: "other issuer", answer: change{"iss": "https://evil.example/"}, want: refusal.Issuer, cause: "evil.example"},
		{why: "no code", answer: change{"code": nil}, want: refusal.Parameters, cause: "neither code nor error"},
		{why: "tenant down", down: true, want: refusal.TenantDown, kept: true},
		{why: "AfterLogin cannot decide", edit: refuses(refusal.Outage.New()), want: refusal.Outage, kept: true},
		{why: "bad code", tokens: change{"error": "invalid_grant"}, want: code, cause: "invalid_grant"},
		{why: "other nonce", claims: change{"nonce": "other"}, want: badIDToken(fault.Nonce), cause: "nonce"},
		{why: "AfterLogin", edit: refuses(refusal.AfterLogin.Because("not today")), want: refusal.AfterLogin, cause: "not today"},
		{why: "AfterLogin fails", edit: refuses(errors.New("a mistake")), want: refusal.Internal, kept: true},
		{why: "end of the session has come", claims: change{"session_expiry": 1}, want: refusal.Ceiling, cause: "session_expiry is 1"},
		{why: "session too large", edit: withHook(func(l *login.Accepted) error {
			l.Data["note"] = strings.Repeat("x", 20_000)
			return nil
		}), want: refusal.TooLarge, kept: true},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				if row.want == refusal.TooLarge && e.store != nil {
					return // which has room for it
				}
				before := e.logIn()
				if row.edit != nil {
					row.edit(&e.Config)
					e.Routes = New(e.Config)
				}
				begun := e.begin("", authrequest.ReturnTo("/after"), authrequest.AppState("cart"))
				e.claims, e.tokens, e.down = row.claims, row.tokens, row.down
				got := e.answer(begun, row.answer)
				if row.want == refusal.Internal {
					if got.err == nil || errors.Unwrap(got.err).Error() != "a mistake" {
						t.Errorf("%v", got.err)
					}
				} else {
					expect(t, row.why, got.err, row.want, row.cause)
				}
				expectFailure(t, row.why, got.err, "/after", `"cart"`)
				if kept := e.kept(begun); got.location() != "" || row.kept != (kept.Ended == nil) {
					t.Errorf("cookies %q, to %q, the transaction is %+v", got.changes, got.location(), kept)
				}
				if row.kept {
					return
				}
				// The reloaded page has the same refusal, and the tenant gets no request.
				requests := len(e.forms)
				e.claims, e.tokens, e.down, e.AfterLogin = nil, nil, false, nil
				e.Routes = New(e.Config)
				again := e.answer(begun, row.answer)
				expect(t, "again", again.err, row.want, "was rejected before")
				expectFailure(t, "again", again.err, "/after", `"cart"`)
				// The callback accepts no other answer either.
				again = e.answer(begun, nil)
				expect(t, "a good answer", again.err, row.want, "was rejected before")
				if len(e.forms) != requests || again.changes != "" {
					t.Errorf("%d requests, cookies %q", len(e.forms)-requests, again.changes)
				}
				if after, err := e.session(); err != nil || after.ID != before.ID {
					t.Errorf("the session before: %+v, %v", after, err)
				}
			})
		})
	}
}

// TestStoreDownAtTheCallback: the store cannot keep the session, and the browser gets no
// session cookie.
func TestStoreDownAtTheCallback(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		if e.store == nil {
			return
		}
		begun := e.begin("")
		e.store.fail(errors.New("down"))
		got := e.answer(begun, nil)
		expect(t, "store", got.err, refusal.StoreWrite, "down")
		// The transaction stays, so that the next page knows its options.
		if got.changes != "txn" {
			t.Errorf("cookies %q", got.changes)
		}
	})
}

// TestReturnURLWithoutRoom: a login leads to the first page of its site if its return URL
// did not fit, not even without the query.
func TestReturnURLWithoutRoom(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		begun := e.begin("", authrequest.ReturnTo("/"+strings.Repeat("x", 1800)), authrequest.AppState(strings.Repeat("x", 1000)))
		if kept := e.kept(begun); kept.ReturnTo != "" {
			t.Fatalf("there was room for %d bytes", len(kept.ReturnTo))
		}
		e.expectPage("login", e.answer(begun, nil), 303, "/home", "-txn session session_tries")

	}, withHome("/home"))
}

// TestLostLogins: a login counts as lost until its session comes back.
func TestLostLogins(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		for range 3 {
			e.logIn()
			jar := e.Visits.Jar(e.request("GET", "/", nil))
			if w := httptest.NewRecorder(); e.Visits.Marks.LosesLogins(w, jar) {
				return
			}
			e.cookies = slices.DeleteFunc(e.cookies, func(c *http.Cookie) bool { return c.Name == "__Host-app_session" })
		}
		t.Error("three logins were lost, and nobody has counted")
	})
}
