package gen

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
)

const (
	handshakeKey = "dGhlIHNhbXBsZSBub25jZQ=="
	guid         = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	numberSize   = 8 // bytes at the beginning of a message that Broadcast replaces
)

var acceptKey = func() string {
	sum := sha1.Sum([]byte(handshakeKey + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// socket speaks WebSocket (RFC 6455): binary messages, not compressed, all the same,
// masked beforehand.
type socket struct {
	run     *run
	request []byte
	ping    []byte
	payload []byte
	frame   []byte // the message, masked
	answer  []byte // the same as a server sends it in one frame
}

func newSocket(r *run) *socket {
	s := &socket{run: r, ping: appendMasked(nil, opPing, nil)}
	s.request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", r.job.Path, r.job.Addr, handshakeKey)
	s.setMessage(bytes.Clone(r.job.Body))
	return s
}

// setMessage sets what is sent next, when no answer is outstanding.
func (s *socket) setMessage(p []byte) {
	s.payload = p
	s.frame = appendMasked(s.frame[:0], opBinary, p)
	s.answer = append(appendHead(s.answer[:0], opBinary, len(p), 0), p...)
}

// number makes the next message differ from the last.
func (s *socket) number(n uint64) {
	binary.BigEndian.PutUint64(s.payload, n)
	s.setMessage(s.payload)
}

func (s *socket) greet(c *client) error { return c.conn.Send(s.request) }

func (s *socket) ask(c *client) (int, error) { return 1, c.conn.Send(s.frame) }

func (s *socket) take(c *client, b []byte) (n, answers int, err error) {
	if c.frames == nil {
		if n, err = s.handshake(c, b); n == 0 || err != nil {
			return n, 0, err
		}
	}
	rest := b[n:]
	// Nearly always a short answer comes whole and alone: one comparison checks all of
	// it, and its head.
	if len(s.payload) <= alwaysCompared && c.due > 0 && c.frames.atStart() && bytes.Equal(rest, s.answer) {
		return len(b), 1, nil
	}
	for len(rest) > 0 {
		var p part
		if p, rest, err = c.frames.next(rest); err != nil {
			return 0, answers, err
		}
		switch {
		case p.nothing:
			continue
		case p.op >= opClose:
			err = s.control(c, p)
		default:
			err = s.message(c, p, c.due-answers)
			if p.end {
				answers++
			}
		}
		if err != nil {
			return 0, answers, err
		}
	}
	return len(b), answers, nil
}

// handshake reads the answer to the request. A ping follows: when it is answered the
// server has done whatever it does for a new connection.
func (s *socket) handshake(c *client, b []byte) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	switch {
	case end < 0 && len(b) > maxHead:
		return 0, fmt.Errorf("handshake: no end of the head in %.60q", b)
	case end < 0:
		return 0, nil
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b[:end+4])), nil)
	if err != nil {
		return 0, fmt.Errorf("handshake: %w", err)
	}
	defer r.Body.Close()
	if accept := r.Header.Get("Sec-WebSocket-Accept"); r.StatusCode != http.StatusSwitchingProtocols || accept != acceptKey {
		return 0, fmt.Errorf("handshake: status %d, Sec-WebSocket-Accept %q", r.StatusCode, accept)
	}
	c.frames = new(frames)
	return end + 4, c.conn.Send(s.ping)
}

func (s *socket) control(c *client, p part) error {
	switch p.op {
	case opPing:
		return c.conn.Send(appendMasked(nil, opPong, p.data))
	case opPong:
		if !c.ready && c.due == 0 {
			s.run.opened(c)
		}
		return nil
	default:
		return fmt.Errorf("the server sent a close frame: %q", p.data)
	}
}

// message holds more of a message against the answer that is expected; due is how
// many are.
func (s *socket) message(c *client, p part, due int) error {
	at := c.at
	c.at += len(p.data)
	switch {
	case due == 0:
		return errors.New("a message came unasked")
	case p.op != opBinary:
		return fmt.Errorf("a message of opcode %d", p.op)
	case c.at > len(s.payload) || p.end && c.at < len(s.payload):
		return fmt.Errorf("a message of %d bytes or more, want %d", c.at, len(s.payload))
	case compares(len(s.payload), c.answers) && !bytes.Equal(p.data, s.payload[at:c.at]):
		return fmt.Errorf("the message %.60q is not %.60q", p.data, s.payload[at:c.at])
	}
	if p.end {
		c.at = 0
	}
	return nil
}
