package auth0_test

import (
	"context"
	"encoding/json"

	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// newPopupEnv has a login route for a window of its own.
func newPopupEnv(t *testing.T, origin string, tokens ...string) *env {
	e := newEnv(t, func(c *auth0.Config) { c.Audience = testAudience })
	e.mux.Handle("GET /auth/popup", e.strategy.LoginHandler(auth0.WithPopup(origin, tokens...)))
	return e
}

var (
	givenTag  = regexp.MustCompile(`<script type="application/json" id="given">([^<]*)</script>`)
	scriptTag = regexp.MustCompile(`<script nonce="([^"]*)">`)
	linkTag   = regexp.MustCompile(`<a href="([^"]*)">`)
)

// A popupPage is what the window shows and tells.
type popupPage struct {
	Message   map[string]any `json:"message"`
	Origin    string         `json:"origin"`
	Broadcast bool           `json:"broadcast"`
	link      string
}

func readPopup(t *testing.T, resp *response) (p popupPage) {
	t.Helper()
	m := givenTag.FindStringSubmatch(resp.body)
	if m == nil {
		t.Fatalf("status %d, no message in %s", resp.status, resp.body)
	}
	if err := json.Unmarshal([]byte(m[1]), &p); err != nil {
		t.Fatal(err)
	}
	p.link = linkTag.FindStringSubmatch(resp.body)[1]
	nonce := scriptTag.FindStringSubmatch(resp.body)[1]
	h := resp.header
	for name, want := range map[string]string{
		"Content-Security-Policy":    "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Cross-Origin-Opener-Policy": "unsafe-none", "Content-Type": "text/html; charset=utf-8", "Cache-Control": "private, no-store",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Location": "",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if len(nonce) < 20 || !strings.Contains(resp.body, "You can close this window.") {
		t.Errorf("nonce %q, page %s", nonce, resp.body)
	}
	return p
}

// TestPopup: the session begins, and the opener is told so, and nothing else.
func TestPopup(t *testing.T) {
	e := newPopupEnv(t, appBase)
	b := e.browser()
	resp := b.login("/auth/popup?returnTo=/private")
	p := readPopup(t, resp)
	if resp.status != 200 || len(p.Message) != 3 || p.Message["type"] != "auth0:login" || p.Message["ok"] != true || p.Message["returnTo"] != "/private" || p.Origin != appBase || !p.Broadcast || p.link != "/private" {
		t.Errorf("%d, %+v", resp.status, p)
	}
	if !b.loggedIn() || len(b.transactions()) != 0 || strings.Contains(resp.body, "eyJhbGciOiJ") {
		t.Errorf("logged in %v, transactions %q", b.loggedIn(), b.transactions())
	}
	other := readPopup(t, e.browser().login("/auth/popup"))
	if other.Message["returnTo"] != "/" {
		t.Errorf("%+v", other)
	}
	// Who is logged in already gets a page too, not the application in a small
	// window.
	if p := readPopup(t, b.login("/auth/popup")); p.Message["ok"] != true {
		t.Errorf("%+v", p)
	}
	// And a login without pop-up ends as ever.
	if resp := b.login("/auth/login?prompt=login"); resp.status != http.StatusSeeOther {
		t.Errorf("%d", resp.status)
	}
}

// TestPopupTokens are in the page only if their names were given, and only for
// one window.
func TestPopupTokens(t *testing.T) {
	for _, names := range [][]string{{"access_token"}, {"id_token"}, {"access_token", "id_token"}} {
		e := newPopupEnv(t, appBase, names...)
		p := readPopup(t, e.browser().login("/auth/popup"))
		for _, name := range []string{"access_token", "id_token"} {
			token, _ := p.Message[name].(string)
			if wanted := strings.Contains(strings.Join(names, " "), name); wanted != (strings.Count(token, ".") == 2) {
				t.Errorf("%q: %s is %q", names, name, token)
			}
		}
		if p.Broadcast {
			t.Error("tokens go to whoever listens")
		}
	}
}

// TestPopupOfAnotherOrigin is told by message only.
func TestPopupOfAnotherOrigin(t *testing.T) {
	p := readPopup(t, newPopupEnv(t, "https://www.example").browser().login("/auth/popup"))
	if p.Origin != "https://www.example" || p.Broadcast || p.Message["ok"] != true {
		t.Errorf("%+v", p)
	}
	for _, origin := range []string{"", "*", "null", "https://app.example/", "https://app.example:443", "HTTPS://app.example", "http://app.example", "app.example", "https://a@app.example", "javascript:alert(1)", "'"} {
		e := newPopupEnv(t, origin)
		if resp := e.browser().page("/auth/popup"); resp.status != 500 || !strings.Contains(e.log.String(), "origin") {
			t.Errorf("origin %q: %d", origin, resp.status)
		}
	}
	if resp := newPopupEnv(t, appBase, "refresh_token").browser().page("/auth/popup"); resp.status != 500 {
		t.Errorf("refresh_token: %d", resp.status)
	}
	e := newEnv(t)
	if _, err := e.strategy.GetConnections(t.Context(), auth0.WithPopup(appBase)); err == nil {
		t.Error("a link can ask for a pop-up")
	}
}

// TestPopupErrors are told as fixed codes; what the tenant says stays out of the
// page.
func TestPopupErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		break_ func(*env)
		reason string
		status int
	}{
		{"cancelled", func(e *env) { e.tenant.DenyNext("access_denied", "</script><script>alert(1)</script>") }, "authorization_denied", 403},
		{"other", func(e *env) { e.tenant.DenyNext("<b>", "no") }, "authorization_error", 400},
		{"down", func(e *env) { e.tenant.Fail(emulator.Token, 503) }, "tenant_unavailable", 502},
		{"nonce", func(e *env) {
			e.tenant.EditIDToken(func(_, claims map[string]any) { claims["nonce"] = "x" })
		}, "nonce_mismatch", 400},
	} {
		e := newPopupEnv(t, appBase)
		tt.break_(e)
		b := e.browser()
		resp := b.login("/auth/popup?returnTo=/private")
		p := readPopup(t, resp)
		if resp.status != tt.status || len(p.Message) != 3 || p.Message["ok"] != false || p.Message["error"] != tt.reason || b.loggedIn() || len(b.transactions()) != 0 {
			t.Errorf("%s: %d %+v", tt.name, resp.status, p)
		}
		if p.link != appBase+"/auth/login?returnTo=%2Fprivate" || strings.Contains(resp.body, "alert") || strings.Contains(resp.body, "<b>") {
			t.Errorf("%s: %s", tt.name, resp.body)
		}
		if !strings.Contains(e.log.String(), "reason="+tt.reason) {
			t.Errorf("%s: not in the log", tt.name)
		}
	}
	// Without a transaction nobody knows that it was a pop-up.
	e := newPopupEnv(t, appBase)
	u := must(url.Parse(appBase + "/auth/callback?code=x&state=y"))
	if resp := e.browser().callback(u); resp.status != 400 || strings.Contains(resp.body, "<script") {
		t.Errorf("%d %s", resp.status, resp.body)
	}
	// The application refuses the login.
	refusing := newEnv(t, func(c *auth0.Config) {
		c.Login = []auth0.LoginOption{auth0.WithPopup(appBase)}
		c.AfterLogin = refuseEverybody
	})
	if p := readPopup(t, refusing.browser().login("/auth/login")); p.Message["error"] != "after_login" {
		t.Errorf("%+v", p)
	}
}

func refuseEverybody(context.Context, *auth0.Login) error { return auth0.ErrForbidden }

// TestPopupWithoutAccessToken: what the response type does not bring cannot be
// handed on, which is said before anybody logs in.
func TestPopupWithoutAccessToken(t *testing.T) {
	e := newEnv(t, idTokenOnly)
	e.mux.Handle("GET /auth/popup", e.strategy.LoginHandler(auth0.WithPopup(appBase, "access_token")))
	if resp := e.browser().page("/auth/popup"); resp.status != http.StatusInternalServerError || resp.header.Get("Location") != "" {
		t.Errorf("%d to %q", resp.status, resp.header.Get("Location"))
	}
	if (&auth0.Login{}).Token() != nil || (&auth0.ImplicitGrant{}).Token() != nil {
		t.Error("values without a token have one")
	}
}

// TestPopupElsewhere: only the page of CallbackHandler can answer the opener.
func TestPopupElsewhere(t *testing.T) {
	e := newEnv(t)
	option := auth0.WithPopup(appBase)
	if _, _, err := e.strategy.AuthCodeURL(t.Context(), option); reasonOf(err) != "login_option" {
		t.Errorf("AuthCodeURL: %v", err)
	}
	if _, _, err := e.strategy.ImplicitURL(t.Context(), "id_token token", "/implicit", option); reasonOf(err) != "login_option" {
		t.Errorf("ImplicitURL: %v", err)
	}
}
