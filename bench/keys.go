package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// keyFigures describe how a contender fetches its keys.
type keyFigures struct {
	Name string

	Cold, Outage coldFigures

	// ForgedFetches counts the fetches caused by tokens with made-up key ids.
	ForgedFetches int64

	NewKey bool // see publishKey

	Refresh latencies
}

// coldFigures are the number of key fetches caused by the first requests, which arrive
// together, and the number of accepted requests.
type coldFigures struct{ Fetches, Accepted int64 }

// latencies of valid tokens that arrive at a steady rate.
type latencies struct {
	BegunBy         string
	Fetched         bool          // whether there was a fetch to measure
	Quiet99         time.Duration // while nothing is fetched
	Busy99, Slowest time.Duration // while the keys are fetched from a slow endpoint
}

const (
	coldRequests = 1000
	coldDelay    = 100 * time.Millisecond
	forgedKeys   = 200
)

// measureKeys measures the libraries one by one, each with its own tenants.
func measureKeys(ctx context.Context, ring *keyring, slow time.Duration) ([]keyFigures, error) {
	var all []keyFigures
	for _, c := range contenders {
		if len(c.modules) == 0 {
			continue
		}
		f, err := measureKeysOf(ctx, c, ring, slow)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		all = append(all, f)
	}
	return all, nil
}

func measureKeysOf(ctx context.Context, c contender, ring *keyring, slow time.Duration) (keyFigures, error) {
	cold, err := coldStart(ctx, c, ring, false)
	if err != nil {
		return keyFigures{}, err
	}
	outage, err := coldStart(ctx, c, ring, true)
	if err != nil {
		return keyFigures{}, err
	}
	forged, err := forgeKeys(ctx, c, ring)
	if err != nil {
		return keyFigures{}, err
	}
	accepted, err := publishKey(ctx, c, ring)
	if err != nil {
		return keyFigures{}, err
	}
	refresh, err := refreshing(ctx, c, ring, slow)
	return keyFigures{c.name, cold, outage, forged, accepted, refresh}, err
}

// started builds a contender for a new tenant. Closing ends both.
func started(ctx context.Context, c contender, ring *keyring, life time.Duration, delay func(int64) time.Duration) (*tenant, *verifier, func(), error) {
	t, err := newTenant(ring, delay)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	end := func() {
		cancel()
		t.close()
	}
	v, err := c.build(ctx, t, life)
	if err != nil {
		end()
		return nil, nil, nil, err
	}
	return t, v, end, nil
}

// coldStart lets many requests arrive together as the first ones. The first
// fetch is slow, so that all of them come while it is under way. With failing, the JWKS
// endpoint fails from the time at which the contender is built.
func coldStart(ctx context.Context, c contender, ring *keyring, failing bool) (coldFigures, error) {
	t, v, end, err := started(ctx, c, ring, 0, func(fetch int64) time.Duration {
		if fetch == 1 {
			return coldDelay
		}
		return 0
	})
	if err != nil {
		return coldFigures{}, err
	}
	defer end()
	good, err := mint(ring.current, 0, nil)
	if err != nil {
		return coldFigures{}, err
	}
	t.failing.Store(failing)
	var accepted atomic.Int64
	var requests sync.WaitGroup
	start := make(chan struct{})
	for range coldRequests {
		requests.Go(func() {
			<-start
			if v.verify(ctx, good) == nil {
				accepted.Add(1)
			}
		})
	}
	close(start)
	requests.Wait()
	return coldFigures{t.fetches.Load(), accepted.Load()}, nil
}

// forgeKeys sends tokens that are valid except for a key that does not exist.
func forgeKeys(ctx context.Context, c contender, ring *keyring) (fetches int64, err error) {
	t, v, end, err := started(ctx, c, ring, 0, promptly)
	if err != nil {
		return 0, err
	}
	defer end()
	good, err := mint(ring.current, 0, nil)
	if err != nil {
		return 0, err
	}
	if err := v.verify(ctx, good); err != nil {
		return 0, err
	}
	before := t.fetches.Load()
	for i := range forgedKeys {
		forged, err := mint(ring.forger.withID(fmt.Sprintf("kid-forged-%d", i)), 0, nil)
		if err != nil {
			return 0, err
		}
		if v.verify(ctx, forged) == nil {
			return 0, errors.New("accepts a forged token")
		}
	}
	return t.fetches.Load() - before, nil
}

// publishKey reports whether the first token of a key that was published a
// moment ago is accepted.
func publishKey(ctx context.Context, c contender, ring *keyring) (accepted bool, err error) {
	t, v, end, err := started(ctx, c, ring, 0, promptly)
	if err != nil {
		return false, err
	}
	defer end()
	before, err := mint(ring.current, 0, nil)
	if err != nil {
		return false, err
	}
	after, err := mint(ring.later, 0, nil)
	if err != nil {
		return false, err
	}
	if err := v.verify(ctx, before); err != nil {
		return false, err
	}
	if err := t.publish(ring.current, ring.next, ring.later); err != nil {
		return false, err
	}
	return v.verify(ctx, after) == nil, nil
}

// refreshing compares the time of valid tokens without a fetch and during a fetch of the
// keys that takes the time slow.
func refreshing(ctx context.Context, c contender, ring *keyring, slow time.Duration) (latencies, error) {
	t, v, end, err := started(ctx, c, ring, times(c.keysLife, slow), func(fetch int64) time.Duration {
		if fetch == 1 {
			return 0
		}
		return slow
	})
	if err != nil {
		return latencies{}, err
	}
	defer end()
	good, err := mint(ring.current, 0, nil)
	if err != nil {
		return latencies{}, err
	}
	if err := v.verify(ctx, good); err != nil {
		return latencies{}, err
	}
	due := time.Now().Add(times(c.keysDue, slow))
	begunBy, begin, err := refresher(c, v, ring)
	if err != nil {
		return latencies{}, err
	}
	verify := func() error { return v.verify(ctx, good) }

	quiet, err := arrivals(slow, verify)
	if err != nil {
		return latencies{}, err
	}
	time.Sleep(time.Until(due))
	before := t.fetches.Load()
	var fetch sync.WaitGroup
	fetch.Go(func() { begin(ctx) })
	busy, err := arrivals(slow, verify)
	fetch.Wait()
	return latencies{begunBy, t.fetches.Load() > before, percentile99(quiet), percentile99(busy), busy[len(busy)-1]}, err
}

func times(n float64, d time.Duration) time.Duration { return time.Duration(n * float64(d)) }

// refresher returns the cause of a contender's next fetch of the keys, and a function
// that starts it.
func refresher(c contender, v *verifier, ring *keyring) (begunBy string, begin func(context.Context), err error) {
	if v.refresh != nil {
		return "call", func(ctx context.Context) { v.refresh(ctx) }, nil
	}
	if c.keysDue > 0 {
		return "age", func(context.Context) {}, nil
	}
	unknown, err := mint(ring.forger.withID("kid-unknown"), 0, nil)
	return "unknown key id", func(ctx context.Context) { v.verify(ctx, unknown) }, err
}

// arrivals starts an operation each millisecond, even if earlier ones have not ended: a
// loop would wait, and real clients do not. It returns the sorted durations.
func arrivals(d time.Duration, op operation) ([]time.Duration, error) {
	n := int(d / time.Millisecond)
	took, errs := make([]time.Duration, n), make([]error, n)
	var under sync.WaitGroup
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range n {
		under.Go(func() {
			begin := time.Now()
			errs[i] = op()
			took[i] = time.Since(begin)
		})
		<-tick.C
	}
	under.Wait()
	slices.Sort(took)
	return took, errors.Join(errs...)
}

func percentile99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }
