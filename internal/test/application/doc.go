// Package application has the tests of auth0.Application as a program without web pages
// uses it: made by NewApplication, without base URL, cookies and sessions. It has no code.
package application
