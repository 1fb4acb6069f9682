package site

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// mistakes collects the reports of New.
type mistakes []string

func (m *mistakes) add(field, format string, args ...any) {
	*m = append(*m, field+" "+fmt.Sprintf(format, args...))
}

// newSite returns a site of a configuration without mistakes, and its log.
func newSite(t *testing.T, c Config) (*Site, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var m mistakes
	s := New(c, m.add)
	if len(m) > 0 {
		t.Fatalf("%q", m)
	}
	return s, log
}

// to is a request for a host.
func to(host string) *http.Request { return httptest.NewRequest("GET", "http://"+host+"/x", nil) }

var (
	one  = Config{BaseURL: "https://app.example/app"}
	two  = Config{BaseURL: "https://a.example", BaseURLs: []string{"https://b.example:8443"}}
	none = refusal.Row{}
)

// expect compares the row of a refusal, the zero row for none.
func expect(t *testing.T, why string, err error, want refusal.Row, cause string) {
	t.Helper()
	if want == none {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return
	}
	if got, ok := err.(*refusal.Refusal); !ok || got.Row != want || !strings.Contains(got.Error(), cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want, cause)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s, log := newSite(t, one)
	if s.Log().Info("to the log"); !strings.Contains(log.String(), "to the log") {
		t.Errorf("the log has %q", log)
	}
	if s.Routes != (Routes{"/auth/login", "/auth/callback", "/auth/logout", "/auth/backchannel-logout"}) {
		t.Errorf("%+v", s.Routes)
	}
	want := []string{"/app/auth/login", "/app/auth/callback", "/app/auth/logout", "/app/auth/backchannel-logout"}
	if !slices.Equal(s.Paths.Routes, want) || len(s.Paths.Origins) > 0 {
		t.Errorf("%+v", s.Paths)
	}
	if all := s.All(); len(all) != 1 || all[0] != (browser.Base{Origin: "https://app.example", Path: "/app"}) || s.Home(all[0]) != "/app/" {
		t.Errorf("%+v", all)
	}
	c := one
	c.Routes = Routes{"/in", "/back", "/out", "/ended"}
	c.DefaultReturnTo = "/start"
	if s, _ = newSite(t, c); s.Routes != c.Routes || s.Home(s.All()[0]) != "/app/start" {
		t.Errorf("%+v, %s", s.Routes, s.Home(s.All()[0]))
	}
}

// TestMistakes has a row for each mistake of a configuration.
func TestMistakes(t *testing.T) {
	t.Parallel()
	prefix := func(s ...string) (list []netip.Prefix) {
		for _, p := range s {
			list = append(list, netip.MustParsePrefix(p))
		}
		return list
	}
	const base = "https://a.example"
	for _, row := range []struct {
		why  string
		c    Config
		want string // empty if it is good
	}{
		{"good", Config{BaseURL: base, BaseURLs: []string{"https://b.example"}}, ""},
		{"no base URL", Config{}, `BaseURL "": is missing`},
		{"bad base URL", Config{BaseURL: "a.example"}, `BaseURL "a.example": is not an absolute URL`},
		{"http", Config{BaseURL: "http://a.example"}, "BaseURL"},
		{"http is wanted", Config{BaseURL: "http://a.example", InsecureHTTP: true}, ""},
		{"bad further base URL", Config{BaseURL: base, BaseURLs: []string{"b.example"}}, `BaseURLs "b.example": is not an absolute URL`},
		{"host twice", Config{BaseURL: base, BaseURLs: []string{"https://A.example"}},
			`BaseURLs "https://A.example" has the host of another`},
		{"other scheme", Config{BaseURL: base, BaseURLs: []string{"http://localhost"}},
			`BaseURLs "http://localhost": all base URLs must have the same scheme`},
		{"other path", Config{BaseURL: base, BaseURLs: []string{"https://b.example/x"}},
			`BaseURLs "https://b.example/x": all base URLs must have the same path`},

		{"bad login path", Config{BaseURL: base, Routes: Routes{Login: "in"}}, `LoginPath "in" must be a plain path`},
		{"bad callback path", Config{BaseURL: base, Routes: Routes{Callback: "/{x}"}}, `CallbackPath "/{x}" must be a plain path`},
		{"bad logout path", Config{BaseURL: base, Routes: Routes{Logout: "/x?"}}, `LogoutPath "/x?" must be a plain path`},
		{"bad path of the tenant's logout", Config{BaseURL: base, Routes: Routes{BackchannelLogout: "//x"}},
			`BackchannelLogoutPath "//x" must be a plain path`},
		{"path twice", Config{BaseURL: base, Routes: Routes{Login: "/x", Logout: "/x"}}, `LogoutPath "/x" is also the LoginPath`},
		{"path of a default", Config{BaseURL: base, Routes: Routes{BackchannelLogout: "/auth/login"}},
			`BackchannelLogoutPath "/auth/login" is also the LoginPath`},

		{"callback URL as base URL", Config{BaseURL: "https://a.example/auth/callback"},
			`BaseURL "https://a.example/auth/callback" ends in the path of a route of this package; it is the URL of the application, "https://a.example"`},
		{"login URL below a path", Config{BaseURL: "https://a.example/app/auth/login/"}, `BaseURL "https://a.example/app/auth/login" ends in the path`},
		{"logout URL", Config{BaseURL: "https://a.example/auth/logout"}, `BaseURL "https://a.example/auth/logout" ends in the path`},
		{"URL of the tenant's logout", Config{BaseURL: "https://a.example/auth/backchannel-logout"}, "BaseURL"},
		{"callback URL of another path", Config{BaseURL: "https://a.example/callback", Routes: Routes{Callback: "/callback"}},
			`BaseURL "https://a.example/callback" ends in the path`},
		{"a path like a route", Config{BaseURL: "https://a.example/callback"}, ""},
		{"a path that contains a route", Config{BaseURL: "https://a.example/auth/login/x"}, ""},
		{"international base URL", Config{BaseURL: "https://bücher.example"}, `BaseURL "https://bücher.example": the host must have the form that browsers send: xn--bcher-kva.example`},
		{"international further base URL", Config{BaseURL: base, BaseURLs: []string{"https://bücher.example"}}, `BaseURLs "https://bücher.example": the host must have`},
		{"international origin", Config{BaseURL: base, ReturnToOrigins: []string{"https://bücher.example"}}, `ReturnToOrigins "https://bücher.example" must be an origin such as https://admin.example.com: the host must have`},
		{"origin", Config{BaseURL: base, ReturnToOrigins: []string{"https://admin.example"}}, ""},
		{"origin with a slash", Config{BaseURL: base, ReturnToOrigins: []string{"https://admin.example/"}},
			`ReturnToOrigins "https://admin.example/" must be an origin`},
		{"no origin", Config{BaseURL: base, ReturnToOrigins: []string{"admin.example"}},
			`ReturnToOrigins "admin.example" must be an origin`},
		{"empty origin", Config{BaseURL: base, ReturnToOrigins: []string{""}}, `ReturnToOrigins "" must be an origin`},
		{"home elsewhere", Config{BaseURL: base, DefaultReturnTo: "//evil.example"},
			`DefaultReturnTo "//evil.example" must be a plain path`},
		{"home is no path", Config{BaseURL: base, DefaultReturnTo: "home"}, `DefaultReturnTo "home" must be a plain path`},
		{"home is a route", Config{BaseURL: base, DefaultReturnTo: "/auth/logout"}, `DefaultReturnTo "/auth/logout" must be a plain path`},
		{"home with dots", Config{BaseURL: base, DefaultReturnTo: "/a/../b"}, `DefaultReturnTo "/a/../b" must be a plain path`},

		{"proxies", Config{BaseURL: base, TrustedProxies: prefix("10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0", "192.0.2.1/32")},
			""},
		{"mapped proxies", Config{BaseURL: base, TrustedProxies: prefix("::ffff:10.0.0.0/104", "::ffff:0.0.0.0/96")},
			""},
		{"zero prefix", Config{BaseURL: base, TrustedProxies: []netip.Prefix{{}}}, "TrustedProxies [0] is not a prefix"},
		{"wider than IPv4", Config{BaseURL: base, TrustedProxies: prefix("10.0.0.0/8", "::ffff:0:0/95")},
			"TrustedProxies [1] is ::ffff:0.0.0.0/95, which is wider"},
		{"multicast", Config{BaseURL: base, TrustedProxies: prefix("224.0.0.0/4")},
			"TrustedProxies [0] is 224.0.0.0/4, from which no request comes"},
		{"IPv6 multicast", Config{BaseURL: base, TrustedProxies: prefix("ff02::/16")}, "TrustedProxies [0] is ff02::/16, from which"},
		{"no address", Config{BaseURL: base, TrustedProxies: prefix("0.0.0.0/32")}, "TrustedProxies [0] is 0.0.0.0/32, from which"},
		{"no address, mapped", Config{BaseURL: base, TrustedProxies: prefix("::ffff:0.0.0.0/128")},
			"TrustedProxies [0] is 0.0.0.0/32, from which"},
		{"no IPv6 address", Config{BaseURL: base, TrustedProxies: prefix("::/128")}, "TrustedProxies [0] is ::/128, from which"},
	} {
		var m mistakes
		New(row.c, m.add)
		switch {
		case row.want == "" && len(m) > 0:
			t.Errorf("%s: %q", row.why, m)
		case row.want != "" && (len(m) != 1 || !strings.HasPrefix(m[0], row.want)):
			t.Errorf("%s: %q, want %q alone", row.why, m, row.want)
		}
	}
}

// TestMistakesAreReportedTogether: New checks every base URL and every route.
func TestMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	var m mistakes
	New(Config{BaseURL: "x", BaseURLs: []string{"y", "https://b.example"}, Routes: Routes{Login: "a", Callback: "a"}}, m.add)
	var fields []string
	for _, text := range m {
		field, _, _ := strings.Cut(text, " ")
		fields = append(fields, field)
	}
	if got := strings.Join(fields, " "); got != "BaseURL BaseURLs LoginPath CallbackPath CallbackPath" {
		t.Errorf("%s: %q", got, m)
	}
	if s := New(Config{}, (&mistakes{}).add); s.IsSecure() || len(s.All()) > 0 {
		t.Error("a site without a base URL is secure")
	}
}

// TestBaseOfARequest: with one base URL no header counts, and with several the Host does.
// X-Forwarded-Host is for trusted proxies.
func TestBaseOfARequest(t *testing.T) {
	t.Parallel()
	proxied := two
	proxied.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.7/120")} // 192.0.2.0/24
	other := proxied
	other.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	for _, row := range []struct {
		why             string
		c               Config
		host, forwarded string
		want            string // empty for none
	}{
		{"one", one, "app.example", "", "https://app.example"},
		{"one, other host", one, "evil.example", "", "https://app.example"},
		{"first", two, "a.example", "", "https://a.example"},
		{"second", two, "B.example:8443", "", "https://b.example:8443"},
		{"other host", two, "evil.example", "", ""},
		{"other port", two, "b.example", "", ""},
		{"forwarded, not trusted", two, "a.example", "b.example:8443", "https://a.example"},
		{"forwarded", proxied, "a.example", "b.example:8443", "https://b.example:8443"},
		{"forwarded by another", other, "a.example", "b.example:8443", "https://a.example"},
		{"forwarded for another host", proxied, "a.example", "evil.example", ""},
	} {
		s, _ := newSite(t, row.c)
		r := to(row.host)
		r.RemoteAddr = "192.0.2.200:1234"
		if row.forwarded != "" {
			r.Header.Set("X-Forwarded-Host", row.forwarded)
		}
		want := none
		if row.want == "" {
			want = refusal.UnknownHost
		}
		base, err := s.Of(r)
		expect(t, row.why, err, want, "is none of Config.BaseURL")
		origin, err := s.Origin(r)
		expect(t, row.why, err, want, "is none of Config.BaseURL")
		if base.Origin != row.want || origin != row.want {
			t.Errorf("%s: %q and %q", row.why, base.Origin, origin)
		}
	}
}

func TestIsSecure(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]bool{"https://a.example": true, "http://localhost:3000": false} {
		if s, _ := newSite(t, Config{BaseURL: base}); s.IsSecure() != want {
			t.Errorf("%s: %v", base, !want)
		}
	}
}

// TestCheckOrigin: another base URL of the application is another origin.
func TestCheckOrigin(t *testing.T) {
	t.Parallel()
	s, _ := newSite(t, two)
	post := func(host, origin string) *http.Request {
		r := to(host)
		r.Method = "POST"
		r.Header.Set("Origin", origin)
		return r
	}
	if err := s.CheckOrigin(post("a.example", "https://a.example")); err != nil {
		t.Error(err)
	}
	for _, origin := range []string{"https://evil.example", "https://b.example:8443", "null"} {
		if err := s.CheckOrigin(post("a.example", origin)); err == nil {
			t.Errorf("a page of %s is the site", origin)
		}
	}
	expect(t, "other host", s.CheckOrigin(post("evil.example", "https://evil.example")), refusal.UnknownHost, "")
}

// TestReturnTo has a row for each kind of target.
func TestReturnTo(t *testing.T) {
	t.Parallel()
	c := one
	c.ReturnToOrigins = []string{"https://admin.example"}
	c.DefaultReturnTo = "/start"
	for _, row := range []struct {
		target, want string // want is empty for a refusal
	}{
		{"/app/there?a=b", "/app/there?a=b"},
		{"/elsewhere", "/elsewhere"},
		{"https://app.example/app/there", "/app/there"},
		{"https://admin.example/x", "https://admin.example/x"},
		{"https://evil.example/x", ""},
		{"//evil.example", ""},
		{"/app/auth/logout", ""}, {"/app/auth/login", ""}, {"/app/auth/callback?x=y", ""}, {"/app/auth/backchannel-logout", ""},
	} {
		s, log := newSite(t, c)
		base := s.All()[0]
		want := row.want
		if want == "" {
			want = "/app/start"
		}
		if got := s.ReturnTo(base, row.target); got != want {
			t.Errorf("%s: %s", row.target, got)
		}
		if got, ok := s.Clean(base, row.target); got != row.want || ok != (row.want != "") {
			t.Errorf("%s: %q, %v", row.target, got, ok)
		}
		if logged := strings.Contains(log.String(), "return_to_refused"); logged != (row.want == "") {
			t.Errorf("%s: the log has %q", row.target, log)
		}
	}
	s, log := newSite(t, c)
	if got := s.ReturnTo(s.All()[0], ""); got != "/app/start" || log.Len() > 0 {
		t.Errorf("without a target: %s, %q", got, log)
	}
}

// TestOriginsAreCopied: a caller who reuses its slice does not open a redirect.
func TestOriginsAreCopied(t *testing.T) {
	t.Parallel()
	c := one
	c.ReturnToOrigins = []string{"https://admin.example"}
	s, _ := newSite(t, c)
	c.ReturnToOrigins[0] = "https://evil.example"
	if _, ok := s.Clean(s.All()[0], "https://evil.example/x"); ok {
		t.Error("the origin was changed from outside")
	}
}

// TestReturnFor: the base URL of the redirect URI counts, and the first one for a redirect
// URI that is no longer configured. New reports base URLs with different paths as a
// mistake, but this function works with them.
func TestReturnFor(t *testing.T) {
	t.Parallel()
	c := Config{BaseURL: "https://a.example/one", BaseURLs: []string{"https://b.example/two"}, DefaultReturnTo: "/start"}
	c.Log = slog.New(slog.DiscardHandler)
	s := New(c, (&mistakes{}).add)
	elsewhere := Elsewhere(slog.New(slog.DiscardHandler))
	single, _ := newSite(t, one)
	for _, row := range []struct {
		site              *Site
		uri, target, want string
	}{
		{s, "https://a.example/one/auth/callback", "", "/one/start"},
		{s, "https://b.example/two/auth/callback", "", "/two/start"},
		{s, "https://b.example/anything", "/two/x", "/two/x"},
		{s, "https://gone.example/auth/callback", "", "/one/start"},
		{s, "https://gone.example/auth/callback", "https://gone.example/x", "/one/start"},
		{s, "", "", "/one/start"},
		{single, "https://gone.example/auth/callback", "", "/app/"},

		{elsewhere, "https://a.example/callback", "/x?y=1", "/x?y=1"},
		{elsewhere, "https://a.example/callback", "https://a.example/x", "/x"},
		{elsewhere, "https://a.example/callback", "https://b.example/x", "/"},
		{elsewhere, "https://a.example/callback", "//b.example/x", "/"},
		{elsewhere, "http://127.0.0.1:4711/callback", "http://127.0.0.1:4711/x", "/x"},
		{elsewhere, "com.example.app:/callback", "/x", "/x"},
		{elsewhere, "com.example.app:/callback", "com.example.app:/x", "/"},
		{elsewhere, "com.example.app:/callback", "https://invalid/x", "/x"}, // a path of a host that does not exist
		{elsewhere, "", "", "/"},
	} {
		if got := row.site.ReturnFor(row.uri, row.target); got != row.want {
			t.Errorf("%q after %q: %q, want %q", row.target, row.uri, got, row.want)
		}
	}
}

// TestCheckRedirectURI: an application with base URLs gets answers below them only.
func TestCheckRedirectURI(t *testing.T) {
	t.Parallel()
	s := New(Config{BaseURL: "https://a.example/one", Log: slog.New(slog.DiscardHandler)}, (&mistakes{}).add)
	elsewhere := Elsewhere(slog.New(slog.DiscardHandler))
	for uri, want := range map[string]struct{ here, elsewhere bool }{
		"https://a.example/one/auth/callback": {true, true},
		"https://a.example/one/x?y=1":         {true, true},
		"https://a.example/one":               {false, true},
		"https://a.example/onetwo":            {false, true},
		"https://a.example/auth/callback":     {false, true},
		"https://a.example.evil/one/x":        {false, true},
		"http://a.example/one/x":              {false, true},
		"com.example.app:/callback":           {false, true},
		"https://a.example/one/x#y":           {false, false},
		"https://a.example/one/\x7f":          {false, false},
		"https://a.example/one/\u0085":        {false, false}, // a control character that package url takes
		"https://a.example/one/\xff":          {false, false},
		"https://a.example/one/%zz":           {false, false},
		"/one/x":                              {false, false},
		"":                                    {false, false},
	} {
		if err := s.CheckRedirectURI(uri); (err == nil) != want.here {
			t.Errorf("%q: %v", uri, err)
		}
		if err := elsewhere.CheckRedirectURI(uri); (err == nil) != want.elsewhere {
			t.Errorf("%q without base URLs: %v", uri, err)
		}
	}
	if !s.IsCallback("https://a.example/one/auth/callback") || s.IsCallback("https://a.example/auth/callback") ||
		elsewhere.IsCallback("/auth/callback") {
		t.Error("IsCallback")
	}
}

// TestCheckHost: an answer counts at the base URL of its login's beginning.
func TestCheckHost(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why         string
		c           Config
		host, began string
		want        refusal.Row
	}{
		{"one", one, "app.example", "https://app.example/app/auth/callback", none},
		{"one that has changed", one, "app.example", "https://old.example/auth/callback", none},
		{"same", two, "a.example", "https://a.example/auth/callback", none},
		{"second", two, "b.example:8443", "https://b.example:8443/auth/callback", none},
		{"other", two, "a.example", "https://b.example:8443/auth/callback", refusal.NoTransaction},
		{"longer", two, "a.example", "https://a.example.evil.example/auth/callback", refusal.NoTransaction},
		{"unknown", two, "evil.example", "https://a.example/auth/callback", refusal.UnknownHost},
	} {
		s, _ := newSite(t, row.c)
		expect(t, row.why, s.CheckHost(to(row.host), row.began), row.want, "")
	}
}

func TestLoginURL(t *testing.T) {
	t.Parallel()
	c := two
	c.DefaultReturnTo = "/start"
	s, _ := newSite(t, c)
	for _, row := range []struct{ host, returnTo, want string }{
		{"a.example", "", "https://a.example/auth/login"},
		{"a.example", "/start", "https://a.example/auth/login"},
		{"a.example", "/there?a=b&c", "https://a.example/auth/login?returnTo=%2Fthere%3Fa%3Db%26c"},
		{"b.example:8443", "/there", "https://b.example:8443/auth/login?returnTo=%2Fthere"},
		{"evil.example", "/there", "https://a.example/auth/login?returnTo=%2Fthere"},
	} {
		if got := s.LoginURL(to(row.host), row.returnTo); got != row.want {
			t.Errorf("%s %s: %s", row.host, row.returnTo, got)
		}
	}
}

// TestHere: the path is the requested one, even if a handler has changed the URL. It begins
// with one slash, because two slashes begin a host in a browser.
func TestHere(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, base string
		asked     string // of the request line
		url       string // the handler's path; empty if it is the same
		want      string
	}{
		{"root", "/app", "/", "", "/app/"},
		{"path", "/app", "/x", "", "/app/x"},
		{"query", "/app", "/x?a=b", "", "/app/x?a=b"},
		{"empty query", "/app", "/x?", "", "/app/x"},
		{"host", "/app", "//evil.example", "", "/app/evil.example"},
		{"host and query", "/app", "///evil.example/y?z", "", "/app/evil.example/y?z"},
		{"encoded slash", "/app", "/%2Fevil.example", "", "/app/%2Fevil.example"},
		{"blank", "/app", "/a%20b", "", "/app/a%20b"},
		{"query is kept as it is", "/app", `/x?p=C:\U&u=é&%zz`, "", `/app/x?p=C:\U&u=é&%zz`},
		{"whole URL", "", "http://app.example/x?a", "/x?a", "/x?a"},
		{"whole URL without a path", "", "http://app.example", "/", "/"},
		{"URL in the path", "", "/go/https://x.example/", "", "/go/https://x.example/"},
		{"no path", "", "*", "", "/*"},
		{"none was read", "/app", "", "/x?a=b", "/app/x?a=b"},

		{"prefix taken away by a handler", "", "/admin/users?a", "/users?a", "/admin/users?a"},
		{"all taken away", "", "/admin", "", "/admin"},
		{"prefix of the base URL taken away by a proxy", "/app", "/app/x", "/app/x", "/app/app/x"},
		{"by a handler", "/app", "/app/x", "/x", "/app/x"},
		{"by a handler, nothing left", "/app", "/app", "/", "/app"},
		{"by a handler, and one more", "/app", "/app/admin/x", "/x", "/app/admin/x"},
		{"by a proxy, and one by a handler", "/app", "/admin/x", "/x", "/app/admin/x"},
		{"of a name that begins alike", "/app", "/apple/x", "/x", "/app/apple/x"},
		{"route rewritten", "", "/old?a=1", "/new?b=2", "/old?a=1"},
		{"host and prefix", "", "//evil.example/x", "/x", "/evil.example/x"},

		{"mark of another host", "", "/x?from_other_host=1", "", "/x"},
		{"mark among others", "", "/x?a=b&from_other_host=1&c", "", "/x?a=b&c"},
		{"another value of the mark", "", "/x?from_other_host=2", "", "/x?from_other_host=2"},
		{"name that ends like the mark", "", "/x?not_from_other_host=1", "", "/x?not_from_other_host=1"},
	} {
		r := &http.Request{Method: "GET", Host: "app.example", RequestURI: row.asked}
		var err error
		if r.URL, err = url.ParseRequestURI(cmp.Or(row.url, row.asked)); err != nil {
			t.Fatal(err)
		}
		if got := Here(browser.Base{Origin: "https://app.example", Path: row.base}, r); got != row.want {
			t.Errorf("%s: %q, want %q", row.why, got, row.want)
		}
	}
}

// TestOtherHost: a request to another host than the one base URL is sent there, at most
// once. The log names both.
func TestOtherHost(t *testing.T) {
	t.Parallel()
	one := Config{BaseURL: "https://app.example:8443/app"}
	for _, row := range []struct {
		why, host, asked, target string
		header                   []string
		want                     string // empty if it stays
		warned                   bool
	}{
		{"another host", "www.app.example", "/x?a", "/app/x?a", nil, "https://app.example:8443/app/x?a&from_other_host=1", true},
		{"no query", "www.app.example", "/x", "/app/x", nil, "https://app.example:8443/app/x?from_other_host=1", true},
		{"address", "127.0.0.1:3000", "/x", "/app/x", nil, "https://app.example:8443/app/x?from_other_host=1", true},
		{"address with colons", "[::1]:3000", "/x", "/app/x", nil, "https://app.example:8443/app/x?from_other_host=1", true},
		{"address with colons, no port", "[::1]", "/x", "/app/x", nil, "https://app.example:8443/app/x?from_other_host=1", true},
		{"name with a dot at the end", "app.example.", "/x", "/app/x", nil, "https://app.example:8443/app/x?from_other_host=1", true},
		{"another host, forwarded for it", "inside", "/x", "/app/x", []string{"www.app.example"}, "https://app.example:8443/app/x?from_other_host=1", true},
		{"sent here already", "inside", "/x?from_other_host=1", "/app/x", nil, "", true},
		{"sent here already, among others", "inside", "/x?a&from_other_host=1", "/app/x?a", nil, "", true},
		{"the host", "app.example:8443", "/x", "/app/x", nil, "", false},
		{"in another case", "APP.Example:8443", "/x", "/app/x", nil, "", false},
		{"without its port", "app.example", "/x", "/app/x", nil, "", false},
		{"at another port", "app.example:80", "/x", "/app/x", nil, "", false},
		{"none", "", "/x", "/app/x", nil, "", false},
		{"forwarded for it", "inside", "/x", "/app/x", []string{"app.example"}, "", false},
		{"forwarded for several", "inside", "/x", "/app/x", []string{"cdn.example", "lb.example, app.example:8443"}, "", false},
	} {
		var log bytes.Buffer
		c := one
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		s := New(c, func(field, format string, args ...any) { t.Errorf(field+format, args...) })
		r := httptest.NewRequest("GET", row.asked, nil)
		r.Host = row.host
		r.Header["X-Forwarded-Host"] = row.header
		got, moved := s.OtherHost(r, row.target)
		if got != row.want || moved != (row.want != "") {
			t.Errorf("%s: %q, %v, want %q", row.why, got, moved, row.want)
		}
		line := log.String()
		for _, part := range []string{"level=WARN", row.host, "base_url=https://app.example:8443/app", "Config.BaseURL", "APP_BASE_URL"} {
			if row.warned && !strings.Contains(line, part) || !row.warned && line != "" {
				t.Errorf("%s: no %s in the log: %s", row.why, part, line)
			}
		}
	}
	// Several base URLs leave the choice open.
	c := one
	c.BaseURLs, c.Log = []string{"https://b.example/app"}, slog.New(slog.DiscardHandler)
	s := New(c, func(field, format string, args ...any) { t.Errorf(field+format, args...) })
	for _, host := range []string{"app.example:8443", "b.example", "evil.example"} {
		if got, moved := s.OtherHost(to(host), "/x"); moved {
			t.Errorf("several base URLs: %s is sent to %s", host, got)
		}
	}
}

// TestLoginFor: the login leads back to the requested page. After a request of a script or
// a form, it leads to the open page.
func TestLoginFor(t *testing.T) {
	t.Parallel()
	s := New(Config{BaseURL: "https://app.example/app", Log: slog.New(slog.DiscardHandler)}, func(field, format string, args ...any) { t.Errorf(field+format, args...) })
	base := s.All()[0]
	htmx := []string{"Hx-Request", "true"}
	for _, row := range []struct {
		why, method string
		header      []string
		want        string // of returnTo, empty if there is none
	}{
		{"page", "GET", []string{"Accept", "text/html", "Referer", "https://app.example/app/open"}, "/app/x?a=b"},
		{"script", "GET", []string{"Sec-Fetch-Mode", "cors", "Referer", "https://app.example/app/open"}, "/app/open"},
		{"program", "GET", nil, "/app/x?a=b"},
		{"fetch at an http address", "GET", []string{"Accept", "*/*", "Referer", "https://app.example/app/open"}, "/app/open"},
		{"frame", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Referer", "https://app.example/app/open"}, "/app/open"},
		{"link of another site to a program", "GET", []string{"Referer", "https://evil.example/app/open"}, "/app/x?a=b"},
		{"form", "POST", []string{"Accept", "text/html", "Referer", "https://app.example/app/open?c"}, "/app/open?c"},
		{"form, no Referer", "POST", []string{"Accept", "text/html"}, ""},
		{"form of another site", "POST", []string{"Accept", "text/html", "Referer", "https://evil.example/app/open"}, ""},
		{"htmx", "GET", append([]string{"Hx-Current-Url", `https://app.example/app/open?p=C:\U#f`, "Referer", "https://app.example/app/other"}, htmx...), "/app/open?p=C:%5CU#f"},
		{"htmx, a link of a page", "GET", append([]string{"Hx-Current-Url", "https://app.example/app/open", "Hx-Boosted", "true"}, htmx...), "/app/x?a=b"},
		{"htmx, a form of a page", "POST", append([]string{"Hx-Current-Url", "https://app.example/app/open", "Hx-Boosted", "true"}, htmx...), "/app/open"},
		{"htmx, another site", "GET", append([]string{"Hx-Current-Url", "https://evil.example/app/open"}, htmx...), ""},
		{"htmx, a host in the path", "GET", append([]string{"Hx-Current-Url", "https://app.example//evil.example"}, htmx...), ""},
		{"htmx, the login", "GET", append([]string{"Hx-Current-Url", "https://app.example/app/auth/login"}, htmx...), ""},
		{"htmx, no page", "GET", htmx, ""},
	} {
		r := httptest.NewRequest(row.method, "/x?a=b", nil)
		for i := 0; i < len(row.header); i += 2 {
			r.Header.Set(row.header[i], row.header[i+1])
		}
		want := "/app/auth/login"
		if row.want != "" {
			want += "?returnTo=" + url.QueryEscape(row.want)
		}
		if got := s.LoginFor(base, r); got != want {
			t.Errorf("%s: %s, want %s", row.why, got, want)
		}
	}
}

// TestLongTargets: a target that is too long for a cookie keeps its page.
func TestLongTargets(t *testing.T) {
	t.Parallel()
	s := New(Config{BaseURL: "https://app.example", Log: slog.New(slog.DiscardHandler)}, func(field, format string, args ...any) { t.Errorf(field+format, args...) })
	base := s.All()[0]
	long := strings.Repeat("x", 2048)
	for target, want := range map[string]string{
		"/page?" + long:                      "/page",
		"/page#" + long:                      "/page",
		"https://app.example/page?" + long:   "/page",
		"/page?" + strings.Repeat("é", 1000): "/page",
		"/" + strings.Repeat("é", 1000):      "/",
		"/" + long:                           "/",
		"//evil.example?" + long:             "/",
		"/auth/login?" + long:                "/",
		"https://evil.example/?" + long:      "/",
		"/page?\u202e":                       "/",
	} {
		if got := s.ReturnTo(base, target); got != want {
			t.Errorf("%.40q: %.40q, want %q", target, got, want)
		}
	}
	if got := s.LoginPath(base, "/page?"+long); got != "/auth/login?returnTo=%2Fpage" {
		t.Errorf("path of the login: %.60s", got)
	}
	// The login route would reject the page, and the URL is in the headers of a response.
	for _, page := range []string{"/" + long, "/" + long + "?a", "/" + strings.Repeat("é", 1000)} {
		if got := s.LoginPath(base, page); got != "/auth/login" {
			t.Errorf("path of the login for %.20s: %.60s", page, got)
		}
	}
	if got := WithQuery("/page?old", url.Values{"a": {"b&c"}}); got != "/page?a=b%26c" {
		t.Errorf("query of a form: %s", got)
	}
	if got := WithQuery("/page?old", url.Values{"a": {strings.Repeat("x", 4100)}}); got != "/page" {
		t.Errorf("query that is too long: %.60s", got)
	}
}
