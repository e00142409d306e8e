// Package http is a web framework and an HTTP/1.0 and HTTP/1.1 server on the reactor's event loops.
//
//	app := http.New()
//	app.Use(middleware.RequestID(), middleware.Log(slog.Default()))
//
//	app.Get("/users/{id}", func(c *http.Ctx) error { // may block: it has a goroutine
//		u, err := db.User(c, c.Param("id")) // c is a context.Context, done when the client has left
//		if err != nil {
//			return err // one ErrorHandler answers it
//		}
//		return c.JSON(200, u)
//	})
//	app.Get("/ping", func(c *http.Ctx) error { return c.Text(200, "pong") }, http.Inline)
//
//	api := app.Group("/api", auth)
//	api.Post("/files", upload, http.MaxBody(1<<30), http.StreamBody)
//
//	app.Handle("/metrics", promhttp.Handler()) // any handler of net/http
//	app.Mount("/", static.Dir("public"), http.Inline)
//	log.Fatal(app.Run(":8080"))
//
// # Handlers
//
// A Handler reads a request from its Ctx, answers once through it, and returns nil; or it returns an error, which becomes the
// answer. The handlers of an App run each on a goroutine of its own, so that they may block. One that never does is marked
// Inline and runs on the event loop of its connection, which costs less; while it runs, every other connection of that loop
// waits. Blocking methods return reactor.ErrOnLoop there rather than wait for themselves.
//
// The Ctx is valid until its handler returns, and panics behind it. Strings are copies and may be kept; what methods named
// Peek return may not. As a context.Context it lives on: it is done when the client has left, the time of SetTimeout has
// passed, the server was stopped by force, or the handler has returned; context.Cause says which. Async lets a handler return
// before there is an answer.
//
// # Routes
//
// Patterns are those of net/http's ServeMux, "[METHOD ][HOST]/[PATH]" with {name}, {name...} and {$}, and the most specific
// wins. Two patterns of which neither is more specific panic when the second is registered, with a message that names both.
// HEAD follows GET; OPTIONS, and 405 with Allow, come by themselves, as do redirects from a path with "//", "." or ".." and
// from a subtree that lacks its slash.
//
// A path is decoded once, as a whole, before it is matched, so that a router, a rule and a file server all see the same: to
// all of them "%2F" is a slash.
//
// # Middleware
//
// A Middleware wraps a Handler. Use puts it around all routes of an App or a Group, whenever they were registered, that of an
// App around the App's own 404s and redirects as well; With puts it around one route. Package middleware has those that
// people look for. A Filter changes the bodies of answers on their way out; After has a function called when the answer has
// been made.
//
// # Errors
//
// NewError, or an Error with more in it, gives an error its status, what the client is told, header lines and members of a
// problem document; wrapping keeps all that. Any other error is a 500, and its text stays in the log. A panic is a 500 as
// well, and the connection closes behind it. Server.ErrorHandler turns errors into answers: for an App into RFC 9457's
// application/problem+json.
//
// # Bodies
//
// A request's body is there when its handler starts, within Limits.MaxBody or the route's MaxBody. On a route with StreamBody
// the handler starts with the head, and BodyReader brings the body as it arrives; the client is slowed down when the handler
// is behind. A client that waits for 100 Continue is asked for its body when the handler reads it, and not otherwise; but for
// an Inline handler, which could not wait then, it is asked before. What a handler leaves unread is skipped, up to 256 KiB; beyond that the connection closes.
//
// Text, Blob, JSON and their like answer in one piece. Stream and SSE answer piece by piece, with trailers if need be; they
// wait when the client is behind, and fail when it has left. SendFile, and a file that a Stream reads from, leave by
// sendfile(2).
//
// # net/http
//
// Wrap makes a Handler of one of net/http, with Flusher, Hijacker, io.ReaderFrom, trailers and http.ResponseController;
// WrapMiddleware does so for middleware. An App is itself a handler of net/http, and Test has it answer a request without a
// socket.
//
// # A server without an App
//
//	s := &http.Server{Handler: func(c *http.Ctx) error { return c.Text(200, "Hello, "+c.Path()+"\n") }}
//	addr, err := s.Listen("127.0.0.1:0")
//	...
//	err = s.Start()
//	...
//	err = s.Shutdown(ctx)
//
// Its one Handler runs on the loops. An App has such a Server as its field, with the same limits and timeouts.
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
// order, and what one read brought is answered by one write where handlers are Inline. While a handler runs, a client that
// sends more is slowed down; one that does not take its answers is not read from. Every wait has a bound: see the fields of
// Server. Ctx.Upgrade hands a connection to another protocol.
//
// # HTTPS
//
//	log.Fatal(app.RunTLS(":8443", "example.com.crt", "example.com.key"))
//
// Server.TLS has all that crypto/tls knows, and ListenTLS binds addresses by it, beside those of Listen for plain HTTP.
// Certificates are read again when their files change. Handlers do not see a difference, unless they ask for Ctx.TLS; an idle
// connection holds no goroutine here either. middleware.RedirectHTTPS and middleware.SecureHeaders lead browsers here and keep
// them.
//
// # Files
//
// The sources, in the order in which a request meets them:
//
//	app.go        App: router.go and route.go register what it serves; internal/mux finds it
//	server.go     Server: listeners, loops, start and shutdown; tls.go, HTTPS; certificates.go, certificates from files
//	events.go     what the reactor calls, and the timeouts
//	conn.go       the state of a connection, from bytes to answers: conn_body.go, conn_answer.go
//	parser.go     the incremental parser: head.go, token.go, framing.go, target.go, host.go, method.go; internal/syntax
//	chunked.go    chunked bodies and trailers; inbound.go, the body of one request on its way in
//	exchange.go   one request and its answer, which a loop may lend to a goroutine
//	worker.go     what the connections of a loop share; runs handlers, there or by hands.go; slowreader.go
//	ctx.go        Ctx: request.go, list.go and body.go are what came in, response.go and header.go what goes out
//	context.go    the Ctx as a context.Context
//	deliver.go    how an answer reaches the connection; stream.go, sse.go, async.go, answers that take their time;
//	              interim.go, those of 1xx before them
//	pipe.go       bytes from a loop to a goroutine
//	getters.go    typed values of a request; bind.go and form.go, multipart.go, upload.go: whole bodies; internal/bind
//	render.go     JSON, XML, HTML; file.go, precondition.go and range.go: files
//	wrap.go       handlers of net/http here: netrequest.go, responsewriter.go, hijack.go; wrapmiddleware.go
//	nethttp.go    an App as a handler there: importrequest.go, what comes in; carrier.go, netcarrier.go, what goes out
//	apptest.go    App.Test
package http
