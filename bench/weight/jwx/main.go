// Command jwx is the least program that protects an API with jwx.
package main

import (
	"context"
	"log"
	"net/http"
	"strings"

	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
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
	const keysURL = "https://acme.example.com/.well-known/jwks.json"
	cache, err := jwk.NewCache(ctx, httprc.NewClient())
	if err != nil {
		return nil, err
	}
	if err := cache.Register(ctx, keysURL); err != nil {
		return nil, err
	}
	keys, err := cache.CachedSet(keysURL)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, raw string) error {
		_, err := jwt.ParseString(raw,
			jwt.WithKeySet(keys),
			jwt.WithIssuer("https://acme.example.com/"),
			jwt.WithAudience("https://api.acme.example/"),
		)
		return err
	}, nil
}
