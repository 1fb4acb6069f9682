package program_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestPasswordLogin: with and without a connection, and the session after it.
func TestPasswordLogin(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t, func(c *auth0.Config) {
		c.Audience = testkit.Audience
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error {
			l.Data["after"] = "login"
			return nil
		}
	})
	e.Mux.HandleFunc("POST /password", func(w http.ResponseWriter, r *http.Request) {
		l, err := e.LoginWithPassword(func(p *testkit.PasswordLogin) { p.Connection = r.FormValue("connection") })
		if err != nil {
			t.Error(err)
			return
		}
		if err := e.Strategy.StartSession(w, r, l); err != nil {
			t.Error(err)
		}
		http.Redirect(w, r, l.ReturnTo, http.StatusSeeOther)
	})
	e.Mux.HandleFunc("GET /data", func(w http.ResponseWriter, r *http.Request) {
		session, err := e.Strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		token, err := e.Strategy.AccessToken(w, r)
		fmt.Fprint(w, session.Data["after"], " ", token.AccessToken != "", " ", err)
	})
	for _, connection := range []string{"", testkit.Realm} {
		b := e.Browser()
		if resp := b.Do("POST", "/password", url.Values{"connection": {connection}}); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
			t.Fatalf("status %d, header %v", resp.Status, resp.Header)
		}
		form := e.Tenant.LastTokenRequest()
		if form.Get("realm") != connection || form.Get("scope") != "openid profile email" || form.Get("audience") != testkit.Audience {
			t.Errorf("the token request has %v", form)
		}
		if body := b.Page("/").Body; body != "home true ada@acme.example" {
			t.Errorf("home says %q", body)
		}
		if body := b.Page("/data").Body; body != "login true <nil>" {
			t.Errorf("data says %q", body)
		}
		// A session that the browser had is replaced, and its id with it.
		before := b.Cookies[testkit.SessionCookie]
		b.Do("POST", "/password", url.Values{})
		if b.Cookies[testkit.SessionCookie] == before || !b.LoggedIn() {
			t.Error("the second login did not begin a session")
		}
	}
}

// TestPasswordRefusals: the tenant's own errors, as the emulator sends them.
func TestPasswordRefusals(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	for _, u := range []testkit.TenantUser{
		{Email: "blocked@acme.example", Blocked: true},
		{Email: "denied@acme.example", DenyReason: "not on Sundays"},
		{Email: "leaked@acme.example", Protection: "password_leaked"},
		{Email: "robot@acme.example", Protection: "requires_verification"},
		{Email: "odd@acme.example", Protection: "suspicious"},
	} {
		u.Connection, u.Password = testkit.Realm, testkit.Password
		if err := e.Tenant.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	user := func(name string) func(*testkit.PasswordLogin) {
		return func(p *testkit.PasswordLogin) { p.Username = name }
	}
	for _, tt := range []struct {
		name   string
		edit   func(*testkit.PasswordLogin)
		want   error
		reason string
		status int
	}{
		{"wrong password", func(p *testkit.PasswordLogin) { p.Password = "wrong" }, auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"unknown user", user("nobody@acme.example"), auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"empty password", func(p *testkit.PasswordLogin) { p.Password = "" }, auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"empty user name", user(""), auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"blocked", user("blocked@acme.example"), auth0.ErrUserBlocked, "user_blocked", 403},
		{"denied", user("denied@acme.example"), nil, "authorization_denied", 403},
		{"leaked", user("leaked@acme.example"), nil, "password_leaked", 403},
		{"bot", user("robot@acme.example"), nil, "verification_required", 403},
		{"suspicious", user("odd@acme.example"), auth0.ErrTooManyAttempts, "too_many_attempts", 429},
		{"unknown connection", func(p *testkit.PasswordLogin) { p.Connection = "nope" }, auth0.ErrGrantNotAllowed, "grant_not_allowed", 500},
		{"connection without passwords", func(p *testkit.PasswordLogin) { p.Connection = "google-oauth2" }, auth0.ErrGrantNotAllowed, "grant_not_allowed", 500},
		{"unknown audience", func(p *testkit.PasswordLogin) { p.Audience = "https://unknown.example" }, auth0.ErrGrantNotAllowed, "grant_not_allowed", 500},
		{"bad scope", func(p *testkit.PasswordLogin) { p.Scopes = []string{"a\"b"} }, nil, "login_option", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := e.LoginWithPassword(tt.edit)
			var found *auth0.Error
			if !errors.As(err, &found) || l != nil {
				t.Fatalf("got %v, %v", l, err)
			}
			if found.Op != "login" || found.Reason != tt.reason || found.Status != tt.status || found.Description == "" || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %+v, want %s, %d", found, tt.reason, tt.status)
			}
		})
	}

	for range 10 {
		e.LoginWithPassword(func(p *testkit.PasswordLogin) {
			p.Password, p.ForwardedFor = "wrong", netip.MustParseAddr("203.0.113.7")
		})
	}
	_, err := e.LoginWithPassword(func(p *testkit.PasswordLogin) { p.ForwardedFor = netip.MustParseAddr("::ffff:203.0.113.7") })
	e.ExpectError(err, auth0.ErrTooManyAttempts)
	if _, err := e.LoginWithPassword(func(p *testkit.PasswordLogin) { p.ForwardedFor = netip.MustParseAddr("203.0.113.8") }); err != nil {
		t.Errorf("from another address: %v", err)
	}
}

// TestGrantErrors: known answers of Auth0, and the errors they become. The bodies
// are Auth0's own.
func TestGrantErrors(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	const retry = time.Hour
	for _, tt := range []struct {
		name   string
		status int
		header string // Retry-After
		body   string
		want   auth0.Error
	}{
		{"wrong secret", 401, "", `{"error":"access_denied","error_description":"Unauthorized"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "access_denied"}},
		{"wrong secret, newer", 401, "", `{"error":"invalid_client","error_description":"..."}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "invalid_client"}},
		{"grant not enabled", 403, "", `{"error":"unauthorized_client","error_description":"Grant type 'password' not allowed for the client."}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "unauthorized_client"}},
		{"unknown grant", 501, "", `{"error":"unsupported_grant_type","error_description":"..."}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "unsupported_grant_type"}},
		{"no grant type", 400, "", `{"error":"invalid_request","error_description":"Missing required parameter: grant_type"}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "invalid_request"}},
		{"wrong password", 403, "", `{"error":"invalid_grant","error_description":"Wrong email or password."}`, auth0.Error{Status: 401, Reason: "wrong_credentials", Code: "invalid_grant"}},
		{"old MFA rejection", 403, "", `{"error":"invalid_grant","error_description":"MFA Authorization rejected."}`, auth0.Error{Status: 401, Reason: "wrong_credentials", Code: "invalid_grant"}},
		{"no default directory", 500, "", `{"error":"server_error","error_description":"Authorization server not configured with default connection."}`, auth0.Error{Status: 503, Reason: "tenant_unavailable", Code: "server_error"}},
		{"unknown realm", 403, "", `{"error":"invalid_request","error_description":"Unknown realm 'nope'"}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "invalid_request"}},
		{"blocked", 403, "", `{"error":"unauthorized","error_description":"user is blocked"}`, auth0.Error{Status: 403, Reason: "user_blocked", Code: "unauthorized"}},
		{"brute force", 429, "", `{"error":"too_many_attempts","error_description":"Your account has been blocked after multiple consecutive login attempts. We've sent you a notification via your preferred contact method with instructions on how to unblock it."}`, auth0.Error{Status: 429, Reason: "too_many_attempts", Code: "too_many_attempts"}},
		{"throttled, with a time", 429, "3600", `{"error":"too_many_attempts","error_description":"We have detected suspicious login behavior and further attempts will be blocked. Please contact the administrator."}`, auth0.Error{Status: 429, Reason: "too_many_attempts", Code: "too_many_attempts", RetryAfter: retry}},
		{"leaked", 401, "", `{"error":"password_leaked","error_description":"This login attempt has been blocked because ..."}`, auth0.Error{Status: 403, Reason: "password_leaked", Code: "password_leaked"}},
		{"bot", 401, "", `{"error":"requires_verification","error_description":"Suspicious request requires verification"}`, auth0.Error{Status: 403, Reason: "verification_required", Code: "requires_verification"}},
		{"Action", 403, "", `{"error":"access_denied","error_description":"<reason>"}`, auth0.Error{Status: 403, Reason: "authorization_denied", Code: "access_denied"}},
		{"MFA", 403, "", `{"error":"mfa_required","error_description":"Multifactor authentication required","mfa_token":"Fe26.2*..."}`, auth0.Error{Status: 403, Reason: "mfa_required", Code: "mfa_required"}},
		{"MFA pending", 400, "", `{"error":"authorization_pending","error_description":"Authorization pending: please repeat the request in a few seconds."}`, auth0.Error{Status: 400, Reason: "authorization_pending", Code: "authorization_pending", RetryAfter: 5 * time.Second}},
		{"MFA too fast", 400, "", `{"error":"slow_down","error_description":"..."}`, auth0.Error{Status: 400, Reason: "authorization_pending", Code: "slow_down", RetryAfter: 10 * time.Second}},
		{"too fast, with a time", 400, "3600", `{"error":"slow_down","error_description":"You are polling faster than allowed. Try again in 10 seconds."}`, auth0.Error{Status: 400, Reason: "authorization_pending", Code: "slow_down", RetryAfter: retry}},
		{"MFA rejected", 400, "", `{"error":"access_denied","error_description":"MFA Authorization rejected."}`, auth0.Error{Status: 403, Reason: "authorization_denied", Code: "access_denied"}},
		{"MFA expired", 401, "", `{"error":"expired_token","error_description":"mfa_token is expired"}`, auth0.Error{Status: 400, Reason: "mfa_expired", Code: "expired_token"}},
		{"quota", 429, "3600", `{"error":"too_many_requests","error_description":"Client quota exceeded"}`, auth0.Error{Status: 503, Reason: "tenant_unavailable", Code: "too_many_requests", RetryAfter: retry}},
		{"object as description", 400, "", `{"error":"invalid_request","error_description":{"a":1}}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "invalid_request"}},
		{"signup-style", 400, "", `{"name":"PasswordStrengthError","code":"invalid_password","description":{"rules":[]},"statusCode":400}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "invalid_password"}},
		{"text", 401, "", `Unauthorized`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"text of an origin", 403, "", `Origin https://x is not allowed.`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"edge", 503, "", `<html><body>no</body></html>`, auth0.Error{Status: 503, Reason: "tenant_unavailable", Code: "temporarily_unavailable"}},
		{"RFC 9457", 403, "", `{"type":"https://auth0.com/api-errors#A0E-403-0001","title":"Forbidden","status":403,"detail":"Not allowed"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "A0E-403-0001"}},
		{"Management API", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: x","errorCode":"insufficient_scope"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "insufficient_scope"}},
		{"with a link", 403, "", `{"error":"invalid_grant","error_description":"x","error_uri":"https://auth0.com/docs"}`, auth0.Error{Status: 401, Reason: "wrong_credentials", Code: "invalid_grant"}},
		{"list", 400, "", `[{"error":"invalid_grant"}]`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"code of another type", 400, "", `{"error":{"code":"invalid_grant"}}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"text of too many", 429, "7", `Too Many Requests`, auth0.Error{Status: 503, Reason: "tenant_unavailable", Code: "temporarily_unavailable", RetryAfter: 7 * time.Second}},
		{"page of the edge", 403, "", `<!DOCTYPE html><html>`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"endpoint off", 404, "", `{"error":"endpoint_disabled"}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "endpoint_disabled"}},
		{"method", 405, "", `{"error":"method_not_allowed"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "method_not_allowed"}},
		// An outage is not a denial.
		{"known code of one out of order", 503, "", `{"error":"invalid_grant"}`, auth0.Error{Status: 503, Reason: "tenant_unavailable", Code: "invalid_grant"}},
		{"Action, as an error of the tenant", 500, "", `{"error":"access_denied"}`, auth0.Error{Status: 403, Reason: "authorization_denied", Code: "access_denied"}},
		{"known code of one in distress", 429, "7", `{"error":"invalid_grant"}`, auth0.Error{Status: 503, Reason: "tenant_unavailable", Code: "invalid_grant", RetryAfter: 7 * time.Second}},
		{"device, too fast", 429, "", `{"error":"slow_down","error_description":"You are polling faster than the specified interval of 5 seconds."}`, auth0.Error{Status: 400, Reason: "authorization_pending", Code: "slow_down", RetryAfter: 10 * time.Second}},
		{"odd code", 400, "", `{"error":"<script>","error_description":"\r\n"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "unknown_error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			calls := e.Tenant.Calls(testkit.TokenEndpoint)
			_, err := e.LoginWithPassword()
			var got *auth0.Error
			if !errors.As(err, &got) {
				t.Fatal(err)
			}
			if got.Status != tt.want.Status || got.Reason != tt.want.Reason || got.Code != tt.want.Code || got.RetryAfter != tt.want.RetryAfter || got.TenantStatus != tt.status {
				t.Errorf("got  %d %s %s %v %d\nwant %+v", got.Status, got.Reason, got.Code, got.RetryAfter, got.TenantStatus, tt.want)
			}
			if (got.MFA() != nil) != (tt.want.Reason == "mfa_required") {
				t.Errorf("MFA is %v", got.MFA())
			}
			if n := e.Tenant.Calls(testkit.TokenEndpoint) - calls; n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestGrantedIDToken: an ID token of a grant is checked as strictly as one of the
// callback.
func TestGrantedIDToken(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	for _, tt := range []struct {
		reason string
		edit   func(header, claims map[string]any)
	}{
		{"nonce_mismatch", testkit.Claim("nonce", "other")},
		{"invalid_audience", testkit.Claim("aud", "other")},
		{"invalid_issuer", testkit.Claim("iss", "https://other.example/")},
		{"token_expired", testkit.ClaimIn("exp", -1000)},
		{"unknown_kid", testkit.Header("kid", "other")},
		{"invalid_hash", testkit.Claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")},
		{"invalid_claim", testkit.Claim("sub", nil)},
	} {
		e.Tenant.EditIDToken(tt.edit)
		_, err := e.LoginWithPassword()
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason {
			t.Errorf("%s: got %v", tt.reason, err)
		}
	}
	e.Tenant.EditIDToken(nil)
	for _, tt := range []struct {
		reason string
		edit   func(status *int, body map[string]any)
	}{
		{"tenant_answer", func(_ *int, body map[string]any) { delete(body, "id_token") }},
		{"token_not_bound", func(_ *int, body map[string]any) { body["token_type"] = "DPoP" }},
		{"tenant_answer", func(_ *int, body map[string]any) { body["token_type"] = "N_A" }},
		{"tenant_answer", func(_ *int, body map[string]any) { delete(body, "access_token") }},
	} {
		e.Tenant.EditTokenResponse(tt.edit)
		_, err := e.LoginWithPassword()
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason {
			t.Errorf("%s: got %v", tt.reason, err)
		}
	}
	e.Tenant.EditTokenResponse(nil)

	// A grant must satisfy every check of a login.
	for reason, edit := range map[string]func(*auth0.Config){
		"invalid_acr":   func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithRequiredACR("strong")} },
		"invalid_claim": func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithOrganization("acme-eu")} },
		"after_login": func(c *auth0.Config) {
			c.CheckOrganization = func(context.Context, string) error { return nil }
		},
	} {
		_, err := testkit.SignedInForGrants(t, edit).LoginWithPassword()
		if reason == "after_login" {
			reason = "invalid_claim" // there is no organization to check
		}
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != reason {
			t.Errorf("%s: got %v", reason, err)
		}
	}
	_, err := testkit.SignedInForGrants(t, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithMaxAge(time.Hour)} }).LoginWithPassword()
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "auth_too_old" || found.Status != 403 || found.Code != "insufficient_user_authentication" {
		t.Errorf("max_age: got %v", err)
	}
}

func TestStartSessionRefuses(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	for _, l := range []*auth0.Login{nil, {}} {
		w := httptest.NewRecorder()
		if err := e.Strategy.StartSession(w, httptest.NewRequest("POST", "/", nil), l); err == nil || len(w.Header()) > 0 {
			t.Errorf("got %v, header %v", err, w.Header())
		}
	}
	if err := new(auth0.Strategy).StartSession(nil, nil, nil); err == nil {
		t.Error("the zero Strategy began a session")
	}
}

// TestFactors: every second factor, with the MFA sealed as between two pages.
func TestFactors(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	ctx := t.Context()
	carried := func(m *auth0.MFA) *auth0.MFA {
		t.Helper()
		sealed, err := m.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if m, err = e.Strategy.Application().OpenMFA(sealed); err != nil {
			t.Fatal(err)
		}
		return m
	}
	passed := func(l *auth0.Login, err error) *auth0.Login {
		t.Helper()
		if err != nil || l.User.Email != testkit.MFAUser {
			t.Fatalf("got %v, %v", l, err)
		}
		return l
	}
	m := carried(e.BeginMFA())
	if fmt.Sprint(m.Challenge) != "[otp phone push-notification recovery-code]" || m.Enroll != nil {
		t.Errorf("MFA has %q and %q", m.Challenge, m.Enroll)
	}
	_, err := m.LoginWithOTP(ctx, "000000")
	e.ExpectError(err, auth0.ErrWrongCredentials)
	_, err = m.LoginWithOTP(ctx, "")
	e.ExpectError(err, auth0.ErrWrongCredentials)
	passed(m.LoginWithOTP(ctx, testkit.OneTimeCode))
	_, err = m.LoginWithOTP(ctx, testkit.OneTimeCode)
	e.ExpectError(err, auth0.ErrWrongCredentials)

	m = e.BeginMFA()
	list, err := m.Factors(ctx)
	if err != nil || len(list) != 4 || list[1].Type != "oob" || list[1].Channel != "sms" || list[1].Name != "XXXX0142" {
		t.Fatalf("got %+v, %v", list, err)
	}
	if otp, err := m.SendChallenge(ctx, ""); err != nil || otp.Type != "otp" {
		t.Errorf("got %+v, %v", otp, err)
	}
	if _, err := m.LoginWithOOB(ctx, "1"); err == nil {
		t.Error("a login without a challenge")
	}
	sms, err := m.SendChallenge(ctx, list[1].ID)
	if err != nil || sms.Type != "oob" || sms.BindingMethod != "prompt" {
		t.Fatalf("got %+v, %v", sms, err)
	}
	sms = carried(sms)
	_, err = sms.LoginWithOOB(ctx, "x")
	e.ExpectError(err, auth0.ErrWrongCredentials)
	code, _ := e.Tenant.Mail(testkit.MFAPhone)
	passed(sms.LoginWithOOB(ctx, code))

	for _, approve := range []bool{true, false} {
		push, err := e.BeginMFA().SendChallenge(ctx, list[2].ID)
		if err != nil || push.Type != "oob" || push.BindingMethod != "" {
			t.Fatalf("got %+v, %v", push, err)
		}
		_, err = push.LoginWithOOB(ctx, "")
		if pending := e.ExpectError(err, auth0.ErrAuthorizationPending); pending.RetryAfter != 5*time.Second || pending.Code != "authorization_pending" {
			t.Errorf("got %+v", pending)
		}
		_, err = push.LoginWithOOB(ctx, "")
		if pending := e.ExpectError(err, auth0.ErrAuthorizationPending); pending.RetryAfter != 10*time.Second || pending.Code != "slow_down" {
			t.Errorf("got %+v", pending)
		}
		e.Tenant.AnswerPush(testkit.MFAUser, approve)
		l, err := push.LoginWithOOB(ctx, "")
		if approve {
			passed(l, err)
		} else if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "authorization_denied" {
			t.Errorf("got %v", err)
		}
	}

	l := passed(e.BeginMFA().LoginWithRecoveryCode(ctx, testkit.RecoveryCode))
	if len(l.RecoveryCode()) != 24 || l.RecoveryCode() == testkit.RecoveryCode {
		t.Errorf("the next recovery code is %q", l.RecoveryCode())
	}
	_, err = e.BeginMFA().LoginWithRecoveryCode(ctx, testkit.RecoveryCode)
	e.ExpectError(err, auth0.ErrWrongCredentials)
	if l := passed(e.BeginMFA().LoginWithRecoveryCode(ctx, l.RecoveryCode())); l.RecoveryCode() == "" {
		t.Error("no next recovery code")
	}
}

func TestFactorRefusals(t *testing.T) {
	t.Parallel()
	now := testkit.NewClock()
	e := testkit.SignedInForGrants(t, func(c *auth0.Config) { c.Now = now.Now })
	ctx := t.Context()
	m := e.BeginMFA()
	_, err := e.LoginWithPassword(func(p *testkit.PasswordLogin) { p.Username = "bare@acme.example" })
	bare := e.ExpectError(err, auth0.ErrMFARequired).MFA()
	if fmt.Sprint(bare.Enroll) != "[otp phone]" || bare.Challenge != nil {
		t.Errorf("MFA has %q and %q", bare.Challenge, bare.Enroll)
	}
	_, err = bare.SendChallenge(ctx, "")
	if found := e.ExpectError(err, auth0.ErrGrantNotAllowed); found.Code != "association_required" {
		t.Errorf("got %+v", found)
	}
	_, err = m.SendChallenge(ctx, "sms|dev_other")
	if found := e.ExpectError(err, auth0.ErrGrantNotAllowed); found.Code != "unsupported_challenge_type" {
		t.Errorf("got %+v", found)
	}

	sealed, err := m.Seal()
	if err != nil {
		t.Fatal(err)
	}
	expired := func(what string, err error) {
		t.Helper()
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "mfa_expired" || found.Status != 400 {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for what, text := range map[string]string{"empty": "", "cut": sealed[:len(sealed)-4], "of something else": "v3.AAAA"} {
		_, err := e.Strategy.Application().OpenMFA(text)
		expired(what, err)
	}
	_, err = testkit.SignedInForGrants(t, func(c *auth0.Config) { c.Domain, c.HTTPClient = "other.example", nil }).Strategy.Application().OpenMFA(sealed)
	expired("of another tenant", err)
	now.Add(5*60 - 1)
	if _, err := e.Strategy.Application().OpenMFA(sealed); err != nil {
		t.Error(err)
	}
	now.Add(1)
	_, err = e.Strategy.Application().OpenMFA(sealed)
	expired("late", err)

	for _, tt := range []struct {
		status       int
		body, reason string
	}{
		{401, `{"error":"expired_token","error_description":"mfa_token is expired"}`, "mfa_expired"},
		{403, `{"error":"invalid_grant","error_description":"Malformed mfa_token"}`, "mfa_expired"},
		{429, `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`, "tenant_unavailable"},
		{200, `[]`, "tenant_answer"},
		{503, `<html>`, "tenant_unavailable"},
		{200, `{"challenge_type":"sms"}`, "tenant_answer"},
		{200, `{"challenge_type":"oob"}`, "tenant_answer"},
	} {
		e.Tenant.Replace(testkit.MFAEndpoint, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		_, err := m.SendChallenge(ctx, "")
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason {
			t.Errorf("%s: got %v", tt.body, err)
		}
		if tt.status == 200 {
			continue
		}
		_, err = m.Factors(ctx)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason {
			t.Errorf("%s, asking for the list: got %v", tt.body, err)
		}
	}
	e.Tenant.Replace(testkit.MFAEndpoint, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) })
	if _, err := m.Factors(ctx); err == nil {
		t.Error("a list that is none")
	}
	for _, bad := range []*auth0.MFA{nil, {}} {
		if _, err := bad.Seal(); err == nil {
			t.Error("an MFA of nothing was sealed")
		}
		if _, err := bad.LoginWithOTP(ctx, "1"); err == nil {
			t.Error("a login with an MFA of nothing")
		}
	}
}

// TestRefreshWithFactor: a refresh that needs a second factor goes on with it,
// in the session that there is.
func TestRefreshWithFactor(t *testing.T) {
	t.Parallel()
	for _, store := range []auth0.Store{nil, auth0.NewMemoryStore(100)} {
		e := testkit.SignedInForGrants(t, func(c *auth0.Config) {
			c.Audience, c.Scopes, c.Store = testkit.Audience, []string{"openid", "email", "offline_access"}, store
		})
		if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
			c.RefreshTokenPolicies = []testkit.ClientGrant{{Audience: testkit.NextAPI, Scopes: []string{"read:next"}}}
		}); err != nil {
			t.Fatal(err)
		}
		var m *auth0.MFA
		var options []auth0.TokenOption
		e.Mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
			token, err := e.Strategy.AccessToken(w, r, options...)
			if found := (*auth0.Error)(nil); errors.As(err, &found) {
				m = found.MFA()
				fmt.Fprint(w, found.Reason)
				return
			}
			fmt.Fprint(w, "token ", token.AccessToken)
		})
		e.Mux.HandleFunc("GET /otp", func(w http.ResponseWriter, r *http.Request) {
			l, err := m.LoginWithOTP(r.Context(), testkit.OneTimeCode)
			if err == nil {
				err = e.Strategy.StartSession(w, r, l)
			}
			fmt.Fprint(w, err)
		})
		b := e.Browser().MustLogin()
		for _, wish := range [][]auth0.TokenOption{{auth0.ForceRefresh()}, {auth0.ForAudience(testkit.NextAPI, "read:next")}} {
			options = wish
			ada := testkit.TenantUser{Connection: testkit.Realm, Email: "ada@acme.example", EmailVerified: true, Password: testkit.Password, MFAOnRefresh: true}
			if err := e.Tenant.AddUser(ada); err != nil {
				t.Fatal(err)
			}
			if body := b.Page("/token").Body; body != "mfa_required" || !b.LoggedIn() {
				t.Fatalf("got %q", body)
			}
			stranger := e.Browser()
			if body := stranger.Page("/otp").Body; !strings.Contains(body, "has ended") {
				t.Errorf("another browser got %q", body)
			}
			b.Page("/token")
			// The factor is for the session of the refresh, and for no other of the same
			// user.
			elsewhere := e.Browser().MustLogin()
			if body := elsewhere.Page("/otp").Body; !strings.Contains(body, "has ended") || !elsewhere.LoggedIn() {
				t.Errorf("another session of the same user got %q", body)
			}
			b.Page("/token")
			if body := b.Page("/otp").Body; body != "<nil>" || !b.LoggedIn() {
				t.Fatalf("got %q", body)
			}
			asked := e.Tenant.Calls(testkit.TokenEndpoint)
			options = []auth0.TokenOption{auth0.ForAudience(testkit.Audience)}
			if body := b.Page("/token").Body; !strings.HasPrefix(body, "token ") || e.Tenant.Calls(testkit.TokenEndpoint) != asked {
				t.Errorf("the session's token: %q", body)
			}
		}
		options = []auth0.TokenOption{auth0.ForAudience(testkit.NextAPI, "read:next")}
		asked := e.Tenant.Calls(testkit.TokenEndpoint)
		if body := b.Page("/token").Body; !strings.HasPrefix(body, "token ") || e.Tenant.Calls(testkit.TokenEndpoint) != asked {
			t.Errorf("the token for the other API: %q", body)
		}
		if body := b.Page("/").Body; body != "home true ada@acme.example" {
			t.Errorf("home says %q", body)
		}
	}
}

func TestPasswordless(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	ctx := t.Context()
	for _, to := range []auth0.PasswordlessLogin{{Email: "new@acme.example"}, {PhoneNumber: "+15555550199"}} {
		if err := e.Strategy.Application().SendCode(ctx, to); err != nil {
			t.Fatal(err)
		}
		code, link := e.Tenant.Mail(to.Email + to.PhoneNumber)
		if len(code) != 6 || link != "" {
			t.Fatalf("the tenant has sent %q, %q", code, link)
		}
		_, err := e.Strategy.Application().LoginWithCode(ctx, to, "x")
		e.ExpectError(err, auth0.ErrWrongCredentials)
		_, err = e.Strategy.Application().LoginWithCode(ctx, to, "")
		e.ExpectError(err, auth0.ErrWrongCredentials)
		l, err := e.Strategy.Application().LoginWithCode(ctx, to, code)
		if err != nil || l.User.Email != to.Email || l.User.Subject == "" {
			t.Errorf("got %v, %v", l, err)
		}
		_, err = e.Strategy.Application().LoginWithCode(ctx, to, code)
		e.ExpectError(err, auth0.ErrWrongCredentials)
	}
	for _, tt := range []struct {
		to           auth0.PasswordlessLogin
		reason, code string
	}{
		{auth0.PasswordlessLogin{}, "invalid_request", "invalid_request"},
		{auth0.PasswordlessLogin{Email: "a@b.example", PhoneNumber: "+15555550199"}, "invalid_request", "invalid_request"},
		{auth0.PasswordlessLogin{Email: "nobody"}, "bad_address", "bad.email"},
		{auth0.PasswordlessLogin{PhoneNumber: "12"}, "bad_address", "bad.phone_number"},
	} {
		err := e.Strategy.Application().SendCode(ctx, tt.to)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason || found.Code != tt.code {
			t.Errorf("%+v: got %v", tt.to, err)
		}
		if _, err := e.Strategy.Application().LoginWithCode(ctx, tt.to, "1"); err == nil {
			t.Errorf("%+v: a login", tt.to)
		}
	}
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.Connections = []string{testkit.Realm} }); err != nil {
		t.Fatal(err)
	}
	err := e.Strategy.Application().SendCode(ctx, auth0.PasswordlessLogin{Email: "new@acme.example"})
	if found := e.ExpectError(err, auth0.ErrGrantNotAllowed); found.Code != "bad.connection" {
		t.Errorf("got %+v", found)
	}
	for _, tt := range []struct {
		status       int
		body, reason string
		is           error
	}{
		{400, `{"error":"bad.connection","error_description":"Connection does not exist"}`, "grant_not_allowed", auth0.ErrGrantNotAllowed},
		{400, `{"error":"bad.email","error_description":"Email address is not valid"}`, "bad_address", nil},
		{400, `{"error":"bad.phone_number","error_description":"Phone number is not valid"}`, "bad_address", nil},
		{400, `{"error":"sms_provider_error","error_description":"..."}`, "tenant_answer", nil},
		{401, `{"error":"access_denied","error_description":"Unauthorized"}`, "tenant_answer", nil},
		{429, `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`, "tenant_unavailable", auth0.ErrTenantUnavailable},
		{503, `<html>`, "tenant_unavailable", auth0.ErrTenantUnavailable},
	} {
		e.Tenant.Replace(testkit.PasswordlessEndpoint, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		err := e.Strategy.Application().SendCode(ctx, auth0.PasswordlessLogin{Email: "new@acme.example"})
		if found := e.ExpectError(err, cmp.Or(tt.is, err)); found.Reason != tt.reason || found.TenantStatus != tt.status || found.Op != "login" {
			t.Errorf("%s: got %+v", tt.body, found)
		}
	}
	e.Tenant.Replace(testkit.PasswordlessEndpoint, nil)
	e.Tenant.Fail(testkit.PasswordlessEndpoint, 429)
	err = e.Strategy.Application().SendCode(ctx, auth0.PasswordlessLogin{Email: "new@acme.example"})
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
}

// TestPasswordlessLink: the link ends in the callback, and only in the browser that
// requested it.
func TestPasswordlessLink(t *testing.T) {
	t.Parallel()
	// The request of a link is never pushed: a URL in an email must work when the user
	// reads it.
	e := testkit.SignedInForGrants(t, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
	if err := e.Tenant.LogIn(""); err != nil {
		t.Fatal(err)
	}
	e.Mux.HandleFunc("POST /link", func(w http.ResponseWriter, r *http.Request) {
		if err := e.Strategy.SendLink(w, r, auth0.PasswordlessLogin{Email: r.FormValue("email")}, auth0.WithReturnTo("/private")); err != nil {
			fmt.Fprint(w, err)
		}
	})
	for _, same := range []bool{true, false} {
		b := e.Browser()
		if body := b.Do("POST", "/link", url.Values{"email": {"new@acme.example"}}).Body; body != "" {
			t.Fatal(body)
		}
		_, link := e.Tenant.Mail("new@acme.example")
		u, err := url.Parse(link)
		if err != nil || !strings.HasPrefix(link, "https://"+testkit.TenantHost+"/") || u.Query().Get("code_challenge") == "" || u.Query().Get("nonce") == "" {
			t.Fatalf("the link is %q", link)
		}
		answer := b.AtTenant(u)
		if !same {
			b = e.Browser()
		}
		resp := b.Callback(answer)
		if same && (resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" || !b.LoggedIn()) {
			t.Errorf("status %d, header %v, body %q", resp.Status, resp.Header, resp.Body)
		}
		if !same && (resp.Status != 400 || b.LoggedIn()) {
			t.Errorf("another browser: status %d", resp.Status)
		}
	}
	for _, email := range []string{"", "nobody"} {
		if body := e.Browser().Do("POST", "/link", url.Values{"email": {email}}).Body; body == "" {
			t.Errorf("a link for %q", email)
		}
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	source := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience})
	e.Tenant.Delay(testkit.TokenEndpoint, 20*time.Millisecond)
	var group sync.WaitGroup
	tokens := make([]*oauth2.Token, 30)
	for i := range tokens {
		group.Go(func() {
			if i%2 == 0 { // another source for the same
				tokens[i], _ = e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience}).Token()
			} else {
				tokens[i], _ = source.Token()
			}
		})
	}
	group.Wait()
	e.Tenant.Delay(testkit.TokenEndpoint, 0)
	for _, token := range tokens {
		if token == nil || token.AccessToken != tokens[0].AccessToken || !token.Valid() || token.Extra("scope") != "read:protected write:messages" {
			t.Fatalf("got %v", token)
		}
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, HTTPClient: e.Config.HTTPClient})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		c                 auth0.ClientCredentials
		organization, scp string
	}{
		{auth0.ClientCredentials{Audience: testkit.Audience, Organization: "acme-eu"}, "acme-eu", "read:protected write:messages"},
		{auth0.ClientCredentials{Audience: testkit.Audience, Scopes: []string{"read:protected"}}, "", "read:protected"},
	} {
		token, err := e.Strategy.Application().ClientCredentials(tt.c).Token()
		if err != nil {
			t.Fatal(err)
		}
		verified, err := api.Verify(t.Context(), token.AccessToken)
		if err != nil || verified.Subject() != testkit.ClientID+"@clients" || verified.OrgName() != tt.organization || verified.Scope() != tt.scp {
			t.Errorf("%+v: got %v, %v", tt.c, verified, err)
		}
	}
	for _, tt := range []struct {
		c      auth0.ClientCredentials
		reason string
	}{
		{auth0.ClientCredentials{Audience: "https://unknown.example.com"}, "grant_not_allowed"},
		{auth0.ClientCredentials{Audience: testkit.NextAPI}, "grant_not_allowed"},
		{auth0.ClientCredentials{}, "grant_not_allowed"},
		{auth0.ClientCredentials{Audience: testkit.Audience, Scopes: []string{"write:things"}}, "grant_not_allowed"},
		{auth0.ClientCredentials{Audience: testkit.Audience, Organization: "nope"}, "grant_not_allowed"},
	} {
		source := e.Strategy.Application().ClientCredentials(tt.c)
		calls := e.Tenant.Calls(testkit.TokenEndpoint)
		for range 3 {
			token, err := source.Token()
			if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason || found.Op != "token" || token != nil {
				t.Errorf("%+v: got %v, %v", tt.c, token, err)
			}
		}
		if n := e.Tenant.Calls(testkit.TokenEndpoint) - calls; n != 1 {
			t.Errorf("%+v: %d requests, want 1", tt.c, n)
		}
	}
}

// TestClientCredentialsRenewal: the next token is requested while the last is good.
func TestClientCredentialsRenewal(t *testing.T) {
	t.Parallel()
	testkit.InBubble(t, func(t *testing.T) {
		e := testkit.SignedInForGrants(t)
		source := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience})
		get := func() *oauth2.Token {
			t.Helper()
			token, err := source.Token()
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		first := get()
		time.Sleep(19 * time.Hour)
		if get().AccessToken != first.AccessToken || e.Tenant.Calls(testkit.TokenEndpoint) != 1 {
			t.Error("the token was renewed before it was due")
		}
		time.Sleep(time.Hour)
		e.Tenant.Delay(testkit.TokenEndpoint, time.Second)
		if get().AccessToken != first.AccessToken {
			t.Error("somebody has waited for the renewal")
		}
		time.Sleep(2 * time.Second)
		if get().AccessToken == first.AccessToken || e.Tenant.Calls(testkit.TokenEndpoint) != 2 {
			t.Error("the token was not renewed")
		}
		e.Tenant.Fail(testkit.TokenEndpoint, 503)
		time.Sleep(22 * time.Hour)
		get() // during an outage, the last one is used
		time.Sleep(2 * time.Hour)
		if _, err := source.Token(); err == nil {
			t.Error("a token that has expired")
		}
	})
}

func TestExchangeToken(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	ctx := t.Context()
	legacy := auth0.TokenExchange{SubjectToken: "legacy-SECRET:ada@acme.example", SubjectTokenType: testkit.LegacyToken, Audience: testkit.Audience, Scopes: []string{"read:protected"}}
	token, err := e.Strategy.Application().ExchangeToken(ctx, legacy)
	if err != nil || token.Extra("issued_token_type") != "urn:ietf:params:oauth:token-type:access_token" || !token.Valid() {
		t.Fatalf("got %v, %v", token, err)
	}
	legacy.Extra = url.Values{"user_profile": {"{}"}}
	if _, err := e.Strategy.Application().ExchangeToken(ctx, legacy); err != nil || e.Tenant.LastTokenRequest().Get("user_profile") != "{}" {
		t.Errorf("got %v", err)
	}
	l, err := e.Strategy.Application().LoginWithToken(ctx, auth0.TokenExchange{SubjectToken: legacy.SubjectToken, SubjectTokenType: testkit.LegacyToken})
	if err != nil || l.User.Email != "ada@acme.example" {
		t.Errorf("got %v, %v", l, err)
	}

	// A login's own parameters cannot be repeated, and openid is always requested.
	again := auth0.TokenExchange{SubjectToken: legacy.SubjectToken, SubjectTokenType: testkit.LegacyToken}
	for _, name := range []string{"scope", "audience"} {
		again.Extra = url.Values{name: {"x"}}
		if _, err := e.Strategy.Application().LoginWithToken(ctx, again); testkit.ReasonOf(err) != "invalid_request" {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	again.Extra, again.Scopes = nil, []string{"email"}
	if _, err := e.Strategy.Application().LoginWithToken(ctx, again); err != nil || e.Tenant.LastTokenRequest().Get("scope") != "openid email" {
		t.Errorf("got %v, scope %q", err, e.Tenant.LastTokenRequest().Get("scope"))
	}
	// A login to one organization does not count as one to another.
	again.Organization = "org_one"
	e.Tenant.EditIDToken(testkit.Claim("org_id", "org_one"))
	if l, err := e.Strategy.Application().LoginWithToken(ctx, again); err != nil || l.User.OrgID != "org_one" {
		t.Errorf("to an organization: %v, %v", l, err)
	}
	e.Tenant.EditIDToken(testkit.Claim("org_id", "org_other"))
	if l, err := e.Strategy.Application().LoginWithToken(ctx, again); testkit.ReasonOf(err) != "invalid_claim" {
		t.Errorf("to another organization: %v, %v", l, err)
	}
	e.Tenant.EditIDToken(nil)

	// On behalf of: the API has got a token and needs one for another API.
	behalf := auth0.TokenExchange{SubjectToken: token.AccessToken, Audience: testkit.NextAPI}
	_, err = e.Strategy.Application().ExchangeToken(ctx, behalf)
	e.ExpectError(err, auth0.ErrGrantNotAllowed)
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.ResourceServer = testkit.Audience }); err != nil {
		t.Fatal(err)
	}
	next, err := e.Strategy.Application().ExchangeToken(ctx, behalf)
	if err != nil {
		t.Fatal(err)
	}
	form := e.Tenant.LastTokenRequest()
	const accessToken = "urn:ietf:params:oauth:token-type:access_token"
	if form.Get("subject_token_type") != accessToken || form.Get("requested_token_type") != accessToken || form.Has("scope") || form.Has("actor_token") {
		t.Errorf("the token request has %v", form)
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.NextAPI, HTTPClient: e.Config.HTTPClient})
	if err != nil {
		t.Fatal(err)
	}
	verified, err := api.Verify(ctx, next.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if actors, err := verified.Actors(); err != nil || fmt.Sprint(actors) != "["+testkit.ClientID+"]" || verified.Subject() != l.User.Subject {
		t.Errorf("got %v of %s, %v", actors, verified.Subject(), err)
	}

	deep := e.Tenant.AccessToken("ada@acme.example", testkit.Audience, func(_, claims map[string]any) {
		claims["act"] = map[string]any{"sub": "1", "act": map[string]any{"sub": "2", "act": map[string]any{"sub": "3", "act": map[string]any{"sub": "4"}}}}
	})
	for name, tt := range map[string]struct {
		x      auth0.TokenExchange
		reason string
	}{
		"nothing":         {auth0.TokenExchange{}, "invalid_request"},
		"half an actor":   {auth0.TokenExchange{SubjectToken: "x", ActorToken: "y"}, "invalid_request"},
		"bad scope":       {auth0.TokenExchange{SubjectToken: "x", Scopes: []string{"\""}}, "invalid_request"},
		"own parameter":   {auth0.TokenExchange{SubjectToken: "x", Extra: url.Values{"client_id": {"y"}}}, "invalid_request"},
		"set already":     {auth0.TokenExchange{SubjectToken: "x", Extra: url.Values{"subject_token": {"y"}}}, "invalid_request"},
		"twice":           {auth0.TokenExchange{SubjectToken: "x", Extra: url.Values{"a": {"1", "2"}}}, "invalid_request"},
		"bad token":       {auth0.TokenExchange{SubjectToken: "x", SubjectTokenType: testkit.LegacyToken}, "subject_token"},
		"unknown type":    {auth0.TokenExchange{SubjectToken: "x", SubjectTokenType: "urn:acme:other"}, "subject_token"},
		"too many actors": {auth0.TokenExchange{SubjectToken: deep, Audience: testkit.NextAPI}, "subject_token"},
		"unknown API":     {auth0.TokenExchange{SubjectToken: token.AccessToken, Audience: "https://unknown.example"}, "grant_not_allowed"},
		"second factor":   {auth0.TokenExchange{SubjectToken: "legacy-SECRET:" + testkit.MFAUser, SubjectTokenType: testkit.LegacyToken, Scopes: []string{"openid"}}, "mfa_required"},
	} {
		_, err := e.Strategy.Application().ExchangeToken(ctx, tt.x)
		var found *auth0.Error
		if !errors.As(err, &found) || found.Reason != tt.reason || found.Op != "token" {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if found.MFA() != nil {
			if l, err := found.MFA().LoginWithOTP(ctx, testkit.OneTimeCode); err != nil || l.Token().AccessToken == "" {
				t.Errorf("%s: got %v, %v", name, l, err)
			}
		}
	}
}

func TestGrant(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	ctx := t.Context()
	token, err := e.Strategy.Application().Grant(ctx, "client_credentials", url.Values{"audience": {testkit.Audience}})
	if err != nil || token.Extra("scope") != "read:protected write:messages" {
		t.Fatalf("got %v, %v", token, err)
	}
	calls := e.Tenant.Calls(testkit.TokenEndpoint)
	for _, tt := range []struct {
		grantType string
		params    url.Values
	}{
		{"", nil},
		{"authorization_code", url.Values{"code": {"x"}}},
		{"a\nb", nil},
		{"x", url.Values{"grant_type": {"authorization_code"}}},
		{"x", url.Values{"client_id": {"y"}}},
		{"x", url.Values{"client_secret": {"y"}}},
		{"x", url.Values{"client_assertion": {"y"}}},
		{"x", url.Values{"client_assertion_type": {"y"}}},
		{"x", url.Values{"a": {"1", "2"}}},
		{"x", url.Values{"": {"1"}}},
	} {
		_, err := e.Strategy.Application().Grant(ctx, tt.grantType, tt.params)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "invalid_request" {
			t.Errorf("%q %v: got %v", tt.grantType, tt.params, err)
		}
	}
	if e.Tenant.Calls(testkit.TokenEndpoint) != calls {
		t.Error("a request was made that must not be")
	}
	_, err = e.Strategy.Application().Grant(ctx, "urn:acme:unknown", nil)
	e.ExpectError(err, auth0.ErrGrantNotAllowed)
	e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["token_type"] = "N_A" })
	if token, err := e.Strategy.Application().Grant(ctx, "client_credentials", url.Values{"audience": {testkit.Audience}}); err != nil || token.TokenType != "N_A" {
		t.Errorf("got %v, %v", token, err)
	}
	e.Tenant.Delay(testkit.TokenEndpoint, time.Minute)
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = e.Strategy.Application().Grant(short, "client_credentials", nil)
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "tenant_unavailable" {
		t.Errorf("a deadline: got %v", err)
	}
	gone, leave := context.WithCancel(ctx)
	leave()
	_, err = e.Strategy.Application().Grant(gone, "client_credentials", nil)
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "canceled" {
		t.Errorf("canceled: got %v", err)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	ctx := t.Context()
	l, err := e.LoginWithPassword()
	if err != nil {
		t.Fatal(err)
	}
	sub := l.User.Subject
	u, err := e.Strategy.Application().UserInfo(ctx, l.Token(), sub)
	if err != nil || u.Subject != sub || u.Issuer != "https://"+testkit.TenantHost+"/" || u.Email != "ada@acme.example" || !u.EmailVerified || u.Name != "Ada Lovelace" {
		t.Errorf("got %+v, %v", u, err)
	}
	if at, ok := u.Claim("updated_at"); !ok || at == "" {
		t.Errorf("updated_at is %v", at)
	}
	for _, tt := range []struct {
		name        string
		status      int
		kind, body  string
		reason, cod string
	}{
		{"wrong token", 401, "text/plain", "Unauthorized", "token_not_accepted", "invalid_token"},
		{"wrong token, older", 401, "application/json", `{"error":"unauthorized","error_description":"invalid credentials"}`, "token_not_accepted", "unauthorized"},
		{"no openid scope", 200, "application/json", `{}`, "invalid_userinfo", "server_error"},
		{"somebody else", 200, "application/json", `{"sub":"auth0|other"}`, "invalid_userinfo", "server_error"},
		{"sub twice", 200, "application/json", `{"sub":"auth0|other","sub":"` + sub + `"}`, "invalid_userinfo", "server_error"},
		{"sub of another type", 200, "application/json", `{"sub":1}`, "invalid_userinfo", "server_error"},
		{"sub in other letters", 200, "application/json", `{"SUB":"` + sub + `"}`, "invalid_userinfo", "server_error"},
		{"signed", 200, "application/jwt; charset=utf-8", `eyJhbGciOiJSUzI1NiJ9.e30.AAAA`, "invalid_userinfo", "server_error"},
		{"page", 200, "text/html", `<html>`, "invalid_userinfo", "server_error"},
		{"list", 200, "application/json", `[]`, "invalid_userinfo", "server_error"},
		{"limit", 429, "text/plain", "Too Many Requests", "tenant_unavailable", "temporarily_unavailable"},
		{"down", 503, "text/html", "<html>", "tenant_unavailable", "temporarily_unavailable"},
		{"too long", 200, "application/json", `{"sub":"` + sub + `","x":"` + strings.Repeat("x", 1<<20) + `"}`, "tenant_answer", "server_error"},
		{"redirect", 302, "text/plain", "", "tenant_answer", "server_error"},
	} {
		e.Tenant.Replace(testkit.UserInfoEndpoint, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		got, err := e.Strategy.Application().UserInfo(ctx, l.Token(), sub)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason || found.Code != tt.cod || found.Op != "userinfo" || got.Subject != "" {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	for verified, want := range map[string]bool{`true`: true, `"true"`: false, `1`: false, `null`: false} {
		e.Tenant.Replace(testkit.UserInfoEndpoint, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"sub":%q,"email_verified":%s,"name":7,"updated_at":1,"picture":{}}`, sub, verified)
		})
		u, err := e.Strategy.Application().UserInfo(ctx, l.Token(), sub)
		if err != nil || u.EmailVerified != want || u.Name != "" {
			t.Errorf("%s: got %+v, %v", verified, u, err)
		}
	}
	e.Tenant.Replace(testkit.UserInfoEndpoint, nil)
	for _, token := range []*oauth2.Token{nil, {}} {
		if _, err := e.Strategy.Application().UserInfo(ctx, token, sub); err == nil {
			t.Error("an answer without a token")
		}
	}
	if _, err := e.Strategy.Application().UserInfo(ctx, l.Token(), ""); err == nil {
		t.Error("an answer about anybody")
	}
	if _, err := e.Strategy.Application().UserInfo(ctx, &oauth2.Token{AccessToken: "guess"}, sub); err == nil {
		t.Error("an answer to a guess")
	}
}

// TestGrantsHideSecrets: no secret of any grant is in a log, an error or a
// formatted value.
func TestGrantsHideSecrets(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t, func(c *auth0.Config) { c.Scopes = []string{"openid", "offline_access"} })
	ctx := t.Context()
	var seen strings.Builder
	// The fraction of a time can have the digits of a code by chance.
	timeless := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	show := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&seen, "%v %+v %#v %s %d %x\n", v, v, v, v, v, v)
			slog.New(slog.NewJSONHandler(&seen, timeless)).Info("x", "v", v)
			slog.New(slog.NewTextHandler(&seen, timeless)).Info("x", "v", v)
			if b, err := json.Marshal(v); err == nil {
				seen.Write(b)
			}
		}
	}
	const password = "hunter2-SECRET"
	forbidden := []string{password, testkit.Password, "client-secret-SECRET", "legacy-SECRET", testkit.RecoveryCode}
	x := auth0.TokenExchange{SubjectToken: "legacy-SECRET:x", SubjectTokenType: testkit.LegacyToken, ActorToken: "actor-SECRET", ActorTokenType: "urn:x"}
	forbidden = append(forbidden, "actor-SECRET")
	show(x, &x, []any{x}, struct{ X *auth0.TokenExchange }{&x})
	keep := func(l *auth0.Login, err error) {
		show(l, err)
		if err == nil {
			forbidden = append(forbidden, l.Token().AccessToken, l.Token().RefreshToken)
		}
	}
	keep(e.LoginWithPassword())
	keep(e.LoginWithPassword(func(p *testkit.PasswordLogin) { p.Password = password }))
	mfa := func() *auth0.MFA {
		demand := e.DemandMFA()
		m := demand.MFA()
		show(m, *m, []any{m}, struct{ M *auth0.MFA }{m}, demand, *demand)
		return m
	}
	e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		if token, ok := body["mfa_token"].(string); ok {
			forbidden = append(forbidden, token)
		}
		if code, ok := body["recovery_code"].(string); ok {
			forbidden = append(forbidden, code)
		}
	})
	list, err := mfa().Factors(ctx)
	show(list, err)
	sms, err := mfa().SendChallenge(ctx, list[1].ID)
	show(sms, err)
	code, _ := e.Tenant.Mail(testkit.MFAPhone)
	forbidden = append(forbidden, code)
	keep(sms.LoginWithOOB(ctx, "wrong-SECRET"))
	keep(sms.LoginWithOOB(ctx, code))
	forbidden = append(forbidden, "wrong-SECRET", e.Tenant.LastTokenRequest().Get("oob_code"))
	keep(mfa().LoginWithOTP(ctx, testkit.OneTimeCode))
	forbidden = append(forbidden, testkit.OneTimeCode)
	keep(mfa().LoginWithRecoveryCode(ctx, testkit.RecoveryCode))
	to := auth0.PasswordlessLogin{Email: "new@acme.example"}
	show(e.Strategy.Application().SendCode(ctx, to))
	code, _ = e.Tenant.Mail(to.Email)
	forbidden = append(forbidden, code)
	keep(e.Strategy.Application().LoginWithCode(ctx, to, code))
	_, err = e.Strategy.Application().ExchangeToken(ctx, x)
	show(err)
	source := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience})
	token, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	forbidden = append(forbidden, token.AccessToken)
	show(source, e.Strategy)
	_, err = e.Strategy.Application().UserInfo(ctx, &oauth2.Token{AccessToken: "access-SECRET"}, "x")
	show(err)
	forbidden = append(forbidden, "access-SECRET")
	for _, status := range []int{400, 401, 403, 429, 500} {
		for _, endpoint := range []testkit.Endpoint{testkit.TokenEndpoint, testkit.MFAEndpoint, testkit.PasswordlessEndpoint, testkit.UserInfoEndpoint} {
			e.Tenant.Fail(endpoint, status)
		}
		keep(e.LoginWithPassword(func(p *testkit.PasswordLogin) { p.Password = password }))
		show(e.Strategy.Application().SendCode(ctx, to))
		_, err = e.Strategy.Application().ExchangeToken(ctx, x)
		show(err)
		_, err = sms.SendChallenge(ctx, "")
		show(err)
		_, err = e.Strategy.Application().UserInfo(ctx, &oauth2.Token{AccessToken: "access-SECRET"}, "x")
		show(err)
	}
	if len(forbidden) < 20 || seen.Len() < 5000 {
		t.Fatalf("%d secrets, %d bytes", len(forbidden), seen.Len())
	}
	text := seen.String() + e.Log.String()
	for _, secret := range forbidden {
		found := strings.Contains(text, secret)
		if len(secret) < 12 { // an address, which is longer, can contain a code by chance
			found = regexp.MustCompile(`\b` + regexp.QuoteMeta(secret) + `\b`).MatchString(text)
		}
		if len(secret) > 3 && (found || strings.Contains(text, fmt.Sprintf("%x", secret))) {
			t.Errorf("%.60q shows", secret)
		}
	}
}
