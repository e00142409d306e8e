package http

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAnswers(t *testing.T) {
	addr := serve(t, &Server{Handler: echo})
	c := dial(t, addr)
	r := bufio.NewReader(c)
	before := time.Now()
	send(t, c, "GET /a%20b?q HTTP/1.1\r\nHost: h\r\n\r\n")
	res, body := answer(t, r, "GET")
	if res.StatusCode != 200 || body != "GET /a b " || res.Header.Get("Server") != "carillon" ||
		res.Header.Get("Content-Type") != "text/plain; charset=utf-8" || res.ContentLength != int64(len(body)) || res.Close {
		t.Errorf("%+v %q", res, body)
	}
	date, err := time.Parse(timeFormat, res.Header.Get("Date"))
	after := time.Now()
	if oldest := before.Add(-time.Second).Truncate(time.Second); err != nil || date.Before(oldest) || date.After(after) {
		t.Errorf("Date %q between %v and %v: %v", res.Header.Get("Date"), before, after, err)
	}
	send(t, c, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if res, body = answer(t, r, "HEAD"); res.ContentLength != int64(len("HEAD /x ")) || body != "" {
		t.Errorf("HEAD: %+v %q", res, body)
	}
	if res, body = answer(t, r, "GET"); body != "GET /y " || !res.Close {
		t.Errorf("close: %+v %q", res, body)
	}
	closes(t, r)
}

// The framing table once more, on sockets: each refused with its code, then the end of the stream, and the next
// connection is served as if nothing had happened.
func TestRefusedOnSockets(t *testing.T) {
	addr := serve(t, &Server{Handler: echo})
	for _, tc := range refusedInputs {
		if tc.limits != (Limits{}) {
			continue
		}
		for _, ahead := range []string{"", goodRequest} {
			t.Run(tc.name, func(t *testing.T) {
				c := dial(t, addr)
				r := bufio.NewReader(c)
				send(t, c, ahead+tc.in)
				if ahead != "" {
					if _, body := answer(t, r, "GET"); body != "GET /good " {
						t.Fatalf("the good request ahead: %q", body)
					}
				}
				if res, _ := answer(t, r, "GET"); res.StatusCode != tc.code || !res.Close {
					t.Errorf("%d, close %v; want %d", res.StatusCode, res.Close, tc.code)
				}
				closes(t, r)
				c.Close()
				after := dial(t, addr)
				send(t, after, goodRequest)
				if _, body := answer(t, bufio.NewReader(after), "GET"); body != "GET /good " {
					t.Errorf("the next connection: %q", body)
				}
			})
		}
	}
}

// Bodies arrive whole, however they are cut.
func TestBodies(t *testing.T) {
	addr := serve(t, &Server{Handler: echo})
	for _, tc := range []struct{ name, in, want string }{
		{"Content-Length", post("Content-Length: 5", "hello"), "POST / hello"},
		{"chunked", chunkedPost("2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n"), "POST / hello"},
		{"empty", post("Content-Length: 0", ""), "POST / "},
		{"GET with a body", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok", "GET / ok"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, addr)
			r := bufio.NewReader(c)
			whole := []byte(tc.in + goodRequest)
			for step := range len(tc.in) {
				for from := 0; from < len(whole); from += step + 1 {
					send(t, c, string(whole[from:min(from+step+1, len(whole))]))
				}
				if _, body := answer(t, r, "POST"); body != tc.want {
					t.Fatalf("in steps of %d: %q", step+1, body)
				}
				if _, body := answer(t, r, "GET"); body != "GET /good " {
					t.Fatalf("behind it, in steps of %d: %q", step+1, body)
				}
			}
		})
	}
}

func TestKeepAlive(t *testing.T) {
	addr := serve(t, &Server{Handler: echo})
	for _, tc := range []struct {
		name, head string
		stays      bool
		connection string // net/http's client takes "close" out of it, into Close
	}{
		{"1.1", "GET / HTTP/1.1\r\nHost: h\r\n", true, ""},
		{"1.1 close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", false, ""},
		{"1.1 keep-alive and close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n", false, ""},
		{"1.0", "GET / HTTP/1.0\r\n", false, ""},
		{"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n", true, "keep-alive"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, addr)
			r := bufio.NewReader(c)
			send(t, c, tc.head+"\r\n")
			res, body := answer(t, r, "GET")
			if body != "GET / " || res.Close == tc.stays || res.Header.Get("Connection") != tc.connection {
				t.Errorf("%q, close %v, Connection %q", body, res.Close, res.Header.Get("Connection"))
			}
			if !tc.stays {
				closes(t, r)
				return
			}
			send(t, c, tc.head+"\r\n")
			if _, body := answer(t, r, "GET"); body != "GET / " {
				t.Errorf("second: %q", body)
			}
		})
	}
}

func TestExpectContinue(t *testing.T) {
	addr := serve(t, &Server{Handler: echo, Limits: Limits{MaxBody: 10}})
	t.Run("awaited", func(t *testing.T) {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, post("Expect: 100-continue\r\nContent-Length: 2", ""))
		if res, _ := answer(t, r, "POST"); res.StatusCode != 100 {
			t.Fatalf("%d, want 100", res.StatusCode)
		}
		send(t, c, "ok")
		if _, body := answer(t, r, "POST"); body != "POST / ok" {
			t.Error(body)
		}
	})
	t.Run("body came along", func(t *testing.T) {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, post("Expect: 100-continue\r\nContent-Length: 2", "o"))
		send(t, c, "k")
		if res, body := answer(t, r, "POST"); res.StatusCode != 200 || body != "POST / ok" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	})
	t.Run("over the limit", func(t *testing.T) {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, post("Expect: 100-continue\r\nContent-Length: 11", ""))
		if res, _ := answer(t, r, "POST"); res.StatusCode != 413 {
			t.Errorf("%d, want 413 and no 100", res.StatusCode)
		}
		closes(t, r)
	})
}

func TestHandlerOutcomes(t *testing.T) {
	secret := errors.New("the secret of the log")
	var log lockedBuffer
	addr := serve(t, &Server{Logger: slog.New(slog.NewTextHandler(&log, nil)), Handler: func(c *Ctx) error {
		switch c.Path() {
		case "/nothing":
			return nil
		case "/status":
			c.SetStatus(204)
			return nil
		case "/error":
			return secret
		case "/coded":
			for _, h := range [][2]string{{"Allow", "GET"}, {"Content-Encoding", "gzip"}, {"ETag", `"x"`}, {"Content-Type", "image/png"}} {
				if err := c.SetHeader(h[0], h[1]); err != nil {
					return err
				}
			}
			return fmt.Errorf("wrapped: %w", NewError(405, "only GET here"))
		case "/late":
			return errors.Join(c.Text(200, "first"), secret)
		case "/twice":
			if err := errors.Join(c.Text(200, "first"), c.Text(200, "second")); !errors.Is(err, ErrWritten) {
				t.Errorf("second answer: %v", err)
			}
			return nil
		case "/badstatus":
			return c.Text(99, "")
		case "/switch":
			c.SetStatus(101)
			return nil
		case "/reset":
			return c.Text(205, "RFC 9110 section 15.3.6: no content")
		case "/stay":
			if err := c.SetHeader("Connection", "close"); err != nil {
				return err
			}
			c.DelHeader("Connection")
			return c.Text(200, "stays")
		}
		panic(secret)
	}})
	for _, tc := range []struct {
		path  string
		code  int
		body  string
		close bool
	}{
		{"/nothing", 200, "", false},
		{"/status", 204, "", false},
		{"/error", 500, "500 Internal Server Error\n", false},
		{"/coded", 405, "405 Method Not Allowed: only GET here\n", false},
		{"/late", 200, "first", false},
		{"/twice", 200, "first", false},
		{"/badstatus", 500, "500 Internal Server Error\n", false},
		{"/switch", 500, "500 Internal Server Error\n", false},
		{"/reset", 205, "", false},
		{"/stay", 200, "stays", false},
		{"/panic", 500, "500 Internal Server Error\n", true},
	} {
		t.Run(tc.path, func(t *testing.T) {
			c := dial(t, addr)
			r := bufio.NewReader(c)
			send(t, c, "GET "+tc.path+" HTTP/1.1\r\nHost: h\r\n\r\n")
			res, body := answer(t, r, "GET")
			if res.StatusCode != tc.code || body != tc.body || res.Close != tc.close {
				t.Errorf("%d %q, close %v", res.StatusCode, body, res.Close)
			}
			if tc.path == "/coded" && (res.Header.Get("Allow") != "GET" || res.Header.Get("Content-Encoding") != "" ||
				res.Header.Get("ETag") != "" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8") {
				t.Errorf("header %v", res.Header)
			}
			if tc.close {
				closes(t, r)
			} else {
				send(t, c, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
				answer(t, r, "GET")
			}
		})
	}
	if text := log.String(); !strings.Contains(text, secret.Error()) || !strings.Contains(text, "server_test.go") {
		t.Errorf("the log lacks the error or the stack of the panic:\n%s", text)
	}
}

func TestOptionsAsterisk(t *testing.T) {
	addr := serve(t, &Server{Handler: func(c *Ctx) error { t.Error("the handler was asked"); return nil }})
	c := dial(t, addr)
	send(t, c, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, _ := answer(t, bufio.NewReader(c), "OPTIONS"); res.StatusCode != 200 || res.ContentLength != 0 {
		t.Errorf("%+v", res)
	}
}

// RFC 9112 section 9.6 and the reactor's promise 5: a client that has sent its request and its FIN still gets the answer.
func TestHalfCloseIsAnswered(t *testing.T) {
	addr := serve(t, &Server{Handler: echo})
	for _, in := range []string{"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "GET /y HTTP/1.0\r\n\r\n"} {
		c := dial(t, addr)
		send(t, c, in)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		if _, body := answer(t, r, "GET"); !strings.HasPrefix(body, "GET /") {
			t.Error(body)
		}
		closes(t, r)
	}
	c := dial(t, addr)
	send(t, c, "GET /never-finished HTTP/1.1\r\n")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	closes(t, c)
}
