package ws

var errDeflateData = &violation{CodeInvalidPayload, "the compressed data is broken"}

// decompressor inflates the messages that a connection's peer sends, as RFC
// 7692 section 7.2.2 says. Between messages it holds nothing but its window, and
// that only with context takeover. It must not see messages that came
// uncompressed: they do not enter the window.
//
// It is for one goroutine at a time. free it, then it may be dropped. After an
// error it is of no further use.
type decompressor struct {
	params deflateDirection
	window window
}

func newDecompressor(params deflateDirection) decompressor {
	// zlib takes a window of 8 bits for one of 9, and old versions did not tell:
	// such a peer refers 512 bytes back where 256 were agreed on.
	params.bits = max(params.bits, minWindowBits+1)
	return decompressor{params: params}
}

// maxDeflated bounds the payload of a compressed message that may inflate to
// limit bytes: it is more than any compressor makes of limit bytes without
// flushing every few of them (a stored block costs 5 bytes; zlib with its
// smallest memory an eighth more).
func maxDeflated(limit int64) int64 {
	return limit + min(limit/8+64, 1<<62-min(limit, 1<<62))
}

// inflate appends to dst what p inflates to: the payload of a whole message, its
// fragments joined. When that is more than limit bytes, it stops with errTooBig
// before dst has grown past them; dst grows by doubling, with what is inflated.
// Data that is broken, or ends early, is errDeflateData.
//
// check, when it is not nil, sees what is inflated piece by piece, at most 32
// KiB at a time, before the next piece is inflated; its verdict ends the matter.
// It must not keep the piece. out is dst with what was appended, also after an
// error, for the sake of its storage.
func (d *decompressor) inflate(dst, p []byte, limit int64, check func(piece []byte) *violation) (out []byte, err *violation) {
	z := newInflater(dst, limit)
	z.check = check
	return d.run(z, p)
}

// inflateText is inflate for a text. UTF-8 is checked as it is inflated, and
// fails as soon as a piece, of at most 32 KiB, is wrong.
func (d *decompressor) inflateText(dst, p []byte, limit int64) (out []byte, err *violation) {
	z := newInflater(dst, limit)
	z.text = true
	return d.run(z, p)
}

func (d *decompressor) run(z *inflater, p []byte) (out []byte, err *violation) {
	if err = z.inflate(p, d.window.bytes()); err == nil && d.params.takeover {
		d.window.add(z.out[z.base:], d.params.bits)
	}
	return z.free(), err
}

// free gives back the window. It may be called again.
func (d *decompressor) free() { d.window.free() }
