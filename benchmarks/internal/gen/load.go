package gen

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/carillon-go/carillon/benchmarks/internal/proc"
)

// The histogram keeps three digits of latencies up to a minute, in nanoseconds.
const (
	longestLatency = int64(time.Minute)
	latencyDigits  = 3
)

// load is the part of a run that measures.
type load struct {
	stopping    bool
	outstanding int           // answers that have not come
	settled     chan struct{} // closed when none is, after the end
	isSettled   bool
	over        chan struct{} // closed when the window has ended

	recording  bool
	overdue    bool  // the window's time is over, and nothing has come in it
	done       int64 // in the window
	histogram  *hdrhistogram.Histogram
	begin, end reading

	pace      // of Open
	broadcast // of Broadcast
}

// reading is what is read at both ends of the window.
type reading struct {
	at, cpu, own time.Duration
}

func (r *run) prepareLoad() error {
	r.histogram = hdrhistogram.New(1, longestLatency, latencyDigits)
	r.settled, r.over = make(chan struct{}), make(chan struct{})
	_, err := r.read() // a process that is not there is told before the load begins
	return err
}

func (r *run) read() (reading, error) {
	now := reading{at: r.clock()}
	for _, pid := range r.job.PIDs {
		cpu, err := proc.CPU(pid)
		if err != nil {
			return now, err
		}
		now.cpu += cpu
	}
	var err error
	now.own, err = proc.CPU(os.Getpid())
	return now, err
}

// drive makes the load for the warm-up and the window, and then waits for the
// answers that are due.
func (r *run) drive(ctx context.Context) error {
	if err := r.loop.QueueInLoop(r.start); err != nil {
		return err
	}
	long := r.job.WarmUp + r.job.Time + r.patience
	if err := r.wait(ctx, r.over, long, func() error { return fmt.Errorf("%d answers are missing", r.outstanding) }); err != nil {
		return err
	}
	return r.wait(ctx, r.settled, r.patience, func() error { return fmt.Errorf("%d answers are missing", r.outstanding) })
}

func (r *run) start() {
	switch r.job.Kind {
	case Open:
		r.startPace()
	case Churn:
		r.startChurn()
	case Broadcast:
		r.startBroadcast()
		return // its window ends with a broadcast, not with a timer
	default:
		r.answered = r.again
		for _, c := range r.clients[:r.job.Connections] {
			r.ask(c, r.clock())
		}
	}
	r.loop.RunAfter(r.job.WarmUp, func() {
		r.openWindow()
		r.loop.RunAfter(r.job.Time, r.endWindow)
	})
}

// endWindow ends the load, or has count do so with the first answer.
func (r *run) endWindow() {
	if r.overdue = r.done == 0; !r.overdue {
		r.closeWindow()
		r.stop()
	}
}

// again is the closed loop.
func (r *run) again(c *client, n int, now time.Duration) {
	r.count(n, now-c.since)
	if c.due == 0 && !r.stopping {
		r.ask(c, now)
	}
	r.checkSettled()
}

// count counts n answers that have come in the window, and took that long.
func (r *run) count(n int, took time.Duration) {
	if r.recording {
		r.keep(n, took)
		r.countAnswers(n)
	}
}

// countDue counts n answers that have come in the window, and keeps how long those
// took that were due in it, whenever they come: else a server could lose its worst
// by standing still at the end.
func (r *run) countDue(n int, due, now time.Duration) {
	if due >= r.begin.at && (r.recording || r.stopping && due < r.end.at) {
		r.keep(n, now-due)
	}
	if r.recording {
		r.countAnswers(n)
	}
}

func (r *run) countAnswers(n int) {
	if r.done += int64(n); r.overdue {
		r.endWindow()
	}
}

func (r *run) keep(n int, took time.Duration) {
	// The longest that can be kept is a minute, which patience does not reach.
	_ = r.histogram.RecordValues(max(1, took.Nanoseconds()), int64(n))
}

func (r *run) openWindow() {
	var err error
	if r.begin, err = r.read(); err != nil {
		r.fail(err)
	}
	r.recording = true
}

func (r *run) closeWindow() {
	var err error
	if r.end, err = r.read(); err != nil {
		r.fail(err)
	}
	r.recording = false
}

// stop lets the load end.
func (r *run) stop() {
	r.stopping = true
	close(r.over)
	if r.job.Kind == Open {
		r.dispatch(r.clock())
	}
	r.checkSettled()
}

func (r *run) checkSettled() {
	if r.stopping && r.outstanding == 0 && !r.isSettled && r.failure == nil {
		r.isSettled = true
		close(r.settled)
	}
}

func (r *run) result() (Result, error) {
	answer := make(chan Result, 1)
	err := r.loop.QueueInLoop(func() {
		us := func(q float64) float64 { return float64(r.histogram.ValueAtQuantile(q)) / 1e3 }
		answer <- Result{
			Done: r.done, Window: r.end.at - r.begin.at, CPU: r.end.cpu - r.begin.cpu, LoadCPU: r.end.own - r.begin.own,
			Latency: Latency{P50: us(50), P90: us(90), P99: us(99), P999: us(99.9), Max: float64(r.histogram.Max()) / 1e3},
		}
	})
	if err != nil {
		return Result{}, err
	}
	return <-answer, nil
}
