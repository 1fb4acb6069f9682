package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

var now = time.Unix(2_000_000_000, 0)

// A rejection is the wanted result of a check, and a part of its cause. Without a fault,
// the check accepts the token.
type rejection struct {
	fault *fault.Fault
	cause string
}

var accepted = rejection{}

func expect(t *testing.T, why string, err error, want rejection) {
	t.Helper()
	if want.fault == nil {
		if err != nil {
			t.Errorf("%s: %v", why, err)
		}
		return
	}
	got, ok := errors.AsType[*fault.Fault](err)
	if !ok || !errors.Is(err, want.fault) || got.Cause == nil || !strings.Contains(got.Cause.Error(), want.cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want.fault, want.cause)
	}
}

func claims(t *testing.T, payload string) *jwt.Claims {
	t.Helper()
	c, err := jwt.ParseClaims(payload, false, Optional)
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return &c
}

// TestRules: each bad requirement is reported under its name.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rules Rules
		want  string
	}{
		{Rules{}, ""},
		{Rules{MaxAge: time.Hour, Required: []string{"x"}}, ""},
		{Rules{MaxAge: -1}, "MaxTokenAge"},
		{Rules{Required: []string{"x", ""}}, "RequiredClaims"},
	} {
		got := ""
		tt.rules.Check(func(field, _ string, _ ...any) { got += field })
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.rules, got, tt.want)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rules    Rules
		alg, typ string
		want     rejection
	}{
		{Rules{}, "RS256", "", accepted},
		{Rules{}, "any", "jwt", accepted},
		{Rules{Algorithms: []string{"ES256", "RS256"}}, "RS256", "JWT", accepted},
		{Rules{}, "RS256", "at+jwt", accepted},
		{Rules{Strict: true}, "RS256", "AT+JWT", accepted},
		{Rules{Strict: true}, "RS256", "application/at+jwt", accepted},

		{Rules{Algorithms: []string{"ES256", "RS256"}}, "PS256", "JWT", rejection{fault.Algorithm, `alg is "PS256"`}},
		{Rules{}, "RS256", "logout+jwt", rejection{fault.Type, `typ is "logout+jwt"`}},
		{Rules{Strict: true}, "RS256", "JWT", rejection{fault.Type, `typ is "JWT"`}},
		{Rules{Strict: true}, "RS256", "", rejection{fault.Type, `typ is ""`}},
	} {
		err := tt.rules.CheckHeader(jwt.Message{Algorithm: tt.alg, Type: tt.typ})
		expect(t, tt.alg+" "+tt.typ, err, tt.want)
	}
}

func TestCheckAge(t *testing.T) {
	t.Parallel()
	rules := Rules{Leeway: 5 * time.Second, MaxAge: time.Minute}
	for _, tt := range []struct {
		rules   Rules
		payload string
		want    rejection
	}{
		{rules, `{"exp":2000000001,"iat":2000000000}`, accepted},
		{rules, `{"exp":2000000001,"iat":1999999935}`, accepted},
		{Rules{}, `{"exp":2000000001}`, accepted},
		{rules, `{"exp":1999999996,"iat":2000000000}`, accepted},

		{rules, `{"exp":1999999995,"iat":1999999990}`, rejection{fault.Expired, "exp was"}},
		{rules, `{"exp":2000000001}`, rejection{fault.Claim, "APIConfig.MaxTokenAge"}},
		{rules, `{"exp":2000000001,"iat":1999999934}`, rejection{fault.TooOld, "APIConfig.MaxTokenAge is 1m0s"}},
	} {
		expect(t, tt.payload, tt.rules.CheckAge(claims(t, tt.payload), now), tt.want)
	}
}

// TestCheckClaims has one row per refusal. The algorithm comes first, then the times.
func TestCheckClaims(t *testing.T) {
	t.Parallel()
	const profile = `"sub":"s","client_id":"c","iat":1999999999,"jti":"j",`
	from := Issuer{Audiences: []string{"https://api.example/", "second"}, Algorithms: []string{"RS256"}, Clients: nil}
	clients := func(names ...string) Issuer { f := from; f.Clients = names; return f }
	strict := Rules{Strict: true}
	for _, tt := range []struct {
		rules   Rules
		from    Issuer
		payload string // without exp
		want    rejection
	}{
		{Rules{}, from, `"aud":"https://api.example/"`, accepted},
		{Rules{}, from, `"aud":["https://other.example/","second"]`, accepted},
		{Rules{}, clients("other"), `"aud":"https://api.example/","client_id":"c"`, accepted},
		{Rules{}, clients("b", "c"), `"client_id":"c"`, accepted},
		{Rules{}, clients("c"), `"azp":"c"`, accepted},
		{strict, from, profile + `"aud":"second"`, accepted},
		{Rules{Required: []string{"x"}}, from, `"aud":"second","x":false`, accepted},
		{Rules{RejectAnonymous: true}, from, `"aud":"second","sub":"auth0|1"`, accepted},

		{Rules{}, Issuer{from.Audiences, []string{"ES256"}, nil}, `"aud":"second"`, rejection{fault.Algorithm, `alg is "RS256"`}},
		{Rules{MaxAge: time.Minute}, from, `"aud":"second"`, rejection{fault.Claim, "no iat"}},
		{Rules{}, from, `"aud":"https://api.example"`, rejection{fault.Audience, "they differ in the slash at the end"}},
		{Rules{}, from, `"aud":"second/"`, rejection{fault.Audience, "they differ in the slash at the end"}},
		{Rules{}, from, `"aud":"https://API.example/"`, rejection{fault.Audience, "must request an access token for that audience"}},
		{Rules{}, clients("c"), `"aud":"https://other.example/","client_id":"c"`, rejection{fault.Audience, "must request an access token for that audience"}},
		{Rules{}, clients("c"), `"aud":[],"client_id":"c"`, rejection{fault.Audience, "must request an access token for that audience"}},
		{Rules{}, from, `"aud":"c","nonce":"n"`, rejection{fault.Audience, "nonce"}},
		{Rules{}, from, `"client_id":"c"`, rejection{fault.Audience, "see Issuer.AcceptMissingAudienceFrom"}},
		{Rules{}, clients("c"), `"client_id":"other"`, rejection{fault.Audience, `the client id is "other"`}},
		{Rules{}, clients("c"), `"client_id":"other","azp":"c"`, rejection{fault.Audience, `the client id is "other"`}},
		{Rules{}, clients("c"), `"x":1`, rejection{fault.Audience, `the client id is ""`}},
		{Rules{}, from, `"aud":"second","at_hash":"h"`, rejection{fault.Type, "at_hash"}},
		{strict, from, strings.Replace(profile, `"sub":"s",`, "", 1) + `"aud":"second"`, rejection{fault.Claim, "no usable sub"}},
		{strict, from, strings.Replace(profile, `"client_id":"c",`, "", 1) + `"aud":"second"`, rejection{fault.Claim, "no usable client_id"}},
		{strict, from, strings.Replace(profile, `"iat":1999999999,`, "", 1) + `"aud":"second"`, rejection{fault.Claim, "no usable iat"}},
		{strict, from, strings.Replace(profile, `"jti":"j",`, "", 1) + `"aud":"second"`, rejection{fault.Claim, "no usable jti"}},
		{strict, clients("c"), strings.TrimSuffix(profile, ","), rejection{fault.Claim, "no usable aud"}},
		{Rules{Strict: true, Leeway: time.Minute}, from, strings.Replace(profile, "1999999999", "2000000002", 1) + `"aud":"second"`, rejection{fault.Claim, "exp is before iat"}},
		{Rules{RejectAnonymous: true}, from, `"aud":"second","sub":"anon@1"`, rejection{fault.Claim, "APIConfig.RejectAnonymous"}},
		{Rules{Required: []string{"x"}}, from, `"aud":"second"`, rejection{fault.Claim, "APIConfig.RequiredClaims"}},
		{Rules{Required: []string{"x"}}, from, `"aud":"second","x":null`, rejection{fault.Claim, "APIConfig.RequiredClaims"}},
	} {
		payload := `{"exp":2000000001,` + tt.payload + `}`
		err := tt.rules.CheckClaims(tt.from, jwt.Message{Algorithm: "RS256", Payload: payload}, claims(t, payload), now)
		expect(t, payload, err, tt.want)
	}
}

func TestIsAnonymous(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]bool{"anon@1": true, "anon@": true, "": false, "auth0|anon@": false, "Anon@1": false, "anon": false} {
		if IsAnonymous(subject) != want {
			t.Errorf("%q: %v", subject, !want)
		}
	}
}
