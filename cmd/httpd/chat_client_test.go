package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
	"go.uber.org/goleak"
)

// startChat serves the demo within the test, and returns the chat and its address.
func startChat(t *testing.T) (*chat, string) {
	t.Helper()
	quiet := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, quiet) })
	pages, err := newDemoPages()
	if err != nil {
		t.Fatal(err)
	}
	chat := newChat()
	server := &http.Server{Loops: 2}
	server.Handler = demoHandler(pages, server, chat)
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		chat.close()
	})
	return chat, "ws://" + addr.String() + "/chat/ws"
}

// answer is any message of the server.
type answer struct {
	Is, ID, Name, Room, Position, By, Text, Tag, Do, Why string
	Complete, Retry                                      bool
	Missed, MaxText, MaxName, More                       int
	Time                                                 int64
	People                                               crowd
	Rooms                                                []roomAndSize
}

// talker is a client of the chat.
type talker struct {
	t   *testing.T
	ctx context.Context
	s   *ws.Stream
	id  string
	tag int
	// position is that of the last message that came.
	position string
}

func connect(t *testing.T, url string) *talker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	s, err := ws.DialStream(ctx, url, ws.WithDeflate(ws.Deflate{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(ws.CodeNormalClosure, "") })
	return &talker{t: t, ctx: ctx, s: s}
}

// enter is a client that has said hello and is in a room.
func enter(t *testing.T, url, name, room string) *talker {
	t.Helper()
	c := connect(t, url)
	c.send(request{Do: "hello", Key: strings.Repeat(name, 16)[:16], Name: name})
	c.id = c.await("you").ID
	c.send(request{Do: "join", Room: room})
	if a := c.await("joined"); a.Room != room {
		t.Fatalf("joined %q, wanted %q", a.Room, room)
	}
	return c
}

func (c *talker) write(op ws.Op, p []byte) {
	c.t.Helper()
	if err := c.s.Write(c.ctx, op, p); err != nil {
		c.t.Fatal(err)
	}
}

func (c *talker) send(r request) { c.t.Helper(); c.write(ws.OpText, encode(r)) }

func (c *talker) say(text string) {
	c.t.Helper()
	c.tag++
	c.send(request{Do: "say", Text: text, Tag: fmt.Sprint(c.tag)})
}

func (c *talker) read() answer {
	c.t.Helper()
	_, p, err := c.s.Read(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(p, &a); err != nil {
		c.t.Fatalf("%v in %s", err, p)
	}
	c.position = cmp.Or(a.Position, c.position)
	return a
}

// await reads on to the next message of a kind.
func (c *talker) await(is string) answer {
	c.t.Helper()
	for {
		switch a := c.read(); {
		case a.Is == is:
			return a
		case a.Is == "refused":
			c.t.Fatalf("%q was refused: %s", a.Do, a.Why)
		}
	}
}

// hears reads on until these messages have come, in this order, and no other.
func (c *talker) hears(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if a := c.await("said"); a.Text != want {
			c.t.Fatalf("heard %q, wanted %q", a.Text, want)
		}
	}
}

// sees reads on until these people are in a room, by their names.
func (c *talker) sees(room string, names ...string) {
	c.t.Helper()
	for {
		a := c.await("here")
		var got []string
		for _, p := range a.People.List {
			got = append(got, p.Name)
		}
		slices.Sort(got)
		if a.Room == room && slices.Equal(got, names) {
			return
		}
	}
}

// lists reads on until the list of rooms is this.
func (c *talker) lists(want ...roomAndSize) {
	c.t.Helper()
	for !slices.Equal(c.await("rooms").Rooms, want) {
	}
}
