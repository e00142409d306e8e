package http

// chunked decodes a chunked body, RFC 9112 section 7.1, as its bytes arrive. The zero value is ready; it holds no pointer
// and no data. It takes every byte that it is given, but for a trailer section that is not whole yet.
type chunked struct {
	left  uint64 // data of the current chunk still to come
	total int64  // data of all chunks up to the current, it included
	ext   uint32 // bytes of chunk extensions so far
	size  uint8  // digits of the current chunk's size
	phase chunkPhase
	tail  progress // of the trailer section
}

type chunkPhase uint8

const (
	inSize chunkPhase = iota
	inExt
	afterSize // behind the carriage return of the size line
	inData
	afterData // behind the last byte of data
	afterDataCR
	inTrailer
)

const (
	maxChunkDigits = 16
	// maxChunkExt bounds the extensions of a whole body. We understand none, and nobody sends any, but they are bytes
	// that a body limit does not count.
	maxChunkExt = 1 << 10
)

// decode reads from src and appends data to dst. It returns how many bytes of src it used up, and done once the last
// chunk and the trailer section have been read: then trailer describes the section, which is the last trailerSize bytes
// of src[:n]. trailer is scratch before that. An error is an *Error and final.
func (d *chunked) decode(dst, src []byte, lim *Limits, trailer *head) (data []byte, n int, done bool, err error) {
	for n < len(src) {
		c := src[n]
		switch d.phase {
		case inSize:
			if class[c]&classHex != 0 {
				if d.size++; d.size > maxChunkDigits {
					return dst, n, false, errChunkSize
				}
				d.left = d.left<<4 | uint64(unhex(c))
				n++
				continue
			}
			if d.size == 0 || c != '\r' && c != ';' {
				return dst, n, false, errChunkSize
			}
			if d.phase = inExt; c == '\r' {
				d.phase = afterSize
			}
			n++
		case inExt:
			end := skipText(src, n)
			if room := maxChunkExt - int(d.ext); end-n > room {
				return dst, n, false, errChunkExt
			}
			d.ext += uint32(end - n)
			if n = end; n < len(src) {
				if src[n] != '\r' {
					return dst, n, false, errChunkExt
				}
				d.phase = afterSize
				n++
			}
		case afterSize:
			if c != '\n' {
				return dst, n, false, errChunkSize
			}
			n++
			if err = d.open(lim); err != nil {
				return dst, n, false, err
			}
		case inData:
			k := int(min(d.left, uint64(len(src)-n)))
			dst = append(dst, src[n:n+k]...)
			n += k
			if d.left -= uint64(k); d.left == 0 {
				d.phase = afterData
			}
		case afterData, afterDataCR:
			if c != "\r\n"[d.phase-afterData] {
				return dst, n, false, errChunkEnd
			}
			n++
			if d.phase++; d.phase == inTrailer {
				d.phase, d.size = inSize, 0
			}
		case inTrailer:
			k, err := d.trailer(src[n:], lim, trailer)
			return dst, n + k, k > 0, err
		}
	}
	return dst, n, false, nil
}

// open begins the chunk whose size has been read.
func (d *chunked) open(lim *Limits) error {
	if d.left == 0 {
		d.phase, d.tail = inTrailer, progress{phase: atLine}
		return nil
	}
	if d.left > uint64(lim.MaxBody-d.total) {
		return errBodyTooBig
	}
	d.total += int64(d.left)
	d.phase = inData
	return nil
}

// trailer reads the trailer section from the beginning of b and returns its length, 0 while it is not whole.
func (d *chunked) trailer(b []byte, lim *Limits, h *head) (int, error) {
	resumed := d.tail.pos > 0 || d.tail.phase != atLine
	h.reset()
	n, err := d.tail.lines(b, lim, h)
	if err == nil && n > 0 && resumed {
		d.tail = progress{phase: atLine}
		h.reset()
		n, err = d.tail.lines(b[:n], lim, h)
	}
	if n == 0 || err != nil {
		return 0, err
	}
	d.tail.pos = uint32(n)
	for i := range h.fields {
		if !trailerAllowed(h.fields[i].name.of(b)) {
			return 0, errTrailer
		}
	}
	return n, nil
}

// trailerSize returns the length of the trailer section, its empty line included, once decode has returned done.
func (d *chunked) trailerSize() int { return int(d.tail.pos) }

// trailerAllowed refuses what RFC 9110 section 6.5.1 does: fields that frame, route, or say how to read the message. By
// the time a trailer comes, they have been acted on.
func trailerAllowed(name []byte) bool {
	for _, banned := range [...]string{
		"content-length", "transfer-encoding", "host", "trailer", "te", "connection", "keep-alive", "upgrade", "expect",
		"content-encoding", "content-type", "content-range", "authorization", "cookie", "cache-control", "max-forwards",
		"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
	} {
		if equalFold(name, banned) {
			return false
		}
	}
	return true
}
