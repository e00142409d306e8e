package http

import (
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// inbound is a request whose body did not come in one piece with its head. It keeps what has arrived, so that the
// connection's buffer is free; no more than that is ever allocated, whatever length was declared. A connection has one
// only between such a head and the end of its handler.
type inbound struct {
	raw     []byte // of the head
	head    head
	data    []byte
	left    int64 // of a body with Content-Length
	chunks  chunked
	tailRaw []byte
	tail    head
	began   time.Duration // when the body's clock started
	counted int64         // bytes that have come since
}

// start keeps a head; raw is what it was parsed from.
func (in *inbound) start(raw []byte, h *head) {
	in.raw = append(in.raw[:0], raw...)
	h.copyTo(&in.head)
	in.left = h.length
}

func (in *inbound) reset() {
	in.raw, in.data, in.tailRaw = in.raw[:0], in.data[:0], in.tailRaw[:0]
	in.chunks, in.left, in.began, in.counted = chunked{}, 0, 0, 0
}

// feed takes bytes of the body from buf, and says whether the body is whole now.
func (in *inbound) feed(buf *reactor.Buffer, w *worker) (done bool, err error) {
	b := buf.Peek()
	if !in.head.chunked {
		n := int(min(in.left, int64(len(b))))
		in.data = append(in.data, b[:n]...)
		in.left -= int64(n)
		in.counted += int64(n)
		buf.Retrieve(n)
		return in.left == 0, nil
	}
	data, n, done, err := in.chunks.decode(in.data, b, &w.limits, &w.tail)
	in.data = data
	if done {
		in.tailRaw = append(in.tailRaw[:0], b[n-in.chunks.trailerSize():n]...)
		w.tail.copyTo(&in.tail)
	}
	in.counted += int64(n)
	buf.Retrieve(n)
	return done, err
}
