// Package connections has tests of the list of connections and its cache, of accounts
// that a user connects, and of custom OAuth2 connections, from their creation to a
// request with the user's token. It has no code.
package connections
