package auth0_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// events collects what an observer is told.
type events struct {
	mu    sync.Mutex
	token []auth0.TokenEvent
	keys  []auth0.KeyEvent
}

func (e *events) observe(c *auth0.APIConfig) {
	c.Observer = auth0.Observer{
		Token: func(_ context.Context, event auth0.TokenEvent) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.token = append(e.token, event)
		},
		Keys: func(_ context.Context, event auth0.KeyEvent) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.keys = append(e.keys, event)
		},
	}
}

// take returns what was told since the last call.
func (e *events) take() ([]auth0.TokenEvent, []auth0.KeyEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	token, keys := e.token, e.keys
	e.token, e.keys = nil, nil
	return token, keys
}

// A cacheFixture tells whether the signature of a token was checked.
type cacheFixture struct {
	*apiFixture
	events events
	now    time.Time
}

func newCacheFixture(t *testing.T, edits ...func(*auth0.APIConfig)) *cacheFixture {
	t.Helper()
	f := &cacheFixture{now: noon}
	f.apiFixture = newAPIFixture(t, append([]func(*auth0.APIConfig){
		f.events.observe, func(c *auth0.APIConfig) { c.Now = func() time.Time { return f.now } },
	}, edits...)...)
	return f
}

func (f *cacheFixture) expectCached(t *testing.T, token string, want apiAnswer, cached bool) {
	t.Helper()
	f.events.take()
	f.expectToken(t, token, want)
	if told, _ := f.events.take(); len(told) != 1 || told[0].Cached != cached || told[0].Status != want.status {
		t.Errorf("events %+v, want one of status %d with Cached %v", told, want.status, cached)
	}
}

func TestTokenIsRemembered(t *testing.T) {
	f := newCacheFixture(t)
	one, two := goodToken(), signed(goodHeader, withClaim("sub", `"auth0|v"`))
	f.expectCached(t, one, apiOK, false)
	f.expectCached(t, one, apiOK, true)
	f.expectCached(t, two, apiOK, false)
	f.expectCached(t, one, apiOK, true)
	f.expectCached(t, two, apiOK, true)
	for raw, subject := range map[string]string{one: "auth0|u", two: "auth0|v"} {
		if token, err := f.api.Verify(t.Context(), raw); err != nil || token.Subject() != subject {
			t.Errorf("got %v, %v; want the token of %s", token, err, subject)
		}
	}
}

// What time changes is looked at each time.
func TestRememberedTokenAndTime(t *testing.T) {
	f := newCacheFixture(t)
	token := signed(goodHeader, withClaim("exp", noonPlus(60)).set("nbf", noonPlus(0)))
	f.expectCached(t, token, apiOK, false)
	f.now = noon.Add(64 * time.Second)
	f.expectCached(t, token, apiOK, true)
	f.now = noon.Add(65 * time.Second)
	f.expectCached(t, token, apiExpired, true)
	f.now = noon.Add(-6 * time.Second)
	f.expectCached(t, token, apiNotYet, true)
	f.now = noon
	f.expectCached(t, token, apiOK, true)
}

// One token is all of its bytes.
func TestRememberedTokenIsExact(t *testing.T) {
	f := newCacheFixture(t)
	token := goodToken()
	f.expectCached(t, token, apiOK, false)
	part := strings.Split(token, ".")
	for why, other := range map[string]struct {
		token string
		want  apiAnswer
	}{
		"last byte":       {token[:len(token)-2] + string(nextLetter(token[len(token)-2])) + token[len(token)-1:], apiBadSignature},
		"signature":       {part[0] + "." + part[1] + "." + string(nextLetter(part[2][0])) + part[2][1:], apiBadSignature},
		"first byte":      {"f" + token[1:], apiMalformed},
		"payload":         {part[0] + "." + segment(goodClaims(noon).String()+" ") + "." + part[2], apiBadSignature},
		"padding":         {token + "=", apiMalformed},
		"spare bits":      {token[:len(token)-1] + string(nextLetter(token[len(token)-1])), apiMalformed},
		"one byte less":   {token[:len(token)-1], apiMalformed},
		"signature twice": {token + part[2], apiBadSignature},
	} {
		t.Run(why, func(t *testing.T) { f.expectCached(t, other.token, other.want, false) })
	}
	f.expectCached(t, token, apiOK, true)
}

// A token that was refused is checked again, also if it is refused for
// something that passes.
func TestRefusedTokenIsNotRemembered(t *testing.T) {
	f := newCacheFixture(t)
	forged := compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaForeign()))
	bound := signed(goodHeader, withClaim("cnf", `{"jkt":"x"}`))
	for range 2 {
		f.expectCached(t, forged, apiBadSignature, false)
		f.expectCached(t, bound, apiBound, false)
		f.expectCached(t, "abc", apiMalformed, false)
	}
	early := signed(goodHeader, withClaim("nbf", noonPlus(60)))
	f.expectCached(t, early, apiNotYet, false)
	f.now = noon.Add(time.Minute)
	f.expectCached(t, early, apiOK, false)
}

// A key that is revoked ends the tokens that it has signed, and no others.
func TestRevokedKeyOfRememberedTokens(t *testing.T) {
	for _, tt := range []struct {
		why   string
		keys  []jwk
		want  apiAnswer
		still bool // the token of k1 is remembered
	}{
		{"removed", []jwk{rsaJWK("k2", &rsaKey2().PublicKey)}, apiUnknownKey, false},
		{"other key under the id", []jwk{rsaJWK("k1", &rsaForeign().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey)}, apiBadSignature, false},
		{"other algorithm", []jwk{rsaJWK("k1", &rsaKey1().PublicKey).with("alg", "PS256"), rsaJWK("k2", &rsaKey2().PublicKey)}, apiUnknownKey, false},
		{"other id", []jwk{rsaJWK("k0", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey)}, apiUnknownKey, false},
		{"for encryption now", []jwk{rsaJWK("k1", &rsaKey1().PublicKey).with("use", "enc"), rsaJWK("k2", &rsaKey2().PublicKey)}, apiUnknownKey, false},
		{"unchanged", []jwk{rsaJWK("k2", &rsaKey2().PublicKey), rsaJWK("k1", &rsaKey1().PublicKey)}, apiOK, true},
		{"one more key", []jwk{rsaJWK("k3", &rsaForeign().PublicKey), rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey)}, apiOK, true},
		{"one more key under the id", []jwk{rsaJWK("k1", &rsaForeign().PublicKey), rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey)}, apiOK, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newCacheFixture(t, func(c *auth0.APIConfig) { c.Now = nil })
				one, two := tokenOf("k1", rsaKey1()), tokenOf("k2", rsaKey2())
				f.expectCached(t, one, apiOK, false)
				f.expectCached(t, two, apiOK, false)
				f.publish(tt.keys...)
				time.Sleep(10 * time.Minute)
				f.expectCached(t, two, apiOK, true) // has the keys fetched
				synctest.Wait()
				f.expectFetches(t, 2)
				f.expectCached(t, one, tt.want, tt.still)
				f.expectCached(t, two, apiOK, true)
				time.Sleep(6 * time.Second)
			})
		})
	}
}

// A token without a key id is good for as long as one key fits it.
func TestRememberedTokenWithoutKeyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newCacheFixture(t, func(c *auth0.APIConfig) { c.Now = nil })
		f.publish(rsaJWK("k1", &rsaKey1().PublicKey))
		claims := goodClaims(time.Now()).set("exp", strconv.FormatInt(time.Now().Unix()+86400, 10))
		token := signed(goodHeader.without("kid"), claims)
		f.expectCached(t, token, apiOK, false)
		f.expectCached(t, token, apiOK, true)
		f.publish(rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey))
		time.Sleep(10 * time.Minute)
		f.expectCached(t, token, apiOK, true)
		synctest.Wait()
		f.expectCached(t, token, apiUnknownKey, false)
		time.Sleep(6 * time.Second)
	})
}

// When keys are too old to be used, so is what they have said.
func TestRememberedTokenAfterADayOfOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newCacheFixture(t, func(c *auth0.APIConfig) { c.Now = nil })
		token := tokenOf("k1", rsaKey1())
		f.expectCached(t, token, apiOK, false)
		f.tenant.Fail(emulator.JWKS, 503)
		time.Sleep(24*time.Hour - time.Second)
		f.expectCached(t, token, apiOK, true)
		time.Sleep(10 * time.Second)
		f.expectCached(t, token, apiNoKeys, true)
		f.tenant.Fail(emulator.JWKS, 0)
		time.Sleep(time.Minute)
		f.expectCached(t, token, apiOK, false) // the key is another one, for all that is known
		f.expectCached(t, token, apiOK, true)
		time.Sleep(6 * time.Second)
	})
}

func TestNoTokenCache(t *testing.T) {
	f := newCacheFixture(t, func(c *auth0.APIConfig) { c.TokenCache = auth0.None })
	token := goodToken()
	for range 3 {
		f.expectCached(t, token, apiOK, false)
	}
}

// What long tokens say would take much memory.
func TestLongTokenIsNotRemembered(t *testing.T) {
	f := newCacheFixture(t)
	for size, cached := range map[int]bool{8192: true, 8193: false, 16384: false} {
		token := tokenOfSize(size)
		f.expectCached(t, token, apiOK, false)
		f.expectCached(t, token, apiOK, cached)
	}
}

// Signatures are the same for all APIs; what a token may do is not.
func TestCachesAreNotShared(t *testing.T) {
	f := newCacheFixture(t)
	token := goodToken()
	f.expectCached(t, token, apiOK, false)
	other := newCacheFixture(t, func(c *auth0.APIConfig) { c.Audience = "https://other.example/" })
	other.expectCached(t, token, apiWrongAud, false)
	same := newCacheFixture(t)
	same.expectCached(t, token, apiOK, false)
	both := signed(goodHeader, withClaim("aud", `["https://api.example/","https://other.example/"]`))
	f.expectCached(t, both, apiOK, false)
	other.expectCached(t, both, apiOK, false)
	f.expectCached(t, both, apiOK, true)
	other.expectCached(t, both, apiOK, true)
	// Not even with keys in common.
	keys, err := auth0.StaticKeys([]byte(`{"keys":[` + jsonOf(t, rsaJWK("k1", &rsaKey1().PublicKey)) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	strict := newCacheFixture(t, func(c *auth0.APIConfig) { c.Keys, c.StrictProfile = keys, true })
	lax := newCacheFixture(t, func(c *auth0.APIConfig) { c.Keys = keys })
	lax.expectCached(t, token, apiOK, false)
	strict.expectCached(t, token, apiWrongType, false)
}

// However many tokens there are, few are kept, and the last is among them.
func TestTokenCacheIsBounded(t *testing.T) {
	secret := strings.Repeat("s", 32)
	keys, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	f := newCacheFixture(t, func(c *auth0.APIConfig) { c.Keys, c.TokenCache, c.Observer = keys, 16, auth0.Observer{} })
	sign := hs256([]byte(secret))
	pad := strings.Repeat("x", 1000)
	verify := func(i int) {
		claims := withClaim("jti", strconv.Quote(fmt.Sprint(i))).set("pad", strconv.Quote(pad))
		if _, err := f.api.Verify(t.Context(), compact(`{"alg":"HS256"}`, claims.String(), sign)); err != nil {
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

// Tokens are checked while they are remembered, forgotten and revoked. The race
// detector watches.
func TestTokenCacheAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.cfg.TokenCache = 2
		small, err := auth0.NewAPI(f.cfg)
		if err != nil {
			t.Fatal(err)
		}
		var tokens []string
		for i := range 8 {
			claims := goodClaims(time.Now()).set("exp", strconv.FormatInt(time.Now().Unix()+86400, 10)).set("sub", strconv.Quote(fmt.Sprint(i)))
			tokens = append(tokens, compact(goodHeader.set("kid", []string{`"k1"`, `"k2"`}[i%2]).String(), claims.String(), rs256([]func() *rsa.PrivateKey{rsaKey1, rsaKey2}[i%2]())))
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
			keys := []jwk{rsaJWK("k1", &rsaKey1().PublicKey)}
			if i%2 == 0 {
				keys = append(keys, rsaJWK("k2", &rsaKey2().PublicKey))
			}
			f.publish(keys...)
			time.Sleep(time.Minute)
			f.tenant.Fail(emulator.JWKS, 503*(i%3/2))
		}
		wg.Wait()
	})
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
