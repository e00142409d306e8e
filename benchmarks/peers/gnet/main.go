// Command gnet is github.com/panjf2000/gnet with as little HTTP on top as the
// endpoints need, measured beside Carillon: handlers run on the event loop. It is
// built with the tag poll_opt, as its README advises.
package main

import (
	"log"
	"runtime"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

func main() {
	addr, err := endpoint.Addr()
	if err != nil {
		log.Fatal("gnet: ", err)
	}
	log.Fatal("gnet: ", gnet.Run(&server{routes: newRoutes()}, "tcp://"+addr,
		gnet.WithNumEventLoop(runtime.GOMAXPROCS(0)),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay),
		gnet.WithLogLevel(logging.ErrorLevel),
	))
}

// server answers what has come of a connection, in one write. A request that is
// not whole stays in gnet's buffer.
type server struct {
	gnet.BuiltinEventEngine
	routes routes
}

// scratch is room for the answers to one event. It belongs to a connection, whose
// events come one at a time.
type scratch struct{ out []byte }

func (s *server) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	c.SetContext(&scratch{})
	return nil, gnet.None
}

func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	in, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	mine := c.Context().(*scratch)
	out, used, action := mine.out[:0], 0, gnet.None
	for used < len(in) && action == gnet.None {
		req, n := parse(in[used:])
		if n == 0 {
			break
		}
		if n < 0 {
			action = gnet.Close
			break
		}
		out = s.routes.answer(out, &req)
		used += n
		if req.close {
			action = gnet.Close
		}
	}
	if len(out) > 0 {
		if _, err := c.Write(out); err != nil {
			return gnet.Close
		}
	}
	if mine.out = out[:0]; cap(out) > 4<<10 {
		mine.out = nil
	}
	if used > 0 { // to discard nothing is, in gnet, to discard all
		if _, err := c.Discard(used); err != nil {
			return gnet.Close
		}
	}
	return action
}
