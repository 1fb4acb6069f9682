package fromgojwt

import (
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// Config is the configuration of the API.
func Config(domain, audience string) auth0.APIConfig {
	return auth0.APIConfig{
		Domain:   domain,
		Audience: audience,
		Leeway:   time.Minute,
		DPoP:     auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.acme.example"}},
	}
}

// After is the API with package auth0.
func After(cfg auth0.APIConfig) (http.Handler, error) {
	api, err := auth0.NewAPI(cfg)
	if err != nil {
		return nil, err
	}
	guarded := http.NewServeMux()
	guarded.HandleFunc("GET /orders", ordersAfter)
	guarded.Handle("GET /orders/export", api.RequireScope("export:orders")(http.HandlerFunc(ordersAfter)))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.Handle("GET /catalog", api.OptionalAuth(http.HandlerFunc(catalogAfter)))
	mux.Handle("/", api.RequireAuth(guarded))
	return cors(mux), nil
}

type claims struct {
	Subject string `json:"sub"`
	Tier    string `json:"https://acme.example/tier"`
}

func ordersAfter(w http.ResponseWriter, r *http.Request) {
	c, err := auth0.Claims[claims](r.Context())
	if err != nil {
		http.Error(w, "the claims have another form", http.StatusForbidden)
		return
	}
	orders(w, c.Subject, c.Tier)
}

func catalogAfter(w http.ResponseWriter, r *http.Request) {
	_, ok := auth0.TokenFrom(r.Context())
	catalog(w, ok)
}
