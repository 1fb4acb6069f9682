package signin

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// attempts are the logins that this process is completing, and those that have
// recently succeeded. Some browsers and proxies send one callback twice. The tenant
// accepts its code once. Without attempts the second request would fail, and the user
// would see an error although the login succeeded.
//
// Instances do not share them. On another instance the second request is rejected for
// a used code.
type attempts struct {
	now func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]*attempt // by the hash of the state
	order []*attempt                     // successful ones, oldest first
}

const (
	// maxSucceeded and attemptLife bound the memory for successful logins.
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

// An outcome is the page to which a login has led, or the reason for its rejection.
type outcome struct {
	returnTo string
	session  string // id of the session that the login started
	err      error
}

// begin returns nil if no other request is completing, or has completed, the login
// with this state. The caller must then call end. Otherwise begin waits for the
// outcome of the other request.
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

// isOver reports whether a login succeeded too long ago.
func (as *attempts) isOver(a *attempt) bool {
	select {
	case <-a.done:
		return as.now().Sub(a.at) >= attemptLife
	default:
		return false
	}
}

// end notes the outcome of the login with a state. It deletes a failed login: the
// browser has its refusal, or the same response can succeed later.
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

// succeeded returns the page to which the login with a state has led, if it started
// this session. It returns an empty text if that is unknown.
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
