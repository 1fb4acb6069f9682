package api_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// The library makes proofs too. Tests make their own, so that a mistake there cannot hide
// the same mistake here.

// A holder has a key, and the access token that is bound to it.
type holder struct {
	key   *ecdsa.PrivateKey
	token string
}

// newHolder has a token with further claims, as JSON.
func newHolder(key *ecdsa.PrivateKey, claims ...[2]string) holder {
	h := holder{key: key}
	all := testkit.WithClaim("cnf", `{"jkt":"`+h.thumbprint()+`"}`)
	for _, c := range claims {
		all = all.Set(c[0], c[1])
	}
	h.token = testkit.Signed(testkit.GoodHeader, all)
	return h
}

var (
	client   = newHolder(testkit.ECKey())
	stranger = newHolder(testkit.NewECKey(elliptic.P256()))
)

// jwk is the public key in the form of a proof.
func (h holder) jwk() testkit.Object {
	k := testkit.ECJWK("", "", &h.key.PublicKey)
	return testkit.Object{{"kty", `"EC"`}, {"crv", testkit.Quoted(k["crv"].(string))}, {"x", testkit.Quoted(k["x"].(string))}, {"y", testkit.Quoted(k["y"].(string))}}
}

// thumbprint is that of RFC 7638, Section 3.
func (h holder) thumbprint() string {
	k := h.jwk()
	return hash(`{"crv":` + k[1][1] + `,"kty":"EC","x":` + k[2][1] + `,"y":` + k[3][1] + `}`)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// A proof is changed before it is signed.
type proof struct{ header, claims testkit.Object }

type edit func(*proof)

// head and claim change a member. The value is JSON; an empty one leaves the member out.
func head(name, value string) edit {
	return func(p *proof) { p.header = changed(p.header, name, value) }
}
func claim(name, value string) edit {
	return func(p *proof) { p.claims = changed(p.claims, name, value) }
}

func changed(o testkit.Object, name, value string) testkit.Object {
	if value == "" {
		return o.Without(name)
	}
	return o.Set(name, value)
}

var proofs atomic.Int64

// proof is an unused proof for GET https://api.example/members at noon.
func (h holder) proof(edits ...edit) string {
	p := proof{
		testkit.Object{{"typ", `"dpop+jwt"`}, {"alg", `"ES256"`}, {"jwk", h.jwk().String()}},
		testkit.Object{
			{"jti", testkit.Quoted("proof-" + strconv.FormatInt(proofs.Add(1), 10))}, {"htm", `"GET"`}, {"htu", `"https://api.example/members"`},
			{"iat", testkit.NoonPlus(0)}, {"ath", testkit.Quoted(hash(h.token))},
		},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return testkit.Compact(p.header.String(), p.claims.String(), testkit.ES(crypto.SHA256, h.key, testkit.SideBySide(32)))
}

// request sends the token with proofs, usually one.
func (h holder) request(proofs ...string) *http.Request {
	r := testkit.RequestWith("DPoP " + h.token)
	r.Header["Dpop"] = proofs
	return r
}

// dpop is an edit of the configuration.
func dpop(mode auth0.Binding, edits ...func(*auth0.DPoP)) func(*auth0.APIConfig) {
	return func(c *auth0.APIConfig) {
		c.DPoP.Mode, c.DPoP.BaseURLs = mode, []string{"https://api.example"}
		for _, edit := range edits {
			edit(&c.DPoP)
		}
	}
}

// newEnv is an API with DPoP.
func newEnv(t *testing.T, mode auth0.Binding, edits ...func(*auth0.DPoP)) *testkit.APIEnv {
	t.Helper()
	return testkit.NewAPIEnv(t, dpop(mode, edits...))
}

const (
	bearerLine = `Bearer realm="api"`
	dpopLine   = `DPoP realm="api", algs="ES256 ES384 EdDSA PS256 RS256"`
)

// The answers of an API that accepts bearer tokens and DPoP.
var (
	noToken    = testkit.Answer{Status: 401, Challenge: bearerLine + "\n" + dpopLine, Body: testkit.AnswerNoToken.Body}
	badProof   = withProof(401, "invalid_dpop_proof", "DPoP proof invalid")
	needsNonce = withProof(401, "use_dpop_nonce", "nonce required")
	memoryDown = testkit.Answer{Status: 503, Body: `{"error":"temporarily_unavailable","error_description":"replay store unavailable"}`}
)

func problem(code, description string) (parameters, body string) {
	return `, error="` + code + `", error_description="` + description + `"`, `{"error":"` + code + `","error_description":"` + description + `"}`
}

// withProof is the answer to a token with the scheme DPoP.
func withProof(status int, code, description string) testkit.Answer {
	parameters, body := problem(code, description)
	return testkit.Answer{Status: status, Challenge: bearerLine + "\n" + dpopLine + parameters, Body: body}
}

// asBearer is the answer to a token with the scheme Bearer.
func asBearer(status int, code, description string) testkit.Answer {
	parameters, body := problem(code, description)
	return testkit.Answer{Status: status, Challenge: bearerLine + parameters + "\n" + dpopLine, Body: body}
}

// alone is the answer of an API that requires DPoP: the line of Bearer is left out.
func alone(a testkit.Answer) testkit.Answer {
	if rest, ok := cutLine(a.Challenge); ok {
		a.Challenge = rest
	}
	return a
}

func cutLine(challenge string) (rest string, ok bool) {
	for i := range challenge {
		if challenge[i] == '\n' {
			return challenge[i+1:], true
		}
	}
	return "", false
}

func badToken(description string) testkit.Answer { return withProof(401, "invalid_token", description) }
