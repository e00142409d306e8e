package static

import (
	"bytes"
	"strconv"
	"time"
)

// timeFormat is IMF-fixdate (RFC 9110, 5.6.7).
const timeFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// validators tell one state of a file from another (RFC 9110, 8.8).
type validators struct {
	etag     []byte // as sent, with quotes and, while weak, "W/"
	modified int64  // seconds since the epoch; noDate when not sent
}

const noDate = -1 << 63

// validatorsOf makes the validators of a file as they are at the time now,
// the ETag appended to space.
//
// The ETag is strong once the last change is a second old. Before that a
// second change may hide in the same tick of the file system's clock and
// leave time, size and inode as they were, so the ETag is weak: good for
// If-None-Match, not for putting ranges together (8.8.1). The Last-Modified
// of a file from the future is left out, for it must not be later than Date
// (8.8.2.1), as is one from before the epoch.
func validatorsOf(f file, now time.Time, space []byte) validators {
	mtime := time.Unix(f.mtime.Unix())
	v := validators{etag: appendETag(space, f, now.Sub(mtime) < time.Second), modified: mtime.Unix()}
	if v.modified < 0 || mtime.After(now) {
		v.modified = noDate
	}
	return v
}

// appendETag writes size, and time of change mixed with inode: every change
// of time alone or inode alone gives another tag, and the inode number itself
// stays the server's own.
func appendETag(dst []byte, f file, weak bool) []byte {
	if weak {
		dst = append(dst, "W/"...)
	}
	dst = append(dst, '"')
	dst = strconv.AppendUint(dst, uint64(f.mtime.Nano())^scatter(f.ino), 36)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, f.size, 36)
	return append(dst, '"')
}

// scatter is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): one to
// one, with each bit of the input reaching all bits of the output.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// conditions are the header fields of a request that make it conditional; a
// field that is absent is nil. Lists that came in several lines are joined.
type conditions struct {
	ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, ifRange []byte
}

// outcome of the preconditions.
type outcome uint8

const (
	proceed     outcome = iota
	notModified         // 304
	failed              // 412
)

// evaluate decides on a GET or HEAD for a file that exists, in the order of
// RFC 9110, 13.2.2. If-Range is not part of it: see rangeHolds.
func (c *conditions) evaluate(v validators) outcome {
	if c.ifMatch != nil {
		if !anyMatch(c.ifMatch, v.etag, strongMatch) {
			return failed
		}
	} else if c.ifUnmodifiedSince != nil && v.modified != noDate {
		if at, ok := parseDate(c.ifUnmodifiedSince); ok && v.modified > at {
			return failed
		}
	}
	if c.ifNoneMatch != nil {
		if anyMatch(c.ifNoneMatch, v.etag, weakMatch) {
			return notModified
		}
	} else if c.ifModifiedSince != nil && v.modified != noDate {
		if at, ok := parseDate(c.ifModifiedSince); ok && v.modified <= at {
			return notModified
		}
	}
	return proceed
}

// rangeHolds reports whether a Range header may be obeyed (RFC 9110, 13.1.5):
// there is no If-Range, or it names this very state: by a strong ETag, or by
// the exact date, which is a strong validator only once the second it names
// is over (8.8.2.2). now is in seconds since the epoch.
func (c *conditions) rangeHolds(v validators, now int64) bool {
	h := c.ifRange
	switch {
	case h == nil:
		return true
	case bytes.HasPrefix(h, []byte(`"`)) || bytes.HasPrefix(h, []byte("W/")):
		tag, rest, ok := cutETag(h)
		return ok && len(rest) == 0 && strongMatch(tag, v.etag)
	}
	at, ok := parseDate(h)
	return ok && v.modified != noDate && at == v.modified && now > at
}

// anyMatch reports whether a list of entity tags, or "*", has one that
// matches etag. What follows an element that is no entity tag is not read.
func anyMatch(list, etag []byte, match func(a, b []byte) bool) bool {
	if string(bytes.Trim(list, " \t")) == "*" {
		return true
	}
	for {
		list = bytes.TrimLeft(list, " \t,")
		tag, rest, ok := cutETag(list)
		if !ok {
			return false
		}
		rest = bytes.TrimLeft(rest, " \t")
		if len(rest) > 0 && rest[0] != ',' {
			return false
		}
		if match(tag, etag) {
			return true
		}
		list = rest
	}
}

// cutETag takes one entity tag off the front (RFC 9110, 8.8.3).
func cutETag(s []byte) (tag, rest []byte, ok bool) {
	open := 0
	if bytes.HasPrefix(s, []byte("W/")) {
		open = 2
	}
	if len(s) <= open || s[open] != '"' {
		return nil, s, false
	}
	for i := open + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:], true
		case c < 0x21 || c == 0x7f:
			return nil, s, false
		}
	}
	return nil, s, false
}

// strongMatch and weakMatch are the comparisons of RFC 9110, 8.8.3.2.
func strongMatch(a, b []byte) bool { return bytes.Equal(a, b) && a[0] == '"' }

func weakMatch(a, b []byte) bool {
	return bytes.Equal(bytes.TrimPrefix(a, []byte("W/")), bytes.TrimPrefix(b, []byte("W/")))
}

// parseDate reads an HTTP-date in any of its three forms (RFC 9110, 5.6.7)
// as seconds since the epoch.
func parseDate(b []byte) (int64, bool) {
	for _, layout := range [...]string{timeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}
