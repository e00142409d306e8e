package http

import (
	"crypto/rand"
	"strconv"
	"sync/atomic"

	"github.com/carillon-go/carillon/reactor"
)

// SendFileParts answers by 206 with the parts of f, of size bytes, that SelectRanges has chosen: one as it is, several as
// multipart/byteranges (RFC 9110 section 14.6). Set their Content-Type before. f is taken over, and errors are those of
// SendFile.
func (c *Ctx) SendFileParts(f reactor.File, size int64, parts []Range) error {
	x := c.live()
	if len(parts) == 1 {
		if err := c.SetHeader("Content-Range", parts[0].ContentRange(size)); err != nil {
			return closing(f, err)
		}
		return c.SendFile(206, f, parts[0].Off, parts[0].Length)
	}
	m, err := c.startParts(size, parts)
	if err != nil || x.withoutBody() {
		return closing(f, err)
	}
	shared := &partFile{File: f}
	shared.left.Store(int32(len(parts)))
	for i, part := range parts {
		piece := m.appendHead(nil, i)
		if x.via == nil {
			x.buf = append(x.buf, piece...)
		} else if err = x.deliver(piece); err != nil {
			shared.drop(len(parts) - i)
			return err
		}
		if err = x.deliverFile(shared, part.Off, part.Length); err != nil {
			shared.drop(len(parts) - i - 1)
			x.close = true
			return err
		}
	}
	if err = x.deliver(m.appendTail(nil)); err != nil && x.onLoop { // nobody's error, as for SendFile
		err = nil
	}
	return err
}

// BlobParts is SendFileParts for a body that is in memory, which is copied.
func (c *Ctx) BlobParts(contentType string, body []byte, parts []Range) error {
	x, size := c.live(), int64(len(body))
	if x.own&ownType == 0 {
		if err := c.SetHeader("Content-Type", contentType); err != nil {
			return err
		}
	}
	if len(parts) == 1 {
		if err := c.SetHeader("Content-Range", parts[0].ContentRange(size)); err != nil {
			return err
		}
		return x.answer(206, "", body[parts[0].Off:parts[0].Off+parts[0].Length])
	}
	m := c.layOut(size, parts)
	all := make([]byte, 0, m.length())
	for i, part := range parts {
		all = m.appendHead(all, i)
		all = append(all, body[part.Off:part.Off+part.Length]...)
	}
	if err := c.SetHeader("Content-Type", m.contentType()); err != nil {
		return err
	}
	return x.answer(206, "", m.appendTail(all))
}

// startParts begins an answer of several parts.
func (c *Ctx) startParts(size int64, parts []Range) (*byteRanges, error) {
	x := c.x
	if err := x.ready(206); err != nil {
		return nil, err
	}
	m := c.layOut(size, parts)
	if err := c.SetHeader("Content-Type", m.contentType()); err != nil {
		return nil, err
	}
	if err := x.start(206, "", m.length()); err != nil {
		return nil, err
	}
	x.phase = answered
	if !x.withoutBody() {
		x.sent = m.length()
	}
	return m, nil
}

// partFile is a file of which several parts are on their way.
type partFile struct {
	reactor.File
	left atomic.Int32
}

// Close closes the file behind its last part.
func (p *partFile) Close() error {
	if p.left.Add(-1) == 0 {
		return p.File.Close()
	}
	return nil
}

// drop lets go of n parts that are not sent.
func (p *partFile) drop(n int) {
	for range n {
		_ = p.Close()
	}
}

// byteRanges is the layout of a body of multipart/byteranges.
type byteRanges struct {
	boundary string
	partType string // "" for none
	size     int64  // of the whole that the parts are of
	parts    []Range
}

// layOut takes the Content-Type that is set for that of the parts. The boundary cannot be known before, so nobody can have
// put it into a file.
func (c *Ctx) layOut(size int64, parts []Range) *byteRanges {
	return &byteRanges{boundary: rand.Text(), partType: c.ResponseHeader("Content-Type"), size: size, parts: parts}
}

func (m *byteRanges) contentType() string { return "multipart/byteranges; boundary=" + m.boundary }

func (m *byteRanges) appendHead(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, "\r\n"...)
	}
	dst = append(append(append(dst, "--"...), m.boundary...), "\r\n"...)
	if m.partType != "" {
		dst = appendLine(dst, "Content-Type", m.partType)
	}
	dst = appendLine(dst, "Content-Range", m.parts[i].ContentRange(m.size))
	return append(dst, "\r\n"...)
}

func (m *byteRanges) appendTail(dst []byte) []byte {
	return append(append(append(dst, "\r\n--"...), m.boundary...), "--\r\n"...)
}

// length is that of the whole body.
func (m *byteRanges) length() int64 {
	digits := func(n int64) int { return len(strconv.FormatInt(n, 10)) }
	perPart := len("\r\n--") + len(m.boundary) + len("\r\nContent-Range: bytes -/\r\n\r\n") + digits(m.size)
	if m.partType != "" {
		perPart += len("Content-Type: \r\n") + len(m.partType)
	}
	n := int64(len(m.boundary) + len("--\r\n") + len("--")) // the tail, which has a CRLF that the first head lacks
	for _, part := range m.parts {
		n += int64(perPart+digits(part.Off)+digits(part.Off+part.Length-1)) + part.Length
	}
	return n
}
