package reactor_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

const emfileChildEnv = "CARILLON_EMFILE_CHILD"

// TestOutOfFiles fills the table of fds of a process of its own: the client that
// comes then is turned away at once, the loop does not spin, the log stays short,
// and when fds are free again the listener comes back by itself.
func TestOutOfFiles(t *testing.T) {
	poller := os.Getenv(reactor.PollerEnv)
	if child := os.Getenv(emfileChildEnv); child != "" {
		if child == poller { // the child's own main runs everything over each poller, too
			serveOutOfFiles(t)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfFiles$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), emfileChildEnv+"="+poller)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	stdin, err := cmd.StdinPipe()
	must(t, err)
	report, childReport, err := os.Pipe()
	must(t, err)
	defer report.Close()
	cmd.ExtraFiles = []*os.File{childReport}
	must(t, cmd.Start())
	childReport.Close()
	defer func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child: %v\n%s", err, output.String())
		}
	}()
	must(t, report.SetReadDeadline(time.Now().Add(patience)))
	where, err := io.ReadAll(report) // to its end: the child needs an fd less then
	if err != nil || len(where) == 0 {
		t.Errorf("the child says %q, %v", where, err)
		return
	}
	addr := addressOf(t, string(where))

	before := dial(t, addr)
	write(t, before, "fill\n")
	expect(t, before, "full\n")
	began := time.Now()
	for range 6 {
		turnedAway := dial(t, addr)
		expectClosed(t, turnedAway)
		turnedAway.Close()
	}
	// Between them lie five pauses, of 10 ms and then twice as long each time.
	if took := time.Since(began); took < 310*time.Millisecond {
		t.Errorf("six clients were turned away within %v: the loop does not pause", took)
	}
	write(t, before, "free\n") // the connection that was there is served all the time
	expect(t, before, "freed\n")
	after := dial(t, addr)
	write(t, after, "ping\n")
	expect(t, after, "pong\n")
	var log string
	write(t, after, "log\n")
	must(t, after.SetReadDeadline(time.Now().Add(patience)))
	if _, err := fmt.Fscanln(after, &log); err != nil || log != "1" {
		t.Errorf("%s lines in the log, %v; want 1", log, err)
	}
	before.Close()
	after.Close()
}

// serveOutOfFiles is the child: it does what its client says, until stdin ends.
func serveOutOfFiles(t *testing.T) {
	var log bytes.Buffer // loop goroutine only
	logger := slog.New(slog.NewTextHandler(&log, nil))
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	must(t, err)
	var filling []int
	server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			command := string(in.Peek())
			in.RetrieveAll()
			switch command {
			case "fill\n":
				filling = fillFiles(t)
				_ = c.SendString("full\n")
			case "free\n":
				for _, fd := range filling {
					_ = unix.Close(fd)
				}
				_ = c.SendString("freed\n")
			case "ping\n":
				_ = c.SendString("pong\n")
			case "log\n":
				_ = c.SendString(fmt.Sprintln(strings.Count(log.String(), "accepting connections fails")))
			}
		},
	}, reactor.WithLogger(logger))
	must(t, err)
	must(t, server.Start())
	began := cpuTime(t)
	wall := time.Now()
	report := os.NewFile(3, "report")
	fmt.Fprint(report, server.Addr())
	report.Close()
	_, _ = io.Copy(io.Discard, os.Stdin)
	// Six clients and their pauses take about half a second; a loop
	// that spun would have used about all of that time.
	if used, took := cpuTime(t)-began, time.Since(wall); used > took/2 {
		t.Errorf("%v of processor time in %v: the loop spins", used, took)
	}
	must(t, server.Shutdown(context.Background()))
	must(t, thread.Stop())
}

// fillFiles takes all fds that are left.
func fillFiles(t *testing.T) (fds []int) {
	var limit unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	limit.Cur = 128
	check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	for {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			if err != unix.EMFILE {
				t.Error(err)
			}
			return fds
		}
		fds = append(fds, fd)
	}
}

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage unix.Rusage
	must(tb, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
