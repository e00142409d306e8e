// Package report has what the tables of measurements share.
package report

import (
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/benchmarks/internal/stats"
)

// Cell is the median of values and its standard error where that can be told.
func Cell(decimals int, values []float64) string {
	median, spread := stats.Median(values), stats.StdErr(values)
	if math.IsNaN(spread) {
		return fmt.Sprintf("%.*f", decimals, median)
	}
	return fmt.Sprintf("%.*f ± %.*f", decimals, median, decimals, spread)
}

// Machine is the Go version and the kernel's.
func Machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.Version()
	}
	return runtime.Version() + ", Linux " + unix.ByteSliceToString(u.Release[:])
}
