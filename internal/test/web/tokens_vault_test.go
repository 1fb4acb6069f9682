package web_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

const (
	vaultGrant     = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
	vaultTokenType = "http://auth0.com/oauth/token-type/federated-connection-access-token"
)

// A vaultEnv is an application whose page /third asks for a token of Google.
type vaultEnv struct {
	*testkit.Env
	opts  []auth0.TokenOption // for the page
	token string
	err   error
}

func newVaultEnv(t *testing.T, edit ...func(*auth0.Config)) *vaultEnv {
	t.Helper()
	e := &vaultEnv{Env: testkit.SignedIn(t, append(edit, func(c *auth0.Config) {
		c.Audience, c.Scopes = testkit.Audience, []string{"openid", "profile", "email", "offline_access"}
	})...)}
	e.opts = []auth0.TokenOption{auth0.ForConnection("google-oauth2")}
	e.Mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
		e.token = ""
		tok, err := e.Strategy.AccessToken(w, r, e.opts...)
		if e.err = err; err == nil {
			e.token = tok.AccessToken
		}
	})
	e.connect("ya29.CANARY-first", "", 30*time.Minute)
	t.Cleanup(func() {
		if log := e.Log.String(); strings.Contains(log, "ya29.CANARY-") {
			t.Errorf("the log has a token of a third party:\n%s", log)
		}
	})
	return e
}

func (e *vaultEnv) connect(token, email string, life time.Duration) {
	e.T.Helper()
	if err := e.Tenant.ConnectAccount("ada@acme.example", testkit.ConnectedAccount{Connection: "google-oauth2", Email: email, AccessToken: token, Scope: "calendar", ExpiresIn: life}); err != nil {
		e.T.Fatal(err)
	}
}

// ask opens the page with the options and checks the token, and the number of
// requests.
func (e *vaultEnv) ask(b *testkit.Browser, want string, requests int, opts ...auth0.TokenOption) {
	e.T.Helper()
	if opts != nil {
		e.opts = opts
	}
	before := e.Tenant.Calls(testkit.TokenEndpoint)
	b.Page("/third")
	if got := e.Tenant.Calls(testkit.TokenEndpoint) - before; e.err != nil && want != "" || e.token != want || got != requests {
		e.T.Errorf("token %q, %v, %d requests; want %q and %d", e.token, e.err, got, want, requests)
	}
}

// TestConnectionTokenIsKept: one exchange, until it expires.
func TestConnectionTokenIsKept(t *testing.T) {
	t.Parallel()
	testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		b := e.Browser().MustLogin()
		e.ask(b, "ya29.CANARY-first", 1)
		form := e.Tenant.LastTokenRequest()
		want := url.Values{"grant_type": {vaultGrant}, "client_id": {testkit.ClientID}, "client_secret": {"client-secret-SECRET"}, "connection": {"google-oauth2"},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type": {vaultTokenType}, "subject_token": form["subject_token"]}
		if form.Encode() != want.Encode() || form.Get("subject_token") == "" {
			t.Errorf("request %v", form)
		}
		e.ask(b, "ya29.CANARY-first", 0)
		e.connect("ya29.CANARY-second", "", time.Hour)
		time.Sleep(29 * time.Minute)
		e.ask(b, "ya29.CANARY-first", 0)
		time.Sleep(45 * time.Second) // it is about to expire
		e.ask(b, "ya29.CANARY-second", 1)
		e.ask(b, "ya29.CANARY-second", 0)
		e.ask(b, "ya29.CANARY-second", 1, auth0.ForConnection("google-oauth2"), auth0.ForceRefresh())
		if !b.LoggedIn() {
			t.Error("logged out")
		}
		// The token of the login is not touched.
		e.opts = []auth0.TokenOption{}
		if b.Page("/third"); e.err != nil || strings.Count(e.token, ".") != 2 {
			t.Errorf("the application's own token: %v", e.err)
		}
	})
}

// TestConnectionTokensAreNotMixed: accounts of one connection, and none named, are
// kept apart, written and read.
func TestConnectionTokensAreNotMixed(t *testing.T) {
	t.Parallel()
	testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		e.connect("ya29.CANARY-A", "a@gmail.example", time.Hour)
		e.connect("ya29.CANARY-B", "b@gmail.example", time.Hour)
		e.connect("ya29.CANARY-first", "", time.Hour) // the account that the tenant selects without a hint
		b := e.Browser().MustLogin()
		none, hintA, hintB := auth0.ForConnection("google-oauth2"), auth0.ForConnection("google-oauth2", "a@gmail.example"), auth0.ForConnection("google-oauth2", "b@gmail.example")
		for _, requests := range []int{1, 0} {
			e.ask(b, "ya29.CANARY-A", requests, hintA)
			e.ask(b, "ya29.CANARY-B", requests, hintB)
			e.ask(b, "ya29.CANARY-first", requests, none)
		}
		// Another account in the same place replaces only that one.
		e.connect("ya29.CANARY-A2", "a@gmail.example", time.Hour)
		e.ask(b, "ya29.CANARY-A2", 1, hintA, auth0.ForceRefresh())
		e.ask(b, "ya29.CANARY-A2", 0, hintA)
		e.ask(b, "ya29.CANARY-B", 0, hintB)
		// Another user in this browser gets none of it.
		e.SignInAtTenant("bob@acme.example")
		b.Login("/auth/login?prompt=login")
		if b.Page("/third"); !errors.Is(e.err, auth0.ErrNotConnected) || e.token != "" {
			t.Errorf("Bob gets %q, %v", e.token, e.err)
		}
	})
}

// TestConnectionTokenRefused: the error of the tenant, the error for the caller,
// and whether an old token is still used.
func TestConnectionTokenRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		status     int
		body       string
		sentinel   error
		httpStatus int
		code       string
		stays      bool // the existing token
	}{
		{"no account", 401, `{"error":"federated_connection_refresh_token_not_found","error_description":"Federated connection Refresh Token not found."}`, auth0.ErrNotConnected, 403, "federated_connection_refresh_token_not_found", false},
		{"any 401", 401, `{"error":"federated_connection_refresh_token_flow_failed"}`, auth0.ErrNotConnected, 403, "federated_connection_refresh_token_flow_failed", false},
		{"our credentials", 401, `{"error":"access_denied","error_description":"Unauthorized"}`, nil, 502, "access_denied", false},
		{"not permitted", 403, `{"error":"unauthorized_client","error_description":"Grant type not allowed for the client."}`, nil, 502, "unauthorized_client", false},
		{"blocked", 403, `{"error":"unauthorized","error_description":"user is blocked"}`, auth0.ErrUserBlocked, 401, "login_required", false},
		{"blocked, as old tenants say it", 401, `{"error":"unauthorized","error_description":"user is blocked"}`, auth0.ErrUserBlocked, 401, "login_required", false},
		{"denied by an Action", 403, `{"error":"access_denied","error_description":"not today"}`, auth0.ErrTokenExpired, 401, "login_required", false},
		{"refresh token", 403, `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, auth0.ErrTokenExpired, 401, "login_required", false},
		{"our mistake", 400, `{"error":"invalid_request","error_description":"requested_token_type is required"}`, nil, 502, "invalid_request", false},
		{"too many", 429, `{"error":"too_many_requests"}`, nil, 503, "too_many_requests", true},
		{"down", 503, `<html>`, nil, 503, "temporarily_unavailable", true},
	} {
		testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
			e := newVaultEnv(t, edit)
			b := e.Browser().MustLogin()
			e.ask(b, "ya29.CANARY-first", 1)
			e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			time.Sleep(29*time.Minute + 45*time.Second) // the token is good for 15 s more
			if tt.stays {
				e.ask(b, "ya29.CANARY-first", 1)
				time.Sleep(30 * time.Second)
			}
			b.Page("/third")
			got, ok := errors.AsType[*auth0.Error](e.err)
			if !ok || got.Status != tt.httpStatus || got.Code != tt.code || got.TenantStatus != tt.status || tt.sentinel != nil && !errors.Is(got, tt.sentinel) || e.token != "" {
				t.Errorf("%s: %q, %+v", tt.name, e.token, got)
			}
			e.Tenant.Replace(testkit.TokenEndpoint, nil)
			if !b.LoggedIn() {
				t.Errorf("%s: logged out", tt.name)
			}
			e.connect("ya29.CANARY-again", "", time.Hour)
			e.ask(b, "ya29.CANARY-again", 1)
		})
	}
}

// TestConnectionTokenGone: after a rejection, a token that has not expired is not
// used any more.
func TestConnectionTokenGone(t *testing.T) {
	t.Parallel()
	testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		b := e.Browser().MustLogin()
		e.ask(b, "ya29.CANARY-first", 1)
		e.Tenant.Fail(testkit.TokenEndpoint, 401)
		e.ask(b, "", 1, auth0.ForConnection("google-oauth2"), auth0.ForceRefresh())
		e.ask(b, "", 1, auth0.ForConnection("google-oauth2"))
		e.Tenant.Fail(testkit.TokenEndpoint, 0)
		e.ask(b, "ya29.CANARY-first", 1)
	})
}

func TestConnectionTokenNeedsRefreshToken(t *testing.T) {
	t.Parallel()
	e := newVaultEnv(t)
	if e.Browser().Page("/third"); !errors.Is(e.err, auth0.ErrNoSession) {
		t.Errorf("anonymous: %v", e.err)
	}
	for name, edit := range map[string]func(*auth0.Config){"cookies": func(*auth0.Config) {}, "store": func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) }} {
		plain := testkit.SignedIn(t, edit)
		plain.Mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
			_, e.err = plain.Strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
		})
		calls := plain.Tenant.Calls(testkit.TokenEndpoint)
		b := plain.Browser().MustLogin()
		if b.Page("/third"); !errors.Is(e.err, auth0.ErrNoToken) || plain.Tenant.Calls(testkit.TokenEndpoint) != calls+1 {
			t.Errorf("%s: without refresh token: %v", name, e.err)
		}
	}
	b := e.Browser().MustLogin()
	for _, opts := range [][]auth0.TokenOption{
		{auth0.ForConnection("google-oauth2"), auth0.ForAudience("https://x.example/")},
		{auth0.ForConnection("")}, // not the token of the application itself
		{auth0.ForConnection("", "a@gmail.example")},
		{auth0.ForConnection("a\x00b")},
		{auth0.ForConnection("google-oauth2", "one@gmail.example", "two@gmail.example")},
		{auth0.ForAudience("")},
		{auth0.ForAudience("", "read:a")},
		{nil},
		{auth0.ForConnection(strings.Repeat("a", 129))},
		{auth0.ForConnection("google-oauth2", "a\nb")},
		{auth0.ForConnection("google-oauth2", strings.Repeat("x", 400))},
	} {
		e.ask(b, "", 0, opts...)
	}
}

// TestConnectionTokenAtOnce: concurrent requests of a session share one request for
// each token.
func TestConnectionTokenAtOnce(t *testing.T) {
	t.Parallel()
	testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		var mu sync.Mutex
		got := map[string]int{}
		e.Mux.HandleFunc("GET /many", func(w http.ResponseWriter, r *http.Request) {
			tok, err := e.Strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			got[tok.AccessToken]++
		})
		b := e.Browser().MustLogin()
		before := e.Tenant.Calls(testkit.TokenEndpoint)
		e.Tenant.Delay(testkit.TokenEndpoint, time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { b.Clone().Page("/many") })
		}
		wg.Wait()
		if n := e.Tenant.Calls(testkit.TokenEndpoint) - before; n != 1 || got["ya29.CANARY-first"] != 50 {
			t.Errorf("%d requests, tokens %v", n, got)
		}
	})
}

// TestConnectionTokenOutlivesCeiling: the end that the tenant sets for the session
// says nothing about the provider's token.
func TestConnectionTokenOutlivesCeiling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newVaultEnv(t)
		e.Tenant.EditIDToken(testkit.ClaimIn("session_expiry", 600))
		var expiry time.Time
		e.Mux.HandleFunc("GET /expiry", func(w http.ResponseWriter, r *http.Request) {
			expiry = testkit.Must(e.Strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))).Expiry
		})
		b := e.Browser().MustLogin()
		b.Page("/expiry")
		if left := time.Until(expiry); left < 29*time.Minute {
			t.Errorf("the token is taken to expire in %v", left)
		}
	})
}

// TestConnectionTokenSource is for calling the third party.
func TestConnectionTokenSource(t *testing.T) {
	t.Parallel()
	e := newVaultEnv(t)
	var header string
	e.Mux.HandleFunc("GET /photos", func(w http.ResponseWriter, r *http.Request) {
		call := httptest.NewRequest("GET", "https://photos.example/", nil)
		testkit.Must(e.Strategy.TokenSource(w, r, auth0.ForConnection("google-oauth2")).Token()).SetAuthHeader(call)
		header = call.Header.Get("Authorization")
	})
	e.Browser().MustLogin().Page("/photos")
	if header != "Bearer ya29.CANARY-first" {
		t.Errorf("Authorization %q", header)
	}
}

// TestConnectionTokenOfAccessToken is for an API that has a token and no session.
func TestConnectionTokenOfAccessToken(t *testing.T) {
	t.Parallel()
	e := newVaultEnv(t)
	access := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	if _, err := e.Strategy.Application().ConnectionToken(t.Context(), "", "google-oauth2", ""); !errors.Is(err, auth0.ErrNoToken) {
		t.Errorf("without a token: %v", err)
	}
	if _, err := e.Strategy.Application().ConnectionToken(t.Context(), access, "google-oauth2", ""); !errors.Is(err, auth0.ErrNotConnected) {
		t.Errorf("an application that is not the API: %v", err)
	}
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.ResourceServer = testkit.Audience }); err != nil {
		t.Fatal(err)
	}
	calls := e.Tenant.Calls(testkit.TokenEndpoint)
	for _, tt := range []struct{ connection, hint string }{{"", ""}, {"a b", ""}, {"google-oauth2", "a\nb"}} {
		if _, err := e.Strategy.Application().ConnectionToken(t.Context(), access, tt.connection, tt.hint); err == nil || e.Tenant.Calls(testkit.TokenEndpoint) != calls {
			t.Errorf("%q: %v", tt, err)
		}
	}
	if _, err := new(auth0.Strategy).Application().ConnectionToken(t.Context(), access, "google-oauth2", ""); err == nil {
		t.Error("a Strategy that New has not made")
	}
	tok, err := e.Strategy.Application().ConnectionToken(t.Context(), access, "google-oauth2", "")
	if err != nil || tok.AccessToken != "ya29.CANARY-first" || time.Until(tok.Expiry) < 25*time.Minute {
		t.Errorf("%v, %v", tok, err)
	}
	if form := e.Tenant.LastTokenRequest(); form.Get("subject_token") != access || form.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:access_token" || form.Has("login_hint") {
		t.Errorf("request %v", form)
	}
	if _, err := e.Strategy.Application().ConnectionToken(t.Context(), access, "google-oauth2", "nobody@gmail.example"); !errors.Is(err, auth0.ErrNotConnected) {
		t.Errorf("an account that is not there: %v", err)
	}
	if text := fmt.Sprint(err) + e.Log.String(); strings.Contains(text, "ya29.CANARY-") || strings.Contains(text, access) {
		t.Error("a token is in the log or an error")
	}
}

// TestManyConnectionTokens: a session keeps eight, and its cookies stay small
// enough.
func TestManyConnectionTokens(t *testing.T) {
	t.Parallel()
	testkit.InBothBubbles(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		for i := range 10 {
			e.connect(fmt.Sprintf("ya29.CANARY-%d", i), fmt.Sprintf("%d@gmail.example", i), time.Hour+time.Duration(i)*time.Minute)
		}
		b := e.Browser().MustLogin()
		for i := range 10 {
			e.ask(b, fmt.Sprintf("ya29.CANARY-%d", i), 1, auth0.ForConnection("google-oauth2", fmt.Sprintf("%d@gmail.example", i)))
		}
		for i := 2; i < 10; i++ {
			e.ask(b, fmt.Sprintf("ya29.CANARY-%d", i), 0, auth0.ForConnection("google-oauth2", fmt.Sprintf("%d@gmail.example", i)))
		}
		e.connect(strings.Repeat("x", 9000), "large@gmail.example", time.Hour)
		e.ask(b, strings.Repeat("x", 9000), 1, auth0.ForConnection("google-oauth2", "large@gmail.example"))
		if !b.LoggedIn() {
			t.Error("a large token has cost the session")
		}
	})
}
