package routers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	fiber2 "github.com/gofiber/fiber/v2"
	adaptor2 "github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/labstack/echo/v4"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// chi accepts the middleware unchanged.
func Example_chi() {
	tenant, strategy, api := setup()

	r := chi.NewRouter()
	r.Use(strategy.LoadUser)
	r.Handle("/auth/*", strategy.Handler())
	r.With(strategy.RequireLogin).Get("/profile", func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Email)
	})
	r.Route("/api", func(r chi.Router) {
		r.Use(api.RequireAuth)
		r.With(api.RequirePermissions("read:protected")).Get("/protected", func(w http.ResponseWriter, r *http.Request) {
			token, _ := auth0.TokenFrom(r.Context())
			fmt.Fprint(w, token.HasPermission("read:protected"))
		})
	})

	walk(tenant, r)
	// Output:
	// profile: ada@acme.example
	// no token: 401
	// token: true
}

// gin wraps handlers with gin.WrapH. A guard becomes gin's middleware by running
// the rest of gin's chain as its next handler.
func Example_gin() {
	tenant, strategy, api := setup()

	use := func(guard func(http.Handler) http.Handler) gin.HandlerFunc {
		return func(c *gin.Context) {
			passed := false
			guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				passed, c.Request = true, r
				c.Next()
			})).ServeHTTP(c.Writer, c.Request)
			if !passed {
				c.Abort()
			}
		}
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(use(strategy.LoadUser))
	r.Any("/auth/*rest", gin.WrapH(strategy.Handler()))
	r.GET("/profile", use(strategy.RequireLogin), func(c *gin.Context) {
		user, _ := auth0.UserFrom(c.Request.Context())
		c.String(http.StatusOK, user.Email)
	})
	r.GET("/api/protected", use(api.RequirePermissions("read:protected")), func(c *gin.Context) {
		token, _ := auth0.TokenFrom(c.Request.Context())
		c.String(http.StatusOK, fmt.Sprint(token.HasPermission("read:protected")))
	})

	walk(tenant, r)
	// Output:
	// profile: ada@acme.example
	// no token: 401
	// token: true
}

// echo has a wrapper for middleware of net/http.
func Example_echo() {
	tenant, strategy, api := setup()

	e := echo.New()
	e.Use(echo.WrapMiddleware(strategy.LoadUser))
	e.Any("/auth/*", echo.WrapHandler(strategy.Handler()))
	e.GET("/profile", func(c echo.Context) error {
		user, _ := auth0.UserFrom(c.Request().Context())
		return c.String(http.StatusOK, user.Email)
	}, echo.WrapMiddleware(strategy.RequireLogin))
	e.GET("/api/protected", func(c echo.Context) error {
		token, _ := auth0.TokenFrom(c.Request().Context())
		return c.String(http.StatusOK, fmt.Sprint(token.HasPermission("read:protected")))
	}, echo.WrapMiddleware(api.RequirePermissions("read:protected")))

	walk(tenant, e)
	// Output:
	// profile: ada@acme.example
	// no token: 401
	// token: true
}

// Fiber has adaptors for handlers and middleware of net/http. Its RequestCtx is the
// context that has the user and the token.
func Example_fiber() {
	tenant, strategy, api := setup()

	app := fiber.New()
	app.Use(adaptor.HTTPMiddleware(strategy.LoadUser))
	app.All("/auth/*", adaptor.HTTPHandler(detached(strategy.Handler())))
	app.Get("/profile", adaptor.HTTPMiddleware(strategy.RequireLogin), func(c fiber.Ctx) error {
		user, _ := auth0.UserFrom(c.RequestCtx())
		return c.SendString(user.Email)
	})
	app.Get("/api/protected", adaptor.HTTPMiddleware(api.RequirePermissions("read:protected")), func(c fiber.Ctx) error {
		token, _ := auth0.TokenFrom(c.RequestCtx())
		return c.SendString(fmt.Sprint(token.HasPermission("read:protected")))
	})

	walk(tenant, adaptor.FiberApp(app))
	// Output:
	// profile: ada@acme.example
	// no token: 401
	// token: true
}

// Fiber reuses its RequestCtx for another request, while a request to the tenant can still
// watch it. So the login routes get a context that does not end with the request of the
// browser. It has the same values.
func detached(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
}

// In Fiber 2 that context is Context. UserContext is empty unless a handler sets it.
func Example_fiber2() {
	tenant, strategy, api := setup()

	app := fiber2.New()
	app.Use(adaptor2.HTTPMiddleware(strategy.LoadUser))
	app.All("/auth/*", adaptor2.HTTPHandler(detached(strategy.Handler())))
	app.Get("/profile", adaptor2.HTTPMiddleware(strategy.RequireLogin), func(c *fiber2.Ctx) error {
		user, _ := auth0.UserFrom(c.Context())
		return c.SendString(user.Email)
	})
	app.Get("/api/protected", adaptor2.HTTPMiddleware(api.RequirePermissions("read:protected")), func(c *fiber2.Ctx) error {
		c.SetUserContext(c.Context())
		token, _ := auth0.TokenFrom(c.UserContext())
		return c.SendString(fmt.Sprint(token.HasPermission("read:protected")))
	})

	walk(tenant, adaptor2.FiberApp(app))
	// Output:
	// profile: ada@acme.example
	// no token: 401
	// token: true
}

// Servers of other protocols call [auth0.API.Verify]. Its error has the status to answer
// with.
func Example_withoutHTTP() {
	tenant, _, api := setup()

	token, err := api.Verify(context.Background(), tenant.AccessToken(auth0test.Subject("auth0|ada")))
	fmt.Println(token.Subject(), err)
	_, err = api.Verify(context.Background(), "not a token")
	fmt.Println(err.(*auth0.Error).Status, err.(*auth0.Error).Reason)
	// Output:
	// auth0|ada <nil>
	// 401 token_malformed
}

func setup() (*auth0test.Tenant, *auth0.Strategy, *auth0.API) {
	tenant := auth0test.NewTenant(noTest{})
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		panic(err)
	}
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		panic(err)
	}
	tenant.LogIn("ada@acme.example")
	return tenant, strategy, api
}

// noTest is for examples, which have no *testing.T.
type noTest struct{}

func (noTest) Helper()                   {}
func (noTest) Cleanup(func())            {}
func (noTest) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// walk logs in on the way to the profile, and calls the API.
func walk(tenant *auth0test.Tenant, app http.Handler) {
	resp, err := tenant.Browser(app).Get(auth0test.AppURL + "/profile")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	fmt.Printf("profile: %s\n", body)

	r := httptest.NewRequest("GET", "/api/protected", nil)
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println("no token:", w.Code)

	r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.Permissions("read:protected")))
	w = httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println("token:", w.Body)
}
