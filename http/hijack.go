package http

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// hijacked is a connection that a handler of net/http has taken over: a net.Conn whose methods block their goroutine, on a
// connection of the loop. Any goroutine may call them; on the loop they return reactor.ErrOnLoop where they would block.
type hijacked struct {
	tcp           *reactor.TcpConnection
	in            *pipe
	room          room
	local, remote net.Addr
	ended         bool // the loop's: the peer's FIN was read
	writing       sync.Mutex
	reads, writes expiry
}

// hijack takes the connection from HTTP, for the handler of x that runs on a goroutine.
func (c *conn) hijack(x *exchange) (net.Conn, error) {
	if x.onLoop {
		return nil, reactor.ErrOnLoop
	}
	h := &hijacked{tcp: c.tcp}
	h.room.wake.L = &h.room.mu
	loop := c.worker.loop
	h.in = newPipe(loop, -1, func() { _ = loop.QueueInLoop(h.resumeInLoop) })
	done := make(chan error, 1)
	if err := loop.QueueInLoop(func() { done <- c.hijackInLoop(h) }); err != nil {
		return nil, err
	}
	if err := <-done; err != nil {
		return nil, err
	}
	return h, nil
}

func (c *conn) hijackInLoop(h *hijacked) error {
	if c.has(lost | finished) {
		return ErrClientGone
	}
	h.local, h.remote = netAddr(c.place.local), netAddr(c.remoteAddr())
	if p := c.x.body.pipe; p != nil {
		p.drop() // what is left of the body is the connection's now
	}
	h.ended = c.has(peerDone)
	c.detach(func(tcp *reactor.TcpConnection) {
		tcp.SetContext(h)
		tcp.SetCallbacks(hijackCallbacks)
	})
	h.endInput()
	return nil
}

// endInput tells the reader that the peer sends no more, once all that it has sent is in the pipe.
func (h *hijacked) endInput() {
	if h.ended && h.tcp.Input().Len() == 0 {
		h.in.finish(io.EOF)
	}
}

var hijackCallbacks = func() *reactor.Callbacks {
	of := func(tcp *reactor.TcpConnection) *hijacked { return tcp.Context().(*hijacked) }
	return &reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) {
			if !tcp.Connected() {
				of(tcp).gone(tcp.Err())
			}
		},
		Message:       func(tcp *reactor.TcpConnection, in *reactor.Buffer) { of(tcp).fill(in) },
		WriteComplete: func(tcp *reactor.TcpConnection) { of(tcp).room.made() },
		LowWater:      func(tcp *reactor.TcpConnection) { of(tcp).room.made() },
		HalfClose: func(tcp *reactor.TcpConnection) {
			h := of(tcp)
			h.ended = true
			h.endInput()
		},
		Timeout: func(*reactor.TcpConnection) {}, // deadlines are the handler's
	}
}()

func (h *hijacked) fill(in *reactor.Buffer) {
	for in.Len() > 0 {
		had := h.in.fill(func(dst []byte, room int) []byte {
			p := in.Peek()
			p = p[:min(len(p), room)]
			dst = append(dst, p...)
			in.Retrieve(len(p))
			return dst
		})
		if !had {
			h.tcp.StopRead()
			return
		}
	}
	h.endInput()
}

// resumeInLoop goes on reading when the pipe has room again.
func (h *hijacked) resumeInLoop() {
	if h.tcp.State() == reactor.Disconnected {
		return
	}
	h.tcp.StartRead()
	h.fill(h.tcp.Input())
}

func (h *hijacked) gone(err error) {
	if err == nil {
		err = io.EOF
	}
	h.in.finish(err)
	h.room.lost()
	h.stopTimers()
}

// Read implements net.Conn.
func (h *hijacked) Read(p []byte) (int, error) { return h.in.Read(p) }

// Write implements net.Conn. It waits while the peer is behind by more than 256 KiB.
func (h *hijacked) Write(p []byte) (int, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	sent := 0
	for sent < len(p) || len(p) == 0 {
		if err := h.awaitRoom(); err != nil {
			return sent, err
		}
		piece := p[sent:min(sent+largestPiece, len(p))]
		if err := h.tcp.Send(piece); err != nil {
			return sent, closedError(err)
		}
		if sent += len(piece); len(p) == 0 {
			break
		}
	}
	return sent, nil
}

func (h *hijacked) awaitRoom() error {
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	for !h.room.gone && !h.room.expired && h.tcp.OutputBytes() > roomMark {
		if h.tcp.Loop().IsInLoopThread() {
			return reactor.ErrOnLoop
		}
		h.room.wake.Wait()
	}
	switch {
	case h.room.gone:
		return net.ErrClosed
	case h.room.expired:
		return os.ErrDeadlineExceeded
	}
	return nil
}

func closedError(err error) error {
	if errors.Is(err, reactor.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

// Close implements net.Conn: what was written is still sent.
func (h *hijacked) Close() error {
	h.in.finish(net.ErrClosed)
	h.in.drop()
	h.room.lost()
	h.stopTimers()
	h.tcp.Shutdown()
	return nil
}

// CloseWrite sends the end of the stream, as that of a net.TCPConn does.
func (h *hijacked) CloseWrite() error {
	h.tcp.CloseWrite()
	return nil
}

// LocalAddr implements net.Conn.
func (h *hijacked) LocalAddr() net.Addr { return h.local }

// RemoteAddr implements net.Conn.
func (h *hijacked) RemoteAddr() net.Addr { return h.remote }

// SetDeadline implements net.Conn.
func (h *hijacked) SetDeadline(t time.Time) error {
	return errors.Join(h.SetReadDeadline(t), h.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (h *hijacked) SetReadDeadline(t time.Time) error {
	h.reads.set(t, h.in.expire)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (h *hijacked) SetWriteDeadline(t time.Time) error {
	h.writes.set(t, func(on bool) { h.room.expire(0, on) })
	return nil
}

func (h *hijacked) stopTimers() {
	h.reads.stop()
	h.writes.stop()
}

// expiry is a deadline that can be moved, also while it passes. Any goroutine may call its methods.
type expiry struct {
	mu    sync.Mutex
	timer *time.Timer
	turn  uint64 // counts deadlines: one that was replaced does not count, though its timer has gone off
}

// set has expire called with true at t, and with false now if that is later, or never because t is zero.
func (e *expiry) set(t time.Time, expire func(on bool)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopLocked()
	d := time.Until(t)
	past := d <= 0 && !t.IsZero()
	expire(past)
	if past || t.IsZero() {
		return
	}
	turn := e.turn
	e.timer = time.AfterFunc(d, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.turn == turn {
			expire(true)
		}
	})
}

func (e *expiry) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopLocked()
}

func (e *expiry) stopLocked() {
	e.turn++
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}

var _ net.Conn = (*hijacked)(nil)
