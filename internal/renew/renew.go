// Package renew returns the tokens of a session. It chooses among the session's tokens,
// and requests others from the tenant: access tokens by a refresh (RFC 6749, Section
// 6), and third-party tokens by an exchange at Auth0's Token Vault. All callers that
// need the same token of a session share one request to the tenant (single-flight).
//
// The package does not know requests, responses or cookies. Its caller finds the
// session of a request, and sends the changed session.
package renew

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// A Config configures [Tokens]. All fields are required, except where noted.
type Config struct {
	Sessions *session.Manager
	// Stored says that sessions are in a store and not in cookies.
	Stored   bool
	Client   *provider.Client
	IDTokens *idtoken.Verifier
	// KeepClaim selects the claims that a session stores. It can be nil, see
	// [idtoken.Identity.Kept]. KeepIDToken stores the ID token too.
	KeepClaim   func(name string) bool
	KeepIDToken bool
	// MFA returns the next step if the tenant requires a second factor before it
	// refreshes the tokens of a session. It becomes the field Next of the refusal.
	MFA func(demand *tenanterror.MFADemand, audience, scope string, record *session.Record) any
	Now func() time.Time
	Log *slog.Logger
}

// Tokens returns the tokens of the sessions of one application. It is safe for
// concurrent use. Create it with [New].
type Tokens struct {
	config  Config
	flights flights
	refused refusals
}

// New returns Tokens. It makes no request.
func New(c Config) *Tokens { return &Tokens{config: c, refused: newRefusals()} }

// early is how long before its expiry a token is replaced, so that it is still valid
// when it arrives at the API.
const early = 30 * time.Second

// A kind finds, and gets, the tokens of one kind.
type kind interface {
	// find returns the token of a session that is valid at a time.
	find(r *session.Record, at time.Time) (session.Token, bool)
	// renew gets a token from the tenant. It reports whether it has changed the
	// session, which is possible even with an error.
	renew(ctx context.Context, r *session.Record) (changed bool, err error)
	// missing returns the reason why a session has no token.
	missing(r *session.Record) error
}

// The results of kind.renew.
const unchanged, changed = false, true

func (t *Tokens) kindOf(w Wish) kind {
	if w.Connection != "" {
		return vaultTokens{t, w}
	}
	return accessTokens{t, w}
}

// Get returns a token of a session. It makes a request to the tenant if the session has
// no matching token, or if the token expires within 30 seconds.
//
// Newest is the current state of the session, nil if Get has not looked for a newer
// one. The caller sends it to the browser, even with an error: a refresh token that was
// sent is used up, whatever the result.
func (t *Tokens) Get(ctx context.Context, record *session.Record, w Wish) (_ session.Token, newest *session.Record, err error) {
	k := t.kindOf(w)
	if token, ok := k.find(record, t.config.Now().Add(early)); ok && !w.Force {
		return token, nil, nil
	}
	// A store can have a newer state, with a refresh token.
	if record.RefreshToken == "" && !t.config.Stored {
		token, err := t.last(k, record, w)
		if !needsLogin(err) || record.LoginDue {
			return token, nil, err
		}
	}
	limit := fetch.Limit(t.config.Client.HTTP, 10*time.Second, 2)
	newest, err = t.flights.do(ctx, w.key(record.ID), limit, func(ctx context.Context) (*session.Record, error) {
		return t.update(ctx, k, record, w)
	})
	if err == nil {
		token, err := t.last(k, newest, w)
		return token, newest, err
	}
	token, ok := k.find(cmp.Or(newest, record), t.config.Now())
	if !ok || w.Force || refusal.LoginRequired.IsOf(err) {
		return session.Token{}, newest, err
	}
	if w.Connection != "" {
		t.config.Log.Warn("auth0: a token of a third party could not be renewed before it expires", "err", err)
	} else {
		t.config.Log.Warn("auth0: a token could not be refreshed before it expires", "err", err)
	}
	return token, newest, nil
}

// Meets reports whether a session has the tokens that a login requests, or can get them
// without the user. The tenant may have granted less than the login of the session
// requested, and would again.
func (t *Tokens) Meets(r *session.Record, audience string, scopes []string) bool {
	if r.LoginDue || len(r.Tokens) == 0 {
		return false
	}
	first := r.Tokens[0]
	return first.Audience == audience && containsAll(strings.Fields(first.Asked), scopes) &&
		(r.RefreshToken != "" || first.ExpiresAt > t.config.Now().Unix() && t.config.Client.Proofs.Same(r.ProofKey))
}

// last returns a token of a session that cannot get a newer one, or has just got it.
// The token can be about to expire. If the caller forces a refresh, and the session has
// lost its refresh token, last returns no token, because nothing was renewed.
func (t *Tokens) last(k kind, r *session.Record, w Wish) (session.Token, error) {
	if token, ok := k.find(r, t.config.Now()); ok && (!w.Force || r.RefreshToken != "") {
		return token, nil
	}
	return session.Token{}, k.missing(r)
}

// needsLogin reports whether an error means that only another login brings a token.
func needsLogin(err error) bool {
	e, ok := errors.AsType[*refusal.Refusal](err)
	return ok && e.Row == refusal.SessionTokenExpired
}

// NoteLogin notes in a session that the user has been asked to log in again. It returns
// the current state of the session. It only logs an error of the store: without a
// working store, no login works either.
func (t *Tokens) NoteLogin(ctx context.Context, record *session.Record) *session.Record {
	newest, err := t.config.Sessions.Change(ctx, record, func(r *session.Record) (bool, error) { return noteLogin(r, unchanged), nil })
	if err != nil {
		t.config.Log.Warn("auth0: a session could not be marked for another login", "err", err)
		return record
	}
	return newest
}

// noteLogin reports whether the session has changed, by the note or before.
func noteLogin(r *session.Record, before bool) bool {
	if !r.LoginDue && !before {
		r.Refreshes++
		before = changed
	}
	r.LoginDue = true
	return before
}

// update brings the tokens of a session up to date, unless another request or process
// has done so. It returns the current state of the session, nil if that is unknown.
func (t *Tokens) update(ctx context.Context, k kind, record *session.Record, w Wish) (*session.Record, error) {
	late := ""     // the refresh token of a state that may not be stored
	var told error // another login is needed, and nothing else has changed
	newest, err := t.config.Sessions.Change(ctx, record, func(r *session.Record) (changed bool, err error) {
		defer func() { late = r.RefreshToken }()
		enough := !w.Force || r.Refreshes > record.Refreshes
		if _, ok := k.find(r, t.config.Now().Add(early)); ok && enough {
			return unchanged, nil
		}
		if r.RefreshToken == "" {
			_, err = t.last(k, r, w)
			told = err
		} else {
			changed, err = k.renew(ctx, r)
		}
		if needsLogin(err) {
			changed = noteLogin(r, changed)
		}
		return changed, err
	})
	if newest == nil && needsLogin(told) && !refusal.LoginRequired.IsOf(err) {
		return nil, told // although the store did not save the note
	}
	if newest == nil && refusal.LoginRequired.IsOf(err) && late != "" && late != record.RefreshToken {
		// A logout has meanwhile revoked the old one.
		t.Revoke(ctx, late)
	}
	return newest, err
}

// Forget removes the tokens of a connection from a session. It returns the current
// state of the session.
func (t *Tokens) Forget(ctx context.Context, record *session.Record, connection string) (*session.Record, error) {
	return t.config.Sessions.Change(ctx, record, func(r *session.Record) (bool, error) {
		return removeVaultTokens(r, func(v session.Token) bool { return v.Connection == connection }), nil
	})
}

// Revoke revokes a refresh token at the tenant. It does not wait for the response.
func (t *Tokens) Revoke(ctx context.Context, refreshToken string) {
	const limit = 2 * time.Second
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetch.Limit(t.config.Client.HTTP, limit, 2))
		defer cancel()
		if err := t.config.Client.Revoke(ctx, refreshToken); err != nil && !errors.Is(err, provider.ErrNoEndpoint) {
			t.config.Log.Warn("auth0: logout: the refresh token could not be revoked", "err", err)
		}
	}()
}
