package grants

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// TestRequests: the form of each grant, the header, and the purpose of the request.
func TestRequests(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, bearer)
	for _, tt := range []struct {
		why     string
		make    func() (*Request, error)
		form    url.Values
		header  string // Auth0-Forwarded-For
		purpose Purpose
	}{
		{"a custom grant", func() (*Request, error) {
			return Custom("urn:x", url.Values{"scope": {"a"}, "audience": {"b"}, "organization": {"c"}, "extra": {""}})
		}, url.Values{"grant_type": {"urn:x"}, "scope": {"a"}, "audience": {"b"}, "organization": {"c"}, "extra": {""}}, "",
			Purpose{Scope: "a", Audience: "b", Organization: "c"}},
		{"a password", func() (*Request, error) { return g.Password("ada", "pass", "", Wish{}) },
			url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {"pass"}, "scope": {"openid email"},
				"audience": {"https://api.example/"}}, "",
			Purpose{Scope: "openid email", Audience: "https://api.example/"}},
		{"a password of a connection", func() (*Request, error) {
			return g.Password("ada", "pass", "users", Wish{Scopes: []string{"a"}, Audience: "b", ForwardedFor: netip.MustParseAddr("192.0.2.1")})
		}, url.Values{"grant_type": {"http://auth0.com/oauth/grant-type/password-realm"}, "realm": {"users"}, "username": {"ada"},
			"password": {"pass"}, "scope": {"openid a"}, "audience": {"b"}},
			"192.0.2.1", Purpose{Scope: "openid a", Audience: "b"}},
		{"no scopes but openid", func() (*Request, error) { return g.Password("ada", "pass", "", Wish{Scopes: []string{}}) },
			url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {"pass"}, "scope": {"openid"},
				"audience": {"https://api.example/"}}, "",
			Purpose{Scope: "openid", Audience: "https://api.example/"}},
		{"a code by e-mail", func() (*Request, error) {
			return g.Code(Recipient{Email: "ada@example.com"}, "123456", Wish{ForwardedFor: netip.MustParseAddr("::ffff:192.0.2.1")})
		}, url.Values{"grant_type": {"http://auth0.com/oauth/grant-type/passwordless/otp"}, "realm": {"email"},
			"username": {"ada@example.com"}, "otp": {"123456"}, "scope": {"openid email"}, "audience": {"https://api.example/"}},
			"192.0.2.1", Purpose{Scope: "openid email", Audience: "https://api.example/"}},
		{"a code by text message", func() (*Request, error) {
			return g.Code(Recipient{PhoneNumber: "+442079460000"}, "123456", Wish{Audience: "b", ForwardedFor: netip.MustParseAddr("fe80::1%eth0")})
		}, url.Values{"grant_type": {"http://auth0.com/oauth/grant-type/passwordless/otp"}, "realm": {"sms"},
			"username": {"+442079460000"}, "otp": {"123456"}, "scope": {"openid email"}, "audience": {"b"}},
			"fe80::1", Purpose{Scope: "openid email", Audience: "b"}},
		{"an exchange of an access token", Exchange{SubjectToken: "t"}.Request,
			url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"t"},
				"subject_token_type":   {"urn:ietf:params:oauth:token-type:access_token"},
				"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}, "", Purpose{}},
		{"an exchange of an access token for another kind", Exchange{SubjectToken: "t", RequestedTokenType: "urn:kind"}.Request,
			url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"t"},
				"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "requested_token_type": {"urn:kind"}}, "", Purpose{}},
		{"an exchange with everything", Exchange{
			SubjectToken: "t", SubjectTokenType: "urn:t", ActorToken: "a", ActorTokenType: "urn:a", RequestedTokenType: "urn:r", Audience: "b",
			Scopes: []string{"x", "y"}, Organization: "org_1", ForwardedFor: netip.MustParseAddr("2001:db8::1"), Extra: url.Values{"extra": {"1"}},
		}.Request, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"t"},
			"subject_token_type": {"urn:t"},
			"actor_token":        {"a"}, "actor_token_type": {"urn:a"}, "requested_token_type": {"urn:r"}, "audience": {"b"}, "scope": {"x y"},
			"organization": {"org_1"}, "extra": {"1"}},
			"2001:db8::1", Purpose{Scope: "x y", Audience: "b", Organization: "org_1"}},
		{"an exchange of another kind", Exchange{SubjectToken: "t", SubjectTokenType: "urn:t"}.Request,
			url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"t"},
				"subject_token_type": {"urn:t"}}, "", Purpose{}},
		{"an exchange for a login", func() (*Request, error) {
			return g.ExchangeForLogin(Exchange{SubjectToken: "t", SubjectTokenType: "urn:t", ForwardedFor: netip.MustParseAddr("192.0.2.1")})
		}, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"t"}, "subject_token_type": {"urn:t"},
			"scope": {"openid email"}, "audience": {"https://api.example/"}}, "192.0.2.1",
			Purpose{Scope: "openid email", Audience: "https://api.example/"}},
		{"an exchange for another login", func() (*Request, error) {
			return g.ExchangeForLogin(Exchange{SubjectToken: "t", SubjectTokenType: "urn:t", Scopes: []string{"a"}, Audience: "b",
				Organization: "org_1"})
		}, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"t"}, "subject_token_type": {"urn:t"},
			"scope": {"openid a"}, "audience": {"b"}, "organization": {"org_1"}}, "",
			Purpose{Scope: "openid a", Audience: "b", Organization: "org_1"}},
	} {
		r, err := tt.make()
		form, header := send(t, g, s, r, err)
		if !reflect.DeepEqual(form, tt.form) {
			t.Errorf("%s: %v, want %v", tt.why, form, tt.form)
		}
		if got := header.Get("auth0-forwarded-for"); got != tt.header {
			t.Errorf("%s: for %q, want %q", tt.why, got, tt.header)
		}
		if r.Purpose() != tt.purpose {
			t.Errorf("%s: for %+v", tt.why, r.Purpose())
		}
	}
}

// TestNoAudience: a request without a configured audience names none.
func TestNoAudience(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, bearer)
	g.Audience = ""
	r, err := g.Password("ada", "pass", "", Wish{})
	if form, _ := send(t, g, s, r, err); form.Has("audience") {
		t.Errorf("%v", form)
	}
}

// TestRefusedRequests has the requests that fail before the client sends anything.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, bearer)
	custom := func(params url.Values) func() (*Request, error) {
		return func() (*Request, error) { return Custom("urn:x", params) }
	}
	exchange := func(x Exchange) func() (*Request, error) { return x.Request }
	extra := func(name string) func() (*Request, error) {
		return Exchange{SubjectToken: "t", Extra: url.Values{name: {"1"}}}.Request
	}
	bad := Wish{Scopes: []string{"a\"b"}}
	for _, tt := range []struct {
		why  string
		make func() (*Request, error)
		row  refusal.Row
		part string
	}{
		{"no grant type", func() (*Request, error) { return Custom("", nil) }, refusal.GrantRequest, `the grant type "" is not for Grant`},
		{"codes of a login", func() (*Request, error) { return Custom("authorization_code", nil) }, refusal.GrantRequest,
			`the grant type "authorization_code" is not for Grant`},
		{"a line break", func() (*Request, error) { return Custom("a\nb", nil) }, refusal.GrantRequest, `is not for Grant`},
		{"a grant type twice", custom(url.Values{"grant_type": {"password"}}), refusal.GrantRequest,
			`the parameter "grant_type" is set by the library`},
		{"a client id", custom(url.Values{"client_id": {"x"}}), refusal.GrantRequest, `the parameter "client_id" is set by the library`},
		{"a secret", custom(url.Values{"client_secret": {"x"}}), refusal.GrantRequest, `the parameter "client_secret" is set by the library`},
		{"an assertion", custom(url.Values{"client_assertion": {"x"}}), refusal.GrantRequest,
			`the parameter "client_assertion" is set by the library`},
		{"a kind of assertion", custom(url.Values{"client_assertion_type": {"x"}}), refusal.GrantRequest,
			`the parameter "client_assertion_type" is set by the library`},
		{"a parameter twice", custom(url.Values{"x": {"1", "2"}}), refusal.GrantRequest, `the parameter "x" is there 2 times`},
		{"a parameter without a value", custom(url.Values{"x": {}}), refusal.GrantRequest, `the parameter "x" is there 0 times`},
		{"a parameter without a name", custom(url.Values{"": {"1"}}), refusal.GrantRequest, `the parameter "" is there 1 times`},

		{"no user name", func() (*Request, error) { return g.Password("", "pass", "", Wish{}) }, refusal.Credentials,
			"no user name or no password"},
		{"no password", func() (*Request, error) { return g.Password("ada", "", "", Wish{}) }, refusal.Credentials,
			"no user name or no password"},
		{"a bad scope", func() (*Request, error) { return g.Password("ada", "pass", "", bad) }, refusal.GrantRequest, "scope"},

		{"no address", func() (*Request, error) { return g.Code(Recipient{}, "1", Wish{}) }, refusal.GrantRequest,
			"exactly one of Email and PhoneNumber is needed"},
		{"two addresses", func() (*Request, error) { return g.Code(Recipient{"a@example.com", "+1"}, "1", Wish{}) },
			refusal.GrantRequest, "exactly one of Email and PhoneNumber is needed"},
		{"no code", func() (*Request, error) { return g.Code(Recipient{Email: "a@example.com"}, "", Wish{}) }, refusal.Credentials,
			"the code is empty"},
		{"a bad scope beside a code", func() (*Request, error) { return g.Code(Recipient{Email: "a@example.com"}, "1", bad) },
			refusal.GrantRequest, "scope"},

		{"no token", exchange(Exchange{}), refusal.GrantRequest, "SubjectToken is needed"},
		{"an actor without a kind", exchange(Exchange{SubjectToken: "t", ActorToken: "a"}), refusal.GrantRequest,
			"ActorToken and ActorTokenType go together"},
		{"a kind without an actor", exchange(Exchange{SubjectToken: "t", ActorTokenType: "a"}), refusal.GrantRequest,
			"ActorToken and ActorTokenType go together"},
		{"a bad scope of an exchange", exchange(Exchange{SubjectToken: "t", Scopes: []string{"a\"b"}}), refusal.GrantRequest, "scope"},
		{"a kind in Extra", extra("requested_token_type"), refusal.GrantRequest, "Extra has requested_token_type, which has its own field"},
		{"an actor in Extra", extra("actor_token"), refusal.GrantRequest, "Extra has actor_token, which has its own field"},
		{"the kind of an actor in Extra", extra("actor_token_type"), refusal.GrantRequest,
			"Extra has actor_token_type, which has its own field"},
		{"an audience in Extra", extra("audience"), refusal.GrantRequest, "Extra has audience, which has its own field"},
		{"a scope in Extra", extra("scope"), refusal.GrantRequest, "Extra has scope, which has its own field"},
		{"an organization in Extra", extra("organization"), refusal.GrantRequest, "Extra has organization, which has its own field"},
		{"a token in Extra", extra("subject_token"), refusal.GrantRequest, `the parameter "subject_token" is set by the library`},
		{"the kind of a token in Extra", extra("subject_token_type"), refusal.GrantRequest,
			`the parameter "subject_token_type" is set by the library`},
		{"a secret in Extra", extra("client_secret"), refusal.GrantRequest, `the parameter "client_secret" is set by the library`},
		{"a login without a token", func() (*Request, error) { return g.ExchangeForLogin(Exchange{}) }, refusal.GrantRequest,
			"SubjectToken is needed"},
		{"a login with a bad scope", func() (*Request, error) {
			return g.ExchangeForLogin(Exchange{SubjectToken: "t", Scopes: []string{"a\"b"}})
		}, refusal.GrantRequest, "scope"},
	} {
		_, err := tt.make()
		checkRefused(t, tt.why, err, tt.row, tt.part)
	}
	if len(s.requests) > 0 {
		t.Errorf("%d requests", len(s.requests))
	}
}

// TestSend: the meaning of the tenant's answer depends on the request.
func TestSend(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, `{"access_token":"a","token_type":"N_A","id_token":"i"}`)
	exchange, err := Exchange{SubjectToken: "t"}.Request()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := g.Send(t.Context(), exchange); err != nil || got.IDToken != "i" {
		t.Errorf("%+v, %v", got, err)
	}
	login, err := g.ExchangeForLogin(Exchange{SubjectToken: "t"})
	if err != nil {
		t.Fatal(err)
	}
	password, err := g.Password("ada", "pass", "", Wish{})
	if err != nil {
		t.Fatal(err)
	}
	code, err := g.Code(Recipient{Email: "a@example.com"}, "1", Wish{})
	if err != nil {
		t.Fatal(err)
	}
	custom, err := Custom("urn:x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		why    string
		r      *Request
		status int
		body   string
		reason string
	}{
		{"a password", password, 403, `{"error":"invalid_grant"}`, "wrong_credentials"},
		{"a code", code, 403, `{"error":"invalid_grant"}`, "wrong_credentials"},
		{"a custom grant", custom, 403, `{"error":"invalid_grant"}`, "wrong_credentials"},
		{"an exchange", exchange, 403, `{"error":"invalid_grant"}`, "subject_token"},
		{"an exchange for a login", login, 403, `{"error":"invalid_grant"}`, "subject_token"},
		{"no JSON", password, 200, `<html>`, "tenant_answer"},
		{"out of order", password, 503, ``, "tenant_unavailable"},
	} {
		s.status, s.body = tt.status, tt.body
		got, err := g.Send(t.Context(), tt.r)
		if e, ok := err.(*refusal.Refusal); !ok || e.Reason != tt.reason || e.Next != nil || got.IDToken != "" {
			t.Errorf("%s: %+v, %v, want %s", tt.why, got, err, tt.reason)
		}
	}
}

// TestSendMFA: a demand for a second factor has the way to continue, for any status.
func TestSendMFA(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 403, `{"error":"mfa_required","mfa_token":"TOKEN","mfa_requirements":{"challenge":[{"type":"otp"}]}}`)
	r, err := Custom("urn:x", url.Values{"scope": {"a"}, "audience": {"b"}, "organization": {"c"}})
	if err != nil {
		t.Fatal(err)
	}
	for status, reason := range map[int]string{403: "mfa_required", 503: "tenant_unavailable"} {
		s.status = status
		_, err := g.Send(t.Context(), r)
		e, _ := err.(*refusal.Refusal)
		if e == nil || e.Reason != reason {
			t.Fatalf("%d: %v", status, err)
		}
		m, _ := e.Next.(MFA)
		if got := m.Purpose(); got != (Purpose{Scope: "a", Audience: "b", Organization: "c"}) ||
			!reflect.DeepEqual(m.Shown().Challenge, []string{"otp"}) {
			t.Errorf("%d: %+v", status, got)
		}
	}
	s.status, s.body = 403, `{"error":"mfa_required"}`
	_, err = g.Send(t.Context(), r)
	if e, _ := err.(*refusal.Refusal); e == nil || e.Reason != "mfa_required" || e.Next != nil {
		t.Errorf("without a token: %v", err)
	}
}

// TestPasswordless: the request for a code or a link.
func TestPasswordless(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 200, `{}`)
	from := netip.MustParseAddr("192.0.2.1")
	request := url.Values{"client_id": {"client"}, "connection": {"another"}, "state": {"s"}, "response_type": {"code"}}
	for _, tt := range []struct {
		why  string
		send func() error
		want map[string]any
		from string
	}{
		{"a code by e-mail", func() error { return g.SendCode(t.Context(), Recipient{Email: "a@example.com"}, from) },
			map[string]any{"connection": "email", "email": "a@example.com", "send": "code"}, "192.0.2.1"},
		{"a code by text message", func() error { return g.SendCode(t.Context(), Recipient{PhoneNumber: "+1"}, netip.Addr{}) },
			map[string]any{"connection": "sms", "phone_number": "+1"}, ""},
		{"a link", func() error { return g.SendLink(t.Context(), Recipient{Email: "a@example.com"}, from, request) },
			map[string]any{"connection": "email", "email": "a@example.com", "send": "link",
				"authParams": map[string]any{"state": "s", "response_type": "code"}}, "192.0.2.1"},
		{"a link without parameters", func() error { return g.SendLink(t.Context(), Recipient{Email: "a@example.com"}, from, nil) },
			map[string]any{"connection": "email", "email": "a@example.com", "send": "link", "authParams": map[string]any{}}, "192.0.2.1"},
	} {
		if err := tt.send(); err != nil {
			t.Errorf("%s: %v", tt.why, err)
		}
		r := s.last()
		var got map[string]any
		if err := json.Unmarshal([]byte(r.text), &got); err != nil {
			t.Fatal(err)
		}
		tt.want["client_id"], tt.want["client_secret"] = "client", "the-secret"
		if r.method != "POST" || r.url != "https://tenant.example/passwordless/start" || !reflect.DeepEqual(got, tt.want) ||
			r.header.Get("auth0-forwarded-for") != tt.from {
			t.Errorf("%s: %s %s %v, for %q", tt.why, r.method, r.url, got, r.header.Get("auth0-forwarded-for"))
		}
	}
}

// TestPasswordlessErrors: a request without a recipient is an error, and so is the tenant's
// rejection.
func TestPasswordlessErrors(t *testing.T) {
	t.Parallel()
	g, s := newGrants(t, 400, `{"error":"bad.email"}`)
	const one = "exactly one of Email and PhoneNumber is needed"
	checkRefused(t, "no address", g.SendCode(t.Context(), Recipient{}, netip.Addr{}), refusal.GrantRequest, one)
	checkRefused(t, "two addresses", g.SendLink(t.Context(), Recipient{"a@example.com", "+1"}, netip.Addr{}, nil), refusal.GrantRequest, one)
	for to, part := range map[Recipient]string{
		{}:                       "a link can only be sent by email",
		{PhoneNumber: "+1"}:      "a link can only be sent by email",
		{"a@example.com", "+1"}:  one,
		{Email: "a@example.com"}: "",
	} {
		err := to.CheckLink()
		if part == "" && err == nil {
			continue
		}
		checkRefused(t, fmt.Sprintf("a link to %v", to), err, refusal.GrantRequest, part)
	}
	if len(s.requests) > 0 {
		t.Errorf("%d requests", len(s.requests))
	}
	err := g.SendCode(t.Context(), Recipient{Email: "a@example.com"}, netip.Addr{})
	checkRefused(t, "a bad address", err, refusal.Address, "")
	if e, ok := errors.AsType[tenanterror.Error](err); !ok || e.Status != 400 {
		t.Errorf("%v", err)
	}
}

// TestNothingPrints: requests have passwords and tokens.
func TestNothingPrints(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-0123456789"
	g, _ := newGrants(t, 200, bearer)
	password, err := g.Password("ada", canary, "", Wish{})
	if err != nil {
		t.Fatal(err)
	}
	m := g.Demanded(demand(canary), Purpose{})
	otp, err := m.OTP(canary)
	if err != nil {
		t.Fatal(err)
	}
	type inside struct{ hidden MFA }
	for _, v := range []any{password, otp, m, &m, inside{m}, Exchange{SubjectToken: canary, ActorToken: canary}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, canary) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
}
