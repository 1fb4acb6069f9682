package verify

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

var at = time.Unix(2_000_000_000, 0)

var secret = strings.Repeat("s", 32)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type members map[string]any

// token signs the claims of a good token, with changes. A nil value removes a claim.
func token(changes members) string {
	claims := members{"iss": "https://t.example/", "sub": "s", "aud": "api", "exp": at.Unix() + 60, "iat": at.Unix()}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	input := b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64(must(json.Marshal(claims)))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

// An api is a Checker, and what it was asked for.
type api struct {
	*Checker
	now       time.Time
	published int
	trusted   map[string]issuers.Source // of the application's function
}

// newAPI returns an API that has the issuer https://t.example/, and the issuers that the
// test trusts.
func newAPI(t *testing.T, change func(*Checker)) *api {
	t.Helper()
	a := &api{now: at, trusted: map[string]issuers.Source{}}
	report := func(field, format string, args ...any) { t.Errorf(field+" "+format, args...) }
	trusted := issuers.New(issuers.Settings{
		Defaults: access.Issuer{Audiences: []string{"api"}}, Log: slog.New(slog.DiscardHandler), Client: http.DefaultClient,
		Resolve: func(_ context.Context, name string) (issuers.Source, bool, error) {
			source, ok := a.trusted[name]
			return source, ok, nil
		},
	})
	trusted.Add(report, issuers.Source{Domain: "t.example", Keys: keysOf(secret)})
	a.Checker = &Checker{
		Issuers: trusted, Cache: NewCache(report, 0), Now: func() time.Time { return a.now },
		Publish: func(t Token) *Token { a.published++; t.Public = a.published; return &t },
	}
	if change != nil {
		change(a.Checker)
	}
	return a
}

func keysOf(secret string) issuers.Keys {
	set := must(keys.Shared(secret))
	return issuers.Keys{Set: set, Public: set}
}

func withDPoP(ch *Checker) {
	ch.Rules.Key = access.Allowed
	ch.Proofs = dpop.NewVerifier(func(field, format string, args ...any) { panic(field) }, dpop.Settings{
		BaseURLs: []string{"https://api.example"}, Leeway: time.Second, Now: ch.Now,
	})
}

// alone is a token of an unknown sender.
func alone(raw string) Presented { return Presented{Credential: bearer.Credential{Token: raw}} }

// sent is a token in a request, with the scheme DPoP if there is a proof.
func sent(raw string, proofs ...string) Presented {
	r := httptest.NewRequest("GET", "https://api.example/x", nil)
	r.TLS = nil
	for _, text := range proofs {
		r.Header.Add("DPoP", text)
	}
	return Presented{Credential: bearer.Credential{Token: raw, Request: r, InHeader: true, DPoP: len(proofs) > 0}, How: InRequest}
}

func (p Presented) as(how Presentation) Presented { p.How = how; return p }

// expect compares a result with the wanted fault, nil for a good token.
func expect(t *testing.T, why string, o Result, err error, want *fault.Fault) {
	t.Helper()
	switch {
	case want == nil && (err != nil || o.Token == nil):
		t.Errorf("%s: %v", why, err)
	case want != nil && (!errors.Is(err, want) || o.Token != nil):
		t.Errorf("%s: %v with %v, want %v", why, err, o.Token, want)
	}
}

// TestCheck has one row per kind of refusal. Each token is checked twice.
func TestCheck(t *testing.T) {
	t.Parallel()
	good := token(nil)
	for _, tt := range []struct {
		why, token string
		want       *fault.Fault
		from       bool // the issuer is known to the observer
	}{
		{"good", good, nil, true},
		{"long", token(members{"x": strings.Repeat("x", 9000)}), nil, true},
		{"not a token", "x", fault.Malformed, false},
		{"signature", good[:len(good)-4] + "AAAA", fault.Signature, true},
		{"no iss", token(members{"iss": nil}), fault.Claim, false},
		{"issuer", token(members{"iss": "https://evil.example/"}), fault.Issuer, false},
		{"audience", token(members{"aud": "other"}), fault.Audience, true},
		{"expired", token(members{"exp": at.Unix() - 60}), fault.Expired, true},
		{"form of a claim", token(members{"aud": 1}), fault.Claim, false},
		{"bound to something", token(members{"cnf": members{"x": "y"}}), fault.Bound, true},
	} {
		a := newAPI(t, nil)
		for _, cached := range []bool{false, true} {
			o, err := a.Check(t.Context(), alone(tt.token))
			expect(t, tt.why, o, err, tt.want)
			if (o.From != nil) != tt.from || o.Cached != (cached && tt.why == "good") {
				t.Errorf("%s: from %v, cached %v", tt.why, o.From, o.Cached)
			}
			if err == nil && (o.Token.Claims.Subject != "s" || o.Token.Algorithm != "HS256" || o.Token.From != o.From || !strings.Contains(o.Token.Payload, `"sub":"s"`)) {
				t.Errorf("%s: %+v", tt.why, o.Token)
			}
		}
	}
	var none *Checker
	o, err := none.Check(t.Context(), alone(good))
	if r, ok := errors.AsType[*refusal.Refusal](err); !ok || r.Row != refusal.Misconfigured || o.Token != nil || none.AcceptsDPoP() {
		t.Error(err)
	}
	a := newAPI(t, func(ch *Checker) { ch.Rules.Algorithms = []string{"RS256"} })
	o, err = a.Check(t.Context(), alone(good))
	expect(t, "header", o, err, fault.Algorithm)
	o, err = a.Check(t.Context(), alone("opaque"))
	expect(t, "opaque", o, err, fault.Malformed)
	if bad, ok := errors.AsType[*fault.Fault](err); !ok || !strings.Contains(bad.Cause.Error(), `the audience ["api"]`) {
		t.Errorf("no hint: %v", bad)
	}
}

// TestCachedToken: a cached token is the same token, and is rejected as soon as its time, its
// issuer or its key has changed.
func TestCachedToken(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	check := func(why, raw string, cached bool, want *fault.Fault) Result {
		t.Helper()
		o, err := a.Check(t.Context(), alone(raw))
		if expect(t, why, o, err, want); o.Cached != cached {
			t.Errorf("%s: cached %v", why, o.Cached)
		}
		return o
	}
	good := token(nil)
	first := check("first", good, false, nil)
	if again := check("again", good, true, nil); again.Token != first.Token || a.published != 1 || first.Token.Public != 1 {
		t.Errorf("%d tokens", a.published)
	}
	check("another signature", good[:len(good)-20]+"A"+good[len(good)-19:], false, fault.Signature)
	end := strings.LastIndex(good, ".")
	check("other claims with that signature", token(members{"sub": "x"})[:end]+good[end:], false, fault.Signature)
	a.now = at.Add(time.Hour)
	check("expired", good, true, fault.Expired)

	a.now = at
	named := token(members{"iss": "https://named.example/"})
	source := issuers.Source{Domain: "named.example", Keys: keysOf(secret)}
	a.trusted["https://named.example/"] = source
	check("of a named issuer", named, false, nil)
	check("again", named, true, nil)
	if len(a.Issuers.Settled()) != 1 {
		t.Error("the issuer is not settled")
	}
	source.Audiences = []string{"other"}
	a.trusted["https://named.example/"] = source
	check("of a changed issuer", named, false, fault.Audience)
	source.Audiences, source.Keys = nil, keysOf(strings.Repeat("t", 32))
	a.trusted["https://named.example/"] = source
	check("of changed keys", named, false, fault.Signature)
	delete(a.trusted, "https://named.example/")
	check("of an untrusted issuer", named, true, fault.Issuer)
}

func TestCacheSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{0: "", 1: "", 1 << 20: "", -1: "", -2: "TokenCache -2", 1<<20 + 1: "TokenCache 1048577"} {
		got := ""
		c := NewCache(func(field, format string, args ...any) { got = field + " " + fmt.Sprintf(format, args...) }, size)
		if !strings.HasPrefix(got, want) || want == "" && got != "" || (c == nil) != (size == -1 || want != "") {
			t.Errorf("%d: %q, %v", size, got, c)
		}
	}
	a := newAPI(t, func(ch *Checker) { ch.Cache = nil })
	for range 2 {
		if o, err := a.Check(t.Context(), alone(token(nil))); err != nil || o.Cached {
			t.Error(o.Cached, err)
		}
	}
	if a.published != 2 {
		t.Errorf("%d tokens", a.published)
	}
}

// proof signs a proof for the request of [sent].
func proof(k *dpop.Key, raw string) string {
	return must(dpop.Sign(k, dpop.Claims{Method: "GET", URL: "https://api.example/x", Token: raw, Now: at}))
}

// TestKeyOfSender: a bound token needs the proof of its key, once.
func TestKeyOfSender(t *testing.T) {
	t.Parallel()
	k, other := must(dpop.NewKey()), must(dpop.NewKey())
	plain, bound := token(nil), token(members{"cnf": members{"jkt": k.Thumbprint()}})
	required := func(ch *Checker) { withDPoP(ch); ch.Proofs.Required = true }
	for _, tt := range []struct {
		why    string
		change func(*Checker)
		p      Presented
		want   *fault.Fault
	}{
		{"proof", withDPoP, sent(bound, proof(k, bound)), nil},
		{"required", required, sent(bound, proof(k, bound)), nil},
		{"bearer token", withDPoP, sent(plain), nil},
		{"session", required, sent(bound).as(InSession), nil},
		{"bound without a proof", withDPoP, sent(bound), fault.Bound},
		{"bound, alone", withDPoP, alone(bound), fault.Bound},
		{"bound, with a certificate", withDPoP, alone(bound).as(WithCertificate), fault.Bound},
		{"off", nil, sent(bound), fault.Bound},
		{"another key", withDPoP, sent(bound, proof(other, bound)), fault.OtherKey},
		{"of another token", withDPoP, sent(bound, proof(k, plain)), fault.Proof},
		{"two proofs", withDPoP, sent(bound, proof(k, bound), proof(k, bound)), fault.Proof},
		{"not a proof", withDPoP, sent(bound, "x"), fault.Proof},
		{"no token with that proof", withDPoP, sent("x.y.z", "x"), fault.Malformed},
		{"bearer token with a proof", withDPoP, sent(plain, proof(k, plain)), fault.NoKey},
	} {
		a := newAPI(t, tt.change)
		o, err := a.Check(t.Context(), tt.p)
		expect(t, tt.why, o, err, tt.want)
		if tt.p.DPoP && err == nil {
			o, err = a.Check(t.Context(), tt.p)
			if expect(t, tt.why+", again", o, err, fault.Proof); !o.Cached {
				t.Errorf("%s: not cached", tt.why)
			}
			tt.p.Request.Header["Dpop"] = []string{"x"}
			o, err = a.Check(t.Context(), tt.p)
			expect(t, tt.why+", cached with a bad proof", o, err, fault.Proof)
		}
	}
	refused := func(why string, p Presented, change func(*Checker), want refusal.Row) {
		t.Helper()
		_, err := newAPI(t, change).Check(t.Context(), p)
		if r, ok := errors.AsType[*refusal.Refusal](err); !ok || r.Row != want {
			t.Errorf("%s: %v", why, err)
		}
	}
	refused("bearer token if proofs are required", sent(plain), required, refusal.ProofRequired)
	beside := sent(plain, proof(k, plain))
	beside.DPoP = false
	refused("bearer token with a proof beside it", beside, withDPoP, refusal.ProofWithBearer)
}

// TestCertificateOfSender: a bound token needs its certificate, which only its request or the
// caller has.
func TestCertificateOfSender(t *testing.T) {
	t.Parallel()
	mine, other := &x509.Certificate{Raw: []byte("mine")}, &x509.Certificate{Raw: []byte("other")}
	sum := sha256.Sum256(mine.Raw)
	plain, bound := token(nil), token(members{"cnf": members{"x5t#S256": b64(sum[:])}})
	failed := errors.New("failed")
	over := func(list ...*x509.Certificate) Presented {
		p := sent(bound)
		p.Request.TLS = &tls.ConnectionState{PeerCertificates: list}
		return p
	}
	with := func(raw string, c *x509.Certificate) Presented {
		p := alone(raw).as(WithCertificate)
		p.Certificate = c
		return p
	}
	allowed := func(ch *Checker) { ch.Rules.Certificate = access.Allowed }
	from := func(c *x509.Certificate, err error) func(*Checker) {
		return func(ch *Checker) {
			allowed(ch)
			ch.Certificate = func(*http.Request) (*x509.Certificate, error) { return c, err }
		}
	}
	for _, tt := range []struct {
		why    string
		change func(*Checker)
		p      Presented
		want   *fault.Fault
	}{
		{"of the connection", allowed, over(mine, other), nil},
		{"of the function", from(mine, nil), over(other), nil},
		{"of the caller", allowed, with(bound, mine), nil},
		{"session", allowed, sent(bound).as(InSession), nil},
		{"a token without", from(nil, failed), sent(plain), nil},
		{"another one", allowed, over(other, mine), fault.OtherCertificate},
		{"none", allowed, sent(bound), fault.NoCertificate},
		{"another one of the caller", allowed, with(bound, other), fault.OtherCertificate},
		{"none of the caller", allowed, with(bound, nil), fault.NoCertificate},
		{"alone", allowed, alone(bound), fault.Bound},
		{"off", nil, over(mine), fault.Bound},
	} {
		o, err := newAPI(t, tt.change).Check(t.Context(), tt.p)
		expect(t, tt.why, o, err, tt.want)
	}
	if _, err := newAPI(t, from(nil, failed)).Check(t.Context(), over(mine)); err != failed {
		t.Error(err)
	}
}

// A provided answers the requests for its discovery document and for its keys.
type provided struct{ issuer, jwks string }

func (p *provided) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/keys" {
		io.WriteString(w, p.jwks)
	} else {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"https://id.example/keys","authorization_endpoint":"https://id.example/a","token_endpoint":"https://id.example/t"}`, p.issuer)
	}
	return w.Result(), nil
}

// newFetching returns an API that fetches the keys of a provider, and the Set of them.
func newFetching(t *testing.T, p *provided) (*api, *keys.Set) {
	t.Helper()
	a := newAPI(t, nil)
	client, log := &http.Client{Transport: p}, slog.New(slog.DiscardHandler)
	set := keys.New(keys.Source{
		URL: func(context.Context) (string, error) { return "https://id.example/keys", nil }, Client: client, Log: log, Observe: func(context.Context, keys.Event) {},
	})
	a.Issuers = issuers.New(issuers.Settings{
		Defaults: access.Issuer{Audiences: []string{"api"}, Algorithms: []string{"EdDSA"}}, Client: client, Log: log,
		NewKeys: func(tenant *provider.Tenant, _ string) issuers.Keys {
			return issuers.Keys{Set: set, Tenant: tenant, Public: set}
		},
	})
	a.Issuers.Add(func(field, format string, args ...any) { t.Errorf(field+" "+format, args...) }, issuers.Source{Domain: "https://id.example"})
	return a, set
}

// edToken returns a good token that the key with the seed has signed, and that key.
func edToken(seed byte, iss string) (token, jwk string) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	kid := fmt.Sprintf("k%d", seed)
	claims := must(json.Marshal(members{"iss": iss, "sub": "s", "aud": "api", "exp": at.Unix() + 60, "iat": at.Unix()}))
	input := b64(fmt.Appendf(nil, `{"alg":"EdDSA","typ":"JWT","kid":%q}`, kid)) + "." + b64(claims)
	return input + "." + b64(ed25519.Sign(key, []byte(input))),
		fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":%q,"x":%q}]}`, kid, b64(key.Public().(ed25519.PublicKey)))
}

// TestExactIssuer: an issuer is found by its name with and without a final slash. Only the
// name that its document has is accepted (RFC 9068, Section 4).
func TestExactIssuer(t *testing.T) {
	t.Parallel()
	names := []string{"https://id.example", "https://id.example/"}
	for _, issuer := range names {
		for _, iss := range names {
			raw, jwks := edToken(1, iss)
			a, _ := newFetching(t, &provided{issuer, jwks})
			var want *fault.Fault
			if iss != issuer {
				want = fault.Issuer
			}
			for range 2 {
				o, err := a.Check(t.Context(), alone(raw))
				expect(t, issuer+" of "+iss, o, err, want)
			}
		}
	}
}

// TestRevokedKey: a cached token is rejected as soon as its key is no longer published.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	raw, jwks := edToken(1, "https://id.example/")
	p := &provided{"https://id.example/", jwks}
	a, set := newFetching(t, p)
	for _, cached := range []bool{false, true} {
		o, err := a.Check(t.Context(), alone(raw))
		if expect(t, "published", o, err, nil); o.Cached != cached {
			t.Errorf("cached %v", o.Cached)
		}
	}
	_, p.jwks = edToken(2, "https://id.example/")
	if err := set.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	o, err := a.Check(t.Context(), alone(raw))
	expect(t, "revoked", o, err, fault.UnknownKey)
}
