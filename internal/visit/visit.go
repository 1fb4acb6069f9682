// Package visit finds the session of a request, once, and keeps it in the context of the
// request, together with the session that the response sets. It sends a session whose
// tokens have changed to the browser. It also keeps two small marks in a browser: that a
// login was lost, and that a silent login was tried.
//
// The package does not know how a session begins, tenants, or the answer to a request
// without a session.
package visit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// Visits finds the sessions of one application.
type Visits struct {
	Cookies  *cookie.Names
	Sessions *session.Manager
	Tokens   *renew.Tokens // of the sessions
	// Origin returns the origin of the site that a request is for.
	Origin func(*http.Request) (string, error)
	Marks  Marks
	Log    *slog.Logger
}

// A Visit has the session of one request, or the reason for its absence. Once it is in a
// context, only the session of the response changes.
type Visit struct {
	session.Loaded
	Decoded memo.Types // claims of the session
	of      *Visits
}

// ownKey is the key of the session.Loaded of a request in its context. Each application has
// its own, because a request can be inside two.
type ownKey struct{ of *Visits }

// Key is the key of a Visit in a context.
type Key struct{}

// TokenOnly is the visit of every request that an access token authenticates.
var TokenOnly = &Visit{
	Loaded: session.Loaded{
		Err: refusal.LoginRequired.Because("the request was authenticated by an access token, not by a session"),
	},
}

// Of returns the visit of a user who does not come from a request. No Visits takes it for
// its own. The record can be nil: then the visit has no user.
func Of(record *session.Record) *Visit {
	return &Visit{Loaded: session.Loaded{Record: record}, of: &Visits{}}
}

// A visited is the context of a request with its visit: one allocation instead of two
// for each request.
//
// Its first fields have the names of those in the context of [context.WithValue]. The
// net/http adaptors of Fiber find values of a context only by these names.
type visited struct {
	context.Context
	key, val any // Key{} and the visit
}

// newVisited returns a context, and its new visit. Both are in one allocation. The visit
// is not a field of the context, because package fmt prints the fields.
func newVisited(ctx context.Context) (*visited, *Visit) {
	all := &struct {
		visited
		visit Visit
	}{visited: visited{Context: ctx, key: Key{}}}
	all.val = &all.visit
	return &all.visited, &all.visit
}

// Value returns the visit for its key, and its [session.Loaded] for the key of its
// application.
func (v *visited) Value(key any) any {
	switch key := key.(type) {
	case Key:
		return v.val
	case ownKey:
		if visit := v.val.(*Visit); visit.of == key.of {
			return &visit.Loaded
		}
	}
	return v.Context.Value(key)
}

// Format hides the cookies and the session from every verb of package fmt.
func (v *visited) Format(f fmt.State, _ rune) { fmt.Fprint(f, "visit.visited") }

// In returns the visit in a context, nil if there is none.
func In(ctx context.Context) *Visit {
	v, _ := ctx.Value(Key{}).(*Visit)
	return v
}

// In returns the visit of this application that Load has put into a context, nil if
// there is none.
func (vs *Visits) In(ctx context.Context) *Visit {
	v := In(ctx)
	if v == nil || v.of != vs && v != TokenOnly {
		return nil
	}
	return v
}

// find reads the session of a request into v, which is new. A page of another site can
// open a WebSocket with the cookies of the user. So a request to upgrade has a session
// only if its Origin is the site. Browsers always send Origin with it (RFC 6455, Section
// 4.1).
func (vs *Visits) find(r *http.Request, v *Visit) {
	v.of, v.Jar = vs, vs.Jar(r)
	vs.Sessions.Load(r.Context(), &v.Loaded)
	if v.Record == nil || !browser.Upgrades(r) {
		return
	}
	own, err := vs.Origin(r)
	if origins := r.Header["Origin"]; err == nil && (len(origins) != 1 || origins[0] != own) {
		err = refusal.CrossOrigin.Because(
			"a request to upgrade has the Origin header %.100q, which differs from the origin of the site", origins)
	}
	if err != nil {
		v.Record, v.Err = nil, err
	}
}

// Load finds the session, prolongs it if that is due, and returns the request with the
// visit in its context. It reports whether it wrote the session.
func (vs *Visits) Load(w http.ResponseWriter, r *http.Request) (_ *http.Request, wrote bool) {
	ctx, v := newVisited(r.Context())
	vs.find(r, v)
	cookie.VaryCookie(w.Header())
	if v.Record != nil || v.Err != nil {
		browser.MarkPrivate(w.Header())
	}
	if browser.Uses(r) {
		wrote = vs.use(w, r, v)
	}
	if down, ok := errors.AsType[*refusal.Refusal](v.Err); ok && down.Row == refusal.Store {
		vs.Log.Warn("auth0: sessions cannot be read", "err", down.Err)
	}
	return r.WithContext(ctx), wrote
}

// use prolongs the session of a request that uses it, or deletes the cookie of a
// session that is over.
func (vs *Visits) use(w http.ResponseWriter, r *http.Request, v *Visit) (wrote bool) {
	if v.Record != nil {
		cookie.Uncacheable(w.Header())
		vs.Marks.FoundSession(w, v.Jar)
	}
	wrote, err := vs.Sessions.Touch(w, r, &v.Loaded)
	if err != nil {
		vs.Log.Warn("auth0: the session could not be prolonged", "err", err)
	}
	return wrote
}

// errNotMade is the error of public types whose *Visits is nil.
var errNotMade = refusal.Misconfigured.Because("this Strategy was not made by New")

// Record returns the session of a request. The error is the reason for its absence.
func (vs *Visits) Record(r *http.Request) (*session.Record, error) {
	v, err := vs.Find(r)
	if err != nil {
		return nil, err
	}
	return v.Record, nil
}

// Find returns the visit of a request, which has a session. The error is the reason for
// its absence.
func (vs *Visits) Find(r *http.Request) (*Visit, error) {
	if vs == nil {
		return nil, errNotMade
	}
	v := vs.In(r.Context())
	if v == nil {
		v = &Visit{}
		vs.find(r, v)
	}
	switch {
	case v.Err != nil:
		return nil, v.Err
	case v.Record == nil:
		return nil, refusal.LoginRequired.New()
	}
	return v, nil
}

// errNotLoaded is the error for a request that is neither loaded nor prepared. The session
// that its response sets is not known: it can have other data, or belong to another user.
var errNotLoaded error = refusal.Misconfigured.Because("the handler is not inside Strategy.LoadUser; wrap the whole application with it")

// Loaded returns the sessions of a request and of its response. It fails unless
// [Visits.Load] or [Visits.Prepare] has prepared the request.
func (vs *Visits) Loaded(r *http.Request) (*session.Loaded, error) {
	if vs == nil {
		return nil, errNotMade
	}
	if l := vs.own(r.Context()); l != nil {
		return l, nil
	}
	return nil, errNotLoaded
}

// own returns the sessions that are in a context for this application, nil for none.
func (vs *Visits) own(ctx context.Context) *session.Loaded {
	if l, ok := ctx.Value(ownKey{vs}).(*session.Loaded); ok {
		return l
	}
	if v := vs.In(ctx); v != nil && v != TokenOnly { // an adaptor has copied the visit
		return &v.Loaded
	}
	return nil
}

// Prepare makes [Visits.Loaded] succeed for a request of a handler that can be outside of
// Load. It reads the cookies, but no session.
func (vs *Visits) Prepare(r *http.Request) *http.Request {
	if vs.own(r.Context()) != nil {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), ownKey{vs}, &session.Loaded{Jar: vs.Jar(r)}))
}

// Jar returns the cookies of a request.
func (vs *Visits) Jar(r *http.Request) cookie.Jar {
	if len(r.Header["Cookie"]) == 0 {
		return cookie.Jar{}
	}
	if l := vs.own(r.Context()); l != nil {
		return l.Jar
	}
	return vs.Cookies.Read(r)
}

// Current returns the session that the response sets. If it sets none, Current
// returns the session of the request, unless that was ended meanwhile. It also returns
// the result of [Visits.Loaded].
func (vs *Visits) Current(r *http.Request) (*session.Record, *session.Loaded, error) {
	l, err := vs.Loaded(r)
	switch {
	case err == errNotLoaded && vs.In(r.Context()) == TokenOnly:
		return nil, nil, TokenOnly.Err
	case err != nil:
		return nil, nil, err
	}
	record, err := vs.Sessions.Current(l, func() (*session.Record, error) { return vs.Record(r) })
	return record, l, err
}

// Commit stores the data of the application in the session of a request, which Find has
// returned for that request.
func (vs *Visits) Commit(w http.ResponseWriter, r *http.Request, read *Visit, data map[string]string) error {
	current, l, err := vs.Current(r)
	if err != nil {
		return err
	}
	if current.ID != read.Record.ID {
		return refusal.Internal.Because("the session belongs to another request; a session cannot be kept from one request to another")
	}
	return vs.Sessions.Commit(r.Context(), w, l, current, read.Record, data)
}

// End ends the session of a request and the one of its response.
func (vs *Visits) End(w http.ResponseWriter, r *http.Request) error {
	l, err := vs.Loaded(r)
	if err != nil {
		return err
	}
	return vs.Sessions.Destroy(r.Context(), w, l)
}
