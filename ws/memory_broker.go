package ws

import (
	"maps"
	"slices"
	"sync"
)

// NewMemoryBroker makes a Broker for hubs of one process: for tests, and to see
// what a cluster does.
func NewMemoryBroker() Broker { return &memoryBroker{topics: make(map[string][]*memoryLink)} }

type memoryBroker struct {
	mu     sync.RWMutex
	topics map[string][]*memoryLink // slices are replaced, never changed
}

type memoryLink struct {
	broker *memoryBroker
	to     BrokerReceiver
}

func (b *memoryBroker) Connect(_ string, r BrokerReceiver) BrokerLink {
	return &memoryLink{broker: b, to: r}
}

func (l *memoryLink) Update(subscribe, unsubscribe []string) error {
	b := l.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, topic := range unsubscribe {
		l.unsubscribe(topic)
	}
	for _, topic := range subscribe {
		if !slices.Contains(b.topics[topic], l) {
			b.topics[topic] = append(slices.Clip(b.topics[topic]), l)
		}
	}
	return nil
}

func (l *memoryLink) unsubscribe(topic string) {
	links := slices.DeleteFunc(slices.Clone(l.broker.topics[topic]), func(o *memoryLink) bool { return o == l })
	if len(links) == 0 {
		delete(l.broker.topics, topic)
	} else {
		l.broker.topics[topic] = links
	}
}

func (l *memoryLink) Publish(m BrokerMessage) error {
	l.broker.mu.RLock()
	links := l.broker.topics[m.Topic]
	l.broker.mu.RUnlock()
	for _, other := range links {
		if other != l {
			other.to.Deliver(m)
		}
	}
	return nil
}

func (l *memoryLink) Close() error {
	l.broker.mu.Lock()
	defer l.broker.mu.Unlock()
	for _, topic := range slices.Collect(maps.Keys(l.broker.topics)) {
		l.unsubscribe(topic)
	}
	return nil
}
