package prover

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// at is the time of the injected clock.
var at = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func clock() time.Time { return at }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newECKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// newKey returns a key of an application, with the clock of the tests.
func newKey() Key { return NewKeys(false, must(Of(newECKey())), clock).ForLogin() }

// A proof is one proof at a server.
type proof struct {
	Jti, Htm, Htu, Ath, Nonce string
	Iat                       int64
	thumbprint                string
}

// read checks the signature of a proof and returns its claims.
func read(t *testing.T, text string) proof {
	t.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a proof", text)
	}
	decode := func(s string) []byte { return must(base64.RawURLEncoding.DecodeString(s)) }
	var header struct {
		Typ, Alg string
		JWK      struct{ Kty, Crv, X, Y string }
	}
	var p proof
	for i, v := range []any{&header, &p} {
		if err := json.Unmarshal(decode(parts[i]), v); err != nil {
			t.Fatal(err)
		}
	}
	key := must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, decode(header.JWK.X), decode(header.JWK.Y))))
	digest, signature := sha256.Sum256([]byte(parts[0]+"."+parts[1])), decode(parts[2])
	if header.Typ != "dpop+jwt" || header.Alg != "ES256" || len(signature) != 64 ||
		!ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Errorf("the signature of %q is wrong", text)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":%q,"x":%q,"y":%q}`, header.JWK.Crv, header.JWK.Kty, header.JWK.X, header.JWK.Y))
	p.thumbprint = base64.RawURLEncoding.EncodeToString(sum[:])
	return p
}

func athOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// An answer is one response of a server.
type answer struct {
	status  int
	header  http.Header
	body    string
	resent  bool // package net/http has used two connections
	err     error
	unnamed bool // the response does not name its request
}

// A server answers requests in turn, the last answer for all that follow, and records them.
type server struct {
	t        *testing.T
	answers  []answer
	requests []*http.Request
	bodies   []string
	proofs   []proof
	closed   int // bodies of responses
}

func newServer(t *testing.T, answers ...answer) *server { return &server{t: t, answers: answers} }

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		body = string(must(io.ReadAll(r.Body)))
		r.Body.Close()
	}
	s.requests, s.bodies = append(s.requests, r), append(s.bodies, body)
	if text := r.Header.Get("DPoP"); text != "" && text != "x" {
		s.proofs = append(s.proofs, read(s.t, text))
	}
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	connected(r)
	if a.resent {
		connected(r)
	}
	if a.err != nil {
		return nil, a.err
	}
	resp := &http.Response{StatusCode: a.status, Header: a.header, Body: &responseBody{strings.NewReader(a.body), s}, Request: r}
	if a.header == nil {
		resp.Header = http.Header{}
	}
	if a.unnamed {
		resp.Request = nil
	}
	return resp, nil
}

type responseBody struct {
	io.Reader
	of *server
}

func (b *responseBody) Close() error { b.of.closed++; return nil }

// wantsNonce is the answer of an API that wants a nonce.
func wantsNonce(nonce string) answer {
	return answer{status: 401, header: http.Header{"Www-Authenticate": {`Bearer realm="x"`, `DPoP error="use_dpop_nonce", algs="ES256"`}, "Dpop-Nonce": {nonce}}}
}

// tokenWantsNonce is the answer of a token endpoint that wants a nonce.
func tokenWantsNonce(nonce string) answer {
	return answer{status: 400, header: http.Header{"Dpop-Nonce": {nonce}}, body: `{"error":"use_dpop_nonce"}`}
}

var good = answer{status: 200, body: `{"a":1}`}

// refused fails the test unless an error is a refusal of a row and its cause has a text.
func refused(t *testing.T, why string, err error, row refusal.Row, cause string) {
	t.Helper()
	e, ok := err.(*refusal.Refusal)
	if !ok || e.Row != row || !strings.Contains(e.Error(), cause) {
		t.Errorf("%s: %v, want %s with %q", why, err, row.Reason, cause)
	}
}

// connected reports a connection to the trace of a request.
func connected(r *http.Request) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
}

// failing is a key in an HSM that does not sign.
type failing struct {
	crypto.Signer
	err error
}

func (f *failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, f.err }
