package auth0_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/management"
)

// The files of testdata/tenant are what Auth0 answers. Each sample is answered to
// the library as it stands there, and what comes of it is in a table here. Where
// the tenant of the tests can be brought to refuse the same, it must do so in the
// same words. A sample without a row fails, and so does a row without a sample.

// A sample is a refusal of Auth0's.
type sample struct {
	Endpoint, When string
	Status         json.RawMessage // a number, or a text where a browser is redirected
	Headers        map[string]string
	Body           json.RawMessage // an object, or a text that is no JSON
}

func (s sample) name() string { return s.Endpoint + ": " + s.When }

func (s sample) status() int {
	n, _ := strconv.Atoi(string(s.Status))
	return n
}

func (s sample) member(name string) string {
	var members map[string]any
	json.Unmarshal(s.Body, &members)
	text, _ := members[name].(string)
	return text
}

func readSample(t testing.TB, name string, out any) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "tenant", name))
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// where returns the endpoint that a sample is of, or nothing if it comes through
// the browser.
func (s sample) where() emulator.Endpoint {
	for text, endpoint := range map[string]emulator.Endpoint{
		"/oauth/token": emulator.Token, "any Authentication API": emulator.Token, "/userinfo": emulator.UserInfo, "/api/v2": emulator.Management, "/oauth/par": emulator.PAR,
	} {
		if strings.Contains(s.Endpoint, text) {
			return endpoint
		}
	}
	return ""
}

// replay makes the tenant answer with the sample.
func (s sample) replay(e *env) {
	if s.where() == "" {
		e.tenant.DenyNext(s.member("error"), s.member("error_description"))
		return
	}
	e.tenant.Replace(s.where(), func(w http.ResponseWriter, r *http.Request) {
		body, kind := []byte(s.Body), "application/json"
		if text := ""; json.Unmarshal(s.Body, &text) == nil {
			body, kind = []byte(text), "text/plain"
		}
		w.Header().Set("Content-Type", kind)
		for name, value := range s.Headers {
			if strings.EqualFold(name, "X-RateLimit-Reset") {
				value = strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)
			}
			w.Header().Set(name, value)
		}
		w.WriteHeader(s.status())
		w.Write(body)
	})
}

// A wire keeps the last answer of the tenant to the library.
type wire struct {
	next   http.RoundTripper
	status int
	header http.Header
	body   []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil || strings.HasPrefix(r.URL.Path, "/.well-known/") {
		return resp, err
	}
	if w.body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	w.status, w.header, resp.Body = resp.StatusCode, resp.Header, io.NopCloser(bytes.NewReader(w.body))
	return resp, nil
}

// A sampled is what comes of a sample.
type sampled struct {
	endpoint, when string
	// prepare returns what asks the tenant. It runs while nothing is wrong yet.
	prepare func(*env, *wire) func() error
	// provoke brings the tenant to refuse by itself. Nil: it is not known how.
	provoke func(*env)
	// vague: the sample leaves out some of the words.
	vague  bool
	status int
	code   string
	reason string
	retry  time.Duration
	is     error
}

const tokens, callbacks = "POST /oauth/token ", "callback"

func sampledRefusals() []sampled {
	user := func(edit func(*emulator.User)) func(*env) {
		return func(e *env) {
			u := emulator.User{Connection: realm, Email: "ada@acme.example", EmailVerified: true, Password: demoPass}
			edit(&u)
			if err := e.tenant.AddUser(u); err != nil {
				e.t.Fatal(err)
			}
		}
	}
	client := func(edit func(*emulator.Client)) func(*env) { return func(e *env) { e.edit(edit) } }
	nothing := func(*env) {} // what is asked for is refused anyway
	blocked := user(func(u *emulator.User) { u.Blocked = true })
	denied := user(func(u *emulator.User) { u.DenyReason = "<reason>" })
	protected := func(how string) func(*env) { return user(func(u *emulator.User) { u.Protection = how }) }
	noGrant := client(func(c *emulator.Client) { c.Grants = nil })
	one := func(e *env) { e.tenant.LimitRate(emulator.Token, 1, time.Second); e.password() }

	wrong := func(p *auth0.PasswordLogin) { p.Password = "wrong" }
	const acmeAPI = "https://api.acme.example"
	const grantNotAllowed = "grant_not_allowed"
	return []sampled{
		{tokens + "authorization_code", "unknown, expired, reused or foreign code (also used for redirect_uri mismatch)", reusedCode, nothing, false, 400, "invalid_grant", "invalid_grant", 0, nil},
		{tokens + "authorization_code", "code_verifier wrong or missing", login(), nil, false, 400, "invalid_grant", "invalid_grant", 0, nil},
		{tokens + "any", "wrong/missing client_secret, unknown client_id, wrong auth method (e.g. secret demanded from an SPA)", password(), client(func(c *emulator.Client) { c.Secret = "another" }), false, 502, "access_denied", "tenant_answer", 0, nil},
		{tokens + "any", "client auth failure, newer code paths / private_key_jwt", password(), nil, true, 502, "invalid_client", "tenant_answer", 0, nil},
		{tokens + "any", "grant type not enabled on the application", password(), client(func(c *emulator.Client) { c.GrantTypes = []string{"authorization_code"} }), false, 500, "unauthorized_client", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "any", "missing grant_type", grant("urn:acme:other"), nil, false, 500, "invalid_request", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "any", "unknown grant_type", grant("urn:acme:other"), nothing, true, 500, "unsupported_grant_type", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},

		{tokens + "refresh_token", "expired, revoked, reused (rotation), foreign", refreshed, func(e *env) { e.tenant.RevokeRefreshTokens("ada@acme.example") }, false, 401, "login_required", "token_expired", 0, auth0.ErrTokenExpired},
		{tokens + "refresh_token", "user deleted", refreshed, func(e *env) {
			subject, _ := e.tenant.Subject("ada@acme.example")
			e.tenant.RemoveUser(subject)
		}, false, 401, "login_required", "token_expired", 0, auth0.ErrTokenExpired},
		{tokens + "refresh_token|password", "MFA needed", refreshed, user(func(u *emulator.User) { u.MFAOnRefresh = true }), false, 403, "mfa_required", "mfa_required", 0, auth0.ErrMFARequired},
		{tokens + "refresh_token|password", "MFA needed", password(), user(func(u *emulator.User) { u.MFA = true }), false, 403, "mfa_required", "mfa_required", 0, auth0.ErrMFARequired},
		{tokens + "refresh_token|password", "MFA needed", exchanged, user(func(u *emulator.User) { u.MFA = true }), false, 403, "mfa_required", "mfa_required", 0, auth0.ErrMFARequired},

		{tokens + "password|password-realm", "wrong credentials or unknown user", password(wrong), nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "password|password-realm", "wrong credentials or unknown user", password(wrong, inRealm(realm)), nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "password", "tenant has no Default Directory", password(), nil, false, 502, "server_error", "tenant_unavailable", 0, auth0.ErrTenantUnavailable},
		{tokens + "password-realm", "realm does not exist", password(inRealm("nope")), nothing, false, 500, "invalid_request", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "password*", "blocked by admin", password(), blocked, false, 403, "unauthorized", "user_blocked", 0, auth0.ErrUserBlocked},
		{tokens + "password*", "blocked by admin", refreshed, blocked, false, 401, "login_required", "token_expired", 0, auth0.ErrUserBlocked},
		{tokens + "password*", "brute force protection", password(wrong), func(e *env) {
			for range 10 {
				e.password(wrong)
			}
		}, false, 429, "too_many_attempts", "too_many_attempts", 0, auth0.ErrTooManyAttempts},
		{tokens + "password*|cte", "suspicious IP throttling", password(), protected("suspicious"), false, 429, "too_many_attempts", "too_many_attempts", 0, auth0.ErrTooManyAttempts},
		{tokens + "password*|cte", "suspicious IP throttling", exchanged, nil, false, 429, "too_many_attempts", "too_many_attempts", 0, auth0.ErrTooManyAttempts},
		{tokens + "password*", "breached password", password(), protected("password_leaked"), false, 403, "password_leaked", "password_leaked", 0, nil},
		{tokens + "password*", "bot detection demands a browser", password(), protected("requires_verification"), false, 403, "requires_verification", "verification_required", 0, nil},
		{tokens + "any user grant", "Action denied: api.access.deny(reason)", password(), denied, false, 403, "access_denied", "authorization_denied", 0, nil},
		{tokens + "any user grant", "Action denied: api.access.deny(reason)", refreshed, denied, false, 401, "login_required", "token_expired", 0, auth0.ErrTokenExpired},
		{tokens + "any user grant", "Action denied: api.access.deny(reason)", exchanged, denied, false, 403, "access_denied", "authorization_denied", 0, nil},

		{tokens + "client_credentials", "API identifier unknown", own("https://unknown.example.com"), nothing, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "API not enabled / wrong audience", own(testAudience), nil, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "no client grant (old wording)", own(testAudience), nil, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "no client grant (2025+ wording)", own(testAudience), noGrant, true, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "audience missing and no default audience", own(""), nothing, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "scope outside grant", own(testAudience, "write:things"), nothing, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "M2M quota", own(testAudience), func(e *env) {
			e.edit(func(c *emulator.Client) { c.HourlyTokens = 1 })
			e.strategy.Grant(context.Background(), "client_credentials", url.Values{"audience": {testAudience}})
		}, false, 502, "too_many_requests", "tenant_unavailable", time.Hour, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", password(), one, false, 502, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", login(), one, false, 502, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", refreshed, one, false, 502, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", connected, one, false, 502, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", own(testAudience), one, false, 502, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},

		{tokens + "federated-connection", "no such connected account / identity, bad refresh token, bad client", connected, nothing, false, 403, "federated_connection_refresh_token_not_found", "not_connected", 0, auth0.ErrNotConnected},
		{tokens + "federated-connection", "requested_token_type missing", connected, nil, false, 502, "invalid_request", "tenant_answer", 0, nil},

		// There is no method for these, but Grant takes them.
		{tokens + "device_code", "pending", grant("urn:ietf:params:oauth:grant-type:device_code"), nil, false, 400, "authorization_pending", "authorization_pending", 5 * time.Second, auth0.ErrAuthorizationPending},
		{tokens + "device_code", "polling too fast", grant("urn:ietf:params:oauth:grant-type:device_code"), nil, false, 400, "slow_down", "authorization_pending", 10 * time.Second, auth0.ErrAuthorizationPending},
		{tokens + "device_code", "expired (returned once, then invalid_grant)", grant("urn:ietf:params:oauth:grant-type:device_code"), nil, false, 400, "expired_token", "mfa_expired", 0, nil},
		{tokens + "device_code", "denied", grant("urn:ietf:params:oauth:grant-type:device_code"), nil, false, 403, "access_denied", "authorization_denied", 0, nil},
		{tokens + "ciba", "pending", grant("urn:openid:params:grant-type:ciba"), nil, false, 400, "authorization_pending", "authorization_pending", 5 * time.Second, auth0.ErrAuthorizationPending},
		{tokens + "ciba", "denied or expired", grant("urn:openid:params:grant-type:ciba"), nil, false, 403, "access_denied", "authorization_denied", 0, nil},
		{tokens + "ciba", "too fast", grant("urn:openid:params:grant-type:ciba"), nil, false, 400, "slow_down", "authorization_pending", 10 * time.Second, auth0.ErrAuthorizationPending},

		{tokens + "mfa-oob", "pending", pushed, nothing, false, 400, "authorization_pending", "authorization_pending", 5 * time.Second, auth0.ErrAuthorizationPending},
		{tokens + "mfa-oob", "rejected", pushed, func(e *env) { e.tenant.AnswerPush(mfaUser, false) }, false, 403, "access_denied", "authorization_denied", 0, nil},
		{tokens + "mfa-otp", "bad code", factor("000000"), nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "mfa-oob", "bad binding code", messaged, nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "mfa-*", "mfa_token malformed", usedFactor, nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "mfa-*", "mfa_token expired", factor(emulator.OneTimeCode), nil, false, 400, "expired_token", "mfa_expired", 0, nil},
		{tokens + "passwordless/otp", "bad code", coded, nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{strings.TrimSpace(tokens), "DPoP public client without nonce", password(), nil, false, 502, "use_dpop_nonce", "tenant_answer", 0, nil},

		{"POST /oauth/par or GET /authorize", "both online_access and offline_access", begun(auth0.WithScopes("openid", "online_access", "offline_access")), nothing, false, 400, "invalid_request", "authorization_error", 0, nil},
		{"GET /authorize", "FAPI compliance level requires PAR", login(), client(func(c *emulator.Client) { c.RequirePushedRequests = true }), false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "prompt=none without session", login(auth0.WithPrompt("none")), func(e *env) { e.tenant.SignOut() }, false, 400, "login_required", "authorization_error", 0, nil},
		{callbacks, "prompt=none and consent missing", login(auth0.WithPrompt("none")), nil, false, 400, "consent_required", "authorization_error", 0, nil},
		{callbacks, "prompt=none but MFA/redirect action needed", login(auth0.WithPrompt("none")), nil, true, 400, "interaction_required", "authorization_error", 0, nil},
		{callbacks, "blocked user", login(), blocked, false, 403, "unauthorized", "authorization_denied", 0, nil},
		{callbacks, "Action/Rule denied", login(), denied, false, 403, "access_denied", "authorization_denied", 0, nil},
		{callbacks, "user refused consent", login(), nil, false, 403, "access_denied", "authorization_denied", 0, nil},
		{callbacks, "unknown audience", login(auth0.WithAudience(acmeAPI)), nothing, false, 403, "access_denied", "authorization_denied", 0, nil},
		{callbacks, "API policy per-app and no user client grant", login(auth0.WithAudience(acmeAPI)), func(e *env) {
			if err := e.tenant.AddAPI(emulator.API{Audience: acmeAPI, PerAppAuthorization: true}); err != nil {
				e.t.Fatal(err)
			}
		}, false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "organization_usage=require and none sent", login(), client(func(c *emulator.Client) { c.OrganizationUsage = "require" }), false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "organization name sent but names not enabled", login(), nil, false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "stale invitation", login(auth0.WithInvitation("stale", "org_AcmeSample000000")), nothing, false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "connection missing / not enabled for client", login(auth0.WithConnection("nope")), nothing, false, 400, "invalid_request", "authorization_error", 0, nil},

		{"GET /userinfo", "missing/invalid token", known("guess"), nothing, false, 401, "invalid_token", "token_not_accepted", 0, nil},
		{"GET /userinfo", "token without openid scope", known(""), nil, false, 502, "server_error", "invalid_userinfo", 0, nil},

		{"GET /api/v2/*", "no token", managed, nil, false, 0, "", "management", 0, nil},
		{"GET /api/v2/*", "expired/invalid token", managed, nil, false, 0, "", "management", 0, nil},
		{"GET /api/v2/*", "bad signature", managed, func(e *env) { e.tenant.SignWithForeignKey(true) }, false, 0, "", "management", 0, nil},
		{"GET /api/v2/*", "audience is custom domain, or domain/issuer mismatch", managed, func(e *env) {
			e.tenant.EditAccessToken(func(_, claims map[string]any) { claims["aud"] = "https://login.acme.example/api/v2/" })
		}, false, 0, "", "management", 0, nil},
		{"GET /api/v2/connections", "lacks read:connections", managed, func(e *env) { e.allow("read:users") }, false, 0, "insufficient_scope", "management", 0, nil},
		{"GET /api/v2/connections", "page/per_page beyond first 1000", listed(), nil, false, 503, "invalid_query_string", "connections_unavailable", 0, nil},
		{"GET /api/v2/connections/{id}", "unknown", managed, nothing, false, 0, "inexistent_connection", "management", 0, nil},
		{"GET /api/v2/clients/{id}", "unknown", listed(), nil, false, 503, "inexistent_client", "connections_unavailable", 0, nil},
		{"GET /api/v2/organizations/{id}", "unknown", listed(auth0.WithOrganization("org_unknown")), nothing, true, 503, "unknown_error", "connections_unavailable", 0, nil},
		{"GET /api/v2/users/{id}", "unknown", identified, nothing, false, 0, "inexistent_user", "management", 0, nil},
		{"POST /api/v2/connections", "invalid body", created, nil, true, 0, "invalid_body", "management", 0, nil},
		{"any /api/v2", "plan does not include feature", managed, nil, false, 0, "insufficient_entitlement", "management", 0, nil},
		{"any /api/v2", "rate limited", managed, func(e *env) { e.tenant.LimitRate(emulator.Management, 1, time.Minute); managed(e, nil)() }, false, 0, "too_many_requests", "management", time.Minute, management.ErrUnavailable},
		{"any /api/v2", "rate limited", listed(), nil, false, 503, "too_many_requests", "connections_unavailable", time.Minute, nil},
	}
}

// notOffered are samples of what the library has no part in.
var notOffered = map[string]string{
	"POST /bc-authorize: unknown user":       "nothing asks for a login on another device",
	"POST /bc-authorize: scope lacks openid": "nothing asks for a login on another device",
	"POST /otp/challenge: validation":        "passwordless logins use /passwordless/start",

	"GET /authorize: unknown client_id: HTML page, never a redirect":        "the person stays at the tenant",
	"GET /authorize: redirect_uri not allowed: HTML page, never a redirect": "the person stays at the tenant",
}

// What asks the tenant.

func password(edit ...func(*auth0.PasswordLogin)) func(*env, *wire) func() error {
	return func(e *env, _ *wire) func() error {
		return func() error { _, err := e.password(edit...); return err }
	}
}

func inRealm(name string) func(*auth0.PasswordLogin) {
	return func(p *auth0.PasswordLogin) { p.Connection = name }
}

func grant(kind string) func(*env, *wire) func() error {
	return func(e *env, _ *wire) func() error {
		return func() error { _, err := e.strategy.Grant(e.t.Context(), kind, nil); return err }
	}
}

func own(audience string, scopes ...string) func(*env, *wire) func() error {
	return func(e *env, _ *wire) func() error {
		return func() error {
			_, err := e.strategy.ClientCredentials(auth0.ClientCredentials{Audience: audience, Scopes: scopes}).Token()
			return err
		}
	}
}

// login is a login in the browser, of which w keeps the redirect.
func login(opts ...auth0.LoginOption) func(*env, *wire) func() error {
	return func(e *env, w *wire) func() error {
		return func() error {
			authURL, transaction, err := e.strategy.AuthCodeURL(e.t.Context(), opts...)
			if err != nil {
				return err
			}
			answer := e.browser().atTenant(must(url.Parse(authURL))).Query()
			w.status = http.StatusFound
			w.body = must(json.Marshal(map[string]string{"error": answer.Get("error"), "error_description": answer.Get("error_description")}))
			_, err = e.strategy.Exchange(e.t.Context(), transaction, answer)
			return err
		}
	}
}

func reusedCode(e *env, _ *wire) func() error {
	authURL, transaction, err := e.strategy.AuthCodeURL(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	answer := e.browser().atTenant(must(url.Parse(authURL))).Query()
	if _, err := e.strategy.Exchange(e.t.Context(), transaction, answer); err != nil {
		e.t.Fatal(err)
	}
	return func() error { _, err := e.strategy.Exchange(e.t.Context(), transaction, answer); return err }
}

// begun is a login whose request is pushed.
func begun(opts ...auth0.LoginOption) func(*env, *wire) func() error {
	return func(e *env, w *wire) func() error {
		e.tenant.AllowPushedRequests(true)
		e.cfg.PushedAuthorizationRequests = true
		s := must(auth0.New(e.cfg))
		return func() error { _, _, err := s.AuthCodeURL(e.t.Context(), opts...); return err }
	}
}

func refreshed(e *env, _ *wire) func() error {
	var err error
	e.mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, r *http.Request) {
		_, err = e.strategy.AccessToken(w, r, auth0.ForceRefresh())
	})
	b := e.browser().mustLogin()
	return func() error { b.fetch("/refresh"); return err }
}

func exchanged(e *env, _ *wire) func() error {
	return func() error {
		_, err := e.strategy.ExchangeToken(e.t.Context(), auth0.TokenExchange{SubjectToken: "legacy-SECRET:ada@acme.example", SubjectTokenType: legacyToken})
		return err
	}
}

func connected(e *env, _ *wire) func() error {
	return func() error {
		_, err := e.strategy.ConnectionToken(e.t.Context(), e.tenant.AccessToken("ada@acme.example", testAudience), "google-oauth2", "")
		return err
	}
}

func factor(otp string) func(*env, *wire) func() error {
	return func(e *env, _ *wire) func() error {
		m := e.mfa()
		return func() error { _, err := m.LoginWithOTP(e.t.Context(), otp); return err }
	}
}

func usedFactor(e *env, w *wire) func() error {
	m := e.mfa()
	if _, err := m.LoginWithOTP(e.t.Context(), emulator.OneTimeCode); err != nil {
		e.t.Fatal(err)
	}
	return func() error { _, err := m.LoginWithOTP(e.t.Context(), emulator.OneTimeCode); return err }
}

func challenged(e *env, code string, channel string) func() error {
	m := e.mfa()
	list := must(m.Authenticators(e.t.Context()))
	i := slices.IndexFunc(list, func(a auth0.Authenticator) bool { return a.Channel == channel })
	m = must(m.SendChallenge(e.t.Context(), list[i].ID))
	return func() error { _, err := m.LoginWithOOB(e.t.Context(), code); return err }
}

func pushed(e *env, _ *wire) func() error   { return challenged(e, "", "auth0") }
func messaged(e *env, _ *wire) func() error { return challenged(e, "wrong", "sms") }

func coded(e *env, _ *wire) func() error {
	to := auth0.PasswordlessLogin{Email: "new@acme.example"}
	if err := e.strategy.SendCode(e.t.Context(), to); err != nil {
		e.t.Fatal(err)
	}
	return func() error { _, err := e.strategy.LoginWithCode(e.t.Context(), to, "wrong"); return err }
}

func known(token string) func(*env, *wire) func() error {
	return func(e *env, _ *wire) func() error {
		l := must(e.password())
		t := &oauth2.Token{AccessToken: cmp.Or(token, l.Token().AccessToken)}
		return func() error { _, err := e.strategy.UserInfo(e.t.Context(), t, l.User.Subject); return err }
	}
}

func managed(e *env, _ *wire) func() error {
	return func() error {
		_, err := e.management().OAuth2Connection(e.t.Context(), "con_unknown")
		return err
	}
}

func created(e *env, _ *wire) func() error {
	return func() error {
		_, err := e.management().CreateOAuth2Connection(e.t.Context(), partner())
		return err
	}
}

func identified(e *env, _ *wire) func() error {
	return func() error {
		_, err := e.management().IdentityProviderToken(e.t.Context(), "auth0|unknown", "google-oauth2")
		return err
	}
}

func listed(opts ...auth0.LoginOption) func(*env, *wire) func() error {
	return func(e *env, _ *wire) func() error {
		return func() error { _, err := e.strategy.GetConnections(e.t.Context(), opts...); return err }
	}
}

// newSampleEnv is an application that may do everything that there is a sample of.
func newSampleEnv(t testing.TB) (*env, *wire) {
	w := &wire{}
	e := newGrantEnv(t, func(c *auth0.Config) {
		c.Audience, c.Scopes = testAudience, []string{"openid", "profile", "email", "offline_access"}
		w.next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: w}
	})
	if err := e.tenant.AddOrganization(emulator.Organization{ID: "org_AcmeSample000000", Name: "sample", Connections: []emulator.OrganizationConnection{{Name: realm}}}); err != nil {
		t.Fatal(err)
	}
	e.edit(func(c *emulator.Client) {
		c.OrganizationUsage, c.ResourceServer = "allow", testAudience
		c.Grants = []emulator.ClientGrant{
			{Audience: testAudience, Scopes: []string{"read:protected"}},
			{Audience: "https://" + tenantHost + "/api/v2/", Scopes: append(slices.Clone(writeScopes), "read:organizations", "read:organization_connections")},
		}
	})
	return e, w
}

func TestSampledRefusals(t *testing.T) {
	var samples []sample
	readSample(t, "errors.json", &samples)
	if len(samples) < 70 {
		t.Fatalf("%d samples", len(samples))
	}
	rows := map[string][]sampled{}
	for _, row := range sampledRefusals() {
		name := sample{Endpoint: row.endpoint, When: row.when}.name()
		rows[name] = append(rows[name], row)
	}
	for _, s := range samples {
		own := rows[s.name()]
		delete(rows, s.name())
		if reason, ok := notOffered[s.name()]; ok == (len(own) > 0) {
			t.Errorf("%s: %d rows, and not offered: %q", s.name(), len(own), reason)
		}
		for _, row := range own {
			t.Run(s.name(), func(t *testing.T) {
				e, w := newSampleEnv(t)
				call := row.prepare(e, w)
				s.replay(e)
				row.check(t, call(), s)
				if row.provoke == nil {
					return
				}
				e, w = newSampleEnv(t)
				call = row.prepare(e, w)
				row.provoke(e)
				row.check(t, call(), s)
				row.compare(t, s, w)
			})
		}
	}
	for name := range rows {
		t.Errorf("there is no sample %s", name)
	}
}

// check compares the error with what the row wants.
func (row sampled) check(t *testing.T, err error, s sample) {
	t.Helper()
	if row.reason == "management" {
		row.checkManagement(t, err, s)
		return
	}
	got, ok := errors.AsType[*auth0.Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	retry := got.RetryAfter.Round(time.Second)
	if got.Status != row.status || got.Code != row.code || got.Reason != row.reason || (retry-row.retry).Abs() > time.Second || got.Description == "" {
		t.Errorf("got %d %s %s %v, want %d %s %s %v: %v", got.Status, got.Code, got.Reason, got.RetryAfter, row.status, row.code, row.reason, row.retry, err)
	}
	if row.is != nil && !errors.Is(err, row.is) {
		t.Errorf("not %v: %v", row.is, err)
	}
	if s.where() != "" && s.status() != http.StatusOK && got.TenantStatus != s.status() {
		t.Errorf("the tenant's status is %d, want %d", got.TenantStatus, s.status())
	}
	if (got.MFA != nil) != (row.reason == "mfa_required") {
		t.Errorf("MFA is %v", got.MFA)
	}
	// Of the tenant's words nothing is for visitors.
	for _, name := range []string{"error_description", "message"} {
		if words := s.member(name); words != "" && strings.Contains(got.Description, words) {
			t.Errorf("visitors see %q", got.Description)
		}
	}
}

// checkManagement is check for an error of package management.
func (row sampled) checkManagement(t *testing.T, err error, s sample) {
	t.Helper()
	got, ok := errors.AsType[*management.Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if got.Status != s.status() || got.Code != row.code || (got.RetryAfter-row.retry).Abs() > time.Second || row.is != nil && !errors.Is(err, row.is) {
		t.Errorf("got %d %s %v, want %d %s %v: %v", got.Status, got.Code, got.RetryAfter, s.status(), row.code, row.retry, err)
	}
}

// compare says how the tenant of the tests answers in other words than Auth0.
func (row sampled) compare(t *testing.T, s sample, w *wire) {
	t.Helper()
	if s.where() != "" && w.status != s.status() {
		t.Errorf("the tenant answers %d, Auth0 %s: %s", w.status, s.Status, w.body)
	}
	if text := ""; json.Unmarshal(s.Body, &text) == nil {
		if string(w.body) != text {
			t.Errorf("the tenant answers %q, Auth0 %q", w.body, text)
		}
		return
	}
	var want, got map[string]any
	if err := errors.Join(json.Unmarshal(s.Body, &want), json.Unmarshal(w.body, &got)); err != nil {
		t.Fatalf("%v: %s", err, w.body)
	}
	delete(want, "state") // of the redirect, which was checked
	for name, value := range want {
		text, ok := value.(string)
		exact := ok && !strings.HasPrefix(text, "Fe26.2") && !(row.vague && strings.HasSuffix(name, "description"))
		switch {
		case got[name] == nil:
			t.Errorf("the tenant does not send %s: %s", name, w.body)
		case exact && got[name] != value:
			t.Errorf("the tenant's %s is %q, Auth0's %q", name, got[name], value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("Auth0 does not send %s", name)
		}
	}
	for name := range s.Headers {
		if w.header.Get(name) == "" {
			t.Errorf("the tenant does not send the header %s: %v", name, w.header)
		}
	}
}

// TestSampledTokens: every kind of successful answer of the token endpoint, as
// Auth0 sends it. The tenant of the tests sends the same members.
func TestSampledTokens(t *testing.T) {
	samples := map[string]json.RawMessage{}
	readSample(t, "token-responses.json", &samples)
	members := func(text []byte) map[string]any {
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return m
	}
	type outcome struct {
		token *oauth2.Token
		err   error
	}
	of := func(l *auth0.Login, err error) outcome {
		if err != nil {
			return outcome{err: err}
		}
		return outcome{l.Token(), nil}
	}
	byLogin := func(e *env) outcome {
		authURL, transaction, err := e.strategy.AuthCodeURL(e.t.Context())
		if err != nil {
			return outcome{err: err}
		}
		return of(e.strategy.Exchange(e.t.Context(), transaction, e.browser().atTenant(must(url.Parse(authURL))).Query()))
	}
	byGrant := func(e *env) outcome {
		token, err := e.strategy.Grant(e.t.Context(), "client_credentials", url.Values{"audience": {testAudience}})
		return outcome{token, err}
	}
	bySession := func(e *env) (got outcome) {
		e.mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, r *http.Request) {
			got.token, got.err = e.strategy.AccessToken(w, r, auth0.ForceRefresh())
		})
		e.browser().mustLogin().fetch("/refresh")
		return got
	}
	byConnection := func(e *env) outcome {
		if err := e.tenant.AddConnection(emulator.Connection{Name: "vault", Strategy: "google-oauth2", ConnectedAccounts: true}); err != nil {
			t.Fatal(err)
		}
		if err := e.tenant.ConnectAccount("ada@acme.example", emulator.ConnectedAccount{Connection: "vault", AccessToken: "ya29.a0A...", Scope: "openid https://www.googleapis.com/auth/calendar", ExpiresIn: 1377 * time.Second}); err != nil {
			t.Fatal(err)
		}
		token, err := e.strategy.ConnectionToken(e.t.Context(), e.tenant.AccessToken("ada@acme.example", testAudience), "vault", "")
		return outcome{token, err}
	}
	byExchange := func(e *env) outcome {
		token, err := e.strategy.ExchangeToken(e.t.Context(), auth0.TokenExchange{SubjectToken: "legacy-SECRET:ada@acme.example", SubjectTokenType: legacyToken, Scopes: []string{"openid", "offline_access"}})
		return outcome{token, err}
	}
	byRecoveryCode := func(e *env) outcome {
		l, err := e.mfa().LoginWithRecoveryCode(e.t.Context(), recovery)
		if err == nil && l.RecoveryCode() == "" {
			t.Error("no recovery code")
		}
		return of(l, err)
	}
	byOwn := func(e *env) outcome {
		token, err := e.strategy.ClientCredentials(auth0.ClientCredentials{Audience: testAudience}).Token()
		return outcome{token, err}
	}
	byManagement := func(e *env) (got outcome) {
		e.tenant.Replace(emulator.Management, func(w http.ResponseWriter, r *http.Request) {
			scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			got.token = &oauth2.Token{AccessToken: token, TokenType: scheme}
			w.WriteHeader(http.StatusNoContent)
		})
		got.err = e.management().DeleteConnection(e.t.Context(), "con_1")
		return got
	}
	rotating := func(on bool) func(*emulator.Client) {
		return func(c *emulator.Client) { c.RotatingRefreshTokens = on }
	}
	claimed := map[string]bool{}
	for _, row := range []struct {
		sample string
		ask    func(*env) outcome
		edit   func(*emulator.Client)
		// replay: the sample answers. Else the tenant does, with the same members.
		replay  bool
		refused string // the Reason
	}{
		{"authorization_code_openid_offline", byLogin, nil, false, ""},
		{"authorization_code_no_scope", byGrant, nil, true, ""},
		{"authorization_code_no_scope", byLogin, nil, true, "tenant_answer"}, // who it is, nobody says
		{"client_credentials", byOwn, nil, false, ""},
		{"client_credentials", byOwn, nil, true, ""},
		{"client_credentials", byGrant, nil, true, ""},
		{"refresh_rotating", bySession, rotating(true), false, ""},
		{"refresh_non_rotating", bySession, rotating(false), false, ""},
		{"dpop", byLogin, nil, true, "tenant_answer"},
		{"dpop", byGrant, nil, true, "tenant_answer"},
		{"dpop", byOwn, nil, true, "tenant_answer"},
		{"dpop", byExchange, nil, true, "tenant_answer"},
		{"dpop", byConnection, rotating(false), true, "tenant_answer"},
		{"federated_connection_access_token", byConnection, rotating(false), false, ""},
		{"federated_connection_access_token", byConnection, rotating(false), true, ""},
		{"custom_token_exchange", byExchange, nil, false, ""},
		{"custom_token_exchange", byExchange, nil, true, ""},
		{"mfa_recovery", byRecoveryCode, nil, false, ""},
		{"rar", byGrant, nil, true, ""},
		{"mgmt_token", byManagement, nil, true, ""},
	} {
		t.Run(row.sample, func(t *testing.T) {
			body, ok := samples[row.sample]
			if !ok {
				t.Fatal("there is no such sample")
			}
			want := members(body)
			e, w := newSampleEnv(t)
			if row.edit != nil {
				e.edit(row.edit)
			}
			if row.replay {
				e.tenant.Replace(emulator.Token, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.Write(body)
				})
			}
			got := row.ask(e)
			if row.refused != "" {
				if err, ok := errors.AsType[*auth0.Error](got.err); !ok || err.Reason != row.refused || got.token != nil {
					t.Errorf("got %v, %v", got.token, got.err)
				}
				return
			}
			if got.err != nil {
				t.Fatal(got.err)
			}
			if !row.replay {
				answered := members(w.body)
				for name := range want {
					if answered[name] == nil {
						t.Errorf("the tenant does not send %s", name)
					}
				}
				for name := range answered {
					// What a sample may leave out: the scope that was asked for, and ID token
					// and refresh token if that did not have them.
					if want[name] == nil && !slices.Contains([]string{"scope", "id_token", "refresh_token"}, name) {
						t.Errorf("Auth0 does not send %s", name)
					}
				}
				want = answered
			}
			if got.token.AccessToken != want["access_token"] || got.token.Type() != "Bearer" {
				t.Errorf("got %q, want %v", got.token.AccessToken, want["access_token"])
			}
			if seconds, _ := want["expires_in"].(float64); !got.token.Expiry.IsZero() && (time.Until(got.token.Expiry)-time.Duration(seconds)*time.Second).Abs() > time.Minute {
				t.Errorf("expires at %v, want in %v s", got.token.Expiry, seconds)
			}
			if row.sample == "rar" || row.sample == "custom_token_exchange" {
				for name := range want {
					if got.token.Extra(name) == nil {
						t.Errorf("Extra has no %s", name)
					}
				}
			}
		})
		claimed[row.sample] = true
	}
	for name := range samples {
		if !claimed[name] {
			t.Errorf("%s: no row", name)
		}
	}
}

// TestSampleFiles: the other files, each answered to what asks for it.
func TestSampleFiles(t *testing.T) {
	answered := func(e *env, endpoint emulator.Endpoint, status int, bodies ...[]byte) {
		e.tenant.Replace(endpoint, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			w.Write(bodies[0])
			bodies = append(bodies[1:], bodies[0])
		})
	}
	files := map[string]func(*testing.T, *env, []byte){
		"errors.json":          nil, // TestSampledRefusals
		"token-responses.json": nil, // TestSampledTokens
		"userinfo.json": func(t *testing.T, e *env, body []byte) {
			l := must(e.password())
			answered(e, emulator.UserInfo, 200, body)
			const subject = "auth0|65f0c1d2e3a4b5c6d7e8f901"
			u, err := e.strategy.UserInfo(t.Context(), l.Token(), subject)
			at, _ := u.Claim("updated_at")
			if err != nil || u.Subject != subject || u.Name != "Jane Doe" || u.Email != "jane@acme.example" || !u.EmailVerified || at != "2026-01-01T00:00:00.000Z" {
				t.Errorf("got %+v, %v", u, err)
			}
			if _, err := e.strategy.UserInfo(t.Context(), l.Token(), l.User.Subject); err == nil {
				t.Error("an answer about somebody else")
			}
		},
		"par-response-201.json": func(t *testing.T, e *env, body []byte) {
			e.tenant.AllowPushedRequests(true)
			e.cfg.PushedAuthorizationRequests = true
			s := must(auth0.New(e.cfg))
			answered(e, emulator.PAR, 201, body)
			authURL, _, err := s.AuthCodeURL(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			q := must(url.Parse(authURL)).Query()
			if len(q) != 2 || q.Get("client_id") != testClientID || q.Get("request_uri") != "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c" {
				t.Errorf("got %v", q)
			}
		},
		"user-with-identities.json": func(t *testing.T, e *env, body []byte) {
			answered(e, emulator.Management, 200, body)
			token, err := e.management().IdentityProviderToken(t.Context(), "google-oauth2|111199914890750704174", "google-oauth2")
			if err != nil || token.AccessToken != "ya29.GlsP..." || token.RefreshToken != "1//0g..." {
				t.Errorf("got %v, %v", token, err)
			}
			_, err = e.management().IdentityProviderToken(t.Context(), "google-oauth2|111199914890750704174", "github")
			if !errors.Is(err, management.ErrNotConnected) {
				t.Errorf("got %v", err)
			}
		},
		"connection-create-oauth2.request.json": func(t *testing.T, e *env, body []byte) {
			var want struct{ Options map[string]any }
			if err := json.Unmarshal(body, &want); err != nil {
				t.Fatal(err)
			}
			log := e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
				w.WriteHeader(201)
				io.WriteString(w, "{}")
			})
			if _, err := e.management().CreateOAuth2Connection(t.Context(), partner()); err != nil {
				t.Fatal(err)
			}
			var sent struct{ Options map[string]any }
			if err := json.Unmarshal([]byte(log.bodies[0]), &sent); err != nil {
				t.Fatal(err)
			}
			for name := range sent.Options {
				if want.Options[name] == nil {
					t.Errorf("Auth0 knows no option %s", name)
				}
			}
		},
		"connection-create-oauth2.response-201.json": func(t *testing.T, e *env, body []byte) {
			answered(e, emulator.Management, 201, body)
			c, err := e.management().CreateOAuth2Connection(t.Context(), partner())
			if err != nil || c.ID != "con_Custom000000Acme" || c.Name != "partner-idp" || c.DisplayName != "Partner Ltd" || !c.Options.PKCE || len(c.Options.Scopes) != 3 || c.TokenVault {
				t.Errorf("got %v, %v", c, err)
			}
		},
		"connection-delete.response-202.json": func(t *testing.T, e *env, body []byte) {
			answered(e, emulator.Management, 202, body)
			if err := e.management().DeleteConnection(t.Context(), "con_1"); err != nil {
				t.Error(err)
			}
		},
		"client-connections.page1.json": func(t *testing.T, e *env, body []byte) {
			answered(e, emulator.Management, 200, body, readSample(t, "client-connections.last.json", nil))
			list, err := e.strategy.GetConnections(t.Context())
			if got := names(list); err != nil || got != "Username-Password-Authentication google-oauth2 partner-idp" || e.tenant.Calls(emulator.Management) != 2 {
				t.Errorf("got %q, %v after %d requests", got, err, e.tenant.Calls(emulator.Management))
			}
		},
		"client-connections.last.json": func(t *testing.T, e *env, body []byte) {
			answered(e, emulator.Management, 200, body)
			// It has no button, and no domains without the scope for options.
			list, err := e.strategy.GetConnections(t.Context())
			if err != nil || len(list) != 0 || e.tenant.Calls(emulator.Management) != 1 {
				t.Errorf("got %q, %v after %d requests", names(list), err, e.tenant.Calls(emulator.Management))
			}
		},
		"client-connections.empty.json": func(t *testing.T, e *env, body []byte) {
			answered(e, emulator.Management, 200, body)
			if list, err := e.strategy.GetConnections(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("got %v, %v", list, err)
			}
		},
		"client-info.js": func(t *testing.T, e *env, body []byte) {
			e.cfg.ConfigurationBaseURL = "https://" + tenantHost
			s := must(auth0.New(e.cfg))
			e.tenant.Fail(emulator.Management, 403)
			answered(e, emulator.ClientFile, 200, body)
			list, err := s.GetConnections(t.Context())
			if got := names(list); err != nil || !strings.Contains(got, realm) || !strings.Contains(got, "google-oauth2") {
				t.Errorf("got %q, %v", got, err)
			}
		},
	}
	there, err := os.ReadDir(filepath.Join("testdata", "tenant"))
	if err != nil || len(there) < len(files) {
		t.Fatalf("%d files, %v", len(there), err)
	}
	for _, file := range there {
		check, ok := files[file.Name()]
		if !ok {
			t.Errorf("%s: no row", file.Name())
		}
		if check != nil {
			t.Run(file.Name(), func(t *testing.T) {
				e, _ := newSampleEnv(t)
				check(t, e, readSample(t, file.Name(), nil))
			})
		}
	}
}
