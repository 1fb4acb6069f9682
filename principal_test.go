package auth0_test

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
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

func (e *env) api(edit ...func(*auth0.APIConfig)) *auth0.API {
	e.t.Helper()
	c := auth0.APIConfig{Domain: tenantHost, Audience: testAudience, HTTPClient: e.cfg.HTTPClient, Logger: e.cfg.Logger}
	for _, f := range edit {
		f(&c)
	}
	a, err := auth0.NewAPI(c)
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

// Most handlers do not look at the method. None is reached without a token, however
// a request is dressed up.
func TestGuardsLetNobodyPassUnauthenticated(t *testing.T) {
	const secret = "the salary list"
	e := newEnv(t)
	api := e.api()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, secret) }))
	defer backend.Close()
	reached := 0
	var user, optional bool
	function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached++; fmt.Fprint(w, secret) })
	handlers := map[string]http.Handler{
		"file server":   http.FileServerFS(fstest.MapFS{"salaries.txt": {Data: []byte(secret)}}),
		"reverse proxy": httputil.NewSingleHostReverseProxy(must(url.Parse(backend.URL))),
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
		"RequireTokenOrSession":  api.RequireTokenOrSession(e.strategy),
		"optional, then a guard": func(h http.Handler) http.Handler { return api.OptionalAuth(api.RequireAuth(h)) },
		"RequireLogin":           e.strategy.RequireLogin,
		"RequireSession":         e.strategy.RequireSession,
		"RequireUser":            e.strategy.RequireUser(func(auth0.User) bool { return true }),
		"RequireUserClaim":       e.strategy.RequireUserClaim("a", auth0.Equals(true)),
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
	// Where visitors are let through, a preflight is one of them, and no more.
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
	// A good token is as good with OPTIONS.
	r.Header.Set("Authorization", "Bearer "+e.tenant.AccessToken("ada@acme.example", testAudience))
	w = httptest.NewRecorder()
	if api.RequireAuth(function).ServeHTTP(w, r); w.Code != 200 || reached != 1 {
		t.Errorf("with a token: %d", w.Code)
	}
}

// The document about an API is for scripts of every origin, whatever their headers.
func TestMetadataAnswersItsPreflight(t *testing.T) {
	f := newAPIFixture(t)
	for why, header := range map[string][]string{
		"one of its own": {"mcp-protocol-version"}, "authorization": {"authorization"}, "several": {"x-a, mcp-protocol-version"}, "none": nil,
	} {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.Header.Set("Origin", "https://inspector.example")
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header["Access-Control-Request-Headers"] = header
		w := httptest.NewRecorder()
		f.api.MetadataHandler().ServeHTTP(w, r)
		h := w.Header()
		if w.Code != 204 || w.Body.Len() != 0 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "*, Authorization" ||
			h.Get("Access-Control-Allow-Methods") != "GET, HEAD" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Access-Control-Max-Age") != "3600" {
			t.Errorf("%s: %d %v", why, w.Code, h)
		}
	}
}

// principalOf says who a handler sees, by every way that there is.
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

// One request has one principal, whatever is in it and however the guards stand.
func TestOneRequestHasOnePrincipal(t *testing.T) {
	e := newEnv(t, func(c *auth0.Config) { c.Audience = testAudience })
	api, s := e.api(), e.strategy
	fromCookie := e.api(func(c *auth0.APIConfig) {
		c.TokenExtractors = []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromCookie("token")}
	})
	cookies := e.browser().mustLogin().cookies
	ada, _ := e.tenant.Subject("ada@acme.example")
	bob, _ := e.tenant.Subject("bob@acme.example")
	token := e.tenant.AccessToken(bob, testAudience)
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
		{"RequireLogin inside RequireAuth, a page", api.RequireAuth(s.RequireLogin(h)), append([]string{"Authorization", "Bearer " + token}, asNavigation...), 401, ""},
		{"silent login inside RequireAuth, a page", api.RequireAuth(s.TrySilentLogin(h)), append([]string{"Authorization", "Bearer " + token}, asNavigation...), 200, byToken},
		{"token in a cookie inside LoadUser", s.LoadUser(fromCookie.RequireAuth(h)), []string{"Cookie", "token=" + token}, 200, byToken},
		{"token in a cookie, token or session", fromCookie.RequireTokenOrSession(s)(h), []string{"Cookie", "token=" + token}, 200, bySession},
		{"the same, with guards inside", fromCookie.RequireTokenOrSession(s)(fromCookie.RequireAuth(fromCookie.OptionalAuth(h))), []string{"Cookie", "token=" + token}, 200, bySession},
		{"two of them", api.RequireTokenOrSession(s)(api.RequireTokenOrSession(s)(h)), []string{"Authorization", "Bearer " + token}, 200, byToken},
		{"two of them, session", api.RequireTokenOrSession(s)(api.RequireTokenOrSession(s)(h)), nil, 200, bySession},
		{"two APIs, session", api.RequireTokenOrSession(s)(fromCookie.RequireTokenOrSession(s)(api.RequireAuth(h))), nil, 200, bySession},
		{"token of one API, session of the other", fromCookie.RequireAuth(api.RequireTokenOrSession(s)(h)), []string{"Cookie", "token=" + token}, 401, ""},
		// A guard outside took the token from a cookie.
		{"cookie, POST of ours", fromCookie.RequireAuth(fromCookie.RequireTokenOrSession(s)(h)), []string{"Cookie", "token=" + token, "Origin", appBase, "", "POST"}, 200, byToken},
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

// The token path reads the Authorization header alone, and what is not Bearer is no
// token: then it is the session that counts, and where the request comes from.
func TestTokenOrSessionReadsTheHeaderAlone(t *testing.T) {
	e := newEnv(t)
	token := e.tenant.AccessToken("ada@acme.example", testAudience)
	for name, extractor := range map[string]auth0.TokenExtractor{
		"cookie": auth0.FromCookie("token"), "query": auth0.FromQuery(), "form": auth0.FromForm(), "WebSocket": auth0.FromWebSocket(),
		"own": auth0.FromFunc(func(*http.Request) (string, error) { return token, nil }),
	} {
		for _, list := range [][]auth0.TokenExtractor{{extractor}, {auth0.FromHeader(), extractor}} {
			h := e.api(func(c *auth0.APIConfig) { c.TokenExtractors = list }).RequireTokenOrSession(e.strategy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for _, tt := range []struct {
				authorization string
				status        int
			}{{"", 401}, {"Basic YTpi", 401}, {"Negotiate YTpi", 401}, {"NTLM", 401}, {"Bearertoken", 401}, {"Bearer", 400}, {"Bearer " + token, 200}} {
				r := httptest.NewRequest("POST", "/?access_token="+token, strings.NewReader("access_token="+token))
				r.Header.Set("Content-Type", formType)
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

// The guards inside RequireTokenOrSession ask the access token that the session has
// for the API.
func TestGuardsInsideTokenOrSession(t *testing.T) {
	const other = "https://other.example/"
	clock := newClock()
	scopes := []string{"openid", "profile", "email", "offline_access"}
	for _, tt := range []struct {
		why    string
		email  string
		edit   func(*auth0.Config)
		before func(e *env)
		api    func(*auth0.APIConfig)
		status int
	}{
		{"has the permission", "ada@acme.example", nil, nil, nil, 200},
		{"has not", "bob@acme.example", nil, nil, nil, 403},
		{"token of another API", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) { c.Audience = other }, 403},
		{"no audience at the login", "ada@acme.example", func(c *auth0.Config) { c.Audience = "" }, nil, nil, 403},
		{"one of several audiences", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) { c.Audience, c.Audiences = other, []string{testAudience} }, 200},
		{"expired, and refreshed", "ada@acme.example", func(c *auth0.Config) { c.Scopes = scopes }, func(*env) { clock.add(2 * 86400) }, nil, 200},
		{"expired for good", "ada@acme.example", nil, func(*env) { clock.add(2 * 86400) }, nil, 401},
		{"expired, and the tenant is down", "ada@acme.example", func(c *auth0.Config) { c.Scopes = scopes }, func(e *env) { clock.add(2 * 86400); e.tenant.Fail(emulator.Token, 503) }, nil, 502},
		{"no keys", "ada@acme.example", nil, func(e *env) { e.tenant.Fail(emulator.JWKS, 503) }, nil, 503},
		{"issuer that the API does not trust", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) { c.Domain = "else.auth0.example" }, 403},
		{"refused by Validate", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) {
			c.Validate = func(context.Context, *auth0.Token) error { return errors.New("no") }
		}, 403},
		{"Validate cannot decide", "ada@acme.example", nil, nil, func(c *auth0.APIConfig) {
			c.Validate = func(context.Context, *auth0.Token) error { return context.DeadlineExceeded }
		}, 503},
		{"token of somebody else", "ada@acme.example", nil, nil, nil, 403},
	} {
		clock.at = time.Now()
		e := newEnvOf(t, emulator.Config{Host: tenantHost, Now: clock.now}, func(c *auth0.Config) {
			c.Audience, c.Now, c.IdleTimeout = testAudience, clock.now, auth0.None
			if tt.edit != nil {
				tt.edit(c)
			}
		})
		e.as(tt.email)
		if strings.Contains(tt.why, "somebody else") {
			e.tenant.EditAccessToken(func(_, c map[string]any) { c["sub"] = "auth0|another" })
		}
		var got string
		validated := 0
		api := e.api(func(c *auth0.APIConfig) {
			c.Now = clock.now
			c.Observer = auth0.Observer{Token: func(context.Context, auth0.TokenEvent) { validated++ }}
			if tt.api != nil {
				tt.api(c)
			}
		})
		h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = principalOf(e.strategy, r) })
		permission := api.RequirePermissions("read:protected")
		e.mux.Handle("/inside", api.RequireTokenOrSession(e.strategy)(api.RequireAuth(permission(h))))
		e.mux.Handle("/optional", api.RequireTokenOrSession(e.strategy)(api.OptionalAuth(h)))
		e.mux.Handle("/outside", permission(api.RequireTokenOrSession(e.strategy)(h)))
		b := e.browser().mustLogin()
		if tt.before != nil {
			tt.before(e)
		}
		resp := b.do("GET", "/inside", nil, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors")
		if resp.status != tt.status || (got != "") != (tt.status == 200) || strings.Contains(got, "token auth0|") {
			t.Errorf("%s: %d, want %d; %q", tt.why, resp.status, tt.status, got)
		}
		if tt.status == 200 && (!strings.HasPrefix(got, "user ") || validated != 1) {
			t.Errorf("%s: the handler sees %q, after %d checks", tt.why, got, validated)
		}
		// A guard outside knows no session.
		if resp := b.do("GET", "/outside", nil); resp.status != 401 {
			t.Errorf("%s, outside: %d", tt.why, resp.status)
		}
		// What visitors may see asks no token of a session.
		got = ""
		if resp := b.do("GET", "/optional", nil); resp.status != 200 || !strings.HasPrefix(got, "user ") {
			t.Errorf("%s, optional: %d %q", tt.why, resp.status, got)
		}
		// A token passes either way, if it may.
		if tt.status == 200 {
			ada, _ := e.tenant.Subject("ada@acme.example")
			bearer := "Bearer " + e.tenant.AccessToken(ada, testAudience)
			for _, path := range []string{"/inside", "/outside"} {
				if resp := b.do("POST", path, nil, "Authorization", bearer, "Sec-Fetch-Site", "cross-site"); resp.status != 200 || got != "token "+ada+", claims aud true email false" {
					t.Errorf("%s, token, %s: %d %q", tt.why, path, resp.status, got)
				}
			}
		}
	}
	// What RequireClaims checks is what Claims returns.
	e := newEnv(t, func(c *auth0.Config) { c.Audience = testAudience })
	api := e.api()
	type claims struct {
		Email string `json:"email"`
	}
	e.mux.Handle("/claims", api.RequireTokenOrSession(e.strategy)(auth0.RequireClaims[claims](api)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := auth0.Claims[claims](r.Context())
		fmt.Fprint(w, c.Email, err)
	}))))
	type wrong struct {
		Email int `json:"email"`
	}
	e.mux.Handle("/wrong", api.RequireTokenOrSession(e.strategy)(auth0.RequireClaims[wrong](api)(http.NotFoundHandler())))
	b := e.browser().mustLogin()
	if resp := b.do("GET", "/claims", nil); resp.body != "ada@acme.example<nil>" {
		t.Errorf("claims: %d %q", resp.status, resp.body)
	}
	if resp := b.do("GET", "/wrong", nil); resp.status != 401 {
		t.Errorf("claims of another form: %d", resp.status)
	}
}

// Who was authenticated by anything but the Authorization header gets a response that
// no shared cache keeps.
func TestAuthenticatedResponsesAreNotShared(t *testing.T) {
	e := newEnv(t)
	token := e.tenant.AccessToken("ada@acme.example", testAudience)
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
			return withHeader(httptest.NewRequest("GET", "/", nil), "Authorization", "Bearer "+token)
		}, ""},
		{"cookie", func() *http.Request {
			return withHeader(httptest.NewRequest("GET", "/", nil), "Cookie", "token="+token)
		}, "private, no-store"},
		{"query", func() *http.Request { return httptest.NewRequest("GET", "/?access_token="+token, nil) }, "private, no-store"},
		{"form", func() *http.Request { return formRequest("POST", formType, "access_token="+token) }, "private, no-store"},
		{"WebSocket", func() *http.Request {
			return withHeader(httptest.NewRequest("GET", "/", nil), "Sec-WebSocket-Protocol", "bearer, "+token)
		}, "private, no-store"},
		{"own", func() *http.Request { return withHeader(httptest.NewRequest("GET", "/", nil), "X-Token", token) }, "private, no-store"},
		{"nobody", func() *http.Request { return httptest.NewRequest("GET", "/", nil) }, ""},
	} {
		api := e.api(func(c *auth0.APIConfig) { c.TokenExtractors = all })
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
	// Sessions, whatever a browser fetches with them.
	b := e.browser().mustLogin()
	e.mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Del("Vary")
	})
	outer := e.app
	e.app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		"page":        asNavigation,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			for _, who := range []*browser{b, e.browser()} {
				resp := who.do(method, "/", nil, header...)
				vary := strings.Join(resp.header.Values("Vary"), ", ")
				if private := strings.HasPrefix(resp.header.Get("Cache-Control"), "private"); private != (who == b) || vary != "Accept-Encoding, Cookie" {
					t.Errorf("%s, %s, logged in %v: Cache-Control %q, Vary %q", why, method, who == b, resp.header.Get("Cache-Control"), vary)
				}
			}
		}
	}
	if got := b.do("GET", "/", nil, "X-Strict", "1").header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("somebody outside is stricter, and it becomes %q", got)
	}
	if h := b.do("GET", "/own", nil).header; h.Get("Cache-Control") != "public, max-age=60" || h.Get("Vary") != "" {
		t.Errorf("the handler's own: %v", h)
	}
}

// A handshake is a GET, and what follows can do everything. With a cookie it must come
// from the site itself.
func TestHandshakesComeFromTheSite(t *testing.T) {
	e := newEnv(t, func(c *auth0.Config) { c.BaseURLs = []string{"https://other.app.example"} })
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, principalOf(e.strategy, r)) })
	api := e.api()
	guards := map[string]http.Handler{
		"RequireLogin": e.strategy.RequireLogin(ok), "RequireSession": e.strategy.RequireSession(ok),
		"RequireUser":           e.strategy.RequireUser(func(auth0.User) bool { return true })(ok),
		"RequireUserClaim":      e.strategy.RequireUserClaim("email", auth0.Equals("ada@acme.example"))(ok),
		"RequireTokenOrSession": api.RequireTokenOrSession(e.strategy)(ok),
		"LoadUser":              e.strategy.LoadUser(ok),
		"nothing":               ok,
	}
	cookies := e.browser().mustLogin().cookies
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
		{"of ours", http.Header{"Origin": {appBase}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"of ours, old browser", http.Header{"Origin": {appBase}}, true},
		{"sibling", http.Header{"Origin": {"https://evil.app.example"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"another base URL", http.Header{"Origin": {"https://other.app.example"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"another site", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"the same host over http", http.Header{"Origin": {"http://app.example"}}, false},
		{"null", http.Header{"Origin": {"null"}}, false},
		{"two of them", http.Header{"Origin": {appBase, "https://evil.example"}}, false},
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
	// Without a session there is nothing to protect, and a token comes from no browser by itself.
	for why, tt := range map[string]struct {
		header []string
		status int
	}{
		"anonymous": {[]string{"Origin", "https://evil.example"}, 401},
		"token":     {[]string{"Origin", "https://evil.example", "Authorization", "Bearer " + e.tenant.AccessToken("ada@acme.example", testAudience)}, 200},
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
	token := e.tenant.AccessToken("ada@acme.example", testAudience)
	h := e.api(func(c *auth0.APIConfig) {
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
