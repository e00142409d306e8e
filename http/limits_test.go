package http

import (
	"bufio"
	"math"
	"testing"
)

// A limit that is none must not be exceeded by reckoning with it.
func TestLargestLimits(t *testing.T) {
	const length = "Content-Length: 9223372036854775807"
	app := New()
	read := func(c *Ctx) error {
		if err := c.LimitBody(math.MaxInt64); err != nil {
			return err
		}
		body, err := c.Body()
		if err != nil {
			return err
		}
		return c.Text(200, string(body))
	}
	app.Post("/gathered", read, MaxBody(math.MaxInt64))
	app.Post("/streamed", read, MaxBody(math.MaxInt64), StreamBody)
	app.Post("/negative", func(c *Ctx) error {
		if err := c.LimitBody(-1); err != nil {
			return err
		}
		_, err := c.Body()
		return err
	}, StreamBody)
	addr := serveApp(t, app)
	for _, path := range []string{"/gathered", "/streamed"} {
		c := dial(t, addr)
		send(t, c, "POST "+path+" HTTP/1.1\r\nHost: h\r\n"+length+"\r\n\r\nbeginning")
		c.Close()
		c = dial(t, addr)
		send(t, c, "POST "+path+" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
		if _, body := answer(t, bufio.NewReader(c), "POST"); body != "ok" {
			t.Errorf("%s: %q", path, body)
		}
	}
	c := dial(t, addr)
	send(t, c, "POST /negative HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
	if res, body := answer(t, bufio.NewReader(c), "POST"); res.StatusCode != 413 {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}
