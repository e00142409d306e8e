package http

import (
	nethttp "net/http"
	"sync/atomic"
	"time"
)

// dateLine is the Date header line of a loop. It is formatted when a response asks for it and the second has changed, so
// an idle loop does nothing for it. Loop goroutine only.
type dateLine struct {
	line []byte
	good time.Duration // until when line is right, on the loop's clock
}

// timeFormat is IMF-fixdate, RFC 9110 section 5.6.7; the time must be in UTC.
const timeFormat = nethttp.TimeFormat

// at returns the line for now, the loop's clock. It is never more than a second old, also after the wall clock was set.
func (d *dateLine) at(now time.Duration) []byte {
	if now >= d.good {
		wall := time.Now()
		d.line = append(d.line[:0], "Date: "...)
		d.line = wall.UTC().AppendFormat(d.line, timeFormat)
		d.line = append(d.line, '\r', '\n')
		d.good = now + time.Second - time.Duration(wall.Nanosecond())
	}
	return d.line
}

// clockLine is the Date header line for those who have no loop's clock: whoever finds it stale makes the next.
type clockLine struct {
	second int64
	line   []byte
}

var clock atomic.Pointer[clockLine]

// appendDateLine appends the Date header line for this moment. Any goroutine may call it.
func appendDateLine(b []byte) []byte {
	now := time.Now()
	c := clock.Load()
	if c == nil || c.second != now.Unix() {
		line := append(now.UTC().AppendFormat([]byte("Date: "), timeFormat), '\r', '\n')
		c = &clockLine{second: now.Unix(), line: line}
		clock.Store(c)
	}
	return append(b, c.line...)
}
