package outcome

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

func server(name string, cpu ...float64) Server {
	s := Server{Name: name}
	for round, v := range cpu {
		s.Samples = append(s.Samples, Sample{Round: round, Done: 10, Seconds: 2, CPU: v, Bytes: 100 * v})
	}
	return s
}

func example() *Outcome {
	gap := server("gap", 4, 4, 4)
	gap.Samples = gap.Samples[1:] // its first round went wrong
	return &Outcome{
		Workloads: []Workload{{Name: "w", Servers: []Server{server("subject", 5, 10, 20), server("a", 10, 20, 40), server("b", 9, 10, 11), gap, {Name: "broken"}}}},
		Curves: []Curve{
			{Name: "c", Points: []Point{{X: 1, Values: []float64{2, 4, 6}}, {X: 10, Values: []float64{9, 9, 9}}, {X: 100, Values: []float64{3, 6, 9}}}, Note: "a note"},
			{Name: "short", Points: []Point{{X: 1, Values: []float64{2}}}},
		},
	}
}

func TestJudge(t *testing.T) {
	target := func(change func(*Target)) Target {
		t := Target{Name: "t", Workload: "w", Metric: CPU, Beside: []string{"a"}, Value: 0.5, Subject: "subject"}
		change(&t)
		return t
	}
	tests := []struct {
		name    string
		target  Target
		value   float64
		n       int
		verdict Verdict
		note    string
	}{
		{"ratios are paired, and the bound is met", target(func(*Target) {}), 0.5, 3, Met, ""},
		{"a tighter bound", target(func(t *Target) { t.Value = 0.49 }), 0.5, 3, Missed, ""},
		{"at least", target(func(t *Target) { t.AtLeast = true; t.Value = 0.4 }), 0.5, 3, Met, ""},
		{"at least, and less", target(func(t *Target) { t.AtLeast = true; t.Value = 0.6 }), 0.5, 3, Missed, ""},
		{"the best of several", target(func(t *Target) { t.Beside = []string{"a", "b", "none"} }), 1, 3, Missed, "the best is b; without none"},
		{"beside what is done at least", target(func(t *Target) { t.Floors = []string{"none", "b"} }), 0.5, 3, Met, "C epoll itself: 0.50"},
		{"beside the floor itself", target(func(t *Target) { t.Beside, t.Floors = []string{"b"}, []string{"b"} }), 1, 3, Missed, ""},
		{"rounds that both have", target(func(t *Target) { t.Beside = []string{"gap"} }), 3.75, 2, Missed, ""},
		{"a figure of its own", target(func(t *Target) { t.Beside, t.Metric, t.Value = nil, Bytes, 1000 }), 1000, 3, Met, ""},
		{"requests a second", target(func(t *Target) { t.Beside, t.Metric, t.Value, t.AtLeast = nil, Rate, 5, true }), 5, 3, Met, ""},
		{"nobody to compare with", target(func(t *Target) { t.Beside = []string{"broken"} }), 0, 0, Absent, "no server to compare with was measured"},
		{"another workload", target(func(t *Target) { t.Workload = "none" }), 0, 0, Absent, ""},
		{"another subject", target(func(t *Target) { t.Subject = "none" }), 0, 0, Absent, ""},
		{"growth", target(func(t *Target) { t.Workload, t.Curve, t.Value = "", "c", 1.5 }), 1.5, 3, Met, "a note"},
		{"growth of one point", target(func(t *Target) { t.Workload, t.Curve = "", "short" }), 0, 0, Absent, ""},
		{"no such curve", target(func(t *Target) { t.Workload, t.Curve = "", "none" }), 0, 0, Absent, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.target.Judge(example())
			if r.Value != tt.value || r.N != tt.n || r.Verdict != tt.verdict || r.Note != tt.note {
				t.Errorf("%+v, want %v of %d, %s, %q", r, tt.value, tt.n, tt.verdict, tt.note)
			}
		})
	}
}

// What is written is what was measured.
func TestJSON(t *testing.T) {
	before := example()
	before.Rows = []Row{Target{Workload: "w", Metric: CPU, Beside: []string{"a"}, Value: 1, Subject: "subject"}.Judge(before)}
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var after Outcome
	if err := json.Unmarshal(text, &after); err != nil || !reflect.DeepEqual(*before, after) {
		t.Errorf("%v: %+v, want %+v", err, after, *before)
	}
}

func TestMetrics(t *testing.T) {
	s := Sample{Done: 10, Seconds: 2, CPU: 1, P50: 2, P99: 3, P999: 4, RSS: 5, Bytes: 6, Goroutines: 7}
	for m, want := range map[Metric]float64{CPU: 1, Rate: 5, P50: 2, P99: 3, P999: 4, RSS: 5, Bytes: 6, Goroutines: 7} {
		if got := m.Of(s); got != want {
			t.Errorf("%s: %v, want %v", m, got, want)
		}
	}
	if got := Metric("none").Of(s); !math.IsNaN(got) {
		t.Errorf("%v", got)
	}
}
