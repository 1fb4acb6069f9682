package api_test

import (
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// FuzzProofHeaders sends any text in the headers of a request with a proof. The API accepts
// nothing but the proofs of the test, and every answer consists of constants.
func FuzzProofHeaders(f *testing.F) {
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain: testkit.APIHost, Audience: testkit.APIAudience, Keys: testkit.Must(auth0.StaticKeys([]byte(testkit.AsJSON(map[string]any{
			"keys": []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)},
		})))),
		Now: func() time.Time { return testkit.Noon }, DPoP: auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.example", "https://b.example"}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	h := api.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	// The processes of a fuzz run need the same key, and the same signature.
	jwk := testkit.Object{{"crv", `"Ed25519"`}, {"kty", `"OKP"`}, {"x", testkit.Quoted(testkit.Segment(string(testkit.EdKey().Public().(ed25519.PublicKey))))}}
	token := withCNF(`"jkt":"` + hash(jwk.String()) + `"`)
	good := testkit.Compact(testkit.Object{{"typ", `"dpop+jwt"`}, {"alg", `"EdDSA"`}, {"jwk", jwk.String()}}.String(),
		testkit.Object{{"jti", `"j"`}, {"htm", `"GET"`}, {"htu", `"https://api.example/members"`}, {"iat", testkit.NoonPlus(0)}, {"ath", testkit.Quoted(hash(token))}}.String(),
		func(input string) []byte { return ed25519.Sign(testkit.EdKey(), []byte(input)) })
	for _, p := range []string{good, "", "a.b.c", good + ",", good[:len(good)-4], client.proof(head("jwk", `{"kty":"OKP","crv":"Ed25519","x":""}`), head("alg", `"EdDSA"`)), token} {
		f.Add("DPoP "+token, p, "api.example", "/members")
		f.Add("Bearer "+token, p, "b.example", "/members?x=%zz")
		f.Add("dpop\t"+token, p, "api.example\x00", "*")
	}
	descriptions := []string{
		"", "malformed Authorization header", "DPoP proof sent with Bearer scheme", "DPoP proof invalid", "token is sender-constrained", "token malformed", "signature invalid",
		"token not bound to a key", "token not bound to this key", "algorithm not accepted", "token type not accepted", "signing key unknown", "token claims invalid", "issuer not trusted", "audience not accepted", "token expired",
		"token not yet valid",
	}
	f.Fuzz(func(t *testing.T, authorization, proof, host, target string) {
		r := httptest.NewRequest("GET", "/members", nil)
		r.Host, r.RequestURI = host, target
		r.Header["Authorization"], r.Header["Dpop"] = []string{authorization}, []string{proof}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == 200 {
			if proof != good { // a proof accepted in a second form could be used twice
				t.Errorf("%q is accepted", proof)
			}
			return
		}
		lines := w.Result().Header.Values("WWW-Authenticate")
		if w.Code != 400 && w.Code != 401 || len(lines) != 2 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d %q %s", w.Code, lines, w.Body)
		}
		for i, scheme := range []string{"Bearer", "DPoP"} {
			c, err := testkit.ParseChallenge(lines[i])
			if err != nil || c.Scheme != scheme || c.Params["realm"] != "api" || !slices.Contains(descriptions, c.Params["error_description"]) {
				t.Errorf("challenge %q: %v", lines[i], err)
			}
			delete(c.Params, "realm")
			delete(c.Params, "algs")
			delete(c.Params, "error")
			delete(c.Params, "error_description")
			if len(c.Params) > 0 {
				t.Errorf("challenge %q", lines[i])
			}
		}
	})
}
