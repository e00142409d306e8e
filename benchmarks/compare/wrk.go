package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

// load is what drives a server for one slice.
type load struct {
	wrk         string // the program
	cpu         int
	connections int
	script      string
	args        []string
}

// wrkGrace is how long wrk may take beyond the time that it was told to run for.
const wrkGrace = 20 * time.Second

func findWrk() (string, error) {
	path, err := exec.LookPath("wrk")
	if err != nil {
		return "", fmt.Errorf("%w; it makes the load: apt-get install wrk, or build it from github.com/wg/wrk", err)
	}
	return path, nil
}

// run drives url for d, which must be whole seconds.
func (l load) run(ctx context.Context, url string, d time.Duration) (wrkResult, error) {
	ctx, cancel := context.WithTimeout(ctx, d+wrkGrace)
	defer cancel()
	args := []string{"-t1", "-c" + strconv.Itoa(l.connections), "-d" + strconv.Itoa(int(d.Seconds())) + "s"}
	if l.script != "" {
		args = append(args, "-s", l.script)
	}
	args = append(args, url, "--")
	cmd := launch.Command(ctx, l.wrk, append(args, l.args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := launch.StartOn(cmd, l.cpu); err != nil {
		return wrkResult{}, fmt.Errorf("start wrk: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return wrkResult{}, fmt.Errorf("wrk: %w\n%s", err, &out)
	}
	return parseWrk(out.String())
}

// wrkResult is what wrk prints at its end.
type wrkResult struct {
	Requests     int64   // answered
	Rate         float64 // a second
	Refused      int64   // connections that failed
	Broken       int64   // reads and writes that failed
	Late         int64   // requests that took longer than wrk's 2 s
	BadResponses int64   // with a status of 400 and above
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkRate     = regexp.MustCompile(`(?m)^Requests/sec:\s*([0-9.]+)\s*$`)
	wrkSocket   = regexp.MustCompile(`(?m)^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)\s*$`)
	wrkStatus   = regexp.MustCompile(`(?m)^\s*Non-2xx or 3xx responses: (\d+)\s*$`)
)

// parseWrk reads wrk's report. The lines of errors are there only when there
// were some.
func parseWrk(out string) (wrkResult, error) {
	requests, rate := wrkRequests.FindStringSubmatch(out), wrkRate.FindStringSubmatch(out)
	if requests == nil || rate == nil {
		return wrkResult{}, fmt.Errorf("no report of wrk: %q", out)
	}
	var r wrkResult
	var err, failed error
	number := func(s string) int64 {
		var n int64
		if n, err = strconv.ParseInt(s, 10, 64); err != nil {
			failed = errors.Join(failed, err)
		}
		return n
	}
	r.Requests = number(requests[1])
	if r.Rate, err = strconv.ParseFloat(rate[1], 64); err != nil {
		failed = errors.Join(failed, err)
	}
	if m := wrkSocket.FindStringSubmatch(out); m != nil {
		r.Refused, r.Broken, r.Late = number(m[1]), number(m[2])+number(m[3]), number(m[4])
	}
	if m := wrkStatus.FindStringSubmatch(out); m != nil {
		r.BadResponses = number(m[1])
	}
	if failed != nil {
		return wrkResult{}, fmt.Errorf("report of wrk: %w", failed)
	}
	return r, nil
}

// fault is an error when the slice did not measure what it should.
func (r wrkResult) fault() error {
	switch {
	case r.BadResponses > 0:
		return fmt.Errorf("%d of %d answers had an error status", r.BadResponses, r.Requests)
	case r.Refused > 0:
		return fmt.Errorf("%d connections failed", r.Refused)
	case r.Broken > 0:
		return fmt.Errorf("%d reads or writes failed", r.Broken)
	case r.Requests == 0:
		return errors.New("no request was answered")
	}
	return nil
}
