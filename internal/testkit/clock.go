package testkit

import (
	"sync"
	"time"
)

// A Clock is the result of Config.Now, for tests that change cookies while time
// passes elsewhere.
type Clock struct {
	mu sync.Mutex
	At time.Time
}

// NewClock returns a clock that shows the present and stands still.
func NewClock() *Clock { return &Clock{At: time.Now()} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.At
}

// Add moves the clock.
func (c *Clock) Add(seconds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.At = c.At.Add(time.Duration(seconds) * time.Second)
}
