package signin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

func params(list ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(list); i += 2 {
		m[list[i]] = list[i+1]
	}
	return m
}

// TestTicket: the options of a ticket override those of the link, of the route and of every
// login.
func TestTicket(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		ticket := e.Ticket(authrequest.Saved{
			Params:  params("connection", "google", "organization", "org_b", "prompt", "consent", "max_age", "60", "login_hint", "ada"),
			Without: []string{"ext-every"}, Scopes: []string{"openid", "a"}, Persistent: new(false), ReturnTo: "/ticket",
		}, "", time.Minute)
		begun := e.begin("returnTo=/link&login_hint=bob&prompt=login&login_ticket="+ticket, authrequest.Connection("route"), authrequest.Scopes("b"))
		for name, want := range map[string]string{
			"connection": "google", "organization": "org_b", "prompt": "consent", "max_age": "60", "login_hint": "ada",
			"ext-every": "", "scope": "openid a", "login_ticket": "",
		} {
			if got := begun.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		kept := e.kept(begun)
		if kept.ReturnTo != "/ticket" || kept.Persistent == nil || *kept.Persistent || kept.MaxAge == nil || kept.Organization != "org_b" {
			t.Errorf("%+v", kept)
		}
	}, withOptions(authrequest.Param("ext-every", "x"), authrequest.Organization("org_a")))
}

// TestTicketThatDoesNotOpen has a row for each refusal. The login is then a plain one,
// without an error.
func TestTicketThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		ring, name := e.Transactions.Keyring, e.Visits.Cookies.Session.Name
		options := authrequest.Saved{Params: params("connection", "google")}
		seal := func(purpose, name string, v any) string { return ring.Seal(purpose, name, must(json.Marshal(v))) }
		ends := now().Add(time.Minute).Unix()
		good := e.Ticket(options, "", time.Minute)
		for _, row := range []struct {
			why, ticket string
			opens       bool
		}{
			{"good", good, true},
			{"good, made by hand", seal("ticket", name, ticket{options, "", ends}), true},
			{"missing", "", false},
			{"not sealed", "v3.AAAA", false},
			{"cut", good[:len(good)-1], false},
			{"longer", good + "A", false},
			{"other purpose", seal("txn", name, ticket{options, "", ends}), false},
			{"other name", seal("ticket", "other", ticket{options, "", ends}), false},
			{"other application", ring.Bind("other").Seal("ticket", name, must(json.Marshal(ticket{options, "", ends}))), false},
			{"no JSON", ring.Seal("ticket", name, []byte("x")), false},
			{"expired", seal("ticket", name, ticket{options, "", now().Unix()}), false},
			{"no end", seal("ticket", name, ticket{Options: options}), false},
			{"bad option", seal("ticket", name, ticket{authrequest.Saved{Params: params("connection", "google", "state", "x")}, "", ends}), false},
			{"too large", seal("ticket", name, ticket{authrequest.Saved{Params: params("connection", "google", "ext-a", strings.Repeat("x", 500))}, "", ends}), false},
		} {
			begun := e.begin("returnTo=/link&login_ticket=" + url.QueryEscape(row.ticket))
			if opens := begun.Get("connection") == "google"; opens != row.opens || e.kept(begun).ReturnTo != "/link" {
				t.Errorf("%s: opens %v, returns to %q", row.why, opens, e.kept(begun).ReturnTo)
			}
			e.cookies = nil
		}
		time.Sleep(59 * time.Second)
		if e.begin("login_ticket="+good).Get("connection") == "" {
			t.Error("it has expired too early")
		}
		time.Sleep(time.Second)
		if e.begin("login_ticket="+good).Get("connection") != "" {
			t.Error("it does not expire")
		}
	})
}

// TestTicketAndSession: a ticket has conditions, so the tenant gets a request also for a
// logged-in user. A login without a good ticket makes no detour.
func TestTicketAndSession(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(e *env) {
		e.logIn()
		ticket := e.Ticket(authrequest.Saved{Scopes: []string{"openid", "more"}}, "", time.Minute)
		if got := e.begin("returnTo=/after&login_ticket=" + ticket); got.Get("scope") != "openid more" {
			t.Errorf("%q", got)
		}
		for _, bad := range []string{"", "x", ticket + "A"} {
			got := e.do(e.route(), e.request("GET", "/auth/login?returnTo=/after&login_ticket="+bad, nil))
			e.expectPage("no ticket", got, 303, "/after", "")
		}
	})
}

// TestTicketOfAForm: a posted form can have a ticket too.
func TestTicketOfAForm(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		ticket := e.Ticket(authrequest.Saved{Params: params("connection", "google")}, "", time.Minute)
		got := e.do(e.route(), e.request("POST", "/auth/login", url.Values{"login_ticket": {ticket}}))
		if e.asked(got.location()).Get("connection") != "google" {
			t.Errorf("to %q", got.location())
		}
	})
}

// TestTicketHasALimit: a ticket fits into a URL. It first leaves out the options that the
// user misses least.
func TestTicketHasALimit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for _, row := range []struct {
		why    string
		saved  authrequest.Saved
		has    []string
		hasNot []string
	}{
		{"all", authrequest.Saved{Params: params("organization", "org_a", "login_hint", "ada"), ReturnTo: "/a"},
			[]string{"organization", "login_hint", "return"}, nil},
		{"long return URL", authrequest.Saved{Params: params("organization", "org_a", "login_hint", "ada"), ReturnTo: "/" + long + long},
			[]string{"organization", "login_hint"}, []string{"return"}},
		{"long hint", authrequest.Saved{Params: params("organization", "org_a", "login_hint", long+long)},
			[]string{"organization"}, []string{"login_hint"}},
		{"long condition", authrequest.Saved{Params: params("audience", long+long)}, nil, []string{"audience"}},
		{"return URL alone", authrequest.Saved{ReturnTo: "/a"}, nil, []string{"return"}},
		{"nothing", authrequest.Saved{}, nil, nil},
		{"bad option", authrequest.Saved{Params: params("state", "x")}, nil, []string{"state"}},
	} {
		run(t, func(e *env) {
			ticket := e.Ticket(row.saved, "", time.Hour)
			if len(ticket) > 600 || (ticket == "") != (row.has == nil) {
				t.Fatalf("%s: a ticket of %d bytes", row.why, len(ticket))
			}
			r := must(authrequest.New(e.redeemTicket(e.request("GET", "/auth/login", nil), ticket)...))
			got := map[string]bool{"return": r.ReturnTo() != ""}
			for name := range r.Params {
				got[name] = true
			}
			for _, name := range row.has {
				if !got[name] {
					t.Errorf("%s: %s is missing", row.why, name)
				}
			}
			for _, name := range row.hasNot {
				if got[name] {
					t.Errorf("%s: it has %s", row.why, name)
				}
			}
		})
	}
}

// TestLoginLinks has a row for each way to continue after a refusal.
func TestLoginLinks(t *testing.T) {
	t.Parallel()
	saved := authrequest.Saved{Params: params("connection", "google", "login_hint", "ada"), ReturnTo: "/after"}
	for _, row := range []struct {
		why         string
		row         refusal.Row
		text        string
		hint, other bool
		connection  bool
	}{
		{"try again", refusal.ByTenant, "Log in again", true, false, true},
		{"cancelled", refusal.Cancelled, "Log in again", true, false, true},
		{"outage", refusal.TenantDown, "Log in again", true, false, true},
		{"account", refusal.AfterLogin, "Log in with another account", false, true, true},
		{"setup", refusal.LoginSetup, "Log in again", false, false, false},
		{"unknown", refusal.Row{}, "Log in again", true, false, true},
	} {
		run(t, func(e *env) {
			links := e.loginLinks(e.request("GET", "/auth/callback", nil), saved, "", row.row)
			if len(links) != 1 || links[0].Text != row.text || !strings.HasPrefix(links[0].URL, origin+"/auth/login?returnTo=%2Fafter") {
				t.Fatalf("%s: %+v", row.why, links)
			}
			query := must(url.Parse(links[0].URL)).Query()
			for _, without := range []bool{false, true} { // the ticket has expired, later
				if without {
					query.Del("login_ticket")
				}
				begun := e.begin(query.Encode())
				if prompt := begun.Get("prompt"); (prompt == "login select_account") != row.other || e.kept(begun).ReturnTo != "/after" {
					t.Errorf("%s: prompt %q, %+v", row.why, prompt, e.kept(begun))
				}
				if !without && (begun.Has("login_hint") != row.hint || begun.Has("connection") != row.connection) {
					t.Errorf("%s: %q", row.why, begun)
				}
			}
		})
	}
}

// TestTicketAndStateOfTheApplication: the state of the application stays in the browser of
// its login. An attacker can begin a login, make it fail, and send the link of the error
// page to a victim.
func TestTicketAndStateOfTheApplication(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1000) // more than fits into a URL
	for why, end := range map[string]func(*env, url.Values) result{
		"refused": func(e *env, begun url.Values) result {
			return e.answer(begun, change{"code": nil, "error": "access_denied"})
		},
		"not set up": func(e *env, begun url.Values) result {
			return e.answer(begun, change{"code": nil, "error": "invalid_scope"})
		},
		"expired": func(e *env, begun url.Values) result {
			time.Sleep(time.Hour)
			return e.answer(begun, nil)
		},
		"outage": func(e *env, begun url.Values) result {
			e.down = true
			defer func() { e.down = false }()
			return e.answer(begun, nil)
		},
		"cannot begin": func(e *env, _ url.Values) result {
			known := e.Flow.Client.Tenant.Static
			e.Flow.Client.Tenant.Static, e.down, e.cookies = nil, true, nil
			defer func() { e.Flow.Client.Tenant.Static, e.down = known, false }()
			return e.do(e.route(authrequest.AppState(large), authrequest.Persistent(false)), e.request("GET", "/auth/login", nil))
		},
	} {
		run(t, func(e *env) {
			got := end(e, e.begin("", authrequest.AppState(large), authrequest.Persistent(false)))
			failed := failureOf(t, got.err)
			if failed.ReturnTo != "/" || len(failed.AppState) != 1002 {
				t.Errorf("%s: the application gets the page %q and the state %.20s", why, failed.ReturnTo, failed.AppState)
			}
			link := must(url.Parse(failed.Links[0].URL)).RawQuery
			if len(link) > 700 {
				t.Errorf("%s: a link of %d bytes", why, len(link))
			}
			own := e.cookies
			for what, cookies := range map[string][]*http.Cookie{"another browser": nil, "this browser": own} {
				e.cookies = cookies
				kept := e.kept(e.begin(link))
				if (kept.AppState != nil) != (what == "this browser") || kept.Persistent == nil || *kept.Persistent {
					t.Errorf("%s, %s: state %.20s, persistent %v", why, what, kept.AppState, kept.Persistent)
				}
			}
		})
	}
}

// TestManyLoginsThatCannotBegin: the cookies of failed beginnings push out each other, and
// not the login of another tab.
func TestManyLoginsThatCannotBegin(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		begun := e.begin("returnTo=/after")
		known := e.Flow.Client.Tenant.Static
		e.Flow.Client.Tenant.Static, e.down = nil, true
		for range 10 {
			time.Sleep(time.Minute)
			got := e.do(e.route(authrequest.AppState("cart")), e.request("GET", "/auth/login", nil))
			failureOf(t, got.err)
		}
		e.Flow.Client.Tenant.Static, e.down = known, false
		if len(e.cookies) != 4 {
			t.Errorf("the browser has %d cookies", len(e.cookies))
		}
		e.expectPage("the other tab", e.answer(begun, nil), 303, "/after", "-txn session session_tries")
	})
}

// TestLoginLinksToThePage: a login without a return URL leads to the requested page. A form
// is not sent again, and the route of a login is not a page.
func TestLoginLinksToThePage(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		for _, row := range []struct {
			method, target, returnTo, want string
		}{
			{"GET", "/page?a=b", "", "?returnTo=%2Fpage%3Fa%3Db"},
			{"GET", "/page?a=b", "/other", "?returnTo=%2Fother"},
			{"GET", "/", "", ""},
			{"POST", "/page?a=b", "", ""},
			{"POST", "/page?a=b", "/other", "?returnTo=%2Fother"},
			{"GET", "/auth/callback?code=x", "", ""},
			{"GET", "/page%E2%80%AEother", "", ""},
		} {
			links := e.LoginLinks(e.request(row.method, row.target, nil), row.returnTo, refusal.Row{})
			if len(links) != 1 || links[0].URL != origin+"/auth/login"+row.want {
				t.Errorf("%s %s, %q: %+v, want %q", row.method, row.target, row.returnTo, links, row.want)
			}
		}
	})
}

// TestLoginThatCannotBegin: the error has a link to try again, with all options.
func TestLoginThatCannotBeginAgain(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		known := e.Flow.Client.Tenant.Static
		e.Flow.Client.Tenant.Static, e.down = nil, true
		got := e.do(e.route(authrequest.Organization("org_a")), e.request("GET", "/auth/login?returnTo=/after", nil))
		failed := failureOf(t, got.err)
		e.Flow.Client.Tenant.Static, e.down = known, false
		begun := e.begin(must(url.Parse(failed.Links[0].URL)).RawQuery)
		if begun.Get("organization") != "org_a" || e.kept(begun).ReturnTo != "/after" {
			t.Errorf("%q", begun)
		}
	})
}

// FuzzTicket: a text gives no options, unless the application has sealed it.
func FuzzTicket(f *testing.F) {
	e := newEnv(nil, nil)
	good := e.Ticket(authrequest.Saved{Params: params("connection", "google")}, "", time.Hour)
	for _, seed := range []string{"", "v3.", good[:len(good)/2], strings.ToUpper(good), strings.Repeat("A", 700)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text != good && len(e.redeemTicket(httptest.NewRequest("GET", origin+"/auth/login", nil), text)) != 0 {
			t.Errorf("%q gives options", text)
		}
	})
}

// FuzzTicketOptions: a ticket of another version gives options that a login can have, or
// none.
func FuzzTicketOptions(f *testing.F) {
	e := newEnv(nil, nil)
	f.Add([]byte(`{"o":{"p":{"connection":"google","max_age":"60"},"w":["audience"],"s":["a"],"a":["b"],"c":true,"to":"/x"},"x":99999999999}`))
	f.Add([]byte(`{"o":{"p":{"state":"x"}},"x":99999999999}`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		options := e.redeemTicket(httptest.NewRequest("GET", origin+"/auth/login", nil), e.Transactions.Keyring.Seal("ticket", e.Visits.Cookies.Session.Name, plain))
		r, err := authrequest.New(options...)
		if err != nil {
			t.Fatal(err)
		}
		for name := range r.Params {
			if slices.Contains([]string{"state", "nonce", "redirect_uri", "client_id", "response_type", "code_challenge"}, name) {
				t.Errorf("the ticket sets %s", name)
			}
		}
	})
}
