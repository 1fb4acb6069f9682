package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestThumbprint has the examples of RFC 7638, Section 3.1, of RFC 8037, Appendices A.2
// and A.3, and of RFC 9449, Section 6.1.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ jwk, form, want string }{
		{
			`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
			`{"e":"AQAB","kty":"RSA","n":"0vx7`,
			"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		},
		{
			`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			`{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		},
		{
			`{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`,
			`{"crv":"P-256","kty":"EC","x":"l8tF`,
			"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
		},
	} {
		j, err := ParseJWK(tt.jwk)
		if err != nil {
			t.Fatal(err)
		}
		if j.Thumbprint() != tt.want || !strings.HasPrefix(j.String(), tt.form) {
			t.Errorf("%s: %s", j.String(), j.Thumbprint())
		}
		// The key itself gives the same.
		if again, err := JWKOf(must(j.Key()).key.key); err != nil || again != j {
			t.Errorf("%v, %v", again, err)
		}
	}
}

func parsePublicKey(text string) (*PublicKey, error) {
	j, err := ParseJWK(text)
	if err != nil {
		return nil, err
	}
	return j.Key()
}

// TestPublicKey: a JWK gives its original key, with its algorithms. No other key or
// algorithm verifies.
func TestPublicKey(t *testing.T) {
	t.Parallel()
	const input = "header.claims"
	for _, alg := range Asymmetric {
		signer := privateFor(alg).(crypto.Signer)
		j := must(ParseJWK(jwkText("k", signer.Public(), change{"use": "sig"})))
		p := must(j.Key())
		signature := signatureOf(alg, signer, input)
		for _, other := range append([]string{Symmetric, "none", ""}, Asymmetric...) {
			if got := p.Verify(other, input, signature); got != (other == alg) {
				t.Errorf("%s as %s: %v", alg, other, got)
			}
			if got, want := j.Fits(other), slices.Contains(fitting(alg), other); got != want {
				t.Errorf("%s fits the key of %s: %v", other, alg, got)
			}
		}
		if p.Verify(alg, input+"x", signature) || p.Verify(alg, input, signature[1:]) || p.Verify(alg, input, nil) {
			t.Errorf("%s: another text or signature", alg)
		}
	}
}

// fitting returns the algorithms of the key of an algorithm.
func fitting(alg string) []string {
	if strings.HasPrefix(alg, "E") {
		return []string{alg}
	}
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
}

// TestBadPublicKeys: the checks are the same for a program's keys and a client's.
func TestBadPublicKeys(t *testing.T) {
	t.Parallel()
	for why, public := range map[string]crypto.PublicKey{
		"no kind":              "text",
		"RSA of 1,024 bits":    rsaPublic(1024, 65537),
		"RSA of 8,193 bits":    rsaPublic(8193, 65537),
		"an even exponent":     rsaPublic(2048, 65536),
		"a point of low order": ed25519.PublicKey(make([]byte, 32)),
		"Ed25519 of 31 bytes":  ed25519.PublicKey(make([]byte, 31)),
		"a curve of no use":    &must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey,
		"not behind a pointer": p256().PublicKey,
		"a private key":        p256(),
	} {
		if j, err := JWKOf(public); j != (JWK{}) || err == nil {
			t.Errorf("%s: %v", why, err)
		}
	}
	for why, tt := range map[string]struct{ jwk, want string }{
		"a short key":                        {jwkText("", rsaPublic(2047, 65537), nil), "has 2047 bits"},
		"a long key":                         {jwkText("", rsaPublic(8193, 65537), nil), "has coordinates or numbers of the wrong form"},
		"an even exponent":                   {jwkText("", rsaPublic(2048, 4), nil), "has an unusable exponent"},
		"a factorable key":                   {jwkText("", rsa1().Public(), change{"n": b64(rocaModulus(2048, 5, 0).Bytes())}), "can be factored (CVE-2017-15361)"},
		"low order":                          {jwkText("", ed25519.PublicKey(make([]byte, 32)), nil), "has low order"},
		"off the curve":                      {jwkText("", p256().Public(), change{"x": b64(make([]byte, 32))}), "is not on its curve"},
		"another curve":                      {jwkText("", p256().Public(), change{"crv": "P-224"}), "is on a curve that is not used here"},
		"X25519":                             {jwkText("", edwards().Public(), change{"crv": "X25519"}), "is on a curve that is not used here"},
		"a private key":                      {jwkText("", p256().Public(), change{"d": "AA"}), "is not public"},
		"a secret":                           {`{"kty":"oct","k":"AA"}`, "is not public"},
		"of no kind":                         {`{"kty":"oct"}`, "is of no kind that is used here"},
		"a number":                           {jwkText("", p256().Public(), change{"x": 5}), "has a member that is not a text"},
		"an empty member":                    {jwkText("", p256().Public(), change{"x": ""}), "has a member that is not a text"},
		"a member twice":                     {strings.Replace(jwkText("", p256().Public(), nil), "{", `{"kty":"EC",`, 1), "has a member twice"},
		"a quotation mark":                   {jwkText("", p256().Public(), change{"x": `A","y":"A`, "y": "AA"}), "has coordinates or numbers of the wrong form"},
		"padding":                            {jwkText("", p256().Public(), change{"x": "AA=="}), "has coordinates or numbers of the wrong form"},
		"no y":                               {`{"kty":"EC","crv":"P-256","x":"AA"}`, "has coordinates or numbers of the wrong form"},
		"no x":                               {`{"kty":"OKP","crv":"Ed25519"}`, "has coordinates or numbers of the wrong form"},
		"no n":                               {`{"kty":"RSA","e":"AQAB"}`, "has coordinates or numbers of the wrong form"},
		"a leading zero":                     {jwkText("", rsa1().Public(), change{"n": b64(append([]byte{0}, rsa1().N.Bytes()...))}), "has coordinates or numbers of the wrong form"},
		"no object":                          {`"EC"`, "is not a JSON object"},
		"nothing":                            {"", "is not a JSON object"},
		"coordinates of P-521 with 65 bytes": {jwkText("", p521().Public(), change{"x": b64(make([]byte, 65))}), "has coordinates or numbers of the wrong form"},
	} {
		if p, err := parsePublicKey(tt.jwk); p != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", why, err, tt.want)
		}
	}
	if p, err := parsePublicKey(jwkText("", rsaPublic(8192, 65537), nil)); p == nil || err != nil {
		t.Errorf("the longest key: %v", err)
	}
	// The greatest accepted exponent has 31 bits.
	for e, want := range map[string]bool{"f____w": true, "gAAAAQ": false, "AQABAAE": false, "AAEAAQ": false} {
		if _, err := parsePublicKey(jwkText("", rsa1().Public(), change{"e": e})); (err == nil) != want {
			t.Errorf("e is %s: %v", e, err)
		}
	}
}

// TestSigner: the signatures of a Signer verify with its algorithm.
func TestSigner(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "RS384", "PS256", "ES256"} {
		private := privateFor(alg).(crypto.Signer)
		s, err := NewSigner(private, alg)
		if err != nil || s.Algorithm != alg {
			t.Fatalf("%s: %v", alg, err)
		}
		signature, err := s.Sign("text")
		if j := must(JWKOf(private.Public())); err != nil || len(signature) != s.Size || !must(j.Key()).Verify(alg, "text", signature) {
			t.Errorf("%s: %v", alg, err)
		}
	}
	for _, alg := range []string{"", "none", "HS256", "RS512", "ES384", "EdDSA"} {
		if _, err := NewSigner(p256(), alg); err == nil {
			t.Errorf("%q", alg)
		}
	}
	for why, tt := range map[string]struct {
		public crypto.PublicKey
		alg    string
		want   string // in the error; empty for none
	}{
		"2,048 bits":        {rsaPublic(2048, 65537), "RS256", ""},
		"2,040 bits":        {rsaPublic(2040, 65537), "RS256", "has an RSA key of 2040 bits; 2048 are the least"},
		"2,040 bits, PS256": {rsaPublic(2040, 65537), "PS256", "has an RSA key of 2040 bits; 2048 are the least"},
		"RSA for ES256":     {rsaPublic(2048, 65537), "ES256", "does not fit the algorithm ES256"},
		"factorable":        {&rsa.PublicKey{N: rocaModulus(2048, 5, 0), E: 65537}, "RS256", "can be factored (CVE-2017-15361)"},
		"factorable, PS256": {&rsa.PublicKey{N: rocaModulus(2048, 5, 0), E: 65537}, "PS256", "can be factored (CVE-2017-15361)"},
		"empty":             {&rsa.PublicKey{}, "RS256", "has an empty RSA key"},
		"P-256":             {p256().Public(), "ES256", ""},
		"P-256 for RS256":   {p256().Public(), "RS256", "does not fit the algorithm RS256"},
		"P-521":             {p521().Public(), "ES256", "does not fit the algorithm ES256"},
		"Ed25519":           {edwards().Public(), "ES256", "does not fit the algorithm ES256"},
		"of no kind":        {"text", "RS256", "does not fit the algorithm RS256"},
	} {
		_, err := NewSigner(publicOnly{tt.public}, tt.alg)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", why, err, tt.want)
		}
	}
}

// publicOnly is a signer whose key cannot be seen, as in a hardware module.
type publicOnly struct{ public crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.public }

func (p publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("not used here")
}
