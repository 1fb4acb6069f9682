// Package examples has tests of the programs in examples, as processes: their
// output, their pages, and their work behind a proxy. It has no code.
package examples
