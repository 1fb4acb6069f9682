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
		Subject:               pkix.Name{CommonName: "auth0-tenant"},
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

// writeCertificate writes the file, which must be new or have a certificate: a mistyped
// name must not cost a file.
func writeCertificate(file string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("-tls: %w", err)
	}
	defer f.Close()
	begin := []byte("-----BEGIN CERTIFICATE-----")
	old := make([]byte, len(begin))
	if n, err := io.ReadFull(f, old); n > 0 && (err != nil || !bytes.Equal(old, begin)) {
		return fmt.Errorf("-tls: %s exists and is not a certificate; name another file, to which the certificate is written", file)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("-tls: %w", err)
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		return fmt.Errorf("-tls: %w", err)
	}
	return f.Close()
}
