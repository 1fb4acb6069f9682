package login

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

const tokenEndpoint = "/oauth/token"

// TestTokenRequest compares the whole request (RFC 6749, Section 4.1.3; RFC 7636,
// Section 4.5; OpenID Connect Core 1.0, Section 3.1.3.1).
func TestTokenRequest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		auth     clientauth.Method
		id       string // in the form
		secret   string // in the form
		password string // in the header
	}{
		{clientauth.WithSecret("client_secret_post", clientSecret), clientID, clientSecret, ""},
		{clientauth.WithSecret("client_secret_basic", clientSecret), "", "", clientSecret},
		{clientauth.Method{Name: "none"}, clientID, "", ""},
	} {
		e := newEnv(t, "code", isAuth(row.auth))
		_, tr := e.begin()
		tr.RedirectURI = "https://app.example/as/it/was" // the configuration has changed since
		e.token = gives(change{"id_token": idToken{}.signed(tr.Nonce), "refresh_token": "refresh", "scope": "openid"})
		got, err := e.complete(tr, answerTo(tr, change{"code": "the code"}))
		if err != nil {
			t.Errorf("%s: %v", row.auth.Name, err)
			continue
		}
		want := url.Values{
			"grant_type": {"authorization_code"}, "code": {"the code"}, "redirect_uri": {"https://app.example/as/it/was"},
			"code_verifier": {tr.Verifier},
		}
		if row.id != "" {
			want.Set("client_id", row.id)
		}
		if row.secret != "" {
			want.Set("client_secret", row.secret)
		}
		requests := e.at(tokenEndpoint)
		if len(requests) != 1 || !maps.EqualFunc(requests[0].form, want, slices.Equal) {
			t.Errorf("%s: %+v, want %v", row.auth.Name, requests, want)
			continue
		}
		name, password, ok := (&http.Request{Header: requests[0].header}).BasicAuth()
		name, password = must(url.QueryUnescape(name)), must(url.QueryUnescape(password))
		if ok != (row.password != "") || password != row.password || ok && name != clientID {
			t.Errorf("%s: the header has %q and %q", row.auth.Name, name, password)
		}
		if got.Token.AccessToken != "access" || got.Token.RefreshToken != "refresh" || got.Token.ExpiresIn != 600 ||
			got.Token.Extra("scope") != "openid" || got.Identity.Claims.Subject != "auth0|ada" || got.Identity.Raw != got.Token.Extra("id_token") {
			t.Errorf("%s: %+v, %+v", row.auth.Name, got.Token, got.Identity)
		}
	}
}

// TestTokenResponse has a row for each answer to a code. The flow sends a code once (RFC
// 6749, Sections 5.1 and 5.2; OpenID Connect Core 1.0, Section 3.1.3.3).
func TestTokenResponse(t *testing.T) {
	t.Parallel()
	badClient, denied := refusal.TenantAnswer, refusal.TenantAnswer
	badClient.Code, denied.Code = "invalid_client", "access_denied"
	for _, row := range []struct {
		why    string
		answer func(id string) answerOf
		want   refusal.Row
		cause  string
	}{
		{"good", func(id string) answerOf { return gives(change{"id_token": id}) }, refusal.Row{}, ""},
		{"token_type in lower case", func(id string) answerOf { return gives(change{"id_token": id, "token_type": "bearer"}) },
			refusal.Row{}, ""},
		{"good for a year", func(id string) answerOf { return gives(change{"id_token": id, "expires_in": 31536000}) }, refusal.Row{}, ""},
		{"good for no known time", func(id string) answerOf { return gives(change{"id_token": id, "expires_in": nil}) }, refusal.Row{}, ""},

		{"no ID token", func(string) answerOf { return gives(nil) }, refusal.TenantAnswer, "has no id_token"},
		{"empty ID token", func(string) answerOf { return gives(change{"id_token": ""}) }, refusal.TenantAnswer, "has no id_token"},
		{"ID token of another type", func(string) answerOf { return gives(change{"id_token": 1}) }, refusal.TenantAnswer, "id_token is not a text"},
		{"other token_type", func(id string) answerOf { return gives(change{"id_token": id, "token_type": "mac"}) },
			refusal.TenantAnswer, `token_type is "mac", not Bearer`},
		{"bound token that nobody asked for", func(id string) answerOf { return gives(change{"id_token": id, "token_type": "DPoP"}) },
			refusal.TokenNotBound, `token_type is "DPoP", not Bearer`},
		{"negative expires_in", func(id string) answerOf { return gives(change{"id_token": id, "expires_in": -1}) }, refusal.Row{}, ""},
		{"expires_in is not a number", func(id string) answerOf { return gives(change{"id_token": id, "expires_in": "soon"}) },
			refusal.TenantAnswer, "expires_in is a text"},
		{"more than a year", func(id string) answerOf { return gives(change{"id_token": id, "expires_in": 31536001}) }, refusal.Row{}, ""},
		{"expires_in as text", func(id string) answerOf { return gives(change{"id_token": id, "expires_in": "3600"}) }, refusal.Row{}, ""},
		{"no access token", func(id string) answerOf { return gives(change{"id_token": id, "access_token": nil}) },
			refusal.TenantAnswer, "it has no access_token"},
		{"more than 1 MiB", func(id string) answerOf { return gives(change{"id_token": id, "padding": strings.Repeat("x", 1<<20)}) },
			refusal.TenantAnswer, "answer is longer than 1 MiB"},
		{"no JSON", func(string) answerOf { return says(200, "<html>") }, refusal.TenantAnswer, "HTML or XML"},

		{"code is not good", func(string) answerOf { return says(403, `{"error":"invalid_grant"}`) }, refusal.Code, "invalid_grant"},
		{"wrong secret", func(string) answerOf { return says(401, `{"error":"invalid_client"}`) }, badClient, "invalid_client"},
		{"denied", func(string) answerOf { return says(403, `{"error":"access_denied"}`) }, denied, "access_denied"},
		{"outage", func(string) answerOf { return says(503, "") }, refusal.TenantDown, "503"},
		{"no connection", func(string) answerOf { return nil }, refusal.TenantDown, "no connection"},
	} {
		e := newEnv(t, "code")
		_, tr := e.begin()
		e.token = row.answer(idToken{}.signed(tr.Nonce))
		got, err := e.complete(tr, answerTo(tr, change{"code": "c"}))
		expect(t, row.why, err, row.want, row.cause)
		if err != nil && got != (Result{}) {
			t.Errorf("%s: %+v beside the refusal", row.why, got)
		}
		if n := len(e.at(tokenEndpoint)); n != 1 {
			t.Errorf("%s: %d requests", row.why, n)
		}
	}
}

func TestCanceledWhileTheCodeIsSent(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code")
	ctx, cancel := context.WithCancel(t.Context())
	_, tr := e.begin()
	e.token = func(w http.ResponseWriter, r *http.Request) { cancel(); gives(nil)(w, r) }
	p, err := e.flow.Prepare(ctx, tr, must(ParseAnswer(answerTo(tr, change{"code": "c"}))))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Complete(ctx)
	expect(t, "canceled", err, refusal.Canceled, "")
}

// A cutBody ends with an error in the middle of an answer.
type cutBody struct{ err error }

func (b cutBody) Read([]byte) (int, error) { return 0, b.err }

func (b cutBody) Close() error { return nil }

// A transportFunc is a http.RoundTripper.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAnswerThatIsCut: net/http reports a canceled request during the read of the answer.
func TestAnswerThatIsCut(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err  error
		want refusal.Row
	}{{context.Canceled, refusal.Canceled}, {errors.New("cut"), refusal.TenantDown}} {
		e := newEnv(t, "code", func(c *Config) {
			c.Client.HTTP = &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: cutBody{row.err}, Request: r}, nil
			})}
		})
		_, tr := e.begin()
		_, err := e.complete(tr, answerTo(tr, change{"code": "c"}))
		expect(t, row.err.Error(), err, row.want, "")
	}
}

// An idTokenRow is an ID token that a login rejects.
type idTokenRow struct {
	why   string
	token idToken
	want  *fault.Fault // nil if the login accepts it
	cause string
}

// idTokenRows are for every login with an ID token (OpenID Connect Core 1.0, Section
// 3.1.3.7). The login demands an authentication of the last hour, and the acr urn:mfa.
var idTokenRows = []idTokenRow{
	{"good", idToken{}, nil, ""},
	{"other iss", idToken{claims: change{"iss": "https://other.example/"}}, fault.Issuer, ""},
	{"other aud", idToken{claims: change{"aud": "other"}}, fault.Audience, ""},
	{"several aud and no azp", idToken{claims: change{"aud": []string{clientID, "other"}}}, fault.Claim, "azp"},
	{"other azp", idToken{claims: change{"azp": "other"}}, fault.Claim, "azp"},
	{"foreign signature", idToken{key: foreign}, fault.Signature, ""},
	{"other alg", idToken{header: change{"alg": "none"}}, fault.Algorithm, ""},
	{"at its end", idToken{claims: change{"exp": began - leeway}}, fault.Expired, ""},
	{"from the future", idToken{claims: change{"iat": began + leeway + 1}}, fault.IssuedAhead, ""},
	{"other nonce", idToken{claims: change{"nonce": "other"}}, fault.Nonce, ""},
	{"no nonce", idToken{claims: change{"nonce": nil}}, fault.Nonce, ""},
	{"other acr", idToken{claims: change{"acr": "urn:pwd"}}, fault.ACR, ""},
	{"no acr", idToken{claims: change{"acr": nil}}, fault.ACR, ""},
	{"old authentication", idToken{claims: change{"auth_time": began - 3600 - leeway - 1}}, fault.AuthTime, ""},
	{"no auth_time", idToken{claims: change{"auth_time": nil}}, fault.AuthTime, "auth_time"},
	{"an access token", idToken{header: change{"typ": "at+jwt"}}, fault.Type, ""},
}

// hashRows are for an ID token that comes with the access token "access" (OpenID Connect
// Core 1.0, Sections 3.1.3.8, 3.2.2.9 and 3.3.2.9).
var hashRows = []idTokenRow{
	{"hash of another access token", idToken{claims: change{"at_hash": hashOf("other")}}, fault.Hash, ""},
	{"hash and more", idToken{claims: change{"at_hash": hashOf("access") + "AAAA"}}, fault.Hash, ""},
	{"empty hash", idToken{claims: change{"at_hash": ""}}, fault.Hash, ""},
}

// strong is the demand of the logins of idTokenRows.
var strong = []authrequest.Option{authrequest.MaxAge(time.Hour), authrequest.ACR(true, "urn:mfa")}

// met returns a change to the claims that strong demands, and a further change.
func met(c change) change {
	claims := change{"auth_time": began, "acr": "urn:mfa", "at_hash": hashOf("access")}
	maps.Copy(claims, c)
	return claims
}

func TestIDTokenOfACode(t *testing.T) {
	t.Parallel()
	for _, row := range append(slices.Concat(idTokenRows, hashRows),
		idTokenRow{"no at_hash", idToken{claims: change{"at_hash": nil}}, nil, ""}, // it is optional
	) {
		e := newEnv(t, "code")
		_, tr := e.begin(strong...)
		row.token.claims = met(row.token.claims)
		e.token = gives(change{"id_token": row.token.signed(tr.Nonce)})
		_, err := e.complete(tr, answerTo(tr, change{"code": "c"}))
		expectFault(t, row.why, err, row.want, row.cause)
	}
}

// expectFault expects the rejection of a login because of a fault, nil for none.
func expectFault(t *testing.T, why string, err error, want *fault.Fault, cause string) {
	t.Helper()
	if want == nil {
		expect(t, why, err, refusal.Row{}, "")
		return
	}
	expect(t, why, err, badIDToken(want), cause)
	if got, ok := errors.AsType[*fault.Fault](err); ok && got.Description != want.Description {
		t.Errorf("%s: %v, want %v", why, got, want)
	}
}

func TestIDTokenOfTheImplicitFlow(t *testing.T) {
	t.Parallel()
	for _, row := range append(slices.Concat(idTokenRows, hashRows),
		idTokenRow{"no at_hash", idToken{claims: change{"at_hash": nil}}, fault.Hash, "no hash"},
	) {
		e := newEnv(t, "id_token token")
		_, tr := e.begin(strong...)
		row.token.claims = met(row.token.claims)
		got, err := e.complete(tr, answerTo(tr, change{
			"id_token": row.token.signed(tr.Nonce), "access_token": "access", "token_type": "Bearer", "expires_in": "600",
		}))
		expectFault(t, row.why, err, row.want, row.cause)
		switch {
		case err != nil && got != (Result{}):
			t.Errorf("%s: %+v beside the refusal", row.why, got)
		case err == nil && (got.Identity.Claims.Subject != "auth0|ada" || got.Token.AccessToken != "access"):
			t.Errorf("%s: %+v", row.why, got)
		}
		if len(e.requests) > 0 {
			t.Errorf("%s: %+v", row.why, e.requests)
		}
	}
}

// TestIDTokenOfTheHybridFlow: the flow does not send a code with a rejected ID token
// (OpenID Connect Core 1.0, Sections 3.3.2.8 to 3.3.2.12).
func TestIDTokenOfTheHybridFlow(t *testing.T) {
	t.Parallel()
	noHash := idTokenRow{"no at_hash", idToken{claims: change{"at_hash": nil}}, fault.Hash, "no hash"}
	for types, rows := range map[string][]idTokenRow{
		"code id_token":       idTokenRows,
		"code id_token token": append(slices.Concat(idTokenRows, hashRows), noHash),
	} {
		for _, row := range append(slices.Clone(rows),
			idTokenRow{"no c_hash", idToken{claims: change{"c_hash": nil}}, fault.Hash, "no hash"},
			idTokenRow{"hash of another code", idToken{claims: change{"c_hash": hashOf("other")}}, fault.Hash, ""},
			idTokenRow{"hash of the access token", idToken{claims: change{"c_hash": hashOf("access")}}, fault.Hash, ""},
		) {
			e := newEnv(t, types)
			_, tr := e.begin(strong...)
			claims := met(change{"c_hash": hashOf("c")})
			if types == "code id_token" { // there is no access token beside it
				claims["at_hash"] = nil
			}
			maps.Copy(claims, row.token.claims)
			row.token.claims = claims
			second := idToken{claims: met(change{"at_hash": hashOf("second")})}
			e.token = gives(change{"access_token": "second", "id_token": second.signed(tr.Nonce)})
			got, err := e.complete(tr, answerTo(tr, change{
				"code": "c", "id_token": row.token.signed(tr.Nonce), "access_token": "access", "token_type": "Bearer", "expires_in": "600",
			}))
			expectFault(t, types+", "+row.why, err, row.want, row.cause)
			sent := 0
			if row.want == nil {
				sent = 1
				if got.Token == nil || got.Token.AccessToken != "second" {
					t.Errorf("%s: %+v, want the tokens of the code", types, got.Token)
				}
			}
			if n := len(e.at(tokenEndpoint)); n != sent {
				t.Errorf("%s, %s: the code was sent %d times", types, row.why, n)
			}
		}
	}
}

// TestSecondIDToken has a row for each second ID token of the Hybrid Flow that does not fit
// (OpenID Connect Core 1.0, Sections 3.3.3.5 to 3.3.3.9).
func TestSecondIDToken(t *testing.T) {
	t.Parallel()
	for _, row := range append(slices.Concat(idTokenRows, hashRows),
		idTokenRow{"no at_hash", idToken{claims: change{"at_hash": nil}}, nil, ""},
		idTokenRow{"other sub", idToken{claims: change{"sub": "auth0|mallory"}}, fault.Claim, "of different users"},
	) {
		e := newEnv(t, "code id_token")
		_, tr := e.begin(strong...)
		row.token.claims = met(row.token.claims)
		e.token = gives(change{"id_token": row.token.signed(tr.Nonce)})
		first := idToken{claims: met(change{"c_hash": hashOf("c"), "at_hash": nil, "first": true})}
		got, err := e.complete(tr, answerTo(tr, change{"code": "c", "id_token": first.signed(tr.Nonce)}))
		expectFault(t, row.why, err, row.want, row.cause)
		if err == nil && strings.Contains(got.Identity.Payload, "first") {
			t.Errorf("%s: the first ID token counts, want the second", row.why)
		}
	}
}

// TestIDTokensOfTwoIssuers: today one login has one issuer, and each ID token must have it.
// The rule holds without that too.
func TestIDTokensOfTwoIssuers(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code id_token")
	_, tr := e.begin()
	e.token = gives(change{"id_token": idToken{}.signed(tr.Nonce)})
	p, err := e.flow.Prepare(t.Context(), tr, must(ParseAnswer(answerTo(tr, change{"code": "c"}))))
	if err != nil {
		t.Fatal(err)
	}
	first := &idtoken.Identity{Claims: jwt.Claims{Issuer: "https://other.example/", Subject: "auth0|ada"}}
	_, err = p.redeem(t.Context(), verifiedResponse{code: "c", id: first})
	expect(t, "other issuer", err, badIDToken(fault.Claim), "of different users")
}

// TestIDTokenInsteadOfIss: a provider that promises iss may omit it beside an ID token from
// the authorization endpoint, whose iss the client checks instead (RFC 9207, Section 4).
// That check too comes before the flow sends the code.
func TestIDTokenInsteadOfIss(t *testing.T) {
	t.Parallel()
	promises := withMetadata(func(m *discovery.Metadata) { m.IssuerInResponse = true })
	for from, want := range map[string]*fault.Fault{issuer: nil, "https://other.example/": fault.Issuer} {
		e := newEnv(t, "code id_token", promises)
		_, tr := e.begin()
		e.token = gives(change{"id_token": idToken{}.signed(tr.Nonce)})
		front := idToken{claims: change{"iss": from, "c_hash": hashOf("c")}}.signed(tr.Nonce)
		_, err := e.complete(tr, answerTo(tr, change{"code": "c", "id_token": front}))
		expectFault(t, from, err, want, "")
		if n := len(e.at(tokenEndpoint)); (n == 1) != (want == nil) {
			t.Errorf("%s: %d requests", from, n)
		}
	}
}

// TestOtherTypes has a login of each response type without a test above.
func TestOtherTypes(t *testing.T) {
	t.Parallel()
	front := change{"access_token": "front", "token_type": "Bearer", "expires_in": "600"}
	for _, row := range []struct {
		types    string
		idToken  idToken
		values   change
		token    string // access token of the result
		subject  string
		requests int
	}{
		{"id_token", idToken{}, nil, "", "auth0|ada", 0},
		{"id_token", idToken{}, change{"code": "c", "access_token": "front"}, "", "auth0|ada", 0}, // not of this type
		{"token", idToken{key: foreign}, front, "front", "", 0},                                   // the ID token is not of this type
		{"code token", idToken{key: foreign}, with(front, change{"code": "c"}), "access", "auth0|ada", 1},
	} {
		e := newEnv(t, row.types)
		_, tr := e.begin()
		e.token = gives(change{"id_token": idToken{}.signed(tr.Nonce)})
		got, err := e.complete(tr, answerTo(tr, with(row.values, change{"id_token": row.idToken.signed(tr.Nonce)})))
		if err != nil {
			t.Errorf("%s: %v", row.types, err)
			continue
		}
		if (got.Identity != nil) != (row.subject != "") || got.Identity != nil && got.Identity.Claims.Subject != row.subject {
			t.Errorf("%s: %+v", row.types, got.Identity)
		}
		if (got.Token != nil) != (row.token != "") || got.Token != nil && got.Token.AccessToken != row.token {
			t.Errorf("%s: %+v", row.types, got.Token)
		}
		if n := len(e.at(tokenEndpoint)); n != row.requests {
			t.Errorf("%s: %d requests", row.types, n)
		}
	}
}

// TestAuthenticationAfterTheBeginning: a max_age of 0 counts from the beginning of the
// login, and every other one from the time of the answer.
func TestAuthenticationAfterTheBeginning(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		maxAge   time.Duration
		authTime int64
		want     *fault.Fault
	}{
		{0, began - leeway, nil}, {0, began - leeway - 1, fault.AuthTime},
		{time.Minute, began + 500 - 60 - leeway, nil}, {time.Minute, began + 500 - 60 - leeway - 1, fault.AuthTime},
	} {
		e := newEnv(t, "code")
		_, tr := e.begin(authrequest.MaxAge(row.maxAge))
		e.now = began + 500
		e.token = gives(change{"id_token": idToken{claims: change{"auth_time": row.authTime}}.signed(tr.Nonce)})
		_, err := e.complete(tr, answerTo(tr, change{"code": "c"}))
		expectFault(t, row.maxAge.String(), err, row.want, "")
	}
}

// TestRefusedAnswerIsNotRedeemed: the checks of the answer come before the flow sends the
// code. Otherwise the code of one tenant would go to another (RFC 9207, Section 2.4).
func TestRefusedAnswerIsNotRedeemed(t *testing.T) {
	t.Parallel()
	promises := withMetadata(func(m *discovery.Metadata) { m.IssuerInResponse = true })
	byTenant := refusal.ByTenant
	byTenant.Code = "login_required"
	for _, row := range []struct {
		why    string
		values change
		want   refusal.Row
	}{
		{"good", change{"code": "c", "iss": issuer}, refusal.Row{}},
		{"other iss", change{"code": "c", "iss": "https://other.example/"}, refusal.Issuer},
		{"no iss", change{"code": "c"}, refusal.Issuer},
		{"error", change{"code": "c", "iss": issuer, "error": "login_required"}, byTenant},
		{"no code", change{"iss": issuer}, refusal.Parameters},
		{"no state", change{"state": "", "code": "c", "iss": issuer}, refusal.MissingState},
	} {
		e := newEnv(t, "code", promises)
		_, tr := e.begin()
		e.token = gives(change{"id_token": idToken{}.signed(tr.Nonce)})
		_, err := e.complete(tr, answerTo(tr, row.values))
		expect(t, row.why, err, row.want, "")
		if n := len(e.at(tokenEndpoint)); (n == 1) != (row.want == refusal.Row{}) {
			t.Errorf("%s: %d requests", row.why, n)
		}
	}
}

// TestCodesAreLimited: an attacker who forges codes does not use up the rate limits of the
// tenant. Successful logins do not count.
func TestCodesAreLimited(t *testing.T) {
	t.Parallel()
	prepare := func(e *env, tr *transaction.Transaction) (*Pending, error) {
		return e.flow.Prepare(e.Context(), tr, must(ParseAnswer(answerTo(tr, change{"code": "c"}))))
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, "code")
		_, tr := e.begin()
		for i := range 300 {
			e.token = gives(change{"id_token": idToken{}.signed(tr.Nonce)})
			if _, err := e.complete(tr, answerTo(tr, change{"code": "c"})); err != nil {
				t.Fatalf("login %d: %v", i, err)
			}
		}
		e.token = says(403, `{"error":"invalid_grant"}`)
		for range 100 {
			_, err := e.complete(tr, answerTo(tr, change{"code": "made up"}))
			expect(t, "one of a hundred", err, refusal.Code, "")
		}
		_, err := prepare(e, tr)
		if got := expect(t, "one too many", err, refusal.TenantBusy, ""); got.RetryAfter != time.Second {
			t.Errorf("Retry-After is %v", got.RetryAfter)
		}
		time.Sleep(time.Second) // of fake time
		_, err = prepare(e, tr)
		expect(t, "a second later", err, refusal.Row{}, "")
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, "code")
		_, tr := e.begin()
		e.token = says(429, `{"error":"too_many_requests"}`, "Retry-After", "7")
		_, err := e.complete(tr, answerTo(tr, change{"code": "c"}))
		down := refusal.TenantBusy
		down.Code = "too_many_requests"
		expect(t, "too many requests", err, down, "")
		time.Sleep(7*time.Second - time.Millisecond)
		_, err = prepare(e, tr)
		expect(t, "in the pause", err, down, "")
		time.Sleep(time.Millisecond)
		_, err = prepare(e, tr)
		expect(t, "after the pause", err, refusal.Row{}, "")
	})
}

// TestForgedKidsDoNotDelayARotation: unknown kids of ID tokens through the browser are
// limited. Those from the token endpoint have a separate limit.
func TestForgedKidsDoNotDelayARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *env
		late := transportFunc(func(r *http.Request) (*http.Response, error) { return e.RoundTrip(r) })
		e = newEnv(t, "code id_token", func(c *Config) {
			c.IDTokens.Keys = keys.New(keys.Source{
				URL:     func(context.Context) (string, error) { return issuer + ".well-known/jwks.json", nil },
				Client:  fetch.NewClient(&http.Client{Transport: late}, fetch.Options{}),
				Observe: func(context.Context, keys.Event) {},
				Log:     slog.New(slog.DiscardHandler),
			})
		})
		forged := idToken{header: change{"kid": "k0"}, key: foreign}
		_, tr := e.begin()
		for range 10 {
			forged.header["kid"] = forged.header["kid"].(string) + "0"
			if _, err := e.complete(tr, answerTo(tr, change{"code": "c", "id_token": forged.signed(tr.Nonce)})); err == nil {
				t.Fatal("a forged ID token was accepted")
			}
		}
		e.jwks = jwks("k2")
		e.flow.ResponseType = "code"
		_, tr = e.begin()
		e.token = gives(change{"id_token": idToken{header: change{"kid": "k2"}}.signed(tr.Nonce)})
		_, err := e.complete(tr, answerTo(tr, change{"code": "c"}))
		expect(t, "new key from the tenant", err, refusal.Row{}, "")
	})
}

// TestOrganization has a row for each organization other than the login's, with and without
// Config.CheckOrganization.
func TestOrganization(t *testing.T) {
	t.Parallel()
	forbidden := errors.New("not this one")
	for _, row := range []struct {
		why, asked string
		claims     change
		check      bool
		want       *fault.Fault
		cause      string
		checked    string // checked id
	}{
		{"none", "", nil, false, nil, "", ""},
		{"not asked for", "", change{"org_id": "org_a"}, false, nil, "", ""},
		{"name not asked for", "", change{"org_id": "org_a", "org_name": "acme"}, false, nil, "", ""},
		{"id", "org_a", change{"org_id": "org_a"}, false, nil, "", ""},
		{"other id", "org_a", change{"org_id": "org_b"}, false, fault.Organization,
			`org_id is "org_b", the login was to "org_a"`, ""},
		{"id in another case", "org_a", change{"org_id": "org_A"}, false, fault.Organization, "org_id is", ""},
		{"no id", "org_a", nil, false, fault.Organization, `org_id is ""`, ""},
		{"id as a name", "org_a", change{"org_name": "org_a"}, false, fault.Organization, "org_id is", ""},
		{"name", "acme", change{"org_id": "org_a", "org_name": "acme"}, false, nil, "", ""},
		{"name in capitals", "ACME", change{"org_id": "org_a", "org_name": "acme"}, false, nil, "", ""},
		{"other name", "acme", change{"org_name": "other"}, false, fault.Organization, `org_name is "other", the login was to "acme"`, ""},
		{"no name", "acme", change{"org_id": "org_a"}, false, fault.Organization, "the tenant must allow organization names", ""},
		{"name as an id", "acme", change{"org_id": "acme"}, false, fault.Organization, "org_name is", ""},

		{"checked", "", change{"org_id": "org_a"}, true, nil, "", "org_a"},
		{"checked id", "org_a", change{"org_id": "org_a"}, true, nil, "", "org_a"},
		{"checked name", "acme", change{"org_id": "org_a", "org_name": "acme"}, true, nil, "", "org_a"},
		{"nothing to check", "", nil, true, fault.Organization, "Config.CheckOrganization is set, and the ID token has no org_id", ""},
		{"name without id", "acme", change{"org_name": "acme"}, true, fault.Organization, "has no org_id", ""},
		{"other id is not checked", "org_a", change{"org_id": "org_b"}, true, fault.Organization, "org_id is", ""},
	} {
		checked := ""
		e := newEnv(t, "code", func(c *Config) {
			if row.check {
				c.CheckOrganization = func(_ context.Context, id string) error { checked = id; return nil }
			}
		})
		var options []authrequest.Option
		if row.asked != "" {
			options = append(options, authrequest.Organization(row.asked))
		}
		_, tr := e.begin(options...)
		e.token = gives(change{"id_token": idToken{claims: row.claims}.signed(tr.Nonce)})
		_, err := e.complete(tr, answerTo(tr, change{"code": "c"}))
		expectFault(t, row.why, err, row.want, row.cause)
		if checked != row.checked {
			t.Errorf("%s: %q was checked, want %q", row.why, checked, row.checked)
		}
	}
	e := newEnv(t, "code", func(c *Config) { c.CheckOrganization = func(context.Context, string) error { return forbidden } })
	_, tr := e.begin()
	e.token = gives(change{"id_token": idToken{claims: change{"org_id": "org_a"}}.signed(tr.Nonce)})
	if _, err := e.complete(tr, answerTo(tr, change{"code": "c"})); err != forbidden {
		t.Errorf("the application's error is %v", err)
	}
}

// TestOrganizationOfAFrontToken: the check is for ID tokens of every flow. The response
// type token has none.
func TestOrganizationOfAFrontToken(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "id_token")
	_, tr := e.begin(authrequest.Organization("org_a"))
	_, err := e.complete(tr, answerTo(tr, change{"id_token": idToken{claims: change{"org_id": "org_b"}}.signed(tr.Nonce)}))
	expect(t, "other organization", err, badIDToken(fault.Organization), "org_id is")
}

// TestGranted has a row for each rejected answer to a token request without a browser.
func TestGranted(t *testing.T) {
	t.Parallel()
	const now = began + 500
	type got = provider.TokenResponse
	good := got{AccessToken: "access", TokenType: "Bearer", ExpiresIn: 600, RefreshToken: "refresh"}
	for _, row := range []struct {
		why          string
		edit         func(*got)
		claims       change
		options      []authrequest.Option
		organization string // of the token request
		want         refusal.Row
		cause        string
	}{
		{why: "good"},
		{why: "token_type in lower case", edit: func(g *got) { g.TokenType = "bearer" }},
		{why: "no expires_in", edit: func(g *got) { g.ExpiresIn = 0 }},
		{why: "with its hash", claims: change{"at_hash": hashOf("access")}},
		{why: "other token_type", edit: func(g *got) { g.TokenType = "N_A" }, want: refusal.TenantAnswer, cause: "not Bearer"},
		{why: "no ID token", edit: func(g *got) { g.IDToken = "" }, want: refusal.TenantAnswer, cause: "has no id_token"},
		{why: "other hash", claims: change{"at_hash": hashOf("other")}, want: badIDToken(fault.Hash)},
		{why: "nonce", claims: change{"nonce": "n"}, want: badIDToken(fault.Nonce)},
		{why: "other iss", claims: change{"iss": "https://other.example/"}, want: badIDToken(fault.Issuer)},
		{why: "other aud", claims: change{"aud": "other"}, want: badIDToken(fault.Audience)},
		{why: "required acr", claims: change{"acr": "urn:mfa"}, options: strong[1:]},
		{why: "other acr", claims: change{"acr": "urn:pwd"}, options: strong[1:], want: badIDToken(fault.ACR)},
		{why: "new authentication", claims: change{"auth_time": now - leeway}, options: []authrequest.Option{authrequest.MaxAge(0)}},
		{why: "authentication before the request", claims: change{"auth_time": now - leeway - 1},
			options: []authrequest.Option{authrequest.MaxAge(0)}, want: badIDToken(fault.AuthTime)},
		{why: "old authentication", claims: change{"auth_time": now - 3600 - leeway - 1}, options: strong[:1], want: badIDToken(fault.AuthTime)},
		{why: "no auth_time", options: strong[:1], want: badIDToken(fault.AuthTime), cause: "auth_time"},
		{why: "organization of the request", claims: change{"org_id": "org_a"}, organization: "org_a"},
		{why: "other organization", claims: change{"org_id": "org_b"}, organization: "org_a",
			want: badIDToken(fault.Organization), cause: `to "org_a"`},
		{why: "organization of the option", claims: change{"org_id": "org_b"}, organization: "org_a",
			options: []authrequest.Option{authrequest.Organization("org_b")}},
		{why: "other organization than the option", claims: change{"org_id": "org_a"}, organization: "org_a",
			options: []authrequest.Option{authrequest.Organization("org_b")}, want: badIDToken(fault.Organization), cause: `to "org_b"`},
	} {
		e := newEnv(t, "code")
		e.now = now
		answer := good
		answer.IDToken = idToken{claims: with(change{"nonce": nil}, row.claims)}.signed(nil)
		if row.edit != nil {
			row.edit(&answer)
		}
		result, err := e.flow.Granted(t.Context(), must(authrequest.New(row.options...)), row.organization, 0, answer)
		expect(t, row.why, err, row.want, row.cause)
		if err != nil {
			if result != (Result{}) {
				t.Errorf("%s: %+v beside the refusal", row.why, result)
			}
			continue
		}
		life := int64(600)
		if answer.ExpiresIn == 0 {
			life = 300
		}
		if token := result.Token; token.AccessToken != "access" || token.RefreshToken != "refresh" ||
			token.ExpiresIn != life || token.Expiry.Unix() != now+life {
			t.Errorf("%s: %+v", row.why, token)
		}
		if result.Identity.Claims.Subject != "auth0|ada" || result.Identity.Raw != answer.IDToken {
			t.Errorf("%s: %+v", row.why, result.Identity)
		}
	}
}

// TestClaimsAreSelectedOnce: an application's function can be slow, or can count its calls.
func TestClaimsAreSelectedOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	keep := func(name string) bool { asked++; return name != "b" }
	for _, tt := range []struct{ payload, want string }{{`{"a":1,"b":2}`, `{"a":1}`}, {`{"b":2,"b":3}`, `{}`}} {
		l := &Accepted{Result: Result{Identity: &idtoken.Identity{Payload: tt.payload}}}
		asked = 0
		if first, second := l.Claims(keep), l.Claims(keep); first != tt.want || second != tt.want || asked != 2 {
			t.Errorf("%s: %s and %s, asked %d times", tt.payload, first, second, asked)
		}
	}
}

// TestContinued: after a second factor, a refresh needs no ID token. One that comes must
// name the user of the session.
func TestContinued(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why   string
		token string // the ID token
		kind  string
		want  refusal.Row
	}{
		{why: "no ID token"},
		{why: "the user's ID token", token: idToken{}.signed(nil)},
		{why: "another user", token: idToken{claims: change{"sub": "bob"}}.signed(nil), want: badIDToken(fault.Claim)},
		{why: "a foreign signature", token: idToken{key: foreign}.signed(nil), want: badIDToken(fault.Signature)},
		{why: "no bearer token", kind: "N_A", want: refusal.TenantAnswer},
	} {
		e := newEnv(t, "code")
		got := provider.TokenResponse{AccessToken: "access", TokenType: "Bearer", ExpiresIn: 600, IDToken: row.token}
		if row.kind != "" {
			got.TokenType = row.kind
		}
		result, err := e.flow.Continued(t.Context(), issuer, "auth0|ada", got)
		expect(t, row.why, err, row.want, "")
		if err == nil && (result.Identity.Claims.Subject != "auth0|ada" || result.Token.AccessToken != "access") {
			t.Errorf("%s: %+v", row.why, result)
		}
	}
	e := newEnv(t, "code", discovers)
	e.metadata = ""
	_, err := e.flow.Continued(t.Context(), issuer, "auth0|ada", provider.TokenResponse{AccessToken: "access", TokenType: "Bearer", IDToken: "x"})
	if err == nil {
		t.Error("no endpoints: no error")
	}
}
