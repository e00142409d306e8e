package ws

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// beatTimes is how often a hub gives a sign of life, and when it is dead.
type beatTimes struct{ every, dead time.Duration }

// Default times of presence between hubs.
const (
	presenceBeat = 5 * time.Second
	presenceDead = 15 * time.Second
)

// presenceNews is what hubs tell each other, of a topic or, in the topic "", of
// themselves.
type presenceNews struct {
	Left   []uint64          `json:"left,omitempty"` // comes before Joined
	Joined map[uint64][]byte `json:"joined,omitempty"`
	All    bool              `json:"all,omitempty"` // Joined is all of that hub's
	Ask    bool              `json:"ask,omitempty"` // the others are to tell all
	Bye    bool              `json:"bye,omitempty"` // in "": the hub goes
	To     string            `json:"to,omitempty"`  // in "", with Ask: this hub only
}

// peers is what a hub knows of the others: when it last heard of each.
type peers struct {
	relay *relay
	mu    sync.Mutex
	heard map[string]time.Time
	end   chan struct{} // nil: not started
	ended chan struct{}
}

func (p *peers) start() {
	beat := p.relay.hub.beat
	if beat.every == 0 {
		beat = beatTimes{presenceBeat, presenceDead}
	}
	p.end, p.ended = make(chan struct{}), make(chan struct{})
	go p.watch(beat)
}

// watch gives signs of life, and misses those of others.
func (p *peers) watch(beat beatTimes) {
	defer close(p.ended)
	tick := time.NewTicker(beat.every)
	defer tick.Stop()
	for {
		p.relay.announce("", presenceNews{})
		select {
		case <-tick.C:
			p.bury(time.Now().Add(-beat.dead))
		case <-p.end:
			p.relay.announce("", presenceNews{Bye: true})
			return
		}
	}
}

func (p *peers) stop() {
	if p.end != nil {
		close(p.end)
		<-p.ended
	}
}

// bury takes hubs for dead that were not heard since.
func (p *peers) bury(since time.Time) {
	var dead []string
	p.mu.Lock()
	for hub, at := range p.heard {
		if at.Before(since) {
			dead = append(dead, hub)
			delete(p.heard, hub)
		}
	}
	p.mu.Unlock()
	for _, hub := range dead {
		p.gone(hub)
	}
}

// gone has all members of a hub leave.
func (p *peers) gone(hub string) {
	for _, t := range p.relay.hub.topics.all() {
		p.change(t.name, hub, presenceNews{All: true})
	}
}

// hear takes news of another hub.
func (p *peers) hear(m BrokerMessage) {
	var news presenceNews
	h := p.relay.hub
	if h.onPresence == nil {
		return
	}
	if err := json.Unmarshal(m.Payload, &news); err != nil {
		p.relay.Failed(fmt.Errorf("ws: presence of hub %s: %w", m.Origin, err))
		return
	}
	p.mu.Lock()
	_, known := p.heard[m.Origin]
	if news.Bye {
		delete(p.heard, m.Origin)
	} else {
		p.heard[m.Origin] = time.Now()
	}
	p.mu.Unlock()
	if m.Topic != "" {
		p.change(m.Topic, m.Origin, news)
		if news.Ask {
			p.relay.tellAll(m.Topic, false)
		}
		return
	}
	switch {
	case news.Bye:
		p.gone(m.Origin)
	case news.To == h.id:
		for _, name := range p.relay.known() {
			p.relay.tellAll(name, false)
		}
	case news.To == "" && !known:
		// A hub that is new tells all by itself, but this may be one that was taken
		// for dead.
		p.relay.announce("", presenceNews{To: m.Origin, Ask: true})
	}
}

// change applies news of a hub to a topic.
func (p *peers) change(name, hub string, news presenceNews) {
	t := p.relay.hub.lockTopic(name, false)
	if t == nil {
		return
	}
	members := t.needPresence().remote[hub]
	if members == nil {
		members = make(map[uint64]string)
		t.presence.remote[hub] = members
	}
	var events []PresenceEvent
	event := func(id uint64, who string, joined bool) {
		events = append(events, PresenceEvent{Topic: name, Member: Member{memberID(hub, id), who}, Joined: joined})
	}
	remove := func(id uint64) {
		if who, was := members[id]; was {
			delete(members, id)
			event(id, who, false)
		}
	}
	for _, id := range news.Left {
		remove(id)
	}
	if news.All {
		for id := range members {
			if _, still := news.Joined[id]; !still {
				remove(id)
			}
		}
	}
	for id, who := range news.Joined {
		if before, was := members[id]; was && before == string(who) {
			continue
		}
		remove(id)
		members[id] = string(who)
		event(id, string(who), true)
	}
	if len(members) == 0 {
		delete(t.presence.remote, hub)
	}
	told := len(t.rooms) > 0
	t.mu.Unlock()
	for _, e := range events {
		if told {
			p.relay.hub.tell(e)
		}
	}
}

// announce tells the other hubs.
func (r *relay) announce(name string, news presenceNews) {
	payload, err := json.Marshal(news)
	if err != nil {
		r.Failed(err)
		return
	}
	r.send(BrokerMessage{Message: Message{Topic: name, Op: OpText, Payload: payload}, Kind: KindPresence, Origin: r.hub.id})
}

// announceLocked is announce for a change whose topic's lock is held, so that the
// others hear of changes in their order.
func (r *relay) announceLocked(t *topic, news presenceNews) {
	if r != nil {
		r.announce(t.name, news)
	}
}

// tellAll tells who of this hub is in a topic.
func (r *relay) tellAll(name string, ask bool) {
	t := r.hub.lockTopic(name, false)
	if t == nil {
		return
	}
	defer t.mu.Unlock()
	news := presenceNews{All: true, Ask: ask, Joined: make(map[uint64][]byte)}
	if t.presence != nil {
		for _, m := range t.presence.local {
			news.Joined[m.id] = []byte(m.Who)
		}
	}
	r.announceLocked(t, news)
}

// introduce tells the other hubs who is in topics that are received now, and asks
// who is there.
func (r *relay) introduce(topics []string) {
	if r.hub.onPresence == nil {
		return
	}
	for _, name := range topics {
		if name != "" {
			r.tellAll(name, true)
		}
	}
}
