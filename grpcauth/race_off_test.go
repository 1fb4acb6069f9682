//go:build !race

package grpcauth_test

const raceDetector = false
