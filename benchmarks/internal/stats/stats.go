// Package stats has the few robust statistics that a measurement on a noisy
// machine needs.
package stats

import (
	"math"
	"slices"
)

// Median is the middle value, or the mean of the two middle ones; NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// MAD is the median absolute deviation from the median; NaN of no values.
func MAD(values []float64) float64 {
	median := Median(values)
	deviations := make([]float64, len(values))
	for i, v := range values {
		deviations[i] = math.Abs(v - median)
	}
	return Median(deviations)
}

// StdErr estimates the standard error of the median from the MAD, as for values
// that are normally distributed but for a few outliers: there the standard
// deviation is 1.4826 MAD, and the median's error is sqrt(pi/2) times that of the
// mean. Below three values it is NaN: they tell nothing of their spread.
func StdErr(values []float64) float64 {
	if len(values) < 3 {
		return math.NaN()
	}
	return math.Sqrt(math.Pi/2) * 1.4826 * MAD(values) / math.Sqrt(float64(len(values)))
}

// Ratios divides a by b, pair by pair; they must be equally long.
func Ratios(a, b []float64) []float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return ratios
}
