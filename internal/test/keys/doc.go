// Package keys has tests of signing keys: fetching, caching, rotation, outages, keys that
// a program gives, issuers that a function names, and bad keys. It has no code.
package keys
