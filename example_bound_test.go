package auth0_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"

	"github.com/seed-15d5a55c/auth0"
)

func ExampleDPoP() {
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:   "acme.eu.auth0.com",
		Audience: "https://api.example.com/",
		DPoP: auth0.DPoP{
			Mode:     auth0.BindingAllowed,
			BaseURLs: []string{"https://api.example.com"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes", func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		fmt.Fprintln(w, token.Subject(), token.Thumbprint())
	})
	handler := api.RequireScope("read:notes")(mux)

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/notes", nil))
	fmt.Println(w.Code)
	fmt.Println(strings.Join(w.Header().Values("WWW-Authenticate"), "\n"))
	// Output:
	// 401
	// Bearer realm="api", scope="read:notes"
	// DPoP realm="api", algs="ES256 ES384 EdDSA PS256 RS256", scope="read:notes"
}

// Several instances of an API behind a proxy that removes the prefix /v1. They share the used
// proofs, and ask for nonces.
func ExampleDPoP_instances() {
	var redis auth0.ReplayStore // for example redisstore.New(client, "api:")
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:   "acme.eu.auth0.com",
		Audience: "https://api.example.com/v1",
		DPoP: auth0.DPoP{
			Mode:         auth0.BindingRequired,
			BaseURLs:     []string{"https://api.example.com/v1"},
			Replays:      redis,
			NonceSecrets: strings.Fields(os.Getenv("DPOP_NONCE_SECRETS")),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", api.RequireAuth(http.NotFoundHandler()))
}

func ExampleCertificates() {
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:       "acme.eu.auth0.com",
		Audience:     "https://api.example.com/",
		Certificates: auth0.Certificates{Mode: auth0.BindingRequired},
	})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:      ":8443",
		Handler:   api.RequireAuth(http.NotFoundHandler()),
		TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert},
	}
	defer server.Shutdown(context.Background())
}

func ExampleCertificateFromHeader() {
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:   "acme.eu.auth0.com",
		Audience: "https://api.example.com/",
		Certificates: auth0.Certificates{
			Mode: auth0.BindingRequired,
			From: auth0.CertificateFromHeader("X-Client-Cert", netip.MustParsePrefix("10.0.0.0/24")),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/certificates/", api.RequireAuth(http.NotFoundHandler()))
}
