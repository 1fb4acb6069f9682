// Package testkit is shared by the tests of the module: a network without sockets,
// logs, a clock, a browser, keys, a forge of tokens, and stores that fail. It is for
// tests only, and it does not know the internals of the library: it uses the public
// API and the emulator of a tenant.
//
// There are two environments. An [Env] is a web application and its tenant: SignedIn
// and the other functions of that name make one in which ada is logged in at the
// tenant, and [Env.Browser] returns a browser. An [APIEnv] is an API and its issuer:
// NewAPIEnv makes one in which it is noon.
//
// To change a token that the tenant signs, use [Claim], [ClaimIn] and [Header]. To
// make a token that a test signs, use an [Object], a [Signer] and [Compact]. A
// function that starts a bubble of testing/synctest has Bubble in its name, one that
// also compares headers has Whole, and one whose environment starts with a user at the
// tenant has SignedIn.
package testkit
