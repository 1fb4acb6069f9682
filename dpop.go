package auth0

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/clientcert"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/verify"
)

// A Binding is the kind of access tokens that an API accepts: bearer tokens, which every
// holder can use, or sender-constrained tokens, which are bound to a key or to a
// certificate of the client. No Binding accepts a bound token without the proof that the
// client has the key.
type Binding int

const (
	// BindingOff accepts bearer tokens alone. Bound tokens are rejected.
	BindingOff Binding = iota
	// BindingAllowed accepts bearer tokens, and bound tokens with the proof.
	BindingAllowed
	// BindingRequired accepts bound tokens with the proof alone.
	BindingRequired
)

// DPoP configures access tokens that are bound to a key of the client (RFC 9449). With
// each request the client sends a proof in the header DPoP: a small token, signed with the
// key, for the method, the URL and the access token of that request. A stolen access token
// is useless without the key.
//
// A proof is valid once. Each API records used proofs in memory. If several instances of
// a program serve an API, a proof is valid once for each of them, unless Replays is set.
//
// If browsers of other origins call the API, its CORS configuration must allow the
// request headers Authorization and DPoP, and expose the response headers DPoP-Nonce and
// WWW-Authenticate.
type DPoP struct {
	// Mode controls whether DPoP-bound tokens are accepted. Default: [BindingOff].
	Mode Binding
	// BaseURLs are the URLs at which clients reach the API, such as
	// https://api.example.com, at most 32. At least one is required, unless Mode is
	// [BindingOff]. The URL in a proof must be a base URL followed by the path of the
	// request. The path comes from the request line, so [http.StripPrefix] has no effect
	// on it. If a proxy removes a prefix from the path, the base URL ends in the prefix:
	// https://api.example.com/v1.
	//
	// With one base URL, no header of the request influences the comparison. The host of
	// the request chooses among several. They must have different hosts.
	BaseURLs []string
	// TrustedProxies are the addresses of proxies whose header X-Forwarded-Host chooses
	// among several BaseURLs. Default: none.
	TrustedProxies []netip.Prefix
	// Algorithms are the accepted signature algorithms of proofs: ES256, ES384, ES512,
	// EdDSA (Ed25519), PS256 and RS256. Default: all but ES512.
	Algorithms []string

	// MaxAge is the age up to which a proof is accepted, by its iat. Default: 5 minutes;
	// at most 10 minutes. Leeway is how far iat can be in the future. Default: 30
	// seconds; at most 5 minutes. It accepts [None].
	MaxAge, Leeway time.Duration

	// Replays records used proofs for all instances of the API, with one call for each
	// request. If it fails, or does not answer within a second, the answer is 503.
	// Default: a memory in the process.
	Replays ReplayStore
	// ReplayMemory is the number of proofs that the memory in the process holds. One
	// takes about 100 bytes. Default: 100,000, between 1,000 and 10,000,000.
	//
	// A full memory drops the proof that expires first, and the Observer gets
	// [ReplayEvicted]. An attacker who has recorded the request with that proof can then
	// repeat it until the proof reaches MaxAge. Only clients with valid bound tokens
	// fill the memory, at the default with more than 300 requests per second for five
	// minutes. A larger memory, a shorter MaxAge, or nonces prevent it.
	ReplayMemory int

	// NonceSecrets turn nonces on (RFC 9449, Section 9): clients then cannot make proofs
	// for later use. Each has at least 32 bytes; make one with: openssl rand -hex 32. New
	// nonces use the first secret. Nonces of all secrets are accepted, so that a secret can
	// be rotated like [Config].Secrets. All instances of an API need the same secrets. A
	// nonce is accepted for five to six minutes. A request without an accepted nonce gets
	// 401 and the header DPoP-Nonce, and the client tries again. Default: no nonces.
	NonceSecrets []string
}

// A ReplayStore records used proofs for all instances of an API. The store of package
// redisstore is a ReplayStore.
type ReplayStore interface {
	// AddCtx adds a key until its expiry, in one atomic step, and reports whether the key
	// was absent. Keys have at most 80 characters, like those of a [Store].
	AddCtx(ctx context.Context, key string, expiry time.Time) (added bool, err error)
}

// Format hides the secrets from every verb of package fmt but %p.
func (d DPoP) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.DPoP{Mode:%d BaseURLs:%q}", d.Mode, d.BaseURLs)
}

// MarshalJSON hides the secrets from packages json and slog.
func (d DPoP) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"Mode": d.Mode, "BaseURLs": d.BaseURLs})
}

// Certificates configures certificate-bound access tokens (RFC 8705, Section 3), which a
// client requests over mutual TLS, see [MutualTLS]. Such a token has the SHA-256 of the
// client's certificate in its claim cnf, as x5t#S256. The API compares it with the
// certificate of each request. It does not check the chain, the names and the dates of
// the certificate: the TLS handshake has proved that the client has the private key.
//
// The server must request certificates: set tls.Config.ClientAuth to
// [tls.RequestClientCert] or more.
type Certificates struct {
	// Mode controls whether certificate-bound tokens are accepted. Default: [BindingOff].
	Mode Binding
	// From returns the certificate that the client of a request presented, nil for none.
	// It is called only for certificate-bound tokens. By default it is the first
	// certificate of the TLS connection. Behind a proxy that ends TLS, use
	// [CertificateFromHeader].
	//
	// If From fails, the token is rejected with 401, as without a certificate. An
	// [*Error] chooses the status. Errors that mean 503 for [APIConfig].Validate are
	// answered with 503, and [ErrForbidden] with 403. The error goes to the log only.
	From func(*http.Request) (*x509.Certificate, error)
}

// CertificateFromHeader returns a function for [Certificates].From that reads the
// certificate from a header. The header must be there once, and have at most 8 KiB. The
// header Client-Cert is a byte sequence as in RFC 9440, Section 2.2. Any other header has
// percent-encoded PEM, as $ssl_client_escaped_cert of nginx. A plus sign stands for
// itself.
//
// Any client can send this header. So it counts only if the request comes from the address
// of one of the proxies. The proxy must delete the header from the requests of its clients.
// Otherwise a client can present the certificate of another client, which is public.
//
// Without a usable name and proxies, CertificateFromHeader logs the mistake at once, and
// every request with a certificate-bound token gets 500.
func CertificateFromHeader(name string, proxies ...netip.Prefix) func(*http.Request) (*x509.Certificate, error) {
	header, err := clientcert.NewHeader(name, proxies)
	if err != nil {
		slog.Error("auth0: CertificateFromHeader cannot be used; every request with a certificate-bound token gets 500", "header", name, "err", err)
		err = asError("bearer", refusal.Misconfigured.Because("CertificateFromHeader: %w", err))
		return func(*http.Request) (*x509.Certificate, error) { return nil, err }
	}
	return header.Certificate
}

// VerifyWithCertificate is [API.Verify] for programs that know the certificate of the
// client without an HTTP request, such as gRPC servers. The certificate is nil for a client
// without one. A token bound to the certificate is accepted if [Certificates].Mode allows
// it. A token that is bound to a key (DPoP) is rejected: its proof belongs to an HTTP
// request.
func (a *API) VerifyWithCertificate(ctx context.Context, raw string, certificate *x509.Certificate) (*Token, error) {
	return a.verifyAlone(ctx, verify.Presented{Credential: bearer.Credential{Token: raw}, How: verify.WithCertificate, Certificate: certificate})
}

// VerifyRequest is [API.RequireAuth] without an answer: it finds the token of a request,
// verifies it, and returns it. [API.WriteError] writes the answer to its
// error. For a request without a token the error is [ErrNoToken]. Behind a guard of the
// API it returns the token that the guard has verified. Otherwise call it once for each
// request, because a DPoP proof is valid once.
func (a *API) VerifyRequest(r *http.Request) (*Token, error) {
	if v := verifiedBy(r.Context(), a.issuers); v != nil {
		return v.token, nil // a DPoP proof is valid for one check
	}
	c, err := a.places.Find(r)
	if err != nil {
		a.observe(r.Context(), Event{Kind: TokenChecked}, err)
		return nil, errorOf(r.Context(), "bearer", err)
	}
	t, _, err := a.verifyFound(r, c)
	if err != nil {
		return nil, errorOf(r.Context(), "bearer", err)
	}
	return t, nil
}

// certificateFrom returns [Certificates].From with the refusals of its errors, nil for none.
func certificateFrom(from func(*http.Request) (*x509.Certificate, error)) func(*http.Request) (*x509.Certificate, error) {
	if from == nil {
		return nil
	}
	return func(r *http.Request) (*x509.Certificate, error) {
		certificate, err := from(r)
		if err != nil {
			return nil, hookError(err, refusal.Forbidden, func(err error) error { return fault.NoCertificate.Because("%w", err) })
		}
		return certificate, nil
	}
}

func checkBinding(p *problems, field string, mode Binding) access.Binding {
	if mode < BindingOff || mode > BindingRequired {
		p.add(field, "%d is none of BindingOff, BindingAllowed and BindingRequired", mode)
	}
	return access.Binding(mode)
}

// newProofs checks APIConfig.DPoP. It returns nil if DPoP is off.
func newProofs(p *problems, c APIConfig, now func() time.Time, log *slog.Logger) *dpop.Verifier {
	sub := &problems{of: p.of + ".DPoP"}
	defer func() { p.errs = append(p.errs, sub.errs...) }()
	d := c.DPoP
	return dpop.NewVerifier(sub.add, dpop.Settings{
		Off: d.Mode == BindingOff, Required: d.Mode == BindingRequired, BaseURLs: d.BaseURLs, TrustedProxies: d.TrustedProxies,
		Algorithms: d.Algorithms, MaxAge: d.MaxAge, Leeway: checkedLeeway(sub, d.Leeway, 30*time.Second),
		Replays: d.Replays, ReplayMemory: d.ReplayMemory, NonceSecrets: d.NonceSecrets, Realm: c.Realm, Now: now,
		Evicted: func(ctx context.Context, limit int) {
			log.Warn("auth0: the memory of DPoP proofs is full and forgets proofs before they expire; increase APIConfig.DPoP.ReplayMemory, or use nonces", "limit", limit)
			c.Observer.tell(ctx, Event{Kind: ReplayEvicted, Reason: "replay_evicted"})
		},
	})
}

// usesDPoP reports whether the token of a request came with the scheme DPoP.
func usesDPoP(r *http.Request, by *issuers.Trusted) bool {
	if v := verifiedBy(r.Context(), by); v != nil {
		return v.dpop
	}
	return bearer.IsDPoP(r)
}
