package clientcert

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// certificate makes a certificate. The serial number identifies it.
func certificate(t testing.TB, serial int64) *x509.Certificate {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

// request comes from an address, with lines of one header.
func request(from, name string, lines ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = from
	for _, line := range lines {
		r.Header.Add(name, line)
	}
	return r
}

func TestFromTLS(t *testing.T) {
	t.Parallel()
	first, second := certificate(t, 1), certificate(t, 2)
	for why, tt := range map[string]struct {
		state *tls.ConnectionState
		want  *x509.Certificate
	}{
		"no TLS":         {nil, nil},
		"no certificate": {&tls.ConnectionState{}, nil},
		"chain":          {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{first, second}}, first},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.TLS = tt.state
		if FromTLS(r) != tt.want {
			t.Errorf("%s: another certificate", why)
		}
	}
}

func TestNewHeader(t *testing.T) {
	t.Parallel()
	if _, err := NewHeader("Client-Cert", proxies); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		name    string
		proxies []netip.Prefix
		want    string
	}{
		{"", proxies, "not the name of a header"},
		{"Client Cert", proxies, "not the name of a header"},
		{"Client-Cert:", proxies, "not the name of a header"},
		{"Client-Cert", nil, "no proxies"},
		{"Client-Cert", []netip.Prefix{{}}, "[0] is not a prefix"},
		{"Client-Cert", append(proxies[:1:1], netip.MustParsePrefix("224.0.0.0/4")), "[1] is 224.0.0.0/4"},
	} {
		if _, err := NewHeader(tt.name, tt.proxies); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q, %v: %v, want %q", tt.name, tt.proxies, err, tt.want)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	const peer, stranger, escaped = "10.1.2.3:4", "192.0.2.1:4", "X-Client-Cert"
	ours, other := certificate(t, 1), certificate(t, 2)
	sequence := ":" + base64.StdEncoding.EncodeToString(ours.Raw) + ":"
	text := block("CERTIFICATE", ours.Raw)
	query := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	if !strings.Contains(text, "+") {
		t.Fatal("the PEM has no plus sign")
	}
	for _, tt := range []struct {
		why, from, name string
		lines           []string
		found           bool
		err             string // a part
	}{
		{"byte sequence", peer, "Client-Cert", []string{sequence}, true, ""},
		{"byte sequence, IPv6", "[::ffff:10.0.0.1]:80", "client-cert", []string{sequence}, true, ""},
		{"none", peer, "Client-Cert", nil, false, ""},
		{"none, of a stranger", stranger, "Client-Cert", nil, false, ""},
		{"of a stranger", stranger, "Client-Cert", []string{sequence}, false, "192.0.2.1:4 is not one of the proxies"},
		{"through a unix socket", "@", "Client-Cert", []string{sequence}, false, "is not one of the proxies"},
		{"two lines", peer, "Client-Cert", []string{sequence, sequence}, false, "2 headers"},
		{"two in one line", peer, "Client-Cert", []string{sequence + ", " + sequence}, false, "base64 between colons"},
		{"empty", peer, "Client-Cert", []string{""}, false, "base64 between colons"},
		{"one colon", peer, "Client-Cert", []string{":"}, false, "base64 between colons"},
		{"no bytes", peer, "Client-Cert", []string{"::"}, false, "no certificate that can be read"},
		{"not base64", peer, "Client-Cert", []string{":!:"}, false, "base64 between colons"},
		{"line feed", peer, "Client-Cert", []string{sequence[:9] + "\n" + sequence[9:]}, false, "base64 between colons"},
		{"base64url", peer, "Client-Cert", []string{strings.ReplaceAll(sequence, "+", "-")}, false, "base64 between colons"},
		{"truncated", peer, "Client-Cert", []string{sequence[:len(sequence)-41] + ":"}, false, "no certificate that can be read"},
		{"a byte more", peer, "Client-Cert", []string{":" + base64.StdEncoding.EncodeToString(append(ours.Raw[:len(ours.Raw):len(ours.Raw)], 0)) + ":"}, false, "no certificate that can be read"},
		{"9 KiB", peer, "Client-Cert", []string{":" + strings.Repeat("A", 9<<10) + ":"}, false, "more than 8192 bytes"},
		{"PEM in Client-Cert", peer, "Client-Cert", []string{query}, false, "base64 between colons"},
		{"parameter", peer, "Client-Cert", []string{sequence + ";a=1"}, false, "base64 between colons"},

		{"PEM with %2B", peer, escaped, []string{query}, true, ""},
		{"PEM with +", peer, escaped, []string{strings.ReplaceAll(query, "%2B", "+")}, true, ""},
		{"PEM with +, / and =", peer, escaped, []string{strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(query)}, true, ""},
		{"two PEM blocks", peer, escaped, []string{url.PathEscape(text + block("CERTIFICATE", other.Raw))}, true, ""},
		{"private key first", peer, escaped, []string{url.PathEscape(block("PRIVATE KEY", ours.Raw) + text)}, false, "CERTIFICATE"},
		{"plain text", peer, escaped, []string{"x"}, false, "CERTIFICATE"},
		{"bad escape", peer, escaped, []string{"%zz"}, false, "percent-encoded"},
		{"byte sequence in another header", peer, escaped, []string{sequence}, false, "CERTIFICATE"},
		{"empty PEM header", peer, escaped, []string{""}, false, "CERTIFICATE"},
		{"PEM of something else", peer, escaped, []string{url.PathEscape(block("CERTIFICATE", []byte("x")))}, false, "no certificate that can be read"},
		{"PEM, 9 KiB", peer, escaped, []string{query + strings.Repeat("%20", 3<<10)}, false, "more than 8192 bytes"},
	} {
		h, err := NewHeader(tt.name, proxies)
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Certificate(request(tt.from, tt.name, tt.lines...))
		if (got != nil) != tt.found || tt.found && !got.Equal(ours) {
			t.Errorf("%s: found %v", tt.why, got != nil)
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", tt.why, err, tt.err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	c := certificate(f, 1)
	for _, value := range []string{":" + base64.StdEncoding.EncodeToString(c.Raw) + ":", url.QueryEscape(block("CERTIFICATE", c.Raw)), "", "::", ":!:", "%", "%2B+"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, name := range []string{"Client-Cert", "X-Client-Cert"} {
			h, err := NewHeader(name, proxies)
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{"10.0.0.1:1", "192.0.2.1:1"} {
				got, err := h.Certificate(request(from, name, value))
				if (got == nil) == (err == nil) {
					t.Errorf("%s of %s: certificate %v, error %v", name, from, got != nil, err)
				}
				if got != nil && from != "10.0.0.1:1" {
					t.Error("a stranger is believed")
				}
				if err != nil && len(value) > 12 && strings.Contains(err.Error(), value) {
					t.Errorf("the error quotes the header: %v", err)
				}
			}
		}
	})
}
