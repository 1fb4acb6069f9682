package authrequest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/condition"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// params is the query that a request stands for.
func params(r *Request) string { return must(url.QueryUnescape(r.Params.Encode())) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestOptions has a row for each option and its parameters.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		option Option
		want   string // parameters
		has    func(*Request) bool
	}{
		{"connection", Connection("google-oauth2"), "connection=google-oauth2", nil},
		{"organization", Organization("org_a"), "organization=org_a", func(r *Request) bool { return r.Organization() == "org_a" }},
		{"invitation", Invitation("ticket", "org_a"), "invitation=ticket&organization=org_a&prompt=login",
			func(r *Request) bool { return r.Organization() == "org_a" }},
		{"hint", Hint("ada@acme.example"), "login_hint=ada@acme.example", nil},
		{"empty hint", Hint(""), "login_hint=", nil},
		{"prompt", Prompt("login consent"), "prompt=login consent", nil},
		{"every prompt", Prompt("none select_account"), "prompt=none select_account", nil},
		{"sign-up", Prompt("create"), "prompt=create", nil},
		{"prompt of a provider", Prompt("select_organisation2 login"), "prompt=select_organisation2 login", nil},
		{"silent", Silent, "prompt=none", func(r *Request) bool { return r.Silent }},
		{"screen", ScreenHint("signup"), "screen_hint=signup", nil},
		{"languages", UILocales("de-AT en_US fr"), "ui_locales=de-AT en_US fr", nil},
		{"max_age", MaxAge(90*time.Second + time.Millisecond), "max_age=90", func(r *Request) bool { return *r.MaxAge == 90 }},
		{"max_age 0", MaxAge(0), "max_age=0", func(r *Request) bool { return *r.MaxAge == 0 }},
		{"acr", ACR(false, "a", "b"), "acr_values=a b", func(r *Request) bool { return r.RequiredACR == nil }},
		{"required acr", ACR(true, "a", "b"), "acr_values=a b",
			func(r *Request) bool { return slices.Equal(r.RequiredACR, []string{"a", "b"}) }},
		{"scopes", Scopes("openid", "a", "b a"), "", func(r *Request) bool { return slices.Equal(r.Scopes, []string{"openid", "a", "b"}) }},
		{"scopes without openid", Scopes("a"), "", func(r *Request) bool { return slices.Equal(r.Scopes, []string{"openid", "a"}) }},
		{"no scopes", Scopes(), "", func(r *Request) bool { return slices.Equal(r.Scopes, []string{"openid"}) }},
		{"audience", Audience("https://api.example/"), "audience=https://api.example/", nil},
		{"return URL", ReturnTo("//any"), "", func(r *Request) bool { return r.ReturnTo() == "//any" }},
		{"state", AppState(map[string]int{"a": 1}), "", func(r *Request) bool { return string(r.AppState) == `{"a":1}` }},
		{"state of the largest size", AppState(strings.Repeat("x", 1022)), "", func(r *Request) bool { return len(r.AppState) == 1024 }},
		{"pop-up", PopUp("https://app.example", "access_token", "id_token"), "", func(r *Request) bool {
			return r.Popup.Origin == "https://app.example" && slices.Equal(r.Popup.Tokens, []string{"access_token", "id_token"})
		}},
		{"parameter", Param("ext-a_B.c:9", "v"), "ext-a_B.c:9=v", nil},
		{"empty parameter", Param("ext", ""), "ext=", nil},
		{"name of 64 bytes", Param(strings.Repeat("n", 64), "v"), strings.Repeat("n", 64) + "=v", nil},
	} {
		r, err := New(row.option)
		if err != nil || params(r) != row.want || row.has != nil && !row.has(r) {
			t.Errorf("%s: %s %+v, %v", row.why, params(r), r, err)
		}
	}
}

// TestRefusedOptions has a row for each mistake in an option.
func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		option Option
		want   string
	}{
		{"nil", nil, "a login option is nil"},
		{"no connection", Connection(""), "connection is empty; leave the option out"},
		{"no organization", Organization(""), "organization is empty"},
		{"no ticket", Invitation("", "org_a"), "invitation is empty"},
		{"invitation without organization", Invitation("ticket", ""), "an invitation needs its organization"},
		{"no screen", ScreenHint(""), "screen_hint is empty"},
		{"no languages", UILocales(""), "ui_locales is empty"},
		{"no audience", Audience(""), "audience is empty"},
		{"control character", Hint("a\n"), "login_hint has control characters or is not UTF-8"},
		{"no UTF-8", Connection("\xff"), "connection has control characters or is not UTF-8"},
		{"prompt that is not a word", Prompt("login Other"), `prompt has the value "Other", which is not a word`},
		{"prompt with a hyphen", Prompt("log-in"), `prompt has the value "log-in", which is not a word`},
		{"long prompt", Prompt(strings.Repeat("x", 33)), `prompt has the value "xxx`},
		{"no prompt", Prompt(""), `prompt has the value ""`},
		{"two spaces", Prompt("login  consent"), `prompt has the value ""`},
		{"no list of languages", UILocales("de,en"), `ui_locales "de,en" is not a list of language tags`},
		{"negative max_age", MaxAge(-1), "max_age -1ns is negative"},
		{"no required acr", ACR(true), "a required acr is empty"},
		{"empty required acr", ACR(true, "a", ""), "a required acr is empty"},
		{"no scope", Scopes(`a"`), "is not a scope"},
		{"state that cannot be encoded", AppState(func() {}), "the state of the application cannot be encoded"},
		{"large state", AppState(strings.Repeat("x", 1023)), "the state of the application has 1025 bytes, the limit is 1024"},
		{"origin with a path", PopUp("https://app.example/"), `the origin "https://app.example/" of a pop-up`},
		{"origin in capitals", PopUp("https://APP.example"), "of a pop-up"},
		{"no origin", PopUp("null"), `the origin "null" of a pop-up`},
		{"empty origin", PopUp(""), `the origin "" of a pop-up`},
		{"other token", PopUp("https://app.example", "refresh_token"), `not "refresh_token"`},
		{"two values", Param("ext", "a", "b"), "the parameter ext has 2 values"},
	} {
		_, err := New(row.option)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.why, err, row.want)
		}
	}
}

// TestLengths has the longest value of each option. One more byte is an error.
func TestLengths(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		most   int
		option func(string) Option
	}{
		"connection":   {128, Connection},
		"organization": {128, Organization},
		"invitation":   {512, func(s string) Option { return Invitation(s, "org_a") }},
		"login_hint":   {320, Hint},
		"screen_hint":  {32, ScreenHint},
		"ui_locales":   {64, UILocales},
		"acr_values":   {512, func(s string) Option { return ACR(false, s) }},
		"audience":     {600, Audience},
		"ext":          {1024, func(s string) Option { return Param("ext", s) }},
	} {
		if r, err := New(row.option(strings.Repeat("x", row.most))); err != nil || len(r.Params.Get(name)) != row.most {
			t.Errorf("%s: %v", name, err)
		}
		_, err := New(row.option(strings.Repeat("x", row.most+1)))
		if want := fmt.Sprintf("%s has %d bytes, the limit is %d", name, row.most+1, row.most); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestEveryMistakeIsReported: one start of the program shows all mistakes.
func TestEveryMistakeIsReported(t *testing.T) {
	t.Parallel()
	r, err := New(Connection(""), nil, Audience(""), Hint("ada"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 || r.Params.Get("login_hint") != "ada" {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestLaterOptions: a later option replaces an earlier one. Param without a value removes
// one.
func TestLaterOptions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why     string
		options []Option
		want    string
		has     func(*Request) bool
	}{
		{"twice", []Option{Hint("a"), Hint("b")}, "login_hint=b", nil},
		{"required acr, then not", []Option{ACR(true, "a"), ACR(false, "b")}, "acr_values=b",
			func(r *Request) bool { return r.RequiredACR == nil }},
		{"prompt of an invitation", []Option{Prompt("select_account"), Invitation("ticket", "org_a")},
			"invitation=ticket&organization=org_a&prompt=select_account", nil},
		{"silent and a pop-up", []Option{PopUp("https://app.example"), Silent}, "prompt=none", func(r *Request) bool { return r.Popup == nil }},

		{"no scope", []Option{Scopes("a"), Param("scope")}, "", func(r *Request) bool { return r.Scopes == nil }},
		{"no max_age", []Option{MaxAge(0), Param("max_age")}, "", func(r *Request) bool { return r.MaxAge == nil }},
		{"no acr", []Option{ACR(true, "a"), Param("acr_values")}, "", func(r *Request) bool { return r.RequiredACR == nil }},
		{"no organization", []Option{Organization("org_a"), Param("organization")}, "", func(r *Request) bool { return r.Organization() == "" }},
		{"no invitation", []Option{Invitation("ticket", "org_a"), ReturnTo("/here"), Param("invitation")}, "organization=org_a",
			func(r *Request) bool { return r.ReturnTo() == "/here" }},
		{"no hint", []Option{Hint("a"), Param("login_hint")}, "", nil},
	} {
		r, err := New(row.options...)
		if err != nil || params(r) != row.want || row.has != nil && !row.has(r) {
			t.Errorf("%s: %s %+v, %v", row.why, params(r), r, err)
		}
	}
}

// TestOptionsKeepNoSliceOfTheCaller: a program can make an option once and use it for
// years.
func TestOptionsKeepNoSliceOfTheCaller(t *testing.T) {
	t.Parallel()
	for why, option := range map[string]func(...string) Option{
		"acr":       func(s ...string) Option { return ACR(true, s...) },
		"scopes":    Scopes,
		"parameter": func(s ...string) Option { return Param("ext", s...) },
		"pop-up":    func(s ...string) Option { return PopUp("https://app.example", s...) },
	} {
		values := []string{"id_token"}
		o := option(values...)
		values[0] = "changed"
		r, err := New(o)
		if text := fmt.Sprint(r.Params, r.RequiredACR, r.Scopes, r.Popup); err != nil || strings.Contains(text, "changed") {
			t.Errorf("%s: %s, %v", why, text, err)
		}
	}
}

// TestInvitationBeginsAtTheFirstPage: another user can have left a return URL. An invited
// user does not get it.
func TestInvitationBeginsAtTheFirstPage(t *testing.T) {
	t.Parallel()
	if r := must(New(Invitation("ticket", "org_a"), ReturnTo("/there"))); r.ReturnTo() != "" {
		t.Errorf("it returns to %q", r.ReturnTo())
	}
}

// TestCheckParam has every parameter that binds an answer to its login, and every parameter
// with an option.
func TestCheckParam(t *testing.T) {
	t.Parallel()
	refused := map[string]string{
		"scope": "WithScopes", "audience": "WithAudience", "connection": "WithConnection", "organization": "WithOrganization",
		"invitation": "WithInvitation", "login_hint": "WithLoginHint", "prompt": "WithPrompt", "screen_hint": "WithScreenHint",
		"ui_locales": "WithUILocales", "max_age": "WithMaxAge", "acr_values": "WithACRValues or WithRequiredACR",
		"": "not a parameter name", "a b": "not a parameter name", "a=b": "not a parameter name", "ü": "not a parameter name", strings.Repeat("n", 65): "not a parameter name",
	}
	for _, name := range []string{
		"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge", "code_challenge_method",
		"request", "request_uri", "dpop_jkt", "client_secret", "client_assertion", "client_assertion_type",
	} {
		refused[name] = "set by the library alone"
	}
	for name, want := range refused {
		if err := CheckParam(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
		r, err := New(Param(name, "v"))
		if err == nil || len(r.Params) > 0 {
			t.Errorf("%q: %v, %v", name, r.Params, err)
		}
	}
	for _, name := range []string{"ext", "claims", "resource", "id_token_hint", "a-b_c.d:9", "Z", strings.Repeat("n", 64)} {
		if err := CheckParam(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestIsMetBy has a row for each option that a session of the organization org_a, named
// acme, does not meet.
func TestIsMetBy(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		option Option
		want   bool
	}{
		{"nothing", ReturnTo("/there"), true},
		{"scopes", Scopes("a"), true},
		{"audience", Audience("https://api.example/"), true},
		{"screen", ScreenHint("signup"), true},
		{"languages", UILocales("de"), true},
		{"organization", Organization("org_a"), true},
		{"name of the organization", Organization("acme"), true},
		{"name in capitals", Organization("ACME"), true},
		{"other organization", Organization("org_b"), false},
		{"other name", Organization("other"), false},
		{"id in another case", Organization("ORG_A"), false},
		{"invitation", Invitation("ticket", "org_a"), false},
		{"max_age", MaxAge(time.Hour), false},
		{"required acr", ACR(true, "a"), false},
		{"acr", ACR(false, "a"), false},
		{"state", AppState(nil), false},
		{"pop-up", PopUp("https://app.example"), false},
		{"prompt", Prompt("login"), false},
		{"hint", Hint("ada"), false},
		{"connection", Connection("google"), false},
		{"parameter", Param("ext", "v"), false},
	} {
		if got := must(New(row.option)).IsMetBy(condition.Facts{OrgID: "org_a", OrgName: "acme"}); got != row.want {
			t.Errorf("%s: %v", row.why, got)
		}
	}
	if must(New(Organization("org_a"))).IsMetBy(condition.Facts{}) {
		t.Error("a session in no organization is one in org_a")
	}
	// The parameters alone say nothing about these two.
	for why, option := range map[string]Option{
		"invitation": func(r *Request) { r.invitation, r.organization = true, "org_a" },
		"max_age":    func(r *Request) { r.MaxAge = new(int) },
		"acr":        func(r *Request) { r.RequiredACR = []string{"a"} },
	} {
		r := must(New(option))
		r.Params = url.Values{}
		if r.IsMetBy(condition.Facts{OrgID: "org_a", OrgName: "acme"}) {
			t.Errorf("%s without its parameter is met", why)
		}
	}
}

// TestLink has a row for each option, with its place in a link or its error.
func TestLink(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		option Option
		want   string
		cause  string
	}{
		{"nothing", Param("ext"), "", ""},
		{"return URL", ReturnTo("/there?a=b"), "returnTo=%2Fthere%3Fa%3Db", ""},
		{"organization", Organization("org_a"), "organization=org_a", ""},
		{"hint", Hint("ada"), "login_hint=ada", ""},
		{"prompt", Prompt("login"), "prompt=login", ""},
		{"screen", ScreenHint("signup"), "screen_hint=signup", ""},
		{"languages", UILocales("de"), "ui_locales=de", ""},
		{"connection", Connection("google"), "", "does not accept connection from a link"},
		{"audience", Audience("https://api.example/"), "", "does not accept audience from a link"},
		{"invitation", Invitation("ticket", "org_a"), "", "does not accept invitation from a link"},
		{"max_age", MaxAge(0), "", "does not accept max_age from a link"},
		{"acr", ACR(false, "a"), "", "does not accept acr_values from a link"},
		{"parameter", Param("ext", "v"), "", "does not accept ext from a link"},
		{"scopes", Scopes("a"), "", "cannot be part of a link"},
		{"state", AppState(1), "", "cannot be part of a link"},
		{"pop-up", PopUp("https://app.example"), "", "cannot be part of a link"},
		{"cookie", Persistent(false), "", "cannot be part of a link"},
	} {
		got, err := must(New(row.option)).Link()
		if row.cause == "" {
			if err != nil || got.Encode() != row.want {
				t.Errorf("%s: %s, %v", row.why, got.Encode(), err)
			}
			continue
		}
		r, ok := errors.AsType[*refusal.Refusal](err)
		if !ok || r.Row != refusal.LoginOption || !strings.Contains(r.Error(), row.cause) || got != nil {
			t.Errorf("%s: %v, %v, want %q", row.why, got, err, row.cause)
		}
	}
}

// TestLinks has a row for each query of a link to the login route.
func TestLinks(t *testing.T) {
	t.Parallel()
	organizations := Links{Organizations: true}
	one := Links{Organizations: true, Organization: "org_a"}
	for _, row := range []struct {
		why     string
		links   Links
		query   string
		want    string // parameters
		ignored string
	}{
		{"nothing", Links{}, "", "", ""},
		{"unknown parameter", Links{}, "ext=v&audience=x&scope=x&max_age=0&acr_values=x&state=x", "", ""},
		{"what each application takes", Links{}, "login_hint=ada&prompt=login&ui_locales=de&screen_hint=signup",
			"login_hint=ada&prompt=login&screen_hint=signup&ui_locales=de", ""},
		{"empty values", organizations, "login_hint=&prompt=&ui_locales=&screen_hint=&organization=&connection=&returnTo=", "", ""},
		{"screen login", Links{}, "screen_hint=login", "screen_hint=login", ""},
		{"other screen", Links{}, "screen_hint=reset", "", ""},
		{"bad prompt", Links{}, "prompt=other&login_hint=ada", "login_hint=ada", "prompt"},
		{"sign-up", Links{}, "prompt=create", "prompt=create", ""},
		{"sign-up with a login", Links{}, "prompt=login+create", "prompt=login create", ""},
		{"bad prompt beside a good one", Links{}, "prompt=login+other", "", "prompt"},
		{"bad hint", Links{}, "login_hint=%00", "", "login_hint"},
		{"bad languages", Links{}, "ui_locales=de,en", "", "ui_locales"},

		{"organization", organizations, "organization=org_a", "organization=org_a", ""},
		{"organization, and none are used", Links{}, "organization=org_a&invitation=ticket", "", ""},
		{"bad organization", organizations, "organization=%00", "", "organization"},
		{"the organization of each login", one, "organization=org_a", "organization=org_a", ""},
		{"other organization than that of each login", one, "organization=org_b", "", ""},
		{"invitation", organizations, "organization=org_a&invitation=ticket", "invitation=ticket&organization=org_a&prompt=login", ""},
		{"invitation to the organization of each login", one, "organization=org_a&invitation=ticket",
			"invitation=ticket&organization=org_a&prompt=login", ""},
		{"invitation to another", one, "organization=org_b&invitation=ticket", "", ""},
		{"invitation without organization, to the one of each login", one, "invitation=ticket", "", ""},

		{"connection", Links{}, "connection=google", "connection=google", ""},
		{"unknown connection", Links{}, "connection=unknown", "", "connection"},
		{"connection of the organization", organizations, "connection=inner&organization=org_a", "connection=inner&organization=org_a", ""},
		{"connection of another organization", organizations, "connection=inner&organization=org_b", "organization=org_b", "connection"},
		{"connection of the organization of each login", one, "connection=inner", "connection=inner", ""},

		{"further parameter", Links{Params: []string{"ext", "more"}}, "ext=v&more=w", "ext=v&more=w", ""},
		{"bad further parameter", Links{Params: []string{"ext"}}, "ext=%00", "", "ext"},
	} {
		query := must(url.ParseQuery(row.query))
		taken := row.links.Taken(with(query, "password", "audience", "state"))
		if taken.Has("password") || taken.Has("audience") || taken.Has("state") {
			t.Errorf("%s: %q is taken", row.why, taken)
		}
		var ignored []string
		row.links.Known = func(name, organization string) bool {
			return name == "google" || name == "inner" && organization == "org_a"
		}
		row.links.Ignored = func(name string, why error) {
			if why == nil {
				t.Errorf("%s: %s is ignored without a reason", row.why, name)
			}
			ignored = append(ignored, name)
		}
		r, err := New(row.links.Options(taken)...) // Options reads nothing else
		if err != nil || params(r) != row.want || strings.Join(ignored, " ") != row.ignored {
			t.Errorf("%s: %s, %v, without %q; want %s without %q", row.why, params(r), err, ignored, row.want, row.ignored)
		}
	}
}

// with returns values with further ones.
func with(values url.Values, names ...string) url.Values {
	more := maps.Clone(values)
	for _, name := range names {
		more.Set(name, "x")
	}
	return more
}

func TestLinksReturnTo(t *testing.T) {
	t.Parallel()
	l := Links{Known: func(string, string) bool { return false }, Ignored: func(string, error) {}}
	if r := must(New(l.Options(l.Taken(url.Values{"returnTo": {"/there"}}))...)); r.ReturnTo() != "/there" {
		t.Errorf("it returns to %q", r.ReturnTo())
	}
}

// TestBrokenInvitationIsAnError: the invited user must see that the invitation is broken.
func TestBrokenInvitationIsAnError(t *testing.T) {
	t.Parallel()
	l := Links{
		Organizations: true,
		Known:         func(string, string) bool { return false },
		Ignored:       func(name string, _ error) { t.Errorf("%s is ignored", name) },
	}
	_, err := New(l.Options(url.Values{"invitation": {"ticket"}})...)
	if err == nil || !strings.Contains(err.Error(), "an invitation needs its organization") {
		t.Error(err)
	}
}

// TestLinkIsReadAsItWasWritten: the login route reads every link of Link.
func TestLinkIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	options := []Option{Organization("org_a"), Hint("ada"), Prompt("login"), ScreenHint("login"), UILocales("de"), ReturnTo("/there")}
	begun := must(New(options...))
	l := Links{
		Organizations: true,
		Known:         func(string, string) bool { return false },
		Ignored:       func(name string, _ error) { t.Errorf("%s is ignored", name) },
	}
	read := must(New(l.Options(must(begun.Link()))...))
	if !maps.EqualFunc(read.Params, begun.Params, slices.Equal) || read.ReturnTo() != "/there" || read.Organization() != "org_a" {
		t.Errorf("%+v, want %+v", read, begun)
	}
}

// TestDirect: a login without a browser takes the options that apply to it.
func TestDirect(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("203.0.113.9")
	r, err := New(Connection("c"), Audience("a"), Scopes("s"), Organization("o"), MaxAge(time.Minute), ACR(true, "x"),
		ForwardedFor(addr), ReturnTo("/x"), AppState(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.checkDirect(); err != nil || r.ForwardedFor != addr {
		t.Errorf("%+v, %v", r, err)
	}
	for why, option := range map[string]Option{
		"prompt": Prompt("login"), "hint": Hint("h"), "screen": ScreenHint("signup"), "languages": UILocales("en"), "parameter": Param("x", "y"),
		"pop-up": PopUp("https://app.example"), "silent": Silent, "invitation": Invitation("t", "o"),
	} {
		r, err := New(option)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.checkDirect(); err == nil {
			t.Errorf("%s: accepted", why)
		}
	}
	if _, err := New(ForwardedFor(netip.Addr{})); err == nil {
		t.Error("an address that is not valid is accepted")
	}
}
