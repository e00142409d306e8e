package ws

import (
	"sync"

	"github.com/carillon-go/carillon/reactor"
)

// loan is the loop that a Client runs on: its caller's, or the one that all Clients
// of the process share, which runs while somebody holds it. A Client holds it until
// its end, and so does each of its connections, so that the last close frame leaves.
type loan struct {
	*reactor.EventLoop
	shared *sharedLoop // nil: the caller's
}

// hold counts one more who needs the loop. Whoever calls it holds it already.
func (l loan) hold() {
	if l.shared != nil {
		l.shared.mu.Lock()
		l.shared.holders++
		l.shared.mu.Unlock()
	}
}

// letGo takes a hold back. Any goroutine, the loop's too.
func (l loan) letGo() {
	if l.shared != nil {
		l.shared.letGo()
	}
}

// sharedLoop is a loop that is started for the first who borrows it, and quits behind
// the last.
type sharedLoop struct {
	mu      sync.Mutex
	loop    *reactor.EventLoop
	holders int
}

var clientLoop sharedLoop

func (s *sharedLoop) borrow() (loan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop == nil {
		loop, err := reactor.NewEventLoopThread(reactor.WithLoopName("ws client")).StartLoop()
		if err != nil {
			return loan{}, err
		}
		s.loop = loop
	}
	s.holders++
	return loan{s.loop, s}, nil
}

func (s *sharedLoop) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders--; s.holders == 0 {
		s.loop.Quit()
		s.loop = nil
	}
}
