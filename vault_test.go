package auth0_test

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
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	vaultGrant     = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
	vaultTokenType = "http://auth0.com/oauth/token-type/federated-connection-access-token"
)

// A vaultEnv is an application whose page /third asks for a token of Google.
type vaultEnv struct {
	*env
	opts  []auth0.TokenOption // for the page
	token string
	err   error
}

func newVaultEnv(t *testing.T, edit ...func(*auth0.Config)) *vaultEnv {
	t.Helper()
	e := &vaultEnv{env: newEnv(t, append(edit, func(c *auth0.Config) {
		c.Audience, c.Scopes = testAudience, []string{"openid", "profile", "email", "offline_access"}
	})...)}
	e.opts = []auth0.TokenOption{auth0.ForConnection("google-oauth2")}
	e.mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
		e.token = ""
		tok, err := e.strategy.AccessToken(w, r, e.opts...)
		if e.err = err; err == nil {
			e.token = tok.AccessToken
		}
	})
	e.connect("ya29.first", "", 30*time.Minute)
	t.Cleanup(func() {
		if log := e.log.String(); strings.Contains(log, "ya29") {
			t.Errorf("the log has a token of a third party:\n%s", log)
		}
	})
	return e
}

func (e *vaultEnv) connect(token, email string, life time.Duration) {
	e.t.Helper()
	if err := e.tenant.ConnectAccount("ada@acme.example", emulator.ConnectedAccount{Connection: "google-oauth2", Email: email, AccessToken: token, Scope: "calendar", ExpiresIn: life}); err != nil {
		e.t.Fatal(err)
	}
}

// ask opens the page with the options and checks the token, and how many
// requests that took.
func (e *vaultEnv) ask(b *browser, want string, requests int, opts ...auth0.TokenOption) {
	e.t.Helper()
	if opts != nil {
		e.opts = opts
	}
	before := e.tenant.Calls(emulator.Token)
	b.page("/third")
	if got := e.tenant.Calls(emulator.Token) - before; e.err != nil && want != "" || e.token != want || got != requests {
		e.t.Errorf("token %q, %v, %d requests; want %q and %d", e.token, e.err, got, want, requests)
	}
}

// inBoth runs a test with sessions in cookies and in a store.
func inBoth(t *testing.T, test func(t *testing.T, edit func(*auth0.Config))) {
	for name, edit := range map[string]func(*auth0.Config){
		"cookies": func(*auth0.Config) {},
		"store":   func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(100) },
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, edit) }) })
	}
}

// TestConnectionTokenIsKept: one exchange, until it expires.
func TestConnectionTokenIsKept(t *testing.T) {
	inBoth(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		b := e.browser().mustLogin()
		e.ask(b, "ya29.first", 1)
		form := e.tenant.LastTokenRequest()
		want := url.Values{"grant_type": {vaultGrant}, "client_id": {testClientID}, "client_secret": {"client-secret-SECRET"}, "connection": {"google-oauth2"},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type": {vaultTokenType}, "subject_token": form["subject_token"]}
		if form.Encode() != want.Encode() || form.Get("subject_token") == "" {
			t.Errorf("request %v", form)
		}
		e.ask(b, "ya29.first", 0)
		e.connect("ya29.second", "", time.Hour)
		time.Sleep(29 * time.Minute)
		e.ask(b, "ya29.first", 0)
		time.Sleep(45 * time.Second) // it is about to expire
		e.ask(b, "ya29.second", 1)
		e.ask(b, "ya29.second", 0)
		e.ask(b, "ya29.second", 1, auth0.ForConnection("google-oauth2"), auth0.ForceRefresh())
		if !b.loggedIn() {
			t.Error("logged out")
		}
		// The token of the login is not touched.
		e.opts = []auth0.TokenOption{}
		if b.page("/third"); e.err != nil || strings.Count(e.token, ".") != 2 {
			t.Errorf("the application's own token: %v", e.err)
		}
	})
}

// TestConnectionTokensAreNotMixed: accounts of one connection, and none named,
// are kept apart, written and read.
func TestConnectionTokensAreNotMixed(t *testing.T) {
	inBoth(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		e.connect("ya29.A", "a@gmail.example", time.Hour)
		e.connect("ya29.B", "b@gmail.example", time.Hour)
		e.connect("ya29.first", "", time.Hour) // the one that the tenant takes without hint
		b := e.browser().mustLogin()
		none, hintA, hintB := auth0.ForConnection("google-oauth2"), auth0.ForConnection("google-oauth2", "a@gmail.example"), auth0.ForConnection("google-oauth2", "b@gmail.example")
		for _, requests := range []int{1, 0} {
			e.ask(b, "ya29.A", requests, hintA)
			e.ask(b, "ya29.B", requests, hintB)
			e.ask(b, "ya29.first", requests, none)
		}
		// Another account in the same place replaces that one only.
		e.connect("ya29.A2", "a@gmail.example", time.Hour)
		e.ask(b, "ya29.A2", 1, hintA, auth0.ForceRefresh())
		e.ask(b, "ya29.A2", 0, hintA)
		e.ask(b, "ya29.B", 0, hintB)
		// Another person in this browser gets none of it.
		e.as("bob@acme.example")
		b.login("/auth/login?prompt=login")
		if b.page("/third"); !errors.Is(e.err, auth0.ErrNotConnected) || e.token != "" {
			t.Errorf("Bob gets %q, %v", e.token, e.err)
		}
	})
}

// TestConnectionTokenRefused: what the tenant says, what the caller gets, and
// whether an old token is still used.
func TestConnectionTokenRefused(t *testing.T) {
	for _, tt := range []struct {
		name       string
		status     int
		body       string
		sentinel   error
		httpStatus int
		code       string
		stays      bool // the token that there is
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
		{"too many", 429, `{"error":"too_many_requests"}`, nil, 502, "too_many_requests", true},
		{"down", 503, `<html>`, nil, 502, "temporarily_unavailable", true},
	} {
		inBoth(t, func(t *testing.T, edit func(*auth0.Config)) {
			e := newVaultEnv(t, edit)
			b := e.browser().mustLogin()
			e.ask(b, "ya29.first", 1)
			e.tenant.Replace(emulator.Token, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			time.Sleep(29*time.Minute + 45*time.Second) // the token is good for 15 s more
			if tt.stays {
				e.ask(b, "ya29.first", 1)
				time.Sleep(30 * time.Second)
			}
			b.page("/third")
			got, ok := errors.AsType[*auth0.Error](e.err)
			if !ok || got.Status != tt.httpStatus || got.Code != tt.code || got.TenantStatus != tt.status || tt.sentinel != nil && !errors.Is(got, tt.sentinel) || e.token != "" {
				t.Errorf("%s: %q, %+v", tt.name, e.token, got)
			}
			e.tenant.Replace(emulator.Token, nil)
			if !b.loggedIn() {
				t.Errorf("%s: logged out", tt.name)
			}
			e.connect("ya29.again", "", time.Hour)
			e.ask(b, "ya29.again", 1)
		})
	}
}

// TestConnectionTokenGone: after a refusal, a token that was good yet is not
// used any more.
func TestConnectionTokenGone(t *testing.T) {
	inBoth(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		b := e.browser().mustLogin()
		e.ask(b, "ya29.first", 1)
		e.tenant.Fail(emulator.Token, 401)
		e.ask(b, "", 1, auth0.ForConnection("google-oauth2"), auth0.ForceRefresh())
		e.ask(b, "", 1, auth0.ForConnection("google-oauth2"))
		e.tenant.Fail(emulator.Token, 0)
		e.ask(b, "ya29.first", 1)
	})
}

func TestConnectionTokenNeedsRefreshToken(t *testing.T) {
	e := newVaultEnv(t)
	if e.browser().page("/third"); !errors.Is(e.err, auth0.ErrNoSession) {
		t.Errorf("anonymous: %v", e.err)
	}
	for name, edit := range map[string]func(*auth0.Config){"cookies": func(*auth0.Config) {}, "store": func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) }} {
		plain := newEnv(t, edit)
		plain.mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
			_, e.err = plain.strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
		})
		calls := plain.tenant.Calls(emulator.Token)
		b := plain.browser().mustLogin()
		if b.page("/third"); !errors.Is(e.err, auth0.ErrNoToken) || plain.tenant.Calls(emulator.Token) != calls+1 {
			t.Errorf("%s: without refresh token: %v", name, e.err)
		}
	}
	b := e.browser().mustLogin()
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

// TestConnectionTokenAtOnce: however many requests of a session ask, the tenant
// is asked once for each token.
func TestConnectionTokenAtOnce(t *testing.T) {
	inBoth(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		var mu sync.Mutex
		got := map[string]int{}
		e.mux.HandleFunc("GET /many", func(w http.ResponseWriter, r *http.Request) {
			tok, err := e.strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			got[tok.AccessToken]++
		})
		b := e.browser().mustLogin()
		before := e.tenant.Calls(emulator.Token)
		e.tenant.Delay(emulator.Token, time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { b.clone().page("/many") })
		}
		wg.Wait()
		if n := e.tenant.Calls(emulator.Token) - before; n != 1 || got["ya29.first"] != 50 {
			t.Errorf("%d requests, tokens %v", n, got)
		}
	})
}

// TestConnectionTokenOutlivesCeiling: when the tenant wants the session to end
// says nothing about the provider's token.
func TestConnectionTokenOutlivesCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newVaultEnv(t)
		e.tenant.EditIDToken(func(_, claims map[string]any) { claims["session_expiry"] = time.Now().Add(10 * time.Minute).Unix() })
		var expiry time.Time
		e.mux.HandleFunc("GET /expiry", func(w http.ResponseWriter, r *http.Request) {
			expiry = must(e.strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))).Expiry
		})
		b := e.browser().mustLogin()
		b.page("/expiry")
		if left := time.Until(expiry); left < 29*time.Minute {
			t.Errorf("the token is taken to expire in %v", left)
		}
	})
}

// TestConnectionTokenSource is for calling the third party.
func TestConnectionTokenSource(t *testing.T) {
	e := newVaultEnv(t)
	var header string
	e.mux.HandleFunc("GET /photos", func(w http.ResponseWriter, r *http.Request) {
		call := httptest.NewRequest("GET", "https://photos.example/", nil)
		must(e.strategy.TokenSource(w, r, auth0.ForConnection("google-oauth2")).Token()).SetAuthHeader(call)
		header = call.Header.Get("Authorization")
	})
	e.browser().mustLogin().page("/photos")
	if header != "Bearer ya29.first" {
		t.Errorf("Authorization %q", header)
	}
}

// TestConnectionTokenOfAccessToken is for an API that has a token and no session.
func TestConnectionTokenOfAccessToken(t *testing.T) {
	e := newVaultEnv(t)
	access := e.tenant.AccessToken("ada@acme.example", testAudience)
	if _, err := e.strategy.ConnectionToken(t.Context(), "", "google-oauth2", ""); !errors.Is(err, auth0.ErrNoToken) {
		t.Errorf("without a token: %v", err)
	}
	if _, err := e.strategy.ConnectionToken(t.Context(), access, "google-oauth2", ""); !errors.Is(err, auth0.ErrNotConnected) {
		t.Errorf("an application that is not the API: %v", err)
	}
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) { c.ResourceServer = testAudience }); err != nil {
		t.Fatal(err)
	}
	calls := e.tenant.Calls(emulator.Token)
	for _, tt := range []struct{ connection, hint string }{{"", ""}, {"a b", ""}, {"google-oauth2", "a\nb"}} {
		if _, err := e.strategy.ConnectionToken(t.Context(), access, tt.connection, tt.hint); err == nil || e.tenant.Calls(emulator.Token) != calls {
			t.Errorf("%q: %v", tt, err)
		}
	}
	if _, err := new(auth0.Strategy).ConnectionToken(t.Context(), access, "google-oauth2", ""); err == nil {
		t.Error("a Strategy that New has not made")
	}
	tok, err := e.strategy.ConnectionToken(t.Context(), access, "google-oauth2", "")
	if err != nil || tok.AccessToken != "ya29.first" || time.Until(tok.Expiry) < 25*time.Minute {
		t.Errorf("%v, %v", tok, err)
	}
	if form := e.tenant.LastTokenRequest(); form.Get("subject_token") != access || form.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:access_token" || form.Has("login_hint") {
		t.Errorf("request %v", form)
	}
	if _, err := e.strategy.ConnectionToken(t.Context(), access, "google-oauth2", "nobody@gmail.example"); !errors.Is(err, auth0.ErrNotConnected) {
		t.Errorf("an account that is not there: %v", err)
	}
	if text := fmt.Sprint(err) + e.log.String(); strings.Contains(text, "ya29") || strings.Contains(text, access) {
		t.Error("a token is in the log or an error")
	}
}

// TestManyConnectionTokens keeps eight, and cookies that are not too large.
func TestManyConnectionTokens(t *testing.T) {
	inBoth(t, func(t *testing.T, edit func(*auth0.Config)) {
		e := newVaultEnv(t, edit)
		for i := range 10 {
			e.connect(fmt.Sprintf("ya29.%d", i), fmt.Sprintf("%d@gmail.example", i), time.Hour+time.Duration(i)*time.Minute)
		}
		b := e.browser().mustLogin()
		for i := range 10 {
			e.ask(b, fmt.Sprintf("ya29.%d", i), 1, auth0.ForConnection("google-oauth2", fmt.Sprintf("%d@gmail.example", i)))
		}
		for i := 2; i < 10; i++ {
			e.ask(b, fmt.Sprintf("ya29.%d", i), 0, auth0.ForConnection("google-oauth2", fmt.Sprintf("%d@gmail.example", i)))
		}
		e.connect(strings.Repeat("x", 9000), "large@gmail.example", time.Hour)
		e.ask(b, strings.Repeat("x", 9000), 1, auth0.ForConnection("google-oauth2", "large@gmail.example"))
		if !b.loggedIn() {
			t.Error("a large token has cost the session")
		}
	})
}
