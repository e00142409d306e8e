package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/carillon-go/carillon/ws"
)

// chat is a chat with rooms: a ws.Hub whose topics are the rooms. The hub keeps who
// is in a room and what was said there last; the rest is what one connection may say
// (guest) and the messages themselves (chat_messages.go).
//
// A guest says hello first, then joins a room, one at a time. Whatever the server
// cannot make sense of is answered and changes nothing.
type chat struct {
	hub   *ws.Hub
	stats ws.Stats

	sizes map[string]int // people by room; only announce uses it

	mu        sync.Mutex      // guards the rest
	changed   map[string]bool // rooms that somebody entered or left since the last announcement
	announces bool            // announce runs, or will
	roomList  []byte          // as it was last sent
}

const (
	// keptMessages and keptBytes bound what a room remembers. The bytes, with some
	// room for live ones, fit into sendLimit: nobody is too slow for the history.
	keptMessages = 200
	keptBytes    = 128 << 10
	sendLimit    = 512 << 10
	// keptFor is how long a room remembers, also when nobody is there.
	keptFor = time.Hour
	// announceAfter gathers arrivals and departures, so that a crowd that comes at
	// once is one announcement, and a new name is not a departure.
	announceAfter = 100 * time.Millisecond
)

func newChat() *chat {
	c := &chat{changed: make(map[string]bool), sizes: make(map[string]int)}
	c.hub = ws.NewHub(
		ws.WithHistory(ws.HistoryLimit{Messages: keptMessages, Bytes: keptBytes, Age: keptFor, Topics: 100}),
		ws.WithPresence(c.moved),
		ws.WithEnvelope(envelope),
	)
	c.roomList = listRooms(nil)
	return c
}

// endpointOptions bound what a connection may send and hold. A message that is within
// maxText always fits, however its JSON is escaped; a longer one closes.
func (c *chat) endpointOptions() []ws.EndpointOption {
	return []ws.EndpointOption{
		ws.WithDeflate(ws.Deflate{}),
		ws.WithMaxMessage(maxMessage),
		ws.WithSendLimit(sendLimit, ws.CloseSlow), // the page comes back and catches up
		ws.WithStats(&c.stats),
	}
}

// close ends the hub. Its connections are the server's to close.
func (c *chat) close() { _ = c.hub.Close(context.Background()) } // without a broker nothing can fail

// OnOpen shows the rooms to somebody who has not said hello yet.
func (c *chat) OnOpen(conn *ws.Conn) {
	conn.SetValue(newGuest(conn.Loop().Now()))
	if c.hub.Add(conn) != nil {
		return // the server goes down
	}
	c.mu.Lock()
	list := c.roomList
	c.mu.Unlock()
	_ = conn.Send(ws.OpText, list) // an error is a connection that ends: OnClose comes
}

// OnClose has nothing to do: the hub has taken the connection out of its room, and
// moved has heard of it.
func (c *chat) OnClose(*ws.Conn, ws.Code, string) {}

// OnMessage does what a guest asks for, or answers why not.
func (c *chat) OnMessage(conn *ws.Conn, op ws.Op, payload []byte) {
	r, err := parseRequest(op, payload)
	if err == nil {
		err = c.do(conn, conn.Value().(*guest), r)
	}
	if err != nil {
		later := err == errTooFast || errors.Is(err, ws.ErrOverloaded)
		reply(conn, refused{Is: "refused", Do: r.Do, Tag: r.Tag, Why: err.Error(), Retry: later})
	}
}

func (c *chat) do(conn *ws.Conn, g *guest, r request) error {
	if r.Do == "ping" {
		reply(conn, pong{Is: "pong"})
		return nil
	}
	if !g.mayAct(conn.Loop().Now()) {
		return errTooFast
	}
	switch r.Do {
	case "hello":
		return c.hello(conn, g, r)
	case "name":
		return c.rename(conn, g, r)
	case "join":
		return c.join(conn, g, r)
	case "say":
		return c.say(g, r)
	}
	return errUnknown
}

// hello tells the guest what others will know it by.
func (c *chat) hello(conn *ws.Conn, g *guest, r request) error {
	if g.id != "" {
		return errSecondHello
	}
	name, err := checkName(r.Name)
	if err != nil {
		return err
	}
	if g.id, err = publicID(r.Key); err != nil {
		return err
	}
	g.name = name
	reply(conn, g.introduction())
	return nil
}

// rename is, to the hub, joining again as somebody else.
func (c *chat) rename(conn *ws.Conn, g *guest, r request) error {
	name, err := checkName(r.Name)
	if err != nil {
		return err
	}
	if g.id == "" {
		return errNoHello
	}
	if g.room != "" {
		if err := c.hub.Join(conn, g.room, ws.As(g.identity(name))); err != nil {
			return err
		}
	}
	g.name = name
	reply(conn, g.introduction())
	return nil
}

// join moves the guest to a room, with what was said there after r.Since: all that
// is remembered for one who is new, only what was missed for one who comes back.
func (c *chat) join(conn *ws.Conn, g *guest, r request) error {
	room, err := checkRoom(r.Room)
	if err != nil {
		return err
	}
	since, err := ws.ParsePosition(r.Since)
	if err != nil {
		return errPosition
	}
	if g.id == "" {
		return errNoHello
	}
	if g.room != "" && g.room != room {
		if err := c.hub.Leave(conn, g.room); err != nil {
			return err
		}
		g.room = ""
	}
	err = c.hub.Join(conn, room, ws.As(g.identity(g.name)), ws.Since(since, c.joined))
	if err == nil {
		g.room = room
	}
	return err
}

// joined comes before the messages that the guest catches up with.
func (c *chat) joined(conn *ws.Conn, u ws.CatchUp) {
	reply(conn, joined{
		Is:       "joined",
		Room:     u.Topic,
		Complete: u.Complete,
		Missed:   u.Missed,
		Position: u.Latest.String(),
		People:   people(c.hub.Presence(u.Topic)),
	})
}

// say publishes to all in the room, also to who says it: the message comes back to
// its page in its place among the others, and with its position.
func (c *chat) say(g *guest, r request) error {
	text, err := checkText(r.Text)
	if err != nil {
		return err
	}
	if g.room == "" {
		return errNoRoom
	}
	return c.hub.Publish(g.room, ws.OpText, encode(said{
		Is:   "said",
		By:   g.id,
		Name: g.name,
		Text: text,
		Tag:  r.Tag,
		Time: time.Now().UnixMilli(),
	}))
}

// moved hears from the hub that somebody entered or left a room, or did both to take
// another name.
func (c *chat) moved(e ws.PresenceEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed[e.Topic] = true
	if !c.announces {
		c.announces = true
		time.AfterFunc(announceAfter, c.announce)
	}
}

// announce tells each room that changed who is there now, and everybody the list of
// rooms. Only one runs at a time, so that no announcement overtakes a later one.
func (c *chat) announce() {
	c.mu.Lock()
	changed := c.changed
	c.changed = make(map[string]bool)
	c.mu.Unlock()

	for room := range changed {
		now := here{Is: "here", People: people(c.hub.Presence(room))}
		if c.sizes[room] = now.People.Count; c.sizes[room] == 0 {
			delete(c.sizes, room)
		}
		// What an error keeps from the room, the next announcement tells.
		_ = c.hub.PublishLocal(room, ws.OpText, encode(now))
	}
	list := listRooms(c.sizes)
	c.mu.Lock()
	c.roomList = list // before it is published: OnOpen adds, then looks
	c.mu.Unlock()
	_ = c.hub.PublishAll(ws.OpText, list)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.announces = len(c.changed) > 0
	if c.announces {
		time.AfterFunc(announceAfter, c.announce)
	}
}

// reply answers one connection. An error is one that ends: OnClose comes.
func reply(conn *ws.Conn, v any) { _ = conn.Send(ws.OpText, encode(v)) }

// encode is json.Marshal of a type that cannot fail.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
