package api_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestSchemes has the requests that a client can send to an API in each mode.
func TestSchemes(t *testing.T) {
	t.Parallel()
	const off, allowed, required = auth0.BindingOff, auth0.BindingAllowed, auth0.BindingRequired
	unbound := holder{client.key, testkit.GoodToken()}
	bearer := func(token string, proofs ...string) *http.Request {
		r := testkit.BearerRequest(token)
		r.Header["Dpop"] = proofs
		return r
	}
	sender := asBearer(401, "invalid_token", "token is sender-constrained")
	for _, tt := range []struct {
		why  string
		mode auth0.Binding
		r    *http.Request
		want testkit.Answer
	}{
		{"off, no token", off, testkit.RequestWith(), testkit.AnswerNoToken},
		{"off, unbound", off, bearer(testkit.GoodToken()), testkit.AnswerOK},
		{"off, unbound with a proof", off, bearer(testkit.GoodToken(), unbound.proof()), testkit.AnswerOK},
		{"off, bound as bearer", off, bearer(client.token), testkit.AnswerBound},
		{"off, bound as bearer with a proof", off, bearer(client.token, client.proof()), testkit.AnswerBound},
		{"off, bound with a proof", off, client.request(client.proof()), testkit.AnswerNoToken},

		{"allowed, no token", allowed, testkit.RequestWith(), noToken},
		{"allowed, a proof and no token", allowed, testkit.WithHeader(testkit.RequestWith(), "DPoP", client.proof()), noToken},
		{"allowed, bound with a proof", allowed, client.request(client.proof()), testkit.AnswerOK},
		{"allowed, scheme in another case", allowed, testkit.WithHeader(testkit.RequestWith("dpop  "+client.token), "DPoP", client.proof()), testkit.AnswerOK},
		{"allowed, unbound", allowed, bearer(testkit.GoodToken()), testkit.AnswerOK},
		{"allowed, bound as bearer", allowed, bearer(client.token), sender},
		{"allowed, bound as bearer with a proof", allowed, bearer(client.token, client.proof()), sender},
		{"allowed, unbound with the scheme DPoP", allowed, unbound.request(unbound.proof()), badToken("token not bound to a key")},
		{"allowed, unbound with the scheme DPoP and no proof", allowed, unbound.request(), badProof},
		{"allowed, bound without a proof", allowed, client.request(), badProof},
		{"allowed, unbound as bearer with a proof", allowed, bearer(testkit.GoodToken(), unbound.proof()), asBearer(400, "invalid_request", "DPoP proof sent with Bearer scheme")},
		{"allowed, unbound as bearer with an empty proof", allowed, bearer(testkit.GoodToken(), ""), asBearer(400, "invalid_request", "DPoP proof sent with Bearer scheme")},
		{"allowed, scheme without a token", allowed, testkit.RequestWith("DPoP"), withProof(400, "invalid_request", "malformed Authorization header")},
		{"allowed, a comma in the token and no proof", allowed, testkit.RequestWith("DPoP a,b"), withProof(400, "invalid_request", "malformed Authorization header")},
		{"allowed, quotation marks around the token", allowed, testkit.WithHeader(testkit.RequestWith(`DPoP "`+client.token+`"`), "DPoP", client.proof()), withProof(400, "invalid_request", "malformed Authorization header")},
		{"allowed, characters that no token has", allowed, testkit.WithHeader(testkit.RequestWith("DPoP a b"), "DPoP", client.proof()), withProof(400, "invalid_request", "malformed Authorization header")},
		{"allowed, Bearer without a token", allowed, testkit.RequestWith("Bearer"), asBearer(400, "invalid_request", "malformed Authorization header")},
		{"allowed, two lines", allowed, testkit.RequestWith("DPoP "+client.token, "Bearer "+testkit.GoodToken()), asBearer(400, "invalid_request", "malformed Authorization header")},
		{"allowed, another scheme", allowed, testkit.RequestWith("Basic YTpi"), noToken},
		{"allowed, certificate as well", allowed, holder{client.key, withCNF(`"jkt":"` + client.thumbprint() + `","x5t#S256":"` + hash("c") + `"`)}.request(client.proof()), badToken("token is sender-constrained")},

		{"required, no token", required, testkit.RequestWith(), alone(noToken)},
		{"required, bound with a proof", required, client.request(client.proof()), testkit.AnswerOK},
		{"required, unbound", required, bearer(testkit.GoodToken()), alone(noToken)},
		{"required, bound as bearer", required, bearer(client.token), alone(noToken)},
		{"required, bound as bearer with a proof", required, bearer(client.token, client.proof()), alone(noToken)},
		{"required, expired as bearer", required, bearer(testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60)))), alone(noToken)},
		{"required, unbound with the scheme DPoP", required, unbound.request(unbound.proof()), alone(badToken("token not bound to a key"))},
		{"required, no proof", required, client.request(), alone(badProof)},
		{"required, Bearer without a token", required, testkit.RequestWith("Bearer"), alone(withProof(400, "invalid_request", "malformed Authorization header"))},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			f := newEnv(t, tt.mode)
			f.ExpectWhole(t, f.API.RequireAuth(f), tt.r, tt.want)
		})
	}
}

// TestProofs has a row for each claim and header parameter of a proof. Every bad proof
// gets the same answer, and the log names the check that failed.
func TestProofs(t *testing.T) {
	t.Parallel()
	f := newEnv(t, auth0.BindingAllowed)
	good := client.proof()
	parts := strings.Split(good, ".")
	signed := func(header string, edits ...edit) string {
		p := strings.Split(client.proof(edits...), ".")
		return testkit.Compact(header, string(testkit.DecodeSegment(p[1])), testkit.ES(crypto.SHA256, client.key, testkit.SideBySide(32)))
	}
	jwk := func(o testkit.Object) edit { return head("jwk", o.String()) }
	ours := client.jwk()
	rsaJWK := testkit.Object{{"kty", `"RSA"`}, {"n", testkit.Quoted(testkit.RSAJWK("", &testkit.RSAShort().PublicKey)["n"].(string))}, {"e", `"AQAB"`}}
	edwards := func(x string) edit {
		return func(p *proof) {
			head("alg", `"EdDSA"`)(p)
			jwk(testkit.Object{{"kty", `"OKP"`}, {"crv", `"Ed25519"`}, {"x", testkit.Quoted(x)}})(p)
		}
	}
	const ok = ""
	for _, tt := range []struct {
		why, proof string
		cause      string // in the log; empty for a good proof
	}{
		{"as it should be", good, ok},

		{"empty", "", "header:"},
		{"not a token", "abc", "header:"},
		{"two in one line", client.proof() + ", " + client.proof(), "header:"},
		{"comma at the end", client.proof() + ",", "header:"},
		{"8,193 bytes", strings.Repeat("a", 8193), "header:"},
		{"8,193 bytes, well-formed", client.proof(claim("x", `"`+strings.Repeat("x", 6500)+`"`)), "header:"},
		{"four segments", client.proof() + ".AA", "header:"},
		{"two segments", parts[0] + "." + parts[1], "header:"},
		{"no signature", parts[0] + "." + parts[1] + ".", "header:"},
		{"padded segment", parts[0] + "=." + parts[1] + "." + parts[2], "header:"},
		{"padded signature", parts[0] + "." + parts[1] + "." + parts[2] + "==", "header:"},
		{"access token", client.token, "typ:"},
		{"header of 2 KiB and more", client.proof(head("x", `"`+strings.Repeat("x", 2048)+`"`)), "header:"},
		{"header is an array", signed(`["dpop+jwt"]`), "header:"},
		{"typ twice", signed(`{"typ":"dpop+jwt","typ":"dpop+jwt","alg":"ES256","jwk":` + ours.String() + `}`), "header:"},
		{"claim twice", client.proof(func(p *proof) { p.claims = p.claims.Last("jti", `"x"`) }), "header:"},
		{"crit", client.proof(head("crit", `["exp"]`)), "header:"},
		{"b64", client.proof(head("b64", `true`)), "header:"},

		{"no typ", client.proof(head("typ", "")), "typ:"},
		{"typ JWT", client.proof(head("typ", `"JWT"`)), "typ:"},
		{"typ at+jwt", client.proof(head("typ", `"at+jwt"`)), "typ:"},
		{"typ number", client.proof(head("typ", `5`)), "typ:"},
		{"typ in another case", client.proof(head("typ", `"DPoP+JWT"`)), ok},
		{"typ with application", client.proof(head("typ", `"application/dpop+jwt"`)), ok},

		{"no alg", client.proof(head("alg", "")), "alg:"},
		{"alg none", client.proof(head("alg", `"none"`)), "alg:"},
		{"alg HS256", client.proof(head("alg", `"HS256"`)), "alg:"},
		{"alg ES256K", client.proof(head("alg", `"ES256K"`)), "alg:"},
		{"alg RS384", client.proof(head("alg", `"RS384"`)), "alg:"},
		{"alg of RSA with an EC key", client.proof(head("alg", `"RS256"`)), "alg:"},
		{"alg of another curve", client.proof(head("alg", `"ES384"`)), "alg:"},
		{"ALG is not alg", client.proof(head("alg", ""), head("ALG", `"ES256"`)), "alg:"},

		{"no jwk", client.proof(head("jwk", "")), "jwk:"},
		{"jwk text", client.proof(head("jwk", `"x"`)), "jwk:"},
		{"jwk null", client.proof(head("jwk", `null`)), "jwk:"},
		{"jwk with d", client.proof(jwk(ours.Set("d", testkit.Quoted(testkit.Segment(strings.Repeat("x", 32)))))), "jwk:"},
		{"jwk with k", client.proof(jwk(ours.Set("k", `"AA"`))), "jwk:"},
		{"jwk with oth", client.proof(jwk(ours.Set("oth", `[]`))), "jwk:"},
		{"jwk oct", client.proof(jwk(testkit.Object{{"kty", `"oct"`}, {"k", `"AAAA"`}})), "jwk:"},
		{"point that is not on the curve", client.proof(jwk(ours.Set("y", ours[2][1]))), "jwk:"},
		{"short coordinate", client.proof(jwk(ours.Set("y", `"AA"`))), "jwk:"},
		{"RSA of 1,024 bits", client.proof(head("alg", `"RS256"`), jwk(rsaJWK)), "jwk:"},
		{"Ed25519 of 31 bytes", client.proof(edwards(testkit.Segment(strings.Repeat("x", 31)))), "jwk:"},
		{"Ed25519 of no bytes", client.proof(edwards("")), "jwk:"},
		{"Ed25519, the identity", client.proof(edwards(testkit.Segment("\x01" + strings.Repeat("\x00", 31)))), "jwk:"},

		{"parameters that offer a key", client.proof(head("kid", `"k"`), head("jku", `"https://evil.example/"`), head("x5u", `"https://evil.example/"`), head("x5c", `["AA"]`)), ok},
		{"jwk with public members", client.proof(jwk(ours.Set("kid", `"k"`).Set("use", `"sig"`))), ok},

		{"no htm", client.proof(claim("htm", "")), "htm:"},
		{"htm in another case", client.proof(claim("htm", `"get"`)), "htm:"},
		{"htm of another method", client.proof(claim("htm", `"POST"`)), "htm:"},

		{"iat at the limit", client.proof(claim("iat", testkit.NoonPlus(-300))), ok},
		{"iat too old", client.proof(claim("iat", testkit.NoonPlus(-301))), "iat:"},
		{"iat ahead", client.proof(claim("iat", testkit.NoonPlus(30))), ok},
		{"iat too far ahead", client.proof(claim("iat", testkit.NoonPlus(31))), "compare the clocks of the client and of this machine"},
		{"iat with a fraction", client.proof(claim("iat", testkit.NoonPlus(0)+".5")), ok},
		{"no iat", client.proof(claim("iat", "")), "iat:"},
		{"iat text", client.proof(claim("iat", `"`+testkit.NoonPlus(0)+`"`)), "iat:"},
		{"iat null", client.proof(claim("iat", `null`)), "iat:"},
		{"iat 1e999", client.proof(claim("iat", `1e999`)), "iat:"},
		{"exp and nbf mean nothing", client.proof(claim("exp", `1`), claim("nbf", `9999999999`)), ok},

		{"no jti", client.proof(claim("jti", "")), "jti:"},
		{"empty jti", client.proof(claim("jti", `""`)), "jti:"},
		{"jti number", client.proof(claim("jti", `5`)), "jti:"},
		{"jti of 256 bytes", client.proof(claim("jti", testkit.Quoted(strings.Repeat("j", 256)))), ok},
		{"jti of 257 bytes", client.proof(claim("jti", testkit.Quoted(strings.Repeat("j", 257)))), "jti:"},

		{"no ath", client.proof(claim("ath", "")), "ath:"},
		{"ath of another token", client.proof(claim("ath", testkit.Quoted(hash(stranger.token)))), "ath:"},
		{"ath with padding", client.proof(claim("ath", testkit.Quoted(hash(client.token)+"="))), "ath:"},
		{"ath in hex", client.proof(claim("ath", fmt.Sprintf(`"%x"`, testkit.Digest(crypto.SHA256, client.token)))), "ath:"},

		{"nonce that nobody has asked for", client.proof(claim("nonce", `"n"`)), ok},

		{"signature of another key", func() string {
			p := strings.Split(stranger.proof(), ".")
			return parts[0] + "." + strings.Split(client.proof(), ".")[1] + "." + p[2]
		}(), "signature:"},
		{"signature in DER", testkit.Compact(string(testkit.DecodeSegment(parts[0])), string(testkit.DecodeSegment(strings.Split(client.proof(), ".")[1])),
			testkit.ES(crypto.SHA256, client.key, func(r, s *big.Int) []byte { return testkit.Must(asn1.Marshal(struct{ R, S *big.Int }{r, s})) })), "signature:"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			want := testkit.AnswerOK
			if tt.cause != ok {
				want = badProof
			}
			f.ExpectWhole(t, f.API.RequireAuth(f), client.request(tt.proof), want)
			if line := f.Log.Take(); !strings.Contains(line, tt.cause) || strings.Count(line, "\n") > 1 {
				t.Errorf("log %q, want %q", line, tt.cause)
			}
		})
	}
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(client.proof(), client.proof()), badProof)
	f.ExpectFetches(t, 1) // the keys of the issuer
}

// TestAlgorithmsOfProofs signs proofs with each kind of key.
func TestAlgorithmsOfProofs(t *testing.T) {
	t.Parallel()
	curve := func(name string, key *ecdsa.PrivateKey, h crypto.Hash, size int) (string, testkit.Object, testkit.Signer) {
		k := testkit.ECJWK("", "", &key.PublicKey)
		return name, testkit.Object{{"crv", testkit.AsJSON(k["crv"])}, {"kty", `"EC"`}, {"x", testkit.AsJSON(k["x"])}, {"y", testkit.AsJSON(k["y"])}},
			testkit.ES(h, key, testkit.SideBySide(size))
	}
	rsaJWK := testkit.Object{{"e", `"AQAB"`}, {"kty", `"RSA"`}, {"n", testkit.AsJSON(testkit.RSAJWK("", &testkit.ClientRSAKey().PublicKey)["n"])}}
	ed := testkit.EdKey()
	edJWK := testkit.Object{{"crv", `"Ed25519"`}, {"kty", `"OKP"`}, {"x", testkit.Quoted(testkit.Segment(string(ed.Public().(ed25519.PublicKey))))}}
	type kind struct {
		alg  string
		jwk  testkit.Object // in the order of RFC 7638, Section 3.2
		sign testkit.Signer
	}
	of := func(alg string, jwk testkit.Object, sign testkit.Signer) kind { return kind{alg, jwk, sign} }
	es512 := of(curve("ES512", testkit.ECKey521(), crypto.SHA512, 66))
	send := func(k kind) *http.Request {
		token := withCNF(`"jkt":"` + hash(k.jwk.String()) + `"`)
		claims := testkit.Object{{"jti", testkit.Quoted(k.alg)}, {"htm", `"GET"`}, {"htu", `"https://api.example/members"`}, {"iat", testkit.NoonPlus(0)}, {"ath", testkit.Quoted(hash(token))}}
		p := testkit.Compact(testkit.Object{{"typ", `"dpop+jwt"`}, {"alg", testkit.Quoted(k.alg)}, {"jwk", k.jwk.String()}}.String(), claims.String(), k.sign)
		return testkit.WithHeader(testkit.RequestWith("DPoP "+token), "DPoP", p)
	}
	f := newEnv(t, auth0.BindingAllowed)
	for _, k := range []kind{
		of(curve("ES256", testkit.ECKey(), crypto.SHA256, 32)),
		of(curve("ES384", testkit.ECKey384(), crypto.SHA384, 48)),
		of("RS256", rsaJWK, testkit.RS256(testkit.ClientRSAKey())),
		of("PS256", rsaJWK, testkit.PS(crypto.SHA256, 32, testkit.ClientRSAKey())),
		of("EdDSA", edJWK, func(input string) []byte { return ed25519.Sign(ed, []byte(input)) }),
	} {
		f.ExpectWhole(t, f.API.RequireAuth(f), send(k), testkit.AnswerOK)
	}
	f.ExpectWhole(t, f.API.RequireAuth(f), send(es512), badProof) // not by default
	f = newEnv(t, auth0.BindingAllowed, func(d *auth0.DPoP) { d.Algorithms = []string{"ES512"} })
	f.ExpectWhole(t, f.API.RequireAuth(f), send(es512), testkit.AnswerOK)
	answer := badProof
	answer.Challenge = strings.Replace(answer.Challenge, "ES256 ES384 EdDSA PS256 RS256", "ES512", 1)
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(client.proof()), answer)
}

// TestConfirmations has forms of cnf at an API with DPoP, in each mode, with and without a
// proof.
func TestConfirmations(t *testing.T) {
	t.Parallel()
	off, allowed, required := newEnv(t, auth0.BindingOff), newEnv(t, auth0.BindingAllowed), newEnv(t, auth0.BindingRequired)
	const c, b = "token claims invalid", "token is sender-constrained"
	for cnf, description := range map[string]string{
		`"x"`: c, `[]`: c, `{}`: c, `null`: c, `{"jkt":5}`: c, `{"jkt":""}`: c, `{"jkt":"a","jkt":"a"}`: c, `{"kid":"k"}`: b, `{"JKT":"` + client.thumbprint() + `"}`: b,
	} {
		h := newHolder(client.key, [2]string{"cnf", cnf})
		bearer := testkit.BearerRequest(h.token)
		off.ExpectWhole(t, off.API.RequireAuth(off), bearer, refused(description))
		allowed.ExpectWhole(t, allowed.API.RequireAuth(allowed), bearer, asBearer(401, "invalid_token", description))
		allowed.ExpectWhole(t, allowed.API.RequireAuth(allowed), h.request(h.proof()), badToken(description))
		required.ExpectWhole(t, required.API.RequireAuth(required), bearer, alone(noToken))
		required.ExpectWhole(t, required.API.RequireAuth(required), h.request(h.proof()), alone(badToken(description)))
	}
	more := newHolder(client.key, [2]string{"cnf", `{"jkt":"` + client.thumbprint() + `","x":1}`})
	allowed.ExpectWhole(t, allowed.API.RequireAuth(allowed), more.request(more.proof()), testkit.AnswerOK)
	other := holder{stranger.key, client.token} // a stolen token with a proof of the thief
	allowed.ExpectWhole(t, allowed.API.RequireAuth(allowed), other.request(other.proof()), badToken("token not bound to this key"))
}

// TestTokensWithProofs: a good proof does not help a bad token, and the answer is about the
// token.
func TestTokensWithProofs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why, name, value string
		want             testkit.Answer
	}{
		{"expired", "exp", testkit.NoonPlus(-60), badToken("token expired")},
		{"unknown issuer", "iss", `"https://u.example/"`, badToken("issuer not trusted")},
		{"another audience", "aud", `"https://other.example/"`, badToken("audience not accepted")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			f := newEnv(t, auth0.BindingAllowed)
			h := newHolder(client.key, [2]string{tt.name, tt.value})
			f.ExpectWhole(t, f.API.RequireAuth(f), h.request(h.proof()), tt.want)
			f.ExpectFetches(t, 0)
		})
	}
	f := newEnv(t, auth0.BindingAllowed)
	// A proof as an access token, and an access token as a proof.
	swapped := holder{client.key, client.proof()}
	f.ExpectWhole(t, f.API.RequireAuth(f), swapped.request(swapped.proof()), badToken("algorithm not accepted"))
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(client.token), badProof)
	es := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed), testkit.Algorithms("ES256"))
	es.ExpectWhole(t, es.API.RequireAuth(es), swapped.request(swapped.proof()), badToken("token type not accepted"))
	f.Tenant.Fail(testkit.JWKSEndpoint, 503)
	f.ExpectWhole(t, f.API.RequireAuth(f), client.request(client.proof()), testkit.AnswerNoKeys)
}

// TestOrderOfChecks: a proof does not matter for a token that is rejected without it, so
// the request costs no more than with a bearer token. The form of a proof is checked
// before the signature of the token, which takes longer.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	expired := newHolder(client.key, [2]string{"exp", testkit.NoonPlus(-60)})
	foreign := newHolder(client.key, [2]string{"iss", `"https://u.example/"`})
	forged := holder{client.key, client.token[:len(client.token)-8] + "AAAAAAAA"}
	cut := holder{client.key, client.token[:len(client.token)-301]} // 41 characters of the signature: base64 has no such length
	for _, tt := range []struct {
		why    string
		h      holder
		proofs []string
		want   testkit.Answer
	}{
		{"expired, no proof", expired, nil, badToken("token expired")},
		{"expired, not a proof", expired, []string{"x"}, badToken("token expired")},
		{"unknown issuer, two proofs", foreign, []string{foreign.proof(), foreign.proof()}, badToken("issuer not trusted")},
		{"cut off, not a proof", cut, []string{"x"}, badToken("token malformed")},
		{"forged, not a proof", forged, []string{"x"}, badProof},
		{"forged, no proof", forged, nil, badProof},
		{"forged", forged, []string{forged.proof()}, badToken("signature invalid")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			f := newEnv(t, auth0.BindingAllowed)
			f.ExpectWhole(t, f.API.RequireAuth(f), tt.h.request(tt.proofs...), tt.want)
			strict := newEnv(t, auth0.BindingRequired)
			strict.ExpectWhole(t, strict.API.RequireAuth(strict), tt.h.request(tt.proofs...), alone(tt.want))
		})
	}
	// The same for a cached token.
	f := testkit.NewCacheEnv(t, dpop(auth0.BindingAllowed))
	h := f.API.RequireAuth(f)
	f.ExpectWhole(t, h, client.request(client.proof()), testkit.AnswerOK)
	f.Events.Take()
	f.ExpectWhole(t, h, client.request("x"), badProof)
	if told, _ := f.Events.Take(); len(told) != 1 || !told[0].Cached || told[0].Reason != "invalid_dpop_proof" {
		t.Errorf("events %+v", told)
	}
	f.Now = testkit.Noon.Add(48 * time.Hour)
	f.ExpectWhole(t, h, client.request("x"), badToken("token expired"))
}

// TestProofOfTokenOutsideTheCache: the hash of the token is right for tokens that are not cached.
func TestProofOfTokenOutsideTheCache(t *testing.T) {
	t.Parallel()
	long := newHolder(client.key, [2]string{"x", testkit.Quoted(strings.Repeat("x", 7<<10))})
	if len(long.token) <= 8<<10 {
		t.Fatalf("the token has %d bytes", len(long.token))
	}
	for why, tt := range map[string]struct {
		cache int
		h     holder
	}{"no cache": {auth0.None, client}, "long token": {0, long}, "cached": {0, client}} {
		f := testkit.NewAPIEnv(t, dpop(auth0.BindingAllowed), func(c *auth0.APIConfig) { c.TokenCache = tt.cache })
		t.Run(why, func(t *testing.T) {
			for range 2 {
				f.ExpectWhole(t, f.API.RequireAuth(f), tt.h.request(tt.h.proof()), testkit.AnswerOK)
				f.ExpectWhole(t, f.API.RequireAuth(f), tt.h.request(tt.h.proof(claim("ath", testkit.Quoted(hash(stranger.token))))), badProof)
			}
		})
	}
}
