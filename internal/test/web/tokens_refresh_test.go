package web_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestRefresh(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		b := e.Browser().MustLogin()
		first := b.Token()
		time.Sleep(testkit.TokenLife - 31*time.Second)
		if b.Token() != first {
			t.Error("there is another token before it is due")
		}
		e.ExpectRefreshes(0, "more than 30 s left")
		time.Sleep(time.Second)
		second := b.Token()
		if second == first {
			t.Error("the token is the one that is about to expire")
		}
		e.ExpectRefreshes(1, "30 s left")
		form := e.Tenant.LastTokenRequest()
		if form.Get("grant_type") != "refresh_token" || form.Get("client_id") != testkit.ClientID || form.Get("client_secret") != "client-secret-SECRET" || form.Get("refresh_token") == "" || len(form) != 4 {
			t.Errorf("token request with %d parameters, %v", len(form), form["grant_type"])
		}
		if b.Token() != second {
			t.Error("the new token was not kept")
		}
		e.ExpectRefreshes(1, "after the refresh")
		// Each refresh token is good for one use, so the newest must be kept.
		for i := range 3 {
			time.Sleep(testkit.TokenLife)
			b.Token()
			e.ExpectRefreshes(2+i, "again")
		}
		resp := b.Fetch("/token")
		if want := time.Now().Add(testkit.TokenLife).UTC().Format(time.RFC3339); resp.Header.Get("X-Expiry") != want {
			t.Errorf("expiry %s, want %s", resp.Header.Get("X-Expiry"), want)
		}
		if !b.LoggedIn() {
			t.Error("logged out by refreshing")
		}
	})
}

func TestNothingToRefreshWith(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit, func(c *auth0.Config) { c.Scopes = []string{"openid"} })
		e.Browser().NoToken(401, "no_session")
		b := e.Browser().MustLogin()
		b.Token()
		b.NoToken(401, "token_expired", "force")
		b.NoToken(401, "token_expired", "audience="+testkit.SecondAudience)
		time.Sleep(testkit.TokenLife - time.Second)
		b.Token() // good for another second
		time.Sleep(time.Second)
		b.NoToken(401, "token_expired")
		if !b.LoggedIn() {
			t.Error("a session ends with its token")
		}
		e.ExpectRefreshes(0, "no refresh token")
	})
}

// TestRefreshKeepsWhatIsNotNew: values that an answer leaves out stay.
func TestRefreshKeepsWhatIsNotNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why   string
		edit  func(body map[string]any)
		query string
		want  string // claim of the session, and of the ID token that it keeps
	}{
		{"everything is new", func(map[string]any) {}, "", "silver"},
		{"no ID token", func(body map[string]any) { delete(body, "id_token") }, "", "bronze"},
		{"ID token of fewer scopes", func(map[string]any) {}, "audience=" + testkit.Audience + "&scope=openid&force", "bronze"},
	}
	for _, tt := range tests {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, m.Edit, func(c *auth0.Config) { c.KeepIDToken = true })
			e.RotateRefreshTokens(false, 0)
			plan, sid := "bronze", ""
			e.Tenant.EditIDToken(func(_, c map[string]any) { c["plan"], sid = plan, c["sid"].(string) })
			e.Mux.HandleFunc("GET /plan", func(w http.ResponseWriter, r *http.Request) {
				claims, err := auth0.Claims[struct{ Plan string }](r.Context())
				if err != nil {
					t.Error(err)
				}
				fmt.Fprint(w, claims.Plan)
			})
			b := e.Browser().MustLogin()
			loginSID := sid
			plan = "silver"
			e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) { tt.edit(body) })
			for range 2 { // with the same refresh token
				time.Sleep(testkit.TokenLife)
				b.Token(tt.query)
			}
			e.ExpectRefreshes(2, tt.why)
			if got := b.Page("/plan").Body; got != tt.want {
				t.Errorf("%s: the session has plan %q, want %q", tt.why, got, tt.want)
			}
			q := b.Logout().Query()
			var kept struct{ Plan string }
			json.Unmarshal(testkit.DecodeSegment(strings.Split(q.Get("id_token_hint")+"..", ".")[1]), &kept)
			if q.Get("logout_hint") != loginSID || kept.Plan != tt.want {
				t.Errorf("%s: logout_hint %q, id_token_hint with plan %q", tt.why, q.Get("logout_hint"), kept.Plan)
			}
		})
	}
}

// TestParallelRefresh: concurrent requests with an expired token share one refresh.
func TestParallelRefresh(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		e.Tenant.Delay(testkit.TokenEndpoint, time.Second)
		b := e.Browser().MustLogin()
		before := b.Token()
		time.Sleep(testkit.TokenLife)
		late := b.Clone()
		tabs, got := testkit.Tabs(b, 50), make([]string, 50)
		testkit.Together(50, func(i int) { got[i] = tabs[i].Token() })
		e.ExpectRefreshes(1, "50 requests at once")
		for _, token := range got {
			if token != got[0] || token == before {
				t.Error("requests at the same time get different tokens")
			}
		}
		// A request with the old cookie arrives after all that.
		time.Sleep(30 * time.Second)
		if late.Token() != got[0] {
			t.Error("a late request gets another token")
		}
		// All tabs are of one browser: the cookie that any of them has written is good.
		time.Sleep(testkit.TokenLife)
		tabs[7].Token()
		e.ExpectRefreshes(2, "next time")
	})
}

// TestTabsInTurn: without overlap at the tenant, two tabs in turn do not use a
// refresh token twice, although each sends a cookie that the other has outdated.
// For this, the process keeps the newest tokens for a minute.
func TestTabsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedInRefreshing(t)
		one := e.Browser().MustLogin()
		two := one.Clone()
		time.Sleep(testkit.TokenLife)
		one.Token()
		two.Token("force")
		time.Sleep(59 * time.Second)
		one.Token("audience=" + testkit.SecondAudience)
		if len(two.Cookies) != 1 || two.Token() == "" {
			t.Error("no token in the second tab")
		}
		e.ExpectRefreshes(3, "two tabs")
		// After a minute the process serves only one browser with one cookie: the one
		// that has shown that it has the newest tokens.
		time.Sleep(testkit.TokenLife)
		one.Token()
		one.Token()
		time.Sleep(61 * time.Second)
		if two.NoToken(401, "token_expired"); !two.LoggedIn() {
			t.Error("logged out by a token")
		}
	})
}

// TestTokensAfterTheFirstByte: a response that has started cannot carry new tokens. With
// rotation without overlap no other copy exists, so the process keeps them until the
// browser comes back and has them.
func TestTokensAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{0, time.Second, 2 * time.Minute, 5 * time.Hour} {
		for _, next := range []string{"stream", "script", "page"} {
			testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
				e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit)
				e.Mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprintln(w, "begun")
					if err := http.NewResponseController(w).Flush(); err != nil {
						t.Error(err)
					}
					token, err := e.Strategy.AccessToken(w, r, auth0.ForceRefresh())
					if err != nil {
						t.Errorf("%s after %v: %v", next, back, err)
						return
					}
					fmt.Fprint(w, token.AccessToken)
				})
				b := e.Browser().MustLogin()
				first := b.Token()
				seen := strings.TrimPrefix(b.Fetch("/stream").Body, "begun\n")
				if seen == first || seen == "" {
					t.Errorf("no new token: %q", seen)
				}
				e.ExpectRefreshes(1, "first byte")
				time.Sleep(back)
				switch next {
				case "stream":
					b.Fetch("/stream")
				case "page":
					b.Page("/")
				}
				b.Token("force")
				// The browser has them now, so its cookie works at another process.
				other, err := auth0.New(e.Config)
				if err != nil {
					t.Fatal(err)
				}
				r := b.Request("/token")
				if _, err := testkit.AccessToken(other, r, auth0.ForceRefresh()); err != nil {
					t.Errorf("%s after %v, another process: %v", next, back, err)
				}
			})
		}
	}
}

// TestForcedTokenIsNew: tokens that the browser has not received do not answer a later
// ForceRefresh.
func TestForcedTokenIsNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedInRefreshing(t)
		b := e.Browser().MustLogin()
		lost, err := testkit.AccessToken(e.Strategy, b.Request("/token"), auth0.ForceRefresh())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if b.Token() != lost.AccessToken {
			t.Error("the newest token of this process is not given")
		}
		b.Clone().Token("force")
		e.ExpectRefreshes(2, "forced later")
	})
}

// TestCallerLeaves: a sent refresh token is used up, so its first caller cannot
// cancel the request.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		e.Tenant.Delay(testkit.TokenEndpoint, 2*time.Second)
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		ctx, leave := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			r := httptest.NewRequest("GET", "/token", nil).WithContext(ctx)
			for name, value := range b.Cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			_, err := testkit.AccessToken(e.Strategy, r)
			first <- err
		}()
		time.Sleep(time.Second)
		tabs, got := testkit.Tabs(b, 5), make([]string, 5)
		begun := time.Now()
		go leave()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("whoever left gets %v", err)
		}
		if time.Since(begun) != 0 {
			t.Error("whoever left had to wait")
		}
		testkit.Together(5, func(i int) { got[i] = tabs[i].Token() })
		for _, token := range got {
			if token != got[0] {
				t.Error("different tokens")
			}
		}
		e.ExpectRefreshes(1, "the first caller left")

		// No caller waits for the token, and it is kept all the same.
		time.Sleep(testkit.TokenLife)
		ctx, leave = context.WithTimeout(t.Context(), time.Second)
		defer leave()
		r := httptest.NewRequest("GET", "/token", nil).WithContext(ctx)
		for name, value := range tabs[0].Cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if _, err := testkit.AccessToken(e.Strategy, r); err == nil {
			t.Error("a token came before the tenant has answered")
		}
		time.Sleep(30 * time.Second)
		tabs[0].Token()
		e.ExpectRefreshes(2, "the only caller left")
	})
}

// TestTwoUsersNeverShare mixes requests of two users, with refreshes all the time,
// and checks every answer.
func TestTwoUsersNeverShare(t *testing.T) {
	t.Parallel()
	const requests = 3_200
	for _, m := range testkit.Modes[:2] {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which would find a deadlock
				e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit)
				subjects, browsers := [2]string{}, [2]*testkit.Browser{}
				for i, name := range []string{"ada@acme.example", "bob@acme.example"} {
					e.SignInAtTenant(name)
					subjects[i], _ = e.Tenant.Subject(name)
					browsers[i] = e.Browser().MustLogin()
				}
				var wrong atomic.Int32
				testkit.Together(8, func(worker int) {
					who := worker % 2
					b := browsers[who].Clone()
					for i := range requests / 8 {
						query := ""
						switch {
						case i%80 == 0:
							query = "?force"
						case i%2 == 1:
							query = "?audience=" + testkit.SecondAudience
						}
						resp := b.Fetch("/token" + query)
						if resp.Status != 200 || subjectOf(resp.Body) != subjects[who] {
							wrong.Add(1)
						}
					}
				})
				if n := wrong.Load(); n > 0 {
					t.Errorf("%d of %d answers were not the caller's own token", n, requests)
				}
			})
		})
	}
}

// subjectOf returns sub of a token, without a check of the signature.
func subjectOf(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	var claims struct{ Sub string }
	json.Unmarshal(testkit.DecodeSegment(payload), &claims) // a text that is not a token has no subject
	return claims.Sub
}

// TestAudiencesAtOnce: all tokens come from one refresh token, and each use of it
// invalidates the one before.
func TestAudiencesAtOnce(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		e.Tenant.Delay(testkit.TokenEndpoint, 100*time.Millisecond)
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		wishes := []string{"", "audience=" + testkit.SecondAudience, "audience=https://third.example/", "audience=" + testkit.SecondAudience + "&scope=read:a", "force"}
		tabs := testkit.Tabs(b, 4*len(wishes))
		testkit.Together(len(tabs), func(i int) { tabs[i].Token(wishes[i%len(wishes)]) })
		if n := e.Refreshes(); n > len(wishes) {
			t.Errorf("%d token requests for %d tokens", n, len(wishes))
		}
		time.Sleep(30 * time.Second)
		tabs[0].Token("force") // the family of refresh tokens is alive
	})
}

func TestForceRefresh(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		b := e.Browser().MustLogin()
		first := b.Token()
		time.Sleep(time.Second)
		second := b.Token("force")
		if second == first || b.Token() != second {
			t.Error("the new token is not new, or not kept")
		}
		e.ExpectRefreshes(1, "forced")
		// A token that arrives during another request is new for both.
		e.Tenant.Delay(testkit.TokenEndpoint, time.Second)
		tabs, got := testkit.Tabs(b, 2), make([]string, 2)
		testkit.Together(2, func(i int) { got[i] = tabs[i].Token([]string{"force", "force&audience=" + testkit.Audience}[i]) })
		if got[0] != got[1] || got[0] == second {
			t.Error("two that are forced at once get different tokens, or an old one")
		}
		e.ExpectRefreshes(2, "two forced at once")
	})
}

// TestInvalidGrant: the tenant rejects the refresh token. That ends the tokens, and
// nothing else.
func TestInvalidGrant(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		b := e.Browser().MustLogin()
		first := b.Token()
		e.Tenant.RevokeRefreshTokens("ada@acme.example")
		time.Sleep(testkit.TokenLife - 10*time.Second)
		if b.Token() != first {
			t.Error("a token that is good for ten seconds is not given")
		}
		b.NoToken(401, "token_expired", "force") // that one is not new
		e.ExpectRefreshes(1, "refused")
		time.Sleep(10 * time.Second)
		for range 3 {
			b.NoToken(401, "token_expired")
		}
		b.NoToken(401, "token_expired", "audience="+testkit.SecondAudience)
		b.NoToken(401, "token_expired", "force")
		e.ExpectRefreshes(1, "a refusal is asked for once")
		if !b.LoggedIn() || b.Page("/private").Status != 200 {
			t.Error("logged out by a token")
		}
		b.Login("/auth/login?prompt=login")
		time.Sleep(testkit.TokenLife)
		b.Token()
	})
}

// TestTenantTrouble: the caller gets a token that is still good. Without one, the
// error says when to come back. The next try works.
func TestTenantTrouble(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		why        string
		answer     http.HandlerFunc
		status     int
		reason     string
		retryAfter string
	}{
		{"too many requests", answer(429, `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`, "Retry-After", "7"), 503, "tenant_unavailable", "7s"},
		{"too many requests, no time", answer(429, ""), 503, "tenant_unavailable", "0s"},
		{"error of the tenant", answer(500, `{"error":"server_error"}`), 503, "tenant_unavailable", "0s"},
		{"error of its edge", answer(503, "<html>", "Retry-After", "30"), 503, "tenant_unavailable", "30s"},
		{"answer that does not come", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 503, "tenant_unavailable", "0s"},
		{"empty answer", func(http.ResponseWriter, *http.Request) {}, 502, "tenant_answer", "0s"},
		{"no JSON", answer(200, "<html>"), 502, "tenant_answer", "0s"},
		{"no access token", answer(200, `{"token_type":"Bearer"}`), 502, "tenant_answer", "0s"},
		{"no token type", answer(200, `{"access_token":"x"}`), 502, "tenant_answer", "0s"},
		{"token that is bound to a key", answer(200, `{"access_token":"x","token_type":"DPoP"}`), 502, "token_not_bound", "0s"},
		{"wrong client secret", answer(401, `{"error":"access_denied","error_description":"Unauthorized"}`), 502, "tenant_answer", "0s"},
		{"unknown grant", answer(501, `{"error":"unsupported_grant_type"}`), 502, "tenant_answer", "0s"},
		{"refused by an Action", answer(403, `{"error":"access_denied","error_description":"not today"}`), 401, "token_expired", "0s"},
		{"blocked", answer(403, `{"error":"unauthorized","error_description":"user is blocked"}`), 401, "token_expired", "0s"},
		{"refused by an Action, as an error of the tenant", answer(500, `{"error":"access_denied","error_description":"not today"}`), 401, "token_expired", "0s"},
		{"refused by an Action, as too many requests", answer(429, `{"error":"access_denied","error_description":"not today"}`), 401, "token_expired", "0s"},
		{"policy of the tenant", answer(403, `{"error":"unmet_authentication_requirements"}`), 401, "token_expired", "0s"},
		{"policy of the tenant, 400", answer(400, `{"error":"unmet_authentication_requirements"}`), 401, "token_expired", "0s"},
		{"policy of the tenant, 503", answer(503, `{"error":"unmet_authentication_requirements"}`), 401, "token_expired", "0s"},
		{"interaction", answer(403, `{"error":"interaction_required"}`), 401, "token_expired", "0s"},
		{"interaction, 401", answer(401, `{"error":"interaction_required"}`), 401, "token_expired", "0s"},
		{"interaction, 500", answer(500, `{"error":"interaction_required"}`), 401, "token_expired", "0s"},
	}
	for _, tt := range tests {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit)
			b := e.Browser().MustLogin()
			first := b.Token()
			e.Tenant.Replace(testkit.TokenEndpoint, tt.answer)
			time.Sleep(testkit.TokenLife - 25*time.Second)
			if b.Token() != first {
				t.Errorf("%s: the token that is good for 25 seconds is not given", tt.why)
			}
			if !strings.Contains(e.Log.String(), "level=WARN") {
				t.Errorf("%s: nothing in the log", tt.why)
			}
			time.Sleep(time.Minute)
			resp := b.NoToken(tt.status, tt.reason)
			if got := resp.Header.Get("X-Retry-After"); got != tt.retryAfter {
				t.Errorf("%s: retry after %s, want %s", tt.why, got, tt.retryAfter)
			}
			if !b.LoggedIn() {
				t.Errorf("%s: logged out", tt.why)
			}
			e.Tenant.Replace(testkit.TokenEndpoint, nil)
			time.Sleep(time.Minute)
			if b.Token() == first {
				t.Errorf("%s: the old token afterwards", tt.why)
			}
		})
	}
}

// TestRefusedRefreshIsNotRepeated: not every page repeats a refresh that the tenant
// has rejected. A rejection says nothing about the next session, or another API.
func TestRefusedRefreshIsNotRepeated(t *testing.T) {
	t.Parallel()
	answer := func(status int, body, retryAfter string) func(*testkit.Env) {
		return func(e *testkit.Env) {
			e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, _ *http.Request) {
				if retryAfter != "" {
					w.Header().Set("Retry-After", retryAfter)
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
		}
	}
	user := func(edit func(*testkit.TenantUser)) func(*testkit.Env) {
		return func(e *testkit.Env) {
			u := testkit.TenantUser{Connection: testkit.Realm, Email: "ada@acme.example", EmailVerified: true, Password: testkit.Password}
			edit(&u)
			if err := e.Tenant.AddUser(u); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		why    string
		refuse func(*testkit.Env)
		status int
		reason string
		also   error
		hold   time.Duration // 0: each is asked
	}{
		{"blocked", user(func(u *testkit.TenantUser) { u.Blocked = true }), 401, "token_expired", auth0.ErrUserBlocked, time.Minute},
		{"denied by an Action", user(func(u *testkit.TenantUser) { u.DenyReason = "not today" }), 401, "token_expired", nil, time.Minute},
		{"blocked, as old tenants say it", answer(401, `{"error":"unauthorized","error_description":"user is blocked"}`, ""), 401, "token_expired", auth0.ErrUserBlocked, time.Minute},
		{"second factor", user(func(u *testkit.TenantUser) { u.MFAOnRefresh = true }), 403, "mfa_required", auth0.ErrMFARequired, 0},
		{"wrong client secret", answer(401, `{"error":"access_denied","error_description":"Unauthorized"}`, ""), 502, "tenant_answer", nil, time.Minute},
		{"scope", answer(400, `{"error":"invalid_scope"}`, ""), 502, "tenant_answer", nil, time.Minute},
		{"page of the edge", answer(403, `<html>`, ""), 502, "tenant_answer", nil, time.Minute},
		{"no token", answer(200, `{}`, ""), 502, "tenant_answer", nil, time.Minute},
		{"rate limit", answer(429, `{"error":"too_many_requests"}`, "7"), 503, "tenant_unavailable", auth0.ErrTenantUnavailable, 7 * time.Second},
		{"quota", answer(429, `{"error":"too_many_requests"}`, "3600"), 503, "tenant_unavailable", auth0.ErrTenantUnavailable, time.Minute},
		{"down", answer(503, `<html>`, ""), 503, "tenant_unavailable", auth0.ErrTenantUnavailable, time.Second},
		{"no answer", func(e *testkit.Env) { e.Tenant.Delay(testkit.TokenEndpoint, time.Hour) }, 503, "tenant_unavailable", auth0.ErrTenantUnavailable, 0},
	} {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			var got error
			e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit)
			e.Mux.HandleFunc("GET /why", func(w http.ResponseWriter, r *http.Request) {
				_, got = e.Strategy.AccessToken(w, r)
			})
			b, other := e.Browser().MustLogin(), e.Browser().MustLogin()
			time.Sleep(testkit.TokenLife)
			tt.refuse(e)
			asked := func() int { return e.Tenant.Calls(testkit.TokenEndpoint) - 2 }
			ask := func(why string, want int) {
				t.Helper()
				b.Fetch("/why")
				e := e.ExpectError(got, cmp.Or(tt.also, got))
				if e.Status != tt.status || e.Reason != tt.reason || tt.reason == "token_expired" && (!errors.Is(got, auth0.ErrTokenExpired) || e.TenantStatus == 0) {
					t.Errorf("%s, %s: got %+v", tt.why, why, e)
				}
				if asked() != want {
					t.Errorf("%s, %s: %d requests, want %d", tt.why, why, asked(), want)
				}
			}
			ask("first", 1)
			if tt.hold == 0 {
				ask("again", 2)
				return
			}
			time.Sleep(tt.hold - time.Millisecond)
			for range 3 {
				ask("again", 1)
			}
			if e := e.ExpectError(got, cmp.Or(tt.also, got)); tt.why == "rate limit" && e.RetryAfter != time.Millisecond || tt.why == "quota" && e.RetryAfter != time.Hour-time.Minute+time.Millisecond {
				t.Errorf("%s: retry after %v", tt.why, e.RetryAfter)
			}
			if other.Fetch("/why"); asked() != 2 {
				t.Errorf("%s: another session asks %d times", tt.why, asked()-1)
			}
			if b.NoToken(tt.status, tt.reason, "audience="+testkit.SecondAudience); asked() != 3 {
				t.Errorf("%s: another API is asked for %d times", tt.why, asked()-2)
			}
			time.Sleep(time.Millisecond)
			ask("later", 4)
			if !b.LoggedIn() {
				t.Errorf("%s: logged out", tt.why)
			}
			// The refresh token is still there.
			e.Tenant.Replace(testkit.TokenEndpoint, nil)
			user(func(*testkit.TenantUser) {})(e)
			time.Sleep(time.Minute)
			b.Token()
		})
	}
}

// TestHangingRefresh: a caller waits for ten seconds at most.
func TestHangingRefresh(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		b := e.Browser().MustLogin()
		e.Tenant.Delay(testkit.TokenEndpoint, time.Hour)
		time.Sleep(testkit.TokenLife)
		begun := time.Now()
		tabs := testkit.Tabs(b, 5)
		testkit.Together(5, func(i int) { tabs[i].NoToken(503, "tenant_unavailable") })
		if d := time.Since(begun); d > 10*time.Second {
			t.Errorf("waited %v", d)
		}
		e.ExpectRefreshes(1, "five requests")
	})
}

// TestRefreshedIDToken: the user of a session does not change. A session loses its
// refresh token only with the proof that the answer was for another user. With a
// wrong clock, nothing is proved. Any other mistake is between the tenant and the
// application, and another login would not help.
func TestRefreshedIDToken(t *testing.T) {
	t.Parallel()
	const loginAt = 946684800 // when the bubble begins
	authTime := func(c map[string]any) { c["auth_time"] = int64(loginAt - 60) }
	type outcome struct {
		status int
		reason string
		kept   bool // the refresh token
	}
	good := outcome{200, "", true}
	gone := outcome{401, "token_expired", false}
	clock := outcome{503, "clock_skew", true}
	odd := outcome{502, "tenant_answer", true}
	both := func(edits ...func(_, _ map[string]any)) func(_, _ map[string]any) {
		return func(h, c map[string]any) {
			for _, edit := range edits {
				edit(h, c)
			}
		}
	}
	tests := []struct {
		why  string
		edit func(header, claims map[string]any)
		want outcome
	}{
		{"unchanged", func(_, _ map[string]any) {}, good},
		{"the nonce of the login", nil, good}, // see below
		{"no auth_time", testkit.Claim("auth_time", nil), good},
		{"newer auth_time", testkit.Claim("auth_time", loginAt), good}, // authenticated again elsewhere
		{"the organization of nobody", testkit.Claim("org_id", "org_new"), good},

		// Signed by the tenant, for another user.
		{"other sub", testkit.Claim("sub", "auth0|mallory"), gone},
		{"other iss", testkit.Claim("iss", "https://other.example/"), gone},
		{"other sub and nonce", both(testkit.Claim("sub", "auth0|mallory"), testkit.Claim("nonce", "other")), gone},

		// The clock of the tenant or of this machine is wrong.
		{"expired", testkit.Claim("exp", loginAt), clock},
		{"iat ahead", testkit.Claim("iat", loginAt+3600), clock},
		{"nbf ahead", testkit.Claim("nbf", loginAt+3600), clock},
		{"auth_time ahead", testkit.Claim("auth_time", loginAt+3600), clock},
		{"other sub, expired", both(testkit.Claim("sub", "auth0|mallory"), testkit.Claim("exp", loginAt)), clock}, // known when the time is

		// An answer of the tenant that names no other user.
		{"no sub", testkit.Claim("sub", nil), odd},
		{"other aud", testkit.Claim("aud", "other-client"), odd},
		{"other azp", testkit.Claim("azp", "other-client"), odd},
		{"other nonce", testkit.Claim("nonce", "other"), odd},
		{"older auth_time", testkit.Claim("auth_time", loginAt-61), odd},
		{"iat long before the login", testkit.Claim("iat", loginAt-3600), odd},
		{"no iat", testkit.Claim("iat", nil), odd},
		{"no exp", testkit.Claim("exp", nil), odd},
		{"other at_hash", testkit.Claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), odd},
		{"other algorithm", testkit.Header("alg", "HS256"), odd}, // its signature is not looked at
		{"no signature", testkit.Header("alg", "none"), odd},
		{"access token", testkit.Header("typ", "at+jwt"), odd},
		{"claim of the wrong form", testkit.Claim("exp", "tomorrow"), odd},
		{"too long", testkit.Claim("x", strings.Repeat("x", 20_000)), odd},
	}
	for _, tt := range tests {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, m.Edit)
			var nonce any
			e.Tenant.EditIDToken(func(_, c map[string]any) { nonce = c["nonce"]; authTime(c) })
			b := e.Browser().MustLogin()
			e.Tenant.EditIDToken(func(h, c map[string]any) {
				authTime(c)
				c["name"] = "Somebody New"
				if tt.edit == nil {
					c["nonce"] = nonce
				} else {
					tt.edit(h, c)
				}
			})
			time.Sleep(testkit.TokenLife)
			if tt.want.status == 200 {
				b.Token()
			} else {
				for range 3 {
					b.NoToken(tt.want.status, tt.want.reason)
				}
				if level := map[bool]string{true: "level=WARN", false: "level=ERROR"}[tt.want.kept]; !strings.Contains(e.Log.String(), level+` msg="auth0: the ID token of a refresh`) {
					t.Errorf("%s: nothing in the log", tt.why)
				}
			}
			e.ExpectRefreshes(1, tt.why)
			user := e.UserOf(b)
			if user.Subject == "" || user.Email != "ada@acme.example" || (user.Name == "Somebody New") != (tt.want.status == 200) {
				t.Errorf("%s: the session is of %q, %q", tt.why, user.Email, user.Name)
			}
			// Once the tenant works again, the refresh token of the last answer is good,
			// unless it was not kept.
			e.Tenant.EditIDToken(func(_, c map[string]any) { authTime(c); c["auth_time"] = loginAt + 1 })
			time.Sleep(time.Minute + testkit.TokenLife)
			if tt.want.kept {
				b.Token()
			} else {
				b.NoToken(401, "token_expired")
			}
			// After another login, all tokens work.
			e.Tenant.EditIDToken(nil)
			b.Login("/auth/login?prompt=login")
			time.Sleep(testkit.TokenLife)
			b.Token()
		})
	}
}

// TestNewerAuthTimeIsKept: a session has the time of its user's last
// authentication.
func TestNewerAuthTimeIsKept(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		at := time.Now().Unix() - 60
		e.Tenant.EditIDToken(func(_, c map[string]any) { c["auth_time"] = at })
		b := e.Browser().MustLogin()
		for _, step := range []struct{ at, want int64 }{{at, at}, {at + 30, at + 30}, {at + 30, at + 30}} {
			e.Tenant.EditIDToken(func(_, c map[string]any) { c["auth_time"] = step.at })
			time.Sleep(testkit.TokenLife)
			b.Token()
			session, err := e.Strategy.Session(b.Request("/"))
			if err != nil || session.AuthenticatedAt.Unix() != step.want {
				t.Errorf("after auth_time %d: %v, %v", step.at, session, err)
			}
		}
		e.Tenant.EditIDToken(func(_, c map[string]any) { c["auth_time"] = at }) // of before
		time.Sleep(testkit.TokenLife)
		b.NoToken(502, "tenant_answer")
	})
}

// TestOrganizationOfRefreshedIDToken: a refresh for another organization is of
// another session.
func TestOrganizationOfRefreshedIDToken(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		e.Tenant.EditIDToken(testkit.Claim("org_id", "org_a"))
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		b.Token()
		e.Tenant.EditIDToken(testkit.Claim("org_id", "org_b"))
		time.Sleep(testkit.TokenLife)
		b.NoToken(401, "token_expired")
		e.Tenant.EditIDToken(testkit.Claim("org_id", "org_a"))
		time.Sleep(2 * time.Minute)
		b.NoToken(401, "token_expired")
	})
}

// TestRefreshWithoutTheRightKeys: an ID token that cannot be verified for lack of
// keys is not forged. It is an outage, and the session keeps the refresh token of
// the answer, because there is no other.
func TestRefreshWithoutTheRightKeys(t *testing.T) {
	t.Parallel()
	rotate := func(e *testkit.Env) {
		e.Tenant.RotateKeys()
		e.Tenant.RotateKeys() // the next key was published before
	}
	// wait until the keys are due, and have them fetched.
	refetch := func(e *testkit.Env) {
		time.Sleep(2 * time.Hour)
		e.FreshKeys()
	}
	for _, tt := range []struct {
		why    string
		before func(*testkit.Env) // the refresh
		after  func(*testkit.Env) // it; then the refresh works
		held   time.Duration
	}{
		{"rotation, key endpoint down", func(e *testkit.Env) { rotate(e); e.Tenant.Fail(testkit.JWKSEndpoint, 500) }, func(e *testkit.Env) { e.Tenant.Fail(testkit.JWKSEndpoint, 0) }, time.Minute},
		{"rotation, key endpoint has had enough", func(e *testkit.Env) { rotate(e); e.Tenant.Fail(testkit.JWKSEndpoint, 429) }, func(e *testkit.Env) { e.Tenant.Fail(testkit.JWKSEndpoint, 0) }, time.Minute},
		{"rotation, fetches held back", func(e *testkit.Env) {
			e.Tenant.Fail(testkit.JWKSEndpoint, 500)
			e.Strategy.Application().KeySet().VerifySignature(context.Background(), testkit.Unverifiable("made-up")) // fails
			e.Tenant.Fail(testkit.JWKSEndpoint, 0)
			rotate(e)
		}, func(*testkit.Env) {}, time.Minute},
		{"rotation, key endpoint does not answer", func(e *testkit.Env) { rotate(e); e.Tenant.Delay(testkit.JWKSEndpoint, time.Hour) }, func(e *testkit.Env) { e.Tenant.Delay(testkit.JWKSEndpoint, 0) }, time.Minute},
		{"rotation that is not published yet", func(e *testkit.Env) {
			e.FreshKeys()
			old := httptest.NewRecorder()
			e.Tenant.ServeHTTP(old, httptest.NewRequest("GET", "https://"+testkit.TenantHost+"/.well-known/jwks.json", nil))
			rotate(e)
			e.Tenant.Replace(testkit.JWKSEndpoint, func(w http.ResponseWriter, r *http.Request) { w.Write(old.Body.Bytes()) })
		}, func(e *testkit.Env) { e.Tenant.Replace(testkit.JWKSEndpoint, nil) }, time.Minute},
		{"key is briefly for something else", func(e *testkit.Env) {
			e.Tenant.EditJWKS(func(doc map[string]any) {
				for _, key := range doc["keys"].([]map[string]any) {
					key["use"] = "enc"
				}
				doc["keys"] = append(doc["keys"].([]map[string]any), map[string]any{
					"kty": "OKP", "crv": "Ed25519", "kid": "other", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
			})
			refetch(e)
		}, func(e *testkit.Env) { e.Tenant.EditJWKS(nil); refetch(e) }, time.Minute},
		{"kid is given to another key, key endpoint down", func(e *testkit.Env) {
			e.Tenant.SignWithForeignKey(true)
			e.Tenant.Fail(testkit.JWKSEndpoint, 500)
		}, func(e *testkit.Env) {
			e.Tenant.SignWithForeignKey(false)
			e.Tenant.Fail(testkit.JWKSEndpoint, 0)
		}, time.Minute},
	} {
		t.Run(tt.why, func(t *testing.T) {
			testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
				e := testkit.SignedInRefreshing(t, m.Edit)
				b := e.Browser().MustLogin()
				time.Sleep(testkit.TokenLife)
				tt.before(e)
				resp := b.NoToken(503, "keys_unavailable")
				if resp.Header.Get("X-Retry-After") == "0s" {
					t.Error("no Retry-After")
				}
				if !b.LoggedIn() {
					t.Error("logged out")
				}
				tt.after(e)
				time.Sleep(tt.held)
				b.Token()
			})
		})
	}
}

// TestRefreshOfAmbiguousKey: a token without kid matches a single key, and none of
// several.
func TestRefreshOfAmbiguousKey(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		b := e.Browser().MustLogin()
		e.Tenant.EditIDToken(testkit.Header("kid", nil))
		time.Sleep(testkit.TokenLife)
		b.NoToken(503, "keys_unavailable")
		e.Tenant.EditIDToken(nil)
		time.Sleep(time.Minute)
		b.Token()
	})
}

// TestRefreshedIDTokenForged: a wrong signature, with fresh keys, proves that the
// tenant has not made the token.
func TestRefreshedIDTokenForged(t *testing.T) {
	t.Parallel()
	for _, claims := range []func(_, _ map[string]any){nil, testkit.Claim("iss", "https://other.example/")} {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, m.Edit)
			b := e.Browser().MustLogin()
			e.Tenant.SignWithForeignKey(true)
			e.Tenant.EditIDToken(claims)
			time.Sleep(testkit.TokenLife)
			e.FreshKeys()
			fetches := e.Tenant.Calls(testkit.JWKSEndpoint)
			b.NoToken(401, "token_expired")
			if n := e.Tenant.Calls(testkit.JWKSEndpoint) - fetches; n != 1 {
				t.Errorf("the keys were fetched %d times before the token was called a forgery, want 1", n)
			}
			e.Tenant.SignWithForeignKey(false)
			e.Tenant.EditIDToken(nil)
			time.Sleep(2 * time.Minute)
			b.NoToken(401, "token_expired")
		})
	}
}

// TestStrangersDoNotUseUpFetches: tokens that strangers send to a program do not
// keep its own logins and refreshes from the keys they need.
func TestStrangersDoNotUseUpFetches(t *testing.T) {
	t.Parallel()
	noSignature := testkit.Constant(make([]byte, 256)) // without a key, it is not checked
	strangers := map[string]func(e *testkit.Env, api *auth0.API, kid string){
		"logout tokens": func(e *testkit.Env, _ *auth0.API, kid string) {
			now := time.Now().Unix()
			e.EndByToken(testkit.Compact(fmt.Sprintf(`{"alg":"RS256","typ":"logout+jwt","kid":%q}`, kid), fmt.Sprintf(
				`{"iss":"https://%s/","aud":%q,"iat":%d,"exp":%d,"jti":%q,"sub":"x","events":{"http://schemas.openid.net/event/backchannel-logout":{}}}`,
				testkit.TenantHost, testkit.ClientID, now, now+120, kid), noSignature))
		},
		"access tokens": func(e *testkit.Env, api *auth0.API, kid string) {
			api.Verify(e.T.Context(), testkit.Compact(fmt.Sprintf(`{"alg":"RS256","kid":%q}`, kid), fmt.Sprintf(
				`{"iss":"https://%s/","sub":"x","aud":%q,"exp":%d}`, testkit.TenantHost, testkit.Audience, time.Now().Unix()+99), noSignature))
		},
		"signatures": func(e *testkit.Env, _ *auth0.API, kid string) {
			e.Strategy.Application().KeySet().VerifySignature(e.T.Context(), testkit.Unverifiable(kid))
		},
	}
	for name, send := range strangers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedInRefreshing(t, testkit.InStore)
				api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet(), HTTPClient: e.Config.HTTPClient})
				if err != nil {
					t.Fatal(err)
				}
				b := e.Browser().MustLogin()
				time.Sleep(testkit.TokenLife)
				e.FreshKeys()
				before := e.Tenant.Calls(testkit.JWKSEndpoint)
				for i := range 200 {
					send(e, api, fmt.Sprint("x", i))
				}
				if n := e.Tenant.Calls(testkit.JWKSEndpoint) - before; n != 2 {
					t.Errorf("200 made-up kids: %d fetches, want 2", n)
				}
				e.Tenant.RotateKeys()
				e.Tenant.RotateKeys()
				b.Token()
				e.Tenant.RotateKeys()
				e.Tenant.RotateKeys()
				e.Browser().MustLogin()
			})
		})
	}
}

// TestJoinedFetchCanBeTooOld: a fetch that started before a token came can have
// been answered before its key was published. That is not a reason to reject the
// token.
func TestJoinedFetchCanBeTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedInRefreshing(t, testkit.InStore)
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		// A stranger's fetch returns the earlier keys, slowly.
		slow := true
		old := httptest.NewRecorder()
		e.Tenant.ServeHTTP(old, httptest.NewRequest("GET", "https://"+testkit.TenantHost+"/.well-known/jwks.json", nil))
		e.Tenant.Replace(testkit.JWKSEndpoint, func(w http.ResponseWriter, r *http.Request) {
			if !slow {
				current := httptest.NewRecorder()
				e.Tenant.Replace(testkit.JWKSEndpoint, nil)
				e.Tenant.ServeHTTP(current, r)
				w.Write(current.Body.Bytes())
				return
			}
			slow = false
			time.Sleep(time.Second)
			w.Write(old.Body.Bytes())
		})
		go e.Strategy.Application().KeySet().VerifySignature(t.Context(), testkit.Unverifiable("made-up"))
		synctest.Wait()
		e.Tenant.RotateKeys()
		e.Tenant.RotateKeys()
		b.Token()
	})
}

// TestRefreshWithoutKeys: an ID token that cannot be checked now is not a forgery,
// and the refresh token of its answer is the only one.
func TestRefreshWithoutKeys(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		b := e.Browser().MustLogin()
		e.Tenant.Fail(testkit.JWKSEndpoint, 503)
		time.Sleep(testkit.TokenLife)
		b.Token() // with the keys of before
		time.Sleep(25*time.Hour - testkit.TokenLife)
		b = e.Browser()
		e.Tenant.Fail(testkit.JWKSEndpoint, 0)
		b.MustLogin()
		e.Tenant.Fail(testkit.JWKSEndpoint, 503)
		restarted := testkit.SignedInRefreshing(t, func(c *auth0.Config) { *c = e.Config })
		b.Env = restarted
		time.Sleep(testkit.TokenLife)
		b.NoToken(503, "keys_unavailable")
		time.Sleep(2 * time.Minute)
		e.Tenant.Fail(testkit.JWKSEndpoint, 0)
		b.Token()
	})
}

// TestRefreshWithAnotherSecret: a secret has no kid, so a wrong signature can be
// one by the next secret.
func TestRefreshWithAnotherSecret(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit, func(c *auth0.Config) {
			c.ClientSecret, c.Keys = testkit.EncodedSecret, testkit.Must(auth0.SharedSecret(testkit.EncodedSecret))
		})
		testkit.OldApplication(e, testkit.EncodedSecret, false)
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		testkit.OldApplication(e, testkit.EncodedSecret, true)
		b.NoToken(503, "keys_unavailable")
		testkit.OldApplication(e, testkit.EncodedSecret, false)
		time.Sleep(time.Minute)
		b.Token()
	})
}

// TestTokenTypesAndLifetimes: one parser for a login and a refresh.
func TestTokenTypesAndLifetimes(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * 3600
	tests := []struct {
		why     string
		name    string
		value   any
		seconds time.Duration
	}{
		{"as always", "", nil, 600},
		{"lower case", "token_type", "bearer", 600},
		{"upper case", "token_type", "BEARER", 600},
		{"no lifetime", "expires_in", nil, 300},
		{"no lifetime that makes sense", "expires_in", 0, 300},
		{"lifetime that is over", "expires_in", -5, 300},
		{"lifetime of a thousand years", "expires_in", 32e9, year},
		{"lifetime in nanoseconds", "expires_in", 3600e9, year},
		{"lifetime with a fraction", "expires_in", 90.5, 90},
		{"lifetime as text", "expires_in", "3600", 3600},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedInRefreshing(t)
			e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) {
				if tt.value == nil {
					delete(body, tt.name)
				} else {
					body[tt.name] = tt.value
				}
			})
			b := e.Browser().MustLogin()
			for _, why := range []string{"login", "refresh"} {
				query := ""
				if why == "refresh" {
					query = "?force"
				}
				resp := b.Fetch("/token" + query)
				if want := time.Now().Add(tt.seconds * time.Second).UTC().Format(time.RFC3339); resp.Status != 200 || resp.Header.Get("X-Expiry") != want {
					t.Errorf("%s, %s: %d, expiry %s, want %s", tt.why, why, resp.Status, resp.Header.Get("X-Expiry"), want)
				}
			}
			e.ExpectRefreshes(1, tt.why)
		})
	}
}

// TestAudiencesAndScopes: a refresh happens if no token has the requested scopes,
// and the caller gets the narrowest token.
func TestAudiencesAndScopes(t *testing.T) {
	t.Parallel()
	second := "audience=" + testkit.SecondAudience
	type step struct {
		query     string
		refreshes int    // so far
		scope     string // of the token
	}
	const oidc = "openid profile email offline_access"
	tests := []struct {
		why   string
		steps []step
	}{
		{"the audience of the login needs nothing", []step{{"", 0, oidc + " read:protected"}, {"audience=" + testkit.Audience, 0, oidc + " read:protected"}}},
		{"another audience", []step{{second, 1, oidc + " read:a read:b read:c"}, {second, 1, oidc + " read:a read:b read:c"}, {"", 1, oidc + " read:protected"}}},
		{"order of scopes", []step{{second + "&scope=read:a+read:b", 1, "read:a read:b"}, {second + "&scope=read:b+read:a", 1, "read:a read:b"}}},
		{"a token that can do more", []step{{second + "&scope=read:a+read:b", 1, "read:a read:b"}, {second + "&scope=read:b", 1, "read:a read:b"}, {second + "&scope=read:c", 2, "read:c"}}},
		{"the one that can do least", []step{{second + "&scope=read:a+read:b+read:c", 1, "read:a read:b read:c"}, {second + "&scope=read:a&force", 2, "read:a"}, {second + "&scope=read:a", 2, "read:a"}, {second + "&scope=read:b", 2, "read:a read:b read:c"}}},
		{"scope that is not granted", []step{{second + "&scope=read:a+write:all", 1, "read:a"}, {second + "&scope=read:a+write:all", 1, "read:a"}, {second + "&scope=write:all", 1, "read:a"}}},
		{"two wishes, one grant", []step{{second + "&scope=read:a+write:all", 1, "read:a"}, {second + "&scope=read:a+drop:all", 2, "read:a"}, {second + "&scope=read:a+write:all", 2, "read:a"}, {second + "&scope=write:all+drop:all", 2, "read:a"}}},
		{"fewer scopes of the login's audience", []step{{"scope=read:protected", 0, oidc + " read:protected"}, {"scope=read:protected&force", 1, "read:protected"}, {"", 1, oidc + " read:protected"}}},
	}
	for _, tt := range tests {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, m.Edit)
			b := e.Browser().MustLogin()
			for i, s := range tt.steps {
				token := b.Token(s.query)
				var claims struct{ Scope string }
				json.Unmarshal(testkit.DecodeSegment(strings.Split(token, ".")[1]), &claims)
				if e.Refreshes() != s.refreshes || claims.Scope != s.scope {
					t.Errorf("%s: step %d: token with %q after %d refreshes, want %q, %d", tt.why, i, claims.Scope, e.Refreshes(), s.scope, s.refreshes)
				}
			}
		})
	}
}

// TestTokensOfASession: eight at most. The token of the login is never dropped to
// make room.
func TestTokensOfASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedInRefreshing(t, testkit.InStore)
		b := e.Browser().MustLogin()
		wish := func(i int) string { return fmt.Sprintf("audience=%s&scope=read:a+x:%d", audienceNumber(i), i) }
		for i := range 8 {
			audience := audienceNumber(i)
			if err := e.Tenant.AddAPI(testkit.TenantAPI{Audience: audience, Scopes: []string{"read:a"}, Lifetime: testkit.TokenLife}); err != nil {
				t.Fatal(err)
			}
			e.EditClient(func(c *testkit.TenantClient) {
				c.RefreshTokenPolicies = append(c.RefreshTokenPolicies, testkit.ClientGrant{Audience: audience, Scopes: []string{"read:a"}})
			})
			time.Sleep(time.Second)
			b.Token(wish(i))
		}
		b.Token()
		for i := 1; i < 8; i++ {
			b.Token(wish(i))
		}
		e.ExpectRefreshes(8, "eight tokens")
		b.Token(wish(0))
		e.ExpectRefreshes(9, "the oldest has made room")
	})
}

func audienceNumber(i int) string { return fmt.Sprintf("https://api%d.example/", i) }

// TestAudienceThatIsNotAllowed: the tenant then returns a token for the API of the
// login. The other API must not get it.
func TestAudienceThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		e.EditClient(func(c *testkit.TenantClient) { c.RefreshTokenPolicies = nil })
		b := e.Browser().MustLogin()
		for range 2 {
			b.NoToken(502, "tenant_answer", "audience="+testkit.SecondAudience)
		}
		time.Sleep(testkit.TokenLife)
		b.Token() // with the refresh token that came with it
	})
}

// TestPanicAfterRefresh: new tokens are kept whatever happens to the request,
// because the old refresh token is used up.
func TestPanicAfterRefresh(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		got := ""
		e.Mux.HandleFunc("GET /panic", func(w http.ResponseWriter, r *http.Request) {
			token, err := e.Strategy.AccessToken(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			got = token.AccessToken
			panic(http.ErrAbortHandler)
		})
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			b.Fetch("/panic")
		}()
		if b.Token() != got {
			t.Error("the token of before the panic is lost")
		}
		e.ExpectRefreshes(1, "panic")
	})
}

// TestSaveAndRefresh in one response: neither undoes the other.
func TestSaveAndRefresh(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		save := func(w http.ResponseWriter, r *http.Request, name string) {
			s, err := e.Strategy.Session(r)
			if err != nil {
				t.Error(err)
				return
			}
			s.Data[name] = "kept"
			if err := e.Strategy.SaveSession(w, r, s); err != nil {
				t.Error(err)
			}
		}
		e.Mux.HandleFunc("GET /both", func(w http.ResponseWriter, r *http.Request) {
			save(w, r, "before")
			token, err := e.Strategy.AccessToken(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			save(w, r, "after")
			fmt.Fprint(w, token.AccessToken)
		})
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		got := b.Page("/both").Body
		s, err := e.Strategy.Session(b.Request("/"))
		if err != nil || s.Data["before"] != "kept" || s.Data["after"] != "kept" {
			t.Errorf("data %v, %v", s.Data, err)
		}
		time.Sleep(2 * time.Minute)
		if b.Token() != got {
			t.Error("the token is lost")
		}
		e.ExpectRefreshes(1, "save, refresh, save")
	})
}

// TestLogoutDuringRefresh: a running request does not restore a session that has
// ended meanwhile.
func TestLogoutDuringRefresh(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		testkit.Mode
		rounds int
	}{
		{testkit.Mode{Name: "in a store", Edit: testkit.InStore}, 64},
		{testkit.Mode{Name: "in a plain store", Edit: testkit.InPlainStore}, 40},
		{testkit.Mode{Name: "in cookies, with revocations", Edit: testkit.Revocable}, 40},
	} {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedInRefreshing(t, m.Edit, testkit.CheapTokens)
				e.Tenant.Delay(testkit.TokenEndpoint, time.Millisecond)
				revived := 0
				for round := range m.rounds {
					b := e.Browser()
					b.Login("/auth/login")
					tab := b.Clone()
					testkit.Together(2, func(i int) {
						// Now before the refresh, now while it is under way, now after it:
						// eight times, again and again.
						if i == 0 {
							time.Sleep(time.Duration(round%8) * 200 * time.Microsecond)
							b.Logout()
						} else {
							time.Sleep(100 * time.Microsecond)
							tab.Fetch("/token?force")
						}
					})
					synctest.Wait()
					if tab.LoggedIn() || b.LoggedIn() || tab.Fetch("/token").Status == 200 {
						revived++
					}
				}
				if revived > 0 {
					t.Errorf("%d of %d sessions go on after the logout", revived, m.rounds)
				}
			})
		})
	}
}

// TestTwoProcesses: they share a store, and refresh tokens rotate without overlap.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := testkit.SignedInRefreshing(t, testkit.InStore)
		two := testkit.SignedInRefreshing(t, func(c *auth0.Config) { *c = one.Config })
		one.Tenant.Delay(testkit.TokenEndpoint, time.Second)
		b := one.Browser().MustLogin()
		for round := range 3 {
			time.Sleep(testkit.TokenLife)
			tabs, got := testkit.Tabs(b, 20), make([]string, 20)
			for i := range 10 {
				tabs[i].Env = two
			}
			testkit.Together(20, func(i int) { got[i] = tabs[i].Token() })
			one.ExpectRefreshes(1+round, "two processes")
			for _, token := range got {
				if token != got[0] {
					t.Error("different tokens")
				}
			}
		}
	})
}

// TestTwoProcessesWithoutLeases: both can use a refresh token. The second one takes
// the token of the first, and does not undo it.
func TestTwoProcessesWithoutLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := testkit.SignedInRefreshing(t, testkit.InPlainStore)
		b := one.Browser().MustLogin()
		first, got := b.Clone(), ""
		two := testkit.SignedInRefreshing(t, func(c *auth0.Config) {
			*c = one.Config
			c.HTTPClient = &http.Client{Transport: &testkit.TokenSpy{Next: before{one.Config.HTTPClient.Transport, func() { got = first.Token() }}}}
		})
		time.Sleep(testkit.TokenLife)
		b.Env = two
		if token := b.Token(); token != got || got == "" {
			t.Error("the second does not take what the first has got")
		}
		one.ExpectRefreshes(2, "one for each")
		if first.Token() != got {
			t.Error("the token of the first is lost")
		}
	})
}

// TestTwoProcessesInCookies cannot coordinate. With an overlap at the tenant, no
// user notices.
func TestTwoProcessesInCookies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := testkit.SignedInRefreshing(t)
		one.RotateRefreshTokens(true, 30*time.Second)
		one.Tenant.Delay(testkit.TokenEndpoint, time.Second)
		two := testkit.SignedInRefreshing(t, func(c *auth0.Config) { *c = one.Config })
		b := one.Browser().MustLogin()
		for round := range 3 {
			time.Sleep(testkit.TokenLife)
			tabs := testkit.Tabs(b, 20)
			for i := range tabs {
				tabs[i].Env = []*testkit.Env{one, two}[i%2]
			}
			testkit.Together(20, func(i int) { tabs[i].Token() })
			one.ExpectRefreshes(2*round+2, "one for each process")
			b = tabs[7*round] // the newest cookie of the browser
		}
	})
}

// TestLostAnswer: the tenant has rotated the refresh token, and the answer with the
// new one is lost. Within the overlap, the next request repairs that.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		lost := false
		e := testkit.SignedInRefreshing(t, m.Edit, func(c *auth0.Config) {
			c.HTTPClient = &http.Client{Transport: lossy{c.HTTPClient.Transport, func() bool { return lost }}}
		})
		e.RotateRefreshTokens(true, time.Minute)
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)
		lost = true
		b.NoToken(503, "tenant_unavailable")
		lost = false
		time.Sleep(30 * time.Second)
		b.Token()
		time.Sleep(testkit.TokenLife)
		b.Token()
	})
}

// lossy sends requests, and loses answers.
type lossy struct {
	next http.RoundTripper
	lose func() bool
}

func (l lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil && l.lose() {
		resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return resp, err
}

// before calls a function before each request to the token endpoint.
type before struct {
	next http.RoundTripper
	do   func()
}

func (b before) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/oauth/token" {
		b.do()
	}
	return b.next.RoundTrip(r)
}

// TestClient calls an API with the token of the session. It refreshes the token
// when it is due, and sends it to no other host.
func TestClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedInRefreshing(t)
		type call struct{ host, authorization string }
		var calls []call
		api := testkit.Hosts{}
		for _, host := range []string{"api.example", "elsewhere.example"} {
			api[host] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls = append(calls, call{host, r.Header.Get("Authorization")})
				if to := r.URL.Query().Get("to"); to != "" {
					w.Header().Set("Location", to)
					w.WriteHeader(http.StatusTemporaryRedirect)
				}
			})
		}
		var last *http.Response
		var lastErr error
		e.Mux.HandleFunc("GET /call", func(w http.ResponseWriter, r *http.Request) {
			client := e.Strategy.Client(w, r)
			client.Transport.(*auth0.ProofTransport).Base = api
			if last, lastErr = client.Get("https://api.example/?to=" + r.URL.Query().Get("to")); lastErr == nil {
				last.Body.Close()
			}
		})
		e.Browser().Fetch("/call")
		if !errors.Is(lastErr, auth0.ErrNoSession) || len(calls) != 0 {
			t.Errorf("logged out: %v, %d calls", lastErr, len(calls))
		}
		b := e.Browser().MustLogin()
		first := b.Token()
		time.Sleep(testkit.TokenLife)
		b.Fetch("/call")
		second := b.Token()
		if lastErr != nil || len(calls) != 1 || calls[0].authorization != "Bearer "+second || first == second {
			t.Fatalf("%v, %d calls", lastErr, len(calls))
		}
		for to, want := range map[string]int{"/there": 2, "https://api.example/there": 2, "https://elsewhere.example/": 1, "http://api.example/": 1, "https://api.example.elsewhere.example/": 1} {
			calls = nil
			b.Fetch("/call?to=" + to)
			if lastErr != nil || len(calls) != want || want == 1 && last.StatusCode != http.StatusTemporaryRedirect {
				t.Errorf("redirect to %s: %d calls, %v", to, len(calls), lastErr)
			}
			for _, c := range calls {
				if c.host != "api.example" {
					t.Errorf("%s was called, with %.10q", c.host, c.authorization)
				}
			}
		}
	})
}

// TestLogoutRevokesRefreshToken: no request waits for the revocation, and nothing
// depends on it.
func TestLogoutRevokesRefreshToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why    string
		spoil  func(*testkit.Env)
		calls  int
		warned bool
	}{
		{"as always", func(*testkit.Env) {}, 1, false},
		{"no refresh token", func(e *testkit.Env) {
			e.EditClient(func(c *testkit.TenantClient) { c.GrantTypes = []string{"authorization_code"} })
		}, 0, false},
		{"the tenant fails", func(e *testkit.Env) { e.Tenant.Fail(testkit.RevokeEndpoint, 500) }, 1, true},
		{"the tenant does not take the secret", func(e *testkit.Env) { e.EditClient(func(c *testkit.TenantClient) { c.Secret = "another" }) }, 1, true},
		{"the tenant does not answer", func(e *testkit.Env) { e.Tenant.Delay(testkit.RevokeEndpoint, time.Hour) }, 1, true},
	}
	for _, tt := range tests {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, m.Edit)
			b := e.Browser()
			if tt.calls == 0 {
				tt.spoil(e)
				b.MustLogin()
			} else {
				b.MustLogin()
				tt.spoil(e)
			}
			begun := time.Now()
			b.Logout()
			if d := time.Since(begun); d > 0 {
				t.Errorf("%s: the logout took %v", tt.why, d)
			}
			if b.LoggedIn() {
				t.Errorf("%s: still logged in", tt.why)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := e.Tenant.Calls(testkit.RevokeEndpoint); got != tt.calls {
				t.Errorf("%s: %d calls, want %d", tt.why, got, tt.calls)
			}
			if got := strings.Contains(e.Log.String(), "could not be revoked"); got != tt.warned {
				t.Errorf("%s: warned %v, want %v:\n%s", tt.why, got, tt.warned, e.Log)
			}
		})
	}
}

// TestRevokedRefreshTokenIsDead: the logout sends the refresh token.
func TestRevokedRefreshTokenIsDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedInRefreshing(t)
		b := e.Browser().MustLogin()
		copied := b.Clone()
		b.Logout()
		synctest.Wait()
		time.Sleep(testkit.TokenLife)
		copied.Clone().NoToken(401, "no_session")
		copied.Env = testkit.SignedInRefreshing(t, func(c *auth0.Config) { *c = e.Config }) // another instance
		copied.NoToken(401, "token_expired")
	})
}

// TestRefreshDoesNotPrint: a caller's values that hold tokens print nothing of
// them.
func TestRefreshDoesNotPrint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedInRefreshing(t, testkit.InStore)
		spy := e.Config.HTTPClient.Transport.(*testkit.TokenSpy)
		var values []any
		e.Mux.HandleFunc("GET /collect", func(w http.ResponseWriter, r *http.Request) {
			s, err := e.Strategy.Session(r)
			if err != nil {
				t.Error(err)
				return
			}
			values = append(values, e.Strategy, s, e.Strategy.TokenSource(w, r), e.Strategy.Client(w, r), e.Config.Store, auth0.ForAudience(testkit.SecondAudience))
			_, err = e.Strategy.AccessToken(w, r)
			values = append(values, err, r.Context())
		})
		b := e.Browser().MustLogin()
		b.Page("/collect")
		e.Tenant.Fail(testkit.TokenEndpoint, 500)
		time.Sleep(testkit.TokenLife)
		b.Page("/collect")
		e.Tenant.Fail(testkit.TokenEndpoint, 0)
		e.Tenant.RevokeRefreshTokens("ada@acme.example")
		b.Page("/collect")
		secrets := append(spy.Seen(), "client-secret-SECRET", testkit.CookieSecret, b.Cookies[testkit.SessionCookie])
		if len(values) != 24 || len(secrets) != 6 {
			t.Fatalf("%d values, %d secrets", len(values), len(secrets))
		}
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb, v) + fmt.Sprintf(verb, []any{v})
				for _, secret := range secrets {
					if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
						t.Errorf("%s of %T shows %.12s...", verb, v, secret)
					}
				}
			}
		}
	})
}

// TestTokensAtOnce: a handler can request several tokens at the same time. The
// response then sets one session, which has them all.
func TestTokensAtOnce(t *testing.T) {
	t.Parallel()
	for _, m := range testkit.Modes {
		t.Run(m.Name, func(t *testing.T) {
			e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit)
			audiences := []string{testkit.Audience, testkit.SecondAudience, "https://third.example/"}
			got := make([]string, 12)
			e.Mux.HandleFunc("GET /at-once", func(w http.ResponseWriter, r *http.Request) {
				var all sync.WaitGroup
				for i := range got {
					all.Go(func() {
						opts := []auth0.TokenOption{auth0.ForAudience(audiences[i%len(audiences)])}
						if i < len(audiences) {
							opts = append(opts, auth0.ForceRefresh())
						}
						token, err := e.Strategy.TokenSource(w, r, opts...).Token()
						if err != nil {
							t.Error(err)
							return
						}
						got[i] = token.AccessToken
					})
				}
				all.Wait()
			})
			for range 20 {
				b := e.Browser().MustLogin()
				if resp := b.Fetch("/at-once"); resp.Status != 200 {
					t.Fatal(resp.Status)
				}
				calls := e.Tenant.Calls(testkit.TokenEndpoint)
				for _, audience := range audiences {
					if token := b.Token("audience=" + url.QueryEscape(audience)); !slices.Contains(got, token) {
						t.Errorf("%s: the session has none of the tokens", audience)
					}
				}
				if n := e.Tenant.Calls(testkit.TokenEndpoint) - calls; n != 0 {
					t.Errorf("%d tokens were got and not kept", n)
				}
			}
		})
	}
}
