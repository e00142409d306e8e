package http

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/textproto"
)

// MultipartOptions bound what a body of multipart/form-data may hold beyond the route's MaxBody, which bounds it all. A zero
// field means the default. What is over a bound is an *Error of 413.
type MultipartOptions struct {
	MaxParts  int // default 1,000
	MaxHeader int // bytes of the header lines of a part; default 8 KiB

	// For MultipartForm only.

	MaxValues int64  // bytes of all fields that are no files, with their names; default 1 MiB
	MaxMemory int64  // bytes of files that are held in memory, what is beyond on disk; default 1 MiB, none below 0
	TempDir   string // where that is; default os.TempDir
}

func (o MultipartOptions) filled() MultipartOptions {
	if o.MaxParts <= 0 {
		o.MaxParts = 1000
	}
	if o.MaxHeader <= 0 {
		o.MaxHeader = 8 << 10
	}
	if o.MaxValues <= 0 {
		o.MaxValues = 1 << 20
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 1 << 20
	}
	return o
}

var (
	errParts      = NewError(413, "too many parts in the multipart body")
	errPartHeader = NewError(413, "the header of a part is too large")
	errPartName   = NewError(400, "a part of the multipart body has no name")
	errPartValues = NewError(413, "the form's fields are too large")
	errBoundary   = NewError(400, "the multipart body has no valid boundary")
)

// Part is one part of multipart/form-data, RFC 7578. It is valid until the next one is asked for.
type Part struct {
	Name     string               // of the form's field
	IsFile   bool                 // it came with a file name, which may be empty: then no file was chosen
	Filename string               // its last element: see BaseName. It is the client's word, and so is the Content-Type.
	Header   textproto.MIMEHeader // the part's own header lines
	body     *multipart.Part
	from     *partReader
}

// Read implements io.Reader for the part's content. Errors other than io.EOF are those of BodyReader and an *Error of 400 when
// the body is malformed.
func (p *Part) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	if err != nil && err != io.EOF {
		err = p.from.why(err)
	}
	return n, err
}

// Multipart yields the parts of a body of multipart/form-data as they arrive: on a route with StreamBody nothing is held but the
// part's header lines. What is not read of a part is skipped. The body can be read once.
//
//	for part, err := range c.Multipart(http.MultipartOptions{}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// An error is the last that it yields, to be returned by the handler: an *Error of 415 for another media type, with Accept, of
// 400 for what is malformed, of 413 for what is over a bound, and those of BodyReader.
func (c *Ctx) Multipart(opts MultipartOptions) iter.Seq2[*Part, error] {
	return func(yield func(*Part, error) bool) {
		r, err := c.parts(opts.filled())
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			p, err := r.next()
			if err == io.EOF || !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// partReader reads the parts of one body.
type partReader struct {
	source    partSource
	parts     *multipart.Reader
	part      *multipart.Part // the one that is being read
	left      int             // parts
	maxHeader int
}

func (c *Ctx) parts(o MultipartOptions) (*partReader, error) {
	x := c.live()
	m, err := c.bodyType()
	if err != nil || m.media != multipartForm {
		return nil, unsupported(multipartForm)
	}
	boundary := m.params["boundary"]
	if boundary == "" || len(boundary) > 70 { // RFC 2046 section 5.1.1
		return nil, errBoundary
	}
	var body io.Reader
	if x.body.whole {
		body = bytes.NewReader(x.body.data)
	} else {
		body = &limitedReader{c.BodyReader(), x.limit} // a reader that took its place may give more
	}
	r := &partReader{source: partSource{r: body, left: unbounded}, left: o.MaxParts, maxHeader: o.MaxHeader}
	r.parts = multipart.NewReader(&r.source, boundary)
	return r, nil
}

// next returns the next part, io.EOF behind the last.
func (r *partReader) next() (*Part, error) {
	if r.part != nil {
		if _, err := io.Copy(io.Discard, r.part); err != nil {
			return nil, r.why(err)
		}
	}
	r.source.left = int64(r.maxHeader) + readAhead
	body, err := r.parts.NextRawPart()
	r.source.left = unbounded
	switch {
	case err == io.EOF:
		return nil, err
	case err != nil:
		return nil, r.why(err)
	case r.left == 0:
		return nil, errParts
	}
	r.left--
	r.part = body
	if headerSize(body.Header) > r.maxHeader {
		return nil, errPartHeader
	}
	disposition, params, err := mime.ParseMediaType(body.Header.Get("Content-Disposition"))
	if err != nil || disposition != "form-data" || params["name"] == "" {
		return nil, errPartName
	}
	filename, isFile := params["filename"]
	return &Part{Name: params["name"], IsFile: isFile, Filename: BaseName(filename), Header: body.Header, body: body, from: r}, nil
}

// why returns what a handler is told of err.
func (r *partReader) why(err error) error {
	if r.source.err != nil {
		return r.source.err
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: 400, Detail: "malformed multipart body", Err: err}
}

func headerSize(h textproto.MIMEHeader) (n int) {
	for name, values := range h {
		for _, value := range values {
			n += len(name) + len(value) + len(": \r\n")
		}
	}
	return n
}

// partSource is the body below a multipart.Reader, which would itself take 10 MiB of header lines for each part. While those are
// read, so many bytes and no more may be asked for.
type partSource struct {
	r    io.Reader
	left int64 // or unbounded
	err  error // what ended the body before its time
}

const (
	unbounded = -1
	// readAhead is how much a multipart.Reader reads beyond what it needs, and the line of the boundary.
	readAhead = 4096 + 256
)

// Read implements io.Reader.
func (s *partSource) Read(p []byte) (int, error) {
	if s.left == 0 {
		s.err = errPartHeader
		return 0, s.err
	}
	if s.left > 0 && int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	if s.left > 0 {
		s.left -= int64(n)
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
