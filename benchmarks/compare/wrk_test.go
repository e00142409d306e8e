package main

import (
	"strings"
	"testing"
)

const wrkReport = `Running 2s test @ http://127.0.0.1:8080/plaintext
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.16ms    1.02ms  19.50ms   88.43%
    Req/Sec    58.27k     5.01k   67.33k    75.00%
  121754 requests in 2.10s, 16.14MB read
Requests/sec:  57978.06
Transfer/sec:      7.69MB
`

func with(lines string) string {
	return strings.Replace(wrkReport, "Requests/sec", lines+"Requests/sec", 1)
}

func TestParseWrk(t *testing.T) {
	tests := []struct {
		name, out string
		want      wrkResult
		fault     string // "" for a good slice
	}{
		{"good", wrkReport, wrkResult{Requests: 121754, Rate: 57978.06}, ""},
		{"late", with("  Socket errors: connect 0, read 0, write 0, timeout 3\n"),
			wrkResult{Requests: 121754, Rate: 57978.06, Late: 3}, ""},
		{"broken", with("  Socket errors: connect 0, read 4, write 5, timeout 0\n"),
			wrkResult{Requests: 121754, Rate: 57978.06, Broken: 9}, "9 reads or writes failed"},
		{"refused", with("  Socket errors: connect 2, read 0, write 0, timeout 0\n"),
			wrkResult{Requests: 121754, Rate: 57978.06, Refused: 2}, "2 connections failed"},
		{"error status", with("  Non-2xx or 3xx responses: 121754\n"),
			wrkResult{Requests: 121754, Rate: 57978.06, BadResponses: 121754}, "121754 of 121754 answers had an error status"},
		{"both lines", with("  Socket errors: connect 0, read 1, write 0, timeout 2\n  Non-2xx or 3xx responses: 7\n"),
			wrkResult{Requests: 121754, Rate: 57978.06, Broken: 1, Late: 2, BadResponses: 7}, "7 of 121754 answers had an error status"},
		{"nothing answered", "  0 requests in 2.00s, 0.00B read\nRequests/sec:      0.00\n", wrkResult{}, "no request was answered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseWrk(tt.out)
			if err != nil || got != tt.want {
				t.Fatalf("%+v, %v; want %+v", got, err, tt.want)
			}
			fault := ""
			if err := got.fault(); err != nil {
				fault = err.Error()
			}
			if fault != tt.fault {
				t.Errorf("fault %q, want %q", fault, tt.fault)
			}
		})
	}
}

func TestParseWrkRefusesWhatIsNoReport(t *testing.T) {
	tests := []struct{ name, out string }{
		{"empty", ""},
		{"usage", "Usage: wrk <options> <url>\n"},
		{"cut before the rate", wrkReport[:strings.Index(wrkReport, "Requests/sec")]},
		{"a count beyond 64 bits", strings.Replace(wrkReport, "121754", "99999999999999999999", 1)},
		{"a rate that is none", strings.Replace(wrkReport, "57978.06", "5.7.9", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parseWrk(tt.out); err == nil {
				t.Errorf("read as %+v", got)
			}
		})
	}
}

func FuzzParseWrk(f *testing.F) {
	f.Add(wrkReport)
	f.Add(with("  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n"))
	f.Fuzz(func(t *testing.T, out string) {
		r, err := parseWrk(out)
		if err != nil && r != (wrkResult{}) {
			t.Errorf("%q: %+v beside the error %v", out, r, err)
		}
		if r.Requests < 0 || r.Rate < 0 {
			t.Errorf("%q: %+v", out, r)
		}
	})
}
