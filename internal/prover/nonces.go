package prover

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// A role tells an authorization server from the APIs at the same origin. Each has its
// own nonces (RFC 9449, Sections 8 and 9).
type role string

const (
	authorizationServer role = "authorization server"
	resourceServer      role = "resource server"
)

// A nonceSource is the sender of a nonce.
type nonceSource struct {
	role   role
	origin string
}

// nonces are the newest nonces of servers. Without them, each proof would be rejected
// once. The zero value is ready.
type nonces struct {
	mu    sync.Mutex
	bySrc map[nonceSource]string
	order []nonceSource // least recently heard of first
}

// maxNonces bounds the cached servers. Beyond it, the one whose nonce is oldest is
// dropped, and costs one more request on its next use.
const maxNonces = 64

func (n *nonces) get(from nonceSource) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bySrc[from]
}

// learn caches the nonce of a response, if there is one, and returns it.
func (n *nonces) learn(from nonceSource, h http.Header) string {
	nonce := nonceOf(h)
	if nonce == "" {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bySrc == nil {
		n.bySrc = map[nonceSource]string{}
	}
	if n.bySrc[from] == nonce {
		return nonce
	}
	n.forget(from)
	if len(n.order) >= maxNonces {
		n.forget(n.order[0])
	}
	n.bySrc[from] = nonce
	n.order = append(n.order, from)
	return nonce
}

func (n *nonces) forget(from nonceSource) {
	if _, known := n.bySrc[from]; !known {
		return
	}
	delete(n.bySrc, from)
	for i, other := range n.order {
		if other == from {
			n.order = append(n.order[:i], n.order[i+1:]...)
			return
		}
	}
}

// nonceOf returns the nonce of a response. A long one, or one with characters outside
// RFC 9449, Section 8.1, counts as none, because it becomes a part of each proof.
func nonceOf(h http.Header) string {
	const longest = 1024
	values := h["Dpop-Nonce"]
	if len(values) != 1 || len(values[0]) > longest {
		return ""
	}
	for _, c := range []byte(values[0]) {
		if c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return ""
		}
	}
	return values[0]
}

// originOf returns the origin of a URL as a browser writes it.
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.TrimSuffix(strings.ToLower(u.Host), ":")
	if port := map[string]string{"https": ":443", "http": ":80"}[scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return scheme + "://" + host
}
