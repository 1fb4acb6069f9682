// Command gojwtmiddleware2 is the least program that protects an API with
// go-jwt-middleware v2.
package main

import (
	"log"
	"net/http"
	"net/url"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
)

func main() {
	issuer, err := url.Parse("https://acme.example.com/")
	if err != nil {
		log.Fatal(err)
	}
	provider := jwks.NewCachingProvider(issuer, 5*time.Minute)
	v, err := validator.New(provider.KeyFunc, validator.RS256, issuer.String(), []string{"https://api.acme.example/"})
	if err != nil {
		log.Fatal(err)
	}
	middleware := jwtmiddleware.New(v.ValidateToken)
	log.Fatal(http.ListenAndServe("localhost:3000", middleware.CheckJWT(http.NotFoundHandler())))
}
