package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tlsStream is the TLS of one connection: a tls.Conn whose socket is two queues in
// memory, raw and sealed, which the connection fills from and empties to its fd.
//
//	fd -> raw -> conn.Read  -> TcpConnection.in      -> Message
//	fd <- sealed <- conn.Write <- TcpConnection.sending <- Send
//
// conn never waits: where nothing has arrived Read returns a temporary error, which
// crypto/tls passes on without remembering it (readRecordOrCCS), and Write takes
// everything. It belongs to the loop, but for the steps of a handshake that may
// block.
type tlsStream struct {
	c         *TcpConnection
	shared    *TLS
	client    bool
	conn      *tls.Conn
	raw       Buffer       // arrived, and not yet taken by conn
	sealed    *outputQueue // to be written; nil: nothing
	handshake *handshake   // nil: complete
	fin       bool         // the peer's FIN was read
	held      bool         // open stopped before all was opened
	ended     bool         // the peer's stream has ended
	endSealed bool         // our stream's end is in sealed, or will never be
}

func newTLSStream(c *TcpConnection, shared *TLS, client bool) *tlsStream {
	t := &tlsStream{c: c, shared: shared, client: client}
	if client {
		t.conn = tls.Client(t, shared.Config)
	} else {
		t.conn = tls.Server(t, shared.Config)
	}
	t.handshake = &handshake{t: t}
	return t
}

// sealSize is how much plaintext is encrypted before what came of it is written.
const sealSize = 64 << 10

// recordSize is the longest plaintext of a record (RFC 8446 section 5.1).
const recordSize = 16 << 10

// open decrypts what has arrived, as far as reading is not paused, and delivers it.
func (t *tlsStream) open() {
	c := t.c
	switch {
	case c.flags.any(discarding) || t.ended:
		t.raw.RetrieveAll()
		return
	case t.handshake != nil:
		t.handshake.advance()
		return
	}
	t.held = false
	var err error
	for err == nil {
		if !c.channel.Reading() || c.pausesFor(c.OutputBytes()) || c.flags.any(discarding|destroying) {
			t.held = true
			break
		}
		var n int
		if n, err = t.fill(); n > 0 {
			c.deliver()
		}
	}
	t.raw.Own()
	if t.sealed != nil {
		c.flushLaterInLoop() // an alert, or the answer to a key update
	}
	if err != nil && err != errNothingThere {
		t.openFailed(err)
	}
}

// fill decrypts into the connection's input: up to the room that the loop lends
// when that is empty, else one record.
func (t *tlsStream) fill() (n int, err error) {
	in := &t.c.in
	if in.store != nil {
		in.ensureWritable(recordSize)
		n, err = t.conn.Read(in.store.B[in.writer:cap(in.store.B)])
		in.writer += n
		return n, err
	}
	lent := t.c.Loop().plaintextRoom()
	for room := lent.bb.B; err == nil && n < len(room); {
		var m int
		m, err = t.conn.Read(room[n:])
		n += m
	}
	if n > 0 {
		*in = Buffer{store: &lent.bb, writer: n, borrowed: true}
	}
	return n, err
}

// openFailed ends the peer's stream, or the connection.
func (t *tlsStream) openFailed(err error) {
	c := t.c
	t.ended = true
	t.raw.RetrieveAll()
	if err == io.EOF {
		c.peerClosedInLoop()
		return
	}
	if c.flags.any(finSent) && errors.Is(err, ErrTruncated) {
		c.peerClosedInLoop() // we have said all, and so it seems has the peer
		return
	}
	t.endSealed = true
	_, _ = t.writeSealed() // the alert, if the kernel takes it
	c.closeInLoop(err)
}

// resume goes on where open stopped.
func (t *tlsStream) resume() {
	if t.held {
		t.held = false
		_ = t.c.Loop().QueueInLoop(func() { // refused by a loop that has quit
			if t.c.State() != Disconnected {
				t.open()
			}
		})
	}
}

// unsent reports whether there is anything to write now.
func (t *tlsStream) unsent() bool {
	if t.handshake != nil {
		return !t.handshake.away && !t.sealed.empty()
	}
	return !t.c.sending.empty() || !t.sealed.empty()
}

// write encrypts and writes what the kernel takes, up to the budget.
func (t *tlsStream) write() error {
	for budget := int64(writeBudget); ; {
		sent, err := t.writeSealed()
		budget -= sent
		if err != nil || t.sealed != nil || budget <= 0 || t.handshake != nil || t.c.sending.empty() {
			return err
		}
		if err := t.seal(); err != nil {
			return err
		}
	}
}

// writeSealed writes what the kernel takes of sealed.
func (t *tlsStream) writeSealed() (sent int64, err error) {
	if t.sealed == nil {
		return 0, nil
	}
	sent, err = t.c.writeQueue(t.sealed)
	if t.sealed.empty() {
		t.sealed.free()
		t.sealed = nil
	}
	return sent, err
}

// seal encrypts the next plaintext, up to sealSize: a long stretch of memory from
// where it lies, and else as much as the loop's room takes, so that what is small
// shares a record.
func (t *tlsStream) seal() error {
	c, q := t.c, t.c.sending
	if s := &q.segments[q.head]; s.file == nil && (len(s.mem) >= recordSize || q.head == len(q.segments)-1) {
		n := min(len(s.mem), sealSize)
		if _, err := t.conn.Write(s.mem[:n]); err != nil {
			return err
		}
		c.weight.Add(int64(-n))
		q.advance(n)
		return nil
	}
	room := c.Loop().sealingRoom()
	n, weight, err := q.gather(room)
	c.weight.Add(int64(-weight))
	if err == nil {
		_, err = t.conn.Write(room[:n])
	}
	return err
}

// gather moves the head of the queue into p, of files as well. weight is what that
// finished.
func (q *outputQueue) gather(p []byte) (n, weight int, err error) {
	for n < len(p) && !q.empty() {
		s := &q.segments[q.head]
		if s.file == nil {
			m := copy(p[n:], s.mem)
			q.advance(m)
			n, weight = n+m, weight+m
			continue
		}
		m, err := preadRetry(int(s.file.Fd()), p[n:n+int(min(s.left, int64(len(p)-n)))], s.off)
		if m <= 0 {
			if err == nil {
				err = ErrFileTruncated
			}
			return n, weight, err
		}
		n += m
		s.off += int64(m)
		if s.left -= int64(m); s.left == 0 {
			weight += fileWeight
			q.pop()
		}
	}
	return n, weight, nil
}

// sealEnd puts the end of our stream behind the output, and reports whether there is
// now something to write.
func (t *tlsStream) sealEnd() bool {
	if t.endSealed || t.handshake != nil {
		return false
	}
	t.endSealed = true
	_ = t.conn.CloseWrite() // it fails where the connection has failed
	return t.sealed != nil
}

func (t *tlsStream) dropSealed() {
	if t.sealed != nil && (t.handshake == nil || !t.handshake.away) {
		t.sealed.discard()
		t.sealed = nil
	}
}

// close lets go of what is left. The connection is gone.
func (t *tlsStream) close() {
	if t.handshake != nil {
		t.handshake.abandon(t.c.Err())
		return
	}
	t.raw.RetrieveAll()
}

// What follows is the net.Conn that conn believes to have.

// errNothingThere is what Read returns instead of waiting.
var errNothingThere net.Error = nothingThere{}

type nothingThere struct{}

func (nothingThere) Error() string   { return "reactor: nothing has arrived" }
func (nothingThere) Timeout() bool   { return true }
func (nothingThere) Temporary() bool { return true }

// Read takes what has arrived.
func (t *tlsStream) Read(p []byte) (int, error) {
	for t.raw.Len() == 0 {
		switch {
		case t.fin:
			return 0, ErrTruncated
		case t.handshake == nil:
			return 0, errNothingThere
		case !t.handshake.await():
			return 0, ErrClosed
		}
	}
	n := copy(p, t.raw.Peek())
	t.raw.Retrieve(n)
	return n, nil
}

// Write takes all of p.
func (t *tlsStream) Write(p []byte) (int, error) {
	if t.sealed == nil {
		t.sealed = takeOutputQueue()
	}
	t.sealed.appendBytes(p)
	t.c.weight.Add(int64(len(p)))
	return len(p), nil
}

// Close does nothing: the connection closes its fd itself.
func (t *tlsStream) Close() error { return nil }

// LocalAddr is asked for by callbacks of tls.Config.
func (t *tlsStream) LocalAddr() net.Addr {
	if t.handshake != nil {
		return netAddr(t.handshake.local)
	}
	return netAddr(t.c.LocalAddr())
}

// RemoteAddr is asked for by callbacks of tls.Config.
func (t *tlsStream) RemoteAddr() net.Addr { return netAddr(t.c.peer) }

func netAddr(a InetAddress) net.Addr {
	if a.IsUnix() {
		return &net.UnixAddr{Name: a.String(), Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a.AddrPort())
}

// SetDeadline does nothing, like the two below: nothing waits here.
func (t *tlsStream) SetDeadline(time.Time) error      { return nil }
func (t *tlsStream) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsStream) SetWriteDeadline(time.Time) error { return nil }

// preadRetry is pread(2), again after EINTR.
func preadRetry(fd int, p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(fd, p, off)
		if err != unix.EINTR {
			return n, os.NewSyscallError("pread", err)
		}
	}
}
