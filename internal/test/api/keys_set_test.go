package api_test

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
	"github.com/seed-15d5a55c/auth0/internal/testkit"
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
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testkit.APIHost}, NotAfter: testkit.Noon}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der)
}

func jwksOf(t *testing.T, keys ...testkit.JWK) string {
	t.Helper()
	return testkit.AsJSON(map[string]any{"keys": keys})
}

// withKeys is an API with static keys.
func withKeys(keys *auth0.KeySet, algs ...string) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) { c.Keys, c.Algorithms = keys, algs }
}

func TestStaticKeys(t *testing.T) {
	t.Parallel()
	one, two := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)
	byTwo := testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAKey2()))
	foreign := testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign()))
	noKid := testkit.Signed(testkit.GoodHeader.Without("kid"), testkit.GoodClaims(testkit.Noon))
	otherKid := testkit.Signed(testkit.GoodHeader.Set("kid", `"x"`), testkit.GoodClaims(testkit.Noon))
	es256 := testkit.Compact(testkit.GoodHeader.Set("alg", `"ES256"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.ES(crypto.SHA256, testkit.ECKey(), testkit.SideBySide(32)))
	eddsa := testkit.Compact(testkit.GoodHeader.Set("alg", `"EdDSA"`).String(), testkit.GoodClaims(testkit.Noon).String(), func(input string) []byte { return ed25519.Sign(testkit.EdKey(), []byte(input)) })
	ps256 := testkit.Compact(testkit.GoodHeader.Set("alg", `"PS256"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.PS(crypto.SHA256, 32, testkit.RSAKey1()))
	publicOne := publicPEM(t, &testkit.RSAKey1().PublicKey)
	for _, tt := range []struct {
		why, document string
		algorithms    []string
		cases         []testkit.TokenCase
	}{
		{"key set", jwksOf(t, one, two), nil, []testkit.TokenCase{
			{"good", testkit.GoodToken(), testkit.AnswerOK}, {"other key", byTwo, testkit.AnswerBadSignature}, {"unknown id", otherKid, testkit.AnswerUnknownKey}, {"no id", noKid, testkit.AnswerUnknownKey}}},
		{"key set of one", jwksOf(t, one), nil, []testkit.TokenCase{{"good", testkit.GoodToken(), testkit.AnswerOK}, {"no id", noKid, testkit.AnswerOK}, {"unknown id", otherKid, testkit.AnswerUnknownKey}}},
		{"PEM", publicOne, nil, []testkit.TokenCase{
			{"good", testkit.GoodToken(), testkit.AnswerOK}, {"any id", otherKid, testkit.AnswerOK}, {"no id", noKid, testkit.AnswerOK}, {"foreign", foreign, testkit.AnswerBadSignature}, {"algorithm not allowed", es256, testkit.AnswerWrongAlg}}},
		{"two in PEM", publicOne + publicPEM(t, &testkit.RSAKey2().PublicKey), nil, []testkit.TokenCase{
			{"first", testkit.GoodToken(), testkit.AnswerOK}, {"second", byTwo, testkit.AnswerOK}, {"no id", noKid, testkit.AnswerOK}, {"foreign", foreign, testkit.AnswerBadSignature}}},
		{"PEM with text around", "Key of the tenant:\n" + publicOne + "\nthat was it\n", nil, []testkit.TokenCase{{"good", testkit.GoodToken(), testkit.AnswerOK}}},
		{"PEM with other line ends", strings.ReplaceAll(publicOne, "\n", "\r\n"), nil, []testkit.TokenCase{{"good", testkit.GoodToken(), testkit.AnswerOK}}},
		{"certificate", certificatePEM(t, testkit.RSAKey1()), nil, []testkit.TokenCase{{"good", testkit.GoodToken(), testkit.AnswerOK}, {"other key", byTwo, testkit.AnswerBadSignature}}},
		{"several kinds", publicOne + publicPEM(t, &testkit.ECKey().PublicKey) + publicPEM(t, testkit.EdKey().Public()), []string{"RS256", "ES256", "EdDSA", "PS256"}, []testkit.TokenCase{
			{"RS256", testkit.GoodToken(), testkit.AnswerOK}, {"ES256", es256, testkit.AnswerOK}, {"EdDSA", eddsa, testkit.AnswerOK}, {"PS256", ps256, testkit.AnswerOK}, {"foreign", foreign, testkit.AnswerBadSignature}}},
		{"no key of the algorithm", publicOne, []string{"RS256", "ES256"}, []testkit.TokenCase{{"good", testkit.GoodToken(), testkit.AnswerOK}, {"ES256", es256, testkit.AnswerUnknownKey}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			keys, err := auth0.StaticKeys([]byte(tt.document))
			if err != nil {
				t.Fatal(err)
			}
			f := testkit.NewAPIEnv(t, withKeys(keys, tt.algorithms...))
			f.ExpectTokens(t, tt.cases)
			if err := f.API.Warm(t.Context()); err != nil {
				t.Errorf("Warm: %v", err)
			}
			if urls := f.Net.Asked(); len(urls) != 0 {
				t.Errorf("requests to %q, want none", urls)
			}
			if list := f.API.Status(); len(list) != 1 || list[0].Issuer != testkit.APIIssuer || list[0].Keys == 0 || list[0].Err != nil {
				t.Errorf("Status: %+v", list)
			}
		})
	}
}

// Static keys are never fetched again, so mistakes in them must show at once. The
// error names the mistake, and quotes nothing.
func TestBadStaticKeys(t *testing.T) {
	t.Parallel()
	good := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(testkit.RSAKey1())
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(testkit.ECKey())
	if err != nil {
		t.Fatal(err)
	}
	publicOne := publicPEM(t, &testkit.RSAKey1().PublicKey)
	many := make([]testkit.JWK, 101)
	for i := range many {
		many[i] = good.With("kid", strconv.Itoa(i))
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
		"one key, no set":     testkit.AsJSON(good),
		"array":               `[` + testkit.AsJSON(good) + `]`,
		"shared secret":       `{"keys":[{"kty":"oct","kid":"x","k":"SECRETSECRETSECRETSECRETSECRETSECRETSECRETSE"}]}`,
		"private key":         jwksOf(t, good.With("d", testkit.Segment(string(testkit.RSAKey1().D.Bytes())))),
		"good and bad":        jwksOf(t, good, testkit.RSAJWK("k2", &testkit.RSAShort().PublicKey)),
		"good and unknown":    jwksOf(t, good, testkit.JWK{"kty": "SECRET"}),
		"too many":            jwksOf(t, many...),
		"private PEM":         pemOf("PRIVATE KEY", pkcs8),
		"old private PEM":     pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testkit.RSAKey1())),
		"private curve PEM":   pemOf("EC PRIVATE KEY", ec),
		"old public PEM":      pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&testkit.RSAKey1().PublicKey)),
		"public, private PEM": publicOne + pemOf("PRIVATE KEY", pkcs8),
		"PEM of nothing":      pemOf("PUBLIC KEY", nil),
		"PEM of garbage":      pemOf("PUBLIC KEY", []byte("SECRETSECRET")),
		"no certificate":      pemOf("CERTIFICATE", []byte("SECRETSECRET")),
		"short key PEM":       publicPEM(t, &testkit.RSAShort().PublicKey),
		"short certificate":   certificatePEM(t, testkit.RSAShort()),
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
			for _, secret := range []string{"SECRETSECRET", "SECRET SECRET", testkit.Segment(string(testkit.RSAKey1().D.Bytes()))[:20], "MII"} {
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
	t.Parallel()
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
	mac := func(header string, sign testkit.Signer) string {
		return testkit.Compact(header, testkit.GoodClaims(testkit.Noon).String(), sign)
	}
	f := testkit.NewAPIEnv(t, withKeys(keys))
	f.ExpectTokens(t, []testkit.TokenCase{
		{"good", mac(`{"alg":"HS256"}`, testkit.HS256([]byte(secret))), testkit.AnswerOK},
		{"any id", mac(`{"alg":"HS256","kid":"x"}`, testkit.HS256([]byte(secret))), testkit.AnswerOK},
		{"other secret", mac(`{"alg":"HS256"}`, testkit.HS256([]byte(secret+"x"))), testkit.AnswerBadSignature},
		{"empty secret", mac(`{"alg":"HS256"}`, testkit.HS256(nil)), testkit.AnswerBadSignature},
		{"part of the signature", mac(`{"alg":"HS256"}`, func(input string) []byte { return testkit.HS256([]byte(secret))(input)[:16] }), testkit.AnswerBadSignature},
		{"more than the signature", mac(`{"alg":"HS256"}`, func(input string) []byte { return append(testkit.HS256([]byte(secret))(input), 0) }), testkit.AnswerBadSignature},
		{"RS256", testkit.GoodToken(), testkit.AnswerWrongAlg},
		{"HS384", mac(`{"alg":"HS384"}`, testkit.HS256([]byte(secret))), testkit.AnswerWrongAlg},
		{"none", mac(`{"alg":"none"}`, testkit.Constant(nil)), testkit.AnswerWrongAlg},
	})
	if urls := f.Net.Asked(); len(urls) != 0 {
		t.Errorf("requests to %q, want none", urls)
	}
	if status := keys.Status(); status.Keys != 1 || status.Err != nil {
		t.Errorf("Status: %+v", status)
	}
	// One is not the other: neither algorithm fits keys of the other kind.
	static, err := auth0.StaticKeys([]byte(jwksOf(t, testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))))
	if err != nil {
		t.Fatal(err)
	}
	for why, c := range map[string]auth0.APIConfig{
		"RS256 with a secret": {Domain: testkit.APIHost, Audience: testkit.APIAudience, Keys: keys, Algorithms: []string{"HS256", "RS256"}},
		"HS256 with keys":     {Domain: testkit.APIHost, Audience: testkit.APIAudience, Keys: static, Algorithms: []string{"HS256"}},
	} {
		if api, err := auth0.NewAPI(c); api != nil || err == nil || !strings.Contains(err.Error(), "APIConfig.Algorithms ") {
			t.Errorf("%s: got %v, %v", why, api, err)
		}
	}
}

func TestWarmAndStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		begin := time.Now()
		status := func() auth0.KeyStatus {
			t.Helper()
			list := f.API.Status()
			if len(list) != 1 || list[0].Issuer != testkit.APIIssuer {
				t.Fatalf("Status: %+v", list)
			}
			return list[0]
		}
		if s := status(); s.Keys != 0 || s.Err != nil || !s.FetchedAt.IsZero() || !s.RefreshAt.IsZero() || !s.ExpiresAt.IsZero() {
			t.Errorf("before anything: %+v", s)
		}
		f.ExpectFetches(t, 0)

		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		err := f.API.Warm(t.Context())
		if e := (*auth0.Error)(nil); !errors.Is(err, auth0.ErrKeysUnavailable) || !errors.As(err, &e) ||
			!strings.Contains(err.Error(), "https://t.example/.well-known/jwks.json: status 503") {
			t.Errorf("Warm: %v, want an error with URL and status", err)
		}
		if s := status(); s.Keys != 0 || s.Err == nil {
			t.Errorf("after a failure: %+v", s)
		}
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		time.Sleep(2 * time.Second)
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Second)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := f.API.Warm(t.Context()); err != nil {
					t.Errorf("Warm: %v", err)
				}
			})
		}
		wg.Wait()
		f.ExpectFetches(t, 2)
		fetched := begin.Add(2 * time.Second) // when the fetch began
		s := status()
		if s.Keys != 2 || s.Err != nil || !s.FetchedAt.Equal(fetched) || s.RefreshAt.Before(fetched.Add(5*time.Minute)) || s.RefreshAt.After(fetched.Add(6*time.Minute)) || !s.ExpiresAt.Equal(fetched.Add(24*time.Hour)) {
			t.Errorf("after a fetch: %+v", s)
		}
		// Cached keys are not fetched again.
		within(t, 0, func() {
			if err := f.API.Warm(t.Context()); err != nil {
				t.Errorf("Warm: %v", err)
			}
		})
		f.ExpectFetches(t, 2)
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
		f.ExpectFetches(t, 2)

		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		time.Sleep(time.Hour)
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
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
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Hour)
		within(t, 5*time.Second, func() {
			if err := f.API.Warm(t.Context()); !errors.Is(err, auth0.ErrKeysUnavailable) {
				t.Errorf("Warm: %v", err)
			}
		})
	})
}

// The login side has the same method.
func TestWarmOfStrategy(t *testing.T) {
	t.Parallel()
	issuer := auth0test.NewTenant(t)
	strategy, err := auth0.New(issuer.Config())
	if err != nil {
		t.Fatal(err)
	}
	keys := strategy.Application().KeySet()
	if err := keys.Warm(t.Context()); err != nil || keys.Status().Keys == 0 || issuer.JWKSFetches() != 1 {
		t.Errorf("Warm: %v, %+v, %d fetches", err, keys.Status(), issuer.JWKSFetches())
	}
	if _, err := keys.VerifySignature(t.Context(), issuer.IDToken()); err != nil || issuer.JWKSFetches() != 1 {
		t.Errorf("VerifySignature: %v, %d fetches", err, issuer.JWKSFetches())
	}
}

// A zero KeySet has no keys, and says so.
func TestZeroKeySet(t *testing.T) {
	t.Parallel()
	keys := new(auth0.KeySet)
	if err := keys.Warm(t.Context()); err == nil {
		t.Error("Warm: no error")
	}
	if payload, err := keys.VerifySignature(t.Context(), testkit.GoodToken()); payload != nil || err == nil {
		t.Errorf("VerifySignature: %s, %v", payload, err)
	}
	if status := keys.Status(); status.Err == nil || status.Keys != 0 {
		t.Errorf("Status: %+v", status)
	}
	if text := fmt.Sprintf("%v %+v", keys, keys); text != "auth0.KeySet() auth0.KeySet()" {
		t.Errorf("it prints as %q", text)
	}
}

// A fetch is the only work in the background, and ends within five seconds: a
// program has nothing to close.
func TestNothingOutlivesAFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		ended := make(chan time.Time, 1)
		f.Net.Handle(testkit.APIHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended <- time.Now()
		}))
		begin := time.Now()
		if status := f.StatusOf(t.Context(), testkit.TokenOf("k1", testkit.RSAKey1())); status != 503 {
			t.Errorf("status %d, want 503", status)
		}
		if took := (<-ended).Sub(begin); took != 5*time.Second {
			t.Errorf("the fetch ended after %v, want 5s", took)
		}
		// The bubble can end, so nothing is left.
	})
}
