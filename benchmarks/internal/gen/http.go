package gen

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
)

const (
	maxHead        = 16 << 10 // bytes of a response's head
	alwaysCompared = 4 << 10  // bytes: shorter bodies and messages are compared each time
	sampleEvery    = 8        // of the longer ones of a connection one is compared
)

// requests speaks HTTP/1.1 (RFC 9112): the same request each time, and the same
// answer. Heads that repeat the last one byte by byte are not parsed again: they
// change once a second, with their Date.
type requests struct {
	run  *run
	text []byte // all that is sent at once
	head []byte // the last that was parsed
}

func newRequests(r *run) *requests {
	var one []byte
	if r.job.Body == nil {
		one = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", r.job.Path, r.job.Addr)
	} else {
		one = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
			r.job.Path, r.job.Addr, len(r.job.Body))
		one = append(one, r.job.Body...)
	}
	return &requests{run: r, text: bytes.Repeat(one, r.job.Depth)}
}

func (h *requests) greet(c *client) error {
	h.run.opened(c)
	return nil
}

func (h *requests) ask(c *client) (int, error) { return h.run.job.Depth, c.conn.Send(h.text) }

func (h *requests) take(c *client, b []byte) (n, answers int, err error) {
	for n < len(b) {
		if !c.inBody {
			if answers == c.due {
				return n, answers, fmt.Errorf("%.60q came unasked", b[n:])
			}
			size, err := h.readHead(b[n:])
			if err != nil || size == 0 {
				return n, answers, err
			}
			n += size
			c.inBody, c.at = true, 0
		}
		part, want := b[n:], h.run.job.Want
		part = part[:min(len(part), len(want)-c.at)]
		if compares(len(want), c.answers+answers) && !bytes.Equal(part, want[c.at:c.at+len(part)]) {
			return n, answers, fmt.Errorf("the body %.60q is not %.60q", part, want[c.at:c.at+len(part)])
		}
		n += len(part)
		if c.at += len(part); c.at == len(want) {
			c.inBody = false
			answers++
		}
	}
	return n, answers, nil
}

// compares says whether the bytes of a connection's answer are compared: all of a
// short one, and every eighth of the long ones, beginning with the first.
func compares(size, answers int) bool {
	return size <= alwaysCompared || answers%sampleEvery == 0
}

// readHead returns the size of the head that b begins with, 0 when it is not whole.
func (h *requests) readHead(b []byte) (int, error) {
	if len(h.head) > 0 && bytes.HasPrefix(b, h.head) {
		return len(h.head), nil
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	switch {
	case end < 0 && len(b) > maxHead:
		return 0, fmt.Errorf("no end of the head in %.60q", b)
	case end < 0:
		return 0, nil
	}
	head := b[:end+4]
	if err := h.judge(head); err != nil {
		return 0, err
	}
	h.head = append(h.head[:0], head...)
	return len(head), nil
}

func (h *requests) judge(head []byte) error {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	switch {
	case r.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", r.StatusCode)
	case r.ContentLength < 0:
		return errors.New("no Content-Length in the answer")
	case r.ContentLength != int64(len(h.run.job.Want)):
		return fmt.Errorf("an answer of %d bytes, want %d", r.ContentLength, len(h.run.job.Want))
	case r.Close:
		return errors.New("the server says that it closes the connection")
	}
	return nil
}
