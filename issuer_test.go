package auth0_test

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
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// addIssuer puts one more tenant into the network of the fixture.
func (f *apiFixture) addIssuer(t *testing.T, host string, keys ...jwk) *emulator.Tenant {
	t.Helper()
	issuer, err := emulator.New(emulator.Config{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	issuer.EditJWKS(func(doc map[string]any) { doc["keys"] = keys })
	f.net.mu.Lock()
	defer f.net.mu.Unlock()
	f.net.handlers[host] = issuer
	return issuer
}

// issuedBy is a token with our claims of any issuer, under the id k1.
func issuedBy(issuer string, key *rsa.PrivateKey) string {
	return compact(goodHeader.String(), withClaim("iss", strconv.Quote(issuer)).String(), rs256(key))
}

// hostsAsked returns the hosts that were asked, in order.
func (f *apiFixture) hostsAsked() []string {
	var hosts []string
	for _, u := range f.net.asked() {
		host, _, _ := strings.Cut(strings.TrimPrefix(u, "https://"), "/")
		hosts = append(hosts, host)
	}
	return hosts
}

// Each issuer has its own keys: whoever runs one must not be able to speak for
// another, even with the same key id.
func TestSeveralIssuers(t *testing.T) {
	f := newAPIFixture(t, func(c *auth0.APIConfig) {
		c.Issuers = []auth0.Issuer{
			{Domain: "a.example"},
			{Domain: "b.example", Audiences: []string{"https://b-api.example/"}},
			{Domain: "c.example", Algorithms: []string{"PS256"}},
		}
	})
	f.publish(rsaJWK("k1", &rsaKey1().PublicKey))
	f.addIssuer(t, "a.example", rsaJWK("k1", &rsaKey2().PublicKey))
	f.addIssuer(t, "b.example", rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("kb", &rsaKey2().PublicKey))
	f.addIssuer(t, "c.example", rsaJWK("k1", &rsaKey2().PublicKey).with("alg", "PS256"))
	forB := func(kid, aud string, key *rsa.PrivateKey) string {
		claims := withClaim("iss", `"https://b.example/"`).set("aud", strconv.Quote(aud))
		return compact(goodHeader.set("kid", strconv.Quote(kid)).String(), claims.String(), rs256(key))
	}
	forC := func(alg string, sign signer) string {
		return compact(goodHeader.set("alg", strconv.Quote(alg)).String(), withClaim("iss", `"https://c.example/"`).String(), sign)
	}
	f.run(t, []tokenCase{
		{"first", issuedBy(apiIssuer, rsaKey1()), apiOK},
		{"second", issuedBy("https://a.example/", rsaKey2()), apiOK},
		{"first, key of the second", issuedBy(apiIssuer, rsaKey2()), apiBadSignature},
		{"second, key of the first", issuedBy("https://a.example/", rsaKey1()), apiBadSignature},
		{"first, key id of the third", compact(goodHeader.set("kid", `"kb"`).String(), goodClaims(noon).String(), rs256(rsaKey2())), apiUnknownKey},
		{"third", forB("k1", "https://b-api.example/", rsaKey1()), apiOK},
		{"third, other key", forB("kb", "https://b-api.example/", rsaKey2()), apiOK},
		{"third, audience of the others", forB("k1", apiAudience, rsaKey1()), apiWrongAud},
		{"first, audience of the third", signed(goodHeader, withClaim("aud", `"https://b-api.example/"`)), apiWrongAud},
		{"fourth", forC("PS256", ps(crypto.SHA256, 32, rsaKey2())), apiOK},
		{"fourth, algorithm of the others", forC("RS256", rs256(rsaKey2())), apiWrongAlg},
		{"first, algorithm of the fourth", compact(goodHeader.set("alg", `"PS256"`).String(), goodClaims(noon).String(), ps(crypto.SHA256, 32, rsaKey1())), apiWrongAlg},
		{"stranger", issuedBy("https://d.example/", rsaKey1()), apiWrongIssuer},
		{"second without a slash", issuedBy("https://a.example", rsaKey2()), apiWrongIssuer},
	})
	asked := slices.Compact(slices.Sorted(slices.Values(f.hostsAsked())))
	if want := []string{"a.example", "b.example", "c.example", "t.example"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	token, err := f.api.Verify(t.Context(), issuedBy("https://a.example/", rsaKey2()))
	if err != nil || token.Issuer() != "https://a.example/" {
		t.Errorf("got %v, %v", token, err)
	}
}

// The outage of one issuer is no outage of another.
func TestOutageOfOneIssuer(t *testing.T) {
	f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Issuers = []auth0.Issuer{{Domain: "a.example"}} })
	f.addIssuer(t, "a.example").Fail(emulator.JWKS, 503)
	f.run(t, []tokenCase{
		{"in reach", goodToken(), apiOK},
		{"out of reach", issuedBy("https://a.example/", rsaKey2()), apiNoKeys},
	})
	err := f.api.Warm(t.Context())
	if err == nil || strings.Contains(err.Error(), "t.example") || !strings.Contains(err.Error(), "https://a.example/.well-known/jwks.json") {
		t.Errorf("Warm: %v, want a complaint about a.example alone", err)
	}
	list := f.api.Status()
	if len(list) != 2 || list[0].Issuer != apiIssuer || list[0].Keys != 2 || list[0].Err != nil ||
		list[1].Issuer != "https://a.example/" || list[1].Keys != 0 || list[1].Err == nil {
		t.Errorf("Status: %+v", list)
	}
}

// A resolver notes whom it was asked about.
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

// newResolverFixture trusts whom the answer says, and nobody else.
func newResolverFixture(t *testing.T, answer func(issuer string) (*auth0.Issuer, error), edits ...func(*auth0.APIConfig)) (*apiFixture, *resolver) {
	t.Helper()
	r := &resolver{answer: answer}
	f := newAPIFixture(t, append([]func(*auth0.APIConfig){func(c *auth0.APIConfig) { c.Domain, c.ResolveIssuer = "", r.resolve }}, edits...)...)
	return f, r
}

func TestResolveIssuer(t *testing.T) {
	f, r := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
		switch issuer {
		case apiIssuer:
			return &auth0.Issuer{Domain: apiHost}, nil
		case "https://a.example/":
			return &auth0.Issuer{Domain: "a.example", Audiences: []string{"https://a-api.example/"}}, nil
		case "https://down.example/":
			return nil, errors.New("the database is down")
		case "https://mistake.example/":
			return &auth0.Issuer{Domain: "not a host"}, nil
		case "https://other.example/":
			return &auth0.Issuer{Domain: apiHost}, nil
		case "https://another.example/":
			return &auth0.Issuer{Domain: "https://id.example/"}, nil
		}
		return nil, nil
	})
	f.addIssuer(t, "a.example", rsaJWK("k1", &rsaKey2().PublicKey))
	a := withClaim("iss", `"https://a.example/"`)
	for _, tt := range []struct {
		why, token string
		want       apiAnswer
		asks       []string // the resolver
		hosts      []string // that are asked for keys
	}{
		{"stranger", issuedBy("https://stranger.example/", rsaKey1()), apiWrongIssuer, []string{"https://stranger.example/"}, nil},
		{"error", issuedBy("https://down.example/", rsaKey1()), apiNoKeys, []string{"https://down.example/"}, nil},
		{"mistake", issuedBy("https://mistake.example/", rsaKey1()), apiUnusable, []string{"https://mistake.example/"}, nil},
		{"answer about another", issuedBy("https://other.example/", rsaKey1()), apiWrongIssuer, []string{"https://other.example/"}, nil},
		{"answer about another provider", issuedBy("https://another.example/", rsaKey1()), apiWrongIssuer, []string{"https://another.example/"}, nil},
		{"malformed", "abc", apiMalformed, nil, nil},
		{"no iss", signed(goodHeader, goodClaims(noon).without("iss")), apiBadClaims, nil, nil},
		{"expired", signed(goodHeader, withClaim("exp", noonPlus(-60))), apiExpired, []string{apiIssuer}, nil},
		{"other audience", signed(goodHeader, withClaim("aud", `"x"`)), apiWrongAud, []string{apiIssuer}, nil},
		{"good", goodToken(), apiOK, []string{apiIssuer}, []string{apiHost}},
		{"good, the same again", goodToken(), apiOK, []string{apiIssuer}, nil},
		{"good, another", signed(goodHeader, withClaim("sub", `"auth0|v"`)), apiOK, []string{apiIssuer}, nil},
		{"second", compact(goodHeader.String(), a.set("aud", `"https://a-api.example/"`).String(), rs256(rsaKey2())), apiOK, []string{"https://a.example/"}, []string{"a.example"}},
		{"second, audience of the API", issuedBy("https://a.example/", rsaKey2()), apiWrongAud, []string{"https://a.example/"}, nil},
		{"second, key of the first", compact(goodHeader.String(), a.set("aud", `"https://a-api.example/"`).String(), rs256(rsaKey1())), apiBadSignature, []string{"https://a.example/"}, nil},
		{"algorithm that nobody allowed", compact(goodHeader.set("alg", `"PS256"`).String(), goodClaims(noon).String(), ps(crypto.SHA256, 32, rsaKey1())), apiWrongAlg, []string{apiIssuer}, nil},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r.takeAsked()
			before := len(f.hostsAsked())
			f.expectToken(t, tt.token, tt.want)
			if asked := r.takeAsked(); !slices.Equal(asked, tt.asks) {
				t.Errorf("the resolver was asked about %q, want %q", asked, tt.asks)
			}
			if hosts := f.hostsAsked()[before:]; !slices.Equal(hosts, tt.hosts) {
				t.Errorf("asked %q for keys, want %q", hosts, tt.hosts)
			}
		})
	}
	if list := f.api.Status(); len(list) != 0 {
		t.Errorf("Status: %+v, want none for issuers that are not configured", list)
	}
}

// Who is configured is not asked about.
func TestResolveIssuerBesideDomain(t *testing.T) {
	r := &resolver{answer: func(string) (*auth0.Issuer, error) { return nil, errors.New("down") }}
	f := newAPIFixture(t, func(c *auth0.APIConfig) { c.ResolveIssuer = r.resolve })
	f.expectToken(t, goodToken(), apiOK)
	if asked := r.takeAsked(); asked != nil {
		t.Errorf("asked about %q", asked)
	}
	f.expectToken(t, issuedBy("https://a.example/", rsaKey1()), apiNoKeys)
	// What it allows may differ.
	r.answer = func(string) (*auth0.Issuer, error) {
		return &auth0.Issuer{Domain: "a.example", Algorithms: []string{"PS256"}}, nil
	}
	f.addIssuer(t, "a.example", rsaJWK("k1", &rsaKey2().PublicKey).with("alg", "PS256"))
	ps256 := goodHeader.set("alg", `"PS256"`).String()
	f.expectToken(t, compact(ps256, withClaim("iss", `"https://a.example/"`).String(), ps(crypto.SHA256, 32, rsaKey2())), apiOK)
	f.expectToken(t, compact(ps256, goodClaims(noon).String(), ps(crypto.SHA256, 32, rsaKey1())), apiWrongAlg)
}

// A resolver that finds an issuer no longer trusted ends tokens that are
// remembered too.
func TestResolveIssuerRevokes(t *testing.T) {
	trusted := &auth0.Issuer{Domain: apiHost}
	var failure error
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) { return trusted, failure })
	token := goodToken()
	f.expectToken(t, token, apiOK)
	f.expectToken(t, token, apiOK)
	trusted = nil
	f.expectToken(t, token, apiWrongIssuer)
	trusted, failure = &auth0.Issuer{Domain: apiHost}, errors.New("down")
	f.expectToken(t, token, apiNoKeys)
	failure = nil
	f.expectToken(t, token, apiOK)
	// The audience that is accepted there has changed.
	trusted = &auth0.Issuer{Domain: apiHost, Audiences: []string{"other"}}
	f.expectToken(t, token, apiWrongAud)
	trusted = &auth0.Issuer{Domain: apiHost}
	f.expectToken(t, token, apiOK)
	trusted = &auth0.Issuer{Domain: apiHost, Algorithms: []string{"ES256"}}
	f.expectToken(t, token, apiWrongAlg)
	trusted = &auth0.Issuer{Domain: "u.example"}
	f.expectToken(t, token, apiWrongIssuer)
	// The same while the keys stay the same.
	keys, err := auth0.StaticKeys([]byte(jwksOf(t, rsaJWK("k1", &rsaKey1().PublicKey))))
	if err != nil {
		t.Fatal(err)
	}
	trusted = &auth0.Issuer{Domain: apiHost, Keys: keys}
	f.expectToken(t, token, apiOK)
	trusted = &auth0.Issuer{Domain: apiHost, Keys: keys, Audiences: []string{"other"}}
	f.expectToken(t, token, apiWrongAud)
	// And while all but the keys does.
	trusted = &auth0.Issuer{Domain: apiHost, Keys: keys}
	f.expectToken(t, token, apiOK)
	if keys, err = auth0.StaticKeys([]byte(jwksOf(t, rsaJWK("k1", &rsaForeign().PublicKey)))); err != nil {
		t.Fatal(err)
	}
	trusted = &auth0.Issuer{Domain: apiHost, Keys: keys}
	f.expectToken(t, token, apiBadSignature)
}

// A provider may decide for the other spelling of its name. Then that of a token
// that is remembered is no longer good.
func TestProviderChangesItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Domain, c.Now = apiIssuer, nil })
		token := tokenOf("k1", rsaKey1())
		f.expectToken(t, token, apiOK)
		f.tenant.EditDiscovery(func(doc map[string]any) { doc["issuer"] = "https://t.example" })
		time.Sleep(15 * time.Minute)
		f.expectToken(t, token, apiOK) // has the document fetched
		synctest.Wait()
		f.expectToken(t, token, apiWrongIssuer)
		time.Sleep(6 * time.Second)
	})
}

// Equal answers are one issuer with one set of keys, whoever makes them anew;
// what a changed answer changes begins anew.
func TestResolvedKeysAreKept(t *testing.T) {
	audiences := []string{apiAudience}
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) {
		return &auth0.Issuer{Domain: apiHost, Audiences: slices.Clone(audiences), Algorithms: []string{"RS256"}}, nil
	})
	for i := range 20 {
		f.expectToken(t, signed(goodHeader, withClaim("jti", strconv.Quote(fmt.Sprint(i)))), apiOK)
	}
	f.expectFetches(t, 1)
	audiences = []string{apiAudience, "more"}
	for i := range 5 {
		f.expectToken(t, signed(goodHeader, withClaim("jti", strconv.Quote(fmt.Sprint(i)))), apiOK)
	}
	f.expectFetches(t, 2)
	// Keys that are given.
	secret := strings.Repeat("s", 32)
	shared, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	f, _ = newResolverFixture(t, func(string) (*auth0.Issuer, error) { return &auth0.Issuer{Domain: apiHost, Keys: shared}, nil })
	f.expectToken(t, compact(`{"alg":"HS256"}`, goodClaims(noon).String(), hs256([]byte(secret))), apiOK)
	f.expectToken(t, goodToken(), apiWrongAlg)
	f.expectFetches(t, 0)
}

// An answer that the resolver changes afterwards is its own affair.
func TestResolvedIssuerIsCopied(t *testing.T) {
	answer := &auth0.Issuer{Domain: apiHost, Audiences: []string{"x"}}
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) { return answer, nil })
	f.expectToken(t, goodToken(), apiWrongAud)
	answer.Audiences[0] = apiAudience
	f.expectToken(t, goodToken(), apiOK)
}

// Many requests bring the first tokens of many tenants.
func TestManyResolvedIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
			return &auth0.Issuer{Domain: strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/")}, nil
		}, func(c *auth0.APIConfig) { c.Now = nil })
		const tenants = 10
		tokens := make([]string, tenants)
		for i := range tokens {
			host := fmt.Sprintf("t%d.example", i)
			f.addIssuer(t, host, rsaJWK("k1", &rsaKey1().PublicKey)).Delay(emulator.JWKS, time.Second)
			tokens[i] = compact(goodHeader.String(), goodClaims(time.Now()).set("iss", strconv.Quote("https://"+host+"/")).String(), rs256(rsaKey1()))
		}
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if status := f.verify(t.Context(), tokens[i%tenants]); status != http.StatusOK {
					t.Errorf("status %d, want 200", status)
				}
			})
		}
		wg.Wait()
		if n := len(f.hostsAsked()); n != tenants {
			t.Errorf("%d fetches for %d tenants", n, tenants)
		}
		time.Sleep(6 * time.Second)
	})
}

// A provider named by URL is asked for its document only for tokens that say
// they are from there.
func TestResolvedProvider(t *testing.T) {
	f, _ := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
		if issuer != apiIssuer {
			return nil, nil
		}
		return &auth0.Issuer{Domain: "https://t.example"}, nil
	})
	f.expectToken(t, issuedBy("https://t.example", rsaKey1()), apiWrongIssuer)
	if urls := f.net.asked(); len(urls) != 0 {
		t.Errorf("requests to %q, want none", urls)
	}
	f.expectToken(t, goodToken(), apiOK)
	if n := f.tenant.Calls(emulator.Discovery); n != 1 {
		t.Errorf("%d requests for the document, want 1", n)
	}
}
