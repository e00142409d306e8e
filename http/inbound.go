package http

import "time"

// inbound is the loop's side of a request's body: what of it is still to come, and since when. No more than what has
// arrived is ever allocated for it, whatever length was declared.
type inbound struct {
	limits  Limits
	left    int64 // of a body with Content-Length
	coded   bool  // chunked
	whole   bool  // nothing is to come
	chunks  chunked
	tail    head // the trailer section, once it is whole, of
	tailRaw []byte
	began   time.Duration // when the body's clock started
	counted int64         // bytes that have come since
	drained int64         // bytes that were dropped behind the answer
}

// start begins with the body that h declares; max is how large it may be.
func (in *inbound) start(h *head, lim *Limits, max int64) {
	in.limits = *lim
	in.limits.MaxBody = max
	in.left, in.coded = h.length, h.chunked
	in.whole = !h.chunked && h.length == 0
	in.chunks, in.tailRaw = chunked{}, in.tailRaw[:0]
	in.tail.reset()
	in.counted, in.drained = 0, 0
}

// take moves bytes of the body from src behind dst, at most room of them, and returns how many bytes of src it used up. An
// error is an *Error and final.
func (in *inbound) take(dst, src []byte, room int) (data []byte, n int, err error) {
	if !in.coded {
		n = int(min(in.left, int64(len(src)), int64(room)))
		in.left -= int64(n)
		in.counted += int64(n)
		in.whole = in.left == 0
		return append(dst, src[:n]...), n, nil
	}
	if in.chunks.phase != inTrailer && len(src) > room {
		src = src[:room] // the data is never longer than what it came in
	}
	data, n, in.whole, err = in.chunks.decode(dst, src, &in.limits, &in.tail)
	if in.whole {
		in.tailRaw = append(in.tailRaw, src[n-in.chunks.trailerSize():n]...)
	}
	in.counted += int64(n)
	return data, n, err
}
