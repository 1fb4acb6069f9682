// Package guards has tests of what every guard and every refusal has in common, on
// pages and on APIs. It has no code.
package guards
