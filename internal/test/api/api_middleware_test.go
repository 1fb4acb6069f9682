package api_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	good := testkit.GoodToken()
	for _, tt := range []struct {
		why    string
		values []string
		want   testkit.Answer
	}{
		{"none", nil, testkit.AnswerNoToken},
		{"empty", []string{""}, testkit.AnswerNoToken},
		{"good", []string{"Bearer " + good}, testkit.AnswerOK},
		{"scheme in lower case", []string{"bearer " + good}, testkit.AnswerOK},
		{"scheme in upper case", []string{"BEARER " + good}, testkit.AnswerOK},
		{"scheme in mixed case", []string{"BeArEr " + good}, testkit.AnswerOK},
		{"three spaces", []string{"Bearer   " + good}, testkit.AnswerOK},
		{"tab", []string{"Bearer\t" + good}, testkit.AnswerBadHeader},
		{"space and tab", []string{"Bearer \t" + good}, testkit.AnswerBadHeader},
		{"no-break space", []string{"Bearer\u00a0" + good}, testkit.AnswerBadHeader},
		{"scheme alone", []string{"Bearer"}, testkit.AnswerBadHeader},
		{"scheme alone, lower case", []string{"bearer"}, testkit.AnswerBadHeader},
		{"scheme and a space", []string{"Bearer "}, testkit.AnswerBadHeader},
		{"scheme and spaces", []string{"Bearer    "}, testkit.AnswerBadHeader},
		{"two words", []string{"Bearer a b"}, testkit.AnswerBadHeader},
		{"space inside the token", []string{"Bearer " + good[:20] + " " + good[20:]}, testkit.AnswerBadHeader},
		{"space behind the token", []string{"Bearer " + good + " "}, testkit.AnswerBadHeader},
		{"space before the scheme", []string{" Bearer " + good}, testkit.AnswerNoToken},
		{"comma behind the token", []string{"Bearer " + good + ","}, testkit.AnswerBadHeader},
		{"two credentials in one line", []string{"Bearer " + good + ", Bearer " + good}, testkit.AnswerBadHeader},
		{"parameter", []string{`Bearer realm="x"`}, testkit.AnswerBadHeader},
		{"token without a scheme", []string{good}, testkit.AnswerBadHeader},
		{"opaque token without a scheme", []string{"YWJjZGVmZ2hpamtsbW5vcA"}, testkit.AnswerNoToken},
		{"no scheme, characters that no token has", []string{`"` + good + `"`}, testkit.AnswerBadHeader},
		{"no scheme, no dot, characters that no token has", []string{`"abc"`}, testkit.AnswerBadHeader},
		{"name that begins like the scheme", []string{"Bearer" + good}, testkit.AnswerNoToken},
		{"name that begins like the scheme, then a tab", []string{"bearerx\t" + good}, testkit.AnswerBadHeader},
		{"other scheme", []string{"Basic dTpw"}, testkit.AnswerNoToken},
		{"other scheme, with our token", []string{"Token " + good}, testkit.AnswerNoToken},
		{"DPoP", []string{"DPoP " + good}, testkit.AnswerNoToken},
		{"longer scheme", []string{"Bearerx " + good}, testkit.AnswerNoToken},
		{"scheme that folds to ours only in Unicode", []string{"Bea\u0280er " + good}, testkit.AnswerNoToken},
		{"quotes", []string{`Bearer "` + good + `"`}, testkit.AnswerBadHeader},
		{"angle brackets", []string{"Bearer <" + good + ">"}, testkit.AnswerBadHeader},
		{"percent sign", []string{"Bearer " + good[:20] + "%41" + good[20:]}, testkit.AnswerBadHeader},
		{"JSON form of a token", []string{`Bearer {"payload":"a","signatures":[]}`}, testkit.AnswerBadHeader},
		{"control character", []string{"Bearer " + good[:20] + "\x01" + good[20:]}, testkit.AnswerBadHeader},
		{"DEL", []string{"Bearer " + good[:20] + "\x7f" + good[20:]}, testkit.AnswerBadHeader},
		{"letter that is not ASCII", []string{"Bearer " + good[:20] + "é" + good[20:]}, testkit.AnswerBadHeader},
		{"line feed", []string{"Bearer " + good[:20] + "\n" + good[20:]}, testkit.AnswerBadHeader},
		{"carriage return", []string{"Bearer " + good + "\r"}, testkit.AnswerBadHeader},
		{"other characters that tokens may have", []string{"Bearer a~b+c/d=.-_"}, testkit.AnswerMalformed},
		{"two lines", []string{"Bearer " + good, "Bearer " + testkit.Signed(testkit.GoodHeader, testkit.WithClaim("sub", `"auth0|v"`))}, testkit.AnswerBadHeader},
		{"two lines, the same", []string{"Bearer " + good, "Bearer " + good}, testkit.AnswerBadHeader},
		{"two lines, one empty", []string{"", "Bearer " + good}, testkit.AnswerBadHeader},
		{"two lines, one with another scheme", []string{"Bearer " + good, "Basic dTpw"}, testkit.AnswerBadHeader},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f.ExpectWhole(t, f.API.RequireAuth(f), testkit.RequestWith(tt.values...), tt.want)
		})
	}
}

// APIs read tokens from the Authorization header alone, by default.
func TestTokenElsewhereIsNone(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	good := testkit.GoodToken()
	for _, tt := range []struct {
		why  string
		edit func(*http.Request)
	}{
		{"proxy authorization", func(r *http.Request) { r.Header.Set("Proxy-Authorization", "Bearer "+good) }},
		{"query", func(r *http.Request) { r.URL.RawQuery = "access_token=" + good }},
		{"cookie", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "access_token", Value: good}) }},
		{"form", func(r *http.Request) {
			r.Method = "POST"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = io.NopCloser(strings.NewReader("access_token=" + good))
		}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r := testkit.RequestWith()
			tt.edit(r)
			query := r.URL.RawQuery
			f.ExpectWhole(t, f.API.RequireAuth(f), r, testkit.AnswerNoToken)
			if r.URL.RawQuery != query {
				t.Errorf("the query was changed to %q", r.URL.RawQuery)
			}
		})
	}
	// Only sources that are read count as a second credential.
	r := testkit.BearerRequest(good)
	r.URL.RawQuery = "access_token=other"
	f.ExpectWhole(t, f.API.RequireAuth(f), r, testkit.AnswerOK)
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	want := testkit.AnswerNoToken
	want.Body = ""
	r := testkit.RequestWith()
	r.Method = "HEAD"
	f.ExpectWhole(t, f.API.RequireAuth(f), r, want)
	want = testkit.AnswerMalformed
	want.Body = ""
	r = testkit.BearerRequest("abc")
	r.Method = "HEAD"
	f.ExpectWhole(t, f.API.RequireAuth(f), r, want)
}

func TestTokenForm(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	good := testkit.GoodToken()
	part := strings.Split(good, ".")
	// A claim that makes the payload a multiple of three bytes plus one has
	// spare bits in its last character.
	spare := testkit.GoodClaims(testkit.Noon).String()
	for len(spare)%3 != 1 {
		spare += " "
	}
	h, p := testkit.Segment(testkit.GoodHeader.String()), testkit.Segment(spare)
	input := h + "." + p[:len(p)-1] + string(nextLetter(p[len(p)-1]))
	spareBits := input + "." + testkit.Segment(string(testkit.RS256(testkit.RSAKey1())(input)))

	f.ExpectTokens(t, []testkit.TokenCase{
		{"no dot", "abc", testkit.AnswerMalformed},
		{"one dot", "a.b", testkit.AnswerMalformed},
		{"three dots", "a.b.c.d", testkit.AnswerMalformed},
		{"good segments and one more", good + ".AAAA", testkit.AnswerMalformed},
		{"encrypted", testkit.Segment(`{"alg":"dir","enc":"A256GCM"}`) + "..AAAA.AAAA.AAAA", testkit.AnswerMalformed},
		{"trailing dot", good + ".", testkit.AnswerMalformed},
		{"only dots", "..", testkit.AnswerMalformed},
		{"no header", "." + part[1] + "." + part[2], testkit.AnswerMalformed},
		{"no payload", part[0] + ".." + part[2], testkit.AnswerMalformed},
		{"no signature", part[0] + "." + part[1] + ".", testkit.AnswerMalformed},
		{"padded header", part[0] + "=." + part[1] + "." + part[2], testkit.AnswerMalformed},
		{"padded payload", part[0] + "." + part[1] + "==." + part[2], testkit.AnswerMalformed},
		{"padded signature", good + "==", testkit.AnswerMalformed},
		{"signature in the other alphabet", standardAlphabet(), testkit.AnswerMalformed},
		{"spare bits in the signature", good[:len(good)-1] + string(nextLetter(good[len(good)-1])), testkit.AnswerMalformed},
		{"spare bits in the payload, signed like that", spareBits, testkit.AnswerMalformed},
		{"largest", tokenOfSize(16384), testkit.AnswerOK},
		{"too large", tokenOfSize(16385), testkit.AnswerMalformed},
	})
}

// nextLetter returns the letter whose six bits differ in the lowest.
func nextLetter(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

// standardAlphabet returns a good token whose signature is written with + and /.
func standardAlphabet() string {
	for i := 0; ; i++ {
		token := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("jti", `"`+strconv.Itoa(i)+`"`))
		dot := strings.LastIndexByte(token, '.')
		if sig := token[dot:]; strings.ContainsAny(sig, "-_") {
			return token[:dot] + strings.NewReplacer("-", "+", "_", "/").Replace(sig)
		}
	}
}

// tokenOfSize returns a good token of exactly that many bytes. Of every four
// lengths of text Base64 leaves one out, so the header is lengthened until header
// and claims make up the size together.
func tokenOfSize(size int) string {
	const signature = 342 // characters
	filled := func(o testkit.Object, length int) (testkit.Object, bool) {
		empty := o.Set("pad", `""`)
		n := length - len(empty.String())
		return o.Set("pad", `"`+strings.Repeat("x", max(n, 0))+`"`), n >= 0
	}
	for extra := range 4 {
		header, _ := filled(testkit.GoodHeader, len(testkit.GoodHeader.Set("pad", `""`).String())+extra)
		left := size - len(".") - len(".") - signature - len(testkit.Segment(header.String()))
		claims, ok := filled(testkit.GoodClaims(testkit.Noon), base64.RawURLEncoding.DecodedLen(left))
		if token := testkit.Signed(header, claims); ok && len(token) == size {
			return token
		}
	}
	panic("no such token")
}

// Verify can receive forms that the Authorization header cannot carry.
func TestVerifyTokenForm(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	good := testkit.GoodToken()
	part := strings.Split(good, ".")
	for why, token := range map[string]string{
		"line feed in the header":     good[:4] + "\n" + good[4:],
		"line feed in the payload":    part[0] + ".\n" + part[1] + "." + part[2],
		"line break in the signature": good[:len(good)-4] + "\r\n" + good[len(good)-4:],
		"trailing line feed":          good + "\n",
		"leading space":               " " + good,
		"trailing space":              good + " ",
		"scheme":                      "Bearer " + good,
		"flattened JSON":              `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`,
		"general JSON":                `{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`,
	} {
		t.Run(why, func(t *testing.T) {
			token, err := f.API.Verify(t.Context(), token)
			var e *auth0.Error
			if token != nil || !errors.As(err, &e) || e.Status != 401 || e.Code != "invalid_token" || e.Description != "token malformed" {
				t.Errorf("got %v, %v; want token malformed", token, err)
			}
		})
	}
}

func TestJOSEHeader(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	raw := func(header string) string {
		return testkit.Compact(header, testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAKey1()))
	}
	header := func(name, value string) string {
		return testkit.Signed(testkit.GoodHeader.Set(name, value), testkit.GoodClaims(testkit.Noon))
	}
	long := func(size int) string { // a header of that many bytes
		return raw(testkit.GoodHeader.Set("x", `"`+strings.Repeat("x", size-len(testkit.GoodHeader.Set("x", `""`).String()))+`"`).String())
	}
	cases := []testkit.TokenCase{
		{"no JSON", raw("alg"), testkit.AnswerMalformed},
		{"array", raw(`["RS256"]`), testkit.AnswerMalformed},
		{"null", raw("null"), testkit.AnswerMalformed},
		{"trailing byte", raw(testkit.GoodHeader.String() + "x"), testkit.AnswerMalformed},
		{"two objects", raw(testkit.GoodHeader.String() + "{}"), testkit.AnswerMalformed},
		{"invalid UTF-8", header("x", "\"\xff\""), testkit.AnswerMalformed},
		{"white space", raw(" { \"alg\" : \"RS256\" ,\n\"kid\":\"k1\"}\t"), testkit.AnswerOK},
		{"1 KiB", long(1024), testkit.AnswerOK},
		{"more than 1 KiB", long(1025), testkit.AnswerMalformed},
		{"alg twice, none first", testkit.Signed(testkit.GoodHeader.First("alg", `"none"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"alg twice, none last", testkit.Signed(testkit.GoodHeader.Last("alg", `"none"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"alg twice, the same", testkit.Signed(testkit.GoodHeader.Last("alg", `"RS256"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"alg twice, once escaped", testkit.Signed(testkit.GoodHeader.Last(`\u0061lg`, `"RS256"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"kid twice", testkit.Signed(testkit.GoodHeader.Last("kid", `"k2"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"typ twice", testkit.Signed(testkit.GoodHeader.Last("typ", `"JWT"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"ALG is not alg", testkit.Signed(testkit.GoodHeader.Without("alg").Set("ALG", `"RS256"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"ALG beside alg says nothing", header("ALG", `"none"`), testkit.AnswerOK},
		{"no alg", testkit.Signed(testkit.GoodHeader.Without("alg"), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"alg is empty", header("alg", `""`), testkit.AnswerMalformed},
		{"alg is a number", header("alg", `256`), testkit.AnswerMalformed},
		{"alg is null", header("alg", `null`), testkit.AnswerMalformed},
		{"alg is an array", header("alg", `["RS256"]`), testkit.AnswerMalformed},
		{"kid is a number", header("kid", `1`), testkit.AnswerMalformed},
		{"kid is null", header("kid", `null`), testkit.AnswerMalformed},
		{"typ is a number", header("typ", `1`), testkit.AnswerMalformed},
		{"typ is null", header("typ", `null`), testkit.AnswerMalformed},
		{"b64 is false", header("b64", `false`), testkit.AnswerMalformed},
		{"b64 is false and listed", testkit.Signed(testkit.GoodHeader.Set("b64", "false").Set("crit", `["b64"]`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerMalformed},
		{"compressed", header("zip", `"DEF"`), testkit.AnswerMalformed},
		{"token inside", header("cty", `"JWT"`), testkit.AnswerMalformed},
	}
	for _, crit := range []string{`["exp"]`, `["x"]`, `["b64"]`, `[]`, `"x"`, `null`} {
		cases = append(cases, testkit.TokenCase{"crit " + crit, header("crit", crit), testkit.AnswerMalformed})
	}
	for _, typ := range []string{"JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "APPLICATION/at+jwt"} {
		cases = append(cases, testkit.TokenCase{"typ " + typ, header("typ", `"`+typ+`"`), testkit.AnswerOK})
	}
	cases = append(cases, testkit.TokenCase{"no typ", testkit.Signed(testkit.GoodHeader.Without("typ"), testkit.GoodClaims(testkit.Noon)), testkit.AnswerOK})
	for _, typ := range []string{"dpop+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt", "entity-statement+jwt", "application/jwt+x", "JOSE", "id+jwt", " JWT"} {
		cases = append(cases, testkit.TokenCase{"typ " + typ, header("typ", `"`+typ+`"`), testkit.AnswerWrongType})
	}
	f.ExpectTokens(t, cases)
}

// An attacker who can choose the algorithm can choose one that needs no secret, or
// one for which the public key is the secret.
func TestAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	claims := testkit.GoodClaims(testkit.Noon).String()
	alg := func(name string, sign testkit.Signer) string {
		return testkit.Compact(testkit.GoodHeader.Set("alg", `"`+name+`"`).String(), claims, sign)
	}
	der, err := x509.MarshalPKIXPublicKey(&testkit.RSAKey1().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pkix := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&testkit.RSAKey1().PublicKey)})
	text, err := json.Marshal(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	real := testkit.RS256(testkit.RSAKey1())
	f.ExpectTokens(t, []testkit.TokenCase{
		{"none with a signature", alg("none", real), testkit.AnswerWrongAlg},
		{"None", alg("None", real), testkit.AnswerWrongAlg},
		{"nOnE", alg("nOnE", real), testkit.AnswerWrongAlg},
		{"none with one byte", alg("none", testkit.Constant([]byte{0})), testkit.AnswerWrongAlg},
		{"none without a signature", alg("none", testkit.Constant(nil)), testkit.AnswerWrongAlg},
		{"RS256 in lower case", alg("rs256", real), testkit.AnswerWrongAlg},
		{"RS256 and a space", alg("RS256 ", real), testkit.AnswerWrongAlg},
		{"HS256 with PEM", alg("HS256", testkit.HS256(pkix)), testkit.AnswerWrongAlg},
		{"HS256 with PEM of PKCS #1", alg("HS256", testkit.HS256(pkcs1)), testkit.AnswerWrongAlg},
		{"HS256 with DER", alg("HS256", testkit.HS256(der)), testkit.AnswerWrongAlg},
		{"HS256 with the JWK", alg("HS256", testkit.HS256(text)), testkit.AnswerWrongAlg},
		{"HS256 with the modulus", alg("HS256", testkit.HS256(testkit.RSAKey1().N.Bytes())), testkit.AnswerWrongAlg},
		{"HS256 with an empty secret", alg("HS256", testkit.HS256(nil)), testkit.AnswerWrongAlg},
		{"RS384", alg("RS384", testkit.RS(crypto.SHA384, testkit.RSAKey1())), testkit.AnswerWrongAlg},
		{"RS512", alg("RS512", testkit.RS(crypto.SHA512, testkit.RSAKey1())), testkit.AnswerWrongAlg},
		{"PS256", alg("PS256", testkit.PS(crypto.SHA256, 32, testkit.RSAKey1())), testkit.AnswerWrongAlg},
		{"ES256", alg("ES256", testkit.ES(crypto.SHA256, testkit.ECKey(), testkit.SideBySide(32))), testkit.AnswerWrongAlg},
		{"EdDSA", alg("EdDSA", testkit.Constant(make([]byte, 64))), testkit.AnswerWrongAlg},
	})
	if f.Fetches() != 0 {
		t.Errorf("%d fetches of keys for algorithms that are not accepted, want 0", f.Fetches())
	}
}

// Every algorithm that can be allowed works with a key for it, and with no other.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	keys := []testkit.JWK{
		testkit.RSAJWK("r", &testkit.RSAKey1().PublicKey).With("alg", nil),
		testkit.ECJWK("e256", "ES256", &testkit.ECKey().PublicKey), testkit.ECJWK("e384", "ES384", &testkit.ECKey384().PublicKey).With("alg", nil), testkit.ECJWK("e521", "ES512", &testkit.ECKey521().PublicKey),
		testkit.EdJWK("ed", testkit.EdKey().Public().(ed25519.PublicKey)),
	}
	tests := []struct {
		alg, kid string
		sign     testkit.Signer
	}{
		{"RS256", "r", testkit.RS(crypto.SHA256, testkit.RSAKey1())},
		{"RS384", "r", testkit.RS(crypto.SHA384, testkit.RSAKey1())},
		{"RS512", "r", testkit.RS(crypto.SHA512, testkit.RSAKey1())},
		{"PS256", "r", testkit.PS(crypto.SHA256, 32, testkit.RSAKey1())},
		{"PS384", "r", testkit.PS(crypto.SHA384, 48, testkit.RSAKey1())},
		{"PS512", "r", testkit.PS(crypto.SHA512, 64, testkit.RSAKey1())},
		{"ES256", "e256", testkit.ES(crypto.SHA256, testkit.ECKey(), testkit.SideBySide(32))},
		{"ES384", "e384", testkit.ES(crypto.SHA384, testkit.ECKey384(), testkit.SideBySide(48))},
		{"ES512", "e521", testkit.ES(crypto.SHA512, testkit.ECKey521(), testkit.SideBySide(66))},
		{"EdDSA", "ed", func(input string) []byte { return ed25519.Sign(testkit.EdKey(), []byte(input)) }},
	}
	all := testkit.NewAPIEnv(t, testkit.Algorithms(testkit.AllAlgorithms...))
	all.Publish(keys...)
	for _, tt := range tests {
		t.Run(tt.alg, func(t *testing.T) {
			only := testkit.NewAPIEnv(t, testkit.Algorithms(tt.alg))
			only.Publish(keys...)
			for _, used := range tests {
				header := testkit.GoodHeader.Set("alg", `"`+used.alg+`"`).Set("kid", `"`+used.kid+`"`)
				want := testkit.AnswerWrongAlg
				if used.alg == tt.alg {
					want = testkit.AnswerOK
				}
				only.ExpectToken(t, testkit.Compact(header.String(), testkit.GoodClaims(testkit.Noon).String(), used.sign), want)
				// The label of one algorithm on the signature of another.
				header = header.Set("alg", `"`+tt.alg+`"`)
				want = testkit.AnswerOK
				switch {
				case tt.alg == used.alg:
				case tt.kid == used.kid:
					want = testkit.AnswerBadSignature
				default:
					want = testkit.AnswerUnknownKey
				}
				all.ExpectToken(t, testkit.Compact(header.String(), testkit.GoodClaims(testkit.Noon).String(), used.sign), want)
			}
		})
	}
}

// A key that names its algorithm works for no other.
func TestKeyForOneAlgorithm(t *testing.T) {
	t.Parallel()
	token := testkit.Compact(testkit.GoodHeader.Set("alg", `"PS256"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.PS(crypto.SHA256, 32, testkit.RSAKey1()))
	f := testkit.NewAPIEnv(t, testkit.Algorithms("RS256", "PS256"))
	f.ExpectToken(t, token, testkit.AnswerUnknownKey)
	if f.Fetches() != 1 {
		t.Errorf("%d fetches, want 1: the key is known", f.Fetches())
	}
	f = testkit.NewAPIEnv(t, testkit.Algorithms("RS256", "PS256"))
	f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey).With("alg", nil))
	f.ExpectToken(t, token, testkit.AnswerOK)
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	f = testkit.NewAPIEnv(t)
	f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey).With("alg", "RS512"), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerUnknownKey)
}

func TestSignatureForm(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, testkit.Algorithms("RS256", "PS256", "ES256", "EdDSA"))
	f.Publish(
		testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("p", &testkit.RSAKey1().PublicKey).With("alg", "PS256"),
		testkit.ECJWK("e", "ES256", &testkit.ECKey().PublicKey), testkit.EdJWK("ed", testkit.EdKey().Public().(ed25519.PublicKey)))
	claims := testkit.GoodClaims(testkit.Noon).String()
	token := func(alg, kid string, sign testkit.Signer) string {
		return testkit.Compact(testkit.GoodHeader.Set("alg", `"`+alg+`"`).Set("kid", `"`+kid+`"`).String(), claims, sign)
	}
	ecdsaForm := func(form func(r, s *big.Int) []byte) string {
		return token("ES256", "e", testkit.ES(crypto.SHA256, testkit.ECKey(), form))
	}
	order := elliptic.P256().Params().N
	ones := order.FillBytes(make([]byte, 32))
	good := testkit.GoodToken()
	sig := testkit.RS256(testkit.RSAKey1())(good[:strings.LastIndexByte(good, '.')])
	f.ExpectTokens(t, []testkit.TokenCase{
		{"RS256, a byte shorter", token("RS256", "k1", testkit.Constant(sig[1:])), testkit.AnswerBadSignature},
		{"RS256, last byte missing", token("RS256", "k1", testkit.Constant(sig[:255])), testkit.AnswerBadSignature},
		{"RS256, a zero before it", token("RS256", "k1", testkit.Constant(append([]byte{0}, sig...))), testkit.AnswerBadSignature},
		{"RS256, a zero behind it", token("RS256", "k1", testkit.Constant(append(slices.Clone(sig), 0))), testkit.AnswerBadSignature},
		{"RS256, zeros", token("RS256", "k1", testkit.Constant(make([]byte, 256))), testkit.AnswerBadSignature},
		{"RS256, one byte", token("RS256", "k1", testkit.Constant([]byte{1})), testkit.AnswerBadSignature},
		{"PS256", token("PS256", "p", testkit.PS(crypto.SHA256, 32, testkit.RSAKey1())), testkit.AnswerOK},
		{"PS256 without salt", token("PS256", "p", testkit.PS(crypto.SHA256, 0, testkit.RSAKey1())), testkit.AnswerBadSignature},
		{"PS256 with a short salt", token("PS256", "p", testkit.PS(crypto.SHA256, 20, testkit.RSAKey1())), testkit.AnswerBadSignature},
		{"PS256 with the longest salt", token("PS256", "p", testkit.PS(crypto.SHA256, rsa.PSSSaltLengthAuto, testkit.RSAKey1())), testkit.AnswerBadSignature},
		{"PS256 of another hash", token("PS256", "p", testkit.PS(crypto.SHA384, 48, testkit.RSAKey1())), testkit.AnswerBadSignature},
		{"ES256", ecdsaForm(testkit.SideBySide(32)), testkit.AnswerOK},
		{"ES256, the larger s", ecdsaForm(func(r, s *big.Int) []byte {
			if half := new(big.Int).Rsh(order, 1); s.Cmp(half) <= 0 {
				s = new(big.Int).Sub(order, s)
			}
			return testkit.SideBySide(32)(r, s)
		}), testkit.AnswerOK},
		{"ES256 in DER", token("ES256", "e", func(input string) []byte {
			der, _ := ecdsa.SignASN1(rand.Reader, testkit.ECKey(), testkit.Digest(crypto.SHA256, input))
			return der
		}), testkit.AnswerBadSignature},
		{"ES256, 63 bytes", ecdsaForm(func(r, s *big.Int) []byte { return testkit.SideBySide(32)(r, s)[1:] }), testkit.AnswerBadSignature},
		{"ES256, 65 bytes", ecdsaForm(func(r, s *big.Int) []byte { return append(testkit.SideBySide(32)(r, s), 0) }), testkit.AnswerBadSignature},
		{"ES256, 66 bytes", ecdsaForm(testkit.SideBySide(33)), testkit.AnswerBadSignature},
		{"ES256, a zero before s", ecdsaForm(func(r, s *big.Int) []byte { return slices.Insert(testkit.SideBySide(32)(r, s), 32, 0) }), testkit.AnswerBadSignature},
		{"ES256, s before r", ecdsaForm(func(r, s *big.Int) []byte { return testkit.SideBySide(32)(s, r) }), testkit.AnswerBadSignature},
		{"ES256, zeros", token("ES256", "e", testkit.Constant(make([]byte, 64))), testkit.AnswerBadSignature},
		{"ES256, twice the order", token("ES256", "e", testkit.Constant(slices.Concat(ones, ones))), testkit.AnswerBadSignature},
		{"ES256 for an RSA key", token("ES256", "k1", testkit.ES(crypto.SHA256, testkit.ECKey(), testkit.SideBySide(32))), testkit.AnswerUnknownKey},
		{"RS256 for an elliptic curve key", token("RS256", "e", testkit.RS256(testkit.RSAKey1())), testkit.AnswerUnknownKey},
		{"EdDSA", token("EdDSA", "ed", func(input string) []byte { return ed25519.Sign(testkit.EdKey(), []byte(input)) }), testkit.AnswerOK},
		{"EdDSA, 63 bytes", token("EdDSA", "ed", func(input string) []byte { return ed25519.Sign(testkit.EdKey(), []byte(input))[:63] }), testkit.AnswerBadSignature},
		{"EdDSA, 65 bytes", token("EdDSA", "ed", func(input string) []byte { return append(ed25519.Sign(testkit.EdKey(), []byte(input)), 0) }), testkit.AnswerBadSignature},
		{"EdDSA over a hash", token("EdDSA", "ed", func(input string) []byte { return ed25519.Sign(testkit.EdKey(), testkit.Digest(crypto.SHA512, input)) }), testkit.AnswerBadSignature},
	})
}

func TestSignatureIsOverEverything(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	good := testkit.GoodToken()
	part := strings.Split(good, ".")
	other := strings.Split(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("sub", `"auth0|admin"`)), ".")
	f.ExpectTokens(t, []testkit.TokenCase{
		{"other payload", part[0] + "." + other[1] + "." + part[2], testkit.AnswerBadSignature},
		{"other header", testkit.Segment(testkit.GoodHeader.Set("typ", `"at+jwt"`).String()) + "." + part[1] + "." + part[2], testkit.AnswerBadSignature},
		{"other signature", part[0] + "." + part[1] + "." + other[2], testkit.AnswerBadSignature},
		{"foreign key under our id", testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign())), testkit.AnswerBadSignature},
		{"another key of the issuer under our id", testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAKey2())), testkit.AnswerBadSignature},
		{"white space added to the payload", part[0] + "." + testkit.Segment(testkit.GoodClaims(testkit.Noon).String()+" ") + "." + part[2], testkit.AnswerBadSignature},
	})
	if f.Fetches() != 1 {
		t.Errorf("%d fetches, want 1: the key is known", f.Fetches())
	}
	// Any bit of the signature.
	sig, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sig)*8; i += 97 {
		flipped := slices.Clone(sig)
		flipped[i/8] ^= 1 << (i % 8)
		f.ExpectToken(t, part[0]+"."+part[1]+"."+testkit.Segment(string(flipped)), testkit.AnswerBadSignature)
	}
}

// Keys come from the issuer, never from the token. The API fetches no URL that a
// token names.
func TestKeysInTokens(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	evil := "https://evil.example/"
	own, err := json.Marshal(testkit.RSAJWK("k1", &testkit.RSAForeign().PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"jwk": string(own), "jku": `"` + evil + `jwks.json"`, "x5u": `"` + evil + `cert.pem"`, "x5c": `["MIIB"]`,
	} {
		header := testkit.GoodHeader.Set(name, value)
		forged := testkit.Compact(header.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign()))
		f.ExpectTokens(t, []testkit.TokenCase{
			{name + " of an attacker", forged, testkit.AnswerBadSignature},
			{name + " in a good token", testkit.Signed(header, testkit.GoodClaims(testkit.Noon)), testkit.AnswerOK},
		})
	}
	f.ExpectToken(t, testkit.Signed(testkit.GoodHeader.Set("x5t", `"AAAA"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerOK)
	if want := []string{"https://t.example/.well-known/jwks.json"}; !slices.Equal(f.Net.Asked(), want) {
		t.Errorf("requests to %q, want %q", f.Net.Asked(), want)
	}
}

func TestKeyID(t *testing.T) {
	t.Parallel()
	token := func(kid string) string {
		return testkit.Signed(testkit.GoodHeader.Set("kid", kid), testkit.GoodClaims(testkit.Noon))
	}
	absent := testkit.Signed(testkit.GoodHeader.Without("kid"), testkit.GoodClaims(testkit.Noon))
	k1, k2 := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)
	long := strings.Repeat("k", 256)
	for _, tt := range []struct {
		why   string
		keys  []testkit.JWK
		token string
		want  testkit.Answer
	}{
		{"none, one key", []testkit.JWK{k1}, absent, testkit.AnswerOK},
		{"none, two keys", []testkit.JWK{k1, k2}, absent, testkit.AnswerUnknownKey},
		{"none, the only key is another", []testkit.JWK{k2}, absent, testkit.AnswerBadSignature},
		{"none, one key that fits", []testkit.JWK{testkit.ECJWK("e", "ES256", &testkit.ECKey().PublicKey), k1, k2.With("alg", "PS256")}, absent, testkit.AnswerOK},
		{"none, no key fits", []testkit.JWK{testkit.ECJWK("e", "ES256", &testkit.ECKey().PublicKey)}, absent, testkit.AnswerUnknownKey},
		{"empty, one key", []testkit.JWK{k1}, token(`""`), testkit.AnswerOK},
		{"empty, two keys", []testkit.JWK{k1, k2}, token(`""`), testkit.AnswerUnknownKey},
		{"none, and the key has none", []testkit.JWK{k1.With("kid", nil)}, absent, testkit.AnswerOK},
		{"the key has none", []testkit.JWK{k1.With("kid", nil)}, token(`"k1"`), testkit.AnswerUnknownKey},
		{"in other case", []testkit.JWK{k1}, token(`"K1"`), testkit.AnswerUnknownKey},
		{"and a space", []testkit.JWK{k1}, token(`"k1 "`), testkit.AnswerUnknownKey},
		{"escaped", []testkit.JWK{k1}, token(`"\u006b1"`), testkit.AnswerOK},
		{"longest", []testkit.JWK{k1.With("kid", long)}, token(`"` + long + `"`), testkit.AnswerOK},
		{"too long", []testkit.JWK{k1.With("kid", long+"k")}, token(`"` + long + `k"`), testkit.AnswerNoKeys},
		{"too long, among others", []testkit.JWK{k2, k1.With("kid", long+"k")}, token(`"` + long + `k"`), testkit.AnswerUnknownKey},
		{"none, and one key has an id that is too long", []testkit.JWK{k1, k2.With("kid", long+"k")}, absent, testkit.AnswerOK},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t)
			f.Publish(tt.keys...)
			if tt.want == testkit.AnswerNoKeys {
				// An id that is too long is rejected before the keys are looked at.
				tt.want = testkit.AnswerUnknownKey
			}
			f.ExpectToken(t, tt.token, tt.want)
		})
	}
}

// Strangers can make up key ids. Such an id must not cost a request if no key can
// have it, and must be harmless in the log.
func TestOddKeyIDs(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	f.ExpectToken(t, testkit.Signed(testkit.GoodHeader.Set("kid", `"`+strings.Repeat("k", 257)+`"`), testkit.GoodClaims(testkit.Noon)), testkit.AnswerUnknownKey)
	if f.Fetches() != 0 {
		t.Errorf("%d fetches for a key id that is too long, want 0", f.Fetches())
	}
	for _, kid := range []string{`"../../etc/passwd"`, `"a\"b"`, `"a\u0000b"`, `"a\nlevel=ERROR msg=forged"`, `"\u2028"`} {
		f.Log.Take()
		f.ExpectToken(t, testkit.Signed(testkit.GoodHeader.Set("kid", kid), testkit.GoodClaims(testkit.Noon)), testkit.AnswerUnknownKey)
		for line := range strings.Lines(f.Log.Take()) {
			if !strings.HasPrefix(line, "time=") || strings.ContainsAny(line, "\x00\u2028") {
				t.Errorf("kid %s: log line %q", kid, line)
			}
		}
	}
}

func TestPayloadForm(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	good := testkit.GoodClaims(testkit.Noon).String()
	raw := func(payload string) string {
		return testkit.Compact(testkit.GoodHeader.String(), payload, testkit.RS256(testkit.RSAKey1()))
	}
	nested := func(depth int) string {
		return raw(testkit.WithClaim("x", strings.Repeat("[", depth)+strings.Repeat("]", depth)).String())
	}
	many := testkit.GoodClaims(testkit.Noon)
	for i := range 1000 {
		many = append(many, [2]string{"c" + strconv.Itoa(i), "1"})
	}
	f.ExpectTokens(t, []testkit.TokenCase{
		{"no JSON", raw("claims"), testkit.AnswerMalformed},
		{"array", raw("[]"), testkit.AnswerMalformed},
		{"null", raw("null"), testkit.AnswerMalformed},
		{"string", raw(`""`), testkit.AnswerMalformed},
		{"trailing byte", raw(good + "x"), testkit.AnswerMalformed},
		{"trailing NUL", raw(good + "\x00"), testkit.AnswerMalformed},
		{"two objects", raw(good + good), testkit.AnswerMalformed},
		{"comma behind the last member", raw(good[:len(good)-1] + ",}"), testkit.AnswerMalformed},
		{"byte order mark", raw("\ufeff" + good), testkit.AnswerMalformed},
		{"comment", raw("/**/" + good), testkit.AnswerMalformed},
		{"white space around it", raw(" \t\r\n" + good + " \n"), testkit.AnswerOK},
		{"invalid UTF-8", raw(testkit.WithClaim("x", "\"\xff\"").String()), testkit.AnswerMalformed},
		{"overlong UTF-8", raw(testkit.WithClaim("x", "\"\xc0\xaf\"").String()), testkit.AnswerMalformed},
		{"control character in a string", raw(testkit.WithClaim("x", "\"a\x01b\"").String()), testkit.AnswerMalformed},
		{"lone surrogate", raw(testkit.WithClaim("x", `"\ud800"`).String()), testkit.AnswerMalformed},
		{"half of a surrogate pair", raw(testkit.WithClaim("x", `"\ud800\u0041"`).String()), testkit.AnswerMalformed},
		{"NaN", raw(testkit.WithClaim("x", `NaN`).String()), testkit.AnswerMalformed},
		{"leading zero", raw(testkit.WithClaim("x", `01`).String()), testkit.AnswerMalformed},
		{"60 arrays deep", nested(60), testkit.AnswerOK},
		{"65 arrays deep", nested(65), testkit.AnswerMalformed},
		{"5,000 arrays deep", nested(5000), testkit.AnswerMalformed},
		{"very deep, not closed", raw(`{"x":` + strings.Repeat("[", 11000)), testkit.AnswerMalformed},
		{"many claims", raw(many.String()), testkit.AnswerOK},
	})
}

func TestClaims(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	with := func(name, value string) string {
		return testkit.Signed(testkit.GoodHeader, testkit.WithClaim(name, value))
	}
	without := func(name string) string {
		return testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without(name))
	}
	cases := []testkit.TokenCase{
		{"exp absent", without("exp"), testkit.AnswerBadClaims},
		{"exp with a fraction", with("exp", testkit.NoonPlus(999)+".5"), testkit.AnswerOK},
		{"exp with an exponent", with("exp", "1.8e9"), testkit.AnswerOK},
		{"exp with an exponent, past", with("exp", "1.7e9"), testkit.AnswerExpired},
		{"exp just within leeway", with("exp", testkit.NoonPlus(-4)), testkit.AnswerOK},
		{"exp at the end of leeway", with("exp", testkit.NoonPlus(-5)), testkit.AnswerExpired},
		{"exp after leeway", with("exp", testkit.NoonPlus(-6)), testkit.AnswerExpired},
		{"exp long ago", with("exp", "1"), testkit.AnswerExpired},
		{"exp in the year 9999", with("exp", "253402300799"), testkit.AnswerOK},
		{"exp after the year 9999", with("exp", "253402300800"), testkit.AnswerBadClaims},
		{"exp in milliseconds", with("exp", testkit.NoonPlus(3600)+"000"), testkit.AnswerBadClaims},
		{"exp before iat", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iat", testkit.NoonPlus(4)).Set("exp", testkit.NoonPlus(2))), testkit.AnswerOK},
		{"nbf within leeway", with("nbf", testkit.NoonPlus(4)), testkit.AnswerOK},
		{"nbf after leeway", with("nbf", testkit.NoonPlus(6)), testkit.AnswerNotYet},
		{"nbf past", with("nbf", testkit.NoonPlus(-600)), testkit.AnswerOK},
		{"iat within leeway", with("iat", testkit.NoonPlus(4)), testkit.AnswerOK},
		{"iat after leeway", with("iat", testkit.NoonPlus(6)), testkit.AnswerNotYet},
		{"iat absent", without("iat"), testkit.AnswerOK},
		{"iat with a fraction", with("iat", testkit.NoonPlus(-10)+".25"), testkit.AnswerOK},
		{"iss absent", without("iss"), testkit.AnswerBadClaims},
		{"aud is our string", with("aud", `"https://api.example/"`), testkit.AnswerOK},
		{"aud has ours", with("aud", `["x","https://api.example/"]`), testkit.AnswerOK},
		{"aud has others", with("aud", `["x","https://t.example/userinfo"]`), testkit.AnswerWrongAud},
		{"aud is longer", with("aud", `"https://api.example/x"`), testkit.AnswerWrongAud},
		{"aud is shorter", with("aud", `"https://api.example"`), testkit.AnswerWrongAud},
		{"aud in other case", with("aud", `"https://API.example/"`), testkit.AnswerWrongAud},
		{"aud is the client", with("aud", `"c1"`), testkit.AnswerWrongAud},
		{"aud absent", without("aud"), testkit.AnswerWrongAud},
		{"aud is an empty list", with("aud", `[]`), testkit.AnswerWrongAud},
		{"aud is empty", with("aud", `""`), testkit.AnswerWrongAud},
		{"aud is an object", with("aud", `{"https://api.example/":1}`), testkit.AnswerBadClaims},
		{"aud has a number", with("aud", `["https://api.example/",1]`), testkit.AnswerBadClaims},
		{"aud is a number", with("aud", `5`), testkit.AnswerBadClaims},
		{"aud is null", with("aud", `null`), testkit.AnswerBadClaims},
		{"sub absent", without("sub"), testkit.AnswerOK},
		{"sub is a number", with("sub", `5`), testkit.AnswerBadClaims},
		{"sub is null", with("sub", `null`), testkit.AnswerBadClaims},
		{"sub is empty", with("sub", `""`), testkit.AnswerBadClaims},
		{"sub with a control character", with("sub", `"auth0|\u0000"`), testkit.AnswerBadClaims},
		{"sub with a line break", with("sub", `"auth0|a\nb"`), testkit.AnswerBadClaims},
		{"permissions is a string", with("permissions", `"read:m"`), testkit.AnswerBadClaims},
		{"permissions has a number", with("permissions", `["read:m",1]`), testkit.AnswerBadClaims},
		{"permissions is an object", with("permissions", `{"read:m":true}`), testkit.AnswerBadClaims},
		{"scope has a number", with("scope", `["read:m",1]`), testkit.AnswerBadClaims},
		{"scope is a number", with("scope", `1`), testkit.AnswerBadClaims},
		{"scp has a number", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("scope").Set("scp", `[1]`)), testkit.AnswerBadClaims},
		{"azp is a number", with("azp", `1`), testkit.AnswerBadClaims},
		{"client_id is a number", with("client_id", `1`), testkit.AnswerBadClaims},
		{"org_id is a number", with("org_id", `1`), testkit.AnswerBadClaims},
		{"jti is a number", with("jti", `1`), testkit.AnswerOK},
		{"claims that decide nothing have the wrong form", testkit.Signed(testkit.GoodHeader,
			testkit.WithClaim("sid", `1`).Set("amr", `"pwd"`).Set("acr", `2`).Set("auth_time", `"2026-11-28T10:00:00Z"`)), testkit.AnswerOK},
		{"unknown claim twice", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Last("x", `1`).Last("x", `2`)), testkit.AnswerOK},
		{"exp past, EXP ahead", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-600)).Last("EXP", testkit.NoonPlus(600))), testkit.AnswerBadClaims},
		{"exp written with an escape", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("exp").Last(`\u0065xp`, testkit.NoonPlus(600))), testkit.AnswerOK},
		{"exp written with an escape, past", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("exp").Last(`\u0065xp`, testkit.NoonPlus(-600))), testkit.AnswerExpired},
		{"exp written with an escape beside exp", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Last(`\u0065xp`, testkit.NoonPlus(600))), testkit.AnswerBadClaims},
		{"only ISS", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("iss").Last("ISS", `"https://t.example/"`)), testkit.AnswerBadClaims},
		{"only AUD", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("aud").Last("AUD", `"https://api.example/"`)), testkit.AnswerBadClaims},
		{"names that decide nothing may differ in case", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Last("SCOPE", `"admin"`).Last("Permissions", `"x"`).Last("AZP", `1`)), testkit.AnswerOK},
	}
	for _, value := range []string{"null", "true", "[1]", "{}", `"` + testkit.NoonPlus(999) + `"`, "1e300", "9223372036854775808", "18446744073709551616", "-1", "0", "-0", "0.0"} {
		cases = append(cases, testkit.TokenCase{"exp " + value, with("exp", value), testkit.AnswerBadClaims})
	}
	for _, name := range []string{"nbf", "iat"} {
		for _, value := range []string{"null", `"x"`, "true", "1e300", "-1", "0"} {
			cases = append(cases, testkit.TokenCase{name + " " + value, with(name, value), testkit.AnswerBadClaims})
		}
	}
	for _, value := range []string{"null", "5", `["https://t.example/"]`} {
		cases = append(cases, testkit.TokenCase{"iss " + value, with("iss", value), testkit.AnswerBadClaims})
	}
	for _, m := range testkit.GoodClaims(testkit.Noon).Set("nbf", testkit.NoonPlus(-10)).Set("cnf", `{"jkt":"x"}`).Set("jti", `"j"`).Set("client_id", `"c1"`).Set("org_id", `"o"`).Set("scp", `"x"`) {
		name, value := m[0], m[1]
		if len(testkit.GoodClaims(testkit.Noon).Without(name)) == len(testkit.GoodClaims(testkit.Noon)) {
			cases = append(cases, testkit.TokenCase{name + " twice, the same", testkit.Signed(testkit.GoodHeader, testkit.WithClaim(name, value).Last(name, value)), testkit.AnswerBadClaims})
			continue
		}
		cases = append(cases,
			testkit.TokenCase{name + " twice, the same", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Last(name, value)), testkit.AnswerBadClaims},
			testkit.TokenCase{name + " twice, null last", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Last(name, "null")), testkit.AnswerBadClaims},
			testkit.TokenCase{name + " twice, null first", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).First(name, "null")), testkit.AnswerBadClaims})
	}
	for _, name := range []string{"EXP", "Iss", "\u017fub", "auD", "i\u017fs", "NBF", "Iat", "JTI", "Cnf"} {
		cases = append(cases, testkit.TokenCase{name + " beside the real one", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Last(name, `"x"`)), testkit.AnswerBadClaims})
	}
	f.ExpectTokens(t, cases)
}

// The API compares the issuer byte for byte, and tokens of other issuers cost no
// request.
func TestIssuer(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for _, iss := range []string{"", "https://t.example", "https://T.example/", "HTTPS://t.example/", "http://t.example/", "https://t.example:443/", "https://t.example/x", "https://t.example//", "https://t.example/ ", "https://u.example/", "t.example"} {
		t.Run(iss, func(t *testing.T) {
			f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iss", `"`+iss+`"`)), testkit.AnswerWrongIssuer)
		})
	}
	if urls := f.Net.Asked(); len(urls) != 0 {
		t.Errorf("requests to %q, want none", urls)
	}
}

func TestDomainInUpperCase(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Domain = "T.EXAMPLE" })
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
}

// A token that can be rejected without a key must not cost a request for the JWKS.
func TestRefusedBeforeKeysAreFetched(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for _, token := range []string{
		"abc",
		testkit.Signed(testkit.GoodHeader.Set("alg", `"none"`), testkit.GoodClaims(testkit.Noon)),
		testkit.Signed(testkit.GoodHeader.Set("typ", `"dpop+jwt"`), testkit.GoodClaims(testkit.Noon)),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-600))),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("nbf", testkit.NoonPlus(600))),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iss", `"https://u.example/"`)),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"other"`)),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("nonce", `"n"`)),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", `"x"`)),
	} {
		if _, err := f.API.Verify(t.Context(), token); err == nil {
			t.Errorf("token %s was accepted", token)
		}
	}
	if f.Fetches() != 0 {
		t.Errorf("%d fetches, want 0", f.Fetches())
	}
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		leeway time.Duration
		claim  string
		value  int64
		want   testkit.Answer
	}{
		{"none, exp now", auth0.None, "exp", 0, testkit.AnswerExpired},
		{"none, exp in a second", auth0.None, "exp", 1, testkit.AnswerOK},
		{"none, nbf now", auth0.None, "nbf", 0, testkit.AnswerOK},
		{"none, nbf in a second", auth0.None, "nbf", 1, testkit.AnswerNotYet},
		{"none, iat in a second", auth0.None, "iat", 1, testkit.AnswerNotYet},
		{"a minute, exp 59 s ago", time.Minute, "exp", -59, testkit.AnswerOK},
		{"a minute, exp 60 s ago", time.Minute, "exp", -60, testkit.AnswerExpired},
		{"a minute, nbf in 59 s", time.Minute, "nbf", 59, testkit.AnswerOK},
		{"a minute, nbf in 61 s", time.Minute, "nbf", 61, testkit.AnswerNotYet},
		{"a minute, iat in 59 s", time.Minute, "iat", 59, testkit.AnswerOK},
		{"a minute, iat in 61 s", time.Minute, "iat", 61, testkit.AnswerNotYet},
		{"the most, exp 299 s ago", 5 * time.Minute, "exp", -299, testkit.AnswerOK},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Leeway = tt.leeway })
			f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim(tt.claim, testkit.NoonPlus(tt.value))), tt.want)
		})
	}
}

func TestSeveralAudiences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why  string
		edit func(*auth0.APIConfig)
		aud  string
		want testkit.Answer
	}{
		{"first", func(c *auth0.APIConfig) { c.Audiences = []string{"b"} }, `"https://api.example/"`, testkit.AnswerOK},
		{"second", func(c *auth0.APIConfig) { c.Audiences = []string{"b"} }, `"b"`, testkit.AnswerOK},
		{"neither", func(c *auth0.APIConfig) { c.Audiences = []string{"b"} }, `"c"`, testkit.AnswerWrongAud},
		{"only the list", func(c *auth0.APIConfig) { c.Audience, c.Audiences = "", []string{"a", "b"} }, `["x","b"]`, testkit.AnswerOK},
	} {
		t.Run(tt.why, func(t *testing.T) {
			testkit.NewAPIEnv(t, tt.edit).ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", tt.aud)), tt.want)
		})
	}
}

// ID tokens and logout tokens have the same issuer and keys as access tokens.
func TestOtherTokensOfTheTenant(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for name, value := range map[string]string{"nonce": `"n"`, "at_hash": `"h"`, "c_hash": `"h"`, "s_hash": `"h"`,
		"events": `{"http://schemas.openid.net/event/backchannel-logout":{}}`} {
		t.Run(name, func(t *testing.T) {
			f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim(name, value)), testkit.AnswerWrongType)
		})
	}
	for name, value := range map[string]string{"nonce": "null", "at_hash": "1"} {
		t.Run(name+" of the wrong type", func(t *testing.T) {
			f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim(name, value)), testkit.AnswerBadClaims)
		})
	}
	t.Run("ID token", func(t *testing.T) {
		f.Tenant.EditJWKS(nil)
		if err := f.Tenant.AddClient(testkit.TenantClient{ID: "c1", Secret: "s", Name: "c1", CallbackURLs: []string{"https://app.example/"}}); err != nil {
			t.Fatal(err)
		}
		now := func(header, claims map[string]any) {
			claims["iat"], claims["exp"] = testkit.Noon.Unix(), testkit.Noon.Unix()+3600
		}
		f.ExpectToken(t, f.Tenant.IDToken("c1", "auth0|u", now), testkit.AnswerWrongAud)
		ours := func(_, claims map[string]any) { claims["aud"], claims["nonce"] = testkit.APIAudience, "n" }
		f.ExpectToken(t, f.Tenant.IDToken("c1", "auth0|u", now, ours), testkit.AnswerWrongType)
		f.ExpectToken(t, f.Tenant.LogoutToken("c1", "auth0|u", "s", now, ours), testkit.AnswerWrongType)
	})
}

// A token that is bound to a key or a certificate proves nothing by itself. The
// same holds if its binding cannot be read.
func TestBoundTokens(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for cnf, want := range map[string]testkit.Answer{
		`{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`:      testkit.AnswerBound,
		`{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`: testkit.AnswerBound,
		`{"jwk":{"kty":"RSA"}}`:                                      testkit.AnswerBound, `{"other":1}`: testkit.AnswerBound,
		`{"jkt":5}`: testkit.AnswerBadClaims, `{"jkt":""}`: testkit.AnswerBadClaims, `{"x5t#S256":null}`: testkit.AnswerBadClaims, `{}`: testkit.AnswerBadClaims, `[]`: testkit.AnswerBadClaims,
		`"x"`: testkit.AnswerBadClaims, `""`: testkit.AnswerBadClaims, `5`: testkit.AnswerBadClaims, `true`: testkit.AnswerBadClaims, `false`: testkit.AnswerBadClaims, `null`: testkit.AnswerBadClaims,
	} {
		t.Run(cnf, func(t *testing.T) {
			token := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("cnf", cnf))
			f.ExpectToken(t, token, want)
			r := testkit.BearerRequest(token)
			r.Header.Set("DPoP", testkit.GoodToken())
			f.ExpectWhole(t, f.API.RequireAuth(f), r, want)
		})
	}
	// Only a valid token causes the answer that it is bound.
	f.ExpectToken(t, testkit.Compact(testkit.GoodHeader.String(), testkit.WithClaim("cnf", `{"jkt":"x"}`).String(), testkit.RS256(testkit.RSAForeign())), testkit.AnswerBadSignature)
}

func TestScopesAndPermissions(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	type guard struct {
		of    func(...string) func(http.Handler) http.Handler
		named bool // in the challenge of a 401
	}
	scope, permission := guard{f.API.RequireScope, true}, guard{f.API.RequirePermissions, false}
	type list = []string
	for _, tt := range []struct {
		why    string
		guard  guard
		needs  list
		claims testkit.Object
		want   testkit.Answer
	}{
		{"scope", scope, list{"read:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"first scope", scope, list{"openid"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"last scope", scope, list{"write:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"two scopes", scope, list{"write:m", "read:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"missing scope", scope, list{"admin"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("admin")},
		{"one of two scopes missing", scope, list{"read:m", "admin"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("read:m admin")},
		{"other one missing", scope, list{"admin", "read:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("admin read:m")},
		{"longer scope", scope, list{"read:m"}, testkit.WithClaim("scope", `"read:mx xread:m"`), testkit.AnswerLacks("read:m")},
		{"shorter scope", scope, list{"read:mx"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("read:mx")},
		{"scope in other case", scope, list{"READ:M"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("READ:M")},
		{"spaces around and between", scope, list{"read:m"}, testkit.WithClaim("scope", `"  openid  read:m "`), testkit.AnswerOK},
		{"tab is no separator", scope, list{"read:m"}, testkit.WithClaim("scope", `"openid\tread:m"`), testkit.AnswerLacks("read:m")},
		{"comma is no separator", scope, list{"read:m"}, testkit.WithClaim("scope", `"openid,read:m"`), testkit.AnswerLacks("read:m")},
		{"no scope", scope, list{"read:m"}, testkit.GoodClaims(testkit.Noon).Without("scope"), testkit.AnswerLacks("read:m")},
		{"empty scope", scope, list{"read:m"}, testkit.WithClaim("scope", `""`), testkit.AnswerLacks("read:m")},
		{"array of scopes", scope, list{"read:m"}, testkit.WithClaim("scope", `["openid","read:m"]`), testkit.AnswerOK},
		{"empty array of scopes", scope, list{"read:m"}, testkit.WithClaim("scope", `[]`), testkit.AnswerLacks("read:m")},
		{"scp", scope, list{"read:m"}, testkit.GoodClaims(testkit.Noon).Without("scope").Set("scp", `"openid read:m"`), testkit.AnswerOK},
		{"array scp", scope, list{"read:m"}, testkit.GoodClaims(testkit.Noon).Without("scope").Set("scp", `["read:m"]`), testkit.AnswerOK},
		{"scope wins over scp", scope, list{"read:m"}, testkit.WithClaim("scope", `"x"`).Set("scp", `"read:m"`), testkit.AnswerLacks("read:m")},
		{"empty scope wins over scp", scope, list{"read:m"}, testkit.WithClaim("scope", `""`).First("scp", `"read:m"`), testkit.AnswerLacks("read:m")},
		{"SCOPE is no scope", scope, list{"read:m"}, testkit.GoodClaims(testkit.Noon).Without("scope").Set("SCOPE", `"read:m"`), testkit.AnswerLacks("read:m")},
		{"a permission is no scope", scope, list{"del:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("del:m")},

		{"permission", permission, list{"del:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"two permissions", permission, list{"del:m", "read:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerOK},
		{"missing permission", permission, list{"read:m", "x"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("read:m x")},
		{"permission in other case", permission, list{"DEL:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("DEL:m")},
		{"longer permission", permission, list{"del:m"}, testkit.WithClaim("permissions", `["del:mx","xdel:m"]`), testkit.AnswerLacks("del:m")},
		{"permission among words", permission, list{"del:m"}, testkit.WithClaim("permissions", `["read:m del:m"]`), testkit.AnswerLacks("del:m")},
		{"no permissions", permission, list{"read:m"}, testkit.GoodClaims(testkit.Noon).Without("permissions"), testkit.AnswerLacks("read:m")},
		{"empty permissions", permission, list{"read:m"}, testkit.WithClaim("permissions", `[]`), testkit.AnswerLacks("read:m")},
		{"a scope is no permission", permission, list{"write:m"}, testkit.GoodClaims(testkit.Noon), testkit.AnswerLacks("write:m")},
		{"PERMISSIONS are no permissions", permission, list{"x"}, testkit.GoodClaims(testkit.Noon).Set("PERMISSIONS", `["x"]`), testkit.AnswerLacks("x")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			h := tt.guard.of(tt.needs...)(f)
			f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, tt.claims)), tt.want)
			// The guards imply authentication.
			needs := strings.Join(tt.needs, " ")
			if !tt.guard.named {
				needs = ""
			}
			f.ExpectWhole(t, h, testkit.RequestWith(), testkit.AnswerNoToken.Needs(needs))
			f.ExpectWhole(t, h, testkit.RequestWith("Bearer"), testkit.AnswerBadHeader.Needs(needs))
			f.ExpectWhole(t, h, testkit.BearerRequest("abc"), testkit.AnswerMalformed.Needs(needs))
			f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, tt.claims.Set("exp", testkit.NoonPlus(-60)))), testkit.AnswerExpired.Needs(needs))
		})
	}
}

// A guard that cannot be satisfied is a programming error. It must let no caller
// pass, must not reach a header, and must be logged.
func TestUnusableScopes(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{nil, {}, {""}, {"read:m", ""}, {"read:m openid"}, {`a"b`}, {`a\b`}, {"a\nb"}, {"a\tb"}, {"é"}, {"\x7f"}} {
		t.Run(fmt.Sprintf("%q", list), func(t *testing.T) {
			for name, guard := range map[string]func(*auth0.API) func(...string) func(http.Handler) http.Handler{
				"scopes":      func(a *auth0.API) func(...string) func(http.Handler) http.Handler { return a.RequireScope },
				"permissions": func(a *auth0.API) func(...string) func(http.Handler) http.Handler { return a.RequirePermissions },
			} {
				f := testkit.NewAPIEnv(t)
				h := guard(f.API)(list...)(f)
				if log := f.Log.Take(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") {
					t.Errorf("%s: logged at wiring: %q", name, log)
				}
				every := testkit.GoodClaims(testkit.Noon).Set("scope", `"read:m openid"`).Set("permissions", `["read:m","","read:m openid"]`)
				f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, every)), testkit.AnswerUnusable)
			}
		})
	}
	f := testkit.NewAPIEnv(t)
	f.API.RequireScope("read:m")
	if log := f.Log.Take(); log != "" {
		t.Errorf("a good list is logged: %s", log)
	}
}

// A caller who tries the route first has no token yet, and must not read that a
// token would help.
func TestUnusableScopesAnswerEveryRequest(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for _, h := range []http.Handler{f.API.RequireScope()(f), f.API.RequirePermissions("")(f)} {
		f.ExpectWhole(t, h, testkit.RequestWith(), testkit.AnswerUnusable)
		f.ExpectWhole(t, h, testkit.BearerRequest("abc"), testkit.AnswerUnusable)
	}
}

// A 401 names the scopes of the guard that answers it: the outermost one.
func TestScopesInChallenges(t *testing.T) {
	t.Parallel()
	const url = "https://api.example/.well-known/oauth-protected-resource"
	plain := testkit.NewAPIEnv(t)
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.MetadataURL, c.ChallengeScopes = url, []string{"read:m", "list"} })
	end := func(a testkit.Answer) testkit.Answer {
		a.Challenge += `, resource_metadata="` + url + `"`
		return a
	}
	bound := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.DPoP = auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.example"}, Algorithms: []string{"ES256"}}
	})
	twoLines := testkit.AnswerNoToken.Needs("read:x")
	twoLines.Challenge += "\n" + `DPoP realm="api", algs="ES256", scope="read:x"`
	expired := func() *http.Request {
		return testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))))
	}
	api := f.API
	writes := func(err error) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { api.WriteError(w, r, err) })
	}
	for _, tt := range []struct {
		why  string
		h    http.Handler
		r    *http.Request
		want testkit.Answer
	}{
		{"scopes of the configuration, WriteError", writes(auth0.ErrNoToken), testkit.RequestWith(), end(testkit.AnswerNoToken.Needs("read:m list"))},
		{"scopes of the error, WriteError", writes(&auth0.Error{Op: "bearer", Status: 401, Reason: "missing_token", Code: "unauthorized", Scope: "x", Description: "authentication required"}),
			testkit.RequestWith(), end(testkit.AnswerNoToken.Needs("x"))},
		{"scope", api.RequireScope("read:x")(f), testkit.RequestWith(), end(testkit.AnswerNoToken.Needs("read:x"))},
		{"any scope", api.RequireAnyScope("a", "b")(f), testkit.RequestWith(), end(testkit.AnswerNoToken.Needs("a b"))},
		{"scope, two schemes", bound.API.RequireScope("read:x")(f), testkit.RequestWith(), twoLines},
		{"scope, bad token", api.RequireScope("read:x")(f), expired(), end(testkit.AnswerExpired.Needs("read:x"))},
		{"scopes of the configuration", api.RequireAuth(f), testkit.RequestWith(), end(testkit.AnswerNoToken.Needs("read:m list"))},
		{"scopes of the configuration, bad token", api.RequireAuth(f), expired(), end(testkit.AnswerExpired.Needs("read:m list"))},
		{"scopes of the configuration, bad request", api.RequireAuth(f), testkit.RequestWith("Bearer"), end(testkit.AnswerBadHeader)},
		{"permission", api.RequirePermissions("p")(f), testkit.RequestWith(), end(testkit.AnswerNoToken)},
		{"permission, bad token", api.RequireAnyPermission("p")(f), expired(), end(testkit.AnswerExpired)},
		{"scope inside", api.RequireAuth(api.RequireScope("read:x")(f)), testkit.RequestWith(), end(testkit.AnswerNoToken.Needs("read:m list"))},
		{"scope outside", api.RequireScope("read:x")(api.RequireAuth(f)), testkit.RequestWith(), end(testkit.AnswerNoToken.Needs("read:x"))},
		{"scope inside, none configured", plain.API.RequireAuth(plain.API.RequireScope("read:x")(f)), testkit.RequestWith(), testkit.AnswerNoToken},
		{"scopes of the configuration, good token", api.RequireAuth(f), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK},
	} {
		t.Run(tt.why, func(t *testing.T) { f.ExpectWhole(t, tt.h, tt.r, tt.want) })
	}
}

func TestStackedGuards(t *testing.T) {
	t.Parallel()
	var checked int
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Now = func() time.Time { checked++; return testkit.Noon }
	})
	h := f.API.RequireAuth(f.API.RequireScope("read:m")(f.API.RequirePermissions("del:m")(f)))
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerOK)
	if checked != 1 {
		t.Errorf("three guards verified the token %d times, want once", checked)
	}
	h = f.API.RequireScope("read:m")(f.API.RequireScope("b", "c")(f.API.RequireScope("d")(f)))
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerLacks("b c"))

	// One API's cache means nothing to another API.
	other := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Audience = "other" })
	f.ExpectWhole(t, f.API.RequireAuth(other.API.RequireAuth(f)), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerWrongAud)
	both := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `["https://api.example/","other"]`))
	f.ExpectWhole(t, f.API.RequireAuth(other.API.RequireAuth(f)), testkit.BearerRequest(both), testkit.AnswerOK)
}

func TestRequireClaim(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for _, tt := range []struct {
		why   string
		value string // of the claim, empty for none
		check auth0.ClaimCheck
		want  testkit.Answer
	}{
		{"text", `"pro"`, auth0.Equals("pro"), testkit.AnswerOK},
		{"other text", `"free"`, auth0.Equals("pro"), testkit.AnswerForbidden},
		{"other case", `"Pro"`, auth0.Equals("pro"), testkit.AnswerForbidden},
		{"absent", ``, auth0.Equals("pro"), testkit.AnswerForbidden},
		{"absent, and the check would agree", ``, func(any) bool { return true }, testkit.AnswerForbidden},
		{"null", `null`, auth0.Equals("pro"), testkit.AnswerForbidden},
		{"list with it", `["pro"]`, auth0.Equals("pro"), testkit.AnswerForbidden},
		{"object", `{"a":1}`, auth0.Equals("pro"), testkit.AnswerForbidden},
		{"number", `5`, auth0.Equals(5.0), testkit.AnswerOK},
		{"other number", `6`, auth0.Equals(5.0), testkit.AnswerForbidden},
		{"number in a string", `"5"`, auth0.Equals(5.0), testkit.AnswerForbidden},
		{"true", `true`, auth0.Equals(true), testkit.AnswerOK},
		{"false", `false`, auth0.Equals(true), testkit.AnswerForbidden},
		{"true in a string", `"true"`, auth0.Equals(true), testkit.AnswerForbidden},
		{"all of a list", `["a","b","c"]`, auth0.IncludesAll("a", "c"), testkit.AnswerOK},
		{"not all of a list", `["a","b"]`, auth0.IncludesAll("a", "c"), testkit.AnswerForbidden},
		{"all words", `"a b c"`, auth0.IncludesAll("a", "c"), testkit.AnswerOK},
		{"part of a word", `"ab"`, auth0.IncludesAll("a"), testkit.AnswerForbidden},
		{"all of nothing asked", `["a"]`, auth0.IncludesAll(), testkit.AnswerForbidden},
		{"all of an object", `{"a":true}`, auth0.IncludesAll("a"), testkit.AnswerForbidden},
		{"numbers are no words", `[1,"a"]`, auth0.IncludesAll("a"), testkit.AnswerOK},
		{"any of a list", `["a","b"]`, auth0.IncludesAny("c", "b"), testkit.AnswerOK},
		{"none of a list", `["a","b"]`, auth0.IncludesAny("c", "d"), testkit.AnswerForbidden},
		{"any word", `"a b"`, auth0.IncludesAny("c", "b"), testkit.AnswerOK},
		{"any of nothing asked", `["a"]`, auth0.IncludesAny(), testkit.AnswerForbidden},
		{"any of null", `null`, auth0.IncludesAny("a"), testkit.AnswerForbidden},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for _, name := range []string{"plan", "https://acme.example/plan"} {
				claims := testkit.GoodClaims(testkit.Noon)
				if tt.value != "" {
					claims = claims.Set(name, tt.value)
				}
				h := f.API.RequireClaim(name, tt.check)(f)
				f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, claims)), tt.want)
				f.ExpectWhole(t, h, testkit.RequestWith(), testkit.AnswerNoToken)
			}
		})
	}
	// Claim names are case-sensitive.
	h := f.API.RequireClaim("plan", auth0.Equals("pro"))(f)
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("PLAN", `"pro"`))), testkit.AnswerForbidden)
}

func TestTokenValues(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	token, err := f.API.Verify(t.Context(), testkit.Signed(testkit.GoodHeader, testkit.WithClaim("jti", `"j1"`).Set("org_id", `"org_1"`).Set("https://acme.example/n", "9007199254740993")))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"Issuer", token.Issuer(), testkit.APIIssuer},
		{"Subject", token.Subject(), "auth0|u"},
		{"Audience", strings.Join(slices.Collect(token.Audience()), " "), "https://api.example/ https://t.example/userinfo"},
		{"ClientID", token.ClientID(), "c1"},
		{"ID", token.ID(), "j1"},
		{"ExpiresAt", token.ExpiresAt().UTC().Format(time.RFC3339), "2026-01-15T13:00:00Z"},
		{"IssuedAt", token.IssuedAt().UTC().Format(time.RFC3339), "2026-01-15T11:59:50Z"},
		{"Scope", token.Scope(), "openid read:m write:m"},
		{"Permissions", strings.Join(slices.Collect(token.Permissions()), " "), "read:m del:m"},
		{"OrgID", token.OrgID(), "org_1"},
		{"KeyID", token.KeyID(), "k1"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	for _, scope := range []string{`""`, `" "`, `"a  b"`} {
		token, err := f.API.Verify(t.Context(), testkit.Signed(testkit.GoodHeader, testkit.WithClaim("scope", scope)))
		if err != nil || token.HasScope("") || token.HasPermission("") {
			t.Errorf("the token has the empty scope or permission, or %v", err)
		}
	}
	if value, ok := token.Claim("SUB"); ok || value != nil {
		t.Errorf("Claim folds the case of names: %v", value)
	}
	if value, ok := token.Claim("sub"); !ok || value != "auth0|u" {
		t.Errorf("Claim(sub) = %v, %v", value, ok)
	}

	for _, tt := range []struct {
		why    string
		claims testkit.Object
		want   string
	}{
		{"client_id wins", testkit.WithClaim("client_id", `"c2"`), "c2"},
		{"azp", testkit.GoodClaims(testkit.Noon), "c1"},
		{"neither", testkit.GoodClaims(testkit.Noon).Without("azp"), ""},
	} {
		token, err := f.API.Verify(t.Context(), testkit.Signed(testkit.GoodHeader, tt.claims))
		if err != nil || token.ClientID() != tt.want {
			t.Errorf("%s: ClientID %q, %v; want %q", tt.why, token.ClientID(), err, tt.want)
		}
	}
	token, err = f.API.Verify(t.Context(), testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("iat")))
	if err != nil || !token.IssuedAt().IsZero() {
		t.Errorf("IssuedAt without iat: %v, %v", token.IssuedAt(), err)
	}
}

// Developers log tokens with good intentions.
func TestTokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	raw := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("email", `"ada@acme.example"`))
	token, err := f.API.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token)
	//lint:ignore SA9005 that nothing comes out is what is tested
	asJSON, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", token, token, token, token, token, token), log.String(), string(asJSON)} {
		for _, secret := range append(strings.Split(raw, "."), "ada@acme.example", "ada@") {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
	if !strings.Contains(log.String(), "auth0|u") {
		t.Errorf("the log does not show who the token is about: %s", log.String())
	}
}

func TestTokenFromNowhere(t *testing.T) {
	t.Parallel()
	if token, ok := auth0.TokenFrom(t.Context()); ok || token != nil {
		t.Errorf("got %v, %v", token, ok)
	}
	if _, err := auth0.Claims[map[string]any](t.Context()); !errors.Is(err, auth0.ErrNoToken) {
		t.Errorf("Claims: %v, want ErrNoToken", err)
	}
}

// requestContext returns the context that a handler sees.
func requestContext(t *testing.T, api *auth0.API, token string) context.Context {
	t.Helper()
	var ctx context.Context
	h := api.RequireAuth(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, testkit.BearerRequest(token))
	if ctx == nil {
		t.Fatalf("handler not reached: %d %s", w.Code, w.Body)
	}
	return ctx
}

func TestClaimsOfToken(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	ctx := requestContext(t, f.API, testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).
		Set("https://acme.example/profile", `{"teams":[{"id":9007199254740993,"since":"2025-12-31T23:59:59Z"}]}`)))
	type profile struct {
		Subject string `json:"sub"`
		Profile struct {
			Teams []struct {
				ID    int64
				Since time.Time
			}
		} `json:"https://acme.example/profile"`
	}
	got, err := auth0.Claims[profile](ctx)
	if err != nil || got.Subject != "auth0|u" || len(got.Profile.Teams) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if team := got.Profile.Teams[0]; team.ID != 9007199254740993 || !team.Since.Equal(time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)) {
		t.Errorf("got %+v", team)
	}
	// A type that does not fit is left to the handler.
	_, err = auth0.Claims[struct{ Sub int }](ctx)
	if e := (*auth0.Error)(nil); !errors.As(err, &e) {
		t.Errorf("claims of the wrong type: %v, want an *auth0.Error", err)
	}
	if errors.Is(err, auth0.ErrNoToken) {
		t.Error("claims of the wrong type look like no token")
	}
}

// decoded counts how often it is decoded.
type decoded struct{ Subject string }

var timesDecoded atomic.Int64

func (d *decoded) UnmarshalJSON(text []byte) error {
	timesDecoded.Add(1)
	type plain struct {
		Sub string `json:"sub"`
	}
	var p plain
	err := json.Unmarshal(text, &p)
	d.Subject = p.Sub
	return err
}

// Handlers and their callees ask for claims again rather than hand them on.
func TestClaimsAreDecodedOnce(t *testing.T) {
	// Not parallel: it counts with timesDecoded.
	f := testkit.NewAPIEnv(t)
	ctx := requestContext(t, f.API, testkit.GoodToken())
	timesDecoded.Store(0)
	for range 3 {
		if d, err := auth0.Claims[decoded](ctx); err != nil || d.Subject != "auth0|u" {
			t.Fatalf("got %+v, %v", d, err)
		}
	}
	if n := timesDecoded.Load(); n != 1 {
		t.Errorf("claims were decoded %d times in one request, want once", n)
	}
}

// A page reads custom claims as an API does. With a session and a token, the
// credential that authenticated the request counts.
func TestClaimsOfSession(t *testing.T) {
	t.Parallel()
	tenant := auth0test.NewTenant(t)
	tenant.EditIDToken(func(_, claims map[string]any) { claims["https://acme.example/plan"] = "session" })
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		t.Fatal(err)
	}
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := auth0.Claims[struct {
			Plan string `json:"https://acme.example/plan"`
		}](r.Context())
		_, isToken := auth0.TokenFrom(r.Context())
		fmt.Fprintf(w, "%s %v %v", claims.Plan, isToken, err)
	})
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("GET /page", strategy.RequireLogin(show))
	mux.Handle("GET /api", api.RequireAuth(show))
	browser := tenant.Browser(strategy.LoadUser(mux))
	get := func(path, token string) (int, string) {
		t.Helper()
		r, err := http.NewRequest("GET", auth0test.AppURL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	tenant.LogIn("ada@acme.example")
	token := tenant.AccessToken(auth0test.Claim("https://acme.example/plan", "token"))
	for _, tt := range []struct {
		why, path, token string
		status           int
		body             string
	}{
		{"session", "/page", "", 200, "session false <nil>"},
		{"token beside a session", "/api", token, 200, "token true <nil>"},
		{"a session is no token", "/api", "", 401, `{"error":"unauthorized","error_description":"authentication required"}`},
		{"a bad token does not fall back to the session", "/api", "abc", 401, `{"error":"invalid_token","error_description":"token malformed"}`},
	} {
		if status, body := get(tt.path, tt.token); status != tt.status || body != tt.body {
			t.Errorf("%s: got %d %s, want %d %s", tt.why, status, body, tt.status, tt.body)
		}
	}
}

// A strictWriter notes whether anything was written.
type strictWriter struct {
	header http.Header
	writes int
}

func (w *strictWriter) Header() http.Header { return w.header }

func (w *strictWriter) Write(p []byte) (int, error) {
	w.writes++
	return len(p), nil
}

func (w *strictWriter) WriteHeader(int) { w.writes++ }

func TestErrorHandler(t *testing.T) {
	t.Parallel()
	var got *auth0.Error
	w := &strictWriter{}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Realm = "acme (prod)"
		c.ErrorHandler = func(rw http.ResponseWriter, r *http.Request, e *auth0.Error) {
			if w.writes != 0 {
				t.Error("something was written before the handler ran")
			}
			got = e
		}
	})
	down := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.ErrorHandler = f.Config.ErrorHandler })
	down.Tenant.Fail(testkit.JWKSEndpoint, 503)
	for _, tt := range []struct {
		why                  string
		h                    http.Handler
		r                    *http.Request
		status               int
		code, reason         string
		description, scope   string
		challenge            string
		retryAfter, sentinel any
	}{
		{"no token", f.API.RequireAuth(f), testkit.RequestWith(), 401, "unauthorized", "missing_token", "authentication required", "", `Bearer realm="acme (prod)"`, nil, auth0.ErrNoToken},
		{"header", f.API.RequireAuth(f), testkit.RequestWith("Bearer a b"), 400, "invalid_request", "invalid_request", "malformed Authorization header", "",
			`Bearer realm="acme (prod)", error="invalid_request", error_description="malformed Authorization header"`, nil, nil},
		{"expired", f.API.RequireAuth(f), testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60)))), 401, "invalid_token", "token_expired", "token expired", "",
			`Bearer realm="acme (prod)", error="invalid_token", error_description="token expired"`, nil, auth0.ErrTokenExpired},
		{"scope", f.API.RequireScope("a", "b")(f), testkit.BearerRequest(testkit.GoodToken()), 403, "insufficient_scope", "insufficient_scope", "insufficient scope", "a b",
			`Bearer realm="acme (prod)", error="insufficient_scope", error_description="insufficient scope", scope="a b"`, nil, nil},
		{"permission", f.API.RequirePermissions("a")(f), testkit.BearerRequest(testkit.GoodToken()), 403, "insufficient_scope", "insufficient_permissions", "insufficient scope", "a",
			`Bearer realm="acme (prod)", error="insufficient_scope", error_description="insufficient scope", scope="a"`, nil, nil},
		{"claim", f.API.RequireClaim("a", auth0.Equals("b"))(f), testkit.BearerRequest(testkit.GoodToken()), 403, "access_denied", "claim_requirement", "claim requirement not met", "", "", nil, nil},
		{"keys", down.API.RequireAuth(f), testkit.BearerRequest(testkit.GoodToken()), 503, "temporarily_unavailable", "keys_unavailable", "signing keys unavailable", "", "", "5", auth0.ErrKeysUnavailable},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got, *w = nil, strictWriter{header: http.Header{}}
			tt.h.ServeHTTP(w, tt.r)
			if got == nil {
				t.Fatal("the handler was not called")
			}
			if got.Op != "bearer" || got.Status != tt.status || got.Code != tt.code || got.Reason != tt.reason || got.Description != tt.description || got.Scope != tt.scope {
				t.Errorf("got %+v", got)
			}
			if w.header.Get("WWW-Authenticate") != tt.challenge || w.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v, want the challenge %q", w.header, tt.challenge)
			}
			if retry, _ := tt.retryAfter.(string); w.header.Get("Retry-After") != retry || retry != "" && got.RetryAfter != 5*time.Second {
				t.Errorf("Retry-After %q, RetryAfter %v, want %q", w.header.Get("Retry-After"), got.RetryAfter, retry)
			}
			if sentinel, ok := tt.sentinel.(error); ok && !errors.Is(got, sentinel) {
				t.Errorf("%v is not %v", got, sentinel)
			}
			if w.writes != 2 {
				t.Errorf("%d writes, want the status and the default body, since the handler has written nothing", w.writes)
			}
		})
	}
}

// Reasons are for metrics, and more exact than the answer.
func TestVerifyReasons(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	down := testkit.NewAPIEnv(t)
	down.Tenant.Fail(testkit.JWKSEndpoint, 503)
	for _, tt := range []struct {
		why, token string
		api        *auth0.API
		status     int
		reason     string
		sentinel   error
	}{
		{"malformed", "a.b", f.API, 401, "token_malformed", nil},
		{"too large", tokenOfSize(16385), f.API, 401, "token_too_large", nil},
		{"crit", testkit.Signed(testkit.GoodHeader.Set("crit", `["x"]`), testkit.GoodClaims(testkit.Noon)), f.API, 401, "unsupported_crit", nil},
		{"alg", testkit.Signed(testkit.GoodHeader.Set("alg", `"PS256"`), testkit.GoodClaims(testkit.Noon)), f.API, 401, "invalid_alg", nil},
		{"typ", testkit.Signed(testkit.GoodHeader.Set("typ", `"dpop+jwt"`), testkit.GoodClaims(testkit.Noon)), f.API, 401, "invalid_type", nil},
		{"issuer", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iss", `"x"`)), f.API, 401, "invalid_issuer", nil},
		{"audience", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"x"`)), f.API, 401, "invalid_audience", nil},
		{"expired", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))), f.API, 401, "token_expired", auth0.ErrTokenExpired},
		{"not yet", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("nbf", testkit.NoonPlus(60))), f.API, 401, "token_not_yet_valid", nil},
		{"issued ahead", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iat", testkit.NoonPlus(60))), f.API, 401, "issued_in_future", nil},
		{"claim", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", `"x"`)), f.API, 401, "invalid_claim", nil},
		{"unknown key", testkit.Signed(testkit.GoodHeader.Set("kid", `"x"`), testkit.GoodClaims(testkit.Noon)), f.API, 401, "unknown_kid", nil},
		{"several keys", testkit.Signed(testkit.GoodHeader.Without("kid"), testkit.GoodClaims(testkit.Noon)), f.API, 401, "ambiguous_kid", nil},
		{"signature", testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign())), f.API, 401, "invalid_signature", nil},
		{"bound", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("cnf", `{"jkt":"x"}`)), f.API, 401, "dpop_required", nil},
		{"keys", testkit.GoodToken(), down.API, 503, "keys_unavailable", auth0.ErrKeysUnavailable},
	} {
		t.Run(tt.why, func(t *testing.T) {
			token, err := tt.api.Verify(t.Context(), tt.token)
			var e *auth0.Error
			if token != nil || !errors.As(err, &e) {
				t.Fatalf("got %v, %v", token, err)
			}
			if e.Status != tt.status || e.Reason != tt.reason || e.Op != "bearer" {
				t.Errorf("got %+v, want %d %s", e, tt.status, tt.reason)
			}
			if tt.sentinel != nil && !errors.Is(err, tt.sentinel) {
				t.Errorf("%v is not %v", err, tt.sentinel)
			}
			for _, other := range []error{auth0.ErrNoToken, auth0.ErrTokenExpired, auth0.ErrKeysUnavailable, auth0.ErrNoSession} {
				if other != tt.sentinel && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
		})
	}
}

// The log explains the usual mistakes to the operator of an API.
func TestLogOfRefusals(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	for _, tt := range []struct {
		why, token, want string
	}{
		{"opaque token", "YWJjZGVmZ2hpamtsbW5vcA", "opaque token"},
		{"ID token", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"c1"`).Set("nonce", `"n"`)), "there is nonce, as in an ID token"},
		{"expired", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))), "60 s ago"},
	} {
		f.Log.Take()
		f.ExpectToken(t, tt.token, map[string]testkit.Answer{"opaque token": testkit.AnswerMalformed, "ID token": testkit.AnswerWrongAud, "expired": testkit.AnswerExpired}[tt.why])
		log := f.Log.Take()
		if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, tt.want) {
			t.Errorf("%s: log %q, want one warning that says %q", tt.why, log, tt.want)
		}
	}
}

type outerKey struct{}

// A guard is invisible to the handler, but for the token.
func TestGuardKeepsTheRequest(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	var got string
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		got = fmt.Sprint(r.Context().Value(outerKey{}), " ", r.PathValue("id"), " ", r.Pattern, " ", token.Subject())
	})
	mux := http.NewServeMux()
	mux.Handle("GET /items/{id}", f.API.RequireAuth(inner))
	r := httptest.NewRequest("GET", "/items/7", nil)
	r.Header.Set("Authorization", "Bearer "+testkit.GoodToken())
	r = r.WithContext(context.WithValue(r.Context(), outerKey{}, "outer"))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if want := "outer 7 GET /items/{id} auth0|u"; got != want {
		t.Errorf("got %q, want %q; status %d", got, want, w.Code)
	}
}

func TestPanicsOfHandlersPass(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	h := f.API.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v, want the panic of the handler", p)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), testkit.BearerRequest(testkit.GoodToken()))
}

// An API that NewAPI has not made trusts no issuer, and says so without a panic.
func TestZeroAPI(t *testing.T) {
	t.Parallel()
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("handler reached") })
	for why, call := range map[string]func(a *auth0.API) int{
		"no token": func(a *auth0.API) int { return bearerStatus(a.RequireAuth(never), testkit.RequestWith()) },
		"token": func(a *auth0.API) int {
			return bearerStatus(a.RequireAuth(never), testkit.BearerRequest(testkit.GoodToken()))
		},
		"scope": func(a *auth0.API) int {
			return bearerStatus(a.RequireScope("a")(never), testkit.BearerRequest(testkit.GoodToken()))
		},
		"no scope": func(a *auth0.API) int {
			return bearerStatus(a.RequireScope()(never), testkit.BearerRequest(testkit.GoodToken()))
		},
		"verify":    func(a *auth0.API) int { return verifyStatus(t, a, testkit.GoodToken()) },
		"malformed": func(a *auth0.API) int { return verifyStatus(t, a, "abc") },
	} {
		t.Run(why, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic: %v", p)
				}
			}()
			if status := call(new(auth0.API)); status < 400 {
				t.Errorf("status %d", status)
			}
		})
	}
}

func bearerStatus(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func verifyStatus(t *testing.T, a *auth0.API, token string) int {
	t.Helper()
	_, err := a.Verify(t.Context(), token)
	var e *auth0.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want an *auth0.Error", err)
	}
	return e.Status
}

func TestNewAPI(t *testing.T) {
	t.Parallel()
	good := auth0.APIConfig{Domain: testkit.APIHost, Audience: testkit.APIAudience}
	edit := func(f func(*auth0.APIConfig)) auth0.APIConfig {
		c := good
		f(&c)
		return c
	}
	domain := func(d string) auth0.APIConfig { return edit(func(c *auth0.APIConfig) { c.Domain = d }) }
	for _, tt := range []struct {
		why    string
		config auth0.APIConfig
		fields []string // that are complained about
	}{
		{"good", good, nil},
		{"upper case", domain("T.EXAMPLE"), nil},
		{"URL", domain("https://id.example"), nil},
		{"URL with a path", domain("https://id.example/realms/a"), nil},
		{"http on this machine", domain("http://127.0.0.1:4000"), nil},
		{"nothing", auth0.APIConfig{}, []string{"Domain", "Audience"}},
		{"no domain", domain(""), []string{"Domain"}},
		{"no audience", edit(func(c *auth0.APIConfig) { c.Audience = "" }), []string{"Audience"}},
		{"empty audience in the list", edit(func(c *auth0.APIConfig) { c.Audiences = []string{""} }), []string{"Audience"}},
		{"audience with a line feed", edit(func(c *auth0.APIConfig) { c.Audience += "\n" }), []string{"Audience"}},
		{"audience with a space in the list", edit(func(c *auth0.APIConfig) { c.Audiences = []string{" https://api.example/"} }), []string{"Audiences"}},
		{"one label", domain("tenant"), []string{"Domain"}},
		{"slash", domain("t.example/"), []string{"Domain"}},
		{"path", domain("t.example/x"), []string{"Domain"}},
		{"port", domain("t.example:443"), []string{"Domain"}},
		{"user", domain("u@t.example"), []string{"Domain"}},
		{"query", domain("t.example?x"), []string{"Domain"}},
		{"address", domain("127.0.0.1"), []string{"Domain"}},
		{"space", domain(" t.example"), []string{"Domain"}},
		{"dot at the end", domain("t.example."), []string{"Domain"}},
		{"letter that is not ASCII", domain("té.example"), []string{"Domain"}},
		{"http", domain("http://t.example/"), []string{"Domain"}},
		{"URL with a user", domain("https://u:p@t.example/"), []string{"Domain"}},
		{"URL with a query", domain("https://t.example/?x=1"), []string{"Domain"}},
		{"URL with a fragment", domain("https://t.example/#x"), []string{"Domain"}},
		{"other scheme", domain("ftp://t.example/"), []string{"Domain"}},
		{"URL without a host", domain("https:///x"), []string{"Domain"}},
		{"algorithm none", edit(testkit.Algorithms("none")), []string{"Algorithms"}},
		{"shared secret", edit(testkit.Algorithms("RS256", "HS256")), []string{"Algorithms"}},
		{"algorithm in lower case", edit(testkit.Algorithms("rs256")), []string{"Algorithms"}},
		{"empty algorithm", edit(testkit.Algorithms("")), []string{"Algorithms"}},
		{"negative leeway", edit(func(c *auth0.APIConfig) { c.Leeway = -time.Second }), []string{"Leeway"}},
		{"long leeway", edit(func(c *auth0.APIConfig) { c.Leeway = 5*time.Minute + 1 }), []string{"Leeway"}},
		{"longest leeway", edit(func(c *auth0.APIConfig) { c.Leeway = 5 * time.Minute }), nil},
		{"no leeway", edit(func(c *auth0.APIConfig) { c.Leeway = auth0.None }), nil},
		{"realm with quotes", edit(func(c *auth0.APIConfig) { c.Realm = `my "api"` }), []string{"Realm"}},
		{"realm with a backslash", edit(func(c *auth0.APIConfig) { c.Realm = `a\b` }), []string{"Realm"}},
		{"realm with a line break", edit(func(c *auth0.APIConfig) { c.Realm = "a\r\nX: y" }), []string{"Realm"}},
		{"realm that is not ASCII", edit(func(c *auth0.APIConfig) { c.Realm = "é" }), []string{"Realm"}},
		{"realm with DEL", edit(func(c *auth0.APIConfig) { c.Realm = "a\x7f" }), []string{"Realm"}},
		{"realm with everything allowed", edit(func(c *auth0.APIConfig) { c.Realm = " !#[]~" }), nil},
		{"origin with a path", edit(func(c *auth0.APIConfig) { c.EndpointOrigins = []string{"https://a.example/"} }), []string{"EndpointOrigins"}},
		{"all at once", auth0.APIConfig{Domain: "x", Algorithms: []string{"none"}, Leeway: time.Hour, Realm: `"`, EndpointOrigins: []string{"x"}},
			[]string{"Domain", "Audience", "Algorithms", "Leeway", "Realm", "EndpointOrigins"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tt.config.HTTPClient = &http.Client{Transport: &testkit.Network{}}
			api, err := auth0.NewAPI(tt.config)
			if tt.fields == nil {
				if api == nil || err != nil {
					t.Fatalf("got %v, %v", api, err)
				}
				return
			}
			if api != nil || err == nil {
				t.Fatalf("got %v, %v; want complaints about %q", api, err, tt.fields)
			}
			for _, field := range []string{"Domain", "Audience", "Algorithms", "Leeway", "Realm", "EndpointOrigins"} {
				if got, want := strings.Contains(err.Error(), "APIConfig."+field+" "), slices.Contains(tt.fields, field); got != want {
					t.Errorf("complaint about %s: %v, want %v; error:\n%v", field, got, want, err)
				}
			}
		})
	}
}

// An empty list of algorithms is the default or a mistake, but not an API that
// rejects every token.
func TestEmptyListOfAlgorithms(t *testing.T) {
	t.Parallel()
	_, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.APIHost, Audience: testkit.APIAudience, Algorithms: []string{}})
	if err == nil {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Algorithms = []string{} })
		f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	}
}

// A caller that changes its slices later must not change an API.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	algs, auds := []string{"RS256"}, []string{"a"}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Algorithms, c.Audience, c.Audiences = algs, "", auds })
	algs[0], auds[0] = "ES256", "b"
	f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"a"`)), testkit.AnswerOK)

	f = testkit.NewAPIEnv(t)
	scopes := []string{"admin"}
	h := f.API.RequireScope(scopes...)(f)
	scopes[0] = "read:m"
	f.ExpectWhole(t, h, testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerLacks("admin"))
}

// challengeForm is what RFC 6750, Section 3, allows: quoted values of its
// character set, in our order.
var challengeForm = regexp.MustCompile(`^Bearer realm="api"(, error="(invalid_request|invalid_token)", error_description="[ !#-\[\]-~]+")?$`)

// TestErrorTokensNeverAppear sends tokens that are broken in many ways. No part of
// a request reaches the answer, and no part of a token reaches the log.
func TestErrorTokensNeverAppear(t *testing.T) {
	t.Parallel()
	const marker = "ATTACKER"
	f := testkit.NewAPIEnv(t)
	h := f.API.RequireAuth(f)
	gen := &tokenGenerator{rand: mathrand.New(mathrand.NewPCG(1, 2)), marker: marker}
	statuses, leaks := map[int]int{}, 0
	for range 2000 {
		authorization := gen.authorization()
		f.Log.Take()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, testkit.RequestWith(authorization))
		statuses[w.Code]++
		log := f.Log.Take()
		challenges := w.Result().Header.Values("WWW-Authenticate")
		if w.Code == http.StatusOK {
			continue
		}
		if len(challenges) != 1 || !challengeForm.MatchString(challenges[0]) {
			t.Fatalf("%q: challenges %q", authorization, challenges)
		}
		for name, values := range w.Result().Header {
			if text := strings.Join(values, "") + w.Body.String(); strings.Contains(text, marker) || strings.ContainsAny(text, "\r\n") {
				t.Fatalf("%q: %s and body are %q", authorization, name, text)
			}
		}
		for line := range strings.Lines(log) {
			if !strings.HasPrefix(line, "time=") {
				t.Fatalf("%q: log line %q", authorization, line)
			}
		}
		if part := leaked(authorization, log); part != "" {
			if leaks++; leaks <= 3 {
				t.Errorf("the log has %q of %.40q...:\n%s", part, authorization, log)
			}
		}
	}
	if leaks > 0 {
		t.Errorf("%d of 2000 requests left a part of their token in the log", leaks)
	}
	if statuses[400] < 50 || statuses[401] < 500 || statuses[200] > 400 || statuses[200]+statuses[400]+statuses[401] != 2000 {
		t.Errorf("the tokens are not of many kinds: statuses %v", statuses)
	}
}

// leaked returns nine bytes of a segment that are in the log.
func leaked(authorization, log string) string {
	for _, word := range strings.FieldsFunc(authorization, func(r rune) bool { return strings.ContainsRune(" ,.\"\t\r\n", r) }) {
		for i := 0; i+9 <= len(word); i++ {
			if strings.Contains(log, word[i:i+9]) {
				return word[i : i+9]
			}
		}
	}
	return ""
}

// A tokenGenerator makes values of Authorization that are nearly right.
type tokenGenerator struct {
	rand   *mathrand.Rand
	marker string
}

func oneOf[T any](g *tokenGenerator, list ...T) T { return list[g.rand.IntN(len(list))] }

// text is a JSON string with the marker and characters that hurt when quoted
// carelessly.
func (g *tokenGenerator) text() string {
	return `"` + g.marker + oneOf(g, "", `\"`, `\\`, `\r\n`, `\u0000`, `, error=\"x`, "\u00e9", `\u2028`, `\"; x=`) + `"`
}

func (g *tokenGenerator) authorization() string {
	token := g.token()
	if g.rand.IntN(4) == 0 {
		return oneOf(g,
			token, token+" "+g.marker, token+" ", "Bearer\t"+token, "Bearer  "+token+" ", "Bearer "+token+","+token,
			"Basic "+token, `Bearer "`+token+`"`, "Bearer "+token+"\r\nX-Evil: "+g.marker, "Bearer\x00"+token,
			g.marker+" "+token, token+" Bearer", "Token token="+token, strings.ReplaceAll(token, ".", " "))
	}
	return "Bearer " + token
}

func (g *tokenGenerator) token() string {
	header, claims := testkit.GoodHeader, testkit.GoodClaims(testkit.Noon)
	for range g.rand.IntN(3) {
		header = header.Set(oneOf(g, "alg", "typ", "kid", "crit", "jwk", "jku", "x"), oneOf(g, g.text(), "null", "1", `["`+g.marker+`"]`, `"PS256"`, `"k2"`))
	}
	for range g.rand.IntN(3) {
		claims = claims.Set(oneOf(g, "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "scope", "permissions", "nonce", "azp", "EXP", "x"),
			oneOf(g, g.text(), "null", "-1", testkit.NoonPlus(-3600), testkit.NoonPlus(3600), `["`+g.marker+`"]`, `{"`+g.marker+`":1}`))
	}
	token := testkit.Compact(header.String(), claims.String(), testkit.Constant(bytes.Repeat([]byte{byte(g.rand.Uint32())}, 256)))
	if g.rand.IntN(8) == 0 {
		token = testkit.Signed(header, claims)
	}
	for range g.rand.IntN(4) - 1 {
		token = g.mutate(token)
	}
	return token
}

func (g *tokenGenerator) mutate(token string) string {
	i, j := g.rand.IntN(len(token)+1), g.rand.IntN(len(token)+1)
	if i > j {
		i, j = j, i
	}
	return oneOf(g,
		token[:i]+token[j:],
		token[:i]+string(rune(g.rand.IntN(256)))+token[i:],
		token[:i]+".",
		token+"."+g.marker,
		strings.Replace(token, ".", "..", 1),
		token[j:]+token[:j],
		token+"=",
		g.marker+token,
	) + oneOf(g, "", "", "x")
}
