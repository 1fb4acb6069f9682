package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestGetConnections(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	list, err := e.Strategy.GetConnections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Not: customer-saml (found by domain only), email (not enabled for the
	// application), legacy-accounts (lends tokens, cannot log in).
	want := []auth0.Connection{
		{Name: "Username-Password-Authentication", Strategy: "auth0", DisplayName: "Username and password", LoginURL: "/auth/login?connection=Username-Password-Authentication"},
		{Name: "github", Strategy: "github", DisplayName: "GitHub", LoginURL: "/auth/login?connection=github"},
		{Name: "google-oauth2", Strategy: "google-oauth2", DisplayName: "Google", LoginURL: "/auth/login?connection=google-oauth2"},
		{Name: "partner-idp", Strategy: "oauth2", DisplayName: "Partner Ltd", LoginURL: "/auth/login?connection=partner-idp"},
		{Name: "fabrikam-entra", Strategy: "waad", DisplayName: "Fabrikam", DomainAliases: []string{"fabrikam.example"}, LoginURL: "/auth/login?connection=fabrikam-entra"},
	}
	for i := range list {
		if len(list[i].DomainAliases) == 0 {
			list[i].DomainAliases = nil
		}
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got  %+v\nwant %+v", list, want)
	}
	form := e.Tenant.LastTokenRequest()
	if form.Get("grant_type") != "client_credentials" || form.Get("audience") != "https://acme.auth0.example/api/v2/" || form.Get("client_id") != testkit.ClientID || form.Has("scope") {
		t.Errorf("token request %v", form)
	}
	// The list belongs to the caller.
	list[0].Name, list[4].DomainAliases[0] = "changed", "changed.example"
	again, err := e.Strategy.GetConnections(t.Context())
	if err != nil || again[0].Name != "Username-Password-Authentication" || again[4].DomainAliases[0] != "fabrikam.example" {
		t.Errorf("a caller changed the cache: %+v, %v", again, err)
	}
}

// TestConnectionsLogIn: each button of a page leads to a login with its connection.
func TestConnectionsLogIn(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	for _, c := range testkit.Must(e.Strategy.GetConnections(t.Context(), auth0.WithReturnTo("/private?x=1&y=2"), auth0.WithLoginHint("a@b.example"))) {
		u := e.Browser().Begin(c.LoginURL)
		if got := u.Query(); got.Get("connection") != c.Name || got.Get("login_hint") != "a@b.example" {
			t.Errorf("%s leads to %v", c.LoginURL, got)
		}
		link, err := url.Parse(c.LoginURL)
		if err != nil || link.Query().Get("returnTo") != "/private?x=1&y=2" {
			t.Errorf("link %s", c.LoginURL)
		}
	}
	for why, option := range map[string]auth0.LoginOption{
		"scopes": auth0.WithScopes("openid x"), "audience": auth0.WithAudience("x"), "state": auth0.WithAppState(1), "max_age": auth0.WithMaxAge(0),
		"acr": auth0.WithRequiredACR("x"), "parameter": auth0.WithParam("ext-x", "1"), "connection": auth0.WithConnection("x"), "nil": nil, "bad": auth0.WithPrompt("X"),
	} {
		if _, err := e.Strategy.GetConnections(t.Context(), option); err == nil {
			t.Errorf("%s cannot be part of a link and is taken", why)
		}
	}
}

// TestConnectionsAreCached: a page view costs no request, and concurrent page views
// cost one. Every five minutes a request in the background refreshes the list.
func TestConnectionsAreCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		e.Tenant.Delay(testkit.ManagementEndpoint, time.Second)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if list, err := e.Strategy.GetConnections(t.Context()); err != nil || len(list) != 5 {
					t.Errorf("%d connections, %v", len(list), err)
				}
			})
		}
		wg.Wait()
		if m, tok := e.Tenant.Calls(testkit.ManagementEndpoint), e.Tenant.Calls(testkit.TokenEndpoint); m != 1 || tok != 1 {
			t.Errorf("%d list requests, %d token requests; want 1 and 1", m, tok)
		}
		time.Sleep(298 * time.Second)
		e.Strategy.GetConnections(t.Context())
		synctest.Wait()
		if m := e.Tenant.Calls(testkit.ManagementEndpoint); m != 1 {
			t.Errorf("%d list requests within five minutes", m)
		}
		time.Sleep(2 * time.Second)
		begin := time.Now()
		e.Strategy.GetConnections(t.Context())
		if d := time.Since(begin); d != 0 {
			t.Errorf("a reader waited %v for the refresh", d)
		}
		time.Sleep(10 * time.Second)
		if m, tok := e.Tenant.Calls(testkit.ManagementEndpoint), e.Tenant.Calls(testkit.TokenEndpoint); m != 2 || tok != 1 {
			t.Errorf("after five minutes %d list requests, %d token requests; want 2 and 1", m, tok)
		}
		// A day later the token has expired.
		time.Sleep(25 * time.Hour)
		e.Strategy.GetConnections(t.Context())
		synctest.Wait()
		time.Sleep(10 * time.Second)
		if tok := e.Tenant.Calls(testkit.TokenEndpoint); tok != 2 {
			t.Errorf("%d token requests after a day, want 2", tok)
		}
	})
}

// TestConnectionsStale: while the tenant does not answer, or limits requests,
// GetConnections returns the last list for a day, and the log has the cause.
func TestConnectionsStale(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 403} {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t)
			testkit.Must(e.Strategy.GetConnections(t.Context()))
			e.Tenant.Fail(testkit.ManagementEndpoint, status)
			time.Sleep(6 * time.Minute)
			for range 23 * 60 {
				if list, err := e.Strategy.GetConnections(t.Context()); err != nil || len(list) != 5 {
					t.Fatalf("status %d: %d connections, %v", status, len(list), err)
				}
				time.Sleep(time.Minute)
			}
			if log := e.Log.String(); !strings.Contains(log, "connections cannot be listed") || !strings.Contains(log, "using_old_list=true") {
				t.Errorf("status %d: log %.300s", status, log)
			}
			if n := e.Tenant.Calls(testkit.ManagementEndpoint); n > 23*60+10 {
				t.Errorf("status %d: %d requests in a day", status, n)
			}
			time.Sleep(2 * time.Hour)
			if list, err := e.Strategy.GetConnections(t.Context()); err == nil || list != nil {
				t.Errorf("status %d: after a day: %d connections, %v", status, len(list), err)
			}
			e.Tenant.Fail(testkit.ManagementEndpoint, 0)
			time.Sleep(11 * time.Minute)
			if list, err := e.Strategy.GetConnections(t.Context()); err != nil || len(list) != 5 {
				t.Errorf("status %d: after the outage: %d connections, %v", status, len(list), err)
			}
		})
	}
}

// TestConnectionsUnavailable: without a list, the error has the remedy, and another
// call sends no request to the tenant.
func TestConnectionsUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why   string
		fault func(*testkit.Tenant)
		want  []string // in the error, in this order
	}{
		{"scope missing", func(ten *testkit.Tenant) {
			ten.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
				c.Grants = []testkit.ClientGrant{{Audience: "https://acme.auth0.example/api/v2/", Scopes: []string{"read:users"}}}
			})
		}, []string{"insufficient_scope", "Insufficient scope, expected any of: read:connections", "Auth0 Management API, grant the application the scopes read:connections and read:clients", "see Strategy.GetConnections"}},
		{"no grant at all", func(ten *testkit.Tenant) {
			ten.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.Grants = nil })
		}, []string{"no token for the Management API", "client-grant", "Auth0 Management API, authorize the application with the scopes", "see Strategy.GetConnections"}},
		{"grant type off", func(ten *testkit.Tenant) {
			ten.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.GrantTypes = []string{"authorization_code"} })
		}, []string{"no token for the Management API", "unauthorized_client", "authorize the application"}},
		{"wrong client secret", func(ten *testkit.Tenant) {
			ten.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(401)
				fmt.Fprint(w, `{"error":"access_denied","error_description":"Unauthorized"}`)
			})
		}, []string{"Unauthorized", "AUTH0_CLIENT_SECRET"}},
		{"rate limited", func(ten *testkit.Tenant) { ten.Fail(testkit.ManagementEndpoint, 429) }, []string{"429", "too_many_requests"}},
		{"edge error", func(ten *testkit.Tenant) { ten.Fail(testkit.ManagementEndpoint, 502) }, []string{"the tenant answered 502"}},
		{"token endpoint down", func(ten *testkit.Tenant) { ten.Fail(testkit.TokenEndpoint, 503) }, []string{"no token for the Management API"}},
		{"not JSON", func(ten *testkit.Tenant) {
			ten.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "SECRET") })
		}, []string{"not the expected JSON"}},
		{"other JSON", func(ten *testkit.Tenant) {
			ten.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{}") })
		}, []string{"not one"}},
		{"redirect", func(ten *testkit.Tenant) {
			ten.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://evil.example/", http.StatusFound)
			})
		}, []string{"302"}},
		{"endless pages", func(ten *testkit.Tenant) {
			n := 0
			ten.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
				n++
				fmt.Fprintf(w, `{"connections":[{"name":"c%d","strategy":"auth0"}],"next":"p%d"}`, n, n)
			})
		}, []string{"more than 200 pages", "Config.Connections"}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t)
			tt.fault(e.Tenant)
			list, err := e.Strategy.GetConnections(t.Context())
			var ae *auth0.Error
			if !errors.As(err, &ae) || list != nil || ae.Op != "connections" || ae.Reason != "connections_unavailable" {
				t.Fatalf("%s: %v, %v", tt.why, list, err)
			}
			rest, found := err.Error(), true
			for _, want := range tt.want {
				if _, rest, found = strings.Cut(rest, want); !found {
					t.Errorf("%s: the error does not say %q there: %v", tt.why, want, err)
				}
			}
			// Each cause has one remedy.
			if strings.Contains(strings.ReplaceAll(rest, "text/plain; charset", ""), "; ") || len(tt.want) < 3 && strings.Contains(err.Error(), "dashboard") && !strings.Contains(err.Error(), "AUTH0_CLIENT_SECRET") {
				t.Errorf("%s: the error has another remedy: %v", tt.why, err)
			}
			if strings.Contains(strings.ReplaceAll(err.Error(), "AUTH0_CLIENT_SECRET", ""), "SECRET") {
				t.Errorf("%s: the error has a secret: %v", tt.why, err)
			}
			calls := e.Tenant.Calls(testkit.ManagementEndpoint) + e.Tenant.Calls(testkit.TokenEndpoint)
			for range 50 {
				e.Strategy.GetConnections(t.Context())
			}
			if n := e.Tenant.Calls(testkit.ManagementEndpoint) + e.Tenant.Calls(testkit.TokenEndpoint); n != calls {
				t.Errorf("%s: asked again %d times at once", tt.why, n-calls)
			}
		})
	}
}

// TestUnavailableIsLoggedOnce: a mistake that the site's administrator must correct is
// logged once, however many pages are shown, and again when the cause changes.
func TestUnavailableIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.Grants = nil })
		visit := func(minutes int) {
			for range minutes {
				for range 20 {
					e.Strategy.GetConnections(t.Context())
				}
				time.Sleep(time.Minute)
			}
		}
		warnings := func() int {
			return strings.Count(e.Log.String(), "level=WARN msg=\"auth0: connections cannot be listed\"")
		}
		visit(50)
		if n := warnings(); n != 1 || strings.Count(e.Log.String(), "level=WARN") != 1 {
			t.Errorf("%d warnings:\n%.2000s", n, e.Log)
		}
		e.Tenant.Fail(testkit.TokenEndpoint, 503)
		visit(5)
		if n := warnings(); n != 2 {
			t.Errorf("%d warnings after the cause has changed", n)
		}
		visit(60)
		if n := warnings(); n != 3 {
			t.Errorf("%d warnings after an hour", n)
		}
	})
}

// TestLongLists: companies with a connection for each customer have more than a thousand
// of them, and other programs use up the rate limit of the tenant.
func TestLongLists(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		count  int
		change func(*testkit.Tenant)
		calls  int // one in a minute
	}{
		{"two requests in a second", 1100, func(n *testkit.Tenant) { n.LimitRate(testkit.ManagementEndpoint, 3, 500*time.Millisecond) }, 1},
		{"1.6 s a page", 1100, func(n *testkit.Tenant) { n.Delay(testkit.ManagementEndpoint, 1600*time.Millisecond) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedIn(t)
				var enabled []string
				for i := range tt.count {
					c := testkit.TenantConnection{Name: fmt.Sprintf("customer-%d", i), Strategy: "samlp", DomainAliases: []string{fmt.Sprintf("c%d.example", i)}}
					if err := e.Tenant.AddConnection(c); err != nil {
						t.Fatal(err)
					}
					enabled = append(enabled, c.Name)
				}
				if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.Connections = enabled }); err != nil {
					t.Fatal(err)
				}
				tt.change(e.Tenant)
				for call := range tt.calls {
					begin := time.Now()
					_, found, err := e.Strategy.ConnectionForEmail(t.Context(), fmt.Sprintf("x@c%d.example", tt.count-1))
					last := call == tt.calls-1
					if found != last || (err == nil) != last || err != nil && !strings.Contains(err.Error(), "it is being read") || time.Since(begin) > 15*time.Second {
						t.Errorf("call %d, after %v: %v, %v", call, time.Since(begin), found, err)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// TestSlowManagementAPI: a page waits no longer than its own deadline, and a call
// no longer than three seconds.
func TestSlowManagementAPI(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		e.Tenant.Delay(testkit.ManagementEndpoint, time.Hour)
		begin := time.Now()
		if _, err := e.Strategy.GetConnections(t.Context()); err == nil {
			t.Error("no error")
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("after %v, want 3 s", d)
		}
	})
	// A program behind a slow proxy gives its client more time.
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.HTTPClient.Timeout = 30 * time.Second })
		e.Tenant.Delay(testkit.ManagementEndpoint, 20*time.Second)
		if list, err := e.Strategy.GetConnections(t.Context()); err != nil || len(list) == 0 {
			t.Errorf("%d connections, %v", len(list), err)
		}
	})
}

// TestTokenIsReplacedOnce: a token that the API rejects is fetched anew, once.
func TestTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	refused := 0
	e.Tenant.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
		refused++
		if refused == 1 {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, `{"connections":[{"name":"a","strategy":"auth0"}]}`)
	})
	if list, err := e.Strategy.GetConnections(t.Context()); err != nil || len(list) != 1 || e.Tenant.Calls(testkit.TokenEndpoint) != 2 {
		t.Errorf("%v, %v after %d token requests", list, err, e.Tenant.Calls(testkit.TokenEndpoint))
	}
	e = testkit.SignedIn(t)
	e.Tenant.Fail(testkit.ManagementEndpoint, 401)
	if _, err := e.Strategy.GetConnections(t.Context()); err == nil || e.Tenant.Calls(testkit.ManagementEndpoint) != 2 || e.Tenant.Calls(testkit.TokenEndpoint) != 2 {
		t.Errorf("%v after %d and %d requests", err, e.Tenant.Calls(testkit.ManagementEndpoint), e.Tenant.Calls(testkit.TokenEndpoint))
	}
}

func TestConnectionPages(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	var enabled []string
	for i := range 230 {
		name := fmt.Sprintf("extra-%03d", i)
		if err := e.Tenant.AddConnection(testkit.TenantConnection{Name: name, Strategy: "oauth2", DisplayName: fmt.Sprintf("Extra %03d", i)}); err != nil {
			t.Fatal(err)
		}
		enabled = append(enabled, name)
	}
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.Connections = enabled }); err != nil {
		t.Fatal(err)
	}
	list := testkit.Must(e.Strategy.GetConnections(t.Context()))
	if len(list) != 230 || !slices.IsSortedFunc(list, func(a, b auth0.Connection) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d connections", len(list))
	}
	if n := e.Tenant.Calls(testkit.ManagementEndpoint); n != 3 {
		t.Errorf("%d pages, want 3", n)
	}
}

// TestWhatIsAButton has answers as the Management API sends them.
func TestWhatIsAButton(t *testing.T) {
	t.Parallel()
	tests := []struct{ why, connection, want string }{
		{"database", `{"name":"db","strategy":"auth0"}`, "db: Username and password"},
		{"database with a name", `{"name":"db","strategy":"auth0","display_name":"Members"}`, "db: Members"},
		{"social", `{"name":"tw","strategy":"twitter"}`, "tw: X"},
		{"social, button off counts for enterprises only", `{"name":"tw","strategy":"twitter","show_as_button":false}`, "tw: X"},
		{"enterprise", `{"name":"ad","strategy":"adfs"}`, ""},
		{"enterprise, button off", `{"name":"ad","strategy":"adfs","show_as_button":false}`, ""},
		{"enterprise, button on", `{"name":"ad","strategy":"adfs","show_as_button":true}`, "ad: ADFS"},
		{"custom, with a name", `{"name":"p","strategy":"oauth2","display_name":"Partner"}`, "p: Partner"},
		{"custom, without", `{"name":"p","strategy":"oauth2"}`, "p: p"},
		{"unknown strategy", `{"name":"q","strategy":"quantum"}`, "q: q"},
		{"no strategy", `{"name":"q"}`, "q: q"},
		{"not for login", `{"name":"x","strategy":"github","authentication":{"active":false}}`, ""},
		{"for login", `{"name":"x","strategy":"github","authentication":{"active":true}}`, "x: GitHub"},
		{"passwordless", `{"name":"email","strategy":"email"}`, "email: Email"},
		{"icon", `{"name":"p","strategy":"oauth2","options":{"icon_url":"https://cdn.example/a.png"}}`, "p: p https://cdn.example/a.png"},
		{"icon by http", `{"name":"p","strategy":"oauth2","options":{"icon_url":"http://cdn.example/a.png"}}`, "p: p"},
		{"icon that is a script", `{"name":"p","strategy":"oauth2","options":{"icon_url":"javascript:alert(1)"}}`, "p: p"},
		{"empty icon", `{"name":"p","strategy":"oauth2","options":{"icon_url":""}}`, "p: p"},
		{"icon of another type", `{"name":"p","strategy":"oauth2","options":{"icon_url":7,"domain_aliases":"x","scope":["a"]}}`, "p: p"},
		{"no name", `{"strategy":"github"}`, ""},
	}
	for _, tt := range tests {
		e := testkit.SignedIn(t)
		e.Tenant.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"connections":[%s]}`, tt.connection) })
		got := ""
		for _, c := range testkit.Must(e.Strategy.GetConnections(t.Context())) {
			got = strings.TrimSpace(c.Name + ": " + c.DisplayName + " " + c.IconURL)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
	e := testkit.SignedIn(t)
	e.Tenant.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"connections":[
			{"name":"z-sms","strategy":"sms"},{"name":"ent","strategy":"samlp","display_name":"Alpha","show_as_button":true},{"name":"g2","strategy":"google-oauth2"},
			{"name":"g1","strategy":"google-oauth2"},{"name":"db2","strategy":"auth0","display_name":"customers"},{"name":"db1","strategy":"auth0"},{"name":"amazon","strategy":"amazon"}]}`)
	})
	list := testkit.Must(e.Strategy.GetConnections(t.Context()))
	if got, want := testkit.Names(list), "db2 db1 z-sms amazon g1 g2 ent"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if list[4].DisplayName != "Google (g1)" || list[5].DisplayName != "Google (g2)" {
		t.Errorf("two that read the same: %q and %q", list[4].DisplayName, list[5].DisplayName)
	}
}

// TestOptionsHoldSecrets: results of ours contain no other field of the API.
func TestOptionsHoldSecrets(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"connections":[{"name":"p","strategy":"oauth2","options":{"client_secret":"SECRET","scripts":{"fetchUserProfile":"SECRET"}}}]}`)
	})
	list := testkit.Must(e.Strategy.GetConnections(t.Context()))
	encoded := testkit.Must(json.Marshal(list))
	if text := fmt.Sprintf("%+v %s %#v %+v", list, encoded, e.Strategy, e.Log); strings.Contains(text, "SECRET") {
		t.Errorf("a secret of the connection is in %s", text)
	}
}

func TestStaticConnections(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.HTTPClient = &http.Client{Transport: testkit.Hosts{}} // no host answers
		c.Connections = []auth0.Connection{
			{Name: "z", Strategy: "samlp", DisplayName: "Zed", IconURL: "https://cdn.example/z.svg", DomainAliases: []string{" Zed.Example", "zed.example"}},
			{Name: "google-oauth2", Strategy: "google-oauth2", LoginURL: "/ignored"},
			{Name: "plain"},
		}
	})
	list := testkit.Must(e.Strategy.GetConnections(t.Context()))
	if got, want := testkit.Names(list), "z google-oauth2 plain"; got != want {
		t.Errorf("%s, want the order that was given: %s", got, want)
	}
	if list[0].DisplayName != "Zed" || list[0].IconURL == "" || list[1].DisplayName != "Google" || list[1].LoginURL != "/auth/login?connection=google-oauth2" || list[2].DisplayName != "plain" {
		t.Errorf("%+v", list)
	}
	if !reflect.DeepEqual(list[0].DomainAliases, []string{"zed.example"}) {
		t.Errorf("domains %q", list[0].DomainAliases)
	}
	empty := testkit.SignedIn(t, func(c *auth0.Config) { c.Connections = []auth0.Connection{} })
	if list, err := empty.Strategy.GetConnections(t.Context()); err != nil || len(list) != 0 || empty.Tenant.Calls(testkit.ManagementEndpoint) != 0 {
		t.Errorf("an empty list is a list: %v, %v", list, err)
	}
}

func TestClientFile(t *testing.T) {
	t.Parallel()
	configure := func(c *auth0.Config) { c.ConfigurationBaseURL = "https://acme.auth0.example" }
	e := testkit.SignedIn(t, configure)
	testkit.Must(e.Strategy.GetConnections(t.Context()))
	if n := e.Tenant.Calls(testkit.ClientFileEndpoint); n != 0 {
		t.Errorf("the client file was read %d times although the Management API answers", n)
	}
	e = testkit.SignedIn(t, configure)
	e.Tenant.Fail(testkit.ManagementEndpoint, 403)
	list := testkit.Must(e.Strategy.GetConnections(t.Context()))
	if got, want := testkit.Names(list), "Username-Password-Authentication github google-oauth2 partner-idp"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if list[3].DisplayName != "Partner Ltd" {
		t.Errorf("%+v", list[3])
	}
	if c, ok, err := e.Strategy.ConnectionForEmail(t.Context(), "x@customer.co.uk"); err != nil || !ok || c.Name != "customer-saml" {
		t.Errorf("by e-mail: %+v, %v, %v", c, ok, err)
	}
	// A field that was not requested is not read.
	e = testkit.SignedIn(t)
	e.Tenant.Fail(testkit.ManagementEndpoint, 403)
	if _, err := e.Strategy.GetConnections(t.Context()); err == nil || e.Tenant.Calls(testkit.ClientFileEndpoint) != 0 {
		t.Errorf("%v after %d reads", err, e.Tenant.Calls(testkit.ClientFileEndpoint))
	}
	for why, answer := range map[string]string{
		"empty": "", "other script": "alert(1)", "no end": `Auth0.setClient({"strategies":[]}`, "no JSON": "Auth0.setClient(alert(1));", "other JSON": "Auth0.setClient({});", "null": "Auth0.setClient(null);",
		"reversed": ")Auth0.setClient(", "HTML": "<html>SECRET",
	} {
		e := testkit.SignedIn(t, configure)
		e.Tenant.Fail(testkit.ManagementEndpoint, 403)
		e.Tenant.Replace(testkit.ClientFileEndpoint, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answer) })
		if list, err := e.Strategy.GetConnections(t.Context()); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, %v", why, list, err)
		}
	}
	e = testkit.SignedIn(t, configure)
	e.Tenant.Fail(testkit.ManagementEndpoint, 403)
	e.Tenant.Fail(testkit.ClientFileEndpoint, 403)
	if _, err := e.Strategy.GetConnections(t.Context()); err == nil || !strings.Contains(err.Error(), "no client file") || !strings.Contains(err.Error(), `the tenant answered 403, "Forbidden"`) {
		t.Errorf("both sources fail: %v", err)
	}
}

func TestConnectionForEmail(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	for email, want := range map[string]string{
		"a@customer.example": "customer-saml", "a@CUSTOMER.CO.UK": "customer-saml", "a@fabrikam.example": "fabrikam-entra", `"odd local"@customer.example`: "customer-saml",
		"a@acme.example": "", "a@sub.customer.example": "", "a@customer.example.evil": "", "a@evil@customer.example": "", "a@customer.example@evil": "", "@customer.example": "", "customer.example": "", "a@": "", "": "", "a@customer.example ": "",
	} {
		c, ok, err := e.Strategy.ConnectionForEmail(t.Context(), email, auth0.WithReturnTo("/x"))
		if err != nil || c.Name != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, %v; want %q", email, c.Name, ok, err, want)
		}
		if ok {
			q := testkit.Must(url.Parse(c.LoginURL)).Query()
			if q.Get("connection") != want || q.Get("login_hint") != email || q.Get("returnTo") != "/x" {
				t.Errorf("%q: link %s", email, c.LoginURL)
			}
		}
	}
	e.Tenant.Fail(testkit.ManagementEndpoint, 500)
	cold := testkit.SignedIn(t)
	cold.Tenant.Fail(testkit.ManagementEndpoint, 500)
	if _, ok, err := cold.Strategy.ConnectionForEmail(t.Context(), "a@customer.example"); err == nil || ok {
		t.Errorf("no list: %v, %v", ok, err)
	}
}

func TestOrganizationConnections(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.AcceptOrganizationLinks = true })
	off := false
	if err := e.Tenant.AddOrganization(testkit.Organization{ID: "org_umbrella0000000", Name: "umbrella", Connections: []testkit.OrganizationConnection{
		{Name: "customer-saml"}, {Name: "google-oauth2"}, {Name: "fabrikam-entra", ShowAsButton: &off},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, org := range []string{"org_umbrella0000000", "umbrella", "Umbrella"} {
		list, err := e.Strategy.GetConnections(t.Context(), auth0.WithOrganization(org))
		if err != nil || testkit.Names(list) != "google-oauth2 customer-saml" {
			t.Errorf("%s: %q, %v", org, testkit.Names(list), err)
			continue
		}
		if list[1].DisplayName != "Customer Corp" || list[1].LoginURL != "/auth/login?connection=customer-saml&organization="+org {
			t.Errorf("%s: %+v", org, list[1])
		}
		if c, ok, err := e.Strategy.ConnectionForEmail(t.Context(), "x@fabrikam.example", auth0.WithOrganization(org)); err != nil || !ok || c.Name != "fabrikam-entra" {
			t.Errorf("%s: by e-mail: %+v, %v, %v", org, c, ok, err)
		}
	}
	if got := testkit.Names(testkit.Must(e.Strategy.GetConnections(t.Context()))); !strings.Contains(got, "github") {
		t.Errorf("without an organization: %s", got)
	}
	fixed := testkit.SignedIn(t, func(c *auth0.Config) {
		c.LoginOptions = []auth0.LoginOption{auth0.WithOrganization("umbrella")}
		c.HTTPClient = &http.Client{Transport: testkit.Hosts{testkit.TenantHost: e.Tenant}}
	})
	if list, err := fixed.Strategy.GetConnections(t.Context()); err != nil || testkit.Names(list) != "google-oauth2 customer-saml" || strings.Contains(list[0].LoginURL, "organization") {
		t.Errorf("an application for one organization: %v, %v", list, err)
	}
	calls := e.Tenant.Calls(testkit.ManagementEndpoint)
	for range 20 {
		e.Strategy.GetConnections(t.Context(), auth0.WithOrganization("umbrella"))
	}
	if n := e.Tenant.Calls(testkit.ManagementEndpoint); n != calls {
		t.Errorf("%d more requests for a list that is kept", n-calls)
	}
	if _, err := e.Strategy.GetConnections(t.Context(), auth0.WithOrganization("nobody")); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("unknown organization: %v", err)
	}
	// The login route accepts its link, although the application's own list has no
	// button for it.
	u := e.Browser().Begin("/auth/login?connection=customer-saml&organization=umbrella")
	if q := u.Query(); q.Get("connection") != "customer-saml" || q.Get("organization") != "umbrella" {
		t.Errorf("sent with %v", q)
	}
}

// TestOtherTenantDomain: with a custom domain, requests to the Management API go to
// the tenant's own domain.
func TestOtherTenantDomain(t *testing.T) {
	t.Parallel()
	own, err := testkit.NewTenant(testkit.TenantConfig{Host: "own.auth0.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := own.AddDemo(testkit.Demo{ClientID: testkit.ClientID, ClientSecret: "client-secret-SECRET", BaseURL: testkit.AppURL}); err != nil {
		t.Fatal(err)
	}
	if err := own.AddClient(testkit.TenantClient{ID: "m2m", Secret: "m2m-secret", Grants: []testkit.ClientGrant{{Audience: "https://own.auth0.example/api/v2/", Scopes: []string{"read:connections", "read:clients"}}}}); err != nil {
		t.Fatal(err)
	}
	var custom *testkit.Tenant
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.TenantDomain, c.ManagementClientID, c.ManagementClientSecret = "own.auth0.example", "m2m", "m2m-secret"
		c.HTTPClient = &http.Client{Transport: testkit.Hosts{"own.auth0.example": own, testkit.TenantHost: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { custom.ServeHTTP(w, r) })}}
	})
	custom = e.Tenant
	list := testkit.Must(e.Strategy.GetConnections(t.Context()))
	if len(list) != 5 || e.Tenant.Calls(testkit.ManagementEndpoint) != 0 || e.Tenant.Calls(testkit.TokenEndpoint) != 0 {
		t.Errorf("%d connections after %d requests at the custom domain", len(list), e.Tenant.Calls(testkit.ManagementEndpoint))
	}
	if form := own.LastTokenRequest(); form.Get("client_id") != "m2m" || form.Get("audience") != "https://own.auth0.example/api/v2/" {
		t.Errorf("token request %v", form)
	}
	// Without read:connections_options there are no domains.
	if list[4].Name != "fabrikam-entra" || len(list[4].DomainAliases) != 0 {
		t.Errorf("%+v", list[4])
	}
	e.Browser().MustLogin()
}

// TestCustomDomainAlone: at a custom domain the tenant does not know the audience of the
// Management API. The error names the setting, and does not advise to register an API.
func TestCustomDomainAlone(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"error":"access_denied","error_description":"Service not found: %s"}`, r.FormValue("audience"))
	})
	_, err := e.Strategy.GetConnections(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Config.TenantDomain (AUTH0_TENANT_DOMAIN)") || strings.Contains(err.Error(), "register it") || strings.Contains(err.Error(), "read:connections") {
		t.Errorf("%v", err)
	}
}

// TestNoManagementAPI: another provider gets no request for an API that it does not
// have.
func TestNoManagementAPI(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Domain = "https://acme.auth0.example" })
	if _, err := e.Strategy.GetConnections(t.Context()); err == nil || !strings.Contains(err.Error(), "Config.TenantDomain (AUTH0_TENANT_DOMAIN)") || e.Tenant.Calls(testkit.ManagementEndpoint)+e.Tenant.Calls(testkit.TokenEndpoint) != 0 {
		t.Errorf("%v after %d requests", err, e.Tenant.Calls(testkit.ManagementEndpoint)+e.Tenant.Calls(testkit.TokenEndpoint))
	}
}

// TestConnectionParameter: the login route accepts a possible name of a connection,
// without a request to the tenant.
func TestConnectionParameter(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	sent := func(name string) bool {
		return e.Browser().Begin("/auth/login?connection="+url.QueryEscape(name)).Query().Get("connection") == name
	}
	if !sent("github") || !sent("facebook") || sent("<script>") || e.Tenant.Calls(testkit.ManagementEndpoint) != 0 {
		t.Errorf("without a list: %v %v %v after %d requests", sent("github"), sent("facebook"), sent("<script>"), e.Tenant.Calls(testkit.ManagementEndpoint))
	}
	testkit.Must(e.Strategy.GetConnections(t.Context()))
	if !sent("github") || !sent("customer-saml") || sent("facebook") || !strings.Contains(e.Log.String(), "is not a connection of the application") {
		t.Errorf("with a list: %v %v %v", sent("github"), sent("customer-saml"), sent("facebook"))
	}
}

// TestConnectionTextsAreData: a name with markup stays text on a page.
func TestConnectionTextsAreData(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	const evil = `"><script>alert(1)</script>`
	e.Tenant.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"connections": []any{map[string]any{"name": evil, "display_name": evil, "strategy": evil, "options": map[string]any{"icon_url": "https://cdn.example/" + evil}}}})
	})
	page := template.Must(template.New("").Parse(`<a href="{{.LoginURL}}" class="{{.Strategy}}"><img src="{{.IconURL}}">{{.DisplayName}}</a>`))
	for _, c := range testkit.Must(e.Strategy.GetConnections(t.Context())) {
		var b bytes.Buffer
		if err := page.Execute(&b, c); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "<script") || strings.Contains(c.LoginURL, "<") {
			t.Errorf("page %s", b.String())
		}
	}
}
