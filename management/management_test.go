package management_test

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
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"github.com/seed-15d5a55c/auth0/management"
)

var writeScopes = []string{"read:connections", "read:connections_options", "create:connections", "update:connections",
	"update:connections_options", "delete:connections", "read:clients", "read:users", "read:user_idp_tokens"}

const profileScript = `function fetchUserProfile(accessToken, context, callback) { /* ... */ }`

func partner() management.OAuth2Connection {
	return management.OAuth2Connection{
		Name: "partner-two", DisplayName: "Partner Two",
		Options: management.OAuth2Options{
			AuthorizationURL: "https://idp.partner.example/oauth2/authorize", TokenURL: "https://idp.partner.example/oauth2/token",
			ClientID: "acme-at-partner", ClientSecret: "s3cret-CANARY", Scopes: []string{"email", "openid", "profile"}, PKCE: true,
			FetchUserProfile: profileScript, IconURL: "https://cdn.partner.example/logo.png",
			CustomHeaders: map[string]string{"X-Partner": "acme-CANARY"}, AuthParams: map[string]string{"static_param": "x"},
			AuthParamsMap: map[string]string{"custom_param": "access_type"},
		},
	}
}

// apiLog records the requests to the Management API.
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

// TestCreateOAuth2Connection sends the documented request, and decodes the documented
// response.
func TestCreateOAuth2Connection(t *testing.T) {
	e := newEnv(t)
	l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
		w.WriteHeader(201)
		fmt.Fprint(w, `{"id":"con_Custom000000Acme","options":{"scope":["email","openid","profile"],"scripts":{"fetchUserProfile":"function fetchUserProfile(accessToken, context, callback) { /* ... */ }"},"icon_url":"https://cdn.partner.example/logo.png","tokenURL":"https://idp.partner.example/oauth2/token","client_id":"acme-at-partner","client_secret":"s3cret-CANARY","pkce_enabled":true,"useOauthSpecScope":true,"upstream_params":{"login_hint":{"alias":"login_hint"}},"authorizationURL":"https://idp.partner.example/oauth2/authorize","strategy_version":2,"set_user_root_attributes":"on_each_login"},"strategy":"oauth2","name":"partner-idp","display_name":"Partner Ltd","is_domain_connection":false,"authentication":{"active":true},"connected_accounts":{"active":false},"realms":["partner-idp"],"metadata":{"tier":"gold"},"enabled_clients":[]}`)
	})
	c := partner()
	c.Name, c.DisplayName = "partner-idp", "Partner Ltd"
	made, err := e.api.CreateOAuth2Connection(t.Context(), c)
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

// TestManagementLife walks the life of a connection at the tenant.
func TestManagementLife(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m, ctx := e.api, t.Context()
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
		strategy := must(auth0.New(e.cfg)) // without a cached list
		return strings.Contains(names(must(strategy.GetConnections(ctx))), "partner-two")
	}
	if shown() {
		t.Error("there is a button before the connection is enabled")
	}
	if err := m.EnableConnection(ctx, made.ID, testClientID); err != nil || !shown() {
		t.Errorf("enable: %v, button %v", err, shown())
	}
	if err := m.DisableConnection(ctx, made.ID, testClientID); err != nil || shown() {
		t.Errorf("disable: %v, button %v", err, shown())
	}

	// Only the secret changes.
	updated := must(m.UpdateOAuth2Connection(ctx, made.ID, func(c *management.OAuth2Connection) { c.Options.ClientSecret = "rotated-CANARY" }))
	want := read
	want.Options.ClientSecret = "rotated-CANARY"
	again := must(m.OAuth2Connection(ctx, made.ID))
	for _, got := range []management.OAuth2Connection{updated, again} {
		if got.DisplayName != "Partner Two" || !reflect.DeepEqual(got.Options, want.Options) {
			t.Errorf("after the rotation %v, secret %q", got, got.Options.ClientSecret)
		}
	}
	// The display name and the vault change, and no options.
	updated = must(m.UpdateOAuth2Connection(ctx, made.ID, func(c *management.OAuth2Connection) { c.DisplayName, c.TokenVault = "Other", true }))
	if updated.DisplayName != "Other" || !updated.TokenVault || updated.Options.ClientSecret != "rotated-CANARY" {
		t.Errorf("%v, %v", updated, updated.TokenVault)
	}
	if err := m.DeleteConnection(ctx, made.ID); err != nil {
		t.Error(err)
	}
	_, err := m.OAuth2Connection(ctx, made.ID)
	if e := asError(t, err); e.Status != 404 || e.Code != "inexistent_connection" {
		t.Errorf("after it was deleted: %v", err)
	}
}

func asError(t *testing.T, err error) *management.Error {
	t.Helper()
	e, ok := errors.AsType[*management.Error](err)
	if !ok {
		t.Fatalf("%v is no *management.Error", err)
	}
	return e
}

// TestUpdateKeepsOptions: the tenant replaces options as a whole, and clears a missing
// display name. So an update repeats both.
func TestUpdateKeepsOptions(t *testing.T) {
	e := newEnv(t)
	const stored = `{"id":"con_1","name":"p","display_name":"P Ltd","strategy":"oauth2","options":{"client_id":"a","client_secret":"b-CANARY","authorizationURL":"https://p.example/a","tokenURL":"https://p.example/t","scope":"x y","scripts":{"fetchUserProfile":"function(){}","other":1},"upstream_params":{"login_hint":{"alias":"login_hint"}},"strategy_version":2,"non_persistent_attrs":["ethnicity"],"authParams":{"n":1}}}`
	l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, n int) { fmt.Fprint(w, stored) })
	m := e.api
	if _, err := m.UpdateOAuth2Connection(t.Context(), "con_1", func(c *management.OAuth2Connection) { c.Options.TokenURL = "https://p.example/t2" }); err != nil {
		t.Fatal(err)
	}
	const want = `{"display_name":"P Ltd","options":{"client_id":"a","client_secret":"b-CANARY","authorizationURL":"https://p.example/a","tokenURL":"https://p.example/t2","scope":"x y","scripts":{"fetchUserProfile":"function(){}","other":1},"upstream_params":{"login_hint":{"alias":"login_hint"}},"strategy_version":2,"non_persistent_attrs":["ethnicity"],"authParams":{"n":1}}}`
	if !slices.Equal(l.requests, []string{"GET /api/v2/connections/con_1", "PATCH /api/v2/connections/con_1"}) || !sameJSON(t, l.bodies[1], want) {
		t.Errorf("%q, %s", l.requests, l.bodies)
	}
	for name, tt := range map[string]struct {
		edit func(*management.OAuth2Connection)
		want string // body, empty for no request
	}{
		"nothing":          {func(*management.OAuth2Connection) {}, ""},
		"the same":         {func(c *management.OAuth2Connection) { c.DisplayName = "P Ltd"; c.Options.Scopes = []string{"x", "y"} }, ""},
		"the display name": {func(c *management.OAuth2Connection) { c.DisplayName = "Q" }, `{"display_name":"Q"}`},
		"no display name":  {func(c *management.OAuth2Connection) { c.DisplayName = "" }, `{"display_name":"p"}`},
		"the vault":        {func(c *management.OAuth2Connection) { c.TokenVault = true }, `{"display_name":"P Ltd","connected_accounts":{"active":true}}`},
	} {
		l.requests, l.bodies = nil, nil
		_, err := m.UpdateOAuth2Connection(t.Context(), "con_1", tt.edit)
		if err != nil || (tt.want == "") != (len(l.requests) == 1) || tt.want != "" && !sameJSON(t, l.bodies[1], tt.want) {
			t.Errorf("%s: %v, %q, %q", name, err, l.requests, l.bodies)
		}
	}
	l.requests = nil
	if _, err := m.UpdateOAuth2Connection(t.Context(), "con_1", func(c *management.OAuth2Connection) { c.Name = "q" }); err == nil || len(l.requests) != 1 {
		t.Errorf("another name: %v, %q", err, l.requests)
	}
	// Scopes, header and script are removed or added.
	l.bodies = nil
	must(m.UpdateOAuth2Connection(t.Context(), "con_1", func(c *management.OAuth2Connection) {
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

// TestUpdateWithoutOptionsScope must not replace options that it cannot read.
func TestUpdateWithoutOptionsScope(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m := e.api
	made := must(m.CreateOAuth2Connection(t.Context(), partner()))
	e.allow("read:connections", "update:connections", "update:connections_options")
	m = e.fresh()
	calls := e.tenant.Calls(emulator.Management)
	_, err := m.UpdateOAuth2Connection(t.Context(), made.ID, func(c *management.OAuth2Connection) { c.Options.ClientSecret = "x" })
	if got := asError(t, err); got.Scope != "read:connections_options" || e.tenant.Calls(emulator.Management) != calls+1 {
		t.Errorf("%v, scope %q", err, got.Scope)
	}
	if c, err := m.UpdateOAuth2Connection(t.Context(), made.ID, func(c *management.OAuth2Connection) { c.DisplayName = "X" }); err != nil || c.DisplayName != "X" {
		t.Errorf("%v, %v", c, err)
	}
}

// TestConnectionMistakes: the package reports all mistakes at once, and sends nothing.
func TestConnectionMistakes(t *testing.T) {
	e := newEnv(t)
	m := e.api
	for _, tt := range []struct {
		want []string
		edit func(*management.OAuth2Connection)
	}{
		{[]string{"Name"}, func(c *management.OAuth2Connection) { c.Name = "" }},
		{[]string{"Name"}, func(c *management.OAuth2Connection) { c.Name = "-a" }},
		{[]string{"Name"}, func(c *management.OAuth2Connection) { c.Name = "a--b" }},
		{[]string{"Name"}, func(c *management.OAuth2Connection) { c.Name = "a-" }},
		{[]string{"Name"}, func(c *management.OAuth2Connection) { c.Name = "a_b" }},
		{[]string{"Name"}, func(c *management.OAuth2Connection) { c.Name = "a\n" }},
		{[]string{"Name"}, func(c *management.OAuth2Connection) { c.Name = strings.Repeat("a", 129) }},
		{[]string{"DisplayName"}, func(c *management.OAuth2Connection) { c.DisplayName = "a\x00" }},
		{[]string{"AuthorizationURL", "TokenURL"}, func(c *management.OAuth2Connection) {
			c.Options.AuthorizationURL, c.Options.TokenURL = "http://idp.example/a", ""
		}},
		{[]string{"TokenURL"}, func(c *management.OAuth2Connection) { c.Options.TokenURL = "https://idp.example/t#f" }},
		{[]string{"IconURL"}, func(c *management.OAuth2Connection) { c.Options.IconURL = "javascript:alert(1)" }},
		{[]string{"ClientID", "ClientSecret"}, func(c *management.OAuth2Connection) { c.Options.ClientID, c.Options.ClientSecret = "", "" }},
		{[]string{"FetchUserProfile"}, func(c *management.OAuth2Connection) { c.Options.FetchUserProfile = " \n" }},
		{[]string{"Scopes"}, func(c *management.OAuth2Connection) { c.Options.Scopes = []string{"a b"} }},
		{[]string{"CustomHeaders"}, func(c *management.OAuth2Connection) { c.Options.CustomHeaders = map[string]string{"X Y": "1"} }},
		{[]string{"CustomHeaders"}, func(c *management.OAuth2Connection) { c.Options.CustomHeaders = map[string]string{"X": "1\r\nY: 2"} }},
		{[]string{"AuthParams"}, func(c *management.OAuth2Connection) { c.Options.AuthParams = map[string]string{"state": "1"} }},
		{[]string{"AuthParamsMap"}, func(c *management.OAuth2Connection) {
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
		if e := asError(t, err); !errors.Is(err, management.ErrInvalid) || e.Status != 0 {
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

// TestManagementRefusals checks the documented refusals, by body.
func TestManagementRefusals(t *testing.T) {
	create := func(m *management.API, ctx context.Context) error {
		_, err := m.CreateOAuth2Connection(ctx, partner())
		return err
	}
	for _, tt := range []struct {
		name         string
		status       int
		header, body string
		want         management.Error
		kind         error
	}{
		{"scope", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: create:connections","errorCode":"insufficient_scope"}`,
			management.Error{Code: "insufficient_scope", Scope: "create:connections", Status: 403}, nil},
		{"one of two scopes", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: read:clients,read:client_summary","errorCode":"insufficient_scope"}`,
			management.Error{Code: "insufficient_scope", Scope: "read:clients read:client_summary", Status: 403}, nil},
		{"a scope that is none", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: <b>\u0007","errorCode":"insufficient_scope"}`,
			management.Error{Code: "insufficient_scope", Status: 403}, nil},
		{"plan", 403, "", `{"statusCode":403,"error":"Forbidden","message":"Please upgrade your subscription to use bot detection","errorCode":"insufficient_entitlement"}`,
			management.Error{Code: "insufficient_entitlement", Status: 403}, nil},
		{"body", 400, "", `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Object didn't pass validation for format ...' on property name.","errorCode":"invalid_body"}`,
			management.Error{Code: "invalid_body", Status: 400}, nil},
		{"name taken", 409, "", `{"statusCode":409,"error":"Conflict","message":"A connection with the same name already exists"}`,
			management.Error{Status: 409}, nil},
		{"token", 401, "", `{"statusCode":401,"error":"Unauthorized","message":"Invalid token"}`,
			management.Error{Status: 401}, nil},
		{"unknown", 404, "", `{"statusCode":404,"error":"Not Found","message":"The connection does not exist","errorCode":"inexistent_connection"}`,
			management.Error{Code: "inexistent_connection", Status: 404}, nil},
		{"too many", 429, "7", `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`,
			management.Error{Code: "too_many_requests", Status: 429, RetryAfter: 7 * time.Second}, management.ErrUnavailable},
		{"edge", 503, "", `<html>`, management.Error{Status: 503}, management.ErrUnavailable},
		{"no JSON", 201, "", `<html>`, management.Error{}, nil},
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
		got := asError(t, create(e.api, t.Context()))
		want := tt.want
		if got.Status != want.Status || got.Code != want.Code || got.Scope != want.Scope || got.RetryAfter != want.RetryAfter || errors.Is(got, management.ErrUnavailable) != (tt.kind != nil) || errors.Is(got, management.ErrInvalid) {
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

// TestManagementTakesTurns: after a 429, a method retries if the tenant's wait is short.
func TestManagementTakesTurns(t *testing.T) {
	const never = time.Duration(0)
	for _, tt := range []struct {
		name     string
		header   func(time.Time) http.Header
		busy     int           // responses before a good one
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
			err := e.api.DeleteConnection(ctx, "con_1")
			if took := time.Since(begin); len(l.requests) != tt.requests || took != tt.took || (err == nil) != tt.ok {
				t.Errorf("%s: %d requests in %v, %v", tt.name, len(l.requests), took, err)
			}
			if err != nil {
				if got := asError(t, err); !errors.Is(err, management.ErrUnavailable) || got.Status != 429 || got.Code != "too_many_requests" || (got.RetryAfter == 0) != (tt.name == "no word") {
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
		if err := e.api.DeleteConnection(ctx, "con_1"); err == nil || time.Since(begin) != time.Second {
			t.Errorf("whoever leaves waits %v: %v", time.Since(begin), err)
		}
	})
}

// TestManagementScopes: the error names the scope that a call lacks.
func TestManagementScopes(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	id := must(e.api.CreateOAuth2Connection(t.Context(), partner())).ID
	for _, tt := range []struct {
		scope string // the missing scope
		call  func(*management.API) error
	}{
		{"create:connections", func(m *management.API) error {
			_, err := m.CreateOAuth2Connection(t.Context(), partner())
			return err
		}},
		{"read:connections", func(m *management.API) error { _, err := m.OAuth2Connection(t.Context(), id); return err }},
		{"read:connections", func(m *management.API) error { _, err := m.OAuth2Connections(t.Context()); return err }},
		{"update:connections_options", func(m *management.API) error {
			_, err := m.UpdateOAuth2Connection(t.Context(), id, func(c *management.OAuth2Connection) { c.Options.PKCE = false })
			return err
		}},
		{"update:connections", func(m *management.API) error { return m.EnableConnection(t.Context(), id, testClientID) }},
		{"update:connections", func(m *management.API) error { return m.DisableConnection(t.Context(), id, testClientID) }},
		{"delete:connections", func(m *management.API) error { return m.DeleteConnection(t.Context(), id) }},
		{"read:users", func(m *management.API) error {
			_, err := m.IdentityProviderToken(t.Context(), "auth0|x", "google-oauth2")
			return err
		}},
	} {
		e.allow(slices.DeleteFunc(slices.Clone(writeScopes), func(s string) bool { return s == tt.scope })...)
		got := asError(t, tt.call(e.fresh()))
		if got.Scope != tt.scope || got.Code != "insufficient_scope" || got.Status != 403 {
			t.Errorf("without %s: %v, scope %q", tt.scope, got, got.Scope)
		}
	}
	for _, made := range []*management.API{nil, {}} {
		if err := made.DeleteConnection(t.Context(), "x"); !errors.Is(err, management.ErrInvalid) {
			t.Errorf("an API that New has not made: %v", err)
		}
	}
}

// TestScopesThatCameLater: after a missing scope was granted, a later call succeeds.
func TestScopesThatCameLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		m := e.api
		create := func() error {
			_, err := m.CreateOAuth2Connection(t.Context(), partner())
			return err
		}
		if err := create(); asError(t, err).Scope != "create:connections" || e.tenant.Calls(emulator.Token) != 1 {
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

// TestConnectionTaken: the tenant's errors about names, ids and applications.
func TestConnectionTaken(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m, ctx := e.api, t.Context()
	made := must(m.CreateOAuth2Connection(ctx, partner()))
	if _, err := m.CreateOAuth2Connection(ctx, partner()); asError(t, err).Status != 409 {
		t.Errorf("the name is taken: %v", err)
	}
	if err := m.EnableConnection(ctx, made.ID, "nope"); asError(t, err).Code != "inexistent_client" {
		t.Errorf("unknown application: %v", err)
	}
	if err := m.DeleteConnection(ctx, "../clients/x"); asError(t, err).Code != "inexistent_connection" {
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

func idOf(t *testing.T, m *management.API, name string) string {
	t.Helper()
	for _, c := range must(m.OAuth2Connections(t.Context())) {
		if c.Name == name {
			return c.ID
		}
	}
	t.Fatalf("there is no connection %s", name)
	return ""
}

// TestConnectionListGoesRound: the list ends if a page leads to itself.
func TestConnectionListGoesRound(t *testing.T) {
	e := newEnv(t)
	l := e.recordManagement(func(w http.ResponseWriter, r *http.Request, _ int) {
		fmt.Fprint(w, `{"connections":[{"id":"con_1","name":"a","strategy":"oauth2"}],"next":"x"}`)
	})
	if list, err := e.api.OAuth2Connections(t.Context()); err == nil || len(l.requests) != 2 {
		t.Errorf("%v, %v, %q", list, err, l.requests)
	}
}

// TestConnectionSecretsDoNotPrint looks for the secrets of a connection in every output
// that a log could contain.
func TestConnectionSecretsDoNotPrint(t *testing.T) {
	e := newEnv(t)
	e.allow(writeScopes...)
	m := e.api
	made := must(m.CreateOAuth2Connection(t.Context(), partner()))
	_, failed := m.CreateOAuth2Connection(t.Context(), partner())
	for _, v := range []any{partner(), partner().Options, made, made.Options, &made, []management.OAuth2Connection{made}, failed, m} {
		for _, verb := range "vsdqxXtbceEfFgGoUT" {
			for _, flag := range []string{"", "+", "#"} {
				if text := fmt.Sprintf("%"+flag+string(verb), v); strings.Contains(text, "CANARY") {
					t.Errorf("%%%s%c of %T: %.200s", flag, verb, v, text)
				}
			}
		}
		var out testkit.Log
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
	m := e.api
	token, err := m.IdentityProviderToken(t.Context(), user, "google-oauth2")
	if err != nil || token.AccessToken != "ya29.GlsP" || token.RefreshToken != "1//0g" {
		t.Errorf("%v, %v", token, err)
	}
	if got := l.requests[0]; !strings.HasPrefix(got, "GET /api/v2/users/"+url.PathEscape(user)+"?") || !strings.Contains(got, "%7C") {
		t.Errorf("request %s", got)
	}
	if _, err := m.IdentityProviderToken(t.Context(), user, "github"); asError(t, err).Scope != "read:user_idp_tokens" {
		t.Errorf("without a token: %v", err)
	}
	if _, err := m.IdentityProviderToken(t.Context(), user, "facebook"); !errors.Is(err, management.ErrNotConnected) {
		t.Errorf("without an identity: %v", err)
	}
	e.tenant.Replace(emulator.Management, nil)
	if _, err := m.IdentityProviderToken(t.Context(), "auth0|nope", "github"); asError(t, err).Code != "inexistent_user" {
		t.Errorf("unknown user: %v", err)
	}
}
