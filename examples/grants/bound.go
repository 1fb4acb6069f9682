package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// callBound gets a token that is bound to a key of this program, and calls an API that
// accepts no other tokens. Then a thief calls it, with the token and without the key.
func callBound(ctx context.Context, tenant *auth0test.Tenant) (answer, toThief string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // keep yours in a file or an HSM
	if err != nil {
		return "", "", err
	}
	cfg := tenant.Config()
	cfg.ProofKey = auth0.ProofKeyOf(key)
	application, err := auth0.NewApplication(cfg)
	if err != nil {
		return "", "", err
	}
	address, stop, err := serveBound(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		return "", "", err
	}
	defer stop()

	source := application.ClientCredentials(auth0.ClientCredentials{Audience: auth0test.Audience})
	client := &http.Client{Transport: &auth0.ProofTransport{Source: source}, Timeout: 30 * time.Second}
	answer, err = get(ctx, client, address, "")
	if err != nil {
		return "", "", err
	}
	token, err := source.Token()
	if err != nil {
		return "", "", err
	}
	toThief, err = get(ctx, &http.Client{Timeout: 30 * time.Second}, address, "Bearer "+token.AccessToken)
	return answer, toThief, err
}

// serveBound serves an API on a free port of this machine.
func serveBound(cfg auth0.APIConfig) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = "http://" + listener.Addr().String()
	cfg.DPoP = auth0.DPoP{Mode: auth0.BindingRequired, BaseURLs: []string{address}}
	api, err := auth0.NewAPI(cfg)
	if err != nil {
		listener.Close()
		return "", nil, err
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		fmt.Fprintf(w, "Hello %s", token.Subject())
	})
	server := &http.Server{Handler: api.RequireScope("read:protected")(hello), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	return address, func() { server.Close() }, nil
}

// get returns status and body of a response.
func get(ctx context.Context, client *http.Client, address, authorization string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return "", err
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(body))), err
}
