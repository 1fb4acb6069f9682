package auth0

import (
	"net/http"
	"slices"
	"time"
)

// A ConnectedAccount is a third-party account that the user has connected, so that
// [ForConnection] returns its tokens.
type ConnectedAccount struct {
	ID         string   `json:"id"` // cac_...
	Connection string   `json:"connection"`
	AccessType string   `json:"access_type"` // "offline" if the tenant can refresh its tokens
	Scopes     []string `json:"scopes"`
	// CreatedAt is the time of the connection. ExpiresAt is the time when the user has
	// to connect the account again, zero if it is unknown.
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// ConnectAccountHandler lets a logged-in user connect an account at the provider of a
// connection, by the tenant's My Account API. Mount it for GET and POST behind
// [Strategy.RequireLogin] on its own path, and register that URL as an Allowed
// Callback URL of the application: the browser returns there with GET. A POST starts;
// a link cannot. Allow the application the My Account API in its refresh token
// policies, with the scopes create:, read: and delete:me:connected_accounts. Logins
// must request offline_access.
//
// The handler reads connection and returnTo from the posted form, or from its query.
// It rejects requests of other sites and of users who have to log in first. So put
// the form on a page for logged-in users. Scopes are the provider's. Without any, the
// tenant requests the scopes of the connection.
//
// Connecting a connected account again is not an error. Cached tokens of
// [ForConnection] for the connection are deleted.
func (s *Strategy) ConnectAccountHandler(scopes ...string) http.Handler {
	scopes = slices.Clone(scopes)
	return s.handler("connect", func(w http.ResponseWriter, r *http.Request) error { return s.accounts.Connect(w, r, scopes) })
}

// ConnectedAccounts returns the connected accounts of the logged-in user. Call it where
// [Strategy.SaveSession] can be called.
func (s *Strategy) ConnectedAccounts(w http.ResponseWriter, r *http.Request) ([]ConnectedAccount, error) {
	return op("accounts", s, func() (list []ConnectedAccount, err error) {
		connected, err := s.accounts.List(w, r)
		for _, account := range connected {
			list = append(list, ConnectedAccount(account))
		}
		return list, err
	})
}

// DisconnectAccount disconnects all accounts of a connection of the logged-in user.
// Without such an account it succeeds. If accounts remain, the error names their ids.
// Call it where [Strategy.SaveSession] can be called.
func (s *Strategy) DisconnectAccount(w http.ResponseWriter, r *http.Request, connection string) error {
	return do("accounts", s, func() error { return s.accounts.Disconnect(w, r, connection) })
}
