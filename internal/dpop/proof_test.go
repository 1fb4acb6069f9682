package dpop

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

// TestAlgorithms: every algorithm with every key. One key fits.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	fits := map[string]crypto.Signer{"RS256": rsaKey(), "PS256": rsaKey(), "ES256": p256(), "ES384": p384(), "ES512": p521(), "EdDSA": edwards()}
	keys := []crypto.Signer{rsaKey(), p256(), p384(), p521(), edwards()}
	for _, alg := range all {
		for i, key := range keys {
			_, err := check(sign(key, alg, headerOf(alg, key).text(), good().text()), expected())
			switch {
			case key.(interface{ Equal(crypto.PrivateKey) bool }).Equal(fits[alg]) && err != nil:
				t.Errorf("%s with its key: %v", alg, err)
			case !key.(interface{ Equal(crypto.PrivateKey) bool }).Equal(fits[alg]):
				refused(t, fmt.Sprintf("%s with key %d", alg, i), err, fault.Proof, "alg")
			}
		}
	}
	for _, alg := range []string{"none", "None", "HS256", "HS512", "ES256K", "RS384", "RS512", "PS384", "PS512", "es256", "", "RSA-OAEP", "Ed448"} {
		_, err := check(proof(members{"alg": alg}, nil), expected())
		refused(t, alg, err, fault.Proof, "alg")
	}
	// The configuration's algorithms, and no others.
	if _, err := NewReader([]string{"RS256", "ES384"}).Parse(proof(nil, nil)); err == nil {
		t.Error("an algorithm that the API does not accept")
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	if got, err := accepted(nil); err != nil || strings.Join(got, " ") != "ES256 ES384 EdDSA PS256 RS256" {
		t.Errorf("default: %q, %v", got, err)
	}
	if got, err := accepted([]string{"ES512", "ES256"}); err != nil || strings.Join(got, " ") != "ES512 ES256" {
		t.Errorf("%q, %v", got, err)
	}
	for _, alg := range []string{"HS256", "none", "ES256K", "es256", ""} {
		if got, err := accepted([]string{"ES256", alg}); err == nil || got != nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("%q is not one of", alg)) {
			t.Errorf("%q: %v", alg, err)
		}
	}
}

// TestForm: a proof has one accepted form.
func TestForm(t *testing.T) {
	t.Parallel()
	text := proof(nil, nil)
	parts := strings.Split(text, ".")
	header, claims := headerOf("ES256", p256()).text(), good().text()
	long := strings.Repeat("x", 9000)
	for _, tt := range []struct{ why, text string }{
		{"empty", ""},
		{"no dots", "proof"},
		{"two parts", parts[0] + "." + parts[1]},
		{"four parts", text + ".x"},
		{"an empty part in the end", text + "."},
		{"no header", "." + parts[1] + "." + parts[2]},
		{"no claims", parts[0] + ".." + parts[2]},
		{"no signature", parts[0] + "." + parts[1] + "."},
		{"two in one line", text + ", " + text},
		{"two without a space", text + "," + text},
		{"a space before", " " + text},
		{"a line break behind", text + "\n"},
		{"padded", parts[0] + "." + parts[1] + "." + parts[2] + "=="},
		{"padded header", parts[0] + "=." + parts[1] + "." + parts[2]},
		{"padded claims", parts[0] + "." + parts[1] + "=." + parts[2]},
		{"a line break in the claims", parts[0] + "." + parts[1][:8] + "\n" + parts[1][8:] + "." + parts[2]},
		{"the other alphabet in the claims", parts[0] + ".+/" + parts[1] + "." + parts[2]},
		{"spare bits", text[:len(text)-1] + string(text[len(text)-1]+1)},
		{"the other alphabet", strings.ReplaceAll(text[:len(text)-2], "_", "/") + "+/"},
		{"a line break in the header", parts[0][:8] + "\n" + parts[0][8:] + "." + parts[1] + "." + parts[2]},
		{"a character that is no byte", text[:20] + "ä" + text[22:]},
		{"header is a list", sign(p256(), "ES256", "["+header+"]", claims)},
		{"header is no JSON", sign(p256(), "ES256", header[1:], claims)},
		{"a second object behind the header", sign(p256(), "ES256", header+header, claims)},
		{"header of no UTF-8", sign(p256(), "ES256", strings.Replace(header, "{", "{\"\xff\":1,", 1), claims)},
		{"typ twice", sign(p256(), "ES256", strings.Replace(header, "{", `{"typ":"dpop+jwt",`, 1), claims)},
		{"alg twice", sign(p256(), "ES256", strings.Replace(header, "{", `{"alg":"ES256",`, 1), claims)},
		{"alg twice, escaped", sign(p256(), "ES256", strings.Replace(header, "{", `{"\u0061lg":"ES256",`, 1), claims)},
		{"jwk twice", sign(p256(), "ES256", strings.Replace(header, "{", `{"jwk":{},`, 1), claims)},
		{"crit", proof(members{"crit": []string{"exp"}}, nil)},
		{"b64", proof(members{"b64": true}, nil)},
		{"zip", proof(members{"zip": "DEF"}, nil)},
		{"cty", proof(members{"cty": "JWT"}, nil)},
		{"a header of 2,049 bytes", proof(padded(2049), nil)},
		{"8,193 bytes", ofLength(8193)},
		{"far too long", long},
	} {
		p, err := NewReader(all).Parse(tt.text)
		refused(t, tt.why, err, fault.Proof, "header")
		if p != nil {
			t.Errorf("%s: an error and a proof", tt.why)
		}
	}
	for why, text := range map[string]string{
		"a header of 2,048 bytes": proof(padded(2048), nil),
		"8,192 bytes":             ofLength(8192),
		"white space":             sign(p256(), "ES256", " "+header+"\n", "\t"+claims+" "),
	} {
		if _, err := check(text, expected()); err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// padded is a change that gives the header a length.
func padded(n int) members {
	m := headerOf("ES256", p256())
	return members{"x": strings.Repeat("x", n-len(m.with(members{"x": ""}).text()))}
}

// ofLength returns a valid proof of a length that base64url can have here.
func ofLength(n int) string {
	for pad := n*3/4 - 800; ; pad++ {
		if text := proof(nil, members{"jti": "j", "x": strings.Repeat("x", pad)}); len(text) >= n {
			return text
		}
	}
}

// TestHeader has the header parameters that decide, and the ignored ones.
func TestHeader(t *testing.T) {
	t.Parallel()
	for _, typ := range []any{"dpop+jwt", "DPoP+JWT", "application/dpop+jwt", "Application/DPOP+JWT"} {
		if _, err := check(proof(members{"typ": typ}, nil), expected()); err != nil {
			t.Errorf("typ %v: %v", typ, err)
		}
	}
	for _, typ := range []any{nil, "JWT", "jwt", "at+jwt", "dpop", "dpop+jwt ", "text/dpop+jwt", "", 5, true, []string{"dpop+jwt"}, raw("null")} {
		_, err := check(proof(members{"typ": typ}, nil), expected())
		refused(t, fmt.Sprintf("typ %v", typ), err, fault.Proof, "typ")
	}
	for _, alg := range []any{nil, 256, raw("null"), []string{"ES256"}} {
		_, err := check(proof(members{"alg": alg}, nil), expected())
		refused(t, fmt.Sprintf("alg %v", alg), err, fault.Proof, "alg")
	}
	ignored := members{
		"kid": "other", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/c", "x5c": []string{"MIIB"},
		"x": 1, "nonce": "x", "exp": 1, "TYP": "JWT", "JWK": 1,
	}
	for name, value := range ignored {
		if _, err := check(proof(members{name: value}, nil), expected()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKnownHeader: a Reader caches the header of a valid proof, and of no other. It checks
// every other proof with the header like the first one.
func TestKnownHeader(t *testing.T) {
	t.Parallel()
	r := NewReader(all)
	verify := func(text string) error {
		p, err := r.Parse(text)
		if err != nil {
			return err
		}
		_, err = p.Verify(expected())
		return err
	}
	isKnown := func() bool {
		p := must(r.Parse(proof(nil, nil)))
		return p.key != nil
	}
	first := proof(nil, nil)
	parts := strings.Split(first, ".")
	forged := parts[0] + "." + parts[1] + "." + b64(make([]byte, 64))
	for _, tt := range []struct {
		why, text string
		check     string // that rejects it
		known     bool   // afterwards
	}{
		{"forged", forged, "signature", false},
		{"wrong claims", proof(nil, members{"htm": "POST"}), "htm", false},
		{"good", first, "", true},
		{"good again", proof(nil, nil), "", true},
		{"forged, of a known key", forged, "signature", true},
		{"of another key with a known header", parts[0] + sign(ec(elliptic.P256()), "ES256", headerOf("ES256", p256()).text(), good().text())[len(parts[0]):], "signature", true},
		{"wrong claims, of a known key", proof(nil, members{"ath": nil}), "ath", true},
		{"no claims, of a known key", parts[0] + ".!." + parts[2], "header", true},
		{"a changed header", "e" + parts[0] + "." + parts[1] + "." + parts[2], "header", true},
		{"another header", proof(members{"typ": "JWT"}, nil), "typ", true},
	} {
		err := verify(tt.text)
		if tt.check != "" {
			refused(t, tt.why, err, fault.Proof, tt.check)
		} else if err != nil {
			t.Errorf("%s: %v", tt.why, err)
		}
		if isKnown() != tt.known {
			t.Errorf("%s: known %v", tt.why, isKnown())
		}
	}
	p, want := must(r.Parse(first)), must(KeyOf(p256())).Thumbprint()
	if got, err := p.Thumbprint(); got != want || p.jwk.Thumbprint() == want {
		t.Errorf("%s, %v; want %s of the known header", got, err, want)
	}
	var others sync.WaitGroup
	for range 8 {
		others.Go(func() {
			if err := verify(proof(nil, nil)); err != nil {
				t.Error(err)
			}
		})
	}
	others.Wait()
}

// TestKeyOfProof has the keys that a proof cannot bring.
func TestKeyOfProof(t *testing.T) {
	t.Parallel()
	ecKey, rsaPublic, edKey := jwkOf(p256().Public()), jwkOf(rsaKey().Public()), jwkOf(edwards().Public())
	other := jwkOf(ec(elliptic.P256()).Public())
	infinity := b64(make([]byte, 32))
	short := new(big.Int).Lsh(big.NewInt(1), 1023)
	for _, tt := range []struct {
		why string
		alg string
		jwk any
	}{
		{"absent", "ES256", nil},
		{"a text", "ES256", "x"},
		{"a JWK as a text", "ES256", ecKey.text()},
		{"a list", "ES256", []any{ecKey}},
		{"null", "ES256", raw("null")},
		{"no members", "ES256", members{}},
		{"no kty", "ES256", ecKey.with(members{"kty": nil})},
		{"another kty", "ES256", ecKey.with(members{"kty": "ec"})},
		{"a shared secret", "ES256", members{"kty": "oct", "k": "c2VjcmV0"}},
		{"kty oct without k", "ES256", members{"kty": "oct"}},
		{"a private key", "ES256", ecKey.with(members{"d": b64(must(p256().Bytes()))})},
		{"d that is null", "ES256", ecKey.with(members{"d": raw("null")})},
		{"k", "ES256", ecKey.with(members{"k": "x"})},
		{"oth", "RS256", rsaPublic.with(members{"oth": []any{}})},
		{"p", "RS256", rsaPublic.with(members{"p": "AQAB"})},
		{"q", "RS256", rsaPublic.with(members{"q": "AQAB"})},
		{"dp", "RS256", rsaPublic.with(members{"dp": "AQAB"})},
		{"dq", "RS256", rsaPublic.with(members{"dq": "AQAB"})},
		{"qi", "RS256", rsaPublic.with(members{"qi": "AQAB"})},
		{"d of Ed25519", "EdDSA", edKey.with(members{"d": edKey["x"]})},
		{"no crv", "ES256", ecKey.with(members{"crv": nil})},
		{"another curve", "ES256", ecKey.with(members{"crv": "secp256k1"})},
		{"a curve of another size", "ES384", ecKey.with(members{"crv": "P-384"})},
		{"no y", "ES256", ecKey.with(members{"y": nil})},
		{"an empty y", "ES256", ecKey.with(members{"y": ""})},
		{"y is a number", "ES256", ecKey.with(members{"y": 5})},
		{"y of another point", "ES256", ecKey.with(members{"y": other["y"]})},
		{"the point at infinity", "ES256", ecKey.with(members{"x": infinity, "y": infinity})},
		{"a longer y", "ES256", ecKey.with(members{"y": b64(append(make([]byte, 1), must(p256().PublicKey.Bytes())[33:]...))})},
		{"a padded x", "ES256", ecKey.with(members{"x": ecKey["x"].(string) + "="})},
		{"x above the prime", "ES256", ecKey.with(members{"x": b64([]byte(strings.Repeat("\xff", 32)))})},
		{"RSA of 1,024 bits", "RS256", rsaPublic.with(members{"n": b64(short.Bytes())})},
		{"RSA of 2,047 bits", "RS256", rsaPublic.with(members{"n": b64(modulus(2047))})},
		{"RSA of 8,193 bits", "RS256", rsaPublic.with(members{"n": b64(modulus(8193))})},
		{"an even exponent", "RS256", rsaPublic.with(members{"e": b64([]byte{1, 0, 0})})},
		{"exponent 1", "RS256", rsaPublic.with(members{"e": "AQ"})},
		{"a long exponent", "RS256", rsaPublic.with(members{"e": b64([]byte{1, 0, 0, 0, 1})})},
		{"an exponent of 32 bits", "RS256", rsaPublic.with(members{"e": b64([]byte{0x80, 0, 0, 1})})},
		{"a leading zero in n", "RS256", rsaPublic.with(members{"n": b64(append([]byte{0}, rsaKey().N.Bytes()...))})},
		{"a leading zero in e", "RS256", rsaPublic.with(members{"e": b64([]byte{0, 1, 0, 1})})},
		{"no n", "RS256", rsaPublic.with(members{"n": nil})},
		{"no e", "RS256", rsaPublic.with(members{"e": nil})},
		{"Ed25519 of 31 bytes", "EdDSA", edKey.with(members{"x": b64(make([]byte, 31))})},
		{"Ed25519 of no bytes", "EdDSA", edKey.with(members{"x": ""})},
		{"Ed25519 without x", "EdDSA", edKey.with(members{"x": nil})},
		{"the identity of Ed25519", "EdDSA", edKey.with(members{"x": b64(append([]byte{1}, make([]byte, 31)...))})},
		{"X25519", "EdDSA", edKey.with(members{"crv": "X25519"})},
		{"kty twice", "ES256", raw(strings.Replace(ecKey.text(), "{", `{"kty":"EC",`, 1))},
		{"x twice", "ES256", raw(strings.Replace(ecKey.text(), "{", `{"x":"AA",`, 1))},
	} {
		var key crypto.Signer = p256()
		switch tt.alg {
		case "RS256":
			key = rsaKey()
		case "EdDSA":
			key = edwards()
		}
		_, err := check(sign(key, tt.alg, headerOf(tt.alg, key).with(members{"jwk": tt.jwk}).text(), good().text()), expected())
		refused(t, tt.why, err, fault.Proof, "jwk")
	}
	// Other members do not matter, nor does the order.
	for _, changes := range []members{{"kid": "k"}, {"use": "sig"}, {"x5c": []string{"x"}}, {"n": "AQAB"}, {"": ""}} {
		if _, err := check(proof(members{"jwk": ecKey.with(changes)}, nil), expected()); err != nil {
			t.Errorf("%v: %v", changes, err)
		}
	}
}

// modulus returns an odd number of a size.
func modulus(bits uint) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return n.Or(n, big.NewInt(0x1234567)).Bytes()
}

// TestSignature: a proof is valid only with the signature of its own key over its own
// text.
func TestSignature(t *testing.T) {
	t.Parallel()
	text := proof(nil, nil)
	parts := strings.Split(text, ".")
	again := strings.Split(proof(nil, nil), ".")
	other := ec(elliptic.P256())
	der := b64(must(other.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)))
	for _, tt := range []struct{ why, text string }{
		{"another key", sign(other, "ES256", headerOf("ES256", p256()).text(), good().text())},
		{"another header", b64([]byte(headerOf("ES256", p256()).with(members{"x": 1}).text())) + "." + parts[1] + "." + parts[2]},
		{"other claims", parts[0] + "." + again[1] + "." + parts[2]},
		{"no signature to speak of", parts[0] + "." + parts[1] + ".AA"},
		{"zero", parts[0] + "." + parts[1] + "." + b64(make([]byte, 64))},
		{"ASN.1", parts[0] + "." + parts[1] + "." + der},
		{"a byte more", parts[0] + "." + parts[1] + "." + b64(append(signature(p256(), "ES256", parts[0]+"."+parts[1]), 0))},
		{"PS256 as RS256", sign(rsaKey(), "PS256", headerOf("RS256", rsaKey()).text(), good().text())},
		{"RS256 as PS256", sign(rsaKey(), "RS256", headerOf("PS256", rsaKey()).text(), good().text())},
	} {
		_, err := check(tt.text, expected())
		refused(t, tt.why, err, fault.Proof, "signature")
	}
}

// TestClaims has one row for each mistake in a claim, and for each good form.
func TestClaims(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(token))
	another := sha256.Sum256([]byte("another token"))
	T := at.Unix()
	for _, tt := range []struct {
		why    string
		claims members
		check  string // that rejects it, empty for none
	}{
		{"good", nil, ""},
		{"htm in lower case", members{"htm": "get"}, "htm"},
		{"htm of another method", members{"htm": "POST"}, "htm"},
		{"no htm", members{"htm": nil}, "htm"},
		{"an empty htm", members{"htm": ""}, "htm"},
		{"htm is a list", members{"htm": []string{"GET"}}, "htm"},
		{"htm with a quotation mark", members{"htm": `x" evil="1`}, "htm"},
		{"htm of 7,000 bytes", members{"htm": strings.Repeat("G", 4000)}, "htm"},
		{"no htu", members{"htu": nil}, "htu"},
		{"htu of another path", members{"htu": "https://api.example/y"}, "htu"},
		{"htu with CR LF", members{"htu": "https://api.example/x\r\nX: y"}, "htu"},
		{"htu of 7,000 bytes", members{"htu": "https://api.example/" + strings.Repeat("x", 4000)}, "htu"},
		{"iat at the beginning of the window", members{"iat": T - 300}, ""},
		{"iat a second before", members{"iat": T - 301}, "iat"},
		{"iat a little before", members{"iat": raw(fmt.Sprintf("%d.999", T-301))}, "iat"},
		{"iat at the end", members{"iat": T + 30}, ""},
		{"iat a second behind", members{"iat": T + 31}, "iat"},
		{"iat a little behind", members{"iat": raw(fmt.Sprintf("%d.001", T+30))}, "iat"},
		{"iat with a fraction", members{"iat": raw(fmt.Sprintf("%d.5", T))}, ""},
		{"no iat", members{"iat": nil}, "iat"},
		{"iat is a text", members{"iat": fmt.Sprint(T)}, "iat"},
		{"iat is null", members{"iat": raw("null")}, "iat"},
		{"iat in milliseconds", members{"iat": T * 1000}, "iat"},
		{"iat below zero", members{"iat": -T}, "iat"},
		{"a huge iat", members{"iat": raw("1e400")}, "iat"},
		{"no jti", members{"jti": nil}, "jti"},
		{"an empty jti", members{"jti": ""}, "jti"},
		{"jti is a number", members{"jti": 5}, "jti"},
		{"jti of 257 bytes", members{"jti": strings.Repeat("j", 257)}, "jti"},
		{"jti of 256 bytes", members{"jti": strings.Repeat("j", 256)}, ""},
		{"jti of one byte", members{"jti": "j"}, ""},
		{"no ath", members{"ath": nil}, "ath"},
		{"ath of another token", members{"ath": b64(another[:])}, "ath"},
		{"ath with padding", members{"ath": b64(sum[:]) + "="}, "ath"},
		{"ath in hex", members{"ath": hex.EncodeToString(sum[:])}, "ath"},
		{"half of ath", members{"ath": b64(sum[:16])}, "ath"},
		{"an empty ath", members{"ath": ""}, "ath"},
		{"ath is a number", members{"ath": 5}, "ath"},
		{"a long ath", members{"ath": b64(append(sum[:], 0))}, "ath"},
		{"exp and nbf of another time", members{"exp": 1, "nbf": T + 9999}, ""},
		{"claims of a token", members{"iss": 5, "sub": "", "aud": nil}, ""},
		{"nonce without nonces", members{"nonce": "x"}, ""},
		{"nonce is a number", members{"nonce": 5}, ""},
		{"names in another case", members{"HTM": "POST", "Iat": 1}, ""},
	} {
		use, err := check(proof(nil, tt.claims), expected())
		if tt.check == "" {
			if err != nil || use.Key == "" || use.Nonce != "" {
				t.Errorf("%s: %+v, %v", tt.why, use, err)
			}
			continue
		}
		refused(t, tt.why, err, fault.Proof, tt.check)
		if use != (Use{}) {
			t.Errorf("%s: an error and a use", tt.why)
		}
	}
	for _, name := range []string{"htm", "htu", "iat", "jti", "ath"} {
		claims := good()
		twice := strings.Replace(claims.text(), "{", `{"`+name+`":`+string(must(json.Marshal(claims[name])))+",", 1)
		_, err := check(sign(p256(), "ES256", headerOf("ES256", p256()).text(), twice), expected())
		refused(t, name+" twice", err, fault.Proof, "header")
	}
	for _, text := range []string{"[]", "{}}", "5", "null", good().text()[1:]} {
		_, err := check(sign(p256(), "ES256", headerOf("ES256", p256()).text(), text), expected())
		refused(t, text, err, fault.Proof, "header")
	}
}

// TestExpect: an empty expectation fits no proof.
func TestExpect(t *testing.T) {
	t.Parallel()
	e := expected()
	e.Method = ""
	_, err := check(proof(nil, members{"htm": nil}), e)
	refused(t, "no method", err, fault.Proof, "htm")
	e = expected()
	e.URL = ""
	_, err = check(proof(nil, members{"htu": ""}), e)
	refused(t, "no URL", err, fault.Proof, "htu")
}

// TestRoot: a proxy can remove the whole path. Then the API cannot tell whether the URL of
// a request for a base URL ended with a slash.
func TestRoot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		htu        string
		root, want bool
	}{
		{"https://api.example/v1/", true, true},
		{"https://api.example/v1", true, true},
		{"https://api.example/v1?y", true, true},
		{"https://api.example/v1/", false, true},
		{"https://api.example/v1", false, false},
		{"https://api.example/v", true, false},
		{"https://api.example/", true, false},
		{"https://api.example", true, false},
		{"", true, false},
	} {
		e := expected()
		e.URL, e.Root = "https://api.example/v1/", tt.root
		_, err := check(proof(nil, members{"htu": tt.htu}), e)
		if tt.want && err != nil {
			t.Errorf("%q, %v: %v", tt.htu, tt.root, err)
		} else if !tt.want {
			refused(t, tt.htu, err, fault.Proof, "htu")
		}
	}
}

// TestOrder: the claims come before the nonce, and the signature is the last check.
func TestOrder(t *testing.T) {
	t.Parallel()
	e := expected()
	e.Nonces = must(NewNonces("api", []string{strings.Repeat("s", 32)}))
	other := ec(elliptic.P256())
	unsigned := func(claims members) string {
		return sign(other, "ES256", headerOf("ES256", p256()).text(), good().with(claims).text())
	}
	for _, tt := range []struct {
		claims members
		want   *fault.Fault
		check  string
	}{
		{members{"htm": "POST", "htu": "x", "iat": 1, "jti": "", "ath": "x"}, fault.Proof, "htm"},
		{members{"htu": "x", "iat": 1, "jti": "", "ath": "x"}, fault.Proof, "htu"},
		{members{"iat": 1, "jti": "", "ath": "x"}, fault.Proof, "iat"},
		{members{"jti": "", "ath": "x"}, fault.Proof, "jti"},
		{members{"ath": "x"}, fault.Proof, "ath"},
		{nil, fault.ProofNonce, "nonce"},
		{members{"nonce": e.Nonces.Current(at)}, fault.Proof, "signature"},
	} {
		_, err := check(unsigned(tt.claims), e)
		refused(t, tt.check, err, tt.want, tt.check)
	}
}

// TestUse: each proof has its own name. The record lasts as long as the proof is
// acceptable.
func TestUse(t *testing.T) {
	t.Parallel()
	use := func(key crypto.Signer, alg string, claims members) Use {
		t.Helper()
		use, err := check(sign(key, alg, headerOf(alg, key).text(), good().with(claims).text()), expected())
		if err != nil {
			t.Fatal(err)
		}
		return use
	}
	first := use(p256(), "ES256", members{"jti": "a"})
	thumbprint := must(KeyOf(p256())).Thumbprint()
	sum := sha256.Sum256([]byte(thumbprint + "\x00a"))
	if first.Key != "dpop:"+b64(sum[:]) {
		t.Errorf("%q", first.Key)
	}
	for why, other := range map[string]Use{
		"another jti": use(p256(), "ES256", members{"jti": "b"}),
		"another key": use(p384(), "ES384", members{"jti": "a"}),
	} {
		if other.Key == first.Key {
			t.Errorf("%s has the same name", why)
		}
	}
	// Key and jti alone identify a proof.
	if again := use(p256(), "ES256", members{"jti": "a", "iat": at.Unix() - 300, "x": 1}); again.Key != first.Key {
		t.Error("the name is not that of key and jti")
	}
	for iat, want := range map[string]time.Duration{
		fmt.Sprint(at.Unix()):             331 * time.Second,
		fmt.Sprint(at.Unix() - 300):       31 * time.Second,
		fmt.Sprint(at.Unix() + 30):        361 * time.Second,
		fmt.Sprint(at.Unix()) + ".5":      331*time.Second + 500*time.Millisecond,
		fmt.Sprintf("%de1", at.Unix()/10): 331*time.Second - time.Duration(at.Unix()%10)*time.Second,
	} {
		if got := use(p256(), "ES256", members{"iat": raw(iat)}).Expiry; !got.Equal(at.Add(want)) {
			t.Errorf("iat %s: until %v, want %v", iat, got.Sub(at), want)
		}
	}
	// The record lasts while an API whose clock is behind by the leeway accepts the proof.
	e := expected()
	e.Now = first.Expiry.Add(-30*time.Second - time.Millisecond)
	if _, err := check(proof(nil, nil), e); err == nil {
		t.Error("the proof is accepted when it is forgotten")
	}
}

// TestOwnProofs: a proof of Sign is valid for its request.
func TestOwnProofs(t *testing.T) {
	t.Parallel()
	for _, key := range []*Key{must(NewKey()), must(KeyOf(rsaKey()))} {
		text := must(Sign(key, Claims{Method: "GET", URL: "https://api.example/x?y#z", Token: token, Now: at.Add(time.Millisecond)}))
		if _, err := check(text, expected()); err != nil {
			t.Error(err)
		}
		if got, err := must(NewReader(all).Parse(text)).Thumbprint(); got != key.Thumbprint() {
			t.Errorf("%s is not %s: %v", got, key.Thumbprint(), err)
		}
	}
}

// TestAccessTokenAsProof: a token is not a proof, with any signing key.
func TestAccessTokenAsProof(t *testing.T) {
	t.Parallel()
	claims := members{"iss": "https://t.example/", "aud": "https://api.example/", "exp": at.Unix() + 60, "iat": at.Unix()}
	for _, header := range []members{{"typ": "at+jwt", "alg": "RS256", "kid": "k"}, {"alg": "RS256", "kid": "k"}, {"typ": "JWT", "alg": "RS256", "jwk": jwkOf(rsaKey().Public())}} {
		_, err := check(sign(rsaKey(), "RS256", header.text(), claims.text()), expected())
		refused(t, header.text(), err, fault.Proof, "typ")
	}
}

// TestErrorsQuoteLittle: a log line does not grow with a client's proof.
func TestErrorsQuoteLittle(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1500)
	for _, text := range []string{
		proof(members{"typ": long}, nil), proof(members{"alg": long}, nil), proof(members{"jwk": members{"kty": long}}, nil),
		proof(nil, members{"htm": long}), proof(nil, members{"htu": long}), proof(nil, members{"jti": long}), proof(nil, members{"ath": long}),
	} {
		if _, err := check(text, expected()); err == nil || strings.Contains(err.Error(), strings.Repeat("x", 301)) {
			t.Errorf("%v", err)
		}
	}
	text := proof(nil, nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if shown := fmt.Sprintf(verb, must(NewReader(all).Parse(text))); shown != "(DPoP proof)" {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	_, err := check(proof(nil, members{"htm": "a\"\r\nb"}), expected())
	if err == nil || strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%v", err)
	}
	if _, ok := errors.AsType[*fault.Fault](err); !ok {
		t.Errorf("%T", err)
	}
}
