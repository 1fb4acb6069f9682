// Package api has tests of an API that accepts bearer tokens. The name of a file begins
// with its subject:
//
//   - api: good keys: where a token comes from, its form, header and claims, the guards
//     of routes, the cache of verified tokens, events, the answers.
//   - bound: sender-constrained tokens: DPoP proofs and client certificates.
//   - keys: signing keys: fetching, caching, rotation, outages, keys that a program gives,
//     issuers that a function names, bad keys.
//   - vectors: the tokens of testdata/bad-tokens.json, one by one.
//
// It has no code.
package api
