package fromgojwt

import (
	"fmt"
	"net/http"
)

// health, orders and catalog are the answers of all three APIs.
func health(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }

func orders(w http.ResponseWriter, subject, tier string) {
	fmt.Fprintf(w, "orders of %s, tier %q", subject, tier)
}

func catalog(w http.ResponseWriter, customer bool) {
	fmt.Fprintf(w, "catalog, customer: %t", customer)
}

// cors lets the pages of one origin call the API.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://spa.acme.example")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, DPoP")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
