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
// connection of the loop. Any goroutine may call them.
type hijacked struct {
	tcp           *reactor.TcpConnection
	in            *pipe
	room          room
	local, remote net.Addr

	mu     sync.Mutex
	timers [2]*time.Timer
}

// hijack takes the connection from HTTP, for the handler of x that runs on a goroutine.
func (c *conn) hijack(x *exchange) (net.Conn, error) {
	if x.onLoop {
		return nil, reactor.ErrOnLoop
	}
	h := &hijacked{tcp: c.tcp}
	h.room.wake.L = &h.room.mu
	loop := c.worker.loop
	h.in = newPipe(-1, func() { _ = loop.QueueInLoop(h.resumeInLoop) })
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
	h.local, h.remote = netAddr(c.tcp.LocalAddr()), netAddr(c.tcp.PeerAddr())
	peerDone := c.has(peerDone)
	c.detach(func(tcp *reactor.TcpConnection) {
		tcp.SetContext(h)
		tcp.SetCallbacks(hijackCallbacks)
	})
	if peerDone {
		h.in.finish(io.EOF)
	}
	return nil
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
		HalfClose:     func(tcp *reactor.TcpConnection) { of(tcp).in.finish(io.EOF) },
		Timeout:       func(*reactor.TcpConnection) {}, // deadlines are the handler's
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
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timers[0] = deadline(h.timers[0], t, h.in.expire)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (h *hijacked) SetWriteDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timers[1] = deadline(h.timers[1], t, func(on bool) { h.room.expire(0, on) })
	return nil
}

func (h *hijacked) stopTimers() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.timers {
		if t != nil {
			t.Stop()
		}
	}
}

var _ net.Conn = (*hijacked)(nil)
