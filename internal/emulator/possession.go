package emulator

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A NonceDemand says when the tenant requires a nonce in DPoP proofs.
type NonceDemand string

const (
	NonceForPublic NonceDemand = ""       // of public applications at the token endpoint, as Auth0 does
	NonceForAll    NonceDemand = "all"    // of everybody, also at /userinfo and at the My Account API
	NonceAgain     NonceDemand = "again"  // of everybody, and no nonce is good enough
	NonceUntold    NonceDemand = "untold" // likewise, without the header that has it
)

// nonceLife is how long a nonce is the current one. The previous one is valid too.
const nonceLife = 5 * time.Minute

// A Proof is a DPoP proof that the tenant has received, with a valid signature.
type Proof struct {
	Scheme     string // of the Authorization header beside it
	Thumbprint string // of its key
	ID, Nonce  string // its jti and nonce
	Accepted   bool
}

// possession checks that applications have the keys of their tokens.
type possession struct {
	*site

	demand   NonceDemand
	secret   []byte
	used     *bounded[struct{}] // by key and jti
	received *bounded[receivedAt]
	serial   int
}

type receivedAt struct {
	endpoint Endpoint
	proof    Proof
}

func newPossession(site *site) *possession {
	ps := &possession{site: site, secret: make([]byte, 32), used: newBounded[struct{}](maxStored), received: newBounded[receivedAt](maxStored)}
	rand.Read(ps.secret)
	return ps
}

// UseNonces sets when the tenant requires a nonce in proofs.
func (ps *possession) UseNonces(demand NonceDemand) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.demand = demand
}

// Proofs returns the DPoP proofs that an endpoint has received, in order: [Token],
// [UserInfo] or [MyAccount]. It leaves out malformed proofs and those with an invalid
// signature.
func (ps *possession) Proofs(e Endpoint) []Proof {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var list []Proof
	for item := ps.received.order.Front(); item != nil; item = item.Next() {
		if got := item.Value.(entry[receivedAt]).value; got.endpoint == e {
			list = append(list, got.proof)
		}
	}
	return list
}

// shownIn returns the proof in a token request: the key of its DPoP proof, if any, and
// its certificate. A tenant without the feature ignores proofs.
func (ps *possession) shownIn(w http.ResponseWriter, r *http.Request, public bool) (binding, *tokenError) {
	shown := binding{x5t: clientCertificate(r)}
	if !ps.provesPossession() || r.Header.Values("DPoP") == nil {
		return shown, nil
	}
	p, fault := ps.check(w, r, Token, "", public)
	if fault != nil {
		return shown, &tokenError{http.StatusBadRequest, *fault}
	}
	shown.jkt = p.thumbprint
	return shown, nil
}

// admits checks that a request to a resource proves the binding of its access token
// (RFC 9449, Section 7.1; RFC 8705, Section 3). It returns the error of the challenge:
// the zero value if there is none.
func (ps *possession) admits(w http.ResponseWriter, r *http.Request, e Endpoint, token string, to binding) *oauthError {
	dpop := schemeOf(r) == "dpop"
	switch {
	case dpop != (to.jkt != ""):
		return &oauthError{"invalid_token", "The token needs another scheme"}
	case to.x5t != "" && to.x5t != clientCertificate(r):
		return &oauthError{"invalid_token", "The token is bound to another certificate"}
	case !dpop:
		return nil
	}
	p, fault := ps.check(w, r, e, token, false)
	if fault == nil && p.thumbprint != to.jkt {
		fault = &oauthError{"invalid_token", "The token is bound to another key"}
	}
	return fault
}

// schemeOf returns the authentication scheme of a request in lower case.
func schemeOf(r *http.Request) string {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.ToLower(scheme)
}

// challenge sets the challenge of a resource, for the scheme that the token requires.
func challenge(w http.ResponseWriter, realm string, to binding, fault oauthError) {
	value := `Bearer realm="` + realm + `", error="` + fault.Code + `"`
	if to.jkt != "" {
		value = `DPoP realm="` + realm + `", error="` + fault.Code + `", algs="ES256"`
	}
	w.Header().Set("WWW-Authenticate", value)
}

// check checks the proof of a request (RFC 9449, Section 4.3) and uses its jti up.
func (ps *possession) check(w http.ResponseWriter, r *http.Request, e Endpoint, token string, public bool) (receivedProof, *oauthError) {
	p, err := proofOf(r)
	if err != nil {
		return p, &oauthError{"invalid_dpop_proof", "Invalid DPoP proof: " + err.Error()}
	}
	fault := ps.judge(w, r, e, p, token, public)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	id := p.thumbprint + "\x00" + p.text("jti")
	if _, again := ps.used.get(id); fault == nil && again {
		fault = &oauthError{"invalid_dpop_proof", "Invalid DPoP proof: it was used before"}
	}
	if fault == nil {
		ps.used.put(id, struct{}{})
	}
	ps.serial++
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	ps.received.put(strconv.Itoa(ps.serial), receivedAt{e, Proof{scheme, p.thumbprint, p.text("jti"), p.text("nonce"), fault == nil}})
	return p, fault
}

// judge compares a proof with its request and checks its nonce.
func (ps *possession) judge(w http.ResponseWriter, r *http.Request, e Endpoint, p receivedProof, token string, public bool) *oauthError {
	if err := p.fits(r.Method, ps.addressOf(r), token, ps.now()); err != nil {
		return &oauthError{"invalid_dpop_proof", "Invalid DPoP proof: " + err.Error()}
	}
	ps.mu.Lock()
	demand := ps.demand
	ps.mu.Unlock()
	nonce, current := p.text("nonce"), ps.nonce(e, 0)
	switch {
	case demand == NonceAgain:
		w.Header().Set("DPoP-Nonce", randomID(22))
	case demand == NonceUntold:
	case p.claims["nonce"] == nil && !public && demand == NonceForPublic, nonce == current:
		return nil
	default:
		w.Header().Set("DPoP-Nonce", current)
		if nonce == ps.nonce(e, 1) { // the response has the next one
			return nil
		}
	}
	return &oauthError{"use_dpop_nonce", "Authorization server requires nonce in DPoP proof"}
}

// nonce returns the nonce of an endpoint, or the previous one. Those of the token
// endpoint are useless elsewhere (RFC 9449, Section 8.2).
func (ps *possession) nonce(e Endpoint, before int64) string {
	role := "resource"
	if e == Token {
		role = "token"
	}
	window := ps.now().Unix()/int64(nonceLife/time.Second) - before
	mac := hmac.New(sha256.New, ps.secret)
	mac.Write([]byte(role + "\x00" + strconv.FormatInt(window, 10)))
	return b64(mac.Sum(nil)[:16])
}

// addressOf returns the URL of a request as the application knows it, which may be an
// mTLS alias.
func (ps *possession) addressOf(r *http.Request) string {
	base := ps.base
	if strings.HasPrefix(r.Host, "mtls.") {
		base = ps.aliasBase()
	}
	return strings.TrimSuffix(base, ps.path) + r.URL.EscapedPath()
}
