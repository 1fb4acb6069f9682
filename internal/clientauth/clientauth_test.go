package clientauth

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// TestNames: the registered names of the methods.
func TestNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		ClientSecretPost: "client_secret_post", ClientSecretBasic: "client_secret_basic", MutualTLS: "tls_client_auth", PublicClient: "none",
		WithKey(rsaKey(), "RS256", "").Name: "private_key_jwt", AskEachTime: "function",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestCheck: the mistakes in a method.
func TestCheck(t *testing.T) {
	t.Parallel()
	certificate := []tls.Certificate{{}}
	transport := func(edit func(*http.Transport)) *http.Client {
		tr := &http.Transport{}
		edit(tr)
		return &http.Client{Transport: tr}
	}
	mutualTLS := Method{Name: MutualTLS}
	const noCertificate = "is MutualTLS, and HTTPClient has no certificate to present"
	for _, tt := range []struct {
		why     string
		method  Method
		isAuth0 bool
		base    *http.Client
		want    string
	}{
		{"a secret", WithSecret(ClientSecretPost, "s"), true, nil, ""},
		{"no secret", WithSecret(ClientSecretPost, ""), true, nil, "has an empty secret"},
		{"no secret in the header", WithSecret(ClientSecretBasic, ""), true, nil, "has an empty secret"},
		{"public", Method{Name: PublicClient}, true, nil, ""},
		{"RS256", WithKey(rsaKey(), "RS256", ""), true, nil, ""},
		{"ES256 at Auth0", WithKey(ecP256(), "ES256", ""), true, nil, "has the algorithm ES256; Auth0 takes RS256, RS384 and PS256"},
		{"ES256 elsewhere", WithKey(ecP256(), "ES256", ""), false, nil, ""},

		{"no client", mutualTLS, true, nil, noCertificate},
		{"the default transport", mutualTLS, true, &http.Client{}, noCertificate},
		{"no TLS configuration", mutualTLS, true, transport(func(*http.Transport) {}), noCertificate},
		{"no certificate", mutualTLS, false, transport(func(tr *http.Transport) { tr.TLSClientConfig = &tls.Config{} }), noCertificate},
		{"a certificate", mutualTLS, true, transport(func(tr *http.Transport) {
			tr.TLSClientConfig = &tls.Config{Certificates: certificate}
		}), ""},
		{"a function for the certificate", mutualTLS, true, transport(func(tr *http.Transport) {
			tr.TLSClientConfig = &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, nil }}
		}), ""},
		{"connections of its own", mutualTLS, true, transport(func(tr *http.Transport) { tr.DialTLSContext = (&tls.Dialer{}).DialContext }), ""},
		{"a transport of its own", mutualTLS, true, &http.Client{Transport: http.NewFileTransport(http.Dir("/"))}, ""},
	} {
		got := ""
		if err := tt.method.Check(tt.isAuth0, tt.base); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
}

// TestCredentials: the additions of each method to the body and to the header.
func TestCredentials(t *testing.T) {
	t.Parallel()
	const id, text = "client:1", "s e%cret"
	// RFC 6749, Section 2.3.1: both halves have the encoding of a form.
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte("client%3A1:s+e%25cret"))
	for _, tt := range []struct {
		method Method
		params url.Values
		header string
	}{
		{WithSecret(ClientSecretPost, text), url.Values{"client_id": {id}, "client_secret": {text}}, ""},
		{WithSecret(ClientSecretBasic, text), nil, header},
		{Method{Name: PublicClient}, url.Values{"client_id": {id}}, ""},
		{Method{Name: MutualTLS}, url.Values{"client_id": {id}}, ""},
	} {
		c, err := tt.method.Credentials(id, "https://tenant.example/", at)
		if err != nil || !reflect.DeepEqual(c.Params, tt.params) {
			t.Errorf("%v: %v, %v", tt.method, c.Params, err)
		}
		r, _ := http.NewRequest("POST", "https://tenant.example/oauth/token", nil)
		c.AddTo(r)
		if got := r.Header.Get("Authorization"); got != tt.header {
			t.Errorf("%v: Authorization %q", tt.method, got)
		}
	}
}

// TestFormat: a method and credentials show no secret and no key.
func TestFormat(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-0123456789"
	post, basic, key := WithSecret(ClientSecretPost, canary), WithSecret(ClientSecretBasic, canary), WithKey(rsaKey(), "RS256", "")
	held, err := basic.Credentials("client", "https://tenant.example/", at)
	if err != nil {
		t.Fatal(err)
	}
	exponent := rsaKey().D.String()
	type inside struct{ hidden any }
	for _, v := range []any{post, &post, basic, key, &key, inside{post}, inside{key}, held} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, canary) || strings.Contains(text, exponent) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
	if text := fmt.Sprintf("%+v", post); text != "auth0.ClientAuthentication(client_secret_post)" {
		t.Error(text)
	}
}

// TestOrSecret has a row for each pair of a method and a secret.
func TestOrSecret(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		method, secret string
		needed         bool
		want, mistake  string
	}{
		{"", "s", true, ClientSecretPost, ""},
		{"", "s", false, ClientSecretPost, ""},
		{MutualTLS, "", true, MutualTLS, ""},
		{MutualTLS, "", false, MutualTLS, ""},
		{MutualTLS, "s", true, MutualTLS, "ClientSecret and ClientAuthentication are both set"},
		{"", "", false, PublicClient, ""},
		{"", "", true, "", "ClientSecret is missing"},
	} {
		mistake := ""
		got := Method{Name: row.method}.OrSecret(func(field, format string, _ ...any) { mistake += field + " " + format }, row.secret, row.needed)
		if got.Name != row.want || !strings.HasPrefix(mistake, row.mistake) || (mistake == "") != (row.mistake == "") ||
			row.want == ClientSecretPost && got.Secret.Reveal() != row.secret {
			t.Errorf("%+v: %v, %q", row, got, mistake)
		}
	}
}
