package http

import (
	"bytes"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// BenchmarkStep is what a request costs between the read and the write: parsing,
// routing, an inline handler and its answer, and nothing of the kernel's.
func BenchmarkStep(b *testing.B) {
	const browser = "Host: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n"
	for _, bench := range []struct{ name, request string }{
		{"short", "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"},
		{"browser", "GET /plaintext HTTP/1.1\r\n" + browser},
		{"route", "GET /user/4711 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			batch := bytes.Repeat([]byte(bench.request), 16) // a read's worth
			onLoop(b, stepApp(), func(c *conn) {
				var in reactor.Buffer
				b.ReportAllocs()
				for b.Loop() {
					if in.Len() == 0 {
						in.Append(batch)
						c.worker.scratch.takeBuf()
					}
					c.step(&in)
				}
			})
		})
	}
}

// stepApp has as many routes as make a map of them worth while.
func stepApp() *App {
	app := New()
	plain := func(c *Ctx) error { return c.Text(200, "Hello, World!") }
	for _, path := range []string{"/plaintext", "/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i"} {
		app.Get(path, plain, Inline)
	}
	app.Get("/user/{id}", func(c *Ctx) error { return c.Text(200, c.Param("id")) }, Inline)
	return app
}

// onLoop runs f on the loop of a server of app's, with a connection of its own.
func onLoop(b *testing.B, app *App, f func(c *conn)) {
	b.Helper()
	s := &app.Server
	s.Loops = 1
	serveApp(b, app)
	done := make(chan struct{})
	for loop, w := range s.workers {
		err := loop.RunInLoop(func() {
			defer close(done)
			f(&conn{tcp: new(reactor.TcpConnection), place: &place{worker: w}})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	<-done
}
