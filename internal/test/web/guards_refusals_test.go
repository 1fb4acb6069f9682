package web_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// tableOfRefusals reads the rows of the table, so that a new one is walked too.
func tableOfRefusals(t *testing.T) map[string]*auth0.Error {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../refusal/refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]*auth0.Error{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		row, ok := spec.Values[0].(*ast.CompositeLit)
		if !ok {
			return true
		}
		if kind, ok := row.Type.(*ast.Ident); !ok || kind.Name != "Row" {
			return true
		}
		var cells []string
		for _, cell := range row.Elts {
			literal, ok := cell.(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is not made of literals", spec.Names[0].Name)
			}
			text := literal.Value
			if unquoted, err := strconv.Unquote(text); err == nil {
				text = unquoted
			}
			cells = append(cells, text)
		}
		status, err := strconv.Atoi(cells[0])
		if err != nil || status < 400 {
			t.Errorf("%s has the status %s", spec.Names[0].Name, cells[0])
		}
		if (cells[1] == "temporarily_unavailable") != (status == http.StatusServiceUnavailable) {
			t.Errorf("%s: %s with the status %d; an outage is 503, and nothing else is", spec.Names[0].Name, cells[1], status)
		}
		rows[spec.Names[0].Name] = &auth0.Error{Status: status, Code: cells[1], Reason: cells[2], Description: cells[3]}
		return true
	})
	if len(rows) < 60 {
		t.Fatalf("%d rows found", len(rows))
	}
	return rows
}

// A walk is every guard and every route, set up so that each rejects the request.
type walk struct {
	err    error // of every hook and of the store
	called bool  // the handler behind the guard
	routes map[string]func() (http.Handler, *http.Request)
}

func (w *walk) ServeHTTP(http.ResponseWriter, *http.Request) { w.called = true }

// walkClaims fail with the error of the walk of their request.
type walkClaims struct{}

type walkKey struct{}

func (walkClaims) Validate(ctx context.Context) error { return ctx.Value(walkKey{}).(*walk).err }

func newWalk(t *testing.T, handler func(http.ResponseWriter, *http.Request, *auth0.Error)) *walk {
	t.Helper()
	w := &walk{}
	hook := func(c *auth0.APIConfig) { c.Validate = func(context.Context, *auth0.Token) error { return w.err } }
	api := func(e *testkit.Env, edit ...func(*auth0.APIConfig)) *auth0.API {
		c := auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, HTTPClient: e.Config.HTTPClient, Logger: e.Config.Logger, ErrorHandler: handler}
		for _, f := range edit {
			f(&c)
		}
		a, err := auth0.NewAPI(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Warm(t.Context()); err != nil && c.Domain != "" {
			t.Fatal(err)
		}
		return a
	}
	store := &testkit.HalfStore{Store: auth0.NewMemoryStore(1000)}
	e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store, c.Audience, c.ErrorHandler = store, testkit.Audience, handler })
	s := e.Strategy
	cookies := e.Browser().MustLogin().Cookies
	bearer := "Bearer " + e.Tenant.AccessToken("ada@acme.example", testkit.Audience)
	e.Tenant.EditAccessToken(testkit.Header("alg", "HS256")) // those of rejected logins, which are not verified
	request := func(method, path string, header ...string) *http.Request {
		r := httptest.NewRequest(method, path, nil)
		r.Host = "app.example"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	withCookies := func(r *http.Request) *http.Request {
		for name, value := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		return r
	}
	w.routes = map[string]func() (http.Handler, *http.Request){}
	add := func(name string, h http.Handler, r func() *http.Request) {
		w.routes[name] = func() (http.Handler, *http.Request) { return h, r() }
	}

	// APIs: the hook rejects, there is no token, the token is forged, and a scope is
	// missing.
	checked, plain := api(e, hook), api(e)
	encode := base64.RawURLEncoding.EncodeToString
	strange := "Bearer " + encode([]byte(`{"alg":"RS256","kid":"nobody"}`)) + "." + encode(fmt.Appendf(nil,
		`{"iss":"https://%s/","sub":"admin","aud":%q,"exp":%d}`, testkit.TenantHost, testkit.Audience, time.Now().Unix()+99)) + ".AAAA"
	for name, guard := range map[string]func(*auth0.API) func(http.Handler) http.Handler{
		"RequireAuth":          func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireAuth },
		"OptionalAuth":         func(a *auth0.API) func(http.Handler) http.Handler { return a.OptionalAuth },
		"RequireScope":         func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireScope("none") },
		"RequireAnyScope":      func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireAnyScope("none") },
		"RequirePermissions":   func(a *auth0.API) func(http.Handler) http.Handler { return a.RequirePermissions("none") },
		"RequireAnyPermission": func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireAnyPermission("none") },
		"RequireOrganization":  func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireOrganization("none") },
		"RequireStepUp":        func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireStepUp(0, "none") },
		"RequireClaim":         func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireClaim("x", auth0.Equals("y")) },
		"RequireClaims":        func(a *auth0.API) func(http.Handler) http.Handler { return auth0.RequireClaims[walkClaims](a) },
		"Require": func(a *auth0.API) func(http.Handler) http.Handler {
			return a.Require(func(context.Context, *auth0.Token) error { return w.err })
		},
		"RequireTokenOrSession": func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireTokenOrSession(s) },
		"unusable":              func(a *auth0.API) func(http.Handler) http.Handler { return a.RequireScope() },
	} {
		for _, tt := range []struct {
			why    string
			api    *auth0.API
			header []string
		}{
			{"hook", checked, []string{"Authorization", bearer}},
			{"good token", plain, []string{"Authorization", bearer}},
			{"no token", plain, nil},
			{"malformed header", plain, []string{"Authorization", "Bearer"}},
			{"unknown kid", plain, []string{"Authorization", strange}},
			{"preflight", plain, []string{"Origin", "https://spa.example", "Access-Control-Request-Method", "GET"}},
			{"not made by NewAPI", &auth0.API{}, []string{"Authorization", bearer}},
		} {
			method := "GET"
			if tt.why == "preflight" {
				method = "OPTIONS"
			}
			add(name+": "+tt.why, guard(tt.api)(w), func() *http.Request { return request(method, "/", tt.header...) })
		}
	}
	add("FromFunc", api(e, func(c *auth0.APIConfig) {
		c.TokenExtractors = []auth0.TokenExtractor{auth0.FromFunc(func(*http.Request) (string, error) { return "", w.err })}
	}).RequireAuth(w), func() *http.Request { return request("GET", "/") })
	add("ResolveIssuer", api(e, func(c *auth0.APIConfig) {
		c.Domain, c.ResolveIssuer = "", func(context.Context, string) (*auth0.Issuer, error) { return nil, w.err }
	}).RequireAuth(w), func() *http.Request { return request("GET", "/", "Authorization", bearer) })
	add("metadata", plain.MetadataHandler(), func() *http.Request { return request("POST", "/") })

	// Sessions: the store fails, there is no session, a handshake is from another site.
	agree := func(auth0.User) bool { return false }
	for name, h := range map[string]http.Handler{
		"RequireLogin":          s.RequireLogin(w),
		"RequireSession":        s.RequireSession(w),
		"RequireUser":           s.RequireUser(agree)(w),
		"RequireUserClaim":      s.RequireUserClaim("x", auth0.Equals("y"))(w),
		"step-up":               s.RequireStepUp(time.Minute)(w),
		"organization":          s.RequireOrganization("org_a")(w),
		"organizations":         s.RequireOrganization("org_a", "org_b")(w),
		"login with options":    s.RequireLoginWith(auth0.WithMaxAge(time.Minute))(w),
		"step-up, unusable":     s.RequireStepUp(0)(w),
		"step-up, not by New":   (&auth0.Strategy{}).RequireStepUp(time.Minute)(w),
		"LoadUser outside":      s.LoadUser(s.RequireSession(w)),
		"token or session":      plain.RequireTokenOrSession(s)(w),
		"permission inside":     plain.RequireTokenOrSession(s)(plain.RequirePermissions("none")(w)),
		"claims inside":         plain.RequireTokenOrSession(s)(auth0.RequireClaims[walkClaims](plain)(w)),
		"hook inside":           checked.RequireTokenOrSession(s)(checked.RequireAuth(w)),
		"login, not by New":     (&auth0.Strategy{}).RequireLogin(w),
		"LoadUser, not by New":  (&auth0.Strategy{}).LoadUser(w),
		"silent, not by New":    (&auth0.Strategy{}).TrySilentLogin(w),
		"or session, not New":   plain.RequireTokenOrSession(&auth0.Strategy{})(w),
		"callback, not by New":  (&auth0.Strategy{}).CallbackHandler(),
		"backchannel, not New":  (&auth0.Strategy{}).BackchannelLogoutHandler(),
		"login that cannot":     s.LoginHandler(auth0.WithOrganization("\n")),
		"logout that cannot":    s.LogoutHandler(auth0.WithLogoutParam("client_id", "x")),
		"connect":               s.RequireLogin(s.ConnectAccountHandler()),
		"connect without guard": s.ConnectAccountHandler(),
		"backchannel":           s.BackchannelLogoutHandler(),
	} {
		page := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}
		for why, r := range map[string]func() *http.Request{
			"script":               func() *http.Request { return withCookies(request("GET", "/")) },
			"page":                 func() *http.Request { return withCookies(request("GET", "/", page...)) },
			"form":                 func() *http.Request { return withCookies(request("POST", "/", "Origin", testkit.AppURL)) },
			"form of another site": func() *http.Request { return withCookies(request("POST", "/", "Origin", "https://evil.example")) },
			"script, anonymous":    func() *http.Request { return request("GET", "/") },
			"handshake from outside": func() *http.Request {
				return withCookies(request("GET", "/", "Upgrade", "websocket", "Origin", "https://evil.example"))
			},
		} {
			add(name+": "+why, h, func() *http.Request {
				store.FailWith(w.err)
				return r()
			})
		}
	}

	// Logins: a hook rejects at the end.
	for name, edit := range map[string]func(*auth0.Config){
		"AfterLogin":        func(c *auth0.Config) { c.AfterLogin = func(context.Context, *auth0.Login) error { return w.err } },
		"CheckOrganization": func(c *auth0.Config) { c.CheckOrganization = func(context.Context, string) error { return w.err } },
		"AfterLogin in a pop-up": func(c *auth0.Config) {
			c.LoginOptions = []auth0.LoginOption{auth0.WithPopup(testkit.AppURL)}
			c.AfterLogin = func(context.Context, *auth0.Login) error { return w.err }
		},
	} {
		w.routes[name] = func() (http.Handler, *http.Request) {
			e := testkit.SignedIn(t, edit, func(c *auth0.Config) { c.ErrorHandler = handler })
			e.Tenant.EditIDToken(testkit.Claim("org_id", "org_1"))
			b := e.Browser()
			u := b.AtTenant(b.Begin("/auth/login"))
			r := request("GET", u.RequestURI(), "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
			for name, value := range b.Cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			return e.Strategy.CallbackHandler(), r
		}
	}
	return w
}

// check serves one request. A caller that was rejected must see that.
func (w *walk) check(t *testing.T, why, name string, ctx context.Context) {
	t.Helper()
	h, r := w.routes[name]()
	w.called = false
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(context.WithValue(ctx, walkKey{}, w)))
	toLogin := rec.Code == http.StatusFound && strings.HasPrefix(rec.Header().Get("Location"), "/auth/login")
	switch {
	case w.called:
		if w.err != nil && strings.Contains(name, "hook") {
			t.Errorf("%s, %s: the handler was called", name, why)
		}
	case rec.Code < 400 && !toLogin:
		t.Errorf("%s, %s: status %d %v, and the handler was not called", name, why, rec.Code, rec.Header())
	case !strings.Contains(rec.Header().Get("Cache-Control"), "no-store"):
		t.Errorf("%s, %s: status %d, Cache-Control %q", name, why, rec.Code, rec.Header().Get("Cache-Control"))
	}
}

// A guard that has not called the next handler has written a status of 400 or more,
// with no-store, for every cause and every state of the request.
func TestEveryRefusalIsWritten(t *testing.T) {
	t.Parallel()
	rows := tableOfRefusals(t)
	contexts := map[string]func() (context.Context, func()){
		"live": func() (context.Context, func()) { return context.WithCancel(t.Context()) },
		"canceled": func() (context.Context, func()) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, cancel
		},
		"canceled for a reason": func() (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("the server is shutting down"))
			return ctx, func() { cancel(nil) }
		},
		"too late": func() (context.Context, func()) { return context.WithDeadline(t.Context(), time.Unix(1, 0)) },
	}
	handlers := map[string]func(http.ResponseWriter, *http.Request, *auth0.Error){
		"":                       nil,
		"writes nothing":         func(http.ResponseWriter, *http.Request, *auth0.Error) {},
		"writes a body alone":    func(w http.ResponseWriter, _ *http.Request, _ *auth0.Error) { fmt.Fprint(w, "sorry") },
		"flushes":                func(w http.ResponseWriter, _ *http.Request, _ *auth0.Error) { http.NewResponseController(w).Flush() },
		"flushes as one used to": func(w http.ResponseWriter, _ *http.Request, _ *auth0.Error) { w.(http.Flusher).Flush() },
	}
	for handled, handler := range handlers {
		w := newWalk(t, handler)
		for state, begin := range contexts {
			ctx, end := begin()
			for name := range w.routes {
				slow := strings.HasPrefix(name, "AfterLogin") || name == "CheckOrganization" // a whole login each
				if handled != "" && (slow || state != "live" && state != "canceled") {
					continue
				}
				errs := map[string]error{"nil": nil, "plain": errors.New("no"), "canceled": fmt.Errorf("x: %w", context.Canceled), "deadline": context.DeadlineExceeded}
				if handled == "" && !slow && (state == "live" || state == "canceled") || slow && state == "canceled" && name == "AfterLogin" {
					for row, e := range rows {
						errs[row] = e
					}
				}
				for why, err := range errs {
					if slow && err == nil {
						continue // nothing is rejected
					}
					if err == nil && slices.Contains([]string{"step-up: page", "organization: page", "login with options: page"}, name) {
						continue // it is a login
					}
					w.err = err
					w.check(t, fmt.Sprintf("%s, %s %s", why, state, handled), name, ctx)
				}
			}
			end()
		}
	}
}

// The response has the status that a handler of the application chooses.
func TestErrorHandlerChoosesTheStatus(t *testing.T) {
	t.Parallel()
	for why, tt := range map[string]struct {
		handler func(http.ResponseWriter, *http.Request, *auth0.Error)
		status  int
		body    string
	}{
		"another status": {func(w http.ResponseWriter, _ *http.Request, _ *auth0.Error) { w.WriteHeader(418); fmt.Fprint(w, "tea") }, 418, "tea"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request, _ *auth0.Error) {
			http.Redirect(w, r, "/sorry", http.StatusSeeOther)
		}, 303, ""},
		"early hints first": {func(w http.ResponseWriter, _ *http.Request, _ *auth0.Error) {
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprint(w, "body")
		}, 401, "body"},
		"nothing": {func(http.ResponseWriter, *http.Request, *auth0.Error) {}, 401, `{"error":"unauthorized","error_description":"authentication required"}`},
	} {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.ErrorHandler = tt.handler })
		server := httptest.NewServer(f.API.RequireAuth(f))
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Post(server.URL, "", nil) // http.Redirect writes no body for POST
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != tt.status || string(body) != tt.body {
			t.Errorf("%s: %d %q, want %d %q", why, resp.StatusCode, body, tt.status, tt.body)
		}
		server.Close()
	}
	// A hijacked connection is left alone.
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ *auth0.Error) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
			conn.Close()
		}
	})
	done := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.API.RequireAuth(f).ServeHTTP(w, r)
		close(done)
	}))
	var log testkit.Log
	server.Config.ErrorLog = stdlog.New(&log, "", 0)
	server.Start()
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil || resp.StatusCode != 410 {
		t.Errorf("%v, %v", resp, err)
	}
	<-done
	if log.String() != "" {
		t.Errorf("written after the connection was taken over: %s", log.String())
	}
}

// Only the context of the request can tell that it was canceled. A function or a
// store of the application that reports a canceled context has failed. So has one
// that was too slow: whether the request is good is unknown.
func TestHooksThatCannotDecide(t *testing.T) {
	t.Parallel()
	unsure := map[string]error{
		"canceled":        fmt.Errorf("pool: %w", context.Canceled),
		"deadline":        fmt.Errorf("x: %w", context.DeadlineExceeded),
		"timeout":         &url.Error{Op: "Get", URL: "http://x", Err: errTimeout{}},
		"connection":      fmt.Errorf("x: %w", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}),
		"lookup":          &url.Error{Op: "Get", URL: "http://x", Err: &net.DNSError{Err: "no such host", IsNotFound: true}},
		"store":           fmt.Errorf("x: %w", auth0.ErrStoreUnavailable),
		"keys":            auth0.ErrKeysUnavailable,
		"tenant":          auth0.ErrTenantUnavailable,
		"chosen":          &auth0.Error{Status: 503, Reason: "list_down", RetryAfter: 5 * time.Second},
		"chosen, wrapped": fmt.Errorf("x: %w", &auth0.Error{Status: 503, Reason: "list_down", RetryAfter: 5 * time.Second}),
	}
	var answer error
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Validate = func(context.Context, *auth0.Token) error { return answer }
	})
	own := testkit.NewAPIEnv(t, testkit.Sources(auth0.FromFunc(func(*http.Request) (string, error) { return "", answer })))
	other := testkit.NewAPIEnv(t)
	w := &walk{}
	for name, guard := range map[string]struct {
		h     http.Handler
		plain int // the status for an error that says nothing else
	}{
		"Validate":      {f.API.RequireAuth(f), 401},
		"Require":       {other.API.Require(func(context.Context, *auth0.Token) error { return answer })(other), 403},
		"RequireClaims": {auth0.RequireClaims[walkClaims](other.API)(other), 401},
		"FromFunc":      {own.API.RequireAuth(own), 400},
	} {
		serve := func(err error) *httptest.ResponseRecorder {
			answer, w.err = err, err
			rec := httptest.NewRecorder()
			r := testkit.BearerRequest(testkit.GoodToken())
			guard.h.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), walkKey{}, w)))
			return rec
		}
		for why, err := range unsure {
			if rec := serve(err); rec.Code != 503 || rec.Header().Get("Retry-After") != "5" || rec.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%s, %s: %d %v", name, why, rec.Code, rec.Header())
			}
		}
		for why, tt := range map[string]struct {
			err    error
			status int
		}{"plain": {errors.New("SECRET"), guard.plain}, "forbidden": {auth0.ErrForbidden, 403}, "chosen": {&auth0.Error{Status: 418}, 418}} {
			if rec := serve(tt.err); rec.Code != tt.status || strings.Contains(rec.Body.String(), "SECRET") {
				t.Errorf("%s, %s: %d, want %d", name, why, rec.Code, tt.status)
			}
		}
	}
	// AfterLogin has no other way to end a login than an error.
	for why, err := range unsure {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.AfterLogin = func(context.Context, *auth0.Login) error { return err } })
		if resp := e.Browser().Login("/auth/login"); resp.Status != 503 || resp.Header.Get("Retry-After") != "5" || strings.Contains(resp.Body, "not allowed") {
			t.Errorf("AfterLogin, %s: %d %q", why, resp.Status, resp.Body)
		}
	}
	// The log calls an outage an outage.
	store := &testkit.HalfStore{Store: auth0.NewMemoryStore(10)}
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
	b := e.Browser().MustLogin()
	store.FailWith(fmt.Errorf("pool: %w", context.Canceled))
	if resp := b.Page("/private"); resp.Status != 503 || strings.Contains(e.Log.String(), "reason=canceled") || !strings.Contains(e.Log.String(), "level=WARN msg=\"auth0: refused\" op=session status=503") {
		t.Errorf("%d; log:\n%s", resp.Status, e.Log)
	}
}

type errTimeout struct{}

func (errTimeout) Error() string   { return "i/o timeout" }
func (errTimeout) Timeout() bool   { return true }
func (errTimeout) Temporary() bool { return true }
