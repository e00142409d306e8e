package http

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
)

// ResponseParser reads what a server sends, as its bytes arrive: the parser of a client, or of a proxy, as strict as that of
// the Server. What two readers of the same bytes could understand differently is an error, because that is how responses are
// smuggled (RFC 9112 section 11.2). It keeps no bytes; it belongs to one goroutine at a time.
//
// For each response: Begin, Head until it is whole, and then Body until Done. An error is final: the connection is of no
// more use.
type ResponseParser struct {
	limits  Limits
	method  string
	at      progress
	head    head
	raw     []byte
	status  int
	reason  span
	left    int64 // of a body that has a length
	framing framing
	done    bool
	interim bool // the head is whole, and another follows
	chunks  chunked
	tail    head
	tailRaw []byte
	data    []byte // storage for what was chunked
}

type framing uint8

const (
	noContent framing = iota
	byLength
	byChunks
	byClose
)

// ErrBadResponse: what a server has sent is no response, or not surely one.
var ErrBadResponse = errors.New("http: malformed response")

func badResponse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadResponse, fmt.Sprintf(format, args...))
}

// NewResponseParser returns a parser that bounds heads, and trailer sections, by MaxHeader and MaxFields of limits. Bodies are
// not bounded, since nothing of them is kept.
func NewResponseParser(limits Limits) *ResponseParser {
	p := &ResponseParser{limits: limits.filled()}
	p.limits.MaxBody = math.MaxInt64
	return p
}

// Begin prepares for the response to a request of that method, interim ones (1xx) in front of it included: behind one of
// those Head is called again.
func (p *ResponseParser) Begin(method string) {
	p.method = method
	p.nextHead()
}

func (p *ResponseParser) nextHead() {
	p.at, p.status, p.framing, p.done, p.interim = progress{}, 0, noContent, false, false
	p.chunks = chunked{}
	p.tail.reset()
	p.tailRaw = p.tailRaw[:0]
}

// Head parses a head from the beginning of b, which begins with the same bytes as in the call before, and returns its length;
// 0 while it is not whole. Status, Fields and the like then tell of it, as long as b does not change. Error: one that wraps
// ErrBadResponse.
func (p *ResponseParser) Head(b []byte) (n int, err error) {
	if p.interim {
		p.nextHead()
	}
	resumed := p.at.pos > 0
	p.head.reset()
	if n, err = p.scan(b); err == nil && n > 0 && resumed { // lines of earlier calls are missing
		p.at = progress{}
		p.head.reset()
		n, err = p.scan(b[:n])
	}
	if err != nil || n == 0 {
		return 0, err
	}
	p.at = progress{}
	p.raw = b[:n]
	return n, p.frame()
}

func (p *ResponseParser) scan(b []byte) (int, error) {
	if p.at.phase == atStart {
		n, err := p.statusLine(b)
		if n == 0 || err != nil {
			return 0, err
		}
		p.at = progress{pos: uint32(n), block: uint32(n), phase: atLine}
	}
	n, err := p.at.lines(b, &p.limits, &p.head)
	if e, ok := errors.AsType[*Error](err); ok {
		return 0, badResponse("%s", e.Detail)
	}
	return n, err
}

const (
	statusPrefix = "HTTP/1.0 200"
	// longestReason bounds a status line, in bytes.
	longestReason = 512
)

// statusLine reads the first line, RFC 9112 section 4, and returns the offset behind it, 0 while it is not whole. A server
// that leaves out the blank before an empty reason is understood, as everybody does.
func (p *ResponseParser) statusLine(b []byte) (int, error) {
	for i := range min(len(b), len(statusPrefix)) {
		c, want := b[i], statusPrefix[i]
		if i == 7 && c != '0' && c != '1' || i >= 9 && (c < '0' || c > '9') || i != 7 && i < 9 && c != want {
			return 0, badResponse("status line %q", b[:min(len(b), 64)])
		}
	}
	if len(b) <= len(statusPrefix) {
		return 0, nil
	}
	at := len(statusPrefix)
	if b[at] == ' ' {
		at++
	} else if b[at] != '\r' {
		return 0, badResponse("status line %q", b[:min(len(b), 64)])
	}
	end := skipText(b, at)
	switch {
	case end > longestReason:
		return 0, badResponse("the status line is longer than %d bytes", longestReason)
	case end == len(b) || end+1 == len(b) && b[end] == '\r':
		return 0, nil
	case b[end] != '\r' || b[end+1] != '\n':
		return 0, badResponse("status line %q", b[:min(len(b), 64)])
	}
	p.status = int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
	if p.status < 100 || p.status > 599 {
		return 0, badResponse("status %d", p.status)
	}
	p.head.minor, p.reason = b[7]-'0', span{uint32(at), uint32(end)}
	return end + 2, nil
}

// frame finds where the body ends: RFC 9112 section 6.3.
func (p *ResponseParser) frame() error {
	h := &p.head
	h.readConnection(p.raw)
	length, err := p.declared()
	if err != nil {
		return err
	}
	interim := p.status < 200
	switch {
	case (interim || p.status == 204) && (h.chunked || length > 0):
		return badResponse("a %d with a body", p.status)
	case interim && p.status != 101:
		p.interim = true
		return nil
	case p.method == "HEAD" || bodyless(p.status) || interim:
		p.framing, p.done = noContent, true
	case h.chunked:
		p.framing = byChunks
	case length >= 0:
		p.framing, p.left, p.done = byLength, length, length == 0
	default:
		p.framing, h.close = byClose, true
	}
	h.length = length
	return nil
}

// declared reads what the head says of the body's length: -1 for nothing.
func (p *ResponseParser) declared() (int64, error) {
	h := &p.head
	coded, sized := h.known[knownCoding], h.known[knownLength]
	switch {
	case coded > 0 && sized > 0:
		return 0, badResponse("Content-Length together with Transfer-Encoding")
	case coded > 1 || sized > 1:
		return 0, badResponse("more than one Content-Length or Transfer-Encoding")
	case coded == 1 && h.minor == 0:
		return 0, badResponse("Transfer-Encoding in HTTP/1.0")
	case coded == 1 && !equalFold(h.last(p.raw, knownCoding), "chunked"):
		return 0, badResponse("Transfer-Encoding %q", h.last(p.raw, knownCoding))
	case coded == 1:
		h.chunked = true
	case sized == 1:
		n, ok := parseLength(h.last(p.raw, knownLength))
		if !ok {
			return 0, badResponse("Content-Length %q", h.last(p.raw, knownLength))
		}
		return n, nil
	}
	return -1, nil
}

// Status returns the status code.
func (p *ResponseParser) Status() int { return p.status }

// Reason returns the reason phrase, a view of the bytes that Head was given.
func (p *ResponseParser) Reason() []byte { return p.reason.of(p.raw) }

// Length returns the Content-Length, also where no body follows it, as behind HEAD; -1 when nobody knows it.
func (p *ResponseParser) Length() int64 { return p.head.length }

// HasBody says whether a body follows, if only an empty one.
func (p *ResponseParser) HasBody() bool { return p.framing != noContent }

// UntilClose says whether the body ends with the connection, so that nobody can tell whether it is whole.
func (p *ResponseParser) UntilClose() bool { return p.framing == byClose }

// KeepsAlive says whether the connection can be used for another request when this response is Done.
func (p *ResponseParser) KeepsAlive() bool { return !p.head.close }

// Field returns the value of the first header line of that name, in whatever case; nil without one. It is a view of the bytes
// that Head was given.
func (p *ResponseParser) Field(name string) []byte { return p.head.get(p.raw, name) }

// Fields yields the header lines in their order, as views of the bytes that Head was given.
func (p *ResponseParser) Fields() iter.Seq2[[]byte, []byte] { return views(p.head.fields, p.raw) }

// Trailers yields the lines behind a chunked body, when it is Done; they are valid until the next Begin.
func (p *ResponseParser) Trailers() iter.Seq2[[]byte, []byte] {
	return views(p.tail.fields, p.tailRaw)
}

func views(fields []field, raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for _, f := range fields {
			if !yield(f.name.of(raw), f.value.of(raw)) {
				return
			}
		}
	}
}

// Done says whether the response is whole, so that what follows is not part of it.
func (p *ResponseParser) Done() bool { return p.done }

// Body takes the next bytes of the body from src. It returns them without their framing, valid until src changes or Body is
// called again, and how many bytes of src it has used up; where it is not all of them, and the response is not Done, it wants
// the rest again with more behind it. Error: one that wraps ErrBadResponse.
func (p *ResponseParser) Body(src []byte) (data []byte, n int, err error) {
	switch {
	case p.done:
		return nil, 0, nil
	case p.framing == byClose:
		return src, len(src), nil
	case p.framing == byLength:
		n = int(min(p.left, int64(len(src))))
		p.left -= int64(n)
		p.done = p.left == 0
		return src[:n], n, nil
	}
	p.data, n, p.done, err = p.chunks.decode(kept(p.data), src, &p.limits, &p.tail)
	if e, ok := errors.AsType[*Error](err); ok {
		return p.data, n, badResponse("%s", e.Detail)
	}
	if p.done {
		p.tailRaw = append(p.tailRaw[:0], src[n-p.chunks.trailerSize():n]...)
	}
	return p.data, n, err
}

// End says that the connection has ended. Error: io.ErrUnexpectedEOF when the response is not whole.
func (p *ResponseParser) End() error {
	if p.status >= 200 && p.framing == byClose && p.at.pos == 0 {
		p.done = true
	}
	if !p.done {
		return io.ErrUnexpectedEOF
	}
	return nil
}
