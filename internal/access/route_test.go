package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// refused expects a refusal and a part of its cause, and no error for the zero Row.
func refused(t *testing.T, why string, err error, want refusal.Row, cause string) *refusal.Refusal {
	t.Helper()
	if want == (refusal.Row{}) {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return &refusal.Refusal{}
	}
	r, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || r.Row != want || r.Err == nil || !strings.Contains(r.Err.Error(), cause) {
		t.Fatalf("%s: %v, want %v because of %q", why, err, want, cause)
	}
	return r
}

func TestNames(t *testing.T) {
	t.Parallel()
	const payload = `{"exp":2000000001,"scope":"a b  cd","permissions":["x","y z"]}`
	pass := refusal.Row{}
	for _, tt := range []struct {
		why     string
		need    Names
		payload string
		want    refusal.Row
		cause   string
	}{
		{"all", Scopes(false, []string{"a", "cd"}), payload, pass, ""},
		{"one", Scopes(true, []string{"q", "b"}), payload, pass, ""},
		{"one permission", Permissions(true, []string{"q", "x"}), payload, pass, ""},
		{"all permissions", Permissions(false, []string{"x"}), payload, pass, ""},

		{"not all", Scopes(false, []string{"a", "q", "c"}), payload, refusal.Scope, `scope is "a b  cd", which lacks ["q" "c"]`},
		{"none", Scopes(true, []string{"q", "c"}), payload, refusal.Scope, `scope is "a b  cd", want one of ["q" "c"]`},
		{"empty", Scopes(true, []string{""}), payload, refusal.Scope, "want one of"},
		{"no scope", Scopes(false, []string{"a"}), `{"exp":2000000001}`, refusal.Scope, `scope is "", which lacks ["a"]`},
		{"a part of a permission", Permissions(true, []string{"y", "z"}), payload, refusal.Permission, `permissions is "x y z", want one of ["y" "z"]`},
		{"not all permissions", Permissions(false, []string{"x", "a"}), payload, refusal.Permission, `which lacks ["a"]`},
		{"no permissions", Permissions(false, []string{"x"}), `{"exp":2000000001}`, refusal.Permission, "enable RBAC"},
	} {
		err := tt.need.Check(claims(t, tt.payload))
		r := refused(t, tt.why, err, tt.want, tt.cause)
		if err != nil && r.Scope != strings.Join(tt.need.List, " ") {
			t.Errorf("%s: scope %q", tt.why, r.Scope)
		}
	}
	list := []string{"a", "b"}
	scopes, permissions := Scopes(false, list), Permissions(false, list)
	if scopes.Scope() != "a b" || permissions.Scope() != "" {
		t.Errorf("%q and %q in challenges", scopes.Scope(), permissions.Scope())
	}
	if list[0] = "c"; scopes.List[0] != "a" {
		t.Error("a later change of the list has an effect")
	}
}

func TestAreNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": false, "a": true, "a,b:c": true, "a,": false, "a,b c": false, `a"`: false} {
		var list []string
		if text != "" {
			list = strings.Split(text, ",")
		}
		if AreNames(list) != want {
			t.Errorf("%q: %v", list, !want)
		}
	}
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	pass, leeway := refusal.Row{}, 5*time.Second
	minute := StepUp{MaxAge: time.Minute}
	strong := StepUp{ACR: []string{"gold", "silver"}}
	for _, tt := range []struct {
		need                 StepUp
		payload              string
		want                 refusal.Row
		cause, authenticates string
	}{
		{minute, `"auth_time":2000000000`, pass, "", ""},
		{minute, `"auth_time":1999999935`, pass, "", ""},
		{strong, `"acr":"silver"`, pass, "", ""},
		{StepUp{time.Minute, []string{"gold"}}, `"acr":"gold","auth_time":1999999999`, pass, "", ""},

		{minute, `"auth_time":1999999934`, refusal.StepUp, "auth_time was 66 s ago, want at most 1m0s", `, max_age="60"`},
		{minute, `"acr":"gold"`, refusal.StepUp, "no usable auth_time", `, max_age="60"`},
		{strong, `"acr":"bronze"`, refusal.StepUp, `acr is "bronze", want one of ["gold" "silver"]`, `, acr_values="gold silver"`},
		{strong, `"auth_time":2000000000`, refusal.StepUp, `acr is ""`, `, acr_values="gold silver"`},
		{StepUp{time.Hour, []string{"gold"}}, `"auth_time":2000000000`, refusal.StepUp, "acr is", `, acr_values="gold", max_age="3600"`},
	} {
		err := tt.need.Check(claims(t, `{"exp":2000000001,`+tt.payload+`}`), now, leeway)
		if r := refused(t, tt.payload, err, tt.want, tt.cause); r.StepUp != tt.authenticates {
			t.Errorf("%s: %q, want %q", tt.payload, r.StepUp, tt.authenticates)
		}
	}
	for _, tt := range []struct {
		need StepUp
		want bool
	}{
		{minute, true}, {strong, true}, {StepUp{time.Second, []string{"a"}}, true},
		{StepUp{}, false}, {StepUp{MaxAge: time.Second - 1}, false}, {StepUp{time.Millisecond, []string{"a"}}, false},
		{StepUp{-1, []string{"a"}}, false}, {StepUp{time.Minute, []string{"a b"}}, false}, {StepUp{MaxAge: -time.Hour}, false},
	} {
		if tt.need.IsUsable() != tt.want {
			t.Errorf("%+v: %v", tt.need, !tt.want)
		}
	}
}
