// Command client runs in Node as GOOS=js. It verifies an access token and gets an
// application token, each with the default HTTP client, with a plain one and with one of
// another type, and prints the results.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/seed-15d5a55c/auth0"
)

func main() {
	issuer, audience, token := os.Args[1], os.Args[2], os.Args[3]
	for _, client := range []struct {
		name string
		http *http.Client
	}{{"default", nil}, {"plain", &http.Client{}}, {"wrapped", &http.Client{Transport: wrapped{}}}} {
		fmt.Println(client.name, "verify:", verify(client.http, issuer, audience, token))
		fmt.Println(client.name, "token:", ownToken(client.http, issuer, audience))
	}
}

// wrapped hides from the library that package net/http makes the requests.
type wrapped struct{}

func (wrapped) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.DefaultTransport.RoundTrip(r)
}

func verify(client *http.Client, issuer, audience, token string) string {
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: issuer, Audience: audience, HTTPClient: client})
	if err != nil {
		return err.Error()
	}
	if _, err = api.Verify(context.Background(), token); err != nil {
		return err.Error()
	}
	return "ok"
}

func ownToken(client *http.Client, issuer, audience string) string {
	app, err := auth0.NewApplication(auth0.Config{Domain: issuer, ClientID: os.Args[4], ClientSecret: os.Args[5], HTTPClient: client})
	if err != nil {
		return err.Error()
	}
	if _, err = app.ClientCredentials(auth0.ClientCredentials{Audience: audience}).Token(); err != nil {
		return err.Error()
	}
	return "ok"
}
