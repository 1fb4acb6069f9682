// Package connections has tests of accounts that a user connects, and third-party
// connections from creation to a call with the user's token. It has no code.
package connections
