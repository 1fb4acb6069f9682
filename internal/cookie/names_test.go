package cookie

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNames compares the cookies of an application with the expected names. Only the
// session has the path and the domain of the configuration.
func TestNames(t *testing.T) {
	t.Parallel()
	const lax, strict, none = http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode
	session := func(path, domain string, secure bool) Cookie {
		return Cookie{Name: "app_session", Path: path, Domain: domain, Secure: secure, SameSite: strict, SessionOnly: true}
	}
	for _, row := range []struct {
		why      string
		session  Cookie
		formPost bool
		want     Names
	}{
		{"https", session("/", "", true), false, Names{
			Session:     Cookie{Name: "__Host-app_session", Path: "/", Secure: true, SameSite: strict, SessionOnly: true},
			Transaction: Cookie{Name: "__Host-app_txn_", Path: "/", Secure: true, SameSite: lax},
			LostLogins:  Cookie{Name: "__Host-app_session_tries", Path: "/", Secure: true, SameSite: lax},
			Silent:      Cookie{Name: "__Host-app_session_silent", Path: "/", Secure: true, SameSite: lax},
			Ended:       Cookie{Name: "__Host-app_session_ended", Path: "/", Secure: true, SameSite: lax},
		}},
		{"http", session("/", "", false), false, Names{
			Session:     Cookie{Name: "app_session", Path: "/", SameSite: strict, SessionOnly: true},
			Transaction: Cookie{Name: "app_txn_", Path: "/", SameSite: lax},
			LostLogins:  Cookie{Name: "app_session_tries", Path: "/", SameSite: lax},
			Silent:      Cookie{Name: "app_session_silent", Path: "/", SameSite: lax},
			Ended:       Cookie{Name: "app_session_ended", Path: "/", SameSite: lax},
		}},
		// The answer is a form of another site, and the browser sends no Lax cookie with
		// it.
		{"form_post", session("/", "", true), true, Names{
			Session:     Cookie{Name: "__Host-app_session", Path: "/", Secure: true, SameSite: strict, SessionOnly: true},
			Transaction: Cookie{Name: "__Host-app_txn_", Path: "/", Secure: true, SameSite: none},
			LostLogins:  Cookie{Name: "__Host-app_session_tries", Path: "/", Secure: true, SameSite: lax},
			Silent:      Cookie{Name: "__Host-app_session_silent", Path: "/", Secure: true, SameSite: lax},
			Ended:       Cookie{Name: "__Host-app_session_ended", Path: "/", Secure: true, SameSite: lax},
		}},
		{"form_post and http", session("/", "", false), true, Names{
			Session:     Cookie{Name: "app_session", Path: "/", SameSite: strict, SessionOnly: true},
			Transaction: Cookie{Name: "__Host-app_txn_", Path: "/", Secure: true, SameSite: none},
			LostLogins:  Cookie{Name: "app_session_tries", Path: "/", SameSite: lax},
			Silent:      Cookie{Name: "app_session_silent", Path: "/", SameSite: lax},
			Ended:       Cookie{Name: "app_session_ended", Path: "/", SameSite: lax},
		}},
		{"path", session("/app", "", true), false, Names{
			Session:     Cookie{Name: "__Secure-app_session", Path: "/app", Secure: true, SameSite: strict, SessionOnly: true},
			Transaction: Cookie{Name: "__Host-app_txn_94lK-M_", Path: "/", Secure: true, SameSite: lax},
			LostLogins:  Cookie{Name: "__Host-app_session_94lK-M_tries", Path: "/", Secure: true, SameSite: lax},
			Silent:      Cookie{Name: "__Host-app_session_94lK-M_silent", Path: "/", Secure: true, SameSite: lax},
			Ended:       Cookie{Name: "__Host-app_session_94lK-M_ended", Path: "/", Secure: true, SameSite: lax},
		}},
		{"domain", session("/", "app.example", true), false, Names{
			Session:     Cookie{Name: "__Secure-app_session", Path: "/", Domain: "app.example", Secure: true, SameSite: strict, SessionOnly: true},
			Transaction: Cookie{Name: "__Host-app_txn_jPsK7p_", Path: "/", Secure: true, SameSite: lax},
			LostLogins:  Cookie{Name: "__Host-app_session_jPsK7p_tries", Path: "/", Secure: true, SameSite: lax},
			Silent:      Cookie{Name: "__Host-app_session_jPsK7p_silent", Path: "/", Secure: true, SameSite: lax},
			Ended:       Cookie{Name: "__Host-app_session_jPsK7p_ended", Path: "/", Secure: true, SameSite: lax},
		}},
	} {
		got := NewNames(row.session, row.formPost)
		for name, pair := range map[string][2]Cookie{
			"session": {got.Session, row.want.Session}, "transaction": {got.Transaction, row.want.Transaction},
			"lost logins": {got.LostLogins, row.want.LostLogins}, "silent": {got.Silent, row.want.Silent}, "ended": {got.Ended, row.want.Ended},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: the cookie of %s is %+v, want %+v", row.why, name, pair[0], pair[1])
			}
		}
	}
}

// TestSessionName: each path has its own name, and the name is valid.
func TestSessionName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, path := range []string{"/shop", "/office", "/shop/eu", "/shop_eu", "/Shop", "/%C3%BC", "/" + strings.Repeat("x", 500)} {
		name := SessionName(path)
		if seen[name] || name == "auth0_session" || len(name) != len("auth0_123456_session") {
			t.Errorf("%s: %q", path, name)
		}
		if c := (Cookie{Name: name, Path: "/", Secure: true}); c.Check() != nil || !strings.HasSuffix(NewNames(c, false).Transaction.Name, "_txn_") {
			t.Errorf("%s: %v", name, c.Check())
		}
		seen[name] = true
	}
	for _, path := range []string{"", "/"} {
		if name := SessionName(path); name != "auth0_session" {
			t.Errorf("%q: %s", path, name)
		}
	}
	if SessionName("/shop") != SessionName("/shop/") {
		t.Error("a slash at the end makes another name")
	}
}

// TestNamesOfTwoPaths: two applications on one host have sessions with one name. Neither
// reads the other's logins.
func TestNamesOfTwoPaths(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range []Cookie{
		{Name: "s", Path: "/"}, {Name: "s", Path: "/a"}, {Name: "s", Path: "/b"}, {Name: "s", Path: "/", Domain: "app.example"},
		{Name: "s", Path: "/a", Domain: "app.example"},
	} {
		n := NewNames(c, false)
		for _, name := range []string{n.Transaction.Name, n.LostLogins.Name, n.Silent.Name} {
			if seen[name] {
				t.Errorf("%+v: %s is there twice", c, name)
			}
			seen[name] = true
		}
	}
	if n := NewNames(Cookie{Name: "sid", Path: "/"}, false); n.Transaction.Name != "sid_txn_" {
		t.Errorf("the transactions of sid are %s", n.Transaction.Name)
	}
}

// TestCookiesOfTheApplication has a row for each cookie of the application, and for foreign
// ones.
func TestCookiesOfTheApplication(t *testing.T) {
	t.Parallel()
	n := NewNames(Cookie{Name: "app_session", Path: "/"}, false)
	for name, want := range map[string]bool{
		"app_session": true, "app_session.0": true, "app_session.12": true,
		"app_session_tries": true, "app_session_silent": true,
		"app_txn_abcdefghijklmnop": true,

		"app_session.01": false, "app_session.x": false, "app_session2": false, "APP_SESSION": false, "xapp_session": false,
		"app_txn_abcdefghijklmno": false, "app_txn_abcdefghijklmnopq": false, "app_txn_": false, "xpp_txn_abcdefghijklmnop": false,
		"app_session_other": false, "__Host-app_session": false, "other": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: name, Value: "v"})
		if got := n.Read(r).First(name) == "v"; got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestReadingIsWatched(t *testing.T) {
	t.Parallel()
	n := NewNames(Cookie{Name: "s", Path: "/"}, false)
	r := httptest.NewRequest("GET", "/", nil)
	var seen []*http.Request
	n.Watch = func(r *http.Request) { seen = append(seen, r) }
	n.Read(r)
	if len(seen) != 1 || seen[0] != r {
		t.Errorf("%d requests", len(seen))
	}
}

// TestTransactionNamesFit: the longest name in a configuration leaves room for a
// transaction in one cookie.
func TestTransactionNamesFit(t *testing.T) {
	t.Parallel()
	n := NewNames(Cookie{Name: strings.Repeat("n", 64), Path: "/" + strings.Repeat("p", 100), Secure: true}, true)
	c := n.Transaction
	c.Name += strings.Repeat("i", IDLength)
	if got := c.split(strings.Repeat("v", 3500-len(c.Name))); len(got) != 1 {
		t.Errorf("a transaction takes %d cookies", len(got))
	}
}
