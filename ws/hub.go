package ws

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"

	"github.com/carillon-go/carillon/reactor"
)

// Hub brings messages to all connections that are in a topic. Any goroutine may
// call its methods; none of them waits but Flush and Close. It has no goroutine
// and no timer of its own without WithBroker and WithHistory.
//
// A topic is any string but the empty one; it exists while it has members, and with
// WithHistory for a time beyond. A connection is in the hub from its first Add or
// Join until Remove or its end; when it ends it leaves everything by itself, before
// its OnClose runs. It may be in several hubs, and be of a server or a client. In
// memory a connection costs some 270 bytes in its first hub and each membership 45 to 75
// (BenchmarkMembership measures both).
//
// A message is encoded once, and handed once to each loop that has members; there
// it is sent by Conn.SendPrepared, so that a slow member is dealt with as
// WithSendLimit says, and the others do not notice.
//
// # Order
//
//  1. What one goroutine asks of a hub happens to a connection in the order of the
//     calls: who has joined gets what is published after, and not what was before;
//     the same for leaving.
//  2. All members of a topic get its messages in the same order, but for those of
//     other processes (see Broker) that come at the same time.
//  3. On the connection's own loop a Join, Leave, Publish and the like has taken
//     effect, for the connections of that loop, when the call returns: what Send
//     sends then comes after it. A call from anywhere else, or from within a
//     callback of the hub, is queued, and a Send may overtake it; so is one on a loop
//     that has more waiting than it can do in a turn. Flush waits.
type Hub struct {
	hubConfig
	id            string // among the hubs of a broker
	topics        registry
	lobby         *topic // its rooms are those of shards
	shards        atomic.Pointer[[]*hubShard]
	idle          idleTopics
	stats         HubStats
	ids           connIDs
	relay         *relay // nil without a broker
	remoteHistory bool   // the broker keeps it, and gives out the offsets
	queueLimit    int    // hubQueueLimit
	closed        atomic.Bool
}

// HubStats counts what happens in a hub. Any goroutine may read it.
type HubStats struct {
	Published atomic.Int64 // messages, without those of other processes
	Delivered atomic.Int64 // handed to a connection, for each message and member
	Dropped   atomic.Int64 // not taken by a connection that is too slow, or closes
	// What there is now.
	Topics, Members, Connections atomic.Int64
}

// Errors of a Hub, besides ErrClosed and ErrBadOp.
var (
	// ErrBadTopic refuses the empty topic.
	ErrBadTopic = errors.New("ws: a topic has a name")
	// ErrOverloaded refuses a Publish or Join while more than 16 MiB, or a million
	// sends, wait for a loop, or as much for the broker: they come faster than they
	// can be done. See Hub.Flush.
	ErrOverloaded = errors.New("ws: the hub is overloaded")
	// ErrNoHistory refuses Since without WithHistory.
	ErrNoHistory = errors.New("ws: the hub keeps no history")
	// ErrNoPresence refuses As without WithPresence.
	ErrNoPresence = errors.New("ws: the hub keeps no presence")
	// ErrHubClosed refuses everything after Hub.Close.
	ErrHubClosed = errors.New("ws: the hub is closed")
)

// NewHub makes a hub. Close it when it has a broker or a history.
func NewHub(opts ...HubOption) *Hub {
	h := &Hub{id: fmt.Sprintf("%016x", rand.Uint64()), queueLimit: hubQueueLimit}
	h.topics.seed = maphash.MakeSeed()
	h.lobby = &topic{hub: h}
	h.shards.Store(new([]*hubShard))
	for _, opt := range opts {
		opt(&h.hubConfig)
	}
	h.idle.init(h)
	if h.broker != nil {
		h.relay = newRelay(h)
		h.relay.start()
	}
	return h
}

// Stats is what the hub counts.
func (h *Hub) Stats() *HubStats { return &h.stats }

// JoinOption says more about a Join.
type JoinOption func(*joining)

// joining is a join with options.
type joining struct {
	hub     *Hub
	named   bool
	who     string
	resume  bool
	since   Position
	caught  func(*Conn, CatchUp)
	waiting *waiting // for the broker's history, at first
	missed  []*Prepared
	catchUp CatchUp
}

// Add brings c into the hub, so that PublishAll reaches it. The errors are those
// of Join.
func (h *Hub) Add(c *Conn) error { return h.enter(c, task{do: doAdd}, "") }

// Join has c get what is published to topic from now on. Joining again changes
// nothing but what the options say. The errors are ErrClosed when c is closing or
// closed, ErrBadTopic, ErrOverloaded, ErrHubClosed, ErrNoHistory and ErrNoPresence; a
// connection that ends meanwhile is no error, it just does not join.
func (h *Hub) Join(c *Conn, topic string, opts ...JoinOption) error {
	if topic == "" {
		return ErrBadTopic
	}
	k := task{do: doJoin}
	if len(opts) > 0 {
		k.join = &joining{hub: h}
		for _, opt := range opts {
			opt(k.join)
		}
		if k.join.resume && h.limit.Messages == 0 {
			return ErrNoHistory
		}
		if k.join.named && h.onPresence == nil {
			return ErrNoPresence
		}
	}
	return h.enter(c, k, topic)
}

// enter queues a join or an add.
func (h *Hub) enter(c *Conn, k task, name string) error {
	if h.closed.Load() {
		return ErrHubClosed
	}
	if c.ended() {
		return ErrClosed
	}
	s := h.shard(c.Loop(), true)
	if s.full() {
		return ErrOverloaded
	}
	k.conn = c
	ok := true
	if k.do == doAdd {
		ok = s.put(k)
	} else {
		t := h.lockTopic(name, true)
		k.room = t.room(s)
		waits := k.join != nil && k.join.resume && !t.resumeLocked(&k)
		if !waits {
			ok = s.put(k)
		}
		t.mu.Unlock()
		if waits {
			return k.join.waiting.begin(c)
		}
	}
	if !ok {
		s.drop(k)
	}
	if !ok || !s.wake() {
		return ErrClosed
	}
	return nil
}

// joined does what the options of a join say. Loop goroutine only.
func (j *joining) joined(c *Conn, t *topic) {
	if j.named {
		j.hub.present(c, t, j.who)
	}
	if !j.resume {
		return
	}
	if j.waiting != nil {
		c.detach(j.waiting)
	}
	if j.caught != nil {
		c.guard(func() { j.caught(c, j.catchUp) })
	}
	for _, m := range j.missed {
		// An error is a connection that closes, or is too slow for its own history.
		_ = c.SendPrepared(m)
	}
}

// Leave has c get no more of topic. It does nothing when c is not there. The error
// is ErrHubClosed.
func (h *Hub) Leave(c *Conn, topic string) error {
	if h.remoteHistory {
		h.cancelWaiting(c, topic)
	}
	return h.queue(c.Loop(), task{do: doLeave, conn: c, name: topic})
}

// Remove has c leave all topics and the hub.
func (h *Hub) Remove(c *Conn) error {
	if h.remoteHistory {
		for _, t := range h.topics.all() {
			h.cancelWaiting(c, t.name)
		}
	}
	return h.queue(c.Loop(), task{do: doRemove, conn: c})
}

// queue leaves a task to a loop, if the hub has anything there.
func (h *Hub) queue(loop *reactor.EventLoop, k task) error {
	if h.closed.Load() {
		return ErrHubClosed
	}
	s := h.shard(loop, false)
	if s == nil {
		return nil
	}
	if !s.put(k) {
		s.drop(k)
	}
	s.wake()
	return nil
}

// Topics returns the topics that c is in, in no order.
func (h *Hub) Topics(c *Conn) []string {
	c.mu.Lock()
	m := h.memberOf(c)
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for i := range m.seats { // the places in it are the loop's
		if t := m.seats[i].room.topic; t != h.lobby {
			names = append(names, t.name)
		}
	}
	return names
}

// Members returns how many connections of this hub are in topic.
func (h *Hub) Members(topic string) int {
	if t := h.topics.find(topic); t != nil {
		return int(t.count.Load())
	}
	return 0
}

// Flush waits until what was asked of the hub before it has been done: on the loops,
// and of the broker, where a failed attempt counts. The errors are that of ctx, and
// reactor.ErrOnLoop.
func (h *Hub) Flush(ctx context.Context) error {
	if err := h.flushLoops(ctx); err != nil {
		return err
	}
	if err := h.relay.flush(ctx); err != nil || !h.remoteHistory {
		return err
	}
	return h.flushLoops(ctx) // who waited for the history has joined
}

// flushLoops waits for the loops.
func (h *Hub) flushLoops(ctx context.Context) error {
	shards := *h.shards.Load()
	for _, s := range shards {
		if s.loop.IsInLoopThread() {
			return reactor.ErrOnLoop
		}
	}
	done := make(chan struct{}, len(shards))
	for _, s := range shards {
		k := task{do: doBarrier, done: func() { done <- struct{}{} }}
		if !s.put(k) {
			s.drop(k)
		}
		s.wake()
	}
	for range shards {
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Close ends the hub's part in its broker, so that the others see its members go, and
// its timer. It waits until the broker has been told, at most as long as ctx. The
// connections stay open. Joins, leaves and publications return ErrHubClosed from then
// on; a second Close does nothing. The errors are that of ctx and of the broker.
func (h *Hub) Close(ctx context.Context) error {
	if h.closed.Swap(true) {
		return nil
	}
	h.idle.close()
	return h.relay.close(ctx)
}
