package main

import (
	"context"
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"time"
)

// results are all figures of one run, and the only source of RESULTS.md and the plots. Durations are nanoseconds in JSON.
type results struct {
	Made       string // the day
	Go         string
	Processor  string
	Processors int

	Rounds     int
	Each, Slow time.Duration
	Distinct   int
	TokenBytes map[string]int // by algorithm

	Contests   []result
	Weights    []weight
	Keys       []keyFigures
	Sessions   sessionFacts
	Refreshes  []refreshFigures
	Memory     []memoryFacts
	Signatures signatureFacts
}

// sessionFacts are the texts and sizes in the tables of sessions.
type sessionFacts struct {
	Size     int               // bytes of the session in this library, before it is encrypted
	Versions map[string]string // by module
	Cookies  map[string]int    // bytes, by keeper
}

const (
	resultsFile = "results.json"
	pageFile    = "RESULTS.md"
)

// measureEverything first checks that all contenders verify the same things.
func measureEverything(ctx context.Context, e effort) (*results, error) {
	r := &results{
		Made: time.Now().Format(time.DateOnly), Go: runtime.Version(), Processor: processor(), Processors: runtime.GOMAXPROCS(0),
		Rounds: e.rounds, Each: e.each, Slow: e.slow, Distinct: e.distinct, TokenBytes: map[string]int{},
	}
	fields := map[string]*field{}
	for _, alg := range []string{"RS256", "ES256"} {
		f, err := newField(ctx, alg, e.distinct)
		if err != nil {
			return nil, err
		}
		defer f.close()
		fields[alg], r.TokenBytes[alg] = f, len(f.tokens.good.raw)
	}
	sessions, err := newSessionField(ctx)
	if err != nil {
		return nil, err
	}
	r.Sessions = sessions.facts()
	contests, err := smallContests(ctx, fields, sessions)
	if err != nil {
		return nil, err
	}
	if r.Contests, err = measureAll(contests, e.rounds, e.each); err != nil {
		return nil, err
	}
	if err := r.measureMemory(ctx, e, sessions.content); err != nil {
		return nil, err
	}
	if r.Refreshes, err = measureRefreshes(ctx); err != nil {
		return nil, err
	}
	if r.Keys, err = measureKeys(ctx, fields["RS256"].tenant.ring, e.slow); err != nil {
		return nil, err
	}
	if r.Signatures, err = measureSignatures(ctx, fields, e.signatures); err != nil {
		return nil, err
	}
	r.Weights, err = weigh(ctx)
	return r, err
}

// measureMemory comes after the other contests: a large heap is collected less often.
func (r *results) measureMemory(ctx context.Context, e effort, c *content) error {
	memory, err := newMemoryField(ctx, e.sessions, c)
	if err != nil {
		return err
	}
	r.Memory = memory.facts()
	reads, err := measureAll(memory.contests(), e.rounds, e.each)
	r.Contests = append(r.Contests, reads...)
	return err
}

// smallContests are all contests except those with many sessions in memory.
func smallContests(ctx context.Context, fields map[string]*field, sessions *sessionField) ([]contest, error) {
	callbacks, err := newCallbackField(ctx, fields["RS256"].tenant.ring.current)
	if err != nil {
		return nil, err
	}
	pages, err := pageContests(ctx)
	if err != nil {
		return nil, err
	}
	all := append(tokenContests(ctx, fields), sessionContests(sessions)...)
	all = append(all, callbackContest(ctx, callbacks))
	return append(all, pages...), nil
}

// of returns the contests of tables, in the order of the tables.
func (r *results) of(tables ...string) []result {
	var found []result
	for _, table := range tables {
		for _, c := range r.Contests {
			if c.Table == table {
				found = append(found, c)
			}
		}
	}
	return found
}

// one returns the contest of a column.
func (r *results) one(table, column string) result {
	for _, c := range r.of(table) {
		if c.Column == column {
			return c
		}
	}
	return result{}
}

func (r *results) write() error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(resultsFile, append(text, '\n'), 0o644)
}

func readResults() (*results, error) {
	text, err := os.ReadFile(resultsFile)
	if err != nil {
		return nil, err
	}
	r := &results{}
	return r, json.Unmarshal(text, r)
}

func (r *results) writePage() error { return os.WriteFile(pageFile, r.page(), 0o644) }

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
