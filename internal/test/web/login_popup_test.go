package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// newPopupEnv has a login route for a pop-up.
func newPopupEnv(t *testing.T, origin string, tokens ...string) *testkit.Env {
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	e.Mux.Handle("GET /auth/popup", e.Strategy.LoginHandler(auth0.WithPopup(origin, tokens...)))
	return e
}

// TestPopup: the session starts, and the opener gets a message that says so, and
// nothing else.
func TestPopup(t *testing.T) {
	t.Parallel()
	e := newPopupEnv(t, testkit.AppURL)
	b := e.Browser()
	resp := b.Login("/auth/popup?returnTo=/private")
	p := testkit.ReadPopup(t, resp)
	if resp.Status != 200 || len(p.Message) != 3 || p.Message["type"] != "auth0:login" || p.Message["ok"] != true || p.Message["returnTo"] != "/private" || p.Origin != testkit.AppURL || !p.Broadcast || p.Link != "/private" {
		t.Errorf("%d, %+v", resp.Status, p)
	}
	if !b.LoggedIn() || len(b.Transactions()) != 0 || strings.Contains(resp.Body, "eyJhbGciOiJ") {
		t.Errorf("logged in %v, transactions %q", b.LoggedIn(), b.Transactions())
	}
	other := testkit.ReadPopup(t, e.Browser().Login("/auth/popup"))
	if other.Message["returnTo"] != "/" {
		t.Errorf("%+v", other)
	}
	// A user with a session gets a page too, not the application in a small window.
	if p := testkit.ReadPopup(t, b.Login("/auth/popup")); p.Message["ok"] != true {
		t.Errorf("%+v", p)
	}
	// A login without a pop-up ends with a redirect.
	if resp := b.Login("/auth/login?prompt=login"); resp.Status != http.StatusSeeOther {
		t.Errorf("%d", resp.Status)
	}
}

// TestPopupTokens are in the page only if their names were given, and only for
// one window.
func TestPopupTokens(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"access_token"}, {"id_token"}, {"access_token", "id_token"}} {
		e := newPopupEnv(t, testkit.AppURL, names...)
		p := testkit.ReadPopup(t, e.Browser().Login("/auth/popup"))
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

// TestPopupOfAnotherOrigin: the opener gets a message only.
func TestPopupOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	p := testkit.ReadPopup(t, newPopupEnv(t, "https://www.example").Browser().Login("/auth/popup"))
	if p.Origin != "https://www.example" || p.Broadcast || p.Message["ok"] != true {
		t.Errorf("%+v", p)
	}
	for _, origin := range []string{"", "*", "null", "https://app.example/", "https://app.example:443", "HTTPS://app.example", "http://app.example", "app.example", "https://a@app.example", "javascript:alert(1)", "'"} {
		e := newPopupEnv(t, origin)
		if resp := e.Browser().Page("/auth/popup"); resp.Status != 500 || !strings.Contains(e.Log.String(), "origin") {
			t.Errorf("origin %q: %d", origin, resp.Status)
		}
	}
	if resp := newPopupEnv(t, testkit.AppURL, "refresh_token").Browser().Page("/auth/popup"); resp.Status != 500 {
		t.Errorf("refresh_token: %d", resp.Status)
	}
	e := testkit.SignedIn(t)
	if _, err := e.Strategy.GetConnections(t.Context(), auth0.WithPopup(testkit.AppURL)); err == nil {
		t.Error("a link can ask for a pop-up")
	}
}

// TestPopupErrors are sent as fixed codes. The page has no text of the tenant.
func TestPopupErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		break_ func(*testkit.Env)
		reason string
		status int
	}{
		{"cancelled", func(e *testkit.Env) { e.Tenant.DenyNext("access_denied", "</script><script>alert(1)</script>") }, "authorization_denied", 403},
		{"other", func(e *testkit.Env) { e.Tenant.DenyNext("<b>", "no") }, "authorization_error", 400},
		{"down", func(e *testkit.Env) { e.Tenant.Fail(testkit.TokenEndpoint, 503) }, "tenant_unavailable", 503},
		{"nonce", func(e *testkit.Env) {
			e.Tenant.EditIDToken(testkit.Claim("nonce", "x"))
		}, "nonce_mismatch", 400},
	} {
		e := newPopupEnv(t, testkit.AppURL)
		tt.break_(e)
		b := e.Browser()
		resp := b.Login("/auth/popup?returnTo=/private")
		p := testkit.ReadPopup(t, resp)
		if resp.Status != tt.status || len(p.Message) != 3 || p.Message["ok"] != false || p.Message["error"] != tt.reason || b.LoggedIn() {
			t.Errorf("%s: %d %+v", tt.name, resp.Status, p)
		}
		if !strings.HasPrefix(loginLink(t, resp), "/auth/login?returnTo=%2Fprivate") || strings.Contains(resp.Body, "alert(1)") || strings.Contains(resp.Body, "<b>") {
			t.Errorf("%s: %s", tt.name, resp.Body)
		}
		if !strings.Contains(e.Log.String(), "reason="+tt.reason) {
			t.Errorf("%s: not in the log", tt.name)
		}
	}
	// Without a transaction, the callback cannot know that it was a pop-up.
	e := newPopupEnv(t, testkit.AppURL)
	u := testkit.Must(url.Parse(testkit.AppURL + "/auth/callback?code=x&state=y"))
	if resp := e.Browser().Callback(u); resp.Status != 400 || strings.Contains(resp.Body, "<script") {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	// The application rejects the login.
	refusing := testkit.SignedIn(t, func(c *auth0.Config) {
		c.LoginOptions = []auth0.LoginOption{auth0.WithPopup(testkit.AppURL)}
		c.AfterLogin = refuseEverybody
	})
	if p := testkit.ReadPopup(t, refusing.Browser().Login("/auth/login")); p.Message["error"] != "after_login" {
		t.Errorf("%+v", p)
	}
}

func refuseEverybody(context.Context, *auth0.Login) error { return auth0.ErrForbidden }

// TestPopupWithoutAccessToken: a token that the response type does not return
// cannot be sent to the opener. The login route fails before any login.
func TestPopupWithoutAccessToken(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.IDTokenOnly)
	e.Mux.Handle("GET /auth/popup", e.Strategy.LoginHandler(auth0.WithPopup(testkit.AppURL, "access_token")))
	if resp := e.Browser().Page("/auth/popup"); resp.Status != http.StatusInternalServerError || resp.Header.Get("Location") != "" {
		t.Errorf("%d to %q", resp.Status, resp.Header.Get("Location"))
	}
	if (&auth0.Login{}).Token() != nil || (&auth0.ImplicitGrant{}).Token() != nil {
		t.Error("values without a token have one")
	}
}

// TestPopupElsewhere: only the page of CallbackHandler can answer the opener.
func TestPopupElsewhere(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	option := auth0.WithPopup(testkit.AppURL)
	if _, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, option); testkit.ReasonOf(err) != "login_option" {
		t.Errorf("AuthCodeURL: %v", err)
	}
	if _, _, err := e.Strategy.Application().ImplicitURL(t.Context(), "id_token token", testkit.AppURL+"/implicit", option); testkit.ReasonOf(err) != "login_option" {
		t.Errorf("ImplicitURL: %v", err)
	}
}
