package api_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// Each issuer has its own keys. One issuer must not be able to speak for another,
// even with the same key id.
func TestSeveralIssuers(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Issuers = []auth0.Issuer{
			{Domain: "a.example"},
			{Domain: "b.example", Audiences: []string{"https://b-api.example/"}},
			{Domain: "c.example", Algorithms: []string{"PS256"}},
		}
	})
	f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
	f.AddIssuer(t, "a.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey))
	f.AddIssuer(t, "b.example", testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("kb", &testkit.RSAKey2().PublicKey))
	f.AddIssuer(t, "c.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey).With("alg", "PS256"))
	forB := func(kid, aud string, key *rsa.PrivateKey) string {
		claims := testkit.WithClaim("iss", `"https://b.example/"`).Set("aud", strconv.Quote(aud))
		return testkit.Compact(testkit.GoodHeader.Set("kid", strconv.Quote(kid)).String(), claims.String(), testkit.RS256(key))
	}
	forC := func(alg string, sign testkit.Signer) string {
		return testkit.Compact(testkit.GoodHeader.Set("alg", strconv.Quote(alg)).String(), testkit.WithClaim("iss", `"https://c.example/"`).String(), sign)
	}
	f.ExpectTokens(t, []testkit.TokenCase{
		{"first", testkit.IssuedBy(testkit.APIIssuer, testkit.RSAKey1()), testkit.AnswerOK},
		{"second", testkit.IssuedBy("https://a.example/", testkit.RSAKey2()), testkit.AnswerOK},
		{"first, key of the second", testkit.IssuedBy(testkit.APIIssuer, testkit.RSAKey2()), testkit.AnswerBadSignature},
		{"second, key of the first", testkit.IssuedBy("https://a.example/", testkit.RSAKey1()), testkit.AnswerBadSignature},
		{"first, key id of the third", testkit.Compact(testkit.GoodHeader.Set("kid", `"kb"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAKey2())), testkit.AnswerUnknownKey},
		{"third", forB("k1", "https://b-api.example/", testkit.RSAKey1()), testkit.AnswerOK},
		{"third, other key", forB("kb", "https://b-api.example/", testkit.RSAKey2()), testkit.AnswerOK},
		{"third, audience of the others", forB("k1", testkit.APIAudience, testkit.RSAKey1()), testkit.AnswerWrongAud},
		{"first, audience of the third", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"https://b-api.example/"`)), testkit.AnswerWrongAud},
		{"fourth", forC("PS256", testkit.PS(crypto.SHA256, 32, testkit.RSAKey2())), testkit.AnswerOK},
		{"fourth, algorithm of the others", forC("RS256", testkit.RS256(testkit.RSAKey2())), testkit.AnswerWrongAlg},
		{"first, algorithm of the fourth", testkit.Compact(testkit.GoodHeader.Set("alg", `"PS256"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.PS(crypto.SHA256, 32, testkit.RSAKey1())), testkit.AnswerWrongAlg},
		{"stranger", testkit.IssuedBy("https://d.example/", testkit.RSAKey1()), testkit.AnswerWrongIssuer},
		{"second without a slash", testkit.IssuedBy("https://a.example", testkit.RSAKey2()), testkit.AnswerWrongIssuer},
	})
	asked := slices.Compact(slices.Sorted(slices.Values(f.HostsAsked())))
	if want := []string{"a.example", "b.example", "c.example", "t.example"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	token, err := f.API.Verify(t.Context(), testkit.IssuedBy("https://a.example/", testkit.RSAKey2()))
	if err != nil || token.Issuer() != "https://a.example/" {
		t.Errorf("got %v, %v", token, err)
	}
}

// The outage of one issuer is no outage of another.
func TestOutageOfOneIssuer(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Issuers = []auth0.Issuer{{Domain: "a.example"}} })
	f.AddIssuer(t, "a.example").Fail(testkit.JWKSEndpoint, 503)
	f.ExpectTokens(t, []testkit.TokenCase{
		{"in reach", testkit.GoodToken(), testkit.AnswerOK},
		{"out of reach", testkit.IssuedBy("https://a.example/", testkit.RSAKey2()), testkit.AnswerNoKeys},
	})
	err := f.API.Warm(t.Context())
	if err == nil || strings.Contains(err.Error(), "t.example") || !strings.Contains(err.Error(), "https://a.example/.well-known/jwks.json") {
		t.Errorf("Warm: %v, want a complaint about a.example alone", err)
	}
	list := f.API.Status()
	if len(list) != 2 || list[0].Issuer != testkit.APIIssuer || list[0].Keys != 2 || list[0].Err != nil ||
		list[1].Issuer != "https://a.example/" || list[1].Keys != 0 || list[1].Err == nil {
		t.Errorf("Status: %+v", list)
	}
}

// A resolver notes the issuers it was asked about.
type resolver struct {
	mu     sync.Mutex
	asked  []string
	answer func(issuer string) (*auth0.Issuer, error)
}

func (r *resolver) resolve(_ context.Context, issuer string) (*auth0.Issuer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, issuer)
	return r.answer(issuer)
}

func (r *resolver) takeAsked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// newResolverFixture trusts the issuers that the answer returns, and no others.
func newResolverFixture(t *testing.T, answer func(issuer string) (*auth0.Issuer, error), edits ...func(*auth0.APIConfig)) (*testkit.APIEnv, *resolver) {
	t.Helper()
	r := &resolver{answer: answer}
	f := testkit.NewAPIEnv(t, append([]func(*auth0.APIConfig){func(c *auth0.APIConfig) { c.Domain, c.ResolveIssuer = "", r.resolve }}, edits...)...)
	return f, r
}

func TestResolveIssuer(t *testing.T) {
	t.Parallel()
	f, r := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
		switch issuer {
		case testkit.APIIssuer:
			return &auth0.Issuer{Domain: testkit.APIHost}, nil
		case "https://a.example/":
			return &auth0.Issuer{Domain: "a.example", Audiences: []string{"https://a-api.example/"}}, nil
		case "https://down.example/":
			return nil, errors.New("the database is down")
		case "https://mistake.example/":
			return &auth0.Issuer{Domain: "not a host"}, nil
		case "https://other.example/":
			return &auth0.Issuer{Domain: testkit.APIHost}, nil
		case "https://another.example/":
			return &auth0.Issuer{Domain: "https://id.example/"}, nil
		}
		return nil, nil
	})
	f.AddIssuer(t, "a.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey))
	a := testkit.WithClaim("iss", `"https://a.example/"`)
	for _, tt := range []struct {
		why, token string
		want       testkit.Answer
		asks       []string // the resolver
		hosts      []string // that are asked for keys
	}{
		{"stranger", testkit.IssuedBy("https://stranger.example/", testkit.RSAKey1()), testkit.AnswerWrongIssuer, []string{"https://stranger.example/"}, nil},
		{"error", testkit.IssuedBy("https://down.example/", testkit.RSAKey1()), testkit.AnswerNoKeys, []string{"https://down.example/"}, nil},
		{"mistake", testkit.IssuedBy("https://mistake.example/", testkit.RSAKey1()), testkit.AnswerUnusable, []string{"https://mistake.example/"}, nil},
		{"answer about another", testkit.IssuedBy("https://other.example/", testkit.RSAKey1()), testkit.AnswerWrongIssuer, []string{"https://other.example/"}, nil},
		{"answer about another provider", testkit.IssuedBy("https://another.example/", testkit.RSAKey1()), testkit.AnswerWrongIssuer, []string{"https://another.example/"}, nil},
		{"malformed", "abc", testkit.AnswerMalformed, nil, nil},
		{"no iss", testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("iss")), testkit.AnswerBadClaims, nil, nil},
		{"expired", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))), testkit.AnswerExpired, []string{testkit.APIIssuer}, nil},
		{"other audience", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"x"`)), testkit.AnswerWrongAud, []string{testkit.APIIssuer}, nil},
		{"good", testkit.GoodToken(), testkit.AnswerOK, []string{testkit.APIIssuer}, []string{testkit.APIHost}},
		{"good, the same again", testkit.GoodToken(), testkit.AnswerOK, []string{testkit.APIIssuer}, nil},
		{"good, another", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("sub", `"auth0|v"`)), testkit.AnswerOK, []string{testkit.APIIssuer}, nil},
		{"second", testkit.Compact(testkit.GoodHeader.String(), a.Set("aud", `"https://a-api.example/"`).String(), testkit.RS256(testkit.RSAKey2())), testkit.AnswerOK, []string{"https://a.example/"}, []string{"a.example"}},
		{"second, audience of the API", testkit.IssuedBy("https://a.example/", testkit.RSAKey2()), testkit.AnswerWrongAud, []string{"https://a.example/"}, nil},
		{"second, key of the first", testkit.Compact(testkit.GoodHeader.String(), a.Set("aud", `"https://a-api.example/"`).String(), testkit.RS256(testkit.RSAKey1())), testkit.AnswerBadSignature, []string{"https://a.example/"}, nil},
		{"algorithm that nobody allowed", testkit.Compact(testkit.GoodHeader.Set("alg", `"PS256"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.PS(crypto.SHA256, 32, testkit.RSAKey1())), testkit.AnswerWrongAlg, []string{testkit.APIIssuer}, nil},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r.takeAsked()
			before := len(f.HostsAsked())
			f.ExpectToken(t, tt.token, tt.want)
			if asked := r.takeAsked(); !slices.Equal(asked, tt.asks) {
				t.Errorf("the resolver was asked about %q, want %q", asked, tt.asks)
			}
			if hosts := f.HostsAsked()[before:]; !slices.Equal(hosts, tt.hosts) {
				t.Errorf("asked %q for keys, want %q", hosts, tt.hosts)
			}
		})
	}
	list := f.API.Status()
	if len(list) != 2 || list[0].Issuer != "https://a.example/" || list[0].Keys != 1 || list[1].Issuer != testkit.APIIssuer || list[1].Keys != 2 {
		t.Errorf("Status: %+v, want the issuers of which a token was good", list)
	}
}

// ResolveIssuer is not called for configured issuers.
func TestResolveIssuerBesideDomain(t *testing.T) {
	t.Parallel()
	r := &resolver{answer: func(string) (*auth0.Issuer, error) { return nil, errors.New("down") }}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.ResolveIssuer = r.resolve })
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	if asked := r.takeAsked(); asked != nil {
		t.Errorf("asked about %q", asked)
	}
	f.ExpectToken(t, testkit.IssuedBy("https://a.example/", testkit.RSAKey1()), testkit.AnswerNoKeys)
	// The settings of its answer can differ.
	r.answer = func(string) (*auth0.Issuer, error) {
		return &auth0.Issuer{Domain: "a.example", Algorithms: []string{"PS256"}}, nil
	}
	f.AddIssuer(t, "a.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey).With("alg", "PS256"))
	ps256 := testkit.GoodHeader.Set("alg", `"PS256"`).String()
	f.ExpectToken(t, testkit.Compact(ps256, testkit.WithClaim("iss", `"https://a.example/"`).String(), testkit.PS(crypto.SHA256, 32, testkit.RSAKey2())), testkit.AnswerOK)
	f.ExpectToken(t, testkit.Compact(ps256, testkit.GoodClaims(testkit.Noon).String(), testkit.PS(crypto.SHA256, 32, testkit.RSAKey1())), testkit.AnswerWrongAlg)
}

// A resolver that no longer trusts an issuer ends its cached tokens too.
func TestResolveIssuerRevokes(t *testing.T) {
	t.Parallel()
	trusted := &auth0.Issuer{Domain: testkit.APIHost}
	var failure error
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) { return trusted, failure })
	token := testkit.GoodToken()
	f.ExpectToken(t, token, testkit.AnswerOK)
	f.ExpectToken(t, token, testkit.AnswerOK)
	trusted = nil
	f.ExpectToken(t, token, testkit.AnswerWrongIssuer)
	trusted, failure = &auth0.Issuer{Domain: testkit.APIHost}, errors.New("down")
	f.ExpectToken(t, token, testkit.AnswerNoKeys)
	failure = nil
	f.ExpectToken(t, token, testkit.AnswerOK)
	// The accepted audience has changed.
	trusted = &auth0.Issuer{Domain: testkit.APIHost, Audiences: []string{"other"}}
	f.ExpectToken(t, token, testkit.AnswerWrongAud)
	trusted = &auth0.Issuer{Domain: testkit.APIHost}
	f.ExpectToken(t, token, testkit.AnswerOK)
	trusted = &auth0.Issuer{Domain: testkit.APIHost, Algorithms: []string{"ES256"}}
	f.ExpectToken(t, token, testkit.AnswerWrongAlg)
	trusted = &auth0.Issuer{Domain: "u.example"}
	f.ExpectToken(t, token, testkit.AnswerWrongIssuer)
	// The audience changes while the keys stay the same.
	keys, err := auth0.StaticKeys([]byte(jwksOf(t, testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))))
	if err != nil {
		t.Fatal(err)
	}
	trusted = &auth0.Issuer{Domain: testkit.APIHost, Keys: keys}
	f.ExpectToken(t, token, testkit.AnswerOK)
	trusted = &auth0.Issuer{Domain: testkit.APIHost, Keys: keys, Audiences: []string{"other"}}
	f.ExpectToken(t, token, testkit.AnswerWrongAud)
	// The settings change, except the keys.
	trusted = &auth0.Issuer{Domain: testkit.APIHost, Keys: keys}
	f.ExpectToken(t, token, testkit.AnswerOK)
	if keys, err = auth0.StaticKeys([]byte(jwksOf(t, testkit.RSAJWK("k1", &testkit.RSAForeign().PublicKey)))); err != nil {
		t.Fatal(err)
	}
	trusted = &auth0.Issuer{Domain: testkit.APIHost, Keys: keys}
	f.ExpectToken(t, token, testkit.AnswerBadSignature)
}

// A provider can change the spelling of its name. Then a cached token with the old
// spelling is rejected.
func TestProviderChangesItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Domain, c.Now = testkit.APIIssuer, nil })
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		f.ExpectToken(t, token, testkit.AnswerOK)
		f.Tenant.EditDiscovery(func(doc map[string]any) { doc["issuer"] = "https://t.example" })
		time.Sleep(15 * time.Minute)
		f.ExpectToken(t, token, testkit.AnswerOK) // has the document fetched
		synctest.Wait()
		f.ExpectToken(t, token, testkit.AnswerWrongIssuer)
		time.Sleep(6 * time.Second)
	})
}

// Equal answers are one issuer with one set of keys, also if they are new values. A
// changed setting makes a new issuer.
func TestResolvedKeysAreKept(t *testing.T) {
	t.Parallel()
	audiences := []string{testkit.APIAudience}
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) {
		return &auth0.Issuer{Domain: testkit.APIHost, Audiences: slices.Clone(audiences), Algorithms: []string{"RS256"}}, nil
	})
	for i := range 20 {
		f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("jti", strconv.Quote(fmt.Sprint(i)))), testkit.AnswerOK)
	}
	f.ExpectFetches(t, 1)
	audiences = []string{testkit.APIAudience, "more"}
	for i := range 5 {
		f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, testkit.WithClaim("jti", strconv.Quote(fmt.Sprint(i)))), testkit.AnswerOK)
	}
	f.ExpectFetches(t, 2)
	// Static keys.
	secret := strings.Repeat("s", 32)
	shared, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	f, _ = newResolverFixture(t, func(string) (*auth0.Issuer, error) { return &auth0.Issuer{Domain: testkit.APIHost, Keys: shared}, nil })
	f.ExpectToken(t, testkit.Compact(`{"alg":"HS256"}`, testkit.GoodClaims(testkit.Noon).String(), testkit.HS256([]byte(secret))), testkit.AnswerOK)
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerWrongAlg)
	f.ExpectFetches(t, 0)
}

// A resolver that changes its answer afterwards changes nothing.
func TestResolvedIssuerIsCopied(t *testing.T) {
	t.Parallel()
	answer := &auth0.Issuer{Domain: testkit.APIHost, Audiences: []string{"x"}}
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) { return answer, nil })
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerWrongAud)
	answer.Audiences[0] = testkit.APIAudience
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
}

// Many requests bring the first tokens of many tenants.
func TestManyResolvedIssuers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, _ := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
			return &auth0.Issuer{Domain: strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/")}, nil
		}, func(c *auth0.APIConfig) { c.Now = nil })
		const tenants = 10
		tokens := make([]string, tenants)
		for i := range tokens {
			host := fmt.Sprintf("t%d.example", i)
			f.AddIssuer(t, host, testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)).Delay(testkit.JWKSEndpoint, time.Second)
			tokens[i] = testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(time.Now()).Set("iss", strconv.Quote("https://"+host+"/")).String(), testkit.RS256(testkit.RSAKey1()))
		}
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if status := f.StatusOf(t.Context(), tokens[i%tenants]); status != http.StatusOK {
					t.Errorf("status %d, want 200", status)
				}
			})
		}
		wg.Wait()
		if n := len(f.HostsAsked()); n != tenants {
			t.Errorf("%d fetches for %d tenants", n, tenants)
		}
		time.Sleep(6 * time.Second)
	})
}

// The API requests the document of a provider named by URL only for tokens that
// name this issuer.
func TestResolvedProvider(t *testing.T) {
	t.Parallel()
	f, _ := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
		if issuer != testkit.APIIssuer {
			return nil, nil
		}
		return &auth0.Issuer{Domain: "https://t.example"}, nil
	})
	f.ExpectToken(t, testkit.IssuedBy("https://t.example", testkit.RSAKey1()), testkit.AnswerWrongIssuer)
	if urls := f.Net.Asked(); len(urls) != 0 {
		t.Errorf("requests to %q, want none", urls)
	}
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	if n := f.Tenant.Calls(testkit.DiscoveryEndpoint); n != 1 {
		t.Errorf("%d requests for the document, want 1", n)
	}
}
