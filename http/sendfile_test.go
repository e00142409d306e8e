package http

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A client that resets the connection in the middle of an answer harms nobody else, and the file is closed.
func TestResetMidAnswer(t *testing.T) {
	path := sparse(t, 64<<20)
	closed := make(chan string, 1)
	s := &Server{Handler: func(c *Ctx) error {
		if c.Path() != "/file" {
			return echo(c)
		}
		return c.SendFile(200, open(t, path, closed), 0, 64<<20)
	}}
	addr := serve(t, s)
	c := dial(t, addr)
	send(t, c, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := tcpOf(c).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-closed
	until(t, "the connection to be gone", func() bool { return s.ConnectionCount() == 0 })
	next := dial(t, addr)
	send(t, next, goodRequest)
	if _, body := answer(t, bufio.NewReader(next), "GET"); body != "GET /good " {
		t.Error(body)
	}
}

func sparse(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("begin"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// watched is a file that tells when it is closed.
type watched struct {
	*os.File
	closed chan string
}

func (w *watched) Close() error {
	err := w.File.Close()
	w.closed <- w.Name()
	return err
}

func open(t *testing.T, path string, closed chan string) *watched {
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
	}
	return &watched{f, closed}
}

func TestSendFile(t *testing.T) {
	const size = 3 << 20
	path := sparse(t, size)
	closed := make(chan string, 8)
	addr := serve(t, &Server{Handler: func(c *Ctx) error {
		switch c.Path() {
		case "/all":
			return c.SendFile(200, open(t, path, closed), 0, size)
		case "/part":
			return errors.Join(c.SetHeader("Content-Type", "x/y"), c.SendFile(206, open(t, path, closed), 1, 4))
		case "/empty":
			return c.SendFile(200, open(t, path, closed), 0, 0)
		case "/short":
			return c.SendFile(200, open(t, path, closed), 0, size+1)
		case "/negative":
			return c.SendFile(200, open(t, path, closed), -1, 4)
		case "/twice":
			if err := errors.Join(c.Text(200, "text"), c.SendFile(200, open(t, path, closed), 0, 4)); !errors.Is(err, ErrWritten) {
				t.Error(err)
			}
			return nil
		}
		return echo(c)
	}})
	c := dial(t, addr)
	r := bufio.NewReaderSize(c, 1<<20)
	ask := func(method, path string) { send(t, c, method+" "+path+" HTTP/1.1\r\nHost: h\r\n\r\n") }
	// All at once: a file that is on its way keeps what follows in its order.
	ask("GET", "/all")
	ask("GET", "/text")
	ask("HEAD", "/all")
	ask("GET", "/part")
	ask("GET", "/empty")
	ask("GET", "/negative")
	ask("GET", "/twice")
	if res, body := answer(t, r, "GET"); len(body) != size || !strings.HasPrefix(body, "begin") || res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("all: %d bytes, %v", len(body), res.Header)
	}
	if _, body := answer(t, r, "GET"); body != "GET /text " {
		t.Errorf("text: %q", body)
	}
	if res, body := answer(t, r, "HEAD"); res.ContentLength != size || body != "" {
		t.Errorf("HEAD: %+v", res)
	}
	if res, body := answer(t, r, "GET"); res.StatusCode != 206 || body != "egin" || res.Header.Get("Content-Type") != "x/y" {
		t.Errorf("part: %+v %q", res, body)
	}
	if res, body := answer(t, r, "GET"); res.StatusCode != 200 || body != "" {
		t.Errorf("empty: %+v %q", res, body)
	}
	if res, _ := answer(t, r, "GET"); res.StatusCode != 500 {
		t.Errorf("negative: %+v", res)
	}
	if _, body := answer(t, r, "GET"); body != "text" {
		t.Errorf("twice: %q", body)
	}
	ask("GET", "/short")
	if n, err := io.Copy(io.Discard, r); err != nil || n < size || n > size+1000 {
		t.Errorf("short: %d bytes, %v", n, err) // the stream ends before the promised length
	}
	for range 7 {
		<-closed
	}
}
