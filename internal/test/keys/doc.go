// Package keys has tests of signing keys: fetching, caching, rotation, outages, several
// issuers and bad keys. It has no code.
package keys
