package provider

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

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"golang.org/x/oauth2"
)

// The methods by their registered names (OpenID Connect Core 1.0, Section 9;
// RFC 8705, Section 2), and one that is made up of any of them.
const (
	ClientSecretPost  = "client_secret_post"
	ClientSecretBasic = "client_secret_basic"
	privateKeyJWT     = "private_key_jwt"
	MutualTLS         = "tls_client_auth"
	PublicClient      = "none"
	AskEachTime       = "function"
)

func WithSecret(method, text string) Auth {
	a := Auth{Method: method, Secret: secret.OfText(text)}
	if text == "" {
		a.Fault = errors.New("has an empty secret")
	}
	return a
}

// WithKey is private_key_jwt.
func WithKey(key crypto.Signer, algorithm, keyID string) Auth {
	a := Auth{Method: privateKeyJWT, algorithm: algorithm}
	hash, ok := map[string]crypto.Hash{"RS256": crypto.SHA256, "RS384": crypto.SHA384, "PS256": crypto.SHA256, "ES256": crypto.SHA256}[algorithm]
	if !ok {
		a.Fault = fmt.Errorf("has the algorithm %.40q, which is not RS256, RS384, PS256 or ES256", algorithm)
		return a
	}
	if a.size, a.Fault = signatureSize(key, algorithm); a.Fault != nil {
		return a
	}
	if !syntax.CleanText(keyID) {
		a.Fault = errors.New("has a key id that is not plain text")
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

// A Auth is how an application authenticates itself to the tenant.
type Auth struct {
	Method string
	Fault  error // what is wrong with it
	Secret secret.Text

	// A key can be reached by package fmt and a function cannot, so the key is
	// known to sign alone.
	algorithm string
	sign      func(input string) ([]byte, error)
	header    []byte
	size      int // of a signature

	Current func(context.Context) (Auth, error)
}

// Format shows the method, whatever the verb.
func (a Auth) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.ClientAuthentication(%s)", a.Method)
}

// check says what is wrong with a for a tenant.
func (a Auth) check(n *Tenant, base *http.Client) error {
	switch {
	case a.Fault != nil:
		return a.Fault
	case a.Method == privateKeyJWT && a.algorithm == "ES256" && n.Static != nil:
		return errors.New("has the algorithm ES256; Auth0 takes RS256, RS384 and PS256")
	case a.Method == MutualTLS:
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

// A Credentials is what one request has to carry.
type Credentials struct {
	Params   url.Values // for the body
	ID       string     // for the header, if there is a password
	Password secret.Text
}

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, Section 2.2
	assertionLife = time.Minute
	// maxAssertion is what Auth0 reads of an assertion.
	maxAssertion = 2048
)

// credentials makes what shows the party at issuer that this is the client.
func (a Auth) credentials(id, issuer string, now time.Time) (Credentials, error) {
	p := Credentials{Params: url.Values{"client_id": {id}}}
	switch a.Method {
	case ClientSecretPost:
		p.Params.Set("client_secret", a.Secret.Reveal())
	case ClientSecretBasic:
		p = Credentials{ID: id, Password: a.Secret}
	case privateKeyJWT:
		assertion, err := a.assertion(id, issuer, now)
		if err != nil {
			return Credentials{}, err
		}
		p.Params.Set("client_assertion_type", assertionType)
		p.Params.Set("client_assertion", assertion)
	}
	return p, nil
}

// assertion is the JWT of RFC 7523, Section 3. Its audience is the issuer as a
// single string: an assertion that also names an endpoint can be turned against
// another server by one that lies about its endpoints.
func (a Auth) assertion(id, issuer string, now time.Time) (string, error) {
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
func (p Credentials) addTo(r *http.Request) {
	if !p.Password.IsEmpty() {
		// RFC 6749, Section 2.3.1: both halves are encoded as in a form first.
		r.SetBasicAuth(url.QueryEscape(p.ID), url.QueryEscape(p.Password.Reveal()))
	}
}

// Configure makes package oauth2 send the proof.
func (p Credentials) Configure(c *oauth2.Config) []oauth2.AuthCodeOption {
	if !p.Password.IsEmpty() {
		c.ClientSecret, c.Endpoint.AuthStyle = p.Password.Reveal(), oauth2.AuthStyleInHeader
	}
	var opts []oauth2.AuthCodeOption
	for name := range p.Params {
		opts = append(opts, oauth2.SetAuthURLParam(name, p.Params.Get(name)))
	}
	return opts
}

// An Client is this program as its tenant knows it. Every request that needs
// a ClientAuthentication is made by it.
type Client struct {
	ID     string
	Auth   Auth
	Tenant *Tenant
	HTTP   *http.Client
	Base   *http.Client // of the caller, which client was made from
	Now    func() time.Time
}

// Check includes the size of an assertion, which depends on the key.
func (a *Client) Check(auth Auth) error {
	if err := auth.check(a.Tenant, a.Base); err != nil {
		return err
	}
	if auth.Method != privateKeyJWT {
		return nil
	}
	auth.sign = func(string) ([]byte, error) { return nil, nil }
	_, err := auth.assertion(a.ID, a.Tenant.Issuer, a.Now())
	return err
}

// method asks for the authentication that counts now.
func (a *Client) method(ctx context.Context) (Auth, error) {
	auth := a.Auth
	if auth.Current == nil {
		return auth, nil
	}
	auth, err := auth.Current(ctx)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return auth, refusal.Canceled.Wrap(err)
		}
		return auth, refusal.NoCredential.Wrap(err)
	}
	if auth.Method == "" || auth.Method == AskEachTime {
		return auth, refusal.Misconfigured.Because("Config.ClientAuthentication: the function has returned %v", auth)
	}
	if err := a.Check(auth); err != nil {
		return auth, refusal.Misconfigured.Because("Config.ClientAuthentication: what the function has returned %w", err)
	}
	return auth, nil
}

// The endpoints that authenticate clients, by their names in metadata.
const (
	TokenEndpoint      = "token_endpoint"
	revocationEndpoint = "revocation_endpoint"
	ParEndpoint        = "pushed_authorization_request_endpoint"
)

// ErrNoEndpoint: the tenant does not have what was asked for.
var ErrNoEndpoint = errors.New("the tenant does not advertise this endpoint")

// Beside returns the URL of an endpoint of Auth0 that no standard names.
func (a *Client) Beside(path string) string {
	return strings.TrimSuffix(a.Tenant.Issuer, "/") + "/" + path
}

// Endpoints returns the tenant's endpoints. With mutual TLS, a tenant that does not
// publish an alias for the token endpoint is an error here: it is better to know
// before somebody has typed a password, and before a code is used up.
func (a *Client) Endpoints(ctx context.Context) (discovery.Metadata, error) {
	ep, err := a.Tenant.Endpoints(ctx)
	if err != nil {
		return ep, refusal.TenantDown.Wrap(err)
	}
	if a.Auth.Method == MutualTLS {
		if _, _, err := a.Authenticate(ctx, TokenEndpoint); err != nil {
			return ep, err
		}
	}
	return ep, nil
}

// Authenticate returns where to send a request and what it has to carry.
func (a *Client) Authenticate(ctx context.Context, endpoint string) (target string, p Credentials, err error) {
	auth, err := a.method(ctx)
	if err != nil {
		return "", Credentials{}, err
	}
	ep, err := a.endpoints(ctx, endpoint, auth)
	if err != nil {
		return "", Credentials{}, refusal.TenantDown.Wrap(err)
	}
	if target, err = a.target(ep, endpoint, auth); err != nil {
		return "", Credentials{}, err
	}
	if p, err = auth.credentials(a.ID, ep.Issuer, a.Now()); err != nil {
		return "", Credentials{}, refusal.NoCredential.Wrap(err)
	}
	return target, p, nil
}

// endpoints makes a request only for what varies between tenants.
func (a *Client) endpoints(ctx context.Context, endpoint string, auth Auth) (discovery.Metadata, error) {
	if endpoint == ParEndpoint || auth.Method == MutualTLS {
		return a.Tenant.Discovered.Get(ctx)
	}
	return a.Tenant.Endpoints(ctx)
}

func (a *Client) target(ep discovery.Metadata, endpoint string, auth Auth) (string, error) {
	ordinary := ep.Endpoint(endpoint)
	if auth.Method != MutualTLS {
		if ordinary == "" {
			return "", refusal.Misconfigured.Because("%s: %w", endpoint, ErrNoEndpoint)
		}
		return ordinary, nil
	}
	alias, err := ep.MTLSAlias(endpoint, a.Tenant.Origins)
	switch {
	case err != nil:
		return "", refusal.Misconfigured.Because("Config.ClientAuthentication is MutualTLS: %w", err)
	case alias != "":
		return alias, nil
	case a.Tenant.Static == nil && ordinary != "":
		return ordinary, nil // RFC 8705, Section 5: without an alias the endpoint itself serves both
	}
	return "", refusal.Misconfigured.Because("Config.ClientAuthentication is MutualTLS, and the tenant's mtls_endpoint_aliases have no %s: %w", endpoint, ErrNoEndpoint)
}

// Post sends a form and shows who sends it. The form of the caller has no client
// id and no credential.
func (a *Client) Post(ctx context.Context, endpoint string, form url.Values, header ...string) (*fetch.Response, error) {
	target, p, err := a.Authenticate(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return postForm(ctx, a.HTTP, target, form, p, header...)
}

// Revoke makes a refresh token useless (RFC 7009). The error is ErrNoEndpoint if the
// tenant has no endpoint for that.
func (a *Client) Revoke(ctx context.Context, refreshToken string) error {
	resp, err := a.Post(ctx, revocationEndpoint, url.Values{"token": {refreshToken}})
	if err == nil && resp.Status != http.StatusOK {
		err = ParseError(resp.Status, resp.Header, resp.Body)
	}
	return err
}

// ParseKeyPEM reads an RSA or EC key as openssl writes it. Its errors quote
// nothing of it.
func ParseKeyPEM(text string) (crypto.Signer, error) {
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
