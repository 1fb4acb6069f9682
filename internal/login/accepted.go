package login

import (
	"encoding/json"

	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// An Accepted login is complete and verified. Its session has not started.
type Accepted struct {
	Result
	ReturnTo string // the next page of the browser
	AppState json.RawMessage
	Data     map[string]string // of the application, for the session
	// Persistent is the choice of the login, see [authrequest.Kept].
	Persistent *bool

	Scope    string // as requested
	Audience string
	Recovery secret.Text // the user's next recovery code
	Session  string      // id of the session that the browser had when the login began
	Cookies  []string    // names of that session's cookies
	Began    string      // id of the session that the login has started
	// Continued is the response to a refresh that required a second factor.
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

// Accept returns the login that completes a transaction.
func Accept(jar *transaction.Jar, t *transaction.Transaction, got Result, returnTo string) *Accepted {
	return &Accepted{
		Result: got, ReturnTo: returnTo, AppState: t.AppState, Scope: t.Scope, Audience: t.Audience, Persistent: t.Persistent,
		Session: t.Session, Cookies: jar.SessionCookies(t),
	}
}
