package natsbroker

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon/ws"
	"github.com/nats-io/nats.go"
)

// inboxSize is how many messages may wait for a hub.
const inboxSize = 65_536

// answerWithin is how long the link waits for an answer of the server.
const answerWithin = 5 * time.Second

// The header lines of a message.
const (
	originHeader = "Carillon-Origin"
	opHeader     = "Carillon-Op"
	kindHeader   = "Carillon-Kind"
	exceptHeader = "Carillon-Except"
)

// link is a hub's end of a Broker. All subscriptions feed one inbox, which one goroutine reads.
type link struct {
	b       *Broker
	hub     string
	to      ws.BrokerReceiver
	inbox   chan *nats.Msg
	status  chan nats.Status
	end     chan struct{}
	readers sync.WaitGroup
	history bool // the stream's, for this hub
	limit   ws.HistoryLimit
	storing *storing
	seen    atomic.Uint64 // the highest number in the stream that is known to be there

	mu    sync.Mutex
	feeds map[string]*feed // by topic
	subs  map[*nats.Subscription]*feed
}

// feed is a topic that is received.
type feed struct {
	topic string
	subs  []*nats.Subscription

	mu    sync.Mutex // held while the topic is brought up to date
	epoch uint64     // of the stream
	last  uint64     // the number in it of what was delivered last
}

func newLink(b *Broker, hub string, r ws.BrokerReceiver) *link {
	l := &link{
		b: b, hub: hub, to: r,
		inbox: make(chan *nats.Msg, inboxSize), end: make(chan struct{}),
		status: b.nc.StatusChanged(nats.CONNECTED),
		feeds:  make(map[string]*feed), subs: make(map[*nats.Subscription]*feed),
	}
	l.readers.Go(l.read)
	l.readers.Go(l.watch)
	return l
}

// KeepHistory implements ws.HistoryLink.
func (l *link) KeepHistory(limit ws.HistoryLimit) bool {
	if l.b.js != nil {
		l.history, l.limit = true, limit
		l.storing = newStoring(l)
	}
	return l.history
}

// Update implements ws.BrokerLink.
func (l *link) Update(subscribe, unsubscribe []string) error {
	for _, topic := range unsubscribe {
		l.drop(topic)
	}
	var added []*feed
	var err error
	for _, topic := range subscribe {
		var f *feed
		if f, err = l.subscribe(topic); err != nil {
			break
		}
		if f != nil {
			added = append(added, f)
		}
	}
	if err == nil {
		err = l.b.nc.FlushTimeout(answerWithin) // the server knows of them
	}
	for _, f := range added {
		if err == nil && l.history && f.topic != "" {
			err = l.restore(f)
		}
	}
	if err != nil {
		for _, f := range added { // all is tried again
			l.drop(f.topic)
		}
	}
	return err
}

// subscribe makes the subscriptions of a topic; nil when it is received already.
func (l *link) subscribe(topic string) (*feed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.feeds[topic] != nil {
		return nil, nil
	}
	f := &feed{topic: topic}
	names := []string{l.b.of(topic)}
	if l.history && topic != "" {
		names = append(names, l.b.kept(topic))
	}
	for _, subject := range names {
		sub, err := l.b.nc.ChanSubscribe(subject, l.inbox)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("natsbroker: subscribe: %w", err), l.unsubscribe(f))
		}
		f.subs = append(f.subs, sub)
		l.subs[sub] = f
	}
	l.feeds[topic] = f
	return f, nil
}

func (l *link) drop(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.feeds[topic]; f != nil {
		delete(l.feeds, topic)
		// An error is a connection that is closed: there is nothing to drop any more.
		_ = l.unsubscribe(f)
	}
}

func (l *link) unsubscribe(f *feed) error {
	var errs error
	for _, sub := range f.subs {
		delete(l.subs, sub)
		errs = errors.Join(errs, sub.Unsubscribe())
	}
	return errs
}

func (l *link) owns(sub *nats.Subscription) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subs[sub] != nil
}

// Publish implements ws.BrokerLink.
func (l *link) Publish(m ws.BrokerMessage) error {
	msg := &nats.Msg{Data: m.Payload, Header: nats.Header{originHeader: {m.Origin}}}
	if m.Op == ws.OpBinary {
		msg.Header[opHeader] = []string{"binary"}
	}
	if m.Kind != ws.KindData {
		msg.Header[kindHeader] = []string{strconv.Itoa(int(m.Kind))}
	}
	if m.Except != 0 {
		msg.Header[exceptHeader] = []string{strconv.FormatUint(m.Except, 10)}
	}
	if l.history && m.Kind == ws.KindData && m.Topic != "" {
		msg.Subject = l.b.stored(m.Topic)
		return l.storing.publish(msg)
	}
	msg.Subject = l.b.of(m.Topic)
	return l.b.nc.PublishMsg(msg)
}

// message reads what Publish wrote.
func message(topic string, header nats.Header, payload []byte) (ws.BrokerMessage, error) {
	m := ws.BrokerMessage{Message: ws.Message{Topic: topic, Op: ws.OpText, Payload: payload}, Origin: header.Get(originHeader)}
	if header.Get(opHeader) == "binary" {
		m.Op = ws.OpBinary
	}
	if s := header.Get(kindHeader); s != "" {
		kind, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			return m, fmt.Errorf("natsbroker: topic %q: %s: %w", topic, kindHeader, err)
		}
		m.Kind = ws.Kind(kind)
	}
	if s := header.Get(exceptHeader); s != "" {
		var err error
		if m.Except, err = strconv.ParseUint(s, 10, 64); err != nil {
			return m, fmt.Errorf("natsbroker: topic %q: %s: %w", topic, exceptHeader, err)
		}
	}
	return m, nil
}

// read hands on what arrives, until Close.
func (l *link) read() {
	for {
		select {
		case msg := <-l.inbox:
			l.mu.Lock()
			f := l.subs[msg.Sub]
			l.mu.Unlock()
			if f != nil {
				l.receive(f, msg)
			}
		case <-l.end:
			return
		}
	}
}

func (l *link) receive(f *feed, msg *nats.Msg) {
	if l.history && msg.Subject == l.b.kept(f.topic) {
		l.receiveKept(f, msg)
		return
	}
	m, err := message(f.topic, msg.Header, msg.Data)
	if err != nil {
		l.to.Failed(err)
		return
	}
	if l.history && m.Kind == ws.KindData && f.topic != "" {
		l.to.Failed(fmt.Errorf("natsbroker: hub %s does not store its messages of topic %q", m.Origin, f.topic))
		return
	}
	l.to.Deliver(m)
}

// watch waits for the connection to be there again.
func (l *link) watch() {
	for {
		select {
		case _, open := <-l.status:
			if !open {
				return // the connection is closed
			}
			l.reconnected()
		case <-l.end:
			return
		}
	}
}

// reconnected catches up. nats.go has subscribed again.
func (l *link) reconnected() {
	if err := l.b.nc.FlushTimeout(answerWithin); err != nil {
		l.to.Failed(fmt.Errorf("natsbroker: after reconnecting: %w", err)) // it will be lost again
	}
	if l.history {
		l.mu.Lock()
		feeds := make([]*feed, 0, len(l.feeds))
		for _, f := range l.feeds {
			feeds = append(feeds, f)
		}
		l.mu.Unlock()
		for _, f := range feeds {
			if f.topic != "" {
				l.catchUp(f)
			}
		}
	}
	l.to.Lost()
}

// Close implements ws.BrokerLink.
func (l *link) Close() error {
	var err error
	if l.storing != nil {
		err = l.storing.close()
	}
	l.mu.Lock()
	for topic, f := range l.feeds {
		delete(l.feeds, topic)
		_ = l.unsubscribe(f)
	}
	l.mu.Unlock()
	if e := l.b.nc.FlushTimeout(answerWithin); e != nil {
		err = errors.Join(err, fmt.Errorf("natsbroker: close: %w", e))
	}
	close(l.end)
	l.readers.Wait()
	if l.storing != nil {
		<-l.storing.ended
	}
	l.b.nc.RemoveStatusListener(l.status)
	l.b.mu.Lock()
	delete(l.b.links, l)
	l.b.mu.Unlock()
	return err
}
