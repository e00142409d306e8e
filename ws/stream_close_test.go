package ws

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

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
