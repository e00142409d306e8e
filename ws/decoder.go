package ws

import (
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// limits bounds what one message may cost.
type limits struct {
	message   int64 // payload bytes of a whole message
	fragments int   // frames of a message
}

// decoder turns one direction of a connection into messages and control frames
// (RFC 6455 sections 5 to 8). It reads a byte stream in pieces of any size:
// what a piece holds of a message whose end is not there yet is unmasked,
// checked and put aside; only a header or a control frame that is not whole
// stays behind. Between messages it holds nothing but the two words below.
//
// It belongs to one goroutine, the connection's loop.
type decoder struct {
	limits *limits
	msg    *partial // the message that has begun and not ended
}

// event is what next found. An op of 0, which is never delivered, says that
// there is nothing to deliver yet.
type event struct {
	op      ws.OpCode
	payload []byte // unmasked; aliases p of next, or the decoder's partial
}

// next takes the frame, or the part of a frame, that p begins with; it writes
// to p (payloads are unmasked in place). n is how much of p it took: the caller
// hands the rest in again, behind it what arrives later. When n is 0 more bytes
// are needed. The event's payload is valid until the caller drops those n bytes
// of p, and until done.
//
// An error is a *violation; the stream must not be read on.
func (d *decoder) next(p []byte) (ev event, n int, err error) {
	if d.msg != nil && d.msg.missing > 0 {
		return d.payload(p, 0)
	}
	h, err := parseHeader(p, d.msg != nil)
	if err != nil || h.size == 0 {
		return event{}, 0, err
	}
	if h.op.IsControl() {
		n = h.size + int(h.length)
		if len(p) < n {
			return event{}, 0, nil
		}
		body := p[h.size:n]
		mask(body, h.key, 0)
		return event{h.op, body}, n, nil
	}
	if d.msg == nil {
		if h.length > d.limits.message {
			return event{}, 0, errTooBig
		}
		if h.fin && h.length <= int64(len(p)-h.size) {
			return whole(h, p)
		}
		d.msg = newPartial(h.op)
	}
	if err := d.msg.frame(h, d.limits); err != nil {
		return event{}, 0, err
	}
	return d.payload(p, h.size)
}

// whole delivers a message that is one frame and lies in p from end to end:
// the common case, without a copy.
func whole(h frameHeader, p []byte) (event, int, error) {
	n := h.size + int(h.length)
	body := p[h.size:n]
	mask(body, h.key, 0)
	if h.op == ws.OpText && !utf8.Valid(body) {
		return event{}, 0, errUTF8
	}
	return event{h.op, body}, n, nil
}

// payload gives what p holds, from off on, of the current frame's payload to
// the message in flight, and delivers the message when that was the last of it.
func (d *decoder) payload(p []byte, off int) (event, int, error) {
	end := off + int(min(d.msg.missing, int64(len(p)-off)))
	if err := d.msg.add(p[off:end]); err != nil {
		return event{}, 0, err
	}
	if !d.msg.complete() {
		return event{}, end, nil
	}
	if d.msg.op == ws.OpText && d.msg.valid != d.msg.buf.Len() {
		return event{}, 0, errUTF8 // the last character is cut off
	}
	return event{d.msg.op, d.msg.bytes()}, end, nil
}

// done ends the validity of the last event's payload and gives back what it
// lay in. Call it after each event.
func (d *decoder) done() {
	if d.msg != nil && d.msg.complete() {
		d.reset()
	}
}

// reset drops the message in flight, for a connection that ends.
func (d *decoder) reset() {
	if d.msg != nil {
		d.msg.free()
		d.msg = nil
	}
}
