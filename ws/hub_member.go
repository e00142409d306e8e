package ws

import (
	"slices"
	"sync"
)

// member is a connection as a hub knows it, from its first Join or Add to its end
// or Remove. It hangs on the connection as an ender; the first seat is that in the
// lobby.
type member struct {
	shard *hubShard
	mu    sync.Mutex // guards seats against Topics; only the loop changes them
	seats []seat
	index map[*topic]int32 // of seats, once there are many; loop only
}

// seat is a membership as its member knows it; occupant is the counterpart.
type seat struct {
	room  *room
	place int32 // in room.members
}

// indexFrom is how many seats are searched one by one.
const indexFrom = 16

// memberOf returns what h knows of c, nil also when c ends. Loop goroutine only, or
// with c.mu held.
func (h *Hub) memberOf(c *Conn) *member {
	if r := c.rare.Load(); r != nil {
		for _, e := range r.ends {
			if m, ok := e.(*member); ok && m.shard.hub == h {
				return m
			}
		}
	}
	return nil
}

// find returns the seat in t, or -1.
func (m *member) find(t *topic) int32 {
	if m.index != nil {
		if i, ok := m.index[t]; ok {
			return i
		}
		return -1
	}
	return int32(slices.IndexFunc(m.seats, func(s seat) bool { return s.room.topic == t }))
}

// sit takes a place in r, whose reference it keeps.
func (m *member) sit(c *Conn, r *room) {
	m.mu.Lock()
	m.seats = append(m.seats, seat{r, int32(len(r.members))})
	m.mu.Unlock()
	i := int32(len(m.seats) - 1)
	r.members = append(r.members, occupant{c, m, i})
	r.topic.count.Add(1)
	switch {
	case m.index != nil:
		m.index[r.topic] = i
	case len(m.seats) > indexFrom:
		m.index = make(map[*topic]int32, 2*indexFrom)
		for i, s := range m.seats {
			m.index[s.room.topic] = int32(i)
		}
	}
}

// rise leaves seat i, in constant time: the last of either list fills the hole.
// The reference to the room is the caller's then.
func (m *member) rise(i int32) *room {
	at := m.seats[i]
	r := at.room
	last := len(r.members) - 1
	if moved := r.members[last]; int(at.place) != last {
		r.members[at.place] = moved
		moved.member.seats[moved.seat].place = at.place
	}
	r.members[last] = occupant{}
	r.members = shrunk(r.members[:last])
	r.topic.count.Add(-1)
	if m.index != nil {
		delete(m.index, r.topic)
	}
	m.mu.Lock()
	end := int32(len(m.seats) - 1)
	if i != end {
		m.seats[i] = m.seats[end]
		m.seats[i].room.members[m.seats[i].place].seat = i
		if m.index != nil {
			m.index[m.seats[i].room.topic] = i
		}
	}
	m.seats[end] = seat{}
	m.seats = shrunk(m.seats[:end])
	m.mu.Unlock()
	return r
}

// shrunk returns s, in less memory when most of it is unused.
func shrunk[E any](s []E) []E {
	if cap(s) < 64 || len(s) > cap(s)/4 {
		return s
	}
	return append(make([]E, 0, cap(s)/2), s...)
}

// connEnded implements ender: the connection leaves everything.
func (m *member) connEnded(c *Conn) { m.leaveAll(c) }

func (m *member) leaveAll(c *Conn) {
	h := m.shard.hub
	for len(m.seats) > 1 {
		h.left(c, m.rise(int32(len(m.seats)-1)))
	}
	lobby := m.rise(0)
	h.stats.Connections.Add(-1)
	if len(lobby.members) == 0 {
		m.shard.emptied()
	}
}
