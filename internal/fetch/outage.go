package fetch

import (
	"context"
	"errors"
	"net"
)

// IsOutage reports whether an error of a request, or of a client of another protocol, says
// that a server could not be reached in time. Nothing is then known about the answer.
func IsOutage(err error) bool {
	var timeout interface{ Timeout() bool }
	var connection *net.OpError
	var lookup *net.DNSError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() ||
		errors.As(err, &connection) || errors.As(err, &lookup)
}
