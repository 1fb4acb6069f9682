package signin

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// attempts are the logins that this process completes at the moment, and those that
// have just succeeded. Some browsers and proxies send one callback twice. The tenant
// accepts its code once, so the second request would fail, and the user would see an
// error although the login has succeeded.
//
// They are not shared with other instances. There, the second request is rejected as
// one with a code that was used.
type attempts struct {
	now func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]*attempt // by the hash of the state
	order []*attempt                     // those that have succeeded, oldest first
}

const (
	// maxSucceeded and attemptLife bound the memory of logins that have succeeded.
	maxSucceeded = 1024
	attemptLife  = 10 * time.Minute
)

// An attempt is one callback. Its outcome is set before done is closed.
type attempt struct {
	key     [sha256.Size]byte
	done    chan struct{}
	outcome outcome
	at      time.Time
}

// An outcome is where a login has led, or why it was rejected.
type outcome struct {
	returnTo string
	session  string // id of the session that has begun
	err      error
}

// begin returns nil if no other request completes the login of a state, or has
// completed it. The caller must call end then. Otherwise begin waits for the outcome
// of the other request.
func (as *attempts) begin(r *http.Request, state string) (*outcome, error) {
	key := sha256.Sum256([]byte(state))
	as.mu.Lock()
	other := as.known[key]
	if other == nil || as.isOver(other) {
		if as.known == nil {
			as.known = map[[sha256.Size]byte]*attempt{}
		}
		as.known[key] = &attempt{key: key, done: make(chan struct{})}
		as.mu.Unlock()
		return nil, nil
	}
	as.mu.Unlock()
	select {
	case <-other.done:
		return &other.outcome, nil
	case <-r.Context().Done():
		return nil, refusal.Canceled.Wrap(context.Cause(r.Context()))
	}
}

// isOver reports whether a login has succeeded too long ago.
func (as *attempts) isOver(a *attempt) bool {
	select {
	case <-a.done:
		return as.now().Sub(a.at) >= attemptLife
	default:
		return false
	}
}

// end notes the outcome of the login of a state. A login that has failed is forgotten:
// the browser has its refusal, or the same answer can succeed later.
func (as *attempts) end(state string, o outcome) {
	key := sha256.Sum256([]byte(state))
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.known[key]
	if a == nil {
		return
	}
	a.outcome, a.at = o, as.now()
	close(a.done)
	if o.err != nil {
		delete(as.known, key)
		return
	}
	as.order = append(as.order, a)
	for len(as.order) > maxSucceeded {
		oldest := as.order[0]
		if as.known[oldest.key] == oldest { // and not a later one of the same state
			delete(as.known, oldest.key)
		}
		as.order = as.order[1:]
	}
}

// succeeded returns where the login of a state has led that has begun a session. It
// returns an empty text if that is not known.
func (as *attempts) succeeded(state, session string) string {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.known[sha256.Sum256([]byte(state))]
	if a == nil {
		return ""
	}
	select {
	case <-a.done:
		if a.outcome.session == session && as.now().Sub(a.at) < attemptLife {
			return a.outcome.returnTo
		}
	default:
	}
	return ""
}
