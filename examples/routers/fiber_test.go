package routers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	fiber2 "github.com/gofiber/fiber/v2"
	adaptor2 "github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// A framework runs net/http middleware, and then a function with the handler's context.
type framework func(handler func(context.Context), middleware ...func(http.Handler) http.Handler) http.Handler

var frameworks = map[string]framework{
	"fiber 2": func(handler func(context.Context), middleware ...func(http.Handler) http.Handler) http.Handler {
		app := fiber2.New()
		for _, m := range middleware {
			app.Use(adaptor2.HTTPMiddleware(m))
		}
		app.Get("/", func(c *fiber2.Ctx) error { handler(c.Context()); return nil })
		return adaptor2.FiberApp(app)
	},
	"fiber 3": func(handler func(context.Context), middleware ...func(http.Handler) http.Handler) http.Handler {
		app := fiber.New()
		for _, m := range middleware {
			app.Use(adaptor.HTTPMiddleware(m))
		}
		app.Get("/", func(c fiber.Ctx) error { handler(c.RequestCtx()); return nil })
		return adaptor.FiberApp(app)
	},
}

// TestFiberFindsThePrincipal: behind the adaptors, which copy context values, a handler
// finds the same principal as in net/http. A request has one principal.
func TestFiberFindsThePrincipal(t *testing.T) {
	tenant, strategy, api := setup()
	cookies := login(t, tenant, strategy)
	read := tenant.AccessToken(auth0test.Subject("auth0|grace"), auth0test.Permissions("read:protected"))
	with := func(token string, cookies []*http.Cookie) *http.Request {
		r := httptest.NewRequest("GET", auth0test.AppURL+"/", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		return r
	}
	type list = []func(http.Handler) http.Handler
	for name, serve := range frameworks {
		for _, tt := range []struct {
			why         string
			middleware  list
			request     *http.Request
			status      int
			token, user string // subject and email; empty for neither
		}{
			{"token", list{api.RequireAuth}, with(read, nil), 200, "auth0|grace", ""},
			{"two guards", list{api.RequireAuth, api.RequirePermissions("read:protected")}, with(read, nil), 200, "auth0|grace", ""},
			{"no token", list{api.RequireAuth}, with("", nil), 401, "", ""},
			{"permission that it lacks", list{api.RequireAuth, api.RequirePermissions("other")}, with(read, nil), 403, "", ""},
			{"optional", list{api.OptionalAuth}, with("", nil), 200, "", ""},
			{"session", list{strategy.LoadUser}, with("", cookies), 200, "", "ada@acme.example"},
			{"token and session", list{strategy.LoadUser, api.RequireAuth}, with(read, cookies), 200, "auth0|grace", ""},
			{"either, token", list{api.RequireTokenOrSession(strategy)}, with(read, cookies), 200, "auth0|grace", ""},
			{"either, session", list{api.RequireTokenOrSession(strategy)}, with("", cookies), 200, "", "ada@acme.example"},
			{"either, nobody", list{api.RequireTokenOrSession(strategy)}, with("", nil), 401, "", ""},
		} {
			reached := false
			h := serve(func(ctx context.Context) {
				reached = true
				token, ok := auth0.TokenFrom(ctx)
				if ok != (tt.token != "") || ok && token.Subject() != tt.token {
					t.Errorf("%s, %s: token %v", name, tt.why, token)
				}
				if text, ok := auth0.AccessTokenFrom(ctx); ok != (tt.token != "") || ok && text != read {
					t.Errorf("%s, %s: the text of the token %v", name, tt.why, ok)
				}
				if user, ok := auth0.UserFrom(ctx); ok != (tt.user != "") || user.Email != tt.user {
					t.Errorf("%s, %s: user %v", name, tt.why, user)
				}
				if claims, err := auth0.Claims[struct{ Sub string }](ctx); tt.token != "" && (err != nil || claims.Sub != tt.token) {
					t.Errorf("%s, %s: claims %+v, %v", name, tt.why, claims, err)
				}
			}, tt.middleware...)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, tt.request.Clone(t.Context()))
			if w.Code != tt.status || reached != (tt.status == 200) {
				t.Errorf("%s, %s: %d, handler reached %v; %s", name, tt.why, w.Code, reached, w.Body)
			}
		}
	}
}

// TestFiberWritesSessions: a handler of net/http behind the adaptors knows the session of
// the request and what its response already has.
func TestFiberWritesSessions(t *testing.T) {
	tenant, strategy, _ := setup()
	save := func(w http.ResponseWriter, r *http.Request) {
		session, err := strategy.Session(r)
		if err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		for _, name := range []string{"first", "second"} {
			session.Data = map[string]string{name: "saved"}
			if err := strategy.SaveSession(w, r, session); err != nil {
				t.Error(err)
			}
		}
	}
	v2, v3 := fiber2.New(), fiber.New()
	v2.Use(adaptor2.HTTPMiddleware(strategy.LoadUser))
	v2.Get("/save", adaptor2.HTTPHandlerFunc(save))
	v3.Use(adaptor.HTTPMiddleware(strategy.LoadUser))
	v3.Get("/save", adaptor.HTTPHandlerFunc(save))
	for name, app := range map[string]http.Handler{"fiber 2": adaptor2.FiberApp(v2), "fiber 3": adaptor.FiberApp(v3)} {
		r, w := httptest.NewRequest("GET", auth0test.AppURL+"/save", nil), httptest.NewRecorder()
		for _, c := range login(t, tenant, strategy) {
			r.AddCookie(c)
		}
		app.ServeHTTP(w, r)
		next := httptest.NewRequest("GET", auth0test.AppURL+"/", nil)
		for _, c := range w.Result().Cookies() {
			next.AddCookie(c)
		}
		session, err := strategy.Session(next)
		if err != nil || session.Data["first"] != "saved" || session.Data["second"] != "saved" {
			t.Errorf("%s: %d, %+v, %v", name, w.Code, session, err)
		}
	}
}

// login returns the cookies of a session.
func login(t *testing.T, tenant *auth0test.Tenant, strategy *auth0.Strategy) []*http.Cookie {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/auth/", strategy.Handler())
	var cookies []*http.Cookie
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { cookies = r.Cookies() })
	resp, err := tenant.Browser(mux).Get(auth0test.AppURL + "/auth/login")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return cookies
}
