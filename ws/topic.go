package ws

import (
	"container/list"
	"slices"
	"sync"
	"sync/atomic"
)

// topic is what the loops share of one topic. Its lock orders what is published
// with who joins. Of locks that are held together, a topic's comes first, then
// that of the registry, of the idle topics or of a hubShard.
type topic struct {
	hub   *Hub
	name  string       // "": the lobby, whose members are all connections of the hub
	count atomic.Int64 // members

	mu       sync.Mutex // guards the rest
	rooms    []*room    // replaced, never changed
	gone     bool       // the registry has let go of it
	history  *history   // nil: none is kept
	waiting  []task     // joins that wait for the broker's history
	presence *presence  // nil: nobody has a name here

	idle *list.Element // of idleTopics, guarded by its lock
}

// room is the members of a topic on one loop.
type room struct {
	topic   *topic
	shard   *hubShard
	refs    int        // members, and joins under way, or 1 in the lobby; guarded by topic.mu
	members []occupant // loop only
}

// occupant is a member as its room knows it; member has the counterpart.
type occupant struct {
	conn   *Conn
	member *member
	seat   int32 // in member.seats
}

// room returns the topic's room on a loop, with a reference more. t.mu is held.
func (t *topic) room(s *hubShard) *room {
	for _, r := range t.rooms {
		if r.shard == s {
			r.refs++
			return r
		}
	}
	r := &room{topic: t, shard: s, refs: 1}
	first := len(t.rooms) == 0
	t.rooms = append(slices.Clip(t.rooms), r)
	if first {
		t.hub.awoke(t)
	}
	return r
}

// release gives a reference back; the last one ends the room, and perhaps the
// topic.
func (r *room) release() {
	t := r.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked(r)
}

func (t *topic) releaseLocked(r *room) {
	if r.refs--; r.refs > 0 {
		return
	}
	i := slices.Index(t.rooms, r)
	t.rooms = slices.Concat(t.rooms[:i], t.rooms[i+1:])
	if len(t.rooms) == 0 {
		t.hub.emptied(t)
	}
}

// lockTopic returns a topic with its lock held, or nil when there is none and none
// is to be made.
func (h *Hub) lockTopic(name string, create bool) *topic {
	if name == "" {
		h.lobby.mu.Lock()
		return h.lobby
	}
	for {
		t := h.topics.find(name)
		if t == nil && !create {
			return nil
		}
		if t == nil {
			t = h.newTopic(name)
		}
		t.mu.Lock()
		if !t.gone {
			return t
		}
		t.mu.Unlock()
	}
}

func (h *Hub) newTopic(name string) *topic {
	t := &topic{hub: h, name: name}
	if h.limit.Messages > 0 {
		t.history = newHistory(h.limit, h.remoteHistory)
	}
	t, added := h.topics.add(t)
	if added {
		h.stats.Topics.Add(1)
	}
	return t
}

// awoke hears that a topic has its first room. t.mu is held.
func (h *Hub) awoke(t *topic) {
	h.idle.remove(t)
	h.relay.touch(t.name)
}

// emptied hears that a topic has no room left: it is forgotten, unless its history
// may still be asked for. t.mu is held.
func (h *Hub) emptied(t *topic) {
	switch {
	case t == h.lobby:
		h.relay.touch(t.name)
	case t.history != nil:
		h.idle.add(t)
	default:
		h.forget(t)
	}
}

// forget lets go of a topic. t.mu is held.
func (h *Hub) forget(t *topic) {
	t.gone = true
	h.topics.remove(t)
	h.stats.Topics.Add(-1)
	h.relay.touch(t.name)
}
