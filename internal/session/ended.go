package session

import (
	"crypto/sha256"
	"sync"
	"time"
)

// endedSessions remembers the sessions that this process has ended. A session that
// is in a cookie alone would otherwise come back with the response to a request
// that was under way when its person logged out, or with a copy of the cookie.
type endedSessions struct {
	life time.Duration // until no cookie of before can be good
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

// maxEnded bounds the memory, to about 10 MB. Beyond, the oldest is forgotten, of
// which a response can least be under way.
const maxEnded = 1 << 17

func idForEnded(id string) endedID {
	sum := sha256.Sum256([]byte(id))
	return endedID(sum[:16])
}

// add remembers a session. It does nothing if marks are kept elsewhere.
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
