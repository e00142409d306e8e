package ws_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/carillon-go/carillon/ws"
	gorilla "github.com/gorilla/websocket"
)

// chat is a server of rooms: a client sends "join ROOM NAME", then what it says.
type chat struct {
	ws.NopHandler
	hub *ws.Hub
}

func newChat() *chat {
	c := new(chat)
	c.hub = ws.NewHub(ws.WithPresence(c.came))
	return c
}

// came tells a room who comes and goes. Every hub of a cluster tells its own members.
func (c *chat) came(e ws.PresenceEvent) {
	what := "leaves"
	if e.Joined {
		what = "comes"
	}
	c.hub.PublishLocal(e.Topic, ws.OpText, fmt.Append(nil, e.Who, " ", what))
}

func (c *chat) OnMessage(conn *ws.Conn, op ws.Op, p []byte) {
	if words := strings.Fields(string(p)); len(words) == 3 && words[0] == "join" {
		conn.SetValue(words[1:])
		c.hub.Join(conn, words[1], ws.As(words[2]))
		return
	}
	if who, ok := conn.Value().([]string); ok {
		c.hub.Publish(who[0], ws.OpText, fmt.Appendf(nil, "%s: %s", who[1], p))
	}
}

// A chat with rooms, and who is in them.
func ExampleHub() {
	chat := newChat()
	url, stop := serve(ws.Endpoint(chat))
	defer stop()

	anna, bert := dialGorilla(url), dialGorilla(url)
	defer anna.Close()
	defer bert.Close()
	say(anna, "join garden anna")
	fmt.Println("to anna:", receive(anna))
	say(bert, "join garden bert")
	fmt.Println("to anna:", receive(anna))
	fmt.Println("to bert:", receive(bert))
	for _, m := range chat.hub.Presence("garden") {
		fmt.Println("there is", m.Who)
	}
	say(bert, "good morning")
	fmt.Println("to anna:", receive(anna))
	// Output:
	// to anna: anna comes
	// to anna: bert comes
	// to bert: bert comes
	// there is anna
	// there is bert
	// to anna: bert: good morning
}

// ticker is a server of prices: a client sends "TOPIC POSITION", where the position is
// that of the last price it got.
type ticker struct {
	ws.NopHandler
	hub *ws.Hub
}

func (t ticker) OnMessage(c *ws.Conn, _ ws.Op, p []byte) {
	topic, at, _ := strings.Cut(string(p), " ")
	pos, err := ws.ParsePosition(at)
	if err != nil {
		c.Close(ws.CodePolicyViolation, "bad position")
		return
	}
	t.hub.Join(c, topic, ws.Since(pos, func(c *ws.Conn, up ws.CatchUp) {
		if !up.Complete {
			c.Send(ws.OpText, []byte("reload"))
		}
	}))
}

// A live ticker by topic. A client that was away gets what it missed.
func ExampleSince() {
	hub := ws.NewHub(
		ws.WithHistory(ws.HistoryLimit{Messages: 100}),
		ws.WithEnvelope(func(dst []byte, m ws.Message) []byte {
			return fmt.Appendf(dst, "%s %s %s", m.Position, m.Topic, m.Payload)
		}),
	)
	defer hub.Close(context.Background())
	url, stop := serve(ws.Endpoint(ticker{hub: hub}))
	defer stop()

	hub.Publish("gold", ws.OpText, []byte("4021"))
	client := dialGorilla(url)
	say(client, "gold ")
	at, price := split(receive(client))
	fmt.Println(price)
	client.Close()

	hub.Publish("gold", ws.OpText, []byte("4023")) // while it is away
	hub.Publish("silver", ws.OpText, []byte("51"))
	client = dialGorilla(url)
	defer client.Close()
	say(client, "gold "+at)
	_, missed := split(receive(client))
	fmt.Println("missed:", missed)
	hub.Publish("gold", ws.OpText, []byte("4022"))
	_, live := split(receive(client))
	fmt.Println("live:", live)
	// Output:
	// gold 4021
	// missed: gold 4023
	// live: gold 4022
}

func split(line string) (position, rest string) {
	position, rest, _ = strings.Cut(line, " ")
	return position, rest
}

func dialGorilla(url string) *gorilla.Conn {
	c, _, err := gorilla.DefaultDialer.Dial(url, nil)
	if err != nil {
		panic(err)
	}
	return c
}

func say(c *gorilla.Conn, s string) { c.WriteMessage(gorilla.TextMessage, []byte(s)) }

func receive(c *gorilla.Conn) string {
	_, p, err := c.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(p)
}
