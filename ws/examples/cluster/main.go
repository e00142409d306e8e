// Cluster is rooms that span processes: what somebody says at one is heard at all, by
// way of NATS. In three terminals
//
//	go run ./cluster -listen 127.0.0.1:8081 -embed
//	go run ./cluster -listen 127.0.0.1:8082
//	go run ./cluster -listen 127.0.0.1:8083
//
// of which the first has a NATS server in it, at 127.0.0.1:4222; with one of your own,
// say -nats URL instead. And in as many as you like
//
//	go run ./echo -to ws://127.0.0.1:8081/room/lobby
//	go run ./echo -to ws://127.0.0.1:8083/room/lobby
//
// What you type in one appears in all. Kill 8082: the others go on. Kill 8081, and with
// it NATS: 8083 goes on for its own, and joins in when NATS is back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
	"github.com/carillon-go/carillon/ws/natsbroker"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "`address` to serve at")
	nats := flag.String("nats", "nats://127.0.0.1:4222", "`URL` of the NATS server")
	embed := flag.Bool("embed", false, "run the NATS server in this process")
	flag.Parse()
	if err := run(*listen, *nats, *embed); err != nil {
		log.Fatal("cluster: ", err)
	}
}

// run serves until the process is told to stop.
func run(listen, nats string, embed bool) error {
	if embed {
		stop, err := serveNATS(nats)
		if err != nil {
			return err
		}
		defer stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	broker, err := natsbroker.Connect(ctx, nats)
	if err != nil {
		return err
	}
	defer broker.Close()
	r := rooms{ws.NewHub(ws.WithBroker(broker))}
	app := http.New()
	app.Get("/room/{room}", ws.Endpoint(ws.StreamHandler(r.visit), ws.WithAccept(room)))
	err = app.Run(listen)
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, r.hub.Close(ctx))
}

// serveNATS runs a NATS server at the address of a URL.
func serveNATS(address string) (stop func(), err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return nil, fmt.Errorf("no port in %s", address)
	}
	s, err := server.NewServer(&server.Options{Host: u.Hostname(), Port: port, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("no NATS server at %s", address)
	}
	return func() { s.Shutdown(); s.WaitForShutdown() }, nil
}

// room is the Value of a connection: the name of its room.
func room(c *http.Ctx) (any, error) { return c.Param("room"), nil }

type rooms struct{ hub *ws.Hub }

// visit is one connection: it says "joined" when all that is said in the room from then
// on will come, at whatever process.
func (r rooms) visit(ctx context.Context, s *ws.Stream) error {
	name := s.Conn().Value().(string)
	if err := errors.Join(r.hub.Join(s.Conn(), name), r.hub.Flush(ctx)); err != nil {
		return err
	}
	if err := s.Write(ctx, ws.OpText, []byte("joined "+name)); err != nil {
		return err
	}
	for {
		op, p, err := s.Read(ctx)
		if err != nil {
			return err
		}
		if err := r.hub.Publish(name, op, p); err != nil {
			return err
		}
	}
}
