package auth0

import (
	"net/http"
	"sync/atomic"
)

// Work counts what requests make a Strategy do.
type Work struct {
	CookieReads atomic.Int64 // times that the cookies of a request were read
	Seals       atomic.Int64 // values sealed or opened
}

// Reset begins to count anew.
func (w *Work) Reset() {
	w.CookieReads.Store(0)
	w.Seals.Store(0)
}

// CountWork has a Strategy count. Nothing of it may be in use yet.
func CountWork(s *Strategy) *Work {
	w := &Work{}
	s.cookies.Watch = func(*http.Request) { w.CookieReads.Add(1) }
	s.app.keyring = s.app.keyring.Watch(func() { w.Seals.Add(1) })
	s.sessions.Watch(func() { w.Seals.Add(1) })
	s.app.transactions.Keyring = s.app.keyring
	s.app.grants.Keyring = s.app.keyring
	s.visits.Marks.Keyring = s.app.keyring
	return w
}
