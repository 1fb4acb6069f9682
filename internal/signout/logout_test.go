package signout

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// atTenant is the URL at which the tenant ends its session, with these parameters.
func atTenant(parameters string) string { return issuer + "oidc/logout?" + parameters }

const (
	back    = "https%3A%2F%2Fapp.example%2Fbye"
	hinted  = "client_id=the-client-id&logout_hint=s1&post_logout_redirect_uri=" + back
	without = "https://tenant.example/v2/logout?client_id=the-client-id&returnTo=" + back
)

// TestLogoutRequest has a row for each answer of the route to a logged-in user.
func TestLogoutRequest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, method, target string
		header              []string
		status              int // 303 for a logout, 200 for the confirmation page
		refusal             refusal.Row
		cause               string
	}{
		{"button", "POST", "/auth/logout", ours, 303, refusal.Row{}, ""},
		{"button at another host of the application", "POST", "https://other.example/auth/logout",
			[]string{"Sec-Fetch-Site", "same-origin", "Origin", "https://other.example"}, 303, refusal.Row{}, ""},
		{"link", "GET", "/auth/logout", ours, 303, refusal.Row{}, ""},
		{"typed address", "GET", "/auth/logout", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1"},
			303, refusal.Row{}, ""},
		{"old browser, link", "GET", "/auth/logout", []string{"Referer", origin + "/page"}, 303, refusal.Row{}, ""},
		{"old browser, button", "POST", "/auth/logout", []string{"Origin", origin}, 303, refusal.Row{}, ""},

		{"HEAD", "HEAD", "/auth/logout", ours, 204, refusal.Row{}, ""},
		{"prefetch", "GET", "/auth/logout", append([]string{"Sec-Purpose", "prefetch"}, ours...), 204, refusal.Row{}, ""},

		{"origin not known, link", "GET", "/auth/logout", unknown, 200, refusal.Row{}, ""},
		{"origin not known, button", "POST", "/auth/logout", unknown, 200, refusal.Row{}, ""},
		{"link of a program", "GET", "/auth/logout", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"}, 200, refusal.Row{}, ""},

		{"PUT", "PUT", "/auth/logout", ours, 0, refusal.Method, ""},
		{"DELETE", "DELETE", "/auth/logout", ours, 0, refusal.Method, ""},
		{"unknown host", "POST", "https://unknown.example/auth/logout", ours, 0, refusal.UnknownHost, "unknown.example"},
		{"button of another site", "POST", "/auth/logout", theirs, 0, refusal.CrossSite, "cross-origin"},
		{"link of another site", "GET", "/auth/logout", theirs, 0, refusal.CrossSite, `Sec-Fetch-Site is "cross-site"`},
		{"image", "GET", "/auth/logout", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors"}, 0,
			refusal.CrossSite, `Sec-Fetch-Mode is "no-cors"`},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inModes(t, allModes, func(e *env) {
				_, cookies := e.logIn(ada)
				got := e.logOut(e.request(row.method, row.target, nil, row.header...))
				expect(t, row.why, got.err, row.refusal, row.cause)
				if row.refusal == (refusal.Row{}) && got.Code != row.status {
					t.Errorf("status %d", got.Code)
				}
				location, changes, allow, revoked := "", "", "", ""
				if row.status == 303 {
					location, changes, revoked = atTenant(hinted), "-session", "refresh"
				}
				if row.refusal == refusal.Method {
					allow = "GET, POST"
				}
				if got.location() != location || got.changes != changes || got.Header().Get("Allow") != allow || e.revocations() != revoked {
					t.Errorf("to %q, cookies %q, Allow %q, revoked %q", got.location(), got.changes, got.Header().Get("Allow"), e.revocations())
				}
				if e.isLoggedIn(cookies) != (row.status != 303) {
					t.Errorf("logged in: %v", row.status == 303)
				}
				if asks := strings.Contains(got.Body.String(), "<h1>Log out?</h1>"); asks != (row.status == 200) {
					t.Errorf("it asks: %v\n%s", asks, got.Body)
				}
			}, withHosts)
		})
	}
}

// TestLogoutWithoutSession: a request from the application still goes to the tenant, which
// may have a session. A request of unknown origin does not.
func TestLogoutWithoutSession(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, method, target string
		header              []string
		location            string
		refusal             refusal.Row
	}{
		{"button", "POST", "/auth/logout", ours, without, refusal.Row{}},
		{"link", "GET", "/auth/logout", ours, without, refusal.Row{}},
		{"origin not known, link", "GET", "/auth/logout?returnTo=/other", unknown, origin + "/other", refusal.Row{}},
		{"origin not known, button", "POST", "/auth/logout", unknown, origin + "/bye", refusal.Row{}},
		{"other site", "POST", "/auth/logout", theirs, "", refusal.CrossSite},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inModes(t, allModes, func(e *env) {
				got := e.logOut(e.request(row.method, row.target, nil, row.header...))
				expect(t, row.why, got.err, row.refusal, "")
				if got.location() != row.location || got.changes != "" || e.revocations() != "" {
					t.Errorf("to %q, cookies %q, revoked %q", got.location(), got.changes, e.revocations())
				}
				if row.location != "" && got.Code != 303 {
					t.Errorf("status %d", got.Code)
				}
			})
		})
	}
}

// TestLogoutEndsLoginsUnderWay, and records a silent login: otherwise the next page would
// log the user in again.
func TestLogoutEndsLoginsUnderWay(t *testing.T) {
	t.Parallel()
	for _, header := range [][]string{ours, unknown, theirs} {
		inModes(t, allModes, func(e *env) {
			e.Visits.Marks.Silent.Store(true)
			e.do(func(w http.ResponseWriter, r *http.Request) error {
				return e.Transactions.Keep(w, e.Visits.Jar(r), transaction.New(issuer, clientID, transaction.Place{}, now()))
			}, e.request("GET", "/", nil))
			want := ""
			if slices.Equal(header, ours) {
				want = "-txn session_silent"
			}
			if got := e.logOut(e.request("POST", "/auth/logout", nil, header...)); got.changes != want {
				t.Errorf("cookies %q, %v", got.changes, got.err)
			}
		})
	}
}

// TestReturnURLOfALogout: a value in the form overrides one in the query. An unreadable
// form is no reason to stay logged in.
func TestReturnURLOfALogout(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, method, target string
		form                url.Values
		header              []string
		want                string
	}{
		{"query of a link", "GET", "/auth/logout?returnTo=/other", nil, ours, "/other"},
		{"query of a button", "POST", "/auth/logout?returnTo=/other", nil, ours, "/other"},
		{"form", "POST", "/auth/logout", url.Values{"returnTo": {"/other"}}, ours, "/other"},
		{"form and query", "POST", "/auth/logout?returnTo=/bye", url.Values{"returnTo": {"/other"}}, ours, "/other"},
		{"query beside a form without one", "POST", "/auth/logout?returnTo=/other", url.Values{"a": {"b"}}, ours, "/other"},
		{"not listed", "POST", "/auth/logout?returnTo=https://evil.example/", nil, ours, "/bye"},
		{"body that is no form", "POST", "/auth/logout?returnTo=/other", url.Values{"returnTo": {"/bye"}},
			append([]string{"Content-Type", "application/json"}, ours...), "/other"},
	} {
		run(t, inCookies, func(e *env) {
			_, cookies := e.logIn(ada)
			got := e.logOut(e.request(row.method, row.target, row.form, row.header...))
			want := url.QueryEscape(origin + row.want)
			if got.err != nil || got.Code != 303 || !strings.HasSuffix(got.location(), "post_logout_redirect_uri="+want) {
				t.Errorf("%s: %d to %q, %v", row.why, got.Code, got.location(), got.err)
			}
			if e.isLoggedIn(cookies) {
				t.Errorf("%s: logged in", row.why)
			}
		})
	}
}

// TestLogoutOptions are those of the handler.
func TestLogoutOptions(t *testing.T) {
	t.Parallel()
	run(t, inCookies, func(e *env) {
		e.logIn(ada)
		got := e.do(func(w http.ResponseWriter, r *http.Request) error {
			return e.Logout(w, r, &logout.Request{ReturnTo: "/page", Federated: true})
		}, e.request("POST", "/auth/logout?returnTo=/other", nil, ours...))
		const want = "client_id=the-client-id&logout_hint=s1&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fpage&federated"
		if got.err != nil || got.location() != atTenant(want) {
			t.Errorf("to %q, %v", got.location(), got.err)
		}
	})
}

// TestHomeAfterALogout is the base URL, if no return URL is listed.
func TestHomeAfterALogout(t *testing.T) {
	t.Parallel()
	run(t, inCookies, func(e *env) {
		for _, base := range []string{"https://app.example", "https://other.example"} {
			got := e.logOut(e.request("GET", base+"/auth/logout", nil, unknown...))
			if got.err != nil || got.location() != base {
				t.Errorf("to %q, %v", got.location(), got.err)
			}
		}
	}, withHosts, func(c *Config) { c.Policy.ReturnURLs = nil })
}

// TestHintsOfALogout: the tenant learns the session to end, with the ID token if the
// session has it.
func TestHintsOfALogout(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why  string
		who  person
		want string
	}{
		{"sid", person{subject: "auth0|ada", sid: "s2"}, atTenant("client_id=the-client-id&logout_hint=s2&post_logout_redirect_uri=" + back)},
		{"ID token", person{subject: "auth0|ada", sid: "s1", idToken: "e30.e30.x"},
			atTenant("client_id=the-client-id&id_token_hint=e30.e30.x&logout_hint=s1&post_logout_redirect_uri=" + back)},
		{"neither", person{subject: "auth0|ada"}, without},
	} {
		inModes(t, allModes, func(e *env) {
			e.logIn(row.who)
			got := e.logOut(e.request("POST", "/auth/logout", nil, ours...))
			if got.err != nil || got.location() != row.want {
				t.Errorf("%s: to %q, %v", row.why, got.location(), got.err)
			}
			if revoked := e.revocations(); revoked != "" { // there is no refresh token
				t.Errorf("%s: revoked %q", row.why, revoked)
			}
		})
	}
}

// TestTenantDownAtTheLogout: the session here has ended, and the page does not wait.
func TestTenantDownAtTheLogout(t *testing.T) {
	t.Parallel()
	inModes(t, allModes, func(e *env) {
		e.down = true
		_, cookies := e.logIn(ada)
		got := e.logOut(e.request("POST", "/auth/logout", nil, ours...))
		if got.err != nil || got.location() != origin+"/bye" || got.changes != "-session" {
			t.Errorf("to %q, cookies %q, %v", got.location(), got.changes, got.err)
		}
		if e.isLoggedIn(cookies) {
			t.Error("logged in")
		}
	}, func(c *Config) {
		c.Policy.EndSession = func(context.Context) (string, error) { return "", errors.New("no connection") }
	})
}

// TestLogoutEndpointIsMissing: the session here has ended before the error.
func TestLogoutEndpointIsMissing(t *testing.T) {
	t.Parallel()
	inModes(t, allModes, func(e *env) {
		_, cookies := e.logIn(ada)
		got := e.logOut(e.request("POST", "/auth/logout", nil, ours...))
		expect(t, "no endpoint", got.err, refusal.LogoutEndpoint, "no end_session_endpoint")
		if got.changes != "-session" || got.location() != "" || e.isLoggedIn(cookies) {
			t.Errorf("to %q, cookies %q", got.location(), got.changes)
		}
	}, func(c *Config) {
		c.Policy.Endpoint = logout.OIDC
		c.Policy.EndSession = func(context.Context) (string, error) { return "", nil }
	})
}

// TestNewestRefreshTokenIsRevoked: another request can get a newer one after this one has
// read the session.
func TestNewestRefreshTokenIsRevoked(t *testing.T) {
	t.Parallel()
	inModes(t, allModes, func(e *env) {
		record, _ := e.logIn(ada)
		got := e.do(func(w http.ResponseWriter, r *http.Request) error {
			r, _ = e.Visits.Load(w, r)
			if _, err := e.Visits.Sessions.Change(r.Context(), record, func(r *session.Record) (bool, error) {
				r.RefreshToken = "newer"
				r.Refreshes++
				return true, nil
			}); err != nil {
				return err
			}
			return e.Logout(w, r, &logout.Request{})
		}, e.request("POST", "/auth/logout", nil, ours...))
		if revoked := e.revocations(); got.err != nil || revoked != "newer" {
			t.Errorf("revoked %q, %v", revoked, got.err)
		}
	})
}

// TestStoreDownAtTheLogout: this browser loses the session. The error says that a copy of
// its cookie may be good. The tenant does not end its session.
func TestStoreDownAtTheLogout(t *testing.T) {
	t.Parallel()
	inModes(t, marking, func(e *env) {
		e.logIn(ada)
		e.store.fail(errors.New("down"))
		got := e.logOut(e.request("POST", "/auth/logout", nil, ours...))
		expect(t, "store", got.err, refusal.LogoutStore, "down")
		if got.changes != "-session" || got.location() != "" {
			t.Errorf("to %q, cookies %q", got.location(), got.changes)
		}
	})
}

// TestStoreGoesDownDuringTheLogout: the logout uses the loaded session.
func TestStoreGoesDownDuringTheLogout(t *testing.T) {
	t.Parallel()
	inModes(t, marking, func(e *env) {
		e.logIn(ada)
		got := e.do(func(w http.ResponseWriter, r *http.Request) error {
			r, _ = e.Visits.Load(w, r)
			e.store.fail(errors.New("down"))
			return e.Logout(w, r, &logout.Request{})
		}, e.request("POST", "/auth/logout", nil, ours...))
		expect(t, "store", got.err, refusal.LogoutStore, "down")
		if revoked := e.revocations(); got.changes != "-session" || got.location() != "" || revoked != "refresh" {
			t.Errorf("to %q, cookies %q, revoked %q", got.location(), got.changes, revoked)
		}
	})
}

// TestNobodyKnowsWhoAsks: while the store is down, it is unknown whether there is a session
// to confirm.
func TestNobodyKnowsWhoAsks(t *testing.T) {
	t.Parallel()
	inModes(t, marking, func(e *env) {
		_, cookies := e.logIn(ada)
		e.store.fail(errors.New("down"))
		got := e.logOut(e.request("GET", "/auth/logout", nil, unknown...))
		expect(t, "store", got.err, refusal.Store, "down")
		e.store.fail(nil)
		if got.changes != "" || got.location() != "" || got.Body.Len() != 0 || !e.isLoggedIn(cookies) {
			t.Errorf("to %q, cookies %q, %s", got.location(), got.changes, got.Body)
		}
	})
}

var field = regexp.MustCompile(`<input type="hidden" name="([a-zA-Z]+)" value="([^"]*)">`)

// ask gets the confirmation page, and returns the form of its button.
func (e *env) ask(method, target string) url.Values {
	e.Helper()
	got := e.logOut(e.request(method, target, nil, unknown...))
	page := got.Body.String()
	if got.err != nil || got.Code != 200 || !strings.Contains(page, `<form method="post">`) ||
		!strings.Contains(page, "<button>Log out</button></form>") {
		e.Fatalf("%d, %v\n%s", got.Code, got.err, page)
	}
	if got.Header().Get("Cache-Control") != "private, no-store" || got.Header().Get("X-Frame-Options") != "DENY" {
		e.Errorf("header %q", got.Header())
	}
	form := url.Values{}
	for _, m := range field.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// TestConfirmedLogout: the button of the page logs the user out, although the browser does
// not send the form's origin. Chromium applies the policy of the page to redirects, so the
// answer is a page too.
func TestConfirmedLogout(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ method, target, returnTo, want string }{
		{"GET", "/auth/logout", "", "/bye"},
		{"POST", "/auth/logout", "", "/bye"},
		{"GET", "/auth/logout?returnTo=/other", "/other", "/other"},
		{"GET", `/auth/logout?returnTo=%22%3E%3Cscript%3E`, `"><script>`, "/bye"},
	} {
		for _, header := range [][]string{unknown, ours} {
			inModes(t, allModes, func(e *env) {
				_, cookies := e.logIn(ada)
				form := e.ask(row.method, row.target)
				if form.Get("returnTo") != row.returnTo || form.Has("returnTo") != (row.returnTo != "") ||
					form.Get("confirm") == "" || !e.isLoggedIn(cookies) {
					t.Errorf("%s: the form is %q", row.target, form)
				}
				got := e.logOut(e.request("POST", "/auth/logout", form, header...))
				target := strings.Replace(atTenant(hinted), back, url.QueryEscape(origin+row.want), 1)
				link := `<a href="` + html.EscapeString(target) + `">Continue</a>`
				if got.err != nil || got.Code != 200 || got.location() != "" || got.changes != "-session" ||
					!strings.Contains(got.Body.String(), link) {
					t.Errorf("%s: %d, %v, cookies %q, to %q\n%s", row.target, got.Code, got.err, got.changes, got.location(), got.Body)
				}
				if e.isLoggedIn(cookies) || e.revocations() != "refresh" {
					t.Errorf("%s: logged in, or revoked %q", row.target, e.revocations())
				}
			})
		}
	}
}

// TestConfirmationIsNotGood has a row for each form without a valid confirmation, and a
// control. The answer is the page, or the answer to a form of another site.
func TestConfirmationIsNotGood(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		send   func(e *env, form url.Values) *http.Request
		waits  time.Duration
		asks   bool
		logout bool
	}{
		{"none", func(e *env, form url.Values) *http.Request {
			return e.request("POST", "/auth/logout", url.Values{}, unknown...)
		}, 0, true, false},
		{"made up", func(e *env, form url.Values) *http.Request {
			return e.request("POST", "/auth/logout", url.Values{"confirm": {"v3.x"}}, unknown...)
		}, 0, true, false},
		{"in a link", func(e *env, form url.Values) *http.Request {
			return e.request("GET", "/auth/logout?"+form.Encode(), nil, unknown...)
		}, 0, true, false},
		{"in the query beside a form", func(e *env, form url.Values) *http.Request {
			return e.request("POST", "/auth/logout?"+form.Encode(), url.Values{}, unknown...)
		}, 0, true, false},
		{"of another session", func(e *env, form url.Values) *http.Request {
			e.logIn(ada)
			return e.request("POST", "/auth/logout", form, unknown...)
		}, 0, true, false},
		{"ten minutes old", func(e *env, form url.Values) *http.Request {
			return e.request("POST", "/auth/logout", form, unknown...)
		}, 10 * time.Minute, true, false},
		{"from another site", func(e *env, form url.Values) *http.Request {
			return e.request("POST", "/auth/logout", form, theirs...)
		}, 0, false, false},
		{"not yet ten minutes old", func(e *env, form url.Values) *http.Request {
			return e.request("POST", "/auth/logout", form, unknown...)
		}, 10*time.Minute - time.Second, false, true},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			inModes(t, allModes, func(e *env) {
				e.logIn(ada)
				form := e.ask("GET", "/auth/logout")
				time.Sleep(row.waits) // of fake time
				r := row.send(e, form)
				cookies := slices.Clone(e.cookies)
				got := e.logOut(r)
				if asks := strings.Contains(got.Body.String(), "<h1>Log out?</h1>"); asks != row.asks {
					t.Errorf("%s: it asks: %v, %v", row.why, asks, got.err)
				}
				if e.isLoggedIn(cookies) == row.logout || got.location() != "" {
					t.Errorf("%s: to %q", row.why, got.location())
				}
			})
		})
	}
	// The same form after the logout has no session.
	inModes(t, allModes, func(e *env) {
		e.logIn(ada)
		form := e.ask("GET", "/auth/logout")
		e.logOut(e.request("POST", "/auth/logout", form, unknown...))
		if got := e.logOut(e.request("POST", "/auth/logout", form, unknown...)); got.err != nil || got.location() != origin+"/bye" {
			t.Errorf("again: to %q, %v", got.location(), got.err)
		}
	})
}
