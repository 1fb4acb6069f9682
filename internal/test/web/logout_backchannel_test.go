package web_test

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
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// The modes that can record a logout token.
var revocableModes = []testkit.Mode{{Name: "in cookies, with revocations", Edit: testkit.Revocable}, {Name: "in a store", Edit: testkit.InStore}, {Name: "in a plain store", Edit: testkit.InPlainStore}}

// TestBackchannelLogout: of several sessions, only those that the token names end.
func TestBackchannelLogout(t *testing.T) {
	t.Parallel()
	const ada, bob = "ada@acme.example", "bob@acme.example"
	for _, m := range revocableModes {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedIn(t, m.Edit)
				laptop, sid := e.LoginAs(ada)
				phone, _ := e.LoginAs(ada)
				other, _ := e.LoginAs(bob)
				time.Sleep(time.Minute)
				if !laptop.LoggedIn() || !phone.LoggedIn() || !other.LoggedIn() {
					t.Fatal("not logged in")
				}
				// With sub and sid, as the tenant sends it, it is one session.
				e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, ada, sid))
				ended := laptop.Clone()
				if resp := laptop.Page("/"); resp.Body != "home false " || laptop.Cookies[testkit.SessionCookie] != "" {
					t.Errorf("the session that was ended: %q, cookie deleted %v", resp.Body, laptop.Cookies[testkit.SessionCookie] == "")
				}
				if !phone.LoggedIn() || !other.LoggedIn() {
					t.Error("another session ended too")
				}
				// After a new login the user is in, and the old session stays ended.
				time.Sleep(2 * time.Second)
				laptop, _ = e.LoginAs(ada)
				if !laptop.LoggedIn() || ended.LoggedIn() {
					t.Error("a new login does not work, or revives the old session")
				}
				// Without sid, all sessions of the user end.
				e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, ada, ""))
				if laptop.LoggedIn() || phone.LoggedIn() || !other.LoggedIn() {
					t.Error("all sessions of one person: not these have ended")
				}
				time.Sleep(2 * time.Second)
				if laptop, _ = e.LoginAs(ada); !laptop.LoggedIn() {
					t.Error("a new login does not work")
				}
				// With sid alone too.
				_, sid = e.LoginAs(bob)
				e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, bob, sid, testkit.Claim("sub", nil)))
				if !other.LoggedIn() {
					t.Error("another session of the person ended")
				}
			})
		})
	}
}

// TestBackchannelLogoutOfTheTenant: the tenant's logout token ends the session, at
// the registered URL.
func TestBackchannelLogoutOfTheTenant(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.InStore)
	b := e.Browser().MustLogin()
	client := &http.Client{Transport: testkit.Hosts{"app.example": e.App}}
	if err := e.Tenant.BackchannelLogout(client, testkit.ClientID, "ada@acme.example"); err != nil {
		t.Fatal(err)
	}
	if b.LoggedIn() {
		t.Error("still logged in")
	}
	if log := e.Log.String(); !strings.Contains(log, "sessions were ended by the tenant") {
		t.Errorf("log:\n%s", log)
	}
}

func TestLogoutTokens(t *testing.T) {
	t.Parallel()
	event := func(value any) map[string]any { return map[string]any{testkit.LogoutEvent: value} }
	tests := []struct {
		why    string
		edit   testkit.TokenEdit
		reason string // empty if the token is good
	}{
		{"as the tenant makes it", nil, ""},
		{"no typ", testkit.Header("typ", nil), ""},
		{"typ of the specification", testkit.Header("typ", "logout+jwt"), ""},
		{"typ in full", testkit.Header("typ", "application/logout+jwt"), ""},
		{"typ in upper case", testkit.Header("typ", "LOGOUT+JWT"), ""},
		{"sid alone", testkit.Claim("sub", nil), ""},
		{"sub alone", testkit.Claim("sid", nil), ""},
		{"event with contents", testkit.Claim("events", event(map[string]any{"x": 1})), ""},
		{"another event too", testkit.Claim("events", map[string]any{testkit.LogoutEvent: map[string]any{}, "https://x.example/": map[string]any{}}), ""},
		{"several audiences", testkit.Claim("aud", []string{"another", testkit.ClientID}), ""},
		{"not quite too old", testkit.ClaimIn("iat", -359), ""},
		{"expired a minute ago", testkit.ClaimIn("exp", -59), ""},

		{"typ of an access token", testkit.Header("typ", "at+jwt"), "invalid_type"},
		{"any other typ", testkit.Header("typ", "secevent+jwt"), "invalid_type"},
		{"algorithm that is not listed", testkit.Header("alg", "PS256"), "invalid_alg"},
		{"no algorithm", testkit.Header("alg", "none"), "invalid_alg"},
		{"key that nobody knows", testkit.Header("kid", "unknown"), "unknown_kid"},
		{"other issuer", testkit.Claim("iss", "https://other.example/"), "invalid_issuer"},
		{"issuer without the slash", testkit.Claim("iss", "https://acme.auth0.example"), "invalid_issuer"},
		{"no issuer", testkit.Claim("iss", nil), "invalid_issuer"},
		{"other audience", testkit.Claim("aud", "another"), "invalid_audience"},
		{"no audience", testkit.Claim("aud", nil), "invalid_audience"},
		{"no iat", testkit.Claim("iat", nil), "invalid_claim"},
		{"iat that is text", testkit.Claim("iat", "now"), "invalid_claim"},
		{"issued ten minutes ago", testkit.ClaimIn("iat", -600), "token_too_old"},
		{"issued just too long ago", testkit.ClaimIn("iat", -362), "token_too_old"},
		{"issued in the future", func(h, c map[string]any) { testkit.ClaimIn("iat", 62)(h, c); testkit.ClaimIn("exp", 182)(h, c) }, "issued_in_future"},
		{"no exp", testkit.Claim("exp", nil), "invalid_claim"},
		{"expired", testkit.ClaimIn("exp", -61), "token_expired"},
		{"not yet good", testkit.ClaimIn("nbf", 62), "token_not_yet_valid"},
		{"no events", testkit.Claim("events", nil), "invalid_type"},
		{"events without the event", testkit.Claim("events", map[string]any{"https://x.example/": map[string]any{}}), "invalid_type"},
		{"events that are a list", testkit.Claim("events", []string{testkit.LogoutEvent}), "invalid_type"},
		{"events that are text", testkit.Claim("events", testkit.LogoutEvent), "invalid_type"},
		{"event that is text", testkit.Claim("events", event("x")), "invalid_type"},
		{"event that is a list", testkit.Claim("events", event([]string{})), "invalid_type"},
		{"event that is null", testkit.Claim("events", event(nil)), "invalid_type"},
		{"event that is true", testkit.Claim("events", event(true)), "invalid_type"},
		{"nonce", testkit.Claim("nonce", "n"), "invalid_type"},
		{"empty nonce", testkit.Claim("nonce", ""), "invalid_type"},
		{"no jti", testkit.Claim("jti", nil), "invalid_claim"},
		{"empty jti", testkit.Claim("jti", ""), "invalid_claim"},
		{"jti that is a number", testkit.Claim("jti", 7), "invalid_claim"},
		{"neither sid nor sub", func(_, c map[string]any) { delete(c, "sid"); delete(c, "sub") }, "invalid_claim"},
		{"empty sid", testkit.Claim("sid", ""), "invalid_claim"},
		{"empty sub", testkit.Claim("sub", ""), "invalid_claim"},
		{"empty sub alone", func(_, c map[string]any) { delete(c, "sid"); c["sub"] = "" }, "invalid_claim"},
		{"sid that is a number", testkit.Claim("sid", 7), "invalid_claim"},
		{"sub that is a list", testkit.Claim("sub", []string{"auth0|x"}), "invalid_claim"},
		{"long sid", testkit.Claim("sid", strings.Repeat("x", 256)), "invalid_claim"},
		{"long sub", testkit.Claim("sub", strings.Repeat("x", 256)), "invalid_claim"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t, testkit.Revocable)
			b, sid := e.LoginAs("ada@acme.example")
			edits := []testkit.TokenEdit{}
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			// The login is so long ago that iat matters only for its own check.
			time.Sleep(10 * time.Minute)
			expectAnswer(e, e.EndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid, edits...)), tt.reason, tt.why)
			if got := b.LoggedIn(); got != (tt.reason != "") && !strings.Contains(tt.why, "too old") {
				t.Errorf("%s: still logged in: %v", tt.why, got)
			}
		})
	}
}

// expectAnswer checks the answer to a logout token that is rejected for a reason,
// or accepted.
func expectAnswer(e *testkit.Env, resp *testkit.Response, reason, why string) {
	e.T.Helper()
	status, kind, body := 200, "", ""
	if reason != "" {
		status, kind, body = 400, "application/json", `{"error":"invalid_request","error_description":"the logout token is not valid"}`
	}
	if resp.Status != status || resp.Body != body || resp.Header.Get("Content-Type") != kind {
		e.T.Errorf("%s: %d %q %q; log:\n%s", why, resp.Status, resp.Header.Get("Content-Type"), resp.Body, e.Log)
	}
	if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		e.T.Errorf("%s: Cache-Control %q", why, got)
	}
	if n := len(resp.Header.Values("Set-Cookie")); n > 0 {
		e.T.Errorf("%s: %d cookies", why, n)
	}
	if reason != "" && !strings.Contains(e.Log.String(), " reason="+reason+" ") {
		e.T.Errorf("%s: the log does not say %s:\n%s", why, reason, e.Log)
	}
}

// TestLogoutTokenSignature counts, and a token that names another issuer causes no
// request to that issuer.
func TestLogoutTokenSignature(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.Revocable)
	b, sid := e.LoginAs("ada@acme.example")
	good := e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid)
	i := strings.LastIndex(good, ".")
	expectAnswer(e, e.EndByToken(good[:i+2]+testkit.Flip4(good[i+2])+good[i+3:]), "invalid_signature", "changed signature")
	expectAnswer(e, e.EndByToken(good[:i+1]), "token_malformed", "no signature")
	e.Tenant.SignWithForeignKey(true)
	expectAnswer(e, e.EndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid)), "invalid_signature", "foreign key")
	e.Tenant.SignWithForeignKey(false)
	for why, token := range map[string]string{"garbage": "garbage", "empty": "", "five parts": "a.b.c.d.e"} {
		expectAnswer(e, e.EndByToken(token), "token_malformed", why)
	}
	expectAnswer(e, e.EndByToken(e.Tenant.IDToken(testkit.ClientID, "ada@acme.example")), "invalid_type", "ID token")
	if !b.LoggedIn() {
		t.Error("logged out by one of them")
	}
	e.MustEndByToken(good)
}

func TestLogoutTokenKeysUnavailable(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.Revocable)
	e.Tenant.Fail(testkit.JWKSEndpoint, 503)
	expectAnswer(e, e.EndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "sid")), "keys_unavailable", "no keys")
	e.Tenant.Fail(testkit.JWKSEndpoint, 0)
}

func TestBackchannelRequests(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.Revocable)
	e.App = e.Strategy.Handler() // which takes all methods
	b, sid := loginAsWith(e, e.Strategy.LoadUser(e.Mux))
	form := func(values url.Values) string { return values.Encode() }
	token := e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid)
	one := form(url.Values{"logout_token": {token}})
	const kind = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		why, method, kind, target, body string
		status                          int
	}{
		{"GET", "GET", kind, testkit.BackchannelPath + "?" + one, "", 405},
		{"HEAD", "HEAD", kind, testkit.BackchannelPath, "", 405},
		{"PUT", "PUT", kind, testkit.BackchannelPath, one, 405},
		{"no body", "POST", kind, testkit.BackchannelPath, "", 400},
		{"token in the query", "POST", kind, testkit.BackchannelPath + "?" + one, "", 400},
		{"token twice", "POST", kind, testkit.BackchannelPath, form(url.Values{"logout_token": {token, token}}), 400},
		{"JSON", "POST", "application/json", testkit.BackchannelPath, `{"logout_token":"` + token + `"}`, 400},
		{"no content type", "POST", "", testkit.BackchannelPath, one, 400},
		{"form that cannot be read", "POST", kind, testkit.BackchannelPath, "logout_token=%zz", 400},
		{"64 KiB", "POST", kind, testkit.BackchannelPath, one + "&x=" + strings.Repeat("x", 64<<10), 400},
	} {
		r := httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		w := httptest.NewRecorder()
		e.App.ServeHTTP(w, r)
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
	if !b.LoggedIn() {
		t.Error("logged out by one of them")
	}
	// The tenant sends no cookies. A browser's cookies mean nothing.
	r := b.Request(testkit.BackchannelPath)
	r.Method, r.Body = "POST", io.NopCloser(strings.NewReader(one))
	r.Header.Set("Content-Type", kind+"; charset=utf-8")
	w := httptest.NewRecorder()
	e.App.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.Len() != 0 || len(w.Header().Values("Set-Cookie")) != 0 {
		t.Errorf("with cookies: %d %q %v", w.Code, w.Body, w.Header())
	}
	if b.Env.App = e.Strategy.LoadUser(e.Mux); b.LoggedIn() {
		t.Error("still logged in")
	}
	if strings.Contains(e.Log.String(), token) {
		t.Error("the log has the token")
	}
}

// loginAsWith logs ada in through another handler than the environment's.
func loginAsWith(e *testkit.Env, app http.Handler) (*testkit.Browser, string) {
	e.T.Helper()
	with := *e
	with.App = app
	return with.LoginAs("ada@acme.example")
}

// TestLogoutTokenAgain is accepted, and causes no write: the tenant may have missed
// the first answer.
func TestLogoutTokenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
		_, sid := e.LoginAs("ada@acme.example")
		token := e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid)
		e.MustEndByToken(token)
		commits := len(store.Written())
		for range 3 {
			e.MustEndByToken(token)
		}
		if n := len(store.Written()); n != commits || store.Deletes() != 0 {
			t.Errorf("%d writes and %d deletions for a token that was known", n-commits, store.Deletes())
		}
		e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid))
		if len(store.Written()) == commits {
			t.Error("another token for the session makes no work")
		}
		// The store keeps it for as long as the tenant could send it.
		if last := store.Written()[commits-1]; time.Until(last) < 3*time.Minute-time.Second || time.Until(last) > 4*time.Minute {
			t.Errorf("remembered for %v, the token is good for 2 minutes and a minute of leeway", time.Until(last))
		}
	})
}

// TestRevocationsLast as long as an earlier session could, and then expire.
func TestRevocationsLast(t *testing.T) {
	t.Parallel()
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
				store := testkit.NewWatchedStore()
				e := testkit.SignedIn(t, func(c *auth0.Config) {
					c.Revocations, c.IdleTimeout, c.AbsoluteTimeout = store, tt.idle, tt.absolute
				})
				b, sid := e.LoginAs("ada@acme.example")
				if end == "by a logout" {
					b.Logout()
				} else {
					e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid))
				}
				if life := time.Until(store.Written()[0]); life < tt.want || life > tt.want+time.Hour {
					t.Errorf("%s, ended %s: noted for %v, want %v and a little", tt.why, end, life, tt.want)
				}
			})
		}
	}
}

// TestLogoutWhileLoggingIn: the time that counts is when the tenant issued the ID
// token, not when the session started here.
func TestLogoutWhileLoggingIn(t *testing.T) {
	t.Parallel()
	for _, m := range revocableModes {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t, m.Edit)
			b, sid := e.Browser(), ""
			callback := b.AtTenant(b.Begin("/auth/login"))
			e.Tenant.EditIDToken(func(_, c map[string]any) { sid = c["sid"].(string) })
			e.Tenant.EditTokenResponse(func(*int, map[string]any) {
				// The user has logged out at the tenant while its answer was under way.
				time.Sleep(2 * time.Second)
				e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid))
				time.Sleep(2 * time.Second)
			})
			if resp := b.Callback(callback); resp.Status != http.StatusSeeOther {
				t.Fatalf("callback: %d %s", resp.Status, resp.Body)
			}
			if b.LoggedIn() {
				t.Errorf("%s: a session begins after its end", m.Name)
			}
		})
	}
}

// TestBackchannelStoreFails: a logout that cannot be recorded is not confirmed, and
// a session that cannot be looked up is not accepted.
func TestBackchannelStoreFails(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"find", "commit"} {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.Revocations = store })
		b, sid := e.LoginAs("ada@acme.example")
		store.BreakWith(operation, errors.New("disk full"))
		resp := e.EndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid))
		if resp.Status != 400 || resp.Body != `{"error":"invalid_request","error_description":"the sessions could not be ended"}` {
			t.Errorf("%s fails: %d %q", operation, resp.Status, resp.Body)
		}
		if !strings.Contains(e.Log.String(), "disk full") {
			t.Errorf("%s fails: nothing in the log", operation)
		}
		before := b.Cookies[testkit.SessionCookie]
		if operation == "find" {
			if resp := b.Page("/private"); resp.Status != 503 || resp.Header.Get("Retry-After") != "5" {
				t.Errorf("protected page: %d, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
			}
			if resp := b.Page("/"); resp.Body != "home false " {
				t.Errorf("public page: %q", resp.Body)
			}
			if _, err := e.Strategy.Session(b.Request("/")); !errors.Is(err, auth0.ErrStoreUnavailable) {
				t.Errorf("Session: %v", err)
			}
		}
		store.BreakWith(operation, nil)
		if !b.LoggedIn() || b.Cookies[testkit.SessionCookie] != before {
			t.Errorf("%s failed for a while: logged in %v", operation, b.LoggedIn())
		}
		// The tenant can send it again.
		e.MustEndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", sid))
		if b.LoggedIn() {
			t.Error("still logged in")
		}
	}
}

// TestBackchannelWithoutStore: there is no route for it, and BackchannelLogoutHandler
// logs an error.
func TestBackchannelWithoutStore(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	if resp := e.EndByToken("x"); resp.Status != 404 {
		t.Errorf("Register: %d", resp.Status)
	}
	w := httptest.NewRecorder()
	e.Strategy.Handler().ServeHTTP(w, httptest.NewRequest("POST", testkit.BackchannelPath, nil))
	if w.Code != 404 {
		t.Errorf("Handler: %d", w.Code)
	}
	h := e.Strategy.BackchannelLogoutHandler()
	if !strings.Contains(e.Log.String(), "level=ERROR") || !strings.Contains(e.Log.String(), "Config.Revocations") {
		t.Errorf("log:\n%s", e.Log)
	}
	e.App = h
	resp := e.EndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "sid"))
	if resp.Status != 500 || !strings.Contains(resp.Body, `"server_error"`) {
		t.Errorf("by hand: %d %q", resp.Status, resp.Body)
	}
}

// TestBackchannelRoutes: each way to mount it leads there.
func TestBackchannelRoutes(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.Revocable, func(c *auth0.Config) { c.BackchannelLogoutPath = "/auth/ended" })
	for name, h := range map[string]http.Handler{"Register": e.Mux, "Handler": e.Strategy.Handler(), "by hand": e.Strategy.BackchannelLogoutHandler()} {
		e.App = h
		resp := e.Browser().Do("POST", "/auth/ended", url.Values{"logout_token": {e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "sid")}})
		if resp.Status != 200 {
			t.Errorf("%s: %d %q", name, resp.Status, resp.Body)
		}
	}
}

// TestReplayAfterLogout: a copied cookie is rejected if a store records that the
// session has ended.
func TestReplayAfterLogout(t *testing.T) {
	t.Parallel()
	for _, m := range revocableModes {
		for _, how := range []string{"/auth/logout", "/end"} {
			e := testkit.SignedIn(t, m.Edit)
			e.Mux.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) {
				if err := e.Strategy.EndSession(w, r); err != nil {
					t.Error(err)
				}
			})
			e.Tenant.EditIDToken(testkit.ClaimIn("iat", 30)) // clocks may differ
			b := e.Browser().MustLogin()
			copied := b.Clone()
			b.Page(how)
			if b.LoggedIn() || copied.LoggedIn() || copied.Page("/private").Status != http.StatusFound {
				t.Errorf("%s: a copy of the cookie works after %s", m.Name, how)
			}
			if b.MustLogin(); copied.LoggedIn() {
				t.Errorf("%s: the next login revives the copy", m.Name)
			}
		}
	}
}
