// Package migrate shows how an application moves to package auth0 from another session
// library without logging its users out: from gorilla/sessions, gin-contrib/sessions or
// alexedwards/scs.
//
// The new version of the application still reads the old sessions, and writes none. A
// user with an old session gets a session of package auth0 instead. Remove the old
// library once its longest session is over.
//
// During a rolling deployment, instances with the old version cannot read a session
// that has moved. Keep each user on one version, with sticky sessions for example.
//
// The packages below this one are whole applications before and after a move, for the
// guides docs/from-auth0-sample.md, from-go-jwt-middleware.md, from-goth.md and
// from-go-oidc.md.
package migrate

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	ginsessions "github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/sessions"
	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
)

// An Old is the session of a request in the old library.
type Old struct {
	Get    func(name string) any // returns nil for an unknown name
	Delete func() error          // deletes the session and its cookie
}

// A Find returns the session of a request in the old library.
type Find func(http.ResponseWriter, *http.Request) (Old, error)

// Gorilla finds a session of gorilla/sessions by its name. The error is about a forged
// or damaged cookie.
func Gorilla(store sessions.Store, name string) Find {
	return func(w http.ResponseWriter, r *http.Request) (Old, error) {
		session, err := store.Get(r, name)
		if err != nil {
			return Old{}, err
		}
		return Old{
			Get: func(name string) any { return session.Values[name] },
			Delete: func() error {
				session.Options.MaxAge = -1
				return session.Save(r, w)
			},
		}, nil
	}
}

// Gin finds the session of gin-contrib/sessions, whose middleware runs before.
func Gin(c *gin.Context) Find {
	return func(http.ResponseWriter, *http.Request) (Old, error) {
		session := ginsessions.Default(c)
		return Old{
			Get: func(name string) any { return session.Get(name) },
			Delete: func() error {
				session.Clear()
				session.Options(ginsessions.Options{Path: "/", MaxAge: -1}) // path and domain as before
				return session.Save()
			},
		}, nil
	}
}

// SCS finds the session of alexedwards/scs, whose LoadAndSave runs before.
func SCS(manager *scs.SessionManager) Find {
	return func(_ http.ResponseWriter, r *http.Request) (Old, error) {
		return Old{
			Get:    func(name string) any { return manager.Get(r.Context(), name) },
			Delete: func() error { return manager.Destroy(r.Context()) },
		}, nil
	}
}

// Move takes over the old session of a request that has no session here. It belongs
// inside [auth0.Strategy.LoadUser], and outside of every guard.
func Move(strategy *auth0.Strategy, find Find, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := strategy.Session(r); !errors.Is(err, auth0.ErrNoSession) {
			next.ServeHTTP(w, r) // there is a session, or the store is unreachable
			return
		}
		old, err := find(w, r)
		if err != nil || text(old, "sub") == "" { // a forged cookie, or a visitor who is not logged in
			next.ServeHTTP(w, r)
			return
		}
		tooOld := false
		if err := strategy.ImportSession(w, r, imported(old)); err != nil {
			if tooOld = errors.Is(err, auth0.ErrNoSession); !tooOld {
				strategy.WriteError(w, r, err) // the old session stays, for the next request
				return
			}
		}
		if err := old.Delete(); err != nil {
			strategy.WriteError(w, r, err)
			return
		}
		if tooOld {
			next.ServeHTTP(w, r)
			return
		}
		// The session begins with the next request, so the browser repeats this one, also a
		// form.
		w.Header().Set("Location", again(r))
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
}

// again returns the URL of a request. It is relative, because a proxy can have removed the
// begin of the path that the browser knows.
func again(r *http.Request) string {
	path := r.URL.EscapedPath()
	if r.URL.RawQuery != "" || path == "" {
		return "?" + r.URL.RawQuery
	}
	return "./" + path[strings.LastIndex(path, "/")+1:]
}

// imported translates the names of the old application, which has verified an ID token
// before it stored these values.
func imported(old Old) auth0.ImportedSession {
	loggedInAt, _ := old.Get("logged_in_at").(int64)
	session := auth0.ImportedSession{
		User:       auth0.User{Subject: text(old, "sub"), Name: text(old, "name"), Email: text(old, "email")},
		Data:       map[string]string{"cart": text(old, "cart")},
		SessionID:  text(old, "sid"),
		LoggedInAt: time.Unix(loggedInAt, 0),
	}
	if refreshToken := text(old, "refresh_token"); refreshToken != "" {
		session.Token = &oauth2.Token{RefreshToken: refreshToken}
	}
	return session
}

func text(old Old, name string) string {
	value, _ := old.Get(name).(string)
	return value
}
