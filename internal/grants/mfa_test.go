package grants

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

func demand(token string) *tenanterror.MFADemand {
	return &tenanterror.MFADemand{Token: secret.OfText(token), Challenge: []string{"otp", "phone"}, Enroll: []string{"email"}}
}

// ofRefresh is the demand of a refresh.
var ofRefresh = Purpose{Scope: "a", Audience: "b", Organization: "c", Session: "d", Issuer: "e", Subject: "f"}

// TestShown: a program sees the factors, and cannot change those of the MFA.
func TestShown(t *testing.T) {
	t.Parallel()
	g, _ := newGrants(t, 200, bearer)
	m := g.Demanded(demand("TOKEN"), ofRefresh)
	for range 2 {
		shown := m.Shown()
		if !reflect.DeepEqual(shown, Shown{Challenge: []string{"otp", "phone"}, Enroll: []string{"email"}}) || m.Purpose() != ofRefresh {
			t.Errorf("%+v, %+v", shown, m.Purpose())
		}
		shown.Challenge[0], shown.Enroll[0] = "x", "x"
	}
	if none := (MFA{}); none.Purpose() != (Purpose{}) || none.Shown().Challenge != nil {
		t.Errorf("%+v", none.Shown())
	}
}

// TestSealed: a sealed MFA opens at each instance of the application.
func TestSealed(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, `{"challenge_type":"oob","oob_code":"CODE","binding_method":"prompt"}`)
	m, err := g.Challenge(t.Context(), g.Demanded(demand("TOKEN"), ofRefresh), "")
	if err != nil {
		t.Fatal(err)
	}
	s.requests = nil
	other, s := newGrants(t, 200, bearer)
	opened, err := other.Open(g.Seal(m))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(opened.Shown(), m.Shown()) || opened.Purpose() != ofRefresh || opened.Shown().Type != "oob" ||
		opened.Shown().BindingMethod != "prompt" {
		t.Errorf("%+v, %+v", opened.Shown(), opened.Purpose())
	}
	r, err := opened.OOB("x")
	if form, _ := send(t, other, s, r, err); form.Get("mfa_token") != "TOKEN" || form.Get("oob_code") != "CODE" {
		t.Errorf("%v", form)
	}
}

// TestSealedForm: instances of an older version of the program open it too.
func TestSealedForm(t *testing.T) {
	t.Parallel()
	g, _ := newGrants(t, 200, bearer)
	plain, _, ok := g.Keyring.Open("mfa", "mfa", g.Seal(g.Demanded(demand("TOKEN"), ofRefresh)))
	if !ok {
		t.Fatal("it does not open")
	}
	var got map[string]any
	if err := json.Unmarshal(plain, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"token": "TOKEN", "scope": "a", "aud": "b", "org": "c", "session": "d", "iss": "e", "sub": "f", "iat": 1893553445.0,
		"base":   "https://tenant.example/",
		"client": "client", "challenge": []any{"otp", "phone"}, "enroll": []any{"email"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	old := `{"token":"TOKEN","oob":"CODE","scope":"a","iat":1893553445,
		"base":"https://tenant.example/","client":"client","type":"oob","binding":"prompt"}`
	m, err := g.Open(g.Keyring.Seal("mfa", "mfa", []byte(old)))
	if err != nil || m.Shown().Type != "oob" || m.Shown().BindingMethod != "prompt" || m.Purpose() != (Purpose{Scope: "a"}) {
		t.Errorf("%+v, %v", m.Shown(), err)
	}
}

// TestOpenRefusals has the values that do not open.
func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, bearer)
	begun := s.at
	sealed := g.Seal(g.Demanded(demand("TOKEN"), Purpose{}))
	const closed = "the sealed MFA does not open"
	for _, tt := range []struct {
		why, sealed string
		edit        func(*Grants)
		after       time.Duration
		part        string // empty if it opens
	}{
		{"at once", sealed, func(*Grants) {}, 0, ""},
		{"almost five minutes", sealed, func(*Grants) {}, 5*time.Minute - time.Second, ""},
		{"five minutes", sealed, func(*Grants) {}, 5 * time.Minute, "the sealed MFA is 5m0s old"},
		{"a minute ahead", sealed, func(*Grants) {}, -time.Minute, ""},
		{"more than a minute ahead", sealed, func(*Grants) {}, -61 * time.Second, "the sealed MFA is -1m1s old"},
		{"nothing", "", func(*Grants) {}, 0, closed},
		{"something else", "CANARY-0123456789", func(*Grants) {}, 0, closed},
		{"sealed for something else", g.Keyring.Seal("session", "session", []byte("{}")), func(*Grants) {}, 0, closed},
		{"no JSON", g.Keyring.Seal("mfa", "mfa", []byte("[")), func(*Grants) {}, 0, closed},
		{"of another tenant", sealed, func(g *Grants) { g.Client.Tenant = &provider.Tenant{Issuer: "https://other.example/"} }, 0, closed},
		{"of another application", sealed, func(g *Grants) { g.Client.ID = "other" }, 0, closed},
	} {
		edited, client := *g, *g.Client
		edited.Client = &client
		tt.edit(&edited)
		s.at = begun.Add(tt.after)
		_, err := edited.Open(tt.sealed)
		if tt.part == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.why, err)
			}
			continue
		}
		checkRefused(t, tt.why, err, refusal.MFAExpired, tt.part)
	}
}

// TestFactors: the active factors.
func TestFactors(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, `[
		{"id":"otp|1","authenticator_type":"otp","active":true},
		{"id":"sms|2","authenticator_type":"oob","oob_channel":"sms","name":"XXXX1","active":true},
		{"id":"sms|3","authenticator_type":"oob","oob_channel":"sms","name":"XXXX2","active":false},
		{"id":"x|4","authenticator_type":"otp"}]`)
	m := g.Demanded(demand("TOKEN"), Purpose{})
	got, err := g.Factors(t.Context(), m)
	if want := []Factor{{"otp|1", "otp", "", ""}, {"sms|2", "oob", "sms", "XXXX1"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if r := s.last(); r.method != "GET" || r.url != "https://tenant.example/mfa/authenticators" ||
		r.header.Get("Authorization") != "Bearer TOKEN" || r.text != "" {
		t.Errorf("%+v", r)
	}
	s.body = `[]`
	if got, err := g.Factors(t.Context(), m); got != nil || err != nil {
		t.Errorf("none: %+v, %v", got, err)
	}
	for _, tt := range []struct {
		status int
		body   string
		row    refusal.Row
	}{
		{200, `{}`, refusal.TenantAnswer},
		{403, `{"error":"invalid_grant"}`, refusal.MFAExpired},
		{403, `{"error":"expired_token"}`, refusal.MFAExpired},
		{503, ``, refusal.TenantDown},
	} {
		s.status, s.body = tt.status, tt.body
		got, err := g.Factors(t.Context(), m)
		checkRefused(t, tt.body, err, tt.row, "")
		if got != nil {
			t.Errorf("%s: %+v", tt.body, got)
		}
	}
}

// TestChallenge: the request, and the MFA for the answer.
func TestChallenge(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 0, "")
	m := g.Demanded(demand("TOKEN"), ofRefresh)
	const credentials = `"client_id":"client","client_secret":"the-secret",`
	for _, tt := range []struct {
		id, sent, body string
		status         int
		want           Shown
		row            refusal.Row
	}{
		{"", `{"challenge_type":"oob otp",` + credentials + `"mfa_token":"TOKEN"}`, `{"challenge_type":"otp"}`, 200, Shown{Type: "otp"},
			refusal.Row{}},
		{"sms|2", `{"authenticator_id":"sms|2","challenge_type":"oob otp",` + credentials + `"mfa_token":"TOKEN"}`,
			`{"challenge_type":"oob","oob_code":"CODE","binding_method":"prompt"}`, 200, Shown{Type: "oob", BindingMethod: "prompt"}, refusal.Row{}},
		{"", "", `{"challenge_type":"oob","oob_code":"CODE"}`, 200, Shown{Type: "oob"}, refusal.Row{}},
		{"", "", `{"challenge_type":"oob"}`, 200, Shown{}, refusal.TenantAnswer},
		{"", "", `{"challenge_type":"otp","oob_code":"CODE"}`, 200, Shown{}, refusal.TenantAnswer},
		{"", "", `{"challenge_type":"push","oob_code":"CODE"}`, 200, Shown{}, refusal.TenantAnswer},
		{"", "", `{"challenge_type":"push"}`, 200, Shown{}, refusal.TenantAnswer},
		{"", "", `{}`, 200, Shown{}, refusal.TenantAnswer},
		{"", "", `<html>`, 200, Shown{}, refusal.TenantAnswer},
		{"", "", `{"error":"invalid_grant"}`, 403, Shown{}, refusal.MFAExpired},
		{"", "", `{"error":"unsupported_challenge_type"}`, 400, Shown{}, refusal.Grant},
		{"", "", ``, 503, Shown{}, refusal.TenantDown},
	} {
		s.status, s.body = tt.status, tt.body
		got, err := g.Challenge(t.Context(), m, tt.id)
		r := s.last()
		if r.method != "POST" || r.url != "https://tenant.example/mfa/challenge" || tt.sent != "" && r.text != tt.sent {
			t.Errorf("%+v", r)
		}
		if tt.row != (refusal.Row{}) {
			checkRefused(t, tt.body, err, tt.row, "")
			continue
		}
		tt.want.Challenge, tt.want.Enroll = []string{"otp", "phone"}, []string{"email"}
		if err != nil || !reflect.DeepEqual(got.Shown(), tt.want) || got.Purpose() != ofRefresh {
			t.Errorf("%s: %+v, %v", tt.body, got.Shown(), err)
		}
		if m.Shown().Type != "" {
			t.Error("the MFA that was given has changed")
		}
	}
}

// TestAnswers: the token requests with a second factor.
func TestAnswers(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, `{"challenge_type":"oob","oob_code":"CODE","binding_method":"prompt"}`)
	m := g.Demanded(demand("TOKEN"), ofRefresh)
	sent, err := g.Challenge(t.Context(), m, "")
	if err != nil {
		t.Fatal(err)
	}
	s.last()
	s.body = bearer
	for _, tt := range []struct {
		why  string
		m    MFA
		make func(MFA, string) (*Request, error)
		code string
		want url.Values
		row  refusal.Row
		part string
	}{
		{"a code of an app", m, MFA.OTP, "1", url.Values{"grant_type": {"http://auth0.com/oauth/grant-type/mfa-otp"},
			"mfa_token": {"TOKEN"}, "otp": {"1"}}, refusal.Row{}, ""},
		{"a recovery code", m, MFA.RecoveryCode, "2", url.Values{"grant_type": {"http://auth0.com/oauth/grant-type/mfa-recovery-code"},
			"mfa_token": {"TOKEN"}, "recovery_code": {"2"}}, refusal.Row{}, ""},
		{"a code of a message", sent, MFA.OOB, "3", url.Values{"grant_type": {"http://auth0.com/oauth/grant-type/mfa-oob"},
			"mfa_token": {"TOKEN"}, "oob_code": {"CODE"}, "binding_code": {"3"}}, refusal.Row{}, ""},
		{"a push notification", sent, MFA.OOB, "", url.Values{"grant_type": {"http://auth0.com/oauth/grant-type/mfa-oob"},
			"mfa_token": {"TOKEN"}, "oob_code": {"CODE"}}, refusal.Row{}, ""},
		{"no code of an app", m, MFA.OTP, "", nil, refusal.Credentials, "the code is empty"},
		{"no recovery code", m, MFA.RecoveryCode, "", nil, refusal.Credentials, "the code is empty"},
		{"nothing was sent", m, MFA.OOB, "3", nil, refusal.GrantRequest, "nothing was sent yet: use the MFA that SendChallenge returns"},
	} {
		r, err := tt.make(tt.m, tt.code)
		if tt.want == nil {
			checkRefused(t, tt.why, err, tt.row, tt.part)
			continue
		}
		if form, _ := send(t, g, s, r, err); !reflect.DeepEqual(form, tt.want) {
			t.Errorf("%s: %v", tt.why, form)
		}
	}
	// A user can try again after a wrong code.
	s.status, s.body = 403, `{"error":"invalid_grant"}`
	r, err := m.OTP("1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Send(t.Context(), r)
	checkRefused(t, "a wrong code", err, refusal.Credentials, "")
}
