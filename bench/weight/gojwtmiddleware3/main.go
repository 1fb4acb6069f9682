// Command gojwtmiddleware3 is the least program that protects an API with
// go-jwt-middleware v3.
package main

import (
	"log"
	"net/http"
	"net/url"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
)

func main() {
	issuer, err := url.Parse("https://acme.example.com/")
	if err != nil {
		log.Fatal(err)
	}
	provider, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuer))
	if err != nil {
		log.Fatal(err)
	}
	v, err := validator.New(
		validator.WithKeyFunc(provider.KeyFunc),
		validator.WithAlgorithm(validator.RS256),
		validator.WithIssuer(issuer.String()),
		validator.WithAudience("https://api.acme.example/"),
	)
	if err != nil {
		log.Fatal(err)
	}
	middleware, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", middleware.CheckJWT(http.NotFoundHandler())))
}
