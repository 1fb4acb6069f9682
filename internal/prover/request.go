package prover

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A try is one request with a proof.
type try struct {
	key   Key
	from  nonceSource
	conns atomic.Int32 // used for it by package net/http
}

// prove adds a proof to a request, with the newest nonce of its server. The token is
// empty for a request to a token endpoint. It returns the request to send.
func (k Key) prove(r *http.Request, as role, token string) (*try, *http.Request, error) {
	h := k.held.Reveal()
	t := &try{key: k, from: nonceSource{as, originOf(r.URL)}}
	proof, err := dpop.Sign(h.key, dpop.Claims{
		Method: cmp.Or(r.Method, http.MethodGet), URL: targetOf(r), Token: token, Nonce: h.nonces.get(t.from), Now: h.now(),
	})
	if err != nil {
		return nil, nil, refusal.Internal.Because("Config.ProofKey: %w", err)
	}
	r.Header.Set("DPoP", proof)
	return t, r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { t.conns.Add(1) },
	})), nil
}

// targetOf returns the URL of a request as its server knows it, without a query. The
// caller can have set another Host header (RFC 9110, Section 7.1).
func targetOf(r *http.Request) string {
	return originOf(&url.URL{Scheme: r.URL.Scheme, Host: cmp.Or(r.Host, r.URL.Host)}) + r.URL.EscapedPath()
}

// again learns from a response, and reports whether another request is useful: the server
// requires a nonce that came with the response, or it has already seen the proof. That is
// possible if package net/http has sent the request twice, because a connection was
// closed after the server had read the first (RFC 9110, Section 9.2.2).
func (t *try) again(h http.Header, code string) bool {
	nonce := t.key.held.Reveal().nonces.learn(t.from, h)
	return code == useNonce && nonce != "" || code == invalidProof && t.conns.Load() > 1
}

// Do makes a request to a token endpoint, with a proof unless the key is zero. If the
// server requires a nonce, or has already seen the proof, Do makes one more. Next returns
// each request, because client credentials can be valid for one.
func (k Key) Do(client *http.Client, next func() (*http.Request, error)) (*fetch.Response, error) {
	if k.IsZero() {
		r, err := next()
		if err != nil {
			return nil, err
		}
		return fetch.Do(client, r)
	}
	resp, again, err := k.doOnce(client, next)
	if again {
		resp, _, err = k.doOnce(client, next)
	}
	return resp, err
}

func (k Key) doOnce(client *http.Client, next func() (*http.Request, error)) (resp *fetch.Response, again bool, err error) {
	r, err := next()
	if err != nil {
		return nil, false, err
	}
	t, r, err := k.prove(r, authorizationServer, "")
	if err != nil {
		return nil, false, err
	}
	if resp, err = fetch.Do(client, r); err != nil {
		return nil, false, err
	}
	return resp, t.again(resp.Header, tokenError(resp)), nil
}

// A Credential is an access token, and the key to which it is bound. With the zero Key
// it is a bearer token.
type Credential struct {
	Token string
	Key   Key
}

// Do makes a request to an API of the tenant, and reads its response.
func (c Credential) Do(client *http.Client, r *http.Request) (*fetch.Response, error) {
	if c.Key.IsZero() {
		r.Header.Set("Authorization", "Bearer "+c.Token)
		return fetch.Do(client, r)
	}
	proving := *client
	proving.Transport = Transport{Base: client.Transport, Credential: func() (Credential, error) { return c, nil }}
	return fetch.Do(&proving, r)
}

// A Transport adds an access token to each request, and a proof if the token is bound to
// a key. It follows the rules of [http.RoundTripper].
type Transport struct {
	Base       http.RoundTripper // nil for http.DefaultTransport
	Credential func() (Credential, error)
}

// RoundTrip makes a request. Its error is a refusal, an error of Credential, or one of
// Base. Without a credential, and after a fault of the request, nothing is sent.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c, err := t.credentialFor(r)
	if err != nil {
		closeBody(r.Body)
		return nil, err
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if c.Key.IsZero() {
		bearer := r.Clone(r.Context())
		bearer.Header.Set("Authorization", "Bearer "+c.Token)
		return send(base, bearer, r)
	}
	resp, again, err := c.try(base, r, r.Body)
	if err != nil || !again {
		return resp, err
	}
	body, ok := bodyAgain(r)
	if !ok {
		return resp, nil
	}
	drain(resp.Body)
	resp, _, err = c.try(base, r, body)
	return resp, err
}

func (t Transport) credentialFor(r *http.Request) (Credential, error) {
	if r.URL == nil || r.Header == nil {
		return Credential{}, refusal.Internal.Because("the request has no URL or no header")
	}
	if err := checkRedirect(r); err != nil {
		return Credential{}, err
	}
	c, err := t.Credential()
	if err == nil && !c.Key.IsZero() {
		err = checkBound(r)
	}
	return c, err
}

func (c Credential) try(base http.RoundTripper, r *http.Request, body io.ReadCloser) (resp *http.Response, again bool, err error) {
	clone := r.Clone(r.Context())
	clone.Body = body
	t, clone, err := c.Key.prove(clone, resourceServer, c.Token)
	if err != nil {
		closeBody(body)
		return nil, false, err
	}
	clone.Header.Set("Authorization", TokenType+" "+c.Token)
	if resp, err = send(base, clone, r); err != nil {
		return nil, false, err
	}
	return resp, t.again(resp.Header, challengeError(resp)), nil
}

// send makes a request with a token. The response names the caller's request, because
// checkRedirect needs the origin, which a transport of the application can have changed,
// and a caller that logs the request of a response should not log the token.
func send(base http.RoundTripper, withToken, r *http.Request) (*http.Response, error) {
	resp, err := base.RoundTrip(withToken)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errNoResponse
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	resp.Request = r
	return resp, nil
}

var errNoResponse = errors.New("the transport has returned neither a response nor an error")

func closeBody(body io.ReadCloser) {
	if body != nil {
		body.Close()
	}
}

// bodyAgain returns a new copy of the request body.
func bodyAgain(r *http.Request) (body io.ReadCloser, ok bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	return body, err == nil
}

// drain reads the rest of a short body, so that its connection can be used again.
func drain(body io.ReadCloser) {
	const most = 64 << 10
	io.CopyN(io.Discard, body, most)
	body.Close()
}

// checkRedirect rejects a redirect to another origin, whose server would get the token.
// Package net/http leaves such credentials out, but calls the transport, which would add
// them again.
func checkRedirect(r *http.Request) error {
	if r.Response == nil {
		return nil
	}
	from, to := "an unknown origin", originOf(r.URL)
	if r.Response.Request != nil {
		from = originOf(r.Response.Request.URL)
	}
	if from != to {
		return refusal.Redirected.Because("from %.200q to %.200q", from, to)
	}
	return nil
}

// checkBound rejects a request that would not carry the token and the proof, or would
// expose them to the network.
func checkBound(r *http.Request) error {
	for name, values := range r.Header { // which can have any spelling
		if len(values) > 0 && (strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "DPoP")) {
			return refusal.Internal.Because("the request has a header %s already, which the transport sets", name)
		}
	}
	if scheme := strings.ToLower(r.URL.Scheme); scheme == "https" || scheme == "http" && discovery.Loopback(strings.ToLower(r.URL.Hostname())) {
		return nil
	}
	return refusal.Internal.Because("a token that is bound to a key is not sent to %.200q: that must be https", originOf(r.URL))
}
