package session

import "fmt"

// A Kind is the kind of a failure.
type Kind int

const (
	// Ended means that the session has ended, or is not in the store.
	Ended Kind = iota
	// StoreDown means that the store failed, or did not answer in time.
	StoreDown
	// NotWritten means that the store did not accept a session.
	NotWritten
	// StoreFull means that a [Memory] has no room for another session.
	StoreFull
	// TooLarge means that the session does not fit into cookies.
	TooLarge
	// Internal means a fault of this package.
	Internal
)

// An Error is a failure to read or write a session.
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

// failure returns a failure with a cause, which can be nil.
func failure(kind Kind, err error) error { return &Error{kind, err} }

// IsEnded reports whether an error is a failure of kind Ended. Only the outermost
// error counts, because one inside can come from the store.
func IsEnded(err error) bool {
	f, ok := err.(*Error)
	return ok && f.Kind == Ended
}
