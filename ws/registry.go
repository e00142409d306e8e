package ws

import (
	"hash/maphash"
	"sync"
)

// registry finds topics by name. Any goroutine.
type registry struct {
	seed    maphash.Seed
	stripes [64]stripe
}

// stripe is a part of the registry with a lock of its own.
type stripe struct {
	mu     sync.RWMutex
	topics map[string]*topic
}

func (g *registry) stripe(name string) *stripe {
	return &g.stripes[maphash.String(g.seed, name)%uint64(len(g.stripes))]
}

func (g *registry) find(name string) *topic {
	s := g.stripe(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.topics[name]
}

// add puts t there, and returns it, or what was there before.
func (g *registry) add(t *topic) (is *topic, added bool) {
	s := g.stripe(t.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.topics[t.name]; have != nil {
		return have, false
	}
	if s.topics == nil {
		s.topics = make(map[string]*topic)
	}
	s.topics[t.name] = t
	return t, true
}

func (g *registry) remove(t *topic) {
	s := g.stripe(t.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.topics, t.name)
}

// all returns the topics that are there.
func (g *registry) all() []*topic {
	var all []*topic
	for i := range g.stripes {
		s := &g.stripes[i]
		s.mu.RLock()
		for _, t := range s.topics {
			all = append(all, t)
		}
		s.mu.RUnlock()
	}
	return all
}
