package auth0

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/clientcert"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A Binding says which access tokens an API accepts: bearer tokens, which everybody who
// has them can use, or sender-constrained tokens, which are bound to a key or to a
// certificate of the client. No Binding accepts a bound token without the proof that
// the client has the key.
type Binding int

const (
	// BindingOff accepts bearer tokens alone. Bound tokens are rejected.
	BindingOff = Binding(access.Off)
	// BindingAllowed accepts bearer tokens, and bound tokens with the proof.
	BindingAllowed = Binding(access.Allowed)
	// BindingRequired accepts bound tokens with the proof alone.
	BindingRequired = Binding(access.Required)
)

// Certificates configures certificate-bound access tokens (RFC 8705, Section 3), which a
// client requests over mutual TLS, see [MutualTLS]. Such a token has the SHA-256 of the
// client's certificate in its claim cnf, as x5t#S256. The API compares it with the
// certificate of each request. It does not check the chain, the names and the dates of
// the certificate: the TLS handshake has proved that the client has the private key.
//
// The server must request certificates: set tls.Config.ClientAuth to
// [tls.RequestClientCert] or more.
type Certificates struct {
	// Mode says whether certificate-bound tokens are accepted. Default: [BindingOff].
	Mode Binding
	// From returns the certificate that the client of a request has presented, nil for
	// none. It is called for certificate-bound tokens alone. By default it is the first
	// certificate of the TLS connection. Behind a proxy that ends TLS, use
	// [CertificateFromHeader].
	//
	// If From fails, the token is rejected with 401, as one without a certificate. An
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
// Anybody can send such a header. So it counts only if the request comes from one of the
// proxies, by its address. The proxy must delete the header from the requests of its
// clients, or else a client can present the certificate of another client, which is
// public.
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
// client without an HTTP request, such as servers of gRPC. The certificate is nil for a
// client that has presented none. A token that is bound to it is accepted, if
// [Certificates].Mode accepts such tokens. A token that is bound to a key (DPoP) is
// rejected: its proof belongs to an HTTP request.
func (a *API) VerifyWithCertificate(ctx context.Context, raw string, certificate *x509.Certificate) (*Token, error) {
	return a.verifyAlone(ctx, presented{Credential: bearer.Credential{Token: raw}, how: withCertificate, certificate: certificate})
}

// VerifyRequest does what [API.RequireAuth] does, without an answer: it finds the token
// of a request, verifies it, and returns it. [API.WriteError] writes the answer to its
// error. For a request without a token the error is [ErrNoToken]. Behind a guard of the
// API it returns the token that the guard has verified.
func (a *API) VerifyRequest(r *http.Request) (*Token, error) {
	if v := verifiedBy(r.Context(), a.issuers); v != nil {
		return v.token, nil // a DPoP proof is good for one check
	}
	c, err := a.places.Find(r)
	if err != nil {
		a.observe(r.Context(), Event{Kind: TokenChecked}, err)
		return nil, errorOf(r.Context(), "bearer", err)
	}
	o, err := a.verifyFound(r, c)
	if err != nil {
		return nil, errorOf(r.Context(), "bearer", err)
	}
	return o.token, nil
}

// A presented token is a token and what came with it.
type presented struct {
	bearer.Credential
	how         presentation
	certificate *x509.Certificate // see withCertificate
}

// A presentation is how a token has come to an API.
type presentation int

const (
	alone           presentation = iota // nothing is known about the sender
	withCertificate                     // the sender is known by the certificate, or by none
	inRequest                           // Credential.Request
	inSession                           // of a user, whom the session authenticates; nobody has presented the token
)

// bindings are what an API checks about the sender of a token.
type bindings struct {
	certificate func(*http.Request) (*x509.Certificate, error)
}

func checkBinding(p *problems, field string, mode Binding) access.Binding {
	if mode < BindingOff || mode > BindingRequired {
		p.add(field, "%d is none of BindingOff, BindingAllowed and BindingRequired", mode)
	}
	return access.Binding(mode)
}

// newBindings checks the configuration of bound tokens.
func newBindings(c APIConfig) bindings {
	b := bindings{certificate: c.Certificates.From}
	if b.certificate == nil {
		b.certificate = func(r *http.Request) (*x509.Certificate, error) { return clientcert.FromTLS(r), nil }
	}
	return b
}

// checkSender compares what a verified token is bound to with what came with it.
func (ch *checker) checkSender(p presented, t *Token) error {
	c := &t.claims
	switch {
	case p.how == inSession:
		return nil
	case p.how == alone && c.Has(jwt.Confirmation):
		return fault.Bound.Because("the token has cnf, and API.Verify does not know the sender")
	}
	if err := access.CheckKey(c, ""); err != nil {
		return err
	}
	certificate, err := ch.certificateFor(p, c)
	if err != nil {
		return err
	}
	return ch.rules.CheckCertificate(c, certificate)
}

// certificateFor returns the certificate that came with a token, if the token needs one.
func (ch *checker) certificateFor(p presented, c *jwt.Claims) (*x509.Certificate, error) {
	if p.how != inRequest || c.CertificateThumbprint == "" {
		return p.certificate, nil
	}
	certificate, err := ch.bindings.certificate(p.Request)
	if err != nil {
		return nil, hookError(err, refusal.Forbidden, func(err error) error { return fault.NoCertificate.Because("%w", err) })
	}
	return certificate, nil
}
