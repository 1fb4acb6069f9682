package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"
)

// commonName is the subject of the certificates.
const commonName = "auth0-tenant"

// newCertificate makes a certificate for this machine and the hosts, and writes it to
// a file. The key stays in memory, and the certificate is not a CA's: a client that
// trusts the file trusts no other server.
func newCertificate(file string, hosts ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes([]byte(rand.Text())[:16]),
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(0, 1, 0),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range append(hosts, "localhost", "127.0.0.1", "::1") {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("-tls: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, writeCertificate(file, der)
}

// writeCertificate writes the file, which must be new or have what this program wrote
// before: a mistyped name must not cost a file, nor a certificate that somebody else made.
func writeCertificate(file string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("-tls: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("-tls: %s is not a regular file", file)
	}
	const most = 64 << 10 // more than a certificate has
	old, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil || len(old) > 0 && !isOwnCertificate(old) {
		return fmt.Errorf("-tls: %s exists and is not a certificate of auth0-tenant; name another file, to which the certificate is written", file)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("-tls: %w", err)
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		return fmt.Errorf("-tls: %w", err)
	}
	return f.Close()
}

// isOwnCertificate reports whether a text is one certificate of this program, and nothing
// else.
func isOwnCertificate(text []byte) bool {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 || !bytes.HasPrefix(text, []byte("-----BEGIN")) {
		return false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	return err == nil && c.Subject.CommonName == commonName
}
