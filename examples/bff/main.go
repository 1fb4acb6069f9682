// Command bff is a page with JavaScript and the server behind it (a backend for the
// frontend): the page calls the server with the session, and has no token. Server-sent
// events keep it up to date, and end when the session ends.
//
// Without any configuration it starts its own tenant. With AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SECRET and APP_BASE_URL it uses another one.
// PORT is the port to listen on, 3000 by default.
package main

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/examples/internal/demo"
)

//go:embed web/*.js web/*.svg
var files embed.FS

//go:embed web/*.html
var templates embed.FS

var page = template.Must(template.ParseFS(templates, "web/index.html"))

func main() {
	program := demo.Start("Shopping", demo.WebVariables)
	program.Serve(newApp(program.Config))
}

// An app keeps a list for each user.
type app struct {
	strategy *auth0.Strategy
	mu       sync.Mutex
	lists    map[string][]string // by subject
}

func newApp(cfg auth0.Config) (http.Handler, error) {
	cfg.Store = auth0.NewMemoryStore(10_000) // in cookies alone, a stream would not notice a logout
	strategy, err := auth0.New(cfg)
	if err != nil {
		return nil, err
	}
	a := &app{strategy: strategy, lists: map[string][]string{}}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page.Execute(w, demo.Path(cfg.BaseURL))
	})
	mux.Handle("GET /api/me", strategy.RequireSession(http.HandlerFunc(me)))
	mux.Handle("POST /api/items", strategy.RequireSession(http.HandlerFunc(a.add)))
	mux.Handle("GET /events", strategy.RequireSession(http.HandlerFunc(a.events)))
	handler := http.NewCrossOriginProtection().Handler(strategy.LoadUser(mux)) // browsers send the session from pages of other sites too
	return demo.Headers("default-src 'self'; form-action 'self'", demo.Files(files, handler)), nil
}

func me(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	demo.JSON(w, http.StatusOK, map[string]string{"name": cmp.Or(user.GivenName, user.Name, user.Email, user.Subject)})
}

func (a *app) add(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	item := strings.TrimSpace(r.PostFormValue("item"))
	a.mu.Lock()
	defer a.mu.Unlock()
	if item == "" || len(item) > 100 || len(a.lists[user.Subject]) == 50 {
		demo.JSON(w, http.StatusBadRequest, map[string]string{"error": "an item has 1 to 100 bytes, and a list has at most 50 items"})
		return
	}
	a.lists[user.Subject] = append(a.lists[user.Subject], item)
	w.WriteHeader(http.StatusNoContent)
}

func (a *app) list(subject string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	text, _ := json.Marshal(append([]string{}, a.lists[subject]...)) // strings can be encoded; no list is an empty one
	return string(text)
}

// events sends the list of the user whenever it has changed. Each second it looks for the
// session again, in a context that does not hold the one of the request.
func (a *app) events(w http.ResponseWriter, r *http.Request) {
	user, _ := auth0.UserFrom(r.Context())
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	sent, second := "", time.Tick(time.Second)
	for {
		_, err := a.strategy.Session(r.Clone(context.Background()))
		if errors.Is(err, auth0.ErrNoSession) {
			fmt.Fprint(w, "event: end\ndata:\n\n")
			return
		}
		list := a.list(user.Subject)
		if list != sent {
			fmt.Fprintf(w, "data: %s\n\n", list)
			sent = list
		}
		if err != nil || http.NewResponseController(w).Flush() != nil {
			return // the store is unreachable, and the browser connects again; or it has left
		}
		select {
		case <-second:
		case <-r.Context().Done():
			return
		}
	}
}
