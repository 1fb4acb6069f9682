//go:build !js

package fetch

import (
	"context"
	"net"
	"net/http"
	"time"
)

func dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}).DialContext
}

func usesFetchAPI(http.RoundTripper) bool { return false }
