package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/alexedwards/scs/v2"

	"github.com/seed-15d5a55c/auth0"
)

// This file measures the middleware that finds the session of a request, for visitors
// without a session.

const (
	tablePages = "A page and nobody logged in, over httptest.ResponseRecorder"

	bareHandler    = "bare handler"
	loadAndSave    = "scs, LoadAndSave"
	loadUser       = "this library, LoadUser"
	loadUserStored = "this library, LoadUser, memory store"

	noCookie     = "no cookie"
	otherCookies = "three other cookies"
)

// A pager wraps a page in a middleware for sessions.
type pager struct {
	name string
	wrap func(http.Handler) http.Handler
	// who returns the subject of the session, and "" for none.
	who     func(*http.Request) string
	cookies []*http.Cookie // of a session
}

// newPagers makes the middlewares, and shows that each finds an existing session, and
// none without one.
func newPagers(ctx context.Context) ([]*pager, error) {
	pagers := []*pager{{name: bareHandler, wrap: func(next http.Handler) http.Handler { return next }}}
	manager := scs.New()
	begun, err := manager.Load(ctx, "")
	if err != nil {
		return nil, err
	}
	manager.Put(begun, "sub", "auth0|1")
	token, _, err := manager.Commit(begun)
	if err != nil {
		return nil, err
	}
	pagers = append(pagers, &pager{
		loadAndSave, manager.LoadAndSave, func(r *http.Request) string { return manager.GetString(r.Context(), "sub") },
		[]*http.Cookie{{Name: manager.Cookie.Name, Value: token}},
	})
	for _, c := range []struct {
		name  string
		store auth0.Store
	}{{loadUser, nil}, {loadUserStored, auth0.NewMemoryStore(1000)}} {
		a, err := newApp(c.store)
		if err != nil {
			return nil, err
		}
		cookies, err := a.login(ctx)
		if err != nil {
			return nil, err
		}
		pagers = append(pagers, &pager{c.name, a.strategy.LoadUser, func(r *http.Request) string {
			user, _ := auth0.UserFrom(r.Context())
			return user.Subject
		}, cookies})
	}
	for _, p := range pagers {
		if err := checkPager(ctx, p); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return pagers, nil
}

func checkPager(ctx context.Context, p *pager) error {
	if p.who == nil {
		return nil
	}
	for _, tt := range []struct {
		cookies []*http.Cookie
		known   bool
	}{{nil, false}, {strangeCookies, false}, {append(strangeCookies[:len(strangeCookies):len(strangeCookies)], p.cookies...), true}} {
		r, err := request(ctx, tt.cookies)
		if err != nil {
			return err
		}
		served, subject := false, ""
		w := httptest.NewRecorder()
		p.wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { served, subject = true, p.who(r) })).ServeHTTP(w, r)
		switch {
		case !served:
			return errors.New("the page is not served")
		case tt.known && subject == "":
			return errors.New("the middleware does not find the session")
		case !tt.known && subject != "":
			return errors.New("the middleware finds a session where there is none")
		}
	}
	return nil
}

// strangeCookies are cookies of other programs.
var strangeCookies = []*http.Cookie{
	{Name: "_ga", Value: "GA1.1.1234567890.1234567890"},
	{Name: "theme", Value: "dark"},
	{Name: "consent", Value: "eyJhbmFseXRpY3MiOmZhbHNlLCJhZHMiOmZhbHNlfQ"},
}

func pageContests(ctx context.Context) ([]contest, error) {
	pagers, err := newPagers(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range pagers {
		names = append(names, p.name)
	}
	contestOf := func(column string, cookies []*http.Cookie) contest {
		return contest{
			table: tablePages, column: column, goroutines: 1,
			names: names, reference: bareHandler, ratio: "x " + bareHandler,
			runners: func() []runner {
				var all []runner
				for _, p := range pagers {
					all = append(all, runner{p.name, p.showing(ctx, cookies)})
				}
				return all
			},
		}
	}
	return []contest{contestOf(noCookie, nil), contestOf(otherCookies, strangeCookies)}, nil
}

func (p *pager) showing(ctx context.Context, cookies []*http.Cookie) operation {
	r, err := request(ctx, cookies)
	if len(cookies) == 0 {
		r.Header.Del("Cookie")
	}
	page := p.wrap(http.HandlerFunc(plainHandler))
	return func() error {
		if err != nil {
			return err
		}
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		return answered(w.Code)
	}
}
