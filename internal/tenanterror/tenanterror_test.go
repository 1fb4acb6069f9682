package tenanterror

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"golang.org/x/oauth2"
)

// TestParse: the shapes of package tenantapi, and the demand for a second factor.
func TestParse(t *testing.T) {
	t.Parallel()
	header := http.Header{"Retry-After": {"7"}}
	for _, tt := range []struct {
		why, body string
		want      Error
	}{
		{"RFC 6749", `{"error":"invalid_grant","error_description":"Wrong."}`, Error{Code: "invalid_grant", Description: "Wrong."}},
		{"Management API", `{"error":"Not Found","errorCode":"inexistent_user"}`, Error{Code: "inexistent_user"}},
		{"HTML", `<html>`, Error{}},
		{"nothing", ``, Error{}},
		{"a token, and no demand", `{"error":"invalid_grant","mfa_token":"TOKEN"}`, Error{Code: "invalid_grant"}},
		{"no token", `{"error":"mfa_required"}`, Error{Code: "mfa_required"}},
		{"an empty token", `{"error":"mfa_required","mfa_token":""}`, Error{Code: "mfa_required"}},
		{"no text as token", `{"error":"mfa_required","mfa_token":{"a":1}}`, Error{Code: "mfa_required"}},
	} {
		tt.want.Status, tt.want.Wait = 403, 7*time.Second
		if got := Parse(403, header, []byte(tt.body)); got != tt.want {
			t.Errorf("%s: %+v", tt.why, got)
		}
	}
}

// TestDemand: the demand has the token and the kinds of factors, if present.
func TestDemand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why, requirements string
		challenge, enroll []string
	}{
		{"both", `{"challenge":[{"type":"otp"},{"type":"phone"}],"enroll":[{"type":"email"}]}`, []string{"otp", "phone"}, []string{"email"}},
		{"none", `null`, nil, nil},
		{"no list", `{"challenge":"otp"}`, nil, nil},
		{"not a word", `{"challenge":[{"type":"<script>"}]}`, []string{"unknown_error"}, nil},
	} {
		body := `{"error":"mfa_required","mfa_token":"TOKEN","mfa_requirements":` + tt.requirements + `}`
		got := Parse(403, nil, []byte(body)).MFA
		if got == nil || got.Token.Reveal() != "TOKEN" || !reflect.DeepEqual(got.Challenge, tt.challenge) ||
			!reflect.DeepEqual(got.Enroll, tt.enroll) {
			t.Errorf("%s: %+v", tt.why, got)
		}
	}
	if got := Parse(403, nil, []byte(`{"error":"mfa_required","mfa_token":"TOKEN"}`)).MFA; got == nil ||
		got.Token.Reveal() != "TOKEN" || got.Challenge != nil {
		t.Errorf("without requirements: %+v", got)
	}
}

// TestTokenDoesNotPrint: a program can log the error.
func TestTokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	e := Parse(403, nil, []byte(`{"error":"mfa_required","error_description":"Second factor.","mfa_token":"CANARY-0123456789"}`))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{e, &e, e.MFA, e.Refusal(unset)} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "CANARY-0123456789") {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
}

// TestOf finds the response of the tenant in the errors of three packages.
func TestOf(t *testing.T) {
	t.Parallel()
	said := Error{Status: 403, Code: "invalid_grant", Description: "Wrong.", Wait: time.Minute}
	response := &http.Response{StatusCode: 403, Header: http.Header{"Retry-After": {"60"}}}
	body := []byte(`{"error":"invalid_grant","error_description":"Wrong."}`)
	for _, tt := range []struct {
		why   string
		err   error
		found bool
	}{
		{"of this package", said, true},
		{"of package tenantapi", &tenantapi.Error{Status: 403, Code: "invalid_grant", Description: "Wrong.", Wait: time.Minute}, true},
		{"of package oauth2", &oauth2.RetrieveError{Response: response, Body: body}, true},
		{"of package oauth2, without a response", &oauth2.RetrieveError{Body: body}, false},
		{"another", errors.New("another"), false},
		{"none", nil, false},
	} {
		want := Error{}
		if tt.found {
			want = said
		}
		if got, ok := Of(tt.err); ok != tt.found || got != want {
			t.Errorf("%s: %+v, %v", tt.why, got, ok)
		}
		if tt.err == nil {
			continue
		}
		if got, ok := Of(fmt.Errorf("around: %w", tt.err)); ok != tt.found || got != want {
			t.Errorf("%s, inside another error: %+v, %v", tt.why, got, ok)
		}
	}
	demand := Parse(403, nil, []byte(`{"error":"mfa_required","mfa_token":"TOKEN"}`))
	if got, _ := Of(fmt.Errorf("around: %w", demand)); got.MFA != demand.MFA {
		t.Errorf("the demand is lost: %+v", got)
	}
}

// TestAsTenantAPI: packages that do not know the type find the response, its text, and the
// time to wait.
func TestAsTenantAPI(t *testing.T) {
	t.Parallel()
	e := Error{Status: 429, Code: "too_many_requests", Description: "Slow down.", Wait: time.Minute}
	got, ok := errors.AsType[*tenantapi.Error](fmt.Errorf("around: %w", e))
	if want := (tenantapi.Error{Status: 429, Code: "too_many_requests", Description: "Slow down.", Wait: time.Minute}); !ok || *got != want {
		t.Errorf("%+v", got)
	}
	if _, ok := errors.AsType[*oauth2.RetrieveError](e); ok {
		t.Error("it is an error of another type too")
	}
	if e.Error() != got.Error() || !strings.Contains(e.Error(), "429") || e.RetryAfter() != time.Minute {
		t.Errorf("%q, %v", e, e.RetryAfter())
	}
}
