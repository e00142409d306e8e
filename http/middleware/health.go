package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-go/carillon/http"
)

// HealthCheck is one thing that a program needs in order to serve.
type HealthCheck struct {
	// Name is what the answer calls it. Required, and no two may be the same.
	Name string
	// Check returns nil when all is well. It has a goroutine of its own, and its context ends with Timeout. It never runs
	// twice at the same time: probes that come meanwhile wait for the same result. Required.
	Check func(ctx context.Context) error
	// Timeout is how long a probe waits for it: then it has failed, also when it goes on. Default 2 s.
	Timeout time.Duration
	// Live marks what only a restart can mend. Others, such as a database that is away, keep the program from being ready,
	// but restarting it would not help.
	Live bool
}

// Health answers probes at three paths, by 200 when all checks are well and by 503 when one is not:
//
//	/healthz        all checks
//	/healthz/ready  all checks: whether to send requests here
//	/healthz/live   those marked Live: whether to restart the program; without any it is always well
//
// The path, here "/healthz", is compared as it was sent, not decoded. The body is JSON, for people and machines:
//
//	{"status":"fail","checks":[{"name":"db","status":"fail","detail":"timed out","milliseconds":2000.1}]}
//
// An answer shows the Detail of an [http.Error], and that a check has timed out; all else that an error says may be nobody's
// business, and goes to the server's log, at level Warn.
//
// It belongs outside of all else, also of [Log] unless probes are to be logged: a probe brings no credentials, and must not
// meet RateLimit. On a loop it answers by Ctx.Async, so it may stand in front of Inline routes. Behind [http.WrapMiddleware] there
// is no Async: on a loop a probe is answered by 500 there, unless there are no checks. It panics on a path that does
// not begin with a slash, and on checks that are not complete.
func Health(path string, checks ...HealthCheck) http.Middleware {
	if path == "" || path[0] != '/' {
		panic(fmt.Sprintf("middleware: Health: the path %q does not begin with a slash", path))
	}
	all := newProbes(checks)
	var live []*probe
	for _, p := range all {
		if p.Live {
			live = append(live, p)
		}
	}
	at := map[string][]*probe{path: all, path + "/ready": all, path + "/live": live}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			probes, ok := at[c.RawPath()]
			if !ok {
				return next(c)
			}
			if m := c.Method(); m != "GET" && m != "HEAD" {
				return &http.Error{Code: 405, Header: map[string]string{"Allow": "GET, HEAD"}}
			}
			return answerHealth(c, probes)
		}
	}
}

func newProbes(checks []HealthCheck) (probes []*probe) {
	names := make(map[string]bool)
	for _, check := range checks {
		if check.Name == "" || check.Check == nil || names[check.Name] {
			panic(fmt.Sprintf("middleware: Health: the check %q needs a name of its own and a function", check.Name))
		}
		names[check.Name] = true
		if check.Timeout <= 0 {
			check.Timeout = defaultHealthTimeout
		}
		probes = append(probes, &probe{HealthCheck: check})
	}
	return probes
}

const defaultHealthTimeout = 2 * time.Second

// answerHealth waits for the probes, but not on a loop.
func answerHealth(c *http.Ctx, probes []*probe) error {
	if !c.Inline() || len(probes) == 0 {
		report, ok := runProbes(c, logOf(c), probes)
		if !ok {
			return c.Err()
		}
		return report.answer(c)
	}
	log := logOf(c)
	later, err := c.Async()
	if err != nil {
		return err
	}
	go func() {
		if report, ok := runProbes(later.Context(), log, probes); ok {
			_ = later.Answer(report.answer) // fails only when nobody waits any more
			return
		}
		_ = later.Answer(func(c *http.Ctx) error { return c.Err() })
	}()
	return nil
}

// healthReport is the body of the answer.
type healthReport struct {
	Status string         `json:"status"`
	Checks []healthResult `json:"checks,omitempty"`
}

type healthResult struct {
	Name         string  `json:"name"`
	Status       string  `json:"status"`
	Detail       string  `json:"detail,omitempty"`
	Milliseconds float64 `json:"milliseconds"`
}

const (
	healthOK   = "ok"
	healthFail = "fail"
)

func (r *healthReport) answer(c *http.Ctx) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := c.SetHeader("Cache-Control", "no-store"); err != nil {
		return err
	}
	code := 200
	if r.Status != healthOK {
		code = 503
	}
	return c.Blob(code, "application/json", body)
}

// runProbes runs all at the same time. It gives up, and says so, when ctx ends.
func runProbes(ctx context.Context, log *slog.Logger, probes []*probe) (*healthReport, bool) {
	report := &healthReport{Status: healthOK}
	runs := make([]*probeRun, len(probes))
	for i, p := range probes {
		runs[i] = p.start()
	}
	for i, p := range probes {
		err, ok := runs[i].wait(ctx, p.Timeout)
		if !ok {
			return nil, false
		}
		result := healthResult{Name: p.Name, Status: healthOK, Milliseconds: float64(time.Since(runs[i].began).Microseconds()) / 1000}
		if err != nil {
			report.Status, result.Status, result.Detail = healthFail, healthFail, publicDetail(err)
			log.Warn("middleware: a health check failed", "check", p.Name, "error", err)
		}
		report.Checks = append(report.Checks, result)
	}
	return report, true
}

func publicDetail(err error) string {
	if e, ok := errors.AsType[*http.Error](err); ok {
		return e.Detail
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return ""
}

// probe is a check with its run that is under way. Any goroutine may call start.
type probe struct {
	HealthCheck
	mu      sync.Mutex
	running *probeRun // nil while none is
}

// probeRun is one run. err is there when done is closed.
type probeRun struct {
	began time.Time
	done  chan struct{}
	err   error
}

// start returns the run that is under way, or begins one.
func (p *probe) start() *probeRun {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.running
	}
	run := &probeRun{began: time.Now(), done: make(chan struct{})}
	p.running = run
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), p.Timeout)
		defer cancel()
		run.err = errCheckEnded // for a check that panics or ends its goroutine
		defer func() {
			if v := recover(); v != nil {
				run.err = fmt.Errorf("panic: %v", v)
			}
			p.mu.Lock()
			p.running = nil
			p.mu.Unlock()
			close(run.done)
		}()
		run.err = p.Check(ctx)
	}()
	return run
}

var errCheckEnded = errors.New("middleware: the check has ended its goroutine")

// wait returns the run's result, or context.DeadlineExceeded when there is none after timeout. It gives up when ctx ends.
func (r *probeRun) wait(ctx context.Context, timeout time.Duration) (err error, ok bool) {
	timer := time.NewTimer(time.Until(r.began.Add(timeout)))
	defer timer.Stop()
	select {
	case <-r.done:
		return r.err, true
	case <-timer.C:
		return context.DeadlineExceeded, true
	case <-ctx.Done():
		return nil, false
	}
}
