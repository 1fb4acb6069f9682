package session

import "fmt"

// A Kind says what went wrong with a session.
type Kind int

const (
	// Ended is for a session that was ended meanwhile, or is not there.
	Ended Kind = iota
	// StoreDown means that the store did not answer.
	StoreDown
	// NotWritten means that the store did not take a session.
	NotWritten
	// StoreFull means that the store has no room for another session.
	StoreFull
	// TooLarge means that the session does not fit into cookies.
	TooLarge
	// Internal is for faults of this package.
	Internal
)

// An Error is why a session could not be read or written.
type Error struct {
	Kind Kind
	Err  error // the cause, or nil
}

func (f *Error) Error() string {
	if f.Err != nil {
		return f.Err.Error()
	}
	return fmt.Sprintf("session failure %d", f.Kind)
}

func (f *Error) Unwrap() error { return f.Err }

func failure(kind Kind, err error) error { return &Error{kind, err} }

// IsEnded reports whether an error means that the session is over. Only the outermost
// failure counts: one inside may come from the store.
func IsEnded(err error) bool {
	f, ok := err.(*Error)
	return ok && f.Kind == Ended
}
