package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/internal/environment"
)

const wellText = `Tenant       acme.auth0.example
Client ID    9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go
Application  https://app.acme.example

ok    variables      All are set and well formed.
ok    secrets        1 secret. Its age is unknown.
ok    base-url       https://app.acme.example
ok    domain         acme.auth0.example
ok    configuration  The library accepts the configuration.
ok    issuer         https://acme.auth0.example/
ok    jwks           2 RS256 signing keys
ok    clock          Within 1 s of the tenant's
ok    client         The tenant has the application.
ok    callback       https://app.acme.example/auth/callback
ok    audience       https://api.acme.example/
ok    login          The tenant would show its login page.
ok    client-secret  The tenant accepts AUTH0_CLIENT_SECRET.
ok    grant-types    Authorization Code is on.
ok    refresh        Refresh Token is on. Allow Offline Access on the API does not show from outside.
ok    logout-url     https://app.acme.example
ok    end-session    RP-initiated logout is on.
ok    login-buttons  The application can list its connections (7).
ok    features       back-channel logout, DPoP
ok    application    https://app.acme.example/auth/login begins a login.
ok    token          An access token for the API with permissions: read:protected

Also possible

  features
    The tenant supports back-channel logout: with a Store, register https://app.acme.example/auth/backchannel-logout as Back-Channel Logout URI (Applications > your application > Settings > OpenID Connect Back-Channel Logout).

Everything is well. 10 requests made.
`

// TestWell examines a configuration without a mistake, with all checks.
func TestWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runApp(nil)
	withToken()(w)
	r := w.examine()
	if got := text(t, r); got != wellText {
		t.Errorf("%s\nwant:\n%s", got, wellText)
	}
	if len(w.paths) > 15 {
		t.Errorf("%d requests", len(w.paths))
	}
	want := []string{
		"GET acme.auth0.example/.well-known/openid-configuration", "GET acme.auth0.example/.well-known/jwks.json", "GET acme.auth0.example/authorize",
		"POST acme.auth0.example/oauth/token", "POST acme.auth0.example/oauth/token", "GET acme.auth0.example/v2/logout",
		"POST acme.auth0.example/oauth/token", "GET acme.auth0.example/api/v2/clients/" + clientID + "/connections",
		"GET app.acme.example/auth/login", "GET app.acme.example/auth/login",
	}
	if !slices.Equal(w.paths, want) {
		t.Errorf("the requests are %q", w.paths)
	}
}

// TestVariants has configurations without a failure and with other words in the report.
func TestVariants(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		make    func(*world)
		check   string
		status  Status
		message string
	}{
		{"two secrets", set("AUTH0_SECRET", cookieSecret+","+"c81f3b7e02d94a6fb5e01c9d7a3846f2e5b90d1c6f7a2834d0e9b8c7a6f51423"), "secrets", OK, "2 secrets: the first one encrypts, all decrypt. Their age is unknown."},
		{"older names", func(w *world) {
			set("AUTH0_DOMAIN", "", "AUTH0_ISSUER_BASE_URL", "https://acme.auth0.example/", "APP_BASE_URL", "", "AUTH0_BASE_URL", appURL+"/")(w)
		}, "callback", OK, "https://app.acme.example/auth/callback"},
		{"callback URL", func(w *world) {
			set("APP_BASE_URL", "", "AUTH0_CALLBACK_URL", appURL+"/done")(w)
			w.editClient(func(c *emulator.Client) { c.CallbackURLs = []string{appURL + "/done"} })
		}, "callback", OK, "https://app.acme.example/done"},
		{"no audience", set("AUTH0_AUDIENCE", ""), "audience", Skip, "AUTH0_AUDIENCE is not set: access tokens are opaque, unless the tenant has a Default Audience."},
		{"no audience after another error", func(w *world) { w.tenant.DenyNext("server_error", "") }, "audience", Skip, "The login failed for another reason."},
		{"audience refused", set("AUTH0_AUDIENCE", "https://api.acme.example"), "login", Skip, "Not checked, because of audience."},
		{"grant off", func(w *world) {
			w.editClient(func(c *emulator.Client) { c.GrantTypes = []string{"refresh_token"} })
		}, "login", Skip, "Not checked, because of grant-types."},
		{"API closed to a third party", func(w *world) {
			w.tenant.DenyNext("unauthorized_client", `Client is not authorized to access resource server "https://api.acme.example/"`)
		}, "grant-types", OK, "Authorization Code is on."},
		{"callback before audience", func(w *world) {
			w.editClient(func(c *emulator.Client) { c.CallbackURLs = []string{appURL} })
		}, "audience", Skip, "Not checked, because of callback."},
		{"port of the program", func(w *world) {
			w.allow("http://localhost:3000")
			w.env["APP_BASE_URL"], w.options.Port = "http://localhost:3000", "3000"
		}, "base-url", OK, "http://localhost:3000"},
		{"any port", func(w *world) {
			w.allow("https://localhost")
			w.env["APP_BASE_URL"], w.options.Port = "https://localhost", "443"
		}, "base-url", OK, "https://localhost"},
		{"one key", func(w *world) {
			w.answers(emulator.JWKS, 200, `{"keys":[{"kty":"RSA","kid":"1"},{"kty":"RSA","use":"enc","kid":"2"},{"kty":"RSA","alg":"PS256","kid":"3"}]}`)
		}, "jwks", OK, "1 RS256 signing key"},
		{"the time of a cache", func(w *world) {
			w.options.Transport = headers{w, func(h http.Header) { h.Set("Date", "Sun, 29 Nov 2026 11:00:00 GMT"); h.Set("Age", "3600") }}
		}, "clock", OK, "Within 1 s of the tenant's"},
		{"one time of many is wrong", func(w *world) {
			wrong := []string{"Sun, 29 Nov 2026 11:00:00 GMT"} // the first
			w.options.Transport = headers{w, func(h http.Header) {
				if len(wrong) > 0 {
					h["Date"], wrong = wrong, nil
				}
			}}
		}, "clock", OK, "Within 1 s of the tenant's"},
		{"no time", func(w *world) { w.options.Transport = headers{w, func(h http.Header) { h.Del("Date") }} }, "clock", Skip, "The tenant has not sent its time."},
		{"a damaged time", func(w *world) { w.options.Transport = headers{w, func(h http.Header) { h.Set("Date", "noon") }} }, "clock", Skip, "The tenant has not sent its time."},
		{"clock behind by the leeway", func(w *world) { w.now = w.now.Add(5 * time.Second) }, "clock", OK, "Within 5 s of the tenant's"},
		{"clock ahead by the leeway", func(w *world) { w.now = w.now.Add(-5 * time.Second) }, "clock", OK, "Within 5 s of the tenant's"},
		{"private key", func(w *world) {
			set("AUTH0_CLIENT_SECRET", "", "AUTH0_CLIENT_ASSERTION_SIGNING_KEY", privateKey())(w)
			w.editClient(func(c *emulator.Client) {
				c.AuthMethod, c.Keys = "private_key_jwt", []emulator.ClientKey{{Public: publicKey(), Algorithm: "RS256"}}
			})
		}, "client-secret", OK, "The tenant accepts AUTH0_CLIENT_ASSERTION_SIGNING_KEY."},
		{"no secret", set("AUTH0_CLIENT_SECRET", ""), "client-secret", Skip, "There is no client secret and no key."},
		{"no secret", set("AUTH0_CLIENT_SECRET", ""), "refresh", Skip, "Not checked, because of client-secret."},
		{"secret not accepted", func(w *world) { w.tenant.Fail(emulator.Token, 429) }, "grant-types", Skip, "Not checked: the tenant has not accepted the client credentials."},
		{"secret not accepted", func(w *world) { w.tenant.Fail(emulator.Token, 429) }, "refresh", Skip, "Not checked: the tenant has not accepted the client credentials."},
		{"secret not accepted", func(w *world) { w.tenant.Fail(emulator.Token, 429) }, "login-buttons", Skip, "Not checked: the tenant has not accepted the client credentials."},
		{"refresh does not answer", func(w *world) { w.failAfter("/oauth/token", 1) }, "refresh", Skip, "The token endpoint does not answer: connection reset"},
		{"refresh answers something else", func(w *world) { w.failAfterWith("/oauth/token", 1, 500, "oops") }, "refresh", Skip, "Not known: the token endpoint answered status 500."},
		{"client credentials do not answer", func(w *world) { w.failAfter("/oauth/token", 2) }, "login-buttons", Skip, "The token endpoint does not answer: connection reset"},
		{"client credentials are too many", func(w *world) { w.failAfterWith("/oauth/token", 2, 429, `{"error":"too_many_requests"}`) }, "login-buttons", Skip,
			"Not known: the token endpoint answered status 429 too_many_requests."},
		{"Management API does not answer", func(w *world) { w.errs["/api/v2/clients/"+clientID+"/connections"] = errors.New("connection reset") }, "login-buttons", Skip,
			"The Management API does not answer: connection reset"},
		{"custom domain", func(w *world) {
			w.addTenant("own.auth0.example", clientID)
			w.env["AUTH0_TENANT_DOMAIN"] = "Own.auth0.example"
			w.tenant.Fail(emulator.Management, 403)
		}, "login-buttons", OK, "The application can list its connections (7)."},
		{"URL of a tenant", func(w *world) {
			w.addTenant("own.auth0.example", clientID)
			set("AUTH0_DOMAIN", "https://acme.auth0.example", "AUTH0_TENANT_DOMAIN", "https://own.auth0.example/")(w)
		}, "login-buttons", OK, "The application can list its connections (7)."},
		{"URL of a provider", set("AUTH0_DOMAIN", "https://acme.auth0.example"), "login-buttons", Skip,
			"AUTH0_DOMAIN is a URL. For the connections of an Auth0 tenant, set AUTH0_TENANT_DOMAIN."},
		{"no connection", func(w *world) { w.editClient(func(c *emulator.Client) { c.Connections = nil }) }, "login-buttons", Skip, "Not checked, because of login."},
		{"pushed requests", func(w *world) { w.tenant.AllowPushedRequests(true); w.tenant.IncludeIssuer(true) }, "features", OK,
			"back-channel logout, PAR, iss in responses (RFC 9207), DPoP"},
		{"no features", func(w *world) {
			w.tenant.EditDiscovery(func(doc map[string]any) {
				delete(doc, "backchannel_logout_supported")
				delete(doc, "dpop_signing_alg_values_supported")
			})
		}, "features", OK, "None of back-channel logout, PAR, iss in responses, mTLS, DPoP"},
		{"application with pushed requests", func(w *world) {
			w.tenant.AllowPushedRequests(true)
			w.runApp(nil, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
		}, "application", OK, "https://app.acme.example/auth/login begins a login."},
		{"application with another login route", func(w *world) {
			w.runApp(nil, func(c *auth0.Config) { c.LoginPath = "/auth/in" })
			w.options.LoginPath = "/auth/in"
		}, "application", OK, "https://app.acme.example/auth/in begins a login."},
		{"no AUTH0 domain for the application", func(w *world) { w.options.AppURL = appURL; w.env["AUTH0_DOMAIN"] = "" }, "application", Skip, "Not checked, because of variables."},
		{"offline access", withToken(claim("scope", "openid offline_access")), "token", OK,
			"An access token for the API with permissions: read:protected. The API allows offline access."},
		{"token, no JWKS", func(w *world) { withToken()(w); w.tenant.Fail(emulator.JWKS, 503) }, "token", OK, "An access token for the API with permissions: read:protected"},
		{"token, no tenant", func(w *world) { withToken()(w); w.tenant.Fail(emulator.Discovery, 503) }, "token", OK,
			"An access token for the API with permissions: read:protected"},
	} {
		w := newWorld(t)
		test.make(w)
		r := w.examine()
		i := slices.IndexFunc(r.Results, func(result Result) bool { return result.Check == test.check })
		if got := r.Results[i]; got.Status != test.status || got.Message != test.message {
			t.Errorf("%s: %s %q", test.name, got.Status, got.Message)
		}
	}
}

// headers changes the headers of responses.
type headers struct {
	next http.RoundTripper
	edit func(http.Header)
}

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.next.RoundTrip(r)
	if err == nil {
		h.edit(resp.Header)
	}
	return resp, err
}

// TestIssuerURL examines a tenant with the URL of its issuer as its name.
func TestIssuerURL(t *testing.T) {
	t.Parallel()
	local := func(c *emulator.Config) { c.Host, c.URL = "", "http://127.0.0.1:4001" }
	w := newWorld(t, local)
	r := w.examine()
	if r.Failed+r.Warnings > 0 {
		t.Errorf("complaints:\n%s", complaints(t, r))
	}
	if !slices.Contains(w.paths, "GET 127.0.0.1:4001/oidc/logout") || slices.Contains(w.paths, "GET 127.0.0.1:4001/v2/logout") {
		t.Errorf("the requests are %q", w.paths)
	}

	w = newWorld(t, local)
	w.editClient(func(c *emulator.Client) { c.LogoutURLs = nil })
	if got := complaints(t, w.examine()); !strings.HasPrefix(got, "FAIL  logout-url     The application does not have the logout URL https://app.acme.example\n") {
		t.Errorf("without a logout URL:\n%s", got)
	}

	w = newWorld(t, local, func(c *emulator.Config) { c.Discovery = emulator.Old })
	if got := complaints(t, w.examine()); !strings.HasPrefix(got, "warn  end-session    The tenant has no end-session endpoint. Its session outlasts a logout.\n") {
		t.Errorf("without an end-session endpoint:\n%s", got)
	}
}

// TestChecks: each check has the texts for a report and its page, and a function.
func TestChecks(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range Checks() {
		if c.Name == "" || len(c.Name) > 13 || c.Purpose == "" || c.run == nil || slices.Contains(names, c.Name) {
			t.Errorf("the check %q is incomplete, repeated or too long", c.Name)
		}
		for _, needed := range c.needs {
			if !slices.Contains(names, needed) {
				t.Errorf("%s needs %s, which is not before it", c.Name, needed)
			}
		}
		names = append(names, c.Name)
	}
}

// TestPage compares the table of docs/doctor.md with the checks.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/doctor.md")
	must(t, err)
	var want []string
	for _, c := range Checks() {
		want = append(want, "| "+c.Name+" | "+strings.ToUpper(c.Purpose[:1])+c.Purpose[1:])
	}
	var got []string
	_, table, _ := strings.Cut(string(page), "\n| Check |")
	for line := range strings.SplitSeq(table, "\n") {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) == 3 {
			got = append(got, cells[0]+" | "+cells[1])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w := newWorld(t)
	w.editClient(func(c *emulator.Client) { c.CallbackURLs = nil })
	rest := text(t, w.examine())
	_, block, _ := strings.Cut(string(page), "```text\n")
	block, _, _ = strings.Cut(block, "```")
	for line := range strings.SplitSeq(strings.TrimSuffix(block, "\n"), "\n") {
		if line == "..." {
			continue
		}
		_, after, found := strings.Cut("\n"+rest, "\n"+line+"\n")
		if !found {
			t.Errorf("the output of the page has the line %q, which is not printed there", line)
		}
		rest = after
	}
	if lines := bytes.Count(page, []byte("\n")); lines > 80 {
		t.Errorf("the page has %d lines", lines)
	}
}

// TestColor: colors add sequences and change no word.
func TestColor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set("AUTH0_CLIENT_SECRET", "", "APP_BASE_URL", appURL+"/callback")(w)
	r := w.examine()
	var b bytes.Buffer
	must(t, r.WriteText(&b, true))
	got := b.String()
	for _, want := range []string{
		"Tenant       \x1b[1macme.auth0.example\x1b[0m\n", "\x1b[33mwarn\x1b[0m  variables      AUTH0_CLIENT_SECRET is not set.", "\x1b[32mok  \x1b[0m  secrets        1",
		"\x1b[1;31mFAIL\x1b[0m  base-url       APP", "\x1b[2mskip\x1b[0m  configuration  Not", "\n\x1b[1mWhat to do\x1b[0m\n", "\n  \x1b[1;31mbase-url\x1b[0m\n",
		"\n\x1b[1m1 failure, 1 warning. 2 requests made.\x1b[0m\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%q", want, got)
		}
	}
	for _, sequence := range []string{"\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"} {
		got = strings.ReplaceAll(got, sequence, "")
	}
	if plain := text(t, r); got != plain || strings.Contains(plain, "\x1b") {
		t.Errorf("without colors:\n%s\nwant:\n%s", got, plain)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editClient(func(c *emulator.Client) { c.LogoutURLs = []string{appURL + "/?<script>"} })
	w.env["AUTH0_CLIENT_SECRET"] = ""
	var b bytes.Buffer
	must(t, w.examine().WriteJSON(&b))
	var got map[string]any
	must(t, json.Unmarshal(b.Bytes(), &got))
	checks, _ := got["checks"].([]any)
	delete(got, "checks")
	if want := map[string]any{"domain": "acme.auth0.example", "client_id": clientID, "base_url": appURL, "failed": 1.0, "warnings": 1.0, "requests": 4.0}; !reflect.DeepEqual(got, want) {
		t.Errorf("the report is %v, want %v", got, want)
	}
	if len(checks) != len(Checks()) {
		t.Fatalf("%d checks", len(checks))
	}
	for _, want := range []string{
		`{"check":"issuer","status":"ok","message":"https://acme.auth0.example/","advice":[]}`,
		`{"check":"token","status":"skip","message":"Not requested: -token - reads an access token from standard input.","advice":[]}`,
		`{"check":"logout-url","status":"fail","message":"The application does not have the logout URL https://app.acme.example","advice":[{` +
			`"text":"Add https://app.acme.example to Allowed Logout URLs (Applications > your application > Settings > Application URIs), or run:",` +
			`"command":"auth0 apps update 9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go --logout-urls https://app.acme.example","replaces_list":true}]}`,
	} {
		var wanted any
		must(t, json.Unmarshal([]byte(want), &wanted))
		if !slices.ContainsFunc(checks, func(c any) bool { return reflect.DeepEqual(c, wanted) }) {
			t.Errorf("%s is missing in\n%s", want, b.String())
		}
	}
	if !strings.Contains(b.String(), "Applications > your") {
		t.Error("the JSON escapes >")
	}
}

// secrets are the secrets of a world. No report may contain them.
var secrets = []string{clientSecret, cookieSecret, "hunter2", "surprise surprise", "BEGIN RSA", "eyJ", "YOUR-CLIENT-SECRET", "ssh-rsa", url.QueryEscape(clientSecret + "/+")}

// lookForSecrets searches a report in all its forms.
func lookForSecrets(t *testing.T, name string, r Report, more ...string) {
	t.Helper()
	var b bytes.Buffer
	must(t, r.WriteText(&b, true))
	must(t, r.WriteJSON(&b))
	for _, secret := range append(more, secrets...) {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%s: %q is in the report", name, secret)
		}
	}
}

// TestEcho: a tenant sends back the parameters that it received.
func TestEcho(t *testing.T) {
	t.Parallel()
	for _, e := range []emulator.Endpoint{emulator.Authorize, emulator.Token, emulator.Logout, emulator.Management, emulator.Discovery, emulator.JWKS} {
		for _, status := range []int{200, 302, 401, 500} {
			w := newWorld(t)
			w.env["AUTH0_CLIENT_SECRET"] = clientSecret + "/+"
			w.env["AUTH0_SECRET"] = cookieSecret + "," + cookieSecret + "-and-more"
			w.runApp(nil)
			withToken()(w)
			w.tenant.Replace(e, echo(w, status))
			lookForSecrets(t, fmt.Sprint(e, status), w.examine(), w.options.Token, "-and-more")
		}
	}
}

// echo is an endpoint that sends all secrets of a request back, in every member.
func echo(w *world, status int) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		said := fmt.Sprint("got ", string(body), form, r.Header, w.options.Token, cookieSecret, " ", cookieSecret+"-and-more")
		doc := map[string]any{"issuer": said, "error": "invalid_client", "error_description": said, "access_token": form.Get("client_secret"),
			"authorization_endpoint": said, "keys": []any{map[string]any{"kty": "RSA", "kid": said}}}
		rw.Header().Set("Location", appURL+"/auth/callback?"+url.Values{"state": {r.URL.Query().Get("state")}, "error": {said}, "error_description": {said}}.Encode())
		rw.WriteHeader(status)
		json.NewEncoder(rw).Encode(doc)
	}
}

// TestSecretInAnotherVariable: a secret is in the wrong variable.
func TestSecretInAnotherVariable(t *testing.T) {
	t.Parallel()
	const secret = "hidden-from-everybody"
	block := "-----BEGIN PRIVATE KEY-----\n" + secret + "/\n-----END PRIVATE KEY-----"
	for _, value := range []string{
		block, strings.ReplaceAll(block, "\n", `\n`), "-----BEGIN " + secret + " x",
		"https://ada:" + secret + "@acme.example", "https://acme.auth0.example/?key=" + secret, "eyJhbGciOiJSUzI1NiJ9." + secret + ".x",
	} {
		for _, name := range []string{"AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_AUDIENCE", "AUTH0_TENANT_DOMAIN", "APP_BASE_URL", "AUTH0_CALLBACK_URL", "PORT"} {
			w := newWorld(t)
			switch name {
			case "PORT":
				w.options.Port, w.env["APP_BASE_URL"] = value, "http://localhost:1"
			case "AUTH0_CALLBACK_URL":
				w.env["APP_BASE_URL"] = ""
			}
			w.env[name] = value
			r := w.examine()
			if name == "AUTH0_AUDIENCE" && strings.HasPrefix(value, "https:") || name == "AUTH0_CLIENT_ID" && strings.Contains(value, "?") {
				continue // identifiers can be URLs
			}
			lookForSecrets(t, fmt.Sprintf("%s %.20q", name, value), r, secret)
		}
	}
}

// TestControlCharacters: a tenant cannot move the cursor of a terminal, or reorder its
// letters.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	const attack = "\x1b]0;owned\a\x1b[2J\r\nFAIL\u202eabc\u009b31m\x00\xff"
	for _, make := range []func(*world){
		func(w *world) { w.tenant.DenyNext("server_error", attack) },
		func(w *world) { w.tenant.DenyNext(attack, attack) },
		func(w *world) { w.tenant.EditDiscovery(func(doc map[string]any) { doc["issuer"] = attack }) },
		func(w *world) {
			w.tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["error"] = attack })
		},
		func(w *world) {
			w.tenant.EditTokenResponse(func(status *int, body map[string]any) { *status = 401; body["error"] = attack })
		},
		func(w *world) {
			w.answers(emulator.Authorize, 302, "", "Location", "https://"+url.PathEscape(attack)+"/")
		},
		func(w *world) { w.runApp(answersAlways(302, "Location", "/"+url.PathEscape(attack))) },
		withToken(claim("permissions", []string{attack})),
		withToken(claim("iss", attack)),
		withToken(func(header, _ map[string]any) { header["alg"] = attack }),
		set("AUTH0_AUDIENCE", attack), set("AUTH0_TENANT_DOMAIN", attack), set("AUTH0_DOMAIN", attack), set("AUTH0_CLIENT_ID", attack), set("APP_BASE_URL", attack),
		func(w *world) { w.options.AppURL = attack },
		func(w *world) { w.options.Port = attack; w.env["APP_BASE_URL"] = "http://localhost:1" },
		func(w *world) { w.options.Mistakes = errors.New(attack) },
	} {
		w := newWorld(t)
		make(w)
		r := w.examine()
		got := text(t, r)
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && (r < ' ' || r == '\u202e' || r == '\u009b') }); i >= 0 {
			t.Errorf("the report has %q:\n%q", got[i:min(len(got), i+10)], got)
		}
		if strings.Contains(got, "\nFAIL\u202e") {
			t.Errorf("the tenant can begin a line:\n%s", got)
		}
	}
}

// TestEndless: a tenant that never stops sending costs 1 MiB for each request.
func TestEndless(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json", "/authorize", "/oauth/token", "/v2/logout", "/auth/login"} {
		w := newWorld(t)
		w.runApp(nil)
		body := &endless{}
		w.options.Transport = replaced{w, path, func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: r}, nil
		}}
		r := w.examine()
		if r.Failed == 0 {
			t.Errorf("%s: no failure", path)
		}
		if body.sent == 0 || body.sent > 4<<20 {
			t.Errorf("%s: %d bytes were read", path, body.sent)
		}
	}
}

// An endless body has no end.
type endless struct{ sent int }

func (e *endless) Read(p []byte) (int, error) {
	e.sent += len(p)
	return copy(p, bytes.Repeat([]byte{'x'}, len(p))), nil
}

func (e *endless) Close() error { return nil }

// replaced answers requests to one path.
type replaced struct {
	next   http.RoundTripper
	path   string
	answer func(*http.Request) (*http.Response, error)
}

func (p replaced) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == p.path {
		return p.answer(r)
	}
	return p.next.RoundTrip(r)
}

// TestSlow: a tenant that does not reply costs five seconds for each request.
func TestSlow(t *testing.T) {
	for _, test := range []struct {
		path string
		want time.Duration
	}{{"/.well-known/openid-configuration", 5 * time.Second}, {"/authorize", 5 * time.Second}, {"/v2/logout", 5 * time.Second}, {"/auth/login", 5 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.runApp(nil)
			w.options.Transport = replaced{w, test.path, func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}}
			begin := time.Now()
			r := w.examine()
			if took := time.Since(begin); took != test.want || r.Failed == 0 {
				t.Errorf("%s: %v, %d failures", test.path, took, r.Failed)
			}
		})
	}
}

// TestElsewhere: the doctor follows no redirect, and sends no credentials to another host.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, e := range []emulator.Endpoint{emulator.Discovery, emulator.JWKS, emulator.Authorize, emulator.Token, emulator.Logout, emulator.Management} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			w := newWorld(t)
			w.runApp(nil)
			w.answers(e, status, "", "Location", "https://evil.example/take")
			w.examine()
			for _, path := range w.paths {
				if strings.Contains(path, "evil") {
					t.Errorf("%s %d: %s", e, status, path)
				}
			}
		}
	}
	for _, member := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"} {
		for _, domain := range []string{tenantHost, "https://" + tenantHost} {
			w := newWorld(t)
			w.env["AUTH0_DOMAIN"] = domain
			w.tenant.EditDiscovery(func(doc map[string]any) { doc[member] = "https://evil.example/take" })
			r := w.examine()
			if strings.Contains(strings.Join(w.paths, " "), "evil") || strings.Contains(domain, "://") && r.Failed == 0 {
				t.Errorf("%s at %s: %d failures, %q", member, domain, r.Failed, w.paths)
			}
		}
	}
}

// TestBudget: the doctor sends no request beyond its budget.
func TestBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := newNetwork(w, time.Now)
	for i := range 20 {
		_, err := n.get(context.Background(), "https://"+tenantHost+"/.well-known/jwks.json", nil, nil)
		if (err == nil) != (i < 15) || err != nil && !errors.Is(err, errTooMany) {
			t.Fatalf("request %d: %v", i+1, err)
		}
	}
	if len(w.paths) != 15 || n.count() != 15 {
		t.Errorf("%d requests, %d counted", len(w.paths), n.count())
	}
	for _, location := range []string{"https://" + tenantHost + "\x7f", ":"} {
		if _, err := n.get(context.Background(), location, nil, nil); err == nil {
			t.Errorf("get %q", location)
		}
		if _, err := n.post(context.Background(), location, nil); err == nil {
			t.Errorf("post %q", location)
		}
	}
}

// TestOwnTransport: a doctor without a transport makes its own connections.
func TestOwnTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	got := complaints(t, Examine(context.Background(), Options{Settings: environment.Settings{Domain: server.URL}}))
	if host := strings.TrimPrefix(server.URL, "http://"); !strings.Contains(got, "FAIL  issuer         No tenant at "+host+".\n") {
		t.Errorf("the complaints are\n%s", got)
	}
}

// TestNames: the advice names existing identifiers. The compiler checks them.
func TestNames(t *testing.T) {
	t.Parallel()
	var c auth0.Config
	_ = []any{c.TenantDomain, c.EndpointOrigins, c.Algorithms, c.LoginOptions, c.PushedAuthorizationRequests, c.ProofKey, c.ClientAuthentication, c.Connections,
		c.BaseURLs, c.CookieName, c.Store, auth0.APIConfig{}.Issuers, auth0.WithOrganization, auth0.ProofKeyPerSession, auth0.ClientSecretBasic, (*auth0.Strategy).Handler}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "plain": "plain", "Zoë 新": "Zoë 新", "a\tb\n": `a\u0009b\u000a`, "\x1b[0m": `\u001b[0m`, "\u200b": `\u200b`, "\xff": `\xff`,
		"\ufffd": "\ufffd", strings.Repeat("é", 501): strings.Repeat("é", 500) + "...",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"": "''", "https://a.example/b?c": "'https://a.example/b?c'", "https://a.example:3/b": "https://a.example:3/b", "a'b": `'a'\''b'`, "$(rm)": "'$(rm)'", "é": "'é'",
	} {
		if got := shell(in); got != want {
			t.Errorf("shell(%q) = %q", in, got)
		}
	}
	for _, r := range []Report{{}, {Failed: 2, Requests: 1}, {Warnings: 1}} {
		want := map[int]string{0: "Everything is well. 0 requests made.", 2: "2 failures, 0 warnings. 1 request made."}[r.Failed]
		if r.Warnings == 1 {
			want = "0 failures, 1 warning. 0 requests made."
		}
		if got := r.summary(); got != want {
			t.Errorf("summary: %q, want %q", got, want)
		}
	}
}
