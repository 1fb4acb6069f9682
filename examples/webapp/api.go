package main

import (
	"log/slog"
	"net/http"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

// newAPI could also be a separate program.
func newAPI(cfg auth0.Config, strategy *auth0.Strategy) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/open", demo.Answer("This is open to everybody."))
	if cfg.Audience == "" {
		slog.Warn("AUTH0_AUDIENCE is not set: the API has only its open endpoint")
		return mux, nil
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: cfg.Domain, Audience: cfg.Audience, Keys: strategy.Application().KeySet()})
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /api/members-only", api.RequireAuth(demo.Answer("You have an access token for this API.")))
	mux.Handle("GET /api/protected", api.RequirePermissions("read:protected")(demo.Answer("You have the permission read:protected.")))
	return mux, nil
}
