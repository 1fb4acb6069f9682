package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// Most handlers do not check the method. The guards let no request without a token
// reach them, in any disguise.
func TestGuardsLetNobodyPassUnauthenticated(t *testing.T) {
	t.Parallel()
	const secret = "the salary list"
	e := testkit.SignedIn(t)
	api := e.NewAPI()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, secret) }))
	defer backend.Close()
	reached := 0
	var user, optional bool
	function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached++; fmt.Fprint(w, secret) })
	handlers := map[string]http.Handler{
		"file server":   http.FileServerFS(fstest.MapFS{"salaries.txt": {Data: []byte(secret)}}),
		"reverse proxy": httputil.NewSingleHostReverseProxy(testkit.Must(url.Parse(backend.URL))),
		"function":      function,
	}
	guards := map[string]func(http.Handler) http.Handler{
		"RequireAuth":            api.RequireAuth,
		"Require":                api.Require(func(context.Context, *auth0.Token) error { return nil }),
		"RequireScope":           api.RequireScope("a"),
		"RequireAnyScope":        api.RequireAnyScope("a"),
		"RequirePermissions":     api.RequirePermissions("a"),
		"RequireAnyPermission":   api.RequireAnyPermission("a"),
		"RequireOrganization":    api.RequireOrganization("a"),
		"RequireStepUp":          api.RequireStepUp(time.Minute),
		"RequireClaim":           api.RequireClaim("a", auth0.Equals(true)),
		"RequireClaims":          auth0.RequireClaims[struct{}](api),
		"RequireTokenOrSession":  api.RequireTokenOrSession(e.Strategy),
		"optional, then a guard": func(h http.Handler) http.Handler { return api.OptionalAuth(api.RequireAuth(h)) },
		"RequireLogin":           e.Strategy.RequireLogin,
		"RequireSession":         e.Strategy.RequireSession,
		"RequireUser":            e.Strategy.RequireUser(func(auth0.User) bool { return true }),
		"RequireUserClaim":       e.Strategy.RequireUserClaim("a", auth0.Equals(true)),
		"step-up of pages":       e.Strategy.RequireStepUp(time.Minute),
		"organization of pages":  e.Strategy.RequireOrganization("org_a"),
		"organizations of pages": e.Strategy.RequireOrganization("org_a", "org_b"),
		"RequireLoginWith":       e.Strategy.RequireLoginWith(auth0.WithUILocales("de")),
		"unusable, of pages":     e.Strategy.RequireStepUp(0),
	}
	requests := map[string][]string{
		"preflight":                 {"OPTIONS", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET"},
		"preflight, null":           {"OPTIONS", "Origin", "null", "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization"},
		"preflight, private":        {"OPTIONS", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Private-Network", "true"},
		"preflight, another scheme": {"OPTIONS", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET", "Authorization", "Basic YTpi"},
		"OPTIONS":                   {"OPTIONS"},
		"override":                  {"GET", "X-HTTP-Method-Override", "OPTIONS", "Origin", "https://evil.example", "Access-Control-Request-Method", "GET"},
		"HEAD":                      {"HEAD", "Origin", "https://evil.example"},
		"TRACE":                     {"TRACE"},
		"CONNECT":                   {"CONNECT"},
		"no method":                 {""},
		"GET":                       {"GET"},
	}
	for guard, g := range guards {
		for handler, h := range handlers {
			for why, line := range requests {
				r := httptest.NewRequest("GET", "/salaries.txt", nil)
				r.Method = line[0]
				for i := 1; i < len(line); i += 2 {
					r.Header.Set(line[i], line[i+1])
				}
				w := httptest.NewRecorder()
				g(h).ServeHTTP(w, r)
				if w.Code < 400 || strings.Contains(w.Body.String(), secret) {
					t.Errorf("%s around a %s, %s: %d %q", guard, handler, why, w.Code, w.Body)
				}
			}
		}
	}
	if reached != 0 {
		t.Errorf("the handler ran %d times", reached)
	}
	// A route that lets visitors through lets a preflight through as a visitor, and no
	// more.
	h := api.OptionalAuth(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		optional = true
		_, user = auth0.TokenFrom(r.Context())
	}))
	r := httptest.NewRequest("OPTIONS", "/", nil)
	r.Header.Set("Origin", "https://spa.example")
	r.Header.Set("Access-Control-Request-Method", "GET")
	if h.ServeHTTP(httptest.NewRecorder(), r); !optional || user {
		t.Errorf("optional: called %v, token %v", optional, user)
	}
	optional = false
	r.Header.Set("Authorization", "Bearer abc")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); optional || w.Code != 401 {
		t.Errorf("optional, preflight with a bad token: called %v, %d", optional, w.Code)
	}
	// A valid token works with OPTIONS too.
	r.Header.Set("Authorization", "Bearer "+e.Tenant.AccessToken("ada@acme.example", testkit.Audience))
	w = httptest.NewRecorder()
	if api.RequireAuth(function).ServeHTTP(w, r); w.Code != 200 || reached != 1 {
		t.Errorf("with a token: %d", w.Code)
	}
}

// Scripts of every origin can read the document about an API, whatever their
// headers.
func TestMetadataAnswersItsPreflight(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for why, header := range map[string][]string{
		"one of its own": {"mcp-protocol-version"}, "authorization": {"authorization"}, "several": {"x-a, mcp-protocol-version"}, "none": nil,
	} {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.Header.Set("Origin", "https://inspector.example")
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header["Access-Control-Request-Headers"] = header
		w := httptest.NewRecorder()
		f.API.MetadataHandler().ServeHTTP(w, r)
		h := w.Header()
		if w.Code != 204 || w.Body.Len() != 0 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "*, Authorization" ||
			h.Get("Access-Control-Allow-Methods") != "GET, HEAD" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Access-Control-Max-Age") != "3600" {
			t.Errorf("%s: %d %v", why, w.Code, h)
		}
	}
}

// principalOf names the principal that a handler sees, by every method of the
// library.
func principalOf(s *auth0.Strategy, r *http.Request) string {
	var seen []string
	if token, ok := auth0.TokenFrom(r.Context()); ok {
		seen = append(seen, "token "+token.Subject())
	}
	if user, ok := auth0.UserFrom(r.Context()); ok {
		seen = append(seen, "user "+user.Subject)
	}
	if session, err := s.Session(r); err == nil {
		seen = append(seen, "session "+session.User.Subject)
	} else if !errors.Is(err, auth0.ErrNoSession) {
		seen = append(seen, err.Error())
	}
	if token, err := s.AccessToken(httptest.NewRecorder(), r); err == nil && token != nil {
		seen = append(seen, "session's token")
	}
	if claims, err := auth0.Claims[struct{ Aud, Email any }](r.Context()); err == nil {
		seen = append(seen, fmt.Sprintf("claims aud %v email %v", claims.Aud != nil, claims.Email != nil))
	}
	return strings.Join(seen, ", ")
}

// One request has one principal, for any credentials and any nesting of guards.
func TestOneRequestHasOnePrincipal(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	api, s := e.NewAPI(), e.Strategy
	fromCookie := e.NewAPI(func(c *auth0.APIConfig) {
		c.TokenExtractors = []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromCookie("token")}
	})
	cookies := e.Browser().MustLogin().Cookies
	ada, _ := e.Tenant.Subject("ada@acme.example")
	bob, _ := e.Tenant.Subject("bob@acme.example")
	token := e.Tenant.AccessToken(bob, testkit.Audience)
	byToken := "token " + bob + ", claims aud true email false"
	bySession := "user " + ada + ", session " + ada + ", session's token, claims aud false email true"
	var saw string
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { saw = principalOf(s, r) })
	for _, tt := range []struct {
		why    string
		h      http.Handler
		header []string // "Cookie" adds one
		status int
		want   string
	}{
		{"token or session, token", s.LoadUser(api.RequireTokenOrSession(s)(h)), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"token or session without LoadUser, token", api.RequireTokenOrSession(s)(h), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"token or session, session", s.LoadUser(api.RequireTokenOrSession(s)(h)), nil, 200, bySession},
		{"token or session, session and a scheme that browsers add", api.RequireTokenOrSession(s)(h), []string{"Authorization", "Negotiate YTpi"}, 200, bySession},
		{"RequireAuth inside LoadUser", s.LoadUser(api.RequireAuth(h)), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"LoadUser inside RequireAuth", api.RequireAuth(s.LoadUser(h)), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"OptionalAuth with a token", s.LoadUser(api.OptionalAuth(h)), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"OptionalAuth without", s.LoadUser(api.OptionalAuth(h)), nil, 200, bySession},
		{"RequireAuth inside RequireSession", s.RequireSession(api.RequireAuth(h)), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"RequireSession inside RequireAuth", api.RequireAuth(s.RequireSession(h)), []string{"Authorization", "Bearer " + token}, 401, ""},
		{"RequireLogin inside RequireAuth, a page", api.RequireAuth(s.RequireLogin(h)), append([]string{"Authorization", "Bearer " + token}, testkit.Navigation...), 401, ""},
		{"silent login inside RequireAuth, a page", api.RequireAuth(s.TrySilentLogin(h)), append([]string{"Authorization", "Bearer " + token}, testkit.Navigation...), 200, byToken},
		{"token in a cookie inside LoadUser", s.LoadUser(fromCookie.RequireAuth(h)), []string{"Cookie", "token=" + token}, 200, byToken},
		{"token in a cookie, token or session", fromCookie.RequireTokenOrSession(s)(h), []string{"Cookie", "token=" + token}, 200, bySession},
		{"the same, with guards inside", fromCookie.RequireTokenOrSession(s)(fromCookie.RequireAuth(fromCookie.OptionalAuth(h))), []string{"Cookie", "token=" + token}, 200, bySession},
		{"two of them", api.RequireTokenOrSession(s)(api.RequireTokenOrSession(s)(h)), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"two of them, session", api.RequireTokenOrSession(s)(api.RequireTokenOrSession(s)(h)), nil, 200, bySession},
		{"two APIs, session", api.RequireTokenOrSession(s)(fromCookie.RequireTokenOrSession(s)(api.RequireAuth(h))), nil, 200, bySession},
		{"token of one API, session of the other", fromCookie.RequireAuth(api.RequireTokenOrSession(s)(h)), []string{"Cookie", "token=" + token}, 401, ""},
		// A guard outside took the token from a cookie.
		{"cookie, POST of ours", fromCookie.RequireAuth(fromCookie.RequireTokenOrSession(s)(h)), []string{"Cookie", "token=" + token, "Origin", testkit.AppURL, "", "POST"}, 200, byToken},
		{"cookie, POST of another site", fromCookie.RequireAuth(fromCookie.RequireTokenOrSession(s)(h)), []string{"Cookie", "token=" + token, "Origin", "https://evil.example", "", "POST"}, 403, ""},
		{"header, POST of another site", fromCookie.RequireAuth(fromCookie.RequireTokenOrSession(s)(h)), []string{"Authorization", "Bearer " + token, "Origin", "https://evil.example", "", "POST"}, 200, byToken},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "app.example"
		for name, value := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		for i := 0; i < len(tt.header); i += 2 {
			switch tt.header[i] {
			case "":
				r.Method = tt.header[i+1]
			case "Cookie":
				r.Header.Set("Cookie", r.Header.Get("Cookie")+"; "+tt.header[i+1])
			default:
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
		}
		saw = ""
		w := httptest.NewRecorder()
		if tt.h.ServeHTTP(w, r); w.Code != tt.status || saw != tt.want {
			t.Errorf("%s: %d\n got %q\nwant %q", tt.why, w.Code, saw, tt.want)
		}
	}
}

// The guard reads a token from the Authorization header alone. A header without
// Bearer does not count as a token: then the session counts, and the origin of the
// request.
func TestTokenOrSessionReadsTheHeaderAlone(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	token := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	for name, extractor := range map[string]auth0.TokenExtractor{
		"cookie": auth0.FromCookie("token"), "query": auth0.FromQuery(), "form": auth0.FromForm(), "WebSocket": auth0.FromWebSocket(),
		"own": auth0.FromFunc(func(*http.Request) (string, error) { return token, nil }),
	} {
		for _, list := range [][]auth0.TokenExtractor{{extractor}, {auth0.FromHeader(), extractor}} {
			h := e.NewAPI(func(c *auth0.APIConfig) { c.TokenExtractors = list }).RequireTokenOrSession(e.Strategy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for _, tt := range []struct {
				authorization string
				status        int
			}{{"", 401}, {"Basic YTpi", 401}, {"Negotiate YTpi", 401}, {"NTLM", 401}, {"Bearertoken", 401}, {"Bearer", 400}, {"Bearer " + token, 200}} {
				r := httptest.NewRequest("POST", "/?access_token="+token, strings.NewReader("access_token="+token))
				r.Header.Set("Content-Type", testkit.FormType)
				r.Header.Set("Sec-WebSocket-Protocol", "bearer, "+token)
				r.Header.Set("Origin", "https://evil.example")
				r.AddCookie(&http.Cookie{Name: "token", Value: token})
				if tt.authorization != "" {
					r.Header.Set("Authorization", tt.authorization)
				}
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != tt.status {
					t.Errorf("%s, %.12q: %d, want %d", name, tt.authorization, w.Code, tt.status)
				}
			}
		}
	}
}

// The guards inside RequireTokenOrSession check the session's access token for the
// API.
func TestGuardsInsideTokenOrSession(t *testing.T) {
	t.Parallel()
	const other = "https://other.example/"
	clock := testkit.NewClock()
	scopes := []string{"openid", "profile", "email", "offline_access"}
	for _, tt := range []struct {
		why    string
		email  string
		edit   func(*auth0.Config)
		before func(e *testkit.Env)
		api    func(*auth0.APIConfig)
		status int
	}{
		{"has the permission", "ada@acme.example", nil, nil, nil, 200},
		{"has not", "bob@acme.example", nil, nil, nil, 403},
		{"token of another API", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) { c.Audience = other }, 403},
		{"no audience at the login", "ada@acme.example", func(c *auth0.Config) { c.Audience = "" }, nil, nil, 403},
		{"one of several audiences", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) { c.Audience, c.Audiences = other, []string{testkit.Audience} }, 200},
		{"expired, and refreshed", "ada@acme.example", func(c *auth0.Config) { c.Scopes = scopes }, func(*testkit.Env) { clock.Add(2 * 86400) }, nil, 200},
		{"expired for good", "ada@acme.example", nil, func(*testkit.Env) { clock.Add(2 * 86400) }, nil, 401},
		{"expired, and the tenant is down", "ada@acme.example", func(c *auth0.Config) { c.Scopes = scopes }, func(e *testkit.Env) { clock.Add(2 * 86400); e.Tenant.Fail(testkit.TokenEndpoint, 503) }, nil, 503},
		{"no keys", "ada@acme.example", nil, func(e *testkit.Env) { e.Tenant.Fail(testkit.JWKSEndpoint, 503) }, nil, 503},
		{"issuer that the API does not trust", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) { c.Domain = "else.auth0.example" }, 403},
		{"refused by Validate", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) {
			c.Validate = func(context.Context, *auth0.Token) error { return errors.New("no") }
		}, 403},
		{"Validate cannot decide", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) {
			c.Validate = func(context.Context, *auth0.Token) error { return context.DeadlineExceeded }
		}, 503},
		{"token of somebody else", "ada@acme.example", nil, nil, nil, 403},
	} {
		clock.At = time.Now()
		e := testkit.SignedInAt(t, testkit.TenantConfig{Host: testkit.TenantHost, Now: clock.Now}, func(c *auth0.Config) {
			c.Audience, c.Now, c.IdleTimeout = testkit.Audience, clock.Now, auth0.None
			if tt.edit != nil {
				tt.edit(c)
			}
		})
		e.SignInAtTenant(tt.email)
		if strings.Contains(tt.why, "somebody else") {
			e.Tenant.EditAccessToken(testkit.Claim("sub", "auth0|another"))
		}
		var got string
		validated := 0
		api := e.NewAPI(func(c *auth0.APIConfig) {
			c.Now = clock.Now
			c.Observer = func(_ context.Context, e auth0.Event) {
				if e.Kind != auth0.KeysFetched {
					validated++
				}
			}
			if tt.api != nil {
				tt.api(c)
			}
		})
		h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = principalOf(e.Strategy, r) })
		permission := api.RequirePermissions("read:protected")
		e.Mux.Handle("/inside", api.RequireTokenOrSession(e.Strategy)(api.RequireAuth(permission(h))))
		e.Mux.Handle("/optional", api.RequireTokenOrSession(e.Strategy)(api.OptionalAuth(h)))
		e.Mux.Handle("/outside", permission(api.RequireTokenOrSession(e.Strategy)(h)))
		b := e.Browser().MustLogin()
		if tt.before != nil {
			tt.before(e)
		}
		resp := b.Do("GET", "/inside", nil, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors")
		if resp.Status != tt.status || (got != "") != (tt.status == 200) || strings.Contains(got, "token auth0|") {
			t.Errorf("%s: %d, want %d; %q", tt.why, resp.Status, tt.status, got)
		}
		if tt.status == 200 && (!strings.HasPrefix(got, "user ") || validated != 1) {
			t.Errorf("%s: the handler sees %q, after %d checks", tt.why, got, validated)
		}
		// A guard outside reads no session.
		if resp := b.Do("GET", "/outside", nil); resp.Status != 401 {
			t.Errorf("%s, outside: %d", tt.why, resp.Status)
		}
		// A page for visitors needs no token of a session.
		got = ""
		if resp := b.Do("GET", "/optional", nil); resp.Status != 200 || !strings.HasPrefix(got, "user ") {
			t.Errorf("%s, optional: %d %q", tt.why, resp.Status, got)
		}
		// A bearer token passes both ways, if the guard accepts it.
		if tt.status == 200 {
			ada, _ := e.Tenant.Subject("ada@acme.example")
			bearer := "Bearer " + e.Tenant.AccessToken(ada, testkit.Audience)
			for _, path := range []string{"/inside", "/outside"} {
				if resp := b.Do("POST", path, nil, "Authorization", bearer, "Sec-Fetch-Site", "cross-site"); resp.Status != 200 || got != "token "+ada+", claims aud true email false" {
					t.Errorf("%s, token, %s: %d %q", tt.why, path, resp.Status, got)
				}
			}
		}
	}
	// RequireClaims checks the claims that Claims returns.
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	api := e.NewAPI()
	type claims struct {
		Email string `json:"email"`
	}
	e.Mux.Handle("/claims", api.RequireTokenOrSession(e.Strategy)(auth0.RequireClaims[claims](api)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := auth0.Claims[claims](r.Context())
		fmt.Fprint(w, c.Email, err)
	}))))
	type wrong struct {
		Email int `json:"email"`
	}
	e.Mux.Handle("/wrong", api.RequireTokenOrSession(e.Strategy)(auth0.RequireClaims[wrong](api)(http.NotFoundHandler())))
	b := e.Browser().MustLogin()
	if resp := b.Do("GET", "/claims", nil); resp.Body != "ada@acme.example<nil>" {
		t.Errorf("claims: %d %q", resp.Status, resp.Body)
	}
	if resp := b.Do("GET", "/wrong", nil); resp.Status != 401 {
		t.Errorf("claims of another form: %d", resp.Status)
	}
}

// Guards of an API that compare the organization and the authentication check the
// access token of a session too. So do guards of both kinds inside each other.
func TestConditionsInsideTokenOrSession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		edit   testkit.TokenEdit // of access tokens
		status int
		body   string // of a refusal
	}{
		{"both", func(_, c map[string]any) {
			c["org_id"], c["acr"], c["auth_time"] = "org_a", "strong", time.Now().Unix()
		}, 200, ""},
		{"other organization", func(_, c map[string]any) {
			c["org_id"], c["acr"], c["auth_time"] = "org_b", "strong", time.Now().Unix()
		}, 403,
			`{"error":"access_denied","error_description":"organization not allowed"}`},
		{"weak", func(_, c map[string]any) { c["org_id"], c["acr"], c["auth_time"] = "org_a", "weak", time.Now().Unix() }, 401,
			`{"error":"insufficient_user_authentication","error_description":"stronger authentication required"}`},
		{"old", func(_, c map[string]any) {
			c["org_id"], c["acr"], c["auth_time"] = "org_a", "strong", time.Now().Unix()-400
		}, 401,
			`{"error":"insufficient_user_authentication","error_description":"stronger authentication required"}`},
		{"neither", nil, 403, ""},
	} {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
		e.Tenant.EditAccessToken(tt.edit)
		api := e.NewAPI()
		var got string
		h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = principalOf(e.Strategy, r) })
		guards := func(h http.Handler) http.Handler {
			return api.RequireOrganization("org_a")(api.RequireStepUp(5*time.Minute, "strong")(api.RequirePermissions("read:protected")(h)))
		}
		e.Mux.Handle("/api", api.RequireTokenOrSession(e.Strategy)(guards(h)))
		e.Mux.Handle("/page", e.Strategy.RequireLogin(api.RequireTokenOrSession(e.Strategy)(guards(h))))
		e.Mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, testkit.Must(e.Strategy.AccessToken(w, r)).AccessToken)
		})
		b := e.Browser().MustLogin()
		token := []string{"Authorization", "Bearer " + b.Do("GET", "/token", nil, fetched...).Body}
		for path, header := range map[string][]string{"/api session": fetched, "/page session": fetched, "/api token": token} {
			target, principal, _ := strings.Cut(path, " ")
			got = ""
			var resp *testkit.Response
			if principal == "token" {
				resp = e.Browser().Do("GET", target, nil, header...)
			} else {
				resp = b.Do("GET", target, nil, header...)
			}
			if resp.Status != tt.status || (got != "") != (tt.status == 200) || tt.body != "" && resp.Body != tt.body {
				t.Errorf("%s, %s: %d %s, want %d; the handler sees %q", tt.why, path, resp.Status, resp.Body, tt.status, got)
			}
			if want := map[string]string{"session": "user ", "token": "token "}[principal]; tt.status == 200 && !strings.HasPrefix(got, want) {
				t.Errorf("%s, %s: the handler sees %q", tt.why, path, got)
			}
			if challenge := resp.Header.Get("WWW-Authenticate"); tt.status == 401 && !strings.Contains(challenge, `acr_values="strong", max_age="300"`) {
				t.Errorf("%s, %s: challenge %q", tt.why, path, challenge)
			}
		}
	}
	// A guard of pages inside reads sessions alone.
	e := testkit.SignedIn(t)
	api := e.NewAPI()
	ada, _ := e.Tenant.Subject("ada@acme.example")
	for name, guard := range map[string]func(http.Handler) http.Handler{
		"step-up": e.Strategy.RequireStepUp(5 * time.Minute), "organization": e.Strategy.RequireOrganization("org_a"), "login": e.Strategy.RequireLoginWith(auth0.WithUILocales("de")),
	} {
		h := api.RequireTokenOrSession(e.Strategy)(guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: a token has passed", name) })))
		r := httptest.NewRequest("GET", testkit.AppURL+"/", nil)
		r.Header.Set("Authorization", "Bearer "+e.Tenant.AccessToken(ada, testkit.Audience))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != `Session login="/auth/login"` {
			t.Errorf("%s: %d %q", name, w.Code, w.Header())
		}
	}
}

// A response is not kept by a shared cache if the request was authenticated by
// anything but the Authorization header.
func TestAuthenticatedResponsesAreNotShared(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	token := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	seen := http.Header{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen = w.Header().Clone() })
	all := []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromCookie("token"), auth0.FromQuery(), auth0.FromForm(), auth0.FromWebSocket(),
		auth0.FromFunc(func(r *http.Request) (string, error) { return r.Header.Get("X-Token"), nil })}
	for _, tt := range []struct {
		why     string
		request func() *http.Request
		control string // of RequireAuth
	}{
		{"header", func() *http.Request {
			return testkit.WithHeader(httptest.NewRequest("GET", "/", nil), "Authorization", "Bearer "+token)
		}, ""},
		{"cookie", func() *http.Request {
			return testkit.WithHeader(httptest.NewRequest("GET", "/", nil), "Cookie", "token="+token)
		}, "private, no-store"},
		{"query", func() *http.Request { return httptest.NewRequest("GET", "/?access_token="+token, nil) }, "private, no-store"},
		{"form", func() *http.Request { return testkit.FormRequest("POST", testkit.FormType, "access_token="+token) }, "private, no-store"},
		{"WebSocket", func() *http.Request {
			return testkit.WithHeader(httptest.NewRequest("GET", "/", nil), "Sec-WebSocket-Protocol", "bearer, "+token)
		}, "private, no-store"},
		{"own", func() *http.Request {
			return testkit.WithHeader(httptest.NewRequest("GET", "/", nil), "X-Token", token)
		}, "private, no-store"},
		{"nobody", func() *http.Request { return httptest.NewRequest("GET", "/", nil) }, ""},
	} {
		api := e.NewAPI(func(c *auth0.APIConfig) { c.TokenExtractors = all })
		for name, guarded := range map[string]http.Handler{"RequireAuth": api.RequireAuth(h), "OptionalAuth": api.OptionalAuth(h), "RequireScope": api.RequireAuth(api.OptionalAuth(h))} {
			seen = nil
			guarded.ServeHTTP(httptest.NewRecorder(), tt.request())
			if seen == nil {
				if tt.why != "nobody" || name == "OptionalAuth" {
					t.Errorf("%s, %s: not reached", name, tt.why)
				}
				continue
			}
			vary := strings.Join(seen.Values("Vary"), ", ")
			if seen.Get("Cache-Control") != tt.control || (tt.control != "" || name == "OptionalAuth") && vary != "Authorization, Cookie, Sec-WebSocket-Protocol" {
				t.Errorf("%s, %s: Cache-Control %q, Vary %q", name, tt.why, seen.Get("Cache-Control"), vary)
			}
		}
	}
	// Sessions, for any kind of request of a browser.
	b := e.Browser().MustLogin()
	e.Mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Del("Vary")
	})
	outer := e.App
	e.App = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if r.Header.Get("X-Strict") != "" {
			w.Header().Set("Cache-Control", "no-store")
		}
		outer.ServeHTTP(w, r)
	})
	for why, header := range map[string][]string{
		"script":      {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "script"},
		"image":       {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "image"},
		"accepts all": {"Accept", "*/*"},
		"same site":   {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Dest", "empty"},
		"prefetch":    {"Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch"},
		"page":        testkit.Navigation,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			for _, who := range []*testkit.Browser{b, e.Browser()} {
				resp := who.Do(method, "/", nil, header...)
				vary := strings.Join(resp.Header.Values("Vary"), ", ")
				if private := strings.HasPrefix(resp.Header.Get("Cache-Control"), "private"); private != (who == b) || vary != "Accept-Encoding, Cookie" {
					t.Errorf("%s, %s, logged in %v: Cache-Control %q, Vary %q", why, method, who == b, resp.Header.Get("Cache-Control"), vary)
				}
			}
		}
	}
	if got := b.Do("GET", "/", nil, "X-Strict", "1").Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("somebody outside is stricter, and it becomes %q", got)
	}
	if h := b.Do("GET", "/own", nil).Header; h.Get("Cache-Control") != "public, max-age=60" || h.Get("Vary") != "" {
		t.Errorf("the handler's own: %v", h)
	}
}

// A handshake is a GET, and the connection after it can do everything. With a cookie
// it must come from the site itself.
func TestHandshakesComeFromTheSite(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.BaseURLs = []string{"https://other.app.example"} })
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, principalOf(e.Strategy, r)) })
	api := e.NewAPI()
	guards := map[string]http.Handler{
		"RequireLogin": e.Strategy.RequireLogin(ok), "RequireSession": e.Strategy.RequireSession(ok),
		"RequireUser":           e.Strategy.RequireUser(func(auth0.User) bool { return true })(ok),
		"RequireUserClaim":      e.Strategy.RequireUserClaim("email", auth0.Equals("ada@acme.example"))(ok),
		"RequireTokenOrSession": api.RequireTokenOrSession(e.Strategy)(ok),
		"LoadUser":              e.Strategy.LoadUser(ok),
		"nothing":               ok,
	}
	cookies := e.Browser().MustLogin().Cookies
	upgrades := map[string]func(*http.Request){
		"WebSocket": func(r *http.Request) { r.Header.Set("Connection", "Upgrade"); r.Header.Set("Upgrade", "websocket") },
		"another":   func(r *http.Request) { r.Header.Set("Upgrade", "x") },
		"empty":     func(r *http.Request) { r.Header.Set("Upgrade", "") },
		"HTTP/2": func(r *http.Request) { // RFC 8441, as net/http has it
			r.Method, r.ProtoMajor = http.MethodConnect, 2
			r.Header[":protocol"] = []string{"websocket"}
		},
	}
	for _, tt := range []struct {
		why    string
		header http.Header
		ok     bool
	}{
		{"of ours", http.Header{"Origin": {testkit.AppURL}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"of ours, old browser", http.Header{"Origin": {testkit.AppURL}}, true},
		{"sibling", http.Header{"Origin": {"https://evil.app.example"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"another base URL", http.Header{"Origin": {"https://other.app.example"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"another site", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"the same host over http", http.Header{"Origin": {"http://app.example"}}, false},
		{"null", http.Header{"Origin": {"null"}}, false},
		{"two of them", http.Header{"Origin": {testkit.AppURL, "https://evil.example"}}, false},
		{"nothing said", http.Header{}, false},
	} {
		for protocol, upgrade := range upgrades {
			for name, h := range guards {
				r := httptest.NewRequest("GET", "/", nil)
				r.Host = "app.example"
				for name, value := range cookies {
					r.AddCookie(&http.Cookie{Name: name, Value: value})
				}
				for name, values := range tt.header {
					r.Header[name] = values
				}
				upgrade(r)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				known := strings.Contains(w.Body.String(), "session auth0|")
				open := slices.Contains([]string{"LoadUser", "nothing"}, name)
				if known != tt.ok || !tt.ok && !open && w.Code != 403 {
					t.Errorf("%s, %s, %s: %d %q", name, protocol, tt.why, w.Code, w.Body)
				}
			}
		}
	}
	// Without a session there is nothing to protect, and a browser sends no token by itself.
	for why, tt := range map[string]struct {
		header []string
		status int
	}{
		"anonymous": {[]string{"Origin", "https://evil.example"}, 401},
		"token":     {[]string{"Origin", "https://evil.example", "Authorization", "Bearer " + e.Tenant.AccessToken("ada@acme.example", testkit.Audience)}, 200},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "app.example"
		r.Header.Set("Upgrade", "websocket")
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		w := httptest.NewRecorder()
		if guards["RequireTokenOrSession"].ServeHTTP(w, r); w.Code != tt.status {
			t.Errorf("%s: %d, want %d", why, w.Code, tt.status)
		}
	}
	// A token in a cookie is no better than a session.
	token := e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	h := e.NewAPI(func(c *auth0.APIConfig) {
		c.TokenExtractors = []auth0.TokenExtractor{auth0.FromCookie("token"), auth0.FromWebSocket()}
	}).RequireAuth(ok)
	for why, tt := range map[string]struct {
		header []string
		status int
	}{
		"of ours":                     {[]string{"Origin", "https://api.example", "Cookie", "token=" + token}, 200},
		"of ours, behind a proxy":     {[]string{"Origin", "https://spa.example", "Sec-Fetch-Site", "same-origin", "Cookie", "token=" + token}, 200},
		"sibling":                     {[]string{"Origin", "https://evil.api.example", "Sec-Fetch-Site", "same-site", "Cookie", "token=" + token}, 403},
		"another site":                {[]string{"Origin", "https://evil.example", "Cookie", "token=" + token}, 403},
		"null":                        {[]string{"Origin", "null", "Cookie", "token=" + token}, 403},
		"nothing said":                {[]string{"Cookie", "token=" + token}, 403},
		"token of a script":           {[]string{"Origin", "https://evil.example", "Sec-WebSocket-Protocol", "bearer, " + token}, 200},
		"no handshake, another site":  {[]string{"Origin", "https://evil.example", "Cookie", "token=" + token, "Upgrade", ""}, 200},
		"the browser knows it better": {[]string{"Origin", "https://api.example", "Sec-Fetch-Site", "cross-site", "Cookie", "token=" + token}, 403},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "api.example"
		r.Header.Set("Upgrade", "websocket")
		for i := 0; i < len(tt.header); i += 2 {
			if r.Header.Set(tt.header[i], tt.header[i+1]); tt.header[i+1] == "" {
				r.Header.Del(tt.header[i])
			}
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != tt.status {
			t.Errorf("cookie, %s: %d, want %d", why, w.Code, tt.status)
		}
	}
}
