package renew

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Wish describes the token that a caller needs.
type Wish struct {
	Audience string   // empty for the API of the login
	Scopes   []string // none for any
	Force    bool     // skips the cached token

	// Connection requests a third party's token instead. LoginHint names the account
	// there. Without it, the tenant chooses.
	Connection, LoginHint string
}

// key tells apart the wishes that one request to the tenant cannot fulfil together. The
// session comes first, because a token must never reach another session.
func (w Wish) key(session string) string {
	scopes := slices.Sorted(slices.Values(w.Scopes))
	return fmt.Sprintf("%q %q %q %v %q %q", session, w.Audience, scopes, w.Force, w.Connection, w.LoginHint)
}

// A Choice is a Wish that options describe, and the mistakes in the options.
type Choice struct {
	wish Wish
	errs []error
}

// Fail notes a mistake in an option.
func (c *Choice) Fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// Wish returns the wish. A mistake is one of the program.
func (c *Choice) Wish() (Wish, error) {
	if w := c.wish; w.Connection != "" && (w.Audience != "" || len(w.Scopes) > 0) {
		c.Fail("ForConnection and ForAudience select different tokens")
	}
	if len(c.errs) > 0 {
		return Wish{}, refusal.Internal.Wrap(errors.Join(c.errs...))
	}
	return c.wish, nil
}

// An Option describes one property of a token.
type Option func(*Choice)

// ForAudience chooses a token for an API, with at least these scopes. A missing setting
// must not send a token to the wrong place.
func ForAudience(audience string, scopes ...string) Option {
	scopes = slices.Clone(scopes)
	return func(c *Choice) {
		if audience == "" {
			c.Fail("ForAudience: the audience is empty")
		}
		c.wish.Audience, c.wish.Scopes = audience, scopes
	}
}

// Force skips the cached token.
func Force() Option { return func(c *Choice) { c.wish.Force = true } }

// ForConnection chooses the token of a third party, for the account that the hint names.
func ForConnection(connection string, loginHint ...string) Option {
	hint, hints := strings.Join(loginHint, ""), len(loginHint)
	return func(c *Choice) {
		c.wish.Connection, c.wish.LoginHint = connection, hint
		switch {
		case connection == "":
			c.Fail("ForConnection: the name of the connection is empty")
		case !syntax.IsConnectionName(connection):
			c.Fail("ForConnection: %.40q is not a connection name", connection)
		case hints > 1:
			c.Fail("ForConnection: there are %d login hints; at most one is possible", hints)
		case len(hint) > 320 || !syntax.CleanText(hint):
			c.Fail("ForConnection: the login hint is too long or has control characters")
		}
	}
}
