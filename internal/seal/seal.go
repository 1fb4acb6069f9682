// Package seal encrypts and authenticates small values that a browser keeps
// for us, such as cookies.
//
// A sealed value is
//
//	"v1." + base64url(salt[16] || AES-256-GCM(plaintext) with its 16-byte tag)
//
// Key and nonce are derived for each message from a secret and the salt with
// HKDF-SHA256 (RFC 5869). A static key with random 96-bit nonces may seal no
// more than 2^32 messages (NIST SP 800-38D, Section 8.3), which a busy site
// with rolling cookies reaches within weeks; a fresh 256-bit key for each
// message has no such budget.
//
// In a program that enforces FIPS 140-3 (GODEBUG=fips140=only), a nonce must come from
// the random generator of the module. A sealed value then is
//
//	"v2." + base64url(salt[16] || nonce[12] || AES-256-GCM(plaintext) with its tag)
//
// with a key that is derived in the same way. Every program opens both forms, so that
// instances with and without enforcement share sessions.
//
// Purpose and name enter both the derivation and the additional data, so a
// value sealed for one cookie never opens as another. So does whom the keyring is
// bound to: applications that share a secret do not open each other's values.
//
// The package does not know cookies, and no clock: whether an opened value has expired
// is for the caller to check.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
)

const (
	derivedNonce = "v1." // the versions, named after the origin of the nonce
	randomNonce  = "v2."

	saltSize  = 16
	keySize   = 32
	nonceSize = 12
	tagSize   = 16

	// MinSecret is the least number of bytes in a secret: the strength of the
	// AES-256 keys that are derived from it.
	MinSecret = 32
)

// A Keyring seals with its first secret and opens with any of them, so that a
// secret can be replaced without ending every session.
type Keyring struct {
	// Behind a function, because fmt prints what it reaches through an
	// unexported field whatever methods it has, and follows pointers for some
	// verbs; of a function it knows only the address.
	secrets func() [][]byte
	bound   string // see Bind
}

// Bind returns a keyring with the same secrets that opens only what was sealed
// by one that is bound to the same texts. Two secrets that happen to be the same
// are common: applications are configured from one file, or copied.
func (k Keyring) Bind(texts ...string) Keyring {
	h := sha256.New()
	for _, text := range append([]string{k.bound}, texts...) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	k.bound = "|" + string(base64url.AppendText(nil, h.Sum(nil)))
	return k
}

// Watch returns a keyring that calls f for each value that it seals or opens, for
// tests that count.
func (k Keyring) Watch(f func()) Keyring {
	secrets := k.secrets
	k.secrets = func() [][]byte { f(); return secrets() }
	return k
}

// New returns a Keyring. The bytes of each text are the key material: at least
// [MinSecret] of them, twice as many digits if the text is hexadecimal. All
// mistakes are returned, joined; none of them quotes a secret.
func New(secrets []string) (Keyring, error) {
	if len(secrets) == 0 {
		return Keyring{}, errors.New("at least one secret is needed (AUTH0_SECRET); make one with: openssl rand -hex 32")
	}
	var keys [][]byte
	var errs []error
	for i, s := range secrets {
		if err := check(s); err != nil {
			errs = append(errs, fmt.Errorf("secret %d of %d %w", i+1, len(secrets), err))
		}
		if slices.Contains(secrets[:i], s) {
			errs = append(errs, fmt.Errorf("secret %d of %d is there twice", i+1, len(secrets)))
		}
		keys = append(keys, []byte(s))
	}
	if err := errors.Join(errs...); err != nil {
		return Keyring{}, err
	}
	return Keyring{secrets: func() [][]byte { return keys }}, nil
}

func check(s string) error {
	switch {
	case len(s) < MinSecret:
		return fmt.Errorf("has %d bytes, fewer than %d; make one with: openssl rand -hex 32", len(s), MinSecret)
	case strings.Trim(s, "0123456789abcdefABCDEF") == "" && len(s) < 2*MinSecret:
		return fmt.Errorf("is hexadecimal with %d digits, fewer than the %d that make %d bytes; make one with: openssl rand -hex 32",
			len(s), 2*MinSecret, MinSecret)
	}
	if why := guessable(s); why != "" {
		return errors.New(why + "; make one with: openssl rand -hex 32")
	}
	return nil
}

// Seal returns plaintext sealed for the given purpose and name. Sealing the
// same plaintext twice gives different values.
func (k Keyring) Seal(purpose, name string, plaintext []byte) string {
	return k.seal(currentVersion(), purpose, name, plaintext)
}

func (k Keyring) seal(version, purpose, name string, plaintext []byte) string {
	buf := make([]byte, saltSize, saltSize+nonceSize+len(plaintext)+tagSize)
	rand.Read(buf) // never fails, see crypto/rand
	label := k.label(version, purpose, name)
	block, nonce := message(k.secrets()[0], buf[:saltSize], label)
	if version == randomNonce {
		nonce = nil // Seal makes one, and writes it before the ciphertext
	}
	buf = aead(version, block).Seal(buf, nonce, plaintext, label)
	text := make([]byte, 0, len(version)+base64url.EncodedLen(len(buf)))
	return string(base64url.AppendText(append(text, version...), buf))
}

// currentVersion returns the version of new values.
func currentVersion() string {
	if fips140.Enforced() {
		return randomNonce
	}
	return derivedNonce
}

// Size returns the length of the text that Seal makes of n bytes.
func Size(n int) int {
	if currentVersion() == randomNonce {
		n += nonceSize
	}
	return len(derivedNonce) + base64url.EncodedLen(saltSize+n+tagSize)
}

// Open returns the plaintext of a value that was sealed for the same purpose
// and name with one of the secrets. Current reports whether it was the first
// one; a value for which it was not should be sealed again. Open reports false
// for everything else, and gives no reason: there is none that a caller could
// act upon.
func (k Keyring) Open(purpose, name, value string) (plaintext []byte, current, ok bool) {
	version := value[:min(len(value), len(derivedNonce))]
	if version != derivedNonce && version != randomNonce {
		return nil, false, false
	}
	sealed, ok := base64url.Append(nil, value[len(version):], -1)
	if !ok || len(sealed) < saltSize+tagSize {
		return nil, false, false
	}
	label := k.label(version, purpose, name)
	secrets := k.secrets()
	var dst []byte
	if len(secrets) == 1 {
		dst = sealed[saltSize:saltSize] // in place; a failure destroys the text, which another secret would need
	}
	ok = false
	// Every secret is tried, also after one has fit, so that the time taken
	// does not tell which.
	for i, secret := range secrets {
		opened, err := open(dst, version, secret, sealed[:saltSize], sealed[saltSize:], label)
		if err == nil {
			plaintext, current, ok = opened, i == 0, true
		}
	}
	return plaintext, current, ok
}

func open(dst []byte, version string, secret, salt, sealed, label []byte) ([]byte, error) {
	block, nonce := message(secret, salt, label)
	switch {
	case version == randomNonce:
		return aead(randomNonce, block).Open(nil, nil, sealed, label)
	case fips140.Enforced():
		// Opening with any nonce is allowed, and this AEAD reads the nonce from the text.
		return aead(randomNonce, block).Open(nil, nil, slices.Concat(nonce, sealed), label)
	}
	return aead(derivedNonce, block).Open(dst, nonce, sealed, label)
}

// message derives the key and the nonce of one message. The nonce is for values of
// the version derivedNonce.
func message(secret, salt, label []byte) (cipher.Block, []byte) {
	okm, err := hkdf.Key(sha256.New, secret, salt, string(label), keySize+nonceSize)
	if err != nil {
		panic(err) // unreachable: fails only for lengths above 255 hashes
	}
	block, err := aes.NewCipher(okm[:keySize])
	if err != nil {
		panic(err) // unreachable: the key has 32 bytes
	}
	return block, okm[keySize:]
}

func aead(version string, block cipher.Block) cipher.AEAD {
	gcm := cipher.NewGCM
	if version == randomNonce {
		gcm = cipher.NewGCMWithRandomNonce
	}
	aead, err := gcm(block)
	if err != nil {
		panic(err) // unreachable: the block has 16 bytes, and derivedNonce is not used where it is not allowed
	}
	return aead
}

// label binds a message to its place. The names it is called with hold no "|".
func (k Keyring) label(version, purpose, name string) []byte {
	return []byte(version + purpose + "|" + name + k.bound)
}

// Format hides the secrets from every verb of package fmt.
func (k Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, "seal.Keyring") }
