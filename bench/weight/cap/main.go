// Command cap is the least program that protects an API with cap.
package main

import (
	"context"
	"log"
	"net/http"
	"strings"

	"github.com/hashicorp/cap/jwt"
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
	keys, err := jwt.NewOIDCDiscoveryKeySet(ctx, "https://acme.example.com/", "")
	if err != nil {
		return nil, err
	}
	v, err := jwt.NewValidator(keys)
	if err != nil {
		return nil, err
	}
	expected := jwt.Expected{
		Issuer:            "https://acme.example.com/",
		Audiences:         []string{"https://api.acme.example/"},
		SigningAlgorithms: []jwt.Alg{jwt.RS256},
	}
	return func(ctx context.Context, raw string) error {
		_, err := v.Validate(ctx, raw, expected)
		return err
	}, nil
}
