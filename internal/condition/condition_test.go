package condition

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// TestAnd: a session that meets the joint demand meets each of the two.
func TestAnd(t *testing.T) {
	t.Parallel()
	age := func(seconds int) *int { return &seconds }
	text := func(d Demand) string {
		seconds := -1
		if d.MaxAge != nil {
			seconds = *d.MaxAge
		}
		return fmt.Sprint(seconds, d.ACR, d.Organizations)
	}
	for _, row := range []struct {
		why  string
		a, b Demand
		want string // empty if there is none
	}{
		{"nothing", Demand{}, Demand{}, "-1 [] []"},
		{"one side", Demand{MaxAge: age(5), ACR: []string{"a"}, Organizations: []string{"o"}}, Demand{}, "5 [a] [o]"},
		{"ages", Demand{MaxAge: age(5)}, Demand{MaxAge: age(7)}, "5 [] []"},
		{"different things", Demand{MaxAge: age(5)}, Demand{ACR: []string{"a"}}, "5 [a] []"},
		{"common acr", Demand{ACR: []string{"a", "b"}}, Demand{ACR: []string{"b", "c"}}, "-1 [b] []"},
		{"no common acr", Demand{ACR: []string{"a"}}, Demand{ACR: []string{"b"}}, ""},
		{"common organization", Demand{Organizations: []string{"o", "p"}}, Demand{Organizations: []string{"p"}}, "-1 [] [p]"},
		{"no common organization", Demand{Organizations: []string{"o"}}, Demand{Organizations: []string{"p"}}, ""},
	} {
		for _, pair := range [][2]Demand{{row.a, row.b}, {row.b, row.a}} {
			got, ok := pair[0].And(pair[1])
			if ok != (row.want != "") || ok && text(got) != row.want {
				t.Errorf("%s: %s, %v, want %s", row.why, text(got), ok, row.want)
			}
		}
	}
}

// TestCheck has a row for each refusal, and controls beside it.
func TestCheck(t *testing.T) {
	t.Parallel()
	const (
		at     = 1_800_000_000
		leeway = time.Minute
		mfa    = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
	)
	age := func(seconds int) Demand { return Demand{MaxAge: &seconds, Began: at - 10} }
	acr := func(values ...string) Demand { return Demand{ACR: values} }
	org := func(names ...string) Demand { return Demand{Organizations: names} }
	all := Demand{MaxAge: age(300).MaxAge, ACR: []string{"strong"}, Organizations: []string{"org_a"}}
	for _, row := range []struct {
		why    string
		demand Demand
		facts  Facts
		want   *fault.Fault
		cause  string
	}{
		{"nothing is asked", Demand{}, Facts{}, nil, ""},
		{"young", age(300), Facts{Time: at - 1}, nil, ""},
		{"as old as allowed, with leeway", age(300), Facts{Time: at - 360}, nil, ""},
		{"older", age(300), Facts{Time: at - 360.5}, fault.AuthTime, "auth_time is 360 s ago, max_age is 300"},
		{"unknown time", age(300), Facts{}, fault.AuthTime, "auth_time is missing"},
		{"in the login", age(0), Facts{Time: at - 70}, nil, ""},
		{"before the login", age(0), Facts{Time: at - 70.5}, fault.AuthTime, "before the start of the login"},
		{"unknown time, new one asked for", age(0), Facts{}, fault.AuthTime, "auth_time is missing"},

		{"acr", acr("a", "b"), Facts{ACR: "b"}, nil, ""},
		{"other acr", acr("a", "b"), Facts{ACR: "c"}, fault.ACR, `acr is "c" and amr is [], want one of ["a" "b"]`},
		{"acr in capitals", acr("a"), Facts{ACR: "A"}, fault.ACR, ""},
		{"no acr", acr("a"), Facts{}, fault.ACR, "an Action must turn acr_values into a second factor"},
		{"second factor, by acr", acr(mfa), Facts{ACR: mfa}, nil, ""},
		{"second factor, by amr", acr("a", mfa), Facts{AMR: []string{"pwd", "mfa"}}, nil, ""},
		{"no second factor", acr(mfa), Facts{AMR: []string{"pwd", "MFA", "otp"}, ACR: "mfa"}, fault.ACR, `amr is ["pwd" "MFA" "otp"]`},
		{"amr does not stand for another class", acr("a"), Facts{AMR: []string{"mfa"}}, fault.ACR, ""},

		{"organization", org("org_a"), Facts{OrgID: "org_a"}, nil, ""},
		{"one of two", org("org_a", "org_b"), Facts{OrgID: "org_b"}, nil, ""},
		{"other organization", org("org_a"), Facts{OrgID: "org_b"}, fault.Organization, `org_id is "org_b", the login was to "org_a"`},
		{"none of two", org("org_a", "org_b"), Facts{OrgID: "org_c"}, fault.Organization, `the login was to "org_a org_b"`},
		{"id in capitals", org("org_a"), Facts{OrgID: "ORG_A"}, fault.Organization, ""},
		{"name that looks like an id", org("org_a"), Facts{OrgID: "org_b", OrgName: "org_a"}, fault.Organization, ""},
		{"no organization", org("org_a"), Facts{}, fault.Organization, ""},
		{"by name", org("acme"), Facts{OrgID: "org_a", OrgName: "ACME"}, nil, ""},
		{"id that looks like a name", org("acme"), Facts{OrgID: "acme"}, fault.Organization, "the tenant must allow organization names"},
		{"empty", org(""), Facts{}, fault.Organization, ""},

		{"all", all, Facts{Time: at, ACR: "strong", OrgID: "org_a"}, nil, ""},
		{"all but the organization", all, Facts{Time: at, ACR: "strong"}, fault.Organization, ""},
		{"all but the class", all, Facts{Time: at, OrgID: "org_a"}, fault.ACR, ""},
		{"all but the age", all, Facts{Time: 1, ACR: "strong", OrgID: "org_a"}, fault.AuthTime, ""},
		{"nothing of all", all, Facts{}, fault.Organization, ""},
	} {
		got := row.demand.Check(row.facts, time.Unix(at, 0), leeway)
		if row.want == nil {
			if got != nil {
				t.Errorf("%s: %v", row.why, got)
			}
			continue
		}
		if got == nil || !got.Is(row.want) || !strings.Contains(got.Error(), row.cause) {
			t.Errorf("%s: %v, want %v because of %q", row.why, got, row.want, row.cause)
		}
	}
}
