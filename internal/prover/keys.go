// Package prover proves the possession of the key of a sender-constrained access token
// (DPoP, RFC 9449). It holds the keys of an application, signs a proof for each request,
// and caches the nonces of servers. It repeats a request whose proof lacked a nonce,
// once.
//
// The package knows neither logins, sessions and tenants, nor the source of a token, nor
// where a key is stored.
package prover

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"golang.org/x/oauth2"
)

// TokenType is the type of an access token that is bound to a key, and the scheme of a
// request with it (RFC 9449, Sections 5 and 7.1).
const TokenType = "DPoP"

// A Key makes the proofs of one private key. It can be copied, and used concurrently.
// The zero Key makes none: its requests are those for bearer tokens.
type Key struct{ held secret.Box[*held] }

type held struct {
	key    *dpop.Key
	kept   string
	nonces *nonces
	now    func() time.Time
}

// Of returns the Key of the application's private key.
func Of(signer crypto.Signer) (Key, error) {
	key, err := dpop.KeyOf(signer)
	if err != nil {
		return Key{}, err
	}
	return hold(key, ofApplication+key.Thumbprint(), &nonces{}, time.Now), nil
}

func hold(key *dpop.Key, kept string, n *nonces, now func() time.Time) Key {
	return Key{secret.Of(&held{key, kept, n, now})}
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.held.IsEmpty() }

// Thumbprint returns the thumbprint of the public key (RFC 7638), for the parameter
// dpop_jkt of an authorization request.
func (k Key) Thumbprint() string { return k.held.Reveal().key.Thumbprint() }

// Kept returns a text from which [Keys.Open] restores the Key. It is empty for the zero
// Key. It contains the private key, unless that is the application's: store it only where
// a refresh token may be stored.
func (k Key) Kept() string {
	if k.IsZero() {
		return ""
	}
	return k.held.Reveal().kept
}

// TokenType returns the type of the access tokens that are bound to the key.
func (k Key) TokenType() string {
	if k.IsZero() {
		return "Bearer"
	}
	return TokenType
}

// Check rejects a key whose algorithm a server does not accept, by its metadata member
// dpop_signing_alg_values_supported. A server without that member is assumed to accept
// ES256, which every server of RFC 9449 should.
func (k Key) Check(accepted []string) error {
	if k.IsZero() {
		return nil
	}
	algorithm := k.held.Reveal().key.Algorithm()
	if slices.Contains(accepted, algorithm) || accepted == nil && algorithm == "ES256" {
		return nil
	}
	return fmt.Errorf("signs with %s, and dpop_signing_alg_values_supported of the tenant's metadata has %.200q", algorithm, accepted)
}

// Format hides the key from every verb of package fmt.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(proof key)") }

// MarshalText hides the key from encoding/json and other encoders.
func (k Key) MarshalText() ([]byte, error) { return []byte("(proof key)"), nil }

// Keys are the keys of an application: none, a new one for each login, or one for all.
// A nil pointer stands for none.
type Keys struct {
	perLogin bool
	fixed    Key
	nonces   *nonces
	now      func() time.Time
	process  func() Key
}

// NewKeys returns the keys of an application. Fixed is its key, the zero Key for none.
// With PerLogin each login has its own key.
func NewKeys(perLogin bool, fixed Key, now func() time.Time) *Keys {
	k := &Keys{perLogin: perLogin, nonces: &nonces{}, now: now}
	k.process = sync.OnceValue(k.generate)
	if !fixed.IsZero() {
		h := fixed.held.Reveal()
		k.nonces, k.fixed = h.nonces, hold(h.key, h.kept, h.nonces, now)
	}
	return k
}

// Binds reports whether tokens are bound to a key.
func (k *Keys) Binds() bool { return k != nil && (k.perLogin || !k.fixed.IsZero()) }

// ForLogin returns the key for the tokens of a new login.
func (k *Keys) ForLogin() Key {
	if k == nil || !k.perLogin {
		return k.OfApplication()
	}
	return k.generate()
}

// ForProgram returns the key for a token outside a login. Without a key of the
// application it is a key of this process, which alone uses that token.
func (k *Keys) ForProgram() Key {
	if k == nil || !k.perLogin {
		return k.OfApplication()
	}
	return k.process()
}

// OfApplication returns the key common to all tokens of the application, the zero Key if
// there is none.
func (k *Keys) OfApplication() Key {
	if k == nil {
		return Key{}
	}
	return k.fixed
}

// The first letter of a kept text. If the application's key is in its configuration, the
// text is the thumbprint only, which tells whether its tokens are bound to the current
// key.
const ofLogin, ofApplication = "k", "t"

// generate returns a new key, which is stored with a login.
func (k *Keys) generate() Key {
	key, err := dpop.NewKey()
	if err != nil {
		panic(err) // crypto/rand never fails, and P-256 is a curve
	}
	return k.own(key)
}

func (k *Keys) own(key *dpop.Key) Key {
	return hold(key, ofLogin+base64.RawURLEncoding.EncodeToString(key.Scalar()), k.nonces, k.now)
}

// Open restores the key of a login. A key stored with its login stays valid, whatever the
// application's configuration now is. If the application's key has changed, Open returns
// a current key: the tenant may bind the next tokens to it. For an empty text it returns
// the zero Key: the login began without one.
func (k *Keys) Open(kept string) Key {
	if kept == "" || k == nil {
		return Key{}
	}
	if scalar, ok := scalarOf(kept); ok {
		if key, err := dpop.OpenKey(scalar); err == nil {
			return k.own(key)
		}
	}
	return k.ForLogin()
}

// Same reports whether Open returns the original key, so that the tokens of that login
// can still be usable.
func (k *Keys) Same(kept string) bool {
	if _, ok := scalarOf(kept); ok || kept == "" {
		return true
	}
	return kept == k.OfApplication().Kept()
}

func scalarOf(kept string) (scalar []byte, ok bool) {
	if kept == "" || kept[:1] != ofLogin {
		return nil, false
	}
	scalar, err := base64.RawURLEncoding.DecodeString(kept[1:])
	return scalar, err == nil
}

// extra is the name under which a token of package oauth2 holds its key. No tenant sends
// a value of type Key.
const extra = "auth0_proof_key"

// Attach returns a token of package oauth2 that holds its key, beside other members. For
// the zero Key it holds only those.
func Attach(t *oauth2.Token, key Key, members map[string]any) *oauth2.Token {
	if key.IsZero() {
		return t.WithExtra(members)
	}
	all := make(map[string]any, len(members)+1)
	for name, value := range members {
		all[name] = value
	}
	all[extra] = key
	return t.WithExtra(all)
}

// KeyOf returns the key of a token, the zero Key for none.
func KeyOf(t *oauth2.Token) Key {
	if t == nil {
		return Key{}
	}
	key, _ := t.Extra(extra).(Key)
	return key
}

// CredentialOf returns a token with the key to which it is bound: its own, else the given
// one.
func CredentialOf(token *oauth2.Token, key Key) (Credential, error) {
	if token == nil || token.AccessToken == "" {
		return Credential{}, refusal.Internal.Because("the token source has returned no access token")
	}
	c := Credential{Token: token.AccessToken}
	if !strings.EqualFold(token.TokenType, TokenType) {
		return c, nil
	}
	if c.Key = KeyOf(token); c.Key.IsZero() {
		c.Key = key
	}
	if c.Key.IsZero() {
		return Credential{}, refusal.Misconfigured.Because("the token is bound to a key (DPoP) that is not known here: keep the *oauth2.Token that this package returned, or set ProofTransport.Key")
	}
	return c, nil
}
