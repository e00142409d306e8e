package http

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
)

// What is dropped of a body behind its answer is bounded, also when the client's slowness has stopped that in between.
func TestDrainBoundHoldsBehindCongestion(t *testing.T) {
	answered := make(chan struct{})
	app := quiet(New())
	app.Get("/good", echo)
	app.Post("/", func(c *Ctx) error {
		defer close(answered)
		until(t, "the body to fill its pipe", c.x.body.pipe.full)
		return c.Stream(200, "text/plain", func(s *Stream) error {
			for c.x.conn.tcp.OutputBytes() < 2*outputBound {
				if _, err := s.WriteString(strings.Repeat("o", outputBound)); err != nil {
					return err
				}
			}
			return nil
		})
	}, StreamBody)
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	const size = pipeSize + drainBound + 8<<10
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"+
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, strings.Repeat("i", size))+goodRequest)
	}()
	<-answered
	if res, body := answer(t, r, "POST"); res.StatusCode != 200 || len(body) < 2*outputBound {
		t.Errorf("%d, %d bytes", res.StatusCode, len(body))
	}
	<-sent
	closes(t, r)
}

// A goroutine that an inline handler has left behind may still look for what Set has stored.
func TestInlineValuesAreForgottenUnderTheirLock(t *testing.T) {
	type key struct{}
	const requests = 50
	looked := make(chan struct{}, requests)
	app := New()
	app.Get("/good", func(c *Ctx) error {
		c.Set(key{}, 1)
		go func() {
			for range 100 {
				_, _ = Get[int](c, key{})
			}
			looked <- struct{}{}
		}()
		return c.Text(200, "")
	}, Inline)
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	for range requests {
		send(t, c, goodRequest)
		answer(t, r, "GET")
	}
	for range requests {
		<-looked
	}
}
