package ws

import (
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// hubQueueLimit is how much may wait for one loop, or for the broker, before Publish
// and Join are refused, in bytes of payload and the weights below.
const hubQueueLimit = 16 << 20

const (
	// taskWeight is what a task costs beside its payload, in bytes.
	taskWeight = 64
	// memberWeight stands for the time that each member of a delivery takes: no more
	// than a million sends wait for a loop.
	memberWeight = 16
)

// drainBudget is how many tasks and sends a loop performs before it does other
// things: with some 0.5 microseconds for a send and some 10 for the write that
// follows, a fan-out to 10,000 takes its time in any case, but not all that wait.
const drainBudget = 8192

// drainTime ends a turn before its budget is used up: joining and leaving may have to
// wait for others who use the topic.
const drainTime = 10 * time.Millisecond

// hubShard is what belongs to one loop of a hub's work. Whoever wants something
// from the loop puts a task into its queue; the loop performs them in their order.
// It lasts until the loop has quit.
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

	batch     []task // what drain has taken of queue; this and what follows: loop only
	next      int    // in batch
	performed int    // the weight of what is done of batch
	draining  bool
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
	cost int       // of a delivery: memberWeight for each member
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
	return taskWeight + k.cost + len(k.msg.payload)
}

// shard returns the hub's part on a loop, or nil when there is none and none is to be
// made.
func (h *Hub) shard(loop *reactor.EventLoop, create bool) *hubShard {
	if s := findShard(*h.shards.Load(), loop); s != nil || !create {
		return s
	}
	h.lobby.mu.Lock()
	defer h.lobby.mu.Unlock()
	have := *h.shards.Load()
	if s := findShard(have, loop); s != nil {
		return s
	}
	s := &hubShard{hub: h, loop: loop}
	s.run = s.drain
	s.lobby = h.lobby.room(s)
	have = append(slices.Clip(have), s)
	h.shards.Store(&have)
	return s
}

func findShard(shards []*hubShard, loop *reactor.EventLoop) *hubShard {
	for _, s := range shards {
		if s.loop == loop {
			return s
		}
	}
	return nil
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
	return s.weight > s.hub.queueLimit && !s.closed
}

// wake has the loop perform what was put: now, when called there, unless that is
// more than it can do in one turn. It is false when the loop has quit. Any goroutine,
// with no lock held.
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

// drain performs what is queued, within its budget; the rest waits for the next
// turn.
func (s *hubShard) drain() {
	if s.draining {
		return
	}
	s.draining = true
	s.work()
	s.draining = false
	s.mu.Lock()
	left := s.next < len(s.batch) || len(s.queue) > 0
	s.scheduled = left
	s.mu.Unlock()
	if left && s.loop.QueueInLoop(s.run) != nil {
		// This was the loop's last turn: its connections are being closed.
		for ; s.next < len(s.batch); s.next++ {
			s.drop(s.batch[s.next])
		}
		s.batch, s.next = nil, 0
		s.abandon()
	}
}

// work performs tasks, as many as fit into a turn.
func (s *hubShard) work() {
	began, budget := time.Now(), drainBudget
	for i := 1; budget > 0 && s.take(); i, s.next = i+1, s.next+1 {
		k := &s.batch[s.next]
		budget--
		if i%64 == 0 && time.Since(began) > drainTime {
			budget = 0
		}
		if k.do == doDeliver {
			budget -= len(k.room.members)
		}
		s.performed += k.weight()
		s.perform(k)
		*k = task{}
	}
}

// take makes sure that there is a task at next; false: nothing is left.
func (s *hubShard) take() bool {
	if s.next < len(s.batch) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weight -= s.performed
	spare := s.batch[:0]
	if cap(spare) > 1024 {
		spare = nil
	}
	s.batch, s.queue, s.next, s.performed = s.queue, spare, 0, 0
	return len(s.batch) > 0
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
}

// abandon drops what a loop that has quit will not do, and the shard.
func (s *hubShard) abandon() {
	s.mu.Lock()
	dropped, first := s.queue, !s.closed
	s.queue, s.closed = nil, true
	s.mu.Unlock()
	for _, k := range dropped {
		s.drop(k)
	}
	if !first {
		return
	}
	h := s.hub
	h.lobby.mu.Lock()
	defer h.lobby.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(*h.shards.Load()), func(o *hubShard) bool { return o == s })
	h.shards.Store(&left)
	h.lobby.releaseLocked(s.lobby)
}

// drop gives back what a task holds.
func (s *hubShard) drop(k task) {
	if k.do == doJoin {
		k.room.release()
	}
	if k.done != nil {
		k.done()
	}
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

// join performs doJoin and doAdd. The task holds a reference to the topic's room, which
// the seat keeps.
func (s *hubShard) join(k *task) {
	m := s.hub.memberOf(k.conn)
	if m == nil {
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

// left finishes a membership of a topic whose seat is given up. Loop goroutine only.
func (h *Hub) left(c *Conn, r *room) {
	t := r.topic
	h.stats.Members.Add(-1)
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

// emptied finds out whether the loop, which has no connection of the hub left, has
// quit. Loop goroutine only.
func (s *hubShard) emptied() {
	if s.loop.QueueInLoop(s.run) != nil {
		s.abandon()
	}
}
