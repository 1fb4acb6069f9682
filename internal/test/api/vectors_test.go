package api_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// passes is the verdict on a good token.
var passes = verdict{200, "", "ok"}

// overruled are recipes whose verdict in the file is not ours, permanently.
var overruled = map[string]struct {
	verdict
	why string
}{
	"form-quotes":       {verdict{400, "invalid_request", "invalid_request"}, "RFC 6750, Section 2.1: credentials are of the form b64token; with other characters it is the header that is malformed"},
	"form-angle":        {verdict{400, "invalid_request", "invalid_request"}, "as form-quotes"},
	"form-percent":      {verdict{400, "invalid_request", "invalid_request"}, "as form-quotes"},
	"form-json-flat":    {verdict{400, "invalid_request", "invalid_request"}, "as form-quotes"},
	"form-json-general": {verdict{400, "invalid_request", "invalid_request"}, "as form-quotes"},

	"tr-header-and-query": {passes, "RFC 6750, Section 2.3: the query is no place for tokens unless the API says so, and what stands there is then no credential but a parameter of the application"},
	"ok-logout-no-exp":    {verdict{400, "invalid_request", "invalid_claim"}, "OpenID Connect Back-Channel Logout 1.0 with errata set 1, Section 2.4: exp is required"},
	"lo-nonce-null":       {verdict{400, "invalid_request", "invalid_claim"}, "null is no text: the claim is wrong whatever kind of token it is in"},
	"lo-iat-old":          {verdict{400, "invalid_request", "invalid_claim"}, "it has no exp either, see ok-logout-no-exp"},

	"id-auth-time-old": {verdict{403, "", "auth_too_old"}, "the ID token is good, and access is denied: a client must not take it for a malformed request"},
	"id-org-missing":   {verdict{403, "", "invalid_claim"}, "as id-auth-time-old"},

	"key-duplicate-kid-a": {passes, "RFC 7517, Section 4.5: different keys of one set may have one kid; each that fits is tried"},
	"kid-missing":         {verdict{401, "invalid_token", "ambiguous_kid"}, "RFC 7515, Section 4.1.4: kid is optional, and several keys fit; id-kid-absent-multiple has the same word for it"},
	"kid-case":            {verdict{401, "invalid_token", "ambiguous_kid"}, "KID is not kid, so there is none; see kid-missing"},
	"kid-kelvin":          {verdict{401, "invalid_token", "ambiguous_kid"}, "as kid-case"},

	"exp-past-EXP-future": {verdict{401, "invalid_token", "invalid_claim"}, "a name that folds to one that decides refuses by itself, before the values are looked at"},
	"iss-case-fold":       {verdict{401, "invalid_token", "invalid_claim"}, "as exp-past-EXP-future"},
	"aud-case-fold":       {verdict{401, "invalid_token", "invalid_claim"}, "as exp-past-EXP-future"},
	"exp-negative":        {verdict{401, "invalid_token", "invalid_claim"}, "no time before 1970 is an expiry: the claim is wrong, not the token old; see exp-minus-1e30"},
	"sig-payload-edited":  {verdict{401, "invalid_token", "invalid_issuer"}, "the bit is in iss, and what is cheap to refuse is refused before the signature is checked"},
	"dpop-cnf-x5t-only":   {verdict{401, "invalid_token", "dpop_required"}, "RFC 8705, Section 3.1: x5t#S256 is a good confirmation; the token is bound, and not a bearer token"},
}

// verdictOn returns what this version must answer to a recipe.
func verdictOn(r recipe) verdict {
	if o, ok := overruled[r.ID]; ok {
		return o.verdict
	}
	return r.Expect
}

// TestVectorTables: the tables above are about existing recipes, and each row of
// them is needed.
func TestVectorTables(t *testing.T) {
	t.Parallel()
	f := readRecipes(t)
	byID := map[string]recipe{}
	for _, r := range slices.Concat(f.Bad, f.Good) {
		if _, twice := byID[r.ID]; twice || r.ID == "" || r.Why == "" {
			t.Errorf("recipe %q: no name, no reason, or there twice", r.ID)
		}
		byID[r.ID] = r
	}
	for _, r := range f.Good {
		if r.Expect != passes {
			t.Errorf("%s is good, and the verdict is %v", r.ID, r.Expect)
		}
	}
	// No configuration changes these two.
	if f.Config.MaxTokenBytes != 16384 || !slices.Equal(f.Config.Types, []string{"", "JWT", "at+jwt", "application/at+jwt"}) {
		t.Errorf("the recipes are for tokens of %d bytes and types %q", f.Config.MaxTokenBytes, f.Config.Types)
	}
	for id, o := range overruled {
		if r, ok := byID[id]; !ok || r.Expect == o.verdict || o.why == "" {
			t.Errorf("overruled: %s is not needed", id)
		}
	}
}

// TestVectors runs every recipe as written, signed with RS256. It runs the recipes
// that are not about keys and algorithms again with ES256: nothing else may depend
// on the algorithm.
func TestVectors(t *testing.T) {
	t.Parallel()
	f := readRecipes(t)
	f.makeKeys(t)
	for _, pass := range []struct {
		key string
		ran map[string]int // by target
	}{
		{"rs1", map[string]int{"access": 269, "id": 19, "logout": 23}},
		{"es1", map[string]int{"access": 193, "id": 15, "logout": 23}},
	} {
		t.Run(pass.key, func(t *testing.T) {
			runner := newVectorRunner(t, f, pass.key)
			ran := map[string]int{}
			for _, r := range slices.Concat(f.Bad, f.Good) {
				if pass.key != "rs1" && r.picksKey() {
					continue
				}
				ran[r.target()]++
				t.Run(r.ID, func(t *testing.T) { runner.run(t, r) })
			}
			if !maps.Equal(ran, pass.ran) {
				t.Errorf("recipes by target: %v, want %v", ran, pass.ran)
			}
		})
	}
}

// A vectorRunner has the applications and APIs for recipes. Most recipes share one
// of each. A recipe that changes the keys gets its own.
type vectorRunner struct {
	f     *recipeFile
	key   string
	api   *vectorAPI
	login *vectorLogin
}

func newVectorRunner(t *testing.T, f *recipeFile, key string) *vectorRunner {
	b := &tokenBuilder{TB: t, recipeFile: f, key: key}
	return &vectorRunner{f, key, newVectorAPI(t, b, recipeKeys{}), newVectorLogin(t, b, recipeKeys{})}
}

func (v *vectorRunner) run(t *testing.T, r recipe) {
	b := &tokenBuilder{TB: t, recipeFile: v.f, key: v.key}
	api, login := v.api, v.login
	if r.JWKS.State != "" || r.JWKS.Add != nil || r.JWKS.Remove != nil {
		api, login = newVectorAPI(t, b, r.JWKS), newVectorLogin(t, b, r.JWKS)
	}
	want, got := verdictOn(r), verdict{}
	switch r.target() {
	case "access":
		got = api.try(t, b, r)
	case "id":
		got = login.try(t, b, r)
	case "logout":
		got = login.tryLogout(t, b.build(r))
	default:
		t.Fatalf("target %q is not known", r.Target)
	}
	if got != want {
		t.Errorf("%s: got %v, want %v", r.Why, got, want)
	}
}

// A vectorAPI is the API of the file, twice: as it answers clients, and as it
// tells an ErrorHandler why.
type vectorAPI struct {
	*testkit.APIEnv
	telling *auth0.API
	told    *auth0.Error
}

func newVectorAPI(t *testing.T, b *tokenBuilder, keys recipeKeys) *vectorAPI {
	t.Helper()
	hosts := []string{}
	for _, issuer := range b.Config.Issuers {
		hosts = append(hosts, strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/"))
	}
	v := &vectorAPI{APIEnv: testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Domain = hosts[0]
		for _, host := range hosts[1:] {
			c.Issuers = append(c.Issuers, auth0.Issuer{Domain: host})
		}
		if b.Config.RequireSub {
			c.RequiredClaims = []string{"sub"}
		}
		c.Audience = b.Config.Audience
		c.Algorithms = b.Config.Algorithms
		c.Leeway = time.Duration(b.Config.Leeway) * time.Second
		c.DPoP = b.proofs(t)
	})}
	for _, host := range hosts {
		v.Net.Handle(host, v.Tenant)
	}
	v.Publish(b.published(keys)...)
	v.fail(t, keys.State)
	telling := v.Config
	telling.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *auth0.Error) {
		v.told = e
		w.WriteHeader(e.Status)
	}
	var err error
	if v.telling, err = auth0.NewAPI(telling); err != nil {
		t.Fatal(err)
	}
	return v
}

// proofs is the configuration of the recipes about DPoP.
func (b *tokenBuilder) proofs(t *testing.T) auth0.DPoP {
	t.Helper()
	given := b.Config.DPoP
	u, err := url.Parse(given.URL)
	if err != nil || given.Mode != "allowed" {
		t.Fatalf("the recipes are for DPoP %q at %q", given.Mode, given.URL)
	}
	return auth0.DPoP{
		Mode: auth0.BindingAllowed, BaseURLs: []string{u.Scheme + "://" + u.Host}, Algorithms: given.Algorithms,
		MaxAge: time.Duration(given.MaxAge) * time.Second, Leeway: time.Duration(given.Future) * time.Second,
	}
}

func (v *vectorAPI) fail(t *testing.T, state string) {
	t.Helper()
	switch state {
	case "":
	case "unavailable":
		v.Tenant.Fail(testkit.JWKSEndpoint, 503)
	default:
		t.Fatalf("state %q of the keys is not known", state)
	}
}

// route guards the handler of the fixture as the recipe asks.
func (v *vectorAPI) route(api *auth0.API, r recipe) http.Handler {
	guarded := api.RequireAuth(v)
	if len(r.Route.Scopes) > 0 {
		guarded = api.RequireScope(r.Route.Scopes...)(guarded)
	}
	if len(r.Route.Permissions) > 0 {
		guarded = api.RequirePermissions(r.Route.Permissions...)(guarded)
	}
	return guarded
}

func (v *vectorAPI) try(t *testing.T, b *tokenBuilder, r recipe) (got verdict) {
	t.Helper()
	token := b.build(r)
	if r.Request.NotThroughHTTP {
		return verifyVerdict(t, v.API, token)
	}
	plain, telling := v.route(v.API, r), v.route(v.telling, r)
	v.Log.Take()
	for range max(1, r.Repeat) {
		served := v.Served.Load()
		w := httptest.NewRecorder()
		plain.ServeHTTP(w, b.request(r, token))
		got = v.answered(t, w)
		if passed := v.Served.Load() > served; passed != (got.Status == 200) {
			t.Errorf("status %d, handler reached: %v", got.Status, passed)
		}
		v.told = nil
		w = httptest.NewRecorder()
		telling.ServeHTTP(w, b.request(r, token))
		if w.Code != got.Status {
			t.Errorf("status %d, and %d with an ErrorHandler", got.Status, w.Code)
		}
		got.Code = passes.Code
		if v.told != nil {
			got.Code = v.told.Reason
		}
	}
	for line := range strings.Lines(v.Log.Take()) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("log line %q", line)
		}
	}
	v.expectOnlyKeysAsked(t, b)
	return got
}

// answered reads status and error code from a response: the challenge and the
// body must say the same.
func (v *vectorAPI) answered(t *testing.T, w *httptest.ResponseRecorder) verdict {
	t.Helper()
	got := verdict{Status: w.Code}
	for _, value := range w.Result().Header.Values("WWW-Authenticate") {
		c, err := testkit.ParseChallenge(value)
		if err != nil {
			t.Errorf("challenge %q: %v", value, err)
		}
		got.Error += c.Params["error"]
	}
	if w.Code == http.StatusOK {
		return got
	}
	var body struct{ Error string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("body %q: %v", w.Body, err)
	}
	want := got.Error
	if want == "" {
		want = map[int]string{401: "unauthorized", 503: "temporarily_unavailable"}[w.Code]
	}
	if body.Error != want {
		t.Errorf("the body says %q, want %q", body.Error, want)
	}
	return got
}

// expectOnlyKeysAsked: for any token, the API requests the keys of the issuers
// alone.
func (v *vectorAPI) expectOnlyKeysAsked(t *testing.T, b *tokenBuilder) {
	t.Helper()
	for _, asked := range v.Net.Asked() {
		issuer, ok := strings.CutSuffix(asked, ".well-known/jwks.json")
		if !ok || !slices.Contains(b.Config.Issuers, issuer) {
			t.Errorf("there was a request to %s", asked)
		}
	}
}

// verifyVerdict is for tokens that no header can carry.
func verifyVerdict(t *testing.T, api *auth0.API, token string) verdict {
	t.Helper()
	_, err := api.Verify(t.Context(), token)
	var e *auth0.Error
	switch {
	case err == nil:
		return passes
	case !errors.As(err, &e):
		t.Fatal(err)
	}
	return verdict{e.Status, e.Code, e.Reason}
}

// A vectorLogin is the application of the file, whose tenant answers with the
// ID token of a recipe.
type vectorLogin struct {
	*testkit.Env
	idToken string
	told    *auth0.Error
}

func newVectorLogin(t *testing.T, b *tokenBuilder, keys recipeKeys) *vectorLogin {
	t.Helper()
	v := &vectorLogin{}
	host := strings.TrimSuffix(strings.TrimPrefix(b.Config.Issuers[0], "https://"), "/")
	v.Env = testkit.SignedIn(t, func(c *auth0.Config) {
		c.HTTPClient = &http.Client{Transport: testkit.Hosts{host: c.HTTPClient.Transport.(testkit.Hosts)[testkit.TenantHost]}}
		c.Domain = host
		c.ClientID = b.Config.ClientID
		c.Algorithms = b.Config.Algorithms
		c.Leeway = time.Duration(b.Config.Leeway) * time.Second
		c.Now = func() time.Time { return testkit.Noon }
		c.Revocations = auth0.NewMemoryStore(100)
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *auth0.Error) {
			v.told = e
			w.WriteHeader(e.Status)
		}
	})
	published := b.published(keys)
	v.Tenant.EditJWKS(func(doc map[string]any) { doc["keys"] = published })
	v.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 3600, "id_token": v.idToken})
	})
	return v
}

// tryLogout posts a logout token to the application. The log alone has the reason
// for a rejection.
func (v *vectorLogin) tryLogout(t *testing.T, token string) verdict {
	t.Helper()
	v.T = t
	told := len(v.Log.String())
	resp := v.Browser().Do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {token}})
	if resp.Status == http.StatusOK {
		if resp.Body != "" {
			t.Errorf("body %q", resp.Body)
		}
		return passes
	}
	var body struct{ Error string }
	if err := json.Unmarshal([]byte(resp.Body), &body); err != nil {
		t.Errorf("body %q: %v", resp.Body, err)
	}
	reason := regexp.MustCompile(`op=backchannel .*reason=(\w+)`).FindStringSubmatch(v.Log.String()[told:])
	if reason == nil {
		t.Fatalf("status %d, and the log does not say why", resp.Status)
	}
	return verdict{resp.Status, body.Error, reason[1]}
}

// try logs in. A successful login counts as 200, although the answer is a redirect.
func (v *vectorLogin) try(t *testing.T, b *tokenBuilder, r recipe) verdict {
	t.Helper()
	v.T = t
	id := b.Config.ID
	browser := v.Browser()
	v.App = v.Strategy.LoginHandler(auth0.WithMaxAge(time.Duration(id.MaxAge)*time.Second), auth0.WithOrganization(id.Organization))
	asked := browser.Begin("/").Query()
	v.App = v.Strategy.LoadUser(v.Mux)
	b.nonce = asked.Get("nonce")
	v.idToken, v.told = b.build(r), nil
	resp := browser.Callback(&url.URL{Scheme: "https", Host: "app.example", Path: "/auth/callback", RawQuery: url.Values{"code": {"x"}, "state": {asked.Get("state")}}.Encode()})
	passed := resp.Status == http.StatusSeeOther && v.told == nil
	if browser.LoggedIn() != passed {
		t.Errorf("status %d, logged in: %v", resp.Status, !passed)
	}
	if passed {
		return passes
	}
	if v.told == nil {
		t.Fatalf("status %d, and no reason", resp.Status)
	}
	return verdict{resp.Status, resp.Header.Get("WWW-Authenticate"), v.told.Reason}
}

func TestParseChallenge(t *testing.T) {
	t.Parallel()
	c, err := testkit.ParseChallenge(`Bearer realm="api", error="invalid_token", scope=""`)
	if err != nil || c.Scheme != "Bearer" || len(c.Params) != 3 || c.Params["realm"] != "api" || c.Params["error"] != "invalid_token" {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, value := range []string{
		"", "Bearer", "Bearer ", `realm="api"`, `Bearer realm=api`, `Bearer realm="api`, `Bearer realm="api",`, `Bearer realm="api",error="x"`,
		`Bearer realm="api" error="x"`, `Bearer realm="a\"b"`, "Bearer realm=\"a\r\nb\"", "Bearer realm=\"\u00e9\"", `Bearer realm="a", realm="b"`,
		`Bearer realm="api" `, `Bearer ="api"`, `Bearer re alm="api"`, `Bearer realm="a""`, `Bearer realm="a", Basic realm="b"`,
	} {
		if c, err := testkit.ParseChallenge(value); err == nil {
			t.Errorf("%q is %+v", value, c)
		}
	}
}
