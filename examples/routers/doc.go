// Package routers shows how to use the handlers and guards of package auth0 with routers
// other than net/http's. It has only examples and tests. Each runs against its own
// tenant.
package routers
