// Command auth0 is the least program that protects an API with this library.
package main

import (
	"log"
	"net/http"

	"github.com/seed-15d5a55c/auth0"
)

func main() {
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.example.com", Audience: "https://api.acme.example/"})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", api.RequireAuth(http.NotFoundHandler())))
}
