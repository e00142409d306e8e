package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/driver"
	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
	"github.com/carillon-go/carillon/benchmarks/internal/report"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// server is one that runs, and its processes.
type server struct {
	*launch.Server
	pids []int
}

// session is everything that runs, and what it gave so far.
type session struct {
	options
	ctx    context.Context
	fleet  *fleet.Fleet
	load   *driver.Load
	plain  map[string]*server
	secure map[string]*server // over TLS
	log    io.Writer
	result outcome.Outcome
}

// run measures everything, and writes it: when it ends early, what there is.
func run(ctx context.Context, o options, out, progress io.Writer) error {
	if err := os.MkdirAll(o.out, 0o777); err != nil { // before half an hour of work
		return err
	}
	began := time.Now()
	s, err := newSession(ctx, o, clocked{progress, began})
	if err == nil {
		err = s.measure()
	}
	s.close()
	if err != nil && len(s.result.Workloads)+len(s.result.Curves) == 0 {
		return err
	}
	if err != nil {
		s.note("the run has ended early: %v", err)
	}
	s.result.Took = time.Since(began)
	for _, t := range targets() {
		if !o.wants(t.Workload + t.Curve) { // one of the two is empty
			continue
		}
		s.result.Rows = append(s.result.Rows, t.Judge(&s.result))
	}
	return errors.Join(write(&s.result, o.out, out), err)
}

// over says why nothing can be measured any more: it was interrupted, or the load is
// gone.
func (s *session) over() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	return s.load.Broken()
}

// clocked begins each write, which is a line, with the seconds since the run began.
type clocked struct {
	to    io.Writer
	since time.Time
}

func (c clocked) Write(p []byte) (int, error) {
	if _, err := fmt.Fprintf(c.to, "%5.0fs ", time.Since(c.since).Seconds()); err != nil {
		return 0, err
	}
	return c.to.Write(p)
}

// newSession builds and starts everything. Whoever calls it calls close, also after
// an error.
func newSession(ctx context.Context, o options, log io.Writer) (*session, error) {
	s := &session{options: o, ctx: ctx, log: log, fleet: &fleet.Fleet{}, plain: map[string]*server{}, secure: map[string]*server{}}
	s.result = outcome.Outcome{When: time.Now(), Machine: report.Machine(), CPUs: cpus(), ServerCPU: o.serverCPU, LoadCPU: o.loadCPU,
		Quick: o.quick, Rounds: o.rounds, Slice: o.slice}
	if err := s.build(); err != nil {
		return s, err
	}
	if err := s.writeFiles(); err != nil {
		return s, err
	}
	program, err := driver.Build(ctx, s.fleet.Dir)
	if err != nil {
		return s, err
	}
	if s.load, err = driver.Start(ctx, program, o.loadCPU); err != nil {
		return s, err
	}
	return s, s.startAll()
}

// build compiles what the run needs. What cannot be built, for want of a compiler or
// of the server itself, is left out and noted, but for the subject.
func (s *session) build() error {
	fmt.Fprintln(s.log, "building the servers")
	var chosen []peers.Server
	for _, name := range s.needed() {
		one, err := peers.Parse(name)
		if err != nil {
			return err
		}
		chosen = append(chosen, one...)
	}
	var err error
	var failed []error
	s.fleet, failed, err = fleet.Build(s.ctx, "carillon-run", chosen)
	for _, f := range failed {
		s.note("%v", f)
	}
	if err == nil && s.index(subject) < 0 {
		err = errors.Join(failed...)
	}
	return err
}

// needed are the names of all servers that something is measured on.
func (s *session) needed() []string {
	names := []string{subject}
	add := func(list []string) {
		for _, name := range list {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, w := range workloads() {
		if s.wants(w.name) {
			add(w.on(&s.options))
		}
	}
	for _, m := range memories() {
		if s.wants(m.name) {
			add(m.on(&s.options))
		}
	}
	return names
}

// index is that of a server in the fleet, -1 without.
func (s *session) index(name string) int {
	return slices.IndexFunc(s.fleet.Servers, func(p peers.Server) bool { return p.Name == name })
}

// filePath is where a file of the static workloads is; "" is their folder.
func (s *session) filePath(name string) string { return filepath.Join(s.fleet.Dir, "static", name) }

func (s *session) writeFiles() error {
	if err := os.Mkdir(s.filePath(""), 0o755); err != nil {
		return err
	}
	// Readable for all, since nginx may give up being root.
	if err := os.Chmod(s.fleet.Dir, 0o755); err != nil {
		return err
	}
	for name, size := range fileSizes {
		text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog 0123456789\n"), size/55+1)[:size]
		if err := os.WriteFile(s.filePath(name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// start starts a process of that server; more is added to its environment.
func (s *session) start(name string, cpu int, more ...string) (*server, error) {
	env := append([]string{"STATIC_DIR=" + s.filePath("")}, more...)
	running, err := s.fleet.Start(s.ctx, s.index(name), cpu, env...)
	if err != nil {
		return nil, err
	}
	pids, err := proc.Tree(running.PID)
	if err != nil {
		running.Stop()
		return nil, err
	}
	return &server{running, pids}, nil
}

// startAll starts what the workloads need. One that does not start is left out and
// noted.
func (s *session) startAll() error {
	for _, w := range workloads() {
		if !s.wants(w.name) {
			continue
		}
		of, env := s.plain, []string(nil)
		if w.tls {
			of, env = s.secure, []string{"TLS=1"}
		}
		for _, name := range w.on(&s.options) {
			if _, ok := of[name]; ok || s.index(name) < 0 {
				continue
			}
			running, err := s.start(name, s.serverCPU, env...)
			if err != nil {
				if name == subject || s.ctx.Err() != nil {
					return err
				}
				s.note("%v", err)
			}
			of[name] = running // nil: not again
		}
	}
	return nil
}

// note keeps what whoever reads the result should know, once.
func (s *session) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(s.result.Notes, text) {
		s.result.Notes = append(s.result.Notes, text)
		fmt.Fprintln(s.log, "note:", text)
	}
}

// close ends the servers and the load, and removes what was built.
func (s *session) close() {
	if s.load != nil {
		s.load.Close()
	}
	for _, of := range []map[string]*server{s.plain, s.secure} {
		for _, running := range of {
			if running != nil {
				running.Stop()
			}
		}
	}
	s.fleet.Close()
}
