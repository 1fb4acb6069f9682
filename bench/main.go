// Command bench measures this library and others that do the same, side by side
// in one process, and writes what it finds to RESULTS.md. With -quick it only
// shows that everything runs, and writes no file.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"os"
	"time"
)

func main() {
	log.SetFlags(log.Ltime)
	quickly := flag.Bool("quick", false, "only see whether everything runs; the figures mean nothing")
	flag.Parse()
	if err := run(context.Background(), *quickly); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, quickly bool) error {
	if quickly {
		return report(ctx, quick, os.Stdout)
	}
	file, err := os.Create("RESULTS.md")
	if err != nil {
		return err
	}
	defer file.Close()
	if err := report(ctx, full, io.MultiWriter(file, os.Stdout)); err != nil {
		return err
	}
	return file.Close()
}

// An effort is how much is measured.
type effort struct {
	distinct int // tokens, for first sight
	rounds   int
	each     time.Duration // what each contender gets in each round of a scenario
	slow     time.Duration // a fetch of the keys, where that matters
}

var (
	// More tokens than any contender remembers: this library keeps 1,024.
	full  = effort{distinct: 4096, rounds: 31, each: 25 * time.Millisecond, slow: 500 * time.Millisecond}
	quick = effort{distinct: 64, rounds: 1, each: time.Millisecond, slow: 50 * time.Millisecond}
)
