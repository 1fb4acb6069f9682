// Command keyfunc is the least program that protects an API with golang-jwt and
// keyfunc.
package main

import (
	"context"
	"log"
	"net/http"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	verify, err := newVerifier(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || verify(r.Context(), raw) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.NotFound(w, r)
	})))
}

func newVerifier(ctx context.Context) (func(context.Context, string) error, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{"https://acme.example.com/.well-known/jwks.json"})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256"}),
		jwt.WithIssuer("https://acme.example.com/"),
		jwt.WithAudience("https://api.acme.example/"),
		jwt.WithExpirationRequired(),
	)
	return func(_ context.Context, raw string) error {
		_, err := parser.ParseWithClaims(raw, &jwt.RegisteredClaims{}, keys.Keyfunc)
		return err
	}, nil
}
