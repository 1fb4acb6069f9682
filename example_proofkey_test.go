package auth0_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// A web application whose sessions have a key each. The programs of
// docs/proof-of-possession-client.md are here.
func ExampleProofKeyPerSession() {
	strategy, err := auth0.New(auth0.Config{
		Domain: "acme.eu.auth0.com", ClientID: "...", ClientSecret: "...", BaseURL: "https://app.example.com",
		Secrets:  []string{"..."},
		Audience: "https://api.example.com/",
		ProofKey: auth0.ProofKeyPerSession(),
	})
	if err != nil {
		fmt.Println("the secrets are missing")
		return
	}
	http.HandleFunc("GET /messages", func(w http.ResponseWriter, r *http.Request) {
		resp, err := strategy.Client(w, r).Get("https://api.example.com/messages")
		if err != nil {
			http.Error(w, "no messages", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
	})
	// Output: the secrets are missing
}

// A worker whose tokens are bound to its own key. Base makes the requests.
func ExampleProofTransport() {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // or one in an HSM
	app, err := auth0.NewApplication(auth0.Config{
		Domain: "acme.eu.auth0.com", ClientID: "worker", ClientSecret: "the secret of the worker",
		ProofKey: auth0.ProofKeyOf(key),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	base := http.DefaultTransport
	source := app.ClientCredentials(auth0.ClientCredentials{Audience: "https://api.example.com/"})
	client := &http.Client{
		Transport: &auth0.ProofTransport{Base: base, Source: source},
		Timeout:   30 * time.Second,
	}
	fmt.Printf("%T\n", client.Transport)
	// Output: *auth0.ProofTransport
}
