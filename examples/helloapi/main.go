// Command helloapi is an API that accepts access tokens.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/seed-15d5a55c/auth0"
)

func main() {
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: os.Getenv("AUTH0_DOMAIN"), Audience: os.Getenv("AUTH0_AUDIENCE")})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3001", routes(api)))
}

func routes(api *auth0.API) http.Handler {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		fmt.Fprintln(w, "hello", token.Subject())
	})
	mux := http.NewServeMux()
	mux.Handle("GET /notes", api.RequireAuth(hello))
	mux.Handle("POST /notes", api.RequireScope("write:notes")(hello))
	mux.Handle("DELETE /notes", api.RequirePermissions("delete:notes")(hello))
	return mux
}
