package auth0_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

var writeScopes = []string{"read:connections", "read:connections_options", "create:connections", "update:connections",
	"update:connections_options", "delete:connections", "read:clients", "read:users", "read:user_idp_tokens"}

// allow makes scopes of the Management API those of the application.
func (e *env) allow(scopes ...string) {
	e.t.Helper()
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) {
		c.Grants = []emulator.ClientGrant{{Audience: "https://" + tenantHost + "/api/v2/", Scopes: scopes}}
	}); err != nil {
		e.t.Fatal(err)
	}
}

const profileScript = `function fetchUserProfile(accessToken, context, callback) { /* ... */ }`

func partner() auth0.OAuth2Connection {
	return auth0.OAuth2Connection{
		Name: "partner-two", DisplayName: "Partner Two",
		Options: auth0.OAuth2Options{
			AuthorizationURL: "https://idp.partner.example/oauth2/authorize", TokenURL: "https://idp.partner.example/oauth2/token",
			ClientID: "acme-at-partner", ClientSecret: "s3cret-CANARY", Scopes: []string{"email", "openid", "profile"}, PKCE: true,
			FetchUserProfile: profileScript, IconURL: "https://cdn.partner.example/logo.png",
			CustomHeaders: map[string]string{"X-Partner": "acme-CANARY"}, AuthParams: map[string]string{"static_param": "x"},
			AuthParamsMap: map[string]string{"custom_param": "access_type"},
		},
	}
}

// apiLog records what is sent to the Management API.
type apiLog struct{ requests, bodies []string }

func (e *env) recordManagement(answer func(w http.ResponseWriter, r *http.Request, n int)) *apiLog {
	l := &apiLog{}
	e.tenant.Replace(emulator.Management, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.requests = append(l.requests, r.Method+" "+r.URL.RequestURI())
		l.bodies = append(l.bodies, string(body))
		answer(w, r, len(l.requests))
	})
	return l
}

// TestCreateOAuth2Connection: the request is the documented one, and the
// documented answer is understood.
func TestCreateOAuth2Connection(t *testing.T) {
	e := newEnv(t)
	l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
		w.WriteHeader(201)
		fmt.Fprint(w, `{"id":"con_Custom000000Acme","options":{"scope":["email","openid","profile"],"scripts":{"fetchUserProfile":"function fetchUserProfile(accessToken, context, callback) { /* ... */ }"},"icon_url":"https://cdn.partner.example/logo.png","tokenURL":"https://idp.partner.example/oauth2/token","client_id":"acme-at-partner","client_secret":"s3cret-CANARY","pkce_enabled":true,"useOauthSpecScope":true,"upstream_params":{"login_hint":{"alias":"login_hint"}},"authorizationURL":"https://idp.partner.example/oauth2/authorize","strategy_version":2,"set_user_root_attributes":"on_each_login"},"strategy":"oauth2","name":"partner-idp","display_name":"Partner Ltd","is_domain_connection":false,"authentication":{"active":true},"connected_accounts":{"active":false},"realms":["partner-idp"],"metadata":{"tier":"gold"},"enabled_clients":[]}`)
	})
	c := partner()
	c.Name, c.DisplayName = "partner-idp", "Partner Ltd"
	made, err := e.strategy.Management().CreateOAuth2Connection(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"partner-idp","display_name":"Partner Ltd","strategy":"oauth2","options":{"client_id":"acme-at-partner","client_secret":"s3cret-CANARY","authorizationURL":"https://idp.partner.example/oauth2/authorize","tokenURL":"https://idp.partner.example/oauth2/token","scope":["email","openid","profile"],"useOauthSpecScope":true,"pkce_enabled":true,"icon_url":"https://cdn.partner.example/logo.png","customHeaders":{"X-Partner":"acme-CANARY"},"authParams":{"static_param":"x"},"authParamsMap":{"custom_param":"access_type"},"scripts":{"fetchUserProfile":"function fetchUserProfile(accessToken, context, callback) { /* ... */ }"}}}`
	if !slices.Equal(l.requests, []string{"POST /api/v2/connections"}) || !sameJSON(t, l.bodies[0], want) {
		t.Errorf("%q with %s", l.requests, l.bodies)
	}
	if made.ID != "con_Custom000000Acme" || made.Name != "partner-idp" || made.DisplayName != "Partner Ltd" || made.TokenVault {
		t.Errorf("made %+v", made)
	}
	o := made.Options
	if o.ClientSecret != "s3cret-CANARY" || o.FetchUserProfile != profileScript || !o.PKCE || strings.Join(o.Scopes, " ") != "email openid profile" || o.CustomHeaders != nil {
		t.Errorf("options %v, %q, %v, %q", o, o.FetchUserProfile, o.PKCE, o.Scopes)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var va, vb any
	if err := errors.Join(json.Unmarshal([]byte(a), &va), json.Unmarshal([]byte(b), &vb)); err != nil {
		t.Error(err)
	}
	return reflect.DeepEqual(va, vb)
}

// TestManagementLife goes through the life of a connection at the tenant.
func TestManagementLife(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m, ctx := e.strategy.Management(), t.Context()
	made := must(m.CreateOAuth2Connection(ctx, partner()))
	read := must(m.OAuth2Connection(ctx, made.ID))
	if read.ID == "" || read.Name != "partner-two" || read.DisplayName != "Partner Two" || read.Options.ClientSecret != "s3cret-CANARY" || read.Options.CustomHeaders["X-Partner"] != "acme-CANARY" {
		t.Errorf("read %v", read)
	}
	var listed []string
	for _, c := range must(m.OAuth2Connections(ctx)) {
		listed = append(listed, c.Name)
	}
	if got := strings.Join(listed, " "); got != "partner-idp legacy-accounts partner-two" {
		t.Errorf("listed %q", got)
	}

	shown := func() bool {
		t.Helper()
		strategy := must(auth0.New(e.cfg)) // without a list in its cache
		return strings.Contains(names(must(strategy.GetConnections(ctx))), "partner-two")
	}
	if shown() {
		t.Error("there is a button before the connection is enabled")
	}
	if err := m.EnableConnection(ctx, made.ID); err != nil || !shown() {
		t.Errorf("enable: %v, button %v", err, shown())
	}
	if err := m.DisableConnection(ctx, made.ID, testClientID); err != nil || shown() {
		t.Errorf("disable: %v, button %v", err, shown())
	}

	// Another secret, and nothing else.
	updated := must(m.UpdateOAuth2Connection(ctx, made.ID, func(c *auth0.OAuth2Connection) { c.Options.ClientSecret = "rotated-CANARY" }))
	want := read
	want.Options.ClientSecret = "rotated-CANARY"
	again := must(m.OAuth2Connection(ctx, made.ID))
	for _, got := range []auth0.OAuth2Connection{updated, again} {
		if got.DisplayName != "Partner Two" || !reflect.DeepEqual(got.Options, want.Options) {
			t.Errorf("after the rotation %v, secret %q", got, got.Options.ClientSecret)
		}
	}
	// The name for people and the vault, and no options.
	updated = must(m.UpdateOAuth2Connection(ctx, made.ID, func(c *auth0.OAuth2Connection) { c.DisplayName, c.TokenVault = "Other", true }))
	if updated.DisplayName != "Other" || !updated.TokenVault || updated.Options.ClientSecret != "rotated-CANARY" {
		t.Errorf("%v, %v", updated, updated.TokenVault)
	}
	if err := m.DeleteConnection(ctx, made.ID); err != nil {
		t.Error(err)
	}
	_, err := m.OAuth2Connection(ctx, made.ID)
	if e := asAuth0Error(t, err); e.TenantStatus != 404 || e.Code != "inexistent_connection" {
		t.Errorf("after it was deleted: %v", err)
	}
}

func asAuth0Error(t *testing.T, err error) *auth0.Error {
	t.Helper()
	e, ok := errors.AsType[*auth0.Error](err)
	if !ok {
		t.Fatalf("%v is no *auth0.Error", err)
	}
	return e
}

// TestUpdateKeepsOptions: the tenant replaces options as a whole, and a display
// name that it does not get, so both are sent as they were.
func TestUpdateKeepsOptions(t *testing.T) {
	e := newEnv(t)
	const stored = `{"id":"con_1","name":"p","display_name":"P Ltd","strategy":"oauth2","options":{"client_id":"a","client_secret":"b-CANARY","authorizationURL":"https://p.example/a","tokenURL":"https://p.example/t","scope":"x y","scripts":{"fetchUserProfile":"function(){}","other":1},"upstream_params":{"login_hint":{"alias":"login_hint"}},"strategy_version":2,"non_persistent_attrs":["ethnicity"],"authParams":{"n":1}}}`
	l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, n int) { fmt.Fprint(w, stored) })
	m := e.strategy.Management()
	if _, err := m.UpdateOAuth2Connection(t.Context(), "con_1", func(c *auth0.OAuth2Connection) { c.Options.TokenURL = "https://p.example/t2" }); err != nil {
		t.Fatal(err)
	}
	const want = `{"display_name":"P Ltd","options":{"client_id":"a","client_secret":"b-CANARY","authorizationURL":"https://p.example/a","tokenURL":"https://p.example/t2","scope":"x y","scripts":{"fetchUserProfile":"function(){}","other":1},"upstream_params":{"login_hint":{"alias":"login_hint"}},"strategy_version":2,"non_persistent_attrs":["ethnicity"],"authParams":{"n":1}}}`
	if !slices.Equal(l.requests, []string{"GET /api/v2/connections/con_1", "PATCH /api/v2/connections/con_1"}) || !sameJSON(t, l.bodies[1], want) {
		t.Errorf("%q, %s", l.requests, l.bodies)
	}
	for name, tt := range map[string]struct {
		edit func(*auth0.OAuth2Connection)
		want string // body, empty for no request
	}{
		"nothing":          {func(*auth0.OAuth2Connection) {}, ""},
		"the same":         {func(c *auth0.OAuth2Connection) { c.DisplayName = "P Ltd"; c.Options.Scopes = []string{"x", "y"} }, ""},
		"the display name": {func(c *auth0.OAuth2Connection) { c.DisplayName = "Q" }, `{"display_name":"Q"}`},
		"no display name":  {func(c *auth0.OAuth2Connection) { c.DisplayName = "" }, `{"display_name":"p"}`},
		"the vault":        {func(c *auth0.OAuth2Connection) { c.TokenVault = true }, `{"display_name":"P Ltd","connected_accounts":{"active":true}}`},
	} {
		l.requests, l.bodies = nil, nil
		_, err := m.UpdateOAuth2Connection(t.Context(), "con_1", tt.edit)
		if err != nil || (tt.want == "") != (len(l.requests) == 1) || tt.want != "" && !sameJSON(t, l.bodies[1], tt.want) {
			t.Errorf("%s: %v, %q, %q", name, err, l.requests, l.bodies)
		}
	}
	l.requests = nil
	if _, err := m.UpdateOAuth2Connection(t.Context(), "con_1", func(c *auth0.OAuth2Connection) { c.Name = "q" }); err == nil || len(l.requests) != 1 {
		t.Errorf("another name: %v, %q", err, l.requests)
	}
	// Scopes, header and script that go away or come.
	l.bodies = nil
	must(m.UpdateOAuth2Connection(t.Context(), "con_1", func(c *auth0.OAuth2Connection) {
		c.Options.Scopes, c.Options.PKCE = nil, true
		c.Options.FetchUserProfile = "function(a){}"
		c.Options.CustomHeaders = map[string]string{"X-A": "1"}
	}))
	for _, part := range []string{`"pkce_enabled":true`, `"fetchUserProfile":"function(a){}"`, `"other":1`, `"customHeaders":{"X-A":"1"}`} {
		if !strings.Contains(l.bodies[1], part) || strings.Contains(l.bodies[1], `"scope"`) {
			t.Errorf("%s is not in %s", part, l.bodies[1])
		}
	}
}

// TestUpdateWithoutOptionsScope must not replace what it cannot see.
func TestUpdateWithoutOptionsScope(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m := e.strategy.Management()
	made := must(m.CreateOAuth2Connection(t.Context(), partner()))
	e.allow("read:connections", "update:connections", "update:connections_options")
	m = must(auth0.New(e.cfg)).Management()
	calls := e.tenant.Calls(emulator.Management)
	_, err := m.UpdateOAuth2Connection(t.Context(), made.ID, func(c *auth0.OAuth2Connection) { c.Options.ClientSecret = "x" })
	if got := asAuth0Error(t, err); got.Scope != "read:connections_options" || e.tenant.Calls(emulator.Management) != calls+1 {
		t.Errorf("%v, scope %q", err, got.Scope)
	}
	if c, err := m.UpdateOAuth2Connection(t.Context(), made.ID, func(c *auth0.OAuth2Connection) { c.DisplayName = "X" }); err != nil || c.DisplayName != "X" {
		t.Errorf("%v, %v", c, err)
	}
}

// TestConnectionMistakes: all of them are found at once, and nothing is sent.
func TestConnectionMistakes(t *testing.T) {
	e := newEnv(t)
	m := e.strategy.Management()
	for _, tt := range []struct {
		want []string
		edit func(*auth0.OAuth2Connection)
	}{
		{[]string{"Name"}, func(c *auth0.OAuth2Connection) { c.Name = "" }},
		{[]string{"Name"}, func(c *auth0.OAuth2Connection) { c.Name = "-a" }},
		{[]string{"Name"}, func(c *auth0.OAuth2Connection) { c.Name = "a--b" }},
		{[]string{"Name"}, func(c *auth0.OAuth2Connection) { c.Name = "a-" }},
		{[]string{"Name"}, func(c *auth0.OAuth2Connection) { c.Name = "a_b" }},
		{[]string{"Name"}, func(c *auth0.OAuth2Connection) { c.Name = "a\n" }},
		{[]string{"Name"}, func(c *auth0.OAuth2Connection) { c.Name = strings.Repeat("a", 129) }},
		{[]string{"DisplayName"}, func(c *auth0.OAuth2Connection) { c.DisplayName = "a\x00" }},
		{[]string{"AuthorizationURL", "TokenURL"}, func(c *auth0.OAuth2Connection) {
			c.Options.AuthorizationURL, c.Options.TokenURL = "http://idp.example/a", ""
		}},
		{[]string{"TokenURL"}, func(c *auth0.OAuth2Connection) { c.Options.TokenURL = "https://idp.example/t#f" }},
		{[]string{"IconURL"}, func(c *auth0.OAuth2Connection) { c.Options.IconURL = "javascript:alert(1)" }},
		{[]string{"ClientID", "ClientSecret"}, func(c *auth0.OAuth2Connection) { c.Options.ClientID, c.Options.ClientSecret = "", "" }},
		{[]string{"FetchUserProfile"}, func(c *auth0.OAuth2Connection) { c.Options.FetchUserProfile = " \n" }},
		{[]string{"Scopes"}, func(c *auth0.OAuth2Connection) { c.Options.Scopes = []string{"a b"} }},
		{[]string{"CustomHeaders"}, func(c *auth0.OAuth2Connection) { c.Options.CustomHeaders = map[string]string{"X Y": "1"} }},
		{[]string{"CustomHeaders"}, func(c *auth0.OAuth2Connection) { c.Options.CustomHeaders = map[string]string{"X": "1\r\nY: 2"} }},
		{[]string{"AuthParams"}, func(c *auth0.OAuth2Connection) { c.Options.AuthParams = map[string]string{"state": "1"} }},
		{[]string{"AuthParamsMap"}, func(c *auth0.OAuth2Connection) {
			c.Options.AuthParamsMap = map[string]string{"redirect_uri": "x"}
		}},
	} {
		c := partner()
		tt.edit(&c)
		_, err := m.CreateOAuth2Connection(t.Context(), c)
		if err == nil {
			t.Errorf("%q: no mistake was found", tt.want)
			continue
		}
		if e := asAuth0Error(t, err); e.Status != 400 || e.Reason != "invalid_connection" {
			t.Errorf("%q: %+v", tt.want, e)
		}
		for _, field := range tt.want {
			if !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%q: %v", tt.want, err)
			}
		}
	}
	if n := e.tenant.Calls(emulator.Management) + e.tenant.Calls(emulator.Token); n != 0 {
		t.Errorf("%d requests", n)
	}
	local := partner()
	local.Options.AuthorizationURL, local.Options.TokenURL = "http://localhost:4000/a", "http://127.0.0.1:4000/t"
	e.allow(writeScopes...)
	if _, err := m.CreateOAuth2Connection(t.Context(), local); err != nil {
		t.Errorf("a provider on this machine: %v", err)
	}
}

// TestManagementRefusals are the documented ones, by body.
func TestManagementRefusals(t *testing.T) {
	create := func(m *auth0.Management, ctx context.Context) error {
		_, err := m.CreateOAuth2Connection(ctx, partner())
		return err
	}
	for _, tt := range []struct {
		name         string
		status       int
		header, body string
		want         auth0.Error
	}{
		{"scope", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: create:connections","errorCode":"insufficient_scope"}`,
			auth0.Error{Status: 502, Code: "insufficient_scope", Reason: "management", Scope: "create:connections", TenantStatus: 403}},
		{"one of two scopes", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: read:clients,read:client_summary","errorCode":"insufficient_scope"}`,
			auth0.Error{Status: 502, Code: "insufficient_scope", Reason: "management", Scope: "read:clients read:client_summary", TenantStatus: 403}},
		{"a scope that is none", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: <b>\u0007","errorCode":"insufficient_scope"}`,
			auth0.Error{Status: 502, Code: "insufficient_scope", Reason: "management", TenantStatus: 403}},
		{"plan", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Please upgrade your subscription to use bot detection","errorCode":"insufficient_entitlement"}`,
			auth0.Error{Status: 502, Code: "insufficient_entitlement", Reason: "management", TenantStatus: 403}},
		{"body", 400, "", `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Object didn't pass validation for format ...' on property name.","errorCode":"invalid_body"}`,
			auth0.Error{Status: 502, Code: "invalid_body", Reason: "management", TenantStatus: 400}},
		{"name taken", 409, "", `{"statusCode":409,"error":"Conflict","message":"A connection with the same name already exists"}`,
			auth0.Error{Status: 502, Code: "server_error", Reason: "management", TenantStatus: 409}},
		{"token", 401, "", `{"statusCode":401,"error":"Unauthorized","message":"Invalid token"}`,
			auth0.Error{Status: 502, Code: "server_error", Reason: "management", TenantStatus: 401}},
		{"unknown", 404, "", `{"statusCode":404,"error":"Not Found","message":"The connection does not exist","errorCode":"inexistent_connection"}`,
			auth0.Error{Status: 502, Code: "inexistent_connection", Reason: "management", TenantStatus: 404}},
		{"too many", 429, "7", `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`,
			auth0.Error{Status: 502, Code: "too_many_requests", Reason: "tenant_unavailable", TenantStatus: 429, RetryAfter: 7 * time.Second}},
		{"edge", 503, "", `<html>`, auth0.Error{Status: 502, Code: "temporarily_unavailable", Reason: "tenant_unavailable", TenantStatus: 503}},
		{"no JSON", 201, "", `<html>`, auth0.Error{Status: 502, Code: "server_error", Reason: "tenant_answer"}},
	} {
		e := newEnv(t)
		l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
			if tt.header != "" {
				w.Header().Set("Retry-After", tt.header)
			}
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		begin := time.Now()
		got := asAuth0Error(t, create(e.strategy.Management(), t.Context()))
		want := tt.want
		if got.Op != "management" || got.Status != want.Status || got.Code != want.Code || got.Reason != want.Reason || got.Scope != want.Scope || got.TenantStatus != want.TenantStatus || got.RetryAfter != want.RetryAfter {
			t.Errorf("%s: %+v", tt.name, got)
		}
		requests := 1
		if tt.status == 401 {
			requests = 2 // with another token
		}
		if len(l.requests) != requests || time.Since(begin) > 2*time.Second {
			t.Errorf("%s: %d requests in %v", tt.name, len(l.requests), time.Since(begin))
		}
	}
}

// TestManagementScopes: what each call needs, and how it is told.
// TestManagementTakesTurns: a request that was one too many is made again when the
// tenant says that it may, if that is soon.
func TestManagementTakesTurns(t *testing.T) {
	const never = time.Duration(0)
	for _, tt := range []struct {
		name     string
		header   func(time.Time) http.Header
		busy     int           // answers before one that is good
		deadline time.Duration // of the caller
		requests int
		took     time.Duration
		ok       bool
	}{
		{"Retry-After", func(time.Time) http.Header { return http.Header{"Retry-After": {"1"}} }, 1, never, 2, time.Second, true},
		{"x-ratelimit-reset", func(now time.Time) http.Header {
			return http.Header{"X-Ratelimit-Limit": {"300"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {fmt.Sprint(now.Unix() + 2)}}
		}, 1, never, 2, 2 * time.Second, true},
		{"twice", func(time.Time) http.Header { return http.Header{"Retry-After": {"3"}} }, 2, never, 3, 6 * time.Second, true},
		{"three times", func(time.Time) http.Header { return http.Header{"Retry-After": {"1"}} }, 3, never, 3, 2 * time.Second, false},
		{"too long", func(time.Time) http.Header { return http.Header{"Retry-After": {"4"}} }, 1, never, 1, 0, false},
		{"no word", func(time.Time) http.Header { return nil }, 1, never, 1, 0, false},
		{"no time", func(time.Time) http.Header { return http.Header{"Retry-After": {"2"}} }, 1, 2 * time.Second, 1, 0, false},
		{"just time", func(time.Time) http.Header { return http.Header{"Retry-After": {"2"}} }, 1, 2001 * time.Millisecond, 2, 2 * time.Second, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, n int) {
				if n > tt.busy {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				maps.Copy(w.Header(), tt.header(time.Now()))
				w.WriteHeader(http.StatusTooManyRequests)
				fmt.Fprint(w, `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`)
			})
			ctx := t.Context()
			if tt.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.deadline)
				defer cancel()
			}
			begin := time.Now()
			err := e.strategy.Management().DeleteConnection(ctx, "con_1")
			if took := time.Since(begin); len(l.requests) != tt.requests || took != tt.took || (err == nil) != tt.ok {
				t.Errorf("%s: %d requests in %v, %v", tt.name, len(l.requests), took, err)
			}
			if err != nil {
				if got := asAuth0Error(t, err); !errors.Is(err, auth0.ErrTenantUnavailable) || got.TenantStatus != 429 || got.Code != "too_many_requests" || (got.RetryAfter == 0) != (tt.name == "no word") {
					t.Errorf("%s: %+v", tt.name, got)
				}
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		if err := e.strategy.Management().DeleteConnection(ctx, "con_1"); err == nil || time.Since(begin) != time.Second {
			t.Errorf("whoever leaves waits %v: %v", time.Since(begin), err)
		}
	})
}

func TestManagementScopes(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	id := must(e.strategy.Management().CreateOAuth2Connection(t.Context(), partner())).ID
	for _, tt := range []struct {
		scope string // that is missing
		call  func(*auth0.Management) error
	}{
		{"create:connections", func(m *auth0.Management) error {
			_, err := m.CreateOAuth2Connection(t.Context(), partner())
			return err
		}},
		{"read:connections", func(m *auth0.Management) error { _, err := m.OAuth2Connection(t.Context(), id); return err }},
		{"read:connections", func(m *auth0.Management) error { _, err := m.OAuth2Connections(t.Context()); return err }},
		{"update:connections_options", func(m *auth0.Management) error {
			_, err := m.UpdateOAuth2Connection(t.Context(), id, func(c *auth0.OAuth2Connection) { c.Options.PKCE = false })
			return err
		}},
		{"update:connections", func(m *auth0.Management) error { return m.EnableConnection(t.Context(), id) }},
		{"update:connections", func(m *auth0.Management) error { return m.DisableConnection(t.Context(), id) }},
		{"delete:connections", func(m *auth0.Management) error { return m.DeleteConnection(t.Context(), id) }},
		{"read:users", func(m *auth0.Management) error {
			_, err := m.IdentityProviderToken(t.Context(), "auth0|x", "google-oauth2")
			return err
		}},
	} {
		e.allow(slices.DeleteFunc(slices.Clone(writeScopes), func(s string) bool { return s == tt.scope })...)
		got := asAuth0Error(t, tt.call(must(auth0.New(e.cfg)).Management()))
		if got.Scope != tt.scope || got.Code != "insufficient_scope" || got.TenantStatus != 403 {
			t.Errorf("without %s: %v, scope %q", tt.scope, got, got.Scope)
		}
	}
	if err := new(auth0.Strategy).Management().DeleteConnection(t.Context(), "x"); err == nil {
		t.Error("a Strategy that New has not made has a Management API")
	}
}

// TestScopesThatCameLater: who is told of a missing scope adds it, and tries
// again.
func TestScopesThatCameLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		m := e.strategy.Management()
		create := func() error {
			_, err := m.CreateOAuth2Connection(t.Context(), partner())
			return err
		}
		if err := create(); asAuth0Error(t, err).Scope != "create:connections" || e.tenant.Calls(emulator.Token) != 1 {
			t.Errorf("%v, %d token requests", err, e.tenant.Calls(emulator.Token))
		}
		time.Sleep(2 * time.Minute)
		if err := create(); err == nil || e.tenant.Calls(emulator.Token) != 2 || e.tenant.Calls(emulator.Management) != 3 {
			t.Errorf("%v, %d token requests", err, e.tenant.Calls(emulator.Token))
		}
		e.allow(writeScopes...)
		time.Sleep(2 * time.Minute)
		if err := create(); err != nil || e.tenant.Calls(emulator.Token) != 3 {
			t.Errorf("%v, %d token requests", err, e.tenant.Calls(emulator.Token))
		}
	})
}

// TestConnectionTaken: what the tenant says of names, ids and applications.
func TestConnectionTaken(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m, ctx := e.strategy.Management(), t.Context()
	made := must(m.CreateOAuth2Connection(ctx, partner()))
	if _, err := m.CreateOAuth2Connection(ctx, partner()); asAuth0Error(t, err).TenantStatus != 409 {
		t.Errorf("the name is taken: %v", err)
	}
	if err := m.EnableConnection(ctx, made.ID, "nope"); asAuth0Error(t, err).Code != "inexistent_client" {
		t.Errorf("unknown application: %v", err)
	}
	if err := m.DeleteConnection(ctx, "../clients/x"); asAuth0Error(t, err).Code != "inexistent_connection" {
		t.Errorf("an id that is a path: %v", err)
	}
	if r := e.tenant.LastRequest(emulator.Management); !strings.HasSuffix(r.URL.EscapedPath(), "/connections/..%2Fclients%2Fx") {
		t.Errorf("path %s", r.URL.EscapedPath())
	}
	if _, err := m.OAuth2Connection(ctx, idOf(t, m, "partner-idp")); err != nil {
		t.Error(err)
	}
	if err := m.EnableConnection(ctx, made.ID, slices.Repeat([]string{testClientID}, 51)...); err != nil {
		t.Errorf("51 applications: %v", err)
	}
}

func idOf(t *testing.T, m *auth0.Management, name string) string {
	t.Helper()
	for _, c := range must(m.OAuth2Connections(t.Context())) {
		if c.Name == name {
			return c.ID
		}
	}
	t.Fatalf("there is no connection %s", name)
	return ""
}

// TestConnectionListGoesRound ends where a page leads to itself.
func TestConnectionListGoesRound(t *testing.T) {
	e := newEnv(t)
	l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
		fmt.Fprint(w, `{"connections":[{"id":"con_1","name":"a","strategy":"oauth2"}],"next":"x"}`)
	})
	if list, err := e.strategy.Management().OAuth2Connections(t.Context()); err == nil || len(l.requests) != 2 {
		t.Errorf("%v, %v, %q", list, err, l.requests)
	}
}

// TestConnectionSecretsDoNotPrint looks for the secrets of a connection in all
// that could end up in a log.
func TestConnectionSecretsDoNotPrint(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m := e.strategy.Management()
	made := must(m.CreateOAuth2Connection(t.Context(), partner()))
	_, failed := m.CreateOAuth2Connection(t.Context(), partner())
	for _, v := range []any{partner(), partner().Options, made, made.Options, &made, []auth0.OAuth2Connection{made}, failed, m} {
		for _, verb := range "vsdqxXtbceEfFgGoUT" {
			for _, flag := range []string{"", "+", "#"} {
				if text := fmt.Sprintf("%"+flag+string(verb), v); strings.Contains(text, "CANARY") {
					t.Errorf("%%%s%c of %T: %.200s", flag, verb, v, text)
				}
			}
		}
		var out logBuffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		text, _ := json.Marshal(v)
		if strings.Contains(out.String()+string(text), "CANARY") {
			t.Errorf("%T: %s %s", v, out.String(), text)
		}
	}
	if strings.Contains(e.log.String(), "CANARY") {
		t.Errorf("the log has a secret:\n%s", e.log)
	}
}

// TestIdentityToken finds the identity by its connection.
func TestIdentityToken(t *testing.T) {
	const user = "google-oauth2|111199914890750704174"
	identities := `{"provider":"auth0","user_id":"1","connection":"Username-Password-Authentication","isSocial":false},{"provider":"google-oauth2","access_token":"ya29.GlsP","refresh_token":"1//0g","expires_in":3599,"user_id":"111199914890750704174","connection":"google-oauth2","isSocial":true},{"provider":"github","user_id":"2","connection":"github","isSocial":true}`
	e := newEnv(t)
	e.allow(writeScopes...)
	l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
		fmt.Fprintf(w, `{"identities":[%s]}`, identities)
	})
	m := e.strategy.Management()
	token, err := m.IdentityProviderToken(t.Context(), user, "google-oauth2")
	if err != nil || token.AccessToken != "ya29.GlsP" || token.RefreshToken != "1//0g" {
		t.Errorf("%v, %v", token, err)
	}
	if got := l.requests[0]; !strings.HasPrefix(got, "GET /api/v2/users/"+url.PathEscape(user)+"?") || !strings.Contains(got, "%7C") {
		t.Errorf("request %s", got)
	}
	if _, err := m.IdentityProviderToken(t.Context(), user, "github"); asAuth0Error(t, err).Scope != "read:user_idp_tokens" {
		t.Errorf("without a token: %v", err)
	}
	if _, err := m.IdentityProviderToken(t.Context(), user, "facebook"); !errors.Is(err, auth0.ErrNotConnected) {
		t.Errorf("without an identity: %v", err)
	}
	e.tenant.Replace(emulator.Management, nil)
	if _, err := m.IdentityProviderToken(t.Context(), "auth0|nope", "github"); asAuth0Error(t, err).Code != "inexistent_user" {
		t.Errorf("unknown user: %v", err)
	}
}
