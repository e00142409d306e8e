package wsload

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	alwaysCompared = 4 << 10 // bytes: shorter answers are compared each time
	sampleEvery    = 8       // of the longer ones of a connection one is compared
)

// conn is one connection. It holds no buffer but for what the socket did not take.
type conn struct {
	fd      int // -1 when it is lost
	frames  frames
	out     []byte // to be sent; not owned
	due     int    // answers that have not come
	got     int    // payload bytes of the answer that is coming
	wrong   bool   // of the answer that is coming
	answers int    // complete ones
	lost    error  // why it is
}

var errClosed = errors.New("the server closed the connection")

// send sends frame, or keeps the rest of it until the socket is writable; it must
// not change until then.
func (c *conn) send(frame []byte) {
	if len(c.out) > 0 {
		c.out = append(c.out[:len(c.out):len(c.out)], frame...)
		return
	}
	c.out = frame
	c.flush()
}

// flush is for a socket that is writable again, too.
func (c *conn) flush() {
	for len(c.out) > 0 && c.lost == nil {
		n, err := sendTo(c.fd, c.out)
		switch err {
		case 0:
			c.out = c.out[n:]
		case unix.EAGAIN:
			return
		case unix.EINTR:
		default:
			c.lost = err
		}
	}
}

// receive reads until the socket is drained. After a hang-up was announced only an
// end or an error is the end: edge-triggered, there is no further event.
func (l *Client) receive(c *conn, hangUp bool) {
	for c.lost == nil {
		n, err := recvFrom(c.fd, l.in)
		switch {
		case err == unix.EAGAIN:
			return
		case err == unix.EINTR:
		case err != 0:
			c.lost = err
		case n == 0:
			c.lost = errClosed
		default:
			l.take(c, l.in[:n])
			if n < len(l.in) && !hangUp {
				return
			}
		}
	}
}

// take handles what came in.
func (l *Client) take(c *conn, b []byte) {
	// Nearly always a short answer comes whole and alone: one comparison checks all
	// of it, and its head.
	if len(l.payload) <= alwaysCompared && c.due > 0 && c.frames.atStart() && bytes.Equal(b, l.answer) {
		l.answered(c)
		return
	}
	for len(b) > 0 && c.lost == nil {
		p, rest, err := c.frames.next(b)
		b = rest
		switch {
		case err != nil:
			c.lost = err
		case p.nothing:
		case p.op >= opClose:
			l.control(c, p)
		default:
			l.message(c, p)
		}
	}
}

func (l *Client) control(c *conn, p part) {
	switch p.op {
	case opPing:
		c.send(appendMasked(nil, opPong, p.data))
	case opPong:
		l.pongsDue--
	case opClose:
		c.lost = fmt.Errorf("the server sent a close frame: %q", p.data)
	}
}

// message holds more of a message against the answer that is expected.
func (l *Client) message(c *conn, p part) {
	at := c.got
	c.got += len(p.data)
	switch {
	case c.due == 0 || p.op != opBinary || c.got > len(l.payload):
		c.wrong = true
	case len(l.payload) <= alwaysCompared || c.answers%sampleEvery == 0:
		c.wrong = c.wrong || !bytes.Equal(p.data, l.payload[at:c.got])
	}
	if !p.end {
		return
	}
	if c.wrong || c.got != len(l.payload) {
		l.faults.Wrong++
	}
	c.got, c.wrong = 0, false
	if c.due > 0 {
		l.answered(c)
	}
}

// answered counts an answer, a wrong one too, so that the load goes on.
func (l *Client) answered(c *conn) {
	c.answers++
	c.due--
	l.outstanding--
	l.messages++
	if l.onAnswer != nil {
		l.onAnswer(c)
	}
}
