package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is the module's version as the Go command stamped it into the binary:
// a tag, a pseudo-version with the commit, or "(devel)".
func version() string {
	return fmt.Sprintf("%s (%s %s/%s)", moduleVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
