package fetch

import (
	"context"
	"net"
	"net/http"
)

// dialer returns nil: browsers and similar hosts cannot dial, and package net/http uses
// the Fetch API only for a transport without a dialer.
func dialer() func(ctx context.Context, network, addr string) (net.Conn, error) { return nil }

// usesFetchAPI reports whether a transport may use the Fetch API, which follows
// redirects. It is false only if that is certain.
func usesFetchAPI(base http.RoundTripper) bool {
	t, ok := base.(*http.Transport)
	return !ok || t.Dial == nil && t.DialContext == nil && t.DialTLS == nil && t.DialTLSContext == nil
}
