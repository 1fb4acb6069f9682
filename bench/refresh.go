package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// refreshFigures describe concurrent requests of one session that all need a token when
// the session's token is about to expire.
type refreshFigures struct {
	Name string
	// The numbers of requests to the tenant: first while all wait for it, then by
	// requests that were under way and still have the old cookie.
	Together, Late int
	Answered       int // of all requests, with a new token
}

const (
	refreshRequests = 50
	refreshTakes    = 100 * time.Millisecond
)

// measureRefreshes compares this library with a program that keeps an oauth2.Token in its
// session.
func measureRefreshes(ctx context.Context) ([]refreshFigures, error) {
	var all []refreshFigures
	for _, c := range []struct {
		name   string
		store  auth0.Store
		source func(*app) func(*http.Request) (*oauth2.Token, error)
	}{
		{oursInCookie, nil, ourTokens},
		{oursInMemory, auth0.NewMemoryStore(1000), ourTokens},
		{"oauth2.Config.TokenSource", nil, tokensByHand},
	} {
		f, err := measureRefresh(ctx, c.store, c.source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		f.Name = c.name
		all = append(all, f)
	}
	return all, nil
}

func ourTokens(a *app) func(*http.Request) (*oauth2.Token, error) {
	return func(r *http.Request) (*oauth2.Token, error) { return a.strategy.AccessToken(newHeaderWriter(), r) }
}

// tokensByHand makes a source for each request, from the token of its session.
func tokensByHand(a *app) func(*http.Request) (*oauth2.Token, error) {
	config := a.tenant.Config()
	conf := oauth2.Config{
		ClientID: config.ClientID, ClientSecret: config.ClientSecret,
		Endpoint: oauth2.Endpoint{TokenURL: a.tenant.URL() + "oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	kept := oauth2.Token{AccessToken: a.token, RefreshToken: a.refresh, Expiry: time.Now().Add(-time.Second)}
	return func(r *http.Request) (*oauth2.Token, error) {
		token := kept
		ctx := context.WithValue(r.Context(), oauth2.HTTPClient, config.HTTPClient)
		return conf.TokenSource(ctx, &token).Token()
	}
}

func measureRefresh(ctx context.Context, store auth0.Store, source func(*app) func(*http.Request) (*oauth2.Token, error)) (refreshFigures, error) {
	a, err := newApp(store)
	if err != nil {
		return refreshFigures{}, err
	}
	a.tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["expires_in"] = 20 })
	cookies, err := a.login(ctx)
	if err != nil {
		return refreshFigures{}, err
	}
	a.tenant.EditTokenResponse(nil)
	a.tenant.Delay(auth0test.Token, refreshTakes)
	token := source(a)
	before := a.tenant.Calls(auth0test.Token)
	first := tokensTogether(ctx, cookies, token)
	between := a.tenant.Calls(auth0test.Token)
	second := tokensTogether(ctx, cookies, token)
	f := refreshFigures{Together: between - before, Late: a.tenant.Calls(auth0test.Token) - between}
	for _, t := range append(first, second...) {
		if t != "" && t != a.token {
			f.Answered++
		}
	}
	return f, nil
}

// tokensTogether lets requests with the same cookies arrive together and returns
// the token of each, empty for none.
func tokensTogether(ctx context.Context, cookies []*http.Cookie, token func(*http.Request) (*oauth2.Token, error)) []string {
	got := make([]string, refreshRequests)
	var requests sync.WaitGroup
	start := make(chan struct{})
	for i := range got {
		requests.Go(func() {
			<-start
			r, err := request(ctx, cookies)
			if err != nil {
				return
			}
			if t, err := token(r); err == nil {
				got[i] = t.AccessToken
			}
		})
	}
	close(start)
	requests.Wait()
	return got
}
