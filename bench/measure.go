package main

import (
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A sample is what one operation costs.
type sample struct {
	ns, bytes, allocs float64
	ratio             float64 // to the floor in the same round
}

// measure repeats an operation for about a time. The cost of several
// goroutines is the time that passes divided by what they get done together.
func measure(d time.Duration, goroutines int, op operation) (sample, error) {
	var before, after runtime.MemStats
	var done atomic.Int64
	errs := make([]error, goroutines)
	var workers sync.WaitGroup
	runtime.ReadMemStats(&before)
	begin := time.Now()
	for g := range goroutines {
		workers.Go(func() {
			n := 0
			n, errs[g] = repeat(begin.Add(d), op)
			done.Add(int64(n))
		})
	}
	workers.Wait()
	elapsed := time.Since(begin)
	runtime.ReadMemStats(&after)
	n := float64(done.Load())
	return sample{
		ns:     float64(elapsed.Nanoseconds()) / n,
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / n,
		allocs: float64(after.Mallocs-before.Mallocs) / n,
	}, errors.Join(errs...)
}

// repeat looks at the clock only now and then: that costs as much as a tenth of
// the shortest operation.
func repeat(deadline time.Time, op operation) (n int, err error) {
	for {
		for range 16 {
			if err := op(); err != nil {
				return n, err
			}
			n++
		}
		if !time.Now().Before(deadline) {
			return n, nil
		}
	}
}

// A contest is one thing that is measured, for everybody who can do it.
type contest struct {
	table, column string
	goroutines    int
	names         []string // in the order of the table
	reference     string   // whom the others are compared with
	ratio         string   // what that is called in the table
	runners       func() []runner
}

// A runner is what one contender does in a contest.
type runner struct {
	name string
	op   operation
}

// A result has the medians of a contest by the names of contenders.
type result struct {
	contest
	of map[string]sample
}

// measureAll runs every contest for every contender once per round, one
// contender after the other, so that whatever else the machine does hits all
// of them.
func measureAll(contests []contest, rounds int, d time.Duration) ([]result, error) {
	samples := make([]map[string][]sample, len(contests))
	for round := range rounds {
		log.Printf("round %d of %d", round+1, rounds)
		for i, c := range contests {
			once, err := measureRound(c, d)
			if err != nil {
				return nil, err
			}
			if samples[i] == nil {
				samples[i] = map[string][]sample{}
			}
			for name, sample := range once {
				sample.ratio = sample.ns / once[c.reference].ns
				samples[i][name] = append(samples[i][name], sample)
			}
		}
	}
	var results []result
	for i, c := range contests {
		r := result{c, map[string]sample{}}
		for name, all := range samples[i] {
			r.of[name] = medians(all)
		}
		results = append(results, r)
	}
	return results, nil
}

// measureRound takes the contenders in any order: nobody is always the one
// after the garbage of somebody else.
func measureRound(c contest, d time.Duration) (map[string]sample, error) {
	once := map[string]sample{}
	runners := c.runners()
	for _, i := range rand.Perm(len(runners)) {
		sample, err := measure(d, c.goroutines, runners[i].op)
		if err != nil {
			return nil, fmt.Errorf("%s, %s, %s: %w", c.table, c.column, runners[i].name, err)
		}
		once[runners[i].name] = sample
	}
	return once, nil
}

func medians(all []sample) sample {
	return sample{
		ns:     median(all, func(s sample) float64 { return s.ns }),
		bytes:  median(all, func(s sample) float64 { return s.bytes }),
		allocs: median(all, func(s sample) float64 { return s.allocs }),
		ratio:  median(all, func(s sample) float64 { return s.ratio }),
	}
}

func median(all []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range all {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
