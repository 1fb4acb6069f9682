package auth0

import (
	"net/http"
	"sync/atomic"
)

// Work counts the work of a Strategy for its requests.
type Work struct {
	CookieReads atomic.Int64 // reads of a request's cookies
	Seals       atomic.Int64 // sealed or opened values
}

// Reset sets the counts to zero.
func (w *Work) Reset() {
	w.CookieReads.Store(0)
	w.Seals.Store(0)
}

// CountWork makes a Strategy count its work. Call it before the first request.
func CountWork(s *Strategy) *Work {
	w := &Work{}
	s.visits.Cookies.Watch = func(*http.Request) { w.CookieReads.Add(1) }
	s.app.keyring = s.app.keyring.Watch(func() { w.Seals.Add(1) })
	s.sessions.Watch(func() { w.Seals.Add(1) })
	s.app.logins.Transactions.Keyring = s.app.keyring
	s.app.grants.Keyring = s.app.keyring
	s.visits.Marks.Keyring = s.app.keyring
	return w
}
