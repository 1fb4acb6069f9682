// Package grants has tests of logins and tokens without a browser: password, second
// factors, passwordless, client credentials, token exchange, how an application
// authenticates, and the answers of Auth0 in testdata/tenant. It has no code.
package grants
