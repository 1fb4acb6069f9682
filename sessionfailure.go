package auth0

import "fmt"

// A failureKind says what went wrong with a session.
type failureKind int

const (
	// failedEnded is for a session that was ended meanwhile, or is not there.
	failedEnded failureKind = iota
	// failedRead means that the store did not answer.
	failedRead
	// failedWrite means that the store did not take a session.
	failedWrite
	// failedFull means that the store has no room for another session.
	failedFull
	// failedTooLarge means that the session does not fit into cookies.
	failedTooLarge
	// failedInternal is for faults of this package.
	failedInternal
)

// A sessionFailure is why a session could not be read or written.
type sessionFailure struct {
	Kind failureKind
	Err  error // the cause, or nil
}

func (f *sessionFailure) Error() string {
	if f.Err != nil {
		return f.Err.Error()
	}
	return fmt.Sprintf("session failure %d", f.Kind)
}

func (f *sessionFailure) Unwrap() error { return f.Err }

func failure(kind failureKind, err error) error { return &sessionFailure{kind, err} }

// isEndedFailure reports whether an error means that the session is over. Only the outermost
// failure counts: one inside may come from the store.
func isEndedFailure(err error) bool {
	f, ok := err.(*sessionFailure)
	return ok && f.Kind == failedEnded
}
