package http

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// manners is an App with a route for each way in which a handler can run and answer. ?size= is how long the answer is.
func manners(t *testing.T, file string) *App {
	app := New()
	body := func(c *Ctx) []byte {
		var id, size int
		if _, err := fmt.Sscanf(c.RawQuery(), "id=%d&size=%d", &id, &size); err != nil {
			t.Error(err)
		}
		return bytes.Repeat(fmt.Appendf(nil, "%d ", id), size)
	}
	whole := func(c *Ctx) error { return c.Blob(200, "x/y", append(body(c), must(c.PeekBody())...)) }
	app.Any("/inline", whole, Inline)
	app.Any("/offloaded", whole)
	app.Any("/gosched", func(c *Ctx) error { <-time.After(50 * time.Microsecond); return whole(c) })
	app.Any("/bodystream", func(c *Ctx) error {
		return c.Stream(200, "x/y", func(s *Stream) error {
			if _, err := s.Write(body(c)); err != nil {
				return err
			}
			_, err := io.Copy(s, c.BodyReader())
			return err
		})
	}, StreamBody)
	app.Any("/unread", func(c *Ctx) error { return c.Blob(200, "x/y", body(c)) }, StreamBody)
	app.Any("/stream", func(c *Ctx) error {
		return c.Stream(200, "x/y", func(s *Stream) error {
			for p := body(c); len(p) > 0; {
				n := min(len(p), 3001)
				if _, err := s.Write(p[:n]); err != nil {
					return err
				}
				if p = p[n:]; len(p)%2 == 0 {
					if err := s.Flush(); err != nil {
						return err
					}
				}
			}
			_, err := s.Write(must(c.PeekBody()))
			return err
		})
	})
	sendFile := func(c *Ctx) error {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		return c.SendFile(200, f, 0, int64(len(fileText)))
	}
	app.Any("/file", sendFile)
	app.Any("/file/inline", sendFile, Inline)
	app.Any("/async", func(c *Ctx) error {
		a, err := c.Async()
		if err != nil {
			return err
		}
		go func() {
			if err := a.Answer(whole); err != nil {
				t.Error(err)
			}
		}()
		return nil
	})
	app.Any("/net", WrapFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = w.Write(bytes.Repeat([]byte(r.URL.Query().Get("id")+" "), len(must(io.ReadAll(r.Body)))))
	}), StreamBody)
	app.Any("/none", func(c *Ctx) error { return c.NoContent(204) })
	return app
}

var fileText = strings.Repeat("a file ", 30000)

// asked is a request with the answer that the model of manners expects.
type asked struct{ method, in, want string }

// anyRequest makes the request of number id at random.
func anyRequest(r *rand.Rand, id int) asked {
	routes := []string{"inline", "offloaded", "gosched", "bodystream", "unread", "stream", "file", "file/inline", "async", "net", "none"}
	route := routes[r.IntN(len(routes))]
	method := []string{"GET", "POST", "HEAD"}[r.IntN(3)]
	size := []int{0, 1, 100, 5000, 60000}[r.IntN(5)] * (1 + r.IntN(2)) / len(fmt.Sprint(id, " "))
	var body string
	if method == "POST" {
		body = strings.Repeat("b", []int{0, 1, 1000, 30000, 90000}[r.IntN(5)])
	}
	a := asked{method: method, in: fmt.Sprintf("%s /%s?id=%d&size=%d HTTP/1.1\r\nHost: h\r\n", method, route, id, size)}
	switch {
	case body != "" && r.IntN(2) == 0:
		half := len(body) / 2
		a.in += "Transfer-Encoding: chunked\r\n\r\n"
		if half > 0 {
			a.in += fmt.Sprintf("%x\r\n%s\r\n", half, body[:half])
		}
		a.in += fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n", len(body)-half, body[half:])
	default:
		a.in += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	text := strings.Repeat(fmt.Sprint(id)+" ", size)
	switch {
	case method == "HEAD" || route == "none":
	case strings.HasPrefix(route, "file"):
		a.want = fileText
	case route == "unread":
		a.want = text
	case route == "net":
		a.want = strings.Repeat(fmt.Sprint(id)+" ", len(body))
	default:
		a.want = text + body
	}
	return a
}

// Requests of every manner, one behind the other on one connection, are answered each by its own answer and in order, however
// they are cut, whether or not the client reads meanwhile, and also when it has closed its side behind the last.
func TestPipeliningOfEveryManner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(fileText), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := serveApp(t, manners(t, file))
	seeds := uint64(12)
	if underRace() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 0))
			var all []asked
			var in strings.Builder
			for id := range 150 {
				all = append(all, anyRequest(r, id))
				in.WriteString(all[id].in)
			}
			c := dial(t, addr)
			sent := make(chan error, 1)
			go func() { sent <- sendCut(c, in.String(), r.IntN(3)) }()
			br := bufio.NewReader(c)
			for id, a := range all {
				res, err := nethttp.ReadResponse(br, &nethttp.Request{Method: a.method})
				if err != nil {
					t.Fatalf("answer %d: %v to %.60q behind %.120q", id, err, a.in, all[max(id, 1)-1].in)
				}
				got, err := io.ReadAll(res.Body)
				if err != nil || string(got) != a.want {
					t.Fatalf("answer %d: %d, %d bytes %.20q, %v; want %d bytes %.20q to %.60q", id, res.StatusCode, len(got), got, err, len(a.want), a.want, a.in)
				}
			}
			closes(t, br)
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

// sendCut sends s, whole or in pieces, and ends the stream.
func sendCut(c peer, s string, way int) error {
	size := []int{len(s), 1500, 40000}[way]
	for len(s) > 0 {
		n := min(size, len(s))
		if _, err := io.WriteString(c, s[:n]); err != nil {
			return err
		}
		s = s[n:]
	}
	return c.CloseWrite()
}

// INPUTS, load: 9 MiB of pipelined GETs for handlers on goroutines, and nobody reads the answers. The server stops reading, holds
// next to nothing, and goes on where it stopped once the client reads.
func TestPipelinedFloodOfOffloadedRequests(t *testing.T) {
	var handled atomic.Int64
	page := strings.Repeat("p", 600)
	app := New()
	app.Server.Loops = 1
	app.Get("/flood", func(c *Ctx) error { handled.Add(1); return c.Text(200, page) })
	addr := serveApp(t, app)
	request := "GET /flood HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 160) + "\r\n\r\n"
	count := int(underRaceLess(9<<20)) / len(request)
	c := dial(t, addr)
	if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		t.Fatal(err)
	}
	before := heapInUse()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, io.LimitReader(&repeated{text: request}, int64(count*len(request))))
		sent <- errors.Join(err, c.CloseWrite())
	}()
	last := whenQuiet(t, &handled)
	if !underRace() && last == int64(count) {
		t.Error("all requests were handled although nobody read an answer")
	}
	if grown := heapInUse() - before; grown > 2<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	r := bufio.NewReaderSize(c, 64<<10)
	readPages(t, r, count, page)
	closes(t, r)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
