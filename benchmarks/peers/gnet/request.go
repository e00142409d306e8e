package main

import (
	"bytes"
	"strconv"
)

// request is a view of what the client sent.
type request struct {
	method, path, body []byte
	close              bool
}

var (
	headEnd = []byte("\r\n\r\n")
	lineEnd = []byte("\r\n")
)

// parse reads one request, of n bytes; n is 0 when it is not whole yet, and
// negative when it is none that this server knows. Of the header it looks at
// Content-Length and Connection alone.
func parse(in []byte) (r request, n int) {
	end := bytes.Index(in, headEnd)
	if end < 0 {
		return r, 0
	}
	line, header, _ := bytes.Cut(in[:end], lineEnd)
	var target []byte
	var ok bool
	if r.method, target, ok = bytes.Cut(line, []byte{' '}); !ok {
		return r, -1
	}
	if r.path, _, ok = bytes.Cut(target, []byte{' '}); !ok {
		return r, -1
	}
	n = end + len(headEnd)
	length := r.readHeader(header)
	if length < 0 {
		return r, -1
	}
	if len(in) < n+length {
		return r, 0
	}
	r.body = in[n : n+length]
	return r, n + length
}

// readHeader returns the length of the body, or a negative one for a field that
// it cannot read.
func (r *request) readHeader(header []byte) (length int) {
	for len(header) > 0 {
		var line []byte
		line, header, _ = bytes.Cut(header, lineEnd)
		if len(line) == 0 || line[0]|0x20 != 'c' && line[0]|0x20 != 't' {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.Atoi(string(value))
			if err != nil {
				return -1
			}
			length = n
		case bytes.EqualFold(name, []byte("Connection")):
			r.close = bytes.EqualFold(value, []byte("close"))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return -1
		}
	}
	return length
}
