// Package natsbroker joins the hubs of many processes by NATS: a ws.Broker.
//
//	broker, err := natsbroker.Connect(ctx, "nats://127.0.0.1:4222")
//	hub := ws.NewHub(ws.WithBroker(broker))
//
// A hub subscribes to a topic with its first local member, and drops it after the last.
//
// # What is lost, and what is not
//
// Without WithJetStream the messages go by core NATS, at most once. While the NATS server is
// away, a hub goes on for its own members. What it publishes meanwhile is held, up to
// nats.ReconnectBufSize, and sent when the server is back; beyond that it is refused, which
// ws.WithBrokerErrors hears, as it hears of everything that could not be published. What other
// hubs published to a server in its last moments, or while this hub had no connection but
// they did, does not come: ws.ErrMissed says so, and a history of the hub's own begins anew, so
// that a client that comes back learns that it is not complete. Memberships and subscriptions
// stay. A hub that takes messages more slowly than they come loses some when 65,536 wait, which
// is ws.ErrMissed too.
//
// With WithJetStream a stream keeps the messages: all hubs get those of a topic in one order
// with one numbering, also across restarts of hubs and, with file storage, of the server. What
// came while a hub had no connection is caught up as far as the stream keeps it. A message whose
// storing was not confirmed is published again, and the stream drops what it has already (by
// message ID, within its duplicate window); what was on its way behind it may then be stored ahead of
// it, nothing that was published later. Lost is only what was still waiting in a process
// that dies. The price: a message reaches its members when the stream has stored it, and so not
// at all while there is no connection.
package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon/ws"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Broker is a ws.Broker on a NATS connection. Several hubs may share one.
type Broker struct {
	subjects
	nc     *nats.Conn
	owned  bool // Close closes nc
	js     jetstream.JetStream
	stream jetstream.StreamConfig // without a name: no history

	mu    sync.Mutex
	links map[*link]struct{}
}

// Option sets what a Broker does differently from the default.
type Option func(*config)

type config struct {
	prefix string
	stream jetstream.StreamConfig
	nats   []nats.Option
}

// WithPrefix sets what all subjects begin with: "carillon" by default. Hubs share their topics
// when they share it. It is one or more tokens of letters, digits, '-' and '_', with dots
// between.
func WithPrefix(prefix string) Option {
	for t := range strings.SplitSeq(prefix, ".") {
		if t == "" || token(t) != t {
			panic(fmt.Sprintf("natsbroker: prefix %q", prefix))
		}
	}
	return func(c *config) { c.prefix = prefix }
}

// WithJetStream has a stream keep the messages of topics, for hubs with ws.WithHistory. It is
// made, or updated, with this configuration; Subjects and RePublish are the broker's, and by
// default it is named "CARILLON" and keeps 100 messages of a topic for an hour. A hub hands out at
// most what its own ws.HistoryLimit says.
func WithJetStream(stream jetstream.StreamConfig) Option {
	if stream.Name == "" {
		stream.Name = "CARILLON"
	}
	if stream.MaxMsgsPerSubject == 0 {
		stream.MaxMsgsPerSubject = 100
	}
	if stream.MaxAge == 0 {
		stream.MaxAge = time.Hour
	}
	return func(c *config) { c.stream = stream }
}

// WithNATS gives options to Connect.
func WithNATS(opts ...nats.Option) Option {
	return func(c *config) { c.nats = append(c.nats, opts...) }
}

// Connect makes a Broker with a connection of its own, which never stops trying to come back;
// WithNATS can change that. ctx bounds the set-up of the stream. The errors are those of
// nats.Connect and of JetStream.
func Connect(ctx context.Context, url string, opts ...Option) (*Broker, error) {
	c := configure(opts)
	nc, err := nats.Connect(url, append([]nats.Option{nats.Name("carillon"), nats.MaxReconnects(-1)}, c.nats...)...)
	if err != nil {
		return nil, fmt.Errorf("natsbroker: connect: %w", err)
	}
	b, err := newBroker(ctx, nc, c)
	if err != nil {
		nc.Close()
		return nil, err
	}
	b.owned = true
	return b, nil
}

// New makes a Broker on a connection of the caller's, which must be set to reconnect without end
// where the hubs are to do so. The broker puts its own error handler in front of the
// connection's. ctx bounds the set-up of the stream, whose errors it returns.
func New(ctx context.Context, nc *nats.Conn, opts ...Option) (*Broker, error) {
	return newBroker(ctx, nc, configure(opts))
}

func configure(opts []Option) config {
	c := config{prefix: "carillon"}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}

func newBroker(ctx context.Context, nc *nats.Conn, c config) (*Broker, error) {
	b := &Broker{subjects: subjects{c.prefix}, nc: nc, stream: c.stream, links: make(map[*link]struct{})}
	if c.stream.Name != "" {
		if err := b.openStream(ctx); err != nil {
			return nil, fmt.Errorf("natsbroker: stream %q: %w", c.stream.Name, err)
		}
	}
	before := nc.ErrorHandler()
	nc.SetErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
		if !b.failed(sub, err) && before != nil {
			before(nc, sub, err)
		}
	})
	return b, nil
}

func (b *Broker) openStream(ctx context.Context) (err error) {
	// Without that time nats.go would keep what is never answered for good, and so count it as under way.
	if b.js, err = jetstream.New(b.nc, jetstream.WithPublishAsyncTimeout(2*answerWithin)); err != nil {
		return err
	}
	b.stream.Subjects = []string{b.prefix + ".s.*"}
	b.stream.RePublish = &jetstream.RePublish{Source: b.prefix + ".s.*", Destination: b.prefix + ".k.{{wildcard(1)}}"}
	_, err = b.js.CreateOrUpdateStream(ctx, b.stream)
	return err
}

// state asks how the stream is, and makes it again when it is gone: a server that held it in memory
// has begun anew.
func (b *Broker) state(ctx context.Context) (*jetstream.StreamInfo, error) {
	s, err := b.js.Stream(ctx, b.stream.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = b.js.CreateOrUpdateStream(ctx, b.stream)
	}
	if err != nil {
		return nil, fmt.Errorf("natsbroker: stream %q: %w", b.stream.Name, err)
	}
	return s.CachedInfo(), nil
}

// failed tells the link that a subscription belongs to of an error; false when it is of
// somebody else.
func (b *Broker) failed(sub *nats.Subscription, err error) bool {
	if sub == nil {
		return false
	}
	b.mu.Lock()
	var owner *link
	for l := range b.links {
		if l.owns(sub) {
			owner = l
		}
	}
	b.mu.Unlock()
	if owner == nil {
		return false
	}
	if errors.Is(err, nats.ErrSlowConsumer) {
		err = fmt.Errorf("%w: %w", ws.ErrMissed, err)
	}
	owner.to.Failed(fmt.Errorf("natsbroker: subscription %q: %w", sub.Subject, err))
	return true
}

// Connect implements ws.Broker.
func (b *Broker) Connect(hub string, r ws.BrokerReceiver) ws.BrokerLink {
	l := newLink(b, hub, r)
	b.mu.Lock()
	b.links[l] = struct{}{}
	b.mu.Unlock()
	return l
}

// Close closes the connection, when the broker made it. Close the hubs first.
func (b *Broker) Close() {
	if b.owned {
		b.nc.Close()
	}
}
