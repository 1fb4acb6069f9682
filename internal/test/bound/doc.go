// Package bound has tests of sender-constrained tokens at an API: DPoP proofs, and
// client certificates. It has no code.
package bound
