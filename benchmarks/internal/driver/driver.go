// Package driver runs the load generator as a process of its own, on a CPU of its
// own, and hands it jobs.
package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/gen"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

const program = "github.com/carillon-go/carillon/benchmarks/load"

// slack is how much longer than its own times a job may take: connections, in the
// idle kinds sixteen thousand of them with TLS, and the generator's patience.
const slack = 3 * time.Minute

// Load is a running generator. One goroutine uses it.
type Load struct {
	PID int

	cmd     *exec.Cmd
	end     context.CancelFunc
	stdin   io.WriteCloser
	orders  *json.Encoder
	replies chan reply
	stderr  bytes.Buffer // read after the end
	broken  error        // a job was left in the middle
}

type reply struct {
	gen.Reply
	err error
}

// Build compiles the generator into dir, and returns the path of the program.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "load")
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", path, program).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the load generator: %w\n%s", err, said)
	}
	return path, nil
}

// Start starts the program on that CPU, or launch.AnyCPU. It ends with ctx at the
// latest; whoever starts it calls Close.
func Start(ctx context.Context, path string, cpu int) (*Load, error) {
	ctx, end := context.WithCancel(ctx)
	l := &Load{cmd: launch.Command(ctx, path), end: end, replies: make(chan reply)}
	l.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	l.cmd.Stderr = &l.stderr
	stdin, err := l.cmd.StdinPipe()
	if err != nil {
		end()
		return nil, err
	}
	stdout, err := l.cmd.StdoutPipe()
	if err != nil {
		end()
		return nil, err
	}
	if err := launch.StartOn(l.cmd, cpu); err != nil {
		end()
		return nil, fmt.Errorf("start the load generator: %w", err)
	}
	l.PID, l.stdin, l.orders = l.cmd.Process.Pid, stdin, json.NewEncoder(stdin)
	go l.read(ctx, stdout)
	return l, nil
}

func (l *Load) read(ctx context.Context, stdout io.Reader) {
	for in := json.NewDecoder(stdout); ; {
		var r reply
		r.err = in.Decode(&r.Reply)
		select {
		case l.replies <- r:
		case <-ctx.Done():
			return
		}
		if r.err != nil {
			return
		}
	}
}

// Broken says why no job can be run any more; nil while one can.
func (l *Load) Broken() error { return l.broken }

// Run has one job done. level is called at each of the job's levels, while its
// connections are held; it may be nil where there are none.
func (l *Load) Run(ctx context.Context, j gen.Job, level gen.Level) (gen.Result, error) {
	if l.broken != nil {
		return gen.Result{}, l.broken
	}
	ctx, cancel := context.WithTimeout(ctx, j.WarmUp+j.Time+slack)
	defer cancel()
	if err := l.orders.Encode(gen.Order{Job: &j}); err != nil {
		return gen.Result{}, l.lost(err)
	}
	for {
		var r reply
		select {
		case r = <-l.replies:
		case <-ctx.Done():
			return gen.Result{}, l.lost(ctx.Err())
		}
		switch {
		case r.err != nil:
			return gen.Result{}, l.lost(r.err)
		case r.Error != "":
			return gen.Result{}, errors.New(r.Error)
		case r.Result != nil:
			return *r.Result, nil
		}
		if err := level(r.Level); err != nil {
			// Whatever else is ordered ends the job: nobody waits for that.
			return gen.Result{}, l.abandon(ctx, err)
		}
		if err := l.orders.Encode(gen.Order{GoOn: true}); err != nil {
			return gen.Result{}, l.lost(err)
		}
	}
}

// abandon ends a job that is held at a level.
func (l *Load) abandon(ctx context.Context, err error) error {
	if e := l.orders.Encode(gen.Order{}); e != nil {
		return l.lost(errors.Join(err, e))
	}
	select {
	case r := <-l.replies:
		if r.err != nil {
			return l.lost(errors.Join(err, r.err))
		}
		return err
	case <-ctx.Done():
		return l.lost(errors.Join(err, ctx.Err()))
	}
}

// lost is for a generator that is not where it should be: it is not used again.
func (l *Load) lost(err error) error {
	l.Close()
	l.broken = fmt.Errorf("the load generator: %w; it printed %q", err, l.stderr.Bytes())
	return l.broken
}

// Close ends the process, and waits for that. It may be called again.
func (l *Load) Close() {
	_ = l.stdin.Close() // it may have gone
	l.end()
	_ = l.cmd.Wait() // killed, or for the second time
}
