// Package routers shows how the handlers and guards of package auth0 are used
// with routers other than net/http's. It has nothing but examples, each of which
// runs against a tenant of its own.
package routers
