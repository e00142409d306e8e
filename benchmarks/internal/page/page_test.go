package page

import (
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
)

func example() *outcome.Outcome {
	sample := func(round int, cpu float64) outcome.Sample {
		return outcome.Sample{Round: round, Done: 1000, Seconds: 1, CPU: cpu, P50: 10, P90: 20, P99: 30, P999: 40, RSS: 3 << 20}
	}
	idle := outcome.Sample{Bytes: 512, RSS: 9 << 20}
	o := &outcome.Outcome{
		When: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), Took: 90 * time.Second, Machine: "go1.26", CPUs: 2, LoadCPU: 1, Rounds: 3, Slice: time.Second,
		Workloads: []outcome.Workload{
			{Name: "latency", Title: "latency <half>", Per: "request", Servers: []outcome.Server{
				{Name: "nethttp", Samples: []outcome.Sample{sample(0, 20), sample(1, 22), sample(2, 21)}, Faults: []string{"round 4: <broken>"}},
				{Name: "subject", Samples: []outcome.Sample{sample(0, 10), sample(1, 11), sample(2, 10.5)}},
				{Name: "cepoll"},
			}},
			{Name: "idle", Title: "idle connection", Per: "connection", Servers: []outcome.Server{{Name: "subject", Samples: []outcome.Sample{idle}}}},
			{Name: "nobody", Title: "nobody was measured", Per: "request", Servers: []outcome.Server{{Name: "subject", Faults: []string{"round 1: gone"}}}},
		},
		Curves: []outcome.Curve{{Name: "routes", Title: "routes", XName: "routes", Unit: "µs", Points: []outcome.Point{{X: 10, Values: []float64{1}}, {X: 100, Values: []float64{2}}}, Note: "one note"}},
		Notes:  []string{"caddy is left out: <not found>"},
	}
	for _, t := range []outcome.Target{
		{Name: "first", Workload: "latency", Metric: outcome.CPU, Beside: []string{"nethttp"}, Value: 0.6, Subject: "subject"},
		{Name: "second", Workload: "latency", Metric: outcome.CPU, Beside: []string{"nethttp"}, Value: 0.4, Subject: "subject"},
		{Name: "third", Curve: "routes", Metric: "growth", Value: 1.8, AtLeast: true},
		{Name: "fourth", Workload: "idle", Metric: outcome.Bytes, Value: 600, Unit: "bytes", Subject: "subject"},
		{Name: "fifth", Workload: "idle", Metric: outcome.Goroutines, Value: 0, Unit: "goroutines", Subject: "subject"},
		{Name: "sixth", Workload: "none", Metric: outcome.CPU, Value: 1, Subject: "subject"},
	} {
		o.Rows = append(o.Rows, t.Judge(o))
	}
	return o
}

func TestMarkdown(t *testing.T) {
	var out strings.Builder
	if err := Markdown(&out, example()); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{
		"Of 6 targets 4 are met, 1 missed, 1 not measured.",
		"| ≤ 0.6          | 0.50         | 3       | met ",
		"**missed** by 25 %",
		"| ≥ 1.8          | 2.00",
		"512 bytes",
		"not measured",
		"## Latency <half>",
		"Carillon / it",
		"- caddy is left out: <not found>",
		"- latency, net/http, round 4: <broken>",
		"- nobody, Carillon, round 1: gone",
		"One note.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "## Nobody") || strings.Contains(got, "NaN") {
		t.Errorf("%s", got)
	}
}

// The page needs nothing from elsewhere, and nothing that was measured is markup.
func TestHTML(t *testing.T) {
	var out strings.Builder
	if err := HTML(&out, example()); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{"<b>4</b>targets met", "<b>1</b>missed", "80 %", "round 4: &lt;broken&gt;", "caddy is left out: &lt;not found&gt;", "latency &lt;half&gt;", "prefers-color-scheme:dark"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []string{"NaN", "<script", "src=", "<link", "<broken>", "ZgotmplZ"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if n := strings.Count(got, "<svg"); n != 5 { // targets, latency twice, idle, routes
		t.Errorf("%d drawings", n)
	}
}

func TestChartsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Charts(example()) {
		if seen[c.Name] || strings.Contains(c.SVG, "NaN") {
			t.Errorf("%s", c.Name)
		}
		seen[c.Name] = true
	}
	if len(seen) != 5 {
		t.Errorf("%v", seen)
	}
}
