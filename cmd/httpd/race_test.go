package main

import (
	"runtime/debug"
	"slices"
)

// underRace reports whether the test was built with -race: the binary under test is then built so too.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
