// Package clientauth makes the credentials with which a request authenticates the
// application to the tenant: a secret, a signed assertion, or only the client id.
//
// The package makes no request. It knows neither a tenant's endpoints nor the
// purpose of a request.
package clientauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

// The methods by their registered names (OpenID Connect Core 1.0, Section 9;
// RFC 8705, Section 2), and one that stands for any of them.
const (
	ClientSecretPost  = "client_secret_post"
	ClientSecretBasic = "client_secret_basic"
	privateKeyJWT     = "private_key_jwt"
	MutualTLS         = "tls_client_auth"
	PublicClient      = "none"
	AskEachTime       = "function"
)

// A Method is how an application authenticates itself to the tenant. The zero value
// is no method.
type Method struct {
	Name   string
	Fault  error       // why the method is unusable, or nil
	Secret secret.Text // of the two methods that send one

	// The rest is for private_key_jwt.
	signer keys.Signer
	header []byte // of the assertion

	// Current returns the method of one request. It is set for AskEachTime only.
	Current func(context.Context) (Method, error)
}

// WithSecret returns one of the two methods that send a secret.
func WithSecret(name, text string) Method {
	m := Method{Name: name, Secret: secret.OfText(text)}
	if text == "" {
		m.Fault = errors.New("has an empty secret")
	}
	return m
}

// OrSecret returns the method of an application that has a secret instead. It has one of
// the two, or neither if it does not need any: a login without a code makes no token
// request. Report gets the mistakes.
func (m Method) OrSecret(report func(field, format string, args ...any), text string, needed bool) Method {
	switch {
	case text != "" && m.Name != "":
		report("ClientSecret", "and ClientAuthentication are both set; the application has one of them")
	case text != "":
		return WithSecret(ClientSecretPost, text)
	case m.Name == "" && !needed:
		return Method{Name: PublicClient}
	case m.Name == "":
		report("ClientSecret", "is missing, and there is no ClientAuthentication; ConfigFromEnv takes them from AUTH0_CLIENT_SECRET or AUTH0_CLIENT_ASSERTION_SIGNING_KEY")
	}
	return m
}

// Format shows the name, whatever the verb.
func (m Method) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.ClientAuthentication(%s)", m.Name)
}

// Check reports why the tenant would not accept the method. Auth0 does not accept
// every algorithm. Base is the application's HTTP client, or nil.
func (m Method) Check(isAuth0 bool, base *http.Client) error {
	switch {
	case m.Fault != nil:
		return m.Fault
	case m.Name == privateKeyJWT && m.signer.Algorithm == "ES256" && isAuth0:
		return errors.New("has the algorithm ES256; Auth0 takes RS256, RS384 and PS256")
	case m.Name == MutualTLS:
		return presentsCertificate(base)
	}
	return nil
}

// presentsCertificate reports an error for an HTTP client that certainly cannot
// present a certificate. It makes no connection.
func presentsCertificate(c *http.Client) error {
	fault := errors.New("is MutualTLS, and HTTPClient has no certificate to present")
	if c == nil || c.Transport == nil {
		return fault
	}
	t, ok := c.Transport.(*http.Transport)
	if !ok || t.DialTLSContext != nil {
		return nil // the application's transport, which may have one
	}
	if t.TLSClientConfig == nil || len(t.TLSClientConfig.Certificates) == 0 && t.TLSClientConfig.GetClientCertificate == nil {
		return fault
	}
	return nil
}

// Credentials are the client credentials of one request.
type Credentials struct {
	Params url.Values // for the body

	id       string // for the header, if there is a secret
	password secret.Text
}

// Credentials makes the credentials of a client id for an issuer.
func (m Method) Credentials(id, issuer string, now time.Time) (Credentials, error) {
	c := Credentials{Params: url.Values{"client_id": {id}}}
	switch m.Name {
	case ClientSecretPost:
		c.Params.Set("client_secret", m.Secret.Reveal())
	case ClientSecretBasic:
		c = Credentials{id: id, password: m.Secret}
	case privateKeyJWT:
		assertion, err := m.assertion(id, issuer, now)
		if err != nil {
			return Credentials{}, err
		}
		c.Params.Set("client_assertion_type", assertionType)
		c.Params.Set("client_assertion", assertion)
	}
	return c, nil
}

// AddTo adds the credentials that belong into the header of a request.
func (c Credentials) AddTo(r *http.Request) {
	if !c.password.IsEmpty() {
		// RFC 6749, Section 2.3.1: both halves are first encoded as in a form.
		r.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(c.password.Reveal()))
	}
}
