package signin

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// tooLarge are scopes for which a transaction has no room.
var tooLarge = authrequest.Scopes(strings.Repeat("x", 3500))

// TestLoginRequest has a row for each answer of the login route to a browser without a
// session.
func TestLoginRequest(t *testing.T) {
	t.Parallel()
	withoutCode := func(c *Config) { c.Flow.ResponseType = "id_token" }
	withoutDocument := func(c *Config) { c.Flow.Client.Tenant.Static = nil }
	for _, row := range []struct {
		why, method, target string
		header              []string
		edit                func(*Config)
		option              authrequest.Option
		status              int
		refusal             refusal.Row
		cause               string
	}{
		{why: "GET", method: "GET", target: "/auth/login", status: 302},
		{why: "POST without a body", method: "POST", target: "/auth/login", status: 303},
		{why: "HEAD", method: "HEAD", target: "/auth/login", status: 204},
		{why: "prefetch", method: "GET", target: "/auth/login", header: []string{"Sec-Purpose", "prefetch"}, status: 204},
		{why: "PUT", method: "PUT", target: "/auth/login", refusal: refusal.Method},
		{why: "prefetch with another method", method: "OPTIONS", target: "/auth/login", header: []string{"Sec-Purpose", "prefetch"},
			refusal: refusal.Method},
		{why: "other host", method: "GET", target: "https://other.example/auth/login", edit: withHosts, status: 302},
		{why: "unknown host", method: "GET", target: "https://unknown.example/auth/login", edit: withHosts,
			refusal: refusal.UnknownHost, cause: "unknown.example"},
		{why: "body that is no form", method: "POST", target: "/auth/login", header: []string{"Content-Type", "application/json"},
			refusal: refusal.LoginOption, cause: "not a form"},
		{why: "invitation without its organization", method: "GET", target: "/auth/login?invitation=i",
			refusal: refusal.LoginOption, cause: "an invitation needs its organization"},
		{why: "option of every login is not usable", method: "GET", target: "/auth/login", edit: withOptions(nil),
			refusal: refusal.LoginOption, cause: "a login option is nil"},
		{why: "pop-up with a token that there is not", method: "GET", target: "/auth/login", edit: withoutCode,
			option: authrequest.PopUp(origin, "access_token"), refusal: refusal.LoginOption, cause: "access token"},
		{why: "address of the person", method: "GET", target: "/auth/login", option: authrequest.ForwardedFor(netip.MustParseAddr("192.0.2.1")),
			refusal: refusal.LoginOption, cause: "without a browser"},
		{why: "no endpoints", method: "GET", target: "/auth/login", edit: withoutDocument, refusal: refusal.TenantDown},
		{why: "no room", method: "GET", target: "/auth/login", option: tooLarge,
			refusal: refusal.LoginOption, cause: "the options of this login need"},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			run(t, func(e *env) {
				var options []authrequest.Option
				if row.option != nil {
					options = append(options, row.option)
				}
				got := e.do(e.route(options...), e.request(row.method, row.target, nil, row.header...))
				expect(t, row.why, got.err, row.refusal, row.cause)
				changes, allow := "", ""
				switch {
				case row.refusal == refusal.Method:
					allow = "GET, POST"
				case row.status == 204 && got.Header().Get("Cache-Control") != "no-store":
					t.Errorf("it can be stored: %q", got.Header())
				case row.status > 300:
					changes = "txn"
					host, _, _ := strings.Cut(strings.TrimPrefix(row.target, "https://"), "/")
					if host == "" {
						host = "app.example"
					}
					if asked := e.asked(got.location()); asked.Get("redirect_uri") != "https://"+host+"/auth/callback" {
						t.Errorf("the answer goes to %q", asked.Get("redirect_uri"))
					}
				}
				if row.status != 0 && got.Code != row.status || got.changes != changes || got.Header().Get("Allow") != allow {
					t.Errorf("status %d, cookies %q, Allow %q", got.Code, got.changes, got.Header().Get("Allow"))
				}
				if row.status < 300 && got.location() != "" {
					t.Errorf("the browser is sent to %q", got.location())
				}
			}, edits(row.edit)...)
		})
	}
}

func edits(edit func(*Config)) []func(*Config) {
	if edit == nil {
		return nil
	}
	return []func(*Config){edit}
}

// TestLoginOptions: the options of the handler override those of the link, and those
// override the options of every login.
func TestLoginOptions(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		for _, row := range []struct {
			query   string
			options []authrequest.Option
			want    string
		}{
			{"", nil, "de"},
			{"ui_locales=fr", nil, "fr"},
			{"ui_locales=fr", []authrequest.Option{authrequest.UILocales("en")}, "en"},
		} {
			if got := e.begin(row.query, row.options...); got.Get("ui_locales") != row.want || got.Get("login_hint") != "ada" {
				t.Errorf("%q: %q", row.query, got)
			}
		}
		form := url.Values{"ui_locales": {"it"}, "returnTo": {"/after"}}
		got := e.do(e.route(), e.request("POST", "/auth/login?ui_locales=fr", form))
		if asked := e.asked(got.location()); asked.Get("ui_locales") != "it" || e.kept(asked).ReturnTo != "/after" {
			t.Errorf("a form: %q", asked)
		}
	}, withOptions(authrequest.UILocales("de"), authrequest.Hint("ada")))
}

// TestReturnURLOfALogin: a login leads to a path of the application and nowhere else.
func TestReturnURLOfALogin(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		for _, row := range []struct{ query, want string }{
			{"", "/home"},
			{"returnTo=/after", "/after"},
			{"returnTo=" + origin + "/after", "/after"},
			{"returnTo=https://evil.example/", "/home"},
			{"returnTo=//evil.example/", "/home"},
			{"returnTo=/auth/logout", "/home"},
		} {
			begun := e.begin(row.query)
			if got := e.kept(begun).ReturnTo; got != row.want {
				t.Errorf("%q is kept as %q", row.query, got)
			}
			e.expectPage(row.query, e.answer(begun, nil), 303, row.want, "-txn session session_tries")
			e.cookies = nil
		}
	}, withHome("/home"))
}

// TestLoggedIn: a browser with a session is sent on, unless only the tenant can meet the
// login's options.
func TestLoggedIn(t *testing.T) {
	t.Parallel()
	ada := change{"org_id": "org_1", "org_name": "acme"}
	keepNothing := func(c *Config) { c.KeepClaim = func(string) bool { return false } }
	for _, row := range []struct {
		why, query string
		claims     change
		option     authrequest.Option
		edit       func(*Config)
		want       string // the destination, empty for the tenant
	}{
		{why: "nothing asked", want: "/"},
		{why: "return URL", query: "returnTo=/after", want: "/after"},
		{why: "return URL that is not safe", query: "returnTo=//evil.example", want: "/"},
		{why: "languages", query: "ui_locales=de", want: "/"},
		{why: "prompt", query: "prompt=login"},
		{why: "option of the handler", option: authrequest.ReturnTo("/after")},
		{why: "connection of every login", edit: withOptions(authrequest.Connection("google"))},
		{why: "own organization", query: "organization=org_1&returnTo=/after", claims: ada, want: "/after"},
		{why: "own organization by name", query: "organization=Acme", claims: ada, want: "/"},
		{why: "own organization, claims not kept", query: "organization=org_1", claims: ada, edit: keepNothing, want: "/"},
		{why: "own organization by name, claims not kept", query: "organization=acme", claims: ada, edit: keepNothing, want: "/"},
		{why: "other organization, claims not kept", query: "organization=org_2", claims: ada, edit: keepNothing},
		{why: "other organization", query: "organization=org_2", claims: ada},
		{why: "no organization", query: "organization=org_1"},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				e.claims = row.claims
				e.logIn()
				var options []authrequest.Option
				if row.option != nil {
					options = append(options, row.option)
				}
				got := e.do(e.route(options...), e.request("POST", "/auth/login?"+row.query, nil))
				if row.want != "" {
					e.expectPage(row.why, got, 303, row.want, "")
				} else if e.asked(got.location()); got.changes != "txn" || got.err != nil {
					t.Errorf("cookies %q, %v", got.changes, got.err)
				}
			}, edits(row.edit)...)
		})
	}
}

// TestLoggedInWithTokens: a session without sufficient tokens for the login goes to the
// tenant, and a session with them does not.
func TestLoggedInWithTokens(t *testing.T) {
	t.Parallel()
	offline := func(c *Config) { c.Flow.Scopes = []string{"openid", "offline_access"} }
	for _, row := range []struct {
		why    string
		tokens change // of the answer to the login
		edit   func(*Config)
		after  func(*env)
		sentOn bool
	}{
		{why: "good token without a refresh token", tokens: change{"refresh_token": nil}, sentOn: true},
		{why: "expired token without a refresh token", tokens: change{"refresh_token": nil}, after: func(*env) { time.Sleep(10 * time.Minute) }},
		{why: "expired token with a refresh token", after: func(*env) { time.Sleep(10 * time.Minute) }, sentOn: true},
		{why: "tenant gives no refresh token", tokens: change{"refresh_token": nil}, edit: offline, sentOn: true},
		{why: "a release asks for offline_access", tokens: change{"refresh_token": nil}, after: func(e *env) { offline(&e.Config) }},
		{why: "a release asks for another API", after: func(e *env) { e.Routes.c.Options = []authrequest.Option{authrequest.Audience(api)} }},
		{why: "a release asks for less", after: func(e *env) { e.Flow.Scopes = []string{"openid"} }, sentOn: true},
		{why: "another login is due", after: func(e *env) {
			w := httptest.NewRecorder()
			record := must(e.session())
			if err := e.Visits.Sessions.SendTokens(w, must(e.Visits.Loaded(e.Visits.Prepare(e.request("GET", "/", nil)))), record, e.Visits.Tokens.NoteLogin(e.Context(), record)); err != nil {
				e.Error(err)
			}
			e.take(w)
		}},
		{why: "another login is due, and the browser was not told", after: func(e *env) { e.Visits.Tokens.NoteLogin(e.Context(), must(e.session())) }},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inEachMode(t, func(e *env) {
				e.tokens = row.tokens
				e.logIn()
				if row.after != nil {
					row.after(e)
				}
				got := e.do(e.route(), e.request("GET", "/auth/login?returnTo=/after", nil))
				if row.sentOn {
					e.expectPage(row.why, got, 303, "/after", "")
					return
				}
				e.tokens = nil
				e.expectPage(row.why, e.answer(e.asked(got.location()), nil), 303, "/after", "-txn session session_tries")
				// The new session is good for the same login.
				e.expectPage(row.why, e.do(e.route(), e.request("GET", "/auth/login?returnTo=/after", nil)), 303, "/after", "")
			}, edits(row.edit)...)
		})
	}
	// A login without a token in its answer asks for none.
	run(t, func(e *env) {
		e.logIn()
		got := e.do(e.route(), e.request("GET", "/auth/login?returnTo=/after", nil))
		e.expectPage("without a code", got, 303, "/after", "")
	}, withFormPost)
}

// TestLoginWithoutStore: a login begins while the store is down, and no user counts as
// logged in.
func TestLoginWithoutStore(t *testing.T) {
	t.Parallel()
	t.Run("store", func(t *testing.T) {
		inEachMode(t, func(e *env) {
			if e.store == nil {
				return
			}
			e.logIn()
			e.store.fail(http.ErrServerClosed)
			if kept := e.kept(e.begin("")); kept.Session != "" || kept.Parts != 0 {
				t.Errorf("the transaction has the session %q in %d cookies", kept.Session, kept.Parts)
			}
		})
	})
}

// TestTransactionNotesTheSession that the login ends, and the number of its cookies.
func TestTransactionNotesTheSession(t *testing.T) {
	t.Parallel()
	size := 0
	hook := withHook(func(l *login.Accepted) error {
		l.Data["note"] = strings.Repeat("x", size)
		return nil
	})
	for _, row := range []struct{ size, parts int }{{10, 1}, {4000, 2}, {7000, 3}} {
		size = row.size
		run(t, func(e *env) {
			if kept := e.kept(e.begin("")); kept.Session != "" || kept.Parts != 0 {
				t.Errorf("without a session: %q, %d cookies", kept.Session, kept.Parts)
			}
			record := e.logIn()
			kept := e.kept(e.begin("prompt=login"))
			if kept.Session != record.ID || record.ID == "" || kept.Parts != row.parts {
				t.Errorf("session %q in %d cookies, want %q in %d", kept.Session, kept.Parts, record.ID, row.parts)
			}
		}, hook)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		expect(t, "none", e.Check(nil), refusal.Row{}, "")
		expect(t, "good one", e.Check([]authrequest.Option{authrequest.MaxAge(time.Hour)}), refusal.Row{}, "")
		expect(t, "nil", e.Check([]authrequest.Option{nil}), refusal.LoginOption, "a login option is nil")
		popup := []authrequest.Option{authrequest.PopUp(origin, "access_token")}
		expect(t, "pop-up with an access token", e.Check(popup), refusal.Row{}, "")
		e.Flow.ResponseType = "id_token"
		expect(t, "pop-up without one", e.Check(popup), refusal.LoginOption, "access token")
	})
}

// TestLink: a link in an email continues a login of the same browser.
func TestLink(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		home := netip.MustParseAddr("192.0.2.1")
		link := func(target string, options ...authrequest.Option) (asked url.Values, from netip.Addr, got result) {
			got = e.do(func(w http.ResponseWriter, r *http.Request) (err error) {
				asked, from, err = e.Link(w, r, options)
				return err
			}, e.request("POST", target, nil))
			return asked, from, got
		}
		asked, from, got := link("https://other.example/link", authrequest.ReturnTo("/after"), authrequest.ForwardedFor(home))
		if got.err != nil || got.changes != "txn" || got.location() != "" || from != home {
			t.Fatalf("%v, cookies %q, location %q, from %v", got.err, got.changes, got.location(), from)
		}
		kept := e.kept(asked)
		if asked.Get("redirect_uri") != kept.RedirectURI || asked.Get("nonce") != kept.Nonce || asked.Get("login_hint") != "ada" {
			t.Errorf("it asks %q", asked)
		}
		if kept.RedirectURI != "https://other.example/auth/callback" || kept.ReturnTo != "/after" {
			t.Errorf("the login is %+v", kept)
		}
		for _, row := range []struct {
			why, target string
			option      authrequest.Option
			want        refusal.Row
			cause       string
		}{
			{"unknown host", "https://unknown.example/link", authrequest.ReturnTo("/"), refusal.UnknownHost, "unknown.example"},
			{"no option", "/link", nil, refusal.LoginOption, "a login option is nil"},
			{"no room", "/link", tooLarge, refusal.LoginOption, "the options of this login need"},
		} {
			_, _, got := link(row.target, row.option)
			expect(t, row.why, got.err, row.want, row.cause)
			if got.changes != "" {
				t.Errorf("%s: cookies %q", row.why, got.changes)
			}
		}
	}, withHosts, withOptions(authrequest.Hint("ada")))
}

// TestFind: an answer belongs to a login of the same browser, response type and host.
func TestFind(t *testing.T) {
	t.Parallel()
	run(t, func(e *env) {
		begun := e.begin("")
		for _, row := range []struct {
			why, target, state, responseType string
			want                             refusal.Row
			cause                            string
		}{
			{"good", "/", begun.Get("state"), "code", refusal.Row{}, ""},
			{"other state", "/", "other", "code", refusal.NoTransaction, "no cookie for the state"},
			{"other type", "/", begun.Get("state"), "connect_code", refusal.NoTransaction, "response type"},
			{"other host", "https://other.example/", begun.Get("state"), "code", refusal.NoTransaction, "on another host"},
			{"unknown host", "https://unknown.example/", begun.Get("state"), "code", refusal.UnknownHost, "unknown.example"},
		} {
			found, err := e.Find(e.request("GET", row.target, nil), row.state, row.responseType)
			expect(t, row.why, err, row.want, row.cause)
			if err == nil && found.Nonce != begun.Get("nonce") {
				t.Errorf("%s: %+v", row.why, found)
			}
		}
	}, withHosts)
}
