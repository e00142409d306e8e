package http

import (
	"crypto/tls"
	nethttp "net/http"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// ctxFor returns the Ctx of a request without a connection: for what is measured or fuzzed. What it answers goes nowhere.
func ctxFor(t testing.TB, raw string) *Ctx {
	t.Helper()
	x := newExchange(&Server{}, nil)
	lim := Limits{}.filled()
	var p progress
	if n, err := p.parse([]byte(raw), &lim, &x.head); err != nil || n == 0 {
		t.Fatalf("%q: %d, %v", raw, n, err)
	}
	x.begin(nil, nowhere{}, []byte(raw))
	x.route, x.limit = &unrouted, lim.MaxBody
	x.body.set(nil)
	return x.bind(new(Ctx), false)
}

// again lets c answer once more.
func again(c *Ctx) { c.x.response.reset(false, false, false) }

type nowhere struct{}

func (nowhere) header(*exchange)                        {}
func (nowhere) start(*exchange) error                   { return nil }
func (nowhere) write([]byte) error                      { return nil }
func (nowhere) flush() error                            { return nil }
func (nowhere) file(f reactor.File, off, n int64) error { return f.Close() }
func (nowhere) finish(trailer []byte) error             { return nil }
func (nowhere) interim(code int, lines []byte) error    { return nil }
func (nowhere) control() *nethttp.ResponseController    { return nil }
func (nowhere) remoteAddr() (none reactor.InetAddress)  { return none }
func (nowhere) tls() *tls.ConnectionState               { return nil }
func (nowhere) localAddr() (none reactor.InetAddress)   { return none }
