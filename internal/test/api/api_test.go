package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// apiRefused is the answer to a token that is valid, but not for this request.
func apiRefused(description string) testkit.Answer {
	return testkit.Answer{Status: 403, Challenge: "", Body: `{"error":"access_denied","error_description":"` + description + `"}`}
}

var apiNotAllowed = apiRefused("not allowed")

var profileHeader = testkit.GoodHeader.Set("typ", `"at+jwt"`)

// profileClaims are the claims that RFC 9068, Section 2.2 requires.
func profileClaims() testkit.Object { return testkit.WithClaim("client_id", `"c1"`).Set("jti", `"j1"`) }

func TestStrictProfile(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.StrictProfile = true })
	cases := []testkit.TokenCase{
		{"complete", testkit.Signed(profileHeader, profileClaims()), testkit.AnswerOK},
		{"long name of the type", testkit.Signed(testkit.GoodHeader.Set("typ", `"application/at+jwt"`), profileClaims()), testkit.AnswerOK},
		{"type in upper case", testkit.Signed(testkit.GoodHeader.Set("typ", `"AT+JWT"`), profileClaims()), testkit.AnswerOK},
		{"typ JWT", testkit.Signed(testkit.GoodHeader, profileClaims()), testkit.AnswerWrongType},
		{"no typ", testkit.Signed(testkit.GoodHeader.Without("typ"), profileClaims()), testkit.AnswerWrongType},
		{"empty typ", testkit.Signed(testkit.GoodHeader.Set("typ", `""`), profileClaims()), testkit.AnswerWrongType},
		{"exp before iat", testkit.Signed(profileHeader, profileClaims().Set("iat", testkit.NoonPlus(4)).Set("exp", testkit.NoonPlus(2))), testkit.AnswerBadClaims},
		{"exp with iat", testkit.Signed(profileHeader, profileClaims().Set("iat", testkit.NoonPlus(4)).Set("exp", testkit.NoonPlus(4))), testkit.AnswerOK},
		{"azp is no client_id", testkit.Signed(profileHeader, profileClaims().Without("client_id")), testkit.AnswerBadClaims},
	}
	for _, name := range []string{"iss", "exp", "sub", "client_id", "iat", "jti"} {
		cases = append(cases, testkit.TokenCase{"no " + name, testkit.Signed(profileHeader, profileClaims().Without(name)), testkit.AnswerBadClaims})
	}
	cases = append(cases, testkit.TokenCase{"no aud", testkit.Signed(profileHeader, profileClaims().Without("aud")), testkit.AnswerWrongAud})
	f.ExpectTokens(t, cases)
}

func TestMaxTokenAge(t *testing.T) {
	t.Parallel()
	hour := func(c *auth0.APIConfig) { c.MaxTokenAge = time.Hour }
	testkit.NewAPIEnv(t, hour).ExpectTokens(t, []testkit.TokenCase{
		{"young", testkit.GoodToken(), testkit.AnswerOK},
		{"as old as may be", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iat", testkit.NoonPlus(-3605))), testkit.AnswerOK},
		{"too old", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iat", testkit.NoonPlus(-3606))), testkit.AnswerExpired},
		{"no iat", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("iat")), testkit.AnswerBadClaims},
	})
	// Without the limit, the issuer alone decides how old a token can be.
	testkit.NewAPIEnv(t).ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iat", "1")), testkit.AnswerOK)
}

// A token grows too old while it is cached.
func TestMaxTokenAgeOfRememberedToken(t *testing.T) {
	t.Parallel()
	now := testkit.Noon
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.MaxTokenAge, c.Now = time.Minute, func() time.Time { return now }
	})
	token := testkit.GoodToken() // issued 10 s ago
	f.ExpectToken(t, token, testkit.AnswerOK)
	now = testkit.Noon.Add(55 * time.Second)
	f.ExpectToken(t, token, testkit.AnswerOK)
	now = testkit.Noon.Add(56 * time.Second)
	f.ExpectToken(t, token, testkit.AnswerExpired)
}

func TestRequiredClaims(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.RequiredClaims = []string{"org_id", "https://acme.example/tier"} })
	const tier = "https://acme.example/tier"
	with := func(org, value string) string {
		return testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_id", org).Set(tier, value))
	}
	f.ExpectTokens(t, []testkit.TokenCase{
		{"both", with(`"o1"`, `"gold"`), testkit.AnswerOK},
		{"empty values", with(`""`, `{}`), testkit.AnswerOK},
		{"false", with(`"o1"`, `false`), testkit.AnswerOK},
		{"first missing", testkit.Signed(testkit.GoodHeader, testkit.WithClaim(tier, `1`)), testkit.AnswerBadClaims},
		{"second missing", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_id", `"o1"`)), testkit.AnswerBadClaims},
		{"null", with(`"o1"`, `null`), testkit.AnswerBadClaims},
		{"null, written twice", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_id", `"o1"`).Last(tier, `1`).Last(tier, `null`)), testkit.AnswerBadClaims},
		{"other case", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_id", `"o1"`).Set("https://acme.example/TIER", `1`)), testkit.AnswerBadClaims},
		{"inside another claim", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_id", `"o1"`).Set("x", `{"`+tier+`":1}`)), testkit.AnswerBadClaims},
		{"name written with an escape", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_id", `"o1"`).Set(`https:\u002f/acme.example/tier`, `1`)), testkit.AnswerOK},
	})
}

func TestRejectAnonymous(t *testing.T) {
	t.Parallel()
	reject := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.RejectAnonymous = true })
	for _, tt := range []struct {
		subject   string // empty for none
		anonymous bool
	}{
		{`"anon@65f0"`, true},
		{`"anon@"`, true},
		{`"anonymous@acme.example"`, false},
		{`"auth0|anon@x"`, false},
		{`"ANON@x"`, false},
		{"", false},
	} {
		claims := testkit.GoodClaims(testkit.Noon).Without("sub")
		if tt.subject != "" {
			claims = claims.Set("sub", tt.subject)
		}
		want := testkit.AnswerOK
		if tt.anonymous {
			want = testkit.AnswerBadClaims
		}
		reject.ExpectToken(t, testkit.Signed(testkit.GoodHeader, claims), want)
		token, err := testkit.NewAPIEnv(t).API.Verify(t.Context(), testkit.Signed(testkit.GoodHeader, claims))
		if err != nil || token.IsAnonymous() != tt.anonymous {
			t.Errorf("sub %s: IsAnonymous %v, %v; want %v", tt.subject, token.IsAnonymous(), err, tt.anonymous)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	var answer error
	asked := 0
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Validate = func(ctx context.Context, token *auth0.Token) error {
			asked++
			if token.Subject() != "auth0|u" || ctx.Value(outerKey{}) != "outer" {
				t.Errorf("asked about %v with %v", token, ctx)
			}
			return answer
		}
	})
	token := testkit.GoodToken()
	for _, tt := range []struct {
		why    string
		answer error
		want   testkit.Answer
	}{
		{"agrees", nil, testkit.AnswerOK},
		{"refuses", errors.New("SECRET"), testkit.AnswerBadClaims},
		{"forbids", auth0.ErrForbidden, apiNotAllowed},
		{"forbids, with a reason", fmt.Errorf("SECRET: %w", auth0.ErrForbidden), apiNotAllowed},
		{"refuses with an error of ours", auth0.ErrTokenExpired, testkit.AnswerBadClaims},
		{"agrees again", nil, testkit.AnswerOK},
	} {
		t.Run(tt.why, func(t *testing.T) {
			answer = tt.answer
			before := asked
			r := testkit.BearerRequest(token)
			r = r.WithContext(context.WithValue(r.Context(), outerKey{}, "outer"))
			f.ExpectWhole(t, f.API.RequireAuth(f), r, tt.want)
			// The token is the same and cached. The decision of Validate is not cached.
			if asked != before+1 {
				t.Errorf("asked %d times, want once", asked-before)
			}
			if log := f.Log.Take(); tt.answer != nil && !strings.Contains(log, tt.answer.Error()) {
				t.Errorf("the error is not in the log: %s", log)
			}
		})
	}
	// Validate is not called for tokens that are rejected anyway.
	before := asked
	for _, bad := range []string{"abc", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))), testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign()))} {
		f.StatusOf(t.Context(), bad)
	}
	if asked != before {
		t.Error("asked about a token that is not good")
	}
	answer = fmt.Errorf("x: %w", auth0.ErrForbidden)
	_, err := f.API.Verify(context.WithValue(t.Context(), outerKey{}, "outer"), token)
	if e := (*auth0.Error)(nil); !errors.Is(err, auth0.ErrForbidden) || !errors.As(err, &e) || e.Status != 403 {
		t.Errorf("Verify: %v, want ErrForbidden with status 403", err)
	}
}

// A client that goes away during Validate is not authenticated.
func TestValidateOfClientWhoGoesAway(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Validate = func(ctx context.Context, _ *auth0.Token) error { return ctx.Err() }
	})
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK) // the keys are at hand
	f.Served.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	f.API.RequireAuth(f).ServeHTTP(w, testkit.BearerRequest(testkit.GoodToken()).WithContext(ctx))
	if w.Code != 503 || f.Served.Load() != 0 {
		t.Errorf("status %d, %d calls of the handler, want 503 and none", w.Code, f.Served.Load())
	}
}

func TestActors(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for _, tt := range []struct {
		act  string // empty for none
		want string
		ok   bool
	}{
		{"", "[]", true},
		{`{"sub":"a"}`, "[a]", true},
		{`{"sub":"a","act":{"sub":"b","iss":"x","act":{"sub":"c"}}}`, "[a b c]", true},
		{`{"client_id":"a"}`, "[]", false},
		{`{"sub":""}`, "[]", false},
		{`{"sub":5}`, "[]", false},
		{`{"sub":"a","act":"b"}`, "[]", false},
		{`{"sub":"a","act":null}`, "[]", false},
		{`"a"`, "[]", false},
		{`["a"]`, "[]", false},
		{`null`, "[]", false},
	} {
		claims := testkit.GoodClaims(testkit.Noon)
		if tt.act != "" {
			claims = claims.Set("act", tt.act)
		}
		token, err := f.API.Verify(t.Context(), testkit.Signed(testkit.GoodHeader, claims))
		if err != nil {
			t.Errorf("act %s: the token is refused: %v", tt.act, err)
			continue
		}
		actors, err := token.Actors()
		if fmt.Sprint(actors) != tt.want || (err == nil) != tt.ok {
			t.Errorf("act %s: got %v, %v; want %s, %v", tt.act, actors, err, tt.want, tt.ok)
		}
	}
}

// The other values of a token.
func TestMoreTokenValues(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	token, err := f.API.Verify(t.Context(), testkit.Signed(testkit.GoodHeader, testkit.WithClaim("org_name", `"acme"`).
		Set("acr", `"mfa"`).Set("auth_time", testkit.NoonPlus(-90)+".5")))
	if err != nil {
		t.Fatal(err)
	}
	if token.OrgName() != "acme" || token.ACR() != "mfa" || !token.AuthTime().Equal(testkit.Noon.Add(-89500*time.Millisecond)) {
		t.Errorf("got %q, %q, %v", token.OrgName(), token.ACR(), token.AuthTime())
	}
	if token, err = f.API.Verify(t.Context(), testkit.GoodToken()); err != nil || !token.AuthTime().IsZero() || token.ACR() != "" || token.OrgName() != "" {
		t.Errorf("without the claims: %q, %q, %v, %v", token.OrgName(), token.ACR(), token.AuthTime(), err)
	}
}

func TestMetadataHandler(t *testing.T) {
	t.Parallel()
	const url = "https://api.example/.well-known/oauth-protected-resource"
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.MetadataURL, c.ScopesSupported = url, []string{"read:m", "write:m"}
		c.Issuers = []auth0.Issuer{{Domain: "login.acme.example"}, {Domain: "https://id.example/realms/a"}}
	})
	const want = `{"resource":"https://api.example/","authorization_servers":["https://t.example/","https://login.acme.example/","https://id.example/realms/a"],"scopes_supported":["read:m","write:m"],"bearer_methods_supported":["header"]}`
	for _, tt := range []struct {
		method string
		status int
		body   string
		header map[string]string
	}{
		{"GET", 200, want, map[string]string{"Content-Type": "application/json", "Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=3600", "Allow": ""}},
		{"HEAD", 200, "", map[string]string{"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"}},
		{"POST", 405, `{"error":"invalid_request","error_description":"this page cannot be opened directly"}`,
			map[string]string{"Allow": "GET, HEAD, OPTIONS", "Content-Type": "application/json", "Cache-Control": "no-store", "WWW-Authenticate": ""}},
		{"DELETE", 405, `{"error":"invalid_request","error_description":"this page cannot be opened directly"}`, map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
	} {
		w := httptest.NewRecorder()
		f.API.MetadataHandler().ServeHTTP(w, httptest.NewRequest(tt.method, "/.well-known/oauth-protected-resource", nil))
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: got %d %s, want %d %s", tt.method, w.Code, w.Body, tt.status, tt.body)
		}
		for name, value := range tt.header {
			if got := w.Result().Header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", tt.method, name, got, value)
			}
		}
	}
	if urls := f.Net.Asked(); len(urls) != 0 {
		t.Errorf("requests to %q, want none", urls)
	}
	// Without scopes the member is absent, not empty (RFC 9728, Section 3.2).
	w := httptest.NewRecorder()
	testkit.NewAPIEnv(t).API.MetadataHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if want := `{"resource":"https://api.example/","authorization_servers":["https://t.example/"],"bearer_methods_supported":["header"]}`; w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
}

// TestFullMetadata: every member that the configuration can set. AuthorizationServers
// are for clients alone, so tokens of the issuer stay good.
func TestFullMetadata(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.ScopesSupported, c.ResourceName, c.ResourceDocumentation = []string{"read:m"}, "Orders <1>", "https://docs.example/?a=b"
		c.AuthorizationServers = []string{"https://t.example"}
	})
	w := httptest.NewRecorder()
	f.API.MetadataHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	const want = `{"resource":"https://api.example/","authorization_servers":["https://t.example"],"scopes_supported":["read:m"],` +
		`"bearer_methods_supported":["header"],"resource_name":"Orders \u003c1\u003e","resource_documentation":"https://docs.example/?a=b"}`
	if w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iss", `"https://t.example"`)), testkit.AnswerWrongIssuer)
}

// TestMetadataPath: clients look for the document at the path of MetadataURL, so a
// handler that is mounted elsewhere says so.
func TestMetadataPath(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Audience, c.MetadataURL = "https://m.example/a%20b", "https://m.example/.well-known/oauth-protected-resource/a%20b"
	})
	h := f.API.MetadataHandler()
	const good, missing = "/.well-known/oauth-protected-resource/a%20b", `{"error":"invalid_request","error_description":"there is nothing at this address"}`
	for _, tt := range []struct {
		why, method, target string
		h                   http.Handler
		status              int
		body                string
	}{
		{"its path", "GET", good, h, 200, `{"resource":"https://m.example/a%20b"`},
		{"its path, and a query", "GET", good + "?x", h, 200, `{"resource":`},
		{"its path, prefix taken away", "GET", good, http.StripPrefix("/.well-known", h), 200, `{"resource":`},
		{"preflight", "OPTIONS", good, h, 204, ""},
		{"POST", "POST", good, h, 405, `{"error":"invalid_request"`},
		{"another path", "GET", "/.well-known/oauth-protected-resource", h, 404, missing},
		{"another path, POST", "POST", "/", h, 404, missing},
		{"a longer path", "GET", good + "/x", h, 404, missing},
	} {
		w := httptest.NewRecorder()
		tt.h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, nil))
		if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.body) || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %s", tt.why, w.Code, w.Body)
		}
	}
	if log := f.Log.Take(); !strings.Contains(log, "mount the handler there") {
		t.Errorf("the log does not say where to mount the handler: %s", log)
	}
}

// TestMetadataBearerMethods: the methods of RFC 6750 among the configured sources.
// Without any the list is empty, which means none (RFC 9728, Section 2).
func TestMetadataBearerMethods(t *testing.T) {
	t.Parallel()
	own := auth0.FromFunc(func(*http.Request) (string, error) { return "", nil })
	for _, tt := range []struct {
		sources []auth0.TokenExtractor
		want    string
	}{
		{[]auth0.TokenExtractor{auth0.FromHeader()}, `["header"]`},
		{[]auth0.TokenExtractor{auth0.FromQuery(), auth0.FromForm(), auth0.FromHeader()}, `["query","body","header"]`},
		{[]auth0.TokenExtractor{auth0.FromForm(), auth0.FromForm()}, `["body"]`},
		{[]auth0.TokenExtractor{auth0.FromCookie("at"), own}, `[]`},
		{[]auth0.TokenExtractor{auth0.FromWebSocket(), auth0.FromHeader()}, `["header"]`},
	} {
		w := httptest.NewRecorder()
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.TokenExtractors = tt.sources })
		f.API.MetadataHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if !strings.HasSuffix(w.Body.String(), `"bearer_methods_supported":`+tt.want+"}") {
			t.Errorf("got %s, want %s", w.Body, tt.want)
		}
	}
}

// Every challenge has the URL of the metadata, and no other answer has it.
func TestMetadataInChallenges(t *testing.T) {
	t.Parallel()
	const url = "https://api.example/.well-known/oauth-protected-resource"
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.MetadataURL, c.TokenExtractors = url, []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromQuery()}
	})
	named := func(want testkit.Answer) testkit.Answer {
		want.Challenge += `, resource_metadata="` + url + `"`
		return want
	}
	auth := f.API.RequireAuth(f)
	for _, tt := range []struct {
		why  string
		h    http.Handler
		r    *http.Request
		want testkit.Answer
	}{
		{"no token", auth, testkit.RequestWith(), named(testkit.AnswerNoToken)},
		{"malformed header", auth, testkit.RequestWith("Bearer"), named(testkit.AnswerBadHeader)},
		{"two tokens", auth, testkit.WithHeader(httptest.NewRequest("GET", "/?access_token=a", nil), "Authorization", "Bearer b"), named(apiTwoTokens)},
		{"expired", auth, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60)))), named(testkit.AnswerExpired)},
		{"scope", f.API.RequireScope("x")(f), testkit.BearerRequest(testkit.GoodToken()), named(testkit.AnswerLacks("x"))},
		{"permission", f.API.RequireAnyPermission("x", "y")(f), testkit.BearerRequest(testkit.GoodToken()), named(testkit.AnswerLacks("x y"))},
		{"step-up", f.API.RequireStepUp(0, "mfa")(f), testkit.BearerRequest(testkit.GoodToken()), named(apiStepUp(`acr_values="mfa"`))},
		{"organization", f.API.RequireOrganization("o1")(f), testkit.BearerRequest(testkit.GoodToken()), apiRefused("organization not allowed")},
		{"unusable guard", f.API.RequireScope()(f), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerUnusable},
		{"good", auth, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK},
	} {
		t.Run(tt.why, func(t *testing.T) { f.ExpectWhole(t, tt.h, tt.r, tt.want) })
	}
	f.Tenant.Fail("jwks", 503)
	down, err := auth0.NewAPI(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	f.ExpectWhole(t, down.RequireAuth(f), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerNoKeys)
}

func TestNewAPIChecksTheRest(t *testing.T) {
	t.Parallel()
	good := auth0.APIConfig{Domain: testkit.APIHost, Audience: testkit.APIAudience}
	for _, tt := range []struct {
		why  string
		edit func(*auth0.APIConfig)
		want []string // parts of the error, none if it is good
	}{
		{"negative age", func(c *auth0.APIConfig) { c.MaxTokenAge = -1 }, []string{"APIConfig.MaxTokenAge "}},
		{"empty name of a claim", func(c *auth0.APIConfig) { c.RequiredClaims = []string{"a", ""} }, []string{"APIConfig.RequiredClaims "}},
		{"no cache", func(c *auth0.APIConfig) { c.TokenCache = auth0.None }, nil},
		{"smallest cache", func(c *auth0.APIConfig) { c.TokenCache = 1 }, nil},
		{"largest cache", func(c *auth0.APIConfig) { c.TokenCache = 1 << 20 }, nil},
		{"larger cache", func(c *auth0.APIConfig) { c.TokenCache = 1<<20 + 1 }, []string{"APIConfig.TokenCache "}},
		{"negative cache", func(c *auth0.APIConfig) { c.TokenCache = -2 }, []string{"APIConfig.TokenCache "}},
		{"metadata", func(c *auth0.APIConfig) { c.MetadataURL = "https://api.example/.well-known/oauth-protected-resource" }, nil},
		{"metadata of an audience with a path", func(c *auth0.APIConfig) {
			c.Audience, c.MetadataURL = "https://m.example/mcp", "https://m.example/.well-known/oauth-protected-resource/mcp"
		}, nil},
		{"metadata of an audience with another path", func(c *auth0.APIConfig) {
			c.Audience, c.MetadataURL = "https://m.example/mcp", "https://m.example/.well-known/oauth-protected-resource"
		}, []string{`APIConfig.MetadataURL "https://m.example/.well-known/oauth-protected-resource" does not fit the Audience "https://m.example/mcp"`}},
		{"metadata of an audience that is not a URL", func(c *auth0.APIConfig) {
			c.Audience, c.MetadataURL = "urn:m", "https://m.example/.well-known/oauth-protected-resource"
		}, []string{`APIConfig.MetadataURL "https://m.example/.well-known/oauth-protected-resource" needs an Audience that is a URL, and "urn:m" is not`}},
		{"metadata of another host", func(c *auth0.APIConfig) {
			c.MetadataURL = "https://mcp.example/.well-known/oauth-protected-resource"
		}, []string{`APIConfig.MetadataURL "https://mcp.example/.well-known/oauth-protected-resource" does not fit the Audience "https://api.example/"; use the MetadataURL "https://api.example/.well-known/oauth-protected-resource", or the Audience "https://mcp.example"`}},
		{"metadata, no audience", func(c *auth0.APIConfig) {
			c.Audience, c.MetadataURL = "", "https://api.example/.well-known/oauth-protected-resource"
			c.Domain, c.Issuers = "", []auth0.Issuer{{Domain: "a.example", Audiences: []string{"a"}}}
		}, []string{"APIConfig.MetadataURL "}},
		{"metadata, the first of the audiences", func(c *auth0.APIConfig) {
			c.Audience, c.Audiences = "", []string{"https://api.example/v1", "urn:x"}
			c.MetadataURL = "https://api.example/.well-known/oauth-protected-resource/v1"
		}, nil},
		{"name and documentation", func(c *auth0.APIConfig) {
			c.ResourceName, c.ResourceDocumentation = "Orders", "https://docs.example/?a=b"
		}, nil},
		{"name with a line break", func(c *auth0.APIConfig) { c.ResourceName = "Orders\n" }, []string{"APIConfig.ResourceName "}},
		{"documentation, no URL", func(c *auth0.APIConfig) { c.ResourceDocumentation = "docs.example" }, []string{"APIConfig.ResourceDocumentation "}},
		{"authorization servers", func(c *auth0.APIConfig) { c.AuthorizationServers = []string{"https://login.example/a"} }, nil},
		{"authorization server, no URL", func(c *auth0.APIConfig) { c.AuthorizationServers = []string{"https://a.example/", "b.example"} }, []string{"APIConfig.AuthorizationServers "}},
		{"authorization server with a query", func(c *auth0.APIConfig) { c.AuthorizationServers = []string{"https://a.example/?x"} }, []string{"APIConfig.AuthorizationServers "}},
		{"keys at another host", func(c *auth0.APIConfig) {
			c.Issuers = []auth0.Issuer{{Domain: "https://a.example", JWKSURI: "https://keys.example/a"}}
		}, nil},
		{"keys, no URL", func(c *auth0.APIConfig) {
			c.Issuers = []auth0.Issuer{{Domain: "https://a.example", JWKSURI: "keys.example/a"}}
		}, []string{"APIConfig.Issuers[0].JWKSURI "}},
		{"keys over http", func(c *auth0.APIConfig) {
			c.Issuers = []auth0.Issuer{{Domain: "https://a.example", JWKSURI: "http://keys.example/a"}}
		}, []string{"APIConfig.Issuers[0].JWKSURI "}},
		{"keys given, and their URL", func(c *auth0.APIConfig) {
			keys, _ := auth0.SharedSecret("zF8mQ2xW7rT4yL9pN3vB6kD1sH5jG0cA")
			c.Issuers = []auth0.Issuer{{Domain: "https://a.example", JWKSURI: "https://keys.example/a", Keys: keys}}
		}, []string{"APIConfig.Issuers[0].JWKSURI "}},
		{"no audience but client ids", func(c *auth0.APIConfig) {
			c.Domain, c.Audience, c.Issuers = "", "", []auth0.Issuer{{Domain: "https://a.example", AcceptMissingAudienceFrom: []string{"c1"}}}
		}, nil},
		{"empty client id", func(c *auth0.APIConfig) {
			c.Issuers = []auth0.Issuer{{Domain: "https://a.example", AcceptMissingAudienceFrom: []string{""}}}
		}, []string{"APIConfig.Issuers[0].AcceptMissingAudienceFrom "}},
		{"metadata, no URL", func(c *auth0.APIConfig) { c.MetadataURL = "api.example" }, []string{"APIConfig.MetadataURL "}},
		{"metadata, http", func(c *auth0.APIConfig) { c.MetadataURL = "http://api.example/" }, []string{"APIConfig.MetadataURL "}},
		{"metadata, quotes", func(c *auth0.APIConfig) { c.MetadataURL = `https://api.example/"` }, []string{"APIConfig.MetadataURL "}},
		{"metadata, backslash", func(c *auth0.APIConfig) { c.MetadataURL = `https://api.example/\` }, []string{"APIConfig.MetadataURL "}},
		{"metadata, not ASCII", func(c *auth0.APIConfig) { c.MetadataURL = `https://api.example/é` }, []string{"APIConfig.MetadataURL "}},
		{"challenge scopes", func(c *auth0.APIConfig) { c.ChallengeScopes = []string{"read:m", "a"} }, nil},
		{"challenge scope with a space", func(c *auth0.APIConfig) { c.ChallengeScopes = []string{"a b"} }, []string{"APIConfig.ChallengeScopes "}},
		{"challenge scope with quotes", func(c *auth0.APIConfig) { c.ChallengeScopes = []string{"a", `b"`} }, []string{"APIConfig.ChallengeScopes "}},
		{"empty challenge scope", func(c *auth0.APIConfig) { c.ChallengeScopes = []string{""} }, []string{"APIConfig.ChallengeScopes "}},
		{"scope with a space", func(c *auth0.APIConfig) { c.ScopesSupported = []string{"a b"} }, []string{"APIConfig.ScopesSupported "}},
		{"scope with quotes", func(c *auth0.APIConfig) { c.ScopesSupported = []string{`a"`} }, []string{"APIConfig.ScopesSupported "}},
		{"keys of nobody", func(c *auth0.APIConfig) { c.Keys = &auth0.KeySet{} }, []string{"APIConfig.Keys "}},
		{"issuer twice", func(c *auth0.APIConfig) { c.Issuers = []auth0.Issuer{{Domain: "T.example"}} }, []string{"APIConfig.Issuers[0].Domain "}},
		{"issuers twice", func(c *auth0.APIConfig) { c.Issuers = []auth0.Issuer{{Domain: "a.example"}, {Domain: "a.example"}} }, []string{"APIConfig.Issuers[1].Domain "}},
		{"URL twice, but for a slash", func(c *auth0.APIConfig) {
			c.Issuers = []auth0.Issuer{{Domain: "https://a.example"}, {Domain: "https://a.example/"}}
		}, []string{"APIConfig.Issuers[1].Domain "}},
		{"issuer without a domain", func(c *auth0.APIConfig) { c.Issuers = []auth0.Issuer{{}} }, []string{"APIConfig.Issuers[0].Domain "}},
		{"issuer's algorithms", func(c *auth0.APIConfig) {
			c.Issuers = []auth0.Issuer{{Domain: "a.example", Algorithms: []string{"none"}}}
		}, []string{"APIConfig.Issuers[0].Algorithms "}},
		{"issuer's audience is empty", func(c *auth0.APIConfig) {
			c.Issuers = []auth0.Issuer{{Domain: "a.example", Audiences: []string{""}}}
		}, []string{"APIConfig.Issuers[0].Audiences "}},
		{"issuers without any audience", func(c *auth0.APIConfig) {
			c.Domain, c.Audience, c.Issuers = "", "", []auth0.Issuer{{Domain: "a.example"}}
		}, []string{"APIConfig.Issuers[0].Audiences "}},
		{"issuers with their own audiences", func(c *auth0.APIConfig) {
			c.Domain, c.Audience, c.Issuers = "", "", []auth0.Issuer{{Domain: "a.example", Audiences: []string{"a"}}}
		}, nil},
		{"resolver alone", func(c *auth0.APIConfig) {
			c.Domain, c.ResolveIssuer = "", func(context.Context, string) (*auth0.Issuer, error) { return nil, nil }
		}, nil},
		{"several mistakes", func(c *auth0.APIConfig) {
			c.MaxTokenAge, c.TokenCache, c.MetadataURL, c.TokenExtractors, c.Issuers = -1, -5, "x", []auth0.TokenExtractor{{}}, []auth0.Issuer{{}, {Domain: "b"}}
		}, []string{"APIConfig.MaxTokenAge ", "APIConfig.TokenCache ", "APIConfig.MetadataURL ", "APIConfig.TokenExtractors ", "APIConfig.Issuers[0].Domain ", "APIConfig.Issuers[1].Domain "}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			c := good
			tt.edit(&c)
			api, err := auth0.NewAPI(c)
			if (err == nil) != (len(tt.want) == 0) || (api == nil) != (err != nil) {
				t.Fatalf("got %v, %v; want complaints %q", api, err, tt.want)
			}
			if err == nil {
				return
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no complaint %q in:\n%v", want, err)
				}
			}
			if n := strings.Count(err.Error(), "\n") + 1; n != len(tt.want) {
				t.Errorf("%d complaints, want %d:\n%v", n, len(tt.want), err)
			}
		})
	}
}

// A caller that changes its slices later must not change an API.
func TestMoreOfConfigIsCopied(t *testing.T) {
	t.Parallel()
	required, supported, algs, auds := []string{"org_id"}, []string{"read:m"}, []string{"RS256"}, []string{testkit.APIAudience}
	issuers := []auth0.Issuer{{Domain: "a.example", Audiences: auds, Algorithms: algs}}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.RequiredClaims, c.ScopesSupported, c.Issuers = required, supported, issuers
	})
	f.AddIssuer(t, "a.example", testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
	required[0], supported[0], algs[0], auds[0], issuers[0] = "sub", "x", "ES256", "x", auth0.Issuer{}
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerBadClaims)
	f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iss", `"https://a.example/"`).Set("org_id", `"o"`)), testkit.AnswerOK)
	w := httptest.NewRecorder()
	f.API.MetadataHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(w.Body.String(), `"scopes_supported":["read:m"]`) {
		t.Errorf("metadata: %s", w.Body)
	}
}

// An API that NewAPI has not made has no metadata either.
func TestZeroAPIElsewhere(t *testing.T) {
	t.Parallel()
	api := new(auth0.API)
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("handler reached") })
	for why, h := range map[string]http.Handler{
		"step-up":      api.RequireStepUp(time.Minute)(never),
		"organization": api.RequireOrganization("o")(never),
		"permission":   api.RequireAnyPermission("o")(never),
		"own":          api.Require(func(context.Context, *auth0.Token) error { return nil })(never),
		"claims":       auth0.RequireClaims[map[string]any](api)(never),
	} {
		for _, r := range []*http.Request{testkit.RequestWith(), testkit.BearerRequest(testkit.GoodToken())} {
			if status := bearerStatus(h, r); status < 400 {
				t.Errorf("%s: status %d", why, status)
			}
		}
	}
	if err := api.Warm(t.Context()); err == nil {
		t.Error("Warm: nil")
	}
	if list := api.Status(); len(list) != 0 {
		t.Errorf("Status: %v", list)
	}
	if status := bearerStatus(api.MetadataHandler(), testkit.RequestWith()); status != 200 {
		t.Errorf("metadata: %d", status)
	}
}

// A token of many claims is read as quickly as it is rejected.
func TestManyClaims(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	claims := testkit.GoodClaims(testkit.Noon)
	for i := range 1200 {
		claims = append(claims, [2]string{"c" + strconv.Itoa(i), `0`})
	}
	token := testkit.Signed(testkit.GoodHeader, claims)
	if len(token) < 12000 || len(token) > 16384 {
		t.Fatalf("the token has %d bytes", len(token))
	}
	f.ExpectToken(t, token, testkit.AnswerOK)
	ctx := requestContext(t, f.API, token)
	all, err := auth0.Claims[map[string]json.Number](ctx)
	if err == nil || all != nil {
		t.Errorf("got %d claims, %v; want an error, since iss is no number", len(all), err)
	}
	some, err := auth0.Claims[struct{ C1199 *int }](ctx)
	if err != nil || some.C1199 == nil {
		t.Errorf("the last claim: %v, %v", some.C1199, err)
	}
}

func TestLeewayOfAPI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ configured, want time.Duration }{
		{0, 5 * time.Second}, {auth0.None, 0}, {time.Minute, time.Minute},
	} {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Leeway = tt.configured })
		if got := f.API.Leeway(); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.configured, got, tt.want)
		}
	}
	if got := new(auth0.API).Leeway(); got != 0 {
		t.Errorf("an API that NewAPI has not made: %v", got)
	}
}
