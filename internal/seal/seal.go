// Package seal encrypts and authenticates small values that a browser keeps
// for us, such as cookies.
//
// A sealed value is
//
//	"v3." + base64url(random[16] || AES-256-GCM(plaintext) with its 16-byte tag)
//
// The key is derived for each message with HKDF-SHA256 (RFC 5869). HKDF-Extract runs
// once for each secret, without a salt. HKDF-Expand runs for each message, with
//
//	info = version || purpose || "|" || name || bound || random
//
// where bound are the texts of [Keyring.Bind]. The key is one block of its output, which
// costs one HMAC.
//
// The random bytes are in info and not in the salt, because the browser sends them. An
// attacker must not choose the salt of HKDF-Extract (RFC 5869, Section 3.4). HKDF-Expand
// is a pseudorandom function of info, even if an attacker chooses info.
//
// Each key seals one message, so its nonce is zero. A static key with random 96-bit
// nonces must not seal more than 2^32 messages (NIST SP 800-38D, Section 8.3), which a
// busy site with rolling cookies reaches within weeks. Here, a key and its nonce repeat
// only if two messages of one place have the same 128 random bits. After 2^40 messages
// the probability is 2^-49.
//
// In a program that enforces FIPS 140-3 (GODEBUG=fips140=only), a nonce must come from
// the random generator of the module. A sealed value then is
//
//	"v4." + base64url(random[16] || nonce[12] || AES-256-GCM(plaintext) with its tag)
//
// with a key that is derived in the same way. Every program opens both forms, so that
// instances with and without enforcement share sessions.
//
// Version, purpose and name enter both the derivation and the additional data, so a
// value sealed for one cookie never opens as another. So do the texts of
// [Keyring.Bind]: applications that share a secret do not open each other's values. The
// parts of info are unambiguous: the version has 3 bytes and the random part
// 16, no name holds "|", and bound is empty or "|" and a hash.
//
// The package knows neither cookies nor a clock: the caller checks whether an opened
// value has expired.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
)

const (
	zeroNonce   = "v3." // the versions, named after the nonce
	randomNonce = "v4."

	randomSize = 16
	keySize    = 32
	nonceSize  = 12
	tagSize    = 16

	// MinSecret is the least number of bytes in a secret: the strength of the
	// AES-256 keys that are derived from it.
	MinSecret = 32
)

// A Keyring seals with its first secret and opens with any of them, so that rotating a
// secret does not end every session.
type Keyring struct {
	// Behind a function: fmt ignores the methods of a value in an unexported field, and
	// for some verbs it follows pointers. Of a function it prints only the address.
	secrets func() []*secret
	bound   string // see Bind
}

// A secret derives the keys of messages.
type secret struct {
	prk  []byte    // the result of HKDF-Extract
	macs sync.Pool // of hash.Hash: HMAC with prk, which need not hash it again
}

func newSecret(text string) *secret {
	prk, err := hkdf.Extract(sha256.New, []byte(text), nil)
	if err != nil {
		panic(err) // unreachable: the hash is approved, and check rejects a short text
	}
	return &secret{prk: prk}
}

// expand is HKDF-Expand of one block (RFC 5869, Section 2.3). Info ends with the number
// of the block.
func (s *secret) expand(key, info []byte) []byte {
	mac, ok := s.macs.Get().(hash.Hash)
	if !ok {
		mac = hmac.New(sha256.New, s.prk)
	}
	mac.Reset() // also of a new one: it then keeps its state after hashing the key
	mac.Write(info)
	key = mac.Sum(key[:0])
	s.macs.Put(mac)
	return key
}

// Bind returns a keyring with the same secrets that opens only values sealed by a keyring
// bound to the same texts. Applications often share a secret: they are configured from
// one file, or copied.
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
	k.secrets = func() []*secret { f(); return secrets() }
	return k
}

// New returns a Keyring. The bytes of each text are the key material: at least
// [MinSecret] of them, twice as many digits if the text is hexadecimal. All
// mistakes are returned, joined; none of them quotes a secret.
func New(secrets []string) (Keyring, error) {
	if len(secrets) == 0 {
		return Keyring{}, errors.New("at least one secret is needed (AUTH0_SECRET); make one with: openssl rand -hex 32")
	}
	var errs []error
	for i, s := range secrets {
		if err := check(s); err != nil {
			errs = append(errs, fmt.Errorf("secret %d of %d %w", i+1, len(secrets), err))
		}
		if slices.Contains(secrets[:i], s) {
			errs = append(errs, fmt.Errorf("secret %d of %d is there twice", i+1, len(secrets)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Keyring{}, err
	}
	var keys []*secret
	for _, s := range secrets {
		keys = append(keys, newSecret(s))
	}
	return Keyring{secrets: func() []*secret { return keys }}, nil
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
	b := buffers.Get().(*buffer)
	defer b.free()
	b.sealed = append(b.sealed[:0], make([]byte, randomSize)...)
	rand.Read(b.sealed) // never fails, see crypto/rand
	k.setLabel(b, version, purpose, name, b.sealed)
	nonce := zero[:]
	if version == randomNonce {
		nonce = nil // Seal makes one, and writes it before the ciphertext
	}
	b.sealed = aead(version, b.block(k.secrets()[0])).Seal(b.sealed, nonce, plaintext, b.label)
	b.text = base64url.AppendText(append(b.text[:0], version...), b.sealed)
	return string(b.text)
}

// zero is the nonce of version zeroNonce.
var zero [nonceSize]byte

// currentVersion returns the version of new values.
func currentVersion() string {
	if fips140.Enforced() {
		return randomNonce
	}
	return zeroNonce
}

// Size returns the length of the text that Seal makes of n bytes.
func Size(n int) int {
	if currentVersion() == randomNonce {
		n += nonceSize
	}
	return len(zeroNonce) + base64url.EncodedLen(randomSize+n+tagSize)
}

// Open returns the plaintext of a value that was sealed for the same purpose and name
// with one of the secrets. Current reports whether that was the first secret. If it was
// not, seal the value again. Open reports false for everything else. It gives no reason,
// because no caller could act on one.
func (k Keyring) Open(purpose, name, value string) (plaintext []byte, current, ok bool) {
	current, ok = k.open(purpose, name, value, func(opened []byte) { plaintext = append([]byte{}, opened...) })
	return plaintext, current, ok
}

// OpenText is Open for a plaintext of text.
func (k Keyring) OpenText(purpose, name, value string) (plaintext string, current, ok bool) {
	current, ok = k.open(purpose, name, value, func(opened []byte) { plaintext = string(opened) })
	return plaintext, current, ok
}

// open calls use with the plaintext, which is valid until use returns.
func (k Keyring) open(purpose, name, value string, use func([]byte)) (current, ok bool) {
	version := value[:min(len(value), len(zeroNonce))]
	if version != zeroNonce && version != randomNonce {
		return false, false
	}
	text := value[len(version):]
	if base64url.DecodedLen(text) < randomSize+tagSize {
		return false, false
	}
	b := buffers.Get().(*buffer)
	defer b.free()
	if b.sealed, ok = base64url.Append(b.sealed[:0], text, -1); !ok {
		return false, false
	}
	k.setLabel(b, version, purpose, name, b.sealed[:randomSize])
	ok = false
	// Every secret is tried, even after one has matched, so that the time does not
	// reveal which.
	for i, secret := range k.secrets() {
		opened, err := b.open(version, secret)
		if err == nil {
			use(opened)
			current, ok = i == 0, true
		}
	}
	return current, ok
}

// A buffer has the memory of one call. A call allocates only its results.
type buffer struct {
	label  []byte // binds a message to its place
	info   []byte // of HKDF-Expand, with the number of the block
	key    [keySize]byte
	sealed []byte // with the random part before it
	plain  []byte
	text   []byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// free keeps the memory for another call, without the secrets in it.
func (b *buffer) free() {
	const most = 32 << 10 // more than a cookie or a record needs
	clear(b.key[:])
	clear(b.plain)
	if max(cap(b.sealed), cap(b.plain), cap(b.text), cap(b.info)) <= most {
		buffers.Put(b)
	}
}

// setLabel sets the label and info of a message.
func (k Keyring) setLabel(b *buffer, version, purpose, name string, random []byte) {
	b.label = append(append(append(append(append(b.label[:0], version...), purpose...), '|'), name...), k.bound...)
	b.info = append(append(append(b.info[:0], b.label...), random...), 1)
}

func (b *buffer) open(version string, s *secret) (plaintext []byte, err error) {
	block, sealed := b.block(s), b.sealed[randomSize:]
	b.plain = slices.Grow(b.plain[:0], len(sealed))
	switch {
	case version == randomNonce:
		plaintext, err = aead(randomNonce, block).Open(b.plain, nil, sealed, b.label)
	case fips140.Enforced():
		// Opening with any nonce is allowed, and this AEAD reads the nonce from the text.
		plaintext, err = aead(randomNonce, block).Open(b.plain, nil, slices.Concat(zero[:], sealed), b.label)
	default:
		plaintext, err = aead(zeroNonce, block).Open(b.plain, zero[:], sealed, b.label)
	}
	if err == nil {
		b.plain = plaintext
	}
	return plaintext, err
}

// block returns the cipher of the message whose info is set.
func (b *buffer) block(s *secret) cipher.Block {
	block, err := aes.NewCipher(s.expand(b.key[:], b.info))
	if err != nil {
		panic(err) // unreachable: the key has 32 bytes
	}
	return block
}

func aead(version string, block cipher.Block) cipher.AEAD {
	gcm := cipher.NewGCM
	if version == randomNonce {
		gcm = cipher.NewGCMWithRandomNonce
	}
	aead, err := gcm(block)
	if err != nil {
		panic(err) // unreachable: the block has 16 bytes, and zeroNonce is not used where it is not allowed
	}
	return aead
}

// Format hides the secrets from every verb of package fmt.
func (k Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, "seal.Keyring") }
