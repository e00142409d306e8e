package ws

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// HistoryLimit bounds the history of one topic. A zero field is its default.
type HistoryLimit struct {
	Messages int           // default 100
	Bytes    int           // of all payloads, as sent; default 1 MiB
	Age      time.Duration // default 5 minutes; also how long a topic without members is kept
	Topics   int           // how many without members are kept; default 10,000
}

func (l *HistoryLimit) defaults() {
	if l.Messages < 0 || l.Bytes < 0 || l.Age < 0 || l.Topics < 0 {
		panic(fmt.Sprintf("ws: WithHistory(%+v)", *l))
	}
	if l.Messages == 0 {
		l.Messages = 100
	}
	if l.Bytes == 0 {
		l.Bytes = 1 << 20
	}
	if l.Age == 0 {
		l.Age = 5 * time.Minute
	}
	if l.Topics == 0 {
		l.Topics = 10_000
	}
}

// CatchUp says how a connection stands that joined with Since.
type CatchUp struct {
	Topic string
	// Complete: what follows is all that came after the position. If not, messages
	// are missing before what follows, and the client has to load its state anew.
	Complete bool
	Missed   int      // how many messages follow
	Latest   Position // of the last of them; of the topic when there is none
}

// Since has the connection get what came after pos first, and then what is
// published, with no gap and nothing twice. From the zero Position on it is all that
// is kept. f, unless nil, runs on the connection's loop before the first message is
// sent; what it sends goes before.
//
// A connection that is in the topic already gets again what came after pos: a client
// that has found a gap, by DropNewest for example, fills it that way.
//
// Where the broker keeps the history, the join waits until the topic's has come from
// there.
func Since(pos Position, f func(*Conn, CatchUp)) JoinOption {
	return func(j *joining) { j.resume, j.since, j.caught = true, pos, f }
}

// history is the last messages of a topic. Guarded by the topic's lock.
type history struct {
	limit  HistoryLimit
	remote bool   // positions come from a broker
	epoch  uint64 // 0: not loaded from the broker yet
	last   uint64 // the latest offset
	floor  uint64 // what came after it is kept
	whole  bool   // nothing was ever dropped
	kept   []keptMessage
	head   int // of kept
	bytes  int
}

type keptMessage struct {
	offset uint64
	at     time.Time
	msg    *Prepared
}

func newHistory(limit HistoryLimit, remote bool) *history {
	h := &history{limit: limit, remote: remote, whole: true}
	if !remote {
		h.epoch = rand.Uint64() | 1
	}
	return h
}

// place gives a message its position, or looks at the one it has: false means that
// it was here before.
func (h *history) place(m *Message) bool {
	if !h.remote {
		m.Position = Position{h.epoch, h.last + 1}
		return true
	}
	return m.Position.Epoch == h.epoch && m.Position.Offset > h.last
}

// keep adds a message.
func (h *history) keep(offset uint64, m *Prepared) {
	h.last = offset
	h.kept = append(h.kept, keptMessage{offset, time.Now(), m})
	h.bytes += len(m.payload)
	h.trim()
}

// trim drops what is beyond the limit.
func (h *history) trim() {
	old := time.Now().Add(-h.limit.Age)
	for h.head < len(h.kept) {
		k := &h.kept[h.head]
		if len(h.kept)-h.head <= h.limit.Messages && h.bytes <= h.limit.Bytes && k.at.After(old) {
			break
		}
		h.floor, h.whole = k.offset, false
		h.bytes -= len(k.msg.payload)
		*k = keptMessage{}
		h.head++
	}
	if h.head >= 16 && h.head > len(h.kept)/2 {
		h.kept = slices.Clone(h.kept[h.head:])
		h.head = 0
	}
}

// after returns what came after pos, and whether that is all.
func (h *history) after(pos Position) (missed []*Prepared, complete bool) {
	h.trim()
	from := h.head
	switch {
	case pos == Position{}:
		complete = h.whole
	case pos.Epoch == h.epoch && pos.Offset >= h.floor && pos.Offset <= h.last:
		complete = true
		i, _ := slices.BinarySearchFunc(h.kept[from:], pos.Offset+1, func(k keptMessage, o uint64) int {
			return int(min(max(int64(k.offset-o), -1), 1))
		})
		from += i
	}
	for _, k := range h.kept[from:] {
		missed = append(missed, k.msg)
	}
	return missed, complete
}

// reset begins another history.
func (h *history) reset(epoch, floor uint64, whole bool) {
	*h = history{limit: h.limit, remote: h.remote, epoch: epoch, last: floor, floor: floor, whole: whole}
}

// resumeLocked prepares a join with Since: at this point among the messages of the
// topic. It is false when the join has to wait. t.mu is held.
func (t *topic) resumeLocked(k *task) bool {
	if t.history.epoch == 0 {
		k.join.waiting = &waiting{t.hub, t.name}
		t.waiting = append(t.waiting, *k)
		return false
	}
	j, h := k.join, t.history
	j.missed, j.catchUp.Complete = h.after(j.since)
	j.catchUp.Topic, j.catchUp.Missed = t.name, len(j.missed)
	j.catchUp.Latest = Position{h.epoch, h.last}
	return true
}

// waiting hears of the end of a connection that waits for a topic's history, since it
// is no member yet: the broker may be away for longer than it lives.
type waiting struct {
	hub   *Hub
	topic string
}

// begin has w hear of c's end. Any goroutine, with no lock held.
func (w *waiting) begin(c *Conn) error {
	err := c.Loop().RunInLoop(func() {
		if !c.attach(w) {
			w.connEnded(c)
		}
	})
	if err != nil {
		w.connEnded(c)
		return ErrClosed
	}
	return nil
}

// connEnded implements ender.
func (w *waiting) connEnded(c *Conn) { w.hub.cancelWaiting(c, w.topic) }

// admitWaiting lets those join who waited for the history, and unlocks t.
func (t *topic) admitWaiting() {
	waiting := t.waiting
	t.waiting = nil
	refused := make([]bool, len(waiting))
	for i := range waiting {
		k := &waiting[i]
		t.resumeLocked(k)
		refused[i] = !k.room.shard.put(*k)
	}
	t.mu.Unlock()
	for i, k := range waiting {
		if refused[i] {
			k.room.shard.drop(k)
		} else {
			k.room.shard.wake()
		}
	}
}

// cancelWaiting has c not join a topic whose history it waits for.
func (h *Hub) cancelWaiting(c *Conn, name string) {
	t := h.lockTopic(name, false)
	if t == nil {
		return
	}
	var dropped []task
	t.waiting = slices.DeleteFunc(t.waiting, func(k task) bool {
		if k.conn == c {
			dropped = append(dropped, k)
		}
		return k.conn == c
	})
	t.mu.Unlock()
	for _, k := range dropped {
		k.room.shard.drop(k)
		// A loop that has quit has told of the connection's end.
		_ = c.Loop().RunInLoop(func() { c.detach(k.join.waiting) })
	}
}
