// Package guards has tests of the rules that all guards and all refusals share, on pages
// and on APIs: the one principal of a request or a context, and the errors of functions
// of the application. It has no code.
package guards
