// Package members keeps who is connected to /broadcast, for the servers that have
// nothing of their own for it.
package members

import (
	"maps"
	"slices"
	"sync"
)

// Set is a set of connections. Its methods may be called from any goroutine.
type Set[T comparable] struct {
	mu   sync.Mutex
	all  map[T]struct{} // guarded by mu
	list []T            // guarded by mu: all of them, nil when that has changed; its elements never do
}

// Add puts c into the set.
func (s *Set[T]) Add(c T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[T]struct{}{}
	}
	s.all[c] = struct{}{}
	s.list = nil
}

// Remove takes c out; it is not an error when it is not in.
func (s *Set[T]) Remove(c T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, c)
	s.list = nil
}

// Each calls f, without a lock, for each that was a member when Each was called.
func (s *Set[T]) Each(f func(T)) {
	for _, c := range s.snapshot() {
		f(c)
	}
}

func (s *Set[T]) snapshot() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = slices.AppendSeq(make([]T, 0, len(s.all)), maps.Keys(s.all))
	}
	return s.list
}
