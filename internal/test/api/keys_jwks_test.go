package api_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
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

// within fails the test if f takes longer, by the clock of the bubble.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > limit {
		t.Errorf("it took %v, want at most %v", took, limit)
	}
}

func TestColdStartFetchesOnce(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Second)
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if status := f.StatusOf(t.Context(), token); status != 200 {
					t.Errorf("status %d, want 200", status)
				}
			})
		}
		wg.Wait()
		f.ExpectFetches(t, 1)
		for range 10000 {
			if status := f.StatusOf(t.Context(), testkit.Unverifiable("k1")); status != 401 {
				t.Fatalf("status %d, want 401", status)
			}
		}
		f.ExpectFetches(t, 1)
		// The layout of an Auth0 tenant is known, so the API needs no discovery.
		if want := []string{"https://t.example/.well-known/jwks.json"}; !slices.Equal(f.Net.Asked(), want) {
			t.Errorf("requests to %q, want %q", f.Net.Asked(), want)
		}
	})
}

// NewAPI sends no request: a program starts while its tenant is down.
func TestNewAPIFetchesNothing(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		time.Sleep(48 * time.Hour)
		if urls := f.Net.Asked(); len(urls) != 0 {
			t.Errorf("requests to %q, want none", urls)
		}
	})
}

// No request waits for a refresh of the JWKS.
func TestRefreshInTheBackground(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Delay(testkit.JWKSEndpoint, 4*time.Second)
		time.Sleep(4 * time.Minute) // the tenant says 15 seconds, which counts as 5 minutes
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
		synctest.Wait()
		f.ExpectFetches(t, 1)
		time.Sleep(2 * time.Minute) // and up to a minute more
		within(t, 0, func() {
			for range 100 {
				f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
			}
		})
		synctest.Wait()
		f.ExpectFetches(t, 2)
		time.Sleep(5 * time.Second)
		within(t, 0, func() { f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK) })
		synctest.Wait()
		f.ExpectFetches(t, 2)
	})
}

// The server's Cache-Control counts within limits: Auth0 sends 15 seconds.
func TestRefreshInterval(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cacheControl string
		least, most  time.Duration
	}{
		{"", 7*time.Minute + 12*time.Second, 8*time.Minute + 48*time.Second},
		{"no-store", 7*time.Minute + 12*time.Second, 8*time.Minute + 48*time.Second},
		{"max-age=x", 7*time.Minute + 12*time.Second, 8*time.Minute + 48*time.Second},
		{"public, max-age=15, stale-while-revalidate=15", 5 * time.Minute, 6 * time.Minute},
		{"max-age=0", 5 * time.Minute, 6 * time.Minute},
		{"max-age=-1", 5 * time.Minute, 6 * time.Minute},
		{"public,Max-Age=1800", 21*time.Minute + 36*time.Second, 26*time.Minute + 24*time.Second},
		{"max-age=3600", 43*time.Minute + 12*time.Second, 52*time.Minute + 48*time.Second},
		{"max-age=1000000000", 43*time.Minute + 12*time.Second, 52*time.Minute + 48*time.Second},
		{"s-maxage=3600", 7*time.Minute + 12*time.Second, 8*time.Minute + 48*time.Second},
	} {
		t.Run(tt.cacheControl, func(t *testing.T) {
			testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
				body, err := json.Marshal(map[string]any{"keys": []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)}})
				if err != nil {
					t.Fatal(err)
				}
				f.Tenant.Replace(testkit.JWKSEndpoint, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", tt.cacheControl)
					w.Write(body)
				})
				token := testkit.Unverifiable("k1")
				begin := time.Now()
				for f.StatusOf(t.Context(), token); f.Fetches() < 2 && time.Since(begin) < 24*time.Hour; synctest.Wait() {
					time.Sleep(time.Second)
					f.StatusOf(t.Context(), token)
				}
				if interval := time.Since(begin); interval < tt.least || interval > tt.most+time.Second {
					t.Errorf("refreshed after %v, want %v to %v", interval, tt.least, tt.most)
				}
			})
		})
	}
}

// During an outage of the issuer, users keep working for a day, and the issuer gets
// few requests.
func TestOutage(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		begin := time.Now()
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		f.Warm(t)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		f.Log.Take()
		asked := 0
		for time.Since(begin) < 24*time.Hour {
			if asked++; asked%60 == 1 {
				f.ExpectToken(t, token, testkit.AnswerOK)
			} else if status := f.StatusOf(t.Context(), testkit.Unverifiable("k1")); status != 401 {
				t.Fatalf("status %d after %v, want 401", status, time.Since(begin))
			}
			synctest.Wait()
			time.Sleep(10 * time.Second)
		}
		if n := f.Fetches(); n < 1000 || n > 24*60*2 {
			t.Errorf("%d fetches in a day, want about one in half a minute", n)
		}
		if log := f.Log.Take(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "using_old_keys=true") {
			t.Error("the outage is not in the log")
		}
		f.ExpectToken(t, token, testkit.AnswerNoKeys)
		if log := f.Log.Take(); !strings.Contains(log, "level=WARN") {
			t.Errorf("that there are no keys is not logged as a warning: %s", log)
		}
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		time.Sleep(34 * time.Second) // the longest time between two attempts
		f.ExpectToken(t, token, testkit.AnswerOK)
	})
}

// The API uses cached keys for exactly a day.
func TestKeysExpire(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		f.Warm(t)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		time.Sleep(24*time.Hour - time.Second)
		f.ExpectToken(t, token, testkit.AnswerOK)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		f.ExpectToken(t, token, testkit.AnswerNoKeys)
	})
}

// After a failure the API leaves the issuer alone, for longer each time.
func TestBackoff(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		within(t, 0, func() { f.ExpectToken(t, token, testkit.AnswerNoKeys) })
		within(t, 0, func() {
			for range 1000 {
				if status := f.StatusOf(t.Context(), token); status != 503 {
					t.Fatalf("status %d, want 503", status)
				}
			}
		})
		f.ExpectFetches(t, 1)
		last := time.Now()
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			for f.Fetches() == i+1 {
				time.Sleep(50 * time.Millisecond)
				f.StatusOf(t.Context(), token)
			}
			want *= time.Second
			if gap := time.Since(last); gap < want || gap > want+want/10+50*time.Millisecond {
				t.Errorf("fetch %d came after %v, want %v", i+2, gap, want)
			}
			last = time.Now()
		}
		// A success resets the backoff.
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		time.Sleep(34 * time.Second)
		f.ExpectToken(t, token, testkit.AnswerOK)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		time.Sleep(10 * time.Minute)
		f.ExpectToken(t, token, testkit.AnswerOK)
		synctest.Wait()
		n := f.Fetches()
		time.Sleep(1200 * time.Millisecond)
		f.ExpectToken(t, token, testkit.AnswerOK)
		synctest.Wait()
		f.ExpectFetches(t, n+1)
	})
}

// The issuer can ask to be left alone for longer, within limits.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		header      string
		least, most time.Duration
	}{
		{"40", 40 * time.Second, 41 * time.Second},
		{"86400", time.Minute, 61 * time.Second},
		{"0", time.Second, 2 * time.Second},
		{"soon", time.Second, 2 * time.Second},
	} {
		t.Run(tt.header, func(t *testing.T) {
			testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
				f.Tenant.Replace(testkit.JWKSEndpoint, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", tt.header)
					w.WriteHeader(http.StatusTooManyRequests)
				})
				begin := time.Now()
				f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerNoKeys)
				f.Tenant.Replace(testkit.JWKSEndpoint, nil)
				for f.StatusOf(t.Context(), testkit.Unverifiable("k1")) == 503 {
					time.Sleep(100 * time.Millisecond)
				}
				if took := time.Since(begin); took < tt.least || took > tt.most {
					t.Errorf("asked again after %v, want %v to %v", took, tt.least, tt.most)
				}
			})
		})
	}
}

func TestHangingIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		defer time.Sleep(6 * time.Second)
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Hour)
		begin := time.Now()
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerNoKeys)
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the request waited %v, want 5s", took)
		}
		time.Sleep(2 * time.Second)
		// A request with less time does not wait longer than its deadline.
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin = time.Now()
		f.ExpectWhole(t, f.API.RequireAuth(f), testkit.BearerRequest(testkit.TokenOf("k1", testkit.RSAKey1())).WithContext(ctx), testkit.AnswerNoKeys)
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("the request waited %v, want 2s", took)
		}
		f.ExpectFetches(t, 2)
	})
}

// A client that goes away gets no answer, and takes nothing from the clients that
// wait with it.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Tenant.Delay(testkit.JWKSEndpoint, 2*time.Second)
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			f.API.RequireAuth(f).ServeHTTP(w, testkit.BearerRequest(token).WithContext(ctx))
		}()
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Millisecond) // behind the client that started the fetch
			if status := f.StatusOf(t.Context(), token); status != 200 {
				t.Errorf("the other request: status %d, want 200", status)
			}
		})
		time.Sleep(time.Second)
		cancel()
		within(t, 0, func() { <-gone })
		if w.Code != 503 || f.Served.Load() != 0 {
			t.Errorf("status %d, %d calls of the handler, want 503 and none", w.Code, f.Served.Load())
		}
		if log := f.Log.Take(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
			t.Errorf("a client who goes away is no trouble of ours: %s", log)
		}
		wg.Wait()
		f.ExpectFetches(t, 1)
	})
	// Without HTTP, the error has the cause.
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Tenant.Delay(testkit.JWKSEndpoint, 2*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := f.API.Verify(ctx, testkit.TokenOf("k1", testkit.RSAKey1()))
		var e *auth0.Error
		if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || errors.Is(err, auth0.ErrKeysUnavailable) {
			t.Errorf("got %v, want an *auth0.Error because of %v", err, context.Canceled)
		}
	})
}

// A client goes away while keys are fetched for its token alone.
func TestClientGoesAwayWithUnknownKeyID(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Delay(testkit.JWKSEndpoint, 2*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		w := httptest.NewRecorder()
		f.API.RequireAuth(f).ServeHTTP(w, testkit.BearerRequest(testkit.Unverifiable("k3")).WithContext(ctx))
		if w.Code != 503 {
			t.Errorf("status %d, want 503", w.Code)
		}
	})
}

// Only the request can tell that the client has gone. A fetch can be canceled for
// other reasons, for example by a transport that is shut down, and an empty answer
// would be 200.
func TestCanceledFetchIsAnOutage(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	f.Config.HTTPClient = &http.Client{Transport: roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, context.Canceled })}
	api, err := auth0.NewAPI(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	f.ExpectWhole(t, api.RequireAuth(f), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerNoKeys)
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A new key works from its first token.
func TestRotation(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Tenant.EditJWKS(nil)
		ours := testkit.ClaimIn("exp", 86400)
		for range 3 { // twice the next key was published before
			f.ExpectToken(t, f.Tenant.AccessToken("auth0|u", testkit.APIAudience, ours), testkit.AnswerOK)
			f.Tenant.RotateKeys()
		}
		f.ExpectFetches(t, 2)
		f.ExpectToken(t, f.Tenant.AccessToken("auth0|u", testkit.APIAudience, ours), testkit.AnswerOK)
		f.ExpectFetches(t, 2)
		f.Tenant.SignWithForeignKey(true)
		f.ExpectToken(t, f.Tenant.AccessToken("auth0|u", testkit.APIAudience, ours), testkit.AnswerBadSignature)
		f.ExpectFetches(t, 2)
	})
}

// Many requests bring the first token of a new key at the same time.
func TestRotationIsOneFetch(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Publish(testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Second)
		token := testkit.TokenOf("k3", testkit.RSAKey2())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if status := f.StatusOf(t.Context(), token); status != 200 {
					t.Errorf("status %d, want 200", status)
				}
			})
		}
		wg.Wait()
		f.ExpectFetches(t, 2)
	})
}

// Strangers can make up key ids.
func TestForgedKeyIDs(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		forge := func(kids string) int {
			f.ExpectToken(t, testkit.Unverifiable(kids), testkit.AnswerUnknownKey)
			return f.Fetches()
		}
		within(t, 0, func() {
			for i := range 10000 {
				if status := f.StatusOf(t.Context(), testkit.Unverifiable("forged"+strconv.Itoa(i))); status != 401 {
					t.Fatalf("status %d, want 401", status)
				}
				if i%1000 == 0 {
					f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
				}
			}
		})
		f.ExpectFetches(t, 3)
		forge("another")
		f.ExpectFetches(t, 3)
		// After half a minute one more fetch is allowed.
		time.Sleep(29 * time.Second)
		forge("a")
		f.ExpectFetches(t, 3)
		time.Sleep(2 * time.Second)
		forge("b")
		forge("c")
		f.ExpectFetches(t, 4)
		time.Sleep(28 * time.Second)
		forge("d")
		f.ExpectFetches(t, 4)
		// After any pause, two fetches are allowed at most.
		time.Sleep(4 * time.Minute)
		for i := range 10 {
			forge(strconv.Itoa(i))
		}
		f.ExpectFetches(t, 6)
	})
}

// A rotation in the middle of such an attack is late by half a minute at most.
func TestRotationUnderAttack(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		attack := func() {
			for i := range 50 {
				f.StatusOf(t.Context(), testkit.Unverifiable(fmt.Sprint(time.Now().UnixNano(), "-", i)))
			}
		}
		attack()
		f.Publish(testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		begin := time.Now()
		token := testkit.TokenOf("k3", testkit.RSAKey2())
		for f.StatusOf(t.Context(), token) != 200 {
			time.Sleep(time.Second)
			attack()
			if time.Since(begin) > time.Minute {
				break
			}
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("tokens of the new key were refused for %v, want at most 30s", took)
		}
		f.ExpectFetches(t, 4)
	})
}

// A client that asks with a forged key id and goes away must not get back the cost
// of its fetch. Otherwise the bucket would never be empty.
func TestForgedKeyIDsOfClientsWhoGoAway(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Delay(testkit.JWKSEndpoint, 100*time.Millisecond)
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if i%2 == 0 {
				cancel()
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(10*time.Millisecond, cancel)
			}
			f.StatusOf(ctx, testkit.Unverifiable("forged"+strconv.Itoa(i)))
			cancel()
			time.Sleep(200 * time.Millisecond)
		}
		f.ExpectFetches(t, 3)
	})
}

// A program behind a slow proxy gives its client more time, for every request that a
// token needs: the discovery document, the JWKS, and a new kid.
func TestTimeoutOfTheProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Now, c.HTTPClient.Timeout = nil, 30*time.Second })
		f.Tenant.Delay(testkit.JWKSEndpoint, 6*time.Second)
		within(t, 6*time.Second, func() { f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK) })
		f.Publish(testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		within(t, 6*time.Second, func() { f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerOK) })
		f.ExpectFetches(t, 2)
	})
}

// The issuer answers, but not within the time that a request waits for a key.
func TestForgedKeyIDsAndASlowIssuer(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Delay(testkit.JWKSEndpoint, 4*time.Second)
		begin := time.Now()
		for i := 0; time.Since(begin) < 25*time.Second; i++ {
			within(t, 3*time.Second, func() { f.ExpectToken(t, testkit.Unverifiable("forged"+strconv.Itoa(i)), testkit.AnswerUnknownKey) })
			time.Sleep(time.Second)
		}
		f.ExpectFetches(t, 3)
	})
}

// An unknown key id is not looked up again while a cache can keep the answer, which is
// 15 seconds with Auth0.
func TestUnknownKeyIDIsRemembered(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		for range 5 {
			f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey)
			time.Sleep(2900 * time.Millisecond)
		}
		f.ExpectFetches(t, 2)
		time.Sleep(time.Second)
		f.Publish(testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerOK)
		f.ExpectFetches(t, 3)
	})
}

// An unknown id is cached for the keys of that time: newer keys can have it.
func TestUnknownKeyIDIsForgottenWithTheKeys(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey)
		f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		f.ExpectToken(t, testkit.Unverifiable("k4"), testkit.AnswerUnknownKey)
		f.ExpectFetches(t, 3)
		f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerOK)
	})
	// The id can be in the keys after the next ones, too.
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey)
		time.Sleep(10 * time.Minute) // two more fetches saved up
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey)
		f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k4", &testkit.RSAKey1().PublicKey))
		f.ExpectToken(t, testkit.TokenOf("k4", testkit.RSAKey1()), testkit.AnswerOK)
		f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerOK)
	})
}

// An unknown key id during an outage is the client's fault while the keys are
// young, and ours when they are old. Either way the fetch costs nothing that the
// next rotation needs.
func TestUnknownKeyIDDuringAnOutage(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey)
		f.ExpectFetches(t, 2)
		// No fetch during backoff, even with a full bucket.
		for i := range 10 {
			f.ExpectToken(t, testkit.Unverifiable("other"+strconv.Itoa(i)), testkit.AnswerUnknownKey)
		}
		f.ExpectFetches(t, 2)
		for i, wait := range []time.Duration{1200, 2300, 4500} {
			time.Sleep(wait * time.Millisecond)
			f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey)
			f.ExpectFetches(t, 3+i)
		}
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		f.Publish(testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		time.Sleep(9 * time.Second)
		f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerOK)
		f.ExpectFetches(t, 6)
		f.ExpectToken(t, testkit.Unverifiable("k4"), testkit.AnswerUnknownKey)
		f.ExpectFetches(t, 7)
	})
	// The issuer hangs: the fetch fails after the request has been answered.
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Hour)
		for i := range 4 {
			within(t, 3*time.Second, func() { f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey) })
			f.ExpectFetches(t, 2+i)
			time.Sleep([]time.Duration{4, 5, 7, 11}[i] * time.Second)
		}
		f.Tenant.Delay(testkit.JWKSEndpoint, 0)
		f.Publish(testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerOK)
	})
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		time.Sleep(10 * time.Minute)
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerNoKeys)
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerNoKeys) // during backoff too
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
	})
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerNoKeys)
	})
}

// A fetch for an unknown id refreshes the keys as any other does.
func TestUnknownKeyIDRefreshesKeys(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		time.Sleep(3 * time.Minute)
		f.ExpectToken(t, testkit.Unverifiable("k3"), testkit.AnswerUnknownKey)
		f.ExpectFetches(t, 2)
		time.Sleep(4 * time.Minute)
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
		synctest.Wait()
		f.ExpectFetches(t, 2)
	})
}

// A token that is rejected anyway causes no look-up of its key.
func TestUnknownKeyIDOfBadTokens(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		header := testkit.GoodHeader.Set("kid", `"k3"`)
		for name, value := range map[string]string{"iss": `"https://u.example/"`, "aud": `"x"`, "exp": "1"} {
			if status := f.StatusOf(t.Context(), testkit.Signed(header, testkit.GoodClaims(time.Now()).Set(name, value))); status != 401 {
				t.Errorf("%s: status %d, want 401", name, status)
			}
		}
		f.ExpectFetches(t, 1)
	})
}

// A wrong signature causes no fetch.
func TestBadSignaturesFetchNothing(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		for range 10000 {
			if status := f.StatusOf(t.Context(), testkit.Unverifiable("k1")); status != 401 {
				t.Fatalf("status %d, want 401", status)
			}
		}
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAForeign()), testkit.AnswerBadSignature)
		f.ExpectFetches(t, 1)
	})
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		one, two := testkit.TokenOf("k1", testkit.RSAKey1()), testkit.TokenOf("k2", testkit.RSAKey2())
		f.Publish(testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
		time.Sleep(10 * time.Minute)
		f.ExpectToken(t, two, testkit.AnswerOK)
		synctest.Wait()
		f.ExpectToken(t, one, testkit.AnswerUnknownKey)
		f.ExpectToken(t, two, testkit.AnswerOK)
		// Another key with the same id.
		f.Publish(testkit.RSAJWK("k2", &testkit.RSAForeign().PublicKey))
		time.Sleep(10 * time.Minute)
		f.ExpectToken(t, two, testkit.AnswerOK)
		synctest.Wait()
		f.ExpectToken(t, two, testkit.AnswerBadSignature)
		f.ExpectToken(t, testkit.TokenOf("k2", testkit.RSAForeign()), testkit.AnswerOK)
	})
}

// After a machine slept, or a service had no visitors, the next request causes the
// refresh.
func TestRefreshAfterDays(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		time.Sleep(25 * time.Hour)
		f.Publish(testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
		f.ExpectToken(t, testkit.TokenOf("k2", testkit.RSAKey2()), testkit.AnswerOK)
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerUnknownKey)
	})
}

// keyCase is a key that an issuer publishes.
type keyCase struct {
	why string
	key testkit.JWK
}

// modulus is an odd number of that many bits.
func modulus(bits uint) string {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return testkit.Segment(string(n.Add(n, big.NewInt(12345)).Bytes()))
}

// unusableKeys are kinds of keys that must never verify a signature.
func unusableKeys() []keyCase {
	good := testkit.RSAJWK("x", &testkit.RSAKey2().PublicKey)
	point := testkit.ECJWK("x", "ES256", &testkit.ECKey().PublicKey)
	cases := []keyCase{
		{"for encryption", good.With("use", "enc")},
		{"for something else", good.With("use", "other")},
		{"to encrypt", good.With("key_ops", []string{"encrypt"})},
		{"to sign", good.With("key_ops", []string{"sign"})},
		{"to do nothing", good.With("key_ops", []string{})},
		{"encryption algorithm", good.With("alg", "RSA-OAEP-256")},
		{"algorithm of another kind", good.With("alg", "ES256")},
		{"shared secret algorithm", good.With("alg", "HS256")},
		{"algorithm none", good.With("alg", "none")},
		{"algorithm nobody knows", good.With("alg", "RS257")},
		{"algorithm in lower case", good.With("alg", "rs256")},
		{"algorithm of another type", good.With("alg", 256)},
		{"id of another type", good.With("kid", 1)},
		{"unknown kind", good.With("kty", "XYZ")},
		{"no kind", good.With("kty", nil)},
		{"kind of another type", good.With("kty", 1)},
		{"no modulus", good.With("n", nil)},
		{"modulus that is no Base64", good.With("n", "!!!")},
		{"empty modulus", good.With("n", "")},
		{"no exponent", good.With("e", nil)},
		{"1,024 bits", testkit.RSAJWK("x", &testkit.RSAShort().PublicKey)},
		{"2,047 bits", good.With("n", modulus(2047))},
		{"8,193 bits", good.With("n", modulus(8193))},
		{"16,384 bits", good.With("n", modulus(16384))},
		{"exponent 1", good.With("e", "AQ")},
		{"even exponent", good.With("e", "AQAA")},
		{"exponent 2", good.With("e", "Ag")},
		{"long exponent", good.With("e", "AQAAAAE")},
		{"exponent that wraps round", good.With("e", "AQAAAAAAAQAB")},
		{"garbage certificate", good.With("x5c", []string{"!!"})},
		{"private", good.With("d", testkit.Segment(string(testkit.RSAKey2().D.Bytes())))},
		{"private, complete", good.With("d", testkit.Segment(string(testkit.RSAKey2().D.Bytes()))).
			With("p", testkit.Segment(string(testkit.RSAKey2().Primes[0].Bytes()))).With("q", testkit.Segment(string(testkit.RSAKey2().Primes[1].Bytes())))},
		{"shared secret", testkit.JWK{"kty": "oct", "kid": "x", "use": "sig", "k": testkit.Segment(strings.Repeat("s", 32))}},
		{"shared secret that says RS256", testkit.JWK{"kty": "oct", "kid": "x", "use": "sig", "alg": "RS256", "k": testkit.Segment(strings.Repeat("s", 32))}},
		{"off the curve", point.With("x", testkit.Segment(strings.Repeat("\x01", 32)))},
		{"point at zero", point.With("x", testkit.Segment(strings.Repeat("\x00", 32))).With("y", testkit.Segment(strings.Repeat("\x00", 32)))},
		{"coordinate too long", point.With("x", testkit.Segment(strings.Repeat("\x01", 33)))},
		{"no coordinate", point.With("y", nil)},
		{"curve nobody knows", point.With("crv", "P-999")},
		{"curve of coins", point.With("crv", "secp256k1").With("alg", "ES256K")},
		{"curve of another size", point.With("crv", "P-384").With("alg", nil)},
		{"algorithm of another curve", point.With("alg", "ES384")},
		{"Ed448", testkit.JWK{"kty": "OKP", "kid": "x", "crv": "Ed448", "x": testkit.Segment(strings.Repeat("a", 57))}},
		{"X25519", testkit.JWK{"kty": "OKP", "kid": "x", "crv": "X25519", "x": testkit.Segment(strings.Repeat("a", 32))}},
		{"Ed25519, too short", testkit.EdJWK("x", make([]byte, 31))},
		{"Ed25519, too long", testkit.EdJWK("x", make([]byte, 33))},
		{"Ed25519, empty", testkit.EdJWK("x", nil)},
		{"Ed25519 that says ES256", testkit.EdJWK("x", testkit.EdKey().Public().(ed25519.PublicKey)).With("alg", "ES256")},
	}
	// Signatures for points of low order fit any message.
	for _, point := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		key, err := hex.DecodeString(point)
		if err != nil {
			panic(err)
		}
		negative := slices.Clone(key)
		negative[31] |= 0x80
		cases = append(cases, keyCase{"low order " + point[:4], testkit.EdJWK("x", key)}, keyCase{"low order -" + point[:4], testkit.EdJWK("x", negative)})
	}
	return cases
}

// One unusable key must not cost the others, and must not be used.
func TestUnusableKeys(t *testing.T) {
	t.Parallel()
	cases := unusableKeys()
	good := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)
	for _, tt := range cases {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t, testkit.Algorithms(testkit.AllAlgorithms...))
			f.Publish(tt.key, good)
			f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
			for _, alg := range testkit.AllAlgorithms {
				header := testkit.GoodHeader.Set("alg", strconv.Quote(alg)).Set("kid", `"x"`)
				f.ExpectToken(t, testkit.Compact(header.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.Constant(make([]byte, 64))), testkit.AnswerUnknownKey)
			}
			// Alone it makes no valid key set.
			f = testkit.NewAPIEnv(t, testkit.Algorithms(testkit.AllAlgorithms...))
			f.Publish(tt.key)
			f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerNoKeys)
		})
	}
	t.Run("all of them and a good one", func(t *testing.T) {
		f := testkit.NewAPIEnv(t)
		keys := []testkit.JWK{good}
		for _, tt := range cases {
			keys = append(keys, tt.key)
		}
		f.Publish(keys...)
		f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
		// A token without an id is accepted, so none of the other keys counts.
		f.ExpectToken(t, testkit.Signed(testkit.GoodHeader.Without("kid"), testkit.GoodClaims(testkit.Noon)), testkit.AnswerOK)
		// A skipped key is not our fault, and its content is not logged.
		if log := f.Log.Take(); strings.Contains(log, testkit.Segment(strings.Repeat("s", 32))) {
			t.Errorf("the log has a shared secret: %s", log)
		}
	})
}

// With the identity as the key, the identity and zero are a signature of every
// text.
func TestLowOrderForgery(t *testing.T) {
	t.Parallel()
	identity := make([]byte, 32)
	identity[0] = 1
	f := testkit.NewAPIEnv(t, testkit.Algorithms("EdDSA"))
	f.Publish(testkit.EdJWK("x", identity), testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
	header := testkit.GoodHeader.Set("alg", `"EdDSA"`).Set("kid", `"x"`)
	f.ExpectToken(t, testkit.Compact(header.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.Constant(append(identity, make([]byte, 32)...))), testkit.AnswerUnknownKey)
}

func TestUsableKeys(t *testing.T) {
	t.Parallel()
	good := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)
	for _, tt := range []keyCase{
		{"no use", good.With("use", nil)},
		{"no algorithm", good.With("alg", nil)},
		{"to verify", good.With("use", nil).With("key_ops", []string{"verify"})},
		{"to verify and more", good.With("key_ops", []string{"sign", "verify"})},
		{"unknown members", good.With("x", map[string]any{"y": 1}).With("ext", true)},
		{"URL of a certificate", good.With("x5u", "https://evil.example/")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t)
			f.Publish(tt.key)
			f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
		})
	}
}

// Keys at the limits are used: the reason for rejecting the signature shows it.
func TestKeyLimits(t *testing.T) {
	t.Parallel()
	good := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)
	for _, tt := range []keyCase{
		{"2,048 bits", good.With("n", modulus(2048))},
		{"8,192 bits", good.With("n", modulus(8192))},
		{"exponent 3", good.With("e", "Aw")},
		{"largest exponent", good.With("e", "f____w")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t)
			f.Publish(tt.key)
			f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerBadSignature)
		})
	}
}

// Two keys can have one id. The API bounds the attempts: a signature check is the
// most expensive operation that a token can cause.
func TestSeveralKeysOfOneID(t *testing.T) {
	t.Parallel()
	good, other := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey)
	curve := testkit.ECJWK("k1", "ES256", &testkit.ECKey().PublicKey)
	for _, tt := range []struct {
		why  string
		keys []testkit.JWK
		want testkit.Answer
	}{
		{"second", []testkit.JWK{other, good}, testkit.AnswerOK},
		{"fourth", []testkit.JWK{other, other, other, good}, testkit.AnswerOK},
		{"fifth", []testkit.JWK{other, other, other, other, good}, testkit.AnswerBadSignature},
		{"fifth, but the others do not fit", []testkit.JWK{curve, curve, curve, curve, good}, testkit.AnswerOK},
		{"none", []testkit.JWK{other, other}, testkit.AnswerBadSignature},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t)
			f.Publish(tt.keys...)
			f.ExpectToken(t, testkit.GoodToken(), tt.want)
		})
	}
}

func TestNumberOfKeys(t *testing.T) {
	t.Parallel()
	var keys []testkit.JWK
	for i := range 100 {
		keys = append(keys, testkit.RSAJWK("other"+strconv.Itoa(i), &testkit.RSAKey2().PublicKey))
	}
	good := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)
	f := testkit.NewAPIEnv(t)
	f.Publish(append(keys[:99:99], good)...)
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	f = testkit.NewAPIEnv(t)
	f.Publish(append(keys, good)...)
	if f.StatusOf(t.Context(), testkit.GoodToken()) != 401 {
		t.Error("more than 100 keys are used")
	}
	if log := f.Log.Take(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "keys=101") {
		t.Errorf("that keys were left out is not logged: %s", log)
	}
}

// A document that is not a key set is a failure, and leaves the cached keys.
func TestBadKeyDocuments(t *testing.T) {
	t.Parallel()
	document, err := json.Marshal(map[string]any{"keys": []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	good := string(document)
	const limit = 1 << 20
	evil := testkit.NewAPIEnv(t) // the redirects lead there
	evil.Publish(testkit.RSAJWK("k1", &testkit.RSAForeign().PublicKey))
	redirect := func(status int, location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, location, status) }
	}
	write := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for _, tt := range []struct {
		why    string
		handle http.HandlerFunc
		ok     bool
	}{
		{"good", write(200, good), true},
		{"as large as allowed", write(200, good+strings.Repeat(" ", limit-len(good))), true},
		{"larger", write(200, good+strings.Repeat(" ", limit+1-len(good))), false},
		{"much larger", write(200, `{"x":"`+strings.Repeat("x", 2*limit)+`",`+good[1:]), false},
		{"no keys", write(200, `{"keys":[]}`), false},
		{"keys are null", write(200, `{"keys":null}`), false},
		{"keys are an object", write(200, `{"keys":{}}`), false},
		{"keys are no objects", write(200, `{"keys":[null,1,"k1",[]]}`), false},
		{"no member keys", write(200, `{}`), false},
		{"array", write(200, `[`+good+`]`), false},
		{"null", write(200, `null`), false},
		{"empty", write(200, ``), false},
		{"page", write(200, `<html><body>Not found</body></html>`), false},
		{"cut off", write(200, good[:len(good)-20]), false},
		{"text behind it", write(200, good+"x"), false},
		{"created", write(201, good), false},
		{"partial", write(206, good), false},
		{"not found, with keys", write(404, good), false},
		{"too many requests, with keys", write(429, good), false},
		{"error, with keys", write(500, good), false},
		{"redirect to another host", redirect(302, "https://evil.example/.well-known/jwks.json"), false},
		{"permanent redirect to another host", redirect(308, "https://evil.example/.well-known/jwks.json"), false},
		{"redirect to http", redirect(302, "http://t.example/keys"), false},
		{"redirect on the same host", redirect(302, "https://t.example/keys"), false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
				f.Net.Handle("evil.example", evil.Tenant)
				f.Tenant.Replace(testkit.JWKSEndpoint, tt.handle)
				token := testkit.TokenOf("k1", testkit.RSAKey1())
				want := testkit.AnswerNoKeys
				if tt.ok {
					want = testkit.AnswerOK
				}
				f.ExpectToken(t, token, want)
				for _, url := range f.Net.Asked() {
					if url != "https://t.example/.well-known/jwks.json" {
						t.Errorf("request to %s", url)
					}
				}
			})
			testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
				f.Warm(t)
				f.Tenant.Replace(testkit.JWKSEndpoint, tt.handle)
				token := testkit.TokenOf("k1", testkit.RSAKey1())
				time.Sleep(10 * time.Minute)
				f.ExpectToken(t, token, testkit.AnswerOK)
				synctest.Wait()
				f.ExpectToken(t, token, testkit.AnswerOK)
				f.ExpectToken(t, testkit.TokenOf("k2", testkit.RSAKey2()), testkit.AnswerOK)
			})
		})
	}
}

// A request for the JWKS has no header that could be used against us.
func TestKeyRequest(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	r := f.Tenant.LastRequest(testkit.JWKSEndpoint)
	if r.Method != "GET" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.URL.RawQuery != "" {
		t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
	}
}

// A provider named by URL publishes the URL of its keys itself, within limits.
func TestDiscoveredKeys(t *testing.T) {
	t.Parallel()
	const issuer = "https://id.example/realms/a"
	keys := map[string]any{"keys": []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)}}
	document := func() map[string]any {
		return map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/certs"}
	}
	for _, tt := range []struct {
		why     string
		domain  string
		edit    func(map[string]any)
		origins []string
		iss     string
		want    testkit.Answer
	}{
		{"good", issuer, func(map[string]any) {}, nil, issuer, testkit.AnswerOK},
		{"other issuer in the token", issuer, func(map[string]any) {}, nil, "https://id.example/realms/b", testkit.AnswerWrongIssuer},
		{"slash in the token only", issuer, func(map[string]any) {}, nil, issuer + "/", testkit.AnswerWrongIssuer},
		{"slash in the configuration only", issuer + "/", func(map[string]any) {}, nil, issuer, testkit.AnswerOK},
		{"slash in the document binds tokens", issuer, func(d map[string]any) { d["issuer"] = issuer + "/" }, nil, issuer + "/", testkit.AnswerOK},
		{"slash in the document binds tokens without", issuer, func(d map[string]any) { d["issuer"] = issuer + "/" }, nil, issuer, testkit.AnswerWrongIssuer},
		{"document of another issuer", issuer, func(d map[string]any) { d["issuer"] = "https://evil.example/" }, nil, issuer, testkit.AnswerNoKeys},
		{"document of an issuer in other case", issuer, func(d map[string]any) { d["issuer"] = "https://ID.example/realms/a" }, nil, issuer, testkit.AnswerNoKeys},
		{"document without issuer", issuer, func(d map[string]any) { delete(d, "issuer") }, nil, issuer, testkit.AnswerNoKeys},
		{"no key address", issuer, func(d map[string]any) { delete(d, "jwks_uri") }, nil, issuer, testkit.AnswerNoKeys},
		{"key address of http", issuer, func(d map[string]any) { d["jwks_uri"] = "http://id.example/realms/a/certs" }, nil, issuer, testkit.AnswerNoKeys},
		{"key address elsewhere", issuer, func(d map[string]any) { d["jwks_uri"] = "https://keys.example/certs" }, nil, issuer, testkit.AnswerNoKeys},
		{"key address elsewhere, allowed", issuer, func(d map[string]any) { d["jwks_uri"] = "https://keys.example/certs" }, []string{"https://keys.example"}, issuer, testkit.AnswerOK},
		{"key address on another port", issuer, func(d map[string]any) { d["jwks_uri"] = "https://id.example:8443/certs" }, nil, issuer, testkit.AnswerNoKeys},
		{"key address below the name", issuer, func(d map[string]any) { d["jwks_uri"] = "https://id.example.evil.example/certs" }, nil, issuer, testkit.AnswerNoKeys},
	} {
		t.Run(tt.why, func(t *testing.T) {
			doc := document()
			tt.edit(doc)
			mux := http.NewServeMux()
			answer := func(v any) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(v) }
			}
			mux.HandleFunc("/realms/a/.well-known/openid-configuration", answer(doc))
			mux.HandleFunc("/realms/a/certs", answer(keys))
			mux.HandleFunc("/certs", answer(keys))
			f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Domain, c.EndpointOrigins = tt.domain, tt.origins })
			f.Net.SetHosts(testkit.Hosts{"id.example": mux, "keys.example": mux, "id.example:8443": mux, "id.example.evil.example": mux})
			claims := testkit.WithClaim("iss", strconv.Quote(tt.iss))
			f.ExpectToken(t, testkit.Signed(testkit.GoodHeader, claims), tt.want)
			if tt.want == testkit.AnswerNoKeys && len(f.Net.Asked()) != 1 {
				t.Errorf("requests to %q, want one for the document", f.Net.Asked())
			}
		})
	}
}

// An unavailable document is an outage too, and is requested once.
func TestDiscoveryOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Domain, c.Now = testkit.APIIssuer, nil })
		f.Tenant.Fail(testkit.DiscoveryEndpoint, 503)
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		for range 10 {
			f.ExpectToken(t, token, testkit.AnswerNoKeys)
		}
		if n := f.Tenant.Calls(testkit.DiscoveryEndpoint); n != 1 || f.Fetches() != 0 {
			t.Errorf("%d requests for the document and %d for keys, want 1 and 0", n, f.Fetches())
		}
		f.Tenant.Fail(testkit.DiscoveryEndpoint, 0)
		time.Sleep(1200 * time.Millisecond)
		f.ExpectToken(t, token, testkit.AnswerOK)
		// From then on the document can be unavailable for a day, as the keys can.
		f.Tenant.Fail(testkit.DiscoveryEndpoint, 503)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		time.Sleep(23 * time.Hour)
		f.ExpectToken(t, token, testkit.AnswerOK)
		synctest.Wait()
	})
}

// Login and API of one program share their keys.
func TestSharedKeys(t *testing.T) {
	t.Parallel()
	tenant := auth0test.NewTenant(t)
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	config := tenant.APIConfig(auth0test.Audience)
	config.Keys = strategy.Application().KeySet()
	for range 2 {
		api, err := auth0.NewAPI(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := api.Verify(t.Context(), tenant.AccessToken()); err != nil {
			t.Error(err)
		}
	}
	if _, err := strategy.Application().KeySet().VerifySignature(t.Context(), tenant.IDToken()); err != nil {
		t.Error(err)
	}
	if n := tenant.JWKSFetches(); n != 1 {
		t.Errorf("%d fetches of keys, want 1", n)
	}
	// Keys of one issuer say nothing about the tokens of another.
	config.Domain = "other.example"
	if api, err := auth0.NewAPI(config); api != nil || err == nil || !strings.Contains(err.Error(), "APIConfig.Keys ") {
		t.Errorf("keys of another issuer: got %v, %v", api, err)
	}
}

// A KeySet for other libraries checks signature and form, and no claim.
func TestVerifySignature(t *testing.T) {
	t.Parallel()
	issuer := auth0test.NewTenant(t)
	config := issuer.Config()
	config.Logger = slog.New(slog.DiscardHandler)
	strategy, err := auth0.New(config)
	if err != nil {
		t.Fatal(err)
	}
	keys := strategy.Application().KeySet()
	token := issuer.IDToken(auth0test.ExpiresIn(-time.Hour), auth0test.Claim("iss", "https://other.example/"))
	payload, err := keys.VerifySignature(t.Context(), token)
	var claims struct{ Iss string }
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Iss != "https://other.example/" {
		t.Errorf("got %s, %v", payload, err)
	}
	part := strings.Split(token, ".")
	issuer.SignWithForeignKey(true)
	forged := issuer.IDToken()
	issuer.SignWithForeignKey(false)
	bad := map[string]string{
		"empty":             "",
		"other key":         forged,
		"other payload":     part[0] + "." + testkit.Segment("{}") + "." + part[2],
		"no signature":      part[0] + "." + part[1] + ".",
		"none":              testkit.Segment(`{"alg":"none"}`) + "." + part[1] + ".",
		"trailing line":     token + "\n",
		"extension":         issuer.IDToken(auth0test.Header("crit", []string{"x"})),
		"unknown key":       issuer.IDToken(auth0test.Header("kid", "other")),
		"public key as MAC": issuer.IDToken(auth0test.Header("alg", "HS256")),
	}
	for why, token := range bad {
		payload, err := keys.VerifySignature(t.Context(), token)
		if payload != nil || err == nil {
			t.Errorf("%s: got %s, %v", why, payload, err)
		}
	}
	issuer.FailJWKS(503)
	if strategy, err = auth0.New(config); err != nil {
		t.Fatal(err)
	}
	_, outage := strategy.Application().KeySet().VerifySignature(t.Context(), token)
	if outage == nil {
		t.Error("a signature was accepted without keys")
	}
	// Errors about tokens have one type here, too.
	_, refused := keys.VerifySignature(t.Context(), forged)
	for _, err := range []error{refused, outage} {
		if e := (*auth0.Error)(nil); !errors.As(err, &e) {
			t.Errorf("the error is a %T, want an *auth0.Error", err)
		}
	}
	if !errors.Is(outage, auth0.ErrKeysUnavailable) {
		t.Errorf("%v is not ErrKeysUnavailable", outage)
	}
}

// Requests of every kind come while keys rotate, fail and are revoked. The race
// detector watches.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		ones := testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)
		tokens := []string{testkit.TokenOf("k1", testkit.RSAKey1()), testkit.TokenOf("k2", testkit.RSAKey2()), testkit.Unverifiable("k1"), "abc"}
		h := f.API.RequireAuth(f.API.RequireScope("read:m")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, _ := auth0.TokenFrom(r.Context())
			claims, err := auth0.Claims[map[string]any](r.Context())
			if err != nil || claims["sub"] != token.Subject() {
				t.Errorf("claims %v, %v", claims, err)
			}
		})))
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				for j := range 30 {
					token := tokens[(i+j)%len(tokens)]
					if j%7 == 0 {
						token = testkit.Unverifiable(fmt.Sprint("forged", i, j))
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, testkit.BearerRequest(token))
					if want := map[string]int{tokens[0]: 200}[token]; want != 0 && w.Code != want {
						t.Errorf("k1: status %d, want %d: %s", w.Code, want, w.Body)
					}
					time.Sleep(time.Duration(i+1) * time.Second)
				}
			})
		}
		for i := range 20 {
			f.Tenant.Delay(testkit.JWKSEndpoint, time.Duration(i%3)*time.Second)
			f.Publish(ones, testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey), testkit.RSAJWK(fmt.Sprint("k", i), &testkit.RSAForeign().PublicKey))
			time.Sleep(time.Minute)
			f.Tenant.Fail(testkit.JWKSEndpoint, 503*(i%2))
		}
		wg.Wait()
	})
}

// A log line about keys is one line, whatever text an issuer sends.
func TestLogOfKeys(t *testing.T) {
	t.Parallel()
	f := testkit.NewAPIEnv(t)
	f.Publish(testkit.RSAJWK("a\nlevel=ERROR msg=forged\u2028", &testkit.RSAKey2().PublicKey).With("use", "enc"), testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
	f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK)
	log := f.Log.Take()
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, "\u2028") {
			t.Errorf("log line %q", line)
		}
	}
	if strings.Count(log, "level=DEBUG") != 1 || !strings.Contains(log, "enc") {
		t.Errorf("the log does not say which key was left out: %q", log)
	}
}
