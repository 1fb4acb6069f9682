package fromsample

import (
	"encoding/gob"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/sessions"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/examples/migrate"
)

// Serve is main.go after the move.
func Serve() error {
	cfg, err := auth0.ConfigFromEnv()
	if err != nil {
		return err
	}
	app, err := After(cfg, nil)
	if err != nil {
		return err
	}
	return http.ListenAndServe("localhost:3000", app)
}

// After is the application after the move. With the key of the old sessions, logged-in
// users stay logged in.
func After(cfg auth0.Config, oldKey []byte) (http.Handler, error) {
	cfg.LoginPath, cfg.CallbackPath, cfg.LogoutPath = "/login", "/callback", "/logout"
	cfg.DefaultReturnTo = "/user"
	strategy, err := auth0.New(cfg)
	if err != nil {
		return nil, err
	}
	app := routes(strategy)
	if oldKey != nil {
		app = migrate.Move(strategy, oldSession(oldKey), app)
	}
	return strategy.LoadUser(app), nil
}

func routes(strategy *auth0.Strategy) http.Handler {
	router := gin.New()
	router.SetHTMLTemplate(pages)
	router.GET("/", func(c *gin.Context) { c.HTML(http.StatusOK, "home", nil) })
	router.Any("/login", gin.WrapH(strategy.LoginHandler()))
	router.Any("/callback", gin.WrapH(strategy.CallbackHandler()))
	router.Any("/logout", gin.WrapH(strategy.LogoutHandler()))
	router.GET("/user", use(strategy.RequireLogin), func(c *gin.Context) {
		user, _ := auth0.UserFrom(c.Request.Context())
		c.HTML(http.StatusOK, "user", gin.H{"name": user.Name})
	})
	return router
}

// use makes a guard a middleware of gin.
func use(guard func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed, c.Request = true, r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

// oldSession finds the session of the application before.
func oldSession(key []byte) migrate.Find {
	gob.Register(map[string]any{}) // the type of profile
	find := migrate.Gorilla(sessions.NewCookieStore(key), "auth-session")
	return func(w http.ResponseWriter, r *http.Request) (migrate.Old, error) {
		old, err := find(w, r)
		if err != nil {
			return migrate.Old{}, err
		}
		profile, _ := old.Get("profile").(map[string]any)
		get := func(name string) any {
			if name != "logged_in_at" {
				return profile[name]
			}
			issuedAt, _ := profile["iat"].(float64)
			return int64(issuedAt)
		}
		return migrate.Old{Get: get, Delete: old.Delete}, nil
	}
}
