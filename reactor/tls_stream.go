package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// tlsStream is the TLS of one connection: a tls.Conn whose socket is two queues in
// memory, raw and sealed, which the connection fills from and empties to its fd.
//
//	fd -> raw -> conn.Read  -> TcpConnection.in      -> Message
//	fd <- sealed <- conn.Write <- TcpConnection.sending <- Send
//
// conn never waits: where nothing has arrived Read returns a temporary error, which
// crypto/tls passes on without remembering it (readRecordOrCCS), and Write takes
// everything. It is handed whole records, one at a time, so that between two of them
// it holds no input, and its buffer can be the loop's (recordRoom). It belongs to the
// loop, but for the steps of a handshake that may block.
type tlsStream struct {
	c         *TcpConnection
	shared    *TLS
	conn      *tls.Conn
	raw       Buffer       // arrived, and not yet taken by conn
	sealed    *outputQueue // to be written; nil: nothing
	handshake *handshake   // nil: complete
	failed    error        // what ends the peer's stream behind what was delivered
	record    int          // of raw, still to be taken by conn
	unweighed int          // bytes that seal has put into sealed, not yet in OutputBytes
	client    bool
	sealing   bool // within seal
	fin       bool // the peer's FIN was read
	held      bool // open stopped before all was opened
	ended     bool // the peer's stream has ended
	endSealed bool // our stream's end is in sealed, or will never be
}

func newTLSStream(c *TcpConnection, shared *TLS, client bool) *tlsStream {
	t := &tlsStream{c: c, shared: shared, client: client}
	if client {
		t.conn = tls.Client(t, clientConfig(shared.Config))
	} else {
		t.conn = tls.Server(t, shared.Config)
	}
	t.handshake = &handshake{t: t}
	return t
}

// clientConfig is config without renegotiation, which would wait within tls.Conn.Read.
func clientConfig(config *tls.Config) *tls.Config {
	if config.Renegotiation != tls.RenegotiateNever {
		config = config.Clone()
		config.Renegotiation = tls.RenegotiateNever
	}
	return config
}

// open decrypts what has arrived, as far as reading is not paused, and delivers it.
func (t *tlsStream) open() {
	if t.handshake != nil && !t.c.flags.any(discarding) {
		t.handshake.advance()
		return
	}
	t.held = false
	for !t.dropped() && t.openNext() {
	}
	t.raw.Own()
	if t.sealed != nil {
		t.c.flushLaterInLoop() // an alert, or the answer to a key update
	}
}

// dropped drops what nobody wants any more.
func (t *tlsStream) dropped() bool {
	if !t.ended && !t.c.flags.any(discarding|destroying) {
		return false
	}
	t.raw.RetrieveAll()
	t.record = 0
	return true
}

// openNext decrypts and delivers once, and says whether to go on.
func (t *tlsStream) openNext() bool {
	c := t.c
	switch {
	case !c.channel.Reading() || c.pausesFor(c.OutputBytes()):
		t.held = true
		return false
	case t.failed != nil:
		t.openFailed()
		return false
	}
	n, err := t.fill()
	if n > 0 { // a part of a record, or one without data, does not keep a connection
		c.active()
		c.deliver()
	}
	if c.OutputBytes() > c.shared.marks.hard { // of answers to key updates
		c.closeInLoop(ErrOutputFull)
	}
	if err == errNothingThere && !t.ready() {
		return false
	}
	t.failed = err // also errNothingThere, had it stuck: nothing would ever be there again
	return true
}

// fill decrypts into the connection's input as many records as the room that the
// loop lends takes.
func (t *tlsStream) fill() (n int, err error) {
	if !t.ready() {
		return 0, errNothingThere
	}
	records := t.c.Loop().recordRoom()
	records.lend(t.conn)
	lent := t.c.Loop().plaintextRoom()
	for p := lent.bb.B; err == nil && len(p)-n >= recordSize; {
		var m int
		m, err = t.conn.Read(p[n:]) // all of a record: tls.Conn is to keep nothing
		n += m
		if err == nil && !t.ready() {
			err = errNothingThere
		}
	}
	records.takeBack(t.conn)
	switch in := &t.c.in; {
	case n == 0:
	case in.store == nil:
		*in = Buffer{store: &lent.bb, writer: n, borrowed: true}
	default:
		in.Append(lent.bb.B[:n])
	}
	return n, err
}

// openFailed ends the peer's stream, or the connection.
func (t *tlsStream) openFailed() {
	c, err := t.c, t.failed
	t.ended = true
	t.dropped()
	if err == io.EOF {
		c.peerClosedInLoop()
		return
	}
	t.endSealed = true
	_, _ = t.writeSealed() // the alert, if the kernel takes it
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" && c.flags.any(outputLost) {
		c.needRare().err = err // why the peer takes no more, which is all that was known
	}
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

// Read takes a record that has arrived, or what is left of it.
func (t *tlsStream) Read(p []byte) (int, error) {
	for !t.ready() {
		switch {
		case t.handshake == nil:
			return 0, errNothingThere
		case !t.handshake.await():
			return 0, ErrClosed
		}
	}
	if t.record == 0 {
		return 0, ErrTruncated
	}
	n := copy(p, t.raw.Peek()[:t.record])
	t.raw.Retrieve(n)
	t.record -= n
	return n, nil
}

// ready reports whether Read has an answer: a whole record, or the peer's FIN.
func (t *tlsStream) ready() bool {
	if t.record == 0 {
		t.record = firstRecord(t.raw.Peek())
	}
	return t.record > 0 || t.fin
}

// Write takes all of p.
func (t *tlsStream) Write(p []byte) (int, error) {
	if t.handshake == nil && t.c.flags.any(outputLost) {
		return len(p), nil // an answer to a key update that nobody will read
	}
	if t.sealed == nil {
		t.sealed = takeOutputQueue()
	}
	t.sealed.appendBytes(p)
	if t.sealing {
		t.unweighed += len(p)
	} else {
		t.c.weight.Add(int64(len(p)))
	}
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
		return &net.UnixAddr{Name: a.Path(), Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a.AddrPort())
}

// SetDeadline does nothing, like the two below: nothing waits here.
func (t *tlsStream) SetDeadline(time.Time) error      { return nil }
func (t *tlsStream) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsStream) SetWriteDeadline(time.Time) error { return nil }
