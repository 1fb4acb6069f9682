package auth0_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// tokenReasons are all that metrics ever see.
var tokenReasons = []string{
	"ok", "missing_token", "invalid_request",
	"token_malformed", "token_too_large", "unsupported_crit", "invalid_type", "invalid_alg",
	"unknown_kid", "key_unusable", "ambiguous_kid", "invalid_signature",
	"token_expired", "token_too_old", "token_not_yet_valid", "issued_in_future",
	"invalid_issuer", "invalid_audience", "invalid_claim", "dpop_required", "keys_unavailable",
	"insufficient_scope", "insufficient_permissions", "insufficient_user_authentication",
	"claim_requirement", "forbidden", "organization", "misconfigured", "unavailable", "canceled",
}

func TestTokenEvents(t *testing.T) {
	f := newCacheFixture(t)
	down := newCacheFixture(t)
	down.tenant.Fail(emulator.JWKS, 503)
	refuse := f.api.Require(func(context.Context, *auth0.Token) error { return errors.New("no") })
	good, auth := goodToken(), f.api.RequireAuth(f)
	type event struct {
		status int
		reason string
		issuer string
		alg    string // and key id
	}
	ok := event{200, "ok", apiIssuer, "RS256 k1"}
	bad := func(status int, reason string) event { return event{status, reason, "", " "} }
	// What names the issuer counts for it, also if it is refused.
	its := func(status int, reason string) event { return event{status, reason, apiIssuer, " "} }
	guard := func(status int, reason string) event { return event{status, reason, apiIssuer, "RS256 k1"} }
	header := func(name, value string) string { return signed(goodHeader.set(name, value), goodClaims(noon)) }
	with := func(name, value string) string { return signed(goodHeader, withClaim(name, value)) }
	for _, tt := range []struct {
		why  string
		f    *cacheFixture
		h    http.Handler
		r    *http.Request
		want []event
	}{
		{"good", f, auth, bearerRequest(good), []event{ok}},
		{"no token", f, auth, requestWith(), []event{bad(401, "missing_token")}},
		{"other scheme", f, auth, requestWith("Basic dTpw"), []event{bad(401, "missing_token")}},
		{"malformed header", f, auth, requestWith("Bearer"), []event{bad(400, "invalid_request")}},
		{"malformed", f, auth, bearerRequest("a.b"), []event{bad(401, "token_malformed")}},
		{"too large", f, auth, bearerRequest(strings.Repeat("a", 16385)), []event{bad(401, "token_too_large")}},
		{"crit", f, auth, bearerRequest(header("crit", `["x"]`)), []event{bad(401, "unsupported_crit")}},
		{"typ", f, auth, bearerRequest(header("typ", `"dpop+jwt"`)), []event{bad(401, "invalid_type")}},
		{"alg", f, auth, bearerRequest(header("alg", `"PS256"`)), []event{bad(401, "invalid_alg")}},
		{"kid", f, auth, bearerRequest(header("kid", `"x"`)), []event{its(401, "unknown_kid")}},
		{"no kid", f, auth, bearerRequest(signed(goodHeader.without("kid"), goodClaims(noon))), []event{its(401, "ambiguous_kid")}},
		{"signature", f, auth, bearerRequest(compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaForeign()))), []event{its(401, "invalid_signature")}},
		{"expired", f, auth, bearerRequest(with("exp", noonPlus(-60))), []event{its(401, "token_expired")}},
		{"not yet", f, auth, bearerRequest(with("nbf", noonPlus(60))), []event{its(401, "token_not_yet_valid")}},
		{"issued ahead", f, auth, bearerRequest(with("iat", noonPlus(60))), []event{its(401, "issued_in_future")}},
		{"issuer", f, auth, bearerRequest(with("iss", `"x"`)), []event{bad(401, "invalid_issuer")}},
		{"audience", f, auth, bearerRequest(with("aud", `"x"`)), []event{its(401, "invalid_audience")}},
		{"claim", f, auth, bearerRequest(with("exp", `"x"`)), []event{bad(401, "invalid_claim")}},
		{"bound", f, auth, bearerRequest(with("cnf", `{"jkt":"x"}`)), []event{its(401, "dpop_required")}},
		{"keys", down, down.api.RequireAuth(f), bearerRequest(good), []event{its(503, "keys_unavailable")}},
		{"scope", f, f.api.RequireScope("x")(f), bearerRequest(good), []event{ok, guard(403, "insufficient_scope")}},
		{"any scope", f, f.api.RequireAnyScope("x")(f), bearerRequest(good), []event{ok, guard(403, "insufficient_scope")}},
		{"permission", f, f.api.RequirePermissions("x")(f), bearerRequest(good), []event{ok, guard(403, "insufficient_permissions")}},
		{"step-up", f, f.api.RequireStepUp(0, "mfa")(f), bearerRequest(good), []event{ok, guard(401, "insufficient_user_authentication")}},
		{"required claim", f, f.api.RequireClaim("x", auth0.Equals("y"))(f), bearerRequest(good), []event{ok, guard(403, "claim_requirement")}},
		{"claims", f, auth0.RequireClaims[valueClaims](f.api)(f), bearerRequest(good), []event{ok, guard(401, "invalid_claim")}},
		{"organization", f, f.api.RequireOrganization("x")(f), bearerRequest(good), []event{ok, guard(403, "organization")}},
		{"own guard", f, refuse(f), bearerRequest(good), []event{ok, guard(403, "forbidden")}},
		{"stacked guards", f, f.api.RequireAuth(f.api.RequireScope("read:m")(f.api.RequirePermissions("del:m")(f))), bearerRequest(good), []event{ok}},
		{"stacked guards, no token", f, f.api.RequireAuth(f.api.RequireScope("read:m")(f)), requestWith(), []event{bad(401, "missing_token")}},
		{"stacked guards, the second refuses", f, f.api.RequireScope("read:m")(f.api.RequireScope("x")(f)), bearerRequest(good), []event{ok, guard(403, "insufficient_scope")}},
		{"optional, no token", f, f.api.OptionalAuth(f), requestWith(), nil},
		{"optional, good", f, f.api.OptionalAuth(f), bearerRequest(good), []event{ok}},
		{"optional, bad", f, f.api.OptionalAuth(f), bearerRequest("abc"), []event{bad(401, "token_malformed")}},
		{"preflight", f, auth, func() *http.Request {
			r := withHeader(httptest.NewRequest("OPTIONS", "/", nil), "Origin", "https://app.example")
			return withHeader(r, "Access-Control-Request-Method", "PUT")
		}(), []event{bad(401, "missing_token")}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tt.f.events.take()
			w := httptest.NewRecorder()
			tt.h.ServeHTTP(w, tt.r)
			told, _ := tt.f.events.take()
			var got []event
			for _, e := range told {
				got = append(got, event{e.Status, e.Reason, e.Issuer, e.Algorithm + " " + e.KeyID})
				if e.Guard != (len(told) == 2 && e.Err != nil) {
					t.Errorf("event %+v of %d", e, len(told))
				}
				if (e.Err == nil) != (e.Reason == "ok") || !slices.Contains(tokenReasons, e.Reason) || e.Duration < 0 {
					t.Errorf("event %+v", e)
				}
				if e.Err != nil && (w.Code != e.Status || !errors.As(e.Err, new(*auth0.Error))) {
					t.Errorf("status %d, event %+v", w.Code, e)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	// Without HTTP it is the same.
	f.events.take()
	f.verify(t.Context(), good)
	f.verify(t.Context(), "abc")
	if told, _ := f.events.take(); len(told) != 2 || told[0].Reason != "ok" || told[1].Reason != "token_malformed" || told[1].Status != 401 {
		t.Errorf("Verify: %+v", told)
	}
}

// How long a check took includes the wait for keys.
func TestTokenEventDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newCacheFixture(t, func(c *auth0.APIConfig) { c.Now = nil })
		f.tenant.Delay(emulator.JWKS, time.Second)
		f.verify(t.Context(), tokenOf("k1", rsaKey1()))
		if told, keys := f.events.take(); len(told) != 1 || told[0].Duration != time.Second || len(keys) != 1 || keys[0].Duration != time.Second {
			t.Errorf("got %+v and %+v, want one of a second each", told, keys)
		}
		time.Sleep(6 * time.Second)
	})
}

func TestKeyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newCacheFixture(t, func(c *auth0.APIConfig) { c.Now = nil })
		token := tokenOf("k1", rsaKey1())
		expect := func(reason string, keys int) {
			t.Helper()
			synctest.Wait()
			_, told := f.events.take()
			if len(told) != 1 || told[0].Reason != reason || told[0].Keys != keys || told[0].Issuer != apiIssuer || (told[0].Err != nil) != (reason == "failed") {
				t.Errorf("got %+v, want one that says %s with %d keys", told, reason, keys)
			}
		}
		refresh := func() {
			time.Sleep(10 * time.Minute)
			f.verify(t.Context(), token)
		}
		f.tenant.Fail(emulator.JWKS, 503)
		f.verify(t.Context(), token)
		expect("failed", 0)
		f.tenant.Fail(emulator.JWKS, 0)
		time.Sleep(2 * time.Second)
		f.verify(t.Context(), token)
		expect("fetched", 2)
		refresh()
		expect("fetched", 2)
		// Other ids are a rotation, also if there are as many as before.
		f.publish(rsaJWK("k1", &rsaKey1().PublicKey), rsaJWK("k3", &rsaKey2().PublicKey))
		refresh()
		expect("rotated", 2)
		f.tenant.Fail(emulator.JWKS, 503)
		refresh()
		expect("failed", 2)
		f.tenant.Fail(emulator.JWKS, 0)
		time.Sleep(2 * time.Second)
		f.verify(t.Context(), token) // keys that are due cost a forged id nothing
		expect("fetched", 2)
		f.verify(t.Context(), unverifiable("x1"))
		expect("fetched", 2)
		f.verify(t.Context(), unverifiable("x2"))
		expect("fetched", 2)
		f.verify(t.Context(), unverifiable("x3"))
		expect("throttled", 2)
		f.verify(t.Context(), token)
		synctest.Wait()
		if _, told := f.events.take(); len(told) != 0 {
			t.Errorf("got %+v for keys that are there", told)
		}
		time.Sleep(6 * time.Second)
	})
}

// Half an observer is one too.
func TestPartOfAnObserver(t *testing.T) {
	for _, o := range []auth0.Observer{
		{Token: func(context.Context, auth0.TokenEvent) {}},
		{Keys: func(context.Context, auth0.KeyEvent) {}},
	} {
		f := newAPIFixture(t, func(c *auth0.APIConfig) { c.Observer = o })
		f.expectToken(t, goodToken(), apiOK)
		f.expectToken(t, "abc", apiMalformed)
	}
}

// The context is that of the request, so that events can be put into its trace.
func TestEventHasTheContext(t *testing.T) {
	var got any
	f := newAPIFixture(t, func(c *auth0.APIConfig) {
		c.Observer.Token = func(ctx context.Context, _ auth0.TokenEvent) { got = ctx.Value(outerKey{}) }
	})
	for _, h := range []http.Handler{f.api.RequireAuth(f), f.api.RequireScope("x")(f)} {
		for _, r := range []*http.Request{requestWith(), bearerRequest("abc"), bearerRequest(goodToken())} {
			got = nil
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), outerKey{}, "outer")))
			if got != "outer" {
				t.Errorf("the event has the value %v", got)
			}
		}
	}
}

// formatted returns what people do to see a value.
func formatted(v any) string {
	var out bytes.Buffer
	for _, format := range []string{"%v\n", "%+v\n", "%#v\n", "%s\n", "%q\n", "%x\n", "%d\n"} {
		fmt.Fprintf(&out, format, v)
	}
	text, err := json.Marshal(v)
	fmt.Fprintf(&out, "%s %v\n", text, err)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	return out.String()
}

// Everything that could be printed is, while secrets are all about.
func TestTokensAndKeysDoNotPrint(t *testing.T) {
	const marker = "SECRETbody"
	secret := "SECRETkey" + strings.Repeat("k", 32)
	shared, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	f := newCacheFixture(t, func(c *auth0.APIConfig) {
		c.Issuers = []auth0.Issuer{{Domain: "a.example", Keys: shared}, {Domain: "down.example"}}
		c.TokenExtractors = []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromQuery()}
		c.Validate = func(context.Context, *auth0.Token) error { return nil }
	})
	f.addIssuer(t, "down.example").Replace(emulator.JWKS, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", marker)
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, marker)
	})
	bySecret := compact(`{"alg":"HS256"}`, withClaim("iss", `"https://a.example/"`).String(), hs256([]byte(secret)))
	forgedBySecret := compact(`{"alg":"HS256"}`, withClaim("iss", `"https://a.example/"`).set("x", `1`).String(), hs256([]byte("other")))
	tokens := []string{
		goodToken(), bySecret, forgedBySecret,
		issuedBy("https://down.example/", rsaKey1()),
		compact(goodHeader.String(), goodClaims(noon).String(), rs256(rsaForeign())),
		signed(goodHeader, withClaim("exp", noonPlus(-60))),
		signed(goodHeader, withClaim("aud", `"other"`)),
		signed(goodHeader.set("kid", `"k9"`), goodClaims(noon)),
		segment(`{"alg":"dir"}`) + "..AAAA.BBBB.CCCC",
		strings.Repeat("opaque", 8),
	}
	var seen bytes.Buffer
	see := func(v any) { seen.WriteString(formatted(v)) }
	f.log.take()
	for _, token := range tokens {
		for _, r := range []*http.Request{bearerRequest(token), httptest.NewRequest("GET", "/?access_token="+token, nil)} {
			w := httptest.NewRecorder()
			f.api.RequireAuth(f).ServeHTTP(w, r)
			fmt.Fprintln(&seen, w.Body, w.Header())
		}
		verified, err := f.api.Verify(t.Context(), token)
		see(verified)
		see(err)
	}
	told, keys := f.events.take()
	if len(told) < 2*len(tokens) || len(keys) < 2 {
		t.Fatalf("%d and %d events", len(told), len(keys))
	}
	for _, e := range told {
		see(e)
		see(&e)
		see(e.Err)
	}
	for _, e := range keys {
		see(e)
		see(&e)
		see(e.Err)
	}
	see(f.api)
	see(shared)
	see(auth0.Issuer{Domain: "a.example", Keys: shared})
	see(&auth0.Issuer{Domain: "a.example", Keys: shared})
	see(shared.Status())
	see(f.api.Status())
	see(f.api.Warm(t.Context()))
	seen.WriteString(f.log.take())

	text := seen.String()
	forbidden := []string{secret, secret[:9], fmt.Sprintf("%x", secret[:9]), segment(secret[:9]), marker, segment(marker), fmt.Sprintf("%x", marker),
		strings.TrimSpace(strings.Trim(fmt.Sprint([]byte(secret[:9])), "[]")), strings.Trim(fmt.Sprint([]byte(marker)), "[]")}
	for _, token := range tokens {
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 16 {
				forbidden = append(forbidden, part)
			}
		}
	}
	for _, f := range forbidden {
		if at := strings.Index(text, f); at >= 0 {
			t.Errorf("%.60q is in %q", f, text[max(0, at-300):min(len(text), at+100)])
		}
	}
}

// Whatever a token is, its event says one of the known words.
func TestReasonsAreAClosedSet(t *testing.T) {
	seen := map[string]int{}
	f := newAPIFixture(t, func(c *auth0.APIConfig) {
		c.Logger = slog.New(slog.DiscardHandler)
		c.Observer.Token = func(_ context.Context, e auth0.TokenEvent) { seen[e.Reason]++ }
	})
	h := f.api.RequireScope("admin")(f)
	gen := &tokenGenerator{rand: mathrand.New(mathrand.NewPCG(3, 4)), marker: "ATTACKER"}
	for range 1500 {
		h.ServeHTTP(httptest.NewRecorder(), requestWith(gen.authorization()))
	}
	for reason := range seen {
		if !slices.Contains(tokenReasons, reason) {
			t.Errorf("reason %q", reason)
		}
	}
	if len(seen) < 8 {
		t.Errorf("only %d reasons: %v", len(seen), seen)
	}
}
