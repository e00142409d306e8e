package http

import (
	"bytes"
	"errors"
	"io"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"
)

// Test has the App answer r in this goroutine, without a socket, and returns what it answered; its Body need not be closed. A
// request without a host, as http.NewRequest makes of a mere path, is for "example.com", as with httptest.NewRequest.
// Errors: ErrTorn when the answer was cut short, as by a handler that failed in the middle of a stream.
func (a *App) Test(r *nethttp.Request) (res *nethttp.Response, err error) {
	if r.Host == "" && r.URL.Host == "" {
		r = r.WithContext(r.Context()) // a copy
		r.Host = "example.com"
	}
	rec := &recorder{header: make(nethttp.Header)}
	defer func() {
		switch v := recover(); v {
		case nil:
		case nethttp.ErrAbortHandler:
			res, err = nil, ErrTorn
		default:
			panic(v)
		}
	}()
	a.ServeHTTP(rec, r)
	return rec.response(r), nil
}

// ErrTorn: an answer that was begun and could not be ended.
var ErrTorn = errors.New("http: the answer was cut short")

// recorder is the ResponseWriter of App.Test.
type recorder struct {
	header, sent nethttp.Header
	code         int
	body         bytes.Buffer
}

func (rec *recorder) Header() nethttp.Header { return rec.header }

func (rec *recorder) WriteHeader(code int) {
	if rec.code == 0 && code >= 200 {
		rec.code, rec.sent = code, rec.header.Clone()
	}
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.WriteHeader(200)
	return rec.body.Write(p)
}

// Flush implements http.Flusher: everything is there at once anyway.
func (rec *recorder) Flush() { rec.WriteHeader(200) }

func (rec *recorder) response(r *nethttp.Request) *nethttp.Response {
	rec.WriteHeader(200)
	if rec.sent["Content-Type"] == nil {
		delete(rec.sent, "Content-Type")
	}
	if rec.sent.Get("Date") == "" {
		rec.sent.Set("Date", time.Now().UTC().Format(timeFormat))
	}
	res := &nethttp.Response{
		Status: strconv.Itoa(rec.code) + " " + StatusText(rec.code), StatusCode: rec.code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.sent, Body: nethttp.NoBody, ContentLength: int64(rec.body.Len()), Request: r,
	}
	if r.Method != "HEAD" && !bodyless(rec.code) {
		res.Body = io.NopCloser(&rec.body)
	}
	for name, values := range rec.header {
		if name, ok := strings.CutPrefix(name, nethttp.TrailerPrefix); ok {
			if res.Trailer == nil {
				res.Trailer = make(nethttp.Header)
			}
			res.Trailer[name] = values
		}
	}
	return res
}
