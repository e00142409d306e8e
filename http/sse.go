package http

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is one event of an event stream (WHATWG HTML, section 9.2).
type Event struct {
	ID    string        // sets the id that a client which reconnects sends; "" leaves it as it is
	Name  string        // the type; "" is "message"
	Data  string        // may have several lines
	Retry time.Duration // how long the client waits before it reconnects, in whole milliseconds; 0 leaves that as it is
}

// EventStream sends events; see Ctx.SSE. It belongs to the goroutine that runs the handler.
type EventStream struct {
	s   *Stream
	buf []byte
}

// SSE answers with a stream of events that send produces (Server-Sent Events). The Ctx is done when the client has left, and
// also when the server begins to shut down, because such a stream has no end of its own: send then returns, with nil or the
// context's error. LastEventID says where a client that comes back has left off. Errors are those of Stream.
func (c *Ctx) SSE(send func(s *EventStream) error) error {
	x := c.live()
	if err := c.SetHeader("Cache-Control", "no-store"); err != nil {
		return err
	}
	// nginx in front would gather the events instead of passing them on.
	if err := c.SetHeader("X-Accel-Buffering", "no"); err != nil {
		return err
	}
	x.setEndless()
	err := c.Stream(200, "text/event-stream", func(s *Stream) error {
		if err := s.Flush(); err != nil || x.isHead { // the client's open event
			return err
		}
		err := send(&EventStream{s: s})
		if err != nil && c.Err() != nil { // the end that was to be expected
			return nil
		}
		return err
	})
	return err
}

// LastEventID returns the id of the last event that the client has seen, when it reconnects; "" otherwise.
func (c *Ctx) LastEventID() string { return c.Header("Last-Event-ID") }

// Send sends an event at once. Errors: ErrBadHeader for an ID or Name with a line end, or an ID with NUL; ErrClientGone; and
// the context's error when the stream is to end.
func (s *EventStream) Send(e Event) error {
	if strings.ContainsAny(e.ID, "\r\n\x00") || strings.ContainsAny(e.Name, "\r\n") {
		return fmt.Errorf("%w: event with id %q, name %q", ErrBadHeader, e.ID, e.Name)
	}
	b := s.buf[:0]
	if e.ID != "" {
		b = appendEventField(b, "id", e.ID)
	}
	if e.Name != "" {
		b = appendEventField(b, "event", e.Name)
	}
	if e.Retry > 0 {
		b = appendEventField(b, "retry", strconv.FormatInt(e.Retry.Milliseconds(), 10))
	}
	// CR, LF and CRLF all end a line for a client.
	for line := range strings.SplitSeq(lineEnds.Replace(e.Data), "\n") {
		b = appendEventField(b, "data", line)
	}
	s.buf = append(b, '\n')
	return s.flush()
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func appendEventField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, '\n')
}

// Comment sends a line that clients ignore: it keeps proxies from taking the stream for dead, and finds clients that are.
// Errors are those of Send.
func (s *EventStream) Comment(text string) error {
	b := s.buf[:0]
	for line := range strings.SplitSeq(lineEnds.Replace(text), "\n") {
		b = append(b, ": "...)
		b = append(b, line...)
		b = append(b, '\n')
	}
	s.buf = append(b, '\n')
	return s.flush()
}

func (s *EventStream) flush() error {
	if err := s.s.c.Err(); err != nil {
		return err
	}
	if _, err := s.s.Write(s.buf); err != nil {
		return err
	}
	return s.s.Flush()
}
