package auth0

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"

	_ "crypto/sha256"
	_ "crypto/sha512"
)

// A ClientAuthentication is how an application shows the tenant that it is the
// one with its client id, wherever it asks for something itself: for tokens, for
// their revocation, and when it pushes an authorization request. Set the field of
// [Config] to the method that the application has in the tenant's settings; there
// is one. The zero value stands for the secret in [Config].ClientSecret.
//
// [PrivateKeyJWT] and [MutualTLS] send nothing that could be used a second time;
// they are what to choose where the tenant's plan has them. Between the two that
// send a secret there is no difference in safety: [ClientSecretPost] is what
// Auth0 sets up, [ClientSecretBasic] what some other providers insist on.
//
// Formatting or logging a ClientAuthentication shows the method alone. It shows no
// secret and no key in an unexported field of another struct either.
type ClientAuthentication struct{ auth clientAuth }

// The methods by their registered names (OpenID Connect Core 1.0, Section 9;
// RFC 8705, Section 2), and one that is made up of any of them.
const (
	clientSecretPost  = "client_secret_post"
	clientSecretBasic = "client_secret_basic"
	privateKeyJWT     = "private_key_jwt"
	mutualTLS         = "tls_client_auth"
	publicClient      = "none"
	askEachTime       = "function"
)

// ClientSecretPost sends a secret in the body. [Config].ClientSecret does the
// same.
func ClientSecretPost(secret string) ClientAuthentication {
	return ClientAuthentication{withSecret(clientSecretPost, secret)}
}

// ClientSecretBasic sends a secret in the header Authorization.
func ClientSecretBasic(secret string) ClientAuthentication {
	return ClientAuthentication{withSecret(clientSecretBasic, secret)}
}

func withSecret(method, text string) clientAuth {
	a := clientAuth{method: method, secret: secret.OfText(text)}
	if text == "" {
		a.fault = errors.New("has an empty secret")
	}
	return a
}

// PrivateKeyJWT signs a short-lived assertion for each request (RFC 7523, Section
// 2.2), so that the tenant needs only the public key. The key is used from many
// goroutines, and may be in an HSM. The algorithm is RS256, RS384 or PS256, the
// one that the tenant has for this key; other providers may take ES256 too. KeyID
// is the id that the tenant has given to the key, and may be empty if it has only
// one of the application.
func PrivateKeyJWT(key crypto.Signer, algorithm, keyID string) ClientAuthentication {
	return ClientAuthentication{withKey(key, algorithm, keyID)}
}

// withKey is private_key_jwt.
func withKey(key crypto.Signer, algorithm, keyID string) clientAuth {
	a := clientAuth{method: privateKeyJWT, algorithm: algorithm}
	hash, ok := map[string]crypto.Hash{"RS256": crypto.SHA256, "RS384": crypto.SHA384, "PS256": crypto.SHA256, "ES256": crypto.SHA256}[algorithm]
	if !ok {
		a.fault = fmt.Errorf("has the algorithm %.40q, which is not RS256, RS384, PS256 or ES256", algorithm)
		return a
	}
	if a.size, a.fault = signatureSize(key, algorithm); a.fault != nil {
		return a
	}
	if !syntax.CleanText(keyID) {
		a.fault = errors.New("has a key id that is not plain text")
		return a
	}
	a.header, _ = json.Marshal(struct { // strings alone, so it cannot fail
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid,omitempty"`
	}{algorithm, "JWT", keyID})
	a.sign = func(input string) ([]byte, error) {
		h := hash.New()
		h.Write([]byte(input))
		switch algorithm[:2] {
		case "PS": // RFC 7518, Section 3.5: the salt is as long as the hash
			return key.Sign(rand.Reader, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
		case "ES":
			der, err := key.Sign(rand.Reader, h.Sum(nil), hash)
			if err != nil {
				return nil, err
			}
			return fixedSize(der, a.size)
		}
		return key.Sign(rand.Reader, h.Sum(nil), hash)
	}
	return a
}

// signatureSize checks that a key fits an algorithm. Shorter RSA keys are refused
// by RFC 7518, Section 3.3, and by tenants. With those that can be factored anybody
// could be the client.
func signatureSize(key crypto.Signer, algorithm string) (int, error) {
	switch k := key.(type) {
	case nil:
		return 0, errors.New("has no key")
	case *rsa.PrivateKey:
		if k == nil {
			return 0, errors.New("has no key")
		}
	case *ecdsa.PrivateKey:
		if k == nil {
			return 0, errors.New("has no key")
		}
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if algorithm != "ES256" && keys.Factorable(public.N) {
			return 0, errors.New("has an RSA key that can be factored (CVE-2017-15361)")
		}
		if algorithm != "ES256" && public.Size() >= 256 {
			return public.Size(), nil
		}
		if algorithm != "ES256" {
			return 0, fmt.Errorf("has an RSA key of %d bits; 2048 are the least", public.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if algorithm == "ES256" && public.Curve == elliptic.P256() {
			return 64, nil
		}
	}
	return 0, fmt.Errorf("has a key that does not fit the algorithm %s", algorithm)
}

// fixedSize turns an ECDSA signature as [crypto.Signer] makes it into that of RFC
// 7518, Section 3.4.
func fixedSize(der []byte, size int) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 || sig.R.Sign() < 0 || sig.S.Sign() < 0 || sig.R.BitLen() > size*4 || sig.S.BitLen() > size*4 {
		return nil, errors.New("the key has not made an ECDSA signature")
	}
	out := make([]byte, size)
	sig.R.FillBytes(out[:size/2])
	sig.S.FillBytes(out[size/2:])
	return out, nil
}

// MutualTLS relies on the certificate that the transport of [Config].HTTPClient
// presents (RFC 8705). Requests go to the mtls_endpoint_aliases that the tenant
// publishes; an Auth0 tenant that has none fails the login. They must be on the
// tenant's host, on one below it, or on one of [Config].EndpointOrigins.
func MutualTLS() ClientAuthentication { return ClientAuthentication{clientAuth{method: mutualTLS}} }

// PublicClient is for an application that can keep no secret, because people have
// copies of it. Nothing but PKCE then ties a login to it, and anybody can claim
// to be it: a program on a server should not use this.
func PublicClient() ClientAuthentication {
	return ClientAuthentication{clientAuth{method: publicClient}}
}

// ClientAuthenticationFunc asks f before each request, so that a secret or a key
// can be replaced while the application runs. F is called from many goroutines;
// what it has to fetch it should keep for a while. Its error fails the request
// with status 503, and its text gets into the log.
func ClientAuthenticationFunc(f func(context.Context) (ClientAuthentication, error)) ClientAuthentication {
	if f == nil {
		return ClientAuthentication{clientAuth{method: askEachTime, fault: errors.New("has no function")}}
	}
	return ClientAuthentication{clientAuth{method: askEachTime, current: func(ctx context.Context) (clientAuth, error) {
		a, err := f(ctx)
		return a.auth, err
	}}}
}

// Format shows the method, whatever the verb.
func (a ClientAuthentication) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, a.auth)
}

// A clientAuth is how an application authenticates itself to the tenant.
type clientAuth struct {
	method string
	fault  error // what is wrong with it
	secret secret.Text

	// A key can be reached by package fmt and a function cannot, so the key is
	// known to sign alone.
	algorithm string
	sign      func(input string) ([]byte, error)
	header    []byte
	size      int // of a signature

	current func(context.Context) (clientAuth, error)
}

// Format shows the method, whatever the verb.
func (a clientAuth) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.ClientAuthentication(%s)", a.method)
}

// check says what is wrong with a for a tenant.
func (a clientAuth) check(n *namespace, base *http.Client) error {
	switch {
	case a.fault != nil:
		return a.fault
	case a.method == privateKeyJWT && a.algorithm == "ES256" && n.static != nil:
		return errors.New("has the algorithm ES256; Auth0 takes RS256, RS384 and PS256")
	case a.method == mutualTLS:
		return presentsCertificate(base)
	}
	return nil
}

// presentsCertificate says what can be known of a client without a connection.
func presentsCertificate(c *http.Client) error {
	fault := errors.New("is MutualTLS, and HTTPClient has no certificate to present")
	if c == nil || c.Transport == nil {
		return fault
	}
	t, ok := c.Transport.(*http.Transport)
	if !ok || t.DialTLSContext != nil {
		return nil // somebody else's, who will know
	}
	if t.TLSClientConfig == nil || len(t.TLSClientConfig.Certificates) == 0 && t.TLSClientConfig.GetClientCertificate == nil {
		return fault
	}
	return nil
}

// A proof is what one request has to carry.
type proof struct {
	params   url.Values // for the body
	id       string     // for the header, if there is a password
	password secret.Text
}

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, Section 2.2
	assertionLife = time.Minute
	// maxAssertion is what Auth0 reads of an assertion.
	maxAssertion = 2048
)

// proof makes what shows the party at issuer that this is the client.
func (a clientAuth) proof(id, issuer string, now time.Time) (proof, error) {
	p := proof{params: url.Values{"client_id": {id}}}
	switch a.method {
	case clientSecretPost:
		p.params.Set("client_secret", a.secret.Reveal())
	case clientSecretBasic:
		p = proof{id: id, password: a.secret}
	case privateKeyJWT:
		assertion, err := a.assertion(id, issuer, now)
		if err != nil {
			return proof{}, err
		}
		p.params.Set("client_assertion_type", assertionType)
		p.params.Set("client_assertion", assertion)
	}
	return p, nil
}

// assertion is the JWT of RFC 7523, Section 3. Its audience is the issuer as a
// single string: an assertion that also names an endpoint can be turned against
// another server by one that lies about its endpoints.
func (a clientAuth) assertion(id, issuer string, now time.Time) (string, error) {
	jti := make([]byte, 16)
	rand.Read(jti) // never fails, see crypto/rand
	claims, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
		Expiry   int64  `json:"exp"`
	}{id, id, issuer, base64.RawURLEncoding.EncodeToString(jti), now.Unix(), now.Add(assertionLife).Unix()})
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(a.header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	if size := len(input) + 1 + base64.RawURLEncoding.EncodedLen(a.size); size > maxAssertion {
		return "", fmt.Errorf("has a key so long that an assertion has %d bytes, more than the %d that tenants read", size, maxAssertion)
	}
	signature, err := a.sign(input)
	if err != nil {
		return "", fmt.Errorf("the key does not sign: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// addTo puts into the header of a request what belongs there.
func (p proof) addTo(r *http.Request) {
	if !p.password.IsEmpty() {
		// RFC 6749, Section 2.3.1: both halves are encoded as in a form first.
		r.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.password.Reveal()))
	}
}

// configure makes package oauth2 send the proof.
func (p proof) configure(c *oauth2.Config) []oauth2.AuthCodeOption {
	if !p.password.IsEmpty() {
		c.ClientSecret, c.Endpoint.AuthStyle = p.password.Reveal(), oauth2.AuthStyleInHeader
	}
	var opts []oauth2.AuthCodeOption
	for name := range p.params {
		opts = append(opts, oauth2.SetAuthURLParam(name, p.params.Get(name)))
	}
	return opts
}

// An application is this program as its tenant knows it. Every request that needs
// a ClientAuthentication is made by it.
type application struct {
	id             string
	authentication clientAuth
	namespace      *namespace
	client         *http.Client
	base           *http.Client // of the caller, which client was made from
	now            func() time.Time
}

// check includes the size of an assertion, which depends on the key.
func (a *application) check(auth clientAuth) error {
	if err := auth.check(a.namespace, a.base); err != nil {
		return err
	}
	if auth.method != privateKeyJWT {
		return nil
	}
	auth.sign = func(string) ([]byte, error) { return nil, nil }
	_, err := auth.assertion(a.id, a.namespace.base, a.now())
	return err
}

// method asks for the authentication that counts now.
func (a *application) method(ctx context.Context) (clientAuth, error) {
	auth := a.authentication
	if auth.current == nil {
		return auth, nil
	}
	auth, err := auth.current(ctx)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return auth, refusal.Canceled.Wrap(err)
		}
		return auth, refusal.NoCredential.Wrap(err)
	}
	if auth.method == "" || auth.method == askEachTime {
		return auth, refusal.Misconfigured.Because("Config.ClientAuthentication: the function has returned %v", auth)
	}
	if err := a.check(auth); err != nil {
		return auth, refusal.Misconfigured.Because("Config.ClientAuthentication: what the function has returned %w", err)
	}
	return auth, nil
}

// The endpoints that authenticate clients, by their names in metadata.
const (
	tokenEndpoint      = "token_endpoint"
	revocationEndpoint = "revocation_endpoint"
	parEndpoint        = "pushed_authorization_request_endpoint"
)

// errNoEndpoint: the tenant does not have what was asked for.
var errNoEndpoint = errors.New("the tenant does not advertise this endpoint")

// prove returns where to send a request and what it has to carry.
func (a *application) prove(ctx context.Context, endpoint string) (target string, p proof, err error) {
	auth, err := a.method(ctx)
	if err != nil {
		return "", proof{}, err
	}
	ep, err := a.endpoints(ctx, endpoint, auth)
	if err != nil {
		return "", proof{}, refusal.TenantDown.Wrap(err)
	}
	if target, err = a.target(ep, endpoint, auth); err != nil {
		return "", proof{}, err
	}
	if p, err = auth.proof(a.id, ep.Issuer, a.now()); err != nil {
		return "", proof{}, refusal.NoCredential.Wrap(err)
	}
	return target, p, nil
}

// endpoints makes a request only for what varies between tenants.
func (a *application) endpoints(ctx context.Context, endpoint string, auth clientAuth) (discovery.Metadata, error) {
	if endpoint == parEndpoint || auth.method == mutualTLS {
		return a.namespace.discovered.Get(ctx)
	}
	return a.namespace.endpoints(ctx)
}

func (a *application) target(ep discovery.Metadata, endpoint string, auth clientAuth) (string, error) {
	ordinary := ep.Endpoint(endpoint)
	if auth.method != mutualTLS {
		if ordinary == "" {
			return "", refusal.Misconfigured.Because("%s: %w", endpoint, errNoEndpoint)
		}
		return ordinary, nil
	}
	alias, err := ep.MTLSAlias(endpoint, a.namespace.origins)
	switch {
	case err != nil:
		return "", refusal.Misconfigured.Because("Config.ClientAuthentication is MutualTLS: %w", err)
	case alias != "":
		return alias, nil
	case a.namespace.static == nil && ordinary != "":
		return ordinary, nil // RFC 8705, Section 5: without an alias the endpoint itself serves both
	}
	return "", refusal.Misconfigured.Because("Config.ClientAuthentication is MutualTLS, and the tenant's mtls_endpoint_aliases have no %s: %w", endpoint, errNoEndpoint)
}

// post sends a form and shows who sends it. The form of the caller has no client
// id and no credential.
func (a *application) post(ctx context.Context, endpoint string, form url.Values, header ...string) (*fetch.Response, error) {
	target, p, err := a.prove(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return postForm(ctx, a.client, target, form, p, header...)
}

// parseKeyPEM reads an RSA or EC key as openssl writes it. Its errors quote
// nothing of it.
func parseKeyPEM(text string) (crypto.Signer, error) {
	// A line of an environment file cannot have line breaks.
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, errors.New("is not a key in PEM form")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(crypto.Signer); ok {
		return signer, nil
	}
	return nil, errors.New("is not an RSA or EC private key in PEM form, or has a password")
}
