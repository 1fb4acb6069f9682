package web_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

var loginURL = regexp.MustCompile(`https://app\.example(/auth/login[^"\s]*)`)

// loginLink returns the path of the login link of a page, or an empty text.
func loginLink(t *testing.T, resp *testkit.Response) string {
	t.Helper()
	found := loginURL.FindStringSubmatch(html.UnescapeString(resp.Body))
	if found == nil {
		return ""
	}
	return found[1]
}

// TestWayOutOfARefusal: the tenant, the library or the application has rejected an
// account. The link of the page leads to the tenant, which asks for the account, and
// another account gets in.
func TestWayOutOfARefusal(t *testing.T) {
	t.Parallel()
	onlyBob := func(_ context.Context, l *auth0.Login) error {
		if l.User.Email != "bob@acme.example" {
			return auth0.ErrForbidden
		}
		return nil
	}
	for _, tt := range []struct {
		why   string
		edit  func(*auth0.Config)
		spoil func(*testkit.Env)
	}{
		{"tenant, Action", nil, func(e *testkit.Env) { e.Tenant.DenyNext("access_denied", "not on the list") }},
		{"tenant, blocked", nil, func(e *testkit.Env) { e.Tenant.DenyNext("unauthorized", "user is blocked") }},
		{"tenant, no member", nil, func(e *testkit.Env) {
			e.Tenant.DenyNext("invalid_request", "user auth0|1 is not part of the org_1 organization")
		}},
		{"AfterLogin", func(c *auth0.Config) { c.AfterLogin = onlyBob }, nil},
		{"AfterLogin, own error", func(c *auth0.Config) {
			c.AfterLogin = func(ctx context.Context, l *auth0.Login) error {
				if onlyBob(ctx, l) != nil {
					return &auth0.Error{Status: 403, Reason: "no_seat", Description: "you have no seat"}
				}
				return nil
			}
		}, nil},
		{"organization of the ID token", nil, func(e *testkit.Env) {
			e.Tenant.EditIDToken(func(_, c map[string]any) {
				if c["email"] != "bob@acme.example" {
					c["org_name"] = "other"
				}
			})
		}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			edits := []func(*auth0.Config){}
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			e := testkit.SignedIn(t, edits...)
			var opts []auth0.LoginOption
			if tt.why == "organization of the ID token" {
				opts = append(opts, auth0.WithOrganization("acme-eu"))
			}
			e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(append(opts, auth0.WithReturnTo("/private"), auth0.WithLoginHint("ada@acme.example"))...))
			b := e.Browser()
			u := b.Begin("/begin")
			if tt.spoil != nil {
				tt.spoil(e)
			}
			resp := b.Callback(b.AtTenant(u))
			if resp.Status < 400 || resp.Status > 403 {
				t.Fatalf("%d %s", resp.Status, resp.Body)
			}
			for range 2 { // the page, and the page loaded again
				again := b.Begin(loginLink(t, resp))
				q := again.Query()
				if q.Get("prompt") != "login select_account" || q.Has("login_hint") || q.Get("organization") != u.Query().Get("organization") {
					t.Fatalf("the link leads to %q", q)
				}
				resp = b.Callback(testkit.Must(url.Parse(testkit.AppURL + "/auth/callback?code=x&state=" + u.Query().Get("state"))))
			}
			again := b.Begin(loginLink(t, resp))
			other := "bob@acme.example"
			if strings.HasPrefix(tt.why, "organization") {
				e.Tenant.EditIDToken(nil) // whose organization fits
				other = "ada@acme.example"
			}
			e.SignInAtTenant(other)
			q := again.Query()
			q.Del("prompt") // bob logs in on the tenant's page
			again.RawQuery = q.Encode()
			if got := b.Callback(b.AtTenant(again)); got.Status != http.StatusSeeOther || got.Header.Get("Location") != "/private" {
				t.Errorf("the other account: %d to %q; %s", got.Status, got.Header.Get("Location"), got.Body)
			}
		})
	}
}

// TestWayOutOfAGuard: a page without access for the user offers another account too.
func TestWayOutOfAGuard(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("GET /admin", e.Strategy.RequireUser(func(auth0.User) bool { return false })(http.NotFoundHandler()))
	e.Mux.HandleFunc("GET /forbidden", func(w http.ResponseWriter, r *http.Request) { e.Strategy.WriteError(w, r, auth0.ErrForbidden) })
	b := e.Browser().MustLogin()
	for _, page := range []string{"/admin", "/forbidden"} {
		resp := b.Page(page)
		if resp.Status != http.StatusForbidden || b.Begin(loginLink(t, resp)).Query().Get("prompt") != "login select_account" {
			t.Errorf("%s: %d %s", page, resp.Status, resp.Body)
		}
	}
}

// TestRetryKeepsTheLogin has a row for each option that the link of an error page
// keeps. The request to the tenant has the option again.
func TestRetryKeepsTheLogin(t *testing.T) {
	t.Parallel()
	const organization = "org_ABCDEFGHIJKLMNOP"
	for name, options := range map[string][]auth0.LoginOption{
		"none":         nil,
		"organization": {auth0.WithOrganization(organization)},
		"connection":   {auth0.WithConnection("google-oauth2")},
		"max_age":      {auth0.WithMaxAge(time.Minute)},
		"acr_values":   {auth0.WithACRValues("urn:a", "urn:b")},
		"required acr": {auth0.WithRequiredACR("urn:a", "urn:b")},
		"prompt":       {auth0.WithPrompt("consent")},
		"scope":        {auth0.WithScopes("openid", "offline_access")},
		"audience":     {auth0.WithAudience(testkit.Audience)},
		"no audience":  {auth0.WithParam("audience")},
		"login_hint":   {auth0.WithLoginHint("ada@acme.example")},
		"ui_locales":   {auth0.WithUILocales("de")},
		"screen_hint":  {auth0.WithScreenHint("signup")},
		"further":      {auth0.WithParam("ext-campaign", "spring")},
		"cookie":       {auth0.WithPersistentCookie(false)},
		"all": {auth0.WithOrganization(organization), auth0.WithConnection("google-oauth2"), auth0.WithMaxAge(time.Minute), auth0.WithPrompt("login"),
			auth0.WithScopes("openid", "email"), auth0.WithUILocales("de"), auth0.WithAppState("cart")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := testkit.SignedIn(t, func(c *auth0.Config) {
				c.LoginOptions = []auth0.LoginOption{auth0.WithParam("ext-every", "login"), auth0.WithAudience("https://every.example/")}
			})
			e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(options...))
			asked := func(u *url.URL) string {
				q := u.Query()
				for _, fresh := range []string{"state", "nonce", "code_challenge"} {
					q.Del(fresh)
				}
				return q.Encode()
			}
			for why, spoil := range map[string]func(*testkit.Env){
				"refused": func(e *testkit.Env) { e.Tenant.DenyNext("code_of_the_tests", "no") },
				"expired": nil,
			} {
				b := e.Browser()
				u := b.Begin("/begin?returnTo=/private")
				var resp *testkit.Response
				if spoil != nil {
					spoil(e)
					resp = b.Callback(testkit.Must(url.Parse(testkit.AppURL + "/auth/callback?error=code_of_the_tests&state=" + u.Query().Get("state"))))
				} else {
					cfg := e.Config
					cfg.Now = func() time.Time { return time.Now().Add(90 * time.Minute) }
					later := testkit.Must(auth0.New(cfg))
					b.Env = &testkit.Env{T: t, App: later.Handler()}
					resp = b.Callback(testkit.Must(url.Parse(testkit.AppURL + "/auth/callback?code=x&state=" + u.Query().Get("state"))))
				}
				if resp.Status != http.StatusBadRequest {
					t.Fatalf("%s: %d %s", why, resp.Status, resp.Body)
				}
				again := b.Begin(loginLink(t, resp))
				if got, want := asked(again), asked(u); got != want {
					t.Errorf("%s: the link asks for\n%s, the login asked for\n%s", why, got, want)
				}
				if link := loginLink(t, resp); !strings.Contains(link, "returnTo=%2Fprivate") || (name == "none") == strings.Contains(link, "login_ticket") {
					t.Errorf("%s: the link is %s", why, link)
				}
			}
		})
	}
}

// TestRetryLogsIn: a login by the link of an error page ends at the requested page,
// with the state of the application and in the organization.
func TestRetryLogsIn(t *testing.T) {
	t.Parallel()
	var state []string
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.CheckOrganization = func(context.Context, string) error { return nil } // there must be one
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { state = append(state, string(l.AppState)); return nil }
	})
	e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(auth0.WithOrganization("acme-eu"), auth0.WithAppState(7)))
	b := e.Browser()
	u := b.Begin("/begin?returnTo=/private")
	e.Tenant.DenyNext("login_required", "no")
	resp := b.Callback(b.AtTenant(u))
	stranger := e.Browser() // who got the link
	if got := stranger.Login(loginLink(t, resp)); got.Status != http.StatusSeeOther || fmt.Sprint(state) != "[]" {
		t.Errorf("another browser: %d, the application gets the state %q", got.Status, state)
	}
	state = nil
	got := b.Login(loginLink(t, resp))
	if got.Status != http.StatusSeeOther || got.Header.Get("Location") != "/private" || !b.LoggedIn() || fmt.Sprint(state) != "[7]" {
		t.Errorf("%d to %q, %q; %s", got.Status, got.Header.Get("Location"), state, got.Body)
	}
}

// TestBadTicket: an invalid ticket prevents no login, and sets no option.
func TestBadTicket(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	for _, ticket := range []string{"", "x", "v3.AAAA", strings.Repeat("x", 10_000)} {
		q := e.Browser().Begin("/auth/login?returnTo=/private&login_ticket=" + ticket).Query()
		if q.Has("organization") || q.Has("login_ticket") || q.Get("scope") != "openid profile email" {
			t.Errorf("%.20s: %q", ticket, q)
		}
	}
	// The control: a user with a session is redirected without the tenant.
	b := e.Browser().MustLogin()
	if resp := b.Page("/auth/login?returnTo=/private&login_ticket=x"); resp.Header.Get("Location") != "/private" {
		t.Errorf("logged in: %d to %q", resp.Status, resp.Header.Get("Location"))
	}
}

// TestOutageOfTheTokenEndpoint: when the tenant answers again, loading the page again
// logs in. A decision of the tenant stays.
func TestOutageOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 502, 503} {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t)
			b := e.Browser()
			back := b.AtTenant(b.Begin("/auth/login?returnTo=/private"))
			e.Tenant.Fail(testkit.TokenEndpoint, status)
			if resp := b.Callback(back); resp.Status != http.StatusServiceUnavailable || b.LoggedIn() {
				t.Fatalf("%d: %d", status, resp.Status)
			}
			e.Tenant.Fail(testkit.TokenEndpoint, 0)
			time.Sleep(time.Minute) // of fake time, as the page says
			if resp := b.Callback(back); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" || !b.LoggedIn() {
				t.Errorf("%d: then %d to %q; %s", status, resp.Status, resp.Header.Get("Location"), resp.Body)
			}
			if n := len(b.Transactions()); n != 0 {
				t.Errorf("%d: %d transactions are left", status, n)
			}
		})
	}
}

// TestTimeToLogIn: the limit is an hour, or the configured time.
func TestTimeToLogIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		timeout, age time.Duration
		status       int
	}{
		{0, 59 * time.Minute, 303},
		{0, time.Hour, 400},
		{5 * time.Minute, 299 * time.Second, 303},
		{5 * time.Minute, 5 * time.Minute, 400},
		{24 * time.Hour, 23 * time.Hour, 303},
		{24 * time.Hour, 24 * time.Hour, 400},
	} {
		c := testkit.NewClock()
		e := testkit.SignedIn(t, func(cfg *auth0.Config) { cfg.Now, cfg.LoginTimeout = c.Now, tt.timeout })
		b := e.Browser()
		u := b.Begin("/auth/login?returnTo=/private")
		c.Add(int(tt.age / time.Second))
		resp := b.Callback(testkit.Must(url.Parse(testkit.AppURL + "/auth/callback?error=login_required&state=" + u.Query().Get("state"))))
		late := e.LastReason() == "transaction_not_found"
		if resp.Status != 400 || late != (tt.status == 400) || !strings.Contains(loginLink(t, resp), "returnTo=%2Fprivate") {
			t.Errorf("%v after %v: %d, %s, %s", tt.timeout, tt.age, resp.Status, e.LastReason(), resp.Body)
		}
	}
	for _, bad := range []time.Duration{-1, time.Second, 59 * time.Second, 24*time.Hour + 1} {
		cfg := testkit.GoodConfig()
		cfg.LoginTimeout = bad
		if _, err := auth0.New(cfg); err == nil || !strings.Contains(err.Error(), "Config.LoginTimeout") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestCallbackTwiceAtOnce: both requests of one browser lead to the page, and the
// tenant is asked once. The second response starts no session.
func TestCallbackTwiceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		b := e.Browser()
		back := b.AtTenant(b.Begin("/auth/login?returnTo=/private"))
		other, late := b.Clone(), b.Clone()
		e.Tenant.Delay(testkit.TokenEndpoint, time.Second)
		var first *testkit.Response
		var wg sync.WaitGroup
		wg.Go(func() { first = b.Callback(back) })
		synctest.Wait()
		for why, second := range map[string]*testkit.Response{"while": other.Callback(back), "after": late.Callback(back)} {
			if second.Status != http.StatusSeeOther || second.Header.Get("Location") != "/private" || len(second.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s: %d to %q, cookies %q", why, second.Status, second.Header.Get("Location"), second.Header.Values("Set-Cookie"))
			}
		}
		wg.Wait()
		if first.Status != http.StatusSeeOther || !b.LoggedIn() || other.LoggedIn() || late.LoggedIn() {
			t.Errorf("the first: %d; logged in %v, %v, %v", first.Status, b.LoggedIn(), other.LoggedIn(), late.LoggedIn())
		}
		if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 1 {
			t.Errorf("%d token requests", n)
		}
		// Another browser with the same URL gets an error, and no redirect to the page.
		if resp := e.Browser().Callback(back); resp.Status != http.StatusBadRequest {
			t.Errorf("another browser: %d to %q", resp.Status, resp.Header.Get("Location"))
		}
	})
}

// TestTenantsWords: the application gets the tenant's text, and the page has a
// sentence where trying again cannot help. The page never quotes the tenant.
func TestTenantsWords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Bitte bestätigen Sie Ihre Adresse. ", 8)
	for _, tt := range []struct{ code, description, page string }{
		{"access_denied", "Please verify your email before logging in.", "Your email address is not verified yet"},
		{"unauthorized", "Please verify your email before logging in.", "Your email address is not verified yet"},
		{"access_denied", "User does not belong to any organization", "Your account is not in an organization"},
		{"invalid_request", "user auth0|1 is not part of the org_1 organization", "Your account is not in an organization"},
		{"unauthorized", "user is blocked", "Your account is blocked"},
		{"access_denied", "User did not authorize the request", "You canceled the login"},
		{"access_denied", "Service not found: https://api.example", "This site is not set up correctly, so nobody can log in"},
		{"invalid_request", "the connection was disabled", "This site's login is not set up correctly"},
		{"invalid_scope", "x", "This site's login is not set up correctly"},
		{"invalid_request", "invitation not found or already used", "This invitation was already used"},
		{"server_error", "x", "The login service has a problem"},
		{"temporarily_unavailable", "x", "The login service has a problem"},
		{"access_denied", long, "You canceled the login, or you do not have access"},
		{"code_of_the_tests", long, "The login was not completed. Try again"},
	} {
		var got *auth0.Error
		e := testkit.SignedIn(t)
		b := e.Browser()
		u := b.Begin("/auth/login")
		e.Tenant.DenyNext(tt.code, tt.description)
		back := b.AtTenant(u)
		if resp := b.Clone().Callback(back); !strings.Contains(html.UnescapeString(resp.Body), tt.page) || strings.Contains(resp.Body, tt.description) && len(tt.description) > 1 {
			t.Errorf("%s %q: %s", tt.code, tt.description, resp.Body)
		}
		cfg := e.Config
		cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *auth0.Error) { got = err }
		e.App = testkit.Must(auth0.New(cfg)).Handler()
		b.Callback(back)
		if got == nil || got.TenantCode != tt.code || got.TenantDescription != tt.description || got.LoginURL == "" {
			t.Errorf("%s %q: the application gets %+v", tt.code, tt.description, got)
		}
	}
	// The text can come from the token endpoint too.
	var got *auth0.Error
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *auth0.Error) { got = err }
	})
	e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(403)
		fmt.Fprint(w, `{"error":"access_denied","error_description":"`+strings.Repeat("ä", 400)+`"}`)
	})
	e.Browser().Login("/auth/login")
	if got == nil || got.TenantCode != "access_denied" || got.TenantDescription == "" || len(got.TenantDescription) > 512 ||
		strings.Trim(got.TenantDescription, "ä") != "" {
		t.Errorf("%+v", got)
	}
	// A text that a stranger can have written is not the tenant's.
	e.Browser().Page("/auth/callback?state=x&error=access_denied&error_description=call+this+number")
	if got.TenantCode != "" || got.TenantDescription != "" || !strings.Contains(e.Log.String(), "call this number") {
		t.Errorf("%+v; log %s", got, e.Log)
	}
}

// TestRefusalLoadedAgain: the application gets the same error when the page is loaded
// again, in all fields that it can decide by.
func TestRefusalLoadedAgain(t *testing.T) {
	t.Parallel()
	var got []*auth0.Error
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err *auth0.Error) { got = append(got, err) }
	})
	b := e.Browser()
	u := b.Begin("/auth/login?returnTo=/private")
	e.Tenant.DenyNext("unauthorized", "user is blocked")
	back := b.AtTenant(u)
	b.Callback(back)
	b.Callback(back)
	if len(got) != 2 || !errors.Is(got[0], auth0.ErrUserBlocked) || !errors.Is(got[1], auth0.ErrUserBlocked) {
		t.Fatalf("%v", got)
	}
	for _, e := range got {
		e.Err, e.LoginURL = nil, "" // for the log, and with a new ticket
	}
	if fmt.Sprintf("%+v", got[0]) != fmt.Sprintf("%+v", got[1]) {
		t.Errorf("%+v, then %+v", got[0], got[1])
	}
}

// TestAfterLoginOutage: a function that could not decide denies no access.
func TestAfterLoginOutage(t *testing.T) {
	t.Parallel()
	for why, err := range map[string]error{"deadline": context.DeadlineExceeded, "other": errors.New("no connection to the database")} {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.AfterLogin = func(context.Context, *auth0.Login) error { return err } })
		b := e.Browser()
		resp := b.Login("/auth/login?returnTo=/private")
		if resp.Status != http.StatusServiceUnavailable || strings.Contains(resp.Body, "not allowed") || b.LoggedIn() {
			t.Errorf("%s: %d %s", why, resp.Status, resp.Body)
		}
		if q := b.Begin(loginLink(t, resp)).Query(); q.Has("prompt") {
			t.Errorf("%s: the link leads to %q", why, q)
		}
	}
}
