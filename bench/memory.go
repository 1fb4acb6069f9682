package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/seed-15d5a55c/auth0"
)

// This file measures many sessions in the memory of one process.

const (
	tableMemory = "Reading one of many sessions in memory"

	oneReader    = "1 goroutine"
	eightReaders = "8 goroutines"

	scsInMemory = "scs, memstore"

	// readSessions is the number of sessions that are read.
	readSessions = 4096
)

// memoryFacts are the size of a store.
type memoryFacts struct {
	Name     string
	Sessions int
	Bytes    float64 // of the heap, for each session
}

// A memoryField has stores with many sessions.
type memoryField struct{ stores []*fullStore }

// A fullStore has many sessions, some of which are read.
type fullStore struct {
	memoryFacts
	read     func(*http.Request) (subject string, err error)
	requests []*http.Request
	subjects []string
	next     atomic.Uint64
}

// A filler adds sessions, and makes the reader of a store once it is full.
type filler struct {
	name   string
	add    func(ctx context.Context, i int) (cookies []*http.Cookie, subject string, err error)
	reader func() (func(*http.Request) (string, error), error)
}

// newMemoryField fills the stores one after the other. It checks the user of each session
// that will be read.
func newMemoryField(ctx context.Context, n int, c *content) (*memoryField, error) {
	ours, err := fillOurs(n)
	if err != nil {
		return nil, err
	}
	f := &memoryField{}
	for _, fill := range []*filler{fillSCS(c), ours} {
		s, err := newFullStore(ctx, n, fill)
		if err == nil {
			err = s.check()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fill.name, err)
		}
		f.stores = append(f.stores, s)
	}
	return f, nil
}

func newFullStore(ctx context.Context, n int, fill *filler) (*fullStore, error) {
	s := &fullStore{memoryFacts: memoryFacts{Name: fill.name, Sessions: n}}
	kept := min(n, readSessions)
	headers, subjects := make([]string, kept), make([]string, kept)
	before := heap()
	_, err := prepareAll(n, func(i int) (struct{}, error) {
		cookies, subject, err := fill.add(ctx, i)
		if i < kept {
			headers[i], subjects[i] = cookieHeader(cookies), subject
		}
		return struct{}{}, err
	})
	if err != nil {
		return nil, err
	}
	if s.read, err = fill.reader(); err != nil {
		return nil, err
	}
	fill.add, fill.reader = nil, nil // the means of filling the store are not part of it
	grown := heap() - before
	for i := range headers {
		grown -= float64(len(headers[i]) + len(subjects[i]))
		r, err := request(ctx, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Cookie", headers[i])
		s.requests = append(s.requests, r)
	}
	s.Bytes, s.subjects = grown/float64(n), subjects
	return s, nil
}

// heap is the memory in use after a complete collection, finalizers included.
func heap() float64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func (s *fullStore) check() error {
	for i, r := range s.requests {
		subject, err := s.read(again(r))
		if err != nil {
			return err
		}
		if subject != s.subjects[i] || subject == "" {
			return fmt.Errorf("session %d is that of %q, want %q", i, subject, s.subjects[i])
		}
	}
	r, err := request(context.Background(), nil)
	if err != nil {
		return err
	}
	if _, err := s.read(r); err == nil {
		return errors.New("a request without a cookie has a session")
	}
	return nil
}

func (s *fullStore) reading() error {
	_, err := s.read(again(s.requests[s.next.Add(1)%uint64(len(s.requests))]))
	return err
}

func (f *memoryField) facts() []memoryFacts {
	var all []memoryFacts
	for _, s := range f.stores {
		all = append(all, s.memoryFacts)
	}
	return all
}

func (f *memoryField) contests() []contest {
	contestOf := func(column string, goroutines int) contest {
		c := contest{table: tableMemory, column: column, goroutines: goroutines, reference: scsInMemory, ratio: "x scs"}
		for _, s := range f.stores {
			c.names = append(c.names, s.Name)
		}
		c.runners = func() []runner {
			var all []runner
			for _, s := range f.stores {
				all = append(all, runner{s.Name, s.reading})
			}
			return all
		}
		return c
	}
	return []contest{contestOf(oneReader, 1), contestOf(eightReaders, 8)}
}

// fillSCS keeps the same content for users of other names.
func fillSCS(c *content) *filler {
	manager := scs.New()
	manager.Store = memstore.NewWithCleanupInterval(time.Hour)
	manager.Lifetime = 24 * time.Hour
	return &filler{
		name: scsInMemory,
		add: func(ctx context.Context, i int) ([]*http.Cookie, string, error) {
			begun, err := manager.Load(ctx, "")
			if err != nil {
				return nil, "", err
			}
			for name, value := range c.values() {
				manager.Put(begun, name, value)
			}
			subject := fmt.Sprintf("auth0|%024x", i)
			manager.Put(begun, "sub", subject)
			token, _, err := manager.Commit(begun)
			return []*http.Cookie{{Name: manager.Cookie.Name, Value: token}}, subject, err
		},
		reader: func() (func(*http.Request) (string, error), error) {
			return func(r *http.Request) (string, error) {
				cookie, err := r.Cookie(manager.Cookie.Name)
				if err != nil {
					return "", err
				}
				ctx, err := manager.Load(r.Context(), cookie.Value)
				if err != nil {
					return "", err
				}
				if subject := manager.GetString(ctx, "sub"); subject != "" {
					return subject, nil
				}
				return "", errNobody
			}, nil
		},
	}
}

// fillOurs logs every user in. The ID tokens have a MAC, which is faster than a signature.
// One application logs in and another one reads.
func fillOurs(n int) (*filler, error) {
	private, err := generate("ES256")
	if err != nil {
		return nil, err
	}
	tenant, err := newMemoryTenant(&signingKey{id: "kid-current", alg: "ES256", private: private})
	if err != nil {
		return nil, err
	}
	tenant.sign = func(claims map[string]any) (*token, error) {
		return signClaims("HS256", "", claims, func(text string) ([]byte, error) {
			mac := hmac.New(sha256.New, []byte(clientSecret))
			mac.Write([]byte(text))
			return mac.Sum(nil), nil
		})
	}
	store, secrets := auth0.NewMemoryStore(n), []string{rand.Text() + rand.Text()}
	edit := func(c *auth0.Config) { c.Store, c.Secrets = store, secrets }
	keys, err := auth0.SharedSecret(clientSecret)
	if err != nil {
		return nil, err
	}
	party, err := newRelyingParty(tenant, func(c *auth0.Config) { edit(c); c.Keys = keys })
	if err != nil {
		return nil, err
	}
	return &filler{
		name: oursInMemory,
		add: func(ctx context.Context, i int) ([]*http.Cookie, string, error) {
			a, cookies, err := party.login(ctx, i)
			if err != nil {
				return nil, "", err
			}
			return cookies, a.subject, nil
		},
		reader: func() (func(*http.Request) (string, error), error) {
			reading, err := newRelyingParty(tenant, func(c *auth0.Config) { edit(c); c.Keys = keys })
			if err != nil {
				return nil, err
			}
			return func(r *http.Request) (string, error) {
				v, err := reading.who(r)
				return v.subject, err
			}, nil
		},
	}, nil
}
