package testkit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Tap records the requests that go through it to the tenant, and presents a client
// certificate, as a connection with TLS would.
type Tap struct {
	Next        http.RoundTripper
	certificate string

	mu   sync.Mutex
	seen map[string][]Sent // by host and path
}

// A Sent is one request.
type Sent struct {
	Header http.Header
	Form   url.Values
}

// RoundTrip implements http.RoundTripper.
func (p *Tap) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	form, _ := url.ParseQuery(string(body))
	p.mu.Lock()
	if p.seen == nil {
		p.seen = map[string][]Sent{}
	}
	key := r.URL.Host + r.URL.Path
	p.seen[key] = append(p.seen[key], Sent{r.Header.Clone(), form})
	if p.certificate != "" {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(p.certificate)}}}
	}
	p.mu.Unlock()
	return p.Next.RoundTrip(r)
}

// All returns the requests to a path, on any host.
func (p *Tap) All(path string) []Sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Sent
	for key, list := range p.seen {
		if strings.HasSuffix(key, path) {
			found = append(found, list...)
		}
	}
	return found
}

// Hosts returns the hosts that had requests for a path.
func (p *Tap) Hosts(path string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for key := range p.seen {
		if host, ok := strings.CutSuffix(key, path); ok {
			found = append(found, host)
		}
	}
	return slices.Sorted(slices.Values(found))
}

// Hosts carries requests to handlers by host name.
type Hosts map[string]http.Handler

// RoundTrip implements http.RoundTripper.
func (h Hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	handler := h[r.URL.Host]
	if handler == nil {
		return nil, fmt.Errorf("no such host: %s", r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr, in.Host = r.URL.RequestURI(), "192.0.2.7:1", r.URL.Host
	in.URL.Scheme, in.URL.Host = "", ""
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		handler.ServeHTTP(w, in)
	}()
	select {
	case <-done:
	case <-r.Context().Done():
	}
	// A canceled caller gets nothing, even if the response came at that moment.
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// A Network carries requests to handlers by host, as Hosts does, and records their
// URLs.
type Network struct {
	mu    sync.Mutex
	hosts Hosts
	urls  []string
}

// NewNetwork returns a network that has these hosts.
func NewNetwork(hosts Hosts) *Network { return &Network{hosts: hosts} }

// SetHosts replaces all hosts.
func (n *Network) SetHosts(hosts Hosts) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts = hosts
}

// Handle adds a host, or replaces it.
func (n *Network) Handle(host string, handler http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = handler
}

// RoundTrip implements http.RoundTripper.
func (n *Network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	handler := n.hosts[r.URL.Host]
	n.urls = append(n.urls, r.URL.String())
	n.mu.Unlock()
	return Hosts{r.URL.Host: handler}.RoundTrip(r)
}

// Asked returns the URLs of all requests so far.
func (n *Network) Asked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.urls)
}

// A TokenSpy records all tokens that come through it.
type TokenSpy struct {
	Next http.RoundTripper

	mu     sync.Mutex
	tokens []string
}

// RoundTrip implements http.RoundTripper.
func (s *TokenSpy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.Next.RoundTrip(r)
	if err != nil || r.URL.Path != "/oauth/token" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var got map[string]any
	json.Unmarshal(body, &got) // some bodies are not JSON
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if text, ok := got[name].(string); ok && len(text) > 20 {
			s.tokens = append(s.tokens, text)
		}
	}
	return resp, nil
}

// Seen returns the tokens so far.
func (s *TokenSpy) Seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.tokens...)
}
