// Package examples has tests of the programs in examples, as processes: what they
// print, what they serve, and that they work behind a proxy. It has no code.
package examples
