package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

func proofKey(t *testing.T) prover.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := prover.Of(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestTokenTypes: the accepted types of a token, with a proof and without one.
func TestTokenTypes(t *testing.T) {
	t.Parallel()
	key := proofKey(t)
	good, notBound, unusable := refusal.Row{}, refusal.TokenNotBound, refusal.TenantAnswer
	for _, row := range []struct {
		kind       string
		key        prover.Key
		api        refusal.Row // of Tokens and Redeem
		any        refusal.Row
		thirdParty refusal.Row
	}{
		{"DPoP", key, good, good, notBound}, {"dpop", key, good, good, notBound},
		{"Bearer", key, notBound, notBound, good}, {"N_A", key, unusable, good, unusable}, {"mac", key, unusable, unusable, unusable},
		{"Bearer", prover.Key{}, good, good, good}, {"bearer", prover.Key{}, good, good, good},
		{"DPoP", prover.Key{}, notBound, notBound, notBound}, {"N_A", prover.Key{}, unusable, good, unusable}, {"mac", prover.Key{}, unusable, unusable, unusable},
	} {
		body := `{"access_token":"a","refresh_token":"r","token_type":"` + row.kind + `"}`
		for _, call := range []struct {
			name string
			send func(c *Client) (TokenResponse, error)
			want refusal.Row
			key  bool // of the token, if it is accepted
		}{
			{"Tokens", func(c *Client) (TokenResponse, error) { return c.Tokens(t.Context(), row.key, GrantForm("x")) }, row.api, true},
			{"Redeem", func(c *Client) (TokenResponse, error) {
				return c.Redeem(t.Context(), row.key, "https://tenant.example/oauth/token", clientauth.Credentials{}, GrantForm("x"))
			}, row.api, true},
			{"AnyToken", func(c *Client) (TokenResponse, error) { return c.AnyToken(t.Context(), row.key, GrantForm("x"), nil) }, row.any, row.kind != "N_A"},
			{"ThirdPartyToken", func(c *Client) (TokenResponse, error) { return c.ThirdPartyToken(t.Context(), row.key, GrantForm("x")) }, row.thirdParty, false},
		} {
			c, s := newClient(t, 200, body)
			got, err := call.send(c)
			if (s.last().Header.Get("DPoP") != "") == row.key.IsZero() {
				t.Errorf("%s, %s: the proof is %q", call.name, row.kind, s.last().Header.Get("DPoP"))
			}
			if call.want != good {
				checkRefused(t, call.name+" "+row.kind, err, call.want, "token_type is")
				if got.AccessToken != "" || got.RefreshToken != "r" || got.members != nil {
					t.Errorf("%s, %s: %+v beside the refusal", call.name, row.kind, got)
				}
				continue
			}
			bound := call.key && !row.key.IsZero()
			if err != nil || got.AccessToken != "a" || got.Key.IsZero() == bound {
				t.Errorf("%s, %s: %+v, %v", call.name, row.kind, got, err)
			}
			if !prover.KeyOf(got.Token(at)).IsZero() != bound {
				t.Errorf("%s, %s: the token of package oauth2 has a key: %v", call.name, row.kind, !bound)
			}
		}
	}
}

// TestSecondTry: the tenant wants a nonce, and the client repeats the request with other
// credentials.
func TestSecondTry(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(c *Client, key prover.Key) error{
		"Tokens": func(c *Client, key prover.Key) error { return second(c.Tokens(t.Context(), key, GrantForm("x"))) },
		"Redeem": func(c *Client, key prover.Key) error {
			target, credentials, err := c.Authenticate(t.Context(), TokenEndpoint)
			if err != nil {
				return err
			}
			return second(c.Redeem(t.Context(), key, target, credentials, GrantForm("x")))
		},
	} {
		c, s := newClient(t, 400, `{"error":"use_dpop_nonce"}`)
		c.Auth = es256(t)
		s.header.Set("DPoP-Nonce", "n1")
		if err := send(c, proofKey(t)); err == nil || len(s.requests) != 2 {
			t.Fatalf("%s: %v, %d requests", name, err, len(s.requests))
		}
		a, b := s.requests[0], s.requests[1]
		if a.PostForm.Get("client_assertion") == b.PostForm.Get("client_assertion") || b.PostForm.Get("client_assertion") == "" || a.Header.Get("DPoP") == b.Header.Get("DPoP") {
			t.Errorf("%s: %v, %v", name, a.PostForm, b.PostForm)
		}
	}
}

// TestKeyOfNoUse: the metadata of the tenant name the accepted proofs, before a request.
func TestKeyOfNoUse(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key, err := prover.Of(private)
	if err != nil {
		t.Fatal(err)
	}
	c, s := newClient(t, 200, `{"access_token":"a","token_type":"DPoP"}`)
	_, err = c.Tokens(t.Context(), key, GrantForm("x"))
	checkRefused(t, "RS256", err, refusal.Misconfigured, "Config.ProofKey signs with RS256")
	c.Tenant = &Tenant{Issuer: issuer, Discovered: document(discovery.Metadata{}, errors.New("no route"))}
	_, err = c.Tokens(t.Context(), key, GrantForm("x"))
	checkRefused(t, "no metadata", err, refusal.TenantDown, "no route")
	if len(s.requests) != 0 {
		t.Errorf("%d requests", len(s.requests))
	}
}

// TestManagementAPI: the audience of Auth0's Management API.
func TestManagementAPI(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, 200, "")
	for audience, want := range map[string]bool{
		"https://tenant.example/api/v2/": true, "https://acme.eu.auth0.com/api/v2/": true,
		"https://tenant.example/api/v2": false, "https://tenant.example/": false, "https://api.example/api/v2/": false, "": false, "/api/v2/": false,
		"https://acme.auth0.com.example/api/v2/": false, "https://acme.eu.auth0.com/x/api/v2/": false,
		"https://api.example/.auth0.com/api/v2/": false, "acme.eu.auth0.com/api/v2/": false, "http://acme.eu.auth0.com/api/v2/": false, "https://acme.eu.auth0.com/api/v2/?x": false,
	} {
		if got := c.IsManagementAPI(audience); got != want {
			t.Errorf("%q: %v", audience, got)
		}
	}
	c.Tenant.Static = nil
	if c.IsManagementAPI("https://tenant.example/api/v2/") {
		t.Error("another provider has the Management API")
	}
}
