package renew

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// vaulted gives a session a token of a third party that is good for a while.
func vaulted(d time.Duration) func(*session.Record) {
	return func(r *session.Record) {
		r.Vault = []session.Token{{Connection: "photos", Scope: "p", Token: "old", ExpiresAt: in(d)}}
	}
}

// aged has the token of the login expire after a while.
func aged(d time.Duration) func(*session.Record) {
	return func(r *session.Record) { r.Tokens[0].ExpiresAt = in(d) }
}

// The session of a row without a refresh token, or without any token.
func lost(edit func(*session.Record)) func(*session.Record) {
	return func(r *session.Record) { edit(r); r.RefreshToken = "" }
}

// due is the session of a row whose user has to log in again.
func due(edit func(*session.Record)) func(*session.Record) {
	return func(r *session.Record) { edit(r); r.LoginDue = true }
}

func bare(r *session.Record) { r.Tokens, r.RefreshToken = nil, "" }

var (
	none  = refusal.Row{}
	vault = Wish{Connection: "photos"}
)

// TestGet has a row for each outcome of a wish.
func TestGet(t *testing.T) {
	t.Parallel()
	photos := func(w Wish) Wish { w.Connection = "photos"; return w }
	force := Wish{Force: true}
	for _, row := range []struct {
		why     string
		session func(*session.Record)
		wish    Wish
		answer  answer

		token    string      // empty for a refusal
		refusal  refusal.Row // without a token
		requests int
		refresh  string // the refresh token afterwards
		changes  int    // of the session
		log      string // level and text
	}{
		{"fresh", aged(31 * time.Second), Wish{}, nil, "old", none, 0, "refresh", 0, ""},
		{"due", aged(30 * time.Second), Wish{}, gives("new", nil), "new", none, 1, "refresh", 1, ""},
		{"over", aged(0), Wish{}, gives("new", nil), "new", none, 1, "refresh", 1, ""},
		{"rotated", aged(0), Wish{}, gives("new", claims{"refresh_token": "next"}), "new", none, 1, "next", 1, ""},
		{"forced", aged(time.Hour), force, gives("new", nil), "new", none, 1, "refresh", 1, ""},
		{"good for no second", aged(0), Wish{}, gives("new", claims{"expires_in": 0.5}), "", refusal.TenantAnswer, 1, "refresh", 1, ""},
		{"about to expire, no refresh token", lost(aged(time.Second)), Wish{}, nil, "old", none, 0, "", 0, ""},
		{"about to expire, no refresh token, forced", lost(aged(time.Second)), force, nil, "", refusal.SessionTokenExpired, 0, "", 1, ""},
		{"over, no refresh token", lost(aged(0)), Wish{}, nil, "", refusal.SessionTokenExpired, 0, "", 1, ""},
		{"no token at all", bare, Wish{}, nil, "", refusal.SessionToken, 0, "", 0, ""},
		{"no token, no refresh", func(r *session.Record) { r.Tokens = nil }, Wish{}, gives("new", nil), "new", none, 1, "refresh", 1, ""},
		{"no such token, no refresh token", lost(aged(time.Hour)), Wish{Audience: otherAPI}, nil, "", refusal.SessionToken, 0, "", 0, ""},
		{"no such scope, no refresh token", lost(aged(time.Hour)), Wish{Audience: api, Scopes: []string{"write:x"}}, nil, "", refusal.SessionToken, 0, "", 0, ""},
		{"no such token, refresh token was lost", due(lost(aged(time.Hour))), Wish{Audience: otherAPI}, nil, "", refusal.SessionTokenExpired, 0, "", 0, ""},
		{"over, told before", due(lost(aged(0))), Wish{}, nil, "", refusal.SessionTokenExpired, 0, "", 0, ""},
		{"invalid_grant", aged(0), Wish{}, says(403, `{"error":"invalid_grant"}`, ""), "", refusal.SessionTokenExpired, 1, "", 1, "INFO the refresh token of a session is not accepted any more"},
		{"invalid_grant as an outage", aged(0), Wish{}, says(503, `{"error":"invalid_grant"}`, ""), "", refusal.SessionTokenExpired, 1, "", 1, "INFO not accepted any more"},
		{"invalid_grant, about to expire", aged(time.Second), Wish{}, says(403, `{"error":"invalid_grant"}`, ""), "old", none, 1, "", 1, "WARN a token could not be refreshed before it expires"},
		{"invalid_grant, about to expire, forced", aged(time.Second), force, says(403, `{"error":"invalid_grant"}`, ""), "", refusal.SessionTokenExpired, 1, "", 1, ""},
		{"outage, about to expire", aged(time.Second), Wish{}, says(503, "", ""), "old", none, 1, "refresh", 0, "WARN a token could not be refreshed before it expires"},
		{"outage", aged(0), Wish{}, says(503, "", ""), "", refusal.TenantDown, 1, "refresh", 0, ""},
		{"no bearer token", aged(0), Wish{}, gives("x", claims{"token_type": "mac"}), "", refusal.TenantAnswer, 1, "refresh", 0, ""},
		{"bound token that nobody asked for", aged(0), Wish{}, gives("x", claims{"token_type": "DPoP"}), "", refusal.TokenNotBound, 1, "refresh", 0, ""},
		{"denied by policy", aged(0), Wish{}, says(403, `{"error":"access_denied"}`, ""), "", refusal.SessionTokenExpired, 1, "refresh", 1, ""},
		{"denied by policy, about to expire", aged(time.Second), Wish{}, says(500, `{"error":"access_denied"}`, ""), "old", none, 1, "refresh", 1, "WARN before it expires"},
		{"blocked", aged(0), Wish{}, says(403, `{"error":"unauthorized"}`, ""), "", refusal.SessionTokenExpired, 1, "refresh", 1, ""},
		{"wrong client", aged(0), Wish{}, says(401, `{"error":"access_denied"}`, ""), "", refusal.TenantAnswer, 1, "refresh", 0, ""},
		{"second factor", aged(0), Wish{}, says(403, `{"error":"mfa_required","mfa_token":"m"}`, ""), "", refusal.MFA, 1, "refresh", 0, ""},
		{"second factor without a token for it", aged(0), Wish{}, says(403, `{"error":"mfa_required"}`, ""), "", refusal.TenantAnswer, 1, "refresh", 0, ""},
		{"token for another API", aged(0), Wish{Audience: otherAPI}, gives(accessTokenFor(api), claims{"refresh_token": "next"}), "", refusal.TenantAnswer, 1, "next", 1, ""},
		{"foreign ID token", aged(0), Wish{}, func(w http.ResponseWriter, r *http.Request) {
			gives("new", claims{"id_token": idToken(key(1), nil, claims{"sub": "mallory"}), "refresh_token": "next"})(w, r)
		}, "", refusal.SessionTokenExpired, 1, "", 1, "ERROR of another user"},
		{"foreign ID token, about to expire", aged(time.Second), Wish{}, func(w http.ResponseWriter, r *http.Request) {
			gives("new", claims{"id_token": idToken(key(1), nil, claims{"sub": "mallory"})})(w, r)
		}, "old", none, 1, "", 1, "ERROR of another user"},
		{"ID token that is too old", aged(0), Wish{}, func(w http.ResponseWriter, r *http.Request) {
			gives("new", claims{"id_token": idToken(key(1), nil, claims{"exp": in(-time.Hour)}), "refresh_token": "next"})(w, r)
		}, "", refusal.Clock, 1, "next", 1, "WARN the refresh token is kept"},

		{"third party, fresh", vaulted(31 * time.Second), vault, nil, "old", none, 0, "refresh", 0, ""},
		{"third party, due", vaulted(30 * time.Second), vault, gives("new", nil), "new", none, 1, "refresh", 2, ""},
		{"third party, none yet", nil, vault, gives("new", nil), "new", none, 1, "refresh", 1, ""},
		{"third party, forced", vaulted(time.Hour), photos(force), gives("new", nil), "new", none, 1, "refresh", 2, ""},
		{"third party, good for no second", vaulted(0), vault, gives("new", claims{"expires_in": 0.5}), "", refusal.TenantAnswer, 1, "refresh", 2, ""},
		{"third party, no refresh token", lost(vaulted(0)), vault, nil, "", refusal.SessionToken, 0, "", 0, ""},
		{"third party, about to expire, no refresh token", lost(vaulted(time.Second)), vault, nil, "old", none, 0, "", 0, ""},
		{"third party, no refresh token, forced", lost(vaulted(time.Hour)), photos(force), nil, "", refusal.SessionToken, 0, "", 0, ""},
		{"third party, unknown account", nil, vault, says(401, `{"error":"federated_connection_refresh_token_not_found"}`, ""), "", refusal.NotConnected, 1, "refresh", 0, ""},
		{"third party, refused", vaulted(time.Second), vault, says(401, `{"error":"federated_connection_refresh_token_flow_failed"}`, ""), "", refusal.NotConnected, 1, "refresh", 1, ""},
		{"third party, our credentials", vaulted(time.Second), vault, says(401, `{"error":"access_denied"}`, ""), "", refusal.TenantAnswer, 1, "refresh", 1, ""},
		{"third party, our client", vaulted(time.Second), vault, says(401, `{"error":"invalid_client"}`, ""), "", refusal.TenantAnswer, 1, "refresh", 1, ""},
		{"third party, blocked", vaulted(time.Second), vault, says(401, `{"error":"unauthorized"}`, ""), "", refusal.SessionTokenExpired, 1, "refresh", 1, ""},
		{"third party, invalid_grant", vaulted(time.Second), vault, says(403, `{"error":"invalid_grant"}`, ""), "", refusal.SessionTokenExpired, 1, "refresh", 1, ""},
		{"third party, outage", vaulted(0), vault, says(503, "", ""), "", refusal.TenantDown, 1, "refresh", 0, ""},
		{"third party, outage, about to expire", vaulted(time.Second), vault, says(503, "", ""), "old", none, 1, "refresh", 0, "WARN a token of a third party could not be renewed before it expires"},
		{"third party, outage, forced", vaulted(time.Hour), photos(force), says(503, "", ""), "", refusal.TenantDown, 1, "refresh", 0, ""},
		{"third party, no bearer token, about to expire", vaulted(time.Second), vault, says(200, "{}", ""), "old", none, 1, "refresh", 0, "WARN third party"},
	} {
		inEachMode(t, row.session, func(e *env) {
			e.set(func() { e.answer = row.answer })
			before := e.record.Refreshes
			w := row.wish
			token, err := e.get(w)
			if row.token != "" {
				e.expectToken(row.why, token, err, row.token)
			} else if got := e.expectRefusal(row.why, err, row.refusal); token != (session.Token{}) || got.Also != (refusal.Row{}) != strings.Contains(row.why, "blocked") {
				e.Errorf("%s: %+v, %+v", row.why, token, got)
			}
			e.expectRequests(row.why, row.requests)
			if r := e.kept(); r.RefreshToken != row.refresh || r.Refreshes-before != row.changes {
				e.Errorf("%s: refresh token %q after %d changes, want %q after %d", row.why, r.RefreshToken, r.Refreshes-before, row.refresh, row.changes)
			}
			// The login route reads this. Another login is due after a refusal that says
			// so, after the loss of the refresh token, and after a rejection by the tenant.
			told := row.refusal == refusal.SessionTokenExpired || row.refresh == "" && row.changes > 0 || strings.Contains(row.why, "policy")
			if r := e.kept(); r.LoginDue != told {
				e.Errorf("%s: a login is due: %v", row.why, r.LoginDue)
			}
			if level, text, ok := strings.Cut(row.log, " "); ok {
				e.expectLog(row.why, level, text)
			} else if strings.Contains(e.log.String(), "level=WARN") && row.token != "" {
				e.Errorf("%s: a warning without need:\n%s", row.why, e.log)
			}
			// New tokens serve from now on, and dropped ones do not.
			if row.token == "new" {
				w.Force = false
				token, err = e.get(w)
				e.expectToken(row.why+", again", token, err, "new")
				e.expectRequests(row.why+", again", row.requests)
			}
		})
	}
}

// TestNoConnection: an unreachable tenant has not rejected anything.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	for _, w := range []Wish{{}, vault} {
		inEachMode(t, func(r *session.Record) { aged(time.Second)(r); vaulted(time.Second)(r) }, func(e *env) {
			e.set(func() { e.down = true })
			token, err := e.get(w)
			e.expectToken("about to expire", token, err, "old")
			time.Sleep(time.Second)
			_, err = e.get(w)
			if got := e.expectRefusal("over", err, refusal.TenantDown); got.TenantStatus != 0 {
				e.Errorf("%+v", got)
			}
			e.set(func() { e.down = false })
			token, err = e.get(w)
			e.expectToken("again", token, err, "new")
		})
	}
}

// TestBlocked: the refusal has the tenant's answer.
func TestBlocked(t *testing.T) {
	t.Parallel()
	inMode(t, inStore, aged(0), func(e *env) {
		e.set(func() { e.answer = says(403, `{"error":"unauthorized","error_description":"user is blocked"}`, "") })
		_, err := e.get(Wish{})
		got := e.expectRefusal("blocked", err, refusal.SessionTokenExpired)
		if got.Also.Reason != "user_blocked" || got.TenantStatus != 403 || got.Code != "login_required" || !strings.Contains(got.Err.Error(), "user is blocked") {
			e.Errorf("%+v", got)
		}
	})
}

// TestSecondFactor: the refusal has the way to continue, for the same wish. The next
// request asks the tenant again.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		wish Wish
		next string
	}{
		{Wish{}, "m [otp] " + api + " openid a ada"},
		{Wish{Audience: otherAPI, Scopes: []string{"x", "y"}}, "m [otp] " + otherAPI + " x y ada"},
	} {
		inEachMode(t, aged(0), func(e *env) {
			e.set(func() {
				e.answer = says(403, `{"error":"mfa_required","mfa_token":"m","mfa_requirements":{"challenge":[{"type":"otp"}]}}`, "")
			})
			for n := range 2 {
				_, err := e.get(row.wish)
				if got := e.expectRefusal("second factor", err, refusal.MFA); got.Next != row.next || got.TenantStatus != 403 {
					e.Errorf("%v, want %q", got.Next, row.next)
				}
				e.expectRequests("second factor", n+1)
			}
		})
	}
}

// TestNewerState: a request with an old copy of the session gets the result of another
// request. That also fulfills a wish for a new token.
func TestNewerState(t *testing.T) {
	t.Parallel()
	for _, w := range []Wish{{}, {Force: true}, vault, {Connection: "photos", Force: true}} {
		inEachMode(t, aged(0), func(e *env) {
			old := e.record
			token, err := e.get(w)
			e.expectToken("first", token, err, "new")
			e.set(func() { e.answer = says(403, `{"error":"invalid_grant"}`, "") })
			e.record = old
			token, err = e.get(w)
			e.expectToken("late", token, err, "new")
			e.expectRequests("late", 1)
			// The late request also has the newest state.
			if e.kept().Refreshes != 1 || e.record.Refreshes != 1 {
				e.Errorf("%+v", e.record)
			}
			w.Force = true
			if _, err = e.get(w); err == nil {
				e.Error("a token that is not new")
			}
			e.expectRequests("forced", 2)
		})
	}
}

// TestNewestStateBesideAnError: the browser gets the newest state also if this request
// fails.
func TestNewestStateBesideAnError(t *testing.T) {
	t.Parallel()
	inEachMode(t, nil, func(e *env) {
		old := e.record
		if _, err := e.get(Wish{Force: true}); err != nil {
			e.Fatal(err)
		}
		e.record = old
		e.set(func() { e.answer = says(503, "", "") })
		_, err := e.get(Wish{Audience: otherAPI})
		e.expectRefusal("another API", err, refusal.TenantDown)
		if e.record.Refreshes != 1 {
			e.Errorf("%+v", e.record)
		}
	})
}

// TestForgottenMeanwhile: a dropped token does not serve an old copy of the session.
func TestForgottenMeanwhile(t *testing.T) {
	t.Parallel()
	inEachMode(t, vaulted(10*time.Second), func(e *env) {
		old := e.record
		e.set(func() { e.answer = says(401, `{"error":"gone"}`, "") })
		for range 2 {
			e.record = old
			_, err := e.get(vault)
			e.expectRefusal("gone", err, refusal.NotConnected)
		}
		e.expectRequests("each asks", 2)
	})
}

// TestOtherProcess: in a store without leases another process can use the refresh token at
// the same time. Its tokens count.
func TestOtherProcess(t *testing.T) {
	t.Parallel()
	inMode(t, inPlainStore, aged(0), func(e *env) {
		faster := func(w http.ResponseWriter, r *http.Request) {
			newer := copyOf(e.record)
			newer.RefreshToken, newer.Refreshes, newer.Tokens[0].Token, newer.Tokens[0].ExpiresAt = "next", 1, "theirs", in(time.Hour)
			if err := e.sessions.Begin(context.Background(), newRecorder(), &session.Loaded{}, newer); err != nil {
				e.Error(err)
			}
			says(403, `{"error":"invalid_grant"}`, "")(w, r)
		}
		e.set(func() { e.answer = faster })
		token, err := e.get(Wish{})
		e.expectToken("somebody else was faster", token, err, "theirs")
		if r := e.kept(); r.RefreshToken != "next" || r.Refreshes != 1 {
			e.Errorf("%+v", r)
		}
		e.expectRequests("somebody else was faster", 1)
	})
}

// TestLogoutMeanwhile: an ended session gets no token, and a late refresh token is revoked.
func TestLogoutMeanwhile(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why     string
		wish    Wish
		answer  answer
		revoked string
	}{
		{"rotated", Wish{}, gives("new", claims{"refresh_token": "next"}), "next"},
		{"not rotated", Wish{}, gives("new", nil), ""},
		{"used up", Wish{}, says(403, `{"error":"invalid_grant"}`, ""), ""},
		{"third party", vault, gives("new", nil), ""},
	} {
		inEachMode(t, func(r *session.Record) { aged(time.Second)(r); vaulted(time.Second)(r) }, func(e *env) {
			e.set(func() {
				e.answer = func(w http.ResponseWriter, r *http.Request) { e.logout(); row.answer(w, r) }
			})
			token, newest, err := e.tokens.Get(e.Context(), e.record, row.wish)
			if !refusal.LoginRequired.IsOf(err) || token.Token != "" || newest != nil {
				e.Errorf("%s: %+v, %+v, %v", row.why, token, newest, err)
			}
			if got := e.revocations(); got != row.revoked {
				e.Errorf("%s: revoked %q, want %q", row.why, got, row.revoked)
			}
			// An ended session causes no request.
			before := len(e.requests())
			if _, _, err := e.tokens.Get(e.Context(), e.record, row.wish); len(e.requests()) != before && e.stored || !refusal.LoginRequired.IsOf(err) {
				e.Errorf("%s: afterwards %v", row.why, err)
			}
		})
	}
}

// A brokenStore can be read, but not written.
type brokenStore struct {
	session.Store
	mu     sync.Mutex
	broken bool
}

var errBroken = errors.New("cannot be written")

func (s *brokenStore) Commit(key string, value []byte, expiry time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errBroken
	}
	return s.Store.Commit(key, value, expiry)
}

// TestStoreFails: the caller gets the failure, unless the old token is good for a moment.
// The unstored tokens serve the next request.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		age  time.Duration
		want string
	}{{0, ""}, {time.Second, "old"}} {
		synctest.Test(t, func(t *testing.T) {
			store := &brokenStore{Store: session.NewMemory(10)}
			e := newEnv(t, store, aged(row.age))
			store.mu.Lock()
			store.broken = true
			store.mu.Unlock()
			e.set(func() { e.answer = gives("new", claims{"refresh_token": "next"}) })
			token, newest, err := e.tokens.Get(t.Context(), e.record, Wish{})
			if row.want != "" {
				e.expectToken("about to expire", token, err, row.want)
				e.expectLog("about to expire", "WARN", "cannot be written")
			} else if !errors.Is(err, errBroken) || token.Token != "" {
				t.Errorf("%+v, %v", token, err)
			}
			if newest != nil {
				t.Errorf("a state that was not stored: %+v", newest)
			}
			if got := e.revocations(); got != "" {
				t.Errorf("revoked %q, and nobody has logged out", got)
			}
			token, newest, err = e.tokens.Get(t.Context(), e.record, Wish{})
			e.expectToken("again", token, err, "new")
			e.expectRequests("again", 1)
			if newest.RefreshToken != "next" {
				t.Errorf("%+v", newest)
			}
		})
	}
}

// TestForget removes the tokens of one connection, and of no other.
func TestForget(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(r *session.Record) {
		r.Vault = []session.Token{{Connection: "photos", Token: "1"}, {Connection: "mail", Token: "2"}, {Connection: "photos", Hint: "x", Token: "3"}}
	}, func(e *env) {
		newest, err := e.tokens.Forget(e.Context(), e.record, "photos")
		if err != nil || len(newest.Vault) != 1 || newest.Vault[0].Connection != "mail" || newest.Refreshes != 1 || len(e.record.Vault) != 3 {
			e.Errorf("%+v, %v", newest, err)
		}
		e.record = newest
		if again, err := e.tokens.Forget(e.Context(), newest, "photos"); err != nil || again.Refreshes != 1 || len(e.kept().Vault) != 1 {
			e.Errorf("%+v, %v", again, err)
		}
		e.logout()
		if _, err := e.tokens.Forget(e.Context(), newest, "mail"); !refusal.LoginRequired.IsOf(err) {
			e.Errorf("after the logout: %v", err)
		}
	})
}

// TestRevoke: no request waits for a revocation, not even its own.
func TestRevoke(t *testing.T) {
	t.Parallel()
	inMode(t, inCookies, nil, func(e *env) {
		ctx, cancel := context.WithCancel(e.Context())
		cancel()
		e.tokens.Revoke(ctx, "refresh")
		if got := e.revocations(); got != "refresh" {
			e.Errorf("revoked %q", got)
		}
		if text := e.log.String(); text != "" {
			e.Error(text)
		}
		e.tokens.Revoke(ctx, "unknown")
		synctest.Wait()
		e.expectLog("refused", "WARN", "could not be revoked")
	})
}

// TestRequests compares the requests.
func TestRequests(t *testing.T) {
	t.Parallel()
	client := url.Values{"client_id": {"client"}, "client_secret": {"the client's secret"}}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"refresh"}}
	exchange := url.Values{
		"grant_type":    {"urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"},
		"subject_token": {"refresh"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"},
		"requested_token_type": {"http://auth0.com/oauth/token-type/federated-connection-access-token"}, "connection": {"photos"},
	}
	for _, row := range []struct {
		why     string
		session func(*session.Record)
		wish    Wish
		base    url.Values
		more    string
		token   session.Token // without its time
	}{
		{"the login", aged(0), Wish{}, refresh, "", session.Token{Audience: api, Asked: "openid a", Scope: "openid a"}},
		{"the API of the login by its name", aged(0), Wish{Audience: api}, refresh, "", session.Token{Audience: api, Asked: "openid a", Scope: "openid a"}},
		{"fewer scopes", aged(0), Wish{Scopes: []string{"a"}}, refresh, "scope=a", session.Token{Audience: api, Asked: "a", Scope: "a"}},
		{"another API", nil, Wish{Audience: otherAPI}, refresh, "audience=" + otherAPI, session.Token{Audience: otherAPI}},
		{"another API and scopes", nil, Wish{Audience: otherAPI, Scopes: []string{"x", "y"}}, refresh, "scope=x+y&audience=" + otherAPI, session.Token{Audience: otherAPI, Asked: "x y", Scope: "x y"}},
		{"no token yet", func(r *session.Record) { r.Tokens = nil }, Wish{}, refresh, "", session.Token{}},
		{"no token yet, an API", func(r *session.Record) { r.Tokens = nil }, Wish{Audience: api}, refresh, "audience=" + api, session.Token{Audience: api}},
		{"third party", nil, vault, exchange, "", session.Token{Connection: "photos"}},
		{"third party, one account", nil, Wish{Connection: "photos", LoginHint: "ada@photos.example"}, exchange, "login_hint=ada@photos.example", session.Token{Connection: "photos", Hint: "ada@photos.example"}},
	} {
		inMode(t, inCookies, row.session, func(e *env) {
			token, err := e.get(row.wish)
			e.expectToken(row.why, token, err, "new")
			row.token.Token, row.token.ExpiresAt = "new", in(10*time.Minute)
			if token != row.token {
				e.Errorf("%s: %+v, want %+v", row.why, token, row.token)
			}
			want, err := url.ParseQuery(row.more)
			if err != nil {
				e.Fatal(err)
			}
			for _, values := range []url.Values{client, row.base} {
				for name := range values {
					want[name] = values[name]
				}
			}
			if got := e.requests()[0]; got.Encode() != want.Encode() {
				e.Errorf("%s: sent %v, want %v", row.why, got, want)
			}
		})
	}
}

// TestNoteWithoutStore: a store that takes no writes does not hide that another login is
// due.
func TestNoteWithoutStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{Store: session.NewMemory(10)}
		e := newEnv(t, store, lost(aged(0)))
		store.mu.Lock()
		store.broken = true
		store.mu.Unlock()
		_, err := e.get(Wish{})
		e.expectRefusal("read-only store", err, refusal.SessionTokenExpired)
		if noted, err := e.sessions.Newest(t.Context(), e.record); err != nil || !noted.LoginDue {
			t.Errorf("this process does not remember it: %+v, %v", noted, err)
		}
		store.mu.Lock()
		store.broken = false
		store.mu.Unlock()
		e.logout()
		_, err = e.get(Wish{})
		e.expectRefusal("logged out", err, refusal.LoginRequired)
		if noted := e.tokens.NoteLogin(t.Context(), e.record); noted != e.record {
			t.Errorf("%+v", noted)
		}
		e.expectLog("logged out", "WARN", "could not be marked for another login")
	})
}

// TestNoteLogin: the session records that another login is due, and its tokens stay.
func TestNoteLogin(t *testing.T) {
	t.Parallel()
	inEachMode(t, aged(time.Hour), func(e *env) {
		noted := e.tokens.NoteLogin(e.Context(), e.record)
		if !noted.LoginDue || noted.Refreshes != e.record.Refreshes+1 || noted.RefreshToken != "refresh" || e.record.LoginDue {
			e.Errorf("%+v", noted)
		}
		if again := e.tokens.NoteLogin(e.Context(), noted); again.Refreshes != noted.Refreshes {
			e.Errorf("it is noted again: %+v", again)
		}
		if e.stored {
			return // which can have a refresh token
		}
		noted.RefreshToken, noted.Tokens[0].ExpiresAt = "", 1
		_, newest, err := e.tokens.Get(e.Context(), noted, Wish{})
		e.expectRefusal("noted before", err, refusal.SessionTokenExpired)
		if newest != nil {
			e.Error("every request of a session that has lost its tokens takes a turn")
		}
	})
}

// TestMeets has a row for each session that the login route accepts, or rejects, for a
// login.
func TestMeets(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why      string
		session  func(*session.Record)
		audience string
		scopes   string
		want     bool
	}{
		{"good token", lost(aged(time.Second)), api, "openid", true},
		{"token that has expired", lost(aged(0)), api, "openid", false},
		{"token that can be refreshed", aged(-time.Hour), api, "openid", true},
		{"login is due", due(aged(time.Hour)), api, "openid", false},
		{"no token", bare, api, "openid", false},
		{"other API", aged(time.Hour), otherAPI, "openid", false},
		{"no API", aged(time.Hour), "", "openid", false},
		{"all scopes", nil, api, "read:a openid", true},
		{"one scope more", nil, api, "openid read:a read:b", false},
		{"tenant gives no refresh token", lost(aged(time.Hour)), api, "openid offline_access", true},
	} {
		inEachMode(t, row.session, func(e *env) {
			for i := range e.record.Tokens {
				e.record.Tokens[i].Asked = "openid offline_access read:a"
			}
			if got := e.tokens.Meets(e.record, row.audience, strings.Fields(row.scopes)); got != row.want {
				e.Errorf("%s: %v", row.why, got)
			}
		})
	}
}
