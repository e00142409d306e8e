package ws

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
)

// Member is somebody who is in a topic: a connection that joined with As.
type Member struct {
	ID  string // of the connection, unlike that of any other in any hub
	Who string
}

// PresenceEvent says that somebody came or went.
type PresenceEvent struct {
	Topic string
	Member
	Joined bool // else left
	Local  bool // a connection of this hub
}

// WithPresence has the hub know who is in a topic, of all hubs that its broker
// joins, and f, unless nil, hear of changes in topics that the hub has members in.
// For connections of this hub f runs on their loops, else on a goroutine of the
// broker: it must not block, and may call the hub. What it wants to tell the
// members it sends by Hub.PublishLocal, since every hub hears of each change.
//
// Between hubs changes are announced as they happen, and all names when a hub gets
// its first member of a topic, or the broker was away. Each hub sends a sign of life
// every 5 s: a hub that is silent for 15 s is dead, and its members have left.
func WithPresence(f func(PresenceEvent)) HubOption {
	if f == nil {
		f = func(PresenceEvent) {}
	}
	return func(c *hubConfig) { c.onPresence = f }
}

// As has the connection be in the topic under a name, which may be any bytes: an
// identity, or what an application wants others to know, encoded. Joining again
// under another name is a leave and a join. It needs WithPresence.
func As(who string) JoinOption {
	return func(j *joining) { j.named, j.who = true, who }
}

// Presence returns who is in topic, in all hubs, by name and ID. It is empty for a
// topic in which this hub has no member.
func (h *Hub) Presence(topic string) []Member {
	if topic == "" {
		return nil
	}
	t := h.lockTopic(topic, false)
	if t == nil {
		return nil
	}
	all := t.presence.list(h)
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Who, b.Who), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// presence is who is in a topic. Guarded by the topic's lock; nil is nobody.
type presence struct {
	local  map[*Conn]localMember
	remote map[string]map[uint64]string // hub, connection, name
}

type localMember struct {
	Member
	id uint64
}

func memberID(hub string, id uint64) string { return fmt.Sprintf("%s-%d", hub, id) }

func (t *topic) needPresence() *presence {
	if t.presence == nil {
		t.presence = &presence{make(map[*Conn]localMember), make(map[string]map[uint64]string)}
	}
	return t.presence
}

func (p *presence) list(h *Hub) []Member {
	if p == nil {
		return nil
	}
	var all []Member
	for _, m := range p.local {
		all = append(all, m.Member)
	}
	for hub, members := range p.remote {
		for id, who := range members {
			all = append(all, Member{memberID(hub, id), who})
		}
	}
	return all
}

// leave removes a connection of this hub.
func (p *presence) leave(c *Conn) (gone localMember, was bool) {
	if p == nil {
		return gone, false
	}
	gone, was = p.local[c]
	delete(p.local, c)
	return gone, was
}

// present has c be in t as who. Loop goroutine only.
func (h *Hub) present(c *Conn, t *topic, who string) {
	id := h.ids.of(c)
	if id == 0 {
		return // it ends: nobody would hear of its leaving
	}
	t.mu.Lock()
	p := t.needPresence()
	before, was := p.local[c]
	if was && before.Who == who {
		t.mu.Unlock()
		return
	}
	now := localMember{Member{memberID(h.id, id), who}, id}
	p.local[c] = now
	news := presenceNews{Joined: map[uint64][]byte{id: []byte(who)}}
	if was {
		news.Left = []uint64{id}
	}
	h.relay.announceLocked(t, news)
	t.mu.Unlock()
	if was {
		h.tell(PresenceEvent{Topic: t.name, Member: before.Member, Local: true})
	}
	h.tell(PresenceEvent{Topic: t.name, Member: now.Member, Joined: true, Local: true})
}

// tell calls the application. Its panic is nobody's connection's fault.
func (h *Hub) tell(e PresenceEvent) {
	defer func() {
		if v := recover(); v != nil {
			slog.Default().Error("ws: presence callback panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	h.onPresence(e)
}
