package auth0_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A discardWriter is a reusable ResponseWriter.
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

// verifies returns a call of Verify that checks the expected outcome.
func verifies(f *testkit.APIEnv, t *testing.T, token string, ok bool) func() {
	return func() {
		if _, err := f.API.Verify(t.Context(), token); (err == nil) != ok {
			t.Fatal(err)
		}
	}
}

// TestAllocationsOfRememberedToken: verifying a cached token leaves nothing for the
// garbage collector.
func TestAllocationsOfRememberedToken(t *testing.T) {
	f := testkit.NewAPIEnv(t, quiet)
	verify := verifies(f, t, testkit.GoodToken(), true)
	verify()
	if n := perRun(t, verify); n != 0 {
		t.Errorf("Verify allocates %d times, want 0", n)
	}
	// A guard allocates the request copy and its context.
	h := f.API.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := &discardWriter{http.Header{}}, testkit.BearerRequest(testkit.GoodToken())
	if n := perRun(t, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("RequireAuth allocates %d times, want at most 2", n)
	}
	// An observer that only counts allocates nothing.
	events := 0
	o := testkit.NewAPIEnv(t, quiet, func(c *auth0.APIConfig) {
		c.Observer = func(_ context.Context, e auth0.Event) { events += e.Status / 200 }
	})
	observed := verifies(o, t, testkit.GoodToken(), true)
	observed()
	if n := perRun(t, observed); n != 0 || events < 200 {
		t.Errorf("Verify with an observer allocates %d times, want 0; %d events", n, events)
	}
	// Further guards allocate nothing.
	h = f.API.RequireAuth(f.API.RequireScope("read:m")(f.API.RequirePermissions("del:m")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))
	if n := perRun(t, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("three guards allocate %d times, want at most 2", n)
	}
}

// planClaims are claims of an application.
type planClaims struct {
	Scope       string   `json:"scope"`
	Permissions []string `json:"permissions"`
	Plan        string   `json:"https://acme.example/plan"`
}

// TestAllocationsOfClaims: decoding the claims of an application allocates the claims and
// their slice.
func TestAllocationsOfClaims(t *testing.T) {
	f := testkit.NewAPIEnv(t, quiet)
	token := testkit.Signed(testkit.GoodHeader, testkit.WithClaim("permissions", `["read:m"]`).Set("https://acme.example/plan", `"gold"`))
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if c, err := auth0.Claims[planClaims](r.Context()); err != nil || c.Plan != "gold" || len(c.Permissions) != 1 {
			t.Error(c, err)
		}
	})
	for _, tt := range []struct {
		why string
		h   http.Handler
	}{{"RequireAuth", f.API.RequireAuth(handler)}, {"RequireClaims", auth0.RequireClaims[planClaims](f.API)(handler)}} {
		w, r := &discardWriter{http.Header{}}, testkit.BearerRequest(token)
		send := func() { tt.h.ServeHTTP(w, r) }
		send()
		if n := perRun(t, send); n > 2+2 {
			t.Errorf("%s: a request with claims allocates %d times, want at most 4", tt.why, n)
		} else {
			t.Logf("%s: a request with claims allocates %d times", tt.why, n)
		}
	}
}

// TestAllocationsAtFirstSight: the first check of a token allocates little more than its
// signature check.
func TestAllocationsAtFirstSight(t *testing.T) {
	f := testkit.NewAPIEnv(t, quiet, noCache, testkit.Algorithms("RS256", "ES256"))
	f.Publish(testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.ECJWK("e", "ES256", &testkit.ECKey().PublicKey))
	rs := testkit.GoodToken()
	es := testkit.Compact(testkit.GoodHeader.Set("alg", `"ES256"`).Set("kid", `"e"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.ES(crypto.SHA256, testkit.ECKey(), testkit.SideBySide(32)))
	for _, tt := range []struct {
		why, token string
		overhead   int // negative: for r and s the standard library allocates more
		raw        func(input, signature []byte) bool
	}{
		{"RS256", rs, 5, func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(&testkit.RSAKey1().PublicKey, crypto.SHA256, digest[:], signature) == nil
		}},
		{"ES256", es, -6, func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			return ecdsa.Verify(&testkit.ECKey().PublicKey, digest[:], r, s)
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
			verify := verifies(f, t, tt.token, true)
			verify()
			if n := perRun(t, verify); n > floor+tt.overhead {
				t.Errorf("Verify allocates %d times, want at most %d more than the %d of the signature", n, tt.overhead, floor)
			} else {
				t.Logf("Verify allocates %d times, the signature alone %d", n, floor)
			}
		})
	}
}

// TestAllocationsOfRefusals: anybody can send such tokens, so rejecting them must be
// cheap.
func TestAllocationsOfRefusals(t *testing.T) {
	for _, tt := range []struct {
		why, token string
		most       int
	}{
		{"too large", strings.Repeat("a", 16385), 2},
		{"too large, all dots", strings.Repeat(".", 16385), 2},
		{"expired", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))), 9},
		{"foreign issuer", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("iss", `"https://u.example/"`)), 10},
		{"foreign audience", testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"x"`)), 10},
		{"malformed", "a.b.c", 4},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for _, edit := range []func(*auth0.APIConfig){quiet, noCache} {
				f := testkit.NewAPIEnv(t, quiet, edit)
				refuse := verifies(f, t, tt.token, false)
				if n := perRun(t, refuse); n > tt.most {
					t.Errorf("the refusal allocates %d times, want at most %d", n, tt.most)
				} else {
					t.Logf("the refusal allocates %d times", n)
				}
				// The response has headers, a challenge and a body.
				h := f.API.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("passed") }))
				w, r := &discardWriter{http.Header{}}, testkit.BearerRequest(tt.token)
				if n := perRun(t, func() { h.ServeHTTP(w, r) }); n > tt.most+5 {
					t.Errorf("the refusal by a guard allocates %d times, want at most %d", n, tt.most+5)
				} else {
					t.Logf("the refusal by a guard allocates %d times", n)
				}
			}
		})
	}
}

// TestLargeTokenIsNotCopied: the API rejects a large token before parsing it, at a cost
// independent of its size.
func TestLargeTokenIsNotCopied(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates by itself")
	}
	f := testkit.NewAPIEnv(t, quiet)
	refuse := verifies(f, t, strings.Repeat("a.", 1<<22), false)
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

// provesWithDPoP makes an API accept DPoP-bound tokens.
func provesWithDPoP(c *auth0.APIConfig) {
	c.DPoP = auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.example"}}
}

// boundToken returns a token bound to the client's key, and a function that makes its
// proofs.
func boundToken(claims testkit.Object) (token string, prove func(id string) string) {
	key := testkit.ECKey()
	jwk := testkit.ECJWK("", "", &key.PublicKey)
	public := testkit.Object{{"crv", `"P-256"`}, {"kty", `"EC"`}, {"x", testkit.AsJSON(jwk["x"])}, {"y", testkit.AsJSON(jwk["y"])}}.String()
	hash := func(text string) string { return testkit.Segment(string(testkit.Digest(crypto.SHA256, text))) }
	token = testkit.Signed(testkit.GoodHeader, claims.Set("cnf", `{"jkt":"`+hash(public)+`"}`))
	header := testkit.Object{{"typ", `"dpop+jwt"`}, {"alg", `"ES256"`}, {"jwk", public}}.String()
	return token, func(id string) string {
		claims := testkit.Object{{"jti", testkit.AsJSON(id)}, {"htm", `"GET"`}, {"htu", `"https://api.example/members"`},
			{"iat", testkit.NoonPlus(0)}, {"ath", testkit.Quoted(hash(token))}}
		return testkit.Compact(header, claims.String(), testkit.ES(crypto.SHA256, key, testkit.SideBySide(32)))
	}
}

// TestAllocationsOfProofs: with a cached access token, a proof allocates little more than
// its signature check.
func TestAllocationsOfProofs(t *testing.T) {
	const overhead = -3 // negative, as for ES256 above
	f := testkit.NewAPIEnv(t, quiet, provesWithDPoP)
	token, prove := boundToken(testkit.GoodClaims(testkit.Noon))
	var proofs []string
	for i := range 250 {
		proofs = append(proofs, prove(strings.Repeat("x", i+1)))
	}
	w, r := &discardWriter{http.Header{}}, testkit.RequestWith("DPoP "+token)
	h := f.API.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	sent := 0
	send := func() {
		r.Header["Dpop"] = proofs[sent : sent+1 : sent+1]
		sent++
		if h.ServeHTTP(w, r); w.header.Get("WWW-Authenticate") != "" {
			t.Fatal(w.header)
		}
	}
	send()
	digest := testkit.Digest(crypto.SHA256, "x")
	key := testkit.ECKey()
	signature := testkit.ES(crypto.SHA256, key, testkit.SideBySide(32))("x")
	floor := perRun(t, func() {
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		if !ecdsa.Verify(&key.PublicKey, digest, r, s) {
			t.Fatal("the signature is not good")
		}
	})
	if n := perRun(t, send); n > floor+overhead {
		t.Errorf("a request with a proof allocates %d times, want at most %d more than the %d of the signature", n, overhead, floor)
	} else {
		t.Logf("a request with a proof allocates %d times, the signature alone %d", n, floor)
	}
}

// TestAllocationsOfRefusalsWithProofs: a client without a good token causes no work with
// its proof. Rejecting a bound token allocates as much as rejecting a bearer token.
func TestAllocationsOfRefusalsWithProofs(t *testing.T) {
	f := testkit.NewAPIEnv(t, quiet, provesWithDPoP)
	h := f.API.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("passed") }))
	for _, tt := range []struct{ why, name, value string }{
		{"expired", "exp", testkit.NoonPlus(-60)},
		{"foreign issuer", "iss", `"https://u.example/"`},
		{"foreign audience", "aud", `"x"`},
	} {
		t.Run(tt.why, func(t *testing.T) {
			claims := testkit.WithClaim(tt.name, tt.value)
			w := &discardWriter{http.Header{}}
			unbound := testkit.BearerRequest(testkit.Signed(testkit.GoodHeader, claims))
			token, prove := boundToken(claims)
			bound := testkit.WithHeader(testkit.RequestWith("DPoP "+token), "DPoP", prove("x"))
			bearer, dpop := perRun(t, func() { h.ServeHTTP(w, unbound) }), perRun(t, func() { h.ServeHTTP(w, bound) })
			if dpop > bearer {
				t.Errorf("the refusal of a bound token allocates %d times, that of a bearer token %d times", dpop, bearer)
			}
			t.Logf("the refusal allocates %d times", dpop)
		})
	}
}

// TestAllocationsOfSessions: a session allocates its cipher and its parts, and in a store
// also the keys of its marks. A damaged cookie allocates less, and a visitor without a
// cookie almost nothing.
func TestAllocationsOfSessions(t *testing.T) {
	for _, m := range []struct {
		name                               string
		edit                               func(*auth0.Config)
		page, read, save, damaged, garbage int
	}{
		{"in cookies", testkit.InCookies, 12, 10, 27, 7, 5},
		{"in a store", testkit.InStore, 22, 21, 54, 7, 5},
	} {
		e := testkit.SignedIn(t, m.edit, func(c *auth0.Config) { c.Audience, c.Logger = testkit.Audience, slog.New(slog.DiscardHandler) })
		good := e.Browser().MustLogin().Cookies[testkit.SessionCookie]
		middle := len(good) / 2
		other := "A"
		if good[middle] == 'A' {
			other = "B"
		}
		damaged := good[:middle] + other + good[middle+1:]
		request := func(cookie string) *http.Request {
			r := testkit.Must(http.NewRequestWithContext(t.Context(), "GET", testkit.AppURL+"/", nil))
			if r.Header.Set("Sec-Fetch-Mode", "navigate"); cookie != "" {
				r.Header.Set("Cookie", testkit.SessionCookie+"="+cookie)
			}
			return r
		}
		w := &discardWriter{http.Header{}}
		served := 0
		page := e.Strategy.LoadUser(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, ok := auth0.UserFrom(r.Context()); ok {
				served++
			}
		}))
		serve := func(r *http.Request) func() { return func() { clear(w.header); page.ServeHTTP(w, r) } }
		read := func(r *http.Request, ok bool) func() {
			return func() {
				if _, err := e.Strategy.Session(r); (err == nil) != ok {
					t.Fatal(err)
				}
			}
		}
		r := request(good)
		var loaded *http.Request
		e.Strategy.LoadUser(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { loaded = r })).ServeHTTP(w, r)
		s, err := e.Strategy.Session(loaded)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for what, row := range map[string]struct {
			f    func()
			most int
		}{
			"a page with a session":       {serve(r), m.page},
			"Session":                     {read(r, true), m.read},
			"Session of a damaged cookie": {read(request(damaged), false), m.damaged},
			"Session of garbage":          {read(request("garbage"), false), m.garbage},
			"a page with nobody":          {serve(request("")), 3}, // the request, its context, the header Vary
			"SaveSession": {func() {
				clear(w.header)
				n++
				s.Data["n"] = strings.Repeat("x", n%2)
				if err := e.Strategy.SaveSession(w, loaded, s); err != nil {
					t.Fatal(err)
				}
			}, m.save},
		} {
			if n := perRun(t, row.f); n > row.most {
				t.Errorf("%s, %s: %d allocations, want at most %d", m.name, what, n, row.most)
			}
		}
		if served == 0 {
			t.Errorf("%s: no page had a user", m.name)
		}
	}
}

// A replay is a tenant that records the answers to token requests and replays them for
// later logins.
type replay struct {
	next  http.RoundTripper
	known map[string][]byte // by request
}

func (p *replay) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := []byte(r.URL.Path)
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		sent = append(sent, body...)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	answer, ok := p.known[string(sent)]
	if !ok {
		resp, err := p.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if answer, err = io.ReadAll(resp.Body); err != nil {
			return nil, err
		}
		p.known[string(sent)] = answer
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

// TestAllocationsOfACallback: a callback allocates its cryptography, the second parsing
// of the ID token by go-oidc, one net/http request, and its cookies. The count includes
// the tenant of the test.
func TestAllocationsOfACallback(t *testing.T) {
	const most = 260
	tenant := &replay{known: map[string][]byte{}}
	e := testkit.SignedIn(t, testkit.InCookies, func(c *auth0.Config) {
		tenant.next = c.HTTPClient.Transport
		c.HTTPClient, c.Logger = &http.Client{Transport: tenant}, slog.New(slog.DiscardHandler)
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { l.Data["theme"] = l.User.Name; return nil }
	})
	// This strategy has seen no login. It opens the transactions of the other strategy.
	again, err := auth0.New(e.Config)
	if err != nil {
		t.Fatal(err)
	}
	const logins = 20
	var requests []*http.Request
	for range logins + 2 {
		b := e.Browser()
		u := b.AtTenant(b.Begin("/auth/login"))
		r := testkit.Must(http.NewRequestWithContext(t.Context(), "GET", u.String(), nil))
		for name, value := range b.Cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if requests = append(requests, r); b.Callback(u).Status != http.StatusSeeOther {
			t.Fatal("the login has failed")
		}
	}
	w, h := &discardWriter{}, again.CallbackHandler()
	next := 0
	finish := func() {
		w.header = http.Header{}
		h.ServeHTTP(w, requests[next])
		if next++; w.header.Get("Location") == "" {
			t.Fatal("the callback has no redirect")
		}
	}
	finish() // fetches the JWKS
	if raceDetector {
		t.Skip("the race detector allocates by itself")
	}
	if n := int(testing.AllocsPerRun(logins, finish)); n > most {
		t.Errorf("a callback allocates %d times, want at most %d", n, most)
	} else {
		t.Logf("a callback allocates %d times", n)
	}
}
