package login

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// The parameters of all kinds of answers.
var answerParams = []string{
	"state", "code", "iss", "id_token", "access_token", "token_type", "expires_in", "scope", "error", "error_description", "error_uri",
}

func TestAnswerIsReadByParameterName(t *testing.T) {
	t.Parallel()
	values := url.Values{"unknown": {"one", "two"}}
	for _, name := range answerParams {
		values.Set(name, "the "+name)
	}
	a, err := ParseAnswer(values)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"state": a.State, "code": a.code, "iss": a.issuer, "id_token": a.idToken, "access_token": a.accessToken,
		"token_type": a.tokenType, "expires_in": a.expiresIn, "scope": *a.scope, "error": a.ErrorCode, "error_description": a.errorDescription,
	} {
		if got != "the "+name {
			t.Errorf("%s is %q", name, got)
		}
	}
	if a, err = ParseAnswer(url.Values{"state": {"s"}}); err != nil || a != (Answer{State: "s"}) {
		t.Errorf("a state alone is %+v, %v", a, err)
	}
	if a, err = ParseAnswer(url.Values{"state": {"s"}, "scope": {""}}); err != nil || a.scope == nil || *a.scope != "" {
		t.Errorf("an empty scope is %v, %v", a.scope, err)
	}
}

// TestAnswerIsRefused has a row for each repeated parameter (RFC 6749, Section 3.1) and for
// each long one.
func TestAnswerIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range answerParams {
		_, err := ParseAnswer(url.Values{"state": {"s"}, name: {"s", "s"}})
		expect(t, name+" twice", err, refusal.Parameters, "the parameter "+name+" is there 2 times")

		most := 4096
		if name == "id_token" || name == "access_token" {
			most = 32768
		}
		_, err = ParseAnswer(url.Values{"state": {"s"}, name: {strings.Repeat("x", most)}})
		expect(t, name+" as long as possible", err, refusal.Row{}, "")
		tooLong := refusal.Parameters
		if name == "error_description" { // the log has a part of it
			tooLong = refusal.Row{}
		}
		_, err = ParseAnswer(url.Values{"state": {"s"}, name: {strings.Repeat("x", most+1)}})
		expect(t, name+" too long", err, tooLong, fmt.Sprintf("the parameter %s has %d bytes", name, most+1))
	}
	_, err := ParseAnswer(url.Values{"code": {"c"}})
	expect(t, "no state", err, refusal.MissingState, "")
	_, err = ParseAnswer(url.Values{"state": {""}, "code": {"c"}})
	expect(t, "empty state", err, refusal.MissingState, "")
}

// TestResponse has a row for each rejected answer to a transaction (RFC 9207, Section 2.4;
// OpenID Connect Core 1.0, Sections 3.1.2.6 and 3.2.2.5; RFC 6749, Section 4.2.2).
func TestResponse(t *testing.T) {
	t.Parallel()
	denied, byTenant := refusal.Denied, refusal.ByTenant
	denied.Code, byTenant.Code = "access_denied", "login_required"
	unauthorized, odd := denied, byTenant
	unauthorized.Code, odd.Code = "unauthorized", "unknown_error"
	front := func(c change) change {
		return with(change{"access_token": "access", "token_type": "Bearer", "expires_in": "600", "id_token": "id"}, c)
	}
	const code, all = "code", "id_token token"
	for _, row := range []struct {
		why      string
		promised bool // the tenant sends iss with every answer
		types    string
		values   change
		want     refusal.Row
		cause    string
	}{
		{"code", false, code, change{"code": "c"}, refusal.Row{}, ""},
		{"code, iss not promised", false, code, change{"code": "c", "iss": issuer}, refusal.Row{}, ""},
		{"code, iss promised", true, code, change{"code": "c", "iss": issuer}, refusal.Row{}, ""},
		{"other iss", true, code, change{"code": "c", "iss": "https://other.example/"}, refusal.Issuer, `iss is "https://other.example/"`},
		{"other iss, not promised", false, code, change{"code": "c", "iss": "https://other.example/"}, refusal.Issuer, "iss is"},
		{"iss without its slash", true, code, change{"code": "c", "iss": "https://tenant.example"}, refusal.Issuer, "iss is"},
		{"no iss", true, code, change{"code": "c"}, refusal.Issuer, "promises iss"},
		{"empty iss", true, code, change{"code": "c", "iss": ""}, refusal.Issuer, "promises iss"},
		{"error with another iss", false, code, change{"error": "access_denied", "iss": "https://other.example/"}, refusal.Issuer, "iss is"},
		{"error without iss", true, code, change{"error": "access_denied"}, refusal.Issuer, "promises iss"},
		{"hybrid without iss", true, "code id_token", change{"code": "c", "id_token": "id"}, refusal.Row{}, ""},
		{"ID token without iss", true, "id_token", change{"id_token": "id"}, refusal.Row{}, ""},
		{"tokens without iss", true, all, front(nil), refusal.Row{}, ""},
		{"hybrid with another iss", true, "code id_token", change{"code": "c", "id_token": "id", "iss": "https://other.example/"}, refusal.Issuer, "iss is"},
		{"hybrid without iss and ID token", true, "code id_token", change{"code": "c"}, refusal.Issuer, "promises iss"},
		{"error beside an ID token without iss", true, "id_token", change{"id_token": "id", "error": "login_required"}, refusal.Issuer, "promises iss"},
		{"ID token that is not of the type, without iss", true, code, change{"code": "c", "id_token": "id"}, refusal.Issuer, "promises iss"},
		{"access token without iss", true, "token", front(nil), refusal.Issuer, "promises iss"},

		{"access_denied", false, code, change{"error": "access_denied", "error_description": "no"}, denied, `"access_denied": "no"`},
		{"unauthorized", false, code, change{"error": "unauthorized"}, unauthorized, `"unauthorized": ""`},
		{"other error", false, code, change{"error": "login_required"}, byTenant, `"login_required": ""`},
		{"error that is no code", false, code, change{"error": "a <b>"}, odd, `"a <b>": ""`},
		{"error beside a code", false, code, change{"error": "login_required", "code": "c"}, byTenant, "login_required"},
		{"error beside tokens", false, all, front(change{"error": "login_required"}), byTenant, "login_required"},

		{"no code", false, code, nil, refusal.Parameters, "neither code nor error"},
		{"tokens and no code", false, code, front(nil), refusal.Parameters, "neither code nor error"},
		{"hybrid without code", false, "code id_token", change{"id_token": "id"}, refusal.Parameters, "neither code nor error"},
		{"hybrid without ID token", false, "code id_token", change{"code": "c"}, refusal.Parameters, "neither id_token nor error"},
		{"hybrid without access token", false, "code token", change{"code": "c"}, refusal.Parameters, "neither access_token nor error"},
		{"no ID token", false, "id_token", change{"code": "c"}, refusal.Parameters, "neither id_token nor error"},
		{"ID token and no access token", false, all, change{"id_token": "id"}, refusal.Parameters, "neither access_token nor error"},
		{"access token and no ID token", false, all, front(change{"id_token": nil}), refusal.Parameters, "neither id_token nor error"},
		{"no token_type", false, "token", front(change{"token_type": nil}), refusal.Parameters, `the token type is ""`},
		{"other token_type", false, "token", front(change{"token_type": "DPoP"}), refusal.Parameters, `the token type is "DPoP"`},
		{"token_type in lower case", false, "token", front(change{"token_type": "bearer"}), refusal.Row{}, ""},
		{"expires_in is no number", false, "token", front(change{"expires_in": "soon"}), refusal.Parameters, `expires_in is "soon"`},
		{"expires_in with a fraction", false, "token", front(change{"expires_in": "1.5"}), refusal.Row{}, ""},
		{"expires_in is negative", false, "token", front(change{"expires_in": "-1"}), refusal.Parameters, "expires_in is"},
		{"expires_in is more than a year", false, "token", front(change{"expires_in": "3600000000000"}), refusal.Row{}, ""},
		{"expires_in is 0", false, "token", front(change{"expires_in": "0"}), refusal.Row{}, ""},
	} {
		tr := &transaction.Transaction{Place: transaction.Place{ResponseType: row.types}, State: "s"}
		a, err := ParseAnswer(answerTo(tr, row.values))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.response(tr, discovery.Metadata{Issuer: issuer, IssuerInResponse: row.promised}, time.Unix(began, 0))
		expect(t, row.why, err, row.want, row.cause)
		if err != nil && got != (response{}) {
			t.Errorf("%s: %+v beside a refusal", row.why, got)
		}
	}
}

// TestResponseHasWhatItsTypeNames sends everything and checks the used part.
func TestResponseHasWhatItsTypeNames(t *testing.T) {
	t.Parallel()
	values := change{
		"code": "c", "id_token": "id", "access_token": "access", "token_type": "BEARER", "expires_in": "600", "scope": "openid a",
	}
	for _, row := range []struct {
		types, code, idToken string
		hasAccessToken       bool
	}{
		{"code", "c", "", false}, {"id_token", "", "id", false}, {"token", "", "", true}, {"id_token token", "", "id", true},
		{"code id_token", "c", "id", false}, {"code token", "c", "", true}, {"code id_token token", "c", "id", true},
		{"token id_token code", "c", "id", true}, {"connect_code", "", "", false},
	} {
		tr := &transaction.Transaction{Place: transaction.Place{ResponseType: row.types}, State: "s"}
		a, err := ParseAnswer(answerTo(tr, values))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.response(tr, discovery.Metadata{Issuer: issuer}, time.Unix(began, 0))
		if err != nil || string(got.code) != row.code || got.idToken != row.idToken || (got.accessToken != nil) != row.hasAccessToken {
			t.Errorf("%s: %+v, %v", row.types, got, err)
		}
	}
}

func TestAccessTokenThroughTheBrowser(t *testing.T) {
	t.Parallel()
	now := time.Unix(began, 0)
	for _, row := range []struct {
		expiresIn, scope any
		life             time.Duration
		want             any // scope of the token
	}{
		{"600", "openid a", 10 * time.Minute, "openid a"},
		{"600", "", 10 * time.Minute, ""},
		{"600", nil, 10 * time.Minute, nil},
		{"31536000", nil, 365 * 24 * time.Hour, nil},
		{"31536001", nil, 365 * 24 * time.Hour, nil},
		{"0.5", nil, 500 * time.Millisecond, nil},
		{"0", nil, 5 * time.Minute, nil},
		{nil, nil, 5 * time.Minute, nil},
	} {
		tr := &transaction.Transaction{State: "s"}
		a, err := ParseAnswer(answerTo(tr, change{
			"access_token": "access", "token_type": "bearer", "expires_in": row.expiresIn, "scope": row.scope,
		}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.token(now)
		if err != nil {
			t.Errorf("%v: %v", row, err)
			continue
		}
		if got.AccessToken != "access" || got.TokenType != "Bearer" || got.RefreshToken != "" || got.Extra("scope") != row.want {
			t.Errorf("%v: %+v with the scope %v", row, got, got.Extra("scope"))
		}
		if !got.Expiry.Equal(now.Add(row.life)) || got.ExpiresIn != max(1, int64(row.life/time.Second)) {
			t.Errorf("%v: it is good until %v, %d seconds", row, got.Expiry, got.ExpiresIn)
		}
	}
}

// TestStateOfAnUnreadableAnswer: the state of an answer with another mistake is kept, so
// that the login under way is found. A state that is itself the mistake is not.
func TestStateOfAnUnreadableAnswer(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("s", 4096)
	for _, tt := range []struct {
		state []string
		want  string
	}{
		{[]string{"s"}, "s"},
		{[]string{longest}, longest},
		{[]string{longest + "s"}, ""},
		{[]string{"s", "s"}, ""},
		{nil, ""},
	} {
		answer, err := ParseAnswer(url.Values{"state": tt.state, "code": {"c", "c"}})
		if err == nil || answer.State != tt.want {
			t.Errorf("%d states: %.10q, %v", len(tt.state), answer.State, err)
		}
	}
}
