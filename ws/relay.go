package ws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// relay is the hub's way to its broker. All methods are there for a nil relay,
// too: the hub without a broker.
type relay struct {
	hub  *Hub
	link BrokerLink
	out  jobQueue // messages, in their order
	subs jobQueue // changes of the subscriptions

	mu         sync.Mutex
	changed    map[string]bool // topics whose subscription is to be looked at
	subscribed map[string]bool // what the broker was told
	retry      *time.Timer
	closed     bool

	peers peers
}

// resubscribeAfter is how long the hub waits after a subscription failed.
const resubscribeAfter = time.Second

func newRelay(h *Hub) *relay {
	r := &relay{hub: h, changed: make(map[string]bool), subscribed: make(map[string]bool)}
	r.peers.relay, r.peers.heard = r, make(map[string]time.Time)
	return r
}

func (r *relay) start() {
	r.link = r.hub.broker.Connect(r.hub.id, r)
	if l, ok := r.link.(HistoryLink); ok && r.hub.limit.Messages > 0 {
		r.hub.remoteHistory = l.KeepHistory(r.hub.limit)
	}
	if r.hub.onPresence != nil {
		r.peers.start()
		r.touch("")
	}
}

// touch has the subscription of a topic looked at again: it is received while the
// hub knows it. Any goroutine, with any lock of the hub's held.
func (r *relay) touch(name string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if len(r.changed) == 0 {
		r.subs.do(0, r.update)
	}
	r.changed[name] = true
}

// update brings the broker up to date.
func (r *relay) update() {
	r.mu.Lock()
	changed := r.changed
	r.changed = make(map[string]bool)
	r.mu.Unlock()
	var add, drop []string
	for name := range changed {
		switch want := r.wanted(name); {
		case want && !r.subscribed[name]:
			add = append(add, name)
		case !want && r.subscribed[name]:
			drop = append(drop, name)
		}
	}
	if len(add)+len(drop) == 0 {
		return
	}
	err := r.link.Update(add, drop)
	if err != nil {
		r.Failed(fmt.Errorf("ws: subscribing to %d topics, dropping %d: %w", len(add), len(drop), err))
		r.again(slices.Concat(add, drop))
		return
	}
	for _, name := range add {
		r.subscribed[name] = true
	}
	for _, name := range drop {
		delete(r.subscribed, name)
	}
	r.introduce(add)
}

// wanted reports whether messages of a topic are of use to the hub.
func (r *relay) wanted(name string) bool {
	if name != "" {
		return r.hub.topics.find(name) != nil
	}
	return len(*r.hub.shards.Load()) > 0 || r.hub.onPresence != nil
}

// again tries these topics later.
func (r *relay) again(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.retry = time.AfterFunc(resubscribeAfter, func() {
		for _, name := range names {
			r.touch(name)
		}
	})
}

func (r *relay) full() bool { return r != nil && r.out.full(r.hub.queueLimit) }

// publish hands a message over; stored says that it comes back.
func (r *relay) publish(p publication, stored bool) {
	if r == nil {
		return
	}
	m := BrokerMessage{Message: p.Message, Origin: r.hub.id}
	m.Position = Position{}
	m.Payload = slices.Clone(p.Payload)
	if stored {
		m.Except = r.hub.ids.of(p.except)
	}
	r.send(m)
}

func (r *relay) send(m BrokerMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.out.do(taskWeight+len(m.Payload), func() {
		if err := r.link.Publish(m); err != nil {
			r.Failed(fmt.Errorf("ws: publishing to %q: %w", m.Topic, err))
		}
	})
}

// Deliver implements BrokerReceiver.
func (r *relay) Deliver(m BrokerMessage) {
	own := m.Origin == r.hub.id
	stored := m.Position != Position{}
	switch {
	case m.Kind == KindPresence && !own:
		r.peers.hear(m)
	case m.Kind != KindData || own && !stored:
	case !beginsMessage(m.Op):
		r.Failed(fmt.Errorf("ws: %q from hub %s: %w", m.Topic, m.Origin, ErrBadOp))
	default:
		p := publication{Message: m.Message, remote: true}
		if own && m.Except != 0 {
			p.except = r.hub.ids.conn(m.Except)
		}
		r.hub.spreadWaiting(p)
	}
}

// spreadWaiting is spread for a goroutine that can wait for the loops.
func (h *Hub) spreadWaiting(p publication) {
	for h.spread(p) == ErrOverloaded {
		// What is ahead of the barrier is what there is too much of. An error is a
		// caller on a loop, which Deliver forbids.
		if err := h.flushLoops(context.Background()); err != nil {
			h.relay.Failed(err)
			return
		}
	}
}

// Restore implements BrokerReceiver.
func (r *relay) Restore(name string, epoch, floor uint64, messages []BrokerMessage, whole bool) {
	t := r.hub.lockTopic(name, false)
	if t == nil {
		return
	}
	if t.history.epoch != 0 {
		r.Failed(fmt.Errorf("%w: topic %q", ErrMissed, name))
	}
	t.history.reset(epoch, floor, whole)
	for _, m := range messages {
		p := publication{Message: m.Message}
		t.history.keep(m.Position.Offset, r.hub.encode(&p))
	}
	t.admitWaiting()
}

// Lost implements BrokerReceiver. A history of the hub's own has a hole now: it
// begins anew.
func (r *relay) Lost() {
	if !r.hub.remoteHistory {
		r.Failed(ErrMissed)
		for _, t := range r.hub.topics.all() {
			t.mu.Lock()
			if t.history != nil {
				fresh := newHistory(r.hub.limit, false)
				t.history.reset(fresh.epoch, 0, false)
			}
			t.mu.Unlock()
		}
	}
	if r.hub.onPresence != nil {
		r.introduce(r.known())
	}
}

// known returns the topics that are received.
func (r *relay) known() []string {
	var names []string
	for _, t := range r.hub.topics.all() {
		names = append(names, t.name)
	}
	return names
}

// Failed implements BrokerReceiver.
func (r *relay) Failed(err error) {
	if f := r.hub.onError; f != nil {
		f(err)
		return
	}
	slog.Default().Error("ws: broker", "error", err)
}

func (r *relay) flush(ctx context.Context) error {
	if r == nil {
		return nil
	}
	if err := r.subs.flush(ctx); err != nil {
		return err
	}
	return r.out.flush(ctx)
}

func (r *relay) close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.peers.stop()
	r.mu.Lock()
	r.closed = true
	if r.retry != nil {
		r.retry.Stop()
	}
	r.mu.Unlock()
	if err := r.flush(ctx); err != nil {
		return errors.Join(err, r.link.Close())
	}
	if all := slices.Collect(maps.Keys(r.subscribed)); len(all) > 0 {
		if err := r.link.Update(nil, all); err != nil {
			return errors.Join(err, r.link.Close())
		}
	}
	return r.link.Close()
}
