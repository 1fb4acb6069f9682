package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
)

// metadata are the members of the discovery document that the checks use.
type metadata struct {
	discovery.Metadata
	BackchannelLogout bool `json:"backchannel_logout_supported"`
}

// endpoints are the URLs of the tenant. Those of Auth0 follow from the domain, so that a
// discovery document cannot send the client secret elsewhere.
type endpoints struct{ authorize, token, logout, jwks string }

func (k known) host() string {
	u, err := url.Parse(k.issuer)
	if err != nil {
		return k.issuer
	}
	return u.Host
}

func (k known) checkIssuer(ctx context.Context) (known, Finding) {
	location := k.issuer + "/.well-known/openid-configuration"
	resp, err := k.network.get(ctx, location, nil, nil)
	if err != nil {
		return k, k.unreachable(err)
	}
	noTenant := do("Copy the Domain field from " + whereClient + " into " + k.Settings.DomainName + ".")
	if resp.Status == 404 {
		return k, fail("No tenant at "+k.host()+".", noTenant)
	}
	if isBusy(resp.Status) {
		return k, fail(fmt.Sprintf("The tenant answered status %d.", resp.Status), tryAgain)
	}
	var m metadata
	if resp.Status != 200 || json.Unmarshal(resp.Body, &m) != nil || m.Issuer == "" {
		return k, fail(fmt.Sprintf("%s answered status %d without metadata.", location, resp.Status), noTenant,
			do("If the domain is right, look at the proxy between this machine and the tenant."))
	}
	if strings.TrimSuffix(m.Issuer, "/") != k.issuer {
		return k, fail("The tenant calls itself "+m.Issuer, do("Set "+k.Settings.DomainName+" to that host."))
	}
	k.metadata = m
	if err := k.setEndpoints(); err != nil {
		return k, fail(err.Error(), do("If that is meant, list the origin in Config.EndpointOrigins. The doctor sends nothing there."))
	}
	return k, ok(m.Issuer)
}

// isBusy reports whether the same request can succeed later.
func isBusy(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

var tryAgain = do("Wait a minute and try again. If it stays so, look at the status page of Auth0.")

// setEndpoints takes the endpoints from the domain or, for the URL of an issuer, from its
// metadata.
func (k *known) setEndpoints() error {
	if k.auth0 {
		k.endpoints = endpoints{k.issuer + "/authorize", k.issuer + "/oauth/token", k.issuer + "/v2/logout", k.issuer + "/.well-known/jwks.json"}
		return nil
	}
	m := k.metadata
	own, err := discovery.Origin(k.issuer)
	if err != nil {
		return err
	}
	for _, e := range []setting{{"authorization_endpoint", m.AuthorizationEndpoint}, {"token_endpoint", m.TokenEndpoint},
		{"jwks_uri", m.JWKSURI}, {"end_session_endpoint", m.EndSessionEndpoint}} {
		if e.value == "" && e.name == "end_session_endpoint" {
			continue
		}
		if origin, err := discovery.Origin(e.value); err != nil || origin != own {
			return fmt.Errorf("The metadata have the %s %q, which is not on the issuer's origin.", e.name, e.value)
		}
	}
	k.endpoints = endpoints{m.AuthorizationEndpoint, m.TokenEndpoint, m.EndSessionEndpoint, m.JWKSURI}
	return nil
}

// unreachable returns the reason why the tenant did not answer.
func (k known) unreachable(err error) Finding {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail("No tenant at "+k.host()+": the host name does not resolve.",
			do("Copy the Domain field from "+whereClient+" into "+k.Settings.DomainName+"."))
	case errors.As(err, &certificate), errors.As(err, &header):
		return fail("The TLS handshake with "+k.host()+" failed: "+cause(err),
			do("For a custom domain, look at Branding > Custom Domains: it must be ready. Otherwise a proxy intercepts TLS: add its certificate to this machine."))
	}
	return fail(k.host()+" does not answer: "+cause(err), do("Check the egress rules of this network for https://"+k.host()+"."))
}

func (k known) checkJWKS(ctx context.Context) (known, Finding) {
	egress := do("Check the egress rules for " + k.endpoints.jwks + ".")
	resp, err := k.network.get(ctx, k.endpoints.jwks, nil, nil)
	if err != nil {
		return k, fail("The JWKS endpoint does not answer: "+cause(err), egress)
	}
	if isBusy(resp.Status) {
		return k, fail(fmt.Sprintf("The JWKS endpoint answered status %d.", resp.Status), tryAgain, egress)
	}
	if resp.Status != 200 {
		return k, fail(fmt.Sprintf("The JWKS endpoint answered status %d.", resp.Status), egress)
	}
	var set struct {
		Keys []struct {
			ID        string `json:"kid"`
			Type      string `json:"kty"`
			Use       string `json:"use"`
			Algorithm string `json:"alg"`
		} `json:"keys"`
	}
	if json.Unmarshal(resp.Body, &set) != nil {
		return k, fail("The JWKS endpoint did not answer with a JWKS.", egress)
	}
	for _, key := range set.Keys {
		// A tenant can leave alg out of its keys.
		if key.Type == "RSA" && (key.Use == "" || key.Use == "sig") && (key.Algorithm == "" || key.Algorithm == "RS256") {
			k.keyIDs = append(k.keyIDs, key.ID)
		}
	}
	if len(k.keyIDs) == 0 {
		return k, fail("The JWKS has no RS256 signing key.",
			do("The library accepts RS256 by default. If the issuer signs with another algorithm, set Config.Algorithms."))
	}
	if len(k.keyIDs) == 1 {
		return k, ok("1 RS256 signing key")
	}
	return k, ok(fmt.Sprintf("%d RS256 signing keys", len(k.keyIDs)))
}

// maxSkew is the leeway of an API for access tokens.
const maxSkew = 5 * time.Second

func (k known) checkClock(context.Context) (known, Finding) {
	behind, known := k.network.skew()
	seconds := int64(behind.Abs().Round(time.Second) / time.Second)
	sync := do("Enable NTP on this machine.")
	switch {
	case !known:
		return k, skip("The tenant has not sent its time.")
	case behind > maxSkew:
		return k, fail(fmt.Sprintf("This machine's clock is %d s slow: tokens will look issued in the future.", seconds), sync)
	case behind < -maxSkew:
		return k, fail(fmt.Sprintf("This machine's clock is %d s fast: tokens will expire early.", seconds), sync)
	}
	return k, ok(fmt.Sprintf("Within %d s of the tenant's", max(1, seconds)))
}

func (k known) checkEndSession(context.Context) (known, Finding) {
	if k.metadata.EndSessionEndpoint != "" {
		return k, ok("RP-initiated logout is on.")
	}
	text := "The tenant has no end-session endpoint. Logout uses /v2/logout."
	if !k.auth0 {
		text = "The tenant has no end-session endpoint. Its session outlasts a logout."
	}
	return k, warn(text, do("Turn on RP-Initiated Logout End Session Endpoint Discovery: Settings > Advanced > Login and Logout."))
}

// checkFeatures lists optional features. An application without them works.
func (k known) checkFeatures(context.Context) (known, Finding) {
	m := k.metadata
	var has []string
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"back-channel logout", m.BackchannelLogout}, {"PAR", m.PAREndpoint != ""}, {"iss in responses (RFC 9207)", m.IssuerInResponse},
		{"mTLS aliases", len(m.MTLSAliases) > 0}, {"DPoP", len(m.ProofAlgorithms) > 0},
	} {
		if f.on {
			has = append(has, f.name)
		}
	}
	if len(has) == 0 {
		return k, ok("None of back-channel logout, PAR, iss in responses, mTLS, DPoP")
	}
	var advice []Advice
	if m.BackchannelLogout && k.base.IsSecure() {
		advice = append(advice, do("The tenant supports back-channel logout: with a Store, register "+k.base.URL("/auth/backchannel-logout")+
			" as Back-Channel Logout URI ("+"Applications > your application > Settings > OpenID Connect Back-Channel Logout)."))
	}
	return k, ok(strings.Join(has, ", "), advice...)
}
