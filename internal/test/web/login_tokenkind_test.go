package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A kindVerifier verifies a good token of its kind, changed by an edit, and returns
// why it was rejected: reason and cause. Both are empty if it was accepted.
type kindVerifier struct {
	name   string
	group  string // api, login (a nonce was sent), grant (none was), logout
	verify func(t *testing.T, edit func(header, claims map[string]any)) (reason, cause string)
}

func reasonAndCause(err error) (reason, cause string) {
	if err == nil {
		return "", ""
	}
	var e *auth0.Error
	if !errors.As(err, &e) {
		return "none", err.Error()
	}
	return e.Reason, err.Error()
}

// lastRefusal returns the reason and the cause of the last rejection in the log
// after an earlier text.
func lastRefusal(e *testkit.Env, before string) (reason, cause string) {
	for line := range strings.Lines(strings.TrimPrefix(e.Log.String(), before)) {
		if _, rest, ok := strings.Cut(line, " reason="); ok {
			reason, _, _ = strings.Cut(rest, " ")
			cause = line
		}
	}
	return reason, cause
}

// kindVerifiers are all of them: each place where the library verifies a token.
func kindVerifiers(t *testing.T) []kindVerifier {
	edited := func(e *testkit.Env, edit func(_, _ map[string]any), f func() error) (string, string) {
		e.Tenant.EditIDToken(edit)
		defer e.Tenant.EditIDToken(nil)
		return reasonAndCause(f())
	}
	byLog := func(e *testkit.Env, edit func(_, _ map[string]any), f func()) (string, string) {
		before := e.Log.String()
		e.Tenant.EditIDToken(edit)
		defer e.Tenant.EditIDToken(nil)
		f()
		return lastRefusal(e, before)
	}
	callback, form, page, grants := testkit.SignedIn(t, testkit.CheapTokens), testkit.SignedIn(t, testkit.IDTokenOnly), newPageEnv(t), testkit.SignedInForGrants(t, testkit.CheapTokens)
	logout, bearer := testkit.SignedIn(t, testkit.CheapTokens, testkit.Revocable), testkit.SignedIn(t)
	newAPI := func(e *testkit.Env) *auth0.API {
		api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet(), HTTPClient: e.Config.HTTPClient, Logger: e.Config.Logger})
		if err != nil {
			t.Fatal(err)
		}
		return api
	}
	api := newAPI(bearer)
	token := func(edit func(_, _ map[string]any)) string {
		return bearer.Tenant.AccessToken("ada@acme.example", testkit.Audience, edit)
	}
	refreshing := testkit.SignedIn(t, testkit.CheapTokens, testkit.InStore, func(c *auth0.Config) {
		c.Audience, c.Scopes = testkit.Audience, []string{"openid", "offline_access"}
	})
	var refreshed error
	refreshing.Mux.HandleFunc("GET /t", func(w http.ResponseWriter, r *http.Request) {
		_, refreshed = refreshing.Strategy.AccessToken(w, r, auth0.ForceRefresh())
	})
	refreshing.Tenant.EditAccessToken(testkit.Header("alg", "HS256")) // it is not verified
	return []kindVerifier{
		{"RequireAuth", "api", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			before := bearer.Log.String()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+token(edit))
			api.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)
			return lastRefusal(bearer, before)
		}},
		{"API.Verify", "api", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			_, err := api.Verify(t.Context(), token(edit))
			return reasonAndCause(err)
		}},
		{"callback", "login", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			return byLog(callback, edit, func() { callback.Browser().Login("/auth/login") })
		}},
		{"form post", "login", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			return byLog(form, edit, func() {
				b := form.Browser()
				b.Post(b.FormAtTenant(b.Begin("/auth/login")))
			})
		}},
		{"VerifyImplicit", "login", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			return edited(page, edit, func() error {
				transaction, fragment := implicit(page, "id_token token")
				_, err := page.Strategy.Application().VerifyImplicit(t.Context(), transaction, fragment)
				return err
			})
		}},
		{"LoginWithPassword", "grant", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			return edited(grants, edit, func() error { _, err := grants.LoginWithPassword(); return err })
		}},
		{"LoginWithToken", "grant", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			return edited(grants, edit, func() error {
				_, err := grants.Strategy.Application().LoginWithToken(t.Context(), auth0.TokenExchange{SubjectToken: "legacy-SECRET:ada@acme.example", SubjectTokenType: testkit.LegacyToken})
				return err
			})
		}},
		{"refresh", "grant", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			b := refreshing.Browser().MustLogin()
			return edited(refreshing, edit, func() error { b.Page("/t"); return refreshed })
		}},
		{"back-channel logout", "logout", func(t *testing.T, edit func(_, _ map[string]any)) (string, string) {
			before := logout.Log.String()
			logout.EndByToken(logout.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", edit))
			return lastRefusal(logout, before)
		}},
	}
}

// accepted is a cell of a mark that proves nothing there.
const accepted = ""

// A kindMark distinguishes a kind of token from others. For each group of verifiers
// it has the word by which a rejection names it.
type kindMark struct {
	mark  string
	edit  func(header, claims map[string]any)
	api   string
	login string
	grant string
	out   string
	why   string // why each verifier that accepts it does
}

func kindMarks() []kindMark {
	all := func(edits ...func(_, _ map[string]any)) func(_, _ map[string]any) {
		return func(h, c map[string]any) {
			for _, edit := range edits {
				edit(h, c)
			}
		}
	}
	event := map[string]any{testkit.LogoutEvent: map[string]any{}}
	const own = "it is the mark of the verifier's own kind"
	marks := []kindMark{
		{"nothing", func(_, _ map[string]any) {}, accepted, accepted, accepted, accepted, "these are the tokens of Auth0"},
		{"typ JWT", testkit.Header("typ", "JWT"), accepted, accepted, accepted, accepted, "Auth0 gives it to every kind"},
		{"no typ", testkit.Header("typ", nil), accepted, accepted, accepted, accepted, "typ is optional (RFC 7519, Section 5.1)"},
		{"typ at+jwt", testkit.Header("typ", "at+jwt"), accepted, "at+jwt", "at+jwt", "at+jwt", own},
		{"typ application/at+jwt", testkit.Header("typ", "application/at+jwt"), accepted, "at+jwt", "at+jwt", "at+jwt", own},
		{"typ logout+jwt", testkit.Header("typ", "logout+jwt"), "logout+jwt", "logout+jwt", "logout+jwt", accepted, own},
		{"typ application/logout+jwt", testkit.Header("typ", "application/logout+jwt"), "logout+jwt", "logout+jwt", "logout+jwt", accepted, own},

		{"claim typ Bearer", testkit.Claim("typ", "Bearer"), accepted, "claim typ", "claim typ", "claim typ", own},
		{"claim typ DPoP", testkit.Claim("typ", "DPoP"), accepted, "claim typ", "claim typ", "claim typ", own + ", and cnf says whether it is bound"},
		{"claim typ ID", testkit.Claim("typ", "ID"), "claim typ", accepted, accepted, "claim typ", own},
		{"claim typ Logout", testkit.Claim("typ", "Logout"), "claim typ", "claim typ", "claim typ", accepted, own},
		{"claim typ Refresh", testkit.Claim("typ", "Refresh"), "claim typ", "claim typ", "claim typ", "claim typ", ""},
		{"claim typ Offline", testkit.Claim("typ", "Offline"), "claim typ", "claim typ", "claim typ", "claim typ", ""},
		{"claim typ of an application", testkit.Claim("typ", "employee"), accepted, accepted, accepted, accepted, "no issuer calls a kind so"},
		{"claim typ of another form", testkit.Claim("typ", 7), accepted, accepted, accepted, accepted, "no issuer calls a kind so"},
		{"token_use access", testkit.Claim("token_use", "access"), accepted, "token_use", "token_use", "token_use", own},
		{"token_use id", testkit.Claim("token_use", "id"), "token_use", accepted, accepted, "token_use", own},
		{"token_use refresh", testkit.Claim("token_use", "refresh"), "token_use", "token_use", "token_use", "token_use", ""},

		{"nonce", testkit.Claim("nonce", "n"), "nonce", "nonce", "nonce", "nonce", ""},
		{"nonce, typ at+jwt", all(testkit.Claim("nonce", "n"), testkit.Header("typ", "at+jwt")), accepted, "at+jwt", "at+jwt", "at+jwt", "typ tells more than a nonce, which some issuers put into access tokens"},
		{"nonce, claim typ Bearer", all(testkit.Claim("nonce", "n"), testkit.Claim("typ", "Bearer")), accepted, "claim typ", "claim typ", "claim typ", "as Keycloak made access tokens up to version 24"},
		{"nonce, claim typ ID", all(testkit.Claim("nonce", "n"), testkit.Claim("typ", "ID")), "claim typ", "nonce", "nonce", "claim typ", ""},
		{"s_hash", testkit.Claim("s_hash", "h"), "s_hash", accepted, accepted, "s_hash", own + "; FAPI has it"},
		{"c_hash", testkit.Claim("c_hash", "h"), "c_hash", accepted, accepted, "c_hash", own + ", and is compared where there is a code"},
		{"at_hash", testkit.Claim("at_hash", "h"), "at_hash", "hash", "hash", "at_hash", ""}, // it is compared with the access token
		{"at_hash, typ at+jwt", all(testkit.Claim("at_hash", "h"), testkit.Header("typ", "at+jwt")), "at_hash", "at+jwt", "at+jwt", "at+jwt", ""},

		{"logout event", testkit.Claim("events", event), "events", "events", "events", accepted, own},
		{"logout event, typ at+jwt", all(testkit.Claim("events", event), testkit.Header("typ", "at+jwt")), "events", "at+jwt", "at+jwt", "at+jwt", ""},
		{"logout event, sid, jti", all(testkit.Claim("events", event), testkit.Claim("sid", "s"), testkit.Claim("jti", "j")), "events", "events", "events", accepted, own},
		{"logout event, nonce", all(testkit.Claim("events", event), testkit.Claim("nonce", "n")), "events", "events", "events", "nonce", ""},
		{"another security event", testkit.Claim("events", map[string]any{"https://x.example/e": map[string]any{}}), "events", "events", "events", "events", ""},
		{"another security event, typ at+jwt", all(testkit.Claim("events", map[string]any{"a": 1}), testkit.Header("typ", "at+jwt")), accepted, "at+jwt", "at+jwt", "at+jwt", "an application may call a claim so, and typ tells more"},
		{"events of an application", testkit.Claim("events", []string{"Concert"}), accepted, accepted, accepted, "events", "those of RFC 8417 are an object"},

		{"scope", testkit.Claim("scope", "read:a"), accepted, accepted, accepted, accepted, "one name alone may be a claim of the application"},
		{"client_id", testkit.Claim("client_id", testkit.ClientID), accepted, accepted, accepted, accepted, "as scope"},
		{"permissions", testkit.Claim("permissions", []string{"read:a"}), accepted, accepted, accepted, accepted, "as scope; Actions put them into ID tokens"},
		{"gty", testkit.Claim("gty", "password"), accepted, accepted, accepted, accepted, "as scope"},
		{"scope, client_id", all(testkit.Claim("scope", "read:a"), testkit.Claim("client_id", testkit.ClientID)), accepted, accepted, "scope and client_id", "scope and client_id", "the nonce of the login tells more"},
		{"scope, permissions", all(testkit.Claim("scope", "read:a"), testkit.Claim("permissions", []string{"read:a"})), accepted, accepted, "scope and permissions", "scope and permissions", "as before"},
		{"scp, gty", all(testkit.Claim("scp", "read:a"), testkit.Claim("gty", "password")), accepted, accepted, "scope and gty", "scope and gty", "as before"},
		{"UserInfo among the audiences", func(_, c map[string]any) {
			c["aud"], c["azp"] = []any{c["aud"], "https://" + testkit.TenantHost + "/userinfo"}, testkit.ClientID
			if list, ok := c["aud"].([]any)[0].([]string); ok {
				c["aud"] = append(list, "https://"+testkit.TenantHost+"/userinfo")
			}
		}, accepted, "UserInfo", "UserInfo", accepted, "it is Auth0's in access tokens; a logout token has its event"},

		{"azp", testkit.Claim("azp", testkit.ClientID), accepted, accepted, accepted, accepted, "Auth0 has it in access tokens, OpenID Connect in ID tokens"},
		{"auth_time, acr, amr", all(testkit.Claim("auth_time", time.Now().Unix()), testkit.Claim("acr", "a"), testkit.Claim("amr", []string{"mfa"})), accepted, accepted, accepted, accepted, "RFC 9068, Section 2.2.1 has them in access tokens"},
		{"sid", testkit.Claim("sid", "s"), accepted, accepted, accepted, accepted, "ID tokens and logout tokens have it, and access tokens of some issuers"},
		{"jti", testkit.Claim("jti", "j"), accepted, accepted, accepted, accepted, "any kind may have it"},
		{"cnf", testkit.Claim("cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), "cnf", accepted, accepted, accepted, "it binds a token, of whatever kind, and only access tokens are shown by their bearer"},
		{"act", testkit.Claim("act", map[string]any{"sub": "x"}), accepted, accepted, accepted, accepted, "Auth0 has it in both kinds (RFC 8693, Section 4.1)"},
		{"long life", testkit.ClaimIn("exp", 30*86400), accepted, accepted, accepted, accepted, "lives are settings of the issuer; of logout tokens iat is bounded"},
		{"short life", testkit.ClaimIn("exp", 60), accepted, accepted, accepted, accepted, "as before"},
	}
	for _, typ := range []string{"dpop+jwt", "secevent+jwt", "id_token+jwt", "client-authentication+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "JWE", "jwt+x", "x/jwt"} {
		marks = append(marks, kindMark{"typ " + typ, testkit.Header("typ", typ), typ, typ, typ, typ, ""})
	}
	return marks
}

// TestKindsOfTokensExcludeEachOther is each verifier with each mark of each kind. A
// cell is a rejection that names the mark, or the mark says why there is none.
func TestKindsOfTokensExcludeEachOther(t *testing.T) {
	t.Parallel()
	verifiers := kindVerifiers(t)
	for _, m := range kindMarks() {
		for _, v := range verifiers {
			want := map[string]string{"api": m.api, "login": m.login, "grant": m.grant, "logout": m.out}[v.group]
			if m.mark == "at_hash" && v.name == "form post" {
				continue // accepted: with an ID token alone, there is nothing to compare it with
			}
			if want == accepted && m.why == "" {
				t.Fatalf("%s: nobody says why it is accepted", m.mark)
			}
			reason, cause := v.verify(t, m.edit)
			switch {
			case (reason == "") != (want == accepted):
				t.Errorf("%s, %s: refused with %q %s, want %q", v.name, m.mark, reason, cause, want)
			case !strings.Contains(cause, want):
				t.Errorf("%s, %s: the cause does not name %q: %s", v.name, m.mark, want, cause)
			case strings.Contains(cause, "request an access token"):
				t.Errorf("%s, %s: more is said than is known: %s", v.name, m.mark, cause)
			}
		}
	}
}

// Whole tokens of one kind at the verifiers of the others, with the right audience
// there.
func TestTokensOfOtherKinds(t *testing.T) {
	t.Parallel()
	ada := "ada@acme.example"
	kinds := map[string]func(e *testkit.Env, audience any) string{
		"access": func(e *testkit.Env, audience any) string {
			return e.Tenant.AccessToken(ada, testkit.Audience, func(_, c map[string]any) {
				c["aud"], c["azp"], c["scope"], c["permissions"] = audience, testkit.ClientID, "openid read:a", []string{"read:a"}
			})
		},
		"id": func(e *testkit.Env, audience any) string {
			return e.Tenant.IDToken(testkit.ClientID, ada, func(_, c map[string]any) { c["aud"], c["nonce"] = audience, "n" })
		},
		"logout": func(e *testkit.Env, audience any) string {
			return e.Tenant.LogoutToken(testkit.ClientID, ada, "s", func(_, c map[string]any) { c["aud"] = audience })
		},
	}
	e := testkit.SignedIn(t, testkit.Revocable, func(c *auth0.Config) { c.Audience, c.Scopes = testkit.Audience, []string{"openid", "offline_access"} })
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet(), HTTPClient: e.Config.HTTPClient})
	if err != nil {
		t.Fatal(err)
	}
	var refreshed error
	e.Mux.HandleFunc("GET /t", func(w http.ResponseWriter, r *http.Request) {
		_, refreshed = e.Strategy.AccessToken(w, r, auth0.ForceRefresh())
	})
	for name, make := range kinds {
		if _, err := api.Verify(t.Context(), make(e, testkit.Audience)); (err == nil) != (name == "access") {
			t.Errorf("API, %s token: %v", name, err)
		}
		if resp := e.EndByToken(make(e, testkit.ClientID)); (resp.Status == 200) != (name == "logout") {
			t.Errorf("back-channel logout, %s token: %d", name, resp.Status)
		}
		for _, use := range []string{"login", "refresh"} {
			b := e.Browser()
			answer := func() {
				e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) {
					if name != "id" {
						body["id_token"] = make(e, testkit.ClientID)
					}
				})
			}
			good := false
			if use == "login" {
				answer()
				b.Login("/auth/login")
				good = b.LoggedIn()
			} else {
				b.MustLogin()
				answer()
				b.Page("/t")
				good = refreshed == nil
			}
			e.Tenant.EditTokenResponse(nil)
			if good != (name == "id") {
				t.Errorf("%s, %s token: accepted %v, %v", use, name, good, refreshed)
			}
		}
	}
}

// Tokens in the format of other issuers are not rejected for marks that prove too
// little.
func TestTokensOfOtherIssuers(t *testing.T) {
	t.Parallel()
	ten := auth0test.NewTenant(t)
	api, err := auth0.NewAPI(ten.APIConfig("https://api.acme.example/"))
	if err != nil {
		t.Fatal(err)
	}
	for name, claims := range map[string]map[string]any{
		"Keycloak 24": {"nonce": "0b3f3c5e", "typ": "Bearer", "azp": "spa", "acr": "1", "sid": "7d1e", "session_state": "7d1e", "auth_time": 1767225600, "allowed-origins": []string{"*"}},
		"Keycloak 26": {"typ": "Bearer", "azp": "spa", "acr": "1", "sid": "7d1e", "jti": "onrtac:1"},
		"Cognito":     {"token_use": "access", "client_id": "spa", "event_id": "e", "username": "u", "origin_jti": "o", "version": 2},
		"Entra":       {"azp": "spa", "azpacr": "1", "scp": "read", "ver": "2.0", "sid": "s", "uti": "u", "roles": []string{"a"}},
		"Okta":        {"cid": "spa", "uid": "u", "scp": []string{"read"}, "auth_time": 1767225600, "ver": 1},
	} {
		var edits []auth0test.TokenOption
		for claim, value := range claims {
			edits = append(edits, auth0test.Claim(claim, value))
		}
		if _, err := api.Verify(t.Context(), ten.AccessToken(edits...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Their ID tokens are rejected, if the client id is used as the audience of the
	// API.
	for name, claims := range map[string]map[string]any{
		"Keycloak": {"typ": "ID", "azp": "spa", "sid": "7d1e"},
		"Cognito":  {"token_use": "id", "cognito:username": "u"},
	} {
		var edits []auth0test.TokenOption
		for claim, value := range claims {
			edits = append(edits, auth0test.Claim(claim, value))
		}
		if _, err := api.Verify(t.Context(), ten.AccessToken(edits...)); testkit.ReasonOf(err) != "invalid_type" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
