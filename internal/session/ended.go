package session

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// endings list ended sessions whose cookies still open: those that this process has
// ended, and those with a mark.
type endings struct {
	here  *endedSessions
	marks *revocations // nil if there is no store for marks
}

func (e *endings) isEnded(ctx context.Context, r *Record) (bool, error) {
	if e.here.has(r.ID) {
		return true, nil
	}
	return e.marks.isEnded(ctx, r)
}

// add marks a session as ended.
func (e *endings) add(ctx context.Context, id string) error {
	e.here.add(id)
	return e.marks.revoke(ctx, revokedSession(id), e.here.now().Unix())
}

// endedSessions lists the sessions that this process has ended. Without it, the
// response to a request under way during the logout would restore a session in a
// cookie, and so would a copy of the cookie.
type endedSessions struct {
	life time.Duration // after it, no earlier cookie is valid
	now  func() time.Time

	mu    sync.RWMutex
	known map[endedID]struct{}
	order []endedAt // by time
}

type endedID [16]byte

type endedAt struct {
	id endedID
	at time.Time
}

// maxEnded bounds the list, to about 10 MB. The oldest session is dropped first,
// because it is the least likely to have a response under way.
const maxEnded = 1 << 17

func idForEnded(id string) endedID {
	sum := sha256.Sum256([]byte(id))
	return endedID(sum[:16])
}

// add adds a session to the list. It does nothing if e is nil.
func (e *endedSessions) add(id string) {
	if e == nil {
		return
	}
	key, now := idForEnded(id), e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.order) > 0 && (len(e.order) >= maxEnded || now.Sub(e.order[0].at) > e.life) {
		delete(e.known, e.order[0].id)
		e.order = e.order[1:]
	}
	if _, ok := e.known[key]; ok {
		return
	}
	e.known[key] = struct{}{}
	e.order = append(e.order, endedAt{key, now})
}

func (e *endedSessions) has(id string) bool {
	if e == nil {
		return false
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if len(e.known) == 0 {
		return false
	}
	_, ok := e.known[idForEnded(id)]
	return ok
}
