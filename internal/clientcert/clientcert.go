// Package clientcert finds the client certificate of a request: in the TLS connection,
// or in a header that a proxy has set.
//
// The package knows neither tokens nor the certificate that a request requires.
package clientcert

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/peer"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// FromTLS returns the certificate of the connection, nil for none.
func FromTLS(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// A Header is the header in which a proxy sends the client certificate. Anyone can send
// that header, so it counts only in requests from the proxies.
type Header struct {
	name    string
	proxies []netip.Prefix
}

// NewHeader checks the name of a header, and the networks of the proxies.
func NewHeader(name string, proxies []netip.Prefix) (Header, error) {
	if !syntax.IsToken(name) {
		return Header{}, errors.New("the name is not the name of a header")
	}
	if len(proxies) == 0 {
		return Header{}, errors.New("there are no proxies, and anyone can send the header")
	}
	var mistakes []error
	networks := peer.Networks(proxies, func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf("proxies"+format, args...)) })
	return Header{name, networks}, errors.Join(mistakes...)
}

// maxValue bounds the header. Client certificates have one to three kilobytes, and
// escaped PEM is half as long again.
const maxValue = 8 << 10

// Certificate returns the certificate in the header of a request, nil for a request
// without the header. The error tells the log why the header is unusable. It quotes no
// text of the header.
func (h Header) Certificate(r *http.Request) (*x509.Certificate, error) {
	lines := r.Header.Values(h.name)
	switch {
	case len(lines) == 0:
		return nil, nil
	case !peer.IsFrom(r, h.proxies):
		return nil, fmt.Errorf("the header %s does not count, because %.60s is not one of the proxies", h.name, r.RemoteAddr)
	case len(lines) > 1:
		return nil, fmt.Errorf("%d headers %s; the proxy must delete those of the client", len(lines), h.name)
	case len(lines[0]) > maxValue:
		return nil, fmt.Errorf("the header %s has more than %d bytes", h.name, maxValue)
	}
	read := fromPEM
	if strings.EqualFold(h.name, "Client-Cert") {
		read = fromBytes
	}
	der, err := read(lines[0])
	if err != nil {
		return nil, fmt.Errorf("the header %s %w", h.name, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the header %s has no certificate that can be read", h.name)
	}
	return certificate, nil
}

// fromBytes reads a Byte Sequence (RFC 9440, Section 2.2; RFC 8941, Section 3.3.5).
func fromBytes(value string) ([]byte, error) {
	text, begins := strings.CutPrefix(value, ":")
	text, ends := strings.CutSuffix(text, ":")
	// The decoder skips line feeds.
	if !begins || !ends || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("is not base64 between colons (RFC 9440, Section 2.2)")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64 between colons (RFC 9440, Section 2.2)")
	}
	return der, nil
}

// fromPEM reads percent-encoded PEM. Some load balancers leave the + of base64
// unescaped, so + does not stand for a space.
func fromPEM(value string) ([]byte, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return nil, errors.New("is not percent-encoded PEM")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("does not begin with a PEM block of the type CERTIFICATE")
	}
	return block.Bytes, nil
}
