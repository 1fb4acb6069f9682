package migrate_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/examples/migrate/fromgooidc"
	"github.com/seed-15d5a55c/auth0/examples/migrate/fromgoth"
	"github.com/seed-15d5a55c/auth0/examples/migrate/fromsample"
)

var sessionKey = []byte("b1f0c2d3e4a5968778695a4b3c2d1e0f")

// A visit is a browser, an application and its tenant.
type visit struct {
	t        *testing.T
	tenant   *auth0test.Tenant
	paths    paths
	client   *http.Client
	app      http.Handler
	callback string // the last URL of a callback
	retry    bool   // the last error page has a link that logs in
}

// paths are the paths of an application.
type paths struct{ login, callback, page, logout string }

// A version makes the handler of one version of an application.
type version func(*auth0test.Tenant, paths) (http.Handler, error)

func newVisit(t *testing.T, paths paths, version version) *visit {
	t.Helper()
	tenant := auth0test.NewTenant(t)
	tenant.AllowCallback(paths.callback)
	tenant.LogIn("ada@acme.example")
	v := &visit{t: t, tenant: tenant, paths: paths}
	v.deploy(version)
	v.client = tenant.Browser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == paths.callback {
			v.callback = r.URL.RequestURI()
		}
		v.app.ServeHTTP(w, r)
	}))
	return v
}

// deploy replaces the version of the application.
func (v *visit) deploy(version version) {
	v.t.Helper()
	app, err := version(v.tenant, v.paths)
	if err != nil {
		v.t.Fatal(err)
	}
	client := v.tenant.Config().HTTPClient
	// The old versions find the client for requests to the tenant in the context.
	v.app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), oauth2.HTTPClient, client))
		r.TLS = new(tls.ConnectionState) // the application serves https itself
		app.ServeHTTP(w, r)
	})
}

// open opens a page, follows redirects, and returns the last page: status, URL below the
// application, and heading.
func (v *visit) open(path string, headers ...string) string {
	v.t.Helper()
	r, err := http.NewRequest("GET", path, nil)
	if strings.HasPrefix(path, "/") {
		r, err = http.NewRequest("GET", auth0test.AppURL+path, nil)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	url, inside := strings.CutPrefix(resp.Request.URL.String(), auth0test.AppURL)
	if !inside {
		return fmt.Sprint(resp.StatusCode, " a page of the tenant")
	}
	if resp.StatusCode != http.StatusOK { // a callback URL contains a code, which differs
		v.retry = strings.Contains(string(body), `href="`+auth0test.AppURL+v.paths.login+`?`)
		return fmt.Sprint(resp.StatusCode)
	}
	heading := regexp.MustCompile("<h1[^>]*>(.*?)</h1>").FindSubmatch(body)
	if heading == nil {
		return fmt.Sprintf("200 %s %.60q", url, body)
	}
	return fmt.Sprintf("200 %s %s", url, heading[1])
}

// begin begins a login, and returns the URL of the tenant to which it redirects.
func (v *visit) begin() string {
	v.t.Helper()
	follow := v.client.CheckRedirect
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { v.client.CheckRedirect = follow }()
	resp, err := v.client.Get(auth0test.AppURL + v.paths.login)
	if err != nil {
		v.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Location")
}

// A walk is a way through an application. It returns the last page.
type walk func(*visit) string

func home(v *visit) string { return v.open("/") }

func login(v *visit) string { return v.open(v.paths.login) }

func loginAndReturn(v *visit) string {
	v.open(v.paths.login)
	return v.open(v.paths.page)
}

func loginTwice(v *visit) string {
	v.open(v.paths.login)
	return v.open(v.paths.login)
}

func pageWithQuery(v *visit) string { return v.open(v.paths.page + "?tab=2") }

func strangeCallback(v *visit) string { return v.open(v.paths.callback + "?code=abc&state=def") }

func strangeCallbackWithSession(v *visit) string {
	v.open(v.paths.login)
	return v.open(v.paths.callback + "?code=abc&state=def")
}

func reloadedCallback(v *visit) string {
	v.open(v.paths.login)
	return v.open(v.callback)
}

func denied(v *visit) string {
	v.tenant.DenyLogin("access_denied", "not today")
	end := v.open(v.paths.login)
	if v.retry {
		end += " with a link"
	}
	return end
}

func tokenEndpointDown(v *visit) string {
	v.tenant.Fail(auth0test.Token, http.StatusServiceUnavailable)
	return v.open(v.paths.login)
}

func foreignSignature(v *visit) string {
	v.tenant.SignWithForeignKey(true)
	return v.open(v.paths.login)
}

func otherAudience(v *visit) string {
	v.tenant.EditIDToken(func(_, claims map[string]any) { claims["aud"] = "another application" })
	return v.open(v.paths.login)
}

func otherNonce(v *visit) string {
	v.tenant.EditIDToken(func(_, claims map[string]any) { claims["nonce"] = "of another login" })
	return v.open(v.paths.login)
}

func twoTabs(v *visit) string {
	first := v.begin()
	v.begin()
	return v.open(first)
}

func logout(v *visit) string {
	v.open(v.paths.login)
	return v.open(v.paths.logout, "Sec-Fetch-Site", "same-origin", "Referer", auth0test.AppURL+v.paths.page)
}

func logoutAndReturn(v *visit) string {
	logout(v)
	v.tenant.LogIn("bob@acme.example") // if the tenant asks for a login
	return v.open(v.paths.page)
}

func logoutAtTenant(v *visit) string {
	logout(v)
	return fmt.Sprint(v.tenant.Calls(auth0test.Logout), " at the tenant")
}

func foreignLogout(v *visit) string {
	v.open(v.paths.login)
	v.open(v.paths.logout, "Sec-Fetch-Site", "cross-site", "Referer", "https://other.example/")
	v.tenant.LogIn("bob@acme.example")
	return fmt.Sprint(v.open(v.paths.page), ", ", v.tenant.Calls(auth0test.Logout), " at the tenant")
}

// A loginRow is a walk, and where it ends in the two versions.
type loginRow struct {
	name          string
	walk          walk
	before, after string
	why           string // for a row whose ends differ: the new end, in words for the users
}

func compare(t *testing.T, guide string, p paths, before, after version, rows []loginRow) {
	t.Helper()
	var differences []string
	for _, row := range rows {
		if got := row.walk(newVisit(t, p, before)); got != row.before {
			t.Errorf("%s: before it ends at %q, want %q", row.name, got, row.before)
		}
		if got := row.walk(newVisit(t, p, after)); got != row.after {
			t.Errorf("%s: after it ends at %q, want %q", row.name, got, row.after)
		}
		if (row.before == row.after) != (row.why == "") {
			t.Errorf("%s: a reason belongs to a row with different ends, and only to one", row.name)
		}
		if row.before != row.after {
			differences = append(differences, line(row.name, row.why))
		}
	}
	guideLists(t, guide, len(rows)-len(differences), differences)
}

// config returns the tenant's configuration for the new version.
func config(tenant *auth0test.Tenant) auth0.Config {
	cfg := tenant.Config()
	cfg.Logger = quiet
	return cfg
}

func sampleBefore(tenant *auth0test.Tenant, p paths) (http.Handler, error) {
	cfg := tenant.Config()
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, cfg.HTTPClient)
	return fromsample.Before(ctx, fromsample.Settings{
		Issuer: tenant.URL(), ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
		CallbackURL: cfg.BaseURL + p.callback, SessionKey: sessionKey,
	})
}

func sampleAfter(tenant *auth0test.Tenant, _ paths) (http.Handler, error) {
	return fromsample.After(config(tenant), nil)
}

var samplePaths = paths{"/login", "/callback", "/user", "/logout"}

// TestSample walks through an application in the form of Auth0's sample.
func TestSample(t *testing.T) {
	t.Parallel()
	compare(t, "from-auth0-sample.md", samplePaths, sampleBefore, sampleAfter, []loginRow{
		{"home page", home, "200 / Home", "200 / Home", ""},
		{"login", login, "200 /user Hello Ada Lovelace", "200 /user Hello Ada Lovelace", ""},
		{"login, then the page again", loginAndReturn, "200 /user Hello Ada Lovelace", "200 /user Hello Ada Lovelace", ""},
		{"login by a user with a session", loginTwice, "200 /user Hello Ada Lovelace", "200 /user Hello Ada Lovelace", ""},
		{"page without a session", pageWithQuery, "200 / Home", "200 /user?tab=2 Hello Ada Lovelace", "the user logs in, and comes back to the URL with its query"},
		{"callback with an unknown state", strangeCallback, "400", "400", ""},
		{"callback with an unknown state, user with a session", strangeCallbackWithSession, "400", "200 /user Hello Ada Lovelace", "the callback is ignored: the user stays logged in and sees the default page"},
		{"callback loaded again", reloadedCallback, "401", "200 /user Hello Ada Lovelace", "the default page, no error"},
		{"user cancels at the tenant", denied, "401", "403 with a link", "403, and a page with a link to log in with another account"},
		{"token endpoint down", tokenEndpointDown, "401", "503", "503 instead of 401"},
		{"ID token with another signature", foreignSignature, "401", "400", "400 instead of 401"},
		{"ID token with another nonce", otherNonce, "200 /user Hello Ada Lovelace", "400", "400: the ID token must have the nonce of this login"},
		{"logins in two tabs, the first one finishes first", twoTabs, "400", "200 /user Hello Ada Lovelace", "both succeed: each login has a transaction"},
		{"logout", logout, "200 / Home", "200 / Home", ""},
		{"logout at the tenant", logoutAtTenant, "1 at the tenant", "1 at the tenant", ""},
		{"logout, then the page", logoutAndReturn, "200 /user Hello Ada Lovelace", "200 /user Hello Bob Miller", "the session here has ended: the user logs in again"},
		{"logout link on another site", foreignLogout, "200 /user Hello Ada Lovelace, 1 at the tenant", "200 /user Hello Ada Lovelace, 0 at the tenant", "a page asks for a click on its button, and the session stays until then"},
	})
}

// TestSampleHandingOver: users of the old version stay logged in, if the new version has
// the key of their sessions.
func TestSampleHandingOver(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		key    []byte
		logins int
	}{
		"the same key": {sessionKey, 1},
		"another key":  {[]byte("00000000000000000000000000000000"), 2},
	} {
		v := newVisit(t, samplePaths, sampleBefore)
		v.open("/login")
		v.deploy(func(tenant *auth0test.Tenant, _ paths) (http.Handler, error) {
			return fromsample.After(config(tenant), tt.key)
		})
		for range 2 {
			if got := v.open("/user"); !strings.HasSuffix(got, " Hello Ada Lovelace") {
				t.Errorf("%s: %q", name, got)
			}
		}
		if got := v.tenant.Calls(auth0test.Authorize); got != tt.logins {
			t.Errorf("%s: %d logins, want %d", name, got, tt.logins)
		}
	}
}

func gothBefore(tenant *auth0test.Tenant, p paths) (http.Handler, error) {
	cfg := tenant.Config()
	http.DefaultClient.Transport = cfg.HTTPClient.Transport // the provider redeems codes with this client
	return fromgoth.Before(fromgoth.Settings{
		Domain: cfg.Domain, ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
		CallbackURL: cfg.BaseURL + p.callback, SessionKey: sessionKey, HTTPClient: cfg.HTTPClient,
	}), nil
}

func gothAfter(tenant *auth0test.Tenant, _ paths) (http.Handler, error) {
	return fromgoth.After(config(tenant))
}

// TestGoth walks through an application with gothic, whose store and providers are
// global. So it does not run in parallel.
func TestGoth(t *testing.T) {
	transport := http.DefaultClient.Transport
	t.Cleanup(func() { http.DefaultClient.Transport = transport })
	compare(t, "from-goth.md", paths{"/auth/auth0", "/auth/auth0/callback", "/profile", "/logout/auth0"}, gothBefore, gothAfter, []loginRow{
		{"home page", home, "200 / Home", "200 / Home", ""},
		{"login", login, "200 /profile Hello Ada Lovelace", "200 /profile Hello Ada Lovelace", ""},
		{"login, then the page again", loginAndReturn, "200 /profile Hello Ada Lovelace", "200 /profile Hello Ada Lovelace", ""},
		{"login by a user with a session", loginTwice, "200 /profile Hello Ada Lovelace", "200 /profile Hello Ada Lovelace", ""},
		{"page without a session", pageWithQuery, "200 /profile Hello Ada Lovelace", "200 /profile?tab=2 Hello Ada Lovelace", "the user logs in, and comes back to the URL with its query"},
		{"callback with an unknown state", strangeCallback, "401", "400", "400 instead of 401"},
		{"callback with an unknown state, user with a session", strangeCallbackWithSession, "401", "200 /profile Hello Ada Lovelace", "the callback is ignored: the user stays logged in and sees the default page"},
		{"callback loaded again", reloadedCallback, "401", "200 /profile Hello Ada Lovelace", "the default page, no error"},
		{"user cancels at the tenant", denied, "401", "403 with a link", "403, and a page with a link to log in with another account"},
		{"token endpoint down", tokenEndpointDown, "401", "503", "503 instead of 401"},
		{"ID token with another signature", foreignSignature, "200 /profile Hello Ada Lovelace", "400", "400: the user comes from the verified ID token, not from `/userinfo`"},
		{"logins in two tabs, the first one finishes first", twoTabs, "401", "200 /profile Hello Ada Lovelace", "both succeed: each login has a transaction"},
		{"logout", logout, "200 / Home", "200 / Home", ""},
		{"logout at the tenant", logoutAtTenant, "0 at the tenant", "1 at the tenant", "the session at the tenant ends too"},
		{"logout, then the page", logoutAndReturn, "200 /profile Hello Bob Miller", "200 /profile Hello Bob Miller", ""},
		{"logout link on another site", foreignLogout, "200 /profile Hello Bob Miller, 0 at the tenant", "200 /profile Hello Ada Lovelace, 0 at the tenant", "a page asks for a click on its button, and the session stays until then"},
	})
}

func byHandBefore(tenant *auth0test.Tenant, _ paths) (http.Handler, error) {
	cfg := tenant.Config()
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, cfg.HTTPClient)
	return fromgooidc.Before(ctx, fromgooidc.Settings{
		Issuer: tenant.URL(), ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
		BaseURL: cfg.BaseURL, SessionKey: sessionKey,
	})
}

func byHandAfter(tenant *auth0test.Tenant, _ paths) (http.Handler, error) {
	return fromgooidc.After(config(tenant))
}

// TestByHand walks through an application with x/oauth2 and go-oidc.
func TestByHand(t *testing.T) {
	t.Parallel()
	compare(t, "from-go-oidc.md", paths{"/login", "/callback", "/profile", "/logout"}, byHandBefore, byHandAfter, []loginRow{
		{"home page", home, "200 / Home", "200 / Home", ""},
		{"login", login, "200 /profile Hello Ada Lovelace", "200 /profile Hello Ada Lovelace", ""},
		{"login, then the page again", loginAndReturn, "200 /profile Hello Ada Lovelace", "200 /profile Hello Ada Lovelace", ""},
		{"login by a user with a session", loginTwice, "200 /profile Hello Ada Lovelace", "200 /profile Hello Ada Lovelace", ""},
		{"page without a session", pageWithQuery, "200 /profile Hello Ada Lovelace", "200 /profile?tab=2 Hello Ada Lovelace", "the user logs in, and comes back to the URL with its query"},
		{"callback with an unknown state", strangeCallback, "401", "400", "400 instead of 401"},
		{"callback with an unknown state, user with a session", strangeCallbackWithSession, "401", "200 /profile Hello Ada Lovelace", "the callback is ignored: the user stays logged in and sees the default page"},
		{"callback loaded again", reloadedCallback, "401", "200 /profile Hello Ada Lovelace", "the default page, no error"},
		{"user cancels at the tenant", denied, "401", "403 with a link", "403, and a page with a link to log in with another account"},
		{"token endpoint down", tokenEndpointDown, "401", "503", "503 instead of 401"},
		{"ID token with another signature", foreignSignature, "401", "400", "400 instead of 401"},
		{"ID token for another application", otherAudience, "401", "400", "400 instead of 401"},
		{"ID token with another nonce", otherNonce, "401", "400", "400 instead of 401"},
		{"logins in two tabs, the first one finishes first", twoTabs, "401", "200 /profile Hello Ada Lovelace", "both succeed: each login has a transaction"},
		{"logout", logout, "200 / Home", "200 / Home", ""},
		{"logout at the tenant", logoutAtTenant, "1 at the tenant", "1 at the tenant", ""},
		{"logout, then the page", logoutAndReturn, "200 /profile Hello Bob Miller", "200 /profile Hello Bob Miller", ""},
		{"logout link on another site", foreignLogout, "200 /profile Hello Bob Miller, 1 at the tenant", "200 /profile Hello Ada Lovelace, 0 at the tenant", "a page asks for a click on its button, and the session stays until then"},
	})
}
