// Package session has tests of the session: cookies, stores, lifetimes, several
// applications, and what happens when a store fails. It has no code.
package session
