package authrequest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSaved has a row for each option: the saved options make the same request.
func TestSaved(t *testing.T) {
	t.Parallel()
	every := []Option{Audience("https://every.example/"), Param("ext-every", "login"), Scopes("openid", "email")}
	base := must(New(every...))
	for why, options := range map[string][]Option{
		"nothing":          nil,
		"connection":       {Connection("google")},
		"organization":     {Organization("org_a")},
		"invitation":       {Invitation("ticket", "org_a")},
		"hint":             {Hint("ada@acme.example")},
		"empty hint":       {Hint("")},
		"prompt":           {Prompt("login consent")},
		"screen":           {ScreenHint("signup")},
		"languages":        {UILocales("de-AT en")},
		"max_age":          {MaxAge(90 * time.Second)},
		"max_age 0":        {MaxAge(0)},
		"acr":              {ACR(false, "a", "b")},
		"required acr":     {ACR(true, "a", "b c")},
		"scopes":           {Scopes("openid", "offline_access")},
		"other audience":   {Audience("https://api.example/")},
		"no audience":      {Param("audience")},
		"no scopes":        {Param("scope")},
		"further":          {Param("ext-campaign", "spring")},
		"empty further":    {Param("ext-campaign", "")},
		"persistent":       {Persistent(true)},
		"not persistent":   {Persistent(false)},
		"return URL":       {ReturnTo("/after")},
		"lasting cookie":   {Persistent(true)},
		"other cookie":     {Persistent(false)},
		"person":           {ForPerson("abc"), Hint("ada")},
		"same as every":    {Audience("https://every.example/")},
		"all in one login": {Connection("google"), Organization("org_a"), MaxAge(0), ACR(true, "a"), Prompt("login"), Persistent(false), ReturnTo("/x")},
	} {
		first := must(New(append(append([]Option{}, every...), options...)...))
		var saved Saved // as a browser keeps it
		if err := json.Unmarshal(must(json.Marshal(first.Save(base))), &saved); err != nil {
			t.Fatal(err)
		}
		again := must(New(append(append([]Option{}, every...), must(saved.Options())...)...))
		if why == "no scopes" {
			first.Scopes, again.Scopes = nil, nil // both mean the configured ones
		}
		if params(again) != params(first) || !reflect.DeepEqual(again, first) {
			t.Errorf("%s: %+v, then %+v", why, first, again)
		}
		if empty := why == "nothing" || why == "same as every" || why == "return URL" || why == "no scopes"; saved.IsEmpty() != empty {
			t.Errorf("%s: empty %v: %+v", why, saved.IsEmpty(), saved)
		}
	}
}

// TestSavedLeavesOut: a repeated login can show pages and needs no pop-up, so it drops
// these options. The state of the application is for one browser.
func TestSavedLeavesOut(t *testing.T) {
	t.Parallel()
	base := must(New(Persistent(true)))
	if saved := must(New(Persistent(true), AppState(1))).Save(base); !saved.IsEmpty() {
		t.Errorf("%+v", saved)
	}
	saved := must(New(Silent, Hint("ada"))).Save(base)
	again := must(New(must(saved.Options())...))
	if params(again) != "login_hint=ada" || again.Silent {
		t.Errorf("%+v", again)
	}
	again = must(New(must(must(New(PopUp("https://app.example"))).Save(base).Options())...))
	if again.Popup != nil {
		t.Errorf("%+v", again)
	}
}

func TestEssential(t *testing.T) {
	t.Parallel()
	all := Saved{Params: map[string]string{"login_hint": "ada", "ui_locales": "de", "ext-a": "b", "screen_hint": "signup"}}
	for _, name := range []string{"connection", "organization", "invitation", "prompt", "max_age", "acr_values", "audience"} {
		all.Params[name] = "1"
	}
	got := all.Essential()
	want := "map[acr_values:1 audience:1 connection:1 invitation:1 max_age:1 organization:1 prompt:1]"
	if fmt.Sprint(got.Params) != want || len(all.Params) != 11 {
		t.Errorf("%v, of %v", got.Params, all.Params)
	}
}

func TestOtherAccount(t *testing.T) {
	t.Parallel()
	saved := Saved{Params: map[string]string{"login_hint": "ada", "prompt": "consent", "organization": "org_a"}}
	if got := saved.OtherAccount("login"); fmt.Sprint(got.Params) != "map[organization:org_a prompt:login]" || len(saved.Params) != 3 {
		t.Errorf("%v, of %v", got.Params, saved.Params)
	}
	if got := (Saved{Person: "abc"}).OtherAccount("login"); got.Person != "" {
		t.Errorf("it is for %q", got.Person)
	}
	if got := (Saved{}).OtherAccount("login"); fmt.Sprint(got.Params) != "map[prompt:login]" {
		t.Errorf("%v", got.Params)
	}
}

// TestBadSaved has a row for each refusal.
func TestBadSaved(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 17 {
		many[fmt.Sprint("p", i)] = "x"
	}
	for why, saved := range map[string]Saved{
		"too many":            {Params: many},
		"too many left out":   {Without: strings.Fields(strings.Repeat("a ", 17))},
		"reserved":            {Params: map[string]string{"redirect_uri": "https://evil.example/"}},
		"state":               {Params: map[string]string{"state": "x"}},
		"prompt":              {Params: map[string]string{"prompt": "Other word"}},
		"control character":   {Params: map[string]string{"connection": "a\nb"}},
		"max_age":             {Params: map[string]string{"max_age": "x"}},
		"negative max_age":    {Params: map[string]string{"max_age": "-1"}},
		"huge max_age":        {Params: map[string]string{"max_age": "99999999999"}},
		"invitation alone":    {Params: map[string]string{"invitation": "ticket"}},
		"empty organization":  {Params: map[string]string{"organization": ""}},
		"scope":               {Scopes: []string{"a\"b"}},
		"empty required acr":  {Params: map[string]string{"acr_values": ""}, RequiredACR: []string{""}},
		"name of a parameter": {Params: map[string]string{"a b": "x"}},
	} {
		if options, err := saved.Options(); err == nil {
			t.Errorf("%s: %d options", why, len(options))
		}
	}
}

// TestDirectText: a login without a browser continues with the same options, and with the
// state of the application.
func TestDirectText(t *testing.T) {
	t.Parallel()
	r := must(New(Organization("org_1"), ACR(true, "urn:a"), MaxAge(time.Minute), AppState(map[string]int{"n": 1}), ReturnTo("/x"), Persistent(true)))
	saved, err := r.Direct(r, must(New()))
	if err != nil {
		t.Fatal(err)
	}
	got := must(New(must(OptionsOf(saved))...))
	if got.Params.Encode() != r.Params.Encode() || !slices.Equal(got.RequiredACR, r.RequiredACR) || string(got.AppState) != `{"n":1}` ||
		got.ReturnTo() != "/x" || got.Persistent == nil || !*got.Persistent {
		t.Errorf("%+v, want %+v", got, r)
	}
	if options, err := OptionsOf(""); options != nil || err != nil {
		t.Errorf("nothing: %v, %v", options, err)
	}
	for _, bad := range []string{"{", `{"p":{"max_age":"x"}}`} {
		if _, err := OptionsOf(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if saved, err := must(New(Hint("ada"))).Direct(r, r); saved != "" || err == nil {
		t.Errorf("an option of a browser: %q, %v", saved, err)
	}
}
