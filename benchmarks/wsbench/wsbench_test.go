package main

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

func TestFlags(t *testing.T) {
	tests := []struct {
		name, args string
		ok         bool
		workloads  string
	}{
		{"defaults", "", true, workloadNames()},
		{"some workloads", "-workloads idle,echo-64", true, "idle,echo-64"},
		{"no such workload", "-workloads echo", false, ""},
		{"no such server", "-servers uws", false, ""},
		{"a server without WebSocket", "-servers subject,nethttp", false, ""},
		{"no rounds", "-rounds 0", false, ""},
		{"no time", "-time 0s", false, ""},
		{"no connections", "-broadcast 0", false, ""},
		{"second reading before the first", "-idle 1000", false, ""},
		{"load beside the server", "-server-cpu 1", false, ""},
		{"an argument", "echo", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parseFlags(strings.Fields(tt.args), io.Discard)
			if (err == nil) != tt.ok {
				t.Fatalf("%v", err)
			}
			var names []string
			for _, w := range o.workloads {
				names = append(names, w.name)
			}
			if got := strings.Join(names, ","); tt.ok && got != tt.workloads {
				t.Errorf("workloads %q, want %q", got, tt.workloads)
			}
		})
	}
}

func TestReport(t *testing.T) {
	servers, err := peers.Parse("subject,gws,cepoll-ws,gobwas")
	if err != nil {
		t.Fatal(err)
	}
	w := workload{
		figures: []figure{{"µs", 2, true}, {"threads", 0, false}},
		title:   func(options) string { return "work" },
	}
	var samples []sample
	for round, noise := range []float64{1, 2, 1.1} { // that a round has in common
		samples = append(samples,
			sample{server: "subject", round: round, values: []float64{2 * noise, 7}},
			sample{server: "gws", round: round, values: []float64{4 * noise, 9}},
			sample{server: "cepoll-ws", round: round, values: []float64{1 * noise, math.NaN()}})
	}
	samples[4].values, samples[4].fault = nil, errors.New("it went away") // gws, round 2
	var out strings.Builder
	if err := writeReport(&out, options{servers: servers, rounds: 3, loadCPU: 1}, w, samples); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"work; 3 rounds; servers on CPU 0, load on CPU 1; go",
		"| server    |          µs | subject / it | threads |",
		"| subject   | 2.20 ± 0.21 |              |   7 ± 0 |",
		"| gws       |        4.20 |         0.50 |       9 |",
		"| cepoll-ws | 1.10 ± 0.11 |  2.00 ± 0.00 |         |",
		"Round 2 of gws is left out: it went away",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "gobwas") {
		t.Errorf("a row of a server without a sample in\n%s", &out)
	}
}

// benchOptions are a short run of everything.
func benchOptions(t *testing.T) options {
	t.Helper()
	servers, err := peers.Parse("subject")
	if err != nil {
		t.Fatal(err)
	}
	return options{
		workloads: workloads, servers: servers, rounds: 1, slice: 50 * time.Millisecond,
		broadcast: 50, idle: idleFrom + 100, serverCPU: launch.AnyCPU, loadCPU: launch.AnyCPU,
	}
}

func TestRunMeasuresEveryWorkload(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out, progress strings.Builder
	if err := run(t.Context(), benchOptions(t), &out, &progress); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "| subject |"); got != len(workloads) || strings.Contains(out.String(), "left out") {
		t.Errorf("%d rows, want %d, in\n%s", got, len(workloads), &out)
	}
	for _, w := range workloads {
		if !strings.Contains(progress.String(), w.name+" round 1/1 subject") {
			t.Errorf("no word of %s in\n%s", w.name, &progress)
		}
	}
	noneLeft(t)
}

// A server that fails is told of, and the others are measured; when the run is
// interrupted nothing is left.
func TestServersThatEnd(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b, err := newBench(ctx, benchOptions(t), io.Discard)
	if err != nil {
		b.close()
		t.Fatal(err)
	}
	pid := b.Running[0].PID
	w, err := findWorkload("echo-64")
	if err != nil {
		t.Fatal(err)
	}
	b.Running[0].Stop()
	samples, err := b.run(ctx, w)
	if err != nil || len(samples) != 1 || samples[0].fault == nil || !strings.Contains(samples[0].fault.Error(), "has ended") {
		t.Errorf("%+v, %v", samples, err)
	}
	cancel()
	if _, err := b.run(ctx, w); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	b.close()
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the server %d: %v, want %v", pid, err, unix.ESRCH)
	}
	noneLeft(t)
}

func noneLeft(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "wsbench") }) {
		t.Errorf("left %v, %v", left, err)
	}
}
