package ws

import (
	"context"
	"errors"
)

// StreamHandler is a Handler that runs f for each connection on a goroutine of its
// own, for as long as f likes. That is its price beside a handler on the loop: the
// goroutine and its stack, some kilobytes for each connection.
//
// ctx is the Stream's Context. When f returns the connection is closed: with
// CodeNormalClosure after nil; with the code and reason of a *CloseError; after any
// other error, which is logged, with CodeInternalError. What f returns when the
// connection has ended already is not logged when it is that end: a *CloseError, an
// ErrClosed or the error of ctx. A panic is logged and closes the connection, not the
// process.
func StreamHandler(f func(ctx context.Context, s *Stream) error) Handler {
	if f == nil {
		panic("ws: StreamHandler without a function")
	}
	return &streamHandler{opened: func(s *Stream) { s.conn.Loop().Go(func() { s.run(f) }) }}
}

// DialStream is Dial for a Stream, which WithReconnect does not go with: a Stream is
// one connection. Close it when it is done with. The errors are those of Dial, and
// ErrReconnectStream.
func DialStream(ctx context.Context, url string, opts ...DialOption) (*Stream, error) {
	var s *Stream
	c, err := newClient(url, &streamHandler{opened: func(opened *Stream) { s = opened }}, opts)
	if err != nil {
		return nil, err
	}
	if c.dial.reconnect {
		c.ended(ErrReconnectStream)
		return nil, ErrReconnectStream
	}
	if err := c.dialFirst(ctx); err != nil {
		return nil, err
	}
	return s, nil // the result of dialFirst came from the loop after OnOpen
}

// streamHandler makes a Stream of each connection.
type streamHandler struct{ opened func(*Stream) }

func (h *streamHandler) OnOpen(c *Conn) {
	s := newStream(c)
	c.mu.Lock()
	m := c.needRare()
	m.stream, m.intake = s, &s.intake
	c.mu.Unlock()
	h.opened(s)
}

func (h *streamHandler) OnFragment(c *Conn, op Op, p []byte, last bool) {
	c.rare.Load().stream.received(op, p, last)
}

// OnMessage is not called: see FragmentHandler.
func (h *streamHandler) OnMessage(*Conn, Op, []byte) {}

func (h *streamHandler) OnClose(c *Conn, code Code, reason string) {
	c.rare.Load().stream.closed(code, reason)
}

// run runs f and closes the connection behind it.
func (s *Stream) run(f func(context.Context, *Stream) error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			v = "runtime.Goexit"
		}
		s.conn.panickedElsewhere(v)
	}()
	err := f(s.ctx, s)
	returned = true
	s.returned(err)
}

// returned closes the connection for what f returned. An error of Close is a
// connection that closes already.
func (s *Stream) returned(err error) {
	var end *CloseError
	switch {
	case err == nil:
		_ = s.conn.Close(CodeNormalClosure, "")
	case errors.As(err, &end) && s.conn.Close(end.Code, end.Reason) == nil:
	case s.isEnd(err):
		_ = s.conn.Close(CodeInternalError, errPanic.reason)
	default:
		s.conn.shard.log().Error("ws: handler failed", "error", err, "remote", s.conn.RemoteAddr().String())
		_ = s.conn.Close(CodeInternalError, errPanic.reason)
	}
}

// isEnd reports whether err only says that the connection has ended.
func (s *Stream) isEnd(err error) bool {
	var end *CloseError
	return errors.As(err, &end) || errors.Is(err, ErrClosed) ||
		s.ctx.Err() != nil && errors.Is(err, s.ctx.Err())
}
