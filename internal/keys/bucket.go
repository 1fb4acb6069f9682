package keys

import (
	"sync"
	"time"
)

// A Bucket limits the requests that unverified tokens can cause. It starts full and
// gains one request per interval, up to burst.
type Bucket struct {
	burst int
	every time.Duration

	mu    sync.Mutex
	spent float64
	at    time.Time
}

// NewBucket returns a full bucket.
func NewBucket(burst int, every time.Duration) *Bucket { return &Bucket{burst: burst, every: every} }

// Take takes one request and reports whether the bucket had one left.
func (b *Bucket) Take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-now.Sub(b.at).Seconds()/b.every.Seconds())
	b.at = now
	if b.spent > float64(b.burst-1) {
		return false
	}
	b.spent++
	return true
}

// GiveBack undoes one Take.
func (b *Bucket) GiveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-1)
}
