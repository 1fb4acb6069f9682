package main

import (
	"context"
	"fmt"
	"net/http"
)

// A scenario is one measurement, for every contender that can do it.
type scenario struct {
	table, column string
	alg           string
	goroutines    int
	// prepare returns the measured operation, nil if the subject does not take part.
	prepare func(context.Context, *subject) operation
}

// An operation is safe for concurrent use.
type operation func() error

const (
	tableFirst    = "Verification, first sight of a token"
	tableAgain    = "Verification, the same token again"
	tableParallel = "Verification by several goroutines, RS256"
	tableRefusal  = "Refusal, RS256"
	tableRecorder = "Middleware over httptest.ResponseRecorder, RS256"
	tableClaims   = "Middleware over httptest.ResponseRecorder, with custom claims decoded, RS256"
	tableLoopback = "Middleware over HTTP on the loopback interface, RS256"
	tableBusy     = "Middleware over HTTP on the loopback interface, eight clients, RS256"
)

func scenarios() []scenario {
	first, again := (*subject).first, (*subject).again
	list := []scenario{
		{tableFirst, "RS256", "RS256", 1, verifying(first)},
		{tableFirst, "ES256", "ES256", 1, verifying(first)},
		{tableAgain, "RS256", "RS256", 1, verifying(again)},
		{tableAgain, "ES256", "ES256", 1, verifying(again)},
		{tableParallel, "first sight, 2", "RS256", 2, verifying(first)},
		{tableParallel, "first sight, 8", "RS256", 8, verifying(first)},
		{tableParallel, "again, 2", "RS256", 2, verifying(again)},
		{tableParallel, "again, 8", "RS256", 8, verifying(again)},
	}
	for _, name := range []string{expired, malformed, foreignIssuer, foreignKey} {
		list = append(list, scenario{tableRefusal, name, "RS256", 1, refusing(name)})
	}
	return append(list,
		scenario{tableRecorder, "first sight", "RS256", 1, recording(first, plainGuard)},
		scenario{tableRecorder, "again", "RS256", 1, recording(again, plainGuard)},
		scenario{tableClaims, "first sight", "RS256", 1, recording(first, claimsGuard)},
		scenario{tableClaims, "again", "RS256", 1, recording(again, claimsGuard)},
		scenario{tableLoopback, "first sight", "RS256", 1, requesting(first)},
		scenario{tableLoopback, "again", "RS256", 1, requesting(again)},
		scenario{tableBusy, "first sight", "RS256", 8, requesting(first)},
		scenario{tableBusy, "again", "RS256", 8, requesting(again)},
		scenario{tableProofs, "first sight", "RS256", 1, proving((*subject).proofsOfFirst, true)},
		scenario{tableProofs, "again", "RS256", 1, proving((*subject).proofsOfAgain, false)},
		scenario{tableProofRefusal, expiredBearer, "RS256", 1, refusingBound(expired, "Bearer")},
		scenario{tableProofRefusal, expiredBound, "RS256", 1, refusingBound(expired, "DPoP")},
		scenario{tableProofRefusal, "foreign key, bearer", "RS256", 1, refusingBound(foreignKey, "Bearer")},
		scenario{tableProofRefusal, "foreign key, bound", "RS256", 1, refusingBound(foreignKey, "DPoP")},
	)
}

// tokenContests makes contests of the scenarios, with the subjects of a field.
func tokenContests(ctx context.Context, fields map[string]*field) []contest {
	var names []string
	for _, c := range contenders {
		names = append(names, c.name)
	}
	var list []contest
	for _, s := range scenarios() {
		list = append(list, contest{
			table: s.table, column: s.column, goroutines: s.goroutines,
			names: names, reference: floor, ratio: s.ratio(),
			runners: func() []runner { return s.runners(ctx, fields[s.alg].subjects) },
		})
	}
	return list
}

// ratio names the floor of a scenario whose floor differs from the others.
func (s scenario) ratio() string {
	switch {
	case s.table != tableProofs:
		return "x floor"
	case s.column == "again":
		return "x its signature"
	}
	return "x its two signatures"
}

func (s scenario) runners(ctx context.Context, subjects []*subject) []runner {
	var all []runner
	for _, subject := range subjects {
		if op := s.prepare(ctx, subject); op != nil {
			all = append(all, runner{subject.name, op})
		}
	}
	return all
}

func verifying(next func(*subject) *token) func(context.Context, *subject) operation {
	return func(ctx context.Context, s *subject) operation {
		if s.verify == nil {
			return nil
		}
		return func() error { return s.verify(ctx, next(s)) }
	}
}

// floorOf replaces the floor if a bare signature check cannot do the same thing.
func floorOf(ctx context.Context, s *subject) operation {
	return func() error { return s.verify(ctx, s.first()) }
}

func refusing(name string) func(context.Context, *subject) operation {
	return func(ctx context.Context, s *subject) operation {
		switch {
		case s.name == floor:
			return floorOf(ctx, s)
		case s.verify == nil:
			return nil
		}
		bad := s.tokens.refused(name)
		return func() error {
			if s.verify(ctx, bad) == nil {
				return fmt.Errorf("accepts a bad token: %s", name)
			}
			return nil
		}
	}
}

func plainGuard(s *subject) http.Handler  { return s.guard(http.HandlerFunc(plainHandler)) }
func claimsGuard(s *subject) http.Handler { return s.guardClaims(readingHandler) }

func recording(next func(*subject) *token, guard func(*subject) http.Handler) func(context.Context, *subject) operation {
	return func(ctx context.Context, s *subject) operation {
		if s.name == floor {
			return floorOf(ctx, s)
		}
		requests := newRecorder(guard(s))
		return func() error { return answered(requests.record(next(s))) }
	}
}

func answered(status int) error {
	if status != http.StatusNoContent {
		return fmt.Errorf("answer is %d", status)
	}
	return nil
}

// requesting is a complete request through net/http. Client and server are in this
// process and in the figures.
func requesting(next func(*subject) *token) func(context.Context, *subject) operation {
	return func(ctx context.Context, s *subject) operation {
		if s.name == floor {
			return floorOf(ctx, s)
		}
		client := s.server.Client()
		return func() error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL, nil)
			if err != nil {
				return err
			}
			r.Header = next(s).header
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			resp.Body.Close()
			return answered(resp.StatusCode)
		}
	}
}
