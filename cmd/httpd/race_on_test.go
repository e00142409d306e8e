//go:build race

package main

// raceFlags has the binary under test built as the test itself was.
var raceFlags = []string{"-race"}
