package bound_test

import (
	"net/http"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestSchemes has what a client can send to an API in each mode.
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
