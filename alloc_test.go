package auth0_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"math/big"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

// A discardWriter is a ResponseWriter that is used again and again.
type discardWriter struct{ header http.Header }

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardWriter) WriteHeader(int)             {}

// perRun counts allocations.
func perRun(t *testing.T, f func()) int {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector allocates by itself")
	}
	return int(testing.AllocsPerRun(200, f))
}

func quiet(c *auth0.APIConfig) { c.Logger = slog.New(slog.DiscardHandler) }

func noCache(c *auth0.APIConfig) { c.TokenCache = auth0.None }

// verifies is one call of Verify with the outcome that is expected.
func (f *apiFixture) verifies(t *testing.T, token string, ok bool) func() {
	return func() {
		if _, err := f.api.Verify(t.Context(), token); (err == nil) != ok {
			t.Fatal(err)
		}
	}
}

// A token that is remembered costs nothing that the garbage collector would
// have to clear away.
func TestAllocationsOfRememberedToken(t *testing.T) {
	f := newAPIFixture(t, quiet)
	verify := f.verifies(t, goodToken(), true)
	verify()
	if n := perRun(t, verify); n != 0 {
		t.Errorf("Verify allocates %d times, want 0", n)
	}
	// Around a handler it is the request, and its context with what that has.
	h := f.api.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := &discardWriter{http.Header{}}, bearerRequest(goodToken())
	if n := perRun(t, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("RequireAuth allocates %d times, want at most 2", n)
	}
	// More guards cost no more.
	h = f.api.RequireAuth(f.api.RequireScope("read:m")(f.api.RequirePermissions("del:m")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))
	if n := perRun(t, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("three guards allocate %d times, want at most 2", n)
	}
}

// At first sight a token costs its signature and little more.
func TestAllocationsAtFirstSight(t *testing.T) {
	const overhead = 6
	f := newAPIFixture(t, quiet, noCache, algorithms("RS256", "ES256"))
	f.publish(rsaJWK("k1", &rsaKey1().PublicKey), ecJWK("e", "ES256", &ecKey().PublicKey))
	rs := goodToken()
	es := compact(goodHeader.set("alg", `"ES256"`).set("kid", `"e"`).String(), goodClaims(noon).String(), es(crypto.SHA256, ecKey(), sideBySide(32)))
	for _, tt := range []struct {
		why, token string
		raw        func(input, signature []byte) bool
	}{
		{"RS256", rs, func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(&rsaKey1().PublicKey, crypto.SHA256, digest[:], signature) == nil
		}},
		{"ES256", es, func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			return ecdsa.Verify(&ecKey().PublicKey, digest[:], r, s)
		}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			dot := strings.LastIndexByte(tt.token, '.')
			signature, err := base64.RawURLEncoding.DecodeString(tt.token[dot+1:])
			if err != nil {
				t.Fatal(err)
			}
			input := []byte(tt.token[:dot])
			floor := perRun(t, func() {
				if !tt.raw(input, signature) {
					t.Fatal("the signature is not good")
				}
			})
			verify := f.verifies(t, tt.token, true)
			verify()
			if n := perRun(t, verify); n > floor+overhead {
				t.Errorf("Verify allocates %d times, want at most %d more than the %d of the signature", n, overhead, floor)
			} else {
				t.Logf("Verify allocates %d times, the signature alone %d", n, floor)
			}
		})
	}
}

// What anybody can send must be cheap to refuse.
func TestAllocationsOfRefusals(t *testing.T) {
	for _, tt := range []struct {
		why, token string
		most       int
	}{
		{"too large", strings.Repeat("a", 16385), 5},
		{"too large, all dots", strings.Repeat(".", 16385), 5},
		{"expired", signed(goodHeader, withClaim("exp", noonPlus(-60))), 16},
		{"foreign issuer", signed(goodHeader, withClaim("iss", `"https://u.example/"`)), 16},
		{"foreign audience", signed(goodHeader, withClaim("aud", `"x"`)), 16},
		{"malformed", "a.b.c", 16},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for _, edit := range []func(*auth0.APIConfig){quiet, noCache} {
				f := newAPIFixture(t, quiet, edit)
				refuse := f.verifies(t, tt.token, false)
				if n := perRun(t, refuse); n > tt.most {
					t.Errorf("the refusal allocates %d times, want at most %d", n, tt.most)
				} else {
					t.Logf("the refusal allocates %d times", n)
				}
			}
		})
	}
}

// A large token is refused before it is looked at: what it costs does not grow
// with it.
func TestLargeTokenIsNotCopied(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates by itself")
	}
	f := newAPIFixture(t, quiet)
	refuse := f.verifies(t, strings.Repeat("a.", 1<<22), false)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		refuse()
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 20; n > 4096 {
		t.Errorf("%d bytes are allocated for a token of 8 MB", n)
	}
}
