// Package js runs the library as WebAssembly in Node, where package net/http uses the
// Fetch API as in a browser.
package js

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/auth0test"
)

const audience = "https://orders.example.com/"

// run runs the client in Node and returns its output.
func run(t *testing.T, program, issuer, token, clientID, secret string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// If Node has its own name, package net/http does not fetch.
	cmd := exec.CommandContext(ctx, node, filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec_node.js"),
		program, issuer, audience, token, clientID, secret)
	cmd.Args[0] = "browser"
	cmd.Env = []string{"HOME=" + t.TempDir()}
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &log)
	}
	return string(out)
}

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "client.wasm")
	cmd := exec.Command("go", "build", "-o", program, "./client")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestFetch: the default client and others reach the tenant by the Fetch API, for
// discovery, JWKS and tokens. No client follows a redirect of the JWKS to another origin,
// which package net/http would follow there.
func TestFetch(t *testing.T) {
	program := build(t)
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:3000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tenant.Close() })
	tenant.APIConfig(audience)
	tenant.AllowClientCredentials(audience, "read:orders")
	c := tenant.Config()
	want := "default verify: ok\ndefault token: ok\nplain verify: ok\nplain token: ok\nwrapped verify: ok\nwrapped token: ok\n"
	if got := run(t, program, tenant.URL(), tenant.AccessToken(), c.ClientID, c.ClientSecret); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","use":"sig","kid":"k","alg":"RS256","e":"AQAB","n":%q}],"access_token":"x","token_type":"Bearer"}`,
			base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	}))
	t.Cleanup(elsewhere.Close)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		own := "http://" + r.Host
		json.NewEncoder(w).Encode(map[string]string{"issuer": own, "jwks_uri": own + "/keys",
			"authorization_endpoint": own + "/authorize", "token_endpoint": own + "/token"})
	}))
	t.Cleanup(issuer.Close)
	out := run(t, program, issuer.URL, signed(t, key, issuer.URL), c.ClientID, c.ClientSecret)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines {
		if strings.HasSuffix(line, "ok") || !strings.Contains(line, "307") && !strings.Contains(line, "redirects are not followed") {
			t.Errorf("not refused because of the redirect: %s", line)
		}
	}
	if len(lines) != 6 || asked.Load() > 0 {
		t.Errorf("%d lines; the other origin was asked %d times", len(lines), asked.Load())
	}
}

func signed(t *testing.T, key *rsa.PrivateKey, issuer string) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	token := part(map[string]string{"alg": "RS256", "typ": "at+jwt", "kid": "k"}) + "." +
		part(map[string]any{"iss": issuer, "sub": "u", "aud": audience, "iat": now, "exp": now + 600, "client_id": "c", "jti": "j"})
	digest := sha256.Sum256([]byte(token))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return token + "." + base64.RawURLEncoding.EncodeToString(signature)
}
