package reactor_test

import (
	"runtime/debug"
	"slices"
)

// underRace reports whether the tests run under the race detector, which makes long
// ones many times as long.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
