// Package redisstore keeps the sessions of package auth0 in Redis, or in a compatible
// server such as Valkey.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
//	strategy, err := auth0.New(auth0.Config{
//		// ...
//		Store: redisstore.New(client, "fieldnotes:"),
//	})
//
// The store has the optional methods of auth0.Store by which several instances of a
// program coordinate. One instance refreshes the tokens of a session while the others
// wait. A concurrent request cannot restore a session that a logout on another instance
// has ended. Two concurrent logouts do not undo each other.
//
// The store needs Redis 6.2 or newer, with scripts.
//
// # What access to Redis gives
//
// Package auth0 encrypts the sessions, and keys are hashes. An attacker who can read
// Redis learns how many sessions and logouts there are, and when they expire.
//
// An attacker who can write to Redis cannot make a session, but can log out every user,
// and can undo a logout. A logout deletes the record of the session and leaves a mark
// that the session has ended. If the attacker has saved the record, writes it back and
// deletes the mark, then a copy of the session cookie works again, until the session
// would have ended. So give no other program write access, and use an ACL of Redis that
// limits this one to its prefix.
//
// Restoring a backup undoes logouts in the same way: all that came after the backup. So
// does a replica that becomes the primary and had not received the last writes. After a
// restore, or after an attacker had write access, do one of two things. Both log out
// every user:
//
//   - delete all keys that begin with the prefix and "auth0:session:", before the
//     program starts again;
//   - replace all of auth0.Config.Secrets. This is the only way for sessions in
//     cookies, when Redis has only the Revocations.
//
// # Settings that matter
//
// ContextTimeoutEnabled lets calls end when no caller waits for them any more. Package
// auth0 answers within a second regardless, but without it the calls continue while
// Redis hangs.
//
// The maxmemory-policy of Redis should be noeviction, its default. A policy that evicts
// keys logs users out when memory is short. Worse, it may evict the mark that the
// tenant has ended a session, which then continues.
//
// Redis Cluster and Sentinel answer before a write is replicated. A node that fails at
// that moment can lose a logout.
//
// If Redis loses its memory every user is logged out. If it has only the Revocations of
// sessions in cookies, copies of the cookies of ended sessions work again. If that
// matters, enable persistence.
package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Store keeps values in Redis. Its methods may be called concurrently. Create
// it with [New].
type Store struct {
	client redis.UniversalClient
	prefix string
}

// New returns a Store in the database of a client, which may be one of a single
// Redis, of Sentinel, or of Redis Cluster. It makes no request. Each key begins
// with prefix, such as "fieldnotes:"; several programs that share a Redis need
// different ones.
func New(client redis.UniversalClient, prefix string) *Store {
	return &Store{client: client, prefix: prefix}
}

// Find is FindCtx without a context.
func (s *Store) Find(key string) ([]byte, bool, error) { return s.FindCtx(context.Background(), key) }

// Commit is CommitCtx without a context.
func (s *Store) Commit(key string, value []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), key, value, expiry)
}

// Delete is DeleteCtx without a context.
func (s *Store) Delete(key string) error { return s.DeleteCtx(context.Background(), key) }

// FindCtx returns the value of a key. If there is none, or it has expired, found
// is false and there is no error.
func (s *Store) FindCtx(ctx context.Context, key string) (value []byte, found bool, err error) {
	value, err = s.client.Get(ctx, s.prefix+key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, failed(err)
	}
	return value, true, nil
}

// CommitCtx adds a value, or replaces it. Redis removes it at expiry.
func (s *Store) CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error {
	_, err := s.set(ctx, key, value, expiry)
	return err
}

// UpdateCtx replaces a value, and reports whether there was one to replace. It is
// atomic: of a logout and a concurrent request, the logout wins, whichever comes first.
func (s *Store) UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (updated bool, err error) {
	return s.set(ctx, key, value, expiry, "xx")
}

// set reports whether the value was written. The expiry is a point in time, so a
// command that the client repeats after a network error extends nothing.
func (s *Store) set(ctx context.Context, key string, value []byte, expiry time.Time, condition ...any) (bool, error) {
	args := append([]any{"set", s.prefix + key, value, "pxat", expiry.UnixMilli()}, condition...)
	err := s.client.Do(ctx, args...).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, failed(err)
}

// DeleteCtx removes a value. A missing value is not an error.
func (s *Store) DeleteCtx(ctx context.Context, key string) error {
	return failed(s.client.Del(ctx, s.prefix+key).Err())
}

// The key of the script expires at the later time. PXAT would delete it if that is
// past, so times are compared by the clock of Redis. A value that is not a number
// revokes everything ever issued, and stays.
var raiseScript = redis.NewScript(`
local value, expiry = ARGV[1], tonumber(ARGV[2])
local old = redis.call("get", KEYS[1])
if old then
	local number = tonumber(old)
	if not number or number > tonumber(value) then
		value = old
	end
	local left = redis.call("pttl", KEYS[1])
	if left == -1 then
		redis.call("set", KEYS[1], value)
		return 0
	end
	local time = redis.call("time")
	expiry = math.max(expiry, time[1] * 1000 + math.floor(time[2] / 1000) + left)
end
redis.call("set", KEYS[1], value, "pxat", string.format("%.0f", expiry))
return 0`)

// RaiseCtx stores a number, in decimal, unless a greater one is stored. Redis removes
// it at the later of the two expiries. It is atomic: of two concurrent logouts the
// later one counts, whichever is written last. The number is between 0 and 1<<53.
func (s *Store) RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error {
	return failed(raiseScript.Run(ctx, s.client, []string{s.prefix + key}, number, expiry.UnixMilli()).Err())
}

// The script lets a caller add a key that it has already added: the client repeats a
// command whose answer it did not receive.
var addScript = redis.NewScript(`
if redis.call("set", KEYS[1], ARGV[1], "nx", "px", ARGV[2]) then
	return 1
end
if redis.call("get", KEYS[1]) == ARGV[1] then
	return 1
end
return 0`)

// AddCtx adds a key, and reports whether it was missing. It is atomic: of several
// callers, one adds the key. Redis removes it at expiry. The time until then follows
// the clock of this process, not that of Redis.
func (s *Store) AddCtx(ctx context.Context, key string, expiry time.Time) (added bool, err error) {
	left := max(time.Until(expiry).Milliseconds()+1, 1)
	added, err = addScript.Run(ctx, s.client, []string{s.prefix + key}, rand.Text(), left).Bool()
	return added, failed(err)
}

// A lease is a key with a random value, which only its holder knows, so that no other
// caller can extend or release it. Acquiring it again with the same value succeeds: the
// client repeats a command whose answer it did not receive.
var (
	leaseScript = redis.NewScript(`
local holder = redis.call("get", KEYS[1])
if holder and holder ~= ARGV[1] then
	return 0
end
redis.call("set", KEYS[1], ARGV[1], "px", ARGV[2])
return 1`)
	releaseScript = redis.NewScript(`
if redis.call("get", KEYS[1]) == ARGV[1] then
	redis.call("del", KEYS[1])
end
return 0`)
)

// LeaseCtx lets one caller at a time, of all instances, work on a key. It does not
// wait: ok is false while another caller holds the lease. A lease ends when release is
// called, or by itself after d. Calling release after that does no harm.
func (s *Store) LeaseCtx(ctx context.Context, key string, d time.Duration) (release func(), ok bool, err error) {
	keys, holder := []string{s.prefix + key}, rand.Text()
	leased, err := leaseScript.Run(ctx, s.client, keys, holder, max(d.Milliseconds(), 1)).Bool()
	if err != nil || !leased {
		return nil, false, failed(err)
	}
	return func() {
		const limit = time.Second
		// The request that took the lease may have been abandoned.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		releaseScript.Run(ctx, s.client, keys, holder) // if it fails, d ends the lease
	}, true, nil
}

// FindAllCtx returns the values of several keys, in order, and nil for missing keys. It
// is one request, or with Redis Cluster one to each node that holds some of the keys.
func (s *Store) FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	gets := make([]*redis.StringCmd, len(keys))
	// Redis Cluster would reject MGET for keys on several nodes.
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			gets[i] = p.Get(ctx, s.prefix+key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, failed(err)
	}
	for i, get := range gets {
		value, err := get.Bytes()
		switch {
		case err == nil:
			values[i] = value
		case !errors.Is(err, redis.Nil):
			return nil, failed(err)
		}
	}
	return values, nil
}

func failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redisstore: %w", err)
}
