package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// keysAlone is a host that publishes a JWKS and no other document.
func keysAlone(t *testing.T, keys ...testkit.JWK) http.Handler {
	document := jwksOf(t, keys...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/keys" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, document)
	})
}

// TestIssuerThatPublishesOnlyKeys: an issuer without a discovery document, and keys on
// another host than the issuer's, also for an issuer of ResolveIssuer.
func TestIssuerThatPublishesOnlyKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ why, domain, iss, uri, host string }{
		{"no document", "https://id.example/realm", "https://id.example/realm", "https://id.example/v1/keys", "id.example"},
		{"a slash at the end", "https://id.example/realm/", "https://id.example/realm/", "https://id.example/v1/keys", "id.example"},
		{"another host", "https://id.example", "https://id.example", "https://keys.example/v1/keys", "keys.example"},
		{"an Auth0 domain", "acme.example", "https://acme.example/", "https://keys.example/v1/keys", "keys.example"},
	} {
		issuer := auth0.Issuer{Domain: tt.domain, JWKSURI: tt.uri}
		for where, edit := range map[string]func(*auth0.APIConfig){
			"Issuers": func(c *auth0.APIConfig) { c.Domain, c.Issuers = "", []auth0.Issuer{issuer} },
			"ResolveIssuer": func(c *auth0.APIConfig) {
				c.Domain, c.ResolveIssuer = "", func(context.Context, string) (*auth0.Issuer, error) { return &issuer, nil }
			},
		} {
			t.Run(tt.why+", "+where, func(t *testing.T) {
				f := testkit.NewAPIEnv(t, edit)
				f.Net.Handle(tt.host, keysAlone(t, testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey)))
				f.ExpectTokens(t, []testkit.TokenCase{
					{"good", testkit.IssuedBy(tt.iss, testkit.RSAKey2()), testkit.AnswerOK},
					{"key of nobody", testkit.IssuedBy(tt.iss, testkit.RSAKey1()), testkit.AnswerBadSignature},
					{"one slash more", testkit.IssuedBy(tt.iss+"/", testkit.RSAKey2()), testkit.AnswerWrongIssuer},
					{"one slash less", testkit.IssuedBy(strings.TrimSuffix(tt.iss, "/")+map[bool]string{true: "", false: "x"}[strings.HasSuffix(tt.iss, "/")], testkit.RSAKey2()), testkit.AnswerWrongIssuer},
				})
				if asked := f.Net.Asked(); !slices.Equal(asked, []string{tt.uri}) {
					t.Errorf("asked %q, want only the keys", asked)
				}
			})
		}
	}
}

// TestAnswerWithOtherKeys: an answer of ResolveIssuer with another URL of the keys makes
// a new issuer.
func TestAnswerWithOtherKeys(t *testing.T) {
	t.Parallel()
	answer := auth0.Issuer{Domain: "https://id.example", JWKSURI: "https://keys.example/v1/keys"}
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) { given := answer; return &given, nil })
	f.Net.Handle("keys.example", keysAlone(t, testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)))
	f.Net.Handle("other.example", keysAlone(t, testkit.RSAJWK("k1", &testkit.RSAKey2().PublicKey)))
	token := testkit.IssuedBy("https://id.example", testkit.RSAKey1())
	f.ExpectToken(t, token, testkit.AnswerOK)
	answer.JWKSURI = "https://other.example/v1/keys"
	f.ExpectToken(t, token, testkit.AnswerBadSignature)
	f.ExpectToken(t, testkit.IssuedBy("https://id.example", testkit.RSAKey2()), testkit.AnswerOK)
}

// TestMissingAudience: a token without aud is accepted only from the configured
// clients, and is otherwise checked like any other.
func TestMissingAudience(t *testing.T) {
	t.Parallel()
	accepting := func(c *auth0.APIConfig) {
		c.Domain, c.Issuers = "", []auth0.Issuer{{Domain: testkit.APIHost, AcceptMissingAudienceFrom: []string{"app", "batch"}}}
	}
	strict := func(c *auth0.APIConfig) { accepting(c); c.StrictProfile = true }
	ofClient := func(name, value string) testkit.Object {
		return testkit.GoodClaims(testkit.Noon).Without("aud").Without("azp").Without("client_id").Set(name, value)
	}
	access := testkit.GoodHeader.Set("typ", `"at+jwt"`)
	for _, tt := range []struct {
		why    string
		edit   func(*auth0.APIConfig)
		header testkit.Object
		claims testkit.Object
		want   testkit.Answer
		cause  string
	}{
		{"client_id", accepting, testkit.GoodHeader, ofClient("client_id", `"app"`), testkit.AnswerOK, ""},
		{"second client", accepting, testkit.GoodHeader, ofClient("client_id", `"batch"`).Set("token_use", `"access"`), testkit.AnswerOK, ""},
		{"azp", accepting, testkit.GoodHeader, ofClient("azp", `"app"`).Set("typ", `"Bearer"`), testkit.AnswerOK, ""},
		{"client_id counts before azp", accepting, testkit.GoodHeader, ofClient("client_id", `"other"`).Set("azp", `"app"`), testkit.AnswerWrongAud, `the client id is \"other\"`},
		{"another client", accepting, testkit.GoodHeader, ofClient("client_id", `"other"`), testkit.AnswerWrongAud, `want one of Issuer.AcceptMissingAudienceFrom: [\"app\" \"batch\"]`},
		{"no client", accepting, testkit.GoodHeader, testkit.GoodClaims(testkit.Noon).Without("aud").Without("azp").Without("client_id"), testkit.AnswerWrongAud, "no aud"},
		{"aud of another API", accepting, testkit.GoodHeader, ofClient("client_id", `"app"`).Set("aud", `"https://other.example/"`), testkit.AnswerWrongAud, `aud is [\"https://other.example/\"]`},
		{"empty aud", accepting, testkit.GoodHeader, ofClient("client_id", `"app"`).Set("aud", `""`), testkit.AnswerWrongAud, `aud is [\"\"]`},
		{"empty list", accepting, testkit.GoodHeader, ofClient("client_id", `"app"`).Set("aud", `[]`), testkit.AnswerWrongAud, "aud is []"},
		{"aud of this API", accepting, testkit.GoodHeader, ofClient("client_id", `"other"`).Set("aud", strconv.Quote(testkit.APIAudience)), testkit.AnswerOK, ""},
		{"ID token", accepting, testkit.GoodHeader, ofClient("client_id", `"app"`).Set("token_use", `"id"`), testkit.AnswerWrongType, "token_use"},
		{"nonce", accepting, testkit.GoodHeader, ofClient("client_id", `"app"`).Set("nonce", `"n"`), testkit.AnswerWrongType, "nonce"},
		{"expired", accepting, testkit.GoodHeader, ofClient("client_id", `"app"`).Set("exp", testkit.NoonPlus(-60)), testkit.AnswerExpired, "exp"},
		{"strict profile", strict, access, ofClient("client_id", `"app"`).Set("jti", `"j"`), testkit.AnswerBadClaims, "no usable aud"},
		{"strict profile with aud", strict, access, ofClient("client_id", `"app"`).Set("jti", `"j"`).Set("aud", strconv.Quote(testkit.APIAudience)), testkit.AnswerOK, ""},
		{"not asked for", func(*auth0.APIConfig) {}, testkit.GoodHeader, ofClient("client_id", `"app"`), testkit.AnswerWrongAud, "see Issuer.AcceptMissingAudienceFrom"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := testkit.NewAPIEnv(t, tt.edit)
			token := testkit.Signed(tt.header, tt.claims)
			f.ExpectToken(t, token, tt.want)
			if log := f.Log.Take(); !strings.Contains(log, tt.cause) || strings.Contains(log, "ID token:") {
				t.Errorf("log %s, want %s", log, tt.cause)
			}
			f.ExpectToken(t, token, tt.want) // also from the cache
		})
	}
	// Another answer of ResolveIssuer ends it, and a change of the slice is no answer.
	clients := []string{"app"}
	f, _ := newResolverFixture(t, func(string) (*auth0.Issuer, error) {
		return &auth0.Issuer{Domain: testkit.APIHost, AcceptMissingAudienceFrom: clients}, nil
	})
	token := testkit.Signed(testkit.GoodHeader, ofClient("client_id", `"app"`))
	f.ExpectToken(t, token, testkit.AnswerOK)
	clients[0] = "other"
	f.ExpectToken(t, token, testkit.AnswerWrongAud)
}

// TestWarmOfResolvedIssuers: a readiness probe is not green without a reason.
func TestWarmOfResolvedIssuers(t *testing.T) {
	t.Parallel()
	f, _ := newResolverFixture(t, func(iss string) (*auth0.Issuer, error) {
		if iss == "https://unknown.example/" {
			return nil, nil
		}
		return &auth0.Issuer{Domain: strings.Trim(strings.TrimPrefix(iss, "https://"), "/")}, nil
	})
	var e *auth0.Error
	if err := f.API.Warm(t.Context()); !errors.As(err, &e) || e.Reason != "misconfigured" || !strings.Contains(err.Error(), "name the issuers") {
		t.Errorf("nothing to warm: %v", err)
	}
	var names []string // more than the limit for issuers without an accepted token
	for i := range 40 {
		names = append(names, issuerName(i))
		f.AddIssuer(t, strings.Trim(strings.TrimPrefix(issuerName(i), "https://"), "/"), testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
	}
	if err := f.API.Warm(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
	list := f.API.Status()
	if len(list) != len(names) || !slices.IsSortedFunc(list, func(a, b auth0.KeyStatus) int { return strings.Compare(a.Issuer, b.Issuer) }) {
		t.Errorf("Status: %+v", list)
	}
	for _, status := range list {
		if status.Keys != 1 || status.Err != nil {
			t.Errorf("Status: %+v", status)
		}
	}
	fetched := len(f.HostsAsked())
	f.ExpectToken(t, testkit.IssuedBy(names[7], testkit.RSAKey1()), testkit.AnswerOK)
	if n := len(f.HostsAsked()); n != fetched || fetched != len(names) {
		t.Errorf("%d requests, then %d, want %d", fetched, n, len(names))
	}
	f.AddIssuer(t, "down.example").Fail(testkit.JWKSEndpoint, 503)
	err := f.API.Warm(t.Context(), "https://unknown.example/", "https://down.example/", names[0])
	if err == nil || !strings.Contains(err.Error(), "https://unknown.example/") || !strings.Contains(err.Error(), "https://down.example/.well-known/jwks.json") || strings.Contains(err.Error(), names[0]) {
		t.Errorf("Warm: %v", err)
	}
	if !errors.Is(err, auth0.ErrKeysUnavailable) {
		t.Errorf("Warm: %v is not ErrKeysUnavailable", err)
	}
	// Strangers do not fill the status.
	before := len(f.API.Status())
	f.ExpectToken(t, testkit.Compact(testkit.GoodHeader.String(), testkit.WithClaim("iss", `"https://t1000.example/"`).String(), testkit.Constant([]byte{1})), testkit.AnswerNoKeys)
	if n := len(f.API.Status()); n != before {
		t.Errorf("%d issuers, want %d", n, before)
	}
	// A configured issuer is warmed too, with or without its name.
	both := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
		c.ResolveIssuer = func(context.Context, string) (*auth0.Issuer, error) { return nil, nil }
	})
	if err := both.API.Warm(t.Context(), testkit.APIIssuer); err != nil || len(both.API.Status()) != 1 || both.API.Status()[0].Keys != 2 {
		t.Errorf("%v, %+v", err, both.API.Status())
	}
}
