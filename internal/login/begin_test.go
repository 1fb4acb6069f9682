package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// TestAuthenticationRequest compares all parameters (OpenID Connect Core 1.0, Sections
// 3.1.2.1, 3.2.2.1 and 3.3.2.1; RFC 7636, Section 4.3).
func TestAuthenticationRequest(t *testing.T) {
	t.Parallel()
	type params = map[string]string
	mode := func(m string) func(*Config) { return func(c *Config) { c.ResponseMode = m } }
	for _, row := range []struct {
		why, configured, asked string
		edit                   func(*Config)
		options                []authrequest.Option
		want                   params // beside those of every request
		pkce                   bool
	}{
		{"code", "code", "", nil, nil, params{"response_type": "code", "scope": "openid profile"}, true},
		{"code in a form", "code", "", mode("form_post"), nil,
			params{"response_type": "code", "scope": "openid profile", "response_mode": "form_post"}, true},
		{"hybrid", "code id_token", "", mode("form_post"), nil,
			params{"response_type": "code id_token", "scope": "openid profile", "response_mode": "form_post"}, true},
		{"ID token", "id_token", "", mode("form_post"), nil,
			params{"response_type": "id_token", "scope": "openid profile", "response_mode": "form_post"}, false},
		{"implicit", "code", "id_token token", mode("form_post"), nil,
			params{"response_type": "id_token token", "scope": "openid profile"}, false},
		{"implicit, query", "code", "token", nil, nil, params{"response_type": "token", "scope": "openid profile"}, false},
		{"options", "code", "", nil, []authrequest.Option{
			authrequest.Scopes("a"), authrequest.Audience("https://api.example/"), authrequest.MaxAge(time.Minute),
			authrequest.Organization("org_a"),
		}, params{
			"response_type": "code", "scope": "openid a", "audience": "https://api.example/", "max_age": "60", "organization": "org_a",
		}, true},
	} {
		edit := row.edit
		if edit == nil {
			edit = func(*Config) {}
		}
		e := newEnv(t, row.configured, edit)
		r := must(authrequest.New(row.options...))
		authURL, tr, err := e.flow.Begin(t.Context(), transaction.Place{RedirectURI: callback, ReturnTo: "/after", ResponseType: row.asked}, r)
		if err != nil {
			t.Errorf("%s: %v", row.why, err)
			continue
		}
		want := url.Values{"client_id": {clientID}, "redirect_uri": {callback}, "state": {tr.State}, "nonce": {tr.Nonce}}
		for name, value := range row.want {
			want.Set(name, value)
		}
		if row.pkce {
			challenge := sha256.Sum256([]byte(tr.Verifier))
			want.Set("code_challenge", b64(challenge[:]))
			want.Set("code_challenge_method", "S256")
		}
		endpoint, query, _ := strings.Cut(authURL, "?")
		if got := must(url.ParseQuery(query)); !maps.EqualFunc(got, want, slices.Equal) || endpoint != "https://tenant.example/authorize" {
			t.Errorf("%s: %s with\n%v, want\n%v", row.why, endpoint, got, want)
		}
		if len(e.requests) > 0 {
			t.Errorf("%s: %+v", row.why, e.requests)
		}
	}
}

func TestAuthorizationEndpointWithQuery(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code", withMetadata(func(m *discovery.Metadata) { m.AuthorizationEndpoint += "?policy=p" }))
	got, tr := e.begin()
	query := got.Query()
	if got.Path != "/authorize" || query.Get("policy") != "p" || query.Get("state") != tr.State || query.Get("client_id") != clientID {
		t.Errorf("the URL is %s", got)
	}
}

// TestTransactionHasWhatTheCallbackNeeds compares the transaction with the request.
func TestTransactionHasWhatTheCallbackNeeds(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code")
	_, got := e.begin(
		authrequest.Scopes("openid", "a"), authrequest.Audience("https://api.example/"), authrequest.MaxAge(time.Minute),
		authrequest.ACR(true, "urn:mfa"), authrequest.Organization("org_a"), authrequest.AppState(1), authrequest.Silent,
		authrequest.PopUp("https://app.example", "id_token"),
	)
	if got.Version != 1 || got.IssuedAt != began || got.Base != issuer || got.ClientID != clientID ||
		got.Place != (transaction.Place{RedirectURI: callback, ReturnTo: "/after", ResponseType: "code"}) {
		t.Errorf("%+v", got)
	}
	if got.Scope != "openid a" || got.Audience != "https://api.example/" || got.Organization != "org_a" || *got.MaxAge != 60 ||
		!slices.Equal(got.RequiredACR, []string{"urn:mfa"}) || string(got.AppState) != "1" || !got.Silent ||
		got.Popup.Origin != "https://app.example" || !slices.Equal(got.Popup.Tokens, []string{"id_token"}) {
		t.Errorf("%+v", got)
	}
	if got.Account != nil || got.Session != "" || got.Parts != 0 {
		t.Errorf("%+v", got)
	}
}

// TestSecretsOfALogin: state, nonce and verifier are new for each login. The verifier has
// the form of RFC 7636, Section 4.1.
func TestSecretsOfALogin(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code")
	seen := map[string]bool{}
	for range 10 {
		_, tr := e.begin()
		for _, text := range []string{tr.State, tr.Nonce, tr.Verifier} {
			if seen[text] || len(text) < 43 || len(text) > 128 {
				t.Errorf("%q is short, or was there before", text)
			}
			seen[text] = true
		}
		if strings.Trim(tr.Verifier, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") != "" {
			t.Errorf("the verifier %q has other characters", tr.Verifier)
		}
	}
}

// TestBeginWithoutTenant: a login that cannot end does not begin.
func TestBeginWithoutTenant(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code", discovers)
	e.metadata = ""
	authURL, tr, err := e.flow.Begin(t.Context(), transaction.Place{RedirectURI: callback}, must(authrequest.New()))
	expect(t, "no metadata", err, refusal.TenantDown, "")
	if authURL != "" || tr != nil {
		t.Errorf("%q, %+v", authURL, tr)
	}
	for why, a := range map[string]Answer{"no metadata for a code": {code: "c"}, "no metadata for an error": {ErrorCode: "access_denied"}} {
		p, err := e.flow.Prepare(t.Context(), e.flow.Transaction(transaction.Place{}), a)
		expect(t, why, err, refusal.TenantDown, "")
		if p != nil {
			t.Errorf("%s: there is a pending login", why)
		}
	}
	_, err = e.flow.Granted(t.Context(), must(authrequest.New()), "", 0, provider.TokenResponse{TokenType: "Bearer", IDToken: "x"})
	expect(t, "no metadata for a grant", err, refusal.TenantDown, "")
}

// TestForwardedAddressInABrowser: the tenant sees the browser's own address, and the option
// would have no effect.
func TestForwardedAddressInABrowser(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code")
	r := must(authrequest.New(authrequest.ForwardedFor(netip.MustParseAddr("192.0.2.7"))))
	authURL, tr, err := e.flow.Begin(t.Context(), transaction.Place{RedirectURI: callback}, r)
	expect(t, "forwarded address", err, refusal.LoginOption, "WithForwardedFor is for a login without a browser")
	if authURL != "" || tr != nil {
		t.Errorf("%q, %+v", authURL, tr)
	}
}

const par = "/oauth/par"

func pushed(c *Config) { c.Pushed = true }

// TestPushedRequest: the tenant gets the request and the credentials, and the browser a
// reference (RFC 9126, Sections 2.1 and 4).
func TestPushedRequest(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code", pushed)
	e.pushed = says(201, `{"request_uri":"urn:example:1","expires_in":30}`)
	got, tr := e.begin(authrequest.Hint("ada@acme.example"))
	if want := "https://tenant.example/authorize?client_id=the-client-id&request_uri=urn%3Aexample%3A1"; got.String() != want {
		t.Errorf("the browser goes to %s, want %s", got, want)
	}
	requests := e.at(par)
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	challenge := sha256.Sum256([]byte(tr.Verifier))
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "client_secret": {clientSecret}, "redirect_uri": {callback},
		"scope": {"openid profile"}, "state": {tr.State}, "nonce": {tr.Nonce}, "login_hint": {"ada@acme.example"},
		"code_challenge": {b64(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if !maps.EqualFunc(requests[0].form, want, slices.Equal) {
		t.Errorf("the tenant gets\n%v, want\n%v", requests[0].form, want)
	}
}

// TestPushedRequestIsRefused has a row for each answer that ends a login at its beginning
// (RFC 9126, Sections 2.2 and 2.3).
func TestPushedRequestIsRefused(t *testing.T) {
	t.Parallel()
	byTenant, badClient := refusal.ByTenant, refusal.TenantAnswer
	byTenant.Code, badClient.Code = "invalid_request", "invalid_client"
	uri := func(n int) string { return `{"request_uri":"` + strings.Repeat("u", n) + `"}` }
	noEndpoint := metadata(change{"pushed_authorization_request_endpoint": nil})
	for _, row := range []struct {
		why      string
		metadata string
		answer   answerOf
		want     refusal.Row
		cause    string
	}{
		{"as long as possible", metadata(nil), says(201, uri(2048)), refusal.Row{}, ""},
		{"too long", metadata(nil), says(201, uri(2049)), refusal.TenantAnswer, "has no request_uri"},
		{"empty", metadata(nil), says(201, uri(0)), refusal.TenantAnswer, "has no request_uri"},
		{"none", metadata(nil), says(201, `{"expires_in":30}`), refusal.TenantAnswer, "has no request_uri"},
		{"no text", metadata(nil), says(201, `{"request_uri":1}`), refusal.TenantAnswer, "has no request_uri"},
		{"no JSON", metadata(nil), says(201, uri(9)+"x"), refusal.TenantAnswer, "has no request_uri"},
		{"other status", metadata(nil), says(200, uri(9)), refusal.TenantAnswer, ""},
		{"refused", metadata(nil), says(400, `{"error":"invalid_request"}`), byTenant, "invalid_request"},
		{"wrong secret", metadata(nil), says(401, `{"error":"invalid_client"}`), badClient, "invalid_client"},
		{"outage", metadata(nil), says(503, ""), refusal.TenantDown, "503"},
		{"no connection", metadata(nil), nil, refusal.TenantDown, "no connection"},
		{"no endpoint", noEndpoint, nil, refusal.Misconfigured, "Config.PushedAuthorizationRequests is set"},
		{"no metadata", "", nil, refusal.TenantDown, ""},
	} {
		e := newEnv(t, "code", pushed)
		e.metadata, e.pushed = row.metadata, row.answer
		authURL, tr, err := e.flow.Begin(t.Context(), transaction.Place{RedirectURI: callback}, must(authrequest.New()))
		expect(t, row.why, err, row.want, row.cause)
		if err != nil && (authURL != "" || tr != nil) {
			t.Errorf("%s: %q, %+v", row.why, authURL, tr)
		}
	}
}

// TestPushedRequestsAreLimited: an attacker who begins logins does not use up the rate
// limits of the tenant. No request goes to a tenant that wants a pause.
func TestPushedRequestsAreLimited(t *testing.T) {
	t.Parallel()
	const good = `{"request_uri":"urn:example:1"}`
	begin := func(e *env) error {
		_, _, err := e.flow.Begin(e.Context(), transaction.Place{RedirectURI: callback}, must(authrequest.New()))
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, "code", pushed)
		e.pushed = says(201, good)
		for range 100 {
			expect(t, "one of a hundred", begin(e), refusal.Row{}, "")
		}
		got := expect(t, "one too many", begin(e), refusal.TenantBusy, "")
		if got.RetryAfter != time.Second || len(e.at(par)) != 100 {
			t.Errorf("Retry-After is %v after %d requests", got.RetryAfter, len(e.at(par)))
		}
		time.Sleep(time.Second) // of fake time
		expect(t, "a second later", begin(e), refusal.Row{}, "")
	})
	for _, row := range []struct {
		why    string
		answer answerOf
		pause  time.Duration
	}{
		{"too many requests", says(429, "", "Retry-After", "7"), 7 * time.Second},
		{"outage with an end", says(503, "", "Retry-After", "7"), 7 * time.Second},
		{"outage", says(503, ""), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, "code", pushed)
			e.pushed = row.answer
			down := refusal.TenantDown
			if row.why == "too many requests" {
				down = refusal.TenantBusy
			}
			expect(t, row.why, begin(e), down, "")
			e.pushed = says(201, good)
			if row.pause == 0 {
				expect(t, row.why+", then", begin(e), refusal.Row{}, "")
				return
			}
			time.Sleep(row.pause - time.Millisecond)
			expect(t, row.why+", in the pause", begin(e), down, "")
			if n := len(e.at(par)); n != 1 {
				t.Errorf("%s: %d requests in the pause", row.why, n-1)
			}
			time.Sleep(time.Millisecond)
			expect(t, row.why+", after the pause", begin(e), refusal.Row{}, "")
		})
	}
}

// TestCheckPage, TestCheckPlain and TestCheckImplicit have a row for each request that
// cannot end at its own route.
func TestCheckPage(t *testing.T) {
	t.Parallel()
	popup := func(tokens ...string) authrequest.Option { return authrequest.PopUp("https://app.example", tokens...) }
	for _, row := range []struct {
		types  string
		option authrequest.Option
		want   refusal.Row
	}{
		{"code", popup("access_token"), refusal.Row{}}, {"code id_token", popup("id_token", "access_token"), refusal.Row{}},
		{"id_token", popup("id_token"), refusal.Row{}}, {"id_token", popup(), refusal.Row{}},
		{"id_token", authrequest.Hint(""), refusal.Row{}},
		{"id_token", popup("access_token"), refusal.LoginOption}, {"id_token", popup("id_token", "access_token"), refusal.LoginOption},
	} {
		e := newEnv(t, row.types)
		r := must(authrequest.New(row.option))
		expect(t, row.types, e.flow.CheckPage(r), row.want, `the response type "id_token"`)
	}
}

func TestCheckPlain(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "code")
	expect(t, "no pop-up", e.flow.CheckPlain(must(authrequest.New())), refusal.Row{}, "")
	r := must(authrequest.New(authrequest.PopUp("https://app.example")))
	expect(t, "pop-up", e.flow.CheckPlain(r), refusal.LoginOption, "WithPopup is for LoginHandler")
}

func TestCheckImplicit(t *testing.T) {
	t.Parallel()
	allowed := func(context.Context, string) error { return nil }
	const noCheck = "cannot be checked without an ID token"
	for _, row := range []struct {
		types  string
		option authrequest.Option
		check  func(context.Context, string) error
		want   refusal.Row
		cause  string
	}{
		{"token", authrequest.Hint(""), nil, refusal.Row{}, ""},
		{"id_token token", authrequest.Hint(""), allowed, refusal.Row{}, ""},
		{"id_token token", authrequest.Organization("org_a"), nil, refusal.Row{}, ""},
		{"id_token token", authrequest.MaxAge(0), nil, refusal.Row{}, ""},
		{"token", authrequest.Organization("org_a"), nil, refusal.LoginOption, noCheck},
		{"token", authrequest.MaxAge(0), nil, refusal.LoginOption, noCheck},
		{"token", authrequest.ACR(true, "urn:mfa"), nil, refusal.LoginOption, noCheck},
		{"token", authrequest.ACR(false, "urn:mfa"), nil, refusal.Row{}, ""},
		{"token", authrequest.Hint(""), allowed, refusal.LoginOption, noCheck},
		{"token id_token", authrequest.Hint(""), nil, refusal.LoginOption, `"token id_token" is none of ["token" "id_token token"]`},
		{"code", authrequest.Hint(""), nil, refusal.LoginOption, "is none of"},
		{"", authrequest.Hint(""), nil, refusal.LoginOption, "is none of"},
		{"id_token token", authrequest.PopUp("https://app.example"), nil, refusal.LoginOption, "WithPopup"},
	} {
		e := newEnv(t, "code", func(c *Config) { c.CheckOrganization = row.check })
		expect(t, row.types, e.flow.CheckImplicit(row.types, must(authrequest.New(row.option))), row.want, row.cause)
	}
}

// asks returns an authentication that a function answers.
func asks(f func(context.Context) (clientauth.Method, error)) func(*Config) {
	return isAuth(clientauth.Method{Name: "function", Current: f})
}

// TestPrepareGetsCredentialsForACode: a login asks for nothing beyond the needs of the
// answer. A failure leaves the answer usable.
func TestPrepareGetsCredentialsForACode(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why, types string
		values     change
		asked      int
	}{
		{"code", "code", change{"code": "c"}, 1},
		{"hybrid", "code id_token", change{"code": "c", "id_token": "id"}, 1},
		{"error beside a code", "code", change{"code": "c", "error": "access_denied"}, 0},
		{"error", "code", change{"error": "access_denied"}, 0},
		{"no code", "code", nil, 0},
		{"no code in this type", "id_token", change{"code": "c", "id_token": "id"}, 0},
		{"implicit", "id_token token", change{"id_token": "id", "access_token": "a"}, 0},
	} {
		asked := 0
		e := newEnv(t, row.types, asks(func(context.Context) (clientauth.Method, error) {
			asked++
			return clientauth.WithSecret("client_secret_post", "s"), nil
		}))
		_, tr := e.begin()
		a := must(ParseAnswer(answerTo(tr, row.values)))
		if _, err := e.flow.Prepare(t.Context(), tr, a); err != nil || asked != row.asked {
			t.Errorf("%s: asked %d times, %v", row.why, asked, err)
		}
		if len(e.requests) > 0 {
			t.Errorf("%s: %+v", row.why, e.requests)
		}
	}
	e := newEnv(t, "code", asks(func(context.Context) (clientauth.Method, error) {
		return clientauth.Method{}, errors.New("no secret now")
	}))
	_, tr := e.begin()
	p, err := e.flow.Prepare(t.Context(), tr, must(ParseAnswer(answerTo(tr, change{"code": "c"}))))
	expect(t, "no credentials", err, refusal.NoCredential, "no secret now")
	if p != nil {
		t.Error("there is a pending login beside the error")
	}
}
