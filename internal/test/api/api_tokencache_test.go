package api_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestTokenIsRemembered(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	one, two := testkit.GoodToken(), testkit.Signed(testkit.GoodHeader, testkit.WithClaim("sub", `"auth0|v"`))
	f.ExpectCached(t, one, testkit.AnswerOK, false)
	f.ExpectCached(t, one, testkit.AnswerOK, true)
	f.ExpectCached(t, two, testkit.AnswerOK, false)
	f.ExpectCached(t, one, testkit.AnswerOK, true)
	f.ExpectCached(t, two, testkit.AnswerOK, true)
	for raw, subject := range map[string]string{one: "auth0|u", two: "auth0|v"} {
		if token, err := f.API.Verify(t.Context(), raw); err != nil || token.Subject() != subject {
			t.Errorf("got %v, %v; want the token of %s", token, err, subject)
		}
	}
}

// Checks that depend on the time run for each request.
func TestRememberedTokenAndTime(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	token := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(60)).Set("nbf", testkit.NoonPlus(0)))
	f.ExpectCached(t, token, testkit.AnswerOK, false)
	f.Now = testkit.Noon.Add(64 * time.Second)
	f.ExpectCached(t, token, testkit.AnswerOK, true)
	f.Now = testkit.Noon.Add(65 * time.Second)
	f.ExpectCached(t, token, testkit.AnswerExpired, true)
	f.Now = testkit.Noon.Add(-6 * time.Second)
	f.ExpectCached(t, token, testkit.AnswerNotYet, true)
	f.Now = testkit.Noon
	f.ExpectCached(t, token, testkit.AnswerOK, true)
}

// The cache compares all bytes of a token.
func TestRememberedTokenIsExact(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	token := testkit.GoodToken()
	f.ExpectCached(t, token, testkit.AnswerOK, false)
	part := strings.Split(token, ".")
	for why, other := range map[string]struct {
		token string
		want  testkit.Answer
	}{
		"last byte":       {token[:len(token)-2] + string(nextLetter(token[len(token)-2])) + token[len(token)-1:], testkit.AnswerBadSignature},
		"signature":       {part[0] + "." + part[1] + "." + string(nextLetter(part[2][0])) + part[2][1:], testkit.AnswerBadSignature},
		"first byte":      {"f" + token[1:], testkit.AnswerMalformed},
		"payload":         {part[0] + "." + testkit.Segment(testkit.GoodClaims(testkit.Noon).String()+" ") + "." + part[2], testkit.AnswerBadSignature},
		"padding":         {token + "=", testkit.AnswerMalformed},
		"spare bits":      {token[:len(token)-1] + string(nextLetter(token[len(token)-1])), testkit.AnswerMalformed},
		"one byte less":   {token[:len(token)-1], testkit.AnswerMalformed},
		"signature twice": {token + part[2], testkit.AnswerBadSignature},
	} {
		t.Run(why, func(t *testing.T) { f.ExpectCached(t, other.token, other.want, false) })
	}
	f.ExpectCached(t, token, testkit.AnswerOK, true)
}

// A rejected token is checked again, also if the reason for the rejection can pass.
func TestRefusedTokenIsNotRemembered(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	forged := testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign()))
	bound := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("cnf", `{"jkt":"x"}`))
	for range 2 {
		f.ExpectCached(t, forged, testkit.AnswerBadSignature, false)
		f.ExpectCached(t, bound, testkit.AnswerBound, false)
		f.ExpectCached(t, "abc", testkit.AnswerMalformed, false)
	}
	early := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("nbf", testkit.NoonPlus(60)))
	f.ExpectCached(t, early, testkit.AnswerNotYet, false)
	f.Now = testkit.Noon.Add(time.Minute)
	f.ExpectCached(t, early, testkit.AnswerOK, false)
}

// A revoked key ends the tokens that it has signed, and no others.
func TestRevokedKeyOfRememberedTokens(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why   string
		keys  []testkit.JWK
		want  testkit.Answer
		still bool // the token of k1 is cached
	}{
		{"removed", []testkit.JWK{testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}, testkit.AnswerUnknownKey, false},
		{"other key under the id", []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAForeign().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}, testkit.AnswerBadSignature, false},
		{"other algorithm", []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey).With("alg", "PS256"), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}, testkit.AnswerUnknownKey, false},
		{"other id", []testkit.JWK{testkit.RSAJWK("k0", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}, testkit.AnswerUnknownKey, false},
		{"for encryption now", []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey).With("use", "enc"), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}, testkit.AnswerUnknownKey, false},
		{"unchanged", []testkit.JWK{testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey), testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)}, testkit.AnswerOK, true},
		{"one more key", []testkit.JWK{testkit.RSAJWK("k3", &testkit.RSAForeign().PublicKey), testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}, testkit.AnswerOK, true},
		{"one more key under the id", []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAForeign().PublicKey), testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}, testkit.AnswerOK, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
				one, two := testkit.TokenOf("k1", testkit.RSAKey1()), testkit.TokenOf("k2", testkit.RSAKey2())
				f.ExpectCached(t, one, testkit.AnswerOK, false)
				f.ExpectCached(t, two, testkit.AnswerOK, false)
				f.Publish(tt.keys...)
				time.Sleep(10 * time.Minute)
				f.ExpectCached(t, two, testkit.AnswerOK, true) // has the keys fetched
				synctest.Wait()
				f.ExpectFetches(t, 2)
				f.ExpectCached(t, one, tt.want, tt.still)
				f.ExpectCached(t, two, testkit.AnswerOK, true)
				time.Sleep(6 * time.Second)
			})
		})
	}
}

// A token without a key id is accepted as long as one key fits it.
func TestRememberedTokenWithoutKeyID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
		claims := testkit.GoodClaims(time.Now()).Set("exp", strconv.FormatInt(time.Now().Unix()+86400, 10))
		token := testkit.Signed(testkit.GoodHeader.Without("kid"), claims)
		f.ExpectCached(t, token, testkit.AnswerOK, false)
		f.ExpectCached(t, token, testkit.AnswerOK, true)
		f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
		time.Sleep(10 * time.Minute)
		f.ExpectCached(t, token, testkit.AnswerOK, true)
		synctest.Wait()
		f.ExpectCached(t, token, testkit.AnswerUnknownKey, false)
		time.Sleep(6 * time.Second)
	})
}

// Once the keys are too old to be used, cached tokens are too.
func TestRememberedTokenAfterADayOfOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		f.ExpectCached(t, token, testkit.AnswerOK, false)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		time.Sleep(24*time.Hour - time.Second)
		f.ExpectCached(t, token, testkit.AnswerOK, true)
		time.Sleep(10 * time.Second)
		f.ExpectCached(t, token, testkit.AnswerNoKeys, true)
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		time.Sleep(time.Minute)
		f.ExpectCached(t, token, testkit.AnswerOK, false) // as far as the API knows, the key has changed
		f.ExpectCached(t, token, testkit.AnswerOK, true)
		time.Sleep(6 * time.Second)
	})
}

func TestNoTokenCache(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.TokenCache = auth0.None })
	token := testkit.GoodToken()
	for range 3 {
		f.ExpectCached(t, token, testkit.AnswerOK, false)
	}
}

// Long tokens would take much memory.
func TestLongTokenIsNotRemembered(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	for size, cached := range map[int]bool{8192: true, 8193: false, 16384: false} {
		token := tokenOfSize(size)
		f.ExpectCached(t, token, testkit.AnswerOK, false)
		f.ExpectCached(t, token, testkit.AnswerOK, cached)
	}
}

// Signatures are the same for all APIs. The permissions of a token are not.
func TestCachesAreNotShared(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	token := testkit.GoodToken()
	f.ExpectCached(t, token, testkit.AnswerOK, false)
	other := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Audience = "https://other.example/" })
	other.ExpectCached(t, token, testkit.AnswerWrongAud, false)
	same := testkit.NewCacheEnv(t)
	same.ExpectCached(t, token, testkit.AnswerOK, false)
	both := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `["https://api.example/","https://other.example/"]`))
	f.ExpectCached(t, both, testkit.AnswerOK, false)
	other.ExpectCached(t, both, testkit.AnswerOK, false)
	f.ExpectCached(t, both, testkit.AnswerOK, true)
	other.ExpectCached(t, both, testkit.AnswerOK, true)
	// APIs that share a KeySet share no cache either.
	keys, err := auth0.StaticKeys([]byte(`{"keys":[` + testkit.AsJSON(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	strict := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Keys, c.StrictProfile = keys, true })
	lax := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Keys = keys })
	lax.ExpectCached(t, token, testkit.AnswerOK, false)
	strict.ExpectCached(t, token, testkit.AnswerWrongType, false)
}

// The cache stays small with any number of tokens, and the last is among them.
func TestTokenCacheIsBounded(t *testing.T) {
	secret := strings.Repeat("s", 32)
	keys, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Keys, c.TokenCache, c.Observer = keys, 16, nil })
	sign := testkit.HS256([]byte(secret))
	pad := strings.Repeat("x", 1000)
	verify := func(i int) {
		claims := testkit.WithClaim("jti", strconv.Quote(fmt.Sprint(i))).Set("pad", strconv.Quote(pad))
		if _, err := f.API.Verify(t.Context(), testkit.Compact(`{"alg":"HS256"}`, claims.String(), sign)); err != nil {
			t.Fatal(err)
		}
	}
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	verify(-1)
	before := held()
	for i := range 5000 {
		verify(i)
	}
	if after := held(); after > before+1<<20 {
		t.Errorf("5,000 tokens of 2 KB left %d bytes, want at most 1 MiB", after-before)
	}
	runtime.KeepAlive(f)
}

// Tokens are checked while they are cached, evicted and revoked. The race detector
// watches.
func TestTokenCacheAtOnce(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Config.TokenCache = 2
		small, err := auth0.NewAPI(f.Config)
		if err != nil {
			t.Fatal(err)
		}
		var tokens []string
		for i := range 8 {
			claims := testkit.GoodClaims(time.Now()).Set("exp", strconv.FormatInt(time.Now().Unix()+86400, 10)).Set("sub", strconv.Quote(fmt.Sprint(i)))
			tokens = append(tokens, testkit.Compact(testkit.GoodHeader.Set("kid", []string{`"k1"`, `"k2"`}[i%2]).String(), claims.String(), testkit.RS256([]func() *rsa.PrivateKey{testkit.RSAKey1, testkit.RSAKey2}[i%2]())))
		}
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				for j := range 40 {
					k := (i + j) % len(tokens)
					token, err := small.Verify(t.Context(), tokens[k])
					if err == nil && token.Subject() != fmt.Sprint(k) {
						t.Errorf("the token of %d is that of %s", k, token.Subject())
					}
					if err != nil && k%2 == 0 {
						t.Errorf("k1: %v", err)
					}
					time.Sleep(time.Duration(i+1) * time.Second)
				}
			})
		}
		for i := range 20 {
			keys := []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)}
			if i%2 == 0 {
				keys = append(keys, testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
			}
			f.Publish(keys...)
			time.Sleep(time.Minute)
			f.Tenant.Fail(testkit.JWKSEndpoint, 503*(i%3/2))
		}
		wg.Wait()
	})
}

// A handler that changes its claims changes those of no other request, and Validate runs
// for each request.
func TestClaimsOfRememberedTokenAreSeparate(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	token := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("permissions", `["read:m"]`))
	var seen []string
	h := auth0.RequireClaims[countedClaims](f.API)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, err := auth0.Claims[countedClaims](r.Context())
		if err != nil || len(c.Permissions) != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
		seen = append(seen, fmt.Sprint(c.Subject, c.Permissions, c.validated))
		c.Permissions[0], c.Subject = "admin", "eve"
	}))
	for range 4 {
		h.ServeHTTP(httptest.NewRecorder(), testkit.BearerRequest(token))
	}
	for _, got := range seen {
		if want := "auth0|u[read:m] 1"; got != want {
			t.Errorf("got %q, want %q", seen, want)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d requests have passed", len(seen))
	}
}

type countedClaims struct {
	Subject     string   `json:"sub"`
	Permissions []string `json:"permissions"`
	validated   int
}

func (c *countedClaims) Validate(context.Context) error {
	c.validated++
	return nil
}
