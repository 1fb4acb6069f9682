// Package config has tests of what New and ConfigFromEnv accept, refuse and warn about.
// It has no code.
package config
