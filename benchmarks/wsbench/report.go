package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/benchmarks/internal/report"
	"github.com/carillon-go/carillon/benchmarks/internal/table"
)

// writeReport writes the table of one workload: a row for each server that was
// measured, in the order of the options. The first is the one that is compared.
func writeReport(w io.Writer, o options, work workload, samples []sample) error {
	base := o.servers[0].Name
	t := table.Table{Head: []string{"server"}, Numbers: true}
	for _, f := range work.figures {
		t.Head = append(t.Head, f.head)
		if f.compared {
			t.Head = append(t.Head, base+" / it")
		}
	}
	for _, s := range o.servers {
		if !slices.ContainsFunc(samples, func(x sample) bool { return x.server == s.Name }) {
			continue
		}
		row := []string{s.Name}
		for i, f := range work.figures {
			row = append(row, cell(f.decimals, column(samples, s.Name, i)))
			switch {
			case f.compared && s.Name != base:
				row = append(row, cell(2, ratios(samples, base, s.Name, i)))
			case f.compared:
				row = append(row, "")
			}
		}
		t.Rows = append(t.Rows, row)
	}
	fmt.Fprintf(w, "%s; %d rounds; servers on CPU %d, load on CPU %d; %s\n\n",
		work.title(o), o.rounds, o.serverCPU, o.loadCPU, report.Machine())
	if _, err := t.WriteTo(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nMedians ± standard error; ratios are paired by round: below 1, %s is cheaper.\n%s\n", base, faults(samples))
	return err
}

// cell is empty of no values, and of those that nobody tells.
func cell(decimals int, values []float64) string {
	if len(values) == 0 || slices.ContainsFunc(values, math.IsNaN) {
		return ""
	}
	return report.Cell(decimals, values)
}

// column is one figure of each round of a server in which nothing went wrong.
func column(samples []sample, server string, i int) []float64 {
	var values []float64
	for _, s := range samples {
		if s.server == server && s.fault == nil {
			values = append(values, s.values[i])
		}
	}
	return values
}

// ratios are those of the rounds in which nothing went wrong with either.
func ratios(samples []sample, base, server string, i int) []float64 {
	of := map[int]float64{}
	for _, s := range samples {
		if s.server == base && s.fault == nil {
			of[s.round] = s.values[i]
		}
	}
	var values []float64
	for _, s := range samples {
		if v, ok := of[s.round]; ok && s.server == server && s.fault == nil {
			values = append(values, v/s.values[i])
		}
	}
	return values
}

// faults lists the slices that are no samples.
func faults(samples []sample) string {
	var list strings.Builder
	for _, s := range samples {
		if s.fault != nil {
			fmt.Fprintf(&list, "Round %d of %s is left out: %v\n", s.round+1, s.server, s.fault)
		}
	}
	return list.String()
}
