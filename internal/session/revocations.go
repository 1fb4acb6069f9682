package session

import (
	"context"
	"strconv"
	"time"
)

// revocations stores marks of ended sessions, since a copy of their cookie stays
// valid. A logout or the tenant ends a session.
type revocations struct {
	store  *boundStore
	client string        // the application whose sessions they are
	life   time.Duration // after it, every earlier session has ended
	now    func() time.Time
}

// A revocation names the subject of a mark: one session, all sessions that the tenant
// has issued to this application for a sid or sub until a time, or all sessions of a
// user that began until a time. Applications can share a store, and the tenant sends a
// logout token to each, so the client id is part of the key.
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

// revokedUser has a separate mark, because its time comes from the clock of the application
// and the others from the tenant's clock. If the two clocks differed, old sessions could
// stay valid, or new ones could end at once.
func revokedUser(client, issuer, subject string) revocation {
	return revocation{storeKey("revoked", "user", client, issuer, subject), true}
}

// revoke marks the sessions that were issued until the given time, in Unix seconds,
// as ended. A mark is not removed before it expires, since a later login has a
// later time. An older logout that arrives late does not lower the mark.
func (rv *revocations) revoke(ctx context.Context, what revocation, until int64) error {
	if rv == nil {
		return nil
	}
	until = min(max(until, 0), maxMark)
	expiry := rv.now().Add(rv.life)
	if !what.until || rv.store.raises() {
		return rv.store.raise(ctx, what.key, until, expiry)
	}
	// This mark is written last: without it, readers do not look for the keys
	// above.
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

// A store without RaiseCtx reads and writes in two steps. Between them another
// instance can write a greater time, which would be lost. So the time is also
// written as a set of keys, which are only added. The bits of time + 1 are a path
// in a binary tree, and each key names a node at which the path turns right. A
// reader looks for the nodes at which the path of its time turns left. One of
// them exists exactly if a greater number was written.
const (
	markBits = 33 // seconds until the year 2242
	maxMark  = 1<<markBits - 2
)

// written returns the keys to write for a mark until the given time, inclusive.
func (what revocation) written(until int64) (keys []string) {
	for bit := range markBits {
		if node := (until + 1) >> bit; node&1 == 1 {
			keys = append(keys, what.node(bit, node))
		}
	}
	return keys
}

// read returns the keys to look for. One of them exists if the given time or a later one
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

// isEnded reports whether a session was revoked. The mark of a logout token is compared
// with the iat of the ID token, both by the tenant's clock. So a login that was under
// way during the logout ends too. The mark of a user is compared with the begin of the
// session.
func (rv *revocations) isEnded(ctx context.Context, r *Record) (bool, error) {
	if rv == nil {
		return false, nil
	}
	var room [4]revocation
	whats := append(room[:0], revokedSession(r.ID), revokedUser(rv.client, r.Issuer, r.Subject), revokedSubject(rv.client, r.Issuer, r.Subject))
	if r.sid != "" {
		whats = append(whats, revokedSID(rv.client, r.Issuer, r.sid))
	}
	times := [...]int64{0, r.began(), r.issuedAt, r.issuedAt}
	var keys [len(room)]string
	for i, what := range whats {
		keys[i] = what.key
	}
	marks, err := rv.store.findMarks(ctx, keys[:len(whats)])
	if err != nil {
		return false, err
	}
	var more []string
	for i, mark := range marks {
		switch {
		case mark == nil:
		case !whats[i].until, covers(mark, times[i]):
			return true, nil
		case !rv.store.raises():
			more = append(more, whats[i].read(times[i])...)
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

// covers reports whether a mark is for a session that was issued at the given time.
// A mark that is not a number is for every session.
func covers(mark []byte, issued int64) bool {
	until, err := strconv.ParseInt(string(mark), 10, 64)
	return err != nil || issued <= until
}

// endUser ends all sessions of a user that began until now.
func (rv *revocations) endUser(ctx context.Context, issuer, subject string) error {
	what := revokedUser(rv.client, issuer, subject)
	return readError(ctx, rv.revoke(context.WithoutCancel(ctx), what, rv.now().Unix()))
}

// beginAfterMark moves the begin of a session that begins now behind the mark of its
// user. The user has logged in after endUser, but in the same second, or at an instance
// whose clock is behind. Otherwise the session would end at once, and the user would
// have to log in again and again. If the store does not answer, the begin stays.
func (rv *revocations) beginAfterMark(ctx context.Context, r *Record) {
	if rv == nil || r.createdAt < rv.now().Unix() {
		return // an imported session began earlier
	}
	mark, err := rv.store.find(ctx, revokedUser(rv.client, r.Issuer, r.Subject).key)
	if err != nil {
		return
	}
	until, err := strconv.ParseInt(string(mark), 10, 64)
	if err == nil && r.createdAt <= until && until < rv.now().Add(clockLeeway).Unix() {
		r.createdAt = until + 1
	}
}

// endAt is [Manager.DestroyAt].
func (rv *revocations) endAt(ctx context.Context, issuer, subject, sid, jti string, until int64, last time.Time) error {
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
