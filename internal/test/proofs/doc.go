// Package proofs has tests of tokens that are bound to a key of the application (DPoP):
// logins, refreshes, grants, and calls of APIs. It has no code.
package proofs
