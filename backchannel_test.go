package auth0_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	backchannelPath = "/auth/backchannel-logout"
	logoutEvent     = "http://schemas.openid.net/event/backchannel-logout"
)

// Where the tenant's word can be noted.
var revocableModes = []mode{{"in cookies, with revocations", revocable}, {"in a store", inStore}, {"in a plain store", inPlainStore}}

// end posts a logout token to the application, as the tenant does.
func (e *env) end(token string) *response {
	e.t.Helper()
	return e.browser().do("POST", backchannelPath, url.Values{"logout_token": {token}})
}

// mustEnd fails the test if a logout token is not accepted.
func (e *env) mustEnd(token string) {
	e.t.Helper()
	resp := e.end(token)
	if resp.status != 200 || resp.body != "" || resp.header.Get("Cache-Control") != "no-store" || len(resp.header.Values("Set-Cookie")) != 0 {
		e.t.Fatalf("logout token: %d %q, %v; log:\n%s", resp.status, resp.body, resp.header, e.log)
	}
}

// loginAs logs somebody in and returns the browser and the tenant's session id.
func (e *env) loginAs(email string) (b *browser, sid string) {
	e.t.Helper()
	e.as(email)
	e.tenant.EditIDToken(func(_, c map[string]any) { sid = c["sid"].(string) })
	b = e.browser().mustLogin()
	e.tenant.EditIDToken(nil)
	return b, sid
}

// TestBackchannelLogout: of several sessions, those end that the token is about.
func TestBackchannelLogout(t *testing.T) {
	const ada, bob = "ada@acme.example", "bob@acme.example"
	for _, m := range revocableModes {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t, m.edit)
				laptop, sid := e.loginAs(ada)
				phone, _ := e.loginAs(ada)
				other, _ := e.loginAs(bob)
				time.Sleep(time.Minute)
				if !laptop.loggedIn() || !phone.loggedIn() || !other.loggedIn() {
					t.Fatal("not logged in")
				}
				// With sub and sid, as the tenant sends it, it is one session.
				e.mustEnd(e.tenant.LogoutToken(testClientID, ada, sid))
				ended := laptop.clone()
				if resp := laptop.page("/"); resp.body != "home false " || laptop.cookies[sessionName] != "" {
					t.Errorf("the session that was ended: %q, cookie deleted %v", resp.body, laptop.cookies[sessionName] == "")
				}
				if !phone.loggedIn() || !other.loggedIn() {
					t.Error("another session ended too")
				}
				// Whoever logs in again is in, and the old session stays over.
				time.Sleep(2 * time.Second)
				laptop, _ = e.loginAs(ada)
				if !laptop.loggedIn() || ended.loggedIn() {
					t.Error("a new login does not work, or revives the old session")
				}
				// Without sid, it is all of the person.
				e.mustEnd(e.tenant.LogoutToken(testClientID, ada, ""))
				if laptop.loggedIn() || phone.loggedIn() || !other.loggedIn() {
					t.Error("all sessions of one person: not these have ended")
				}
				time.Sleep(2 * time.Second)
				if laptop, _ = e.loginAs(ada); !laptop.loggedIn() {
					t.Error("a new login does not work")
				}
				// With sid alone too.
				_, sid = e.loginAs(bob)
				e.mustEnd(e.tenant.LogoutToken(testClientID, bob, sid, claim("sub", nil)))
				if !other.loggedIn() {
					t.Error("another session of the person ended")
				}
			})
		})
	}
}

// TestBackchannelLogoutOfTheTenant: the tenant and the application understand
// each other, at the address that is registered.
func TestBackchannelLogoutOfTheTenant(t *testing.T) {
	e := newEnv(t, inStore)
	b := e.browser().mustLogin()
	client := &http.Client{Transport: hosts{"app.example": e.app}}
	if err := e.tenant.BackchannelLogout(client, testClientID, "ada@acme.example"); err != nil {
		t.Fatal(err)
	}
	if b.loggedIn() {
		t.Error("still logged in")
	}
	if log := e.log.String(); !strings.Contains(log, "sessions were ended by the tenant") {
		t.Errorf("log:\n%s", log)
	}
}

func TestLogoutTokens(t *testing.T) {
	event := func(value any) map[string]any { return map[string]any{logoutEvent: value} }
	tests := []struct {
		why    string
		edit   emulator.TokenEdit
		reason string // empty if the token is good
	}{
		{"as the tenant makes it", nil, ""},
		{"no typ", header("typ", nil), ""},
		{"typ of the specification", header("typ", "logout+jwt"), ""},
		{"typ in full", header("typ", "application/logout+jwt"), ""},
		{"typ in upper case", header("typ", "LOGOUT+JWT"), ""},
		{"sid alone", claim("sub", nil), ""},
		{"sub alone", claim("sid", nil), ""},
		{"event with contents", claim("events", event(map[string]any{"x": 1})), ""},
		{"another event too", claim("events", map[string]any{logoutEvent: map[string]any{}, "https://x.example/": map[string]any{}}), ""},
		{"several audiences", claim("aud", []string{"another", testClientID}), ""},
		{"not quite too old", in("iat", -359), ""},
		{"expired a minute ago", in("exp", -59), ""},

		{"typ of an access token", header("typ", "at+jwt"), "invalid_type"},
		{"any other typ", header("typ", "secevent+jwt"), "invalid_type"},
		{"algorithm that is not listed", header("alg", "PS256"), "invalid_alg"},
		{"no algorithm", header("alg", "none"), "invalid_alg"},
		{"key that nobody knows", header("kid", "unknown"), "unknown_kid"},
		{"other issuer", claim("iss", "https://other.example/"), "invalid_issuer"},
		{"issuer without the slash", claim("iss", "https://acme.auth0.example"), "invalid_issuer"},
		{"no issuer", claim("iss", nil), "invalid_issuer"},
		{"other audience", claim("aud", "another"), "invalid_audience"},
		{"no audience", claim("aud", nil), "invalid_audience"},
		{"no iat", claim("iat", nil), "invalid_claim"},
		{"iat that is text", claim("iat", "now"), "invalid_claim"},
		{"issued ten minutes ago", in("iat", -600), "token_too_old"},
		{"issued just too long ago", in("iat", -362), "token_too_old"},
		{"issued in the future", func(h, c map[string]any) { in("iat", 62)(h, c); in("exp", 182)(h, c) }, "issued_in_future"},
		{"no exp", claim("exp", nil), "invalid_claim"},
		{"expired", in("exp", -61), "token_expired"},
		{"not yet good", in("nbf", 62), "token_not_yet_valid"},
		{"no events", claim("events", nil), "invalid_type"},
		{"events without the event", claim("events", map[string]any{"https://x.example/": map[string]any{}}), "invalid_type"},
		{"events that are a list", claim("events", []string{logoutEvent}), "invalid_type"},
		{"events that are text", claim("events", logoutEvent), "invalid_type"},
		{"event that is text", claim("events", event("x")), "invalid_type"},
		{"event that is a list", claim("events", event([]string{})), "invalid_type"},
		{"event that is null", claim("events", event(nil)), "invalid_type"},
		{"event that is true", claim("events", event(true)), "invalid_type"},
		{"nonce", claim("nonce", "n"), "invalid_type"},
		{"empty nonce", claim("nonce", ""), "invalid_type"},
		{"no jti", claim("jti", nil), "invalid_claim"},
		{"empty jti", claim("jti", ""), "invalid_claim"},
		{"jti that is a number", claim("jti", 7), "invalid_claim"},
		{"neither sid nor sub", func(_, c map[string]any) { delete(c, "sid"); delete(c, "sub") }, "invalid_claim"},
		{"empty sid", claim("sid", ""), "invalid_claim"},
		{"empty sub", claim("sub", ""), "invalid_claim"},
		{"empty sub alone", func(_, c map[string]any) { delete(c, "sid"); c["sub"] = "" }, "invalid_claim"},
		{"sid that is a number", claim("sid", 7), "invalid_claim"},
		{"sub that is a list", claim("sub", []string{"auth0|x"}), "invalid_claim"},
		{"long sid", claim("sid", strings.Repeat("x", 256)), "invalid_claim"},
		{"long sub", claim("sub", strings.Repeat("x", 256)), "invalid_claim"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, revocable)
			b, sid := e.loginAs("ada@acme.example")
			edits := []emulator.TokenEdit{}
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			// So long after that iat decides nothing but what it is for.
			time.Sleep(10 * time.Minute)
			e.expectAnswer(e.end(e.tenant.LogoutToken(testClientID, "ada@acme.example", sid, edits...)), tt.reason, tt.why)
			if got := b.loggedIn(); got != (tt.reason != "") && !strings.Contains(tt.why, "too old") {
				t.Errorf("%s: still logged in: %v", tt.why, got)
			}
		})
	}
}

// expectAnswer checks the answer to a logout token that is refused for a reason,
// or good.
func (e *env) expectAnswer(resp *response, reason, why string) {
	e.t.Helper()
	status, kind, body := 200, "", ""
	if reason != "" {
		status, kind, body = 400, "application/json", `{"error":"invalid_request","error_description":"the logout token is not valid"}`
	}
	if resp.status != status || resp.body != body || resp.header.Get("Content-Type") != kind {
		e.t.Errorf("%s: %d %q %q; log:\n%s", why, resp.status, resp.header.Get("Content-Type"), resp.body, e.log)
	}
	if got := resp.header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		e.t.Errorf("%s: Cache-Control %q", why, got)
	}
	if n := len(resp.header.Values("Set-Cookie")); n > 0 {
		e.t.Errorf("%s: %d cookies", why, n)
	}
	if reason != "" && !strings.Contains(e.log.String(), " reason="+reason+" ") {
		e.t.Errorf("%s: the log does not say %s:\n%s", why, reason, e.log)
	}
}

// TestLogoutTokenSignature counts, and what says that it is of somebody else
// makes nobody ask that somebody.
func TestLogoutTokenSignature(t *testing.T) {
	e := newEnv(t, revocable)
	b, sid := e.loginAs("ada@acme.example")
	good := e.tenant.LogoutToken(testClientID, "ada@acme.example", sid)
	i := strings.LastIndex(good, ".")
	e.expectAnswer(e.end(good[:i+2]+flip4(good[i+2])+good[i+3:]), "invalid_signature", "changed signature")
	e.expectAnswer(e.end(good[:i+1]), "token_malformed", "no signature")
	e.tenant.SignWithForeignKey(true)
	e.expectAnswer(e.end(e.tenant.LogoutToken(testClientID, "ada@acme.example", sid)), "invalid_signature", "foreign key")
	e.tenant.SignWithForeignKey(false)
	for why, token := range map[string]string{"garbage": "garbage", "empty": "", "five parts": "a.b.c.d.e"} {
		e.expectAnswer(e.end(token), "token_malformed", why)
	}
	e.expectAnswer(e.end(e.tenant.IDToken(testClientID, "ada@acme.example")), "invalid_type", "ID token")
	if !b.loggedIn() {
		t.Error("logged out by one of them")
	}
	e.mustEnd(good)
}

func TestLogoutTokenKeysUnavailable(t *testing.T) {
	e := newEnv(t, revocable)
	e.tenant.Fail(emulator.JWKS, 503)
	e.expectAnswer(e.end(e.tenant.LogoutToken(testClientID, "ada@acme.example", "sid")), "keys_unavailable", "no keys")
	e.tenant.Fail(emulator.JWKS, 0)
}

func TestBackchannelRequests(t *testing.T) {
	e := newEnv(t, revocable)
	e.app = e.strategy.Handler() // which takes all methods
	b, sid := e.loginAsWith(e.strategy.LoadUser(e.mux))
	form := func(values url.Values) string { return values.Encode() }
	token := e.tenant.LogoutToken(testClientID, "ada@acme.example", sid)
	one := form(url.Values{"logout_token": {token}})
	const kind = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		why, method, kind, target, body string
		status                          int
	}{
		{"GET", "GET", kind, backchannelPath + "?" + one, "", 405},
		{"HEAD", "HEAD", kind, backchannelPath, "", 405},
		{"PUT", "PUT", kind, backchannelPath, one, 405},
		{"no body", "POST", kind, backchannelPath, "", 400},
		{"token in the query", "POST", kind, backchannelPath + "?" + one, "", 400},
		{"token twice", "POST", kind, backchannelPath, form(url.Values{"logout_token": {token, token}}), 400},
		{"JSON", "POST", "application/json", backchannelPath, `{"logout_token":"` + token + `"}`, 400},
		{"no content type", "POST", "", backchannelPath, one, 400},
		{"form that cannot be read", "POST", kind, backchannelPath, "logout_token=%zz", 400},
		{"64 KiB", "POST", kind, backchannelPath, one + "&x=" + strings.Repeat("x", 64<<10), 400},
	} {
		r := httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		w := httptest.NewRecorder()
		e.app.ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") || len(w.Header().Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d, %v", tt.why, w.Code, w.Header())
		}
		if got := w.Header().Get("Allow"); tt.status == 405 && got != "POST" {
			t.Errorf("%s: Allow %q", tt.why, got)
		}
		if want := `{"error":"invalid_request",`; tt.method != "HEAD" && !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s: body %q", tt.why, w.Body)
		}
	}
	if !b.loggedIn() {
		t.Error("logged out by one of them")
	}
	// The tenant has no cookies; those of a browser mean nothing.
	r := b.request(backchannelPath)
	r.Method, r.Body = "POST", io.NopCloser(strings.NewReader(one))
	r.Header.Set("Content-Type", kind+"; charset=utf-8")
	w := httptest.NewRecorder()
	e.app.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.Len() != 0 || len(w.Header().Values("Set-Cookie")) != 0 {
		t.Errorf("with cookies: %d %q %v", w.Code, w.Body, w.Header())
	}
	if b.e.app = e.strategy.LoadUser(e.mux); b.loggedIn() {
		t.Error("still logged in")
	}
	if strings.Contains(e.log.String(), token) {
		t.Error("the log has the token")
	}
}

// loginAsWith logs ada in through another handler than that of the environment.
func (e *env) loginAsWith(app http.Handler) (*browser, string) {
	e.t.Helper()
	with := *e
	with.app = app
	return with.loginAs("ada@acme.example")
}

// TestLogoutTokenAgain is good, and makes no work: the tenant may not have got
// the first answer.
func TestLogoutTokenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatchedStore()
		e := newEnv(t, func(c *auth0.Config) { c.Store = store })
		_, sid := e.loginAs("ada@acme.example")
		token := e.tenant.LogoutToken(testClientID, "ada@acme.example", sid)
		e.mustEnd(token)
		commits := len(store.written())
		for range 3 {
			e.mustEnd(token)
		}
		if n := len(store.written()); n != commits || store.deletes() != 0 {
			t.Errorf("%d writes and %d deletions for a token that was known", n-commits, store.deletes())
		}
		e.mustEnd(e.tenant.LogoutToken(testClientID, "ada@acme.example", sid))
		if len(store.written()) == commits {
			t.Error("another token for the session makes no work")
		}
		// It is remembered for as long as it could be sent.
		if last := store.written()[commits-1]; time.Until(last) < 3*time.Minute-time.Second || time.Until(last) > 4*time.Minute {
			t.Errorf("remembered for %v, the token is good for 2 minutes and a minute of leeway", time.Until(last))
		}
	})
}

// TestRevocationsLast as long as a session of before could, and not for ever.
func TestRevocationsLast(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		why            string
		idle, absolute time.Duration
		want           time.Duration
	}{
		{"both limits", 0, 0, day},
		{"the longer idle limit has no effect", 9 * day, 2 * day, 2 * day},
		{"idle limit alone", time.Hour, auth0.None, time.Hour},
		{"absolute limit alone", auth0.None, 3 * day, 3 * day},
	} {
		for _, end := range []string{"by the tenant", "by a logout"} {
			synctest.Test(t, func(t *testing.T) {
				store := newWatchedStore()
				e := newEnv(t, func(c *auth0.Config) {
					c.Revocations, c.IdleTimeout, c.AbsoluteTimeout = store, tt.idle, tt.absolute
				})
				b, sid := e.loginAs("ada@acme.example")
				if end == "by a logout" {
					b.logout()
				} else {
					e.mustEnd(e.tenant.LogoutToken(testClientID, "ada@acme.example", sid))
				}
				if life := time.Until(store.written()[0]); life < tt.want || life > tt.want+time.Hour {
					t.Errorf("%s, ended %s: noted for %v, want %v and a little", tt.why, end, life, tt.want)
				}
			})
		}
	}
}

// TestLogoutWhileLoggingIn: what counts is when the tenant has issued the ID
// token, not when the session began here.
func TestLogoutWhileLoggingIn(t *testing.T) {
	for _, m := range revocableModes {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, m.edit)
			b, sid := e.browser(), ""
			callback := b.atTenant(b.begin("/auth/login"))
			e.tenant.EditIDToken(func(_, c map[string]any) { sid = c["sid"].(string) })
			e.tenant.EditTokenResponse(func(*int, map[string]any) {
				// The person has logged out at the tenant while its answer was under way.
				time.Sleep(2 * time.Second)
				e.mustEnd(e.tenant.LogoutToken(testClientID, "ada@acme.example", sid))
				time.Sleep(2 * time.Second)
			})
			if resp := b.callback(callback); resp.status != http.StatusSeeOther {
				t.Fatalf("callback: %d %s", resp.status, resp.body)
			}
			if b.loggedIn() {
				t.Errorf("%s: a session begins after its end", m.name)
			}
		})
	}
}

// TestBackchannelStoreFails: what cannot be noted is not confirmed, and what
// cannot be looked up is not believed.
func TestBackchannelStoreFails(t *testing.T) {
	for _, operation := range []string{"find", "commit"} {
		store := newWatchedStore()
		e := newEnv(t, func(c *auth0.Config) { c.Revocations = store })
		b, sid := e.loginAs("ada@acme.example")
		store.breakWith(operation, errors.New("disk full"))
		resp := e.end(e.tenant.LogoutToken(testClientID, "ada@acme.example", sid))
		if resp.status != 400 || resp.body != `{"error":"invalid_request","error_description":"the sessions could not be ended"}` {
			t.Errorf("%s fails: %d %q", operation, resp.status, resp.body)
		}
		if !strings.Contains(e.log.String(), "disk full") {
			t.Errorf("%s fails: nothing in the log", operation)
		}
		before := b.cookies[sessionName]
		if operation == "find" {
			if resp := b.page("/private"); resp.status != 503 || resp.header.Get("Retry-After") != "5" {
				t.Errorf("protected page: %d, Retry-After %q", resp.status, resp.header.Get("Retry-After"))
			}
			if resp := b.page("/"); resp.body != "home false " {
				t.Errorf("public page: %q", resp.body)
			}
			if _, err := e.strategy.Session(b.request("/")); !errors.Is(err, auth0.ErrStoreUnavailable) {
				t.Errorf("Session: %v", err)
			}
		}
		store.breakWith(operation, nil)
		if !b.loggedIn() || b.cookies[sessionName] != before {
			t.Errorf("%s failed for a while: logged in %v", operation, b.loggedIn())
		}
		// The tenant may send it again.
		e.mustEnd(e.tenant.LogoutToken(testClientID, "ada@acme.example", sid))
		if b.loggedIn() {
			t.Error("still logged in")
		}
	}
}

// TestBackchannelWithoutStore: there is no such route, and whoever makes one by
// hand is told.
func TestBackchannelWithoutStore(t *testing.T) {
	e := newEnv(t)
	if resp := e.end("x"); resp.status != 404 {
		t.Errorf("Register: %d", resp.status)
	}
	w := httptest.NewRecorder()
	e.strategy.Handler().ServeHTTP(w, httptest.NewRequest("POST", backchannelPath, nil))
	if w.Code != 404 {
		t.Errorf("Handler: %d", w.Code)
	}
	h := e.strategy.BackchannelLogoutHandler()
	if !strings.Contains(e.log.String(), "level=ERROR") || !strings.Contains(e.log.String(), "Config.Revocations") {
		t.Errorf("log:\n%s", e.log)
	}
	e.app = h
	resp := e.end(e.tenant.LogoutToken(testClientID, "ada@acme.example", "sid"))
	if resp.status != 500 || !strings.Contains(resp.body, `"server_error"`) {
		t.Errorf("by hand: %d %q", resp.status, resp.body)
	}
}

// TestBackchannelRoutes: each way to mount it leads there.
func TestBackchannelRoutes(t *testing.T) {
	e := newEnv(t, revocable, func(c *auth0.Config) { c.BackchannelLogoutPath = "/auth/ended" })
	for name, h := range map[string]http.Handler{"Register": e.mux, "Handler": e.strategy.Handler(), "by hand": e.strategy.BackchannelLogoutHandler()} {
		e.app = h
		resp := e.browser().do("POST", "/auth/ended", url.Values{"logout_token": {e.tenant.LogoutToken(testClientID, "ada@acme.example", "sid")}})
		if resp.status != 200 {
			t.Errorf("%s: %d %q", name, resp.status, resp.body)
		}
	}
}

// TestReplayAfterLogout: a copy of the cookie is worth nothing where it is noted
// that the session has ended.
func TestReplayAfterLogout(t *testing.T) {
	for _, m := range revocableModes {
		for _, how := range []string{"/auth/logout", "/end"} {
			e := newEnv(t, m.edit)
			e.mux.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) {
				if err := e.strategy.EndSession(w, r); err != nil {
					t.Error(err)
				}
			})
			e.tenant.EditIDToken(in("iat", 30)) // clocks may differ
			b := e.browser().mustLogin()
			copied := b.clone()
			b.page(how)
			if b.loggedIn() || copied.loggedIn() || copied.page("/private").status != http.StatusFound {
				t.Errorf("%s: a copy of the cookie works after %s", m.name, how)
			}
			if b.mustLogin(); copied.loggedIn() {
				t.Errorf("%s: the next login revives the copy", m.name)
			}
		}
	}
}
