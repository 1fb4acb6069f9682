package auth0_test

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
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	realm       = "Username-Password-Authentication"
	demoPass    = "correct horse"
	mfaUser     = "mia@acme.example"
	mfaPhone    = "+15555550142"
	recovery    = "17EQHNZC2SZDYG7X4QXVX9SW"
	nextAPI     = "https://next.example/"
	legacyToken = "urn:acme:legacy-token"
)

// newGrantEnv is newEnv with what grants need beside a login.
func newGrantEnv(t testing.TB, edit ...func(*auth0.Config)) *env {
	t.Helper()
	e := newEnvOf(t, emulator.Config{Host: tenantHost, OrganizationNames: true, DefaultDirectory: realm}, edit...)
	for _, err := range []error{
		e.tenant.AddConnection(emulator.Connection{Name: "sms", Strategy: "sms"}),
		e.tenant.AddAPI(emulator.API{Audience: nextAPI, Scopes: []string{"read:next"}}),
		e.tenant.AddUser(emulator.User{Connection: realm, Email: mfaUser, Password: demoPass, MFA: true, Phone: mfaPhone, RecoveryCode: recovery,
			Factors: []string{"otp", "sms", "push", "recovery-code"}}),
		e.tenant.AddUser(emulator.User{Connection: realm, Email: "bare@acme.example", Password: demoPass, MFA: true, Factors: []string{}}),
		e.tenant.AddTokenExchange(legacyToken, func(token string) (string, bool) {
			name, ok := strings.CutPrefix(token, "legacy-SECRET:")
			return name, ok
		}),
		e.tenant.EditClient(testClientID, func(c *emulator.Client) {
			c.Connections = append(c.Connections, "email", "sms")
			c.Grants = append(c.Grants, emulator.ClientGrant{Audience: testAudience, Scopes: []string{"read:protected", "write:messages"}})
			c.TrustForwardedFor = true
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (e *env) password(edit ...func(*auth0.PasswordLogin)) (*auth0.Login, error) {
	p := auth0.PasswordLogin{Username: "ada@acme.example", Password: demoPass}
	for _, f := range edit {
		f(&p)
	}
	return e.strategy.LoginWithPassword(context.Background(), p)
}

// mfa begins a login that needs a second factor.
func (e *env) mfa() *auth0.MFA {
	e.t.Helper()
	_, err := e.password(func(p *auth0.PasswordLogin) { p.Username = mfaUser })
	return e.asError(err, auth0.ErrMFARequired).MFA
}

// asError fails the test unless err is an *Error that errors.Is finds to be the
// given one.
func (e *env) asError(err, want error) *auth0.Error {
	e.t.Helper()
	var found *auth0.Error
	if !errors.As(err, &found) || !errors.Is(err, want) {
		e.t.Fatalf("got %v, want %#v", err, want)
	}
	return found
}

// TestPasswordLogin: with and without a connection, and the session after it.
func TestPasswordLogin(t *testing.T) {
	e := newGrantEnv(t, func(c *auth0.Config) {
		c.Audience = testAudience
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error {
			l.Data["after"] = "login"
			return nil
		}
	})
	e.mux.HandleFunc("POST /password", func(w http.ResponseWriter, r *http.Request) {
		l, err := e.password(func(p *auth0.PasswordLogin) { p.Connection = r.FormValue("connection") })
		if err != nil {
			t.Error(err)
			return
		}
		if err := e.strategy.StartSession(w, r, l); err != nil {
			t.Error(err)
		}
		http.Redirect(w, r, l.ReturnTo, http.StatusSeeOther)
	})
	e.mux.HandleFunc("GET /data", func(w http.ResponseWriter, r *http.Request) {
		session, err := e.strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		token, err := e.strategy.AccessToken(w, r)
		fmt.Fprint(w, session.Data["after"], " ", token.AccessToken != "", " ", err)
	})
	for _, connection := range []string{"", realm} {
		b := e.browser()
		if resp := b.do("POST", "/password", url.Values{"connection": {connection}}); resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/" {
			t.Fatalf("status %d, header %v", resp.status, resp.header)
		}
		form := e.tenant.LastTokenRequest()
		if form.Get("realm") != connection || form.Get("scope") != "openid profile email" || form.Get("audience") != testAudience {
			t.Errorf("the token request has %v", form)
		}
		if body := b.page("/").body; body != "home true ada@acme.example" {
			t.Errorf("home says %q", body)
		}
		if body := b.page("/data").body; body != "login true <nil>" {
			t.Errorf("data says %q", body)
		}
		// A session that the browser had is replaced, and its id with it.
		before := b.cookies[sessionName]
		b.do("POST", "/password", url.Values{})
		if b.cookies[sessionName] == before || !b.loggedIn() {
			t.Error("the second login did not begin a session")
		}
	}
}

// TestPasswordRefusals: the tenant's own refusals, as the emulator makes them.
func TestPasswordRefusals(t *testing.T) {
	e := newGrantEnv(t)
	for _, u := range []emulator.User{
		{Email: "blocked@acme.example", Blocked: true},
		{Email: "denied@acme.example", DenyReason: "not on Sundays"},
		{Email: "leaked@acme.example", Protection: "password_leaked"},
		{Email: "robot@acme.example", Protection: "requires_verification"},
		{Email: "odd@acme.example", Protection: "suspicious"},
	} {
		u.Connection, u.Password = realm, demoPass
		if err := e.tenant.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	user := func(name string) func(*auth0.PasswordLogin) {
		return func(p *auth0.PasswordLogin) { p.Username = name }
	}
	for _, tt := range []struct {
		name   string
		edit   func(*auth0.PasswordLogin)
		want   error
		reason string
		status int
	}{
		{"wrong password", func(p *auth0.PasswordLogin) { p.Password = "wrong" }, auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"unknown user", user("nobody@acme.example"), auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"empty password", func(p *auth0.PasswordLogin) { p.Password = "" }, auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"empty user name", user(""), auth0.ErrWrongCredentials, "wrong_credentials", 401},
		{"blocked", user("blocked@acme.example"), auth0.ErrUserBlocked, "user_blocked", 403},
		{"denied", user("denied@acme.example"), nil, "authorization_denied", 403},
		{"leaked", user("leaked@acme.example"), nil, "password_leaked", 403},
		{"bot", user("robot@acme.example"), nil, "verification_required", 403},
		{"suspicious", user("odd@acme.example"), auth0.ErrTooManyAttempts, "too_many_attempts", 429},
		{"unknown connection", func(p *auth0.PasswordLogin) { p.Connection = "nope" }, auth0.ErrGrantNotAllowed, "grant_not_allowed", 500},
		{"connection without passwords", func(p *auth0.PasswordLogin) { p.Connection = "google-oauth2" }, auth0.ErrGrantNotAllowed, "grant_not_allowed", 500},
		{"unknown audience", func(p *auth0.PasswordLogin) { p.Audience = "https://unknown.example" }, nil, "authorization_denied", 403},
		{"bad scope", func(p *auth0.PasswordLogin) { p.Scopes = []string{"a\"b"} }, nil, "invalid_request", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := e.password(tt.edit)
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
		e.password(func(p *auth0.PasswordLogin) { p.Password, p.ForwardedFor = "wrong", netip.MustParseAddr("203.0.113.7") })
	}
	_, err := e.password(func(p *auth0.PasswordLogin) { p.ForwardedFor = netip.MustParseAddr("::ffff:203.0.113.7") })
	e.asError(err, auth0.ErrTooManyAttempts)
	if _, err := e.password(func(p *auth0.PasswordLogin) { p.ForwardedFor = netip.MustParseAddr("203.0.113.8") }); err != nil {
		t.Errorf("from another address: %v", err)
	}
}

// TestGrantErrors: what Auth0 is known to answer, and what becomes of it. The
// bodies are Auth0's own.
func TestGrantErrors(t *testing.T) {
	e := newGrantEnv(t)
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
		{"no default directory", 500, "", `{"error":"server_error","error_description":"Authorization server not configured with default connection."}`, auth0.Error{Status: 502, Reason: "tenant_unavailable", Code: "server_error"}},
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
		{"quota", 429, "3600", `{"error":"too_many_requests","error_description":"Client quota exceeded"}`, auth0.Error{Status: 502, Reason: "tenant_unavailable", Code: "too_many_requests", RetryAfter: retry}},
		{"object as description", 400, "", `{"error":"invalid_request","error_description":{"a":1}}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "invalid_request"}},
		{"signup-style", 400, "", `{"name":"PasswordStrengthError","code":"invalid_password","description":{"rules":[]},"statusCode":400}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "invalid_password"}},
		{"text", 401, "", `Unauthorized`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"text of an origin", 403, "", `Origin https://x is not allowed.`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"edge", 503, "", `<html><body>no</body></html>`, auth0.Error{Status: 502, Reason: "tenant_unavailable", Code: "temporarily_unavailable"}},
		{"RFC 9457", 403, "", `{"type":"https://auth0.com/api-errors#A0E-403-0001","title":"Forbidden","status":403,"detail":"Not allowed"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "A0E-403-0001"}},
		{"Management API", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: x","errorCode":"insufficient_scope"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "insufficient_scope"}},
		{"with a link", 403, "", `{"error":"invalid_grant","error_description":"x","error_uri":"https://auth0.com/docs"}`, auth0.Error{Status: 401, Reason: "wrong_credentials", Code: "invalid_grant"}},
		{"list", 400, "", `[{"error":"invalid_grant"}]`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"code of another type", 400, "", `{"error":{"code":"invalid_grant"}}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"text of too many", 429, "7", `Too Many Requests`, auth0.Error{Status: 502, Reason: "tenant_unavailable", Code: "temporarily_unavailable", RetryAfter: 7 * time.Second}},
		{"page of the edge", 403, "", `<!DOCTYPE html><html>`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "server_error"}},
		{"endpoint off", 404, "", `{"error":"endpoint_disabled"}`, auth0.Error{Status: 500, Reason: "grant_not_allowed", Code: "endpoint_disabled"}},
		{"method", 405, "", `{"error":"method_not_allowed"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "method_not_allowed"}},
		// Whoever is out of order refuses nobody.
		{"known code of one out of order", 503, "", `{"error":"invalid_grant"}`, auth0.Error{Status: 502, Reason: "tenant_unavailable", Code: "invalid_grant"}},
		{"Action, as an error of the tenant", 500, "", `{"error":"access_denied"}`, auth0.Error{Status: 403, Reason: "authorization_denied", Code: "access_denied"}},
		{"known code of one in distress", 429, "7", `{"error":"invalid_grant"}`, auth0.Error{Status: 502, Reason: "tenant_unavailable", Code: "invalid_grant", RetryAfter: 7 * time.Second}},
		{"device, too fast", 429, "", `{"error":"slow_down","error_description":"You are polling faster than the specified interval of 5 seconds."}`, auth0.Error{Status: 400, Reason: "authorization_pending", Code: "slow_down", RetryAfter: 10 * time.Second}},
		{"odd code", 400, "", `{"error":"<script>","error_description":"\r\n"}`, auth0.Error{Status: 502, Reason: "tenant_answer", Code: "unknown_error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.tenant.Replace(emulator.Token, func(w http.ResponseWriter, r *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			calls := e.tenant.Calls(emulator.Token)
			_, err := e.password()
			var got *auth0.Error
			if !errors.As(err, &got) {
				t.Fatal(err)
			}
			if got.Status != tt.want.Status || got.Reason != tt.want.Reason || got.Code != tt.want.Code || got.RetryAfter != tt.want.RetryAfter || got.TenantStatus != tt.status {
				t.Errorf("got  %d %s %s %v %d\nwant %+v", got.Status, got.Reason, got.Code, got.RetryAfter, got.TenantStatus, tt.want)
			}
			if (got.MFA != nil) != (tt.want.Reason == "mfa_required") {
				t.Errorf("MFA is %v", got.MFA)
			}
			if n := e.tenant.Calls(emulator.Token) - calls; n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestGrantedIDToken: an ID token is believed no more than one of the callback.
func TestGrantedIDToken(t *testing.T) {
	e := newGrantEnv(t)
	for _, tt := range []struct {
		reason string
		edit   func(header, claims map[string]any)
	}{
		{"nonce_mismatch", claim("nonce", "other")},
		{"invalid_audience", claim("aud", "other")},
		{"invalid_issuer", claim("iss", "https://other.example/")},
		{"token_expired", in("exp", -1000)},
		{"unknown_kid", header("kid", "other")},
		{"invalid_hash", claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")},
		{"invalid_claim", claim("sub", nil)},
	} {
		e.tenant.EditIDToken(tt.edit)
		_, err := e.password()
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason {
			t.Errorf("%s: got %v", tt.reason, err)
		}
	}
	e.tenant.EditIDToken(nil)
	for _, tt := range []struct {
		reason string
		edit   func(status *int, body map[string]any)
	}{
		{"tenant_answer", func(_ *int, body map[string]any) { delete(body, "id_token") }},
		{"tenant_answer", func(_ *int, body map[string]any) { body["token_type"] = "DPoP" }},
		{"tenant_answer", func(_ *int, body map[string]any) { body["token_type"] = "N_A" }},
		{"tenant_answer", func(_ *int, body map[string]any) { delete(body, "access_token") }},
	} {
		e.tenant.EditTokenResponse(tt.edit)
		_, err := e.password()
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason {
			t.Errorf("%s: got %v", tt.reason, err)
		}
	}
	e.tenant.EditTokenResponse(nil)

	// What every login has to show, a grant has to, too.
	for reason, edit := range map[string]func(*auth0.Config){
		"invalid_acr":   func(c *auth0.Config) { c.Login = []auth0.LoginOption{auth0.WithRequiredACR("strong")} },
		"invalid_claim": func(c *auth0.Config) { c.Login = []auth0.LoginOption{auth0.WithOrganization("acme-eu")} },
		"after_login": func(c *auth0.Config) {
			c.CheckOrganization = func(context.Context, string) error { return nil }
		},
	} {
		_, err := newGrantEnv(t, edit).password()
		if reason == "after_login" {
			reason = "invalid_claim" // there is no organization to check
		}
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != reason {
			t.Errorf("%s: got %v", reason, err)
		}
	}
	_, err := newGrantEnv(t, func(c *auth0.Config) { c.Login = []auth0.LoginOption{auth0.WithMaxAge(time.Hour)} }).password()
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "invalid_claim" {
		t.Errorf("max_age: got %v", err)
	}
}

func TestStartSessionRefuses(t *testing.T) {
	e := newGrantEnv(t)
	for _, l := range []*auth0.Login{nil, {}} {
		w := httptest.NewRecorder()
		if err := e.strategy.StartSession(w, httptest.NewRequest("POST", "/", nil), l); err == nil || len(w.Header()) > 0 {
			t.Errorf("got %v, header %v", err, w.Header())
		}
	}
	if err := new(auth0.Strategy).StartSession(nil, nil, nil); err == nil {
		t.Error("the zero Strategy began a session")
	}
}

// TestFactors: every second factor, with the MFA sealed on the way as it is
// between two pages.
func TestFactors(t *testing.T) {
	e := newGrantEnv(t)
	ctx := t.Context()
	carried := func(m *auth0.MFA) *auth0.MFA {
		t.Helper()
		sealed, err := m.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if m, err = e.strategy.OpenMFA(sealed); err != nil {
			t.Fatal(err)
		}
		return m
	}
	passed := func(l *auth0.Login, err error) *auth0.Login {
		t.Helper()
		if err != nil || l.User.Email != mfaUser {
			t.Fatalf("got %v, %v", l, err)
		}
		return l
	}
	m := carried(e.mfa())
	if fmt.Sprint(m.Challenge) != "[otp phone push-notification recovery-code]" || m.Enroll != nil {
		t.Errorf("MFA has %q and %q", m.Challenge, m.Enroll)
	}
	_, err := m.LoginWithOTP(ctx, "000000")
	e.asError(err, auth0.ErrWrongCredentials)
	_, err = m.LoginWithOTP(ctx, "")
	e.asError(err, auth0.ErrWrongCredentials)
	passed(m.LoginWithOTP(ctx, emulator.OneTimeCode))
	_, err = m.LoginWithOTP(ctx, emulator.OneTimeCode)
	e.asError(err, auth0.ErrWrongCredentials)

	m = e.mfa()
	list, err := m.Authenticators(ctx)
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
	e.asError(err, auth0.ErrWrongCredentials)
	code, _ := e.tenant.Mail(mfaPhone)
	passed(sms.LoginWithOOB(ctx, code))

	for _, approve := range []bool{true, false} {
		push, err := e.mfa().SendChallenge(ctx, list[2].ID)
		if err != nil || push.Type != "oob" || push.BindingMethod != "" {
			t.Fatalf("got %+v, %v", push, err)
		}
		_, err = push.LoginWithOOB(ctx, "")
		if pending := e.asError(err, auth0.ErrAuthorizationPending); pending.RetryAfter != 5*time.Second || pending.Code != "authorization_pending" {
			t.Errorf("got %+v", pending)
		}
		_, err = push.LoginWithOOB(ctx, "")
		if pending := e.asError(err, auth0.ErrAuthorizationPending); pending.RetryAfter != 10*time.Second || pending.Code != "slow_down" {
			t.Errorf("got %+v", pending)
		}
		e.tenant.AnswerPush(mfaUser, approve)
		l, err := push.LoginWithOOB(ctx, "")
		if approve {
			passed(l, err)
		} else if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "authorization_denied" {
			t.Errorf("got %v", err)
		}
	}

	l := passed(e.mfa().LoginWithRecoveryCode(ctx, recovery))
	if len(l.RecoveryCode()) != 24 || l.RecoveryCode() == recovery {
		t.Errorf("the next recovery code is %q", l.RecoveryCode())
	}
	_, err = e.mfa().LoginWithRecoveryCode(ctx, recovery)
	e.asError(err, auth0.ErrWrongCredentials)
	if l := passed(e.mfa().LoginWithRecoveryCode(ctx, l.RecoveryCode())); l.RecoveryCode() == "" {
		t.Error("no next recovery code")
	}
}

func TestFactorRefusals(t *testing.T) {
	now := newClock()
	e := newGrantEnv(t, func(c *auth0.Config) { c.Now = now.now })
	ctx := t.Context()
	m := e.mfa()
	_, err := e.password(func(p *auth0.PasswordLogin) { p.Username = "bare@acme.example" })
	bare := e.asError(err, auth0.ErrMFARequired).MFA
	if fmt.Sprint(bare.Enroll) != "[otp phone]" || bare.Challenge != nil {
		t.Errorf("MFA has %q and %q", bare.Challenge, bare.Enroll)
	}
	_, err = bare.SendChallenge(ctx, "")
	if found := e.asError(err, auth0.ErrGrantNotAllowed); found.Code != "association_required" {
		t.Errorf("got %+v", found)
	}
	_, err = m.SendChallenge(ctx, "sms|dev_other")
	if found := e.asError(err, auth0.ErrGrantNotAllowed); found.Code != "unsupported_challenge_type" {
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
	for what, text := range map[string]string{"empty": "", "cut": sealed[:len(sealed)-4], "of something else": "v1.AAAA"} {
		_, err := e.strategy.OpenMFA(text)
		expired(what, err)
	}
	_, err = newGrantEnv(t, func(c *auth0.Config) { c.Domain, c.HTTPClient = "other.example", nil }).strategy.OpenMFA(sealed)
	expired("of another tenant", err)
	now.add(5*60 - 1)
	if _, err := e.strategy.OpenMFA(sealed); err != nil {
		t.Error(err)
	}
	now.add(1)
	_, err = e.strategy.OpenMFA(sealed)
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
		e.tenant.Replace(emulator.MFA, func(w http.ResponseWriter, r *http.Request) {
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
		_, err = m.Authenticators(ctx)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason {
			t.Errorf("%s, asking for the list: got %v", tt.body, err)
		}
	}
	e.tenant.Replace(emulator.MFA, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) })
	if _, err := m.Authenticators(ctx); err == nil {
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
	for _, store := range []auth0.Store{nil, auth0.NewMemoryStore(100)} {
		e := newGrantEnv(t, func(c *auth0.Config) {
			c.Audience, c.Scopes, c.Store = testAudience, []string{"openid", "email", "offline_access"}, store
		})
		if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) {
			c.RefreshTokenPolicies = []emulator.ClientGrant{{Audience: nextAPI, Scopes: []string{"read:next"}}}
		}); err != nil {
			t.Fatal(err)
		}
		var m *auth0.MFA
		var options []auth0.TokenOption
		e.mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
			token, err := e.strategy.AccessToken(w, r, options...)
			if found := (*auth0.Error)(nil); errors.As(err, &found) {
				m = found.MFA
				fmt.Fprint(w, found.Reason)
				return
			}
			fmt.Fprint(w, "token ", token.AccessToken)
		})
		e.mux.HandleFunc("GET /otp", func(w http.ResponseWriter, r *http.Request) {
			l, err := m.LoginWithOTP(r.Context(), emulator.OneTimeCode)
			if err == nil {
				err = e.strategy.StartSession(w, r, l)
			}
			fmt.Fprint(w, err)
		})
		b := e.browser().mustLogin()
		for _, wish := range [][]auth0.TokenOption{{auth0.ForceRefresh()}, {auth0.ForAudience(nextAPI, "read:next")}} {
			options = wish
			ada := emulator.User{Connection: realm, Email: "ada@acme.example", EmailVerified: true, Password: demoPass, MFAOnRefresh: true}
			if err := e.tenant.AddUser(ada); err != nil {
				t.Fatal(err)
			}
			if body := b.page("/token").body; body != "mfa_required" || !b.loggedIn() {
				t.Fatalf("got %q", body)
			}
			stranger := e.browser()
			if body := stranger.page("/otp").body; !strings.Contains(body, "is over") {
				t.Errorf("another browser got %q", body)
			}
			b.page("/token")
			if body := b.page("/otp").body; body != "<nil>" || !b.loggedIn() {
				t.Fatalf("got %q", body)
			}
			asked := e.tenant.Calls(emulator.Token)
			options = []auth0.TokenOption{auth0.ForAudience(testAudience)}
			if body := b.page("/token").body; !strings.HasPrefix(body, "token ") || e.tenant.Calls(emulator.Token) != asked {
				t.Errorf("the session's token: %q", body)
			}
		}
		options = []auth0.TokenOption{auth0.ForAudience(nextAPI, "read:next")}
		asked := e.tenant.Calls(emulator.Token)
		if body := b.page("/token").body; !strings.HasPrefix(body, "token ") || e.tenant.Calls(emulator.Token) != asked {
			t.Errorf("the token for the other API: %q", body)
		}
		if body := b.page("/").body; body != "home true ada@acme.example" {
			t.Errorf("home says %q", body)
		}
	}
}

func TestPasswordless(t *testing.T) {
	e := newGrantEnv(t)
	ctx := t.Context()
	for _, to := range []auth0.PasswordlessLogin{{Email: "new@acme.example"}, {PhoneNumber: "+15555550199"}} {
		if err := e.strategy.SendCode(ctx, to); err != nil {
			t.Fatal(err)
		}
		code, link := e.tenant.Mail(to.Email + to.PhoneNumber)
		if len(code) != 6 || link != "" {
			t.Fatalf("the tenant has sent %q, %q", code, link)
		}
		_, err := e.strategy.LoginWithCode(ctx, to, "x")
		e.asError(err, auth0.ErrWrongCredentials)
		_, err = e.strategy.LoginWithCode(ctx, to, "")
		e.asError(err, auth0.ErrWrongCredentials)
		l, err := e.strategy.LoginWithCode(ctx, to, code)
		if err != nil || l.User.Email != to.Email || l.User.Subject == "" {
			t.Errorf("got %v, %v", l, err)
		}
		_, err = e.strategy.LoginWithCode(ctx, to, code)
		e.asError(err, auth0.ErrWrongCredentials)
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
		err := e.strategy.SendCode(ctx, tt.to)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason || found.Code != tt.code {
			t.Errorf("%+v: got %v", tt.to, err)
		}
		if _, err := e.strategy.LoginWithCode(ctx, tt.to, "1"); err == nil {
			t.Errorf("%+v: a login", tt.to)
		}
	}
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) { c.Connections = []string{realm} }); err != nil {
		t.Fatal(err)
	}
	err := e.strategy.SendCode(ctx, auth0.PasswordlessLogin{Email: "new@acme.example"})
	if found := e.asError(err, auth0.ErrGrantNotAllowed); found.Code != "bad.connection" {
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
		e.tenant.Replace(emulator.Passwordless, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		err := e.strategy.SendCode(ctx, auth0.PasswordlessLogin{Email: "new@acme.example"})
		if found := e.asError(err, cmp.Or(tt.is, err)); found.Reason != tt.reason || found.TenantStatus != tt.status || found.Op != "login" {
			t.Errorf("%s: got %+v", tt.body, found)
		}
	}
	e.tenant.Replace(emulator.Passwordless, nil)
	e.tenant.Fail(emulator.Passwordless, 429)
	err = e.strategy.SendCode(ctx, auth0.PasswordlessLogin{Email: "new@acme.example"})
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
}

// TestPasswordlessLink: the link ends in the callback, and only in the browser
// that has asked for it.
func TestPasswordlessLink(t *testing.T) {
	// A link is never pushed: what a mail refers to must be good when it is read.
	e := newGrantEnv(t, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
	if err := e.tenant.SignIn(""); err != nil {
		t.Fatal(err)
	}
	e.mux.HandleFunc("POST /link", func(w http.ResponseWriter, r *http.Request) {
		if err := e.strategy.SendLink(w, r, auth0.PasswordlessLogin{Email: r.FormValue("email")}, auth0.WithReturnTo("/private")); err != nil {
			fmt.Fprint(w, err)
		}
	})
	for _, same := range []bool{true, false} {
		b := e.browser()
		if body := b.do("POST", "/link", url.Values{"email": {"new@acme.example"}}).body; body != "" {
			t.Fatal(body)
		}
		_, link := e.tenant.Mail("new@acme.example")
		u, err := url.Parse(link)
		if err != nil || !strings.HasPrefix(link, "https://"+tenantHost+"/") || u.Query().Get("code_challenge") == "" || u.Query().Get("nonce") == "" {
			t.Fatalf("the link is %q", link)
		}
		answer := b.atTenant(u)
		if !same {
			b = e.browser()
		}
		resp := b.callback(answer)
		if same && (resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/private" || !b.loggedIn()) {
			t.Errorf("status %d, header %v, body %q", resp.status, resp.header, resp.body)
		}
		if !same && (resp.status != 400 || b.loggedIn()) {
			t.Errorf("another browser: status %d", resp.status)
		}
	}
	for _, email := range []string{"", "nobody"} {
		if body := e.browser().do("POST", "/link", url.Values{"email": {email}}).body; body == "" {
			t.Errorf("a link for %q", email)
		}
	}
}

func TestClientCredentials(t *testing.T) {
	e := newGrantEnv(t)
	source := e.strategy.ClientCredentials(auth0.ClientCredentials{Audience: testAudience})
	e.tenant.Delay(emulator.Token, 20*time.Millisecond)
	var group sync.WaitGroup
	tokens := make([]*oauth2.Token, 30)
	for i := range tokens {
		group.Go(func() {
			if i%2 == 0 { // another source for the same
				tokens[i], _ = e.strategy.ClientCredentials(auth0.ClientCredentials{Audience: testAudience}).Token()
			} else {
				tokens[i], _ = source.Token()
			}
		})
	}
	group.Wait()
	e.tenant.Delay(emulator.Token, 0)
	for _, token := range tokens {
		if token == nil || token.AccessToken != tokens[0].AccessToken || !token.Valid() || token.Extra("scope") != "read:protected write:messages" {
			t.Fatalf("got %v", token)
		}
	}
	if n := e.tenant.Calls(emulator.Token); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: tenantHost, Audience: testAudience, HTTPClient: e.cfg.HTTPClient})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		c                 auth0.ClientCredentials
		organization, scp string
	}{
		{auth0.ClientCredentials{Audience: testAudience, Organization: "acme-eu"}, "acme-eu", "read:protected write:messages"},
		{auth0.ClientCredentials{Audience: testAudience, Scopes: []string{"read:protected"}}, "", "read:protected"},
	} {
		token, err := e.strategy.ClientCredentials(tt.c).Token()
		if err != nil {
			t.Fatal(err)
		}
		verified, err := api.Verify(t.Context(), token.AccessToken)
		if err != nil || verified.Subject() != testClientID+"@clients" || verified.OrgName() != tt.organization || verified.Scope() != tt.scp {
			t.Errorf("%+v: got %v, %v", tt.c, verified, err)
		}
	}
	for _, tt := range []struct {
		c      auth0.ClientCredentials
		reason string
	}{
		{auth0.ClientCredentials{Audience: "https://unknown.example.com"}, "grant_not_allowed"},
		{auth0.ClientCredentials{Audience: nextAPI}, "grant_not_allowed"},
		{auth0.ClientCredentials{}, "grant_not_allowed"},
		{auth0.ClientCredentials{Audience: testAudience, Scopes: []string{"write:things"}}, "grant_not_allowed"},
		{auth0.ClientCredentials{Audience: testAudience, Organization: "nope"}, "grant_not_allowed"},
	} {
		source := e.strategy.ClientCredentials(tt.c)
		calls := e.tenant.Calls(emulator.Token)
		for range 3 {
			token, err := source.Token()
			if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason || found.Op != "token" || token != nil {
				t.Errorf("%+v: got %v, %v", tt.c, token, err)
			}
		}
		if n := e.tenant.Calls(emulator.Token) - calls; n != 1 {
			t.Errorf("%+v: %d requests, want 1", tt.c, n)
		}
	}
}

// TestClientCredentialsRenewal: the next token is got while the last is good.
func TestClientCredentialsRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGrantEnv(t)
		source := e.strategy.ClientCredentials(auth0.ClientCredentials{Audience: testAudience})
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
		if get().AccessToken != first.AccessToken || e.tenant.Calls(emulator.Token) != 1 {
			t.Error("the token was renewed before it was due")
		}
		time.Sleep(time.Hour)
		e.tenant.Delay(emulator.Token, time.Second)
		if get().AccessToken != first.AccessToken {
			t.Error("somebody has waited for the renewal")
		}
		time.Sleep(2 * time.Second)
		if get().AccessToken == first.AccessToken || e.tenant.Calls(emulator.Token) != 2 {
			t.Error("the token was not renewed")
		}
		e.tenant.Fail(emulator.Token, 503)
		time.Sleep(22 * time.Hour)
		get() // during an outage, the last one is used
		time.Sleep(2 * time.Hour)
		if _, err := source.Token(); err == nil {
			t.Error("a token that has expired")
		}
	})
}

func TestExchangeToken(t *testing.T) {
	e := newGrantEnv(t)
	ctx := t.Context()
	legacy := auth0.TokenExchange{SubjectToken: "legacy-SECRET:ada@acme.example", SubjectTokenType: legacyToken, Audience: testAudience, Scopes: []string{"read:protected"}}
	token, err := e.strategy.ExchangeToken(ctx, legacy)
	if err != nil || token.Extra("issued_token_type") != "urn:ietf:params:oauth:token-type:access_token" || !token.Valid() {
		t.Fatalf("got %v, %v", token, err)
	}
	legacy.Extra = url.Values{"user_profile": {"{}"}}
	if _, err := e.strategy.ExchangeToken(ctx, legacy); err != nil || e.tenant.LastTokenRequest().Get("user_profile") != "{}" {
		t.Errorf("got %v", err)
	}
	l, err := e.strategy.LoginWithToken(ctx, auth0.TokenExchange{SubjectToken: legacy.SubjectToken, SubjectTokenType: legacyToken})
	if err != nil || l.User.Email != "ada@acme.example" {
		t.Errorf("got %v, %v", l, err)
	}

	// What a login asks for cannot be said twice, and openid is always asked for.
	again := auth0.TokenExchange{SubjectToken: legacy.SubjectToken, SubjectTokenType: legacyToken}
	for _, name := range []string{"scope", "audience"} {
		again.Extra = url.Values{name: {"x"}}
		if _, err := e.strategy.LoginWithToken(ctx, again); reasonOf(err) != "invalid_request" {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	again.Extra, again.Scopes = nil, []string{"email"}
	if _, err := e.strategy.LoginWithToken(ctx, again); err != nil || e.tenant.LastTokenRequest().Get("scope") != "openid email" {
		t.Errorf("got %v, scope %q", err, e.tenant.LastTokenRequest().Get("scope"))
	}
	// A login to one organization is none to another.
	again.Organization = "org_one"
	e.tenant.EditIDToken(claim("org_id", "org_one"))
	if l, err := e.strategy.LoginWithToken(ctx, again); err != nil || l.User.OrgID != "org_one" {
		t.Errorf("to an organization: %v, %v", l, err)
	}
	e.tenant.EditIDToken(claim("org_id", "org_other"))
	if l, err := e.strategy.LoginWithToken(ctx, again); reasonOf(err) != "invalid_claim" {
		t.Errorf("to another organization: %v, %v", l, err)
	}
	e.tenant.EditIDToken(nil)

	// On behalf of: the API has got a token and needs one for another API.
	behalf := auth0.TokenExchange{SubjectToken: token.AccessToken, Audience: nextAPI}
	_, err = e.strategy.ExchangeToken(ctx, behalf)
	e.asError(err, auth0.ErrGrantNotAllowed)
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) { c.ResourceServer = testAudience }); err != nil {
		t.Fatal(err)
	}
	next, err := e.strategy.ExchangeToken(ctx, behalf)
	if err != nil {
		t.Fatal(err)
	}
	form := e.tenant.LastTokenRequest()
	const accessToken = "urn:ietf:params:oauth:token-type:access_token"
	if form.Get("subject_token_type") != accessToken || form.Get("requested_token_type") != accessToken || form.Has("scope") || form.Has("actor_token") {
		t.Errorf("the token request has %v", form)
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: tenantHost, Audience: nextAPI, HTTPClient: e.cfg.HTTPClient})
	if err != nil {
		t.Fatal(err)
	}
	verified, err := api.Verify(ctx, next.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if actors, err := verified.Actors(); err != nil || fmt.Sprint(actors) != "["+testClientID+"]" || verified.Subject() != l.User.Subject {
		t.Errorf("got %v of %s, %v", actors, verified.Subject(), err)
	}

	deep := e.tenant.AccessToken("ada@acme.example", testAudience, func(_, claims map[string]any) {
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
		"bad token":       {auth0.TokenExchange{SubjectToken: "x", SubjectTokenType: legacyToken}, "subject_token"},
		"unknown type":    {auth0.TokenExchange{SubjectToken: "x", SubjectTokenType: "urn:acme:other"}, "subject_token"},
		"too many actors": {auth0.TokenExchange{SubjectToken: deep, Audience: nextAPI}, "subject_token"},
		"unknown API":     {auth0.TokenExchange{SubjectToken: token.AccessToken, Audience: "https://unknown.example"}, "authorization_denied"},
		"second factor":   {auth0.TokenExchange{SubjectToken: "legacy-SECRET:" + mfaUser, SubjectTokenType: legacyToken, Scopes: []string{"openid"}}, "mfa_required"},
	} {
		_, err := e.strategy.ExchangeToken(ctx, tt.x)
		var found *auth0.Error
		if !errors.As(err, &found) || found.Reason != tt.reason || found.Op != "token" {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if found.MFA != nil {
			if l, err := found.MFA.LoginWithOTP(ctx, emulator.OneTimeCode); err != nil || l.Token().AccessToken == "" {
				t.Errorf("%s: got %v, %v", name, l, err)
			}
		}
	}
}

func TestGrant(t *testing.T) {
	e := newGrantEnv(t)
	ctx := t.Context()
	token, err := e.strategy.Grant(ctx, "client_credentials", url.Values{"audience": {testAudience}})
	if err != nil || token.Extra("scope") != "read:protected write:messages" {
		t.Fatalf("got %v, %v", token, err)
	}
	calls := e.tenant.Calls(emulator.Token)
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
		_, err := e.strategy.Grant(ctx, tt.grantType, tt.params)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "invalid_request" {
			t.Errorf("%q %v: got %v", tt.grantType, tt.params, err)
		}
	}
	if e.tenant.Calls(emulator.Token) != calls {
		t.Error("a request was made that must not be")
	}
	_, err = e.strategy.Grant(ctx, "urn:acme:unknown", nil)
	e.asError(err, auth0.ErrGrantNotAllowed)
	e.tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["token_type"] = "N_A" })
	if token, err := e.strategy.Grant(ctx, "client_credentials", url.Values{"audience": {testAudience}}); err != nil || token.TokenType != "N_A" {
		t.Errorf("got %v, %v", token, err)
	}
	e.tenant.Delay(emulator.Token, time.Minute)
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = e.strategy.Grant(short, "client_credentials", nil)
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "tenant_unavailable" {
		t.Errorf("a deadline: got %v", err)
	}
	gone, leave := context.WithCancel(ctx)
	leave()
	_, err = e.strategy.Grant(gone, "client_credentials", nil)
	if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != "canceled" {
		t.Errorf("canceled: got %v", err)
	}
}

func TestUserInfo(t *testing.T) {
	e := newGrantEnv(t)
	ctx := t.Context()
	l, err := e.password()
	if err != nil {
		t.Fatal(err)
	}
	sub := l.User.Subject
	u, err := e.strategy.UserInfo(ctx, l.Token(), sub)
	if err != nil || u.Subject != sub || u.Issuer != "https://"+tenantHost+"/" || u.Email != "ada@acme.example" || !u.EmailVerified || u.Name != "Ada Lovelace" {
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
		{"too long", 200, "application/json", `{"sub":"` + sub + `","x":"` + strings.Repeat("x", 1<<20) + `"}`, "tenant_unavailable", "temporarily_unavailable"},
		{"redirect", 302, "text/plain", "", "tenant_answer", "server_error"},
	} {
		e.tenant.Replace(emulator.UserInfo, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		got, err := e.strategy.UserInfo(ctx, l.Token(), sub)
		if found := (*auth0.Error)(nil); !errors.As(err, &found) || found.Reason != tt.reason || found.Code != tt.cod || found.Op != "userinfo" || got.Subject != "" {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	for verified, want := range map[string]bool{`true`: true, `"true"`: false, `1`: false, `null`: false} {
		e.tenant.Replace(emulator.UserInfo, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"sub":%q,"email_verified":%s,"name":7,"updated_at":1,"picture":{}}`, sub, verified)
		})
		u, err := e.strategy.UserInfo(ctx, l.Token(), sub)
		if err != nil || u.EmailVerified != want || u.Name != "" {
			t.Errorf("%s: got %+v, %v", verified, u, err)
		}
	}
	e.tenant.Replace(emulator.UserInfo, nil)
	for _, token := range []*oauth2.Token{nil, {}} {
		if _, err := e.strategy.UserInfo(ctx, token, sub); err == nil {
			t.Error("an answer without a token")
		}
	}
	if _, err := e.strategy.UserInfo(ctx, l.Token(), ""); err == nil {
		t.Error("an answer about anybody")
	}
	if _, err := e.strategy.UserInfo(ctx, &oauth2.Token{AccessToken: "guess"}, sub); err == nil {
		t.Error("an answer to a guess")
	}
}

// TestGrantsHideSecrets: nothing that was secret in any grant is in a log, an
// error or a formatted value.
func TestGrantsHideSecrets(t *testing.T) {
	e := newGrantEnv(t, func(c *auth0.Config) { c.Scopes = []string{"openid", "offline_access"} })
	ctx := t.Context()
	var seen strings.Builder
	show := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&seen, "%v %+v %#v %s %d %x\n", v, v, v, v, v, v)
			slog.New(slog.NewJSONHandler(&seen, nil)).Info("x", "v", v)
			slog.New(slog.NewTextHandler(&seen, nil)).Info("x", "v", v)
			if b, err := json.Marshal(v); err == nil {
				seen.Write(b)
			}
		}
	}
	const password = "hunter2-SECRET"
	forbidden := []string{password, demoPass, "client-secret-SECRET", "legacy-SECRET", recovery}
	p := auth0.PasswordLogin{Username: mfaUser, Password: password}
	show(p, &p, []any{p}, map[string]any{"p": p}, struct{ P auth0.PasswordLogin }{p})
	x := auth0.TokenExchange{SubjectToken: "legacy-SECRET:x", SubjectTokenType: legacyToken, ActorToken: "actor-SECRET", ActorTokenType: "urn:x"}
	forbidden = append(forbidden, "actor-SECRET")
	show(x, &x, []any{x}, struct{ X *auth0.TokenExchange }{&x})
	keep := func(l *auth0.Login, err error) {
		show(l, err)
		if err == nil {
			forbidden = append(forbidden, l.Token().AccessToken, l.Token().RefreshToken)
		}
	}
	keep(e.password())
	keep(e.password(func(p *auth0.PasswordLogin) { p.Password = password }))
	mfa := func() *auth0.MFA {
		m := e.mfa()
		show(m, *m, []any{m}, struct{ M *auth0.MFA }{m}, &auth0.Error{MFA: m})
		return m
	}
	e.tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		if token, ok := body["mfa_token"].(string); ok {
			forbidden = append(forbidden, token)
		}
		if code, ok := body["recovery_code"].(string); ok {
			forbidden = append(forbidden, code)
		}
	})
	list, err := mfa().Authenticators(ctx)
	show(list, err)
	sms, err := mfa().SendChallenge(ctx, list[1].ID)
	show(sms, err)
	code, _ := e.tenant.Mail(mfaPhone)
	forbidden = append(forbidden, code)
	keep(sms.LoginWithOOB(ctx, "wrong-SECRET"))
	keep(sms.LoginWithOOB(ctx, code))
	forbidden = append(forbidden, "wrong-SECRET", e.tenant.LastTokenRequest().Get("oob_code"))
	keep(mfa().LoginWithOTP(ctx, emulator.OneTimeCode))
	forbidden = append(forbidden, emulator.OneTimeCode)
	keep(mfa().LoginWithRecoveryCode(ctx, recovery))
	to := auth0.PasswordlessLogin{Email: "new@acme.example"}
	show(e.strategy.SendCode(ctx, to))
	code, _ = e.tenant.Mail(to.Email)
	forbidden = append(forbidden, code)
	keep(e.strategy.LoginWithCode(ctx, to, code))
	_, err = e.strategy.ExchangeToken(ctx, x)
	show(err)
	source := e.strategy.ClientCredentials(auth0.ClientCredentials{Audience: testAudience})
	token, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	forbidden = append(forbidden, token.AccessToken)
	show(source, e.strategy)
	_, err = e.strategy.UserInfo(ctx, &oauth2.Token{AccessToken: "access-SECRET"}, "x")
	show(err)
	forbidden = append(forbidden, "access-SECRET")
	for _, status := range []int{400, 401, 403, 429, 500} {
		for _, endpoint := range []emulator.Endpoint{emulator.Token, emulator.MFA, emulator.Passwordless, emulator.UserInfo} {
			e.tenant.Fail(endpoint, status)
		}
		keep(e.password(func(p *auth0.PasswordLogin) { p.Password = password }))
		show(e.strategy.SendCode(ctx, to))
		_, err = e.strategy.ExchangeToken(ctx, x)
		show(err)
		_, err = sms.SendChallenge(ctx, "")
		show(err)
		_, err = e.strategy.UserInfo(ctx, &oauth2.Token{AccessToken: "access-SECRET"}, "x")
		show(err)
	}
	if len(forbidden) < 20 || seen.Len() < 5000 {
		t.Fatalf("%d secrets, %d bytes", len(forbidden), seen.Len())
	}
	text := seen.String() + e.log.String()
	for _, secret := range forbidden {
		if len(secret) > 3 && (strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret))) {
			t.Errorf("%.60q shows", secret)
		}
	}
}

// FuzzGrantAnswers: whatever the tenant answers, nobody is logged in by it, and
// nothing of it but a code gets into what people see.
func FuzzGrantAnswers(f *testing.F) {
	e := newGrantEnv(f)
	m := e.mfa()
	l, err := e.password()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(200, `{"access_token":"a","token_type":"Bearer","expires_in":1,"id_token":"x.y.z"}`)
	f.Add(403, `{"error":"mfa_required","mfa_token":"t","mfa_requirements":{"challenge":[{"type":"otp"}],"enroll":null}}`)
	f.Add(403, `{"error":"mfa_required","mfa_token":"t","mfa_requirements":[1]}`)
	f.Add(400, `{"error":{"a":1},"error_description":[],"description":{"x":"y"}}`)
	f.Add(200, `{"challenge_type":"oob","oob_code":"x","binding_method":"prompt"}`)
	f.Add(200, `[{"id":"sms|dev_1","authenticator_type":"oob","active":true}]`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		answer := func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200 + (status&0x7FFFFFFF)%400)
			fmt.Fprint(w, body)
		}
		for _, endpoint := range []emulator.Endpoint{emulator.Token, emulator.MFA, emulator.UserInfo} {
			e.tenant.Replace(endpoint, answer)
		}
		_, refused := e.password()
		if refused == nil {
			t.Error("a login by an answer without an ID token of the tenant")
		}
		_, challengeErr := m.SendChallenge(t.Context(), "")
		_, listErr := m.Authenticators(t.Context())
		_, exchangeErr := e.strategy.ExchangeToken(t.Context(), auth0.TokenExchange{SubjectToken: "x"})
		_, userErr := e.strategy.UserInfo(t.Context(), l.Token(), l.User.Subject)
		for _, err := range []error{refused, challengeErr, listErr, exchangeErr, userErr} {
			var found *auth0.Error
			if errors.As(err, &found) && (found.Description == "" || found.Reason == "" || found.Status < 400 || strings.ContainsAny(found.Code, " <>\"\r\n")) {
				t.Errorf("got %+v", found)
			}
		}
	})
}
