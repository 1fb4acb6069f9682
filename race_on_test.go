//go:build race

package auth0_test

// raceDetector: the race detector itself allocates, so the tests cannot count
// allocations.
const raceDetector = true
