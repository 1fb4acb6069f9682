//go:build !race

package auth0_test

const raceDetector = false
