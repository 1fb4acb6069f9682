package session

import (
	"context"
	"errors"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// outageWait is the time after which a caller can try again if the store has failed.
const outageWait = 5 * time.Second

// errEnded returns the refusal of a request whose session has ended, or is not in the
// store.
func errEnded() error { return refusal.LoginRequired.New() }

// isEnded reports whether an error means that a session has ended. An error inside can
// come from the store.
func isEnded(err error) bool { return refusal.LoginRequired.IsOf(err) }

// readError returns the refusal of a request whose store failed. It returns nil and
// the error of a canceled request unchanged.
//
// A store can report [context.Canceled] for other reasons, such as a closed connection
// pool. Only ctx tells whether the request was canceled.
func readError(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return err
	}
	return refusal.Store.Later(outageWait, err)
}

// ErrStoreFull is the cause if a [Memory] has no room for a new entry.
var ErrStoreFull = errors.New("the store in memory is full: raise the limit of NewMemoryStore")

// addError returns the refusal of a login whose session could not be stored.
func addError(err error) error {
	if errors.Is(err, ErrStoreFull) {
		return refusal.StoreFull.Later(time.Minute, err)
	}
	return refusal.StoreWrite.Later(outageWait, err)
}
