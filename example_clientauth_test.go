package auth0_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// A key instead of a secret: the tenant has only the public key.
func ExamplePrivateKeyJWT() {
	// In production, read the key from a file, or use an HSM.
	file := newKeyFile()
	block, _ := pem.Decode(file)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	key := parsed.(*rsa.PrivateKey)

	tenant := auth0test.NewTenant(fakeT{})
	tenant.UseKey(&key.PublicKey, "PS256", "key-of-2026")
	tenant.AllowPushedRequests()

	cfg := tenant.Config()
	cfg.ClientSecret = ""
	cfg.ClientAuthentication = auth0.PrivateKeyJWT(key, "PS256", "key-of-2026")
	cfg.PushedAuthorizationRequests = true
	strategy, err := auth0.New(cfg)
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/auth/", strategy.Handler())
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Email)
	})))
	tenant.LogIn("ada@acme.example")
	resp, err := tenant.Browser(mux).Get(auth0test.AppURL + "/profile")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(page), tenant.Calls(auth0test.PAR))
	fmt.Println(cfg.ClientAuthentication)
	// Output:
	// 200 ada@acme.example 1
	// auth0.ClientAuthentication(private_key_jwt)
}

// A secret that rotates while the application runs.
func ExampleClientAuthenticationFunc() {
	var secrets interface {
		Current(ctx context.Context, name string) (string, error) // cached
	}
	cfg := auth0.Config{
		Domain:   "acme.eu.auth0.com",
		ClientID: "...",
		ClientAuthentication: auth0.ClientAuthenticationFunc(func(ctx context.Context) (auth0.ClientAuthentication, error) {
			secret, err := secrets.Current(ctx, "auth0")
			if err != nil {
				return auth0.ClientAuthentication{}, err
			}
			return auth0.ClientSecretPost(secret), nil
		}),
	}
	fmt.Println(cfg.ClientAuthentication)
	// Output: auth0.ClientAuthentication(function)
}

func newKeyFile() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		log.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
