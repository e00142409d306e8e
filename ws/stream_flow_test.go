package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/valyala/bytebufferpool"
)

// TestStreamCopy sends 20 MiB through, both sides as streams: all arrives, and neither
// side holds much of it.
func TestStreamCopy(t *testing.T) {
	const total = 20 << 20
	addr, results := startStream(t, func(ctx context.Context, s *Stream) error {
		op, r, err := s.Reader(ctx)
		if err != nil {
			return err
		}
		w, err := s.Writer(ctx, op)
		if err != nil {
			return err
		}
		if n, err := io.Copy(w, r); n != total || err != nil {
			return fmt.Errorf("%d bytes, %w", n, err)
		}
		if err := w.Close(); err != nil {
			return err
		}
		_, _, err = s.Read(ctx)
		return err
	}, WithMaxMessage(total))
	s, ctx := dialStream(t, addr, WithMaxMessage(total)), patiently(t)
	before := heapInUse()
	sent := make(chan error, 1)
	go func() {
		w, err := s.Writer(ctx, OpBinary)
		if err == nil {
			_, err = io.Copy(w, io.LimitReader(&counting{}, total))
		}
		sent <- errors.Join(err, w.Close())
	}()
	_, r, err := s.Reader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want, p, most, n := &counting{}, make([]byte, 64<<10), uint64(0), 0
	for expect := make([]byte, len(p)); ; {
		got, err := r.Read(p)
		want.Read(expect[:got])
		if !bytes.Equal(p[:got], expect[:got]) {
			t.Fatalf("other bytes at %d", n)
		}
		if n/(2<<20) != (n+got)/(2<<20) {
			most = max(most, heapInUse())
		}
		n += got
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-sent; err != nil || n != total {
		t.Error(n, err)
	}
	if grown := int64(most) - int64(before); grown > total*3/4 {
		t.Errorf("%d KiB more in use", grown>>10)
	}
	s.Close(CodeNormalClosure, "")
	wantCloseError(t, wait(t, "result", results), CodeNormalClosure, "")
}

// heapInUse is what is reachable.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// counting is a stream in which each place is different from those near it.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n ^ c.n>>8 ^ c.n>>16)
		c.n++
	}
	return len(p), nil
}

// TestStreamSlow: a goroutine that does not read has its peer wait, at a bound; what
// was sent arrives when it reads after all, also when the peer has gone meanwhile.
func TestStreamSlow(t *testing.T) {
	read := make(chan struct{})
	held := make(chan int, 1)
	const each, total = 1000, 40 << 20
	addr, results := startStream(t, func(ctx context.Context, s *Stream) error {
		select {
		case <-read:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.mu.Lock()
		held <- s.behind
		s.mu.Unlock()
		for i := 0; ; i++ {
			_, p, err := s.Read(context.Background())
			if err != nil {
				return fmt.Errorf("after %d: %w", i, err)
			}
			if len(p) != each || string(p[:8]) != fmt.Sprintf("%08d", i) {
				return fmt.Errorf("message %d: %.20q", i, p)
			}
		}
	})
	c := dial(t, addr)
	message := func(i int) []byte { return binary1(fmt.Sprintf("%08d%s", i, strings.Repeat("x", each-8))) }
	n := 0
	for ; n < total/each; n++ {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		p := message(n)
		took, err := c.Write(p)
		if err != nil { // the socket is full
			c.SetWriteDeadline(time.Now().Add(patience))
			close(read)
			c.write(p[took:])
			n++
			break
		}
	}
	if n == total/each {
		t.Fatal("the server read on and on")
	}
	if got := wait(t, "what is held", held); got > 2*workAhead {
		t.Errorf("%d bytes held", got)
	}
	c.write(closing1(CodeGoingAway, ""))
	err := wait(t, "result", results)
	wantCloseError(t, err, CodeGoingAway, "")
	if want := fmt.Sprintf("after %d:", n); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestStreamWriteWaits: Write waits for a peer that does not read, for as long as its
// context says, and goes on afterwards.
func TestStreamWriteWaits(t *testing.T) {
	blocked := make(chan int, 1)
	addr, results := startStream(t, func(ctx context.Context, s *Stream) error {
		p := bytes.Repeat([]byte("x"), 64<<10)
		n := 0
		for ; ; n++ {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			err := s.Write(short, OpBinary, p)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
		}
		if pending := s.conn.tcp.OutputBytes(); pending > writeAhead+2*len(p) {
			return fmt.Errorf("%d bytes wait", pending)
		}
		ended, cancel := context.WithCancelCause(ctx)
		cause := errors.New("enough")
		cancel(cause)
		if err := s.Write(ended, OpBinary, p); err != cause {
			return err
		}
		blocked <- n
		return s.Write(ctx, OpText, []byte("the last"))
	}, WithSendLimit(1<<20, CloseSlow))
	c := dial(t, addr)
	for range wait(t, "Write to wait", blocked) {
		if op, p, err := c.frame(); err != nil || op != ws.OpBinary || len(p) != 64<<10 {
			t.Fatal(op, len(p), err)
		}
	}
	c.want(ws.OpText, "the last")
	c.wantCloseAndAnswer(CodeNormalClosure)
	if err := wait(t, "result", results); err != nil {
		t.Error(err)
	}
}

func (c *client) wantCloseAndAnswer(code Code) {
	c.t.Helper()
	c.want(ws.OpClose, string(appendCloseBody(nil, code, "")))
	c.write(closing1(code, ""))
	c.wantEOF()
}

// TestRetainSmall: a small payload does not hold the storage of a large one.
func TestRetainSmall(t *testing.T) {
	c := &Conn{}
	for range 100 {
		retainedStorage.Put(&bytebufferpool.ByteBuffer{B: make([]byte, 0, 64<<10)})
		r := c.Retain([]byte("small"))
		if string(r.Bytes()) != "small" || r.weight() > 3*retainedSlack {
			t.Fatalf("%q weighs %d", r.Bytes(), r.weight())
		}
		r.Release()
	}
}
