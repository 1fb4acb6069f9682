// Package tokens has tests of tokens of a session: refresh, rotation, several
// audiences, and tokens of connections. It has no code.
package tokens
