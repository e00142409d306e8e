package ws

import (
	"sync"

	"github.com/carillon-go/carillon/reactor"
)

// hubQueueLimit is how much may wait for one loop, in bytes of payload and
// taskWeight for each task, before Publish is refused.
const hubQueueLimit = 16 << 20

// taskWeight is what a task costs beside its payload, in bytes.
const taskWeight = 64

// hubShard is what belongs to one loop of a hub's work. Whoever wants something
// from the loop puts a task into its queue; the loop performs them in their order.
// It lasts as long as the lobby has a room on the loop.
type hubShard struct {
	hub   *Hub
	loop  *reactor.EventLoop
	lobby *room
	run   func() // drain, made once

	mu        sync.Mutex
	queue     []task
	weight    int
	scheduled bool // drain is queued on the loop
	closed    bool // the loop has quit

	spare    []task // loop only
	draining bool   // loop only
}

// task is something that the loop has to do.
type task struct {
	do   doing
	room *room
	conn *Conn     // who joins or leaves; of a delivery, who is left out
	msg  *Prepared // of a delivery
	join *joining  // of a join that is more than that
	name string    // of the topic to leave
	done func()    // of a barrier: runs also when the loop has quit
}

type doing uint8

const (
	doDeliver doing = iota
	doJoin
	doAdd
	doLeave
	doRemove
	doBarrier
)

func (k *task) weight() int {
	if k.msg == nil {
		return taskWeight
	}
	return taskWeight + len(k.msg.payload)
}

// holdShard returns the shard of a loop, with a reference to its room of the lobby,
// which is nil, like the shard, when there is none and none is to be made.
func (h *Hub) holdShard(loop *reactor.EventLoop, create bool) *hubShard {
	h.lobby.mu.Lock()
	defer h.lobby.mu.Unlock()
	for _, r := range h.lobby.rooms {
		if r.shard.loop == loop {
			r.refs++
			return r.shard
		}
	}
	if !create {
		return nil
	}
	s := &hubShard{hub: h, loop: loop}
	s.run = s.drain
	s.lobby = h.lobby.room(s)
	return s
}

// put queues a task, for wake. It is false when the loop has quit. Any goroutine.
func (s *hubShard) put(k task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.queue = append(s.queue, k)
	s.weight += k.weight()
	return true
}

// full reports whether too much waits for the loop. Any goroutine.
func (s *hubShard) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.weight > hubQueueLimit
}

// wake has the loop perform what was put: now, when called there. It is false when
// the loop has quit. Any goroutine, with no lock held.
func (s *hubShard) wake() bool {
	if s.loop.IsInLoopThread() && !s.draining {
		s.drain()
		return true
	}
	s.mu.Lock()
	need := len(s.queue) > 0 && !s.scheduled
	s.scheduled = s.scheduled || need
	s.mu.Unlock()
	if need && s.loop.QueueInLoop(s.run) != nil {
		s.abandon()
		return false
	}
	return true
}

// drain performs what is queued; what is queued meanwhile waits for the next turn.
func (s *hubShard) drain() {
	if s.draining {
		return
	}
	s.draining = true
	s.mu.Lock()
	batch := s.queue
	s.queue, s.weight, s.scheduled = s.spare, 0, false
	s.mu.Unlock()
	for i := range batch {
		s.perform(&batch[i])
		batch[i] = task{}
	}
	s.spare = batch[:0]
	if cap(batch) > 1024 {
		s.spare = nil
	}
	s.draining = false
}

func (s *hubShard) perform(k *task) {
	switch k.do {
	case doDeliver:
		k.room.deliver(k.msg, k.conn)
	case doJoin, doAdd:
		s.join(k)
	case doLeave:
		s.leave(k.conn, k.name)
	case doRemove:
		s.remove(k.conn)
	case doBarrier:
		k.done()
	}
	if k.do == doLeave || k.do == doRemove || k.do == doBarrier {
		s.lobby.release()
	}
}

// abandon drops what a loop that has quit will not do.
func (s *hubShard) abandon() {
	s.mu.Lock()
	dropped := s.queue
	s.queue, s.weight, s.closed = nil, 0, true
	s.mu.Unlock()
	for _, k := range dropped {
		s.drop(k)
	}
}

// drop gives back what a task holds.
func (s *hubShard) drop(k task) {
	switch k.do {
	case doDeliver:
		return
	case doJoin:
		k.room.release()
	case doBarrier:
		k.done()
	}
	s.lobby.release()
}

// deliver sends m to all members but one.
func (r *room) deliver(m *Prepared, except *Conn) {
	var delivered, dropped int64
	for i := range r.members {
		c := r.members[i].conn
		if c == except {
			continue
		}
		if c.SendPrepared(m) != nil {
			dropped++
		} else {
			delivered++
		}
	}
	stats := &r.shard.hub.stats
	stats.Delivered.Add(delivered)
	stats.Dropped.Add(dropped)
}

// join performs doJoin and doAdd. The task holds a reference to the lobby's room and
// to the topic's; the seats keep them.
func (s *hubShard) join(k *task) {
	m := s.hub.memberOf(k.conn)
	switch {
	case m != nil:
		s.lobby.release()
	default:
		m = &member{shard: s}
		if !k.conn.attach(m) {
			s.drop(*k)
			return
		}
		s.hub.stats.Connections.Add(1)
		m.sit(k.conn, s.lobby)
	}
	if k.do == doAdd {
		return
	}
	if m.find(k.room.topic) >= 0 {
		k.room.release()
	} else {
		m.sit(k.conn, k.room)
		s.hub.stats.Members.Add(1)
	}
	if k.join != nil {
		k.join.joined(k.conn, k.room.topic)
	}
}

func (s *hubShard) leave(c *Conn, name string) {
	m := s.hub.memberOf(c)
	if m == nil {
		return
	}
	if t := s.hub.topics.find(name); t != nil {
		if i := m.find(t); i >= 0 {
			s.hub.left(c, m.rise(i))
		}
	}
}

func (s *hubShard) remove(c *Conn) {
	if m := s.hub.memberOf(c); m != nil {
		c.detach(m)
		m.leaveAll(c)
	}
}

// left finishes a membership whose seat is given up. Loop goroutine only.
func (h *Hub) left(c *Conn, r *room) {
	t := r.topic
	if t != h.lobby {
		h.stats.Members.Add(-1)
	}
	t.mu.Lock()
	gone, had := t.presence.leave(c)
	if had {
		h.relay.announceLocked(t, presenceNews{Left: []uint64{gone.id}})
	}
	t.releaseLocked(r)
	t.mu.Unlock()
	if had {
		h.tell(PresenceEvent{Topic: t.name, Member: gone.Member, Local: true})
	}
}
