// Package http is an HTTP/1.0 and HTTP/1.1 server on the reactor's event loops. It turns the bytes of a connection into
// requests, runs a Handler for each on the connection's loop, and sends its answers.
//
//	s := &http.Server{Handler: func(c *http.Ctx) error {
//		return c.Text(200, "Hello, "+c.Path()+"\n")
//	}}
//	if _, err := s.Listen(":8080"); err != nil {
//		log.Fatal(err)
//	}
//	if err := s.Start(); err != nil {
//		log.Fatal(err)
//	}
//	<-signals
//	err := s.Shutdown(ctx)
//
// # Handlers
//
// A Handler reads a request from its Ctx, answers once through it (Text, Blob, NoContent, Redirect, SendFile), and returns
// nil; or it returns an error, which becomes the answer. NewError gives an error its status; any other is a 500, and its
// text stays in the log. A panic is a 500 as well, and the connection closes behind it. A Middleware wraps a Handler.
//
// Handlers run on a loop and must not block: every other connection of that loop waits meanwhile. A body is whole when the
// handler starts; Limits.MaxBody bounds it.
//
// The Ctx is valid until its handler returns, and is then used for the next request of its loop: never keep it. Strings are
// copies and may be kept; methods named Peek return views of the connection's buffer and are for looking only.
//
// # What is refused
//
// The parser takes what RFC 9112 lets a client send and nothing that two readers could understand differently: no line ends
// but CRLF, no white space before a colon, no folded lines, one Content-Length or Transfer-Encoding and never both, one
// valid Host, well-formed percent-encoding. The answer is 400, or 413, 414, 417, 431, 501 or 505 where one of those says
// it better, and the connection closes. Whether bytes come at once or one by one makes no difference.
//
// # Connections
//
// A connection between requests holds no buffer and no goroutine. Requests that a client sends ahead are answered in their
// order, and what one read brought is answered by one write. A client that does not take its answers is not read from.
// Every wait has a bound: see the fields of Server. Ctx.Upgrade hands a connection to another protocol.
//
// # Files
//
// The sources, in the order in which a request meets them:
//
//	server.go     Server: listeners, loops, start and shutdown
//	events.go     what the reactor calls, and the timeouts
//	conn.go       the state of a connection, from bytes to answers
//	parser.go     the incremental parser: head.go, token.go, framing.go, target.go, host.go, method.go
//	chunked.go    chunked bodies and trailers
//	inbound.go    a request whose body comes in pieces
//	worker.go     what the connections of a loop share; runs the handler
//	ctx.go        Ctx: request.go is what came in, response.go and header.go what goes out
package http
