package api_test

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
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A revoked key is not used after the keys are refreshed, neither for new tokens
// nor for cached ones.
func TestKeySetRefreshDropsKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		defer time.Sleep(6 * time.Second)
		one, another, two := testkit.TokenOf("k1", testkit.RSAKey1()), testkit.Signed(testkit.GoodHeader, testkit.GoodClaims(time.Now()).Set("sub", `"auth0|v"`)), testkit.TokenOf("k2", testkit.RSAKey2())
		f.ExpectCached(t, one, testkit.AnswerOK, false)
		f.ExpectCached(t, two, testkit.AnswerOK, false)
		f.Publish(testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
		f.ExpectCached(t, one, testkit.AnswerOK, true) // nothing has been refreshed
		if err := f.API.KeySet(testkit.APIIssuer).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.ExpectFetches(t, 2)
		f.ExpectCached(t, one, testkit.AnswerUnknownKey, false)
		f.ExpectCached(t, another, testkit.AnswerUnknownKey, false)
		f.ExpectCached(t, two, testkit.AnswerOK, true) // is tied to its key, and not to the fetch
		// Another key with the same id.
		f.Publish(testkit.RSAJWK("k2", &testkit.RSAForeign().PublicKey))
		if err := f.API.KeySet(testkit.APIIssuer).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.ExpectCached(t, two, testkit.AnswerBadSignature, false)
	})
}

// A cached token is tied to the key of its own issuer's set.
func TestKeySetRefreshOfAResolvedIssuer(t *testing.T) {
	t.Parallel()
	f, _ := newResolverFixture(t, func(issuer string) (*auth0.Issuer, error) {
		return &auth0.Issuer{Domain: strings.Trim(strings.TrimPrefix(issuer, "https://"), "/")}, nil
	})
	other := f.AddIssuer(t, "a.example", testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey))
	if f.API.KeySet("https://a.example/") != nil {
		t.Error("there are keys of an issuer that nobody has asked for")
	}
	token := testkit.IssuedBy("https://a.example/", testkit.RSAKey2())
	f.ExpectToken(t, token, testkit.AnswerOK)
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	other.EditJWKS(func(doc map[string]any) {
		doc["keys"] = []testkit.JWK{testkit.RSAJWK("k9", &testkit.RSAForeign().PublicKey)}
	})
	if err := f.API.KeySet("https://a.example/").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.ExpectToken(t, token, testkit.AnswerUnknownKey)
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	if f.API.KeySet("https://b.example/") != nil {
		t.Error("there are keys of a stranger")
	}
}

// A failed refresh changes nothing, and returns an error.
func TestKeySetRefreshFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why  string
		make func(*testkit.APIEnv)
		says string
	}{
		{"outage", func(f *testkit.APIEnv) { f.Tenant.Fail(testkit.JWKSEndpoint, 500) }, "status 500"},
		{"too many requests", func(f *testkit.APIEnv) { f.Tenant.Fail(testkit.JWKSEndpoint, 429) }, "status 429"},
		{"no key", func(f *testkit.APIEnv) { f.Publish() }, "0 of 0 keys"},
		{"no usable key", func(f *testkit.APIEnv) {
			f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey).With("use", "enc"))
		}, "0 of 1 keys"},
		{"no document", func(f *testkit.APIEnv) {
			f.Tenant.Replace(testkit.JWKSEndpoint, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) })
		}, "not the expected JSON"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
				f.Warm(t)
				token := testkit.TokenOf("k1", testkit.RSAKey1())
				f.ExpectToken(t, token, testkit.AnswerOK)
				tt.make(f)
				fetches := f.Fetches()
				for range 2 { // an earlier failure does not keep it from asking
					err := f.API.KeySet(testkit.APIIssuer).Refresh(t.Context())
					var e *auth0.Error
					if !errors.As(err, &e) || !errors.Is(err, auth0.ErrKeysUnavailable) || e.Status != 503 || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "2 of before stay in use") {
						t.Errorf("got %v", err)
					}
				}
				f.ExpectFetches(t, fetches+2)
				f.ExpectToken(t, token, testkit.AnswerOK)
				f.Tenant.Fail(testkit.JWKSEndpoint, 0)
				f.Tenant.Replace(testkit.JWKSEndpoint, nil)
				f.Publish(testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
				if err := f.API.KeySet(testkit.APIIssuer).Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				f.ExpectToken(t, token, testkit.AnswerUnknownKey)
			})
		})
	}
}

// Concurrent callers share one request (single-flight). A caller that goes away
// takes nothing from the others.
func TestKeySetRefreshAtOnce(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		fetches := f.Fetches()
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Second)
		keys := f.API.KeySet(testkit.APIIssuer)
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
		f.ExpectFetches(t, fetches+1)
	})
}

// An earlier fetch is not enough: the issuer can have revoked the key since.
func TestKeySetRefreshIsNotAnEarlierFetch(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		asked := make(chan struct{})
		f.Tenant.EditJWKS(func(doc map[string]any) { // answered before, and arrives later
			doc["keys"] = []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)}
			select {
			case <-asked:
			default:
				close(asked)
				time.Sleep(time.Second)
			}
		})
		go f.StatusOf(t.Context(), testkit.Unverifiable("made-up"))
		<-asked
		f.Publish(testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
		if err := f.API.KeySet(testkit.APIIssuer).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerUnknownKey)
		f.ExpectToken(t, testkit.TokenOf("k2", testkit.RSAKey2()), testkit.AnswerOK)
	})
}

func TestKeySetRefreshOfGivenKeys(t *testing.T) {
	t.Parallel()
	keys, err := auth0.StaticKeys([]byte(jwksOf(t, testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))))
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
	if e := testkit.SignedIn(t); e.Strategy.Application().KeySet().Refresh(t.Context()) != nil || e.Tenant.Calls(testkit.JWKSEndpoint) != 1 {
		t.Error("the keys of a Strategy were not fetched")
	}
}

// With cached keys, a request asks caches on the way to revalidate.
func TestKeysAreAskedForAnew(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	if got := f.Tenant.LastRequest(testkit.JWKSEndpoint).Header.Get("Cache-Control"); got != "" {
		t.Errorf("first fetch: Cache-Control %q", got)
	}
	if err := f.API.KeySet(testkit.APIIssuer).Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.Tenant.LastRequest(testkit.JWKSEndpoint).Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Refresh: Cache-Control %q", got)
	}
}

// A key that could not be looked up does not make a token bad. For an ID token from
// the browser it is an outage, and the log of a logout says so.
func TestKeysThatCouldNotBeLookedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, testkit.IDTokenOnly, testkit.Revocable)
		e.FreshKeys()
		for i := range 5 {
			kid := "made-up-" + strconv.Itoa(i)
			reason, status := "unknown_kid", http.StatusBadRequest
			if i > 1 {
				reason, status = "keys_unavailable", http.StatusServiceUnavailable
			}
			e.Tenant.EditIDToken(testkit.Header("kid", kid))
			b := e.Browser()
			resp := b.Post(b.FormAtTenant(b.Begin("/auth/login")))
			if resp.Status != status || e.LastReason() != reason || (resp.Header.Get("Retry-After") != "") != (status == http.StatusServiceUnavailable) {
				t.Errorf("ID token %d: %d %s, want %d %s", i, resp.Status, e.LastReason(), status, reason)
			}
		}
		e.EndByToken(e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.Header("kid", "made-up")))
		if e.LastReason() != "keys_unavailable" {
			t.Errorf("logout token: %s", e.LastReason())
		}
	})
}
