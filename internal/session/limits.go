package session

import (
	"log/slog"
	"net/http"
	"time"
)

// limits decide how long a session lasts.
type limits struct {
	idle     time.Duration // 0: use does not extend a session
	absolute time.Duration // 0: no limit
	countsAs func(*http.Request) bool
	now      func() time.Time
	log      *slog.Logger
}

// expired reports whether a session is past its limits. It applies the limits in
// the record and those of the current configuration, so that a shortened limit takes
// effect at once.
func (l *limits) expired(r *Record) bool {
	now := l.now().Unix()
	return now >= r.expiresAt || now >= l.endsAt(r, min(r.touchedAt, now))
}

// clockLeeway is the accepted difference between the clocks of instances.
const clockLeeway = 5 * time.Minute

// early reports whether a session began in the future, by more than clockLeeway. The
// absolute limit counts from the beginning, so a clock that was ahead would extend the
// session.
func (l *limits) early(r *Record) bool {
	return r.createdAt > l.now().Add(clockLeeway).Unix()
}

// endsAt returns the end of a session that was last used at the given time.
func (l *limits) endsAt(r *Record, touched int64) int64 {
	end := int64(1 << 62)
	if l.idle > 0 {
		end = touched + int64(l.idle/time.Second)
	}
	if l.absolute > 0 {
		end = min(end, r.createdAt+int64(l.absolute/time.Second))
	}
	if r.ceiling > 0 {
		end = min(end, r.ceiling-ceilingLeeway)
	}
	return end
}

// left returns the time until the end of a session.
func (l *limits) left(r *Record) time.Duration {
	return time.Duration(r.expiresAt-l.now().Unix()) * time.Second
}

// touch sets the last use of a session to now, and its end accordingly.
func (l *limits) touch(r *Record) {
	r.touchedAt = l.now().Unix()
	r.expiresAt = l.endsAt(r, r.touchedAt)
}

// due reports whether a request has to write its use of the session. Not every response
// writes it, because a response that is under way during a logout would undo the logout.
func (l *limits) due(record *Record, r *http.Request) bool {
	if l.idle == 0 {
		return false
	}
	const often = 5 * time.Minute
	unused := time.Duration(l.now().Unix()-record.touchedAt) * time.Second
	if unused < 0 {
		return true // the clock was set back; the time written now is right
	}
	return unused >= min(l.idle/20, often) && l.isUse(r)
}

// isUse reports whether a request counts as use of its session. If the
// application's function panics, the request counts: ending the session would be
// worse than extending it.
func (l *limits) isUse(r *http.Request) (use bool) {
	if l.countsAs == nil {
		return true
	}
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("auth0: Config.CountsAsUse has panicked", "panic", p)
			use = true
		}
	}()
	return l.countsAs(r)
}

// longestLife returns the longest time for which the copy of a cookie can stay valid
// after its session has ended. The margin is for requests under way.
func (l *limits) longestLife() time.Duration {
	const margin = 10 * time.Minute
	// A revoked session is not extended, so it also ends an idle limit after its
	// last use.
	life := l.idle
	if life == 0 || l.absolute > 0 && l.absolute < life {
		life = l.absolute
	}
	return life + margin
}
