package direct

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

const (
	issuer   = "https://tenant.example/"
	origin   = "https://app.example"
	redirect = origin + "/done"
)

var now = time.Unix(2_000_000_000, 0)

func clock() time.Time { return now }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

var key = ed25519.NewKeyFromSeed([]byte("a seed for tests, of 32 bytes ..."[:32]))

// An env is the logins of one application, and its tenant.
type env struct {
	*testing.T
	*Logins
	claims map[string]any // of the next ID token
	status int            // of the tenant's answers
	answer map[string]any // replaces members of a token response
	form   url.Values     // of the last request
	body   map[string]any // of the last request with JSON
	header http.Header
}

func (e *env) RoundTrip(r *http.Request) (*http.Response, error) {
	if e.status == 0 {
		return nil, errors.New("no connection")
	}
	text := must(io.ReadAll(r.Body))
	e.form, e.body, e.header = nil, nil, r.Header
	if json.Unmarshal(text, &e.body) != nil {
		e.form = must(url.ParseQuery(string(text)))
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	members := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 600, "id_token": e.signed()}
	maps.Copy(members, e.answer)
	w.Write(must(json.Marshal(members)))
	return w.Result(), nil
}

// signed returns an ID token of the tenant.
func (e *env) signed() string {
	claims := map[string]any{"iss": issuer, "aud": "client", "sub": "ada", "exp": now.Unix() + 600, "iat": now.Unix()}
	maps.Copy(claims, e.claims)
	text := b64([]byte(`{"alg":"EdDSA","kid":"k1","typ":"JWT"}`)) + "." + b64(must(json.Marshal(claims)))
	return text + "." + b64(ed25519.Sign(key, []byte(text)))
}

func newEnv(t *testing.T, options ...authrequest.Option) *env {
	t.Helper()
	e := &env{T: t, status: 200}
	mistake := func(field, format string, args ...any) { t.Errorf(field+": "+format, args...) }
	client := &provider.Client{
		ID: "client", Auth: clientauth.WithSecret("client_secret_post", "the client's secret"),
		Tenant: &provider.Tenant{Issuer: issuer, Static: provider.Auth0Layout(issuer)}, HTTP: &http.Client{Transport: e}, Now: clock,
	}
	ring := must(seal.New([]string{"an example of a secret for the tests of direct"}))
	e.Logins = &Logins{
		Flow: login.NewFlow(login.Config{
			Client: client, ResponseType: "code", ResponseMode: "query", Scopes: []string{"openid"}, Now: clock,
			IDTokens: &idtoken.Verifier{ClientID: "client", Algorithms: []string{"EdDSA"}, Leeway: time.Minute, Now: clock, Keys: must(keys.Static(must(json.Marshal(map[string]any{"keys": []any{
				map[string]string{"kid": "k1", "kty": "OKP", "crv": "Ed25519", "x": b64(key.Public().(ed25519.PublicKey))},
			}}))))},
		}),
		Grants: grants.New(grants.Config{
			Client: client, Scopes: []string{"openid"}, Keyring: ring, Now: clock, MFA: func(m grants.MFA) any { return m },
		}),
		Site: site.New(site.Config{BaseURL: origin, DefaultReturnTo: "/home", Log: slog.New(slog.DiscardHandler)}, mistake),
		Transactions: &transaction.Jar{
			Cookies: cookie.NewNames(cookie.Cookie{Name: "app_session", Path: "/", Secure: true}, false), Keyring: ring, Issuer: issuer, ClientID: "client",
			Life: time.Hour, Now: clock,
		},
		Options: options,
	}
	return e
}

// asked returns the parameters of an Authentication Request. The next ID token has its
// nonce.
func (e *env) asked(begun Begun) url.Values {
	e.Helper()
	query, found := strings.CutPrefix(begun.URL, issuer+"authorize?")
	if !found {
		e.Fatalf("the login begins at %s", begun.URL)
	}
	values := must(url.ParseQuery(query))
	e.claims = map[string]any{"nonce": values.Get("nonce")}
	return values
}

func expect(t *testing.T, why string, err error, want refusal.Row, cause string) {
	t.Helper()
	got, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || got.Row != want || !strings.Contains(got.Error(), cause) {
		t.Errorf("%s: %v, want %v because of %q", why, err, want, cause)
	}
}

// TestBegin: the answer to a login completes it, once it belongs to the transaction.
func TestBegin(t *testing.T) {
	t.Parallel()
	e := newEnv(t, authrequest.Audience("https://api.example/"))
	begun := must(e.Begin(t.Context(), redirect, []authrequest.Option{authrequest.ReturnTo("/page"), authrequest.AppState("x")}))
	asked := e.asked(begun)
	if asked.Get("redirect_uri") != redirect || asked.Get("audience") != "https://api.example/" {
		t.Errorf("the request is %v", asked)
	}
	_, err := e.Complete(t.Context(), begun.Transaction, url.Values{"state": {"other"}, "code": {"c"}})
	expect(t, "another state", err, refusal.NoTransaction, "")
	_, err = e.Complete(t.Context(), begun.Transaction, url.Values{"code": {"c"}})
	expect(t, "no state", err, refusal.MissingState, "")
	answer := url.Values{"state": asked["state"], "code": {"c"}}
	_, err = e.CompleteImplicit(t.Context(), begun.Transaction, answer)
	expect(t, "another response type", err, refusal.NoTransaction, "")
	e.status = 0
	_, err = e.Complete(t.Context(), begun.Transaction, answer)
	if failure, ok := errors.AsType[*transaction.Failure](err); !ok || failure.ReturnTo != "/page" {
		t.Errorf("no connection: %v", err)
	}
	e.status = 200
	l, err := e.Complete(t.Context(), begun.Transaction, answer)
	if err != nil || l.ReturnTo != "/page" || string(l.AppState) != `"x"` || l.Identity.Claims.Subject != "ada" || l.Audience != "https://api.example/" {
		t.Errorf("%+v, %v", l, err)
	}
	begun = must(e.Begin(t.Context(), redirect, nil))
	asked = e.asked(begun)
	if l, err := e.Complete(t.Context(), begun.Transaction, url.Values{"state": asked["state"], "code": {"c"}}); err != nil || l.ReturnTo != "/home" {
		t.Errorf("without a return URL: %+v, %v", l, err)
	}
}

// TestBeginRefuses has a row for each login that does not begin.
func TestBeginRefuses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	popup := []authrequest.Option{authrequest.PopUp(origin)}
	bad := []authrequest.Option{authrequest.Connection("")}
	to := grants.Recipient{Email: "ada@acme.example"}
	first := func(_ any, err error) error { return err }
	for why, f := range map[string]func(*env) error{
		"a pop-up":               func(e *env) error { return first(e.Begin(ctx, redirect, popup)) },
		"a bad option":           func(e *env) error { return first(e.Begin(ctx, redirect, bad)) },
		"a foreign redirect URI": func(e *env) error { return first(e.Begin(ctx, "https://other.example/", nil)) },
		"a forwarded address": func(e *env) error {
			return first(e.Begin(ctx, redirect, []authrequest.Option{authrequest.ForwardedFor(netip.MustParseAddr("192.0.2.1"))}))
		},
		"implicit: a bad option":   func(e *env) error { return first(e.BeginImplicit(ctx, redirect, "token", bad)) },
		"implicit: the callback":   func(e *env) error { return first(e.BeginImplicit(ctx, origin+"/auth/callback", "token", nil)) },
		"implicit: another type":   func(e *env) error { return first(e.BeginImplicit(ctx, redirect, "code", nil)) },
		"a link with a bad option": func(e *env) error { return first(e.SendLink(ctx, redirect, to, bad)) },
		"a link with a pop-up":     func(e *env) error { return first(e.SendLink(ctx, redirect, to, popup)) },
		"a link to another site":   func(e *env) error { return first(e.SendLink(ctx, "https://other.example/", to, nil)) },
		"a code with a bad option": func(e *env) error { return e.SendCode(ctx, to, bad) },
		"a code of a connection": func(e *env) error {
			return first(e.Code(ctx, to, "123456", []authrequest.Option{authrequest.Connection("db")}))
		},
		"a password and a page": func(e *env) error {
			return first(e.Password(ctx, "ada", "p", []authrequest.Option{authrequest.Prompt("login")}))
		},
	} {
		e := newEnv(t)
		e.status = 0 // no request
		expect(t, why, f(e), refusal.LoginOption, "")
	}
	e := newEnv(t)
	expect(t, "a link by text message", first(e.SendLink(ctx, redirect, grants.Recipient{PhoneNumber: "+1"}, nil)), refusal.GrantRequest, "email")
	expect(t, "no recipient", first(e.Code(ctx, grants.Recipient{}, "123456", nil)), refusal.GrantRequest, "")
	expect(t, "no password", first(e.Password(ctx, "ada", "", nil)), refusal.Credentials, "")
	expect(t, "no token", first(e.Exchange(ctx, grants.Exchange{})), refusal.GrantRequest, "")
	e = newEnv(t, authrequest.Connection(""))
	expect(t, "a bad option of every login", first(e.Password(ctx, "ada", "p", nil)), refusal.LoginOption, "")
}

// TestImplicit: an access token alone identifies nobody.
func TestImplicit(t *testing.T) {
	t.Parallel()
	badHash := refusal.IDToken
	badHash.Reason = "invalid_hash"
	for _, kind := range login.ImplicitTypes {
		e := newEnv(t)
		begun := must(e.BeginImplicit(t.Context(), redirect, kind, nil))
		asked := e.asked(begun)
		answer := url.Values{"state": asked["state"], "access_token": {"access"}, "token_type": {"Bearer"}, "expires_in": {"600"}}
		if kind == "id_token token" {
			answer.Set("id_token", e.signed())
			_, err := e.CompleteImplicit(t.Context(), begun.Transaction, answer)
			expect(t, "no at_hash", err, badHash, "")
			continue
		}
		l, err := e.CompleteImplicit(t.Context(), begun.Transaction, answer)
		if err != nil || l.Identity != nil || l.Token.AccessToken != "access" || l.ReturnTo != "/home" {
			t.Errorf("%+v, %v", l, err)
		}
	}
}

// TestSendLink: the answer to the link completes the login.
func TestSendLink(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.answer = nil
	sealed, err := e.SendLink(t.Context(), redirect, grants.Recipient{Email: "ada@acme.example"}, nil)
	params, _ := e.body["authParams"].(map[string]any)
	if err != nil || e.body["email"] != "ada@acme.example" || params["redirect_uri"] != redirect {
		t.Fatalf("%v, %v", e.body, err)
	}
	e.claims = map[string]any{"nonce": params["nonce"]}
	if _, err := e.Complete(t.Context(), sealed, url.Values{"state": {params["state"].(string)}, "code": {"c"}}); err != nil {
		t.Error(err)
	}
}

// TestGrants: each request has the credentials and the options of the login, and the login
// has what the callback of a browser would get.
func TestGrants(t *testing.T) {
	t.Parallel()
	to := grants.Recipient{Email: "ada@acme.example"}
	options := []authrequest.Option{authrequest.ReturnTo("/page"), authrequest.AppState(1), authrequest.ForwardedFor(netip.MustParseAddr("192.0.2.1"))}
	for why, f := range map[string]func(*env) (*login.Accepted, error){
		"password p": func(e *env) (*login.Accepted, error) {
			return e.Password(e.Context(), "ada", "p", append(options, authrequest.Connection("db")))
		},
		"otp 123456": func(e *env) (*login.Accepted, error) { return e.Code(e.Context(), to, "123456", options) },
		"subject_token t": func(e *env) (*login.Accepted, error) {
			return e.Exchange(e.Context(), grants.Exchange{SubjectToken: "t", ForwardedFor: netip.MustParseAddr("192.0.2.1")})
		},
	} {
		e := newEnv(t, authrequest.Audience("https://api.example/"))
		e.answer = map[string]any{"recovery_code": "next"}
		l, err := f(e)
		name, value, _ := strings.Cut(why, " ")
		if err != nil || e.form.Get(name) != value || e.header.Get("Auth0-Forwarded-For") != "192.0.2.1" || l.Identity.Claims.Subject != "ada" || l.Recovery.Reveal() != "next" {
			t.Errorf("%s: %v, %+v, %v", why, e.form, l, err)
			continue
		}
		if name == "subject_token" {
			continue
		}
		if l.ReturnTo != "/page" || string(l.AppState) != "1" {
			t.Errorf("%s: %+v", why, l)
		}
	}
	e := newEnv(t, authrequest.MaxAge(time.Minute))
	if _, err := e.Password(t.Context(), "ada", "p", nil); err == nil {
		t.Error("no auth_time: no error")
	}
	e.status = 0
	_, err := e.Password(t.Context(), "ada", "p", nil)
	expect(t, "no connection", err, refusal.TenantDown, "")
	expect(t, "no connection", e.SendCode(t.Context(), to, nil), refusal.TenantDown, "")
}

var demand = &tenanterror.MFADemand{Token: secret.OfText("m")}

// TestContinue: the second factor of a login has the options of that login, and the one of
// a refresh has its session.
func TestContinue(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.status, e.answer = 403, map[string]any{"error": "mfa_required", "mfa_token": "m"}
	_, err := e.Password(t.Context(), "ada", "p", []authrequest.Option{authrequest.ReturnTo("/page")})
	expect(t, "a password", err, refusal.MFA, "")
	demanded, _ := errors.AsType[*refusal.Refusal](err)
	m := demanded.Next.(grants.MFA)
	request := must(m.OTP("123456"))
	e.answer = map[string]any{"error": "invalid_grant"}
	_, err = e.Continue(t.Context(), m, request)
	expect(t, "a wrong code", err, func() refusal.Row { row := refusal.Credentials; row.Code = "invalid_grant"; return row }(), "")
	e.status, e.answer = 200, nil
	if l, err := e.Continue(t.Context(), m, request); err != nil || l.ReturnTo != "/page" || l.Continued != nil {
		t.Errorf("%+v, %v", l, err)
	}
	opened := e.Grants.Demanded(demand, grants.Purpose{Scope: "openid", Session: "s1", Issuer: issuer, Subject: "ada"})
	l, err := e.Continue(t.Context(), opened, must(opened.OTP("123456")))
	if err != nil || l.Session != "s1" || l.Continued == nil || l.Scope != "openid" {
		t.Errorf("%+v, %v", l, err)
	}
	e.claims = map[string]any{"sub": "bob"}
	if _, err := e.Continue(t.Context(), opened, must(opened.OTP("123456"))); err == nil {
		t.Error("another user: no error")
	}
	bent := e.Grants.Demanded(demand, grants.Purpose{Login: "no options"})
	_, err = e.Continue(t.Context(), bent, must(bent.OTP("123456")))
	expect(t, "a bent purpose", err, refusal.Internal, "")
}
