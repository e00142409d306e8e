package ws

import (
	"runtime/debug"
	"slices"
)

// underRace reports whether the test was built with -race, whose sync.Pool forgets at random, so that
// allocations cannot be counted.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
