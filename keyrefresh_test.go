package auth0_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// A key that the issuer has revoked is not used from the moment that the keys were
// refreshed, neither for new tokens nor for those that are cached.
func TestKeySetRefreshDropsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newCacheFixture(t, func(c *auth0.APIConfig) { c.Now = nil })
		defer time.Sleep(6 * time.Second)
		one, another, two := tokenOf("k1", rsaKey1()), signed(goodHeader, goodClaims(time.Now()).set("sub", `"auth0|v"`)), tokenOf("k2", rsaKey2())
		f.expectCached(t, one, apiOK, false)
		f.expectCached(t, two, apiOK, false)
		f.publish(rsaJWK("k2", &rsaKey2().PublicKey))
		f.expectCached(t, one, apiOK, true) // nobody has said anything
		if err := f.api.KeySet(apiIssuer).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.expectFetches(t, 2)
		f.expectCached(t, one, apiUnknownKey, false)
		f.expectCached(t, another, apiUnknownKey, false)
		f.expectCached(t, two, apiOK, true) // is tied to its key, and not to the fetch
		// The same id for another key.
		f.publish(rsaJWK("k2", &rsaForeign().PublicKey))
		if err := f.api.KeySet(apiIssuer).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.expectCached(t, two, apiBadSignature, false)
	})
}

// What is cached is tied to the key of its own issuer's set.
func TestKeySetRefreshOfAResolvedIssuer(t *testing.T) {
	f, _ := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
		return &auth0.Issuer{Domain: strings.Trim(strings.TrimPrefix(issuer, "https://"), "/")}, nil
	})
	other := f.addIssuer(t, "a.example", rsaJWK("k1", &rsaKey2().PublicKey))
	if f.api.KeySet("https://a.example/") != nil {
		t.Error("there are keys of an issuer that nobody has asked for")
	}
	token := issuedBy("https://a.example/", rsaKey2())
	f.expectToken(t, token, apiOK)
	f.expectToken(t, goodToken(), apiOK)
	other.EditJWKS(func(doc map[string]any) { doc["keys"] = []jwk{rsaJWK("k9", &rsaForeign().PublicKey)} })
	if err := f.api.KeySet("https://a.example/").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.expectToken(t, token, apiUnknownKey)
	f.expectToken(t, goodToken(), apiOK)
	if f.api.KeySet("https://b.example/") != nil {
		t.Error("there are keys of a stranger")
	}
}

// What cannot be fetched leaves everything as it was, and says so.
func TestKeySetRefreshFails(t *testing.T) {
	for _, tt := range []struct {
		why  string
		make func(*apiFixture)
		says string
	}{
		{"outage", func(f *apiFixture) { f.tenant.Fail(emulator.JWKS, 500) }, "status 500"},
		{"too many requests", func(f *apiFixture) { f.tenant.Fail(emulator.JWKS, 429) }, "status 429"},
		{"no key", func(f *apiFixture) { f.publish() }, "0 of 0 keys"},
		{"no usable key", func(f *apiFixture) { f.publish(rsaJWK("k1", &rsaKey1().PublicKey).with("use", "enc")) }, "0 of 1 keys"},
		{"no document", func(f *apiFixture) {
			f.tenant.Replace(emulator.JWKS, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) })
		}, "not the expected JSON"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *apiFixture) {
				f.warm(t)
				token := tokenOf("k1", rsaKey1())
				f.expectToken(t, token, apiOK)
				tt.make(f)
				fetches := f.fetches()
				for range 2 { // a failure of before does not keep it from asking
					err := f.api.KeySet(apiIssuer).Refresh(t.Context())
					var e *auth0.Error
					if !errors.As(err, &e) || !errors.Is(err, auth0.ErrKeysUnavailable) || e.Status != 503 || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "2 of before stay in use") {
						t.Errorf("got %v", err)
					}
				}
				f.expectFetches(t, fetches+2)
				f.expectToken(t, token, apiOK)
				f.tenant.Fail(emulator.JWKS, 0)
				f.tenant.Replace(emulator.JWKS, nil)
				f.publish(rsaJWK("k2", &rsaKey2().PublicKey))
				if err := f.api.KeySet(apiIssuer).Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				f.expectToken(t, token, apiUnknownKey)
			})
		})
	}
}

// However many ask at once, the issuer is asked once; and the caller who goes away
// takes nothing from the others.
func TestKeySetRefreshAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		fetches := f.fetches()
		f.tenant.Delay(emulator.JWKS, time.Second)
		keys := f.api.KeySet(apiIssuer)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := keys.Refresh(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("whoever went away: %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			wg.Go(func() {
				if err := keys.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		cancel()
		wg.Wait()
		f.expectFetches(t, fetches+1)
	})
}

// A fetch that was begun before is not enough: the key can have been revoked since.
func TestKeySetRefreshIsNotAnEarlierFetch(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		asked := make(chan struct{})
		f.tenant.EditJWKS(func(doc map[string]any) { // is answered before, and arrives later
			doc["keys"] = []jwk{rsaJWK("k1", &rsaKey1().PublicKey)}
			select {
			case <-asked:
			default:
				close(asked)
				time.Sleep(time.Second)
			}
		})
		go f.verify(t.Context(), unverifiable("made-up"))
		<-asked
		f.publish(rsaJWK("k2", &rsaKey2().PublicKey))
		if err := f.api.KeySet(apiIssuer).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiUnknownKey)
		f.expectToken(t, tokenOf("k2", rsaKey2()), apiOK)
	})
}

func TestKeySetRefreshOfGivenKeys(t *testing.T) {
	keys, err := auth0.StaticKeys([]byte(jwksOf(t, rsaJWK("k1", &rsaKey1().PublicKey))))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := auth0.SharedSecret(strings.Repeat("s", 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*auth0.KeySet{keys, secret} {
		if err := k.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := new(auth0.KeySet).Refresh(t.Context()); err == nil {
		t.Error("the zero KeySet has been refreshed")
	}
	if e := newEnv(t); e.strategy.KeySet().Refresh(t.Context()) != nil || e.tenant.Calls(emulator.JWKS) != 1 {
		t.Error("the keys of a Strategy were not fetched")
	}
}

// A cache on the way is asked to look again, once there are keys.
func TestKeysAreAskedForAnew(t *testing.T) {
	f := newAPIFixture(t)
	f.expectToken(t, goodToken(), apiOK)
	if got := f.tenant.LastRequest(emulator.JWKS).Header.Get("Cache-Control"); got != "" {
		t.Errorf("first fetch: Cache-Control %q", got)
	}
	if err := f.api.KeySet(apiIssuer).Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.tenant.LastRequest(emulator.JWKS).Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Refresh: Cache-Control %q", got)
	}
}

// A key that could not be looked for is nobody's bad token: for an ID token from
// the browser that is an outage, and the log of a logout says so.
func TestKeysThatCouldNotBeLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, idTokenOnly, revocable)
		e.freshKeys()
		for i := range 5 {
			kid := "made-up-" + strconv.Itoa(i)
			reason, status := "unknown_kid", http.StatusBadRequest
			if i > 1 {
				reason, status = "keys_unavailable", http.StatusServiceUnavailable
			}
			e.tenant.EditIDToken(header("kid", kid))
			b := e.browser()
			resp := b.post(b.formAtTenant(b.begin("/auth/login")))
			if resp.status != status || e.lastReason() != reason || (resp.header.Get("Retry-After") != "") != (status == http.StatusServiceUnavailable) {
				t.Errorf("ID token %d: %d %s, want %d %s", i, resp.status, e.lastReason(), status, reason)
			}
		}
		e.end(e.tenant.LogoutToken(testClientID, "ada@acme.example", "", header("kid", "made-up")))
		if e.lastReason() != "keys_unavailable" {
			t.Errorf("logout token: %s", e.lastReason())
		}
	})
}
