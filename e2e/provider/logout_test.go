package provider

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

// onlyOf returns the cookies that a browser has for a URL, in a new jar.
func onlyOf(t *testing.T, b *browser, raw string) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	cookies := b.client.Jar.Cookies(u)
	if len(cookies) == 0 {
		t.Fatalf("there are no cookies for %s", raw)
	}
	jar.SetCookies(u, cookies)
	return jar
}

// testLogout: a logout ends the session at the provider too (RP-Initiated Logout 1.0), and
// the browser comes back.
func testLogout(t *testing.T, p *provider) {
	a, b := p.app(t, nil), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	b.saw()
	var sent url.Values
	b.before = func(u *url.URL) {
		if u.Path == "/session/end" {
			sent = u.Query()
		}
	}
	got := b.post(a.url + "/auth/logout")
	b.expect(got, 200, "nobody")
	if pages := b.saw(); pages != "logout" || got.url.Host != hostOf(a.url) {
		t.Errorf("the provider showed %q; the browser is at %s", pages, got.url)
	}
	if sent.Get("id_token_hint") == "" || sent.Get("client_id") != a.config.ClientID || sent.Get("post_logout_redirect_uri") != a.url {
		t.Errorf("the request has %d parameters", len(sent))
	}
	if got := b.open(a.url + "/auth/login?prompt=none"); got.url.Query().Get("error") != "login_required" {
		t.Errorf("the session of the provider continues: %s", got)
	}
	b.user = "bob"
	b.expect(b.open(a.url+"/private"), 200, "bob|")

	// A URL that is not registered: the session here ends, the provider refuses.
	a, b = p.app(t, nil, func(c *auth0.Config) { c.PostLogoutURLs = []string{c.BaseURL + "/elsewhere"} }), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	b.expect(b.post(a.url+"/auth/logout"), 400, "post_logout_redirect_uri not registered")
	b.expect(b.open(a.url+"/"), 200, "nobody")
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return err.Error()
	}
	return u.Host
}

// testBackchannelLogout: a logout at one application ends the session of another, by a
// logout token of the provider (Back-Channel Logout 1.0).
func testBackchannelLogout(t *testing.T, p *provider) {
	for _, test := range []struct {
		name     string
		metadata metadata
		edit     func(*auth0.Config)
		others   string // what a second browser of the user sees afterwards
	}{
		{"of the session", metadata{"backchannel_logout_session_required": true}, func(*auth0.Config) {}, "ada|"},
		{"of the user", metadata{}, func(*auth0.Config) {}, "nobody"},
		{"with sessions in cookies", metadata{"backchannel_logout_session_required": true}, func(c *auth0.Config) { c.Store, c.Revocations = nil, c.Store }, "ada|"},
		{"with ES256", metadata{"backchannel_logout_session_required": true, "id_token_signed_response_alg": "ES256"}, func(c *auth0.Config) { c.Algorithms = []string{"ES256"} }, "ada|"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.metadata["backchannel_logout_uri"] = "$APP/auth/backchannel-logout"
			a, other := p.app(t, test.metadata, test.edit), p.app(t, nil)
			b, second := p.browser(t, "ada"), p.browser(t, "ada")
			b.expect(b.open(a.url+"/private"), 200, "ada|")
			second.expect(second.open(a.url+"/private"), 200, "ada|")
			b.expect(b.open(other.url+"/private"), 200, "ada|")
			b.expect(b.open(a.url+"/"), 200, "ada|")
			b.expect(b.post(other.url+"/auth/logout"), 200, "nobody")
			b.expect(b.open(a.url+"/"), 200, "nobody")
			second.expect(second.open(a.url+"/"), 200, test.others)
		})
	}
}
