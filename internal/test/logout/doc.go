// Package logout has tests of logout at the application, at the tenant and by back-
// channel, and the marks that keep ended sessions ended. It has no code.
package logout
