package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
)

func TestFlags(t *testing.T) {
	tests := []struct {
		name, args string
		ok         bool
	}{
		{"defaults", "", true},
		{"quick", "-quick", true},
		{"quick, as with two dashes", "--quick", true},
		{"a selection", "-workloads plaintext-64,idle-tls,timers -servers fasthttp", true},
		{"no such workload", "-workloads soap", false},
		{"no such server", "-servers apache", false},
		{"a slice of nothing", "-slice 1ms", false},
		{"negative rounds", "-rounds -1", false},
		{"no further connections", "-idle 1000", false},
		{"load beside the server", "-server-cpu 1", false},
		{"no folder", "-out=", false},
		{"an argument", "json", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parseFlags(strings.Fields(tt.args), io.Discard)
			if (err == nil) != tt.ok {
				t.Fatalf("%v", err)
			}
			if tt.ok && (o.rounds < 3 || o.slice < 100*time.Millisecond || o.runs < 1) {
				t.Errorf("%+v", o)
			}
		})
	}
}

// Each target has its workload or curve, and there the servers that it names; a quick
// run has at least one of them.
func TestEveryTargetIsMeasured(t *testing.T) {
	full, quick := map[string][]string{}, map[string][]string{}
	for _, w := range workloads() {
		full[w.name], quick[w.name] = w.servers, w.quick
	}
	for _, m := range memories() {
		full[m.name], quick[m.name] = m.servers, m.quick
	}
	for _, c := range curves() {
		full[c.name], quick[c.name] = with(), with()
	}
	for _, target := range targets() {
		name := target.Workload + target.Curve
		if len(full[name]) == 0 || full[name][0] != subject || quick[name][0] != subject {
			t.Errorf("%s: nobody measures %q", target.Name, name)
		}
		some := len(target.Beside) == 0
		for _, beside := range target.Beside {
			some = some || slices.Contains(quick[name], beside)
			if !slices.Contains(full[name], beside) {
				t.Errorf("%s: %s is not in %s", target.Name, beside, name)
			}
		}
		if !some {
			t.Errorf("%s: a quick run has nobody to compare with", target.Name)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	names := allNames()
	slices.Sort(names)
	if n := len(slices.Compact(slices.Clone(names))); n != len(names) {
		t.Errorf("%v", names)
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	good := func() launch.Answer {
		return launch.Answer{Status: 200, Body: endpoint.Text, Header: http.Header{
			"Server": {"x"}, "Content-Length": {"13"}, "Date": {now.Format(http.TimeFormat)},
		}}
	}
	tests := []struct {
		name  string
		spoil func(*launch.Answer)
		want  string // part of the error; "" for none
	}{
		{"good", func(*launch.Answer) {}, ""},
		{"not offered", func(a *launch.Answer) { a.Status = 404 }, "does not offer"},
		{"failing", func(a *launch.Answer) { a.Status = 500 }, "status 500"},
		{"another text", func(a *launch.Answer) { a.Body = "hello" }, `answer "hello"`},
		{"no Server", func(a *launch.Answer) { a.Header.Del("Server") }, "no Server"},
		{"chunked", func(a *launch.Answer) { a.Header.Del("Content-Length") }, "no Content-Length"},
		{"no Date", func(a *launch.Answer) { a.Header.Del("Date") }, "no Date"},
		{"a Date made once", func(a *launch.Answer) {
			a.Header.Set("Date", now.Add(-time.Minute).Format(http.TimeFormat))
		}, "a Date of 1m0s ago"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := good()
			tt.spoil(&a)
			err := judge(a, []byte(endpoint.Text), now)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// tiny is a run that measures nothing well, but everything.
func tiny(t *testing.T) options {
	return options{
		names: []string{"plaintext-64", "json", "file-1k", "ws-64", "latency", "churn", "https", idleHTTP, idleTLS, "loops"},
		quick: true, servers: []string{"nethttp", "cepoll"}, rounds: 3, slice: 20 * time.Millisecond, runs: 1, levels: []int{20, 120},
		serverCPU: launch.AnyCPU, loadCPU: launch.AnyCPU, out: filepath.Join(t.TempDir(), "new", "results"),
	}
}

// A run, from the build of the servers to the page.
func TestRun(t *testing.T) {
	o := tiny(t)
	var out, progress strings.Builder
	if err := run(t.Context(), o, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	text, err := os.ReadFile(filepath.Join(o.out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got outcome.Outcome
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range o.names {
		w := got.Workload(name)
		if name == "loops" {
			continue
		}
		if w == nil || w.Server(subject) == nil {
			t.Errorf("%s was not measured: %s", name, &progress)
			continue
		}
		for _, s := range w.Servers {
			if len(s.Faults) > 0 {
				t.Errorf("%s, %s: %v", name, s.Name, s.Faults)
			}
		}
	}
	if c := got.Curve("loops"); c == nil || len(c.Points) != 2 || len(c.Points[1].Values) != o.rounds {
		t.Errorf("loops: %+v", c)
	}
	for _, r := range got.Rows {
		if r.Beside == "net/http" && r.Verdict == outcome.Absent {
			t.Errorf("%s: %s", r.Name, r.Verdict)
		}
	}
	for _, name := range []string{"results.md", "report.html", "targets.svg", "workload-json.svg", "curve-loops.svg", "latency-latency.svg"} {
		if info, err := os.Stat(filepath.Join(o.out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.Contains(out.String(), "HTTPS plaintext") {
		t.Errorf("printed %q", &out)
	}
}

// A run that is interrupted ends its servers, and says so by its error.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := tiny(t)
	o.names, o.rounds = []string{"json"}, 1<<20
	if err := run(ctx, o, io.Discard, cancelAt{"json ", cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// cancelAt cancels when that is written.
type cancelAt struct {
	text   string
	cancel func()
}

func (c cancelAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cancel()
	}
	return len(p), nil
}
