package renew

import (
	"context"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// flights lets all callers with the same request wait for one result (single-flight).
type flights struct {
	mu    sync.Mutex
	under map[string]*flight
}

type flight struct {
	done   chan struct{}
	record *session.Record
	err    error
}

// do starts the work, or joins it. The work continues without the callers that started
// it, because a refresh token that was sent is used up. It ends after limit.
func (f *flights) do(ctx context.Context, key string, limit time.Duration, work func(context.Context) (*session.Record, error)) (*session.Record, error) {
	f.mu.Lock()
	under := f.under[key]
	if under == nil {
		under = &flight{done: make(chan struct{})}
		if f.under == nil {
			f.under = map[string]*flight{}
		}
		f.under[key] = under
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
			defer cancel()
			under.run(ctx, work)
			f.mu.Lock()
			delete(f.under, key)
			f.mu.Unlock()
			close(under.done)
		}()
	}
	f.mu.Unlock()
	select {
	case <-under.done:
		return under.record, under.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run turns a panic into an error, because on this goroutine a panic would end the
// process. A store of the application can panic, for example.
func (f *flight) run(ctx context.Context, work func(context.Context) (*session.Record, error)) {
	defer func() {
		if p := recover(); p != nil {
			f.err = refusal.Internal.Because("panic while refreshing: %v", p)
		}
	}()
	f.record, f.err = work(ctx)
}
