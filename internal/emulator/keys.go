package emulator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/multiprime"
)

// poolSize leaves room for a current key, a next key and maxPrevious keys that
// all differ.
const (
	poolSize    = 8
	maxPrevious = poolSize - 3
)

// pool holds the RSA keys of all tenants of the process. Making one takes some twenty
// milliseconds, too long for a test suite with hundreds of tenants. Key ids differ by
// tenant, so that no two tenants accept each other's tokens.
var pool = newKeyPool()

// A keyPool makes each key on first use. Concurrent callers make different keys at the
// same time.
type keyPool struct {
	keys    [poolSize]func() *rsa.PrivateKey
	foreign func() *rsa.PrivateKey // a key that is in no tenant's key set
	tenants atomic.Int64

	mu           sync.Mutex
	certificates map[certificateOf][]byte
}

// A certificateOf identifies a certificate. Making one takes as long as signing a
// token.
type certificateOf struct {
	seed string
	slot int
	host string
	hour int64
}

const maxCertificates = 256

// KeysFrom gets RSA keys from source instead of generating them, for test suites of
// many processes, in each of which the keys would be generated again. KeysFrom calls source for each i
// from 0 to 8 at most once. Call it before the first tenant is made.
func KeysFrom(source func(i int) *rsa.PrivateKey) {
	for i := range pool.keys {
		pool.keys[i] = sync.OnceValue(func() *rsa.PrivateKey { return source(i) })
	}
	pool.foreign = sync.OnceValue(func() *rsa.PrivateKey { return source(poolSize) })
}

func (p *keyPool) certificate(of certificateOf) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.certificates[of]
}

func (p *keyPool) keepCertificate(of certificateOf, cert []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.certificates == nil || len(p.certificates) >= maxCertificates {
		p.certificates = map[certificateOf][]byte{}
	}
	p.certificates[of] = cert
}

func newKeyPool() *keyPool {
	p := &keyPool{foreign: sync.OnceValue(generateKey)}
	for i := range p.keys {
		p.keys[i] = sync.OnceValue(generateKey)
	}
	return p
}

// first returns the slot at which a new tenant begins to take keys. Two tenants
// made one after the other begin at different keys, so that a test with two
// tenants sees two key pairs.
func (p *keyPool) first() int { return int(2 * (p.tenants.Add(1) - 1) % poolSize) }

func (p *keyPool) key(i int) *rsa.PrivateKey { return p.keys[i%poolSize]() }

func generateKey() *rsa.PrivateKey {
	key, err := multiprime.New(rand.Reader)
	if err != nil {
		panic(err) // unreachable: the system's random source does not fail
	}
	return key
}

// A signingKey is one key of the key set. Its RSA key and its certificate are
// made when they are first needed.
type signingKey struct {
	kid, alg string
	host     string        // subject of the certificate
	seed     string        // of a tenant with one; such a key is not in the pool
	slot     int           // of the pool, or among the keys of the seed
	signer   crypto.Signer // instead of the pool, for added keys

	once   sync.Once
	cert   []byte
	seeded func() *rsa.PrivateKey // with a seed
}

func (k *signingKey) private() crypto.Signer {
	switch {
	case k.signer != nil:
		return k.signer
	case k.seeded != nil:
		return multiprime.Signer{PrivateKey: k.seeded()}
	}
	return multiprime.Signer{PrivateKey: pool.key(k.slot)}
}

// certificate returns a self-signed certificate for the key.
func (k *signingKey) certificate(now time.Time) []byte {
	k.once.Do(func() {
		of := certificateOf{k.seed, k.slot, k.host, now.Unix() / 3600}
		if k.seed == "" {
			of.slot %= poolSize
		}
		if k.signer == nil {
			if k.cert = pool.certificate(of); k.cert != nil {
				return
			}
		}
		template := &x509.Certificate{
			SerialNumber:          new(big.Int).SetBytes([]byte(k.kid)[:16]),
			Subject:               pkix.Name{CommonName: k.host},
			NotBefore:             now.Add(-time.Hour),
			NotAfter:              now.AddDate(13, 8, 0),
			BasicConstraintsValid: true,
			IsCA:                  true,
		}
		key := k.private()
		// The error is for unusable templates and keys, and these are neither.
		k.cert, _ = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if k.signer == nil {
			pool.keepCertificate(of, k.cert)
		}
	})
	return k.cert
}

// A keyring is the key set: one key that signs, the one that will sign next,
// the ones that have signed and are not revoked, and keys of the test's own.
type keyring struct {
	host, seed    string
	current, next *signingKey
	previous      []*signingKey // youngest first
	added         []*signingKey
	slot          int  // for the key after next
	foreign       bool // sign with a key that is not in the set
}

func newKeyring(host, seed string) keyring {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	r := keyring{host: host, seed: seed}
	if seed == "" {
		r.slot = pool.first()
	}
	r.current = r.newKey()
	r.next = r.newKey()
	return r
}

func (r *keyring) newKey() *signingKey {
	k := &signingKey{kid: randomID(21), alg: "RS256", host: r.host, seed: r.seed, slot: r.slot}
	if r.seed != "" {
		k.kid = derivedID(21, "key", r.seed, strconv.Itoa(r.slot))
		k.seeded = sync.OnceValue(func() *rsa.PrivateKey { return seededKey(k.seed, k.slot) })
	}
	r.slot++
	return k
}

// all returns the published keys.
func (r *keyring) all() []*signingKey {
	return slices.Concat([]*signingKey{r.current, r.next}, r.previous, r.added)
}

func (r *keyring) find(kid string) *signingKey {
	for _, k := range r.all() {
		if k.kid == kid {
			return k
		}
	}
	return nil
}

// keys sign tokens, check their signatures and publish the key set.
type keys struct {
	*site
	directory *directory
	faults    *faults

	ring keyring
}

// RotateKeys makes the next key the current one and publishes a new next key.
// The key that signed until now stays published until [Tenant.RevokeOldKeys].
func (ks *keys) RotateKeys() {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	r := &ks.ring
	r.previous = slices.Insert(r.previous, 0, r.current)
	r.previous = r.previous[:min(len(r.previous), maxPrevious)]
	r.current, r.next = r.next, r.newKey()
}

// RevokeOldKeys removes the keys that signed before the current one from the
// key set.
func (ks *keys) RevokeOldKeys() {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.ring.previous = nil
}

// MakeKeys makes the RSA keys and the certificates of the key set now, so that the
// first client does not wait for them.
func (ks *keys) MakeKeys() {
	ks.mu.Lock()
	list := ks.ring.all()
	ks.mu.Unlock()
	for _, k := range list {
		k.certificate(ks.now())
	}
}

// KeyID returns the kid of the current signing key.
func (ks *keys) KeyID() string {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	return ks.ring.current.kid
}

// SignWithForeignKey makes the tenant sign with a key that is not in its key
// set, under the kid of the current key.
func (ks *keys) SignWithForeignKey(on bool) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.ring.foreign = on
}

// AddKey publishes a further key, which [Tenant.Sign] uses when the header
// names its kid. Auth0 itself publishes RSA keys only.
func (ks *keys) AddKey(kid, alg string, key crypto.Signer) error {
	if kid == "" || key == nil {
		return errors.New("tenant: a key needs a kid and a private key")
	}
	k := &signingKey{kid: kid, alg: alg, host: ks.host, signer: key}
	if _, err := publicJWK(k); err != nil {
		return err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.ring.find(kid) != nil {
		return fmt.Errorf("tenant: there is a key %q already", kid)
	}
	ks.ring.added = append(ks.ring.added, k)
	return nil
}

// serveJWKS answers with the key set (RFC 7517, Section 5).
func (ks *keys) serveJWKS(w http.ResponseWriter, r *http.Request) {
	ks.mu.Lock()
	keys := ks.ring.all()
	edit := ks.faults.editJWKS
	ks.mu.Unlock()

	jwks := make([]map[string]any, 0, len(keys))
	for _, k := range keys {
		jwk, err := publicJWK(k)
		if err != nil {
			continue // unreachable: AddKey rejects such keys
		}
		if k.signer == nil {
			cert := k.certificate(ks.now())
			var sum [sha1.Size]byte
			fips140.WithoutEnforcement(func() { sum = sha1.Sum(cert) }) // it protects nothing (RFC 7517, Section 4.8)
			jwk["x5c"] = []string{base64.StdEncoding.EncodeToString(cert)}
			jwk["x5t"] = b64(sum[:])
		}
		jwks = append(jwks, jwk)
	}
	doc := map[string]any{"keys": jwks}
	if edit != nil {
		edit(doc)
	}
	cachePublicly(w)
	writeJSON(w, http.StatusOK, doc)
}

// servePEM answers with the certificate of the current key.
func (ks *keys) servePEM(w http.ResponseWriter, r *http.Request) {
	ks.mu.Lock()
	key := ks.ring.current
	ks.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-pem-file")
	pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: key.certificate(ks.now())})
}

// publicJWK returns the public half of a key (RFC 7518, Section 6; RFC 8037).
func publicJWK(k *signingKey) (map[string]any, error) {
	jwk := map[string]any{"use": "sig", "kid": k.kid}
	if k.alg != "" {
		jwk["alg"] = k.alg
	}
	switch pub := k.private().Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"] = "RSA"
		jwk["n"] = b64(pub.N.Bytes())
		jwk["e"] = b64(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 0x04, x, y
		if err != nil {
			return nil, fmt.Errorf("tenant: key %q: %w", k.kid, err)
		}
		size := (len(point) - 1) / 2
		jwk["kty"] = "EC"
		jwk["crv"] = pub.Curve.Params().Name
		jwk["x"] = b64(point[1 : 1+size])
		jwk["y"] = b64(point[1+size:])
	case ed25519.PublicKey:
		jwk["kty"] = "OKP"
		jwk["crv"] = "Ed25519"
		jwk["x"] = b64(pub)
	default:
		return nil, fmt.Errorf("tenant: key %q has an unsupported type %T", k.kid, pub)
	}
	return jwk, nil
}
