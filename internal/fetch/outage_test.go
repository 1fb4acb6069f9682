package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
)

func TestIsOutage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err  error
		want bool
	}{
		{context.DeadlineExceeded, true},
		{os.ErrDeadlineExceeded, true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		{&net.DNSError{Err: "no such host", Name: "db.example"}, true},
		{fmt.Errorf("the database: %w", &net.OpError{Op: "read", Err: errors.New("reset")}), true},
		{&url.Error{Op: "Get", URL: "https://api.example", Err: &net.DNSError{}}, true},
		{&url.Error{Op: "Get", URL: "https://api.example", Err: errors.New("malformed response")}, false},
		{context.Canceled, false},
		{errors.New("no rows"), false},
		{nil, false},
	} {
		if got := IsOutage(row.err); got != row.want {
			t.Errorf("%v: %v", row.err, got)
		}
	}
}
