package main

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

// routes finds a route by its literal segments, which a path's first two and its
// fourth are where they are literal at all.
type routes map[string]endpoint.Route

func newRoutes() routes {
	r := routes{}
	for _, route := range endpoint.Routes() {
		r[shape(strings.Split(route.Path, "/")[1:])] = route
	}
	return r
}

// shape is the pattern without the names of its parameters.
func shape(segments []string) string {
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// find is the route of a path and the value of its last parameter.
func (r routes) find(path []byte) (route endpoint.Route, value []byte, ok bool) {
	var parts [5][]byte
	segments := parts[:0]
	for len(path) > 0 && path[0] == '/' && len(segments) < cap(segments) {
		end := bytes.IndexByte(path[1:], '/') + 1
		if end == 0 {
			end = len(path)
		}
		segments = append(segments, path[1:end])
		path = path[end:]
	}
	var room [64]byte
	key := room[:0]
	for i, s := range segments {
		if i > 0 {
			key = append(key, '/')
		}
		if parameter := i == 1 && string(segments[0]) == "user" || i == 2 || i == 4; parameter {
			key, value = append(key, '*'), s
		} else {
			key = append(key, s...)
		}
	}
	route, ok = r[string(key)]
	return route, value, ok
}

// answer appends the answer to a request.
func (r routes) answer(out []byte, req *request) []byte {
	switch string(req.path) {
	case "/plaintext":
		return append(head(out, "200 OK", "text/plain", len(endpoint.Text)), endpoint.Text...)
	case "/json":
		p, err := json.Marshal(endpoint.Message{Message: endpoint.Text})
		if err != nil {
			return head(out, "500 Internal Server Error", "text/plain", 0)
		}
		return append(head(out, "200 OK", "application/json", len(p)), p...)
	case "/echo":
		if string(req.method) != "POST" {
			return head(out, "405 Method Not Allowed", "text/plain", 0)
		}
		return append(head(out, "200 OK", "application/octet-stream", len(req.body)), req.body...)
	case "/gc":
		debug.FreeOSMemory()
		return head(out, "200 OK", "text/plain", 0)
	case "/goroutines":
		n := strconv.Itoa(runtime.NumGoroutine())
		return append(head(out, "200 OK", "text/plain", len(n)), n...)
	}
	route, value, ok := r.find(req.path)
	if !ok {
		return head(out, "404 Not Found", "text/plain", 0)
	}
	if route.Param == "" {
		value = []byte(route.Plain)
	}
	return append(head(out, "200 OK", "text/plain", len(value)), value...)
}

// head appends the head of an answer.
func head(out []byte, status, contentType string, length int) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = append(out, status...)
	out = append(out, "\r\nServer: gnet\r\nDate: "...)
	out = append(out, *date.Load()...)
	out = append(out, "\r\nContent-Type: "...)
	out = append(out, contentType...)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(length), 10)
	return append(out, "\r\n\r\n"...)
}

// date is the value of the Date header line, at most a second old.
var date atomic.Pointer[string]

func init() {
	now := func() {
		s := time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		date.Store(&s)
	}
	now()
	go func() {
		for range time.Tick(time.Second) {
			now()
		}
	}()
}
