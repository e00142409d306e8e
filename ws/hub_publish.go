package ws

// Message is one that was published.
type Message struct {
	Topic    string // "": to all
	Op       Op
	Payload  []byte
	Position Position // in the topic's history; zero without one
}

// Publish sends p to all members of topic, of this hub and of those that the
// broker joins to it. p is copied. A text must be UTF-8, which is not checked.
//
// The errors are ErrBadOp, ErrBadTopic, ErrHubClosed, and ErrOverloaded when p was
// sent to nobody. That a member does not take it is no error: see HubStats.Dropped.
// What goes wrong at the broker is told to WithBrokerErrors.
func (h *Hub) Publish(topic string, op Op, p []byte) error {
	return h.PublishExcept(topic, nil, op, p)
}

// PublishExcept is Publish to all members but one.
func (h *Hub) PublishExcept(topic string, except *Conn, op Op, p []byte) error {
	if topic == "" {
		return ErrBadTopic
	}
	return h.publish(publication{Message: Message{Topic: topic, Op: op, Payload: p}, except: except})
}

// PublishPrepared is Publish of a message that was encoded before. With an envelope
// it is encoded again.
func (h *Hub) PublishPrepared(topic string, m *Prepared) error {
	if topic == "" {
		return ErrBadTopic
	}
	return h.publish(publication{Message: Message{Topic: topic, Op: m.op, Payload: m.payload}, prepared: m})
}

// PublishAll sends p to all connections of the hub and of those that the broker
// joins to it. No history is kept of it.
func (h *Hub) PublishAll(op Op, p []byte) error { return h.PublishAllExcept(nil, op, p) }

// PublishAllExcept is PublishAll but for one connection.
func (h *Hub) PublishAllExcept(except *Conn, op Op, p []byte) error {
	return h.publish(publication{Message: Message{Op: op, Payload: p}, except: except})
}

// PublishLocal is Publish to the members of this hub only, past broker and history:
// what each process has to tell its own clients, presence for example.
func (h *Hub) PublishLocal(topic string, op Op, p []byte) error {
	if topic == "" {
		return ErrBadTopic
	}
	return h.publish(publication{Message: Message{Topic: topic, Op: op, Payload: p}, local: true})
}

// publication is a message on its way to the members.
type publication struct {
	Message
	prepared *Prepared // when there is one already
	except   *Conn
	local    bool // past broker and history
	remote   bool // from the broker
}

func (h *Hub) publish(p publication) error {
	switch {
	case !beginsMessage(p.Op):
		return ErrBadOp
	case h.closed.Load():
		return ErrHubClosed
	case h.relay.full():
		return ErrOverloaded
	}
	if h.remoteHistory && p.Topic != "" && !p.local {
		h.relay.publish(p, true) // it comes back with its position
	} else if err := h.spread(p); err != nil {
		return err
	}
	h.stats.Published.Add(1)
	return nil
}

// forward hands a message that spread gives to the members to the other hubs.
func (h *Hub) forward(p publication) {
	if !p.local && !p.remote {
		h.relay.publish(p, false)
	}
}

// spread hands a message to the loops. The error is ErrOverloaded.
func (h *Hub) spread(p publication) error {
	t := h.lockTopic(p.Topic, h.limit.Messages > 0 && !p.local && !p.remote)
	if t == nil {
		h.forward(p)
		return nil
	}
	rooms := t.rooms
	kept := t.history != nil && !p.local
	for _, r := range rooms {
		if r.shard.full() {
			t.mu.Unlock()
			return ErrOverloaded
		}
	}
	h.forward(p) // under the lock: in the same order as to the members here
	if kept && !t.history.place(&p.Message) || len(rooms) == 0 && !kept {
		t.mu.Unlock()
		return nil
	}
	m := h.encode(&p)
	cost := memberWeight * int(t.count.Load()) / max(len(rooms), 1)
	if kept {
		t.history.keep(p.Position.Offset, m)
		if len(rooms) == 0 {
			h.idle.add(t)
		}
	}
	for _, r := range rooms {
		r.shard.put(task{do: doDeliver, room: r, msg: m, conn: p.except, cost: cost})
	}
	t.mu.Unlock()
	for _, r := range rooms {
		r.shard.wake()
	}
	return nil
}

// encode makes what the members get.
func (h *Hub) encode(p *publication) *Prepared {
	switch {
	case h.envelope != nil:
		return Prepare(p.Op, h.envelope(nil, p.Message))
	case p.prepared != nil:
		return p.prepared
	}
	return Prepare(p.Op, p.Payload)
}
