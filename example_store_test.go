package auth0_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// A memoryStore is what NewMemoryStore returns: a Store with all additional methods.
type memoryStore interface {
	auth0.Store
	FindCtx(ctx context.Context, key string) ([]byte, bool, error)
	CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, key string) error
	FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error)
	UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error)
	LeaseCtx(ctx context.Context, key string, duration time.Duration) (func(), bool, error)
	RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error
	CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error
}

// A countingStore counts reads. It has all methods of the store that it embeds. With
// auth0.Store in place of memoryStore it would have Find, Commit and Delete alone.
type countingStore struct {
	memoryStore
	reads atomic.Int64
}

func (s *countingStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	s.reads.Add(1)
	return s.memoryStore.FindCtx(ctx, key)
}

func (s *countingStore) FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error) {
	s.reads.Add(1)
	return s.memoryStore.FindAllCtx(ctx, keys...)
}

// A type around a store keeps the methods of that store.
func ExampleNewMemoryStore() {
	store := &countingStore{memoryStore: auth0.NewMemoryStore(10_000).(memoryStore)}
	cfg := auth0.Config{Store: store}

	_, leases := cfg.Store.(interface {
		LeaseCtx(ctx context.Context, key string, duration time.Duration) (func(), bool, error)
	})
	store.FindCtx(context.Background(), "key")
	fmt.Println(leases, store.reads.Load())
	// Output: true 1
}
