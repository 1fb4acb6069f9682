package fromgoth

import (
	"net/http"

	"github.com/seed-15d5a55c/auth0"
)

// After is the application after the move.
func After(cfg auth0.Config) (http.Handler, error) {
	cfg.LoginPath, cfg.CallbackPath, cfg.LogoutPath = "/auth/auth0", "/auth/auth0/callback", "/logout/auth0"
	cfg.DefaultReturnTo = "/profile"
	strategy, err := auth0.New(cfg)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { pages.ExecuteTemplate(w, "home", nil) })
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(profileAfter)))
	return strategy.LoadUser(mux), nil
}

func profileAfter(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	pages.ExecuteTemplate(w, "profile", user.Name)
}
