package auth0_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
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
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// inBubble runs a test about time. Its fixture has the clock of the bubble. A
// fetch that does not end by itself in time fails the test.
func inBubble(t *testing.T, test func(t *testing.T, f *apiFixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, newAPIFixture(t, func(c *auth0.APIConfig) { c.Now = nil }))
		time.Sleep(6 * time.Second)
	})
}

// tokenOf is a token that is good for three days from now, of a key of ours
// under any id.
func tokenOf(kid string, key *rsa.PrivateKey) string {
	header := goodHeader.set("kid", strconv.Quote(kid))
	claims := goodClaims(time.Now()).set("exp", strconv.FormatInt(time.Now().Unix()+3*86400, 10))
	return compact(header.String(), claims.String(), rs256(key))
}

// unverifiable is a token whose key is looked up, and whose signature costs
// nothing to refuse.
func unverifiable(kid string) string {
	header := goodHeader.set("kid", strconv.Quote(kid))
	claims := goodClaims(time.Now()).set("exp", strconv.FormatInt(time.Now().Unix()+3*86400, 10))
	return compact(header.String(), claims.String(), constant([]byte{1}))
}

// verify returns the status of a token.
func (f *apiFixture) verify(ctx context.Context, token string) int {
	_, err := f.api.Verify(ctx, token)
	var e *auth0.Error
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &e):
		return e.Status
	}
	return 0
}

// warm lets the API fetch keys once.
func (f *apiFixture) warm(t *testing.T) {
	t.Helper()
	f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
	f.expectFetches(t, 1)
}

func (f *apiFixture) expectFetches(t *testing.T, want int) {
	t.Helper()
	if got := f.fetches(); got != want {
		t.Errorf("%d fetches of keys, want %d", got, want)
	}
}

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
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.tenant.Delay(emulator.JWKS, time.Second)
		token := tokenOf("k1", rsaKey1())
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if status := f.verify(t.Context(), token); status != 200 {
					t.Errorf("status %d, want 200", status)
				}
			})
		}
		wg.Wait()
		f.expectFetches(t, 1)
		for range 10000 {
			if status := f.verify(t.Context(), unverifiable("k1")); status != 401 {
				t.Fatalf("status %d, want 401", status)
			}
		}
		f.expectFetches(t, 1)
		// The layout of an Auth0 tenant is known: nothing is discovered.
		if want := []string{"https://t.example/.well-known/jwks.json"}; !slices.Equal(f.net.asked(), want) {
			t.Errorf("requests to %q, want %q", f.net.asked(), want)
		}
	})
}

// Making an API asks nobody: a program starts while its tenant is down.
func TestNewAPIFetchesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		time.Sleep(48 * time.Hour)
		if urls := f.net.asked(); len(urls) != 0 {
			t.Errorf("requests to %q, want none", urls)
		}
	})
}

// A refresh is paid by nobody who waits.
func TestRefreshInTheBackground(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.tenant.Delay(emulator.JWKS, 4*time.Second)
		time.Sleep(4 * time.Minute) // the tenant says 15 seconds, which counts as 5 minutes
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
		synctest.Wait()
		f.expectFetches(t, 1)
		time.Sleep(2 * time.Minute) // and up to a minute more
		within(t, 0, func() {
			for range 100 {
				f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
			}
		})
		synctest.Wait()
		f.expectFetches(t, 2)
		time.Sleep(5 * time.Second)
		within(t, 0, func() { f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK) })
		synctest.Wait()
		f.expectFetches(t, 2)
	})
}

// What the server says counts within limits: Auth0 sends 15 seconds.
func TestRefreshInterval(t *testing.T) {
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
			inBubble(t, func(t *testing.T, f *apiFixture) {
				body, err := json.Marshal(map[string]any{"keys": []jwk{rsaJWK("k1", &rsaKey1().PublicKey)}})
				if err != nil {
					t.Fatal(err)
				}
				f.tenant.Replace(emulator.JWKS, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", tt.cacheControl)
					w.Write(body)
				})
				token := unverifiable("k1")
				begin := time.Now()
				for f.verify(t.Context(), token); f.fetches() < 2 && time.Since(begin) < 24*time.Hour; synctest.Wait() {
					time.Sleep(time.Second)
					f.verify(t.Context(), token)
				}
				if interval := time.Since(begin); interval < tt.least || interval > tt.most+time.Second {
					t.Errorf("refreshed after %v, want %v to %v", interval, tt.least, tt.most)
				}
			})
		})
	}
}

// An outage of the issuer ends nobody's work for a day, and costs the issuer
// little.
func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		begin := time.Now()
		token := tokenOf("k1", rsaKey1())
		f.warm(t)
		f.tenant.Fail(emulator.JWKS, 503)
		f.log.take()
		asked := 0
		for time.Since(begin) < 24*time.Hour {
			if asked++; asked%60 == 1 {
				f.expectToken(t, token, apiOK)
			} else if status := f.verify(t.Context(), unverifiable("k1")); status != 401 {
				t.Fatalf("status %d after %v, want 401", status, time.Since(begin))
			}
			synctest.Wait()
			time.Sleep(10 * time.Second)
		}
		if n := f.fetches(); n < 1000 || n > 24*60*2 {
			t.Errorf("%d fetches in a day, want about one in half a minute", n)
		}
		if log := f.log.take(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "using_old_keys=true") {
			t.Error("the outage is not in the log")
		}
		f.expectToken(t, token, apiNoKeys)
		if log := f.log.take(); !strings.Contains(log, "level=WARN") {
			t.Errorf("that there are no keys is not logged as a warning: %s", log)
		}
		f.tenant.Fail(emulator.JWKS, 0)
		time.Sleep(34 * time.Second) // the longest time between two attempts
		f.expectToken(t, token, apiOK)
	})
}

// Keys of a day ago are used to the second.
func TestKeysExpire(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		token := tokenOf("k1", rsaKey1())
		f.warm(t)
		f.tenant.Fail(emulator.JWKS, 503)
		time.Sleep(24*time.Hour - time.Second)
		f.expectToken(t, token, apiOK)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		f.expectToken(t, token, apiNoKeys)
	})
}

// After a failure the issuer is left alone, for longer each time.
func TestBackoff(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		token := tokenOf("k1", rsaKey1())
		f.tenant.Fail(emulator.JWKS, 503)
		within(t, 0, func() { f.expectToken(t, token, apiNoKeys) })
		within(t, 0, func() {
			for range 1000 {
				if status := f.verify(t.Context(), token); status != 503 {
					t.Fatalf("status %d, want 503", status)
				}
			}
		})
		f.expectFetches(t, 1)
		last := time.Now()
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			for f.fetches() == i+1 {
				time.Sleep(50 * time.Millisecond)
				f.verify(t.Context(), token)
			}
			want *= time.Second
			if gap := time.Since(last); gap < want || gap > want+want/10+50*time.Millisecond {
				t.Errorf("fetch %d came after %v, want %v", i+2, gap, want)
			}
			last = time.Now()
		}
		// A success forgets the failures.
		f.tenant.Fail(emulator.JWKS, 0)
		time.Sleep(34 * time.Second)
		f.expectToken(t, token, apiOK)
		f.tenant.Fail(emulator.JWKS, 503)
		time.Sleep(10 * time.Minute)
		f.expectToken(t, token, apiOK)
		synctest.Wait()
		n := f.fetches()
		time.Sleep(1200 * time.Millisecond)
		f.expectToken(t, token, apiOK)
		synctest.Wait()
		f.expectFetches(t, n+1)
	})
}

// The issuer may ask to be left alone for longer, within reason.
func TestRetryAfter(t *testing.T) {
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
			inBubble(t, func(t *testing.T, f *apiFixture) {
				f.tenant.Replace(emulator.JWKS, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", tt.header)
					w.WriteHeader(http.StatusTooManyRequests)
				})
				begin := time.Now()
				f.expectToken(t, tokenOf("k1", rsaKey1()), apiNoKeys)
				f.tenant.Replace(emulator.JWKS, nil)
				for f.verify(t.Context(), unverifiable("k1")) == 503 {
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
	synctest.Test(t, func(t *testing.T) {
		// The client of the program may be patient.
		f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Now, c.HTTPClient.Timeout = nil, time.Hour })
		defer time.Sleep(6 * time.Second)
		f.tenant.Delay(emulator.JWKS, time.Hour)
		begin := time.Now()
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiNoKeys)
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the request waited %v, want 5s", took)
		}
		time.Sleep(2 * time.Second)
		// A request with less time does not wait longer than it has.
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin = time.Now()
		f.expect(t, f.api.RequireAuth(f), bearerRequest(tokenOf("k1", rsaKey1())).WithContext(ctx), apiNoKeys)
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("the request waited %v, want 2s", took)
		}
		f.expectFetches(t, 2)
	})
}

// Who goes away is answered with nothing, and takes nothing from those who
// wait with him.
func TestClientGoesAway(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.tenant.Delay(emulator.JWKS, 2*time.Second)
		token := tokenOf("k1", rsaKey1())
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			f.api.RequireAuth(f).ServeHTTP(w, bearerRequest(token).WithContext(ctx))
		}()
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Millisecond) // behind the one who began
			if status := f.verify(t.Context(), token); status != 200 {
				t.Errorf("the other request: status %d, want 200", status)
			}
		})
		time.Sleep(time.Second)
		cancel()
		within(t, 0, func() { <-gone })
		if w.Code != 503 || f.served.Load() != 0 {
			t.Errorf("status %d, %d calls of the handler, want 503 and none", w.Code, f.served.Load())
		}
		if log := f.log.take(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
			t.Errorf("a client who goes away is no trouble of ours: %s", log)
		}
		wg.Wait()
		f.expectFetches(t, 1)
	})
	// Without HTTP the cause is in the error.
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.tenant.Delay(emulator.JWKS, 2*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := f.api.Verify(ctx, tokenOf("k1", rsaKey1()))
		var e *auth0.Error
		if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || errors.Is(err, auth0.ErrKeysUnavailable) {
			t.Errorf("got %v, want an *auth0.Error because of %v", err, context.Canceled)
		}
	})
}

// The same while keys are fetched for his token alone.
func TestClientGoesAwayWithUnknownKeyID(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.tenant.Delay(emulator.JWKS, 2*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		w := httptest.NewRecorder()
		f.api.RequireAuth(f).ServeHTTP(w, bearerRequest(unverifiable("k3")).WithContext(ctx))
		if w.Code != 503 {
			t.Errorf("status %d, want 503", w.Code)
		}
	})
}

// Only the request can say that the client has gone. A fetch can be canceled
// for other reasons, by a transport that is shut down for one, and an answer
// without a word would be 200.
func TestCanceledFetchIsAnOutage(t *testing.T) {
	f := newAPIFixture(t)
	f.cfg.HTTPClient = &http.Client{Transport: roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, context.Canceled })}
	api, err := auth0.NewAPI(f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.expect(t, api.RequireAuth(f), bearerRequest(goodToken()), apiNoKeys)
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A new key works from its first token.
func TestRotation(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.tenant.EditJWKS(nil)
		ours := func(_, claims map[string]any) { claims["exp"] = time.Now().Unix() + 86400 }
		for range 3 { // twice the next key was published before
			f.expectToken(t, f.tenant.AccessToken("auth0|u", apiAudience, ours), apiOK)
			f.tenant.RotateKeys()
		}
		f.expectFetches(t, 2)
		f.expectToken(t, f.tenant.AccessToken("auth0|u", apiAudience, ours), apiOK)
		f.expectFetches(t, 2)
		f.tenant.SignWithForeignKey(true)
		f.expectToken(t, f.tenant.AccessToken("auth0|u", apiAudience, ours), apiBadSignature)
		f.expectFetches(t, 2)
	})
}

// Many requests bring the first token of a new key at the same time.
func TestRotationIsOneFetch(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.publish(rsaJWK("k3", &rsaKey2().PublicKey))
		f.tenant.Delay(emulator.JWKS, time.Second)
		token := tokenOf("k3", rsaKey2())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if status := f.verify(t.Context(), token); status != 200 {
					t.Errorf("status %d, want 200", status)
				}
			})
		}
		wg.Wait()
		f.expectFetches(t, 2)
	})
}

// Anybody can make up key ids.
func TestForgedKeyIDs(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		forge := func(kids string) int {
			f.expectToken(t, unverifiable(kids), apiUnknownKey)
			return f.fetches()
		}
		within(t, 0, func() {
			for i := range 10000 {
				if status := f.verify(t.Context(), unverifiable("forged"+strconv.Itoa(i))); status != 401 {
					t.Fatalf("status %d, want 401", status)
				}
				if i%1000 == 0 {
					f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
				}
			}
		})
		f.expectFetches(t, 3)
		forge("another")
		f.expectFetches(t, 3)
		// Half a minute buys one more.
		time.Sleep(29 * time.Second)
		forge("a")
		f.expectFetches(t, 3)
		time.Sleep(2 * time.Second)
		forge("b")
		forge("c")
		f.expectFetches(t, 4)
		time.Sleep(28 * time.Second)
		forge("d")
		f.expectFetches(t, 4)
		// And never more than two, however long nothing happened.
		time.Sleep(4 * time.Minute)
		for i := range 10 {
			forge(strconv.Itoa(i))
		}
		f.expectFetches(t, 6)
	})
}

// A rotation in the middle of such an attack is late by half a minute at most.
func TestRotationUnderAttack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		attack := func() {
			for i := range 50 {
				f.verify(t.Context(), unverifiable(fmt.Sprint(time.Now().UnixNano(), "-", i)))
			}
		}
		attack()
		f.publish(rsaJWK("k3", &rsaKey2().PublicKey))
		begin := time.Now()
		token := tokenOf("k3", rsaKey2())
		for f.verify(t.Context(), token) != 200 {
			time.Sleep(time.Second)
			attack()
			if time.Since(begin) > time.Minute {
				break
			}
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("tokens of the new key were refused for %v, want at most 30s", took)
		}
		f.expectFetches(t, 4)
	})
}

// A client who asks with a forged key id and goes away must not get back what
// its fetch has cost, else the bucket has no bottom.
func TestForgedKeyIDsOfClientsWhoGoAway(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.tenant.Delay(emulator.JWKS, 100*time.Millisecond)
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if i%2 == 0 {
				cancel()
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(10*time.Millisecond, cancel)
			}
			f.verify(ctx, unverifiable("forged"+strconv.Itoa(i)))
			cancel()
			time.Sleep(200 * time.Millisecond)
		}
		f.expectFetches(t, 3)
	})
}

// The same for an issuer that answers, but not within the time that a request
// waits for a key.
func TestForgedKeyIDsAndASlowIssuer(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.tenant.Delay(emulator.JWKS, 4*time.Second)
		begin := time.Now()
		for i := 0; time.Since(begin) < 25*time.Second; i++ {
			within(t, 3*time.Second, func() { f.expectToken(t, unverifiable("forged"+strconv.Itoa(i)), apiUnknownKey) })
			time.Sleep(time.Second)
		}
		f.expectFetches(t, 3)
	})
}

// An id that was looked for in vain is not looked for again for half a minute.
func TestUnknownKeyIDIsRemembered(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		for range 10 {
			f.expectToken(t, unverifiable("k3"), apiUnknownKey)
			time.Sleep(2900 * time.Millisecond)
		}
		f.expectFetches(t, 2)
		time.Sleep(2 * time.Second)
		f.publish(rsaJWK("k3", &rsaKey2().PublicKey))
		f.expectToken(t, tokenOf("k3", rsaKey2()), apiOK)
		f.expectFetches(t, 3)
	})
}

// What is remembered is about the keys of that time: newer keys may have it.
func TestUnknownKeyIDIsForgottenWithTheKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.expectToken(t, unverifiable("k3"), apiUnknownKey)
		f.publish(rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k3", &rsaKey2().PublicKey))
		f.expectToken(t, unverifiable("k4"), apiUnknownKey)
		f.expectFetches(t, 3)
		f.expectToken(t, tokenOf("k3", rsaKey2()), apiOK)
	})
	// Also if they come without it: it may be in the next.
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.expectToken(t, unverifiable("k3"), apiUnknownKey)
		time.Sleep(10 * time.Minute) // two more fetches saved up
		f.expectToken(t, unverifiable("k3"), apiUnknownKey)
		f.publish(rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k4", &rsaKey1().PublicKey))
		f.expectToken(t, tokenOf("k4", rsaKey1()), apiOK)
		f.publish(rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k3", &rsaKey2().PublicKey))
		f.expectToken(t, tokenOf("k3", rsaKey2()), apiOK)
	})
}

// An unknown key id during an outage is the client's fault while the keys are
// young, and ours when they are old. Either way the fetch costs nothing that
// the rotation after it needs.
func TestUnknownKeyIDDuringAnOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.tenant.Fail(emulator.JWKS, 503)
		f.expectToken(t, unverifiable("k3"), apiUnknownKey)
		f.expectFetches(t, 2)
		// No fetch during backoff, whatever the bucket holds.
		for i := range 10 {
			f.expectToken(t, unverifiable("other"+strconv.Itoa(i)), apiUnknownKey)
		}
		f.expectFetches(t, 2)
		for i, wait := range []time.Duration{1200, 2300, 4500} {
			time.Sleep(wait * time.Millisecond)
			f.expectToken(t, unverifiable("k3"), apiUnknownKey)
			f.expectFetches(t, 3+i)
		}
		f.tenant.Fail(emulator.JWKS, 0)
		f.publish(rsaJWK("k3", &rsaKey2().PublicKey))
		time.Sleep(9 * time.Second)
		f.expectToken(t, tokenOf("k3", rsaKey2()), apiOK)
		f.expectFetches(t, 6)
		f.expectToken(t, unverifiable("k4"), apiUnknownKey)
		f.expectFetches(t, 7)
	})
	// The same if the issuer hangs: then the fetch fails after the request has
	// been answered.
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.tenant.Delay(emulator.JWKS, time.Hour)
		for i := range 4 {
			within(t, 3*time.Second, func() { f.expectToken(t, unverifiable("k3"), apiUnknownKey) })
			f.expectFetches(t, 2+i)
			time.Sleep([]time.Duration{4, 5, 7, 11}[i] * time.Second)
		}
		f.tenant.Delay(emulator.JWKS, 0)
		f.publish(rsaJWK("k3", &rsaKey2().PublicKey))
		f.expectToken(t, tokenOf("k3", rsaKey2()), apiOK)
	})
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		f.tenant.Fail(emulator.JWKS, 503)
		time.Sleep(10 * time.Minute)
		f.expectToken(t, unverifiable("k3"), apiNoKeys)
		f.expectToken(t, unverifiable("k3"), apiNoKeys) // during backoff too
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
	})
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.tenant.Fail(emulator.JWKS, 503)
		f.expectToken(t, unverifiable("k3"), apiNoKeys)
	})
}

// A fetch for an id that is unknown is as good as any other.
func TestUnknownKeyIDRefreshesKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		time.Sleep(3 * time.Minute)
		f.expectToken(t, unverifiable("k3"), apiUnknownKey)
		f.expectFetches(t, 2)
		time.Sleep(4 * time.Minute)
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiOK)
		synctest.Wait()
		f.expectFetches(t, 2)
	})
}

// A token that would be refused anyway is no reason to look for its key.
func TestUnknownKeyIDOfBadTokens(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		header := goodHeader.set("kid", `"k3"`)
		for name, value := range map[string]string{"iss": `"https://u.example/"`, "aud": `"x"`, "exp": "1"} {
			if status := f.verify(t.Context(), signed(header, goodClaims(time.Now()).set(name, value))); status != 401 {
				t.Errorf("%s: status %d, want 401", name, status)
			}
		}
		f.expectFetches(t, 1)
	})
}

// A signature that does not fit says nothing about the keys.
func TestBadSignaturesFetchNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		for range 10000 {
			if status := f.verify(t.Context(), unverifiable("k1")); status != 401 {
				t.Fatalf("status %d, want 401", status)
			}
		}
		f.expectToken(t, tokenOf("k1", rsaForeign()), apiBadSignature)
		f.expectFetches(t, 1)
	})
}

func TestRevocation(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		one, two := tokenOf("k1", rsaKey1()), tokenOf("k2", rsaKey2())
		f.publish(rsaJWK("k2", &rsaKey2().PublicKey))
		time.Sleep(10 * time.Minute)
		f.expectToken(t, two, apiOK)
		synctest.Wait()
		f.expectToken(t, one, apiUnknownKey)
		f.expectToken(t, two, apiOK)
		// The same id for another key.
		f.publish(rsaJWK("k2", &rsaForeign().PublicKey))
		time.Sleep(10 * time.Minute)
		f.expectToken(t, two, apiOK)
		synctest.Wait()
		f.expectToken(t, two, apiBadSignature)
		f.expectToken(t, tokenOf("k2", rsaForeign()), apiOK)
	})
}

// A machine that slept, or a service without visitors, asks when it is asked.
func TestRefreshAfterDays(t *testing.T) {
	inBubble(t, func(t *testing.T, f *apiFixture) {
		f.warm(t)
		time.Sleep(25 * time.Hour)
		f.publish(rsaJWK("k2", &rsaKey2().PublicKey))
		f.expectToken(t, tokenOf("k2", rsaKey2()), apiOK)
		f.expectToken(t, tokenOf("k1", rsaKey1()), apiUnknownKey)
	})
}

// keyCase is a key that an issuer publishes.
type keyCase struct {
	why string
	key jwk
}

// modulus is an odd number of that many bits.
func modulus(bits uint) string {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return segment(string(n.Add(n, big.NewInt(12345)).Bytes()))
}

// unusableKeys are kinds that must never verify anything.
func unusableKeys() []keyCase {
	good := rsaJWK("x", &rsaKey2().PublicKey)
	point := ecJWK("x", "ES256", &ecKey().PublicKey)
	cases := []keyCase{
		{"for encryption", good.with("use", "enc")},
		{"for something else", good.with("use", "other")},
		{"to encrypt", good.with("key_ops", []string{"encrypt"})},
		{"to sign", good.with("key_ops", []string{"sign"})},
		{"to do nothing", good.with("key_ops", []string{})},
		{"encryption algorithm", good.with("alg", "RSA-OAEP-256")},
		{"algorithm of another kind", good.with("alg", "ES256")},
		{"shared secret algorithm", good.with("alg", "HS256")},
		{"algorithm none", good.with("alg", "none")},
		{"algorithm nobody knows", good.with("alg", "RS257")},
		{"algorithm in lower case", good.with("alg", "rs256")},
		{"algorithm of another type", good.with("alg", 256)},
		{"id of another type", good.with("kid", 1)},
		{"unknown kind", good.with("kty", "XYZ")},
		{"no kind", good.with("kty", nil)},
		{"kind of another type", good.with("kty", 1)},
		{"no modulus", good.with("n", nil)},
		{"modulus that is no Base64", good.with("n", "!!!")},
		{"empty modulus", good.with("n", "")},
		{"no exponent", good.with("e", nil)},
		{"1,024 bits", rsaJWK("x", &rsaShort().PublicKey)},
		{"2,047 bits", good.with("n", modulus(2047))},
		{"8,193 bits", good.with("n", modulus(8193))},
		{"16,384 bits", good.with("n", modulus(16384))},
		{"exponent 1", good.with("e", "AQ")},
		{"even exponent", good.with("e", "AQAA")},
		{"exponent 2", good.with("e", "Ag")},
		{"long exponent", good.with("e", "AQAAAAE")},
		{"exponent that wraps round", good.with("e", "AQAAAAAAAQAB")},
		{"garbage certificate", good.with("x5c", []string{"!!"})},
		{"private", good.with("d", segment(string(rsaKey2().D.Bytes())))},
		{"private, complete", good.with("d", segment(string(rsaKey2().D.Bytes()))).
			with("p", segment(string(rsaKey2().Primes[0].Bytes()))).with("q", segment(string(rsaKey2().Primes[1].Bytes())))},
		{"shared secret", jwk{"kty": "oct", "kid": "x", "use": "sig", "k": segment(strings.Repeat("s", 32))}},
		{"shared secret that says RS256", jwk{"kty": "oct", "kid": "x", "use": "sig", "alg": "RS256", "k": segment(strings.Repeat("s", 32))}},
		{"off the curve", point.with("x", segment(strings.Repeat("\x01", 32)))},
		{"point at zero", point.with("x", segment(strings.Repeat("\x00", 32))).with("y", segment(strings.Repeat("\x00", 32)))},
		{"coordinate too long", point.with("x", segment(strings.Repeat("\x01", 33)))},
		{"no coordinate", point.with("y", nil)},
		{"curve nobody knows", point.with("crv", "P-999")},
		{"curve of coins", point.with("crv", "secp256k1").with("alg", "ES256K")},
		{"curve of another size", point.with("crv", "P-384").with("alg", nil)},
		{"algorithm of another curve", point.with("alg", "ES384")},
		{"Ed448", jwk{"kty": "OKP", "kid": "x", "crv": "Ed448", "x": segment(strings.Repeat("a", 57))}},
		{"X25519", jwk{"kty": "OKP", "kid": "x", "crv": "X25519", "x": segment(strings.Repeat("a", 32))}},
		{"Ed25519, too short", edJWK("x", make([]byte, 31))},
		{"Ed25519, too long", edJWK("x", make([]byte, 33))},
		{"Ed25519, empty", edJWK("x", nil)},
		{"Ed25519 that says ES256", edJWK("x", edKey().Public().(ed25519.PublicKey)).with("alg", "ES256")},
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
		cases = append(cases, keyCase{"low order " + point[:4], edJWK("x", key)}, keyCase{"low order -" + point[:4], edJWK("x", negative)})
	}
	return cases
}

// One key that cannot be used must not cost the others, and must not be used.
func TestUnusableKeys(t *testing.T) {
	cases := unusableKeys()
	good := rsaJWK("k1", &rsaKey1().PublicKey)
	for _, tt := range cases {
		t.Run(tt.why, func(t *testing.T) {
			f := newAPIFixture(t, algorithms(allSignature...))
			f.publish(tt.key, good)
			f.expectToken(t, goodToken(), apiOK)
			for _, alg := range allSignature {
				header := goodHeader.set("alg", strconv.Quote(alg)).set("kid", `"x"`)
				f.expectToken(t, compact(header.String(), goodClaims(noon).String(), constant(make([]byte, 64))), apiUnknownKey)
			}
			// Alone it is no key set at all.
			f = newAPIFixture(t, algorithms(allSignature...))
			f.publish(tt.key)
			f.expectToken(t, goodToken(), apiNoKeys)
		})
	}
	t.Run("all of them and a good one", func(t *testing.T) {
		f := newAPIFixture(t)
		keys := []jwk{good}
		for _, tt := range cases {
			keys = append(keys, tt.key)
		}
		f.publish(keys...)
		f.expectToken(t, goodToken(), apiOK)
		// That a token without an id is accepted shows that none of the others counts.
		f.expectToken(t, signed(goodHeader.without("kid"), goodClaims(noon)), apiOK)
		// A key that is skipped is no trouble of ours, but not a secret either.
		if log := f.log.take(); strings.Contains(log, segment(strings.Repeat("s", 32))) {
			t.Errorf("the log has a shared secret: %s", log)
		}
	})
}

// With the identity for a key, the identity and zero are a signature for
// everything.
func TestLowOrderForgery(t *testing.T) {
	identity := make([]byte, 32)
	identity[0] = 1
	f := newAPIFixture(t, algorithms("EdDSA"))
	f.publish(edJWK("x", identity), rsaJWK("k1", &rsaKey1().PublicKey))
	header := goodHeader.set("alg", `"EdDSA"`).set("kid", `"x"`)
	f.expectToken(t, compact(header.String(), goodClaims(noon).String(), constant(append(identity, make([]byte, 32)...))), apiUnknownKey)
}

func TestUsableKeys(t *testing.T) {
	good := rsaJWK("k1", &rsaKey1().PublicKey)
	for _, tt := range []keyCase{
		{"no use", good.with("use", nil)},
		{"no algorithm", good.with("alg", nil)},
		{"to verify", good.with("use", nil).with("key_ops", []string{"verify"})},
		{"to verify and more", good.with("key_ops", []string{"sign", "verify"})},
		{"unknown members", good.with("x", map[string]any{"y": 1}).with("ext", true)},
		{"URL of a certificate", good.with("x5u", "https://evil.example/")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := newAPIFixture(t)
			f.publish(tt.key)
			f.expectToken(t, goodToken(), apiOK)
		})
	}
}

// Keys at the limits are used, which shows in what a signature is refused for.
func TestKeyLimits(t *testing.T) {
	good := rsaJWK("k1", &rsaKey1().PublicKey)
	for _, tt := range []keyCase{
		{"2,048 bits", good.with("n", modulus(2048))},
		{"8,192 bits", good.with("n", modulus(8192))},
		{"exponent 3", good.with("e", "Aw")},
		{"largest exponent", good.with("e", "f____w")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := newAPIFixture(t)
			f.publish(tt.key)
			f.expectToken(t, goodToken(), apiBadSignature)
		})
	}
}

// Two keys may have one id. Trying them is bounded: a signature check is the
// most expensive thing that a token can ask for.
func TestSeveralKeysOfOneID(t *testing.T) {
	good, other := rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k1", &rsaKey2().PublicKey)
	curve := ecJWK("k1", "ES256", &ecKey().PublicKey)
	for _, tt := range []struct {
		why  string
		keys []jwk
		want apiAnswer
	}{
		{"second", []jwk{other, good}, apiOK},
		{"fourth", []jwk{other, other, other, good}, apiOK},
		{"fifth", []jwk{other, other, other, other, good}, apiBadSignature},
		{"fifth, but the others do not fit", []jwk{curve, curve, curve, curve, good}, apiOK},
		{"none", []jwk{other, other}, apiBadSignature},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := newAPIFixture(t)
			f.publish(tt.keys...)
			f.expectToken(t, goodToken(), tt.want)
		})
	}
}

func TestNumberOfKeys(t *testing.T) {
	var keys []jwk
	for i := range 100 {
		keys = append(keys, rsaJWK("other"+strconv.Itoa(i), &rsaKey2().PublicKey))
	}
	good := rsaJWK("k1", &rsaKey1().PublicKey)
	f := newAPIFixture(t)
	f.publish(append(keys[:99:99], good)...)
	f.expectToken(t, goodToken(), apiOK)
	f = newAPIFixture(t)
	f.publish(append(keys, good)...)
	if f.verify(t.Context(), goodToken()) != 401 {
		t.Error("more than 100 keys are used")
	}
	if log := f.log.take(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "keys=101") {
		t.Errorf("that keys were left out is not logged: %s", log)
	}
}

// What is no key set is a failure, and leaves the keys we have.
func TestBadKeyDocuments(t *testing.T) {
	document, err := json.Marshal(map[string]any{"keys": []jwk{rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k2", &rsaKey2().PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	good := string(document)
	const limit = 1 << 20
	evil := newAPIFixture(t) // the redirects lead there
	evil.publish(rsaJWK("k1", &rsaForeign().PublicKey))
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
			inBubble(t, func(t *testing.T, f *apiFixture) {
				f.net.handlers["evil.example"] = evil.tenant
				f.tenant.Replace(emulator.JWKS, tt.handle)
				token := tokenOf("k1", rsaKey1())
				want := apiNoKeys
				if tt.ok {
					want = apiOK
				}
				f.expectToken(t, token, want)
				for _, url := range f.net.asked() {
					if url != "https://t.example/.well-known/jwks.json" {
						t.Errorf("request to %s", url)
					}
				}
			})
			inBubble(t, func(t *testing.T, f *apiFixture) {
				f.warm(t)
				f.tenant.Replace(emulator.JWKS, tt.handle)
				token := tokenOf("k1", rsaKey1())
				time.Sleep(10 * time.Minute)
				f.expectToken(t, token, apiOK)
				synctest.Wait()
				f.expectToken(t, token, apiOK)
				f.expectToken(t, tokenOf("k2", rsaKey2()), apiOK)
			})
		})
	}
}

// Keys are asked for with nothing that could be used against us.
func TestKeyRequest(t *testing.T) {
	f := newAPIFixture(t)
	f.expectToken(t, goodToken(), apiOK)
	r := f.tenant.LastRequest(emulator.JWKS)
	if r.Method != "GET" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.URL.RawQuery != "" {
		t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
	}
}

// A provider that is named by its URL says itself where its keys are, within
// limits.
func TestDiscoveredKeys(t *testing.T) {
	const issuer = "https://id.example/realms/a"
	keys := map[string]any{"keys": []jwk{rsaJWK("k1", &rsaKey1().PublicKey)}}
	document := func() map[string]any {
		return map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/certs"}
	}
	for _, tt := range []struct {
		why     string
		domain  string
		edit    func(map[string]any)
		origins []string
		iss     string
		want    apiAnswer
	}{
		{"good", issuer, func(map[string]any) {}, nil, issuer, apiOK},
		{"other issuer in the token", issuer, func(map[string]any) {}, nil, "https://id.example/realms/b", apiWrongIssuer},
		{"slash in the token only", issuer, func(map[string]any) {}, nil, issuer + "/", apiWrongIssuer},
		{"slash in the configuration only", issuer + "/", func(map[string]any) {}, nil, issuer, apiOK},
		{"slash in the document binds tokens", issuer, func(d map[string]any) { d["issuer"] = issuer + "/" }, nil, issuer + "/", apiOK},
		{"slash in the document binds tokens without", issuer, func(d map[string]any) { d["issuer"] = issuer + "/" }, nil, issuer, apiWrongIssuer},
		{"document of another issuer", issuer, func(d map[string]any) { d["issuer"] = "https://evil.example/" }, nil, issuer, apiNoKeys},
		{"document of an issuer in other case", issuer, func(d map[string]any) { d["issuer"] = "https://ID.example/realms/a" }, nil, issuer, apiNoKeys},
		{"document without issuer", issuer, func(d map[string]any) { delete(d, "issuer") }, nil, issuer, apiNoKeys},
		{"no key address", issuer, func(d map[string]any) { delete(d, "jwks_uri") }, nil, issuer, apiNoKeys},
		{"key address of http", issuer, func(d map[string]any) { d["jwks_uri"] = "http://id.example/realms/a/certs" }, nil, issuer, apiNoKeys},
		{"key address elsewhere", issuer, func(d map[string]any) { d["jwks_uri"] = "https://keys.example/certs" }, nil, issuer, apiNoKeys},
		{"key address elsewhere, allowed", issuer, func(d map[string]any) { d["jwks_uri"] = "https://keys.example/certs" }, []string{"https://keys.example"}, issuer, apiOK},
		{"key address on another port", issuer, func(d map[string]any) { d["jwks_uri"] = "https://id.example:8443/certs" }, nil, issuer, apiNoKeys},
		{"key address below the name", issuer, func(d map[string]any) { d["jwks_uri"] = "https://id.example.evil.example/certs" }, nil, issuer, apiNoKeys},
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
			f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Domain, c.EndpointOrigins = tt.domain, tt.origins })
			f.net.handlers = map[string]http.Handler{"id.example": mux, "keys.example": mux, "id.example:8443": mux, "id.example.evil.example": mux}
			claims := withClaim("iss", strconv.Quote(tt.iss))
			f.expectToken(t, signed(goodHeader, claims), tt.want)
			if tt.want == apiNoKeys && len(f.net.asked()) != 1 {
				t.Errorf("requests to %q, want one for the document", f.net.asked())
			}
		})
	}
}

// A document that cannot be had is an outage too, and is asked for once.
func TestDiscoveryOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Domain, c.Now = apiIssuer, nil })
		f.tenant.Fail(emulator.Discovery, 503)
		token := tokenOf("k1", rsaKey1())
		for range 10 {
			f.expectToken(t, token, apiNoKeys)
		}
		if n := f.tenant.Calls(emulator.Discovery); n != 1 || f.fetches() != 0 {
			t.Errorf("%d requests for the document and %d for keys, want 1 and 0", n, f.fetches())
		}
		f.tenant.Fail(emulator.Discovery, 0)
		time.Sleep(1200 * time.Millisecond)
		f.expectToken(t, token, apiOK)
		// From then on the document may be out of reach for a day, as the keys may.
		f.tenant.Fail(emulator.Discovery, 503)
		f.tenant.Fail(emulator.JWKS, 503)
		time.Sleep(23 * time.Hour)
		f.expectToken(t, token, apiOK)
		synctest.Wait()
	})
}

// Login and API of one program share their keys.
func TestSharedKeys(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	config := tenant.APIConfig(auth0test.Audience)
	config.Keys = strategy.KeySet()
	for range 2 {
		api, err := auth0.NewAPI(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := api.Verify(t.Context(), tenant.AccessToken()); err != nil {
			t.Error(err)
		}
	}
	if _, err := strategy.KeySet().VerifySignature(t.Context(), tenant.IDToken()); err != nil {
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
	issuer := auth0test.NewTenant(t)
	config := issuer.Config()
	config.Logger = slog.New(slog.DiscardHandler)
	strategy, err := auth0.New(config)
	if err != nil {
		t.Fatal(err)
	}
	keys := strategy.KeySet()
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
		"other payload":     part[0] + "." + segment("{}") + "." + part[2],
		"no signature":      part[0] + "." + part[1] + ".",
		"none":              segment(`{"alg":"none"}`) + "." + part[1] + ".",
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
	_, outage := strategy.KeySet().VerifySignature(t.Context(), token)
	if outage == nil {
		t.Error("a signature was accepted without keys")
	}
	// As all errors about tokens these are of one type.
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
	inBubble(t, func(t *testing.T, f *apiFixture) {
		ones := rsaJWK("k1", &rsaKey1().PublicKey)
		tokens := []string{tokenOf("k1", rsaKey1()), tokenOf("k2", rsaKey2()), unverifiable("k1"), "abc"}
		h := f.api.RequireAuth(f.api.RequireScope("read:m")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
						token = unverifiable(fmt.Sprint("forged", i, j))
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, bearerRequest(token))
					if want := map[string]int{tokens[0]: 200}[token]; want != 0 && w.Code != want {
						t.Errorf("k1: status %d, want %d: %s", w.Code, want, w.Body)
					}
					time.Sleep(time.Duration(i+1) * time.Second)
				}
			})
		}
		for i := range 20 {
			f.tenant.Delay(emulator.JWKS, time.Duration(i%3)*time.Second)
			f.publish(ones, rsaJWK("k2", &rsaKey2().PublicKey), rsaJWK(fmt.Sprint("k", i), &rsaForeign().PublicKey))
			time.Sleep(time.Minute)
			f.tenant.Fail(emulator.JWKS, 503*(i%2))
		}
		wg.Wait()
	})
}

// What is logged about keys is one line, whatever an issuer writes.
func TestLogOfKeys(t *testing.T) {
	f := newAPIFixture(t)
	f.publish(rsaJWK("a\nlevel=ERROR msg=forged\u2028", &rsaKey2().PublicKey).with("use", "enc"), rsaJWK("k1", &rsaKey1().PublicKey))
	f.expectToken(t, goodToken(), apiOK)
	log := f.log.take()
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, "\u2028") {
			t.Errorf("log line %q", line)
		}
	}
	if strings.Count(log, "level=DEBUG") != 1 || !strings.Contains(log, "enc") {
		t.Errorf("the log does not say which key was left out: %q", log)
	}
}
