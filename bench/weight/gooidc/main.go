// Command gooidc is the least program that protects an API with go-oidc.
package main

import (
	"context"
	"log"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
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
	provider, err := oidc.NewProvider(ctx, "https://acme.example.com/")
	if err != nil {
		return nil, err
	}
	v := provider.Verifier(&oidc.Config{ClientID: "https://api.acme.example/"})
	return func(ctx context.Context, raw string) error {
		_, err := v.Verify(ctx, raw)
		return err
	}, nil
}
