package auth0

import (
	"time"

	"github.com/seed-15d5a55c/auth0/internal/session"
)

// A Store keeps values by key until they expire, for all instances of a program. Any
// store of github.com/alexedwards/scs is a Store, for Redis, PostgreSQL and many other
// databases. If a store has FindCtx, CommitCtx and DeleteCtx, like a CtxStore of scs,
// these methods are called in place of the ones without a context.
//
// With further methods of a store, several instances of a program coordinate refreshes
// and logouts. Package redisstore of this project has all but the last:
//
//	UpdateCtx(ctx, key, value, expiry) (updated bool, err error)
//
// replaces a value only if there is one. A request under way then cannot restore a
// session that a logout has deleted. (Without UpdateCtx, the session is found to be
// revoked when it is read.)
//
//	LeaseCtx(ctx, key, duration) (release func(), ok bool, err error)
//
// lets one caller at a time work on a key, until release is called or the duration is
// over. One instance alone then refreshes the tokens of a session.
//
//	FindAllCtx(ctx, keys...) (values [][]byte, err error)
//
// finds several values in one request. The value of an absent key is nil.
//
//	RaiseCtx(ctx, key, number int64, expiry) error
//
// stores a number as decimal text, in one atomic step: the greater of the stored
// number and this one, until the later of the two expiries. The number is between
// 0 and 1<<53. A stored value that is not a number stays as it is. RaiseCtx records
// logouts. (Without RaiseCtx, a back-channel logout writes about 20 values instead of
// one, so that two instances cannot undo each other's logout. A request of a user who
// has logged in again after a logout reads as many.)
//
//	AddCtx(ctx, key, expiry) (added bool, err error)
//
// adds a key without a value, in one atomic step, and reports whether it was absent. It
// is not for sessions: an API records DPoP proofs with it, each until its expiry.
//
//	CommitOwnedCtx(ctx, key, owner, value, expiry) error
//
// is CommitCtx for a new session. The owner stands for the user: it is a hash, like the
// other keys. The store can then limit the sessions of one user.
//
// A type that embeds a Store has Find, Commit and Delete, and none of the further
// methods. It works like any store without them. To keep a method, the type declares
// it, or embeds an interface that has it: see the example of [NewMemoryStore]. A type
// that changes CommitCtx must change CommitOwnedCtx, UpdateCtx and RaiseCtx in the same
// way.
//
// Keys have at most 80 characters from A-Z, a-z, 0-9, "-", "_" and ":". Upper and lower
// case differ. The columns that some stores of scs suggest are too narrow, for example
// CHAR(43) in MySQL. No key can be used as a cookie, and values are encrypted. Package
// auth0test has a test of stores, TestStore.
//
// A session that is not found is over, and its cookie is deleted. If a store reads from
// replicas that lag behind, a user can lose a new session.
//
// A logout is a fact that the store holds: the record of the session is deleted,
// and a mark says that the session is over. An attacker with write access to the
// store cannot make a session, because records are sealed with [Config].Secrets.
// The attacker can undo a logout: with the old record written back and the mark
// deleted, a copy of the session cookie works again until the session's own end.
// A backup that is restored does the same for every logout since it was made. So
// after a restore, or after an attacker had write access, either delete all
// values whose keys begin with "auth0:session:", or replace all Config.Secrets.
// Sessions in cookies with [Config].Revocations end only with the secrets. Both
// log out every user.
type Store interface {
	// Find returns the value of a key that was committed and has not expired.
	Find(key string) (value []byte, found bool, err error)
	// Commit adds a value, or replaces it, until expiry.
	Commit(key string, value []byte, expiry time.Time) error
	// Delete removes a value. If there is none, it returns no error.
	Delete(key string) error
}

// NewMemoryStore returns a [Store] for programs of one process, with all additional
// methods. Its values are lost when the process ends. It is safe for concurrent use.
// It holds at most limit sessions, at least one, and ten times as many marks of
// logouts. A mark is a small value that outlives the session. A logout adds one, and
// so does a login that replaces a session. A back-channel logout adds two. It holds as
// many keys of AddCtx as marks; one more is an error.
//
// Nothing is removed before it expires, with one exception: a user has at most
// 100 sessions, or a tenth of limit if that is less, and at least one. One login
// more ends the session of the same user that was written longest ago. When the
// store has limit sessions, a login does the same. A user without a session then gets
// 503, and the log names this limit. Existing sessions continue and can be changed.
// When the store is full of marks, a logout gets 503. It still deletes the browser's
// cookie and the session in the store.
func NewMemoryStore(limit int) Store { return session.NewMemory(limit) }
