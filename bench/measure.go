package main

import (
	"context"
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

// A result has the medians of a scenario by the names of contenders.
type result struct {
	scenario
	of map[string]sample
}

// measureAll runs every scenario for every contender once per round, one
// contender after the other, so that whatever else the machine does hits all
// of them.
func measureAll(ctx context.Context, fields map[string]*field, rounds int, d time.Duration) ([]result, error) {
	list := scenarios()
	samples := make([]map[string][]sample, len(list))
	for round := range rounds {
		log.Printf("round %d of %d", round+1, rounds)
		for i, s := range list {
			once, err := measureRound(ctx, s, fields[s.alg].subjects, d)
			if err != nil {
				return nil, err
			}
			if samples[i] == nil {
				samples[i] = map[string][]sample{}
			}
			for name, sample := range once {
				sample.ratio = sample.ns / once[floor].ns
				samples[i][name] = append(samples[i][name], sample)
			}
		}
	}
	var results []result
	for i, s := range list {
		r := result{s, map[string]sample{}}
		for name, all := range samples[i] {
			r.of[name] = medians(all)
		}
		results = append(results, r)
	}
	return results, nil
}

// measureRound takes the subjects in any order: nobody is always the one after
// the garbage of somebody else.
func measureRound(ctx context.Context, s scenario, subjects []*subject, d time.Duration) (map[string]sample, error) {
	once := map[string]sample{}
	for _, i := range rand.Perm(len(subjects)) {
		op := s.prepare(ctx, subjects[i])
		if op == nil {
			continue
		}
		sample, err := measure(d, s.goroutines, op)
		if err != nil {
			return nil, fmt.Errorf("%s, %s, %s: %w", s.table, s.column, subjects[i].name, err)
		}
		once[subjects[i].name] = sample
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
