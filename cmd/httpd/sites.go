package main

import (
	"sync"
	"time"

	"github.com/carillon-go/carillon/cmd/httpd/internal/vhost"
	"github.com/carillon-go/carillon/http"
)

// servedSites are the sites of a server, and those before them that still have requests at work. One goroutine.
type servedSites struct {
	now     *vhost.Sites // nil before the first
	ended   chan struct{}
	closing sync.WaitGroup
}

// set has server serve next from the next request on, and what was there before closed behind its last.
func (s *servedSites) set(server *http.Server, next *vhost.Sites) {
	if s.ended == nil {
		s.ended = make(chan struct{})
	}
	server.SetSites(next.Sites)
	if before := s.now; before != nil {
		s.closing.Go(func() {
			select {
			case <-before.Drained():
			case <-s.ended:
			}
			before.Close()
		})
	}
	s.now = next
}

// closePatience bounds the wait for a disk that does not answer.
const closePatience = time.Second

// close is for a server that has ended: an upload that it has broken off is taken away before the process ends.
func (s *servedSites) close() {
	if s.now == nil {
		return
	}
	close(s.ended)
	s.closing.Go(s.now.Close)
	s.now = nil
	closed := make(chan struct{})
	go func() {
		s.closing.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closePatience):
	}
}
