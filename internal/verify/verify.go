// Package verify verifies an access token that came to an API, from its text to its claims,
// with the evidence that came with it: the proof of a key, or a certificate. It has the
// order of all checks, and a cache of verified tokens.
//
// The package does not know how a request is answered, and which token a route needs.
package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A Presented has a token and the evidence that came with it.
type Presented struct {
	bearer.Credential
	How         Presentation
	Certificate *x509.Certificate // see WithCertificate
}

// A Presentation is the way in which a token came to an API.
type Presentation int

const (
	Alone           Presentation = iota // the sender is unknown
	WithCertificate                     // the sender's certificate is known, nil for none
	InRequest                           // Credential.Request
	InSession                           // the session authenticates the user; no client presented the token
)

// A Token is a verified token.
type Token struct {
	Claims    jwt.Claims
	Payload   string
	KeyID     string
	Algorithm string
	From      *issuers.Issuer
	Public    any // the token as the application has it, see [Checker].Publish

	key *keys.Key // of the signature
}

// A Result is the result of a check.
type Result struct {
	Token  *Token          // nil for a rejected token
	From   *issuers.Issuer // nil for an untrusted issuer
	Cached bool
	Nonce  string // for the next DPoP proof, if the client needs another one

	input string      // the signed part of the text; set for a token that was not cached
	proof *dpop.Proof // that came with the token, unverified; nil for none
}

// A Checker verifies the tokens of an API.
type Checker struct {
	Issuers *issuers.Trusted
	Rules   access.Rules
	Proofs  *dpop.Verifier // nil if DPoP is off
	Cache   *Cache         // nil for none
	// Certificate returns the certificate of the client of a request, nil for none. If
	// Certificate is nil, the checker takes the certificate of the TLS connection.
	Certificate func(*http.Request) (*x509.Certificate, error)
	// Publish copies a new token to where it stays, with Token.Public, and returns the
	// copy. It is called once for each token that is cached.
	Publish func(Token) *Token
	Now     func() time.Time
}

// AcceptsDPoP reports whether the scheme DPoP is accepted.
func (ch *Checker) AcceptsDPoP() bool { return ch != nil && ch.Proofs != nil }

// Check verifies a token and its proof. For a cached token it repeats only the checks
// whose result can change between two uses. The cheapest checks come first: a client
// without a valid token cannot make the API verify the signature of a proof, and cannot
// add to the memory of proofs. The authentication uses the proof up, even if the
// application or a guard denies access.
func (ch *Checker) Check(ctx context.Context, p Presented) (o Result, err error) {
	if ch == nil {
		return Result{}, refusal.Misconfigured.Because("this API was not made by NewAPI")
	}
	if err := ch.checkScheme(p); err != nil {
		return Result{}, err
	}
	now := ch.Now()
	if ch.Cache.takes(p.Token) {
		o, err = ch.checkOnce(ctx, p, now)
	} else {
		o, err = ch.checkToken(ctx, p, now)
	}
	if err == nil {
		err = ch.checkSender(p, o.proof, &o.Token.Claims)
	}
	if err == nil && o.proof != nil {
		o.Nonce, err = ch.Proofs.Use(ctx, p.Request, p.Token, o.proof, now)
	}
	if err != nil {
		o.Token = nil
	}
	return o, err
}

// checkOnce caches a valid token. It hashes only a valid token, and a token with the same
// end as a cached one.
func (ch *Checker) checkOnce(ctx context.Context, p Presented, now time.Time) (Result, error) {
	place, t := ch.Cache.find(p.Token)
	if t != nil {
		o := Result{Token: t, From: t.From, Cached: true}
		still, err := ch.recheck(ctx, t, now)
		if err == nil && still {
			o.proof, err = ch.readProof(p)
		}
		if still || err != nil {
			return o, err
		}
	}
	o, err := ch.checkToken(ctx, p, now)
	if err == nil {
		ch.Cache.put(place, p.Token, o.input, o.Token)
	}
	return o, err
}

// recheck reports whether a cached token can be used without the full check. If an
// issuer or a key has changed, the full check finds the reason.
func (ch *Checker) recheck(ctx context.Context, t *Token, now time.Time) (bool, error) {
	from, err := ch.Issuers.Find(ctx, t.Claims.Issuer)
	if err != nil || from != t.From {
		return false, err
	}
	if err := from.Accepts(ctx, t.Claims.Issuer); err != nil {
		return false, err
	}
	// One pointer is one key. A revoked key, or a kid that was reassigned to another key,
	// has another pointer or none.
	if has, err := from.Keys.Set.StillHas(ctx, t.KeyID, t.Algorithm, t.key); !has || err != nil {
		return false, err
	}
	return true, ch.Rules.CheckAge(&t.Claims, now)
}

// checkToken runs every check that needs no key first: an expired token, or a token
// for another API, costs neither a signature nor a request. Claims that are read
// before the signature is verified can only reject the token. See RFC 9068, Section 4,
// and RFC 8725. The form of a proof is checked between the two, so that a token that was
// already rejected costs no work on its proof.
func (ch *Checker) checkToken(ctx context.Context, p Presented, now time.Time) (o Result, err error) {
	parse := jwt.ParseInput // the signature is decoded once, when it is verified
	if p.DPoP {
		parse = jwt.Parse // a malformed token is rejected before its proof
	}
	m, err := parse(p.Token)
	if err != nil {
		return Result{}, ch.explained(err)
	}
	if err := ch.Rules.CheckHeader(m); err != nil {
		return Result{}, err
	}
	c, err := jwt.ParseClaims(m.Payload, false, access.Optional)
	if err != nil {
		return Result{}, err
	}
	if !c.Has(jwt.Issuer) {
		return Result{}, fault.Claim.Because("no iss")
	}
	if o.From, err = ch.Issuers.Find(ctx, c.Issuer); err != nil {
		return Result{}, err
	}
	if err := ch.Rules.CheckClaims(o.From.Needs, m, &c, now); err != nil {
		return o, err
	}
	if o.proof, err = ch.readProof(p); err != nil {
		return o, err
	}
	o.From = ch.Issuers.Admit(c.Issuer, o.From)
	if err := o.From.Accepts(ctx, c.Issuer); err != nil {
		return o, err
	}
	key, err := o.From.Keys.Set.Verify(ctx, m, keys.FromAnybody)
	if err != nil {
		return o, err
	}
	ch.Issuers.Settle(c.Issuer, o.From)
	if err := ch.Rules.CheckConfirmation(&c); err != nil {
		return o, err
	}
	o.input = m.SigningInput
	o.Token = ch.Publish(Token{Claims: c, Payload: m.Payload, KeyID: m.KeyID, Algorithm: m.Algorithm, From: o.From, key: key})
	return o, nil
}

// explained adds a hint for the developer of a client that sends an opaque token
// instead of a signed access token.
func (ch *Checker) explained(err error) error {
	if bad, ok := errors.AsType[*fault.Fault](err); ok && errors.Is(bad.Cause, jwt.ErrOpaque) {
		return bad.Because("%w; the client must request an access token with the audience %q", bad.Cause, ch.Issuers.Defaults.Audiences)
	}
	return err
}
