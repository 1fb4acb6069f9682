package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// This file measures requests with a bound token and a DPoP proof (RFC 9449).

const (
	tableProofs       = "DPoP: a bound token with a proof, over httptest.ResponseRecorder, RS256 and ES256"
	tableProofRefusal = "DPoP: refusal of a token, over httptest.ResponseRecorder, RS256 and ES256"

	expiredBearer = "expired bearer token"
	expiredBound  = "expired bound token"

	// apiURL is where the API of the requests with proofs is. Its scheme is that of
	// the connection, from which some contenders derive the URL of the proof.
	apiURL = "http://127.0.0.1"
	// proofAge is longer than all rounds take.
	proofAge = 10 * time.Minute
)

// A bound token is an access token that is valid only with proofs of a key.
type boundTokens struct {
	key  *signingKey // of the client
	good *token
	many []*token // all valid, no two alike
	bad  []badToken
}

func newBoundTokens(ring *keyring, distinct int) (*boundTokens, error) {
	private, err := generate("ES256")
	if err != nil {
		return nil, err
	}
	b := &boundTokens{key: &signingKey{alg: "ES256", private: private}}
	thumbprint, err := b.key.thumbprint()
	if err != nil {
		return nil, err
	}
	bound := map[string]any{"cnf": map[string]any{"jkt": thumbprint}}
	if b.good, err = mint(ring.current, 0, bound); err != nil {
		return nil, err
	}
	late := map[string]any{"exp": time.Now().Add(-time.Hour).Unix(), "iat": time.Now().Add(-2 * time.Hour).Unix()}
	maps.Copy(late, bound)
	for _, bad := range []struct {
		name  string
		key   *signingKey
		edits map[string]any
	}{{expired, ring.current, late}, {foreignKey, ring.forger, bound}} {
		made, err := mint(bad.key, 0, bad.edits)
		if err != nil {
			return nil, err
		}
		b.bad = append(b.bad, badToken{bad.name, made})
	}
	b.many, err = mintMany(ring.current, distinct, bound)
	return b, err
}

func (b *boundTokens) refused(name string) *token {
	return b.bad[slices.IndexFunc(b.bad, func(b badToken) bool { return b.name == name })].token
}

// thumbprint is that of RFC 7638.
func (k *signingKey) thumbprint() (string, error) {
	jwk, err := k.jwk()
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":%q,"x":%q,"y":%q}`, jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]))
	return encode(sum[:]), err
}

// A proof is a DPoP proof, which a client sends with a token.
type proof struct {
	token     *token
	raw       string
	signed    []byte // the signed bytes, for the floor
	signature []byte
}

// prove makes a proof for GET (RFC 9449, Section 4.2).
func prove(key *signingKey, t *token, edits map[string]any) (*proof, error) {
	jwk, err := key.jwk()
	if err != nil {
		return nil, err
	}
	public := map[string]string{"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]}
	header, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": key.alg, "jwk": public})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(t.raw))
	claims := map[string]any{"jti": rand.Text(), "htm": http.MethodGet, "htu": apiURL + "/", "iat": time.Now().Unix(), "ath": encode(sum[:])}
	maps.Copy(claims, edits)
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	signed := encode(header) + "." + encode(payload)
	signature, err := key.sign(signed)
	return &proof{t, signed + "." + encode(signature), []byte(signed), signature}, err
}

// proofs returns more proofs than one round uses, for the tokens of a function. Each is
// valid once. A program that uses more, such as a long benchmark, signs them while it is
// measured.
func proofs(key *signingKey, tokenOf func(i int) *token) (func() (*proof, error), error) {
	const n = 1024
	list, err := prepareAll(n, func(i int) (*proof, error) { return prove(key, tokenOf(i), nil) })
	var used atomic.Int64
	return func() (*proof, error) {
		i := int(used.Add(1)) - 1
		if i < n {
			return list[i], nil
		}
		return prove(key, tokenOf(i), nil)
	}, err
}

// firstBound is first with bound tokens.
func (s *subject) firstBound() *token {
	return s.boundAt(s.seenBound.Add(1))
}

func (s *subject) boundAt(i uint64) *token {
	return s.tokens.bound.many[i%uint64(len(s.tokens.bound.many))]
}

// proofsOfFirst returns proofs for the tokens that firstBound would return. Only those that
// are used count as seen: the tokens of the others come in the next round, and none comes
// again before all others.
func (s *subject) proofsOfFirst() (func() (*proof, error), error) {
	begin := s.seenBound.Load() + 1
	next, err := proofs(s.tokens.bound.key, func(i int) *token { return s.boundAt(begin + uint64(i)) })
	return func() (*proof, error) {
		s.seenBound.Add(1)
		return next()
	}, err
}

// proofsOfAgain returns proofs for one token.
func (s *subject) proofsOfAgain() (func() (*proof, error), error) {
	return proofs(s.tokens.bound.key, func(int) *token { return s.againBound() })
}

// againBound is again with a bound token.
func (s *subject) againBound() *token { return s.tokens.bound.good }

// proving sends bound tokens, each time with another proof. The floor checks the
// signature of the proof, and for a new token its signature too.
func proving(prepare func(*subject) (func() (*proof, error), error), isNew bool) func(context.Context, *subject) operation {
	return func(ctx context.Context, s *subject) operation {
		if s.guardProofs == nil && s.name != floor {
			return nil
		}
		nextProof, err := prepare(s)
		if err != nil {
			return func() error { return err }
		}
		if s.name == floor {
			public := s.tokens.bound.key.private.Public().(*ecdsa.PublicKey)
			return func() error {
				p, err := nextProof()
				if err == nil && isNew {
					err = s.verify(ctx, p.token)
				}
				return errors.Join(err, verifyES256(public, p.signed, p.signature))
			}
		}
		requests := newProofRecorder(s.guardProofs(http.HandlerFunc(plainHandler)))
		return func() error {
			p, err := nextProof()
			if err != nil {
				return err
			}
			return answered(requests.record("DPoP", p.token, p.raw))
		}
	}
}

// refusingBound sends a bad token with a proof that would be valid, or without one as a
// bearer token.
func refusingBound(name, scheme string) func(context.Context, *subject) operation {
	return func(ctx context.Context, s *subject) operation {
		switch {
		case s.name == floor:
			return func() error { return s.verify(ctx, s.first()) }
		case s.guardProofs == nil:
			return nil
		}
		bad, raw := s.tokens.refused(name), ""
		if scheme == "DPoP" {
			bad = s.tokens.bound.refused(name)
			p, err := prove(s.tokens.bound.key, bad, nil)
			if err != nil {
				return func() error { return err }
			}
			raw = p.raw
		}
		requests := newProofRecorder(s.guardProofs(http.HandlerFunc(plainHandler)))
		return func() error {
			if status := requests.record(scheme, bad, raw); status != http.StatusUnauthorized {
				return fmt.Errorf("answer to a bad token is %d", status)
			}
			return nil
		}
	}
}

// A proofRecorder is a recorder of requests with a scheme and a proof.
type proofRecorder struct {
	handler    http.Handler
	request    *http.Request
	authorized []string
	proof      []string
}

func newProofRecorder(h http.Handler) *proofRecorder {
	r := &proofRecorder{h, httptest.NewRequest(http.MethodGet, apiURL+"/", nil), []string{""}, []string{""}}
	r.request.Header["Authorization"] = r.authorized
	return r
}

func (r *proofRecorder) record(scheme string, t *token, proof string) int {
	w := httptest.NewRecorder()
	r.authorized[0] = t.header["Authorization"][0]
	delete(r.request.Header, "Dpop")
	if scheme == "DPoP" {
		r.authorized[0], r.proof[0] = t.dpop, proof
		r.request.Header["Dpop"] = r.proof
	}
	r.handler.ServeHTTP(w, r.request)
	return w.Code
}

// checkProofs is check for requests with proofs. It does not require that a proof is
// valid only once, because some contenders do not record proofs.
func checkProofs(s *subject) error {
	if s.guardProofs == nil {
		return nil
	}
	key, good := s.tokens.bound.key, s.againBound()
	requests := newProofRecorder(s.guardProofs(http.HandlerFunc(plainHandler)))
	private, err := generate("ES256")
	if err != nil {
		return err
	}
	for _, tt := range []struct {
		name  string
		key   *signingKey
		token *token
		of    *token // whose hash is in the proof
		edits map[string]any
		good  bool
	}{
		{"a good proof", key, good, good, nil, true},
		{"another good proof", key, s.firstBound(), nil, nil, true},
		{"a proof of another key", &signingKey{alg: "ES256", private: private}, good, good, nil, false},
		{"a proof for another method", key, good, good, map[string]any{"htm": http.MethodPost}, false},
		{"a proof for another URL", key, good, good, map[string]any{"htu": apiURL + "/other"}, false},
		{"a proof for another token", key, good, s.firstBound(), nil, false},
		{"an old proof", key, good, good, map[string]any{"iat": time.Now().Add(-time.Hour).Unix()}, false},
		{"an expired token", key, s.tokens.bound.refused(expired), nil, nil, false},
		{"a forged token", key, s.tokens.bound.refused(foreignKey), nil, nil, false},
		{"a token that is bound to no key", key, s.again(), nil, nil, false},
	} {
		of := tt.of
		if of == nil {
			of = tt.token
		}
		p, err := prove(tt.key, of, tt.edits)
		if err != nil {
			return err
		}
		switch status := requests.record("DPoP", tt.token, p.raw); {
		case tt.good && status != http.StatusNoContent:
			return fmt.Errorf("the guard answers %d to %s", status, tt.name)
		case !tt.good && (status < 400 || status > 401):
			return fmt.Errorf("the guard answers %d to %s", status, tt.name)
		}
	}
	forged, err := prove(key, good, nil)
	if err != nil {
		return err
	}
	if status := requests.record("DPoP", good, forged.raw[:strings.LastIndexByte(forged.raw, '.')+1]+encode(make([]byte, 64))); status == http.StatusNoContent {
		return errors.New("the guard accepts a proof that nobody has signed")
	}
	if status := requests.record("Bearer", good, ""); status == http.StatusNoContent {
		return errors.New("the guard accepts a bound token without a proof")
	}
	return nil
}
