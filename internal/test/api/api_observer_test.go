package api_test

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
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// tokenReasons are the only reasons that metrics see.
var tokenReasons = []string{
	"ok", "missing_token", "invalid_request",
	"token_malformed", "token_too_large", "unsupported_crit", "invalid_type", "invalid_alg",
	"unknown_kid", "key_unusable", "ambiguous_kid", "invalid_signature",
	"token_expired", "token_too_old", "token_not_yet_valid", "issued_in_future",
	"invalid_issuer", "invalid_audience", "invalid_claim", "keys_unavailable",
	"dpop_required", "dpop_binding_mismatch", "invalid_dpop_proof", "use_dpop_nonce", "replay_store_unavailable",
	"certificate_required", "certificate_mismatch", "certificate_binding_required",
	"insufficient_scope", "insufficient_permissions", "insufficient_user_authentication",
	"claim_requirement", "forbidden", "organization", "misconfigured", "unavailable", "canceled",
}

func TestTokenEvents(t *testing.T) {
	t.Parallel()
	f := testkit.NewCacheEnv(t)
	down := testkit.NewCacheEnv(t)
	down.Tenant.Fail(testkit.JWKSEndpoint, 503)
	refuse := f.API.Require(func(context.Context, *auth0.Token) error { return errors.New("no") })
	good, auth := testkit.GoodToken(), f.API.RequireAuth(f)
	// A program that decides itself. Without a token, it has looked at another
	// credential.
	decides := func(err error, without bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, failed := f.API.Verify(r.Context(), good)
			if failed != nil {
				t.Error(failed)
			}
			if without {
				token = nil
			}
			f.API.WriteError(w, r, f.API.Refuse(r.Context(), token, err))
		})
	}
	type event struct {
		status int
		reason string
		issuer string
		alg    string // and key id
	}
	ok := event{200, "ok", testkit.APIIssuer, "RS256 k1"}
	bad := func(status int, reason string) event { return event{status, reason, "", " "} }
	// A token that names the issuer counts for that issuer, also if it is rejected.
	its := func(status int, reason string) event { return event{status, reason, testkit.APIIssuer, " "} }
	guard := func(status int, reason string) event { return event{status, reason, testkit.APIIssuer, "RS256 k1"} }
	header := func(name, value string) string {
		return testkit.Signed(testkit.GoodHeader.Set(name, value), testkit.GoodClaims(testkit.Noon))
	}
	with := func(name, value string) string {
		return testkit.Signed(testkit.GoodHeader, testkit.WithClaim(name, value))
	}
	for _, tt := range []struct {
		why  string
		f    *testkit.CacheEnv
		h    http.Handler
		r    *http.Request
		want []event
	}{
		{"good", f, auth, testkit.BearerRequest(good), []event{ok}},
		{"no token", f, auth, testkit.RequestWith(), []event{bad(401, "missing_token")}},
		{"other scheme", f, auth, testkit.RequestWith("Basic dTpw"), []event{bad(401, "missing_token")}},
		{"malformed header", f, auth, testkit.RequestWith("Bearer"), []event{bad(400, "invalid_request")}},
		{"malformed", f, auth, testkit.BearerRequest("a.b"), []event{bad(401, "token_malformed")}},
		{"too large", f, auth, testkit.BearerRequest(strings.Repeat("a", 16385)), []event{bad(401, "token_too_large")}},
		{"crit", f, auth, testkit.BearerRequest(header("crit", `["x"]`)), []event{bad(401, "unsupported_crit")}},
		{"typ", f, auth, testkit.BearerRequest(header("typ", `"dpop+jwt"`)), []event{bad(401, "invalid_type")}},
		{"alg", f, auth, testkit.BearerRequest(header("alg", `"PS256"`)), []event{bad(401, "invalid_alg")}},
		{"kid", f, auth, testkit.BearerRequest(header("kid", `"x"`)), []event{its(401, "unknown_kid")}},
		{"no kid", f, auth, testkit.BearerRequest(testkit.Signed(testkit.GoodHeader.Without("kid"), testkit.GoodClaims(testkit.Noon))), []event{its(401, "ambiguous_kid")}},
		{"signature", f, auth, testkit.BearerRequest(testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign()))), []event{its(401, "invalid_signature")}},
		{"expired", f, auth, testkit.BearerRequest(with("exp", testkit.NoonPlus(-60))), []event{its(401, "token_expired")}},
		{"not yet", f, auth, testkit.BearerRequest(with("nbf", testkit.NoonPlus(60))), []event{its(401, "token_not_yet_valid")}},
		{"issued ahead", f, auth, testkit.BearerRequest(with("iat", testkit.NoonPlus(60))), []event{its(401, "issued_in_future")}},
		{"issuer", f, auth, testkit.BearerRequest(with("iss", `"x"`)), []event{bad(401, "invalid_issuer")}},
		{"audience", f, auth, testkit.BearerRequest(with("aud", `"x"`)), []event{its(401, "invalid_audience")}},
		{"claim", f, auth, testkit.BearerRequest(with("exp", `"x"`)), []event{bad(401, "invalid_claim")}},
		{"bound", f, auth, testkit.BearerRequest(with("cnf", `{"jkt":"x"}`)), []event{its(401, "dpop_required")}},
		{"keys", down, down.API.RequireAuth(f), testkit.BearerRequest(good), []event{its(503, "keys_unavailable")}},
		{"scope", f, f.API.RequireScope("x")(f), testkit.BearerRequest(good), []event{ok, guard(403, "insufficient_scope")}},
		{"any scope", f, f.API.RequireAnyScope("x")(f), testkit.BearerRequest(good), []event{ok, guard(403, "insufficient_scope")}},
		{"permission", f, f.API.RequirePermissions("x")(f), testkit.BearerRequest(good), []event{ok, guard(403, "insufficient_permissions")}},
		{"step-up", f, f.API.RequireStepUp(0, "mfa")(f), testkit.BearerRequest(good), []event{ok, guard(401, "insufficient_user_authentication")}},
		{"required claim", f, f.API.RequireClaim("x", auth0.Equals("y"))(f), testkit.BearerRequest(good), []event{ok, guard(403, "claim_requirement")}},
		{"claims", f, auth0.RequireClaims[valueClaims](f.API)(f), testkit.BearerRequest(good), []event{ok, guard(401, "invalid_claim")}},
		{"organization", f, f.API.RequireOrganization("x")(f), testkit.BearerRequest(good), []event{ok, guard(403, "organization")}},
		{"own guard", f, refuse(f), testkit.BearerRequest(good), []event{ok, guard(403, "forbidden")}},
		{"own decision", f, decides(errors.New("no"), false), testkit.RequestWith(), []event{ok, guard(403, "forbidden")}},
		{"own decision with a status", f, decides(&auth0.Error{Status: 409, Reason: "organization"}, false), testkit.RequestWith(), []event{ok, guard(409, "organization")}},
		{"own decision of an outage", f, decides(auth0.ErrStoreUnavailable, false), testkit.RequestWith(), []event{ok, guard(503, "unavailable")}},
		{"own decision without an error", f, decides(nil, false), testkit.RequestWith(), []event{ok, guard(403, "forbidden")}},
		{"own decision without a token", f, decides(errors.New("no"), true), testkit.RequestWith(), []event{ok, bad(403, "forbidden")}},
		{"stacked guards", f, f.API.RequireAuth(f.API.RequireScope("read:m")(f.API.RequirePermissions("del:m")(f))), testkit.BearerRequest(good), []event{ok}},
		{"stacked guards, no token", f, f.API.RequireAuth(f.API.RequireScope("read:m")(f)), testkit.RequestWith(), []event{bad(401, "missing_token")}},
		{"stacked guards, the second refuses", f, f.API.RequireScope("read:m")(f.API.RequireScope("x")(f)), testkit.BearerRequest(good), []event{ok, guard(403, "insufficient_scope")}},
		{"optional, no token", f, f.API.OptionalAuth(f), testkit.RequestWith(), nil},
		{"optional, good", f, f.API.OptionalAuth(f), testkit.BearerRequest(good), []event{ok}},
		{"optional, bad", f, f.API.OptionalAuth(f), testkit.BearerRequest("abc"), []event{bad(401, "token_malformed")}},
		{"preflight", f, auth, func() *http.Request {
			r := testkit.WithHeader(httptest.NewRequest("OPTIONS", "/", nil), "Origin", "https://app.example")
			return testkit.WithHeader(r, "Access-Control-Request-Method", "PUT")
		}(), []event{bad(401, "missing_token")}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tt.f.Events.Take()
			w := httptest.NewRecorder()
			tt.h.ServeHTTP(w, tt.r)
			told, _ := tt.f.Events.Take()
			var got []event
			for _, e := range told {
				got = append(got, event{e.Status, e.Reason, e.Issuer, e.Algorithm + " " + e.KeyID})
				kind := auth0.TokenChecked
				if len(told) == 2 && e.Err != nil {
					kind = auth0.GuardRefused
				}
				if e.Kind != kind || e.Keys != 0 {
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
	// Verify, without HTTP, causes the same event.
	f.Events.Take()
	f.StatusOf(t.Context(), good)
	f.StatusOf(t.Context(), "abc")
	if told, _ := f.Events.Take(); len(told) != 2 || told[0].Reason != "ok" || told[1].Reason != "token_malformed" || told[1].Status != 401 {
		t.Errorf("Verify: %+v", told)
	}
}

// The duration of a check includes the wait for the JWKS.
func TestTokenEventDuration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		f.Tenant.Delay(testkit.JWKSEndpoint, time.Second)
		f.StatusOf(t.Context(), testkit.TokenOf("k1", testkit.RSAKey1()))
		if told, keys := f.Events.Take(); len(told) != 1 || told[0].Duration != time.Second || len(keys) != 1 || keys[0].Duration != time.Second {
			t.Errorf("got %+v and %+v, want one of a second each", told, keys)
		}
		time.Sleep(6 * time.Second)
	})
}

func TestKeyEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) { c.Now = nil })
		token := testkit.TokenOf("k1", testkit.RSAKey1())
		expect := func(reason string, keys int) {
			t.Helper()
			synctest.Wait()
			_, told := f.Events.Take()
			if len(told) != 1 {
				t.Fatalf("got %+v, want one that says %s", told, reason)
			}
			e := told[0]
			if e.Kind != "keys_fetched" || e.Reason != reason || e.Keys != keys || e.Issuer != testkit.APIIssuer || (e.Err != nil) != (reason == "failed") || e.Status != 0 {
				t.Errorf("got %+v, want one that says %s with %d keys", told, reason, keys)
			}
		}
		refresh := func() {
			time.Sleep(10 * time.Minute)
			f.StatusOf(t.Context(), token)
		}
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		f.StatusOf(t.Context(), token)
		expect("failed", 0)
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		time.Sleep(2 * time.Second)
		f.StatusOf(t.Context(), token)
		expect("fetched", 2)
		refresh()
		expect("fetched", 2)
		// Other ids are a rotation, also if their number stays the same.
		f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		refresh()
		expect("rotated", 2)
		f.Tenant.Fail(testkit.JWKSEndpoint, 503)
		refresh()
		expect("failed", 2)
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		time.Sleep(2 * time.Second)
		f.StatusOf(t.Context(), token) // a refresh that is due costs a forged id nothing
		expect("fetched", 2)
		f.StatusOf(t.Context(), testkit.Unverifiable("x1"))
		expect("fetched", 2)
		f.StatusOf(t.Context(), testkit.Unverifiable("x2"))
		expect("fetched", 2)
		f.StatusOf(t.Context(), testkit.Unverifiable("x3"))
		expect("throttled", 2)
		f.StatusOf(t.Context(), token)
		synctest.Wait()
		if _, told := f.Events.Take(); len(told) != 0 {
			t.Errorf("got %+v for keys that are there", told)
		}
		time.Sleep(6 * time.Second)
	})
}

// TestStrategyReportsFetchesOfKeys: a login of a Strategy causes events of keys alone,
// with the tenant as issuer.
func TestStrategyReportsFetchesOfKeys(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []auth0.Event
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.Observer = func(_ context.Context, e auth0.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e)
		}
	})
	e.Browser().MustLogin()
	mu.Lock()
	defer mu.Unlock()
	for i := range told {
		told[i].Duration = 0 // it was measured
	}
	want := auth0.Event{Kind: "keys_fetched", Reason: "fetched", Issuer: "https://" + testkit.TenantHost + "/", Keys: 2}
	if len(told) != 1 || told[0] != want {
		t.Errorf("events %+v, want %+v", told, want)
	}
}

// TestEventKinds: their names are for metric labels, and so stay as they are.
func TestEventKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[auth0.EventKind]string{
		auth0.TokenChecked: "token_checked", auth0.GuardRefused: "guard_refused", auth0.KeysFetched: "keys_fetched",
		auth0.ReplayEvicted: "replay_evicted",
	} {
		if string(kind) != want {
			t.Errorf("%q, want %q", kind, want)
		}
	}
}

// The observer receives the context of the request, so that events can be put into its trace.
func TestEventHasTheContext(t *testing.T) {
	t.Parallel()
	var got any
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Observer = func(ctx context.Context, e auth0.Event) {
			if e.Kind != auth0.KeysFetched {
				got = ctx.Value(outerKey{})
			}
		}
	})
	for _, h := range []http.Handler{f.API.RequireAuth(f), f.API.RequireScope("x")(f)} {
		for _, r := range []*http.Request{testkit.RequestWith(), testkit.BearerRequest("abc"), testkit.BearerRequest(testkit.GoodToken())} {
			got = nil
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), outerKey{}, "outer")))
			if got != "outer" {
				t.Errorf("the event has the value %v", got)
			}
		}
	}
}

// formatted returns the forms in which developers print a value.
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

// Every printable value is printed, with secrets in all of them.
func TestTokensAndKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	const marker = "SECRETbody"
	secret := "SECRETkey" + strings.Repeat("k", 32)
	shared, err := auth0.SharedSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	f := testkit.NewCacheEnv(t, func(c *auth0.APIConfig) {
		c.Issuers = []auth0.Issuer{{Domain: "a.example", Keys: shared}, {Domain: "down.example"}}
		c.TokenExtractors = []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromQuery()}
		c.Validate = func(context.Context, *auth0.Token) error { return nil }
	})
	f.AddIssuer(t, "down.example").Replace(testkit.JWKSEndpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", marker)
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, marker)
	})
	bySecret := testkit.Compact(`{"alg":"HS256"}`, testkit.WithClaim("iss", `"https://a.example/"`).String(), testkit.HS256([]byte(secret)))
	forgedBySecret := testkit.Compact(`{"alg":"HS256"}`, testkit.WithClaim("iss", `"https://a.example/"`).Set("x", `1`).String(), testkit.HS256([]byte("other")))
	tokens := []string{
		testkit.GoodToken(), bySecret, forgedBySecret,
		testkit.IssuedBy("https://down.example/", testkit.RSAKey1()),
		testkit.Compact(testkit.GoodHeader.String(), testkit.GoodClaims(testkit.Noon).String(), testkit.RS256(testkit.RSAForeign())),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))),
		testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"other"`)),
		testkit.Signed(testkit.GoodHeader.Set("kid", `"k9"`), testkit.GoodClaims(testkit.Noon)),
		testkit.Segment(`{"alg":"dir"}`) + "..AAAA.BBBB.CCCC",
		strings.Repeat("opaque", 8),
	}
	var seen bytes.Buffer
	see := func(v any) { seen.WriteString(formatted(v)) }
	f.Log.Take()
	for _, token := range tokens {
		for _, r := range []*http.Request{testkit.BearerRequest(token), httptest.NewRequest("GET", "/?access_token="+token, nil)} {
			w := httptest.NewRecorder()
			f.API.RequireAuth(f).ServeHTTP(w, r)
			fmt.Fprintln(&seen, w.Body, w.Header())
		}
		verified, err := f.API.Verify(t.Context(), token)
		see(verified)
		see(err)
	}
	told, keys := f.Events.Take()
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
	see(f.API)
	see(shared)
	see(auth0.Issuer{Domain: "a.example", Keys: shared})
	see(&auth0.Issuer{Domain: "a.example", Keys: shared})
	see(shared.Status())
	see(f.API.Status())
	see(f.API.Warm(t.Context()))
	seen.WriteString(f.Log.Take())

	text := seen.String()
	forbidden := []string{secret, secret[:9], fmt.Sprintf("%x", secret[:9]), testkit.Segment(secret[:9]), marker, testkit.Segment(marker), fmt.Sprintf("%x", marker),
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

// An event has one of the known reasons, for any token.
func TestReasonsAreAClosedSet(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.Logger = slog.New(slog.DiscardHandler)
		c.Observer = func(_ context.Context, e auth0.Event) {
			if e.Kind != auth0.KeysFetched {
				seen[e.Reason]++
			}
		}
	})
	h := f.API.RequireScope("admin")(f)
	gen := &tokenGenerator{rand: mathrand.New(mathrand.NewPCG(3, 4)), marker: "ATTACKER"}
	for range 1500 {
		h.ServeHTTP(httptest.NewRecorder(), testkit.RequestWith(gen.authorization()))
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
