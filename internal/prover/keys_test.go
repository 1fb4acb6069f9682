package prover

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"golang.org/x/oauth2"
)

// TestKept: the key of a stored login, for every change of the setting, and whether its
// tokens stay usable.
func TestKept(t *testing.T) {
	t.Parallel()
	first, second := must(Of(newECKey())), must(Of(newECKey()))
	off, per, one, other := NewKeys(false, Key{}, clock), NewKeys(true, Key{}, clock), NewKeys(false, first, clock), NewKeys(false, second, clock)
	ofLogin, ofApplication := per.ForLogin(), one.ForLogin()
	const none, itself, new = "none", "itself", "new"
	for _, row := range []struct {
		name string
		kept string
		now  *Keys
		want string // the key of Open
		same bool
	}{
		{"bearer, still", "", off, none, true},
		{"bearer, no keys", "", nil, none, true},
		{"bearer, then a key for each login", "", per, none, true},
		{"bearer, then a key of the application", "", one, none, true},
		{"key of the login, still", ofLogin.Kept(), per, itself, true},
		{"key of the login, in another process", ofLogin.Kept(), NewKeys(true, Key{}, clock), itself, true},
		{"key of the login, then none", ofLogin.Kept(), off, itself, true},
		{"key of the login, then one of the application", ofLogin.Kept(), one, itself, true},
		{"key of the application, still", ofApplication.Kept(), one, itself, true},
		{"key of the application, then another", ofApplication.Kept(), other, second.Thumbprint(), false},
		{"key of the application, then one for each login", ofApplication.Kept(), per, new, false},
		{"key of the application, then none", ofApplication.Kept(), off, none, false},
		{"no base64", "k!", one, first.Thumbprint(), false},
		{"no form", "x", off, none, false},
	} {
		key := row.now.Open(row.kept)
		var got string
		switch {
		case key.IsZero():
			got = none
		case key.Kept() == row.kept:
			got = itself
		case key.Thumbprint() == first.Thumbprint(), key.Thumbprint() == second.Thumbprint():
			got = key.Thumbprint()
		default:
			got = new
		}
		if got != row.want || row.now.Same(row.kept) != row.same {
			t.Errorf("%s: %s, same %v", row.name, got, row.now.Same(row.kept))
		}
		if got == itself && key.Thumbprint() != ofLogin.Thumbprint() && key.Thumbprint() != ofApplication.Thumbprint() {
			t.Errorf("%s: another key", row.name)
		}
	}
	if damaged := one.Open("k" + strings.Repeat("A", 43)); damaged.Thumbprint() != first.Thumbprint() {
		t.Error("a scalar of no key is one")
	}
	if strings.Contains(ofApplication.Kept(), base64.RawURLEncoding.EncodeToString(must(newECKey().Bytes()))) || len(ofLogin.Kept()) != 44 || len(ofApplication.Kept()) != 44 {
		t.Errorf("%q, %q are kept", ofLogin.Kept(), ofApplication.Kept())
	}
}

// TestWhoseKey: each login has its own key, or all have the application's key.
func TestWhoseKey(t *testing.T) {
	t.Parallel()
	per, one, off := NewKeys(true, Key{}, clock), NewKeys(false, must(Of(newECKey())), clock), NewKeys(false, Key{}, clock)
	login, other, program, again := per.ForLogin(), per.ForLogin(), per.ForProgram(), per.ForProgram()
	if login.Thumbprint() == other.Thumbprint() || program.Thumbprint() != again.Thumbprint() {
		t.Error("a key for each login is not one")
	}
	if one.ForLogin().Thumbprint() != one.ForProgram().Thumbprint() {
		t.Error("the application has two keys")
	}
	for _, k := range []*Keys{off, nil} {
		if !k.ForLogin().IsZero() || !k.ForProgram().IsZero() || k.Binds() {
			t.Error("there is a key")
		}
	}
	if !per.Binds() || !one.Binds() {
		t.Error("no token is bound")
	}
	if (Key{}).Kept() != "" || (Key{}).TokenType() != "Bearer" || one.ForLogin().TokenType() != "DPoP" {
		t.Error("the kinds of tokens are mixed up")
	}
}

// TestAlgorithms: the metadata name the usable keys.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	ec, rsaKey := must(Of(newECKey())), must(Of(must(rsa.GenerateKey(rand.Reader, 2048))))
	for _, row := range []struct {
		key    Key
		listed []string
		want   bool
	}{
		{ec, []string{"ES256"}, true}, {ec, []string{"RS256", "ES256"}, true}, {ec, nil, true}, {ec, []string{"RS256"}, false}, {ec, []string{}, false},
		{rsaKey, []string{"ES256"}, false}, {rsaKey, []string{"ES256", "RS256"}, true}, {rsaKey, nil, false},
		{Key{}, []string{}, true},
	} {
		err := row.key.Check(row.listed)
		if (err == nil) != row.want || err != nil && !strings.Contains(err.Error(), "dpop_signing_alg_values_supported") {
			t.Errorf("%v: %v", row.listed, err)
		}
	}
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	for name, signer := range map[string]crypto.Signer{
		"P-384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "Ed25519": edKey, "nil": nil,
	} {
		if key, err := Of(signer); err == nil || !key.IsZero() {
			t.Errorf("%s is a key", name)
		}
	}
}

// TestTokenHasItsKey: a token of package oauth2 carries its key, and its other members.
func TestTokenHasItsKey(t *testing.T) {
	t.Parallel()
	key := newKey()
	members := map[string]any{"scope": "a"}
	bound := Attach(&oauth2.Token{AccessToken: "a"}, key, members)
	if KeyOf(bound).Thumbprint() != key.Thumbprint() || bound.Extra("scope") != "a" || len(members) != 1 {
		t.Errorf("%v, %v", bound, members)
	}
	bearer := Attach(&oauth2.Token{AccessToken: "a"}, Key{}, members)
	if !KeyOf(bearer).IsZero() || bearer.Extra("scope") != "a" || !KeyOf(nil).IsZero() || !KeyOf(&oauth2.Token{}).IsZero() {
		t.Error("a bearer token has a key")
	}
	if sent := Attach(&oauth2.Token{}, Key{}, map[string]any{"auth0_proof_key": "x"}); !KeyOf(sent).IsZero() {
		t.Error("a member that a tenant has sent is a key")
	}
}

// TestKeysDoNotPrint: no verb and no encoder shows a key.
func TestKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	keys := NewKeys(true, Key{}, clock)
	key := keys.ForLogin()
	private := key.Kept()[1:]
	raw := must(base64.RawURLEncoding.DecodeString(private))
	token := Attach(&oauth2.Token{AccessToken: "a"}, key, nil)
	for _, v := range []any{key, &key, keys, *keys, struct{ K Key }{key}, struct{ k Key }{key}, []Key{key}, token, Credential{Key: key}} {
		shown := fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v)
		if text, err := json.Marshal(v); err == nil {
			shown += string(text)
		}
		for _, secret := range []string{private, fmt.Sprintf("%x", raw[:12]), strings.Trim(fmt.Sprint(raw[:8]), "[]"), strings.Trim(strings.ReplaceAll(fmt.Sprint(raw[:8]), " ", ", "), "[]")} {
			if strings.Contains(shown, secret) {
				t.Errorf("%T shows the key: %s", v, shown)
			}
		}
	}
}

// TestConcurrentUse: many goroutines use the keys of one application.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	keys := NewKeys(true, Key{}, clock)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if keys.Open(keys.ForLogin().Kept()).IsZero() || keys.ForProgram().IsZero() {
				t.Error("no key")
			}
		})
	}
	wg.Wait()
}

// TestCredentialOf: the key of a bound token is its own, else the given one.
func TestCredentialOf(t *testing.T) {
	t.Parallel()
	own, other := newKey(), newKey()
	bare := &oauth2.Token{AccessToken: "access", TokenType: "dpop"}
	for _, row := range []struct {
		why   string
		token *oauth2.Token
		given Key
		want  Key
	}{
		{"a bearer token", &oauth2.Token{AccessToken: "access", TokenType: "bearer"}, other, Key{}},
		{"its own key", Attach(bare, own, nil), other, own},
		{"the given key", bare, other, other},
	} {
		got, err := CredentialOf(row.token, row.given)
		if err != nil || got.Token != "access" || got.Key.IsZero() != row.want.IsZero() || !got.Key.IsZero() && got.Key.Thumbprint() != row.want.Thumbprint() {
			t.Errorf("%s: %v, %v", row.why, got, err)
		}
	}
	for _, token := range []*oauth2.Token{nil, {}} {
		_, err := CredentialOf(token, own)
		refused(t, "no token", err, refusal.Internal, "no access token")
	}
	_, err := CredentialOf(bare, Key{})
	refused(t, "no key", err, refusal.Misconfigured, "ProofTransport.Key")
}
