package auth0_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// pemOf returns a block of PEM.
func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func publicPEM(t *testing.T, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PUBLIC KEY", der)
}

func certificatePEM(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: apiHost}, NotAfter: noon}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der)
}

func jwksOf(t *testing.T, keys ...jwk) string {
	t.Helper()
	return jsonOf(t, map[string]any{"keys": keys})
}

// withKeys is an API of keys that are given.
func withKeys(keys *auth0.KeySet, algs ...string) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.Keys, c.Algorithms = keys, algs }
}

func TestStaticKeys(t *testing.T) {
	one, two := rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey)
	byTwo := compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaKey2()))
	foreign := compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaForeign()))
	noKid := signed(goodHeader.without("kid"), goodClaims(noon))
	otherKid := signed(goodHeader.set("kid", `"x"`), goodClaims(noon))
	es256 := compact(goodHeader.set("alg", `"ES256"`).String(), goodClaims(noon).String(), es(crypto.SHA256, ecKey(), sideBySide(32)))
	eddsa := compact(goodHeader.set("alg", `"EdDSA"`).String(), goodClaims(noon).String(), func(input string) []byte { return ed25519.Sign(edKey(), []byte(input)) })
	ps256 := compact(goodHeader.set("alg", `"PS256"`).String(), goodClaims(noon).String(), ps(crypto.SHA256, 32, rsaKey1()))
	publicOne := publicPEM(t, &rsaKey1().PublicKey)
	for _, tt := range []struct {
		why, document string
		algorithms    []string
		cases         []tokenCase
	}{
		{"key set", jwksOf(t, one, two), nil, []tokenCase{
			{"good", goodToken(), apiOK}, {"other key", byTwo, apiBadSignature}, {"unknown id", otherKid, apiUnknownKey}, {"no id", noKid, apiUnknownKey}}},
		{"key set of one", jwksOf(t, one), nil, []tokenCase{{"good", goodToken(), apiOK}, {"no id", noKid, apiOK}, {"unknown id", otherKid, apiUnknownKey}}},
		{"PEM", publicOne, nil, []tokenCase{
			{"good", goodToken(), apiOK}, {"any id", otherKid, apiOK}, {"no id", noKid, apiOK}, {"foreign", foreign, apiBadSignature}, {"algorithm not allowed", es256, apiWrongAlg}}},
		{"two in PEM", publicOne + publicPEM(t, &rsaKey2().PublicKey), nil, []tokenCase{
			{"first", goodToken(), apiOK}, {"second", byTwo, apiOK}, {"no id", noKid, apiOK}, {"foreign", foreign, apiBadSignature}}},
		{"PEM with text around", "Key of the tenant:\n" + publicOne + "\nthat was it\n", nil, []tokenCase{{"good", goodToken(), apiOK}}},
		{"PEM with other line ends", strings.ReplaceAll(publicOne, "\n", "\r\n"), nil, []tokenCase{{"good", goodToken(), apiOK}}},
		{"certificate", certificatePEM(t, rsaKey1()), nil, []tokenCase{{"good", goodToken(), apiOK}, {"other key", byTwo, apiBadSignature}}},
		{"several kinds", publicOne + publicPEM(t, &ecKey().PublicKey) + publicPEM(t, edKey().Public()), []string{"RS256", "ES256", "EdDSA", "PS256"}, []tokenCase{
			{"RS256", goodToken(), apiOK}, {"ES256", es256, apiOK}, {"EdDSA", eddsa, apiOK}, {"PS256", ps256, apiOK}, {"foreign", foreign, apiBadSignature}}},
		{"no key of the algorithm", publicOne, []string{"RS256", "ES256"}, []tokenCase{{"good", goodToken(), apiOK}, {"ES256", es256, apiUnknownKey}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			keys, err := auth0.StaticKeys([]byte(tt.document))
			if err != nil {
				t.Fatal(err)
			}
			f := newAPIFixture(t, withKeys(keys, tt.algorithms...))
			f.run(t, tt.cases)
			if err := f.api.Warm(t.Context()); err != nil {
				t.Errorf("Warm: %v", err)
			}
			if urls := f.net.asked(); len(urls) != 0 {
				t.Errorf("requests to %q, want none", urls)
			}
			if list := f.api.Status(); len(list) != 1 || list[0].Issuer != apiIssuer || list[0].Keys == 0 || list[0].Err != nil {
				t.Errorf("Status: %+v", list)
			}
		})
	}
}

// With a document that is given nobody replaces what is wrong with it later. The
// error says what is wrong, and quotes nothing.
func TestBadStaticKeys(t *testing.T) {
	good := rsaJWK("k1", &rsaKey1().PublicKey)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey1())
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(ecKey())
	if err != nil {
		t.Fatal(err)
	}
	publicOne := publicPEM(t, &rsaKey1().PublicKey)
	many := make([]jwk, 101)
	for i := range many {
		many[i] = good.with("kid", strconv.Itoa(i))
	}
	for why, document := range map[string]string{
		"empty":               "",
		"white space":         " \n",
		"garbage":             "SECRET SECRET SECRET",
		"no JSON":             `{"keys":[SECRET]}`,
		"page":                "<html>SECRET</html>",
		"no keys":             `{"keys":[]}`,
		"no member keys":      `{}`,
		"null":                `null`,
		"one key, no set":     jsonOf(t, good),
		"array":               `[` + jsonOf(t, good) + `]`,
		"shared secret":       `{"keys":[{"kty":"oct","kid":"x","k":"SECRETSECRETSECRETSECRETSECRETSECRETSECRETSE"}]}`,
		"private key":         jwksOf(t, good.with("d", segment(string(rsaKey1().D.Bytes())))),
		"good and bad":        jwksOf(t, good, rsaJWK("k2", &rsaShort().PublicKey)),
		"good and unknown":    jwksOf(t, good, jwk{"kty": "SECRET"}),
		"too many":            jwksOf(t, many...),
		"private PEM":         pemOf("PRIVATE KEY", pkcs8),
		"old private PEM":     pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey1())),
		"private curve PEM":   pemOf("EC PRIVATE KEY", ec),
		"old public PEM":      pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey1().PublicKey)),
		"public, private PEM": publicOne + pemOf("PRIVATE KEY", pkcs8),
		"PEM of nothing":      pemOf("PUBLIC KEY", nil),
		"PEM of garbage":      pemOf("PUBLIC KEY", []byte("SECRETSECRET")),
		"no certificate":      pemOf("CERTIFICATE", []byte("SECRETSECRET")),
		"short key PEM":       publicPEM(t, &rsaShort().PublicKey),
		"short certificate":   certificatePEM(t, rsaShort()),
		"key to agree":        publicPEM(t, agreementKey(t)),
		"PEM cut off":         publicOne[:len(publicOne)-40],
		"second PEM cut off":  publicOne + publicOne[:len(publicOne)-40],
		"first PEM damaged":   strings.Replace(publicOne, "MII", "!!!", 1) + publicOne,
		"PEM in JSON":         `{"keys":["` + strings.ReplaceAll(publicOne, "\n", `\n`) + `"]}`,
	} {
		t.Run(why, func(t *testing.T) {
			keys, err := auth0.StaticKeys([]byte(document))
			if keys != nil || err == nil {
				t.Fatalf("got %v, %v; want an error", keys, err)
			}
			text := err.Error()
			if !strings.HasPrefix(text, "auth0: StaticKeys: ") || strings.Contains(text, "%!") || len(text) > 300 {
				t.Errorf("the error is %q", text)
			}
			for _, secret := range []string{"SECRETSECRET", "SECRET SECRET", segment(string(rsaKey1().D.Bytes()))[:20], "MII"} {
				if strings.Contains(text, secret) {
					t.Errorf("the error has %q: %s", secret, text)
				}
			}
		})
	}
}

// agreementKey is a public key that cannot sign.
func agreementKey(t *testing.T) crypto.PublicKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key.PublicKey()
}

func TestSharedSecret(t *testing.T) {
	secret := strings.Repeat("s", 31) + "é" // the bytes count
	for _, short := range []string{"", strings.Repeat("s", 31)} {
		if keys, err := auth0.SharedSecret(short); keys != nil || err == nil || strings.Contains(err.Error(), "ssss") {
			t.Errorf("%d bytes: got %v, %v", len(short), keys, err)
		}
	}
	keys, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(header string, sign signer) string { return compact(header, goodClaims(noon).String(), sign) }
	f := newAPIFixture(t, withKeys(keys))
	f.run(t, []tokenCase{
		{"good", mac(`{"alg":"HS256"}`, hs256([]byte(secret))), apiOK},
		{"any id", mac(`{"alg":"HS256","kid":"x"}`, hs256([]byte(secret))), apiOK},
		{"other secret", mac(`{"alg":"HS256"}`, hs256([]byte(secret+"x"))), apiBadSignature},
		{"empty secret", mac(`{"alg":"HS256"}`, hs256(nil)), apiBadSignature},
		{"part of the signature", mac(`{"alg":"HS256"}`, func(input string) []byte { return hs256([]byte(secret))(input)[:16] }), apiBadSignature},
		{"more than the signature", mac(`{"alg":"HS256"}`, func(input string) []byte { return append(hs256([]byte(secret))(input), 0) }), apiBadSignature},
		{"RS256", goodToken(), apiWrongAlg},
		{"HS384", mac(`{"alg":"HS384"}`, hs256([]byte(secret))), apiWrongAlg},
		{"none", mac(`{"alg":"none"}`, constant(nil)), apiWrongAlg},
	})
	if urls := f.net.asked(); len(urls) != 0 {
		t.Errorf("requests to %q, want none", urls)
	}
	if status := keys.Status(); status.Keys != 1 || status.Err != nil {
		t.Errorf("Status: %+v", status)
	}
	// One is not the other: neither algorithm makes sense with such keys.
	static, err := auth0.StaticKeys([]byte(jwksOf(t, rsaJWK("k1", &rsaKey1().PublicKey))))
	if err != nil {
		t.Fatal(err)
	}
	for why, c := range map[string]auth0.APIConfig{
		"RS256 with a secret": {Domain: apiHost, Audience: apiAudience, Keys: keys, Algorithms: []string{"HS256", "RS256"}},
		"HS256 with keys":     {Domain: apiHost, Audience: apiAudience, Keys: static, Algorithms: []string{"HS256"}},
	} {
		if api, err := auth0.NewAPI(c); api != nil || err == nil || !strings.Contains(err.Error(), "APIConfig.Algorithms ") {
			t.Errorf("%s: got %v, %v", why, api, err)
		}
	}
}

func TestWarmAndStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Now = nil })
		begin := time.Now()
		status := func() auth0.KeyStatus {
			t.Helper()
			list := f.api.Status()
			if len(list) != 1 || list[0].Issuer != apiIssuer {
				t.Fatalf("Status: %+v", list)
			}
			return list[0]
		}
		if s := status(); s.Keys != 0 || s.Err != nil || !s.FetchedAt.IsZero() || !s.RefreshAt.IsZero() || !s.ExpiresAt.IsZero() {
			t.Errorf("before anything: %+v", s)
		}
		f.expectFetches(t, 0)

		f.tenant.Fail(emulator.JWKS, 503)
		err := f.api.Warm(t.Context())
		if e := (*auth0.Error)(nil); !errors.Is(err, auth0.ErrKeysUnavailable) || !errors.As(err, &e) ||
			!strings.Contains(err.Error(), "https://t.example/.well-known/jwks.json: status 503") {
			t.Errorf("Warm: %v, want an error with URL and status", err)
		}
		if s := status(); s.Keys != 0 || s.Err == nil {
			t.Errorf("after a failure: %+v", s)
		}
		f.tenant.Fail(emulator.JWKS, 0)
		time.Sleep(2 * time.Second)
		f.tenant.Delay(emulator.JWKS, time.Second)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := f.api.Warm(t.Context()); err != nil {
					t.Errorf("Warm: %v", err)
				}
			})
		}
		wg.Wait()
		f.expectFetches(t, 2)
		fetched := begin.Add(3 * time.Second)
		s := status()
		if s.Keys != 2 || s.Err != nil || !s.FetchedAt.Equal(fetched) || s.RefreshAt.Before(fetched.Add(5*time.Minute)) || s.RefreshAt.After(fetched.Add(6*time.Minute)) || !s.ExpiresAt.Equal(fetched.Add(24*time.Hour)) {
			t.Errorf("after a fetch: %+v", s)
		}
		// Keys that are there are not fetched again.
		within(t, 0, func() {
			if err := f.api.Warm(t.Context()); err != nil {
				t.Errorf("Warm: %v", err)
			}
		})
		f.expectFetches(t, 2)
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
		f.expectFetches(t, 2)

		f.tenant.Fail(emulator.JWKS, 503)
		time.Sleep(time.Hour)
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
		time.Sleep(2 * time.Second)
		if s := status(); s.Keys != 2 || s.Err == nil || !s.FetchedAt.Equal(fetched) {
			t.Errorf("in an outage: %+v", s)
		}
		time.Sleep(24 * time.Hour)
		if s := status(); s.Keys != 0 || s.Err == nil {
			t.Errorf("after a day of it: %+v", s)
		}
		time.Sleep(6 * time.Second)
	})
}

// Waiting for keys ends when the caller has no more time.
func TestWarmInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.tenant.Delay(emulator.JWKS, time.Hour)
		within(t, 5*time.Second, func() {
			if err := f.api.Warm(t.Context()); !errors.Is(err, auth0.ErrKeysUnavailable) {
				t.Errorf("Warm: %v", err)
			}
		})
	})
}

// The login side has the same.
func TestWarmOfStrategy(t *testing.T) {
	issuer := auth0test.NewTenant(t)
	strategy, err := auth0.New(issuer.Config())
	if err != nil {
		t.Fatal(err)
	}
	keys := strategy.KeySet()
	if err := keys.Warm(t.Context()); err != nil || keys.Status().Keys == 0 || issuer.JWKSFetches() != 1 {
		t.Errorf("Warm: %v, %+v, %d fetches", err, keys.Status(), issuer.JWKSFetches())
	}
	if _, err := keys.VerifySignature(t.Context(), issuer.IDToken()); err != nil || issuer.JWKSFetches() != 1 {
		t.Errorf("VerifySignature: %v, %d fetches", err, issuer.JWKSFetches())
	}
}

// A KeySet that nobody made has no keys, and says so.
func TestZeroKeySet(t *testing.T) {
	keys := new(auth0.KeySet)
	if err := keys.Warm(t.Context()); err == nil {
		t.Error("Warm: no error")
	}
	if payload, err := keys.VerifySignature(t.Context(), goodToken()); payload != nil || err == nil {
		t.Errorf("VerifySignature: %s, %v", payload, err)
	}
	if status := keys.Status(); status.Err == nil || status.Keys != 0 {
		t.Errorf("Status: %+v", status)
	}
	if text := fmt.Sprintf("%v %+v", keys, keys); text != "auth0.KeySet() auth0.KeySet()" {
		t.Errorf("it prints as %q", text)
	}
}

// A fetch is the only thing that runs by itself, and ends within five seconds:
// a program has nothing to close.
func TestNothingOutlivesAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Now, c.HTTPClient.Timeout = nil, time.Hour })
		ended := make(chan time.Time, 1)
		f.net.handlers[apiHost] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended <- time.Now()
		})
		begin := time.Now()
		if status := f.verify(t.Context(), tokenOf("k1", rsaKey1())); status != 503 {
			t.Errorf("status %d, want 503", status)
		}
		if took := (<-ended).Sub(begin); took != 5*time.Second {
			t.Errorf("the fetch ended after %v, want 5s", took)
		}
		// That the bubble can end shows that nothing is left.
	})
}
