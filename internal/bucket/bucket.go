// Package bucket limits how often an action may happen (token bucket): a burst, and
// then a rate.
//
// The package does not know which actions it counts.
package bucket

import (
	"sync"
	"time"
)

// A Bucket starts full and gains one per interval, up to burst. The zero Bucket is
// always empty.
type Bucket struct {
	burst int
	every time.Duration

	mu    sync.Mutex
	spent float64
	at    time.Time // of spent
}

// New returns a full bucket.
func New(burst int, every time.Duration) *Bucket { return &Bucket{burst: burst, every: every} }

// Take takes one and reports whether the bucket had one left. If it was empty, wait is
// the time until the next one.
func (b *Bucket) Take(now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.burst == 0 {
		return 0, false
	}
	b.spent = max(0, b.spent-float64(now.Sub(b.at))/float64(b.every))
	b.at = now
	if missing := b.spent - float64(b.burst-1); missing > 0 {
		return time.Duration(missing * float64(b.every)), false
	}
	b.spent++
	return 0, true
}

// GiveBack undoes one Take.
func (b *Bucket) GiveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-1)
}
