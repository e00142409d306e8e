// Ticker publishes prices, a topic for each symbol, and keeps the last hundred of each,
// so that a client that comes back gets what it missed.
//
//	go run ./ticker -listen 127.0.0.1:8080
//
// Open http://127.0.0.1:8080/ in a browser: prices run. Stop the network, or the page's
// connection by its button: the numbers at the left, which count the messages of each
// symbol, have no gap when it is back. Restart the server, and it says that what
// came before is not kept.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

//go:embed page.html
var page []byte

var symbols = []string{"BELL", "CHIME", "GONG"}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to serve at")
	every := flag.Duration("every", time.Second, "`time` between prices")
	flag.Parse()
	t := newTicker()
	ctx, stop := context.WithCancel(context.Background())
	go t.run(ctx, *every)
	err := t.app().Run(*listen)
	stop()
	if err != nil {
		log.Fatal("ticker: ", err)
	}
}

// ticker is the handler of its connections.
type ticker struct {
	ws.NopHandler
	hub *ws.Hub
}

func newTicker() *ticker {
	return &ticker{hub: ws.NewHub(ws.WithHistory(ws.HistoryLimit{Messages: 100, Age: time.Hour}), ws.WithEnvelope(envelope))}
}

func (t *ticker) app() *http.App {
	app := http.New()
	app.Get("/{$}", func(c *http.Ctx) error { return c.Blob(200, "text/html; charset=utf-8", page) }, http.Inline)
	app.Get("/ticker", ws.Endpoint(t, ws.WithDeflate(ws.Deflate{})))
	return app
}

// envelope writes what members get: the position is for the client to come back with.
func envelope(dst []byte, m ws.Message) []byte {
	return fmt.Appendf(dst, `{"symbol":%q,"position":%q,"n":%d,"price":%s}`, m.Topic, m.Position, m.Position.Offset, m.Payload)
}

// request is what clients send. After is the position of the last price they got.
type request struct {
	Subscribe, Unsubscribe, After string
}

func (t *ticker) OnMessage(c *ws.Conn, _ ws.Op, p []byte) {
	if err := t.do(c, p); err != nil {
		_ = c.Close(ws.CodePolicyViolation, err.Error())
	}
}

func (t *ticker) do(c *ws.Conn, p []byte) error {
	var r request
	if err := json.Unmarshal(p, &r); err != nil {
		return fmt.Errorf("no request: %.60s", err)
	}
	if r.Unsubscribe != "" {
		return t.hub.Leave(c, r.Unsubscribe)
	}
	if !slices.Contains(symbols, r.Subscribe) {
		return fmt.Errorf("no symbol %.20q", r.Subscribe)
	}
	after, err := ws.ParsePosition(r.After)
	if err != nil {
		return fmt.Errorf("no position %.40q", r.After)
	}
	return t.hub.Join(c, r.Subscribe, ws.Since(after, caughtUp))
}

// caughtUp tells the client, before what it missed, whether that is all.
func caughtUp(c *ws.Conn, up ws.CatchUp) {
	_ = c.Send(ws.OpText, fmt.Appendf(nil, `{"symbol":%q,"complete":%v,"missed":%d}`, up.Topic, up.Complete, up.Missed))
}

// run publishes a price of each symbol, and again, until ctx ends.
func (t *ticker) run(ctx context.Context, every time.Duration) {
	next := time.NewTicker(every)
	defer next.Stop()
	prices := []float64{100, 200, 300}
	for ctx.Err() == nil {
		for i, s := range symbols {
			prices[i] *= 0.98 + 0.04*rand.Float64()
			if err := t.hub.Publish(s, ws.OpText, fmt.Appendf(nil, "%.2f", prices[i])); err != nil {
				log.Print("ticker: ", err)
			}
		}
		select {
		case <-next.C:
		case <-ctx.Done():
		}
	}
}
