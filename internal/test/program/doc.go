// Package program has tests of programs without a login page. The name of a file begins
// with its subject:
//
//   - application: auth0.Application, made by NewApplication, without base URL, cookies
//     and sessions.
//   - config: the configuration that New and ConfigFromEnv accept, reject and warn about.
//   - grants: password, second factors, passwordless, client credentials, token exchange,
//     how an application authenticates, and the answers of Auth0 in testdata/tenant.
//
// It has no code.
package program
