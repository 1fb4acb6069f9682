// Package login has tests of the login from the first request to the callback: the
// request, the transaction, the ID token, response types and modes, the implicit grant,
// silent logins, pop-ups and organizations. It has no code.
package login
