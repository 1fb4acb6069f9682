package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A field has every contender for one algorithm, with the same tenant and the same
// tokens.
type field struct {
	tenant   *tenant
	tokens   *tokens
	subjects []*subject
}

// A subject is one contender of a field.
type subject struct {
	contender
	*verifier
	tokens *tokens
	seen   atomic.Uint64
	server *httptest.Server // with a guarded handler

	seenBound atomic.Uint64
}

// first returns a token that is no longer in a cache of the subject. The order continues
// from one scenario to the next.
func (s *subject) first() *token {
	return s.tokens.many[s.seen.Add(1)%uint64(len(s.tokens.many))]
}

// again returns the same token each time.
func (s *subject) again() *token { return s.tokens.good }

// newField builds every contender and checks that it accepts the valid tokens, and
// nothing else.
func newField(ctx context.Context, alg string, distinct int) (*field, error) {
	ring, err := newKeyring(alg)
	if err != nil {
		return nil, err
	}
	f := &field{}
	if f.tokens, err = newTokens(ring, distinct); err != nil {
		return nil, err
	}
	if f.tenant, err = newTenant(ring, promptly); err != nil {
		return nil, err
	}
	for _, c := range contenders {
		if err := f.add(ctx, c); err != nil {
			f.close()
			return nil, fmt.Errorf("%s, %s: %w", c.name, alg, err)
		}
	}
	return f, nil
}

func (f *field) add(ctx context.Context, c contender) error {
	v, err := c.build(ctx, f.tenant, 0)
	if err != nil {
		return err
	}
	s := &subject{contender: c, verifier: v, tokens: f.tokens}
	if err := check(ctx, s); err != nil {
		return err
	}
	if s.guard != nil {
		s.server = httptest.NewServer(plainGuard(s))
		// One connection for each client of the busiest scenario.
		s.server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 8
	}
	f.subjects = append(f.subjects, s)
	return nil
}

func (f *field) close() {
	for _, s := range f.subjects {
		if s.server != nil {
			s.server.Close()
		}
	}
	f.tenant.close()
}

// tokens are the input of all subjects of a field.
type tokens struct {
	good  *token
	many  []*token // all valid, no two alike
	bad   []badToken
	bound *boundTokens
}

type badToken struct {
	name string
	*token
}

// The tokens that every contender must reject.
const (
	expired       = "expired"
	malformed     = "malformed"
	foreignIssuer = "foreign issuer"
	foreignKey    = "foreign key"
	wrongAudience = "wrong audience"
	unknownKey    = "unknown key"
)

func newTokens(ring *keyring, distinct int) (*tokens, error) {
	good, err := mint(ring.current, 0, nil)
	if err != nil {
		return nil, err
	}
	header, rest, _ := strings.Cut(good.raw, ".")
	t := &tokens{good: good, bad: []badToken{{malformed, newToken(header + ".!" + rest)}}}
	for _, b := range []struct {
		name  string
		key   *signingKey
		edits map[string]any
	}{
		{expired, ring.current, map[string]any{"exp": time.Now().Add(-time.Hour).Unix(), "iat": time.Now().Add(-2 * time.Hour).Unix()}},
		{foreignIssuer, ring.current, map[string]any{"iss": "https://other.example.com/"}},
		{wrongAudience, ring.current, map[string]any{"aud": "https://other.example.com/"}},
		{foreignKey, ring.forger, nil},
		{unknownKey, ring.forger.withID("kid-unknown"), nil},
	} {
		made, err := mint(b.key, 0, b.edits)
		if err != nil {
			return nil, err
		}
		t.bad = append(t.bad, badToken{b.name, made})
	}
	if t.many, err = mintMany(ring.current, distinct, nil); err != nil {
		return nil, err
	}
	t.bound, err = newBoundTokens(ring, distinct)
	return t, err
}

func mintMany(key *signingKey, n int, edits map[string]any) ([]*token, error) {
	many, errs := make([]*token, n), make([]error, n)
	var users atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				i := int(users.Add(1)) - 1
				if i >= n {
					return
				}
				many[i], errs[i] = mint(key, i+1, edits)
			}
		})
	}
	workers.Wait()
	return many, errors.Join(errs...)
}

func (t *tokens) refused(name string) *token {
	return t.bad[slices.IndexFunc(t.bad, func(b badToken) bool { return b.name == name })].token
}

// check makes the figures comparable: a contender that is faster because it checks less
// is not in the tables.
func check(ctx context.Context, s *subject) error {
	if s.verify != nil {
		if err := s.verify(ctx, s.again()); err != nil {
			return fmt.Errorf("refuses a good token: %w", err)
		}
		if err := s.verify(ctx, s.first()); err != nil {
			return fmt.Errorf("refuses a good token: %w", err)
		}
	}
	if len(s.modules) == 0 {
		return nil
	}
	for _, b := range s.tokens.bad {
		if s.verify(ctx, b.token) == nil {
			return fmt.Errorf("accepts a bad token: %s", b.name)
		}
	}
	if err := checkGuards(s); err != nil {
		return err
	}
	return checkProofs(s)
}

func checkGuards(s *subject) error {
	for _, guard := range []http.Handler{s.guard(http.HandlerFunc(plainHandler)), s.guardClaims(readingHandler)} {
		requests := newRecorder(guard)
		if status := requests.record(s.again()); status != http.StatusNoContent {
			return fmt.Errorf("the guard answers %d to a good token", status)
		}
		for _, b := range s.tokens.bad {
			if status := requests.record(b.token); status < 400 || status > 401 {
				return fmt.Errorf("the guard answers %d to a bad token: %s", status, b.name)
			}
		}
	}
	return nil
}

// plainHandler is a program that needs no claims, only a valid token.
func plainHandler(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// readingHandler is a program that decides by its custom claims.
func readingHandler(w http.ResponseWriter, c *appClaims) {
	if c.Plan != goodPlan || !slices.Contains(c.Permissions, goodScope) || !strings.HasSuffix(c.Scope, goodScope) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// A recorder sends one request repeatedly, each time with another token. A server, too,
// has just read the request.
type recorder struct {
	handler http.Handler
	request *http.Request
	value   []string
}

func newRecorder(h http.Handler) *recorder {
	r := &recorder{h, httptest.NewRequest(http.MethodGet, "/", nil), []string{""}}
	r.request.Header["Authorization"] = r.value
	return r
}

func (r *recorder) record(t *token) int {
	w := httptest.NewRecorder()
	r.value[0] = t.header["Authorization"][0]
	r.handler.ServeHTTP(w, r.request)
	return w.Code
}
