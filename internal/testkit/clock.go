package testkit

import (
	"sync"
	"time"
)

// A Clock is what Config.Now returns, for tests that change cookies while time
// goes on elsewhere.
type Clock struct {
	mu sync.Mutex
	At time.Time
}

func NewClock() *Clock { return &Clock{At: time.Now()} }

func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.At
}

func (c *Clock) Add(seconds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.At = c.At.Add(time.Duration(seconds) * time.Second)
}
