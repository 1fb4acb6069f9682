package api_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// byPattern trusts every issuer, as no program should.
func byPattern(issuer string) (*auth0.Issuer, error) {
	return &auth0.Issuer{Domain: strings.Trim(strings.TrimPrefix(issuer, "https://"), "/")}, nil
}

// inPatternBubble is an API that trusts every issuer, in a bubble.
func inPatternBubble(t *testing.T, f func(*testing.T, *testkit.APIEnv)) {
	synctest.Test(t, func(t *testing.T) {
		fixture, _ := newResolverFixture(t, byPattern, func(c *auth0.APIConfig) { c.Now = nil })
		defer time.Sleep(6 * time.Second)
		f(t, fixture)
	})
}

func issuerName(i int) string { return fmt.Sprintf("https://t%d.example/", i) }

// unsignedBy is an unsigned token.
func unsignedBy(issuer string) string {
	return testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(time.Now()).Set("iss", strconv.Quote(issuer)).String(), testkit.Constant([]byte{1}))
}

func nowBy(issuer string, key *rsa.PrivateKey) string {
	return testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(time.Now()).Set("iss", strconv.Quote(issuer)).String(), testkit.RS256(key))
}

// Unsigned tokens cause few requests, whatever their claims. An issuer that cannot
// be looked up is an outage, and issuers with accepted tokens are not affected.
func TestUnsignedTokensOfNewIssuers(t *testing.T) {
	t.Parallel()
	for _, provider := range []bool{false, true} {
		inPatternBubble(t, func(t *testing.T, f *testkit.APIEnv) {
			f.AddIssuer(t, "good.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey))
			good := nowBy("https://good.example/", testkit.RSAKey2())
			f.ExpectToken(t, good, testkit.AnswerOK)
			if provider {
				f, _ = newResolverFixture(t, func(iss string) (*auth0.Issuer, error) { return &auth0.Issuer{Domain: iss}, nil }, func(c *auth0.APIConfig) { c.Now = nil })
			}
			attack := func(from int) (asked int) {
				before := len(f.Net.Asked())
				for i := range 100 {
					_, err := f.API.Verify(t.Context(), unsignedBy(issuerName(from+i)))
					var e *auth0.Error
					if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.RetryAfter == 0 || !errors.Is(err, auth0.ErrKeysUnavailable) {
						t.Fatalf("token %d: %v, want 503 with a time", i, err)
					}
				}
				return len(f.Net.Asked()) - before
			}
			if n := attack(0); n != 16 {
				t.Errorf("100 unsigned tokens: %d requests, want 16", n)
			}
			if n := attack(1000); n != 0 {
				t.Errorf("100 more at once: %d requests, want none", n)
			}
			time.Sleep(time.Second)
			if n := attack(2000); n != 5 {
				t.Errorf("a second later: %d requests, want 5", n)
			}
			if provider {
				return
			}
			f.ExpectToken(t, good, testkit.AnswerOK)
			f.ExpectToken(t, unsignedBy("https://good.example/"), testkit.AnswerBadSignature)
			// A new issuer with a valid token gets its turn.
			f.AddIssuer(t, "late.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey))
			f.ExpectToken(t, nowBy("https://late.example/", testkit.RSAKey2()), testkit.AnswerNoKeys)
			time.Sleep(2 * time.Second)
			f.ExpectToken(t, nowBy("https://late.example/", testkit.RSAKey2()), testkit.AnswerOK)
		})
	}
}

// A program that starts must check the first tokens of all its tenants.
func TestManyNewIssuersThatAreGood(t *testing.T) {
	t.Parallel()
	inPatternBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		for i := range 100 {
			f.AddIssuer(t, fmt.Sprintf("t%d.example", i), testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey))
			f.ExpectToken(t, nowBy(issuerName(i), testkit.RSAKey2()), testkit.AnswerOK)
		}
		if n := len(f.HostsAsked()); n != 100 {
			t.Errorf("%d requests, want one for each", n)
		}
	})
}

// The API keeps nothing for a token that it rejects without a key.
func TestRefusedTokensKeepNoIssuer(t *testing.T) {
	t.Parallel()
	f, _ := newResolverFixture(t, byPattern)
	for i, tt := range []struct {
		why   string
		token func(claims testkit.Object) string
		want  testkit.Answer
	}{
		{"expired", func(c testkit.Object) string {
			return testkit.Signed(testkit.GoodHeader, c.Set("exp", testkit.NoonPlus(-60)))
		}, testkit.AnswerExpired},
		{"issued ahead", func(c testkit.Object) string {
			return testkit.Signed(testkit.GoodHeader, c.Set("iat", testkit.NoonPlus(60)))
		}, testkit.AnswerNotYet},
		{"other audience", func(c testkit.Object) string { return testkit.Signed(testkit.GoodHeader, c.Set("aud", `"x"`)) }, testkit.AnswerWrongAud},
		{"ID token", func(c testkit.Object) string {
			return testkit.Signed(testkit.GoodHeader, c.Set("nonce", `"n"`).Set("at_hash", `"h"`))
		}, testkit.AnswerWrongType},
		{"other algorithm", func(c testkit.Object) string { return testkit.Signed(testkit.GoodHeader.Set("alg", `"PS256"`), c) }, testkit.AnswerWrongAlg},
	} {
		name := issuerName(i)
		f.ExpectToken(t, tt.token(testkit.GoodClaims(testkit.Noon).Set("iss", strconv.Quote(name))), tt.want)
		if f.API.KeySet(name) != nil {
			t.Errorf("%s: the issuer is kept", tt.why)
		}
	}
	if urls := f.Net.Asked(); len(urls) != 0 {
		t.Errorf("requests to %q", urls)
	}
}

// The table is bounded, bad issuers do not push good ones out, and the work for a
// token does not grow with it.
func TestTableOfIssuers(t *testing.T) {
	secret := strings.Repeat("s", 32)
	shared, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	// With static keys, the API sends no request.
	api, err := auth0.NewAPI(auth0.APIConfig{
		Audience: testkit.APIAudience, Now: func() time.Time { return testkit.Noon }, TokenCache: auth0.None,
		ResolveIssuer: func(_ context.Context, iss string) (*auth0.Issuer, error) {
			return &auth0.Issuer{Domain: strings.Trim(strings.TrimPrefix(iss, "https://"), "/"), Keys: shared}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(i int, good bool) {
		t.Helper()
		key := secret
		if !good {
			key = "another"
		}
		token := testkit.Compact(`{"alg":"HS256"}`, testkit.GoodClaims(testkit.Noon).Set("iss", strconv.Quote(issuerName(i))).String(), testkit.HS256([]byte(key)))
		if _, err := api.Verify(t.Context(), token); (err == nil) != good {
			t.Fatalf("issuer %d: %v", i, err)
		}
	}
	held := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if api.KeySet(issuerName(i)) != nil {
				n++
			}
		}
		return n
	}
	const forged = 1_000_000 // the first number of issuers without a valid token
	for i := range 100 {
		verify(i, true)
	}
	for i := range 3000 {
		verify(forged+i, false)
	}
	if good, bad := held(0, 100), held(forged, forged+3000); good != 100 || bad != 1000 {
		t.Errorf("%d of 100 good issuers are kept, and %d of 3,000 others, want 1,000", good, bad)
	}
	// An issuer among them stays in the table once one of its tokens is accepted.
	verify(forged+2999, true)
	for i := range 2000 {
		verify(forged+5000+i, false)
	}
	if held(forged+2999, forged+3000) != 1 {
		t.Error("an issuer is dropped although a token of it was good")
	}
	bytes := func(do func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few := bytes(func() {
		for i := 100; i < 1100; i++ {
			verify(i, true)
		}
	})
	for i := 1100; i < 9000; i++ {
		verify(i, true)
	}
	many := bytes(func() {
		for i := 9000; i < 10000; i++ {
			verify(i, true)
		}
	})
	if many > 3*few {
		t.Errorf("a thousand issuers take %d bytes beside a hundred others, and %d beside nine thousand", few, many)
	}
	// Beyond the limit, the used issuers stay.
	for i := 10_000; i < 20_100; i++ {
		verify(i, true)
		if i%1000 == 0 {
			verify(7, true)
		}
	}
	if n := held(0, 20_100); n > 10_001 || n < 9_900 {
		t.Errorf("%d issuers are kept, want 10,000", n)
	}
	if held(7, 8) != 1 || held(20_000, 20_100) != 100 {
		t.Error("an issuer that is used was dropped")
	}
}

// A token with a wrong signature takes nothing from its issuer.
func TestForgedTokensOfAGoodIssuer(t *testing.T) {
	t.Parallel()
	inPatternBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		issuer := f.AddIssuer(t, "good.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey))
		f.ExpectToken(t, nowBy("https://good.example/", testkit.RSAKey2()), testkit.AnswerOK)
		keys := f.API.KeySet("https://good.example/")
		issuer.Fail(testkit.JWKSEndpoint, 500)
		for range 100 {
			f.ExpectToken(t, unsignedBy("https://good.example/"), testkit.AnswerBadSignature)
		}
		f.ExpectToken(t, nowBy("https://good.example/", testkit.RSAKey2()), testkit.AnswerOK)
		if f.API.KeySet("https://good.example/") != keys {
			t.Error("the keys are others now")
		}
	})
}
