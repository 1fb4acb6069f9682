package e2e

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// A safe records the tokens that the token endpoint has issued.
type safe struct {
	mu     sync.Mutex
	tokens map[string]string
}

func (s *safe) watch(tenant *auth0test.Tenant) {
	s.tokens = map[string]string{}
	tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range []string{"access_token", "id_token", "refresh_token"} {
			if token, _ := body[name].(string); token != "" {
				s.tokens[token] = name
			}
		}
	})
}

// findIn names the tokens that a text contains, whole or by their signature.
func (s *safe) findIn(text string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for token, name := range s.tokens {
		signature := token[strings.LastIndexByte(token, '.')+1:]
		if strings.Contains(text, token) || strings.Contains(text, signature) {
			found = append(found, name)
		}
	}
	return found
}

// anyToken matches signed tokens of any issuer.
var anyToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.`)

// TestSecrets looks for tokens in everything that a script on a page of the application
// can read.
func TestSecrets(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	url := "http://localhost:" + port
	tenant := serveTenant(t, url)
	var tokens safe
	tokens.watch(tenant)
	app := startExampleOn(t, port, environment(tenant)...)
	tb := newBrowser(t)

	// Before the login, the only cookies are those of the login.
	tb.open(app.url + "/profile")
	tb.at(tenant.URL() + "u/login")
	checkCookies(t, tb.cookies(), map[string]bool{"auth0_txn_": true, "auth0_session_tries": true})
	asAda(tb)
	tb.at(app.url + "/profile")
	tb.reads("ada@acme.example")
	if n := len(tokens.findIn(strings.Join(slices.Collect(maps.Keys(tokens.tokens)), "\n"))); n < 2 {
		t.Fatalf("the safe has %d tokens, so this test would find none", n)
	}
	tb.open(app.url + "/calls")
	tb.click("button", "GET /api/protected")
	tb.reads("200 /api/protected")

	for _, path := range []string{"/", "/profile", "/calls"} {
		tb.open(app.url + path)
		for what, expression := range map[string]string{
			"document.cookie": "document.cookie",
			"localStorage":    "JSON.stringify(localStorage)",
			"sessionStorage":  "JSON.stringify(sessionStorage)",
			"IndexedDB":       "indexedDB.databases().then(l => l.map(d => d.name).join())",
			"Cache Storage":   "caches.keys().then(l => l.join())",
			"window.name":     "window.name",
			"history.state":   "JSON.stringify(history.state) ?? ''",
		} {
			switch got := eval[string](tb, expression); got {
			case "", "{}", "null":
			default:
				t.Errorf("%s: %s is %q", path, what, got)
			}
		}
	}
	// The responses to requests of scripts, with all headers that scripts can read.
	for _, path := range []string{"/", "/profile", "/calls", "/call/open", "/call/members-only", "/call/protected", "/web/calls.js", "/auth/login", "/auth/callback?state=a&code=b"} {
		got := eval[string](tb, `fetch("`+path+`", {redirect: "manual"}).then(async r => [...r.headers].join("\n") + "\n" + await r.text())`)
		if strings.HasPrefix(path, "/call/") && !strings.Contains(got, "message") {
			t.Errorf("%s: %s", path, got)
		}
		if found := tokens.findIn(got); len(found) > 0 || anyToken.MatchString(got) {
			t.Errorf("%s has %q:\n%s", path, found, got)
		}
	}
	tb.mu.Lock()
	for _, d := range tb.documents {
		if strings.HasPrefix(d.url, app.url) && (len(tokens.findIn(d.url)) > 0 || anyToken.MatchString(d.url)) {
			t.Errorf("a token is in the URL %s", d.url)
		}
	}
	tb.mu.Unlock()

	// The session cookie is sealed, so its value reveals nothing.
	checkCookies(t, tb.cookies(), map[string]bool{"auth0_session": true, "auth0_session_tries": true})
	var sealed string
	for _, c := range tb.cookies() {
		if c.Domain == "localhost" {
			sealed += c.Value
			for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
				if plain, err := encoding.DecodeString(strings.Trim(c.Value, "=")); err == nil {
					sealed += string(plain)
				}
			}
		}
	}
	for _, word := range []string{"acme.example", "Lovelace", "openid"} {
		if strings.Contains(sealed, word) {
			t.Errorf("the session cookie has %q", word)
		}
	}
	if found := tokens.findIn(sealed); len(found) > 0 {
		t.Errorf("the session cookie has the %q", found)
	}
	if log := app.stderr.String() + app.stdout.String(); len(tokens.findIn(log)) > 0 || anyToken.MatchString(log) {
		t.Errorf("the log has a token:\n%s", log)
	}
}

// checkCookies fails for cookies of the application that a script can read, that requests
// of other sites carry, or that are not expected. Expected are prefixes of names.
func checkCookies(t *testing.T, cookies []*network.Cookie, expected map[string]bool) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range cookies {
		if c.Domain != "localhost" {
			continue
		}
		known := false
		for prefix := range expected {
			if strings.HasPrefix(c.Name, prefix) {
				known, seen[prefix] = true, true
			}
		}
		if !known {
			t.Errorf("there is the cookie %s", c.Name)
		}
		if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != "localhost" {
			t.Errorf("cookie %s: HttpOnly %v, SameSite %q, Path %q, Domain %q", c.Name, c.HTTPOnly, c.SameSite, c.Path, c.Domain)
		}
	}
	if !seen["auth0_session"] && expected["auth0_session"] || !seen["auth0_txn_"] && expected["auth0_txn_"] {
		t.Errorf("of %v there are only %v", expected, seen)
	}
}
