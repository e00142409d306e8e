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

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
	"github.com/valyala/bytebufferpool"
)

// startStream serves f, whose results the test sees.
func startStream(t testing.TB, f func(context.Context, *Stream) error, opts ...EndpointOption) (addr string, results chan error) {
	results = make(chan error, 100)
	return start(t, StreamHandler(func(ctx context.Context, s *Stream) error {
		err := f(ctx, s)
		results <- err
		return err
	}), opts...), results
}

func dialStream(t testing.TB, addr string, opts ...DialOption) *Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := DialStream(ctx, "ws://"+addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close(CodeNormalClosure, "")
		wait(t, "end of the client", s.Conn().Client().Done())
	})
	return s
}

func patiently(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 6*patience)
	t.Cleanup(cancel)
	return ctx
}

// echoStream answers each message by itself.
func echoStream(ctx context.Context, s *Stream) error {
	for {
		op, p, err := s.Read(ctx)
		if err != nil {
			return err
		}
		if err := s.Write(ctx, op, p); err != nil {
			return err
		}
	}
}

// wantCloseError checks how a connection ended.
func wantCloseError(t testing.TB, err error, code Code, reason string) {
	t.Helper()
	var end *CloseError
	if !errors.As(err, &end) || end.Code != code || end.Reason != reason {
		t.Errorf("%v, want %v %q", err, code, reason)
	}
	if errors.Is(err, io.EOF) {
		t.Error("the end of a connection is io.EOF")
	}
}

func TestStreamEcho(t *testing.T) {
	addr, results := startStream(t, echoStream, WithSubprotocols("chat"))
	s, ctx := dialStream(t, addr, WithSubprotocols("chat")), patiently(t)
	if s.Conn().Subprotocol() != "chat" {
		t.Error(s.Conn().Subprotocol())
	}
	for _, n := range interopSizes {
		for op, p := range map[Op][]byte{OpBinary: randomBytes(n), OpText: []byte(strings.Repeat("µ", n/2))} {
			if err := s.Write(ctx, op, p); err != nil {
				t.Fatal(err)
			}
			if gotOp, got, err := s.Read(ctx); err != nil || gotOp != op || !bytes.Equal(got, p) || got == nil {
				t.Fatalf("%d bytes: op %d, %d bytes, %v", n, gotOp, len(got), err)
			}
		}
	}
	if err := s.Write(ctx, ws.OpPing, nil); !errors.Is(err, ErrBadOp) {
		t.Error("Write of a ping:", err)
	}
	if err := s.Close(CodePolicyViolation, "enough"); err != nil {
		t.Error(err)
	}
	wantCloseError(t, wait(t, "result", results), CodePolicyViolation, "enough")
	_, _, err := s.Read(ctx)
	wantCloseError(t, err, CodePolicyViolation, "")
	wantCloseError(t, context.Cause(s.Context()), CodePolicyViolation, "")
	if err := s.Write(ctx, OpText, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := s.Close(CodeNormalClosure, ""); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestStreamReader: pieces, messages that are passed over, and what is left of those.
func TestStreamReader(t *testing.T) {
	addr, results := startStream(t, func(ctx context.Context, s *Stream) error {
		op, first, err := s.Reader(ctx)
		if err != nil || op != OpText {
			return fmt.Errorf("first: op %d, %w", op, err)
		}
		var p [2]byte
		if _, err := io.ReadFull(first, p[:]); err != nil || string(p[:]) != "ab" {
			return fmt.Errorf("first: %q, %w", p, err)
		}
		op, second, err := s.Reader(ctx) // drops the rest
		if err != nil || op != OpBinary {
			return fmt.Errorf("second: op %d, %w", op, err)
		}
		if n, err := first.Read(p[:]); n != 0 || err != errPassed {
			return fmt.Errorf("the first again: %d, %w", n, err)
		}
		whole, err := io.ReadAll(second)
		if err != nil || string(whole) != "second" {
			return fmt.Errorf("second: %q, %w", whole, err)
		}
		if n, err := second.Read(p[:]); n != 0 || err != io.EOF {
			return fmt.Errorf("behind the end: %d, %w", n, err)
		}
		if _, third, err := s.Reader(ctx); err != nil {
			return err
		} else if empty, err := io.ReadAll(third); err != nil || len(empty) > 0 {
			return fmt.Errorf("third: %q, %w", empty, err)
		}
		if _, _, err := s.Reader(ctx); err != nil {
			return err
		}
		_, p4, err := s.Read(ctx) // drops all of the fourth
		if err != nil || string(p4) != "fifth" {
			return fmt.Errorf("fifth: %q, %w", p4, err)
		}
		_, cutOff, err := s.Reader(ctx)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(cutOff)
		if string(got) != "cut " {
			return fmt.Errorf("cut off: %q, %w", got, err)
		}
		return err
	})
	c := dial(t, addr)
	c.write(join(more(ws.OpText, "a"), cont("b"), cont("c"), last("d"), more(ws.OpBinary, "sec"), cont(""), last("ond"),
		more(ws.OpText, ""), last(""), more(ws.OpText, "fou"), last("rth"), text("fifth"), more(ws.OpText, "cut ")))
	c.Close()
	wantCloseError(t, wait(t, "result", results), CodeAbnormal, errEOF.Error())
}

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
	if grown := int64(most) - int64(before); grown > 8<<20 {
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

// TestStreamReadCancelled: a context breaks off the wait, and no message.
func TestStreamReadCancelled(t *testing.T) {
	steps := make(chan string, 10)
	addr, results := startStream(t, func(ctx context.Context, s *Stream) error {
		enough := errors.New("enough")
		cancelled := func() context.Context {
			c, cancel := context.WithCancelCause(ctx)
			cancel(enough)
			return c
		}
		if _, _, err := s.Read(cancelled()); err != enough {
			return err
		}
		steps <- "nothing"
		// The beginning of the first message is there, or comes.
		for !s.begun {
			short, cancel := context.WithTimeoutCause(ctx, 10*time.Millisecond, enough)
			_, _, err := s.Read(short)
			cancel()
			if err != enough {
				return err
			}
		}
		steps <- "half"
		if _, p, err := s.Read(ctx); err != nil || string(p) != "first message" {
			return fmt.Errorf("%q, %w", p, err)
		}
		for !s.begun {
			short, cancel := context.WithTimeoutCause(ctx, 10*time.Millisecond, enough)
			_, _, err := s.Read(short)
			cancel()
			if err != enough {
				return err
			}
		}
		steps <- "half again"
		op, r, err := s.Reader(ctx) // goes on with what Read has begun
		if err != nil || op != OpText {
			return err
		}
		if p, err := io.ReadAll(r); err != nil || string(p) != "second message" {
			return fmt.Errorf("%q, %w", p, err)
		}
		_, r, err = s.Reader(ctx)
		if err != nil {
			return err
		}
		if p := make([]byte, 6); true {
			if _, err := io.ReadFull(r, p); err != nil {
				return err
			}
		}
		r.(*messageReader).ctx = cancelled()
		if _, err := r.Read(make([]byte, 1)); err != enough {
			return err
		}
		steps <- "third"
		if _, p, err := s.Read(ctx); err != nil || string(p) != "fourth" {
			return fmt.Errorf("%q, %w", p, err)
		}
		return nil
	})
	c := dial(t, addr)
	for _, step := range []struct {
		after string
		send  []byte
	}{
		{"nothing", more(ws.OpText, "first ")},
		{"half", join(last("message"), more(ws.OpText, "second"))},
		{"half again", join(last(" message"), more(ws.OpText, "third "))},
		{"third", join(last("message"), text("fourth"))},
	} {
		select {
		case got := <-steps:
			if got != step.after {
				t.Fatal(got, "instead of", step.after)
			}
		case err := <-results:
			t.Fatal(step.after, err)
		}
		c.write(step.send)
	}
	if err := wait(t, "result", results); err != nil {
		t.Error(err)
	}
	c.wantCloseAndAnswer(CodeNormalClosure)
}

// TestStreamEnds: what f comes to decides how the connection is closed, and what is
// logged.
func TestStreamEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		f      func(context.Context, *Stream) error
		code   Code
		reason string
		logged string
	}{
		{"nil", func(context.Context, *Stream) error { return nil }, 1000, "", ""},
		{"a CloseError", func(context.Context, *Stream) error { return fmt.Errorf("so: %w", &CloseError{4004, "none"}) }, 4004, "none", ""},
		{"a CloseError that cannot be sent", func(context.Context, *Stream) error { return &CloseError{CodeAbnormal, "lost"} }, 1011, "the handler failed", ""},
		{"an error", func(context.Context, *Stream) error { return errors.New("secret") }, 1011, "the handler failed", "secret"},
		{"a panic", func(context.Context, *Stream) error { panic("secret") }, 1011, "the handler failed", "secret"},
		{"Goexit", func(context.Context, *Stream) error { runtime.Goexit(); return nil }, 1011, "the handler failed", "Goexit"},
		{"Close, then nil", func(_ context.Context, s *Stream) error { return s.Close(4005, "own") }, 4005, "own", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, lines := newLog()
			addr := start(t, StreamHandler(c.f), WithLogger(log))
			conn := dial(t, addr)
			conn.want(ws.OpClose, string(appendCloseBody(nil, c.code, c.reason)))
			conn.write(closing1(c.code, ""))
			conn.wantEOF()
			if c.logged != "" {
				if line := wait(t, "log", lines); !strings.Contains(line, c.logged) {
					t.Error(line)
				}
			} else if len(lines) > 0 {
				t.Error(<-lines)
			}
		})
	}
}

// TestStreamPeerEnds: how f hears of the peer's close, and of its loss; messages that
// came before are read first.
func TestStreamPeerEnds(t *testing.T) {
	log, lines := newLog()
	addr, results := startStream(t, func(ctx context.Context, s *Stream) error {
		<-ctx.Done()
		if _, p, err := s.Read(ctx); err != nil || string(p) != "before" {
			return fmt.Errorf("%q, %w", p, err)
		}
		_, _, err := s.Read(ctx)
		if end := context.Cause(ctx); end != err {
			return fmt.Errorf("Read got %w, ctx %v", err, end)
		}
		return err
	}, WithLogger(log))
	for _, c := range []struct {
		frame  []byte
		code   Code
		reason string
	}{
		{closing1(4000, "bye"), 4000, "bye"},
		{whole1(ws.OpClose, ""), CodeNoStatus, ""},
		{nil, CodeAbnormal, errEOF.Error()},
		{cut{fin: true, op: ws.OpText, unmasked: true}.bytes(), CodeProtocolError, errNotMasked.reason},
	} {
		conn := dial(t, addr)
		conn.write(join(text("before"), c.frame))
		conn.closeWrite()
		wantCloseError(t, wait(t, "result", results), c.code, c.reason)
	}
	if len(lines) > 0 {
		t.Error(<-lines)
	}
}

// TestStreamCloseUnanswered: Close waits no longer than WithCloseTimeout.
func TestStreamCloseUnanswered(t *testing.T) {
	addr, results := startStream(t, func(_ context.Context, s *Stream) error {
		return s.Close(CodeNormalClosure, "")
	}, WithCloseTimeout(30*time.Millisecond))
	dial(t, addr)
	var end *CloseError
	if err := wait(t, "result", results); !errors.As(err, &end) || end.Code != CodeAbnormal {
		t.Error(err)
	}
}

// TestStreamCloseWhileHeld: a connection that is not read because its goroutine is
// behind still finds the peer's close frame when it is closed.
func TestStreamCloseWhileHeld(t *testing.T) {
	addr, results := startStream(t, func(ctx context.Context, s *Stream) error {
		for !s.full() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			runtime.Gosched()
		}
		return s.Close(CodeServiceRestart, "")
	})
	c := dial(t, addr)
	go func() {
		for range 3 { // as much as is read behind the bound, and the sockets hold
			c.Write(binary1(strings.Repeat("x", workAhead)))
		}
	}()
	c.want(ws.OpClose, string(appendCloseBody(nil, CodeServiceRestart, "")))
	c.write(closing1(CodeServiceRestart, ""))
	if err := wait(t, "result", results); err != nil {
		t.Error(err)
	}
}

// TestStreamOnLoop: what waits is refused on a loop.
func TestStreamOnLoop(t *testing.T) {
	addr, _ := startStream(t, echoStream)
	s := dialStream(t, addr)
	checked := make(chan struct{})
	s.Conn().Loop().QueueInLoop(func() {
		defer close(checked)
		_, _, err1 := s.Read(context.Background())
		_, _, err2 := s.Reader(context.Background())
		err3 := s.Write(context.Background(), OpText, nil)
		_, err4 := s.Writer(context.Background(), OpText)
		for i, err := range []error{err1, err2, err3, err4, s.Close(CodeNormalClosure, "")} {
			if !errors.Is(err, reactor.ErrOnLoop) {
				t.Error(i, err)
			}
		}
	})
	wait(t, "the loop", checked)
}

// TestStreamOffload: what has a goroutine is given no second one.
func TestStreamOffload(t *testing.T) {
	h := StreamHandler(echoStream)
	if Offload(h) != h {
		t.Error("offloaded")
	}
	c := dial(t, start(t, Offload(h)))
	c.write(text("hi"))
	c.want(ws.OpText, "hi")
}

func TestDialStreamRefuses(t *testing.T) {
	if _, err := DialStream(context.Background(), "ws://example.com", WithReconnect(1, 1)); !errors.Is(err, ErrReconnectStream) {
		t.Error(err)
	}
	if _, err := DialStream(context.Background(), "wss://example.com"); !errors.Is(err, ErrTLS) {
		t.Error(err)
	}
	addr := script(t, func(p *peer) { p.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") })
	var refused *HandshakeError
	if _, err := DialStream(context.Background(), "ws://"+addr); !errors.As(err, &refused) {
		t.Error(err)
	}
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
