package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// setFor returns a Set with one key for an algorithm.
func setFor(t *testing.T, alg string) *Set {
	t.Helper()
	if alg == Symmetric {
		return must(Shared(secret))
	}
	public := privateFor(alg).(crypto.Signer).Public()
	return must(Static([]byte(jwks(jwkText("k", public, nil)))))
}

// TestAlgorithms signs tokens with each algorithm under each alg: an algorithm accepts its
// own signature and no other.
func TestAlgorithms(t *testing.T) {
	all := append(slices.Clone(Asymmetric), Symmetric)
	for _, named := range all {
		set, text := setFor(t, named), input("k", named)
		for _, used := range all {
			m := messageOf(text, signatureOf(used, privateFor(used), text))
			key, err := set.Verify(t.Context(), m, FromAnybody)
			if named == used {
				expect(t, named, err, nil)
				if err == nil && !slices.Contains(key.algorithms, named) {
					t.Errorf("%s: verified with a key for %q", named, key.algorithms)
				}
				continue
			}
			expect(t, named+" with a signature of "+used, err, fault.Signature)
		}
	}
}

// TestSignatureForms: a signature has one form and one length.
func TestSignatureForms(t *testing.T) {
	for _, alg := range append(slices.Clone(Asymmetric), Symmetric) {
		set, text := setFor(t, alg), input("k", alg)
		good := signatureOf(alg, privateFor(alg), text)
		half := len(good) / 2
		for why, signature := range map[string][]byte{
			"first bit":         flipped(good, 0, 0x80),
			"last bit":          flipped(good, len(good)-1, 1),
			"middle":            flipped(good, half, 1),
			"a byte less":       good[:len(good)-1],
			"a byte more":       append(bytes.Clone(good), 0),
			"a zero in front":   append([]byte{0}, good...),
			"a zero per half":   slices.Concat([]byte{0}, good[:half], []byte{0}, good[half:]),
			"a zero between":    slices.Concat(good[:half], []byte{0}, good[half:]),
			"one byte":          {1},
			"zeros":             make([]byte, len(good)),
			"longer than a key": bytes.Repeat([]byte{1}, 2000),
		} {
			_, err := set.Verify(t.Context(), messageOf(text, signature), FromAnybody)
			expect(t, alg+" "+why, err, fault.Signature)
		}
		if key, ok := privateFor(alg).(*ecdsa.PrivateKey); ok {
			digest := Digest(alg, text)
			_, err := set.Verify(t.Context(), messageOf(text, must(ecdsa.SignASN1(rand.Reader, key, digest))), FromAnybody)
			expect(t, alg+" in ASN.1", err, fault.Signature)
		}
		if strings.HasPrefix(alg, "PS") {
			hash := hashOf(alg)
			for _, salt := range []int{0, hash.Size() - 1, hash.Size() + 1} {
				signature := must(rsa.SignPSS(rand.Reader, rsa1(), hash, Digest(alg, text), &rsa.PSSOptions{SaltLength: salt}))
				_, err := set.Verify(t.Context(), messageOf(text, signature), FromAnybody)
				expect(t, fmt.Sprintf("%s with a salt of %d bytes", alg, salt), err, fault.Signature)
			}
		}
	}
}

func flipped(b []byte, i int, bits byte) []byte {
	b = bytes.Clone(b)
	b[i] ^= bits
	return b
}

func TestDigest(t *testing.T) {
	s256, s384, s512 := sha256.Sum256([]byte("text")), sha512.Sum384([]byte("text")), sha512.Sum512([]byte("text"))
	for alg, want := range map[string][]byte{
		"RS256": s256[:], "PS256": s256[:], "ES256": s256[:], "HS256": s256[:],
		"RS384": s384[:], "PS384": s384[:], "ES384": s384[:],
		"RS512": s512[:], "PS512": s512[:], "ES512": s512[:], "EdDSA": s512[:],
	} {
		if got := Digest(alg, "text"); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", alg, got, want)
		}
	}
}

// TestAppendDER compares with encoding/asn1 around each length at which the form
// changes.
func TestAppendDER(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	number := func(size int, first byte) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(random.Uint32()) | 1
		}
		b[0] = first
		return b
	}
	for _, size := range []int{1, 2, 32, 48, 60, 61, 62, 63, 66} {
		for _, first := range [][2]byte{{0x7f, 0x7f}, {0x80, 0x7f}, {0x7f, 0x80}, {0xff, 0xff}, {0, 1}, {1, 0}, {0, 0}, {1, 1}} {
			for range 4 {
				r, s := number(size, first[0]), number(size, first[1])
				if size > 2 && random.IntN(2) == 0 {
					r[1] = 0
				}
				checkDER(t, r, s)
			}
		}
		checkDER(t, make([]byte, size), make([]byte, size)) // zero is one byte
	}
}

func checkDER(t *testing.T, r, s []byte) {
	t.Helper()
	want := must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)}))
	if got := appendDER([]byte("before"), r, s); string(got) != "before"+string(want) {
		t.Errorf("%x, %x: %x, want %x", r, s, got[6:], want)
	}
}

// rocaModulus returns a number of the given length with the fingerprint of CVE-2017-15361.
// Except is a prime without it, or 0.
func rocaModulus(bits int, power, except int64) *big.Int {
	m := big.NewInt(1)
	for p := int64(3); p <= 167; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) && p != except {
			m.Mul(m, big.NewInt(p))
		}
	}
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.Sub(n, new(big.Int).Mod(n, m)).Add(n, m)
	n.Add(n, new(big.Int).Exp(big.NewInt(65537), big.NewInt(power), m))
	// Zero is a power of 65537 modulo no prime.
	for n.Bit(0) == 0 || except != 0 && new(big.Int).Mod(n, big.NewInt(except)).Sign() != 0 {
		n.Add(n, m)
	}
	return n
}

func TestFactorable(t *testing.T) {
	for power := range int64(200) {
		if !Factorable(rocaModulus(2048, power, 0)) {
			t.Errorf("65537 to the power of %d: not found", power)
		}
	}
	primes := 0
	for p := int64(3); p <= 167; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) {
			primes++
			if Factorable(rocaModulus(2048, 1_000_003, p)) {
				t.Errorf("found, although a multiple of %d", p)
			}
		}
	}
	if len(rocaResidues()) != primes {
		t.Errorf("%d primes, want %d", len(rocaResidues()), primes)
	}
	if Factorable(rsa1().N) {
		t.Error("an honest key is taken for one")
	}
}

// modulus returns an odd number of the given length without the fingerprint.
func modulus(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.Or(n, big.NewInt(0x1234567)).SetBit(n, 0, 1)
}

func rsaPublic(bits, e int) *rsa.PublicKey { return &rsa.PublicKey{N: modulus(bits), E: e} }

// TestKeys has one row for each rule of a JWK, and the two sides of each bound.
func TestKeys(t *testing.T) {
	good, curve, edward := &rsa1().PublicKey, &p256().PublicKey, edwards().Public().(ed25519.PublicKey)
	lowOrderKey := func(i int, sign byte) string {
		point := []byte(lowOrderPoints[i])
		point[31] |= sign
		return jwkText("k", ed25519.PublicKey(point), nil)
	}
	allRSA := Asymmetric[:6]
	rows := []struct {
		why, text  string
		algorithms []string // nil if the Set ignores the key
		err        string
	}{
		{"RSA", jwkText("k", good, nil), allRSA, ""},
		{"P-256", jwkText("k", curve, nil), []string{"ES256"}, ""},
		{"P-384", jwkText("k", &p384().PublicKey, nil), []string{"ES384"}, ""},
		{"P-521", jwkText("k", &p521().PublicKey, nil), []string{"ES512"}, ""},
		{"Ed25519", jwkText("k", edward, nil), []string{"EdDSA"}, ""},
		{"no kid", jwkText("", edward, nil), []string{"EdDSA"}, ""},
		{"kid of 256 bytes", jwkText(strings.Repeat("k", 256), edward, nil), []string{"EdDSA"}, ""},
		{"kid of 257 bytes", jwkText(strings.Repeat("k", 257), edward, nil), nil, "longer than 256 bytes"},
		{"use sig", jwkText("k", edward, change{"use": "sig"}), []string{"EdDSA"}, ""},
		{"use enc", jwkText("k", edward, change{"use": "enc"}), nil, `is for "enc"`},
		{"key_ops verify", jwkText("k", edward, change{"key_ops": []string{"sign", "verify"}}), []string{"EdDSA"}, ""},
		{"key_ops encrypt", jwkText("k", edward, change{"key_ops": []string{"encrypt"}}), nil, "not for verifying"},
		{"alg", jwkText("k", good, change{"alg": "PS384"}), []string{"PS384"}, ""},
		{"alg of another kind", jwkText("k", good, change{"alg": "ES256"}), nil, `is for "ES256"`},
		{"alg for encryption", jwkText("k", good, change{"alg": "RSA-OAEP"}), nil, `is for "RSA-OAEP"`},
		{"alg of a secret", jwkText("k", good, change{"alg": "HS256"}), nil, `is for "HS256"`},
		{"2,047 bits", jwkText("k", rsaPublic(2047, 65537), nil), nil, ""},
		{"2,048 bits", jwkText("k", rsaPublic(2048, 65537), nil), allRSA, ""},
		{"8,192 bits", jwkText("k", rsaPublic(8192, 65537), nil), allRSA, ""},
		{"8,193 bits", jwkText("k", rsaPublic(8193, 65537), nil), nil, "has 8193 bits"},
		{"exponent 1", jwkText("k", rsaPublic(2048, 1), nil), nil, ""},
		{"exponent 2", jwkText("k", rsaPublic(2048, 2), nil), nil, ""},
		{"exponent 3", jwkText("k", rsaPublic(2048, 3), nil), allRSA, ""},
		{"exponent 65536", jwkText("k", rsaPublic(2048, 65536), nil), nil, ""},
		{"exponent 2^31-1", jwkText("k", rsaPublic(2048, 1<<31-1), nil), allRSA, ""},
		{"exponent 2^31+1", jwkText("k", rsaPublic(2048, 3), change{"e": b64([]byte{0x80, 0, 0, 1})}), nil, ""},
		{"factorable", jwkText("k", &rsa.PublicKey{N: rocaModulus(2048, 5, 0), E: 65537}, nil), nil, "CVE-2017-15361"},
		{"off its curve", jwkText("k", curve, change{"y": b64(bytes.Repeat([]byte{1}, 32))}), nil, "is n"},
		{"P-384 on P-256", jwkText("k", &p384().PublicKey, change{"crv": "P-256"}), nil, ""},
		{"X25519", jwkText("k", edward, change{"crv": "X25519"}), nil, "of no kind"},
		{"Ed25519 of 31 bytes", jwkText("k", edward, change{"x": b64(edward[:31])}), nil, ""},
		{"low order", lowOrderKey(0, 0), nil, "low order"},
		{"private RSA", jwkText("k", good, change{"d": b64(rsa1().D.Bytes()), "p": b64(rsa1().Primes[0].Bytes()), "q": b64(rsa1().Primes[1].Bytes())}), nil, ""},
		{"private Ed25519", jwkText("k", edward, change{"d": b64(edwards().Seed())}), nil, "of no kind"},
		{"secret", `{"kty":"oct","kid":"k","k":"` + b64([]byte(secret)) + `"}`, nil, "of no kind"},
		{"unknown kind", `{"kty":"LWE","kid":"k"}`, nil, "not one that is known"},
		{"no object", `17`, nil, "not one that is known"},
		{"null", `null`, nil, ""},
	}
	for i := range lowOrderPoints {
		rows = append(rows, struct {
			why, text  string
			algorithms []string
			err        string
		}{fmt.Sprint("low order with a sign ", i), lowOrderKey(i, 0x80), nil, "low order"})
	}
	for _, row := range rows {
		key, err := newKey(json.RawMessage(row.text))
		switch {
		case (err == nil) != (row.algorithms != nil):
			t.Errorf("%s: %v", row.why, err)
		case err != nil:
			if !strings.Contains(err.Error(), row.err) || len(err.Error()) > 120 {
				t.Errorf("%s: %v, want %q", row.why, err, row.err)
			}
			if strings.Contains(err.Error(), b64(edwards().Seed())) || strings.Contains(err.Error(), b64([]byte(secret))) {
				t.Errorf("%s: the error quotes the key", row.why)
			}
		case !slices.Equal(key.algorithms, row.algorithms):
			t.Errorf("%s: for %q, want %q", row.why, key.algorithms, row.algorithms)
		}
	}
}

// TestKeysOfGo checks the rules that package jwk enforces too, without that package.
func TestKeysOfGo(t *testing.T) {
	//lint:ignore SA1019 no other way makes a point that is off its curve
	off := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	edward := edwards().Public().(ed25519.PublicKey)
	greatest := 1<<31 - 1 // of 32 bits, where two more are negative
	for why, row := range map[string]struct {
		key any
		err string
	}{
		"2,047 bits": {rsaPublic(2047, 65537), "2047 bits"}, "2,048 bits": {rsaPublic(2048, 65537), ""},
		"8,192 bits": {rsaPublic(8192, 65537), ""}, "8,193 bits": {rsaPublic(8193, 65537), "8193 bits"},
		"exponent 1": {rsaPublic(2048, 1), "exponent"}, "exponent 2": {rsaPublic(2048, 2), "exponent"},
		"exponent 3": {rsaPublic(2048, 3), ""}, "exponent 65536": {rsaPublic(2048, 65536), "exponent"},
		"exponent 2^31-1": {rsaPublic(2048, greatest), ""}, "exponent 2^31+1": {rsaPublic(2048, greatest+2), "exponent"},
		"on its curve": {&p256().PublicKey, ""}, "off its curve": {off, "not on its curve"}, "P-224": {&p224.PublicKey, "is n"},
		"Ed25519": {edward, ""}, "Ed25519 of 31 bytes": {edward[:31], "length"}, "Ed25519 of 33 bytes": {ed25519.PublicKey(append(bytes.Clone(edward), 0)), "length"},
		"private": {rsa1(), "of no kind"}, "bytes": {[]byte(secret), "of no kind"}, "nothing": {nil, "of no kind"},
	} {
		_, err := algorithmsOf(row.key)
		if (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: %v, want %q", why, err, row.err)
		}
	}
	if (&Key{key: "no key"}).made([]byte("s"), "RS256", "text") {
		t.Error("a key of no kind verifies")
	}
}

// TestLowOrderForgery shows the reason to reject keys of low order: one signature fits
// every text.
func TestLowOrderForgery(t *testing.T) {
	identity := make([]byte, 32)
	identity[0] = 1
	forged := append(bytes.Clone(identity), make([]byte, 32)...)
	for _, text := range []string{"one", "other"} {
		if !ed25519.Verify(identity, []byte(text), forged) {
			t.Skip("the standard library rejects the key itself")
		}
	}
	if !lowOrder(identity) || lowOrder(edwards().Public().(ed25519.PublicKey)) {
		t.Error("lowOrder does not tell the keys apart")
	}
}

// TestKeyEqual compares keys by id, algorithms and value.
func TestKeyEqual(t *testing.T) {
	parse := func(id string, public any, changes change) *Key {
		return must(newKey(json.RawMessage(jwkText(id, public, changes))))
	}
	a := parse("a", &rsa1().PublicKey, nil)
	for why, row := range map[string]struct {
		key   *Key
		equal bool
	}{
		"the same":       {parse("a", &rsa1().PublicKey, nil), true},
		"another id":     {parse("b", &rsa1().PublicKey, nil), false},
		"one algorithm":  {parse("a", &rsa1().PublicKey, change{"alg": "RS256"}), false},
		"another key":    {parse("a", rsaPublic(2048, 65537), nil), false},
		"another kind":   {parse("a", edwards().Public(), nil), false},
		"another length": {parse("a", rsaPublic(4096, 65537), nil), false},
	} {
		if a.equal(row.key) != row.equal {
			t.Errorf("%s: equal is %v", why, !row.equal)
		}
	}
	shared := must(Shared(secret)).fixed.all[0]
	if shared.equal(shared) {
		t.Error("a shared secret can be compared")
	}
}

// TestSecretDoesNotPrint formats a Set that holds a shared secret.
func TestSecretDoesNotPrint(t *testing.T) {
	set := must(Shared(secret))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, v := range []any{set, set.fixed, set.fixed.all, *set.fixed.all[0]} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s prints the secret: %s", verb, out)
			}
		}
	}
}
