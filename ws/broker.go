package ws

import "errors"

// Broker joins the hubs of several processes, so that they share their topics:
// WithBroker. Package natsbroker has one for NATS, NewMemoryBroker makes one for
// hubs of the same process.
//
// A hub sends a message to its own members at once, without waiting for the broker,
// and then hands it over; the others get those of one hub in their order. What the
// broker does in between is its own promise; most promise to bring a message at most
// once. A broker that keeps the history (HistoryLink) makes that stronger: then all
// hubs, also the publisher's, get the messages of a topic from it, in one order.
type Broker interface {
	// Connect joins a hub, whose name no other hub has. It does not wait.
	Connect(hub string, r BrokerReceiver) BrokerLink
}

// BrokerLink is a hub's end of a Broker. The hub calls Update and Publish on
// goroutines of their own, one call of each at a time; they may block.
type BrokerLink interface {
	// Update changes what topics are received, "" being that of messages to all, and
	// returns when that holds. It may be given a topic that is received already.
	// After an error, all of it is tried again.
	Update(subscribe, unsubscribe []string) error
	// Publish brings m to the other hubs that receive its topic, in the order of the
	// calls. It may come back to this hub as well, which drops it. Without an error
	// it is on its way.
	Publish(m BrokerMessage) error
	// Close ends it, when what was published has left. Nothing is delivered behind it.
	Close() error
}

// HistoryLink is a BrokerLink that can keep the history of the topics.
type HistoryLink interface {
	BrokerLink
	// KeepHistory asks whether it does, before all else. If so, it brings each
	// message of KindData back to all hubs, this one included, with its Position, in
	// its order and once; before the first of a topic it calls Restore.
	KeepHistory(HistoryLimit) bool
}

// BrokerMessage is what brokers carry: the Message is what was published, before any
// envelope.
type BrokerMessage struct {
	Message
	Kind   Kind
	Origin string // the publishing hub
	Except uint64 // which of its connections does not get it; 0: all do
}

// Kind says what a BrokerMessage is.
type Kind byte

const (
	KindData     Kind = iota // a message to the members of a topic
	KindPresence             // who is in the topic: for the hub itself, and never kept
)

// BrokerReceiver is what a broker tells a hub. Its methods may wait for the loops, and
// must not be called on one.
type BrokerReceiver interface {
	// Deliver takes a message; one topic's in their order, one at a time.
	Deliver(BrokerMessage)
	// Restore takes the history of a topic so far: the last messages, in their order,
	// in epoch, all that came after the offset floor. whole says that there never were
	// others. A second Restore says that messages in between were lost.
	Restore(topic string, epoch, floor uint64, messages []BrokerMessage, whole bool)
	// Lost says that the connection to the others was interrupted, and is back: what
	// was published meanwhile did not come, but for what the history still brings.
	Lost()
	// Failed reports an error, for WithBrokerErrors.
	Failed(error)
}

// ErrMissed is told to WithBrokerErrors when messages of other hubs may have been
// lost on the way.
var ErrMissed = errors.New("ws: messages of other hubs were lost")
