// Package vectors has tests of the tokens of testdata/bad-tokens.json, one by one. It
// has no code.
package vectors
