package auth0

import (
	"context"
	"strconv"
	"time"
)

// revocations remembers which sessions were ended elsewhere than in the cookie
// that they are found by: with a logout, or by the tenant.
type revocations struct {
	store *boundStore
	life  time.Duration // until no session of before can be left
	now   func() time.Time
}

// A revocation is what a mark in the store is about.
type revocation string

func revokedSession(id string) revocation { return revocation(storeKey("revoked", "id", id)) }

func revokedSID(issuer, sid string) revocation {
	return revocation(storeKey("revoked", "sid", issuer, sid))
}

func revokedSubject(issuer, subject string) revocation {
	return revocation(storeKey("revoked", "sub", issuer, subject))
}

// revoke marks what was begun until the given time, in Unix seconds, as ended.
// A mark is never taken back, it expires: whoever logs in again does so later.
func (rv *revocations) revoke(ctx context.Context, what revocation, until int64) error {
	if rv == nil {
		return nil
	}
	return rv.store.commit(ctx, string(what), strconv.AppendInt(nil, until, 10), rv.now().Add(rv.life))
}

// cover reports whether a session was revoked. The tenant's marks count for what
// it has issued until then by its own clock, so a login that was under way when
// the logout came does not survive it.
func (rv *revocations) cover(ctx context.Context, r *sessionRecord) (bool, error) {
	if rv == nil {
		return false, nil
	}
	keys := []string{string(revokedSession(r.ID)), string(revokedSubject(r.Issuer, r.Subject))}
	if r.SID != "" {
		keys = append(keys, string(revokedSID(r.Issuer, r.SID)))
	}
	marks, err := rv.store.findAll(ctx, keys)
	if err != nil {
		return false, err
	}
	for i, mark := range marks {
		if mark == nil {
			continue
		}
		until, err := strconv.ParseInt(string(mark), 10, 64)
		if i == 0 || err != nil || r.IDTokenIssuedAt <= until {
			return true, nil
		}
	}
	return false, nil
}

// revocations are in the store of the sessions, unless there is one for them.
func (ss *sessions) revocations(c Config) *revocations {
	store := newBoundStore(c.Revocations)
	if store == nil {
		store = ss.store
	}
	if store == nil {
		return nil
	}
	return &revocations{store: store, life: ss.longestLife(), now: ss.now}
}

// longestLife is how long a copy of a session's cookie can be good that is not
// prolonged any more. It is longer than the limits by what a request may take that
// is under way.
func (ss *sessions) longestLife() time.Duration {
	const margin = 10 * time.Minute
	life := ss.idle
	if life == 0 || ss.absolute > 0 && ss.absolute < life {
		life = ss.absolute
	}
	return life + margin
}
