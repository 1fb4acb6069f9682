// Package discovery reads the metadata of an OpenID provider (OpenID Connect Discovery
// 1.0) and validates them.
//
// The package neither caches metadata nor knows their users.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
)

// Metadata holds the members that a relying party uses.
type Metadata struct {
	Issuer                string            `json:"issuer"`
	AuthorizationEndpoint string            `json:"authorization_endpoint"`
	TokenEndpoint         string            `json:"token_endpoint"`
	JWKSURI               string            `json:"jwks_uri"`
	UserInfoEndpoint      string            `json:"userinfo_endpoint"`
	EndSessionEndpoint    string            `json:"end_session_endpoint"`
	RevocationEndpoint    string            `json:"revocation_endpoint"`
	PAREndpoint           string            `json:"pushed_authorization_request_endpoint"`
	MTLSAliases           map[string]string `json:"mtls_endpoint_aliases"`
	// ProofAlgorithms are the algorithms of proofs (RFC 9449, Section 5.1), nil if the
	// provider lists none.
	ProofAlgorithms []string `json:"dpop_signing_alg_values_supported"`
	// IssuerInResponse: every authorization response carries iss (RFC 9207). One with an ID
	// token may carry it there alone (Section 4).
	IssuerInResponse bool `json:"authorization_response_iss_parameter_supported"`
}

// Endpoint returns an endpoint that authenticates clients, by the name of its member.
func (m Metadata) Endpoint(name string) string {
	switch name {
	case "token_endpoint":
		return m.TokenEndpoint
	case "revocation_endpoint":
		return m.RevocationEndpoint
	case "pushed_authorization_request_endpoint":
		return m.PAREndpoint
	}
	return ""
}

// MTLSAlias returns the URL at which an endpoint accepts client certificates (RFC 8705,
// Section 5), or nothing if it has no alias. An alias must be on the issuer's host or
// on one below it, which is where Auth0 puts it, or on one of further origins.
func (m Metadata) MTLSAlias(name string, origins []string) (string, error) {
	alias := m.MTLSAliases[name]
	if alias == "" {
		return "", nil
	}
	origin, err := Origin(alias)
	if err != nil || !strings.HasPrefix(origin, "https:") {
		return "", fmt.Errorf("mtls_endpoint_aliases: %s %.100q is not an https URL", name, alias)
	}
	own, err := url.Parse(m.Issuer)
	if err != nil {
		return "", err
	}
	to, _ := url.Parse(alias) // Origin has parsed it
	host, ownHost := strings.ToLower(to.Hostname()), strings.ToLower(own.Hostname())
	if host != ownHost && !strings.HasSuffix(host, "."+ownHost) && !slices.Contains(origins, origin) {
		return "", fmt.Errorf("mtls_endpoint_aliases: %s %.100q is not on the issuer's host; if that is meant, list its origin", name, alias)
	}
	return alias, nil
}

// Fetch gets the metadata of the provider at issuer, an absolute URL. The document must
// name that issuer (Section 4.3). A slash at the end may differ, because many
// configurations omit the slash that Auth0 writes. Its endpoints must be on the
// issuer's origin or on one of further origins, so that a forged document cannot
// redirect credentials, or the search for keys, to another server.
func Fetch(ctx context.Context, client *http.Client, issuer string, origins []string) (Metadata, error) {
	var m Metadata
	location := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	if _, err := fetch.GetJSON(ctx, client, location, &m); err != nil {
		return Metadata{}, err
	}
	if strings.TrimSuffix(m.Issuer, "/") != strings.TrimSuffix(issuer, "/") {
		return Metadata{}, fmt.Errorf("%s names the issuer %.100q, not %q", location, m.Issuer, issuer)
	}
	own, err := Origin(issuer)
	if err != nil {
		return Metadata{}, err
	}
	var errs []error
	check := func(name, value string, required bool) {
		if value == "" {
			if required {
				errs = append(errs, fmt.Errorf("%s has no %s", location, name))
			}
			return
		}
		origin, err := Origin(value)
		if err != nil || origin != own && !slices.Contains(origins, origin) {
			errs = append(errs, fmt.Errorf("%s: %s %.100q is not on the issuer's origin; if that is meant, list its origin", location, name, value))
		}
	}
	check("authorization_endpoint", m.AuthorizationEndpoint, true)
	check("token_endpoint", m.TokenEndpoint, true)
	check("jwks_uri", m.JWKSURI, true)
	check("userinfo_endpoint", m.UserInfoEndpoint, false)
	check("end_session_endpoint", m.EndSessionEndpoint, false)
	check("revocation_endpoint", m.RevocationEndpoint, false)
	check("pushed_authorization_request_endpoint", m.PAREndpoint, false)
	if err := errors.Join(errs...); err != nil {
		return Metadata{}, err
	}
	return m, nil
}

// Origin returns scheme, host and port of an absolute URL the way browsers
// write them: lower case, no default port. The scheme must be https, or http
// if the host is this machine.
func Origin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("not a URL")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case !isASCII(host):
		return "", fmt.Errorf("the host must have the form that browsers send%s", asciiForm(host))
	case host == "" || u.User != nil || u.Opaque != "":
		return "", errors.New("not a URL with a host and without a user name")
	case u.Scheme == "https":
	case u.Scheme != "http":
		return "", errors.New("the scheme must be https")
	case !Loopback(host):
		return "", errors.New("http is allowed only for localhost and loopback addresses; use https")
	}
	if port := u.Port(); port != "" && !(u.Scheme == "https" && port == "443") && !(u.Scheme == "http" && port == "80") {
		host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// asciiForm returns the ASCII form of an internationalized host name (RFC 5890, Section
// 2.3.2.1), as the end of a sentence, or nothing if it has none. Package net/http
// converts it, and passes the result to the dialer of a request.
func asciiForm(host string) string {
	var form string
	transport := &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		form, _, _ = net.SplitHostPort(address)
		return nil, errors.New("nothing is sent")
	}}
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: host}, Header: http.Header{}}
	if _, err := transport.RoundTrip(r); err == nil || form == "" || len(form) > 253 || !isASCII(form) {
		return ""
	}
	return ": " + form
}

// CheckASCII returns an error for a host name with characters beyond ASCII. The error
// contains the form to use.
func CheckASCII(host string) error {
	if isASCII(host) {
		return nil
	}
	return fmt.Errorf("must have the form that browsers send%s", asciiForm(strings.ToLower(host)))
}

// Loopback reports whether a host, without a port, is this machine: localhost,
// a name below it (RFC 6761, Section 6.3) or a loopback address.
func Loopback(host string) bool {
	if host = strings.ToLower(host); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// Because returns the end of a message with its cause, or nothing.
func Because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
