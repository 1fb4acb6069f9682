package seal

import (
	"bytes"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

const (
	secretA = "0123456789abcdef-an-example-secret-A"
	secretB = "0123456789abcdef-an-example-secret-B"
)

func ring(t testing.TB, secrets ...string) Keyring {
	t.Helper()
	k, err := New(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRoundTrip(t *testing.T) {
	k := ring(t, secretA)
	for _, text := range []string{"", "x", "žluťoučký 你好 \x00\xff", strings.Repeat("long", 3000)} {
		value := k.Seal("session", "s", []byte(text))
		got, current, ok := k.Open("session", "s", value)
		if !ok || !current || string(got) != text {
			t.Errorf("Open(Seal(%.20q)) = %.20q, %v, %v", text, got, current, ok)
		}
		if len(value) != Size(len(text)) {
			t.Errorf("%d bytes sealed to %d, Size says %d", len(text), len(value), Size(len(text)))
		}
		if strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("sealed value holds characters that a cookie may not: %.40q", value)
		}
	}
}

func TestSealIsRandom(t *testing.T) {
	k := ring(t, secretA)
	salts := map[string]bool{}
	const n = 30_000
	for range n {
		raw, err := base64.RawURLEncoding.DecodeString(k.Seal("p", "n", nil)[len("v3."):])
		if err != nil {
			t.Fatal(err)
		}
		salts[string(raw[:16])] = true
	}
	if len(salts) != n {
		t.Errorf("%d values used %d different salts", n, len(salts))
	}
}

func TestRotation(t *testing.T) {
	old, both, without := ring(t, secretA), ring(t, secretB, secretA), ring(t, secretB)
	value := old.Seal("session", "s", []byte("data"))
	if got, current, ok := both.Open("session", "s", value); !ok || current || string(got) != "data" {
		t.Errorf("old secret second: %q, current %v, ok %v; want it to open and not be current", got, current, ok)
	}
	if _, _, ok := without.Open("session", "s", value); ok {
		t.Error("opened with a secret that is gone")
	}
	if got, current, ok := without.Open("session", "s", both.Seal("session", "s", []byte("new"))); !ok || !current || string(got) != "new" {
		t.Error("the first secret did not seal")
	}
}

// TestBoundToPlace moves a value to another name and to another purpose.
func TestBoundToPlace(t *testing.T) {
	k := ring(t, secretA)
	value := k.Seal("session", "app", []byte("data"))
	for _, place := range [][2]string{{"txn", "app"}, {"session", "app2"}, {"session", ""}, {"", "app"}, {"sessio", "napp"}} {
		if _, _, ok := k.Open(place[0], place[1], value); ok {
			t.Errorf("sealed for session, app; opened for %q", place)
		}
	}
}

// TestEveryBit flips each bit of a sealed value of 1 KiB, and each character of its text.
func TestEveryBit(t *testing.T) {
	k := ring(t, secretA)
	value := k.Seal("session", "s", bytes.Repeat([]byte("0123456789abcdef"), 60))
	raw, err := base64.RawURLEncoding.DecodeString(value[len("v3."):])
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		forged := bytes.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		if _, _, ok := k.Open("session", "s", value[:len("v3.")]+base64.RawURLEncoding.EncodeToString(forged)); ok {
			t.Fatalf("opened with bit %d flipped", bit)
		}
	}
	// The last character carries spare bits that a lenient decoder ignores.
	for i := range len(value) {
		for _, c := range []byte("AQgw-_.=%\n") {
			if value[i] == c {
				continue
			}
			if _, _, ok := k.Open("session", "s", value[:i]+string(c)+value[i+1:]); ok {
				t.Fatalf("opened with character %d replaced by %q", i, c)
			}
		}
	}
}

func TestTruncatedExtendedSpliced(t *testing.T) {
	k := ring(t, secretA)
	a, b := k.Seal("p", "n", []byte("first value")), k.Seal("p", "n", []byte("other value"))
	for i := range len(a) {
		if _, _, ok := k.Open("p", "n", a[:i]); ok {
			t.Fatalf("opened with %d characters left", i)
		}
		if spliced := a[:i] + b[i:]; spliced != a && spliced != b {
			if _, _, ok := k.Open("p", "n", spliced); ok {
				t.Fatalf("opened after a splice at %d", i)
			}
		}
	}
	for _, suffix := range []string{"A", "=", "\n", "\r\n", ".", a} {
		if _, _, ok := k.Open("p", "n", a+suffix); ok {
			t.Errorf("opened with %.10q appended", suffix)
		}
	}
	for _, at := range []int{len("v3."), 20} {
		for _, inside := range []string{"\n", "\r"} {
			if _, _, ok := k.Open("p", "n", a[:at]+inside+a[at:]); ok {
				t.Errorf("opened with %q at %d", inside, at)
			}
		}
	}
}

// randomHex is an output of "openssl rand -hex 32".
const randomHex = "c02e1f7d94ab5836e0d7412c9fb86a53118dfe27406bc9a5d3927e508fa1b46c"

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		why     string
		secrets []string
		errors  int
	}{
		{"none", nil, 1},
		{"empty", []string{""}, 1},
		{"31 bytes", []string{secretA[:31]}, 1},
		{"one character repeated", []string{strings.Repeat("a", 64)}, 1},
		{"32 hexadecimal digits", []string{"0123456789abcdef0123456789abcdef"}, 1},
		{"63 hexadecimal digits", []string{strings.Repeat("0123456789ABCDEF", 4)[:63]}, 1},
		{"the same twice", []string{secretA, secretA}, 1},
		{"two mistakes", []string{"short", secretA, "short2"}, 2},
	}
	for _, tt := range tests {
		_, err := New(tt.secrets)
		if err == nil {
			t.Errorf("%s: no error", tt.why)
			continue
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != tt.errors {
			t.Errorf("%s: %d errors, want %d: %v", tt.why, n, tt.errors, err)
		}
		for _, s := range tt.secrets {
			if len(s) > 5 && strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error quotes the secret: %v", tt.why, err)
			}
		}
	}
	for want, secrets := range map[string][]string{
		"secret 2 of 3 has 5 bytes, fewer than 32":                            {secretA, "short", secretB},
		"secret 3 of 3 is there twice":                                        {secretA, secretB, secretA},
		"is hexadecimal with 63 digits, fewer than the 64 that make 32 bytes": {randomHex[1:]},
	} {
		if _, err := New(secrets); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New([]string{randomHex, secretA[:32]}); err != nil {
		t.Errorf("64 hexadecimal digits and 32 other bytes: %v", err)
	}
}

func TestKeyringDoesNotPrint(t *testing.T) {
	k := ring(t, secretA)
	holder := struct{ inner Keyring }{k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q", "%T"} {
		for _, v := range []any{k, &k, holder, &holder, []Keyring{k}, map[string]Keyring{"k": k}} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, secretA) || strings.Contains(out, fmt.Sprintf("%x", secretA)) || strings.Contains(out, "48 49 50") {
				t.Errorf("%s prints the secret: %s", verb, out)
			}
		}
	}
}

// golden and the values below come from another program that follows the package comment.
// If they no longer open, every session of every user ends with the update.
const (
	golden       = "v3.3VbeQTeVHZySaBsDQW7BX3KW_d6RhdUtggSYyEi-rvA8SP0P"
	goldenRandom = "v4.3VbeQTeVHZySaBsDQW7BX4hrRIKifjpRfTLwhSWGU91ELSMSPCarhYPBrH_lkT61"
	goldenBound  = "v3.3VbeQTeVHZySaBsDQW7BX3fZLcCT_ax5CGbM28bNbIU5bxnu" // to app and https://tenant.example/
)

func TestGolden(t *testing.T) {
	k := ring(t, secretB, secretA)
	for value, k := range map[string]Keyring{golden: k, goldenRandom: k, goldenBound: k.Bind("app", "https://tenant.example/")} {
		got, current, ok := k.Open("p", "n", value)
		if string(got) != "data" || current || !ok {
			t.Errorf("Open(%s) = %q, %v, %v", value, got, current, ok)
		}
	}
}

// TestOtherVersions: values of earlier forms are rejected, and so are future ones.
func TestOtherVersions(t *testing.T) {
	k := ring(t, secretA)
	for _, value := range []string{
		"v1.h-DmvXYOpVHoEPDp_W4vxSQBgrn-hiVcqSXlaWjx2qUN1T0m", // sealed with secretA for p and n
		"v1." + golden[3:], "v2." + goldenRandom[3:], "v5." + golden[3:], "V3." + golden[3:], "v3" + golden[3:], golden[3:], "v3.", "v3", "",
	} {
		if _, _, ok := k.Open("p", "n", value); ok {
			t.Errorf("%s opens", value)
		}
	}
}

// TestKeyOfEachMessage: the key equals the result of package hkdf. Each part of its
// derivation changes the key.
func TestKeyOfEachMessage(t *testing.T) {
	random := bytes.Repeat([]byte{7}, randomSize)
	keys := map[string]string{}
	for what, of := range map[string]struct {
		keyring                Keyring
		version, purpose, name string
		random                 []byte
	}{
		"": {ring(t, secretA), "v3.", "p", "n", random}, "secret": {ring(t, secretB), "v3.", "p", "n", random},
		"version": {ring(t, secretA), "v4.", "p", "n", random}, "purpose": {ring(t, secretA), "v3.", "q", "n", random},
		"name": {ring(t, secretA), "v3.", "p", "m", random}, "random": {ring(t, secretA), "v3.", "p", "n", bytes.Repeat([]byte{8}, randomSize)},
		"bound": {ring(t, secretA).Bind(""), "v3.", "p", "n", random},
	} {
		var b buffer
		of.keyring.setLabel(&b, of.version, of.purpose, of.name, of.random)
		secret := of.keyring.secrets()[0]
		for range 3 { // the second time with a used hash
			key := string(secret.expand(b.key[:], b.info))
			want, err := hkdf.Expand(sha256.New, secret.prk, string(b.info[:len(b.info)-1]), 32)
			if err != nil || key != string(want) {
				t.Errorf("%q: key %x, want %x, %v", what, key, want, err)
			}
			if other, ok := keys[key]; ok && other != what {
				t.Errorf("the key does not depend on %q or %q", what, other)
			}
			keys[key] = what
		}
	}
}

// TestConcurrent: callers of one keyring do not share memory.
func TestConcurrent(t *testing.T) {
	k := ring(t, secretB, secretA)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 300 {
				text := strings.Repeat(string(rune('a'+g)), 1+(i*37)%2000)
				value := k.Seal("p", text[:1], []byte(text))
				if got, _, ok := k.OpenText("p", text[:1], value); !ok || got != text {
					t.Errorf("%.20q: %.20q, %v", text, got, ok)
				}
				if got, _, ok := k.Open("p", text[:1], value[:len(value)-1]+"."); ok || got != nil {
					t.Errorf("a damaged value: %.20q, %v", got, ok)
				}
			}
		})
	}
	all.Wait()
}

// TestResultIsNotShared: the result of Open stays after another call has used the memory.
func TestResultIsNotShared(t *testing.T) {
	k := ring(t, secretA)
	first, _, _ := k.Open("p", "n", k.Seal("p", "n", []byte("first")))
	_ = append(first, "longer"...)
	if second, _, _ := k.Open("p", "n", k.Seal("p", "n", []byte("second"))); string(first) != "first" || string(second) != "second" {
		t.Errorf("%q, %q", first, second)
	}
}

// TestMemoryIsCleared: pooled memory has no key and no plaintext.
func TestMemoryIsCleared(t *testing.T) {
	k := ring(t, secretA)
	value := k.Seal("p", "n", []byte("plaintext"))
	var b buffer
	raw, _ := base64.RawURLEncoding.DecodeString(value[3:])
	b.sealed = raw
	k.setLabel(&b, value[:3], "p", "n", raw[:randomSize])
	opened, err := b.open(value[:3], k.secrets()[0])
	if err != nil || string(opened) != "plaintext" || b.key == [keySize]byte{} {
		t.Fatal(opened, err)
	}
	b.free()
	if b.key != [keySize]byte{} || strings.Trim(string(opened), "\x00") != "" {
		t.Errorf("key %x, plaintext %q", b.key, opened)
	}
}

// TestMemoryIsClearedOfAnySecret: the memory of a call has no plaintext after it, for any
// secret that has opened the value.
func TestMemoryIsClearedOfAnySecret(t *testing.T) {
	plain := bytes.Repeat([]byte("plaintext"), 40)
	for _, version := range []string{"v3.", "v4."} {
		if version == "v3." && fips140.Enforced() {
			continue // this program seals only v4
		}
		for _, secrets := range [][]string{{secretA}, {secretA, secretB}, {secretB, secretA}} {
			k := ring(t, secrets...)
			raw, err := base64.RawURLEncoding.DecodeString(ring(t, secretA).seal(version, "p", "n", plain)[3:])
			if err != nil {
				t.Fatal(err)
			}
			b := &buffer{sealed: raw}
			k.setLabel(b, version, "p", "n", raw[:randomSize])
			opened := 0
			for _, s := range k.secrets() {
				if got, err := b.open(version, s); err == nil && bytes.Equal(got, plain) {
					opened++
				}
			}
			b.free()
			if opened != 1 || b.key != [keySize]byte{} || bytes.Contains(b.plain[:cap(b.plain)], []byte("plain")) {
				t.Errorf("%s, %d secrets: opened %d times, key %x, memory %q", version, len(secrets), opened, b.key, b.plain[:cap(b.plain)])
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := ring(f, secretA)
	// A constant, since each worker of the fuzzer is a separate process and
	// would seal another value.
	good := golden
	f.Add(good)
	f.Add("v3.")
	f.Add("v4." + good[3:])
	f.Add(goldenRandom)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, value string) {
		if _, _, ok := k.Open("p", "n", value); ok && value != good && value != goldenRandom {
			t.Errorf("opened %q", value)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	k := ring(b, secretA)
	plain := make([]byte, 1900)
	for i := range plain {
		plain[i] = byte(rand.Uint32())
	}
	value := k.Seal("session", "s", plain)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := k.Open("session", "s", value); !ok {
			b.Fatal("did not open")
		}
	}
}
