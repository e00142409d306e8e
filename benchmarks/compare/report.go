package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/report"
	"github.com/carillon-go/carillon/benchmarks/internal/stats"
	"github.com/carillon-go/carillon/benchmarks/internal/table"
)

// writeReport writes the table: a row for each server, in the order of the options.
// The first server is the one that is compared.
func writeReport(w io.Writer, o options, samples []sample) error {
	base := o.servers[0].Name
	baseCosts := column(samples, base, sample.cost)
	t := table.Table{Head: []string{"server", "CPU µs a request", "requests a second", base + " / it"}, Numbers: true}
	for _, server := range o.servers {
		costs := column(samples, server.Name, sample.cost)
		ratio := ""
		if server.Name != base {
			ratio = report.Cell(2, stats.Ratios(baseCosts, costs))
		}
		t.Rows = append(t.Rows, []string{
			server.Name, report.Cell(2, costs), report.Cell(0, column(samples, server.Name, func(s sample) float64 { return s.Rate })), ratio,
		})
	}
	fmt.Fprintf(w, "%s, %d connections, %d rounds of %v; servers on CPU %d, wrk on CPU %d; %s\n\n",
		o.workload.name, o.connections, o.rounds, o.slice, o.serverCPU, o.loadCPU, report.Machine())
	if _, err := t.WriteTo(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nMedians ± standard error; the last column is of the CPU times, paired by round: below 1, %s is cheaper.\n", base)
	if late := lateness(o, samples); late != "" {
		_, err = fmt.Fprintf(w, "Requests that took longer than 2 s: %s.\n", late)
	}
	return err
}

// column is one value of each round of a server, in the order of the rounds.
func column(samples []sample, server string, value func(sample) float64) []float64 {
	var values []float64
	for _, s := range samples {
		if s.Server == server {
			values = append(values, value(s))
		}
	}
	return values
}

func lateness(o options, samples []sample) string {
	var list []string
	for _, server := range o.servers {
		var n int64
		for _, s := range samples {
			if s.Server == server.Name {
				n += s.Late
			}
		}
		if n > 0 {
			list = append(list, fmt.Sprintf("%s %d", server.Name, n))
		}
	}
	return strings.Join(list, ", ")
}

// raw is the file that -json writes.
type raw struct {
	When         time.Time
	Machine      string
	Workload     string
	Connections  int
	SliceSeconds float64
	ServerCPU    int
	LoadCPU      int
	Samples      []sample // in the order in which they were measured
}

func writeRaw(path string, when time.Time, o options, samples []sample) error {
	text, err := json.MarshalIndent(raw{
		When: when, Machine: report.Machine(), Workload: o.workload.name, Connections: o.connections,
		SliceSeconds: o.slice.Seconds(), ServerCPU: o.serverCPU, LoadCPU: o.loadCPU, Samples: samples,
	}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o666)
}
