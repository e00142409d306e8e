package reactor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// queueFile is a file that counts how often it was closed.
type queueFile struct {
	*os.File
	closed int
}

func (f *queueFile) Close() error { f.closed++; return f.File.Close() }

func newQueueFile(t *testing.T, content string) *queueFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return &queueFile{File: f}
}

func readAvailable(t *testing.T, fd int) string {
	t.Helper()
	var all []byte
	p := make([]byte, 1<<20)
	for {
		n, err := unix.Read(fd, p)
		if err == unix.EAGAIN || n == 0 {
			return string(all)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p[:n]...)
	}
}

func TestOutputQueueWritesInOrder(t *testing.T) {
	near, far := socketPair(t)
	q, later := new(outputQueue), takeOutputQueue()
	file := newQueueFile(t, "0123456789")
	lent := []byte("lent ")
	q.appendBytes([]byte("one "))
	q.appendBytes(nil)
	q.appendBytes([]byte("two "))
	q.lend(lent)
	q.lend(nil)
	q.appendBytes([]byte("three "))
	later.appendFile(file, 3, 4)
	later.appendBytes([]byte(" end"))
	q.appendQueue(later)
	if n := len(q.segments); n != 5 {
		t.Errorf("%d segments, want 5: neighbours are joined, lent memory is not written to", n)
	}
	q.own()
	copy(lent, "!!!!!")
	weight, sent, err := q.writeTo(near, new(ioVectors))
	want := "one two lent three 3456 end"
	if err != nil || sent != int64(len(want)) || weight != len(want)-4+fileWeight {
		t.Errorf("writeTo: weight %d, %d bytes, %v", weight, sent, err)
	}
	if got := readAvailable(t, far); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !q.empty() || file.closed != 1 {
		t.Errorf("empty %v, the file closed %d times", q.empty(), file.closed)
	}
}

// TestOutputQueueShortWrites lets the kernel take a queue of many segments, more
// than one sendmsg(2) gathers, in small steps.
func TestOutputQueueShortWrites(t *testing.T) {
	near, far := socketPair(t)
	if err := (Socket{near}).SetSendBuffer(1); err != nil {
		t.Fatal(err)
	}
	q := new(outputQueue)
	var want []byte
	total := 0
	for i := range 3 * len(ioVectors{}) {
		piece := bytes.Repeat([]byte{byte(i)}, 1+i*37)
		want = append(want, piece...)
		q.segments = append(q.segments, segment{mem: piece})
		total += len(piece)
	}
	q.own()
	var got []byte
	weights := 0
	for steps := 0; !q.empty(); steps++ {
		weight, sent, err := q.writeTo(near, new(ioVectors))
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		if int64(weight) != sent {
			t.Fatalf("step %d: weight %d for %d bytes", steps, weight, sent)
		}
		weights += weight
		got = append(got, readAvailable(t, far)...)
	}
	if weights != total || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes, equal %v", weights, total, bytes.Equal(got, want))
	}
}

func TestOutputQueueBudget(t *testing.T) {
	near, far := socketPair(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			fds := []unix.PollFd{{Fd: int32(far), Events: unix.POLLIN}}
			if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
				return
			}
			if n, err := unix.Read(far, make([]byte, 1<<20)); n == 0 && err == nil {
				return
			}
		}
	}()
	defer func() { unix.Shutdown(near, unix.SHUT_WR); await(t, ended) }()
	q := new(outputQueue)
	q.lend(make([]byte, 4*writeBudget))
	for !q.empty() {
		_, sent, err := q.writeTo(near, new(ioVectors))
		if err == nil && sent < writeBudget && !q.empty() {
			t.Fatalf("stopped after %d bytes without a reason", sent)
		}
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
	}
}

func TestOutputQueueErrorsAndDiscard(t *testing.T) {
	near, far := socketPair(t)
	short, second := newQueueFile(t, "abc"), newQueueFile(t, "def")
	q := takeOutputQueue()
	q.appendFile(short, 0, 5)
	q.appendFile(second, 0, 3)
	_, sent, err := q.writeTo(near, new(ioVectors))
	if sent != 3 || !errors.Is(err, ErrFileTruncated) {
		t.Errorf("a truncated file: %d bytes, %v", sent, err)
	}
	if got := readAvailable(t, far); got != "abc" {
		t.Errorf("got %q: nothing may follow a file that was cut short", got)
	}
	q.discard()
	if short.closed != 1 || second.closed != 1 {
		t.Errorf("closed %d and %d times", short.closed, second.closed)
	}
	if _, err := io.ReadAll(second); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the second file is still open: %v", err)
	}

	q = takeOutputQueue()
	q.appendBytes([]byte("x"))
	unix.Shutdown(far, unix.SHUT_RD)
	if _, _, err := q.writeTo(near, new(ioVectors)); err != unix.EPIPE {
		t.Errorf("a peer that is gone: %v, want EPIPE, and no signal", err)
	}
	q.discard()
}

// pairConnection is an established connection of loop on one end of a socket pair,
// and the other end.
func pairConnection(t *testing.T, loop *EventLoop, cb *Callbacks) (c *TcpConnection, far int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	shared := &connShared{
		loop: loop, name: "pair", logger: loop.logger, linger: DefaultLinger,
		marks: waterMarks{DefaultLowWater, DefaultHighWater, DefaultHardCap},
		gone:  func(*TcpConnection) { close(gone) },
	}
	c = newTcpConnection(shared, fds[0], 1, UnixAddress(""), cb)
	do(t, loop, c.establishInLoop)
	t.Cleanup(func() {
		c.ForceClose()
		await(t, gone)
		unix.Close(fds[1])
	})
	return c, fds[1]
}

// TestBlockedOutputIsJoined: what a stalled peer's connection is sent byte by byte,
// an iteration each, takes the memory of its bytes, not of a segment for each.
func TestBlockedOutputIsJoined(t *testing.T) {
	loop := startLoop(t)
	c, far := pairConnection(t, loop, &Callbacks{})
	const filler, small = 1 << 20, 3000
	do(t, loop, func() { _ = c.Send(make([]byte, filler)) })
	var want []byte
	for i := range small {
		p := fmt.Appendf(nil, "%d,", i)
		want = append(want, p...)
		if err := c.Send(p); err != nil {
			t.Fatal(err)
		}
		do(t, loop, func() {})
	}
	do(t, loop, func() {
		segments := len(c.sending.segments) - c.sending.head
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.out != nil {
			segments += len(c.out.segments)
		}
		if segments > 3 {
			t.Errorf("%d bytes in %d small pieces are kept in %d segments", len(want), small, segments)
		}
	})
	c.Shutdown()
	got := 0
	var tail []byte
	p := make([]byte, 64<<10)
	for got < filler+len(want) {
		n, err := unix.Read(far, p)
		if err == unix.EAGAIN {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(far), Events: unix.POLLIN}}, -1)
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("after %d bytes: %d, %v", got, n, err)
		}
		if got += n; got > filler {
			tail = append(tail, p[max(0, n-(got-filler)):n]...)
		}
	}
	if !bytes.Equal(tail, want) {
		t.Error("the small pieces are not as they were sent")
	}
}
