package session

import (
	"container/list"
	"strings"
	"sync"
	"time"
)

// recentTokens have the sessions whose tokens this process has changed. Requests under
// way have cookies with the old tokens. A response that has begun cannot carry the new
// tokens to the browser. A store can fail to take them. In each case they must not be
// lost: the refresh token that they replace can be used up.
type recentTokens struct {
	mu    sync.RWMutex
	known map[string]*list.Element // by the id of the session
	order list.List                // kept longest ago first
}

// A recentSession is the value of an element of the list.
type recentSession struct {
	id        string
	record    string // encoded
	refreshes int
	late      time.Time // requests with the old tokens can be under way until then
	until     time.Time
}

const (
	// maxRecent is the number of sessions whose newest tokens are kept, at about 3 KB
	// each. One more replaces the oldest.
	maxRecent = 10_000
	// overlap is the time for which requests with the old tokens can be under way.
	overlap = time.Minute
)

// addTo returns a session with the tokens of this process, if they are newer.
func (rt *recentTokens) addTo(record *Record) *Record {
	return rt.find(record.ID).addTo(record)
}

func (found *recentSession) addTo(record *Record) *Record {
	if found == nil || found.refreshes <= record.Refreshes || !time.Now().Before(found.until) {
		return record
	}
	if known := decodeRecord(found.record); known != nil {
		return record.withTokensOf(known)
	}
	return record
}

// find returns the entry of a session, nil if there is none.
func (rt *recentTokens) find(id string) *recentSession {
	rt.mu.RLock()
	defer rt.mu.RUnlock()
	if element := rt.known[id]; element != nil {
		return element.Value.(*recentSession)
	}
	return nil
}

// keep keeps the tokens of a session for a time, at least for the requests under way.
func (rt *recentTokens) keep(r *Record, d time.Duration) {
	encoded := string(r.encode())
	id := strings.Clone(r.ID) // which can be a part of a text with the old tokens
	now := time.Now()
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.remove(rt.known[id])
	for first := rt.order.Front(); first != nil && (rt.order.Len() >= maxRecent || !now.Before(first.Value.(*recentSession).until)); first = rt.order.Front() {
		rt.remove(first)
	}
	if rt.known == nil {
		rt.known = map[string]*list.Element{}
	}
	rt.known[id] = rt.order.PushBack(&recentSession{
		id: id, record: encoded, refreshes: r.Refreshes, late: now.Add(overlap), until: now.Add(max(d, overlap)),
	})
}

// shown is called with a session from a browser's cookie. If the browser has the tokens
// of this process, they are kept for requests under way only. If it does not, although no
// response is under way any more, shown returns the session with them.
func (rt *recentTokens) shown(record *Record) *Record {
	found := rt.find(record.ID)
	switch {
	case found == nil:
	case found.refreshes <= record.Refreshes:
		rt.release(found)
	case !time.Now().Before(found.late):
		if newer := found.addTo(record); newer != record {
			newer.undelivered = true
			return newer
		}
	}
	return record
}

// release keeps an entry for requests under way only.
func (rt *recentTokens) release(found *recentSession) {
	now := time.Now()
	if now.Before(found.until) && found.until.Equal(found.late) {
		return // released before
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	element := rt.known[found.id]
	switch {
	case element == nil || element.Value != found: // replaced meanwhile
	case !now.Before(found.late):
		rt.remove(element)
	default:
		// The entry is replaced, because others read it without the lock.
		released := *found
		released.until = released.late
		element.Value = &released
	}
}

// forget drops the tokens of a session that has ended.
func (rt *recentTokens) forget(id string) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.remove(rt.known[id])
}

// remove removes an entry, nil for none. The caller has the lock.
func (rt *recentTokens) remove(element *list.Element) {
	if element != nil {
		delete(rt.known, rt.order.Remove(element).(*recentSession).id)
	}
}
