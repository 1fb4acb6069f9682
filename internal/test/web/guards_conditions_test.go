package web_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// mfaClass is Auth0's acr value for a second factor.
const mfaClass = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

// acmeOf returns the id of the organization that ada is a member of.
func acmeOf(t *testing.T, e *testkit.Env) string {
	t.Helper()
	e.Mux.Handle("GET /acme", e.Strategy.LoginHandler(auth0.WithOrganization("acme-eu")))
	b := e.Browser()
	b.Login("/acme")
	id := e.UserOf(b).OrgID
	if !strings.HasPrefix(id, "org_") {
		t.Fatalf("the organization has the id %q", id)
	}
	return id
}

// page is the page behind the guards of these tests.
var page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	fmt.Fprintf(w, "%s for %s", r.RequestURI, user.Email)
})

// begins requires a redirect to the tenant, and returns its parameters.
func begins(t *testing.T, why string, resp *testkit.Response) url.Values {
	t.Helper()
	to := resp.Header.Get("Location")
	if resp.Status != http.StatusFound || !strings.HasPrefix(to, "https://"+testkit.TenantHost+"/authorize?") || resp.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%s: %d to %q; %s", why, resp.Status, to, resp.Body)
	}
	return resp.Location(t).Query()
}

// TestRequireStepUp: one visit to the tenant makes a session good that is too old, or too
// weak, and ends at the URL of the page. No requirement of the page is in a URL of the
// application.
func TestRequireStepUp(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedIn(t, m.Edit, testkit.CheapTokens)
		e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
		e.Mux.Handle("/strong", e.Strategy.RequireStepUp(0, auth0.ACRMultiFactor)(page))
		e.Mux.Handle("/both", e.Strategy.RequireStepUp(time.Minute, "urn:other", auth0.ACRMultiFactor)(page))
		b := e.Browser()
		// Without a session there is one login, and not two.
		for range 2 {
			q := begins(t, "nobody", b.Page("/recent?id=7&x=%2F"))
			if q.Get("max_age") != "300" || q.Has("acr_values") {
				t.Errorf("it asks for %q", q)
			}
		}
		back := b.Callback(b.AtTenant(b.Page("/recent?id=7&x=%2F").Location(t)))
		if to := back.Header.Get("Location"); back.Status != 303 || to != "/recent?id=7&x=%2F" || b.Page(to).Body != "/recent?id=7&x=%2F for ada@acme.example" {
			t.Fatalf("%d to %q", back.Status, to)
		}
		// The age counts, with leeway.
		time.Sleep(6 * time.Minute)
		if resp := b.Page("/recent"); resp.Status != 200 || resp.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("after 6 minutes: %d", resp.Status)
		}
		time.Sleep(time.Second)
		stale := b.Page("/recent?id=8")
		if q := begins(t, "after 6 minutes and a second", stale); q.Get("max_age") != "300" {
			t.Errorf("it asks for %q", q)
		}
		if b.Page("/private").Status != 200 {
			t.Error("other pages need another login too")
		}
		if back := b.Callback(b.AtTenant(stale.Location(t))); back.Header.Get("Location") != "/recent?id=8" || b.Page("/recent?id=8").Status != 200 {
			t.Errorf("%d to %q", back.Status, back.Header.Get("Location"))
		}
		// The class counts apart from the age.
		if q := begins(t, "class", b.Page("/strong")); q.Get("acr_values") != mfaClass || q.Has("max_age") {
			t.Errorf("it asks for %q", q)
		}
		both := b.Page("/both")
		if q := begins(t, "both", both); q.Get("acr_values") != "urn:other "+mfaClass || q.Get("max_age") != "60" {
			t.Errorf("it asks for %q", q)
		}
		if back := b.Callback(b.AtTenant(both.Location(t))); back.Header.Get("Location") != "/both" || b.Page("/both").Status != 200 || b.Page("/strong").Status != 200 {
			t.Errorf("%d to %q; %s", back.Status, back.Header.Get("Location"), back.Body)
		}
		time.Sleep(5 * time.Minute)
		if b.Page("/strong").Status != 200 || b.Page("/both").Status != 302 {
			t.Error("the class has an age of its own")
		}
	})
}

// TestStepUpOfASession has a row for each session that satisfies the guard, or does
// not.
func TestStepUpOfASession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why   string
		guard func(*auth0.Strategy) func(http.Handler) http.Handler
		edit  testkit.TokenEdit
		ok    bool
	}{
		{"as old as allowed", stepUp(5 * time.Minute), testkit.ClaimIn("auth_time", -359), true},
		{"too old", stepUp(5 * time.Minute), testkit.ClaimIn("auth_time", -362), false},
		{"unknown time", stepUp(5 * time.Minute), nil, false},
		{"second factor in amr", stepUp(0, mfaClass), testkit.Claim("amr", []string{"mfa"}), true},
		{"second factor in acr", stepUp(0, mfaClass), testkit.Claim("acr", mfaClass), true},
		{"no second factor", stepUp(0, mfaClass), testkit.Claim("amr", []string{"pwd"}), false},
		{"one of the classes", stepUp(0, "a", "b"), testkit.Claim("acr", "b"), true},
		{"another class", stepUp(0, "a", "b"), testkit.Claim("acr", "c"), false},
		{"amr for another class", stepUp(0, "a"), testkit.Claim("amr", []string{"mfa"}), false},
		{"organization", organization("org_1"), testkit.Claim("org_id", "org_1"), true},
		{"other organization", organization("org_1"), testkit.Claim("org_id", "org_2"), false},
		{"no organization", organization("org_1"), nil, false},
		{"one of two organizations", organization("org_2", "org_1"), testkit.Claim("org_id", "org_1"), true},
		{"option of the login", with(auth0.WithConnection("google-oauth2"), auth0.WithUILocales("de")), nil, true},
		{"no options", with(), nil, true},
		{"age as an option", with(auth0.WithMaxAge(time.Hour)), testkit.ClaimIn("auth_time", -3600), true},
		{"age as an option, too old", with(auth0.WithMaxAge(time.Hour)), testkit.ClaimIn("auth_time", -7200), false},
		{"class as an option", with(auth0.WithRequiredACR("a")), testkit.Claim("acr", "a"), true},
		{"class as an option, another one", with(auth0.WithRequiredACR("a")), nil, false},
		{"class that is only asked for", with(auth0.WithACRValues("a")), nil, true},
		{"organization as an option", with(auth0.WithOrganization("org_1")), testkit.Claim("org_id", "org_1"), true},
		{"organization by name", with(auth0.WithOrganization("acme")), testkit.Claim("org_name", "ACME"), true},
		{"organization by name, another one", with(auth0.WithOrganization("acme")), testkit.Claim("org_name", "other"), false},
	} {
		// A session that does not keep the claims is as good: the callback has checked
		// them.
		for _, keep := range []func(string) bool{nil, func(string) bool { return false }} {
			e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.KeepClaim = keep })
			e.Tenant.EditIDToken(tt.edit)
			e.Mux.Handle("GET /page", tt.guard(e.Strategy)(page))
			b := e.Browser()
			if b.Login("/auth/login").Status != 303 {
				t.Fatal(tt.why)
			}
			if resp := b.Page("/page"); (resp.Status == 200) != tt.ok || !tt.ok && resp.Status != 302 {
				t.Errorf("%s: %d %s", tt.why, resp.Status, resp.Body)
			}
		}
	}
}

func stepUp(maxAge time.Duration, acr ...string) func(*auth0.Strategy) func(http.Handler) http.Handler {
	return func(s *auth0.Strategy) func(http.Handler) http.Handler { return s.RequireStepUp(maxAge, acr...) }
}

func organization(ids ...string) func(*auth0.Strategy) func(http.Handler) http.Handler {
	return func(s *auth0.Strategy) func(http.Handler) http.Handler { return s.RequireOrganization(ids...) }
}

func with(opts ...auth0.LoginOption) func(*auth0.Strategy) func(http.Handler) http.Handler {
	return func(s *auth0.Strategy) func(http.Handler) http.Handler { return s.RequireLoginWith(opts...) }
}

// TestUnusableGuards: a guard that cannot be satisfied rejects every request, also of
// users with a session, and the log says so when the program starts.
func TestUnusableGuards(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 400)
	for why, guard := range map[string]func(*auth0.Strategy) func(http.Handler) http.Handler{
		"step-up without anything":      stepUp(0),
		"age of less than a second":     stepUp(500 * time.Millisecond),
		"negative age":                  stepUp(-time.Minute),
		"acr with a space":              stepUp(0, "a b"),
		"acr with a quotation mark":     stepUp(0, `"`),
		"empty acr":                     stepUp(time.Minute, ""),
		"acr that fits into no link":    stepUp(0, long),
		"no organization":               organization(),
		"empty organization":            organization(""),
		"empty organization of two":     organization("org_1", ""),
		"name of an organization":       organization("acme"),
		"empty option":                  with(auth0.WithOrganization("")),
		"empty connection":              with(auth0.WithConnection("")),
		"nil option":                    with(nil),
		"new login at each request":     with(auth0.WithMaxAge(0)),
		"required acr with a space":     with(auth0.WithRequiredACR("a b")),
		"pop-up":                        with(auth0.WithPopup(testkit.AppURL)),
		"invitation":                    with(auth0.WithInvitation("ticket", "org_1")),
		"address without a browser":     with(auth0.WithForwardedFor(netip.MustParseAddr("203.0.113.9"))),
		"another page":                  with(auth0.WithReturnTo("/other")),
		"options that fit into no link": with(auth0.WithScopes(long[:200], long[:201])),
	} {
		e := testkit.SignedIn(t, testkit.CheapTokens)
		e.Log.Take()
		e.Mux.Handle("GET /page", guard(e.Strategy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: passed", why) })))
		if log := e.Log.Take(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "every request to its route gets 500") {
			t.Errorf("%s: log %s", why, log)
		}
		for _, b := range []*testkit.Browser{e.Browser(), e.Browser().MustLogin()} {
			if resp := b.Page("/page"); resp.Status != http.StatusInternalServerError {
				t.Errorf("%s: %d %s", why, resp.Status, resp.Body)
			}
		}
	}
	// The guard of a zero Strategy does, too.
	e := &testkit.Env{T: t, App: new(auth0.Strategy).RequireStepUp(time.Minute)(page)}
	if resp := e.Browser().Page("/page"); resp.Status != http.StatusInternalServerError {
		t.Errorf("zero Strategy: %d", resp.Status)
	}
}

// TestStepUpOfCallers has a row for each kind of client: the answer that it reads,
// and the place of the login. Each login leads to the page that was open, and
// satisfies the guard.
func TestStepUpOfCallers(t *testing.T) {
	t.Parallel()
	const required = `{"error":"insufficient_user_authentication","error_description":"stronger authentication required"}`
	referer := func(list []string) []string {
		return append(append([]string{}, list...), "Referer", testkit.AppURL+"/open?tab=2")
	}
	for _, tt := range []struct {
		why, method string
		header      []string
		kind, part  string
		ends        string // the page to which the login leads
	}{
		{"fetch", "GET", referer(fetched), "application/json", required, "/open?tab=2"},
		{"fetch of another page", "GET", append(append([]string{}, fetched...), "Referer", "https://evil.example/x"), "application/json", required, "/"},
		{"fetch, no Referer", "POST", fetched, "application/json", required, "/"},
		{"program", "GET", nil, "application/json", required, "/page?a=b"},
		{"htmx", "GET", htmx, "application/json", required, "/open?tab=2"},
		{"htmx, form", "POST", htmx, "application/json", required, "/open?tab=2"},
		{"form", "POST", posted, "text/html; charset=utf-8", "<h1>Confirm that it is you</h1>", "/form?x=1"},
		{"form of an old browser", "POST", postedByOld, "text/html; charset=utf-8", "<h1>Confirm that it is you</h1>", "/form?x=1"},
		{"Turbo, form", "POST", turboForm, "text/vnd.turbo-stream.html; charset=utf-8", "<p><strong>Confirm that it is you</strong></p>", "/form?x=1"},
		{"Turbo, frame", "GET", turboFrame, "text/html; charset=utf-8", `<meta name="turbo-visit-control" content="reload">`, "/page?a=b"},
		{"WebSocket", "GET", append(referer(fetched), "Upgrade", "websocket", "Connection", "Upgrade", "Origin", testkit.AppURL), "application/json", required, "/open?tab=2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t, testkit.CheapTokens)
			e.Mux.Handle("/page", e.Strategy.RequireStepUp(5*time.Minute, auth0.ACRMultiFactor)(page))
			b := e.Browser().MustLogin()
			cookies := fmt.Sprint(b.Cookies)
			resp := b.Do(tt.method, "/page?a=b", nil, tt.header...)
			h := resp.Header
			challenge, ok := strings.CutPrefix(h.Get("WWW-Authenticate"), `Session login="`)
			login, parameters, _ := strings.Cut(challenge, `"`)
			if resp.Status != http.StatusUnauthorized || !ok || parameters != `, acr_values="`+mfaClass+`", max_age="300"` || h.Get("Location") != "" ||
				h.Get("Content-Type") != tt.kind || !strings.Contains(resp.Body, tt.part) || !strings.Contains(h.Get("Cache-Control"), "no-store") || fmt.Sprint(b.Cookies) != cookies {
				t.Fatalf("%s: %d %v %s", tt.why, resp.Status, h, resp.Body)
			}
			if log := e.Log.String(); !strings.Contains(log, `level=DEBUG msg="auth0: refused" op=session status=401 reason=insufficient_user_authentication`) {
				t.Errorf("%s: the log has %s", tt.why, log) // it is a normal request
			}
			if strings.HasPrefix(tt.why, "htmx") != (h.Get("HX-Redirect") == login) {
				t.Errorf("%s: HX-Redirect %q, login %q", tt.why, h.Get("HX-Redirect"), login)
			}
			if tt.kind != "application/json" {
				text := "Confirm that it is you"
				if tt.method == "POST" {
					text += " in a new tab"
				}
				resp.Body = strings.ReplaceAll(resp.Body, ` data-turbo-frame="_top"`, "")
				if link := resp.Links()[text]; link != testkit.AppURL+login {
					t.Errorf("%s: link %q, login %q; %s", tt.why, link, login, resp.Body)
				}
			}
			if u := testkit.Must(url.Parse(login)); len(u.Query().Get("login_ticket")) > 600 || u.Query().Has("max_age") || u.Query().Has("acr_values") {
				t.Errorf("%s: %s", tt.why, login)
			}
			to := b.Page(login)
			if q := begins(t, tt.why, to); q.Get("max_age") != "300" || q.Get("acr_values") != mfaClass || q.Has("login_ticket") {
				t.Errorf("%s: it asks for %q", tt.why, q)
			}
			back := b.Callback(b.AtTenant(to.Location(t)))
			if back.Status != 303 || back.Header.Get("Location") != tt.ends {
				t.Errorf("%s: %d to %q; %s", tt.why, back.Status, back.Header.Get("Location"), back.Body)
			}
			if resp := b.Do(tt.method, "/page?a=b", nil, tt.header...); resp.Status != 200 {
				t.Errorf("%s, afterwards: %d %s", tt.why, resp.Status, resp.Body)
			}
		})
	}
}

// TestConditionsWithoutSession: the code is login_required, and the same link helps.
func TestConditionsWithoutSession(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	e.Mux.Handle("/with", e.Strategy.RequireLoginWith(auth0.WithConnection(testkit.Realm), auth0.WithLoginHint("ada@acme.example"))(page))
	for path, want := range map[string]string{"/recent": "max_age=300", "/with": "connection=" + testkit.Realm} {
		resp := e.Browser().Do("GET", path, nil, fetched...)
		challenge := strings.TrimPrefix(resp.Header.Get("WWW-Authenticate"), `Session login="`)
		login, _, _ := strings.Cut(challenge, `"`)
		if resp.Status != 401 || resp.Body != `{"error":"login_required","error_description":"log in to continue"}` {
			t.Errorf("%s: %d %s", path, resp.Status, resp.Body)
		}
		if q := begins(t, path, e.Browser().Page(login)); !strings.Contains(q.Encode(), want) {
			t.Errorf("%s: the link asks for %q", path, q)
		}
		if q := begins(t, path, e.Browser().Page(path)); !strings.Contains(q.Encode(), want) {
			t.Errorf("%s: the page asks for %q", path, q)
		}
	}
	if resp := e.Browser().Do("POST", "/recent", nil, posted...); resp.Title() != "Your form was not sent" || resp.Links()["Log in in a new tab"] == "" {
		t.Errorf("form: %s", resp.Body)
	}
	// A login route is where it was for guards without conditions.
	if to := e.Browser().Page("/private").Header.Get("Location"); to != "/auth/login?returnTo=%2Fprivate" {
		t.Errorf("RequireLogin: %q", to)
	}
}

// TestConditionsAheadOfTime: a HEAD request or a prefetch starts no login.
func TestConditionsAheadOfTime(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	for _, b := range []*testkit.Browser{e.Browser(), e.Browser().MustLogin()} {
		for why, resp := range map[string]*testkit.Response{
			"HEAD":      b.Do("HEAD", "/recent", nil, testkit.Navigation...),
			"prefetch":  b.Page("/recent", "Sec-Purpose", "prefetch"),
			"prerender": b.Page("/recent", "Sec-Purpose", "prefetch;prerender"),
		} {
			if resp.Status != http.StatusNoContent || resp.Header.Get("Cache-Control") != "no-store" || resp.Body != "" || len(b.Transactions()) != 0 {
				t.Errorf("%s: %d %q, %d transactions", why, resp.Status, resp.Header.Get("Cache-Control"), len(b.Transactions()))
			}
		}
		// A script would take 204 for success.
		for _, header := range [][]string{append([]string{"Sec-Purpose", "prefetch"}, fetched...), fetched} {
			if resp := b.Do("HEAD", "/recent", nil, header...); resp.Status != http.StatusUnauthorized || resp.Body != "" {
				t.Errorf("HEAD of a script: %d %s", resp.Status, resp.Body)
			}
		}
	}
}

// TestTenantIgnoresStepUp: the callback rejects a login that the guard would reject, with
// a page and not with another redirect. The session stays, and the link requests the same
// again.
func TestTenantIgnoresStepUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		guard  func(*auth0.Strategy) func(http.Handler) http.Handler
		edit   testkit.TokenEdit
		reason string
		code   string
		log    string
	}{
		{"no second factor", stepUp(0, mfaClass), func(_, c map[string]any) { delete(c, "acr"); delete(c, "amr") }, "invalid_acr", "insufficient_user_authentication", "an Action must turn acr_values into a second factor"},
		{"old", stepUp(time.Minute), testkit.ClaimIn("auth_time", -600), "auth_too_old", "insufficient_user_authentication", "max_age is 60"},
		{"unknown time", stepUp(time.Minute), testkit.Claim("auth_time", nil), "auth_too_old", "insufficient_user_authentication", "auth_time is missing"},
		{"other organization", nil, testkit.Claim("org_id", "org_2"), "invalid_claim", "access_denied", "org_2"},
	} {
		e := testkit.SignedIn(t)
		if tt.guard == nil {
			tt.guard = organization(acmeOf(t, e))
		}
		e.Mux.Handle("GET /page", tt.guard(e.Strategy)(page))
		b := e.Browser().MustLogin()
		before := b.Page("/page?a=b")
		asked := begins(t, tt.why, before)
		e.Tenant.EditIDToken(tt.edit)
		e.Log.Take()
		resp := b.Callback(b.AtTenant(before.Location(t)))
		if resp.Status != http.StatusForbidden || e.LastReason() != tt.reason || resp.Header.Get("Location") != "" || !b.LoggedIn() {
			t.Errorf("%s: %d %s; logged in %v", tt.why, resp.Status, e.LastReason(), b.LoggedIn())
		}
		if log := e.Log.Take(); !strings.Contains(log, tt.log) || !strings.Contains(log, "code="+tt.code) {
			t.Errorf("%s: log %s", tt.why, log)
		}
		link := ""
		for text, target := range resp.Links() {
			if strings.HasPrefix(text, "Log in") {
				link = target
			}
		}
		again := begins(t, tt.why, b.Page(link))
		for _, name := range []string{"max_age", "acr_values", "organization"} {
			if again.Get(name) != asked.Get(name) {
				t.Errorf("%s: the link has the %s %q, want %q", tt.why, name, again.Get(name), asked.Get(name))
			}
		}
		if (tt.code == "access_denied") != (again.Get("prompt") == "login select_account") {
			t.Errorf("%s: the link has the prompt %q", tt.why, again.Get("prompt"))
		}
	}
}

// TestStepUpCancelled: the link of the error page keeps the requirements of the page, and
// leads to the page.
func TestStepUpCancelled(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	guards := map[string]func(http.Handler) http.Handler{
		"/step":  e.Strategy.RequireStepUp(time.Minute, auth0.ACRMultiFactor),
		"/org":   e.Strategy.RequireOrganization(acmeOf(t, e)),
		"/login": e.Strategy.RequireLoginWith(auth0.WithUILocales("de"), auth0.WithPersistentCookie(false), auth0.WithAppState("x")),
	}
	for path, guard := range guards {
		e.Mux.Handle("GET "+path, guard(page))
		b := e.Browser()
		begun := b.Page(path + "?a=b")
		asked := begins(t, path, begun)
		e.Tenant.DenyNext("access_denied", "User did not authorize the request")
		resp := b.Callback(b.AtTenant(begun.Location(t)))
		again := b.Page(resp.Links()["Log in again"])
		q := begins(t, path, again)
		for _, name := range []string{"max_age", "acr_values", "organization", "ui_locales", "scope"} {
			if q.Get(name) != asked.Get(name) {
				t.Errorf("%s: %s is %q, want %q", path, name, q.Get(name), asked.Get(name))
			}
		}
		back := b.Callback(b.AtTenant(again.Location(t)))
		if back.Header.Get("Location") != path+"?a=b" || b.Page(path+"?a=b").Status != 200 {
			t.Errorf("%s: %d to %q", path, back.Status, back.Header.Get("Location"))
		}
		if cookie := back.SetCookies(t)[testkit.SessionCookie]; cookie == nil || (cookie.MaxAge == 0) != (path == "/login") {
			t.Errorf("%s: cookie %v", path, cookie)
		}
	}
}

// TestAnotherPersonStepsUp: the login is that of the other user, who gets neither the
// page nor the data of the first.
func TestAnotherPersonStepsUp(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.DefaultReturnTo = "/start" })
	e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	e.Mux.HandleFunc("GET /data", func(w http.ResponseWriter, r *http.Request) {
		s := testkit.Must(e.Strategy.Session(r))
		was := fmt.Sprint(s.User.Email, s.Data)
		s.Data["cart"] = "7"
		if err := e.Strategy.SaveSession(w, r, s); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, was)
	})
	for why, begin := range map[string]func(*testkit.Browser) *url.URL{
		"page": func(b *testkit.Browser) *url.URL { return b.Begin("/recent?of=ada") },
		"script": func(b *testkit.Browser) *url.URL {
			resp := b.Do("GET", "/recent", nil, append([]string{"Referer", testkit.AppURL + "/recent?of=ada"}, fetched...)...)
			login, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("WWW-Authenticate"), `Session login="`), `"`)
			return b.Begin(login)
		},
	} {
		for _, email := range []string{"ada@acme.example", "bob@acme.example"} {
			e.SignInAtTenant("ada@acme.example")
			b := e.Browser().MustLogin()
			b.Page("/data")
			u := begin(b)
			e.SignInAtTenant(email)
			back := b.Callback(b.AtTenant(u))
			want, data := "/recent?of=ada", email+"map[cart:7]"
			if email == "bob@acme.example" {
				want, data = "/start", email+"map[]"
			}
			if back.Status != 303 || back.Header.Get("Location") != want {
				t.Errorf("%s, %s: %d to %q", why, email, back.Status, back.Header.Get("Location"))
			}
			if got := b.Page("/data").Body; got != data {
				t.Errorf("%s, %s: %s", why, email, got)
			}
		}
	}
}

// TestStepUpInTwoTabs: each tab comes back to its own page.
func TestStepUpInTwoTabs(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/a", e.Strategy.RequireStepUp(5*time.Minute)(page))
	e.Mux.Handle("/b", e.Strategy.RequireStepUp(0, auth0.ACRMultiFactor)(page))
	b := e.Browser().MustLogin()
	first, second := b.Page("/a").Location(t), b.Page("/b").Location(t)
	for want, u := range map[string]*url.URL{"/a": first, "/b": second} {
		if to := b.Callback(b.AtTenant(u)).Header.Get("Location"); to != want {
			t.Errorf("%q, want %q", to, want)
		}
	}
}

// TestStepUpTickets: a link gives a visitor no more than a login, and an old link is only
// that.
func TestStepUpTickets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, testkit.CheapTokens)
		e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
		resp := e.Browser().MustLogin().Do("GET", "/recent", nil, fetched...)
		login, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("WWW-Authenticate"), `Session login="`), `"`)
		asks := func(why, login string, want bool) {
			t.Helper()
			if q := begins(t, why, e.Browser().Page(login)); q.Has("max_age") != want {
				t.Errorf("%s: it asks for %q", why, q)
			}
		}
		asks("good", login, true)
		asks("with weaker parameters", login+"&max_age=999999&acr_values=x&prompt=login", true)
		asks("garbage", "/auth/login?login_ticket=garbage", false)
		asks("no ticket", "/auth/login?max_age=300&acr_values=x", false)
		for why, edit := range map[string]func(*auth0.Config){
			"newer secret": func(c *auth0.Config) {
				c.Secrets = []string{"another-secret-of-more-than-32-characters", testkit.CookieSecret}
			},
			"other secret":        func(c *auth0.Config) { c.Secrets = []string{"another-secret-of-more-than-32-characters"} },
			"another application": func(c *auth0.Config) { c.CookieName = "other" },
		} {
			cfg := e.Config
			edit(&cfg)
			other := &testkit.Env{T: t, App: testkit.Must(auth0.New(cfg)).Handler()}
			if q := begins(t, why, other.Browser().Page(login)); q.Has("max_age") != (why == "newer secret") {
				t.Errorf("%s: it asks for %q", why, q)
			}
		}
		time.Sleep(10*time.Minute - time.Second)
		asks("for ten minutes", login, true)
		time.Sleep(time.Second)
		asks("over", login, false)
	})
}

// TestRequireOrganization: a user with a session of another organization logs in to
// this one, if the guard names no other.
func TestRequireOrganization(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	acme := acmeOf(t, e)
	e.Mux.Handle("/one", e.Strategy.RequireOrganization(acme)(page))
	e.Mux.Handle("/two", e.Strategy.RequireOrganization(acme, "org_other")(page))
	b := e.Browser().MustLogin() // to no organization
	begun := b.Page("/one?a=b")
	if q := begins(t, "one", begun); q.Get("organization") != acme {
		t.Errorf("it asks for %q", q)
	}
	const two = `{"error":"access_denied","error_description":"organization not allowed"}`
	if resp := b.Do("GET", "/two", nil, fetched...); resp.Status != http.StatusForbidden || resp.Body != two || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if resp := b.Page("/two"); resp.Status != http.StatusForbidden || resp.Title() != "You have no access to this page" || !strings.Contains(resp.Body, "for an organization that you are not logged in to") {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if to := e.Browser().Page("/two").Header.Get("Location"); to != "/auth/login?returnTo=%2Ftwo" {
		t.Errorf("nobody: %q", to)
	}
	// A script gets the same login.
	resp := b.Do("GET", "/one", nil, append([]string{"Referer", testkit.AppURL + "/open"}, fetched...)...)
	login, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("WWW-Authenticate"), `Session login="`), `"`)
	if resp.Status != 401 || !strings.HasPrefix(resp.Body, `{"error":"login_required",`) {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if q := begins(t, "script", b.Page(login)); q.Get("organization") != acme {
		t.Errorf("it asks for %q", q)
	}
	if resp := b.Do("POST", "/one", nil, posted...); resp.Status != 401 || resp.Title() != "Your form was not sent" || !strings.Contains(resp.Body, "a login to another organization") || resp.Links()["Log in in a new tab"] == "" {
		t.Errorf("form: %d %s", resp.Status, resp.Body)
	}
	// The login satisfies both.
	back := b.Callback(b.AtTenant(begun.Location(t)))
	if back.Header.Get("Location") != "/one?a=b" || b.Page("/one").Status != 200 || b.Page("/two").Status != 200 {
		t.Errorf("%d to %q", back.Status, back.Header.Get("Location"))
	}
	if resp := b.Do("POST", "/one", nil, posted...); resp.Status != 200 {
		t.Errorf("form: %d", resp.Status)
	}
}

// TestNestedGuards: guards can be nested in any order, and each checks the current
// session.
func TestNestedGuards(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	isAda := e.Strategy.RequireUser(func(u auth0.User) bool { return u.Email == "ada@acme.example" })
	nobody := e.Strategy.RequireUser(func(auth0.User) bool { return false })
	recent, strong, org := e.Strategy.RequireStepUp(time.Minute), e.Strategy.RequireStepUp(0, auth0.ACRMultiFactor), e.Strategy.RequireOrganization(acmeOf(t, e))
	for path, h := range map[string]http.Handler{
		"/1": recent(isAda(page)), "/2": isAda(recent(page)), "/3": e.Strategy.RequireLogin(strong(org(recent(page)))), "/4": org(e.Strategy.RequireSession(strong(page))),
	} {
		e.Mux.Handle("GET "+path, h)
		b := e.Browser()
		for range 4 {
			resp := b.Page(path)
			if resp.Status == 200 {
				break
			}
			to := resp.Header.Get("Location")
			if strings.HasPrefix(to, "/auth/login") {
				resp = b.Page(to)
			}
			if back := b.Callback(b.AtTenant(resp.Location(t))); back.Header.Get("Location") != path {
				t.Fatalf("%s: %d to %q; %s", path, back.Status, back.Header.Get("Location"), back.Body)
			}
		}
		if resp := b.Page(path); resp.Status != 200 {
			t.Errorf("%s: %d", path, resp.Status)
		}
	}
	// A login for one guard keeps the requirements of the others: the browser does not go
	// in circles.
	both := e.Strategy.RequireStepUp(0, "urn:a", auth0.ACRMultiFactor)(e.Strategy.RequireLoginWith(auth0.WithMaxAge(time.Hour), auth0.WithUILocales("de"))(org(strong(recent(page)))))
	e.Mux.Handle("/6", both)
	inside := e.Browser()
	inside.Login("/6") // for the first guard alone
	for _, header := range [][]string{testkit.Navigation, fetched} {
		resp := inside.Do("GET", "/6", nil, header...)
		if challenge, ok := strings.CutPrefix(resp.Header.Get("WWW-Authenticate"), `Session login="`); ok {
			login, parameters, _ := strings.Cut(challenge, `"`)
			if resp = inside.Page(login); parameters != `, acr_values="urn:a `+mfaClass+`", max_age="3600"` {
				t.Errorf("a script reads %q", challenge)
			}
		}
		if q := begins(t, "nested", resp); q.Get("acr_values") != "urn:a "+mfaClass || q.Get("max_age") != "3600" || q.Get("ui_locales") != "de" {
			t.Errorf("it asks for %q", q)
		}
	}
	// Conditions that no session can satisfy together are a programming error, and no
	// loop.
	for why, h := range map[string]http.Handler{
		"classes":       e.Strategy.RequireStepUp(0, "urn:a")(e.Strategy.RequireStepUp(0, "urn:b")(page)),
		"organizations": e.Strategy.RequireOrganization("org_a")(e.Strategy.RequireOrganization("org_b")(page)),
	} {
		path := "/conflict-" + why
		e.Mux.Handle("GET "+path, h)
		e.Tenant.EditIDToken(func(_, c map[string]any) { c["acr"], c["org_id"] = "urn:a", "org_a" })
		b := e.Browser()
		b.MustLogin()
		for _, header := range [][]string{testkit.Navigation, fetched} {
			if resp := b.Do("GET", path, nil, header...); resp.Status != http.StatusInternalServerError {
				t.Errorf("%s: %d %s", why, resp.Status, resp.Body)
			}
		}
		e.Tenant.EditIDToken(nil)
	}
	half := func(letter string) func(http.Handler) http.Handler {
		return e.Strategy.RequireLoginWith(auth0.WithMaxAge(time.Minute), auth0.WithParam("ext-"+letter, strings.Repeat(letter, 200)))
	}
	e.Mux.Handle("GET /long", half("a")(half("b")(e.Strategy.RequireStepUp(0, strings.Repeat("c", 100), auth0.ACRMultiFactor)(page))))
	e.Mux.Handle("GET /too-long", e.Strategy.RequireStepUp(0, strings.Repeat("c", 200), auth0.ACRMultiFactor)(e.Strategy.RequireLoginWith(auth0.WithMaxAge(time.Second), auth0.WithAudience(testkit.Audience+strings.Repeat("a", 200)))(page)))
	e.Tenant.EditIDToken(func(_, c map[string]any) { c["amr"] = []string{"mfa"}; c["auth_time"] = time.Now().Unix() - 70 })
	if resp := e.Browser().MustLogin().Do("GET", "/too-long", nil, fetched...); resp.Status != http.StatusInternalServerError {
		t.Errorf("options that fit into no link together: %d %s", resp.Status, resp.Body)
	}
	e.Tenant.EditIDToken(testkit.Claim("auth_time", time.Now().Unix()))
	// A link leaves out parameters that only save work.
	if resp := e.Browser().MustLogin().Do("GET", "/long", nil, fetched...); resp.Status != http.StatusUnauthorized || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "login_ticket=") {
		t.Errorf("long options: %d %s", resp.Status, resp.Body)
	}
	e.Tenant.EditIDToken(nil)
	e.Mux.Handle("GET /5", recent(nobody(page)))
	b := e.Browser()
	if q := begins(t, "before the user is looked at", b.Page("/5")); q.Get("max_age") != "60" {
		t.Errorf("%q", q)
	}
	b.Login("/5")
	if resp := b.Page("/5"); resp.Status != http.StatusForbidden {
		t.Errorf("%d", resp.Status)
	}
}

// TestStepUpStays: a login that only confirms the user stays in the organization of
// the session.
func TestStepUpStays(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	acme := acmeOf(t, e)
	e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	e.Mux.Handle("/several", e.Strategy.RequireOrganization(acme, "org_other")(e.Strategy.RequireStepUp(5*time.Minute)(page)))
	e.Mux.Handle("/other", e.Strategy.RequireLoginWith(auth0.WithOrganization("acme-eu"), auth0.WithMaxAge(5*time.Minute))(page))
	for path, want := range map[string]string{"/recent": acme, "/several": acme, "/other": "acme-eu"} {
		b := e.Browser()
		b.Login("/acme")
		resp := b.Do("GET", path, nil, fetched...)
		login, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("WWW-Authenticate"), `Session login="`), `"`)
		for _, target := range []string{login, path} {
			if q := begins(t, path, b.Page(target)); q.Get("organization") != want || q.Get("max_age") != "300" {
				t.Errorf("%s: it asks for %q", path, q)
			}
		}
		if b.Login(path); b.Page(path).Status != 200 || e.UserOf(b).OrgID != acme {
			t.Errorf("%s: logged in to %q", path, e.UserOf(b).OrgID)
		}
	}
	// A user without an organization stays in none.
	if q := begins(t, "none", e.Browser().MustLogin().Page("/recent")); q.Has("organization") {
		t.Errorf("it asks for %q", q)
	}
}

// TestStepUpLoop: a browser that loses the session each time gets a page.
func TestStepUpLoop(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("GET /recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	b := e.Browser()
	for range 3 {
		b.Login("/recent")
		delete(b.Cookies, testkit.SessionCookie)
	}
	resp := b.Page("/recent?a=b")
	if resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, "blocks cookies") || !strings.HasPrefix(resp.Links()["Log in again"], testkit.AppURL+"/auth/login?returnTo=%2Frecent%3Fa%3Db") {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	begins(t, "after the page", b.Page("/recent"))
}

// TestConditionsAndOutages: while the session cannot be read, the user is not asked to
// log in. A tenant that does not answer is an outage.
func TestConditionsAndOutages(t *testing.T) {
	t.Parallel()
	store := &testkit.HalfStore{Store: auth0.NewMemoryStore(10)}
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
	e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	b := e.Browser().MustLogin()
	store.FailWith(http.ErrHandlerTimeout)
	for _, header := range [][]string{testkit.Navigation, fetched} {
		if resp := b.Do("GET", "/recent", nil, header...); resp.Status != http.StatusServiceUnavailable || resp.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
	}
	down := testkit.SignedInAt(t, testkit.TenantConfig{Host: testkit.TenantHost, Discovery: testkit.EnterpriseTenant}, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
	down.Mux.Handle("/recent", down.Strategy.RequireStepUp(5*time.Minute)(page))
	b = down.Browser()
	down.Tenant.Fail(testkit.PAREndpoint, 503)
	resp := b.Page("/recent?a=b")
	if resp.Status != http.StatusServiceUnavailable || resp.Links()["Try again"] != testkit.AppURL+"/recent?a=b" {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	down.Tenant.Fail(testkit.PAREndpoint, 0)
	if resp := b.Page("/recent?a=b"); resp.Status != 302 {
		t.Errorf("afterwards: %d %s", resp.Status, resp.Body)
	}
}

// TestConditionsAtHosts: a step-up starts and ends at the host of the page. If it
// cannot end there, it is sent to the base URL first.
func TestConditionsAtHosts(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	b := e.Browser()
	moved := b.Page("https://www.app.example/recent?a=b")
	if to := moved.Header.Get("Location"); moved.Status != 302 || to != testkit.AppURL+"/recent?a=b&from_other_host=1" || len(b.Cookies) != 0 {
		t.Fatalf("%d to %q", moved.Status, to)
	}
	if back := b.Callback(b.AtTenant(b.Begin(moved.Header.Get("Location")))); back.Header.Get("Location") != "/recent?a=b" {
		t.Errorf("%d to %q", back.Status, back.Header.Get("Location"))
	}
	two := testkit.SignedIn(t, func(c *auth0.Config) { c.BaseURLs = []string{"https://beta.example"} })
	two.Mux.Handle("/recent", two.Strategy.RequireStepUp(5*time.Minute)(page))
	q := begins(t, "second host", two.Browser().Page("https://beta.example/recent"))
	if q.Get("redirect_uri") != "https://beta.example/auth/callback" {
		t.Errorf("%q", q)
	}
	if resp := two.Browser().Page("https://unknown.example/recent"); resp.Status != http.StatusBadRequest {
		t.Errorf("unknown host: %d", resp.Status)
	}
}

// TestStepUpOfAPopup: a login in a pop-up is one for the page that has opened it.
func TestStepUpOfAPopup(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("GET /recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	e.Mux.Handle("GET /popup", e.Strategy.LoginHandler(auth0.WithPopup(testkit.AppURL), auth0.WithMaxAge(0)))
	b := e.Browser().MustLogin()
	begins(t, "before", b.Page("/recent"))
	if resp := b.Login("/popup"); resp.Status != 200 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	if resp := b.Page("/recent"); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
}

// TestSilentLoginClearsTheClass: a login without a page proves the claims of its ID token,
// and no more.
func TestSilentLoginClearsTheClass(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("GET /strong", e.Strategy.RequireStepUp(0, auth0.ACRMultiFactor)(page))
	b := e.Browser()
	b.Login("/strong")
	if resp := b.Page("/strong"); resp.Status != 200 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	u := b.Begin("/auth/login?prompt=none")
	q := u.Query()
	q.Del("prompt") // the browser of these tests keeps no session at the tenant
	u.RawQuery = q.Encode()
	b.Callback(b.AtTenant(u))
	begins(t, "after a silent login", b.Page("/strong"))
}

// TestErrorHandlerOfConditions: an ErrorHandler gets the login of a guard too.
func TestErrorHandlerOfConditions(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *auth0.Error) {
			fmt.Fprint(w, err.Reason, " ", err.LoginURL)
		}
	})
	e.Mux.Handle("/recent", e.Strategy.RequireStepUp(5*time.Minute)(page))
	b := e.Browser().MustLogin()
	for _, header := range [][]string{fetched, posted} {
		resp := b.Do("POST", "/recent", nil, header...)
		link, ok := strings.CutPrefix(resp.Body, "insufficient_user_authentication ")
		if resp.Status != 401 || !ok {
			t.Fatalf("%d %s", resp.Status, resp.Body)
		}
		if q := begins(t, "link", b.Page(link)); q.Get("max_age") != "300" {
			t.Errorf("%q", q)
		}
	}
}
