package api_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestMistakesOfClients: the log tells the operator of an API at the default level
// which mistake a client makes. The client learns no more than before, and no line has
// the credential.
func TestMistakesOfClients(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	good := testkit.GoodToken()
	part := strings.Split(good, ".")
	jwe := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)) + ".a2V5.aXY.Y2lwaGVy.dGFn"
	with := func(name, value string) string {
		return "Bearer " + testkit.Signed(testkit.GoodHeader, testkit.WithClaim(name, value))
	}
	for _, tt := range []struct {
		why, header string
		want        testkit.Answer
		cause       string
	}{
		{"a variable without a value", "Bearer undefined", testkit.AnswerMalformed, `the text \"undefined\", which stands for a variable without a token`},
		{"null", "Bearer null", testkit.AnswerMalformed, `the text \"null\"`},
		{"a promise", "Bearer [object Promise]", testkit.AnswerBadHeader, "must await the promise"},
		{"an object", "Bearer [object Object]", testkit.AnswerBadHeader, `the text \"[object Object]\"`},
		{"a placeholder", "Bearer {{access_token}}", testkit.AnswerBadHeader, "a placeholder"},
		{"the scheme twice", "Bearer Bearer " + good, testkit.AnswerBadHeader, "the scheme must be there once"},
		{"a colon", "Bearer: " + good, testkit.AnswerBadHeader, "a colon after the scheme"},
		{"no scheme", good, testkit.AnswerBadHeader, "a token without a scheme"},
		{"quotes", `Bearer "` + good + `"`, testkit.AnswerBadHeader, "quotation marks"},
		{"white space", "Bearer " + part[0] + ". " + part[1] + "." + part[2], testkit.AnswerBadHeader, "white space in it"},
		{"an encrypted token", "Bearer " + jwe, testkit.AnswerMalformed, "its header has enc"},
		{"half a token", "Bearer " + part[0] + "." + part[1], testkit.AnswerMalformed, "the signature is missing"},
		{"an opaque token", "Bearer YWJjZGVmZ2hpamtsbW5vcA", testkit.AnswerMalformed, `must request an access token with the audience [\"https://api.example/\"]`},
		{"zip", "Bearer " + testkit.Signed(testkit.GoodHeader.Set("zip", `"DEF"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed, "the header has zip"},
		{"exp is a text", with("exp", `"1900000000"`), testkit.AnswerBadClaims, "the claim exp is a string"},
		{"exp in milliseconds", with("exp", `1900000000123`), testkit.AnswerBadClaims, "the claim exp is 1900000000123, want seconds since 1970"},
		{"permissions is a text", with("permissions", `"read:x"`), testkit.AnswerBadClaims, "the claim permissions is a string, want an array"},
		{"a name in other case", with("EXP", `1`), testkit.AnswerBadClaims, `the claim \"EXP\" differs from \"exp\" only in case`},
		{"an ID token, by its nonce", "Bearer " + testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"c1"`).Set("nonce", `"n"`)), testkit.AnswerWrongAud, "there is nonce, as in an ID token"},
		{"an ID token, by its hash", "Bearer " + testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"c1"`).Set("at_hash", `"n"`)), testkit.AnswerWrongAud, "there is at_hash, which only ID tokens have"},
		{"an ID token, by its own word", "Bearer " + testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"c1"`).Set("token_use", `"id"`)), testkit.AnswerWrongAud, "the claim token_use says"},
		{"an audience that says nothing", with("aud", `"c1"`), testkit.AnswerWrongAud, `aud is [\"c1\"], want one of [\"https://api.example/\"]; the client must request an access token for that audience`},
		{"a slash too few", with("aud", `"https://api.example"`), testkit.AnswerWrongAud, "they differ in the slash at the end"},
		{"a slash too many", with("aud", `"https://api.example//"`), testkit.AnswerWrongAud, "they differ in the slash at the end"},
		{"a clock that is fast", with("exp", testkit.NoonPlus(-541)), testkit.AnswerExpired, "exp was 541 s ago; if the token should still be valid, check the clock of this machine"},
		{"a clock that is slow", with("iat", testkit.NoonPlus(541)), testkit.AnswerNotYet, "check the clock of this machine"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t)
			f.ExpectWhole(t, f.API.RequireAuth(f), testkit.RequestWith(tt.header), tt.want)
			log := f.Log.Take()
			_, cause, _ := strings.Cut(log, " err=")
			if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=WARN") || !strings.Contains(cause, tt.cause) {
				t.Errorf("log %q, want one warning with %q", log, tt.cause)
			}
			if strings.Contains(log, "ID token:") || strings.Contains(log, part[1]) || strings.Contains(log, part[2]) {
				t.Errorf("the log guesses, or has the credential: %s", log)
			}
		})
	}
	f.ExpectWhole(t, f.API.RequireAuth(f), testkit.RequestWith("Bearer "+good), testkit.AnswerOK)
}

// TestMistakesOfPrograms is the same for API.Verify, whose caller has read the token
// out of a request.
func TestMistakesOfPrograms(t *testing.T) {
	t.Parallel()
	var events []auth0.Event
	f := testkit.NewCacheEnv(t)
	good := testkit.GoodToken()
	for _, tt := range []struct{ why, raw, cause string }{
		{"the value of a header", "Bearer " + good, "begins with the scheme Bearer"},
		{"a line of a file", good + "\n", "the line break at the end of a file"},
		{"half a token", good[:strings.LastIndex(good, ".")], "the signature is missing"},
	} {
		_, err := f.API.Verify(t.Context(), tt.raw)
		var e *auth0.Error
		if !errors.As(err, &e) || e.Status != 401 || e.Code != "invalid_token" || !strings.Contains(err.Error(), tt.cause) {
			t.Errorf("%s: %v, want %q", tt.why, err, tt.cause)
		}
	}
	f.Events.Take()
	_, err := f.API.Verify(t.Context(), "")
	var e *auth0.Error
	if !errors.Is(err, auth0.ErrNoToken) || !errors.As(err, &e) || e.Status != 401 || e.Op != "bearer" {
		t.Errorf("no token: %v", err)
	}
	if events, _ = f.Events.Take(); len(events) != 1 || events[0].Reason != "missing_token" || events[0].Status != 401 {
		t.Errorf("no token: events %+v", events)
	}
}

// TestOptionalAuthWithoutAToken: a visitor's page sends the text of a variable
// without a value. Where a token is required, that is a mistake.
func TestOptionalAuthWithoutAToken(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, testkit.Sources(auth0.FromHeader(), auth0.FromCookie("at")))
	for header, want := range map[string]testkit.Answer{
		"Bearer undefined": testkit.AnswerOK, "Bearer null": testkit.AnswerOK, "bearer  null": testkit.AnswerOK,
		"Bearer Undefined": testkit.AnswerMalformed, "Bearer nil": testkit.AnswerMalformed, "Bearer undefined.": testkit.AnswerMalformed,
		"Bearer [object Promise]": testkit.AnswerBadHeader,
	} {
		behind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if token, ok := auth0.TokenFrom(r.Context()); ok {
				t.Errorf("%s: the token %v", header, token)
			}
			f.ServeHTTP(w, r)
		})
		f.ExpectWhole(t, f.API.OptionalAuth(behind), testkit.RequestWith(header), want)
		if want == testkit.AnswerOK {
			f.ExpectWhole(t, f.API.RequireAuth(f), testkit.RequestWith(header), testkit.AnswerMalformed)
			f.ExpectWhole(t, f.API.OptionalAuth(f.API.RequireAuth(f)), testkit.RequestWith(header), testkit.AnswerMalformed)
		}
	}
	two := testkit.RequestWith("Bearer undefined")
	two.AddCookie(&http.Cookie{Name: "at", Value: testkit.GoodToken()})
	w := httptest.NewRecorder()
	if f.API.OptionalAuth(f).ServeHTTP(w, two); w.Code != 400 {
		t.Errorf("a text and a token: %d", w.Code)
	}
}

// TestCausesOfGuards: the log names the scope or claim that a valid token lacks.
func TestCausesOfGuards(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	a := f.API
	claims := testkit.WithClaim("scope", `"openid read:m"`).Set("permissions", `["del:m"]`)
	for _, tt := range []struct {
		why    string
		guard  func(http.Handler) http.Handler
		claims testkit.Object
		status int
		cause  string
	}{
		{"one scope of two", a.RequireScope("read:m", "write:m"), claims, 403, `scope is \"openid read:m\", which lacks [\"write:m\"]`},
		{"none of the scopes", a.RequireAnyScope("a", "b"), claims, 403, `scope is \"openid read:m\", want one of [\"a\" \"b\"]`},
		{"permission", a.RequirePermissions("del:m", "read:m"), claims, 403, `permissions is \"del:m\", which lacks [\"read:m\"]`},
		{"none of the permissions", a.RequireAnyPermission("a", "b"), claims, 403, `permissions is \"del:m\", want one of [\"a\" \"b\"]`},
		{"no permissions", a.RequirePermissions("a"), claims.Without("permissions"), 403, "no claim permissions, want [\\\"a\\\"]; at Auth0, enable RBAC and \\\"Add Permissions in the Access Token\\\" for the API"},
		{"organization", a.RequireOrganization("org_1"), claims, 403, `org_id is \"\"`},
		{"no auth_time", a.RequireStepUp(time.Minute), claims, 401, "no usable auth_time"},
		{"old auth_time", a.RequireStepUp(time.Minute), claims.Set("auth_time", testkit.NoonPlus(-90)), 401, "auth_time was 90 s ago, want at most 1m0s"},
		{"other acr", a.RequireStepUp(0, "mfa"), claims.Set("acr", `"pwd"`), 401, `acr is \"pwd\", want one of [\"mfa\"]`},
		{"no claim", a.RequireClaim("plan", auth0.Equals("pro")), claims, 403, `no claim \"plan\"`},
		{"other claim", a.RequireClaim("plan", auth0.Equals("pro")), claims.Set("plan", `"free"`), 403, `does not accept the claim \"plan\"`},
	} {
		f.Log.Take()
		w := httptest.NewRecorder()
		tt.guard(f).ServeHTTP(w, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, tt.claims)))
		if log := f.Log.Take(); w.Code != tt.status || !strings.Contains(log, tt.cause) {
			t.Errorf("%s: %d, log %s, want %d and %s", tt.why, w.Code, log, tt.status, tt.cause)
		}
	}
}

// TestMetadataForPeople has the members that clients show, and authorization servers of
// the application's choice.
func TestMetadataForPeople(t *testing.T) {
	t.Parallel()
	servers := []string{"https://login.example/"}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.ResourceName, c.ResourceDocumentation, c.AuthorizationServers = `Orders "EU"`, "https://docs.example/orders", servers
	})
	servers[0] = "https://evil.example/"
	w := httptest.NewRecorder()
	f.API.MetadataHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if want := `{"resource":"https://api.example/","authorization_servers":["https://login.example/"],"bearer_methods_supported":["header"],"resource_name":"Orders \"EU\"","resource_documentation":"https://docs.example/orders"}`; w.Body.String() != want {
		t.Errorf("got  %s\nwant %s", w.Body, want)
	}
	none := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.AuthorizationServers = []string{} })
	w = httptest.NewRecorder()
	none.API.MetadataHandler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if want := `{"resource":"https://api.example/","authorization_servers":[],"bearer_methods_supported":["header"]}`; w.Body.String() != want {
		t.Errorf("got  %s\nwant %s", w.Body, want)
	}
}
