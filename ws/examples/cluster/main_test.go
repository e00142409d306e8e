package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/ws"
)

// TestMain is also the main of the processes that the test starts.
func TestMain(m *testing.M) {
	if url := os.Getenv("CLUSTER_TEST_NATS"); url != "" {
		if err := run("127.0.0.1:0", url, os.Getenv("CLUSTER_TEST_EMBED") != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// process is one of the cluster.
type process struct {
	cmd  *exec.Cmd
	addr string
	done chan struct{} // its output has ended
}

func startProcess(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if _, addr, ok := strings.Cut(lines.Text(), "listening address="); ok {
				listening <- addr
			} else {
				t.Log(lines.Text())
			}
		}
	}()
	t.Cleanup(func() { p.stop(t) })
	select {
	case p.addr = <-listening:
	case <-p.done:
		t.Fatal("the process has ended")
	case <-time.After(20 * time.Second):
		t.Fatal("the process does not listen")
	}
	return p
}

// stop has a process end in good order, if it has not.
func (p *process) stop(t *testing.T) {
	if p.cmd.ProcessState != nil {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestCluster: what is said at one of three processes is heard at all, also when one of
// them has gone.
func TestCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	nats := "CLUSTER_TEST_NATS=nats://" + l.Addr().String()
	processes := []*process{startProcess(t, nats, "CLUSTER_TEST_EMBED=1"), startProcess(t, nats), startProcess(t, nats)}
	join := func(p *process, room string) *ws.Stream {
		t.Helper()
		s, err := ws.DialStream(ctx, "ws://"+p.addr+"/room/"+room)
		if err != nil {
			t.Fatal(err)
		}
		if _, text, err := s.Read(ctx); err != nil || string(text) != "joined "+room {
			t.Fatalf("%q, %v", text, err)
		}
		return s
	}
	var lobby []*ws.Stream
	for _, p := range processes {
		lobby = append(lobby, join(p, "lobby"))
	}
	other := join(processes[2], "other")
	say := func(from *ws.Stream, text string, to ...*ws.Stream) {
		t.Helper()
		if err := from.Write(ctx, ws.OpText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		for i, s := range to {
			if _, got, err := s.Read(ctx); err != nil || string(got) != text {
				t.Fatalf("%d got %q, %v; want %q", i, got, err, text)
			}
		}
	}
	for i, s := range lobby {
		say(s, fmt.Sprint("from ", i), lobby...)
	}
	processes[1].stop(t)
	if _, _, err := lobby[1].Read(ctx); !errors.Is(err, &ws.CloseError{Code: ws.CodeGoingAway}) {
		t.Error(err)
	}
	say(lobby[2], "still there?", lobby[0], lobby[2])
	say(other, "nobody else", other)
	for _, s := range []*ws.Stream{lobby[0], lobby[2], other} {
		if err := s.Close(ws.CodeNormalClosure, ""); err != nil {
			t.Error(err)
		}
	}
}
