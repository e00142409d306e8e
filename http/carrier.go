package http

import (
	"crypto/tls"
	nethttp "net/http"

	"github.com/carillon-go/carillon/reactor"
)

// carrier takes an answer to the client in place of a connection of ours: net/http does, when an App is its handler, and a
// middleware of net/http does for what stands behind it. Its methods are called by the goroutine that runs the handler.
type carrier interface {
	// header sets the header lines of x, for whoever will start the answer.
	header(x *exchange)
	// start sends the status, the header lines and the length of x.
	start(x *exchange) error
	// write sends a part of the body, which is not framed.
	write(p []byte) error
	// flush sends what write has kept back.
	flush() error
	// file sends n bytes of f from off, and closes it.
	file(f reactor.File, off, n int64) error
	// finish ends the body; trailer are header lines.
	finish(trailer []byte) error
	// interim sends an answer of 1xx with these header lines.
	interim(code int, lines []byte) error
	// control reaches what only net/http itself can do with the connection: Hijack and the deadlines.
	control() *nethttp.ResponseController
	remoteAddr() reactor.InetAddress
	localAddr() reactor.InetAddress
	// tls returns what was agreed on with the client, nil without TLS.
	tls() *tls.ConnectionState
}
