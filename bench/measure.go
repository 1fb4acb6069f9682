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

// A sample is the cost of one operation.
type sample struct {
	NS, Bytes, Allocs float64
	CPU               float64 // nanoseconds of all processors, where the system reports them
	Ratio             float64 // to the reference in the same round
	Over              float64 // nanoseconds more than the reference in the same round
}

// measure repeats an operation for about a time. The cost of several
// goroutines is the elapsed time divided by the number of their operations.
func measure(d time.Duration, goroutines int, op operation) (sample, error) {
	var before, after runtime.MemStats
	var done atomic.Int64
	errs := make([]error, goroutines)
	var workers sync.WaitGroup
	runtime.ReadMemStats(&before)
	used := processorTime()
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
	used = processorTime() - used
	runtime.ReadMemStats(&after)
	n := float64(done.Load())
	return sample{
		NS:     float64(elapsed.Nanoseconds()) / n,
		Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / n,
		Allocs: float64(after.Mallocs-before.Mallocs) / n,
		CPU:    float64(used.Nanoseconds()) / n,
	}, errors.Join(errs...)
}

// repeat reads the clock only now and then: that costs as much as a tenth of the shortest
// operation. It ends early if the operation has used its prepared inputs.
func repeat(deadline time.Time, op operation) (n int, err error) {
	for {
		for range 16 {
			switch err := op(); {
			case err == errSpent && n > 0:
				return n, nil
			case err != nil:
				return n, err
			}
			n++
		}
		if !time.Now().Before(deadline) {
			return n, nil
		}
	}
}

// A contest is one measurement, for every contender that can do it.
type contest struct {
	table, column string
	goroutines    int
	names         []string // in the order of the table
	reference     string   // the name of the reference
	ratio         string   // the name of the comparison in the table
	runners       func() []runner
}

// A runner is one contender's part of a contest.
type runner struct {
	name string
	op   operation
}

// A result has the medians of a contest by the names of contenders.
type result struct {
	Table, Column string
	Names         []string
	Ratio         string
	Of            map[string]sample
}

// measureAll runs every contest for every contender once per round, one
// contender after the other, so that other load on the machine affects all of them.
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
				sample.Ratio = sample.NS / once[c.reference].NS
				sample.Over = sample.NS - once[c.reference].NS
				samples[i][name] = append(samples[i][name], sample)
			}
		}
	}
	var results []result
	for i, c := range contests {
		r := result{c.table, c.column, c.names, c.ratio, map[string]sample{}}
		for name, all := range samples[i] {
			r.Of[name] = medians(all)
		}
		results = append(results, r)
	}
	return results, nil
}

// measureRound takes the contenders in random order: no contender always runs after the
// garbage of the same other one.
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
		NS:     median(all, func(s sample) float64 { return s.NS }),
		Bytes:  median(all, func(s sample) float64 { return s.Bytes }),
		Allocs: median(all, func(s sample) float64 { return s.Allocs }),
		CPU:    median(all, func(s sample) float64 { return s.CPU }),
		Ratio:  median(all, func(s sample) float64 { return s.Ratio }),
		Over:   median(all, func(s sample) float64 { return s.Over }),
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
