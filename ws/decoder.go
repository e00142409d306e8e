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

// payload bounds the payload of a message as it lies in its frames.
func (l *limits) payload(deflated bool) int64 {
	if deflated {
		return maxDeflated(l.message)
	}
	return l.message
}

// decoder turns one direction of a connection into messages and control frames
// (RFC 6455 sections 5 to 8). It reads a byte stream in pieces of any size:
// what a piece holds of a message whose end is not there yet is unmasked,
// checked and put aside, or delivered at once where pieces are wanted; only a
// header or a control frame that is not whole stays behind. Between messages it
// holds nothing but the words below.
//
// It belongs to one goroutine, the connection's loop.
type decoder struct {
	limits *limits
	msg    *partial // the message that has begun and not ended
	mode   mode     // without fragmented, which msg says
	pieces bool     // deliver what has come of a message, not only whole ones
}

// event is what next found. An op of 0, which is never delivered, says that
// there is nothing to deliver yet.
type event struct {
	op      ws.OpCode
	last    bool   // the message ends with this payload: always, unless pieces are wanted
	deflate bool   // the payload is compressed
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
	m := d.mode
	if d.msg != nil {
		if d.msg.missing > 0 {
			return d.payload(p, 0)
		}
		m |= fragmented
	}
	h, err := parseHeader(p, m)
	if err != nil || h.size == 0 {
		return event{}, 0, err
	}
	if h.op.IsControl() {
		n = h.size + int(h.length)
		if len(p) < n {
			return event{}, 0, nil
		}
		return event{op: h.op, payload: unmasked(p[h.size:n], h.key)}, n, nil
	}
	if d.msg == nil {
		if h.length > d.limits.payload(h.rsv1) {
			return event{}, 0, errTooBig
		}
		if h.fin && h.length <= int64(len(p)-h.size) {
			return whole(h, p)
		}
		d.msg = newPartial(h)
	}
	if err := d.msg.frame(h, d.limits); err != nil {
		return event{}, 0, err
	}
	return d.payload(p, h.size)
}

func unmasked(p []byte, key uint32) []byte {
	if key != 0 {
		mask(p, key, 0)
	}
	return p
}

// whole delivers a message that is one frame and lies in p from end to end:
// the common case, without a copy.
func whole(h frameHeader, p []byte) (event, int, error) {
	n := h.size + int(h.length)
	body := unmasked(p[h.size:n], h.key)
	if h.op == ws.OpText && !h.rsv1 && !utf8.Valid(body) {
		return event{}, 0, errUTF8
	}
	return event{h.op, true, h.rsv1, body}, n, nil
}

// payload gives what p holds, from off on, of the current frame's payload to
// the message in flight, and delivers the message when that was the last of it.
func (d *decoder) payload(p []byte, off int) (event, int, error) {
	m := d.msg
	end := off + int(min(m.missing, int64(len(p)-off)))
	if d.pieces && !m.deflate {
		return d.piece(p[off:end], end)
	}
	if err := m.gather(p[off:end]); err != nil {
		return event{}, 0, err
	}
	if !m.complete() {
		return event{}, end, nil
	}
	return event{m.op, true, m.deflate, m.bytes()}, end, nil
}

// piece delivers part of a message where it lies. One that holds nothing and
// ends nothing is left out.
func (d *decoder) piece(p []byte, end int) (event, int, error) {
	m := d.msg
	if err := m.take(p); err != nil {
		return event{}, 0, err
	}
	if len(p) == 0 && !m.complete() {
		return event{}, end, nil
	}
	return event{op: m.op, last: m.complete(), payload: p}, end, nil
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
