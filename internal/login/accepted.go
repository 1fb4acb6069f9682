package login

import (
	"encoding/json"

	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// An Accepted login was completed and verified. Its session has not begun.
type Accepted struct {
	Result
	ReturnTo string // where the browser goes next
	AppState json.RawMessage
	Data     map[string]string // of the application, for the session
	// Persistent is the choice of the login, see [authrequest.Kept].
	Persistent *bool

	Scope    string // that was asked for
	Audience string
	Recovery secret.Text // the next recovery code of the person
	Session  string      // id of the session that the browser had when the login began
	Cookies  []string    // names of that session's cookies
	Began    string      // id of the session that the login has begun
	// Continued is the answer to a refresh that needed a second factor.
	Continued *provider.TokenResponse

	claims string // of the ID token, those that are kept
}

// Claims returns the claims of the ID token for which keep returns true. It asks once: the
// application sees in its hook what the session will have.
func (a *Accepted) Claims(keep func(name string) bool) string {
	if a.claims == "" {
		a.claims = string(a.Identity.Kept(keep))
	}
	return a.claims
}

// Accept returns the login that a transaction has come to.
func Accept(jar *transaction.Jar, t *transaction.Transaction, got Result, returnTo string) *Accepted {
	return &Accepted{
		Result: got, ReturnTo: returnTo, AppState: t.AppState, Scope: t.Scope, Audience: t.Audience, Persistent: t.Persistent,
		Session: t.Session, Cookies: jar.SessionCookies(t),
	}
}
