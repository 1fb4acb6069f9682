// Package connections has tests of the list of connections and its cache, of accounts
// that a user connects, and of third-party connections from creation to a call with
// the user's token. It has no code.
package connections
