package program_test

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
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"github.com/seed-15d5a55c/auth0/management"
)

// The files of testdata/tenant are answers of Auth0. Each sample is sent to the
// library unchanged, and a table here has the result. If the tenant of the tests
// can be made to send the same error, its words must be the same. A sample without
// a row fails, and so does a row without a sample.

// A sample is an error answer of Auth0.
type sample struct {
	Endpoint, When string
	Status         json.RawMessage // a number, or a text where a browser is redirected
	Headers        map[string]string
	Body           json.RawMessage // an object, or a text that is not JSON
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

// where returns the endpoint of a sample, or nothing if it comes through the
// browser.
func (s sample) where() testkit.Endpoint {
	for text, endpoint := range map[string]testkit.Endpoint{
		"/oauth/token": testkit.TokenEndpoint, "any Authentication API": testkit.TokenEndpoint, "/userinfo": testkit.UserInfoEndpoint, "/api/v2": testkit.ManagementEndpoint, "/oauth/par": testkit.PAREndpoint,
	} {
		if strings.Contains(s.Endpoint, text) {
			return endpoint
		}
	}
	return ""
}

// replay makes the tenant answer with the sample.
func (s sample) replay(e *testkit.Env) {
	if s.where() == "" {
		e.Tenant.DenyNext(s.member("error"), s.member("error_description"))
		return
	}
	e.Tenant.Replace(s.where(), func(w http.ResponseWriter, r *http.Request) {
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

// A sampled is the result of a sample.
type sampled struct {
	endpoint, when string
	// prepare returns the call. It runs before the fault.
	prepare func(*testkit.Env, *wire) func() error
	// provoke makes the tenant send the error itself. Nil means that no way is known.
	provoke func(*testkit.Env)
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
	user := func(edit func(*testkit.TenantUser)) func(*testkit.Env) {
		return func(e *testkit.Env) {
			u := testkit.TenantUser{Connection: testkit.Realm, Email: "ada@acme.example", EmailVerified: true, Password: testkit.Password}
			edit(&u)
			if err := e.Tenant.AddUser(u); err != nil {
				e.T.Fatal(err)
			}
		}
	}
	client := func(edit func(*testkit.TenantClient)) func(*testkit.Env) {
		return func(e *testkit.Env) { e.EditClient(edit) }
	}
	nothing := func(*testkit.Env) {} // the request is rejected anyway
	blocked := user(func(u *testkit.TenantUser) { u.Blocked = true })
	denied := user(func(u *testkit.TenantUser) { u.DenyReason = "<reason>" })
	protected := func(how string) func(*testkit.Env) { return user(func(u *testkit.TenantUser) { u.Protection = how }) }
	noGrant := client(func(c *testkit.TenantClient) { c.Grants = nil })
	one := func(e *testkit.Env) { e.Tenant.LimitRate(testkit.TokenEndpoint, 1, time.Second); e.LoginWithPassword() }

	wrong := func(p *testkit.PasswordLogin) { p.Password = "wrong" }
	const acmeAPI = "https://api.acme.example"
	const grantNotAllowed = "grant_not_allowed"
	return []sampled{
		{tokens + "authorization_code", "unknown, expired, reused or foreign code (also used for redirect_uri mismatch)", reusedCode, nothing, false, 400, "invalid_grant", "invalid_grant", 0, nil},
		{tokens + "authorization_code", "code_verifier wrong or missing", login(), nil, false, 400, "invalid_grant", "invalid_grant", 0, nil},
		{tokens + "any", "wrong/missing client_secret, unknown client_id, wrong auth method (e.g. secret demanded from an SPA)", password(), client(func(c *testkit.TenantClient) { c.Secret = "another" }), false, 502, "access_denied", "tenant_answer", 0, nil},
		{tokens + "any", "client auth failure, newer code paths / private_key_jwt", password(), nil, true, 502, "invalid_client", "tenant_answer", 0, nil},
		{tokens + "any", "grant type not enabled on the application", password(), client(func(c *testkit.TenantClient) { c.GrantTypes = []string{"authorization_code"} }), false, 500, "unauthorized_client", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "any", "missing grant_type", grant("urn:acme:other"), nil, false, 500, "invalid_request", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "any", "unknown grant_type", grant("urn:acme:other"), nothing, true, 500, "unsupported_grant_type", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},

		{tokens + "refresh_token", "expired, revoked, reused (rotation), foreign", refreshed, func(e *testkit.Env) { e.Tenant.RevokeRefreshTokens("ada@acme.example") }, false, 401, "login_required", "token_expired", 0, auth0.ErrTokenExpired},
		{tokens + "refresh_token", "user deleted", refreshed, func(e *testkit.Env) {
			subject, _ := e.Tenant.Subject("ada@acme.example")
			e.Tenant.RemoveUser(subject)
		}, false, 401, "login_required", "token_expired", 0, auth0.ErrTokenExpired},
		{tokens + "refresh_token|password", "MFA needed", refreshed, user(func(u *testkit.TenantUser) { u.MFAOnRefresh = true }), false, 403, "mfa_required", "mfa_required", 0, auth0.ErrMFARequired},
		{tokens + "refresh_token|password", "MFA needed", password(), user(func(u *testkit.TenantUser) { u.MFA = true }), false, 403, "mfa_required", "mfa_required", 0, auth0.ErrMFARequired},
		{tokens + "refresh_token|password", "MFA needed", exchanged, user(func(u *testkit.TenantUser) { u.MFA = true }), false, 403, "mfa_required", "mfa_required", 0, auth0.ErrMFARequired},

		{tokens + "password|password-realm", "wrong credentials or unknown user", password(wrong), nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "password|password-realm", "wrong credentials or unknown user", password(wrong, inRealm(testkit.Realm)), nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "password", "tenant has no Default Directory", password(), nil, false, 503, "server_error", "tenant_unavailable", 0, auth0.ErrTenantUnavailable},
		{tokens + "password-realm", "realm does not exist", password(inRealm("nope")), nothing, false, 500, "invalid_request", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "password*", "blocked by admin", password(), blocked, false, 403, "unauthorized", "user_blocked", 0, auth0.ErrUserBlocked},
		{tokens + "password*", "blocked by admin", refreshed, blocked, false, 401, "login_required", "token_expired", 0, auth0.ErrUserBlocked},
		{tokens + "password*", "brute force protection", password(wrong), func(e *testkit.Env) {
			for range 10 {
				e.LoginWithPassword(wrong)
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
		{tokens + "client_credentials", "API not enabled / wrong audience", own(testkit.Audience), nil, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "no client grant (old wording)", own(testkit.Audience), nil, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "no client grant (2025+ wording)", own(testkit.Audience), noGrant, true, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "audience missing and no default audience", own(""), nothing, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "scope outside grant", own(testkit.Audience, "write:things"), nothing, false, 500, "access_denied", grantNotAllowed, 0, auth0.ErrGrantNotAllowed},
		{tokens + "client_credentials", "M2M quota", own(testkit.Audience), func(e *testkit.Env) {
			e.EditClient(func(c *testkit.TenantClient) { c.HourlyTokens = 1 })
			e.Strategy.Application().Grant(context.Background(), "client_credentials", url.Values{"audience": {testkit.Audience}})
		}, false, 503, "too_many_requests", "tenant_unavailable", time.Hour, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", password(), one, false, 503, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", login(), one, false, 503, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", refreshed, one, false, 503, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", connected, one, false, 503, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},
		{"any Authentication API", "custom rate limit policy", own(testkit.Audience), one, false, 503, "too_many_requests", "tenant_unavailable", time.Second, auth0.ErrTenantUnavailable},

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
		{tokens + "mfa-oob", "rejected", pushed, func(e *testkit.Env) { e.Tenant.AnswerPush(testkit.MFAUser, false) }, false, 403, "access_denied", "authorization_denied", 0, nil},
		{tokens + "mfa-otp", "bad code", factor("000000"), nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "mfa-oob", "bad binding code", messaged, nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "mfa-*", "mfa_token malformed", usedFactor, nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{tokens + "mfa-*", "mfa_token expired", factor(testkit.OneTimeCode), nil, false, 400, "expired_token", "mfa_expired", 0, nil},
		{tokens + "passwordless/otp", "bad code", coded, nothing, false, 401, "invalid_grant", "wrong_credentials", 0, auth0.ErrWrongCredentials},
		{strings.TrimSpace(tokens), "DPoP public client without nonce", password(), nil, false, 502, "use_dpop_nonce", "tenant_answer", 0, nil},

		{"POST /oauth/par or GET /authorize", "both online_access and offline_access", begun(auth0.WithScopes("openid", "online_access", "offline_access")), nothing, false, 400, "invalid_request", "authorization_error", 0, nil},
		{"GET /authorize", "FAPI compliance level requires PAR", login(), client(func(c *testkit.TenantClient) { c.RequirePushedRequests = true }), false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "prompt=none without session", login(auth0.WithPrompt("none")), func(e *testkit.Env) { e.Tenant.LogOut() }, false, 400, "login_required", "authorization_error", 0, nil},
		{callbacks, "prompt=none and consent missing", login(auth0.WithPrompt("none")), nil, false, 400, "consent_required", "authorization_error", 0, nil},
		{callbacks, "prompt=none but MFA/redirect action needed", login(auth0.WithPrompt("none")), nil, true, 400, "interaction_required", "authorization_error", 0, nil},
		{callbacks, "blocked user", login(), blocked, false, 403, "unauthorized", "authorization_denied", 0, nil},
		{callbacks, "Action/Rule denied", login(), denied, false, 403, "access_denied", "authorization_denied", 0, nil},
		{callbacks, "user refused consent", login(), nil, false, 403, "access_denied", "authorization_denied", 0, nil},
		{callbacks, "unknown audience", login(auth0.WithAudience(acmeAPI)), nothing, false, 502, "access_denied", "misconfigured", 0, nil},
		{callbacks, "API policy per-app and no user client grant", login(auth0.WithAudience(acmeAPI)), func(e *testkit.Env) {
			if err := e.Tenant.AddAPI(testkit.TenantAPI{Audience: acmeAPI, PerAppAuthorization: true}); err != nil {
				e.T.Fatal(err)
			}
		}, false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "organization_usage=require and none sent", login(), client(func(c *testkit.TenantClient) { c.OrganizationUsage = "require" }), false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "organization name sent but names not enabled", login(), nil, false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "stale invitation", login(auth0.WithInvitation("stale", "org_AcmeSample000000")), nothing, false, 400, "invalid_request", "authorization_error", 0, nil},
		{callbacks, "connection missing / not enabled for client", login(auth0.WithConnection("nope")), nothing, false, 400, "invalid_request", "authorization_error", 0, nil},

		{"GET /userinfo", "missing/invalid token", known("guess"), nothing, false, 401, "invalid_token", "token_not_accepted", 0, nil},
		{"GET /userinfo", "token without openid scope", known(""), nil, false, 502, "server_error", "invalid_userinfo", 0, nil},

		{"GET /api/v2/*", "no token", managed, nil, false, 0, "", "management", 0, nil},
		{"GET /api/v2/*", "expired/invalid token", managed, nil, false, 0, "", "management", 0, nil},
		{"GET /api/v2/*", "bad signature", managed, func(e *testkit.Env) { e.Tenant.SignWithForeignKey(true) }, false, 0, "", "management", 0, nil},
		{"GET /api/v2/*", "audience is custom domain, or domain/issuer mismatch", managed, func(e *testkit.Env) {
			e.Tenant.EditAccessToken(testkit.Claim("aud", "https://login.acme.example/api/v2/"))
		}, false, 0, "", "management", 0, nil},
		{"GET /api/v2/connections", "lacks read:connections", managed, func(e *testkit.Env) { e.AllowManagement("read:users") }, false, 0, "insufficient_scope", "management", 0, nil},
		{"GET /api/v2/connections", "page/per_page beyond first 1000", listed(), nil, false, 503, "invalid_query_string", "connections_unavailable", 0, nil},
		{"GET /api/v2/connections/{id}", "unknown", managed, nothing, false, 0, "inexistent_connection", "management", 0, nil},
		{"GET /api/v2/clients/{id}", "unknown", listed(), nil, false, 503, "inexistent_client", "connections_unavailable", 0, nil},
		{"GET /api/v2/organizations/{id}", "unknown", listed(auth0.WithOrganization("org_unknown")), nothing, true, 503, "unknown_error", "connections_unavailable", 0, nil},
		{"GET /api/v2/users/{id}", "unknown", identified, nothing, false, 0, "inexistent_user", "management", 0, nil},
		{"POST /api/v2/connections", "invalid body", created, nil, true, 0, "invalid_body", "management", 0, nil},
		{"any /api/v2", "plan does not include feature", managed, nil, false, 0, "insufficient_entitlement", "management", 0, nil},
		{"any /api/v2", "rate limited", managed, func(e *testkit.Env) {
			e.Tenant.LimitRate(testkit.ManagementEndpoint, 1, time.Minute)
			managed(e, nil)()
		}, false, 0, "too_many_requests", "management", time.Minute, management.ErrUnavailable},
		{"any /api/v2", "rate limited", listed(), nil, false, 503, "too_many_requests", "connections_unavailable", time.Minute, nil},
	}
}

// notOffered are samples of flows that the library does not have.
var notOffered = map[string]string{
	"POST /bc-authorize: unknown user":       "nothing asks for a login on another device",
	"POST /bc-authorize: scope lacks openid": "nothing asks for a login on another device",
	"POST /otp/challenge: validation":        "passwordless logins use /passwordless/start",

	"GET /authorize: unknown client_id: HTML page, never a redirect":        "the person stays at the tenant",
	"GET /authorize: redirect_uri not allowed: HTML page, never a redirect": "the person stays at the tenant",
}

// The calls to the tenant.

func password(edit ...func(*testkit.PasswordLogin)) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, _ *wire) func() error {
		return func() error { _, err := e.LoginWithPassword(edit...); return err }
	}
}

func inRealm(name string) func(*testkit.PasswordLogin) {
	return func(p *testkit.PasswordLogin) { p.Connection = name }
}

func grant(kind string) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, _ *wire) func() error {
		return func() error { _, err := e.Strategy.Application().Grant(e.T.Context(), kind, nil); return err }
	}
}

func own(audience string, scopes ...string) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, _ *wire) func() error {
		return func() error {
			_, err := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: audience, Scopes: scopes}).Token()
			return err
		}
	}
}

// login is a login in the browser, whose redirect w keeps.
func login(opts ...auth0.LoginOption) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, w *wire) func() error {
		return func() error {
			authURL, transaction, err := e.Strategy.Application().AuthCodeURL(e.T.Context(), testkit.CallbackURL, opts...)
			if err != nil {
				return err
			}
			answer := e.Browser().AtTenant(testkit.Must(url.Parse(authURL))).Query()
			w.status = http.StatusFound
			w.body = testkit.Must(json.Marshal(map[string]string{"error": answer.Get("error"), "error_description": answer.Get("error_description")}))
			_, err = e.Strategy.Application().Exchange(e.T.Context(), transaction, answer)
			return err
		}
	}
}

func reusedCode(e *testkit.Env, _ *wire) func() error {
	authURL, transaction, err := e.Strategy.Application().AuthCodeURL(e.T.Context(), testkit.CallbackURL)
	if err != nil {
		e.T.Fatal(err)
	}
	answer := e.Browser().AtTenant(testkit.Must(url.Parse(authURL))).Query()
	if _, err := e.Strategy.Application().Exchange(e.T.Context(), transaction, answer); err != nil {
		e.T.Fatal(err)
	}
	return func() error {
		_, err := e.Strategy.Application().Exchange(e.T.Context(), transaction, answer)
		return err
	}
}

// begun is a login whose request is pushed.
func begun(opts ...auth0.LoginOption) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, w *wire) func() error {
		e.Tenant.AllowPushedRequests(true)
		e.Config.PushedAuthorizationRequests = true
		s := testkit.Must(auth0.New(e.Config))
		return func() error {
			_, _, err := s.Application().AuthCodeURL(e.T.Context(), testkit.CallbackURL, opts...)
			return err
		}
	}
}

func refreshed(e *testkit.Env, _ *wire) func() error {
	var err error
	e.Mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, r *http.Request) {
		_, err = e.Strategy.AccessToken(w, r, auth0.ForceRefresh())
	})
	b := e.Browser().MustLogin()
	return func() error { b.Fetch("/refresh"); return err }
}

func exchanged(e *testkit.Env, _ *wire) func() error {
	return func() error {
		_, err := e.Strategy.Application().ExchangeToken(e.T.Context(), auth0.TokenExchange{SubjectToken: "legacy-SECRET:ada@acme.example", SubjectTokenType: testkit.LegacyToken})
		return err
	}
}

func connected(e *testkit.Env, _ *wire) func() error {
	return func() error {
		_, err := e.Strategy.Application().ConnectionToken(e.T.Context(), e.Tenant.AccessToken("ada@acme.example", testkit.Audience), "google-oauth2", "")
		return err
	}
}

func factor(otp string) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, _ *wire) func() error {
		m := e.BeginMFA()
		return func() error { _, err := m.LoginWithOTP(e.T.Context(), otp); return err }
	}
}

func usedFactor(e *testkit.Env, w *wire) func() error {
	m := e.BeginMFA()
	if _, err := m.LoginWithOTP(e.T.Context(), testkit.OneTimeCode); err != nil {
		e.T.Fatal(err)
	}
	return func() error { _, err := m.LoginWithOTP(e.T.Context(), testkit.OneTimeCode); return err }
}

func challenged(e *testkit.Env, code string, channel string) func() error {
	m := e.BeginMFA()
	list := testkit.Must(m.Factors(e.T.Context()))
	i := slices.IndexFunc(list, func(a auth0.Factor) bool { return a.Channel == channel })
	m = testkit.Must(m.SendChallenge(e.T.Context(), list[i].ID))
	return func() error { _, err := m.LoginWithOOB(e.T.Context(), code); return err }
}

func pushed(e *testkit.Env, _ *wire) func() error   { return challenged(e, "", "auth0") }
func messaged(e *testkit.Env, _ *wire) func() error { return challenged(e, "wrong", "sms") }

func coded(e *testkit.Env, _ *wire) func() error {
	to := auth0.PasswordlessLogin{Email: "new@acme.example"}
	if err := e.Strategy.Application().SendCode(e.T.Context(), to); err != nil {
		e.T.Fatal(err)
	}
	return func() error { _, err := e.Strategy.Application().LoginWithCode(e.T.Context(), to, "wrong"); return err }
}

func known(token string) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, _ *wire) func() error {
		l := testkit.Must(e.LoginWithPassword())
		t := &oauth2.Token{AccessToken: cmp.Or(token, l.Token().AccessToken)}
		return func() error {
			_, err := e.Strategy.Application().UserInfo(e.T.Context(), t, l.User.Subject)
			return err
		}
	}
}

func managed(e *testkit.Env, _ *wire) func() error {
	return func() error {
		_, err := e.Management().OAuth2Connection(e.T.Context(), "con_unknown")
		return err
	}
}

func created(e *testkit.Env, _ *wire) func() error {
	return func() error {
		_, err := e.Management().CreateOAuth2Connection(e.T.Context(), testkit.PartnerConnection())
		return err
	}
}

func identified(e *testkit.Env, _ *wire) func() error {
	return func() error {
		_, err := e.Management().IdentityProviderToken(e.T.Context(), "auth0|unknown", "google-oauth2")
		return err
	}
}

func listed(opts ...auth0.LoginOption) func(*testkit.Env, *wire) func() error {
	return func(e *testkit.Env, _ *wire) func() error {
		return func() error { _, err := e.Strategy.GetConnections(e.T.Context(), opts...); return err }
	}
}

// newSampleEnv is an application with every permission that a sample needs.
func newSampleEnv(t testing.TB) (*testkit.Env, *wire) {
	w := &wire{}
	e := testkit.SignedInForGrants(t, func(c *auth0.Config) {
		c.Audience, c.Scopes = testkit.Audience, []string{"openid", "profile", "email", "offline_access"}
		w.next = c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: w}
	})
	if err := e.Tenant.AddOrganization(testkit.Organization{ID: "org_AcmeSample000000", Name: "sample", Connections: []testkit.OrganizationConnection{{Name: testkit.Realm}}}); err != nil {
		t.Fatal(err)
	}
	e.EditClient(func(c *testkit.TenantClient) {
		c.OrganizationUsage, c.ResourceServer = "allow", testkit.Audience
		c.Grants = []testkit.ClientGrant{
			{Audience: testkit.Audience, Scopes: []string{"read:protected"}},
			{Audience: "https://" + testkit.TenantHost + "/api/v2/", Scopes: append(slices.Clone(testkit.WriteScopes), "read:organizations", "read:organization_connections")},
		}
	})
	return e, w
}

func TestSampledRefusals(t *testing.T) {
	t.Parallel()
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

// check compares the error with the row.
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
	if (got.MFA() != nil) != (row.reason == "mfa_required") {
		t.Errorf("MFA is %v", got.MFA())
	}
	// The page for visitors has none of the tenant's words.
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

// compare reports where the tenant of the tests answers in other words than Auth0.
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
	t.Parallel()
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
	byLogin := func(e *testkit.Env) outcome {
		authURL, transaction, err := e.Strategy.Application().AuthCodeURL(e.T.Context(), testkit.CallbackURL)
		if err != nil {
			return outcome{err: err}
		}
		return of(e.Strategy.Application().Exchange(e.T.Context(), transaction, e.Browser().AtTenant(testkit.Must(url.Parse(authURL))).Query()))
	}
	byGrant := func(e *testkit.Env) outcome {
		token, err := e.Strategy.Application().Grant(e.T.Context(), "client_credentials", url.Values{"audience": {testkit.Audience}})
		return outcome{token, err}
	}
	bySession := func(e *testkit.Env) (got outcome) {
		e.Mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, r *http.Request) {
			got.token, got.err = e.Strategy.AccessToken(w, r, auth0.ForceRefresh())
		})
		e.Browser().MustLogin().Fetch("/refresh")
		return got
	}
	byConnection := func(e *testkit.Env) outcome {
		if err := e.Tenant.AddConnection(testkit.TenantConnection{Name: "vault", Strategy: "google-oauth2", ConnectedAccounts: true}); err != nil {
			t.Fatal(err)
		}
		if err := e.Tenant.ConnectAccount("ada@acme.example", testkit.ConnectedAccount{Connection: "vault", AccessToken: "ya29.a0A...", Scope: "openid https://www.googleapis.com/auth/calendar", ExpiresIn: 1377 * time.Second}); err != nil {
			t.Fatal(err)
		}
		token, err := e.Strategy.Application().ConnectionToken(e.T.Context(), e.Tenant.AccessToken("ada@acme.example", testkit.Audience), "vault", "")
		return outcome{token, err}
	}
	byExchange := func(e *testkit.Env) outcome {
		token, err := e.Strategy.Application().ExchangeToken(e.T.Context(), auth0.TokenExchange{SubjectToken: "legacy-SECRET:ada@acme.example", SubjectTokenType: testkit.LegacyToken, Scopes: []string{"openid", "offline_access"}})
		return outcome{token, err}
	}
	byRecoveryCode := func(e *testkit.Env) outcome {
		l, err := e.BeginMFA().LoginWithRecoveryCode(e.T.Context(), testkit.RecoveryCode)
		if err == nil && l.RecoveryCode() == "" {
			t.Error("no recovery code")
		}
		return of(l, err)
	}
	byOwn := func(e *testkit.Env) outcome {
		token, err := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience}).Token()
		return outcome{token, err}
	}
	byManagement := func(e *testkit.Env) (got outcome) {
		e.Tenant.Replace(testkit.ManagementEndpoint, func(w http.ResponseWriter, r *http.Request) {
			scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			got.token = &oauth2.Token{AccessToken: token, TokenType: scheme}
			w.WriteHeader(http.StatusNoContent)
		})
		got.err = e.Management().DeleteConnection(e.T.Context(), "con_1")
		return got
	}
	rotating := func(on bool) func(*testkit.TenantClient) {
		return func(c *testkit.TenantClient) { c.RotatingRefreshTokens = on }
	}
	claimed := map[string]bool{}
	for _, row := range []struct {
		sample string
		ask    func(*testkit.Env) outcome
		edit   func(*testkit.TenantClient)
		// replay: the sample answers. Else the tenant does, with the same members.
		replay  bool
		refused string // the Reason
	}{
		{"authorization_code_openid_offline", byLogin, nil, false, ""},
		{"authorization_code_no_scope", byGrant, nil, true, ""},
		{"authorization_code_no_scope", byLogin, nil, true, "tenant_answer"}, // the answer names no user
		{"client_credentials", byOwn, nil, false, ""},
		{"client_credentials", byOwn, nil, true, ""},
		{"client_credentials", byGrant, nil, true, ""},
		{"refresh_rotating", bySession, rotating(true), false, ""},
		{"refresh_non_rotating", bySession, rotating(false), false, ""},
		{"dpop", byLogin, nil, true, "token_not_bound"},
		{"dpop", byGrant, nil, true, "token_not_bound"},
		{"dpop", byOwn, nil, true, "token_not_bound"},
		{"dpop", byExchange, nil, true, "token_not_bound"},
		{"dpop", byConnection, rotating(false), true, "token_not_bound"},
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
				e.EditClient(row.edit)
			}
			if row.replay {
				e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
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
					// Members that a sample may leave out: the requested scope, and the ID token
					// and the refresh token if the scope did not have them.
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

// TestSampleFiles: the other files, each answered to its request.
func TestSampleFiles(t *testing.T) {
	t.Parallel()
	answered := func(e *testkit.Env, endpoint testkit.Endpoint, status int, bodies ...[]byte) {
		e.Tenant.Replace(endpoint, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			w.Write(bodies[0])
			bodies = append(bodies[1:], bodies[0])
		})
	}
	files := map[string]func(*testing.T, *testkit.Env, []byte){
		"errors.json":          nil, // TestSampledRefusals
		"token-responses.json": nil, // TestSampledTokens
		"userinfo.json": func(t *testing.T, e *testkit.Env, body []byte) {
			l := testkit.Must(e.LoginWithPassword())
			answered(e, testkit.UserInfoEndpoint, 200, body)
			const subject = "auth0|65f0c1d2e3a4b5c6d7e8f901"
			u, err := e.Strategy.Application().UserInfo(t.Context(), l.Token(), subject)
			at, _ := u.Claim("updated_at")
			if err != nil || u.Subject != subject || u.Name != "Jane Doe" || u.Email != "jane@acme.example" || !u.EmailVerified || at != "2026-01-01T00:00:00.000Z" {
				t.Errorf("got %+v, %v", u, err)
			}
			if _, err := e.Strategy.Application().UserInfo(t.Context(), l.Token(), l.User.Subject); err == nil {
				t.Error("an answer about somebody else")
			}
		},
		"par-response-201.json": func(t *testing.T, e *testkit.Env, body []byte) {
			e.Tenant.AllowPushedRequests(true)
			e.Config.PushedAuthorizationRequests = true
			s := testkit.Must(auth0.New(e.Config))
			answered(e, testkit.PAREndpoint, 201, body)
			authURL, _, err := s.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
			if err != nil {
				t.Fatal(err)
			}
			q := testkit.Must(url.Parse(authURL)).Query()
			if len(q) != 2 || q.Get("client_id") != testkit.ClientID || q.Get("request_uri") != "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c" {
				t.Errorf("got %v", q)
			}
		},
		"user-with-identities.json": func(t *testing.T, e *testkit.Env, body []byte) {
			answered(e, testkit.ManagementEndpoint, 200, body)
			token, err := e.Management().IdentityProviderToken(t.Context(), "google-oauth2|111199914890750704174", "google-oauth2")
			if err != nil || token.AccessToken != "ya29.GlsP..." || token.RefreshToken != "1//0g..." {
				t.Errorf("got %v, %v", token, err)
			}
			_, err = e.Management().IdentityProviderToken(t.Context(), "google-oauth2|111199914890750704174", "github")
			if !errors.Is(err, management.ErrNotConnected) {
				t.Errorf("got %v", err)
			}
		},
		"connection-create-oauth2.request.json": func(t *testing.T, e *testkit.Env, body []byte) {
			var want struct{ Options map[string]any }
			if err := json.Unmarshal(body, &want); err != nil {
				t.Fatal(err)
			}
			log := e.RecordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
				w.WriteHeader(201)
				io.WriteString(w, "{}")
			})
			if _, err := e.Management().CreateOAuth2Connection(t.Context(), testkit.PartnerConnection()); err != nil {
				t.Fatal(err)
			}
			var sent struct{ Options map[string]any }
			if err := json.Unmarshal([]byte(log.Bodies[0]), &sent); err != nil {
				t.Fatal(err)
			}
			for name := range sent.Options {
				if want.Options[name] == nil {
					t.Errorf("Auth0 knows no option %s", name)
				}
			}
		},
		"connection-create-oauth2.response-201.json": func(t *testing.T, e *testkit.Env, body []byte) {
			answered(e, testkit.ManagementEndpoint, 201, body)
			c, err := e.Management().CreateOAuth2Connection(t.Context(), testkit.PartnerConnection())
			if err != nil || c.ID != "con_Custom000000Acme" || c.Name != "partner-idp" || c.DisplayName != "Partner Ltd" || !c.Options.PKCE || len(c.Options.Scopes) != 3 || c.TokenVault {
				t.Errorf("got %v, %v", c, err)
			}
		},
		"connection-delete.response-202.json": func(t *testing.T, e *testkit.Env, body []byte) {
			answered(e, testkit.ManagementEndpoint, 202, body)
			if err := e.Management().DeleteConnection(t.Context(), "con_1"); err != nil {
				t.Error(err)
			}
		},
		"client-connections.page1.json": func(t *testing.T, e *testkit.Env, body []byte) {
			answered(e, testkit.ManagementEndpoint, 200, body, readSample(t, "client-connections.last.json", nil))
			list, err := e.Strategy.GetConnections(t.Context())
			if got := testkit.Names(list); err != nil || got != "Username-Password-Authentication google-oauth2 partner-idp" || e.Tenant.Calls(testkit.ManagementEndpoint) != 2 {
				t.Errorf("got %q, %v after %d requests", got, err, e.Tenant.Calls(testkit.ManagementEndpoint))
			}
		},
		"client-connections.last.json": func(t *testing.T, e *testkit.Env, body []byte) {
			answered(e, testkit.ManagementEndpoint, 200, body)
			// It has no button, and no domains without the scope for options.
			list, err := e.Strategy.GetConnections(t.Context())
			if err != nil || len(list) != 0 || e.Tenant.Calls(testkit.ManagementEndpoint) != 1 {
				t.Errorf("got %q, %v after %d requests", testkit.Names(list), err, e.Tenant.Calls(testkit.ManagementEndpoint))
			}
		},
		"client-connections.empty.json": func(t *testing.T, e *testkit.Env, body []byte) {
			answered(e, testkit.ManagementEndpoint, 200, body)
			if list, err := e.Strategy.GetConnections(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("got %v, %v", list, err)
			}
		},
		"client-info.js": func(t *testing.T, e *testkit.Env, body []byte) {
			e.Config.ConfigurationBaseURL = "https://" + testkit.TenantHost
			s := testkit.Must(auth0.New(e.Config))
			e.Tenant.Fail(testkit.ManagementEndpoint, 403)
			answered(e, testkit.ClientFileEndpoint, 200, body)
			list, err := s.GetConnections(t.Context())
			if got := testkit.Names(list); err != nil || !strings.Contains(got, testkit.Realm) || !strings.Contains(got, "google-oauth2") {
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
