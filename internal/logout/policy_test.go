package logout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/returnto"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

const (
	origin = "https://app.example"
	home   = "https://app.example/shop"
	tenant = "https://acme.auth0.example/"
	oidc   = "https://acme.auth0.example/oidc/logout"
)

// A fixture is a policy of a tenant of Auth0 with an end_session_endpoint, and one logout
// of a logged-in user.
type fixture struct {
	policy   Policy
	logout   Logout
	endpoint string
	down     error
	asked    int // number of requests to the tenant for its endpoint
	log      bytes.Buffer
}

func newFixture(edit ...func(*fixture)) *fixture {
	f := &fixture{endpoint: oidc}
	f.policy = Policy{
		ClientID: "app", Auth0: tenant, Log: slog.New(slog.NewTextHandler(&f.log, nil)),
		Paths:      returnto.Policy{Routes: []string{"/auth/logout"}},
		EndSession: func(context.Context) (string, error) { f.asked++; return f.endpoint, f.down },
	}
	f.logout = Logout{
		Request: &Request{}, Origin: origin, Home: home,
		Ended: &Hints{SessionID: "sid-1", IDToken: secret.OfText("e30.e30.x")},
	}
	for _, e := range edit {
		e(f)
	}
	return f
}

// The edits of the tables.
func endpoint(e Endpoint) func(*fixture) { return func(f *fixture) { f.policy.Endpoint = e } }
func at(url string) func(*fixture)       { return func(f *fixture) { f.endpoint = url } }
func nobody(f *fixture)                  { f.logout.Ended = nil }
func otherProvider(f *fixture)           { f.policy.Auth0 = "" }
func federated(f *fixture)               { f.logout.Federated = true }
func withoutHints(f *fixture)            { f.logout.Ended = &Hints{} }
func param(name string, values ...string) func(*fixture) {
	return func(f *fixture) { f.logout.SetParam(name, values) }
}

// TestURL has a row for each destination of the browser.
func TestURL(t *testing.T) {
	t.Parallel()
	const (
		back   = "https%3A%2F%2Fapp.example%2Fshop"
		v2     = "https://acme.auth0.example/v2/logout?client_id=app&returnTo=" + back
		hinted = oidc + "?client_id=app&id_token_hint=e30.e30.x&logout_hint=sid-1&post_logout_redirect_uri=" + back
	)
	const unhinted = oidc + "?client_id=app&post_logout_redirect_uri=" + back
	without := func(parameter string) string { return strings.Replace(hinted, parameter+"&", "", 1) }
	withQuery := strings.Replace(hinted, "?", "?a=b&", 1)
	allHints := func(f *fixture) {
		for _, name := range []string{"state", "logout_hint", "id_token_hint"} {
			f.logout.SetParam(name, []string{"x"})
		}
	}
	noToken := func(f *fixture) { f.logout.Ended.IDToken = secret.Text{} }
	noSID := func(f *fixture) { f.logout.Ended.SessionID = "" }
	big := func(f *fixture) { f.logout.Ended.IDToken = secret.OfText(strings.Repeat("x", 5000)) }
	down := func(f *fixture) { f.down = errors.New("no answer") }
	for _, tt := range []struct {
		why  string
		edit []func(*fixture)
		want string
		log  string // in the log; it must be the only line
	}{
		{"local", []func(*fixture){endpoint("local")}, home, ""},
		{"local, identity provider", []func(*fixture){endpoint("local"), federated}, home, ""},
		{"v2", []func(*fixture){endpoint("v2")}, v2, ""},
		{"v2, nobody", []func(*fixture){endpoint("v2"), nobody}, v2, ""},
		{"v2, identity provider", []func(*fixture){endpoint("v2"), federated}, v2 + "&federated", ""},
		{"v2, parameter", []func(*fixture){endpoint("v2"), param("x", "1")}, v2 + "&x=1", ""},
		{"v2 knows no state", []func(*fixture){endpoint("v2"), allHints}, v2, ""},

		{"end_session_endpoint", nil, hinted, ""},
		{"end_session_endpoint chosen", []func(*fixture){endpoint("oidc")}, hinted, ""},
		{"identity provider", []func(*fixture){federated}, hinted + "&federated", ""},
		{"state", []func(*fixture){param("state", "s")}, hinted + "&state=s", ""},
		{"endpoint with a query", []func(*fixture){at(oidc + "?a=b")}, withQuery, ""},
		{"endpoint with a query, identity provider", []func(*fixture){at(oidc + "?a=b"), federated}, withQuery + "&federated", ""},
		{"no ID token kept", []func(*fixture){noToken}, without("id_token_hint=e30.e30.x"), ""},
		{"no sid", []func(*fixture){noSID}, without("logout_hint=sid-1"), ""},
		{"a hint of the options", []func(*fixture){param("logout_hint", "h")}, strings.Replace(hinted, "sid-1", "h", 1), ""},
		{"a hint removed by the options", []func(*fixture){param("logout_hint")}, without("logout_hint=sid-1"), ""},
		{"large ID token", []func(*fixture){big}, without("id_token_hint=e30.e30.x"), ""},

		{"no hint", []func(*fixture){withoutHints}, v2, ""},
		{"no hint, oidc chosen", []func(*fixture){endpoint("oidc"), withoutHints}, v2, ""},
		{"no hint, another provider", []func(*fixture){withoutHints, otherProvider}, unhinted, ""},
		{"large ID token and no sid", []func(*fixture){big, param("logout_hint")}, v2, ""},
		{"nobody", []func(*fixture){nobody}, v2, ""},
		{"nobody, another provider", []func(*fixture){nobody, otherProvider}, home, ""},
		{"nobody, and a hint of the options", []func(*fixture){nobody, param("logout_hint", "h")}, home, ""},
		{"another provider", []func(*fixture){otherProvider}, hinted, ""},

		{"no end_session_endpoint", []func(*fixture){at("")}, v2, ""},
		{"no end_session_endpoint, another provider", []func(*fixture){at(""), otherProvider}, home,
			"auth0: logout: the provider has no end_session_endpoint, its session is not ended"},
		{"no end_session_endpoint, oidc chosen", []func(*fixture){at(""), endpoint("oidc")}, "", ""},
		{"no end_session_endpoint, oidc chosen, another provider", []func(*fixture){at(""), endpoint("oidc"), otherProvider}, "", ""},
		{"tenant down", []func(*fixture){down}, home, "auth0: logout: the session at the tenant is not ended\" err=\"no answer"},
		{"tenant down, oidc chosen", []func(*fixture){down, endpoint("oidc")}, home, "auth0: logout: the session at the tenant is not ended"},
		{"tenant down, v2 chosen", []func(*fixture){down, endpoint("v2")}, v2, ""},
	} {
		f := newFixture(tt.edit...)
		got, err := f.policy.URL(t.Context(), f.logout)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: %s, %v\nwant %s", tt.why, got, err, tt.want)
		}
		if log := f.log.String(); !strings.Contains(log, tt.log) || (log != "") != (tt.log != "") {
			t.Errorf("%s: log\n%s", tt.why, log)
		}
		chosen := f.policy.Endpoint == "local" || f.policy.Endpoint == "v2"
		if want := map[bool]int{true: 0, false: 1}[chosen]; f.asked != want {
			t.Errorf("%s: the tenant was asked %d times, want %d", tt.why, f.asked, want)
		}
		if err == nil {
			continue
		}
		if e, ok := errors.AsType[*refusal.Refusal](err); !ok || e.Reason != "no_end_session_endpoint" || e.Status != 500 || e.Err == nil {
			t.Errorf("%s: %v", tt.why, err)
		}
	}
}

// TestURLSize: servers reject a URL of more than 4 KiB, so the URL omits the ID token.
func TestURLSize(t *testing.T) {
	t.Parallel()
	f := newFixture()
	target, err := f.policy.URL(t.Context(), f.logout)
	if err != nil {
		t.Fatal(err)
	}
	room := 4096 - len(target) + len("e30.e30.x")
	for size, want := range map[int]bool{room: true, room + 1: false} {
		f.logout.Ended.IDToken = secret.OfText(strings.Repeat("x", size))
		target, err := f.policy.URL(t.Context(), f.logout)
		if got := strings.Contains(target, "id_token_hint="); got != want || err != nil {
			t.Errorf("with the ID token %d bytes: %v, %v", len(target), got, err)
		}
	}
	f = newFixture(federated, func(f *fixture) { f.logout.Ended.IDToken = secret.OfText(strings.Repeat("x", room)) })
	target, err = f.policy.URL(t.Context(), f.logout)
	if err != nil || strings.Contains(target, "id_token_hint=") || !strings.HasSuffix(target, "&federated") {
		t.Errorf("identity provider: %d bytes, %s", len(target), target[:80])
	}
}

// TestReturnURL: a return URL of the options is on the application's origin or listed. A
// return URL from the browser is listed.
func TestReturnURL(t *testing.T) {
	t.Parallel()
	listed := []string{"https://www.example/bye", "https://app.example/other", "https://app.example/x?y=1"}
	const warning = "auth0: logout: the return URL is not one of Config.PostLogoutURLs"
	for _, tt := range []struct {
		why, options, asked, want string
		warns                     bool
	}{
		{"nothing", "", "", "https://www.example/bye", false},
		{"options: path", "/gone", "", "https://app.example/gone", false},
		{"options: path that a browser shortens", "/a/../gone", "", "https://app.example/gone", false},
		{"options: own origin", "https://app.example/gone", "", "https://app.example/gone", false},
		{"options: own route", "https://app.example/auth/logout", "", "https://app.example/auth/logout", false},
		{"options: listed", "https://app.example/other", "", "https://app.example/other", false},
		{"options: listed elsewhere", "https://www.example/bye", "", "https://www.example/bye", false},
		{"options: elsewhere", "https://evil.example/", "", "https://www.example/bye", true},
		{"options: own origin is a beginning", "https://app.example.evil.example/", "", "https://www.example/bye", true},
		{"options: protocol-relative", "//evil.example/", "", "https://www.example/bye", true},
		{"options before the browser", "/gone", "/other", "https://app.example/gone", false},
		{"unusable options, browser", "https://evil.example/", "/other", "https://app.example/other", true},
		{"browser: listed", "", "https://www.example/bye", "https://www.example/bye", false},
		{"browser: listed path", "", "/other", "https://app.example/other", false},
		{"browser: listed path with a query", "", "/x?y=1", "https://app.example/x?y=1", false},
		{"browser: path", "", "/gone", "https://www.example/bye", false},
		{"browser: own origin", "", "https://app.example/gone", "https://www.example/bye", false},
		{"browser: elsewhere", "", "https://evil.example/", "https://www.example/bye", false},
		{"browser: listed path of another origin", "", "https://evil.example/other", "https://www.example/bye", false},
		{"browser: protocol-relative", "", "//evil.example/", "https://www.example/bye", false},
		{"browser: backslash", "", `/\evil.example`, "https://www.example/bye", false},
	} {
		f := newFixture()
		f.policy.ReturnURLs = listed
		f.logout.ReturnTo, f.logout.Asked = tt.options, tt.asked
		if got := f.policy.ReturnURL(f.logout); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.why, got, tt.want)
		}
		if got := strings.Contains(f.log.String(), warning); got != tt.warns {
			t.Errorf("%s: log %q", tt.why, f.log.String())
		}
		// The tenant gets the same URL.
		f.policy.Endpoint = V2
		target, err := f.policy.URL(t.Context(), f.logout)
		if u, parseErr := url.Parse(target); err != nil || parseErr != nil || u.Query().Get("returnTo") != tt.want {
			t.Errorf("%s: %s, %v", tt.why, target, err)
		}
	}
	f := newFixture()
	if got := f.policy.ReturnURL(f.logout); got != home {
		t.Errorf("no list: %s", got)
	}
	// A login may return to another origin of the application. A logout may only if the URL
	// is listed too.
	const admin = "https://admin.example/"
	f.policy.Paths.Origins = []string{"https://admin.example"}
	for _, edit := range []func(){func() { f.logout.Asked = admin }, func() { f.logout.ReturnTo = admin }} {
		edit()
		for want, urls := range map[string][]string{home: nil, admin: {"https://app.example/bye", admin}} {
			f.policy.ReturnURLs = urls
			if got := f.policy.ReturnURL(f.logout); got != want {
				t.Errorf("another origin, with the list %q: %s", urls, got)
			}
		}
	}
}

// TestCheck names the field of each mistake.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why, endpoint, auth0 string
		urls                 []string
		want                 []string
	}{
		{"default", "", tenant, nil, nil},
		{"oidc", "oidc", "", nil, nil},
		{"local", "local", "", nil, nil},
		{"v2", "v2", tenant, nil, nil},
		{"v2 of another provider", "v2", "", nil, []string{`LogoutEndpoint is "v2", which only Auth0 has; Domain is a URL`}},
		{"unknown", "v3", tenant, nil, []string{`LogoutEndpoint is "v3"; it must be "oidc", "v2", "local" or empty`}},
		{"upper case", "OIDC", tenant, nil, []string{`LogoutEndpoint is "OIDC"; it must be "oidc", "v2", "local" or empty`}},
		{"URLs", "", tenant, []string{"https://app.example", "http://localhost:3000/bye", "https://app.example/%C3%BC?a=b#c"}, nil},
		{"two mistakes", "x", tenant, []string{"/a", "https://app.example", "/b"}, []string{
			`LogoutEndpoint is "x"; it must be "oidc", "v2", "local" or empty`,
			`PostLogoutURLs "/a" must be an absolute URL, with everything but ASCII percent-encoded`,
			`PostLogoutURLs "/b" must be an absolute URL, with everything but ASCII percent-encoded`,
		}},
	} {
		var got []string
		for _, m := range (&Policy{Endpoint: Endpoint(tt.endpoint), Auth0: tt.auth0, ReturnURLs: tt.urls}).Check() {
			got = append(got, m.Field+" "+m.Text)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", tt.why, got)
		}
	}
	for _, raw := range []string{
		"", "/bye", "//app.example/", "app.example", "https://", "https:///bye",
		"mailto:ada@app.example", "javascript:alert(1)", "ftp://app.example/", "https://ada@app.example/", "https://ada:x@app.example/",
		"https://app.example/ü", "https://app.example/a b", "https://app.example/\"", "https://app.example/%zz", "https://app.example\x7f/",
	} {
		if got := (&Policy{ReturnURLs: []string{raw}}).Check(); len(got) != 1 || got[0].Field != "PostLogoutURLs" {
			t.Errorf("%q: %v", raw, got)
		}
	}
}

// TestHintsDoNotPrint: a formatted logout does not show the ID token.
func TestHintsDoNotPrint(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{f.logout, &f.logout, f.logout.Ended, *f.logout.Ended} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "e30") || strings.Contains(text, fmt.Sprintf("%x", "e30")) {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
}
