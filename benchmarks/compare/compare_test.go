package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

func TestFlags(t *testing.T) {
	tests := []struct {
		name, args string
		ok         bool
		servers    string
	}{
		{"defaults", "", true, "subject nethttp fasthttp hertz nbio cepoll"},
		{"what answers plaintext only", "-workload json -servers subject,cepoll", true, "subject"},
		{"nobody is left", "-workload json -servers cepoll", false, ""},
		{"no such workload", "-workload soap", false, ""},
		{"no such server", "-servers nginx", false, ""},
		{"half a second", "-slice 1500ms", false, ""},
		{"no slice", "-slice 0s", false, ""},
		{"no warm-up", "-warm-up 0s", true, "subject nethttp fasthttp hertz nbio cepoll"},
		{"load beside the server", "-server-cpu 1", false, ""},
		{"no rounds", "-rounds 0", false, ""},
		{"no connections", "-connections 0", false, ""},
		{"an argument", "json", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, _, err := parseFlags(strings.Fields(tt.args), io.Discard)
			if (err == nil) != tt.ok {
				t.Fatalf("%v", err)
			}
			var names []string
			for _, s := range o.servers {
				names = append(names, s.Name)
			}
			if got := strings.Join(names, " "); tt.ok && got != tt.servers {
				t.Errorf("servers %q, want %q", got, tt.servers)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	w := workload{want: endpoint.Text}
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
			err := w.judge(a, now)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	servers, err := peers.Parse("subject,nethttp")
	if err != nil {
		t.Fatal(err)
	}
	o := options{workload: workloads[0], servers: servers, connections: 64, rounds: 3, slice: 2 * time.Second, loadCPU: 1}
	var samples []sample
	for round, seconds := range []float64{1, 2, 1.1} { // noise that a round has in common
		samples = append(samples,
			sample{Server: "subject", Round: round, Requests: 100_000, Rate: 50_000, UserSeconds: 0.1 * seconds, SystemSeconds: 0.4 * seconds},
			sample{Server: "nethttp", Round: round, Requests: 50_000, Rate: 25_000, UserSeconds: 0.2 * seconds, SystemSeconds: 0.3 * seconds, Late: 1})
	}
	var out strings.Builder
	if err := writeReport(&out, o, samples); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"plaintext, 64 connections, 3 rounds of 2s; servers on CPU 0, wrk on CPU 1; go",
		"| server  | CPU µs a request | requests a second | subject / it |",
		"| subject |      5.50 ± 0.54 |         50000 ± 0 |              |",
		"| nethttp |     11.00 ± 1.07 |         25000 ± 0 |  0.50 ± 0.00 |",
		"longer than 2 s: nethttp 3.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// standInWrk puts a program that passes for wrk on PATH.
func standInWrk(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "wrk"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func comparison(t *testing.T) options {
	t.Helper()
	servers, err := peers.Parse("nethttp")
	if err != nil {
		t.Fatal(err)
	}
	w, err := findWorkload("echo")
	if err != nil {
		t.Fatal(err)
	}
	return options{
		workload: w, servers: servers, connections: 7, rounds: 2, slice: time.Second, warmUp: time.Second,
		serverCPU: launch.AnyCPU, loadCPU: launch.AnyCPU,
	}
}

func TestCompareWritesWhatItMeasured(t *testing.T) {
	dir := t.TempDir()
	calls, rawFile := filepath.Join(dir, "calls"), filepath.Join(dir, "raw.json")
	standInWrk(t, "echo \"$@\" >>"+calls+"\ncat <<END\n"+wrkReport+"END\n")
	var out strings.Builder
	if err := compare(t.Context(), comparison(t), rawFile, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| nethttp |") {
		t.Errorf("no row of nethttp in\n%s", &out)
	}
	text, err := os.ReadFile(rawFile)
	if err != nil {
		t.Fatal(err)
	}
	var got raw
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Samples) != 2 || got.Samples[1].Requests != 121754 || got.Samples[1].Round != 1 || got.Workload != "echo" {
		t.Errorf("raw file: %+v", got)
	}
	called, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(called)), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "-t1 -c7 -d1s -s ") || !strings.HasSuffix(lines[0], "/echo -- "+strconv.Itoa(echoSize)) {
		t.Errorf("wrk was called with %q", lines)
	}
}

// Whatever goes wrong, no server and no file is left.
func TestNothingIsLeftBehind(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tests := []struct {
		name, script string
		during       func()
		want         string
	}{
		{"wrk fails", "echo broken >&2; exit 1", func() {}, "broken"},
		{"bad answers", "cat <<END\n" + with("  Non-2xx or 3xx responses: 1\n") + "END\n", func() {}, "error status"},
		{"interrupted", "exec sleep 60", cancel, "context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			standInWrk(t, tt.script)
			s, err := newSession(ctx, comparison(t), io.Discard)
			if err != nil {
				s.close()
				t.Fatal(err)
			}
			pid := s.Running[0].PID
			ended := make(chan error)
			go func() {
				_, err := s.run(ctx)
				s.close()
				ended <- err
			}()
			tt.during()
			if err := <-ended; err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err := unix.Kill(pid, 0); err != unix.ESRCH {
				t.Errorf("the server %d: %v, want %v", pid, err, unix.ESRCH)
			}
			if left, err := os.ReadDir(os.TempDir()); err != nil || slices.ContainsFunc(left, isSession) {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

func isSession(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "compare") }
