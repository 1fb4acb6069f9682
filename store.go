package auth0

import (
	"time"

	"github.com/seed-15d5a55c/auth0/internal/session"
)

// A Store keeps values by key until they expire, for all instances of a program.
// Any store of github.com/alexedwards/scs is one, for Redis, PostgreSQL and
// many others. Where a store has FindCtx, CommitCtx and DeleteCtx, which scs
// calls a CtxStore, those are used.
//
// A store can do more by having further methods, with which several instances
// agree where they otherwise may not; package redisstore of this project has all
// of them:
//
//	UpdateCtx(ctx, key, value, expiry) (updated bool, err error)
//
// replaces a value only if there is one, so that a request that is still under
// way cannot bring back a session that a logout has deleted. (Without it such a
// session is found to be revoked when it is read.)
//
//	LeaseCtx(ctx, key, duration) (release func(), ok bool, err error)
//
// lets one caller at a time work on a key, until release is called or the
// duration is over, so that one instance alone refreshes the tokens of a session.
//
//	FindAllCtx(ctx, keys...) (values [][]byte, err error)
//
// finds several values in one request, nil for those that are not there.
//
//	RaiseCtx(ctx, key, number int64, expiry) error
//
// stores a number as decimal text, in one atomic step: the greater of the stored
// number and this one, until the later of the two expiries. The number is between
// 0 and 1<<53. A stored value that is not a number stays as it is. RaiseCtx records
// logouts. (Without it a back-channel logout writes about 20 values instead of
// one, so that two instances cannot undo each other's logout, and a request of a
// user who has logged in again after one reads as many.)
//
//	CommitOwnedCtx(ctx, key, owner, value, expiry) error
//
// is CommitCtx for a new session of the user whom owner stands for, so that the
// store can limit the sessions of one user. The owner is a key like others, a hash.
//
// A type that embeds a Store has Find, Commit and Delete, and none of the others. The
// sessions then do without them, as with any store that does not have them. To keep
// a method, the type declares it, or embeds an interface that has it, see the example
// of [NewMemoryStore]. A type that changes CommitCtx must change CommitOwnedCtx,
// UpdateCtx and RaiseCtx in the same way.
//
// Keys are at most 80 characters from A-Z, a-z, 0-9, "-", "_" and ":", and differ
// in upper and lower case; the columns that some stores of scs suggest, CHAR(43) in
// MySQL for one, are too narrow. No key can be used as a cookie, and values are
// encrypted. Package auth0test has a test of stores, TestStore.
//
// A session that is not found is over, and its cookie is deleted. A store that
// reads from replicas which lag behind can therefore cost somebody a session
// that has just begun.
//
// A logout is a fact that the store holds: the record of the session is deleted,
// and a mark says that the session is over. An attacker with write access to the
// store cannot make a session, because records are sealed with [Config].Secrets.
// The attacker can undo a logout: with the old record written back and the mark
// deleted, a copy of the session cookie works again until the session's own end.
// A backup that is restored does the same for every logout since it was made. So
// after a restore, or after somebody else had write access, either delete all
// values whose keys begin with "auth0:session:", or replace all Config.Secrets.
// Sessions in cookies with [Config].Revocations end only with the secrets. Both
// log out every user.
type Store interface {
	// Find returns the value of a key that was committed and has not expired.
	Find(key string) (value []byte, found bool, err error)
	// Commit adds a value, or replaces it, until expiry.
	Commit(key string, value []byte, expiry time.Time) error
	// Delete removes a value. It is no error if there is none.
	Delete(key string) error
}

// NewMemoryStore returns a [Store] for programs of one process, with all additional
// methods. Its values are lost when the process ends. It is safe for concurrent use.
// It holds at most limit sessions, at least one, and ten times as many marks of
// logouts. A mark is a small value that outlives the session. A logout adds one, and
// so does a login that replaces a session. A back-channel logout adds two.
//
// Nothing is removed before it expires, with one exception: a user has at most
// 100 sessions, or a tenth of limit if that is less, and at least one. One login
// more ends the session of the same user that was written longest ago. When the
// store has limit sessions, a login does the same; a user without a session gets
// 503, and the log names this limit. Sessions that are there go on, and can be
// changed. When the store is full of marks, a logout gets 503. The browser's
// cookie and the session in the store are deleted all the same.
func NewMemoryStore(limit int) Store { return session.NewMemory(limit) }
