package stats

import (
	"math"
	"slices"
	"testing"
)

func TestMedianAndSpread(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		name                string
		values              []float64
		median, mad, stdErr float64
	}{
		{"none", nil, nan, nan, nan},
		{"one", []float64{3}, 3, 0, nan},
		{"two", []float64{5, 1}, 3, 2, nan},
		{"odd", []float64{9, 1, 5}, 5, 4, 4.2912},
		{"even", []float64{4, 1, 3, 2}, 2.5, 1, 0.92907},
		{"an outlier moves little", []float64{10, 11, 12, 13, 1000}, 12, 1, 0.83098},
		{"all alike", []float64{7, 7, 7, 7}, 7, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.values)
			same(t, "median", Median(tt.values), tt.median)
			same(t, "MAD", MAD(tt.values), tt.mad)
			same(t, "standard error", StdErr(tt.values), tt.stdErr)
			if !slices.Equal(before, tt.values) {
				t.Errorf("the values were reordered to %v", tt.values)
			}
		})
	}
}

func same(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-4 {
		t.Errorf("%s %v, want %v", what, got, want)
	}
}

// A pair shares its round, so noise that both had cancels out.
func TestRatiosArePaired(t *testing.T) {
	got := Ratios([]float64{1, 10, 3}, []float64{2, 20, 6})
	if !slices.Equal(got, []float64{0.5, 0.5, 0.5}) {
		t.Errorf("%v", got)
	}
}
