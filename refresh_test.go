package auth0_test

import (
	"bytes"
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

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	secondAudience = "https://second.example/"
	tokenLife      = 10 * time.Minute
)

// A mode is a way to keep sessions. Each use of it has stores of its own.
type mode struct {
	name string
	edit func(*auth0.Config)
}

func inCookies(*auth0.Config)   {}
func inStore(c *auth0.Config)   { c.Store = auth0.NewMemoryStore(5000) }
func revocable(c *auth0.Config) { c.Revocations = auth0.NewMemoryStore(5000) }

// inPlainStore is a store that has nothing but what a Store must have.
func inPlainStore(c *auth0.Config) { c.Store = plainStore{auth0.NewMemoryStore(5000)} }

type plainStore struct{ auth0.Store }

var modes = []mode{{"in cookies", inCookies}, {"in a store", inStore}, {"in a plain store", inPlainStore}}

// inEachMode runs a test once for each way to keep sessions, in a time of its own.
func inEachMode(t *testing.T, f func(t *testing.T, m mode)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, m) })
		})
	}
}

// newRefreshEnv is an application with refresh tokens, which rotate without an
// overlap. Access tokens are good for ten minutes. What AccessToken returns is
// shown at /token. Whatever a test does, no token and no cookie is to be found
// in the log afterwards.
func newRefreshEnv(t *testing.T, edit ...func(*auth0.Config)) *env {
	t.Helper()
	spy := &tokenSpy{}
	e := newEnv(t, append([]func(*auth0.Config){func(c *auth0.Config) {
		c.Audience = testAudience
		c.Scopes = []string{"openid", "profile", "email", "offline_access", "read:protected"}
		spy.next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: spy}
	}}, edit...)...)
	e.rotate(true, 0)
	e.lifetime(testAudience, tokenLife)
	for _, audience := range []string{secondAudience, "https://third.example/"} {
		if err := e.tenant.AddAPI(emulator.API{Audience: audience, Scopes: []string{"read:a", "read:b", "read:c"}, Lifetime: tokenLife}); err != nil {
			t.Fatal(err)
		}
	}
	e.mux.HandleFunc("GET /token", e.showToken)
	t.Cleanup(func() {
		for _, text := range spy.seen() {
			if strings.Contains(e.log.String(), text) {
				t.Errorf("the log has the token %s", text)
			}
		}
	})
	return e
}

// A tokenSpy remembers all tokens that come through it.
type tokenSpy struct {
	next http.RoundTripper

	mu     sync.Mutex
	tokens []string
}

func (s *tokenSpy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err != nil || r.URL.Path != "/oauth/token" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var got map[string]any
	json.Unmarshal(body, &got) // some are no JSON
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if text, ok := got[name].(string); ok && len(text) > 20 {
			s.tokens = append(s.tokens, text)
		}
	}
	return resp, nil
}

func (s *tokenSpy) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.tokens...)
}

func (e *env) edit(edit func(*emulator.Client)) {
	e.t.Helper()
	if err := e.tenant.EditClient(testClientID, edit); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) rotate(on bool, overlap time.Duration) {
	e.t.Helper()
	e.edit(func(c *emulator.Client) {
		c.RotatingRefreshTokens, c.RefreshTokenLeeway = on, overlap
		c.RefreshTokenPolicies = []emulator.ClientGrant{
			{Audience: secondAudience, Scopes: []string{"read:a", "read:b", "read:c"}},
			{Audience: "https://third.example/", Scopes: []string{"read:a"}},
		}
	})
}

func (e *env) lifetime(audience string, d time.Duration) {
	e.t.Helper()
	if err := e.tenant.EditAPI(audience, func(a *emulator.API) { a.Lifetime = d }); err != nil {
		e.t.Fatal(err)
	}
}

// showToken answers with the token that the query asks for, or why there is none.
func (e *env) showToken(w http.ResponseWriter, r *http.Request) {
	var opts []auth0.TokenOption
	q := r.URL.Query()
	if q.Has("audience") || q.Has("scope") {
		opts = append(opts, auth0.ForAudience(cmp.Or(q.Get("audience"), testAudience), strings.Fields(q.Get("scope"))...))
	}
	if q.Has("force") {
		opts = append(opts, auth0.ForceRefresh())
	}
	token, err := e.strategy.AccessToken(w, r, opts...)
	if failed := (*auth0.Error)(nil); errors.As(err, &failed) {
		w.Header().Set("X-Retry-After", failed.RetryAfter.String())
		w.WriteHeader(failed.Status)
		fmt.Fprint(w, failed.Reason)
		return
	}
	if err != nil {
		e.t.Errorf("AccessToken returns %T %v", err, err)
		return
	}
	w.Header().Set("X-Expiry", token.Expiry.UTC().Format(time.RFC3339))
	fmt.Fprint(w, token.AccessToken)
}

// fetch makes a request as a script of the application does.
func (b *browser) fetch(target string) *response {
	b.e.t.Helper()
	return b.do("GET", target, nil, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin")
}

// token gets a token of the session, and fails the test if there is none.
func (b *browser) token(query ...string) string {
	b.e.t.Helper()
	resp := b.fetch("/token?" + strings.Join(query, "&"))
	if resp.status != 200 {
		b.e.t.Fatalf("token: %d %s; log:\n%s", resp.status, resp.body, b.e.log)
	}
	return resp.body
}

// noToken fails the test if there is a token, or none for another reason.
func (b *browser) noToken(status int, reason string, query ...string) *response {
	b.e.t.Helper()
	resp := b.fetch("/token?" + strings.Join(query, "&"))
	if resp.status != status || resp.body != reason {
		b.e.t.Errorf("token: %d %.80s, want %d %s", resp.status, resp.body, status, reason)
	}
	return resp
}

// refreshes returns how many token requests there were after the login.
func (e *env) refreshes() int { return e.tenant.Calls(emulator.Token) - 1 }

func (e *env) expectRefreshes(want int, why string) {
	e.t.Helper()
	if got := e.refreshes(); got != want {
		e.t.Errorf("%s: %d token requests after the login, want %d", why, got, want)
	}
}

func TestRefresh(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		b := e.browser().mustLogin()
		first := b.token()
		time.Sleep(tokenLife - 31*time.Second)
		if b.token() != first {
			t.Error("there is another token before it is due")
		}
		e.expectRefreshes(0, "more than 30 s left")
		time.Sleep(time.Second)
		second := b.token()
		if second == first {
			t.Error("the token is the one that is about to expire")
		}
		e.expectRefreshes(1, "30 s left")
		form := e.tenant.LastTokenRequest()
		if form.Get("grant_type") != "refresh_token" || form.Get("client_id") != testClientID || form.Get("client_secret") != "client-secret-SECRET" || form.Get("refresh_token") == "" || len(form) != 4 {
			t.Errorf("token request with %d parameters, %v", len(form), form["grant_type"])
		}
		if b.token() != second {
			t.Error("the new token was not kept")
		}
		e.expectRefreshes(1, "after the refresh")
		// Each refresh token is good for one use, so the newest must be kept.
		for i := range 3 {
			time.Sleep(tokenLife)
			b.token()
			e.expectRefreshes(2+i, "again")
		}
		resp := b.fetch("/token")
		if want := time.Now().Add(tokenLife).UTC().Format(time.RFC3339); resp.header.Get("X-Expiry") != want {
			t.Errorf("expiry %s, want %s", resp.header.Get("X-Expiry"), want)
		}
		if !b.loggedIn() {
			t.Error("logged out by refreshing")
		}
	})
}

func TestNothingToRefreshWith(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit, func(c *auth0.Config) { c.Scopes = []string{"openid"} })
		e.browser().noToken(401, "no_session")
		b := e.browser().mustLogin()
		b.token()
		b.noToken(401, "token_expired", "force")
		b.noToken(401, "token_expired", "audience="+secondAudience)
		time.Sleep(tokenLife - time.Second)
		b.token() // good for another second
		time.Sleep(time.Second)
		b.noToken(401, "token_expired")
		if !b.loggedIn() {
			t.Error("a session ends with its token")
		}
		e.expectRefreshes(0, "no refresh token")
	})
}

// TestRefreshKeepsWhatIsNotNew: what an answer leaves out stays as it was.
func TestRefreshKeepsWhatIsNotNew(t *testing.T) {
	tests := []struct {
		why   string
		edit  func(body map[string]any)
		query string
		want  string // claim of the session, and of the ID token that it keeps
	}{
		{"everything is new", func(map[string]any) {}, "", "silver"},
		{"no ID token", func(body map[string]any) { delete(body, "id_token") }, "", "bronze"},
		{"ID token of fewer scopes", func(map[string]any) {}, "audience=" + testAudience + "&scope=openid&force", "bronze"},
	}
	for _, tt := range tests {
		inEachMode(t, func(t *testing.T, m mode) {
			e := newRefreshEnv(t, m.edit, func(c *auth0.Config) { c.KeepIDToken = true })
			e.rotate(false, 0)
			plan, sid := "bronze", ""
			e.tenant.EditIDToken(func(_, c map[string]any) { c["plan"], sid = plan, c["sid"].(string) })
			e.mux.HandleFunc("GET /plan", func(w http.ResponseWriter, r *http.Request) {
				claims, err := auth0.Claims[struct{ Plan string }](r.Context())
				if err != nil {
					t.Error(err)
				}
				fmt.Fprint(w, claims.Plan)
			})
			b := e.browser().mustLogin()
			loginSID := sid
			plan = "silver"
			e.tenant.EditTokenResponse(func(_ *int, body map[string]any) { tt.edit(body) })
			for range 2 { // with the same refresh token
				time.Sleep(tokenLife)
				b.token(tt.query)
			}
			e.expectRefreshes(2, tt.why)
			if got := b.page("/plan").body; got != tt.want {
				t.Errorf("%s: the session has plan %q, want %q", tt.why, got, tt.want)
			}
			q := b.logout().Query()
			var kept struct{ Plan string }
			json.Unmarshal(decode(strings.Split(q.Get("id_token_hint")+"..", ".")[1]), &kept)
			if q.Get("logout_hint") != loginSID || kept.Plan != tt.want {
				t.Errorf("%s: logout_hint %q, id_token_hint with plan %q", tt.why, q.Get("logout_hint"), kept.Plan)
			}
		})
	}
}

// TestParallelRefresh: however many requests find an expired token, one asks
// for another.
func TestParallelRefresh(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		e.tenant.Delay(emulator.Token, time.Second)
		b := e.browser().mustLogin()
		before := b.token()
		time.Sleep(tokenLife)
		late := b.clone()
		tabs, got := tabs(b, 50), make([]string, 50)
		together(50, func(i int) { got[i] = tabs[i].token() })
		e.expectRefreshes(1, "50 requests at once")
		for _, token := range got {
			if token != got[0] || token == before {
				t.Error("requests at the same time get different tokens")
			}
		}
		// A request that was sent with the old cookie arrives after all that.
		time.Sleep(30 * time.Second)
		if late.token() != got[0] {
			t.Error("a late request gets another token")
		}
		// All tabs are of one browser: what any of them has written is good.
		time.Sleep(tokenLife)
		tabs[7].token()
		e.expectRefreshes(2, "next time")
	})
}

func tabs(b *browser, n int) []*browser {
	var all []*browser
	for range n {
		all = append(all, b.clone())
	}
	return all
}

// together runs n calls at once and waits for all.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// TestTabsInTurn: without overlap at the tenant, two tabs in turn do not use a
// refresh token twice, though each brings a cookie that the other has outdated.
// That is what the newest tokens of a minute are kept for.
func TestTabsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRefreshEnv(t)
		one := e.browser().mustLogin()
		two := one.clone()
		time.Sleep(tokenLife)
		one.token()
		two.token("force")
		time.Sleep(59 * time.Second)
		one.token("audience=" + secondAudience)
		if len(two.cookies) != 1 || two.token() == "" {
			t.Error("no token in the second tab")
		}
		e.expectRefreshes(3, "two tabs")
		// Beyond a minute only one browser with one cookie is served: theirs.
		time.Sleep(tokenLife)
		one.token()
		time.Sleep(61 * time.Second)
		if two.noToken(401, "token_expired"); !two.loggedIn() {
			t.Error("logged out by a token")
		}
	})
}

// TestCallerLeaves: a refresh token that was sent is used up, so whoever asked
// first cannot call the request back.
func TestCallerLeaves(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		e.tenant.Delay(emulator.Token, 2*time.Second)
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		ctx, leave := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			r := httptest.NewRequest("GET", "/token", nil).WithContext(ctx)
			for name, value := range b.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			_, err := e.strategy.AccessToken(httptest.NewRecorder(), r)
			first <- err
		}()
		time.Sleep(time.Second)
		tabs, got := tabs(b, 5), make([]string, 5)
		begun := time.Now()
		go leave()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("whoever left gets %v", err)
		}
		if time.Since(begun) != 0 {
			t.Error("whoever left had to wait")
		}
		together(5, func(i int) { got[i] = tabs[i].token() })
		for _, token := range got {
			if token != got[0] {
				t.Error("different tokens")
			}
		}
		e.expectRefreshes(1, "the first caller left")

		// Nobody is left to wait for it, and it is kept all the same.
		time.Sleep(tokenLife)
		ctx, leave = context.WithTimeout(t.Context(), time.Second)
		defer leave()
		r := httptest.NewRequest("GET", "/token", nil).WithContext(ctx)
		for name, value := range tabs[0].cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if _, err := e.strategy.AccessToken(httptest.NewRecorder(), r); err == nil {
			t.Error("a token came before the tenant has answered")
		}
		time.Sleep(30 * time.Second)
		tabs[0].token()
		e.expectRefreshes(2, "the only caller left")
	})
}

// TestTwoUsersNeverShare mixes requests of two people, with refreshes all the
// time, and looks at every answer.
func TestTwoUsersNeverShare(t *testing.T) {
	const requests = 10_000
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which would find a deadlock
				e := newRefreshEnv(t, m.edit)
				subjects, browsers := [2]string{}, [2]*browser{}
				for i, name := range []string{"ada@acme.example", "bob@acme.example"} {
					e.as(name)
					subjects[i], _ = e.tenant.Subject(name)
					browsers[i] = e.browser().mustLogin()
				}
				var wrong atomic.Int32
				together(8, func(worker int) {
					who := worker % 2
					b := browsers[who].clone()
					for i := range requests / 8 {
						query := ""
						switch {
						case i%250 == 0:
							query = "?force"
						case i%2 == 1:
							query = "?audience=" + secondAudience
						}
						resp := b.fetch("/token" + query)
						if resp.status != 200 || subjectOf(resp.body) != subjects[who] {
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

// subjectOf returns sub of a token, whose signature is not what the test is about.
func subjectOf(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	var claims struct{ Sub string }
	json.Unmarshal(decode(payload), &claims) // what is no token has no subject
	return claims.Sub
}

// TestAudiencesAtOnce: one refresh token is behind all of them, and each use
// makes the one before worthless.
func TestAudiencesAtOnce(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		e.tenant.Delay(emulator.Token, 100*time.Millisecond)
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		wishes := []string{"", "audience=" + secondAudience, "audience=https://third.example/", "audience=" + secondAudience + "&scope=read:a", "force"}
		tabs := tabs(b, 4*len(wishes))
		together(len(tabs), func(i int) { tabs[i].token(wishes[i%len(wishes)]) })
		if n := e.refreshes(); n > len(wishes) {
			t.Errorf("%d token requests for %d tokens", n, len(wishes))
		}
		time.Sleep(30 * time.Second)
		tabs[0].token("force") // the family of refresh tokens is alive
	})
}

func TestForceRefresh(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		b := e.browser().mustLogin()
		first := b.token()
		time.Sleep(time.Second)
		second := b.token("force")
		if second == first || b.token() != second {
			t.Error("the new token is not new, or not kept")
		}
		e.expectRefreshes(1, "forced")
		// What comes while another request is got is new for both.
		e.tenant.Delay(emulator.Token, time.Second)
		tabs, got := tabs(b, 2), make([]string, 2)
		together(2, func(i int) { got[i] = tabs[i].token([]string{"force", "force&audience=" + testAudience}[i]) })
		if got[0] != got[1] || got[0] == second {
			t.Error("two that are forced at once get different tokens, or an old one")
		}
		e.expectRefreshes(2, "two forced at once")
	})
}

// TestInvalidGrant: the tenant does not take the refresh token any more. That
// ends the tokens, and nothing else.
func TestInvalidGrant(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		b := e.browser().mustLogin()
		first := b.token()
		e.tenant.RevokeRefreshTokens("ada@acme.example")
		time.Sleep(tokenLife - 10*time.Second)
		if b.token() != first {
			t.Error("a token that is good for ten seconds is not given")
		}
		b.noToken(401, "token_expired", "force") // that one is not new
		e.expectRefreshes(1, "refused")
		time.Sleep(10 * time.Second)
		for range 3 {
			b.noToken(401, "token_expired")
		}
		b.noToken(401, "token_expired", "audience="+secondAudience)
		b.noToken(401, "token_expired", "force")
		e.expectRefreshes(1, "a refusal is asked for once")
		if !b.loggedIn() || b.page("/private").status != 200 {
			t.Error("logged out by a token")
		}
		b.login("/auth/login?prompt=login")
		time.Sleep(tokenLife)
		b.token()
	})
}

// TestTenantTrouble: a token that is still good is given; without one, the
// caller learns when to come back. The next try works.
func TestTenantTrouble(t *testing.T) {
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
		{"too many requests", answer(429, `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`, "Retry-After", "7"), 502, "tenant_unavailable", "7s"},
		{"too many requests, no time", answer(429, ""), 502, "tenant_unavailable", "0s"},
		{"error of the tenant", answer(500, `{"error":"server_error"}`), 502, "tenant_unavailable", "0s"},
		{"error of its edge", answer(503, "<html>", "Retry-After", "30"), 502, "tenant_unavailable", "30s"},
		{"answer that does not come", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 502, "tenant_unavailable", "0s"},
		{"empty answer", func(http.ResponseWriter, *http.Request) {}, 502, "tenant_answer", "0s"},
		{"no JSON", answer(200, "<html>"), 502, "tenant_answer", "0s"},
		{"no access token", answer(200, `{"token_type":"Bearer"}`), 502, "tenant_answer", "0s"},
		{"no token type", answer(200, `{"access_token":"x"}`), 502, "tenant_answer", "0s"},
		{"token that is bound to a key", answer(200, `{"access_token":"x","token_type":"DPoP"}`), 502, "tenant_answer", "0s"},
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
		inEachMode(t, func(t *testing.T, m mode) {
			e := newRefreshEnv(t, m.edit)
			b := e.browser().mustLogin()
			first := b.token()
			e.tenant.Replace(emulator.Token, tt.answer)
			time.Sleep(tokenLife - 25*time.Second)
			if b.token() != first {
				t.Errorf("%s: the token that is good for 25 seconds is not given", tt.why)
			}
			if !strings.Contains(e.log.String(), "level=WARN") {
				t.Errorf("%s: nothing in the log", tt.why)
			}
			time.Sleep(time.Minute)
			resp := b.noToken(tt.status, tt.reason)
			if got := resp.header.Get("X-Retry-After"); got != tt.retryAfter {
				t.Errorf("%s: retry after %s, want %s", tt.why, got, tt.retryAfter)
			}
			if !b.loggedIn() {
				t.Errorf("%s: logged out", tt.why)
			}
			e.tenant.Replace(emulator.Token, nil)
			time.Sleep(time.Minute)
			if b.token() == first {
				t.Errorf("%s: the old token afterwards", tt.why)
			}
		})
	}
}

// TestHangingRefresh: whoever asks waits for ten seconds at most.
// TestRefusedRefreshIsNotRepeated: what the tenant has refused, not every page
// asks again; and what it has refused to somebody says nothing about the next
// session, or another API.
func TestRefusedRefreshIsNotRepeated(t *testing.T) {
	answer := func(status int, body, retryAfter string) func(*env) {
		return func(e *env) {
			e.tenant.Replace(emulator.Token, func(w http.ResponseWriter, _ *http.Request) {
				if retryAfter != "" {
					w.Header().Set("Retry-After", retryAfter)
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
		}
	}
	user := func(edit func(*emulator.User)) func(*env) {
		return func(e *env) {
			u := emulator.User{Connection: realm, Email: "ada@acme.example", EmailVerified: true, Password: demoPass}
			edit(&u)
			if err := e.tenant.AddUser(u); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		why    string
		refuse func(*env)
		status int
		reason string
		also   error
		hold   time.Duration // 0: each is asked
	}{
		{"blocked", user(func(u *emulator.User) { u.Blocked = true }), 401, "token_expired", auth0.ErrUserBlocked, time.Minute},
		{"denied by an Action", user(func(u *emulator.User) { u.DenyReason = "not today" }), 401, "token_expired", nil, time.Minute},
		{"blocked, as old tenants say it", answer(401, `{"error":"unauthorized","error_description":"user is blocked"}`, ""), 401, "token_expired", auth0.ErrUserBlocked, time.Minute},
		{"second factor", user(func(u *emulator.User) { u.MFAOnRefresh = true }), 403, "mfa_required", auth0.ErrMFARequired, 0},
		{"wrong client secret", answer(401, `{"error":"access_denied","error_description":"Unauthorized"}`, ""), 502, "tenant_answer", nil, time.Minute},
		{"scope", answer(400, `{"error":"invalid_scope"}`, ""), 502, "tenant_answer", nil, time.Minute},
		{"page of the edge", answer(403, `<html>`, ""), 502, "tenant_answer", nil, time.Minute},
		{"no token", answer(200, `{}`, ""), 502, "tenant_answer", nil, time.Minute},
		{"rate limit", answer(429, `{"error":"too_many_requests"}`, "7"), 502, "tenant_unavailable", auth0.ErrTenantUnavailable, 7 * time.Second},
		{"quota", answer(429, `{"error":"too_many_requests"}`, "3600"), 502, "tenant_unavailable", auth0.ErrTenantUnavailable, time.Minute},
		{"down", answer(503, `<html>`, ""), 502, "tenant_unavailable", auth0.ErrTenantUnavailable, time.Second},
		{"no answer", func(e *env) { e.tenant.Delay(emulator.Token, time.Hour) }, 502, "tenant_unavailable", auth0.ErrTenantUnavailable, 0},
	} {
		inEachMode(t, func(t *testing.T, m mode) {
			var got error
			e := newRefreshEnv(t, m.edit)
			e.mux.HandleFunc("GET /why", func(w http.ResponseWriter, r *http.Request) {
				_, got = e.strategy.AccessToken(w, r)
			})
			b, other := e.browser().mustLogin(), e.browser().mustLogin()
			time.Sleep(tokenLife)
			tt.refuse(e)
			asked := func() int { return e.tenant.Calls(emulator.Token) - 2 }
			ask := func(why string, want int) {
				t.Helper()
				b.fetch("/why")
				e := e.asError(got, cmp.Or(tt.also, got))
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
			if e := e.asError(got, cmp.Or(tt.also, got)); tt.why == "rate limit" && e.RetryAfter != time.Millisecond || tt.why == "quota" && e.RetryAfter != time.Hour-time.Minute+time.Millisecond {
				t.Errorf("%s: retry after %v", tt.why, e.RetryAfter)
			}
			if other.fetch("/why"); asked() != 2 {
				t.Errorf("%s: another session asks %d times", tt.why, asked()-1)
			}
			if b.noToken(tt.status, tt.reason, "audience="+secondAudience); asked() != 3 {
				t.Errorf("%s: another API is asked for %d times", tt.why, asked()-2)
			}
			time.Sleep(time.Millisecond)
			ask("later", 4)
			if !b.loggedIn() {
				t.Errorf("%s: logged out", tt.why)
			}
			// The refresh token is still there.
			e.tenant.Replace(emulator.Token, nil)
			user(func(*emulator.User) {})(e)
			time.Sleep(time.Minute)
			b.token()
		})
	}
}

func TestHangingRefresh(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		b := e.browser().mustLogin()
		e.tenant.Delay(emulator.Token, time.Hour)
		time.Sleep(tokenLife)
		begun := time.Now()
		tabs := tabs(b, 5)
		together(5, func(i int) { tabs[i].noToken(502, "tenant_unavailable") })
		if d := time.Since(begun); d > 10*time.Second {
			t.Errorf("waited %v", d)
		}
		e.expectRefreshes(1, "five requests")
	})
}

// TestRefreshedIDToken: the person of a session does not become another one, and
// only the proof that somebody else was answered for costs the session its refresh
// token. Without the right time, nothing is known. What else is wrong is between
// the tenant and the application, and logging in again would not help.
func TestRefreshedIDToken(t *testing.T) {
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
		{"no auth_time", claim("auth_time", nil), good},
		{"newer auth_time", claim("auth_time", loginAt), good}, // authenticated again elsewhere
		{"the organization of nobody", claim("org_id", "org_new"), good},

		// Signed by the tenant, and of somebody else.
		{"other sub", claim("sub", "auth0|mallory"), gone},
		{"other iss", claim("iss", "https://other.example/"), gone},
		{"other sub and nonce", both(claim("sub", "auth0|mallory"), claim("nonce", "other")), gone},

		// The clock of the tenant or of this machine is wrong.
		{"expired", claim("exp", loginAt), clock},
		{"iat ahead", claim("iat", loginAt+3600), clock},
		{"nbf ahead", claim("nbf", loginAt+3600), clock},
		{"auth_time ahead", claim("auth_time", loginAt+3600), clock},
		{"other sub, expired", both(claim("sub", "auth0|mallory"), claim("exp", loginAt)), clock}, // known when the time is

		// The tenant's own word, which says nothing about another person.
		{"no sub", claim("sub", nil), odd},
		{"other aud", claim("aud", "other-client"), odd},
		{"other azp", claim("azp", "other-client"), odd},
		{"other nonce", claim("nonce", "other"), odd},
		{"older auth_time", claim("auth_time", loginAt-61), odd},
		{"iat long before the login", claim("iat", loginAt-3600), odd},
		{"no iat", claim("iat", nil), odd},
		{"no exp", claim("exp", nil), odd},
		{"other at_hash", claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), odd},
		{"other algorithm", header("alg", "HS256"), odd}, // its signature is not looked at
		{"no signature", header("alg", "none"), odd},
		{"access token", header("typ", "at+jwt"), odd},
		{"claim of the wrong form", claim("exp", "tomorrow"), odd},
		{"too long", claim("x", strings.Repeat("x", 20_000)), odd},
	}
	for _, tt := range tests {
		inEachMode(t, func(t *testing.T, m mode) {
			e := newRefreshEnv(t, m.edit)
			var nonce any
			e.tenant.EditIDToken(func(_, c map[string]any) { nonce = c["nonce"]; authTime(c) })
			b := e.browser().mustLogin()
			e.tenant.EditIDToken(func(h, c map[string]any) {
				authTime(c)
				c["name"] = "Somebody New"
				if tt.edit == nil {
					c["nonce"] = nonce
				} else {
					tt.edit(h, c)
				}
			})
			time.Sleep(tokenLife)
			if tt.want.status == 200 {
				b.token()
			} else {
				for range 3 {
					b.noToken(tt.want.status, tt.want.reason)
				}
				if level := map[bool]string{true: "level=WARN", false: "level=ERROR"}[tt.want.kept]; !strings.Contains(e.log.String(), level+` msg="auth0: the ID token of a refresh`) {
					t.Errorf("%s: nothing in the log", tt.why)
				}
			}
			e.expectRefreshes(1, tt.why)
			user := e.userOf(b)
			if user.Subject == "" || user.Email != "ada@acme.example" || (user.Name == "Somebody New") != (tt.want.status == 200) {
				t.Errorf("%s: the session is of %q, %q", tt.why, user.Email, user.Name)
			}
			// Once the tenant is right again, the refresh token that came with the
			// last answer is good, unless it is not kept.
			e.tenant.EditIDToken(func(_, c map[string]any) { authTime(c); c["auth_time"] = loginAt + 1 })
			time.Sleep(time.Minute + tokenLife)
			if tt.want.kept {
				b.token()
			} else {
				b.noToken(401, "token_expired")
			}
			// After another login, all is well.
			e.tenant.EditIDToken(nil)
			b.login("/auth/login?prompt=login")
			time.Sleep(tokenLife)
			b.token()
		})
	}
}

// TestNewerAuthTimeIsKept: a session knows when its user has last authenticated.
func TestNewerAuthTimeIsKept(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		at := time.Now().Unix() - 60
		e.tenant.EditIDToken(func(_, c map[string]any) { c["auth_time"] = at })
		b := e.browser().mustLogin()
		for _, step := range []struct{ at, want int64 }{{at, at}, {at + 30, at + 30}, {at + 30, at + 30}} {
			e.tenant.EditIDToken(func(_, c map[string]any) { c["auth_time"] = step.at })
			time.Sleep(tokenLife)
			b.token()
			session, err := e.strategy.Session(b.request("/"))
			if err != nil || session.AuthenticatedAt.Unix() != step.want {
				t.Errorf("after auth_time %d: %v, %v", step.at, session, err)
			}
		}
		e.tenant.EditIDToken(func(_, c map[string]any) { c["auth_time"] = at }) // of before
		time.Sleep(tokenLife)
		b.noToken(502, "tenant_answer")
	})
}

// TestOrganizationOfRefreshedIDToken: a refresh that answers for another
// organization is of another session.
func TestOrganizationOfRefreshedIDToken(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		e.tenant.EditIDToken(func(_, c map[string]any) { c["org_id"] = "org_a" })
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		b.token()
		e.tenant.EditIDToken(func(_, c map[string]any) { c["org_id"] = "org_b" })
		time.Sleep(tokenLife)
		b.noToken(401, "token_expired")
		e.tenant.EditIDToken(func(_, c map[string]any) { c["org_id"] = "org_a" })
		time.Sleep(2 * time.Minute)
		b.noToken(401, "token_expired")
	})
}

// userOf returns whose session a browser has.
func (e *env) userOf(b *browser) auth0.User {
	e.t.Helper()
	s, err := e.strategy.Session(b.request("/"))
	if err != nil {
		e.t.Error(err)
		return auth0.User{}
	}
	return s.User
}

// request returns a request with the cookies of a browser.
func (b *browser) request(target string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// freshKeys has the keys fetched if they are due.
func (e *env) freshKeys() {
	e.strategy.KeySet().Warm(e.t.Context())
	synctest.Wait()
}

// TestRefreshWithoutTheRightKeys: what cannot be verified for want of keys is not
// forged. It is an outage, and the session keeps the refresh token that came with
// it, which is the only one.
func TestRefreshWithoutTheRightKeys(t *testing.T) {
	rotate := func(e *env) {
		e.tenant.RotateKeys()
		e.tenant.RotateKeys() // the next key was published before
	}
	// wait until the keys are due, and have them fetched.
	refetch := func(e *env) {
		time.Sleep(2 * time.Hour)
		e.freshKeys()
	}
	for _, tt := range []struct {
		why    string
		before func(*env) // the refresh
		after  func(*env) // it; then the refresh works
		held   time.Duration
	}{
		{"rotation, key endpoint down", func(e *env) { rotate(e); e.tenant.Fail(emulator.JWKS, 500) }, func(e *env) { e.tenant.Fail(emulator.JWKS, 0) }, time.Minute},
		{"rotation, key endpoint has had enough", func(e *env) { rotate(e); e.tenant.Fail(emulator.JWKS, 429) }, func(e *env) { e.tenant.Fail(emulator.JWKS, 0) }, time.Minute},
		{"rotation, fetches held back", func(e *env) {
			e.tenant.Fail(emulator.JWKS, 500)
			e.strategy.KeySet().VerifySignature(context.Background(), unverifiable("made-up")) // fails
			e.tenant.Fail(emulator.JWKS, 0)
			rotate(e)
		}, func(*env) {}, time.Minute},
		{"rotation, key endpoint does not answer", func(e *env) { rotate(e); e.tenant.Delay(emulator.JWKS, time.Hour) }, func(e *env) { e.tenant.Delay(emulator.JWKS, 0) }, time.Minute},
		{"rotation that is not published yet", func(e *env) {
			e.freshKeys()
			old := httptest.NewRecorder()
			e.tenant.ServeHTTP(old, httptest.NewRequest("GET", "https://"+tenantHost+"/.well-known/jwks.json", nil))
			rotate(e)
			e.tenant.Replace(emulator.JWKS, func(w http.ResponseWriter, r *http.Request) { w.Write(old.Body.Bytes()) })
		}, func(e *env) { e.tenant.Replace(emulator.JWKS, nil) }, time.Minute},
		{"key is briefly for something else", func(e *env) {
			e.tenant.EditJWKS(func(doc map[string]any) {
				for _, key := range doc["keys"].([]map[string]any) {
					key["use"] = "enc"
				}
				doc["keys"] = append(doc["keys"].([]map[string]any), map[string]any{
					"kty": "OKP", "crv": "Ed25519", "kid": "other", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
			})
			refetch(e)
		}, func(e *env) { e.tenant.EditJWKS(nil); refetch(e) }, time.Minute},
		{"kid is given to another key, key endpoint down", func(e *env) {
			e.tenant.SignWithForeignKey(true)
			e.tenant.Fail(emulator.JWKS, 500)
		}, func(e *env) {
			e.tenant.SignWithForeignKey(false)
			e.tenant.Fail(emulator.JWKS, 0)
		}, time.Minute},
	} {
		t.Run(tt.why, func(t *testing.T) {
			inEachMode(t, func(t *testing.T, m mode) {
				e := newRefreshEnv(t, m.edit)
				b := e.browser().mustLogin()
				time.Sleep(tokenLife)
				tt.before(e)
				resp := b.noToken(503, "keys_unavailable")
				if resp.header.Get("X-Retry-After") == "0s" {
					t.Error("no Retry-After")
				}
				if !b.loggedIn() {
					t.Error("logged out")
				}
				tt.after(e)
				time.Sleep(tt.held)
				b.token()
			})
		})
	}
}

// TestRefreshOfAmbiguousKey: a token without kid fits the one key that there is, and
// none of several.
func TestRefreshOfAmbiguousKey(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		b := e.browser().mustLogin()
		e.tenant.EditIDToken(header("kid", nil))
		time.Sleep(tokenLife)
		b.noToken(503, "keys_unavailable")
		e.tenant.EditIDToken(nil)
		time.Sleep(time.Minute)
		b.token()
	})
}

// TestRefreshedIDTokenForged: a signature that is wrong with keys that are new
// proves that the tenant has not made the token.
func TestRefreshedIDTokenForged(t *testing.T) {
	for _, claims := range []func(_, _ map[string]any){nil, claim("iss", "https://other.example/")} {
		inEachMode(t, func(t *testing.T, m mode) {
			e := newRefreshEnv(t, m.edit)
			b := e.browser().mustLogin()
			e.tenant.SignWithForeignKey(true)
			e.tenant.EditIDToken(claims)
			time.Sleep(tokenLife)
			e.freshKeys()
			fetches := e.tenant.Calls(emulator.JWKS)
			b.noToken(401, "token_expired")
			if n := e.tenant.Calls(emulator.JWKS) - fetches; n != 1 {
				t.Errorf("the keys were fetched %d times before the token was called a forgery, want 1", n)
			}
			e.tenant.SignWithForeignKey(false)
			e.tenant.EditIDToken(nil)
			time.Sleep(2 * time.Minute)
			b.noToken(401, "token_expired")
		})
	}
}

// TestStrangersDoNotUseUpFetches: tokens that anybody can send to a program have
// no part in whether its own logins and refreshes get the keys they need.
func TestStrangersDoNotUseUpFetches(t *testing.T) {
	strangers := map[string]func(e *env, api *auth0.API, kid string){
		"logout tokens": func(e *env, _ *auth0.API, kid string) {
			now := time.Now().Unix()
			e.end(compact(fmt.Sprintf(`{"alg":"RS256","typ":"logout+jwt","kid":%q}`, kid), fmt.Sprintf(
				`{"iss":"https://%s/","aud":%q,"iat":%d,"exp":%d,"jti":%q,"sub":"x","events":{"http://schemas.openid.net/event/backchannel-logout":{}}}`,
				tenantHost, testClientID, now, now+120, kid), rs256(rsaForeign())))
		},
		"access tokens": func(e *env, api *auth0.API, kid string) {
			api.Verify(e.t.Context(), compact(fmt.Sprintf(`{"alg":"RS256","kid":%q}`, kid), fmt.Sprintf(
				`{"iss":"https://%s/","sub":"x","aud":%q,"exp":%d}`, tenantHost, testAudience, time.Now().Unix()+99), rs256(rsaForeign())))
		},
		"signatures": func(e *env, _ *auth0.API, kid string) {
			e.strategy.KeySet().VerifySignature(e.t.Context(), unverifiable(kid))
		},
	}
	for name, send := range strangers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newRefreshEnv(t, inStore)
				api, err := auth0.NewAPI(auth0.APIConfig{Domain: tenantHost, Audience: testAudience, Keys: e.strategy.KeySet(), HTTPClient: e.cfg.HTTPClient})
				if err != nil {
					t.Fatal(err)
				}
				b := e.browser().mustLogin()
				time.Sleep(tokenLife)
				e.freshKeys()
				before := e.tenant.Calls(emulator.JWKS)
				for i := range 200 {
					send(e, api, fmt.Sprint("x", i))
				}
				if n := e.tenant.Calls(emulator.JWKS) - before; n != 2 {
					t.Errorf("200 made-up kids: %d fetches, want 2", n)
				}
				e.tenant.RotateKeys()
				e.tenant.RotateKeys()
				b.token()
				e.tenant.RotateKeys()
				e.tenant.RotateKeys()
				e.browser().mustLogin()
			})
		})
	}
}

// TestJoinedFetchCanBeTooOld: a fetch that is under way when a token comes was
// perhaps answered before its key was published. That is no reason to refuse it.
func TestJoinedFetchCanBeTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRefreshEnv(t, inStore)
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		// A stranger's fetch gets the keys of before, slowly.
		slow := true
		old := httptest.NewRecorder()
		e.tenant.ServeHTTP(old, httptest.NewRequest("GET", "https://"+tenantHost+"/.well-known/jwks.json", nil))
		e.tenant.Replace(emulator.JWKS, func(w http.ResponseWriter, r *http.Request) {
			if !slow {
				current := httptest.NewRecorder()
				e.tenant.Replace(emulator.JWKS, nil)
				e.tenant.ServeHTTP(current, r)
				w.Write(current.Body.Bytes())
				return
			}
			slow = false
			time.Sleep(time.Second)
			w.Write(old.Body.Bytes())
		})
		go e.strategy.KeySet().VerifySignature(t.Context(), unverifiable("made-up"))
		synctest.Wait()
		e.tenant.RotateKeys()
		e.tenant.RotateKeys()
		b.token()
	})
}

// TestRefreshWithoutKeys: that an ID token cannot be checked for now does not
// make it a forgery, and the refresh token that came with it is the only one.
func TestRefreshWithoutKeys(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		b := e.browser().mustLogin()
		e.tenant.Fail(emulator.JWKS, 503)
		time.Sleep(tokenLife)
		b.token() // with the keys of before
		time.Sleep(25*time.Hour - tokenLife)
		b = e.browser()
		e.tenant.Fail(emulator.JWKS, 0)
		b.mustLogin()
		e.tenant.Fail(emulator.JWKS, 503)
		restarted := newRefreshEnv(t, func(c *auth0.Config) { *c = e.cfg })
		b.e = restarted
		time.Sleep(tokenLife)
		b.noToken(503, "keys_unavailable")
		time.Sleep(2 * time.Minute)
		e.tenant.Fail(emulator.JWKS, 0)
		b.token()
	})
}

// TestRefreshWithAnotherSecret: a secret has no kid, so a signature that does not
// fit may as well be of the next one.
func TestRefreshWithAnotherSecret(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit, func(c *auth0.Config) { c.ClientSecret, c.HS256 = encodedSecret, "text" })
		oldApplication(e, encodedSecret, false)
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		oldApplication(e, encodedSecret, true)
		b.noToken(503, "keys_unavailable")
		oldApplication(e, encodedSecret, false)
		time.Sleep(time.Minute)
		b.token()
	})
}

func TestTokenTypesAndLifetimes(t *testing.T) {
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
		{"lifetime of a thousand years", "expires_in", 32e9, 300},
		{"lifetime with a fraction", "expires_in", 90.5, 90},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			e := newRefreshEnv(t)
			b := e.browser().mustLogin()
			e.tenant.EditTokenResponse(func(_ *int, body map[string]any) {
				if tt.value == nil {
					delete(body, tt.name)
				} else {
					body[tt.name] = tt.value
				}
			})
			time.Sleep(tokenLife)
			resp := b.fetch("/token")
			if want := time.Now().Add(tt.seconds * time.Second).UTC().Format(time.RFC3339); resp.status != 200 || resp.header.Get("X-Expiry") != want {
				t.Errorf("%s: %d, expiry %s, want %s", tt.why, resp.status, resp.header.Get("X-Expiry"), want)
			}
		})
	}
}

// TestAudiencesAndScopes: a token is asked for when there is none that has what
// is wanted, and it is the narrowest that is given.
func TestAudiencesAndScopes(t *testing.T) {
	second := "audience=" + secondAudience
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
		{"the audience of the login needs nothing", []step{{"", 0, oidc + " read:protected"}, {"audience=" + testAudience, 0, oidc + " read:protected"}}},
		{"another audience", []step{{second, 1, oidc + " read:a read:b read:c"}, {second, 1, oidc + " read:a read:b read:c"}, {"", 1, oidc + " read:protected"}}},
		{"order of scopes", []step{{second + "&scope=read:a+read:b", 1, "read:a read:b"}, {second + "&scope=read:b+read:a", 1, "read:a read:b"}}},
		{"a token that can do more", []step{{second + "&scope=read:a+read:b", 1, "read:a read:b"}, {second + "&scope=read:b", 1, "read:a read:b"}, {second + "&scope=read:c", 2, "read:c"}}},
		{"the one that can do least", []step{{second + "&scope=read:a+read:b+read:c", 1, "read:a read:b read:c"}, {second + "&scope=read:a&force", 2, "read:a"}, {second + "&scope=read:a", 2, "read:a"}, {second + "&scope=read:b", 2, "read:a read:b read:c"}}},
		{"scope that is not granted", []step{{second + "&scope=read:a+write:all", 1, "read:a"}, {second + "&scope=read:a+write:all", 1, "read:a"}, {second + "&scope=write:all", 1, "read:a"}}},
		{"two wishes, one grant", []step{{second + "&scope=read:a+write:all", 1, "read:a"}, {second + "&scope=read:a+drop:all", 2, "read:a"}, {second + "&scope=read:a+write:all", 2, "read:a"}, {second + "&scope=write:all+drop:all", 2, "read:a"}}},
		{"fewer scopes of the login's audience", []step{{"scope=read:protected", 0, oidc + " read:protected"}, {"scope=read:protected&force", 1, "read:protected"}, {"", 1, oidc + " read:protected"}}},
	}
	for _, tt := range tests {
		inEachMode(t, func(t *testing.T, m mode) {
			e := newRefreshEnv(t, m.edit)
			b := e.browser().mustLogin()
			for i, s := range tt.steps {
				token := b.token(s.query)
				var claims struct{ Scope string }
				json.Unmarshal(decode(strings.Split(token, ".")[1]), &claims)
				if e.refreshes() != s.refreshes || claims.Scope != s.scope {
					t.Errorf("%s: step %d: token with %q after %d refreshes, want %q, %d", tt.why, i, claims.Scope, e.refreshes(), s.scope, s.refreshes)
				}
			}
		})
	}
}

// TestTokensOfASession are eight at most. The one of the login is never among
// those that make room.
func TestTokensOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRefreshEnv(t, inStore)
		b := e.browser().mustLogin()
		wish := func(i int) string { return fmt.Sprintf("audience=%s&scope=read:a+x:%d", audienceNumber(i), i) }
		for i := range 8 {
			audience := audienceNumber(i)
			if err := e.tenant.AddAPI(emulator.API{Audience: audience, Scopes: []string{"read:a"}, Lifetime: tokenLife}); err != nil {
				t.Fatal(err)
			}
			e.edit(func(c *emulator.Client) {
				c.RefreshTokenPolicies = append(c.RefreshTokenPolicies, emulator.ClientGrant{Audience: audience, Scopes: []string{"read:a"}})
			})
			time.Sleep(time.Second)
			b.token(wish(i))
		}
		b.token()
		for i := 1; i < 8; i++ {
			b.token(wish(i))
		}
		e.expectRefreshes(8, "eight tokens")
		b.token(wish(0))
		e.expectRefreshes(9, "the oldest has made room")
	})
}

func audienceNumber(i int) string { return fmt.Sprintf("https://api%d.example/", i) }

// TestAudienceThatIsNotAllowed: the tenant then gives a token for the API of the
// login. The other API must not get that.
func TestAudienceThatIsNotAllowed(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		e.edit(func(c *emulator.Client) { c.RefreshTokenPolicies = nil })
		b := e.browser().mustLogin()
		for range 2 {
			b.noToken(502, "tenant_answer", "audience="+secondAudience)
		}
		time.Sleep(tokenLife)
		b.token() // with the refresh token that came with it
	})
}

// TestPanicAfterRefresh: what was got is kept whatever becomes of the request,
// because the refresh token of before is used up.
func TestPanicAfterRefresh(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		got := ""
		e.mux.HandleFunc("GET /panic", func(w http.ResponseWriter, r *http.Request) {
			token, err := e.strategy.AccessToken(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			got = token.AccessToken
			panic(http.ErrAbortHandler)
		})
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			b.fetch("/panic")
		}()
		if b.token() != got {
			t.Error("the token of before the panic is lost")
		}
		e.expectRefreshes(1, "panic")
	})
}

// TestSaveAndRefresh in one response: neither undoes the other.
func TestSaveAndRefresh(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		save := func(w http.ResponseWriter, r *http.Request, name string) {
			s, err := e.strategy.Session(r)
			if err != nil {
				t.Error(err)
				return
			}
			s.Data[name] = "kept"
			if err := e.strategy.SaveSession(w, r, s); err != nil {
				t.Error(err)
			}
		}
		e.mux.HandleFunc("GET /both", func(w http.ResponseWriter, r *http.Request) {
			save(w, r, "before")
			token, err := e.strategy.AccessToken(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			save(w, r, "after")
			fmt.Fprint(w, token.AccessToken)
		})
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		got := b.page("/both").body
		s, err := e.strategy.Session(b.request("/"))
		if err != nil || s.Data["before"] != "kept" || s.Data["after"] != "kept" {
			t.Errorf("data %v, %v", s.Data, err)
		}
		time.Sleep(2 * time.Minute)
		if b.token() != got {
			t.Error("the token is lost")
		}
		e.expectRefreshes(1, "save, refresh, save")
	})
}

// TestLogoutDuringRefresh: a request that is under way does not bring back a
// session that was ended meanwhile.
func TestLogoutDuringRefresh(t *testing.T) {
	for _, m := range []struct {
		mode
		rounds int
	}{
		{mode{"in a store", inStore}, 600},
		{mode{"in a plain store", inPlainStore}, 200},
		{mode{"in cookies, with revocations", revocable}, 200},
	} {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newRefreshEnv(t, m.edit)
				e.tenant.Delay(emulator.Token, time.Millisecond)
				revived := 0
				for round := range m.rounds {
					b := e.browser()
					b.login("/auth/login")
					tab := b.clone()
					together(2, func(i int) {
						// Now before the refresh, now while it is under way, now after it.
						if i == 0 {
							time.Sleep(time.Duration(round%8) * 200 * time.Microsecond)
							b.logout()
						} else {
							time.Sleep(100 * time.Microsecond)
							tab.fetch("/token?force")
						}
					})
					synctest.Wait()
					if tab.loggedIn() || b.loggedIn() || tab.fetch("/token").status == 200 {
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

// TestTwoProcesses share a store, and the refresh tokens rotate without overlap.
func TestTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newRefreshEnv(t, inStore)
		two := newRefreshEnv(t, func(c *auth0.Config) { *c = one.cfg })
		one.tenant.Delay(emulator.Token, time.Second)
		b := one.browser().mustLogin()
		for round := range 3 {
			time.Sleep(tokenLife)
			tabs, got := tabs(b, 20), make([]string, 20)
			for i := range 10 {
				tabs[i].e = two
			}
			together(20, func(i int) { got[i] = tabs[i].token() })
			one.expectRefreshes(1+round, "two processes")
			for _, token := range got {
				if token != got[0] {
					t.Error("different tokens")
				}
			}
		}
	})
}

// TestTwoProcessesWithoutLeases may both use a refresh token. The one that comes
// second takes the token that the first has got, and does not undo it.
func TestTwoProcessesWithoutLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newRefreshEnv(t, inPlainStore)
		b := one.browser().mustLogin()
		first, got := b.clone(), ""
		two := newRefreshEnv(t, func(c *auth0.Config) {
			*c = one.cfg
			c.HTTPClient = &http.Client{Transport: &tokenSpy{next: before{one.cfg.HTTPClient.Transport, func() { got = first.token() }}}}
		})
		time.Sleep(tokenLife)
		b.e = two
		if token := b.token(); token != got || got == "" {
			t.Error("the second does not take what the first has got")
		}
		one.expectRefreshes(2, "one for each")
		if first.token() != got {
			t.Error("the token of the first is lost")
		}
	})
}

// TestTwoProcessesInCookies cannot know of each other. With an overlap at the
// tenant, nobody notices.
func TestTwoProcessesInCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newRefreshEnv(t)
		one.rotate(true, 30*time.Second)
		one.tenant.Delay(emulator.Token, time.Second)
		two := newRefreshEnv(t, func(c *auth0.Config) { *c = one.cfg })
		b := one.browser().mustLogin()
		for round := range 3 {
			time.Sleep(tokenLife)
			tabs := tabs(b, 20)
			for i := range tabs {
				tabs[i].e = []*env{one, two}[i%2]
			}
			together(20, func(i int) { tabs[i].token() })
			one.expectRefreshes(2*round+2, "one for each process")
			b = tabs[7*round] // whatever the browser has got last
		}
	})
}

// TestLostAnswer: the tenant has replaced the refresh token, and nobody knows by
// what. Within the overlap, the next request makes up for that.
func TestLostAnswer(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		lost := false
		e := newRefreshEnv(t, m.edit, func(c *auth0.Config) {
			c.HTTPClient = &http.Client{Transport: lossy{c.HTTPClient.Transport, func() bool { return lost }}}
		})
		e.rotate(true, time.Minute)
		b := e.browser().mustLogin()
		time.Sleep(tokenLife)
		lost = true
		b.noToken(502, "tenant_unavailable")
		lost = false
		time.Sleep(30 * time.Second)
		b.token()
		time.Sleep(tokenLife)
		b.token()
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

// before does something before each request to the token endpoint.
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

// TestClient calls an API with the token of the session, which gets a new one
// when it is due, and gives it to nobody else.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRefreshEnv(t)
		type call struct{ host, authorization string }
		var calls []call
		api := hosts{}
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
		e.mux.HandleFunc("GET /call", func(w http.ResponseWriter, r *http.Request) {
			client := e.strategy.Client(w, r)
			client.Transport.(*oauth2.Transport).Base = api
			if last, lastErr = client.Get("https://api.example/?to=" + r.URL.Query().Get("to")); lastErr == nil {
				last.Body.Close()
			}
		})
		e.browser().fetch("/call")
		if !errors.Is(lastErr, auth0.ErrNoSession) || len(calls) != 0 {
			t.Errorf("logged out: %v, %d calls", lastErr, len(calls))
		}
		b := e.browser().mustLogin()
		first := b.token()
		time.Sleep(tokenLife)
		b.fetch("/call")
		second := b.token()
		if lastErr != nil || len(calls) != 1 || calls[0].authorization != "Bearer "+second || first == second {
			t.Fatalf("%v, %d calls", lastErr, len(calls))
		}
		for to, want := range map[string]int{"/there": 2, "https://api.example/there": 2, "https://elsewhere.example/": 1, "http://api.example/": 1, "https://api.example.elsewhere.example/": 1} {
			calls = nil
			b.fetch("/call?to=" + to)
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

// TestLogoutRevokesRefreshToken, which nobody waits for, and on which nothing
// depends.
func TestLogoutRevokesRefreshToken(t *testing.T) {
	tests := []struct {
		why    string
		spoil  func(*env)
		calls  int
		warned bool
	}{
		{"as always", func(*env) {}, 1, false},
		{"no refresh token", func(e *env) { e.edit(func(c *emulator.Client) { c.GrantTypes = []string{"authorization_code"} }) }, 0, false},
		{"the tenant fails", func(e *env) { e.tenant.Fail(emulator.Revoke, 500) }, 1, true},
		{"the tenant does not take the secret", func(e *env) { e.edit(func(c *emulator.Client) { c.Secret = "another" }) }, 1, true},
		{"the tenant does not answer", func(e *env) { e.tenant.Delay(emulator.Revoke, time.Hour) }, 1, true},
	}
	for _, tt := range tests {
		inEachMode(t, func(t *testing.T, m mode) {
			e := newRefreshEnv(t, m.edit)
			b := e.browser()
			if tt.calls == 0 {
				tt.spoil(e)
				b.mustLogin()
			} else {
				b.mustLogin()
				tt.spoil(e)
			}
			begun := time.Now()
			b.logout()
			if d := time.Since(begun); d > 0 {
				t.Errorf("%s: the logout took %v", tt.why, d)
			}
			if b.loggedIn() {
				t.Errorf("%s: still logged in", tt.why)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := e.tenant.Calls(emulator.Revoke); got != tt.calls {
				t.Errorf("%s: %d calls, want %d", tt.why, got, tt.calls)
			}
			if got := strings.Contains(e.log.String(), "could not be revoked"); got != tt.warned {
				t.Errorf("%s: warned %v, want %v:\n%s", tt.why, got, tt.warned, e.log)
			}
		})
	}
}

// TestRevokedRefreshTokenIsDead: what the logout sends is the refresh token.
func TestRevokedRefreshTokenIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRefreshEnv(t)
		b := e.browser().mustLogin()
		copied := b.clone()
		b.logout()
		synctest.Wait()
		time.Sleep(tokenLife)
		copied.clone().noToken(401, "no_session")
		copied.e = newRefreshEnv(t, func(c *auth0.Config) { *c = e.cfg }) // another instance
		copied.noToken(401, "token_expired")
	})
}

// TestRefreshDoesNotPrint: what callers hold of tokens shows nothing of them.
func TestRefreshDoesNotPrint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRefreshEnv(t, inStore)
		spy := e.cfg.HTTPClient.Transport.(*tokenSpy)
		var values []any
		e.mux.HandleFunc("GET /collect", func(w http.ResponseWriter, r *http.Request) {
			s, err := e.strategy.Session(r)
			if err != nil {
				t.Error(err)
				return
			}
			values = append(values, e.strategy, s, e.strategy.TokenSource(w, r), e.strategy.Client(w, r), e.cfg.Store, auth0.ForAudience(secondAudience))
			_, err = e.strategy.AccessToken(w, r)
			values = append(values, err, r.Context())
		})
		b := e.browser().mustLogin()
		b.page("/collect")
		e.tenant.Fail(emulator.Token, 500)
		time.Sleep(tokenLife)
		b.page("/collect")
		e.tenant.Fail(emulator.Token, 0)
		e.tenant.RevokeRefreshTokens("ada@acme.example")
		b.page("/collect")
		secrets := append(spy.seen(), "client-secret-SECRET", testSecret, b.cookies[sessionName])
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

// TestTokensAtOnce: a handler may ask for several tokens at the same time. The
// response then sets one session, which has them all.
func TestTokensAtOnce(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			e := newRefreshEnv(t, m.edit)
			audiences := []string{testAudience, secondAudience, "https://third.example/"}
			got := make([]string, 12)
			e.mux.HandleFunc("GET /at-once", func(w http.ResponseWriter, r *http.Request) {
				var all sync.WaitGroup
				for i := range got {
					all.Go(func() {
						opts := []auth0.TokenOption{auth0.ForAudience(audiences[i%len(audiences)])}
						if i < len(audiences) {
							opts = append(opts, auth0.ForceRefresh())
						}
						token, err := e.strategy.TokenSource(w, r, opts...).Token()
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
				b := e.browser().mustLogin()
				if resp := b.fetch("/at-once"); resp.status != 200 {
					t.Fatal(resp.status)
				}
				calls := e.tenant.Calls(emulator.Token)
				for _, audience := range audiences {
					if token := b.token("audience=" + url.QueryEscape(audience)); !slices.Contains(got, token) {
						t.Errorf("%s: the session has none of the tokens", audience)
					}
				}
				if n := e.tenant.Calls(emulator.Token) - calls; n != 0 {
					t.Errorf("%d tokens were got and not kept", n)
				}
			}
		})
	}
}
