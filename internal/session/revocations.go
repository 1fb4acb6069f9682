package session

import (
	"context"
	"strconv"
	"time"
)

// revocations remembers which sessions were ended elsewhere than in the cookie
// that they are found by: with a logout, or by the tenant.
type revocations struct {
	store  *boundStore
	client string        // the application whose sessions they are
	life   time.Duration // until no session of before can be left
	now    func() time.Time
}

// A revocation is what a mark in the store is about: one session, or all that
// the tenant has issued to the application for a sid or a sub until a given time.
// Another application can share the store, and the tenant tells each.
type revocation struct {
	key   string
	until bool // the time matters
}

func revokedSession(id string) revocation { return revocation{key: storeKey("revoked", "id", id)} }

func revokedSID(client, issuer, sid string) revocation {
	return revocation{storeKey("revoked", "sid", client, issuer, sid), true}
}

func revokedSubject(client, issuer, subject string) revocation {
	return revocation{storeKey("revoked", "sub", client, issuer, subject), true}
}

// revoke marks what was begun until the given time, in Unix seconds, as ended.
// A mark is never taken back, it expires: a later login has a later time. An
// older logout, whenever it arrives, does not lower the mark.
func (rv *revocations) revoke(ctx context.Context, what revocation, until int64) error {
	if rv == nil {
		return nil
	}
	until = min(max(until, 0), maxMark)
	expiry := rv.now().Add(rv.life)
	if !what.until || rv.store.raises() {
		return rv.store.raise(ctx, what.key, until, expiry)
	}
	// The mark of the whole comes last: readers look no further without it.
	for _, key := range what.written(until) {
		if err := rv.store.commit(ctx, key, []byte("1"), expiry); err != nil {
			return err
		}
	}
	mark, err := rv.store.find(ctx, what.key)
	if err != nil {
		return err
	}
	if old, err := strconv.ParseInt(string(mark), 10, 64); mark == nil || err == nil && old < until {
		mark = strconv.AppendInt(nil, until, 10)
	}
	return rv.store.commit(ctx, what.key, mark, expiry)
}

// A store without RaiseCtx reads and writes in two steps, between which another
// instance can write a greater time, which is then lost. So the time is also
// written as a set of keys, and keys are only added. Time + 1 is a path in a
// binary tree: each key names a node where that path goes to the right. A reader
// looks at the nodes where the path of its own time goes to the left; one of them
// is written exactly if a greater number was.
const (
	markBits = 33 // seconds until the year 2242
	maxMark  = 1<<markBits - 2
)

// written returns the keys that say: until the given time, inclusive.
func (what revocation) written(until int64) (keys []string) {
	for bit := range markBits {
		if node := (until + 1) >> bit; node&1 == 1 {
			keys = append(keys, what.node(bit, node))
		}
	}
	return keys
}

// read returns the keys of which one is there if the given time or a later one
// was written.
func (what revocation) read(issued int64) (keys []string) {
	for bit := range markBits {
		if node := issued >> bit; node&1 == 0 {
			keys = append(keys, what.node(bit, node+1))
		}
	}
	return keys
}

func (what revocation) node(bit int, node int64) string {
	return storeKey("revoked", "until", what.key, strconv.Itoa(bit), strconv.FormatInt(node, 10))
}

// cover reports whether a session was revoked. The tenant's marks count for what
// it has issued until then by its own clock, so a login that was under way when
// the logout came does not survive it.
func (rv *revocations) cover(ctx context.Context, r *Record) (bool, error) {
	if rv == nil {
		return false, nil
	}
	whats := []revocation{revokedSession(r.ID), revokedSubject(rv.client, r.Issuer, r.Subject)}
	if r.SID != "" {
		whats = append(whats, revokedSID(rv.client, r.Issuer, r.SID))
	}
	keys := make([]string, len(whats))
	for i, what := range whats {
		keys[i] = what.key
	}
	marks, err := rv.store.findAll(ctx, keys)
	if err != nil {
		return false, err
	}
	var more []string
	for i, mark := range marks {
		switch {
		case mark == nil:
		case !whats[i].until, covers(mark, r.IDTokenIssuedAt):
			return true, nil
		case !rv.store.raises():
			more = append(more, whats[i].read(r.IDTokenIssuedAt)...)
		}
	}
	if len(more) == 0 {
		return false, nil
	}
	marks, err = rv.store.findAll(ctx, more)
	for _, mark := range marks {
		if mark != nil {
			return true, nil
		}
	}
	return false, err
}

// covers reports whether a mark is for what was issued at the given time. A mark
// that cannot be read is for everything.
func covers(mark []byte, issued int64) bool {
	until, err := strconv.ParseInt(string(mark), 10, 64)
	return err != nil || issued <= until
}

// longestLife is how long a copy of a session's cookie can be good that is not
// prolonged any more. It is longer than the limits by what a request may take that
// is under way.
func (ss *Manager) longestLife() time.Duration {
	const margin = 10 * time.Minute
	// A session that is revoked is not prolonged, so without an absolute limit
	// too it ends when it was last used plus the idle limit.
	life := ss.idle
	if life == 0 || ss.absolute > 0 && ss.absolute < life {
		life = ss.absolute
	}
	return life + margin
}

// EndUser ends every session of a user that began until now.
func (ss *Manager) EndUser(ctx context.Context, issuer, subject string) error {
	what := revokedSubject(ss.revoked.client, issuer, subject)
	return storeError(ctx, ss.revoked.revoke(context.WithoutCancel(ctx), what, ss.now().Unix()))
}

// EndAtTenant marks the sessions of a user or, if there is a sid, of one of the
// tenant's sessions as ended that were issued until the given time. A logout token
// with the same jti is good until last, and does nothing.
func (ss *Manager) EndAtTenant(ctx context.Context, issuer, subject, sid, jti string, until int64, last time.Time) error {
	rv := ss.revoked
	what := revokedSubject(rv.client, issuer, subject)
	if sid != "" {
		what = revokedSID(rv.client, issuer, sid)
	}
	seen := storeKey("logout", rv.client, issuer, jti)
	found, err := rv.store.findAll(ctx, []string{seen, what.key})
	if err != nil {
		return err
	}
	if found[0] != nil && found[1] != nil && covers(found[1], until) {
		return nil
	}
	if err := rv.revoke(ctx, what, until); err != nil {
		return err
	}
	return rv.store.raise(ctx, seen, 1, last)
}

// CanRevoke reports whether there is a place for marks that all processes see.
func (ss *Manager) CanRevoke() bool { return ss.revoked != nil }
