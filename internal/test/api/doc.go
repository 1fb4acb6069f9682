// Package api has tests of the API side with good keys: where a token comes from, its
// form, header and claims, the guards of routes, the cache of verified tokens, events,
// and the answers. It has no code.
package api
