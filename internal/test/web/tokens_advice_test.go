package web_test

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// loginAddress is the address of the login route in a page.
var loginAddress = regexp.MustCompile(`/auth/login[^\s"'<>]*`)

// withoutRefreshToken is an application that does not ask for offline_access.
func withoutRefreshToken(c *auth0.Config) { c.Scopes = []string{"openid", "read:protected"} }

// refusesRefreshes makes the tenant reject every refresh, and no login.
func refusesRefreshes(e *testkit.Env) {
	e.Tenant.EditTokenResponse(func(status *int, body map[string]any) {
		if e.Tenant.LastTokenRequest().Get("grant_type") == "refresh_token" {
			*status = 403
			clear(body)
			body["error"] = "access_denied"
		}
	})
}

// deadTokens are the reasons why a session cannot get a token without another login.
var deadTokens = []struct {
	why   string
	edit  func(*auth0.Config) // nil for an application with refresh tokens
	kill  func(*testkit.Env)
	opts  []auth0.TokenOption
	sleep time.Duration
}{
	{why: "no refresh token", edit: withoutRefreshToken, sleep: testkit.TokenLife},
	{why: "no refresh token, forced", edit: withoutRefreshToken, opts: []auth0.TokenOption{auth0.ForceRefresh()}},
	{why: "refresh token rejected", kill: func(e *testkit.Env) { e.Tenant.RevokeRefreshTokens("ada@acme.example") }, sleep: testkit.TokenLife},
	{why: "refresh token rejected, forced", kill: func(e *testkit.Env) { e.Tenant.RevokeRefreshTokens("ada@acme.example") },
		opts: []auth0.TokenOption{auth0.ForceRefresh()}},
	{why: "refresh token rejected for another API", kill: func(e *testkit.Env) { e.Tenant.RevokeRefreshTokens("ada@acme.example") },
		opts: []auth0.TokenOption{auth0.ForAudience(testkit.SecondAudience)}},
	{why: "refused by a policy", kill: refusesRefreshes, sleep: testkit.TokenLife},
}

// A page of the application needs a token. Without one it answers as the row says.
func addPage(e *testkit.Env, opts []auth0.TokenOption, without func(w http.ResponseWriter, r *http.Request, err error)) {
	forced := false
	e.Mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("once") && forced {
			opts = nil // the login has brought the newer claims
		}
		_, err := e.Strategy.AccessToken(w, r, opts...)
		if err != nil {
			forced = true
			without(w, r, err)
			return
		}
		fmt.Fprint(w, "with a token")
	})
}

// TestAdviceToLogIn follows each advice to log in again until it has worked. The link of
// the error page, the header for scripts and the documentation of ErrTokenExpired give
// it.
func TestAdviceToLogIn(t *testing.T) {
	t.Parallel()
	for _, tt := range deadTokens {
		for _, advice := range []string{"page", "script", "redirect"} {
			testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
				edit := tt.edit
				if edit == nil {
					edit = testkit.InCookies
				}
				e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit, edit)
				without := e.Strategy.WriteError
				if advice == "redirect" {
					without = func(w http.ResponseWriter, r *http.Request, err error) {
						if !errors.Is(err, auth0.ErrTokenExpired) {
							t.Errorf("%s: %v", tt.why, err)
						}
						http.Redirect(w, r, "/auth/login?returnTo="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
					}
				}
				addPage(e, tt.opts, without)
				b := e.Browser().MustLogin()
				if tt.kill != nil {
					tt.kill(e)
				}
				time.Sleep(tt.sleep)

				login := ""
				switch advice {
				case "page":
					resp := b.Page("/page?once")
					login = html.UnescapeString(loginAddress.FindString(resp.Body))
					if resp.Status != 401 {
						t.Fatalf("%s: %d %q", tt.why, resp.Status, resp.Body)
					}
				case "script":
					resp := b.Fetch("/page?once")
					path, ok := strings.CutPrefix(resp.Header.Get("WWW-Authenticate"), `Session login="`)
					if resp.Status != 401 || !ok {
						t.Fatalf("%s: %d, %v", tt.why, resp.Status, resp.Header)
					}
					login = strings.TrimSuffix(path, `"`) + "?returnTo=/page?once"
				case "redirect":
					login = b.Page("/page?once").Location(t).RequestURI()
				}
				resp := b.Login(login) // fails if the route does not lead to the tenant
				if resp.Status != 303 || resp.Header.Get("Location") != "/page?once" {
					t.Errorf("%s, %s: %d to %q", tt.why, advice, resp.Status, resp.Header.Get("Location"))
				}
				if resp := b.Page("/page?once"); resp.Body != "with a token" {
					t.Errorf("%s, %s: %d %q after the login", tt.why, advice, resp.Status, resp.Body)
				}
				// The new session is good, so the login route makes no detour.
				if to := b.Page("/auth/login?returnTo=/private").Header.Get("Location"); to != "/private" {
					t.Errorf("%s, %s: a session with good tokens is sent to %q", tt.why, advice, to)
				}
			})
		}
	}
}

// TestNoAdviceToLogIn: after an error that no login repairs, there is no challenge with
// the login route. A posted form is not a page to come back to.
func TestNoAdviceToLogIn(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.CheapTokens)
	for _, tt := range []struct {
		why, method string
		err         error
		status      int
		challenge   string
	}{
		{"token of an API", "GET", &auth0.Error{Status: 401, Code: "invalid_token", Reason: "token_expired"}, 401, ""},
		{"forbidden", "GET", auth0.ErrForbidden, 403, ""},
		{"status alone", "GET", &auth0.Error{Status: 403, Code: "login_required", Reason: "x"}, 403, ""},
		{"no session", "GET", auth0.ErrNoSession, 401, `Session login="/auth/login?returnTo=%2Fpage"`},
		{"form", "POST", &auth0.Error{Status: 401, Code: "login_required", Reason: "token_expired"}, 401, `Session login="/auth/login"`},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(tt.method, testkit.AppURL+"/page", nil)
		for i := 0; i < len(testkit.Navigation); i += 2 {
			r.Header.Set(testkit.Navigation[i], testkit.Navigation[i+1])
		}
		e.Strategy.WriteError(w, r, tt.err)
		if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || tt.method == "POST" && strings.Contains(w.Body.String(), "returnTo") {
			t.Errorf("%s: %d, %q, %s", tt.why, w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
		}
	}
}

// TestAdviceWithSilentStore: while the store does not answer, no answer advises to log
// in again. Afterwards the advice works.
func TestAdviceWithSilentStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &testkit.HalfStore{Store: auth0.NewMemoryStore(100)}
		e := testkit.SignedInRefreshing(t, testkit.CheapTokens, withoutRefreshToken, func(c *auth0.Config) { c.Store = store })
		addPage(e, nil, e.Strategy.WriteError)
		b := e.Browser().MustLogin()
		time.Sleep(testkit.TokenLife)

		store.FailWith(errors.New("no connection"))
		if resp := b.Page("/page"); resp.Status != 503 || resp.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("silent store: %d %v", resp.Status, resp.Header)
		}
		store.FailWith(nil)
		login := html.UnescapeString(loginAddress.FindString(b.Page("/page").Body))

		// The store is silent again while the user logs in.
		answer := b.AtTenant(b.Begin(login))
		store.FailWith(errors.New("no connection"))
		failed := b.Callback(answer)
		if failed.Status < 500 || b.Page("/page").Status != 503 {
			t.Errorf("the session cannot begin: %d", failed.Status)
		}
		store.FailWith(nil)
		b.Login(cmp.Or(html.UnescapeString(loginAddress.FindString(failed.Body)), "no link"))
		if resp := b.Page("/page"); resp.Body != "with a token" {
			t.Errorf("%d %q after the login", resp.Status, resp.Body)
		}
	})
}

// TestNoAdviceThatCannotWork: a token that no login brings does not cause
// ErrTokenExpired. Otherwise an application that follows the advice would never stop. A
// release that requests offline_access brings it to users with a session.
func TestNoAdviceThatCannotWork(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit, withoutRefreshToken)
		b := e.Browser().MustLogin()
		b.NoToken(401, "missing_token", "audience="+testkit.SecondAudience)
		b.NoToken(401, "missing_token", "scope=delete:everything")
		b.Token()
		if to := b.Page("/auth/login?returnTo=/private").Header.Get("Location"); to != "/private" {
			t.Errorf("a session with all tokens of the login is sent to %q", to)
		}

		released := testkit.SignedInRefreshing(t, testkit.CheapTokens, func(c *auth0.Config) {
			scopes := c.Scopes
			*c = e.Config
			c.Scopes = scopes
		})
		released.Tenant = e.Tenant
		b.Env = released
		b.Login("/auth/login?returnTo=/private")
		b.Token("audience=" + testkit.SecondAudience)
	})
}

// TestLoginWithGoodTokens: single sign-on stays, and a session with good tokens causes
// no redirect to the tenant.
func TestLoginWithGoodTokens(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*auth0.Config){testkit.InCookies, withoutRefreshToken} {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit, edit)
			b := e.Browser().MustLogin()
			for range 2 {
				if to := b.Page("/auth/login?returnTo=/private").Header.Get("Location"); to != "/private" {
					t.Errorf("sent to %q", to)
				}
				if resp := b.Do("POST", "/auth/login", url.Values{"returnTo": {"/private"}}, testkit.Navigation...); resp.Header.Get("Location") != "/private" {
					t.Errorf("a form: %d, %v", resp.Status, resp.Header)
				}
				b.Token()
				time.Sleep(testkit.TokenLife/2 - time.Second)
			}
		})
	}
}
