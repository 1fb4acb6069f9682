// Package signout has the routes by which sessions end: the logout of a user, and the
// back-channel logout of the tenant.
//
// The package does not know how a session begins, or what a visitor reads when a logout
// fails.
package signout

import (
	"log/slog"

	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// Config is what signing out needs.
type Config struct {
	Site          *site.Site
	Visits        *visit.Visits
	Tokens        *renew.Tokens
	Transactions  *transaction.Jar
	Policy        *logout.Policy
	Confirmations logout.Confirmations
	Client        *provider.Client
	IDTokens      *idtoken.Verifier
	// Row returns the row that an error is answered with.
	Row func(error) refusal.Row
	Log *slog.Logger
}

// Routes end the sessions of one application.
type Routes struct{ c Config }

// New returns the routes.
func New(c Config) *Routes { return &Routes{c} }
