package login

import (
	"fmt"
	"strings"
	"testing"
)

// TestResponseChecked has a row for each pair of response type and response mode.
func TestResponseChecked(t *testing.T) {
	t.Parallel()
	const https, machine, http = "https://app.example/a", "http://127.0.0.1:3000", "http://app.example"
	for _, row := range []struct {
		given, want Response
		base        string
		mistake     string
	}{
		{Response{}, Response{"code", "query"}, http, ""},
		{Response{"code", "form_post"}, Response{"code", "form_post"}, https, ""},
		{Response{"id_token", ""}, Response{"id_token", "form_post"}, https, ""},
		{Response{"code id_token", ""}, Response{"code id_token", "form_post"}, machine, ""},
		{Response{"id_token", ""}, Response{"id_token", "form_post"}, http, "ResponseMode form_post needs https: browsers send the cookie of the login transaction only over https, and http://app.example is http"},
		{Response{"id_token", "query"}, Response{"id_token", "query"}, https, `ResponseMode must be "form_post" for the response type "id_token"`},
		{Response{"code id_token", "query"}, Response{"code id_token", "query"}, https, `ResponseMode must be "form_post" for the response type "code id_token"`},
		{Response{"token", ""}, Response{"token", ""}, https, `ResponseType is "token"; it must be "code", "id_token" or "code id_token"`},
		{Response{"code", "fragment"}, Response{"code", "fragment"}, https, `ResponseMode is "fragment"; it must be "query" or "form_post"`},
	} {
		var mistakes []string
		got := row.given.Checked(func(field, format string, args ...any) {
			mistakes = append(mistakes, field+" "+fmt.Sprintf(format, args...))
		}, []string{row.base})
		if got.HasCode() == (got.Type == "id_token") {
			t.Errorf("%v: HasCode is %v", got, got.HasCode())
		}
		if got != row.want || strings.Join(mistakes, "; ") != row.mistake {
			t.Errorf("%v at %s: %v, %q; want %v, %q", row.given, row.base, got, mistakes, row.want, row.mistake)
		}
	}
}

// TestCheckScopes: the scopes of a login contain openid.
func TestCheckScopes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		given         []string
		want, mistake string
	}{
		{nil, "openid profile email", ""},
		{[]string{"openid email", "email"}, "openid email", ""},
		{[]string{}, "", "Scopes must contain openid"},
		{[]string{"email"}, "email", "Scopes must contain openid"},
		{[]string{"openid", `"`}, "", `Scopes "\"" is not a scope`},
	} {
		mistake := ""
		got := CheckScopes(func(field, format string, args ...any) { mistake = field + " " + fmt.Sprintf(format, args...) }, row.given)
		if strings.Join(got, " ") != row.want || mistake != row.mistake {
			t.Errorf("%q: %q, %q; want %q, %q", row.given, got, mistake, row.want, row.mistake)
		}
	}
}
