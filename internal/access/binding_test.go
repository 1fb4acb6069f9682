package access

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

const thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

func TestCheckConfirmation(t *testing.T) {
	t.Parallel()
	const key, certificate = `"jkt":"k"`, `"x5t#S256":"` + thumbprint + `"`
	none, keys, certificates, both := Rules{}, Rules{Key: Allowed}, Rules{Certificate: Required}, Rules{Key: Required, Certificate: Allowed}
	for _, tt := range []struct {
		rules Rules
		cnf   string
		want  rejection
	}{
		{none, key, rejection{fault.Bound, "APIConfig.DPoP is off"}},
		{none, certificate, rejection{fault.Bound, "APIConfig.Certificates is off"}},
		{none, `"kid":"k"`, rejection{fault.Bound, "without jkt and x5t#S256"}},
		{both, `"kid":"k"`, rejection{fault.Bound, "without jkt and x5t#S256"}},
		{keys, key, accepted},
		{keys, key + `,"x":1`, accepted},
		{keys, certificate, rejection{fault.Bound, "APIConfig.Certificates is off"}},
		{keys, certificate + "," + key, rejection{fault.Bound, "APIConfig.Certificates is off"}},
		{certificates, certificate, accepted},
		{certificates, key, rejection{fault.Bound, "APIConfig.DPoP is off"}},
		{certificates, key + "," + certificate, rejection{fault.Bound, "APIConfig.DPoP is off"}},
		{both, key + "," + certificate, accepted},
	} {
		err := tt.rules.CheckConfirmation(claims(t, `{"cnf":{`+tt.cnf+`}}`))
		expect(t, tt.cnf, err, tt.want)
	}
	for _, rules := range []Rules{none, both} {
		expect(t, "unbound", rules.CheckConfirmation(claims(t, `{}`)), accepted)
	}
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		payload, thumbprint string
		want                rejection
	}{
		{`{}`, "", accepted},
		{`{"cnf":{"jkt":"k"}}`, "k", accepted},
		{`{"cnf":{"jkt":"k"}}`, "", rejection{fault.Bound, "not sent with the scheme DPoP"}},
		{`{}`, "k", rejection{fault.NoKey, "no cnf with jkt"}},
		{`{"cnf":{"x5t#S256":"` + thumbprint + `"}}`, thumbprint, rejection{fault.NoKey, "no cnf with jkt"}},
		{`{"cnf":{"jkt":"k"}}`, "K", rejection{fault.OtherKey, "another key"}},
		{`{"cnf":{"jkt":"k"}}`, "kk", rejection{fault.OtherKey, "another key"}},
	} {
		expect(t, tt.payload+" "+tt.thumbprint, CheckKey(claims(t, tt.payload), tt.thumbprint), tt.want)
	}
}

func TestCheckCertificate(t *testing.T) {
	t.Parallel()
	ours, other := &x509.Certificate{Raw: []byte("ours")}, &x509.Certificate{Raw: []byte("other")}
	sum := sha256.Sum256(ours.Raw)
	bound := `{"cnf":{"x5t#S256":"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"}}`
	for _, tt := range []struct {
		why         string
		mode        Binding
		payload     string
		certificate *x509.Certificate
		want        rejection
	}{
		{"the certificate", Allowed, bound, ours, accepted},
		{"the certificate, required", Required, bound, ours, accepted},
		{"none", Allowed, bound, nil, rejection{fault.NoCertificate, "RequestClientCert"}},
		{"another", Allowed, bound, other, rejection{fault.OtherCertificate, "another certificate"}},
		{"unbound", Allowed, `{}`, nil, accepted},
		{"unbound with a certificate", Allowed, `{}`, ours, accepted},
		{"unbound, off", Off, `{}`, ours, accepted},
		{"unbound, required", Required, `{}`, ours, rejection{fault.CertificateBinding, "requires it"}},
		{"bound to a key, required", Required, `{"cnf":{"jkt":"k"}}`, ours, rejection{fault.CertificateBinding, "requires it"}},
	} {
		rules := Rules{Certificate: tt.mode}
		expect(t, tt.why, rules.CheckCertificate(claims(t, tt.payload), tt.certificate), tt.want)
	}
}
