package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

const pagePath = "/page/callback"

// newPageEnv is an application with a page that logs in by the implicit grant.
func newPageEnv(t testing.TB, edit ...func(*auth0.Config)) *testkit.Env {
	t.Helper()
	e := testkit.SignedIn(t, append([]func(*auth0.Config){testkit.IDTokenOnly, func(c *auth0.Config) { c.Audience = testkit.Audience }}, edit...)...)
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.CallbackURLs = append(c.CallbackURLs, testkit.AppURL+pagePath) }); err != nil {
		t.Fatal(err)
	}
	return e
}

// implicit starts a login of the page and returns the transaction and the fragment
// of its callback.
func implicit(e *testkit.Env, responseType string, opts ...auth0.LoginOption) (transaction string, fragment url.Values) {
	e.T.Helper()
	authURL, transaction, err := e.Strategy.Application().ImplicitURL(e.T.Context(), responseType, testkit.AppURL+pagePath, opts...)
	if err != nil {
		e.T.Fatal(err)
	}
	u, err := url.Parse(authURL)
	if err != nil {
		e.T.Fatal(err)
	}
	at := e.Browser().AtTenant(u)
	if at.Path != pagePath || at.RawQuery != "" {
		e.T.Fatalf("the tenant leads to %s with the query %q", at.Path, at.RawQuery)
	}
	fragment, err = url.ParseQuery(at.EscapedFragment())
	if err != nil {
		e.T.Fatal(err)
	}
	return transaction, fragment
}

func TestImplicitRequest(t *testing.T) {
	t.Parallel()
	e := newPageEnv(t)
	for _, responseType := range []string{"token", "id_token token"} {
		authURL, transaction, err := e.Strategy.Application().ImplicitURL(t.Context(), responseType, testkit.AppURL+pagePath, auth0.WithLoginHint("a@b"))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(authURL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		for name, want := range map[string]string{
			"response_type": responseType, "redirect_uri": testkit.AppURL + pagePath, "client_id": testkit.ClientID, "audience": testkit.Audience,
			"login_hint": "a@b", "scope": "openid profile email", "response_mode": "", "code_challenge": "",
		} {
			if got := q.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", responseType, name, got, want)
			}
		}
		if len(q.Get("state")) != 43 || len(q.Get("nonce")) != 43 {
			t.Errorf("state %q, nonce %q", q.Get("state"), q.Get("nonce"))
		}
		if strings.Contains(transaction, q.Get("state")) || strings.Contains(transaction, q.Get("nonce")) {
			t.Error("the transaction can be read")
		}
	}
	for why, tt := range map[string]struct {
		responseType, uri string
		opts              []auth0.LoginOption
	}{
		"a code":                     {"code", testkit.AppURL + pagePath, nil},
		"an ID token alone":          {"id_token", testkit.AppURL + pagePath, nil},
		"other order":                {"token id_token", testkit.AppURL + pagePath, nil},
		"nothing":                    {"", testkit.AppURL + pagePath, nil},
		"no path":                    {"token", testkit.AppURL, nil},
		"another scheme":             {"token", "http://app.example/page", nil},
		"another host":               {"token", "https://app.example.evil.example/", nil},
		"a fragment":                 {"token", testkit.AppURL + "/page#x", nil},
		"a path alone":               {"token", pagePath, nil},
		"the callback of the server": {"token", testkit.CallbackURL, nil},
		"an unusable option":         {"token", testkit.AppURL + pagePath, []auth0.LoginOption{auth0.WithPrompt("X")}},
		"an organization unchecked":  {"token", testkit.AppURL + pagePath, []auth0.LoginOption{auth0.WithOrganization("acme-eu")}},
		"an age unchecked":           {"token", testkit.AppURL + pagePath, []auth0.LoginOption{auth0.WithMaxAge(time.Hour)}},
		"an acr unchecked":           {"token", testkit.AppURL + pagePath, []auth0.LoginOption{auth0.WithRequiredACR("x")}},
	} {
		authURL, transaction, err := e.Strategy.Application().ImplicitURL(t.Context(), tt.responseType, tt.uri, tt.opts...)
		if testkit.ReasonOf(err) != "login_option" || authURL != "" || transaction != "" {
			t.Errorf("%s: %q, %v", why, authURL, err)
		}
	}
	e = newPageEnv(t, func(c *auth0.Config) { c.CheckOrganization = func(context.Context, string) error { return nil } })
	if _, _, err := e.Strategy.Application().ImplicitURL(t.Context(), "token", testkit.AppURL+pagePath); testkit.ReasonOf(err) != "login_option" {
		t.Errorf("with Config.CheckOrganization: %v", err)
	}
	var zero auth0.Strategy
	if _, _, err := zero.Application().ImplicitURL(t.Context(), "token", testkit.AppURL+pagePath); testkit.ReasonOf(err) != "misconfigured" {
		t.Errorf("zero Strategy: %v", err)
	}
	if _, err := zero.Application().VerifyImplicit(t.Context(), "", nil); testkit.ReasonOf(err) != "misconfigured" {
		t.Errorf("zero Strategy: %v", err)
	}
}

func TestImplicit(t *testing.T) {
	t.Parallel()
	e := newPageEnv(t)
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet()})
	if err != nil {
		t.Fatal(err)
	}
	for _, responseType := range []string{"token", "id_token token"} {
		transaction, fragment := implicit(e, responseType, auth0.WithReturnTo("/there"), auth0.WithAppState("state"))
		before := time.Now()
		grant, err := e.Strategy.Application().VerifyImplicit(t.Context(), transaction, fragment)
		if err != nil {
			t.Fatalf("%s: %v", responseType, err)
		}
		if grant.ReturnTo != "/there" || string(grant.AppState) != `"state"` {
			t.Errorf("%s: to %q with %s", responseType, grant.ReturnTo, grant.AppState)
		}
		token := grant.Token()
		if token.AccessToken != fragment.Get("access_token") || token.TokenType != "Bearer" || token.RefreshToken != "" || token.Extra("scope") != "openid profile email" {
			t.Errorf("%s: token %+v", responseType, token)
		}
		if life := token.Expiry.Sub(before); life < 24*time.Hour-time.Minute || life > 24*time.Hour+time.Minute {
			t.Errorf("%s: good for %v", responseType, life)
		}
		// The API verifies the access token.
		if verified, err := api.Verify(t.Context(), token.AccessToken); err != nil || !strings.HasPrefix(verified.Subject(), "auth0|") {
			t.Errorf("%s: the API says %v", responseType, err)
		}
		switch {
		case responseType == "token":
			if grant.Login != nil {
				t.Errorf("somebody has logged in: %v", grant.Login)
			}
		case grant.Login == nil || grant.Login.User.Email != "ada@acme.example" || grant.Login.Token() != token || grant.Login.ReturnTo != "/there":
			t.Errorf("login %v", grant.Login)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			if text := fmt.Sprintf(verb, grant); strings.Contains(text, token.AccessToken) {
				t.Errorf("%s prints the token", verb)
			}
		}
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 0 {
		t.Errorf("%d token requests", n)
	}
}

// TestImplicitRefusals has a row per check.
func TestImplicitRefusals(t *testing.T) {
	t.Parallel()
	same := func(_, _ map[string]any) {}
	set := func(name, value string) func(url.Values) { return func(v url.Values) { v.Set(name, value) } }
	drop := func(name string) func(url.Values) { return func(v url.Values) { v.Del(name) } }
	twice := func(name string) func(url.Values) { return func(v url.Values) { v.Add(name, v.Get(name)) } }
	const both, token = "id_token token", "token"
	tests := []struct {
		why          string
		responseType string
		edit         func(header, claims map[string]any) // of the ID token
		change       func(url.Values)
		reason       string // empty if it must be accepted
	}{
		{"unchanged", both, same, nil, ""},
		{"unchanged token", token, same, nil, ""},
		{"no expires_in", both, same, drop("expires_in"), ""},
		{"bearer in lower case", both, same, set("token_type", "bearer"), ""},
		{"right iss", both, same, set("iss", "https://acme.auth0.example/"), ""},

		{"no state", both, same, drop("state"), "missing_state"},
		{"no state, token", token, same, drop("state"), "missing_state"},
		{"other state", both, same, set("state", strings.Repeat("A", 43)), "transaction_not_found"},
		{"other state, token", token, same, set("state", strings.Repeat("A", 43)), "transaction_not_found"},
		{"state twice", token, same, twice("state"), "invalid_request"},
		{"iss of another", token, same, set("iss", "https://evil.example/"), "issuer_mismatch"},
		{"an error", token, same, set("error", "access_denied"), "authorization_denied"},

		{"no token", token, same, drop("access_token"), "invalid_request"},
		{"no token beside the ID token", both, same, drop("access_token"), "invalid_request"},
		{"token twice", token, same, twice("access_token"), "invalid_request"},
		{"token of 40 kB", token, same, set("access_token", strings.Repeat("A", 40<<10)), "invalid_request"},
		{"no token_type", token, same, drop("token_type"), "invalid_request"},
		{"other token_type", token, same, set("token_type", "DPoP"), "invalid_request"},
		{"expires_in is text", token, same, set("expires_in", "soon"), "invalid_request"},
		{"negative expires_in", token, same, set("expires_in", "-1"), "invalid_request"},
		{"huge expires_in", token, same, set("expires_in", "99999999999"), ""},

		{"no ID token", both, same, drop("id_token"), "invalid_request"},
		{"ID token twice", both, same, twice("id_token"), "invalid_request"},
		{"no nonce", both, testkit.Claim("nonce", nil), nil, "nonce_mismatch"},
		{"other nonce", both, testkit.Claim("nonce", strings.Repeat("A", 43)), nil, "nonce_mismatch"},
		{"no at_hash", both, testkit.Claim("at_hash", nil), nil, "invalid_hash"},
		{"empty at_hash", both, testkit.Claim("at_hash", ""), nil, "invalid_hash"},
		{"wrong at_hash", both, testkit.Claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), nil, "invalid_hash"},
		{"token of another login", both, same, set("access_token", "x"), "invalid_hash"},
		{"other aud", both, testkit.Claim("aud", "other"), nil, "invalid_audience"},
		{"other iss", both, testkit.Claim("iss", "https://evil.example/"), nil, "invalid_issuer"},
		{"expired", both, testkit.ClaimIn("exp", -65), nil, "token_expired"},
		{"none", both, testkit.Header("alg", "none"), nil, "invalid_alg"},
		{"HS256", both, testkit.Header("alg", "HS256"), nil, "invalid_alg"},
		{"right organization", both, same, nil, ""},
		{"other organization", both, testkit.Claim("org_id", "org_other"), nil, "invalid_claim"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e := newPageEnv(t)
			var opts []auth0.LoginOption
			if strings.HasSuffix(tt.why, "organization") {
				opts = append(opts, auth0.WithOrganization(acmeEU(t, e)))
			}
			e.Tenant.EditIDToken(tt.edit)
			transaction, fragment := implicit(e, tt.responseType, opts...)
			if tt.change != nil {
				tt.change(fragment)
			}
			grant, err := e.Strategy.Application().VerifyImplicit(t.Context(), transaction, fragment)
			switch {
			case tt.reason == "" && (err != nil || grant == nil):
				t.Errorf("refused: %v", err)
			case tt.reason != "" && (grant != nil || testkit.ReasonOf(err) != tt.reason):
				t.Errorf("%v, %v; want %s", grant, err, tt.reason)
			}
			if err != nil && strings.Contains(err.Error(), fragment.Get("access_token")) && len(fragment.Get("access_token")) > 10 {
				t.Error("the error has the token")
			}
		})
	}
}

// TestImplicitSignature: the answer that the page posts needs a valid signature of
// the ID token.
func TestImplicitSignature(t *testing.T) {
	t.Parallel()
	e := newPageEnv(t)
	transaction, fragment := implicit(e, "id_token token")
	e.Tenant.SignWithForeignKey(true)
	foreignTransaction, foreign := implicit(e, "id_token token")
	if _, err := e.Strategy.Application().VerifyImplicit(t.Context(), foreignTransaction, foreign); testkit.ReasonOf(err) != "invalid_signature" {
		t.Errorf("foreign key: %v", err)
	}
	// The answer to one login does not complete another.
	if _, err := e.Strategy.Application().VerifyImplicit(t.Context(), foreignTransaction, fragment); !errors.Is(err, auth0.ErrTransactionNotFound) {
		t.Errorf("another answer: %v", err)
	}
	mixed := url.Values{}
	for name, values := range fragment {
		mixed[name] = values
	}
	mixed.Set("state", foreign.Get("state"))
	if _, err := e.Strategy.Application().VerifyImplicit(t.Context(), foreignTransaction, mixed); testkit.ReasonOf(err) != "nonce_mismatch" {
		t.Errorf("another answer with the right state: %v", err)
	}
	for _, garbage := range []string{"", "v3.", transaction[:20], transaction + "A"} {
		if _, err := e.Strategy.Application().VerifyImplicit(t.Context(), garbage, fragment); !errors.Is(err, auth0.ErrTransactionNotFound) {
			t.Errorf("transaction %.10q: %v", garbage, err)
		}
	}
}

// TestImplicitIsApart: an answer through a page does not complete a login of the
// server's callback, nor the other way round.
func TestImplicitIsApart(t *testing.T) {
	t.Parallel()
	e := newPageEnv(t)
	for _, responseType := range []string{"token", "id_token token"} {
		transaction, fragment := implicit(e, responseType)
		if _, err := e.Strategy.Application().Exchange(t.Context(), transaction, fragment); !errors.Is(err, auth0.ErrTransactionNotFound) {
			t.Errorf("%s: Exchange says %v", responseType, err)
		}
		b := e.Browser()
		u := b.Begin("/auth/login") // gives the name of a cookie
		for name := range b.Cookies {
			b.Cookies[name] = transaction
		}
		fragment.Set("state", u.Query().Get("state"))
		if resp := b.Post(fragment); resp.Status != http.StatusBadRequest || e.LastReason() != "transaction_not_found" {
			t.Errorf("%s: the callback says %d %q", responseType, resp.Status, e.LastReason())
		}
	}
	authURL, transaction, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(authURL)
	if err != nil {
		t.Fatal(err)
	}
	form := e.Browser().FormAtTenant(u)
	if _, err := e.Strategy.Application().VerifyImplicit(t.Context(), transaction, form); !errors.Is(err, auth0.ErrTransactionNotFound) {
		t.Errorf("VerifyImplicit says %v", err)
	}
}

// TestImplicitAge: a page that stayed open for too long must start a new login.
func TestImplicitAge(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	e := newPageEnv(t, func(cfg *auth0.Config) { cfg.Now = c.Now })
	transaction, fragment := implicit(e, "token")
	c.Add(3599)
	if _, err := e.Strategy.Application().VerifyImplicit(t.Context(), transaction, fragment); err != nil {
		t.Errorf("after 3599 s: %v", err)
	}
	c.Add(1)
	if _, err := e.Strategy.Application().VerifyImplicit(t.Context(), transaction, fragment); !errors.Is(err, auth0.ErrTransactionNotFound) {
		t.Errorf("after 3600 s: %v", err)
	}
}

// acmeEU is the id of the organization of the demonstration.
func acmeEU(t testing.TB, e *testkit.Env) string {
	t.Helper()
	var org string
	e.Tenant.EditIDToken(func(_, c map[string]any) { org, _ = c["org_id"].(string) })
	implicit(e, "id_token token", auth0.WithOrganization("acme-eu"))
	e.Tenant.EditIDToken(nil)
	if !strings.HasPrefix(org, "org_") {
		t.Fatalf("org_id %q", org)
	}
	return org
}
