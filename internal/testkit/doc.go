// Package testkit is what the tests of the module share: a network without sockets,
// logs, a clock, a browser, keys, a forge of tokens, and stores that fail. It is for
// tests alone, and it must not know how the library does what it does: it uses the
// public API and the emulator of a tenant.
//
// There are two environments. An [Env] is a web application and its tenant: SignedIn
// and the other functions of that name make one in which ada is signed in at the
// tenant, and [Env.Browser] returns a browser. An [APIEnv] is an API and its issuer:
// NewAPIEnv makes one in which it is noon.
//
// A token that the tenant signs is changed with [Claim], [ClaimIn] and [Header]. A
// token that a test signs is put together from an [Object], a [Signer] and [Compact].
// A function that starts a bubble of testing/synctest has Bubble in its name, one that
// compares headers too has Whole, and one whose environment begins with a user at the
// tenant has SignedIn.
package testkit
