package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"github.com/seed-15d5a55c/auth0/management"
	"golang.org/x/oauth2"
)

// shown returns everything that package fmt, a logger and package json write of
// a value.
func shown(v any) string {
	var out strings.Builder
	for _, verb := range "vsdqxXtbceEfFgGoUT" {
		for _, flag := range []string{"", "+", "#"} {
			fmt.Fprintf(&out, "%"+flag+string(verb)+"\n", v)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v, slog.Group("g", "v", v))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v, slog.Group("g", "v", v))
	if text, err := json.Marshal(v); err == nil {
		out.Write(text)
	}
	return out.String()
}

// heldBy returns structs as developers write them, with the value in an exported or
// in an unexported field, typed or an interface.
func heldBy(v any, exported bool) []any {
	name, path := "V", ""
	if !exported {
		name, path = "v", "github.com/seed-15d5a55c/auth0_test"
	}
	var held []any
	typ := reflect.StructOf([]reflect.StructField{{Name: name, PkgPath: path, Type: reflect.TypeOf(v)}})
	made := reflect.New(typ)
	// reflect sets no unexported field, so the memory of the struct is written.
	reflect.NewAt(reflect.TypeOf(v), made.UnsafePointer()).Elem().Set(reflect.ValueOf(v))
	held = append(held, made.Interface(), made.Elem().Interface(), reflect.Append(reflect.MakeSlice(reflect.SliceOf(typ), 0, 1), made.Elem()).Interface())
	if exported {
		return append(held, struct{ V any }{v}, &struct{ V any }{v}, []any{v}, map[string]any{"v": v})
	}
	return append(held, struct{ v any }{v}, &struct{ v any }{v}, struct{ v []any }{[]any{v}}, struct{ v map[string]any }{map[string]any{"v": v}})
}

func TestShownSeesSecrets(t *testing.T) {
	t.Parallel()
	type plain struct{ Secret string }
	for _, exported := range []bool{true, false} {
		for i, v := range heldBy(plain{"CANARY"}, exported) {
			if !strings.Contains(shown(v), "CANARY") {
				t.Errorf("%d, exported %v: nothing is seen of a struct that hides nothing", i, exported)
			}
		}
	}
}

// TestKeptSecretsAreNeverShown passes each result of the library, and the target of
// each pointer, through every holder: the library's own secrets never show.
func TestKeptSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-of-the-tests-with-more-than-32-bytes"
	values := map[string]any{}
	secrets := []string{canary, "client-secret-SECRET", testkit.CookieSecret, testkit.Password, testkit.OneTimeCode + "-"}
	e := testkit.SignedInForGrants(t, func(c *auth0.Config) {
		c.Audience, c.Scopes, c.KeepIDToken = testkit.Audience, []string{"openid", "email", "offline_access"}, true
		c.ManagementClientID, c.ManagementClientSecret = "m2m", canary
		c.Revocations = auth0.NewMemoryStore(10)
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error {
			values["login of the callback"] = l
			return nil
		}
	})
	values["Application"] = e.Strategy.Application()
	values["Strategy"], values["KeySet"], values["Management"], values["MemoryStore"] = e.Strategy, e.Strategy.Application().KeySet(), e.Management(), e.Config.Revocations
	for name, auth := range map[string]auth0.ClientAuthentication{
		"post": auth0.ClientSecretPost(canary), "basic": auth0.ClientSecretBasic(canary), "key": auth0.PrivateKeyJWT(testkit.ClientRSAKey(), "RS256", "k"),
		"function": auth0.ClientAuthenticationFunc(func(context.Context) (auth0.ClientAuthentication, error) { return auth0.ClientSecretPost(canary), nil }),
	} {
		values["ClientAuthentication by "+name] = auth
	}
	secrets = append(secrets, testkit.ClientRSAKey().D.String()[:40], testkit.ClientRSAKey().D.Text(16)[:40])
	shared := testkit.Must(auth0.SharedSecret(canary))
	values["shared KeySet"] = shared
	values["API with a shared secret"] = testkit.Must(auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: shared}))
	values["config of it"] = auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: shared}

	e.Mux.HandleFunc("GET /collect", func(w http.ResponseWriter, r *http.Request) {
		values["Session"] = testkit.Must(e.Strategy.Session(r))
		token := testkit.Must(e.Strategy.AccessToken(w, r))
		secrets = append(secrets, token.AccessToken, strings.Split(token.AccessToken, ".")[2])
		api := testkit.Must(auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet()}))
		values["API"], values["Token"] = api, testkit.Must(api.Verify(r.Context(), token.AccessToken))
		values["TokenSource"], values["Client"] = e.Strategy.TokenSource(w, r), e.Strategy.Client(w, r)
		user, _ := auth0.UserFrom(r.Context())
		values["User"] = user
		values["context with a user"] = auth0.ContextWithUser(t.Context(), user)
		values["context with a token"] = auth0.ContextWithToken(t.Context(), values["Token"].(*auth0.Token))
		call := httptest.NewRequest("GET", "/", nil)
		call.Header.Set("Authorization", "Bearer "+token.AccessToken)
		api.RequireAuth(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if raw, _ := auth0.AccessTokenFrom(r.Context()); raw != token.AccessToken {
				t.Errorf("the access token of the request is %q", raw)
			}
			values["context of a request with a token"] = r.Context()
			values["context inside it"] = context.WithValue(r.Context(), insideKey(user.Subject), "x")
		})).ServeHTTP(httptest.NewRecorder(), call)
	})
	b := e.Browser().MustLogin()
	b.Page("/collect")
	secrets = append(secrets, b.Cookies[testkit.SessionCookie])

	login, err := e.LoginWithPassword()
	if err != nil {
		t.Fatal(err)
	}
	values["login with a password"] = login
	secrets = append(secrets, login.Token().AccessToken, login.Token().RefreshToken)
	e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		if token, ok := body["mfa_token"].(string); ok {
			secrets = append(secrets, token)
		}
	})
	demand := e.DemandMFA()
	values["MFA"], values["error with an MFA"] = demand.MFA(), demand
	values["sealed option"] = auth0.WithAppState("x")
	source := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience})
	own := testkit.Must(source.Token())
	values["source of own tokens"] = source
	values["API with a token"] = testkit.Must(management.New(testkit.TenantHost, oauth2.StaticTokenSource(own)))
	secrets = append(secrets, own.AccessToken)
	_, transaction, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, transaction)
	_, err = e.Strategy.Application().Exchange(t.Context(), transaction, url.Values{"state": {canary}, "code": {canary}})
	values["error of Exchange"] = err
	_, values["error of a password"] = e.LoginWithPassword(func(p *testkit.PasswordLogin) { p.Password = canary })
	_, values["error of an exchange of tokens"] = e.Strategy.Application().ExchangeToken(t.Context(), auth0.TokenExchange{SubjectToken: canary, SubjectTokenType: testkit.LegacyToken})
	_, values["error of an API"] = values["API"].(*auth0.API).Verify(t.Context(), testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"x"`)))
	e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		json.NewEncoder(w).Encode(map[string]any{"error": "invalid_grant", "access_token": canary, "form": r.Form})
	})
	_, values["error with an echo"] = e.LoginWithPassword()
	echoed := e.Browser()
	values["page of an echo"] = echoed.Callback(echoed.AtTenant(echoed.Begin("/auth/login"))).Body

	if len(values) < 24 {
		t.Fatalf("%d values", len(values))
	}
	var forms []string // in which a secret could be shown
	for _, secret := range secrets {
		if secret != "" {
			forms = append(forms, secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprint([]byte(secret)), "[]"))
		}
	}
	for name, value := range values {
		if value == nil || reflect.ValueOf(value).Kind() == reflect.Pointer && reflect.ValueOf(value).IsNil() {
			t.Errorf("%s: nothing was collected", name)
			continue
		}
		held := append(heldBy(value, true), heldBy(value, false)...)
		held = append(held, value)
		// A copy of the target of a pointer, despite go vet.
		if v := reflect.ValueOf(value); v.Kind() == reflect.Pointer {
			copied := v.Elem().Interface()
			held = append(append(append(held, copied), heldBy(copied, true)...), heldBy(copied, false)...)
		}
		for _, v := range held {
			text := shown(v)
			for _, form := range forms {
				if at := strings.Index(text, form); at >= 0 {
					t.Fatalf("%s, as a %T: a secret is shown: %.300s", name, v, text[max(0, at-200):])
				}
			}
		}
	}
	for _, secret := range secrets[:4] {
		if strings.Contains(e.Log.String(), secret) {
			t.Errorf("the log has a secret:\n%s", e.Log)
		}
	}
}

// TestFilledInSecretsAreNotShown passes the structs that an application fills in
// through every holder whose fields package fmt can ask. Package fmt asks no
// unexported field, as the documentation of Config says.
func TestFilledInSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	for _, value := range []any{
		auth0.Config{ClientSecret: canary, ManagementClientSecret: canary, Secrets: []string{canary}, ClientAuthentication: auth0.ClientSecretPost(canary)},
		auth0.TokenExchange{SubjectToken: canary, ActorToken: canary, Extra: url.Values{"token": {canary}}},
		management.OAuth2Options{ClientSecret: canary, CustomHeaders: map[string]string{"Authorization": canary}, AuthParams: map[string]string{"key": canary}, FetchUserProfile: canary},
		management.OAuth2Connection{Options: management.OAuth2Options{ClientSecret: canary, CustomHeaders: map[string]string{"Authorization": canary}}},
	} {
		pointer := reflect.New(reflect.TypeOf(value))
		pointer.Elem().Set(reflect.ValueOf(value))
		held := append(heldBy(value, true), heldBy(pointer.Interface(), true)...)
		held = append(held, value, pointer.Interface())
		for _, v := range held {
			if text := shown(v); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%T shows a secret: %.300s", v, text)
			}
		}
	}
}

// An insideKey is the key of a value that an application adds to a context.
type insideKey string
