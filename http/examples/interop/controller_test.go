package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// wrapper is a ResponseWriter as middleware makes them: what it does not know is found by Unwrap.
type wrapper struct{ nethttp.ResponseWriter }

func (w wrapper) Unwrap() nethttp.ResponseWriter { return w.ResponseWriter }

// controlled serves h, which gets the ResponseController of a ResponseWriter behind a wrapper.
func controlled(t testing.TB, h func(w nethttp.ResponseWriter, r *nethttp.Request, rc *nethttp.ResponseController)) string {
	return serveHandler(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		h(w, r, nethttp.NewResponseController(wrapper{w}))
	}))
}

func TestSetReadDeadline(t *testing.T) {
	url := controlled(t, func(w nethttp.ResponseWriter, r *nethttp.Request, rc *nethttp.ResponseController) {
		if err := rc.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %v", body, errors.Is(err, os.ErrDeadlineExceeded))
	})
	c, r := dial(t, url)
	send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
	if res, body := answer(t, r, "POST"); res.StatusCode != 200 || body != `"half" true` {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

func TestReadDeadlineIsMovedAndTaken(t *testing.T) {
	expired := make(chan struct{})
	url := controlled(t, func(w nethttp.ResponseWriter, r *nethttp.Request, rc *nethttp.ResponseController) {
		if err := rc.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Error(err)
		}
		if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("behind the deadline: %v", err)
		}
		close(expired)
		if err := rc.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v", body, err)
	})
	c, r := dial(t, url)
	send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
	await(t, "the deadline", expired)
	send(t, c, "whole")
	if _, body := answer(t, r, "POST"); body != "whole <nil>" {
		t.Errorf("%q", body)
	}
}

func TestSetWriteDeadline(t *testing.T) {
	failed := make(chan error, 1)
	url := controlled(t, func(w nethttp.ResponseWriter, r *nethttp.Request, rc *nethttp.ResponseController) {
		if err := rc.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		piece := make([]byte, 1<<20)
		for range 1000 { // no kernel holds that much
			if _, err := w.Write(piece); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	})
	c, _ := dial(t, url)
	send(t, c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n") // and nobody reads the answer
	if err := await(t, "the write's failure", failed); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestFlushAndFullDuplex(t *testing.T) {
	url := controlled(t, func(w nethttp.ResponseWriter, r *nethttp.Request, rc *nethttp.ResponseController) {
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		if err := rc.Flush(); err != nil {
			t.Error(err)
		}
		for b := make([]byte, 1); ; {
			if _, err := io.ReadFull(r.Body, b); err != nil {
				return
			}
			fmt.Fprintf(w, "got %s\n", b)
			if err := rc.Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	c, r := dial(t, url)
	send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n")
	res, err := nethttp.ReadResponse(r, nil) // while the request is not half out
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("got x\n"))
	for _, b := range []string{"a", "b", "c"} {
		send(t, c, "%s", b)
		if _, err := io.ReadFull(res.Body, line); err != nil || string(line) != "got "+b+"\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// A protocol of the handler's own, with what came behind the request, deadlines, and the end in both directions.
func TestHijack(t *testing.T) {
	url := controlled(t, func(w nethttp.ResponseWriter, r *nethttp.Request, rc *nethttp.ResponseController) {
		conn, rw, err := rc.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := w.Write([]byte("x")); !errors.Is(err, nethttp.ErrHijacked) {
			t.Errorf("write to what is hijacked: %v", err)
		}
		if conn.RemoteAddr().String() != r.RemoteAddr || conn.LocalAddr().String() != r.Host {
			t.Errorf("between %v and %v", conn.RemoteAddr(), conn.LocalAddr())
		}
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				fmt.Fprintf(conn, "end %v", err)
				return
			}
			if line == "wait\n" {
				conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
				_, err := rw.ReadByte()
				line = fmt.Sprintln(errors.Is(err, os.ErrDeadlineExceeded))
				conn.SetReadDeadline(time.Time{})
			}
			rw.WriteString("> " + line)
			rw.Flush()
		}
	})
	c, r := dial(t, url)
	send(t, c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\nfirst\n", strings.TrimPrefix(url, "http://"))
	for _, line := range []string{"first", "second", "true"} {
		switch line {
		case "second":
			send(t, c, "second\n")
		case "true":
			send(t, c, "wait\n")
		}
		if got, err := r.ReadString('\n'); err != nil || got != "> "+line+"\n" {
			t.Fatalf("%q, %v, want %s", got, err, line)
		}
	}
	c.(interface{ CloseWrite() error }).CloseWrite()
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "end EOF" {
		t.Errorf("%q, %v", rest, err)
	}
}

// Whatever the handler waits for, it hears of a client that leaves by the context.
func TestClientLeaves(t *testing.T) {
	type key struct{}
	for _, during := range []string{"the body", "the answer", "neither"} {
		t.Run(during, func(t *testing.T) {
			entered, ended := make(chan struct{}), make(chan error, 1)
			url := serveHandler(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				ctx := context.WithValue(r.Context(), key{}, 1)
				if during == "the answer" {
					w.(nethttp.Flusher).Flush()
				}
				close(entered)
				if during == "the body" {
					if _, err := io.ReadAll(r.Body); err == nil {
						t.Error("the body was taken for whole")
					}
				}
				<-ctx.Done()
				ended <- ctx.Err()
			}))
			c, _ := dial(t, url)
			length := 0
			if during == "the body" {
				length = 100
			}
			send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", length)
			await(t, "the handler", entered)
			c.Close()
			if err := await(t, "the context's end", ended); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}
