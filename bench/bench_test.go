package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestReport runs every measurement briefly. It also checks that the contenders accept
// and reject the right tokens.
func TestReport(t *testing.T) {
	r, err := measureEverything(t.Context(), quick)
	if err != nil {
		t.Fatal(err)
	}
	page := string(r.page())
	for _, c := range contenders {
		rows := strings.Count(page, "\n| "+c.name+" |")
		want := 1 + 8 + 2 + 1 // its setup, results, keys, dependencies
		switch {
		case c.name == "this library", c.name == "go-jwt-middleware v3":
			want += 2 // DPoP
			if c.name == oursAtCallback {
				want++
			}
		case c.name == floor:
			want = 1 + 10
		case len(c.modules) == 0:
			want = 1 + 4 // middleware only
		}
		if rows != want {
			t.Errorf("%s has %d rows, want %d", c.name, rows, want)
		}
	}
	for _, k := range keepers {
		rows := strings.Count(page, "\n| "+k.name+" |")
		want := 1 + 3 // its setup, results
		if k.module == "" {
			want++ // refreshes
		}
		if k.name == scsInMemory || k.name == oursInMemory {
			want++ // many sessions
		}
		if rows != want {
			t.Errorf("%s has %d rows, want %d", k.name, rows, want)
		}
	}
}

// TestCheckKept breaks session stores on purpose.
func TestCheckKept(t *testing.T) {
	c := &content{Subject: "auth0|1", Theme: "dark", AccessToken: "token"}
	kind := func(edit func(*keeping)) *kept {
		k, err := keepWithSecureCookie(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		edit(k)
		return &kept{keeper: keeper{module: "broken"}, keeping: k}
	}
	if err := checkKept(t.Context(), kind(func(*keeping) {}), c); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*keeping){
		"takes every cookie": func(k *keeping) {
			k.read = func(*http.Request) (view, error) { return view{c.Subject, "", c.Theme}, nil }
		},
		"takes no cookie": func(k *keeping) {
			k.read = func(*http.Request) (view, error) { return view{}, errNobody }
		},
		"has another person": func(k *keeping) {
			read := k.read
			k.read = func(r *http.Request) (view, error) { v, err := read(r); v.subject += "2"; return v, err }
		},
		"has no token": func(k *keeping) {
			k.accessToken = func(*http.Request) (string, error) { return "", nil }
		},
		"does not write": func(k *keeping) {
			k.writer = func(*http.Request) (func(http.ResponseWriter, string) error, error) {
				return func(http.ResponseWriter, string) error { return nil }, nil
			}
		},
		"writes what it had": func(k *keeping) {
			writer := k.writer
			k.writer = func(r *http.Request) (func(http.ResponseWriter, string) error, error) {
				write, err := writer(r)
				return func(w http.ResponseWriter, _ string) error { return write(w, c.Theme) }, err
			}
		},
	} {
		if checkKept(t.Context(), kind(edit), c) == nil {
			t.Errorf("passes although it %s", name)
		}
	}
}

// TestCheck breaks contenders on purpose.
func TestCheck(t *testing.T) {
	ring, err := newKeyring("ES256")
	if err != nil {
		t.Fatal(err)
	}
	given, err := newTokens(ring, 2)
	if err != nil {
		t.Fatal(err)
	}
	only := func(bad *token) func(context.Context, *token) error {
		return func(_ context.Context, got *token) error {
			if got == bad || got == given.good || got == given.many[0] || got == given.many[1] {
				return nil
			}
			return errors.New("refused")
		}
	}
	closed := func(http.Handler) http.Handler { return http.HandlerFunc(refuse) }
	open := func(next http.Handler) http.Handler { return next }
	type broken struct {
		name string
		*verifier
	}
	cases := []broken{
		{"refuses good tokens", &verifier{verify: func(context.Context, *token) error { return errors.New("refused") }}},
		{"its guard is closed", &verifier{verify: only(nil), guard: closed, guardClaims: unguarded}},
		{"its guard is open", &verifier{verify: only(nil), guard: open, guardClaims: unguarded}},
	}
	for _, b := range given.bad {
		cases = append(cases, broken{"accepts " + b.name, &verifier{verify: only(b.token)}})
	}
	for _, c := range cases {
		s := &subject{contender: contender{modules: []string{"broken"}}, verifier: c.verifier, tokens: given}
		if check(t.Context(), s) == nil {
			t.Errorf("passes although it %s", c.name)
		}
	}
}

func refuse(w http.ResponseWriter, _ *http.Request) { unauthorized(w) }

// TestFirstSight: a token repeats only after all others.
func TestFirstSight(t *testing.T) {
	if full.distinct < 4*1024 {
		t.Errorf("%d tokens may fit into a cache of 1,024", full.distinct)
	}
	given := &tokens{many: []*token{{}, {}, {}}}
	s := &subject{tokens: given}
	seen := map[*token]bool{}
	for range given.many {
		seen[s.first()] = true
	}
	if len(seen) != len(given.many) {
		t.Errorf("%d different tokens, want %d", len(seen), len(given.many))
	}
}

// TestFirstBound does the same for bound tokens, even if a round uses few of the prepared
// proofs.
func TestFirstBound(t *testing.T) {
	private, err := generate("ES256")
	if err != nil {
		t.Fatal(err)
	}
	key := &signingKey{alg: "ES256", private: private}
	bound := &boundTokens{key: key}
	for range 8 { // a divisor of the number of prepared proofs
		bound.many = append(bound.many, newToken(rand.Text()))
	}
	seen := map[*token]bool{}
	s := &subject{contender: contender{name: floor}, tokens: &tokens{bound: bound}, verifier: &verifier{
		verify: func(_ context.Context, got *token) error { seen[got] = true; return nil },
	}}
	for range 4 { // rounds
		op := proving((*subject).proofsOfFirst, true)(t.Context(), s)
		for range len(bound.many) / 4 {
			if err := op(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(seen) != len(bound.many) {
		t.Errorf("%d different tokens, want %d", len(seen), len(bound.many))
	}
}

// TestArrivals: late operations do not wait for earlier ones.
func TestArrivals(t *testing.T) {
	const n = 5
	arrived := make(chan struct{}, n)
	all := make(chan struct{})
	go func() {
		for range n {
			<-arrived
		}
		close(all)
	}()
	took, err := arrivals(n*time.Millisecond, func() error {
		arrived <- struct{}{}
		<-all
		return nil
	})
	if err != nil || len(took) != n {
		t.Errorf("%d arrivals, %v; want %d", len(took), err, n)
	}
}

// Benchmark names every pair of scenario and contender, for profiles and for benchstat.
func Benchmark(b *testing.B) {
	fields := map[string]*field{}
	for _, alg := range []string{"RS256", "ES256"} {
		f, err := newField(b.Context(), alg, full.distinct)
		if err != nil {
			b.Fatal(err)
		}
		defer f.close()
		fields[alg] = f
	}
	sessions, err := newSessionField(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	contests, err := smallContests(b.Context(), fields, sessions)
	if err != nil {
		b.Fatal(err)
	}
	memory, err := newMemoryField(b.Context(), quick.sessions, sessions.content)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range append(contests, memory.contests()...) {
		for i, r := range c.runners() {
			more := func() operation { return c.runners()[i].op }
			b.Run(c.table+"/"+c.column+"/"+r.name, func(b *testing.B) { benchmark(b, c.goroutines, r.op, more) })
		}
	}
}

// benchmark prepares more single-use inputs while the timer is stopped.
func benchmark(b *testing.B, goroutines int, op operation, more func() operation) {
	b.ReportAllocs()
	if goroutines == 1 {
		for b.Loop() {
			err := op()
			if err == errSpent {
				b.StopTimer()
				op = more()
				b.StartTimer()
				err = op()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := op(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
