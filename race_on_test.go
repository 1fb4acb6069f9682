//go:build race

package auth0_test

// raceDetector: it allocates by itself, so that allocations cannot be counted.
const raceDetector = true
