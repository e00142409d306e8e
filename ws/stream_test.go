package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
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
	url, opts := dialedSide("ws://"+addr, opts)
	s, err := DialStream(ctx, url, opts...)
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
		begin := func() error {
			for !s.begun {
				short, cancel := context.WithTimeoutCause(ctx, 10*time.Millisecond, enough)
				_, _, err := s.Read(short)
				cancel()
				if err != enough {
					return err
				}
			}
			return nil
		}
		if err := begin(); err != nil {
			return err
		}
		steps <- "half"
		if _, p, err := s.Read(ctx); err != nil || string(p) != "first message" {
			return fmt.Errorf("%q, %w", p, err)
		}
		if err := begin(); err != nil {
			return err
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
	addr := script(t, func(p *peer) { p.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") })
	var refused *HandshakeError
	if _, err := DialStream(context.Background(), "ws://"+addr); !errors.As(err, &refused) {
		t.Error(err)
	}
}
