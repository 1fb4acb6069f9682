// Package signout contains the routes by which sessions end: the user's logout, and the
// tenant's back-channel logout.
//
// The package does not know how a session starts, or the visitor's texts for a failed
// logout.
package signout

import (
	"log/slog"

	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// Config holds the dependencies of Routes.
type Config struct {
	Site          *site.Site
	Visits        *visit.Visits
	Transactions  *transaction.Jar
	Policy        *logout.Policy
	Confirmations logout.Confirmations
	Client        *provider.Client
	IDTokens      *idtoken.Verifier
	// Row returns the row with which an error is answered.
	Row func(error) refusal.Row
	Log *slog.Logger
}

// Routes end the sessions of one application.
type Routes struct{ c Config }

// New returns the routes.
func New(c Config) *Routes { return &Routes{c} }
