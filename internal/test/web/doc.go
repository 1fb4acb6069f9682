// Package web has tests of an application with a login. The name of a file begins with
// its subject:
//
//   - login: the login from the first request to the callback: the request, the
//     transaction, the ID token, response types and modes, the implicit grant, silent
//     logins, pop-ups, organizations.
//   - logout: logout at the application, at the tenant and by back-channel, and the marks
//     that keep ended sessions ended.
//   - session: cookies, stores, lifetimes, several applications, a store that fails.
//   - tokens: tokens of a session: refresh, rotation, several audiences, tokens of
//     connections.
//   - connections: the list of connections and its cache, accounts that a user connects,
//     and custom OAuth2 connections, from their creation to a request with the user's
//     token.
//   - guards: the rules that all guards and all rejections share, on pages and on APIs: the
//     one principal of a request or a context, errors of functions of the application.
//   - proofs: tokens bound to a key of the application (DPoP): logins, refreshes, grants,
//     calls of APIs.
//   - logs: logs, errors and formatted values: no secrets, short lines, the cause.
//
// It has no code.
package web
