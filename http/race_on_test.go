//go:build race

package http

// raceDetector: its sync.Pool drops at random, so allocations cannot be counted.
const raceDetector = true
