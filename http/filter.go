package http

import "io"

// A Filter stands between a handler and its client and changes the bodies of answers on their way out: it compresses them,
// or makes a tag of them. It is called by the goroutine that runs the handler, when the status is known and the header lines
// can still be changed.
type Filter interface {
	// Whole is given the body of an answer that is made in one piece, and returns what is sent in its place. It must not
	// change body, and what it returns is copied before it is called again. The Ctx tells what is being answered:
	// StatusCode, ResponseHeader (Content-Type is there), Method; SetHeader and SetStatus change it. An error becomes the
	// answer, as a handler's does.
	Whole(c *Ctx, body []byte) ([]byte, error)
	// Stream is called when a stream begins. What it returns gets the body, and writes to next; nil is for a filter that
	// does not want to see this one. For HEAD it is called likewise, so that the header lines are those of GET.
	Stream(c *Ctx, next io.Writer) FilterWriter
}

// A FileFilter is a Filter that wants to see files as well. A file that one of a request's filters wants is read into memory, and
// passes all of them as a whole body.
type FileFilter interface {
	Filter
	// File says whether it wants to see a file of n bytes that is about to be sent.
	File(c *Ctx, n int64) bool
}

// wantsFile says whether a filter is to see a file of n bytes.
func (x *exchange) wantsFile(code int, n int64) bool {
	if !filtered(code) {
		return false
	}
	for _, f := range x.filters {
		if ff, ok := f.(FileFilter); ok && ff.File(x.ctx, n) {
			return true
		}
	}
	return false
}

// FilterWriter is the middle of a stream. Close writes the rest and does not close what is behind it.
type FilterWriter interface {
	io.Writer
	Flush() error
	Close() error
}

// AddFilter puts f in front of the answer, as the last before those that were added earlier. Middleware calls it before the
// handler. Files, and answers without a body, pass no filter.
func (c *Ctx) AddFilter(f Filter) {
	x := c.live()
	x.filters = append(x.filters, f)
}

// filterWhole sends a body through the filters: what was added last is next to the handler.
func (x *exchange) filterWhole(code int, contentType string, body []byte) ([]byte, error) {
	x.announce(code, contentType)
	filters := x.filters
	x.filters = nil // an error of theirs is answered without them
	for i := len(filters) - 1; i >= 0; i-- {
		var err error
		if body, err = filters[i].Whole(x.ctx, body); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// filterStream puts the filters in front of s, and returns the length that the body has behind them.
func (x *exchange) filterStream(s *Stream, code int, contentType string, length int64) int64 {
	x.announce(code, contentType)
	for _, f := range x.filters {
		w := f.Stream(x.ctx, s.w)
		if w == nil {
			continue
		}
		if x.filtering != nil {
			w = filterChain{w, x.filtering}
		}
		s.w, x.filtering = w, w
		length = unknownLength
	}
	return length
}

// announce makes what is about to be answered known to filters.
func (x *exchange) announce(code int, contentType string) {
	x.status = code
	if contentType != "" && x.own&ownType == 0 {
		x.appendHeader("Content-Type", contentType)
	}
}

// filterChain is a filter with those behind it.
type filterChain struct{ first, rest FilterWriter }

func (f filterChain) Write(p []byte) (int, error) { return f.first.Write(p) }

func (f filterChain) Flush() error {
	if err := f.first.Flush(); err != nil {
		return err
	}
	return f.rest.Flush()
}

func (f filterChain) Close() error {
	if err := f.first.Close(); err != nil {
		return err
	}
	return f.rest.Close()
}
