// Command bench measures this library and others that do the same, side by side
// in one process. It writes the figures to results.json, and a page of them to
// RESULTS.md. With -quick it only shows that everything runs, and writes no file.
// With -page it measures nothing, and writes the page of the existing figures.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"time"
)

func main() {
	log.SetFlags(log.Ltime)
	quickly := flag.Bool("quick", false, "only see whether everything runs; the figures mean nothing")
	page := flag.Bool("page", false, "only write RESULTS.md again, from results.json")
	flag.Parse()
	if err := run(context.Background(), *quickly, *page); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, quickly, pageOnly bool) error {
	if pageOnly {
		r, err := readResults()
		if err != nil {
			return err
		}
		return r.writePage()
	}
	e := full
	if quickly {
		e = quick
	}
	r, err := measureEverything(ctx, e)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.Write(r.page()); err != nil || quickly {
		return err
	}
	if err := r.write(); err != nil {
		return err
	}
	return r.writePage()
}

// An effort is the amount of measurement.
type effort struct {
	distinct int // tokens, for first sight
	rounds   int
	each     time.Duration // of each contender in each round of a scenario
	slow     time.Duration // a fetch of the keys, where that matters
	sessions int           // in the memory stores
	// signatures is the time of each kind of signature, in the comparison with openssl.
	signatures time.Duration
}

var (
	// More tokens than any contender caches: this library keeps 1,024.
	full  = effort{distinct: 4096, rounds: 31, each: 25 * time.Millisecond, slow: 500 * time.Millisecond, sessions: 100_000, signatures: 2 * time.Second}
	quick = effort{distinct: 64, rounds: 1, each: time.Millisecond, slow: 50 * time.Millisecond, sessions: 200}
)
